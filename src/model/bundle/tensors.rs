//! The tensors of a bundle: names, shapes and a safetensors file of fixed order.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;

use half::f16;
use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView};

use super::parts::{Known, Parts, check};
use crate::error::{Error, ErrorCode, Result};
use crate::limits;
use crate::model::floats::{Floats, Map, Narrow};

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
    lazy: Option<Lazy<'a>>,
}

/// A mapped file, of which large tensors are left where they lie.
pub(crate) struct Lazy<'a> {
    map: &'a Map,
    checks: &'a BTreeMap<String, u32>,
    /// Name, place and checksum of what was left.
    left: Vec<(String, Range<usize>, u32)>,
}

impl<'a> Lazy<'a> {
    /// `checks`: CRC-32 by name.
    pub(crate) fn new(map: &'a Map, checks: &'a BTreeMap<String, u32>) -> Self {
        Self { map, checks, left: Vec::new() }
    }
}

impl<'a> Reader<'a> {
    /// The file that is read.
    pub(crate) fn file(&self) -> &Path {
        self.file
    }

    pub(crate) fn new(file: &'a Path, bytes: &'a [u8], lazy: Option<Lazy<'a>>) -> Result<Self> {
        limits::check_safetensors(bytes).map_err(|error| error.file(file))?;
        let tensors = SafeTensors::deserialize(bytes).map_err(|source| {
            Error::new(ErrorCode::Damaged, format!("not a safetensors file: {source}"))
                .file(file)
                .source(source)
        })?;
        Ok(Self { file, tensors, read: 0, lazy })
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
        if let Some(lazy) = &self.lazy {
            check(self.file, name, bytes, self.check_of(lazy, name)?)?;
        }
        let data = bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
        self.finite(name, data)
    }

    /// The same of a tensor that may be large: of a mapped file it is left where it lies, and its values are unchecked.
    pub(crate) fn leave(&mut self, name: &str, shape: &[usize]) -> Result<Floats> {
        match self.left(name, Dtype::F32, shape, Floats::mapped)? {
            Some(left) => Ok(left),
            None => Ok(self.take(name, shape)?.into()),
        }
    }

    /// As [`Reader::leave`], of a tensor of f16.
    pub(crate) fn leave_narrow(&mut self, name: &str, shape: &[usize]) -> Result<Narrow> {
        if let Some(left) = self.left(name, Dtype::F16, shape, Narrow::mapped)? {
            return Ok(left);
        }
        let bytes = self.bytes(name, Dtype::F16, shape)?;
        let data = bytes.chunks_exact(2).map(|b| f16::from_le_bytes([b[0], b[1]]).to_f32()).collect();
        Ok(self.finite(name, data)?.into())
    }

    /// A tensor where it lies; `None` where the file is not mapped, or does not hold it as memory does.
    fn left<T>(
        &mut self,
        name: &str,
        dtype: Dtype,
        shape: &[usize],
        mapped: fn(&Map, Range<usize>) -> Option<T>,
    ) -> Result<Option<T>> {
        let bytes = self.bytes(name, dtype, shape)?;
        let Some(lazy) = &self.lazy else { return Ok(None) };
        let crc = self.check_of(lazy, name)?;
        let start = bytes.as_ptr().addr().wrapping_sub(lazy.map.as_ptr().addr());
        let range = start..start.wrapping_add(bytes.len());
        let Some(left) = mapped(lazy.map, range.clone()) else {
            check(self.file, name, bytes, crc)?;
            return Ok(None);
        };
        if let Some(lazy) = &mut self.lazy {
            lazy.left.push((name.to_owned(), range, crc));
        }
        self.read += 1;
        Ok(Some(left))
    }

    fn check_of(&self, lazy: &Lazy<'_>, name: &str) -> Result<u32> {
        lazy.checks.get(name).copied().ok_or_else(|| {
            Error::new(ErrorCode::Damaged, format!("tensor `{name}` has no checksum")).file(self.file)
        })
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

    /// Refuses tensors that nobody has read. Gives what was left where it lies.
    pub(crate) fn finish(self) -> Result<Known> {
        let count = self.tensors.len();
        if count == self.read {
            let mapped = |lazy: Lazy<'_>| Known::mapped(Parts::new(lazy.map.clone(), self.file, lazy.left));
            return Ok(self.lazy.map(mapped).unwrap_or_default());
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
