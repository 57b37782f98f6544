//! Columns and rows that a corpus cannot have.

use std::path::Path;
use std::sync::Arc;

use arrow_array::builder::*;
use arrow_array::*;
use uncsm_index::ErrorCode;
use uncsm_index::corpus::{Aside, Keys, ReadError, Reader, Split};
use uncsm_index::schema::{BadLines, SchemaOverrides, infer};

use crate::readers::support::*;

#[test]
fn a_column_that_does_not_fit_takes_away_itself_alone() {
    let (_dir, file) = folder();
    let number = || -> ArrayRef { Arc::new(Int32Array::from(vec![1])) };
    let text = || -> ArrayRef { Arc::new(StringArray::from(vec!["a"])) };
    let binary = || -> ArrayRef { Arc::new(BinaryArray::from(vec![b"a".as_slice()])) };
    let mut numbers = ListBuilder::new(Int32Builder::new());
    numbers.append_value([Some(1)]);
    let numbers: ArrayRef = Arc::new(numbers.finish());
    let mut blobs = ListBuilder::new(BinaryBuilder::new());
    blobs.append_value([Some(b"a".as_slice())]);
    let cases: Vec<(&str, ArrayRef)> = vec![
        ("text", number()),
        ("text", numbers.clone()),
        ("texts", text()),
        ("split", binary()),
        ("image", number()),
        ("image", numbers.clone()),
        ("images", binary()),
        ("images", numbers),
        ("blob", binary()),
        ("blobs", Arc::new(blobs.finish())),
        ("_hidden", number()),
        ("-minus", number()),
    ];
    for (name, column) in cases {
        write(&file, vec![("ok", text()), (name, column.clone())]);
        let mut reader = Reader::open(&file).unwrap();
        let documents: Vec<_> = reader.by_ref().map(Result::unwrap).collect();
        assert_eq!(documents.len(), 1, "{name}");
        assert_eq!(documents[0].fields.keys().collect::<Vec<_>>(), ["ok"], "{name}");
        let [Aside::Part(error)] = &reader.take_asides()[..] else { panic!("{name}: one column") };
        assert_eq!(
            (error.code(), error.facts().file.as_deref()),
            (ErrorCode::BadValue, Some(file.as_path()))
        );
        assert!(error.facts().message.contains(&format!("`{name}`")), "{error}");
        assert!(error.facts().hint.is_some(), "{error}");
        // Named away, nobody hears of it.
        let mut reader = Reader::open_with(&file, &Keys::default().without(&[name.to_owned()])).unwrap();
        assert_eq!((reader.by_ref().count(), reader.take_asides().len()), (1, 0), "{name}");
        // Alone, it is the cause.
        write(&file, vec![(name, column)]);
        let error = refused(&file, ErrorCode::BadValue);
        assert!(error.facts().message.contains(&format!("`{name}`")), "{error}");
    }
    // Without their ids, rows would be other documents.
    write(&file, vec![("ok", text()), ("id", Arc::new(Float64Array::from(vec![1.0])))]);
    assert!(refused(&file, ErrorCode::BadValue).facts().message.contains("`id`"));
}

#[test]
fn a_split_that_is_not_read_is_unknown() {
    let (_dir, file) = folder();
    let text = || -> ArrayRef { Arc::new(StringArray::from(vec!["a", "b"])) };
    let mut tests = MapBuilder::new(None, StringBuilder::new(), Int64Builder::new());
    for twice in [false, true] {
        for _ in 0..1 + i32::from(twice) {
            tests.keys().append_value("test");
            tests.values().append_value(1);
        }
        tests.append(true).unwrap();
    }
    let columns: [(ArrayRef, usize); 3] = [
        (Arc::new(BinaryArray::from(vec![b"test".as_slice(), b"train"])), 0),
        (Arc::new(Float64Array::from(vec![f64::INFINITY, 1.0])), 1),
        (Arc::new(tests.finish()), 1),
    ];
    for (column, flaws) in columns {
        write(&file, vec![("text", text()), ("split", column)]);
        let documents = documents(&file);
        let unknown = |document: &uncsm_index::corpus::Document| {
            (document.split, document.unknown_split.is_some(), document.texts().len())
        };
        assert!(documents.iter().all(|document| unknown(document) == (None, true, 1)), "{documents:?}");
        assert_eq!(documents.iter().map(|document| document.flaws.len()).sum::<usize>(), flaws);
        // Passed over, it says nothing.
        let mut reader = Reader::open_with(&file, &Keys::default().without(&["split".to_owned()])).unwrap();
        assert!(reader.all(|document| document.unwrap().unknown_split.is_none()));
    }
}

#[test]
fn a_bad_row_is_named_and_the_rest_goes_on() {
    let (_dir, file) = folder();
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("id", Arc::new(StringArray::from(vec!["a", "", "c", "d"]))),
        ("split", Arc::new(StringArray::from(vec![Some("train"), None, Some("dev"), Some("other")]))),
        ("x", Arc::new(Float64Array::from(vec![0.0, 1.0, 2.0, f64::INFINITY]))),
        ("y", Arc::new(Int64Array::from(vec![1, 2, 3, 4]))),
    ];
    write(&file, columns);
    let ends = |read| matches!(read, Err(ReadError::End(_)));
    assert!(!Reader::open(&file).unwrap().any(ends));
    let read = read(&file);
    assert!(read[0].is_ok() && read.len() == 4);
    let place = |error: &uncsm_index::Error, code, row: u64| {
        let facts = error.facts();
        assert_eq!((facts.code, facts.line), (code, Some(row)), "{error}");
        assert_eq!(facts.file.as_deref(), Some(file.as_path()));
        assert!(facts.message.contains(&format!("row {row}")), "{error}");
    };
    place(read[1].as_ref().unwrap_err(), ErrorCode::BadValue, 2);
    assert_eq!(read[2].as_ref().unwrap().split, Some(Split::Val));
    // An infinite number takes away itself alone.
    let last = read[3].as_ref().unwrap();
    assert_eq!((last.fields.get("x"), &last.fields["y"]), (None, &4.into()));
    assert_eq!((last.split, last.unknown_split.as_deref()), (None, Some("other")));
    place(&last.flaws[0], ErrorCode::NotFinite, 4);
    assert!(last.flaws[0].to_string().contains("`x`") && last.flaws.len() == 1);
}

#[test]
fn conflicts_of_types_name_rows() {
    // Columns have one type, so the values of one conflict with those of another: the exact twin.
    let (_dir, file) = folder();
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("a", Arc::new(StringArray::from(vec![Some("x"), None]))),
        ("a_exact", Arc::new(Int64Array::from(vec![None, Some(1)]))),
    ];
    write(&file, columns);
    let error =
        infer(Reader::open(&file).unwrap(), &file, &SchemaOverrides::default(), BadLines::Skip).unwrap_err();
    assert_eq!((error.code(), error.facts().line), (ErrorCode::SchemaConflict, Some(2)));
    assert!(error.to_string().contains("row 2"), "{error}");
}

/// Two rows, `id` and `text`, compressed with zstd by pyarrow.
fn zstd() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/library/readers/zstd.parquet")
}

#[test]
fn zstd_is_read() {
    let read = documents(&zstd());
    assert_eq!(read.iter().map(|document| document.texts()[0]).collect::<Vec<_>>(), ["one", "two"]);
    assert_eq!(read[1].id.as_deref(), Some("b"));
}

#[test]
fn damaged_pages_of_zstd_are_errors() {
    let sound = std::fs::read(zstd()).unwrap();
    let (_dir, file) = folder();
    let (mut errors, mut same) = (0, 0);
    for at in 0..sound.len() {
        let mut changed = sound.clone();
        changed[at] ^= [0x01, 0x80, 0xff][at % 3];
        std::fs::write(&file, &changed).unwrap();
        // A panic would end the test.
        let read =
            Reader::open(&file).and_then(|reader| Ok(reader.take(10).collect::<Result<Vec<_>, _>>()?));
        match read {
            Ok(_) => same += 1,
            Err(_) => errors += 1,
        }
    }
    assert!(errors > sound.len() / 3, "{errors} errors, {same} without");
}
