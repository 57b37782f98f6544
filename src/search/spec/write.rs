//! From a query as plain data to the keys of JSON that it reads from.

use serde::ser::{Error, SerializeMap};
use serde::{Serialize, Serializer};
use serde_json::{Map, Value};

use super::RequestSpec;

/// Writes the keys that [`RequestSpec::from_json`] reads; a field that says nothing is left out.
///
/// A path that is no Unicode, or a feature that is not finite, is an error of the serializer.
impl Serialize for RequestSpec {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // Whole, so that a new field does not compile before it is written.
        let Self {
            text,
            image,
            not_text,
            not_image,
            like,
            not_like,
            exclude,
            features,
            features_from,
            keywords,
            words,
            operator,
            words_in,
            prefix,
            typos,
            filter,
            boost,
            media,
            k,
            offset,
            similarity,
            target,
            fusion,
            normalise,
            rrf_k,
            weight,
            window,
            min_probability,
            prior,
            recall,
            exact,
            items,
            facet,
            aggregations,
            facets_over,
            snippet,
            fields,
            sort,
            collapse,
            explain,
            time_budget,
        } = self;
        let mut out = Keys(serializer.serialize_map(None)?);
        out.list("text", text)?;
        out.list("image", image)?;
        out.list("not_text", not_text)?;
        out.list("not_image", not_image)?;
        out.one("like", like)?;
        out.list("not_like", not_like)?;
        out.list("exclude", exclude)?;
        let mut all = Vec::new();
        for (media, row) in features {
            if row.iter().any(|x| !x.is_finite()) {
                return Err(S::Error::custom(format!("the features of `{media}` are not finite")));
            }
            all.push(Value::Object(Map::from_iter([(media.clone(), row.as_slice().into())])));
        }
        if let Some(from) = features_from {
            let path = from.file.to_str().ok_or_else(|| S::Error::custom("a path is no Unicode"))?;
            all.push(path.into());
            out.list("pathway", &from.pathways)?;
            out.one("rows", &from.rows.as_ref().map(|rows| format!("{}..{}", rows.start, rows.end)))?;
        }
        out.list("features", &all)?;
        out.one("keywords", keywords)?;
        out.one("words", words)?;
        out.one("operator", operator)?;
        out.list("in", words_in)?;
        out.flag("prefix", *prefix)?;
        out.one("typos", typos)?;
        out.list("filter", filter)?;
        out.list("boost", &named(boost))?;
        out.one("media", media)?;
        out.one("k", k)?;
        out.one("offset", offset)?;
        out.one("similarity", similarity)?;
        out.one("target", target)?;
        out.one("fusion", fusion)?;
        out.one("normalise", normalise)?;
        out.one("rrf_k", &rrf_k.map(number))?;
        out.list("weight", &named(weight))?;
        out.one("window", window)?;
        out.one("min_probability", &min_probability.map(number))?;
        out.one("prior", &prior.map(number))?;
        out.one("recall", &recall.map(number))?;
        out.flag("exact", *exact)?;
        out.flag("items", *items)?;
        out.list("facet", facet)?;
        let whole = |value: &Value| match value {
            Value::Object(_) => value.clone(),
            other => other.to_string().into(),
        };
        out.one("aggregations", &aggregations.as_ref().map(whole))?;
        out.one("facets_over", facets_over)?;
        out.list("snippet", snippet)?;
        out.one("fields", fields)?;
        out.list("sort", sort)?;
        out.one("collapse", collapse)?;
        out.flag("explain", *explain)?;
        out.one("time_budget", time_budget)?;
        out.0.end()
    }
}

/// The object that is written.
struct Keys<M>(M);

impl<M: SerializeMap> Keys<M> {
    fn list<T: Serialize>(&mut self, key: &str, values: &[T]) -> Result<(), M::Error> {
        if values.is_empty() { Ok(()) } else { self.0.serialize_entry(key, values) }
    }

    fn one<T: Serialize>(&mut self, key: &str, value: &Option<T>) -> Result<(), M::Error> {
        value.iter().try_for_each(|value| self.0.serialize_entry(key, value))
    }

    fn flag(&mut self, key: &str, said: bool) -> Result<(), M::Error> {
        if said { self.0.serialize_entry(key, &true) } else { Ok(()) }
    }
}

/// A number in as few digits as give it back; as a string where JSON has none.
fn number(x: f32) -> Value {
    let text = x.to_string();
    match text.parse::<f64>() {
        Ok(x) if x.is_finite() => x.into(),
        _ => text.into(),
    }
}

/// An object each: a name may stand twice.
fn named(numbers: &[(String, f32)]) -> Vec<Map<String, Value>> {
    numbers.iter().map(|(name, x)| Map::from_iter([(name.clone(), number(*x))])).collect()
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use proptest::collection::vec;
    use proptest::option::of;
    use proptest::prelude::*;
    use proptest::sample::select;
    use serde_json::{from_str, from_value, json, to_string, to_value};

    use super::*;
    use crate::search::{
        FacetsOver, FeaturesFrom, Fusion, Image, Normalise, Operator, SimilarityName, TargetName, names_of,
    };

    fn word() -> impl Strategy<Value = String> {
        prop_oneof!["[a-z]{1,3}", any::<String>(), Just("null".into()), Just("7".into()), Just("a=1".into())]
    }

    fn words() -> impl Strategy<Value = Vec<String>> {
        vec(word(), 0..3)
    }

    fn images() -> impl Strategy<Value = Vec<Image>> {
        let path = word().prop_map(|path| Image::Path(path.into()));
        vec(prop_oneof![path, vec(any::<u8>(), 0..4).prop_map(Image::Bytes)], 0..3)
    }

    fn real() -> impl Strategy<Value = f32> {
        prop_oneof![
            any::<f32>(),
            select(vec![0.1, -0.0, f32::INFINITY, f32::NEG_INFINITY, f32::MIN_POSITIVE])
        ]
    }

    fn numbers() -> impl Strategy<Value = Vec<(String, f32)>> {
        vec((word(), real()), 0..3)
    }

    fn rows() -> impl Strategy<Value = Vec<(String, Vec<f32>)>> {
        vec((word(), vec(proptest::num::f32::NORMAL | proptest::num::f32::ZERO, 0..4)), 0..3)
    }

    fn file() -> impl Strategy<Value = Option<FeaturesFrom>> {
        let rows = of((0usize..9, 1usize..9).prop_map(|(from, more)| from..from + more));
        let from = (word(), vec(word(), 1..3), rows);
        of(from.prop_map(|(file, pathways, rows)| FeaturesFrom { file: PathBuf::from(file), pathways, rows }))
    }

    fn any_of<T>() -> impl Strategy<Value = Option<T>>
    where
        T: serde::de::DeserializeOwned + std::fmt::Debug + Clone + 'static,
    {
        of(select(names_of::<T>()).prop_map(|name| from_value::<T>(name.into()).unwrap()))
    }

    fn aggregations() -> impl Strategy<Value = Option<Value>> {
        let values = vec![json!({}), json!({ "a": { "b": [1, "x"] } }), json!([1]), json!("x"), json!(null)];
        of(select(values))
    }

    fn spec() -> impl Strategy<Value = RequestSpec> {
        let parts = (words(), images(), words(), images(), of(word()), (words(), words()), rows(), file());
        let words = (of(word()), words(), numbers(), of(word()), of(any::<usize>()), of(any::<usize>()));
        let plain = (of(word()), any_of::<Operator>(), self::words(), any::<bool>(), of(any::<u8>()));
        let ranks = (
            any_of::<SimilarityName>(),
            any_of::<TargetName>(),
            any_of::<Fusion>(),
            any_of::<Normalise>(),
            of(real()),
            numbers(),
            of(any::<usize>()),
        );
        let bounds = (of(real()), of(real()), of(real()), any::<bool>());
        let shown = (
            any::<bool>(),
            self::words(),
            aggregations(),
            any_of::<FacetsOver>(),
            self::words(),
            of(self::words()),
            any::<bool>(),
        );
        let order = (self::words(), of(word()));
        (parts, words, plain, ranks, bounds, shown, order, of(any::<u64>())).prop_map(
            |(parts, words, plain, ranks, bounds, shown, (sort, collapse), time_budget)| {
                let (text, image, not_text, not_image, like, without, features, features_from) = parts;
                let (not_like, exclude) = without;
                let (keywords, filter, boost, media, k, offset) = words;
                let (words, operator, words_in, prefix, typos) = plain;
                let (similarity, target, fusion, normalise, rrf_k, weight, window) = ranks;
                let (min_probability, prior, recall, exact) = bounds;
                let (items, facet, aggregations, facets_over, snippet, fields, explain) = shown;
                RequestSpec {
                    text,
                    image,
                    not_text,
                    not_image,
                    like,
                    not_like,
                    exclude,
                    features,
                    features_from,
                    keywords,
                    words,
                    operator,
                    words_in,
                    prefix,
                    typos,
                    filter,
                    boost,
                    media,
                    k,
                    offset,
                    similarity,
                    target,
                    fusion,
                    normalise,
                    rrf_k,
                    weight,
                    window,
                    min_probability,
                    prior,
                    // These two do not go together.
                    recall: recall.filter(|_| !exact),
                    exact,
                    items,
                    facet,
                    aggregations,
                    facets_over,
                    snippet,
                    fields,
                    sort,
                    collapse,
                    explain,
                    time_budget,
                }
            },
        )
    }

    proptest! {
        #[test]
        fn what_is_written_reads_as_it_was(spec in spec()) {
            let text = to_string(&spec).unwrap();
            prop_assert_eq!(&from_str::<RequestSpec>(&text).unwrap(), &spec, "{}", text);
            prop_assert_eq!(&from_value::<RequestSpec>(to_value(&spec).unwrap()).unwrap(), &spec);
        }
    }

    #[test]
    fn it_is_written_to_the_keys_of_a_line() {
        let line = json!({
            "text": ["a"], "features": [{ "image": [1.0, 0.5] }, { "text": [2.0] }, { "image": [3.0] }, "f.safetensors"],
            "pathway": ["image=i"], "rows": "0..2", "weight": [{ "keyword": 0.1 }], "k": 3, "normalise": "min-max",
            "not_image": [{ "bytes": [1, 2] }], "explain": true, "facets_over": "hits",
        });
        let spec: RequestSpec = from_value(line.clone()).unwrap();
        assert_eq!(spec.features.len(), 3);
        assert_eq!(to_value(&spec).unwrap(), line);
        assert_eq!(to_string(&RequestSpec::default()).unwrap(), "{}");
        let odd = RequestSpec { features: vec![("image".into(), vec![f32::NAN])], ..RequestSpec::default() };
        assert!(to_string(&odd).unwrap_err().to_string().contains("`image`"));
    }
}
