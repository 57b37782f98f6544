//! What was answered, how fast, and the last queries.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use uncsm_index::Error;
use uncsm_index::search::RequestSpec;

use super::lock::lock;

/// Queries that are listed.
const LOG: usize = 50;
/// Characters of a query's text in the list.
const SHOWN: usize = 120;
/// Latencies are counted in steps of a tenth.
const STEP: f64 = 1.1;
/// Steps from 10 microseconds on: up to a minute.
const STEPS: usize = 170;

/// Counts since the start.
pub struct Metrics {
    started: Instant,
    requests: AtomicU64,
    refused: AtomicU64,
    answered: AtomicU64,
    failed: AtomicU64,
    pictures: AtomicU64,
    picture_bytes: AtomicU64,
    connections: AtomicU64,
    latencies: Mutex<Box<[u64; STEPS]>>,
    log: Mutex<VecDeque<Value>>,
    /// Why the last look for a newer commit failed.
    stale: Mutex<Option<String>>,
}

/// What a query asks, for the list.
#[derive(Default)]
pub struct Asked {
    about: Value,
}

impl Asked {
    pub fn of(spec: &RequestSpec) -> Self {
        let short = |text: &str| text.chars().take(SHOWN).collect::<String>();
        let mut about = serde_json::Map::new();
        for (key, text) in [("words", &spec.words), ("keywords", &spec.keywords), ("like", &spec.like)] {
            if let Some(text) = text {
                about.insert(key.into(), short(text).into());
            }
        }
        for (key, texts) in [("text", &spec.text), ("filter", &spec.filter)] {
            if let Some(text) = texts.first() {
                about.insert(key.into(), short(text).into());
            }
        }
        if !spec.image.is_empty() {
            about.insert("pictures".into(), spec.image.len().into());
        }
        Self { about: Value::Object(about) }
    }
}

impl Metrics {
    pub fn new() -> Self {
        Self {
            started: Instant::now(),
            requests: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            answered: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            pictures: AtomicU64::new(0),
            picture_bytes: AtomicU64::new(0),
            connections: AtomicU64::new(0),
            latencies: Mutex::new(Box::new([0; STEPS])),
            log: Mutex::default(),
            stale: Mutex::default(),
        }
    }

    pub fn connected(&self) {
        self.connections.fetch_add(1, Relaxed);
    }

    pub fn disconnected(&self) {
        self.connections.fetch_sub(1, Relaxed);
    }

    /// A request of any kind.
    pub fn came(&self) {
        self.requests.fetch_add(1, Relaxed);
    }

    /// One that was not let in.
    pub fn refuse(&self) {
        self.refused.fetch_add(1, Relaxed);
    }

    /// A picture that is sent.
    pub fn media(&self, bytes: usize) {
        self.pictures.fetch_add(1, Relaxed);
        self.picture_bytes.fetch_add(bytes as u64, Relaxed);
    }

    /// A look for a newer commit, and why it failed where it did.
    pub fn looked(&self, error: Option<&Error>) {
        *lock(&self.stale) = error.map(|error| error.facts().message.clone());
    }

    /// A query, with its hits or its error.
    pub fn answered(&self, asked: &Asked, took: Duration, outcome: Result<usize, &Error>) {
        let ms = took.as_secs_f64() * 1000.0;
        let mut entry =
            json!({ "time": now(), "took_ms": (ms * 1000.0).round() / 1000.0, "asked": asked.about });
        match outcome {
            Ok(hits) => {
                self.answered.fetch_add(1, Relaxed);
                lock(&self.latencies)[step(ms)] += 1;
                entry["hits"] = hits.into();
            }
            Err(error) => {
                self.failed.fetch_add(1, Relaxed);
                entry["error"] = error.code().as_str().into();
            }
        }
        let mut log = lock(&self.log);
        log.truncate(LOG - 1);
        log.push_front(entry);
    }

    pub fn to_json(&self) -> Value {
        let latencies = lock(&self.latencies).clone();
        let at = |share| quantile(&latencies, share);
        let count = |counter: &AtomicU64| counter.load(Relaxed);
        json!({
            "uptime_s": self.started.elapsed().as_secs(),
            "requests": count(&self.requests),
            "refused": count(&self.refused),
            "connections": count(&self.connections),
            "queries": { "answered": count(&self.answered), "failed": count(&self.failed) },
            "latency_ms": { "p50": at(0.5), "p95": at(0.95), "p99": at(0.99) },
            "pictures": { "sent": count(&self.pictures), "bytes": count(&self.picture_bytes) },
            "memory_bytes": memory(),
            "stale": *lock(&self.stale),
            "log": lock(&self.log).iter().collect::<Vec<_>>(),
        })
    }
}

/// Seconds since 1970.
fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

fn step(ms: f64) -> usize {
    let steps = (ms.max(0.01) / 0.01).log(STEP);
    (steps as usize).min(STEPS - 1)
}

/// The latency in milliseconds that a share of the queries stays below, to a tenth of it; null without any.
fn quantile(counts: &[u64; STEPS], share: f64) -> Value {
    let all: u64 = counts.iter().sum();
    let wanted = (all as f64 * share).ceil() as u64;
    let mut seen = 0;
    for (at, count) in counts.iter().enumerate() {
        seen += count;
        if seen >= wanted && seen > 0 {
            let ms = 0.01 * STEP.powi(at as i32 + 1);
            return ((ms * 1000.0).round() / 1000.0).into();
        }
    }
    Value::Null
}

/// Bytes of memory of this process, where the system says so in a file.
fn memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib << 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn latencies_are_known_to_a_tenth_and_the_list_has_an_end() {
        let metrics = Metrics::new();
        assert_eq!(metrics.to_json()["latency_ms"]["p50"], Value::Null);
        for ms in 1..=1000 {
            metrics.answered(&Asked::default(), Duration::from_millis(ms), Ok(1));
        }
        metrics.answered(
            &Asked::default(),
            Duration::from_secs(100_000),
            Err(&Error::new(uncsm_index::ErrorCode::BadQuery, "x")),
        );
        let told = metrics.to_json();
        for (name, ms) in [("p50", 500.0), ("p95", 950.0), ("p99", 990.0)] {
            let shown = told["latency_ms"][name].as_f64().unwrap();
            assert!((ms..=ms * 1.11).contains(&shown), "{name}: {shown}");
        }
        assert_eq!(told["queries"], json!({ "answered": 1000, "failed": 1 }));
        assert_eq!(told["log"].as_array().unwrap().len(), LOG);
        assert_eq!(told["log"][0]["error"], "bad_query");
    }
}
