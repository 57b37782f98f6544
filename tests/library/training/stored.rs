//! Features that stay in their files teach what the same features in memory do.

use std::fs::OpenOptions;
use std::path::Path;

use uncsm_index::corpus::{FeatureFiles, PathwayArg};
use uncsm_index::data::{FeatureOptions, FeatureStore, TrainingData, from_features, write_features};
use uncsm_index::eval::Evaluation;
use uncsm_index::train::{TrainConfig, Trainer, calibrate};
use uncsm_index::{Error, ErrorCode};

use super::{bytes, configured, generated, quietly, small};

/// The rows of `data` in a file of their own.
fn stored(data: &TrainingData, path: &Path) -> TrainingData {
    write_features(data, path).unwrap();
    let pathways: Vec<PathwayArg> = data
        .media
        .iter()
        .map(|media| PathwayArg { media: media.name.clone(), tensor: media.name.clone() })
        .collect();
    let options = FeatureOptions {
        pathways: &pathways,
        label: data.labels.as_ref().map(|_| "label"),
        test_mask: Some("is_test"),
        group: data.groups.as_ref().map(|_| "group"),
        ..FeatureOptions::default()
    };
    let mut stored = from_features(&FeatureFiles::open(&[path.to_path_buf()]).unwrap(), &options).unwrap();
    for (stored, media) in stored.media.iter_mut().zip(&data.media) {
        stored.encoder.clone_from(&media.encoder);
    }
    stored.labels.clone_from(&data.labels);
    stored
}

#[test]
fn the_bundle_is_that_of_features_in_memory() {
    let dir = tempfile::tempdir().unwrap();
    let mut data = generated(300, 12);
    data.groups = Some((0..300).map(|row| row / 3).collect());
    let large = configured(TrainConfig::for_rows(100_000), |config| {
        (config.model.dim, config.model.hidden, config.steps.batch) = (24, 32, 32);
        config.contrastive.epochs = 3;
    });
    let quick = configured(small(), |config| {
        (config.contrastive.epochs, config.double_triplet.epochs, config.metric.epochs) = (3, 1, 2);
        config.steps.least = 0;
    });
    let deep = configured(quick.clone(), |config| (config.kernel.member, config.kernel.hub) = (false, false));
    for (name, config, labels) in [
        ("small", quick.clone(), true),
        ("pairs", quick, false),
        ("deep", deep, true),
        ("large", large, true),
    ] {
        let mut data = data.clone();
        data.labels = data.labels.filter(|_| labels);
        let stored = stored(&data, &dir.path().join(name));
        let of = |data: &TrainingData, kind: &str| {
            let bundle = quietly(data, &config).bundle;
            let again = Trainer::new(data).config(config.clone()).from(&bundle).run().unwrap().bundle;
            let fitted = calibrate(&bundle, data, None).unwrap();
            let place = |at: usize| dir.path().join(format!("{name}-{kind}-{at}"));
            [&bundle, &again, &fitted]
                .into_iter()
                .enumerate()
                .map(|(at, bundle)| bytes(bundle, &place(at)))
                .collect::<Vec<_>>()
        };
        assert!(of(&stored, "stored") == of(&data, "held"), "{name}");
        assert!(
            stored.media.iter().all(|media| media.rows.held().is_none()),
            "{name}: it was read into memory"
        );
    }
}

#[test]
fn a_store_tells_what_it_holds() {
    let dir = tempfile::tempdir().unwrap();
    let data = generated(20, 1);
    let mut stored = stored(&data, &dir.path().join("rows"));
    let (rows, held) = (&mut stored.media[0].rows, &data.media[0].rows);
    assert_eq!((rows.len(), rows.is_empty(), rows.held()), (held.len(), false, None));
    assert_eq!(rows.to_mut(), held.held().unwrap());
    assert_eq!(rows.held(), held.held());
    rows.to_mut().clear();
    assert!(rows.is_empty() && FeatureStore::from(Vec::new()).is_empty());
}

/// Cuts the file at `path` in half.
fn cut(path: &Path) -> u64 {
    let file = OpenOptions::new().write(true).open(path).unwrap();
    let half = file.metadata().unwrap().len() / 2;
    file.set_len(half).unwrap();
    half
}

/// A way to read rows that fails, and its name.
type Verb<'a> = (&'static str, &'a dyn Fn(&TrainingData) -> Error);

#[test]
fn a_file_that_is_changed_while_it_is_read_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("rows");
    let data = generated(120, 12);
    let quick = configured(small(), |config| {
        (config.contrastive.epochs, config.double_triplet.epochs, config.metric.epochs) = (3, 1, 2);
        config.steps.least = 0;
    });
    let bundle = quietly(&data, &quick).bundle;
    let told = |error: Error, half: u64| {
        assert_eq!(
            (error.code(), error.facts().file.as_deref()),
            (ErrorCode::Changed, Some(&*path)),
            "{error}"
        );
        assert_eq!(error.facts().got.as_deref(), Some(&*format!("{half} bytes")));
    };
    let opened = || {
        let _ = std::fs::remove_file(&path);
        stored(&data, &path)
    };
    let verbs: [Verb<'_>; 5] = [
        ("train", &|data| Trainer::new(data).config(quick.clone()).run().err().unwrap()),
        ("further", &|data| Trainer::new(data).config(quick.clone()).from(&bundle).run().err().unwrap()),
        ("calibrate", &|data| calibrate(&bundle, data, None).unwrap_err()),
        ("eval", &|data| Evaluation::new(&bundle, data).run().unwrap_err()),
        ("write", &|data| write_features(data, &dir.path().join("copy")).unwrap_err()),
    ];
    for (name, verb) in verbs {
        let mut data = opened();
        let half = cut(&path);
        told(verb(&data), half);
        assert!(!dir.path().join("copy").exists(), "{name}");
        // What was read into memory is no more than that.
        for media in &mut data.media {
            media.rows.to_mut();
        }
        told(verb(&data), half);
    }

    // In the middle of training, and in place: the epoch ends, and no other begins.
    let changes: [&(dyn Fn() + Sync); 2] = [&|| assert!(cut(&path) > 0), &|| {
        let file = OpenOptions::new().write(true).open(&path).unwrap();
        file.set_modified(std::time::SystemTime::now() + std::time::Duration::from_secs(9)).unwrap();
    }];
    for change in changes {
        let data = opened();
        let epochs = std::sync::Mutex::new(0);
        let progress = |_: &uncsm_index::train::Progress| {
            let mut epochs = epochs.lock().unwrap();
            *epochs += 1;
            if *epochs == 1 {
                change();
            }
        };
        let one = configured(quick.clone(), |config| config.selection.folds = 1);
        let error = Trainer::new(&data).config(one).progress(progress).run().err().unwrap();
        assert_eq!(
            (error.code(), error.facts().file.as_deref()),
            (ErrorCode::Changed, Some(&*path)),
            "{error}"
        );
        assert_eq!(*epochs.lock().unwrap(), 1);
    }
}
