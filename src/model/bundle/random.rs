//! Untrained bundles for tests and examples.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::{Bundle, ClassNames, Known, MediaConfig};
use crate::media::Fingerprint;
use crate::model::calibration::Calibration;
use crate::model::floats::{Floats, Narrow};
use crate::model::hub::Hubs;
use crate::model::metric::{Head, MetricNetwork, Target, dot, symmetrise};
use crate::model::pathway::{Deep, Pathway};

impl Bundle {
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
            .map(|&(_, d_in)| Deep {
                roots: false,
                mean: draw(d_in, 0.1),
                scale: vec![1.0; d_in],
                hidden: draw(k * d_in, (3.0 / d_in as f32).sqrt()).into(),
                hidden_bias: draw(k, 0.1),
                unit: draw(unit * k, 1.0).into(),
                unit_bias: draw(unit, 0.1),
                skip: Floats::default(),
                class: draw(classes * k, 1.0).into(),
                class_bias: draw(classes, 0.1),
            })
            .map(Pathway::from)
            .collect();
        let halves = media.iter().map(|_| draw(half * dim, 0.5).into()).collect();
        let targets = if classes > 0 { vec![Target::Class, Target::Pair] } else { vec![Target::Pair] };
        let calibration = Calibration {
            slope: 1.0,
            offset: -0.5,
            prior: 0.5,
            natural: 0.1,
            positives: 100,
            curve: None,
            rate: None,
        };
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
                    let hub = 0.0;
                    let bilinear = bilinear.into();
                    heads.push(Head { target, a, b, bilinear, weights, shift, bias, hub, calibration });
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
            metric: MetricNetwork { dim, half, targets, halves, hubs: Hubs::default(), heads },
            posterior_fits: Vec::new(),
            fusion: None,
            samples: vec![Narrow::default(); media.len()],
            space: Fingerprint([0; 32]),
            model: Fingerprint([0; 32]),
            known: Known::default(),
        }
        .sealed()
    }

    /// The same bundle with random skips in all pathways, for tests.
    #[cfg(test)]
    pub(crate) fn with_random_skip(&self, seed: u64) -> Bundle {
        let mut bundle = self.clone();
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        for pathway in bundle.pathways.iter_mut().filter_map(|pathway| pathway.deep.as_mut()) {
            let n = pathway.unit_bias.len() * pathway.mean.len();
            pathway.skip = (0..n).map(|_| rng.random::<f32>() * 2.0 - 1.0).collect::<Vec<f32>>().into();
        }
        bundle.sealed()
    }

    /// The same bundle with kernel members of `count` random landmarks in place of all others, for tests.
    #[cfg(test)]
    pub(crate) fn with_random_landmarks(&self, count: usize, seed: u64) -> Bundle {
        use crate::model::pathway::{Kernel, Shares};
        let mut bundle = self.clone();
        let classes = self.posterior().map_or(0, |part| part.len());
        let unit = self.dim() - classes;
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut draw = |n: usize| -> Vec<f32> { (0..n).map(|_| rng.random::<f32>() * 2.0 - 1.0).collect() };
        for (pathway, media) in bundle.pathways.iter_mut().zip(&self.media) {
            let landmarks: Vec<f32> =
                draw(count * media.features).iter().map(|x| half::f16::from_f32(*x).to_f32()).collect();
            let mut kernel = Kernel::new(false, landmarks, media.features, 0.7);
            (kernel.unit, kernel.unit_bias) = (draw(unit * count).into(), draw(unit));
            (kernel.class, kernel.class_bias) = (draw(classes * count).into(), draw(classes));
            *pathway = Pathway { deep: None, kernel: Some(kernel), shares: Shares::KERNEL };
        }
        bundle.sealed()
    }

    /// The same bundle with other random matrices in its heads, for tests.
    #[doc(hidden)]
    pub fn with_random_heads(&self, seed: u64) -> Bundle {
        let mut bundle = self.clone();
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        for head in &mut bundle.metric.heads {
            head.bilinear.iter_mut().for_each(|x| *x = rng.random::<f32>() - 0.5);
            if head.a == head.b {
                symmetrise(&mut head.bilinear, self.metric.dim);
            }
        }
        bundle.sealed()
    }

    /// The same bundle with hub terms for tests: `count` random anchors of each media type, random weights; none for 0 anchors.
    #[doc(hidden)]
    pub fn with_random_hubs(&self, count: usize, seed: u64) -> Bundle {
        let mut bundle = self.clone();
        let unit = self.dim() - self.posterior().map_or(0, |part| part.len());
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut draw = || rng.random::<f32>() * 2.0 - 1.0;
        let mut anchors: Vec<Vec<f32>> =
            self.media.iter().map(|_| (0..count * unit).map(|_| draw()).collect()).collect();
        for anchor in anchors.iter_mut().flat_map(|anchors| anchors.chunks_exact_mut(unit)) {
            let norm = dot(anchor, anchor).sqrt().max(f32::MIN_POSITIVE);
            anchor.iter_mut().for_each(|x| *x /= norm);
        }
        if count > 0 {
            let anchors = anchors.into_iter().map(Floats::from).collect();
            bundle.metric.hubs = Hubs { unit, temperature: 0.15, anchors };
            for head in bundle.metric.heads.iter_mut().filter(|head| head.a != head.b) {
                head.hub = 1.5 + draw();
            }
        }
        bundle.sealed()
    }
}
