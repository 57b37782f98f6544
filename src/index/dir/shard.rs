//! `uncsm-shard.json`: which part of a source an index is, and what its files were when it was whole.
//!
//! A file of its own, which any JSON parser reads: whoever drives many builds compares parts by it. A merge of all parts has
//! none, and a writer takes it away.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::held::Held;
use super::layout::SHARD;
use super::store::Index;
use crate::corpus::Shard;
use crate::error::{Error, ErrorCode, Result};
use crate::hint::{Hint, Setting};
use crate::index::files::directory::{replace, sync_dir};
use crate::index::files::names;
use crate::index::files::sound::{Seal, mark, unmark};
use crate::limits::{self, META_BYTES};
use crate::media::Fingerprint;
use crate::schema::FieldSchema;

/// Version of the file.
const VERSION: u32 = 1;

/// What is known of an index that is a part.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ShardManifest {
    version: u32,
    pub(crate) space: Fingerprint,
    pub(crate) model: Fingerprint,
    /// Of the fields.
    pub(crate) schema: Fingerprint,
    pub(crate) documents: u64,
    pub(crate) items: BTreeMap<String, u64>,
    pub(crate) warnings: u64,
    pub(crate) parts: Vec<Part>,
    /// What the build was started with, in the words of the build; of a merge none.
    #[serde(default, skip_serializing_if = "serde_json::Value::is_null")]
    pub(crate) build: serde_json::Value,
    /// Every file of the segments.
    pub(crate) files: BTreeMap<String, FileSum>,
}

/// A part of a source.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Part {
    /// The source for people.
    pub(crate) source: String,
    /// Of names, lengths and samples of its files: the same wherever they lie.
    pub(crate) fingerprint: Fingerprint,
    /// What shapes documents and items beside the source, by the names of settings; what is usual is not there.
    pub(crate) options: BTreeMap<String, String>,
    pub(crate) of: u32,
    pub(crate) shard: u32,
    pub(crate) documents: u64,
}

/// What a file of a segment was when the part was whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FileSum {
    pub(crate) bytes: u64,
    /// CRC-32 of the whole file, eight hexadecimal digits.
    #[serde(with = "hex")]
    pub(crate) crc32: u32,
}

mod hex {
    use serde::{Deserialize, Deserializer, Serializer};

    #[allow(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
    pub(crate) fn serialize<S: Serializer>(crc: &u32, out: S) -> Result<S::Ok, S::Error> {
        out.collect_str(&format_args!("{crc:08x}"))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<u32, D::Error> {
        let digits = String::deserialize(from)?;
        let plain = digits.len() == 8 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        let crc = u32::from_str_radix(&digits, 16).ok().filter(|_| plain);
        crc.ok_or_else(|| serde::de::Error::custom("a checksum is not eight hexadecimal digits"))
    }
}

/// The fingerprint of the fields of an index.
///
/// # Errors
/// None that can be caused: names and settings are strings and numbers.
pub(crate) fn schema_of(fields: &FieldSchema) -> Result<Fingerprint> {
    let text = serde_json::to_vec(fields)
        .map_err(|e| Error::new(ErrorCode::BadValue, format!("field schema: {e}")).source(e))?;
    Ok(Fingerprint::of([text.as_slice()]))
}

impl ShardManifest {
    /// That of `index`, whose files are all written. Cost: a read of all of them.
    ///
    /// # Errors
    /// [`ErrorCode::Damaged`] for a file that is not what the commit says; those of reading.
    pub(crate) fn of(
        index: &Index,
        (documents, items, warnings): (u64, BTreeMap<String, u64>, u64),
        parts: Vec<Part>,
    ) -> Result<Self> {
        let held = Held::take(index.files())?;
        Ok(Self {
            version: VERSION,
            space: index.bundle().space(),
            model: index.bundle().model(),
            schema: schema_of(&index.manifest().fields)?,
            documents,
            items,
            warnings,
            parts,
            build: serde_json::Value::Null,
            files: sums(index, &held)?,
        })
    }

    /// That of the index at `dir`; `None` where it is no part.
    ///
    /// # Errors
    /// [`ErrorCode::Damaged`], [`ErrorCode::TooLarge`], [`ErrorCode::UnsupportedVersion`], those of reading.
    pub(crate) fn load(dir: &Path) -> Result<Option<Self>> {
        let path = dir.join(SHARD);
        let read =
            names::check(&path).and_then(|()| limits::read_text(&path, META_BYTES, "the list of a part"));
        let text = match read {
            Ok(text) => text,
            Err(error) if error.code() == ErrorCode::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let damaged = |what: String| Error::new(ErrorCode::Damaged, what).file(&path).hint(again());
        let any: serde_json::Value = serde_json::from_str(&text)
            .map_err(|e| damaged(format!("the list of a part does not parse: {e}")))?;
        if unmark(&text) == Seal::Broken {
            return Err(damaged("the checksum of the list of a part does not match".into()));
        }
        let version = any.get("version").and_then(serde_json::Value::as_u64);
        if version != Some(u64::from(VERSION)) {
            return Err(Error::new(ErrorCode::UnsupportedVersion, "the list of a part has another version")
                .file(&path)
                .expected(VERSION)
                .got(version.map_or("none".into(), |version| version.to_string())));
        }
        let found: Self = serde_json::from_value(any)
            .map_err(|e| damaged(format!("the list of a part does not parse: {e}")))?;
        for part in &found.parts {
            Shard::new(part.shard, part.of)
                .map_err(|e| damaged(format!("the list of a part names a part that cannot be: {e}")))?;
        }
        Ok(Some(found))
    }

    /// Puts it into the index at `dir`, durable when it returns.
    ///
    /// # Errors
    /// Those of writing.
    pub(crate) fn save(&self, dir: &Path) -> Result<()> {
        let text = serde_json::to_string_pretty(self)
            .map_err(|e| Error::new(ErrorCode::BadValue, format!("list of a part: {e}")).source(e))?;
        let path = dir.join(SHARD);
        replace(&path, mark(&text).as_bytes()).map_err(|e| Error::io(&path, e))?;
        sync_dir(dir)
    }

    /// Refuses the index at `dir` where one of its files is missing or has another length. Reads none.
    ///
    /// # Errors
    /// [`ErrorCode::Damaged`], naming the first.
    pub(crate) fn check_lengths(&self, dir: &Path) -> Result<()> {
        self.files.iter().try_for_each(|(name, sum)| {
            let path = dir.join(name);
            let bytes = std::fs::symlink_metadata(&path).ok().map(|about| about.len());
            if bytes == Some(sum.bytes) { Ok(()) } else { Err(lost(path, sum, bytes)) }
        })
    }

    /// Refuses `index`, whose last commit is `held`, where its files are not those that were written. Reads all of them.
    ///
    /// # Errors
    /// [`ErrorCode::Damaged`], naming the first; those of reading.
    pub(crate) fn check_files(&self, index: &Index, held: &Held) -> Result<()> {
        let dir = index.dir();
        self.check_lengths(dir)?;
        let found = sums(index, held)?;
        let names: BTreeSet<&String> = self.files.keys().chain(found.keys()).collect();
        for name in names {
            let path = dir.join(name);
            match (self.files.get(name), found.get(name)) {
                (Some(written), Some(there)) if written == there => {}
                (Some(written), Some(there)) => {
                    return Err(Error::new(
                        ErrorCode::Damaged,
                        "a file of a part is not the one that was written",
                    )
                    .file(path)
                    .expected(format!("the checksum {:08x}", written.crc32))
                    .got(format!("{:08x}", there.crc32))
                    .hint(again()));
                }
                (Some(written), None) => return Err(lost(path, written, None)),
                (None, _) => {
                    return Err(Error::new(
                        ErrorCode::Damaged,
                        "the part has a file that its list does not name",
                    )
                    .file(path)
                    .hint(again()));
                }
            }
        }
        Ok(())
    }
}

impl Part {
    /// Its place among the parts of its source.
    pub(crate) fn place(&self) -> String {
        format!("{}/{} of {}", self.shard, self.of, self.source)
    }
}

fn again() -> Hint {
    Hint::new("bring the file back from a copy, or build the part again with").setting(Setting::Force)
}

fn lost(path: PathBuf, sum: &FileSum, bytes: Option<u64>) -> Error {
    let what =
        if bytes.is_some() { "a file of a part has another length" } else { "a file of a part is missing" };
    let error = Error::new(ErrorCode::Damaged, what).file(path).expected(format!("{} bytes", sum.bytes));
    error.got(bytes.map_or("no file".into(), |bytes| format!("{bytes} bytes"))).hint(again())
}

/// Length and checksum of each file of `held`, which are read whole, several at a time.
fn sums(index: &Index, held: &Held) -> Result<BTreeMap<String, FileSum>> {
    let files = index.files();
    let Some(sound) = files.sound else { return Ok(BTreeMap::new()) };
    let names: Vec<&PathBuf> = held.files().collect();
    let sums: Result<Vec<(String, FileSum)>> = names
        .into_par_iter()
        .map(|name| {
            let (bytes, crc32) = sound.sum(name).map_err(|fault| fault.error(index.dir()))?;
            Ok((name.display().to_string(), FileSum { bytes, crc32 }))
        })
        .collect();
    Ok(sums?.into_iter().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_that_names_parts_that_cannot_be_is_damaged() {
        let dir = tempfile::tempdir().unwrap();
        let none = Fingerprint::of([]);
        for (shard, of, is_sound) in [(2, 3, true), (3, 3, false), (0, 0, false), (1, u32::MAX, false)] {
            let part = Part {
                source: "c".into(),
                fingerprint: none,
                options: BTreeMap::new(),
                of,
                shard,
                documents: 0,
            };
            let list = ShardManifest {
                version: VERSION,
                space: none,
                model: none,
                schema: none,
                documents: 0,
                items: BTreeMap::new(),
                warnings: 0,
                parts: vec![part],
                build: serde_json::Value::Null,
                files: BTreeMap::new(),
            };
            list.save(dir.path()).unwrap();
            let read = ShardManifest::load(dir.path()).map_err(|error| error.code());
            assert_eq!(
                read,
                if is_sound { Ok(Some(list)) } else { Err(ErrorCode::Damaged) },
                "{shard} of {of}"
            );
        }
    }
}
