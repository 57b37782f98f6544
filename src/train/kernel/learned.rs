//! Unit parts that learn on from the closed form, by the in-batch softmax over pairs.
//!
//! The closed form finds directions that correlate, which is not all that finds the pair. Where landmarks are a sample of the rows, a
//! linear map of whitened responses has more to learn: for the coordinates `x [q]` of an item, its directions and others beside them,
//! `u = V' x / |V' x|`, with the loss of the place of `v` among the others of a batch for every `u`, and the other way round (van den Oord
//! et al., "Representation learning with contrastive predictive coding", 2018). `V [q, e]` starts as the closed form. What is
//! read of the responses is linear again: a unit part of the same size as without.

use candle_core::{D, DType, Device, Tensor, Var};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use super::measured::Measured;
use super::settings::{Epochs, Given};
use super::trial::Scores;
use super::units::{Readout, Units, readout};
use super::unseen::Unseen;
use crate::data::{MediaFeatures, TrainingData};
use crate::error::Result;
use crate::model::{Bundle, Kernel};
use crate::parallel::Crew;
use crate::train::batch::Prepared;
use crate::train::draw::some;
use crate::train::linear::{inner, largest_triplets};
use crate::train::loss::ranking;
use crate::train::members::alone;
use crate::train::optimiser::{Adam, Group};
use crate::train::schedule::schedule;

/// Most rows that are learned from: their coordinates are in memory.
const ROWS: usize = 32_768;
/// Rows whose coordinates are made together.
const TOGETHER: usize = 2048;
/// Most rows of a batch; of few rows an eighth.
const BATCH: usize = 1024;
const LEARNING_RATE: f64 = 3e-3;
/// Of the softmax over cosines.
const TEMPERATURE: f64 = 0.07;
/// Steps until the learning rate is reached.
const WARM: f64 = 16.0;
/// Most rows by which elements are sorted.
const SORTED: usize = 2048;

/// So many that there are about `steps` over `rows`, and one at least.
fn epochs_for(rows: usize, steps: usize) -> usize {
    steps.div_ceil(rows.div_ceil(batch(rows)).max(1))
}

fn batch(rows: usize) -> usize {
    BATCH.min((rows / 8).max(16))
}

/// From the distances of items to their coordinates.
struct Map {
    kernel: Kernel,
    /// `[1, m]` and `[m, q]` in f32.
    mean: Tensor,
    coordinates: Tensor,
}

impl Map {
    /// `[n, q]` of responses `[n, m]`; `None` of none.
    fn of(&self, responses: &[f32]) -> Result<Option<Tensor>> {
        if responses.is_empty() {
            return Ok(None);
        }
        let m = self.kernel.len();
        let responses = Tensor::from_slice(responses, (responses.len() / m, m), &Device::Cpu)?;
        Ok(Some(responses.broadcast_sub(&self.mean)?.matmul(&self.coordinates)?))
    }
}

/// What was learned on a fold, after each epoch: the first is the closed form.
pub(super) struct Learned<'u> {
    units: &'u Units,
    /// By epoch and media type: `V [q, e]` for the elements `e` of a unit part; those beyond its directions stay zero.
    maps: Vec<Vec<Tensor>>,
    /// By epoch; `None` without rows to tell.
    pub(super) scores: Scores,
    /// Coordinates of some of the rows, by media type.
    sample: Vec<Option<Tensor>>,
    /// Epochs of the schedule.
    of: usize,
}

impl<'u> Learned<'u> {
    /// Learns on from `units`, with correlations to the power `power`, over the landmarks of `measured`, which are those of `kernels`; for as
    /// many epochs as `epochs` says, or else as the settings do.
    ///
    /// Cost: `n m (d_in + q)` multiply-adds per media type, and `5 n q e` in each epoch, of two media types. Memory: `4 q (n + epochs e)` bytes
    /// per media type.
    pub(super) fn new(
        given: Given<'_>,
        (measured, kernels): (&Measured<'_>, &[Kernel]),
        (units, power): (&'u Units, f64),
        epochs: Option<Epochs>,
    ) -> Result<Self> {
        let maps = kernels.iter().enumerate().map(|(m, kernel)| {
            debug_assert_eq!(kernel.len(), measured.kernels[m].len(), "the draw of landmarks is the same");
            Ok(Map {
                kernel: kernel.clone(),
                mean: units.means[m].to_dtype(DType::F32)?,
                coordinates: units.coordinates(m)?.to_dtype(DType::F32)?,
            })
        });
        let maps = maps.collect::<Result<Vec<_>>>()?;
        let rows = coordinates(given.data, measured, &maps)?;
        let all: Vec<usize> = (0..rows.rows()).collect();
        let widths = rows.media.iter().map(|media| media.d_in).collect();
        let prepared = Prepared::new(&rows, &all, widths, false, Box::new(|_, x| x.to_vec()));
        let epochs = epochs.unwrap_or_else(|| {
            let of = epochs_for(all.len(), given.config.kernel.steps);
            Epochs { run: of, of }
        });
        let variables = (0..maps.len())
            .map(|m| Ok(Var::from_tensor(&units.start(m, power, given.unit)?.to_dtype(DType::F32)?)?))
            .collect::<Result<Vec<_>>>()?;
        let held = (!measured.held.is_empty()).then(|| Unseen::new(measured, kernels.iter()));
        let validation = held.as_ref().map(|held| Validation::new(given, held, &maps)).transpose()?;
        let now = || -> Result<Vec<Tensor>> {
            Ok(variables.iter().map(|v| v.as_tensor().copy()).collect::<candle_core::Result<_>>()?)
        };
        let sample = (0..maps.len()).map(|m| {
            let own = prepared.present(m, &some(&all, SORTED));
            if own.is_empty() { Ok(None) } else { prepared.input((m, &own, 1), 0.0, 0).map(Some) }
        });
        let sample = sample.collect::<Result<_>>()?;
        let mut learned = Self { units, maps: Vec::new(), scores: Vec::new(), sample, of: epochs.of };
        let mut steps = Steps::new(&variables, given.config.seed)?;
        for epoch in 0..=epochs.run {
            if epoch > 0 {
                steps.epoch(&prepared, &variables, (epoch - 1, epochs.of))?;
            }
            let maps = now()?;
            let score = validation.as_ref().map(|validation| validation.score(&maps)).transpose()?;
            learned.scores.push(score.flatten());
            learned.maps.push(maps);
        }
        tracing::debug!(scores = ?learned.scores, rows = all.len(), "unit parts that learn on");
        Ok(learned)
    }

    /// The settings of an epoch.
    pub(super) fn epochs(&self, run: usize) -> Epochs {
        Epochs { run, of: self.of }
    }

    /// The readouts of all media types after an epoch that was run.
    pub(super) fn readouts(&self, epoch: usize) -> Result<Vec<Readout>> {
        let maps = &self.maps[epoch];
        let rotation = self.rotation(maps)?;
        let each = maps.iter().enumerate().map(|(m, map)| {
            let map = map.to_dtype(DType::F64)?.matmul(&rotation)?;
            let directions = self.units.coordinates(m)?.matmul(&map)?;
            Ok(readout(&directions, &self.units.means[m])?)
        });
        each.collect()
    }

    /// A rotation `[e, e]` after which the first elements of unit parts hold as much as so many can; without columns for what none holds.
    ///
    /// It changes no dot product. Where deep members take a part of the elements, the last ones are left out, which in the closed form correlate
    /// least.
    fn rotation(&self, maps: &[Tensor]) -> Result<Tensor> {
        let mut squares: Option<Tensor> = None;
        for (x, map) in self.sample.iter().zip(maps) {
            let Some(x) = x else { continue };
            let u = unit_length(&x.matmul(map)?)?.to_dtype(DType::F64)?;
            let own = (inner(&u, &u)? * (1.0 / u.dim(0)? as f64))?;
            squares = Some(match squares {
                Some(sum) => (sum + own)?,
                None => own,
            });
        }
        let e = maps.first().map_or(Ok(0), |map| map.dim(1))?;
        match squares {
            Some(squares) => Ok(largest_triplets(&squares, e)?.left),
            None => Ok(Tensor::eye(e, DType::F64, &Device::Cpu)?),
        }
    }
}

/// The coordinates of a draw of rows with items of two media types, as features.
fn coordinates(data: &TrainingData, measured: &Measured<'_>, maps: &[Map]) -> Result<TrainingData> {
    let paired = |row: usize| data.media.iter().filter(|media| media.present[row]).count() > 1;
    let rows = measured.some(ROWS, paired);
    let mut media = Vec::with_capacity(maps.len());
    for (m, map) in maps.iter().enumerate() {
        let q = map.coordinates.dim(1)?;
        let present: Vec<bool> = rows.iter().map(|&row| data.media[m].present[row]).collect();
        let mut values = Vec::with_capacity(rows.len() * q);
        for (rows, present) in rows.chunks(TOGETHER).zip(present.chunks(TOGETHER)) {
            let own: Vec<usize> =
                rows.iter().zip(present).filter(|(_, present)| **present).map(|(row, _)| *row).collect();
            let mut responses = measured.distances(m, &own)?;
            map.kernel.respond(&mut responses);
            let found = elements(map.of(&responses)?)?;
            let mut found = found.chunks_exact(q.max(1));
            for present in present {
                match present.then(|| found.next()).flatten() {
                    Some(found) => values.extend_from_slice(found),
                    None => values.resize(values.len() + q, 0.0),
                }
            }
        }
        media.push(MediaFeatures {
            name: data.media[m].name.clone(),
            encoder: String::new(),
            encoder_state: Vec::new(),
            fingerprint: None,
            d_in: q,
            rows: values.into(),
            present,
        });
    }
    Ok(TrainingData {
        media,
        labels: None,
        groups: None,
        split: vec![crate::corpus::Split::Train; rows.len()],
        features_name: String::new(),
        documents: None,
        graded: Vec::new(),
    })
}

fn elements(x: Option<Tensor>) -> Result<Vec<f32>> {
    Ok(x.map(|x| x.flatten_all()?.to_vec1()).transpose()?.unwrap_or_default())
}

/// Rows of `u` at unit length; zeros stay.
fn unit_length(u: &Tensor) -> candle_core::Result<Tensor> {
    // The floor keeps a media type that pairs with nothing, whose coordinates are zero, from division by zero.
    let norm = (u.sqr()?.sum_keepdim(D::Minus1)? + 1e-12)?.sqrt()?;
    u.broadcast_div(&norm)
}

/// What maps are worth on held rows.
struct Validation<'h> {
    held: &'h Unseen<'h>,
    /// Coordinates of held rows and of anchors, by media type; `None` of none.
    rows: Vec<Option<Tensor>>,
    anchors: Vec<Option<Tensor>>,
    shape: Bundle,
    hubs: bool,
}

impl<'h> Validation<'h> {
    fn new(given: Given<'_>, held: &'h Unseen<'h>, maps: &[Map]) -> Result<Self> {
        let of = |responses: &[Vec<f32>]| -> Result<Vec<Option<Tensor>>> {
            responses.iter().zip(maps).map(|(responses, map)| map.of(responses)).collect()
        };
        let (rows, anchors) = (of(&held.responses)?, of(&held.anchors)?);
        let shape = alone::of_units(given.data, given.config, given.unit);
        Ok(Self { held, rows, anchors, shape, hubs: given.config.kernel.hub })
    }

    fn score(&self, maps: &[Tensor]) -> Result<Option<f64>> {
        let read = |x: &[Option<Tensor>]| -> Result<Vec<Vec<f32>>> {
            let each = x.iter().zip(maps);
            each.map(|(x, map)| elements(x.as_ref().map(|x| x.matmul(map)).transpose()?)).collect()
        };
        self.held.recall((&read(&self.rows)?, read(&self.anchors)?), (&self.shape, self.hubs))
    }
}

/// Steps down the loss.
struct Steps {
    optimiser: Adam,
    rng: ChaCha8Rng,
    crew: Crew,
    done: usize,
}

impl Steps {
    fn new(variables: &[Var], seed: u64) -> Result<Self> {
        let group = Group { variables: variables.to_vec(), learning_rate: LEARNING_RATE, decay: 0.0 };
        let rng = ChaCha8Rng::seed_from_u64(seed ^ 0x6c65_6172);
        Ok(Self { optimiser: Adam::new(vec![group])?, rng, crew: Crew::new(1), done: 0 })
    }

    /// The epoch `at` of so many.
    fn epoch(&mut self, rows: &Prepared<'_>, maps: &[Var], (at, of): (usize, usize)) -> Result<()> {
        let batches = rows.batches(batch(rows.len()), &mut self.rng);
        for (i, batch) in batches.iter().enumerate() {
            let Some(loss) = Self::loss(rows, maps, batch)? else { continue };
            self.done += 1;
            let progress = (at * batches.len() + i) as f64 / (of * batches.len()) as f64;
            let factor = schedule(progress) * (self.done as f64 / WARM).min(1.0);
            self.optimiser.step(&loss.backward()?, factor, 0.0, &self.crew)?;
        }
        Ok(())
    }

    /// The mean over each two media types; `None` where no row of the batch has items of two.
    fn loss(rows: &Prepared<'_>, maps: &[Var], batch: &[usize]) -> Result<Option<Tensor>> {
        let mut terms = Vec::new();
        for a in 0..maps.len() {
            for b in a + 1..maps.len() {
                let both = rows.present(b, &rows.present(a, batch));
                if both.len() < 2 {
                    continue;
                }
                let unit = |m: usize| -> Result<Tensor> {
                    let x = rows.input((m, &both, 1), 0.0, 0)?;
                    Ok(unit_length(&x.matmul(&maps[m])?)?)
                };
                let scores = (unit(a)?.matmul(&unit(b)?.t()?)? * (1.0 / TEMPERATURE))?;
                let relations = rows.relations(a, &both, b, &both);
                terms.push(ranking(&scores, &relations.paired, Vec::new())?);
            }
        }
        let count = terms.len();
        let sum = terms.into_iter().map(Ok).reduce(|x, y| x? + y?).transpose()?;
        Ok(sum.map(|sum| sum * (1.0 / count as f64)).transpose()?)
    }
}
