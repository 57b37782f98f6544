//! Parts of a source, indexed apart, searched together and merged: the same as one index that was built in one go.

mod equal;
mod faults;
mod near;
mod parts;
mod refused;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use safetensors::tensor::{Dtype, TensorView};
use serde_json::{Value, json};
use uncsm_index::Result;
use uncsm_index::corpus::{EncoderArg, Keys, PathwayArg, Shard};
use uncsm_index::index::{BuildReport, CommitPolicy, Index, IndexBuilder, IndexMerger, MergeReport, Source};
use uncsm_index::model::Bundle;
use uncsm_index::schema::SchemaOverrides;
use uncsm_index::search::Engine;

use crate::common::{self, WORDS};

/// A folder with a source of documents, and indexes of it.
pub(crate) struct World {
    dir: tempfile::TempDir,
    pub(crate) bundle: Bundle,
    documents: Vec<Document>,
}

/// A document before it is indexed.
#[derive(Clone)]
pub(crate) struct Document {
    pub(crate) line: Value,
    pub(crate) image: Vec<f32>,
    pub(crate) text: Vec<f32>,
}

/// How the source is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Written {
    /// Rows of a file of features, with the corpus of their fields.
    Features,
    /// One file of lines, features among the keys.
    Lines,
    /// The same in three files.
    Files,
}

impl World {
    /// `n` documents. Some have the same features, so that scores tie.
    pub(crate) fn new(n: usize) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(n as u64);
        let shared = [common::features(&mut rng, 6), common::features(&mut rng, 5)];
        let documents = (0..n)
            .map(|at| {
                let words: Vec<&str> = (0..1 + at % 5).map(|_| WORDS[rng.random_range(0..WORDS.len())]).collect();
                let tie = rng.random_bool(0.2);
                let of = |media: usize, width: usize, rng: &mut ChaCha8Rng| {
                    if tie { shared[media].clone() } else { common::features(rng, width) }
                };
                Document {
                    // Ids that do not sort like documents.
                    line: json!({"id": format!("{:05}", at * 7919 % 99_991), "text": words.join(" "), "size": at % 17,
                        "nested": {"at": at}, "kind": WORDS[at % 3]}),
                    image: of(0, 6, &mut rng),
                    text: of(1, 5, &mut rng),
                }
            })
            .collect();
        Self { dir: tempfile::tempdir().unwrap(), bundle: common::hub_bundle(3), documents }
    }

    pub(crate) fn with(mut self, bundle: Bundle) -> Self {
        self.bundle = bundle;
        self
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Another source in the same folder.
    pub(crate) fn of(&self, documents: impl IntoIterator<Item = Document>) -> Source {
        source(self.dir.path(), "other", &documents.into_iter().collect::<Vec<_>>(), Written::Features)
    }

    pub(crate) fn documents(&self) -> &[Document] {
        &self.documents
    }

    pub(crate) fn source(&self, written: Written) -> Source {
        source(self.dir.path(), &format!("{written:?}"), &self.documents, written)
    }

    /// The builder of an index `name`, which commits often.
    pub(crate) fn builder(&self, name: &str, source: Source) -> IndexBuilder<'_> {
        let often = CommitPolicy { documents: 150, ..CommitPolicy::default() };
        IndexBuilder::new(self.path(name), &self.bundle).source(source).commits(often).memory(15_000_000)
    }

    /// The part `index` of `of` as the index `part.INDEX`.
    pub(crate) fn part(&self, written: Written, index: u32, of: u32) -> Result<BuildReport> {
        let shard = Shard::new(index, of).unwrap();
        self.builder(&format!("part.{index}"), self.source(written)).shard(shard).run()
    }

    pub(crate) fn parts(&self, written: Written, of: u32) -> Vec<PathBuf> {
        (0..of)
            .map(|index| {
                self.part(written, index, of).unwrap();
                self.path(&format!("part.{index}"))
            })
            .collect()
    }

    /// The merge of `from` as the index `name`.
    pub(crate) fn merger(&self, name: &str, from: &[PathBuf]) -> IndexMerger<'_> {
        from.iter().fold(IndexMerger::new(self.path(name)), |merger, index| merger.index(index))
    }

    pub(crate) fn merge(&self, name: &str, from: &[PathBuf]) -> Result<MergeReport> {
        self.merger(name, from).run()
    }
}

fn source(dir: &Path, name: &str, documents: &[Document], written: Written) -> Source {
    let encoders =
        || ["image", "text"].map(|media| EncoderArg::parse(&format!("{media}=random-{media}")).unwrap());
    match written {
        Written::Features => {
            let (file, corpus) = (dir.join(format!("{name}.safetensors")), dir.join(format!("{name}.jsonl")));
            // Written once: a source that changes is another one.
            if !file.exists() {
                write_features(documents, &file);
                common::files::write_lines(&corpus, &documents.iter().map(|d| &d.line).collect::<Vec<_>>());
            }
            let pathways =
                ["image", "text"].map(|media| PathwayArg::parse(&format!("{media}={media}")).unwrap());
            Source::features(file, pathways).encoders(encoders()).fields_of(corpus)
        }
        Written::Lines | Written::Files => {
            let files = if written == Written::Lines { 1 } else { 3 };
            let each = documents.len().div_ceil(files);
            let paths: Vec<PathBuf> = (0..files).map(|at| dir.join(format!("{name}.{at}.jsonl"))).collect();
            for (path, documents) in
                paths.iter().zip(documents.chunks(each)).filter(|(path, _)| !path.exists())
            {
                let line = |document: &Document| {
                    let mut line = document.line.clone();
                    (line["iv"], line["tv"]) = (json!(document.image), json!(document.text));
                    line
                };
                common::files::write_lines(path, &documents.iter().map(line).collect::<Vec<_>>());
            }
            let keys = Keys::default().map("image:features=iv,text:features=tv").unwrap();
            Source::corpora(paths).keys(keys).encoders(encoders())
        }
    }
}

fn write_features(documents: &[Document], file: &Path) {
    let bytes = |of: fn(&Document) -> &[f32]| -> Vec<u8> {
        documents.iter().flat_map(of).flat_map(|x| x.to_le_bytes()).collect()
    };
    let (image, text) = (bytes(|d| &d.image), bytes(|d| &d.text));
    let view =
        |width: usize, bytes| TensorView::new(Dtype::F32, vec![documents.len(), width], bytes).unwrap();
    let views = [("image", view(6, &image)), ("text", view(5, &text))];
    std::fs::write(file, safetensors::serialize(views, None).unwrap()).unwrap();
}

/// The bytes of each item of each document, by id: media type, ordinal, content hash, vector, half and hubs.
pub(crate) type Rows = BTreeMap<String, Vec<(usize, u32, [u8; 16], Vec<u32>)>>;

/// What the parts were warned of, by their lists.
pub(crate) fn warnings(parts: &[PathBuf]) -> u64 {
    let of = |part: &PathBuf| {
        let text = std::fs::read_to_string(part.join("uncsm-shard.json")).unwrap();
        serde_json::from_str::<Value>(&text).unwrap()["warnings"].as_u64().unwrap()
    };
    parts.iter().map(of).sum()
}

pub(crate) fn rows(dirs: &[PathBuf]) -> Rows {
    let mut rows = Rows::new();
    for dir in dirs {
        let index = Index::open(dir).unwrap();
        let searcher = index.reader().unwrap().searcher();
        for reader in searcher.segment_readers() {
            let vectors = index.cache().get(reader).unwrap();
            let ids = reader.fast_fields().str("id").unwrap().unwrap();
            for doc in reader.doc_ids_alive() {
                let mut id = String::new();
                ids.ord_to_str(ids.ords().first(doc).unwrap(), &mut id).unwrap();
                let mut items = Vec::new();
                for media in 0..index.bundle().media().len() {
                    let view = vectors.view(media);
                    for row in view.items_of(doc) {
                        let (mut vector, mut half) = (vec![0.0; view.dim], vec![0.0; view.half]);
                        view.vector_into(row, &mut vector);
                        view.half_into(row, &mut half);
                        let numbers =
                            [&vector[..], &half, view.hubs_of(row), &[view.inverse_norms[row]]].concat();
                        let bits = numbers.iter().map(|number| number.to_bits()).collect();
                        items.push((media, view.ordinals[row], view.hashes[row], bits));
                    }
                }
                assert!(rows.insert(id.clone(), items).is_none(), "{id} stands twice");
            }
        }
    }
    rows
}

pub(crate) fn engine(dirs: &[PathBuf], bundle: &Bundle) -> Engine {
    let indexes: Vec<Index> = dirs.iter().map(|dir| Index::open(dir).unwrap()).collect();
    Engine::over(&indexes, bundle.clone()).unwrap()
}

/// The names and bytes of all files, but for lock files.
pub(crate) fn bytes_of(dirs: &[PathBuf]) -> BTreeMap<PathBuf, Vec<u8>> {
    let files =
        dirs.iter().flat_map(|dir| common::files::files_of(dir).into_iter().map(|name| dir.join(name)));
    files.map(|file| (file.clone(), std::fs::read(&file).unwrap())).collect()
}

/// A schema that the source does not infer by itself.
pub(crate) fn other_schema(dir: &Path) -> SchemaOverrides {
    let file = dir.join("other.toml");
    std::fs::write(&file, "[fields.size]\ntype = \"float\"\n").unwrap();
    SchemaOverrides::open(&file).unwrap()
}
