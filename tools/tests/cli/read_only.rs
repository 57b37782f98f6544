//! Readers need no write access, make no file, and files are as readable as the umask says.

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};

use serde_json::Value;
use tempfile::TempDir;

use crate::files::{copy_dir, file_of};
use crate::run::{clean, command};
use crate::world::{PATHWAYS, world};

const NOBODY: u32 = 65_534;

/// A copy of the shared index that nobody may write to, and the binary and features where anybody may read them.
struct Place {
    dir: TempDir,
    index: PathBuf,
}

/// Takes the rights to write away, or gives them back to the owner.
fn chmod(path: &Path, is_writable: bool) {
    let is_dir = std::fs::symlink_metadata(path).unwrap().is_dir();
    let mode = match (is_dir, is_writable) {
        (true, true) => 0o755,
        (true, false) => 0o555,
        (false, true) => 0o644,
        (false, false) => 0o444,
    };
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    if is_dir {
        std::fs::read_dir(path).unwrap().for_each(|entry| chmod(&entry.unwrap().path(), is_writable));
    }
}

/// Else the guard cannot remove it.
impl Drop for Place {
    fn drop(&mut self) {
        chmod(&self.index, true);
    }
}

impl Place {
    fn new(change: impl FnOnce(&Path)) -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
        let index = dir.path().join("index");
        copy_dir(&world().index, &index);
        change(&index);
        chmod(&index, false);
        std::fs::copy(env!("CARGO_BIN_EXE_uncsm-index"), dir.path().join("uncsm-index")).unwrap();
        std::fs::copy(&world().features, dir.path().join("rows.safetensors")).unwrap();
        std::fs::copy(&world().corpus, dir.path().join("rows.jsonl")).unwrap();
        Self { dir, index }
    }

    /// Runs the binary as somebody whom the modes of files bind; gives exit code and JSON.
    fn run(&self, args: &str) -> (i32, Value) {
        let mut command = clean(self.dir.path().join("uncsm-index"));
        command.current_dir(self.dir.path()).args(args.split_whitespace()).arg("--json");
        command.env("UNCSM_CACHE", self.dir.path().join("none"));
        if std::fs::metadata(self.dir.path()).unwrap().uid() == 0 {
            command.uid(NOBODY).gid(NOBODY);
        }
        // Another thread that starts a process meanwhile may still hold the copy open for writing.
        let mut output = command.output();
        for _ in 0..200 {
            if !matches!(&output, Err(error) if error.kind() == std::io::ErrorKind::ExecutableFileBusy) {
                break;
            }
            std::thread::sleep(std::time::Duration::from_millis(20));
            output = command.output();
        }
        let output = output.unwrap();
        let text = if output.stdout.is_empty() { &output.stderr } else { &output.stdout };
        let value = serde_json::from_slice(text).unwrap_or_else(|_| panic!("{args}: {output:?}"));
        (output.status.code().unwrap(), value)
    }
}

/// Names, modes, lengths and times of change of all that lies in `dir`.
fn listing(dir: &Path) -> Vec<(PathBuf, u32, u64, i64, i64)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let meta = std::fs::symlink_metadata(&path).unwrap();
        if meta.is_dir() {
            found.extend(listing(&path));
        }
        found.push((path, meta.mode(), meta.len(), meta.ctime(), meta.ctime_nsec()));
    }
    found.sort();
    found
}

const LOCKS: [&str; 2] = [".tantivy-meta.lock", ".tantivy-writer.lock"];
const READS: [&str; 5] = [
    "query index --keywords red",
    "query index --features rows.safetensors --pathway image=image --rows 17..18 --filter *",
    "query index --like d00017 --facet category",
    "inspect index",
    "verify index",
];

#[test]
fn an_index_that_nobody_may_write_to_is_read() {
    let with_locks = |index: &Path| {
        for name in LOCKS {
            std::fs::write(index.join(name), "").unwrap();
        }
    };
    let without = |index: &Path| {
        for name in LOCKS {
            let _ = std::fs::remove_file(index.join(name));
        }
    };
    let locked_away = |index: &Path| with_locks(index);
    for (n, change) in [&with_locks as &dyn Fn(&Path), &without, &locked_away].into_iter().enumerate() {
        let place = Place::new(change);
        if n == 2 {
            // Of another user, with a mask that lets nobody read.
            for name in LOCKS {
                let private = std::fs::Permissions::from_mode(0o000);
                std::fs::set_permissions(place.index.join(name), private).unwrap();
            }
        }
        let before = listing(&place.index);
        for read in READS {
            let (code, found) = place.run(read);
            assert_eq!(code, 0, "{n}: {read}: {found}");
        }
        assert_eq!(listing(&place.index), before, "{n}: a reader changed something");
        // A writer says what it lacks.
        let (code, found) = place.run("delete index --id d00004");
        assert_eq!((code, &found["error"]["code"]), (2, &"io".into()), "{n}: {found}");
        assert!(found.to_string().contains(".tantivy-writer.lock"), "{found}");
    }
}

#[test]
fn readers_make_no_file_where_they_could() {
    let dir = tempfile::tempdir().unwrap();
    let index = dir.path().join("index");
    copy_dir(&world().index, &index);
    for name in LOCKS {
        let _ = std::fs::remove_file(index.join(name));
    }
    let before = listing(&index);
    for read in READS {
        let args = read.split_whitespace().map(|word| match word {
            "index" => index.as_os_str(),
            "rows.safetensors" => world().features.as_os_str(),
            word => word.as_ref(),
        });
        let output = command().args(args).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{read}: {output:?}");
        assert_eq!(listing(&index), before, "{read}");
    }
}

#[test]
fn verify_finds_the_same_damage_where_it_may_not_write() {
    let flip = |index: &Path| {
        let file = file_of(index, "store");
        let mut bytes = std::fs::read(&file).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 4;
        std::fs::write(file, bytes).unwrap();
    };
    let place = Place::new(flip);
    let (code, found) = place.run("verify index");
    assert_eq!((code, &found["ok"]), (2, &false.into()), "{found}");
    chmod(&place.index, true);
    let (_, writable) = place.run("verify index");
    assert_eq!(found, writable);
}

/// The modes of all files and folders in `dir`, once each.
fn modes(dir: &Path) -> Vec<(bool, u32)> {
    let mut modes: Vec<_> =
        listing(dir).into_iter().map(|entry| (entry.0.is_dir(), entry.1 & 0o777)).collect();
    modes.sort_unstable();
    modes.dedup();
    modes
}

#[test]
fn files_have_the_mode_that_the_umask_says() {
    let dir = tempfile::tempdir().unwrap();
    let world = world();
    let run = |umask: &str, args: &str| {
        let script = format!("umask {umask}; exec \"$0\" {args} > /dev/null");
        let status = clean("sh")
            .args(["-c", &script, env!("CARGO_BIN_EXE_uncsm-index")])
            .envs([("F", &world.features), ("C", &world.corpus), ("B", &world.bundle)])
            .current_dir(dir.path())
            .status()
            .unwrap();
        assert!(status.success(), "{args}");
    };
    let build = format!("build --features \"$F\" {PATHWAYS} --corpus \"$C\" --bundle \"$B\" --out index");
    run("027", &build);
    let index = dir.path().join("index");
    assert_eq!(modes(&index), [(false, 0o640), (true, 0o750)]);
    assert_eq!(std::fs::metadata(&index).unwrap().mode() & 0o777, 0o750);
    // What an older version made private is right after the next commit.
    for name in ["meta.json", ".managed.json"] {
        std::fs::set_permissions(index.join(name), std::fs::Permissions::from_mode(0o600)).unwrap();
    }
    run("022", "delete index --id d00004");
    let mode = |name: &str| std::fs::metadata(index.join(name)).unwrap().mode() & 0o777;
    assert_eq!([mode("meta.json"), mode(".managed.json"), mode("uncsm-index.json")], [0o644, 0o644, 0o640]);
    run("022", "attach index --bundle \"$B\"");
}
