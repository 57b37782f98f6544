//! What all requests share.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use tokio::sync::Semaphore;
use uncsm_index::Result;
use uncsm_index::index::{Index, Manifest};
use uncsm_index::search::Engine;

use super::about::About;
use super::door::Door;
use super::limits::{ANSWERS_SENT, BIG_BODIES, LOOK_TIME, MEDIA_SENT, QUERIES};
use super::lock::lock;
use super::metrics::Metrics;
use super::record::Recorder;
use super::roots::Roots;

/// What a server is made from.
pub struct Settings {
    pub indexes: Vec<Index>,
    /// Over the indexes, with what is required of every answer.
    pub engine: Engine,
    pub door: Door,
    /// Folders that pictures may lie in, in place of those of the sources.
    pub media_roots: Vec<PathBuf>,
    /// The file of clicks.
    pub record: Option<PathBuf>,
}

/// The state of the server.
pub struct App {
    pub indexes: Vec<Index>,
    pub engine: Engine,
    pub door: Door,
    pub roots: Roots,
    pub record: Option<Recorder>,
    pub metrics: Metrics,
    /// What the page must know, counted once for a state of the indexes.
    about: Mutex<Option<Arc<About>>>,
    /// Queries that run.
    pub running: Arc<Semaphore>,
    /// Large bodies.
    pub bodies: Arc<Semaphore>,
    /// MiB of pictures on their way.
    pub sending: Arc<Semaphore>,
    /// MiB of answers to queries on their way.
    pub answering: Arc<Semaphore>,
    /// Held by the request whose pictures are decoded.
    pub decoding: Mutex<()>,
    looked: Mutex<Instant>,
    complete: AtomicBool,
}

impl App {
    /// # Errors
    /// Those of a folder of pictures that is not there, and of opening the record.
    pub fn new(settings: Settings) -> Result<Self> {
        let Settings { indexes, engine, door, media_roots, record } = settings;
        let cores = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
        let app = Self {
            roots: Roots::new(&media_roots, indexes.len())?,
            record: record.as_deref().map(Recorder::open).transpose()?,
            indexes,
            engine,
            door,
            metrics: Metrics::new(),
            about: Mutex::default(),
            running: Arc::new(Semaphore::new(cores.clamp(2, QUERIES))),
            bodies: Arc::new(Semaphore::new(BIG_BODIES)),
            sending: Arc::new(Semaphore::new(MEDIA_SENT)),
            answering: Arc::new(Semaphore::new(ANSWERS_SENT)),
            decoding: Mutex::default(),
            looked: Mutex::new(Instant::now()),
            complete: AtomicBool::new(true),
        };
        app.note_complete()?;
        Ok(app)
    }

    /// Goes on to the last commit, where the last look was a while ago. What fails is counted; the state of before answers on.
    pub fn look(&self) {
        // Another request looks already.
        let Ok(mut looked) = self.looked.try_lock() else { return };
        if looked.elapsed() < LOOK_TIME {
            return;
        }
        let found = self.engine.reload().and_then(|newer| {
            // The end of a build is no commit.
            if newer || !self.is_complete() {
                self.note_complete()?;
            }
            Ok(newer)
        });
        if let Ok(true) = found {
            *lock(&self.about) = None;
        }
        self.metrics.looked(found.err().as_ref());
        *looked = Instant::now();
    }

    /// What the page must know of the state of now, counted where it is not known yet.
    ///
    /// # Errors
    /// Those of a query.
    pub fn about(&self) -> Result<Arc<About>> {
        let mut slot = lock(&self.about);
        if let Some(about) = &*slot {
            return Ok(about.clone());
        }
        let about = Arc::new(About::of(&self.indexes, &self.engine)?);
        *slot = Some(about.clone());
        Ok(about)
    }

    /// Whether all that was to be indexed is.
    pub fn is_complete(&self) -> bool {
        self.complete.load(Ordering::Relaxed)
    }

    fn note_complete(&self) -> Result<()> {
        let mut complete = true;
        for index in &self.indexes {
            complete &= Manifest::load(index.dir())?.complete;
        }
        self.complete.store(complete, Ordering::Relaxed);
        Ok(())
    }
}
