//! Small Parquet files that unpack to much: refused when they are opened, or read a few rows at a time.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use arrow_array::builder::{ListBuilder, StringBuilder, UInt8Builder};
use arrow_array::{ArrayRef, BinaryArray, Int64Array, StringArray};
use parquet::basic::{BrotliLevel, Compression, Encoding, GzipLevel};
use parquet::file::properties::{WriterProperties, WriterPropertiesBuilder};
use uncsm_index::ErrorCode;
use uncsm_index::corpus::Aside;
use uncsm_index::limits::{
    PARQUET_COLUMNS, PARQUET_DEPTH, PARQUET_FOOTER, PARQUET_LIST_VALUES, PARQUET_PAGES, TEXT_BYTES,
};

use crate::readers::support::{documents, folder, read, refused, write_with};

/// One page, whatever its size, without the statistics that repeat long values.
fn one_page() -> WriterPropertiesBuilder {
    WriterProperties::builder()
        .set_compression(Compression::BROTLI(BrotliLevel::try_new(1).unwrap()))
        .set_statistics_enabled(parquet::file::properties::EnabledStatistics::None)
        .set_data_page_size_limit(usize::MAX)
        .set_dictionary_page_size_limit(usize::MAX)
        .set_dictionary_enabled(false)
}

fn too_large(path: &Path, words: &str) {
    let error = refused(path, ErrorCode::TooLarge);
    let facts = error.facts();
    assert!(error.to_string().contains(words), "{error}");
    assert!(facts.expected.is_some() && facts.got.is_some() && facts.hint.is_some(), "{error}");
}

/// A page of zeros, as a column that is read: strings.
fn zeros(path: &Path, bytes: usize, properties: WriterProperties) {
    let text: ArrayRef = Arc::new(StringArray::from(vec!["0".repeat(bytes)]));
    write_with(path, vec![("note", text)], properties);
}

#[test]
fn pages_are_weighed_before_they_are_unpacked() {
    let (_dir, path) = folder();
    let most = PARQUET_PAGES as usize;
    // The levels of the column and the length of the string take the rest.
    zeros(&path, most - 64, one_page().build());
    assert!(std::fs::metadata(&path).unwrap().len() < 100_000);
    // It opens; the text is too long for a document, which is that row's own error.
    let error = read(&path).remove(0).unwrap_err();
    assert_eq!((error.code(), error.facts().line), (ErrorCode::TooLarge, Some(1)), "{error}");
    zeros(&path, most, one_page().build());
    too_large(&path, "the pages of a row group unpack to too much");
    let gzip = Compression::GZIP(GzipLevel::try_new(6).unwrap());
    zeros(&path, most, one_page().set_compression(gzip).build());
    too_large(&path, "the pages of a row group unpack to too much");
    // Columns count together: one is left out, the rest is read.
    let half: ArrayRef = Arc::new(StringArray::from(vec!["0".repeat(most / 2)]));
    let number: ArrayRef = Arc::new(Int64Array::from(vec![7]));
    write_with(&path, vec![("a", half.clone()), ("b", half), ("n", number)], one_page().build());
    let mut reader = uncsm_index::corpus::Reader::open(&path).unwrap();
    // What is left is too long for a document, which is that row's own error.
    assert_eq!(reader.next().unwrap().unwrap_err().code(), ErrorCode::TooLarge);
    let asides = reader.take_asides();
    let [Aside::Part(error)] = &asides[..] else { panic!("{asides:?}") };
    assert!(error.to_string().contains("the pages of a row group unpack to too much"), "{error}");
}

#[test]
fn pages_that_are_large_in_the_file_are_read() {
    let (_dir, path) = folder();
    // A picture of noise does not pack.
    let mut state = 1u64;
    let noise: Vec<u8> = std::iter::repeat_with(|| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 56) as u8
    })
    .take(20 << 20)
    .collect();
    let rows = 7;
    let pictures: ArrayRef = Arc::new(BinaryArray::from_iter_values((0..rows).map(|_| &noise[..])));
    assert!(rows * noise.len() > PARQUET_PAGES as usize);
    let plain = one_page().set_compression(Compression::UNCOMPRESSED);
    write_with(&path, vec![("image", pictures)], plain.build());
    assert_eq!(documents(&path).len(), rows);
}

#[test]
fn a_page_that_goes_on_beyond_its_header_is_damaged() {
    let (_dir, path) = folder();
    for compression in [
        Compression::BROTLI(BrotliLevel::try_new(1).unwrap()),
        Compression::GZIP(GzipLevel::try_new(6).unwrap()),
    ] {
        zeros(&path, 1 << 20, one_page().set_compression(compression).build());
        let mut bytes = std::fs::read(&path).unwrap();
        // The header begins after the magic: its kind, then the size that the page says it unpacks to.
        assert_eq!(&bytes[4..6], [0x15, 0x00]);
        assert_eq!(bytes[6], 0x15);
        // Zigzag varint of some 2^20: three bytes. One less.
        assert!(bytes[7] >= 0x82 && bytes[8] & 0x80 != 0);
        bytes[7] -= 2;
        std::fs::write(&path, &bytes).unwrap();
        let error = refused(&path, ErrorCode::Damaged);
        assert!(error.to_string().contains("unpacks to more than its header says"), "{error}");
    }
}

#[test]
fn an_entry_of_a_dictionary_is_not_copied_for_all_rows_at_once() {
    let (_dir, path) = folder();
    let bytes = TEXT_BYTES / 4;
    let long = "0".repeat(bytes);
    let rows = 100;
    let notes: ArrayRef = Arc::new(StringArray::from_iter_values((0..rows).map(|_| long.as_str())));
    write_with(&path, vec![("note", notes)], one_page().set_dictionary_enabled(true).build());
    assert!(std::fs::metadata(&path).unwrap().len() < 20_000);
    // Each row comes, and goes.
    let mut seen = 0;
    for document in uncsm_index::corpus::Reader::open(&path).unwrap() {
        assert_eq!(document.unwrap().fields["note"].as_str().unwrap().len(), bytes);
        seen += 1;
    }
    assert_eq!(seen, rows);
    // A prefix that the next value shares stands for as much.
    let alike: ArrayRef =
        Arc::new(StringArray::from_iter_values((0..rows).map(|row| format!("{}{row}", &long[..bytes / 2]))));
    let prefixes = one_page().set_column_encoding("note".into(), Encoding::DELTA_BYTE_ARRAY);
    let prefixes = prefixes.set_writer_version(parquet::file::properties::WriterVersion::PARQUET_2_0);
    write_with(&path, vec![("note", alike)], prefixes.build());
    assert_eq!(uncsm_index::corpus::Reader::open(&path).unwrap().filter(Result::is_ok).count(), rows);
}

#[test]
fn lists_have_limits() {
    let (_dir, path) = folder();
    let list = |values: usize| -> ArrayRef {
        let mut lists = ListBuilder::new(UInt8Builder::new());
        lists.values().append_slice(&vec![7; values]);
        lists.append(true);
        Arc::new(lists.finish())
    };
    let runs = || one_page().set_dictionary_enabled(true).build();
    let most = PARQUET_LIST_VALUES as usize;
    write_with(&path, vec![("marks", list(most))], runs());
    assert!(uncsm_index::corpus::Reader::open(&path).is_ok());
    write_with(&path, vec![("marks", list(most + 1))], runs());
    too_large(&path, "a list of the Parquet file has too many values");
    // One long entry that a list names again and again.
    let named = |times: usize| -> ArrayRef {
        let mut lists = ListBuilder::new(StringBuilder::new());
        let entry = "0".repeat(1 << 20);
        for _ in 0..times {
            lists.values().append_value(&entry);
        }
        lists.append(true);
        Arc::new(lists.finish())
    };
    write_with(&path, vec![("tags", named(64))], runs());
    assert!(uncsm_index::corpus::Reader::open(&path).is_ok());
    write_with(&path, vec![("tags", named(65))], runs());
    too_large(&path, "a list of the Parquet file has too many bytes");
}

/// A file of this footer and nothing else.
fn footer(path: &Path, footer: &[u8]) {
    let mut file = File::create(path).unwrap();
    file.write_all(b"PAR1").unwrap();
    file.write_all(footer).unwrap();
    file.write_all(&(footer.len() as u32).to_le_bytes()).unwrap();
    file.write_all(b"PAR1").unwrap();
}

fn varint(mut value: u64) -> Vec<u8> {
    let mut out = Vec::new();
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
    out
}

/// Version 1, then a schema of elements with these numbers of children, each named `a`.
fn schema(children: &[u64]) -> Vec<u8> {
    let mut out = vec![0x15, 2, 0x19, 0xfc];
    out.extend(varint(children.len() as u64));
    for &own in children {
        // repetition_type = optional; name; num_children.
        out.extend([0x35, 2, 0x18, 1, b'a']);
        if own > 0 {
            out.push(0x15);
            out.extend(varint(own * 2));
        }
        out.push(0);
    }
    out.push(0);
    out
}

#[test]
fn footers_and_schemas_have_limits() {
    let (_dir, path) = folder();
    footer(&path, &vec![0; PARQUET_FOOTER as usize + 1]);
    too_large(&path, "the footer of the Parquet file is too large");
    let chain = |depth: usize| schema(&[vec![1; depth], vec![0]].concat());
    footer(&path, &chain(PARQUET_DEPTH + 1));
    too_large(&path, "nests too deep");
    footer(&path, &chain(100_000));
    too_large(&path, "the schema of the Parquet file is too large");
    footer(&path, &schema(&[vec![PARQUET_COLUMNS as u64], vec![0; PARQUET_COLUMNS]].concat()));
    too_large(&path, "the schema of the Parquet file is too large");
    // What is within the limits is the library's own to refuse.
    footer(&path, &chain(PARQUET_DEPTH));
    assert_ne!(uncsm_index::corpus::Reader::open(&path).unwrap_err().code(), ErrorCode::TooLarge);
    // A number of children that the library would take memory for.
    footer(&path, &schema(&[1 << 31, 0]));
    let error = refused(&path, ErrorCode::Damaged);
    assert!(error.to_string().contains("more children than there are columns"), "{error}");
}

#[test]
fn rows_of_several_groups_come_in_order() {
    let (_dir, path) = folder();
    let numbers: ArrayRef = Arc::new(Int64Array::from_iter_values(0..1000));
    let properties = WriterProperties::builder().set_max_row_group_row_count(Some(300)).build();
    write_with(&path, vec![("n", numbers)], properties);
    let read: Vec<i64> =
        documents(&path).iter().map(|document| document.fields["n"].as_i64().unwrap()).collect();
    assert!(read.into_iter().eq(0..1000));
}

#[test]
fn a_long_footer_is_left_to_the_library() {
    let (_dir, path) = folder();
    // Of a thousand columns in two hundred row groups, with statistics, about this.
    footer(&path, &vec![0; 40 << 20]);
    assert_ne!(uncsm_index::corpus::Reader::open(&path).unwrap_err().code(), ErrorCode::TooLarge);
}
