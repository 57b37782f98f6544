//! Dates: whole periods, instants in any offset, the ends of the column, and what errors say.

use std::collections::BTreeMap;

use tantivy::query::EmptyQuery;
use tantivy::schema::{DateOptions, DateTimePrecision, FAST, INDEXED, STORED, Schema};
use tantivy::time::{OffsetDateTime, format_description::well_known::Rfc3339};
use tantivy::{DateTime, Index, TantivyDocument, doc};

use super::{Mode, kept, parse, refused};
use crate::corpus::JsonlReader;
use crate::schema::{FieldKind, FieldSchema, FieldSpec, register_analyses, tantivy_schema};

const TAKEN: [&str; 6] = [
    "2024-05-01",
    "2024-05-01T10:00:00Z",
    "2024-05-01T23:59:59.999999999Z",
    "2024-05-02T01:00:00+02:00",
    "2019-12-31",
    "1969-12-31T23:59:59.9999999Z",
];

/// Documents with a date each, and one without.
fn album() -> Index {
    let fields = BTreeMap::from([("taken".to_owned(), FieldSpec::new(FieldKind::Date))]);
    let mut builder = Schema::builder();
    let fields = tantivy_schema(&FieldSchema::new(fields).unwrap(), &mut builder);
    let index = Index::create_in_ram(builder.build());
    register_analyses(&index).unwrap();
    let mut writer = index.writer_with_num_threads(1, 15 << 20).unwrap();
    let lines = TAKEN.map(|date| format!("{{\"taken\":{date:?}}}\n")).concat() + "{}\n";
    for read in JsonlReader::new(lines.as_bytes(), "album") {
        let mut out = TantivyDocument::new();
        fields.fill(&read.unwrap(), &mut out).unwrap();
        writer.add_document(out).unwrap();
    }
    writer.commit().unwrap();
    index
}

#[test]
fn a_value_is_an_instant_or_all_of_a_period() {
    let index = album();
    for (query, right) in [
        ("taken:2024-05-01", &[0, 1, 2, 3][..]),
        ("taken:2024-05", &[0, 1, 2, 3]),
        ("taken:2024", &[0, 1, 2, 3]),
        ("taken:2024-05-02", &[]),
        ("taken:1969-12-31", &[5]),
        ("taken:1970", &[]),
        ("taken:\"2024-05-01T10:00:00Z\"", &[1]),
        ("taken:2024-05-01T10:00:00Z", &[1]),
        ("taken:2024-05-01T12:00:00.000+02:00", &[1]),
        ("taken:2024-05-01T23:00:00Z", &[3]),
        ("taken:'2024-05-01 00:00:00Z'", &[0]),
        ("taken:\"2024-05-01T23:59:59.9999999Z\"", &[2]),
        ("taken:(2019 OR 2024-05-01T10:00:00Z)", &[1, 4]),
        ("taken: IN [2019, 2024-05-01T10:00:00Z \"1969\"]", &[1, 4, 5]),
        ("taken:[2024-05-01 TO 2024-05-01]", &[0, 1, 2, 3]),
        ("taken:[2019 TO 2024-05-01T10:00:00Z]", &[0, 1, 4]),
        ("taken:[2019 TO 2024-05-01T10:00:00Z}", &[0, 4]),
        ("taken:{2019 TO *}", &[0, 1, 2, 3]),
        ("taken:>2024-05-01", &[]),
        ("taken:>2024-05-01T10:00:00Z", &[2, 3]),
        ("taken:>=\"2024-05-01T10:00:00Z\"", &[1, 2, 3]),
        ("taken:<=2019", &[4, 5]),
        ("taken:<2019", &[5]),
        ("taken:<2019-12-31", &[5]),
        ("taken:[2024 TO 2019]", &[]),
        ("taken:[0001-01-01 TO 9999-12-31]", &[0, 1, 2, 3, 4, 5]),
        ("taken:[0001 TO 2019]", &[4, 5]),
        ("taken:>9999", &[]),
        ("taken:<1000", &[]),
        ("taken:1500", &[]),
        ("taken:*", &[0, 1, 2, 3, 4, 5]),
        ("* AND NOT taken:*", &[6]),
        ("taken_exact:\"2024-05-02T01:00:00+02:00\"", &[3]),
        ("taken_exact:\"2024-05-01\"", &[0]),
        ("taken_exact:\"2024-05-01T\"*", &[1, 2]),
    ] {
        assert_eq!(kept(&index, query), right, "{query}");
    }
    // Each string finds the document that has it.
    for (doc, date) in (0..).zip(TAKEN) {
        assert!(kept(&index, &format!("taken:{date:?}")).contains(&doc), "{date}");
        assert_eq!(kept(&index, &format!("taken_exact:{date:?}")), [doc]);
    }
    let beyond = parse(&index, Mode::Filter, "taken:9999").unwrap();
    assert!(beyond.downcast_ref::<EmptyQuery>().is_some());
}

#[test]
fn what_is_no_date_is_told_with_a_form_that_works() {
    let index = album();
    for (query, at, way) in [
        ("taken:soon", 0, "write taken:2001-02-03"),
        ("taken:2024/05/01", 0, "write taken:2024-05-01"),
        ("taken:2024-05-*", 0, "write taken:2024-05"),
        ("taken:\"2024-05-01T10:00:00\"", 0, "write taken:\"2024-05-01T10:00:00Z\" for UTC"),
        ("taken:\"2024-05-01 10:00\"", 0, "write taken:\"2024-05-01 10:00:00Z\" for UTC"),
        ("taken:\"2024-05\"*", 0, "write taken:2024-05"),
        ("* AND taken:[2020 TO yesterday]", 6, "write taken:2001-02-03"),
        ("taken: IN [2024, 2023-02-29]", 0, "write taken:2001-02-03"),
        ("taken:20240501", 0, "write taken:2001-02-03"),
        ("taken:1714557600", 0, "write taken:2001-02-03"),
    ] {
        for mode in [Mode::Filter, Mode::Keywords] {
            let error = refused(&index, mode, query);
            assert_eq!(error.facts().offset, Some(at), "{query}: {error}");
            let hint = error.facts().hint.clone().unwrap().to_string();
            assert!(hint.contains(way), "{query}: {error}");
            assert!(error.to_string().contains("day"), "{query}: {error}");
            let form = hint.split("write ").nth(1).unwrap();
            let form = form.split([',', ';']).next().unwrap().split(" for UTC").next().unwrap();
            assert!(parse(&index, mode, form).is_ok(), "{form}: {error}");
        }
    }
}

/// Fields of an app: a column of seconds, terms alone, a column of nanoseconds alone.
#[test]
fn dates_of_an_app_are_told_apart_as_it_keeps_them() {
    let mut builder = Schema::builder();
    let column = builder.add_date_field("column", FAST | STORED);
    let terms = builder.add_date_field("terms", INDEXED);
    let nanos = DateOptions::default().set_fast().set_precision(DateTimePrecision::Nanoseconds);
    let nanos = builder.add_date_field("nanos", nanos);
    let stored = builder.add_date_field("stored", STORED);
    let index = Index::create_in_ram(builder.build());
    let mut writer = index.writer_with_num_threads(1, 15 << 20).unwrap();
    for date in [
        "2024-05-01T10:00:00.7Z",
        "2024-05-01T10:00:01Z",
        "2024-05-02T00:00:00.000000001Z",
        // Before 1970 the host goes up.
        "1969-05-01T10:00:00.7Z",
    ] {
        let date = DateTime::from_utc(OffsetDateTime::parse(date, &Rfc3339).unwrap());
        writer.add_document(doc!(column => date, terms => date, nanos => date, stored => date)).unwrap();
    }
    writer.commit().unwrap();
    for (query, right) in [
        ("column:\"2024-05-01T10:00:00.3Z\"", &[0][..]),
        ("terms:\"2024-05-01T10:00:00.3Z\"", &[0]),
        ("nanos:\"2024-05-01T10:00:00.3Z\"", &[]),
        ("nanos:\"2024-05-01T10:00:00.7Z\"", &[0]),
        ("column:2024-05-01", &[0, 1]),
        ("terms:2024-05-01", &[0, 1]),
        ("nanos:2024-05-01", &[0, 1]),
        ("terms:>2024-05-01T10:00:00Z", &[1, 2]),
        ("column:>2024-05-01T10:00:00Z", &[1, 2]),
        ("nanos:[2024-05-01T10:00:00.7Z TO 2024-05-02T00:00:00Z]", &[0, 1]),
        ("terms:[* TO 2024-05-01]", &[0, 1, 3]),
        ("terms: IN [2023, 2024-05-02]", &[2]),
        ("terms:*", &[0, 1, 2, 3]),
        ("column:\"1969-05-01T10:00:00.7Z\"", &[3]),
        ("column:\"1969-05-01T10:00:01Z\"", &[3]),
        ("column:\"1969-05-01T10:00:00Z\"", &[]),
        ("column:[1969-05-01T10:00:00.3Z TO 1969]", &[3]),
        ("terms:\"1969-05-01T10:00:00.7Z\"", &[3]),
        ("terms:\"1969-05-01T10:00:00Z\"", &[]),
        ("nanos:\"1969-05-01T10:00:00.7Z\"", &[3]),
        ("nanos:\"1969-05-01T10:00:00.3Z\"", &[]),
    ] {
        assert_eq!(kept(&index, query), right, "{query}");
    }
    let error = refused(&index, Mode::Filter, "stored:2024");
    assert!(error.to_string().contains("not indexed"), "{error}");
}
