//! Tar archives, metadata of image folders, features under a key, and several files as one corpus.

use std::fs;
use std::path::Path;

use serde_json::json;
use uncsm_index::corpus::{Aside, Document, Given, Keys, ReadError, Reader};
use uncsm_index::{Error, ErrorCode};

use super::tar::{Tar, entry};

const PNG: &[u8] = b"\x89PNG\r\n\x1a\nno more";

/// All documents, and what was left out.
fn all(path: &Path, keys: &Keys) -> (Vec<Result<Document, ReadError>>, Vec<Error>) {
    let mut reader = Reader::open_with(path, keys).unwrap();
    let read = reader.by_ref().collect();
    (read, reader.take_asides().iter().map(|aside| aside.error().clone()).collect())
}

fn good(path: &Path, keys: &Keys) -> Vec<Document> {
    let (read, asides) = all(path, keys);
    assert_eq!(asides, []);
    let documents: Vec<Document> = read.into_iter().map(Result::unwrap).collect();
    assert!(documents.iter().all(|document| document.flaws.is_empty()), "{documents:?}");
    documents
}

fn keys(map: &str) -> Keys {
    Keys::default().map(map).unwrap()
}

#[test]
fn files_of_one_key_are_a_document() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("shard.tar");
    let mut tar = Tar::default();
    tar.folder("a/").file("./a/1.PNG", PNG).file("a/1.txt", b"\xEF\xBB\xBF a text\n").file("a/1.cls", b"3\n");
    tar.file("a/1.json", b"{\n\"side\": 4,\n\"image\": \"gone.png\"}");
    tar.file("a/2.left.jpg", PNG).file("a/2.right.jpg", PNG).file("a/2.caption", b"two");
    tar.file("b.json", br#"{"id":"own","text":"words alone","split":"test"}"#);
    fs::write(&path, tar.bytes()).unwrap();
    let documents = good(&path, &Keys::default());
    let ids: Vec<_> = documents.iter().map(|document| document.id.as_deref().unwrap()).collect();
    assert_eq!(ids, ["a/1", "a/2", "own"]);
    assert_eq!(
        serde_json::Value::from(documents[0].fields.clone()),
        json!({"class": 3, "image": "a/1.PNG", "side": 4, "text": "a text"})
    );
    assert_eq!(documents[0].images(), [Given::Bytes(PNG.into())]);
    assert_eq!((documents[1].images().len(), documents[1].texts()), (2, vec!["two"]));
    assert_eq!(documents[1].fields["image"], json!(["a/2.left.jpg", "a/2.right.jpg"]));
    assert_eq!((documents[2].texts(), documents[2].line), (vec!["words alone"], 3));
    // Packed, it is the same.
    let packed = dir.path().join("shard.tgz");
    fs::write(&packed, super::tar::gzip(&tar.bytes())).unwrap();
    assert_eq!(good(&packed, &Keys::default()), documents);
    // Extensions are keys of media types.
    let mut tar = Tar::default();
    tar.file("1.wav", b"RIFF").file("1.note", b"heard");
    fs::write(&path, tar.bytes()).unwrap();
    let documents = good(&path, &keys("audio=wav,text=note"));
    assert_eq!(documents[0].of("audio"), [Given::Bytes((*b"RIFF").into())]);
    assert_eq!(
        serde_json::Value::from(documents[0].fields.clone()),
        json!({"note": "heard", "wav": "1.wav"})
    );
}

#[test]
fn odd_archives_lose_what_is_odd_alone() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("odd.tar");
    let long = format!("{}/{}.txt", "d".repeat(180), "n".repeat(120));
    let mut tar = Tar::default();
    tar.file("../up.txt", b"climbs").file("/etc/x.txt", b"absolute").link("l.txt").file("._1.txt", b"hidden");
    tar.pax(&long).file("short", b"by pax").gnu(&long.replace('n', "m")).file("short", b"by gnu");
    tar.file("bad.json", b"{")
        .file("bad.txt", b"stays")
        .file("e.txt", b"\xff")
        .file("e.png", PNG)
        .file("x.npy", b"numbers");
    tar.file("twice.txt", b"one").file("other.txt", b"between").file("twice.txt", b"two");
    fs::write(&path, tar.bytes()).unwrap();
    let (read, asides) = all(&path, &Keys::default());
    let documents: Vec<Document> = read.into_iter().map(Result::unwrap).collect();
    let seen: Vec<_> = documents.iter().map(|document| (document.texts(), document.flaws.len())).collect();
    let right = [("by pax", 0), ("by gnu", 0), ("stays", 1), ("", 1), ("one", 0), ("between", 0), ("two", 0)];
    let right: Vec<_> =
        right.map(|(text, flaws)| (Vec::from_iter((!text.is_empty()).then_some(text)), flaws)).into();
    assert_eq!(seen, right);
    assert_eq!(documents[0].id.as_deref(), Some(long.trim_end_matches(".txt")));
    // What the JSON says of the split is lost.
    assert!(documents[2].unknown_split.is_some());
    let said: Vec<&str> = asides.iter().map(|error| error.facts().message.as_str()).collect();
    assert_eq!(said.len(), 3, "{said:?}");
    assert!(
        said[0].contains("link") && said[1].contains("2 files left out: name that leads out"),
        "{said:?}"
    );
    assert!(said[2].contains("`.npy`"), "{said:?}");
}

#[test]
fn what_an_archive_says_twice_or_does_not_hold_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("c.tar");
    fs::write(dir.path().join("gone.png"), PNG).unwrap();
    let mut tar = Tar::default();
    tar.file("a.json", br#"{"image":"gone.png","n":1}"#).file("a.more.json", br#"{"n":2,"m":3}"#);
    tar.file("b.0.txt", b"one").file("b.caption", b"not this").file("b.1.txt", b"two");
    tar.file("c.json", br#"{"texts":["one"]}"#).file("c.txt", b"one");
    fs::write(&path, tar.bytes()).unwrap();
    let (read, _) = all(&path, &Keys::default());
    let documents: Vec<Document> = read.into_iter().map(Result::unwrap).collect();
    assert_eq!((documents[0].images(), documents[0].fields["n"].clone()), (&[][..], json!(1)));
    assert_eq!(documents[0].fields["m"], json!(3));
    let flaws: Vec<String> = documents[0].flaws.iter().map(|flaw| flaw.facts().message.clone()).collect();
    assert_eq!(flaws.len(), 2, "{flaws:?}");
    assert!(flaws[0].contains("differ in `n`") && flaws[1].contains("holds no such file"), "{flaws:?}");
    assert_eq!((documents[1].texts(), documents[1].flaws.len()), (vec!["one", "two"], 0));
    assert_eq!((documents[2].texts(), documents[2].flaws.len()), (vec!["one"], 0));
}

#[test]
fn a_document_of_many_files_is_bounded() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("many.tar");
    let mut tar = Tar::default();
    for at in 0..16_390 {
        tar.file(&format!("a.{at}.txt"), b"t");
    }
    fs::write(&path, tar.bytes()).unwrap();
    let (read, _) = all(&path, &Keys::default());
    let documents: Vec<Document> = read.into_iter().map(Result::unwrap).collect();
    assert_eq!((documents.len(), documents[0].texts().len(), documents[0].flaws.len()), (1, 16_384, 1));
}

#[test]
fn a_cut_or_damaged_archive_names_the_byte() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("cut.tar");
    let mut tar = Tar::default();
    tar.file("a.txt", b"one").file("b.txt", &[b'x'; 700]);
    let whole = tar.bytes();
    let end = |bytes: &[u8]| {
        fs::write(&path, bytes).unwrap();
        let (read, _) = all(&path, &Keys::default());
        match read.into_iter().find_map(Result::err) {
            Some(ReadError::End(error)) => (error.code(), error.facts().offset, error.facts().file.clone()),
            other => panic!("{other:?}"),
        }
    };
    let damaged = |at| (ErrorCode::Damaged, Some(at), Some(path.clone()));
    // Within a file, and within a header.
    assert_eq!(end(&whole[..1_800]), damaged(1_800));
    assert_eq!(end(&whole[..1_100]), damaged(1_100));
    let mut flipped = whole.clone();
    flipped[1_024 + 3] ^= 1;
    assert_eq!(end(&flipped), damaged(1_024));
    // Without the zeros at its end it is whole, and an empty one has no document.
    fs::write(&path, &whole[..3 * 512 + 700]).unwrap();
    assert_eq!(good(&path, &Keys::default()).len(), 2);
    fs::write(&path, [0; 1024]).unwrap();
    assert!(good(&path, &Keys::default()).is_empty());
    // A size that no file has.
    let mut huge = entry("a.txt", b'0', u64::MAX >> 1);
    huge.extend_from_slice(b"little");
    fs::write(&path, &huge).unwrap();
    let (read, _) = all(&path, &Keys::default());
    assert!(read.iter().any(|read| matches!(read, Err(ReadError::End(_)))), "{read:?}");
}

#[test]
fn metadata_name_pictures_in_and_below_their_folder() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("ds");
    let write = |name: &str, bytes: &[u8]| {
        let path = root.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    };
    for name in ["train/0.png", "train/in/1.png", "train/2.png", "test/3.png"] {
        write(name, PNG);
    }
    write(
        "train/metadata.jsonl",
        b"\xEF\xBB\xBF{\"file_name\":\"in/1.png\",\"text\":\"one\",\"n\":1}\n\n{\"file_name\":\"./0.png\",\"text\":\"zero\"}\n",
    );
    write("test/metadata.csv", b"file_name,text,n,split\r\n3.png,\"three,\nor so\",3,val\r\n");
    let documents = good(&root, &Keys::default());
    let seen: Vec<_> =
        documents.iter().map(|document| (document.id.as_deref().unwrap(), document.texts())).collect();
    let right = [
        ("test/3.png", vec!["three,\nor so"]),
        ("train/0.png", vec!["zero"]),
        ("train/2.png", vec![]),
        ("train/in/1.png", vec!["one"]),
    ];
    assert_eq!(seen, right);
    assert_eq!((&documents[0].fields["n"], documents[0].split.unwrap().as_str()), (&json!(3), "val"));
    assert_eq!(documents[3].fields["image"], "train/in/1.png");
    // What beside it is wrong takes away itself alone.
    write(
        "train/metadata.jsonl",
        b"{\"file_name\":\"no.png\",\"text\":\"x\"}\n{\n{\"text\":\"no name\"}\n{\"file_name\":\"0.png\",\"_odd\":1,\"text\":\"zero\"}\n{\"file_name\":\"0.png\"}\n",
    );
    write("train/2.json", b"{\"text\":\"beside\"}");
    write("test/metadata.csv", b"file_name,text,n,n\n3.png,three,NA,1\nx.png,x,2,1\n");
    write("more/metadata.jsonl", b"{\"file_name\":\"4.png\",\"text\":\"four\",\"n\":NaN}\n");
    write("more/4.png", PNG);
    let (read, asides) = all(&root, &Keys::default());
    let documents: Vec<Document> = read.into_iter().map(Result::unwrap).collect();
    assert_eq!((documents[0].texts(), documents[0].flaws.len()), (vec!["four"], 0));
    assert_eq!((documents[2].texts(), documents[2].flaws.len()), (vec!["zero"], 1));
    assert_eq!(documents[2].flaws[0].facts().line, Some(4));
    assert_eq!(documents[3].texts(), ["beside"]);
    let said: Vec<_> =
        asides.iter().map(|error| (error.facts().message.as_str(), error.facts().line)).collect();
    assert!(
        matches!(said[..], [.., (bad, Some(2)), (unused, Some(1))] if bad.starts_with("3 rows") && unused.starts_with("1 row of")),
        "{said:?}"
    );
    // What is not finite takes away itself; what a table leaves out is told.
    let right = ["values in 1 row", "1 row of", "two columns", "`n` is a column of numbers"];
    assert_eq!(said.len(), right.len() + 2, "{said:?}");
    for (said, right) in said.iter().zip(right) {
        assert!(said.0.starts_with(right), "{said:?}");
    }
}

#[test]
fn features_stand_under_a_key() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("c.jsonl");
    let lines = "{\"id\":1,\"text\":\"t\",\"e\":[0.5,-1,2e0]}\n{\"id\":2,\"e\":[[1,2,3],[4,5,6]]}\n{\"id\":3,\"e\":[1,NaN,3]}\n\
                 {\"id\":4,\"e\":[]}\n{\"id\":5,\"e\":null}\n{\"id\":6,\"e\":[1,\"x\"]}\n{\"id\":7,\"e\":[1e39]}\n{\"id\":8,\"e\":\"1,2\"}\n{\"id\":9,\"e\":[null,[1,2,3]]}\n";
    fs::write(&path, lines).unwrap();
    let (read, _) = all(&path, &keys("image:features=e"));
    let features = |at: usize| read[at].as_ref().unwrap().of("image").to_vec();
    assert_eq!(features(0), [Given::Features(vec![0.5, -1.0, 2.0])]);
    assert_eq!(features(1), [Given::Features(vec![1.0, 2.0, 3.0]), Given::Features(vec![4.0, 5.0, 6.0])]);
    assert_eq!(features(8), [Given::Features(vec![1.0, 2.0, 3.0])]);
    assert_eq!(read[0].as_ref().unwrap().fields.keys().collect::<Vec<_>>(), ["text"]);
    for (at, flaws) in [(2, 2), (3, 0), (4, 0), (6, 1)] {
        let document = read[at].as_ref().unwrap();
        assert_eq!((document.of("image").len(), document.flaws.len()), (0, flaws), "{document:?}");
        assert!(document.flaws.iter().all(|flaw| flaw.code() == ErrorCode::NotFinite));
    }
    for at in [5, 7] {
        assert_eq!(read[at].as_ref().unwrap_err().code(), ErrorCode::BadValue);
    }
    // A table has them as JSON.
    let table = dir.path().join("c.csv");
    fs::write(&table, "id,e\n1,\"[0.5, -1, 2]\"\n2,\n3,0.5\n").unwrap();
    let (read, _) = all(&table, &keys("image:features=e"));
    assert_eq!(read[0].as_ref().unwrap().of("image"), [Given::Features(vec![0.5, -1.0, 2.0])]);
    assert!(read[1].as_ref().unwrap().items.is_empty() && read[2].is_err());
}

#[test]
fn several_files_are_one_corpus() {
    let dir = tempfile::tempdir().unwrap();
    for (name, text) in [
        ("x/a.jsonl", "{\"text\":\"1\"}\n{\n"),
        ("x/b.csv", "text\n2\n"),
        ("y/a.jsonl", ""),
        ("y/c.json", "[{\"text\":\"3\"}]"),
    ] {
        let path = dir.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let paths = [dir.path().join("x"), dir.path().join("y/*.j*")];
    let mut reader = Reader::open_all(&paths, &Keys::default()).unwrap();
    let mut seen = Vec::new();
    while let Some(read) = reader.next() {
        let line = read.as_ref().map_or(0, |document| document.line);
        let kind = reader.root().kind.clone();
        assert!(reader.position() <= reader.len_hint().unwrap());
        seen.push((read.is_ok(), reader.id_of_place(line), kind, reader.unit()));
    }
    let right = [
        (true, "x/a.jsonl:1", "jsonl", "line"),
        (false, "x/a.jsonl:0", "jsonl", "line"),
        (true, "x/b.csv:2", "table", "line"),
        (true, "y/c.json:1", "array", "document"),
    ];
    assert_eq!(seen, right.map(|(ok, id, kind, unit)| (ok, id.to_owned(), kind.to_owned(), unit)));
    // One that does not read ends it, and says which.
    fs::write(dir.path().join("y/d.jsonl"), b"\x1f\x8b\x08").unwrap();
    let read: Vec<_> = Reader::open_all(&paths, &Keys::default()).unwrap().collect();
    let Some(Err(ReadError::End(error))) = read.last() else { panic!("{read:?}") };
    assert_eq!(error.facts().file.as_deref(), Some(dir.path().join("y/d.jsonl").as_path()));
    let missing = Reader::open_all(&[paths[0].clone(), dir.path().join("z")], &Keys::default()).unwrap_err();
    assert_eq!(missing.code(), ErrorCode::NotFound);
}

#[test]
fn pictures_may_stand_in_a_text() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("c.jsonl");
    let lines = "{\"image\":\"data:image/png;base64,TWFu\"}\n{\"images\":[\"a.png\",\"data:;base64,TWE=\"]}\n\
                 {\"image\":\"https://example.org/a.png\",\"text\":\"t\"}\n{\"image\":\"data:image/svg+xml,%3Csvg\"}\n";
    fs::write(&path, lines).unwrap();
    let (read, _) = all(&path, &Keys::default());
    let document = |at: usize| read[at].as_ref().unwrap();
    assert_eq!((document(0).images(), document(0).fields.len()), (&[Given::Bytes((*b"Man").into())][..], 0));
    assert_eq!((document(1).images().len(), &document(1).fields["image"]), (2, &json!(["a.png"])));
    for (at, what) in [(2, "nothing is fetched"), (3, "not base64")] {
        let [flaw] = &document(at).flaws[..] else { panic!("{:?}", document(at)) };
        assert!(flaw.facts().message.contains(what), "{flaw}");
        assert!(document(at).images().is_empty() && flaw.facts().line.is_some());
    }
}

#[test]
fn what_is_passed_over_in_a_folder_of_files_is_no_picture() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("a.heic"), b"").unwrap();
    fs::write(dir.path().join("b.png"), PNG).unwrap();
    let mut reader = Reader::open(dir.path()).unwrap();
    assert_eq!(reader.by_ref().count(), 1);
    let [Aside::Passed(error)] = &reader.take_asides()[..] else { panic!("one kind") };
    assert!(
        error.to_string().contains("HEIC is not read") && error.to_string().contains("heif-convert"),
        "{error}"
    );
}
