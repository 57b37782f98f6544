//! Kernel members and hub terms on data of every shape: media types, classes, rows that lack items, few rows, odd features.

use std::sync::Mutex;

use uncsm_index::corpus::Split;
use uncsm_index::data::{GradedItems, GradedPair, TrainingData};
use uncsm_index::eval::{Directions, Evaluation};
use uncsm_index::model::{Bundle, Target};
use uncsm_index::train::{Progress, TrainConfig, Trained, Trainer};

use crate::training::{bytes, configured, generated, of_classes, quietly, row, small};

/// Kernel members alone: fitted at once, so these tests take little time.
fn alone() -> TrainConfig {
    configured(small(), |config| config.model.members = 0)
}

/// One short run of deep members beside them.
fn beside() -> TrainConfig {
    configured(small(), |config| {
        (config.model.members, config.selection.folds) = (1, 2);
        (config.contrastive.epochs, config.double_triplet.epochs, config.metric.epochs) = (2, 1, 2);
    })
}

/// Documents with a third media type, which shows the first through another lens.
fn three(rows: usize, seed: u64) -> TrainingData {
    let mut data = generated(rows, seed);
    let mut third = data.media[0].clone();
    third.name = "sound".into();
    for row in third.rows.to_mut().chunks_exact_mut(third.d_in) {
        let first = row[0];
        row.rotate_left(1);
        row.iter_mut().for_each(|x| *x = 0.7 * *x + 0.2 * first);
    }
    data.media.push(third);
    data
}

fn landmarks(bundle: &Bundle) -> Vec<usize> {
    (0..bundle.media().len()).map(|m| bundle.members(m).landmarks).collect()
}

fn survives_the_disk(bundle: &Bundle) {
    let dir = tempfile::tempdir().unwrap();
    let saved = bytes(bundle, &dir.path().join("one"));
    let loaded = Bundle::load(&dir.path().join("one")).unwrap();
    assert_eq!(&loaded, bundle);
    assert!(saved == bytes(&loaded, &dir.path().join("two")));
}

#[test]
fn three_media_types_share_one_space() {
    for config in [alone(), beside()] {
        let data = three(200, 31);
        let bundle = quietly(&data, &config).bundle;
        assert_eq!(landmarks(&bundle), [160; 3]);
        survives_the_disk(&bundle);
        let report = Evaluation::new(&bundle, &data).run().unwrap();
        let pair = report.recall.metric_pair.as_ref().unwrap();
        assert_eq!(pair.each.len(), 6, "every direction");
        // Chance is 10 of 40.
        assert!(pair.each.iter().all(|(_, at)| at[2] > 0.5), "{pair:?}");
        assert!(report.map_all.metric.as_ref().unwrap().mean > 0.6, "{report:?}");
        assert!(bundle.metric().calibration(Target::Pair, 2, 1).is_some());
    }
}

#[test]
fn one_media_type_with_classes_has_posteriors_of_a_kernel() {
    let mut data = generated(160, 33);
    data.media.truncate(1);
    let bundle = quietly(&data, &beside()).bundle;
    let (members, shares) = (bundle.members(0), bundle.shares(0));
    assert!(members.landmarks == 128 && members.hidden > 0, "{members:?}");
    // Nothing is paired, so the unit part is that of the deep members.
    assert!(shares.unit == 0.0 && shares.posterior > 0.0, "{shares:?}");
    survives_the_disk(&bundle);
    let report = Evaluation::new(&bundle, &data).run().unwrap();
    assert!(report.map_all.metric.as_ref().unwrap().mean > 0.6, "{report:?}");
}

/// Where posteriors do well the head of the class reads nothing else, and ranks as they do.
#[test]
fn the_head_of_the_class_leaves_out_unit_parts_that_add_nothing() {
    let data = of_classes(38, 380, 35);
    let config = configured(alone(), |config| config.model.dim = 128);
    let bundle = quietly(&data, &config).bundle;
    survives_the_disk(&bundle);
    // Each test document gets the text of the other of its class, so that nothing is won by finding its own.
    let mut mixed = data.clone();
    let text = &mut mixed.media[1];
    let (old, d) = (text.rows.to_mut().clone(), text.d_in);
    let rows = text.rows.to_mut();
    for row in (4..190).step_by(5) {
        let other = row + 190;
        rows[row * d..(row + 1) * d].copy_from_slice(&old[other * d..(other + 1) * d]);
        rows[other * d..(other + 1) * d].copy_from_slice(&old[row * d..(row + 1) * d]);
    }
    let report = Evaluation::new(&bundle, &mixed).run().unwrap();
    let map = |found: &Option<Directions>| found.as_ref().unwrap().mean;
    let (head, posterior) = (map(&report.map_all.metric_class), map(&report.map_all.posterior));
    assert!(head == posterior && head > 0.9, "{head} {posterior}");
}

#[test]
fn rows_may_lack_items_and_classes() {
    let mut data = three(240, 34);
    for row in 0..240 {
        if row % 4 == 0 {
            let media = &mut data.media[row / 4 % 3];
            media.present[row] = false;
            media.rows.to_mut()[row * media.d_in..(row + 1) * media.d_in].fill(f32::NAN);
        }
        if row % 3 == 0 {
            data.labels.as_mut().unwrap().class[row] = None;
        }
    }
    for config in [alone(), beside()] {
        let bundle = quietly(&data, &config).bundle;
        let learned = (0..240).filter(|&row| data.split[row] == Split::Train).collect::<Vec<usize>>();
        let of = |m: usize| learned.iter().filter(|row| data.media[m].present[**row]).count();
        assert_eq!(landmarks(&bundle), [0, 1, 2].map(of));
        let report = Evaluation::new(&bundle, &data).run().unwrap();
        assert!(report.map_all.metric.as_ref().unwrap().mean > 0.6, "{report:?}");
    }
}

#[test]
fn validation_rows_may_lack_a_media_type() {
    let mut data = generated(160, 35);
    for row in (0..160).filter(|row| row % 5 == 3) {
        data.split[row] = Split::Val;
        data.media[0].present[row] = false;
    }
    for config in [alone(), beside()] {
        for labels in [data.labels.clone(), None] {
            let data = TrainingData { labels, ..data.clone() };
            let bundle = quietly(&data, &config).bundle;
            assert_eq!(landmarks(&bundle), [96; 2]);
            assert!(bundle.project(0, row(&data, 0, 0)).unwrap().iter().all(|x| x.is_finite()));
        }
    }
}

#[test]
fn a_few_rows_are_enough() {
    for rows in [5, 6, 8, 12, 20] {
        for classes in [true, false] {
            let mut data = generated(rows, rows as u64);
            data.split.fill(Split::Train);
            if !classes {
                data.labels = None;
            }
            for config in [alone(), beside()] {
                let trained = Trainer::new(&data).config(config).run();
                let bundle = trained.unwrap_or_else(|e| panic!("{rows} rows, {classes}: {e}")).bundle;
                assert_eq!(landmarks(&bundle), [rows; 2]);
                let shared = bundle.project(1, row(&data, 1, 0)).unwrap();
                assert!(shared.iter().all(|x| x.is_finite()) && shared.iter().any(|x| *x != 0.0));
                survives_the_disk(&bundle);
            }
        }
    }
}

#[test]
fn items_that_are_all_the_same_have_no_kernel_member() {
    let mut data = generated(80, 36);
    data.media[1].rows.to_mut().fill(0.25);
    let bundle = quietly(&data, &beside()).bundle;
    assert_eq!(landmarks(&bundle), [0; 2]);
    assert!(bundle.members(0).hidden > 0);
    // Without deep members there is nothing to have.
    let error = Trainer::new(&data).config(alone()).run().unwrap_err();
    assert_eq!(error.code(), uncsm_index::ErrorCode::TooFewData);
    // Two different items are little, and enough.
    let d_in = data.media[1].d_in;
    (0..80).step_by(2).for_each(|row| data.media[1].rows.to_mut()[row * d_in] = 0.75);
    let bundle = quietly(&data, &alone()).bundle;
    assert_eq!(landmarks(&bundle), [64, 2]);
}

/// A kernel sees directions alone: lengths of any size give what lengths of about one give.
#[test]
fn features_may_be_huge_or_tiny() {
    let plain = generated(120, 37);
    for factor in [1e30f32, 1e-30, 3e-39] {
        let mut data = plain.clone();
        data.media[0].rows.to_mut().iter_mut().for_each(|x| *x *= factor);
        for config in [alone(), beside()] {
            let bundle = quietly(&data, &config).bundle;
            assert_eq!(landmarks(&bundle), [96; 2], "{factor}");
            let report = Evaluation::new(&bundle, &data).run().unwrap();
            let recall = report.recall.metric_pair.as_ref().unwrap().mean()[2];
            assert!(recall > 0.55, "{factor}: {recall}");
        }
    }
}

#[test]
fn outliers_and_zeros_do_not_hurt_the_rest() {
    let mut data = generated(150, 38);
    let d_in = data.media[0].d_in;
    for row in (0..150).step_by(10) {
        let features = &mut data.media[0].rows.to_mut()[row * d_in..(row + 1) * d_in];
        features.fill(0.0);
        if row % 20 == 0 {
            features[row % d_in] = if row % 40 == 0 { 3e38 } else { -3e38 };
        }
    }
    let bundle = quietly(&data, &alone()).bundle;
    let report = Evaluation::new(&bundle, &data).run().unwrap();
    assert!(report.recall.metric_pair.as_ref().unwrap().mean()[2] > 0.5, "{report:?}");
    survives_the_disk(&bundle);
}

#[test]
fn without_landmarks_no_train_row_is_in_the_bundle() {
    let data = generated(120, 39);
    let config = configured(beside(), |config| (config.kernel.member, config.kernel.hub) = (false, false));
    let bundle = quietly(&data, &config).bundle;
    assert_eq!(landmarks(&bundle), [0; 2]);
    assert_eq!((bundle.metric().hub_columns(), bundle.metric().hub_anchors(0)), (0, 0));
    assert_eq!(bundle.shares(0).posterior, 0.0);
}

/// Runs that reported an epoch, and what came of the training.
fn heard(data: &TrainingData, config: TrainConfig) -> (Vec<usize>, Trained) {
    let runs = Mutex::new(Vec::new());
    let progress = |at: &Progress| runs.lock().unwrap().push(at.run);
    let trained = Trainer::new(data).config(config).progress(progress).run().unwrap();
    let mut runs = runs.into_inner().unwrap();
    runs.sort_unstable();
    runs.dedup();
    (runs, trained)
}

#[test]
fn deep_members_that_lose_on_the_first_split_are_trained_on_no_other() {
    // Pairs alone, since the classes of these data are no task for either.
    let data = TrainingData { labels: None, ..generated(200, 40) };
    // A few steps are too few to be of use beside a kernel.
    let short = || configured(beside(), |config| config.steps.least = 0);
    let (runs, trained) = heard(&data, short());
    assert_eq!(runs, [0], "neither on the second split nor on all rows");
    let deep = trained.deep.unwrap();
    assert_eq!((deep.tried, deep.splits, deep.kept), (1, 2, false));
    assert_eq!(trained.bundle.members(0).hidden + trained.bundle.members(1).hidden, 0);
    let names: Vec<&str> = trained.stages.iter().map(|stage| stage.name).collect();
    assert_eq!(names, ["contrastive", "double_triplet", "metric"]);
    // The last report is that of the model that is kept, of kernel members.
    let recall = |stage: usize| trained.stages[stage].validation.recall.cosine.as_ref().unwrap().mean()[2];
    assert!(recall(2) > recall(1) + 0.02, "{} {}", recall(2), recall(1));
    assert_eq!(trained.bundle, quietly(&data, &short()).bundle, "again");
    // What graded pairs teach is not seen on the first split.
    let graded = (0..data.rows()).filter(|row| data.split[*row] == Split::Train).map(|row| {
        let [a, b] = [0, 1].map(|media| GradedItems { media, rows: vec![row] });
        GradedPair { a, b, similar: 0.5 }
    });
    let graded = TrainingData { graded: graded.collect(), ..data.clone() };
    let deep = quietly(&graded, &short()).deep.unwrap();
    assert_eq!((deep.tried, deep.splits, deep.kept), (2, 2, true));
    let unlearned = configured(short(), |config| config.metric.epochs = 0);
    let deep = quietly(&graded, &unlearned).deep.unwrap();
    assert_eq!((deep.tried, deep.splits, deep.kept), (1, 2, false), "no stage learned them");
    // Two landmarks leave much to the deep members.
    let few = configured(small(), |config| (config.kernel.landmarks, config.selection.folds) = (2, 2));
    let (runs, trained) = heard(&data, few);
    assert_eq!(runs, [0, 1, 2]);
    let deep = trained.deep.unwrap();
    assert_eq!((deep.tried, deep.splits, deep.kept), (2, 2, true));
    assert!(trained.bundle.members(0).hidden > 0 && trained.bundle.members(1).hidden > 0);
    // Without kernel members there is nothing to be beside.
    let config = configured(short(), |config| config.kernel.member = false);
    assert!(quietly(&data, &config).deep.is_none());
}

#[test]
fn of_a_single_split_a_quarter_of_the_epochs_tells_whether_deep_members_are_trained() {
    let mut data = TrainingData { labels: None, ..generated(600, 40) };
    // Marked rows are the only split.
    for split in data.split.iter_mut().filter(|split| **split == Split::Train).step_by(4) {
        *split = Split::Val;
    }
    // Deep members that learn nothing.
    let config = configured(small(), |config| {
        (config.model.members, config.contrastive.epochs, config.contrastive.learning_rate) = (1, 100, 1e-9);
        (config.double_triplet.epochs, config.metric.epochs) = (1, 1);
    });
    let trained = quietly(&data, &config);
    let deep = trained.deep.unwrap();
    assert_eq!((deep.tried, deep.splits, deep.kept), (1, 1, false));
    assert_eq!(trained.bundle.members(0).hidden + trained.bundle.members(1).hidden, 0);
    let stages: Vec<_> = trained.stages.iter().map(|stage| (stage.name, stage.epochs)).collect();
    assert_eq!(stages.len(), 1);
    assert_eq!(stages[0].0, "contrastive");
    assert!(stages[0].1 <= 25, "a quarter, or fewer where no epoch does better");
    // What is reported is what the model that is kept does: as well as kernel members alone.
    let recall =
        |trained: &Trained| trained.stages.last().unwrap().validation.recall.cosine.as_ref().unwrap().mean();
    let short = configured(config.clone(), |config| config.contrastive.epochs = 80);
    assert_eq!(recall(&trained), recall(&quietly(&data, &short)));
    assert_eq!(trained.bundle, quietly(&data, &config).bundle, "again");
    // Two landmarks leave much to the deep members, which are trained in full then.
    let few = configured(config, |config| {
        (config.kernel.landmarks, config.contrastive.learning_rate) = (2, 1e-3);
    });
    let trained = quietly(&data, &few);
    let deep = trained.deep.unwrap();
    assert_eq!((deep.tried, deep.splits, deep.kept), (1, 1, true));
    assert!(trained.stages.len() == 3 && trained.stages[0].epochs > 25);
    // Few steps tell too little to leave them out.
    let brief = configured(few, |config| {
        (config.contrastive.epochs, config.steps.least) = (10, 0);
        config.contrastive.learning_rate = 1e-9;
    });
    assert_eq!(quietly(&data, &brief).stages.len(), 3);
}
