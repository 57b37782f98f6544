//! Documents that an app holds: dicts, and rows of numpy features. Indexes made of them name no source.

use std::collections::BTreeSet;
use std::io::Cursor;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Serialize;
use uncsm_index::corpus::{Document, Given, JsonlReader, Keys, ReadError};
use uncsm_index::encode::{Content, Encoders, Incoming, Place, RawItem, Registry, SourceDocument};
use uncsm_index::index::{
    BuildOptions, BuildProgress, BuildReport, Existing, Index, OnBad, Writer, build, duplicate_ids,
};
use uncsm_index::model::Bundle;
use uncsm_index::schema::{BadLines, FieldSchema, SchemaOverrides, infer_with};
use uncsm_index::{Error, ErrorCode, Result};

use crate::arrays::Matrix;
use crate::error::{bad, words};
use crate::watch::Watch;

/// What errors call the documents; their lines are positions, from 1.
const NAME: &str = "documents";

/// What is to be indexed.
pub(crate) struct Held<'a> {
    /// JSON Lines; `None` where rows have no fields.
    pub(crate) documents: Option<String>,
    /// Row i of each is of document i.
    pub(crate) features: Vec<Matrix<'a>>,
    pub(crate) keys: Keys,
    pub(crate) registry: Registry,
    pub(crate) on_bad: OnBad,
    pub(crate) memory: usize,
}

/// What came of it.
#[derive(Serialize)]
pub(crate) struct Built {
    #[serde(flatten)]
    pub(crate) report: BuildReport,
    /// Segments that merges leave out, with the reason.
    pub(crate) damaged: Vec<(String, String)>,
}

/// Documents that were read, each at its position.
type Read = Vec<std::result::Result<Document, Error>>;

impl Held<'_> {
    /// Reads the documents: as many as there are rows, where there are rows.
    fn read(&self) -> Result<Read> {
        let rows = match self.features.as_slice() {
            [] => None,
            [first, others @ ..] => {
                if let Some(other) = others.iter().find(|other| other.rows != first.rows) {
                    let what =
                        format!("features of `{}` and `{}` differ in their rows", first.media, other.media);
                    return Err(Error::new(ErrorCode::BadDimension, what)
                        .expected(first.rows)
                        .got(other.rows));
                }
                Some(first.rows)
            }
        };
        let read: Read = match (&self.documents, rows) {
            (Some(text), _) => {
                // Its folder, which paths of media are relative to, is the folder of the process.
                let reader = JsonlReader::new(Cursor::new(text.as_bytes()), NAME).keys(self.keys.clone());
                reader.map(|read| read.map_err(ReadError::into_error)).collect()
            }
            // As of a features file, the number of a row is its id.
            (None, Some(rows)) => {
                (0..rows as u64).map(|line| Ok(Document { line, ..Document::default() })).collect()
            }
            (None, None) => return Err(bad("neither documents nor features are given")),
        };
        match rows {
            Some(rows) if rows != read.len() => {
                let what = "features and documents differ in number";
                Err(Error::new(ErrorCode::BadDimension, what)
                    .expected(format!("{rows} documents"))
                    .got(read.len()))
            }
            _ => Ok(read),
        }
    }

    /// The encoders of all items that are no features yet.
    fn encoders(&self, bundle: &Bundle, read: &Read) -> Result<Encoders> {
        for matrix in &self.features {
            let at = bundle.media_index(matrix.media)?;
            let expected = bundle.media()[at].features;
            if matrix.columns != expected {
                let what = format!("features of `{}` do not fit its pathway", matrix.media);
                return Err(Error::new(ErrorCode::BadDimension, what).expected(expected).got(matrix.columns));
            }
        }
        if !self.features.is_empty() {
            return Ok(Encoders::new());
        }
        let is_raw = |given: &Given| !matches!(given, Given::Features(_));
        let of = |document: &Document| -> Vec<String> {
            let raw = document.items.iter().filter(|(_, items)| items.iter().any(is_raw));
            raw.map(|(media, _)| media.clone()).filter(|media| bundle.media_index(media).is_ok()).collect()
        };
        let wanted: BTreeSet<String> = read.iter().flatten().flat_map(of).collect();
        bundle.encoders_of(&wanted, &self.registry)
    }

    /// The documents as the pipeline takes them; of a place's number where ids are not required and none is given.
    fn incoming<'s>(&'s self, read: Read, required: bool) -> impl Iterator<Item = Incoming> + Send + 's {
        read.into_iter().enumerate().map(move |(row, read)| {
            let mut document = match read {
                Ok(document) => document,
                Err(error) => return Incoming::Bad(error),
            };
            let place = Place { file: PathBuf::from(NAME), line: document.line, from: 0 };
            if document.id.is_none() {
                if required {
                    let error = Error::new(ErrorCode::BadValue, "the document has no id")
                        .file(&place.file)
                        .line(place.line);
                    return Incoming::Bad(error.expected("the key `id`, since documents are replaced by id"));
                }
                document.id = Some(document.line.to_string());
            }
            let items = if self.features.is_empty() { items(&document) } else { self.rows(row) };
            Incoming::Document(Box::new(SourceDocument { place, document, items, origin: None }))
        })
    }

    fn rows(&self, row: usize) -> Vec<RawItem> {
        let item = |matrix: &Matrix<'_>| RawItem {
            media: matrix.media.to_owned(),
            ordinal: 0,
            span: None,
            content: Content::Features(matrix.row(row).to_vec()),
        };
        self.features.iter().map(item).collect()
    }

    /// A new index at `out`: made beside its place, and moved there when it is whole.
    pub(crate) fn build(
        &self,
        (out, replace): (&Path, bool),
        bundle: &Bundle,
        schema: &SchemaOverrides,
        watch: &Watch<BuildProgress>,
    ) -> Result<Built> {
        let is_there = out.symlink_metadata().is_ok();
        if is_there && !replace {
            return Err(Error::new(ErrorCode::Exists, "the output exists already")
                .file(out)
                .hint("choose another place, or say `force`"));
        }
        if is_there {
            // What is replaced is an index.
            Index::open(out)?;
        }
        let read = self.read()?;
        let encoders = self.encoders(bundle, &read)?;
        let fields = self.schema(&read, schema)?;
        let parent = out.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let name = out.file_name().unwrap_or_default().to_string_lossy();
        std::fs::create_dir_all(parent).map_err(|error| Error::io(parent, error))?;
        let beside = tempfile::Builder::new().prefix(&format!(".{name}.")).tempdir_in(parent);
        let beside = beside.map_err(|error| Error::io(parent, error))?;
        let made = beside.path().join("index");
        let mut index = Index::create(&made, &fields, bundle)?;
        let mut writer = index.writer(self.memory)?;
        let report = self.fill((&index, &mut writer), read, (&encoders, Existing::None), watch)?;
        let damaged = writer.finish()?;
        if let Some(field) = index.id_field()
            && let Some(id) = duplicate_ids(&index.reader()?.searcher(), field, 1)?.into_iter().next()
        {
            return Err(Error::new(ErrorCode::DuplicateId, format!("the id {id:?} stands twice"))
                .expected("one document per id")
                .hint("make the ids unique"));
        }
        index.mark_complete()?;
        drop(index);
        let moved = |from: &Path, to: &Path| std::fs::rename(from, to).map_err(|error| Error::io(to, error));
        if is_there {
            moved(out, &beside.path().join("old"))?;
        }
        moved(&made, out)?;
        Ok(Built { report, damaged })
    }

    /// Into an index that is there, in one commit.
    pub(crate) fn add(&self, dir: &Path, watch: &Watch<BuildProgress>) -> Result<Built> {
        let index = Index::open(dir)?;
        let read = self.read()?;
        let encoders = self.encoders(index.bundle(), &read)?;
        let mut writer = index.writer(self.memory)?;
        let report = self.fill((&index, &mut writer), read, (&encoders, Existing::Replace), watch)?;
        Ok(Built { report, damaged: writer.finish()? })
    }

    fn fill(
        &self,
        (index, writer): (&Index, &mut Writer),
        read: Read,
        (encoders, existing): (&Encoders, Existing),
        watch: &Watch<BuildProgress>,
    ) -> Result<BuildReport> {
        let source = self.incoming(read, existing == Existing::Replace);
        let options = BuildOptions {
            encoders: Some(encoders),
            on_bad: self.on_bad,
            existing,
            stop: Some(watch.flag()),
            words: Some(words),
            ..BuildOptions::default()
        };
        let report = build(index, writer, source, options, &mut |at| watch.tell(at))?;
        writer.commit()?;
        Ok(report)
    }

    /// The fields that a scan of the documents finds, under those that are given.
    fn schema(&self, read: &Read, given: &SchemaOverrides) -> Result<FieldSchema> {
        if let Some(complete) = given.complete()? {
            return Ok(complete);
        }
        if self.documents.is_none() {
            return given.apply(FieldSchema::default());
        }
        let documents = read.iter().map(|read| read.clone().map_err(ReadError::Document));
        Ok(infer_with(documents, (Path::new(NAME), &self.keys), given, BadLines::Skip)?.schema)
    }
}

/// The items of a document as it gives them.
fn items(document: &Document) -> Vec<RawItem> {
    let item = |media: &str, (at, given): (usize, &Given)| RawItem {
        media: media.to_owned(),
        ordinal: at as u32,
        span: None,
        content: match given {
            Given::Text(text) => Content::Text(text.clone()),
            Given::Path(path) => Content::File(path.clone()),
            Given::Bytes(bytes) => Content::Bytes(Arc::clone(bytes)),
            Given::Features(features) => Content::Features(features.clone()),
        },
    };
    let of = |(media, given): (&String, &Vec<Given>)| {
        given.iter().enumerate().map(|each| item(media, each)).collect::<Vec<_>>()
    };
    document.items.iter().flat_map(of).collect()
}
