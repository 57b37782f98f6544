//! A file with cells and codes, coded here from the words of SPEC.md: nothing of the crate but its writer.

use uncsm_format::{Column, Dtype, ElementType, ItemRow, MediaInfo, Rows, Writer};

pub const ITEMS: usize = 40;
pub const DIM: usize = 35;
/// Elements: fine, finer, coarse.
pub const PARTS: [usize; 3] = [24, 8, 11];
/// Bytes of a group of short codes, and of a long code.
pub const WIDTH: usize = 64 * 5;
pub const LONG: usize = 32;
/// The second cell is empty.
pub const ENDS: [u32; 3] = [17, 17, 40];
pub const MODEL: [u8; 32] = *b"the model of the golden file 012";

/// The media type with cells, and one without.
pub fn media() -> [MediaInfo; 2] {
    [super::info("image", DIM as u32, Dtype::F16, 0), super::info("text", 2, Dtype::F32, 0)]
}

/// The vector of an item, all of which f16 holds exactly.
pub fn vector(item: usize) -> Vec<f32> {
    (0..DIM).map(|j| ((item * 5 + j * 3) % 17) as f32 / 8.0 - 1.0).collect()
}

pub fn centre(cell: usize) -> Vec<f32> {
    (0..DIM).map(|j| ((cell * 7 + j) % 5) as f32 / 4.0 - 0.5).collect()
}

pub fn mean() -> Vec<f32> {
    (0..DIM).map(|j| j as f32 / 64.0 - 0.25).collect()
}

/// Unit vectors, the last element first.
pub fn directions() -> Vec<f32> {
    (0..DIM * DIM).map(|i| if i / DIM + i % DIM == DIM - 1 { 1.0 } else { 0.0 }).collect()
}

/// Of short codes.
pub fn steps() -> Vec<f32> {
    let [fine, finer, coarse] = PARTS;
    let fine = (0..fine).map(|j| 0.125 + j as f32 / 256.0);
    let finer = (0..finer).map(|j| 0.0078125 + j as f32 / 4096.0);
    fine.chain(finer).chain((0..coarse).map(|j| 0.5 + j as f32 / 64.0)).collect()
}

/// Of long codes.
pub fn long_steps() -> Vec<f32> {
    (0..DIM).map(|j| if j < 24 { 0.01 } else { 0.05 } + j as f32 / 4096.0).collect()
}

/// The rows in the order of the cells.
pub fn order() -> Vec<u32> {
    let is_first = |row: &u32| row * 7 % 40 < ENDS[0];
    let (first, last): (Vec<u32>, Vec<u32>) = (0..ITEMS as u32).partition(is_first);
    [first, last].concat()
}

/// The short code of a vector, and the long one.
pub fn code(vector: &[f32]) -> (Vec<u8>, Vec<u8>) {
    let mut z: Vec<f32> = vector.iter().zip(mean()).map(|(x, mean)| x - mean).rev().collect();
    let nearest = |z: &mut f32, step: f32, most: f32| {
        let code = (*z / step + most / 2.0).round().clamp(0.0, most);
        *z -= (code - most / 2.0) * step;
        code as u8
    };
    let [fine, finer, coarse] = PARTS;
    let of = (0..fine).map(|j| (j, 15.0)).chain((0..finer).map(|j| (j, 15.0)));
    let of = of.chain((fine..fine + coarse).map(|j| (j, 3.0)));
    let short = of.zip(steps()).map(|((j, most), step)| nearest(&mut z[j], step, most)).collect();
    let long = z.iter_mut().zip(long_steps()).map(|(z, step)| nearest(z, step, 15.0)).collect();
    (short, long)
}

/// Groups of 16 rows of short codes, the elements of 4 bits first.
pub fn groups(codes: &[Vec<u8>], fine: usize, coarse: usize) -> Vec<u8> {
    let mut out = Vec::new();
    for group in codes.chunks(16) {
        let code = |r: usize, j: usize| group.get(r).map_or(0, |row: &Vec<u8>| row[j]);
        for (bits, start, count) in [(4, 0, fine), (2, fine, coarse)] {
            let parts = 8 / bits;
            for b in 0..count.div_ceil(4 * parts) {
                for r in 0..16 {
                    for t in 0..4 {
                        let places = (0..parts).map(|i| (i, 4 * parts * b + 4 * i + t));
                        let of =
                            places.filter(|(_, j)| *j < count).map(|(i, j)| code(r, start + j) << (bits * i));
                        out.push(of.sum());
                    }
                }
            }
        }
    }
    out
}

/// A long code as it is stored.
pub fn long(code: &[u8]) -> Vec<u8> {
    let at = |j: usize| code.get(j).copied().unwrap_or(0);
    let byte = |i: usize| at(i / 32 * 64 + i % 32) + 16 * at(i / 32 * 64 + 32 + i % 32);
    (0..code.len().div_ceil(64) * 32).map(byte).collect()
}

/// A row for queries of each media type, and one of margins.
pub fn curves() -> Vec<[f32; 27]> {
    let row = |target: usize, media: usize| {
        std::array::from_fn(|column| match column {
            0 => target as f32,
            1 => media as f32,
            2 => 10.0,
            // Margins have two parts.
            at if target >= 8 && at >= 19 => 0.0,
            // Quantiles grow with what may not be missed.
            at => ((at - 3) % 8 + target) as f32 * [4.0, 2.5, 1.5][(at - 3) / 8],
        })
    };
    vec![row(0, 0), row(1, 0), row(1, 1), row(9, 1)]
}

pub fn f32s(values: impl IntoIterator<Item = f32>) -> Vec<u8> {
    super::le(values.into_iter().map(f32::to_le_bytes))
}

pub fn u32s(values: impl IntoIterator<Item = u32>) -> Vec<u8> {
    super::le(values.into_iter().map(u32::to_le_bytes))
}

/// `(kind, element type, columns, bytes)`.
pub type Section = (u32, ElementType, u32, Vec<u8>);

/// Each section of the cells.
pub fn sections(inverse_norms: &[u8]) -> Vec<Section> {
    use ElementType::{Bytes, F32, U32};
    let order = order();
    let centres: Vec<_> = (0..ENDS.len()).map(|cell| code(&centre(cell)).0).collect();
    let codes = order.iter().map(|&row| code(&vector(row as usize)));
    let (short, all): (Vec<_>, Vec<_>) = codes.unzip();
    let norms = order.iter().flat_map(|&row| inverse_norms[4 * row as usize..][..4].iter().copied());
    let [fine, finer, coarse] = PARTS;
    let of = |codes: &[Vec<u8>]| groups(codes, fine + finer, coarse);
    let (d, w) = (DIM as u32, WIDTH as u32);
    let steps: Vec<f32> = steps().into_iter().chain(long_steps()).collect();
    vec![
        (48, F32, d, f32s(mean())),
        (49, F32, d, f32s(directions())),
        (50, F32, steps.len() as u32, f32s(steps)),
        (51, Bytes, w, of(&centres)),
        (52, U32, 1, u32s(ENDS)),
        (53, Bytes, w, of(&short)),
        (54, Bytes, LONG as u32, all.iter().flat_map(|code| long(code)).collect()),
        (55, U32, 1, u32s(order.iter().copied())),
        (56, F32, 1, norms.collect()),
        (57, Bytes, 32, MODEL.to_vec()),
        (58, F32, 27, f32s(curves().into_iter().flatten())),
    ]
}

/// The columns: 40 images, three texts.
pub fn columns() -> [Rows; 2] {
    let media = media();
    let mut images = Rows::new(&media[0]);
    for item in 0..ITEMS {
        let (doc, hash) = (item as u32 / 2, super::hash(item % 16));
        let (vector, ordinal) = (&vector(item), item as u32 % 2);
        images.push(&ItemRow { doc, ordinal, span: None, hash, vector, half: &[], hubs: &[] }).unwrap();
    }
    [images, super::rows(&media[1], &super::TEXTS)]
}

/// The file, with the sections that `keep` keeps.
pub fn write(keep: impl Fn(u32) -> bool) -> Vec<u8> {
    write_with(|sections| sections.retain(|section| keep(section.0)))
}

/// The file, its sections edited.
pub fn write_with(edit: impl FnOnce(&mut Vec<Section>)) -> Vec<u8> {
    let mut writer = Writer::new(Vec::new(), &super::SPACE, &media()).unwrap();
    let rows = columns();
    for (index, rows) in rows.iter().enumerate() {
        rows.write_to(index, &mut writer).unwrap();
    }
    let mut sections = sections(rows[0].column(Column::InverseNorms));
    edit(&mut sections);
    for (kind, element, columns, bytes) in sections {
        writer.begin_derived(kind, Some(0), element, columns).unwrap();
        // Cut anywhere.
        for part in bytes.chunks(100) {
            writer.write(part).unwrap();
        }
        writer.end().unwrap();
    }
    writer.finish(ITEMS as u32 / 2, 0, None).unwrap()
}

pub fn write_golden() -> Vec<u8> {
    write(|_| true)
}
