//! What `train` and `eval` refuse, by code.

use std::path::Path;

use serde_json::Value;
use tempfile::TempDir;

use crate::data;
use crate::run::{error, json};
use crate::world::{PATHWAYS, world};

struct Scratch(TempDir);

impl Scratch {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.0.path().join(name)
    }
}

/// The error of `train`, which must leave nothing at its output.
fn train_error(args: &str, features: &Path) -> Value {
    let scratch = Scratch::new();
    let out = scratch.path("bundle");
    let found = error(&format!("train --features % {args} --out %"), &[features, &out]);
    let left: Vec<_> = std::fs::read_dir(scratch.0.path()).unwrap().collect();
    assert!(left.is_empty(), "{args}: {left:?} is left");
    found
}

#[test]
fn wrong_names_of_tensors_and_media_types() {
    let features = world().features.as_path();
    let found = train_error("--pathway image=nope --pathway text=text", features);
    assert_eq!(
        (&found["code"], &found["file"]),
        (&"unknown_tensor".into(), &features.display().to_string().into())
    );
    assert!(found.to_string().contains("image"), "it names the tensors that exist: {found}");
    let cases = [
        ("--pathway image=image --pathway image=text", "bad_argument"),
        ("--pathway image", "bad_argument"),
        ("", "bad_argument"),
        ("--pathway image=image --pathway text=text --encoder audio=ears", "unknown_media"),
        ("--pathway image=image --pathway text=text --label nope", "unknown_tensor"),
        ("--pathway image=image --pathway text=text --label image", "bad_dimension"),
        ("--pathway image=image --pathway text=text --test-mask label", "bad_value"),
        ("--pathway image=label", "bad_value"),
        ("--pathway image=image --pathway text=text --dim 1", "bad_argument"),
        ("--pathway image=image --pathway text=text --test-mask nope", "unknown_tensor"),
        ("--pathway image=image --pathway text=text --group image", "bad_dimension"),
    ];
    for (args, code) in cases {
        let found = train_error(args, features);
        assert_eq!(found["code"], code, "{args}: {found}");
    }
}

#[test]
fn a_nan_in_a_row_that_training_reads() {
    let scratch = Scratch::new();
    let file = scratch.path("nan.safetensors");
    let trained_on = 240 - 1;
    assert!(!data::is_test(trained_on));
    data::rows(240, 5).with_nan(trained_on, &["text"]).save(&file);
    let found = train_error(&format!("{PATHWAYS} --label label --test-mask test"), &file);
    assert_eq!(found["code"], "not_finite");
    assert!(found["message"].as_str().unwrap().contains("239"), "the row is named: {found}");
}

#[test]
fn a_nan_in_a_test_row_stops_eval_and_not_train() {
    let world = world();
    let scratch = Scratch::new();
    let file = scratch.path("nan.safetensors");
    data::rows(240, 5).with_nan(16, &["image"]).save(&file);
    let line = format!("eval % --features % {PATHWAYS} --test-mask test");
    let found = error(&line, &[&world.bundle, &file]);
    assert_eq!(found["code"], "not_finite");
    let (short, out) = (scratch.path("short.toml"), scratch.path("bundle"));
    let text = "dim = 8\nhidden = 8\nhalf = 4\nepochs_contrastive = 1\nepochs_double_triplet = 1\nepochs_metric = 1\n";
    std::fs::write(&short, text).unwrap();
    json(
        0,
        &format!("train --features % {PATHWAYS} --test-mask test --config % --out %"),
        &[&file, &short, &out],
    );
}

#[test]
fn files_that_are_no_features() {
    let scratch = Scratch::new();
    let missing = scratch.path("missing.safetensors");
    let found = train_error(PATHWAYS, &missing);
    assert_eq!(
        (&found["code"], &found["file"]),
        (&"not_found".into(), &missing.display().to_string().into())
    );
    let whole = std::fs::read(&world().features).unwrap();
    let file = scratch.path("cut.safetensors");
    for length in [0, 7, 60, whole.len() / 2, whole.len() - 1] {
        std::fs::write(&file, &whole[..length]).unwrap();
        let found = train_error(PATHWAYS, &file);
        assert_eq!(
            (&found["code"], &found["file"]),
            (&"damaged".into(), &file.display().to_string().into()),
            "{length}"
        );
    }
    let empty = scratch.path("empty.safetensors");
    data::rows(0, 5).save(&empty);
    assert_eq!(train_error(PATHWAYS, &empty)["code"], "empty");
    let few = scratch.path("few.safetensors");
    data::rows(1, 5).save(&few);
    assert_eq!(train_error(PATHWAYS, &few)["code"], "too_few_data");
}

#[test]
fn an_output_that_exists() {
    let world = world();
    let before = std::fs::read(world.bundle.join("bundle.json")).ok();
    let line = format!("train --features % {PATHWAYS} --out %");
    let found = error(&line, &[&world.features, &world.bundle]);
    assert_eq!(
        (&found["code"], &found["file"]),
        (&"exists".into(), &world.bundle.display().to_string().into())
    );
    assert_eq!(std::fs::read(world.bundle.join("bundle.json")).ok(), before);
}

#[test]
fn settings_that_do_not_parse() {
    let scratch = Scratch::new();
    let config = scratch.path("train.toml");
    let out = scratch.path("bundle");
    let code = |text: &str| {
        std::fs::write(&config, text).unwrap();
        error(
            &format!("train --features % {PATHWAYS} --config % --out %"),
            &[&world().features, &config, &out],
        )
    };
    let found = code("dim = 8\nwidht = 3\n");
    assert_eq!((&found["code"], &found["line"]), (&"bad_value".into(), &2.into()));
    assert_eq!(found["file"], config.display().to_string());
    assert_eq!(code("dim = 8\nbatch = 1\n")["code"], "bad_argument");
    let missing = scratch.path("missing.toml");
    let found = error(
        &format!("train --features % {PATHWAYS} --config % --out %"),
        &[&world().features, &missing, &out],
    );
    assert_eq!(
        (&found["code"], &found["file"]),
        (&"not_found".into(), &missing.display().to_string().into())
    );
}

#[test]
fn sources() {
    let world = world();
    let scratch = Scratch::new();
    let out = scratch.path("bundle");
    assert_eq!(error("train --out %", &[&out])["code"], "bad_argument");
    assert_eq!(error("train % --pathway text=text --out %", &[&world.corpus, &out])["code"], "bad_argument");
    let line = format!("train % --features % {PATHWAYS} --out %");
    assert_eq!(error(&line, &[&world.corpus, &world.features, &out])["code"], "bad_argument");
}

#[test]
fn eval_refuses_data_that_do_not_fit() {
    let world = world();
    let cases = [
        (PATHWAYS.to_owned() + " --test-mask test --split val", "empty"),
        (PATHWAYS.to_owned(), "empty"),
        ("--pathway image=image --pathway text=text --test-mask test".into(), "space_mismatch"),
        ("--pathway image=text --pathway text=text --encoder image=eyes --encoder text=ears --test-mask test".into(), "bad_dimension"),
        ("--pathway image=image --pathway sound=text --encoder image=eyes --test-mask test".into(), "unknown_media"),
        (PATHWAYS.to_owned() + " --test-mask test --label nope", "unknown_tensor"),
    ];
    for (args, code) in cases {
        let found = error(&format!("eval % --features % {args}"), &[&world.bundle, &world.features]);
        assert_eq!(found["code"], code, "{args}: {found}");
    }
    let found =
        error(&format!("eval % --features % {PATHWAYS} --test-mask test"), &[&world.corpus, &world.features]);
    assert!(["io", "not_found"].contains(&found["code"].as_str().unwrap()), "a file is no bundle: {found}");
    let found =
        error(&format!("eval % --features % {PATHWAYS}"), &[world.index.parent().unwrap(), &world.features]);
    assert_eq!(found["code"], "not_found", "a directory without a bundle: {found}");
}
