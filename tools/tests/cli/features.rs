//! `features`: a corpus in, and a features file out that `train` takes.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use image::{Rgb, RgbImage};
use serde_json::{Value, json};
use uncsm_index::corpus::FeaturesFile;

use crate::files::write_lines;
use crate::run::{error, json, keys, run};

const COLORS: [(&str, [u8; 3]); 3] =
    [("red", [220, 30, 30]), ("green", [30, 160, 50]), ("blue", [30, 60, 220])];
const DOCUMENTS: usize = 48;
const SPLITS: [&str; 4] = ["train", "train", "val", "test"];
/// The arguments that name all tensors of a file.
const TENSORS: &str =
    "--pathway image=image --pathway text=text --label label --test-mask is_test --group group";
const SHORT: &str = "dim = 8\nhidden = 8\nhalf = 4\nleast_steps = 0\nepochs_contrastive = 1\n\
    epochs_double_triplet = 1\nepochs_metric = 1\n";

/// The lines of a corpus of squares with their pictures in `dir`: colour `i % 3`, two of each in one group.
fn lines(dir: &Path) -> Vec<Value> {
    let line = |i: usize| {
        let (name, rgb) = COLORS[i % 3];
        let side = 8 + i as u32 / 3;
        let inside = |x, y| x < side && y < side;
        let at = |x, y| Rgb(if inside(x, y) { rgb } else { [250; 3] });
        RgbImage::from_fn(32, 32, at).save(dir.join(format!("{i}.png"))).unwrap();
        json!({"id": i, "text": format!("the {name} square number {i}"), "image": format!("{i}.png"), "color": name,
            "series": i / 6, "split": SPLITS[i / 12]})
    };
    (0..DOCUMENTS).map(line).collect()
}

fn save(dir: &Path, lines: &[Value]) -> PathBuf {
    let file = dir.join("corpus.jsonl");
    write_lines(&file, &lines.iter().map(Value::to_string).collect::<Vec<_>>());
    file
}

#[test]
fn a_corpus_becomes_features_that_train_takes() {
    let dir = tempfile::tempdir().unwrap();
    let corpus = save(dir.path(), &lines(dir.path()));
    let (out, again) = (dir.path().join("new").join("f.safetensors"), dir.path().join("again.safetensors"));
    let line = "features % --out % --label color --group series";
    let report = json(0, line, &[&corpus, &out]);
    assert_eq!(keys(&report), ["data", "features", "left_out", "rows", "seconds", "warnings"]);
    assert_eq!((&report["rows"], &report["warnings"]), (&DOCUMENTS.into(), &0.into()));

    let file = FeaturesFile::open(&out).unwrap();
    assert_eq!(file.names(), ["group", "image", "is_test", "label", "text"]);
    assert_eq!(file.class_names().unwrap().unwrap(), ["blue", "green", "red"]);
    for media in ["image", "text"] {
        let tensor = file.tensor(media).unwrap();
        assert_eq!((tensor.rows(), json!(tensor.cols())), (DOCUMENTS, report["features"][media].clone()));
        let mut values = Vec::new();
        tensor.read(0..DOCUMENTS, &mut values).unwrap();
        let distinct: BTreeSet<Vec<u32>> =
            values.chunks(tensor.cols()).map(|row| row.iter().map(|x| x.to_bits()).collect()).collect();
        assert!(distinct.len() > DOCUMENTS / 2, "{media}");
    }
    let labels: Vec<i64> = (0..DOCUMENTS as i64).map(|i| 2 - i % 3).collect();
    assert_eq!(file.labels("label").unwrap(), labels);
    // Rows marked `val` count as train rows.
    let test: Vec<bool> = (0..DOCUMENTS).map(|i| i >= 36).collect();
    assert_eq!(file.mask("is_test").unwrap(), test);
    let groups = file.labels("group").unwrap();
    assert!((1..DOCUMENTS).all(|i| (groups[i] == groups[i - 1]) == (i % 6 != 0)), "{groups:?}");

    json(0, line, &[&corpus, &again]);
    assert_eq!(std::fs::read(&out).unwrap(), std::fs::read(&again).unwrap());
    let (config, bundle) = (dir.path().join("short.toml"), dir.path().join("bundle"));
    std::fs::write(&config, SHORT).unwrap();
    let train = format!("train --features % {TENSORS} --config % --out %");
    json(0, &train, &[&out, &config, &bundle]);
    let eval = "eval % --features % --pathway image=image --pathway text=text --test-mask is_test";
    assert_eq!(json(0, eval, &[&bundle, &out])["pairs"], 12);
    // Nothing is left beside the file.
    let left: Vec<_> = std::fs::read_dir(out.parent().unwrap()).unwrap().collect();
    assert_eq!(left.len(), 1, "{left:?}");
}

#[test]
fn without_labels_and_groups_the_tensors_say_what_there_is() {
    let dir = tempfile::tempdir().unwrap();
    let corpus = save(dir.path(), &lines(dir.path()));
    let out = dir.path().join("f.safetensors");
    json(0, "features % --out %", &[&corpus, &out]);
    let file = FeaturesFile::open(&out).unwrap();
    // Each document is a group of its own.
    assert_eq!(file.names(), ["group", "image", "is_test", "text"]);
    assert_eq!(file.labels("group").unwrap().into_iter().collect::<BTreeSet<_>>().len(), DOCUMENTS);
    assert_eq!(file.class_names().unwrap(), None);
}

#[test]
fn rows_that_lack_something_are_left_out_and_counted() {
    let dir = tempfile::tempdir().unwrap();
    let mut rows = lines(dir.path());
    rows[4].as_object_mut().unwrap().remove("image");
    rows[5].as_object_mut().unwrap().remove("text");
    rows[7]["image"] = "absent.png".into();
    rows[8].as_object_mut().unwrap().remove("color");
    // A class that only a test row has.
    rows[40]["color"] = "gold".into();
    let corpus = save(dir.path(), &rows);
    let out = dir.path().join("f.safetensors");
    let found = error("features % --out % --label color --strict", &[&corpus, &out]);
    assert_eq!(found["code"], "not_found", "{found}");
    assert!(found["file"].as_str().unwrap().ends_with("absent.png"), "{found}");
    assert!(!out.exists());
    let report = json(0, "features % --out % --label color", &[&corpus, &out]);
    // The picture that does not read leaves a row without a picture, too.
    assert_eq!(
        (&report["rows"], &report["left_out"], &report["warnings"]),
        (&(DOCUMENTS - 3).into(), &3.into(), &5.into())
    );
    let labels = FeaturesFile::open(&out).unwrap().labels("label").unwrap();
    let none: Vec<usize> = (0..labels.len()).filter(|&row| labels[row] == -1).collect();
    assert_eq!((labels.len(), none), (DOCUMENTS - 3, vec![8 - 3, 40 - 3]));
    let text = run(&[
        "features".as_ref(),
        corpus.as_os_str(),
        "--out".as_ref(),
        dir.path().join("text.safetensors").as_os_str(),
    ]);
    assert!(
        text.stdout.contains("3 rows lack an item") && text.stdout.contains("left out: 1 times: "),
        "{text:?}"
    );

    rows[7]["image"] = "7.png".into();
    let corpus = save(dir.path(), &rows);
    let strict = dir.path().join("strict.safetensors");
    let found = error("features % --out % --strict", &[&corpus, &strict]);
    assert_eq!(found["code"], "no_items", "{found}");
    assert!(found["got"].as_str().unwrap().starts_with("2 of 48"), "{found}");
    assert!(!strict.exists());
    json(0, "features % --out % --label color --strict", &[&save(dir.path(), &lines(dir.path())), &strict]);
}

#[test]
fn what_features_refuses() {
    let dir = tempfile::tempdir().unwrap();
    let rows = lines(dir.path());
    let corpus = save(dir.path(), &rows);
    let out = dir.path().join("f.safetensors");
    let there = dir.path().join("there.safetensors");
    std::fs::write(&there, "mine").unwrap();
    let found = error("features % --out %", &[&corpus, &there]);
    assert_eq!((&found["code"], &found["file"]), (&"exists".into(), &there.display().to_string().into()));
    assert_eq!(std::fs::read(&there).unwrap(), b"mine");
    let cases = [
        ("--label nope", "unknown_field"),
        ("--group nope", "unknown_field"),
        ("--encoder image=/nowhere/at/all", "not_found"),
        ("--encoder image=builtin-image-v1 --encoder image=builtin-image-v1", "bad_argument"),
        ("--encoder sound=ears", "unknown_media"),
        ("--passages none", "bad_argument"),
        ("--features x", "bad_argument"),
    ];
    for (args, code) in cases {
        let found = error(&format!("features % --out % {args}"), &[&corpus, &out]);
        assert_eq!(found["code"], code, "{args}: {found}");
    }
    let missing = dir.path().join("missing.jsonl");
    assert_eq!(error("features % --out %", &[&missing, &out])["code"], "not_found");
    // No document has both.
    let apart: Vec<Value> = rows
        .iter()
        .enumerate()
        .map(|(i, row)| {
            let mut row = row.clone();
            row.as_object_mut().unwrap().remove(["image", "text"][i % 2]);
            row
        })
        .collect();
    assert_eq!(error("features % --out %", &[&save(dir.path(), &apart), &out])["code"], "empty");
    let left: Vec<_> =
        std::fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(
        !out.exists() && !left.iter().any(|name| name.to_string_lossy().starts_with(".uncsm")),
        "{left:?}"
    );
}
