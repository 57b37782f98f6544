//! A fit on the rows of a fold, and what its settings are worth on the rows that it has not seen.

use super::classes::Classes;
use super::landmarks::{distances, with_landmarks};
use super::moments::{Moments, Precision};
use super::units::Units;
use crate::data::{Items, Similarity, TrainingData};
use crate::error::Result;
use crate::eval::{One, Own, measure_between, measure_one};
use crate::model::{Bundle, Kernel, Target};
use crate::train::draw::some;
use crate::train::finish::hub;

/// With more rows to a landmark than this, sums need less precision.
const MANY: usize = 4;
/// Most directions that are looked for: their cost grows with the cube, and those that correlate least add nothing.
const DIRECTIONS: usize = 384;
/// Most rows that are summed up: with sixteen to a landmark more of them change little, and each costs the square of the landmarks.
const SUMMED: usize = 65_536;
/// Most landmarks of all media types together: the fits hold matrices of the square of each two.
const LANDMARKS: usize = 16_384;

/// Of so many rows to fit: the most that are summed up, and the most landmarks of each of `media` types where `most` are wanted.
pub(super) fn sizes(rows: usize, most: usize, media: usize) -> (usize, usize) {
    let rows = rows.min(SUMMED);
    (rows, most.min(LANDMARKS / media.max(1)).min(rows))
}

/// Most anchors of the hub term that units are measured with.
const ANCHORS: usize = 1024;
/// Weights of that term, of which the best counts: it changes which ridge and power find the pair.
const HUBS: [f32; 3] = [0.0, 1.0, 2.0];

/// Rows to fit on and to validate on, and the most landmarks of a media type.
#[derive(Clone, Copy)]
pub(super) struct Sample<'a> {
    pub(super) fit: &'a [usize],
    pub(super) held: &'a [usize],
    pub(super) landmarks: usize,
}

/// What a fit on some rows is read from, and the responses of rows to validate on.
pub(super) struct Trial<'a> {
    data: &'a TrainingData,
    moments: Moments,
    held: &'a [usize],
    /// By media type: responses `[n, m]` of those of `held` that have an item.
    responses: Vec<Vec<f32>>,
    /// The same of anchors, rows that were fitted on; none where nothing is held.
    anchors: Vec<Vec<f32>>,
}

impl<'a> Trial<'a> {
    /// Sums up the rows to fit on, a draw of them where there are more than [`SUMMED`]; `None` where a media type has no two different items.
    ///
    /// `spread` is that of the kernel, `classes` their number or 0; `seed` draws the landmarks.
    pub(super) fn new(
        data: &'a TrainingData,
        Sample { fit, held, landmarks }: Sample<'a>,
        (spread, classes): (f32, usize),
        seed: u64,
    ) -> Result<Option<Self>> {
        let (rows, landmarks) = sizes(fit.len(), landmarks, data.media.len());
        let fit = &some(fit, rows)[..];
        let kernels: Option<Vec<Kernel>> = data
            .media
            .iter()
            .map(|media| {
                let kernel = with_landmarks(media, fit, landmarks, seed)?;
                Some(Kernel { width: spread * kernel.width, ..kernel })
            })
            .collect();
        let Some(kernels) = kernels else { return Ok(None) };
        let of_rows = |rows: &[usize], most: usize| -> Vec<Vec<f32>> {
            let each = kernels.iter().zip(&data.media).map(|(kernel, media)| {
                let rows: Vec<usize> = rows.iter().copied().filter(|&row| media.present[row]).collect();
                let mut k = distances(kernel, media.d_in, &media.gather(&some(&rows, most)));
                kernel.respond(&mut k);
                k
            });
            each.collect()
        };
        let responses = of_rows(held, usize::MAX);
        let anchors = of_rows(if held.is_empty() { &[] } else { fit }, ANCHORS);
        let precision = if fit.len() > MANY * landmarks { Precision::Single } else { Precision::Double };
        let mut moments = Moments::new(kernels, classes, precision)?;
        moments.add(data, fit)?;
        Ok(Some(Self { data, moments, held, responses, anchors }))
    }

    /// At most `k` directions with the ridge `ridge`; `None` without pairs.
    pub(super) fn units(&self, ridge: f64, k: usize) -> Result<Option<Units>> {
        Ok(Units::fit(&self.moments, ridge, k.min(DIRECTIONS))?)
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

    /// The kernels alone, without what was summed up.
    pub(super) fn into_kernels(self) -> Vec<Kernel> {
        self.moments.sides.into_iter().map(|side| side.kernel).collect()
    }

    /// Landmarks of a media type.
    fn width(&self, m: usize) -> usize {
        self.moments.sides[m].kernel.len()
    }

    /// The shared vectors of the held rows by members of these readouts.
    fn items<'b>(&self, shape: &'b Bundle, readers: &[Kernel]) -> Result<Items<'b>> {
        let project = |m: usize, features: &[f32]| {
            let n = features.len() / self.data.media[m].d_in;
            Ok(shared(shape, m, n, readers[m].read(n, &self.responses[m])))
        };
        Items::projected(shape, self.data, self.held, &project)
    }

    /// Recall at 1 and 10 of the paired item of the held rows, mean of both, by the heads of `shape` with a hub term where it `hubs`;
    /// `None` without pairs.
    pub(super) fn of_units(
        &self,
        units: &Units,
        power: f64,
        (shape, hubs): (&Bundle, bool),
    ) -> Result<Option<f64>> {
        let mut readers = readers(shape);
        for (m, reader) in readers.iter_mut().enumerate() {
            readout(reader, (m, self.width(m)), Some((units, power)), &[], 1.0, (0, shape.dim()))?;
        }
        let anchors = self.anchors.iter().zip(&readers).enumerate().map(|(m, (responses, reader))| {
            let n = responses.len() / self.width(m).max(1);
            shared(shape, m, n, reader.read(n, responses))
        });
        let whole = hub::with_anchors(shape, anchors.collect(), 1.0);
        let (plain, whole) = (self.items(shape, &readers)?, self.items(&whole, &readers)?);
        let weights = if hubs { &HUBS[..] } else { &HUBS[..1] };
        let found = measure_between((&plain, &whole), self.data, (Target::Pair, Own::Relevant), weights);
        let recall = |one: One| one.recall.map(|recall| (recall.mean()[0] + recall.mean()[2]) / 2.0);
        Ok(found.into_iter().filter_map(recall).max_by(f64::total_cmp))
    }

    /// MAP of the held rows by the dot product of posteriors; `None` without classes.
    pub(super) fn of_classes(
        &self,
        classes: &[Option<Classes>],
        sharpness: f64,
        shape: &Bundle,
    ) -> Result<Option<f64>> {
        let mut readers = readers(shape);
        let count = shape.posterior().map_or(0, |range| range.end);
        for (m, reader) in readers.iter_mut().enumerate() {
            readout(reader, (m, self.width(m)), None, classes, sharpness, (count, shape.dim() - count))?;
        }
        let found = measure_one(&self.items(shape, &readers)?, self.data, Similarity::Posterior);
        Ok(found.map.map(|map| map.mean))
    }
}

/// The shared vectors `[n, d]` of `n` items of media type `m` from what a kernel member reads of them.
fn shared(shape: &Bundle, m: usize, n: usize, read: (Vec<f32>, Vec<f32>)) -> Vec<f32> {
    let mut out = vec![0.0; n * shape.dim()];
    shape.pathways[m].mix(n, [Some(read), None], 1.0, &mut out);
    out
}

/// The kernel members with these readouts; `unit` elements, filled up with zeros where there are fewer directions.
pub(super) fn with_readouts(
    mut kernels: Vec<Kernel>,
    units: Option<(&Units, f64)>,
    classes: &[Option<Classes>],
    sharpness: f64,
    (count, unit): (usize, usize),
) -> Result<Vec<Kernel>> {
    for (m, kernel) in kernels.iter_mut().enumerate() {
        let width = kernel.len();
        readout(kernel, (m, width), units, classes, sharpness, (count, unit))?;
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
    units: Option<(&Units, f64)>,
    classes: &[Option<Classes>],
    sharpness: f64,
    (count, unit): (usize, usize),
) -> Result<()> {
    if let Some((units, power)) = units {
        let (mut of_unit, mut bias) = units.readout(m, power)?;
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
