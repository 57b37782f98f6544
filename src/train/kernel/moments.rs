//! How rows respond to the landmarks, summed up: all that the fits read.

use candle_core::{DType, Result, Tensor};
use rayon::prelude::*;

use super::measured::{Distances, Measured};
use crate::data::TrainingData;
use crate::model::Kernel;
use crate::train::linear::{elements, inner, matrix};

/// Sums over rows for one media type, over its landmarks `[m]`.
pub(super) struct Side {
    pub(super) kernel: Kernel,
    /// `k(z_i, z_j) [m, m]` of the landmarks themselves.
    pub(super) within: Tensor,
    /// The mean of its columns `[1, m]`.
    centre: Tensor,
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
    /// In f64.
    Double,
    /// In f32 about a centre: faster, for many rows to a landmark.
    Single,
}

/// Responses `[n, m]` of rows to the landmarks of a media type, zeros where a row has no item.
struct Responses {
    all: Tensor,
    /// Less the centre, zeros again where a row has no item, in f32; nothing where sums are in f64.
    varying: Option<Tensor>,
    /// 1 where a row has an item `[n, 1]`.
    present: Tensor,
    centre: Tensor,
}

impl Responses {
    /// `all' other.all`; `sums` are those of both over the rows that have both items, of which there are so many.
    ///
    /// In f32 the products are those about the centres: responses vary by less than their mean, whose square would take the digits that a
    /// small ridge needs. What the centres add is put back in f64.
    fn products(&self, other: &Self, sums: [&Tensor; 2], rows: f64) -> Result<Tensor> {
        let (Some(x), Some(y)) = (&self.varying, &other.varying) else {
            return inner(&self.all, &other.all);
        };
        // An absent item has zeros in one of the two.
        let varying = inner(x, y)?.to_dtype(DType::F64)?;
        let by_centre = (inner(sums[0], &other.centre)? + inner(&self.centre, sums[1])?)?;
        (varying + by_centre)? - (inner(&self.centre, &other.centre)? * rows)?
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
    /// Of all rows to fit on, by kernels `spread` times as wide as the median distance; `classes` is 0 for none.
    ///
    /// Cost: `3 n m^2` multiply-adds per media type with `m` landmarks.
    pub(super) fn new(
        measured: &Measured<'_>,
        spread: f32,
        classes: usize,
        precision: Precision,
    ) -> Result<Self> {
        let kernels = measured.kernels.iter();
        let kernels = kernels.map(|kernel| Kernel { width: spread * kernel.width, ..kernel.clone() });
        let mut sides = Vec::with_capacity(measured.kernels.len());
        for (kernel, own) in kernels.zip(&measured.within) {
            let m = kernel.len();
            let mut own = own.clone();
            kernel.respond(&mut own);
            let within = matrix(own.into_iter().map(f64::from).collect(), m, m)?;
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
                centre: (within.sum_keepdim(0)? * (1.0 / m.max(1) as f64))?,
                within,
                rows: 0.0,
                sum: zeros(1, m)?,
                squares: zeros(m, m)?,
                labelled,
                kernel,
            });
        }
        let sizes: Vec<usize> = sides.iter().map(|side| side.kernel.len()).collect();
        let pairs = (0..sizes.len()).flat_map(|a| (a + 1..sizes.len()).map(move |b| (a, b)));
        let cross = pairs
            .map(|(a, b)| {
                let sums = [zeros(1, sizes[a])?, zeros(1, sizes[b])?];
                Ok(Cross { a, b, rows: 0.0, sums, products: zeros(sizes[a], sizes[b])? })
            })
            .collect::<Result<_>>()?;
        let mut moments = Self { sides, cross, classes, precision };
        measured.together().try_for_each(|(rows, distances)| moments.add(measured.data, rows, distances))?;
        Ok(moments)
    }

    /// Adds rows of these distances.
    fn add(&mut self, data: &TrainingData, rows: &[usize], distances: Distances) -> Result<()> {
        let n = rows.len();
        let class: Vec<Option<u32>> = rows.iter().map(|&row| data.class(row)).collect();
        let mut of_class = vec![0.0; n * self.classes];
        for (i, class) in class.iter().enumerate().filter(|_| self.classes > 0) {
            if let Some(class) = class {
                of_class[i * self.classes + *class as usize] = 1.0;
            }
        }
        let mut responses = Vec::with_capacity(self.sides.len());
        for ((side, media), mut found) in self.sides.iter_mut().zip(&data.media).zip(distances) {
            let here: Vec<usize> = (0..n).filter(|&i| media.present[rows[i]]).collect();
            let width = side.kernel.len();
            found.par_chunks_mut(width).for_each(|found| side.kernel.respond(found));
            // Absent items respond with zeros, so that they take no part in any sum.
            let mut k = vec![0.0f64; n * width];
            for (&i, found) in here.iter().zip(found.chunks_exact(width)) {
                k[i * width..(i + 1) * width].iter_mut().zip(found).for_each(|(k, x)| *k = f64::from(*x));
            }
            let mask = (0..n).map(|i| if media.present[rows[i]] { 1.0 } else { 0.0 }).collect();
            let found = Responses {
                all: matrix(k, n, width)?,
                varying: match self.precision {
                    Precision::Double => None,
                    Precision::Single => Some(about(&side.centre, &here, &found, n)?),
                },
                present: matrix(mask, n, 1)?,
                centre: side.centre.clone(),
            };
            let k = &found.all;
            let sum = k.sum_keepdim(0)?;
            let squares = found.products(&found, [&sum, &sum], here.len() as f64)?;
            side.rows += here.len() as f64;
            add(&mut side.sum, &sum)?;
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
                add(&mut labelled.by_class, &inner(k, &targets)?)?;
                add(&mut labelled.counts, &targets.sum_keepdim(0)?)?;
                if all {
                    add(&mut labelled.sum, &sum)?;
                    add(&mut labelled.squares, &squares)?;
                } else {
                    let mask = (0..n).map(|i| if counted(&i) { 1.0 } else { 0.0 }).collect();
                    let k = k.broadcast_mul(&matrix(mask, n, 1)?)?;
                    add(&mut labelled.sum, &k.sum_keepdim(0)?)?;
                    add(&mut labelled.squares, &inner(&k, &k)?)?;
                }
            }
            responses.push(found);
        }
        for Cross { a, b, rows, sums, products } in &mut self.cross {
            let (k, l) = (&responses[*a], &responses[*b]);
            let both = (&k.present * &l.present)?.sum_all()?.to_scalar::<f64>()?;
            let of_both = [
                k.all.broadcast_mul(&l.present)?.sum_keepdim(0)?,
                l.all.broadcast_mul(&k.present)?.sum_keepdim(0)?,
            ];
            *rows += both;
            add(products, &k.products(l, [&of_both[0], &of_both[1]], both)?)?;
            sums.iter_mut().zip(&of_both).try_for_each(|(sum, of_both)| add(sum, of_both))?;
        }
        Ok(())
    }
}

/// Responses `found` of the rows `here`, of `n`, less the `centre`, in f32; zeros in the other rows.
fn about(centre: &Tensor, here: &[usize], found: &[f32], n: usize) -> Result<Tensor> {
    let centre = elements(centre)?;
    let width = centre.len();
    let mut out = vec![0.0f32; n * width];
    for (&i, found) in here.iter().zip(found.chunks_exact(width)) {
        let out = out[i * width..(i + 1) * width].iter_mut();
        out.zip(found).zip(&centre).for_each(|((out, x), centre)| *out = (f64::from(*x) - centre) as f32);
    }
    Tensor::from_vec(out, (n, width), &candle_core::Device::Cpu)
}
