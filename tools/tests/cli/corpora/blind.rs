//! Nothing is learned from test documents of a corpus: no idf, class, group, scaling or weight.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::corpora::support::*;
use crate::files::s;
use crate::run::ok;

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

/// A folder of 45 pictures with texts, of which every fifth is a test document by its sidecar alone; `broken` makes a sidecar.
fn folder(root: &Path, broken: &dyn Fn(usize, Value) -> Option<String>) {
    fs::create_dir_all(root).unwrap();
    for i in 0..45 {
        let Row { text, color, png, .. } = row(i);
        let (mut json, mut text, mut png) = (json!({"color": color}), text, png);
        if i % 5 == 4 {
            json["split"] = "test".into();
            let Some(sidecar) = broken(i, json) else { continue };
            (text, png) =
                (format!("red green blue square zebra {i}"), self::png([i as u8, 200, 9], i as u32 % 30));
            fs::write(root.join(format!("{i:02}.json")), sidecar).unwrap();
        } else {
            fs::write(root.join(format!("{i:02}.json")), json.to_string()).unwrap();
        }
        fs::write(root.join(format!("{i:02}.txt")), text).unwrap();
        fs::write(root.join(format!("{i:02}.png")), png).unwrap();
    }
}

#[test]
fn documents_whose_split_is_lost_are_not_learned_from() {
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("train.toml");
    fs::write(&config, CONFIG).unwrap();
    let train = |name: &str, broken: &dyn Fn(usize, Value) -> Option<String>| {
        let (root, bundle) = (dir.path().join(name).join("media"), dir.path().join(name).join("bundle"));
        folder(&root, broken);
        let args = ["train", s(&root), "--label", "color", "--config", s(&config), "--out", s(&bundle)];
        (ok(&args), fs::read(bundle.join("model.safetensors")).unwrap(), root)
    };
    // Nothing of them is there.
    let (_, without, _) = train("without", &|_, _| None);
    // A key that cannot be leaves the split.
    let (said, bundle, _) = train("key", &|_, mut json| {
        json["_odd"] = 1.into();
        Some(json.to_string())
    });
    assert_eq!((&said["data"]["rows"]["test"], &said["warnings"]), (&json!(9), &json!(9)), "{said}");
    assert!(bundle == without, "test documents were learned from");
    // JSON that does not read leaves none.
    let (said, bundle, root) = train("json", &|_, json| Some(json.to_string().replace('}', "")));
    assert_eq!((&said["data"]["rows"]["test"], &said["warnings"]), (&json!(0), &json!(18)), "{said}");
    assert!(said["data"]["left_out"].to_string().contains("the split does not read"), "{said}");
    assert!(bundle == without, "documents of a split that is lost were learned from");
    let said = ok(&["eval", s(&world().bundle), s(&root), "--split", "train"]);
    assert_eq!((&said["data"]["rows"]["train"], &said["warnings"]), (&json!(36), &json!(18)), "{said}");
    // An index has them.
    let (_, built) = build(&root, dir.path(), &[]);
    assert_eq!((&built["documents"], &built["warnings"]), (&json!(45), &json!(9)), "{built}");
}
