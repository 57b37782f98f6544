//! The seal of a JSON file: a checksum in its last line, and in `meta.json` the record of the files that it names. The
//! manifest has its checksum in white space, since builds that know no seal refuse a key that they do not know.

use std::collections::BTreeMap;
use std::fmt::Write;

/// Length of each file of the segments, and CRC-32 of its footer, which holds that of its body.
pub(crate) type Record = BTreeMap<String, (u64, u32)>;

const CRC: &str = ",\n  \"crc32\": \"";
const END: &str = "\"\n}\n";
const FILES: &str = ",\n  \"uncsm_files\": ";

/// What the last line of a file says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Seal {
    /// Nothing: an older build wrote the file, or another program.
    Absent,
    /// The bytes are those that were written.
    Sound,
    /// They are not.
    Broken,
}

/// `text`, one JSON object, with the record and a seal. What reads the object without knowing the seal skips its keys.
pub(crate) fn seal(text: &str, record: &Record) -> String {
    let body = text.trim_end();
    let Some(body) = body.strip_suffix('}') else { return text.to_owned() };
    let mut sealed = body.trim_end().to_owned();
    sealed.push_str(FILES);
    // Strings and numbers alone: serialising them does not fail.
    sealed.push_str(&serde_json::to_string(record).unwrap_or_default());
    let crc = crc32fast::hash(sealed.as_bytes());
    let _ = write!(sealed, "{CRC}{crc:08x}{END}");
    sealed
}

/// The object without the checksum, and what the checksum says of it. Lines keep their numbers.
pub(crate) fn unseal(text: &str) -> (String, Seal) {
    let parts = text.strip_suffix(END).and_then(|rest| {
        let (rest, digits) = rest.split_at_checked(rest.len().checked_sub(8)?)?;
        Some((rest.strip_suffix(CRC)?, digits))
    });
    let Some((body, digits)) = parts else {
        let marked = text.contains(CRC) || text.contains(FILES);
        return (text.to_owned(), if marked { Seal::Broken } else { Seal::Absent });
    };
    let sound = format!("{:08x}", crc32fast::hash(body.as_bytes())) == digits;
    (format!("{body}\n}}\n"), if sound { Seal::Sound } else { Seal::Broken })
}

/// The record in an object that was unsealed; none where there is none.
pub(crate) fn record_of(text: &str) -> Record {
    #[derive(serde::Deserialize)]
    struct Files {
        #[serde(default)]
        uncsm_files: Record,
    }
    serde_json::from_str::<Files>(text).map(|files| files.uncsm_files).unwrap_or_default()
}

/// `text`, one JSON object, with a mark behind it: a line of 32 tabs and spaces, the bits of the CRC-32 of what is before.
pub(crate) fn mark(text: &str) -> String {
    let body = text.trim_end();
    let crc = crc32fast::hash(body.as_bytes());
    let bits = (0..MARK).map(|bit| if crc >> bit & 1 == 1 { '\t' } else { ' ' });
    format!("{body}\n{}\n", bits.collect::<String>())
}

/// What the mark behind an object says of it. Text without one is as it was before there were marks.
pub(crate) fn unmark(text: &str) -> Seal {
    let body = text.trim_end();
    let tail = &text[body.len()..];
    if tail.len() < MARK {
        return Seal::Absent;
    }
    if mark(body) == text { Seal::Sound } else { Seal::Broken }
}

const MARK: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_changed_byte_breaks_the_seal_or_the_object() {
        let text = "{\n  \"segments\": [],\n  \"payload\": \"\\n  \\\"crc32\\\": \\\"\"\n}\n";
        let record = Record::from([("a.store".into(), (12, 7)), ("b.idx".into(), (1, u32::MAX))]);
        let sealed = seal(text, &record);
        let (body, found) = unseal(&sealed);
        assert_eq!((found, record_of(&body)), (Seal::Sound, record));
        assert!(serde_json::from_str::<serde_json::Value>(&sealed).is_ok(), "{sealed}");
        assert_eq!(unseal(text).1, Seal::Absent);
        for at in 0..sealed.len() {
            for bit in 0..8 {
                let mut bytes = sealed.clone().into_bytes();
                bytes[at] ^= 1 << bit;
                let Ok(changed) = String::from_utf8(bytes) else { continue };
                assert_eq!(unseal(&changed).1, Seal::Broken, "byte {at}, bit {bit}: {changed}");
            }
            let cut = unseal(&sealed[..at]);
            let reads = serde_json::from_str::<serde_json::Value>(&cut.0).is_ok();
            assert!(cut.1 == Seal::Broken || !reads, "cut at {at}");
        }
    }

    #[test]
    fn every_changed_byte_breaks_the_mark_or_the_object() {
        let text = "{\n  \"format_version\": 1\n}\n";
        let marked = mark(text);
        let value = |text: &str| serde_json::from_str::<serde_json::Value>(text).ok();
        assert_eq!((unmark(&marked), value(&marked)), (Seal::Sound, value(text)));
        assert_eq!((unmark(text), unmark(text.trim_end())), (Seal::Absent, Seal::Absent));
        assert_eq!(mark(&marked), marked);
        for at in 0..marked.len() {
            for flip in 1..=u8::MAX {
                let mut bytes = marked.clone().into_bytes();
                bytes[at] ^= flip;
                let Ok(changed) = String::from_utf8(bytes) else { continue };
                let is_refused = unmark(&changed) == Seal::Broken || value(&changed).is_none();
                assert!(is_refused, "byte {at}, {flip:#x}: {changed:?}");
            }
            let cut = &marked[..at];
            assert!(unmark(cut) == Seal::Broken || value(cut).is_none() || value(cut) == value(text), "{at}");
        }
    }
}
