//! Operators, signs and quotes that are glued to a word.

use super::*;

#[test]
fn signs_for_and_and_or_need_no_blanks() {
    let index = shop();
    for (query, expected) in [
        ("body:state&& n:1", &[2][..]),
        ("body:state &&n:1", &[2]),
        ("body:state&&n:1", &[2]),
        ("state&&art&&n:0", &[3]),
        ("body:state&&!n:1", &[3]),
        ("body:state&&-n:1", &[3]),
        ("body:fox||body:dog", &[0, 1]),
        ("body:fox|| n:7", &[0, 1]),
        ("body:fox ||n:7", &[0, 1]),
        ("(body:fox)||(n:7)&&(b:false)", &[0, 1]),
        ("\"quick fox\"||'lazy dog'", &[0, 1]),
        ("title:*&&n:1", &[2]),
        ("*&&n:1", &[2]),
        ("title:[m TO z]&&n:1", &[2]),
        ("title:>=mango&&n:1", &[2]),
        ("title:>=mango&& n:1", &[2]),
        ("n:>0&&b:true", &[2]),
        ("n: IN [1 7]&&b:true", &[2]),
        ("n:(-5||7)", &[0, 1]),
        ("n:-5||n:7", &[0, 1]),
        ("title:/m.*/&&n:1", &[2]),
        ("(body:state)^2&&n:1", &[2]),
        ("body:sta*&&n:1", &[2]),
        ("body:stat~1&&n:1", &[2]),
        ("_extra.meta.year:1999||_extra.meta.year:0", &[0, 2]),
        // Alone, escaped and in quotes they are letters.
        ("title_exact:Ze\\&\\&bra OR n:7", &[1]),
        ("title_exact:\"a&&b\" OR n:7", &[1]),
        ("body:state&art", &[3]),
    ] {
        assert_eq!(kept(&index, query), expected, "{query}");
        assert_eq!(found(&index, query), expected, "{query}");
    }
    for (query, at) in [
        ("body:state &&& n:1", 11),
        ("body:state&&&n:1", 10),
        ("body:state||| n:1", 10),
        ("n:1 AND &&state", 8),
        ("&& body:state", 0),
        ("&&state", 0),
        ("body:state&&", 12),
        ("(body:state ||) n:1", 14),
        ("+body:state +&&&", 13),
        ("body:&&state", 5),
        ("body:state AND&& n:1", 11),
        ("title: IN [zebra&&apple]", 16),
        ("title: IN [zebra && apple]", 17),
        ("title:[a TO b&&]", 6),
    ] {
        for mode in [Mode::Filter, Mode::Keywords] {
            let error = refused(&index, mode, query);
            assert_eq!(error.facts().offset, Some(at), "{query}: {error}");
            assert!(error.facts().hint.is_some(), "{error}");
        }
    }
}

#[test]
fn words_for_operators_that_are_glued_to_a_sign_are_errors_in_filters() {
    let index = shop();
    for (query, at) in [
        ("body:state AND-art", 11),
        ("body:state AND!art", 11),
        ("body:state AND+n", 11),
        ("body:state OR-x", 11),
        ("body:state NOT-art", 11),
        ("body:state AND NOT-art", 15),
        ("body:state AND NOT!art", 15),
        ("body:state AND/a.*/", 11),
        ("body:state AND☕", 11),
        ("body:state AND*", 11),
        ("body:(state AND-art)", 12),
        ("title: IN [apple NOT-zebra]", 17),
    ] {
        let error = refused(&index, Mode::Filter, query);
        assert_eq!(error.facts().offset, Some(at), "{query}: {error}");
        assert!(error.facts().hint.as_deref().unwrap().contains("a blank after it, or quotes"), "{error}");
    }
    // What begins so, and goes on as a word or in quotes, is a word.
    for word in ["ANDROID", "ORé", "NOT_a", "OR2", "AND\\-art", "\"AND-art\"", "and-art"] {
        assert_eq!(kept(&index, &format!("n:7 OR title:{word}")), [1], "{word}");
    }
    assert_eq!(kept(&index, "body:state AND(n:1)"), [2]);
    assert_eq!(found(&index, "fox AND-dog"), [0], "keywords keep what tantivy takes");
}

#[test]
fn signs_before_a_value_are_errors_in_filters() {
    let index = shop();
    for (query, at, sign) in [
        ("n:1 OR title:=zebra", 13, '='),
        ("title:==zebra", 6, '='),
        ("title_exact:=", 12, '='),
        ("title_exact:=☕", 12, '='),
        ("=zebra", 0, '='),
        ("title:(=zebra OR apple)", 7, '='),
        ("title: IN [apple =zebra]", 17, '='),
        ("title_exact:!☕", 12, '!'),
        ("title_exact:!=", 12, '!'),
        ("title_exact:!!", 12, '!'),
        ("title_exact: IN [apple, !☕]", 24, '!'),
        ("title: IN [apple, !zebra]", 18, '!'),
    ] {
        let error = refused(&index, Mode::Filter, query);
        assert_eq!(error.facts().offset, Some(at), "{query}: {error}");
        assert!(error.facts().message.contains(&format!("begins with `{sign}`")), "{error}");
        assert!(error.facts().hint.as_deref().unwrap().contains("quotes"), "{error}");
    }
    for query in ["title:\"=zebra\"", "title:\\=zebra", "title:\\!zebra", "title: IN [\\=zebra '!zebra']"] {
        assert_eq!(kept(&index, query), [0], "{query}");
    }
    assert_eq!(kept(&index, "title_exact:\\=Zebra OR title_exact:! OR n:7"), [1]);
    assert_eq!(found(&index, "title:=zebra"), [0], "keywords keep what tantivy takes");
}

#[test]
fn typographic_quotes_are_errors_in_filters() {
    let index = shop();
    for (query, at) in [
        ("body:“quick fox”", 5),
        ("n:7 OR body:fox”", 12),
        ("body:„fox", 5),
        ("body:«fox»", 5),
        ("body:« fox »", 5),
        ("* AND NOT “fox”", 10),
        ("title: IN [“zebra”, apple]", 11),
        ("title: IN [apple zebra”]", 17),
        ("title:>=“zebra”", 8),
        ("title:[a TO zebra»]", 12),
    ] {
        let error = refused(&index, Mode::Filter, query);
        assert_eq!(error.facts().offset, Some(at), "{query}: {error}");
        assert!(error.facts().expected.as_deref().unwrap().contains('"'), "{error}");
    }
    for query in ["title:\\“zebra\\”", "title:\"“zebra”\"", "title_exact:Ze“b OR title:zebra"] {
        assert_eq!(kept(&index, query), [0], "{query}");
    }
    assert_eq!(found(&index, "title:“zebra”"), [0]);
}

#[test]
fn a_minus_before_a_value_of_words_is_an_error_in_filters() {
    let index = shop();
    for (query, at) in [
        ("body:-2020", 0),
        ("n:7 OR title:-5", 7),
        ("title:-.5e3", 0),
        ("title:-20*", 0),
        ("title:-2020~1", 0),
        ("* AND NOT -5", 10),
        ("title: IN [apple -5]", 0),
    ] {
        let error = refused(&index, Mode::Filter, query);
        assert_eq!(error.facts().offset, Some(at), "{query}: {error}");
        assert!(error.facts().message.contains("begins with `-`"), "{error}");
    }
    assert_eq!(kept(&index, "n:7 OR body:\"-2020\" OR body:\\-2020"), [1]);
    assert_eq!(kept(&index, "n:-5 OR x:-1500 OR _extra.meta.year:-5"), [0, 3]);
    assert_eq!(kept(&index, "n:7 OR title_exact:-5 OR id:-5"), [1]);
    assert_eq!(found(&index, "lazy OR body:-2020"), [1]);
}

#[test]
fn names_of_fields_end_at_an_operator() {
    let mut builder = Schema::builder();
    let (a, odd) = (builder.add_i64_field("a", INDEXED), builder.add_i64_field("b&&c|d", INDEXED));
    let index = Index::create_in_ram(builder.build());
    let mut writer = index.writer_with_num_threads(1, 15 << 20).unwrap();
    writer.add_document(doc!(a => 1i64, odd => 1i64)).unwrap();
    writer.add_document(doc!(a => 1i64, odd => 2i64)).unwrap();
    writer.commit().unwrap();
    assert_eq!(kept(&index, "a:1&&b\\&\\&c|d:2"), [1]);
    let hint = refused(&index, Mode::Filter, "b\\&&c\\|d:1.5").facts().hint.clone().unwrap();
    assert!(hint.contains("b\\&\\&c\\|d:"), "{hint}");
}
