//! `query` beyond one ranking: several indexes, batches, unwanted examples, fusions, facets, snippets, explanations; `fuse`.

use std::path::{Path, PathBuf};

use serde_json::{Value, json as object};

use crate::data::{self, row_of};
use crate::files::write_lines;
use crate::run::{error, ids, json, run};
use crate::world::{PATHWAYS, ROWS, world};

const PICTURE: &str = "--features % --pathway image=image --rows 17..18";

/// A query of the shared index; `%` stands for the features file.
fn query(code: i32, line: &str) -> Value {
    let world = world();
    let features = world.features.as_path();
    let paths = [&[world.index.as_path()][..], &vec![features; line.matches('%').count()]].concat();
    json(code, &format!("query % {line}"), &paths)
}

/// The lines of `query INDEX --batch` over `lines`, and the exit code.
fn batch(lines: &[Value], more: &str) -> (i32, Vec<Value>) {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("batch.jsonl");
    let text: Vec<String> = lines.iter().map(Value::to_string).collect();
    std::fs::write(&file, text.join("\n")).unwrap();
    batch_file(&file, more)
}

fn batch_file(file: &Path, more: &str) -> (i32, Vec<Value>) {
    let mut args = vec!["query".to_owned(), world().index.display().to_string()];
    args.extend(["--batch".to_owned(), file.display().to_string(), "--json".to_owned()]);
    args.extend(more.split_whitespace().map(str::to_owned));
    let found = run(&args);
    assert_eq!(found.stderr, "");
    (found.code, found.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect())
}

fn features_of(row: usize) -> Vec<f32> {
    data::rows(ROWS, 5).image[row * data::IMAGE..(row + 1) * data::IMAGE].to_vec()
}

#[test]
fn a_batch_answers_each_line_and_bad_lines_do_not_stop_it() {
    let lines = [
        object!({ "keywords": "red", "k": 3 }),
        object!({ "features": { "image": features_of(17) }, "k": 2, "explain": true }),
        object!({ "keywords": "(", "k": 3 }),
        object!({ "features": { "image": features_of(17) }, "keywords": "red", "weight": ["keyword=2", "metric=1"],
                  "rrf_k": 10, "k": 4 }),
        object!({ "keyword": "red" }),
        object!({ "keywords": "red", "bundle": "x" }),
        object!(7),
    ];
    let (code, answers) = batch(&lines, "--filter size:<100");
    assert_eq!((code, answers.len()), (2, lines.len()));
    for (at, answer) in answers.iter().enumerate() {
        assert_eq!(answer["line"], at + 1);
    }
    let alone = query(0, "--keywords red --filter size:<100 -k 3");
    assert_eq!(ids(&answers[0]), ids(&alone), "what stands beside --batch goes for every line");
    let alone = query(0, &format!("{PICTURE} --filter size:<100 -k 2"));
    assert_eq!(ids(&answers[1]), ids(&alone));
    assert!(answers[1]["hits"][0]["explanation"].is_object() && answers[1]["plan"].is_object());
    let line = format!("{PICTURE} --filter size:<100 --keywords red --weight keyword=2 --rrf-k 10 -k 4");
    let alone = query(0, &line);
    assert_eq!(answers[3]["hits"], alone["hits"]);
    for (at, code) in [(2, "bad_query"), (4, "bad_argument"), (5, "bad_argument"), (6, "bad_json")] {
        assert_eq!(answers[at]["error"]["code"], code, "{}", answers[at]);
    }
    let hint = answers[4]["error"]["message"].as_str().unwrap();
    assert!(hint.contains("--keyword"), "{hint}");
}

#[test]
fn a_line_of_a_batch_has_one_filter_or_a_list_of_them() {
    let lines = [
        object!({ "keywords": "red", "filter": "size:<100", "k": 50 }),
        object!({ "keywords": "red", "filter": ["size:<100", "size:>20"], "k": 50 }),
        object!({ "keywords": "red", "filter": [], "k": 50 }),
        object!({ "keywords": "red", "filter": ["size:<100", "size:"], "k": 50 }),
        object!({ "keywords": "red", "filter": ["size:<100", ["size:>20"]], "k": 50 }),
    ];
    let (code, answers) = batch(&lines, "");
    assert_eq!((code, answers.len()), (2, lines.len()));
    let one = ids(&query(0, "--keywords red --filter size:<100 -k 50"));
    let both = ids(&query(0, "--keywords red --filter size:<100 --filter size:>20 -k 50"));
    let none = ids(&query(0, "--keywords red -k 50"));
    assert!(
        !both.is_empty() && both.len() < one.len() && one.len() < none.len(),
        "each filter leaves some out"
    );
    assert_eq!([ids(&answers[0]), ids(&answers[1]), ids(&answers[2])], [one, both, none]);
    for (at, code) in [(3, "bad_query"), (4, "bad_value")] {
        assert_eq!(answers[at]["error"]["code"], code, "{}", answers[at]);
    }
}

#[test]
fn exit_codes_of_a_batch() {
    let (code, _) = batch(&[object!({ "keywords": "red" }), object!({ "keywords": "nosuchword" })], "");
    assert_eq!(code, 0);
    let (code, answers) = batch(&[object!({ "keywords": "nosuchword" })], "");
    assert_eq!((code, answers[0]["hits"].as_array().unwrap().len()), (1, 0));
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("batch.jsonl");
    std::fs::write(&file, "{\"keywords\": \"red\"}\n\n{\"keywords\": \n\u{feff}\n").unwrap();
    let (code, answers) = batch_file(&file, "");
    let lines: Vec<u64> = answers.iter().map(|answer| answer["line"].as_u64().unwrap()).collect();
    assert_eq!((code, lines), (2, vec![1, 3, 4]));
    let world = world();
    let none = dir.path().join("none.jsonl");
    assert_eq!(error("query % --batch %", &[&world.index, &none])["code"], "not_found");
}

/// The shared rows as two indexes of one schema, and as one.
fn halves(dir: &Path) -> [PathBuf; 3] {
    let world = world();
    let schema = dir.join("schema.toml");
    let printed = run(&["schema".as_ref(), world.corpus.as_os_str()]);
    std::fs::write(&schema, printed.stdout).unwrap();
    let mut out = Vec::new();
    for (name, rows) in [("first", 0..ROWS / 2), ("second", ROWS / 2..ROWS), ("whole", 0..ROWS)] {
        let all = data::rows(ROWS, 5);
        let part = data::Rows {
            n: rows.len(),
            image: all.image[rows.start * data::IMAGE..rows.end * data::IMAGE].to_vec(),
            text: all.text[rows.start * data::TEXT..rows.end * data::TEXT].to_vec(),
        };
        let (features, corpus, index) =
            (dir.join(format!("{name}.st")), dir.join(format!("{name}.jsonl")), dir.join(name));
        part.save(&features);
        write_lines(&corpus, &data::lines(ROWS)[rows]);
        let line = format!("build --features % {PATHWAYS} --corpus % --bundle % --out % --schema %");
        json(0, &line, &[&features, &corpus, &world.bundle, &index, &schema]);
        out.push(index);
    }
    out.try_into().unwrap()
}

#[test]
fn several_indexes_answer_as_one() {
    let dir = tempfile::tempdir().unwrap();
    let [first, second, whole] = halves(dir.path());
    let world = world();
    for line in [
        "--keywords red~boat~number33",
        PICTURE,
        "--features % --pathway image=image --rows 17..18 --keywords red~boat --facet category --snippet title",
        "--features % --pathway image=image --rows 17..18 --keywords red~boat --fusion linear --min-probability 0.2",
        "--like d00150 --media any",
    ] {
        let features = vec![world.features.as_path(); line.matches('%').count()];
        let paths = [&[first.as_path(), second.as_path()][..], &features].concat();
        let mut found = json(0, &format!("query % % {line} -k 30"), &paths);
        let mut expected =
            json(0, &format!("query % {line} -k 30"), &[&[whole.as_path()][..], &features].concat());
        for hit in found["hits"].as_array_mut().unwrap() {
            let index = hit.as_object_mut().unwrap().remove("index").unwrap();
            assert_eq!(index, u64::from(row_of(hit["id"].as_str().unwrap()) >= ROWS / 2));
        }
        for answer in [&mut found, &mut expected] {
            answer.as_object_mut().unwrap().remove("took_ms");
        }
        assert_eq!(found, expected, "{line}");
    }
}

#[test]
fn indexes_of_another_model_or_schema_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let [first, second, _] = halves(dir.path());
    let world = world();
    let rare = dir.path().join("rare");
    let line =
        format!("calibrate % --features % {PATHWAYS} --label label --test-mask test --prior 0.01 --out %");
    json(0, &line, &[&world.bundle, &world.features, &rare]);
    json(0, "attach % --bundle %", &[&second, &rare]);
    let found = error("query % % --keywords red", &[&first, &second]);
    assert_eq!(found["code"], "space_mismatch");
    assert!(found["hint"].as_str().unwrap().contains("--bundle"), "{found}");
    json(0, "query % % --keywords red --bundle %", &[&first, &second, &rare]);
    // An index whose fields differ.
    let (corpus, other) = (dir.path().join("other.jsonl"), dir.path().join("other"));
    let lines: Vec<String> =
        (0..ROWS).map(|row| object!({ "id": data::id(row), "name": "x" }).to_string()).collect();
    write_lines(&corpus, &lines);
    let line = format!("build --features % {PATHWAYS} --corpus % --bundle % --out %");
    json(0, &line, &[&world.features, &corpus, &world.bundle, &other]);
    assert_eq!(error("query % % --keywords red", &[&first, &other])["code"], "schema_conflict");
}

#[test]
fn fusions_and_their_settings() {
    for fusion in ["rrf", "linear", "product", "metric"] {
        let found = query(0, &format!("{PICTURE} --keywords red --fusion {fusion} --explain -k 20"));
        for hit in found["hits"].as_array().unwrap() {
            let legs = &hit["explanation"]["legs"];
            let part = |leg: &str| legs[leg]["contribution"].as_f64().unwrap();
            let (keyword, metric) = (part("keyword"), part("metric"));
            let total = if fusion == "product" { keyword * metric } else { keyword + metric };
            assert!((total - hit["score"].as_f64().unwrap()).abs() < 1e-5, "{fusion}: {hit}");
        }
        assert_eq!(found["plan"]["fusion"], fusion);
    }
    for scale in ["min-max", "z-score", "probability"] {
        let found = query(0, &format!("{PICTURE} --keywords red --fusion linear --normalise {scale} -k 300"));
        let scores: Vec<f64> =
            found["hits"].as_array().unwrap().iter().map(|hit| hit["score"].as_f64().unwrap()).collect();
        assert!(scores.windows(2).all(|w| w[0] >= w[1]) && scores.iter().all(|s| *s >= 0.0), "{scale}");
    }
    let target = query(0, &format!("{PICTURE} --target both -k 1"));
    let p = target["hits"][0]["probability"].as_f64().unwrap();
    assert!(p > 0.0 && p < 1.0);
}

#[test]
fn facets_snippets_items_and_exclusions() {
    let found = query(0, "--keywords red --facet category --facet size --snippet title --items -k 1");
    let counts = found["facets"]["category"].as_array().unwrap();
    assert_eq!(counts.len(), 4);
    assert_eq!(counts.iter().map(|c| c["count"].as_u64().unwrap()).sum::<u64>(), 80);
    assert_eq!(found["matched"], 80);
    assert!(found["hits"][0]["snippets"]["title"].as_str().unwrap().contains("<b>red</b>"), "{found}");
    let range = r#"{"size":{"range":{"field":"size","ranges":[{"to":120},{"from":120}]}}}"#;
    let world = world();
    let args = [
        "query".as_ref(),
        world.index.as_os_str(),
        "--filter".as_ref(),
        "*".as_ref(),
        "--aggregations".as_ref(),
        range.as_ref(),
        "--json".as_ref(),
    ];
    let found: Value = serde_json::from_str(&run(&args).stdout).unwrap();
    assert_eq!(found["aggregations"]["size"]["buckets"][0]["doc_count"], 120);
    let items = query(0, &format!("{PICTURE} --media any --items -k 3"));
    for hit in items["hits"].as_array().unwrap() {
        let media: Vec<&str> =
            hit["items"].as_array().unwrap().iter().map(|item| item["media"].as_str().unwrap()).collect();
        assert_eq!(media, ["image", "text"], "every document has one of each");
    }
    let all = query(0, &format!("{PICTURE} -k 300"));
    let out = ids(&all)[0].clone();
    let less = query(0, &format!("{PICTURE} -k 300 --exclude {out}"));
    assert_eq!(ids(&less), ids(&all)[1..]);
    // Without the helper, to which ~ is a blank.
    let args =
        ["query".as_ref(), world.index.as_os_str(), "--keywords=nubmer33~1".as_ref(), "--json".as_ref()];
    let fuzzy: Value = serde_json::from_str(&run(&args).stdout).unwrap();
    assert!(ids(&fuzzy).contains(&data::id(33)), "{fuzzy}");
    let boosted = query(0, "--keywords bird --boost title=9 -k 1");
    let plain = query(0, "--keywords bird -k 1");
    assert!(boosted["hits"][0]["score"].as_f64().unwrap() > plain["hits"][0]["score"].as_f64().unwrap());
}

#[test]
fn more_bad_arguments() {
    let world = world();
    for (line, code) in [
        ("--keywords red --weight keyword~2", "bad_argument"),
        ("--keywords red --boost titel=2", "unknown_field"),
        ("--keywords red --boost title=NaN", "bad_argument"),
        ("--keywords red --facet nope", "unknown_field"),
        ("--keywords red --snippet size", "bad_argument"),
        ("--keywords red --rrf-k -1", "bad_argument"),
        ("--keywords red --recall 0", "bad_argument"),
        ("--keywords red --recall 0.9 --exact", "bad_argument"),
        ("--keywords red --aggregations {", "bad_argument"),
        ("--keywords ~", "bad_query"),
        ("--keywords red --fusion learned", "bad_argument"),
    ] {
        let found = error(&format!("query % {line}"), &[&world.index]);
        assert_eq!(found["code"], code, "{line}: {found}");
    }
    let found = error("query % --keywords red~AND~title:", &[&world.index]);
    assert_eq!((&found["code"], &found["offset"]), (&"bad_query".into(), &14.into()), "{found}");
    let found = error("query % --filter categroy:bird", &[&world.index]);
    assert!(found["hint"].as_str().unwrap().contains("did you mean category"), "{found}");
}

#[test]
fn a_time_budget_marks_what_is_partial() {
    let found = query(1, &format!("{PICTURE} --time-budget 0"));
    assert_eq!((&found["partial"], &found["exact"]), (&true.into(), &false.into()));
    let found = query(0, &format!("{PICTURE} --time-budget 600000"));
    assert_eq!((&found["partial"], &found["exact"]), (&false.into(), &true.into()));
}

#[test]
fn a_learned_fusion_goes_into_a_bundle_and_an_index_without_a_rebuild() {
    let world = world();
    let dir = tempfile::tempdir().unwrap();
    let (clicks, fused, index) =
        (dir.path().join("clicks.jsonl"), dir.path().join("fused"), dir.path().join("index"));
    crate::files::copy_dir(&world.index, &index);
    // Relevant is the document of the picture itself; the keyword is its colour.
    let line = |row: usize| {
        let colour = ["red", "green", "blue"][row % 3];
        object!({ "keywords": colour, "features": { "image": features_of(row) }, "relevant": [data::id(row)] })
    };
    let lines: Vec<String> = (0..40).map(|row| line(row).to_string()).collect();
    write_lines(&clicks, &lines);
    let told = json(0, "fuse % --clicks % --index % --out %", &[&world.bundle, &clicks, &index, &fused]);
    assert_eq!((&told["lines"], &told["used"]), (&40.into(), &40.into()));
    let before = json(0, "inspect %", &[&index]);
    assert_eq!(before["fingerprint"]["space"], told["fingerprint"]["space"]);
    assert_ne!(before["fingerprint"]["model"], told["fingerprint"]["model"]);
    json(0, "attach % --bundle %", &[&index, &fused]);
    let found = json(
        0,
        "query % --features % --pathway image=image --rows 50..51 --keywords blue --fusion learned",
        &[&index, &world.features],
    );
    assert!(row_of(&ids(&found)[0]) % 3 == 2, "{found}");
    // The same lines give the same bundle.
    let again = dir.path().join("again");
    let told_again =
        json(0, "fuse % --clicks % --index % --out %", &[&world.bundle, &clicks, &index, &again]);
    assert_eq!(told["fingerprint"], told_again["fingerprint"]);
    // Clicks on ids that nobody judged, without keywords, on a bundle that is there.
    for (text, code) in [
        ("{\"keywords\": \"red\", \"relevant\": [\"d00001\"]}", "bad_argument"),
        ("{\"keywords\": \"red\"}", "bad_value"),
        ("nonsense", "bad_json"),
        ("", "empty"),
    ] {
        std::fs::write(&clicks, text).unwrap();
        let out = dir.path().join("none");
        let found = error("fuse % --clicks % --index % --out %", &[&world.bundle, &clicks, &index, &out]);
        assert_eq!(found["code"], code, "{text}: {found}");
        assert!(!out.exists());
    }
    assert_eq!(
        error("fuse % --clicks % --index % --out %", &[&world.bundle, &clicks, &index, &fused])["code"],
        "exists"
    );
}
