//! `add`, `delete` and `build --append`.

use std::fs;

use serde_json::json;

use crate::files::{s, write_lines};
use crate::pictures::support::{
    COLORS, DOCUMENTS, answers, assert_sound, copy_of_index, draw, id, line, stored_items, world,
};
use crate::run::{code, err, ids, ok};

#[test]
fn add_replaces_by_id_and_keeps_what_has_not_changed() {
    let dir = tempfile::tempdir().unwrap();
    let index = copy_of_index(dir.path());
    let before: Vec<_> = [7, 1].iter().map(|&i| stored_items(&index, &id(i))).collect();
    // Other fields; another picture; a new document.
    let mut fields = line(7);
    fields["tag"] = "retagged".into();
    fields["mood"] = "calm".into();
    fields["nested"] = json!({ "deep": "sea" });
    let picture = dir.path().join("yellow.png");
    draw("square", COLORS[3].1, 4_242).save(&picture).unwrap();
    let mut repainted = line(1);
    repainted["image"] = s(&picture).into();
    let new = json!({ "id": "new", "text": "a yellow square", "image": s(&picture), "category": "square" });
    let corpus = dir.path().join("more.jsonl");
    write_lines(&corpus, &[fields, repainted, new]);
    let added = ok(&["add", s(&index), s(&corpus)]);
    assert_eq!((&added["documents"], &added["skipped"]), (&json!(3), &json!([])));
    assert_eq!(added["items"], json!({ "image": 3 + 1 + 1, "text": 3 }));
    // One warning for both keys that the index has no field for.
    assert_eq!((&added["unknown"], &added["warnings"]), (&json!(2), &json!(1)));
    assert_sound(&index);
    let about = ok(&["inspect", s(&index)]);
    assert_eq!((&about["documents"], &about["deleted"]), (&json!(DOCUMENTS + 1), &json!(2)));

    assert_eq!(stored_items(&index, &id(7)), before[0]);
    let after = stored_items(&index, &id(1));
    let of = |items: &[(String, u32, Vec<u8>)], media: &str| {
        items.iter().filter(|item| item.0 == media).cloned().collect::<Vec<_>>()
    };
    assert_eq!(of(&after, "text"), of(&before[1], "text"));
    assert_eq!(of(&after, "image").len(), 1);
    assert_ne!(of(&after, "image"), of(&before[1], "image"));
    // The same picture in two documents has the same vector.
    assert_eq!(of(&after, "image"), of(&stored_items(&index, "new"), "image"));

    let find = |keywords: &str| ok(&["query", s(&index), "--keywords", keywords]);
    assert_eq!(ids(&find("tag:retagged")), ["doc-007"]);
    assert!(ids(&find("tag:tag007")).is_empty());
    assert_eq!(ids(&find("_extra.mood:calm")), ["doc-007"]);
    assert_eq!(ids(&find("_extra.nested.deep:sea")), ["doc-007"]);
    let args =
        ["query", s(&index), "--image", s(&picture), "--media", "image", "--similarity", "cosine", "-k", "2"];
    assert_eq!(ids(&ok(&args)), ["doc-001", "new"]);

    // The same again changes nothing that anyone sees.
    let once = answers(&index);
    ok(&["add", s(&index), s(&corpus)]);
    assert_eq!(answers(&index), once);
    assert_sound(&index);
}

#[test]
fn add_wants_ids() {
    let dir = tempfile::tempdir().unwrap();
    let index = copy_of_index(dir.path());
    let before = answers(&index);
    let corpus = dir.path().join("more.jsonl");
    let lines = [json!({ "text": "who am I" }), json!({ "id": 5, "text": "I am five" })];
    write_lines(&corpus, &lines);
    let error = err(&["add", s(&index), s(&corpus), "--strict"]);
    assert_eq!((code(&error), &error["line"], &error["file"]), ("bad_value", &json!(1), &json!(s(&corpus))));
    assert_eq!(answers(&index), before);
    let added = ok(&["add", s(&index), s(&corpus)]);
    assert_eq!((&added["documents"], &added["warnings"]), (&json!(1), &json!(1)));
    assert_eq!(added["skipped"][0]["line"], 1);
    assert!(added["skipped"][0]["reason"].as_str().unwrap().contains("no id"), "{added}");
    assert_eq!(ids(&ok(&["query", s(&index), "--filter", "id:5"])), ["5"]);
    write_lines(&corpus, &lines[..1]);
    // A source without a good document ends with the first cause.
    let error = err(&["add", s(&index), s(&corpus)]);
    assert_eq!((code(&error), &error["line"]), ("bad_value", &json!(1)));
    assert!(error["message"].as_str().unwrap().contains("no document of the source reads"), "{error}");
    assert_sound(&index);
}

#[test]
fn an_id_that_stands_twice_stops_an_add() {
    let dir = tempfile::tempdir().unwrap();
    let index = copy_of_index(dir.path());
    let before = answers(&index);
    let corpus = dir.path().join("more.jsonl");
    // Far apart, so that they travel in different batches; a number and its digits are one id.
    let mut lines: Vec<_> = (0..400).map(|i| json!({ "id": format!("n{i}"), "text": "filler" })).collect();
    lines[1] = json!({ "id": 17, "text": "first" });
    lines[350] = json!({ "id": "17", "text": "second" });
    write_lines(&corpus, &lines);
    let error = err(&["add", s(&index), s(&corpus)]);
    assert_eq!((code(&error), &error["file"]), ("duplicate_id", &json!(s(&corpus))), "{error}");
    assert_eq!((&error["line"], &error["got"]), (&json!(351), &json!("lines 2 and 351")), "{error}");
    assert_eq!(answers(&index), before);
    assert_sound(&index);
    // A first build says the same.
    let out = dir.path().join("new");
    let error = err(&["build", s(&corpus), "--bundle", s(&world().bundle), "--out", s(&out)]);
    assert_eq!((code(&error), &error["got"]), ("duplicate_id", &json!("lines 2 and 351")), "{error}");
    assert!(!out.exists());
}

#[test]
fn deleted_documents_are_gone_from_every_query() {
    let dir = tempfile::tempdir().unwrap();
    let index = copy_of_index(dir.path());
    let picture = line(5)["image"].as_str().unwrap().to_owned();
    let text = line(5)["text"].as_str().unwrap().to_owned();
    let queries: Vec<Vec<&str>> = vec![
        vec!["--keywords", "tag:tag005"],
        vec!["--filter", "tag:tag005"],
        vec!["--text", &text],
        vec!["--text", &text, "--media", "text"],
        vec!["--image", &picture, "--media", "image", "--similarity", "cosine"],
        vec!["--image", &picture, "--keywords", "tag:tag005 OR color:red", "--fusion", "rrf"],
        vec!["--image", &picture, "--keywords", "tag:tag005", "--fusion", "metric"],
        vec!["--like", "doc-008", "--media", "any"],
    ];
    let find = |query: &[&str], id: &str| {
        ids(&ok(&[&["query", s(&index), "-k", "1000"][..], query].concat())).iter().any(|found| found == id)
    };
    for query in &queries {
        assert!(find(query, "doc-005"), "{query:?}");
    }
    let deleted = ok(&["delete", s(&index), "--id", "doc-005", "doc-999", "doc-005"]);
    assert_eq!((&deleted["documents"], &deleted["warnings"]), (&json!(1), &json!(1)));
    assert!(deleted["skipped"][0]["reason"].as_str().unwrap().contains("doc-999"), "{deleted}");
    for query in &queries {
        assert!(!find(query, "doc-005"), "{query:?}");
    }
    assert_eq!(code(&err(&["query", s(&index), "--like", "doc-005"])), "unknown_id");
    let about = ok(&["inspect", s(&index)]);
    assert_eq!((&about["documents"], &about["deleted"]), (&json!(DOCUMENTS - 1), &json!(1)));
    assert_sound(&index);

    // 5 is of stripes: all 40 circles are still there.
    let deleted = ok(&["delete", s(&index), "--filter", "category:circle AND NOT color:red"]);
    assert_eq!((&deleted["documents"], &deleted["warnings"]), (&json!(32), &json!(0)));
    let left = ok(&["query", s(&index), "--filter", "category:circle", "-k", "1000"]);
    assert_eq!(ids(&left).len(), 8);
    let ranked = ok(&["query", s(&index), "--text", "a blue circle", "--media", "any", "-k", "1000"]);
    assert_eq!(ids(&ranked).len(), DOCUMENTS - 33);
    assert_eq!(ranked["candidates"], DOCUMENTS - 33);
    let circles =
        ranked["hits"].as_array().unwrap().iter().filter(|hit| hit["fields"]["category"] == "circle");
    assert!(circles.clone().count() == 8 && circles.clone().all(|hit| hit["fields"]["color"] == "red"));
    assert_eq!(ok(&["inspect", s(&index)])["documents"], DOCUMENTS - 33);
    assert_eq!(code(&err(&["delete", s(&index), "--filter", "nofield:x"])), "unknown_field");
    assert_eq!(code(&err(&["delete", s(&index), "--filter", "(("])), "bad_query");
    // What matches nothing commits nothing.
    let meta = || fs::read(index.join("meta.json")).unwrap();
    let before = meta();
    assert_eq!(ok(&["delete", s(&index), "--filter", "category:nothing"])["documents"], 0);
    assert_eq!(ok(&["delete", s(&index), "--id", "doc-999"])["documents"], 0);
    assert_eq!(meta(), before);
    assert_eq!(code(&err(&["delete", s(&index)])), "bad_argument");
    assert_sound(&index);
}

#[test]
fn append_builds_or_upserts() {
    let dir = tempfile::tempdir().unwrap();
    let index = dir.path().join("index");
    let corpus = dir.path().join("part.jsonl");
    let bundle = s(&world().bundle);
    let append =
        || ["build", s(&corpus), "--bundle", bundle, "--out", s(&index), "--append"].map(str::to_owned);
    let run = || ok(&append().iter().map(String::as_str).collect::<Vec<_>>());
    write_lines(&corpus, &(0..60).map(line).collect::<Vec<_>>());
    assert_eq!(run()["documents"], 60);
    write_lines(&corpus, &(50..DOCUMENTS).map(line).collect::<Vec<_>>());
    assert_eq!(run()["documents"], DOCUMENTS - 50);
    assert_eq!(ok(&["inspect", s(&index)])["documents"], DOCUMENTS);
    assert_sound(&index);
    // What was built in two parts answers as what was built at once.
    let ask = |index: &str| {
        let answer = ok(&["query", index, "--text", "a red circle on white", "--media", "any", "-k", "1000"]);
        let hits = answer["hits"].as_array().unwrap();
        hits.iter().map(|hit| (hit["id"].clone(), hit["score"].clone())).collect::<Vec<_>>()
    };
    assert_eq!(ask(s(&index)), ask(s(&world().index)));

    let other = dir.path().join("other");
    uncsm_index::model::Bundle::random(&[("image", 6), ("text", 5)], 12, 7, 3, 1).save(&other).unwrap();
    let before = answers(&index);
    let error = err(&["build", s(&corpus), "--bundle", s(&other), "--out", s(&index), "--append"]);
    assert_eq!(code(&error), "space_mismatch", "{error}");
    let error = err(&["build", s(&corpus), "--bundle", bundle, "--out", s(&index)]);
    assert_eq!(code(&error), "exists", "{error}");
    assert_eq!(answers(&index), before);
    let schema = dir.path().join("schema.toml");
    fs::write(&schema, "").unwrap();
    let mut args = append().to_vec();
    args.extend(["--schema".to_owned(), s(&schema).to_owned()]);
    assert_eq!(code(&err(&args.iter().map(String::as_str).collect::<Vec<_>>())), "bad_argument");
}

#[test]
fn an_index_may_lose_all_and_gain_again() {
    let dir = tempfile::tempdir().unwrap();
    let index = copy_of_index(dir.path());
    let counted = ok(&["delete", s(&index), "--filter", "*", "--dry-run"]);
    assert_eq!(counted["needs_all"], true);
    assert_eq!((&counted["documents"], &counted["dry_run"]), (&json!(DOCUMENTS), &json!(true)));
    let refused = err(&["delete", s(&index), "--filter", "color:* OR category:*"]);
    assert_eq!(code(&refused), "bad_argument");
    assert!(
        refused["message"].as_str().unwrap().contains(&format!("all {DOCUMENTS} documents")),
        "{refused}"
    );
    assert!(refused["hint"].as_str().unwrap().contains("--all"), "{refused}");
    assert_eq!(ok(&["query", s(&index), "--filter", "*", "-k", "1"])["matched"], DOCUMENTS);
    assert_eq!(ok(&["delete", s(&index), "--filter", "*", "--all"])["documents"], DOCUMENTS);
    assert_eq!(ok(&["inspect", s(&index)])["documents"], 0);
    for query in [vec!["--text", "a red circle"], vec!["--keywords", "red"], vec!["--filter", "*"]] {
        assert!(ids(&ok(&[&["query", s(&index)][..], &query].concat())).is_empty());
    }
    assert_sound(&index);
    assert_eq!(ok(&["add", s(&index), s(&world().corpus)])["documents"], DOCUMENTS);
    assert_eq!(ok(&["inspect", s(&index)])["documents"], DOCUMENTS);
    let ask = |index: &std::path::Path| answers(index)["ranked"].clone();
    assert_eq!(ask(&index), ask(&world().index));
    assert_sound(&index);
}
