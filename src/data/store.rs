//! Where the features of a media type are: in memory, or in files that are read row by row.

use std::path::Path;
use std::sync::Arc;

use crate::corpus::StoredRows;
use crate::error::{Error, Result};

/// Features `[n, d_in]`, row-major. Those of files stay there: the system keeps of their pages what fits into memory.
#[derive(Clone, Debug)]
pub struct FeatureStore {
    /// Empty where they are in files.
    held: Vec<f32>,
    files: Option<Arc<StoredRows>>,
    /// Why those of files could not be read into memory.
    fault: Option<Error>,
}

impl From<Vec<f32>> for FeatureStore {
    fn from(held: Vec<f32>) -> Self {
        Self { held, files: None, fault: None }
    }
}

impl FromIterator<f32> for FeatureStore {
    fn from_iter<I: IntoIterator<Item = f32>>(values: I) -> Self {
        Vec::from_iter(values).into()
    }
}

impl From<StoredRows> for FeatureStore {
    fn from(rows: StoredRows) -> Self {
        Self { held: Vec::new(), files: Some(Arc::new(rows)), fault: None }
    }
}

impl FeatureStore {
    /// Elements of all rows.
    pub fn len(&self) -> usize {
        self.files.as_ref().map_or(self.held.len(), |rows| rows.rows() * rows.cols())
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All elements, where they are in memory.
    pub fn held(&self) -> Option<&[f32]> {
        self.files.is_none().then_some(&self.held)
    }

    /// The file that has row `row`, and its number there, from 0; `None` where features are in memory.
    ///
    /// # Panics
    /// Where there is no such row.
    pub fn place(&self, row: usize) -> Option<(&Path, usize)> {
        self.files.as_ref().map(|rows| rows.place(row))
    }

    /// All elements, to change them; those of files are read into memory first. Where they cannot be, whoever learns or measures says why.
    pub fn to_mut(&mut self) -> &mut Vec<f32> {
        if let Some(rows) = self.files.take() {
            self.held.reserve(rows.rows() * rows.cols());
            (0..rows.rows()).for_each(|row| rows.append(row, &mut self.held));
            self.fault = rows.check().err();
        }
        &mut self.held
    }

    /// Refuses what was read so far where rows could not be, or files were changed since they were opened.
    ///
    /// # Errors
    /// [`Changed`](crate::ErrorCode::Changed); [`Io`](crate::ErrorCode::Io).
    pub(super) fn check(&self) -> Result<()> {
        match (&self.fault, &self.files) {
            (Some(fault), _) => Err(fault.clone()),
            (None, Some(rows)) => rows.check(),
            (None, None) => Ok(()),
        }
    }

    /// Appends row `row` of `width` elements.
    pub(super) fn append(&self, row: usize, width: usize, out: &mut Vec<f32>) {
        match &self.files {
            None => out.extend_from_slice(&self.held[row * width..(row + 1) * width]),
            Some(rows) => rows.append(row, out),
        }
    }

    /// Row `row` of `width` elements; one of a file is read into `buffer`.
    pub(super) fn row<'s>(&'s self, row: usize, width: usize, buffer: &'s mut Vec<f32>) -> &'s [f32] {
        let Some(rows) = &self.files else { return &self.held[row * width..(row + 1) * width] };
        buffer.clear();
        rows.append(row, buffer);
        buffer
    }
}
