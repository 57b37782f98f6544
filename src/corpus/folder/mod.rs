//! Reads a folder of media: pictures with texts and fields beside them, folder by folder.

mod fingerprint;
mod kinds;
mod metadata;
mod sidecar;
mod walk;

use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use crate::corpus::document::keys::{IMAGE, Keys, TEXT};
use crate::corpus::document::one::{Document, Split};
use crate::corpus::document::origin::Spot;
use crate::corpus::reader::shard::{Divides, Shard};
use crate::corpus::reader::source::{Aside, Kind, ReadError, Source};
use crate::error::{Error, ErrorCode, Result};
pub(super) use fingerprint::folder_content;
pub(crate) use fingerprint::folder_fingerprint;
pub(super) use kinds::Kinds;
use sidecar::Sidecars;
use walk::{Found, Walk};
pub(super) use walk::{PICTURES, is_media};

/// A directory.
pub(super) const KIND: Kind = Kind {
    name: "folder",
    unit: "document",
    is: |_, about| Ok(about.is_dir()),
    divides: |_| Ok(Divides::Documents),
    open: |path, keys| Ok(Box::new(FolderReader::open(path, keys)?)),
};

/// The documents of the folder `path` that `shard` takes, counted as all are.
///
/// # Errors
/// Those of opening it.
pub(super) fn open_share(path: &Path, keys: &Keys, shard: Shard) -> Result<Box<dyn Source>> {
    Ok(Box::new(FolderReader { shard: Some(shard), ..FolderReader::open(path, keys)? }))
}

/// An iterator over the documents of a folder of media files, in order of relative path (bytes).
///
/// Each picture (`png jpg jpeg jfif jpe jif webp gif bmp tif tiff`) is a document; so is each `STEM.txt` without a picture of
/// that stem, with a text alone. Beside a picture, `NAME.EXT.txt`, else `STEM.txt`, else `STEM.caption` gives its text, and
/// `STEM.json`, one object with the keys of a line of JSON Lines, its fields. Pictures that share a stem each get both. A folder may
/// have `metadata.jsonl` or `metadata.csv`, whose rows name pictures in and below it by `file_name`, and have the other keys; what stands beside a
/// picture goes first. Other files are left out, and counted by kind ([`FolderReader::take_asides`]).
///
/// - `id` is the relative path, with `/`, unless the JSON gives one; the field `image` is the relative path.
/// - The first folder of the path is the field `class`; a first folder with the name of a [`Split`] is the split, and then
///   the next one is the class. `class` and `split` of the JSON go first.
/// - Names that begin with a dot and folders named `__MACOSX` are passed over. Links are followed, but not into a folder
///   that the walk is in already.
///
/// Cost: memory for the names of the folders that the walk is in, and one document.
///
/// # Errors
/// Each bad document is one `Err` item, and reading goes on. A sidecar of a picture that does not read takes away itself alone,
/// as one of [`Document::flaws`], with its file and line; so does a key of it, and a folder, as an aside. Where the split may be
/// lost so, and no folder names it, it is unknown ([`Document::unknown_split`]).
#[derive(Debug)]
pub(super) struct FolderReader {
    root: PathBuf,
    walk: Walk,
    documents: u64,
    /// The path of the document that came last.
    last: Option<String>,
    keys: Keys,
    /// Takes the documents that are read.
    shard: Option<Shard>,
}

impl FolderReader {
    /// Opens the folder `root`; `keys` says which keys hold items, and which keys of sidecars are passed over: a picture stands under that of
    /// `image`, the text beside it under that of `text`.
    ///
    /// # Errors
    /// [`ErrorCode::NotFound`] or [`ErrorCode::Io`].
    pub(super) fn open(root: impl AsRef<Path>, keys: &Keys) -> Result<Self> {
        let root = root.as_ref().to_path_buf();
        let walk = Walk::open(&root, Some(keys.clone()))?;
        Ok(Self { root, walk, documents: 0, last: None, keys: keys.clone(), shard: None })
    }

    /// The folder.
    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// Documents so far, good and bad.
    pub(super) fn position(&self) -> u64 {
        self.documents
    }

    fn document(&self, found: &Found) -> Result<Document> {
        let relative = found.relative.as_deref().ok_or_else(|| {
            Error::new(ErrorCode::BadValue, "a file name is not UTF-8")
                .file(&found.path)
                .hint("rename the file: its path is its id")
        })?;
        let Sidecars { object, text, lost, mut flaws } = Sidecars::read(found, &self.keys)?;
        let blame = |error: Error| match (&found.json, &found.fields) {
            _ if error.facts().file.is_some() => error,
            (Some(json), _) => error.file(json).line(1),
            (None, Some(fields)) => error.file(&fields.path).line(fields.line),
            (None, None) => error.file(&found.path),
        };
        let mut object = object;
        object.retain(|key, _| !self.keys.passes_over(key));
        let keys = &self.keys;
        let of_image = || keys.of(IMAGE).into_iter().flat_map(|key| key.names());
        let field = |media: &str| keys.of(media).map(|key| key.field().to_owned());
        if found.picture
            && let Some(key) = of_image().find(|key| object.contains_key(*key))
        {
            let what = format!("the sidecar of a picture has the key `{key}`, which is left out");
            flaws.push(blame(
                Error::new(ErrorCode::BadValue, what)
                    .expected("no picture but the one of the same stem")
                    .hint("leave the key out"),
            ));
            object.retain(|key, _| of_image().all(|name| name != key));
        }
        let make = |mut object: Map<String, Value>| {
            object.extend(field(TEXT).zip(text.clone().map(Value::from)));
            object.extend(field(IMAGE).filter(|_| found.picture).map(|key| (key, relative.into())));
            place(relative, &mut object, keys.split());
            object.entry(keys.id()).or_insert_with(|| relative.into());
            Document::from_object(object, self.documents, &self.root, keys)
        };
        let names_split = lost || object.contains_key(keys.split());
        let mut document = match make(object.clone()) {
            Ok(document) => document,
            // Keys that cannot be: the picture or text stands without them.
            Err(error) if found.json.is_some() || found.fields.is_some() => {
                let before = flaws.len();
                let alone =
                    |(key, value)| Document::from_object(Map::from_iter([(key, value)]), 0, &self.root, keys);
                object.retain(|key, value| match alone((key.clone(), value.clone())) {
                    Ok(_) => true,
                    Err(error) => {
                        flaws.push(blame(error));
                        false
                    }
                });
                let cause = if flaws.len() == before { Err(error) } else { make(object.clone()) };
                let mut document = match cause {
                    Ok(document) => document,
                    // Keys that cannot be together.
                    Err(error) => {
                        flaws.push(blame(error));
                        object.retain(|key, _| [keys.id(), keys.split(), "class"].contains(&key.as_str()));
                        make(object.clone()).map_err(blame)?
                    }
                };
                if names_split && !object.contains_key(keys.split()) {
                    document.lose_split();
                }
                document
            }
            Err(error) => return Err(blame(error)),
        };
        if lost && !keys.passes_over(keys.split()) {
            document.lose_split();
        }
        document.blame(blame);
        document.flaws.extend(flaws);
        Ok(document)
    }

    /// What was left out since the last call: folders that do not read, and at the end files of other kinds.
    pub(super) fn take_asides(&mut self) -> Vec<Aside> {
        self.walk.take_asides()
    }
}

/// Puts the class and the split that the folders of `relative` name into `object`, where it has none.
fn place(relative: &str, object: &mut Map<String, Value>, key: &str) {
    let mut folders: Vec<&str> = relative.split('/').collect();
    folders.pop();
    let mut folders = folders.into_iter().peekable();
    if let Some(split) = folders.next_if(|name| name.parse::<Split>().is_ok()) {
        object.entry(key).or_insert_with(|| split.into());
    }
    if let Some(class) = folders.next() {
        object.entry("class").or_insert_with(|| class.into());
    }
}

impl Iterator for FolderReader {
    type Item = Result<Document, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut found = loop {
            let found = self.walk.next()?;
            self.documents += 1;
            if self.shard.is_none_or(|shard| shard.takes(self.documents - 1)) {
                break found;
            }
        };
        let read = self.document(&found).map_err(ReadError::Document);
        self.last = found.relative.take();
        Some(read)
    }
}

impl Source for FolderReader {
    fn file(&self) -> &Path {
        self.root()
    }

    fn progress(&self) -> u64 {
        self.position()
    }

    fn len_hint(&self) -> Option<u64> {
        None
    }

    fn spot(&self) -> Spot {
        Spot { path: self.last.clone(), ..Spot::default() }
    }

    fn take_asides(&mut self) -> Vec<Aside> {
        self.take_asides()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::corpus::document::one::Given;
    use serde_json::json;
    use std::fs;

    fn write(root: &Path, files: &[(&str, &[u8])]) {
        for (name, bytes) in files {
            let path = root.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        }
    }

    fn read(root: &Path) -> Vec<Result<Document>> {
        FolderReader::open(root, &Keys::default()).unwrap().map(|read| read.map_err(Error::from)).collect()
    }

    fn ids(root: &Path) -> Vec<String> {
        read(root).into_iter().map(|document| document.unwrap().id.unwrap()).collect()
    }

    #[test]
    fn order_is_that_of_relative_paths() {
        let dir = tempfile::tempdir().unwrap();
        let names =
            ["a/z.png", "a.png", "a-b.png", "a/b/c.JPG", "ä.webp", "b.tiff", "B.gif", "a0.bmp", "a/b.jpeg"];
        write(dir.path(), &names.map(|name| (name, b"".as_slice())));
        write(
            dir.path(),
            &[(".hidden.png", b""), (".git/x.png", b""), ("__MACOSX/a.png", b""), ("notes.md", b"")],
        );
        let mut sorted = names.map(String::from);
        sorted.sort();
        assert_eq!(ids(dir.path()), sorted);
        let mut reader = FolderReader::open(dir.path(), &Keys::default()).unwrap();
        assert_eq!(
            reader.by_ref().map(|document| document.unwrap().line).collect::<Vec<_>>(),
            (1..10).collect::<Vec<_>>()
        );
        assert_eq!(reader.position(), 9);
        assert_eq!(
            FolderReader::open(dir.path().join("no"), &Keys::default()).unwrap_err().code(),
            ErrorCode::NotFound
        );
    }

    #[test]
    fn sidecars_and_folders_make_the_document() {
        let dir = tempfile::tempdir().unwrap();
        write(
            dir.path(),
            &[
                ("root.png", b""),
                ("cat/one.png", b""),
                ("cat/one.jpg", b""),
                ("cat/one.txt", b"\xEF\xBB\xBF a cat\nthat sits \r\n"),
                ("cat/one.JSON", br#"{"n": 3, "tags": ["x"]}"#),
                ("train/dog/deep/two.png", b""),
                (
                    "train/dog/deep/two.json",
                    br#"{"id": 7, "text": "a dog", "class": "hound", "split": "val"}"#,
                ),
                ("test/three.png", b""),
                ("words/only.txt", b"only words"),
                ("words/only.json", br#"{"n": 4}"#),
                ("words/lone.json", br#"{"text": "nothing to stand beside"}"#),
            ],
        );
        let got: Vec<Value> = read(dir.path())
            .into_iter()
            .map(|document| {
                let document = document.unwrap();
                let images: Vec<_> = document
                    .images()
                    .iter()
                    .map(|p| p.path().unwrap().strip_prefix(dir.path()).unwrap().to_owned())
                    .collect();
                json!([document.id, document.split, document.texts(), images, document.fields])
            })
            .collect();
        let text = "a cat\nthat sits";
        let cat = |name: &str| {
            json!([name, null, [text], [name],
                {"class": "cat", "image": name, "n": 3, "tags": ["x"], "text": text}])
        };
        let two = "train/dog/deep/two.png";
        let expected = [
            cat("cat/one.jpg"),
            cat("cat/one.png"),
            json!(["root.png", null, [], ["root.png"], {"image": "root.png"}]),
            json!(["test/three.png", "test", [], ["test/three.png"], {"image": "test/three.png"}]),
            json!(["7", "val", ["a dog"], [two], {"class": "hound", "image": two, "text": "a dog"}]),
            json!(["words/only.txt", null, ["only words"], [], {"class": "words", "n": 4, "text": "only words"}]),
        ];
        assert_eq!(got, expected);
    }

    #[test]
    fn a_bad_sidecar_takes_away_itself_alone() {
        let dir = tempfile::tempdir().unwrap();
        let cases: [(&str, &[u8], ErrorCode, u64); 8] = [
            ("a.txt", b"line one\nbad \xff byte", ErrorCode::BadValue, 2),
            ("b.json", b"{\n\"x\": 1,\n}", ErrorCode::BadJson, 3),
            ("c.json", b"[1]", ErrorCode::BadJson, 1),
            ("d.json", b"{\"a\":1,\n\"a\":2}", ErrorCode::BadJson, 2),
            ("e.json", b"{\"n\": 1,\n\"x\": NaN}", ErrorCode::NotFinite, 2),
            ("f.json", br#"{"image": "x.png", "n": 1}"#, ErrorCode::BadValue, 1),
            ("g.json", br#"{"text": "another", "n": 1}"#, ErrorCode::BadValue, 1),
            ("h.json", b"\xff", ErrorCode::BadJson, 1),
        ];
        for (name, bytes, ..) in cases {
            write(dir.path(), &[(name, bytes), (&format!("{}.png", &name[..1]), b"")]);
        }
        write(
            dir.path(),
            &[("g.txt", b"a text"), ("i.png", b""), ("j.png", b""), ("j.json", b"{\"_x\": 1}")],
        );
        write(dir.path(), &[("k.txt", b"\xff")]);
        let read = read(dir.path());
        assert_eq!(read.len(), cases.len() + 3);
        for ((name, _, code, line), document) in cases.into_iter().zip(&read) {
            let document = document.as_ref().unwrap();
            let [error] = &document.flaws[..] else { panic!("{name}: {:?}", document.flaws) };
            let facts = error.facts();
            assert_eq!((facts.code, facts.line), (code, Some(line)), "{name}: {error}");
            assert_eq!(facts.file.as_deref(), Some(dir.path().join(name).as_path()), "{error}");
            assert_eq!(document.images().len(), 1, "{name}");
            let kept = ["e", "f", "g"].contains(&&name[..1]);
            assert_eq!(document.fields.get("n").is_some(), kept, "{name}: {:?}", document.fields);
        }
        assert_eq!(read[6].as_ref().unwrap().texts(), ["a text"]);
        assert!(read[8].as_ref().unwrap().flaws.is_empty());
        assert_eq!(read[9].as_ref().unwrap().flaws[0].code(), ErrorCode::BadValue);
        // A text that is the document itself.
        assert_eq!(read[10].as_ref().unwrap_err().code(), ErrorCode::BadValue);
    }

    #[test]
    fn a_split_that_is_lost_is_unknown() {
        let dir = tempfile::tempdir().unwrap();
        let long = format!(r#"{{"split":"{}"}}"#, "t".repeat(crate::limits::TEXT_BYTES + 1));
        let cases: [(&str, &str, Option<Split>, bool); 9] = [
            (
                "a",
                r#"{"split":"test","class":"x","id":"own","n":1,"_odd":1,"-odd":2}"#,
                Some(Split::Test),
                false,
            ),
            ("b", r#"{"split":"test","class":"x","id":"own","n":1"#, None, true),
            ("c", r#"["test"]"#, None, true),
            ("train/d", "{", Some(Split::Train), false),
            (
                "e",
                r#"{"split":"test","texts":["a"],"text":"b","class":"x","id":"own"}"#,
                Some(Split::Test),
                false,
            ),
            ("f", r#"{"n":1,"_odd":1}"#, None, false),
            ("g", &long, None, true),
            ("h", r#"{"split":"holdout","_odd":1}"#, None, true),
            ("i", r#"{"id":1.5,"split":"test"}"#, Some(Split::Test), false),
        ];
        for (stem, json, ..) in cases {
            write(dir.path(), &[(&format!("{stem}.png"), b""), (&format!("{stem}.json"), json.as_bytes())]);
        }
        let documents: Vec<Document> = read(dir.path()).into_iter().map(Result::unwrap).collect();
        let find = |stem: &str| {
            let name = format!("{stem}.png");
            documents.iter().find(|document| document.fields["image"] == name.as_str()).unwrap()
        };
        for (stem, _, split, unknown) in cases {
            let document = find(stem);
            assert_eq!(
                (document.split, document.unknown_split.is_some()),
                (split, unknown),
                "{stem}: {document:?}"
            );
        }
        // The keys that can be stay, and each that cannot is named.
        let first = find("a");
        assert_eq!(
            (first.id.as_deref(), &first.fields["class"], &first.fields["n"]),
            (Some("own"), &"x".into(), &1.into())
        );
        assert_eq!(first.flaws.len(), 2);
        assert!(first.flaws.iter().any(|flaw| flaw.to_string().contains("`_odd`")), "{:?}", first.flaws);
        let both = find("e");
        assert_eq!(
            (both.id.as_deref(), &both.fields["class"], both.texts().len()),
            (Some("own"), &"x".into(), 0)
        );
        assert_eq!(find("i").id.as_deref(), Some("i.png"));
        // Who passes over the key asks for no split.
        let mut reader =
            FolderReader::open(dir.path(), &Keys::default().without(&["split".to_owned()])).unwrap();
        assert!(reader.all(|document| document.unwrap().unknown_split.is_none()));
    }

    #[test]
    fn names_of_splits_and_sidecars_that_others_use() {
        let dir = tempfile::tempdir().unwrap();
        let files: [(&str, &[u8]); 14] = [
            ("Training/cat/a.JFIF", b""),
            ("Training/cat/a.JFIF.txt", b"by its whole name"),
            ("Training/cat/a.txt", b"by its stem"),
            ("dev/cat/b.jpe", b""),
            ("dev/cat/b.caption", b"a caption"),
            ("evaluation/cat/c.jif", b""),
            ("evaluation/cat/c.txt", b"text first"),
            ("evaluation/cat/c.caption", b"caption second"),
            ("valid/alone.jpg.txt", b"a text alone"),
            ("valid/d.avif", b""),
            ("valid/e.AVIF", b""),
            ("valid/noext", b""),
            ("valid/lone.caption", b"no picture"),
            ("valid/lone.json", b"{}"),
        ];
        write(dir.path(), &files);
        let mut reader = FolderReader::open(dir.path(), &Keys::default()).unwrap();
        let got: Vec<_> =
            reader.by_ref().map(Result::unwrap).map(|d| (d.split, d.of(TEXT).to_vec())).collect();
        let text = |text: &str| vec![Given::Text(text.to_owned())];
        let expected = [
            (Some(Split::Train), text("by its whole name")),
            (Some(Split::Val), text("a caption")),
            (Some(Split::Test), text("text first")),
            (Some(Split::Val), text("a text alone")),
        ];
        assert_eq!(got, expected);
        let asides: Vec<(String, bool)> = reader
            .take_asides()
            .into_iter()
            .map(|aside| match aside {
                Aside::Passed(error) => (error.facts().message.clone(), error.facts().hint.is_some()),
                other => panic!("{other:?}"),
            })
            .collect();
        let (messages, hints): (Vec<_>, Vec<_>) = asides.into_iter().unzip();
        assert_eq!(messages[0], "1 file without an extension left out");
        assert_eq!(messages[1], "2 files of the kind `.avif` left out: AVIF is not read");
        assert!(messages[2].starts_with("2 files of the kind `.caption` left out"), "{messages:?}");
        assert!(messages[3].starts_with("1 file of the kind `.json` left out"), "{messages:?}");
        assert!(messages[4].starts_with("1 file of the kind `.txt` left out"), "{messages:?}");
        assert_eq!((messages.len(), hints), (5, vec![false, true, false, true, false]));
        assert!(reader.take_asides().is_empty());
    }

    #[test]
    fn the_same_text_twice_is_no_conflict() {
        let dir = tempfile::tempdir().unwrap();
        write(dir.path(), &[("a.png", b""), ("a.txt", b"same\n"), ("a.json", br#"{"text": "same"}"#)]);
        write(dir.path(), &[("b.png", b""), ("b.txt", b" \n"), ("b.json", br#"{"texts": ["x", "y"]}"#)]);
        let documents: Vec<Document> = read(dir.path()).into_iter().map(Result::unwrap).collect();
        assert_eq!(documents[0].texts(), ["same"]);
        assert_eq!(documents[1].texts(), ["x", "y"]);
    }

    #[cfg(unix)]
    #[test]
    fn links_are_followed_but_loops_are_not() {
        use std::os::unix::fs::symlink;
        let dir = tempfile::tempdir().unwrap();
        let (root, other) = (dir.path().join("root"), dir.path().join("other"));
        write(&root, &[("a/x.png", b""), ("b/y.png", b"")]);
        write(&other, &[("z.png", b"")]);
        symlink(&root, root.join("a/up")).unwrap();
        symlink(root.join("b"), root.join("a/to-b")).unwrap();
        symlink(root.join("a"), root.join("b/to-a")).unwrap();
        symlink(&other, root.join("c")).unwrap();
        symlink(root.join("a/x.png"), root.join("link.png")).unwrap();
        symlink("nowhere", root.join("broken.png")).unwrap();
        let expected =
            ["a/to-b/y.png", "a/x.png", "b/to-a/x.png", "b/y.png", "broken.png", "c/z.png", "link.png"];
        assert_eq!(ids(&root), expected);
    }

    #[test]
    fn a_folder_that_does_not_read_takes_away_itself_alone() {
        let dir = tempfile::tempdir().unwrap();
        write(dir.path(), &[("a/x.png", b""), ("b/y.png", b""), ("c.png", b"")]);
        let mut reader = FolderReader::open(dir.path(), &Keys::default()).unwrap();
        assert!(reader.next().unwrap().is_ok());
        fs::remove_dir_all(dir.path().join("b")).unwrap();
        assert_eq!(reader.next().unwrap().unwrap().id.as_deref(), Some("c.png"));
        assert!(reader.next().is_none());
        let [Aside::Unread(error)] = &reader.take_asides()[..] else { panic!("one folder") };
        assert_eq!(error.facts().file.as_deref(), Some(dir.path().join("b").as_path()));
        assert!(error.facts().hint.is_some());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_name_that_is_not_utf_8_is_one_bad_document() {
        use std::os::unix::ffi::OsStrExt;
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(std::ffi::OsStr::from_bytes(b"a\xff.png")), "").unwrap();
        write(dir.path(), &[("b.png", b"")]);
        let read = read(dir.path());
        assert_eq!(read[0].as_ref().unwrap_err().code(), ErrorCode::BadValue);
        assert!(read[1].is_ok() && read.len() == 2);
    }
}
