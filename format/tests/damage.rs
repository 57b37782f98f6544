//! Whatever happens to the bytes of a container, reading it ends with an error, damage, or an equal reading.

mod common;

use common::{Optional, aligned, entry_at, put, read_all, seal, seal_frame, trailer_at, u32_at, u64_at};
use uncsm_format::layout::{self, entry, media, status, trailer};
use uncsm_format::{Column, Error, Uvec};

/// Opens, verifies and reads everything: `None` when the bytes are refused or found damaged, else the reading.
fn sound(bytes: &[u8]) -> Option<Vec<u8>> {
    let uvec = Uvec::open(bytes).ok()?;
    // Damaged files are read too: that must not panic.
    let all = read_all(&uvec);
    for media in 0..uvec.media().len() {
        let _ = uvec.verify_media(media);
    }
    uvec.verify().is_empty().then_some(all)
}

#[test]
fn every_flip_of_a_byte_is_found() {
    for optional in [Optional::Present, Optional::Derived] {
        let mut bytes = aligned(&common::write_golden(optional));
        assert!(sound(&bytes).is_some());
        for at in 0..bytes.len() {
            for change in 1..=255 {
                bytes[at] ^= change;
                assert_eq!(sound(&bytes), None, "byte {at} changed by {change:#04x}");
                bytes[at] ^= change;
            }
        }
    }
}

#[test]
fn flips_in_a_file_with_cells_are_found() {
    let mut bytes = aligned(&common::write_golden(Optional::Cells));
    assert!(sound(&bytes).is_some());
    for at in 0..bytes.len() {
        for change in [1, 0x80] {
            bytes[at] ^= change;
            assert_eq!(sound(&bytes), None, "byte {at} changed by {change:#04x}");
            bytes[at] ^= change;
        }
    }
}

#[test]
fn every_truncation_is_refused() {
    for optional in [Optional::Present, Optional::Derived, Optional::Cells] {
        let bytes = aligned(&common::write_golden(optional));
        for length in 0..bytes.len() {
            let error = Uvec::open(&bytes[..length]).map(|_| ()).unwrap_err();
            let expected = match length {
                0..96 => matches!(error, Error::Truncated { expected: 96, got } if got == length as u64),
                _ => matches!(error, Error::TrailerMagic { offset } if offset == length as u64 - 32),
            };
            assert!(expected, "{length} bytes: {error:?}");
        }
    }
}

#[test]
fn bytes_after_the_end_are_refused() {
    let mut bytes = common::write_golden(Optional::Absent);
    bytes.extend([0; 64]);
    assert!(matches!(common::open_error(&bytes), Error::TrailerMagic { .. }));
    let trailer = bytes[bytes.len() - 96..][..32].to_vec();
    bytes.extend(trailer);
    assert!(matches!(common::open_error(&bytes), Error::Truncated { .. }));
}

/// Numbers that break sums, products and bounds.
fn numbers(old: u64, file: u64) -> Vec<u64> {
    let mut all = vec![0, 1, 2, 3, 15, 16, 22, 31, 48, 63, 64, 65, 96, 128, 1032, 1033, 65_536, 65_537];
    all.extend([
        u64::from(u32::MAX) - 1,
        u64::from(u32::MAX),
        u64::MAX,
        u64::MAX - 31,
        u64::MAX - 63,
        1 << 63,
    ]);
    all.extend([1 << 32, (1 << 62) + 1, file, file - 32, file + 1]);
    all.extend([
        old.wrapping_add(1),
        old.wrapping_sub(1),
        old ^ 64,
        old.wrapping_add(64),
        old.wrapping_sub(64),
    ]);
    all
}

/// A field, changed under a right checksum, must be refused or read as it was.
fn forge(bytes: &mut [u8], at: usize, size: usize, is_free: impl Fn(u64) -> bool) {
    let before = sound(bytes);
    let original = bytes.to_vec();
    let old = if size == 4 { u64::from(u32_at(bytes, at)) } else { u64_at(bytes, at) };
    for new in numbers(old, original.len() as u64) {
        put(bytes, at, &new.to_le_bytes()[..size]);
        // Sections move when offsets change: their stored checksums are kept, so only the frame is sealed.
        seal_frame(bytes);
        let after = sound(bytes);
        let same = bytes[at..at + size] == original[at..at + size];
        assert!(after.is_none() || same || after == before || is_free(new), "byte {at}: {old} -> {new}");
        bytes.copy_from_slice(&original);
    }
}

#[test]
fn forged_table_is_refused() {
    for optional in [Optional::Present, Optional::Derived, Optional::Hubs, Optional::Cells] {
        forge_table(optional);
    }
}

fn forge_table(optional: Optional) {
    let mut bytes = aligned(&common::write_golden(optional));
    let end = trailer_at(&bytes);
    let table = u64_at(&bytes, end + trailer::TABLE) as usize;
    for at in (table..end).step_by(entry::SIZE) {
        let kind = u32_at(&bytes, at + entry::KIND);
        // Of unknown optional sections most fields mean nothing.
        let is_unknown = kind >= 1000;
        // HALVES and HUBS, the known kinds without the required bit, are missed when their kind is changed.
        forge(&mut bytes, at + entry::KIND, 4, |_| is_unknown);
        for (field, size) in
            [(entry::MEDIA, 4), (entry::FLAGS, 4), (entry::ELEMENT, 4), (entry::ROWS, 8), (entry::COLUMNS, 4)]
        {
            forge(&mut bytes, at + field, size, |_| is_unknown);
        }
        forge(&mut bytes, at + entry::OFFSET, 8, |_| false);
        forge(&mut bytes, at + entry::LENGTH, 8, |_| false);
        forge(&mut bytes, at + entry::CRC, 4, |_| false);
    }
}

#[test]
fn forged_trailer_is_refused() {
    let mut bytes = aligned(&common::write_golden(Optional::Absent));
    let at = trailer_at(&bytes);
    forge(&mut bytes, at + trailer::TABLE, 8, |_| false);
    forge(&mut bytes, at + trailer::SECTIONS, 4, |_| false);
    // More documents than there are items is no damage; document 5 has an item.
    forge(&mut bytes, at + trailer::DOCUMENTS, 4, |documents| documents as u32 > 5);
}

#[test]
fn forged_records_are_refused() {
    for optional in [Optional::Absent, Optional::Hubs] {
        forge_records(optional);
    }
}

fn forge_records(optional: Optional) {
    let bytes = aligned(&common::write_golden(optional));
    let records = common::section_at(&bytes, layout::KIND_MEDIA, layout::NONE);
    for record in 0..3 {
        for field in [media::DIM, media::DTYPE, media::HALF, media::HUBS] {
            let at = records + record * media::SIZE + field;
            let old = u32_at(&bytes, at);
            for new in numbers(old.into(), bytes.len() as u64) {
                let mut forged = aligned(&bytes);
                put(&mut forged, at, &new.to_le_bytes()[..4]);
                seal(&mut forged);
                assert!(sound(&forged).is_none() || u32_at(&forged, at) == old, "byte {at}: {old} -> {new}");
            }
        }
    }
}

#[test]
fn resealed_changes_of_sections_never_panic() {
    for optional in [Optional::Present, Optional::Derived, Optional::Hubs, Optional::Cells] {
        reseal(optional);
    }
}

fn reseal(optional: Optional) {
    let bytes = common::write_golden(optional);
    let mut refused = 0;
    for at in layout::header::SIZE..u64_at(&bytes, trailer_at(&bytes) + trailer::TABLE) as usize {
        for new in [0x00, 0x01, 0x7f, 0x80, 0xff] {
            let mut forged = aligned(&bytes);
            forged[at] = new;
            seal(&mut forged);
            refused += usize::from(sound(&forged).is_none());
        }
    }
    assert!(refused > 0);
}

#[test]
fn overlapping_sections_are_refused() {
    let mut bytes = aligned(&common::write_golden(Optional::Absent));
    let docs = entry_at(&bytes, layout::KIND_DOCS, 0);
    let vectors = u64_at(&bytes, entry_at(&bytes, layout::KIND_VECTORS, 0) + entry::OFFSET);
    put(&mut bytes, docs + entry::OFFSET, &vectors.to_le_bytes());
    seal(&mut bytes);
    let error = common::open_error(&bytes);
    assert_eq!(error.offset(), Some((docs + entry::OFFSET) as u64));
    assert!(matches!(error, Error::Field { field: "offset", .. }), "{error:?}");
}

#[test]
fn status_of_another_length_is_refused() {
    let mut bytes = aligned(&common::write_golden(Optional::Absent));
    let at = entry_at(&bytes, layout::KIND_STATUS, layout::NONE);
    let short = status::REASON as u32 - 1;
    put(&mut bytes, at + entry::COLUMNS, &short.to_le_bytes());
    put(&mut bytes, at + entry::LENGTH, &u64::from(short).to_le_bytes());
    seal(&mut bytes);
    let error = common::open_error(&bytes);
    assert!(matches!(error, Error::Limit { what: "bytes of STATUS", got: 7, .. }), "{error:?}");
}

#[test]
fn items_of_a_damaged_order_stay_within_the_rows() {
    let bytes = common::write_golden(Optional::Absent);
    let docs = common::section_at(&bytes, Column::Docs.kind(), 0);
    for order in [[3, 2, 1, 0], [0, 2, 1, 3], [1, 1, 0, 3], [u32::MAX, 0, u32::MAX, 0]] {
        let mut damaged = aligned(&bytes);
        for (row, doc) in order.into_iter().enumerate() {
            put(&mut damaged, docs + 4 * row, &doc.to_le_bytes());
        }
        let uvec = Uvec::open(&damaged).unwrap();
        for doc in [0, 1, 2, 3, 4, u32::MAX] {
            let rows = uvec.view(0).items_of(doc);
            assert!(rows.start <= rows.end && rows.end <= 4, "{order:?} {doc} {rows:?}");
        }
    }
}
