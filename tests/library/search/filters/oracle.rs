//! What a filter keeps, read off the stored values of each document: words are cut, compared and counted here, by rules
//! that are written down once more.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value as Json};

use super::language::{End, Filter, Leaf, Quote, Sign, Value};
use crate::common::calendar::period;

/// id -> stored fields, `_extra` among them.
pub(crate) type Documents = BTreeMap<String, Map<String, Json>>;

/// Fields that words without a field are asked of.
const TOKENISED: [&str; 4] = ["name", "note", "text", "title"];
/// Those of tantivy's English ones that the filters use.
const STOP: [&str; 7] = ["the", "of", "a", "and", "or", "to", "be"];
/// Bytes of the longest value of an exact twin.
const EXACT: usize = 256;

/// A clause has no term.
struct NoTerm;

/// The ids of the documents that `filter` keeps; `None` where it must be refused.
pub(crate) fn keeps(filter: &Filter, documents: &Documents) -> Option<BTreeSet<String>> {
    let mut kept = BTreeSet::new();
    for (id, document) in documents {
        // Every clause is looked at, whatever the document: a filter is refused as a whole.
        match holds(filter, &Doc { id, fields: document }, false) {
            Ok(true) => drop(kept.insert(id.clone())),
            Ok(false) => {}
            Err(NoTerm) => return None,
        }
    }
    Some(kept)
}

struct Doc<'a> {
    id: &'a str,
    fields: &'a Map<String, Json>,
}

fn all(children: &[Filter], doc: &Doc<'_>, excluded: bool) -> Result<Vec<bool>, NoTerm> {
    children.iter().map(|child| holds(child, doc, excluded)).collect()
}

/// `excluded` is whether a document that the clause does not keep is kept by the whole filter for it: under one NOT, or three.
fn holds(filter: &Filter, doc: &Doc<'_>, excluded: bool) -> Result<bool, NoTerm> {
    Ok(match filter {
        Filter::And(children, _) => all(children, doc, excluded)?.into_iter().all(|held| held),
        Filter::Or(children, _) => all(children, doc, excluded)?.into_iter().any(|held| held),
        Filter::Not(inner) => !holds(inner, doc, !excluded)?,
        Filter::Boost(inner, _) => holds(inner, doc, excluded)?,
        Filter::Signs(clauses) => {
            let mut held = Vec::new();
            for (sign, clause) in clauses {
                held.push((*sign, holds(clause, doc, excluded != (*sign == Sign::MustNot))?));
            }
            signed(&held)?
        }
        Filter::Leaf(leaf) => leaf_holds(leaf, doc, excluded)?,
    })
}

/// Those with + must hold and those with - must not; where no + stands, one of the others must, if there is any. Beside a +
/// they would say nothing, and are refused.
fn signed(held: &[(Sign, bool)]) -> Result<bool, NoTerm> {
    let of = |wanted: Sign| held.iter().filter(move |(sign, _)| *sign == wanted).map(|(_, held)| *held);
    if of(Sign::Must).next().is_some() && of(Sign::None).next().is_some() {
        return Err(NoTerm);
    }
    let any =
        of(Sign::Must).next().is_some() || of(Sign::None).next().is_none() || of(Sign::None).any(|held| held);
    Ok(any && of(Sign::Must).all(|held| held) && !of(Sign::MustNot).any(|held| held))
}

fn leaf_holds(leaf: &Leaf, doc: &Doc<'_>, excluded: bool) -> Result<bool, NoTerm> {
    Ok(match leaf {
        Leaf::All => true,
        Leaf::Value(Some(field), value) => has(field, value, doc)?,
        Leaf::Value(None, value) => {
            let asked: Vec<bool> = TOKENISED.iter().filter_map(|field| has(field, value, doc).ok()).collect();
            // Under a NOT a field that leaves the word out would let its documents through.
            if asked.is_empty() || (excluded && asked.len() < TOKENISED.len()) {
                return Err(NoTerm);
            }
            asked.into_iter().any(|held| held)
        }
        Leaf::Exists(field, _) => !values(field, doc).is_empty(),
        Leaf::Pattern(field, "*") => !values(field, doc).is_empty(),
        Leaf::Pattern(field, pattern) => {
            let pattern: Vec<char> = pattern.to_lowercase().chars().collect();
            let fits = |word: &String| fits(&pattern, &word.chars().collect::<Vec<_>>());
            words_of(field, doc).iter().any(fits)
        }
        Leaf::In(field, list, _) => {
            let mut held = false;
            for value in list {
                held |= has(field, value, doc)?;
            }
            held
        }
        // A minus that might be an exclusion.
        Leaf::Numbers(_, list, false)
            if list.len() > 1 && list.iter().any(|value| value.text.starts_with('-')) =>
        {
            return Err(NoTerm);
        }
        Leaf::Numbers(field, list, _) => {
            let mut held = false;
            for value in list {
                held |= has(field, value, doc)?;
            }
            held
        }
        Leaf::Words(field, words) => {
            let mut held = Vec::new();
            for (sign, word) in words {
                held.push((*sign, has(field, word, doc)?));
            }
            signed(&held)?
        }
        Leaf::Range(field, lower, upper) => between(field, lower, upper, doc)?,
    })
}

/// What a document has in a field: of `_extra.a.b` what stands below the keys; of `NAME_exact` the short strings.
fn values<'d>(field: &str, doc: &Doc<'d>) -> Vec<&'d Json> {
    fn below<'d>(value: &'d Json, keys: &[&str], out: &mut Vec<&'d Json>) {
        match (value, keys) {
            (Json::Null, _) => {}
            (Json::Array(list), _) => list.iter().for_each(|value| below(value, keys, out)),
            (Json::Object(map), []) => map.values().for_each(|value| below(value, keys, out)),
            (Json::Object(map), [key, rest @ ..]) => {
                if let Some(value) = map.get(*key) {
                    below(value, rest, out);
                }
            }
            (value, []) => out.push(value),
            _ => {}
        }
    }
    let mut out = Vec::new();
    let (name, keys) = match field.split_once('.') {
        Some((name, path)) => (name, path.split('.').collect::<Vec<_>>()),
        None => (field, vec![]),
    };
    let exact = name.strip_suffix("_exact");
    if let Some(value) = doc.fields.get(exact.unwrap_or(name)) {
        below(value, &keys, &mut out);
    }
    if exact.is_some() {
        out.retain(|value| value.as_str().is_some_and(|text| text.len() <= EXACT));
    }
    out
}

/// All words of a text field.
fn words_of(field: &str, doc: &Doc<'_>) -> Vec<String> {
    let cut = cut(field).expect("a field of words");
    let texts = values(field, doc).into_iter().filter_map(Json::as_str);
    texts.flat_map(cut).flatten().collect()
}

/// Whether a word fits a pattern of letters, `?` for one and `*` for any.
fn fits(pattern: &[char], word: &[char]) -> bool {
    match (pattern, word) {
        ([], []) => true,
        (['*', rest @ ..], _) => (0..=word.len()).any(|at| fits(rest, &word[at..])),
        (['?', rest @ ..], [_, after @ ..]) => fits(rest, after),
        ([letter, rest @ ..], [first, after @ ..]) => letter == first && fits(rest, after),
        _ => false,
    }
}

/// The dates of a document, in microseconds.
fn dates(doc: &Doc<'_>) -> Vec<i128> {
    let all = values("d", doc).into_iter();
    all.map(|date| period(date.as_str().expect("a date is a string")).expect("a date").0).collect()
}

fn asked(value: &Value) -> Result<(i128, i128), NoTerm> {
    period(&value.text).ok_or(NoTerm)
}

/// Makes words of a text; `None` where one is dropped.
type Cut = fn(&str) -> Vec<Option<String>>;

/// Whether words of a field are compared, and not whole values; `None` for what is no text.
fn cut(field: &str) -> Option<Cut> {
    match field {
        "text" | "name" => Some(|text| words(text, 40, &[])),
        "title" => Some(|text| words(text, 120, &STOP)),
        "note" => Some(|text| words(text, 120, &[])),
        field if field.starts_with("_extra.") => Some(|text| words(text, 120, &[])),
        _ => None,
    }
}

/// The words of a text in lower case, with `None` for one that is left out.
fn words(text: &str, limit: usize, stop: &[&str]) -> Vec<Option<String>> {
    let runs = text.split(|c: char| !c.is_alphanumeric()).filter(|run| !run.is_empty());
    runs.map(|run| {
        let word = run.to_lowercase();
        (run.len() < limit && !stop.contains(&word.as_str())).then_some(word)
    })
    .collect()
}

/// Whether a text has the words next to each other.
fn phrase(text: &[Option<String>], asked: &[Option<String>]) -> bool {
    text.windows(asked.len()).any(|window| window == asked)
}

fn number(value: &Json) -> Option<f64> {
    value.as_f64()
}

fn has(field: &str, value: &Value, doc: &Doc<'_>) -> Result<bool, NoTerm> {
    // Never letters alone: refused.
    if value.quote == Quote::Raw {
        return Err(NoTerm);
    }
    let have = values(field, doc);
    let text = value.text.as_str();
    if field == "id" {
        return Ok(doc.id == text);
    }
    let Some(cut) = cut(field) else {
        return Ok(match field {
            "n" | "x" => have.iter().any(|have| number(have) == text.parse().ok()),
            "b" => have.iter().any(|have| have.as_bool() == text.parse().ok()),
            "d" => {
                let (from, to) = asked(value)?;
                dates(doc).into_iter().any(|date| from <= date && date < to)
            }
            "tag" => have.iter().any(|have| have.as_str() == Some(text)),
            _ if text.len() > EXACT => return Err(NoTerm),
            _ => have.iter().any(|have| have.as_str() == Some(text)),
        });
    };
    let asked = cut(text);
    let pictures = text.contains(['☕', '⭐']);
    let whole = !pictures && !asked.is_empty() && asked.iter().all(Option::is_some);
    let in_text = |have: &&Json| whole && have.as_str().is_some_and(|have| phrase(&cut(have), &asked));
    // A nested value may be a number or a boolean beside a text.
    let nested = field.starts_with("_extra.");
    let typed = nested && (text.parse::<f64>().is_ok() || text.parse::<bool>().is_ok());
    if !whole && !typed {
        return Err(NoTerm);
    }
    let is = |have: &&Json| {
        typed
            && match have {
                Json::Number(_) => number(have) == text.parse().ok(),
                Json::Bool(have) => text.parse() == Ok(*have),
                _ => false,
            }
    };
    Ok(have.iter().any(|have| in_text(have) || is(have)))
}

fn between(field: &str, lower: &End, upper: &End, doc: &Doc<'_>) -> Result<bool, NoTerm> {
    let have = values(field, doc);
    let bounds: Vec<&Value> = [lower, upper].into_iter().filter_map(bound).collect();
    if bounds.is_empty() {
        return Ok(field == "id" || !have.is_empty());
    }
    if field == "d" {
        let from = match lower {
            End::Open => i128::MIN,
            End::Included(value) => asked(value)?.0,
            End::Excluded(value) => asked(value)?.1,
        };
        let to = match upper {
            End::Open => i128::MAX,
            End::Included(value) => asked(value)?.1,
            End::Excluded(value) => asked(value)?.0,
        };
        return Ok(dates(doc).into_iter().any(|date| from <= date && date < to));
    }
    let numbers = bounds.iter().all(|value| value.quote == Quote::None && value.text.parse::<f64>().is_ok());
    let is_text = field.ends_with("_exact") || field == "id" || field == "tag" || cut(field).is_some();
    if numbers && (field.starts_with("_extra.") || !is_text) {
        let end = |end: &End| bound(end).and_then(|value| value.text.parse::<f64>().ok());
        let inside = |have: f64| {
            let above = match (lower, end(lower)) {
                (End::Included(_), Some(bound)) => have >= bound,
                (End::Excluded(_), Some(bound)) => have > bound,
                _ => true,
            };
            let below = match (upper, end(upper)) {
                (End::Included(_), Some(bound)) => have <= bound,
                (End::Excluded(_), Some(bound)) => have < bound,
                _ => true,
            };
            above && below
        };
        return Ok(have.iter().filter_map(|have| number(have)).any(inside));
    }
    if numbers {
        // Numbers over text are refused: in quotes they are compared letter by letter.
        return Err(NoTerm);
    }
    if field == "b" {
        let rank = |text: &str| i64::from(text == "true");
        let inside = |have: bool| order(lower, upper, &i64::from(have), &|value| rank(&value.text));
        return Ok(have.iter().filter_map(|have| have.as_bool()).any(inside));
    }
    let mut words = BTreeMap::new();
    for value in &bounds {
        let asked = cut(field).map_or_else(|| vec![Some(value.text.clone())], |cut| cut(&value.text));
        let [Some(word)] = asked.as_slice() else { return Err(NoTerm) };
        words.insert(value.text.clone(), word.clone());
    }
    let inside = |have: &String| order(lower, upper, have, &|value| words[&value.text].clone());
    let terms = |have: &Json| -> Vec<String> {
        let have = have.as_str().unwrap_or_default();
        cut(field).map_or_else(|| vec![have.to_owned()], |cut| cut(have).into_iter().flatten().collect())
    };
    if field == "id" {
        return Ok(inside(&doc.id.to_owned()));
    }
    Ok(have.iter().filter(|have| have.is_string()).flat_map(|have| terms(have)).any(|term| inside(&term)))
}

fn bound(end: &End) -> Option<&Value> {
    match end {
        End::Open => None,
        End::Included(value) | End::Excluded(value) => Some(value),
    }
}

fn order<T: Ord>(lower: &End, upper: &End, have: &T, read: &dyn Fn(&Value) -> T) -> bool {
    let above = match lower {
        End::Open => true,
        End::Included(value) => *have >= read(value),
        End::Excluded(value) => *have > read(value),
    };
    let below = match upper {
        End::Open => true,
        End::Included(value) => *have <= read(value),
        End::Excluded(value) => *have < read(value),
    };
    above && below
}
