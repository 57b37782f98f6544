//! Readers beside a writer: a loop of adds and deletes, and commands that read; none of them ever fails.

use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tantivy::TantivyDocument;
use tantivy::merge_policy::LogMergePolicy;
use uncsm_index::index::{Index, MediaValue, inspect, verify};
use uncsm_index::media::ItemOrigin;
use uncsm_index::search::Engine;

use crate::files::copy_dir;
use crate::run::command;
use crate::world::{PATHWAYS, world};

/// Reads of a normal run; `UNCSM_READS` sets another number.
const READS: usize = 240;
/// One read in so many is a process of its own.
const PROCESSES: usize = 4;

fn document(index: &Index, rng: &mut ChaCha8Rng, id: &str) -> TantivyDocument {
    let spec = index.media().spec();
    let mut value = MediaValue::builder(spec);
    for (media, space) in spec.media.iter().enumerate() {
        let mut random = |n: usize| (0..n).map(|_| rng.random_range(-1.0..1.0)).collect::<Vec<f32>>();
        let (vector, half) = (random(space.dim), random(space.half));
        let origin = ItemOrigin { ordinal: 0, span: None, hash: [1; 16] };
        value.item(media, &origin, &vector, &half).unwrap();
    }
    let mut document = TantivyDocument::new();
    document.add_text(index.id_field().unwrap(), id);
    value.finish().add_to(&mut document, index.media().field());
    document
}

/// Small commits that merge at once, from this process and from others; the lock goes from hand to hand.
fn write(dir: &Path, stop: &AtomicBool) -> usize {
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    let mut commits = 0;
    while !stop.load(Ordering::SeqCst) {
        let index = Index::open(dir).unwrap();
        let mut writer = index.writer(15 << 20).unwrap();
        let mut policy = LogMergePolicy::default();
        policy.set_min_num_segments(2);
        writer.tantivy().set_merge_policy(Box::new(policy));
        for _ in 0..20 {
            for _ in 0..4 {
                let id = format!("new-{:02}", rng.random_range(0..30));
                writer.delete_id(&id).unwrap();
                if rng.random_bool(0.7) {
                    writer.add(document(&index, &mut rng, &id)).unwrap();
                }
            }
            writer.commit().unwrap();
            commits += 1;
        }
        writer.finish().unwrap();
        drop(index);
        let id = format!("d{:05}", rng.random_range(0..200));
        let world = world();
        for change in 0..2 {
            let mut change_by = command();
            match change {
                0 => change_by.arg("delete").arg(dir).args(["--id", &id]),
                _ => change_by
                    .arg("add")
                    .arg(dir)
                    .arg("--features")
                    .arg(&world.features)
                    .args(PATHWAYS.split_whitespace())
                    .arg("--corpus")
                    .arg(&world.corpus),
            };
            let output = change_by.output().unwrap();
            assert!(output.status.success(), "{output:?}");
            commits += 1;
        }
    }
    commits
}

/// One read of kind `n`; an error is what a user would see.
fn read(dir: &Path, n: usize) -> Result<(), String> {
    if n.is_multiple_of(PROCESSES) {
        let args: &[&str] = match n / PROCESSES % 3 {
            0 => &["query", "", "--like", "d00211", "-k", "5", "--json"],
            1 => &["inspect", "", "--json"],
            _ => &["verify", "", "--json"],
        };
        let args = args.iter().map(|arg| if arg.is_empty() { dir.as_os_str() } else { arg.as_ref() });
        let output = command().args(args).output().unwrap();
        return if output.status.code() == Some(0) { Ok(()) } else { Err(format!("{output:?}")) };
    }
    let text = |error: uncsm_index::Error| format!("{:?}: {error}", error.code());
    if n.is_multiple_of(13) {
        let damage = verify(dir).map_err(text)?;
        return if damage.is_empty() { Ok(()) } else { Err(format!("{damage:?}")) };
    }
    let index = Index::open(dir).map_err(text)?;
    if n.is_multiple_of(7) {
        return inspect(&index).map(drop).map_err(text);
    }
    let engine = Engine::new(&index).map_err(text)?;
    let found = engine.request().like("d00211").and_then(|request| request.k(5).run()).map_err(text)?;
    if found.hits.len() == 5 { Ok(()) } else { Err(format!("{} hits", found.hits.len())) }
}

#[test]
fn readers_beside_a_writer_never_fail() {
    let reads = std::env::var("UNCSM_READS").map_or(READS, |n| n.parse().expect("UNCSM_READS is a number"));
    let dir = tempfile::tempdir().unwrap();
    let index = dir.path().join("index");
    copy_dir(&world().index, &index);
    let (stop, next) = (AtomicBool::new(false), AtomicUsize::new(0));
    let errors = Mutex::new(Vec::new());
    let commits = std::thread::scope(|scope| {
        let writing = scope.spawn(|| write(&index, &stop));
        let reader = || loop {
            let n = next.fetch_add(1, Ordering::SeqCst);
            if n >= reads {
                return;
            }
            if let Err(error) = read(&index, n) {
                eprintln!("read {n}: {error}");
                errors.lock().unwrap().push(error);
            }
        };
        let readers: Vec<_> = (0..3).map(|_| scope.spawn(reader)).collect();
        let read: Vec<_> = readers.into_iter().map(|reader| reader.join()).collect();
        stop.store(true, Ordering::SeqCst);
        let commits = writing.join().unwrap();
        assert!(read.iter().all(Result::is_ok));
        commits
    });
    let errors = errors.into_inner().unwrap();
    eprintln!("{reads} reads beside {commits} commits: {} errors", errors.len());
    assert!(errors.is_empty(), "{} of {reads} reads, the first: {}", errors.len(), errors[0]);
    assert!(commits > 3);
    assert!(verify(&index).unwrap().is_empty());
}

#[test]
fn readers_without_a_lock_to_share_never_fail_either() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("index");
    copy_dir(&world().index, &path);
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        // A plain writer of the host makes the lock for each collection; here it is always gone when a reader comes.
        let removing = scope.spawn(|| {
            while !stop.load(Ordering::SeqCst) {
                let _ = std::fs::remove_file(path.join(".tantivy-meta.lock"));
                std::thread::yield_now();
            }
        });
        let writing = scope.spawn(|| {
            let index = Index::open(&path).unwrap();
            let mut writer = index.writer(15 << 20).unwrap();
            let mut policy = LogMergePolicy::default();
            policy.set_min_num_segments(2);
            writer.tantivy().set_merge_policy(Box::new(policy));
            let mut rng = ChaCha8Rng::seed_from_u64(5);
            while !stop.load(Ordering::SeqCst) {
                writer.add(document(&index, &mut rng, "again")).unwrap();
                writer.delete_id("again").unwrap();
                writer.commit().unwrap();
            }
            writer.finish().unwrap();
        });
        let errors: Vec<String> = (0..120).map(|n| read(&path, 4 * n + 1)).filter_map(Result::err).collect();
        stop.store(true, Ordering::SeqCst);
        removing.join().unwrap();
        writing.join().unwrap();
        assert!(errors.is_empty(), "{errors:?}");
    });
}
