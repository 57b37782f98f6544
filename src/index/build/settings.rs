//! What is said of a build beside its source: shared by new indexes and changed ones.

use std::sync::atomic::AtomicBool;

use super::identity::Identity;
use super::options::{BuildOptions, BuildProgress, CommitPolicy, Commits};
use super::report::OnBad;
use super::source::Source;
use crate::encode::Registry;
use crate::error::{Error, Result};
use crate::hint::{Named, Setting};
use crate::model::Bundle;
use crate::schema::SchemaOverrides;

/// Bytes for documents that are not yet in a segment, unless the caller says otherwise.
const MEMORY: usize = 128 << 20;

/// Gives the flag that a user's wish to stop sets; called once, before the first document.
pub(crate) type Listen<'a> = Box<dyn FnOnce() -> Result<&'a AtomicBool> + 'a>;

/// All settings but source and place.
pub(crate) struct Settings<'a> {
    pub(crate) schema: Option<SchemaOverrides>,
    pub(crate) on_bad: OnBad,
    pub(crate) policy: CommitPolicy,
    pub(crate) memory: usize,
    pub(crate) embed: bool,
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
            policy: CommitPolicy::default(),
            memory: MEMORY,
            embed: false,
            paths: Registry::default(),
            words: None,
            progress: Box::new(|_| {}),
            interrupt: None,
        }
    }
}

impl<'a> Settings<'a> {
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
        Ok(identity
            .with("bundle", bundle.model())
            .with("picture limits", format!("{:?}", self.paths.limits()))
            .with(called(Setting::Strict), self.on_bad == OnBad::Stop))
    }

    /// The options of a pipeline that commits nothing, and hears of a wish to stop from now on.
    pub(crate) fn uncommitted(&mut self) -> Result<BuildOptions<'a>> {
        let stop = self.interrupt.take().map(|listen| listen()).transpose()?;
        Ok(BuildOptions { on_bad: self.on_bad, stop, words: self.words, ..BuildOptions::default() })
    }

    /// The same of one that commits on its way.
    pub(crate) fn committing<'s>(&mut self, identity: &'s Identity) -> Result<BuildOptions<'s>>
    where
        'a: 's,
    {
        let commits = Some(Commits { policy: self.policy, identity });
        Ok(BuildOptions { commits, ..self.uncommitted()? })
    }
}

/// Names the index at `dir` in the error of a full disk that names no file: the host's own errors do not.
pub(crate) fn in_index(error: Error, dir: &std::path::Path) -> Error {
    if error.is_disk_full() && error.facts().file.is_none() { error.file(dir) } else { error }
}
