//! A file with cells and codes, coded here from the words of SPEC.md: nothing of the crate but its writer.

use uncsm_format::{Column, Dtype, ElementType, ItemRow, MediaInfo, Rows, Writer};

pub const ITEMS: usize = 40;
pub const DIM: usize = 12;
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
    (0..DIM).map(|j| j as f32 / 16.0 - 0.25).collect()
}

pub fn steps() -> Vec<f32> {
    (0..DIM).map(|j| 0.125 + j as f32 / 64.0).collect()
}

pub fn scale(row: usize) -> f32 {
    0.5 + (row % 4) as f32 / 4.0
}

/// The rows in the order of the cells.
pub fn order() -> Vec<u32> {
    let is_first = |row: &u32| row * 7 % 40 < ENDS[0];
    let (first, last): (Vec<u32>, Vec<u32>) = (0..ITEMS as u32).partition(is_first);
    [first, last].concat()
}

/// The codes of a vector.
pub fn code(vector: &[f32], scale: f32) -> Vec<u8> {
    let parts = vector.iter().zip(mean()).zip(steps());
    parts
        .map(|((x, mean), step)| ((x - mean) / (step * scale) + 7.5).round().clamp(0.0, 15.0) as u8)
        .collect()
}

/// Groups of 16 rows of `dim` codes.
pub fn groups(codes: &[Vec<u8>], dim: usize) -> Vec<u8> {
    let mut out = Vec::new();
    for group in codes.chunks(16) {
        for b in 0..dim.div_ceil(8) {
            for r in 0..16 {
                for t in 0..4 {
                    let code = |j: usize| group.get(r).and_then(|row| row.get(j)).copied().unwrap_or(0);
                    out.push(code(8 * b + t) + 16 * code(8 * b + 4 + t));
                }
            }
        }
    }
    out
}

/// A row for queries of each media type.
pub fn curves() -> Vec<[f32; 19]> {
    let row = |target: usize, media: usize| {
        std::array::from_fn(|column| match column {
            0 => target as f32,
            1 => media as f32,
            2 => 10.0,
            // Quantiles grow with what may not be missed.
            at => ((at - 3) % 8 + target) as f32 * if at < 11 { 4.0 } else { 1.5 },
        })
    };
    vec![row(0, 0), row(1, 0), row(1, 1)]
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
    let centres: Vec<_> = (0..ENDS.len()).map(|cell| code(&centre(cell), scale(cell))).collect();
    let codes: Vec<_> = order.iter().map(|&row| code(&vector(row as usize), scale(row as usize))).collect();
    let scales = order.iter().map(|&row| row as usize).flat_map(|row| {
        let mut pair = f32s([scale(row)]);
        pair.extend(&inverse_norms[4 * row..4 * row + 4]);
        pair
    });
    let d = DIM as u32;
    let w = 64 * d.div_ceil(8);
    vec![
        (32, F32, d, f32s(mean().into_iter().chain(steps()))),
        (33, Bytes, w, groups(&centres, DIM)),
        (34, F32, 1, f32s((0..ENDS.len()).map(scale))),
        (35, U32, 1, u32s(ENDS)),
        (36, Bytes, w, groups(&codes, DIM)),
        (37, U32, 1, u32s(order.iter().copied())),
        (38, F32, 2, scales.collect()),
        (39, Bytes, 32, MODEL.to_vec()),
        (40, F32, 19, f32s(curves().into_iter().flatten())),
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
