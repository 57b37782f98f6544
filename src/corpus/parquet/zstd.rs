//! Pages compressed with zstd, without C: the library hands them over as they are, and they are decompressed here.

use std::fs::File;
use std::io::Read;
use std::sync::Arc;

use parquet::arrow::arrow_reader::RowGroups;
use parquet::basic::Compression;
use parquet::column::page::{Page, PageIterator, PageMetadata, PageReader};
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::{ParquetMetaData, RowGroupMetaData};
use parquet::file::serialized_reader::SerializedPageReader;
use ruzstd::decoding::StreamingDecoder;

/// Whether a column of the file needs this module.
pub(super) fn is_used(metadata: &ParquetMetaData) -> bool {
    let columns = metadata.row_groups().iter().flat_map(RowGroupMetaData::columns);
    columns.into_iter().any(|column| matches!(column.compression(), Compression::ZSTD(_)))
}

/// The row groups of a file whose pages may be compressed with zstd.
pub(super) struct Groups {
    file: Arc<File>,
    metadata: Arc<ParquetMetaData>,
}

impl Groups {
    pub(super) fn new(file: File, metadata: Arc<ParquetMetaData>) -> Self {
        Self { file: Arc::new(file), metadata }
    }
}

impl RowGroups for Groups {
    fn num_rows(&self) -> usize {
        usize::try_from(self.metadata.file_metadata().num_rows()).unwrap_or(0)
    }

    fn column_chunks(&self, column: usize) -> Result<Box<dyn PageIterator>> {
        let (file, metadata) = (Arc::clone(&self.file), Arc::clone(&self.metadata));
        Ok(Box::new(Chunks { file, metadata, column, group: 0 }))
    }

    fn row_groups(&self) -> Box<dyn Iterator<Item = &RowGroupMetaData> + '_> {
        Box::new(self.metadata.row_groups().iter())
    }

    fn metadata(&self) -> &ParquetMetaData {
        &self.metadata
    }
}

/// The chunks of one column, group by group.
struct Chunks {
    file: Arc<File>,
    metadata: Arc<ParquetMetaData>,
    column: usize,
    group: usize,
}

impl Iterator for Chunks {
    type Item = Result<Box<dyn PageReader>>;

    fn next(&mut self) -> Option<Self::Item> {
        let group = self.metadata.row_groups().get(self.group)?;
        self.group += 1;
        Some(pages(&self.file, group, self.column))
    }
}

impl PageIterator for Chunks {}

fn pages(file: &Arc<File>, group: &RowGroupMetaData, column: usize) -> Result<Box<dyn PageReader>> {
    let rows = usize::try_from(group.num_rows())?;
    let chunk = group
        .columns()
        .get(column)
        .ok_or_else(|| ParquetError::General(format!("a row group has no column {column}")))?;
    let file = Arc::clone(file);
    if !matches!(chunk.compression(), Compression::ZSTD(_)) {
        return Ok(Box::new(SerializedPageReader::new(file, chunk, rows, None)?));
    }
    // No page of a chunk is larger than all of them.
    let most = usize::try_from(chunk.uncompressed_size())?;
    let plain = chunk.clone().into_builder().set_compression(Compression::UNCOMPRESSED).build()?;
    Ok(Box::new(Pages { inner: SerializedPageReader::new(file, &plain, rows, None)?, most }))
}

/// The pages of a chunk, decompressed.
struct Pages {
    /// Gives pages with the bytes that stand in the file.
    inner: SerializedPageReader<File>,
    /// Bytes of the largest page.
    most: usize,
}

impl Pages {
    fn plain(&self, mut page: Page) -> Result<Page> {
        match &mut page {
            Page::DataPage { buf, .. } | Page::DictionaryPage { buf, .. } => {
                *buf = decompress(buf, 0, self.most)?.into();
            }
            Page::DataPageV2 {
                buf, def_levels_byte_len, rep_levels_byte_len, is_compressed: true, ..
            } => {
                // Levels are never compressed.
                let levels = u64::from(*def_levels_byte_len) + u64::from(*rep_levels_byte_len);
                *buf = decompress(buf, usize::try_from(levels)?, self.most)?.into();
            }
            Page::DataPageV2 { .. } => {}
        }
        Ok(page)
    }
}

/// The first `plain` bytes as they are, the rest decompressed, at most `most` in all.
fn decompress(bytes: &[u8], plain: usize, most: usize) -> Result<Vec<u8>> {
    let bad = |what: String| ParquetError::General(format!("a page of zstd: {what}"));
    let (head, mut rest) = bytes.split_at_checked(plain).ok_or_else(|| bad("it ends too early".into()))?;
    let mut out = head.to_vec();
    while !rest.is_empty() {
        let decoder = StreamingDecoder::new(&mut rest).map_err(|error| bad(error.to_string()))?;
        // One byte more shows that there is more.
        let left = most.saturating_sub(out.len()).saturating_add(1);
        decoder.take(left as u64).read_to_end(&mut out).map_err(|error| bad(error.to_string()))?;
        if out.len() > most {
            return Err(bad(format!("it has more than the {most} bytes that its column states")));
        }
    }
    Ok(out)
}

impl Iterator for Pages {
    type Item = Result<Page>;

    fn next(&mut self) -> Option<Self::Item> {
        self.get_next_page().transpose()
    }
}

impl PageReader for Pages {
    fn get_next_page(&mut self) -> Result<Option<Page>> {
        let page = self.inner.get_next_page()?;
        page.map(|page| self.plain(page)).transpose()
    }

    fn peek_next_page(&mut self) -> Result<Option<PageMetadata>> {
        self.inner.peek_next_page()
    }

    fn skip_next_page(&mut self) -> Result<()> {
        self.inner.skip_next_page()
    }

    fn supports_deferred_dictionary(&self) -> bool {
        self.inner.supports_deferred_dictionary()
    }

    fn take_deferred_dictionary(&mut self) -> Result<Option<Page>> {
        let page = self.inner.take_deferred_dictionary()?;
        page.map(|page| self.plain(page)).transpose()
    }

    fn at_record_boundary(&mut self) -> Result<bool> {
        self.inner.at_record_boundary()
    }
}
