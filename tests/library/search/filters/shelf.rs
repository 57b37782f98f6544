//! Random documents in an index of several segments, some of them deleted.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use rand::Rng;
use rand_chacha::ChaCha8Rng;
use serde_json::{Map, Value, json};
use tantivy::collector::DocSetCollector;
use tantivy::query::Query;
use tantivy::schema::{Schema, Value as _};
use tantivy::{DocAddress, IndexWriter, Searcher, TantivyDocument, Term};
use uncsm_index::corpus::JsonlReader;
use uncsm_index::schema::{FieldKind, FieldMap, FieldSchema, FieldSpec, register_analyses, tantivy_schema};

use super::generate::{DATES, ODD, WORDS};

const DOCUMENTS: usize = 60;

pub(crate) struct Shelf {
    index: tantivy::Index,
    searcher: Searcher,
    fields: FieldMap,
    ids: HashMap<DocAddress, String>,
}

fn schema() -> FieldSchema {
    let text = |tokenizer: &str, facet: bool, fast: bool| FieldSpec {
        tokenizer: tokenizer.into(),
        facet,
        fast,
        multi: true,
        ..FieldSpec::new(FieldKind::Text)
    };
    let of = |kind| FieldSpec { multi: true, ..FieldSpec::new(kind) };
    let fields = [
        ("text", text("default", true, false)),
        ("title", text("stop:english", true, false)),
        ("name", text("default", false, true)),
        ("note", text("words", false, false)),
        ("tag", text("raw", false, false)),
        ("n", of(FieldKind::Integer)),
        ("x", of(FieldKind::Float)),
        ("b", FieldSpec { fast: false, ..of(FieldKind::Bool) }),
        ("d", of(FieldKind::Date)),
        ("meta", FieldSpec::new(FieldKind::Extra)),
    ];
    FieldSchema::new(fields.map(|(name, spec)| (name.to_owned(), spec)).into()).unwrap()
}

impl Shelf {
    pub(crate) fn random(rng: &mut ChaCha8Rng) -> Self {
        let mut builder = Schema::builder();
        let fields = tantivy_schema(&schema(), &mut builder);
        let index = tantivy::Index::create_in_ram(builder.build());
        register_analyses(&index).unwrap();
        let mut writer: IndexWriter = index.writer_with_num_threads(1, 15_000_000).unwrap();
        writer.set_merge_policy(Box::new(tantivy::merge_policy::NoMergePolicy));
        for at in 0..DOCUMENTS {
            let line = document(rng, at).to_string();
            let read = JsonlReader::new(line.as_bytes(), "documents").next().unwrap().unwrap();
            let mut out = TantivyDocument::new();
            fields.fill(&read, &mut out).unwrap();
            writer.add_document(out).unwrap();
            if rng.random_bool(0.08) {
                writer.commit().unwrap();
            }
        }
        writer.commit().unwrap();
        for at in (0..DOCUMENTS).filter(|_| rng.random_bool(0.1)).collect::<Vec<_>>() {
            writer.delete_term(Term::from_field_text(fields.id(), &at.to_string()));
        }
        writer.commit().unwrap();
        let searcher = index.reader().unwrap().searcher();
        let mut ids = HashMap::new();
        for (segment, reader) in searcher.segment_readers().iter().enumerate() {
            for doc in reader.doc_ids_alive() {
                let address = DocAddress::new(segment as u32, doc);
                let stored: TantivyDocument = searcher.doc(address).unwrap();
                ids.insert(address, stored.get_first(fields.id()).unwrap().as_str().unwrap().to_owned());
            }
        }
        Self { index, searcher, fields, ids }
    }

    pub(crate) fn index(&self) -> &tantivy::Index {
        &self.index
    }

    pub(crate) fn find(&self, query: &dyn Query) -> BTreeSet<String> {
        let found = self.searcher.search(query, &DocSetCollector).unwrap();
        found.iter().map(|address| self.ids[address].clone()).collect()
    }

    /// The live documents as the index stores them.
    pub(crate) fn stored(&self) -> BTreeMap<String, Map<String, Value>> {
        let stored = |(address, id): (&DocAddress, &String)| {
            let document: TantivyDocument = self.searcher.doc(*address).unwrap();
            (id.clone(), self.fields.stored_fields(&document, &self.index.schema()))
        };
        self.ids.iter().map(stored).collect()
    }
}

fn document(rng: &mut ChaCha8Rng, at: usize) -> Value {
    let mut out = Map::new();
    out.insert("id".into(), json!(at.to_string()));
    for name in ["texts", "title", "name", "note", "tag"] {
        if rng.random_bool(0.75) {
            let many = rng.random_range(1..3);
            out.insert(name.into(), (0..many).map(|_| text(rng)).collect::<Vec<_>>().into());
        }
    }
    if rng.random_bool(0.7) {
        let whole = [-5i64, 7, 0, 1, -1500, 1999, 10, 9_007_199_254_740_993];
        let many = rng.random_range(0..3);
        out.insert(
            "n".into(),
            (0..many).map(|_| whole[rng.random_range(0..whole.len())]).collect::<Vec<_>>().into(),
        );
    }
    if rng.random_bool(0.7) {
        let floats = [-5.0, 0.0, -0.0, 0.5, -1500.0, 100.0, 2.25, -0.125];
        out.insert("x".into(), json!(floats[rng.random_range(0..floats.len())]));
    }
    if rng.random_bool(0.6) {
        out.insert("b".into(), json!(rng.random_bool(0.5)));
    }
    if rng.random_bool(0.7) {
        let many = rng.random_range(1..3);
        let dates: Vec<&str> = (0..many).map(|_| DATES[rng.random_range(0..DATES.len())]).collect();
        out.insert("d".into(), dates.into());
    }
    if rng.random_bool(0.6) {
        let years = [
            json!(1999),
            json!(2005),
            json!(-5),
            json!(0.5),
            json!("1999"),
            json!(null),
            json!([7, 10]),
            json!(-1500),
        ];
        let mut meta = Map::new();
        meta.insert("year".into(), years[rng.random_range(0..years.len())].clone());
        if rng.random_bool(0.6) {
            meta.insert("kind".into(), text(rng).into());
        }
        if rng.random_bool(0.4) {
            meta.insert("deep".into(), json!({ "kind": [text(rng), text(rng)] }));
        }
        out.insert("meta".into(), meta.into());
    }
    out.into()
}

/// A value, an odd one, a long word, or several values in a row.
fn text(rng: &mut ChaCha8Rng) -> String {
    let word = |rng: &mut ChaCha8Rng| WORDS[rng.random_range(0..WORDS.len())].to_owned();
    match rng.random_range(0..12) {
        0 => ODD[rng.random_range(0..ODD.len())].to_owned(),
        1 => "y".repeat([39, 40, 119, 120][rng.random_range(0..4)]),
        2 => "w".repeat([256, 257, 300][rng.random_range(0..3)]),
        3..=5 => format!("{} {}", word(rng), word(rng)),
        6 => format!("{} the {}", word(rng), word(rng)),
        7 => format!("{} ", "red fox").repeat(60),
        _ => word(rng),
    }
}
