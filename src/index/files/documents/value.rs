//! The bytes of a stored document, as the host writes them: its serialiser is `schema/document/se.rs`, its reader, which this
//! stands for, `de.rs` beside it.
//!
//! A document is a count and its values, each with a field before it. A value is a type and what the type says; numbers of
//! fixed length have the least byte first, lengths and counts are those of [`number`].

use std::net::Ipv6Addr;

use serde_json::{Map, Value};
use tantivy::schema::Field;
use tantivy::schema::document::{OwnedValue, ReferenceValue, ReferenceValueLeaf};
use tantivy::tokenizer::PreTokenizedString;
use tantivy::{DateTime, TantivyDocument, u64_to_f64};

use crate::index::files::sound::{Dates, Misfit, number};

/// Lists and objects inside of each other: JSON that is read anywhere has 128, and readers of values call themselves.
const NESTING: usize = 256;
/// Least bytes of a value of a document: a field and a type.
const ENTRY: usize = 5;

const TEXT: u8 = 0;
const U64: u8 = 1;
const I64: u8 = 2;
const FACET: u8 = 3;
const BYTES: u8 = 4;
const DATE: u8 = 5;
const F64: u8 = 6;
/// A byte more says which: [`TOKENS`] alone.
const MORE: u8 = 7;
/// An object as JSON, of older builds of the host.
const JSON: u8 = 8;
const BOOL: u8 = 9;
const IP: u8 = 10;
const NULL: u8 = 11;
const LIST: u8 = 12;
const OBJECT: u8 = 13;
/// A text with its tokens, as JSON.
const TOKENS: u8 = 0;

type Read<T> = Result<T, Misfit>;

/// The document that stands in `bytes`, all of them, of a schema of `fields`.
pub(super) fn document(bytes: &[u8], fields: usize, dates: Dates) -> Read<TantivyDocument> {
    let mut left = Left { bytes, dates };
    // What the host keeps of a value is little longer than its bytes here.
    let mut document = TantivyDocument::with_capacity(bytes.len() + bytes.len() / 4);
    for _ in 0..left.count("values", ENTRY)? {
        let field = u32::from_le_bytes(*left.fixed("the field of a value")?);
        if field as usize >= fields {
            let what = "a value belongs to a field that the index does not have";
            return Err(Misfit::new(what, format!("a number below {fields}"), field));
        }
        let field = Field::from_field_id(field);
        let kind = left.kind()?;
        match left.leaf(kind)? {
            Some(leaf) => document.add_leaf_field_value(field, leaf),
            None => document.add_field_value(field, &left.nested(kind, 1)?),
        }
    }
    match left.bytes.len() {
        0 => Ok(document),
        more => Err(Misfit::new("it goes on behind its last value", "its end", format!("{more} bytes more"))),
    }
}

/// What is left of a document.
struct Left<'b> {
    bytes: &'b [u8],
    dates: Dates,
}

impl<'b> Left<'b> {
    fn kind(&mut self) -> Read<u8> {
        self.fixed::<1>("the type of a value").map(|&[kind]| kind)
    }

    /// A value that holds no others; `None` for the types that do.
    fn leaf(&mut self, kind: u8) -> Read<Option<ReferenceValueLeaf<'b>>> {
        use ReferenceValueLeaf as V;
        Ok(Some(match kind {
            TEXT => V::Str(self.text("a string")?),
            U64 => V::U64(u64::from_le_bytes(*self.fixed("a number")?)),
            I64 => V::I64(i64::from_le_bytes(*self.fixed("a number")?)),
            F64 => V::F64(u64_to_f64(u64::from_le_bytes(*self.fixed("a number")?))),
            BOOL => match self.fixed("a boolean")? {
                [0] => V::Bool(false),
                [1] => V::Bool(true),
                [other] => return Err(Misfit::new("a boolean is neither true nor false", "0 or 1", other)),
            },
            DATE => V::Date(self.date()?),
            FACET => V::Facet(self.text("a facet")?),
            BYTES => V::Bytes(self.bytes("a value of bytes")?),
            IP => V::IpAddr(Ipv6Addr::from(u128::from_le_bytes(*self.fixed("an address")?))),
            NULL => V::Null,
            MORE => V::PreTokStr(Box::new(self.tokens()?)),
            JSON | LIST | OBJECT => return Ok(None),
            other => {
                return Err(Misfit::new("a value has no known type", format!("at most {OBJECT}"), other));
            }
        }))
    }

    /// A value of a type that holds others, `depth` deep in the document.
    fn nested(&mut self, kind: u8, depth: usize) -> Read<OwnedValue> {
        if depth > NESTING {
            return Err(Misfit::new(
                "values are nested too deeply",
                format!("at most {NESTING} levels"),
                "more",
            ));
        }
        match kind {
            JSON => self.json(),
            LIST => {
                let count = self.count("a list", 1)?;
                (0..count).map(|_| self.value(depth)).collect::<Read<_>>().map(OwnedValue::Array)
            }
            // Keys and values count alike.
            _ => match self.count("an object", 1)? {
                count if count % 2 == 0 => {
                    (0..count / 2).map(|_| self.entry(depth)).collect::<Read<_>>().map(OwnedValue::Object)
                }
                count => Err(Misfit::new("an object has a key without a value", "an even count", count)),
            },
        }
    }

    fn entry(&mut self, depth: usize) -> Read<(String, OwnedValue)> {
        match self.kind()? {
            TEXT => Ok((self.text("a key")?.to_owned(), self.value(depth)?)),
            other => Err(Misfit::new("a key of an object is no string", format!("type {TEXT}"), other)),
        }
    }

    fn value(&mut self, depth: usize) -> Read<OwnedValue> {
        let kind = self.kind()?;
        match self.leaf(kind)? {
            Some(leaf) => Ok(ReferenceValue::<&OwnedValue>::Leaf(leaf).into()),
            None => self.nested(kind, depth + 1),
        }
    }

    fn date(&mut self) -> Read<DateTime> {
        let stamp = i64::from_le_bytes(*self.fixed("a date")?);
        let nanos = match self.dates {
            Dates::Nanos => Some(stamp),
            Dates::Micros => stamp.checked_mul(1000),
        };
        nanos.map(DateTime::from_timestamp_nanos).ok_or_else(|| {
            Misfit::new("a date is out of range", format!("at most {}", i64::MAX / 1000), stamp)
        })
    }

    fn tokens(&mut self) -> Read<PreTokenizedString> {
        match self.fixed("the type of a value")? {
            [TOKENS] => {}
            [other] => return Err(Misfit::new("a value has no known type", TOKENS, other)),
        }
        let text = self.text("a text with tokens")?;
        serde_json::from_str(text)
            .map_err(|error| Misfit::new("a text with tokens does not read", "its JSON", error))
    }

    fn json(&mut self) -> Read<OwnedValue> {
        let mut stream = serde_json::Deserializer::from_slice(self.bytes).into_iter::<Map<String, Value>>();
        let object = match stream.next() {
            Some(Ok(object)) => object,
            Some(Err(error)) => return Err(Misfit::new("an object does not read", "its JSON", error)),
            None => return Err(Misfit::new("an object does not read", "its JSON", "nothing")),
        };
        let read = stream.byte_offset();
        self.bytes = self.bytes.get(read..).unwrap_or_default();
        Ok(Value::Object(object).into())
    }

    fn text(&mut self, what: &str) -> Read<&'b str> {
        let bytes = self.bytes(what)?;
        std::str::from_utf8(bytes).map_err(|error| Misfit::new(format!("{what} is no text"), "UTF-8", error))
    }

    fn bytes(&mut self, what: &str) -> Read<&'b [u8]> {
        let length = self.number(what)?;
        let taken = usize::try_from(length).ok().and_then(|length| self.bytes.split_at_checked(length));
        let Some((bytes, left)) = taken else {
            let what = format!("{what} is longer than what is left of the document");
            return Err(Misfit::new(what, format!("at most {} bytes", self.bytes.len()), length));
        };
        self.bytes = left;
        Ok(bytes)
    }

    /// A count of values, each of `least` bytes or more.
    fn count(&mut self, what: &str, least: usize) -> Read<usize> {
        let count = self.number(what)?;
        let most = self.bytes.len() / least;
        usize::try_from(count).ok().filter(|&count| count <= most).ok_or_else(|| {
            let what = format!("{what}: there are more of them than fit what is left of the document");
            Misfit::new(what, format!("at most {most}"), count)
        })
    }

    fn number(&mut self, what: &str) -> Read<u64> {
        let left = self.bytes.len();
        number(&mut self.bytes).ok_or_else(|| {
            Misfit::new(
                format!("the length of {what} has no end"),
                "ten bytes at most",
                format!("{left} bytes"),
            )
        })
    }

    fn fixed<const N: usize>(&mut self, what: &str) -> Read<&'b [u8; N]> {
        let Some((bytes, left)) = self.bytes.split_first_chunk() else {
            let what = format!("{what} is cut");
            return Err(Misfit::new(what, format!("{N} bytes"), self.bytes.len()));
        };
        self.bytes = left;
        Ok(bytes)
    }
}
