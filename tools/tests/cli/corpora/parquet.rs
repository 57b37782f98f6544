//! Parquet in place of JSON Lines.

use std::fs::{self, File};
use std::path::Path;
use std::sync::Arc;

use arrow_array::{ArrayRef, BinaryArray, Int64Array, RecordBatch, StringArray};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use safetensors::tensor::{Dtype, TensorView};
use serde_json::json;

use crate::corpora::support::*;
use crate::files::s;
use crate::run::{err, ok};

fn write(path: &Path, columns: Vec<(&str, ArrayRef)>) {
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let mut writer = ArrowWriter::try_new(File::create(path).unwrap(), batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
}

/// The shared corpus with its pictures as bytes, or as paths.
fn columns(pictures: &str) -> Vec<(&'static str, ArrayRef)> {
    let rows: Vec<Row> = (0..DOCUMENTS).map(row).collect();
    let strings =
        |of: fn(&Row) -> String| -> ArrayRef { Arc::new(StringArray::from_iter_values(rows.iter().map(of))) };
    let image: ArrayRef = match pictures {
        "bytes" => Arc::new(BinaryArray::from_iter_values(rows.iter().map(|row| &row.png))),
        _ => Arc::new(StringArray::from_iter_values((0..DOCUMENTS).map(|i| format!("img/{i}.png")))),
    };
    vec![
        ("id", strings(|row| row.id.clone())),
        ("text", strings(|row| row.text.clone())),
        ("image", image),
        ("color", strings(|row| row.color.into())),
        ("side", Arc::new(Int64Array::from_iter_values(rows.iter().map(|row| row.side)))),
        ("split", strings(|row| row.split.into())),
    ]
}

#[test]
fn the_same_corpus_gives_the_same_bundle_index_and_answers() {
    let world = world();
    let file = world.corpus.with_file_name("paths.parquet");
    write(&file, columns("paths"));
    let dir = tempfile::tempdir().unwrap();
    let bundle = dir.path().join("bundle");
    ok(&["train", s(&file), "--label", "color", "--config", s(&world.config), "--out", s(&bundle)]);
    let weights = |bundle: &Path| fs::read(bundle.join("model.safetensors")).unwrap();
    assert!(weights(&bundle) == weights(&world.bundle));
    assert_eq!(ok(&["schema", s(&file)]), ok(&["schema", s(&world.corpus)]));
    let (of_lines, of_rows) = (dir.path().join("lines"), dir.path().join("rows"));
    let (lines, _) = build(&world.corpus, &of_lines, &[]);
    let (rows, built) = build(&file, &of_rows, &[]);
    assert_eq!((&built["documents"], &built["warnings"]), (&json!(DOCUMENTS), &json!(0)));
    assert_eq!(answers(&rows), answers(&lines));
    // Bytes are the same pictures, but leave no path.
    let bytes = dir.path().join("bytes.parquet");
    write(&bytes, columns("bytes"));
    let (index, built) = build(&bytes, &dir.path().join("bytes"), &[]);
    assert_eq!(built["items"], json!({"image": DOCUMENTS, "text": DOCUMENTS}));
    let mut expected = answers(&lines);
    for hit in expected.as_array_mut().unwrap() {
        hit["fields"].as_object_mut().unwrap().remove("image").unwrap();
    }
    assert_eq!(answers(&index), expected);
    let evaluated = |corpus: &Path| ok(&["eval", s(&world.bundle), s(corpus)]);
    let (of_bytes, of_paths) = (evaluated(&bytes), evaluated(&world.corpus));
    assert_eq!((&of_bytes["pairs"], &of_bytes["map_all"]), (&of_paths["pairs"], &of_paths["map_all"]));
}

#[test]
fn errors_name_rows_and_columns() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("c.parquet");
    let (bundle, out) = (s(&world().bundle), dir.path().join("index"));
    let mut twice = columns("bytes");
    let mut ids: Vec<String> = (0..DOCUMENTS).map(|i| i.to_string()).collect();
    ids[7] = "3".into();
    twice[0].1 = Arc::new(StringArray::from(ids));
    write(&file, twice);
    let error = err(&["build", s(&file), "--bundle", bundle, "--out", s(&out)]);
    assert_eq!((&error["code"], &error["line"]), (&json!("duplicate_id"), &json!(8)));
    assert_eq!(error["got"], "rows 4 and 8");
    let mut blob = columns("bytes");
    blob.push(("blob", blob[2].1.clone()));
    write(&file, blob);
    let error = err(&["build", s(&file), "--bundle", bundle, "--out", s(&out), "--strict"]);
    assert_eq!((&error["code"], &error["file"]), (&json!("bad_value"), &json!(s(&file))));
    assert!(error["message"].as_str().unwrap().contains("`blob`"), "{error}");
    // It takes away itself alone.
    let built = ok(&["build", s(&file), "--bundle", bundle, "--out", s(&out)]);
    assert_eq!((&built["documents"], &built["warnings"]), (&json!(DOCUMENTS), &json!(1)));
    assert!(built["skipped"][0]["reason"].as_str().unwrap().contains("`blob`"), "{built}");
    assert!(ok(&["schema", s(&file)])["color"].is_object());
    fs::write(&file, "{\"id\":1,\"text\":\"no Parquet\"}\n").unwrap();
    assert_eq!(err(&["schema", s(&file)])["code"], "damaged");
}

#[test]
fn fields_of_features_may_stand_in_parquet() {
    let dir = tempfile::tempdir().unwrap();
    let (features, corpus, out) =
        (dir.path().join("f.safetensors"), dir.path().join("c.parquet"), dir.path().join("index"));
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    let values: Vec<u8> =
        (0..DOCUMENTS * 8).flat_map(|_| rng.random_range(-1.0..1.0f32).to_le_bytes()).collect();
    let view = || TensorView::new(Dtype::F32, vec![DOCUMENTS, 8], &values).unwrap();
    fs::write(&features, safetensors::serialize([("a", view()), ("b", view())], None).unwrap()).unwrap();
    write(&corpus, columns("paths"));
    let bundle = dir.path().join("bundle");
    let source = ["--features", s(&features), "--pathway", "image=a", "--pathway", "text=b"];
    let train = ["train", "--config", s(&world().config), "--out", s(&bundle)];
    ok(&[train.as_slice(), source.as_slice()].concat());
    let build = ["build", "--bundle", s(&bundle), "--corpus", s(&corpus), "--out", s(&out)];
    let built = ok(&[build.as_slice(), source.as_slice()].concat());
    assert_eq!(built["documents"], DOCUMENTS);
    let found = ok(&["query", s(&out), "--keywords", "number 4"]);
    assert_eq!(found["hits"][0]["id"], "doc-004");
    let error = err(&[["train", "--passages", "9", "--out", "x"].as_slice(), source.as_slice()].concat());
    assert_eq!(error["code"], "bad_argument");
}

/// Changes of one byte on which the Parquet library panics.
fn that_panic(bytes: &[u8]) -> Vec<Vec<u8>> {
    let panics = |changed: &Vec<u8>| {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("c.parquet");
        fs::write(&file, changed).unwrap();
        let read = || {
            let builder = ParquetRecordBatchReaderBuilder::try_new(File::open(&file).unwrap());
            builder
                .and_then(|builder| builder.build())
                .is_ok_and(|batches| batches.take(10).all(|batch| batch.is_ok()))
        };
        std::panic::catch_unwind(read).is_err()
    };
    let changed = |at: usize| {
        let mut changed = bytes.to_vec();
        changed[at] ^= [0x01, 0x80, 0xff][at % 3];
        changed
    };
    (0..bytes.len()).rev().map(changed).filter(panics).take(2).collect()
}

#[test]
fn where_the_library_panics_one_line_of_json_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("c.parquet");
    let text: ArrayRef = Arc::new(StringArray::from(vec!["one", "two", "three"]));
    write(&file, vec![("id", Arc::new(Int64Array::from(vec![1, 2, 3]))), ("text", text)]);
    let found = that_panic(&fs::read(&file).unwrap());
    assert!(!found.is_empty(), "the library panics no more: the guard is not needed");
    for changed in found {
        fs::write(&file, changed).unwrap();
        let error = err(&["schema", s(&file)]);
        assert_eq!((&error["code"], &error["file"]), (&json!("damaged"), &json!(s(&file))), "{error}");
    }
}
