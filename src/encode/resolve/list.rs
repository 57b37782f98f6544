//! All encoders that are there, for people who look for one.

use std::path::PathBuf;

use serde::Serialize;

use super::folder::Folder;
use super::registry::Registry;
use crate::encode::Encoder;
use crate::encode::builtin::{Builtin, BuiltinText};
use crate::encode::family::Family;
use crate::media::Fingerprint;

/// An encoder, or a folder that looks like one and is none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Listed {
    /// The name by which it is found.
    pub name: String,
    /// What it is; `None` for a folder that is no encoder.
    pub kind: Option<&'static str>,
    /// Where it lies; `None` for a built-in one.
    pub path: Option<PathBuf>,
    /// What it is for each media type that it serves.
    pub media: Vec<ListedMedia>,
    /// What is wrong with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

/// An encoder for one media type.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ListedMedia {
    /// The media type.
    pub name: &'static str,
    /// Number of features; `None` where it does not open.
    pub features: Option<usize>,
    /// Stands for weights and preprocessing; `None` where it learns from a corpus.
    pub fingerprint: Option<Fingerprint>,
}

/// The encoders that need no weights, then what lies in the folders of `registry`. Cost: opens every encoder.
pub fn list(registry: &Registry) -> Vec<Listed> {
    let mut out: Vec<Listed> = registry
        .families()
        .named()
        .map(|(name, family)| without_weights(name, family.as_ref(), registry))
        .collect();
    for (path, name) in registry.folders() {
        let mut listed = Listed { name, kind: None, path: Some(path.clone()), media: vec![], problem: None };
        match Folder::new(&path, &listed.name, registry.families()) {
            Err(error) => listed.problem = Some(error.to_string()),
            Ok(folder) => {
                listed.kind = Some(folder.family.name());
                for media in folder.family.media() {
                    let opened = folder.open(media, registry.limits());
                    let known = opened.map(|encoder| (encoder.features(), encoder.fingerprint()));
                    let (features, fingerprint) = known.as_ref().ok().copied().unzip();
                    listed.media.push(ListedMedia { name: media, features, fingerprint });
                    listed.problem = listed.problem.or(known.err().map(|error| error.to_string()));
                }
            }
        }
        out.push(listed);
    }
    out
}

fn without_weights(name: &str, family: &dyn Family, registry: &Registry) -> Listed {
    let of = |media: &'static str| {
        // One that learns from a corpus, which decides the fingerprint, does not open without what it has learned.
        let opened = registry.by_name(media, name, &[]).ok();
        let features = opened.as_ref().map(|encoder| encoder.features()).or_else(|| learned(name));
        ListedMedia { name: media, features, fingerprint: opened.map(|encoder| encoder.fingerprint()) }
    };
    let media: Vec<ListedMedia> = match Builtin::by_name(name) {
        Some(Builtin::Image) => vec![of("image")],
        Some(Builtin::Text) => vec![of("text")],
        None => family.media().iter().map(|media| of(media)).collect(),
    };
    Listed { name: name.to_owned(), kind: Some(family.name()), path: None, media, problem: None }
}

/// Features of an encoder that learns from a corpus.
fn learned(name: &str) -> Option<usize> {
    (Builtin::by_name(name)? == Builtin::Text).then(|| BuiltinText::default().features())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encode::family::testing::{fingerprint, write};

    #[test]
    fn sound_and_bad_folders_are_listed() {
        let dir = tempfile::tempdir().unwrap();
        write(dir.path(), "org/one", 1);
        std::fs::create_dir_all(dir.path().join("empty")).unwrap();
        std::fs::write(write(dir.path(), "strange", 2).join("config.json"), r#"{"model_type":"t5"}"#)
            .unwrap();
        std::fs::remove_file(write(dir.path(), "cut", 3).join("model.safetensors")).unwrap();
        let listed = list(&Registry::default().with_root(dir.path()).with_root("nowhere"));
        let names: Vec<&str> = listed.iter().map(|encoder| encoder.name.as_str()).collect();
        assert_eq!(names, ["builtin-image-v1", "builtin-text-v1", "cut", "empty", "org/one", "strange"]);
        assert_eq!((listed[0].media[0].features, listed[1].media[0].features), (Some(1428), Some(2048)));
        assert!(listed[0].media[0].fingerprint.is_some() && listed[1].media[0].fingerprint.is_none());
        let one = &listed[4];
        assert_eq!((one.kind, one.problem.as_deref()), (Some("test"), None));
        assert_eq!((one.media[0].features, one.media[0].fingerprint), (Some(4), Some(fingerprint(1))));
        assert!(listed[3].problem.as_ref().unwrap().contains("no encoder"));
        assert!(listed[5].problem.as_ref().unwrap().contains("t5"));
        assert!(listed[2].problem.is_some() && listed[2].media[0].features.is_none());
    }
}
