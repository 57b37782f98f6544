//! What errors say: the byte, no word of Rust's, and a form that works.

use proptest::prelude::*;
use proptest::sample::select;
use proptest::strategy::ValueTree;

use super::{index, shop};
use crate::search::grammar::{Mode, parse};

/// What Rust writes about its own types.
const OF_RUST: [&str; 16] = [
    "Err(",
    "Ok(",
    "Some(",
    "None",
    "ParseIntError",
    "ParseFloatError",
    "ParseBoolError",
    "InvalidDigit",
    "PosOverflow",
    "IntErrorKind",
    "kind:",
    "TantivyError",
    "Utf8Error",
    "InvalidArgument",
    "SyntaxError",
    "QueryParserError",
];

/// Pieces that queries are made of, and that go wrong.
const PIECES: [&str; 44] = [
    "red",
    "circle",
    "the",
    "O'Brien",
    "n:",
    "x:",
    "b:",
    "body:",
    "title:",
    "_extra.meta.year:",
    "nope:",
    "id:",
    "5",
    "-5",
    "1.5e3",
    "1e999",
    "true",
    "TRUE",
    "AND",
    "OR",
    "NOT",
    "IN",
    "TO",
    "(",
    ")",
    "[",
    "]",
    "{",
    "\"",
    "'",
    "^",
    "~",
    "*",
    "?",
    ":",
    "-",
    "+",
    "!",
    "\\",
    ">=",
    "/",
    "&&",
    ",",
    "\u{2615}",
];

fn text() -> impl Strategy<Value = String> {
    let piece = (select(&PIECES[..]), select(vec!["", " "]));
    let pieces = proptest::collection::vec(piece, 1..8)
        .prop_map(|pieces| pieces.into_iter().map(|(piece, blank)| format!("{piece}{blank}")).collect());
    prop_oneof![4 => pieces, 1 => ".{0,20}"]
}

/// The form that a hint on keywords names.
fn form(hint: &str) -> Option<&str> {
    let (_, form) = hint.rsplit_once("to look for the text itself, write ")?;
    Some(form.rsplit_once(" , or give it as").map_or(form, |(form, _)| form))
}

#[test]
fn errors_speak_of_the_query_and_forms_work() {
    let indexes = [index(), shop()];
    let (mut refused, mut forms) = (0, 0);
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    for _ in 0..6000 {
        let text = text().new_tree(&mut runner).unwrap().current();
        for (index, mode) in indexes.iter().flat_map(|index| [(index, Mode::Keywords), (index, Mode::Filter)])
        {
            let Err(error) = parse(index, mode, &text) else { continue };
            refused += 1;
            let facts = error.facts();
            let said = [Some(&facts.message), facts.expected.as_ref(), facts.got.as_ref()];
            // What was typed is not said by us.
            let said: String = said.into_iter().flatten().map(|said| said.replace(&text, "")).collect();
            let hint = facts.hint.as_deref().unwrap_or_default();
            for word in OF_RUST {
                assert!(!said.contains(word) && !hint.contains(word), "{text}: {word}: {error}");
            }
            let at = facts.offset.unwrap_or_else(|| panic!("{text}: no byte: {error}"));
            assert!(at as usize <= text.len(), "{text}: {error}");
            if let (Mode::Keywords, Some(form)) = (mode, form(hint)) {
                forms += 1;
                assert!(parse(index, mode, form).is_ok(), "{text}: {form}");
            }
        }
    }
    assert!(refused > 8000 && forms > 3000, "{refused} {forms}");
}

#[test]
fn a_refused_query_is_shown_as_it_works() {
    let index = shop();
    for (mode, text, form) in [
        (Mode::Keywords, "O'Brien's pub - a story", r"write O\'Brien\'s pub a story , or give it as `words`"),
        (Mode::Keywords, "Time: 10:30", r"write Time\: 10\:30 , or"),
        (Mode::Keywords, "state OF the (art AND", r#"write state OF the \(art "AND" , or"#),
        (Mode::Keywords, "-5 [a", r"write \-5 \[a , or"),
        (Mode::Filter, "title:O'Brien AND n:5", r#"such as title:"O'Brien" AND n:5"#),
        (Mode::Filter, "(title:a:b OR body:c'd)", r#"such as (title:"a:b" OR body:"c'd")"#),
        (Mode::Filter, "title:\"red bird", "such as title:\"red bird\""),
        (Mode::Filter, "n:(5 OR 7", "such as n:(5 OR 7)"),
        (Mode::Filter, "http://x.y/z", r#"such as "http://x.y/z""#),
        (Mode::Filter, "x:wide", "write x:1.5, or x:*"),
        (Mode::Filter, "n:five", "write n:12, or n:*"),
        (Mode::Filter, "b:maybe", "write b:true, or b:*"),
        (Mode::Filter, "meta:*", "asked for as _extra.meta"),
        (Mode::Filter, "meta.year:1999", "asked for as _extra.meta.year"),
    ] {
        let error = parse(&index, mode, text).err().unwrap_or_else(|| panic!("{text} is taken"));
        let hint = error.facts().hint.as_deref().unwrap_or_default();
        assert!(hint.contains(form), "{text}: {hint}");
    }
    // Where nothing works nothing is shown.
    for text in ["\"", "(((", ":"] {
        let error = parse(&index, Mode::Keywords, text).err().unwrap();
        assert_eq!(form(error.facts().hint.as_deref().unwrap_or_default()), None, "{text}: {error}");
    }
}

#[test]
fn negative_numbers_and_exponents_are_taken_everywhere() {
    let index = shop();
    for (filter, docs) in [
        ("x:-1.5e3", vec![0]),
        ("x:-1500", vec![0]),
        ("n:-5e0", vec![0]),
        ("n:[-5 TO -1]", vec![0]),
        ("x:[-1.5e3 TO -1e-3]", vec![0]),
        ("x:>-1.5e3", vec![1, 2, 3]),
        ("n: IN [-5, 7]", vec![0, 1]),
        ("x: IN [-1.5E3 2e0]", vec![0, 3]),
        ("n:(-5 OR 7e0)", vec![0, 1]),
        ("_extra.meta.year:-5", vec![3]),
        ("_extra.meta.year:[-5e0 TO 0]", vec![2, 3]),
        ("_extra.meta.year: IN [-5, 1.999e3]", vec![0, 3]),
        ("_extra.meta.year:(-5 OR 0)", vec![2, 3]),
        ("_extra.meta.year:<-4.5", vec![3]),
    ] {
        assert_eq!(super::kept(&index, filter), docs, "{filter}");
    }
}
