//! Features from a safetensors file: row i of every tensor is one document.

use std::path::Path;

use half::{bf16, f16};
use safetensors::Dtype;
use safetensors::tensor::{Metadata, TensorInfo};

use crate::corpus::open_file::OpenFile;
use crate::corpus::pathway::PathwayArg;
use crate::corpus::tensor::{FeatureTensor, RawTensor, integers};
use crate::error::{Error, ErrorCode, Result};
use crate::hint::{Hint, Setting};
use crate::limits;

/// An open safetensors file; its tensors stay on disk until they are read.
#[derive(Debug)]
pub struct FeaturesFile {
    file: OpenFile,
    /// Offset of the first tensor byte.
    start: u64,
    metadata: Metadata,
    names: Vec<String>,
}

/// What a SOURCE of features gives: tensors of equal row count, and what is known of the rows.
#[derive(Debug)]
pub struct FeatureSet<'a> {
    /// Name of the media type and its features, in the order of the arguments; at least one.
    pub pathways: Vec<(String, FeatureTensor<'a>)>,
    /// The class of each row.
    pub labels: Option<Vec<i64>>,
    /// Whether each row belongs to the test split.
    pub test: Option<Vec<bool>>,
    /// Number of rows, at least 1.
    pub rows: usize,
}

/// Bytes before the header: its length.
const LENGTH: u64 = 8;

/// Length of the header, and what it says of the tensors; a sentence about what is no whole safetensors file.
///
/// # Errors
/// Those of reading; [`ErrorCode::TooLarge`].
fn header(file: &OpenFile) -> Result<std::result::Result<(u64, Metadata), String>> {
    if file.length() < LENGTH {
        return Ok(Err(format!("it has {} bytes", file.length())));
    }
    let mut length = [0; LENGTH as usize];
    file.read(0, &mut length)?;
    let length = u64::from_le_bytes(length);
    if length > file.length() - LENGTH {
        return Ok(Err(format!("its header would have {length} bytes")));
    }
    limits::check_safetensors_header(length).map_err(|error| error.file(file.path()))?;
    let mut header = vec![0; length as usize];
    file.read(LENGTH, &mut header)?;
    // This checks that tensors lie one behind the other, as long as their shapes say.
    let metadata: Metadata = match serde_json::from_slice(&header) {
        Ok(metadata) => metadata,
        Err(error) => return Ok(Err(format!("its header does not read: {error}"))),
    };
    let (wanted, got) = (metadata.data_len() as u64, file.length() - LENGTH - length);
    if wanted != got {
        return Ok(Err(format!("its tensors would have {wanted} bytes, and there are {got}")));
    }
    Ok(Ok((length, metadata)))
}

impl FeaturesFile {
    /// Opens the file at `path`. Where it is changed while it is open, reading it is an error.
    ///
    /// Cost: reads the header alone.
    ///
    /// # Errors
    /// [`ErrorCode::NotFound`], [`ErrorCode::Io`], [`ErrorCode::BadValue`] for what is no regular file, or
    /// [`ErrorCode::Damaged`] for what is no whole safetensors file.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let file = OpenFile::open(path.as_ref(), "not a file of features")?;
        let (header, metadata) = header(&file)?.map_err(|what| {
            Error::new(ErrorCode::Damaged, format!("not a whole safetensors file: {what}"))
                .file(file.path())
                .hint("write the features with `safetensors.numpy.save_file`, and copy the file whole")
        })?;
        let mut names: Vec<String> = metadata.tensors().into_keys().collect();
        names.sort_unstable();
        Ok(Self { file, start: LENGTH + header, metadata, names })
    }

    /// The file.
    pub fn path(&self) -> &Path {
        self.file.path()
    }

    /// Refuses a file that was changed since it was opened.
    ///
    /// # Errors
    /// [`ErrorCode::Changed`]; [`ErrorCode::Io`].
    pub(super) fn check(&self) -> Result<()> {
        self.file.check()
    }

    /// Fills `out` with the bytes of tensors from `at` on.
    pub(super) fn bytes(&self, at: usize, out: &mut [u8]) -> Result<()> {
        self.file.read(self.start + at as u64, out)
    }

    /// Appends `count` elements of the type `dtype`, which is one of floats, from the byte `at` of the tensors on, as f32.
    pub(super) fn floats(&self, dtype: Dtype, at: usize, count: usize, out: &mut Vec<f32>) -> Result<()> {
        let before = out.len();
        let read = |width: usize| -> Result<Vec<u8>> {
            let mut bytes = vec![0; count * width];
            self.bytes(at, &mut bytes)?;
            Ok(bytes)
        };
        match dtype {
            Dtype::F16 => out.extend(elements(&read(2)?).map(|b| f16::from_le_bytes(b).to_f32())),
            Dtype::BF16 => out.extend(elements(&read(2)?).map(|b| bf16::from_le_bytes(b).to_f32())),
            Dtype::F64 => out.extend(elements(&read(8)?).map(|b| f64::from_le_bytes(b) as f32)),
            // These are read to where they belong.
            _ => {
                out.resize(before + count, 0.0);
                let new = &mut out[before..];
                self.bytes(at, bytemuck::cast_slice_mut(new))?;
                new.iter_mut().for_each(|x| *x = f32::from_bits(u32::from_le(x.to_bits())));
            }
        }
        Ok(())
    }

    /// Names of all tensors, sorted.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// The tensor `name` as features `[n, d]`.
    ///
    /// # Errors
    /// [`ErrorCode::UnknownTensor`], naming those that exist with their shapes; [`ErrorCode::BadDimension`] for a shape
    /// other than `[n, d]`; [`ErrorCode::Empty`] without rows; [`ErrorCode::BadValue`] for another type than floats.
    pub fn tensor(&self, name: &str) -> Result<FeatureTensor<'_>> {
        FeatureTensor::new(self.raw(name)?)
    }

    /// The tensor `name` as one class per row, from integers `[n]` or `[n, 1]`.
    ///
    /// # Errors
    /// As [`FeaturesFile::tensor`].
    pub fn labels(&self, name: &str) -> Result<Vec<i64>> {
        integers(&self.raw(name)?, "labels")
    }

    /// The tensor `name` as one yes or no per row, from booleans or integers 0 and 1.
    ///
    /// # Errors
    /// As [`FeaturesFile::tensor`]; [`ErrorCode::BadValue`] for other values, with the 0-based row as line.
    pub fn mask(&self, name: &str) -> Result<Vec<bool>> {
        let raw = self.raw(name)?;
        let convert = |(row, value)| match value {
            0 => Ok(false),
            1 => Ok(true),
            other => {
                let error = raw.error(ErrorCode::BadValue, &format!("is no mask: row {row} (from 0)"));
                Err(error.line(row as u64).expected("0 or 1").got(other))
            }
        };
        integers(&raw, "a mask")?.into_iter().enumerate().map(convert).collect()
    }

    /// Names of the classes, where the file's metadata has the key `classes` with a JSON list of strings.
    ///
    /// # Errors
    /// [`ErrorCode::BadValue`] where the key holds something else.
    pub fn class_names(&self) -> Result<Option<Vec<String>>> {
        let Some(text) = self.metadata.metadata().as_ref().and_then(|map| map.get("classes")) else {
            return Ok(None);
        };
        serde_json::from_str(text).map(Some).map_err(|error| {
            Error::new(ErrorCode::BadValue, "the metadata key `classes` is no list of class names")
                .file(self.path())
                .expected("a JSON list of strings")
                .source(error)
        })
    }

    /// The tensors of the pathways, the label and the mask of test rows, checked against each other.
    ///
    /// # Errors
    /// Those of the tensors; [`ErrorCode::BadArgument`] without a pathway or with two for one media type;
    /// [`ErrorCode::BadDimension`] for different row counts, naming both tensors.
    pub fn select(
        &self,
        pathways: &[PathwayArg],
        label: Option<&str>,
        test_mask: Option<&str>,
    ) -> Result<FeatureSet<'_>> {
        let mut tensors: Vec<(String, FeatureTensor<'_>)> = Vec::with_capacity(pathways.len());
        for PathwayArg { media, tensor } in pathways {
            if tensors.iter().any(|(other, _)| other == media) {
                let what = format!("the media type `{media}` has two tensors");
                return Err(Error::new(ErrorCode::BadArgument, what).hint("give each media type one tensor"));
            }
            tensors.push((media.clone(), self.tensor(tensor)?));
        }
        let Some((_, first)) = tensors.first() else {
            return Err(Error::new(ErrorCode::BadArgument, "features without a pathway")
                .file(self.path())
                .hint(
                    Hint::new("say which tensor belongs to which media type:")
                        .given(Setting::Pathway, "MEDIA=TENSOR"),
                ));
        };
        let (first, rows) = (first.name(), first.rows());
        let equal = |name: &str, got: usize| match got == rows {
            true => Ok(()),
            false => {
                let what = format!("the tensors `{first}` and `{name}` have different row counts");
                Err(Error::new(ErrorCode::BadDimension, what)
                    .file(self.path())
                    .expected(format!("{rows} rows as `{first}`"))
                    .got(format!("{got} rows in `{name}`"))
                    .hint("row i of every tensor must belong to the same document"))
            }
        };
        tensors.iter().try_for_each(|(_, tensor)| equal(tensor.name(), tensor.rows()))?;
        let labels = label.map(|name| self.labels(name).map(|values| (name, values))).transpose()?;
        let test = test_mask.map(|name| self.mask(name).map(|values| (name, values))).transpose()?;
        if let Some((name, values)) = &labels {
            equal(name, values.len())?;
        }
        if let Some((name, values)) = &test {
            equal(name, values.len())?;
        }
        let (labels, test) = (labels.map(|(_, values)| values), test.map(|(_, values)| values));
        Ok(FeatureSet { pathways: tensors, labels, test, rows })
    }

    fn raw(&self, name: &str) -> Result<RawTensor<'_>> {
        let found = self.names.iter().find(|known| *known == name);
        let Some((name, info)) = found.and_then(|name| Some((name, self.metadata.info(name)?))) else {
            return Err(Error::new(ErrorCode::UnknownTensor, format!("no tensor `{name}` in the file"))
                .file(self.path())
                .expected(self.near(name))
                .got(name));
        };
        // `header` checked that the offsets fit the shape and end within the file.
        let TensorInfo { dtype, shape, data_offsets: (at, end) } = info;
        Ok(RawTensor { file: self, name, dtype: *dtype, shape, at: *at, length: end - at })
    }

    /// Up to ten tensors with their shapes, those with names like `name` first.
    fn near(&self, name: &str) -> String {
        let mut names: Vec<&String> = self.names.iter().collect();
        let wanted = name.to_lowercase();
        names.sort_by_key(|known| std::cmp::Reverse(likeness(&wanted, &known.to_lowercase())));
        let shape = |name: &str| self.metadata.info(name).map_or(&[][..], |info| &info.shape);
        let shown: Vec<String> =
            names.iter().take(10).map(|name| format!("`{name}` {:?}", shape(name))).collect();
        match (shown.is_empty(), names.len() > shown.len()) {
            (true, _) => "a file with tensors".to_owned(),
            (false, true) => format!("{} or another of {}", shown.join(", "), names.len()),
            (false, false) => shown.join(" or "),
        }
    }
}

/// The chunks of `N` bytes; the length of `bytes` is a multiple of `N`.
pub(super) fn elements<const N: usize>(bytes: &[u8]) -> impl Iterator<Item = [u8; N]> {
    bytes.chunks_exact(N).map(|chunk| {
        let mut element = [0; N];
        element.copy_from_slice(chunk);
        element
    })
}

/// Pairs of neighbouring bytes that two names share.
fn likeness(a: &str, b: &str) -> usize {
    a.as_bytes().windows(2).filter(|pair| b.as_bytes().windows(2).any(|other| other == *pair)).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_regular_file_is_refused_without_waiting() {
        let dir = tempfile::tempdir().unwrap();
        let code = |path: &Path| FeaturesFile::open(path).unwrap_err().code();
        assert_eq!(code(dir.path()), ErrorCode::BadValue);
        assert_eq!(code(&dir.path().join("none")), ErrorCode::NotFound);
        #[cfg(unix)]
        {
            let pipe = dir.path().join("pipe");
            assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
            let (told, heard) = std::sync::mpsc::channel();
            std::thread::spawn(move || told.send(FeaturesFile::open(pipe).unwrap_err().code()));
            let code = heard.recv_timeout(std::time::Duration::from_secs(20)).unwrap();
            assert_eq!(code, ErrorCode::BadValue);
        }
    }
}
