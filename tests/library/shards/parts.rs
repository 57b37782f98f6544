//! Every document of a corpus of any kind is in one part, with the id and place that it has in the whole.

use std::path::{Path, PathBuf};

use uncsm_index::ErrorCode;
use uncsm_index::corpus::{Document, Keys, Reader, Shard};

/// Ids, fields and places; of lines the bytes alone, since lines of a part are counted from its start.
fn read(paths: &[PathBuf], shard: Option<Shard>) -> Vec<(String, String, String)> {
    let mut reader = Reader::open_part(paths, &Keys::default(), shard).unwrap();
    let mut all = Vec::new();
    while let Some(read) = reader.next() {
        let document: Document = read.unwrap();
        let id = document.id.clone().unwrap_or_else(|| reader.id_of_place(document.line));
        let mut spot = reader.spot();
        if spot.bytes.is_some() {
            spot.line = None;
        }
        let place = format!("{} {spot:?}", reader.root().path);
        all.push((id, serde_json::to_string(&document.fields).unwrap(), place));
    }
    all
}

fn in_parts(paths: &[PathBuf], of: u32) -> Vec<Vec<(String, String, String)>> {
    (0..of).map(|index| read(paths, Some(Shard::new(index, of).unwrap()))).collect()
}

fn compare(paths: &[PathBuf], what: &str) {
    let mut whole = read(paths, None);
    whole.sort();
    assert!(whole.len() >= 7, "{what}");
    for of in [1, 2, 3, 8, 40] {
        let parts = in_parts(paths, of);
        let mut all = parts.concat();
        all.sort();
        assert_eq!(all, whole, "{what} in {of} parts");
        assert!(of == 1 || parts.iter().filter(|part| !part.is_empty()).count() > 1, "{what} in {of} parts");
    }
}

fn write(dir: &Path, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
    let path = dir.join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(&path, text).unwrap();
    path
}

#[test]
fn a_list_of_files_is_shared_out() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let lines =
        |from: usize| (from..from + 9).map(|i| format!("{{\"id\":{i},\"n\":{i}}}\n")).collect::<String>();
    let mut paths = vec![write(dir, "a.jsonl", lines(0))];
    for at in 0..5 {
        // Quoted ends of lines are no ends of records; a column has one type in all tables, whatever part reads it.
        let value = if at == 4 { "x" } else { "7" };
        paths.push(write(
            dir,
            &format!("t{at}.csv"),
            format!("id,note,v\nc{at},\"one\ntwo\",{value}\nd{at},\"a\n\nb\",3\n"),
        ));
    }
    paths.push(write(dir, "list.json", "[{\"id\":\"l1\"},{\"id\":\"l2\"}]"));
    paths.push(write(dir, "b.jsonl", lines(100)));
    for picture in 0..7 {
        write(dir, &format!("media/{}/{picture}.png", picture % 2), "not read here");
        write(dir, &format!("media/{}/{picture}.txt", picture % 2), format!("text {picture}"));
    }
    paths.push(dir.join("media"));
    compare(&paths, "files");
    compare(&paths[8..], "a folder of media");
    for (path, kind) in [(&paths[1], "table"), (&paths[6], "list")] {
        let error =
            Reader::open_part(std::slice::from_ref(path), &Keys::default(), Some(Shard::new(0, 2).unwrap()));
        let error = error.unwrap_err();
        assert_eq!(error.code(), ErrorCode::BadArgument, "{kind}");
        assert!(error.to_string().contains("is not cut into parts"), "{error}");
        assert_eq!(error.facts().file.as_deref(), Some(path.as_path()));
    }
}

#[test]
fn what_is_packed_is_not_cut() {
    let dir = tempfile::tempdir().unwrap();
    // An empty member of gzip, and an archive without a file.
    let gzip = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    for (name, bytes) in [("a.jsonl.gz", &gzip[..]), ("a.tar", &[0; 1024])] {
        let path = write(dir.path(), name, bytes);
        let shard = Some(Shard::new(1, 2).unwrap());
        let error = Reader::open_part(&[path], &Keys::default(), shard).unwrap_err();
        assert!(error.to_string().contains("is not cut into parts"), "{name}: {error}");
    }
}

#[test]
fn bad_lines_of_a_part_name_their_bytes() {
    let dir = tempfile::tempdir().unwrap();
    let good: String = (0..20).map(|i| format!("{{\"id\":{i}}}\n")).collect();
    let path = write(dir.path(), "c.jsonl", format!("{good}{{\"id\":}}\n{good}"));
    let errors = |shard: Shard| -> Vec<uncsm_index::Error> {
        let reader = Reader::open_part(std::slice::from_ref(&path), &Keys::default(), Some(shard)).unwrap();
        reader.filter_map(|read| read.err().map(|error| error.into_error())).collect()
    };
    let all: Vec<_> = (0..4).flat_map(|index| errors(Shard::new(index, 4).unwrap())).collect();
    let [error] = all.as_slice() else { panic!("{all:?}") };
    let at = good.len() as u64 + 6;
    assert_eq!(error.facts().offset, Some(at), "{error}");
    assert!(error.to_string().contains("lines counted from byte"), "{error}");
}

#[cfg(feature = "parquet")]
#[test]
fn row_groups_are_shared_out() {
    use std::sync::Arc;

    use arrow_array::{ArrayRef, Int64Array, RecordBatch, StringArray};
    use parquet::arrow::ArrowWriter;
    use parquet::file::properties::WriterProperties;

    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, groups: &[i64], with_ids: bool| {
        let path = dir.path().join(name);
        let mut writer: Option<ArrowWriter<std::fs::File>> = None;
        let mut next = 0;
        for &rows in groups {
            let numbers = || next..next + rows;
            let n: ArrayRef = Arc::new(Int64Array::from_iter_values(numbers()));
            let id: ArrayRef =
                Arc::new(StringArray::from_iter_values(numbers().map(|n| format!("{name}{n}"))));
            let columns = if with_ids { vec![("id", id), ("n", n)] } else { vec![("n", n)] };
            let batch = RecordBatch::try_from_iter(columns).unwrap();
            let writer = writer.get_or_insert_with(|| {
                let file = std::fs::File::create(&path).unwrap();
                ArrowWriter::try_new(file, batch.schema(), Some(WriterProperties::builder().build())).unwrap()
            });
            writer.write(&batch).unwrap();
            writer.flush().unwrap();
            next += rows;
        }
        writer.unwrap().close().unwrap();
        path
    };
    let (a, b) = (write("a.parquet", &[5, 1, 1, 9, 300, 2], true), write("b.parquet", &[4, 4, 4, 4], false));
    compare(std::slice::from_ref(&a), "parquet");
    // Rows are counted in the whole, so that they have the same ids.
    compare(std::slice::from_ref(&b), "parquet without ids");
    compare(&[a, b], "two files");
}

#[cfg(feature = "parquet")]
#[test]
fn columns_that_are_not_read_do_not_hinder_a_part() {
    use std::sync::Arc;

    use arrow_array::{ArrayRef, Float64Array, Int64Array, RecordBatch};
    use parquet::arrow::ArrowWriter;

    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("c.parquet");
    // The column `id` is of a type that no id has.
    let id: ArrayRef = Arc::new(Float64Array::from_iter_values((0..6).map(f64::from)));
    let key: ArrayRef = Arc::new(Int64Array::from_iter_values(0..6));
    let batch = RecordBatch::try_from_iter([("id", id), ("key", key)]).unwrap();
    let mut writer =
        ArrowWriter::try_new(std::fs::File::create(&path).unwrap(), batch.schema(), None).unwrap();
    for from in [0, 2, 4] {
        writer.write(&batch.slice(from, 2)).unwrap();
        writer.flush().unwrap();
    }
    writer.close().unwrap();
    assert!(Reader::open(&path).is_err());
    for keys in [Keys::default().map("id=key").unwrap(), Keys::default().without(&["id".to_owned()])] {
        let documents = (0..3).map(|index| {
            let shard = Some(Shard::new(index, 3).unwrap());
            Reader::open_part(std::slice::from_ref(&path), &keys, shard).unwrap().map(Result::unwrap).count()
        });
        assert_eq!(documents.collect::<Vec<_>>(), [2, 2, 2]);
    }
}
