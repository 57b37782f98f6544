//! Damage of every kind in every file of an index: no panic, no hang, nothing wrong that `verify` calls sound, and no merge
//! that makes damage look sound.
//!
//! `UNCSM_FLIPS=2000 cargo test --test flips -- --nocapture` is the long run. A binary of its own: the long run counts
//! the panics of all threads with a hook of the process.

#![allow(missing_docs, reason = "tests")]

mod app;
#[path = "../common/mod.rs"]
mod common;
mod launder;
mod swap;
mod world;

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError, RwLock, RwLockReadGuard, mpsc};
use std::time::Duration;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use uncsm_index::ErrorCode;
use uncsm_index::index;

use common::files::{copy_dir, files_of, put};
use world::{World, answers};

/// Without `UNCSM_FLIPS`.
const FEW: usize = 40;
/// A flip, over all commands, takes milliseconds.
const PATIENCE: Duration = Duration::from_secs(120);

/// Panics that a program with a hook of its own would print.
static PRINTED: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// The long test is alone in its process, since it counts the panics of all threads; the others run beside each other.
static ALONE: RwLock<()> = RwLock::new(());

fn beside() -> RwLockReadGuard<'static, ()> {
    ALONE.read().unwrap_or_else(PoisonError::into_inner)
}

fn keep_panics() {
    let print = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if !uncsm_index::corpus::catches_panics() {
            PRINTED.lock().unwrap().push(panic.to_string());
            print(panic);
        }
    }));
}

/// What is done to a file.
#[derive(Debug, Clone)]
enum Harm {
    Flip { at: usize, with: u8 },
    Cut { to: usize },
    Fill { from: usize, to: usize },
}

impl Harm {
    fn random(rng: &mut ChaCha8Rng, length: usize) -> Self {
        let at = rng.random_range(0..length);
        match rng.random_range(0..10) {
            0 => Self::Cut { to: at },
            1 => Self::Fill { from: at, to: rng.random_range(at..length) + 1 },
            2 => {
                // The ends of a file hold what leads to the rest.
                let near = rng.random_range(0..length.min(200));
                Self::Flip { at: length - 1 - near, with: 1 << rng.random_range(0..8) }
            }
            3..6 => Self::Flip { at, with: rng.random_range(1..=255) },
            _ => Self::Flip { at, with: 1 << rng.random_range(0..8) },
        }
    }

    fn apply(&self, bytes: &mut Vec<u8>) {
        match *self {
            Self::Flip { at, with } => bytes[at] ^= with,
            Self::Cut { to } => bytes.truncate(to),
            Self::Fill { from, to } => bytes[from..to].fill(0xff),
        }
    }
}

/// What the commands made of one damaged index.
#[derive(Debug, Default, Clone, Copy)]
struct Outcome {
    /// By command: whether it was refused.
    refused: [bool; 8],
    /// The first two, of an index that is not read whole before.
    refused_late: [bool; 2],
    found: bool,
    found_after_merge: bool,
    same: Option<bool>,
}

const COMMANDS: [&str; 8] = [
    "query keywords and media",
    "query like, facets",
    "inspect",
    "verify",
    "add",
    "delete",
    "attach",
    "merge",
];

fn try_all(world: &World, dir: &Path, scratch: &Path) -> Outcome {
    let fresh = |name: &str| -> PathBuf {
        let to = scratch.join(name);
        copy_dir(dir, &to);
        to
    };
    let refused = |result: uncsm_index::Result<()>| match result {
        Ok(()) => false,
        Err(error) => {
            assert!(!error.facts().message.is_empty());
            // What is said is said of this index, or of nothing that a damaged one has.
            assert_ne!(error.code(), ErrorCode::BadArgument, "{error}");
            true
        }
    };
    let mut outcome = Outcome::default();
    outcome.refused[0] = refused(world.query_words(dir, u64::MAX));
    outcome.refused[1] = refused(world.query_like(dir, u64::MAX));
    // As a large index is opened: damage shows late or not at all, and is no panic.
    outcome.refused_late = [refused(world.query_words(dir, 0)), refused(world.query_like(dir, 0))];
    outcome.refused[2] =
        refused(index::Index::open(dir).and_then(|index| index::inspect(&index)).map(|_| ()));
    let damage = index::verify(dir);
    outcome.found = damage.as_ref().map_or(true, |damage| !damage.is_empty());
    outcome.refused[3] = damage.is_err();
    outcome.refused[4] = refused(world.add(&fresh("add")));
    outcome.refused[5] = refused(world.delete(&fresh("delete")));
    outcome.refused[6] = refused(world.attach(&fresh("attach")));
    let merged = fresh("merge");
    outcome.refused[7] = refused(world.merge(&merged));
    outcome.found_after_merge = index::verify(&merged).map_or(true, |damage| !damage.is_empty());
    if !outcome.found {
        let now = answers(dir);
        outcome.same = Some(now.is_ok_and(|now| now == world.answers));
    }
    outcome
}

#[test]
fn damage_anywhere_is_an_error_or_harmless_and_is_never_laundered() {
    let _alone = ALONE.write().unwrap_or_else(PoisonError::into_inner);
    keep_panics();
    let count = std::env::var("UNCSM_FLIPS").map_or(FEW, |text| text.parse().expect("a number"));
    let world = World::new();
    let files = files_of(&world.index);
    let mut rng = ChaCha8Rng::seed_from_u64(count as u64);
    let (send, receive) = mpsc::channel();
    let plan: Vec<(PathBuf, Harm)> = (0..count)
        .map(|_| {
            let file = files[rng.random_range(0..files.len())].clone();
            let length = std::fs::metadata(world.index.join(&file)).unwrap().len() as usize;
            (file, Harm::random(&mut rng, length))
        })
        .collect();
    let work = plan.clone();
    std::thread::spawn(move || {
        for (file, harm) in work {
            let scratch = tempfile::tempdir().unwrap();
            let dir = scratch.path().join("index");
            copy_dir(&world.index, &dir);
            let path = dir.join(&file);
            let mut bytes = std::fs::read(&path).unwrap();
            harm.apply(&mut bytes);
            put(&path, bytes);
            let done = catch_unwind(AssertUnwindSafe(|| try_all(&world, &dir, scratch.path())));
            if send.send(done.map_err(|_| "panic")).is_err() {
                return;
            }
        }
    });
    let mut wrong = Vec::new();
    let (mut refused, mut late) = ([0; 8], [0; 2]);
    let (mut found, mut harmless, mut laundered) = (0, 0, 0);
    for (at, (file, harm)) in plan.iter().enumerate() {
        let place = format!("{at}: {} {harm:?}", file.display());
        let outcome = receive.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("{place}: hangs"));
        let Ok(outcome) = outcome else {
            wrong.push(format!("{place}: panic"));
            continue;
        };
        for (sum, one) in refused.iter_mut().zip(outcome.refused) {
            *sum += usize::from(one);
        }
        for (sum, one) in late.iter_mut().zip(outcome.refused_late) {
            *sum += usize::from(one);
        }
        found += usize::from(outcome.found);
        if outcome.found && !outcome.found_after_merge {
            laundered += 1;
            wrong.push(format!("{place}: a merge made it sound"));
        }
        if let Some(same) = outcome.same {
            harmless += 1;
            if !same {
                wrong.push(format!("{place}: sound by verify, other answers"));
            }
        }
    }
    let printed = std::mem::take(&mut *PRINTED.lock().unwrap());
    let by_command: BTreeMap<&str, usize> = COMMANDS.into_iter().zip(refused).collect();
    eprintln!(
        "{count} damages: {found} found by verify, {harmless} sound and harmless, {laundered} laundered, {} panics printed; refused: {by_command:?}, queries that read late: {late:?}",
        printed.len()
    );
    assert!(wrong.is_empty(), "{} of {count}:\n{}", wrong.len(), wrong.join("\n"));
    assert!(printed.is_empty(), "{printed:?}");
    assert!(found > count / 2, "most damage is in files that have checksums");
}

/// The host never ends the thread of a reader that has warmers.
#[cfg(target_os = "linux")]
#[test]
fn an_index_that_is_let_go_leaves_no_thread_behind() {
    let _beside = beside();
    let world = World::new();
    for _ in 0..3 {
        let index = index::Index::open(&world.index).unwrap();
        let engine = uncsm_index::search::Engine::new(&index).unwrap();
        assert!(!engine.reload().unwrap());
    }
    let threads = std::fs::read_dir("/proc/self/task").unwrap().flatten();
    // One that ends meanwhile has no name any more.
    let names = threads.filter_map(|thread| std::fs::read_to_string(thread.path().join("comm")).ok());
    let left: Vec<String> = names.filter(|name| name.trim() == "tantivy-warm-gc").collect();
    assert!(left.is_empty(), "{left:?}");
}
