//! Damage in stored documents of an index that is not read whole: an error that names the file, and never the end of the
//! process. Its checksums stay those of the commit, as damage leaves them.

use std::ops::Range;
use std::path::{Path, PathBuf};

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::json;
use tantivy::schema::{STORED, STRING, Schema};
use tantivy::store::Compressor;
use tantivy::{IndexSettings, IndexWriter, TantivyDocument};
use uncsm_index::corpus::JsonlReader;
use uncsm_index::index::{Index, MediaField, UvecPlugin, inspect};
use uncsm_index::schema::{FieldKind, FieldSchema, FieldSpec};
use uncsm_index::search::{Engine, Request};
use uncsm_index::{ErrorCode, Result};

use crate::common::bundle;
use crate::common::files::{copy_dir, edit_json, file_of, put};

/// Bytes of what ends a store.
const END: usize = 28;
/// Of the document that is damaged.
const VICTIM: usize = 7;
const DOCUMENTS: usize = 12;
/// A number of the host that is 2^45: as many bytes as no machine gives.
const MUCH: [u8; 7] = [0, 0, 0, 0, 0, 0, 0x88];

/// An index with one segment in one block, which is packed or lies open.
struct World {
    dir: tempfile::TempDir,
    index: PathBuf,
    file: PathBuf,
    store: Vec<u8>,
    /// Of the store, before the footer of the file.
    body: usize,
}

fn fields() -> FieldSchema {
    let fields = [
        ("note", FieldSpec::new(FieldKind::Text)),
        ("meta", FieldSpec::new(FieldKind::Extra)),
        ("size", FieldSpec::new(FieldKind::Integer)),
    ];
    FieldSchema::new(fields.map(|(name, spec)| (name.to_owned(), spec)).into()).unwrap()
}

/// Every third has a note that has no term.
fn line(at: usize) -> String {
    let long = "lorem ipsum ".repeat(if at == VICTIM { 6000 } else { 3 });
    let note = if at % 3 == 1 { "!? ".repeat(if at == VICTIM { 24_000 } else { 9 }) } else { long };
    let meta = json!({ "list": [at, "a string", [1, 2, 3]], "more": { "name": "Ada" }, "year": 1900 + at });
    json!({ "id": format!("d{at}"), "note": note, "meta": meta, "size": at }).to_string()
}

impl World {
    fn new(packing: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let index = dir.path().join("index");
        drop(Index::create(&index, &fields(), &bundle(3)).unwrap());
        // As the host alone writes it, without a record of files so far.
        edit_json(&index.join("meta.json"), |meta| {
            let meta = meta.as_object_mut().unwrap();
            meta.retain(|key, _| key != "uncsm_files" && key != "crc32");
            let settings = meta["index_settings"].as_object_mut().unwrap();
            assert!(settings.insert("docstore_compression".into(), packing.into()).is_some());
            settings.insert("docstore_blocksize".into(), 1_000_000.into());
        });
        let opened = Index::open(&index).unwrap();
        let mut writer = opened.writer(15 << 20).unwrap();
        for at in 0..DOCUMENTS {
            let line = line(at);
            let read = JsonlReader::new(line.as_bytes(), "documents").next().unwrap().unwrap();
            let mut out = TantivyDocument::new();
            opened.fields().fill(&read, &mut out).unwrap();
            writer.add(out).unwrap();
        }
        writer.commit().unwrap();
        writer.finish().unwrap();
        let file = file_of(&index, "store");
        let store = std::fs::read(&file).unwrap();
        let footer = u32::from_le_bytes(store[store.len() - 8..][..4].try_into().unwrap());
        let body = store.len() - 8 - footer as usize;
        let file = file.strip_prefix(&index).unwrap().to_owned();
        let world = Self { dir, index, file, store, body };
        for (name, act) in ACTS {
            assert_eq!(
                act(&world.index).unwrap(),
                if name.starts_with("a ") { 1 } else { DOCUMENTS },
                "{name}"
            );
        }
        world
    }

    /// Where the index of the store begins.
    fn blocks(&self) -> usize {
        let at = self.body - END + 4;
        u64::from_le_bytes(self.store[at..at + 8].try_into().unwrap()) as usize
    }

    fn number(&self, at: usize) -> usize {
        u32::from_le_bytes(self.store[at..at + 4].try_into().unwrap()) as usize
    }

    /// Where the offsets of an open block stand.
    fn offsets(&self) -> usize {
        let count = self.number(self.blocks() - 4);
        assert_eq!(count, DOCUMENTS);
        self.blocks() - 4 - 4 * count
    }

    /// The bytes of a document in an open block.
    fn document(&self, at: usize) -> Range<usize> {
        let offsets = self.offsets();
        self.number(offsets + 4 * at)..self.number(offsets + 4 * at + 4)
    }

    /// Where `bytes` stand in the victim.
    fn find(&self, bytes: &[u8]) -> usize {
        let document = self.document(VICTIM);
        let found = self.store[document.clone()].windows(bytes.len()).position(|window| window == bytes);
        document.start + found.unwrap()
    }

    /// The index with other bytes in its store.
    fn damaged(&self, at: usize, bytes: &[u8]) -> PathBuf {
        let dir = self.dir.path().join("damaged");
        let _ = std::fs::remove_dir_all(&dir);
        copy_dir(&self.index, &dir);
        let mut store = self.store.clone();
        store[at..at + bytes.len()].copy_from_slice(bytes);
        assert_ne!(store, self.store);
        put(&dir.join(&self.file), store);
        dir
    }

    /// What is done with the index, each refused with the file and the way out.
    fn assert_told(&self, what: &str, at: usize, bytes: &[u8], said: &str) {
        let dir = self.damaged(at, bytes);
        for (name, act) in ACTS {
            let error = act(&dir).err().unwrap_or_else(|| panic!("{what}, {name}: nothing was told"));
            let facts = error.facts();
            assert_eq!(error.code(), ErrorCode::Damaged, "{what}, {name}: {error}");
            assert_eq!(
                facts.file.as_deref(),
                Some(dir.join(&self.file).as_path()),
                "{what}, {name}: {error}"
            );
            assert!(error.to_string().contains(said), "{what}, {name}: {error}");
            assert!(
                facts.hint.as_ref().is_some_and(|hint| hint.contains("verify")),
                "{what}, {name}: {error}"
            );
        }
        // All files are read: it is found before documents are.
        let report = Index::open_reading(&dir, 0).and_then(|index| inspect(&index));
        assert!(report.is_ok_and(|report| !report.damaged.is_empty()), "{what}: inspect");
    }
}

/// Gives the number of hits.
type Act = fn(&Path) -> Result<usize>;

/// As a large index is opened.
fn engine(dir: &Path) -> Result<Engine> {
    Engine::new(&Index::open_reading(dir, 0)?)
}

fn hits(request: Request) -> Result<usize> {
    request.k(100).run().map(|response| response.hits.len())
}

const ACTS: [(&str, Act); 6] = [
    ("fields of hits", |dir| hits(engine(dir)?.request().filter("*"))),
    ("a snippet", |dir| {
        let request = engine(dir)?.request().filter("size:7").keywords("size:7");
        hits(request.fields(["size"]).snippet("note"))
    }),
    ("a document by its id", |dir| engine(dir)?.document(&format!("d{VICTIM}"), None).map(|_| 1)),
    ("order by stored values", |dir| {
        hits(engine(dir)?.request().filter("*").sort("_extra.meta.year").fields([""; 0]))
    }),
    ("collapse by stored values", |dir| {
        hits(engine(dir)?.request().filter("*").collapse("_extra.meta.year").fields([""; 0]))
    }),
    ("what has a field", |dir| hits(engine(dir)?.request().filter("note:*").fields([""; 0]))),
];

#[test]
fn a_damaged_value_of_a_stored_document_is_told() {
    let world = World::new("none");
    let note = world.find(b"!? !? ");
    let size = world.document(VICTIM);
    // Three bytes of length stand before the note, and its type before them.
    assert_eq!(world.store[note - 4], 0);
    let told = |what: &str, at: usize, bytes: &[u8], said: &str| world.assert_told(what, at, bytes, said);
    told("length of a string", note - 3, &MUCH, "a string is longer than what is left");
    told("length of bytes", note - 4, &[&[4][..], &MUCH].concat(), "a value of bytes is longer");
    told("length of a facet", note - 4, &[&[3][..], &MUCH].concat(), "a facet is longer");
    told("count of a list", note - 4, &[&[12][..], &MUCH].concat(), "a list: there are more");
    told("count of an object", note - 4, &[&[13][..], &MUCH].concat(), "an object: there are more");
    told("a length one too long", note - 3, &[world.store[note - 3] ^ 1], "");
    told("nesting", note - 4, &[12, 0x81].repeat(30_000), "nested too deeply");
    told("a text that is none", note + 9, &[0xff], "UTF-8");
    told("a type", note - 4, &[99], "no known type");
    told("a field", note - 8, &[0xff; 4], "a field that the index does not have");
    told("a count of values", size.start, &[0xff], "");
    told("a larger count of values", size.start, &MUCH, "values: there are more");
    let inner = world.find(b"a string");
    told("length of a nested string", inner - 1, &MUCH, "a string is longer");
    let key = world.find(b"list");
    told("length of a key", key - 1, &MUCH, "a key is longer");
    told("count of a nested list", key + 5, &MUCH, "a list: there are more");
    told("count of the object", key - 3, &[0x87], "a key without a value");
}

#[test]
fn a_damaged_block_or_index_of_a_store_is_told() {
    let world = World::new("none");
    let told = |what: &str, at: usize, bytes: &[u8], said: &str| world.assert_told(what, at, bytes, said);
    let (blocks, offsets) = (world.blocks(), world.offsets());
    let most = u32::MAX.to_le_bytes();
    told("offset of a document", offsets + 4 * VICTIM, &most, "");
    told("offset of the next one", offsets + 4 * VICTIM + 4, &most, "");
    told(
        "a document from the middle of another",
        offsets + 4 * VICTIM,
        &[world.store[offsets + 4 * VICTIM] ^ 1],
        "",
    );
    told("documents of a block", blocks - 4, &most, "");
    told("no documents in a block", blocks - 4, &[0; 4], "");
    // The index: one layer, its end, one block of so many documents and bytes.
    assert_eq!(world.store[blocks], 0x81);
    told("count of layers", blocks, &MUCH, "more layers than bytes");
    told("the end of a layer", blocks + 1, &[0xff], "do not follow each other");
    told("no block", blocks + 2, &[0x80], "");
    told("many blocks", blocks + 2, &[0xff], "");
    told("the first document of a block", blocks + 3, &[0xff], "");
    told("the first byte of a block", blocks + 4, &[0xff], "");
    told("no documents", blocks + 5, &[0x80], "");
    told("bytes of a block", blocks + 6, &[0, 0x81], "");
    let end = world.body - END;
    told("version", end, &[9], "no known version");
    told("where the index begins", end + 4, &[0xff; 8], "begins behind its end");
    told("where the index begins, a bit", end + 6, &[world.store[end + 6] ^ 2], "");
    told("packing", end + 12, &[77], "packed by no known method");
    told("packing of open blocks", end + 12, &[1], "");
}

#[test]
fn a_packed_block_that_asks_for_more_than_it_can_hold_is_told() {
    let world = World::new("lz4");
    assert!(world.blocks() < 4000, "packed");
    let told = |what: &str, at: usize, bytes: &[u8], said: &str| world.assert_told(what, at, bytes, said);
    told("size of a block", 0, &u32::MAX.to_le_bytes(), "unpacks to more than it can");
    told("size of a block, a bit", 3, &[0x40], "unpacks to more than it can");
    told("a smaller size", 0, &[world.store[0].wrapping_sub(1)], "");
    told("a packed byte", 9, &[world.store[9] ^ 0xff], "");
    told("no index", world.blocks(), &MUCH, "more layers than bytes");
}

/// Bytes that are drawn, outside of the long text.
#[test]
fn flips_all_over_a_store_are_told_or_read_as_other_values() {
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    let (mut told, mut other) = (0, 0);
    for (packing, count) in [("none", 80), ("lz4", 40)] {
        let world = World::new(packing);
        let long = match packing {
            "none" => world.find(b"!? !? ")..world.find(b"!? !? ") + 70_000,
            _ => 0..0,
        };
        let places: Vec<usize> = (0..world.body).filter(|at| !long.contains(at)).collect();
        for _ in 0..count {
            let at = places[rng.random_range(0..places.len())];
            let bytes = [world.store[at] ^ (1 << rng.random_range(0..8))];
            let dir = world.damaged(at, &bytes);
            for (name, act) in ACTS {
                match act(&dir) {
                    Ok(_) => other += 1,
                    Err(error) => {
                        let file = error.facts().file.clone();
                        assert_eq!(error.code(), ErrorCode::Damaged, "{packing} {at}, {name}: {error}");
                        assert_eq!(file, Some(dir.join(&world.file)), "{packing} {at}, {name}: {error}");
                        told += 1;
                    }
                }
            }
        }
    }
    assert!(told > 100 && other > 100, "{told} told, {other} not");
}

/// An app's own index, in a directory of the host's that checks nothing.
#[test]
fn a_guest_reads_the_documents_of_its_host_as_safely() {
    let dir = tempfile::tempdir().unwrap();
    let mut builder = Schema::builder();
    let id = builder.add_text_field("id", STRING | STORED);
    let note = builder.add_text_field("note", STORED);
    MediaField::add(&mut builder, &bundle(3).space_spec()).unwrap();
    let plugin = UvecPlugin::new();
    let settings = IndexSettings { docstore_compression: Compressor::None, ..IndexSettings::default() };
    let new = tantivy::Index::builder().schema(builder.build()).settings(settings);
    let index = new.register_plugin(plugin.registered()).create_in_dir(dir.path()).unwrap();
    let mut writer: IndexWriter = index.writer_with_num_threads(1, 15_000_000).unwrap();
    for at in 0..DOCUMENTS {
        let mut document = TantivyDocument::new();
        document.add_text(id, format!("d{at}"));
        document.add_text(note, format!("a note of {at}"));
        writer.add_document(document).unwrap();
    }
    writer.commit().unwrap();
    drop((writer, index));
    let file = file_of(dir.path(), "store");
    let sound = std::fs::read(&file).unwrap();
    let at = sound.windows(11).position(|window| window == b"a note of 7").unwrap();
    let read = |store: &[u8]| {
        put(&file, store);
        let plugin = UvecPlugin::new();
        let mut index = tantivy::Index::open_in_dir(dir.path()).unwrap();
        index.register_plugin(plugin.registered());
        let reader = index.reader().unwrap();
        let engine = Engine::host(&index, reader, plugin.cache(), bundle(3)).unwrap();
        let exists = engine.request().filter("note:*").k(100).run();
        [engine.request().filter("*").k(100).run(), exists, engine.request().filter("id:d7").run()]
    };
    assert!(read(&sound).iter().all(|answer| answer.is_ok()));
    for (at, bytes, said) in [(at - 1, &MUCH[..], "a string is longer"), (at - 2, &[99], "no known type")] {
        let mut store = sound.clone();
        store[at..at + bytes.len()].copy_from_slice(bytes);
        for answer in read(&store) {
            let error = answer.unwrap_err();
            let name = Path::new(file.file_name().unwrap());
            assert_eq!((error.code(), error.facts().file.as_deref()), (ErrorCode::Damaged, Some(name)));
            assert!(error.to_string().contains(said), "{error}");
        }
    }
}
