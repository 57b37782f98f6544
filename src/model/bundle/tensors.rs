//! The tensors of a bundle: names, shapes and a safetensors file of fixed order.

use std::path::Path;

use half::f16;
use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView};

use crate::error::{Error, ErrorCode, Result};
use crate::limits;

/// A named f32 tensor; `space` tells whether stored shared vectors and halves depend on it.
pub(crate) struct Named<'a> {
    pub(crate) name: String,
    pub(crate) shape: Vec<usize>,
    pub(crate) data: &'a [f32],
    pub(crate) space: bool,
    /// Whether the file holds f16; the data are rounded already.
    pub(crate) narrow: bool,
}

impl<'a> Named<'a> {
    pub(crate) fn new(name: String, shape: &[usize], data: &'a [f32], space: bool) -> Self {
        debug_assert_eq!(shape.iter().product::<usize>(), data.len(), "{name}");
        Self { name, shape: shape.to_vec(), data, space, narrow: false }
    }

    /// The same as f16 in the file: half the bytes.
    pub(crate) fn narrow(self) -> Self {
        Self { narrow: true, ..self }
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        if self.narrow {
            return self.data.iter().flat_map(|x| f16::from_f32(*x).to_le_bytes()).collect();
        }
        self.data.iter().flat_map(|x| x.to_le_bytes()).collect()
    }
}

impl Named<'_> {
    fn dtype(&self) -> Dtype {
        if self.narrow { Dtype::F16 } else { Dtype::F32 }
    }
}

/// The bytes of a safetensors file with these tensors; the same tensors give the same bytes.
pub(crate) fn to_bytes(tensors: &[Named<'_>]) -> Result<Vec<u8>> {
    let bytes: Vec<Vec<u8>> = tensors.iter().map(Named::bytes).collect();
    let views = tensors
        .iter()
        .zip(&bytes)
        .map(|(tensor, bytes)| {
            Ok((&tensor.name, TensorView::new(tensor.dtype(), tensor.shape.clone(), bytes)?))
        })
        .collect::<Result<Vec<_>, safetensors::SafeTensorError>>();
    views
        .and_then(|views| safetensors::serialize(views, None))
        .map_err(|source| Error::new(ErrorCode::Tensor, source.to_string()).source(source))
}

/// Reads tensors by name and checks their shapes.
pub(crate) struct Reader<'a> {
    file: &'a Path,
    tensors: SafeTensors<'a>,
    read: usize,
}

impl<'a> Reader<'a> {
    /// The file that is read.
    pub(crate) fn file(&self) -> &Path {
        self.file
    }

    pub(crate) fn new(file: &'a Path, bytes: &'a [u8]) -> Result<Self> {
        limits::check_safetensors(bytes).map_err(|error| error.file(file))?;
        let tensors = SafeTensors::deserialize(bytes).map_err(|source| {
            Error::new(ErrorCode::Damaged, format!("not a safetensors file: {source}"))
                .file(file)
                .source(source)
        })?;
        Ok(Self { file, tensors, read: 0 })
    }

    /// Whether there is a tensor `name`.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.tensors.tensor(name).is_ok()
    }

    /// Length of dimension 0 of a tensor.
    pub(crate) fn rows(&self, name: &str) -> Result<usize> {
        Ok(self.view(name)?.shape().first().copied().unwrap_or(0))
    }

    /// The elements of the tensor `name`, which must be finite f32 of this shape.
    pub(crate) fn take(&mut self, name: &str, shape: &[usize]) -> Result<Vec<f32>> {
        let bytes = self.bytes(name, Dtype::F32, shape)?;
        let data = bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
        self.finite(name, data)
    }

    /// The same of a tensor of f16.
    pub(crate) fn take_narrow(&mut self, name: &str, shape: &[usize]) -> Result<Vec<f32>> {
        let bytes = self.bytes(name, Dtype::F16, shape)?;
        let data = bytes.chunks_exact(2).map(|b| f16::from_le_bytes([b[0], b[1]]).to_f32()).collect();
        self.finite(name, data)
    }

    fn bytes(&self, name: &str, dtype: Dtype, shape: &[usize]) -> Result<&'a [u8]> {
        let view = self.view(name)?;
        if view.dtype() != dtype || view.shape() != shape {
            return Err(Error::new(ErrorCode::Damaged, format!("tensor `{name}` has another shape or type"))
                .file(self.file)
                .expected(format!("{dtype:?} {shape:?}"))
                .got(format!("{:?} {:?}", view.dtype(), view.shape())));
        }
        Ok(view.data())
    }

    fn finite(&mut self, name: &str, data: Vec<f32>) -> Result<Vec<f32>> {
        if let Some(at) = data.iter().position(|x| !x.is_finite()) {
            let what = format!("element {at} of tensor `{name}` is not finite");
            return Err(Error::new(ErrorCode::Damaged, what).file(self.file));
        }
        self.read += 1;
        Ok(data)
    }

    /// Refuses tensors that nobody has read.
    pub(crate) fn finish(self) -> Result<()> {
        let count = self.tensors.len();
        if count == self.read {
            return Ok(());
        }
        Err(Error::new(ErrorCode::Damaged, "the file has tensors that do not belong to it")
            .file(self.file)
            .expected(self.read)
            .got(count))
    }

    fn view(&self, name: &str) -> Result<TensorView<'a>> {
        self.tensors.tensor(name).map_err(|_| {
            Error::new(ErrorCode::Damaged, format!("tensor `{name}` is missing")).file(self.file)
        })
    }
}
