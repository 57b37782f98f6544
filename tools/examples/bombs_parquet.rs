//! Writes a small Parquet file that asks for much, for `benches/bombs.py`: `bombs_parquet KIND FILE`.

use std::fs::File;
use std::io::Write;
use std::sync::Arc;

use arrow_array::builder::{ListBuilder, StringBuilder, UInt8Builder};
use arrow_array::{ArrayRef, RecordBatch, StringArray};
use parquet::arrow::ArrowWriter;
use parquet::basic::{BrotliLevel, Compression, Encoding, GzipLevel};
use parquet::file::properties::{
    EnabledStatistics, WriterProperties, WriterPropertiesBuilder, WriterVersion,
};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

const MEGABYTE: usize = 1 << 20;

fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [kind, file] = args.as_slice() else { return Err("usage: bombs_parquet KIND FILE".into()) };
    let zeros = |bytes: usize| -> ArrayRef { Arc::new(StringArray::from(vec!["0".repeat(bytes)])) };
    match kind.as_str() {
        // Each page is within what one may be; together they take a gigabyte.
        "brotli-7-gb" => {
            let columns = ["a", "b", "c", "d"].map(|name| (name, zeros(256 * MEGABYTE)));
            write(file, &columns, one_page().build())
        }
        "gzip-page" => {
            let gzip = Compression::GZIP(GzipLevel::try_new(9)?);
            write(file, &[("text", zeros(256 * MEGABYTE))], one_page().set_compression(gzip).build())
        }
        // 7 GB, where 256 rows of it are copied at once.
        "dictionary" => {
            let entry = "0".repeat(28 * MEGABYTE);
            let rows: ArrayRef = Arc::new(StringArray::from_iter_values((0..20).map(|_| entry.as_str())));
            write(file, &[("text", rows)], one_page().set_dictionary_enabled(true).build())
        }
        "prefixes" => {
            let start = "0".repeat(28 * MEGABYTE);
            let rows = StringArray::from_iter_values((0..20).map(|row| format!("{start}{row}")));
            let properties = one_page()
                .set_writer_version(WriterVersion::PARQUET_2_0)
                .set_column_encoding("text".into(), Encoding::DELTA_BYTE_ARRAY);
            write(file, &[("text", Arc::new(rows))], properties.build())
        }
        "list-run" => {
            let mut lists = ListBuilder::new(UInt8Builder::new());
            lists.values().append_slice(&vec![7; 200 * MEGABYTE]);
            lists.append(true);
            let properties = one_page().set_dictionary_enabled(true).build();
            write(file, &[("marks", Arc::new(lists.finish()))], properties)
        }
        "list-named" => {
            let mut lists = ListBuilder::new(StringBuilder::new());
            let entry = "0".repeat(MEGABYTE);
            (0..1500).for_each(|_| lists.values().append_value(&entry));
            lists.append(true);
            let properties = one_page().set_dictionary_enabled(true).build();
            write(file, &[("tags", Arc::new(lists.finish()))], properties)
        }
        "schema-depth" => footer(file, &schema(&[vec![1; 1_000_000], vec![0]].concat())),
        "children" => footer(file, &schema(&[(1 << 31) - 1, 0])),
        "footer" => footer(file, &vec![0; 64 * MEGABYTE]),
        other => Err(format!("no kind `{other}`").into()),
    }
}

/// One page, whatever its size.
fn one_page() -> WriterPropertiesBuilder {
    WriterProperties::builder()
        .set_compression(Compression::BROTLI(BrotliLevel::try_new(1).unwrap_or_default()))
        .set_statistics_enabled(EnabledStatistics::None)
        .set_data_page_size_limit(usize::MAX)
        .set_dictionary_page_size_limit(usize::MAX)
        .set_dictionary_enabled(false)
}

fn write(file: &str, columns: &[(&str, ArrayRef)], properties: WriterProperties) -> Result<()> {
    let columns = columns.iter().map(|(name, array)| (*name, array.clone(), true));
    let batch = RecordBatch::try_from_iter_with_nullable(columns)?;
    let mut writer = ArrowWriter::try_new(File::create(file)?, batch.schema(), Some(properties))?;
    writer.write(&batch)?;
    writer.close()?;
    Ok(())
}

/// A file of this footer and nothing else.
fn footer(file: &str, footer: &[u8]) -> Result<()> {
    let length = u32::try_from(footer.len())?.to_le_bytes();
    Ok(File::create(file)?.write_all(&[b"PAR1", footer, &length, b"PAR1"].concat())?)
}

/// Version 1, then a schema of elements with these numbers of children, each named `a`.
fn schema(children: &[u64]) -> Vec<u8> {
    let mut out = vec![0x15, 2, 0x19, 0xfc];
    varint(children.len() as u64, &mut out);
    for &own in children {
        // repetition_type = optional; name; num_children.
        out.extend([0x35, 2, 0x18, 1, b'a']);
        if own > 0 {
            out.push(0x15);
            varint(own * 2, &mut out);
        }
        out.push(0);
    }
    out.push(0);
    out
}

fn varint(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}
