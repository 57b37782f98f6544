//! Where documents came from is kept in the index, and media types are names from the keys of a corpus.

use uncsm_index::corpus::{Given, Keys, Reader};
use uncsm_index::index::inspect;
use uncsm_index::schema::infer_with;

use super::*;

/// What the document `id` says of its source: kind of the root, and the reference without it.
fn origin(index: &Index, id: &str) -> (String, Value) {
    let index = Index::open(index.dir()).unwrap();
    let engine = Engine::new(&index).unwrap();
    let document = engine.searcher().doc(engine.find(id).unwrap()).unwrap();
    let origin = index.fields().origin(&document).unwrap();
    let root = index.manifest().roots.iter().find(|root| root.id == origin.root).unwrap();
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
    assert_eq!(index.manifest().roots.len(), 2);
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
    let source = CorpusSource::open_with(&corpus, Ids::FromLine, &keys).unwrap();
    let report = index::build(&index, &mut writer, source, options, &mut |_| {}).unwrap();
    writer.commit().unwrap();
    // One file is missing, and nobody encodes the summary.
    assert_eq!(report.items, BTreeMap::from([("audio".to_owned(), 2), ("text".to_owned(), 1)]));
    assert_eq!((report.documents, report.skipped.len()), (2, 2));
    assert_eq!(stored(&index, "b").len(), 1);
}
