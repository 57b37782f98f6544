//! Cells and codes of a media type: derived sections by which a reader finds the rows that are worth an exact score.

use crate::derived::{Derived, Values};
use crate::entry::label;
use crate::error::Error;
use crate::parts::{Sizes, Wrong, part};
use crate::reader::{SectionInfo, Uvec};

pub use crate::parts::{CURVE_COLUMNS, Elements, GROUP, MARGINS, MISSES, REACH, kind};

/// The cells of a media type of `n` items, and the codes of its rows. All values are unchecked until [`Uvec::verify`]: ends
/// may descend, and rows may be out of range or missing.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Cells<'a> {
    /// Dimension `d` of the shared vectors.
    pub dim: usize,
    /// What codes are relative to `[d]`.
    pub mean: &'a [f32],
    /// Directions `[m, d]`.
    pub directions: &'a [f32],
    /// Step of each element of short codes `[e]`, above 0 in an undamaged file.
    pub steps: &'a [f32],
    /// Step of each element of long codes `[m]`, above 0 in an undamaged file.
    pub long_steps: &'a [f32],
    /// Short codes of the centres `[ceil(c / 16), w]`.
    pub centres: &'a [u8],
    /// Position in `rows` after the last row of each cell `[c]`; ascending up to `n` in an undamaged file.
    pub ends: &'a [u32],
    /// Short codes of the rows in the order of `rows` `[ceil(n / 16), w]`.
    pub short: &'a [u8],
    /// Long codes of the rows in the order of `rows` `[n, l]`.
    pub long: &'a [u8],
    /// Row of each item, cell after cell `[n]`; each row once in an undamaged file.
    pub rows: &'a [u32],
    /// Inverse norm of each row in the order of `rows` `[n]`.
    pub norms: &'a [f32],
    /// How far a search must go, where that was measured.
    pub curves: Option<Curves<'a>>,
}

/// How many rows of the cells a search must look at, by what it asks for.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Curves<'a> {
    /// `score` fingerprint of the bundle that they were measured with.
    pub model: &'a [u8; 32],
    /// Target, media index of the query, k, and at each of [`MISSES`]: rows visited, rank by short code, rank by long code.
    pub rows: &'a [[f32; CURVE_COLUMNS]],
}

impl<D: AsRef<[u8]>> Uvec<D> {
    /// The cells of a media type; `None` where the file has none for it, or has no such media type. Shapes are checked here.
    /// Values are not: a caller must not rely on them for its own safety. Cost: O(number of sections).
    ///
    /// # Errors
    /// `Missing` where only some of the sections are there; `Field` where one has another shape than SPEC.md says; and those of
    /// [`Uvec::derived`].
    pub fn cells(&self, media: usize) -> Result<Option<Cells<'_>>, Error> {
        let Some(sizes) = self.cell_sizes(media) else { return Ok(None) };
        let take = |kind| self.cell_part(kind, media, sizes);
        let elements = Elements::of(sizes.dim);
        let (mean, directions) = (f32s(take(kind::MEAN)?), f32s(take(kind::DIRECTIONS)?));
        let (steps, long_steps) =
            f32s(take(kind::STEPS)?).split_at_checked(elements.short()).unwrap_or_default();
        let mut cells = Cells {
            dim: sizes.dim,
            mean,
            directions,
            steps,
            long_steps,
            centres: bytes(take(kind::CENTRES)?),
            ends: u32s(take(kind::ENDS)?),
            short: bytes(take(kind::SHORT)?),
            long: bytes(take(kind::LONG)?),
            rows: u32s(take(kind::ROWS)?),
            norms: f32s(take(kind::NORMS)?),
            curves: None,
        };
        if sizes.has_curves {
            let model = bytes(take(kind::CURVE_MODEL)?).first_chunk();
            let rows = f32s(take(kind::CURVES)?).as_chunks().0;
            cells.curves = model.map(|model| Curves { model, rows });
        }
        Ok(Some(cells))
    }

    /// What the shapes follow from; `None` where the media type has none of the sections.
    pub(crate) fn cell_sizes(&self, media: usize) -> Option<Sizes> {
        let has = |kind| self.derived_entries(kind, Some(media)).next();
        let dim = self.media().get(media)?.dim as usize;
        let is_part =
            |info: &SectionInfo| info.derived && info.media == Some(media) && part(info.kind).is_some();
        self.sections().iter().find(|info| is_part(info))?;
        let items = self.view(media).len() as u64;
        // Items lie in a cell, so there is one at least.
        let cells = has(kind::ENDS).map(|(_, ends)| ends.rows.max(u64::from(items > 0)));
        let has_curves = has(kind::CURVE_MODEL).or(has(kind::CURVES)).is_some();
        Some(Sizes { dim, items, cells, has_curves })
    }

    fn cell_part(&self, kind: u32, media: usize, sizes: Sizes) -> Result<Derived<'_>, Error> {
        let section = || label(kind, self.media().get(media).map(|info| info.name.as_str()));
        let found = self.derived(kind, Some(media))?;
        let (Some(found), Some((at, info))) = (found, self.derived_entries(kind, Some(media)).next()) else {
            return Err(Error::Missing { section: section() });
        };
        match part(kind).and_then(|part| part.wrong(info.shape(), sizes)) {
            None => Ok(found),
            Some(Wrong { field, place, expected, got }) => {
                let offset = self.entry_offset(at) + place as u64;
                Err(Error::Field { section: section(), field, offset, expected, got })
            }
        }
    }
}

// The element type was checked, so that only the arm of the type is taken.

fn bytes(of: Derived<'_>) -> &[u8] {
    if let Values::Bytes(values) = of.values { values } else { &[] }
}

fn u32s(of: Derived<'_>) -> &[u32] {
    if let Values::U32(values) = of.values { values } else { &[] }
}

fn f32s(of: Derived<'_>) -> &[f32] {
    if let Values::F32(values) = of.values { values } else { &[] }
}
