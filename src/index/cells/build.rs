//! Makes cells and codes of the rows of one media type, and writes their sections.

use std::io::Write;

use rayon::prelude::*;
use uncsm_format::cells::{self, kind};
use uncsm_format::{ElementType, Writer};

use super::centres::Centres;
use super::code::{Basis, Coder};
use super::curve::Measure;
use super::rows::{RowSource, spread};
use crate::encode::kernel::GROUP;
use crate::error::Result;
use crate::model::Bundle;

/// Fewer rows are scanned faster than cells are ranked.
pub(crate) const LEAST_ROWS: usize = 4096;
/// Cells are this times the root of the number of rows.
const CELLS_PER_ROOT: f64 = 8.0;
/// Rows that mean and steps are taken of.
const BASIS_ROWS: usize = 1 << 16;
/// Rows that are coded together, whole groups.
const BLOCK: usize = 256 * GROUP;

/// Writes the derived sections of `media`, where it has rows enough. Curves are measured with the sample queries of `bundle`, where
/// it is of this space and has any. The same rows and bundle give the same bytes.
///
/// Memory: some 40 bytes per row, and the centres. Cost: `8 sqrt(n)` comparisons of codes per row to find its cell, and one exact pass for
/// each sample query.
///
/// # Errors
/// Those of the writer.
pub(crate) fn write<W: Write + Send>(
    place: (usize, usize),
    rows: &dyn RowSource,
    bundle: Option<&Bundle>,
    writer: &mut Writer<W>,
) -> Result<()> {
    if rows.len() < LEAST_ROWS {
        return Ok(());
    }
    // A merge of the host runs in a pool of its own, whose workers would take up the next merge while this one waits for them:
    // from a plain thread the work goes to the pool of the process.
    let work = || write_now(place, rows, bundle, writer);
    std::thread::scope(|scope| scope.spawn(work).join())
        .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

fn write_now<W: Write>(
    (media, dim): (usize, usize),
    rows: &dyn RowSource,
    bundle: Option<&Bundle>,
    writer: &mut Writer<W>,
) -> Result<()> {
    let n = rows.len();
    let (mean, steps) = basis(rows, dim);
    let basis = Basis { mean: &mean, steps: &steps };
    let count = ((n as f64).sqrt() * CELLS_PER_ROOT) as usize;
    let centres = Centres::learn(rows, count.clamp(1, n), basis);
    let all: Vec<usize> = (0..n).collect();
    let cells = centres.assign(rows, &all, basis);
    drop(all);
    let mut sizes = vec![0u32; centres.len()];
    cells.iter().for_each(|&cell| sizes[cell as usize] += 1);
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
    let width = cells::code_bytes(dim) as u32;
    let mut derived =
        |kind, element, columns, bytes: &[u8]| writer.derived(kind, Some(media), element, columns, bytes);
    let both: Vec<f32> = mean.iter().chain(&steps).copied().collect();
    derived(kind::BASIS, ElementType::F32, dim as u32, &bytes_of(&both))?;
    derived(kind::CENTRES, ElementType::Bytes, width, &centres.codes)?;
    derived(kind::CENTRE_SCALES, ElementType::F32, 1, &bytes_of(&centres.scales))?;
    let le = |values: &[u32]| values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>();
    derived(kind::ENDS, ElementType::U32, 1, &le(&ends))?;

    let bundle = bundle.filter(|bundle| bundle.metric().dim() == dim);
    let mut measure = bundle.map(|bundle| Measure::new(bundle, media, rows, basis));
    writer.begin_derived(kind::CODES, Some(media), ElementType::Bytes, width)?;
    let mut scales = Vec::with_capacity(n);
    for block in order.chunks(BLOCK) {
        let (bytes, of_block) = coded(rows, block, basis);
        if let Some(measure) = &mut measure {
            measure.count(&bytes, &of_block);
        }
        writer.write(&bytes)?;
        scales.extend(of_block);
    }
    writer.end()?;
    let mut derived =
        |kind, element, columns, bytes: &[u8]| writer.derived(kind, Some(media), element, columns, bytes);
    derived(kind::ROWS, ElementType::U32, 1, &le(&order))?;
    derived(kind::SCALES, ElementType::F32, 2, &bytes_of(scales.as_flattened()))?;
    if let (Some(measure), Some(bundle)) = (measure, bundle) {
        let curves = measure.finish(&centres, &cells, &sizes);
        if !curves.is_empty() {
            derived(kind::CURVE_MODEL, ElementType::Bytes, 32, &bundle.score().0)?;
            derived(
                kind::CURVES,
                ElementType::F32,
                cells::CURVE_COLUMNS as u32,
                &bytes_of(curves.as_flattened()),
            )?;
        }
    }
    Ok(())
}

fn bytes_of(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

/// Codes of `which`, whole groups, and their scales and inverse norms.
fn coded(rows: &dyn RowSource, which: &[u32], basis: Basis<'_>) -> (Vec<u8>, Vec<[f32; 2]>) {
    let dim = basis.mean.len();
    let width = cells::code_bytes(dim);
    let groups = which.par_chunks(GROUP).map(|which| {
        let (mut x, mut coder) = (vec![0.0; dim], Coder::new(basis));
        let mut bytes = vec![0; width];
        let mut scales = Vec::with_capacity(GROUP);
        for (at, &row) in which.iter().enumerate() {
            rows.vector(row as usize, &mut x);
            let scale = coder.put(&x, at, &mut bytes);
            scales.push([scale, rows.inverse_norm(row as usize)]);
        }
        (bytes, scales)
    });
    let groups: Vec<(Vec<u8>, Vec<[f32; 2]>)> = groups.collect();
    let (mut bytes, mut scales) = (Vec::with_capacity(groups.len() * width), Vec::with_capacity(which.len()));
    for (group, of_group) in groups {
        bytes.extend(group);
        scales.extend(of_group);
    }
    (bytes, scales)
}

/// Mean and standard deviation of each element, over a spread of the rows. What hardly varies gets a small step all the same.
fn basis(rows: &dyn RowSource, dim: usize) -> (Vec<f32>, Vec<f32>) {
    let (mut sums, mut squares) = (vec![0.0f64; dim], vec![0.0f64; dim]);
    let mut x = vec![0.0; dim];
    let mut count = 0.0f64;
    for row in spread(rows.len(), BASIS_ROWS) {
        rows.vector(row, &mut x);
        count += 1.0;
        for ((sum, square), x) in sums.iter_mut().zip(&mut squares).zip(&x) {
            let x = f64::from(*x);
            *sum += x;
            *square += x * x;
        }
    }
    let mean: Vec<f64> = sums.iter().map(|sum| sum / count.max(1.0)).collect();
    let deviation: Vec<f64> = squares
        .iter()
        .zip(&mean)
        .map(|(square, mean)| (square / count.max(1.0) - mean * mean).max(0.0).sqrt())
        .collect();
    let most = deviation.iter().fold(0.0f64, |most, s| most.max(*s));
    let least = if most > 0.0 { most * 1e-3 } else { 1.0 };
    let steps = deviation.iter().map(|s| s.max(least) as f32).map(|s| s.max(f32::MIN_POSITIVE)).collect();
    (mean.iter().map(|mean| *mean as f32).collect(), steps)
}
