//! What was found and measured, as the page shows it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::Value;
use uncsm_index::Result;
use uncsm_index::eval;
use uncsm_index::search::Hit;

use super::show::Show;
use crate::demo::report::{Curve, DemoReport, HitCard, QueryCard, RecallSeries};

/// The page of a demo.
pub fn report(
    steps: Vec<(String, f64)>,
    queries: Vec<QueryCard>,
    curves: Vec<Curve>,
    report: &eval::Report,
    show: Show,
) -> DemoReport {
    let shown = [
        ("cosine", &report.recall.cosine, &report.map_all.cosine),
        ("posterior", &report.recall.posterior, &report.map_all.posterior),
        ("metric (class)", &report.recall.metric_class, &report.map_all.metric_class),
        ("metric (pair)", &report.recall.metric_pair, &report.map_all.metric_pair),
    ];
    let mut recall = Vec::new();
    let mut map = Vec::new();
    for (name, recalls, maps) in shown {
        for (direction, at) in recalls.iter().flat_map(|recalls| &recalls.each) {
            recall.push(RecallSeries {
                similarity: name.into(),
                direction: direction.replace('_', " "),
                at: *at,
            });
        }
        if let Some(maps) = maps {
            let by_name: BTreeMap<&str, f64> = maps.each.iter().map(|(n, v)| (n.as_str(), *v)).collect();
            let of = |direction: &str| by_name.get(direction).copied().unwrap_or(f64::NAN);
            map.push((name.to_owned(), of("image_to_text"), of("text_to_image"), maps.mean));
        }
    }
    let figures = [("documents", show.documents), ("pictures", show.pictures), ("held out", show.held_out)];
    DemoReport {
        steps,
        figures: figures.iter().map(|(name, n)| ((*name).to_owned(), n.to_string())).collect(),
        queries,
        curves,
        recall,
        map,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        words: show.words,
    }
}

/// A hit with its pictures, which lie below `base`; `label` is the key of its class, `read` gives a PNG file.
pub fn hit_card(
    hit: &Hit,
    base: &Path,
    label: &str,
    read: &dyn Fn(&Path) -> Result<Vec<u8>>,
) -> Result<HitCard> {
    let text =
        |name: &str| hit.fields.get(name).and_then(|value| value.as_str()).unwrap_or_default().to_owned();
    let paths: Vec<PathBuf> = match hit.fields.get("image") {
        Some(Value::Array(list)) => list.iter().filter_map(|v| v.as_str()).map(|p| base.join(p)).collect(),
        Some(Value::String(path)) => vec![base.join(path)],
        _ => vec![],
    };
    let legs = hit.legs.iter().map(|(name, leg)| ((*name).to_owned(), leg.score, leg.rank));
    Ok(HitCard {
        rank: hit.rank,
        id: hit.id.clone().unwrap_or_default(),
        caption: text("text"),
        pictures: paths.iter().map(|path| read(path)).collect::<Result<_>>()?,
        score: hit.score,
        probability: hit.probability,
        legs: legs.collect(),
        category: text(label),
        ..HitCard::default()
    })
}
