//! Plain words: what they find and how it scores, beside keywords and beside the words of the documents themselves.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use tantivy::schema::{FAST, STORED, STRING, Schema, TEXT};
use tantivy::{IndexWriter, TantivyDocument, doc};
use uncsm_index::ErrorCode;
use uncsm_index::search::{Engine, FacetsOver, Operator, Response, Words};

use crate::common::{App, Doc, WORDS, bundle, in_ram, random_docs};
use crate::search::world::{content, engine, ids, spread};

fn scores(found: &Response) -> BTreeMap<String, u32> {
    found.hits.iter().map(|hit| (hit.id.clone().unwrap(), hit.score.to_bits())).collect()
}

fn text_of(id: &str, text: &str) -> Doc {
    Doc { id: id.into(), text: text.into(), items: vec![] }
}

/// Optimal string alignment, by the whole table, over bytes.
fn distance(a: &[u8], b: &[u8]) -> usize {
    let mut table = vec![vec![0; b.len() + 1]; a.len() + 1];
    for i in 0..=a.len() {
        for j in 0..=b.len() {
            if i == 0 || j == 0 {
                table[i][j] = i + j;
                continue;
            }
            let mut least = table[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
            least = least.min(table[i - 1][j] + 1).min(table[i][j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                least = least.min(table[i - 2][j - 2] + 1);
            }
            table[i][j] = least;
        }
    }
    table[a.len()][b.len()]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn plain_words_score_as_keywords(seed in 0u64..1000, n in 1usize..60, segments in 1usize..4, indexes in 1usize..3) {
        let docs = random_docs(seed, n);
        let engine = engine(&spread(&bundle(1), &docs, indexes, segments, &[]));
        let (a, b) = (WORDS[seed as usize % 4], WORDS[(seed as usize / 4) % 4]);
        let mut all = Words::from(format!("{a} {b}"));
        all.operator = Operator::And;
        for (words, keywords) in [
            (a.into(), a.to_owned()),
            (format!("{a} - {b}!").into(), format!("{a} {b}")),
            (all, format!("{a} AND {b}")),
            (format!("({}: \"nothing {b}", a.to_uppercase()).into(), format!("{a} nothing {b}")),
        ] {
            let words: Words = words;
            let found = engine.request().words(words.clone()).k(1000).run().unwrap();
            let expected = engine.request().keywords(&keywords).k(1000).run().unwrap();
            prop_assert_eq!(scores(&found), scores(&expected), "{:?}", words);
            prop_assert_eq!(ids(&found), ids(&expected));
            prop_assert!(found.warnings.is_empty());
        }
    }

    #[test]
    fn no_text_is_refused(text in prop_oneof![
        any::<String>(), "[ -~]{0,40}", "(AND|OR|NOT|red|\"|\\(|\\)|:|\\[|TO| ){0,12}", "[\u{0}-\u{20}\u{3040}-\u{30ff}\u{4e00}-\u{4eff}]{0,20}",
    ], typos in 0u8..=2, prefix: bool, and: bool) {
        let engine = engine(&spread(&bundle(1), &random_docs(1, 20), 1, 2, &[]));
        let mut words = Words::from(text.as_str());
        (words.typos, words.prefix) = (typos, prefix);
        words.operator = if and { Operator::And } else { Operator::Or };
        let found = engine.request().words(words).run().unwrap();
        // Nothing is widened to everything, and no word is no error.
        let letters = text.chars().any(char::is_alphanumeric);
        prop_assert_eq!(found.warnings.is_empty(), letters, "{:?}", found.warnings);
        prop_assert!(letters || found.matched == 0);
    }

    #[test]
    fn errors_and_beginnings_find_what_the_letters_say(seed in 0u64..1000, pick in 0usize..24) {
        // Words that are near to each other, in documents of three.
        let near: Vec<String> = (0..24).map(|at| {
            let mut word: Vec<char> = if at % 3 == 0 { "elephants" } else { "elephan" }.chars().collect();
            word.swap(at % 6, at % 6 + 1);
            if at % 2 == 0 { word[at % 7] = 'x'; }
            word.into_iter().collect()
        }).collect();
        let docs: Vec<Doc> = (0..30).map(|at| {
            let words = [0, 5, 11].map(|step| near[(seed as usize + at * 7 + step) % 24].as_str());
            text_of(&format!("{at:02}"), &words.join(" "))
        }).collect();
        let typed = &near[pick];
        let mut answers = Vec::new();
        for (indexes, segments) in [(1, 1), (1, 4), (3, 2)] {
            let engine = engine(&spread(&bundle(1), &docs, indexes, segments, &[]));
            for (typos, prefix) in [(0, false), (1, false), (2, false), (0, true), (2, true)] {
                let mut words = Words::from(typed.as_str());
                (words.typos, words.prefix) = (typos, prefix);
                let found = engine.request().words(words).k(100).snippet("text").run().unwrap();
                let most = usize::from(typos).min(if typed.len() < 9 { 1 } else { 2 });
                let fits = |word: &str| {
                    let errors = |to: usize| distance(typed.as_bytes(), &word.as_bytes()[..to]);
                    errors(word.len()) <= most || (prefix && (0..=word.len()).any(|to| errors(to) <= most))
                };
                let expected: BTreeSet<&str> =
                    docs.iter().filter(|doc| doc.text.split(' ').any(fits)).map(|doc| doc.id.as_str()).collect();
                let hits: BTreeSet<&str> = found.hits.iter().map(|hit| hit.id.as_deref().unwrap()).collect();
                prop_assert_eq!(hits, expected, "{} {} {}", typed, typos, prefix);
                // All texts are of one length, so the word itself comes first, and what was found is marked.
                let exact = |id: &str| docs.iter().any(|doc| doc.id == id && doc.text.split(' ').any(|word| word == typed));
                let order: Vec<bool> = found.hits.iter().map(|hit| exact(hit.id.as_deref().unwrap())).collect();
                prop_assert!(order.is_sorted_by(|a, b| a >= b), "{order:?}");
                for hit in &found.hits {
                    prop_assert!(hit.snippets["text"].contains("<b>"), "{:?}", hit.snippets);
                }
                answers.push(((typos, prefix), content(&found)));
            }
        }
        for (setting, answer) in &answers {
            let first = answers.iter().find(|(other, _)| other == setting).unwrap();
            prop_assert_eq!(&first.1, answer, "segments and indexes make a difference");
        }
    }
}

/// Fields of different analyses, whole values and numbers.
fn shop() -> Engine {
    let mut schema = Schema::builder();
    let id = schema.add_text_field("id", STRING | FAST | STORED);
    let text = schema.add_text_field("text", TEXT | STORED);
    let title = schema.add_text_field("title", TEXT | STORED);
    let kind = schema.add_text_field("kind", STRING | FAST | STORED);
    let size = schema.add_u64_field("size", FAST | STORED);
    let rows = [
        ("1", "a red bird", "nest", "animal"),
        ("2", "a blue bird's nest", "red", "animal"),
        ("3", "don't walk", "sign", "thing"),
        ("4", "dont panic", "book", "thing"),
        ("5", "bir is a word", "bird", "word"),
    ];
    let documents: Vec<TantivyDocument> = rows
        .iter()
        .map(|(at, words, name, of)| doc!(id => *at, text => *words, title => *name, kind => *of, size => words.len() as u64))
        .collect();
    let (index, plugin) = in_ram(schema, [documents[..2].to_vec(), documents[2..].to_vec()]);
    Engine::host(&index, index.reader().unwrap(), plugin.cache(), bundle(1)).unwrap()
}

fn ask(engine: &Engine, text: &str, change: impl Fn(&mut Words)) -> Response {
    let mut words = Words::from(text);
    change(&mut words);
    engine.request().words(words).run().unwrap()
}

#[test]
fn operators_fields_and_beginnings() {
    let engine = shop();
    let sorted =
        |found: &Response| ids(found).into_iter().collect::<BTreeSet<_>>().into_iter().collect::<Vec<_>>();
    assert_eq!(sorted(&ask(&engine, "red bird", |_| {})), ["1", "2", "5"]);
    let and = |words: &mut Words| words.operator = Operator::And;
    assert_eq!(sorted(&ask(&engine, "red bird", and)), ["1", "2"], "each word in any field");
    assert_eq!(
        sorted(&ask(&engine, "bird's nest", and)),
        ["1", "2"],
        "a letter beside an apostrophe may be missing"
    );
    assert_eq!(sorted(&ask(&engine, "don't walk", and)), ["3"]);
    let in_title = |words: &mut Words| words.fields = vec!["title".into(), "title".into()];
    assert_eq!(sorted(&ask(&engine, "red bird", in_title)), ["2", "5"]);
    let prefix = |words: &mut Words| words.prefix = true;
    let found = ask(&engine, "bir", prefix);
    assert_eq!(sorted(&found), ["1", "2", "5"]);
    assert_eq!(ids(&found)[0], "5", "the word itself comes first");
    assert_eq!(sorted(&ask(&engine, "bir ", prefix)), ["5"], "a blank ends the word");
    assert_eq!(sorted(&ask(&engine, "nes wor", prefix)), ["5"], "the last word alone is a beginning");
    let once = sorted(&ask(&engine, "bir", prefix));
    assert_eq!(sorted(&ask(&engine, "bir bir", prefix)), once, "said twice, the last one is a beginning");
    let none = ask(&engine, "\u{2615} -- !", |_| {});
    assert!(none.hits.is_empty() && none.matched == 0);
    assert!(none.warnings[0].contains("no letter and no digit"), "{:?}", none.warnings);
    assert!(ask(&engine, " \t", |_| {}).warnings[0].contains("blank"));
}

#[test]
fn what_cannot_be_looked_for_is_said() {
    let engine = shop();
    let error = |change: &dyn Fn(&mut Words)| {
        let mut words = Words::from("red");
        change(&mut words);
        engine.request().words(words).run().unwrap_err()
    };
    let unknown = error(&|words| words.fields = vec!["titel".into()]);
    let facet = engine.request().words("red").facet("titel").run().unwrap_err();
    assert_eq!((unknown.code(), unknown.to_string()), (facet.code(), facet.to_string()));
    assert!(unknown.to_string().contains("did you mean title"), "{unknown}");
    for (field, says) in
        [("size", "holds no text"), ("kind", "holds whole values"), ("id", "holds whole values")]
    {
        let found = error(&|words| words.fields = vec![field.into()]);
        assert_eq!(found.code(), ErrorCode::BadArgument);
        assert!(found.to_string().contains(says) && found.to_string().contains("`title`"), "{found}");
    }
    assert_eq!(error(&|words| words.typos = 3).code(), ErrorCode::BadArgument);
    assert_eq!(error(&|words| words.text = "a ".repeat(600_000)).code(), ErrorCode::TooLarge);
}

#[test]
fn with_keywords_both_must_match_and_scores_are_added() {
    let engine = shop();
    let words = ask(&engine, "bird", |_| {});
    let keywords = engine.request().keywords("title:red").run().unwrap();
    let both = engine.request().words("bird").keywords("title:red").explain().run().unwrap();
    assert_eq!(ids(&both), ["2"]);
    let of_words = words.hits.iter().find(|hit| hit.id.as_deref() == Some("2")).unwrap().score;
    assert_eq!(both.hits[0].score, keywords.hits[0].score + of_words);
    let plan = both.plan.unwrap();
    assert_eq!(plan["words"]["words"][0]["word"], "bird");
    assert_eq!(plan["words"]["words"][0]["fields"]["text"]["terms"][0], "bird");
    let boosted = engine.request().words("bird").boost("text", 0.0).boost("title", 2.0).run().unwrap();
    assert_eq!(ids(&boosted)[0], "5");
}

#[test]
fn an_explanation_names_the_words_that_stand_for_one() {
    let engine = shop();
    let mut words = Words::from("brid bir");
    (words.typos, words.prefix) = (2, true);
    let found = engine.request().words(words).explain().run().unwrap();
    let plan = found.plan.as_ref().unwrap();
    let told = &plan["words"]["words"];
    assert_eq!(
        (&told[0]["typos"], &told[1]["prefix"]),
        (&0.into(), &true.into()),
        "short words are let no errors"
    );
    assert_eq!(told[1]["fields"]["text"]["nearest"][0]["term"], "bird");
    assert_eq!(told[1]["fields"]["text"]["nearest"][0]["factor"], 0.5);
    for hit in &found.hits {
        let keyword = &hit.explanation.as_ref().unwrap()["keyword"];
        assert!((keyword["value"].as_f64().unwrap() - f64::from(hit.score)).abs() < 1e-6, "{keyword}");
    }
    let text = serde_json::to_string(&found).unwrap();
    assert!(text.contains(r#"best of \"bir\" and what stands for it in `text`"#), "{text}");
}

#[test]
fn long_texts_are_cut_and_say_so() {
    let docs = [text_of("a", "word1 word1023 word2000"), text_of("b", "word2000")];
    let engine = engine(&spread(&bundle(1), &docs, 1, 1, &[]));
    let text: String = (0..3000).map(|at| format!("word{at} ")).collect();
    let mut words = Words::from(text);
    words.typos = 2;
    let found = engine.request().words(words).run().unwrap();
    assert!(ids(&found).contains(&"a".to_owned()));
    assert!(found.warnings[0].contains("3000") && found.warnings[0].contains("1024"), "{:?}", found.warnings);
    assert!(found.warnings[1].contains("64"), "{:?}", found.warnings);
    // More words than may stand for one.
    let many: String = (0..1500).map(|at| format!("stand{at} ")).collect();
    let engine = self::engine(&spread(&bundle(1), &[text_of("a", &many), text_of("b", "stand0")], 2, 1, &[]));
    let mut words = Words::from("stand");
    words.prefix = true;
    let found = engine.request().words(words).run().unwrap();
    assert_eq!(ids(&found).len(), 2);
    assert!(found.warnings[0].contains("1000 words of `text` stand for `stand`"), "{:?}", found.warnings);
}

#[test]
fn a_pattern_is_bounded_over_all_indexes_together() {
    let words = |from: usize| (from..from + 6000).map(|at| format!("w{at:05} ")).collect::<String>();
    let docs = [text_of("a", &words(0)), text_of("b", &words(6000))];
    let one = engine(&spread(&bundle(1), &docs[..1], 1, 1, &[]));
    for ask in ["w*", "\"w\"*", "w?*"] {
        assert_eq!(one.request().keywords(ask).run().unwrap().hits.len(), 1, "{ask}");
    }
    for (indexes, segments) in [(2, 1), (1, 2)] {
        let both = engine(&spread(&bundle(1), &docs, indexes, segments, &[]));
        for ask in ["red OR w*", "red OR \"w\"*", "red OR \"w00001 w\"*"] {
            for error in [both.request().keywords(ask).run(), both.request().filter(ask).run()] {
                let error = error.unwrap_err();
                assert_eq!(
                    (error.code(), error.facts().offset),
                    (ErrorCode::BadQuery, Some(7)),
                    "{ask}: {error}"
                );
                assert!(error.to_string().contains("10000"), "{error}");
            }
        }
        assert_eq!(both.request().keywords("w0*").run().unwrap().hits.len(), 2);
    }
}

#[test]
fn counts_alone_and_pages_beyond_the_window() {
    let docs = random_docs(5, 60);
    let engine = engine(&spread(&bundle(1), &docs, 2, 2, &[]));
    let ask = || engine.request().features("image", &[0.5; 6]).unwrap().words("red");
    let whole = ask().k(1000).run().unwrap();
    for request in [ask(), engine.request().words("red"), engine.request().filter("red")] {
        let none = request.k(0).run().unwrap();
        assert!(none.hits.is_empty() && none.scored == 0);
        assert_eq!(none.matched, whole.matched);
    }
    let counts = serde_json::json!({ "ids": { "value_count": { "field": "id" } } });
    let over = |k, over| ask().k(k).window(7).aggregations(counts.clone()).facets_over(over).run().unwrap();
    for facets in [FacetsOver::Matches, FacetsOver::Hits] {
        assert_eq!(over(0, facets).aggregations, over(5, facets).aggregations, "{facets:?}");
    }
    assert!(ask().k(0).offset(70).run().unwrap().hits.is_empty());
    assert!(ask().window(20).offset(10).run().unwrap().warnings.is_empty());
    let beyond = ask().window(20).offset(11).run().unwrap();
    assert!(
        beyond.warnings[0].contains("window of 20") && beyond.warnings[0].contains("21"),
        "{:?}",
        beyond.warnings
    );
    let alone = engine.request().words("red").window(1).k(10).run().unwrap();
    assert!(alone.warnings.is_empty(), "one leg has no window");
}

/// `UNCSM_DATA=DIR cargo test --test library people_write -- --ignored`: 4,000 descriptions of Debian packages as plain words
/// and as keywords.
#[test]
#[allow(clippy::print_stdout, reason = "figures of a slow check")]
#[ignore = "needs debian-packages/docs.jsonl in the folder UNCSM_DATA"]
fn what_people_write_is_never_refused_as_words_and_with_a_way_as_keywords() {
    let data =
        std::env::var_os("UNCSM_DATA").map_or_else(|| "../shared/data".into(), std::path::PathBuf::from);
    let file = data.join("debian-packages/docs.jsonl");
    let Ok(lines) = std::fs::read_to_string(&file) else {
        println!("skipped: {} is not there (set UNCSM_DATA)", file.display());
        return;
    };
    let texts: Vec<String> = lines
        .lines()
        .step_by(15)
        .take(4000)
        .map(|line| {
            serde_json::from_str::<serde_json::Value>(line).unwrap()["text"].as_str().unwrap().to_owned()
        })
        .collect();
    assert_eq!(texts.len(), 4000);
    let app = App::in_ram(bundle(1));
    let mut writer: IndexWriter = app.index.writer_with_num_threads(1, 60_000_000).unwrap();
    for (at, text) in texts.iter().enumerate() {
        writer.add_document(app.document(&text_of(&at.to_string(), text))).unwrap();
    }
    writer.commit().unwrap();
    drop(writer);
    let engine = engine(std::slice::from_ref(&app));
    let (mut refused, mut found, mut first, mut grammar) = (0, 0, 0, 0);
    for text in &texts {
        match engine.request().words(text.as_str()).run() {
            Ok(answer) => {
                found += usize::from(!answer.hits.is_empty());
                let own = |hit: &uncsm_index::search::Hit| {
                    texts[hit.id.as_ref().unwrap().parse::<usize>().unwrap()] == *text
                };
                first += usize::from(answer.hits.iter().any(own));
            }
            Err(error) => {
                refused += 1;
                println!("{text}: {error}");
            }
        }
        let Err(error) = engine.request().keywords(text).run() else { continue };
        grammar += 1;
        let hint = error.facts().hint.as_deref().unwrap_or_default();
        assert!(error.facts().offset.is_some(), "{text}: {error}");
        let form = hint
            .rsplit_once("to look for the text itself, write ")
            .and_then(|(_, form)| form.rsplit_once(" , or"));
        let (form, _) = form.unwrap_or_else(|| panic!("{text}: no form that works: {error}"));
        let answer = engine.request().keywords(form).run().unwrap_or_else(|error| panic!("{form}: {error}"));
        assert!(!answer.hits.is_empty(), "{text}: {form}");
    }
    println!(
        "4000 descriptions as words: {refused} refused, {found} with hits, {first} with the description itself among the first ten"
    );
    println!("as keywords: {grammar} refused, each with its byte and a form that finds something");
    assert_eq!((refused, found), (0, 4000));
}
