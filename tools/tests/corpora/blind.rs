//! Nothing is learned from test documents of a corpus: no idf, class, group, scaling or weight.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::support::*;

const CONFIG: &str = "dim = 16\nhidden = 16\nhalf = 4\nleast_steps = 0\nfolds = 2\nepochs_contrastive = 2\n\
    epochs_double_triplet = 1\nepochs_metric = 2\n";

/// Trains on `lines` as `dir/NAME/corpus.jsonl`, whose pictures lie in `dir`; gives the files of the bundle.
fn trained(dir: &Path, name: &str, lines: &[Value]) -> [Vec<u8>; 2] {
    let (place, config) = (dir.join(name), dir.join("train.toml"));
    fs::create_dir_all(&place).unwrap();
    fs::write(&config, CONFIG).unwrap();
    let (corpus, bundle) = (place.join("corpus.jsonl"), place.join("bundle"));
    fs::write(&corpus, lines.iter().map(|line| format!("{line}\n")).collect::<String>()).unwrap();
    let options = ["--label", "color", "--group", "series", "--config", s(&config), "--out", s(&bundle)];
    ok(&[["train", s(&corpus)].as_slice(), &options].concat());
    ["config.json", "model.safetensors"].map(|file| fs::read(bundle.join(file)).unwrap())
}

#[test]
fn what_test_documents_hold_does_not_change_the_bundle() {
    let dir = tempfile::tempdir().unwrap();
    let mut lines = Vec::new();
    for i in 0..75 {
        let Row { id, text, color, split, png, .. } = row(i);
        let image = dir.path().join(format!("{i}.png"));
        fs::write(&image, png).unwrap();
        let split = if split == "test" { split } else { "train" };
        lines.push(json!({"id": id, "text": text, "image": image, "color": color, "split": split,
            "series": i / 2, "title": format!("square {}", i / 2 * 2)}));
    }
    let first = trained(dir.path(), "first", &lines);
    let mut other = lines.clone();
    for (i, line) in other.iter_mut().enumerate().filter(|(_, line)| line["split"] == "test") {
        let image = dir.path().join(format!("other-{i}.png"));
        fs::write(&image, png([(i * 37 % 256) as u8, (i * 91 % 256) as u8, 7], i as u32 % 30)).unwrap();
        // The words of train rows too, so that they would count; titles and series of two that have nothing in common.
        *line = json!({"id": line["id"], "text": format!("red green blue square {i} zebra"), "image": image, "split": "test",
            "color": format!("colour {}", i % 5), "series": i % 7, "title": format!("square {}", i % 9 * 2)});
    }
    assert!(first == trained(dir.path(), "other", &other), "test documents were read");
    // The comparison can fail.
    lines[0]["text"] = "a red square with a zebra".into();
    assert!(first != trained(dir.path(), "train", &lines));
}
