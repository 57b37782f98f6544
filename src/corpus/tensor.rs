//! Typed reading of the raw bytes of a tensor.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use safetensors::Dtype;

use super::features::{FeaturesFile, elements};
use crate::error::{Error, ErrorCode, Result};

/// The features of one media type, `[rows, cols]`, read as f32 whatever the file has (f16, bf16, f32, f64).
#[derive(Debug, Clone, Copy)]
pub struct FeatureTensor<'a> {
    raw: RawTensor<'a>,
    rows: usize,
    cols: usize,
    /// Bytes of one element.
    width: usize,
}

/// One tensor as it lies in the file.
#[derive(Debug, Clone, Copy)]
pub(super) struct RawTensor<'a> {
    pub(super) file: &'a FeaturesFile,
    pub(super) name: &'a str,
    pub(super) dtype: Dtype,
    pub(super) shape: &'a [usize],
    /// Where its bytes begin among those of all tensors.
    pub(super) at: usize,
    /// Invariant: the bytes of the product of `shape` elements of `dtype`, checked when the header was read.
    pub(super) length: usize,
}

impl RawTensor<'_> {
    pub(super) fn error(&self, code: ErrorCode, what: &str) -> Error {
        Error::new(code, format!("the tensor `{}` {what}", self.name)).file(self.file.path())
    }

    /// All of its bytes, of one file: what changed meanwhile is an error.
    fn read(&self) -> Result<Vec<u8>> {
        let mut bytes = vec![0; self.length];
        self.file.bytes(self.at, &mut bytes)?;
        self.file.check()?;
        Ok(bytes)
    }
}

impl<'a> FeatureTensor<'a> {
    pub(super) fn new(raw: RawTensor<'a>) -> Result<Self> {
        let width = match raw.dtype {
            Dtype::F16 | Dtype::BF16 => 2,
            Dtype::F32 => 4,
            Dtype::F64 => 8,
            other => {
                return Err(raw
                    .error(ErrorCode::BadValue, "has a type that cannot be features")
                    .expected("F16, BF16, F32 or F64")
                    .got(format!("{other:?}")));
            }
        };
        let &[rows, cols] = raw.shape else {
            return Err(raw
                .error(ErrorCode::BadDimension, "has a shape that cannot be features")
                .expected("two dimensions [rows, features]")
                .got(format!("{:?}", raw.shape)));
        };
        if rows == 0 {
            return Err(raw.error(ErrorCode::Empty, "has no rows"));
        }
        if cols == 0 {
            let error = raw.error(ErrorCode::BadDimension, "has rows without elements");
            return Err(error.expected("at least 1 feature").got(format!("{:?}", raw.shape)));
        }
        Ok(Self { raw, rows, cols, width })
    }

    /// Name of the tensor.
    pub fn name(&self) -> &'a str {
        self.raw.name
    }

    /// The file that it stands in.
    pub fn file(&self) -> &'a Path {
        self.raw.file.path()
    }

    /// Number of rows, at least 1.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Features of a row, at least 1.
    pub fn cols(&self) -> usize {
        self.cols
    }

    /// Replaces `out` by the elements of `rows`, row by row: `[rows.len(), cols]`.
    ///
    /// Cost: reads these rows alone; a block of some thousand rows keeps memory small.
    ///
    /// # Errors
    /// Those of [`FeatureTensor::read_unchecked`]; [`ErrorCode::NotFinite`] for a NaN or an infinity, also
    /// one that an f64 becomes as f32, with the 0-based row as line.
    pub fn read(&self, rows: Range<usize>, out: &mut Vec<f32>) -> Result<()> {
        let start = rows.start;
        self.read_unchecked(rows, out)?;
        match out.iter().position(|value| !value.is_finite()) {
            None => Ok(()),
            Some(at) => {
                let (row, col) = (start + at / self.cols, at % self.cols);
                let what = format!("has a value that is no finite 32-bit float in row {row} (from 0)");
                Err(self
                    .raw
                    .error(ErrorCode::NotFinite, &what)
                    .line(row as u64)
                    .got(format!("{} at feature {col}", out[at]))
                    .hint("drop the row, or repair the program that wrote the features"))
            }
        }
    }

    /// As [`FeatureTensor::read`], but lets numbers pass that are not finite.
    ///
    /// # Errors
    /// [`ErrorCode::BadArgument`] for rows that do not exist; [`ErrorCode::Changed`] where the file was changed since it was opened;
    /// [`ErrorCode::Io`].
    pub fn read_unchecked(&self, rows: Range<usize>, out: &mut Vec<f32>) -> Result<()> {
        out.clear();
        if rows.start > rows.end || rows.end > self.rows {
            return Err(self
                .raw
                .error(ErrorCode::BadArgument, "does not have these rows")
                .expected(format!("rows within 0..{}", self.rows))
                .got(format!("{}..{}", rows.start, rows.end)));
        }
        let stride = self.cols * self.width;
        let (file, at) = (self.raw.file, self.raw.at + rows.start * stride);
        file.floats(self.raw.dtype, at, rows.len() * self.cols, out)?;
        file.check()
    }
}

/// A tensor of features with the file that it lies in.
#[derive(Debug, Clone)]
pub(super) struct OwnedTensor {
    file: Arc<FeaturesFile>,
    dtype: Dtype,
    /// Where its bytes begin among those of all tensors.
    at: usize,
    pub(super) rows: usize,
    pub(super) cols: usize,
    /// Bytes of a row.
    stride: usize,
}

impl OwnedTensor {
    /// The tensor `name` of `file`.
    ///
    /// # Errors
    /// Those of [`FeaturesFile::tensor`].
    pub(super) fn new(file: &Arc<FeaturesFile>, name: &str) -> Result<Self> {
        let FeatureTensor { raw, rows, cols, width } = file.tensor(name)?;
        let (dtype, at) = (raw.dtype, raw.at);
        Ok(Self { file: Arc::clone(file), dtype, at, rows, cols, stride: cols * width })
    }

    pub(super) fn file(&self) -> &Path {
        self.file.path()
    }

    pub(super) fn dtype(&self) -> Dtype {
        self.dtype
    }

    /// Its first bytes, `most` at most.
    pub(super) fn start(&self, most: usize) -> Result<Vec<u8>> {
        let mut bytes = vec![0; most.min(self.rows * self.stride)];
        self.file.bytes(self.at, &mut bytes)?;
        Ok(bytes)
    }

    /// Whether another tensor has the same bytes. Cost: reads both up to the first block that differs.
    pub(super) fn equals(&self, other: &Self) -> Result<bool> {
        let length = self.rows * self.stride;
        if other.rows * other.stride != length {
            return Ok(false);
        }
        let (mut a, mut b) = (vec![0; BLOCK.min(length)], vec![0; BLOCK.min(length)]);
        for at in (0..length).step_by(BLOCK) {
            let block = BLOCK.min(length - at);
            self.file.bytes(self.at + at, &mut a[..block])?;
            other.file.bytes(other.at + at, &mut b[..block])?;
            if a[..block] != b[..block] {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// As [`FeaturesFile::check`], of its file.
    pub(super) fn check(&self) -> Result<()> {
        self.file.check()
    }

    /// Appends a row, numbers that are not finite too.
    ///
    /// # Errors
    /// [`ErrorCode::Changed`] where the file has become too short; [`ErrorCode::Io`]. Then `out` may have more elements than before.
    ///
    /// # Panics
    /// Where there is no such row.
    pub(super) fn append(&self, row: usize, out: &mut Vec<f32>) -> Result<()> {
        assert!(row < self.rows, "row {row} of {}", self.rows);
        self.file.floats(self.dtype, self.at + row * self.stride, self.cols, out)
    }
}

/// Bytes of two tensors that are compared at once.
const BLOCK: usize = 64 << 10;

/// Reads a tensor `[n]` or `[n, 1]` of integers.
///
/// # Errors
/// [`ErrorCode::BadDimension`], or [`ErrorCode::BadValue`] for another type or a value beyond `i64`.
pub(super) fn integers(raw: &RawTensor<'_>, what: &str) -> Result<Vec<i64>> {
    if !matches!(raw.shape, [_] | [_, 1]) {
        return Err(raw
            .error(ErrorCode::BadDimension, &format!("has a shape that cannot be {what}"))
            .expected("one dimension [rows]")
            .got(format!("{:?}", raw.shape)));
    }
    let data = &raw.read()?[..];
    Ok(match raw.dtype {
        Dtype::BOOL | Dtype::U8 => data.iter().map(|&byte| i64::from(byte)).collect(),
        Dtype::I8 => elements(data).map(|b| i64::from(i8::from_le_bytes(b))).collect(),
        Dtype::I16 => elements(data).map(|b| i64::from(i16::from_le_bytes(b))).collect(),
        Dtype::U16 => elements(data).map(|b| i64::from(u16::from_le_bytes(b))).collect(),
        Dtype::I32 => elements(data).map(|b| i64::from(i32::from_le_bytes(b))).collect(),
        Dtype::U32 => elements(data).map(|b| i64::from(u32::from_le_bytes(b))).collect(),
        Dtype::I64 => elements(data).map(i64::from_le_bytes).collect(),
        Dtype::U64 => {
            let values = elements(data).map(u64::from_le_bytes).enumerate();
            let convert = |(row, value): (usize, u64)| {
                i64::try_from(value).map_err(|_| {
                    let what = format!("has a value above 2^63 - 1 in row {row} (from 0)");
                    raw.error(ErrorCode::BadValue, &what).line(row as u64).got(value)
                })
            };
            values.map(convert).collect::<Result<_>>()?
        }
        other => {
            return Err(raw
                .error(ErrorCode::BadValue, &format!("has a type that cannot be {what}"))
                .expected("integers")
                .got(format!("{other:?}")));
        }
    })
}
