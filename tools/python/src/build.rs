//! What is indexed and how, as Python says it: from files, or documents and rows that the app holds.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use numpy::PyReadonlyArray2;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use serde_json::json;
use uncsm_index::Result;
use uncsm_index::corpus::PathwayArg;
use uncsm_index::encode::Registry;
use uncsm_index::index::{BuildProgress, CommitPolicy, IndexBuilder, OnBad, Source};
use uncsm_index::model::Bundle;
use uncsm_index::schema::SchemaOverrides;

use crate::arrays::Rows;
use crate::data::{PyReading, Reading};
use crate::documents::{Built, Held};
use crate::error::{bad, raised, words};
use crate::json::{plain, to_object};
use crate::watch::{self, Watch};

/// What is indexed, and how.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
pub(crate) struct What<'py> {
    /// Of a corpus.
    paths: Vec<PathBuf>,
    /// Safetensors files, of which one alone can be indexed, with the tensors of media types, `MEDIA=TENSOR`.
    features_files: Option<(Vec<PathBuf>, Vec<String>)>,
    documents: Option<Vec<Bound<'py, PyDict>>>,
    rows: Vec<(String, PyReadonlyArray2<'py, f32>)>,
    reading: PyReading,
    strict: bool,
    memory: usize,
}

impl What<'_> {
    /// Whether the app holds the documents itself.
    fn is_held(&self) -> bool {
        self.documents.is_some() || !self.rows.is_empty()
    }
}

/// The parts of [`What`] that need the interpreter, read.
struct Ready<'py> {
    rows: Vec<Rows<'py>>,
    documents: Option<String>,
    paths: Vec<PathBuf>,
    features_files: Option<(Vec<PathBuf>, Vec<String>)>,
    reading: Reading,
    on_bad: OnBad,
    memory: usize,
    is_held: bool,
}

impl<'py> Ready<'py> {
    fn new(py: Python<'py>, what: What<'py>) -> PyResult<Self> {
        let is_held = what.is_held();
        let documents = what.documents.map(|documents| lines(&documents)).transpose()?;
        Ok(Self {
            rows: what.rows.into_iter().map(|(media, array)| Rows::new(media, array)).collect(),
            documents,
            paths: what.paths,
            features_files: what.features_files,
            reading: what.reading.read().map_err(|error| raised(py, &error))?,
            on_bad: if what.strict { OnBad::Stop } else { OnBad::Warn },
            memory: what.memory,
            is_held,
        })
    }

    fn held(&mut self, py: Python<'_>) -> PyResult<Held<'_>> {
        if self.reading.passages.is_some() || self.reading.cache.is_some() {
            return Err(raised(py, &bad("`passages` and `features_cache` belong to a corpus of files")));
        }
        Ok(Held {
            documents: self.documents.take(),
            features: self.rows.iter().map(Rows::matrix).collect::<PyResult<_>>()?,
            keys: self.reading.keys.clone(),
            registry: self.reading.registry(),
            on_bad: self.on_bad,
            memory: self.memory,
        })
    }

    fn source(&self) -> Result<Source> {
        let Some((files, pathways)) = &self.features_files else {
            return Ok(self.reading.source(&self.paths));
        };
        let file = one(files)?;
        let pathways = pathways.iter().map(|arg| PathwayArg::parse(arg)).collect::<Result<Vec<_>>>()?;
        let source = Source::features(file, pathways).encoders(self.reading.encoders.clone());
        Ok(match self.paths.first() {
            Some(fields) => source.fields_of(fields).keys(self.reading.keys.clone()),
            None => source,
        })
    }
}

/// The one file of features that can be indexed.
fn one(files: &[PathBuf]) -> Result<&PathBuf> {
    match files {
        [file] => Ok(file),
        [] => Err(bad("no features file is named")),
        [_, second, ..] => Err(bad("several features files are named")
            .file(second)
            .expected("one features file")
            .got(format!("{} files", files.len()))
            .hint("build an index of each, with the corpus of its rows, whose ids differ; `Index.open` takes several, and `uncsm-index merge` makes one of them")),
    }
}

/// Documents as JSON Lines.
fn lines(documents: &[Bound<'_, PyDict>]) -> PyResult<String> {
    let mut out = String::new();
    for document in documents {
        out.push_str(&serde_json::Value::Object(to_object(document)?).to_string());
        out.push('\n');
    }
    Ok(out)
}

/// Settings of a build from a source.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
pub(crate) struct How {
    append: bool,
    force: bool,
    resume: bool,
    embed_encoders: bool,
    commit_every: Option<u64>,
    schema: Option<String>,
    id_from: Option<String>,
}

/// Settings that documents of an app have no use for.
const OF_FILES: &str = "`append`, `resume`, `commit_every`, `embed_encoders` and `id_from`";

/// What a schema file says; errors call it so.
fn overrides(schema: Option<&String>) -> Result<SchemaOverrides> {
    schema.map_or_else(|| Ok(SchemaOverrides::default()), |text| SchemaOverrides::parse(text, "schema"))
}

/// A new index at `out`; what came of it as a dict.
pub(crate) fn new<'py>(
    py: Python<'py>,
    (out, bundle): (PathBuf, &Bundle),
    what: What<'py>,
    how: How,
    progress: Option<Bound<'py, PyAny>>,
) -> PyResult<Bound<'py, PyAny>> {
    let started = Instant::now();
    let mut ready = Ready::new(py, what)?;
    let schema = overrides(how.schema.as_ref()).map_err(|error| raised(py, &error))?;
    let built = if ready.is_held {
        let is_of_files = how.append || how.resume || how.embed_encoders;
        if is_of_files || how.commit_every.is_some() || how.id_from.is_some() {
            return Err(raised(py, &bad(format!("{OF_FILES} belong to a build from files"))));
        }
        let held = ready.held(py)?;
        let work = |watch: &Watch<BuildProgress>| held.build((&out, how.force), bundle, &schema, watch);
        watch::run(py, work, heard(&progress))?
    } else {
        let source = ready.source().map_err(|error| raised(py, &error))?;
        let (paths, on_bad, memory) = (ready.reading.registry(), ready.on_bad, ready.memory);
        let work = |watch: &Watch<BuildProgress>| {
            let mut builder = IndexBuilder::new(&out, bundle).memory(memory);
            if let Some(documents) = how.commit_every {
                builder = builder.commits(CommitPolicy { documents, time: Duration::from_secs(60) });
            }
            if how.schema.is_some() {
                builder = builder.schema(schema);
            }
            if let Some(from) = &how.id_from {
                builder = builder.ids_from(from.parse()?);
            }
            if how.append {
                builder = builder.append();
            }
            if how.force {
                builder = builder.force();
            }
            if how.resume {
                builder = builder.resume();
            }
            if how.embed_encoders {
                builder = builder.embed_encoders();
            }
            from_files(builder, source, (paths, on_bad), watch)
        };
        watch::run(py, work, heard(&progress))?
    };
    reported(py, &built, started)
}

/// Documents into the index at `dir`, in one commit; what came of it as a dict.
pub(crate) fn add<'py>(
    py: Python<'py>,
    dir: &Path,
    what: What<'py>,
    progress: Option<Bound<'py, PyAny>>,
) -> PyResult<Bound<'py, PyAny>> {
    let started = Instant::now();
    let mut ready = Ready::new(py, what)?;
    let built = if ready.is_held {
        let held = ready.held(py)?;
        watch::run(py, |watch: &Watch<BuildProgress>| held.add(dir, watch), heard(&progress))?
    } else {
        let source = ready.source().map_err(|error| raised(py, &error))?;
        let (paths, on_bad, memory) = (ready.reading.registry(), ready.on_bad, ready.memory);
        let work = |watch: &Watch<BuildProgress>| {
            from_files(IndexBuilder::add_to(dir).memory(memory), source, (paths, on_bad), watch)
        };
        watch::run(py, work, heard(&progress))?
    };
    reported(py, &built, started)
}

/// Runs `builder` over a source of files.
fn from_files<'a>(
    builder: IndexBuilder<'a>,
    source: Source,
    (paths, on_bad): (Registry, OnBad),
    watch: &'a Watch<BuildProgress>,
) -> Result<Built> {
    let builder = builder.source(source).encoder_paths(paths).on_bad(on_bad).words(words);
    let report = builder.progress(|at| watch.tell(at)).interrupt(|| Ok(watch.flag())).run()?;
    Ok(Built { report, damaged: Vec::new() })
}

/// Calls `progress` with a dict.
fn heard<'a>(progress: &'a Option<Bound<'_, PyAny>>) -> impl FnMut(BuildProgress) -> PyResult<()> + 'a {
    move |at| {
        let Some(hear) = progress else { return Ok(()) };
        let said = json!({
            "consumed": at.consumed, "documents": at.documents, "items": at.items, "warnings": at.warnings,
            "position": at.position, "length": at.length,
        });
        hear.call1((plain(hear.py(), &said)?,)).map(drop)
    }
}

fn reported<'py>(py: Python<'py>, built: &Built, started: Instant) -> PyResult<Bound<'py, PyAny>> {
    let report = plain(py, built)?;
    report.set_item("seconds", started.elapsed().as_secs_f64())?;
    Ok(report)
}
