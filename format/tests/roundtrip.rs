//! What is written is read, whatever it is and wherever the bytes lie.

mod common;

use std::collections::BTreeMap;
use std::io::Write;

use common::{Optional, aligned, read_all, second};
use proptest::prelude::*;
use uncsm_format::cells::Elements;
use uncsm_format::{Column, Dtype, ElementType, ItemRow, MediaInfo, Rows, Uvec, Values, Writer};

/// Of one item: steps to the next document, ordinal, span, hash, vector, half and hubs.
#[derive(Debug, Clone)]
struct Item {
    skip: u32,
    ordinal: u32,
    span: Option<(u32, u32)>,
    hash: [u8; 16],
    vector: Vec<f32>,
    half: Vec<f32>,
    hubs: Vec<f32>,
}

fn item(dim: usize, half: usize, hubs: usize) -> impl Strategy<Value = Item> {
    let value =
        prop_oneof![4 => -65_504.0f32..65_504.0, 2 => -1.0f32..1.0, 1 => Just(0.0), 1 => Just(-1.0e-7)];
    let span = prop_oneof![Just(None), (0..1000u32, 0..1000u32).prop_map(|(a, n)| Some((a, a + n)))];
    let vector = prop::collection::vec(value.clone(), dim);
    let half = prop::collection::vec(value.clone(), half);
    let hubs = prop::collection::vec(value.prop_map(|value| value / 3.0), hubs);
    (0..3u32, any::<u32>(), span, any::<[u8; 16]>(), vector, half, hubs).prop_map(
        |(skip, ordinal, span, hash, vector, half, hubs)| Item {
            skip,
            ordinal,
            span,
            hash,
            vector,
            half,
            hubs,
        },
    )
}

fn media() -> impl Strategy<Value = Vec<(MediaInfo, Vec<Item>)>> {
    let width = || prop_oneof![Just(0), 1..5usize];
    let shape = (1..9usize, width(), width(), prop_oneof![Just(Dtype::F16), Just(Dtype::F32)]);
    let one = shape.prop_flat_map(|(dim, half, hubs, dtype)| {
        let name = String::new();
        let info = MediaInfo { name, dim: dim as u32, dtype, half: half as u32, hubs: hubs as u32 };
        (Just(info), prop::collection::vec(item(dim, half, hubs), 0..20))
    });
    prop::collection::vec(one, 0..4).prop_map(|mut media| {
        for (index, (info, _)) in media.iter_mut().enumerate() {
            info.name = format!("media {index}");
        }
        media
    })
}

fn file(media: &[(MediaInfo, Vec<Item>)], rejected: u64, reason: Option<&str>) -> (Vec<u8>, Vec<Vec<u32>>) {
    let infos: Vec<_> = media.iter().map(|(info, _)| info.clone()).collect();
    let mut writer = Writer::new(Vec::new(), &[7; 32], &infos).unwrap();
    let mut docs = Vec::new();
    for (index, (info, items)) in media.iter().enumerate() {
        let (rows, of_rows) = rows(info, items);
        docs.push(of_rows);
        rows.write_to(index, &mut writer).unwrap();
    }
    let documents = docs.iter().flatten().max().map_or(0, |last| last + 1);
    (writer.finish(documents, rejected, reason).unwrap(), docs)
}

/// The rows of a media type, and their documents.
fn rows(info: &MediaInfo, items: &[Item]) -> (Rows, Vec<u32>) {
    let (mut rows, mut docs, mut doc) = (Rows::new(info), Vec::new(), 0);
    for Item { skip, ordinal, span, hash, vector, half, hubs } in items {
        doc += skip;
        docs.push(doc);
        let (ordinal, span, hash) = (*ordinal, *span, *hash);
        rows.push(&ItemRow { doc, ordinal, span, hash, vector, half, hubs }).unwrap();
    }
    (rows, docs)
}

/// Cells of random numbers.
struct Made {
    elements: Elements,
    dim: usize,
    /// Mean, directions, steps of short codes, of long ones.
    floats: [Vec<f32>; 4],
    ends: Vec<u32>,
    rows: Vec<u32>,
    codes: Vec<(Vec<u8>, Vec<u8>)>,
    norms: Vec<f32>,
    curves: Option<usize>,
}

impl Made {
    fn new(seed: u32, dim: usize, items: usize, width: u32, norms: &[u8], curves: Option<usize>) -> Self {
        let mut state = seed;
        let mut next = |below: u32| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) % below
        };
        let cell: Vec<u32> = (0..items).map(|_| next(width)).collect();
        let of = |wanted: u32| (0..items as u32).filter(move |&row| cell[row as usize] == wanted);
        let cells: Vec<Vec<u32>> = (0..width).map(|wanted| of.clone()(wanted).collect()).collect();
        let ends = cells.iter().scan(0, |end, rows| {
            *end += rows.len() as u32;
            Some(*end)
        });
        let (ends, rows): (Vec<u32>, Vec<u32>) = (ends.collect(), cells.concat());
        let norm = |row: &u32| f32::from_le_bytes(norms[4 * *row as usize..][..4].try_into().unwrap());
        let elements = Elements::of(dim);
        let m = elements.directions;
        let mut floats = |count: usize| (0..count).map(|_| (next(1000) + 1) as f32 / 7.0).collect();
        let floats = [floats(dim), floats(m * dim), floats(elements.short()), floats(m)];
        let four = elements.fine + elements.finer;
        let mut code = |_| {
            let short = (0..elements.short()).map(|j| next(if j < four { 16 } else { 4 }) as u8).collect();
            (short, (0..m).map(|_| next(16) as u8).collect())
        };
        let codes = rows.iter().map(&mut code).collect();
        let norms = rows.iter().map(norm).collect();
        Self { elements, dim, floats, codes, norms, ends, rows, curves }
    }

    fn short(&self, codes: &[Vec<u8>]) -> Vec<u8> {
        let Elements { fine, finer, coarse, .. } = self.elements;
        common::cells::groups(codes, fine + finer, coarse)
    }

    fn sections(&self) -> Vec<common::cells::Section> {
        use ElementType::{Bytes, F32, U32};
        use common::cells::{f32s, long, u32s};
        let [mean, directions, steps, long_steps] = &self.floats;
        let (d, w, l) = (self.dim as u32, self.elements.group_bytes(), self.elements.long_bytes());
        let centres = vec![vec![3; self.elements.short()]; self.ends.len()];
        let (short, all): (Vec<_>, Vec<_>) = self.codes.iter().cloned().unzip();
        let mut sections = vec![
            (48, F32, d, f32s(mean.iter().copied())),
            (49, F32, d, f32s(directions.iter().copied())),
            (50, F32, (steps.len() + long_steps.len()) as u32, f32s(steps.iter().chain(long_steps).copied())),
            (51, Bytes, w as u32, self.short(&centres)),
            (52, U32, 1, u32s(self.ends.iter().copied())),
            (53, Bytes, w as u32, self.short(&short)),
            (54, Bytes, l as u32, all.iter().flat_map(|code| long(code)).collect()),
            (55, U32, 1, u32s(self.rows.iter().copied())),
            (56, F32, 1, f32s(self.norms.iter().copied())),
        ];
        if let Some(rows) = self.curves {
            sections.push((57, Bytes, 32, vec![7; 32]));
            sections.push((58, F32, 27, f32s(vec![1.0; 27 * rows])));
        }
        sections
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(200) })]

    #[test]
    fn random_files_read_as_they_were_written(
        media in media(),
        rejected in any::<u64>(),
        reason in prop::option::of("[a-zé ]{1,40}"),
    ) {
        let (bytes, docs) = file(&media, rejected, reason.as_deref());
        prop_assert_eq!(&bytes, &file(&media, rejected, reason.as_deref()).0);
        let uvec = Uvec::open(aligned(&bytes)).unwrap();
        prop_assert_eq!(uvec.verify(), []);
        prop_assert_eq!(uvec.rejected(), (rejected, reason.as_deref()));
        let read = second::read(&bytes);
        prop_assert_eq!(read.media.len(), media.len());
        for (index, (info, items)) in media.iter().enumerate() {
            prop_assert_eq!(&uvec.media()[index], info);
            let view = uvec.view(index);
            prop_assert_eq!(view.len(), items.len());
            prop_assert_eq!(view.docs, docs[index].as_slice());
            let (mut vector, mut half) = (vec![0.0; view.dim], vec![0.0; view.half]);
            for (row, item) in items.iter().enumerate() {
                view.vector_into(row, &mut vector);
                view.half_into(row, &mut half);
                let f16 = |value: f32| half::f16::from_f32(value).to_f32();
                let stored = |value: f32| if info.dtype == Dtype::F16 { f16(value) } else { value };
                prop_assert_eq!(&vector, &item.vector.iter().map(|&v| stored(v)).collect::<Vec<_>>());
                prop_assert_eq!(&half, &item.half.iter().map(|&v| f16(v)).collect::<Vec<_>>());
                prop_assert_eq!(view.hubs_of(row), item.hubs.as_slice());
                prop_assert_eq!(view.ordinals[row], item.ordinal);
                let (start, end) = item.span.unwrap_or((u32::MAX, u32::MAX));
                prop_assert_eq!(view.spans[row], [start, end]);
                prop_assert_eq!(view.hashes[row], item.hash);
                prop_assert_eq!(view.inverse_norms[row], uncsm_format::inverse_norm(&vector));
                prop_assert_eq!(&read.media[index].vectors[row], &vector);
            }
            prop_assert_eq!(&read.media[index].docs, &docs[index]);
            for doc in 0..uvec.documents() + 2 {
                let slow = docs[index].iter().enumerate().filter(|(_, d)| **d == doc).map(|(row, _)| row);
                prop_assert!(view.items_of(doc).eq(slow), "document {}", doc);
            }
        }
    }

    #[test]
    fn derived_sections_read_as_they_were_written_and_leave_the_rows_alone(
        media in media(),
        sections in prop::collection::vec((1000..1020u32, 0..5usize, 0..4usize, 1..6u32, 0..9usize), 0..6),
    ) {
        let infos: Vec<_> = media.iter().map(|(info, _)| info.clone()).collect();
        let mut writer = Writer::new(Vec::new(), &[7; 32], &infos).unwrap();
        let mut written = BTreeMap::new();
        for (seed, &(kind, of, element, columns, rows)) in sections.iter().enumerate() {
            let of = Some(of).filter(|of| *of < infos.len());
            let element = ElementType::ALL[element];
            let length = rows * columns as usize * element.size();
            let bytes: Vec<u8> = (0..length).map(|at| (at * 7 + seed) as u8).collect();
            let result = writer.derived(kind, of, element, columns, &bytes);
            prop_assert_eq!(result.is_ok(), !written.contains_key(&(kind, of)));
            written.entry((kind, of)).or_insert((element, columns as usize, rows, bytes));
        }
        for (index, (info, items)) in media.iter().enumerate() {
            rows(info, items).0.write_to(index, &mut writer).unwrap();
        }
        let (plain, _) = file(&media, 0, None);
        let bytes = writer.finish(Uvec::open(&plain).unwrap().documents(), 0, None).unwrap();
        prop_assert_eq!(sections.is_empty(), bytes == plain);
        let uvec = Uvec::open(aligned(&bytes)).unwrap();
        prop_assert_eq!(uvec.verify(), []);
        for ((kind, of), (element, columns, rows, bytes)) in &written {
            let read = uvec.derived(*kind, *of).unwrap().unwrap();
            prop_assert_eq!((read.rows, read.columns), (*rows, *columns));
            let same = match read.values {
                Values::Bytes(values) => *element == ElementType::Bytes && values == bytes.as_slice(),
                Values::U32(values) => *element == ElementType::U32 && bytemuck::cast_slice::<_, u8>(values) == bytes,
                Values::F16(values) => *element == ElementType::F16 && bytemuck::cast_slice::<_, u8>(values) == bytes,
                Values::F32(values) => *element == ElementType::F32 && bytemuck::cast_slice::<_, u8>(values) == bytes,
                _ => false,
            };
            prop_assert!(same);
        }
        let (read, without) = (second::read(&bytes), second::read(&plain));
        prop_assert_eq!(read.derived.len(), written.len());
        prop_assert_eq!(read.media, without.media);
    }

    #[test]
    fn cells_read_as_they_were_written(
        media in media(),
        seed in any::<u32>(),
        width in prop_oneof![Just(1u32), 2..9u32],
        curves in prop::option::of(0..3usize),
    ) {
        let infos: Vec<_> = media.iter().map(|(info, _)| info.clone()).collect();
        let mut writer = Writer::new(Vec::new(), &[7; 32], &infos).unwrap();
        let mut norms = Vec::new();
        for (index, (info, items)) in media.iter().enumerate() {
            let rows = rows(info, items).0;
            norms.push(rows.column(Column::InverseNorms).to_vec());
            rows.write_to(index, &mut writer).unwrap();
        }
        let mut written = Vec::new();
        for (index, (info, items)) in media.iter().enumerate() {
            let made = Made::new(seed, info.dim as usize, items.len(), width, &norms[index], curves);
            for (kind, element, columns, bytes) in made.sections() {
                writer.begin_derived(kind, Some(index), element, columns).unwrap();
                writer.write(&bytes).unwrap();
                writer.end().unwrap();
            }
            written.push(made);
        }
        let (plain, _) = file(&media, 0, None);
        let bytes = writer.finish(Uvec::open(&plain).unwrap().documents(), 0, None).unwrap();
        let uvec = Uvec::open(aligned(&bytes)).unwrap();
        prop_assert_eq!(uvec.verify(), []);
        let second = second::read(&bytes);
        prop_assert_eq!(&second.media, &second::read(&plain).media);
        for (index, made) in written.iter().enumerate() {
            let read = uvec.cells(index).unwrap().unwrap();
            prop_assert_eq!((read.ends, read.rows), (&made.ends[..], &made.rows[..]));
            let floats = [read.mean, read.directions, read.steps, read.long_steps];
            prop_assert_eq!(floats, std::array::from_fn(|i| &made.floats[i][..]));
            prop_assert_eq!(read.norms, &made.norms[..]);
            let short: Vec<_> = made.codes.iter().map(|(short, _)| short.clone()).collect();
            prop_assert_eq!(read.short, &made.short(&short));
            prop_assert_eq!(read.curves.map(|curves| curves.rows.len()), curves);
            let cells = second::cells(&second, index).unwrap();
            prop_assert_eq!(cells.cells.concat(), made.rows.clone());
            for (&row, code) in made.rows.iter().zip(&made.codes) {
                prop_assert_eq!(&cells.codes[row as usize], code);
            }
        }
        // Without its cells the file is the plain one.
        prop_assert_eq!(bytes == plain, infos.is_empty());
    }

    #[test]
    fn random_changes_never_panic(
        media in media(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        seal in any::<bool>(),
    ) {
        let (bytes, _) = file(&media, 1, None);
        let mut changed = aligned(&bytes);
        for (at, new) in &changes {
            let at = at.index(bytes.len());
            changed[at] = *new;
        }
        if seal {
            common::seal_frame(&mut changed);
        }
        let before = read_all(&Uvec::open(aligned(&bytes)).unwrap());
        if let Ok(uvec) = Uvec::open(&changed) {
            let after = read_all(&uvec);
            // A sealed frame may hold another fingerprint or number of documents; all else is refused or damage.
            prop_assert!(!uvec.verify().is_empty() || seal || after == before);
        }
    }
}

#[test]
fn unaligned_bytes_are_copied_and_read_the_same() {
    let bytes = common::write_golden(Optional::Present);
    let straight = aligned(&bytes);
    let expected = Uvec::open(&straight).unwrap();
    assert!(!expected.is_copied());
    for shift in [1, 2, 4, 8, 16, 32, 63] {
        let shifted = aligned(&[&vec![0xaa; shift], bytes.as_slice()].concat());
        let uvec = Uvec::open(&shifted[shift..]).unwrap();
        assert!(uvec.is_copied());
        assert_eq!(uvec.verify(), []);
        assert_eq!(read_all(&uvec), read_all(&expected));
        // The copy moves with its owner.
        let moved = Box::new(uvec.clone());
        drop(uvec);
        assert_eq!(read_all(&moved), read_all(&expected));
    }
}

#[test]
fn columns_of_data_that_moves_are_empty() {
    /// Bytes within the value itself, which the contract of `Uvec` forbids.
    #[repr(C, align(64))]
    #[derive(Clone)]
    struct Inline {
        bytes: [u8; 4096],
        start: std::cell::Cell<usize>,
        len: usize,
    }
    impl AsRef<[u8]> for Inline {
        fn as_ref(&self) -> &[u8] {
            let start = self.start.get();
            &self.bytes[start..start + self.len]
        }
    }
    let bytes = common::write_golden(Optional::Absent);
    let mut data = Inline { bytes: [0; 4096], start: 0.into(), len: bytes.len() };
    data.bytes[..bytes.len()].copy_from_slice(&bytes);
    let shared = std::rc::Rc::new(data);
    struct Shared(std::rc::Rc<Inline>);
    impl AsRef<[u8]> for Shared {
        fn as_ref(&self) -> &[u8] {
            (*self.0).as_ref()
        }
    }
    let uvec = Uvec::open(Shared(shared.clone())).unwrap();
    assert_eq!(uvec.view(1).len(), 3);
    shared.start.set(1);
    assert!(uvec.view(1).is_empty());
    let _ = uvec.verify();
}

#[test]
fn mapped_file_is_not_copied() {
    let path = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("mapped_file_is_not_copied.uvec");
    let bytes = common::write_golden(Optional::Absent);
    std::fs::File::create(&path).unwrap().write_all(&bytes).unwrap();
    let file = std::fs::File::open(&path).unwrap();
    // SAFETY: the file is this test's own, and is only removed while it is mapped.
    #[allow(unsafe_code)]
    let mapped = unsafe { uncsm_format::map(&file) }.unwrap();
    let uvec = Uvec::open(mapped).unwrap();
    assert!(!uvec.is_copied());
    assert_eq!(uvec.verify(), []);
    let expected = read_all(&Uvec::open(bytes).unwrap());
    assert_eq!(read_all(&uvec), expected);
    if cfg!(unix) {
        std::fs::remove_file(&path).unwrap();
        assert_eq!(read_all(&uvec), expected);
    }
}

#[test]
#[should_panic(expected = "media type 3 of 3")]
fn view_of_no_media_type_panics() {
    let _ = Uvec::open(common::write_golden(Optional::Absent)).unwrap().view(3);
}

#[test]
#[should_panic(expected = "row 4")]
fn vector_of_no_row_panics() {
    let uvec = Uvec::open(common::write_golden(Optional::Absent)).unwrap();
    uvec.view(0).vector_into(4, &mut [0.0; 3]);
}

#[test]
fn column_bytes_are_those_of_the_rows() {
    let media = common::golden_media();
    let uvec = Uvec::open(common::write_golden(Optional::Absent)).unwrap();
    let rows = common::rows(&media[0], &common::IMAGES);
    for column in Column::ALL {
        assert_eq!(uvec.column_bytes(0, column), rows.column(column), "{column:?}");
    }
    assert_eq!(uvec.column_bytes(1, Column::Halves), []);
}

#[test]
fn container_can_be_shared_between_threads() {
    let uvec = Uvec::open(std::sync::Arc::<[u8]>::from(common::write_golden(Optional::Absent))).unwrap();
    let here = read_all(&uvec);
    let there = std::thread::scope(|scope| scope.spawn(|| read_all(&uvec)).join().unwrap());
    assert_eq!(here, there);
}
