//! Files and folders of tests, of the library's and of the command line's.

use std::path::{Path, PathBuf};

/// A path as an argument.
pub fn s(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Copies all of the folder `from` into `to`, which may be there.
pub fn copy_dir(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_dir(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// The files of extension `ext` in `dir`, in order.
pub fn files_with(dir: &Path, ext: &str) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> =
        std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|found| found == ext));
    paths.sort();
    paths
}

/// The only file of extension `ext` in `dir`.
pub fn file_of(dir: &Path, ext: &str) -> PathBuf {
    let mut paths = files_with(dir, ext);
    assert_eq!(paths.len(), 1, "one .{ext} file in {}", dir.display());
    paths.remove(0)
}

/// All files that hold something, by their place in `dir`, in order.
pub fn files_of(dir: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let entry = entry.unwrap();
        let name = PathBuf::from(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            files.extend(files_of(&entry.path()).into_iter().map(|file| name.join(file)));
        } else if entry.metadata().unwrap().len() > 0 {
            files.push(name);
        }
    }
    files.sort();
    files
}

/// Puts another file of `bytes` in the place of `path`.
///
/// Never by writing into it: a reader that is about to be dropped, or the thread that watches its `meta.json`, may have
/// mapped the old one, and a mapped file that is cut ends the process.
pub fn put(path: &Path, bytes: impl AsRef<[u8]>) {
    let mut new = path.as_os_str().to_owned();
    new.push(".new");
    std::fs::write(&new, bytes).unwrap();
    std::fs::rename(new, path).unwrap();
}

/// Writes one line per value.
pub fn write_lines<T: std::fmt::Display>(path: &Path, lines: &[T]) {
    let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
    std::fs::write(path, text).unwrap();
}

/// Changes a JSON file.
pub fn edit_json(path: &Path, change: impl FnOnce(&mut serde_json::Value)) {
    let mut value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    change(&mut value);
    put(path, value.to_string());
}
