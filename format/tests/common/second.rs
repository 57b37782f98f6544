//! A second reader, written from the tables of SPEC.md alone: no rkyv, nothing of the crate.

use std::collections::BTreeMap;

/// What a file says.
#[derive(Debug, PartialEq)]
pub struct File {
    pub space: [u8; 32],
    pub documents: u32,
    pub rejected: u64,
    pub reason: String,
    pub media: Vec<Media>,
    /// Kind and bytes of the sections of unknown kinds.
    pub unknown: Vec<(u32, Vec<u8>)>,
    pub derived: Vec<Derived>,
}

/// A derived section: its kind, media index, element type, rows, columns and bytes.
#[derive(Debug, PartialEq)]
pub struct Derived {
    pub kind: u32,
    pub media: u32,
    pub element: u32,
    pub rows: usize,
    pub columns: usize,
    pub bytes: Vec<u8>,
}

/// What a file says of one media type; vectors and halves row by row.
#[derive(Debug, PartialEq)]
pub struct Media {
    pub name: String,
    pub dim: usize,
    pub dtype: u32,
    pub half: usize,
    pub hub_columns: usize,
    pub vectors: Vec<Vec<f32>>,
    pub docs: Vec<u32>,
    pub ordinals: Vec<u32>,
    pub spans: Vec<(u32, u32)>,
    pub hashes: Vec<Vec<u8>>,
    pub inverse_norms: Vec<f32>,
    pub halves: Vec<Vec<f32>>,
    pub hubs: Vec<Vec<f32>>,
}

/// The cells of a media type, with the codes of each row as a list.
#[derive(Debug, PartialEq)]
pub struct Cells {
    pub mean: Vec<f32>,
    pub directions: Vec<f32>,
    /// Of short codes, and of long ones.
    pub steps: [Vec<f32>; 2],
    pub centres: Vec<Vec<u8>>,
    /// The rows of each cell.
    pub cells: Vec<Vec<u32>>,
    /// Short and long code of each row of the media type.
    pub codes: Vec<(Vec<u8>, Vec<u8>)>,
    /// Fingerprint and rows.
    pub curves: Option<(Vec<u8>, Vec<Vec<f32>>)>,
}

const NONE: u32 = 0xffff_ffff;

fn int(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |value, &byte| value << 8 | u64::from(byte))
}

fn crc(parts: &[&[u8]]) -> u32 {
    let mut crc = NONE;
    for byte in parts.iter().copied().flatten() {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 };
        }
    }
    crc ^ NONE
}

fn f16(bytes: &[u8]) -> f32 {
    let bits = int(bytes) as u32;
    let (sign, exponent, fraction) = (bits >> 15, bits >> 10 & 31, (bits & 1023) as f32);
    let size = match exponent {
        0 => fraction * 2f32.powi(-24),
        31 => panic!("not finite"),
        e => (1.0 + fraction / 1024.0) * 2f32.powi(e as i32 - 15),
    };
    if sign == 1 { -size } else { size }
}

fn f32(bytes: &[u8]) -> f32 {
    f32::from_bits(int(bytes) as u32)
}

fn u32(bytes: &[u8]) -> u32 {
    int(bytes) as u32
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn up(position: usize) -> usize {
    position.div_ceil(64) * 64
}

/// What of a file in an index belongs to the format: all before the footer of the host, whose checksum is compared.
#[allow(dead_code, reason = "each test binary uses a part")]
pub fn without_footer(file: &[u8]) -> &[u8] {
    let (rest, magic) = file.split_at(file.len() - 4);
    assert_eq!(magic, [0x39, 0x05, 0, 0]);
    let (rest, length) = rest.split_at(rest.len() - 4);
    assert!(int(length) <= 50000);
    let (body, payload) = rest.split_at(rest.len() - int(length) as usize);
    let payload = text(payload);
    assert!(
        payload.starts_with('{') && payload.ends_with('}') && payload.contains("\"version\":"),
        "{payload}"
    );
    let (_, from) = payload.split_once("\"crc\":").unwrap();
    let digits: String = from.chars().take_while(char::is_ascii_digit).collect();
    assert_eq!(digits.parse(), Ok(crc(&[body])));
    body
}

/// Reads and verifies a file; panics on everything that the text tells a reader to refuse or find.
pub fn read(file: &[u8]) -> File {
    assert_eq!(crc(&[b"123456789"]), 0xcbf4_3926);
    assert_eq!(&file[0..8], [0x75, 0x76, 0x65, 0x63, 0x0d, 0x0a, 0x1a, 0x0a]);
    assert_eq!((int(&file[8..12]), int(&file[12..16])), (0, 64));
    assert_eq!(file[48..64], [0; 16]);
    let trailer = &file[file.len() - 32..];
    assert_eq!(&trailer[24..32], b"uvec-end");
    assert_eq!(trailer[20..24], [0; 4]);
    let (table, count) = (int(&trailer[0..8]) as usize, int(&trailer[8..12]) as usize);
    assert_eq!(table + 48 * count + 32, file.len());
    let entries = &file[table..table + 48 * count];
    assert_eq!(crc(&[&file[0..64], entries, &trailer[0..16], &trailer[20..32]]), u32(&trailer[16..20]));
    let documents = u32(&trailer[12..16]);

    // (kind, media index) -> (element type, rows, columns, bytes)
    let mut sections = BTreeMap::new();
    let mut unknown = Vec::new();
    let mut derived: Vec<Derived> = Vec::new();
    let mut end = 64;
    for entry in entries.chunks(48) {
        let (kind, media, flags) = (u32(&entry[0..4]), u32(&entry[4..8]), u32(&entry[8..12]));
        let (offset, length) = (int(&entry[16..24]) as usize, int(&entry[24..32]) as usize);
        assert_eq!(offset, up(end));
        assert!(file[end..offset].iter().all(|&b| b == 0));
        end = offset + length;
        let bytes = &file[offset..end];
        assert_eq!(crc(&[bytes]), u32(&entry[44..48]));
        if !matches!(kind, 1 | 2 | 16..=23) {
            assert_eq!(flags & 1, 0);
            if flags & 2 == 2 {
                let element = u32(&entry[12..16]);
                let (rows, columns) = (int(&entry[32..40]) as usize, int(&entry[40..44]) as usize);
                assert!(columns > 0);
                assert_eq!(length, rows * columns * [1, 4, 2, 4][element as usize]);
                assert!(derived.iter().all(|d| (d.kind, d.media) != (kind, media)));
                derived.push(Derived { kind, media, element, rows, columns, bytes: bytes.to_vec() });
                continue;
            }
            unknown.push((kind, bytes.to_vec()));
            continue;
        }
        assert_eq!(flags, if kind >= 22 { 0 } else { 1 });
        let element = u32(&entry[12..16]);
        let (rows, columns) = (int(&entry[32..40]) as usize, int(&entry[40..44]) as usize);
        assert_eq!(length, rows * columns * [1, 4, 2, 4][element as usize]);
        assert!(sections.insert((kind, media), (element, rows, columns, bytes)).is_none());
    }
    assert_eq!(table, up(end));
    assert!(file[end..table].iter().all(|&b| b == 0));

    let (element, rows, columns, records) = sections.remove(&(1, NONE)).unwrap();
    assert_eq!((element, columns), (0, 64));
    assert!(rows <= 256);
    let mut media = Vec::new();
    for (index, record) in records.chunks(64).enumerate() {
        let name = text(&record[0..32]);
        let name = name.trim_end_matches('\0');
        assert!(!name.is_empty() && !name.contains('\0') && media.iter().all(|m: &Media| m.name != name));
        let hub_columns = int(&record[44..48]) as usize;
        assert!(hub_columns <= 255);
        assert_eq!(record[48..64], [0; 16]);
        let (dim, dtype, half) =
            (int(&record[32..36]) as usize, u32(&record[36..40]), int(&record[40..44]) as usize);
        assert!((1..=65536).contains(&dim) && half <= 65536 && (dtype == 2 || dtype == 3));
        let mut n = None;
        let mut take = |kind, element, columns| -> &[u8] {
            let section = sections.remove(&(kind, index as u32)).unwrap();
            assert_eq!((section.0, section.2), (element, columns));
            assert_eq!(section.1, *n.get_or_insert(section.1));
            section.3
        };
        let float = if dtype == 2 { f16 } else { f32 };
        let size = if dtype == 2 { 2 } else { 4 };
        let row =
            |bytes: &[u8], size, float: fn(&[u8]) -> f32| bytes.chunks(size).map(float).collect::<Vec<_>>();
        let vectors: Vec<_> = take(16, dtype, dim).chunks(dim * size).map(|r| row(r, size, float)).collect();
        let docs = take(17, 1, 1).chunks(4).map(u32).collect::<Vec<_>>();
        let ordinals = take(18, 1, 1).chunks(4).map(u32).collect();
        let spans =
            take(19, 1, 2).chunks(8).map(|pair| (u32(&pair[0..4]), u32(&pair[4..8]))).collect::<Vec<_>>();
        let hashes = take(20, 0, 16).chunks(16).map(<[u8]>::to_vec).collect();
        let inverse_norms = row(take(21, 3, 1), 4, f32);
        let halves = if half > 0 { take(22, 2, half) } else { &[] };
        let halves = halves.chunks((2 * half).max(1)).map(|r| row(r, 2, f16)).collect();
        let hubs = if hub_columns > 0 { take(23, 3, hub_columns) } else { &[] };
        let hubs: Vec<_> = hubs.chunks((4 * hub_columns).max(1)).map(|r| row(r, 4, f32)).collect();
        assert!(hubs.iter().flatten().all(|value| value.is_finite()));
        assert!(docs.is_sorted() && docs.iter().all(|&doc| doc < documents));
        assert!(spans.iter().all(|&(a, b)| a == NONE && b == NONE || a <= b && b != NONE));
        assert!(vectors.iter().flatten().all(|value| value.is_finite()));
        for (vector, &stored) in vectors.iter().zip(&inverse_norms) {
            let squares: f64 = vector.iter().map(|&v| f64::from(v) * f64::from(v)).sum();
            let inverse = (1.0 / squares.sqrt()) as f32;
            let inverse = if inverse.is_finite() { inverse } else { 0.0 };
            assert!((inverse - stored).abs() <= inverse * 2f32.powi(-20) + 2f32.powi(-126));
        }
        let name = name.to_owned();
        media.push(Media {
            name,
            dim,
            dtype,
            half,
            hub_columns,
            vectors,
            docs,
            ordinals,
            spans,
            hashes,
            inverse_norms,
            halves,
            hubs,
        });
    }
    let (element, rows, columns, status) = sections.remove(&(2, NONE)).unwrap();
    assert_eq!((element, rows), (0, 1));
    assert!((8..=1032).contains(&columns));
    assert!(sections.is_empty(), "sections left over");
    let file = File {
        space: file[16..48].try_into().unwrap(),
        documents,
        rejected: int(&status[0..8]),
        reason: text(&status[8..]),
        media,
        unknown,
        derived,
    };
    assert!(file.derived.iter().all(|d| !(32..=40).contains(&d.kind) || d.media < file.media.len() as u32));
    (0..file.media.len()).for_each(|media| drop(cells(&file, media)));
    file
}

/// The short codes of rows in groups; panics where one beyond the last row or element is not 0.
fn short(bytes: &[u8], rows: usize, four: usize, two: usize) -> Vec<Vec<u8>> {
    let blocks = [four.div_ceil(8), two.div_ceil(16)];
    let byte = |row: usize, block: usize, t: usize| {
        bytes[64 * (row / 16 * (blocks[0] + blocks[1]) + block) + 4 * (row % 16) + t]
    };
    let row = |row: usize| {
        let four_bits = |j: usize| byte(row, j / 8, j % 4) >> (j % 8 / 4 * 4) & 15;
        let two_bits = |j: usize| byte(row, blocks[0] + j / 16, j % 4) >> (j % 16 / 4 * 2) & 3;
        let (first, second): (Vec<u8>, Vec<u8>) =
            ((0..8 * blocks[0]).map(four_bits).collect(), (0..16 * blocks[1]).map(two_bits).collect());
        assert!(first[four..].iter().chain(&second[two..]).all(|&code| code == 0));
        [&first[..four], &second[..two]].concat()
    };
    let all: Vec<Vec<u8>> = (0..rows.div_ceil(16) * 16).map(row).collect();
    assert!(all.iter().skip(rows).flatten().all(|&code| code == 0));
    all.into_iter().take(rows).collect()
}

/// The long code of a row; panics where one beyond the last element is not 0.
fn long(bytes: &[u8], m: usize) -> Vec<u8> {
    let code = |j: usize| bytes[j / 64 * 32 + j % 32] >> (j % 64 / 32 * 4) & 15;
    let all: Vec<u8> = (0..2 * bytes.len()).map(code).collect();
    assert!(all[m..].iter().all(|&code| code == 0));
    all[..m].to_vec()
}

/// Reads and verifies the cells of a media type of a file.
pub fn cells(file: &File, media: usize) -> Option<Cells> {
    let of = |kind| file.derived.iter().find(|d| (d.kind, d.media) == (kind, media as u32));
    (48..=58).find_map(of)?;
    let Media { dim: d, docs, inverse_norms, .. } = &file.media[media];
    let (d, n, c) = (*d, docs.len(), of(52).unwrap().rows);
    assert!(c > 0 || n == 0);
    let take = |kind, element, rows, columns| {
        let section = of(kind).unwrap();
        assert_eq!((section.element, section.rows, section.columns), (element, rows, columns));
        section.bytes.as_slice()
    };
    let floats = |bytes: &[u8]| {
        let values: Vec<f32> = bytes.chunks(4).map(f32).collect();
        assert!(values.iter().all(|value| value.is_finite()));
        values
    };
    let m = d.min(192);
    let fine = m.min(24);
    let (finer, coarse) = (fine.min(8), (m - fine).min(96));
    let w = 64 * ((fine + finer).div_ceil(8) + coarse.div_ceil(16));
    let l = 32 * m.div_ceil(64);
    let mean = floats(take(48, 3, 1, d));
    let directions = floats(take(49, 3, m, d));
    let mut steps = floats(take(50, 3, 1, fine + finer + coarse + m));
    assert!(steps.iter().all(|&step| step > 0.0));
    let long_steps = steps.split_off(fine + finer + coarse);
    let centres = short(take(51, 0, c.div_ceil(16), w), c, fine + finer, coarse);
    let ends: Vec<usize> = take(52, 1, c, 1).chunks(4).map(|end| int(end) as usize).collect();
    let by_position = short(take(53, 0, n.div_ceil(16), w), n, fine + finer, coarse);
    let longs = take(54, 0, n, l).chunks(l).map(|code| long(code, m));
    let rows: Vec<u32> = take(55, 1, n, 1).chunks(4).map(u32).collect();
    let norms = floats(take(56, 3, n, 1));
    assert!(ends.is_sorted() && ends.last().map_or(0, |&end| end) == n);
    let starts = [0].iter().chain(&ends);
    let in_cells: Vec<Vec<u32>> = starts.zip(&ends).map(|(&start, &end)| rows[start..end].to_vec()).collect();
    assert!(in_cells.iter().all(|rows| rows.is_sorted()));
    let mut by_row = vec![None; n];
    for (((&row, norm), short), long) in rows.iter().zip(norms).zip(by_position).zip(longs) {
        assert_eq!(norm.to_bits(), inverse_norms[row as usize].to_bits());
        assert!(by_row[row as usize].replace((short, long)).is_none());
    }
    assert_eq!(of(57).is_some(), of(58).is_some());
    let curves = of(58).map(|curves| {
        let values = floats(take(58, 3, curves.rows, 27));
        assert!(values.iter().all(|&value| value >= 0.0));
        let mut margins = values.chunks(27).filter(|row| row[0] >= 8.0);
        assert!(margins.all(|row| row[19..].iter().all(|&value| value == 0.0)));
        (take(57, 0, 1, 32).to_vec(), values.chunks(27).map(<[f32]>::to_vec).collect())
    });
    Some(Cells {
        mean,
        directions,
        steps: [steps, long_steps],
        centres,
        cells: in_cells,
        codes: by_row.into_iter().map(Option::unwrap).collect(),
        curves,
    })
}
