//! The field that names a document: of any name, a string or a `u64`.
//!
//! An id is shown, compared and asked for as text; a number as its decimal digits.

use std::ops::Bound;

use tantivy::columnar::{Column, StrColumn};
use tantivy::query::{Query, RangeQuery, TermQuery};
use tantivy::schema::{Field, FieldType, IndexRecordOption, Schema};
use tantivy::{DocId, SegmentReader, Term};

use crate::error::{Error, ErrorCode, Result};

/// The field of a tantivy schema that names documents: ties are broken by it, and documents are asked for by it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdField {
    name: String,
    field: Field,
    kind: Kind,
    look_up: LookUp,
    is_fast: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Text,
    Number,
}

/// How a document is found by its id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LookUp {
    /// The whole id is a term.
    Term,
    /// By a walk over the column.
    Column,
}

impl IdField {
    /// The field `name` of `schema`: a string or a `u64`, indexed as a whole (tokenizer `raw`) or fast. One that is not fast
    /// breaks no ties; one that is fast alone is looked up by a walk over its column.
    ///
    /// # Errors
    /// [`ErrorCode::UnknownField`] where there is none, or it is none of these.
    pub fn of(schema: &Schema, name: &str) -> Result<Self> {
        let unfit = |got: String| {
            Error::new(
                ErrorCode::UnknownField,
                format!("the index has no field `{name}` that names documents"),
            )
            .expected("a field of strings or of u64, indexed as a whole or fast")
            .got(got)
        };
        let field = schema.get_field(name).map_err(|_| unfit("no field of this name".into()))?;
        let entry = schema.get_field_entry(field);
        let (kind, is_whole) = match entry.field_type() {
            FieldType::Str(options) => {
                let indexing = options.get_indexing_options();
                (Kind::Text, indexing.is_some_and(|indexing| indexing.tokenizer() == "raw"))
            }
            FieldType::U64(options) => (Kind::Number, options.is_indexed()),
            other => return Err(unfit(format!("a field of type {:?}", other.value_type()))),
        };
        let is_fast = entry.is_fast();
        let look_up = match (is_whole, is_fast) {
            (true, _) => LookUp::Term,
            (false, true) => LookUp::Column,
            (false, false) => return Err(unfit("a field that is neither".into())),
        };
        Ok(Self { name: name.to_owned(), field, kind, look_up, is_fast })
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The tantivy field.
    pub fn field(&self) -> Field {
        self.field
    }

    /// Whether a segment has a column of ids: without one, ties are broken by address.
    pub fn is_fast(&self) -> bool {
        self.is_fast
    }

    /// Whether each id is a term of the field.
    pub(crate) fn has_terms(&self) -> bool {
        self.look_up == LookUp::Term
    }

    /// The term of `id`, to delete by with a writer where the field is indexed as a whole.
    ///
    /// # Errors
    /// [`ErrorCode::BadValue`] for what is no number, where ids are numbers.
    pub fn term(&self, id: &str) -> Result<Term> {
        match self.kind {
            Kind::Text => Ok(Term::from_field_text(self.field, id)),
            Kind::Number => {
                let number = id.parse::<u64>().ok().filter(|number| number.to_string() == id);
                let number = number.ok_or_else(|| {
                    Error::new(ErrorCode::BadValue, format!("ids are numbers in the field `{}`", self.name))
                        .expected("a number from 0 to 2^64 - 1, in digits")
                        .got(format!("{id:?}"))
                })?;
                Ok(Term::from_field_u64(self.field, number))
            }
        }
    }

    /// A query for the documents of this id; it needs no scores. Cost: a look-up of a term, or a walk over the column where
    /// the field is not indexed as a whole.
    ///
    /// # Errors
    /// Those of [`IdField::term`].
    pub fn query(&self, id: &str) -> Result<Box<dyn Query>> {
        let term = self.term(id)?;
        Ok(match self.look_up {
            LookUp::Term => Box::new(TermQuery::new(term, IndexRecordOption::Basic)),
            LookUp::Column => Box::new(RangeQuery::new(Bound::Included(term.clone()), Bound::Included(term))),
        })
    }

    /// The id whose term in the dictionary of the field is `key`.
    pub(crate) fn of_key(&self, key: &[u8]) -> String {
        match self.kind {
            // The host's order of terms: the highest byte first.
            Kind::Number => key.iter().fold(0u64, |number, &byte| number << 8 | u64::from(byte)).to_string(),
            Kind::Text => String::from_utf8_lossy(key).into_owned(),
        }
    }

    /// The ids of a segment; `None` where the field is not fast, or no document of the segment has one.
    ///
    /// # Errors
    /// tantivy's.
    pub(crate) fn column(&self, reader: &SegmentReader) -> Result<Option<IdColumn>> {
        if !self.is_fast {
            return Ok(None);
        }
        Ok(match self.kind {
            Kind::Text => reader.fast_fields().str(&self.name)?.map(IdColumn::Text),
            Kind::Number => reader.fast_fields().column_opt::<u64>(&self.name)?.map(IdColumn::Number),
        })
    }
}

/// The ids of the documents of one segment.
pub(crate) enum IdColumn {
    Text(StrColumn),
    Number(Column<u64>),
}

impl IdColumn {
    /// A key of the document's id, which sorts in this segment as the bytes of the ids do; `None` without an id.
    pub(crate) fn key(&self, doc: DocId) -> Option<u128> {
        match self {
            Self::Text(column) => column.ords().first(doc).map(u128::from),
            Self::Number(column) => column.first(doc).map(digits_key),
        }
    }

    /// Whether keys sort as the bytes of ids do in any segments together.
    pub(crate) fn keys_sort_everywhere(&self) -> bool {
        matches!(self, Self::Number(_))
    }

    /// How many ids there are, whose keys are the numbers below; of numbers, whose keys are others, 0.
    pub(crate) fn terms(&self) -> u64 {
        match self {
            Self::Text(column) => column.num_terms() as u64,
            Self::Number(_) => 0,
        }
    }

    /// The ids of `keys`, which are sorted and distinct, in one walk: one look-up each would decode a block of the
    /// dictionary each.
    ///
    /// # Errors
    /// [`ErrorCode::Damaged`].
    pub(crate) fn ids(&self, keys: &[u128]) -> Result<Vec<(u128, String)>> {
        let column = match self {
            Self::Number(_) => return Ok(keys.iter().map(|&key| (key, of_digits_key(key))).collect()),
            Self::Text(column) => column,
        };
        let ords: Vec<u64> = keys.iter().filter_map(|&key| key.try_into().ok()).collect();
        let mut ids = Vec::with_capacity(ords.len());
        let mut next = ords.iter();
        column
            .dictionary()
            .sorted_ords_to_term_cb(&ords, |term| {
                if let Some(&ord) = next.next() {
                    ids.push((u128::from(ord), String::from_utf8_lossy(term).into_owned()));
                }
            })
            .map_err(|e| Error::new(ErrorCode::Damaged, format!("id column: {e}")).source(e))?;
        Ok(ids)
    }
}

/// Digits of the longest number.
const DIGITS: u32 = 20;
/// More than there are lengths.
const LENGTHS: u128 = 32;

/// The digits, filled up with zeros on the right, then how many they were: the order of the digits as text.
fn digits_key(number: u64) -> u128 {
    let length = number.checked_ilog10().unwrap_or(0) + 1;
    u128::from(number) * 10u128.pow(DIGITS - length) * LENGTHS + u128::from(length)
}

fn of_digits_key(key: u128) -> String {
    let length = (key % LENGTHS) as u32;
    (key / LENGTHS / 10u128.pow(DIGITS.saturating_sub(length))).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use tantivy::TantivyDocument;
    use tantivy::collector::Count;
    use tantivy::query::ConstScoreQuery;
    use tantivy::schema::{FAST, INDEXED, STORED, STRING, TEXT};

    #[test]
    fn keys_of_numbers_sort_as_their_digits() {
        let mut numbers = vec![0, 1, 9, 10, 11, 19, 100, 1_000, 999, u64::MAX, u64::MAX - 1, 18, 2];
        numbers.sort_by_key(|number| digits_key(*number));
        let mut texts: Vec<String> = numbers.iter().map(u64::to_string).collect();
        assert!(texts.is_sorted(), "{texts:?}");
        texts.dedup();
        assert_eq!(texts.len(), numbers.len());
        assert!(numbers.iter().all(|&number| of_digits_key(digits_key(number)) == number.to_string()));
    }

    #[test]
    fn fields_that_name_documents() {
        let mut builder = Schema::builder();
        builder.add_text_field("sku", STRING);
        builder.add_text_field("title", TEXT | FAST);
        builder.add_text_field("body", TEXT | STORED);
        builder.add_u64_field("number", INDEXED);
        builder.add_u64_field("column", FAST);
        builder.add_i64_field("signed", INDEXED | FAST);
        let schema = builder.build();
        let of = |name: &str| IdField::of(&schema, name).map(|id| (id.has_terms(), id.is_fast()));
        assert_eq!(of("sku").unwrap(), (true, false));
        assert_eq!(of("title").unwrap(), (false, true));
        assert_eq!(of("number").unwrap(), (true, false));
        assert_eq!(of("column").unwrap(), (false, true));
        for name in ["body", "signed", "none"] {
            assert_eq!(of(name).unwrap_err().code(), ErrorCode::UnknownField, "{name}");
        }
        let number = IdField::of(&schema, "number").unwrap();
        for bad in ["a", "", "-1", "+1", "01", "18446744073709551616"] {
            assert_eq!(number.term(bad).unwrap_err().code(), ErrorCode::BadValue, "{bad}");
        }
    }

    #[test]
    fn documents_are_found_and_named_by_fields_of_all_kinds() {
        let mut builder = Schema::builder();
        let text = builder.add_text_field("title", TEXT | FAST);
        let whole = builder.add_text_field("sku", STRING | FAST);
        let number = builder.add_u64_field("number", INDEXED | FAST);
        let column = builder.add_u64_field("column", FAST);
        let schema = builder.build();
        let index = tantivy::Index::create_in_ram(schema.clone());
        let mut writer = index.writer_with_num_threads(1, 15_000_000).unwrap();
        for i in [2u64, 10, 1] {
            let mut document = TantivyDocument::new();
            document.add_text(text, format!("The {i}"));
            document.add_text(whole, format!("S-{i}"));
            document.add_u64(number, i);
            document.add_u64(column, i);
            writer.add_document(document).unwrap();
        }
        writer.commit().unwrap();
        let searcher = index.reader().unwrap().searcher();
        for (name, ids) in [
            ("title", ["The 2", "The 10", "The 1"]),
            ("sku", ["S-2", "S-10", "S-1"]),
            ("number", ["2", "10", "1"]),
            ("column", ["2", "10", "1"]),
        ] {
            let field = IdField::of(&schema, name).unwrap();
            for id in ids {
                let query = ConstScoreQuery::new(field.query(id).unwrap(), 0.0);
                assert_eq!(searcher.search(&query, &Count).unwrap(), 1, "{name} {id}");
            }
            let column = field.column(searcher.segment_reader(0)).unwrap().unwrap();
            let keys: Vec<u128> = (0..3).map(|doc| column.key(doc).unwrap()).collect();
            let mut sorted = keys.clone();
            sorted.sort_unstable();
            let named = column.ids(&sorted).unwrap();
            let got: Vec<&str> = keys
                .iter()
                .map(|key| named.iter().find(|(of, _)| of == key).map(|(_, id)| id.as_str()).unwrap())
                .collect();
            assert_eq!(got, ids, "{name}");
            assert!(named.windows(2).all(|two| two[0].1 < two[1].1), "{name}: in the order of their bytes");
        }
    }
}
