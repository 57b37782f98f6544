//! Cells that break the rules: their errors at use, and what `verify` finds.

mod common;

use common::cells::Section;
use common::{Optional, aligned, assert_is, entry_at, put, seal, section_at};
use rkyv::util::AlignedVec;
use uncsm_format::layout::{self, entry};
use uncsm_format::{ElementType, Error, Reason, Uvec};

const NONE: u32 = layout::NONE;

/// The file with cells, a place of the table entry of a kind changed.
fn bent_entry(kind: u32, place: usize, new: &[u8]) -> (Uvec<AlignedVec<64>>, u64) {
    let mut bytes = common::write_golden(Optional::Cells);
    let at = entry_at(&bytes, kind, 0) + place;
    put(&mut bytes, at, new);
    seal(&mut bytes);
    (Uvec::open(aligned(&bytes)).unwrap(), at as u64)
}

/// The one damage of a file, which must not be one that stops a copy of its rows.
fn only(uvec: &Uvec<AlignedVec<64>>) -> (String, Reason) {
    let mut damage = uvec.verify();
    assert_eq!(damage.len(), 1, "{damage:?}");
    assert_eq!(uvec.verify_media(0), []);
    let damage = damage.remove(0);
    assert_eq!(damage.media.as_deref(), Some("image"));
    (damage.section, damage.reason)
}

fn cells_error(uvec: &Uvec<AlignedVec<64>>) -> Error {
    uvec.cells(0).map(|_| ()).unwrap_err()
}

#[test]
fn cells_of_which_a_section_is_missing_are_refused_at_use_and_found_by_verify() {
    let name = |kind: u32| common::cells::write(|other| other == kind);
    for kind in 48..=58 {
        let alone = Uvec::open(aligned(&name(kind))).unwrap();
        let first = if kind == 48 { "CODE_DIRECTIONS of image" } else { "CODE_MEAN of image" };
        assert_is!(cells_error(&alone), Error::Missing { ref section } if section == first);
        let own = alone.sections().iter().find(|section| section.kind == kind).unwrap().name.clone();
        let missing = first.strip_suffix(" of image").unwrap();
        assert_eq!(only(&alone), (own, Reason::Without { missing }));

        let without = Uvec::open(aligned(&common::cells::write(|other| other != kind))).unwrap();
        let section = match cells_error(&without) {
            Error::Missing { section } => section,
            error => panic!("{error:?}"),
        };
        let (on, reason) = only(&without);
        let Reason::Without { missing } = reason else { panic!("{reason:?}") };
        assert_eq!(section, format!("{missing} of image"));
        assert_eq!(on, if kind == 48 { "CODE_DIRECTIONS" } else { "CODE_MEAN" });
        // Without the bit of derived sections it is an unknown one, hence not there either.
        let (plain, _) = bent_entry(kind, entry::FLAGS, &0u32.to_le_bytes());
        assert_is!(cells_error(&plain), Error::Missing { section: ref other } if *other == section);
        // Of another media type, it is missed here, and the others there.
        let (moved, _) = bent_entry(kind, entry::MEDIA, &1u32.to_le_bytes());
        let found: Vec<_> = moved.verify().into_iter().map(|damage| (damage.media, damage.reason)).collect();
        assert_eq!(found[0], (Some("image".to_owned()), reason));
        assert!(found[1].0.as_deref() == Some("text") && matches!(found[1].1, Reason::Without { .. }));
        assert!(moved.cells(1).is_err());
        // Of none at all.
        let (none, _) = bent_entry(kind, entry::MEDIA, &NONE.to_le_bytes());
        let found: Vec<_> = none.verify().into_iter().map(|damage| damage.reason).collect();
        assert_eq!(found, [Reason::MediaIndex { got: NONE as usize, count: 2 }, reason]);
    }
    let bare = Uvec::open(aligned(&common::cells::write(|_| false))).unwrap();
    assert_eq!((bare.cells(0).unwrap(), bare.verify()), (None, vec![]));
}

#[test]
fn cells_of_another_shape_are_refused_at_use_and_found_by_verify() {
    use ElementType::{Bytes, F32, U32};
    let read = |bytes: &[u8]| Uvec::open(aligned(bytes)).unwrap();
    let good = read(&common::write_golden(Optional::Cells));
    for (at, kind) in (48..=58).enumerate() {
        let section = good.sections().iter().find(|section| section.kind == kind).unwrap();
        let with = |edit: &dyn Fn(&mut Section)| common::cells::write_with(|all| edit(&mut all[at]));
        let check = |bytes: &[u8], field: &'static str, place: usize, due: u64, found: u64| {
            let uvec = read(bytes);
            let error = cells_error(&uvec);
            assert_eq!(error.offset(), Some((entry_at(bytes, kind, 0) + place) as u64));
            let error = assert_is!(error, Error::Field { field: name, expected, got, .. }
                if (name, expected, got) == (field, due, found));
            assert!(error.to_string().starts_with(&format!("{field} of {} of image at byte ", section.name)));
            let reason = Reason::Field { field, expected: due, got: found };
            assert_eq!(only(&uvec), (section.name.clone(), reason));
        };
        // Elements of another type, in as many bytes.
        let (old, other, size) = match section.element().unwrap() {
            Bytes => (Bytes, U32, 4),
            U32 => (U32, F32, 1),
            old => (old, U32, 1),
        };
        let bytes = with(&|section| (section.1, section.2) = (other, section.2 / size));
        check(&bytes, "element type", entry::ELEMENT, old.code().into(), other.code().into());
        let (later, _) = bent_entry(kind, entry::ELEMENT, &77u32.to_le_bytes());
        assert_is!(cells_error(&later), Error::ElementType { got: 77, .. });
        let reason = Reason::Field { field: "element type", expected: old.code().into(), got: 77 };
        assert_eq!(only(&later), (section.name.clone(), reason));

        // Twice as many columns of half as many rows.
        let bytes = with(&|section| {
            section.2 *= 2;
            let row = section.2 as usize * section.1.size();
            section.3.resize(section.3.len().div_ceil(row) * row, 0);
        });
        let columns = u64::from(section.columns);
        check(&bytes, "columns", entry::COLUMNS, columns, 2 * columns);

        // One row more.
        let bytes = with(&|section| {
            let row = section.2 as usize * section.1.size();
            section.3.extend(vec![0; row]);
        });
        match kind {
            // It counts the cells: the centres still fit into their group.
            52 => {
                assert!(read(&bytes).cells(0).unwrap().is_some());
                assert_eq!(read(&bytes).verify()[0].reason, Reason::EndOrder { row: 3, count: 1 });
            }
            // There may be any number of curves.
            58 => assert_eq!(read(&bytes).verify(), []),
            _ => check(&bytes, "rows", entry::ROWS, section.rows, section.rows + 1),
        }
        // Rows and bytes that do not fit each other.
        let (cut, _) = bent_entry(kind, entry::ROWS, &(section.rows + 1).to_le_bytes());
        assert_is!(cells_error(&cut), Error::Field { field: "length", .. });
        assert!(matches!(cut.verify()[0].reason, Reason::Shape { .. }));
    }
    // Items without a cell.
    let bytes = common::cells::write_with(|all| [3, 4].into_iter().for_each(|at| all[at].3.clear()));
    assert_is!(cells_error(&read(&bytes)), Error::Field { field: "rows", expected: 1, got: 0, .. });
    assert_eq!(read(&bytes).verify().len(), 2);
    // A section that stands twice.
    let (twice, _) = bent_entry(50, entry::KIND, &48u32.to_le_bytes());
    assert_is!(cells_error(&twice), Error::Duplicate { .. });
    assert!(twice.verify().iter().any(|damage| matches!(damage.reason, Reason::Duplicate { .. })));
}

#[test]
fn verify_finds_bad_values_of_cells_under_a_right_checksum() {
    // The one damage of a section in which four bytes from a place on are others, and how far from its start it shows.
    let found = |kind: u32, byte: usize, new: [u8; 4]| {
        let bytes = common::cells::write_with(|all| {
            let at = all.iter().position(|section| section.0 == kind).unwrap();
            put(&mut all[at].3, byte, &new);
        });
        let uvec = Uvec::open(aligned(&bytes)).unwrap();
        // Values are not looked at here.
        assert!(uvec.cells(0).unwrap().is_some());
        let shown = uvec.verify()[0].offset - section_at(&bytes, kind, 0) as u64;
        let (section, reason) = only(&uvec);
        assert_eq!(section, uvec.sections().iter().find(|section| section.kind == kind).unwrap().name);
        (shown, reason)
    };
    let f = f32::to_le_bytes;
    let u = u32::to_le_bytes;
    let (row, count) = (0, 1);
    for odd in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        assert_eq!(found(48, 44, f(odd)), (0, Reason::NotFinite { row, count }));
        assert_eq!(found(49, 2 * 140 + 8, f(odd)), (280, Reason::NotFinite { row: 2, count }));
    }
    assert_eq!(found(50, 8, f(f32::NAN)), (0, Reason::NotFinite { row, count }));
    assert_eq!(found(50, 4 * 45, f(f32::INFINITY)), (0, Reason::NotFinite { row, count }));
    // The second step of long codes.
    for step in [0.0, -0.0, -1.0] {
        assert_eq!(found(50, 4 * 44, f(step)), (0, Reason::Step { row: 44, count }));
    }
    // Ends: 17, 17, 40.
    assert_eq!(found(52, 0, u(18)), (4, Reason::EndOrder { row: 1, count }));
    assert_eq!(found(52, 8, u(39)), (8, Reason::LastEnd { expected: 40, got: 39 }));
    assert_eq!(found(52, 8, u(u32::MAX)), (8, Reason::LastEnd { expected: 40, got: u32::MAX as usize }));
    let order = common::cells::order();
    let swap = |a: usize, b: usize| {
        let bytes = common::cells::write_with(|all| {
            for at in [7, 8] {
                for byte in 0..4 {
                    all[at].3.swap(4 * a + byte, 4 * b + byte);
                }
            }
        });
        only(&Uvec::open(aligned(&bytes)).unwrap())
    };
    assert_eq!(swap(20, 21), ("CODE_ROWS".to_owned(), Reason::CellOrder { row: 21, count }));
    assert_eq!(swap(38, 39), ("CODE_ROWS".to_owned(), Reason::CellOrder { row: 39, count }));
    assert!(order[16] > order[17], "the first row of a cell may be below those of the cell before");
    // The norms that stand for these positions are of other items, or of none.
    let named = |new: u32| {
        let bytes = common::cells::write_with(|all| put(&mut all[7].3, 4 * 39, &u(new)));
        let damage = Uvec::open(aligned(&bytes)).unwrap().verify();
        damage.into_iter().map(|damage| (damage.section, damage.reason)).collect::<Vec<_>>()
    };
    let rows = |reason| ("CODE_ROWS".to_owned(), reason);
    for none in [40, u32::MAX] {
        assert_eq!(named(none), [rows(Reason::NotOnce { row: 39, count })]);
    }
    let again = named(order[38]);
    assert_eq!(again[0], rows(Reason::NotOnce { row: 39, count }));
    let norm = Reason::InverseNorm { row: 39, count, expected: norm(order[38]), got: norm(order[39]) };
    assert_eq!(again[1..], [("CODE_NORMS".to_owned(), norm)]);
    let (first, got) = (self::norm(order[0]), f32::from_bits(self::norm(order[0]).to_bits() + 1));
    assert_eq!(found(56, 0, f(got)), (0, Reason::InverseNorm { row, count, expected: first, got }));
    // A bit of a code: of the row after the last, and of elements before and after the last in each part of a byte.
    let places = [
        (51, 320, 2 * 4, 0x80, None),
        (51, 320, 3 * 4, 0x01, Some(0)),
        (53, 320, 320 + 256 + 7 * 4 + 2, 0x20, None),
        (53, 320, 320 + 256 + 7 * 4 + 3, 0x08, None),
        (53, 320, 320 + 256 + 7 * 4 + 3, 0x10, Some(1)),
        (53, 320, 320 + 256 + 7 * 4, 0x40, Some(1)),
        (53, 320, 640 + 7 * 4, 0x01, None),
        (53, 320, 640 + 8 * 4, 0x01, Some(2)),
        (54, 32, 5 * 32 + 2, 0x80, None),
        (54, 32, 5 * 32 + 3, 0x01, None),
        (54, 32, 5 * 32 + 3, 0x10, Some(5)),
    ];
    for (kind, width, byte, bit, group) in places {
        let good = common::write_golden(Optional::Cells);
        let at = section_at(&good, kind, 0) + byte;
        let mut bytes = good.clone();
        bytes[at] ^= bit;
        seal(&mut bytes);
        let uvec = Uvec::open(aligned(&bytes)).unwrap();
        let Some(row) = group else {
            assert_eq!(uvec.verify(), [], "{kind} {byte}");
            continue;
        };
        assert_eq!(uvec.verify()[0].offset, (section_at(&good, kind, 0) + width * row) as u64);
        assert_eq!(only(&uvec).1, Reason::CodePadding { row, count });
    }
    assert_eq!(found(58, 108 + 8, f(f32::NAN)), (108, Reason::NotFinite { row: 1, count }));
    assert_eq!(found(58, 216 + 104, f(-1.0)), (216, Reason::Negative { row: 2, count }));
}

/// Inverse norm of a row of the file with cells.
fn norm(row: u32) -> f32 {
    uncsm_format::inverse_norm(&common::cells::vector(row as usize))
}
