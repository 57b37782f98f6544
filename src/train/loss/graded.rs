//! The loss of graded pairs in the metric stage.
//!
//! The loss of a step is the mean logistic loss over a random draw of pairs, with the grade as the target, on the logits of
//! the head of the default target. A head scores two items alike in either order, so both orders of a pair are learned.

use std::collections::BTreeMap;

use candle_core::{Device, Tensor};
use rand::Rng;
use rand::seq::index;
use rand_chacha::ChaCha8Rng;

use super::batch::Losses;
use super::logistic;
use crate::error::{Error, ErrorCode, Result};
use crate::model::Target;
use crate::train::network::{Ask, Pass};

/// A row of each side and how similar they are.
type Drawn = (usize, usize, f32);

/// The loss of one draw, of at most a batch of pairs and one item for each side; `None` without pairs. What it passed
/// through is added to `passes`.
pub(super) fn graded(
    losses: &Losses<'_>,
    rng: &mut ChaCha8Rng,
    passes: &mut Vec<Pass>,
) -> Result<Option<Tensor>> {
    let Losses { network, rows, config, .. } = *losses;
    let pairs = &rows.graded.0;
    if pairs.is_empty() {
        return Ok(None);
    }
    let amount = pairs.len().min(config.steps.batch);
    let by_classes = if network.classes > 0 { Target::Class } else { Target::Pair };
    let target = config.default_target.unwrap_or(by_classes);
    // Ordered by media types, so that sums have one order.
    let mut drawn: BTreeMap<(usize, usize), Vec<Drawn>> = BTreeMap::new();
    for at in index::sample(rng, pairs.len(), amount) {
        let pair = &pairs[at];
        let mut one = |items: &[usize]| items[rng.random_range(0..items.len())];
        drawn.entry(pair.media).or_default().push((one(&pair.a), one(&pair.b), pair.similar));
    }
    let mut total: Option<Tensor> = None;
    for ((a, b), drawn) in drawn {
        let head = network.heads.iter().find(|head| (head.target, head.a, head.b) == (target, a, b));
        let Some(head) = head else { continue };
        let mut shared = |media: usize, items: Vec<usize>| -> Result<Tensor> {
            let asked = losses.forward(&[Ask { media, rows: &items, views: 1 }], rng)?;
            let shared = asked.iter().flat_map(|pass| &pass.views).map(|view| view.shared.clone()).next();
            passes.extend(asked);
            shared.ok_or_else(|| Error::new(ErrorCode::Tensor, "a pathway gave nothing for its rows"))
        };
        let left = shared(a, drawn.iter().map(|pair| pair.0).collect())?;
        let right = shared(b, drawn.iter().map(|pair| pair.1).collect())?;
        let logits = network.logits(head, &left, &right)?;
        // The pairs lie on the diagonal; the other logits weigh nothing.
        let n = drawn.len();
        let (mut targets, mut weights) = (vec![0.0f32; n * n], vec![0.0f32; n * n]);
        for (i, pair) in drawn.iter().enumerate() {
            targets[i * n + i] = pair.2;
            weights[i * n + i] = 1.0;
        }
        let targets = Tensor::from_vec(targets, (n, n), &Device::Cpu)?;
        let weights = Tensor::from_vec(weights, (n, n), &Device::Cpu)?;
        let loss = (logistic::logistic(&logits, &targets, &weights)? * (n as f64 / amount as f64))?;
        total = Some(match total {
            None => loss,
            Some(sum) => (sum + loss)?,
        });
    }
    Ok(total)
}
