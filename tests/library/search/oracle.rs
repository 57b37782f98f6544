//! What a fused query must answer, computed from the stored values and tantivy's own scores, document by document.

use std::collections::BTreeMap;

use tantivy::collector::TopDocs;
use tantivy::query::QueryParser;
use uncsm_index::search::{Fusion, Normalise, QueryPart, Similarity};

use crate::common::{App, brute_force, top};

pub(crate) struct Query {
    pub(crate) keywords: Option<String>,
    pub(crate) filter: Option<String>,
    pub(crate) parts: Vec<QueryPart>,
    pub(crate) wanted: Vec<usize>,
    pub(crate) similarity: Similarity,
    pub(crate) fusion: Fusion,
    pub(crate) normalise: Normalise,
    pub(crate) rrf_k: f32,
    pub(crate) weights: (f32, f32),
    pub(crate) window: usize,
}

/// id -> BM25 by tantivy's own parser and collector.
pub(crate) fn bm25(app: &App, query: &str) -> BTreeMap<String, f32> {
    let parser = QueryParser::for_index(&app.index, vec![app.text]);
    let query = parser.parse_query(query).unwrap();
    let searcher = app.searcher();
    let found = searcher.search(&query, &TopDocs::with_limit(10_000).order_by_score()).unwrap();
    found
        .into_iter()
        .map(|(score, address)| {
            let doc: tantivy::TantivyDocument = searcher.doc(address).unwrap();
            let id = tantivy::schema::Value::as_str(&doc.get_first(app.id).unwrap()).unwrap().to_owned();
            (id, score)
        })
        .collect()
}

fn unit(similarity: Similarity, value: f32) -> f32 {
    match similarity {
        Similarity::Metric(_) | Similarity::Both => 1.0 / (1.0 + (-value).exp()),
        Similarity::Cosine => ((1.0 + value) / 2.0).clamp(0.0, 1.0),
        Similarity::Posterior => value.clamp(0.0, 1.0),
        other => unreachable!("no oracle for {other:?}"),
    }
}

fn keep(values: BTreeMap<String, f32>, allowed: &Option<BTreeMap<String, f32>>) -> BTreeMap<String, f32> {
    values.into_iter().filter(|(id, _)| allowed.as_ref().is_none_or(|ok| ok.contains_key(id))).collect()
}

/// The whole ranking, best first.
pub(crate) fn rank(app: &App, query: &Query) -> Vec<(String, f32)> {
    let allowed = query.filter.as_ref().map(|filter| bm25(app, filter));
    let keyword = query.keywords.as_ref().map(|keywords| keep(bm25(app, keywords), &allowed));
    let media = (!query.parts.is_empty()).then(|| {
        keep(brute_force(app, &app.searcher(), query.similarity, &query.parts, &query.wanted), &allowed)
    });
    let fused = match (keyword, media) {
        (None, None) => allowed.unwrap_or_default().into_keys().map(|id| (id, 0.0)).collect(),
        (Some(only), None) | (None, Some(only)) => only,
        (Some(keyword), Some(media)) => match query.fusion {
            Fusion::Metric => media.into_iter().filter(|(id, _)| keyword.contains_key(id)).collect(),
            Fusion::Product => keyword
                .into_iter()
                .map(|(id, score)| {
                    let p = media.get(&id).map_or(0.0, |value| unit(query.similarity, *value));
                    let power = |x: f32, w: f32| if w == 0.0 { 1.0 } else { x.powf(w) };
                    (id, power(score, query.weights.0) * power(p, query.weights.1))
                })
                .collect(),
            _ => in_windows(query, &top(&keyword, query.window), &top(&media, query.window)),
        },
    };
    let n = fused.len();
    top(&fused, n)
}

fn in_windows(query: &Query, keyword: &[(String, f32)], media: &[(String, f32)]) -> BTreeMap<String, f32> {
    let share = |leg: &[(String, f32)], id: &str, is_media: bool| -> Option<f32> {
        let at = leg.iter().position(|(other, _)| other == id)?;
        let score = leg[at].1;
        let (max, min) = (leg[0].1, leg[leg.len() - 1].1);
        Some(match (query.fusion, query.normalise) {
            (Fusion::Rrf, _) => 1.0 / (query.rrf_k + (at + 1) as f32),
            (_, Normalise::MinMax) if max > min => (score - min) / (max - min),
            (_, Normalise::ZScore) => {
                let n = leg.len() as f64;
                let mean = leg.iter().map(|(_, x)| f64::from(*x)).sum::<f64>() / n;
                let variance = leg.iter().map(|(_, x)| (f64::from(*x) - mean).powi(2)).sum::<f64>() / n;
                let deviation = variance.sqrt() as f32;
                if deviation > 0.0 { (score - min) / deviation + 1.0 } else { 1.0 }
            }
            (_, Normalise::Probability) if is_media => unit(query.similarity, score),
            (_, Normalise::Probability) if max > 0.0 => score / max,
            (_, Normalise::Probability) => 0.0,
            (_, Normalise::MinMax) => 1.0,
            (_, other) => panic!("{other:?} has no formula here"),
        })
    };
    let sum = if query.fusion == Fusion::Rrf { 1.0 } else { query.weights.0 + query.weights.1 };
    let all = keyword.iter().chain(media).map(|(id, _)| id.clone());
    all.map(|id| {
        let part = |leg, weight: f32, is_media| share(leg, &id, is_media).map_or(0.0, |n| weight * n / sum);
        let score = part(keyword, query.weights.0, false) + part(media, query.weights.1, true);
        (id, score)
    })
    .collect()
}
