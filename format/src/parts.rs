//! The sections that cells are made of: kinds, names and shapes.

use crate::column::ElementType;
use crate::layout::entry;

/// Kinds of the sections. 32 to 40 were those of an earlier build.
pub mod kind {
    /// What codes are relative to `[1, d]`, f32.
    pub const MEAN: u32 = 48;
    /// Directions `[m, d]`, f32.
    pub const DIRECTIONS: u32 = 49;
    /// Step of each element of short codes, then of long ones `[1, e + m]`, f32.
    pub const STEPS: u32 = 50;
    /// Short codes of the centres `[ceil(c / 16), w]`, bytes.
    pub const CENTRES: u32 = 51;
    /// Position after the last row of each cell `[c]`, u32.
    pub const ENDS: u32 = 52;
    /// Short codes of the rows in the order of `ROWS` `[ceil(n / 16), w]`, bytes.
    pub const SHORT: u32 = 53;
    /// Long codes of the rows in the order of `ROWS` `[n, l]`, bytes.
    pub const LONG: u32 = 54;
    /// Row of each item, cell after cell `[n]`, u32.
    pub const ROWS: u32 = 55;
    /// Inverse norm of each row in the order of `ROWS` `[n]`, f32.
    pub const NORMS: u32 = 56;
    /// `model` fingerprint of the bundle of the curves `[1, 32]`, bytes.
    pub const CURVE_MODEL: u32 = 57;
    /// The curves `[any, CURVE_COLUMNS]`, f32.
    pub const CURVES: u32 = 58;
}

/// Rows of a group of short codes.
pub const GROUP: usize = 16;
/// Bytes of a block of a group.
pub(crate) const BLOCK_BYTES: usize = 64;
/// Elements of a row in a block of 4 bits, and in one of 2.
pub(crate) const FINE_BLOCK: usize = 8;
pub(crate) const COARSE_BLOCK: usize = 16;
/// Elements and bytes of a block of a long code.
pub(crate) const LONG_BLOCK: usize = 64;

/// Columns of a curve: target, media index, k, and three quantiles for each of [`MISSES`].
pub const CURVE_COLUMNS: usize = 3 + 3 * MISSES.len();
/// What the target of a curve has added where the row is of margins, which tell how far values by code lie off.
pub const MARGINS: f32 = 8.0;
/// What the target of a curve has added where the row is of reaches, which tell how far below the best values by codes true rows lie.
pub const REACH: f32 = 16.0;
/// The share of true rows that is missed at each quantile of a curve.
pub const MISSES: [f32; 8] = [0.1, 0.05, 0.02, 0.01, 0.005, 0.002, 0.001, 0.0];

/// How many elements the codes of vectors of a dimension have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Elements {
    /// Directions `m`: those of a long code.
    pub directions: usize,
    /// Leading directions with 4 bits in a short code.
    pub fine: usize,
    /// Of these, the leading ones with 4 bits more.
    pub finer: usize,
    /// The directions after the fine ones with 2 bits in a short code.
    pub coarse: usize,
}

impl Elements {
    /// Of vectors of `dim` elements.
    pub const fn of(dim: usize) -> Self {
        const fn least(a: usize, b: usize) -> usize {
            if a < b { a } else { b }
        }
        let directions = least(dim, 192);
        let fine = least(directions, 24);
        Self { directions, fine, finer: least(fine, 8), coarse: least(directions - fine, 96) }
    }

    /// Elements of a short code: fine ones, what is finer of them, coarse ones.
    pub const fn short(&self) -> usize {
        self.fine + self.finer + self.coarse
    }

    /// Bytes of the 4-bit blocks of a group of short codes, the first ones.
    pub const fn fine_bytes(&self) -> usize {
        (self.fine + self.finer).div_ceil(FINE_BLOCK) * BLOCK_BYTES
    }

    /// Bytes `w` of a group of short codes.
    pub const fn group_bytes(&self) -> usize {
        self.fine_bytes() + self.coarse.div_ceil(COARSE_BLOCK) * BLOCK_BYTES
    }

    /// Bytes `l` of a long code.
    pub const fn long_bytes(&self) -> usize {
        self.directions.div_ceil(LONG_BLOCK) * LONG_BLOCK / 2
    }
}

/// What SPEC.md says of one of the kinds.
#[derive(Clone, Copy)]
pub(crate) struct Part {
    pub(crate) kind: u32,
    pub(crate) name: &'static str,
    pub(crate) element: ElementType,
}

/// All parts by ascending kind.
pub(crate) const PARTS: [Part; 11] = [
    Part { kind: kind::MEAN, name: "CODE_MEAN", element: ElementType::F32 },
    Part { kind: kind::DIRECTIONS, name: "CODE_DIRECTIONS", element: ElementType::F32 },
    Part { kind: kind::STEPS, name: "CODE_STEPS", element: ElementType::F32 },
    Part { kind: kind::CENTRES, name: "CELL_CENTRES", element: ElementType::Bytes },
    Part { kind: kind::ENDS, name: "CELL_ENDS", element: ElementType::U32 },
    Part { kind: kind::SHORT, name: "SHORT_CODES", element: ElementType::Bytes },
    Part { kind: kind::LONG, name: "LONG_CODES", element: ElementType::Bytes },
    Part { kind: kind::ROWS, name: "CODE_ROWS", element: ElementType::U32 },
    Part { kind: kind::NORMS, name: "CODE_NORMS", element: ElementType::F32 },
    Part { kind: kind::CURVE_MODEL, name: "CURVE_MODEL", element: ElementType::Bytes },
    Part { kind: kind::CURVES, name: "CURVES", element: ElementType::F32 },
];

/// The part of a section kind, if it is one.
pub(crate) fn part(kind: u32) -> Option<Part> {
    PARTS.into_iter().find(|part| part.kind == kind)
}

/// Numbers that the shapes follow from.
#[derive(Clone, Copy)]
pub(crate) struct Sizes {
    pub(crate) dim: usize,
    pub(crate) items: u64,
    /// Unknown where the section is not there whose rows count the cells.
    pub(crate) cells: Option<u64>,
    pub(crate) has_curves: bool,
}

/// What a table entry says of the shape of a section.
#[derive(Clone, Copy)]
pub(crate) struct Shape {
    pub(crate) element: u32,
    pub(crate) rows: u64,
    pub(crate) columns: u32,
}

/// A field of a table entry that is not what the shape asks for.
pub(crate) struct Wrong {
    pub(crate) field: &'static str,
    pub(crate) place: usize,
    pub(crate) expected: u64,
    pub(crate) got: u64,
}

impl Part {
    /// Whether it must be there.
    pub(crate) fn is_due(&self, sizes: Sizes) -> bool {
        sizes.has_curves || !matches!(self.kind, kind::CURVE_MODEL | kind::CURVES)
    }

    /// Rows, where their number is known, and columns.
    fn shape(&self, sizes: Sizes) -> (Option<u64>, u64) {
        let Sizes { dim, items, cells, .. } = sizes;
        let elements = Elements::of(dim);
        let (group, width, m) = (GROUP as u64, elements.group_bytes() as u64, elements.directions as u64);
        match self.kind {
            kind::MEAN => (Some(1), dim as u64),
            kind::DIRECTIONS => (Some(m), dim as u64),
            kind::STEPS => (Some(1), elements.short() as u64 + m),
            kind::CENTRES => (cells.map(|cells| cells.div_ceil(group)), width),
            kind::ENDS => (cells, 1),
            kind::SHORT => (Some(items.div_ceil(group)), width),
            kind::LONG => (Some(items), elements.long_bytes() as u64),
            kind::ROWS | kind::NORMS => (Some(items), 1),
            kind::CURVE_MODEL => (Some(1), 32),
            _ => (None, CURVE_COLUMNS as u64),
        }
    }

    /// The first field of a table entry that is wrong.
    pub(crate) fn wrong(&self, got: Shape, sizes: Sizes) -> Option<Wrong> {
        let (rows, columns) = self.shape(sizes);
        let fields = [
            ("element type", entry::ELEMENT, self.element.code().into(), got.element.into()),
            ("columns", entry::COLUMNS, columns, got.columns.into()),
            ("rows", entry::ROWS, rows.unwrap_or(got.rows), got.rows),
        ];
        fields
            .into_iter()
            .map(|(field, place, expected, got)| Wrong { field, place, expected, got })
            .find(|wrong| wrong.expected != wrong.got)
    }
}
