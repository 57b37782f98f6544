//! From the body of a request to a query, within the limits of one.

use serde_json::{Map, Value};
use uncsm_index::corpus::parse_line;
use uncsm_index::limits::over;
use uncsm_index::search::{Image, RequestSpec};
use uncsm_index::{Error, ErrorCode, Result};

use super::base64;
use crate::command::query::batch::of_object;
use crate::serve::limits::{BODY_VALUES, DEPTH, ENTRIES, EXCLUDES, FACETS, FILTERS, HITS, PARTS, SCORE_TIME};

/// The object in a body.
///
/// # Errors
/// [`ErrorCode::BadJson`], [`ErrorCode::TooLarge`].
pub fn object(body: &[u8]) -> Result<Map<String, Value>> {
    let text = std::str::from_utf8(body)
        .map_err(|e| Error::new(ErrorCode::BadJson, "the body is no UTF-8").offset(e.valid_up_to() as u64))?;
    // Before anything is built of it: no value but the first stands behind anything else, but for those of keys.
    let values = text.bytes().filter(|byte| b",[{".contains(byte)).count();
    if values > BODY_VALUES {
        let error = over("the body has too many values", BODY_VALUES, values, "values");
        return Err(error.hint(r#"give a picture as {"base64": ".."}"#));
    }
    match parse_line(text)? {
        Value::Object(object) => Ok(object),
        _ => Err(Error::new(ErrorCode::BadJson, "the body is no JSON object")
            .hint(r#"for example {"text": "a red bird", "k": 5}"#)),
    }
}

/// The query of a JSON object: the keys of a line of a batch, with pictures as `{"base64": ".."}` too. What names a file is refused.
///
/// # Errors
/// Those of reading the keys; [`ErrorCode::BadArgument`] for paths; [`ErrorCode::TooLarge`] for what asks for too much.
pub fn query(mut object: Map<String, Value>) -> Result<RequestSpec> {
    let mut pictures: [Vec<Image>; 2] = Default::default();
    for (key, value) in object.iter_mut() {
        match key.replace('-', "_").as_str() {
            "image" => take(value, &mut pictures[0])?,
            "not_image" => take(value, &mut pictures[1])?,
            _ => {}
        }
    }
    let mut spec = of_object(object, &RequestSpec::default())?;
    // A path is refused before anything looks whether it is there.
    if spec.reads_files() {
        return Err(Error::new(ErrorCode::BadArgument, "a request names no files")
            .expected(r#"pictures as {"base64": ".."}, features as numbers"#)
            .got("the path of a file"));
    }
    let [wanted, unwanted] = pictures;
    spec.image.extend(wanted);
    spec.not_image.extend(unwanted);
    limit(&mut spec)?;
    Ok(spec)
}

/// Takes the pictures in base64 out of `value`; `null` stays in their place, which says nothing.
fn take(value: &mut Value, out: &mut Vec<Image>) -> Result<()> {
    let values = match value {
        Value::Array(list) => list.as_mut_slice(),
        one => std::slice::from_mut(one),
    };
    for value in values {
        let Value::Object(object) = &*value else { continue };
        let Some(text) = object.get("base64") else { continue };
        let bytes = match text.as_str().filter(|_| object.len() == 1).map(base64::decode) {
            Some(Ok(bytes)) if !bytes.is_empty() => bytes,
            read => {
                let error = Error::new(ErrorCode::BadValue, "a picture is no base64")
                    .expected(r#"{"base64": ".."}, without blanks"#);
                return Err(match read {
                    Some(Err(what)) => error.got(what),
                    _ => error,
                });
            }
        };
        out.push(bytes.into());
        *value = Value::Null;
    }
    Ok(())
}

fn limit(spec: &mut RequestSpec) -> Result<()> {
    let check = |what: &str, most: usize, got: usize, unit: &str| match got > most {
        true => Err(over(format!("the request asks for too {what}"), most, got, unit)),
        false => Ok(()),
    };
    let k = spec.k.unwrap_or(10);
    check("many hits", HITS, k, "hits")?;
    check("deep a page", DEPTH, spec.offset.unwrap_or(0).saturating_add(k), "hits")?;
    check("wide a window", DEPTH, spec.window.unwrap_or(0), "documents")?;
    let parts =
        [spec.text.len(), spec.not_text.len(), spec.image.len(), spec.not_image.len(), spec.features.len()];
    let parts = parts.iter().sum::<usize>() + spec.not_like.len() + usize::from(spec.like.is_some());
    check("many things at once", PARTS, parts, "query parts")?;
    check("many filters", FILTERS, spec.filter.len(), "filters")?;
    check("many facets", FACETS, spec.facet.len(), "facets")?;
    check("many snippets", FACETS, spec.snippet.len(), "snippets")?;
    check("many exclusions", EXCLUDES, spec.exclude.len(), "ids")?;
    for (what, got) in [
        ("many boosts", spec.boost.len()),
        ("many fields of words", spec.words_in.len()),
        ("many fields", spec.fields.as_ref().map_or(0, Vec::len)),
        ("many weights", spec.weight.len()),
        ("many orders", spec.sort.len()),
        ("many aggregations", spec.aggregations.as_ref().map_or(0, aggregations)),
    ] {
        check(what, ENTRIES, got, "entries")?;
    }
    let most = SCORE_TIME.as_millis() as u64;
    spec.time_budget = Some(spec.time_budget.map_or(most, |asked| asked.min(most)));
    Ok(())
}

/// How many aggregations there are, those inside of others among them.
fn aggregations(asked: &Value) -> usize {
    let named = asked.as_object().into_iter().flat_map(Map::values);
    named.map(|one| 1 + one.get("aggs").map_or(0, aggregations)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<RequestSpec> {
        query(object(text.as_bytes())?)
    }

    #[test]
    fn pictures_come_as_bytes_and_paths_are_refused() {
        let spec = read(r#"{"text": "a", "image": [{"base64": "Zm9v"}, {"bytes": [1, 2]}], "not-image": {"base64": "Zg=="}}"#).unwrap();
        assert_eq!(spec.image, [Image::Bytes(vec![1, 2]), Image::Bytes(b"foo".to_vec())]);
        assert_eq!((spec.not_image, spec.time_budget), (vec![Image::Bytes(b"f".to_vec())], Some(5000)));
        for path in [
            r#"{"image": "/etc/passwd"}"#,
            r#"{"image": ["a.png"]}"#,
            r#"{"image": 7}"#,
            r#"{"not_image": "../x"}"#,
            r#"{"not-image": "-"}"#,
            r#"{"image": "data:image/png;base64,Zg=="}"#,
            r#"{"image": "http://127.0.0.1/x.png"}"#,
            r#"{"image": [{"base64": "Zg=="}, "x"]}"#,
            r#"{"features": "f.safetensors", "pathway": "image=i"}"#,
            r#"{"features": [{"image": [1]}, "f.safetensors"], "pathway": "image=i"}"#,
        ] {
            let error = read(path).unwrap_err();
            assert_eq!(
                (error.code(), &*error.facts().message),
                (ErrorCode::BadArgument, "a request names no files"),
                "{path}"
            );
        }
        for wrong in [
            r#"{"image": {"base64": "Zg==", "path": "x"}}"#,
            r#"{"image": {"base64": 7}}"#,
            r#"{"image": {"base64": ""}}"#,
            r#"{"image": {"base64": "/etc/passwd!"}}"#,
            r#"{"image": {"path": "x"}}"#,
            r#"{"image": {}}"#,
        ] {
            assert_eq!(read(wrong).unwrap_err().code(), ErrorCode::BadValue, "{wrong}");
        }
        let error = read(r#"{"image": {"base64": "/etc/passwd!"}}"#).unwrap_err();
        assert_eq!(error.facts().got.as_deref(), Some("character 11 of it"));
    }

    #[test]
    fn what_asks_for_too_much_or_is_no_query_is_refused() {
        let many = format!(r#"{{"features": {{"image": [{}1]}}}}"#, "1,".repeat(BODY_VALUES + 1));
        let deep = "[".repeat(100_000);
        let texts = format!(r#"{{"text": [{}"a"]}}"#, r#""a","#.repeat(PARTS));
        for (text, code) in [
            (r#"{"k": 201}"#, ErrorCode::TooLarge),
            (r#"{"offset": 9999, "k": 2}"#, ErrorCode::TooLarge),
            (r#"{"offset": 18446744073709551615}"#, ErrorCode::TooLarge),
            (r#"{"window": 10001}"#, ErrorCode::TooLarge),
            (&many, ErrorCode::TooLarge),
            (&texts, ErrorCode::TooLarge),
            (&deep, ErrorCode::BadJson),
            ("", ErrorCode::BadJson),
            ("[]", ErrorCode::BadJson),
            (r#"{"a":1,"a":1}"#, ErrorCode::BadJson),
            (r#"{"encoder": "x"}"#, ErrorCode::BadArgument),
            (r#"{"bundle": "/x"}"#, ErrorCode::BadArgument),
            (r#"{"index": "/x"}"#, ErrorCode::BadArgument),
            (r#"{"batch": "-"}"#, ErrorCode::BadArgument),
            (r#"{"nosuch": 1}"#, ErrorCode::BadArgument),
        ] {
            assert_eq!(read(text).unwrap_err().code(), code, "{}", &text[..text.len().min(60)]);
        }
        assert_eq!(object(b"\xff\xfe").unwrap_err().code(), ErrorCode::BadJson);
        assert_eq!(read(r#"{"k": 200, "time_budget": 999999}"#).unwrap().time_budget, Some(5000));
        assert_eq!(read(r#"{"time_budget": 7, "words": ",,,,"}"#).unwrap().time_budget, Some(7));
    }

    #[test]
    fn lists_have_an_end() {
        let list = |n: usize, one: &str| vec![one; n].join(",");
        let numbered = |n: usize| (0..n).map(|i| format!(r#""f{i}":1"#)).collect::<Vec<_>>().join(",");
        let nested = |n: usize| {
            let open = r#"{"a":{"avg":{"field":"x"},"aggs":"#.repeat(n);
            format!("{open}{{}}{}", "}}".repeat(n))
        };
        for (key, most) in [("filter", 64), ("facet", 32), ("snippet", 32), ("exclude", 1000), ("sort", 64)] {
            let of = |n| read(&format!(r#"{{"{key}":[{}]}}"#, list(n, r#""a""#)));
            assert!(of(most).is_ok(), "{key}: {:?}", of(most).err());
            let error = of(most + 1).unwrap_err();
            assert_eq!(error.code(), ErrorCode::TooLarge, "{key}");
            assert!(error.facts().expected.as_deref().unwrap().starts_with(&format!("at most {most} ")));
        }
        for key in ["in", "fields"] {
            assert!(read(&format!(r#"{{"{key}":[{}]}}"#, list(64, r#""a""#))).is_ok(), "{key}");
            let error = read(&format!(r#"{{"{key}":[{}]}}"#, list(65, r#""a""#))).unwrap_err();
            assert_eq!(error.code(), ErrorCode::TooLarge, "{key}");
        }
        for key in ["boost", "weight", "aggregations"] {
            assert!(read(&format!(r#"{{"{key}":{{{}}}}}"#, numbered(64))).is_ok(), "{key}");
            let error = read(&format!(r#"{{"{key}":{{{}}}}}"#, numbered(65))).unwrap_err();
            assert_eq!(error.code(), ErrorCode::TooLarge, "{key}");
        }
        assert!(read(&format!(r#"{{"aggregations":{}}}"#, nested(30))).is_ok());
        let error = read(&format!(r#"{{"aggregations":{}}}"#, nested(65))).unwrap_err();
        assert!(matches!(error.code(), ErrorCode::TooLarge | ErrorCode::BadJson), "{error}");
    }
}
