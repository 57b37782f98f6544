//! Training on small generated data: it learns, it is reproducible, and it never looks at test rows.

mod feedback;
mod kernel;
mod large;
mod samples;
mod stored;

use std::path::Path;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use uncsm_index::ErrorCode;
use uncsm_index::corpus::Split;
use uncsm_index::data::{Labels, MediaFeatures, TrainingData};
use uncsm_index::eval::Evaluation;
use uncsm_index::model::{Bundle, Target};
use uncsm_index::train::{TrainConfig, Trained, Trainer};

const CLASSES: usize = 4;

/// Documents of a class and an identity, seen through two random linear maps with noise. A fifth are test rows.
fn generated(rows: usize, seed: u64) -> TrainingData {
    of_classes(CLASSES, rows, seed)
}

/// The same with so many classes.
fn of_classes(classes: usize, rows: usize, seed: u64) -> TrainingData {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut noise = |n: usize| -> Vec<f32> { (0..n).map(|_| rng.random::<f32>() * 2.0 - 1.0).collect() };
    let hidden = 12;
    let centres = noise(classes * hidden);
    let latent: Vec<f32> = (0..rows)
        .flat_map(|row| {
            let own = noise(hidden);
            let centre = &centres[row % classes * hidden..(row % classes + 1) * hidden];
            own.iter().zip(centre).map(|(own, centre)| 1.5 * centre + 0.8 * own).collect::<Vec<_>>()
        })
        .collect();
    let mut media = |name: &str, d_in: usize| {
        let map = noise(hidden * d_in);
        let jitter = noise(rows * d_in);
        let features = (0..rows * d_in)
            .map(|at| {
                let (row, column) = (at / d_in, at % d_in);
                let clean: f32 = (0..hidden).map(|k| latent[row * hidden + k] * map[k * d_in + column]).sum();
                clean + 0.3 * jitter[at]
            })
            .collect();
        MediaFeatures {
            encoder_state: Vec::new(),
            fingerprint: None,
            name: name.into(),
            encoder: format!("generated-{name}"),
            d_in,
            rows: features,
            present: vec![true; rows],
        }
    };
    TrainingData {
        media: vec![media("image", 24), media("text", 16)],
        labels: Some(Labels {
            class: (0..rows).map(|row| Some((row % classes) as u32)).collect(),
            names: None,
            key: "label".into(),
        }),
        groups: None,
        split: (0..rows).map(|row| if row % 5 == 4 { Split::Test } else { Split::Train }).collect(),
        features_name: "generated".into(),
        documents: None,
        graded: Vec::new(),
    }
}

/// `config` with a change.
fn configured(mut config: TrainConfig, change: impl FnOnce(&mut TrainConfig)) -> TrainConfig {
    change(&mut config);
    config
}

fn small() -> TrainConfig {
    configured(TrainConfig::default(), |config| {
        config.model.dim = 32;
        config.model.hidden = 48;
        config.model.item_half = 8;
        config.steps.batch = 64;
        config.contrastive.epochs = 15;
        config.double_triplet.epochs = 5;
        config.metric.epochs = 10;
    })
}

fn quietly(data: &TrainingData, config: &TrainConfig) -> Trained {
    Trainer::new(data).config(config.clone()).run().unwrap()
}

/// The features of an item.
fn row(data: &TrainingData, media: usize, row: usize) -> &[f32] {
    let media = &data.media[media];
    &media.rows.held().unwrap()[row * media.d_in..(row + 1) * media.d_in]
}

fn bytes(bundle: &Bundle, dir: &Path) -> Vec<u8> {
    bundle.save(dir).unwrap();
    ["config.json", "model.safetensors"].map(|name| std::fs::read(dir.join(name)).unwrap()).concat()
}

#[test]
fn labels_and_pairs_are_learned_and_the_bundle_survives_the_disk() {
    let data = generated(300, 1);
    let trained = quietly(&data, &small());
    assert_eq!(
        trained.stages.iter().map(|s| s.name).collect::<Vec<_>>(),
        ["contrastive", "double_triplet", "metric"]
    );
    assert!(trained.stages.iter().all(|s| s.epochs > 0 && s.validation.map_all.metric.is_some()));
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("bundle");
    trained.bundle.save(&path).unwrap();
    let bundle = Bundle::load(&path).unwrap();
    assert_eq!((bundle.space(), bundle.model()), (trained.bundle.space(), trained.bundle.model()));
    let report = Evaluation::new(&bundle, &data).run().unwrap();
    assert_eq!(report, Evaluation::new(&trained.bundle, &data).run().unwrap());
    // Chance is 1/4 for the classes and 10/60 for the pairs.
    assert!(report.map_all.metric.as_ref().unwrap().mean > 0.7, "{report:?}");
    assert!(report.map_all.posterior.as_ref().unwrap().mean > 0.7, "{report:?}");
    assert!(report.recall.metric_pair.as_ref().unwrap().mean()[2] > 0.5, "{report:?}");
    assert_eq!(report.pairs, 60);
    let fit = bundle.metric().calibration(Target::Class, 1, 0).unwrap();
    assert!(fit.slope > 0.0 && fit.prior == fit.natural && fit.positives > 0);
    assert!((fit.natural - 0.25).abs() < 0.1, "{fit:?}");
    // Within one media type classes can be measured, pairs cannot.
    assert!(bundle.metric().calibration(Target::Class, 0, 0).is_some());
    assert!(bundle.metric().calibration(Target::Pair, 0, 0).is_none());
}

#[test]
fn pairs_alone_are_learned() {
    let mut data = generated(300, 2);
    data.labels = None;
    let bundle = quietly(&data, &small()).bundle;
    assert_eq!((bundle.default_target(), bundle.posterior(), bundle.classes()), (Target::Pair, None, None));
    let report = Evaluation::new(&bundle, &data).run().unwrap();
    assert!(report.recall.metric.as_ref().unwrap().mean()[2] > 0.5, "{report:?}");
    assert!(report.map_all.metric.is_none() && report.recall.metric_class.is_none());
    let json = serde_json::to_value(&report).unwrap();
    assert!(json["map_all"]["cosine"].is_null() && json["recall"]["posterior"].is_null());
    assert!(json["recall"]["metric"]["image_to_text"]["10"].is_f64());
    assert_eq!(json["calibration"]["text_to_image"]["target"], "pair");
}

#[test]
fn one_media_type_alone_is_learned() {
    let mut data = generated(200, 3);
    data.media.truncate(1);
    let bundle = quietly(&data, &small()).bundle;
    let report = Evaluation::new(&bundle, &data).run().unwrap();
    assert!(report.map_all.metric.as_ref().unwrap().mean > 0.6, "{report:?}");
    assert_eq!(report.map_all.metric.unwrap().each[0].0, "image_to_image");
    // Without classes nothing says what is alike.
    data.labels = None;
    let error = Trainer::new(&data).config(small()).run().unwrap_err();
    assert_eq!(error.code(), ErrorCode::TooFewData);
    let text = error.to_string();
    assert!(text.contains("`image`") && text.contains("160 train, 0 val and 40 test rows"), "{text}");
    assert!(error.facts().hint.is_some());
}

#[test]
fn one_row_is_too_few() {
    let mut data = generated(60, 8);
    data.split.fill(Split::Test);
    data.split[3] = Split::Train;
    let error = Trainer::new(&data).config(small()).run().unwrap_err();
    assert_eq!(error.code(), ErrorCode::TooFewData);
    assert!(error.to_string().contains("1 train, 0 val and 59 test rows"), "{error}");
}

#[test]
fn rows_may_lack_items_and_classes() {
    let mut data = generated(300, 4);
    for row in 0..data.rows() {
        if row % 7 == 0 {
            data.media[row % 2].present[row] = false;
            let d_in = data.media[row % 2].d_in;
            data.media[row % 2].rows.to_mut()[row * d_in..(row + 1) * d_in].fill(f32::NAN);
        }
        if row % 3 == 0 {
            data.labels.as_mut().unwrap().class[row] = None;
        }
    }
    let report = Evaluation::new(&quietly(&data, &small()).bundle, &data).run().unwrap();
    assert!(report.map_all.metric.as_ref().unwrap().mean > 0.6, "{report:?}");
}

/// As a corpus whose pictures are all in one split.
#[test]
fn rows_of_validation_may_lack_a_media_type() {
    let without = |split: Split| {
        let mut data = generated(160, 3);
        for row in 0..160 {
            if row % 5 == 3 {
                data.split[row] = Split::Val;
            }
        }
        for row in 0..160 {
            if data.split[row] == split {
                data.media[0].present[row] = false;
            }
        }
        data
    };
    for split in [Split::Val, Split::Test] {
        let data = without(split);
        let trained = quietly(&data, &small());
        // Texts and classes say how good it is where there are no pictures.
        assert!(trained.bundle.posterior().is_some());
        assert_eq!(trained.bundle.project(0, &[0.5; 24]).unwrap().len(), trained.bundle.metric().dim());
    }
    let data = without(Split::Train);
    let error = Trainer::new(&data).config(small()).run().unwrap_err();
    assert!(!error.to_string().contains("tensor"), "{error}");
}

#[test]
fn the_same_data_and_seed_give_the_same_bytes_whatever_the_test_rows_hold() {
    let data = generated(150, 5);
    let config = configured(small(), |config| {
        config.contrastive.epochs = 2;
        config.double_triplet.epochs = 2;
        config.metric.epochs = 2;
    });
    let dir = tempfile::tempdir().unwrap();
    let first = bytes(&quietly(&data, &config).bundle, &dir.path().join("first"));
    let again = bytes(&quietly(&data, &config).bundle, &dir.path().join("again"));
    assert!(first == again, "the same run gave another bundle");
    let mut noisy = data.clone();
    let mut rng = ChaCha8Rng::seed_from_u64(9);
    for row in (0..data.rows()).filter(|&row| data.split[row] == Split::Test) {
        for media in &mut noisy.media {
            let d_in = media.d_in;
            media.rows.to_mut()[row * d_in..(row + 1) * d_in].fill_with(|| rng.random::<f32>() * 1e3);
        }
        noisy.labels.as_mut().unwrap().class[row] = Some(rng.random_range(0..1000));
    }
    let blind = bytes(&quietly(&noisy, &config).bundle, &dir.path().join("blind"));
    assert!(first == blind, "test rows were read");
    let seeded = bytes(
        &quietly(&data, &configured(config, |config| config.seed = 1)).bundle,
        &dir.path().join("seeded"),
    );
    assert!(first != seeded, "the seed does nothing");
}

#[test]
fn the_number_of_threads_does_not_change_the_bytes() {
    let data = generated(150, 6);
    let config = configured(small(), |config| {
        config.contrastive.epochs = 2;
        config.double_triplet.epochs = 1;
        config.metric.epochs = 2;
    });
    let dir = tempfile::tempdir().unwrap();
    let run = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let bundle = pool.install(|| quietly(&data, &config).bundle);
        bytes(&bundle, &dir.path().join(threads.to_string()))
    };
    assert!(run(1) == run(3));
}

#[test]
fn equal_texts_count_as_the_paired_item() {
    let mut data = generated(100, 7);
    // All test texts are one text: every image finds "its" text at rank 1.
    let d_in = data.media[1].d_in;
    let text: Vec<f32> = data.media[1].rows.held().unwrap()[..d_in].to_vec();
    for row in (0..100).filter(|row| row % 5 == 4) {
        data.media[1].rows.to_mut()[row * d_in..(row + 1) * d_in].copy_from_slice(&text);
    }
    let bundle = Bundle::random(&[("image", 24), ("text", 16)], 20, 4, CLASSES, 1);
    let report = Evaluation::new(&bundle, &data).run().unwrap();
    let recall = report.recall.cosine.unwrap();
    assert_eq!(recall.each[0], ("image_to_text".to_owned(), [1.0; 3]));
    assert!(recall.each[1].1[0] < 0.5, "{recall:?}");
    // 20 queries, each with 20 equal scores: all but the first of each are ties.
    assert!(report.ties >= 20 * 19);
}

#[test]
fn bad_data_is_refused_by_code() {
    let code = |change: &dyn Fn(&mut TrainingData)| {
        let mut data = generated(60, 8);
        change(&mut data);
        Trainer::new(&data).config(small()).run().map(|_| ()).unwrap_err().code()
    };
    assert_eq!(code(&|d| d.split.fill(Split::Test)), ErrorCode::Empty);
    assert_eq!(code(&|d| d.media.clear()), ErrorCode::Empty);
    assert_eq!(code(&|d| d.labels.as_mut().unwrap().class.fill(Some(1))), ErrorCode::TooFewData);
    assert_eq!(code(&|d| d.labels.as_mut().unwrap().class.fill(None)), ErrorCode::TooFewData);
    assert_eq!(
        code(&|d| (0..60).for_each(|row| d.media[row % 2].present[row] = false)),
        ErrorCode::TooFewData
    );
    assert_eq!(code(&|d| d.media[1].present.fill(false)), ErrorCode::TooFewData);
    assert_eq!(code(&|d| d.media[0].rows.to_mut().truncate(5)), ErrorCode::BadDimension);
    assert_eq!(code(&|d| d.media[0].present.truncate(5)), ErrorCode::BadDimension);
    assert_eq!(code(&|d| d.labels.as_mut().unwrap().class.truncate(5)), ErrorCode::BadDimension);
    assert_eq!(code(&|d| d.groups = Some(vec![1])), ErrorCode::BadDimension);
    assert_eq!(code(&|d| d.media[0].d_in = 0), ErrorCode::BadDimension);
    assert_eq!(code(&|d| d.media[1].name = "image".into()), ErrorCode::BadArgument);
    let named = |d: &mut TrainingData| {
        d.labels.as_mut().unwrap().names = Some(vec!["a".into(), "b".into()]);
    };
    assert_eq!(code(&named), ErrorCode::BadValue);
    let config = configured(small(), |config| {
        config.steps.batch = 0;
    });
    let error = Trainer::new(&generated(60, 8)).config(config).run().unwrap_err();
    assert_eq!(error.code(), ErrorCode::BadArgument);
}

#[test]
fn a_feature_that_is_not_finite_is_named() {
    let mut data = generated(60, 8);
    data.media[1].rows.to_mut()[16 * 7 + 3] = f32::INFINITY;
    let error = Trainer::new(&data).config(small()).run().unwrap_err();
    assert_eq!(error.code(), ErrorCode::NotFinite);
    assert!(error.to_string().contains("row 7") && error.to_string().contains("text"), "{error}");
    // In a test row it is an error of the evaluation alone.
    let mut data = generated(60, 8);
    data.media[0].rows.to_mut()[24 * 9] = f32::NAN;
    let config = configured(small(), |config| {
        config.contrastive.epochs = 1;
        config.double_triplet.epochs = 1;
        config.metric.epochs = 1;
    });
    let bundle = quietly(&data, &config).bundle;
    let error = Evaluation::new(&bundle, &data).run().unwrap_err();
    assert_eq!(error.code(), ErrorCode::NotFinite);
    assert!(error.to_string().contains("row 9") && error.to_string().contains("image"), "{error}");
}

#[test]
fn data_of_another_shape_are_not_evaluated() {
    let bundle = Bundle::random(&[("image", 24), ("text", 16)], 20, 4, 0, 1);
    let code = |change: &dyn Fn(&mut TrainingData)| {
        let mut data = generated(20, 1);
        change(&mut data);
        Evaluation::new(&bundle, &data).run().map(|_| ()).unwrap_err().code()
    };
    assert_eq!(code(&|d| d.split.fill(Split::Train)), ErrorCode::Empty);
    assert_eq!(code(&|d| d.media[1].name = "sound".into()), ErrorCode::UnknownMedia);
    assert_eq!(code(&|d| d.media.truncate(1)), ErrorCode::UnknownMedia);
    assert_eq!(
        code(&|d| (d.media[1].d_in, d.media[1].rows) = (3, vec![0.0; 60].into())),
        ErrorCode::BadDimension
    );
}

#[test]
fn the_default_target_can_be_chosen() {
    let data = generated(80, 8);
    let quick = configured(small(), |config| {
        config.contrastive.epochs = 1;
        config.double_triplet.epochs = 1;
        config.metric.epochs = 1;
    });
    assert_eq!(quietly(&data, &quick).bundle.default_target(), Target::Class);
    let pair = configured(quick.clone(), |config| {
        config.default_target = Some(Target::Pair);
    });
    let bundle = quietly(&data, &pair).bundle;
    assert_eq!(bundle.default_target(), Target::Pair);
    let report = Evaluation::new(&bundle, &data).run().unwrap();
    assert_eq!(report.recall.metric, report.recall.metric_pair);
    assert_ne!(report.recall.metric, report.recall.metric_class);
    let class = configured(quick, |config| {
        config.default_target = Some(Target::Class);
    });
    let error = Trainer::new(&TrainingData { labels: None, ..data }).config(class).run().unwrap_err();
    assert_eq!(error.code(), ErrorCode::BadArgument);
}
