//! The weights of an encoder: tensors by name from a safetensors file, and the hash that stands for them.

use std::path::{Path, PathBuf};

use candle_core::{DType, Device, Tensor};
use safetensors::SafeTensors;
use sha2::{Digest, Sha256};

use crate::error::{Error, ErrorCode, Result};
use crate::limits;

/// Tensors of a safetensors file, as `f32` on the CPU.
///
/// Cost: the file is read whole; a tensor is copied when it is asked for.
pub(crate) struct Weights {
    file: PathBuf,
    bytes: Vec<u8>,
    hash: [u8; 32],
}

impl Weights {
    /// Reads `file`.
    ///
    /// # Errors
    /// [`ErrorCode::NotFound`], [`ErrorCode::Io`]; [`ErrorCode::Damaged`] for anything but a safetensors file.
    pub(crate) fn open(file: &Path) -> Result<Self> {
        let bytes = limits::read_file(file, u64::MAX, "the file of weights")?;
        limits::check_safetensors(&bytes).map_err(|error| error.file(file))?;
        SafeTensors::deserialize(&bytes).map_err(|error| {
            Error::new(ErrorCode::Damaged, format!("the weights do not parse: {error}"))
                .file(file)
                .expected("a safetensors file")
                .hint("fetch it again; a `.bin` or `.pth` file must be converted first")
        })?;
        let hash = Sha256::digest(&bytes).into();
        Ok(Self { file: file.to_path_buf(), bytes, hash })
    }

    /// SHA-256 of the file's bytes.
    pub(crate) fn hash(&self) -> [u8; 32] {
        self.hash
    }

    /// The file.
    pub(crate) fn file(&self) -> &Path {
        &self.file
    }

    /// Names of all tensors, in no order.
    ///
    /// # Errors
    /// [`ErrorCode::Damaged`], which [`Weights::open`] would have found.
    pub(crate) fn names(&self) -> Result<Vec<String>> {
        Ok(self.parsed()?.names().into_iter().map(|name| name.to_owned()).collect())
    }

    /// The tensor `name`, which must have `shape`; f16, bf16 and f64 become f32.
    ///
    /// # Errors
    /// [`ErrorCode::UnknownTensor`], [`ErrorCode::BadDimension`]; [`ErrorCode::BadValue`] for integers;
    /// [`ErrorCode::NotFinite`].
    pub(crate) fn tensor(&self, name: &str, shape: &[usize]) -> Result<Tensor> {
        let parsed = self.parsed()?;
        let view = parsed.tensor(name).map_err(|_| {
            Error::new(ErrorCode::UnknownTensor, format!("the weights have no tensor `{name}`"))
                .file(&self.file)
                .hint("these are the weights of another model than its config.json says")
        })?;
        if view.shape() != shape {
            return Err(Error::new(
                ErrorCode::BadDimension,
                format!("the tensor `{name}` has another shape"),
            )
            .file(&self.file)
            .expected(format!("{shape:?}"))
            .got(format!("{:?}", view.shape())));
        }
        let dtype = match view.dtype() {
            safetensors::Dtype::F32 => DType::F32,
            safetensors::Dtype::F16 => DType::F16,
            safetensors::Dtype::BF16 => DType::BF16,
            safetensors::Dtype::F64 => DType::F64,
            other => {
                return Err(Error::new(ErrorCode::BadValue, format!("the tensor `{name}` holds no weights"))
                    .file(&self.file)
                    .expected("F32, F16, BF16 or F64")
                    .got(format!("{other:?}")));
            }
        };
        let tensor =
            Tensor::from_raw_buffer(view.data(), dtype, shape, &Device::Cpu)?.to_dtype(DType::F32)?;
        if !tensor.flatten_all()?.to_vec1::<f32>()?.iter().all(|x| x.is_finite()) {
            let what = format!("the tensor `{name}` holds NaN or infinity");
            return Err(Error::new(ErrorCode::NotFinite, what).file(&self.file));
        }
        Ok(tensor)
    }

    /// The elements of the tensor `name`, row-major; as [`Weights::tensor`].
    ///
    /// # Errors
    /// Those of [`Weights::tensor`].
    pub(crate) fn values(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>> {
        Ok(self.tensor(name, shape)?.flatten_all()?.to_vec1()?)
    }

    fn parsed(&self) -> Result<SafeTensors<'_>> {
        SafeTensors::deserialize(&self.bytes)
            .map_err(|error| Error::new(ErrorCode::Damaged, error.to_string()).file(&self.file))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use safetensors::tensor::TensorView;

    fn file(tensors: &[(&str, safetensors::Dtype, Vec<usize>, Vec<u8>)]) -> tempfile::NamedTempFile {
        let views = tensors
            .iter()
            .map(|(name, dtype, shape, data)| (*name, TensorView::new(*dtype, shape.clone(), data).unwrap()));
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), safetensors::serialize(views, None).unwrap()).unwrap();
        file
    }

    fn le(values: &[f32]) -> Vec<u8> {
        values.iter().flat_map(|x| x.to_le_bytes()).collect()
    }

    #[test]
    fn tensors_come_as_f32() {
        let half: Vec<u8> =
            [1.5f32, -2.0].iter().flat_map(|x| half::f16::from_f32(*x).to_le_bytes()).collect();
        let file = file(&[
            ("a", safetensors::Dtype::F32, vec![2, 1], le(&[1.0, 2.0])),
            ("b", safetensors::Dtype::F16, vec![2], half),
        ]);
        let weights = Weights::open(file.path()).unwrap();
        assert_eq!(weights.values("a", &[2, 1]).unwrap(), [1.0, 2.0]);
        assert_eq!(weights.values("b", &[2]).unwrap(), [1.5, -2.0]);
        let mut names = weights.names().unwrap();
        names.sort();
        assert_eq!(names, ["a", "b"]);
        let bytes = std::fs::read(file.path()).unwrap();
        assert_eq!(weights.hash()[..], Sha256::digest(bytes)[..]);
    }

    #[test]
    fn what_does_not_fit_is_named() {
        let file = file(&[
            ("a", safetensors::Dtype::F32, vec![2], le(&[1.0, f32::NAN])),
            ("n", safetensors::Dtype::I64, vec![1], vec![0; 8]),
        ]);
        let weights = Weights::open(file.path()).unwrap();
        let code = |name: &str, shape: &[usize]| weights.tensor(name, shape).unwrap_err().code();
        assert_eq!(code("a", &[2]), ErrorCode::NotFinite);
        assert_eq!(code("a", &[1, 2]), ErrorCode::BadDimension);
        assert_eq!(code("n", &[1]), ErrorCode::BadValue);
        let error = weights.tensor("z", &[1]).unwrap_err();
        assert_eq!(error.code(), ErrorCode::UnknownTensor);
        assert_eq!(error.facts().file.as_deref(), Some(file.path()));
    }

    #[test]
    fn other_files_are_refused() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), b"\x80\x02pickle").unwrap();
        let code = |path: &Path| Weights::open(path).map(drop).unwrap_err().code();
        assert_eq!(code(file.path()), ErrorCode::Damaged);
        assert_eq!(code(Path::new("no/such/file")), ErrorCode::NotFound);
    }
}
