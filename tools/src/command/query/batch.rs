//! Queries in JSON Lines: the keys of a line are the flag names.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};
use uncsm_index::corpus::parse_line;
use uncsm_index::limits::LINE_BYTES;
use uncsm_index::search::RequestSpec;
use uncsm_index::{Error, ErrorCode, Result};

use crate::query_args::STDIN;

/// Bytes of the longest line: a few hundred raw feature vectors.
const LONGEST: usize = LINE_BYTES;
/// Flags that belong to the whole batch.
const NOT_HERE: [&str; 6] = ["batch", "bundle", "encoder", "index", "max-bytes", "max-pixels"];

/// Lines of a file with their 1-based numbers, blank ones left out.
///
/// `-` is stdin.
pub fn lines(path: &Path) -> Result<impl Iterator<Item = (u64, Result<String>)>> {
    let (mut reader, path): (Box<dyn BufRead>, PathBuf) = if path.as_os_str() == STDIN {
        (Box::new(std::io::stdin().lock()), "stdin".into())
    } else {
        let file = std::fs::File::open(path).map_err(|e| Error::io(path, e))?;
        (Box::new(BufReader::new(file)), path.to_owned())
    };
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

/// The query of one line, over what `base` says for all.
pub fn of_line(text: &str, base: &RequestSpec) -> Result<RequestSpec> {
    let value = parse_line(text)?;
    let Value::Object(object) = value else {
        return Err(Error::new(ErrorCode::BadJson, "the line is no JSON object")
            .hint(r#"for example {"text": "a red bird", "k": 5}"#));
    };
    of_object(object, base)
}

/// The query of one JSON object.
pub fn of_object(object: Map<String, Value>, base: &RequestSpec) -> Result<RequestSpec> {
    for key in object.keys() {
        let flag = key.replace('_', "-");
        if NOT_HERE.contains(&flag.as_str()) {
            return Err(Error::new(ErrorCode::BadArgument, format!("`{key}` goes for a whole batch"))
                .hint(format!("give --{flag} on the command line")));
        }
        if !RequestSpec::has_key(key) {
            let dashes = if flag.chars().count() == 1 { "-" } else { "--" };
            let what = format!("unexpected argument '{dashes}{flag}' found");
            return Err(Error::new(ErrorCode::BadArgument, what)
                .hint("the keys of a line are the flags of `query`, without dashes in front"));
        }
    }
    Ok(RequestSpec::from_json(object)?.over(base))
}
