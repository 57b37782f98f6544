//! An engine in the state of an app: owned, reloaded after commits, with the app's own encoder and field of ids; queries as
//! plain data.

use std::sync::Arc;

use serde_json::json;
use tantivy::query::{Query, TermQuery};
use tantivy::schema::{FAST, INDEXED, IndexRecordOption, STORED, STRING, Schema, TEXT};
use tantivy::{IndexWriter, TantivyDocument, Term};
use uncsm_index::encode::{Encoder, Item};
use uncsm_index::index::{MediaField, MediaValue, UvecPlugin};
use uncsm_index::media::Fingerprint;
use uncsm_index::search::{Engine, Image, Request, RequestSpec};
use uncsm_index::{Error, ErrorCode};

use crate::common::{App, WORDS, bundle, random_docs};
use crate::search::world::{content, ids};

/// What an app keeps for as long as it runs.
const fn is_owned<T: Clone + Send + Sync + 'static>() {}
const _: () = is_owned::<Engine>();
const _: () = is_owned::<Request>();
const _: () = is_owned::<RequestSpec>();

/// Commits documents with these numbers.
fn add(app: &App, rows: std::ops::Range<usize>) {
    let mut writer: IndexWriter = app.index.writer_with_num_threads(1, 15_000_000).unwrap();
    for doc in &random_docs(3, rows.end)[rows] {
        writer.add_document(app.document(doc)).unwrap();
    }
    writer.commit().unwrap();
}

#[test]
fn reloading_shows_what_was_committed_and_a_request_stays_where_it_began() {
    let app = App::in_ram(bundle(2));
    add(&app, 0..8);
    let reader = app.index.reader_builder().reload_policy(tantivy::ReloadPolicy::Manual).try_into().unwrap();
    let reader: tantivy::IndexReader = reader;
    let bundle = Arc::new(app.bundle.clone());
    let engine = Engine::host(&app.index, reader, app.plugin.cache(), bundle.clone()).unwrap();
    let pinned = Engine::host(&app.index, app.searcher(), app.plugin.cache(), bundle).unwrap();
    let clone = engine.clone();
    let count = |engine: &Engine| engine.request().filter("*").k(100).run().unwrap().hits.len();
    let before = engine.request().filter("*").k(100);
    add(&app, 8..20);
    assert_eq!((count(&engine), count(&clone)), (8, 8), "not before it is asked for");
    assert!(engine.reload().unwrap() && !engine.reload().unwrap());
    assert_eq!((count(&engine), count(&clone)), (20, 20), "clones share the state");
    assert!(!pinned.reload().unwrap());
    assert_eq!(count(&pinned), 8);
    // A batch of requests from before and after: each on its own state.
    let picture = [0.3; 6];
    let old = before.clone().features("image", &picture).unwrap();
    let new = engine.request().filter("*").k(100).features("image", &picture).unwrap();
    let alone: Vec<_> = [&old, &new, &old].map(|request| request.clone().run().unwrap()).into();
    let found = engine.batch(vec![old.clone(), new, old]);
    assert_eq!(before.run().unwrap().hits.len(), 8);
    for (found, alone) in found.into_iter().zip(alone) {
        assert_eq!(content(&found.unwrap()), content(&alone));
    }
    // From another thread, which owns its clone.
    let answers = std::thread::spawn(move || count(&clone));
    assert_eq!(answers.join().unwrap(), 20);
}

/// Reads a picture as its first bytes.
struct FirstBytes(usize);

impl Encoder for FirstBytes {
    fn name(&self) -> &str {
        "first-bytes"
    }

    fn fingerprint(&self) -> Fingerprint {
        Fingerprint([3; 32])
    }

    fn features(&self) -> usize {
        self.0
    }

    fn max_bytes(&self) -> u64 {
        16
    }

    fn encode(&self, items: &[Item<'_>]) -> Vec<uncsm_index::Result<Vec<f32>>> {
        let each = |item: &Item<'_>| match item {
            Item::Bytes(bytes) if bytes.len() >= self.0 => {
                Ok(bytes[..self.0].iter().map(|&byte| f32::from(byte) / 16.0 - 8.0).collect())
            }
            _ => Err(Error::new(ErrorCode::BadValue, "too few bytes")),
        };
        items.iter().map(each).collect()
    }
}

#[test]
fn pictures_by_path_and_bytes_go_through_the_encoder_of_the_app() {
    let app = App::in_ram(bundle(2));
    add(&app, 0..30);
    let engine = Engine::host(&app.index, app.searcher(), app.plugin.cache(), app.bundle.clone()).unwrap();
    assert!(engine.request().image(vec![1u8; 6]).is_err(), "nobody knows what made these features");
    let code =
        |width| engine.clone().with_encoder("image", Arc::new(FirstBytes(width))).err().unwrap().code();
    assert_eq!(code(7), ErrorCode::BadDimension);
    let audio = engine.clone().with_encoder("audio", Arc::new(FirstBytes(6)));
    assert_eq!(audio.err().unwrap().code(), ErrorCode::UnknownMedia);
    let engine = engine.with_encoder("image", Arc::new(FirstBytes(6))).unwrap();
    let picture: [u8; 6] = [9, 200, 31, 77, 140, 5];
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("picture");
    std::fs::write(&path, picture).unwrap();
    let features = picture.map(|byte| f32::from(byte) / 16.0 - 8.0);
    let expected = content(&engine.request().features("image", &features).unwrap().run().unwrap());
    let by_path = engine.request().image(path.as_path()).unwrap();
    let by_bytes = engine.request().bytes("image", &picture).unwrap();
    let mut spec = RequestSpec::default();
    spec.image = vec![Image::Bytes(picture.to_vec())];
    for request in [by_path, by_bytes, spec.request(&engine).unwrap()] {
        assert_eq!(content(&request.run().unwrap()), expected);
    }
    let too_large = engine.request().image(vec![0; 17]).err().unwrap();
    assert_eq!(too_large.code(), ErrorCode::TooLarge);
}

#[test]
fn queries_of_the_host_stand_in_for_strings() {
    let app = App::in_ram(bundle(2));
    add(&app, 0..60);
    let engine = Engine::host(&app.index, app.searcher(), app.plugin.cache(), app.bundle.clone()).unwrap();
    let word = |at: usize| -> Box<dyn Query> {
        let term = Term::from_field_text(app.text, WORDS[at]);
        Box::new(TermQuery::new(term, IndexRecordOption::WithFreqs))
    };
    let ask = || engine.request().features("image", &[0.3; 6]).unwrap().k(100).snippet("text");
    let typed =
        ask().keywords(WORDS[0]).filter(&format!("text:{}", WORDS[1])).filter(&format!("text:{}", WORDS[2]));
    let built = ask().keywords_query(word(0)).filter_query(word(1)).filter(&format!("text:{}", WORDS[2]));
    let (typed, built) = (typed.run().unwrap(), built.run().unwrap());
    assert!(!typed.hits.is_empty() && typed.hits.len() < 60, "{}", typed.hits.len());
    assert_eq!(content(&built), content(&typed));
    // Alone and in a batch, where such filters share no pass.
    let requests =
        || vec![ask().filter_query(word(1)), ask().filter_query(word(2)), ask().filter_query(word(1))];
    let alone: Vec<_> = requests().into_iter().map(|request| ids(&request.run().unwrap())).collect();
    let found: Vec<_> = engine.batch(requests()).into_iter().map(|found| ids(&found.unwrap())).collect();
    assert_eq!(found, alone);
    assert_ne!(alone[0], alone[1]);
}

#[test]
fn hits_show_the_fields_that_are_asked_for() {
    let mut schema = Schema::builder();
    let id = schema.add_text_field("id", STRING | STORED | FAST);
    let text = schema.add_text_field("text", TEXT | STORED);
    let sizes = schema.add_u64_field("size", STORED | FAST);
    schema.add_u64_field("hidden", FAST);
    let bundle = bundle(2);
    MediaField::add(&mut schema, &bundle.space_spec()).unwrap();
    let plugin = UvecPlugin::new();
    let builder = tantivy::Index::builder().schema(schema.build()).register_plugin(plugin.registered());
    let index = builder.create_in_ram().unwrap();
    let mut writer: IndexWriter = index.writer_with_num_threads(1, 15_000_000).unwrap();
    for i in 0..3u64 {
        let mut document = TantivyDocument::new();
        document.add_text(id, format!("d{i}"));
        document.add_text(text, "red bird");
        document.add_u64(sizes, i);
        writer.add_document(document).unwrap();
    }
    writer.commit().unwrap();
    let searcher = index.reader().unwrap().searcher();
    let engine = Engine::host(&index, searcher, plugin.cache(), bundle).unwrap();
    let ask = |fields: &[&str]| {
        engine.request().keywords("red").fields(fields.iter().copied()).snippet("text").run()
    };
    let whole = engine.request().keywords("red").snippet("text").run().unwrap();
    assert_eq!(json!(whole.hits[2].fields), json!({ "text": "red bird", "size": 2 }));
    for (fields, shown) in [
        (vec![], json!({})),
        (vec!["size"], json!({ "size": 2 })),
        (vec!["size", "text"], json!({ "text": "red bird", "size": 2 })),
    ] {
        let found = ask(&fields).unwrap();
        assert_eq!(json!(found.hits[2].fields), shown);
        // Nothing else depends on them.
        assert_eq!(ids(&found), ids(&whole));
        assert_eq!(found.hits[2].snippets, whole.hits[2].snippets);
        assert_eq!(found.hits[2].score.to_bits(), whole.hits[2].score.to_bits());
    }
    for (name, code) in [("sise", ErrorCode::UnknownField), ("hidden", ErrorCode::BadArgument)] {
        assert_eq!(ask(&["size", name]).unwrap_err().code(), code, "{name}");
    }
    for (line, fields) in [
        (r#"{"fields": "size, text"}"#, Some(vec!["size", "text"])),
        (r#"{"fields": ["size"]}"#, Some(vec!["size"])),
        (r#"{"fields": "none"}"#, Some(vec![])),
        (r#"{"fields": []}"#, Some(vec![])),
        (r#"{"fields": null}"#, None),
    ] {
        let spec: RequestSpec = serde_json::from_str(line).unwrap();
        let fields: Option<Vec<String>> = fields.map(|names| names.into_iter().map(String::from).collect());
        assert_eq!(spec.fields, fields, "{line}");
    }
}

#[test]
fn plain_data_asks_what_the_builder_asks() {
    let app = App::in_ram(bundle(2));
    add(&app, 0..60);
    let engine = Engine::host(&app.index, app.searcher(), app.plugin.cache(), app.bundle.clone()).unwrap();
    let object = json!({
        "features": { "image": [0.1, -0.4, 0.2, 0.3, -0.2, 0.6] }, "keywords": WORDS[0], "filter": [WORDS[1]], "k": 7,
        "exclude": "000", "fusion": "linear", "normalise": "min-max", "weight": { "keyword": 2 }, "explain": true,
        "items": true, "media": "any", "target": "pair", "facets-over": "hits",
    });
    let spec: RequestSpec = serde_json::from_value(object).unwrap();
    let found = engine.run(&spec).unwrap();
    let request = engine.request().features("image", &[0.1, -0.4, 0.2, 0.3, -0.2, 0.6]).unwrap();
    let request =
        request.keywords(WORDS[0]).filter(WORDS[1]).k(7).exclude("000").weight("keyword", 2.0).explain();
    let request =
        request.fusion(uncsm_index::search::Fusion::Linear).media(uncsm_index::search::MediaChoice::Any);
    let pair = uncsm_index::search::Similarity::Metric(uncsm_index::model::Target::Pair);
    let request = request.similarity(pair).items(uncsm_index::search::ListItems::All);
    let expected = request.normalise(uncsm_index::search::Normalise::MinMax).run().unwrap();
    assert!(!expected.hits.is_empty());
    assert_eq!(content(&found), content(&expected));
    for item in found.hits.iter().flat_map(|hit| &hit.items) {
        assert_eq!(item.calibrated_logit.is_some(), item.probability.is_some());
        if let (Some(logit), Some(p)) = (item.calibrated_logit, item.probability) {
            assert!((p - 1.0 / (1.0 + (-logit).exp())).abs() < 1e-6, "{item:?}");
        }
    }
    for (object, code) in [
        (json!({}), ErrorCode::BadArgument),
        (json!({ "keywords": "red", "recall": 0 }), ErrorCode::BadArgument),
        (json!({ "keywords": "nope:red" }), ErrorCode::UnknownField),
        (json!({ "like": "nobody" }), ErrorCode::UnknownId),
        (json!({ "features": { "image": [1] } }), ErrorCode::BadDimension),
    ] {
        let spec: RequestSpec = serde_json::from_value(object.clone()).unwrap();
        assert_eq!(engine.run(&spec).unwrap_err().code(), code, "{object}");
    }
}

#[test]
fn the_field_of_ids_has_any_name_and_may_hold_numbers() {
    let bundle = bundle(2);
    let mut schema = Schema::builder();
    let sku = schema.add_u64_field("sku", FAST | INDEXED | STORED);
    let others = ["id", "_source"].map(|name| schema.add_text_field(name, STORED));
    let text = schema.add_text_field("text", TEXT);
    let media = MediaField::add(&mut schema, &bundle.space_spec()).unwrap();
    let plugin = UvecPlugin::new();
    let builder = tantivy::Index::builder().schema(schema.build()).register_plugin(plugin.registered());
    let index = builder.create_in_ram().unwrap();
    let mut writer: IndexWriter = index.writer_with_num_threads(1, 15_000_000).unwrap();
    for number in [100u64, 9, 20, 3] {
        let mut document = TantivyDocument::new();
        document.add_u64(sku, number);
        document.add_text(text, "thing");
        for field in others {
            document.add_text(field, "theirs");
        }
        let mut items = MediaValue::builder(media.spec());
        items.features(&bundle, "image", 0, &[0.2; 6]).unwrap();
        items.finish().add_to(&mut document, media.field());
        writer.add_document(document).unwrap();
        // A segment each, so that ties are broken between segments too.
        writer.commit().unwrap();
    }
    let searcher = index.reader().unwrap().searcher();
    let engine = Engine::host(&index, searcher, plugin.cache(), bundle).unwrap();
    assert_eq!(engine.request().filter("thing").run().unwrap().hits[0].id, None);
    let plain = engine.clone();
    assert_eq!(engine.clone().id_field("text").err().unwrap().code(), ErrorCode::UnknownField);
    let engine = engine.id_field("sku").unwrap();
    // Ids are text wherever they are compared.
    for request in [engine.request().filter("thing"), engine.request().keywords("thing")] {
        assert_eq!(ids(&request.run().unwrap()), ["100", "20", "3", "9"]);
    }
    // Its own field of ids alone is not repeated among the fields.
    let hits = engine.request().filter("thing").run().unwrap().hits;
    assert_eq!(json!(hits[0].fields), json!({ "_source": "theirs", "id": "theirs" }));
    let like = engine.request().like("20").unwrap().exclude("3").run().unwrap();
    assert_eq!(ids(&like), ["100", "9"]);
    assert_eq!(engine.find("7").unwrap_err().code(), ErrorCode::UnknownId);
    assert_eq!(engine.request().like("many").err().unwrap().code(), ErrorCode::BadValue);
    assert_eq!(engine.find("many").unwrap_err().code(), ErrorCode::BadValue);
    let excluding = engine.request().filter("thing").exclude("many");
    assert_eq!(excluding.run().unwrap_err().code(), ErrorCode::BadValue);
    assert_eq!(plain.find("3").unwrap_err().code(), ErrorCode::UnknownField, "it keeps its own field of ids");
}

#[test]
fn a_batch_of_two_fields_of_ids_excludes_by_each_its_own() {
    let bundle = bundle(2);
    let mut schema = Schema::builder();
    let [id, sku] = ["id", "sku"].map(|name| schema.add_text_field(name, STRING | FAST | STORED));
    let media = MediaField::add(&mut schema, &bundle.space_spec()).unwrap();
    let plugin = UvecPlugin::new();
    let builder = tantivy::Index::builder().schema(schema.build()).register_plugin(plugin.registered());
    let index = builder.create_in_ram().unwrap();
    let mut writer: IndexWriter = index.writer_with_num_threads(1, 15_000_000).unwrap();
    for (own, other) in [("5", "6"), ("6", "5"), ("7", "7")] {
        let mut document = TantivyDocument::new();
        document.add_text(id, own);
        document.add_text(sku, other);
        let mut items = MediaValue::builder(media.spec());
        items.features(&bundle, "image", 0, &[0.2; 6]).unwrap();
        items.finish().add_to(&mut document, media.field());
        writer.add_document(document).unwrap();
    }
    writer.commit().unwrap();
    let by_id = Engine::host(&index, index.reader().unwrap().searcher(), plugin.cache(), bundle).unwrap();
    let by_sku = by_id.clone().id_field("sku").unwrap();
    let ask = |engine: &Engine| engine.request().features("image", &[0.2; 6]).unwrap().exclude("5");
    let found = by_id.batch(vec![ask(&by_id), ask(&by_sku), ask(&by_id)]);
    let found: Vec<_> = found.into_iter().map(|found| ids(&found.unwrap())).collect();
    // Ties come in order of id; the document that is left out is another under each field.
    assert_eq!(found, [["6", "7"], ["6", "7"], ["6", "7"]]);
    let own = |engine: &Engine| {
        let mut addresses: Vec<_> = ask(engine).run().unwrap().hits.iter().map(|hit| hit.address).collect();
        addresses.sort();
        addresses
    };
    assert_ne!(own(&by_id), own(&by_sku));
    let batched = by_id.batch(vec![ask(&by_id), ask(&by_sku)]);
    for (engine, found) in [&by_id, &by_sku].into_iter().zip(batched) {
        let mut addresses: Vec<_> = found.unwrap().hits.iter().map(|hit| hit.address).collect();
        addresses.sort();
        assert_eq!(addresses, own(engine));
    }
}

#[test]
fn what_stands_twice_in_a_text_is_refused_and_files_are_seen() {
    for (text, says) in [
        (r#"{"k":1,"k":2}"#, "`k` stands twice"),
        (r#"{"weight":{"a":1,"a":2}}"#, "`a` stands twice"),
        (r#"{"normalize":null,"normalise":"min-max"}"#, "`normalise` is given twice"),
        (r#"[1]"#, "a query is a JSON object"),
    ] {
        let error = serde_json::from_str::<RequestSpec>(text).unwrap_err().to_string();
        assert!(error.contains(says), "{text}: {error}");
    }
    for (text, reads) in [
        (r#"{"text":"a","features":{"image":[1]},"image":{"bytes":[1]},"like":"a"}"#, false),
        (r#"{"image":"/etc/passwd"}"#, true),
        (r#"{"not_image":["a.png"]}"#, true),
        (r#"{"features":"/dev/stdin","pathway":"image=i"}"#, true),
    ] {
        let spec: RequestSpec = serde_json::from_str(text).unwrap();
        assert_eq!(spec.reads_files(), reads, "{text}");
    }
}
