//! Picture files that do not read: warnings of a build, errors where the user is strict, errors of a query.

use std::fs;
use std::io::Cursor;
use std::path::{Path, PathBuf};

use image::ImageFormat;
use serde_json::{Value, json};

use crate::files::{s, write_lines};
use crate::pictures::support::{COLORS, assert_sound, draw, stored_items, world};
use crate::run::{code, err, ids, ok};

/// A file that does not read: its name, the code of the error, and what the reason must say.
struct Bad {
    name: &'static str,
    code: &'static str,
    says: &'static str,
}

const BAD: [Bad; 9] = [
    Bad { name: "missing.png", code: "not_found", says: "No such file" },
    Bad { name: "corrupt.png", code: "damaged", says: "damaged PNG" },
    Bad { name: "truncated.png", code: "damaged", says: "damaged PNG" },
    Bad { name: "truncated.jpg", code: "damaged", says: "damaged JPEG" },
    Bad { name: "huge.png", code: "too_large", says: "limit on pixels" },
    Bad { name: "folder.png", code: "bad_value", says: "a directory" },
    Bad { name: "empty.png", code: "bad_value", says: "not a picture" },
    Bad { name: "words.png", code: "bad_value", says: "not a picture" },
    Bad { name: "other.png", code: "bad_value", says: "QOI" },
];

fn encoded(format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    draw("square", COLORS[0].1, 5).write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

/// The checksum of a PNG chunk: CRC-32 with the polynomial of ISO 3309, bit by bit.
fn crc(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0u32, |crc, byte| {
        (0..8).fold(
            crc ^ u32::from(*byte),
            |crc, _| if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 },
        )
    })
}

/// A sound PNG whose header claims another size, with the checksum to it.
#[allow(clippy::big_endian_bytes, reason = "PNG is a big-endian format")]
fn claiming(width: u32, height: u32) -> Vec<u8> {
    let mut bytes = encoded(ImageFormat::Png);
    assert_eq!(&bytes[12..16], b"IHDR");
    bytes[16..20].copy_from_slice(&width.to_be_bytes());
    bytes[20..24].copy_from_slice(&height.to_be_bytes());
    let sum = crc(&bytes[12..29]);
    bytes[29..33].copy_from_slice(&sum.to_be_bytes());
    bytes
}

/// Writes good.png and every file of [`BAD`].
fn files(dir: &Path) {
    let png = encoded(ImageFormat::Png);
    fs::write(dir.join("good.png"), &png).unwrap();
    let mut corrupt = png.clone();
    let middle = corrupt.len() / 2;
    corrupt[middle] ^= 0x55;
    fs::write(dir.join("corrupt.png"), corrupt).unwrap();
    fs::write(dir.join("truncated.png"), &png[..png.len() / 2]).unwrap();
    let jpeg = encoded(ImageFormat::Jpeg);
    fs::write(dir.join("truncated.jpg"), &jpeg[..jpeg.len() * 2 / 3]).unwrap();
    fs::write(dir.join("huge.png"), claiming(60_000, 60_000)).unwrap();
    fs::create_dir(dir.join("folder.png")).unwrap();
    fs::write(dir.join("empty.png"), "").unwrap();
    fs::write(dir.join("words.png"), "these are words, and no picture\n").unwrap();
    fs::write(dir.join("other.png"), b"qoif\x00\x00\x00\x01\x00\x00\x00\x01\x03\x00").unwrap();
}

fn build(corpus: &Path, out: &Path, more: &[&str]) -> Vec<String> {
    let args = ["build", s(corpus), "--bundle", s(&world().bundle), "--out", s(out)];
    args.iter().chain(more).map(ToString::to_string).collect()
}

fn as_str(args: &[String]) -> Vec<&str> {
    args.iter().map(String::as_str).collect()
}

#[test]
fn a_build_counts_every_bad_picture_and_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    files(dir.path());
    let corpus = dir.path().join("corpus.jsonl");
    let mut lines = vec![json!({ "id": "good", "text": "a red square", "image": "good.png" })];
    // Half of the documents have a text beside the picture, and half have not.
    for (n, bad) in BAD.iter().enumerate() {
        let mut line = json!({ "id": bad.name, "image": bad.name });
        if n % 2 == 0 {
            line["text"] = "a text is left".into();
        }
        lines.push(line);
    }
    write_lines(&corpus, &lines);
    let index = dir.path().join("index");
    let built = ok(&as_str(&build(&corpus, &index, &[])));
    assert_eq!(built["documents"], 1 + BAD.len());
    assert_eq!(built["items"], json!({ "image": 1, "text": 1 + BAD.len().div_ceil(2) }));
    let skipped = built["skipped"].as_array().unwrap();
    assert_eq!(skipped.len(), BAD.len());
    for (n, (bad, skipped)) in BAD.iter().zip(skipped).enumerate() {
        assert_eq!(skipped["file"], s(&corpus));
        assert_eq!(skipped["line"], n + 2);
        let reason = skipped["reason"].as_str().unwrap();
        assert!(reason.contains(bad.name) && reason.contains(bad.says), "{}: {reason}", bad.name);
    }
    // Those without any item are counted on top.
    assert_eq!(built["warnings"], BAD.len() + BAD.len() / 2);
    assert_sound(&index);
    let found = ok(&["query", s(&index), "--keywords", "left", "-k", "20"]);
    assert_eq!(ids(&found).len(), BAD.len().div_ceil(2));
}

#[test]
fn strict_stops_at_each_of_them_and_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    files(dir.path());
    for bad in &BAD {
        let corpus = dir.path().join("corpus.jsonl");
        let line = |id: &str, image: &str| json!({ "id": id, "text": "a red square", "image": image });
        write_lines(&corpus, &[line("1", "good.png"), line("2", bad.name)]);
        let index = dir.path().join("index");
        let error = err(&as_str(&build(&corpus, &index, &["--strict"])));
        assert_eq!(code(&error), bad.code, "{}: {error}", bad.name);
        assert_eq!(error["file"], s(&dir.path().join(bad.name)), "{error}");
        assert!(!index.exists() && !dir.path().join("index.partial").exists());
    }
}

#[test]
fn a_query_names_the_picture_that_does_not_read() {
    let dir = tempfile::tempdir().unwrap();
    files(dir.path());
    let index = s(&world().index);
    for bad in &BAD {
        let path = dir.path().join(bad.name);
        let error = err(&["query", index, "--image", s(&path)]);
        assert_eq!((code(&error), &error["file"]), (bad.code, &Value::from(s(&path))), "{error}");
        let all = error.to_string();
        assert!(all.contains(bad.says), "{}: {all}", bad.name);
    }
    assert_eq!(code(&err(&["query", index, "--text", " \t "])), "no_items");
    // A good one beside a bad one does not hide it.
    let (good, missing) = (dir.path().join("good.png"), dir.path().join("missing.png"));
    assert_eq!(code(&err(&["query", index, "--image", s(&good), "--image", s(&missing)])), "not_found");
    assert!(!ids(&ok(&["query", index, "--image", s(&good)])).is_empty());
}

#[cfg(unix)]
#[test]
fn a_picture_that_may_not_be_read() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    files(dir.path());
    let locked: PathBuf = dir.path().join("good.png");
    fs::set_permissions(&locked, fs::Permissions::from_mode(0o000)).unwrap();
    if fs::read(&locked).is_ok() {
        eprintln!("not tested: this user reads files whatever their mode");
        return;
    }
    let error = err(&["query", s(&world().index), "--image", s(&locked)]);
    assert_eq!((code(&error), &error["file"]), ("io", &Value::from(s(&locked))));
    let corpus = dir.path().join("corpus.jsonl");
    write_lines(&corpus, &[json!({ "id": "1", "text": "a red square", "image": "good.png" })]);
    let built = ok(&as_str(&build(&corpus, &dir.path().join("index"), &[])));
    assert_eq!((&built["documents"], built["skipped"].as_array().unwrap().len()), (&json!(1), 1));
    assert!(built["skipped"][0]["reason"].as_str().unwrap().contains("good.png"));
}

#[test]
fn a_corpus_of_bad_pictures_alone_has_documents_for_keywords() {
    let dir = tempfile::tempdir().unwrap();
    files(dir.path());
    let corpus = dir.path().join("corpus.jsonl");
    write_lines(&corpus, &[json!({ "id": "1", "note": "words stay", "image": "empty.png" })]);
    let index = dir.path().join("index");
    let built = ok(&as_str(&build(&corpus, &index, &[])));
    assert_eq!((&built["documents"], &built["warnings"]), (&json!(1), &json!(2)));
    assert_eq!(ids(&ok(&["query", s(&index), "--keywords", "stay"])), ["1"]);
    assert!(ids(&ok(&["query", s(&index), "--text", "words"])).is_empty());
}

#[test]
fn ordinals_stay_when_the_second_of_three_pictures_is_broken() {
    let dir = tempfile::tempdir().unwrap();
    files(dir.path());
    let blue = dir.path().join("blue.png");
    draw("circle", COLORS[2].1, 11).save(&blue).unwrap();
    let corpus = dir.path().join("corpus.jsonl");
    write_lines(&corpus, &[json!({ "id": "three", "images": ["good.png", "corrupt.png", "blue.png"] })]);
    let index = dir.path().join("index");
    let built = ok(&as_str(&build(&corpus, &index, &[])));
    assert_eq!((&built["items"]["image"], &built["warnings"]), (&json!(2), &json!(1)));
    let stored = stored_items(&index, "three");
    assert_eq!(stored.iter().map(|item| item.1).collect::<Vec<_>>(), [0, 2]);
    // And the answer says which picture it was.
    for (name, ordinal) in [("good.png", 0), ("blue.png", 2)] {
        let picture = dir.path().join(name);
        let args = ["query", s(&index), "--image", s(&picture), "--media", "image", "--similarity", "cosine"];
        let item = ok(&args)["hits"][0]["items"][0].clone();
        assert_eq!((&item["media"], &item["index"]), (&json!("image"), &json!(ordinal)), "{item}");
        assert!(item["logit"].as_f64().unwrap() > 0.999, "{item}");
    }
}

#[test]
fn what_an_evaluation_leaves_out_is_counted() {
    let world = world();
    let broken = world.corpus.with_file_name("broken-for-eval.jsonl");
    let mut lines = std::fs::read_to_string(&world.corpus).unwrap();
    let sound = ok(&["eval", s(&world.bundle), s(&world.corpus)]);
    lines.push_str("{\"id\":\"x\",\"text\":\"a red circle\",\"image\":\"img/nothing.png\",\"split\":\"test\"}\nno line\n");
    std::fs::write(&broken, lines).unwrap();
    let report = ok(&["eval", s(&world.bundle), s(&broken)]);
    assert_eq!((&sound["warnings"], &report["warnings"]), (&json!(0), &json!(2)));
    std::fs::remove_file(&broken).unwrap();
}
