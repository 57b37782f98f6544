//! A fit on the rows of a fold, and what its settings are worth on the rows that it has not seen.

use super::classes::Classes;
use super::measured::Measured;
use super::moments::{Moments, Precision};
use super::units::{Readout, Units, narrow};
use super::unseen::Unseen;
use crate::data::{Similarity, TrainingData};
use crate::error::Result;
use crate::eval::measure_one;
use crate::model::{Bundle, Kernel};

/// With more rows to a landmark than this, sums need less precision.
const MANY: usize = 4;
/// Most directions that are looked for: their cost grows with the cube, and those that correlate least add nothing.
const DIRECTIONS: usize = 384;
/// Most coordinates of an item, of which units learn on. More find more pairs, and cost as much more.
const COORDINATES: usize = 1024;

/// Scores of candidates on one fold; `None` where nothing measures them.
pub(super) type Scores = Vec<Option<f64>>;

/// What a fit on some rows is read from, and the responses of rows to validate on.
pub(super) struct Trial<'a> {
    data: &'a TrainingData,
    moments: Moments,
    held: Unseen<'a>,
}

impl<'a> Trial<'a> {
    /// Sums up the rows to fit on by kernels `spread` times as wide as the median distance; `classes` is their number or 0.
    pub(super) fn new(measured: &Measured<'a>, spread: f32, classes: usize) -> Result<Self> {
        let landmarks = measured.kernels.iter().map(Kernel::len).max().unwrap_or(0);
        let precision =
            if measured.rows() > MANY * landmarks { Precision::Single } else { Precision::Double };
        let moments = Moments::new(measured, spread, classes, precision)?;
        let held = Unseen::new(measured, moments.sides.iter().map(|side| &side.kernel));
        Ok(Self { data: measured.data, moments, held })
    }

    /// At most `k` directions with the ridge `ridge`, and, to learn on from them, others beside them; `None` without pairs.
    pub(super) fn units(&self, ridge: f64, k: usize, learn: bool) -> Result<Option<Units>> {
        let k = k.min(DIRECTIONS);
        Ok(Units::fit(&self.moments, ridge, k, if learn { COORDINATES - k } else { 0 })?)
    }

    /// Class values by media type.
    pub(super) fn classes(&self, decay: f64) -> Result<Vec<Option<Classes>>> {
        Ok(self
            .moments
            .sides
            .iter()
            .map(|side| Classes::fit(side, decay))
            .collect::<candle_core::Result<_>>()?)
    }

    /// The kernels alone, one per media type, without a readout.
    pub(super) fn kernels(&self) -> Vec<Kernel> {
        self.moments.sides.iter().map(|side| side.kernel.clone()).collect()
    }

    /// Landmarks of a media type.
    fn width(&self, m: usize) -> usize {
        self.moments.sides[m].kernel.len()
    }

    /// Recall at 1 and 10 of the paired item of the held rows, mean of both, with correlations to each of these powers, by the heads of
    /// `shape`, with a hub term where it `hubs`; `None` without pairs.
    pub(super) fn of_units(
        &self,
        units: &Units,
        powers: &[f64],
        (shape, hubs): (&Bundle, bool),
    ) -> Result<Scores> {
        let mut readers = readers(shape);
        for ((m, reader), read) in readers.iter_mut().enumerate().zip(units.readouts(0.0)?) {
            readout(reader, (m, self.width(m)), Some(read), &[], 1.0, (0, shape.dim()))?;
        }
        // A power scales the elements of what is read, so that it is read once.
        let read = |responses: &[Vec<f32>]| -> Vec<Vec<f32>> {
            let each = responses.iter().zip(&readers).enumerate();
            each.map(|(m, (k, reader))| reader.read(k.len() / self.width(m).max(1), k).1).collect()
        };
        let (held, anchors) = (read(&self.held.responses), read(&self.held.anchors));
        let of_power = |power: &f64| -> Result<Option<f64>> {
            let mut factors = narrow(&units.factors(*power));
            factors.resize(shape.dim(), 0.0);
            let all = |x: &[Vec<f32>]| -> Vec<Vec<f32>> { x.iter().map(|x| scaled(x, &factors)).collect() };
            self.held.recall((&all(&held), all(&anchors)), (shape, hubs))
        };
        powers.iter().map(of_power).collect()
    }

    /// MAP of the held rows by the dot product of posteriors of each sharpness; `None` without classes.
    pub(super) fn of_classes(
        &self,
        classes: &[Option<Classes>],
        sharpnesses: &[f64],
        shape: &Bundle,
    ) -> Result<Scores> {
        let mut readers = readers(shape);
        let count = shape.posterior().map_or(0, |range| range.end);
        let mut held = Vec::with_capacity(readers.len());
        for (m, (reader, k)) in readers.iter_mut().zip(&self.held.responses).enumerate() {
            let width = self.width(m);
            readout(reader, (m, width), None, classes, 1.0, (count, shape.dim() - count))?;
            held.push(reader.read(k.len() / width.max(1), k).0);
        }
        let of_sharpness = |sharpness: &f64| -> Result<Option<f64>> {
            let factors = vec![*sharpness as f32; count];
            let items = self.held.items(shape, &|m| (scaled(&held[m], &factors), Vec::new()))?;
            Ok(measure_one(&items, self.data, Similarity::Posterior).map.map(|map| map.mean))
        };
        sharpnesses.iter().map(of_sharpness).collect()
    }
}

/// Rows of `x`, each element by its factor.
fn scaled(x: &[f32], factors: &[f32]) -> Vec<f32> {
    x.chunks_exact(factors.len().max(1)).flat_map(|x| x.iter().zip(factors).map(|(x, y)| x * y)).collect()
}

/// The kernel members with these readouts; `unit` elements, filled up with zeros where there are fewer directions.
pub(super) fn with_readouts(
    mut kernels: Vec<Kernel>,
    units: Option<Vec<Readout>>,
    classes: &[Option<Classes>],
    sharpness: f64,
    (count, unit): (usize, usize),
) -> Result<Vec<Kernel>> {
    let mut units = units.into_iter().flatten();
    for (m, kernel) in kernels.iter_mut().enumerate() {
        let width = kernel.len();
        readout(kernel, (m, width), units.next(), classes, sharpness, (count, unit))?;
    }
    Ok(kernels)
}

/// Members without landmarks, one per media type: they read responses that are there already.
fn readers(shape: &Bundle) -> Vec<Kernel> {
    shape.media().iter().map(|_| Kernel::new(false, Vec::new(), 1, 1.0)).collect()
}

/// Fills in the readout of a member of media type `m` with `width` landmarks.
fn readout(
    kernel: &mut Kernel,
    (m, width): (usize, usize),
    units: Option<Readout>,
    classes: &[Option<Classes>],
    sharpness: f64,
    (count, unit): (usize, usize),
) -> Result<()> {
    if let Some((mut of_unit, mut bias)) = units {
        bias.resize(unit, 0.0);
        of_unit.resize(unit * width, 0.0);
        (kernel.unit, kernel.unit_bias) = (of_unit.into(), bias);
    }
    if count > 0 {
        let (class, bias) = match classes.get(m).and_then(Option::as_ref) {
            Some(classes) => classes.readout(sharpness)?,
            // No row of this media type has a class: all are as likely.
            None => (vec![0.0; count * width], vec![0.0; count]),
        };
        (kernel.class, kernel.class_bias) = (class.into(), bias);
    }
    Ok(())
}
