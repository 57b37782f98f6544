//! One corpus in every format: the same documents, vectors and answers.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use crate::corpora::support::*;
use crate::files::s;
use crate::run::{code, err, ok};

/// The documents of `corpus` as JSON objects.
fn objects(corpus: &Path) -> Vec<Map<String, Value>> {
    let text = fs::read_to_string(corpus).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The same as values between `delimiter`s.
fn table(objects: &[Map<String, Value>], delimiter: &str) -> Vec<u8> {
    let mut names: Vec<&String> = Vec::new();
    for key in objects.iter().flat_map(Map::keys) {
        if !names.contains(&key) {
            names.push(key);
        }
    }
    let cell = |value: Option<&Value>| match value {
        None => String::new(),
        Some(Value::String(text)) => format!("\"{}\"", text.replace('"', "\"\"")),
        Some(other) => other.to_string(),
    };
    let header = names.iter().map(|name| name.as_str()).collect::<Vec<_>>().join(delimiter);
    let rows = objects
        .iter()
        .map(|object| names.iter().map(|name| cell(object.get(*name))).collect::<Vec<_>>().join(delimiter));
    let lines: Vec<String> = std::iter::once(header).chain(rows).collect();
    format!("\u{feff}{}\r\n", lines.join("\r\n")).into_bytes()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    out.write_all(bytes).unwrap();
    out.finish().unwrap()
}

fn zst(bytes: &[u8]) -> Vec<u8> {
    ruzstd::encoding::compress_to_vec(bytes, ruzstd::encoding::CompressionLevel::Fastest)
}

/// A file of a tar archive.
fn member(name: &str, bytes: &[u8]) -> Vec<u8> {
    let mut out = vec![0; 512];
    out[..name.len()].copy_from_slice(name.as_bytes());
    out[124..136].copy_from_slice(format!("{:011o}\0", bytes.len()).as_bytes());
    out[156] = b'0';
    out[257..265].copy_from_slice(b"ustar\x0000");
    out[148..156].fill(b' ');
    let sum: u32 = out.iter().map(|&byte| u32::from(byte)).sum();
    out[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    out.extend(bytes);
    out.resize(out.len().next_multiple_of(512), 0);
    out
}

/// The picture of `object`, whose path is relative to `folder`.
fn picture(object: &Map<String, Value>, folder: &Path) -> Option<Vec<u8>> {
    object.get("image").map(|path| fs::read(folder.join(path.as_str().unwrap())).unwrap())
}

/// Writes `corpus` in every format beside it, and as archives with the pictures in them; gives the sources.
fn write_all(corpus: &Path) -> Vec<(&'static str, Vec<PathBuf>)> {
    let folder = corpus.parent().unwrap();
    let (lines, objects) = (fs::read(corpus).unwrap(), objects(corpus));
    let list = serde_json::to_vec_pretty(&objects).unwrap();
    let write = |name: &str, bytes: &[u8]| {
        let path = folder.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, bytes).unwrap();
        path
    };
    let one = |name: &'static str, bytes: &[u8]| (name, vec![write(name, bytes)]);
    let mut tar = Vec::new();
    for (i, object) in objects.iter().enumerate() {
        if let Some(picture) = picture(object, folder) {
            tar.extend(member(&format!("{i:05}.png"), &picture));
        }
        let mut object = object.clone();
        object.remove("image");
        let text = object.remove("text");
        if let Some(text) = text {
            tar.extend(member(&format!("{i:05}.txt"), text.as_str().unwrap().as_bytes()));
        }
        tar.extend(member(&format!("{i:05}.json"), &serde_json::to_vec(&object).unwrap()));
    }
    tar.resize(tar.len() + 1024, 0);
    // Its pictures are named by their folder's paths, relative to each shard.
    let (first, rest) = objects.split_at(objects.len() / 3);
    let (second, third) = rest.split_at(rest.len() / 2);
    let to_lines = |objects: &[Map<String, Value>]| -> Vec<u8> {
        objects
            .iter()
            .flat_map(|object| [serde_json::to_vec(object).unwrap(), b"\n".to_vec()].concat())
            .collect()
    };
    let shards: Vec<PathBuf> = [
        write("part-0.jsonl.zst", &zst(&to_lines(first))),
        write("part-1.csv.gz", &gzip(&table(second, ","))),
        write("part-2.json", &serde_json::to_vec(third).unwrap()),
    ]
    .into();
    vec![
        one("c.jsonl.gz", &gzip(&lines)),
        one("c.jsonl.zst", &zst(&lines)),
        one("c.json", &list),
        one("list.json.gz", &gzip(&list)),
        one("c.csv", &table(&objects, ",")),
        one("c.tsv", &table(&objects, "\t")),
        one("c.csv.zst", &zst(&table(&objects, ";"))),
        one("c.tar", &tar),
        one("c.tgz", &gzip(&tar)),
        ("parts", shards),
        ("pattern", vec![folder.join("part-[0-9].*")]),
    ]
}

/// Hits of an index without where their pictures stand, which differs.
fn hits(index: &Path, query: &str) -> Vec<Value> {
    let found = ok(&["query", s(index), "--text", query, "--media", "any", "-k", "1000"]);
    let mut hits = found["hits"].as_array().unwrap().clone();
    hits.iter_mut().for_each(|hit| {
        hit["fields"].as_object_mut().unwrap().remove("image");
    });
    assert!(!hits.is_empty());
    hits
}

fn same_in_all(corpus: &Path, bundle: &Path, query: &str) {
    let dir = tempfile::tempdir().unwrap();
    let build = |name: &str, sources: &[PathBuf]| {
        let index = dir.path().join(name);
        let mut args = vec!["build"];
        args.extend(sources.iter().map(|path| s(path)));
        args.extend(["--bundle", s(bundle), "--out", s(&index)]);
        let built = ok(&args);
        (index, json!([built["documents"], built["items"], built["warnings"]]))
    };
    let (index, right) = build("right", &[corpus.to_path_buf()]);
    let wanted = hits(&index, query);
    for (name, sources) in write_all(corpus) {
        let (index, built) = build(name, &sources);
        assert_eq!(built, right, "{name}");
        assert_eq!(hits(&index, query), wanted, "{name}");
    }
}

#[test]
fn every_format_gives_the_same_documents_vectors_and_answers() {
    let dir = tempfile::tempdir().unwrap();
    let corpus = write_jsonl(dir.path(), 30);
    same_in_all(&corpus, &world().bundle, "a red square");
}

#[test]
fn a_corpus_of_others_is_the_same_in_every_format() {
    let Some(data) = std::env::var_os("UNCSM_DATA").map(PathBuf::from) else {
        eprintln!("skipped: UNCSM_DATA names no folder of data");
        return;
    };
    let items = data.join("openclipart-mini/items.jsonl");
    let Ok(text) = fs::read_to_string(&items) else {
        eprintln!("skipped: {} is not there", items.display());
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let lines = text.lines().take(300).map(|line| {
        let mut object: Map<String, Value> = serde_json::from_str(line).unwrap();
        // A table has no lists, and an empty value is absent.
        object.retain(|_, value| !value.is_array() && value != "");
        if let Some(Value::String(image)) = object.get("image") {
            let image = items.parent().unwrap().join(image);
            object.insert("image".into(), s(&image).into());
        }
        format!("{}\n", Value::from(object))
    });
    let corpus = dir.path().join("corpus.jsonl");
    fs::write(&corpus, lines.collect::<String>()).unwrap();
    same_in_all(&corpus, &world().bundle, "a bird on a branch");
}

#[test]
fn packed_files_and_lists_of_files_train_the_same_bundle() {
    let world = world();
    let folder = world.corpus.parent().unwrap();
    let text = fs::read_to_string(&world.corpus).unwrap();
    // Where the second begins, its lines count anew.
    let half = text.match_indices('\n').nth(44).unwrap().0 + 1;
    let shards = [folder.join("half-0.jsonl.gz"), folder.join("half-1.jsonl")];
    fs::write(&shards[0], gzip(&text.as_bytes()[..half])).unwrap();
    fs::write(&shards[1], &text[half..]).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let bundle = dir.path().join("bundle");
    let args = ["--label", "color", "--config", s(&world.config), "--out", s(&bundle)];
    let trained = ok(&[&["train", s(&shards[0]), s(&shards[1])][..], &args].concat());
    assert_eq!(trained["warnings"], 0, "{trained}");
    let weights = |bundle: &Path| fs::read(bundle.join("model.safetensors")).unwrap().len();
    assert_eq!(weights(&bundle), weights(&world.bundle));
    let pattern = folder.join("half-*");
    assert_eq!(ok(&["eval", s(&bundle), s(&pattern)])["pairs"], DOCUMENTS / 5);
}

#[test]
fn keys_of_other_names_are_proposed_and_taken() {
    let dir = tempfile::tempdir().unwrap();
    let lines = objects(&write_jsonl(dir.path(), 12)).into_iter().map(|mut object| {
        for (key, other) in [("text", "caption"), ("image", "file_name"), ("id", "_id")] {
            let value = object.remove(key).unwrap();
            object.insert(other.into(), value);
        }
        format!("{}\n", Value::from(object))
    });
    let corpus = dir.path().join("other.jsonl");
    fs::write(&corpus, lines.collect::<String>()).unwrap();
    let out = dir.path().join("out");
    let refused = err(&["train", s(&corpus), "--label", "color", "--skip-column", "_id", "--out", s(&out)]);
    let map = "--map text=caption,image=file_name";
    assert!(code(&refused) == "empty" && refused["hint"].as_str().unwrap().contains(map), "{refused}");
    let args = ["build", s(&corpus), "--bundle", s(&world().bundle), "--out", s(&out)];
    let built = ok(&[&args[..], &["--without", "_id"]].concat());
    assert!(built["hint"].as_str().unwrap().contains(map), "{built}");
    let built = ok(&[&args[..], &["--force", "--map", "text=caption,image=file_name,id=_id"]].concat());
    assert_eq!((&built["items"], built.get("hint")), (&json!({"image": 12, "text": 12}), None), "{built}");
    assert_eq!(ok(&["query", s(&out), "--like", "doc-003", "-k", "1"])["hits"][0]["fields"]["color"], "red");
}

/// The colour as three numbers, with some that differ from row to row.
fn features(i: usize) -> Vec<f64> {
    let mut row: Vec<f64> = (0..8).map(|k| ((i * 7 + k * 13) % 11) as f64 / 40.0).collect();
    row[i % 3] += 1.0;
    row
}

#[test]
fn a_column_of_features_is_trained_on_indexed_and_queried() {
    let dir = tempfile::tempdir().unwrap();
    let line = |i: usize, width: usize| {
        let Row { id, text, color, split, .. } = row(i);
        let emb = features(i)[..width].to_vec();
        format!("{}\n", json!({"id": id, "text": text, "color": color, "split": split, "emb": emb}))
    };
    let (corpus, bundle, index) =
        (dir.path().join("c.jsonl"), dir.path().join("bundle"), dir.path().join("index"));
    fs::write(&corpus, (0..60).map(|i| line(i, 8)).collect::<String>()).unwrap();
    let map = ["--map", "image:features=emb"];
    let config = s(&world().config);
    ok(&[&["train", s(&corpus), "--label", "color", "--config", config, "--out", s(&bundle)][..], &map]
        .concat());
    assert_eq!(ok(&["inspect", s(&bundle)])["media"]["image"]["encoder"], "features:emb");
    assert_eq!(ok(&[&["eval", s(&bundle), s(&corpus)][..], &map].concat())["pairs"], 12);
    let args = ["build", s(&corpus), "--bundle", s(&bundle), "--out", s(&index)];
    let built = ok(&[&args[..], &map].concat());
    assert_eq!(built["items"], json!({"image": 60, "text": 60}), "{built}");
    let found = ok(&["query", s(&index), "--text", "a red square", "--media", "image", "-k", "1"]);
    assert_eq!(found["hits"][0]["fields"]["color"], "red", "{found}");
    assert!(found["hits"][0]["fields"].get("emb").is_none(), "{found}");
    // Other features, and others in length.
    let other = dir.path().join("other.jsonl");
    fs::write(&other, [line(0, 8), line(1, 5)].concat()).unwrap();
    let out = dir.path().join("out");
    let args = ["build", s(&other), "--bundle", s(&bundle), "--out", s(&out)];
    let built = ok(&[&args[..], &map].concat());
    assert_eq!(built["items"], json!({"image": 1, "text": 2}), "{built}");
    assert!(built["skipped"][0]["reason"].as_str().unwrap().contains("wrong length"), "{built}");
    let refused = err(&[&args[..], &["--force", "--map", "image:features=side"]].concat());
    assert_eq!(code(&refused), "space_mismatch", "{refused}");
    let refused =
        err(&[&["build", s(&other), "--bundle", s(&world().bundle), "--out", s(&out), "--force"][..], &map]
            .concat());
    assert_eq!(code(&refused), "space_mismatch", "{refused}");
}
