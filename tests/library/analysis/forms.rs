//! Composed and decomposed letters: in a new index they meet everywhere, in an old one as they did, and stored text stays as given.

use serde_json::{Value, json};
use tantivy::query::{Query, QueryParser, TermSetQuery};
use tantivy::{Term, collector::Count};
use uncsm_index::ErrorCode;
use uncsm_index::index::Index;
use uncsm_index::search::Engine;

use crate::analysis::{build, found};

const NFC: &str = "Café";
const NFD: &str = "Cafe\u{301}";

fn lines() -> Vec<Value> {
    vec![
        json!({"id": NFC, "text": "the résumé of Zoé", "kind": NFC, "meta": {"name": NFC}, "long": "é".repeat(128)}),
        json!({"id": NFD, "text": "the re\u{301}sume\u{301} of Zoe\u{301}", "kind": NFD, "meta": {"name": NFD},
               "long": "e\u{301}".repeat(128)}),
        json!({"id": "tea", "text": "a resume", "kind": "tea", "meta": {"name": "tea"}, "long": "x"}),
    ]
}

/// Ids that a filter finds, in order of bytes.
fn filtered(index: &Index, filter: &str) -> Vec<String> {
    let response = Engine::new(index).unwrap().request().filter(filter).k(100).run().unwrap();
    let mut ids: Vec<String> = response.hits.into_iter().map(|hit| hit.id.unwrap()).collect();
    ids.sort();
    ids
}

fn facet(index: &Index, field: &str) -> Vec<(String, u64)> {
    let engine = Engine::new(index).unwrap();
    let response = engine.request().filter("*").facet(field).run().unwrap();
    let counts = response.facets[field].iter();
    counts.map(|count| (count.value.as_str().unwrap().to_owned(), count.count)).collect()
}

#[test]
fn both_forms_meet_in_a_new_index() {
    let dir = tempfile::tempdir().unwrap();
    let at = dir.path().join("index");
    build(&at, &lines(), "");
    let index = Index::open(&at).unwrap();
    let both = [NFD, NFC];
    for query in [
        "résumé",
        "re\u{301}sume\u{301}",
        "RÉSUMÉ",
        "text:résumé",
        "\"résumé of\"",
        "\"the re\u{301}sume\u{301}\"",
        "\"of zoé\"",
        "\"the résum\"*",
        "résumék~1",
        "re\u{301}sume\u{301}k~1",
        "kind:café",
        "kind:cafe\u{301}",
        "_extra.meta.name:café",
        "_extra.meta.name:cafe\u{301}",
        "text:IN [résumé zzz]",
    ] {
        assert_eq!(found(&index, query), both, "{query}");
    }
    for filter in [
        "kind_exact:Café".to_owned(),
        "kind_exact:Cafe\u{301}".into(),
        format!("kind_exact:\"{NFD}\""),
        format!("kind_exact: IN [{NFC} zzz]"),
        format!("kind_exact: IN [{NFD} zzz]"),
        format!("kind_exact:[{NFC} TO {NFC}]"),
        format!("kind_exact:[{NFD} TO {NFD}]"),
        format!("kind_exact:>={NFD} AND kind_exact:<={NFC}"),
        format!("long_exact:{}", "é".repeat(128)),
        format!("long_exact:{}", "e\u{301}".repeat(128)),
    ] {
        assert_eq!(filtered(&index, &filter), both, "{filter}");
    }
    // Twins and columns say which documents have a value, whatever its form.
    for (filter, all) in [("kind_exact:*", 3), ("long_exact:*", 3), ("* AND NOT kind_exact:*", 0)] {
        assert_eq!(filtered(&index, filter).len(), all, "{filter}");
    }
    // A fold of its own is no part of it: an accent is still an accent, and a case a case.
    assert_eq!(found(&index, "resume"), ["tea"]);
    assert!(filtered(&index, "kind_exact:Cafe").is_empty() && filtered(&index, "kind_exact:café").is_empty());
    // One value, composed.
    assert_eq!(facet(&index, "kind"), [(NFC.to_owned(), 2), ("tea".into(), 1)]);
    assert_eq!(facet(&index, "long"), [("é".repeat(128), 2), ("x".into(), 1)]);
    // Ids are those that were given.
    assert_eq!(filtered(&index, &format!("id:{NFC}")), [NFC]);
    assert_eq!(filtered(&index, &format!("id:{NFD}")), [NFD]);
    assert_eq!(facet(&index, "id").len(), 3);
    let engine = Engine::new(&index).unwrap();
    engine.find(NFD).unwrap();
    assert_eq!(engine.find("Cafe").unwrap_err().code(), ErrorCode::UnknownId);
    // What is printed is what was given, and its words are marked where they stand.
    let response = engine.request().keywords("résumé").snippet("text").run().unwrap();
    let of = |id: &str| response.hits.iter().find(|hit| hit.id.as_deref() == Some(id)).unwrap();
    assert_eq!(of(NFD).fields["kind"], NFD);
    assert_eq!(of(NFD).snippets["text"], "the <b>re\u{301}sume\u{301}</b> of Zoe\u{301}");
    assert_eq!(of(NFC).snippets["text"], "the <b>résumé</b> of Zoé");
}

#[test]
fn the_hosts_own_queries_meet_too() {
    let dir = tempfile::tempdir().unwrap();
    let at = dir.path().join("index");
    build(&at, &lines(), "");
    let index = Index::open(&at).unwrap();
    let searcher = index.reader().unwrap().searcher();
    let schema = index.tantivy().schema();
    let kind = schema.get_field("kind_exact").unwrap();
    let parser = QueryParser::for_index(index.tantivy(), vec![kind]);
    let count = |query: &dyn Query| searcher.search(query, &Count).unwrap();
    for form in [NFC, NFD] {
        assert_eq!(count(&*parser.parse_query(form).unwrap()), 2, "{form:?}");
    }
    // A term of one's own goes through the analysis of the field, as one of any tokenizer does.
    let mut analyzer = index.tantivy().tokenizer_for_field(kind).unwrap();
    let mut terms = Vec::new();
    analyzer.token_stream(NFD).process(&mut |token| terms.push(Term::from_field_text(kind, &token.text)));
    assert_eq!((terms.len(), count(&TermSetQuery::new(terms))), (1, 2));
    assert_eq!(
        count(&TermSetQuery::new([Term::from_field_text(kind, NFD)])),
        0,
        "a raw term is not analysed"
    );
}

#[test]
fn columns_of_fast_text_hold_one_value_of_both_forms() {
    let dir = tempfile::tempdir().unwrap();
    let at = dir.path().join("index");
    build(&at, &lines(), "[fields.kind]\nfast = true\nfacet = false\n");
    let index = Index::open(&at).unwrap();
    assert_eq!(facet(&index, "kind"), [(NFC.to_owned(), 2), ("tea".into(), 1)]);
}

#[test]
fn a_schema_that_names_the_old_analyses_gets_them() {
    let dir = tempfile::tempdir().unwrap();
    let at = dir.path().join("index");
    let schema =
        "[fields.text]\ntokenizer = \"default\"\n[fields.kind]\ntokenizer = \"default\"\nexact = \"raw\"\n";
    build(&at, &lines(), schema);
    let index = Index::open(&at).unwrap();
    assert_eq!(found(&index, "résumé"), [NFC]);
    assert_eq!(filtered(&index, &format!("kind_exact:{NFD}")), [NFD]);
    assert_eq!(facet(&index, "kind").len(), 3);
    // Without regard to case, where that is asked for.
    let at = dir.path().join("lower");
    build(&at, &lines(), "[fields.kind]\nexact = \"raw+nfc+lower\"\n");
    let index = Index::open(&at).unwrap();
    assert_eq!(filtered(&index, "kind_exact:CAFÉ"), [NFD, NFC]);
    assert_eq!(facet(&index, "kind"), [("café".to_owned(), 2), ("tea".into(), 1)]);
}
