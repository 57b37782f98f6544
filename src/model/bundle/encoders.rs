//! The encoders of a bundle: opened when they are needed, and refused when they are others than it was trained with.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use super::{Bundle, MediaConfig};
use crate::encode::resolve::{Folder, Found};
use crate::encode::{Builtin, Encoder, Encoders, FromFile, Registry};
use crate::error::{Error, ErrorCode, Result};
use crate::hint::{Hint, Setting};
use crate::media::Fingerprint;

impl Bundle {
    /// The encoder of a media type: a built-in one with what it has learned, or the very one of the bundle's fingerprint,
    /// looked for in `registry`. Cost: that of [`Registry::find`].
    ///
    /// # Errors
    /// [`ErrorCode::UnknownMedia`]; [`ErrorCode::BadArgument`] where nobody knows which encoder made the features that it
    /// was trained on; [`ErrorCode::NotFound`] where the weights are not in `registry`, [`ErrorCode::SpaceMismatch`] where
    /// others are in their place.
    pub fn encoder(&self, media: usize, registry: &Registry) -> Result<Arc<dyn Encoder>> {
        let config = self.config_of(media)?;
        if !opens_by_name(config, registry) {
            return self.find(config, registry).map(|(_, encoder)| encoder);
        }
        if let Some(other) = registry.named(&config.name).filter(|name| *name != config.encoder) {
            return Err(mismatch(&config.encoder, other));
        }
        let encoder = registry.by_name(&config.name, &config.encoder, &self.encoder_states[media])?;
        match config.fingerprint {
            Some(wanted) if wanted != encoder.fingerprint() => Err(mismatch(wanted, encoder.fingerprint())
                .hint("use the program that the bundle was trained with")),
            _ => Ok(encoder),
        }
    }

    /// Where the weights of the encoder of a media type lie; `None` for a built-in one, for one of the
    /// app, or where nobody knows the encoder.
    ///
    /// # Errors
    /// Those of [`Bundle::encoder`].
    pub fn encoder_folder(&self, media: usize, registry: &Registry) -> Result<Option<Folder>> {
        let config = self.config_of(media)?;
        if opens_by_name(config, registry) || config.fingerprint.is_none() {
            return Ok(None);
        }
        self.find(config, registry).map(|(folder, _)| folder)
    }

    /// The encoders of all media types.
    ///
    /// # Errors
    /// Those of [`Bundle::encoder`].
    pub fn encoders(&self, registry: &Registry) -> Result<Encoders> {
        let all = self.media.iter().map(|config| config.name.clone()).collect();
        self.encoders_of(&all, registry)
    }

    /// The encoders of those media types that `wanted` names and the bundle has; no other is opened.
    ///
    /// # Errors
    /// Those of [`Bundle::encoder`].
    pub fn encoders_of(&self, wanted: &BTreeSet<String>, registry: &Registry) -> Result<Encoders> {
        let mut out = Encoders::new();
        for (at, config) in self.media.iter().enumerate() {
            if wanted.contains(&config.name) {
                out.insert(config.name.clone(), self.encoder(at, registry)?);
            }
        }
        Ok(out)
    }

    /// Refuses items of `media` that the encoder `name_or_dir` made, unless it is the bundle's own: by its fingerprint
    /// where that can be had, else (nobody wrote one down, or this build opens no such encoder) by its name.
    ///
    /// # Errors
    /// [`ErrorCode::UnknownMedia`], [`ErrorCode::SpaceMismatch`]; those of opening an encoder.
    pub fn check_encoder(&self, media: &str, name_or_dir: &str, registry: &Registry) -> Result<()> {
        let config = &self.media[self.media_index(media)?];
        let same = config.encoder == name_or_dir;
        if same && (registry.needs_no_weights(name_or_dir) || config.fingerprint.is_none()) {
            return Ok(());
        }
        let named = || mismatch(&config.encoder, name_or_dir);
        if opens_by_name(config, registry) || registry.needs_no_weights(name_or_dir) {
            return Err(named());
        }
        if let Some(own) = registry.own(media, name_or_dir) {
            return match config.fingerprint {
                Some(wanted) if wanted == own.fingerprint() => Ok(()),
                Some(wanted) => Err(mismatch(wanted, own.fingerprint())),
                None => Err(named()),
            };
        }
        let Some(folder) = registry.locate(name_or_dir)? else {
            return if same { Ok(()) } else { Err(named()) };
        };
        match config.fingerprint {
            None if folder.name == config.encoder => Ok(()),
            None => Err(named()),
            // Nothing here opens it: the name has to do.
            Some(_) if same && !folder.family.is_in_this_build() => Ok(()),
            Some(wanted) => {
                let got = folder.open(media, registry.limits())?.fingerprint();
                if got == wanted { Ok(()) } else { Err(mismatch(wanted, got).file(&folder.path)) }
            }
        }
    }

    fn config_of(&self, media: usize) -> Result<&MediaConfig> {
        self.media.get(media).ok_or_else(|| {
            Error::new(ErrorCode::UnknownMedia, "no media type of this number here").got(media)
        })
    }

    fn find(&self, config: &MediaConfig, registry: &Registry) -> Result<Found> {
        let Some(wanted) = config.fingerprint else {
            return Err(FromFile::new(&config.name, &config.encoder, config.features).cannot_encode());
        };
        let (folder, encoder) = registry.find(&config.name, &config.encoder, wanted)?;
        if encoder.features() != config.features {
            let what = "the encoder does not fit the pathway of its bundle";
            let error = Error::new(ErrorCode::BadDimension, what);
            let error = match &folder {
                Some(folder) => error.file(&folder.path),
                None => error,
            };
            return Err(error.expected(config.features).got(encoder.features()));
        }
        Ok((folder, encoder))
    }
}

/// Whether name and state make the encoder: of a state nothing is missing.
fn opens_by_name(config: &MediaConfig, registry: &Registry) -> bool {
    match Builtin::by_name(&config.encoder) {
        Some(Builtin::Text) => config.state > 0,
        _ => registry.needs_no_weights(&config.encoder),
    }
}

fn mismatch(expected: impl std::fmt::Display, got: impl std::fmt::Display) -> Error {
    Error::new(ErrorCode::SpaceMismatch, "the features were made by another encoder")
        .expected(expected)
        .got(got)
        .hint(
            Hint::new("name the encoder with")
                .given(Setting::Encoder, "MEDIA=NAME_OR_DIR")
                .text(", as in training"),
        )
}

/// Whether a name with nothing behind it can only be a path with an error in it.
fn means_a_path(name_or_dir: &str) -> bool {
    let path = Path::new(name_or_dir);
    let mut parts = path.components();
    let first = parts.next().is_some_and(|first| Path::new(&first).is_dir());
    path.is_absolute() || name_or_dir.starts_with('.') || (first && parts.next().is_some())
}

/// The name that a bundle keeps for the encoder `name_or_dir` that made features of `width` elements, and its fingerprint
/// where it is there to give one: then the bundle encodes queries by itself.
///
/// # Errors
/// [`ErrorCode::NotFound`] for a path where nothing is; [`ErrorCode::BadDimension`] for an encoder of another width; those
/// of opening it.
pub(crate) fn maker(
    media: &str,
    name_or_dir: &str,
    width: usize,
    registry: &Registry,
) -> Result<(String, Option<Fingerprint>)> {
    let unknown = |name: &str| {
        tracing::warn!(
            "the encoder {name} of the media type {media} is not here: the bundle keeps its name alone, and encodes no queries"
        );
        Ok((name.to_owned(), None))
    };
    let encoder = if Builtin::by_name(name_or_dir) == Some(Builtin::Text) {
        // What it had learned when it made the features is not known.
        return unknown(name_or_dir);
    } else if registry.own(media, name_or_dir).is_some() || registry.needs_no_weights(name_or_dir) {
        registry.open(media, name_or_dir)?
    } else {
        match registry.locate(name_or_dir)? {
            Some(folder) => folder.open(media, registry.limits())?,
            None if means_a_path(name_or_dir) => {
                return Err(Error::new(ErrorCode::NotFound, "no encoder here").file(name_or_dir));
            }
            None => return unknown(name_or_dir),
        }
    };
    if encoder.features() != width {
        let what = format!("the encoder of the media type `{media}` did not make these features");
        return Err(Error::new(ErrorCode::BadDimension, what)
            .expected(format!("{} features, as {} gives them", encoder.features(), encoder.name()))
            .got(width)
            .hint("name another encoder, or none: the bundle then encodes no queries"));
    }
    Ok((encoder.name().to_owned(), Some(encoder.fingerprint())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::corpus::EncoderArg;
    use crate::encode::testing::{FEATURES, fingerprint, write};
    use crate::encode::{Family, Opening, Signs};

    /// A bundle whose texts were encoded by the test encoder of these weights.
    fn bundle(weights: u8) -> Bundle {
        let mut bundle = Bundle::random(&[("image", 3), ("text", FEATURES)], 6, 4, 0, 9);
        bundle.media[1].encoder = "one".into();
        bundle.media[1].fingerprint = Some(fingerprint(weights));
        bundle.sealed()
    }

    fn code<T>(result: Result<T>) -> ErrorCode {
        result.err().unwrap().code()
    }

    #[test]
    fn fingerprints_belong_to_the_space_and_survive_the_disk() {
        assert_ne!(bundle(1).space(), bundle(2).space());
        let dir = tempfile::tempdir().unwrap();
        bundle(1).save(&dir.path().join("b")).unwrap();
        let loaded = Bundle::load(&dir.path().join("b")).unwrap();
        assert_eq!(loaded, bundle(1));
        assert_eq!(loaded.media()[1].fingerprint, Some(fingerprint(1)));
    }

    #[test]
    fn the_very_encoder_is_opened_and_another_refused() {
        let dir = tempfile::tempdir().unwrap();
        write(dir.path(), "one", 1);
        let paths = Registry::default().with_root(dir.path());
        assert_eq!(bundle(1).encoder(1, &paths).unwrap().fingerprint(), fingerprint(1));
        assert_eq!(code(bundle(2).encoder(1, &paths)), ErrorCode::SpaceMismatch);
        assert_eq!(code(bundle(1).encoder(1, &Registry::default())), ErrorCode::NotFound);
        assert_eq!(code(bundle(1).encoder(2, &paths)), ErrorCode::UnknownMedia);
        // Nobody knows what made the features of its images: an error where they are needed, and only there.
        assert_eq!(code(bundle(1).encoder(0, &paths)), ErrorCode::BadArgument);
        assert_eq!(code(bundle(1).encoders(&paths)), ErrorCode::BadArgument);
        let text = ["text".to_owned()].into();
        let opened = bundle(1).encoders_of(&text, &paths).unwrap();
        assert_eq!(opened.keys().collect::<Vec<_>>(), ["text"]);
        let none = bundle(2).encoders_of(&BTreeSet::new(), &Registry::default()).unwrap();
        assert!(none.is_empty(), "what is not needed is not opened");
    }

    #[test]
    fn an_encoder_of_another_width_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        write(dir.path(), "one", 1);
        let mut wide = Bundle::random(&[("text", FEATURES + 1)], 6, 4, 0, 9);
        wide.media[0].fingerprint = Some(fingerprint(1));
        let paths = Registry::default().with_root(dir.path());
        assert_eq!(code(wide.sealed().encoder(0, &paths)), ErrorCode::BadDimension);
    }

    #[test]
    fn what_a_user_names_is_checked_by_fingerprint_or_name() {
        let dir = tempfile::tempdir().unwrap();
        let same = write(dir.path(), "renamed", 1);
        write(dir.path(), "other", 2);
        let paths = Registry::default().with_root(dir.path());
        let check = |name: &str| bundle(1).check_encoder("text", name, &paths);
        check("one").unwrap();
        check("renamed").unwrap();
        check(same.to_str().unwrap()).unwrap();
        assert_eq!(code(check("other")), ErrorCode::SpaceMismatch);
        assert_eq!(code(check("nowhere")), ErrorCode::SpaceMismatch);
        // The same name for another encoder, where that can be seen.
        let apart = tempfile::tempdir().unwrap();
        write(apart.path(), "one", 2);
        let of = |weights| {
            let paths = Registry::default().with_root(apart.path());
            bundle(weights).check_encoder("text", "one", &paths)
        };
        of(2).unwrap();
        assert_eq!(code(of(1)), ErrorCode::SpaceMismatch);
        assert_eq!(code(check("builtin-text-v1")), ErrorCode::SpaceMismatch);
        assert_eq!(code(bundle(1).check_encoder("audio", "one", &paths)), ErrorCode::UnknownMedia);
        let mut builtin = Bundle::random(&[("image", 1428)], 6, 4, 0, 9);
        builtin.media[0].encoder = "builtin-image-v1".into();
        assert_eq!(code(builtin.check_encoder("image", "renamed", &paths)), ErrorCode::SpaceMismatch);
        assert_eq!(builtin.encoder(0, &Registry::default()).unwrap().features(), 1428);
        let named = [EncoderArg { media: "image".into(), encoder: "renamed".into() }];
        assert_eq!(code(builtin.encoder(0, &paths.clone().with_named(&named))), ErrorCode::SpaceMismatch);
        builtin.media[0].fingerprint = Some(fingerprint(1));
        assert_eq!(code(builtin.encoder(0, &Registry::default())), ErrorCode::SpaceMismatch);
    }

    /// Knows the folders of the test encoder, and opens none.
    struct Absent;

    impl Family for Absent {
        fn name(&self) -> &'static str {
            "absent"
        }

        fn media(&self) -> &'static [&'static str] {
            &["text"]
        }

        fn detect(&self, _: &Signs) -> bool {
            true
        }

        fn open(&self, _: &Opening<'_>) -> Result<Arc<dyn Encoder>> {
            Err(Error::new(ErrorCode::BadArgument, "not in this build"))
        }

        fn is_in_this_build(&self) -> bool {
            false
        }
    }

    #[test]
    fn the_name_has_to_do_where_the_build_opens_no_such_encoder() {
        let dir = tempfile::tempdir().unwrap();
        write(dir.path(), "one", 2);
        write(dir.path(), "other", 1);
        let paths = Registry::default().with_root(dir.path());
        let check = |name: &str, paths: &Registry| bundle(1).check_encoder("text", name, paths);
        // What opens is compared, whatever the features of the build.
        assert_eq!(code(check("one", &paths)), ErrorCode::SpaceMismatch);
        let paths = paths.with_family(Arc::new(Absent));
        check("one", &paths).unwrap();
        assert_eq!(code(check("other", &paths)), ErrorCode::BadArgument);
    }

    #[test]
    fn the_maker_of_features_is_recorded_where_it_is_known() {
        let dir = tempfile::tempdir().unwrap();
        let path = write(dir.path(), "one", 1);
        let paths = Registry::default().with_root(dir.path());
        let of = |name: &str, width: usize| maker("text", name, width, &paths);
        let known = ("one".to_owned(), Some(fingerprint(1)));
        assert_eq!(of("one", FEATURES).unwrap(), known);
        assert_eq!(of(path.to_str().unwrap(), FEATURES).unwrap(), known);
        assert_eq!(of("minilm", FEATURES).unwrap(), ("minilm".to_owned(), None));
        assert_eq!(of("builtin-text-v1", 2048).unwrap().1, None);
        assert!(maker("image", "builtin-image-v1", 1428, &paths).unwrap().1.is_some());
        assert_eq!(code(of("one", 3)), ErrorCode::BadDimension);
        assert_eq!(code(of("/nowhere/at/all", 4)), ErrorCode::NotFound);
        // `src` is a folder here, where the tests of the package run.
        assert_eq!(code(of("src/mnilm", 4)), ErrorCode::NotFound);
        assert_eq!(of("org/mnilm", 4).unwrap().1, None);
        std::fs::write(path.join("config.json"), "{").unwrap();
        assert_eq!(code(of("one", FEATURES)), ErrorCode::BadJson);
    }

    #[test]
    fn an_encoder_of_the_app_serves_its_bundle() {
        let dir = tempfile::tempdir().unwrap();
        write(dir.path(), "one", 1);
        let opened = Registry::default().with_root(dir.path()).open("text", "one").unwrap();
        let registry = Registry::default().with_encoder("text", opened);
        assert_eq!(bundle(1).encoder(1, &registry).unwrap().fingerprint(), fingerprint(1));
        assert_eq!(code(bundle(2).encoder(1, &registry)), ErrorCode::SpaceMismatch);
        assert!(bundle(1).encoder_folder(1, &registry).unwrap().is_none(), "nothing to copy");
        bundle(1).check_encoder("text", "one", &registry).unwrap();
        assert_eq!(code(bundle(2).check_encoder("text", "one", &registry)), ErrorCode::SpaceMismatch);
        let known = ("one".to_owned(), Some(fingerprint(1)));
        assert_eq!(maker("text", "one", FEATURES, &registry).unwrap(), known);
        let mut wide = Bundle::random(&[("text", FEATURES + 1)], 6, 4, 0, 9);
        wide.media[0].encoder = "one".into();
        wide.media[0].fingerprint = Some(fingerprint(1));
        assert_eq!(code(wide.sealed().encoder(0, &registry)), ErrorCode::BadDimension);
    }
}
