//! The folders that encoders are looked for in.

use std::ffi::OsString;
use std::path::{Component, Path, PathBuf};

use super::folder::Folder;
use crate::corpus::EncoderArg;
use crate::encode::Encoder;
use crate::encode::builtin::{Builtin, builtin};
use crate::encode::decode::DecodeLimits;
use crate::encode::image::BuiltinImage;
use crate::error::{Error, ErrorCode, Result};

/// A list of folders with encoders, separated as in `PATH`.
const ENCODERS: &str = "UNCSM_ENCODERS";
/// The folder of what this program keeps, in place of the system's.
const CACHE: &str = "UNCSM_CACHE";

/// Where encoders with weights are looked for: folders, each with encoders at `NAME` or `ORG/NAME`, in order.
///
/// # Example
/// ```
/// use uncsm_index::encode::EncoderPaths;
///
/// // The built-in encoders need no folder; others lie below `models`, or where the environment says.
/// let paths = EncoderPaths::from_env().with_root("models");
/// let encoder = paths.open("image", "builtin-image-v1")?;
/// assert_eq!(encoder.features(), 1428);
/// # Ok::<(), uncsm_index::Error>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct EncoderPaths {
    roots: Vec<PathBuf>,
    cache: Option<PathBuf>,
    named: Vec<EncoderArg>,
    limits: DecodeLimits,
}

impl EncoderPaths {
    /// The folders of `UNCSM_ENCODERS`, a list as in `PATH`, and then the cache: `$UNCSM_CACHE/encoders`, else
    /// `$XDG_CACHE_HOME/uncsm-index/encoders`, else `$HOME/.cache/uncsm-index/encoders`.
    pub fn from_env() -> Self {
        Self::from_vars(|name| std::env::var_os(name))
    }

    /// As [`EncoderPaths::from_env`], with `var` in place of the environment.
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

    /// What [`EncoderPaths::with_named`] said for `media`.
    pub fn named(&self, media: &str) -> Option<&str> {
        self.named.iter().find(|arg| arg.media == media).map(|arg| arg.encoder.as_str())
    }

    /// Limits of the encoders that decode pictures.
    pub fn limits(&self) -> DecodeLimits {
        self.limits
    }

    /// Opens the encoder `name_or_dir` of `media`: a built-in one, a path, or a name below the folders, where the first
    /// folder that has it counts. With the feature `hub`, a name `ORG/NAME` that is nowhere is pulled into the cache.
    ///
    /// # Errors
    /// [`ErrorCode::NotFound`] with all folders searched; those of [`Folder::new`] and [`Folder::open`]; for the built-in
    /// encoder of texts, which learns from a corpus, [`ErrorCode::BadDimension`].
    pub fn open(&self, media: &str, name_or_dir: &str) -> Result<Box<dyn Encoder>> {
        if Builtin::by_name(name_or_dir).is_some() {
            return self.builtin(media, name_or_dir, &[]);
        }
        match self.locate(name_or_dir)? {
            Some(folder) => folder.open(media, self.limits),
            None => self.pull(media, name_or_dir)?.open(media, self.limits),
        }
    }

    /// As [`builtin`], with the limits of these paths.
    pub(crate) fn builtin(&self, media: &str, name: &str, state: &[f32]) -> Result<Box<dyn Encoder>> {
        match Builtin::by_name(name) {
            Some(Builtin::Image) if state.is_empty() => Ok(Box::new(BuiltinImage::new(self.limits))),
            _ => builtin(media, name, state),
        }
    }

    /// The folder that `name_or_dir` means, or `None` where there is nothing of that name.
    ///
    /// # Errors
    /// What it means is no encoder: those of [`Folder::new`].
    pub fn locate(&self, name_or_dir: &str) -> Result<Option<Folder>> {
        let path = Path::new(name_or_dir);
        if path.exists() {
            match Folder::named_by_path(path) {
                Ok(folder) => return Ok(Some(folder)),
                Err(error) if is_path(name_or_dir) => return Err(error),
                // A bare word that happens to be a folder here too.
                Err(_) => {}
            }
        }
        match self.below_roots(name_or_dir).into_iter().next() {
            Some(path) => Folder::new(&path, name_or_dir).map(Some),
            None => Ok(None),
        }
    }

    /// What lies at `name` below the folders, in their order; a folder that is an encoder itself has its own name.
    pub(super) fn below_roots(&self, name: &str) -> Vec<PathBuf> {
        let plain = |part: Component<'_>| matches!(part, Component::Normal(_));
        if name.is_empty() || !Path::new(name).components().all(plain) {
            return Vec::new();
        }
        let mut found = Vec::new();
        for root in self.roots() {
            let inside = [root.join(name), root.join(format!("{name}.safetensors"))];
            found.extend(inside.into_iter().filter(|path| path.exists()));
            if root.file_name().is_some_and(|last| last == name) && super::Kind::of(root).is_ok() {
                found.push(root.to_path_buf());
            }
        }
        found
    }

    /// The folders as one string, for errors.
    pub(super) fn searched(&self) -> String {
        let roots: Vec<String> = self.roots().map(|root| root.display().to_string()).collect();
        if roots.is_empty() { "no folder".into() } else { roots.join(", ") }
    }

    #[cfg(feature = "hub")]
    fn pull(&self, media: &str, name: &str) -> Result<Folder> {
        match is_hub_name(name) {
            true => super::hub::fetch(name, self),
            false => Err(self.absent(media, name)),
        }
    }

    #[cfg(not(feature = "hub"))]
    fn pull(&self, media: &str, name: &str) -> Result<Folder> {
        Err(self.absent(media, name))
    }

    fn absent(&self, media: &str, name: &str) -> Error {
        let what = format!("no encoder `{name}` for the media type `{media}`");
        let known = Builtin::ALL.map(Builtin::name).join(", ");
        let mut hint = format!("name its folder, or put the folder of its weights into one of {ENCODERS}");
        if cfg!(not(feature = "hub")) && is_hub_name(name) {
            hint += "; a build with the feature `hub` pulls such a name";
        }
        Error::new(ErrorCode::NotFound, what)
            .expected(format!("one of {known}, a path, or a name in {}", self.searched()))
            .got(name)
            .hint(hint)
    }
}

/// Whether the user means a path and no name.
pub(crate) fn is_path(name_or_dir: &str) -> bool {
    let path = Path::new(name_or_dir);
    path.is_absolute() || name_or_dir.starts_with('.') || path.components().count() > 1
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
    use crate::encode::resolve::testing::{fingerprint, write};

    #[test]
    fn the_environment_gives_the_folders() {
        let roots = |vars: &[(&str, &str)]| {
            let var = |name: &str| vars.iter().find(|(n, _)| *n == name).map(|(_, v)| OsString::from(v));
            let paths = EncoderPaths::from_vars(var);
            paths.roots().map(|root| root.display().to_string()).collect::<Vec<_>>()
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
    fn an_encoder_is_opened_by_path_or_name() {
        let dir = tempfile::tempdir().unwrap();
        let (a, b) = (dir.path().join("a"), dir.path().join("b"));
        let first = write(&a, "org/one", 1);
        write(&b, "org/one", 2);
        write(&b, "two", 3);
        let paths = EncoderPaths::default().with_root(&b).with_root(&a);
        let open = |name: &str| {
            let encoder = paths.open("text", name).unwrap();
            (encoder.name().to_owned(), encoder.fingerprint())
        };
        assert_eq!(open("org/one"), ("org/one".into(), fingerprint(1)), "the first folder counts");
        assert_eq!(open("two"), ("two".into(), fingerprint(3)));
        assert_eq!(open(first.to_str().unwrap()), ("one".into(), fingerprint(1)));
        // A folder of the list may be an encoder itself.
        let itself = EncoderPaths::default().with_root(&first);
        assert_eq!(itself.open("text", "one").unwrap().fingerprint(), fingerprint(1));
        assert_eq!(paths.open("image", "two").err().unwrap().code(), ErrorCode::BadArgument);
        assert_eq!(paths.open("title", "two").unwrap().features(), 4);
        assert_eq!(paths.open("image", "builtin-image-v1").unwrap().name(), "builtin-image-v1");
    }

    #[test]
    fn what_is_absent_is_named_with_every_folder() {
        let dir = tempfile::tempdir().unwrap();
        let (a, b) = (dir.path().join("a"), dir.path().join("b"));
        write(&a, "one", 1);
        std::fs::write(a.join("one").join("config.json"), "{").unwrap();
        let paths = EncoderPaths::default().with_root(&b).with_root(&a);
        let error = paths.open("text", "minilm").err().unwrap();
        assert_eq!(error.code(), ErrorCode::NotFound);
        let text = error.to_string();
        for part in ["minilm", a.to_str().unwrap(), b.to_str().unwrap(), ENCODERS, "builtin-text-v1"] {
            assert!(text.contains(part), "{part}: {text}");
        }
        // Nothing outside of the folders is meant by a name.
        for name in ["../a/one/x", "/nowhere/one", "a/../../b", ""] {
            assert_eq!(paths.open("text", name).err().unwrap().code(), ErrorCode::NotFound, "{name}");
        }
        assert_eq!(paths.open("text", "one").err().unwrap().code(), ErrorCode::BadJson);
        let path = a.join("one");
        assert_eq!(paths.open("text", path.to_str().unwrap()).err().unwrap().code(), ErrorCode::BadJson);
    }

    #[cfg(not(feature = "hub"))]
    #[test]
    fn a_name_of_the_hub_names_the_feature() {
        let error = EncoderPaths::default().open("text", "some-org/some-model").err().unwrap();
        assert_eq!(error.code(), ErrorCode::NotFound);
        assert!(error.to_string().contains("feature `hub`"), "{error}");
    }

    #[test]
    fn names_of_the_hub() {
        assert!(is_hub_name("sentence-transformers/all-MiniLM-L6-v2"));
        for other in ["minilm", "a/b/c", "/a", "a/", "../a", "a/..", "a b/c"] {
            assert!(!is_hub_name(other), "{other}");
        }
    }
}
