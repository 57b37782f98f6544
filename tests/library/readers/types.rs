//! Every type of column gives what an equal line of JSON Lines gives.

use std::sync::Arc;

use arrow_array::builder::*;
use arrow_array::types::*;
use arrow_array::*;
use uncsm_index::corpus::Reader;
use uncsm_index::schema::{BadLines, SchemaOverrides, infer};

use crate::readers::support::*;

fn strings(values: [Option<&str>; 3]) -> ArrayRef {
    Arc::new(StringArray::from(values.to_vec()))
}

#[test]
fn strings_numbers_and_dates() {
    let (_dir, file) = folder();
    let decimal = |values: [i128; 3], digits, scale| -> ArrayRef {
        Arc::new(Decimal128Array::from(values.to_vec()).with_precision_and_scale(digits, scale).unwrap())
    };
    let dictionary: DictionaryArray<Int8Type> = [Some("red"), None, Some("red")].into_iter().collect();
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("id", Arc::new(Int64Array::from(vec![7, -8, 9]))),
        ("text", strings([Some("t"), None, Some("ü")])),
        ("split", strings([Some("train"), Some("test"), None])),
        ("large", Arc::new(LargeStringArray::from(vec!["a", "b", "c"]))),
        ("view", Arc::new(StringViewArray::from(vec!["a", "a long string that is no inline view", ""]))),
        ("dictionary", Arc::new(dictionary)),
        ("i8", Arc::new(Int8Array::from(vec![-128, 0, 127]))),
        ("i16", Arc::new(Int16Array::from(vec![Some(-32768), None, Some(1)]))),
        ("i32", Arc::new(Int32Array::from(vec![i32::MIN, 0, i32::MAX]))),
        ("u8", Arc::new(UInt8Array::from(vec![0, 1, 255]))),
        ("u16", Arc::new(UInt16Array::from(vec![0, 1, 65535]))),
        ("u32", Arc::new(UInt32Array::from(vec![0, 1, u32::MAX]))),
        ("u64", Arc::new(UInt64Array::from(vec![0, 1, u64::MAX]))),
        ("f16", Arc::new(Float16Array::from_iter_values([0.5f32, -2.0, 1024.0].map(half::f16::from_f32)))),
        ("f32", Arc::new(Float32Array::from(vec![0.5, f32::NAN, 0.1]))),
        ("f64", Arc::new(Float64Array::from(vec![0.1, 1e300, f64::NAN]))),
        ("yes", Arc::new(BooleanArray::from(vec![Some(true), Some(false), None]))),
        ("date32", Arc::new(Date32Array::from(vec![0, 19_844, -1]))),
        ("seconds", Arc::new(TimestampSecondArray::from(vec![0, 1, 1_714_566_600]))),
        ("zoned", Arc::new(TimestampMicrosecondArray::from(vec![0, 1, 2]).with_timezone("Europe/Berlin"))),
        ("nanos", Arc::new(TimestampNanosecondArray::from(vec![0, 1, 2]))),
        ("clock", Arc::new(Time32MillisecondArray::from(vec![0, 1, 3_600_000]))),
        ("price", decimal([1234, -50, 10], 10, 2)),
        ("whole", decimal([1234, -50, 10], 18, 0)),
        ("long", decimal([1234, -50, 10], 30, 2)),
        ("wide", decimal([1234, -50, 10], 38, 0)),
        ("beyond", decimal([1234, 10i128.pow(30), 10], 38, 0)),
        ("nothing", Arc::new(NullArray::new(3))),
        ("__index_level_0__", Arc::new(Int64Array::from(vec![0, 1, 2]))),
    ];
    write(&file, columns);
    let f32_tenth = f64::from(0.1f32);
    let expected = format!(
        r#"{{"id":7,"text":"t","split":"train","large":"a","view":"a","dictionary":"red","i8":-128,"i16":-32768,"i32":-2147483648,"u8":0,"u16":0,"u32":0,"u64":0,"f16":0.5,"f32":0.5,"f64":0.1,"yes":true,"date32":"1970-01-01","seconds":"1970-01-01T00:00:00Z","zoned":"1970-01-01T00:00:00Z","nanos":"1970-01-01T00:00:00Z","clock":"00:00:00","price":12.34,"whole":1234,"long":12.34,"wide":1234,"beyond":1234}}
{{"id":"-8","text":null,"split":"test","large":"b","view":"a long string that is no inline view","i8":0,"i32":0,"u8":1,"u16":1,"u32":1,"u64":1,"f16":-2.0,"f64":1e300,"yes":false,"date32":"2024-05-01","seconds":"1970-01-01T00:00:01Z","zoned":"1970-01-01T00:00:00.000001Z","nanos":"1970-01-01T00:00:00.000000001Z","clock":"00:00:00.001","price":-0.5,"whole":-50,"long":-0.5,"wide":-50,"beyond":1e30}}
{{"id":9,"text":"ü","large":"c","view":"","dictionary":"red","i8":127,"i16":1,"i32":2147483647,"u8":255,"u16":65535,"u32":4294967295,"u64":18446744073709551615,"f16":1024.0,"f32":{f32_tenth},"date32":"1969-12-31","seconds":"2024-05-01T12:30:00Z","zoned":"1970-01-01T00:00:00.000002Z","nanos":"1970-01-01T00:00:00.000000002Z","clock":"01:00:00","price":0.1,"whole":10,"long":0.1,"wide":10,"beyond":10}}
"#
    );
    let expected = lines(&file, &expected);
    assert_eq!(documents(&file), expected);
    // And so the same schema.
    let schema = |path: &std::path::Path| {
        let reader = Reader::open(path).unwrap();
        infer(reader, path, &SchemaOverrides::default(), BadLines::Stop).unwrap().schema.to_toml().unwrap()
    };
    assert_eq!(schema(&file), schema(&file.with_extension("jsonl")));
}

#[test]
fn decimals_keep_their_digits() {
    let (_dir, file) = folder();
    let decimal = |values: [i128; 3], scale| -> ArrayRef {
        Arc::new(Decimal128Array::from(values.to_vec()).with_precision_and_scale(38, scale).unwrap())
    };
    let ids = [7, -i128::from(i64::MAX) * 100 - 1, i128::from(i64::MAX) * 100 + 1];
    let label = [i128::from(i64::MAX) + 1, i128::from(i64::MAX) + 2, i128::from(u64::MAX)];
    write(&file, vec![("id", decimal(ids, 0)), ("label", decimal(label, 0))]);
    let read = documents(&file);
    assert_eq!(read.len(), 3);
    for (document, (id, label)) in read.iter().zip(ids.into_iter().zip(label)) {
        assert_eq!(document.id.as_deref(), Some(id.to_string().as_str()));
        assert_eq!(document.fields["label"].as_u64(), u64::try_from(label).ok());
    }
    // A fraction is no id.
    write(&file, vec![("id", decimal(ids, 2)), ("label", decimal(label, 0))]);
    assert!(refused(&file, uncsm_index::ErrorCode::BadValue).facts().message.contains("`id`"));
}

#[test]
fn lists_structs_and_maps() {
    let (_dir, file) = folder();
    let mut tags = ListBuilder::new(StringBuilder::new());
    let mut numbers = LargeListBuilder::new(Int32Builder::new());
    let mut fixed = FixedSizeListBuilder::new(Float64Builder::new(), 2);
    let mut texts = ListBuilder::new(StringBuilder::new());
    let names = MapFieldNames { entry: "key_value".into(), key: "key".into(), value: "value".into() };
    let mut map = MapBuilder::new(Some(names), StringBuilder::new(), Int64Builder::new());
    tags.append_value([Some("x"), None, Some("y")]);
    tags.append_value::<[Option<&str>; 0], _>([]);
    tags.append_null();
    numbers.append_value([Some(1), Some(2)]);
    numbers.append_null();
    numbers.append_value([Some(3)]);
    for i in 0..3 {
        fixed.values().append_slice(&[f64::from(i), 0.5]);
        fixed.append(i != 1);
    }
    texts.append_value([Some("one"), Some("two")]);
    texts.append_null();
    texts.append_value([Some("three")]);
    map.keys().append_value("k");
    map.values().append_value(5);
    map.keys().append_value("n");
    map.values().append_null();
    map.append(true).unwrap();
    map.append(false).unwrap();
    map.append(true).unwrap();
    let author: ArrayRef = Arc::new(StructArray::from(vec![
        (
            Arc::new(arrow_schema::Field::new("name", arrow_schema::DataType::Utf8, true)),
            Arc::new(StringArray::from(vec![Some("Ann"), None, Some("Bo")])) as ArrayRef,
        ),
        (
            Arc::new(arrow_schema::Field::new("age", arrow_schema::DataType::Int32, true)),
            Arc::new(Int32Array::from(vec![Some(3), Some(4), None])) as ArrayRef,
        ),
    ]));
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("tags", Arc::new(tags.finish())),
        ("numbers", Arc::new(numbers.finish())),
        ("fixed", Arc::new(fixed.finish())),
        ("texts", Arc::new(texts.finish())),
        ("map", Arc::new(map.finish())),
        ("author", author),
    ];
    write(&file, columns);
    let expected = r#"{"tags":["x",null,"y"],"numbers":[1,2],"fixed":[0.0,0.5],"texts":["one","two"],"map":{"k":5},"author":{"name":"Ann","age":3}}
{"tags":[],"numbers":null,"author":{"age":4}}
{"numbers":[3],"fixed":[2.0,0.5],"texts":["three"],"map":{},"author":{"name":"Bo"}}
"#;
    assert_eq!(documents(&file), lines(&file, expected));
}

#[test]
fn many_batches_and_row_groups() {
    use parquet::file::properties::WriterProperties;
    let (_dir, file) = folder();
    let n = 1500i64;
    let text: StringArray = (0..n).map(|i| Some(format!("text {i}"))).collect();
    let columns: Vec<(&str, ArrayRef)> =
        vec![("id", Arc::new(Int64Array::from_iter_values(0..n))), ("text", Arc::new(text))];
    write_with(&file, columns, WriterProperties::builder().set_max_row_group_row_count(Some(700)).build());
    let mut reader = Reader::open(&file).unwrap();
    assert_eq!((reader.len_hint(), reader.unit()), (Some(1500), "row"));
    for i in 0..n {
        let document = reader.next().unwrap().unwrap();
        assert_eq!((document.id.clone().unwrap(), document.line), (i.to_string(), i as u64 + 1));
        assert_eq!((document.texts(), reader.position()), (vec![format!("text {i}").as_str()], i as u64 + 1));
    }
    assert!(reader.next().is_none() && reader.next().is_none());
}

#[test]
fn a_file_without_rows_is_empty() {
    let (_dir, file) = folder();
    write(&file, vec![("id", Arc::new(Int64Array::from(Vec::<i64>::new())))]);
    assert!(read(&file).is_empty());
}
