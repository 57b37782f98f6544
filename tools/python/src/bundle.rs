//! The trained model.

use std::path::PathBuf;
use std::sync::Arc;

use numpy::{PyArray2, PyReadonlyArray2};
use pyo3::prelude::*;
use pyo3::types::PyDict;
use serde_json::{Map, Value, json};
use uncsm_index::corpus::{Pairs, Split};
use uncsm_index::encode::Item;
use uncsm_index::eval::Evaluation;
use uncsm_index::model::{Bundle, OnExisting};
use uncsm_index::train::{Progress, TrainConfig, Trainer, calibrate};
use uncsm_index::{Error, ErrorCode, Result};

use crate::arrays::{self, Rows};
use crate::data::{PyData, encoder_args};
use crate::error::{bad, raised};
use crate::json::{plain, to_object};
use crate::watch;

/// A trained model.
#[pyclass(frozen, name = "Bundle", module = "uncsm_index._native")]
pub(crate) struct PyBundle {
    pub(crate) bundle: Arc<Bundle>,
    /// What training said; null of a bundle that was loaded.
    report: Value,
}

impl PyBundle {
    pub(crate) fn new(bundle: impl Into<Arc<Bundle>>) -> Self {
        Self { bundle: bundle.into(), report: Value::Null }
    }
}

#[pymethods]
impl PyBundle {
    #[staticmethod]
    fn load(py: Python<'_>, path: PathBuf) -> PyResult<Self> {
        py.detach(|| Bundle::load(&path)).map(Self::new).map_err(|error| raised(py, &error))
    }

    fn save(&self, py: Python<'_>, path: PathBuf, replace: bool) -> PyResult<()> {
        let existing = if replace { OnExisting::Replace } else { OnExisting::Refuse };
        py.detach(|| self.bundle.save_as(&path, existing)).map_err(|error| raised(py, &error))
    }

    /// Looks at settings before a corpus is encoded for them.
    #[staticmethod]
    fn check(py: Python<'_>, config: &Bound<'_, PyDict>) -> PyResult<()> {
        let config = to_object(config)?;
        settings(&config, 0).map(drop).map_err(|error| raised(py, &error))
    }

    /// Trains on `data`. `config` has the keys of a file of settings; `progress` gets a dict after each epoch.
    #[staticmethod]
    #[pyo3(signature = (data, config, start, pairs, progress))]
    fn train(
        py: Python<'_>,
        data: &Bound<'_, PyData>,
        config: &Bound<'_, PyDict>,
        start: Option<&Bound<'_, PyBundle>>,
        pairs: Option<PathBuf>,
        progress: Option<Bound<'_, PyAny>>,
    ) -> PyResult<Self> {
        let config = to_object(config)?;
        let data = &data.get().data;
        let start = start.map(|start| &start.get().bundle);
        let work = |watch: &watch::Watch<Progress>| {
            let graded;
            let (mut learned, mut count) = (data, None);
            if let Some(path) = pairs {
                let mut own = data.clone();
                count = Some(own.grade(&Pairs::read(path)?)?);
                graded = own;
                learned = &graded;
            }
            let rows = learned.split.iter().filter(|split| **split == Split::Train).count();
            let config = settings(&config, rows)?;
            let mut trainer = Trainer::new(learned).config(config).progress(|at| {
                watch.tell(at.clone());
                watch.check();
            });
            if let Some(start) = start {
                trainer = trainer.from(start);
            }
            let trained = trainer.run()?;
            let mut report =
                json!({ "data": learned.summary(), "stages": trained.stages, "deep_members": trained.deep });
            if let Some(count) = count {
                report["pairs"] = json!({ "used": count.used, "left_out": count.left_out });
            }
            Ok(Self { bundle: Arc::new(trained.bundle), report })
        };
        watch::run(py, work, |at: Progress| {
            let Some(hear) = &progress else { return Ok(()) };
            let said = json!({
                "run": at.run, "runs": at.runs, "stage": at.stage, "epoch": at.epoch, "epochs": at.epochs, "loss": at.loss,
                "score": at.score,
            });
            hear.call1((plain(py, &said)?,)).map(drop)
        })
    }

    /// MAP, recall and calibration on a split of `data`.
    fn evaluate<'py>(
        &self,
        py: Python<'py>,
        data: &Bound<'py, PyData>,
        split: &str,
    ) -> PyResult<Bound<'py, PyAny>> {
        let data = &data.get().data;
        let work = || Evaluation::new(&self.bundle, data).split(split.parse()?).run();
        plain(py, &py.detach(work).map_err(|error| raised(py, &error))?)
    }

    /// The same model with probabilities that are fitted on `data`.
    fn calibrate(&self, py: Python<'_>, data: &Bound<'_, PyData>, prior: Option<f32>) -> PyResult<Self> {
        let data = &data.get().data;
        py.detach(|| calibrate(&self.bundle, data, prior)).map(Self::new).map_err(|error| raised(py, &error))
    }

    /// Shared vectors `[n, d]` of features `[n, d_in]`.
    fn project<'py>(
        &self,
        py: Python<'py>,
        media: String,
        features: PyReadonlyArray2<'py, f32>,
    ) -> PyResult<Bound<'py, PyArray2<f32>>> {
        let rows = Rows::new(media, features);
        let matrix = rows.matrix()?;
        let work = || -> Result<Vec<f32>> {
            let at = self.bundle.media_index(matrix.media)?;
            let expected = self.bundle.media()[at].features;
            if matrix.columns != expected {
                let what = format!("features of `{}` do not fit its pathway", matrix.media);
                return Err(Error::new(ErrorCode::BadDimension, what).expected(expected).got(matrix.columns));
            }
            self.bundle.project(at, matrix.values)
        };
        let shared = py.detach(work).map_err(|error| raised(py, &error))?;
        arrays::matrix(py, shared, self.bundle.dim())
    }

    /// Features `[n, d_in]` of texts (`str`) or media files (`bytes`), by the bundle's own encoder.
    fn encode<'py>(
        &self,
        py: Python<'py>,
        media: &str,
        items: Vec<Given>,
        encoders: Vec<(String, String)>,
    ) -> PyResult<Bound<'py, PyArray2<f32>>> {
        let work = || -> Result<(Vec<f32>, usize)> {
            let registry = uncsm_index::encode::Registry::from_env().with_named(&encoder_args(&encoders)?);
            let encoder = self.bundle.encoder(self.bundle.media_index(media)?, &registry)?;
            let read: Vec<Item<'_>> = items.iter().map(Given::item).collect();
            let mut features = Vec::with_capacity(items.len() * encoder.features());
            for (at, row) in encoder.encode(&read).into_iter().enumerate() {
                features.extend(row.map_err(|error| {
                    if error.facts().line.is_none() { error.line(at as u64 + 1) } else { error }
                })?);
            }
            Ok((features, encoder.features()))
        };
        let (features, columns) = py.detach(work).map_err(|error| raised(py, &error))?;
        arrays::matrix(py, features, columns)
    }

    /// What it is made of.
    fn inspect<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let bundle = &self.bundle;
        let media = bundle.media().iter().enumerate().map(|(at, media)| {
            let landmarks = bundle.members(at).landmarks;
            let about = json!({
                "encoder": media.encoder, "dim": media.features, "fingerprint": media.fingerprint, "landmarks": landmarks,
            });
            (media.name.clone(), about)
        });
        let about = json!({
            "fingerprint": { "space": bundle.space(), "score": bundle.score(), "model": bundle.model() },
            "media": media.collect::<Map<_, _>>(),
            "shared_dim": bundle.dim(),
            "targets": bundle.metric().targets(),
            "default_target": bundle.default_target(),
            "classes": bundle.classes(),
            "learned_fusion": bundle.fusion().is_some(),
        });
        plain(py, &about)
    }

    /// What training said, None of a bundle that was loaded.
    #[getter]
    fn report<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        plain(py, &self.report)
    }
}

/// An item that is to be encoded.
#[derive(FromPyObject)]
pub(crate) enum Given {
    Text(String),
    Bytes(Vec<u8>),
}

impl Given {
    fn item(&self) -> Item<'_> {
        match self {
            Self::Text(text) => Item::Text(text),
            Self::Bytes(bytes) => Item::Bytes(bytes),
        }
    }
}

/// Settings by name, over those that suit so many rows.
///
/// # Errors
/// Those of the settings; lines of the text that they pass through are left out.
fn settings(config: &Map<String, Value>, rows: usize) -> Result<TrainConfig> {
    let text = toml::to_string(config)
        .map_err(|error| bad(format!("the settings of training do not read: {error}")))?;
    let config = TrainConfig::from_toml_for(&text, rows).map_err(|error| {
        let facts = error.facts();
        Error::new(facts.code, &facts.message)
            .hint("the keyword arguments that are no part of a source are settings of training")
    })?;
    config.check()?;
    Ok(config)
}
