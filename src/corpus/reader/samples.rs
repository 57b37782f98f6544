//! Pieces of a file that tell it from another one of its length.

use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use crate::error::{Error, Result};
use crate::limits::open_file;

/// Bytes at each end of a file that count for what it is.
const ENDS: u64 = 64 << 10;
/// Pieces between them that count too, at equal distances, and the bytes of each.
const PIECES: u64 = 16;
const PIECE: u64 = 4 << 10;

/// Samples of a file of `length` bytes, at places that follow from that; all of a short one.
///
/// # Errors
/// Those of reading.
pub(in crate::corpus) fn samples(path: &Path, length: u64) -> Result<Vec<u8>> {
    let (last, step) = (length.saturating_sub(ENDS), length / (PIECES + 1));
    let mut places = vec![(0, ENDS)];
    places.extend((1..=PIECES).map(|at| (at * step, PIECE)).filter(|(at, _)| (ENDS..last).contains(at)));
    places.push((last.max(ENDS), ENDS));
    let io = |error| Error::io(path, error);
    let mut file = open_file(path, "the file of the source")?;
    let mut samples = Vec::new();
    for (at, bytes) in places {
        file.seek(SeekFrom::Start(at)).map_err(io)?;
        (&mut file).take(bytes).read_to_end(&mut samples).map_err(io)?;
    }
    Ok(samples)
}
