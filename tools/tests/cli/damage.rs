//! Damaged indexes and bundles: `verify` names the place, and nothing wrong is served in silence where it is looked at.

use std::path::{Path, PathBuf};

use serde_json::Value;
use tempfile::TempDir;

use crate::files::{copy_dir, file_of};
use crate::run::{error, json};
use crate::world::{PATHWAYS, world};

const FIND: &str = "query % --features % --pathway image=image --rows 17..18";

/// A copy of the shared index, to be damaged.
fn copy() -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let index = dir.path().join("index");
    copy_dir(&world().index, &index);
    (dir, index)
}

fn file_name(path: &Path) -> &str {
    path.file_name().unwrap().to_str().unwrap()
}

/// What `verify` finds; it must find something, in well-formed entries.
fn damage(index: &Path) -> Vec<Value> {
    let report = json(2, "verify %", &[index]);
    assert_eq!(report["ok"], false);
    let damage = report["damage"].as_array().unwrap().clone();
    assert!(!damage.is_empty());
    for entry in &damage {
        assert!(entry["file"].is_string() && !entry["reason"].as_str().unwrap().is_empty(), "{entry}");
    }
    damage
}

#[test]
fn a_flipped_byte_is_found_with_its_section_and_offset() {
    let (_dir, index) = copy();
    let file = file_of(&index, "uvec");
    let report = json(0, "inspect %", &[&file]);
    let whole = std::fs::read(&file).unwrap();
    for section in report["sections"].as_array().unwrap() {
        let (start, length) = (section["offset"].as_u64().unwrap(), section["length"].as_u64().unwrap());
        if length == 0 {
            continue;
        }
        let mut bytes = whole.clone();
        bytes[(start + length / 2) as usize] ^= 0x40;
        std::fs::write(&file, bytes).unwrap();
        let name = section["name"].as_str().unwrap();
        let found = damage(&index);
        let hit = found.iter().find(|entry| entry["section"].as_str().is_some_and(|s| s.contains(name)));
        let hit = hit.unwrap_or_else(|| panic!("section {name} is not among {found:?}"));
        assert_eq!(hit["file"], file_name(&file), "{name}");
        let offset = hit["offset"].as_u64().unwrap();
        assert!((start..start + length).contains(&offset), "{name}: {hit}, section {section}");
    }
    std::fs::write(&file, whole).unwrap();
    assert_eq!(json(0, "verify %", &[&index])["ok"], true);
}

#[test]
fn a_truncated_vector_file_is_refused() {
    let (_dir, index) = copy();
    let file = file_of(&index, "uvec");
    let whole = std::fs::read(&file).unwrap();
    for length in [0, 3, 100, whole.len() / 2, whole.len() - 1] {
        std::fs::write(&file, &whole[..length]).unwrap();
        let found = error(FIND, &[&index, &world().features]);
        assert_eq!(found["code"], "damaged", "{length}: {found}");
        assert_eq!(found["file"], file.display().to_string(), "{length}: {found}");
        assert!(damage(&index).iter().any(|entry| entry["file"] == file_name(&file)), "{length}");
    }
    std::fs::remove_file(&file).unwrap();
    let found = error(FIND, &[&index, &world().features]);
    assert!(found.to_string().contains(file_name(&file)), "a missing file is named: {found}");
    assert!(damage(&index).iter().any(|entry| entry.to_string().contains(file_name(&file))));
}

#[test]
fn damage_of_the_hosts_own_files_is_found() {
    let (_dir, index) = copy();
    for ext in ["store", "term", "idx", "fast"] {
        let file = file_of(&index, ext);
        let whole = std::fs::read(&file).unwrap();
        let mut bytes = whole.clone();
        bytes[whole.len() / 3] ^= 1;
        std::fs::write(&file, bytes).unwrap();
        assert!(damage(&index).iter().any(|entry| entry["file"] == file_name(&file)), "{ext}");
        std::fs::write(&file, &whole[..whole.len() / 2]).unwrap();
        assert!(damage(&index).iter().any(|entry| entry["file"] == file_name(&file)), "{ext} cut");
        std::fs::write(&file, whole).unwrap();
    }
    assert_eq!(json(0, "verify %", &[&index])["ok"], true);
}

#[test]
fn a_damaged_manifest_names_its_line() {
    let (_dir, index) = copy();
    let file = index.join("uncsm-index.json");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, &text[..text.len() / 2]).unwrap();
    for command in [FIND, "inspect %"] {
        let paths =
            [&[index.as_path()][..], &vec![world().features.as_path(); command.matches('%').count() - 1]]
                .concat();
        let found = error(command, &paths);
        assert_eq!(
            (&found["code"], &found["file"]),
            (&"damaged".into(), &file.display().to_string().into()),
            "{command}"
        );
        assert!(found["line"].is_u64(), "{command}: {found}");
    }
    let text = text.replace("\"format_version\": 0", "\"format_version\": 99");
    std::fs::write(&file, text).unwrap();
    let found = error(FIND, &[&index, &world().features]);
    assert_eq!((&found["code"], &found["got"]), (&"unsupported_version".into(), &"99".into()), "{found}");
}

#[test]
fn a_damaged_bundle_is_refused() {
    let world = world();
    let dir = tempfile::tempdir().unwrap();
    let bundle = dir.path().join("bundle");
    copy_dir(&world.bundle, &bundle);
    let out = dir.path().join("index");
    let files: Vec<PathBuf> = std::fs::read_dir(&bundle).unwrap().map(|e| e.unwrap().path()).collect();
    assert_eq!(files.len(), 2);
    for file in files {
        let whole = std::fs::read(&file).unwrap();
        for at in [whole.len() / 5, whole.len() / 2, whole.len() - 3] {
            let mut bytes = whole.clone();
            bytes[at] ^= 1;
            std::fs::write(&file, bytes).unwrap();
            let line = format!("build --features % {PATHWAYS} --bundle % --out %");
            let found = error(&line, &[&world.features, &bundle, &out]);
            assert_eq!(found["code"], "damaged", "{} byte {at}: {found}", file.display());
            assert!(found["file"].as_str().unwrap().starts_with(&bundle.display().to_string()), "{found}");
            assert_eq!(error("inspect %", &[&bundle])["code"], "damaged");
        }
        std::fs::write(&file, whole).unwrap();
    }
    assert_eq!(json(0, "inspect %", &[&bundle])["fingerprint"], world.trained["fingerprint"]);
}

/// Bundle of another seed: another space over the same encoders.
fn other_bundle(dir: &Path) -> PathBuf {
    let (config, out) = (dir.join("short.toml"), dir.join("other"));
    let text = "dim = 24\nhidden = 8\nhalf = 8\nepochs_contrastive = 1\nepochs_double_triplet = 1\nepochs_metric = 1\n";
    std::fs::write(&config, text).unwrap();
    let line = format!("train --features % {PATHWAYS} --label label --test-mask test --config % --out %");
    json(0, &line, &[&world().features, &config, &out]);
    out
}

#[test]
fn a_bundle_or_a_segment_of_another_space_is_refused() {
    let world = world();
    let (dir, index) = copy();
    let other = other_bundle(dir.path());
    // The other bundle in the place of the index's own.
    let manifest: Value =
        serde_json::from_slice(&std::fs::read(index.join("uncsm-index.json")).unwrap()).unwrap();
    let inside = index.join(manifest["bundle"].as_str().unwrap());
    std::fs::remove_dir_all(&inside).unwrap();
    copy_dir(&other, &inside);
    let found = error(FIND, &[&index, &world.features]);
    assert_eq!(
        (&found["code"], &found["file"]),
        (&"space_mismatch".into(), &index.display().to_string().into())
    );
    let space = world.trained["fingerprint"]["space"].as_str().unwrap();
    assert!(found["expected"].as_str().unwrap().contains(space), "{found}");
    damage(&index);
    // A segment file of another space in the place of the index's own.
    let foreign = dir.path().join("foreign");
    let line = format!("build --features % {PATHWAYS} --corpus % --bundle % --out %");
    json(0, &line, &[&world.features, &world.corpus, &other, &foreign]);
    let (_dir, index) = copy();
    let file = file_of(&index, "uvec");
    std::fs::copy(file_of(&foreign, "uvec"), &file).unwrap();
    let found = error(FIND, &[&index, &world.features]);
    assert_eq!(
        (&found["code"], &found["file"]),
        (&"space_mismatch".into(), &file.display().to_string().into())
    );
    assert!(damage(&index).iter().any(|entry| entry["file"] == file_name(&file)));
}
