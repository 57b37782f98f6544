//! Cosine of the shared vectors.

use uncsm_format::MediaView;

use super::compare::{LinearForm, Measure, Row, RowScorer, dots};
use crate::error::Result;
use crate::index::cells::Ranking;
use crate::model::{Bundle, dot};

pub(super) struct Cosine;

impl Measure for Cosine {
    fn leg(&self) -> &'static str {
        "cosine"
    }

    fn unit_interval(&self, value: f32) -> f32 {
        ((1.0 + value) / 2.0).clamp(0.0, 1.0)
    }

    fn compile(&self, _: &Bundle, _: (usize, usize), vector: &[f32]) -> Result<Option<Box<dyn RowScorer>>> {
        let norm = dot(vector, vector).sqrt();
        let inverse = if norm > 0.0 { 1.0 / norm } else { 0.0 };
        Ok(Some(Box::new(Unit(vector.iter().map(|v| v * inverse).collect()))))
    }
}

/// The query vector at length 1.
#[derive(Debug, Clone)]
struct Unit(Vec<f32>);

impl RowScorer for Unit {
    fn copy(&self) -> Box<dyn RowScorer> {
        Box::new(self.clone())
    }

    fn compare(&self, row: &Row) -> f32 {
        dot(&self.0, &row.vector) * row.inverse_norm
    }

    fn compare_all(&self, view: &MediaView<'_>, at: &[u32], out: &mut [f32]) {
        dots(view, 0..view.dim, &self.0, at, out);
        for (out, &at) in out.iter_mut().zip(at) {
            *out *= view.inverse_norms[at as usize];
        }
    }

    fn floor(&self, value: f32) -> Option<f32> {
        Some(value.next_down())
    }

    fn forms(&self) -> Vec<LinearForm<'_>> {
        vec![LinearForm::plain(Ranking::Cosine, (&self.0).into())]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_alike_costs() {
        let cosine = Unit(vec![]);
        assert_eq!((cosine.penalty(-0.5), cosine.penalty(0.25)), (0.0, 0.25));
    }
}
