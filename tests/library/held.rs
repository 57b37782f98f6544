//! A searcher answers for as long as it is held, in an app that indexes and searches at once: with tantivy's own directory
//! and with ours, with a `Warmer` and without, asked at once and asked for the first time long after its segments are gone.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};

use crate::common::files::files_with;
use crate::common::{App, Doc, bundle, features};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tantivy::merge_policy::LogMergePolicy;
use tantivy::query::AllQuery;
use tantivy::{DocAddress, IndexReader, IndexWriter, ReloadPolicy, Searcher, Term, Warmer};
use uncsm_index::index::{IndexDirectory, SegmentCache};
use uncsm_index::model::Target;
use uncsm_index::search::{DocScorer, MetricCollector, Similarity};

/// Searches of a normal run, over all ways; `UNCSM_SEARCHES` sets another number.
const SEARCHES: usize = 2_400;
/// Commits beside them at least.
const COMMITS: usize = 5;
/// Searchers that a thread holds.
const HELD: usize = 12;
const K: usize = 5;

fn app(dir: &Path, is_ours: bool) -> App {
    let app = App::in_dir(bundle(3), dir);
    if !is_ours {
        return app;
    }
    let mut index = tantivy::Index::open(IndexDirectory::open(dir).unwrap()).unwrap();
    index.register_plugin(app.plugin.registered());
    App { index, ..app }
}

fn reader(app: &App, warmer: Option<&Arc<SegmentCache>>) -> IndexReader {
    let warmers = warmer.map(|warmer| {
        let strong: Arc<dyn Warmer> = warmer.clone();
        Arc::downgrade(&strong) as Weak<dyn Warmer>
    });
    let builder = app.index.reader_builder().reload_policy(ReloadPolicy::Manual);
    builder.warmers(warmers.into_iter().collect()).try_into().unwrap()
}

type Answer = Vec<(u32, DocAddress)>;

fn ask(app: &App, scorer: &Arc<DocScorer>, searcher: &Searcher) -> Result<Answer, String> {
    let collector = MetricCollector::new(scorer.clone(), app.plugin.cache(), K);
    let found = searcher.search(&AllQuery, &collector).map_err(|e| e.to_string())?;
    Ok(found.docs.iter().map(|doc| (doc.score.to_bits(), doc.address)).collect())
}

/// Adds, replaces and deletes until told to stop; each commit makes up to three segments, and few of them live long.
fn write(app: &App, commits: &AtomicUsize, stop: &AtomicBool) {
    let mut writer: IndexWriter = app.index.writer_with_num_threads(3, 3 * 15_000_000).unwrap();
    let mut policy = LogMergePolicy::default();
    policy.set_min_num_segments(2);
    writer.set_merge_policy(Box::new(policy));
    let mut rng = ChaCha8Rng::seed_from_u64(11);
    while !stop.load(Ordering::SeqCst) {
        for _ in 0..rng.random_range(1..12) {
            let id = format!("{:02}", rng.random_range(0..40));
            writer.delete_term(Term::from_field_text(app.id, &id));
            if rng.random_bool(0.8) {
                let items = vec![(0, features(&mut rng, 6))];
                writer.add_document(app.document(&Doc { id, text: String::new(), items })).unwrap();
            }
        }
        if commits.load(Ordering::SeqCst) % 15 == 14 {
            // Whole segments go without a merge.
            writer.delete_all_documents().unwrap();
        }
        writer.commit().unwrap();
        commits.fetch_add(1, Ordering::SeqCst);
    }
    writer.wait_merging_threads().unwrap();
}

/// Holds searchers and asks them in any order; some are asked for the first time when they are the oldest.
fn search(app: &App, reader: &IndexReader, seed: u64, goes_on: &(dyn Fn() -> bool + Sync)) -> Vec<String> {
    let scorer = app.scorer(Similarity::Metric(Target::Pair), &[app.part(0, &[0.4; 6])], &[0]);
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut held: VecDeque<(Searcher, Option<Answer>)> = VecDeque::new();
    let mut errors = Vec::new();
    let mut check = |(searcher, answer): &mut (Searcher, Option<Answer>)| match ask(app, &scorer, searcher) {
        Err(error) => errors.push(error),
        Ok(got) => {
            assert_eq!(got.len(), K.min(searcher.num_docs() as usize));
            assert_eq!(*answer.get_or_insert_with(|| got.clone()), got, "a searcher sees one state");
        }
    };
    while goes_on() {
        if rng.random_bool(0.5) {
            reader.reload().unwrap();
            held.push_back((reader.searcher(), None));
        }
        if held.len() > HELD {
            check(&mut held.pop_front().unwrap());
        } else if !held.is_empty() {
            // The newer half; what is older waits for its last moment.
            let at = rng.random_range(held.len() / 2..held.len());
            check(&mut held[at]);
        }
    }
    errors
}

#[test]
fn held_searchers_answer_beside_a_writer() {
    let wanted: usize =
        std::env::var("UNCSM_SEARCHES").map_or(SEARCHES, |n| n.parse().expect("UNCSM_SEARCHES is a number"));
    for (is_ours, is_warmed) in [(false, false), (false, true), (true, false), (true, true)] {
        let dir = tempfile::tempdir().unwrap();
        let app = app(dir.path(), is_ours);
        let warmer = is_warmed.then(|| Arc::new(app.plugin.cache().clone()));
        let (stop, commits, searches) = (AtomicBool::new(false), AtomicUsize::new(0), AtomicUsize::new(0));
        // On a busy machine until the writer has written.
        let goes_on = || {
            let n = searches.fetch_add(1, Ordering::SeqCst);
            n < wanted / 4 || commits.load(Ordering::SeqCst) < COMMITS
        };
        let errors = std::thread::scope(|scope| {
            let writing = scope.spawn(|| write(&app, &commits, &stop));
            let searching: Vec<_> = (0..3)
                .map(|seed| {
                    let (app, warmer, goes_on) = (&app, warmer.as_ref(), &goes_on);
                    scope.spawn(move || search(app, &reader(app, warmer), seed, goes_on))
                })
                .collect();
            let errors: Vec<_> = searching.into_iter().map(|thread| thread.join()).collect();
            stop.store(true, Ordering::SeqCst);
            writing.join().unwrap();
            errors
        });
        let errors: Vec<String> = errors.into_iter().flat_map(|errors| errors.unwrap()).collect();
        let (commits, searches) = (commits.into_inner(), searches.into_inner());
        eprintln!(
            "our directory {is_ours}, warmer {is_warmed}: {searches} searches beside {commits} commits, {} errors, {} segments held",
            errors.len(),
            app.plugin.cache().len(),
        );
        assert!(errors.is_empty(), "{} errors, the first: {}", errors.len(), errors[0]);
    }
}

fn add(app: &App, writer: &mut IndexWriter, ids: std::ops::Range<u32>) {
    let mut rng = ChaCha8Rng::seed_from_u64(u64::from(ids.start));
    for id in ids {
        let items = vec![(0, features(&mut rng, 6))];
        writer
            .add_document(app.document(&Doc { id: format!("{id:03}"), text: String::new(), items }))
            .unwrap();
    }
    writer.commit().unwrap();
}

/// All segments merged into one, the old files gone.
fn merge(app: &App, writer: &mut IndexWriter) {
    writer.merge(&app.index.searchable_segment_ids().unwrap()).wait().unwrap();
    writer.garbage_collect_files().wait().unwrap();
}

#[test]
fn a_searcher_of_our_directory_is_asked_for_the_first_time_when_another_has_removed_its_files() {
    let dir = tempfile::tempdir().unwrap();
    let writing = App::in_dir(bundle(3), dir.path());
    let mut writer: IndexWriter = writing.index.writer_with_num_threads(1, 15_000_000).unwrap();
    writer.set_merge_policy(Box::new(tantivy::merge_policy::NoMergePolicy));
    for n in 0..3 {
        add(&writing, &mut writer, n * 10..n * 10 + 10);
    }
    // As in another process: nothing is shared with the writer but the files.
    let reading = App::in_dir(bundle(3), tempfile::tempdir().unwrap().path());
    let mut index = tantivy::Index::open(IndexDirectory::open(dir.path()).unwrap()).unwrap();
    index.register_plugin(reading.plugin.registered());
    let reading = App { index, ..reading };
    let reader = reader(&reading, None);
    let (early, late) = (reader.searcher(), reader.searcher());
    let scorer = reading.scorer(Similarity::Metric(Target::Pair), &[reading.part(0, &[0.4; 6])], &[0]);
    let segments = early.segment_readers().len();
    assert_eq!(segments, 3);
    merge(&writing, &mut writer);
    assert_eq!(files_with(dir.path(), "uvec").len(), 1);
    let answer = ask(&reading, &scorer, &late).unwrap();
    assert_eq!(answer.len(), K);
    // Another cache, with nothing in it: the files themselves are held.
    for segment in early.segment_readers() {
        SegmentCache::new().get(segment).unwrap();
    }
    reader.reload().unwrap();
    assert_eq!(reader.searcher().segment_readers().len(), 1);
    drop(late);
    assert_eq!(ask(&reading, &scorer, &early).unwrap(), answer);
}

#[test]
fn a_segment_that_another_process_removed_from_a_plain_directory_is_no_damage() {
    let dir = tempfile::tempdir().unwrap();
    let writing = App::in_dir(bundle(3), dir.path());
    let mut writer: IndexWriter = writing.index.writer_with_num_threads(1, 15_000_000).unwrap();
    writer.set_merge_policy(Box::new(tantivy::merge_policy::NoMergePolicy));
    add(&writing, &mut writer, 0..10);
    add(&writing, &mut writer, 10..20);
    let reading = App::in_dir(bundle(3), tempfile::tempdir().unwrap().path());
    let mut index = tantivy::Index::open_in_dir(dir.path()).unwrap();
    index.register_plugin(reading.plugin.registered());
    let searcher = index.reader().unwrap().searcher();
    merge(&writing, &mut writer);
    let error = reading.plugin.cache().get(searcher.segment_reader(0)).err().unwrap();
    assert_eq!(error.code(), uncsm_index::ErrorCode::Changed, "{error}");
    assert!(error.to_string().contains("IndexDirectory"), "{error}");
}

#[test]
fn readers_and_writers_of_both_directories_keep_to_the_same_locks() {
    let dir = tempfile::tempdir().unwrap();
    let app = App::in_dir(bundle(3), dir.path());
    let ours = tantivy::Index::open(IndexDirectory::open(dir.path()).unwrap()).unwrap();
    let lock = |index: &tantivy::Index, lock: &tantivy::directory::Lock| {
        tantivy::Directory::acquire_lock(index.directory(), lock)
    };
    let writer_lock = &tantivy::directory::INDEX_WRITER_LOCK;
    let held = lock(&ours, writer_lock).unwrap();
    assert!(lock(&app.index, writer_lock).is_err());
    drop(held);
    let held = lock(&app.index, writer_lock).unwrap();
    assert!(lock(&ours, writer_lock).is_err());
    drop(held);
    // Shares do not exclude each other; the whole lock of the other waits for them.
    let meta_lock = &tantivy::directory::META_LOCK;
    let shares = [lock(&ours, meta_lock).unwrap(), lock(&ours, meta_lock).unwrap()];
    let is_free = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| {
            let whole = lock(&app.index, meta_lock).unwrap();
            assert!(is_free.load(Ordering::SeqCst), "a share was still held");
            drop(whole);
        });
        std::thread::sleep(std::time::Duration::from_millis(100));
        is_free.store(true, Ordering::SeqCst);
        drop(shares);
        waiting.join().unwrap();
    });
}
