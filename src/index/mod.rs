//! The index: a tantivy index whose segments carry a `.uvec` of shared vectors.
//!
//! An app with its own tantivy index needs [`UvecPlugin`], [`MediaField`] and [`MediaValue`]; [`Index`] is the whole
//! directory with bundle and fields, as `uncsm-index build` makes it.

mod attach;
mod build;
mod cache;
mod checkpoint;
mod directory;
mod duplicates;
mod embed;
mod exchange;
mod field;
mod fill;
mod guarded;
mod inspect;
mod litter;
mod lookup;
mod manifest;
mod merge;
mod names;
mod partial;
mod plugin;
mod project;
mod policy;
mod registered;
mod report;
mod segment;
mod snapshot;
mod sound;
mod store;
mod terms;
mod value;
mod verify;
mod writer;

pub use attach::attach;
pub use build::{BuildOptions, BuildProgress, CommitPolicy, Commits, Existing, OnBad, build};
pub use cache::SegmentCache;
pub use checkpoint::{Checkpoint, Identity};
pub use directory::IndexDirectory;
pub use duplicates::duplicate_ids;
pub use embed::{EmbeddedEncoder, EmbeddedFile, embed_encoders, embedded};
pub use field::{FIELD_NAME, FIELD_TYPE, MediaField};
pub(crate) use guarded::guarded;
pub use inspect::{FileReport, IndexReport, SegmentReport, inspect, inspect_uvec};
pub use lookup::find_document;
pub use manifest::{MANIFEST, Manifest};
pub use partial::{ExistingOut, PartialDir, set_aside};
pub use plugin::UvecPlugin;
pub(crate) use plugin::to_tantivy;
pub use policy::SoundMergePolicy;
pub(crate) use registered::check_created;
pub use registered::check_registered;
pub use report::{BuildReport, MAX_SKIPPED, MAX_SKIPPED_BYTES, Skipped, StageTimes};
pub use segment::SegmentVectors;
pub use sound::SoundDirectory;
pub use store::Index;
pub(crate) use store::encoder_paths_in;
pub use value::{MediaValue, MediaValueBuilder};
pub use verify::{Damage, Examination, examine, verify};
pub use writer::{CommitReport, Writer};
