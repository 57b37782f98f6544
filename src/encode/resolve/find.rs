//! Finding the very encoder that a bundle was trained with.

use std::path::Path;
use std::sync::Arc;

use super::folder::Folder;
use super::registry::Registry;
use crate::encode::Encoder;
use crate::encode::family::{is_weights, reads};
use crate::error::{Error, ErrorCode, Result};
use crate::hint::{Hint, Setting, Task};
use crate::media::Fingerprint;

/// An encoder and where it lies; `None` for one of the app.
pub type Found = (Option<Folder>, Arc<dyn Encoder>);

impl Registry {
    /// The encoder of `media` that a bundle calls `name`, with the fingerprint `wanted`, and where it lies.
    ///
    /// An encoder of the app is tried first, then what has the name, then every other folder whose family serves `media`, so that a folder may be renamed;
    /// what [`Registry::with_named`] says is tried alone where it is a path, or another name than `name`. Cost: opens
    /// encoders until one fits.
    ///
    /// # Errors
    /// [`ErrorCode::SpaceMismatch`] where what has the name is another one; [`ErrorCode::NotFound`] where nothing fits; both
    /// with the hash and every folder searched. Where what has the name does not open: that error, with the hash.
    pub fn find(&self, media: &str, name: &str, wanted: Fingerprint) -> Result<Found> {
        let mut broken = None;
        let own = self.own(media, self.named(media).unwrap_or(name));
        if let Some(own) = own.filter(|own| own.fingerprint() == wanted) {
            return Ok((None, own.clone()));
        }
        let here = |given: &str| looks_like_one(Path::new(given)) || self.family(Path::new(given)).is_ok();
        if let Some(given) = self.named(media).filter(|given| *given != name || here(given)) {
            if let Some(own) = own {
                return Err(self.other_one(name, wanted, &(None, own.clone())));
            }
            let located = match Path::new(given).exists() && given == name {
                true => Folder::new(Path::new(given), name, self.families()).map(Some),
                false => self.locate(given),
            };
            let folder = located.map_err(|error| with_wanted(error, wanted))?;
            let folder = folder.ok_or_else(|| self.absent_for(media, name, wanted, given))?;
            let folder = Folder { name: name.to_owned(), ..folder };
            let encoder = folder.open(media, self.limits()).map_err(|error| with_wanted(error, wanted))?;
            return match encoder.fingerprint() == wanted {
                true => Ok((Some(folder), encoder)),
                false => Err(self.other_one(name, wanted, &(Some(folder), encoder))),
            };
        }
        let mut of_the_name = own.map(|own| (None, own.clone()));
        let named = self.below_roots(name);
        let others = self.folders().map(|(path, _)| path).filter(|path| !named.contains(path));
        for path in named.iter().cloned().chain(others) {
            let folder = match Folder::new(&path, name, self.families()) {
                Ok(folder) if reads(folder.family.as_ref(), media).is_err() => continue,
                folder => folder,
            };
            let opened = folder.and_then(|folder| {
                let encoder = folder.open(media, self.limits())?;
                Ok((Some(folder), encoder))
            });
            match opened {
                Ok(found) if found.1.fingerprint() == wanted => return Ok(found),
                Ok(found) => of_the_name = of_the_name.or(named.contains(&path).then_some(found)),
                Err(error) => {
                    // One of many that are tried: a list of all says what is wrong with it.
                    tracing::debug!("not the encoder {name}: {error}");
                    if named.contains(&path) && (path.is_file() || looks_like_one(&path)) {
                        broken = broken.or(Some(error));
                    }
                }
            }
        }
        Err(match (broken, of_the_name) {
            (Some(error), _) => with_wanted(error, wanted),
            (None, Some(found)) => self.other_one(name, wanted, &found),
            (None, None) => self.absent_for(media, name, wanted, name),
        })
    }

    /// Every folder and file that may be an encoder, one or two levels below the roots or a root itself, sorted within a
    /// root; with the name that it has there.
    pub(super) fn folders(&self) -> impl Iterator<Item = (std::path::PathBuf, String)> {
        self.roots().flat_map(|root| {
            let name = |path: &Path| path.file_name().map(|n| n.to_string_lossy().into_owned());
            let mut found = Vec::new();
            if looks_like_one(root) {
                found.extend(name(root).map(|name| (root.to_path_buf(), name)));
                return found;
            }
            for path in sorted(root) {
                let Some(first) = name(&path) else { continue };
                if is_weights(&path) {
                    let stem = first.strip_suffix(".safetensors").unwrap_or(&first).to_owned();
                    found.push((path, stem));
                } else if path.is_dir() && !first.starts_with('.') {
                    let inside = sorted(&path);
                    let nested: Vec<_> = inside.iter().filter(|path| path.is_dir()).collect();
                    let alone = looks_like_one(&path)
                        || inside.iter().any(|path| is_weights(path))
                        || nested.is_empty();
                    if alone {
                        found.push((path, first));
                        continue;
                    }
                    let second =
                        |path: &std::path::PathBuf| Some((path.clone(), format!("{first}/{}", name(path)?)));
                    found.extend(nested.into_iter().filter_map(second));
                }
            }
            found
        })
    }

    fn other_one(&self, name: &str, wanted: Fingerprint, found: &Found) -> Error {
        let what = format!("the encoder `{name}` is another one than the bundle was trained with");
        let error = Error::new(ErrorCode::SpaceMismatch, what);
        let error = match &found.0 {
            Some(folder) => error.file(&folder.path),
            None => error,
        };
        error
            .expected(format!("fingerprint {wanted}"))
            .got(found.1.fingerprint())
            .hint(Hint::new(format!("searched: {}; ", self.searched())).then(&ways_out("MEDIA")))
    }

    fn absent_for(&self, media: &str, name: &str, wanted: Fingerprint, given: &str) -> Error {
        let what = format!("the weights of the encoder `{name}` of the media type `{media}` are not here");
        Error::new(ErrorCode::NotFound, what)
            .expected(format!("fingerprint {wanted} in {}", self.searched()))
            .got(if given == name {
                "no encoder that fits".to_owned()
            } else {
                format!("nothing at {given}")
            })
            .hint(ways_out(media))
    }
}

/// Whether a folder has the settings of an encoder, or the list of parts of an older layout.
fn looks_like_one(dir: &Path) -> bool {
    ["config.json", "modules.json"].iter().any(|name| dir.join(name).is_file())
}

/// The error of what should be the encoder, with the hash that was looked for.
fn with_wanted(error: Error, wanted: Fingerprint) -> Error {
    let expected = match &error.facts().expected {
        Some(expected) => format!("{expected}, of an encoder with fingerprint {wanted}"),
        None => format!("an encoder with fingerprint {wanted}"),
    };
    error.expected(expected)
}

fn ways_out(media: &str) -> Hint {
    let hint = Hint::new("put its folder into one of UNCSM_ENCODERS, name it with")
        .given(Setting::Encoder, format_args!("{media}=DIR"));
    let hint =
        if cfg!(feature = "hub") { hint.text(", pull it with").task(Task::FetchEncoder) } else { hint };
    hint.text(", or build the index with").setting(Setting::EmbedEncoders)
}

/// The entries of a folder by name; none where it does not read.
fn sorted(dir: &Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(dir).into_iter().flatten();
    let mut paths: Vec<_> = entries.filter_map(std::result::Result::ok).map(|entry| entry.path()).collect();
    paths.sort();
    paths
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::corpus::EncoderArg;
    use crate::encode::family::testing::{fingerprint, write};

    #[test]
    fn the_fingerprint_decides_among_candidates() {
        let dir = tempfile::tempdir().unwrap();
        let (a, b) = (dir.path().join("a"), dir.path().join("b"));
        write(&a, "one", 1);
        write(&b, "one", 2);
        write(&b, "org/renamed", 3);
        std::fs::create_dir_all(b.join("empty")).unwrap();
        let paths = Registry::default().with_root(&b).with_root(&a);
        for (wanted, path) in [(1, a.join("one")), (2, b.join("one")), (3, b.join("org").join("renamed"))] {
            let (folder, encoder) = paths.find("text", "one", fingerprint(wanted)).unwrap();
            assert_eq!((folder.unwrap().path, encoder.fingerprint()), (path, fingerprint(wanted)));
            assert_eq!(encoder.name(), "one", "the bundle's name, wherever it lies");
        }
    }

    #[test]
    fn another_one_and_none_are_told_apart() {
        let dir = tempfile::tempdir().unwrap();
        write(dir.path(), "one", 1);
        let paths = Registry::default().with_root(dir.path());
        let error = paths.find("text", "one", fingerprint(9)).err().unwrap();
        assert_eq!(error.code(), ErrorCode::SpaceMismatch);
        let text = error.to_string();
        let parts =
            [fingerprint(9).to_string(), fingerprint(1).to_string(), dir.path().display().to_string()];
        assert!(parts.iter().all(|part| text.contains(part)), "{text}");
        let error = paths.find("text", "two", fingerprint(9)).err().unwrap();
        assert_eq!(error.code(), ErrorCode::NotFound);
        let text = error.to_string();
        for part in
            ["`two`", &parts[0], &parts[2], "UNCSM_ENCODERS", "`encoder` text=DIR", "`embed_encoders`"]
        {
            assert!(text.contains(part), "{part}: {text}");
        }
        // A picture encoder is asked for, and only a text encoder is here.
        assert_eq!(paths.find("image", "one", fingerprint(1)).err().unwrap().code(), ErrorCode::NotFound);
    }

    #[test]
    fn what_the_user_names_is_tried_alone() {
        let dir = tempfile::tempdir().unwrap();
        let (root, apart) = (dir.path().join("root"), dir.path().join("apart"));
        write(&root, "one", 1);
        let other = write(&apart, "elsewhere", 2);
        let named = |path: &Path| {
            let arg = EncoderArg { media: "text".into(), encoder: path.display().to_string() };
            Registry::default().with_root(&root).with_named(&[arg])
        };
        let found = named(&other).find("text", "one", fingerprint(2)).unwrap();
        assert_eq!((found.0.as_ref().unwrap().path.as_path(), found.1.name()), (other.as_path(), "one"));
        let code = |path: &Path, wanted| named(path).find("text", "one", wanted).err().unwrap().code();
        assert_eq!(code(&other, fingerprint(1)), ErrorCode::SpaceMismatch);
        assert_eq!(code(&apart.join("none"), fingerprint(1)), ErrorCode::NotFound);
        // A path that the bundle calls the same is the path too, though no root has it.
        let name = other.to_str().unwrap();
        let found = named(&other).find("text", name, fingerprint(2)).unwrap();
        assert_eq!((found.0.as_ref().unwrap().path.as_path(), found.1.name()), (other.as_path(), name));
        let error = named(&other).find("text", name, fingerprint(1)).err().unwrap();
        assert_eq!(error.code(), ErrorCode::SpaceMismatch);
    }

    #[test]
    fn what_has_the_name_and_is_damaged_says_so() {
        let dir = tempfile::tempdir().unwrap();
        let path = write(dir.path(), "one", 1);
        write(dir.path(), "two", 2);
        let paths = Registry::default().with_root(dir.path());
        let named = EncoderArg { media: "text".into(), encoder: path.display().to_string() };
        let both = [paths.clone(), paths.with_named(&[named])];
        std::fs::write(path.join("config.json"), "{").unwrap();
        for paths in &both {
            let error = paths.find("text", "one", fingerprint(1)).err().unwrap();
            assert_eq!(error.code(), ErrorCode::BadJson);
            assert!(error.to_string().contains(&fingerprint(1).to_string()), "{error}");
        }
        // Another folder that is damaged is no concern of this one, and one that fits helps out.
        assert_eq!(
            both[0].find("text", "two", fingerprint(2)).unwrap().0.unwrap().path,
            dir.path().join("two")
        );
        assert_eq!(
            both[0].find("text", "one", fingerprint(2)).unwrap().0.unwrap().path,
            dir.path().join("two")
        );
    }

    #[test]
    fn a_folder_of_parts_is_an_encoder() {
        let dir = tempfile::tempdir().unwrap();
        let path = write(dir.path(), "old", 1);
        std::fs::create_dir(path.join("0_Transformer")).unwrap();
        std::fs::rename(path.join("config.json"), path.join("0_Transformer").join("config.json")).unwrap();
        std::fs::write(path.join("modules.json"), r#"[{"path":"0_Transformer"}]"#).unwrap();
        std::fs::create_dir(path.join("1_Pooling")).unwrap();
        // The weights beside it do not decide.
        let paths = Registry::default().with_root(dir.path());
        assert_eq!(paths.find("text", "other", fingerprint(1)).unwrap().0.unwrap().path, path);
        std::fs::rename(path.join("model.safetensors"), path.join("0_Transformer").join("model.safetensors"))
            .unwrap();
        assert_eq!(paths.folders().collect::<Vec<_>>(), [(path, "old".to_owned())]);
    }
}
