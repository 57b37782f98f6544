//! Names that stand in files, and what lies under them: looked at here, before anything of it is opened.
//!
//! The files of an index say which others are opened and deleted, and an index may come from anyone. So a name is the
//! plain name of a regular file (or real folder) inside the index; a link, pipe, socket or device in its place is damage.

use std::ffi::OsStr;
use std::fs::{File, FileType, OpenOptions};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use crate::error::{Error, ErrorCode, Result};
use crate::limits::META_BYTES;

/// Extension of the files of shared vectors, and `type_name` of the custom field whose values they hold.
pub const FIELD_TYPE: &str = "uvec";

/// The host's list of segments.
pub(crate) const META: &str = "meta.json";

/// Names of files and folders under construction begin so; one that stands there without a writer was left by a killed one.
pub(crate) const LEFT_OVER: &str = ".uncsm-";

/// Whether `name` is one component and nothing else: no separator of any system, not `.`, not `..`, not empty.
pub(crate) fn is_plain(name: &Path) -> bool {
    let Some(text) = name.to_str() else { return false };
    !matches!(text, "" | "." | "..") && !text.contains(['/', '\\', '\0', ':'])
}

/// Whether `name` is that of a file which the host writes for a segment and may delete: `SEGMENT.kind`, of the host's kinds
/// and of those that `plugins` gives, which is asked only where it is none of the host's.
pub(crate) fn is_of_a_segment(name: &Path, plugins: impl FnOnce() -> Vec<String>) -> bool {
    let Some((id, kind)) = name.to_str().and_then(|name| name.split_once('.')) else { return false };
    if id.len() != 32 || !id.bytes().all(|b| b.is_ascii_hexdigit()) || !is_plain(name) {
        return false;
    }
    let deletes = kind.strip_suffix(".del").is_some_and(|n| n.bytes().all(|b| b.is_ascii_digit()));
    deletes || OF_THE_HOST.contains(&kind) || plugins().iter().any(|plugin| plugin == kind)
}

/// Kinds of files of a segment, but for deletes, whose kind has a number.
const OF_THE_HOST: [&str; 9] =
    ["store", "store.temp", "term", "idx", "pos", "fast", "fieldnorm", "temp", FIELD_TYPE];

/// The first entry of the host's list of files that is no plain name. A list that does not parse is left to the host.
pub(crate) fn foreign_entry(list: &[u8]) -> Option<PathBuf> {
    // As the host reads it.
    let names: Vec<PathBuf> = serde_json::from_str(&String::from_utf8_lossy(list)).ok()?;
    names.into_iter().find(|name| !is_plain(name))
}

/// What lies there in place of a regular file.
fn other_than_file(kind: FileType) -> Option<&'static str> {
    match kind {
        _ if kind.is_file() => None,
        _ if kind.is_symlink() => Some("a symbolic link"),
        _ if kind.is_dir() => Some("a folder"),
        _ => Some("a pipe, socket or device"),
    }
}

/// Refuses what is no regular file, with [`io::ErrorKind::InvalidData`]. Opens nothing.
pub(crate) fn check_regular(path: &Path) -> io::Result<()> {
    let kind = std::fs::symlink_metadata(path)?.file_type();
    other_than_file(kind).map_or(Ok(()), |got| Err(irregular(got)))
}

fn irregular(got: &str) -> io::Error {
    let what = format!("not a file of the index (expected a regular file, got {got})");
    io::Error::new(io::ErrorKind::InvalidData, what)
}

/// Opens a regular file; follows no link, and waits for nobody.
pub(crate) fn open(path: &Path, options: &mut OpenOptions) -> io::Result<File> {
    match check_regular(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    // Against what comes to lie there just now.
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        let flags = rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK;
        options.custom_flags(flags.bits().cast_signed());
    }
    let file = options.open(path)?;
    match other_than_file(file.metadata()?.file_type()) {
        None => Ok(file),
        Some(got) => Err(irregular(got)),
    }
}

/// As [`check_regular`]; what is no regular file is [`ErrorCode::Damaged`].
pub(crate) fn check(path: &Path) -> Result<()> {
    check_regular(path).map_err(|e| of_io(path, e))
}

/// The bytes of a regular file, one of the host's lists: at most [`META_BYTES`].
pub(crate) fn read_bytes(path: &Path) -> io::Result<Vec<u8>> {
    let file = open(path, OpenOptions::new().read(true))?;
    let length = file.metadata()?.len();
    if length > META_BYTES {
        let what = format!("the file is too large (expected at most {META_BYTES} bytes, got {length} bytes)");
        return Err(io::Error::new(io::ErrorKind::InvalidData, what));
    }
    let mut bytes = Vec::new();
    file.take(META_BYTES).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The error of a file that lies in an index: what is no file there is damage.
pub(crate) fn of_io(path: &Path, error: io::Error) -> Error {
    if error.kind() == io::ErrorKind::InvalidData {
        return Error::new(ErrorCode::Damaged, error.to_string())
            .file(path)
            .hint("copy the index from a place that you trust")
            .source(error);
    }
    Error::io(path, error)
}

/// Names the file of `error` from outside of the index directory; the directory itself where it names none.
pub(crate) fn within(error: Error, dir: &Path) -> Error {
    let file = error.facts().file.as_deref().map_or_else(|| dir.to_path_buf(), |file| dir.join(file));
    error.file(file)
}

/// Refuses a folder that is no real one, and anything in it that is neither a regular file nor such a folder.
///
/// # Errors
/// [`ErrorCode::NotFound`], [`ErrorCode::Damaged`].
pub(crate) fn check_folder(path: &Path) -> Result<()> {
    let kind = std::fs::symlink_metadata(path).map_err(|e| Error::io(path, e))?.file_type();
    if !kind.is_dir() {
        let got = if kind.is_symlink() { "a symbolic link" } else { "no folder" };
        return Err(Error::new(ErrorCode::Damaged, "not a folder of the index")
            .file(path)
            .expected("a folder")
            .got(got)
            .hint("copy the index from a place that you trust"));
    }
    for entry in std::fs::read_dir(path).map_err(|e| Error::io(path, e))? {
        let entry = entry.map_err(|e| Error::io(path, e))?;
        let inside = entry.path();
        if entry.file_type().map_err(|e| Error::io(&inside, e))?.is_dir() {
            check_folder(&inside)?;
        } else {
            check(&inside)?;
        }
    }
    Ok(())
}

/// Whether `name` is `prefix` and six letters or digits, as names of temporary files are made.
pub(crate) fn is_temporary(name: &OsStr, prefix: &str) -> bool {
    let random = name.to_str().and_then(|name| name.strip_prefix(prefix));
    random.is_some_and(|random| random.len() == 6 && random.bytes().all(|b| b.is_ascii_alphanumeric()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_name_stays_in_its_folder() {
        for name in ["a", ".a", "a.b", "...", "meta.json", "bundle-0", "ä"] {
            assert!(is_plain(Path::new(name)), "{name}");
        }
        for name in ["", ".", "..", "/", "/a", "../a", "a/b", "a/", "./a", "a\\b", "c:a", "a\0"] {
            assert!(!is_plain(Path::new(name)), "{name:?}");
        }
    }

    #[test]
    fn what_the_host_may_delete_is_of_a_segment() {
        let id = "0123456789abcdef0123456789abcdef";
        let plugins = || vec!["bitmap".to_owned(), "/../../x".to_owned()];
        for kind in ["store", "uvec", "17.del", "idx", "bitmap"] {
            assert!(is_of_a_segment(Path::new(&format!("{id}.{kind}")), plugins), "{kind}");
        }
        for name in [
            "meta.json",
            "uncsm-index.json",
            "config.json",
            id,
            &format!("{id}."),
            &format!("{id}./../a"),
            &format!("{id}./../../x"),
            &format!("{id}.png"),
            &format!("{id}.x7.del"),
            &format!("../{id}.store"),
            &format!("{}.store", &id[1..]),
        ] {
            assert!(!is_of_a_segment(Path::new(name), plugins), "{name}");
        }
    }

    #[test]
    fn entries_of_the_hosts_list_are_plain_names() {
        assert_eq!(foreign_entry(br#"["meta.json","a.store"]"#), None);
        assert_eq!(foreign_entry(b"["), None, "the host says so");
        for bad in ["../x", "/x", "a/../../x", "", "..", "a\\\\b"] {
            let list = format!(r#"["meta.json","{bad}"]"#);
            assert!(foreign_entry(list.as_bytes()).is_some(), "{bad}");
        }
    }

    #[test]
    fn names_of_temporary_files() {
        for (name, is) in
            [(".tmpAb3xYz", true), (".tmpAb3xY", false), (".tmpAb3xYz1", false), (".tmp", false)]
        {
            assert_eq!(is_temporary(OsStr::new(name), ".tmp"), is, "{name}");
        }
    }

    #[test]
    fn a_list_is_read_up_to_its_limit() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("meta.json");
        // Holes: nothing of it is on the disk.
        std::fs::File::create(&path).unwrap().set_len(META_BYTES + 1).unwrap();
        let error = read_bytes(&path).unwrap_err();
        assert!(
            error.kind() == io::ErrorKind::InvalidData && error.to_string().contains("too large"),
            "{error}"
        );
        std::fs::File::create(&path).unwrap().set_len(META_BYTES).unwrap();
        assert_eq!(read_bytes(&path).unwrap().len() as u64, META_BYTES);
    }

    #[cfg(unix)]
    #[test]
    fn only_regular_files_are_opened() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        std::fs::write(&file, "1").unwrap();
        assert_eq!(read_bytes(&file).unwrap(), b"1");
        assert_eq!(check(&dir.path().join("none")).unwrap_err().code(), ErrorCode::NotFound);
        let link = dir.path().join("link");
        std::os::unix::fs::symlink(&file, &link).unwrap();
        let pipe = dir.path().join("pipe");
        rustix::fs::mknodat(
            rustix::fs::CWD,
            &pipe,
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::from_raw_mode(0o644),
            0,
        )
        .unwrap();
        for bad in [&link, &pipe, &dir.path().to_path_buf()] {
            assert_eq!(check(bad).unwrap_err().code(), ErrorCode::Damaged, "{}", bad.display());
            assert_eq!(read_bytes(bad).unwrap_err().kind(), io::ErrorKind::InvalidData);
        }
        assert_eq!(check_folder(dir.path()).unwrap_err().code(), ErrorCode::Damaged);
        assert_eq!(check_folder(&link).unwrap_err().code(), ErrorCode::Damaged);
        std::fs::remove_file(&link).unwrap();
        std::fs::remove_file(&pipe).unwrap();
        check_folder(dir.path()).unwrap();
    }
}
