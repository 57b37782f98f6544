//! `--features-cache`: what an earlier run encoded gives the same bundle and the same index.

use std::fs;
use std::path::{Path, PathBuf};

use crate::files::s;
use crate::pictures::support::{answers, stored_items, world};
use crate::run::{code, err, ok};

fn shards(cache: &Path) -> Vec<PathBuf> {
    let folders = fs::read_dir(cache).unwrap().map(|entry| entry.unwrap().path());
    let files = folders.flat_map(|folder| fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()));
    let mut files: Vec<PathBuf> = files.collect();
    files.sort();
    files
}

fn bundle_bytes(bundle: &Path) -> (Vec<u8>, Vec<u8>) {
    let read = |name: &str| fs::read(bundle.join(name)).unwrap();
    (read("config.json"), read("model.safetensors"))
}

#[test]
fn a_cache_changes_nothing_but_the_time() {
    let world = world();
    let dir = tempfile::tempdir().unwrap();
    let cache = dir.path().join("cache");
    let train = |name: &str| {
        let out = dir.path().join(name);
        let (corpus, config) = (s(&world.corpus), s(&world.config));
        ok(&[
            "train",
            corpus,
            "--out",
            s(&out),
            "--label",
            "category",
            "--config",
            config,
            "--features-cache",
            s(&cache),
        ]);
        bundle_bytes(&out)
    };
    let expected = bundle_bytes(&world.bundle);
    assert_eq!(train("first"), expected);
    let kept = shards(&cache);
    // A folder for pictures and one for texts.
    assert_eq!(fs::read_dir(&cache).unwrap().count(), 2);
    assert!(kept.len() >= 2);
    assert_eq!(train("second"), expected);
    let index = dir.path().join("index");
    let (corpus, bundle) = (s(&world.corpus), s(&world.bundle));
    let build = ["build", corpus, "--bundle", bundle, "--out", s(&index), "--features-cache", s(&cache)];
    ok(&build);
    assert_eq!(answers(&index), answers(&world.index));
    assert_eq!(stored_items(&index, "doc-007"), stored_items(&world.index, "doc-007"));
    let eval = ["eval", bundle, corpus];
    assert_eq!(ok(&[&eval[..], &["--features-cache", s(&cache)]].concat()), ok(&eval));
    assert_eq!(shards(&cache), kept, "the items are the same, so nothing was encoded");
    // Damage costs time alone.
    let mut bytes = fs::read(&kept[0]).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&kept[0], bytes).unwrap();
    fs::write(&kept[1], "cut").unwrap();
    assert_eq!(train("third"), expected);
    assert!(shards(&cache).len() > kept.len(), "what was damaged was encoded again");
}

#[test]
fn features_from_a_file_need_no_cache() {
    let dir = tempfile::tempdir().unwrap();
    let features = dir.path().join("f.safetensors");
    let bytes = 1f32.to_le_bytes();
    let view = safetensors::tensor::TensorView::new(safetensors::Dtype::F32, vec![1, 1], &bytes).unwrap();
    fs::write(&features, safetensors::serialize([("image", view)], None).unwrap()).unwrap();
    let (out, cache) = (dir.path().join("out"), dir.path().join("cache"));
    let error = err(&[
        "train",
        "--features",
        s(&features),
        "--pathway",
        "image=image",
        "--out",
        s(&out),
        "--features-cache",
        s(&cache),
    ]);
    assert_eq!(code(&error), "bad_argument");
    assert!(!cache.exists());
}
