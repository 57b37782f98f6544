//! The pattern for async servers: one thread owns the engine and answers together what has queued up, so that media parts
//! share one pass over the stored rows; a request that nobody waits for any more is cancelled, and each has a time budget.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "an example prints what it finds")]
use std::sync::mpsc;
use std::time::Duration;

use tokio::sync::oneshot;
use uncsm_index::index::Index;
use uncsm_index::search::{Cancel, Engine, Response};
use uncsm_index::{Error, Result};

/// Queries that are answered together at most.
const TOGETHER: usize = 32;

struct Job {
    keywords: String,
    cancel: Cancel,
    answer: oneshot::Sender<Result<Response>>,
}

/// Runs until all senders are gone.
fn worker(engine: &Engine, jobs: &mpsc::Receiver<Job>) {
    while let Ok(first) = jobs.recv() {
        let mut queued = vec![first];
        queued.extend(jobs.try_iter().take(TOGETHER - 1));
        // Who has gone away meanwhile costs nothing.
        queued.retain(|job| !job.cancel.is_cancelled());
        // What a writer has committed meanwhile is found; a look where nothing is new.
        if let Err(error) = engine.reload() {
            // The engine stays where it was, and answers from there.
            eprintln!("reload: {error}");
        }
        let requests = queued.iter().map(|job| {
            let request = engine.request().keywords(&job.keywords).cancel(job.cancel.clone());
            request.time_budget(Duration::from_millis(200))
        });
        let answers = engine.batch(requests.collect());
        for (job, answer) in queued.into_iter().zip(answers) {
            // An error here is a caller who has just gone.
            let _ = job.answer.send(answer);
        }
    }
}

/// What a handler awaits. Dropped by its runtime, at a closed connection say, it cancels its query.
async fn search(jobs: mpsc::Sender<Job>, keywords: &str) -> Result<Response> {
    let cancel = Cancel::new();
    let _guard = cancel.clone().on_drop();
    let (answer, answered) = oneshot::channel();
    let gone = || Error::new(uncsm_index::ErrorCode::Interrupted, "the search thread has ended");
    jobs.send(Job { keywords: keywords.into(), cancel, answer }).map_err(|_| gone())?;
    answered.await.map_err(|_| gone())?
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let usage = || Error::new(uncsm_index::ErrorCode::BadArgument, "usage: server INDEX KEYWORDS...");
    let mut args = std::env::args().skip(1);
    let engine = Engine::new(&Index::open(args.next().ok_or_else(usage)?.as_ref())?)?;
    let (jobs, queue) = mpsc::channel();
    let thread = std::thread::spawn(move || worker(&engine, &queue));
    for keywords in args {
        let found = tokio::time::timeout(Duration::from_secs(5), search(jobs.clone(), &keywords)).await;
        match found {
            Ok(Ok(response)) => println!("{keywords}: {} matches", response.matched),
            Ok(Err(error)) => println!("{keywords}: {error}"),
            Err(_) => println!("{keywords}: no answer in time"),
        }
    }
    drop(jobs);
    thread.join().map_err(|_| Error::new(uncsm_index::ErrorCode::Engine, "the search thread panicked"))
}
