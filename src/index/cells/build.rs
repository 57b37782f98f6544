//! Makes cells and codes of the rows of one media type, and writes their sections.

use std::io::Write;

use uncsm_format::cells::{self, kind};
use uncsm_format::{ElementType, Writer};

use super::axes::Axes;
use super::centres::Centres;
use super::curve::Measure;
use super::form::forms;
use super::rows::{RowSource, spread};
use super::space::{Space, TASK};
use crate::encode::kernel::GROUP;
use crate::error::Result;
use crate::model::Bundle;

/// Fewer rows are scanned faster than cells are ranked.
pub(crate) const LEAST_ROWS: usize = 4096;

/// Elements of a vector above which no cells are made: finding the directions takes their third power, for every segment.
const MOST_ELEMENTS: usize = 2048;
/// Cells are this times the root of the number of rows.
const CELLS_PER_ROOT: f64 = 4.0;
/// Rows that steps and cells are learned from, by cell, and of all at least and most.
const ROWS_PER_CELL: usize = 32;
const LEARNED: (usize, usize) = (1 << 15, 1 << 17);
/// Rows that are coded together.
const BLOCK: usize = 16 * TASK;

/// Writes the derived sections of `media`, where it has rows enough. Curves are measured with the sample queries of `bundle`, where
/// it is of this space and has any. The same rows and bundle give the same bytes.
///
/// Memory: some 60 bytes per row, numbers of up to 131,072 rows, and six matrices of d x d. Cost: what finds the directions (some 10 d^3), two products of all rows with the directions, `4 sqrt(n)`
/// comparisons of codes per row to find its cell, and one exact pass for each sample query.
///
/// # Errors
/// Those of the writer.
pub(crate) fn write<W: Write + Send>(
    place: (usize, usize),
    rows: &dyn RowSource,
    bundle: Option<&Bundle>,
    writer: &mut Writer<W>,
) -> Result<()> {
    if !are_made(rows.len(), place.1) {
        return Ok(());
    }
    // A merge of the host runs in a pool of its own, whose workers would take up the next merge while this one waits for them:
    // from a plain thread the work goes to the pool of the process.
    let work = || write_now(place, rows, bundle, writer);
    std::thread::scope(|scope| scope.spawn(work).join())
        .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// Whether cells are made of `rows` rows of `dim` elements.
pub(crate) fn are_made(rows: usize, dim: usize) -> bool {
    rows >= LEAST_ROWS && dim <= MOST_ELEMENTS
}

fn write_now<W: Write>(
    (media, dim): (usize, usize),
    rows: &dyn RowSource,
    bundle: Option<&Bundle>,
    writer: &mut Writer<W>,
) -> Result<()> {
    let n = rows.len();
    let bundle = bundle.filter(|bundle| bundle.metric().dim() == dim);
    let rankings = bundle.map_or_else(Vec::new, |bundle| forms(bundle, media));
    let count = (((n as f64).sqrt() * CELLS_PER_ROOT) as usize).clamp(1, n);
    let learned: Vec<usize> = spread(n, (count * ROWS_PER_CELL).clamp(LEARNED.0, LEARNED.1)).collect();
    let space = Space::learn(rows, &learned, Axes::learn(rows, dim, &rankings));
    let (cells, sizes, centres, short) = {
        let z = space.numbers(rows, &learned, space.short());
        let centres = Centres::learn(&space, &z, count);
        drop(z);
        let (cells, short) = centres.assign(rows);
        let mut sizes = vec![0u32; centres.len()];
        cells.iter().for_each(|&cell| sizes[cell as usize] += 1);
        (cells, sizes, centres, short)
    };
    let mut ends: Vec<u32> = Vec::with_capacity(sizes.len());
    for size in &sizes {
        ends.push(ends.last().unwrap_or(&0) + size);
    }
    let mut next: Vec<u32> = ends.iter().zip(&sizes).map(|(end, size)| end - size).collect();
    let mut order = vec![0u32; n];
    for (row, &cell) in cells.iter().enumerate() {
        let at = &mut next[cell as usize];
        order[*at as usize] = row as u32;
        *at += 1;
    }
    let (width, long) = (space.elements.group_bytes(), space.elements.long_bytes());
    let basis = space.basis();
    let mut derived =
        |kind, element, columns, bytes: &[u8]| writer.derived(kind, Some(media), element, columns, bytes);
    let le = |values: &[u32]| values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>();
    derived(kind::MEAN, ElementType::F32, dim as u32, &bytes_of(basis.mean))?;
    derived(kind::DIRECTIONS, ElementType::F32, dim as u32, &bytes_of(basis.directions))?;
    let steps = [basis.steps, basis.long_steps].concat();
    derived(kind::STEPS, ElementType::F32, steps.len() as u32, &bytes_of(&steps))?;
    derived(kind::CENTRES, ElementType::Bytes, width as u32, &centres.codes)?;
    derived(kind::ENDS, ElementType::U32, 1, &le(&ends))?;

    writer.begin_derived(kind::SHORT, Some(media), ElementType::Bytes, width as u32)?;
    let mut block = Vec::with_capacity(BLOCK / GROUP * width);
    for rows in order.chunks(BLOCK) {
        block.clear();
        rows.chunks(GROUP).for_each(|rows| gather(&short, width, rows, &mut block));
        writer.write(&block)?;
    }
    writer.end()?;
    drop((short, block));
    let mut measure = bundle.map(|bundle| Measure::new(bundle, media, rows, &space));
    writer.begin_derived(kind::LONG, Some(media), ElementType::Bytes, long as u32)?;
    let mut norms = Vec::with_capacity(n);
    for block in order.chunks(BLOCK) {
        let (short, long) = space.codes(rows, block);
        let start = norms.len();
        norms.extend(block.iter().map(|&row| rows.inverse_norm(row as usize)));
        if let Some(measure) = &mut measure {
            measure.count(&short, &long, &norms[start..]);
        }
        writer.write(&long)?;
    }
    writer.end()?;
    let mut derived =
        |kind, element, columns, bytes: &[u8]| writer.derived(kind, Some(media), element, columns, bytes);
    derived(kind::ROWS, ElementType::U32, 1, &le(&order))?;
    derived(kind::NORMS, ElementType::F32, 1, &bytes_of(&norms))?;
    if let (Some(measure), Some(bundle)) = (measure, bundle) {
        let curves = measure.finish(&centres, &cells, &sizes);
        if !curves.is_empty() {
            derived(kind::CURVE_MODEL, ElementType::Bytes, 32, &bundle.score().0)?;
            let columns = cells::CURVE_COLUMNS as u32;
            derived(kind::CURVES, ElementType::F32, columns, &bytes_of(curves.as_flattened()))?;
        }
    }
    Ok(())
}

/// Appends a group of `rows` to `out`, from the codes of all rows in their order.
fn gather(codes: &[u8], width: usize, rows: &[u32], out: &mut Vec<u8>) {
    let start = out.len();
    out.resize(start + width, 0);
    for (at, &row) in rows.iter().enumerate() {
        let from = &codes[row as usize / GROUP * width..][..width];
        let slots = out[start..].as_chunks_mut::<4>().0.iter_mut().skip(at).step_by(GROUP);
        let codes = from.as_chunks::<4>().0.iter().skip(row as usize % GROUP).step_by(GROUP);
        slots.zip(codes).for_each(|(slot, code)| *slot = *code);
    }
}

fn bytes_of(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}
