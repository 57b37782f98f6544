//! Queries in JSON Lines: the keys of a line are the flag names.

use std::io::{BufRead, BufReader};
use std::path::Path;

use clap::Parser;
use serde_json::{Map, Value};
use uncsm_index::corpus::parse_line;
use uncsm_index::limits::LINE_BYTES;
use uncsm_index::search::{Engine, Request};
use uncsm_index::{Error, ErrorCode, Result};

use super::query_request::request;
use crate::args::QueryArgs;

/// Bytes of the longest line: a few hundred raw feature vectors.
const LONGEST: usize = LINE_BYTES;
/// Flags that belong to the whole batch.
const NOT_HERE: [&str; 6] = ["batch", "bundle", "encoder", "index", "max-bytes", "max-pixels"];

/// Lines of a file with their 1-based numbers, blank ones left out.
pub fn lines(path: &Path) -> Result<impl Iterator<Item = (u64, Result<String>)>> {
    let file = std::fs::File::open(path).map_err(|e| Error::io(path, e))?;
    let mut reader = BufReader::new(file);
    let path = path.to_owned();
    let (mut number, mut ended) = (0, false);
    Ok(std::iter::from_fn(move || {
        while !ended {
            let mut line = Vec::new();
            number += 1;
            let read = std::io::Read::take(&mut reader, LONGEST as u64 + 1).read_until(b'\n', &mut line);
            match read {
                Ok(0) => ended = true,
                Ok(length) if length > LONGEST => {
                    ended = true;
                    let error = Error::new(ErrorCode::TooLarge, "the line is too long")
                        .expected(format!("at most {LONGEST} bytes"))
                        .got("more")
                        .hint("every query must stand on a line of its own");
                    return Some((number, Err(error.file(&path).line(number))));
                }
                Ok(_) if line.iter().all(u8::is_ascii_whitespace) => {}
                Ok(_) => {
                    let text = String::from_utf8(line).map_err(|e| {
                        Error::new(ErrorCode::BadJson, "the line is no UTF-8")
                            .offset(e.utf8_error().valid_up_to() as u64)
                            .file(&path)
                            .line(number)
                    });
                    return Some((number, text));
                }
                Err(e) => {
                    ended = true;
                    return Some((number, Err(Error::io(&path, e).line(number))));
                }
            }
        }
        None
    }))
}

/// The request of one line, over what `base` says for all.
pub fn of_line<'a>(text: &str, base: &QueryArgs, engine: &'a Engine<'a>) -> Result<Request<'a>> {
    let value = parse_line(text)?;
    let Value::Object(object) = value else {
        return Err(Error::new(ErrorCode::BadJson, "the line is no JSON object")
            .hint(r#"for example {"text": "a red bird", "k": 5}"#));
    };
    of_object(object, base, engine)
}

/// The request of one JSON object.
pub fn of_object<'a>(
    mut object: Map<String, Value>,
    base: &QueryArgs,
    engine: &'a Engine<'a>,
) -> Result<Request<'a>> {
    let raw = match object.get("features") {
        Some(Value::Object(_)) => raw_features(object.shift_remove("features").unwrap_or_default())?,
        _ => Vec::new(),
    };
    let mut tokens: Vec<String> = Vec::new();
    for (key, value) in object {
        let flag = key.replace('_', "-");
        if NOT_HERE.contains(&flag.as_str()) {
            return Err(Error::new(ErrorCode::BadArgument, format!("`{key}` goes for a whole batch"))
                .hint(format!("give --{flag} on the command line")));
        }
        let values = match value {
            Value::Array(list) => list,
            one => vec![one],
        };
        for value in values {
            tokens.extend(token(&flag, value)?);
        }
    }
    // Indexes come from the base.
    tokens.push("INDEX".into());
    let line = Line::try_parse_from(tokens).map_err(|e| {
        let text = e.to_string();
        let sentence: Vec<&str> =
            text.lines().take_while(|line| !line.trim().is_empty()).flat_map(str::split_whitespace).collect();
        Error::new(ErrorCode::BadArgument, sentence.join(" ").trim_start_matches("error: ").to_owned())
            .hint("the keys of a line are the flags of `query`, without dashes in front")
    })?;
    request(&line.query.over(base), &raw, engine)
}

#[derive(Parser)]
#[command(no_binary_name = true)]
struct Line {
    #[command(flatten)]
    query: QueryArgs,
}

fn token(flag: &str, value: Value) -> Result<Option<String>> {
    let text = match value {
        Value::Null | Value::Bool(false) => return Ok(None),
        Value::Bool(true) => return Ok(Some(format!("--{flag}"))),
        Value::String(text) => text,
        Value::Number(number) => number.to_string(),
        // A JSON value that a flag takes as text.
        Value::Object(_) if flag == "aggregations" => value.to_string(),
        Value::Array(_) | Value::Object(_) => {
            return Err(Error::new(ErrorCode::BadValue, format!("`{flag}` has a nested value"))
                .expected("a string, a number, true, or a list of them"));
        }
    };
    let dashes = if flag.chars().count() == 1 { "-" } else { "--" };
    Ok(Some(format!("{dashes}{flag}={text}")))
}

/// `{"image": [..]}`, or a list of such lists.
fn raw_features(value: Value) -> Result<Vec<(String, Vec<f32>)>> {
    let bad = |media: &str| {
        Error::new(ErrorCode::BadValue, format!("the features of `{media}` are no numbers"))
            .expected("a list of numbers, or a list of such lists")
    };
    let row = |media: &str, list: &[Value]| -> Result<Vec<f32>> {
        list.iter().map(|x| x.as_f64().map(|x| x as f32).ok_or_else(|| bad(media))).collect()
    };
    let mut out = Vec::new();
    for (media, value) in value.as_object().into_iter().flatten() {
        let list = value.as_array().ok_or_else(|| bad(media))?;
        if list.first().is_some_and(Value::is_array) {
            for one in list {
                out.push((media.clone(), row(media, one.as_array().ok_or_else(|| bad(media))?)?));
            }
        } else {
            out.push((media.clone(), row(media, list)?));
        }
    }
    Ok(out)
}
