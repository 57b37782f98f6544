//! Where pictures may lie, and where the name of one leads.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use uncsm_index::corpus::{Origin, Root};
use uncsm_index::index::Index;
use uncsm_index::{Error, ErrorCode, Result};

use super::limits::MEDIA_BYTES;
use super::lock::lock;

/// Between two looks for sources that came since.
const AGAIN: Duration = Duration::from_secs(1);

/// A picture that is not there, not in the folders that are shown, too large or none: one answer, so that it tells nothing of
/// other files.
pub fn hidden() -> Error {
    Error::new(ErrorCode::NotFound, "there is no such picture in the folders that are shown")
        .expected(format!("PNG, JPEG, GIF, WebP, BMP or TIFF of at most {} MiB", MEDIA_BYTES >> 20))
        .hint("these are the folders of the sources, unless the server was started with others")
}

/// Folders that pictures are shown from.
pub struct Roots {
    /// By the user, without links.
    given: Option<Vec<PathBuf>>,
    /// By index: those of its sources.
    known: Vec<Mutex<Option<Looked>>>,
}

/// When the sources of an index were looked at, and what was found.
type Looked = (Instant, Arc<Known>);

/// The sources of an index.
#[derive(Default)]
struct Known {
    /// By id of a source: the folder that names are relative to.
    bases: BTreeMap<String, PathBuf>,
    /// These, without links, as far as they are there.
    folders: Vec<PathBuf>,
}

impl Roots {
    /// # Errors
    /// [`ErrorCode::NotFound`] for a folder of `given` that is not there.
    pub fn new(given: &[PathBuf], indexes: usize) -> Result<Self> {
        let real = |dir: &PathBuf| {
            let real = dir.canonicalize().map_err(|e| Error::io(dir, e))?;
            match real.is_dir() {
                true => Ok(real),
                false => Err(Error::new(ErrorCode::BadArgument, "a --media-root is no folder").file(dir)),
            }
        };
        let given = given.iter().map(real).collect::<Result<Vec<_>>>()?;
        let known = (0..indexes).map(|_| Mutex::default()).collect();
        Ok(Self { given: (!given.is_empty()).then_some(given), known })
    }

    /// The file that `name` of a document leads to, without links, where that lies in one of the folders.
    ///
    /// # Errors
    /// [`ErrorCode::NotFound`], the same for what is not there and for what may not be shown.
    pub fn resolve(
        &self,
        (at, index): (usize, &Index),
        origin: Option<&Origin>,
        name: &str,
    ) -> Result<PathBuf> {
        if name.is_empty() || name.contains('\0') {
            return Err(hidden());
        }
        let known = self.known(at, index, origin)?;
        let base = origin.and_then(|origin| known.bases.get(&origin.root));
        let folders = self.given.as_ref().unwrap_or(&known.folders);
        // Where the source has gone, its pictures may have come into a folder that the user names.
        let elsewhere = self.given.iter().flatten();
        base.into_iter()
            .chain(elsewhere)
            .find_map(|base| within(folders, &base.join(name)))
            .ok_or_else(hidden)
    }

    fn known(&self, at: usize, index: &Index, origin: Option<&Origin>) -> Result<Arc<Known>> {
        let Some(slot) = self.known.get(at) else { return Ok(Arc::default()) };
        let mut slot = lock(slot);
        if let Some((since, known)) = &*slot {
            let has = origin.is_none_or(|origin| known.bases.contains_key(&origin.root));
            if has || since.elapsed() < AGAIN {
                return Ok(known.clone());
            }
        }
        let known = Arc::new(Known::of(index.roots()?));
        *slot = Some((Instant::now(), known.clone()));
        Ok(known)
    }
}

impl Known {
    fn of(roots: impl IntoIterator<Item = Root>) -> Self {
        let mut out = Self::default();
        for root in roots {
            let path = Path::new(&root.path);
            let base = if root.kind == "folder" { Some(path) } else { path.parent() };
            let Some(base) = base else { continue };
            // A source at the top does not open the whole disk.
            if let Some(real) = base.canonicalize().ok().filter(|real| real.parent().is_some())
                && !out.folders.contains(&real)
            {
                out.folders.push(real);
            }
            out.bases.insert(root.id, base.to_path_buf());
        }
        out
    }
}

/// `path` without links, where it is in one of `folders`, which have none.
fn within(folders: &[PathBuf], path: &Path) -> Option<PathBuf> {
    let real = path.canonicalize().ok()?;
    folders.iter().any(|folder| real.starts_with(folder) && real != *folder).then_some(real)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn no_name_leads_out_of_the_folders() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        fs::create_dir_all(at("in/deep")).unwrap();
        fs::create_dir_all(at("in2")).unwrap();
        for name in ["in/a.png", "in/deep/b.png", "in2/c.png", "secret.png"] {
            fs::write(at(name), name).unwrap();
        }
        let folders = [at("in").canonicalize().unwrap()];
        let found =
            |name: &str| within(&folders, &at("in").join(name)).map(|path| fs::read_to_string(path).unwrap());
        assert_eq!(found("a.png").as_deref(), Some("in/a.png"));
        assert_eq!(found("deep/../deep/b.png").as_deref(), Some("in/deep/b.png"));
        let absolute = at("secret.png");
        for name in [
            "../secret.png",
            "deep/../../secret.png",
            "../in2/c.png",
            "nothing.png",
            "",
            ".",
            absolute.to_str().unwrap(),
            "/etc/passwd",
        ] {
            assert_eq!(within(&folders, &at("in").join(name)), None, "{name}");
        }
        #[cfg(unix)]
        {
            std::os::unix::fs::symlink(at("secret.png"), at("in/link.png")).unwrap();
            std::os::unix::fs::symlink(at("in2"), at("in/way")).unwrap();
            std::os::unix::fs::symlink(at("in/a.png"), at("in/inner.png")).unwrap();
            assert_eq!((found("link.png"), found("way/c.png")), (None, None));
            assert_eq!(found("inner.png").as_deref(), Some("in/a.png"));
        }
        let known = Known::of([
            Root::new("jsonl", &at("in/c.jsonl")),
            Root::new("folder", &at("in2")),
            Root::new("jsonl", Path::new("/c.jsonl")),
        ]);
        assert_eq!(known.folders, [folders[0].clone(), at("in2").canonicalize().unwrap()]);
        assert_eq!(known.bases.len(), 3);
    }
}
