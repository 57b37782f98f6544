//! Values by code of a linear form: of all rows by their short codes, of some by both.

use uncsm_format::cells::Cells;

use super::code::{Basis, CodeQuery};
use super::probe::Form;
use crate::encode::kernel::GROUP;

/// A linear form over the coded rows of a media type.
pub(crate) struct Estimate<'a> {
    cells: Cells<'a>,
    query: CodeQuery,
    by_norm: bool,
}

impl<'a> Estimate<'a> {
    /// Cost: `m d`.
    pub(crate) fn new(cells: Cells<'a>, form: Form<'_>) -> Self {
        let query = CodeQuery::new(form.weights, Basis::of(&cells));
        Self { cells, query, by_norm: form.by_norm }
    }

    /// Values by short codes of the positions from `start` on, which is the first of a group; 0 of those that are not there.
    pub(crate) fn short(&self, start: usize, out: &mut [f32]) {
        const RUN: usize = 64;
        let width = self.query.group_bytes();
        let mut sums = [[0; GROUP]; RUN];
        let groups = out.chunks_mut(RUN * GROUP).zip((start / GROUP..).step_by(RUN));
        for (out, first) in groups {
            let sums = &mut sums[..out.len().div_ceil(GROUP)];
            match self.cells.short.get(first * width..(first + sums.len()) * width) {
                Some(codes) => self.query.sums(codes, sums),
                None => sums.fill([0; GROUP]),
            }
            for (out, &sum) in out.iter_mut().zip(sums.as_flattened()) {
                *out = self.query.value(sum);
            }
            if self.by_norm {
                let norms = self.cells.norms.get(first * GROUP..).unwrap_or_default();
                out.iter_mut().zip(norms).for_each(|(out, norm)| *out *= norm);
            }
        }
    }

    /// Values by both codes of the positions `which`, ascending.
    pub(crate) fn both(&self, which: &[u32], out: &mut [f32]) {
        let width = self.query.group_bytes();
        let mut more = vec![0; which.len()];
        self.query.long_sums(self.cells.long, which, &mut more);
        let (mut sums, mut of) = ([[0; GROUP]], usize::MAX);
        for ((&at, more), out) in which.iter().zip(more).zip(out) {
            let (at, group) = (at as usize, at as usize / GROUP);
            if group != of {
                of = group;
                match self.cells.short.get(group * width..(group + 1) * width) {
                    Some(codes) => self.query.sums(codes, &mut sums),
                    None => sums = [[0; GROUP]],
                }
            }
            let norm = if self.by_norm { self.cells.norms.get(at).copied().unwrap_or(0.0) } else { 1.0 };
            *out = (self.query.value(sums[0][at % GROUP]) + self.query.more(more)) * norm;
        }
    }
}
