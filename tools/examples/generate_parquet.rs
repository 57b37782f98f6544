//! Writes a Parquet corpus of generated rows, for checks of memory: `generate_parquet ROWS FILE [SEED]`.
//!
//! A row has an id, a text of 8 to 40 words, and several fields; one in ten has the bytes of a small PNG picture. Rows are
//! written batch by batch, so that any number of them needs the same memory.

use std::fs::File;
use std::io::Cursor;
use std::sync::Arc;

use arrow_array::builder::{ListBuilder, StringBuilder};
use arrow_array::{ArrayRef, BinaryArray, Float64Array, Int64Array, RecordBatch, StringArray};
use image::{ImageFormat, Rgb, RgbImage};
use parquet::arrow::ArrowWriter;
use parquet::basic::Compression;
use parquet::file::properties::WriterProperties;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// Rows that are made together.
const BATCH: usize = 1000;
/// Rows of a row group: all pictures of one together are many megabytes.
const GROUP: usize = 50_000;
const COLORS: [(&str, [u8; 3]); 5] = [
    ("red", [220, 30, 30]),
    ("green", [30, 160, 50]),
    ("blue", [30, 60, 220]),
    ("yellow", [240, 210, 20]),
    ("purple", [140, 40, 170]),
];

fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [rows, file, rest @ ..] = args.as_slice() else {
        return Err("usage: generate_parquet ROWS FILE [SEED]".into());
    };
    let rows: usize = rows.parse()?;
    let mut rng = ChaCha8Rng::seed_from_u64(rest.first().map_or(Ok(42), |seed| seed.parse())?);
    let properties = WriterProperties::builder()
        .set_compression(Compression::SNAPPY)
        .set_max_row_group_row_count(Some(GROUP))
        .build();
    let mut writer =
        ArrowWriter::try_new(File::create(file)?, batch(0, 0, &mut rng)?.schema(), Some(properties))?;
    for start in (0..rows).step_by(BATCH) {
        writer.write(&batch(start, BATCH.min(rows - start), &mut rng)?)?;
    }
    writer.close()?;
    Ok(())
}

fn batch(start: usize, rows: usize, rng: &mut ChaCha8Rng) -> Result<RecordBatch> {
    let (mut texts, mut images, mut colors, mut splits) = (vec![], vec![], vec![], vec![]);
    let (mut sizes, mut years) = (vec![], vec![]);
    let mut tags = ListBuilder::new(StringBuilder::new());
    for row in start..start + rows {
        let (color, rgb) = COLORS[rng.random_range(0..COLORS.len())];
        let words = rng.random_range(6..38);
        let mut text = format!("{color} square");
        for _ in 0..words {
            text += &format!(" w{}", rng.random_range(0..5000u32));
        }
        texts.push(text);
        images.push(if row.is_multiple_of(10) { Some(picture(rgb, rng)?) } else { None });
        colors.push(color);
        splits.push(["train", "train", "train", "val", "test"][row % 5]);
        sizes.push(rng.random_range(0.0..1.0f64));
        years.push(rng.random_range(1900..2030i64));
        tags.append_value(
            (0..rng.random_range(0..4u32)).map(|_| Some(format!("tag{}", rng.random_range(0..50u32)))),
        );
    }
    let columns: [(&str, ArrayRef, bool); 8] = [
        ("id", Arc::new(Int64Array::from_iter_values((start..start + rows).map(|row| row as i64))), false),
        ("text", Arc::new(StringArray::from(texts)), false),
        ("image", Arc::new(BinaryArray::from_iter(images)), true),
        ("color", Arc::new(StringArray::from(colors)), false),
        ("split", Arc::new(StringArray::from(splits)), false),
        ("size", Arc::new(Float64Array::from(sizes)), false),
        ("year", Arc::new(Int64Array::from(years)), false),
        ("tags", Arc::new(tags.finish()), true),
    ];
    Ok(RecordBatch::try_from_iter_with_nullable(columns)?)
}

/// A square with noise around it, about 10 KB as PNG.
fn picture(rgb: [u8; 3], rng: &mut ChaCha8Rng) -> Result<Vec<u8>> {
    let (x, y) = (rng.random_range(4..30), rng.random_range(4..30));
    let picture = RgbImage::from_fn(64, 64, |px, py| {
        let inside = (x..x + 30).contains(&px) && (y..y + 30).contains(&py);
        Rgb(if inside { rgb } else { std::array::from_fn(|_| rng.random_range(180..=255u8)) })
    });
    let mut bytes = Cursor::new(Vec::new());
    picture.write_to(&mut bytes, ImageFormat::Png)?;
    Ok(bytes.into_inner())
}
