//! Names of the values of an enum, as its own `Deserialize` has them.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, Visitor};
use serde::forward_to_deserialize_any;

/// Names of the values of an enum such as [`Fusion`](crate::search::Fusion), in the order of its variants, as JSON and flags
/// write them; nothing for a type that is no such enum.
///
/// ```
/// use uncsm_index::search::{Fusion, names_of};
///
/// assert_eq!(names_of::<Fusion>()[..2], ["rrf", "linear"]);
/// ```
pub fn names_of<T: Deserialize<'static>>() -> &'static [&'static str] {
    match T::deserialize(Ask) {
        Err(Answer(names)) => names,
        Ok(_) => &[],
    }
}

/// Asked for an enum, it answers with the names that the type gives.
struct Ask;

#[derive(Debug)]
struct Answer(&'static [&'static str]);

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no enum")
    }
}

impl std::error::Error for Answer {}

impl Error for Answer {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self(&[])
    }
}

impl<'de> Deserializer<'de> for Ask {
    type Error = Answer;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Answer> {
        Err(Answer(&[]))
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        names: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, Answer> {
        Err(Answer(names))
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 u8 u16 u32 u64 f32 f64 char str string bytes byte_buf option unit unit_struct newtype_struct seq
        tuple tuple_struct map struct identifier ignored_any
    }
}

#[cfg(test)]
mod tests {
    use serde::Serialize;
    use serde::de::DeserializeOwned;
    use serde_json::{from_value, to_value};

    use super::*;
    use crate::search::{FacetsOver, Fusion, Normalise, Operator, SimilarityName, TargetName};

    /// Every name is read, and written back as it was.
    fn check<T: DeserializeOwned + Serialize>(expected: &[&str]) {
        let names = names_of::<T>();
        assert_eq!(names, expected);
        for name in names {
            assert_eq!(to_value(from_value::<T>((*name).into()).unwrap()).unwrap(), *name);
        }
    }

    #[test]
    fn the_names_are_those_that_are_read_and_written() {
        check::<Fusion>(&["rrf", "linear", "product", "metric", "learned"]);
        check::<Normalise>(&["min-max", "z-score", "probability"]);
        check::<SimilarityName>(&["metric", "cosine", "posterior"]);
        check::<TargetName>(&["class", "pair", "both"]);
        check::<FacetsOver>(&["matches", "hits"]);
        check::<Operator>(&["or", "and"]);
        assert!(names_of::<String>().is_empty() && names_of::<Vec<Fusion>>().is_empty());
    }
}
