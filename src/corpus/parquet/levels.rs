//! How long the rows of a column of lists are, from their repetition levels alone: in constant memory, whatever a run of a few
//! bytes stands for.

use std::fs::File;

use parquet::basic::Encoding;
use parquet::column::page::Page;
use parquet::file::metadata::ColumnChunkMetaData;

use super::damage::{Fault, damaged, opening};
use super::pages::{as_usize, shared};
use super::zstd;

/// Values of the longest row of a column chunk of lists, those that are null and empty lists included, and the rows that
/// begin in each data page. Cost: unpacks each page, and reads its repetition levels.
///
/// # Errors
/// `Io`, `Damaged`.
pub(super) fn longest_row(
    file: &File,
    about: &ColumnChunkMetaData,
    rows: u64,
) -> Result<(u64, Vec<u64>), Fault> {
    let mut pages = zstd::pages(&shared(file)?, about, as_usize(rows)).map_err(|error| opening(&error))?;
    let bits = 16 - about.column_descr().max_rep_level().max(0).leading_zeros();
    let (mut found, mut begun) = (Found::default(), Vec::new());
    while let Some(page) = pages.get_next_page().map_err(|error| opening(&error))? {
        let before = found.rows;
        let read = match &page {
            Page::DictionaryPage { .. } => continue,
            Page::DataPage { buf, num_values, rep_level_encoding, .. } => {
                let values = u64::from(*num_values);
                levels(buf, *rep_level_encoding, values, bits).and_then(|(levels, form)| match form {
                    Form::Runs => found.runs(levels, values, bits),
                    Form::Packed => {
                        found.packed(levels, values, bits, true);
                        Some(())
                    }
                })
            }
            Page::DataPageV2 { buf, num_values, rep_levels_byte_len, .. } => buf
                .get(..*rep_levels_byte_len as usize)
                .and_then(|levels| found.runs(levels, u64::from(*num_values), bits)),
        };
        read.ok_or_else(|| damaged("the repetition levels of a page do not read"))?;
        begun.push(found.rows - before);
    }
    Ok((found.longest, begun))
}

enum Form {
    /// Runs and packed groups.
    Runs,
    /// Packed from the highest bit, as old writers did.
    Packed,
}

/// The repetition levels at the head of a page of version 1.
#[expect(deprecated, reason = "files of old writers")]
fn levels(page: &[u8], encoding: Encoding, values: u64, bits: u32) -> Option<(&[u8], Form)> {
    if encoding == Encoding::BIT_PACKED {
        let length = usize::try_from(values.checked_mul(u64::from(bits))?.div_ceil(8)).ok()?;
        return Some((page.get(..length)?, Form::Packed));
    }
    let (length, rest) = page.split_first_chunk::<4>()?;
    Some((rest.get(..usize::try_from(u32::from_le_bytes(*length)).ok()?)?, Form::Runs))
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Found {
    longest: u64,
    rows: u64,
    /// Values of the row that is not at its end.
    open: u64,
}

impl Found {
    /// `count` levels that are alike.
    fn add(&mut self, is_begin: bool, count: u64) {
        if count == 0 {
            return;
        }
        if is_begin {
            self.rows = self.rows.saturating_add(count);
            self.open = 1;
        } else {
            self.open = self.open.saturating_add(count);
        }
        self.longest = self.longest.max(self.open);
    }

    /// Runs and packed groups of `values` levels of `bits` bits.
    fn runs(&mut self, bytes: &[u8], values: u64, bits: u32) -> Option<()> {
        let (mut at, mut left) = (0, values);
        while left > 0 {
            let mut head = 0u64;
            for shift in (0..).step_by(7) {
                let byte = *bytes.get(at)?;
                at += 1;
                head |= u64::from(byte & 0x7f).checked_shl(shift)?;
                if byte & 0x80 == 0 {
                    break;
                }
            }
            if head & 1 == 0 {
                let width = bits.div_ceil(8) as usize;
                let level = bytes.get(at..at.checked_add(width)?)?;
                at += width;
                let count = (head >> 1).min(left);
                if count == 0 {
                    continue;
                }
                self.add(level.iter().all(|byte| *byte == 0), count);
                left -= count;
            } else {
                let length = usize::try_from((head >> 1).checked_mul(u64::from(bits))?).ok()?;
                // The last group may be cut.
                let group = bytes.get(at..)?;
                let group = &group[..length.min(group.len())];
                at += group.len();
                let count = (group.len() as u64 * 8 / u64::from(bits)).min(left);
                if count == 0 {
                    return None;
                }
                self.packed(group, count, bits, false);
                left -= count;
            }
        }
        Some(())
    }

    /// `count` levels of `bits` bits each; `bytes` holds all of them.
    fn packed(&mut self, bytes: &[u8], count: u64, bits: u32, high_first: bool) {
        for index in 0..count {
            let is_begin = (index * u64::from(bits)..(index + 1) * u64::from(bits)).all(|bit| {
                let byte = bytes.get((bit / 8) as usize).copied().unwrap_or(0);
                let place = if high_first { 7 - bit % 8 } else { bit % 8 };
                byte >> place & 1 == 0
            });
            self.add(is_begin, 1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(bytes: &[u8], values: u64, bits: u32) -> Option<(u64, u64)> {
        let mut found = Found::default();
        found.runs(bytes, values, bits)?;
        Some((found.longest, found.rows))
    }

    #[test]
    fn runs_and_groups_are_counted() {
        // A run of one row's begin, and one of 1,000 values that go on.
        assert_eq!(found(&[2, 0, 0xd0, 0x0f, 1], 1001, 1), Some((1001, 1)));
        // 0 1 1 0 1 1 1 0, from the lowest bit.
        assert_eq!(found(&[3, 0b0111_0110], 8, 1), Some((4, 3)));
        // 0 1 2 0, of two bits; the rest of the group is none.
        assert_eq!(found(&[3, 0b0010_0100, 0], 4, 2), Some((3, 2)));
        // Rows of one value each, as many as a run can say.
        assert_eq!(found(&[0xfe, 0xff, 0xff, 0xff, 0x0f, 0], 2_147_483_647, 1), Some((1, 2_147_483_647)));
        assert_eq!(found(&[2], 1, 1), None);
        assert_eq!(found(&[], 1, 1), None);
        assert_eq!(found(&[0xff; 12], 9, 1), None);
        let mut old = Found::default();
        old.packed(&[0b0110_1110], 8, 1, true);
        assert_eq!((old.longest, old.rows), (4, 3));
    }
}
