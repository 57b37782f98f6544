//! A part of a corpus: what one of several processes reads of it.

use std::fmt;
use std::ops::Range;
use std::path::PathBuf;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorCode, Result};
use crate::limits::{self, SHARDS};

/// One of several parts of a source: `I/N` with `0 <= I < N`. All parts together are the source, each document once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "Written")]
pub struct Shard {
    index: u32,
    of: u32,
}

/// A part as it is written down.
#[derive(Deserialize)]
struct Written {
    index: u32,
    of: u32,
}

impl TryFrom<Written> for Shard {
    type Error = Error;

    fn try_from(written: Written) -> Result<Self> {
        Self::new(written.index, written.of)
    }
}

impl Shard {
    /// Part `index` of `of`.
    ///
    /// # Errors
    /// [`ErrorCode::BadArgument`] unless `index < of`; [`ErrorCode::TooLarge`] for more than [`SHARDS`] parts.
    pub fn new(index: u32, of: u32) -> Result<Self> {
        if of > SHARDS {
            return Err(limits::over("a source is cut into too many parts", SHARDS, of, "parts"));
        }
        if index < of {
            return Ok(Self { index, of });
        }
        Err(Error::new(ErrorCode::BadArgument, "there is no such part of a source")
            .expected("I/N with 0 <= I < N, such as 0/8 to 7/8")
            .got(format!("{index}/{of}")))
    }

    /// Which part it is, from 0.
    pub fn index(self) -> u32 {
        self.index
    }

    /// How many parts there are.
    pub fn of(self) -> u32 {
        self.of
    }

    /// What it has of `length` things in a row.
    pub fn range(self, length: u64) -> Range<u64> {
        let at = |part: u32| (u128::from(length) * u128::from(part) / u128::from(self.of)) as u64;
        at(self.index)..at(self.index + 1)
    }

    /// Whether it has the thing at place `at`, where nobody knows how many there are.
    pub(in crate::corpus) fn takes(self, at: u64) -> bool {
        at % u64::from(self.of) == u64::from(self.index)
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.index, self.of)
    }
}

impl FromStr for Shard {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let parts = text.split_once('/').and_then(|(i, n)| Some((i.parse().ok()?, n.parse().ok()?)));
        let (index, of) = parts.ok_or_else(|| {
            Error::new(ErrorCode::BadArgument, "this is no part of a source")
                .expected("I/N with 0 <= I < N, such as 0/8 to 7/8")
                .got(text)
        })?;
        Self::new(index, of)
    }
}

/// The error of a line, which says where lines are counted from where that is not the start of the file.
pub(crate) fn counted(error: Error, from: u64) -> Error {
    match from {
        0 => error,
        _ => error.within(format!("lines counted from byte {from}, where the part begins")),
    }
}

/// How a file may be shared out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::corpus) enum Divides {
    /// Not at all.
    Whole,
    /// At ends of lines.
    Lines,
    /// At row groups, each with this many rows.
    #[cfg_attr(not(feature = "parquet"), allow(dead_code, reason = "only Parquet files have row groups"))]
    Groups(Vec<u64>),
    /// Document by document: how many there are shows at the end alone.
    Documents,
}

/// What of a file is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::corpus) enum Cut {
    /// All of it.
    Whole,
    /// The lines that begin in these bytes.
    Bytes(Range<u64>),
    /// These row groups.
    Groups(Range<usize>),
    /// Each document that the part takes.
    Documents(Shard),
}

/// A file of a corpus: its bytes, and how it may be shared out.
#[derive(Debug, Clone)]
pub(in crate::corpus) struct Piece {
    pub(in crate::corpus) path: PathBuf,
    pub(in crate::corpus) bytes: u64,
    pub(in crate::corpus) divides: Divides,
}

/// What `shard` reads of the files `pieces`, which count as one row of bytes: of what does not divide, the part in which it begins has all.
///
/// # Errors
/// [`ErrorCode::BadArgument`] for one file alone that does not divide.
pub(in crate::corpus) fn cut(pieces: &[Piece], shard: Shard) -> Result<Vec<(PathBuf, Cut)>> {
    if let [Piece { path, divides: Divides::Whole, .. }] = pieces
        && shard.of > 1
    {
        return Err(Error::new(ErrorCode::BadArgument, "one file of this kind is not cut into parts")
            .file(path)
            .expected("JSON Lines or Parquet that are not packed, a folder, or several files: parts have whole files of other kinds")
            .got(shard)
            .hint("write it as several files, or index it in one go"));
    }
    let total = pieces.iter().map(|piece| piece.bytes).sum();
    let part = shard.range(total);
    let (mut cuts, mut start) = (Vec::new(), 0u64);
    for piece in pieces {
        let begins = |at: u64| part.contains(&at);
        let inside = part.start.max(start) - start..part.end.min(start + piece.bytes).max(start) - start;
        let cut = match &piece.divides {
            Divides::Whole => begins(start).then_some(Cut::Whole),
            Divides::Lines => (inside.start < inside.end).then_some(Cut::Bytes(inside)),
            Divides::Documents => Some(Cut::Documents(shard)),
            Divides::Groups(rows) => {
                let all = rows.iter().map(|&rows| u128::from(rows)).sum::<u128>().max(1);
                let mut before = 0u128;
                let of_part: Vec<usize> = (0..rows.len())
                    .filter(|&group| {
                        let at = (u128::from(piece.bytes) * before / all) as u64;
                        before += u128::from(rows[group]);
                        begins(start + at)
                    })
                    .collect();
                of_part.first().zip(of_part.last()).map(|(first, last)| Cut::Groups(*first..last + 1))
            }
        };
        cuts.extend(cut.map(|cut| (piece.path.clone(), cut)));
        start += piece.bytes;
    }
    Ok(cuts)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn piece(name: &str, bytes: u64, divides: Divides) -> Piece {
        Piece { path: name.into(), bytes, divides }
    }

    #[test]
    fn parts_are_read_and_bad_ones_refused() {
        assert_eq!("3/8".parse::<Shard>().unwrap(), Shard::new(3, 8).unwrap());
        for bad in ["8/8", "0/0", "1", "a/b", "-1/3", "1/3/4", ""] {
            let error = bad.parse::<Shard>().unwrap_err();
            assert_eq!(error.code(), ErrorCode::BadArgument, "{bad}");
            assert!(error.facts().got.is_some());
        }
    }

    #[test]
    fn there_are_not_more_parts_than_lists_hold() {
        assert!(Shard::new(0, SHARDS).is_ok());
        assert_eq!(Shard::new(0, SHARDS + 1).unwrap_err().code(), ErrorCode::TooLarge);
        let read = |text: &str| serde_json::from_str::<Shard>(text);
        assert_eq!(read("{\"index\":2,\"of\":3}").unwrap(), Shard::new(2, 3).unwrap());
        for bad in ["{\"index\":3,\"of\":3}", "{\"index\":0,\"of\":0}", "{\"index\":0,\"of\":4000000000}"] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn everything_is_in_one_part_and_in_no_other() {
        let pieces = [
            piece("a", 100, Divides::Lines),
            piece("b", 7, Divides::Whole),
            piece("c", 64, Divides::Groups(vec![10, 1, 1, 10, 30])),
            piece("d", 0, Divides::Lines),
            piece("e", 3, Divides::Whole),
        ];
        for of in [1, 2, 3, 8, 40, 500] {
            let mut seen: Vec<(PathBuf, Cut)> = Vec::new();
            for index in 0..of {
                seen.extend(cut(&pieces, Shard::new(index, of).unwrap()).unwrap());
            }
            let of_file = |name: &str| {
                seen.iter()
                    .filter(|(path, _)| path.as_os_str() == name)
                    .map(|(_, cut)| cut)
                    .collect::<Vec<_>>()
            };
            let mut next = 0;
            for cut in of_file("a") {
                let Cut::Bytes(bytes) = cut else { panic!("{cut:?}") };
                assert_eq!(bytes.start, next, "{of}");
                next = bytes.end;
            }
            assert_eq!(next, 100, "{of}");
            let mut next = 0;
            for cut in of_file("c") {
                let Cut::Groups(groups) = cut else { panic!("{cut:?}") };
                assert_eq!(groups.start, next, "{of}");
                next = groups.end;
            }
            assert_eq!(next, 5, "{of}");
            assert_eq!((of_file("b"), of_file("e")), (vec![&Cut::Whole], vec![&Cut::Whole]));
            assert!(of_file("d").is_empty());
        }
    }

    #[test]
    fn one_file_that_does_not_divide_is_refused() {
        let pieces = [piece("a.csv", 100, Divides::Whole)];
        let error = cut(&pieces, Shard::new(0, 2).unwrap()).unwrap_err();
        assert_eq!(error.code(), ErrorCode::BadArgument);
        assert_eq!(cut(&pieces, Shard::new(0, 1).unwrap()).unwrap(), [("a.csv".into(), Cut::Whole)]);
    }
}
