//! Every number that made a hit, down to BM25 terms, first-layer halves and logits; and the plan of a query.

use serde_json::{Value, json};
use tantivy::query::Explanation;

use crate::index::SegmentVectors;
use crate::model::Calibration;
use crate::search::fusion::{FusedDoc, Share};
use crate::search::legs::Ranking;
use crate::search::plan::Plan;
use crate::search::scorer::{BestItem, DocScore, DocScorer, Polarity};
use crate::search::similarity::HeadNumbers;

/// What is known of a hit when it is explained.
pub(super) struct Numbers<'n> {
    pub(super) vectors: &'n SegmentVectors,
    pub(super) media: Option<&'n DocScore>,
    pub(super) keyword: Option<Explanation>,
    pub(super) shares: &'n [Share],
}

/// `{"score", "formula", "legs": {name: {rank, score, normalised, weight, contribution}}, "keyword": tantivy's tree,
/// "media": {value, parts: [..]}}`.
pub(super) fn hit(plan: &Plan, ranking: &Ranking, fused: &FusedDoc, numbers: &Numbers<'_>) -> Value {
    // Where one leg ranks, or the layer has weights of its own, those of the legs have no say.
    let joined = ranking.legs.len() == 2;
    let counts = joined && plan.fusion.rule().weighs_legs();
    let (keyword, media) = plan.settings.weights;
    let weight = |name: &str| counts.then_some(if name == "keyword" { keyword } else { media });
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
    if joined {
        for (name, number) in plan.fusion.rule().numbers(&plan.settings) {
            out[name] = number;
        }
    }
    // The tree has the statistics of words in all documents.
    if let Some(tree) = numbers.keyword.as_ref().filter(|_| !plan.view.required.is_some()) {
        // A tree of strings and finite numbers.
        out["keyword"] = serde_json::to_value(tree).unwrap_or(Value::Null);
    }
    if let (Some(score), Some(scorer)) = (numbers.media, &plan.media) {
        let parts = score.best.iter().map(|item| part(plan, scorer, numbers.vectors, item));
        out["media"] = json!({
            "value": score.value, "formula": scorer.similarity().measure().formula(), "weight_sum": scorer.weight_sum(),
            "parts": parts.collect::<Vec<_>>(),
        });
    }
    out
}

fn part(plan: &Plan, scorer: &DocScorer, vectors: &SegmentVectors, item: &BestItem) -> Value {
    let media = plan.view.bundle.media();
    let (part_media, name) = &plan.parts[item.part];
    let mut out = json!({
        "part": item.part, "name": name, "part_media": media[*part_media].name, "media": media[item.media].name,
        "index": vectors.view(item.media).ordinals[item.row], "raw": item.raw, "value": item.value,
    });
    let Some((row_scorer, polarity, weight, row)) = scorer.row_of(vectors, item) else { return out };
    let rates = plan.rated.as_ref().and_then(|rated| rated.row_of(vectors, item));
    let rates: Vec<Option<Calibration>> = rates
        .map(|(row_scorer, ..)| row_scorer.query_halves().iter().map(|half| half.calibration).collect())
        .unwrap_or_default();
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
        .enumerate()
        .map(|(at, (n, q))| head(n, rates.get(at).and_then(Option::as_ref), &q.hidden))
        .collect();
    if !heads.is_empty() {
        out["heads"] = heads.into();
        out["item_half"] = json!(row.half);
    }
    out
}

/// `raw = bilinear + hidden + bias`, and `+ hub` where the head has a hub term, and what calibration makes of it: a logit at
/// `prior` for the ranking, and a probability at the rate of matches of what is searched.
fn head(numbers: &HeadNumbers, rated: Option<&Calibration>, query_half: &[f32]) -> Value {
    let calibrated = numbers.calibration.map(|fit| {
        let Calibration { slope, offset, prior, .. } = fit;
        let rated = rated.unwrap_or(&fit);
        json!({
            "slope": slope, "offset": offset, "prior": prior, "curve": fit.curve.is_some(),
            "logit": fit.logit(numbers.raw), "rate": rated.prior, "probability": rated.probability(numbers.raw),
        })
    });
    let mut out = json!({
        "bilinear": numbers.bilinear, "hidden": numbers.hidden, "bias": numbers.bias, "raw": numbers.raw,
        "calibration": calibrated, "query_half": query_half,
    });
    if let Some(hub) = numbers.hub {
        out["hub"] = json!(hub.value);
        out["hub_parts"] = json!({ "weight": hub.weight, "query": hub.query, "item": hub.item });
    }
    out
}

fn formula(plan: &Plan, ranking: &Ranking) -> String {
    match ranking.legs.as_slice() {
        [] if plan.order.as_ref().is_some_and(|order| !order.levels.is_empty()) => "none: sorted".into(),
        [] => "none: in order of id".into(),
        [leg] => format!("the {leg} leg"),
        [_, media, ..] => plan.fusion.rule().formula(&plan.settings, media),
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
    let similarity = plan.media.as_ref().map(|scorer| scorer.similarity().measure().describe());
    let over = if plan.media.is_some() { "window" } else { "matches" };
    // What was read names words of documents that a required filter hides, and the filter itself.
    let is_open = !plan.view.required.is_some();
    let (sort, collapse) = plan.order.as_ref().map(|order| order.to_json(over)).unzip();
    let mut out = json!({
        "keywords": plan.keywords.as_ref().filter(|_| is_open).map(|query| format!("{query:?}")),
        "words": plan.words.as_ref().filter(|_| is_open),
        "filter": plan.filter.as_ref().filter(|_| is_open).map(|query| format!("{query:?}")),
        "parts": parts,
        "media": wanted,
        "similarity": similarity,
        "fusion": plan.fusion,
        "weights": { "keyword": plan.settings.weights.0, "media": plan.settings.weights.1 },
        "normalise": plan.settings.normalise,
        "rrf_k": plan.settings.rrf_k,
        "sort": sort, "collapse": collapse,
        "k": depth.k, "offset": depth.offset, "window": depth.window,
        "indexes": shards.len(), "segments": segments,
        "look": plan.tally.as_ref().map(|tally| tally.to_json()),
    });
    // Absent where no index has any.
    if let Some(synonyms) = &plan.synonyms {
        out["synonyms"] = synonyms.clone();
    }
    out
}
