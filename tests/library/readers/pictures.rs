//! Columns of pictures: paths, bytes, and the structs that have both.

use std::path::Path;
use std::sync::Arc;

use arrow_array::builder::*;
use arrow_array::*;
use arrow_schema::{DataType, Field, Fields};
use serde_json::json;
use uncsm_index::corpus::{Document, Given, IdsFrom, Keys, Reader};
use uncsm_index::encode::{Content, CorpusSource, Ids, Incoming};
use uncsm_index::{Error, ErrorCode};

use crate::readers::support::*;

fn bytes(bytes: &[u8]) -> Given {
    Given::Bytes(Arc::from(bytes))
}

fn binary(values: [Option<&[u8]>; 3]) -> ArrayRef {
    Arc::new(BinaryArray::from(values.to_vec()))
}

fn images(documents: &[Document]) -> Vec<Vec<Given>> {
    documents.iter().map(|document| document.images().to_vec()).collect()
}

fn both(bytes: Vec<Option<&[u8]>>, paths: Vec<Option<&str>>) -> StructArray {
    let fields = Fields::from(vec![
        Field::new("bytes", DataType::Binary, true),
        Field::new("path", DataType::Utf8, true),
    ]);
    let arrays: Vec<ArrayRef> = vec![Arc::new(BinaryArray::from(bytes)), Arc::new(StringArray::from(paths))];
    StructArray::new(fields, arrays, None)
}

#[test]
fn bytes_leave_no_field_and_become_content() {
    let (dir, file) = folder();
    let columns: [ArrayRef; 4] = [
        binary([Some(b"one"), None, Some(b"three")]),
        Arc::new(LargeBinaryArray::from(vec![Some(b"one".as_slice()), None, Some(b"three")])),
        Arc::new(BinaryViewArray::from(vec![Some(b"one".as_slice()), None, Some(b"three")])),
        Arc::new(both(vec![Some(b"one"), None, Some(b"three")], vec![Some("not-read.png"), None, None])),
    ];
    for column in columns {
        write(&file, vec![("image", column)]);
        let read = documents(&file);
        assert_eq!(images(&read), [vec![bytes(b"one")], vec![], vec![bytes(b"three")]]);
        assert!(read.iter().all(|document| document.fields.is_empty()));
        let mut source = CorpusSource::open(&file, Ids::Made(IdsFrom::Line)).unwrap();
        let Some(Incoming::Document(first)) = source.next() else { panic!("a document") };
        assert_eq!(first.items.len(), 1);
        assert_eq!(first.items[0].content, Content::Bytes(Arc::from(b"one".as_slice())));
        assert_eq!((first.place.line, first.document.id.as_deref()), (1, Some("1")));
    }
    drop(dir);
}

#[test]
fn paths_are_those_of_json_lines() {
    let (dir, file) = folder();
    let mut list = ListBuilder::new(StringBuilder::new());
    list.append_value([Some("a.png"), None, Some("/b.png")]);
    list.append_null();
    let columns: Vec<(&str, ArrayRef)> = vec![("images", Arc::new(list.finish()))];
    write(&file, columns);
    let expected = lines(&file, "{\"images\":[\"a.png\",null,\"/b.png\"]}\n{\"images\":null}\n");
    assert_eq!(documents(&file), expected);
    assert_eq!(expected[0].images()[0].path(), Some(dir.path().join("a.png").as_path()));
    // A struct without bytes is its path.
    let column = both(vec![None, Some(b"x"), None], vec![Some("a.png"), Some("b.png"), Some("/c.png")]);
    write(&file, vec![("image", Arc::new(column))]);
    let read = documents(&file);
    let path = |path: &Path| vec![Given::Path(path.to_path_buf())];
    assert_eq!(
        images(&read),
        [path(&dir.path().join("a.png")), vec![bytes(b"x")], path(Path::new("/c.png"))]
    );
    let fields: Vec<_> = read.iter().map(|document| json!(document.fields)).collect();
    assert_eq!(fields, [json!({"image": "a.png"}), json!({}), json!({"image": "/c.png"})]);
}

#[test]
fn lists_of_bytes_and_of_structs() {
    let (dir, file) = folder();
    let mut list = ListBuilder::new(BinaryBuilder::new());
    list.append_value([Some(b"one".as_slice()), None, Some(b"two")]);
    list.append_null();
    write(&file, vec![("images", Arc::new(list.finish()))]);
    assert_eq!(images(&documents(&file)), [vec![bytes(b"one"), bytes(b"two")], vec![]]);
    let values = both(vec![Some(b"one"), None, None], vec![None, Some("a.png"), Some("b.png")]);
    let item = Arc::new(Field::new("item", values.data_type().clone(), true));
    // The offsets of a list of two and one.
    let mut shape = ListBuilder::new(Int8Builder::new());
    shape.append_value([Some(1), Some(2)]);
    shape.append_value([Some(3)]);
    let column = ListArray::new(item, shape.finish().offsets().clone(), Arc::new(values), None);
    write(&file, vec![("images", Arc::new(column)), ("z", Arc::new(Int8Array::from(vec![1, 2])))]);
    let read = documents(&file);
    let path = |name: &str| Given::Path(dir.path().join(name));
    assert_eq!(images(&read), [vec![bytes(b"one"), path("a.png")], vec![path("b.png")]]);
    let fields = serde_json::to_string(&read[0].fields).unwrap();
    assert_eq!(fields, r#"{"image":["a.png"],"z":1}"#);
}

#[test]
fn two_columns_of_pictures_do_not_go_into_one_document() {
    let (_dir, file) = folder();
    let mut list = ListBuilder::new(StringBuilder::new());
    list.append_value([Some("a.png")]);
    list.append_null();
    list.append_value([Some("b.png")]);
    let columns: Vec<(&str, ArrayRef)> =
        vec![("image", binary([Some(b"x"), Some(b"y"), None])), ("images", Arc::new(list.finish()))];
    write(&file, columns);
    let read = read(&file);
    let error = read[0].as_ref().unwrap_err();
    assert_eq!((error.code(), error.facts().line), (ErrorCode::BadValue, Some(1)), "{error}");
    assert!(error.to_string().contains("row 1"), "{error}");
    assert_eq!(read[1].as_ref().unwrap().images(), [bytes(b"y")]);
    assert_eq!(read[2].as_ref().unwrap().images().len(), 1);
}

#[test]
fn a_column_of_bytes_that_begin_as_pictures_holds_them() {
    let (_dir, file) = folder();
    let bytes = |values: [Option<&'static [u8]>; 2]| -> ArrayRef { Arc::new(BinaryArray::from_iter(values)) };
    let (png, jpeg): (&[u8], &[u8]) = (b"\x89PNG\r\n\x1a\n..", b"\xff\xd8\xff\xe0..");
    let read = |columns: Vec<(&str, ArrayRef)>, keys: &Keys| {
        write(&file, columns);
        let mut reader = Reader::open_with(&file, keys)?;
        let images: Vec<usize> = reader.by_ref().map(|read| read.unwrap().images().len()).collect();
        Ok((images, reader.take_asides().len()))
    };
    let ids: ArrayRef = Arc::new(StringArray::from(vec!["a", "b"]));
    let found = |columns: Vec<(&str, ArrayRef)>| -> (Vec<usize>, usize) {
        let with_ids = std::iter::once(("id", Arc::clone(&ids))).chain(columns).collect();
        read(with_ids, &Keys::default()).map_err(|error: Error| error.to_string()).unwrap()
    };
    assert_eq!(found(vec![("photo", bytes([None, Some(png)]))]), (vec![0, 1], 0));
    // The first value says what it is.
    assert_eq!(found(vec![("sound", bytes([Some(b"RIFF\0\0\0\0WAVE"), Some(png)]))]), (vec![0, 0], 1));
    // Of two nobody knows which; and a column of the usual name goes first.
    let two = || vec![("one", bytes([Some(png), None])), ("two", bytes([Some(jpeg), None]))];
    assert_eq!(found(two()), (vec![0, 0], 2));
    let named = [two(), vec![("image", bytes([None, Some(jpeg)]))]].concat();
    assert_eq!(found(named), (vec![0, 1], 2));
    // One of them is named away, or alone in its file.
    let keys = Keys::default().without(&["two".to_owned()]);
    assert_eq!(read(two(), &keys).map_err(|error: Error| error.to_string()).unwrap(), (vec![1, 0], 0));
    let refused = read(vec![("x", bytes([Some(b"a"), None]))], &Keys::default());
    assert_eq!(refused.map_err(|error: Error| error.code()).unwrap_err(), ErrorCode::BadValue);
}
