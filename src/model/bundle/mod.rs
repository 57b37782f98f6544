//! The bundle: a trained model, and the fingerprints that say what belongs to it.

mod assemble;
mod checks;
mod config;
mod encoders;
mod io;
mod members;
mod parts;
mod project;
mod random;
mod samples;
mod seal;
mod stored;
mod tensors;

use std::ops::Range;

use super::calibration::Calibration;
use super::floats::Narrow;
use super::fusion::FusionLayer;
use super::metric::{MetricNetwork, Target};
use super::pathway::{Members, Pathway, Shares};
use crate::error::{Error, ErrorCode, Result};
use crate::hint::{Hint, Task};
use crate::media::{Dtype, Fingerprint, MediaSpec, SpaceSpec};
pub use config::{ClassNames, MediaConfig};
pub(crate) use encoders::maker;
pub use io::OnExisting;
pub(crate) use parts::Known;
pub use project::Stored;
pub(crate) use project::{Unrounded, not_finite};

/// A trained model: pathways, metric network, calibration, and maybe a learned fusion.
///
/// Invariant: parameters are finite and fit each other, and the two fingerprints are those of the parts.
#[derive(Clone, Debug, PartialEq)]
pub struct Bundle {
    pub(crate) media: Vec<MediaConfig>,
    pub(crate) classes: Option<ClassNames>,
    pub(crate) default_target: Target,
    pub(crate) posterior_scale: f32,
    /// By media type: what its encoder has learned; empty for most.
    pub(crate) encoder_states: Vec<Vec<f32>>,
    pub(crate) pathways: Vec<Pathway>,
    pub(crate) metric: MetricNetwork,
    /// Calibrations of the dot product of class posteriors, per pair `a <= b` of media types in lexicographic order, of
    /// queries of `a` over items of `b` and the other way round; empty where none were fitted.
    pub(crate) posterior_fits: Vec<[Option<Calibration>; 2]>,
    pub(crate) fusion: Option<FusionLayer>,
    /// By media type: sample queries `[q, d]`, rounded to f16; empty for one without.
    pub(crate) samples: Vec<Narrow>,
    pub(crate) space: Fingerprint,
    pub(crate) model: Fingerprint,
    pub(crate) known: Known,
}

impl Bundle {
    /// Media types, in the order of their indices.
    pub fn media(&self) -> &[MediaConfig] {
        &self.media
    }

    /// Position of the media type `name`.
    ///
    /// # Errors
    /// [`ErrorCode::UnknownMedia`], naming those that exist.
    pub fn media_index(&self, name: &str) -> Result<usize> {
        self.space_spec().media_index(name)
    }

    /// The classes, where it was trained with labels.
    pub fn classes(&self) -> Option<&ClassNames> {
        self.classes.as_ref()
    }

    /// What the metric network is asked where nobody says: `class` where there are classes, else `pair`, unless training
    /// was told otherwise.
    pub fn default_target(&self) -> Target {
        self.default_target
    }

    /// The elements of a shared vector that are class posteriors.
    pub fn posterior(&self) -> Option<Range<usize>> {
        self.classes.as_ref().map(|classes| 0..classes.count)
    }

    /// What the pathway of a media type is made of.
    ///
    /// # Panics
    /// When `media` does not exist.
    pub fn members(&self, media: usize) -> Members {
        self.pathways[media].members()
    }

    /// What its kernel member has of the output of the pathway of a media type; 0 without one.
    ///
    /// # Panics
    /// When `media` does not exist.
    pub fn shares(&self, media: usize) -> Shares {
        self.pathways[media].shares
    }

    /// Elements of a shared vector, `d`.
    pub fn dim(&self) -> usize {
        self.metric.dim
    }

    /// Fingerprint of all that stored vectors and halves depend on.
    pub fn space(&self) -> Fingerprint {
        self.space
    }

    /// Fingerprint of all that raw scores depend on: [`space`](Self::space), and the heads of the metric network. What a bundle of the
    /// same score ranks first by one part, this one does. Cost: a read of the heads, once.
    pub fn score(&self) -> Fingerprint {
        *self.known.score.get_or_init(|| self.score_of_parts())
    }

    /// Fingerprint of everything.
    pub fn model(&self) -> Fingerprint {
        self.model
    }

    /// The metric network.
    pub fn metric(&self) -> &MetricNetwork {
        &self.metric
    }

    /// The same model for another rate of matches among all pairs: every calibration gets `prior`.
    ///
    /// Rankings by one query part stay as they are, probabilities move; only the `model` fingerprint changes, so an index
    /// can be attached to the result without a rebuild. A learned fusion stays too, but it reads media logits, which move by a
    /// constant: documents that only the keywords found stand higher or lower beside the others than where it was learned, as do
    /// those at its bounds. Learn it again with the new prior.
    ///
    /// # Errors
    /// [`ErrorCode::BadArgument`] for a prior outside 0 to 1, both excluded.
    pub fn with_prior(&self, prior: f32) -> Result<Bundle> {
        // NaN is in no range.
        if !(prior > 0.0 && prior < 1.0) {
            return Err(Error::new(ErrorCode::BadArgument, "the prior is no rate of matches")
                .expected("above 0 and below 1")
                .got(prior));
        }
        self.check()?;
        let mut bundle = self.clone();
        let of_heads = bundle.metric.heads.iter_mut().flat_map(|head| &mut head.calibration);
        for calibration in of_heads.chain(bundle.posterior_fits.iter_mut().flatten()).flatten() {
            *calibration = calibration.with_prior(prior);
        }
        Ok(bundle.sealed())
    }

    /// What joins the legs of a query, where it was learned from judged queries.
    pub fn fusion(&self) -> Option<&FusionLayer> {
        self.fusion.as_ref()
    }

    /// The same model with `layer` as its learned fusion, in place of any that it has.
    ///
    /// Only the `model` fingerprint changes, so an index can be attached to the result without a rebuild.
    ///
    /// # Errors
    /// [`ErrorCode::BadArgument`] where the model has no logits of the target that the layer was learned on.
    pub fn with_fusion(&self, layer: FusionLayer) -> Result<Bundle> {
        let targets = &self.metric.targets;
        if !targets.contains(&layer.target()) {
            let names: Vec<&str> = targets.iter().map(|target| target.as_str()).collect();
            return Err(Error::new(
                ErrorCode::BadArgument,
                "the fusion is of a target that the bundle lacks",
            )
            .expected(names.join(" or "))
            .got(layer.target().as_str())
            .hint(Hint::new("learn it with").task(Task::Fuse).text(" from this bundle")));
        }
        self.check()?;
        Ok(Bundle { fusion: Some(layer), ..self.clone() }.sealed())
    }

    /// The calibration of the dot product of class posteriors, of queries of one media type over items of another;
    /// `None` without classes, or where no matches were measured.
    pub fn posterior_calibration(&self, query_media: usize, item_media: usize) -> Option<Calibration> {
        let (a, b) = (query_media.min(item_media), query_media.max(item_media));
        let media = self.media.len();
        let at = (0..media).flat_map(|a| (a..media).map(move |b| (a, b))).position(|pair| pair == (a, b))?;
        self.posterior_fits.get(at)?[usize::from(query_media > item_media)]
    }

    /// What an index of this bundle must fit.
    pub fn space_spec(&self) -> SpaceSpec {
        let media = self
            .media
            .iter()
            .map(|media| MediaSpec {
                name: media.name.clone(),
                dim: self.metric.dim,
                half: self.metric.half,
                hubs: self.metric.hub_columns(),
                dtype: Dtype::F16,
            })
            .collect();
        SpaceSpec { space: self.space, media }
    }
}

#[cfg(test)]
mod tests {
    use half::f16;

    use super::*;
    use crate::model::fusion::FusionCounts;
    use crate::model::metric::dot;

    fn bundle() -> Bundle {
        Bundle::random(&[("image", 6), ("text", 3)], 12, 8, 4, 1)
    }

    #[test]
    fn rows_are_projected_alone() {
        let bundle = bundle();
        let features: Vec<f32> = (0..60).map(|i| (i as f32 * 0.7).sin()).collect();
        let all = bundle.project(0, &features).unwrap();
        for row in 0..10 {
            let one = bundle.project(0, &features[row * 6..(row + 1) * 6]).unwrap();
            assert_eq!(one, all[row * 12..(row + 1) * 12]);
            assert!((one[..4].iter().sum::<f32>() - 1.0).abs() < 1e-5);
            assert!((one[4..].iter().map(|x| x * x).sum::<f32>() - 1.0).abs() < 1e-5);
        }
    }

    #[test]
    fn bad_features_are_refused() {
        let bundle = bundle();
        assert_eq!(bundle.project(0, &[0.0; 7]).unwrap_err().code(), ErrorCode::BadDimension);
        assert_eq!(bundle.project(2, &[0.0; 6]).unwrap_err().code(), ErrorCode::UnknownMedia);
        let mut features = [0.0; 12];
        features[8] = f32::NAN;
        let error = bundle.project(0, &features).unwrap_err();
        assert_eq!(error.code(), ErrorCode::NotFinite);
        assert!(error.to_string().contains("row 1") && error.to_string().contains("image"), "{error}");
    }

    #[test]
    fn stored_halves_are_of_the_rounded_vectors() {
        let bundle = bundle();
        let shared = bundle.project(1, &[0.3, -0.2, 0.9, 0.0, 0.1, 0.2]).unwrap();
        let stored = bundle.store(1, &shared);
        assert_eq!((stored.vectors.len(), stored.halves.len(), stored.inverse_norms.len()), (24, 16, 2));
        let row: Vec<f32> = stored.vectors[12..].iter().map(|x| x.to_f32()).collect();
        let mut half = vec![0.0; 8];
        bundle.metric().item_half(1, &row, &mut half);
        let rounded: Vec<f16> = half.iter().map(|x| f16::from_f32(*x)).collect();
        assert_eq!(rounded, stored.halves[8..]);
        assert!((stored.inverse_norms[1] * dot(&row, &row).sqrt() - 1.0).abs() < 1e-6);
        assert_eq!(bundle.store(1, &[0.0; 12]).inverse_norms, [0.0]);
        // Narrowed later, they are the same.
        let Unrounded { vectors, halves, hubs } = bundle.rows(1, &[0.3, -0.2, 0.9, 0.0, 0.1, 0.2]);
        let narrow = |row: &[f32]| row.iter().map(|x| f16::from_f32(*x)).collect::<Vec<_>>();
        assert_eq!((narrow(&vectors), narrow(&halves)), (stored.vectors.clone(), stored.halves.clone()));
        assert!(hubs.is_empty() && stored.hubs.is_empty());
    }

    #[test]
    fn stored_hubs_are_of_the_rounded_vectors() {
        let plain = Bundle::random(&[("image", 6), ("text", 3), ("sound", 2)], 12, 8, 4, 1);
        let bundle = plain.with_random_hubs(70, 5);
        let features: Vec<f32> = (0..3 * 50).map(|i| (i as f32 * 0.7).sin()).collect();
        let shared = bundle.project(1, &features).unwrap();
        assert_eq!(shared, plain.project(1, &features).unwrap());
        let stored = bundle.store(1, &shared);
        assert_eq!(stored.hubs.len(), 50 * 2);
        for (v, hubs) in stored.vectors.chunks(12).zip(stored.hubs.chunks(2)) {
            let row: Vec<f32> = v.iter().map(|x| x.to_f32()).collect();
            let mut alone = [0.0; 2];
            bundle.metric().item_hubs(1, &row, &mut alone);
            assert_eq!(alone.map(f32::to_bits), [hubs[0].to_bits(), hubs[1].to_bits()]);
            assert!(alone[0] != alone[1]);
        }
        let rows = bundle.rows(1, &features);
        let bits = |x: &[f32]| x.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
        assert_eq!(bits(&rows.hubs), bits(&stored.hubs));
        let without = plain.store(1, &shared);
        assert_eq!(without, Stored { hubs: Vec::new(), ..stored }, "all else is as without hubs");
    }

    #[test]
    fn a_prior_moves_calibrations_and_the_model_alone() {
        let one = bundle();
        let rare = one.with_prior(0.01).unwrap();
        assert_eq!(one.space(), rare.space());
        assert_ne!(one.model(), rare.model());
        for (a, b) in one.metric.heads.iter().zip(&rare.metric.heads) {
            for (a, b) in a.calibration.iter().zip(&b.calibration) {
                let (a, b) = (a.unwrap(), b.unwrap());
                assert_eq!(b, Calibration { prior: 0.01, ..a });
                assert!(b.probability(0.3) < a.probability(0.3));
            }
        }
        assert_eq!(rare.with_prior(0.5).unwrap(), one);
        for bad in [0.0, 1.0, -0.1, f32::NAN] {
            assert_eq!(one.with_prior(bad).unwrap_err().code(), ErrorCode::BadArgument, "{bad}");
        }
    }

    #[test]
    fn a_fusion_enters_the_model_alone_and_a_prior_keeps_it() {
        let counts = FusionCounts { lines: 9, positives: 10, negatives: 30 };
        let layer =
            |target, first| FusionLayer::new(target, [first, 0.0, 1.0, 0.3, 0.0], -2.5, counts).unwrap();
        let plain = bundle();
        let one = plain.with_fusion(layer(Target::Pair, 0.5)).unwrap();
        assert_eq!((plain.fusion(), one.fusion()), (None, Some(&layer(Target::Pair, 0.5))));
        assert_eq!(one.space(), plain.space());
        assert_ne!(one.model(), plain.model());
        for other in [layer(Target::Pair, 0.25), layer(Target::Class, 0.5)] {
            let two = one.with_fusion(other).unwrap();
            assert_ne!(two.model(), one.model());
            assert_eq!(two, plain.with_fusion(other).unwrap(), "the old one is gone");
        }
        assert_eq!(Bundle { fusion: None, ..one.clone() }.sealed(), plain);
        let rare = one.with_prior(0.01).unwrap();
        assert_eq!(rare.fusion(), one.fusion());
        assert_eq!(rare, plain.with_prior(0.01).unwrap().with_fusion(layer(Target::Pair, 0.5)).unwrap());
        let without_classes = Bundle::random(&[("image", 6)], 12, 8, 0, 1);
        let error = without_classes.with_fusion(layer(Target::Class, 0.5)).unwrap_err();
        assert_eq!(error.code(), ErrorCode::BadArgument);
        assert!(without_classes.with_fusion(layer(Target::Pair, 0.5)).is_ok());
    }

    #[test]
    fn fingerprints_follow_what_they_cover() {
        let one = bundle();
        let mut calibrated = one.clone();
        calibrated.metric.heads[0].calibration[0] = None;
        let calibrated = calibrated.sealed();
        assert_eq!(one.space(), calibrated.space());
        assert_ne!(one.model(), calibrated.model());
        let mut moved = one.clone();
        moved.metric.halves[1][0] += 1.0;
        let moved = moved.sealed();
        assert_ne!(one.space(), moved.space());
        assert_ne!(one.model(), moved.model());
        let hubs = one.with_random_hubs(3, 1);
        assert_ne!(one.space(), hubs.space());
        assert_eq!((one.version(), hubs.version()), (0, 1));
        let changed = |change: fn(&mut MetricNetwork)| {
            let mut other = hubs.clone();
            change(&mut other.metric);
            other.sealed()
        };
        for moves in [
            changed(|metric| metric.hubs.temperature += 0.1),
            changed(|metric| metric.hubs.anchors[1][0] += 0.1),
        ] {
            assert_ne!(hubs.space(), moves.space());
            assert_ne!(hubs.model(), moves.model());
        }
        let weighed = changed(|metric| metric.heads[1].hub += 0.1);
        assert_eq!(hubs.space(), weighed.space());
        assert_ne!(hubs.model(), weighed.model());
    }

    #[test]
    fn a_score_follows_pathways_and_heads_alone() {
        let one = bundle().with_random_hubs(3, 1);
        let counts = FusionCounts { lines: 9, positives: 10, negatives: 30 };
        let layer = FusionLayer::new(Target::Pair, [0.5, 0.0, 1.0, 0.3, 0.0], -2.5, counts).unwrap();
        let mut calibrated = one.clone();
        calibrated.metric.heads[0].calibration[0] = None;
        let same = [
            one.with_prior(0.01).unwrap(),
            one.with_fusion(layer).unwrap(),
            one.with_samples(vec![vec![0.5; 12], Vec::new()]).unwrap(),
            calibrated.sealed(),
        ];
        for other in same {
            assert_eq!(other.score(), one.score());
            assert_ne!(other.model(), one.model());
        }
        let changed = |change: fn(&mut Bundle)| {
            let mut other = one.clone();
            change(&mut other);
            other.sealed()
        };
        let others = [
            changed(|bundle| bundle.metric.heads[2].bilinear[5] += 0.1),
            changed(|bundle| bundle.metric.heads[2].weights[0] += 0.1),
            changed(|bundle| bundle.metric.heads[2].shift[0] += 0.1),
            changed(|bundle| bundle.metric.heads[2].bias += 0.1),
            changed(|bundle| bundle.metric.heads[1].hub += 0.1),
            changed(|bundle| bundle.metric.hubs.anchors[1][0] += 0.1),
            changed(|bundle| bundle.metric.halves[1][0] += 1.0),
            changed(|bundle| bundle.posterior_scale = 0.5),
            one.with_random_heads(4),
        ];
        for other in others {
            assert_ne!(other.score(), one.score());
        }
    }
}
