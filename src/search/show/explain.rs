//! Every number that made a hit, down to BM25 terms, first-layer halves and logits; and the plan of a query.

use serde_json::{Value, json};
use tantivy::query::Explanation;

use crate::index::SegmentVectors;
use crate::model::Calibration;
use crate::search::fusion::{FusedDoc, Fusion, Normalise, Share};
use crate::search::legs::Ranking;
use crate::search::plan::Plan;
use crate::search::row::HeadNumbers;
use crate::search::scorer::{BestItem, DocScore, DocScorer, Polarity, Similarity};

/// What is known of a hit when it is explained.
pub(super) struct Numbers<'n> {
    pub(super) vectors: &'n SegmentVectors,
    pub(super) media: Option<&'n DocScore>,
    pub(super) keyword: Option<Explanation>,
    pub(super) shares: &'n [Share],
}

/// `{"score", "formula", "legs": {name: {rank, score, normalised, weight, contribution}}, "keyword": tantivy's tree,
/// "media": {value, parts: [..]}}`.
pub(super) fn hit(
    plan: &Plan,
    ranking: &Ranking,
    fused: &FusedDoc,
    numbers: &Numbers<'_>,
) -> Value {
    // Where one leg ranks, or the layer has weights of its own, those of the legs have no say.
    let counts = ranking.legs.len() == 2 && !matches!(plan.fusion, Fusion::Metric | Fusion::Learned);
    let weight =
        |name: &str| counts.then_some(if name == "keyword" { plan.weights.0 } else { plan.weights.1 });
    let legs = ranking.legs.iter().zip(numbers.shares).map(|(&name, share)| {
        let leg = json!({
            "rank": share.rank, "score": share.score, "normalised": share.normalised, "weight": weight(name),
            "contribution": share.contribution,
        });
        (name.to_owned(), leg)
    });
    let mut out = json!({
        "score": fused.doc.score,
        "formula": formula(plan, ranking),
        "legs": legs.collect::<serde_json::Map<_, _>>(),
    });
    if let (Fusion::Learned, Some(layer), 2) = (plan.fusion, &plan.layer, ranking.legs.len()) {
        out["bias"] = json!(layer.bias());
    }
    if let Some(tree) = &numbers.keyword {
        // A tree of strings and finite numbers.
        out["keyword"] = serde_json::to_value(tree).unwrap_or(Value::Null);
    }
    if let (Some(score), Some(scorer)) = (numbers.media, &plan.media) {
        let parts = score.best.iter().map(|item| part(plan, scorer, numbers.vectors, item));
        out["media"] = json!({
            "value": score.value, "formula": media_formula(scorer), "weight_sum": scorer.weight_sum(),
            "parts": parts.collect::<Vec<_>>(),
        });
    }
    out
}

fn part(
    plan: &Plan,
    scorer: &DocScorer,
    vectors: &SegmentVectors,
    item: &BestItem,
) -> Value {
    let media = plan.view.bundle.media();
    let (part_media, name) = &plan.parts[item.part];
    let mut out = json!({
        "part": item.part, "name": name, "part_media": media[*part_media].name, "media": media[item.media].name,
        "index": vectors.view(item.media).ordinals[item.row], "raw": item.raw, "value": item.value,
    });
    let Some((row_scorer, polarity, weight, row)) = scorer.row_of(vectors, item) else { return out };
    out["weight"] = json!(weight);
    out["wanted"] = json!(polarity == Polarity::Like);
    let contribution = match polarity {
        Polarity::Like => weight * item.value,
        Polarity::Unlike => {
            out["penalty"] = json!(row_scorer.penalty(item.value));
            -weight * row_scorer.penalty(item.value)
        }
    };
    out["contribution"] = json!(contribution / scorer.weight_sum());
    let heads: Vec<Value> = row_scorer
        .numbers(&row)
        .iter()
        .zip(row_scorer.query_halves())
        .map(|(n, q)| head(n, &q.hidden))
        .collect();
    if !heads.is_empty() {
        out["heads"] = heads.into();
        out["item_half"] = json!(row.half);
    }
    out
}

/// `raw = bilinear + hidden + bias`, and what calibration makes of it.
fn head(numbers: &HeadNumbers, query_half: &[f32]) -> Value {
    let calibrated = numbers.calibration.map(|fit| {
        let Calibration { slope, offset, prior, .. } = fit;
        json!({
            "slope": slope, "offset": offset, "prior": prior, "curve": fit.curve.is_some(),
            "logit": fit.logit(numbers.raw), "probability": fit.probability(numbers.raw),
        })
    });
    json!({
        "bilinear": numbers.bilinear, "hidden": numbers.hidden, "bias": numbers.bias, "raw": numbers.raw,
        "calibration": calibrated, "query_half": query_half,
    })
}

fn media_formula(scorer: &DocScorer) -> &'static str {
    match scorer.similarity() {
        Similarity::Metric(_) => {
            "(sum of weight x logit over wanted parts - sum of weight x ln(1 + exp(logit)) over unwanted) / weight_sum; \
             raw = u'Mv + w.relu(query_half + item_half) + bias"
        }
        Similarity::Both => {
            "as for one target, with the log-odds of the mean of both targets' probabilities in place of the logit"
        }
        Similarity::Cosine | Similarity::Posterior => {
            "(sum of weight x value over wanted parts - sum of weight x max(0, value) over unwanted) / weight_sum"
        }
    }
}

fn formula(plan: &Plan, ranking: &Ranking) -> String {
    if ranking.legs.len() < 2 {
        return ranking.legs.first().map_or("none: in order of id".into(), |leg| format!("the {leg} leg"));
    }
    match plan.fusion {
        Fusion::Rrf => format!("sum over legs of weight / ({} + rank)", plan.rrf_k),
        Fusion::Linear => {
            let scale = match plan.normalise {
                Normalise::MinMax => "(score - min) / (max - min)",
                Normalise::ZScore => "(score - min) / deviation + 1",
                Normalise::Probability => "match probability, and score / best score of the keywords",
            };
            format!("sum over legs of weight x normalised / sum of weights; normalised = {scale}")
        }
        Fusion::Product => "keyword ^ weight x match probability ^ weight".into(),
        Fusion::Metric => format!("the {} leg, keywords restrict", ranking.legs[1]),
        Fusion::Learned => "bias + contributions of the legs: the bundle's own layer".into(),
    }
}

/// What runs: the parsed strings, the parts, and the numbers in force.
pub(super) fn plan(plan: &Plan) -> Value {
    let media = plan.view.bundle.media();
    let (depth, shards) = (plan.depth, &plan.view.shards);
    let name = |media: &crate::model::MediaConfig| media.name.clone();
    let parts: Vec<Value> =
        plan.parts.iter().map(|(at, part)| json!({ "name": part, "media": media[*at].name })).collect();
    let segments: usize = shards.iter().map(|shard| shard.searcher.segment_readers().len()).sum();
    let wanted = plan
        .media
        .as_ref()
        .map(|scorer| scorer.wanted().iter().map(|&at| name(&media[at])).collect::<Vec<_>>());
    let similarity = plan.media.as_ref().map(|scorer| match scorer.similarity() {
        Similarity::Metric(target) => format!("metric, target {}", target.as_str()),
        Similarity::Both => "metric, both targets".into(),
        other => other.leg().into(),
    });
    json!({
        "keywords": plan.keywords.as_ref().map(|query| format!("{query:?}")),
        "filter": plan.filter.as_ref().map(|query| format!("{query:?}")),
        "parts": parts,
        "media": wanted,
        "similarity": similarity,
        "fusion": plan.fusion,
        "weights": { "keyword": plan.weights.0, "media": plan.weights.1 },
        "normalise": plan.normalise,
        "rrf_k": plan.rrf_k,
        "k": depth.k, "offset": depth.offset, "window": depth.window,
        "indexes": shards.len(), "segments": segments,
    })
}
