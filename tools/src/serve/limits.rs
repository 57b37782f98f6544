//! What one request, and all of them together, may take.

use std::time::Duration;

/// Bytes of a body: a picture of 15 MiB as base64, and a query beside it.
pub const BODY_BYTES: usize = 22 << 20;
/// Bytes of a body that any connection may send; larger ones are read a few at a time.
pub const SMALL_BODY: usize = 256 << 10;
/// Larger bodies that are read, or kept, at a time.
pub const BIG_BODIES: usize = 4;
/// Values in the JSON of a body: each takes 72 bytes, whatever its text took.
pub const BODY_VALUES: usize = 200_000;
/// Bytes of the head of a request, headers included.
pub const HEAD_BYTES: usize = 64 << 10;
/// Headers of a request.
pub const HEADERS: usize = 64;
/// Connections at a time; others wait to be taken.
pub const CONNECTIONS: usize = 128;
/// Queries that run at a time at most.
pub const QUERIES: usize = 8;
/// Bytes of a picture that is served.
pub const MEDIA_BYTES: u64 = 32 << 20;
/// MiB of all pictures that are being sent.
pub const MEDIA_SENT: usize = 256;
/// Bytes of the answer to a query.
pub const ANSWER_BYTES: usize = 8 << 20;
/// MiB of all answers to queries that are being sent: one for each connection at least.
pub const ANSWERS_SENT: usize = 256;
/// Intervals of all histograms of a request, those without documents among them.
pub const INTERVALS: usize = 65_000;
/// Bytes that facets and aggregations of a request take while they are counted. Their result has an eighth of it at most, what an answer has.
pub const COUNTING: u64 = 8 * ANSWER_BYTES as u64;
/// Width times height of a picture in a query, unless the user allows more.
pub const PIXELS: u64 = 25_000_000;

/// Hits of one answer.
pub const HITS: usize = 200;
/// `offset + k`, and `window`.
pub const DEPTH: usize = 10_000;
/// Query parts, documents that are liked or not among them.
pub const PARTS: usize = 64;
/// Filters: each is parsed, and compared with documents, for itself.
pub const FILTERS: usize = 64;
/// Facets, and as many snippets.
pub const FACETS: usize = 32;
/// Ids that are excluded.
pub const EXCLUDES: usize = 1000;
/// Entries of any other list, and aggregations, those inside of others among them.
pub const ENTRIES: usize = 64;

/// Until the head of a request is there, from the end of the one before on.
pub const HEAD_TIME: Duration = Duration::from_secs(15);
/// Until the body of a request is there.
pub const BODY_TIME: Duration = Duration::from_secs(20);
/// Until a request that waits for its turn is sent away.
pub const WAIT_TIME: Duration = Duration::from_secs(20);
/// What a query may score for; what was found till then is answered as partial.
pub const SCORE_TIME: Duration = Duration::from_secs(5);
/// Until a query is given up.
pub const WORK_TIME: Duration = Duration::from_secs(20);
/// Until a connection takes no further request.
pub const CONNECTION_TIME: Duration = Duration::from_secs(300);
/// Until one that takes no further request is cut: a reader that is too slow.
pub const DRAIN_TIME: Duration = Duration::from_secs(60);
/// Between two looks for a newer commit.
pub const LOOK_TIME: Duration = Duration::from_millis(200);
