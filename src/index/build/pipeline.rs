//! The pipeline of a build: read -> encode -> pathways -> index, joined by bounded channels, so that memory does not grow
//! with the corpus and the order of documents is that of the source.

use std::sync::atomic::{AtomicUsize, Ordering};

use crossbeam::channel::{Sender, bounded};

use super::fill::Filling;
use super::options::{BuildOptions, BuildProgress, Existing};
use super::project;
#[cfg(doc)]
use super::report::OnBad;
use super::report::{BuildReport, Clock, Clocks};
use crate::encode::{Encoders, Incoming};
use crate::error::{Error, ErrorCode, Result};
use crate::index::dir::lookup::Snapshot;
use crate::index::dir::store::Index;
use crate::index::dir::writer::Writer;

/// Documents that travel together.
const BATCH: usize = 256;
/// Bytes of texts, features and media that travel together, unless one document alone has more.
const BATCH_BYTES: usize = 16 << 20;
/// Stages before the last, each on a thread of its own.
const STAGES: usize = 3;
/// Batches that wait between two stages.
const QUEUE: usize = 2;

/// Puts all documents of `source` into `index` through `writer`; with [`BuildOptions::commits`] all of it is committed
/// when it returns, else nothing.
///
/// A new index says in its manifest that it is incomplete until [`Index::mark_complete`]. An index whose documents are
/// replaced ([`Existing::Replace`]) does so from the first commit on the way until [`Index::complete_source`]; with a
/// single commit at the end it is complete all the time.
///
/// # Errors
/// A broken source; [`ErrorCode::BadArgument`] for commits of no document; the first bad document or item with [`OnBad::Stop`]; [`ErrorCode::Empty`] where
/// there is no document, and where none reads the error of the first;
/// [`ErrorCode::DuplicateId`] with [`Existing::Replace`], where an id stands twice in the source;
/// [`ErrorCode::Interrupted`] where [`BuildOptions::stop`] was set; [`ErrorCode::Changed`] where the start is that of
/// another build; those of the writer. What was not committed on the way is lost then.
pub fn build(
    index: &Index,
    writer: &mut Writer,
    source: impl Iterator<Item = Incoming> + Send,
    options: BuildOptions<'_>,
    progress: &mut dyn FnMut(BuildProgress),
) -> Result<BuildReport> {
    options.commits.iter().try_for_each(|commits| commits.policy.check())?;
    if let Some(start) = options.start {
        if options.existing == Existing::Replace {
            return Err(Error::new(ErrorCode::BadArgument, "only the build of a new index has a start")
                .hint("run it again from the beginning: stored vectors are reused"));
        }
        options.commits.iter().try_for_each(|commits| start.identity.check(commits.identity))?;
    }
    let none = Encoders::new();
    let encoders = options.encoders.unwrap_or(&none);
    let snapshot = match (options.existing, index.id_field()) {
        (Existing::Replace, Some(id)) => Some(Snapshot::new(index, id)?),
        _ => None,
    };
    let (to_encode, from_source) = bounded::<Vec<Incoming>>(QUEUE);
    let (to_pathways, from_encode) = bounded(QUEUE);
    let (to_index, from_pathways) = bounded(QUEUE);
    let (bundle, snapshot) = (index.bundle(), snapshot.as_ref());
    let clocks = Clocks::default();
    let (clocks, skip) = (&clocks, options.start.map_or(0, |start| start.consumed));
    // A stage counts itself before its sender goes, so that a panic does not look like the end of the source.
    let ended = AtomicUsize::new(0);
    let ended = &ended;
    let report = std::thread::scope(|scope| {
        let reading = scope.spawn(move || {
            read(source, skip, options, &clocks.read, &to_encode);
            ended.fetch_add(1, Ordering::SeqCst);
        });
        let stage = project::Encoding { encoders, bundle, snapshot, options, clock: &clocks.encode };
        let encoding = scope.spawn(move || {
            stage.run(&from_source, &to_pathways);
            ended.fetch_add(1, Ordering::SeqCst);
        });
        let mapping = scope.spawn(move || {
            project::pathways(bundle, snapshot, &clocks.pathways, &from_encode, &to_index);
            ended.fetch_add(1, Ordering::SeqCst);
        });
        // Leaving drops the receiver, at which the other stages end.
        let filled = Filling::new(index, writer, options, clocks).run(
            from_pathways,
            &|| ended.load(Ordering::SeqCst) == STAGES,
            progress,
        );
        // Joined here, since the scope would panic in its turn; the last stage has said so already.
        for stage in [reading, encoding, mapping] {
            let _ = stage.join();
        }
        filled
    });
    // What the host's threads run into has no file, and may have lost its kind.
    report.map_err(|error| match error.is_disk_full() && error.facts().file.is_none() {
        true => error.file(index.dir()),
        false => error,
    })
}

fn read(
    mut source: impl Iterator<Item = Incoming>,
    skip: u64,
    options: BuildOptions<'_>,
    clock: &Clock,
    out: &Sender<Vec<Incoming>>,
) {
    let (mut batch, mut bytes, mut skipped) = (Vec::with_capacity(BATCH), 0, 0);
    while !options.is_stopped() {
        let Some(incoming) = clock.time(|| source.next()) else { break };
        // A source that breaks before its start has nothing to go on with.
        if skipped < skip && !matches!(incoming, Incoming::Broken(_)) {
            skipped += 1;
            continue;
        }
        bytes += if let Incoming::Document(document) = &incoming { document.bytes() } else { 0 };
        batch.push(incoming);
        if batch.len() == BATCH || bytes >= BATCH_BYTES {
            bytes = 0;
            if out.send(std::mem::replace(&mut batch, Vec::with_capacity(BATCH))).is_err() {
                return;
            }
        }
    }
    // The receiver is gone only when the build has failed already.
    let _ = out.send(batch);
}
