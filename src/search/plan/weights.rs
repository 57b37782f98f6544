//! Weights by name: of the two legs, and of query parts.

use super::asked::{Asked, NamedPart};
use super::bad;
use crate::error::{Error, Result};
use crate::search::near::near_names;
use crate::search::scorer::{MAX_WEIGHT, check_part_weight};
use crate::search::similarity::Similarity;

/// Weights of keyword leg and media leg; those of parts go into `parts`.
pub(super) fn weights(asked: &Asked, similarity: Similarity, parts: &mut [NamedPart]) -> Result<(f32, f32)> {
    let mut legs = (1.0, 1.0);
    for (name, weight) in &asked.weights {
        let weight = *weight;
        let is_media = name == similarity.leg() || name == "media";
        if name == "keyword" || is_media {
            if !(0.0..=MAX_WEIGHT).contains(&weight) {
                return Err(bad(&format!("the weight of the leg `{name}` is unusable"))
                    .expected(format!("0 to {MAX_WEIGHT}"))
                    .got(weight));
            }
            if is_media {
                legs.1 = weight;
            } else {
                legs.0 = weight;
            }
            continue;
        }
        check_part_weight(weight)?;
        let mut found = false;
        let (kind, at) = match name.strip_suffix(']').and_then(|name| name.rsplit_once('[')) {
            Some((kind, at)) => (kind, at.parse::<usize>().ok()),
            None => (name.as_str(), None),
        };
        for (seen, part) in parts.iter_mut().filter(|part| part.name == kind).enumerate() {
            if at.is_none_or(|at| at == seen) && (at.is_some() || !name.ends_with(']')) {
                part.part.weight = weight;
                found = true;
            }
        }
        if !found {
            return Err(unknown_weight(name, similarity, parts));
        }
    }
    if legs == (0.0, 0.0) {
        return Err(bad("both legs have the weight 0").expected("a leg that counts"));
    }
    Ok(legs)
}

fn unknown_weight(name: &str, similarity: Similarity, parts: &[NamedPart]) -> Error {
    let mut known = vec!["keyword", similarity.leg(), "media"];
    known.extend(parts.iter().map(|part| part.name.as_str()));
    known.dedup();
    let near = near_names(name, &known);
    let error = bad("a weight names no leg and no part of this query").expected(known.join(", ")).got(name);
    match near.first() {
        Some(near) => error.hint(format!("did you mean {near}?")),
        None => error.hint("parts are counted from 0, as in text[1]"),
    }
}
