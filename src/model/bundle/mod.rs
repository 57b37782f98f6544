//! The bundle: a trained model, and the fingerprints that say what belongs to it.

mod encoders;
mod io;
mod tensors;

pub(crate) use encoders::maker;
pub use io::OnExisting;
use tensors::Named;

use std::ops::Range;

use half::f16;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::calibration::Calibration;
use super::fusion::FusionLayer;
use super::metric::{Head, MetricNetwork, Target, dot};
use super::pathway::Pathway;
use crate::error::{Error, ErrorCode, Result};
use crate::hint::{Hint, Task};
use crate::media::{Dtype, Fingerprint, MediaSpec, SpaceSpec};

/// A media type of a bundle.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MediaConfig {
    /// Name of the media type, at most 32 bytes.
    pub name: String,
    /// The encoder that made the features; the name of the tensor where nothing else is known.
    pub encoder: String,
    /// Elements of the features of one item, `d_in`.
    pub features: usize,
    /// Elements of what the encoder has learned, such as an idf; 0 for an encoder that learns nothing.
    #[serde(default)]
    pub state: usize,
    /// Whether the pathway reads the roots of features instead of the features.
    #[serde(default, skip_serializing_if = "is_false")]
    pub roots: bool,
    /// Stands for the encoder's weights and preprocessing; `None` where nobody knows what made the features.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fingerprint: Option<Fingerprint>,
}

fn is_false(x: &bool) -> bool {
    !x
}

/// The classes that a bundle was trained with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClassNames {
    /// Number of classes, `C`.
    pub count: usize,
    /// Their names in order, where they have names.
    pub names: Option<Vec<String>>,
    /// The field or tensor that held them.
    pub key: String,
}

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
    pub(crate) space: Fingerprint,
    pub(crate) model: Fingerprint,
}

/// Rows that go through a pathway together on one core.
const TOGETHER: usize = 48;

/// Vectors of items as an index stores them.
#[derive(Clone, Debug, PartialEq)]
pub struct Stored {
    /// Shared vectors `[n, d]`.
    pub vectors: Vec<f16>,
    /// Item halves `[n, h]`, of the rounded vectors.
    pub halves: Vec<f16>,
    /// One over the Euclidean norm of each rounded vector; 0 for a zero row.
    pub inverse_norms: Vec<f32>,
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

    /// Elements of a shared vector, `d`.
    pub fn dim(&self) -> usize {
        self.metric.dim
    }

    /// Fingerprint of all that stored vectors and halves depend on.
    pub fn space(&self) -> Fingerprint {
        self.space
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
                dtype: Dtype::F16,
            })
            .collect();
        SpaceSpec { space: self.space, media }
    }

    /// Shared vectors `[n, d]` of the features `[n, d_in]` of one media type, both row-major.
    ///
    /// Each row is a pure function of its features. Cost: `k * (d_in + d)` multiply-adds per row, on all cores.
    ///
    /// # Errors
    /// [`ErrorCode::UnknownMedia`], [`ErrorCode::BadDimension`] where the length is no multiple of `d_in`,
    /// [`ErrorCode::NotFinite`] naming the first bad row.
    pub fn project(&self, media: usize, features: &[f32]) -> Result<Vec<f32>> {
        let (Some(config), Some(pathway)) = (self.media.get(media), self.pathways.get(media)) else {
            return Err(Error::new(ErrorCode::UnknownMedia, "no media type of this number here")
                .expected(format!("less than {}", self.media.len()))
                .got(media));
        };
        let d_in = config.features;
        if !features.len().is_multiple_of(d_in) {
            return Err(Error::new(
                ErrorCode::BadDimension,
                format!("features of `{}` do not fit its pathway", config.name),
            )
            .expected(format!("a multiple of {d_in} elements"))
            .got(features.len()));
        }
        if let Some(at) = features.iter().position(|x| !x.is_finite()) {
            return Err(not_finite(&config.name, at / d_in, at % d_in));
        }
        Ok(self.through(pathway, d_in, features))
    }

    /// Whole rows of finite features through their pathway.
    fn through(&self, pathway: &Pathway, d_in: usize, features: &[f32]) -> Vec<f32> {
        let d = self.dim();
        let mut out = vec![0.0f32; features.len() / d_in * d];
        out.par_chunks_mut(TOGETHER * d)
            .zip(features.par_chunks(TOGETHER * d_in))
            .for_each(|(out, x)| pathway.project(x, self.posterior_scale, out));
        out
    }

    /// Shared vectors `[n, d]` and halves `[n, h]` of features `[n, d_in]`, as an index stores them but still in f32: the
    /// vectors are rounded to f16, since the halves are of the rounded ones, and the halves are not yet.
    ///
    /// The caller has checked that the features are whole rows and finite; the rows that come out may not be.
    ///
    /// # Panics
    /// When `media` does not exist.
    pub(crate) fn rows(&self, media: usize, features: &[f32]) -> (Vec<f32>, Vec<f32>) {
        let (d, h) = (self.dim(), self.metric.half);
        let mut vectors = self.through(&self.pathways[media], self.media[media].features, features);
        let mut halves = vec![0.0f32; vectors.len() / d * h];
        for (at, row) in vectors.chunks_mut(d).enumerate() {
            row.iter_mut().for_each(|x| *x = f16::from_f32(*x).to_f32());
            self.metric.item_half(media, row, &mut halves[at * h..(at + 1) * h]);
        }
        (vectors, halves)
    }

    /// Shared vectors `[n, d]` as an index stores them: rounded to f16, with halves of the rounded vectors.
    ///
    /// # Panics
    /// When `media` does not exist or `shared` is no multiple of `d`.
    pub fn store(&self, media: usize, shared: &[f32]) -> Stored {
        let (d, h) = (self.dim(), self.metric.half);
        assert!(shared.len().is_multiple_of(d), "whole shared vectors");
        let vectors: Vec<f16> = shared.iter().map(|x| f16::from_f32(*x)).collect();
        let rows = shared.len() / d;
        let mut halves = vec![f16::ZERO; rows * h];
        let mut inverse_norms = vec![0.0f32; rows];
        let mut row = vec![0.0f32; d];
        let mut half = vec![0.0f32; h];
        for i in 0..rows {
            for (x, stored) in row.iter_mut().zip(&vectors[i * d..(i + 1) * d]) {
                *x = stored.to_f32();
            }
            let norm = dot(&row, &row).sqrt();
            inverse_norms[i] = if norm > 0.0 { 1.0 / norm } else { 0.0 };
            self.metric.item_half(media, &row, &mut half);
            for (stored, x) in halves[i * h..(i + 1) * h].iter_mut().zip(&half) {
                *stored = f16::from_f32(*x);
            }
        }
        Stored { vectors, halves, inverse_norms }
    }

    /// Sets the two fingerprints from the parts.
    pub(crate) fn sealed(mut self) -> Self {
        (self.space, self.model) = self.fingerprints();
        self
    }

    /// `(space, model)` of the parts as they are.
    pub(crate) fn fingerprints(&self) -> (Fingerprint, Fingerprint) {
        let tensors = self.tensors();
        let space_config = serde_json::json!({
            "media": self.media,
            "classes": self.classes.as_ref().map_or(0, |classes| classes.count),
            "posterior_scale": self.posterior_scale,
            "dtype": "f16",
        });
        let mut parts: Vec<Vec<u8>> = vec![space_config.to_string().into_bytes()];
        let digest = |parts: &mut Vec<Vec<u8>>, in_space: bool| {
            for tensor in tensors.iter().filter(|tensor| tensor.space == in_space) {
                parts.push(tensor.name.clone().into_bytes());
                parts.push(format!("{:?}", tensor.shape).into_bytes());
                parts.push(tensor.bytes());
            }
        };
        digest(&mut parts, true);
        let space = Fingerprint::of(parts.iter().map(Vec::as_slice));
        let mut rest: Vec<Vec<u8>> = vec![space.0.to_vec(), self.config_without_fingerprints()];
        digest(&mut rest, false);
        (space, Fingerprint::of(rest.iter().map(Vec::as_slice)))
    }

    /// All tensors in the order of the flow.
    pub(crate) fn tensors(&self) -> Vec<Named<'_>> {
        let (d, h) = (self.metric.dim, self.metric.half);
        let mut out = Vec::new();
        for (m, (config, p)) in self.media.iter().zip(&self.pathways).enumerate() {
            let (d_in, k, e, c) =
                (config.features, p.hidden_bias.len(), p.unit_bias.len(), p.class_bias.len());
            if config.state > 0 {
                let name = format!("encoder.{m}.state");
                out.push(Named::new(name, &[config.state], &self.encoder_states[m], true));
            }
            let mut push = |part: &str, shape: &[usize], data| {
                out.push(Named::new(format!("pathway.{m}.{part}"), shape, data, true));
            };
            push("mean", &[d_in], &p.mean);
            push("scale", &[d_in], &p.scale);
            push("hidden.weight", &[k, d_in], &p.hidden);
            push("hidden.bias", &[k], &p.hidden_bias);
            push("unit.weight", &[e, k], &p.unit);
            push("unit.bias", &[e], &p.unit_bias);
            if c > 0 {
                push("class.weight", &[c, k], &p.class);
                push("class.bias", &[c], &p.class_bias);
            }
            out.push(Named::new(format!("metric.half.{m}"), &[h, d], &self.metric.halves[m], true));
        }
        for head in &self.metric.heads {
            let mut push = |part: &str, shape: &[usize], data| {
                let name = format!("metric.{}.{}.{}.{part}", head.target.as_str(), head.a, head.b);
                out.push(Named::new(name, shape, data, false));
            };
            push("bilinear", &[d, d], &head.bilinear);
            push("weights", &[h], &head.weights);
            push("shift", &[h], &head.shift);
            push("bias", &[1], std::slice::from_ref(&head.bias));
        }
        out
    }

    /// An untrained bundle for tests and examples: random pathways and heads, calibrations of slope 1.
    ///
    /// `dim` counts the posteriors of `classes` (0 for none) too.
    ///
    /// # Panics
    /// When `dim <= classes`, or a width of the features is 0.
    #[doc(hidden)]
    pub fn random(media: &[(&str, usize)], dim: usize, half: usize, classes: usize, seed: u64) -> Bundle {
        assert!(
            dim > classes && media.iter().all(|(_, d_in)| *d_in > 0),
            "room for a unit part, and features"
        );
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut draw = |n: usize, scale: f32| -> Vec<f32> {
            (0..n).map(|_| (rng.random::<f32>() * 2.0 - 1.0) * scale).collect()
        };
        let k = 16;
        let unit = dim - classes;
        let pathways = media
            .iter()
            .map(|&(_, d_in)| Pathway {
                roots: false,
                mean: draw(d_in, 0.1),
                scale: vec![1.0; d_in],
                hidden: draw(k * d_in, (3.0 / d_in as f32).sqrt()),
                hidden_bias: draw(k, 0.1),
                unit: draw(unit * k, 1.0),
                unit_bias: draw(unit, 0.1),
                class: draw(classes * k, 1.0),
                class_bias: draw(classes, 0.1),
            })
            .collect();
        let halves = media.iter().map(|_| draw(half * dim, 0.5)).collect();
        let targets = if classes > 0 { vec![Target::Class, Target::Pair] } else { vec![Target::Pair] };
        let calibration =
            Calibration { slope: 1.0, offset: -0.5, prior: 0.5, natural: 0.1, positives: 100, curve: None };
        let mut heads = Vec::new();
        for &target in &targets {
            for a in 0..media.len() {
                for b in a..media.len() {
                    let mut bilinear = draw(dim * dim, 0.5);
                    if a == b {
                        symmetrise(&mut bilinear, dim);
                    }
                    let (weights, shift, bias) = (draw(half, 0.5), draw(half, 0.1), draw(1, 0.5)[0]);
                    let calibration = [Some(calibration); 2];
                    heads.push(Head { target, a, b, bilinear, weights, shift, bias, calibration });
                }
            }
        }
        Bundle {
            media: media
                .iter()
                .map(|&(name, features)| MediaConfig {
                    name: name.to_owned(),
                    encoder: format!("random-{name}"),
                    features,
                    state: 0,
                    roots: false,
                    fingerprint: None,
                })
                .collect(),
            classes: (classes > 0).then(|| ClassNames {
                count: classes,
                names: None,
                key: "label".to_owned(),
            }),
            default_target: targets[0],
            posterior_scale: 1.0,
            encoder_states: vec![Vec::new(); media.len()],
            pathways,
            metric: MetricNetwork { dim, half, targets, halves, heads },
            posterior_fits: Vec::new(),
            fusion: None,
            space: Fingerprint([0; 32]),
            model: Fingerprint([0; 32]),
        }
        .sealed()
    }
}

/// The error of a number that is NaN or infinite.
pub(crate) fn not_finite(tensor: &str, row: usize, column: usize) -> Error {
    Error::new(
        ErrorCode::NotFinite,
        format!("row {row} of the features of `{tensor}` holds NaN or infinity in column {column}"),
    )
    .expected("finite numbers")
}

/// `(M + M') / 2`, in place.
pub(crate) fn symmetrise(matrix: &mut [f32], d: usize) {
    for i in 0..d {
        for j in 0..i {
            let mean = 0.5 * (matrix[i * d + j] + matrix[j * d + i]);
            matrix[i * d + j] = mean;
            matrix[j * d + i] = mean;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::fusion::FusionCounts;

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
        let (vectors, halves) = bundle.rows(1, &[0.3, -0.2, 0.9, 0.0, 0.1, 0.2]);
        let narrow = |row: &[f32]| row.iter().map(|x| f16::from_f32(*x)).collect::<Vec<_>>();
        assert_eq!((narrow(&vectors), narrow(&halves)), (stored.vectors.clone(), stored.halves.clone()));
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
    }
}
