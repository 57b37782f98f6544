//! An index, or several that answer as one.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use numpy::PyReadonlyArray2;
use pyo3::prelude::*;
use pyo3::types::{PyCapsule, PyDict};
use serde_json::json;
use uncsm_index::corpus::PathwayArg;
use uncsm_index::encode::Registry;
use uncsm_index::index::{self, BuildProgress, CommitPolicy, Index, IndexBuilder, OnBad, Source};
use uncsm_index::schema::SchemaOverrides;
use uncsm_index::search::{Engine, Request, RequestSpec, Response};
use uncsm_index::{Error, Result};

use crate::arrays::Rows;
use crate::bundle::PyBundle;
use crate::data::{PyReading, Reading, encoder_args};
use crate::delete;
use crate::documents::{Built, Held};
use crate::error::{bad, raised, words};
use crate::json::{plain, to_object};
use crate::query::spec;
use crate::watch::{self, Watch};
use crate::{segments, table};

/// An open index, or several.
#[pyclass(frozen, name = "Index", module = "uncsm_index._native")]
pub(crate) struct PyIndex {
    dirs: Vec<PathBuf>,
    indexes: Vec<Index>,
    engine: Engine,
}

/// What is indexed, and how.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
pub(crate) struct What<'py> {
    /// Of a corpus.
    paths: Vec<PathBuf>,
    /// A safetensors file with the tensors of media types, `MEDIA=TENSOR`.
    features_file: Option<(PathBuf, Vec<String>)>,
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
    features_file: Option<(PathBuf, Vec<String>)>,
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
            features_file: what.features_file,
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
        let Some((file, pathways)) = &self.features_file else { return Ok(self.reading.source(&self.paths)) };
        let pathways = pathways.iter().map(|arg| PathwayArg::parse(arg)).collect::<Result<Vec<_>>>()?;
        let source = Source::features(file, pathways).encoders(self.reading.encoders.clone());
        Ok(match self.paths.first() {
            Some(fields) => source.fields_of(fields).keys(self.reading.keys.clone()),
            None => source,
        })
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

/// What a schema file says; errors call it so.
fn overrides(schema: Option<&String>) -> Result<SchemaOverrides> {
    schema.map_or_else(|| Ok(SchemaOverrides::default()), |text| SchemaOverrides::parse(text, "schema"))
}

#[pymethods]
impl PyIndex {
    /// Opens indexes that answer as one; `bundle` scores in place of the index's own, several need one.
    #[staticmethod]
    fn open(
        py: Python<'_>,
        paths: Vec<PathBuf>,
        bundle: Option<&Bound<'_, PyBundle>>,
        encoders: Vec<(String, String)>,
    ) -> PyResult<Self> {
        let bundle = bundle.map(|bundle| bundle.get().bundle.clone());
        let open = || -> Result<(Vec<Index>, Engine)> {
            let indexes = paths.iter().map(|path| Index::open(path)).collect::<Result<Vec<_>>>()?;
            let engine = match (bundle, indexes.as_slice()) {
                (None, [one]) => Engine::new(one)?,
                (None, [first, ..]) => Engine::over(&indexes, first.bundle().clone())?,
                (Some(bundle), _) => Engine::over(&indexes, bundle)?,
                (None, []) => return Err(bad("no index is named")),
            };
            let named = encoder_args(&encoders)?;
            let paths = Registry::from_env().with_named(&named);
            let engine = if named.is_empty() { engine } else { engine.with_encoders(paths) };
            Ok((indexes, engine))
        };
        let (indexes, engine) = py.detach(open).map_err(|error| raised(py, &error))?;
        Ok(Self { dirs: paths, indexes, engine })
    }

    /// Builds a new index, and says what came of it.
    #[staticmethod]
    fn build<'py>(
        py: Python<'py>,
        out: PathBuf,
        bundle: &Bound<'py, PyBundle>,
        what: What<'py>,
        how: How,
        progress: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let bundle = &bundle.get().bundle;
        let started = Instant::now();
        let mut ready = Ready::new(py, what)?;
        let schema = overrides(how.schema.as_ref()).map_err(|error| raised(py, &error))?;
        let built = if ready.is_held {
            if how.append || how.resume || how.embed_encoders || how.commit_every.is_some() {
                let what =
                    "`append`, `resume`, `commit_every` and `embed_encoders` belong to a build from files";
                return Err(raised(py, &bad(what)));
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

    /// Adds documents in one commit, and says what came of it.
    fn add<'py>(
        &self,
        py: Python<'py>,
        what: What<'py>,
        progress: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let dir = self.only().map_err(|error| raised(py, &error))?;
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
        self.reload(py)?;
        reported(py, &built, started)
    }

    /// Deletes documents in one commit, and says how many.
    fn delete<'py>(
        &self,
        py: Python<'py>,
        ids: Vec<String>,
        filters: Vec<String>,
        all: bool,
        dry_run: bool,
    ) -> PyResult<Bound<'py, PyAny>> {
        let dir = self.only().map_err(|error| raised(py, &error))?;
        let asked = delete::Asked { ids, filters, all, dry_run };
        let done = watch::run(py, |_: &Watch<()>| delete::run(dir, asked), |()| Ok(()))?;
        if !dry_run {
            self.reload(py)?;
        }
        plain(py, &done)
    }

    /// Goes on to the last commit; whether there was a newer one.
    fn reload(&self, py: Python<'_>) -> PyResult<bool> {
        py.detach(|| self.engine.reload()).map_err(|error| raised(py, &error))
    }

    /// Answers one query.
    fn query<'py>(&self, py: Python<'py>, keys: &Bound<'py, PyDict>) -> PyResult<Bound<'py, PyAny>> {
        let (spec, started) = (spec(keys)?, Instant::now());
        let work = |watch: &Watch<()>| spec.request(&self.engine)?.cancel(watch.cancel()).run();
        let response = watch::run(py, work, |()| Ok(()))?;
        answered(py, &response, started.elapsed())
    }

    /// Answers many queries in one pass over the stored rows.
    fn batch(&self, py: Python<'_>, queries: Vec<Bound<'_, PyDict>>) -> PyResult<PyBatch> {
        let specs = queries.iter().map(spec).collect::<PyResult<Vec<RequestSpec>>>()?;
        let started = Instant::now();
        let work = |watch: &Watch<()>| {
            let mut answers: Vec<Option<Result<Response>>> = Vec::with_capacity(specs.len());
            let mut requests = Vec::new();
            for spec in &specs {
                watch.check();
                match spec.request(&self.engine) {
                    Ok(request) => {
                        requests.push(Request::cancel(request, watch.cancel()));
                        answers.push(None);
                    }
                    Err(error) => answers.push(Some(Err(error))),
                }
            }
            let mut ran = self.engine.batch(requests).into_iter();
            let missing = || Err(bad("a query has no answer"));
            Ok(answers
                .into_iter()
                .map(|answer| answer.or_else(|| ran.next()).unwrap_or_else(missing))
                .collect())
        };
        let answers = watch::run(py, work, |()| Ok(()))?;
        Ok(PyBatch { answers, took: started.elapsed() })
    }

    /// Where it is, or they are.
    #[getter]
    fn paths(&self) -> Vec<PathBuf> {
        self.dirs.clone()
    }

    /// The bundle that scores.
    fn bundle(&self) -> PyBundle {
        PyBundle::new(self.engine.bundle())
    }

    /// Live documents of the state that queries see.
    fn documents(&self, py: Python<'_>) -> PyResult<u64> {
        let count = || match self.indexes.as_slice() {
            [_] => Ok(self.engine.searcher().num_docs()),
            several => several.iter().map(|index| Ok(index.reader()?.searcher().num_docs())).sum(),
        };
        py.detach(count).map_err(|error: Error| raised(py, &error))
    }

    /// Stored rows of a media type, segment by segment, in place.
    fn vectors(&self, py: Python<'_>, media: &str) -> PyResult<Vec<segments::PySegment>> {
        let dir = self.only().map(drop).map_err(|error| raised(py, &error));
        dir?;
        let searcher = self.engine.searcher();
        let of = || segments::of(&self.indexes[0], searcher.segment_readers(), media);
        py.detach(of).map_err(|error| raised(py, &error))
    }

    /// What the index is made of.
    fn inspect<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let dir = self.only().map_err(|error| raised(py, &error))?;
        let report = py.detach(|| index::inspect(&Index::open(dir)?)).map_err(|error| raised(py, &error))?;
        plain(py, &report)
    }

    /// Reads every checksum and every row.
    fn verify<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let dir = self.only().map_err(|error| raised(py, &error))?;
        let found = py.detach(|| index::examine(dir)).map_err(|error| raised(py, &error))?;
        let ok = found.is_sound();
        plain(
            py,
            &json!({ "ok": ok, "damage": found.damage, "unchecked": found.unchecked, "notes": found.notes }),
        )
    }

    /// Uses another bundle of the same space from now on.
    fn attach(&self, py: Python<'_>, bundle: &Bound<'_, PyBundle>) -> PyResult<()> {
        let dir = self.only().map_err(|error| raised(py, &error))?;
        let bundle = &bundle.get().bundle;
        py.detach(|| index::attach(dir, bundle)).map_err(|error| raised(py, &error))?;
        self.reload(py).map(drop)
    }
}

impl PyIndex {
    /// The folder that is changed or looked at.
    fn only(&self) -> Result<&PathBuf> {
        match self.dirs.as_slice() {
            [one] => Ok(one),
            several => Err(bad("this is done to one index")
                .got(format!("{} indexes", several.len()))
                .hint("open it alone")),
        }
    }
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

fn answered<'py>(py: Python<'py>, response: &Response, took: Duration) -> PyResult<Bound<'py, PyAny>> {
    let answer = plain(py, response)?;
    answer.set_item("took_ms", took.as_secs_f64() * 1000.0)?;
    Ok(answer)
}

/// The answers of a batch: dicts by position, and an Arrow table of all hits.
#[pyclass(frozen, name = "Batch", module = "uncsm_index._native")]
pub(crate) struct PyBatch {
    answers: Vec<Result<Response, Error>>,
    took: Duration,
}

#[pymethods]
impl PyBatch {
    fn __len__(&self) -> usize {
        self.answers.len()
    }

    /// The answer of the query at a position; raises its error, if it has one.
    fn answer<'py>(&self, py: Python<'py>, at: usize) -> PyResult<Bound<'py, PyAny>> {
        match self.answers.get(at) {
            Some(Ok(response)) => plain(py, response),
            Some(Err(error)) => Err(raised(py, error)),
            None => Err(pyo3::exceptions::PyIndexError::new_err("no such query")),
        }
    }

    /// Positions of queries that failed.
    fn failed(&self) -> Vec<usize> {
        (0..).zip(&self.answers).filter(|(_, answer)| answer.is_err()).map(|(at, _)| at).collect()
    }

    #[getter]
    fn took_ms(&self) -> f64 {
        self.took.as_secs_f64() * 1000.0
    }

    /// The stream of the Arrow PyCapsule interface.
    fn arrow_c_stream<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyCapsule>> {
        let stream = py.detach(|| table::stream(&self.answers));
        let stream = stream.map_err(|error| pyo3::exceptions::PyRuntimeError::new_err(error.to_string()))?;
        PyCapsule::new_with_value(py, stream, c"arrow_array_stream")
    }
}
