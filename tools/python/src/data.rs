//! What is learned from and measured on: rows of numpy features, of features files, or an encoded corpus.

use std::path::{Path, PathBuf};

use numpy::{PyReadonlyArray1, PyReadonlyArray2};
use pyo3::prelude::*;
use uncsm_index::corpus::{EncoderArg, Keys, MediaKey, Passages, Split};
use uncsm_index::data::{CorpusOptions, Labels, MediaFeatures, NewClasses, TrainingData, from_corpora};
use uncsm_index::encode::{FeatureCache, Registry};
use uncsm_index::index::Source;
use uncsm_index::media::Fingerprint;
use uncsm_index::{Error, ErrorCode, Result};

use crate::arrays::{Matrix, Rows};
use crate::bundle::PyBundle;
use crate::error::{raised, words};
use crate::json::plain;
use crate::stored::{self, Beside};
use crate::watch;

/// Reasons that are kept of what was left out.
const REASONS: usize = 100;

/// Rows of features with classes, groups and splits.
#[pyclass(frozen, name = "Data", module = "uncsm_index._native")]
pub(crate) struct PyData {
    pub(crate) data: TrainingData,
    left_out: u64,
    reasons: Vec<String>,
}

/// How a corpus is read, as `Bundle.train` and `Index.build` are told.
#[derive(Clone, Default)]
pub(crate) struct Reading {
    pub(crate) keys: Keys,
    pub(crate) encoders: Vec<EncoderArg>,
    pub(crate) passages: Option<Passages>,
    pub(crate) cache: Option<PathBuf>,
}

/// The same in Python: `media_keys`, `map`, `without`, `encoders`, `passages`, `features_cache`.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
pub(crate) struct PyReading {
    media_keys: Vec<String>,
    map: Vec<String>,
    without: Vec<String>,
    encoders: Vec<(String, String)>,
    passages: Option<String>,
    features_cache: Option<PathBuf>,
}

impl PyReading {
    pub(crate) fn read(self) -> Result<Reading> {
        let media = |keys: Keys, key: &String| keys.with(key.parse::<MediaKey>()?);
        let keys = self.media_keys.iter().try_fold(Keys::default(), media)?;
        // What is said in several arguments holds at once too.
        let keys = if self.map.is_empty() { keys } else { keys.map(&self.map.join(","))? };
        Ok(Reading {
            keys: keys.without(&self.without),
            encoders: encoder_args(&self.encoders)?,
            passages: self.passages.as_deref().map(str::parse).transpose()?,
            cache: self.features_cache,
        })
    }
}

impl Reading {
    /// Corpora, or features with the corpus of their rows.
    pub(crate) fn source(&self, paths: &[PathBuf]) -> Source {
        let mut source =
            Source::corpora(paths.to_vec()).keys(self.keys.clone()).encoders(self.encoders.clone());
        if let Some(passages) = self.passages {
            source = source.passages(passages);
        }
        match &self.cache {
            Some(dir) => source.cache(dir),
            None => source,
        }
    }

    /// Where encoders are looked for.
    pub(crate) fn registry(&self) -> Registry {
        Registry::from_env().with_named(&self.encoders)
    }
}

/// Encoders by media type, as names or folders.
pub(crate) fn encoder_args(named: &[(String, String)]) -> Result<Vec<EncoderArg>> {
    named.iter().map(|(media, name)| EncoderArg::parse(&format!("{media}={name}"))).collect()
}

#[pymethods]
impl PyData {
    /// Rows of numpy arrays: row i of each is one document. `labels` are classes from 0, negative for none.
    #[staticmethod]
    #[pyo3(signature = (features, labels, class_names, label, split, groups, encoders, name, start))]
    #[allow(clippy::too_many_arguments, reason = "called by the face in Python alone")]
    fn from_features(
        py: Python<'_>,
        features: Vec<(String, PyReadonlyArray2<'_, f32>)>,
        labels: Option<PyReadonlyArray1<'_, i64>>,
        class_names: Option<Vec<String>>,
        label: String,
        split: Option<Vec<String>>,
        groups: Option<PyReadonlyArray1<'_, u64>>,
        encoders: Vec<(String, String)>,
        name: String,
        start: Option<&Bound<'_, PyBundle>>,
    ) -> PyResult<Self> {
        let rows: Vec<Rows<'_>> =
            features.into_iter().map(|(media, array)| Rows::new(media, array)).collect();
        let matrices = rows.iter().map(Rows::matrix).collect::<PyResult<Vec<_>>>()?;
        let labels = labels.map(|labels| labels.as_array().to_vec());
        let groups = groups.map(|groups| groups.as_array().to_vec());
        let start = start.map(|start| &start.get().bundle);
        let made = py.detach(|| -> Result<TrainingData> {
            let n = matrices.first().map_or(0, |matrix| matrix.rows);
            let mut media =
                matrices.iter().map(|matrix| given(matrix, &encoders)).collect::<Result<Vec<_>>>()?;
            if let Some(start) = start {
                let place = |name: &str| start.media().iter().position(|media| media.name == name);
                media.sort_by_key(|media| place(&media.name));
            }
            let split = match split {
                None => vec![Split::Train; n],
                Some(words) => words.iter().map(|word| word.parse()).collect::<Result<_>>()?,
            };
            let labels = labels.map(|values| classes(&values, class_names, label)).transpose()?;
            let (documents, graded) = (None, Vec::new());
            Ok(TrainingData { media, labels, groups, split, features_name: name, documents, graded })
        });
        let data = made.map_err(|error| raised(py, &error))?;
        Ok(Self { data, left_out: 0, reasons: Vec::new() })
    }

    /// Rows of features files, which stay there; `label`, `test_mask` and `group` are tensors.
    #[staticmethod]
    #[pyo3(signature = (paths, pathways, label, test_mask, group, encoders, start))]
    #[allow(clippy::too_many_arguments, reason = "called by the face in Python alone")]
    fn from_files(
        py: Python<'_>,
        paths: Vec<PathBuf>,
        pathways: Vec<String>,
        label: Option<String>,
        test_mask: Option<String>,
        group: Option<String>,
        encoders: Vec<(String, String)>,
        start: Option<&Bound<'_, PyBundle>>,
    ) -> PyResult<Self> {
        let start = start.map(|start| &*start.get().bundle);
        let beside =
            Beside { label: label.as_deref(), test_mask: test_mask.as_deref(), group: group.as_deref() };
        let made = py.detach(|| stored::open(&paths, &pathways, &beside, &encoders, start));
        let data = made.map_err(|error| raised(py, &error))?;
        Ok(Self { data, left_out: 0, reasons: Vec::new() })
    }

    /// An encoded corpus; with `start` by its encoders and with its classes. `progress` gets the number of documents so far.
    #[staticmethod]
    #[pyo3(signature = (paths, reading, label, group, start, new_classes_refused, progress))]
    #[allow(clippy::too_many_arguments, reason = "called by the face in Python alone")]
    fn from_corpus(
        py: Python<'_>,
        paths: Vec<PathBuf>,
        reading: PyReading,
        label: Option<String>,
        group: Option<String>,
        start: Option<&Bound<'_, PyBundle>>,
        new_classes_refused: bool,
        progress: Option<Bound<'_, PyAny>>,
    ) -> PyResult<Self> {
        let reading = reading.read().map_err(|error| raised(py, &error))?;
        let start = start.map(|start| &start.get().bundle);
        let (mut left_out, mut reasons) = (0, Vec::new());
        let work = |watch: &watch::Watch<u64>| {
            reading.source(&paths).check()?;
            let encoders = match start {
                Some(bundle) => Some(reading.source(&paths).all_encoders_for(bundle, &reading.registry())?),
                None => None,
            };
            let cache = reading.cache.as_deref().map(FeatureCache::open).transpose()?;
            let known = start.and_then(|bundle| bundle.classes());
            let options = CorpusOptions {
                label: label.as_deref().or(known.map(|classes| classes.key.as_str())),
                group: group.as_deref(),
                encoders: &reading.encoders,
                paths: Registry::from_env(),
                keys: reading.keys.clone(),
                passages: reading.passages,
                trained: encoders.as_ref().map(|encoders| (encoders, known)),
                new_classes: if new_classes_refused { NewClasses::Refused } else { NewClasses::Unlabelled },
                cache: cache.as_ref(),
            };
            let mut skipped = |error: Error| {
                left_out += 1;
                if reasons.len() < REASONS {
                    reasons.push(error.render(words));
                }
            };
            let mut data = from_corpora(&paths, &options, &mut skipped, &mut |documents| {
                watch.tell(documents);
                watch.check();
            })?;
            if let Some(bundle) = start {
                let place = |name: &str| bundle.media().iter().position(|media| media.name == name);
                data.media.sort_by_key(|media| place(&media.name));
            }
            Ok(data)
        };
        let data = watch::run(py, work, |documents| match &progress {
            Some(hear) => hear.call1((documents,)).map(drop),
            None => Ok(()),
        })?;
        Ok(Self { data, left_out, reasons })
    }

    /// Rows by split, items by media type, classes.
    fn summary<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        plain(py, &self.data.summary())
    }

    /// How much of a corpus was left out.
    #[getter]
    fn left_out(&self) -> u64 {
        self.left_out
    }

    /// Why, of the first hundred.
    #[getter]
    fn reasons(&self) -> Vec<String> {
        self.reasons.clone()
    }
}

/// The features of one media type; a row of zeros is no item.
fn given(matrix: &Matrix<'_>, encoders: &[(String, String)]) -> Result<MediaFeatures> {
    let named = encoders.iter().find(|(media, _)| media == matrix.media);
    let (encoder, fingerprint) = match named {
        Some((media, name)) => maker(media, name, matrix.columns)?,
        // As the library calls features of a tensor of this name.
        None => (format!("features:{}", matrix.media), None),
    };
    Ok(MediaFeatures {
        name: matrix.media.to_owned(),
        encoder,
        encoder_state: Vec::new(),
        fingerprint,
        d_in: matrix.columns,
        present: (0..matrix.rows).map(|row| matrix.row(row).iter().any(|x| *x != 0.0)).collect(),
        rows: matrix.values.to_vec().into(),
    })
}

/// The encoder that made features: with a fingerprint, where it is here, so that the bundle encodes queries by itself.
fn maker(media: &str, name: &str, width: usize) -> Result<(String, Option<Fingerprint>)> {
    let encoder = match Registry::from_env().open(media, name) {
        Ok(encoder) => encoder,
        // Of another place, or of the app alone: a name.
        Err(error) if error.code() == ErrorCode::NotFound && !Path::new(name).is_absolute() => {
            return Ok((name.to_owned(), None));
        }
        Err(error) => return Err(error),
    };
    if encoder.features() != width {
        let what = format!("the encoder of the media type `{media}` did not make these features");
        return Err(Error::new(ErrorCode::BadDimension, what)
            .expected(format!("{} features, as {} gives them", encoder.features(), encoder.name()))
            .got(width)
            .hint("name another encoder, or none: the bundle then encodes no queries"));
    }
    Ok((encoder.name().to_owned(), Some(encoder.fingerprint())))
}

fn classes(values: &[i64], names: Option<Vec<String>>, key: String) -> Result<Labels> {
    let class = |(row, &value): (usize, &i64)| match value {
        ..0 => Ok(None),
        _ => u32::try_from(value).map(Some).map_err(|_| {
            Error::new(ErrorCode::BadValue, format!("row {row} of the labels is no class"))
                .expected("a number from 0 to the number of classes, or a negative one for none")
                .got(value)
        }),
    };
    let class = values.iter().enumerate().map(class).collect::<Result<_>>()?;
    Ok(Labels { class, names, key })
}
