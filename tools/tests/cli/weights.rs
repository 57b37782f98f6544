//! Encoders with weights: found by name, by path and by fingerprint, recorded in a bundle, refused when they are others, and
//! kept inside an index. The weights are those of the tiny random checkpoint among the library's tests.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::data;
use crate::files::{copy_dir, s, write_lines};
use crate::run::{command, keys};
use crate::world::world;

/// Features of the tiny text encoder.
const WIDTH: usize = data::TEXT;

fn tiny() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/library/bert/tiny")
}

/// Another encoder of the same layout: one byte of the last tensor differs.
fn other(to: &Path) {
    copy_dir(&tiny(), to);
    let file = to.join("model.safetensors");
    let mut bytes = std::fs::read(&file).unwrap();
    let last = bytes.len() - 4;
    bytes[last] ^= 1;
    std::fs::write(&file, bytes).unwrap();
}

/// Runs with the folder `encoders` as the only one; gives exit code and JSON of stdout, or of the error.
fn run(encoders: Option<&Path>, args: &[&str]) -> (i32, Value) {
    let mut command = command();
    if let Some(folder) = encoders {
        command.env("UNCSM_ENCODERS", folder);
    }
    let out = command.args(args).arg("--json").output().unwrap();
    let text = if out.stdout.is_empty() { &out.stderr } else { &out.stdout };
    let said = String::from_utf8_lossy(text).into_owned();
    let value: Value = serde_json::from_str(said.trim()).unwrap_or_else(|e| panic!("{args:?}: {e}: {said}"));
    (out.status.code().unwrap(), if out.stdout.is_empty() { value["error"].clone() } else { value })
}

fn ok(encoders: Option<&Path>, args: &[&str]) -> Value {
    let (code, value) = run(encoders, args);
    assert_eq!(code, 0, "{args:?}: {value}");
    value
}

fn err(encoders: Option<&Path>, args: &[&str]) -> (String, String) {
    let (code, error) = run(encoders, args);
    assert_eq!(code, 2, "{args:?}: {error}");
    (error["code"].as_str().unwrap().to_owned(), error.to_string())
}

/// A folder with the encoder `tiny`, and a bundle trained on features that are said to be its own.
struct Trained {
    _dir: tempfile::TempDir,
    encoders: PathBuf,
    bundle: PathBuf,
    index: PathBuf,
}

fn trained() -> Trained {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    copy_dir(&tiny(), &at("encoders").join("tiny"));
    let (encoders, bundle, index) = (at("encoders"), at("bundle"), at("index"));
    let w = world();
    let base = ["train", "--features", s(&w.features), "--pathway", "image=image", "--pathway", "text=text"];
    let rest =
        ["--encoder", "text=tiny", "--encoder", "image=eyes", "--config", s(&w.config), "--out", s(&bundle)];
    ok(Some(&encoders), &[&base[..], &rest].concat());
    let trained = Trained { _dir: dir, encoders, bundle, index };
    build(&trained, &trained.index, &[]);
    trained
}

/// Builds from features, which needs no encoder; `tiny` is found under another name too.
fn build(trained: &Trained, index: &Path, more: &[&str]) -> Value {
    let w = world();
    let base = ["build", "--features", s(&w.features), "--pathway", "image=image", "--pathway", "text=text"];
    let rest = ["--encoder", "text=tiny", "--encoder", "image=eyes", "--corpus", s(&w.corpus)];
    let out = ["--bundle", s(&trained.bundle), "--out", s(index)];
    ok(Some(&trained.encoders), &[&base[..], &rest, &out, more].concat())
}

#[test]
fn a_query_finds_the_weights_by_their_fingerprint() {
    let t = trained();
    let fingerprint = ok(None, &["inspect", s(&t.bundle)])["media"]["text"]["fingerprint"].clone();
    assert_eq!(fingerprint.as_str().unwrap().len(), 64);
    let media = &ok(None, &["inspect", s(&t.index)])["media"];
    assert_eq!(media["text"]["fingerprint"], fingerprint);
    assert!(media["image"].get("fingerprint").is_none(), "nobody knows the eyes");

    let query = ["query", s(&t.index), "--text", "a red boat"];
    let hits = ok(Some(&t.encoders), &query)["hits"].clone();
    assert_eq!(hits.as_array().unwrap().len(), 10);
    // Under another name, and by a path.
    let dir = tempfile::tempdir().unwrap();
    let renamed = dir.path().join("org").join("renamed");
    copy_dir(&tiny(), &renamed);
    assert_eq!(ok(Some(dir.path()), &query)["hits"], hits);
    let by_path = format!("text={}", s(&renamed));
    assert_eq!(ok(None, &[&query[..], &["--encoder", &by_path]].concat())["hits"], hits);
    // Beside another one of the same name, which stands first.
    let first = dir.path().join("first");
    other(&first.join("tiny"));
    let both = std::env::join_paths([&first, &t.encoders]).unwrap();
    assert_eq!(ok(Some(Path::new(&both)), &query)["hits"], hits);

    let (code, said) = err(Some(&first), &query);
    assert_eq!(code, "space_mismatch", "{said}");
    assert!(said.contains(fingerprint.as_str().unwrap()) && said.contains(s(&first)), "{said}");
    let named = format!("text={}", s(&first.join("tiny")));
    let (code, said) = err(Some(&t.encoders), &[&query[..], &["--encoder", &named]].concat());
    assert_eq!(code, "space_mismatch", "what the user names is tried alone: {said}");
    let empty = dir.path().join("empty");
    let (code, said) = err(Some(&empty), &query);
    assert_eq!(code, "not_found", "{said}");
    for part in [
        "`tiny`",
        fingerprint.as_str().unwrap(),
        s(&empty),
        "UNCSM_ENCODERS",
        "--encoder",
        "--embed-encoders",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    // A query without texts needs no weights.
    ok(None, &["query", s(&t.index), "--keywords", "red"]);
    ok(None, &["query", s(&t.index), "--like", &data::id(3)]);
    let (code, said) = err(None, &["query", s(&t.index), "--keywords", "red", "--encoder", "audio=tiny"]);
    assert_eq!(code, "unknown_media", "{said}");
}

#[test]
fn a_corpus_is_encoded_by_the_very_encoder() {
    let t = trained();
    let w = world();
    let line = |name: &str| format!("text={name}");
    let new = t.index.with_file_name("of-texts");
    let base = ["build", s(&w.corpus), "--bundle", s(&t.bundle), "--out", s(&new)];
    // The corpus has texts alone: the unknown encoder of the images is not asked for.
    let built = ok(Some(&t.encoders), &base);
    assert_eq!(built["items"]["text"], 240, "{built}");
    let (code, said) = err(None, &[&base[..], &["--force"]].concat());
    assert_eq!(code, "not_found", "{said}");
    let changed = t.index.with_file_name("changed");
    other(&changed.join("tiny"));
    let named = line(s(&changed.join("tiny")));
    let (code, said) = err(Some(&t.encoders), &[&base[..], &["--force", "--encoder", &named]].concat());
    assert_eq!(code, "space_mismatch", "{said}");
    let more = new.with_file_name("more.jsonl");
    write_lines(&more, &[data::line(500)]);
    let (code, said) = err(None, &["add", s(&new), s(&more)]);
    assert_eq!(code, "not_found", "{said}");
    let by_path = line(s(&tiny()));
    assert_eq!(ok(None, &["add", s(&new), s(&more), "--encoder", &by_path])["items"]["text"], 1);
    // What was said to have made the features must be able to have made them.
    let base = ["train", "--features", s(&w.features), "--pathway", "image=image", "--pathway", "text=text"];
    let out = new.with_file_name("bad");
    let wrong = ["--encoder", "image=builtin-image-v1", "--out", s(&out)];
    let (code, said) = err(None, &[&base[..], &wrong].concat());
    assert_eq!(code, "bad_dimension", "{said}");
    let absent = ["--encoder", "text=/nowhere/at/all", "--out", s(&out)];
    assert_eq!(err(None, &[&base[..], &absent].concat()).0, "not_found");
    assert!(!out.exists());
}

#[test]
fn an_index_with_its_weights_answers_alone() {
    let t = trained();
    let query = |index: &Path| ["query", s(index), "--text", "a red boat"].map(str::to_owned);
    let as_args = |args: [String; 4]| args.to_vec();
    let wanted = {
        let args = as_args(query(&t.index));
        ok(Some(&t.encoders), &args.iter().map(String::as_str).collect::<Vec<_>>())["hits"].clone()
    };
    let whole = t.index.with_file_name("whole");
    build(&t, &whole, &["--embed-encoders"]);
    std::fs::remove_dir_all(&t.encoders).unwrap();
    let args = as_args(query(&whole));
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    assert_eq!(ok(None, &args)["hits"], wanted);

    let embedded = ok(None, &["inspect", s(&whole)])["embedded"].clone();
    assert_eq!((&embedded[0]["name"], &embedded[0]["kind"]), (&"tiny".into(), &"bert".into()));
    assert!(keys(&embedded[0]["files"]).contains(&"1_Pooling/config.json"), "{embedded}");
    assert!(ok(None, &["inspect", s(&t.index)]).get("embedded").is_none());
    // Other commands keep them.
    let more = whole.with_file_name("more.jsonl");
    write_lines(&more, &[data::line(500)]);
    ok(None, &["add", s(&whole), s(&more)]);
    let rare = whole.with_file_name("rare");
    let bundle = uncsm_index::model::Bundle::load(&t.bundle).unwrap();
    bundle.with_prior(0.01).unwrap().save(&rare).unwrap();
    ok(None, &["attach", s(&whole), "--bundle", s(&rare)]);
    assert_eq!(ok(None, &args)["hits"].as_array().unwrap().len(), 10);
    assert_eq!(ok(None, &["verify", s(&whole)])["ok"], true);
    other(&whole.join("encoders").join("tiny"));
    let (code, report) = run(None, &["verify", s(&whole)]);
    assert_eq!(
        (code, &report["damage"][0]["file"]),
        (2, &"encoders/tiny/model.safetensors".into()),
        "{report}"
    );
    assert_eq!(err(None, &args).0, "space_mismatch");
}

#[test]
fn an_index_that_is_there_gets_its_weights() {
    let t = trained();
    let more = t.index.with_file_name("more.jsonl");
    write_lines(&more, &[data::line(500)]);
    let base = ["build", s(&more), "--bundle", s(&t.bundle), "--out", s(&t.index), "--append"];
    let (code, said) = err(None, &[&base[..], &["--embed-encoders"]].concat());
    assert_eq!(code, "not_found", "{said}");
    ok(Some(&t.encoders), &[&base[..], &["--embed-encoders"]].concat());
    ok(None, &["query", s(&t.index), "--text", "a red boat"]);
}

#[test]
fn encoders_are_listed() {
    let dir = tempfile::tempdir().unwrap();
    copy_dir(&tiny(), &dir.path().join("org").join("tiny"));
    std::fs::create_dir(dir.path().join("nothing")).unwrap();
    let report = ok(Some(dir.path()), &["encoders", "list"]);
    let find = |name: &str| {
        let encoders = report["encoders"].as_array().unwrap();
        encoders
            .iter()
            .find(|encoder| encoder["name"] == name)
            .unwrap_or_else(|| panic!("{name}: {report}"))
            .clone()
    };
    let tiny = find("org/tiny");
    assert_eq!((&tiny["kind"], &tiny["media"][0]["name"]), (&"bert".into(), &"text".into()));
    assert_eq!(tiny["media"][0]["features"], WIDTH);
    assert_eq!(tiny["media"][0]["fingerprint"].as_str().unwrap().len(), 64);
    assert!(find("nothing")["problem"].is_string() && find("nothing")["kind"].is_null());
    assert_eq!(find("builtin-text-v1")["media"][0]["features"], 2048);
    assert!(report["searched"].as_array().unwrap().contains(&s(dir.path()).into()));
    let out = command().args(["encoders", "list"]).env("UNCSM_ENCODERS", dir.path()).output().unwrap();
    let text = String::from_utf8(out.stdout).unwrap();
    assert!(text.contains("org/tiny  bert  text 16 features") && text.contains("problem:"), "{text}");
    if cfg!(not(feature = "hub")) {
        let (code, said) = err(None, &["encoders", "fetch", "some-org/some-model"]);
        assert!(code == "bad_argument" && said.contains("feature `hub`"), "{said}");
    }
}
