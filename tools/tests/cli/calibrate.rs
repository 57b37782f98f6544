//! `calibrate`: probabilities fitted again, and brought to an index by `attach`.

use std::path::Path;

use serde_json::Value;

use crate::data;
use crate::files::copy_dir;
use crate::run::{error, ids, json, keys};
use crate::world::{PATHWAYS, world};

/// Rows that the shared bundle was not trained on.
fn held_out(dir: &Path) -> std::path::PathBuf {
    let file = dir.join("held-out.safetensors");
    data::rows(96, 77).save(&file);
    file
}

fn calibrate(bundle: &Path, features: &Path, args: &str, out: &Path) -> Value {
    json(0, &format!("calibrate % --features % {PATHWAYS} {args} --out %"), &[bundle, features, out])
}

/// The entry of one target and ordered pair of media types.
fn entry<'a>(report: &'a Value, target: &str, query: &str, item: &str) -> &'a Value {
    let entries = report["calibration"].as_array().unwrap();
    let is = |entry: &&Value| entry["target"] == target && entry["query"] == query && entry["item"] == item;
    let found: Vec<&Value> = entries.iter().filter(is).collect();
    assert_eq!(found.len(), 1, "{report}");
    found[0]
}

/// The odds of the probability of each hit, in their order.
fn odds(response: &Value) -> Vec<f64> {
    let probability = |hit: &Value| hit["probability"].as_f64().unwrap();
    response["hits"].as_array().unwrap().iter().map(probability).map(|p| p / (1.0 - p)).collect()
}

#[test]
fn an_index_gets_another_calibration_without_a_rebuild() {
    let (world, dir) = (world(), tempfile::tempdir().unwrap());
    let rows = held_out(dir.path());
    let (half, rare) = (dir.path().join("half"), dir.path().join("rare"));
    let index = dir.path().join("index");
    copy_dir(&world.index, &index);
    let even = calibrate(&world.bundle, &rows, "--test-mask test --prior 0.5", &half);
    let report = calibrate(&world.bundle, &rows, "--test-mask test --prior 0.1", &rare);
    assert_eq!(keys(&report), ["calibration", "data", "fingerprint", "seconds", "warnings"]);
    let old = &world.trained["fingerprint"];
    assert_eq!(report["fingerprint"]["space"], old["space"]);
    assert_ne!(report["fingerprint"]["model"], old["model"]);
    assert_ne!(report["fingerprint"]["model"], even["fingerprint"]["model"]);
    // Two targets, four ordered pairs of media types.
    assert_eq!(report["calibration"].as_array().unwrap().len(), 8);
    let fit = entry(&report, "class", "image", "text");
    assert_eq!(keys(fit), ["item", "natural", "offset", "positives", "prior", "query", "slope", "target"]);
    // 72 rows that are no test rows, 18 of each class.
    assert_eq!(fit["positives"], 4 * 18 * 18);
    assert!((fit["natural"].as_f64().unwrap() - 0.25).abs() < 1e-6, "{fit}");
    assert!((fit["prior"].as_f64().unwrap() - 0.1).abs() < 1e-6, "{fit}");
    let same = entry(&even, "class", "image", "text");
    assert_eq!((&fit["slope"], &fit["offset"]), (&same["slope"], &same["offset"]));
    assert_eq!(entry(&report, "pair", "text", "image")["positives"], 72);
    assert!(entry(&report, "pair", "text", "text")["slope"].is_null());

    let query = "query % --features % --pathway text=text --rows 7..8 --media image -k 240 --target class";
    let ask = || json(0, query, &[&index, &world.features]);
    let before = ask();
    json(0, "attach % --bundle %", &[&index, &half]);
    let at_half = ask();
    let attached = json(0, "attach % --bundle %", &[&index, &rare]);
    assert_eq!(attached["fingerprint"], report["fingerprint"]);
    let after = ask();
    assert_eq!(ids(&after).len(), 240);
    assert_eq!((ids(&at_half), ids(&after)), (ids(&before), ids(&before)));
    assert_ne!(odds(&at_half), odds(&before));
    // Bayes' rule: from a prior of one half to one tenth the odds fall to a ninth.
    for (was, is) in odds(&at_half).into_iter().zip(odds(&after)) {
        // In f32 the odds of probabilities near 1 are coarse.
        assert!(was > 1e4 || (is * 9.0 / was - 1.0).abs() < 0.02, "{was} {is}");
    }
    assert!(odds(&at_half).iter().filter(|odds| **odds < 1e4).count() > 100);
    assert_eq!(json(0, "verify %", &[&index])["ok"], true);
}

#[test]
fn without_a_prior_the_rate_is_that_of_the_index_and_scores_do_not_know_it() {
    let (world, dir) = (world(), tempfile::tempdir().unwrap());
    let rows = held_out(dir.path());
    let (half, free) = (dir.path().join("half"), dir.path().join("free"));
    let index = dir.path().join("index");
    copy_dir(&world.index, &index);
    calibrate(&world.bundle, &rows, "--test-mask test --prior 0.5", &half);
    let report = calibrate(&world.bundle, &rows, "--test-mask test", &free);
    for target in ["class", "pair"] {
        let fit = entry(&report, target, "text", "image");
        assert_eq!(fit["prior"], fit["natural"], "{fit}");
    }
    let ask = |more: &str| {
        let media = if more.contains("--media") { "" } else { "--media image" };
        let query = "query % --features % --pathway text=text --rows 7..8 -k 240 --explain";
        json(0, &format!("{query} {media} {more}"), &[&index, &world.features])
    };
    json(0, "attach % --bundle %", &[&index, &half]);
    let asked = [
        "--target class",
        "--target pair",
        "--target both",
        "--keywords red --fusion linear",
        "--target pair --media any",
        "--target both --media any",
    ];
    let at_half = asked.map(ask);
    json(0, "attach % --bundle %", &[&index, &free]);
    let scores = |found: &Value| -> Vec<(String, f64)> {
        let hits = found["hits"].as_array().unwrap();
        hits.iter().map(|hit| (hit["id"].to_string(), hit["score"].as_f64().unwrap())).collect()
    };
    for (was, asked) in at_half.iter().zip(asked) {
        let is = ask(asked);
        assert_eq!(scores(&is), scores(was), "{asked}");
        // The probability is of the item that ranks, whatever the rates of others are.
        let known = |found: &Value| -> Vec<bool> {
            found["hits"].as_array().unwrap().iter().map(|hit| hit["probability"].is_f64()).collect()
        };
        assert_eq!(known(&is), known(was), "{asked}");
    }
    // The odds of a pair are those of one item among 240; a filter does not change them.
    let rate = |found: &Value| {
        found["hits"][0]["explanation"]["media"]["parts"][0]["heads"][0]["calibration"]["rate"]
            .as_f64()
            .unwrap()
    };
    let found = ask("--target pair");
    assert!((rate(&found) - 1.0 / 240.0).abs() < 1e-8, "{found}");
    assert!((rate(&ask("--target class")) - 0.25).abs() < 1e-6);
    for (was, is) in odds(&at_half[1]).into_iter().zip(odds(&found)) {
        assert!(was > 1e4 || (is * 239.0 / was - 1.0).abs() < 0.02, "{was} {is}");
    }
    let few = ask("--target pair --filter red");
    let best = few["hits"][0].clone();
    assert_eq!(rate(&few), rate(&found));
    let same = found["hits"].as_array().unwrap().iter().find(|hit| hit["id"] == best["id"]).unwrap();
    assert_eq!(same["probability"], best["probability"]);
    // Deleted documents do not count.
    let last: Vec<&str> =
        found["hits"].as_array().unwrap()[200..].iter().map(|hit| hit["id"].as_str().unwrap()).collect();
    json(0, &format!("delete % --id {}", last.join(" ")), &[&index]);
    assert!((rate(&ask("--target pair")) - 1.0 / 200.0).abs() < 1e-8);
    assert_eq!(rate(&ask("--target pair --prior 0.3")), f64::from(0.3f32));
}

#[test]
fn a_bundle_keeps_its_prior_and_loses_fits_without_matches() {
    let (world, dir) = (world(), tempfile::tempdir().unwrap());
    let rows = held_out(dir.path());
    let path = |name: &str| dir.path().join(name);
    calibrate(&world.bundle, &rows, "--prior 0.1", &path("rare"));
    let again = calibrate(&path("rare"), &rows, "--test-mask test", &path("again"));
    assert!((entry(&again, "class", "text", "image")["prior"].as_f64().unwrap() - 0.1).abs() < 1e-6);
    // No two rows of one class, so `class` has no matches within a media type and knows no others across.
    let few = path("few.safetensors");
    data::rows(4, 3).save(&few);
    let report = calibrate(&world.bundle, &few, "", &path("few"));
    assert!(entry(&report, "class", "image", "image")["prior"].is_null());
    assert_eq!(entry(&report, "class", "image", "text")["positives"], 4);
    let eval = format!("eval % --features % {PATHWAYS} --test-mask test");
    json(0, &eval, &[&path("few"), &world.features]);
}

#[test]
fn what_calibrate_refuses() {
    let (world, dir) = (world(), tempfile::tempdir().unwrap());
    let out = dir.path().join("out");
    let cases = [
        (PATHWAYS.to_owned() + " --prior 0", "bad_argument"),
        (PATHWAYS.to_owned() + " --prior 1", "bad_argument"),
        (PATHWAYS.to_owned() + " --prior -0.5", "bad_argument"),
        (PATHWAYS.to_owned() + " --prior NaN", "bad_argument"),
        (PATHWAYS.to_owned() + " --prior much", "bad_argument"),
        ("--pathway image=image --pathway text=text".into(), "space_mismatch"),
        (
            "--pathway image=text --pathway text=text --encoder image=eyes --encoder text=ears".into(),
            "bad_dimension",
        ),
        ("--pathway image=image --pathway sound=text --encoder image=eyes".into(), "unknown_media"),
        ("--pathway image=image --encoder image=eyes".into(), "unknown_media"),
        (PATHWAYS.to_owned() + " --label nope", "unknown_tensor"),
    ];
    for (args, code) in cases {
        let line = format!("calibrate % --features % {args} --out %");
        let found = error(&line, &[&world.bundle, &world.features, &out]);
        assert_eq!(found["code"], code, "{args}: {found}");
        assert!(!out.exists(), "{args}");
    }
    let line = format!("calibrate % --features % {PATHWAYS} --out %");
    let found = error(&line, &[&world.bundle, &world.features, &world.bundle]);
    assert_eq!(
        (&found["code"], &found["file"]),
        (&"exists".into(), &world.bundle.display().to_string().into())
    );
    // `test` of the rows 0 to 3 is 1.
    let all_test = dir.path().join("test.safetensors");
    data::rows(4, 5).save(&all_test);
    let masked = format!("{line} --test-mask test");
    assert_eq!(error(&masked, &[&world.bundle, &all_test, &out])["code"], "empty");
    let one = dir.path().join("one.safetensors");
    data::rows(1, 5).save(&one);
    assert_eq!(error(&line, &[&world.bundle, &one, &out])["code"], "too_few_data");
    let nan = dir.path().join("nan.safetensors");
    data::rows(40, 5).with_nan(30, &["text"]).save(&nan);
    assert_eq!(error(&line, &[&world.bundle, &nan, &out])["code"], "not_finite");
    let missing = dir.path().join("missing");
    assert_eq!(error(&line, &[&missing, &world.features, &out])["code"], "not_found");
    assert_eq!(error("calibrate % --out %", &[&world.bundle, &out])["code"], "bad_argument");
    assert!(!out.exists());
}

/// Which pathway is named first says nothing.
#[test]
fn the_order_of_the_pathways_does_not_matter() {
    let world = world();
    let other = "--pathway text=text --pathway image=image --encoder image=eyes --encoder text=ears";
    let measured = |pathways: &str| {
        let line = format!("eval % --features % {pathways} --label label --test-mask test");
        json(0, &line, &[&world.bundle, &world.features])
    };
    assert_eq!(measured(other), measured(PATHWAYS));
    let dir = tempfile::tempdir().unwrap();
    let fitted = |pathways: &str, name: &str| {
        let out = dir.path().join(name);
        let line = format!("calibrate % --features % {pathways} --label label --test-mask test --out %");
        json(0, &line, &[&world.bundle, &world.features, &out])["calibration"].clone()
    };
    assert_eq!(fitted(other, "other"), fitted(PATHWAYS, "first"));
}
