use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::corpus::Document;
use crate::encode::Item;
use crate::encode::batch::{EncodedItem, Encoders, encode_batch};
use crate::encode::place::Place as At;
use crate::encode::source::{Content, RawItem, SourceDocument};
use crate::error::ErrorCode;

/// Counts what it encodes; a text that starts with `bad` has no features.
struct Counting {
    version: u8,
    calls: &'static AtomicUsize,
}

impl Counting {
    fn boxed(version: u8, calls: &'static AtomicUsize) -> Encoders {
        let encoder: Arc<dyn Encoder> = Arc::new(Self { version, calls });
        Encoders::from([("text".to_owned(), encoder)])
    }
}

impl Encoder for Counting {
    fn name(&self) -> &str {
        "counting"
    }

    fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of([&b"counting"[..], &[self.version]])
    }

    fn features(&self) -> usize {
        3
    }

    fn encode(&self, items: &[Item<'_>]) -> Vec<Result<Vec<f32>>> {
        self.calls.fetch_add(items.len(), Ordering::SeqCst);
        let encode = |item: &Item<'_>| match item {
            Item::Text(text) if text.starts_with("bad") => Err(Error::new(ErrorCode::BadValue, "bad")),
            Item::Text(text) => {
                Ok(vec![text.len() as f32, f32::from(text.as_bytes()[0]), self.version.into()])
            }
            Item::Bytes(_) => Err(Error::new(ErrorCode::UnknownMedia, "texts only")),
        };
        items.iter().map(encode).collect()
    }
}

fn documents(n: usize) -> Vec<SourceDocument> {
    let item = |i: usize| {
        let text = if i % 10 == 9 { format!("bad {i}") } else { format!("{i} text") };
        RawItem { media: "text".into(), ordinal: 0, span: None, content: Content::Text(text) }
    };
    let document = |i| SourceDocument {
        origin: None,
        place: At { file: "a".into(), line: i as u64, from: 0 },
        document: Document::default(),
        items: vec![item(i)],
    };
    (0..n).map(document).collect()
}

fn encode(encoders: &Encoders, cache: Option<&FeatureCache>, n: usize) -> Vec<Vec<EncodedItem>> {
    let documents = documents(n);
    let documents: Vec<&SourceDocument> = documents.iter().collect();
    encode_batch(encoders, &documents, None, cache).into_iter().map(|(items, _)| items).collect()
}

fn calls() -> &'static AtomicUsize {
    Box::leak(Box::default())
}

fn shards(dir: &Path) -> Vec<PathBuf> {
    let folders = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> = folders
        .flat_map(|folder| std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()))
        .collect();
    files.sort();
    files
}

#[test]
fn a_second_run_encodes_only_what_failed() {
    let dir = tempfile::tempdir().unwrap();
    let calls = calls();
    let encoders = Counting::boxed(1, calls);
    let plain = encode(&encoders, None, 100);
    assert_eq!(calls.swap(0, Ordering::SeqCst), 100);
    // Shards of ten rows.
    let cache = FeatureCache::open(dir.path()).unwrap().flush_at(120);
    assert_eq!(encode(&encoders, Some(&cache), 100), plain);
    assert_eq!(calls.swap(0, Ordering::SeqCst), 100);
    // In memory or on disk, what is there is not encoded again.
    assert_eq!(encode(&encoders, Some(&cache), 100), plain);
    assert_eq!(calls.swap(0, Ordering::SeqCst), 10);
    cache.flush().unwrap();
    drop(cache);
    assert_eq!(shards(dir.path()).len(), 9);
    let cache = FeatureCache::open(dir.path()).unwrap();
    assert_eq!(encode(&encoders, Some(&cache), 110), encode(&encoders, None, 110));
    assert_eq!(calls.swap(0, Ordering::SeqCst), 10 + 10 + 110);
    // Another encoder has nothing there.
    let other = Counting::boxed(2, calls);
    assert_eq!(encode(&other, Some(&cache), 100), encode(&other, None, 100));
    assert_eq!(calls.load(Ordering::SeqCst), 200);
}

#[test]
fn a_damaged_shard_is_left_out_and_its_items_are_encoded_again() {
    let dir = tempfile::tempdir().unwrap();
    let calls = calls();
    let encoders = Counting::boxed(1, calls);
    let plain = encode(&encoders, Some(&FeatureCache::open(dir.path()).unwrap()), 8);
    let file = shards(dir.path()).pop().unwrap();
    let whole = std::fs::read(&file).unwrap();
    let mut encoded_again = 0;
    for at in 0..whole.len() {
        let mut damaged = whole.clone();
        damaged[at] ^= 1;
        for bytes in [&damaged[..], &whole[..at]] {
            shards(dir.path()).iter().for_each(|shard| std::fs::remove_file(shard).unwrap());
            std::fs::write(&file, bytes).unwrap();
            calls.store(0, Ordering::SeqCst);
            let cache = FeatureCache::open(dir.path()).unwrap();
            assert_eq!(encode(&encoders, Some(&cache), 8), plain, "byte {at} of {}", whole.len());
            encoded_again += usize::from(calls.load(Ordering::SeqCst) > 0);
            drop(cache);
            // The next run has all of it, but for an unlucky shard that still says it has a damaged row.
            calls.store(0, Ordering::SeqCst);
            let cache = FeatureCache::open(dir.path()).unwrap();
            assert_eq!(encode(&encoders, Some(&cache), 8), plain);
        }
    }
    // Blanks at the end of the header are the only bytes that do not matter.
    assert!(encoded_again > 2 * whole.len() - 20, "{encoded_again} of {}", 2 * whole.len());
}

#[test]
fn writers_beside_each_other_do_not_meet() {
    let dir = tempfile::tempdir().unwrap();
    let calls = calls();
    let encoders = Counting::boxed(1, calls);
    let expected = encode(&encoders, None, 60);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let cache = FeatureCache::open(dir.path()).unwrap().flush_at(60);
                assert_eq!(encode(&encoders, Some(&cache), 60), expected);
            });
        }
    });
    calls.store(0, Ordering::SeqCst);
    let cache = FeatureCache::open(dir.path()).unwrap();
    assert_eq!(encode(&encoders, Some(&cache), 60), expected);
    assert_eq!(calls.load(Ordering::SeqCst), 6);
    assert!(shards(dir.path()).iter().all(|file| file.extension().is_some()), "no temporary file is left");
}

#[test]
fn what_cannot_be_a_cache_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    std::fs::write(&file, "1").unwrap();
    assert!(matches!(FeatureCache::open(&file).err().unwrap().code(), ErrorCode::Io | ErrorCode::Exists));
}
