//! Limits on what a file or an argument may ask for: each one with its unit and its reason.
//!
//! A file of some kilobytes can name gigabytes. Whatever a size in a file leads to, it is compared with one of these before
//! memory is taken, and what is above is refused with [`ErrorCode::TooLarge`]. ARCHITECTURE.md has them as a table, which a
//! test compares with this file. Limits that a user may raise ([`PICTURE_PIXELS`], [`PICTURE_BYTES`]) are the defaults.

use std::fmt::Display;
use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Read};
use std::path::Path;

use crate::error::{Error, ErrorCode, Result};

/// Bytes of a line of any JSON Lines file, and of a sidecar: the line is in memory whole, as text and as values.
pub const LINE_BYTES: usize = 64 << 20;
/// Values in one line of JSON, lists and objects included: each takes 72 bytes, whatever its text took.
pub const LINE_VALUES: usize = 1 << 20;
/// Bytes of the files of one document of a tar archive together: they are in memory.
pub const SAMPLE_BYTES: u64 = 256 << 20;
/// Bytes of a long name, or of what else stands before a file, in a tar archive.
pub const TAR_HEADER: u64 = 1 << 20;
/// Columns of a file of separated values.
pub const TABLE_COLUMNS: usize = 16_384;
/// Bytes of one string of a document: an indexed text takes some 40 times its bytes while its document is added.
pub const TEXT_BYTES: usize = 8 << 20;
/// Bytes of all strings of a document together: the host adds a document whole, beyond its grant of memory.
pub const DOCUMENT_BYTES: usize = 16 << 20;
/// Times its own bytes that a packed file may unpack to, beyond [`PACKED_FREE`]: reading it would take hours.
pub const PACKED_RATIO: u64 = 400;
/// Bytes that any packed file may unpack to.
pub const PACKED_FREE: u64 = 256 << 20;
/// Terms of one text: an analysis of n-grams makes up to 20 of each byte, and each takes some bytes until a commit.
pub const TEXT_TERMS: usize = 4 << 20;
/// Items of one document, passages included: each becomes up to 8 KiB of features.
pub const DOCUMENT_ITEMS: usize = 16_384;

/// Pixels of a picture: decoding takes up to 16 bytes for each.
pub const PICTURE_PIXELS: u64 = 50_000_000;
/// Bytes of a picture file: it is in memory whole.
pub const PICTURE_BYTES: u64 = 64 << 20;
/// Pixels of one side of a picture: tables of resizing grow with it.
pub const PICTURE_SIDE: u32 = 1 << 18;
/// Bytes of the orientation's metadata in a PNG; larger chunks are passed over, as text and colour profiles are.
pub const PICTURE_METADATA: usize = 1 << 20;
/// Passes of a JPEG over its pixels: each costs the time of a whole picture, and may take 20 bytes.
pub const JPEG_SCANS: usize = 500;
/// Bytes that pictures may take that are decoded side by side; one that takes more is decoded alone.
pub const DECODING_BYTES: u64 = 256 << 20;

/// Bytes of a bundle's `config.json`: 4,096 names of classes, and the calibrations of 256 media types.
pub const BUNDLE_CONFIG_BYTES: u64 = 16 << 20;
/// Bytes of a bundle's `model.safetensors`: it is read, and compared with its fingerprints, in memory.
pub const BUNDLE_TENSOR_BYTES: u64 = 1 << 30;
/// Media types of a bundle: those of a `.uvec` file.
pub const BUNDLE_MEDIA: usize = 256;
/// Classes of a bundle: posteriors are stored with every item.
pub const BUNDLE_CLASSES: usize = 4096;
/// Landmarks of a kernel member of a bundle.
pub const BUNDLE_LANDMARKS: usize = 65_536;
/// Elements of a shared vector: the metric network has its square, for each pair of media types.
pub const DIM: usize = 8192;
/// Anchors of the hub terms of a media type: each item is compared with all of them when it is indexed.
pub const HUB_ANCHORS: usize = 65_536;
/// Sample queries of a media type of a bundle: each is compared with the rows of every segment that is written.
pub const BUNDLE_SAMPLES: usize = 4096;
/// Elements of a vector, or of a half of one, in an index, whatever made it.
pub const ROW_ELEMENTS: usize = 65_536;
/// Bytes of the header of a safetensors file: it becomes a table of tensors.
pub const SAFETENSORS_HEADER: u64 = 16 << 20;
/// Bytes of a small file that is read whole: a manifest, `schema.toml`, the settings of training.
pub const SETTINGS_BYTES: u64 = 16 << 20;
/// Sources that an index lists: the list is written anew with each. Documents of more do not say where they came from.
pub const SOURCE_ROOTS: usize = 10_000;
/// Parts that a source is cut into: lists of parts and of missing ones grow with it.
pub const SHARDS: u32 = 1_000_000;
/// Bytes of the host's lists in an index, `meta.json` and `.managed.json`: some hundred for each file of a segment.
pub const META_BYTES: u64 = 256 << 20;

/// Bytes of the footer of a Parquet file: a thousand columns in hundreds of row groups, with statistics.
pub const PARQUET_FOOTER: u64 = 64 << 20;
/// Elements of the schema of a Parquet file, columns and groups.
pub const PARQUET_COLUMNS: usize = 16_384;
/// Depth of the schema of a Parquet file: readers of it call themselves.
pub const PARQUET_DEPTH: usize = 32;
/// Bytes of the pages of a row group that are open together, one of each column with its dictionary, decompressed.
pub const PARQUET_PAGES: u64 = 128 << 20;
/// The same, where they are no more than [`PARQUET_RATIO`] times what stands in the file.
pub const PARQUET_PAGES_DENSE: u64 = 1 << 30;
/// Decompressed over compressed bytes of pages that may take [`PARQUET_PAGES_DENSE`].
pub const PARQUET_RATIO: u64 = 16;
/// Values of one column in one row, those of all its lists: a run of a few bytes can stand for all of them.
pub const PARQUET_LIST_VALUES: u64 = 4 << 20;
/// Bytes of the header of a page of a Parquet file: it has statistics, with whole values.
pub const PARQUET_HEADER: usize = 1 << 20;
/// Bytes of the values of a batch of rows, with each entry of a dictionary as often as rows name it.
pub const PARQUET_BATCH: u64 = 64 << 20;

/// Bytes of a query string.
pub const QUERY_BYTES: usize = 1 << 20;
/// Groups and exclusions of a query string inside of each other: its parser works on the stack.
pub const QUERY_DEPTH: usize = 200;
/// Clauses of a query string, each once for every group that it stands in and every field that it asks: each has buffers of
/// some 3 kB in every segment.
pub const QUERY_CLAUSES: usize = 16_384;
/// Words and phrases that stand for one word of a field by its synonyms: each is a clause wherever the word is asked for.
pub const SYNONYMS: usize = 64;
/// Bytes of the patterns, fuzzy words and regular expressions of a query string, in each field that they ask: their automata
/// take up to 30 kB for each. A pattern counts as 16 at least, a regular expression and the beginning of a word at the end of
/// a phrase as 256.
pub const QUERY_PATTERNS: usize = 8192;
/// Query parts of one query: each is compared with every item.
pub const QUERY_PARTS: usize = 4096;

/// Bytes that all files of an index have at most for it to be read whole before it is searched: of a larger one `verify` says
/// what is wrong, since an open would take as long as reading it.
pub const READ_AT_OPEN: u64 = 4 << 20;
/// Bytes of an index's files that are read whole while a writer is open, since the host applies deletes where a panic ends the
/// process.
pub const READ_FOR_CHANGES: u64 = 2 << 30;

/// Threads that may be asked for: a pool that has more than any machine helps nobody.
pub const THREADS: usize = 1024;

/// The error of what is above a limit: `what` in a sentence, the limit and what there is, with `unit`.
pub fn over(what: impl Into<String>, most: impl Display, got: impl Display, unit: &str) -> Error {
    Error::new(ErrorCode::TooLarge, what)
        .expected(format!("at most {most} {unit}"))
        .got(format!("{got} {unit}"))
}

/// What lies at a path where a file is looked for.
pub(crate) enum Opened {
    /// A regular file, open.
    File(File, Metadata),
    /// Something else, in words.
    Other(&'static str),
}

impl Opened {
    /// What is no regular file, in words.
    fn other(about: &Metadata) -> Option<Self> {
        let words = if about.is_dir() { "a directory" } else { "a device or pipe" };
        (!about.is_file()).then_some(Self::Other(words))
    }

    /// Opens what lies at `path` now, without waiting for whoever may write into it.
    fn now(path: &Path) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        options.read(true);
        // Regular files are read as ever.
        #[cfg(unix)]
        {
            use std::os::unix::fs::OpenOptionsExt;
            options.custom_flags(rustix::fs::OFlags::NONBLOCK.bits().cast_signed());
        }
        let file = options.open(path)?;
        let about = file.metadata()?;
        Ok(Self::other(&about).unwrap_or(Self::File(file, about)))
    }
}

/// Opens a regular file to read it. Nothing is waited for: a pipe is refused, also one that takes the place of a file meanwhile.
pub(crate) fn open_regular(path: &Path) -> io::Result<Opened> {
    // A look first, since to open a device may do something.
    match Opened::other(&std::fs::metadata(path)?) {
        Some(other) => Ok(other),
        None => Opened::now(path),
    }
}

/// Opens a regular file to read it; `what` is what it is, in a sentence. Waits for nobody.
///
/// # Errors
/// Those of opening; [`ErrorCode::BadValue`] for what is no file, such as a pipe, which might never end.
pub fn open_file(path: &Path, what: &str) -> Result<File> {
    let io = |error| Error::io(path, error);
    match open_regular(path).map_err(io)? {
        Opened::File(file, _) => Ok(file),
        Opened::Other("a directory") => Err(io(io::ErrorKind::IsADirectory.into())),
        Opened::Other(got) => {
            let error = Error::new(ErrorCode::BadValue, format!("{what} is no file"));
            Err(error.file(path).expected("a file").got(got))
        }
    }
}

/// Opens what the user names, which may be a pipe on purpose: it is waited for, unless a file lay there when it was looked for.
///
/// # Errors
/// Those of [`open_file`].
pub(crate) fn open_named(path: &Path, what: &str) -> Result<File> {
    let io = |error| Error::io(path, error);
    if std::fs::metadata(path).map_err(io)?.is_file() {
        open_file(path, what)
    } else {
        File::open(path).map_err(io)
    }
}

/// Reads a file whole that must be small; `what` is what it is, in a sentence.
///
/// # Errors
/// Those of reading; [`ErrorCode::TooLarge`] above `most` bytes; [`ErrorCode::BadValue`] for what is no file, such as a
/// pipe, which might never end.
pub fn read_file(path: &Path, most: u64, what: &str) -> Result<Vec<u8>> {
    let io = |error| Error::io(path, error);
    let file = open_file(path, what)?;
    let length = file.metadata().map_err(io)?.len();
    let mut bytes = Vec::new();
    file.take(most.saturating_add(1)).read_to_end(&mut bytes).map_err(io)?;
    if bytes.len() as u64 > most {
        return Err(over(format!("{what} is too large"), most, length.max(most.saturating_add(1)), "bytes")
            .file(path)
            .hint("look at what is in it, or restore it"));
    }
    Ok(bytes)
}

/// As [`read_file`], for text.
///
/// # Errors
/// Those of [`read_file`]; [`ErrorCode::BadValue`] with the offset for what is no UTF-8.
pub fn read_text(path: &Path, most: u64, what: &str) -> Result<String> {
    String::from_utf8(read_file(path, most, what)?).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        Error::new(ErrorCode::BadValue, format!("{what} is not valid UTF-8"))
            .file(path)
            .offset(at as u64)
            .expected("UTF-8")
    })
}

/// The length of the header of a safetensors file, from its first bytes, checked; files that are shorter are left to the
/// reader.
///
/// # Errors
/// [`ErrorCode::TooLarge`].
pub(crate) fn check_safetensors(bytes: &[u8]) -> Result<()> {
    let Some(length) = bytes.first_chunk::<8>().map(|length| u64::from_le_bytes(*length)) else {
        return Ok(());
    };
    // A length beyond the file is damage, which the reader says.
    if length <= bytes.len() as u64 { check_safetensors_header(length) } else { Ok(()) }
}

/// The length of the header of a safetensors file, which is in the file.
///
/// # Errors
/// [`ErrorCode::TooLarge`].
pub(crate) fn check_safetensors_header(length: u64) -> Result<()> {
    if length > SAFETENSORS_HEADER {
        let what = "the header of the safetensors file is too large";
        return Err(over(what, SAFETENSORS_HEADER, length, "bytes")
            .hint("write fewer tensors, or less metadata, into one file"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Name and value of each constant, as this file has them.
    fn constants() -> Vec<(String, String)> {
        let lines = include_str!("limits.rs").lines();
        let constant = |line: &str| {
            let (name, rest) = line.strip_prefix("pub const ")?.split_once(": ")?;
            let (_, value) = rest.split_once(" = ")?;
            Some((name.to_owned(), value.trim_end_matches(';').replace('_', ",")))
        };
        lines.filter_map(constant).collect()
    }

    #[test]
    fn the_table_of_architecture_has_each_limit() {
        let table = include_str!("../ARCHITECTURE.md");
        let rows: Vec<&str> = table.lines().filter(|line| line.starts_with("| `")).collect();
        assert!(constants().len() > 25);
        for (name, value) in constants() {
            let row = rows.iter().find(|row| row.starts_with(&format!("| `{name}` |")));
            let row = row.unwrap_or_else(|| panic!("ARCHITECTURE.md has no row for `{name}`"));
            let shown = match value.split_once(" << ") {
                Some((n, shift)) => {
                    let (n, shift): (u64, u32) = (n.parse().unwrap(), shift.parse().unwrap());
                    let mut digits = (n << shift).to_string();
                    let mut at = digits.len();
                    while at > 3 {
                        at -= 3;
                        digits.insert(at, ',');
                    }
                    digits
                }
                None => value,
            };
            let cell = row.split('|').nth(2).unwrap().trim();
            assert_eq!(cell.replace(',', ""), shown.replace(',', ""), "`{name}`");
        }
    }

    #[test]
    fn a_file_is_read_up_to_its_limit() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("settings");
        std::fs::write(&path, "12345").unwrap();
        assert_eq!(read_file(&path, 5, "the file").unwrap(), b"12345");
        let error = read_file(&path, 4, "the file").unwrap_err();
        let facts = error.facts();
        assert_eq!((facts.code, facts.file.as_deref()), (ErrorCode::TooLarge, Some(&*path)));
        assert_eq!(
            (facts.expected.as_deref(), facts.got.as_deref()),
            (Some("at most 4 bytes"), Some("5 bytes"))
        );
        assert_eq!(read_file(&dir.path().join("x"), 4, "it").unwrap_err().code(), ErrorCode::NotFound);
        std::fs::write(&path, b"a\xff").unwrap();
        let error = read_text(&path, 5, "the file").unwrap_err();
        assert_eq!((error.code(), error.facts().offset), (ErrorCode::BadValue, Some(1)));
    }

    /// What `work` gives, which must come to an end.
    #[cfg(unix)]
    fn ends<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
        let (told, heard) = std::sync::mpsc::channel();
        std::thread::spawn(move || told.send(work()));
        heard.recv_timeout(std::time::Duration::from_secs(60)).expect("it ends")
    }

    #[cfg(unix)]
    #[test]
    fn a_pipe_is_not_waited_for_also_where_a_file_lay() {
        let dir = tempfile::tempdir().unwrap();
        let pipe = dir.path().join("pipe");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        // As if a file had lain there at the look.
        let at = pipe.clone();
        assert!(matches!(ends(move || Opened::now(&at)).unwrap(), Opened::Other("a device or pipe")));
        let at = pipe.clone();
        let error = ends(move || open_file(&at, "the file")).unwrap_err();
        let facts = error.facts();
        assert_eq!((facts.code, facts.message.as_str()), (ErrorCode::BadValue, "the file is no file"));
        assert_eq!((facts.file.as_deref(), facts.got.as_deref()), (Some(&*pipe), Some("a device or pipe")));
        assert_eq!(open_file(dir.path(), "the file").unwrap_err().code(), ErrorCode::Io);
        assert_eq!(open_file(&dir.path().join("x"), "the file").unwrap_err().code(), ErrorCode::NotFound);
        assert_eq!(read_file(Path::new("/dev/null"), 5, "the file").unwrap_err().code(), ErrorCode::BadValue);
        // One that is named is waited for, and read as a file is.
        let (named, into) = (pipe.clone(), pipe.clone());
        let writer = std::thread::spawn(move || std::fs::write(into, "12345").unwrap());
        let read = ends(move || {
            let mut text = String::new();
            open_named(&named, "the source").unwrap().read_to_string(&mut text).unwrap();
            text
        });
        writer.join().unwrap();
        assert_eq!(read, "12345");
        let file = dir.path().join("file");
        std::fs::write(&file, "67").unwrap();
        let mut text = String::new();
        open_named(&file, "the source").unwrap().read_to_string(&mut text).unwrap();
        assert_eq!(
            (text.as_str(), read_file(&file, u64::MAX, "the file").unwrap().as_slice()),
            ("67", &b"67"[..])
        );
    }

    #[test]
    fn the_header_of_a_safetensors_file_has_a_limit() {
        let file = |length: u64, bytes: usize| {
            let mut file = length.to_le_bytes().to_vec();
            file.resize(bytes, b' ');
            check_safetensors(&file).map_err(|error| error.code())
        };
        let most = SAFETENSORS_HEADER;
        assert_eq!(file(most, most as usize + 8), Ok(()));
        assert_eq!(file(most + 1, most as usize + 9), Err(ErrorCode::TooLarge));
        assert_eq!(file(most + 1, 100), Ok(()), "a cut file, which its reader refuses");
        assert_eq!(check_safetensors(b"1234").map_err(|error| error.code()), Ok(()));
    }
}
