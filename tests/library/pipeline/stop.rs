//! Builds that are stopped, resumed, or served from a cache of features.

use std::sync::atomic::AtomicBool;
use std::time::Duration;

use uncsm_index::corpus::IdsFrom;
use uncsm_index::encode::FeatureCache;
use uncsm_index::index::{BuildProgress, Checkpoint, CommitPolicy, Commits, Identity};

use super::*;

const OFTEN: CommitPolicy = CommitPolicy { documents: 29, time: Duration::MAX };

/// Texts of their own, every tenth a bad line.
fn lines(n: usize) -> Vec<Value> {
    let line = |i: usize| match i % 10 {
        4 => json!({ "id": format!("d{i}"), "text": 7 }),
        _ => json!({ "id": format!("d{i}"), "text": format!("text {i}") }),
    };
    (0..n).map(line).collect()
}

fn run(
    world: &World,
    index: &Index,
    corpus: &Path,
    options: BuildOptions<'_>,
    heard: &mut dyn FnMut(BuildProgress),
) -> Result<BuildReport> {
    let mut writer = index.writer(MEMORY)?;
    let options = BuildOptions { encoders: Some(&world.encoders), ..options };
    let source = CorpusSource::open(corpus, Ids::Made(IdsFrom::Line))?;
    let report = index::build(index, &mut writer, source, options, heard);
    writer.finish()?;
    report
}

fn timeless(mut report: BuildReport) -> BuildReport {
    report.stages = Default::default();
    report
}

#[test]
fn a_stopped_build_goes_on_where_it_was_and_encodes_nothing_twice() {
    let world = World::new();
    let corpus = world.corpus(&lines(2_000));
    let identity = Identity::new("corpus").with("length", 2_000);
    let commits = Some(Commits { policy: OFTEN, identity: &identity });
    let index = world.create(&corpus);
    let stop = AtomicBool::new(false);
    let options = BuildOptions { commits, stop: Some(&stop), ..BuildOptions::default() };
    let error = run(&world, &index, &corpus, options, &mut |at| {
        if at.consumed >= 512 {
            stop.store(true, Ordering::SeqCst);
        }
    })
    .unwrap_err();
    assert_eq!(error.code(), ErrorCode::Interrupted);
    assert!(!Index::open(index.dir()).unwrap().manifest().complete);
    let start = Checkpoint::load(index.dir()).unwrap();
    assert_eq!(start.consumed, 512);
    assert_eq!(start.report.documents + start.report.skipped.len() as u64, 512);
    assert_eq!(index.reader().unwrap().searcher().num_docs(), start.report.documents);
    world.asked();

    // Neither another build nor a change of an index goes on from there.
    let other = Identity::new("corpus").with("length", 2_001);
    let changed = Commits { policy: OFTEN, identity: &other };
    let options = BuildOptions { commits: Some(changed), start: Some(&start), ..BuildOptions::default() };
    let error = run(&world, &index, &corpus, options, &mut |_| {}).unwrap_err();
    assert_eq!(error.code(), ErrorCode::Changed);
    let options =
        BuildOptions { existing: Existing::Replace, start: Some(&start), ..BuildOptions::default() };
    let error = run(&world, &index, &corpus, options, &mut |_| {}).unwrap_err();
    assert_eq!(error.code(), ErrorCode::BadArgument);

    let options = BuildOptions { commits, start: Some(&start), ..BuildOptions::default() };
    let report = run(&world, &index, &corpus, options, &mut |_| {}).unwrap();
    assert_eq!(world.asked(), (0, 1_800 - start.report.documents as usize));
    let fresh = World::new();
    let again = fresh.corpus(&lines(2_000));
    let whole = fresh.create(&again);
    let expected = run(&fresh, &whole, &again, BuildOptions::default(), &mut |_| {}).unwrap();
    assert_eq!((report.documents, report.warnings), (1_800, 200));
    assert_eq!(report.items, expected.items);
    let lines_of = |report: &BuildReport| report.skipped.iter().map(|s| s.line).collect::<Vec<_>>();
    assert_eq!(lines_of(&report), lines_of(&expected));
    // Without commits nothing was committed.
    assert_eq!(whole.reader().unwrap().searcher().num_docs(), 0);
    for id in ["d0", "d505", "d513", "d1999"] {
        assert_eq!(stored(&index, id).len(), 1, "{id}");
    }
    // The next plain commit drops the checkpoint.
    assert_eq!(Checkpoint::load(index.dir()).unwrap().consumed, 2_000);
    index.writer(MEMORY).unwrap().commit().unwrap();
    assert_eq!(Checkpoint::load(index.dir()), None);
}

#[test]
fn a_change_in_one_commit_is_never_seen_as_incomplete() {
    let world = World::new();
    let corpus = world.corpus(&lines(30));
    let mut index = world.create(&corpus);
    world.build(&index, &corpus, OnBad::Warn, Existing::None).unwrap();
    index.mark_complete().unwrap();
    let identity = Identity::new("more");
    let replace = |policy| BuildOptions {
        existing: Existing::Replace,
        commits: Some(Commits { policy, identity: &identity }),
        ..BuildOptions::default()
    };
    run(&world, &index, &corpus, replace(CommitPolicy::default()), &mut |_| {}).unwrap();
    assert!(Index::open(index.dir()).unwrap().manifest().complete);
    run(&world, &index, &corpus, replace(OFTEN), &mut |_| {}).unwrap();
    let manifest = Index::open(index.dir()).unwrap().manifest().clone();
    assert!(!manifest.complete && manifest.pending.contains("more"));
    // Every other source leaves it so.
    assert!(!index.complete_source("less").unwrap());
    assert!(index.complete_source("more").unwrap());
    assert!(Index::open(index.dir()).unwrap().manifest().complete);
}

#[test]
fn a_second_build_with_a_cache_encodes_nothing() {
    let world = World::new();
    let corpus = world.corpus(&lines(100));
    let cache = world.dir.path().join("cache");
    let mut reports = Vec::new();
    for (name, asked) in [("index", 90), ("again", 0)] {
        let index = world.create_at(&corpus, name);
        let cache = FeatureCache::open(&cache).unwrap();
        let identity = Identity::new("corpus");
        let commits = Some(Commits { policy: CommitPolicy::default(), identity: &identity });
        let options = BuildOptions { cache: Some(&cache), commits, ..BuildOptions::default() };
        reports.push(timeless(run(&world, &index, &corpus, options, &mut |_| {}).unwrap()));
        assert_eq!(world.asked(), (0, asked), "{name}");
    }
    assert_eq!(reports[0], reports[1]);
    let open = |name: &str| Index::open(&world.dir.path().join(name)).unwrap();
    let (first, second) = (open("index"), open("again"));
    for id in ["d0", "d17", "d99"] {
        assert_eq!(stored(&first, id), stored(&second, id));
    }
}
