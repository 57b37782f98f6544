//! What is compared by code: the linear part of a score, and what a score has beside it.

use crate::encode::kernel::dot;
use crate::model::{Bundle, QueryHub, Target};

/// What a curve is of, as the file has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ranking {
    /// The metric network.
    Metric(Target),
    /// Cosine.
    Cosine,
    /// Dot product of class posteriors.
    Posterior,
}

impl Ranking {
    pub(crate) fn code(self) -> f32 {
        match self {
            Self::Metric(Target::Class) => 0.0,
            Self::Metric(Target::Pair) => 1.0,
            Self::Cosine => 2.0,
            Self::Posterior => 3.0,
        }
    }
}

/// What a score has beside its linear part, but for a hidden layer.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Rest {
    pub(crate) bias: f32,
    pub(crate) hub: Option<QueryHub>,
}

impl Rest {
    /// For an item with these hubs.
    #[inline]
    pub(crate) fn of(&self, hubs: &[f32]) -> f32 {
        self.bias - self.hub.map_or(0.0, |hub| hub.term(hubs))
    }
}

/// The rankings that directions are made for, by media type of the query.
pub(crate) fn rankings(bundle: &Bundle) -> impl Iterator<Item = (Ranking, usize)> {
    (0..bundle.media().len()).flat_map(|media| {
        let heads = bundle.metric().targets().iter().map(|&target| Ranking::Metric(target));
        heads.chain([Ranking::Cosine]).map(move |ranking| (ranking, media))
    })
}

/// The linear parts of all sample queries over items of `media`, `[q, d]` for each ranking.
pub(crate) fn forms(bundle: &Bundle, media: usize) -> Vec<Vec<f32>> {
    let dim = bundle.metric().dim();
    let of = |(ranking, query_media)| {
        let all = bundle.samples(query_media).chunks_exact(dim.max(1));
        let forms = all.filter_map(|u| form(bundle, ranking, (query_media, media), u));
        forms.flat_map(|(form, _)| form).collect()
    };
    rankings(bundle).map(of).collect()
}

/// The linear part of a ranking for one query, `g [d]`, and what else a score has; `None` where the bundle has no head for the media types
/// of query and items.
pub(crate) fn form(
    bundle: &Bundle,
    ranking: Ranking,
    (query_media, media): (usize, usize),
    u: &[f32],
) -> Option<(Vec<f32>, Rest)> {
    match ranking {
        Ranking::Metric(target) => {
            let query = bundle.metric().query_half(target, query_media, media, u)?;
            Some((query.bilinear, Rest { bias: query.bias, hub: query.hub }))
        }
        Ranking::Cosine => {
            let norm = dot(u, u).sqrt();
            let inverse = if norm > 0.0 { 1.0 / norm } else { 0.0 };
            Some((u.iter().map(|x| x * inverse).collect(), Rest::default()))
        }
        Ranking::Posterior => Some((posterior(u, bundle.posterior()?), Rest::default())),
    }
}

/// `u` with zeros outside of its class posteriors.
fn posterior(u: &[f32], classes: std::ops::Range<usize>) -> Vec<f32> {
    u.iter().enumerate().map(|(at, &x)| if classes.contains(&at) { x } else { 0.0 }).collect()
}
