//! The sample queries of a trained bundle: train rows and means of some as its pathways see them, the same ones for the same seed.

use half::f16;
use uncsm_index::corpus::Split;
use uncsm_index::data::TrainingData;
use uncsm_index::model::Bundle;
use uncsm_index::train::{TrainConfig, Trainer, calibrate};

use crate::training::{bytes, configured, generated, quietly, small};

/// Kernel members alone: fitted at once, and frozen in what learns further.
fn kernels() -> TrainConfig {
    configured(small(), |config| {
        (config.model.members, config.selection.folds, config.metric.epochs) = (0, 1, 2);
    })
}

/// A short run of deep members alone, without landmarks and anchors.
fn deep() -> TrainConfig {
    configured(small(), |config| {
        (config.kernel.member, config.kernel.hub) = (false, false);
        (config.model.members, config.selection.folds) = (1, 1);
        (config.contrastive.epochs, config.double_triplet.epochs, config.metric.epochs) = (2, 1, 2);
    })
}

fn further(start: &Bundle, data: &TrainingData, config: &TrainConfig) -> Bundle {
    Trainer::new(data).config(config.clone()).from(start).run().unwrap().bundle
}

/// Which rows every fourth sample of a media type is, by its shared vector in the bits of f16; the others are means of several.
fn rows_of(bundle: &Bundle, data: &TrainingData, media: usize) -> Vec<usize> {
    let d = bundle.dim();
    // What a row without an item holds is never read.
    let features: Vec<f32> =
        data.media[media].rows.held().unwrap().iter().map(|x| if x.is_finite() { *x } else { 0.0 }).collect();
    let all = bundle.project(media, &features).unwrap();
    let bits = |x: &f32| f16::from_f32(*x).to_bits();
    let all: Vec<Vec<u16>> = all.chunks(d).map(|v| v.iter().map(bits).collect()).collect();
    let find = |v: &[f32]| {
        assert!(v.iter().all(|x| f16::from_f32(*x).to_f32() == *x), "rounded");
        let v: Vec<u16> = v.iter().map(bits).collect();
        all.iter().position(|row| *row == v).expect("a row of the data")
    };
    bundle.samples(media).chunks(d).step_by(4).map(find).collect()
}

#[test]
fn samples_are_distinct_train_rows_that_have_an_item() {
    let mut data = generated(420, 51);
    for row in 0..420 {
        if row % 7 == 3 {
            data.split[row] = Split::Val;
        }
        if row % 3 == 0 {
            let media = &mut data.media[1];
            media.present[row] = false;
            media.rows.to_mut()[row * media.d_in..(row + 1) * media.d_in].fill(f32::NAN);
        }
    }
    for config in [kernels(), deep()] {
        let bundle = quietly(&data, &config).bundle;
        for media in 0..2 {
            let rows = rows_of(&bundle, &data, media);
            let able = |row: &usize| data.split[*row] == Split::Train && data.media[media].present[*row];
            let there_are = (0..420).filter(able).count();
            assert_eq!(bundle.samples(media).len(), there_are.min(256) * bundle.dim());
            assert!(rows.iter().all(able), "{rows:?}");
            let mut once = rows.clone();
            once.sort_unstable();
            once.dedup();
            assert_eq!(once.len(), rows.len());
            // A draw, and no first rows.
            assert!(once != rows);
        }
        assert!(rows_of(&bundle, &data, 0).iter().max() > Some(&300), "drawn from all rows");
        // Classes come as often as they are: a quarter each.
        let mut of_class = [0; 4];
        rows_of(&bundle, &data, 0).iter().for_each(|row| of_class[row % 4] += 1);
        assert!(of_class.iter().all(|count| (8..26).contains(count)), "{of_class:?}");
    }
}

#[test]
fn the_same_data_and_seed_give_the_same_samples_and_another_seed_others() {
    let data = generated(330, 52);
    let dir = tempfile::tempdir().unwrap();
    let one = quietly(&data, &kernels()).bundle;
    let again = quietly(&data, &kernels()).bundle;
    assert!(bytes(&one, &dir.path().join("one")) == bytes(&again, &dir.path().join("again")));
    assert_eq!(Bundle::load(&dir.path().join("one")).unwrap(), one);
    let other = quietly(&data, &configured(kernels(), |config| config.seed += 1)).bundle;
    assert_ne!(rows_of(&other, &data, 0), rows_of(&one, &data, 0));
    // Test rows are never read: whatever they hold, the bundle is the same.
    let mut changed = data.clone();
    for row in (0..330).filter(|row| data.split[*row] == Split::Test) {
        for media in &mut changed.media {
            media.rows.to_mut()[row * media.d_in..(row + 1) * media.d_in].fill(0.5);
        }
    }
    assert_eq!(quietly(&changed, &kernels()).bundle, one);
}

#[test]
fn what_learns_further_keeps_the_samples_of_frozen_pathways_and_draws_for_others() {
    let (data, more) = (generated(160, 53), generated(120, 54));
    let samples = |bundle: &Bundle| [bundle.samples(0).to_vec(), bundle.samples(1).to_vec()];
    let frozen = quietly(&data, &kernels()).bundle;
    let new = further(&frozen, &more, &kernels());
    assert_eq!(samples(&new), samples(&frozen));
    assert_eq!(new.space(), frozen.space());
    // A bundle of before has none to keep.
    let before = frozen.with_samples(vec![Vec::new(); 2]).unwrap();
    let new = further(&before, &more, &kernels());
    assert!(rows_of(&new, &more, 1).iter().all(|row| more.split[*row] == Split::Train));
    assert_eq!((new.samples(1).len(), new.space()), (96 * new.dim(), before.space()));
    let moving = quietly(&data, &deep()).bundle;
    let new = further(&moving, &more, &deep());
    assert!(samples(&new) != samples(&moving));
    assert_eq!(new.samples(0).len(), 96 * new.dim());
    let calibrated = calibrate(&frozen, &data, Some(0.1)).unwrap();
    assert_eq!(samples(&calibrated), samples(&frozen));
    assert_eq!(samples(&frozen.with_prior(0.2).unwrap()), samples(&frozen));
}
