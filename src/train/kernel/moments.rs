//! How rows respond to the landmarks, summed up: all that the fits read.

use candle_core::{DType, Result, Tensor};
use rayon::prelude::*;

use super::landmarks::{distances, within};
use crate::data::TrainingData;
use crate::model::Kernel;
use crate::train::linear::{elements, inner, matrix};

/// Rows that respond together.
const TOGETHER: usize = 4096;

/// Sums over rows for one media type, over its landmarks `[m]`.
pub(super) struct Side {
    pub(super) kernel: Kernel,
    /// `k(z_i, z_j) [m, m]` of the landmarks themselves.
    pub(super) within: Tensor,
    /// Rows with an item.
    pub(super) rows: f64,
    /// Sum of responses `[1, m]`, and of their products `[m, m]`.
    pub(super) sum: Tensor,
    pub(super) squares: Tensor,
    /// The same over rows with a class, and the sums of responses by class `[m, C]` and of rows by class `[1, C]`.
    pub(super) labelled: Option<Labelled>,
}

/// Sums over the rows of a media type that have a class.
pub(super) struct Labelled {
    pub(super) rows: f64,
    pub(super) sum: Tensor,
    pub(super) squares: Tensor,
    pub(super) by_class: Tensor,
    pub(super) counts: Tensor,
}

/// Sums over rows with items of two media types `a < b`.
pub(super) struct Cross {
    pub(super) a: usize,
    pub(super) b: usize,
    pub(super) rows: f64,
    /// Sums of responses `[1, m_a]`, `[1, m_b]`, and of their products `[m_a, m_b]`.
    pub(super) sums: [Tensor; 2],
    pub(super) products: Tensor,
}

/// All sums.
pub(super) struct Moments {
    pub(super) sides: Vec<Side>,
    pub(super) cross: Vec<Cross>,
    classes: usize,
    precision: Precision,
}

/// How products of responses are summed up within the rows that respond together; in f64 beyond them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Precision {
    /// In f64: a small ridge beside many landmarks needs it.
    Double,
    /// In f32, twice as fast: of many rows to a landmark, which leave the ridge little to do.
    Single,
}

impl Precision {
    fn inner(self, x: &Tensor, y: &Tensor) -> Result<Tensor> {
        match self {
            Self::Double => inner(x, y),
            Self::Single => inner(&x.to_dtype(DType::F32)?, &y.to_dtype(DType::F32)?)?.to_dtype(DType::F64),
        }
    }
}

fn zeros(rows: usize, columns: usize) -> Result<Tensor> {
    Tensor::zeros((rows, columns), DType::F64, &candle_core::Device::Cpu)
}

fn add(to: &mut Tensor, x: &Tensor) -> Result<()> {
    *to = (&*to + x)?;
    Ok(())
}

impl Moments {
    /// Of no rows yet. `classes` is 0 for none.
    pub(super) fn new(kernels: Vec<Kernel>, classes: usize, precision: Precision) -> Result<Self> {
        let sizes: Vec<usize> = kernels.iter().map(Kernel::len).collect();
        let mut sides = Vec::with_capacity(kernels.len());
        for kernel in kernels {
            let m = kernel.len();
            let mut own = within(&kernel, kernel.landmarks.d_in());
            kernel.respond(&mut own);
            let within = own.into_iter().map(f64::from).collect();
            let labelled = match classes {
                0 => None,
                _ => Some(Labelled {
                    rows: 0.0,
                    sum: zeros(1, m)?,
                    squares: zeros(m, m)?,
                    by_class: zeros(m, classes)?,
                    counts: zeros(1, classes)?,
                }),
            };
            sides.push(Side {
                within: matrix(within, m, m)?,
                rows: 0.0,
                sum: zeros(1, m)?,
                squares: zeros(m, m)?,
                labelled,
                kernel,
            });
        }
        let pairs = (0..sizes.len()).flat_map(|a| (a + 1..sizes.len()).map(move |b| (a, b)));
        let cross = pairs
            .map(|(a, b)| {
                let sums = [zeros(1, sizes[a])?, zeros(1, sizes[b])?];
                Ok(Cross { a, b, rows: 0.0, sums, products: zeros(sizes[a], sizes[b])? })
            })
            .collect::<Result<_>>()?;
        Ok(Self { sides, cross, classes, precision })
    }

    /// Adds the rows. Cost: `n m (d_in + 3 m)` multiply-adds per media type with `m` landmarks.
    pub(super) fn add(&mut self, data: &TrainingData, rows: &[usize]) -> Result<()> {
        rows.chunks(TOGETHER).try_for_each(|rows| self.add_together(data, rows))
    }

    fn add_together(&mut self, data: &TrainingData, rows: &[usize]) -> Result<()> {
        let n = rows.len();
        let class: Vec<Option<u32>> = rows.iter().map(|&row| data.class(row)).collect();
        let mut of_class = vec![0.0; n * self.classes];
        for (i, class) in class.iter().enumerate().filter(|_| self.classes > 0) {
            if let Some(class) = class {
                of_class[i * self.classes + *class as usize] = 1.0;
            }
        }
        let (mut responses, mut present) = (Vec::new(), Vec::new());
        for (m, side) in self.sides.iter_mut().enumerate() {
            let media = &data.media[m];
            let here: Vec<usize> = (0..n).filter(|&i| media.present[rows[i]]).collect();
            let width = side.kernel.len();
            let numbers: Vec<usize> = here.iter().map(|&i| rows[i]).collect();
            let mut found = distances(&side.kernel, media.d_in, &media.gather(&numbers));
            found.par_chunks_mut(width).for_each(|found| side.kernel.respond(found));
            // Absent items respond with zeros, so that they take no part in any sum.
            let mut k = vec![0.0f64; n * width];
            for (&i, found) in here.iter().zip(found.chunks_exact(width)) {
                k[i * width..(i + 1) * width].iter_mut().zip(found).for_each(|(k, x)| *k = f64::from(*x));
            }
            let mask: Vec<f64> = (0..n).map(|i| if media.present[rows[i]] { 1.0 } else { 0.0 }).collect();
            let k = matrix(k, n, width)?;
            let squares = self.precision.inner(&k, &k)?;
            side.rows += here.len() as f64;
            add(&mut side.sum, &k.sum_keepdim(0)?)?;
            add(&mut side.squares, &squares)?;
            if let Some(labelled) = &mut side.labelled {
                let counted = |i: &usize| class[*i].is_some() && media.present[rows[*i]];
                let all = here.iter().all(|i| class[*i].is_some());
                let mut of_class = of_class.clone();
                (0..n).filter(|i| !media.present[rows[*i]]).for_each(|i| {
                    of_class[i * self.classes..(i + 1) * self.classes].fill(0.0);
                });
                let targets = matrix(of_class, n, self.classes)?;
                labelled.rows += (0..n).filter(counted).count() as f64;
                add(&mut labelled.by_class, &inner(&k, &targets)?)?;
                add(&mut labelled.counts, &targets.sum_keepdim(0)?)?;
                if all {
                    add(&mut labelled.sum, &k.sum_keepdim(0)?)?;
                    add(&mut labelled.squares, &squares)?;
                } else {
                    let mask = (0..n).map(|i| if counted(&i) { 1.0 } else { 0.0 }).collect();
                    let k = k.broadcast_mul(&matrix(mask, n, 1)?)?;
                    add(&mut labelled.sum, &k.sum_keepdim(0)?)?;
                    add(&mut labelled.squares, &inner(&k, &k)?)?;
                }
            }
            responses.push(k);
            present.push(mask);
        }
        for Cross { a, b, rows, sums, products } in &mut self.cross {
            let (k, l) = (&responses[*a], &responses[*b]);
            let (in_a, in_b) = (matrix(present[*a].clone(), n, 1)?, matrix(present[*b].clone(), n, 1)?);
            *rows += elements(&(&in_a * &in_b)?)?.iter().sum::<f64>();
            add(&mut sums[0], &k.broadcast_mul(&in_b)?.sum_keepdim(0)?)?;
            add(&mut sums[1], &l.broadcast_mul(&in_a)?.sum_keepdim(0)?)?;
            add(products, &self.precision.inner(k, l)?)?;
        }
        Ok(())
    }
}
