//! Where the rows are that cells are made of: those of one media type of a segment that is being written.

/// Rows that are read at any place, by several threads.
pub(crate) trait RowSource: Sync {
    /// Number of rows.
    fn len(&self) -> usize;

    /// Replaces `vector [d]` by that of a row.
    fn vector(&self, row: usize, vector: &mut [f32]);

    /// Replaces `half [h]` and `hubs [g]` by those of a row.
    fn rest(&self, row: usize, half: &mut [f32], hubs: &mut [f32]);

    /// As stored.
    fn inverse_norm(&self, row: usize) -> f32;
}

/// `count` rows, evenly spread; all where there are no more.
pub(crate) fn spread(rows: usize, count: usize) -> impl Iterator<Item = usize> {
    let count = count.min(rows);
    (0..count).map(move |i| (i as u64 * rows as u64 / count as u64) as usize)
}
