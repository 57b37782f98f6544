//! Media types as the file records them.

use crate::column::ElementType;
use crate::error::Error;
use crate::layout::{self, MediaRecord};

/// Stored type of shared vectors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dtype {
    /// IEEE 754 binary16.
    F16,
    /// IEEE 754 binary32.
    F32,
}

impl Dtype {
    /// Bytes of one value.
    pub const fn size(self) -> usize {
        self.element().size()
    }

    pub(crate) const fn element(self) -> ElementType {
        match self {
            Self::F16 => ElementType::F16,
            Self::F32 => ElementType::F32,
        }
    }
}

/// A media type: its name and the shapes of its columns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MediaInfo {
    /// Name, 1 to 32 bytes of UTF-8 without the zero character.
    pub name: String,
    /// Dimension `d` of the shared vectors, 1 to 65,536.
    pub dim: u32,
    /// Stored type of the shared vectors.
    pub dtype: Dtype,
    /// Width `h` of the stored halves of the metric network's first layer, 0 where none are stored.
    pub half: u32,
    /// Number of stored hubs `g` of each item, 0 to 255; 0 where none are stored.
    pub hubs: u32,
}

impl MediaInfo {
    pub(crate) fn record(&self) -> MediaRecord {
        let mut name = [0; layout::MAX_NAME];
        for (to, from) in name.iter_mut().zip(self.name.bytes()) {
            *to = from;
        }
        MediaRecord {
            name,
            dim: self.dim.into(),
            dtype: self.dtype.element().code().into(),
            half: self.half.into(),
            hubs: self.hubs.into(),
            reserved: [0; 16],
        }
    }

    /// Reads the record that stands at `offset` of the file.
    pub(crate) fn from_record(record: &MediaRecord, offset: u64) -> Result<Self, Error> {
        let section = || "MEDIA".to_owned();
        let text = || Error::Text { section: section(), offset: offset + layout::media::NAME as u64 };
        let length = record.name.iter().position(|&b| b == 0).unwrap_or(layout::MAX_NAME);
        let (name, rest) = record.name.split_at_checked(length).ok_or_else(text)?;
        if rest.iter().any(|&b| b != 0) {
            return Err(text());
        }
        let name = std::str::from_utf8(name).map_err(|_| text())?.to_owned();
        let dtype = match ElementType::from_code(record.dtype.to_native()) {
            Some(ElementType::F16) => Dtype::F16,
            Some(ElementType::F32) => Dtype::F32,
            _ => {
                return Err(Error::ElementType {
                    section: section(),
                    offset: offset + layout::media::DTYPE as u64,
                    got: record.dtype.to_native(),
                });
            }
        };
        if record.reserved.iter().any(|&b| b != 0) {
            let offset = offset + layout::media::RESERVED as u64;
            return Err(Error::Reserved { section: section(), offset });
        }
        let (dim, half, hubs) = (record.dim.to_native(), record.half.to_native(), record.hubs.to_native());
        Ok(Self { name, dim, dtype, half, hubs })
    }
}

/// Checks the media types of a file against the limits of the format.
///
/// # Errors
/// `Limit` for a count, dimension or width outside of its range, `MediaName` for a name that cannot be stored.
pub(crate) fn check(media: &[MediaInfo]) -> Result<(), Error> {
    let limit = |what, least, most: u64, got: u64| {
        if (least..=most).contains(&got) { Ok(()) } else { Err(Error::Limit { what, least, most, got }) }
    };
    limit("number of media types", 0, layout::MAX_MEDIA as u64, media.len() as u64)?;
    for (index, info) in media.iter().enumerate() {
        let bad = |reason| Err(Error::MediaName { name: info.name.clone(), reason });
        if info.name.is_empty() {
            return bad("empty");
        }
        if info.name.len() > layout::MAX_NAME {
            return bad("over 32 bytes");
        }
        if info.name.contains('\0') {
            return bad("holds a zero character");
        }
        if media.iter().take(index).any(|other| other.name == info.name) {
            return bad("stands twice");
        }
        limit("dimension of shared vectors", 1, layout::MAX_DIM.into(), info.dim.into())?;
        limit("width of halves", 0, layout::MAX_DIM.into(), info.half.into())?;
        limit("number of hubs", 0, layout::MAX_HUBS.into(), info.hubs.into())?;
    }
    Ok(())
}
