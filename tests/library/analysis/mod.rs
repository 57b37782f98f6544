//! Text analyses of a schema file: built into an index, closed, opened again, and queried.

mod forms;
mod golden;

use std::path::Path;

use serde_json::{Value, json};
use tantivy::schema::{IndexRecordOption, JsonObjectOptions, Schema, TextFieldIndexing, TextOptions};
use tantivy::snippet::SnippetGenerator;
use tantivy::tokenizer::RawTokenizer;
use tantivy::{TantivyDocument, doc};
use uncsm_index::ErrorCode;
use uncsm_index::corpus::JsonlReader;
use uncsm_index::index::{Index, MANIFEST};
use uncsm_index::model::Bundle;
use uncsm_index::schema::{BadLines, SchemaOverrides, infer, register_analyses};
use uncsm_index::search::{self, Engine, Mode};

fn bundle() -> Bundle {
    Bundle::random(&[("image", 6), ("text", 5)], 12, 7, 0, 3)
}

/// An index at `dir` of `lines`, with the fields that they have and what `schema` says of them; closed again.
fn build(dir: &Path, lines: &[Value], schema: &str) {
    let corpus = dir.with_extension("jsonl");
    std::fs::write(&corpus, lines.iter().map(|line| format!("{line}\n")).collect::<String>()).unwrap();
    let overrides = SchemaOverrides::parse(schema, "schema.toml").unwrap();
    let read = || JsonlReader::open(&corpus).unwrap();
    let fields = infer(read(), &corpus, &overrides, BadLines::Stop).unwrap().schema;
    let index = Index::create(dir, &fields, &bundle()).unwrap();
    let mut writer = index.writer(15_000_000).unwrap();
    for document in read() {
        let mut out = TantivyDocument::new();
        index.fields().fill(&document.unwrap(), &mut out).unwrap();
        writer.add(out).unwrap();
        writer.commit().unwrap();
    }
    writer.merge_all().unwrap();
    writer.finish().unwrap();
}

/// Ids of the documents that `query` finds, in order of id.
fn found(index: &Index, query: &str) -> Vec<String> {
    let response = Engine::new(index).unwrap().request().keywords(query).k(100).run().unwrap();
    let mut ids: Vec<String> = response.hits.into_iter().map(|hit| hit.id.unwrap()).collect();
    ids.sort();
    ids
}

const SCHEMA: &str = r#"
[fields.de]
tokenizer = "stem:german+stop:german+fold"
[fields.fr]
tokenizer = "fold"
[fields.ja]
tokenizer = "cjk_bigram+fold"
[fields.code]
tokenizer = "ngram:2:3"
[fields.old]
tokenizer = "en_stem"
[fields.tag]
tokenizer = "raw+lower"
"#;

fn lines() -> Vec<Value> {
    vec![
        json!({"id": "1", "de": "Die alten Häuser am Fluß", "fr": "Un Café noir", "ja": "黒い猫が寝ている"}),
        json!({"id": "2", "de": "Ein altes Haus", "fr": "le cafe\u{301} du port", "ja": "東京都の猫カフェ"}),
        json!({"id": "3", "de": "Hausmeister und Fluss", "fr": "caffè", "ja": "京都の犬", "code": ["AB-1234", "zeta"]}),
        json!({"id": "4", "old": "running dogs", "tag": "Red Wine", "code": "1243"}),
    ]
}

#[test]
fn an_index_keeps_its_analyses() {
    let dir = tempfile::tempdir().unwrap();
    let at = dir.path().join("index");
    build(&at, &lines(), SCHEMA);
    // Elsewhere, and with nothing but its own files.
    let moved = dir.path().join("moved");
    std::fs::rename(&at, &moved).unwrap();
    let index = Index::open(&moved).unwrap();
    for (query, ids) in [
        ("de:Haus", &["1", "2"][..]),
        ("de:haeuser", &["1", "2"]),
        ("de:hausern", &["1", "2"]),
        ("de:FLUSS", &["1", "3"]),
        ("de:\"alte Häuser\"", &["1", "2"]),
        ("de:\"Häuser alte\"", &[]),
        // A stop word is left out beside others, and keeps its place in a phrase.
        ("de:die AND de:fluss", &["1", "3"]),
        ("de:\"haus am fluss\"", &["1"]),
        ("de:\"haus fluss\"", &[]),
        ("de:\"hausmeister oder fluss\"", &["3"]),
        ("fr:cafe", &["1", "2"]),
        ("fr:CAFÉ", &["1", "2"]),
        ("fr:\"cafe noir\"", &["1"]),
        ("fr:\"café du port\"", &["2"]),
        ("ja:猫", &["1", "2"]),
        ("ja:東京", &["2"]),
        ("ja:京都", &["2", "3"]),
        ("ja:東京都の猫", &["2"]),
        ("ja:猫犬", &[]),
        ("ja:\"の猫カフェ\"", &["2"]),
        ("code:234", &["3"]),
        ("code:124", &["4"]),
        ("code:zet", &["3"]),
        ("code:1234", &["3"]),
        ("old:run", &["4"]),
        ("tag:\"RED wine\"", &["4"]),
        ("tag:wine", &[]),
        // Exact fields are as they were.
        ("fr_exact:\"Un Café noir\"", &["1"]),
        ("fr_exact:\"un cafe noir\"", &[]),
        // Without a field, each field has its own analysis.
        ("hauses", &["1", "2"]),
        ("猫", &["1", "2"]),
        ("+cafe +haus", &["1", "2"]),
    ] {
        assert_eq!(found(&index, query), ids, "{query}");
    }
}

#[test]
fn a_stop_word_alone_is_nothing_to_look_for() {
    let dir = tempfile::tempdir().unwrap();
    let at = dir.path().join("index");
    build(&at, &lines(), SCHEMA);
    let index = Index::open(&at).unwrap();
    for (query, word) in [("de:die", "de:die"), ("de:\"die Häuser\"", "`die`")] {
        let error = search::parse(index.tantivy(), Mode::Keywords, query).err().unwrap();
        assert_eq!((error.code(), error.facts().offset), (ErrorCode::BadQuery, Some(0)));
        assert!(error.facts().message.contains(word), "{error}");
    }
}

#[test]
fn snippets_show_the_text_as_it_was_written() {
    let dir = tempfile::tempdir().unwrap();
    let at = dir.path().join("index");
    build(&at, &lines(), SCHEMA);
    let index = Index::open(&at).unwrap();
    let engine = Engine::new(&index).unwrap();
    let snippet = |field: &str, query: &str, text: &str| {
        let query = search::parse(index.tantivy(), Mode::Keywords, query).unwrap();
        let field = index.tantivy().schema().get_field(field).unwrap();
        SnippetGenerator::create(&engine.searcher(), &*query, field).unwrap().snippet(text).to_html()
    };
    assert_eq!(snippet("fr", "fr:cafe", "Un Café noir"), "Un <b>Café</b> noir");
    assert_eq!(snippet("de", "de:hauses", "Die Häuser"), "Die <b>Häuser</b>");
    assert_eq!(snippet("ja", "ja:猫カフェ", "東京都の猫カフェ"), "東京都の<b>猫カフェ</b>");
}

#[test]
fn old_names_stand_in_an_index_as_they_did() {
    let dir = tempfile::tempdir().unwrap();
    let at = dir.path().join("index");
    let schema = "[fields.old]\ntokenizer = \"en_stem\"\n[fields.tag]\ntokenizer = \"raw\"\n[fields.fr]\ntokenizer = \"whitespace\"\n[fields.de]\ntokenizer = \"default\"\n";
    build(&at, &lines(), schema);
    let names = |file: &str| {
        let json: Value = serde_json::from_slice(&std::fs::read(at.join(file)).unwrap()).unwrap();
        json
    };
    let fields = &names(MANIFEST)["fields"];
    let meta = names("meta.json");
    let given =
        [("old", "en_stem"), ("tag", "raw"), ("fr", "whitespace"), ("de", "default"), ("ja", "words")];
    for (field, tokenizer) in given {
        assert_eq!(fields[field]["tokenizer"], tokenizer);
        let entry = meta["schema"].as_array().unwrap().iter().find(|entry| entry["name"] == field).unwrap();
        assert_eq!(entry["options"]["indexing"]["tokenizer"], tokenizer, "{entry}");
    }
    let index = Index::open(&at).unwrap();
    assert_eq!(found(&index, "old:run"), ["4"]);
    assert_eq!(found(&index, "tag:\"Red Wine\""), ["4"]);
    assert_eq!((found(&index, "fr:Café"), found(&index, "fr:café")), (vec!["1".into()], vec![]));
    assert_eq!((found(&index, "de:häuser"), found(&index, "de:hauser")), (vec!["1".into()], vec![]));
}

#[test]
fn a_schema_file_says_what_is_wrong_with_its_line() {
    let error = |text: &str| SchemaOverrides::parse(text, "s.toml").unwrap_err();
    let bad = error("[fields.a]\ntype = \"bool\"\n[fields.title]\ntokenizer = \"stem:germn\"\n");
    assert_eq!((bad.code(), bad.facts().line), (ErrorCode::BadValue, Some(3)));
    let said = bad.to_string();
    for part in ["s.toml:3: the field `title`", "`stem:germn`", "danish, dutch", "did you mean `german`?"] {
        assert!(said.contains(part), "{said}");
    }
    for (name, there) in [("icu", cfg!(feature = "icu")), ("jieba", cfg!(feature = "jieba"))] {
        let file = format!("[fields.title]\ntype = \"text\"\ntokenizer = \"{name}+fold\"\n");
        if there {
            SchemaOverrides::parse(&file, "s.toml").unwrap();
            continue;
        }
        let off = error(&file);
        assert_eq!((off.code(), off.facts().line), (ErrorCode::UnsupportedVersion, Some(1)));
        assert!(off.to_string().contains(&format!("build with the feature `{name}`")), "{off}");
    }
}

/// An index that another build made, which has a dictionary that this one has not.
#[cfg(not(all(feature = "icu", feature = "jieba")))]
#[test]
fn an_index_with_a_dictionary_that_is_not_there_names_the_feature() {
    use uncsm_index::schema::{FieldKind, FieldSchema, FieldSpec};

    let name = if cfg!(feature = "icu") { "jieba" } else { "icu" };
    let spec = FieldSpec { tokenizer: name.into(), ..FieldSpec::new(FieldKind::Text) };
    let fields = FieldSchema::new([("title".to_owned(), spec)].into()).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let at = dir.path().join("new");
    let error = Index::create(&at, &fields, &bundle()).err().unwrap();
    assert_eq!(error.code(), ErrorCode::UnsupportedVersion);
    assert!(!at.exists());

    let at = dir.path().join("index");
    build(&at, &lines(), "[fields.fr]\ntokenizer = \"cjk_bigram\"\n");
    for file in [MANIFEST, "meta.json"] {
        let text = std::fs::read_to_string(at.join(file)).unwrap();
        assert!(text.contains("\"cjk_bigram\""), "{text}");
        let text = text.replace("\"cjk_bigram\"", &format!("\"{name}\""));
        let mut json: serde_json::Map<String, Value> = serde_json::from_str(&text).unwrap();
        // Whoever changes such a file by hand removes its checksum.
        json.shift_remove("crc32");
        std::fs::write(at.join(file), serde_json::to_string(&json).unwrap()).unwrap();
    }
    let error = Index::open(&at).err().unwrap();
    assert_eq!((error.code(), error.facts().file.as_deref()), (ErrorCode::UnsupportedVersion, Some(&*at)));
    let said = error.to_string();
    assert!(said.contains("the field `fr`") && said.contains(&format!("the feature `{name}`")), "{said}");
}

#[test]
fn an_app_registers_what_its_schema_names() {
    let mut schema = Schema::builder();
    let indexing = |tokenizer: &str| {
        TextFieldIndexing::default()
            .set_tokenizer(tokenizer)
            .set_index_option(IndexRecordOption::WithFreqsAndPositions)
    };
    let text = |tokenizer: &str| TextOptions::default().set_indexing_options(indexing(tokenizer));
    let title = schema.add_text_field("title", text("stem:german").set_fast("raw+lower+fold"));
    let own = schema.add_text_field("own", text("own"));
    let more = JsonObjectOptions::default().set_indexing_options(indexing("stem:french+fold"));
    let more = schema.add_json_field("more", more);
    let index = tantivy::Index::create_in_ram(schema.build());
    let error = register_analyses(&index).unwrap_err();
    assert_eq!(error.code(), ErrorCode::BadValue);
    assert!(error.to_string().contains("the field `own`"), "{error}");
    index.tokenizers().register("own", RawTokenizer::default());
    register_analyses(&index).unwrap();
    register_analyses(&index).unwrap();

    let mut writer: tantivy::IndexWriter = index.writer_with_num_threads(1, 15_000_000).unwrap();
    let mut document = doc!(title => "Häuser", own => "As Is");
    document.add_object(more, [("note".to_owned(), "des économies".into())].into());
    writer.add_document(document).unwrap();
    writer.commit().unwrap();
    let searcher = index.reader().unwrap().searcher();
    let count = |query: &str| {
        let query = search::parse(&index, Mode::Keywords, query).unwrap();
        searcher.search(&query, &tantivy::collector::Count).unwrap()
    };
    for query in ["title:haus", "own:\"As Is\"", "more.note:economie"] {
        assert_eq!(count(query), 1, "{query}");
    }
    assert_eq!(count("title:hause OR own:as OR more.note:economique"), 1);
    assert_eq!(count("own:as"), 0);
    let column = searcher.segment_reader(0).fast_fields().str("title").unwrap().unwrap();
    let mut value = String::new();
    column.ord_to_str(0, &mut value).unwrap();
    assert_eq!(value, "hauser");
}

#[cfg(feature = "icu")]
#[test]
fn icu_finds_words_of_japanese_and_thai() {
    let dir = tempfile::tempdir().unwrap();
    let at = dir.path().join("index");
    let lines = [
        json!({"id": "1", "t": "東京に住む子供たち"}),
        json!({"id": "2", "t": "京都に住む"}),
        json!({"id": "3", "t": "ภาษาไทยสวยงาม Café"}),
    ];
    build(&at, &lines, "[fields.t]\ntokenizer = \"icu+fold\"\n");
    let index = Index::open(&at).unwrap();
    let queries = [
        ("東京", &["1"][..]),
        ("京都", &["2"]),
        ("住む", &["1", "2"]),
        ("東京に住む", &["1"]),
        ("ไทย", &["3"]),
    ];
    for (query, ids) in queries.into_iter().chain([("cafe", &["3"][..]), ("京", &[])]) {
        assert_eq!(found(&index, query), ids, "{query}");
    }
}

#[cfg(feature = "jieba")]
#[test]
fn jieba_finds_words_and_the_words_in_them() {
    let dir = tempfile::tempdir().unwrap();
    let at = dir.path().join("index");
    let lines = [
        json!({"id": "1", "t": "张华考上了北京大学，很高兴"}),
        json!({"id": "2", "t": "他在大学工作"}),
        json!({"id": "3", "t": ["北京的大学", "教授"]}),
    ];
    build(&at, &lines, "[fields.t]\ntokenizer = \"jieba\"\n");
    let index = Index::open(&at).unwrap();
    for (query, ids) in [
        ("大学", &["1", "2", "3"][..]),
        ("北京", &["1", "3"]),
        ("北京大学", &["1"]),
        ("\"北京 大学\"", &["1"]),
        ("\"大学 很高兴\"", &["1"]),
        ("大学 工作", &["1", "2", "3"]),
        ("教授", &["3"]),
        ("\"大学 教授\"", &[]),
    ] {
        assert_eq!(found(&index, query), ids, "{query}");
    }
}
