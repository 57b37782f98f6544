//! What is said of a build beside its source: shared by new indexes and changed ones.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::sync::atomic::AtomicBool;

use super::identity::Identity;
use super::options::{BuildOptions, BuildProgress, CommitPolicy, Commits};
use super::report::OnBad;
use super::source::Source;
use crate::corpus::{IdsFrom, Shard};
use crate::encode::Registry;
use crate::error::{Error, ErrorCode, Result};
use crate::hint::{Hint, Named, Setting};
use crate::model::Bundle;
use crate::schema::SchemaOverrides;

/// Bytes for documents that are not yet in a segment, unless the caller says otherwise.
const MEMORY: usize = 128 << 20;

/// What the host takes for its one thread.
const TAKEN: RangeInclusive<usize> = 15_000_000..=u32::MAX as usize - 1_000_001;

/// Gives the flag that a user's wish to stop sets; called once, before the first document.
pub(crate) type Listen<'a> = Box<dyn FnOnce() -> Result<&'a AtomicBool> + 'a>;

/// All settings but source and place.
pub(crate) struct Settings<'a> {
    pub(crate) schema: Option<SchemaOverrides>,
    pub(crate) on_bad: OnBad,
    /// What ids of documents without one are made from.
    pub(crate) ids: IdsFrom,
    /// The usual where nobody says so.
    pub(crate) policy: Option<CommitPolicy>,
    pub(crate) memory: usize,
    pub(crate) embed: bool,
    /// What is built of the source; `None` for all.
    pub(crate) shard: Option<Shard>,
    /// Whether segments have cells.
    pub(crate) cells: bool,
    pub(crate) paths: Registry,
    pub(crate) words: Option<fn(Named) -> String>,
    pub(crate) progress: Box<dyn FnMut(BuildProgress) + 'a>,
    pub(crate) interrupt: Option<Listen<'a>>,
}

impl Default for Settings<'_> {
    fn default() -> Self {
        Self {
            schema: None,
            on_bad: OnBad::default(),
            ids: IdsFrom::default(),
            policy: None,
            memory: MEMORY,
            embed: false,
            shard: None,
            cells: true,
            paths: Registry::from_env(),
            words: None,
            progress: Box::new(|_| {}),
            interrupt: None,
        }
    }
}

impl<'a> Settings<'a> {
    /// Refuses what no build takes.
    ///
    /// # Errors
    /// [`ErrorCode::BadArgument`].
    pub(crate) fn check(&self) -> Result<()> {
        self.policy.as_ref().map_or(Ok(()), CommitPolicy::check)?;
        if TAKEN.contains(&self.memory) {
            return Ok(());
        }
        Err(Error::new(ErrorCode::BadArgument, "the memory for documents is out of range")
            .expected(format!("{} to {} bytes", TAKEN.start(), TAKEN.end()))
            .got(self.memory))
    }

    /// Refuses to copy the weights of an encoder that the app made, since it has no files: the index would not answer alone.
    ///
    /// # Errors
    /// [`ErrorCode::BadArgument`].
    pub(crate) fn check_embedding(&self, bundle: &Bundle, paths: &Registry) -> Result<()> {
        if !self.embed {
            return Ok(());
        }
        for media in bundle.media() {
            let name = paths.named(&media.name).unwrap_or(&media.encoder);
            let own = paths.own(&media.name, name);
            if own.is_some_and(|own| media.fingerprint == Some(own.fingerprint())) {
                let what =
                    format!("the encoder `{name}` of `{}` is one of the app, without files", media.name);
                return Err(Error::new(ErrorCode::BadArgument, what)
                    .expected("encoders in folders of their own, or built-in ones")
                    .hint(
                        Hint::new("leave out")
                            .setting(Setting::EmbedEncoders)
                            .text(", and give the encoder where the index is opened"),
                    ));
            }
        }
        Ok(())
    }

    /// What shapes the documents and items of `source` beside it, by the names of settings in the library.
    pub(crate) fn options(&self, source: &Source) -> BTreeMap<String, String> {
        let mut options = source.options();
        if !self.ids.is_line() {
            options.insert(Setting::IdFrom.as_str().to_owned(), self.ids.to_string());
        }
        options
    }

    /// What a build of `source` with these settings is known by.
    pub(crate) fn identity(&self, source: &Source, bundle: &Bundle) -> Result<Identity> {
        let called = |setting: Setting| {
            let own = || setting.as_str().to_owned();
            self.words.map_or_else(own, |words| words(Named::Setting(setting)))
        };
        let mut identity = source.identity(&called)?;
        if let Some(read) = self.schema.as_ref().and_then(SchemaOverrides::fingerprint) {
            identity = identity.with(called(Setting::Schema), read);
        }
        // Only where they are said: builds of earlier versions know nothing of them.
        if !self.ids.is_line() {
            identity = identity.with(called(Setting::IdFrom), self.ids);
        }
        if !self.cells {
            identity = identity.with("cells", false);
        }
        Ok(identity
            .with("bundle", bundle.model())
            .with("picture limits", format!("{:?}", self.paths.limits()))
            .with(called(Setting::Strict), self.on_bad == OnBad::Stop))
    }

    /// The options of a pipeline that commits nothing, and hears of a wish to stop from now on.
    pub(crate) fn uncommitted(&mut self) -> Result<BuildOptions<'a>> {
        let stop = self.interrupt.take().map(|listen| listen()).transpose()?;
        let empty = self.shard.is_some();
        Ok(BuildOptions { on_bad: self.on_bad, stop, words: self.words, empty, ..BuildOptions::default() })
    }

    /// The same of one that commits on its way.
    pub(crate) fn committing<'s>(&mut self, identity: &'s Identity) -> Result<BuildOptions<'s>>
    where
        'a: 's,
    {
        let commits = Some(Commits { policy: self.policy.unwrap_or_default(), identity });
        Ok(BuildOptions { commits, ..self.uncommitted()? })
    }
}

/// Names the index at `dir` in the error of a full disk that names no file: the host's own errors do not.
pub(crate) fn in_index(error: Error, dir: &std::path::Path) -> Error {
    if error.is_disk_full() && error.facts().file.is_none() { error.file(dir) } else { error }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encoders_are_looked_for_where_a_query_does() {
        let settings = Settings::default();
        assert_eq!(format!("{:?}", settings.paths), format!("{:?}", Registry::from_env()));
    }

    #[test]
    fn the_memory_is_what_the_host_takes() {
        for (bytes, taken) in [
            (*TAKEN.start() - 1, false),
            (*TAKEN.start(), true),
            (MEMORY, true),
            (*TAKEN.end(), true),
            (*TAKEN.end() + 1, false),
        ] {
            let index = tantivy::Index::create_in_ram(tantivy::schema::Schema::builder().build());
            let writer = index.writer_with_num_threads::<tantivy::TantivyDocument>(1, bytes);
            assert_eq!(writer.is_ok(), taken, "{bytes}");
            let settings = Settings { memory: bytes, ..Settings::default() };
            assert_eq!(settings.check().is_ok(), taken, "{bytes}");
        }
    }
}
