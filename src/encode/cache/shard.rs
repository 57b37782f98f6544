//! One file of a feature cache: a safetensors file with `hash` `[n, 16]`, `check` `[n, 8]` and `features` `[n, d_in]`.
//!
//! `check` is the start of the hash of a row's hash and features, so that each row vouches for itself.

use std::collections::HashMap;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use safetensors::tensor::{Dtype, TensorView};
use serde::Deserialize;

use crate::error::{Error, ErrorCode, Result};
use crate::limits;
use crate::media::content_hash;

pub(super) const EXTENSION: &str = "safetensors";

/// Longest header that is read: three tensors need a few hundred bytes.
const HEADER: u64 = 4096;

/// What is read here, in a sentence.
const SHARD: &str = "the file of features";

/// A shard on disk; its rows are read when they are asked for.
pub(super) struct Shard {
    file: PathBuf,
    width: usize,
    /// Offsets in the file of the first row.
    features: u64,
    check: u64,
}

/// The header of a safetensors file: 8 bytes of length, then JSON.
#[derive(Deserialize)]
struct Tensor {
    dtype: String,
    shape: Vec<u64>,
    data_offsets: (u64, u64),
}

impl Shard {
    /// Opens `file`, whose rows must have `width` features; gives their content hashes. Cost: reads the hashes.
    ///
    /// # Errors
    /// [`ErrorCode::Damaged`] where the structure or the length is not that of a shard; [`ErrorCode::Io`].
    pub(super) fn open(file: &Path, width: usize) -> Result<(Self, Vec<[u8; 16]>)> {
        let io = |e| Error::io(file, e);
        let damaged = |what: &str| Error::new(ErrorCode::Damaged, format!("not a shard: {what}")).file(file);
        let mut reader = limits::open_file(file, SHARD)?;
        let length = reader.metadata().map_err(io)?.len();
        let mut prefix = [0; 8];
        reader.read_exact(&mut prefix).map_err(|_| damaged("it has no header"))?;
        let header = u64::from_le_bytes(prefix);
        if header > HEADER || header + 8 > length {
            return Err(damaged("its header has an impossible length"));
        }
        let mut json = vec![0; header as usize];
        reader.read_exact(&mut json).map_err(io)?;
        let tensors: HashMap<String, Tensor> =
            serde_json::from_slice(&json).map_err(|_| damaged("its header does not parse"))?;
        let start = header + 8;
        let n = tensors.get("hash").and_then(|tensor| tensor.shape.first().copied()).unwrap_or(0);
        let find = |name: &str, dtype: &str, columns: u64, bytes: u64| {
            let tensor = tensors.get(name).ok_or_else(|| damaged("a tensor is missing"))?;
            let (from, to) = tensor.data_offsets;
            let size = n.checked_mul(columns).and_then(|n| n.checked_mul(bytes));
            let fits = tensor.dtype == dtype
                && tensor.shape == [n, columns]
                && size.is_some_and(|size| from.checked_add(size) == Some(to))
                && start.checked_add(to).is_some_and(|end| end <= length);
            if fits { Ok(start + from) } else { Err(damaged("a tensor has another shape or is cut")) }
        };
        let (hash, check) = (find("hash", "U8", 16, 1)?, find("check", "U8", 8, 1)?);
        let features = find("features", "F32", width as u64, 4)?;
        let mut hashes = vec![[0; 16]; n as usize];
        reader.seek(SeekFrom::Start(hash)).map_err(io)?;
        reader.read_exact(hashes.as_flattened_mut()).map_err(io)?;
        Ok((Self { file: file.to_path_buf(), width, features, check }, hashes))
    }

    /// The features of row `row`, which must be those of `hash`.
    ///
    /// # Errors
    /// [`ErrorCode::Damaged`], or [`ErrorCode::Io`] where the file is gone.
    pub(super) fn row(&self, row: u32, hash: &[u8; 16]) -> Result<Vec<f32>> {
        let io = |e| Error::io(&self.file, e);
        // Opened anew: shards are many, and handles are few.
        let mut reader = limits::open_file(&self.file, SHARD)?;
        let (mut kept, mut bytes) = ([0; 8], vec![0; self.width * 4]);
        reader.seek(SeekFrom::Start(self.check + u64::from(row) * 8)).map_err(io)?;
        reader.read_exact(&mut kept).map_err(io)?;
        reader.seek(SeekFrom::Start(self.features + u64::from(row) * bytes.len() as u64)).map_err(io)?;
        reader.read_exact(&mut bytes).map_err(io)?;
        if check(hash, &bytes) != kept {
            return Err(Error::new(ErrorCode::Damaged, format!("row {row} does not match its checksum"))
                .file(&self.file));
        }
        Ok(bytes.as_chunks().0.iter().map(|chunk| f32::from_le_bytes(*chunk)).collect())
    }

    /// Writes rows `[n, width]` to a new shard in `dir`, which appears whole or not at all; its name follows from its
    /// bytes, so that writers beside each other do not meet.
    ///
    /// # Errors
    /// Those of writing.
    pub(super) fn write(dir: &Path, width: usize, hashes: &[[u8; 16]], rows: &[f32]) -> Result<Self> {
        let io = |e| Error::io(dir, e);
        std::fs::create_dir_all(dir).map_err(io)?;
        let n = hashes.len();
        let bytes: Vec<u8> = rows.iter().flat_map(|value| value.to_le_bytes()).collect();
        let checks: Vec<u8> = hashes
            .iter()
            .zip(bytes.chunks_exact(width * 4))
            .flat_map(|(hash, row)| check(hash, row))
            .collect();
        let tensors = [
            ("features", Dtype::F32, vec![n, width], &bytes[..]),
            ("hash", Dtype::U8, vec![n, 16], hashes.as_flattened()),
            ("check", Dtype::U8, vec![n, 8], &checks[..]),
        ];
        let bad = |e| Error::new(ErrorCode::BadValue, format!("shard: {e}")).file(dir);
        let views = tensors
            .into_iter()
            .map(|(name, dtype, shape, bytes)| Ok((name, TensorView::new(dtype, shape, bytes)?)))
            .collect::<std::result::Result<Vec<_>, safetensors::SafeTensorError>>()
            .map_err(bad)?;
        let whole = safetensors::serialize(views, None).map_err(bad)?;
        let name: String = content_hash(&whole).iter().map(|byte| format!("{byte:02x}")).collect();
        let path = dir.join(name).with_extension(EXTENSION);
        let mut file = tempfile::Builder::new().prefix(".new-").tempfile_in(dir).map_err(io)?;
        file.write_all(&whole).map_err(io)?;
        // Temporary files are private; a cache may be shared.
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            file.as_file().set_permissions(std::fs::Permissions::from_mode(0o644)).map_err(io)?;
        }
        file.persist(&path).map_err(|e| Error::io(&path, e.error))?;
        Ok(Self::open(&path, width)?.0)
    }
}

fn check(hash: &[u8; 16], features: &[u8]) -> [u8; 8] {
    let of = content_hash(&[hash, features].concat());
    std::array::from_fn(|i| of[i])
}
