//! Opening an encoder by its name or place.

use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use super::folder::Folder;
use super::registry::{ENCODERS, Registry, is_hub_name};
use crate::encode::Encoder;
use crate::encode::family::Opening;
use crate::error::{Error, ErrorCode, Result};

impl Registry {
    /// Opens the encoder `name_or_dir` of `media`: one of the app, a built-in one, a path, or a name below the folders, where
    /// the first folder that has it counts. With the feature `hub`, a name `ORG/NAME` that is nowhere is pulled into the cache.
    ///
    /// # Errors
    /// [`ErrorCode::NotFound`] with all folders searched; those of [`Registry::family`] and [`Folder::open`]; for the built-in
    /// encoder of texts, which learns from a corpus, [`ErrorCode::BadDimension`].
    pub fn open(&self, media: &str, name_or_dir: &str) -> Result<Arc<dyn Encoder>> {
        if let Some(encoder) = self.own(media, name_or_dir) {
            return Ok(encoder.clone());
        }
        if self.needs_no_weights(name_or_dir) {
            return self.by_name(media, name_or_dir, &[]);
        }
        match self.locate(name_or_dir)? {
            Some(folder) => folder.open(media, self.limits()),
            None => self.pull(media, name_or_dir)?.open(media, self.limits()),
        }
    }

    /// Whether a family opens the encoder `name` without weights.
    pub(crate) fn needs_no_weights(&self, name: &str) -> bool {
        self.families().of_name(name).is_some()
    }

    /// The encoder `name`, which needs no weights, from the state that a bundle keeps.
    ///
    /// # Errors
    /// [`ErrorCode::NotFound`] where no family knows the name; those of [`Family::open`](crate::encode::Family::open).
    pub(crate) fn by_name(&self, media: &str, name: &str, state: &[f32]) -> Result<Arc<dyn Encoder>> {
        let family = self.families().of_name(name).ok_or_else(|| self.absent(media, name))?;
        family.open(&Opening { state, ..Opening::new(media, name, Path::new(""), self.limits()) })
    }

    /// The folder that `name_or_dir` means, or `None` where there is nothing of that name.
    ///
    /// # Errors
    /// What it means is no encoder: those of [`Registry::family`].
    pub fn locate(&self, name_or_dir: &str) -> Result<Option<Folder>> {
        let path = Path::new(name_or_dir);
        if path.exists() {
            match Folder::named_by_path(path, self.families()) {
                Ok(folder) => return Ok(Some(folder)),
                Err(error) if is_path(name_or_dir) => return Err(error),
                // A bare word that happens to be a folder here too.
                Err(_) => {}
            }
        }
        match self.below_roots(name_or_dir).into_iter().next() {
            Some(path) => Folder::new(&path, name_or_dir, self.families()).map(Some),
            None => Ok(None),
        }
    }

    /// What lies at `name` below the folders, in their order; a folder that is an encoder itself has its own name.
    pub(super) fn below_roots(&self, name: &str) -> Vec<PathBuf> {
        let plain = |part: Component<'_>| matches!(part, Component::Normal(_));
        if name.is_empty() || !Path::new(name).components().all(plain) {
            return Vec::new();
        }
        let mut found = Vec::new();
        for root in self.roots() {
            let inside = [root.join(name), root.join(format!("{name}.safetensors"))];
            found.extend(inside.into_iter().filter(|path| path.exists()));
            if root.file_name().is_some_and(|last| last == name) && self.family(root).is_ok() {
                found.push(root.to_path_buf());
            }
        }
        found
    }

    #[cfg(feature = "hub")]
    fn pull(&self, media: &str, name: &str) -> Result<Folder> {
        match is_hub_name(name) {
            true => super::hub::fetch(name, self),
            false => Err(self.absent(media, name)),
        }
    }

    #[cfg(not(feature = "hub"))]
    fn pull(&self, media: &str, name: &str) -> Result<Folder> {
        Err(self.absent(media, name))
    }

    fn absent(&self, media: &str, name: &str) -> Error {
        let what = format!("no encoder `{name}` for the media type `{media}`");
        let known: Vec<&str> = self.families().named().map(|(name, _)| name).collect();
        let known = known.join(", ");
        let mut hint = format!("name its folder, or put the folder of its weights into one of {ENCODERS}");
        if cfg!(not(feature = "hub")) && is_hub_name(name) {
            hint += "; a build with the feature `hub` pulls such a name";
        }
        Error::new(ErrorCode::NotFound, what)
            .expected(format!("one of {known}, a path, or a name in {}", self.searched()))
            .got(name)
            .hint(hint)
    }
}

/// Whether the user means a path and no name.
fn is_path(name_or_dir: &str) -> bool {
    let path = Path::new(name_or_dir);
    path.is_absolute() || name_or_dir.starts_with('.') || path.components().count() > 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encode::family::testing::{fingerprint, write};
    use crate::encode::{Family, Signs};

    #[test]
    fn an_encoder_is_opened_by_path_or_name() {
        let dir = tempfile::tempdir().unwrap();
        let (a, b) = (dir.path().join("a"), dir.path().join("b"));
        let first = write(&a, "org/one", 1);
        write(&b, "org/one", 2);
        write(&b, "two", 3);
        let paths = Registry::default().with_root(&b).with_root(&a);
        let open = |name: &str| {
            let encoder = paths.open("text", name).unwrap();
            (encoder.name().to_owned(), encoder.fingerprint())
        };
        assert_eq!(open("org/one"), ("org/one".into(), fingerprint(1)), "the first folder counts");
        assert_eq!(open("two"), ("two".into(), fingerprint(3)));
        assert_eq!(open(first.to_str().unwrap()), ("one".into(), fingerprint(1)));
        // A folder of the list may be an encoder itself.
        let itself = Registry::default().with_root(&first);
        assert_eq!(itself.open("text", "one").unwrap().fingerprint(), fingerprint(1));
        assert_eq!(paths.open("image", "two").err().unwrap().code(), ErrorCode::BadArgument);
        assert_eq!(paths.open("title", "two").unwrap().features(), 4);
        assert_eq!(paths.open("image", "builtin-image-v1").unwrap().name(), "builtin-image-v1");
    }

    #[test]
    fn what_is_absent_is_named_with_every_folder() {
        let dir = tempfile::tempdir().unwrap();
        let (a, b) = (dir.path().join("a"), dir.path().join("b"));
        write(&a, "one", 1);
        std::fs::write(a.join("one").join("config.json"), "{").unwrap();
        let paths = Registry::default().with_root(&b).with_root(&a);
        let error = paths.open("text", "minilm").err().unwrap();
        assert_eq!(error.code(), ErrorCode::NotFound);
        let text = error.to_string();
        for part in ["minilm", a.to_str().unwrap(), b.to_str().unwrap(), ENCODERS, "builtin-text-v1"] {
            assert!(text.contains(part), "{part}: {text}");
        }
        // Nothing outside of the folders is meant by a name.
        for name in ["../a/one/x", "/nowhere/one", "a/../../b", ""] {
            assert_eq!(paths.open("text", name).err().unwrap().code(), ErrorCode::NotFound, "{name}");
        }
        assert_eq!(paths.open("text", "one").err().unwrap().code(), ErrorCode::BadJson);
        let path = a.join("one");
        assert_eq!(paths.open("text", path.to_str().unwrap()).err().unwrap().code(), ErrorCode::BadJson);
    }

    #[cfg(not(feature = "hub"))]
    #[test]
    fn a_name_of_the_hub_names_the_feature() {
        let error = Registry::default().open("text", "some-org/some-model").err().unwrap();
        assert_eq!(error.code(), ErrorCode::NotFound);
        assert!(error.to_string().contains("feature `hub`"), "{error}");
    }

    #[test]
    fn an_encoder_of_the_app_goes_before_all_folders() {
        let dir = tempfile::tempdir().unwrap();
        write(dir.path(), "one", 1);
        write(dir.path(), "two", 2);
        let own = Registry::default().with_root(dir.path()).open("text", "one").unwrap();
        let other = tempfile::tempdir().unwrap();
        write(other.path(), "one", 3);
        let registry = Registry::default().with_root(other.path()).with_encoder("text", own);
        assert_eq!(registry.open("text", "one").unwrap().fingerprint(), fingerprint(1));
        // Of another media type it is the folder's.
        assert_eq!(registry.open("title", "one").unwrap().fingerprint(), fingerprint(3));
        assert!(registry.find("text", "one", fingerprint(1)).unwrap().0.is_none(), "it has no folder");
        let found = registry.find("text", "one", fingerprint(3)).unwrap();
        assert_eq!(found.0.unwrap().path, other.path().join("one"), "the fingerprint decides");
        let error = registry.find("text", "one", fingerprint(9)).err().unwrap();
        assert_eq!(error.code(), ErrorCode::SpaceMismatch);
        assert!(error.to_string().contains(&fingerprint(1).to_string()), "{error}");
    }

    /// Texts of folders with the settings of a model that is known to no other family.
    struct Own;

    impl Family for Own {
        fn name(&self) -> &'static str {
            "own"
        }

        fn media(&self) -> &'static [&'static str] {
            &["text"]
        }

        fn detect(&self, signs: &Signs) -> bool {
            signs.model_type() == Some("t5")
        }

        fn open(&self, opening: &Opening<'_>) -> Result<Arc<dyn Encoder>> {
            std::fs::write(opening.path.join("config.json"), r#"{"model_type":"test"}"#).unwrap();
            Registry::default().with_root(opening.path).open(opening.media, opening.name)
        }
    }

    #[test]
    fn a_family_of_the_app_is_asked() {
        let dir = tempfile::tempdir().unwrap();
        let path = write(dir.path(), "one", 1);
        std::fs::write(path.join("config.json"), r#"{"model_type":"t5"}"#).unwrap();
        let registry = Registry::default().with_root(dir.path());
        let error = registry.open("text", "one").err().unwrap();
        assert_eq!(error.code(), ErrorCode::BadValue);
        assert!(error.to_string().contains("bert, clip, siglip"), "{error}");
        let registry = registry.with_family(Arc::new(Own));
        assert_eq!(registry.family(&path).unwrap().name(), "own");
        assert_eq!(registry.open("text", "one").unwrap().fingerprint(), fingerprint(1));
    }
}
