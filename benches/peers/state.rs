//! Arguments, files and memory.

use std::path::{Path, PathBuf};

use safetensors::SafeTensors;
use tantivy::Searcher;
use uncsm_index::{Error, ErrorCode, Result};

/// What the command line says.
pub(crate) struct Arguments {
    pub(crate) index: PathBuf,
    pub(crate) queries: PathBuf,
    pub(crate) out: PathBuf,
    pub(crate) ids: Option<PathBuf>,
    pub(crate) rounds: usize,
    pub(crate) recalls: Vec<f32>,
    /// What names of kinds must have in them.
    pub(crate) only: String,
    /// Whether scans are timed, too.
    pub(crate) exact: bool,
}

impl Arguments {
    /// `None` without the three files.
    pub(crate) fn read() -> Result<Option<Self>> {
        let (mut files, mut ids, mut rounds, mut only) = (Vec::new(), None, 3, String::new());
        let (mut recalls, mut exact) = (vec![0.9, 0.95, 0.99, 0.999], true);
        // `cargo bench` adds a flag of its own.
        let mut given = std::env::args().skip(1).filter(|argument| argument != "--bench");
        while let Some(argument) = given.next() {
            let mut value = || given.next().ok_or_else(|| bad("a flag has no value", &argument));
            match argument.as_str() {
                "--ids" => ids = Some(value()?.into()),
                "--rounds" => rounds = number(&value()?)?,
                "--recalls" => recalls = value()?.split(',').map(number).collect::<Result<_>>()?,
                "--only" => only = value()?,
                "--inexact" => exact = false,
                _ => files.push(PathBuf::from(argument)),
            }
        }
        let Ok([index, queries, out]) = <[PathBuf; 3]>::try_from(files) else { return Ok(None) };
        Ok(Some(Self { index, queries, out, ids, rounds, recalls, only, exact }))
    }
}

fn number<T: std::str::FromStr>(text: &str) -> Result<T> {
    text.parse().map_err(|_| bad("an argument is no number", text))
}

fn bad(message: &str, got: &str) -> Error {
    Error::new(ErrorCode::BadArgument, message).got(got)
}

/// The words of each row of queries; none where the file has none.
pub(crate) fn words(path: &Path) -> Result<Vec<String>> {
    let bytes = std::fs::read(path).map_err(|e| Error::io(path, e))?;
    let wrong = |e: &dyn std::fmt::Display| {
        Error::new(ErrorCode::BadValue, "the words of the queries cannot be read").file(path).got(e)
    };
    let (_, metadata) = SafeTensors::read_metadata(&bytes).map_err(|e| wrong(&e))?;
    match metadata.metadata().as_ref().and_then(|metadata| metadata.get("words")) {
        Some(words) => serde_json::from_str(words).map_err(|e| wrong(&e)),
        None => Ok(Vec::new()),
    }
}

/// The id of each position, a line each.
pub(crate) fn ids(searcher: &Searcher) -> Result<String> {
    let (mut out, mut id) = (String::new(), String::new());
    for reader in searcher.segment_readers() {
        let Some(column) = reader.fast_fields().str("id")? else {
            return Err(Error::new(ErrorCode::UnknownField, "the index has no column of ids"));
        };
        for doc in 0..reader.max_doc() {
            for ord in column.term_ords(doc) {
                column.ord_to_str(ord, &mut id).map_err(|e| Error::io("the column of ids", e))?;
                out += &id;
            }
            out.push('\n');
        }
    }
    Ok(out)
}

/// Anonymous memory of this process in bytes, where the system tells it.
pub(crate) fn anonymous() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? * 1024)
}

pub(crate) fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    std::fs::write(path, bytes).map_err(|e| Error::io(path, e))
}
