//! Features from a safetensors file: row i of every tensor is one document.

use std::fs::File;
use std::ops::Range;
use std::path::{Path, PathBuf};

use half::{bf16, f16};
use memmap2::Mmap;
use safetensors::{Dtype, SafeTensors};

use crate::error::{Error, ErrorCode, Result};

/// `MEDIA=TENSOR`, as `--pathway` takes it; also `MEDIA=NAME` of `--encoder`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathwayArg {
    /// Media type.
    pub media: String,
    /// Tensor, or encoder.
    pub name: String,
}

impl PathwayArg {
    /// Reads `MEDIA=NAME`.
    ///
    /// # Errors
    /// [`ErrorCode::BadArgument`] without `=`, with an empty name, or with a media type that is not 1 to 32 of
    /// `[A-Za-z0-9_-]` or is the reserved word `any`.
    pub fn parse(text: &str) -> Result<Self> {
        let bad = |message: &str| {
            Error::new(ErrorCode::BadArgument, message)
                .expected("MEDIA=NAME, such as image=my_tensor")
                .got(format!("{text:?}"))
        };
        let (media, name) = text.split_once('=').ok_or_else(|| bad("no `=` in the argument"))?;
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        if media.is_empty() || media.len() > 32 || !media.chars().all(plain) || media == "any" {
            return Err(bad("not a name for a media type")
                .hint("use 1 to 32 letters, digits, `_` or `-`; `any` is reserved"));
        }
        if name.is_empty() {
            return Err(bad("no name after `=`"));
        }
        Ok(Self { media: media.into(), name: name.into() })
    }
}

/// An open safetensors file, memory-mapped.
#[derive(Debug)]
pub struct FeaturesFile {
    path: PathBuf,
    map: Mmap,
}

/// A tensor `[n, d]` of numbers.
#[derive(Debug, Clone)]
pub struct FeatureTensor<'a> {
    path: &'a Path,
    name: String,
    bytes: &'a [u8],
    dtype: Dtype,
    rows: usize,
    cols: usize,
}

impl FeaturesFile {
    /// Opens `path`. Cost: O(header).
    ///
    /// # Errors
    /// [`ErrorCode::NotFound`], [`ErrorCode::Io`]; [`ErrorCode::Damaged`] where it is no safetensors file.
    pub fn open(path: &Path) -> Result<Self> {
        let file = File::open(path).map_err(|e| Error::io(path, e))?;
        let map = map_read_only(&file).map_err(|e| Error::io(path, e))?;
        let opened = Self { path: path.to_path_buf(), map };
        opened.tensors()?;
        Ok(opened)
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn tensors(&self) -> Result<SafeTensors<'_>> {
        SafeTensors::deserialize(&self.map).map_err(|e| {
            Error::new(ErrorCode::Damaged, format!("not a whole safetensors file: {e}"))
                .file(&self.path)
                .hint("write it with safetensors.numpy.save_file or the like")
        })
    }

    fn find(&self, name: &str) -> Result<(Dtype, Vec<usize>, &[u8])> {
        let tensors = self.tensors()?;
        if let Some((_, tensor)) = tensors.iter().find(|(found, _)| *found == name) {
            let start = tensor.data().as_ptr() as usize - self.map.as_ptr() as usize;
            let bytes = self.map.get(start..start + tensor.data().len()).unwrap_or_default();
            return Ok((tensor.dtype(), tensor.shape().to_vec(), bytes));
        }
        let mut known: Vec<String> = tensors.iter().map(|(n, t)| format!("{n} {:?}", t.shape())).collect();
        known.sort();
        Err(Error::new(ErrorCode::UnknownTensor, format!("no tensor `{name}`"))
            .file(&self.path)
            .expected(known.join(" or "))
            .got(name))
    }

    /// The tensor `name`, `[n, d]` of f16, bf16, f32 or f64.
    ///
    /// # Errors
    /// [`ErrorCode::UnknownTensor`]; [`ErrorCode::BadDimension`] unless it has two dimensions;
    /// [`ErrorCode::BadValue`] for another element type; [`ErrorCode::Empty`] without rows or columns.
    pub fn tensor(&self, name: &str) -> Result<FeatureTensor<'_>> {
        let (dtype, shape, bytes) = self.find(name)?;
        let &[rows, cols] = shape.as_slice() else {
            return Err(Error::new(
                ErrorCode::BadDimension,
                format!("tensor `{name}` is no table of features"),
            )
            .file(&self.path)
            .expected("two dimensions, [rows, features]")
            .got(format!("{shape:?}")));
        };
        if !matches!(dtype, Dtype::F16 | Dtype::BF16 | Dtype::F32 | Dtype::F64) {
            return Err(self.bad_type(name, dtype, "F16, BF16, F32 or F64"));
        }
        if rows == 0 || cols == 0 {
            return Err(Error::new(ErrorCode::Empty, format!("tensor `{name}` has nothing in it"))
                .file(&self.path)
                .got(format!("{shape:?}")));
        }
        Ok(FeatureTensor { path: &self.path, name: name.into(), bytes, dtype, rows, cols })
    }

    /// The integers of tensor `name` `[n]` (or `[n, 1]`): classes, groups.
    ///
    /// # Errors
    /// [`ErrorCode::UnknownTensor`], [`ErrorCode::BadDimension`], [`ErrorCode::BadValue`].
    pub fn integers(&self, name: &str) -> Result<Vec<i64>> {
        let (dtype, shape, bytes) = self.find(name)?;
        if !matches!(shape.as_slice(), [_] | [_, 1]) {
            return Err(Error::new(
                ErrorCode::BadDimension,
                format!("tensor `{name}` is no list of integers"),
            )
            .file(&self.path)
            .expected("one dimension, [rows]")
            .got(format!("{shape:?}")));
        }
        fn each<const N: usize>(bytes: &[u8], read: impl Fn([u8; N]) -> i64) -> Vec<i64> {
            bytes.as_chunks::<N>().0.iter().map(|chunk| read(*chunk)).collect()
        }
        Ok(match dtype {
            Dtype::BOOL | Dtype::U8 => each(bytes, |[b]: [u8; 1]| i64::from(b)),
            Dtype::I8 => each(bytes, |b| i64::from(i8::from_le_bytes(b))),
            Dtype::I16 => each(bytes, |b| i64::from(i16::from_le_bytes(b))),
            Dtype::U16 => each(bytes, |b| i64::from(u16::from_le_bytes(b))),
            Dtype::I32 => each(bytes, |b| i64::from(i32::from_le_bytes(b))),
            Dtype::U32 => each(bytes, |b| i64::from(u32::from_le_bytes(b))),
            Dtype::I64 => each(bytes, i64::from_le_bytes),
            other => return Err(self.bad_type(name, other, "an integer type")),
        })
    }

    /// The truth values of tensor `name` `[n]`, integers other than 0 counting as true.
    ///
    /// # Errors
    /// Those of [`FeaturesFile::integers`].
    pub fn mask(&self, name: &str) -> Result<Vec<bool>> {
        Ok(self.integers(name)?.into_iter().map(|v| v != 0).collect())
    }

    /// Refuses a tensor whose rows are not those of the first.
    ///
    /// # Errors
    /// [`ErrorCode::BadDimension`], naming the tensor.
    pub fn check_rows(&self, name: &str, expected: usize, got: usize) -> Result<()> {
        if expected == got {
            return Ok(());
        }
        Err(Error::new(
            ErrorCode::BadDimension,
            format!("tensor `{name}` has another number of rows than the first"),
        )
        .file(&self.path)
        .expected(format!("{expected} rows"))
        .got(format!("{got} rows")))
    }

    fn bad_type(&self, name: &str, dtype: Dtype, expected: &str) -> Error {
        Error::new(
            ErrorCode::BadValue,
            format!("tensor `{name}` has an element type that does not serve here"),
        )
        .file(&self.path)
        .expected(expected)
        .got(format!("{dtype:?}"))
    }
}

impl FeatureTensor<'_> {
    /// Name in the file.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Documents.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Features of one item.
    pub fn cols(&self) -> usize {
        self.cols
    }

    /// The rows of `range` as f32 `[len, d]`, whatever is in them; see [`FeatureTensor::check_finite`].
    ///
    /// # Errors
    /// [`ErrorCode::BadArgument`] outside the tensor.
    pub fn read(&self, range: Range<usize>) -> Result<Vec<f32>> {
        if range.start > range.end || range.end > self.rows {
            return Err(Error::new(
                ErrorCode::BadArgument,
                format!("rows outside of tensor `{}`", self.name),
            )
            .file(self.path)
            .expected(format!("0..{}", self.rows))
            .got(format!("{}..{}", range.start, range.end)));
        }
        fn each<const N: usize>(
            bytes: &[u8],
            cells: Range<usize>,
            read: impl Fn([u8; N]) -> f32,
        ) -> Vec<f32> {
            bytes[cells.start * N..cells.end * N]
                .as_chunks::<N>()
                .0
                .iter()
                .map(|chunk| read(*chunk))
                .collect()
        }
        let cells = range.start * self.cols..range.end * self.cols;
        Ok(match self.dtype {
            Dtype::F16 => each(self.bytes, cells, |b| f16::from_le_bytes(b).to_f32()),
            Dtype::BF16 => each(self.bytes, cells, |b| bf16::from_le_bytes(b).to_f32()),
            Dtype::F64 => each(self.bytes, cells, |b| f64::from_le_bytes(b) as f32),
            _ => each(self.bytes, cells, f32::from_le_bytes),
        })
    }

    /// Refuses the first row of `values`, which start at row `first`, that has NaN or infinity in it.
    ///
    /// # Errors
    /// [`ErrorCode::NotFinite`], naming tensor and row.
    pub fn check_finite(&self, first: usize, values: &[f32]) -> Result<()> {
        match values.iter().position(|v| !v.is_finite()) {
            None => Ok(()),
            Some(at) => {
                let (row, column) = (first + at / self.cols, at % self.cols);
                let message = format!("tensor `{}` is not finite in row {row}, column {column}", self.name);
                Err(Error::new(ErrorCode::NotFinite, message)
                    .file(self.path)
                    .line(row as u64)
                    .expected("finite numbers")
                    .got(values[at])
                    .hint("drop the row, or replace its features"))
            }
        }
    }
}

/// Maps a file that is only read.
#[allow(unsafe_code)]
fn map_read_only(file: &File) -> std::io::Result<Mmap> {
    // SAFETY: `uncsm_format::map` asks that nobody changes or truncates the file meanwhile. A features file is the
    // user's input; that it stays as it is during the run is stated in the documentation of the command line.
    unsafe { uncsm_format::map(file) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use safetensors::tensor::TensorView;

    fn file(dir: &Path) -> PathBuf {
        let f32s: Vec<u8> =
            [1.0f32, 2.0, 3.0, f32::NAN, 5.0, 6.0].iter().flat_map(|v| v.to_le_bytes()).collect();
        let f16s: Vec<u8> = [1.5f32, -2.0].iter().flat_map(|v| f16::from_f32(*v).to_le_bytes()).collect();
        let labels: Vec<u8> = [3i32, -1, 2].iter().flat_map(|v| v.to_le_bytes()).collect();
        let tensors = [
            ("a", TensorView::new(Dtype::F32, vec![3, 2], &f32s).unwrap()),
            ("h", TensorView::new(Dtype::F16, vec![1, 2], &f16s).unwrap()),
            ("flat", TensorView::new(Dtype::F16, vec![2], &f16s).unwrap()),
            ("label", TensorView::new(Dtype::I32, vec![3], &labels).unwrap()),
            ("mask", TensorView::new(Dtype::U8, vec![3], &[0, 1, 2]).unwrap()),
            ("none", TensorView::new(Dtype::F32, vec![0, 2], &[]).unwrap()),
        ];
        let path = dir.join("features.safetensors");
        std::fs::write(&path, safetensors::serialize(tensors, None).unwrap()).unwrap();
        path
    }

    #[test]
    fn reads_ranges_of_every_type() {
        let dir = tempfile::tempdir().unwrap();
        let file = FeaturesFile::open(&file(dir.path())).unwrap();
        let tensor = file.tensor("a").unwrap();
        assert_eq!((tensor.rows(), tensor.cols()), (3, 2));
        assert_eq!(tensor.read(2..3).unwrap(), [5.0, 6.0]);
        assert_eq!(file.tensor("h").unwrap().read(0..1).unwrap(), [1.5, -2.0]);
        assert_eq!(file.integers("label").unwrap(), [3, -1, 2]);
        assert_eq!(file.mask("mask").unwrap(), [false, true, true]);
    }

    #[test]
    fn bad_input_is_refused_by_code() {
        let dir = tempfile::tempdir().unwrap();
        let path = file(dir.path());
        let file = FeaturesFile::open(&path).unwrap();
        let unknown = file.tensor("nothing").unwrap_err();
        assert_eq!(unknown.code(), ErrorCode::UnknownTensor);
        assert!(unknown.to_string().contains("label [3]"), "{unknown}");
        assert_eq!(file.tensor("flat").unwrap_err().code(), ErrorCode::BadDimension);
        assert_eq!(file.tensor("label").unwrap_err().code(), ErrorCode::BadDimension);
        assert_eq!(file.integers("h").unwrap_err().code(), ErrorCode::BadDimension);
        assert_eq!(file.integers("flat").unwrap_err().code(), ErrorCode::BadValue);
        assert_eq!(file.tensor("none").unwrap_err().code(), ErrorCode::Empty);
        let tensor = file.tensor("a").unwrap();
        assert_eq!(tensor.read(2..4).unwrap_err().code(), ErrorCode::BadArgument);
        let error = tensor.check_finite(1, &tensor.read(1..2).unwrap()).unwrap_err();
        assert_eq!((error.code(), error.facts().line), (ErrorCode::NotFinite, Some(1)));
        assert_eq!(file.check_rows("x", 3, 1).unwrap_err().code(), ErrorCode::BadDimension);
        let bytes = std::fs::read(&path).unwrap();
        for cut in [bytes.len() - 1, 20, 4] {
            let path = dir.path().join("cut");
            std::fs::write(&path, &bytes[..cut]).unwrap();
            assert_eq!(FeaturesFile::open(&path).unwrap_err().code(), ErrorCode::Damaged);
        }
        assert_eq!(FeaturesFile::open(Path::new("absent")).unwrap_err().code(), ErrorCode::NotFound);
    }

    #[test]
    fn pathway_arguments() {
        let arg = PathwayArg::parse("image=a=b").unwrap();
        assert_eq!((arg.media.as_str(), arg.name.as_str()), ("image", "a=b"));
        for bad in ["image", "=x", "image=", "any=x", "a b=x", &format!("{}=x", "m".repeat(33))] {
            assert_eq!(PathwayArg::parse(bad).unwrap_err().code(), ErrorCode::BadArgument, "{bad}");
        }
    }
}
