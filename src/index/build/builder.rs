//! One verb to build: what the command line, the demo and an app call alike.

use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use super::fresh;
use super::into;
use super::options::{BuildProgress, CommitPolicy};
use super::partial::ExistingOut;
use super::report::{BuildReport, OnBad};
use super::settings::Settings;
use super::source::Source;
use crate::corpus::{IdsFrom, Shard};
use crate::encode::Registry;
use crate::error::{Error, ErrorCode, Result};
use crate::hint::{Hint, Named, Setting, Task};
use crate::index::dir::layout::set_aside;
use crate::model::Bundle;
use crate::schema::SchemaOverrides;

/// Builds an index, or adds to one.
///
/// A new index is made in `OUT.partial` and renamed when it is whole: killed at any moment, there is none at its place, or
/// a whole one. It commits on its way ([`CommitPolicy`]), so that [`IndexBuilder::resume`] goes on from there.
///
/// ```no_run
/// # use uncsm_index::{Result, index::IndexBuilder, model::Bundle};
/// # fn main() -> Result<()> {
/// let bundle = Bundle::load("bundle".as_ref())?;
/// let report = IndexBuilder::new("index", &bundle).source("corpus.jsonl").run()?;
/// println!("{} documents", report.documents);
/// // Later: documents of equal id are replaced, all in one commit.
/// IndexBuilder::add_to("index").source("more.jsonl").run()?;
/// # Ok(())
/// # }
/// ```
pub struct IndexBuilder<'a> {
    place: PathBuf,
    /// Of a new index; one that is there has its own.
    bundle: Option<&'a Bundle>,
    source: Option<Source>,
    append: bool,
    existing: ExistingOut,
    resume: bool,
    settings: Settings<'a>,
}

impl<'a> IndexBuilder<'a> {
    /// A new index at `out`, which must not exist unless [`IndexBuilder::append`] or [`IndexBuilder::force`] is said.
    pub fn new(out: impl AsRef<Path>, bundle: &'a Bundle) -> Self {
        Self { bundle: Some(bundle), ..Self::add_to(out) }
    }

    /// Documents into the index at `dir`, in one commit. Those of equal id are replaced, and keep the vectors of items of
    /// equal content.
    pub fn add_to(dir: impl AsRef<Path>) -> Self {
        Self {
            place: dir.as_ref().to_path_buf(),
            bundle: None,
            source: None,
            append: false,
            existing: ExistingOut::Refuse,
            resume: false,
            settings: Settings::default(),
        }
    }

    /// What is indexed: a path of a corpus, or any [`Source`].
    #[must_use]
    pub fn source(mut self, source: impl Into<Source>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// An index that is there gets more documents, in commits on the way; those of equal id are replaced. Stopped, it is
    /// incomplete until the same source is appended to its end. Without one, a new index is built.
    #[must_use]
    pub fn append(mut self) -> Self {
        self.append = true;
        self
    }

    /// An index that is there makes room when the new one is whole.
    #[must_use]
    pub fn force(mut self) -> Self {
        self.existing = ExistingOut::Replace;
        self
    }

    /// A new index goes on from the last commit of a build that was stopped, where there is one; source and settings must
    /// be the same.
    #[must_use]
    pub fn resume(mut self) -> Self {
        self.resume = true;
        self
    }

    /// Fields that differ from what a scan of the source infers.
    #[must_use]
    pub fn schema(mut self, schema: SchemaOverrides) -> Self {
        self.settings.schema = Some(schema);
        self
    }

    /// What ids of documents without one are made from, in a new index (default: their line). Into an index that is there
    /// documents must bring their ids.
    #[must_use]
    pub fn ids_from(mut self, from: IdsFrom) -> Self {
        self.settings.ids = from;
        self
    }

    /// What to do with a document or item that does not read.
    #[must_use]
    pub fn on_bad(mut self, on_bad: OnBad) -> Self {
        self.settings.on_bad = on_bad;
        self
    }

    /// When to commit on the way. [`IndexBuilder::add_to`] commits once, and refuses this.
    #[must_use]
    pub fn commits(mut self, policy: CommitPolicy) -> Self {
        self.settings.policy = Some(policy);
        self
    }

    /// Bytes for documents that are not yet in a segment: 128 MiB unless this says otherwise, 15 MB at least, and less than
    /// 4 GiB (4,293,967,294 bytes at most).
    #[must_use]
    pub fn memory(mut self, bytes: usize) -> Self {
        self.settings.memory = bytes;
        self
    }

    /// Copies the weights of the bundle's encoders into the index, so that it answers without them. An encoder that the app
    /// made has no files to copy, and is refused.
    #[must_use]
    pub fn embed_encoders(mut self) -> Self {
        self.settings.embed = true;
        self
    }

    /// Builds one part of the source alone, to be merged with the others by [`IndexMerger`](crate::index::IndexMerger) or searched beside
    /// them. The fields are those of the whole source.
    ///
    /// Run again, a part that is whole stays as it is ([`ShardDone::already`](crate::index::ShardDone)), and one that was stopped goes on
    /// from its last commit; with [`IndexBuilder::force`] it is built anew.
    #[must_use]
    pub fn shard(mut self, shard: Shard) -> Self {
        self.settings.shard = Some(shard);
        self
    }

    /// Leaves out cells and codes: for an index that is to be merged, which makes them. Until then an approximate search looks at every
    /// row.
    #[must_use]
    pub fn without_cells(mut self) -> Self {
        self.settings.cells = false;
        self
    }

    /// Where encoders with weights are looked for, and limits of what they decode. Where nobody says so: where
    /// [`Registry::from_env`] says, as an [`Engine`](crate::search::Engine) does.
    #[must_use]
    pub fn encoder_paths(mut self, paths: Registry) -> Self {
        self.settings.paths = paths;
        self
    }

    /// Hears how far it has come: once before the first document, and after each batch.
    #[must_use]
    pub fn progress(mut self, hear: impl FnMut(BuildProgress) + 'a) -> Self {
        self.settings.progress = Box::new(hear);
        self
    }

    /// Ends the build soon after the flag is set that `listen` gives, with [`ErrorCode::Interrupted`] and what is there
    /// committed. It is asked once, before the first document: what comes before needs no orderly end.
    #[must_use]
    pub fn interrupt<'s: 'a>(mut self, listen: impl FnOnce() -> Result<&'s AtomicBool> + 'a) -> Self {
        // A flag that lives longer will do.
        self.settings.interrupt = Some(Box::new(move || listen().map(|flag| -> &'a AtomicBool { flag })));
        self
    }

    /// What settings and tasks are called in the reasons of the report.
    #[must_use]
    pub fn words(mut self, words: fn(Named) -> String) -> Self {
        self.settings.words = Some(words);
        self
    }

    /// Builds, to the end of the source.
    ///
    /// # Errors
    /// [`ErrorCode::BadArgument`] without a source, or for settings that are out of range or exclude each other; [`ErrorCode::Exists`];
    /// [`ErrorCode::Locked`] while another writer is at work; [`ErrorCode::Changed`] where a build is resumed with another
    /// source or other settings, or a part that is there was; [`ErrorCode::DuplicateId`]; [`ErrorCode::Interrupted`]; those of opening source, schema,
    /// encoders and index, and of [`build`](super::pipeline::build).
    pub fn run(self) -> Result<BuildReport> {
        let Self { place, bundle, source, append, existing, resume, settings } = self;
        let force = existing == ExistingOut::Replace;
        let source = source.ok_or_else(|| {
            Error::new(ErrorCode::BadArgument, "no source is named")
                .hint("give a corpus, or a file of features")
        })?;
        settings.check()?;
        let source = match settings.shard {
            Some(shard) if append || bundle.is_none() => {
                return Err(Error::new(ErrorCode::BadArgument, "a part of a source is an index of its own")
                    .file(&place)
                    .got(shard)
                    .hint(
                        Hint::new("leave out")
                            .setting(Setting::Shard)
                            .text(", or build it, and then use")
                            .task(Task::Merge),
                    ));
            }
            Some(shard) => source.part(shard),
            None => source,
        };
        let Some(bundle) = bundle else {
            if append || force || resume || settings.policy.is_some() {
                let what = "what is added in one commit is neither appended, nor put in place of an index, nor resumed, nor committed on the way";
                return Err(Error::new(ErrorCode::BadArgument, what).file(&place));
            }
            return into::add(&place, &source, settings);
        };
        if append && force {
            return Err(Error::new(ErrorCode::BadArgument, "an index is either added to or replaced")
                .file(&place)
                .hint(Hint::new("leave out").setting(Setting::Append).text(" or").setting(Setting::Force)));
        }
        if append && (place.exists() || set_aside(&place).is_some()) {
            return into::append(&place, bundle, &source, settings);
        }
        settings.check_embedding(bundle, &source.named_in(&settings.paths))?;
        fresh::run(&fresh::Place { out: &place, existing, resume }, bundle, &source, settings)
    }
}
