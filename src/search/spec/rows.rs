//! Query items from the rows of a file of features.

use std::ops::Range;
use std::path::PathBuf;

use super::values::bad;
use crate::corpus::{FeaturesFile, PathwayArg};
use crate::encode::FeatureRows;
use crate::error::Result;

/// Rows of a file of features: each row of each tensor is a query item.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct FeaturesFrom {
    /// The file.
    pub file: PathBuf,
    /// The tensor of each media type, `MEDIA=TENSOR`.
    pub pathways: Vec<String>,
    /// The rows, the first included and the last not; all of a file of one row.
    pub rows: Option<Range<usize>>,
}

impl FeaturesFrom {
    /// All rows of the tensors `pathways` (`MEDIA=TENSOR`) of `file`, which must have one.
    pub fn new(file: impl Into<PathBuf>, pathways: Vec<String>) -> Self {
        Self { file: file.into(), pathways, rows: None }
    }

    /// Media type and features of each item, row by row.
    ///
    /// # Errors
    /// [`ErrorCode::BadArgument`](crate::ErrorCode::BadArgument) for rows outside the tensors, or for several without `rows`;
    /// those of opening and reading.
    pub fn read(&self) -> Result<Vec<(String, Vec<f32>)>> {
        let file = FeaturesFile::open(&self.file)?;
        let pathways = self.pathways.iter().map(|arg| PathwayArg::parse(arg)).collect::<Result<Vec<_>>>()?;
        let tensors = FeatureRows::find(&file, &pathways, &[])?;
        let n = tensors.first().map_or(0, |t| t.tensor.rows());
        let rows = match &self.rows {
            Some(rows) => rows.clone(),
            None if n == 1 => 0..1,
            None => {
                return Err(bad("the file holds many rows")
                    .file(&self.file)
                    .expected("one row, or `rows` A..B")
                    .got(format!("{n} rows")));
            }
        };
        let mut out = Vec::new();
        for row in rows {
            for tensor in &tensors {
                let mut features = Vec::new();
                tensor.tensor.read(row..row.saturating_add(1), &mut features)?;
                out.push((tensor.encoder.media().to_owned(), features));
            }
        }
        Ok(out)
    }
}

/// `A..B` as rows.
///
/// # Errors
/// [`ErrorCode::BadArgument`](crate::ErrorCode::BadArgument).
pub fn parse_rows(text: &str) -> Result<Range<usize>> {
    let wrong = || {
        bad("`rows` does not parse")
            .expected("A..B with A below B, both counted from 0")
            .got(format!("{text:?}"))
    };
    let (start, end) = text.split_once("..").ok_or_else(wrong)?;
    let range = start.trim().parse().map_err(|_| wrong())?..end.trim().parse().map_err(|_| wrong())?;
    if range.is_empty() { Err(wrong()) } else { Ok(range) }
}
