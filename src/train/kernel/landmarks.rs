//! The train rows that a kernel member compares with, and how far all rows are from them.

use candle_core::{Device, Result, Tensor};
use half::f16;
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use crate::data::MediaFeatures;
use crate::encode::kernel::dot;
use crate::model::{Kernel, normalise};
use crate::train::scaling::takes_roots;

/// Landmarks whose mutual distances set the width.
const MEASURED: usize = 512;
/// Rows that are compared together.
const TOGETHER: usize = 512;

/// A kernel member without a readout: its landmarks are `most` of `rows` at most, drawn where there are more.
///
/// Its width is one over the median squared distance of landmarks. `None` where no row has an item of this media type, or
/// all items are the same.
pub(super) fn with_landmarks(
    media: &MediaFeatures,
    rows: &[usize],
    most: usize,
    seed: u64,
) -> Result<Option<Kernel>> {
    let mut present: Vec<usize> = rows.iter().copied().filter(|&row| media.present[row]).collect();
    let roots = takes_roots(media, &present);
    // Byte-equal rows are one landmark: a second one would say nothing new.
    let numbers = media.contents(&present);
    let mut seen = 0;
    let mut first = numbers.iter().map(|&number| {
        let new = number == seen;
        seen += u32::from(new);
        new
    });
    present.retain(|_| first.next().unwrap_or(false));
    // A seeded draw in either case: the first of them measure the width.
    present.shuffle(&mut ChaCha8Rng::seed_from_u64(seed ^ 0x6c61_6e64));
    present.truncate(most);
    let mut landmarks = Vec::with_capacity(present.len() * media.d_in);
    for &row in &present {
        let from = landmarks.len();
        landmarks.extend(media.gather(&[row]));
        normalise(&mut landmarks[from..], roots);
    }
    landmarks.iter_mut().for_each(|x| *x = f16::from_f32(*x).to_f32());
    let kernel = Kernel::new(roots, landmarks, media.d_in, 1.0);
    let median = median_distance(&kernel, media.d_in)?;
    Ok(median.map(|median| Kernel { width: 1.0 / median, ..kernel }))
}

/// The median squared distance of the first landmarks; `None` where they do not differ.
fn median_distance(kernel: &Kernel, d_in: usize) -> Result<Option<f32>> {
    let n = kernel.len().min(MEASURED);
    let first = Kernel::new(false, kernel.landmarks.wide()[..n * d_in].to_vec(), d_in, 1.0);
    let all = within(&first, d_in)?;
    let mut distances: Vec<f32> =
        (0..n).flat_map(|i| (0..i).map(move |j| i * n + j)).map(|at| all[at]).collect();
    distances.sort_by(f32::total_cmp);
    Ok(distances.get(distances.len() / 2).copied().filter(|median| *median > 1e-6))
}

/// Squared distances `[m, m]` of the landmarks among themselves.
pub(super) fn within(kernel: &Kernel, d_in: usize) -> Result<Vec<f32>> {
    let mut out = between(kernel, d_in, kernel.landmarks.wide(), kernel.landmarks.squares())?;
    // But for rounding it is 0 anyway.
    (0..kernel.len()).for_each(|i| out[i * kernel.len() + i] = 0.0);
    Ok(out)
}

/// Squared distances `[n, m]` of features `[n, d_in]` from the landmarks, on all cores.
pub(super) fn distances(kernel: &Kernel, d_in: usize, mut x: Vec<f32>) -> Result<Vec<f32>> {
    x.par_chunks_exact_mut(d_in).for_each(|x| normalise(x, kernel.roots));
    let squares: Vec<f32> = x.par_chunks_exact(d_in).map(|x| dot(x, x)).collect();
    between(kernel, d_in, &x, &squares)
}

/// Squared distances `[n, m]` of `z [n, d_in]`, of these squared lengths, from the landmarks.
///
/// Equal to those of a search but for rounding, and so are those of equal rows to each other. A search keeps one order of sums; a product
/// of matrices takes a fraction of the time.
fn between(kernel: &Kernel, d_in: usize, z: &[f32], squares: &[f32]) -> Result<Vec<f32>> {
    let m = kernel.len();
    let landmarks = Tensor::from_slice(kernel.landmarks.wide(), (m, d_in), &Device::Cpu)?.t()?;
    let mut out = Vec::with_capacity(squares.len() * m);
    for (z, squares) in z.chunks(TOGETHER * d_in).zip(squares.chunks(TOGETHER)) {
        let z = Tensor::from_slice(z, (squares.len(), d_in), &Device::Cpu)?;
        let mut products = z.matmul(&landmarks)?.flatten_all()?.to_vec1::<f32>()?;
        products.par_chunks_exact_mut(m).zip(squares).for_each(|(products, own)| {
            for (x, square) in products.iter_mut().zip(kernel.landmarks.squares()) {
                *x = (own + square - 2.0 * *x).max(0.0);
            }
        });
        out.extend(products);
    }
    Ok(out)
}
