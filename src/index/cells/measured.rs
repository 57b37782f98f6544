//! The rows of curves that tell one thing of queries of one media type: one of no depth, and those of the depths that were measured.

use std::ops::RangeInclusive;

use uncsm_format::cells::{CURVE_COLUMNS, Cells};

use crate::media::Fingerprint;

/// A row of a file.
pub(super) type Row = [f32; CURVE_COLUMNS];

/// What was measured.
pub(super) struct Measured<'a> {
    /// The row of no depth.
    pub(super) any: &'a Row,
    /// Those of depths, as the file has them.
    depths: Vec<&'a Row>,
}

impl<'a> Measured<'a> {
    /// The rows of `code` and a media type for the scores `model`; `None` where there is none of no depth.
    pub(super) fn of(
        cells: &Cells<'a>,
        model: Fingerprint,
        (code, query_media): (f32, usize),
    ) -> Option<Self> {
        let curves = cells.curves.filter(|curves| *curves.model == model.0)?;
        let is = |row: &&Row| row[0] == code && row[1] == query_media as f32;
        let (any, depths): (Vec<_>, Vec<_>) =
            curves.rows.iter().filter(is).partition(|row: &&Row| row[2] == 0.0);
        Some(Self { any: *any.first()?, depths })
    }

    fn depths(&self) -> impl Iterator<Item = f32> {
        self.depths.iter().map(|row| row[2])
    }

    /// The first depth; infinite where none was measured.
    pub(super) fn first(&self) -> f32 {
        self.depths().fold(f32::INFINITY, f32::min)
    }

    /// The measured depths around those that are asked for: from 0 where none is as small, to infinity where none is as great.
    pub(super) fn around(&self, asked: &RangeInclusive<usize>) -> RangeInclusive<f32> {
        let (least, most) = (*asked.start() as f32, *asked.end() as f32);
        let fewer = self.depths().filter(|&depth| depth <= least).fold(0.0, f32::max);
        let more = self.depths().filter(|&depth| depth >= most).fold(f32::INFINITY, f32::min);
        fewer..=more
    }

    /// The rows of these depths.
    pub(super) fn within(&self, depths: RangeInclusive<f32>) -> impl Iterator<Item = &'a Row> {
        self.depths.iter().copied().filter(move |row| depths.contains(&row[2]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_those_of_the_depths_around_what_is_asked_for() {
        let row = |depth: f32| {
            let mut row = [0.0; CURVE_COLUMNS];
            row[2] = depth;
            row
        };
        let rows = [0.0, 10.0, 1000.0, 100.0].map(row);
        let measured = Measured { any: &rows[0], depths: rows[1..].iter().collect() };
        let asked = |asked: RangeInclusive<usize>| {
            let around = measured.around(&asked);
            (around.clone(), measured.within(around).map(|row| row[2]).collect::<Vec<_>>())
        };
        assert_eq!(measured.first(), 10.0);
        assert_eq!(asked(10..=10), (10.0..=10.0, vec![10.0]));
        assert_eq!(asked(20..=30), (10.0..=100.0, vec![10.0, 100.0]));
        assert_eq!(asked(20..=200), (10.0..=1000.0, vec![10.0, 1000.0, 100.0]));
        assert_eq!(asked(1..=5), (0.0..=10.0, vec![10.0]));
        assert_eq!(asked(200..=2000), (100.0..=f32::INFINITY, vec![1000.0, 100.0]));
        let none = Measured { any: &rows[0], depths: Vec::new() };
        assert_eq!((none.first(), none.within(none.around(&(1..=9))).count()), (f32::INFINITY, 0));
    }
}
