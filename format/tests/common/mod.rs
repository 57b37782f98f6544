//! Containers for the tests, and the tools to bend them.
#![allow(
    dead_code,
    unreachable_pub,
    unused_imports,
    unused_macros,
    reason = "every test file uses its own part of a shared module"
)]

pub mod cells;
pub mod second;

use rkyv::util::AlignedVec;
use uncsm_format::layout::{self, entry, trailer};
use uncsm_format::{Dtype, ElementType, Error, ItemRow, MediaInfo, Rows, Uvec, Writer};

pub const SPACE: [u8; 32] = *b"the space of the golden file 012";
pub const DOCUMENTS: u32 = 6;
pub const REJECTED: u64 = 3;
pub const REASON: &str = "value 7 of document 2 is NaN — skipped";

pub fn info(name: &str, dim: u32, dtype: Dtype, half: u32) -> MediaInfo {
    MediaInfo { name: name.into(), dim, dtype, half, hubs: 0 }
}

/// Half precision and halves; single precision without; no items at all.
pub fn golden_media() -> [MediaInfo; 3] {
    [info("image", 3, Dtype::F16, 2), info("text", 2, Dtype::F32, 0), info("vidéo", 5, Dtype::F16, 0)]
}

/// The same with hubs, of different numbers to tell them apart.
pub fn hub_media() -> [MediaInfo; 3] {
    let mut media = golden_media();
    media.iter_mut().zip([2, 1, 2]).for_each(|(info, hubs)| info.hubs = hubs);
    media
}

/// The hubs of an item of the golden file.
pub fn hubs(item: usize, count: u32) -> Vec<f32> {
    let all = [0.5 - item as f32, (item as f32 + 1.0) / 3.0 * 1.0e-9];
    all[..count as usize].to_vec()
}

/// `(doc, ordinal, span, vector, half)` of the items of the golden file.
type Item = (u32, u32, Option<(u32, u32)>, &'static [f32], &'static [f32]);

pub const IMAGES: [Item; 4] = [
    (0, 0, None, &[1.0, 2.0, -2.0], &[0.5, -0.25]),
    // The first item of the document was not decoded. The second value rounds in f16.
    (2, 1, None, &[0.5, 0.1, 65504.0], &[1.0, 0.1]),
    (2, 2, None, &[0.0, 0.0, 0.0], &[0.0, 0.0]),
    (5, 0, None, &[-1.5, 6.0e-8, 0.25], &[-3.0, 1024.0]),
];

pub const TEXTS: [Item; 3] = [
    (0, 0, Some((0, 17)), &[3.0, 4.0], &[]),
    (0, 1, Some((17, 17)), &[0.1, -1.0e-20], &[]),
    (4, 0, Some((5, 4_294_967_294)), &[1.0e30, -0.0], &[]),
];

pub fn hash(item: usize) -> [u8; 16] {
    std::array::from_fn(|byte| (item * 16 + byte) as u8)
}

pub fn rows(info: &MediaInfo, items: &[Item]) -> Rows {
    let mut rows = Rows::new(info);
    for (i, &(doc, ordinal, span, vector, half)) in items.iter().enumerate() {
        let hubs = &hubs(i, info.hubs);
        rows.push(&ItemRow { doc, ordinal, span, hash: hash(i), vector, half, hubs }).unwrap();
    }
    rows
}

/// Kinds of the derived sections of the golden file.
pub const CENTRES: u32 = 2000;
pub const MEMBERS: u32 = 2001;

fn le<const N: usize>(values: impl IntoIterator<Item = [u8; N]>) -> Vec<u8> {
    values.into_iter().flatten().collect()
}

/// The golden file, or with `optional` the same with two sections of unknown kinds, with three derived ones, or with hubs; or
/// another one, with cells.
pub fn write_golden(optional: Optional) -> Vec<u8> {
    if optional == Optional::Cells {
        return cells::write_golden();
    }
    let media = if optional == Optional::Hubs { hub_media() } else { golden_media() };
    let mut writer = Writer::new(Vec::new(), &SPACE, &media).unwrap();
    rows(&media[0], &IMAGES).write_to(0, &mut writer).unwrap();
    if optional == Optional::Present {
        writer.optional(1000, Some(0), b"codes of a later version").unwrap();
    }
    if optional == Optional::Derived {
        // Two rows, where there are four items.
        let centres = le([0.5f32, 1.0, -2.0, 0.0, 0.25, 65_504.0].map(f32::to_le_bytes));
        writer.derived(CENTRES, Some(0), ElementType::F32, 3, &centres).unwrap();
        let members = le([2u32, 0, 3, 1, 2].map(u32::to_le_bytes));
        writer.derived(MEMBERS, Some(0), ElementType::U32, 1, &members).unwrap();
    }
    rows(&media[1], &TEXTS).write_to(1, &mut writer).unwrap();
    rows(&media[2], &[]).write_to(2, &mut writer).unwrap();
    if optional == Optional::Present {
        writer.optional(1001, None, &[9; 65]).unwrap();
    }
    if optional == Optional::Derived {
        writer.derived(MEMBERS, None, ElementType::Bytes, 4, b"").unwrap();
    }
    writer.finish(DOCUMENTS, REJECTED, Some(REASON)).unwrap()
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Optional {
    Absent,
    Present,
    Derived,
    Hubs,
    Cells,
}

/// The bytes at an address that is a multiple of 64.
pub fn aligned(bytes: &[u8]) -> AlignedVec<64> {
    let mut copy = AlignedVec::new();
    copy.extend_from_slice(bytes);
    copy
}

/// Everything that can be read, by every reading function; bits, so that NaN compares.
pub fn read_all<D: AsRef<[u8]>>(uvec: &Uvec<D>) -> Vec<u8> {
    let mut out = format!(
        "{:?} {} {:?} {:?} {:?} {:?}",
        uvec.space(),
        uvec.documents(),
        uvec.rejected(),
        uvec.media(),
        uvec.sections(),
        uvec.derived(MEMBERS, None),
    )
    .into_bytes();
    for media in 0..uvec.media().len() {
        let view = uvec.view(media);
        let (mut vector, mut half) = (vec![0.0; view.dim], vec![0.0; view.half]);
        for row in 0..view.len() {
            view.vector_into(row, &mut vector);
            view.half_into(row, &mut half);
            let hubs = view.hubs_of(row);
            for value in vector.iter().chain(&half).chain(hubs).chain([&view.inverse_norms[row]]) {
                out.extend(value.to_bits().to_le_bytes());
            }
            out.extend(
                format!("{:?}{:?}{:?}", view.ordinals[row], view.spans[row], view.hashes[row]).bytes(),
            );
        }
        for doc in (0..uvec.documents().min(20)).chain([u32::MAX - 1, u32::MAX]) {
            let range = view.items_of(doc);
            assert!(range.start <= range.end && range.end <= view.len(), "{range:?}");
            out.extend(format!("{range:?}").bytes());
        }
        out.extend(format!("{:?}", uvec.cells(media)).bytes());
        for kind in [CENTRES, MEMBERS] {
            out.extend(format!("{:?}", uvec.derived(kind, Some(media))).bytes());
        }
        for column in uncsm_format::Column::ALL {
            out.extend_from_slice(uvec.column_bytes(media, column));
        }
    }
    out
}

pub fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap())
}

pub fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap())
}

pub fn put(bytes: &mut [u8], at: usize, new: &[u8]) {
    bytes[at..at + new.len()].copy_from_slice(new);
}

pub fn trailer_at(bytes: &[u8]) -> usize {
    bytes.len() - trailer::SIZE
}

/// Start of the table entry of the first section of a kind and media index.
pub fn entry_at(bytes: &[u8], kind: u32, media: u32) -> usize {
    let table = u64_at(bytes, trailer_at(bytes) + trailer::TABLE) as usize;
    (table..trailer_at(bytes))
        .step_by(entry::SIZE)
        .find(|&at| u32_at(bytes, at + entry::KIND) == kind && u32_at(bytes, at + entry::MEDIA) == media)
        .unwrap()
}

/// First byte of a section.
pub fn section_at(bytes: &[u8], kind: u32, media: u32) -> usize {
    u64_at(bytes, entry_at(bytes, kind, media) + entry::OFFSET) as usize
}

/// Makes the checksum of header, table and trailer right again.
pub fn seal_frame(bytes: &mut [u8]) {
    let at = trailer_at(bytes);
    let table = (u64_at(bytes, at + trailer::TABLE) as usize).min(at);
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&bytes[..layout::header::SIZE]);
    hasher.update(&bytes[table..at]);
    hasher.update(&bytes[at..at + trailer::CRC]);
    hasher.update(&bytes[at + trailer::RESERVED..]);
    put(bytes, at + trailer::CRC, &hasher.finalize().to_le_bytes());
}

/// Makes the checksums of all sections right again, then that of header, table and trailer.
pub fn seal(bytes: &mut [u8]) {
    let table = u64_at(bytes, trailer_at(bytes) + trailer::TABLE) as usize;
    for at in (table..trailer_at(bytes)).step_by(entry::SIZE) {
        let start = u64_at(bytes, at + entry::OFFSET) as usize;
        let length = u64_at(bytes, at + entry::LENGTH) as usize;
        let crc = crc32fast::hash(&bytes[start..start + length]);
        put(bytes, at + entry::CRC, &crc.to_le_bytes());
    }
    seal_frame(bytes);
}

pub fn open_error(bytes: &[u8]) -> Error {
    Uvec::open(aligned(bytes)).map(|_| ()).unwrap_err()
}

macro_rules! assert_is {
    ($error:expr, $($pattern:tt)+) => {{
        let error = $error;
        assert!(matches!(error, $($pattern)+), "{error:?}");
        // A message is one sentence without a full stop, with the way out behind a colon.
        let text = error.to_string();
        assert!(text.contains(": ") && !text.ends_with('.'), "{text}");
        error
    }};
}

pub(crate) use assert_is;
