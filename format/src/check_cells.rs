//! Looks at every value of the cells.

use crate::cells::Cells;
use crate::damage::{Damage, Reason};
use crate::parts::{BLOCK_BYTES, COARSE_BLOCK, Elements, FINE_BLOCK, GROUP, LONG_BLOCK, PARTS, kind};
use crate::reader::Uvec;
use crate::verify::{Rows, find};

/// A kind, the row of its section at which damage shows, and what it is.
type Found = (u32, usize, Reason);

impl<D: AsRef<[u8]>> Uvec<D> {
    /// Checks the cells of a media type: that none of their sections is missing, shapes, then values.
    pub(crate) fn check_cells(&self, media: usize, damage: &mut Vec<Damage>) {
        let Some(sizes) = self.cell_sizes(media) else { return };
        let of = |kind| self.derived_entries(kind, Some(media)).map(|(_, info)| info);
        let missing = PARTS.iter().find(|part| part.is_due(sizes) && of(part.kind).next().is_none());
        let first = PARTS.iter().find_map(|part| of(part.kind).next());
        if let (Some(part), Some(info)) = (missing, first) {
            let reason = Reason::Without { missing: part.name };
            damage.push(self.damage(info, info.offset, reason));
        }
        // A section whose bytes are not those of its own shape was found as such.
        for part in &PARTS {
            for info in of(part.kind).filter(|info| info.is_whole()) {
                if let Some(wrong) = part.wrong(info.shape(), sizes) {
                    let (field, expected, got) = (wrong.field, wrong.expected, wrong.got);
                    damage.push(self.damage(info, info.offset, Reason::Field { field, expected, got }));
                }
            }
        }
        let Ok(Some(cells)) = self.cells(media) else { return };
        let inverse_norms = self.view(media).inverse_norms;
        let found =
            [basis(&cells), order(&cells), codes(&cells), norms(&cells, inverse_norms), curves(&cells)];
        for (kind, row, reason) in found.into_iter().flatten() {
            let Some(info) = of(kind).next() else { continue };
            let row_bytes = info.length.checked_div(info.rows).unwrap_or_default();
            damage.push(self.damage(info, info.offset + row as u64 * row_bytes, reason));
        }
    }
}

fn not_finite(kind: u32, wrong: impl Iterator<Item = bool>) -> Option<Found> {
    find(wrong).map(|Rows { first, count }| (kind, first, Reason::NotFinite { row: first, count }))
}

fn is_odd(values: &[f32]) -> bool {
    values.iter().any(|value| !value.is_finite())
}

fn basis(cells: &Cells<'_>) -> Vec<Found> {
    let odd = |kind, rows: &[f32]| not_finite(kind, rows.chunks(cells.dim.max(1)).map(is_odd));
    let steps = || cells.steps.iter().chain(cells.long_steps);
    let found = [
        odd(kind::MEAN, cells.mean),
        odd(kind::DIRECTIONS, cells.directions),
        not_finite(kind::STEPS, std::iter::once(steps().any(|step| !step.is_finite()))),
        find(steps().map(|&step| step <= 0.0))
            .map(|Rows { first, count }| (kind::STEPS, 0, Reason::Step { row: first, count })),
    ];
    found.into_iter().flatten().collect()
}

/// The ends of the cells and the rows in them.
fn order(cells: &Cells<'_>) -> Vec<Found> {
    let (ends, rows) = (cells.ends, cells.rows);
    let mut found = Vec::new();
    if let Some(Rows { first, count }) = find(ends.windows(2).map(|pair| matches!(pair, [a, b] if a > b))) {
        // The pair that starts at `first` descends to the cell after it.
        found.push((kind::ENDS, first + 1, Reason::EndOrder { row: first + 1, count }));
    }
    let (expected, got) = (rows.len(), ends.last().map_or(0, |&end| end as usize));
    if expected != got {
        found.push((kind::ENDS, ends.len().saturating_sub(1), Reason::LastEnd { expected, got }));
    }
    // Which rows lie in which cell is known only now.
    if found.is_empty() {
        let starts = std::iter::once(&0).chain(ends);
        let descends = starts.zip(ends).flat_map(|(&start, &end)| {
            let cell = rows.get(start as usize..end as usize).unwrap_or_default();
            let pairs = cell.windows(2).map(|pair| matches!(pair, [a, b] if a > b));
            cell.iter().take(1).map(|_| false).chain(pairs)
        });
        found.extend(
            find(descends)
                .map(|Rows { first, count }| (kind::ROWS, first, Reason::CellOrder { row: first, count })),
        );
    }
    let mut named = vec![false; rows.len()];
    let again = rows.iter().map(|&row| {
        // A row out of range is no new one either.
        named.get_mut(row as usize).is_none_or(|named| std::mem::replace(named, true))
    });
    found.extend(
        find(again).map(|Rows { first, count }| (kind::ROWS, first, Reason::NotOnce { row: first, count })),
    );
    found
}

fn codes(cells: &Cells<'_>) -> Vec<Found> {
    let elements = Elements::of(cells.dim);
    let all =
        [(kind::CENTRES, cells.centres, cells.ends.len()), (kind::SHORT, cells.short, cells.rows.len())];
    let short = all.into_iter().filter_map(|(kind, codes, rows)| {
        let groups = codes.chunks(elements.group_bytes()).enumerate();
        let wrong = groups.map(|(at, group)| {
            let rows = rows.saturating_sub(at.saturating_mul(GROUP));
            has_beyond(group, elements, rows)
        });
        find(wrong).map(|Rows { first, count }| (kind, first, Reason::CodePadding { row: first, count }))
    });
    let long = cells.long.chunks(elements.long_bytes()).map(|code| {
        code.iter().enumerate().any(|(at, &byte)| {
            let half = LONG_BLOCK / 2;
            let element = at / half * LONG_BLOCK + at % half;
            is_set_beyond(byte, 4, [element, element + half], elements.directions)
        })
    });
    let long = find(long)
        .map(|Rows { first, count }| (kind::LONG, first, Reason::CodePadding { row: first, count }));
    short.chain(long).collect()
}

/// Whether a byte has a code that is not 0 of an element beyond `end`; from its low bits on.
fn is_set_beyond<const N: usize>(byte: u8, bits: usize, elements: [usize; N], end: usize) -> bool {
    let mask = (1 << bits) - 1;
    elements.iter().enumerate().any(|(at, &element)| element >= end && byte >> (bits * at) & mask != 0)
}

/// Whether a group of `rows` rows holds a code that is not 0 beyond its last row or element.
fn has_beyond(group: &[u8], elements: Elements, rows: usize) -> bool {
    let (fine, coarse) = group.split_at_checked(elements.fine_bytes()).unwrap_or((group, &[]));
    let bytes = |part: &'_ [u8], wrong: &dyn Fn(u8, usize, usize) -> bool| {
        let mut blocks = part.chunks(BLOCK_BYTES).enumerate();
        blocks.any(|(at, block)| {
            block.iter().enumerate().any(|(i, &byte)| {
                let row = i / 4;
                (row >= rows && byte != 0) || wrong(byte, at, i % 4)
            })
        })
    };
    let (four, two) = (elements.fine + elements.finer, elements.coarse);
    bytes(fine, &|byte, block, t| {
        let first = block * FINE_BLOCK + t;
        is_set_beyond(byte, 4, [first, first + 4], four)
    }) || bytes(coarse, &|byte, block, t| {
        let first = block * COARSE_BLOCK + t;
        is_set_beyond(byte, 2, [first, first + 4, first + 8, first + 12], two)
    })
}

fn norms(cells: &Cells<'_>, inverse_norms: &[f32]) -> Vec<Found> {
    let pairs = || {
        cells.norms.iter().zip(cells.rows).map(|(&got, &row)| {
            // A row out of range has no norm to differ from; it is found as such.
            (got, inverse_norms.get(row as usize).copied().unwrap_or(got))
        })
    };
    let differs = pairs().map(|(got, expected)| got.to_bits() != expected.to_bits());
    let norm = find(differs).and_then(|Rows { first, count }| {
        let (got, expected) = pairs().nth(first)?;
        Some((kind::NORMS, first, Reason::InverseNorm { row: first, count, expected, got }))
    });
    norm.into_iter().collect()
}

fn curves(cells: &Cells<'_>) -> Vec<Found> {
    let Some(curves) = cells.curves else { return Vec::new() };
    let odd = not_finite(kind::CURVES, curves.rows.iter().map(|row| is_odd(row)));
    let negative = find(curves.rows.iter().map(|row| row.iter().any(|&value| value < 0.0)))
        .map(|Rows { first, count }| (kind::CURVES, first, Reason::Negative { row: first, count }));
    odd.into_iter().chain(negative).collect()
}
