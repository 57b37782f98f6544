//! The committed file of this format version: the writer still makes it, both readers still read it.

mod common;

use std::path::Path;

use common::{CENTRES, IMAGES, MEMBERS, Optional, TEXTS, cells, second};
use uncsm_format::cells::Elements;
use uncsm_format::{Column, Dtype, Uvec, Values, Vectors};

/// The committed bytes. A missing file fails every test here.
fn golden() -> Vec<u8> {
    committed("v0.uvec")
}

fn committed(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    std::fs::read(&path)
        .unwrap_or_else(|error| panic!("the golden file {} is not there: {error}", path.display()))
}

#[test]
fn writer_makes_the_golden_bytes() {
    let made = common::write_golden(Optional::Absent);
    let golden = golden();
    let first = made.iter().zip(&golden).position(|(a, b)| a != b);
    assert_eq!((first, made.len()), (None, golden.len()), "first differing byte, length");
}

#[test]
fn derived_sections_are_the_committed_ones_and_change_nothing_else() {
    let bytes = committed("v0-derived.uvec");
    assert!(common::write_golden(Optional::Derived) == bytes, "the writer makes other bytes");
    let uvec = Uvec::open(&bytes).unwrap();
    assert_eq!(uvec.verify(), []);
    let centres = uvec.derived(CENTRES, Some(0)).unwrap().unwrap();
    assert_eq!((centres.rows, centres.columns), (2, 3));
    assert_eq!(centres.values, Values::F32(&[0.5, 1.0, -2.0, 0.0, 0.25, 65_504.0]));
    let members = uvec.derived(MEMBERS, Some(0)).unwrap().unwrap();
    assert_eq!((members.rows, members.columns, members.values), (5, 1, Values::U32(&[2, 0, 3, 1, 2])));
    let none = uvec.derived(MEMBERS, None).unwrap().unwrap();
    assert_eq!((none.rows, none.columns, none.values), (0, 4, Values::Bytes(&[])));
    assert_eq!(uvec.derived(CENTRES, Some(1)).unwrap(), None);
    assert_eq!(uvec.derived(CENTRES, Some(7)).unwrap(), None);
    assert_eq!(uvec.derived(16, Some(0)).unwrap(), None);

    let file = second::read(&bytes);
    let shapes: Vec<_> =
        file.derived.iter().map(|d| (d.kind, d.media, d.element, d.rows, d.columns)).collect();
    assert_eq!(shapes, [(CENTRES, 0, 3, 2, 3), (MEMBERS, 0, 1, 5, 1), (MEMBERS, u32::MAX, 0, 0, 4)]);
    assert_eq!(file.derived[1].bytes[..8], [2, 0, 0, 0, 0, 0, 0, 0]);
    assert_eq!(file.media, second::read(&golden()).media);
}

#[test]
fn hubs_are_the_committed_ones_and_change_nothing_else() {
    let bytes = committed("v0-hubs.uvec");
    assert!(common::write_golden(Optional::Hubs) == bytes, "the writer makes other bytes");
    let uvec = Uvec::open(&bytes).unwrap();
    assert_eq!(uvec.verify(), []);
    assert_eq!(uvec.media(), common::hub_media());
    let columns = [0, 1, 2].map(|media| (uvec.view(media).hub_columns, uvec.view(media).hubs.len()));
    assert_eq!(columns, [(2, 8), (1, 3), (2, 0)]);
    assert_eq!(uvec.view(0).hubs_of(2), [-1.5, 1.0e-9]);
    assert_eq!(uvec.view(1).hubs, [0.5, -0.5, -1.5]);
    let kinds = uvec.sections().iter().filter(|section| section.name == "HUBS");
    let shapes: Vec<_> = kinds.map(|s| (s.kind, s.media, s.rows, s.columns, s.required, s.derived)).collect();
    assert_eq!(
        shapes,
        [
            (23, Some(0), 4, 2, false, false),
            (23, Some(1), 3, 1, false, false),
            (23, Some(2), 0, 2, false, false)
        ]
    );

    let mut file = second::read(&bytes);
    assert_eq!(&file, &as_second(&uvec));
    assert_eq!(file.media[0].hubs, (0..4).map(|item| common::hubs(item, 2)).collect::<Vec<_>>());
    for media in &mut file.media {
        (media.hub_columns, media.hubs) = (0, Vec::new());
    }
    assert_eq!(file, second::read(&golden()));
}

#[test]
fn cells_are_the_committed_ones_and_read_as_they_were_coded() {
    let bytes = committed("v0-cells.uvec");
    assert!(common::write_golden(Optional::Cells) == bytes, "the writer makes other bytes");
    let uvec = Uvec::open(&bytes).unwrap();
    assert_eq!(uvec.verify(), []);
    assert_eq!((uvec.cells(1).unwrap(), uvec.cells(7).unwrap()), (None, None));
    let read = uvec.cells(0).unwrap().unwrap();
    assert_eq!((read.dim, read.ends, read.rows), (cells::DIM, &cells::ENDS[..], &cells::order()[..]));
    assert_eq!((read.mean, read.directions), (&cells::mean()[..], &cells::directions()[..]));
    assert_eq!((read.steps, read.long_steps), (&cells::steps()[..], &cells::long_steps()[..]));
    let norms = uvec.view(0).inverse_norms;
    let norms: Vec<_> = cells::order().iter().map(|&row| norms[row as usize]).collect();
    assert_eq!(read.norms, norms);
    let elements = Elements::of(cells::DIM);
    assert_eq!([elements.fine, elements.finer, elements.coarse], cells::PARTS);
    assert_eq!((elements.group_bytes(), elements.long_bytes()), (cells::WIDTH, cells::LONG));
    assert_eq!((read.centres.len(), read.short.len()), (cells::WIDTH, 3 * cells::WIDTH));
    assert_eq!(read.long.len(), cells::ITEMS * cells::LONG);
    // Row 1 of the second group: elements 0 and 4, then 8 and 12; coarse ones 0, 4 and 8 of the last block.
    let row = cells::order()[17] as usize;
    let (short, long) = cells::code(&cells::vector(row));
    let group = &read.short[cells::WIDTH..];
    assert_eq!((group[4], group[64 + 4]), (short[0] | short[4] << 4, short[8] | short[12] << 4));
    assert_eq!(group[256 + 4], short[32] | short[36] << 2 | short[40] << 4);
    assert_eq!(read.long[17 * 32 + 2], long[2] | long[34] << 4);
    let curves = read.curves.unwrap();
    assert_eq!((curves.model, curves.rows), (&cells::MODEL, &cells::curves()[..]));

    let file = second::read(&bytes);
    assert_eq!(second::cells(&file, 1), None);
    let second = second::cells(&file, 0).unwrap();
    assert_eq!(second.cells.iter().map(Vec::len).collect::<Vec<_>>(), [17, 0, 23]);
    assert_eq!(second.cells.concat(), read.rows);
    assert_eq!((second.mean, second.directions), (cells::mean(), cells::directions()));
    assert_eq!(second.steps, [cells::steps(), cells::long_steps()]);
    let codes: Vec<_> = (0..cells::ITEMS).map(|row| cells::code(&cells::vector(row))).collect();
    assert_eq!(second.codes, codes);
    let centres: Vec<_> = (0..3).map(|cell| cells::code(&cells::centre(cell)).0).collect();
    assert_eq!(second.centres, centres);
    // No code of the golden file is always at an end of its range, so that each place was told apart.
    let short = |j: usize| codes.iter().any(|(code, _)| (1..if j < 32 { 15 } else { 3 }).contains(&code[j]));
    let long = |j: usize| codes.iter().any(|(_, code)| (1..15).contains(&code[j]));
    assert!((0..cells::PARTS.iter().sum()).all(short) && (0..cells::DIM).all(long));

    // The sections of the items are those of a file without cells.
    let without = second::read(&cells::write(|_| false));
    assert_eq!((file.media, without.derived), (without.media, Vec::new()));
    let curveless = cells::write(|kind| kind < 57);
    let uvec = Uvec::open(&curveless).unwrap();
    assert_eq!((uvec.verify(), second::cells(&second::read(&curveless), 0).unwrap().curves), (vec![], None));
    assert_eq!(uvec.cells(0).unwrap().map(|cells| cells.curves), Some(None));
}

#[test]
fn writing_twice_gives_the_same_bytes() {
    for optional in [Optional::Absent, Optional::Present, Optional::Derived, Optional::Hubs, Optional::Cells]
    {
        assert_eq!(common::write_golden(optional), common::write_golden(optional));
    }
}

#[test]
fn reader_reads_the_known_values() {
    let uvec = Uvec::open(golden()).unwrap();
    assert_eq!(uvec.verify(), []);
    assert_eq!(uvec.space(), &common::SPACE);
    assert_eq!(uvec.documents(), 6);
    assert_eq!(uvec.rejected(), (3, Some(common::REASON)));
    assert_eq!(uvec.media(), common::golden_media());

    let image = uvec.view(0);
    assert_eq!((image.dim, image.half, image.len()), (3, 2, 4));
    assert_eq!(image.docs, [0, 2, 2, 5]);
    assert_eq!(image.ordinals, [0, 1, 2, 0]);
    assert_eq!(image.spans, [[u32::MAX; 2]; 4]);
    assert_eq!(image.hashes[3], common::hash(3));
    let Vectors::F16(vectors) = image.vectors else { panic!("stored in f16") };
    let bits: Vec<u16> = vectors.iter().map(|value| value.to_bits()).collect();
    assert_eq!(bits, [0x3c00, 0x4000, 0xc000, 0x3800, 0x2e66, 0x7bff, 0, 0, 0, 0xbe00, 0x0001, 0x3400]);
    let halves: Vec<u16> = image.halves.iter().map(|value| value.to_bits()).collect();
    assert_eq!(halves, [0x3800, 0xb400, 0x3c00, 0x2e66, 0, 0, 0xc200, 0x6400]);
    assert_eq!(image.inverse_norms[0], 1.0 / 3.0);
    assert_eq!(image.inverse_norms[2], 0.0);
    let ranges: Vec<_> = (0..7).map(|doc| image.items_of(doc)).collect();
    assert_eq!(ranges, [0..1, 1..1, 1..3, 3..3, 3..3, 3..4, 4..4]);
    let mut out = [0.0; 3];
    image.vector_into(0, &mut out);
    assert_eq!(out, [1.0, 2.0, -2.0]);
    image.half_into(3, &mut out[..2]);
    assert_eq!(out[..2], [-3.0, 1024.0]);

    let text = uvec.view(1);
    let Vectors::F32(vectors) = text.vectors else { panic!("stored in f32") };
    assert_eq!(vectors, [3.0, 4.0, 0.1, -1.0e-20, 1.0e30, -0.0]);
    assert_eq!(text.spans, [[0, 17], [17, 17], [5, u32::MAX - 1]]);
    assert_eq!(text.inverse_norms, [0.2, 10.0, 1.0e-30]);
    assert!(text.halves.is_empty());
    assert_eq!(text.items_of(0), 0..2);

    let video = uvec.view(2);
    assert!(video.is_empty() && video.items_of(0).is_empty());
    assert_eq!(uvec.column_bytes(2, Column::Vectors), []);
    assert_eq!(uvec.sections().iter().filter(|section| section.media == Some(2)).count(), 6);
}

#[test]
fn second_reader_reads_the_same() {
    let golden = golden();
    let file = second::read(&golden);
    let uvec = Uvec::open(&golden).unwrap();
    assert_eq!(&file, &as_second(&uvec));
    assert_eq!(file.media[0].docs, IMAGES.map(|item| item.0));
    assert_eq!(file.media[1].vectors, TEXTS.map(|item| item.3.to_vec()));
    assert_eq!(file.media[0].halves[3], IMAGES[3].4);
    assert_eq!((file.rejected, file.reason.as_str()), (common::REJECTED, common::REASON));
}

#[test]
fn second_reader_skips_unknown_optional_sections() {
    let bytes = common::write_golden(Optional::Present);
    let file = second::read(&bytes);
    assert_eq!(file.unknown, [(1000, b"codes of a later version".to_vec()), (1001, vec![9; 65])]);
    assert_eq!(file.media, second::read(&golden()).media);
}

/// What the crate's reader reads, in the words of the second one.
fn as_second<D: AsRef<[u8]>>(uvec: &Uvec<D>) -> second::File {
    let media = uvec.media().iter().enumerate().map(|(index, info)| {
        let view = uvec.view(index);
        let rows = |width: usize, read: &dyn Fn(usize, &mut [f32])| {
            let count = if width == 0 { 0 } else { view.len() };
            (0..count)
                .map(|row| {
                    let mut out = vec![0.0; width];
                    read(row, &mut out);
                    out
                })
                .collect()
        };
        second::Media {
            name: info.name.clone(),
            dim: view.dim,
            dtype: if info.dtype == Dtype::F16 { 2 } else { 3 },
            half: view.half,
            vectors: rows(view.dim, &|row, out| view.vector_into(row, out)),
            docs: view.docs.to_vec(),
            ordinals: view.ordinals.to_vec(),
            spans: view.spans.iter().map(|&[start, end]| (start, end)).collect(),
            hashes: view.hashes.iter().map(|hash| hash.to_vec()).collect(),
            inverse_norms: view.inverse_norms.to_vec(),
            halves: rows(view.half, &|row, out| view.half_into(row, out)),
            hub_columns: view.hub_columns,
            hubs: rows(view.hub_columns, &|row, out| out.copy_from_slice(view.hubs_of(row))),
        }
    });
    let (rejected, reason) = uvec.rejected();
    second::File {
        space: *uvec.space(),
        documents: uvec.documents(),
        rejected,
        reason: reason.unwrap_or_default().to_owned(),
        media: media.collect(),
        unknown: Vec::new(),
        derived: Vec::new(),
    }
}
