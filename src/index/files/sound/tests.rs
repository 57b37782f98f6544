use std::io::ErrorKind;
use std::sync::mpsc;
use std::time::Duration;

use tantivy::directory::RamDirectory;
use tantivy::merge_policy::{MergePolicy, NoMergePolicy};
use tantivy::schema::{STORED, Schema, TEXT};
use tantivy::{IndexWriter, doc};

use super::*;
use crate::index::plugin::cache::SegmentCache;
use crate::index::plugin::policy::SoundMergePolicy;

type Hook = Box<dyn FnOnce() + Send>;

/// A directory in memory that refuses to open one file, and calls a hook after it has read `meta.json`.
#[derive(Clone, Default)]
struct Moody {
    ram: RamDirectory,
    refused: Arc<Mutex<Option<PathBuf>>>,
    after_read: Arc<Mutex<Option<Hook>>>,
}

impl fmt::Debug for Moody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Moody")
    }
}

impl Directory for Moody {
    fn get_file_handle(&self, path: &Path) -> Result<Arc<dyn FileHandle>, OpenReadError> {
        if lock(&self.refused).as_deref() == Some(path) {
            let error = io::Error::new(ErrorKind::PermissionDenied, "not now");
            return Err(OpenReadError::wrap_io_error(error, path.to_path_buf()));
        }
        self.ram.get_file_handle(path)
    }

    fn delete(&self, path: &Path) -> Result<(), DeleteError> {
        self.ram.delete(path)
    }

    fn exists(&self, path: &Path) -> Result<bool, OpenReadError> {
        self.ram.exists(path)
    }

    fn open_write(&self, path: &Path) -> Result<WritePtr, OpenWriteError> {
        self.ram.open_write(path)
    }

    fn atomic_read(&self, path: &Path) -> Result<Vec<u8>, OpenReadError> {
        let bytes = self.ram.atomic_read(path);
        let hook = (path == Path::new(META)).then(|| lock(&self.after_read).take()).flatten();
        if let Some(hook) = hook {
            hook();
        }
        bytes
    }

    fn atomic_write(&self, path: &Path, data: &[u8]) -> io::Result<()> {
        self.ram.atomic_write(path, data)
    }

    fn sync_directory(&self) -> io::Result<()> {
        self.ram.sync_directory()
    }

    fn watch(&self, callback: WatchCallback) -> tantivy::Result<WatchHandle> {
        self.ram.watch(callback)
    }
}

/// Segments of one document each, written through `directory`.
fn filled(directory: impl Into<Box<dyn Directory>>, segments: usize) -> tantivy::Index {
    let mut schema = Schema::builder();
    let text = schema.add_text_field("text", TEXT | STORED);
    let index = tantivy::Index::open_or_create(directory, schema.build()).unwrap();
    let mut writer = writer(&index);
    for at in 0..segments {
        writer.add_document(doc!(text => format!("red thing {at}"))).unwrap();
        writer.commit().unwrap();
    }
    index
}

fn writer(index: &tantivy::Index) -> IndexWriter {
    let writer: IndexWriter = index.writer_with_num_threads(1, 15_000_000).unwrap();
    writer.set_merge_policy(Box::new(NoMergePolicy));
    writer
}

fn stores(index: &tantivy::Index) -> Vec<PathBuf> {
    let ids = index.searchable_segment_ids().unwrap();
    ids.iter().map(|id| format!("{}.store", id.uuid_string()).into()).collect()
}

fn flip(ram: &RamDirectory, name: &Path) {
    let mut bytes = ram.atomic_read(name).unwrap();
    bytes[0] ^= 1;
    ram.atomic_write(name, &bytes).unwrap();
}

#[test]
fn a_slow_reader_does_not_bring_back_an_older_record() {
    let moody = Moody::default();
    let sound = SoundDirectory::new(moody.clone());
    let index = filled(sound.clone(), 1);
    let (read, is_read) = mpsc::channel();
    let (written, is_written) = mpsc::channel::<()>();
    *lock(&moody.after_read) = Some(Box::new(move || {
        read.send(()).unwrap();
        // A commit that waits for this reader is not there in time, as it should be.
        let _ = is_written.recv_timeout(Duration::from_millis(300));
    }));
    let reader = {
        let sound = sound.clone();
        std::thread::spawn(move || sound.atomic_read(Path::new(META)).unwrap())
    };
    is_read.recv().unwrap();
    let text = index.schema().get_field("text").unwrap();
    let mut writer = writer(&index);
    writer.add_document(doc!(text => "late")).unwrap();
    writer.commit().unwrap();
    let _ = written.send(());
    reader.join().unwrap();
    // Not through the host, which would read the list, and with it the record, anew.
    let mut stores = sound.committed();
    stores.retain(|name| name.extension().is_some_and(|kind| kind == "store"));
    assert_eq!(stores.len(), 2);
    assert!(stores.iter().all(|name| sound.knows(name)), "{:?}", lock(&sound.shared.record));
}

#[test]
fn a_commit_that_cannot_record_a_file_fails_and_says_which() {
    let moody = Moody::default();
    filled(moody.ram.clone(), 2);
    let sound = SoundDirectory::new(moody.clone());
    let index = tantivy::Index::open(sound.clone()).unwrap();
    assert!(sound.lacks_record());
    let store = stores(&index).remove(0);
    *lock(&moody.refused) = Some(store.clone());
    let error = crate::Error::from(writer(&index).commit().unwrap_err());
    assert_eq!(error.code(), crate::ErrorCode::Io, "{error}");
    assert!(error.to_string().contains(&store.display().to_string()), "{error}");
    *lock(&moody.refused) = None;
    // Not written here: what lies there is read before it is taken for what was written.
    let whole = moody.ram.atomic_read(&store).unwrap();
    flip(&moody.ram, &store);
    let error = crate::Error::from(writer(&index).commit().unwrap_err());
    assert_eq!(error.code(), crate::ErrorCode::Damaged, "{error}");
    assert!(error.to_string().contains(&store.display().to_string()), "{error}");
    assert!(sound.lacks_record());
    moody.ram.atomic_write(&store, &whole).unwrap();
    writer(&index).commit().unwrap();
    assert!(!sound.lacks_record() && sound.knows(&store));
}

#[test]
fn a_file_is_read_whole_once() {
    let moody = Moody::default();
    let index = filled(moody.ram.clone(), 2);
    let stores = stores(&index);
    let looked = Looked::default();
    let fault = |looked: &Looked, name: &PathBuf| first_fault(index.directory(), looked, [name.clone()]);
    assert_eq!(fault(&looked, &stores[0]), None);
    // What was read by the directory is not read for a merge, nor the other way round.
    let sound = SoundDirectory::sharing(moody.clone(), &looked);
    sound.check_contents([stores[1].clone()]).unwrap();
    for store in &stores {
        flip(&moody.ram, store);
        assert_eq!(fault(&looked, store), None);
        assert_eq!(sound.check_contents([store.clone()]), Ok(()));
        let found = fault(&Looked::default(), store).unwrap();
        assert_eq!((&found.file, found.unread), (store, None));
        // Whoever verifies reads it anew.
        assert!(sound.check(store).is_err());
        assert!(sound.check_contents([store.clone()]).is_err());
    }
}

#[test]
fn a_file_that_the_system_refuses_is_not_damaged() {
    let moody = Moody::default();
    let index = filled(moody.clone(), 8);
    let cache = SegmentCache::new();
    let policy = SoundMergePolicy::new(&cache).checking(&index);
    let metas = index.searchable_segment_metas().unwrap();
    let store = stores(&index).remove(3);
    *lock(&moody.refused) = Some(store.clone());
    assert!(policy.compute_merge_candidates(&metas).is_empty(), "seven are too few");
    assert_eq!(cache.damaged(), []);
    let sound = SoundDirectory::new(moody.clone());
    for fault in [
        sound.check(&store).unwrap_err(),
        sound.check_contents([store.clone()]).unwrap_err(),
        first_fault(index.directory(), &Looked::default(), [store.clone()]).unwrap(),
    ] {
        assert_eq!((&fault.file, fault.unread), (&store, Some(ErrorKind::PermissionDenied)));
        assert_eq!(fault.error(Path::new("index")).code(), crate::ErrorCode::Io);
    }
    *lock(&moody.refused) = None;
    let candidates = policy.compute_merge_candidates(&metas);
    assert_eq!(candidates.iter().map(|merge| merge.0.len()).collect::<Vec<_>>(), [8], "as soon as it reads");
    let damaged = SegmentCache::new();
    flip(&moody.ram, &store);
    let policy = SoundMergePolicy::new(&damaged).checking(&index);
    assert!(policy.compute_merge_candidates(&metas).is_empty());
    assert_eq!(damaged.damaged().len(), 1, "one that does not match is");
}

#[test]
fn a_large_index_is_not_read_whole_but_for_its_deletes() {
    let moody = Moody::default();
    let index = filled(SoundDirectory::new(moody.clone()), 0);
    let field = index.schema().get_field("text").unwrap();
    let mut writer = writer(&index);
    for text in ["red thing", "blue thing"] {
        writer.add_document(doc!(field => text)).unwrap();
    }
    writer.commit().unwrap();
    writer.delete_term(tantivy::Term::from_field_text(field, "red"));
    writer.commit().unwrap();
    let small = SoundDirectory::new(moody.clone());
    let large = SoundDirectory::reading(moody.clone(), &Looked::default(), 0);
    for directory in [&small, &large] {
        directory.atomic_read(Path::new(META)).unwrap();
    }
    assert!(small.reads_whole() && !large.reads_whole());
    let names: Vec<PathBuf> = small.committed();
    let mut kinds = BTreeSet::new();
    for name in names.iter().filter(|name| moody.ram.exists(name).unwrap()) {
        let kind = name.extension().unwrap().to_string_lossy().into_owned();
        let good = moody.ram.atomic_read(name).unwrap();
        flip(&moody.ram, name);
        let opens = |directory: &SoundDirectory| directory.get_file_handle(name).is_ok();
        // Stored documents are looked at before they are shown.
        assert_eq!(opens(&small), kind == "store", "{kind}");
        assert_eq!(small.check_contents([name.clone()]).is_ok(), false, "{kind}");
        assert_eq!(opens(&large), kind != "del", "{kind}");
        assert_eq!(large.check_contents([name.clone()]).is_ok(), kind != "del", "{kind}");
        // A merge reads all that it copies, and whoever verifies reads all.
        let changing = large.changing();
        assert_eq!(opens(&large), kind == "store", "{kind}");
        drop(changing);
        assert!(large.check(name).is_err(), "{kind}");
        // A file that was cut does not open, whatever the index.
        moody.ram.atomic_write(name, &good[..good.len() - 1]).unwrap();
        assert!(!opens(&large), "{kind}");
        moody.ram.atomic_write(name, &good).unwrap();
        assert!(opens(&large) && opens(&small));
        kinds.insert(kind);
    }
    let all = ["del", "fast", "fieldnorm", "idx", "pos", "store", "term"];
    assert_eq!(kinds.iter().map(String::as_str).collect::<Vec<_>>(), all);
}
