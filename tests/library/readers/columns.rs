//! Large columns that common writers make are read, and a column above a limit takes away itself alone.

use std::path::Path;
use std::sync::Arc;

use arrow_array::builder::{BooleanBuilder, Float32Builder, Int64Builder, ListBuilder};
use arrow_array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use parquet::arrow::ArrowWriter;
use parquet::basic::{BrotliLevel, Compression, GzipLevel};
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterPropertiesBuilder};
use uncsm_index::ErrorCode;
use uncsm_index::corpus::{Aside, Reader};
use uncsm_index::limits::{PARQUET_LIST_VALUES, PARQUET_PAGES};

use crate::readers::support::{folder, refused, write_with};

/// Rows of `path`; each has the key `key`.
fn rows(path: &Path, key: &str) -> usize {
    let mut reader = Reader::open(path).unwrap();
    let mut rows = 0;
    for document in reader.by_ref() {
        assert!(document.unwrap().fields.contains_key(key));
        rows += 1;
    }
    assert!(reader.take_asides().is_empty());
    rows
}

#[test]
fn embeddings_with_a_dictionary_and_its_fallback_are_read() {
    let (_dir, path) = folder();
    let (rows_of, width) = (10_000u32, 768u32);
    let mut lists = ListBuilder::new(Float32Builder::new());
    for row in 0..rows_of {
        // No two values are alike: the dictionary fills, and plain pages follow.
        for at in 0..width {
            lists.values().append_value((row * width + at) as f32);
        }
        lists.append(true);
    }
    let column: ArrayRef = Arc::new(lists.finish());
    let properties = WriterProperties::builder()
        .set_compression(Compression::SNAPPY)
        .set_dictionary_enabled(true)
        .set_max_row_group_row_count(Some(rows_of as usize));
    write_with(&path, vec![("embedding", column)], properties.build());
    let file = std::fs::File::open(&path).unwrap();
    let about = parquet::file::metadata::ParquetMetaDataReader::new().parse_and_finish(&file).unwrap();
    assert_eq!(about.num_row_groups(), 1);
    assert!(about.row_group(0).column(0).dictionary_page_offset().is_some());
    assert_eq!(rows(&path, "embedding"), rows_of as usize);
}

#[test]
fn many_small_columns_of_gzip_are_read() {
    let (_dir, path) = folder();
    let (count, wide) = (1_000i64, 300i64);
    let values = |column: i64| (0..count).map(move |row| row * 7 + column);
    let names: Vec<String> = (0..wide).map(|column| format!("c{column}")).collect();
    let columns: Vec<(&str, ArrayRef)> = names
        .iter()
        .zip(0..)
        .map(|(name, column)| {
            (name.as_str(), Arc::new(Int64Array::from_iter_values(values(column))) as ArrayRef)
        })
        .collect();
    let properties =
        WriterProperties::builder().set_compression(Compression::GZIP(GzipLevel::default())).build();
    write_with(&path, columns, properties);
    assert_eq!(rows(&path, "c299"), count as usize);
}

#[test]
fn lists_of_few_bits_may_be_many() {
    let (_dir, path) = folder();
    // More values in the row group than one row may have, in next to no bytes.
    let (count, each) = (9_000usize, 512usize);
    assert!((count * each) as u64 > PARQUET_LIST_VALUES);
    let mut bits = ListBuilder::new(BooleanBuilder::new());
    let mut masks = ListBuilder::new(Int64Builder::new());
    for _ in 0..count {
        bits.values().append_slice(&vec![true; each]);
        bits.append(true);
        masks.values().append_slice(&vec![1; each]);
        masks.append(true);
    }
    let properties = || WriterProperties::builder().set_compression(Compression::SNAPPY).build();
    write_with(&path, vec![("bits", Arc::new(bits.finish()))], properties());
    assert_eq!(rows(&path, "bits"), count);
    write_with(&path, vec![("attention_mask", Arc::new(masks.finish()))], properties());
    assert!(std::fs::metadata(&path).unwrap().len() < 100_000);
    assert_eq!(rows(&path, "attention_mask"), count);
}

fn one_page() -> WriterPropertiesBuilder {
    WriterProperties::builder()
        .set_compression(Compression::BROTLI(BrotliLevel::try_new(1).unwrap()))
        .set_statistics_enabled(EnabledStatistics::None)
        .set_data_page_size_limit(usize::MAX)
        .set_dictionary_enabled(false)
}

/// A string that unpacks to more than a row group may.
fn bomb() -> String {
    "0".repeat(PARQUET_PAGES as usize)
}

#[test]
fn a_column_above_a_limit_takes_away_itself_alone() {
    let (_dir, path) = folder();
    let bomb = bomb();
    let column = || -> ArrayRef { Arc::new(StringArray::from(vec![bomb.as_str()])) };
    let number: ArrayRef = Arc::new(Int64Array::from(vec![7]));
    write_with(&path, vec![("bomb", column()), ("n", number.clone())], one_page().build());
    let mut reader = Reader::open(&path).unwrap();
    let document = reader.next().unwrap().unwrap();
    assert_eq!((document.fields["n"].as_i64(), document.fields.get("bomb")), (Some(7), None));
    assert!(reader.next().is_none());
    let asides = reader.take_asides();
    let [Aside::Part(error)] = &asides[..] else { panic!("{asides:?}") };
    assert_eq!((error.code(), error.facts().file.as_deref()), (ErrorCode::TooLarge, Some(&*path)));
    assert!(error.to_string().contains("the column `bomb`"), "{error}");
    // A split that is lost is unknown.
    write_with(&path, vec![("split", column()), ("n", number.clone())], one_page().build());
    let document = Reader::open(&path).unwrap().next().unwrap().unwrap();
    assert_eq!((document.split, document.unknown_split.is_some()), (None, true));
    // Without their ids the rows would be others.
    write_with(&path, vec![("id", column()), ("n", number)], one_page().build());
    let error = refused(&path, ErrorCode::TooLarge);
    assert!(error.to_string().contains("the column `id`"), "{error}");
}

#[test]
fn a_row_group_is_checked_when_it_comes_and_the_others_keep_the_column() {
    let (_dir, path) = folder();
    let bomb = bomb();
    let batch = |n: i64, note: &str| {
        let columns: [(&str, ArrayRef); 2] =
            [("n", Arc::new(Int64Array::from(vec![n]))), ("note", Arc::new(StringArray::from(vec![note])))];
        RecordBatch::try_from_iter(columns).unwrap()
    };
    let schema = batch(0, "").schema();
    let file = std::fs::File::create(&path).unwrap();
    let mut writer = ArrowWriter::try_new(file, schema, Some(one_page().build())).unwrap();
    for (n, note) in [(1, "first"), (2, bomb.as_str()), (3, "third")] {
        writer.write(&batch(n, note)).unwrap();
        writer.flush().unwrap();
    }
    writer.close().unwrap();
    let mut reader = Reader::open(&path).unwrap();
    let mut seen = Vec::new();
    let mut asides = Vec::new();
    while let Some(document) = reader.next() {
        let document = document.unwrap();
        let note = document.fields.get("note").map(|note| note.as_str().unwrap().to_owned());
        seen.push((document.fields["n"].as_i64().unwrap(), note));
        asides.push(reader.take_asides().len());
    }
    assert_eq!(seen, [(1, Some("first".into())), (2, None), (3, Some("third".into()))]);
    // Nothing is known of the second before it comes.
    assert_eq!(asides, [0, 1, 0]);
}
