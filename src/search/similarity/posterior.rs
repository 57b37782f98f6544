//! Dot product of the class posteriors that are part of the shared vectors.

use std::ops::Range;

use uncsm_format::MediaView;

use super::compare::{LinearForm, Measure, Row, RowScorer, dots};
use crate::error::{Error, ErrorCode, Result};
use crate::hint::{Hint, Setting};
use crate::index::cells::Ranking;
use crate::model::{Bundle, dot};

pub(super) struct Posterior;

impl Measure for Posterior {
    fn leg(&self) -> &'static str {
        "posterior"
    }

    fn unit_interval(&self, value: f32) -> f32 {
        value.clamp(0.0, 1.0)
    }

    fn compile(
        &self,
        bundle: &Bundle,
        _: (usize, usize),
        vector: &[f32],
    ) -> Result<Option<Box<dyn RowScorer>>> {
        let range = bundle.posterior().ok_or_else(|| {
            let hint = Hint::new("it was trained without").setting(Setting::Label).text("; use");
            Error::new(ErrorCode::BadArgument, "the bundle has no class posteriors")
                .hint(hint.given(Setting::Similarity, "metric or cosine"))
        })?;
        Ok(Some(Box::new(Classes { query: vector[range.clone()].to_vec(), range, dim: vector.len() })))
    }
}

/// The query's posteriors, and where those of a row stand in it.
#[derive(Debug, Clone)]
struct Classes {
    query: Vec<f32>,
    range: Range<usize>,
    dim: usize,
}

impl RowScorer for Classes {
    fn copy(&self) -> Box<dyn RowScorer> {
        Box::new(self.clone())
    }

    fn compare(&self, row: &Row) -> f32 {
        dot(&self.query, &row.vector[self.range.clone()])
    }

    fn compare_all(&self, view: &MediaView<'_>, at: &[u32], out: &mut [f32]) {
        dots(view, self.range.clone(), &self.query, at, out);
    }

    fn floor(&self, value: f32) -> Option<f32> {
        Some(value.next_down())
    }

    fn forms(&self) -> Vec<LinearForm<'_>> {
        let mut weights = vec![0.0; self.dim];
        weights[self.range.clone()].copy_from_slice(&self.query);
        vec![LinearForm::plain(Ranking::Posterior, weights.into())]
    }
}
