//! Calibration of all heads: in training, and again on other rows.
//!
//! What [`calibrate`] fits is stored beside the heads, so the shared vectors and halves of an index stay good: the result
//! has the `space` fingerprint of the bundle that it comes from, and another `model` fingerprint.

mod curve;
mod pairs;
mod platt;
mod skill;

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use self::pairs::Pair;
pub(crate) use self::skill::skill;
use crate::corpus::Split;
use crate::data::{Items, Similarity, TrainingData};
use crate::error::{Error, ErrorCode, Result};
use crate::eval::matches;
use crate::model::{Bundle, Calibration, Rate, Target};

/// Most rows that [`calibrate`] scores against each other: with more, the scores of all pairs would not fit in memory.
const ROWS: usize = 4096;

/// The same model with the calibrations of all heads fitted on `data`, for the rate of matches `prior`.
///
/// Without `prior` the calibrations keep the one that `bundle` was given. Where it was given none, they assume the rate of
/// matches among the rows: for the target `class` as a share, for `pair` as a number of items per query, which a search divides
/// by the items of its index. (A prior of 0.5 counts as none: bundles had it before there were rates.)
///
/// Fitted on the rows marked `val`, or where there are none on all rows that are not marked `test`. Rows that the pathways
/// were fitted on read too confident: give held-out rows.
/// A target and pair of media types without matches, or without others, among these rows gets no calibration, whatever it
/// had, so its probabilities are null. Only the `model` fingerprint changes. A learned fusion stays as it is, though the media
/// logits that it reads have moved: learn it again.
///
/// Cost: all pairs of rows are scored once per target and ordered pair of media types; of more than 4,096 rows as many are
/// drawn, always the same ones.
///
/// # Errors
/// [`ErrorCode::BadArgument`] for a prior outside 0 to 1, both excluded; [`ErrorCode::UnknownMedia`] and
/// [`ErrorCode::BadDimension`] where the data do not fit the bundle; [`ErrorCode::Empty`] without a row to fit on,
/// [`ErrorCode::TooFewData`] where no head can be calibrated on them; [`ErrorCode::NotFinite`] naming the row; [`ErrorCode::Changed`] where a
/// features file was changed.
pub fn calibrate(bundle: &Bundle, data: &TrainingData, prior: Option<f32>) -> Result<Bundle> {
    let had = bundle.metric.heads.iter().flat_map(|head| head.calibration).flatten().next();
    let prior = prior.or(had.as_ref().and_then(Calibration::given_prior));
    let mut bundle = match prior {
        Some(prior) => bundle.with_prior(prior)?,
        None => bundle.clone(),
    };
    data.check_shapes()?;
    data.check_fits(&bundle)?;
    let rows = rows(data)?;
    data.check_finite(&rows)?;
    let held = [data.whole(Held::unseen(&bundle, data, &rows))?];
    let (fits, posterior_fits) = (calibrations(&held, data), posterior_calibrations(&held, data));
    drop(held);
    if fits.iter().flatten().all(Option::is_none) {
        return Err(Error::new(ErrorCode::TooFewData, "no two items to calibrate on are known to match")
            .expected("rows with items of two media types, or several rows of one class")
            .got(format!("{} rows", rows.len()))
            .hint("give more rows, and name the key that holds the class"));
    }
    let at_prior =
        |fits: Fits| fits.map(|fit| fit.map(|fit| prior.map_or(fit, |prior| fit.with_prior(prior))));
    for (head, fits) in bundle.metric.heads.iter_mut().zip(fits) {
        head.calibration = at_prior(fits);
    }
    bundle.posterior_fits = posterior_fits.into_iter().map(at_prior).collect();
    Ok(bundle.sealed())
}

/// The rows to fit on, ascending.
fn rows(data: &TrainingData) -> Result<Vec<usize>> {
    let mut rows = data.rows_of(Split::Val);
    if rows.is_empty() {
        rows = data.rows_of(Split::Train);
    }
    if rows.is_empty() {
        return Err(Error::new(ErrorCode::Empty, "no row to calibrate on: all are marked as test")
            .hint("check the test mask or the `split` key"));
    }
    if rows.len() > ROWS {
        // A draw and no fixed step: rows may stand in the order of their classes.
        rows.shuffle(&mut ChaCha8Rng::seed_from_u64(0xca11));
        rows.truncate(ROWS);
        rows.sort_unstable();
    }
    Ok(rows)
}

/// Most pairs of a query and an item that training saw, of all splits together, and most such items of a split.
const SEEN_PAIRS: usize = 1 << 24;
const SEEN_ROWS: usize = 16_384;

/// Rows to calibrate on.
pub(crate) struct Held<'a> {
    /// What training of this bundle has not seen: the queries, and of `class` what they are compared with.
    pub(crate) items: Items<'a>,
    /// The same, and after them rows that training saw, or a draw of these: a query of `pair` is compared with them, too.
    among: Option<Items<'a>>,
}

impl<'a> Held<'a> {
    /// Only rows that training has not seen.
    fn unseen(bundle: &'a Bundle, data: &TrainingData, rows: &[usize]) -> Result<Self> {
        Ok(Self { items: Items::new(bundle, data, rows)?, among: None })
    }

    /// The rows `held` of one of so many `splits`, and of `pair` among the rows `fit` that `bundle` learned from, or a draw of these.
    ///
    /// # Errors
    /// As [`Items::new`].
    pub(crate) fn new(
        bundle: &'a Bundle,
        data: &TrainingData,
        held: &[usize],
        fit: &[usize],
        splits: usize,
    ) -> Result<Self> {
        let unseen = Self::unseen(bundle, data, held)?;
        if held.is_empty() || bundle.metric().heads.iter().all(|head| head.target != Target::Pair) {
            return Ok(unseen);
        }
        let most = (SEEN_PAIRS / splits.max(1) / held.len()).min(SEEN_ROWS);
        let mut seen = fit.to_vec();
        if seen.len() > most {
            seen.shuffle(&mut ChaCha8Rng::seed_from_u64(0x5ee9));
            seen.truncate(most);
            seen.sort_unstable();
        }
        let among = Items::new(bundle, data, &[held, &seen].concat())?;
        Ok(Self { among: Some(among), ..unseen })
    }
}

/// The calibrations of all heads, in their order, from the pairs within each of `all`.
pub(crate) fn calibrations(all: &[Held<'_>], data: &TrainingData) -> Vec<Fits> {
    let heads = all.first().map_or(&[][..], |held| &held.items.bundle.metric().heads);
    heads
        .iter()
        .map(|head| both_ways(all, data, Similarity::Metric(head.target), head.target, (head.a, head.b)))
        .collect()
}

/// The calibrations of the dot product of class posteriors, for all pairs `a <= b` of media types in lexicographic order;
/// empty without classes.
pub(crate) fn posterior_calibrations(all: &[Held<'_>], data: &TrainingData) -> Vec<Fits> {
    let Some(bundle) =
        all.first().map(|held| held.items.bundle).filter(|bundle| bundle.posterior().is_some())
    else {
        return Vec::new();
    };
    let media = bundle.media().len();
    (0..media)
        .flat_map(|a| (a..media).map(move |b| (a, b)))
        .map(|pair| both_ways(all, data, Similarity::Posterior, Target::Class, pair))
        .collect()
}

/// Of queries of `a` over items of `b`, and the other way round.
pub(crate) type Fits = [Option<Calibration>; 2];

fn both_ways(
    all: &[Held<'_>],
    data: &TrainingData,
    similarity: Similarity,
    target: Target,
    (a, b): (usize, usize),
) -> Fits {
    let one = calibrate_pair(all, data, similarity, target, (a, b));
    [one, if a == b { one } else { calibrate_pair(all, data, similarity, target, (b, a)) }]
}

/// Of `pair` the fit that claims less of two: among rows that training has not seen, and among all. Which of them a model is surer of
/// differs from data to data, and an index may hold either.
fn calibrate_pair(
    all: &[Held<'_>],
    data: &TrainingData,
    similarity: Similarity,
    target: Target,
    pair: (usize, usize),
) -> Option<Calibration> {
    let unseen = Scored::of(all, false, data, similarity, target, pair)?.fit(target);
    if target == Target::Class || pair.0 == pair.1 || all.iter().any(|held| held.among.is_none()) {
        return unseen;
    }
    let among = Scored::of(all, true, data, similarity, target, pair)?;
    let matches = among.matches.clone();
    let claims = |fit: &Calibration| {
        let even = fit.even();
        matches.iter().map(|&raw| f64::from(even.logit(raw))).sum::<f64>()
    };
    [unseen, among.fit(target)].into_iter().flatten().min_by(|a, b| claims(a).total_cmp(&claims(b)))
}

/// The raw logits of matches and of other pairs.
struct Scored {
    matches: Vec<f32>,
    others: Vec<f32>,
    /// Queries that have a match.
    queries: f64,
}

impl Scored {
    /// Of the queries `a` of held-out rows over the items `b` of these, or of all.
    fn of(
        all: &[Held<'_>],
        among: bool,
        data: &TrainingData,
        similarity: Similarity,
        target: Target,
        (a, b): (usize, usize),
    ) -> Option<Self> {
        let mut scored = Self { matches: Vec::new(), others: Vec::new(), queries: 0.0 };
        for held in all {
            let (items, found) = (&held.items, held.among.as_ref().filter(|_| among).unwrap_or(&held.items));
            let scores = items.scores_over(found, similarity, a, b)?;
            let (matching, others) = matches((items, found), data, target, a, b, &scores);
            // Of `pair`, a query without an item of its own says nothing, and any other is compared with every item.
            scored.queries +=
                (matching.len() + others.len()) as f64 / found.media[b].rows.len().max(1) as f64;
            scored.matches.extend(matching);
            scored.others.extend(others);
        }
        Some(scored)
    }

    /// The pairs to fit on, and their fit for matches and others of equal mass.
    fn fitted(mut self) -> Option<(Vec<Pair>, Calibration)> {
        let rate = self.matches.len() as f64 / (self.matches.len() + self.others.len()).max(1) as f64;
        let pairs = Pair::all(&self.matches, &mut self.others);
        let fit = platt::fit(&pairs, rate)?;
        Some((pairs, fit))
    }

    fn fit(self, target: Target) -> Option<Calibration> {
        let moves = match target {
            Target::Class => Rate::Share,
            Target::Pair => Rate::Matches((self.matches.len() as f64 / self.queries) as f32),
        };
        let (_, fit) = self.fitted()?;
        Some(Calibration { rate: Some(moves), ..fit.with_prior(fit.natural) })
    }
}

#[cfg(test)]
mod tests {
    use rand::Rng;

    use super::*;
    use crate::data::{Labels, MediaFeatures};
    use crate::model::{FusionCounts, FusionLayer};

    const D_IN: [usize; 2] = [6, 4];

    pub(super) fn bundle() -> Bundle {
        Bundle::random(&[("image", D_IN[0]), ("text", D_IN[1])], 12, 4, 3, 7)
    }

    /// Random features; the class of row i is `i % 3`.
    pub(super) fn data(rows: usize, split: impl Fn(usize) -> Split) -> TrainingData {
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        let mut media = |name: &str, d_in: usize| MediaFeatures {
            name: name.into(),
            encoder: name.into(),
            encoder_state: Vec::new(),
            fingerprint: None,
            d_in,
            rows: (0..rows * d_in).map(|_| rng.random::<f32>() - 0.5).collect(),
            present: vec![true; rows],
        };
        TrainingData {
            media: vec![media("image", D_IN[0]), media("text", D_IN[1])],
            labels: Some(Labels {
                class: (0..rows).map(|row| Some(row as u32 % 3)).collect(),
                names: None,
                key: "label".into(),
            }),
            groups: None,
            split: (0..rows).map(split).collect(),
            features_name: "random".into(),
            documents: None,
            graded: Vec::new(),
        }
    }

    fn fits(bundle: &Bundle) -> Vec<Option<Calibration>> {
        bundle.metric.heads.iter().flat_map(|head| head.calibration).collect()
    }

    #[test]
    fn only_calibrations_and_the_model_fingerprint_change() {
        let old = bundle();
        let new = calibrate(&old, &data(30, |_| Split::Train), Some(0.1)).unwrap();
        assert_eq!(new.space(), old.space());
        assert_ne!(new.model(), old.model());
        let mut back = new.clone();
        for (head, had) in back.metric.heads.iter_mut().zip(&old.metric.heads) {
            assert_ne!(head.calibration, had.calibration);
            head.calibration = had.calibration;
        }
        assert!(back.posterior_fits.iter().flatten().all(|fit| fit.is_some_and(|fit| fit.prior == 0.1)));
        back.posterior_fits.clone_from(&old.posterior_fits);
        assert!(back.sealed() == old, "only calibrations change");
        // A class within one media type: 30 * 9 ordered pairs match. A document with itself is no pair of items.
        let within = new.metric.calibration(Target::Class, 0, 0).unwrap();
        assert_eq!((within.prior, within.positives), (0.1, 270));
        assert!((within.natural - 9.0 / 29.0).abs() < 1e-6, "{within:?}");
        assert_eq!(new.metric.calibration(Target::Pair, 0, 1).unwrap().positives, 30);
        assert!(new.metric.calibration(Target::Pair, 0, 0).is_none());
        let counts = FusionCounts { lines: 5, positives: 5, negatives: 9 };
        let layer = FusionLayer::new(Target::Pair, [1.0; 5], -3.0, counts).unwrap();
        let fused =
            calibrate(&old.with_fusion(layer).unwrap(), &data(30, |_| Split::Train), Some(0.1)).unwrap();
        assert_eq!(fused, new.with_fusion(layer).unwrap(), "a fusion stays");
        // The same rows give the same bundle.
        assert_eq!(calibrate(&old, &data(30, |_| Split::Train), Some(0.1)).unwrap(), new);
    }

    #[test]
    fn the_prior_is_kept_unless_another_is_given() {
        let rows = data(30, |_| Split::Train);
        let free = calibrate(&bundle(), &rows, None).unwrap();
        let rare = calibrate(&bundle().with_prior(0.02).unwrap(), &rows, None).unwrap();
        assert!(fits(&free).iter().flatten().all(|fit| fit.prior == fit.natural));
        assert!(free.posterior_fits.iter().flatten().flatten().all(|fit| fit.rate == Some(Rate::Share)));
        assert!(fits(&rare).iter().flatten().all(|fit| (fit.prior, fit.rate) == (0.02, None)));
        assert_eq!(free.with_prior(0.02).unwrap(), rare);
        let half = calibrate(&bundle(), &rows, Some(0.5)).unwrap();
        assert!(fits(&half).iter().flatten().all(|fit| (fit.prior, fit.rate) == (0.5, None)));
        assert_eq!(free.with_prior(0.5).unwrap(), half);
        // What was fitted freely is so again.
        assert_eq!(calibrate(&free, &rows, None).unwrap(), free);
    }

    #[test]
    fn a_pair_has_a_number_of_matches_per_query_and_a_class_a_share_of_all() {
        let mut rows = data(30, |_| Split::Train);
        let of = |rows: &TrainingData, target, a, b| {
            calibrate(&bundle(), rows, None).unwrap().metric.calibration(target, a, b).unwrap()
        };
        let pair = of(&rows, Target::Pair, 0, 1);
        assert_eq!((pair.rate, pair.for_items(400).prior), (Some(Rate::Matches(1.0)), 1.0 / 400.0));
        let class = of(&rows, Target::Class, 0, 1);
        assert_eq!((class.rate, class.for_items(400)), (Some(Rate::Share), class));
        assert!((class.prior - 1.0 / 3.0).abs() < 1e-6);
        // Ten rows with a text alone: no query of an image has less, no query of a text from them counts.
        rows.media[0].present[20..].fill(false);
        let (image, text) = (of(&rows, Target::Pair, 0, 1), of(&rows, Target::Pair, 1, 0));
        assert_eq!((image.natural, image.rate), (1.0 / 30.0, Some(Rate::Matches(1.0))));
        assert_eq!((text.natural, text.rate), (1.0 / 20.0, Some(Rate::Matches(1.0))));
    }

    #[test]
    fn validation_rows_alone_where_there_are_any_and_never_test_rows() {
        let split = |row: usize| [Split::Train, Split::Val, Split::Test][row / 10];
        let mut rows = data(30, split);
        let fitted = calibrate(&bundle(), &rows, None).unwrap();
        assert_eq!(fitted.metric.calibration(Target::Pair, 0, 1).unwrap().positives, 10);
        for media in &mut rows.media {
            let d_in = media.d_in;
            media.rows.to_mut()[..10 * d_in].fill(f32::NAN);
            media.rows.to_mut()[20 * d_in..].fill(f32::NAN);
        }
        assert_eq!(calibrate(&bundle(), &rows, None).unwrap(), fitted);
        rows.split[15] = Split::Train;
        rows.media[1].rows.to_mut()[12 * D_IN[1]] = f32::NAN;
        assert_eq!(calibrate(&bundle(), &rows, None).unwrap_err().code(), ErrorCode::NotFinite);
        let rest = data(30, |row| if row < 20 { Split::Train } else { Split::Test });
        let fitted = calibrate(&bundle(), &rest, None).unwrap();
        assert_eq!(fitted.metric.calibration(Target::Pair, 0, 1).unwrap().positives, 20);
    }

    #[test]
    fn what_is_not_seen_to_match_has_no_calibration() {
        let rows = TrainingData { labels: None, ..data(30, |_| Split::Train) };
        let fitted = calibrate(&bundle(), &rows, None).unwrap();
        assert!(fitted.metric.calibration(Target::Class, 0, 1).is_none());
        assert!(fitted.metric.calibration(Target::Pair, 0, 1).is_some());
        let mut apart = rows;
        for row in 0..30 {
            apart.media[row % 2].present[row] = false;
        }
        assert_eq!(calibrate(&bundle(), &apart, None).unwrap_err().code(), ErrorCode::TooFewData);
    }

    #[test]
    fn many_rows_are_thinned_out_without_regard_to_their_order() {
        let many = data(2 * ROWS, |_| Split::Train);
        let drawn = rows(&many).unwrap();
        assert_eq!(drawn, rows(&many).unwrap());
        assert!(drawn.len() == ROWS && drawn.windows(2).all(|two| two[0] < two[1]));
        let even = drawn.iter().filter(|row| row.is_multiple_of(2)).count();
        assert!((ROWS * 2 / 5..ROWS * 3 / 5).contains(&even), "{even}");
        assert_eq!(rows(&data(ROWS, |_| Split::Train)).unwrap().len(), ROWS);
    }

    #[test]
    fn what_cannot_be_calibrated_on_is_refused() {
        let code = |data: &TrainingData, prior| calibrate(&bundle(), data, prior).unwrap_err().code();
        let good = data(30, |_| Split::Train);
        for prior in [0.0, 1.0, -0.1, 1.5, f32::NAN, f32::INFINITY] {
            assert_eq!(code(&good, Some(prior)), ErrorCode::BadArgument, "{prior}");
        }
        assert_eq!(code(&data(30, |_| Split::Test), None), ErrorCode::Empty);
        assert_eq!(code(&data(0, |_| Split::Train), None), ErrorCode::Empty);
        let mut other = good.clone();
        other.media[1].name = "sound".into();
        assert_eq!(code(&other, None), ErrorCode::UnknownMedia);
        other.media.pop();
        assert_eq!(code(&other, None), ErrorCode::UnknownMedia);
        let mut wide = good;
        wide.media[1].d_in += 1;
        wide.media[1].rows.to_mut().extend([0.0; 30]);
        assert_eq!(code(&wide, None), ErrorCode::BadDimension);
    }
}
