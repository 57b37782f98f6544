//! Encoders of an engine: each opened once, when a query part needs it first, or given by the app.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::encode::{Encoder, Registry};
use crate::error::{Error, ErrorCode, Result};
use crate::model::Bundle;

/// Where encoders are looked for, and those that are there already, by media type.
#[derive(Default)]
pub(crate) struct OpenEncoders {
    paths: Registry,
    /// By the app.
    given: BTreeMap<usize, Arc<dyn Encoder>>,
    open: Mutex<BTreeMap<usize, Arc<dyn Encoder>>>,
}

impl OpenEncoders {
    /// None is open yet.
    pub(crate) fn new(paths: Registry) -> Self {
        Self { paths, ..Self::default() }
    }

    /// Those that the app gave, and others in `paths`.
    pub(crate) fn with_paths(&self, paths: Registry) -> Self {
        Self { paths, given: self.given.clone(), open: Mutex::default() }
    }

    /// The same with an encoder of the app.
    ///
    /// # Errors
    /// Those of [`check`].
    pub(crate) fn with(&self, bundle: &Bundle, media: usize, encoder: Arc<dyn Encoder>) -> Result<Self> {
        check(bundle, media, &*encoder)?;
        let mut given = self.given.clone();
        given.insert(media, encoder);
        Ok(Self { paths: self.paths.clone(), given, open: Mutex::new(self.lock().clone()) })
    }

    /// The encoder of a media type, which stays open.
    ///
    /// # Errors
    /// Those of [`Bundle::encoder`].
    pub(crate) fn get(&self, bundle: &Bundle, media: usize) -> Result<Arc<dyn Encoder>> {
        if let Some(encoder) = self.given.get(&media) {
            return Ok(encoder.clone());
        }
        // Held while one is opened, so that it is opened once.
        let mut open = self.lock();
        if let Some(encoder) = open.get(&media) {
            return Ok(encoder.clone());
        }
        let encoder: Arc<dyn Encoder> = bundle.encoder(media, &self.paths)?;
        open.insert(media, encoder.clone());
        Ok(encoder)
    }

    /// A panic elsewhere leaves whole encoders in the map.
    fn lock(&self) -> MutexGuard<'_, BTreeMap<usize, Arc<dyn Encoder>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Refuses an encoder that is not the one of the bundle; where nobody knows which one made the features, the app does.
///
/// # Errors
/// [`ErrorCode::BadDimension`], [`ErrorCode::SpaceMismatch`].
fn check(bundle: &Bundle, media: usize, encoder: &dyn Encoder) -> Result<()> {
    let config = &bundle.media()[media];
    if encoder.features() != config.features {
        return Err(Error::new(
            ErrorCode::BadDimension,
            "the encoder does not fit the pathway of the bundle",
        )
        .expected(format!("{} features, as {} gives them", config.features, config.encoder))
        .got(encoder.features()));
    }
    match config.fingerprint {
        Some(wanted) if wanted != encoder.fingerprint() => {
            Err(Error::new(ErrorCode::SpaceMismatch, "the bundle was trained with another encoder")
                .expected(format!("{}, fingerprint {wanted}", config.encoder))
                .got(format!("{}, fingerprint {}", encoder.name(), encoder.fingerprint()))
                .hint("give the encoder that made the features it was trained on"))
        }
        _ => Ok(()),
    }
}
