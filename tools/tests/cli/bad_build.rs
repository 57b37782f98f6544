//! What `build` warns of or refuses, by code, file and line.

use std::path::{Path, PathBuf};

use serde_json::{Value, json as value};
use tempfile::TempDir;

use crate::data;
use crate::files::write_lines;
use crate::run::{error, ids, json};
use crate::world::{PATHWAYS, build_line, world};

/// A directory with a features file and a corpus of `N` rows, both of which a test may spoil.
struct Build {
    dir: TempDir,
    features: PathBuf,
    corpus: PathBuf,
    out: PathBuf,
}

const N: usize = 12;

impl Build {
    fn new() -> Self {
        Self::with(data::rows(N, 6), &data::lines(N))
    }

    fn with(rows: data::Rows, lines: &[String]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        let (features, corpus, out) = (path("r.safetensors"), path("c.jsonl"), path("index"));
        rows.save(&features);
        write_lines(&corpus, lines);
        Self { dir, features, corpus, out }
    }

    fn with_lines(change: impl FnOnce(&mut Vec<String>)) -> Self {
        let mut lines = data::lines(N);
        change(&mut lines);
        Self::with(data::rows(N, 6), &lines)
    }

    fn run(&self, more: &str) -> Value {
        let world = world();
        json(
            0,
            &format!("{} {more}", build_line()),
            &[&self.features, &self.corpus, &world.bundle, &self.out],
        )
    }

    /// The error, which leaves neither an index nor a part of one.
    fn error(&self, more: &str) -> Value {
        let world = world();
        let line = format!("{} {more}", build_line());
        let found = error(&line, &[&self.features, &self.corpus, &world.bundle, &self.out]);
        assert!(!self.out.exists() && !self.out.with_file_name("index.partial").exists(), "{found}");
        found
    }
}

fn name(path: &Path) -> String {
    path.display().to_string()
}

#[test]
fn a_malformed_line_takes_its_row_along() {
    for (bad, code) in [
        ("{\"id\": \"x\", ", "bad_json"),
        ("[1, 2]", "bad_json"),
        ("{\"id\": \"x\", \"title\": 3.", "bad_json"),
        ("{\"id\": 1.5}", "bad_value"),
        ("{\"id\": \"x\", \"text\": 7}", "bad_value"),
        ("{\"id\": \"x\", \"_mine\": 7}", "bad_value"),
    ] {
        let build = Build::with_lines(|lines| lines[4] = bad.into());
        let built = build.run("");
        assert_eq!((&built["documents"], &built["warnings"]), (&(N - 1).into(), &1.into()), "{bad}");
        let skipped = built["skipped"].as_array().unwrap();
        assert_eq!(skipped.len(), 1, "{bad}");
        assert_eq!(
            (&skipped[0]["file"], &skipped[0]["line"]),
            (&name(&build.corpus).into(), &5.into()),
            "{bad}"
        );
        assert!(!skipped[0]["reason"].as_str().unwrap().is_empty());
        // The rows after it stay with their lines: by cosine a picture is most like itself.
        let line =
            "query % --features % --pathway image=image --rows 7..8 --media image --similarity cosine -k 1";
        assert_eq!(ids(&json(0, line, &[&build.out, &build.features])), [data::id(7)], "{bad}");
        let build = Build::with_lines(|lines| lines[4] = bad.into());
        let found = build.error("--strict");
        assert_eq!(found["code"], code, "{bad}: {found}");
        assert_eq!((&found["file"], &found["line"]), (&name(&build.corpus).into(), &5.into()), "{bad}");
    }
}

#[test]
fn blank_lines_are_no_documents() {
    let build = Build::with_lines(|lines| lines.insert(3, String::new()));
    assert_eq!(build.run("--strict")["documents"], N);
}

#[test]
fn a_row_that_is_not_finite_loses_its_item() {
    let build = Build::with(data::rows(N, 6).with_nan(3, &["text"]), &data::lines(N));
    let built = build.run("");
    assert_eq!(built["items"], value!({ "image": N, "text": N - 1 }));
    assert_eq!((&built["documents"], &built["warnings"]), (&N.into(), &1.into()));
    let skipped = &built["skipped"][0];
    assert_eq!((&skipped["file"], &skipped["line"]), (&name(&build.corpus).into(), &4.into()));
    assert!(skipped["reason"].as_str().unwrap().contains("not finite"), "{skipped}");
    let build = Build::with(data::rows(N, 6).with_nan(3, &["text"]), &data::lines(N));
    let found = build.error("--strict");
    assert_eq!((&found["code"], &found["line"]), (&"not_finite".into(), &4.into()));
}

#[test]
fn a_document_without_items_is_found_by_keywords_only() {
    let build = Build::with(data::rows(N, 6).with_nan(3, &["image", "text"]), &data::lines(N));
    let built = build.run("");
    assert_eq!((&built["documents"], &built["without_items"]), (&N.into(), &1.into()));
    assert_eq!(built["skipped"].as_array().unwrap().len(), 2, "each of its items");
    assert_eq!(built["warnings"], 3, "and the document itself");
    assert_eq!(ids(&json(0, "query % --keywords number3", &[&build.out])), [data::id(3)]);
    let all = json(
        0,
        "query % --features % --pathway image=image --rows 0..1 --media any -k 99",
        &[&build.out, &build.features],
    );
    assert_eq!(all["hits"].as_array().unwrap().len(), N - 1);
    assert!(!ids(&all).contains(&data::id(3)));
    assert_eq!(error("query % --like d00003", &[&build.out])["code"], "no_items");
    assert_eq!(json(0, "verify %", &[&build.out])["ok"], true);
}

#[test]
fn nothing_to_index() {
    let build = Build::with_lines(Vec::clear);
    let found = build.error("");
    assert_eq!((&found["code"], &found["file"]), (&"bad_dimension".into(), &name(&build.features).into()));
    let build = Build::with_lines(|lines| lines.fill("nonsense".into()));
    let found = build.error("");
    assert_eq!((&found["code"], &found["file"]), (&"bad_json".into(), &name(&build.corpus).into()));
    assert_eq!((&found["line"], found["hint"].is_string()), (&1.into(), true), "{found}");
    let build = Build::with(data::rows(0, 6), &[]);
    assert_eq!(build.error("")["code"], "empty");
    let dir = tempfile::tempdir().unwrap();
    let empty = dir.path().join("empty.jsonl");
    std::fs::write(&empty, "\n\n").unwrap();
    let found = error("schema %", &[&empty]);
    assert_eq!((&found["code"], &found["file"]), (&"empty".into(), &name(&empty).into()));
}

#[test]
fn corpus_and_features_of_different_length() {
    for change in [(|lines: &mut Vec<String>| drop(lines.pop())) as fn(&mut Vec<String>), |lines| {
        lines.push(data::line(N))
    }] {
        let build = Build::with_lines(change);
        let found = build.error("");
        assert_eq!(
            (&found["code"], &found["file"]),
            (&"bad_dimension".into(), &name(&build.features).into())
        );
        assert!(found["expected"].as_str().unwrap().contains("12 lines"), "{found}");
    }
}

#[test]
fn duplicate_ids_name_both_lines() {
    let build = Build::with_lines(|lines| lines[8] = data::line(2));
    let found = build.error("");
    assert_eq!((&found["code"], &found["file"]), (&"duplicate_id".into(), &name(&build.corpus).into()));
    assert_eq!((&found["line"], &found["got"]), (&9.into(), &"lines 3 and 9".into()));
    assert!(found["message"].as_str().unwrap().contains("d00002"), "{found}");
    // A number and its string are one id, and so is the line number that stands in for a missing id.
    for (first, second) in [("{\"id\": 7}", "{\"id\": \"7\"}"), ("{\"id\": 9}", "{\"title\": \"no id\"}")] {
        let build = Build::with_lines(|lines| {
            lines[2] = first.into();
            lines[8] = second.into();
        });
        let found = build.error("");
        assert_eq!(
            (&found["code"], &found["got"]),
            (&"duplicate_id".into(), &"lines 3 and 9".into()),
            "{second}"
        );
    }
}

#[test]
fn values_of_two_types_under_one_key() {
    let build = Build::with_lines(|lines| lines[6] = "{\"id\": \"x\", \"size\": \"big\"}".into());
    let found = build.error("");
    assert_eq!(
        (&found["code"], &found["file"], &found["line"]),
        (&"schema_conflict".into(), &name(&build.corpus).into(), &7.into())
    );
    assert!(found["message"].as_str().unwrap().contains("lines 1 and 7"), "{found}");
    assert_eq!(error("schema %", &[&build.corpus])["code"], "schema_conflict");
    let schema = build.dir.path().join("schema.toml");
    std::fs::write(&schema, "[fields.size]\ntype = \"text\"\n").unwrap();
    let line = format!("{} --schema %", build_line());
    let built = json(0, &line, &[&build.features, &build.corpus, &world().bundle, &build.out, &schema]);
    assert_eq!((&built["documents"], &built["warnings"]), (&N.into(), &0.into()));
    assert_eq!(ids(&json(0, "query % --keywords size:big", &[&build.out])), ["x"]);
    // A schema that does not parse names its line.
    std::fs::write(&schema, "[fields.size]\ntype = \"colour\"\n").unwrap();
    std::fs::remove_dir_all(&build.out).unwrap();
    let found = error(&line, &[&build.features, &build.corpus, &world().bundle, &build.out, &schema]);
    assert_eq!((&found["code"], &found["file"]), (&"bad_value".into(), &name(&schema).into()), "{found}");
}

#[test]
fn features_that_do_not_fit_the_bundle() {
    let world = world();
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("index");
    for (args, code) in [
        ("--pathway image=text --encoder image=eyes", "bad_dimension"),
        ("--pathway sound=text", "unknown_media"),
        ("--pathway image=image", "space_mismatch"),
        ("--pathway image=image --encoder image=other", "space_mismatch"),
        ("--pathway image=nope", "unknown_tensor"),
        ("--pathway image=image --encoder image=eyes --memory 1", "bad_argument"),
        ("--pathway image=image --encoder image=eyes --memory 4096", "bad_argument"),
        ("--pathway image=image --encoder image=eyes --memory 99999999999999999", "bad_argument"),
    ] {
        let found = error(
            &format!("build --features % {args} --bundle % --out %"),
            &[&world.features, &world.bundle, &out],
        );
        assert_eq!(found["code"], code, "{args}: {found}");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0, "{args}: nothing is left");
    }
}

#[test]
fn what_is_wrong_with_an_index_or_its_flags_comes_before_what_is_in_files() {
    let world = world();
    let missing = world.corpus.with_file_name("missing");
    let line = format!("{} --append --schema %", build_line());
    let found = error(&line, &[&world.features, &missing, &world.bundle, &world.index, &missing]);
    assert_eq!(
        (&found["code"], &found["message"]),
        (&"bad_argument".into(), &"--schema does not go with --append".into())
    );
    assert_eq!(found["hint"], "the fields of an index are set when it is built");
    let line = format!("add % % --features % {PATHWAYS}");
    let found = error(&line, &[&missing, &world.corpus, &world.features]);
    assert_eq!(found["code"], "not_found", "{found}");
    assert!(found["file"].as_str().unwrap().starts_with(&name(&missing)), "{found}");
    let found = error(&line, &[&world.index, &world.corpus, &world.features]);
    assert_eq!(
        (&found["code"], &found["message"]),
        (&"bad_argument".into(), &"two sources are named".into())
    );
}

#[test]
fn sources_and_bundles() {
    let world = world();
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("index");
    assert_eq!(error("build --bundle % --out %", &[&world.bundle, &out])["code"], "bad_argument");
    assert_eq!(
        error("build % --bundle % --out %", &[&world.corpus, &world.bundle, &out])["code"],
        "bad_argument"
    );
    for (bundle, code) in
        [(world.corpus.as_path(), "io"), (dir.path(), "not_found"), (&dir.path().join("none"), "not_found")]
    {
        let line = format!("build --features % {PATHWAYS} --bundle % --out %");
        let found = error(&line, &[&world.features, bundle, &out]);
        assert_eq!(found["code"], code, "{found}");
        assert!(found["file"].as_str().unwrap().starts_with(&name(bundle)), "{found}");
    }
    let missing = dir.path().join("none.jsonl");
    let found = error(&build_line(), &[&world.features, &missing, &world.bundle, &out]);
    assert_eq!((&found["code"], &found["file"]), (&"not_found".into(), &name(&missing).into()));
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0, "nothing is left");
}

#[test]
fn an_output_that_exists_is_kept_without_force() {
    let build = Build::new();
    build.run("");
    let before = json(0, "inspect %", &[&build.out]);
    let world = world();
    let paths: [&Path; 4] = [&build.features, &build.corpus, &world.bundle, &build.out];
    let found = error(&build_line(), &paths);
    assert_eq!((&found["code"], &found["file"]), (&"exists".into(), &name(&build.out).into()));
    assert!(found["hint"].as_str().unwrap().contains("--force"), "{found}");
    assert_eq!(json(0, "inspect %", &[&build.out]), before);
    // A build that fails keeps the old index even with --force.
    write_lines(&build.corpus, &data::lines(N - 1));
    assert_eq!(error(&format!("{} --force", build_line()), &paths)["code"], "bad_dimension");
    assert_eq!(json(0, "inspect %", &[&build.out]), before);
    data::rows(N - 1, 6).save(&build.features);
    build.run("--force");
    assert_eq!(json(0, "inspect %", &[&build.out])["documents"], N - 1);
    let mut left: Vec<_> =
        std::fs::read_dir(build.dir.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
    left.sort();
    assert_eq!(left, ["c.jsonl", "index", "r.safetensors"]);
}

#[test]
fn nested_values_go_into_the_extra_field() {
    let build =
        Build::with_lines(|lines| lines[1] = "{\"id\": \"x\", \"maker\": {\"name\": \"Ada\"}}".into());
    let built = build.run("");
    assert_eq!((&built["nested"], &built["warnings"]), (&1.into(), &1.into()));
    assert_eq!(ids(&json(0, "query % --filter _extra.maker.name:ada", &[&build.out])), ["x"]);
}
