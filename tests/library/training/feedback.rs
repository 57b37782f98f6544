//! Feedback: graded pairs, and trained bundles that learn further.

use uncsm_index::ErrorCode;
use uncsm_index::corpus::Split;
use uncsm_index::corpus::{PairItem, PairLine, Pairs};
use uncsm_index::data::{DocumentRef, Documents, GradedItems, GradedPair, Labels, TrainingData};
use uncsm_index::eval::Evaluation;
use uncsm_index::media::Fingerprint;
use uncsm_index::model::{Bundle, FusionCounts, FusionLayer, Target};
use uncsm_index::train::{TrainConfig, Trainer};

use crate::training::{bytes, configured, generated, quietly, row, small};

fn pair(a: usize, b: usize, similar: f32) -> GradedPair {
    let side = |media: usize, row: usize| GradedItems { media, rows: vec![row] };
    GradedPair { a: side(0, a), b: side(1, b), similar }
}

fn further(start: &Bundle, data: &TrainingData, config: &TrainConfig) -> Bundle {
    Trainer::new(data).config(config.clone()).from(start).run().unwrap().bundle
}

/// Mean probability that the pairs match, by the default target.
fn probability(bundle: &Bundle, data: &TrainingData, pairs: &[GradedPair]) -> f32 {
    let (metric, target) = (bundle.metric(), bundle.default_target());
    let shared = |side: &GradedItems| {
        let media = &data.media[side.media];
        let row = &media.rows.held().unwrap()[side.rows[0] * media.d_in..(side.rows[0] + 1) * media.d_in];
        bundle.project(side.media, row).unwrap()
    };
    let one = |pair: &GradedPair| {
        let (a, b) = (pair.a.media, pair.b.media);
        let (u, v) = (shared(&pair.a), shared(&pair.b));
        let mut half = vec![0.0; metric.half()];
        metric.item_half(b, &v, &mut half);
        let mut hubs = vec![0.0; metric.hub_columns()];
        metric.item_hubs(b, &v, &mut hubs);
        let raw = metric.query_half(target, a, b, &u).unwrap().logit(&v, &half, &hubs);
        metric.calibration(target, a, b).unwrap().probability(raw)
    };
    pairs.iter().map(one).sum::<f32>() / pairs.len() as f32
}

/// Rows of class 0 with texts of class 0, which do not match for this user; rows of class 1 with texts of class 2, which do.
fn against_the_classes(data: &TrainingData) -> (Vec<GradedPair>, Vec<GradedPair>) {
    let of = |class: usize| -> Vec<usize> {
        (0..data.rows()).filter(|row| row % 4 == class && data.split[*row] == Split::Train).collect()
    };
    let across = |a: Vec<usize>, b: Vec<usize>, similar: f32| {
        let shifted = b.iter().cycle().skip(1);
        let shifted = a.iter().zip(shifted).map(|(&a, &b)| pair(a, b, similar));
        shifted.collect::<Vec<_>>()
    };
    (across(of(0), of(0), 0.0), across(of(1), of(2), 1.0))
}

#[test]
fn graded_pairs_change_what_is_similar() {
    let plain = generated(200, 21);
    let (apart, together) = against_the_classes(&plain);
    let graded = TrainingData { graded: [apart.clone(), together.clone()].concat(), ..plain.clone() };
    let config = small();
    let (base, taught) = (quietly(&plain, &config).bundle, quietly(&graded, &config).bundle);
    for (without, with) in
        [(&further(&base, &plain, &config), &further(&base, &graded, &config)), (&base, &taught)]
    {
        let mean = |bundle: &Bundle, pairs: &[GradedPair]| probability(bundle, &plain, pairs);
        let (before, after) = (mean(without, &apart), mean(with, &apart));
        // Labels still say the opposite, so the odds are what to look at.
        let odds = |p: f32| p / (1.0 - p);
        assert!(odds(after) < odds(before) / 10.0, "dissimilar pairs: {before} {after}");
        let (before, after) = (mean(without, &together), mean(with, &together));
        assert!(odds(after) > odds(before) * 10.0, "similar pairs: {before} {after}");
    }
    // Kernel members do well on these data by themselves: what was taught must not be left out with the deep ones.
    assert!(taught.members(0).hidden > 0 && taught.metric().half() > 0, "{:?}", taught.members(0));
    assert!(probability(&taught, &plain, &apart) < 0.6);
    let unused = configured(config.clone(), |config| {
        config.metric.graded_weight = 0.0;
    });
    assert_eq!(further(&base, &graded, &unused).model(), further(&base, &plain, &config).model());
}

/// A bundle with kernel members keeps its pathways: what it learns further stands in the metric network alone.
#[test]
fn a_bundle_with_landmarks_learns_further_in_its_space() {
    let plain = generated(200, 25);
    let (apart, together) = against_the_classes(&plain);
    for (classes, members, half) in [(true, 0, 0), (false, 0, 0), (true, 1, 8)] {
        let labels = plain.labels.clone().filter(|_| classes);
        let plain = TrainingData { labels, ..plain.clone() };
        let graded = TrainingData { graded: [apart.clone(), together.clone()].concat(), ..plain.clone() };
        let config = configured(small(), |config| {
            (config.model.members, config.model.item_half) = (members, half);
            config.metric.epochs = 20;
        });
        let base = quietly(&plain, &config).bundle.with_prior(0.2).unwrap();
        assert!(base.members(0).landmarks > 100, "{:?}", base.members(0));
        let (without, with) = (further(&base, &plain, &config), further(&base, &graded, &config));
        for new in [&without, &with] {
            assert_eq!((new.members(0), new.members(1)), (base.members(0), base.members(1)));
            assert_eq!(new.metric().hub_anchors(1), base.metric().hub_anchors(1));
            assert_ne!(new.model(), base.model());
            // A hidden layer is a part of what an index stores.
            assert_eq!(new.space() == base.space(), base.metric().half() == 0, "{classes} {members} {half}");
            let text = row(&plain, 1, 7);
            assert_eq!(new.project(1, text).unwrap(), base.project(1, text).unwrap());
            let target = base.default_target();
            assert!((new.metric().calibration(target, 0, 1).unwrap().prior - 0.2).abs() < 1e-6);
        }
        let odds = |bundle: &Bundle, pairs: &[GradedPair]| {
            let p = probability(bundle, &plain, pairs);
            p / (1.0 - p)
        };
        let change = |pairs: &[GradedPair]| odds(&with, pairs) / odds(&without, pairs);
        assert!(change(&apart) < 0.5, "{classes} {members}: {}", change(&apart));
        assert!(change(&together) > 2.0, "{classes} {members}: {}", change(&together));
        let dir = tempfile::tempdir().unwrap();
        let first = bytes(&with, &dir.path().join("first"));
        assert!(first == bytes(&further(&base, &graded, &config), &dir.path().join("again")));
    }
}

#[test]
fn calibration_of_a_bundle_with_hubs_reads_them() {
    let data = generated(160, 26);
    let config = configured(small(), |config| {
        (config.model.members, config.metric.epochs, config.steps.least) = (0, 2, 0);
    });
    let plain = quietly(&data, &config).bundle;
    let base = plain.with_random_hubs(30, 27);
    let held_out = TrainingData {
        split: data.split.iter().map(|s| if *s == Split::Test { Split::Val } else { Split::Test }).collect(),
        ..data.clone()
    };
    let calibrate = |bundle: &Bundle| uncsm_index::train::calibrate(bundle, &held_out, Some(0.02)).unwrap();
    let (without, new) = (calibrate(&plain), calibrate(&base));
    assert_eq!(new.space(), base.space());
    assert_ne!(new.model(), base.model());
    let fit = |bundle: &Bundle| bundle.metric().calibration(Target::Pair, 0, 1).unwrap();
    assert!((fit(&new).prior - 0.02).abs() < 1e-6, "{:?}", fit(&new));
    assert_ne!(fit(&new).offset, fit(&without).offset, "hubs move the logits that are calibrated");
    // What learns further keeps the term in its proportion to the dot product.
    let hub = |bundle: &Bundle| bundle.metric().hub_weight(Target::Pair, 0, 1);
    let further = further(&base, &data, &config);
    assert!(hub(&base) != 0.0 && (hub(&further) / hub(&base) - 1.0).abs() < 1e-3, "{}", hub(&further));
}

#[test]
fn a_trained_bundle_learns_further_and_keeps_what_belongs_to_it() {
    let mut data = generated(200, 22);
    data.media[1].encoder_state = vec![0.5, 1.5];
    data.media[1].fingerprint = Some(Fingerprint([7; 32]));
    data.labels.as_mut().unwrap().names = Some(["a", "b", "c", "d"].map(str::to_owned).to_vec());
    let config = configured(small(), |config| {
        config.model.members = 2;
        (config.kernel.member, config.kernel.hub) = (false, false);
        config.default_target = Some(Target::Pair);
    });
    let base = quietly(&data, &config).bundle.with_prior(0.1).unwrap();
    let counts = FusionCounts { lines: 5, positives: 5, negatives: 9 };
    let layer = FusionLayer::new(Target::Pair, [1.0, 0.0, 0.5, 0.25, 1.0], -3.0, counts).unwrap();
    let fused = base.with_fusion(layer).unwrap();
    // Features from a file: nobody knows the encoder, its state or the names of the classes.
    data.media[1].encoder_state.clear();
    data.media[1].fingerprint = None;
    data.labels.as_mut().unwrap().names = None;
    let dir = tempfile::tempdir().unwrap();
    // Four members of 48 would be 192 units; the bundle has 96.
    let trained = Trainer::new(&data)
        .config(small())
        .from(&fused)
        .progress(|at| assert_eq!(at.stage, "metric"))
        .run()
        .unwrap();
    assert_eq!(trained.stages.iter().map(|stage| stage.name).collect::<Vec<_>>(), ["metric"]);
    let new = trained.bundle;
    assert_eq!((new.media(), new.classes(), new.dim()), (base.media(), base.classes(), base.dim()));
    assert_eq!((new.media()[1].state, new.default_target()), (2, Target::Pair));
    assert!((new.metric().calibration(Target::Class, 0, 1).unwrap().prior - 0.1).abs() < 1e-6);
    assert_ne!(new.space(), base.space());
    // Learned on logits that are no more. The one of `base`, which has none, is the same to the byte below.
    assert_eq!((fused.fusion(), new.fusion()), (Some(&layer), None));
    let first = bytes(&new, &dir.path().join("first"));
    assert!(first == bytes(&further(&base, &data, &small()), &dir.path().join("again")), "not reproducible");
    assert_eq!(Bundle::load(&dir.path().join("first")).unwrap(), new);
    let report = Evaluation::new(&new, &data).run().unwrap();
    let before = Evaluation::new(&base, &data).run().unwrap();
    let map = |report: &uncsm_index::eval::Report| report.map_all.metric_class.as_ref().unwrap().mean;
    assert!(map(&report) > map(&before) - 0.05, "{} {}", map(&before), map(&report));
    // Other ways to share out 96 units.
    further(
        &base,
        &data,
        &configured(small(), |config| {
            config.model.hidden = 32;
            config.metric.epochs = 1;
            config.steps.least = 0;
        }),
    );
}

#[test]
fn pairs_of_test_and_validation_rows_are_not_read() {
    let mut data = generated(100, 23);
    (0..100).filter(|row| row % 5 == 3).for_each(|row| data.split[row] = Split::Val);
    let config = configured(small(), |config| {
        config.contrastive.epochs = 1;
        config.double_triplet.epochs = 1;
        config.metric.epochs = 2;
    });
    let dir = tempfile::tempdir().unwrap();
    let of = |graded: Vec<GradedPair>, name: &str| {
        let data = TrainingData { graded, ..data.clone() };
        bytes(&quietly(&data, &config).bundle, &dir.path().join(name))
    };
    let train_rows = vec![pair(0, 5, 0.0), pair(1, 2, 1.0)];
    let outside = vec![pair(4, 0, 0.0), pair(0, 9, 0.5), pair(14, 19, 1.0), pair(3, 0, 1.0)];
    let expected = of(train_rows.clone(), "train");
    assert!(expected == of([outside.clone(), train_rows.clone(), outside.clone()].concat(), "all"));
    assert!(of(Vec::new(), "none") == of(outside, "outside"));
    assert!(expected != of(Vec::new(), "nothing"));
    let line = |line: u64, a: usize, b: usize| PairLine {
        line,
        a: PairItem { id: a.to_string(), media: "image".into() },
        b: PairItem { id: b.to_string(), media: "text".into() },
        similar: 0.5,
    };
    let pairs = Pairs {
        file: "p.jsonl".into(),
        lines: vec![line(1, 0, 5), line(2, 4, 0), line(3, 0, 9), line(4, 3, 0), line(6, 7, 8)],
    };
    let count = data.grade(&pairs).unwrap();
    assert_eq!((count.used, count.left_out), (1, 4));
    assert_eq!(data.graded, [pair(0, 5, 0.5)]);
}

/// Documents `a` (two images and a text), `b` (a text) and twice `c`.
fn documents() -> TrainingData {
    let mut data = generated(5, 24);
    data.split.fill(Split::Train);
    let d_in = data.media[1].d_in;
    data.media[1].rows.to_mut().copy_within(0..d_in, d_in);
    data.media[0].present[2] = false;
    let known = ["a", "b", "c", "c", "gone"].iter().zip(1..);
    let known = known.map(|(id, line)| DocumentRef { id: (*id).into(), line }).collect();
    data.documents = Some(Documents { known, of_row: vec![0, 0, 1, 2, 3] });
    data
}

fn grade(id: &str, media: &str) -> Result<Vec<GradedPair>, uncsm_index::Error> {
    let mut data = documents();
    let item = |id: &str, media: &str| PairItem { id: id.into(), media: media.into() };
    let line = PairLine { line: 3, a: item("a", "text"), b: item(id, media), similar: 0.25 };
    data.grade(&Pairs { file: "p.jsonl".into(), lines: vec![line] })?;
    Ok(data.graded)
}

#[test]
fn ids_find_all_items_of_a_document() {
    let graded = grade("a", "image").unwrap();
    let expected = GradedPair {
        a: GradedItems { media: 1, rows: vec![0] },
        b: GradedItems { media: 0, rows: vec![0, 1] },
        similar: 0.25,
    };
    assert_eq!(graded, [expected]);
    assert_eq!(grade("b", "text").unwrap()[0].b, GradedItems { media: 1, rows: vec![2] });
    for (id, media, code) in [
        ("b", "image", ErrorCode::NoItems),
        ("gone", "text", ErrorCode::NoItems),
        ("c", "text", ErrorCode::DuplicateId),
        ("0", "text", ErrorCode::UnknownId),
        ("a", "audio", ErrorCode::UnknownMedia),
    ] {
        let error = grade(id, media).unwrap_err();
        assert_eq!((error.code(), error.facts().line), (code, Some(3)), "{error}");
    }
}

#[test]
fn graded_pairs_that_do_not_fit_are_refused() {
    let code = |graded: GradedPair| {
        let data = TrainingData { graded: vec![graded], ..generated(60, 8) };
        Trainer::new(&data).config(small()).run().unwrap_err().code()
    };
    assert_eq!(code(pair(0, 60, 1.0)), ErrorCode::NoItems);
    assert_eq!(code(pair(0, 1, f32::NAN)), ErrorCode::BadValue);
    assert_eq!(code(pair(0, 1, 1.5)), ErrorCode::BadValue);
    let side = |media: usize, rows: Vec<usize>| GradedItems { media, rows };
    assert_eq!(code(GradedPair { a: side(2, vec![0]), ..pair(0, 1, 1.0) }), ErrorCode::UnknownMedia);
    assert_eq!(code(GradedPair { a: side(0, vec![]), ..pair(0, 1, 1.0) }), ErrorCode::NoItems);
    let config = configured(small(), |config| {
        config.metric.graded_weight = -1.0;
    });
    assert_eq!(config.check().unwrap_err().code(), ErrorCode::BadArgument);
}

#[test]
fn a_start_that_does_not_fit_is_refused_with_a_way_out() {
    let quick = configured(small(), |config| {
        config.contrastive.epochs = 1;
        config.double_triplet.epochs = 1;
        config.metric.epochs = 1;
        (config.kernel.member, config.kernel.hub) = (false, false);
    });
    let mut named = generated(60, 8);
    named.media[0].fingerprint = Some(Fingerprint([1; 32]));
    named.labels.as_mut().unwrap().names = Some(["a", "b", "c", "d"].map(str::to_owned).to_vec());
    let base = quietly(&named, &quick).bundle;
    let pairs_alone = quietly(&TrainingData { labels: None, ..named.clone() }, &quick).bundle;
    let code = |start: &Bundle, config: &TrainConfig, change: &dyn Fn(&mut TrainingData)| {
        let mut data = named.clone();
        change(&mut data);
        let error = Trainer::new(&data).config(config.clone()).from(start).run().unwrap_err();
        assert!(error.facts().hint.is_some(), "{error}");
        error.code()
    };
    let labels = |d: &mut TrainingData, names: &[&str]| {
        d.labels.as_mut().unwrap().names = Some(names.iter().map(|name| (*name).to_owned()).collect());
    };
    assert_eq!(code(&base, &quick, &|d| d.media[1].name = "sound".into()), ErrorCode::UnknownMedia);
    assert_eq!(code(&base, &quick, &|d| d.media.truncate(1)), ErrorCode::UnknownMedia);
    let narrow = |d: &mut TrainingData| (d.media[1].d_in, d.media[1].rows) = (3, vec![0.0; 180].into());
    assert_eq!(code(&base, &quick, &narrow), ErrorCode::BadDimension);
    let other = |d: &mut TrainingData| d.media[0].fingerprint = Some(Fingerprint([2; 32]));
    assert_eq!(code(&base, &quick, &other), ErrorCode::SpaceMismatch);
    assert_eq!(code(&base, &quick, &|d| d.media[1].encoder_state = vec![1.0]), ErrorCode::SpaceMismatch);
    assert_eq!(code(&base, &quick, &|d| labels(d, &["a", "b", "c", "x"])), ErrorCode::BadValue);
    assert_eq!(code(&base, &quick, &|d| labels(d, &["a", "b", "c", "d", "e"])), ErrorCode::BadValue);
    let more = |d: &mut TrainingData| {
        let class = (0..60).map(|row| Some(row as u32 / 12)).collect();
        d.labels = Some(Labels { class, names: None, key: "k".into() });
    };
    assert_eq!(code(&base, &quick, &more), ErrorCode::BadValue);
    assert_eq!(code(&base, &quick, &|d| d.labels = None), ErrorCode::BadArgument);
    assert_eq!(code(&pairs_alone, &quick, &|_| {}), ErrorCode::BadArgument);
    let hidden = configured(quick.clone(), |config| {
        config.model.hidden = 50;
    });
    assert_eq!(code(&base, &hidden, &|_| {}), ErrorCode::BadArgument);
}
