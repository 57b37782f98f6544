use std::net::Ipv6Addr;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tantivy::schema::document::OwnedValue;
use tantivy::schema::{Facet, FacetOptions, Field, STORED, STRING, Schema};
use tantivy::tokenizer::{PreTokenizedString, Token};
use tantivy::{DateTime, DocAddress, Index, IndexWriter};

use super::*;

fn schema() -> Schema {
    let mut builder = Schema::builder();
    builder.add_text_field("text", STRING | STORED);
    builder.add_u64_field("natural", STORED);
    builder.add_i64_field("whole", STORED);
    builder.add_f64_field("real", STORED);
    builder.add_bool_field("flag", STORED);
    builder.add_date_field("date", STORED);
    builder.add_facet_field("facet", FacetOptions::default().set_stored());
    builder.add_bytes_field("bytes", STORED);
    builder.add_ip_addr_field("address", STORED);
    builder.add_json_field("json", STORED);
    builder.build()
}

fn tokens(text: &str) -> PreTokenizedString {
    let token = |text: &str| Token { text: text.to_owned(), ..Token::default() };
    PreTokenizedString { text: text.to_owned(), tokens: text.split(' ').map(token).collect() }
}

/// A value of any type but those that hold others.
fn leaf(rng: &mut ChaCha8Rng) -> OwnedValue {
    let text: String =
        (0..rng.random_range(0..60)).map(|_| ['a', 'ü', '猫', ' '][rng.random_range(0..4)]).collect();
    match rng.random_range(0..11) {
        0 => OwnedValue::U64(rng.random()),
        1 => OwnedValue::I64(rng.random()),
        2 => OwnedValue::F64(rng.random_range(-1e9..1e9)),
        3 => OwnedValue::Bool(rng.random()),
        4 => OwnedValue::Date(DateTime::from_timestamp_nanos(rng.random())),
        5 => OwnedValue::Facet(Facet::from_path(["a", text.as_str()])),
        6 => OwnedValue::Bytes(text.into_bytes()),
        7 => OwnedValue::IpAddr(Ipv6Addr::from(rng.random::<u128>())),
        8 => OwnedValue::Null,
        9 => OwnedValue::PreTokStr(tokens(&text)),
        _ => OwnedValue::Str(text),
    }
}

fn value(rng: &mut ChaCha8Rng, depth: usize) -> OwnedValue {
    if depth == 0 || rng.random_bool(0.5) {
        return leaf(rng);
    }
    let count = rng.random_range(0..5);
    match rng.random() {
        true => OwnedValue::Array((0..count).map(|_| value(rng, depth - 1)).collect()),
        false => {
            OwnedValue::Object((0..count).map(|at| (format!("key{at}"), value(rng, depth - 1))).collect())
        }
    }
}

/// A document with every field, and a few of nested values.
fn random(rng: &mut ChaCha8Rng, schema: &Schema) -> TantivyDocument {
    let field = |name: &str| schema.get_field(name).unwrap();
    let mut out = TantivyDocument::new();
    out.add_text(field("text"), format!("text {}", rng.random::<u32>()));
    out.add_pre_tokenized_text(field("text"), tokens("a text with tokens"));
    out.add_u64(field("natural"), rng.random());
    out.add_i64(field("whole"), rng.random());
    out.add_f64(field("real"), rng.random_range(-1.0..1.0));
    out.add_bool(field("flag"), rng.random());
    out.add_date(field("date"), DateTime::from_timestamp_nanos(rng.random()));
    out.add_facet(field("facet"), "/a/b");
    out.add_bytes(field("bytes"), &rng.random::<[u8; 9]>());
    out.add_ip_addr(field("address"), Ipv6Addr::from(rng.random::<u128>()));
    for _ in 0..rng.random_range(0..4) {
        let key = format!("key{}", rng.random_range(0..9));
        out.add_object(field("json"), [(key, value(rng, 4))].into());
    }
    out
}

/// An index in memory of `count` documents in one segment.
fn index(count: usize) -> Index {
    let schema = schema();
    let mut rng = ChaCha8Rng::seed_from_u64(count as u64);
    let index = Index::create_in_ram(schema.clone());
    let mut writer: IndexWriter = index.writer_with_num_threads(1, 15_000_000).unwrap();
    for _ in 0..count {
        writer.add_document(random(&mut rng, &schema)).unwrap();
    }
    writer.commit().unwrap();
    index
}

fn values(document: &TantivyDocument) -> Vec<(Field, OwnedValue)> {
    document.field_values().map(|(field, value)| (field, OwnedValue::from(value))).collect()
}

/// The bytes of the documents of a segment.
fn bytes(index: &Index) -> Vec<Vec<u8>> {
    let searcher = index.reader().unwrap().searcher();
    let reader = searcher.segment_reader(0);
    let store = reader.get_store_reader(10).unwrap();
    (0..reader.max_doc()).map(|doc| store.get_document_bytes(doc).unwrap().to_vec()).collect()
}

fn read(bytes: &[u8]) -> Result<TantivyDocument, Misfit> {
    super::value::document(bytes, schema().num_fields(), Dates::Nanos)
}

fn what(bytes: &[u8]) -> String {
    read(bytes).unwrap_err().error("a.store".as_ref()).to_string()
}

/// `number` as the host writes it.
fn vint(mut number: u64) -> Vec<u8> {
    let mut out = Vec::new();
    while number > 0x7f {
        out.push(number as u8 & 0x7f);
        number >>= 7;
    }
    out.push(number as u8 | 0x80);
    out
}

/// A document of one value of the field `json`.
fn one(value: &[u8]) -> Vec<u8> {
    let json = schema().get_field("json").unwrap().field_id();
    [vec![0x81], json.to_le_bytes().to_vec(), value.to_vec()].concat()
}

#[test]
fn documents_are_what_the_host_reads() {
    let index = index(700);
    let searcher = index.reader().unwrap().searcher();
    assert_eq!(searcher.segment_readers().len(), 1);
    let documents = Documents::open(searcher.segment_reader(0), 2).unwrap();
    for doc in 0..700 {
        let host: TantivyDocument = searcher.doc(DocAddress::new(0, doc)).unwrap();
        assert_eq!(values(&documents.get(doc).unwrap()), values(&host), "{doc}");
    }
    let error = documents.get(700).unwrap_err();
    assert_eq!(error.code(), ErrorCode::Damaged, "{error}");
}

#[test]
fn older_stores_read_as_the_host_reads_them() {
    let date = |dates, stamp: i64| {
        let bytes = one(&[&[5][..], &stamp.to_le_bytes()].concat());
        super::value::document(&bytes, 10, dates).map(|document| values(&document).remove(0).1)
    };
    let nanos = |stamp| OwnedValue::Date(DateTime::from_timestamp_nanos(stamp));
    assert_eq!(date(Dates::Nanos, 7_000_001), Ok(nanos(7_000_001)));
    assert_eq!(date(Dates::Micros, 7_000_001), Ok(nanos(7_000_001_000)));
    assert!(date(Dates::Micros, i64::MAX).is_err());
    // An object as JSON, and a value behind it.
    let json = br#"{"a":[1,-2,2.5,null,true],"b":{"c":"d"}}"#;
    let both = [&[12, 0x82, 8], &json[..], &[11]].concat();
    let list = |list| OwnedValue::Array(list);
    let object = OwnedValue::Object(vec![
        (
            "a".into(),
            list(vec![
                OwnedValue::I64(1),
                OwnedValue::I64(-2),
                OwnedValue::F64(2.5),
                OwnedValue::Null,
                OwnedValue::Bool(true),
            ]),
        ),
        ("b".into(), OwnedValue::Object(vec![("c".into(), OwnedValue::Str("d".into()))])),
    ]);
    assert_eq!(values(&read(&one(&both)).unwrap())[0].1, list(vec![object, OwnedValue::Null]));
    assert!(what(&one(&both[..both.len() - 3])).contains("an object does not read"));
}

#[test]
fn no_length_is_believed() {
    // What is asked for can be had nowhere: to believe it ends the process.
    let much = vint(1 << 45);
    let of = |kind: &[u8]| what(&one(&[kind, &much, b"abc"].concat()));
    for (kind, said) in [
        (&[0][..], "a string is longer"),
        (&[3], "a facet is longer"),
        (&[4], "a value of bytes is longer"),
        (&[7, 0], "a text with tokens is longer"),
        (&[12], "a list: there are more"),
        (&[13], "an object: there are more"),
        (&[12, 0x82, 0], "a string is longer"),
        (&[13, 0x84, 0], "a key is longer"),
        (&[13, 0x84, 0, 0x81, b'k', 12], "a list: there are more"),
    ] {
        let error = of(kind);
        assert!(error.contains(said) && error.contains("35184372088832"), "{kind:?}: {error}");
    }
    assert!(what(&much).contains("values: there are more"));
    assert!(what(&one(&[0, 0x84, b'a', b'b', b'c'])).contains("expected at most 3 bytes, got 4"));
    assert!(read(&one(&[0, 0x83, b'a', b'b', b'c'])).is_ok());
}

#[test]
fn what_no_host_writes_is_damage() {
    for (value, said) in [
        (&[12, 0x82, 0, 0x80][..], "the type of a value is cut"),
        (&[14], "no known type"),
        (&[7, 1], "no known type"),
        (&[7, 0, 0x82, b'{', b'}'], "a text with tokens does not read"),
        (&[1, 0, 0, 0], "a number is cut"),
        (&[9, 2], "neither true nor false"),
        (&[0, 0x81, 0xff], "UTF-8"),
        (&[0, 0x01], "has no end"),
        (&[13, 0x81, 11], "a key without a value"),
        (&[13, 0x82, 11, 11], "a key of an object is no string"),
        (&[11, 11], "goes on behind its last value"),
    ] {
        let error = what(&one(value));
        assert!(error.contains(said) && error.contains("expected"), "{value:?}: {error}");
    }
    let mut foreign = one(&[11]);
    foreign[1] = 10;
    assert!(what(&foreign).contains("a field that the index does not have"));
    foreign[1..5].fill(0xff);
    assert!(what(&foreign).contains("a field that the index does not have"));
}

#[test]
fn nested_values_do_not_exhaust_the_stack() {
    let deep = |levels: usize, kind: &[u8]| one(&[kind.repeat(levels), vec![11]].concat());
    for kind in [&[12, 0x81][..], &[13, 0x82, 0, 0x81, b'k']] {
        let document = read(&deep(256, kind)).unwrap();
        assert!(serde_json::to_string(&values(&document)[0].1).unwrap().len() > 256);
        assert!(what(&deep(257, kind)).contains("nested too deeply"));
        assert!(what(&deep(1 << 20, kind)).contains("nested too deeply"));
    }
}

#[test]
fn every_changed_byte_is_told_or_reads_as_another_document() {
    let documents = bytes(&index(12));
    let (mut told, mut other) = (0, 0);
    for document in documents {
        assert!(read(&document).is_ok());
        for at in 0..document.len() {
            for with in [1, 2, 4, 8, 16, 32, 64, 128, 0xff] {
                let mut bytes = document.clone();
                bytes[at] ^= with;
                match read(&bytes) {
                    Ok(document) => {
                        // What becomes of it afterwards.
                        let _ = serde_json::to_value(values(&document).pop().map(|(_, value)| value));
                        other += 1;
                    }
                    Err(_) => told += 1,
                }
            }
            assert!(read(&document[..at]).is_err(), "cut at {at}");
        }
    }
    assert!(told > 1000 && other > 1000, "{told} told, {other} not");
}
