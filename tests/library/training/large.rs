//! The settings of large data, on small ones.

use uncsm_index::eval::Evaluation;
use uncsm_index::model::Bundle;
use uncsm_index::train::{TrainConfig, Trainer};

use super::{bytes, configured, generated, quietly};

/// Those of large data but for sizes and lengths.
fn large() -> TrainConfig {
    configured(TrainConfig::for_rows(100_000), |config| {
        config.model.dim = 24;
        config.model.hidden = 32;
        config.steps.batch = 32;
        config.contrastive.epochs = 12;
    })
}

#[test]
fn pairs_are_learned_with_a_skip_and_without_a_hidden_term() {
    let mut data = generated(400, 2);
    data.labels = None;
    // Pathways with a kernel member would stay as they are when they are trained further.
    let large = || configured(large(), |config| (config.kernel.member, config.kernel.hub) = (false, false));
    let trained = quietly(&data, &large());
    assert_eq!(
        trained.stages.iter().map(|stage| stage.name).collect::<Vec<_>>(),
        ["contrastive", "double_triplet", "metric"]
    );
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("bundle");
    trained.bundle.save(&path).unwrap();
    let config = std::fs::read_to_string(path.join("config.json")).unwrap();
    assert!(config.contains("\"version\": 1") && config.contains("\"half\": 0"), "{config}");
    let bundle = Bundle::load(&path).unwrap();
    let report = Evaluation::new(&bundle, &data).run().unwrap();
    // Chance is 10 of 80.
    assert!(report.recall.metric_pair.as_ref().unwrap().mean()[2] > 0.5, "{report:?}");
    // Trained further, the skip is there still.
    let further = Trainer::new(&data).config(large()).from(&bundle).run().unwrap().bundle;
    further.save(&dir.path().join("further")).unwrap();
    let config = std::fs::read_to_string(dir.path().join("further/config.json")).unwrap();
    assert!(config.contains("\"version\": 1"), "{config}");
    assert_ne!(further.space(), bundle.space());
    let again = Evaluation::new(&further, &data).run().unwrap();
    assert!(again.recall.metric_pair.unwrap().mean()[2] > 0.5);
}

#[test]
fn classes_are_learned_beside_pairs() {
    let data = generated(400, 1);
    let report = Evaluation::new(&quietly(&data, &large()).bundle, &data).run().unwrap();
    assert!(report.map_all.metric.as_ref().unwrap().mean > 0.7, "{report:?}");
    assert!(report.map_all.posterior.as_ref().unwrap().mean > 0.7, "{report:?}");
    assert!(report.recall.metric_pair.as_ref().unwrap().mean()[2] > 0.5, "{report:?}");
}

#[test]
fn one_run_on_several_cores_gives_the_same_bytes() {
    let data = generated(150, 6);
    let config = configured(large(), |config| {
        config.model.members = 2;
        config.contrastive.epochs = 2;
    });
    let dir = tempfile::tempdir().unwrap();
    let run = |threads: usize, name: &str| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let bundle = pool.install(|| quietly(&data, &config).bundle);
        bytes(&bundle, &dir.path().join(name))
    };
    let one = run(1, "one");
    assert!(one == run(3, "three"), "threads change the bundle");
    assert!(one == run(3, "again"), "the same run gave another bundle");
}

#[test]
fn a_stage_that_adds_nothing_is_left_out() {
    let data = generated(150, 6);
    // A double triplet stage that cannot but destroy.
    let config = configured(large(), |config| {
        config.double_triplet.learning_rate = 1.0;
        config.metric.epochs = 0;
        config.losses.pair_weight = 1.0;
    });
    let with = quietly(&data, &config);
    let without = quietly(&data, &configured(config, |config| config.double_triplet.epochs = 0));
    assert!(with.stages[1].epochs > 0 && without.stages[1].epochs == 0);
    // What the stages before it found is kept, and the calibration follows.
    assert_eq!(with.bundle, without.bundle);
}
