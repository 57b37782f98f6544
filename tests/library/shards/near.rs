//! Approximate search over parts, and over what is merged of them.

use std::path::{Path, PathBuf};

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use uncsm_index::index::Index;
use uncsm_index::model::{Bundle, Target};
use uncsm_index::search::{Engine, Similarity};

use crate::common;
use crate::shards::{World, Written, engine};

/// Of each part: enough for cells.
const EACH: usize = 4_200;

/// Sample queries as the queries below are.
fn sampled(bundle: &Bundle) -> Bundle {
    let mut rng = ChaCha8Rng::seed_from_u64(77);
    let of = |media: usize, rng: &mut ChaCha8Rng| -> Vec<f32> {
        let width = bundle.media()[media].features;
        (0..32).flat_map(|_| bundle.project(media, &common::features(rng, width)).unwrap()).collect()
    };
    bundle.with_samples((0..2).map(|media| of(media, &mut rng)).collect()).unwrap()
}

/// The share of the true best ten that is found, and the share of documents that are looked at.
fn share(engine: &Engine) -> (f64, f64) {
    let mut rng = ChaCha8Rng::seed_from_u64(9);
    let (mut found, mut asked, mut scored, mut all) = (0, 0, 0, 0);
    for at in 0..12 {
        let query = common::features(&mut rng, 6);
        let target = [Target::Class, Target::Pair][at % 2];
        let ask =
            || engine.request().features("image", &query).unwrap().similarity(Similarity::Metric(target));
        let (near, exact) = (ask().run().unwrap(), ask().exact().run().unwrap());
        assert_eq!(near.hits.len(), 10);
        for hit in &near.hits {
            // The score is that of the exact answer, wherever a document lies.
            if let Some(same) = exact.hits.iter().find(|other| other.id == hit.id) {
                assert_eq!(same.score.to_bits(), hit.score.to_bits());
                found += 1;
            }
        }
        asked += exact.hits.len();
        scored += near.scored;
        all += exact.scored;
    }
    (f64::from(found) / asked as f64, scored as f64 / all as f64)
}

/// Segments and those of them with cells.
fn cells(dir: &Path) -> (usize, usize) {
    let index = Index::open(dir).unwrap();
    let searcher = index.reader().unwrap().searcher();
    let has = |reader: &&tantivy::SegmentReader| {
        index.cache().get(reader).unwrap().uvec().cells(1).unwrap().is_some()
    };
    (searcher.segment_readers().len(), searcher.segment_readers().iter().filter(has).count())
}

#[test]
fn the_promise_holds_over_eight_parts_and_over_what_is_merged() {
    let world = World::new(8 * EACH).with(sampled(&common::bundle(3)));
    let commit = uncsm_index::index::CommitPolicy::default();
    let of = |index: u32| uncsm_index::corpus::Shard::new(index, 8).unwrap();
    let parts: Vec<PathBuf> = (0..8).map(|index| world.path(&format!("part.{index}"))).collect();
    for index in 0..8 {
        let name = format!("part.{index}");
        let builder =
            world.builder(&name, world.source(Written::Features)).commits(commit).memory(200_000_000);
        // Half of them are meant for the merge alone.
        let builder = if index < 4 { builder } else { builder.without_cells() };
        builder.shard(of(index)).run().unwrap();
    }
    assert_eq!(parts.iter().map(|dir| cells(dir)).collect::<Vec<_>>(), [[(1, 1); 4], [(1, 0); 4]].concat());
    let (found, scored) = share(&engine(&parts[..4], &world.bundle));
    assert!(found >= 0.97 && scored < 0.9, "four parts: {found} of the best by {scored} of all");
    let (found, _) = share(&engine(&parts, &world.bundle));
    assert!(found >= 0.97, "eight parts: {found}");

    // Inner merges have no cells, the last one makes them, once.
    let half = [world.path("left"), world.path("right")];
    for (name, parts) in ["left", "right"].iter().zip(parts.chunks(4)) {
        let report = world.merger(name, parts).without_cells().run().unwrap();
        assert_eq!(report.stages.cells, std::time::Duration::ZERO);
        assert_eq!(cells(&world.path(name)), (1, 0));
    }
    let report = world.merge("merged", &half).unwrap();
    assert!(report.stages.cells > std::time::Duration::ZERO && report.missing.is_empty());
    let merged = world.path("merged");
    assert_eq!(cells(&merged), (1, 1));
    let (found, scored) = share(&engine(std::slice::from_ref(&merged), &world.bundle));
    assert!(found >= 0.97 && scored < 0.7, "merged: {found} of the best by {scored} of all");
    // One index alone gets the cells that it lacks.
    world.merger("alone", &parts[5..6]).run().unwrap();
    assert_eq!(cells(&world.path("alone")), (1, 1));
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let query: Vec<f32> = (0..6).map(|_| rng.random_range(-1.0..1.0)).collect();
    let all = |dirs: &[PathBuf]| {
        let found =
            engine(dirs, &world.bundle).request().features("image", &query).unwrap().exact().k(500).run();
        found.unwrap().hits.iter().map(|hit| (hit.id.clone(), hit.score.to_bits())).collect::<Vec<_>>()
    };
    assert_eq!(all(&parts), all(&[merged]));
}
