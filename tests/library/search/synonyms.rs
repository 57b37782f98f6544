//! Synonyms of a schema in keywords and plain words, and words near those that no document has.

use std::path::Path;

use safetensors::Dtype;
use safetensors::tensor::TensorView;
use serde_json::{Value, json};
use uncsm_index::ErrorCode;
use uncsm_index::corpus::{EncoderArg, PathwayArg};
use uncsm_index::index::{Index, IndexBuilder, Source};
use uncsm_index::model::Bundle;
use uncsm_index::schema::SchemaOverrides;
use uncsm_index::search::{Engine, Operator, Response, Words};

use crate::common::files::write_lines;
use crate::search::world::ids;

const TEXTS: [(&str, &str, &str); 8] = [
    ("a", "red car", "a car that is red"),
    ("b", "red automobile", "an automobile"),
    ("c", "motor car", "an old motor car"),
    ("d", "wren", "a small bird"),
    ("e", "sparrow", "a sparrow on a wire"),
    ("f", "boat", "houses beside a boat"),
    ("g", "homes", "two homes"),
    ("h", "motor", "a motor and a car"),
];
const RULES: &str = "# of the shop\ncar, automobile, motor car\nbird => sparrow, wren\n";

fn bundle() -> Bundle {
    Bundle::random(&[("image", 2), ("text", 2)], 5, 2, 0, 8)
}

fn build(dir: &Path, schema: &str, rules: &str) -> uncsm_index::Result<Engine> {
    std::fs::create_dir_all(dir).unwrap();
    let bundle = bundle();
    let lines: Vec<Value> =
        TEXTS.iter().map(|(id, title, text)| json!({"id": id, "title": title, "text": text})).collect();
    write_lines(&dir.join("corpus.jsonl"), &lines);
    let bytes: Vec<u8> = (0..TEXTS.len() * 2).flat_map(|i| (i as f32 * 0.37 + 1.0).to_le_bytes()).collect();
    let view = || TensorView::new(Dtype::F32, vec![TEXTS.len(), 2], &bytes).unwrap();
    let file = dir.join("rows.safetensors");
    std::fs::write(&file, safetensors::serialize([("image", view()), ("text", view())], None).unwrap())
        .unwrap();
    let of = |media: &str| PathwayArg { media: media.into(), tensor: media.into() };
    let by = |media: &str| EncoderArg { media: media.into(), encoder: format!("random-{media}") };
    let source = Source::features(file, [of("image"), of("text")])
        .encoders([by("image"), by("text")])
        .fields_of(dir.join("corpus.jsonl"));
    std::fs::write(dir.join("words.txt"), rules).unwrap();
    std::fs::write(dir.join("schema.toml"), schema).unwrap();
    let schema = SchemaOverrides::open(dir.join("schema.toml"))?;
    IndexBuilder::new(dir.join("index"), &bundle).source(source).schema(schema).run()?;
    Engine::new(&Index::open(&dir.join("index"))?)
}

fn keywords(engine: &Engine, text: &str) -> Response {
    engine.request().keywords(text).k(100).explain().run().unwrap()
}

fn words(engine: &Engine, words: Words) -> Response {
    engine.request().words(words).k(100).explain().run().unwrap()
}

fn sorted(found: &Response) -> String {
    let mut ids = ids(found);
    ids.sort();
    ids.concat()
}

const TITLE: &str = "[fields.title]\nsynonyms = \"words.txt\"\n";

#[test]
fn a_word_finds_what_stands_for_it() {
    let dir = tempfile::tempdir().unwrap();
    let engine = build(dir.path(), TITLE, RULES).unwrap();
    for (text, right) in [
        ("title:car", "abc"),
        ("title:automobile", "abc"),
        // A phrase is found, and is not widened itself; nor is a word of one.
        ("title:\"motor car\"", "c"),
        ("title:motor", "ch"),
        ("title:\"car\"", "ac"),
        ("title:bird", "de"),
        ("title:wren", "d"),
        // The other field has no synonyms.
        ("text:car", "ach"),
        ("text:bird", "d"),
        ("bird", "de"),
        ("title:red AND title:automobile", "ab"),
        ("title:red AND NOT title:car", ""),
        ("title:ca*", "ac"),
        ("title:car~", "ac"),
        ("title:IN [car]", "ac"),
    ] {
        assert_eq!(sorted(&keywords(&engine, text)), right, "{text}");
    }
    // What one asks with, the filter does not widen.
    let filter = |text: &str| sorted(&engine.request().filter(text).k(100).run().unwrap());
    assert_eq!((filter("title:car"), filter("title:bird")), ("ac".into(), String::new()));
    let plain = |text: &str, operator| {
        let mut asked = Words::from(text);
        (asked.operator, asked.fields) = (operator, vec!["title".into()]);
        sorted(&words(&engine, asked))
    };
    assert_eq!(plain("automobile", Operator::Or), "abc");
    assert_eq!(plain("red automobile", Operator::And), "ab");
    assert_eq!(plain("bird", Operator::Or), "de");
}

#[test]
fn the_word_itself_comes_first_and_is_scored_as_before() {
    let dir = tempfile::tempdir().unwrap();
    let engine = build(&dir.path().join("with"), TITLE, RULES).unwrap();
    let plain = build(&dir.path().join("without"), "", RULES).unwrap();
    for word in ["automobile", "car"] {
        let text = format!("title:{word}");
        let (found, before) = (keywords(&engine, &text), keywords(&plain, &text));
        let first = found.hits.iter().find(|hit| hit.id == before.hits[0].id).unwrap();
        assert_eq!(first.score, before.hits[0].score, "{word}");
    }
    let found = keywords(&engine, "title:automobile");
    assert_eq!(found.hits[0].id.as_deref(), Some("b"));
    assert!(found.hits[0].score > found.hits[1].score);
    let mut asked = Words::from("automobile");
    asked.fields = vec!["title".into()];
    let same = words(&engine, asked);
    let scores = |found: &Response| found.hits.iter().map(|h| (h.id.clone(), h.score)).collect::<Vec<_>>();
    assert_eq!(scores(&same), scores(&found), "keywords and plain words are widened alike");
}

#[test]
fn an_explanation_shows_synonyms() {
    let dir = tempfile::tempdir().unwrap();
    let engine = build(dir.path(), TITLE, RULES).unwrap();
    let plan = keywords(&engine, "title:bird red").plan.unwrap();
    let shown = json!([{"word": "bird", "field": "title", "synonyms": ["sparrow", "wren"]}]);
    assert_eq!(plan["synonyms"], shown);
    assert!(keywords(&engine, "title:red").plan.unwrap().get("synonyms").is_none());
    let plan = words(&engine, "car".into()).plan.unwrap();
    assert_eq!(plan["words"]["words"][0]["fields"]["title"]["synonyms"], json!(["automobile", "motor car"]));
    assert!(plan["words"]["words"][0]["fields"]["text"].get("synonyms").is_none());
    // A passage marks what was found.
    let found = engine.request().keywords("title:bird").snippet("title").k(2).run().unwrap();
    assert!(found.hits.iter().all(|hit| hit.snippets["title"].starts_with("<b>")), "{:?}", found.hits);
}

#[test]
fn rules_go_through_the_analysis_and_travel_with_the_index() {
    let dir = tempfile::tempdir().unwrap();
    let schema = "[fields.text]\ntokenizer = \"stem:english\"\nsynonyms = [\"Houses, homes\"]\n";
    let engine = build(dir.path(), schema, RULES).unwrap();
    for text in ["text:house", "text:home", "text:houses"] {
        assert_eq!(sorted(&keywords(&engine, text)), "fg", "{text}");
    }
    let manifest = std::fs::read_to_string(dir.path().join("index/uncsm-index.json")).unwrap();
    assert!(manifest.contains("Houses, homes"), "{manifest}");
    std::fs::remove_file(dir.path().join("words.txt")).unwrap();
    let again = Engine::new(&Index::open(&dir.path().join("index")).unwrap()).unwrap();
    assert_eq!(sorted(&keywords(&again, "text:house")), "fg");
}

#[test]
fn indexes_of_other_rules_answer_as_one() {
    let dir = tempfile::tempdir().unwrap();
    build(&dir.path().join("one"), TITLE, "car, automobile\n").unwrap();
    build(&dir.path().join("two"), TITLE, "car => boat\n").unwrap();
    let open = |name: &str| Index::open(&dir.path().join(name).join("index")).unwrap();
    let engine = Engine::over([&open("one"), &open("two")], bundle()).unwrap();
    assert_eq!(sorted(&keywords(&engine, "title:car")), "aabbccff");
}

#[test]
fn what_cannot_be_is_refused_with_the_field() {
    let dir = tempfile::tempdir().unwrap();
    let refused =
        |schema: &str, rules: &str| build(&dir.path().join("x"), schema, rules).map(drop).unwrap_err();
    let error = refused(TITLE, "car\n");
    assert_eq!((error.code(), error.facts().line), (ErrorCode::BadValue, Some(1)), "{error}");
    assert!(error.facts().file.as_ref().unwrap().ends_with("words.txt"));
    let error = refused("[fields.title]\nsynonyms = \"none.txt\"\n", RULES);
    assert_eq!(error.code(), ErrorCode::NotFound);
    for schema in [
        "[fields.title]\ntokenizer = \"cjk_bigram\"\nsynonyms = \"words.txt\"\n",
        "[fields.title]\ntokenizer = \"stop:english\"\nsynonyms = [\"the, a red\"]\n",
        "[fields.n]\ntype = \"integer\"\nsynonyms = [\"a, b\"]\n",
        "[fields.title]\nsynonyms = [\"alone\"]\n",
        "[fields.title]\nsynonyms = 7\n",
    ] {
        let error = refused(schema, RULES);
        assert_eq!(error.code(), ErrorCode::BadValue, "{schema}: {error}");
        assert!(error.facts().file.as_ref().unwrap().ends_with("schema.toml"), "{schema}: {error}");
    }
}

#[test]
fn a_word_that_no_document_has_leads_to_those_near_it() {
    let dir = tempfile::tempdir().unwrap();
    let engine = build(dir.path(), TITLE, RULES).unwrap();
    let of = |found: &Response| -> Vec<(String, Vec<String>)> {
        found.did_you_mean.iter().map(|one| (one.word.clone(), one.instead.clone())).collect()
    };
    let pair =
        |word: &str, instead: &[&str]| (word.to_owned(), instead.iter().map(|w| (*w).to_owned()).collect());
    let both = |text: &str| {
        let (a, b) = (of(&keywords(&engine, text)), of(&words(&engine, text.into())));
        assert_eq!(a, b, "{text}");
        a
    };
    assert_eq!(both("sparow"), [pair("sparow", &["sparrow"])]);
    assert_eq!(both("Autmobile brid"), [pair("Autmobile", &["automobile"]), pair("brid", &["bird"])]);
    // `bar` is as near to `car` as to no other word.
    assert_eq!(both("bar"), [pair("bar", &["car"])]);
    for sound in ["car", "red bird", "zzzzzzzz", "xy", "car2 1999", "title"] {
        let found = both(sound);
        assert!(found.is_empty() || sound == "title", "{sound}: {found:?}");
    }
    // What is quoted, has marks, is excluded or filtered is what was meant.
    for text in ["\"sparow\" OR car", "spa* OR car", "sparow~", "car NOT sparow"] {
        assert_eq!(of(&keywords(&engine, text)), [], "{text}");
    }
    let mut typed = Words::from("sparow");
    typed.typos = 1;
    assert_eq!(of(&words(&engine, typed)), [], "it was found");
    let json = serde_json::to_value(keywords(&engine, "sparow")).unwrap();
    assert_eq!(json["did_you_mean"], json!([{"word": "sparow", "instead": ["sparrow"]}]));
    assert!(serde_json::to_value(keywords(&engine, "car")).unwrap().get("did_you_mean").is_none());
}
