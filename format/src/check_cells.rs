//! Looks at every value of the cells.

use crate::cells::Cells;
use crate::damage::{Damage, Reason};
use crate::parts::{BLOCK, BLOCK_BYTES, GROUP, PARTS, code_bytes, kind};
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
            [basis(&cells), order(&cells), codes(&cells), scales(&cells, inverse_norms), curves(&cells)];
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
    let odd = not_finite(kind::BASIS, [cells.mean, cells.steps].into_iter().map(is_odd));
    let steps = find(cells.steps.iter().map(|&step| step <= 0.0))
        .map(|Rows { first, count }| (kind::BASIS, 1, Reason::Step { row: first, count }));
    odd.into_iter().chain(steps).collect()
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
    let all =
        [(kind::CENTRES, cells.centres, cells.ends.len()), (kind::CODES, cells.codes, cells.rows.len())];
    let found = all.into_iter().filter_map(|(kind, codes, rows)| {
        let groups = codes.chunks(code_bytes(cells.dim)).enumerate();
        let wrong = groups.map(|(at, group)| {
            let rows = rows.saturating_sub(at.saturating_mul(GROUP));
            has_beyond(group, cells.dim, rows)
        });
        find(wrong).map(|Rows { first, count }| (kind, first, Reason::CodePadding { row: first, count }))
    });
    found.collect()
}

/// Whether a group of `rows` rows holds a code that is not 0 beyond its last row or element.
fn has_beyond(group: &[u8], dim: usize, rows: usize) -> bool {
    let mut blocks = group.chunks(BLOCK_BYTES).zip((0..).step_by(BLOCK));
    blocks.any(|(block, start)| {
        let is_full = rows >= GROUP && start + BLOCK <= dim;
        !is_full
            && block.iter().enumerate().any(|(at, &byte)| {
                let (row, element) = (at / 4, start + at % 4);
                let is_beyond = |element| row >= rows || element >= dim;
                is_beyond(element) && byte & 15 != 0 || is_beyond(element + 4) && byte >> 4 != 0
            })
    })
}

fn scales(cells: &Cells<'_>, inverse_norms: &[f32]) -> Vec<Found> {
    let centres = not_finite(kind::CENTRE_SCALES, cells.centre_scales.iter().map(|scale| !scale.is_finite()));
    let rows = not_finite(kind::SCALES, cells.scales.iter().map(|[scale, _]| !scale.is_finite()));
    let pairs = || {
        cells.scales.iter().zip(cells.rows).map(|(&[_, got], &row)| {
            // A row out of range has no norm to differ from; it is found as such.
            (got, inverse_norms.get(row as usize).copied().unwrap_or(got))
        })
    };
    let differs = pairs().map(|(got, expected)| got.to_bits() != expected.to_bits());
    let norms = find(differs).and_then(|Rows { first, count }| {
        let (got, expected) = pairs().nth(first)?;
        Some((kind::SCALES, first, Reason::InverseNorm { row: first, count, expected, got }))
    });
    centres.into_iter().chain(rows).chain(norms).collect()
}

fn curves(cells: &Cells<'_>) -> Vec<Found> {
    let Some(curves) = cells.curves else { return Vec::new() };
    let odd = not_finite(kind::CURVES, curves.rows.iter().map(|row| is_odd(row)));
    let negative = find(curves.rows.iter().map(|row| row.iter().any(|&value| value < 0.0)))
        .map(|Rows { first, count }| (kind::CURVES, first, Reason::Negative { row: first, count }));
    odd.into_iter().chain(negative).collect()
}
