//! Features of encoded items, kept on disk by encoder and content, so that what was decoded once is not decoded again.
//!
//! One folder per fingerprint of an encoder, in it shards that are written whole and never changed. A cache may be used by
//! several processes at once: each sees what was there when it first asked for an encoder, and what it made itself.

mod shard;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::Encoder;
use crate::error::{Error, Result};
use crate::media::Fingerprint;
use shard::Shard;

/// Bytes of features that wait for their shard.
const FLUSH: usize = 16 << 20;

/// A folder of features that encoders made.
///
/// Cost: the content hashes of all items of the encoders in use are in memory (about 50 bytes each), and 16 MiB of
/// features on their way to disk; rows are read when they are asked for. What does not read is encoded again, with a
/// logged warning; what cannot be written is lost, with one too.
pub struct FeatureCache {
    dir: PathBuf,
    flush: usize,
    /// By fingerprint and width: rows of another width are never given out, whatever an encoder says of itself.
    encoders: Mutex<HashMap<(Fingerprint, usize), Arc<Features>>>,
}

impl FeatureCache {
    /// Opens the cache in the folder `dir`, and makes it where there is none.
    ///
    /// # Errors
    /// Those of making it.
    pub fn open(dir: &Path) -> Result<Self> {
        std::fs::create_dir_all(dir).map_err(|e| Error::io(dir, e))?;
        Ok(Self { dir: dir.to_path_buf(), flush: FLUSH, encoders: Mutex::default() })
    }

    /// Writes a shard whenever `bytes` of features are there.
    #[cfg(test)]
    fn flush_at(mut self, bytes: usize) -> Self {
        self.flush = bytes;
        self
    }

    /// The features that `encoder` made.
    pub(super) fn of(&self, encoder: &dyn Encoder) -> Arc<Features> {
        let fingerprint = encoder.fingerprint();
        let new = || {
            let dir = self.dir.join(fingerprint.to_string());
            Arc::new(Features::open(dir, encoder.features(), self.flush))
        };
        lock(&self.encoders).entry((fingerprint, encoder.features())).or_insert_with(new).clone()
    }

    /// Writes what is not on disk yet; dropping the cache does so too, but hides that it failed.
    ///
    /// # Errors
    /// The first of writing.
    pub fn flush(&self) -> Result<()> {
        lock(&self.encoders).values().try_for_each(|features| lock(&features.state).write(features))
    }
}

impl Drop for FeatureCache {
    fn drop(&mut self) {
        if let Err(error) = self.flush() {
            tracing::warn!("features are not kept: {error}");
        }
    }
}

/// Features `[d_in]` of one encoder by content hash.
pub(super) struct Features {
    dir: PathBuf,
    width: usize,
    flush: usize,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    places: HashMap<[u8; 16], Place>,
    /// A damaged one has no rows in `places` any more.
    shards: Vec<Arc<Shard>>,
    /// Rows that are in no shard yet.
    hashes: Vec<[u8; 16]>,
    rows: Vec<f32>,
}

#[derive(Clone, Copy)]
enum Place {
    Shard { shard: u32, row: u32 },
    Waiting { row: u32 },
}

impl Features {
    fn open(dir: PathBuf, width: usize, flush: usize) -> Self {
        let mut state = State::default();
        let mut files: Vec<PathBuf> = match std::fs::read_dir(&dir) {
            Ok(entries) => entries.filter_map(|entry| Some(entry.ok()?.path())).collect(),
            Err(error) => {
                if error.kind() != std::io::ErrorKind::NotFound {
                    tracing::warn!("{}: features are not read: {error}", dir.display());
                }
                vec![]
            }
        };
        files.retain(|file| file.extension().is_some_and(|ext| ext == shard::EXTENSION));
        files.sort();
        for file in files {
            match Shard::open(&file, width) {
                Ok((shard, hashes)) => state.push(shard, &hashes),
                Err(error) => tracing::warn!("left out, its items are encoded again: {error}"),
            }
        }
        Self { dir, width, flush, state: Mutex::new(state) }
    }

    /// The features of the item with this content.
    pub(super) fn get(&self, hash: &[u8; 16]) -> Option<Vec<f32>> {
        let (shard, number, row) = {
            let state = lock(&self.state);
            match *state.places.get(hash)? {
                Place::Waiting { row } => {
                    let start = row as usize * self.width;
                    return Some(state.rows[start..start + self.width].to_vec());
                }
                Place::Shard { shard, row } => (state.shards[shard as usize].clone(), shard, row),
            }
        };
        match shard.row(row, hash) {
            Ok(features) => Some(features),
            Err(error) => {
                let mut state = lock(&self.state);
                let before = state.places.len();
                state
                    .places
                    .retain(|_, place| !matches!(place, Place::Shard { shard, .. } if *shard == number));
                // Several threads may have met the damage at once.
                if state.places.len() < before {
                    tracing::warn!("left out, its items are encoded again: {error}");
                }
                None
            }
        }
    }

    /// Keeps features of items; rows of another width, and those of contents that are there, are passed over.
    pub(super) fn put<'a>(&self, rows: impl Iterator<Item = ([u8; 16], &'a [f32])>) {
        let mut state = lock(&self.state);
        for (hash, features) in rows {
            if features.len() != self.width || state.places.contains_key(&hash) {
                continue;
            }
            let row = state.hashes.len() as u32;
            state.places.insert(hash, Place::Waiting { row });
            state.hashes.push(hash);
            state.rows.extend_from_slice(features);
            if state.rows.len() * size_of::<f32>() >= self.flush
                && let Err(error) = state.write(self)
            {
                tracing::warn!("features are not kept: {error}");
            }
        }
    }
}

impl State {
    fn push(&mut self, shard: Shard, hashes: &[[u8; 16]]) {
        let number = self.shards.len() as u32;
        self.shards.push(Arc::new(shard));
        for (row, hash) in hashes.iter().enumerate() {
            self.places.insert(*hash, Place::Shard { shard: number, row: row as u32 });
        }
    }

    /// Writes the waiting rows; whatever comes of it, none wait afterwards.
    fn write(&mut self, of: &Features) -> Result<()> {
        let (hashes, rows) = (std::mem::take(&mut self.hashes), std::mem::take(&mut self.rows));
        if hashes.is_empty() {
            return Ok(());
        }
        match Shard::write(&of.dir, of.width, &hashes, &rows) {
            Ok(shard) => {
                self.push(shard, &hashes);
                Ok(())
            }
            Err(error) => {
                for hash in &hashes {
                    self.places.remove(hash);
                }
                Err(error)
            }
        }
    }
}

/// A panic elsewhere leaves whole rows, so the content stays usable.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
