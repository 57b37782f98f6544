//! Where documents came from is kept in the index, and media types are names from the keys of a corpus.

use uncsm_index::corpus::{Given, IdsFrom, Keys, Reader};
use uncsm_index::index::inspect;
use uncsm_index::schema::infer_with;

use super::*;
use crate::common::files::put;

/// What the document `id` says of its source: kind of the root, and the reference without it.
fn origin(index: &Index, id: &str) -> (String, Value) {
    let index = Index::open(index.dir()).unwrap();
    let engine = Engine::new(&index).unwrap();
    let document = engine.searcher().doc(engine.find(id).unwrap()).unwrap();
    let origin = index.fields().origin(&document).unwrap();
    let root = index.roots().unwrap().into_iter().find(|root| root.id == origin.root).unwrap();
    assert!(std::path::Path::new(&root.path).is_absolute() && root.is_there());
    let mut value = serde_json::to_value(&origin).unwrap();
    value.as_object_mut().unwrap().remove("root");
    (root.kind.clone(), value)
}

#[test]
fn each_document_says_where_it_was_read_and_a_second_source_adds_a_root() {
    let world = World::new();
    let corpus = world.corpus(&[json!({"id": "a", "text": "one"}), json!({"id": "b", "text": "two"})]);
    let index = world.create(&corpus);
    world.build(&index, &corpus, OnBad::Stop, Existing::None).unwrap();
    let bytes = std::fs::read(&corpus).unwrap();
    for (id, line) in [("a", 1), ("b", 2)] {
        let (kind, place) = origin(&index, id);
        assert_eq!((kind.as_str(), &place["line"]), ("jsonl", &json!(line)));
        let at = |i: usize| place["bytes"][i].as_u64().unwrap() as usize;
        let again: Value = serde_json::from_slice(&bytes[at(0)..at(1)]).unwrap();
        assert_eq!(again["id"], id);
    }
    let folder = world.dir.path().join("media");
    std::fs::create_dir_all(folder.join("cat")).unwrap();
    std::fs::write(folder.join("cat/b.txt"), "three").unwrap();
    world.build(&index, &folder, OnBad::Stop, Existing::Replace).unwrap();
    assert_eq!(origin(&index, "cat/b.txt"), ("folder".into(), json!({"path": "cat/b.txt"})));
    // What is added again is no new source.
    world.build(&index, &folder, OnBad::Stop, Existing::Replace).unwrap();
    let mut index = Index::open(index.dir()).unwrap();
    index.mark_complete().unwrap();
    assert_eq!(index.roots().unwrap().len(), 2);
    let report = inspect(&index).unwrap();
    let mut counts: Vec<(&str, u64, bool)> = report
        .sources
        .roots
        .iter()
        .map(|root| (root.root.kind.as_str(), root.documents, root.found))
        .collect();
    counts.sort_unstable();
    assert_eq!((counts, report.sources.without), (vec![("folder", 1, true), ("jsonl", 2, true)], 0));
    // Hidden: not among fields, nor in the schema of the report.
    assert!(report.schema.get("_source").is_none());
    let engine = Engine::new(&index).unwrap();
    let document = engine.searcher().doc(engine.find("a").unwrap()).unwrap();
    let fields = index.fields().stored_fields(&document, &index.tantivy().schema());
    assert_eq!(fields.keys().collect::<Vec<_>>(), ["text"]);
    // An app's own document has none; a source that is gone is named.
    let mut writer = index.writer(MEMORY).unwrap();
    writer.add(tantivy::TantivyDocument::default()).unwrap();
    writer.commit().unwrap();
    writer.finish().unwrap();
    std::fs::remove_file(&corpus).unwrap();
    let sources = inspect(&index).unwrap().sources;
    assert_eq!(sources.without, 1);
    let lost: Vec<bool> = sources.roots.iter().filter(|r| r.root.kind == "jsonl").map(|r| r.found).collect();
    assert_eq!(lost, [false]);
}

#[test]
fn items_of_a_named_media_type_go_into_the_index() {
    let mut world = World::new();
    world.picture("one.wav", "a sound");
    let corpus = world.corpus(&[
        json!({"id": "a", "text": "one", "sound_path": "one.wav"}),
        json!({"id": "b", "sound_path": ["one.wav", "two.wav"], "abstract": "a text"}),
    ]);
    let keys = Keys::default().with("audio=sound_path".parse().unwrap()).unwrap();
    let keys = keys.with("summary:text=abstract".parse().unwrap()).unwrap();
    let read: Vec<_> = Reader::open_with(&corpus, &keys).unwrap().map(|read| read.unwrap()).collect();
    let path = |name: &str| Given::Path(world.dir.path().join(name));
    assert_eq!(read[0].of("audio"), [path("one.wav")]);
    assert_eq!(read[1].of("audio"), [path("one.wav"), path("two.wav")]);
    assert_eq!(read[1].of("summary"), [Given::Text("a text".into())]);
    assert_eq!(read[1].fields["sound_path"], json!(["one.wav", "two.wav"]));
    let documents = Reader::open_with(&corpus, &keys).unwrap();
    let none = SchemaOverrides::default();
    let schema = infer_with(documents, (&corpus, &keys), &none, BadLines::Stop).unwrap().schema;
    assert_eq!(schema.get("sound_path").unwrap().kind.as_str(), "stored");
    assert_eq!(schema.get("abstract").unwrap().kind.as_str(), "text");
    let encoder = Bytes::new(6);
    world.encoders.insert("audio".into(), Arc::new(encoder));
    let bundle = Bundle::random(&[("audio", 6), ("text", 5)], 12, 7, 0, 3);
    let index = Index::create(&world.dir.path().join("sounds"), &schema, &bundle).unwrap();
    let mut writer = index.writer(MEMORY).unwrap();
    let options = BuildOptions { encoders: Some(&world.encoders), ..BuildOptions::default() };
    let source = CorpusSource::open_with(&corpus, Ids::Made(IdsFrom::Line), &keys).unwrap();
    let report = index::build(&index, &mut writer, source, options, &mut |_| {}).unwrap();
    writer.commit().unwrap();
    // One file is missing, and nobody encodes the summary.
    assert_eq!(report.items, BTreeMap::from([("audio".to_owned(), 2), ("text".to_owned(), 1)]));
    assert_eq!((report.documents, report.skipped.len()), (2, 2));
    assert_eq!(stored(&index, "b").len(), 1);
}

/// Keys of the manifest.
fn keys_of_manifest(index: &Path) -> Vec<String> {
    let text = std::fs::read(index.join(index::MANIFEST)).unwrap();
    serde_json::from_slice::<serde_json::Map<String, Value>>(&text)
        .unwrap()
        .into_iter()
        .map(|(key, _)| key)
        .collect()
}

const SOURCES: &str = "uncsm-sources.json";

#[test]
fn sources_are_a_file_of_their_own_that_stays_and_that_queries_do_not_need() {
    let world = World::new();
    let corpus = world.corpus(&[json!({"id": "a", "text": "one"}), json!({"id": "b", "text": "two"})]);
    let mut index = world.create(&corpus);
    let dir = index.dir().to_path_buf();
    assert!(index.roots().unwrap().is_empty() && !dir.join(SOURCES).exists());
    world.build(&index, &corpus, OnBad::Stop, Existing::None).unwrap();
    index.mark_complete().unwrap();
    // Older builds refuse a key that they do not know.
    let mut keys = keys_of_manifest(&dir);
    keys.sort();
    assert_eq!(keys, ["bundle", "complete", "fields", "format_version"]);
    let roots = index.roots().unwrap();
    assert_eq!(roots.len(), 1);
    // Another bundle, other documents, deleted ones and what removes litter leave it.
    index::attach(&dir, &index.bundle().with_prior(0.01).unwrap()).unwrap();
    let mut writer = index.writer(MEMORY).unwrap();
    writer.delete_id("b").unwrap();
    writer.commit().unwrap();
    writer.finish().unwrap();
    assert_eq!(Index::open(&dir).unwrap().roots().unwrap(), roots);
    assert_eq!(index::verify(&dir).unwrap(), []);
    let hits =
        || Engine::new(&Index::open(&dir).unwrap()).unwrap().request().keywords("one").run().unwrap().hits;
    assert_eq!(hits().len(), 1);
    let path = dir.join(SOURCES);
    let whole = std::fs::read_to_string(&path).unwrap();
    put(&path, whole.replacen("jsonl", "jsonm", 1));
    let damage = index::verify(&dir).unwrap();
    assert_eq!(damage.iter().map(|damage| damage.file.as_str()).collect::<Vec<_>>(), [SOURCES]);
    let sources = inspect(&Index::open(&dir).unwrap()).unwrap().sources;
    assert!(sources.damaged.unwrap().contains("checksum") && sources.roots.is_empty());
    assert_eq!((sources.without, hits().len()), (1, 1));
    // What would be lost is not written over.
    let index = Index::open(&dir).unwrap();
    let error = world.build(&index, &corpus, OnBad::Stop, Existing::Replace).unwrap_err();
    assert_eq!((error.code(), error.facts().file.as_deref()), (ErrorCode::Damaged, Some(&*path)));
    std::fs::remove_file(&path).unwrap();
    assert_eq!(index::verify(&dir).unwrap(), []);
    assert_eq!(inspect(&index).unwrap().sources.without, 1);
    world.build(&index, &corpus, OnBad::Stop, Existing::Replace).unwrap();
    assert_eq!(index.roots().unwrap(), roots);
}

#[test]
fn an_index_lists_so_many_sources_and_no_more() {
    let world = World::new();
    let corpus = world.corpus(&[json!({"id": "a", "text": "one"}), json!({"id": "b", "text": "two"})]);
    let index = world.create(&corpus);
    let most = uncsm_index::limits::SOURCE_ROOTS;
    let root =
        |at: usize| json!({"id": format!("{at:016x}"), "kind": "jsonl", "path": format!("/none/{at}")});
    let list = json!({"version": 1, "roots": (0..most).map(root).collect::<Vec<_>>()});
    put(&index.dir().join(SOURCES), list.to_string());
    let report = world.build(&index, &corpus, OnBad::Stop, Existing::None).unwrap();
    assert_eq!((report.documents, report.warnings), (2, 1));
    let sources = inspect(&index).unwrap().sources;
    assert_eq!((sources.roots.len(), sources.without), (most, 2));
    let engine = Engine::new(&index).unwrap();
    let document = engine.searcher().doc(engine.find("a").unwrap()).unwrap();
    assert_eq!(index.fields().origin(&document), None);
}

/// Makes the empty index one of a build that knew no sources.
fn without_sources(index: Index) -> Index {
    let dir = index.dir().to_path_buf();
    let path = dir.join("meta.json");
    let mut meta: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    for key in ["crc32", "uncsm_files"] {
        meta.as_object_mut().unwrap().remove(key).unwrap();
    }
    let last = meta["schema"].as_array_mut().unwrap().pop().unwrap();
    assert_eq!(last["name"], "_source", "after all others, so that these keep their numbers");
    put(&path, meta.to_string());
    Index::open(&dir).unwrap()
}

#[test]
fn an_index_without_sources_and_one_with_them_are_searched_as_one() {
    let world = World::new();
    let line = |at: usize| {
        let word = ["red", "green", "blue"][at % 3];
        json!({"id": format!("d{at}"), "text": format!("{word} {at}"), "n": at, "tags": [word, "all"]})
    };
    let corpus = world.corpus(&(0..20).map(line).collect::<Vec<_>>());
    let [first, plain] = ["first", "plain"].map(|name| without_sources(world.create_at(&corpus, name)));
    let sources = world.create_at(&corpus, "sources");
    for index in [&first, &plain, &sources] {
        world.build(index, &corpus, OnBad::Stop, Existing::None).unwrap();
    }
    assert_eq!((plain.roots().unwrap().len(), sources.roots().unwrap().len()), (0, 1));
    let answers = |indexes: [&Index; 2]| -> Vec<String> {
        let engine = Engine::over(indexes, first.bundle().clone()).unwrap();
        let all = || engine.request().k(40).items(uncsm_index::search::ListItems::All);
        let features: Vec<f32> = (0..5).map(|i| i as f32 - 1.5).collect();
        let requests = [
            all().keywords("red OR 7"),
            all().filter("n:[3 TO 9]").keywords("tags:all"),
            all().filter("tags_exact:blue").facet("tags"),
            all().features("text", &features).unwrap(),
            all().features("text", &features).unwrap().keywords("text:green"),
        ];
        requests.map(|request| serde_json::to_string(&request.run().unwrap()).unwrap()).into()
    };
    assert_eq!(answers([&first, &sources]), answers([&first, &plain]));
    assert_eq!(answers([&sources, &first]), answers([&plain, &first]));
    assert!(answers([&first, &sources]).iter().all(|answer| answer.len() > 500));
}

#[test]
fn a_report_is_of_one_commit_whatever_a_writer_does() {
    let world = World::new();
    let corpus = world.corpus(&[json!({"id": "a", "text": "one"})]);
    let index = world.create(&corpus);
    let ended = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut writer = index.writer(MEMORY).unwrap();
            for _ in 0..60 {
                writer.add(tantivy::TantivyDocument::default()).unwrap();
                writer.commit().unwrap();
            }
            writer.finish().unwrap();
            ended.store(true, Ordering::Relaxed);
        });
        while !ended.load(Ordering::Relaxed) {
            let report = inspect(&index).unwrap();
            assert_eq!(report.documents, report.sources.without + report.sources.unread);
        }
    });
    assert_eq!(inspect(&index).unwrap().sources.without, 60);
}
