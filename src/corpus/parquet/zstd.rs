//! Pages compressed with zstd, without C: the library hands them over as they are, and they are decompressed here.

use std::fs::File;
use std::io::Read;
use std::sync::Arc;

use parquet::arrow::arrow_reader::{ArrowReaderMetadata, RowGroups};
use parquet::basic::Compression;
use parquet::column::page::{Page, PageIterator, PageMetadata, PageReader};
use parquet::errors::ParquetError;
use parquet::file::metadata::{ColumnChunkMetaData, ParquetMetaData, RowGroupMetaData};
use parquet::file::serialized_reader::SerializedPageReader;
use ruzstd::decoding::{FrameDecoder, StreamingDecoder};

/// Of the library.
type Result<T, E = ParquetError> = std::result::Result<T, E>;

/// A row group whose pages may be compressed with zstd.
pub(super) struct Group {
    file: Arc<File>,
    metadata: Arc<ParquetMetaData>,
    group: usize,
}

impl Group {
    /// The row group `group` of `file`, which comes back where the library reads all of it.
    pub(super) fn new(file: File, metadata: &ArrowReaderMetadata, group: usize) -> Result<Self, File> {
        let groups = metadata.metadata().row_groups().get(group);
        let mut columns = groups.into_iter().flat_map(RowGroupMetaData::columns);
        match columns.any(|column| is_used(column.compression())) {
            true => Ok(Self { file: Arc::new(file), metadata: Arc::clone(metadata.metadata()), group }),
            false => Err(file),
        }
    }

    fn about(&self) -> Option<&RowGroupMetaData> {
        self.metadata.row_groups().get(self.group)
    }
}

/// Whether pages of this compression are decompressed here.
pub(super) fn is_used(compression: Compression) -> bool {
    cfg!(not(feature = "zstd")) && matches!(compression, Compression::ZSTD(_))
}

impl RowGroups for Group {
    fn num_rows(&self) -> usize {
        self.about().and_then(|group| usize::try_from(group.num_rows()).ok()).unwrap_or(0)
    }

    fn column_chunks(&self, column: usize) -> Result<Box<dyn PageIterator>> {
        let about = self.about().and_then(|group| group.columns().get(column));
        let about =
            about.ok_or_else(|| ParquetError::General(format!("a row group has no column {column}")))?;
        Ok(Box::new(Chunk(Some(pages(&self.file, about, self.num_rows())?))))
    }

    fn row_groups(&self) -> Box<dyn Iterator<Item = &RowGroupMetaData> + '_> {
        Box::new(self.about().into_iter())
    }

    fn metadata(&self) -> &ParquetMetaData {
        &self.metadata
    }
}

/// The one chunk of a column.
struct Chunk(Option<Box<dyn PageReader>>);

impl Iterator for Chunk {
    type Item = Result<Box<dyn PageReader>>;

    fn next(&mut self) -> Option<Self::Item> {
        self.0.take().map(Ok)
    }
}

impl PageIterator for Chunk {}

/// The pages of a column chunk of `rows` rows, whatever their compression.
pub(super) fn pages(
    file: &Arc<File>,
    chunk: &ColumnChunkMetaData,
    rows: usize,
) -> Result<Box<dyn PageReader>> {
    let file = Arc::clone(file);
    if !is_used(chunk.compression()) {
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
    let (head, rest) = bytes.split_at_checked(plain).ok_or_else(|| bad("it ends too early".into()))?;
    let mut out = head.to_vec();
    // One byte more shows that there is more.
    let left = most.saturating_sub(out.len()).saturating_add(1) as u64;
    Frames::new(rest).take(left).read_to_end(&mut out).map_err(|error| bad(error.to_string()))?;
    if out.len() > most {
        return Err(bad(format!("it has more than the {most} bytes that its column states")));
    }
    Ok(out)
}

/// What the frames of `rest` hold, one after the other. Cost: memory for the window of a frame, at most 128 MiB.
pub(super) struct Frames<'a> {
    rest: &'a [u8],
    open: Option<StreamingDecoder<&'a [u8], FrameDecoder>>,
}

impl<'a> Frames<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes, open: None }
    }
}

impl Read for Frames<'_> {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        while !out.is_empty() {
            let mut frame = match self.open.take() {
                Some(frame) => frame,
                None if self.rest.is_empty() => return Ok(0),
                None => StreamingDecoder::new(self.rest).map_err(std::io::Error::other)?,
            };
            let read = frame.read(out)?;
            if read > 0 {
                self.open = Some(frame);
                return Ok(read);
            }
            self.rest = frame.into_inner();
        }
        Ok(0)
    }
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
