//! Finding the very encoder that a bundle was trained with.

use std::path::Path;

use super::folder::Folder;
use super::kind::is_weights;
use super::paths::EncoderPaths;
use crate::encode::Encoder;
use crate::error::{Error, ErrorCode, Result};
use crate::media::Fingerprint;

impl EncoderPaths {
    /// The encoder of `media` that a bundle calls `name`, with the fingerprint `wanted`, and where it lies.
    ///
    /// What has the name is tried first, then every other folder whose kind serves `media`, so that a folder may be renamed;
    /// what [`EncoderPaths::with_named`] says is tried alone. Cost: opens encoders until one fits.
    ///
    /// # Errors
    /// [`ErrorCode::SpaceMismatch`] where what has the name is another one; [`ErrorCode::NotFound`] where nothing fits; both
    /// with the hash and every folder searched.
    pub fn find(&self, media: &str, name: &str, wanted: Fingerprint) -> Result<(Folder, Box<dyn Encoder>)> {
        if let Some(given) = self.named(media).filter(|given| *given != name) {
            let folder = self.locate(given)?.ok_or_else(|| self.absent_for(media, name, wanted, given))?;
            let folder = Folder { name: name.to_owned(), ..folder };
            let encoder = folder.open(media, self.limits())?;
            return match encoder.fingerprint() == wanted {
                true => Ok((folder, encoder)),
                false => Err(self.other_one(name, wanted, &(folder, encoder))),
            };
        }
        let mut of_the_name = None;
        let named = self.below_roots(name);
        let others = self.folders().map(|(path, _)| path).filter(|path| !named.contains(path));
        for path in named.iter().cloned().chain(others) {
            let opened = Folder::new(&path, name).and_then(|folder| {
                folder.kind.reads(media)?;
                let encoder = folder.open(media, self.limits())?;
                Ok((folder, encoder))
            });
            match opened {
                Ok(found) if found.1.fingerprint() == wanted => return Ok(found),
                Ok(found) => of_the_name = of_the_name.or(named.contains(&path).then_some(found)),
                // One of many that are tried: `encoders list` says what is wrong with it.
                Err(error) => tracing::debug!("not the encoder {name}: {error}"),
            }
        }
        Err(match of_the_name {
            Some(found) => self.other_one(name, wanted, &found),
            None => self.absent_for(media, name, wanted, name),
        })
    }

    /// Every folder and file that may be an encoder, one or two levels below the roots or a root itself, sorted within a
    /// root; with the name that it has there.
    pub(super) fn folders(&self) -> impl Iterator<Item = (std::path::PathBuf, String)> {
        self.roots().flat_map(|root| {
            let itself = |path: &Path| path.join("config.json").is_file();
            let name = |path: &Path| path.file_name().map(|n| n.to_string_lossy().into_owned());
            let mut found = Vec::new();
            if itself(root) {
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
                    let alone =
                        itself(&path) || inside.iter().any(|path| is_weights(path)) || nested.is_empty();
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

    fn other_one(&self, name: &str, wanted: Fingerprint, found: &(Folder, Box<dyn Encoder>)) -> Error {
        let what = format!("the encoder `{name}` is another one than the bundle was trained with");
        Error::new(ErrorCode::SpaceMismatch, what)
            .file(&found.0.path)
            .expected(format!("fingerprint {wanted}"))
            .got(found.1.fingerprint())
            .hint(format!("searched: {}; {}", self.searched(), ways_out("MEDIA")))
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

fn ways_out(media: &str) -> String {
    let fetch = if cfg!(feature = "hub") { ", pull it with `encoders fetch`" } else { "" };
    format!(
        "put its folder into one of UNCSM_ENCODERS, name it with --encoder {media}=DIR{fetch}, or build the index with --embed-encoders"
    )
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
    use super::super::testing::{fingerprint, write};
    use super::*;
    use crate::corpus::EncoderArg;

    #[test]
    fn the_fingerprint_decides_among_candidates() {
        let dir = tempfile::tempdir().unwrap();
        let (a, b) = (dir.path().join("a"), dir.path().join("b"));
        write(&a, "one", 1);
        write(&b, "one", 2);
        write(&b, "org/renamed", 3);
        std::fs::create_dir_all(b.join("empty")).unwrap();
        let paths = EncoderPaths::default().with_root(&b).with_root(&a);
        for (wanted, path) in [(1, a.join("one")), (2, b.join("one")), (3, b.join("org").join("renamed"))] {
            let (folder, encoder) = paths.find("text", "one", fingerprint(wanted)).unwrap();
            assert_eq!((folder.path, encoder.fingerprint()), (path, fingerprint(wanted)));
            assert_eq!(encoder.name(), "one", "the bundle's name, wherever it lies");
        }
    }

    #[test]
    fn another_one_and_none_are_told_apart() {
        let dir = tempfile::tempdir().unwrap();
        write(dir.path(), "one", 1);
        let paths = EncoderPaths::default().with_root(dir.path());
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
            ["`two`", &parts[0], &parts[2], "UNCSM_ENCODERS", "--encoder text=DIR", "--embed-encoders"]
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
            EncoderPaths::default().with_root(&root).with_named(&[arg])
        };
        let found = named(&other).find("text", "one", fingerprint(2)).unwrap();
        assert_eq!((found.0.path.as_path(), found.1.name()), (other.as_path(), "one"));
        let code = |path: &Path, wanted| named(path).find("text", "one", wanted).err().unwrap().code();
        assert_eq!(code(&other, fingerprint(1)), ErrorCode::SpaceMismatch);
        assert_eq!(code(&apart.join("none"), fingerprint(1)), ErrorCode::NotFound);
    }
}
