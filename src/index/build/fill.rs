//! The last stage of a build: documents into the host's writer, and commits on the way.

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

use crossbeam::channel::{Receiver, RecvTimeoutError};
use tantivy::TantivyDocument;

use super::checkpoint::Checkpoint;
use super::options::{BuildOptions, BuildProgress, Commits, Existing};
use super::project::Projected;
use super::report::{BuildReport, Clocks, OnBad, StageTimes};
use crate::corpus::{Origin, Root, unit_of};
use crate::encode::{Incoming, Place};
use crate::error::{Error, ErrorCode, Result};
use crate::index::dir::store::Index;
use crate::index::dir::writer::Writer;
use crate::index::plugin::value::MediaValue;
use crate::media::content_hash;

/// How long a wish to stop may stay unheard while no batch comes.
const LISTEN: Duration = Duration::from_millis(50);

/// The last stage.
pub(crate) struct Filling<'a> {
    index: &'a Index,
    writer: &'a mut Writer,
    options: BuildOptions<'a>,
    report: BuildReport,
    /// Why the first document was left out.
    first: Option<Error>,
    /// What the source has given so far.
    consumed: u64,
    /// `consumed` at the last commit.
    committed: u64,
    last_commit: Instant,
    /// Line of each id, by its hash; only where documents are replaced.
    seen: HashMap<[u8; 16], u64>,
    /// Whether the index lists a source, by its id.
    roots: BTreeMap<String, bool>,
    clocks: &'a Clocks,
    /// Times of earlier runs, and of this stage itself.
    times: StageTimes,
}

/// Which commit it is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Commit {
    OnTheWay,
    Last,
}

impl<'a> Filling<'a> {
    pub(crate) fn new(
        index: &'a Index,
        writer: &'a mut Writer,
        options: BuildOptions<'a>,
        clocks: &'a Clocks,
    ) -> Self {
        let items = index.bundle().media().iter().map(|media| (media.name.clone(), 0)).collect();
        let (report, consumed) = match options.start {
            Some(start) => (start.report.clone(), start.consumed),
            None => (BuildReport { items, ..BuildReport::default() }, 0),
        };
        let times = report.stages;
        Self {
            index,
            writer,
            options,
            report,
            first: None,
            consumed,
            committed: consumed,
            last_commit: Instant::now(),
            seen: HashMap::new(),
            roots: BTreeMap::new(),
            clocks,
            times,
        }
    }

    pub(crate) fn run(
        mut self,
        input: Receiver<Vec<Result<Projected, Incoming>>>,
        all_ended: &dyn Fn() -> bool,
        progress: &mut dyn FnMut(BuildProgress),
    ) -> Result<BuildReport> {
        loop {
            let batch = match input.recv_timeout(LISTEN) {
                Ok(batch) => batch,
                Err(RecvTimeoutError::Timeout) => vec![],
                Err(RecvTimeoutError::Disconnected) => break,
            };
            let is_empty = batch.is_empty();
            for document in batch {
                if self.options.is_stopped() {
                    break;
                }
                self.take(document)?;
                self.commit_if_due()?;
            }
            if self.options.is_stopped() {
                break;
            }
            self.commit_if_due()?;
            if !is_empty {
                progress(self.progress());
            }
        }
        // Asked again, since the stages before end at it as they do at the end of the source.
        if self.options.is_stopped() {
            return Err(self.interrupted());
        }
        if !all_ended() {
            return Err(Error::new(ErrorCode::Engine, "a stage of the build panicked"));
        }
        if let Some(commits) = self.options.commits.filter(|_| self.report.documents > 0) {
            self.commit(commits, Commit::Last)?;
        }
        self.report.stages = self.stages();
        if self.report.documents == 0 && !self.options.empty {
            return Err(self.nothing());
        }
        Ok(self.report)
    }

    /// Why nothing was added: the first document's own error, where one was read.
    fn nothing(self) -> Error {
        let all = self.report.warnings;
        if let Some(first) = self.first {
            return first.within(format!("no document of the source reads, {all} left out; the first"));
        }
        let error = Error::new(ErrorCode::Empty, "the source has no document that reads");
        match self.report.skipped.into_iter().next() {
            // Of an earlier run, whose errors are no more.
            Some(first) => {
                let error = error.file(first.file).got(format!("{all} left out: {}", first.reason));
                // A file that is left out whole has no line.
                if first.line > 0 { error.line(first.line) } else { error }
            }
            None => error
                .got("no document at all")
                .hint("give a corpus with documents: JSON Lines, Parquet, or a folder of media files"),
        }
    }

    fn progress(&self) -> BuildProgress {
        BuildProgress::after(self.consumed, &self.report)
    }

    fn stages(&self) -> StageTimes {
        let mut times = self.times;
        times.read += self.clocks.read.total();
        times.encode += self.clocks.encode.total();
        times.pathways += self.clocks.pathways.total();
        times
    }

    fn take(&mut self, document: Result<Projected, Incoming>) -> Result<()> {
        self.consumed += 1;
        match document {
            Ok(document) => {
                let started = Instant::now();
                let added = self.add(document);
                self.times.index += started.elapsed();
                added
            }
            Err(Incoming::Broken(error)) => Err(error),
            Err(Incoming::Bad(error)) => {
                self.first.get_or_insert_with(|| error.clone());
                self.skip(error, None)
            }
            Err(Incoming::Passed(error)) => self.report.skip(error, None, OnBad::Warn, self.options.words),
            Err(Incoming::Document(_)) => Ok(()),
        }
    }

    /// Lists what is left out, or ends the build with it.
    fn skip(&mut self, error: Error, place: Option<&Place>) -> Result<()> {
        self.report.skip(error, place, self.options.on_bad, self.options.words)
    }

    fn commit_if_due(&mut self) -> Result<()> {
        let Some(commits) = self.options.commits else { return Ok(()) };
        let new = self.consumed - self.committed;
        let due = new >= commits.policy.documents || self.last_commit.elapsed() >= commits.policy.time;
        if new == 0 || !due {
            return Ok(());
        }
        self.commit(commits, Commit::OnTheWay)
    }

    fn commit(&mut self, commits: Commits<'_>, which: Commit) -> Result<()> {
        self.report.stages = self.stages();
        let started = Instant::now();
        let done = match self.options.existing {
            Existing::None => {
                let report = self.report.clone();
                let checkpoint = Checkpoint::new(commits.identity.clone(), self.consumed, report);
                self.writer.commit_at(&checkpoint)
            }
            Existing::Replace => {
                if which == Commit::OnTheWay {
                    self.index.begin_source(commits.identity.source())?;
                }
                self.writer.commit()
            }
        };
        self.times.commit += started.elapsed();
        self.committed = self.consumed;
        self.last_commit = Instant::now();
        done.map(drop)
    }

    /// Commits what is there, where it may.
    fn interrupted(&mut self) -> Error {
        if let Some(commits) = self.options.commits.filter(|_| self.consumed > self.committed)
            && let Err(error) = self.commit(commits, Commit::OnTheWay)
        {
            return error;
        }
        let kept = if self.options.commits.is_some() { self.report.documents } else { 0 };
        Error::new(ErrorCode::Interrupted, "stopped before the end of the source")
            .got(format!("{kept} documents committed"))
    }

    fn add(&mut self, projected: Projected) -> Result<()> {
        let Projected { mut source, items, bad } = projected;
        let flaws = std::mem::take(&mut source.document.flaws);
        let (place, on_bad) = (&source.place, self.options.on_bad);
        // A flaw has its own place, which says more: the sidecar and its line.
        for flaw in flaws {
            self.skip(flaw, None)?;
        }
        for error in bad {
            self.skip(error, Some(place))?;
        }
        let mut out = TantivyDocument::new();
        match self.index.fields().fill(&source.document, &mut out) {
            Ok(filled) => {
                let report = &mut self.report;
                for (count, new) in [
                    (&mut report.nested, filled.nested),
                    (&mut report.unknown, filled.unknown),
                    (&mut report.long_words, filled.long_words),
                ] {
                    // One warning for each kind, not for each document.
                    report.warnings += u64::from(*count == 0 && new > 0);
                    *count += new as u64;
                }
            }
            Err(error) => {
                self.first.get_or_insert_with(|| place.of(error.clone()));
                return self.skip(error, Some(place));
            }
        }
        if let Some(error) = crate::index::dir::terms::too_many(self.index.tantivy(), &out)? {
            return self.skip(error, Some(place));
        }
        if let Some((root, spot)) = source.origin.take()
            && self.is_listed(&root)?
        {
            self.index.fields().fill_origin(&Origin::new(&root, spot), &mut out);
        }
        let mut value = MediaValue::builder(self.index.media().spec());
        for item in &items {
            match value.item_with_hubs(item.media, &item.origin, &item.vector, &item.half, &item.hubs) {
                Ok(_) => {
                    let name = self.index.bundle().media()[item.media].name.clone();
                    *self.report.items.entry(name).or_default() += 1;
                }
                Err(error) => self.skip(error, Some(place))?,
            }
        }
        if value.is_empty() {
            let error = Error::new(ErrorCode::NoItems, "the document has no item; only keywords find it");
            if on_bad == OnBad::Stop {
                return Err(place.of(error));
            }
            let error = place.of(error);
            tracing::warn!("{}:{}: {}", place.file.display(), place.line, error.facts().message);
            self.report.warnings += 1;
            self.report.without_items += 1;
        } else {
            value.finish().add_to(&mut out, self.index.media().field());
        }
        if self.options.existing == Existing::Replace {
            self.replace(source.document.id.as_deref().unwrap_or_default(), place)?;
        }
        // That the host's thread has ended is no cause.
        self.writer.add(out).map_err(|error| self.writer.cause().unwrap_or(error))?;
        self.report.documents += 1;
        Ok(())
    }

    /// Whether the index lists `root`: written down before the commit that has the first document of it.
    fn is_listed(&mut self, root: &Root) -> Result<bool> {
        if let Some(listed) = self.roots.get(&root.id) {
            return Ok(*listed);
        }
        let keeps = self.index.fields().keeps_origins();
        let listed = keeps && self.index.add_root(root)?;
        if keeps && !listed {
            let what =
                "the index lists as many sources as it can, so documents do not say where they came from";
            tracing::warn!("{}: {what}", root.path);
            self.report.warnings += 1;
        }
        self.roots.insert(root.id.clone(), listed);
        Ok(listed)
    }

    fn replace(&mut self, id: &str, place: &Place) -> Result<()> {
        if let Some(first) = self.seen.insert(content_hash(id.as_bytes()), place.line) {
            return Err(Error::new(ErrorCode::DuplicateId, format!("the id {id:?} stands twice"))
                .file(&place.file)
                .line(place.line)
                .expected("one document per id")
                .got(format!("{}s {first} and {}", unit_of(&place.file), place.line))
                .hint("make the ids unique"));
        }
        self.writer.delete_id(id)?;
        Ok(())
    }
}
