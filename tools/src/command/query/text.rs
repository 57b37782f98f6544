//! The answer of a query for people.

use std::fmt::Write;

use uncsm_index::search::{Hit, Response};

use crate::output::in_line;

/// Fields that the short text shows; `--json` has all.
const SHOWN: [&str; 4] = ["category", "image", "text", "title"];
/// Values of a facet that the short text shows.
const VALUES: usize = 10;

pub fn response(response: &Response, took_ms: f64) -> String {
    let mut out = String::new();
    for hit in &response.hits {
        hit_text(hit, &mut out);
    }
    for (name, counts) in &response.facets {
        let shown: Vec<String> = counts
            .iter()
            .take(VALUES)
            .map(|count| format!("{} {}", in_line(&plain(&count.value)), count.count))
            .collect();
        let more = if counts.len() > VALUES { ", .." } else { "" };
        let _ = writeln!(out, "{name}: {}{more}", shown.join(", "));
    }
    for value in response.aggregations.iter().chain(&response.plan) {
        let _ = writeln!(out, "{value:#}");
    }
    let partial = if response.partial { ", partial: the time budget ended" } else { "" };
    let _ = writeln!(
        out,
        "{} hits of {} candidates, {} scored, {took_ms:.1} ms{partial}",
        response.hits.len(),
        response.candidates,
        response.scored,
    );
    out
}

fn plain(value: &serde_json::Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn hit_text(hit: &Hit, out: &mut String) {
    // A line end in it would show a line that no hit has.
    let id = hit.id.as_deref().map_or_else(|| "-".to_owned(), in_line);
    let index = hit.index.map(|at| format!("  index {at}")).unwrap_or_default();
    let probability = hit.probability.map(|p| format!("  p {p:.3}")).unwrap_or_default();
    let _ = write!(out, "{:>3}  {id}{index}  score {:.4}{probability} ", hit.rank, hit.score);
    for (name, leg) in &hit.legs {
        let score = leg.score.map_or("-".into(), |score| format!("{score:.3}"));
        let rank = leg.rank.map_or("-".into(), |rank| format!("#{rank}"));
        let _ = write!(out, " {name} {score} {rank}");
    }
    for item in &hit.items {
        let _ = write!(out, "  {} -> {}[{}]", item.part_media, item.media, item.index);
    }
    if !hit.sort.is_empty() {
        let values: Vec<String> = hit.sort.iter().map(|value| in_line(&plain(value))).collect();
        let _ = write!(out, "  sort {}", values.join(", "));
    }
    if let Some(others) = hit.collapsed.filter(|others| *others > 0) {
        let _ = write!(out, "  +{others} alike");
    }
    let _ = writeln!(out);
    for (name, value) in hit.fields.iter().filter(|(name, _)| SHOWN.contains(&name.as_str())) {
        let short: String = plain(value).chars().take(100).collect();
        let _ = writeln!(out, "       {name}: {}", in_line(&short.replace('\n', " ")));
    }
    for (name, snippet) in &hit.snippets {
        let _ = writeln!(out, "       {name}: .. {} ..", in_line(&snippet.replace('\n', " ")));
    }
    if let Some(explanation) = &hit.explanation {
        let _ = writeln!(out, "{explanation:#}");
    }
}
