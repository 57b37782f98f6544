//! The bytes of a file as they were before it was packed: plain, gzip or zstd, told apart by the first bytes.

mod gzip;
mod packed;
mod zst;

use std::fmt;
use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::path::Path;

use crate::corpus::reader::source::ReadError;
use crate::error::{Error, ErrorCode, Result};
use crate::limits::{self, PACKED_FREE, PACKED_RATIO};
use gzip::Gzip;
use packed::Packed;
use zst::Zst;

/// A file that is read from its start to its end, unpacked where it is packed.
///
/// Cost: memory for 128 KiB of the file; of gzip for a window of 32 KiB; of zstd for that of a frame, at most 128 MiB. Members of gzip and
/// frames of zstd that follow each other are one text.
pub(super) struct Input {
    form: Form,
    /// Bytes that came out.
    out: u64,
    length: Option<u64>,
}

enum Form {
    Plain(Packed),
    Gzip(Gzip),
    Zst(Zst),
}

/// Extensions of packed files, in lower case, and what their names would be unpacked.
const EXTENSIONS: [(&str, &str); 5] =
    [(".gz", ""), (".gzip", ""), (".zst", ""), (".zstd", ""), (".tgz", ".tar")];

/// First bytes of forms that are not read, with their names and who unpacks them.
const OTHERS: [(&[u8], &str, &str); 5] = [
    (b"BZh", "bzip2", "bunzip2"),
    (b"\xfd7zXZ\0", "xz", "unxz"),
    (b"PK\x03\x04", "zip", "unzip"),
    (b"\x04\x22\x4d\x18", "lz4", "unlz4"),
    (b"7z\xbc\xaf\x27\x1c", "7z", "7z x"),
];

/// The name of the file as it is unpacked, in lower case.
pub(super) fn plain_name(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
    let packed =
        EXTENSIONS.iter().find_map(|(end, plain)| Some(format!("{}{plain}", name.strip_suffix(end)?)));
    packed.unwrap_or(name)
}

/// The first `most` bytes of a regular file, unpacked; fewer where there are no more, or the rest does not unpack.
///
/// # Errors
/// Those of opening it.
pub(super) fn head(path: &Path, about: &Metadata, most: u64) -> Result<Vec<u8>> {
    // What is read from a pipe is gone.
    if !about.is_file() {
        return Ok(Vec::new());
    }
    let mut head = Vec::new();
    // What does not unpack is said where it is read.
    let _ = Input::open_file(path)?.take(most).read_to_end(&mut head);
    Ok(head)
}

/// The error of reading `file`: one of this module with its own facts, else that of the system.
pub(super) fn error(file: &Path, error: io::Error) -> Error {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) {
        Some(own) => own.clone().file(file),
        None => Error::io(file, error),
    }
}

/// The end of a corpus whose file does not read any further: at the byte that the error names, else at `at`.
pub(super) fn ended(file: &Path, error: io::Error, line: u64, at: u64) -> ReadError {
    ended_at(self::error(file, error), line, at)
}

/// As [`ended`], of an error that names its file.
pub(super) fn ended_at(error: Error, line: u64, at: u64) -> ReadError {
    // What does not unpack names its own byte.
    let at = error.facts().offset.unwrap_or(at);
    ReadError::End(error.line(line).offset(at))
}

/// What is opened here, in a sentence.
const SOURCE: &str = "the file of the source";

impl Input {
    /// Opens the file or pipe at `path`.
    ///
    /// # Errors
    /// [`ErrorCode::NotFound`] or [`ErrorCode::Io`].
    pub(super) fn open(path: &Path) -> Result<Self> {
        Self::of(limits::open_named(path, SOURCE)?, path)
    }

    /// As [`Input::open`], of what must be a file.
    ///
    /// # Errors
    /// Those of [`Input::open`]; [`ErrorCode::BadValue`] for a pipe.
    pub(super) fn open_file(path: &Path) -> Result<Self> {
        Self::of(limits::open_file(path, SOURCE)?, path)
    }

    fn of(file: File, path: &Path) -> Result<Self> {
        let length = file.metadata().ok().map(|about| about.len()).filter(|&bytes| bytes > 0);
        let mut packed = Packed::new(file);
        let head = packed.peek(4).map_err(|error| Error::io(path, error))?;
        let form = match head {
            [0x1f, 0x8b, ..] => Form::Gzip(Gzip::new(packed)),
            head if zst::begins(head) => Form::Zst(Zst::new(packed)),
            _ => Form::Plain(packed),
        };
        Ok(Self { form, out: 0, length })
    }

    /// Whether the file is packed, so that places in what comes out are none in the file.
    pub(super) fn is_packed(&self) -> bool {
        !matches!(self.form, Form::Plain(_))
    }

    /// Bytes of the file that were read.
    pub(super) fn position(&self) -> u64 {
        match &self.form {
            Form::Plain(packed) => packed.position(),
            Form::Gzip(gzip) => gzip.position(),
            Form::Zst(zst) => zst.position(),
        }
    }

    /// Bytes of the file; `None` where it has no length, as a pipe.
    pub(super) fn len_hint(&self) -> Option<u64> {
        self.length
    }

    /// Refuses the first bytes of a file that is packed as nothing here is.
    ///
    /// # Errors
    /// [`ErrorCode::BadValue`] that names the form and what unpacks it.
    pub(super) fn refuse(head: &[u8]) -> Result<()> {
        match OTHERS.iter().find(|(magic, ..)| head.starts_with(magic)) {
            None => Ok(()),
            Some((_, form, program)) => Err(Error::new(
                ErrorCode::BadValue,
                format!("the file is packed as {form}, which is not read"),
            )
            .expected("a plain file, or one that is packed as gzip or zstd")
            .got(*form)
            .hint(format!("unpack it with `{program}`"))),
        }
    }
}

impl Read for Input {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let read = match &mut self.form {
            Form::Plain(packed) => packed.read(out)?,
            Form::Gzip(gzip) => gzip.read(out)?,
            Form::Zst(zst) => zst.read(out)?,
        };
        self.out += read as u64;
        let at = self.position();
        if self.is_packed() && self.out > PACKED_FREE && self.out / PACKED_RATIO > at {
            let got = format!("{} bytes of {at}", self.out);
            let error = limits::over("the file unpacks to too much", PACKED_RATIO, got, "times its bytes");
            return Err(io::Error::other(error.offset(at).hint("unpack it, and look at what is in it")));
        }
        Ok(read)
    }
}

impl fmt::Debug for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let form = match self.form {
            Form::Plain(_) => "plain",
            Form::Gzip(_) => "gzip",
            Form::Zst(_) => "zstd",
        };
        f.debug_struct("Input").field("form", &form).field("at", &self.position()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    pub(super) fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        out.write_all(bytes).unwrap();
        out.finish().unwrap()
    }

    pub(super) fn zst(bytes: &[u8]) -> Vec<u8> {
        ruzstd::encoding::compress_to_vec(bytes, ruzstd::encoding::CompressionLevel::Fastest)
    }

    fn read(bytes: &[u8]) -> Result<(Vec<u8>, bool)> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f");
        std::fs::write(&path, bytes).unwrap();
        let mut input = Input::open(&path)?;
        let mut out = Vec::new();
        input.read_to_end(&mut out).map_err(|e| error(&path, e))?;
        assert_eq!(
            (input.position(), input.len_hint().unwrap_or(0)),
            (bytes.len() as u64, bytes.len() as u64)
        );
        Ok((out, input.is_packed()))
    }

    /// Text that does not pack to nothing.
    fn long() -> Vec<u8> {
        (0..60_000u32).flat_map(|i| format!("{} ", i.wrapping_mul(2_654_435_761)).into_bytes()).collect()
    }

    #[test]
    fn what_was_packed_comes_out() {
        for text in [&b""[..], b"a", b"{\"id\":1}\n", &long()] {
            assert_eq!(read(text).unwrap(), (text.to_vec(), false));
            for pack in [gzip, zst] {
                assert_eq!(read(&pack(text)).unwrap(), (text.to_vec(), true));
                // Members and frames follow each other.
                let two = [pack(b"one "), pack(text), pack(b" three")].concat();
                assert_eq!(read(&two).unwrap().0, [b"one ", text, b" three"].concat());
            }
        }
        // Zeros that fill up a tape, and a frame that is to be skipped.
        assert_eq!(read(&[gzip(b"a"), vec![0; 700]].concat()).unwrap().0, b"a");
        let skipped = [&[0x50, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 9, 9, 9][..], &zst(b"a")].concat();
        assert_eq!(read(&skipped).unwrap(), (b"a".to_vec(), true));
    }

    #[test]
    fn a_cut_file_names_the_byte() {
        for (form, packed) in [("gzip", gzip(&long())), ("zstd", zst(&long()))] {
            for cut in [5, packed.len() / 2, packed.len() - 1] {
                let error = read(&packed[..cut]).unwrap_err();
                let facts = error.facts();
                assert_eq!(
                    (facts.code, facts.offset),
                    (ErrorCode::Damaged, Some(cut as u64)),
                    "{form} {cut}: {error}"
                );
                assert!(facts.message.contains("ends inside"), "{error}");
            }
            let error = read(&[packed, b"and then a text".to_vec()].concat()).unwrap_err();
            assert_eq!(error.code(), ErrorCode::Damaged, "{error}");
            assert!(error.facts().offset.is_some(), "{error}");
        }
        let mut flipped = gzip(&long());
        let middle = flipped.len() / 2;
        flipped[middle] ^= 0x10;
        assert_eq!(read(&flipped).unwrap_err().code(), ErrorCode::Damaged);
    }

    #[test]
    fn a_frame_that_is_not_what_its_checksum_says_is_damaged() {
        // The line `{"id":1}`, as the tool `zstd` packs it with a checksum.
        let packed = [
            0x28, 0xb5, 0x2f, 0xfd, 0x04, 0x58, 0x49, 0x00, 0x00, 0x7b, 0x22, 0x69, 0x64, 0x22, 0x3a, 0x31,
            0x7d, 0x0a, 0x42, 0xa1, 0x10, 0xe6,
        ];
        assert_eq!(read(&packed).unwrap().0, b"{\"id\":1}\n");
        for at in [14, 21] {
            let mut flipped = packed;
            flipped[at] ^= 1;
            let error = read(&flipped).unwrap_err();
            assert_eq!(error.code(), ErrorCode::Damaged, "{error}");
            assert!(error.facts().message.contains("checksum"), "{error}");
        }
    }

    #[test]
    fn a_file_of_little_that_unpacks_to_much_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("bomb");
        let block = gzip(&vec![b'a'; 4 << 20]);
        std::fs::write(&path, block.repeat(80)).unwrap();
        let mut input = Input::open(&path).unwrap();
        let failed = io::copy(&mut input, &mut io::sink()).unwrap_err();
        let error = error(&path, failed);
        assert_eq!((error.code(), error.facts().file.as_deref()), (ErrorCode::TooLarge, Some(&*path)));
    }

    #[test]
    fn names_and_other_forms() {
        for (name, plain) in
            [("A.CSV.GZ", "a.csv"), ("b.tgz", "b.tar"), ("c.jsonl", "c.jsonl"), ("d.tar.zst", "d.tar")]
        {
            assert_eq!(plain_name(Path::new(name)), plain);
        }
        let error = Input::refuse(b"\xfd7zXZ\0...").unwrap_err();
        assert!(error.to_string().contains("`unxz`"), "{error}");
        Input::refuse(b"{}").unwrap();
    }
}
