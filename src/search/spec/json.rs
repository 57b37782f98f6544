//! From a JSON object to a query as plain data.

use serde_json::{Map, Value};

use super::RequestSpec;
use super::rows::{FeaturesFrom, parse_rows};
use super::values::{Given, bad, features, fields, flag, list, numbers, one, one_of, parsed, pictures};
use crate::error::{Error, ErrorCode, Result};
use crate::hint::{Hint, Setting};
use crate::search::near::near_names;

/// All keys, as [`RequestSpec::from_json`] reads them.
const KEYS: [&str; 42] = [
    "aggregations",
    "boost",
    "collapse",
    "exact",
    "exclude",
    "explain",
    "facet",
    "facets_over",
    "features",
    "fields",
    "filter",
    "fusion",
    "image",
    "in",
    "items",
    "k",
    "keywords",
    "like",
    "media",
    "min_probability",
    "normalise",
    "not_image",
    "not_like",
    "not_text",
    "offset",
    "operator",
    "pathway",
    "prefix",
    "prior",
    "recall",
    "rows",
    "rrf_k",
    "similarity",
    "snippet",
    "sort",
    "target",
    "text",
    "time_budget",
    "typos",
    "weight",
    "window",
    "words",
];

/// Parts of [`FeaturesFrom`], which belong together.
#[derive(Default)]
struct File {
    path: Option<String>,
    pathway: Vec<String>,
    rows: Option<String>,
}

/// The one name of a key that has several.
fn name(key: &str) -> String {
    match key.replace('-', "_").as_str() {
        "normalize" => "normalise".to_owned(),
        key => key.to_owned(),
    }
}

impl RequestSpec {
    /// Whether a query has this key, with `_` or `-`.
    pub fn has_key(key: &str) -> bool {
        KEYS.contains(&name(key).as_str())
    }

    /// Reads the keys of a query. `null` and `false` say nothing.
    ///
    /// # Errors
    /// [`ErrorCode::BadArgument`] for a key that there is none of, one that is given twice, or a value that does not parse;
    /// [`ErrorCode::BadValue`] for a value of another type.
    pub fn from_json(object: Map<String, Value>) -> Result<Self> {
        let (mut spec, mut file) = (Self::default(), File::default());
        let mut seen: Vec<String> = Vec::new();
        for (key, value) in object {
            let key = name(&key);
            if seen.contains(&key) {
                return Err(bad(format!("`{key}` is given twice")));
            }
            spec.set(&mut file, Given { key: &key, value })?;
            seen.push(key);
        }
        spec.features_from = file.whole()?;
        if spec.exact && spec.recall.is_some() {
            return Err(bad("`recall` and `exact` do not go together"));
        }
        Ok(spec)
    }

    fn set(&mut self, file: &mut File, given: Given<'_>) -> Result<()> {
        match given.key {
            "aggregations" => self.aggregations = aggregations(given)?,
            "boost" => self.boost = numbers(given)?,
            "collapse" => self.collapse = one(given)?,
            "exact" => self.exact = flag(given)?,
            "exclude" => self.exclude = list(given)?,
            "explain" => self.explain = flag(given)?,
            "facet" => self.facet = list(given)?,
            "facets_over" => self.facets_over = one_of(given)?,
            "features" => (self.features, file.path) = features(given)?,
            "fields" => self.fields = fields(given)?,
            "filter" => self.filter = list(given)?,
            "fusion" => self.fusion = one_of(given)?,
            "image" => self.image = pictures(given)?,
            "in" => self.words_in = list(given)?,
            "items" => self.items = flag(given)?,
            "k" => self.k = parsed(given)?,
            "keywords" => self.keywords = one(given)?,
            "like" => self.like = one(given)?,
            "media" => self.media = one(given)?,
            "min_probability" => self.min_probability = parsed(given)?,
            "normalise" => self.normalise = one_of(given)?,
            "not_image" => self.not_image = pictures(given)?,
            "not_like" => self.not_like = list(given)?,
            "not_text" => self.not_text = list(given)?,
            "offset" => self.offset = parsed(given)?,
            "operator" => self.operator = one_of(given)?,
            "pathway" => file.pathway = list(given)?,
            "prefix" => self.prefix = flag(given)?,
            "prior" => self.prior = parsed(given)?,
            "recall" => self.recall = parsed(given)?,
            "rows" => file.rows = one(given)?,
            "rrf_k" => self.rrf_k = parsed(given)?,
            "similarity" => self.similarity = one_of(given)?,
            "snippet" => self.snippet = list(given)?,
            "sort" => self.sort = list(given)?,
            "target" => self.target = one_of(given)?,
            "text" => self.text = list(given)?,
            "time_budget" => self.time_budget = parsed(given)?,
            "typos" => self.typos = parsed(given)?,
            "weight" => self.weight = numbers(given)?,
            "window" => self.window = parsed(given)?,
            "words" => self.words = one(given)?,
            other => return Err(unknown(other)),
        }
        Ok(())
    }
}

impl File {
    fn whole(self) -> Result<Option<FeaturesFrom>> {
        let Some(path) = self.path else {
            if self.pathway.is_empty() && self.rows.is_none() {
                return Ok(None);
            }
            let hint = Hint::new("give it as").setting(Setting::Features);
            return Err(bad("`pathway` and `rows` belong to a file of features").hint(hint));
        };
        if self.pathway.is_empty() {
            let hint = Hint::new("name it with").given(Setting::Pathway, "MEDIA=TENSOR");
            return Err(bad("a file of features needs a tensor").file(path).hint(hint));
        }
        let rows = self.rows.as_deref().map(parse_rows).transpose()?;
        Ok(Some(FeaturesFrom { file: path.into(), pathways: self.pathway, rows }))
    }
}

fn unknown(key: &str) -> Error {
    let error = bad(format!("a query has no key `{key}`"));
    match near_names(key, &KEYS).first() {
        Some(near) => error.hint(format!("did you mean `{near}`?")),
        None => error.expected(format!("one of {}", KEYS.join(", "))),
    }
}

/// An object, or a string of JSON.
fn aggregations(given: Given<'_>) -> Result<Option<Value>> {
    if given.value.is_object() {
        return Ok(Some(given.value));
    }
    one(given)?.as_deref().map(parse_aggregations).transpose()
}

/// Aggregations as a string of JSON.
///
/// # Errors
/// [`ErrorCode::BadArgument`] with the column.
pub fn parse_aggregations(text: &str) -> Result<Value> {
    serde_json::from_str(text).map_err(|e| {
        Error::new(ErrorCode::BadArgument, format!("the aggregations are no JSON: {e}"))
            .offset(e.column() as u64)
            .hint(r#"for example {"sizes":{"range":{"field":"size","ranges":[{"to":10},{"from":10}]}}}"#)
            .source(e)
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::search::{Fusion, Image, Normalise};

    fn read(value: Value) -> Result<RequestSpec> {
        let Value::Object(object) = value else { panic!("an object") };
        RequestSpec::from_json(object)
    }

    #[test]
    fn one_value_or_a_list_under_names_with_either_sign() {
        let spec = read(json!({
            "text": "a", "not-text": ["b", "c"], "image": ["x.png", { "bytes": [1, 2] }], "k": "7", "rrf_k": 10,
            "filter": [], "weight": ["keyword=2", "text[1]=0.5"], "boost": { "title": 3 }, "fusion": "rrf",
            "features": { "image": [1, 2], "text": [[3, 4], [5, 6]] }, "explain": true, "items": false, "like": null,
        }))
        .unwrap();
        assert_eq!((spec.text, spec.not_text), (vec!["a".to_owned()], vec!["b".to_owned(), "c".to_owned()]));
        assert_eq!(spec.image, [Image::Path("x.png".into()), Image::Bytes(vec![1, 2])]);
        assert_eq!((spec.k, spec.rrf_k, spec.fusion), (Some(7), Some(10.0), Some(Fusion::Rrf)));
        assert_eq!(spec.weight, [("keyword".to_owned(), 2.0), ("text[1]".to_owned(), 0.5)]);
        assert_eq!(spec.boost, [("title".to_owned(), 3.0)]);
        let rows = [("image", vec![1.0, 2.0]), ("text", vec![3.0, 4.0]), ("text", vec![5.0, 6.0])];
        assert_eq!(spec.features, rows.map(|(media, row)| (media.to_owned(), row)));
        assert!(spec.filter.is_empty() && spec.explain && !spec.items && spec.like.is_none());
    }

    #[test]
    fn what_does_not_read_is_an_error_that_names_its_key() {
        use ErrorCode::{BadArgument, BadValue};
        for (value, code, key) in [
            (json!({ "keyword": "red" }), BadArgument, "`keyword`"),
            (json!({ "k": "many" }), BadArgument, "`k`"),
            (json!({ "k": -1 }), BadArgument, "`k`"),
            (json!({ "k": [1, 2] }), BadArgument, "`k`"),
            (json!({ "k": true }), BadArgument, "`k`"),
            (json!({ "rrf_k": 1, "rrf-k": 2 }), BadArgument, "`rrf_k`"),
            (
                json!({ "normalise": "min-max", "normalize": "z-score" }),
                BadArgument,
                "`normalise` is given twice",
            ),
            (json!({ "normalise": "min-max", "normalize": null }), BadArgument, "`normalise` is given twice"),
            (json!({ "not_text": "a", "not-text": "b" }), BadArgument, "`not_text` is given twice"),
            (
                json!({ "features": ["f", { "image": [1] }, "g"], "pathway": "image=i" }),
                BadArgument,
                "`features`",
            ),
            (json!({ "weight": [{ "keyword": 1 }, "x"] }), BadArgument, "weight"),
            (json!({ "explain": "yes" }), BadArgument, "`explain`"),
            (json!({ "fusion": "sum" }), BadArgument, "`fusion`"),
            (json!({ "filter": ["a", ["b"]] }), BadValue, "`filter`"),
            (json!({ "text": { "a": 1 } }), BadValue, "`text`"),
            (json!({ "weight": "keyword" }), BadArgument, "weight"),
            (json!({ "weight": { "keyword": "x" } }), BadArgument, "weight"),
            (json!({ "features": { "image": ["x"] } }), BadValue, "`image`"),
            (json!({ "features": { "image": 3 } }), BadValue, "`image`"),
            (json!({ "features": "f.safetensors" }), BadArgument, "tensor"),
            (json!({ "rows": "0..1" }), BadArgument, "`rows`"),
            (json!({ "recall": 0.5, "exact": true }), BadArgument, "`recall`"),
            (json!({ "aggregations": "{" }), BadArgument, "JSON"),
        ] {
            let error = read(value.clone()).unwrap_err();
            assert_eq!(error.code(), code, "{value}: {error}");
            assert!(error.to_string().contains(key), "{value}: {error}");
        }
        let error = read(json!({ "keyword": "red" })).unwrap_err();
        assert_eq!(error.facts().hint.as_deref(), Some("did you mean `keywords`?"));
        assert!(KEYS.iter().all(|key| RequestSpec::has_key(key)) && !RequestSpec::has_key("index"));
        let american = read(json!({ "normalize": "z-score" })).unwrap();
        assert!(RequestSpec::has_key("normalize") && american.normalise == Some(Normalise::ZScore));
        // Every key is read.
        for key in KEYS {
            let object = Map::from_iter([(key.to_owned(), Value::Null)]);
            assert_eq!(RequestSpec::from_json(object).unwrap(), RequestSpec::default(), "{key}");
        }
    }

    #[test]
    fn what_a_line_says_goes_before_what_stands_beside_it() {
        let base = read(
            json!({ "filter": ["a", "b"], "k": 3, "features": "f", "pathway": "image=i", "exact": true }),
        );
        let line = read(json!({ "filter": "c", "features": { "image": [1] } })).unwrap();
        let spec = line.over(&base.unwrap());
        assert_eq!((spec.filter, spec.k, spec.exact), (vec!["c".to_owned()], Some(3), true));
        assert_eq!(spec.features.len(), 1);
        assert_eq!(spec.features_from.unwrap().pathways, ["image=i"]);
    }
}
