//! Files and folders that appear whole, with the mode that the umask says.

use std::io::{self, Write};
use std::path::Path;

use crate::error::{Error, Result};
use crate::index::files::names::LEFT_OVER;

/// Replaces the file at `path` by one of these bytes, in one step. The bytes are durable when it returns, the name is
/// once the folder is synced.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = path.parent().ok_or_else(|| io::Error::other("the path has no folder"))?;
    let mut left = 3;
    loop {
        let mut file = builder(0o666).tempfile_in(folder)?;
        file.write_all(bytes)?;
        file.as_file().sync_data()?;
        match file.persist(path) {
            Ok(_) => return Ok(()),
            // A writer that has just begun took it for left over.
            Err(error) if error.error.kind() == io::ErrorKind::NotFound && left > 0 => left -= 1,
            Err(error) => return Err(error.error),
        }
    }
}

/// Makes renames in `dir` durable, where the system can.
///
/// # Errors
/// Those of the system, naming `dir`.
pub(crate) fn sync_dir(dir: &Path) -> Result<()> {
    #[cfg(unix)]
    std::fs::File::open(dir).and_then(|d| d.sync_all()).map_err(|e| Error::io(dir, e))?;
    #[cfg(not(unix))]
    let _ = dir;
    Ok(())
}

/// A folder under construction in `dir`, as readable as any that the user makes.
pub(crate) fn new_folder(dir: &Path) -> io::Result<tempfile::TempDir> {
    builder(0o777).tempdir_in(dir)
}

/// Temporary files are private, unless a mode is given, of which the umask takes away.
fn builder(mode: u32) -> tempfile::Builder<'static, 'static> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(LEFT_OVER);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        builder.permissions(std::fs::Permissions::from_mode(mode));
    }
    #[cfg(not(unix))]
    let _ = mode;
    builder
}
