//! The classes of the rows, numbered.

use std::collections::{BTreeMap, BTreeSet};

use super::options::{CorpusOptions, NewClasses};
use super::row::{Class, Row};
use crate::corpus::Split;
use crate::data::rows::{DocumentRef, Labels};
use crate::error::{Error, ErrorCode, Result};
use crate::hint::{Hint, Setting};

/// Classes are numbered in order of name, from the rows that may be learned from.
pub(super) fn labels(
    rows: &[Row],
    known: &[DocumentRef],
    options: &CorpusOptions<'_>,
    trained: Option<&[String]>,
    skipped: &mut dyn FnMut(Error),
) -> Result<Option<Labels>> {
    let Some(key) = options.label else { return Ok(None) };
    let line = |row: &Row| known[row.document].line;
    let names: Vec<String> = match trained {
        Some(names) => names.to_vec(),
        None => {
            let learned = rows.iter().filter(|row| row.split != Split::Test);
            let named = learned.filter_map(|row| match &row.class {
                Some(Class::Named(name)) => Some(name.clone()),
                _ => None,
            });
            named.collect::<BTreeSet<_>>().into_iter().collect()
        }
    };
    if names.is_empty() {
        let error = Error::new(
            ErrorCode::UnknownField,
            format!("no document to learn from has a class in the label {key:?}"),
        );
        let error = error
            .expected("a text, a number of at least 0, or a boolean; null, a blank text and -1 mean none");
        let what = "name the key that holds the class, a string or an integer, with";
        let error = error.hint(Hint::new(what).setting(Setting::Label));
        return Err(match rows.iter().find(|row| row.split != Split::Test) {
            Some(row) => error.line(line(row)),
            None => error,
        });
    }
    let number = |class: &Class| match class {
        Class::Known(number) => Some(*number),
        Class::Named(_) if trained.is_some() => None,
        Class::Named(name) => names.binary_search(name).ok().map(|at| at as u32),
    };
    let is_new = |row: &&Row| row.class.as_ref().is_some_and(|class| number(class).is_none());
    if options.new_classes == NewClasses::Refused
        && let Some(row) = rows.iter().find(|row| row.split != Split::Test && is_new(row))
    {
        let what = format!("a document has a class in {key:?} that the bundle does not have");
        return Err(Error::new(ErrorCode::BadValue, what)
            .line(line(row))
            .expected(names.join(", "))
            .got(format!("{:?}", row.class.as_ref().map(Class::name).unwrap_or_default()))
            .hint(
                Hint::new("train anew, without").setting(Setting::From).text(", or leave such documents out"),
            ));
    }
    new_classes(rows.iter().filter(is_new), key, &line, skipped);
    let class: Vec<Option<u32>> = rows.iter().map(|row| row.class.as_ref().and_then(number)).collect();
    if class.iter().all(Option::is_none) {
        let what =
            format!("no document has a class of the bundle in {key:?}: what needs classes stays unmeasured");
        skipped(Error::new(ErrorCode::UnknownField, what).line(rows.first().map_or(1, line)));
    }
    Ok(Some(Labels { class, names: Some(names), key: key.into() }))
}

/// Says which classes nothing was learned of, each once.
fn new_classes<'a>(
    rows: impl Iterator<Item = &'a Row>,
    key: &str,
    line: &dyn Fn(&Row) -> u64,
    skipped: &mut dyn FnMut(Error),
) {
    let mut seen: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
    for row in rows {
        let name = row.class.as_ref().map(Class::name).unwrap_or_default();
        if seen.len() < MOST_NEW || seen.contains_key(name) {
            seen.entry(name).or_insert((0, line(row))).0 += 1;
        }
    }
    for (name, (count, line)) in seen {
        let what = format!(
            "nothing is learned of the class {name:?} in {key:?}: {count} rows count as without a class"
        );
        skipped(Error::new(ErrorCode::BadValue, what).line(line));
    }
}

/// New classes that are named.
const MOST_NEW: usize = 100;
