//! `--sort` and `--collapse`, as flags and as keys of a line.

use serde_json::{Value, json};

use crate::data::{class, id};
use crate::run::{Run, run};
use crate::world::{ROWS, world};

fn query(words: &[&str]) -> Run {
    run(&[&["query", world().index.to_str().unwrap()], words].concat())
}

fn answer(words: &[&str]) -> Value {
    let done = query(&[words, &["--json"]].concat());
    assert_eq!(done.code, 0, "{}", done.stderr);
    serde_json::from_str(&done.stdout).unwrap()
}

fn ids(answer: &Value) -> Vec<String> {
    answer["hits"].as_array().unwrap().iter().map(|hit| hit["id"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn hits_come_in_the_order_of_fields_on_every_page() {
    let found = answer(&["--filter", "*", "--sort", "size:desc", "-k", "3", "--offset", "2"]);
    assert_eq!(ids(&found), (0..3).map(|at| id(ROWS - 3 - at)).collect::<Vec<_>>());
    assert_eq!(found["hits"][0]["sort"], json!([ROWS - 3]));
    // A field of strings first, then numbers; scores of keywords are shown.
    let found = answer(&[
        "--keywords",
        "red",
        "--sort",
        "category_exact:desc",
        "--sort",
        "size",
        "-k",
        "2",
        "--explain",
    ]);
    let last = (0..4).map(class).max().unwrap();
    let expected: Vec<usize> = (0..ROWS).filter(|row| row % 3 == 0 && class(*row) == last).take(2).collect();
    assert_eq!(ids(&found), expected.iter().map(|row| id(*row)).collect::<Vec<_>>());
    assert_eq!(found["hits"][0]["sort"], json!([last, expected[0]]));
    let hit = &found["hits"][0];
    assert!(hit["score"].as_f64().unwrap() > 0.0 && hit["score"] == hit["legs"]["keyword"]["score"], "{hit}");
    assert!(hit.get("collapsed").is_none());
    assert_eq!(found["plan"]["sort"][1]["field"], "size");
    assert!(query(&["--keywords", "red", "--sort", "size"]).stdout.contains("  sort 0\n"));
}

#[test]
fn one_hit_of_each_value_with_the_number_of_others() {
    let found = answer(&[
        "--filter",
        "*",
        "--sort",
        "size:desc",
        "--collapse",
        "category_exact",
        "--facet",
        "category",
    ]);
    assert_eq!(ids(&found), (0..4).map(|at| id(ROWS - 1 - at)).collect::<Vec<_>>());
    assert!(found["hits"].as_array().unwrap().iter().all(|hit| hit["collapsed"] == ROWS / 4 - 1), "{found}");
    // Counts are of what was there before.
    assert_eq!(found["matched"], ROWS);
    assert_eq!(found["facets"]["category"][0]["count"], ROWS / 4);
    let line = json!({ "filter": "*", "sort": ["size:desc"], "collapse": "category_exact" });
    let lines = world().index.with_file_name("sorted-lines.jsonl");
    std::fs::write(&lines, line.to_string()).unwrap();
    assert_eq!(ids(&answer(&["--batch", lines.to_str().unwrap()])), ids(&found));
    let text = query(&["--filter", "*", "--collapse", "category_exact"]).stdout;
    assert!(text.contains(&format!("  +{} alike\n", ROWS / 4 - 1)), "{text}");
}

#[test]
fn a_field_that_cannot_sort_is_refused_with_the_way_out() {
    for (words, says) in [
        (["--sort", "siez:desc"], "did you mean size"),
        (["--sort", "size:downwards"], "asc or desc"),
        (["--sort", "category"], "category_exact"),
        (["--collapse", "title"], "title_exact"),
    ] {
        let done = query(&[&["--filter", "*"], &words[..]].concat());
        assert_eq!(done.code, 2, "{words:?}");
        assert!(done.stderr.contains(says), "{words:?}: {}", done.stderr);
    }
}
