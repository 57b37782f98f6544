//! `attach`: another bundle of equal space.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use uncsm_index::index::Index;
use uncsm_index::model::Bundle;

use crate::files::s;
use crate::pictures::support::{answers, assert_sound, copy_of_index, stored_items, train, world};
use crate::run::{code, err, ok};

/// The bundle of the world under another rate of matches.
fn with_prior(dir: &Path, prior: f32) -> PathBuf {
    let out = dir.join(format!("prior-{prior}"));
    Bundle::load(&world().bundle).unwrap().with_prior(prior).unwrap().save(&out).unwrap();
    out
}

fn names(dir: &Path) -> BTreeSet<String> {
    fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

fn bundles(index: &Path) -> usize {
    names(index).iter().filter(|name| name.starts_with("bundle-")).count()
}

#[test]
fn the_same_data_and_seed_give_the_same_bundle() {
    let dir = tempfile::tempdir().unwrap();
    let world = world();
    let again = train(&world.corpus, &world.config, &dir.path().join("again"));
    assert_eq!(again["fingerprint"], world.trained["fingerprint"]);
    let (hasty, out) = (dir.path().join("hasty.toml"), dir.path().join("other"));
    let once = "epochs_contrastive = 1\nepochs_double_triplet = 1\nepochs_metric = 1\n";
    fs::write(&hasty, format!("dim = 40\nhalf = 16\nleast_steps = 0\nrefit = \"off\"\n{once}")).unwrap();
    let other = train(&world.corpus, &hasty, &out);
    assert_ne!(other["fingerprint"]["space"], world.trained["fingerprint"]["space"]);

    // And a bundle of another space is refused.
    let index = copy_of_index(dir.path());
    let (before, files) = (answers(&index), names(&index));
    let error = err(&["attach", s(&index), "--bundle", s(&out)]);
    assert_eq!(code(&error), "space_mismatch", "{error}");
    assert!(
        error["got"].as_str().unwrap().contains(other["fingerprint"]["space"].as_str().unwrap()),
        "{error}"
    );
    assert_eq!((answers(&index), names(&index)), (before, files));
}

/// The items of a hit without their probabilities.
fn logits(hit: &Value) -> Vec<Value> {
    let mut items = hit["items"].as_array().unwrap().clone();
    for item in &mut items {
        for key in ["probability", "calibrated_logit"] {
            assert!(item.as_object_mut().unwrap().remove(key).is_some(), "{hit}");
        }
    }
    items
}

#[test]
fn an_attached_prior_moves_probabilities_alone() {
    let dir = tempfile::tempdir().unwrap();
    let index = copy_of_index(dir.path());
    let rare = with_prior(dir.path(), 0.001);
    let (before, about) = (answers(&index), ok(&["inspect", s(&index)]));
    let vectors = stored_items(&index, "doc-007");
    let attached = ok(&["attach", s(&index), "--bundle", s(&rare)]);
    let after = ok(&["inspect", s(&index)]);
    assert_eq!(attached["fingerprint"], after["fingerprint"]);
    assert_eq!(after["fingerprint"]["space"], about["fingerprint"]["space"]);
    assert_ne!(after["fingerprint"]["model"], about["fingerprint"]["model"]);
    // Nothing was built: the same segments, the same vectors.
    assert_eq!(after["segments"], about["segments"]);
    assert_eq!(stored_items(&index, "doc-007"), vectors);
    assert_eq!(bundles(&index), 1);
    assert_sound(&index);

    let now = answers(&index);
    assert_eq!(now["all"], before["all"]);
    // Two logits that differ in the last bit may be one number beside another prior: such hits stand in the order of their ids.
    let hits = |answers: &Value| {
        let mut hits = answers["ranked"].as_array().unwrap().clone();
        hits.sort_by_key(|hit| {
            let best = logits(hit)[0]["logit"].as_f64().unwrap();
            ((-best * 1e4).round() as i64, hit["id"].to_string())
        });
        hits
    };
    for (old, new) in hits(&before).iter().zip(&hits(&now)) {
        assert_eq!((&old["id"], logits(old)), (&new["id"], logits(new)));
        let probability = |hit: &Value| hit["probability"].as_f64().unwrap();
        assert!(probability(new) <= probability(old), "{old} {new}");
    }
    assert!(
        hits(&now)[0]["probability"].as_f64().unwrap() < hits(&before)[0]["probability"].as_f64().unwrap()
    );

    // Back again, and once more: exactly as it was.
    for _ in 0..2 {
        ok(&["attach", s(&index), "--bundle", s(&world().bundle)]);
        assert_eq!(answers(&index), before);
        assert_eq!(bundles(&index), 1);
    }
}

#[test]
fn what_a_killed_attach_left_is_removed() {
    let dir = tempfile::tempdir().unwrap();
    let index = copy_of_index(dir.path());
    let rare = with_prior(dir.path(), 0.001);
    let clean = names(&index);
    // The new folder is there and not named yet, another is half made, and so is a manifest.
    let model = Bundle::load(&rare).unwrap().model().to_string();
    for folder in
        [format!("bundle-{}", &model[..16]), "bundle-0123456789abcdef".into(), ".uncsm-bundle-AbCd12".into()]
    {
        crate::files::copy_dir(&rare, &index.join(folder));
    }
    fs::write(index.join(".uncsm-EfGh34"), "{").unwrap();
    // Readers do not care.
    assert_sound(&index);
    ok(&["attach", s(&index), "--bundle", s(&rare)]);
    let is_bundle = |name: &String| name.starts_with("bundle-");
    let files =
        |names: &BTreeSet<String>| names.iter().filter(|n| !is_bundle(n)).cloned().collect::<Vec<_>>();
    assert_eq!(files(&names(&index)), files(&clean));
    assert_eq!(bundles(&index), 1);
    assert_sound(&index);
}

#[test]
fn while_a_writer_is_open_nothing_changes() {
    let dir = tempfile::tempdir().unwrap();
    let index = copy_of_index(dir.path());
    let rare = with_prior(dir.path(), 0.001);
    let before = answers(&index);
    let open = Index::open(&index).unwrap();
    let writer = open.writer(15 << 20).unwrap();
    for args in [
        vec!["attach", s(&index), "--bundle", s(&rare)],
        vec!["add", s(&index), s(&world().corpus)],
        vec!["delete", s(&index), "--id", "doc-000"],
    ] {
        assert_eq!(code(&err(&args)), "locked", "{args:?}");
    }
    // Reading goes on.
    assert_eq!(answers(&index), before);
    drop(writer);
    assert_eq!(ok(&["delete", s(&index), "--id", "doc-000"])["documents"], 1);
}

#[test]
fn what_is_no_index_or_no_bundle_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let index = s(&world().index);
    let nothing = dir.path().join("nothing");
    assert_eq!(code(&err(&["attach", s(&nothing), "--bundle", s(&world().bundle)])), "not_found");
    assert_eq!(code(&err(&["attach", index, "--bundle", s(&nothing)])), "not_found");
    assert!(!nothing.exists());
    assert_eq!(ok(&["inspect", index])["documents"], json!(crate::pictures::support::DOCUMENTS));
}
