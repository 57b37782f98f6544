//! What encoders are opened from: folders, families, and encoders of the app.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::families::Families;
use crate::corpus::EncoderArg;
use crate::encode::Encoder;
use crate::encode::family::Family;
use crate::encode::picture::DecodeLimits;
use crate::error::Result;

/// A list of folders with encoders, separated as in `PATH`.
pub(super) const ENCODERS: &str = "UNCSM_ENCODERS";
/// The folder of what this program keeps, in place of the system's.
const CACHE: &str = "UNCSM_CACHE";

/// Where encoders come from: folders with weights, each with encoders at `NAME` or `ORG/NAME`, in order; the families that
/// open them; and encoders that an app made itself.
///
/// # Example
/// ```
/// use uncsm_index::encode::Registry;
///
/// // The built-in encoders need no folder; others lie below `models`, or where the environment says.
/// let registry = Registry::from_env().with_root("models");
/// let encoder = registry.open("image", "builtin-image-v1")?;
/// assert_eq!(encoder.features(), 1428);
/// # Ok::<(), uncsm_index::Error>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct Registry {
    roots: Vec<PathBuf>,
    cache: Option<PathBuf>,
    named: Vec<EncoderArg>,
    limits: DecodeLimits,
    families: Families,
    own: Own,
}

/// Encoders of the app by media type and name.
#[derive(Clone, Default)]
struct Own(BTreeMap<(String, String), Arc<dyn Encoder>>);

impl fmt::Debug for Own {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.keys()).finish()
    }
}

impl Registry {
    /// The folders of `UNCSM_ENCODERS`, a list as in `PATH`, and then the cache: `$UNCSM_CACHE/encoders`, else
    /// `$XDG_CACHE_HOME/uncsm-index/encoders`, else `$HOME/.cache/uncsm-index/encoders`.
    pub fn from_env() -> Self {
        Self::from_vars(|name| std::env::var_os(name))
    }

    /// As [`Registry::from_env`], with `var` in place of the environment.
    pub fn from_vars(var: impl Fn(&str) -> Option<OsString>) -> Self {
        let set = |name: &str| var(name).filter(|value| !value.is_empty());
        let listed = set(ENCODERS).map(|list| std::env::split_paths(&list).collect::<Vec<_>>());
        let roots = listed.unwrap_or_default().into_iter().filter(|root| !root.as_os_str().is_empty());
        let own = || set(CACHE).map(PathBuf::from);
        let xdg = || set("XDG_CACHE_HOME").map(|dir| Path::new(&dir).join("uncsm-index"));
        let home = || set("HOME").map(|dir| Path::new(&dir).join(".cache").join("uncsm-index"));
        let cache = own().or_else(xdg).or_else(home).map(|dir| dir.join("encoders"));
        Self { roots: roots.collect(), cache, ..Self::default() }
    }

    /// Adds a folder that is searched before all others, such as the one inside an index.
    #[must_use]
    pub fn with_root(mut self, root: impl Into<PathBuf>) -> Self {
        self.roots.insert(0, root.into());
        self
    }

    /// Adds an encoder that the app made, for items of `media`. It is found under its own name, before any folder: name it
    /// in training, and a bundle that was trained with it finds it by name and fingerprint.
    ///
    /// # Example
    /// ```
    /// use std::sync::Arc;
    /// use uncsm_index::Result;
    /// use uncsm_index::encode::{Encoder, Item, Registry};
    /// use uncsm_index::media::Fingerprint;
    ///
    /// /// How long a text is, and how many words it has.
    /// struct Lengths;
    ///
    /// impl Encoder for Lengths {
    ///     fn name(&self) -> &str {
    ///         "lengths"
    ///     }
    ///     fn fingerprint(&self) -> Fingerprint {
    ///         Fingerprint::of([b"lengths, version 1".as_slice()])
    ///     }
    ///     fn features(&self) -> usize {
    ///         2
    ///     }
    ///     fn encode(&self, items: &[Item<'_>]) -> Vec<Result<Vec<f32>>> {
    ///         let of = |text: &str| vec![text.len() as f32, text.split_whitespace().count() as f32];
    ///         let each = |item: &Item<'_>| match item {
    ///             Item::Text(text) => Ok(of(text)),
    ///             Item::Bytes(bytes) => Ok(of(&String::from_utf8_lossy(bytes))),
    ///         };
    ///         items.iter().map(each).collect()
    ///     }
    /// }
    ///
    /// let registry = Registry::default().with_encoder("text", Arc::new(Lengths));
    /// assert_eq!(registry.open("text", "lengths")?.features(), 2);
    /// # Ok::<(), uncsm_index::Error>(())
    /// ```
    #[must_use]
    pub fn with_encoder(mut self, media: impl Into<String>, encoder: Arc<dyn Encoder>) -> Self {
        self.own.0.insert((media.into(), encoder.name().to_owned()), encoder);
        self
    }

    /// Adds a family, which is asked before those that are there.
    #[must_use]
    pub fn with_family(mut self, family: Arc<dyn Family>) -> Self {
        self.families.add(family);
        self
    }

    /// The same families and limits over the folder `root` alone.
    pub(crate) fn only(&self, root: impl Into<PathBuf>) -> Self {
        Self { families: self.families.clone(), limits: self.limits, ..Self::default() }.with_root(root)
    }

    /// Says which encoder serves a media type, by name or path, in place of the one that would be found.
    #[must_use]
    pub fn with_named(mut self, named: &[EncoderArg]) -> Self {
        self.named = named.to_vec();
        self
    }

    /// Limits of the encoders that decode pictures.
    #[must_use]
    pub fn with_limits(mut self, limits: DecodeLimits) -> Self {
        self.limits = limits;
        self
    }

    /// All folders, in the order in which they are searched; the cache is the last.
    pub fn roots(&self) -> impl Iterator<Item = &Path> {
        self.roots.iter().chain(&self.cache).map(PathBuf::as_path)
    }

    /// The folder that pulled encoders go to.
    pub fn cache(&self) -> Option<&Path> {
        self.cache.as_deref()
    }

    /// What [`Registry::with_named`] said for `media`.
    pub fn named(&self, media: &str) -> Option<&str> {
        self.named.iter().find(|arg| arg.media == media).map(|arg| arg.encoder.as_str())
    }

    /// Limits of the encoders that decode pictures.
    pub fn limits(&self) -> DecodeLimits {
        self.limits
    }

    /// The encoder of the app that serves `media` under this name.
    pub(crate) fn own(&self, media: &str, name: &str) -> Option<&Arc<dyn Encoder>> {
        self.own.0.get(&(media.to_owned(), name.to_owned()))
    }

    /// The family of the folder or file at `path`. Cost: reads its settings, or the header of its weights.
    ///
    /// # Errors
    /// Those of [`Signs::of`](crate::encode::Signs::of); [`crate::ErrorCode::BadValue`] for a model of no family.
    pub fn family(&self, path: &Path) -> Result<Arc<dyn Family>> {
        self.families.of(path)
    }

    pub(super) fn families(&self) -> &Families {
        &self.families
    }

    /// The folders as one string, for errors.
    pub(super) fn searched(&self) -> String {
        let roots: Vec<String> = self.roots().map(|root| root.display().to_string()).collect();
        if roots.is_empty() { "no folder".into() } else { roots.join(", ") }
    }
}

/// `ORG/NAME`.
pub(super) fn is_hub_name(name: &str) -> bool {
    let part = |part: &str| {
        let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
        !part.is_empty() && !part.starts_with('.') && part.bytes().all(plain)
    };
    name.split_once('/').is_some_and(|(org, name)| part(org) && part(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_gives_the_folders() {
        let roots = |vars: &[(&str, &str)]| {
            let var = |name: &str| vars.iter().find(|(n, _)| *n == name).map(|(_, v)| OsString::from(v));
            Registry::from_vars(var).roots().map(|root| root.display().to_string()).collect::<Vec<_>>()
        };
        let home = ("HOME", "/h");
        assert_eq!(roots(&[home]), ["/h/.cache/uncsm-index/encoders"]);
        assert_eq!(roots(&[home, ("XDG_CACHE_HOME", "/x")]), ["/x/uncsm-index/encoders"]);
        assert_eq!(roots(&[home, ("XDG_CACHE_HOME", ""), (CACHE, "/c")]), ["/c/encoders"]);
        let list = std::env::join_paths(["/a", "/b"]).unwrap();
        assert_eq!(roots(&[(ENCODERS, list.to_str().unwrap()), (CACHE, "c")]), ["/a", "/b", "c/encoders"]);
        assert!(roots(&[]).is_empty());
    }

    #[test]
    fn names_of_the_hub() {
        assert!(is_hub_name("sentence-transformers/all-MiniLM-L6-v2"));
        for other in ["minilm", "a/b/c", "/a", "a/", "../a", "a/..", "a b/c"] {
            assert!(!is_hub_name(other), "{other}");
        }
    }
}
