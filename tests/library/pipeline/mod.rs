//! From a corpus through any encoder into an index, and out again by a query.

mod origins;
mod stop;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};
use uncsm_index::corpus::{IdsFrom, JsonlReader};
use uncsm_index::encode::{CorpusSource, Encoder, Encoders, Ids, Item};
use uncsm_index::index::{self, BuildOptions, BuildReport, Existing, Index, OnBad};
use uncsm_index::model::Bundle;
use uncsm_index::schema::{BadLines, SchemaOverrides, infer};
use uncsm_index::search::{Engine, MediaChoice};
use uncsm_index::{ErrorCode, Result};

use crate::common::encoder::Bytes;
use crate::common::files::write_lines;

const MEMORY: usize = 64 << 20;

/// A folder with a corpus, an index over it, and encoders that count.
struct World {
    dir: tempfile::TempDir,
    encoders: Encoders,
    asked: BTreeMap<&'static str, Arc<AtomicUsize>>,
}

impl World {
    fn new() -> Self {
        let asked = BTreeMap::from([("image", Arc::default()), ("text", Arc::default())]);
        let encoder = |name: &str, width| {
            Arc::new(Bytes { width, asked: Arc::clone(&asked[name]) }) as Arc<dyn Encoder>
        };
        let encoders =
            Encoders::from([("image".into(), encoder("image", 6)), ("text".into(), encoder("text", 5))]);
        Self { dir: tempfile::tempdir().unwrap(), encoders, asked }
    }

    /// Items that were encoded since the last call: pictures, texts.
    fn asked(&self) -> (usize, usize) {
        let take = |name| self.asked[name].swap(0, Ordering::Relaxed);
        (take("image"), take("text"))
    }

    fn picture(&self, name: &str, content: &str) {
        std::fs::write(self.dir.path().join(name), content).unwrap();
    }

    fn corpus(&self, lines: &[Value]) -> PathBuf {
        let path = self.dir.path().join("corpus.jsonl");
        write_lines(&path, lines);
        path
    }

    fn create(&self, corpus: &Path) -> Index {
        self.create_at(corpus, "index")
    }

    fn create_at(&self, corpus: &Path, name: &str) -> Index {
        let reader = JsonlReader::open(corpus).unwrap();
        let schema = infer(reader, corpus, &SchemaOverrides::default(), BadLines::Skip).unwrap().schema;
        let bundle = Bundle::random(&[("image", 6), ("text", 5)], 12, 7, 0, 3);
        Index::create(&self.dir.path().join(name), &schema, &bundle).unwrap()
    }

    /// Indexes the corpus and commits, unless the build fails.
    fn build(&self, index: &Index, corpus: &Path, on_bad: OnBad, existing: Existing) -> Result<BuildReport> {
        let mut writer = index.writer(MEMORY)?;
        let options =
            BuildOptions { encoders: Some(&self.encoders), on_bad, existing, ..BuildOptions::default() };
        let source = CorpusSource::open(corpus, Ids::Made(IdsFrom::Line))?;
        let report = index::build(index, &mut writer, source, options, &mut |_| {})?;
        writer.commit()?;
        writer.finish()?;
        Ok(report)
    }
}

/// Media type, ordinal, content hash, vector and half of each item of a document.
type Stored = Vec<(usize, u32, [u8; 16], Vec<f32>, Vec<f32>)>;

fn stored(index: &Index, id: &str) -> Stored {
    let engine = Engine::new(index).unwrap();
    let address = engine.find(id).unwrap();
    let vectors = index.cache().get(engine.searcher().segment_reader(address.segment_ord)).unwrap();
    let mut out = Vec::new();
    for media in 0..index.bundle().media().len() {
        let view = vectors.view(media);
        for row in view.items_of(address.doc_id) {
            let (mut vector, mut half) = (vec![0.0; view.dim], vec![0.0; view.half]);
            view.vector_into(row, &mut vector);
            view.half_into(row, &mut half);
            out.push((media, view.ordinals[row], view.hashes[row], vector, half));
        }
    }
    out
}

#[test]
fn documents_keep_the_order_of_the_corpus() {
    let world = World::new();
    // More than two batches; every third document is bad, so that batches are of uneven size.
    let lines: Vec<Value> = (0..900)
        .map(|i| match i % 3 {
            0 => json!({ "id": { "no": "id" } }),
            _ => json!({ "id": format!("{}", (i * 367) % 900), "text": format!("text {i}") }),
        })
        .collect();
    let corpus = world.corpus(&lines);
    let index = world.create(&corpus);
    let mut heard = Vec::new();
    let mut writer = index.writer(MEMORY).unwrap();
    let options = BuildOptions { encoders: Some(&world.encoders), ..BuildOptions::default() };
    let source = CorpusSource::open(&corpus, Ids::Made(IdsFrom::Line)).unwrap();
    let report =
        index::build(&index, &mut writer, source, options, &mut |at| heard.push(at.documents)).unwrap();
    // Nothing is there before the commit.
    assert_eq!(index.reader().unwrap().searcher().num_docs(), 0);
    writer.commit().unwrap();
    writer.finish().unwrap();
    assert_eq!((report.documents, report.warnings, report.skipped.len()), (600, 300, 300));
    assert_eq!(report.items, BTreeMap::from([("image".into(), 0), ("text".into(), 600)]));
    assert_eq!(
        report.skipped.iter().map(|s| s.line).collect::<Vec<_>>(),
        (1..=900).step_by(3).collect::<Vec<_>>()
    );
    assert_eq!(heard.last(), Some(&600));
    assert!(heard.is_sorted());

    let searcher = index.reader().unwrap().searcher();
    assert_eq!(searcher.segment_readers().len(), 1);
    let reader = searcher.segment_reader(0);
    let ids = reader.fast_fields().str("id").unwrap().unwrap();
    let mut got = Vec::new();
    for doc in reader.doc_ids_alive() {
        let mut id = String::new();
        ids.ord_to_str(ids.ords().first(doc).unwrap(), &mut id).unwrap();
        got.push(id);
    }
    let expected: Vec<String> =
        lines.iter().filter_map(|line| line["id"].as_str().map(str::to_owned)).collect();
    assert_eq!(got, expected);
    // And each document has the vector of its own text.
    for i in [1, 2, 400, 898] {
        let text = format!("text {i}");
        let features = world.encoders["text"].encode(&[Item::Text(&text)]).remove(0).unwrap();
        let own = index.bundle().store(1, &index.bundle().project(1, &features).unwrap());
        let own: Vec<f32> = own.vectors.iter().map(|v| v.to_f32()).collect();
        assert_eq!(stored(&index, lines[i]["id"].as_str().unwrap())[0].3, own, "{text}");
    }
}

#[test]
fn a_replaced_document_is_encoded_only_where_it_has_changed() {
    let world = World::new();
    for (name, content) in [("a.png", "aaa"), ("b.png", "bbb"), ("c.png", "ccc")] {
        world.picture(name, content);
    }
    let line = |id: &str, text: &str, images: &[&str], note: &str| json!({ "id": id, "text": text, "images": images, "note": note });
    let corpus = world.corpus(&[
        line("1", "one", &["a.png", "b.png"], "old"),
        line("2", "two", &["c.png"], "old"),
        line("3", "three", &["a.png"], "old"),
    ]);
    let index = world.create(&corpus);
    world.build(&index, &corpus, OnBad::Stop, Existing::None).unwrap();
    assert_eq!(world.asked(), (4, 3));
    let before: Vec<Stored> = ["1", "2", "3"].iter().map(|id| stored(&index, id)).collect();

    // Other fields alone: nothing is encoded.
    let corpus =
        world.corpus(&[line("1", "one", &["a.png", "b.png"], "new"), line("2", "two", &["c.png"], "new")]);
    let report = world.build(&index, &corpus, OnBad::Stop, Existing::Replace).unwrap();
    assert_eq!(world.asked(), (0, 0));
    assert_eq!((report.documents, report.items["image"], report.items["text"]), (2, 3, 2));
    for (id, before) in ["1", "2", "3"].iter().zip(&before) {
        assert_eq!(stored(&index, id), *before, "{id}");
    }
    let engine = Engine::new(&index).unwrap();
    assert_eq!(engine.searcher().num_docs(), 3);
    let new = engine.request().keywords("note:new").run().unwrap();
    assert_eq!(new.hits.iter().map(|hit| hit.id.as_deref().unwrap()).collect::<Vec<_>>(), ["1", "2"]);

    // Pictures change places, and one changes content under its name: only that is encoded. An unknown id is encoded
    // whole, though the index holds equal content in other documents.
    world.picture("c.png", "other");
    let corpus = world.corpus(&[
        line("1", "one", &["b.png", "a.png"], "new"),
        line("2", "two", &["c.png"], "new"),
        line("4", "one", &["a.png"], "new"),
    ]);
    world.build(&index, &corpus, OnBad::Stop, Existing::Replace).unwrap();
    assert_eq!(world.asked(), (2, 1));
    let swapped = stored(&index, "1");
    assert_eq!((&swapped[0].3, &swapped[1].3), (&before[0][1].3, &before[0][0].3));
    assert_eq!((swapped[0].1, swapped[1].1), (0, 1));
    let changed = stored(&index, "2");
    assert_ne!(changed[0].2, before[1][0].2);
    assert_ne!(changed[0].3, before[1][0].3);
    assert_eq!(changed[1], before[1][1]);
    let new = stored(&index, "4");
    assert_eq!((&new[0].3, &new[1].3), (&before[0][0].3, &before[0][2].3));
    assert!(index::verify(index.dir()).unwrap().is_empty());
}

#[test]
fn what_an_encoder_gets_wrong_stays_with_its_item() {
    let world = World::new();
    world.picture("good.png", "good");
    world.picture("nan.png", "nan");
    world.picture("short.png", "short");
    world.picture("fail.png", "fail");
    let corpus = world.corpus(&[
        json!({ "id": "1", "text": "nan", "images": ["nan.png", "good.png", "short.png", "good.png"] }),
        json!({ "id": "2", "text": "words", "images": ["fail.png", "good.png"] }),
        json!({ "id": "3", "text": "fail", "image": "missing.png" }),
    ]);
    let index = world.create(&corpus);
    let report = world.build(&index, &corpus, OnBad::Warn, Existing::None).unwrap();
    assert_eq!((report.documents, report.items["image"], report.items["text"]), (3, 3, 1));
    let mut lines: Vec<u64> = report.skipped.iter().map(|skipped| skipped.line).collect();
    lines.sort_unstable();
    assert_eq!(lines, [1, 1, 1, 2, 3, 3]);
    assert_eq!((report.without_items, report.warnings), (1, 7));
    let of = |id: &str| stored(&index, id).iter().map(|item| (item.0, item.1)).collect::<Vec<_>>();
    assert_eq!(of("1"), [(0, 1), (0, 3)]);
    assert_eq!(of("2"), [(0, 1), (1, 0)]);
    assert!(of("3").is_empty());
    // Equal pictures have equal vectors, whatever stood between them in the batch.
    let one = stored(&index, "1");
    assert_eq!((&one[0].3, &one[0].3), (&one[1].3, &stored(&index, "2")[0].3));
}

#[test]
fn a_strict_build_stops_at_the_first_bad_thing() {
    for (line, code, at) in [
        (json!({ "id": "x", "image": "missing.png" }), ErrorCode::NotFound, None),
        (json!({ "id": "x", "text": "this will fail" }), ErrorCode::Damaged, Some(301)),
        (json!({ "id": "x", "text": "nan" }), ErrorCode::NotFinite, Some(301)),
        (json!({ "id": "x", "text": "short" }), ErrorCode::BadDimension, Some(301)),
        (json!({ "id": "x", "note": "no item" }), ErrorCode::NoItems, Some(301)),
        (json!({ "id": true, "text": "words" }), ErrorCode::BadValue, Some(301)),
    ] {
        let world = World::new();
        let mut lines: Vec<Value> =
            (0..700).map(|i| json!({ "id": i, "text": format!("text {i}") })).collect();
        lines[300] = line.clone();
        let corpus = world.corpus(&lines);
        let index = world.create(&corpus);
        let error = world.build(&index, &corpus, OnBad::Stop, Existing::None).unwrap_err();
        assert_eq!((error.code(), error.facts().line), (code, at), "{line}: {error}");
        assert!(error.facts().file.is_some(), "{line}: {error}");
        assert_eq!(index.reader().unwrap().searcher().num_docs(), 0);
        // The same without being strict: all the others are there, and a writer can be had again.
        let report = world.build(&index, &corpus, OnBad::Warn, Existing::None).unwrap();
        assert!(report.documents >= 699 && report.warnings >= 1, "{line}");
    }
}

#[test]
fn media_types_without_an_encoder_are_counted() {
    let mut world = World::new();
    world.picture("a.png", "aaa");
    let corpus = world.corpus(&[json!({ "id": "1", "text": "one", "image": "a.png" })]);
    let index = world.create(&corpus);
    world.encoders.remove("image");
    let report = world.build(&index, &corpus, OnBad::Warn, Existing::None).unwrap();
    assert_eq!((report.items["image"], report.items["text"], report.skipped.len()), (0, 1, 1));
    assert!(report.skipped[0].reason.contains("no encoder"), "{}", report.skipped[0].reason);
    let code = |on_bad| world.build(&index, &corpus, on_bad, Existing::Replace).map_err(|e| e.code());
    assert_eq!(code(OnBad::Stop).unwrap_err(), ErrorCode::UnknownMedia);
}

#[test]
fn the_engine_finds_what_the_pipeline_stored() {
    let world = World::new();
    let lines: Vec<Value> = (0..40)
        .map(|i| {
            world.picture(&format!("{i}.png"), &format!("picture {i}"));
            let word = if i % 2 == 0 { "even" } else { "odd" };
            json!({ "id": format!("{i:02}"), "text": format!("text {word} {i}"), "image": format!("{i}.png") })
        })
        .collect();
    let corpus = world.corpus(&lines);
    let index = world.create(&corpus);
    world.build(&index, &corpus, OnBad::Stop, Existing::None).unwrap();
    let engine = Engine::new(&index).unwrap();
    let features = world.encoders["image"].encode(&[Item::Bytes(b"picture 17")]).remove(0).unwrap();
    let ask =
        || engine.request().features("image", &features).unwrap().media(MediaChoice::Named("image".into()));
    let cosine = ask().similarity(uncsm_index::search::Similarity::Cosine).k(3).run().unwrap();
    assert_eq!(cosine.hits[0].id.as_deref(), Some("17"));
    assert!((cosine.hits[0].score - 1.0).abs() < 1e-3);
    let odd = ask().filter("text:odd").k(40).run().unwrap();
    assert_eq!((odd.hits.len(), odd.candidates, odd.scored), (20, 20, 20));
    let even = ask().keywords("even").fusion(uncsm_index::search::Fusion::Metric).k(40).run().unwrap();
    assert_eq!(even.hits.len(), 20);
    assert!(even.hits.iter().all(|hit| hit.id.as_deref().unwrap().parse::<u32>().unwrap() % 2 == 0));
    // The bundle cannot encode by itself: its encoder is none of this crate's.
    let error = engine.request().text("words").err().unwrap();
    assert_eq!(error.code(), ErrorCode::BadArgument);
}

#[test]
fn an_index_opens_at_any_moment_of_an_attach() {
    let world = World::new();
    let corpus = world.corpus(&[json!({ "id": "1", "text": "one" })]);
    let index = world.create(&corpus);
    world.build(&index, &corpus, OnBad::Stop, Existing::None).unwrap();
    let priors = [0.5, 0.1, 0.01].map(|prior| index.bundle().with_prior(prior).unwrap());
    let dir = index.dir();
    let attach = |turn: usize| {
        for n in 0..60 {
            // Of two at once, one finds the index locked.
            if let Err(error) = index::attach(dir, &priors[(turn + n) % 3]) {
                assert_eq!(error.code(), ErrorCode::Locked, "{error}");
            }
        }
    };
    std::thread::scope(|scope| {
        let writers = [scope.spawn(|| attach(0)), scope.spawn(|| attach(1))];
        while writers.iter().any(|writer| !writer.is_finished()) {
            let open = Index::open(dir).unwrap();
            assert!(priors.iter().any(|bundle| bundle.model() == open.bundle().model()));
        }
    });
    let names =
        std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    assert_eq!(names.filter(|name| name.starts_with("bundle-") || name.starts_with(".uncsm-")).count(), 1);
    assert!(index::verify(dir).unwrap().is_empty());
    // A bundle that is really missing is still an error.
    std::fs::remove_dir_all(Index::open(dir).unwrap().manifest().bundle_dir(dir)).unwrap();
    assert_eq!(Index::open(dir).err().unwrap().code(), ErrorCode::NotFound);
}

#[test]
fn reloading_brings_the_bundle_that_was_attached() {
    let world = World::new();
    let corpus = world.corpus(&[json!({ "id": "1", "text": "one" })]);
    let index = world.create(&corpus);
    world.build(&index, &corpus, OnBad::Stop, Existing::None).unwrap();
    let old = index.bundle().clone();
    let new = old.with_prior(0.01).unwrap();
    assert_ne!(new.model(), old.model());
    let engine = Engine::new(&index).unwrap();
    let (clone, given) = (engine.clone(), Engine::over([&index], old.clone()).unwrap());
    let apart = engine.clone().id_field("id").unwrap();
    let before = engine.request();
    assert!(!engine.reload().unwrap());
    index::attach(index.dir(), &new).unwrap();
    assert_eq!(engine.bundle().model(), old.model(), "not before it is asked for");
    assert!(engine.reload().unwrap() && !engine.reload().unwrap());
    assert!([&engine, &clone].iter().all(|engine| engine.bundle().model() == new.model()));
    assert_eq!(apart.bundle().model(), old.model(), "an engine of its own");
    assert!(apart.reload().unwrap() && apart.bundle().model() == new.model());
    assert!(!given.reload().unwrap() && given.bundle().model() == old.model(), "it was given its bundle");
    // A request stays with the bundle that it began with.
    let probability = |request: uncsm_index::search::Request| {
        let found = request.features("image", &[0.1; 6]).unwrap().media(MediaChoice::Any).run().unwrap();
        found.hits[0].probability
    };
    assert_eq!(probability(before), probability(given.request()));
    assert_ne!(probability(engine.request()), probability(given.request()));
}
