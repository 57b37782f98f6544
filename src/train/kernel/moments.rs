//! How rows respond to the landmarks, summed up: all that the fits read.

use candle_core::{DType, Result, Tensor};
use rayon::prelude::*;

use super::measured::{Distances, Measured};
use super::products::Products;
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
    ///
    /// Responses vary by less than their mean, whose square would take the digits that a small ridge needs.
    varying: Option<Tensor>,
    /// 1 where a row has an item `[n, 1]`.
    present: Tensor,
}

impl Responses {
    /// What products are made of.
    fn factor(&self) -> &Tensor {
        self.varying.as_ref().unwrap_or(&self.all)
    }
}

/// Sums of products while rows are added.
struct Growing {
    squares: Vec<Products>,
    /// Those of rows with a class, from the first rows on that have none; until then they are `squares`.
    labelled: Vec<Option<Products>>,
    cross: Vec<Products>,
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
    /// Cost: `n m (m + 512) / 2` multiply-adds per media type with `m` landmarks, twice that where some rows have no class, and `n m^2` per
    /// two media types.
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
                    squares: zeros(0, 0)?,
                    by_class: zeros(m, classes)?,
                    counts: zeros(1, classes)?,
                }),
            };
            sides.push(Side {
                centre: (within.sum_keepdim(0)? * (1.0 / m.max(1) as f64))?,
                within,
                rows: 0.0,
                sum: zeros(1, m)?,
                squares: zeros(0, 0)?,
                labelled,
                kernel,
            });
        }
        let sizes: Vec<usize> = sides.iter().map(|side| side.kernel.len()).collect();
        let pairs = (0..sizes.len()).flat_map(|a| (a + 1..sizes.len()).map(move |b| (a, b)));
        let cross = pairs
            .map(|(a, b)| {
                let sums = [zeros(1, sizes[a])?, zeros(1, sizes[b])?];
                Ok(Cross { a, b, rows: 0.0, sums, products: zeros(0, 0)? })
            })
            .collect::<Result<Vec<_>>>()?;
        let mut growing = Growing {
            squares: sizes.iter().map(|size| Products::within(*size)).collect(),
            labelled: vec![None; sizes.len()],
            cross: cross.iter().map(|Cross { a, b, .. }| Products::between(sizes[*a], sizes[*b])).collect(),
        };
        let mut moments = Self { sides, cross, classes, precision };
        for found in measured.together() {
            let (rows, distances) = found?;
            moments.add(&mut growing, (measured.data, rows), distances)?;
        }
        moments.finish(growing)?;
        Ok(moments)
    }

    /// Takes over the sums of products.
    fn finish(&mut self, growing: Growing) -> Result<()> {
        let centres: Vec<_> = self.sides.iter().map(|side| elements(&side.centre)).collect::<Result<_>>()?;
        let single = self.precision == Precision::Single;
        let finish = |mut products: Products, sides: [usize; 2], sums: [&Tensor; 2], rows: f64| {
            if single {
                let sums = [elements(sums[0])?, elements(sums[1])?];
                products.add_centres(sides.map(|side| &centres[side][..]), [&sums[0], &sums[1]], rows);
            }
            products.finish()
        };
        for (m, (side, (squares, labelled))) in
            self.sides.iter_mut().zip(growing.squares.into_iter().zip(growing.labelled)).enumerate()
        {
            side.squares = finish(squares, [m, m], [&side.sum, &side.sum], side.rows)?;
            let Some(of) = &mut side.labelled else { continue };
            of.squares = match labelled {
                Some(products) => finish(products, [m, m], [&of.sum, &of.sum], of.rows)?,
                None => side.squares.clone(),
            };
        }
        for (cross, products) in self.cross.iter_mut().zip(growing.cross) {
            let sums = [&cross.sums[0], &cross.sums[1]];
            cross.products = finish(products, [cross.a, cross.b], sums, cross.rows)?;
        }
        Ok(())
    }

    /// Adds rows of these distances.
    fn add(
        &mut self,
        growing: &mut Growing,
        (data, rows): (&TrainingData, &[usize]),
        distances: Distances,
    ) -> Result<()> {
        let n = rows.len();
        let class: Vec<Option<u32>> = rows.iter().map(|&row| data.class(row)).collect();
        let mut of_class = vec![0.0; n * self.classes];
        for (i, class) in class.iter().enumerate().filter(|_| self.classes > 0) {
            if let Some(class) = class {
                of_class[i * self.classes + *class as usize] = 1.0;
            }
        }
        let mut responses = Vec::with_capacity(self.sides.len());
        let sides = self.sides.iter_mut().zip(&data.media).zip(distances);
        let products = growing.squares.iter_mut().zip(&mut growing.labelled);
        for (((side, media), mut found), (squares, of_labelled)) in sides.zip(products) {
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
            };
            let k = &found.all;
            let sum = k.sum_keepdim(0)?;
            let all = here.iter().all(|i| class[*i].is_some());
            if side.labelled.is_some() && !all && of_labelled.is_none() {
                *of_labelled = Some(squares.clone());
            }
            squares.add(found.factor(), found.factor())?;
            side.rows += here.len() as f64;
            add(&mut side.sum, &sum)?;
            if let Some(labelled) = &mut side.labelled {
                let counted = |i: usize| class[i].is_some() && media.present[rows[i]];
                let mut of_class = of_class.clone();
                (0..n).filter(|i| !media.present[rows[*i]]).for_each(|i| {
                    of_class[i * self.classes..(i + 1) * self.classes].fill(0.0);
                });
                let targets = matrix(of_class, n, self.classes)?;
                let mask = matrix((0..n).map(|i| f64::from(u8::from(counted(i)))).collect(), n, 1)?;
                labelled.rows += (0..n).filter(|i| counted(*i)).count() as f64;
                add(&mut labelled.by_class, &inner(k, &targets)?)?;
                add(&mut labelled.counts, &targets.sum_keepdim(0)?)?;
                add(&mut labelled.sum, &inner(&mask, k)?)?;
                if let Some(products) = of_labelled {
                    let x = found.factor();
                    products.add(&x.broadcast_mul(&mask.to_dtype(x.dtype())?)?, x)?;
                }
            }
            responses.push(found);
        }
        for (Cross { a, b, rows, sums, .. }, products) in self.cross.iter_mut().zip(&mut growing.cross) {
            let (k, l) = (&responses[*a], &responses[*b]);
            // An absent item has zeros in one of the two.
            products.add(k.factor(), l.factor())?;
            *rows += inner(&k.present, &l.present)?.sum_all()?.to_scalar::<f64>()?;
            let of_both = [inner(&l.present, &k.all)?, inner(&k.present, &l.all)?];
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
