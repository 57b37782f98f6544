use candle_core::{DType, Device, Tensor};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::choose::{Drawn, fit_folds, score_units};
use super::classes::Classes;
use super::learned::Learned;
use super::measured::{Measured, Sample};
use super::moments::{Cross, Moments, Precision, Side};
use super::settings::{Epochs, Given, Settings};
use super::trial::Trial;
use super::units::{Readout, Units};
use super::whole::{fit, fit_whole};
use crate::corpus::Split;
use crate::data::{Items, Labels, MediaFeatures, Similarity, TrainingData};
use crate::eval::measure_one;
use crate::parallel::alone as alone_on_a_core;
use crate::train::config::TrainConfig;
use crate::train::linear::{Whitener, elements, inner, matrix};
use crate::train::members::alone::alone;
use crate::train::split::{Fold, folds};

/// Media types that show the same three hidden numbers through functions of their own; the class is the sign of the first.
fn generated(rows: usize, media: &[&str]) -> TrainingData {
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    let hidden: Vec<[f32; 3]> =
        (0..rows).map(|_| std::array::from_fn(|_| rng.random::<f32>() * 4.0 - 2.0)).collect();
    let shown = |at: usize, x: &[f32; 3]| -> Vec<f32> {
        let angle = |i: usize| (i * (at + 1)) as f32 * 0.9 + at as f32;
        (0..9).map(|i| (x[i % 3] + 0.3 * x[(i + 1) % 3] * angle(i).cos() + angle(i)).sin()).collect()
    };
    let media = media.iter().enumerate().map(|(at, name)| MediaFeatures {
        name: (*name).into(),
        encoder: (*name).into(),
        encoder_state: Vec::new(),
        fingerprint: None,
        d_in: 9,
        rows: hidden.iter().flat_map(|x| shown(at, x)).collect(),
        present: vec![true; rows],
    });
    TrainingData {
        media: media.collect(),
        labels: Some(Labels {
            class: hidden.iter().map(|x| Some(u32::from(x[0] > 0.0))).collect(),
            names: None,
            key: "k".into(),
        }),
        groups: None,
        split: vec![Split::Train; rows],
        features_name: "f".into(),
        documents: None,
        graded: Vec::new(),
    }
}

fn moments(data: &TrainingData, most: usize, precision: Precision) -> Moments {
    spread_moments(data, most, 1.0, precision)
}

fn spread_moments(data: &TrainingData, most: usize, spread: f32, precision: Precision) -> Moments {
    let rows: Vec<usize> = (0..data.rows()).collect();
    let sample = Sample { fit: &rows, held: &[], landmarks: most };
    let measured = Measured::new(data, sample, 1, false).unwrap().unwrap();
    Moments::new(&measured, spread, 2, precision).unwrap()
}

#[test]
fn distances_are_the_same_whether_they_are_kept_and_many_rows_are_summed_up_in_parts() {
    let mut data = generated(5000, &["image", "text"]);
    data.media[0].present[3] = false;
    // In the second part.
    data.labels.as_mut().unwrap().class[4500] = None;
    let rows: Vec<usize> = (0..data.rows()).collect();
    let sample = Sample { fit: &rows, held: &rows[..7], landmarks: 9 };
    let [kept, not] = [true, false].map(|keep| Measured::new(&data, sample, 1, keep).unwrap().unwrap());
    let [parts, anew] = [&kept, &not].map(|of| of.together().collect::<Result<Vec<_>, _>>().unwrap());
    assert_eq!(parts.iter().map(|part| part.0.len()).collect::<Vec<_>>(), [4096, 904]);
    assert!(parts == anew);
    assert_eq!((parts[0].1[0].len(), parts[0].1[1].len()), (4095 * 9, 4096 * 9));
    // But for rounding: products of other shapes may add up in another order.
    let close = |x: &[f32], y: &[f32]| x.iter().zip(y).all(|(x, y)| (x - y).abs() < 1e-5);
    assert!(kept.of_held[1].len() == 7 * 9 && close(&parts[0].1[1], &kept.of_held[1]));
    // As a search finds them.
    for m in [0, 1] {
        let here: Vec<usize> =
            rows[..4096].iter().copied().filter(|&row| data.media[m].present[row]).collect();
        let searched = kept.kernels[m].distances(here.len(), &data.media[m].gather(&here));
        assert!(searched.len() == parts[0].1[m].len() && close(&parts[0].1[m], &searched));
    }
    let moments = Moments::new(&kept, 2.0, 2, Precision::Double).unwrap();
    assert_eq!(
        (moments.sides[0].rows, moments.sides[1].rows, moments.cross[0].rows),
        (4999.0, 5000.0, 4999.0)
    );
    // All sums are those of the rows in one part, where the absent item responds with zeros.
    let all = |m: usize| {
        let width = moments.sides[m].kernel.width;
        let found = parts.iter().flat_map(|part| &part.1[m]).map(|x| f64::from((-width * x).exp()));
        let mut found: Vec<f64> = found.collect();
        if m == 0 {
            found.splice(3 * 9..3 * 9, [0.0; 9]);
        }
        matrix(found, 5000, 9).unwrap()
    };
    let [x, y] = [all(0), all(1)];
    let of_class =
        rows.iter().flat_map(|&row| [0, 1].map(|class| f64::from(u8::from(data.class(row) == Some(class)))));
    let of_class = matrix(of_class.collect(), 5000, 2).unwrap();
    let labelled = moments.sides[1].labelled.as_ref().unwrap();
    let mut with_class = elements(&y).unwrap();
    with_class[4500 * 9..4501 * 9].fill(0.0);
    let with_class = matrix(with_class, 5000, 9).unwrap();
    for (found, wanted) in [
        (&labelled.squares, inner(&with_class, &with_class)),
        (&labelled.sum, with_class.sum_keepdim(0)),
        (&moments.sides[0].squares, inner(&x, &x)),
        (&moments.sides[1].squares, inner(&y, &y)),
        (&moments.cross[0].products, inner(&x, &y)),
        (&labelled.by_class, inner(&y, &of_class)),
    ] {
        let (found, wanted) = (elements(found).unwrap(), elements(&wanted.unwrap()).unwrap());
        assert!(found.iter().zip(&wanted).all(|(x, y)| (x / y - 1.0).abs() < 1e-9), "{found:?} {wanted:?}");
    }
    let side = &moments.sides[0];
    let all = parts.iter().flat_map(|part| &part.1[0]).map(|x| f64::from((-side.kernel.width * x).exp()));
    let sum: f64 = elements(&side.sum).unwrap().iter().sum();
    assert!((sum / all.sum::<f64>() - 1.0).abs() < 1e-6 && side.kernel.width == 2.0 * kept.kernels[0].width);
}

#[test]
fn with_all_rows_as_landmarks_classes_are_kernel_ridge_regression() {
    let data = generated(60, &["image", "text"]);
    let moments = moments(&data, 1000, Precision::Double);
    let side = &moments.sides[0];
    let (n, decay) = (60, 1e-2);
    let (weights, mean) = Classes::fit(side, decay).unwrap().unwrap().readout(1.0).unwrap();
    let within: Vec<f64> = elements(&side.within).unwrap();
    // Landmarks stand in an order of their own: their classes follow from their rows.
    let class_of = |landmark: usize| -> f64 {
        let row = (0..n).find(|&row| {
            let mut x = data.media[0].gather(&[row]);
            crate::model::normalise(&mut x, side.kernel.roots);
            let own = &side.kernel.landmarks.wide()[landmark * 9..landmark * 9 + 9];
            x.iter().zip(own).all(|(x, y)| (x - y).abs() < 1e-3)
        });
        f64::from(data.class(row.unwrap()).unwrap())
    };
    let share = (0..n).map(class_of).sum::<f64>() / n as f64;
    assert!((f64::from(mean[1]) - share).abs() < 1e-6);
    // K a = K (K + n l I)^-1 (t - mean): what is predicted, since K has directions that are nothing but rounding.
    let targets: Vec<f64> = (0..n).map(|i| class_of(i) - share).collect();
    let ridge = Tensor::eye(n, DType::F64, &Device::Cpu).unwrap() * (n as f64 * decay);
    let w = Whitener::new(&(&side.within + ridge.unwrap()).unwrap()).unwrap();
    let exact = w.apply_transposed(&w.apply(&matrix(targets, n, 1).unwrap()).unwrap()).unwrap();
    let exact = elements(&side.within.matmul(&exact).unwrap()).unwrap();
    for (i, exact) in exact.iter().enumerate() {
        let row = &within[i * n..(i + 1) * n];
        let found: f64 = row.iter().zip(&weights[n..]).map(|(k, a)| k * f64::from(*a)).sum();
        assert!((found - exact).abs() < 1e-2, "{i}: {found} {exact}");
    }
}

#[test]
fn units_are_whitened_and_correlate_as_they_say() {
    let data = generated(80, &["image", "text"]);
    let moments = moments(&data, 1000, Precision::Double);
    let units = Units::fit(&moments, 1.0, 6, 0).unwrap().unwrap();
    let rows: Vec<usize> = (0..80).collect();
    let project = |side: usize, power: f64| -> Vec<Vec<f64>> {
        let mut kernel = moments.sides[side].kernel.clone();
        let (unit, bias) = units.readout(side, power).unwrap();
        (kernel.unit, kernel.unit_bias) = (unit.into(), bias);
        let x = data.media[side].gather(&rows);
        let (_, out) = kernel.read(80, &kernel.responses(80, &x));
        out.chunks_exact(6).map(|row| row.iter().map(|x| f64::from(*x)).collect()).collect()
    };
    let (u, v) = (project(0, 0.0), project(1, 0.0));
    let covariance = |x: &[Vec<f64>], y: &[Vec<f64>], i: usize, j: usize| {
        x.iter().zip(y).map(|(x, y)| x[i] * y[j]).sum::<f64>() / 80.0
    };
    for i in 0..6 {
        // The ridge takes its part of a variance of 1.
        assert!((0.2..=1.0).contains(&covariance(&u, &u, i, i)), "{i}");
        for j in 0..6 {
            let cross = covariance(&u, &v, i, j);
            // Between the media types: a diagonal of descending correlations.
            assert!(if i == j { cross > 0.05 } else { cross.abs() < 1e-3 }, "{i} {j} {cross}");
        }
        assert!(i == 0 || covariance(&u, &v, i, i) <= covariance(&u, &v, i - 1, i - 1) + 1e-6);
    }
    // A power of 1 weighs each by its correlation.
    let weighted = project(0, 1.0);
    let correlation = covariance(&u, &v, 2, 2);
    assert!((weighted[7][2] - correlation * u[7][2]).abs() < 1e-4);
}

#[test]
fn sums_in_single_precision_give_nearly_the_same_units() {
    let data = generated(300, &["image", "text"]);
    let of = |precision| {
        let moments = moments(&data, 40, precision);
        assert_eq!(moments.sides[0].kernel.len(), 40);
        Units::fit(&moments, 1.0, 4, 0).unwrap().unwrap().readout(0, 1.0).unwrap().0
    };
    let (double, single) = (of(Precision::Double), of(Precision::Single));
    let difference: f32 = double.iter().zip(&single).map(|(x, y)| (x.abs() - y.abs()).powi(2)).sum();
    let size: f32 = double.iter().map(|x| x * x).sum();
    assert!(difference < 1e-3 * size, "{difference} {size}");
}

#[test]
fn sums_in_single_precision_keep_the_variance_of_a_wide_kernel() {
    let mut data = generated(300, &["image", "text"]);
    (data.media[0].present[4], data.media[1].present[7], data.labels.as_mut().unwrap().class[9]) =
        (false, false, None);
    // Responses of .98 to 1: their products in f32 would leave two digits of how they vary.
    let of = |precision| spread_moments(&data, 40, 0.01, precision);
    let (double, single) = (of(Precision::Double), of(Precision::Single));
    let about_mean = |products: &Tensor, sums: [&Tensor; 2], rows: f64| -> Vec<f64> {
        let of_means = (inner(sums[0], sums[1]).unwrap() * (1.0 / rows)).unwrap();
        elements(&(products - of_means).unwrap()).unwrap()
    };
    let close = |x: &[f64], y: &[f64]| {
        let difference: f64 = x.iter().zip(y).map(|(x, y)| (x - y).powi(2)).sum();
        let size: f64 = x.iter().map(|x| x * x).sum();
        assert!(size > 0.0 && difference < 1e-9 * size, "{difference} {size}");
    };
    for (x, y) in double.sides.iter().zip(&single.sides) {
        for side in [x, y] {
            assert_eq!((side.rows, side.labelled.as_ref().unwrap().rows), (299.0, 298.0));
        }
        let squares = |side: &Side| about_mean(&side.squares, [&side.sum, &side.sum], side.rows);
        close(&squares(x), &squares(y));
        let labelled = |side: &Side| {
            let of = side.labelled.as_ref().unwrap();
            about_mean(&of.squares, [&of.sum, &of.sum], of.rows)
        };
        close(&labelled(x), &labelled(y));
    }
    let (x, y) = (&double.cross[0], &single.cross[0]);
    assert_eq!((x.rows, y.rows), (298.0, 298.0));
    let products = |cross: &Cross| about_mean(&cross.products, [&cross.sums[0], &cross.sums[1]], cross.rows);
    close(&products(x), &products(y));
}

#[test]
fn settings_are_explored_with_a_part_that_has_as_many_rows_to_a_landmark() {
    let data = generated(12, &["image", "text"]);
    let of = |rows: usize, landmarks: usize| {
        let mut config = TrainConfig::default();
        config.kernel.landmarks = landmarks;
        let given = Given { data: &data, config: &config, classes: 2, unit: 12 };
        let drawn = Drawn::of(given, &(0..rows).collect::<Vec<_>>());
        (drawn.rows.len(), drawn.landmarks, drawn.part)
    };
    assert_eq!(of(0, 4096), (0, 0, false));
    assert_eq!(of(900, 6144), (900, 900, false), "all of few rows");
    assert_eq!(of(1280, 6144), (1280, 1280, false), "all of few more");
    assert_eq!(of(6000, 6144), (1024, 1024, true), "all rows are landmarks");
    assert_eq!(of(20_480, 4096), (5120, 1024, true), "five rows to a landmark");
    assert_eq!(of(1_000_000, 4096), (16_384, 1024, true), "no more than are summed up");
    assert_eq!(of(1_000_000, 512), (65_536, 512, false), "as many landmarks as in the whole fit");
}

#[test]
fn less_ridge_is_taken_with_all_landmarks_where_it_does_better() {
    let data = generated(260, &["image", "text"]);
    let mut config = TrainConfig::default();
    config.selection.folds = 2;
    let given = Given { data: &data, config: &config, classes: 2, unit: 12 };
    let folds = folds(&data, &config);
    let of = |ridge, decay| Settings {
        spread: 2.0,
        ridge,
        power: 0.5,
        decay,
        sharpness: 5.0,
        learned: Epochs::default(),
    };
    let whole = |settings| fit_whole(given, settings, &folds, None).unwrap().unwrap();
    // Far too much: a smaller one does better, where it does not drown everything just as well.
    let far = [(100.0, 100.0), (30.0, 10.0), (10.0, 1.0), (3.0, 0.1)];
    let found = far.map(|(ridge, decay)| whole(of(ridge, decay)));
    assert!(found.iter().zip(far).any(|(fitted, far)| fitted.settings.ridge == far.0 * 0.3));
    assert!(found.iter().zip(far).any(|(fitted, far)| fitted.settings.decay == far.1 * 0.1));
    let settings = of(10.0, 1.0);
    let trials: Vec<Trial<'_>> = folds
        .iter()
        .map(|fold| {
            // Few, so that it is seen whose they are.
            let sample = Sample { fit: &fold.fit, held: &fold.validation, landmarks: 20 };
            let measured = Measured::new(&data, sample, config.seed, true).unwrap().unwrap();
            Trial::new(&measured, settings.spread, 2).unwrap()
        })
        .collect();
    let explored = fit_whole(given, settings, &folds, Some(&trials)).unwrap().unwrap();
    assert_eq!(explored.settings, settings, "nothing is tried where all landmarks were explored");
    let landmarks = explored.folds.iter().flatten().map(|kernel| kernel.len());
    assert_eq!(landmarks.collect::<Vec<_>>(), [20; 4], "and nothing is measured anew");
    let fitted = &found[2];
    // What was chosen is what the members are made with, and what a fit on the same rows gets.
    for (members, fold) in fitted.folds.iter().zip(&folds) {
        let again = fit(given, &fitted.settings, &fold.fit).unwrap().unwrap();
        for (x, y) in members.iter().zip(&again) {
            assert_eq!((&x.unit[..], &x.class[..]), (&y.unit[..], &y.class[..]));
            assert_eq!((&x.unit_bias, &x.class_bias, x.width), (&y.unit_bias, &y.class_bias, y.width));
        }
    }
}

#[test]
fn members_find_the_pair_and_the_class_of_rows_that_they_have_not_seen() {
    for names in [&["image", "text"][..], &["image", "text", "sound"][..]] {
        let mut data = generated(260, names);
        // Rows may lack an item or a class.
        data.media[1].present[3] = false;
        data.labels.as_mut().unwrap().class[5] = None;
        let mut config = TrainConfig::default();
        config.selection.folds = 2;
        let given = Given { data: &data, config: &config, classes: 2, unit: 12 };
        let folds = folds(&data, &config);
        let fitted = fit_folds(given, &folds).unwrap().unwrap();
        assert!(fitted.has_units() && fitted.folds.len() == 2);
        for (members, fold) in fitted.folds.iter().zip(&folds) {
            let bundle = alone(&data, &config, &[1.0, 1.0], members.clone());
            assert_eq!(bundle.dim(), 14);
            let items = Items::new(&bundle, &data, &fold.validation).unwrap();
            let recall = measure_one(&items, &data, Similarity::Unit).recall.unwrap().mean();
            let map = measure_one(&items, &data, Similarity::Posterior).map.unwrap().mean;
            assert!(recall[2] > 0.8 && map > 0.85, "{recall:?} {map} {names:?}");
        }
    }
}

#[test]
fn with_few_landmarks_unit_parts_learn_on_and_find_more() {
    let (two, three) = (&["image", "text"][..], &["image", "text", "sound"][..]);
    // More elements than there can be directions, and fewer.
    for (names, landmarks, unit) in [(two, 24, 30), (three, 24, 30), (two, 60, 8), (three, 60, 8)] {
        let mut data = generated(700, names);
        (data.media[1].present[3], data.media[0].present[8]) = (false, false);
        let mut config = TrainConfig::default();
        (config.selection.folds, config.kernel.landmarks) = (2, landmarks);
        let folds = folds(&data, &config);
        let of = |steps| {
            let mut config = config.clone();
            config.kernel.steps = steps;
            let given = Given { data: &data, config: &config, classes: 2, unit };
            let fitted = fit_folds(given, &folds).unwrap().unwrap();
            let recall = fitted.folds.iter().zip(&folds).map(|(members, fold)| {
                let bundle = alone(&data, &config, &[1.0, 1.0], members.clone());
                let items = Items::new(&bundle, &data, &fold.validation).unwrap();
                measure_one(&items, &data, Similarity::Unit).recall.unwrap().mean()[0]
            });
            let recall = recall.sum::<f64>() / 2.0;
            for (members, fold) in fitted.folds.iter().zip(&folds) {
                // A fit with these settings on the same rows, without any to validate on and on one core, learns the same.
                let again = alone_on_a_core(|| fit(given, &fitted.settings, &fold.fit)).unwrap().unwrap();
                for (x, y) in members.iter().zip(&again) {
                    assert!(
                        x.unit[..] == y.unit[..] && x.unit_bias == y.unit_bias && x.unit_bias.len() == unit
                    );
                    assert_eq!(x.class[..], y.class[..]);
                }
            }
            assert_eq!(fitted.have_learned(), steps > 0);
            (fitted.settings.learned, recall)
        };
        let ((closed, before), (learned, after)) = (of(0), of(400));
        assert_eq!(closed, Epochs::default());
        assert!(learned.run > 0 && learned.run <= learned.of, "{learned:?}");
        assert!(after > before + 0.01, "{before} {after} {names:?} {landmarks}");
    }
}

#[test]
fn what_learns_on_without_rows_to_tell_keeps_the_closed_form() {
    let data = generated(200, &["image", "text"]);
    let of = |steps| {
        let mut config = TrainConfig::default();
        (config.kernel.landmarks, config.kernel.steps) = (24, steps);
        let given = Given { data: &data, config: &config, classes: 2, unit: 12 };
        let fold = Fold { fit: (0..200).collect(), validation: Vec::new() };
        fit_folds(given, &[fold]).unwrap().unwrap()
    };
    let (closed, asked) = (of(0), of(40));
    assert_eq!(closed.settings, asked.settings);
    for (x, y) in closed.folds.iter().flatten().zip(asked.folds.iter().flatten()) {
        assert!(x.unit[..] == y.unit[..] && x.unit_bias == y.unit_bias);
    }
}

#[test]
fn coordinates_and_their_map_start_as_the_closed_form() {
    let data = generated(300, &["image", "text"]);
    let units = Units::fit(&moments(&data, 60, Precision::Double), 1.0, 6, 10).unwrap().unwrap();
    for (side, power) in [(0, 0.5), (1, 1.0), (0, 2.0)] {
        let coordinates = units.coordinates(side).unwrap();
        assert_eq!(coordinates.dims2().unwrap(), (60, 16));
        let found = coordinates.matmul(&units.start(side, power, 8).unwrap()).unwrap();
        let found = elements(&found.t().unwrap().contiguous().unwrap()).unwrap();
        let closed = units.readout(side, power).unwrap().0;
        let size = closed.iter().fold(0.0f32, |most, x| most.max(x.abs()));
        let near = |(x, y): (&f64, &f32)| (*x as f32 - y).abs() < 1e-5 * size;
        assert!(found[..6 * 60].iter().zip(&closed).all(near), "{side} {power}");
        assert!(found[6 * 60..].iter().all(|x| *x == 0.0));
    }
}

#[test]
fn learning_on_starts_at_what_the_closed_form_is_worth_and_sorts_elements_alone() {
    let data = generated(500, &["image", "text"]);
    let mut config = TrainConfig::default();
    (config.kernel.landmarks, config.kernel.steps) = (60, 20);
    let given = Given { data: &data, config: &config, classes: 2, unit: 8 };
    let (fit, held): (Vec<usize>, Vec<usize>) = ((0..400).collect(), (400..500).collect());
    let sample = Sample { fit: &fit, held: &held, landmarks: 60 };
    let measured = Measured::new(&data, sample, config.seed, false).unwrap().unwrap();
    let trial = Trial::new(&measured, 1.0, 2).unwrap();
    let (kernels, units) = (trial.kernels(), trial.units(1.0, 8, true).unwrap().unwrap());
    let closed = score_units(given, &trial, Some(&units), &[0.5]).unwrap()[0].unwrap();
    let learned = Learned::new(given, (&measured, &kernels), (&units, 0.5), None).unwrap();
    assert!((learned.scores[0].unwrap() - closed).abs() < 1e-9, "{:?} {closed}", learned.scores);
    let unit_parts = |readouts: Vec<Readout>, m: usize| -> Vec<Vec<f64>> {
        let mut kernel = kernels[m].clone();
        let (unit, bias) = readouts[m].clone();
        (kernel.unit, kernel.unit_bias) = (unit.into(), bias);
        let (_, out) = kernel.read(100, &kernel.responses(100, &data.media[m].gather(&held)));
        out.chunks_exact(8).map(|row| row.iter().map(|x| f64::from(*x)).collect()).collect()
    };
    let products = |readouts: &dyn Fn() -> Vec<Readout>| -> Vec<f64> {
        let (u, v) = (unit_parts(readouts(), 0), unit_parts(readouts(), 1));
        u.iter().flat_map(|u| v.iter().map(|v| u.iter().zip(v).map(|(x, y)| x * y).sum())).collect()
    };
    let (sorted, plain) =
        (products(&|| learned.readouts(0).unwrap()), products(&|| units.readouts(0.5).unwrap()));
    assert!(sorted.iter().zip(&plain).all(|(x, y)| (x - y).abs() < 1e-4));
    let last = learned.scores.len() - 1;
    assert!(last > 0 && products(&|| learned.readouts(last).unwrap()) != sorted);
    let mut held_by = [0.0; 8];
    for m in [0, 1] {
        for u in unit_parts(learned.readouts(last).unwrap(), m) {
            let square: f64 = u.iter().map(|x| x * x).sum();
            held_by.iter_mut().zip(&u).for_each(|(sum, x)| *sum += x * x / square);
        }
    }
    // Of rows by which they were not sorted.
    assert!(held_by[0] > held_by[7] && held_by[..4].iter().sum::<f64>() > held_by[4..].iter().sum());
}

#[test]
fn a_media_type_of_equal_items_has_no_kernel_member() {
    let mut data = generated(40, &["image", "text"]);
    let first = data.media[1].gather(&[0]);
    data.media[1].rows = first.repeat(40).into();
    let config = TrainConfig::default();
    let given = Given { data: &data, config: &config, classes: 2, unit: 12 };
    assert!(fit_folds(given, &folds(&data, &config)).unwrap().is_none());
}

#[test]
fn a_media_type_whose_rows_have_no_class_and_no_pair_is_no_trouble() {
    let mut data = generated(120, &["image", "text", "sound"]);
    // Sounds stand alone, on rows without a class.
    for row in 0..120 {
        let alone = row % 4 == 0;
        data.media[0].present[row] = !alone;
        data.media[1].present[row] = !alone;
        data.media[2].present[row] = alone;
        if alone {
            data.labels.as_mut().unwrap().class[row] = None;
        }
    }
    let mut config = TrainConfig::default();
    config.selection.folds = 2;
    for (landmarks, steps) in [(6144, 0), (24, 40)] {
        (config.kernel.landmarks, config.kernel.steps) = (landmarks, steps);
        let given = Given { data: &data, config: &config, classes: 2, unit: 12 };
        let fitted = fit_folds(given, &folds(&data, &config)).unwrap().unwrap();
        let bundle = alone(&data, &config, &[1.0, 1.0], fitted.folds[0].clone());
        let of = |media: usize| bundle.project(media, &data.media[media].gather(&[4])).unwrap();
        assert_eq!(of(2)[..2], [0.5, 0.5], "no class is likelier than another");
        assert!(of(2)[2..].iter().all(|x| *x == 0.0), "what pairs with nothing agrees with nothing");
        assert!(of(0)[2..].iter().any(|x| *x != 0.0));
    }
    // Neither pairs nor classes: nothing to read.
    data.labels = None;
    data.media.truncate(1);
    let given = Given { data: &data, config: &config, classes: 0, unit: 12 };
    assert!(fit_folds(given, &folds(&data, &config)).unwrap().is_none());
}
