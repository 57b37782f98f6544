//! The fusion that a bundle has learned: its layer over the legs of a query.

use serde_json::{Map, Value, json};

use super::leg::{FusedDoc, Leg, Page, Share, join};
use super::rule::{Asked, Rule, Score, Settings};
use crate::error::{Error, ErrorCode, Result};
use crate::hint::{Hint, Setting, Task};
use crate::model::{Bundle, FusionFeatures, FusionLayer};
use crate::search::similarity::Similarity;

/// Entries of [`FusionFeatures`] that stem from the keyword leg; the others stem from the media leg.
const KEYWORD_ENTRIES: usize = 3;

pub(super) struct Learned;

impl Rule for Learned {
    fn score(&self) -> Score {
        Score::Apart(|legs, settings, page| fuse(legs, &layer(settings)?, page))
    }

    fn similarity(&self, bundle: &Bundle) -> Option<Similarity> {
        bundle.fusion().map(|layer| Similarity::Metric(layer.target()))
    }

    fn check(&self, asked: &Asked<'_>) -> Result<()> {
        if asked.prior.is_some() {
            let what = "the learned fusion reads logits of the bundle's own prior";
            let hint = Hint::new("leave").setting(Setting::Prior).text(" out, or take another");
            return Err(Error::new(ErrorCode::BadArgument, what).hint(hint.setting(Setting::Fusion)));
        }
        let layer = layer(asked.settings)?;
        if asked.similarity != Similarity::Metric(layer.target()) {
            let what = "the learned fusion was trained with another media leg";
            let hint = Hint::new("leave").setting(Setting::Similarity).text(" and").setting(Setting::Target);
            return Err(Error::new(ErrorCode::BadArgument, what)
                .expected(format!("the metric network with target {}", layer.target().as_str()))
                .hint(hint.text(" out")));
        }
        Ok(())
    }

    fn weighs_legs(&self) -> bool {
        false
    }

    fn formula(&self, _: &Settings, _: &str) -> String {
        "bias + contributions of the legs: the bundle's own layer".into()
    }

    fn numbers(&self, settings: &Settings) -> Map<String, Value> {
        settings.layer.iter().map(|layer| ("bias".to_owned(), json!(layer.bias()))).collect()
    }
}

fn layer(settings: &Settings) -> Result<FusionLayer> {
    settings.layer.ok_or_else(|| {
        let hint = Hint::new("train one with").task(Task::Fuse).text(", and bring it to the index with");
        Error::new(ErrorCode::BadArgument, "the bundle has no learned fusion").hint(hint.task(Task::Attach))
    })
}

/// The features of a document by the keyword leg and the media leg, in this order.
pub(in crate::search) fn features(shares: &[Share], best_keyword: f32) -> FusionFeatures {
    let of = |leg: usize| shares.get(leg).and_then(|share| share.score.zip(share.rank));
    let keyword = of(0).map(|(score, rank)| (score, best_keyword, rank));
    FusionFeatures::new(keyword, of(1))
}

/// Ranks by the layer's logit, best first, ties by id. `legs` are the keyword leg and the media leg.
fn fuse(legs: &[Leg<'_>], layer: &FusionLayer, page: Page<'_>) -> Result<Vec<FusedDoc>> {
    let best = legs.first().and_then(|leg| leg.docs.first()).map_or(0.0, |doc| doc.score);
    join(legs, page, |shares| {
        let features = features(shares, best);
        for (leg, share) in shares.iter_mut().enumerate() {
            let own = |entry: usize| (entry < KEYWORD_ENTRIES) == (leg == 0);
            let terms = layer.weights().iter().zip(&features.0).enumerate();
            share.contribution = terms.filter(|(entry, _)| own(*entry)).map(|(_, (w, x))| w * x).sum();
        }
        layer.score(&features)
    })
}
