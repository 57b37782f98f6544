//! Numbers of a bundle: lists of their own, or where they lie in a mapped file, which costs nothing until they are read.

use std::ops::{Deref, DerefMut, Range};
use std::sync::{Arc, OnceLock};

use half::f16;
use half::slice::HalfFloatSliceExt;

/// A file that is mapped: the bytes of its tensors.
pub(crate) type Map = Arc<memmap2::Mmap>;

/// Some of its bytes.
#[derive(Clone, Debug)]
pub(crate) struct Lying {
    map: Map,
    range: Range<usize>,
}

impl Lying {
    /// The bytes `range` of `map`; none where they are not there, or do not start where a `T` may.
    fn new<T: bytemuck::AnyBitPattern>(map: &Map, range: Range<usize>) -> Option<Self> {
        bytemuck::try_cast_slice::<u8, T>(map.get(range.clone())?).ok()?;
        Some(Self { map: map.clone(), range })
    }

    /// Checked when it was made: a map stays where it is.
    fn values<T: bytemuck::AnyBitPattern>(&self) -> &[T] {
        let bytes = self.map.get(self.range.clone()).unwrap_or_default();
        bytemuck::try_cast_slice(bytes).unwrap_or_default()
    }
}

/// Numbers of binary32. A change takes them out of the file.
#[derive(Clone, Default)]
pub(crate) struct Floats {
    mapped: Option<Lying>,
    /// Where none are mapped.
    own: Vec<f32>,
}

impl Floats {
    /// Those in the bytes `range` of a file.
    pub(crate) fn mapped(map: &Map, range: Range<usize>) -> Option<Self> {
        Some(Self { mapped: Some(Lying::new::<f32>(map, range)?), own: Vec::new() })
    }

    /// As a list that may change.
    pub(crate) fn own(&mut self) -> &mut Vec<f32> {
        if let Some(lying) = self.mapped.take() {
            self.own = lying.values().to_vec();
        }
        &mut self.own
    }
}

impl Deref for Floats {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        self.mapped.as_ref().map_or(&self.own, Lying::values)
    }
}

impl DerefMut for Floats {
    fn deref_mut(&mut self) -> &mut [f32] {
        self.own()
    }
}

impl From<Vec<f32>> for Floats {
    fn from(own: Vec<f32>) -> Self {
        Self { mapped: None, own }
    }
}

impl PartialEq for Floats {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl std::fmt::Debug for Floats {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        (**self).fmt(f)
    }
}

/// Numbers that a file holds in binary16. Read as f32 they are widened once, all of them.
#[derive(Clone, Default)]
pub(crate) struct Narrow {
    stored: Option<Lying>,
    wide: OnceLock<Vec<f32>>,
}

impl Narrow {
    /// Those in the bytes `range` of a file.
    pub(crate) fn mapped(map: &Map, range: Range<usize>) -> Option<Self> {
        Some(Self { stored: Some(Lying::new::<f16>(map, range)?), wide: OnceLock::new() })
    }

    /// As they are stored, where they were read from a file and nobody has widened them.
    pub(crate) fn stored(&self) -> Option<&[f16]> {
        self.stored.as_ref().filter(|_| self.wide.get().is_none()).map(Lying::values)
    }

    /// How many there are; widens none.
    pub(crate) fn len(&self) -> usize {
        self.stored().map_or_else(|| self.deref().len(), <[f16]>::len)
    }

    /// Whether there are none; widens none.
    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Deref for Narrow {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        self.wide.get_or_init(|| {
            let stored: &[f16] = self.stored.as_ref().map(Lying::values).unwrap_or_default();
            let mut wide = vec![0.0; stored.len()];
            stored.convert_to_f32_slice(&mut wide);
            wide
        })
    }
}

impl From<Vec<f32>> for Narrow {
    fn from(values: Vec<f32>) -> Self {
        Self { stored: None, wide: values.into() }
    }
}

impl PartialEq for Narrow {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl std::fmt::Debug for Narrow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        (**self).fmt(f)
    }
}
