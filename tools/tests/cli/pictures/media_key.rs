//! `--media-key`: another key of a corpus holds the items of a media type.

use serde_json::{Value, json};

use super::support::{COLORS, draw, world};
use crate::files::{s, write_lines};
use crate::run::{code, command, err, ids, ok};

#[test]
fn a_key_stands_in_place_of_those_that_a_media_type_had() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    let line = |i: usize| {
        let (name, color) = (format!("{i}.png"), COLORS[i].1);
        draw("circle", color, i as u64).save(path(&name)).unwrap();
        json!({ "id": i.to_string(), "photo": name, "text": "a circle" })
    };
    let corpus = path("corpus.jsonl");
    write_lines(&corpus, &(0..3).map(line).collect::<Vec<Value>>());
    let build = |out: &str, more: &[&str]| {
        let out = path(out);
        let args = ["build", s(&corpus), "--bundle", s(&world().bundle), "--out", s(&out)];
        ok(&[&args[..], more].concat())
    };
    let built = build("index", &["--media-key", "image=photo"]);
    assert_eq!(
        (&built["items"], &built["warnings"]),
        (&json!({ "image": 3, "text": 3 }), &json!(0)),
        "{built}"
    );
    // The very picture finds its document.
    let index = path("index");
    let first = |picture: &str| {
        let picture = path(picture);
        let args = ["--image", s(&picture), "--media", "image", "--target", "pair", "-k", "1"];
        ids(&ok(&[&["query", s(&index)][..], &args].concat()))
    };
    assert_eq!((first("0.png"), first("2.png")), (vec!["0".to_owned()], vec!["2".to_owned()]));
    // Without it `photo` is a text like any other.
    let built = build("other", &[]);
    assert_eq!(built["items"], json!({ "image": 0, "text": 3 }), "{built}");
    let out = path("none");
    let args = ["build", s(&corpus), "--bundle", s(&world().bundle), "--out", s(&out)];
    for bad in ["image=text", "image", "image=id"] {
        let error = err(&[&args[..], &["--media-key", bad]].concat());
        assert_eq!(code(&error), "bad_argument", "{bad}: {error}");
    }
    assert!(!out.exists());
}

#[test]
fn help_says_what_becomes_of_the_other_keys() {
    let output = command().args(["build", "--help"]).output().unwrap();
    let help = String::from_utf8(output.stdout).unwrap();
    let at = |words: &str| help.find(words).unwrap_or_else(|| panic!("{words}: {help}"));
    assert!(at("Source:") < at("--media-key") && at("--media-key") < at("Limits on pictures:"), "{help}");
    let help = help.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(help.contains("in place of the keys that the media type had"), "{help}");
}
