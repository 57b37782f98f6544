//! Clauses that lose words, or say too little.

use super::*;

#[test]
fn words_that_the_analysis_drops_leave_the_rest_of_keywords() {
    let index = index();
    let expected = found(&index, "red");
    for query in ["red AND &", "+red +&", "red AND (& OR ;)"] {
        assert_eq!(found(&index, query), expected, "{query}");
    }
    for query in ["&", "& OR ☕", "text:\"\""] {
        let error = refused(&index, Mode::Keywords, query);
        assert!(error.facts().message.contains(query.split(' ').next().unwrap()), "{error}");
    }
}

#[test]
fn a_clause_of_a_filter_is_never_left_out() {
    let index = shop();
    let long = "x".repeat(40);
    for (clause, at) in [
        ("body:\"\"", 0),
        ("body:''", 0),
        ("body:☕", 0),
        ("body:the", 0),
        ("body:\"the of\"", 0),
        ("body:\"state of art\"", 0),
        ("body:\"the fox\"", 0),
        ("☕", 0),
        ("\"  \"", 0),
        ("_extra.meta.kind:☕", 0),
        ("body: IN [fox the]", 0),
        ("body:>=the", 0),
        (&*format!("title:{long}"), 0),
        (&*format!("title:\"red {long}\""), 0),
        (&*format!("title_exact:{}", "x".repeat(257)), 0),
        (&*format!("id:{}", "x".repeat(70_000)), 0),
    ] {
        for (query, before) in [
            (clause.to_owned(), 0),
            (format!("n:1 AND {clause}"), 8),
            (format!("* AND NOT {clause}"), 10),
            (format!("n:1 OR ({clause})"), 8),
            (format!("n:1 AND ({clause} OR n:7)^2"), 9),
        ] {
            let error = refused(&index, Mode::Filter, &query);
            assert_eq!(error.facts().offset, Some(before + at), "{query}");
            let name = clause.split(':').next().unwrap();
            assert!(error.facts().message.contains(name), "{error}");
            assert!(error.facts().hint.is_some() && error.facts().expected.is_some(), "{error}");
        }
    }
    // The fields that have a term decide; there the clause must match.
    assert_eq!(kept(&index, "the"), [3]);
    assert_eq!(kept(&index, "the AND n:0"), [3]);
    assert_eq!(kept(&index, "the AND n:1"), [] as [DocId; 0]);
    assert_eq!(kept(&index, "\"the end\""), [3]);
}

#[test]
fn signs_and_quotes_beside_a_value_are_errors_and_no_wider_filters() {
    let index = shop();
    for (query, at) in [
        ("title_exact:\"\"*", 0),
        ("id:''*", 0),
        ("n:1 AND title:!zebra", 14),
        ("n:1 AND title:!=zebra", 14),
        ("* AND NOT !zebra", 10),
        ("* -!zebra", 3),
        ("title:<>zebra", 7),
        ("title:>==zebra", 8),
        ("n:1 AND title:O'Brien AND title:O'Neil'", 15),
        ("n:1 AND title:zebra\"apple\"", 19),
        ("n:1 (n:7)(n:0)", 9),
        ("body:the-fox~1", 0),
    ] {
        for mode in [Mode::Filter, Mode::Keywords] {
            let error = refused(&index, mode, query);
            assert_eq!(error.facts().offset, Some(at), "{query}: {error}");
            assert!(error.facts().hint.is_some(), "{error}");
        }
    }
    assert_eq!(kept(&index, "* AND !title:zebra"), [1, 2, 3]);
    assert_eq!(kept(&index, "title:\"!zebra\""), [0]);
}

#[test]
fn a_stop_word_of_one_field_is_not_asked_of_the_others() {
    let index = shop();
    assert_eq!(found(&index, "the AND quick"), [0]);
    assert_eq!(found(&index, "+the +quick"), [0]);
    assert_eq!(found(&index, "(the OR of) AND quick"), [0]);
    assert_eq!(found(&index, "(the OR fox) AND lazy"), [] as [DocId; 0]);
    assert_eq!(found(&index, "the"), [3]);
    // A place between two words tells of the word that was left out.
    assert_eq!(found(&index, "body:\"state of the art\""), [2]);
    assert_eq!(found(&index, "body:\"state of art\""), [] as [DocId; 0]);
    assert_eq!(found(&index, "body:\"state art\""), [3]);
    for query in ["body:\"the fox\"", "body:\"quick the\"", "body:the-fox"] {
        let error = refused(&index, Mode::Keywords, query);
        assert!(error.facts().message.contains("`the`"), "{error}");
    }
}

#[test]
fn under_an_exclusion_every_default_field_takes_part() {
    let index = shop();
    assert_eq!(kept(&index, "the"), [3]);
    assert_eq!(kept(&index, "* AND NOT (NOT the)"), [3]);
    for (query, at) in [
        ("* AND NOT the", 10),
        ("* -the", 3),
        ("n:1 AND NOT (n:7 OR the)", 20),
        ("* AND NOT (NOT (NOT the))", 20),
        ("* AND NOT \"the end\"", 10),
        ("* AND NOT (fox the)^2", 15),
    ] {
        let error = refused(&index, Mode::Filter, query);
        assert_eq!(error.facts().offset, Some(at), "{query}: {error}");
        assert!(error.facts().message.contains("`body`"), "{error}");
    }
    assert_eq!(found(&index, "* AND NOT the"), [0, 1, 2]);
    assert_eq!(kept(&index, "* AND NOT fox"), [1, 2, 3]);
}

#[test]
fn a_filter_says_whether_a_clause_must_match() {
    let index = shop();
    for (query, at) in [
        ("+n:1 body:state", 5),
        ("body:state +n:1", 0),
        ("* AND (+n:1 body:state -n:7)", 12),
        ("+n:1 body:state AND n:7", 5),
        ("n:(7 -5)", 5),
        ("n:(-5 7)", 3),
        ("_extra.meta.year:(2005 -5)", 23),
    ] {
        let error = refused(&index, Mode::Filter, query);
        assert_eq!(error.facts().offset, Some(at), "{query}: {error}");
        let hint = error.facts().hint.as_deref().unwrap();
        assert!(hint.contains("AND") && hint.contains("OR"), "{error}");
    }
    assert_eq!(kept(&index, "+n:1 -body:fox"), [2]);
    assert_eq!(kept(&index, "+n:1 +b:true"), [2]);
    assert_eq!(kept(&index, "n:1 n:7 -body:dog"), [2]);
    assert_eq!(kept(&index, "n:(-5 OR 7)"), [0, 1]);
    assert_eq!(kept(&index, "n:(-5)"), [0]);
    assert_eq!(found(&index, "n:(7 -5)"), [0, 1]);
    assert_eq!(found(&index, "+n:1 body:state"), [2]);
}

#[test]
fn pictures_in_a_value_are_not_left_out_of_a_filter() {
    let index = shop();
    for query in ["body:\"quick ⭐ fox\"", "body:fox⭐", "\"⭐ fox\"", "body:>=fox⭐"] {
        let error = refused(&index, Mode::Filter, query);
        assert!(
            error.facts().message.contains("leaves out") && error.to_string().contains("`⭐`"),
            "{error}"
        );
    }
    assert_eq!(found(&index, "body:fox⭐"), [0]);
    assert_eq!(kept(&index, "body:\"quick, fox!\""), [0]);
}

#[test]
fn stop_words_alone_are_still_joined() {
    let index = shop();
    // Neither is a word of `body`, and no title has both.
    assert_eq!(found(&index, "the AND of"), [] as [DocId; 0]);
    assert_eq!(found(&index, "the OR of"), [3]);
    assert_eq!(found(&index, "(the AND of) AND quick"), [0]);
}

#[test]
fn signs_of_patterns_in_lists_and_bounds_are_errors() {
    let index = shop();
    for query in [
        "title: IN [zeb* apple]",
        "title: IN [zebr?]",
        "title:[a* TO b]",
        "title:>=ze?",
        "_extra.meta.kind: IN [ol*]",
    ] {
        for mode in [Mode::Filter, Mode::Keywords] {
            let error = refused(&index, mode, query);
            assert!(error.facts().message.contains("no pattern"), "{error}");
        }
    }
    assert_eq!(kept(&index, "title: IN [\"zebra*\"]"), [0]);
    assert_eq!(kept(&index, "title_exact: IN [Zebra* apple]"), [1]);
}
