//! Whether indexes may be one: all that can be refused is, before anything is made.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::Value;

use super::input::Input;
use super::report::{MAX_MISSING, MissingParts};
use crate::error::{Error, ErrorCode, Result};
use crate::hint::{Hint, Setting, Task};
use crate::index::dir::layout::SHARD;
use crate::index::dir::shard::{Part, schema_of};
use crate::media::Fingerprint;
use crate::model::Bundle;

/// Refuses indexes of different spaces, fields or bundles, what is named twice, and parts that do not go together; `bundle` is
/// that of the result, where it is given.
///
/// # Errors
/// [`ErrorCode::SpaceMismatch`], [`ErrorCode::SchemaConflict`], [`ErrorCode::Changed`], [`ErrorCode::BadArgument`], each with
/// both values.
pub(crate) fn together(inputs: &[Input], bundle: Option<&Bundle>) -> Result<()> {
    let Some(first) = inputs.first() else {
        return Err(Error::new(ErrorCode::BadArgument, "no index is named to be merged"));
    };
    named_once(inputs)?;
    for input in inputs {
        own_list(input)?;
        same_space(first, input, bundle)?;
        same_fields(first, input)?;
        same_bundle(first, input, bundle)?;
    }
    parts_go_together(inputs)
}

/// Refuses a part whose list is not that of its index.
fn own_list(input: &Input) -> Result<()> {
    let Some(part) = &input.shard else { return Ok(()) };
    let (index, list) = (&input.index, input.dir.join(SHARD));
    let (bundle, fields) = (index.bundle(), schema_of(&index.manifest().fields)?);
    if part.model != bundle.model() && part.space == bundle.space() {
        return Err(Error::new(
            ErrorCode::Changed,
            "the list of a part names another bundle than its index has",
        )
        .file(list)
        .expected(part.model)
        .got(bundle.model())
        .hint(Hint::new("a change of the bundle was not ended: run").task(Task::Attach).text(" once more")));
    }
    let documents: u64 = input.held.metas().iter().map(|meta| u64::from(meta.num_docs())).sum();
    for (what, listed, there) in [
        ("space", part.space.to_string(), bundle.space().to_string()),
        ("schema", part.schema.to_string(), fields.to_string()),
        ("number of documents", part.documents.to_string(), documents.to_string()),
    ] {
        if listed != there {
            return Err(Error::new(
                ErrorCode::Damaged,
                format!("the list of a part has another {what} than its index"),
            )
            .file(list)
            .expected(listed)
            .got(there)
            .hint(Hint::new("build the part again with").setting(Setting::Force)));
        }
    }
    Ok(())
}

fn named_once(inputs: &[Input]) -> Result<()> {
    let mut seen: BTreeMap<PathBuf, &Input> = BTreeMap::new();
    let mut segments: BTreeMap<String, &Input> = BTreeMap::new();
    for input in inputs {
        let real = std::fs::canonicalize(&input.dir).map_err(|e| Error::io(&input.dir, e))?;
        if let Some(other) = seen.insert(real, input) {
            return Err(twice("an index is named twice", other, input).hint("name it once"));
        }
        for meta in input.held.metas() {
            if let Some(other) = segments.insert(meta.id().uuid_string(), input) {
                let what = "two indexes have the same segment: one is a copy of the other";
                return Err(twice(what, other, input).hint("leave the older one out"));
            }
        }
    }
    Ok(())
}

fn twice(what: &str, first: &Input, second: &Input) -> Error {
    Error::new(ErrorCode::BadArgument, what).file(&second.dir).expected("each index once").got(format!(
        "{} and {}",
        first.dir.display(),
        second.dir.display()
    ))
}

fn same_space(first: &Input, other: &Input, bundle: Option<&Bundle>) -> Result<()> {
    let wanted = bundle.map_or_else(|| first.index.bundle().space(), Bundle::space);
    let space = other.index.bundle().space();
    if wanted == space {
        return Ok(());
    }
    let of = bundle.map_or_else(|| format!("as in {}", first.dir.display()), |_| "as in the bundle".into());
    Err(Error::new(ErrorCode::SpaceMismatch, "the vectors of an index are of another space")
        .file(&other.dir)
        .expected(format!("{wanted} {of}"))
        .got(space)
        .hint("merge indexes of one bundle, or build this one again with the bundle of the others"))
}

fn same_bundle(first: &Input, other: &Input, bundle: Option<&Bundle>) -> Result<()> {
    let (wanted, got) = (first.index.bundle().model(), other.index.bundle().model());
    if bundle.is_some() || wanted == got {
        return Ok(());
    }
    Err(Error::new(ErrorCode::Changed, "the indexes have different bundles of one space")
        .file(&other.dir)
        .expected(format!("{wanted} as in {}", first.dir.display()))
        .got(got)
        .hint(Hint::new("say which one the result has with").setting(Setting::Bundle)))
}

fn same_fields(first: &Input, other: &Input) -> Result<()> {
    let refused = |expected: String, got: String| {
        Err(Error::new(ErrorCode::SchemaConflict, "the indexes have different fields")
            .file(&other.dir)
            .expected(format!("{expected} as in {}", first.dir.display()))
            .got(got)
            .hint(Hint::new("build all of them with one").setting(Setting::Schema)))
    };
    let fields = |input: &Input| {
        serde_json::to_value(&input.index.manifest().fields)
            .map_err(|e| Error::new(ErrorCode::BadValue, format!("fields: {e}")).file(&input.dir).source(e))
    };
    if let Some((place, one, two)) = difference("", &fields(first)?, &fields(other)?) {
        return refused(format!("{place}: {one}"), format!("{place}: {two}"));
    }
    let host = |input: &Input| {
        let index = input.index.tantivy();
        let text = serde_json::to_string(&(index.schema(), index.settings())).map_err(|e| {
            Error::new(ErrorCode::BadValue, format!("fields: {e}")).file(&input.dir).source(e)
        })?;
        Ok::<_, Error>(Fingerprint::of([text.as_bytes()]))
    };
    let (one, two) = (host(first)?, host(other)?);
    if one == two {
        return Ok(());
    }
    refused(format!("the fields and settings of the host with the fingerprint {one}"), two.to_string())
}

/// The first place at which two values differ, with what stands there.
fn difference(place: &str, one: &Value, two: &Value) -> Option<(String, String, String)> {
    match (one, two) {
        (Value::Object(a), Value::Object(b)) => {
            let keys = a.keys().chain(b.keys().filter(|key| !a.contains_key(*key)));
            keys.into_iter().find_map(|key| {
                let (one, two) = (a.get(key).unwrap_or(&Value::Null), b.get(key).unwrap_or(&Value::Null));
                let place = if place.is_empty() { key.clone() } else { format!("{place}.{key}") };
                difference(&place, one, two)
            })
        }
        _ if one == two => None,
        _ => {
            let show = |value: &Value| if value.is_null() { "nothing".to_owned() } else { value.to_string() };
            Some((place.to_owned(), show(one), show(two)))
        }
    }
}

fn parts_go_together(inputs: &[Input]) -> Result<()> {
    let mut seen: BTreeMap<Fingerprint, (&Input, &Part)> = BTreeMap::new();
    let mut parts: BTreeMap<(Fingerprint, u32), (&Input, &Part)> = BTreeMap::new();
    for (input, part) in inputs.iter().flat_map(|input| input.parts().map(move |part| (input, part))) {
        let (other, known) = seen.entry(part.fingerprint).or_insert((input, part));
        if known.of != part.of {
            return Err(Error::new(
                ErrorCode::BadArgument,
                "the source was cut into different numbers of parts",
            )
            .file(&input.dir)
            .expected(format!("parts of {} as in {}", known.of, other.dir.display()))
            .got(format!("the part {}", part.place()))
            .hint("build all parts with the same number of them"));
        }
        same_options((other, known), (input, part))?;
        if let Some((other, _)) = parts.insert((part.fingerprint, part.shard), (input, part)) {
            let error = twice(&format!("the part {} is in two indexes", part.place()), other, input);
            return Err(error.hint(
                Hint::new("leave one of them out; where they are of two sources that look the same,")
                    .task(Task::Merge)
                    .text(" all parts of each source, and then both results"),
            ));
        }
    }
    Ok(())
}

/// Refuses parts of one source whose documents or items were made otherwise.
fn same_options((other, known): (&Input, &Part), (input, part): (&Input, &Part)) -> Result<()> {
    let mut names = known.options.keys().chain(part.options.keys());
    let value =
        |part: &Part, name: &String| part.options.get(name).map_or("nothing".into(), |it| format!("{it:?}"));
    let differs = names.find(|name| known.options.get(*name) != part.options.get(*name));
    let Some(name) = differs else { return Ok(()) };
    Err(Error::new(ErrorCode::Changed, format!("the parts were built with different values of `{name}`"))
        .file(&input.dir)
        .expected(format!("{} as in {}", value(known, name), other.dir.display()))
        .got(value(part, name))
        .hint("build all parts of a source with the same options"))
}

/// The parts that all `inputs` have together, and those that are missing of their sources.
pub(crate) fn parts_of(inputs: &[Input]) -> (Vec<Part>, Vec<MissingParts>) {
    let mut parts: Vec<Part> = inputs.iter().flat_map(Input::parts).cloned().collect();
    parts.sort_by_key(|part| (part.fingerprint, part.shard));
    let mut missing = Vec::new();
    for of_source in parts.chunk_by(|a, b| a.fingerprint == b.fingerprint) {
        let [first, ..] = of_source else { continue };
        let has = |shard: &u32| of_source.binary_search_by_key(shard, |part| part.shard).is_ok();
        let mut lacking = (0..first.of).filter(|shard| !has(shard));
        let shards: Vec<u32> = lacking.by_ref().take(MAX_MISSING).collect();
        if !shards.is_empty() {
            let unlisted = lacking.count() as u64;
            missing.push(MissingParts { source: first.source.clone(), of: first.of, shards, unlisted });
        }
    }
    (parts, missing)
}
