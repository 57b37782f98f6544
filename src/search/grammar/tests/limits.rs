//! What a query may ask for, and what tantivy does not bear.

use super::*;
use crate::limits::{QUERY_BYTES, QUERY_CLAUSES, QUERY_DEPTH, QUERY_PATTERNS};
use crate::search::budget::Budget;
use crate::search::grammar::Grammar;

fn too_large(index: &Index, query: &str) -> Error {
    let error = parse(index, Mode::Keywords, query).err().unwrap_or_else(|| panic!("{query:.60} is taken"));
    assert_eq!(error.code(), ErrorCode::TooLarge, "{error}");
    assert!(error.facts().hint.is_some() && error.to_string().len() < 1000, "{error}");
    error
}

#[test]
fn control_characters_in_a_name_are_an_error() {
    let index = shop();
    for query in
        ["_extra.a\0b:x", "_extra.\0:5", "_extra.a\u{1}b:*", "_extra.m\0: IN [1]", "* AND NOT _extra.\0:>3"]
    {
        for mode in [Mode::Filter, Mode::Keywords] {
            let error = refused(&index, mode, query);
            assert!(error.facts().message.contains("control character"), "{error}");
        }
    }
}

#[test]
fn strings_clauses_and_patterns_have_limits() {
    let index = index();
    too_large(&index, &"a".repeat(QUERY_BYTES + 1));
    let taken = |query: &str| parse(&index, Mode::Keywords, query).is_ok();
    // Two default fields.
    let words = |n: usize| "red ".repeat(n);
    assert!(taken(&words(QUERY_CLAUSES / 2)));
    let error = too_large(&index, &words(QUERY_CLAUSES / 2 + 1));
    assert_eq!(error.facts().offset, Some(2 * QUERY_CLAUSES as u64 + 3));
    assert!(taken(&"id:1 ".repeat(QUERY_CLAUSES)));
    // Each counts once for every group around it.
    let deep = |n: usize| format!("{}{}{}", "(".repeat(63), "id:1 ".repeat(n), ")".repeat(63));
    assert!(taken(&deep(QUERY_CLAUSES / 64)));
    too_large(&index, &deep(QUERY_CLAUSES / 64 + 1));
    for (pattern, each) in [("text:re*", 16), ("text:red~", 16), ("text:/re./", 256), ("\"red ci\"*", 512)] {
        let many = |n: usize| format!("{pattern} ").repeat(n);
        assert!(taken(&many(QUERY_PATTERNS / each)), "{pattern}");
        too_large(&index, &many(QUERY_PATTERNS / each + 1));
    }
    too_large(&index, &format!("text:{}~", "x".repeat(QUERY_PATTERNS)));
    let groups = |n: usize| format!("{}red{}", "(".repeat(n), ")".repeat(n));
    assert_eq!(found(&index, &groups(QUERY_DEPTH)), [0, 2]);
    refused(&index, Mode::Keywords, &groups(QUERY_DEPTH + 1));
}

#[test]
fn errors_stay_short() {
    let index = shop();
    let long = "x".repeat(500_000);
    for query in [
        format!("{long}:a"),
        format!("_extra.{long}"),
        format!("n:{long}"),
        format!("NOT {}fox", " ".repeat(500_000)),
        format!("title:\"fox {}\"", format!("{} ", "y".repeat(50)).repeat(1000)),
        format!("body:{}~", "x-".repeat(3000)),
        "☕ ".repeat(3000),
    ] {
        for mode in [Mode::Filter, Mode::Keywords] {
            let error = parse(&index, mode, &query).err().unwrap_or_else(|| panic!("{query:.60} is taken"));
            assert!(error.to_string().len() < 2500, "{} bytes: {query:.60}", error.to_string().len());
        }
    }
}

#[test]
fn too_many_words_of_a_beginning_are_an_error() {
    let mut builder = Schema::builder();
    let text = builder.add_text_field("text", TEXT);
    let index = Index::create_in_ram(builder.build());
    let mut writer = index.writer_with_num_threads(1, 15 << 20).unwrap();
    let words: Vec<String> = (0..10_001).map(|n| format!("red w{n:05}")).collect();
    writer.add_document(doc!(text => words.join(" "))).unwrap();
    writer.commit().unwrap();
    let searcher = index.reader().unwrap().searcher();
    let search =
        |query: &str| searcher.search(&*parse(&index, Mode::Filter, query).unwrap(), &DocSetCollector);
    assert_eq!(search("text:\"red w0\"*").unwrap().len(), 1);
    for query in ["text:\"red w\"*", "text:w*"] {
        let error = Error::from(search(query).unwrap_err());
        assert_eq!(error.code(), ErrorCode::BadQuery, "{error}");
        assert!(error.facts().message.contains("too many words"), "{error}");
    }
}

#[test]
fn filters_of_a_query_are_bounded_together_and_end_with_it() {
    let index = index();
    let cancel = crate::search::Cancel::new();
    let grammar = Grammar::new(&index).within(Budget::new(None, Some(cancel.clone())));
    let half = "text:re* ".repeat(QUERY_PATTERNS / 32);
    assert!(grammar.filter(&half).is_ok() && grammar.filter(&half).is_ok());
    let error = grammar.filter("text:re*").err().map(|error| error.code());
    assert_eq!(error, Some(ErrorCode::TooLarge));
    assert!(grammar.filter("text:red").is_ok(), "a word is no pattern");
    cancel.cancel();
    let error = grammar.filter("text:red").err().map(|error| error.code());
    assert_eq!(error, Some(ErrorCode::Interrupted));
}
