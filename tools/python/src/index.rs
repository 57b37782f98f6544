//! An index, or several that answer as one.

use std::path::PathBuf;
use std::time::Instant;

use pyo3::prelude::*;
use pyo3::types::PyDict;
use serde_json::json;
use uncsm_index::encode::Registry;
use uncsm_index::index::{self, Index};
use uncsm_index::search::{Engine, Request, RequestSpec, Response};
use uncsm_index::{Error, Result};

use crate::batch::{PyBatch, answered};
use crate::build::{self, How, What};
use crate::bundle::PyBundle;
use crate::data::encoder_args;
use crate::error::{bad, raised};
use crate::json::plain;
use crate::query::spec;
use crate::watch::{self, Watch};
use crate::{delete, segments};

/// An open index, or several.
#[pyclass(frozen, name = "Index", module = "uncsm_index._native")]
pub(crate) struct PyIndex {
    dirs: Vec<PathBuf>,
    indexes: Vec<Index>,
    engine: Engine,
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
        build::new(py, (out, &bundle.get().bundle), what, how, progress)
    }

    /// Adds documents in one commit, and says what came of it.
    fn add<'py>(
        &self,
        py: Python<'py>,
        what: What<'py>,
        progress: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let dir = self.only().map_err(|error| raised(py, &error))?;
        let report = build::add(py, dir, what, progress)?;
        self.reload(py)?;
        Ok(report)
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
        self.only().map_err(|error| raised(py, &error))?;
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
