//! Each rule of "What a reader MUST refuse", by its error; and what `verify` finds, by its reason.

mod common;

use common::{
    CENTRES, MEMBERS, Optional, aligned, assert_is, entry_at, open_error, put, seal, seal_frame, section_at,
    trailer_at, u64_at,
};
use rkyv::util::AlignedVec;
use uncsm_format::layout::{self, entry, header, media, trailer};
use uncsm_format::{Column, Error, Reason, Uvec};

const NONE: u32 = layout::NONE;

/// The golden file, bent and sealed.
fn bent(bend: impl FnOnce(&mut [u8])) -> Vec<u8> {
    let mut bytes = common::write_golden(Optional::Absent);
    bend(&mut bytes);
    seal(&mut bytes);
    bytes
}

/// The same file with a table entry taken out.
fn without(kind: u32, index: u32) -> Vec<u8> {
    let mut bytes = common::write_golden(Optional::Absent);
    let at = entry_at(&bytes, kind, index);
    bytes.drain(at..at + entry::SIZE);
    let sections = trailer_at(&bytes) + trailer::SECTIONS;
    let count = common::u32_at(&bytes, sections) - 1;
    put(&mut bytes, sections, &count.to_le_bytes());
    seal_frame(&mut bytes);
    bytes
}

#[test]
fn another_file_is_refused() {
    let got = *b"\x89PNG\r\n\x1a\n";
    let error =
        assert_is!(open_error(&[&got[..], &[0; 200]].concat()), Error::Magic { got: found } if found == got);
    assert_eq!(error.offset(), Some(0));
    assert_is!(open_error(b""), Error::Truncated { expected: 96, got: 0 });
    assert_is!(open_error(&layout::MAGIC), Error::Truncated { expected: 96, got: 8 });
}

#[test]
fn another_version_is_refused_before_anything_else() {
    for got in [1, u32::MAX] {
        let mut bytes = layout::MAGIC.to_vec();
        bytes.extend(got.to_le_bytes());
        let error =
            assert_is!(open_error(&bytes), Error::Version { expected: 0, got: found } if found == got);
        assert_eq!(error.offset(), Some(8));
        let whole = bent(|bytes| put(bytes, header::VERSION, &got.to_le_bytes()));
        assert_is!(open_error(&whole), Error::Version { .. });
    }
}

#[test]
fn broken_frame_is_refused() {
    let bytes = common::write_golden(Optional::Absent);
    let mut flipped = bytes.clone();
    flipped[header::SPACE] ^= 1;
    assert_is!(open_error(&flipped), Error::Checksum { offset: 0, .. });
    assert_is!(open_error(&bytes[..bytes.len() - 1]), Error::TrailerMagic { .. });
    let longer = bent(|bytes| put(bytes, header::LENGTH, &128u32.to_le_bytes()));
    assert_is!(
        open_error(&longer),
        Error::Field { field: "header length", expected: 64, got: 128, offset: 12, .. }
    );
    let reserved = bent(|bytes| bytes[header::RESERVED + 15] = 1);
    assert_is!(open_error(&reserved), Error::Reserved { offset: 48, .. });
    let at = trailer_at(&bytes) + trailer::RESERVED;
    assert_is!(open_error(&bent(|bytes| bytes[at] = 1)), Error::Reserved { offset, .. } if offset == at as u64);
    let at = section_at(&bytes, layout::KIND_MEDIA, NONE) + media::RESERVED;
    assert_is!(open_error(&bent(|bytes| bytes[at] = 1)), Error::Reserved { offset, .. } if offset == at as u64);
}

#[test]
fn unknown_required_section_is_refused_and_unknown_optional_skipped() {
    let bytes = common::write_golden(Optional::Present);
    let uvec = Uvec::open(&bytes).unwrap();
    assert_eq!(uvec.verify(), []);
    let plain = Uvec::open(common::write_golden(Optional::Absent)).unwrap();
    for index in 0..3 {
        for column in Column::ALL {
            assert_eq!(uvec.column_bytes(index, column), plain.column_bytes(index, column));
        }
    }
    let unknown: Vec<_> = uvec.sections().iter().filter(|section| section.kind >= 1000).collect();
    assert_eq!(unknown.len(), 2);
    assert_eq!((unknown[0].name.as_str(), unknown[0].media, unknown[0].length), ("kind 1000", Some(0), 24));
    assert_eq!((unknown[1].media, unknown[1].required), (None, false));

    // Bits that this version does not know mean nothing on a section that it does not know.
    let mut bits = bytes.clone();
    let at = entry_at(&bits, 1000, 0);
    put(&mut bits, at + entry::FLAGS, &(!layout::FLAG_REQUIRED).to_le_bytes());
    put(&mut bits, at + entry::ELEMENT, &77u32.to_le_bytes());
    seal(&mut bits);
    assert_eq!(Uvec::open(bits).unwrap().verify(), []);

    let mut required = bytes.clone();
    put(&mut required, at + entry::FLAGS, &layout::FLAG_REQUIRED.to_le_bytes());
    seal(&mut required);
    let error = assert_is!(open_error(&required), Error::UnknownRequired { kind: 1000, .. });
    assert_eq!(error.offset(), Some(at as u64));

    let mut flipped = bytes.clone();
    flipped[section_at(&bytes, 1001, NONE)] ^= 4;
    let damage = Uvec::open(flipped).unwrap().verify();
    assert_eq!((damage.len(), damage[0].section.as_str()), (1, "kind 1001"));
    assert!(matches!(damage[0].reason, Reason::Checksum { .. }));
}

#[test]
fn derived_section_of_another_shape_is_refused_at_use_and_found_by_verify() {
    let bytes = common::write_golden(Optional::Derived);
    let at = entry_at(&bytes, CENTRES, 0);
    let bend = |place: usize, new: &[u8]| {
        let mut bytes = bytes.clone();
        put(&mut bytes, at + place, new);
        seal(&mut bytes);
        Uvec::open(aligned(&bytes)).unwrap()
    };
    let used = |uvec: &Uvec<AlignedVec<64>>| uvec.derived(CENTRES, Some(0)).map(|_| ()).unwrap_err();
    let shape = |uvec: &Uvec<AlignedVec<64>>| {
        let damage = uvec.verify();
        assert!(
            matches!(damage[..], [uncsm_format::Damage { reason: Reason::Shape { .. }, .. }]),
            "{damage:?}"
        );
        // What is not copied stops no merge.
        assert_eq!(uvec.verify_media(0), []);
    };
    for rows in [0, 1, 3, 1 << 62, u64::MAX] {
        let uvec = bend(entry::ROWS, &rows.to_le_bytes());
        let error = assert_is!(used(&uvec), Error::Field { field: "length", got: 24, .. });
        assert_eq!(error.offset(), Some((at + entry::LENGTH) as u64));
        shape(&uvec);
    }
    let none = bend(entry::COLUMNS, &0u32.to_le_bytes());
    assert_is!(used(&none), Error::Field { field: "columns", expected: 1, got: 0, .. });
    shape(&none);
    // Elements of a later version are passed over.
    let later = bend(entry::ELEMENT, &77u32.to_le_bytes());
    let error = assert_is!(used(&later), Error::ElementType { got: 77, .. });
    assert_eq!(error.offset(), Some((at + entry::ELEMENT) as u64));
    assert_eq!(later.verify(), []);
    // Without its bit it is optional and unknown, as before there were derived ones.
    let plain = bend(entry::FLAGS, &0u32.to_le_bytes());
    assert_eq!((plain.derived(CENTRES, Some(0)).unwrap(), plain.verify()), (None, vec![]));
    let required = bend_error(&bytes, at + entry::FLAGS, layout::FLAG_DERIVED | layout::FLAG_REQUIRED);
    assert_is!(required, Error::UnknownRequired { kind: CENTRES, .. });

    let mut flipped = bytes.clone();
    flipped[section_at(&bytes, CENTRES, 0)] ^= 4;
    let damage = Uvec::open(flipped).unwrap().verify();
    assert_eq!((damage.len(), damage[0].media.as_deref()), (1, Some("image")));
    assert!(matches!(damage[0].reason, Reason::Checksum { .. }));
}

#[test]
fn derived_section_that_stands_twice_or_names_no_media_type_is_refused_at_use_and_found_by_verify() {
    let bytes = common::write_golden(Optional::Derived);
    let (at, start) = (entry_at(&bytes, CENTRES, 0), section_at(&bytes, CENTRES, 0) as u64);
    // Sections of a later version's elements have one place each too.
    for element in [3u32, 77] {
        let bend = |place: usize, new: u32| {
            let mut bytes = bytes.clone();
            put(&mut bytes, at + entry::ELEMENT, &element.to_le_bytes());
            put(&mut bytes, at + place, &new.to_le_bytes());
            seal(&mut bytes);
            Uvec::open(aligned(&bytes)).unwrap()
        };
        let one = |uvec: &Uvec<AlignedVec<64>>| {
            let mut damage = uvec.verify();
            assert_eq!(damage.len(), 1, "{damage:?}");
            assert_eq!(uvec.verify_media(0), []);
            damage.remove(0)
        };
        let twice = bend(entry::KIND, MEMBERS);
        let error =
            assert_is!(twice.derived(MEMBERS, Some(0)).map(|_| ()).unwrap_err(), Error::Duplicate { .. });
        assert_eq!(error.offset(), Some((at + entry::SIZE) as u64));
        let damage = one(&twice);
        assert_eq!(damage.reason, Reason::Duplicate { first: start });
        let second = section_at(&bytes, MEMBERS, 0) as u64;
        let place = (damage.section.as_str(), damage.media.as_deref(), damage.offset);
        assert_eq!(place, ("kind 2001", Some("image"), second));

        // The file has three media types.
        for got in [3, 9, NONE - 1] {
            let uvec = bend(entry::MEDIA, got);
            let error = uvec.derived(CENTRES, Some(got as usize)).map(|_| ()).unwrap_err();
            let error = assert_is!(error, Error::Field { field: "media index", expected: 2, .. });
            assert_eq!(error.offset(), Some((at + entry::MEDIA) as u64));
            let damage = one(&uvec);
            assert_eq!(damage.reason, Reason::MediaIndex { got: got as usize, count: 3 });
            assert_eq!((damage.media, damage.offset), (None, start));
            assert_eq!(uvec.derived(CENTRES, Some(0)).unwrap(), None);
        }
        for fits in [1, 2, NONE] {
            assert_eq!(bend(entry::MEDIA, fits).verify(), []);
        }
    }
}

fn bend_error(bytes: &[u8], at: usize, new: u32) -> Error {
    let mut bytes = bytes.to_vec();
    put(&mut bytes, at, &new.to_le_bytes());
    seal(&mut bytes);
    open_error(&bytes)
}

#[test]
fn known_section_with_foreign_fields_is_refused() {
    let bytes = common::write_golden(Optional::Absent);
    let field = |kind, index, field, new: u32| {
        let at = entry_at(&bytes, kind, index) + field;
        (open_error(&bent(|bytes| put(bytes, at, &new.to_le_bytes()))), Some(at as u64))
    };
    let (error, at) = field(layout::KIND_DOCS, 1, entry::FLAGS, 3);
    assert_is!(&error, Error::Field { field: "flags", expected: 1, got: 3, .. });
    assert_eq!(error.offset(), at);
    let (error, _) = field(layout::KIND_HALVES, 0, entry::FLAGS, 2);
    assert_is!(&error, Error::Field { field: "flags", expected: 0, got: 2, .. });
    let (error, at) = field(layout::KIND_VECTORS, 0, entry::ELEMENT, 4);
    assert_is!(&error, Error::ElementType { got: 4, .. });
    assert_eq!(error.offset(), at);
    let (error, _) = field(layout::KIND_VECTORS, 0, entry::ELEMENT, 3);
    assert_is!(&error, Error::Field { field: "element type", expected: 2, got: 3, .. });
    let (error, _) = field(layout::KIND_VECTORS, 0, entry::COLUMNS, 4);
    assert_is!(&error, Error::Field { field: "columns", expected: 3, got: 4, .. });
    let (error, _) = field(layout::KIND_ORDINALS, 0, entry::ROWS, 5);
    assert_is!(&error, Error::Field { field: "rows", expected: 4, got: 5, .. });
    let (error, _) = field(layout::KIND_VECTORS, 0, entry::ROWS, 5);
    assert_is!(&error, Error::Field { field: "length", expected: 30, got: 24, .. });
    let (error, _) = field(layout::KIND_DOCS, 1, entry::MEDIA, 9);
    assert_is!(&error, Error::Field { field: "media index", got: 9, .. });
    let (error, _) = field(layout::KIND_DOCS, 1, entry::MEDIA, 256);
    assert_is!(&error, Error::Field { field: "media index", got: 256, .. });
    let (error, _) = field(layout::KIND_STATUS, NONE, entry::MEDIA, 0);
    assert_is!(&error, Error::Field { field: "media index", got: 0, .. });
    let (error, _) = field(layout::KIND_DOCS, 1, entry::MEDIA, 0);
    assert_is!(&error, Error::Duplicate { .. });
    let (error, _) = field(layout::KIND_STATUS, NONE, entry::KIND, layout::KIND_MEDIA);
    assert_is!(&error, Error::Duplicate { .. });
}

#[test]
fn missing_sections_are_refused() {
    // HASHES of the last media type is empty: taking it out moves nothing. Others become unknown and optional.
    assert_is!(open_error(&without(layout::KIND_HASHES, 2)), Error::Missing { ref section } if section == "HASHES of vidéo");
    let bytes = common::write_golden(Optional::Absent);
    for (kind, index) in [(layout::KIND_MEDIA, NONE), (layout::KIND_STATUS, NONE), (layout::KIND_HALVES, 0)] {
        let at = entry_at(&bytes, kind, index);
        let gone = bent(|bytes| {
            put(bytes, at + entry::KIND, &1000u32.to_le_bytes());
            put(bytes, at + entry::FLAGS, &0u32.to_le_bytes());
        });
        assert_is!(open_error(&gone), Error::Missing { .. });
    }
    // Halves that the media type does not announce.
    let half = section_at(&bytes, layout::KIND_MEDIA, NONE) + media::HALF;
    let extra = bent(|bytes| put(bytes, half, &0u32.to_le_bytes()));
    assert_is!(open_error(&extra), Error::Field { field: "half", expected: 2, got: 0, .. });
    // Hubs that are announced and not there, and the other way round.
    let announced = |bytes: &mut [u8], record: usize, hubs: u32| {
        let at = section_at(bytes, layout::KIND_MEDIA, NONE) + record * media::SIZE + media::HUBS;
        put(bytes, at, &hubs.to_le_bytes());
        seal(bytes);
    };
    let mut missing = bytes.clone();
    announced(&mut missing, 1, 2);
    assert_is!(open_error(&missing), Error::Missing { ref section } if section == "HUBS of text");
    for (record, hubs, field) in [(0, 0, "hubs"), (1, 2, "columns")] {
        let mut other = common::write_golden(Optional::Hubs);
        announced(&mut other, record, hubs);
        assert_is!(open_error(&other), Error::Field { field: found, .. } if found == field);
    }
}

#[test]
fn verify_finds_damaged_hubs() {
    let good = common::write_golden(Optional::Hubs);
    let at = section_at(&good, layout::KIND_HUBS, 0);
    let offsets = |bytes: &[u8]| -> Vec<(String, u64, Reason)> {
        let uvec = Uvec::open(aligned(bytes)).unwrap();
        assert_eq!(format!("{:?}", uvec.verify()), format!("{:?}", uvec.verify_media(0)));
        uvec.verify().into_iter().map(|damage| (damage.section, damage.offset, damage.reason)).collect()
    };
    for byte in 0..32 {
        let mut flipped = good.clone();
        flipped[at + byte] ^= 1;
        let found = offsets(&flipped);
        assert!(
            matches!(&found[..], [(name, offset, Reason::Checksum { .. })] if name == "HUBS" && *offset == at as u64)
        );
    }
    let mut infinite = good;
    put(&mut infinite, at + 12, &f32::INFINITY.to_le_bytes());
    seal(&mut infinite);
    assert_eq!(
        offsets(&infinite),
        [("HUBS".to_owned(), at as u64 + 8, Reason::NotFinite { row: 1, count: 1 })]
    );
}

#[test]
fn small_sections_are_checked_at_open() {
    let bytes = common::write_golden(Optional::Absent);
    for kind in [layout::KIND_MEDIA, layout::KIND_STATUS] {
        let at = section_at(&bytes, kind, NONE);
        let mut flipped = bytes.clone();
        flipped[at] ^= 1;
        assert_is!(open_error(&flipped), Error::Checksum { offset, .. } if offset == at as u64);
    }
    let at = section_at(&bytes, layout::KIND_STATUS, NONE) + 8;
    assert_is!(open_error(&bent(|bytes| bytes[at] = 0xff)), Error::Text { offset, .. } if offset == at as u64);
}

#[test]
fn bad_media_records_are_refused() {
    let bytes = common::write_golden(Optional::Absent);
    let record = |index: usize| section_at(&bytes, layout::KIND_MEDIA, NONE) + index * media::SIZE;
    let name = |index, new: &'static [u8]| bent(|bytes| put(bytes, record(index), new));
    assert_is!(open_error(&name(0, b"\xffmage")), Error::Text { .. });
    assert_is!(open_error(&name(0, b"im\0ge")), Error::Text { .. });
    assert_is!(open_error(&name(0, &[0; 32])), Error::MediaName { reason: "empty", .. });
    assert_is!(open_error(&name(1, b"image")), Error::MediaName { reason: "stands twice", .. });
    let field = |at, new: u32| open_error(&bent(|bytes| put(bytes, record(1) + at, &new.to_le_bytes())));
    assert_is!(field(media::DIM, 0), Error::Limit { got: 0, least: 1, .. });
    assert_is!(field(media::DIM, 65_537), Error::Limit { got: 65_537, .. });
    assert_is!(field(media::HALF, 65_537), Error::Limit { got: 65_537, .. });
    assert_is!(field(media::HUBS, 256), Error::Limit { got: 256, most: 255, .. });
    assert_is!(field(media::DTYPE, 1), Error::ElementType { got: 1, .. });
}

/// Damage of the bent file, of which there must be one.
fn damage_of(column: Column, index: usize, byte: usize, new: &[u8]) -> Reason {
    let at = section_at(&common::write_golden(Optional::Absent), column.kind(), index as u32);
    let bytes = bent(|bytes| put(bytes, at + byte, new));
    let uvec = Uvec::open(aligned(&bytes)).unwrap();
    let damage = uvec.verify();
    // As text, in which NaN equals itself.
    assert_eq!(format!("{damage:?}"), format!("{:?}", uvec.verify_media(index)));
    let found = damage.iter().find(|damage| damage.section == column.name()).unwrap();
    let name = &uvec.media()[index].name;
    let row = column.row_bytes(&uvec.media()[index]);
    assert_eq!((&found.media, found.offset), (&Some(name.clone()), (at + byte / row * row) as u64));
    assert!(found.to_string().starts_with(&format!("{} of {name} at byte ", column.name())));
    found.reason
}

#[test]
fn verify_finds_bad_values_under_a_right_checksum() {
    let reason = damage_of(Column::Docs, 0, 8, &1u32.to_le_bytes());
    assert_eq!(reason, Reason::DocOrder { row: 2, count: 1 });
    let reason = damage_of(Column::Docs, 0, 12, &6u32.to_le_bytes());
    assert_eq!(reason, Reason::DocRange { row: 3, count: 1, documents: 6 });
    let reason = damage_of(Column::Spans, 1, 8, &18u32.to_le_bytes());
    assert_eq!(reason, Reason::Span { row: 1, count: 1 });
    let reason = damage_of(Column::Spans, 0, 0, &[0; 4]);
    assert_eq!(reason, Reason::Span { row: 0, count: 1 });
    let reason = damage_of(Column::Vectors, 0, 6, &[0x00, 0x7c]);
    assert_eq!(reason, Reason::NotFinite { row: 1, count: 1 });
    let reason = damage_of(Column::Vectors, 1, 8, &f32::NAN.to_le_bytes());
    assert_eq!(reason, Reason::NotFinite { row: 1, count: 1 });
    let reason = damage_of(Column::Halves, 0, 4, &[0x01, 0x7c]);
    assert_eq!(reason, Reason::NotFinite { row: 1, count: 1 });
    let reason = damage_of(Column::InverseNorms, 1, 0, &0.3f32.to_le_bytes());
    assert_eq!(reason, Reason::InverseNorm { row: 0, count: 1, expected: 0.2, got: 0.3 });
    let reason = damage_of(Column::InverseNorms, 0, 8, &1.0f32.to_le_bytes());
    assert_eq!(reason, Reason::InverseNorm { row: 2, count: 1, expected: 0.0, got: 1.0 });
    let reason = damage_of(Column::InverseNorms, 1, 4, &f32::NAN.to_le_bytes());
    assert!(matches!(reason, Reason::InverseNorm { row: 1, count: 1, got, .. } if got.is_nan()));
}

#[test]
fn verify_finds_all_damage() {
    let mut bytes = aligned(&common::write_golden(Optional::Absent));
    let vectors = section_at(&bytes, layout::KIND_VECTORS, 0);
    let hashes = section_at(&bytes, layout::KIND_HASHES, 1);
    bytes[vectors] ^= 1;
    bytes[vectors + 24] = 1;
    bytes[vectors + 63] = 1;
    bytes[hashes] ^= 1;
    let uvec = Uvec::open(&bytes).unwrap();
    let found: Vec<_> =
        uvec.verify().into_iter().map(|damage| (damage.section, damage.media, damage.offset)).collect();
    let name = |name: &str| Some(name.to_owned());
    let norms = section_at(&bytes, layout::KIND_INVERSE_NORMS, 0);
    assert_eq!(
        found,
        [
            ("VECTORS".to_owned(), name("image"), vectors as u64),
            ("VECTORS".to_owned(), name("image"), vectors as u64 + 24),
            ("HASHES".to_owned(), name("text"), hashes as u64),
            ("INVERSE_NORMS".to_owned(), name("image"), norms as u64),
        ]
    );
    assert!(uvec.verify().iter().any(|damage| damage.reason == Reason::Padding { count: 2 }));
    // Of one media type: its sections, not their padding.
    assert_eq!(uvec.verify_media(0).len(), 2);
    assert_eq!(uvec.verify_media(1).len(), 1);
    assert_eq!(uvec.verify_media(2), []);
}

#[test]
fn padding_before_the_table_is_checked() {
    let mut bytes = common::write_golden(Optional::Absent);
    let table = u64_at(&bytes, trailer_at(&bytes) + trailer::TABLE) as usize;
    bytes[table - 1] = 1;
    let damage = Uvec::open(bytes).unwrap().verify();
    assert_eq!((damage.len(), damage[0].offset), (1, table as u64 - 1));
    assert_eq!(damage[0].section, "STATUS");
}
