//! The coded rows of a media type, with all forms by which the parts of a query compare them.

use std::ops::RangeInclusive;

use uncsm_format::MediaView;

use super::table::Upper;
use crate::encode::kernel::GROUP;
use crate::index::SegmentVectors;
use crate::index::cells::{Estimate, Form, LEAST_ROWS, Margins, Ranking, Rest, margins};
use crate::media::Fingerprint;
use crate::search::candidates::Why;
use crate::search::scorer::DocScorer;
use crate::search::similarity::RowScorer;

/// Rows whose short codes are compared together, whole groups.
pub(super) const RUN: usize = 64 * GROUP;

/// What is promised, and of which heads curves tell.
#[derive(Clone)]
pub(super) struct Asked {
    pub(super) model: Fingerprint,
    pub(super) recall: f32,
    /// Numbers of best rows.
    pub(super) depths: RangeInclusive<usize>,
}

/// The rows of a media type of a segment.
pub(super) struct Held<'a> {
    pub(super) view: MediaView<'a>,
    /// Row of each position.
    pub(super) rows: &'a [u32],
    /// Cells that they stand in.
    pub(super) cells: usize,
    /// By part; `None` where the bundle cannot compare.
    pub(super) parts: Vec<Option<PartOf<'a>>>,
}

pub(super) struct PartOf<'a> {
    pub(super) scorer: &'a dyn RowScorer,
    pub(super) forms: Vec<FormOf<'a>>,
    pub(super) upper: Upper,
}

/// A linear form over the rows.
pub(super) struct FormOf<'a> {
    estimate: Estimate<'a>,
    rest: Rest,
    pub(super) margins: Margins,
    /// Numbers between which most rows lie.
    pub(super) range: (f32, f32),
    /// From which number on a row may be among the best.
    best_from: f32,
}

/// The media types of which a segment has rows: those with codes, and those of few rows.
pub(super) struct Media<'a> {
    pub(super) coded: Vec<Held<'a>>,
    pub(super) few: Vec<MediaView<'a>>,
}

/// Looks up what is needed, without compiling it.
///
/// # Errors
/// Why codes cannot tell.
pub(super) fn check(scorer: &DocScorer, vectors: &SegmentVectors, asked: &Asked) -> Result<(), Why> {
    let mut is_coded = false;
    for &media in scorer.wanted() {
        if vectors.view(media).len() < LEAST_ROWS {
            continue;
        }
        let cells = vectors.uvec().cells(media).ok().flatten().ok_or(Why::NoCells)?;
        for part in scorer.addends() {
            for form in part.row(media).map_or_else(Vec::new, |row| row.forms()) {
                let kind = (form.ranking, part.media);
                margins(&cells, asked.model, kind, asked.depths.clone(), asked.recall).ok_or(Why::NoCurve)?;
            }
        }
        is_coded = true;
    }
    if is_coded { Ok(()) } else { Err(Why::FewRows) }
}

impl<'a> Media<'a> {
    /// # Errors
    /// Why codes cannot tell.
    pub(super) fn of(scorer: &'a DocScorer, vectors: &'a SegmentVectors, asked: &Asked) -> Result<Self, Why> {
        check(scorer, vectors, asked)?;
        let (mut coded, mut few) = (Vec::new(), Vec::new());
        for &media in scorer.wanted() {
            let view = vectors.view(media);
            if view.len() < LEAST_ROWS {
                few.extend((!view.is_empty()).then_some(view));
            } else {
                coded.push(Held::of(scorer, vectors, media, asked)?);
            }
        }
        Ok(Self { coded, few })
    }

    /// Forms times rows, as `rows` counts them.
    pub(super) fn work(&self, rows: impl Fn(&MediaView<'a>) -> usize) -> f64 {
        self.coded.iter().map(|held| (held.forms() * rows(&held.view)) as f64).sum()
    }
}

impl<'a> Held<'a> {
    fn of(
        scorer: &'a DocScorer,
        vectors: &'a SegmentVectors,
        media: usize,
        asked: &Asked,
    ) -> Result<Self, Why> {
        let view = vectors.view(media);
        let cells = vectors.uvec().cells(media).ok().flatten().ok_or(Why::NoCells)?;
        let parts = scorer.addends().map(|part| {
            let Some(row) = part.row(media) else { return Ok(None) };
            let form = |form: crate::search::similarity::LinearForm<'a>| {
                let kind = (form.ranking, part.media);
                let margins = margins(&cells, asked.model, kind, asked.depths.clone(), asked.recall);
                let by_norm = form.ranking == Ranking::Cosine;
                let estimate = Estimate::new(cells, Form { weights: &form.weights, by_norm });
                let margins = margins.ok_or(Why::NoCurve)?;
                Ok(FormOf::new(estimate, form.rest, margins, (&view, cells.rows)))
            };
            let forms: Vec<FormOf<'a>> = row.forms().into_iter().map(form).collect::<Result<_, Why>>()?;
            let upper = Upper::new(row, &forms, part.is_wanted, part.weight);
            Ok(Some(PartOf { scorer: row, forms, upper }))
        });
        let parts = parts.collect::<Result<_, Why>>()?;
        Ok(Self { view, rows: cells.rows, cells: cells.ends.len(), parts })
    }

    /// Forms of all parts.
    pub(super) fn forms(&self) -> usize {
        self.parts.iter().flatten().map(|part| part.forms.len()).sum()
    }

    /// What a part adds at most to the values of the rows of a run that starts at `start`; `None` where the bundle cannot compare.
    pub(super) fn upper(&self, part: usize, start: usize, room: &mut Room, out: &mut [f32]) -> Option<()> {
        let part = self.parts.get(part)?.as_ref()?;
        room.0.resize_with(part.forms.len().max(room.0.len()), Vec::new);
        for (form, numbers) in part.forms.iter().zip(&mut room.0) {
            numbers.resize(out.len(), 0.0);
            form.estimate.short(start, numbers);
            form.add_rest((&self.view, self.rows), start.., numbers);
        }
        part.upper.of(&room.0, out);
        Some(())
    }
}

/// Numbers of a run by the forms of a part.
#[derive(Default)]
pub(super) struct Room(Vec<Vec<f32>>);

impl<'a> FormOf<'a> {
    fn new(estimate: Estimate<'a>, rest: Rest, margins: Margins, of: (&MediaView<'_>, &[u32])) -> Self {
        let mut form = Self { estimate, rest, margins, range: (0.0, 0.0), best_from: f32::NEG_INFINITY };
        form.look(of);
        form
    }

    /// Looks at a part of the rows: where their numbers lie.
    fn look(&mut self, (view, rows): (&MediaView<'_>, &[u32])) {
        /// Rows that stand together, and of how many such parts one is looked at.
        const TOGETHER: usize = 2 * GROUP;
        const PARTS: usize = 8;
        let mut seen = Vec::with_capacity(rows.len() / PARTS + TOGETHER);
        for start in (0..rows.len()).step_by(TOGETHER * PARTS) {
            let mut numbers = [0.0; TOGETHER];
            let numbers = &mut numbers[..TOGETHER.min(rows.len() - start)];
            self.estimate.short(start, numbers);
            self.add_rest((view, rows), start.., numbers);
            seen.extend(numbers.iter().filter(|number| number.is_finite()));
        }
        let low = seen.iter().copied().fold(f32::INFINITY, f32::min);
        let high = seen.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let beyond = (high - low) / 16.0;
        self.range = (low - beyond, high + beyond);
        // A quarter more, since a part is no whole.
        let rank = self.margins.rank * 5 / 4 / PARTS + 16;
        if rank < seen.len() {
            self.best_from = *seen.select_nth_unstable_by(rank, |a: &f32, b| b.total_cmp(a)).1;
        }
    }

    /// How far a number by short code may stand below the right one.
    pub(super) fn margin_at(&self, number: f32) -> f32 {
        if number >= self.best_from { self.margins.best } else { self.margins.any }
    }

    /// Adds what scores have beside the linear form, for the rows of positions.
    fn add_rest(
        &self,
        (view, rows): (&MediaView<'_>, &[u32]),
        at: impl Iterator<Item = usize>,
        numbers: &mut [f32],
    ) {
        let Some(hub) = self.rest.hub else {
            numbers.iter_mut().for_each(|number| *number += self.rest.bias);
            return;
        };
        let fixed = self.rest.bias - hub.weight * hub.own;
        for (number, at) in numbers.iter_mut().zip(at) {
            // A damaged file may name other rows.
            let place = rows.get(at).map(|&row| row as usize * view.hub_columns + hub.column);
            let item = place.and_then(|place| view.hubs.get(place)).copied().unwrap_or(f32::NAN);
            *number += fixed - hub.weight * item;
        }
    }

    /// Numbers by both codes of the positions `which`, ascending.
    pub(super) fn both(&self, held: &Held<'_>, which: &[u32]) -> Vec<f32> {
        let mut numbers = vec![0.0; which.len()];
        self.estimate.both(which, &mut numbers);
        self.add_rest((&held.view, held.rows), which.iter().map(|at| *at as usize), &mut numbers);
        numbers
    }
}
