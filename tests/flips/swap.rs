//! Whole files that stand in the place of others.

use std::path::{Path, PathBuf};

use uncsm_index::ErrorCode;
use uncsm_index::index::{Index, attach, examine, verify};
use uncsm_index::model::Bundle;
use uncsm_index::search::Engine;

use crate::common::files::{copy_dir, files_of, put};
use crate::world::World;

fn swap(a: &Path, b: &Path) {
    let (one, other) = (std::fs::read(a).unwrap(), std::fs::read(b).unwrap());
    assert_ne!(one, other, "{}", a.display());
    put(a, other);
    put(b, one);
}

#[test]
fn files_of_equal_kind_swapped_between_segments_are_found_and_refused() {
    let _beside = crate::beside();
    // Equal numbers of documents, so that nothing else tells them apart.
    let world = World::with(&[0..10, 10..20]);
    let files = files_of(&world.index);
    let of = |kind: &str| -> Vec<&PathBuf> {
        files.iter().filter(|file| file.extension().is_some_and(|found| found == kind)).collect()
    };
    let mut kinds = 0;
    for kind in ["term", "idx", "pos", "fast", "fieldnorm", "store", "uvec"] {
        let [a, b] = of(kind)[..] else { panic!("two files of {kind}") };
        let scratch = tempfile::tempdir().unwrap();
        let dir = scratch.path().join("index");
        copy_dir(&world.index, &dir);
        if std::fs::read(dir.join(a)).unwrap() == std::fs::read(dir.join(b)).unwrap() {
            continue;
        }
        kinds += 1;
        swap(&dir.join(a), &dir.join(b));
        let damage = verify(&dir).unwrap();
        for file in [a, b] {
            let name = file.display().to_string();
            assert!(damage.iter().any(|damage| damage.file == name), "{kind}: {damage:?}");
        }
        let merging = scratch.path().join("merging");
        copy_dir(&dir, &merging);
        assert!(world.merge(&merging).is_err(), "{kind}");
        assert_eq!(verify(&merging).unwrap().len(), damage.len(), "{kind}: no merge makes it sound");
        let index = Index::open(&dir).unwrap();
        let error = Engine::new(&index).err().unwrap_or_else(|| panic!("{kind}: served"));
        assert_eq!(error.code(), ErrorCode::Damaged, "{kind}: {error}");
        let named = error.facts().file.clone().unwrap();
        assert!(named == dir.join(a) || named == dir.join(b), "{kind}: {error}");
    }
    assert!(kinds >= 6, "{kinds} kinds differ");
}

#[test]
fn deletes_of_another_segment_or_commit_are_found() {
    let _beside = crate::beside();
    let world = World::with(&[0..10, 10..20, 3..5, 13..15]);
    let files: Vec<PathBuf> = files_of(&world.index)
        .into_iter()
        .filter(|file| file.extension().is_some_and(|kind| kind == "del"))
        .collect();
    assert_eq!(files.len(), 2);
    let (a, b) = (world.index.join(&files[0]), world.index.join(&files[1]));
    // As many documents deleted of as many, so that only the record knows.
    if std::fs::read(&a).unwrap() == std::fs::read(&b).unwrap() {
        let mut bytes = std::fs::read(&a).unwrap();
        bytes[8] ^= 0b11;
        put(&a, bytes);
    } else {
        swap(&a, &b);
    }
    assert!(!verify(&world.index).unwrap().is_empty());
    let index = Index::open(&world.index).unwrap();
    assert_eq!(index.reader().err().unwrap().code(), ErrorCode::Damaged);
}

#[test]
fn a_bundle_of_the_same_space_in_the_place_of_another_is_refused() {
    let _beside = crate::beside();
    let world = World::with(std::slice::from_ref(&(0..12)));
    let bundle = crate::world::bundle();
    let scratch = tempfile::tempdir().unwrap();
    let (dir, other) = (scratch.path().join("index"), scratch.path().join("other"));
    copy_dir(&world.index, &dir);
    copy_dir(&world.index, &other);
    attach(&other, &bundle.with_prior(0.01).unwrap()).unwrap();
    let folder = |dir: &Path| {
        let index = Index::open(dir).unwrap();
        dir.join(&index.manifest().bundle)
    };
    let (own, foreign) = (folder(&dir), folder(&other));
    assert_ne!(own.file_name(), foreign.file_name());
    for files in [&["config.json", "model.safetensors"][..], &["config.json"]] {
        for file in files {
            put(&own.join(file), std::fs::read(foreign.join(file)).unwrap());
        }
        let error = Index::open(&dir).err().unwrap();
        assert_eq!(error.code(), ErrorCode::Damaged, "{files:?}: {error}");
        assert!(!verify(&dir).unwrap().is_empty(), "{files:?}");
    }
    // One of the same shape and another space.
    let stranger = scratch.path().join("stranger");
    Bundle::random(&[("image", 6), ("text", 5)], 12, 7, 3, 4).save(&stranger).unwrap();
    for file in ["config.json", "model.safetensors"] {
        let sound = std::fs::read(world.index.join(own.file_name().unwrap()).join(file)).unwrap();
        put(&own.join(file), &sound);
        Index::open(&dir).unwrap();
        put(&own.join(file), std::fs::read(stranger.join(file)).unwrap());
        assert!(Index::open(&dir).is_err(), "{file}");
        put(&own.join(file), sound);
    }
}

#[test]
fn an_index_of_an_older_build_opens_and_takes_its_record_with_the_next_commit() {
    let _beside = crate::beside();
    let world = World::with(&[0..10, 10..20]);
    let meta = world.index.join("meta.json");
    // As it was written before: without the seal.
    let text = std::fs::read_to_string(&meta).unwrap();
    let plain = format!("{}\n}}\n", &text[..text.find(",\n  \"uncsm_files\"").unwrap()]);
    put(&meta, &plain);
    let manifest = world.index.join("uncsm-index.json");
    let text = std::fs::read_to_string(&manifest).unwrap();
    put(&manifest, text.trim_end());
    let found = examine(&world.index).unwrap();
    assert!(found.is_sound() && found.notes.len() == 1 && found.notes[0].contains("record"), "{found:?}");
    assert_eq!(verify(&world.index).unwrap(), []);
    assert_eq!(crate::world::answers(&world.index).unwrap(), world.answers);
    world.delete(&world.index).unwrap();
    assert!(std::fs::read_to_string(&meta).unwrap().contains("uncsm_files"));
    assert_eq!(examine(&world.index).unwrap().notes, Vec::<String>::new());
    // The host alone reads what was sealed.
    assert_eq!(tantivy::Index::open_in_dir(&world.index).unwrap().searchable_segment_ids().unwrap().len(), 2);
}
