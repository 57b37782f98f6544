//! Files cut short or changed in one byte: an error or other values, never a panic or an end without an error.

use std::sync::Arc;

use arrow_array::builder::*;
use arrow_array::*;
use parquet::basic::Compression;
use parquet::file::properties::WriterProperties;
use uncsm_index::ErrorCode;
use uncsm_index::corpus::Reader;

use crate::readers::support::*;

const ROWS: usize = 40;

fn sound(compression: Compression) -> Vec<u8> {
    let (_dir, file) = folder();
    let mut list = ListBuilder::new(StringBuilder::new());
    for i in 0..ROWS {
        list.append_value((0..i % 3).map(|n| Some(format!("t{n}"))));
    }
    let bytes: Vec<Vec<u8>> = (0..ROWS).map(|i| vec![i as u8; 10 + i]).collect();
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("id", Arc::new(Int64Array::from_iter_values(0..ROWS as i64))),
        ("text", Arc::new((0..ROWS).map(|i| Some(format!("a text of row {i}"))).collect::<StringArray>())),
        ("kind", Arc::new((0..ROWS).map(|i| Some(["a", "b"][i % 2])).collect::<StringArray>())),
        ("tags", Arc::new(list.finish())),
        ("image", Arc::new(BinaryArray::from_iter_values(bytes))),
    ];
    let properties = WriterProperties::builder().set_compression(compression);
    write_with(&file, columns, properties.set_max_row_group_row_count(Some(25)).build());
    std::fs::read(&file).unwrap()
}

/// Reads `bytes` as a file, and gives the number of documents and the code that ended reading.
fn read_bytes(bytes: &[u8]) -> (usize, Option<ErrorCode>) {
    let (_dir, file) = folder();
    std::fs::write(&file, bytes).unwrap();
    let reader = match Reader::open(&file) {
        Ok(reader) => reader,
        Err(error) => {
            assert_eq!(error.facts().file.as_deref(), Some(file.as_path()), "{error}");
            return (0, Some(error.code()));
        }
    };
    let (mut good, mut ended) = (0, None);
    for item in reader.take(10 * ROWS) {
        assert!(ended.is_none(), "nothing comes after the end");
        match item {
            Ok(_) => good += 1,
            Err(error) => {
                let facts = error.facts();
                assert!(facts.file.is_some() && facts.line.is_some(), "{error}");
                ended = Some(facts.code).filter(|_| error.is_end());
            }
        }
    }
    (good, ended)
}

#[test]
fn cut_files_are_damaged() {
    let bytes = sound(Compression::UNCOMPRESSED);
    assert_eq!(read_bytes(&bytes), (ROWS, None));
    for end in (0..bytes.len()).step_by(37).chain([bytes.len() - 1]) {
        assert_eq!(read_bytes(&bytes[..end]), (0, Some(ErrorCode::Damaged)), "{end}");
    }
    // The footer without the pages.
    let mut hollow = bytes[..4].to_vec();
    hollow.extend(&bytes[bytes.len() / 2..]);
    assert_eq!(read_bytes(&hollow).1, Some(ErrorCode::Damaged));
}

#[test]
fn changed_bytes_never_panic() {
    for compression in [Compression::UNCOMPRESSED, Compression::SNAPPY] {
        let bytes = sound(compression);
        let mut damaged = 0;
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= [0x01, 0x80, 0xff][at % 3];
            let (good, ended) = read_bytes(&changed);
            assert!(good <= ROWS, "{at}");
            damaged += usize::from(ended.is_some());
        }
        assert!(damaged > bytes.len() / 20, "{damaged} of {} were seen", bytes.len());
    }
}
