//! The sections that cells are made of: kinds, names and shapes.

use crate::column::ElementType;
use crate::layout::entry;

/// Kinds of the sections.
pub mod kind {
    /// Mean and step of each element `[2, d]`, f32.
    pub const BASIS: u32 = 32;
    /// Codes of the centres `[ceil(c / 16), code_bytes(d)]`, bytes.
    pub const CENTRES: u32 = 33;
    /// Scale of each centre `[c]`, f32.
    pub const CENTRE_SCALES: u32 = 34;
    /// Position after the last row of each cell `[c]`, u32.
    pub const ENDS: u32 = 35;
    /// Codes of the rows in the order of `ROWS` `[ceil(n / 16), code_bytes(d)]`, bytes.
    pub const CODES: u32 = 36;
    /// Row of each item, cell after cell `[n]`, u32.
    pub const ROWS: u32 = 37;
    /// Scale and inverse norm of each row in the order of `ROWS` `[n, 2]`, f32.
    pub const SCALES: u32 = 38;
    /// `model` fingerprint of the bundle of the curves `[1, 32]`, bytes.
    pub const CURVE_MODEL: u32 = 39;
    /// The curves `[any, CURVE_COLUMNS]`, f32.
    pub const CURVES: u32 = 40;
}

/// Rows of a group of codes.
pub const GROUP: usize = 16;
/// Elements of a row in a block of a group.
pub(crate) const BLOCK: usize = 8;
/// Bytes of a block: 4 bits for each element of each row.
pub(crate) const BLOCK_BYTES: usize = GROUP * BLOCK / 2;

/// Columns of a curve: target, media index, k, and two quantiles for each of [`MISSES`].
pub const CURVE_COLUMNS: usize = 3 + 2 * MISSES.len();
/// The share of true rows that is missed at each quantile of a curve.
pub const MISSES: [f32; 8] = [0.1, 0.05, 0.02, 0.01, 0.005, 0.002, 0.001, 0.0];

/// Bytes of a group of codes of `dim` elements: 64 for each 8 of them.
pub const fn code_bytes(dim: usize) -> usize {
    dim.div_ceil(BLOCK) * BLOCK_BYTES
}

/// What SPEC.md says of one of the kinds.
#[derive(Clone, Copy)]
pub(crate) struct Part {
    pub(crate) kind: u32,
    pub(crate) name: &'static str,
    pub(crate) element: ElementType,
}

/// All parts by ascending kind.
pub(crate) const PARTS: [Part; 9] = [
    Part { kind: kind::BASIS, name: "CELL_BASIS", element: ElementType::F32 },
    Part { kind: kind::CENTRES, name: "CELL_CENTRES", element: ElementType::Bytes },
    Part { kind: kind::CENTRE_SCALES, name: "CELL_SCALES", element: ElementType::F32 },
    Part { kind: kind::ENDS, name: "CELL_ENDS", element: ElementType::U32 },
    Part { kind: kind::CODES, name: "CODES", element: ElementType::Bytes },
    Part { kind: kind::ROWS, name: "CODE_ROWS", element: ElementType::U32 },
    Part { kind: kind::SCALES, name: "CODE_SCALES", element: ElementType::F32 },
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
        let (group, width) = (GROUP as u64, code_bytes(dim) as u64);
        match self.kind {
            kind::BASIS => (Some(2), dim as u64),
            kind::CENTRES => (cells.map(|cells| cells.div_ceil(group)), width),
            kind::CENTRE_SCALES | kind::ENDS => (cells, 1),
            kind::CODES => (Some(items.div_ceil(group)), width),
            kind::ROWS => (Some(items), 1),
            kind::SCALES => (Some(items), 2),
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
