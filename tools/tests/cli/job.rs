//! The main job end to end: train, eval, schema, build, inspect, verify, and every key that the contract promises.

use std::collections::BTreeSet;

use serde_json::{Value, json as value};

use crate::data;
use crate::files::write_lines;
use crate::run::{error, json, keys, run};
use crate::world::{PATHWAYS, ROWS, world};

const SIMILARITIES: [&str; 5] = ["cosine", "metric", "metric_class", "metric_pair", "posterior"];
const DIRECTIONS: [&str; 2] = ["image_to_text", "text_to_image"];

fn is_fingerprint(value: &Value) -> bool {
    value.as_str().is_some_and(|hex| hex.len() == 64 && hex.bytes().all(|b| b.is_ascii_hexdigit()))
}

fn in_unit(value: &Value) -> bool {
    value.as_f64().is_some_and(|number| (0.0..=1.0).contains(&number))
}

#[test]
fn train_reports_each_stage() {
    let trained = &world().trained;
    assert_eq!(keys(trained), ["data", "fingerprint", "seconds", "stages", "warnings"]);
    assert_eq!(keys(&trained["fingerprint"]), ["model", "space"]);
    assert!(
        is_fingerprint(&trained["fingerprint"]["space"]) && is_fingerprint(&trained["fingerprint"]["model"])
    );
    assert!(trained["seconds"].as_f64().unwrap() > 0.0);
    let stages = trained["stages"].as_array().unwrap();
    let names: Vec<&str> = stages.iter().map(|stage| stage["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["contrastive", "double_triplet", "metric"]);
    for stage in stages {
        assert_eq!(keys(stage), ["epochs", "name", "seconds", "validation"]);
        assert!(stage["epochs"].as_u64().unwrap() >= 1, "{stage}");
        let map = &stage["validation"]["map_all"];
        assert_eq!(keys(map), SIMILARITIES);
        for direction in DIRECTIONS {
            assert!(in_unit(&map["cosine"][direction]), "{stage}");
        }
    }
    // The last stage has learned the four classes; chance is about a quarter.
    let metric = stages[2]["validation"]["map_all"]["metric"]["mean"].as_f64().unwrap();
    assert!(metric > 0.6, "validation MAP of the metric network: {metric}");
}

#[test]
fn eval_reports_every_key_and_is_far_above_chance() {
    let world = world();
    let line = format!("eval % --features % {PATHWAYS} --test-mask test");
    let report = json(0, &line, &[&world.bundle, &world.features]);
    assert_eq!(
        keys(&report),
        [
            "calibration",
            "calibration_posterior",
            "data",
            "features",
            "map_all",
            "pairs",
            "recall",
            "ties",
            "warnings"
        ]
    );
    assert_eq!(report["pairs"], (0..ROWS).filter(|&row| data::is_test(row)).count());
    assert_eq!(report["features"], "image, text (rows.safetensors)");
    assert!(report["ties"].is_u64());
    assert_eq!(keys(&report["map_all"]), SIMILARITIES);
    assert_eq!(keys(&report["recall"]), SIMILARITIES);
    for similarity in SIMILARITIES {
        let map = &report["map_all"][similarity];
        assert_eq!(keys(map), ["image_to_text", "mean", "text_to_image"], "{similarity}");
        assert!(map.as_object().unwrap().values().all(in_unit), "{similarity}: {map}");
        let number = |key: &str| map[key].as_f64().unwrap();
        assert!((number("mean") - (number("image_to_text") + number("text_to_image")) / 2.0).abs() < 1e-9);
        let recall = &report["recall"][similarity];
        assert_eq!(keys(recall), DIRECTIONS, "{similarity}");
        for direction in DIRECTIONS {
            assert_eq!(keys(&recall[direction]), ["1", "10", "5"], "{similarity}");
            let at = |k: &str| recall[direction][k].as_f64().unwrap();
            assert!(at("1") <= at("5") && at("5") <= at("10") && at("10") <= 1.0, "{similarity}: {recall}");
        }
    }
    let metric = report["map_all"]["metric"]["mean"].as_f64().unwrap();
    assert!(metric > 0.6, "test MAP of the metric network: {metric}");
    assert_eq!(
        report["map_all"]["metric"], report["map_all"]["metric_class"],
        "class is the default with labels"
    );
    let recall = report["recall"]["metric_pair"]["image_to_text"]["10"].as_f64().unwrap();
    assert!(recall > 2.0 * 10.0 / 60.0, "recall@10 of the pair: {recall}");
    assert_eq!(keys(&report["calibration"]), DIRECTIONS);
    for direction in DIRECTIONS {
        let calibration = &report["calibration"][direction];
        assert_eq!(keys(calibration), ["half", "natural", "precision_at_0.8", "prior", "target"]);
        assert_eq!(calibration["target"], "class");
        assert!(in_unit(&calibration["prior"]), "{calibration}");
        for rate in ["half", "natural"] {
            assert_eq!(keys(&calibration[rate]), ["brier_skill", "ece"], "{calibration}");
            assert!(in_unit(&calibration[rate]["ece"]), "{calibration}");
        }
        assert_eq!(keys(&calibration["precision_at_0.8"]), ["pairs", "value"]);
    }
}

#[test]
fn eval_of_other_rows() {
    let world = world();
    let line = format!("eval % --features % {PATHWAYS} --test-mask test --split train");
    let report = json(0, &line, &[&world.bundle, &world.features]);
    assert_eq!(report["pairs"], (0..ROWS).filter(|&row| !data::is_test(row)).count());
}

#[test]
fn training_from_pairs_alone_has_no_classes() {
    let world = world();
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("pairs");
    let short = dir.path().join("short.toml");
    let text = "dim = 8\nhidden = 8\nhalf = 4\nepochs_contrastive = 1\nepochs_double_triplet = 1\nepochs_metric = 1\n";
    std::fs::write(&short, text).unwrap();
    let line = format!("train --features % {PATHWAYS} --test-mask test --config % --out %");
    json(0, &line, &[&world.features, &short, &out]);
    let bundle = json(0, "inspect %", &[&out]);
    assert_eq!(bundle["classes"], Value::Null);
    assert_eq!(bundle["default_target"], "pair");
    let line = format!("eval % --features % {PATHWAYS} --test-mask test");
    let report = json(0, &line, &[&out, &world.features]);
    for similarity in ["posterior", "metric_class"] {
        assert_eq!(report["map_all"][similarity], Value::Null, "{similarity} does not exist without classes");
    }
    assert!(in_unit(&report["recall"]["metric"]["image_to_text"]["10"]));
}

#[test]
fn schema_is_what_build_infers() {
    let world = world();
    let schema = json(0, "schema %", &[&world.corpus]);
    assert_eq!(keys(&schema), ["category", "size", "tags", "text", "title"]);
    assert_eq!(json(0, "inspect %", &[&world.index])["schema"], schema);
    // As TOML it may be given to `build` again, which then scans nothing.
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("schema.toml");
    let printed = run(&["schema".as_ref(), world.corpus.as_os_str()]);
    assert_eq!((printed.code, printed.stderr.as_str()), (0, ""));
    std::fs::write(&file, printed.stdout).unwrap();
    let out = dir.path().join("index");
    let line = format!("build --features % {PATHWAYS} --corpus % --bundle % --schema % --out %");
    json(0, &line, &[&world.features, &world.corpus, &world.bundle, &file, &out]);
    assert_eq!(json(0, "inspect %", &[&out])["schema"], schema);
}

#[test]
fn an_index_keeps_how_its_texts_are_analysed() {
    let world = world();
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    let (corpus, file, out) = (path("rows.jsonl"), path("schema.toml"), path("index"));
    let mut lines = data::lines(ROWS);
    lines[0] = value!({"id": "houses", "text": "Alte Häuser", "title": "Café"}).to_string();
    write_lines(&corpus, &lines);
    let schema =
        "[fields.text]\ntokenizer = \"stem:german+stop:german\"\n[fields.title]\ntokenizer = \"fold\"\n";
    std::fs::write(&file, schema).unwrap();
    let line = format!("build --features % {PATHWAYS} --corpus % --bundle % --schema % --out %");
    json(0, &line, &[&world.features, &corpus, &world.bundle, &file, &out]);
    assert_eq!(json(0, "inspect %", &[&out])["schema"]["text"]["tokenizer"], "stem:german+stop:german");
    for query in ["text:Haus", "title:cafe", "hauses"] {
        let found = json(0, &format!("query % --keywords {query}"), &[&out]);
        assert_eq!(found["hits"][0]["id"], "houses", "{query}");
    }
    json(0, "verify %", &[&out]);
    // What `build` would say of a misspelt part.
    std::fs::write(&file, schema.replace("fold", "folds")).unwrap();
    let out = path("bad");
    let bad = error(&line, &[&world.features, &corpus, &world.bundle, &file, &out]);
    assert_eq!((&bad["code"], &bad["line"]), (&"bad_value".into(), &3.into()), "{bad}");
    assert!(bad["hint"].as_str().unwrap().contains("did you mean `fold`?"), "{bad}");
}

#[test]
fn build_counts_documents_and_items() {
    let mut built = world().built.clone();
    assert!(built["seconds"].as_f64().unwrap() > 0.0);
    let built = built.as_object_mut().unwrap();
    for key in ["documents", "items", "skipped", "warnings", "seconds"] {
        assert!(built.contains_key(key), "{key} is in the contract");
    }
    built.remove("seconds");
    let stages = built.remove("stages").unwrap();
    assert_eq!(keys(&stages), ["commit", "encode", "index", "pathways", "read"]);
    assert!(stages.as_object().unwrap().values().all(|s| s.as_f64().is_some_and(|s| s >= 0.0)));
    let expected = value!({
        "documents": ROWS, "items": { "image": ROWS, "text": ROWS }, "skipped": [], "warnings": 0,
        "unlisted": 0, "without_items": 0, "nested": 0, "unknown": 0, "long_words": 0,
    });
    assert_eq!(Value::Object(built.clone()), expected);
}

#[test]
fn build_without_a_corpus_takes_rows_as_ids() {
    let world = world();
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("index");
    let line = format!("build --features % {PATHWAYS} --bundle % --out %");
    let built = json(0, &line, &[&world.features, &world.bundle, &out]);
    assert_eq!(built["documents"], ROWS);
    let found = json(0, "query % --like 17 -k 3", &[&out]);
    assert_eq!(found["hits"].as_array().unwrap().len(), 3);
}

#[test]
fn inspect_of_an_index_a_file_and_a_bundle() {
    let world = world();
    let report = json(0, "inspect %", &[&world.index]);
    for key in [
        "format_version",
        "fingerprint",
        "complete",
        "documents",
        "deleted",
        "rejected",
        "segments",
        "media",
        "schema",
    ] {
        assert!(report.get(key).is_some(), "{key} is in the contract");
    }
    assert_eq!(report["fingerprint"], world.trained["fingerprint"]);
    assert_eq!(report["complete"], true);
    let counts = [&report["documents"], &report["deleted"], &report["rejected"]];
    assert_eq!(counts, [&value!(ROWS), &value!(0), &value!(0)]);
    let media = value!({
        "image": { "encoder": "eyes", "dim": data::IMAGE },
        "text": { "encoder": "ears", "dim": data::TEXT },
    });
    assert_eq!(report["media"], media);
    let segments = report["segments"].as_array().unwrap();
    for segment in segments {
        assert_eq!(keys(segment), ["bytes", "documents", "id", "items"]);
        assert_eq!(keys(&segment["bytes"]), ["text", "uvec"]);
        let file = world.index.join(format!("{}.uvec", segment["id"].as_str().unwrap()));
        let length = std::fs::metadata(&file).unwrap().len();
        // The host adds its own footer to each file.
        let uvec = segment["bytes"]["uvec"].as_u64().unwrap();
        assert!(uvec <= length && length < uvec + 500, "{uvec} of {length} bytes");
        assert!(segment["bytes"]["text"].as_u64().unwrap() > 0);
        let report = json(0, "inspect %", &[&file]);
        assert_eq!(report["items"], segment["items"]);
        assert_eq!(report["space"], world.trained["fingerprint"]["space"]);
    }
    let sum = |media: &str| segments.iter().map(|s| s["items"][media].as_u64().unwrap()).sum::<u64>();
    assert_eq!((sum("image"), sum("text")), (ROWS as u64, ROWS as u64));
    let bundle = json(0, "inspect %", &[&world.bundle]);
    assert_eq!(bundle["fingerprint"], world.trained["fingerprint"]);
    assert_eq!((&bundle["media"], &bundle["classes"]), (&media, &value!(4)));
}

#[test]
fn verify_finds_nothing_in_a_sound_index() {
    assert_eq!(json(0, "verify %", &[&world().index]), value!({ "ok": true, "damage": [] }));
}

#[test]
fn a_build_leaves_the_index_and_nothing_else() {
    let world = world();
    let beside = world.index.parent().unwrap();
    let names: BTreeSet<String> = std::fs::read_dir(beside)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    let expected = ["bundle", "index", "rows.jsonl", "rows.safetensors", "train.toml"];
    assert_eq!(names.iter().map(String::as_str).collect::<Vec<_>>(), expected);
}
