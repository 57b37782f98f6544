//! The index: a tantivy index whose segments carry a `.uvec` of shared vectors.
//!
//! An app with its own tantivy index needs [`UvecPlugin`], [`MediaField`] and [`MediaValue`]; [`Index`] is the whole
//! directory with bundle and fields, as `uncsm-index build` makes it.

mod attach;
mod build;
mod checkpoint;
mod duplicates;
mod embed;
mod field;
mod fill;
mod inspect;
mod lookup;
mod manifest;
mod merge;
mod partial;
mod plugin;
mod project;
mod policy;
mod registered;
mod report;
mod segment;
mod store;
mod terms;
mod value;
mod verify;
mod writer;

pub use attach::attach;
pub use build::{BuildOptions, BuildProgress, CommitPolicy, Commits, Existing, OnBad, build};
pub use checkpoint::{Checkpoint, Identity};
pub use duplicates::duplicate_ids;
pub use embed::{EmbeddedEncoder, EmbeddedFile, embed_encoders, embedded};
pub use field::{FIELD_NAME, FIELD_TYPE, MediaField};
pub use inspect::{FileReport, IndexReport, SegmentReport, inspect, inspect_uvec};
pub use lookup::find_document;
pub use manifest::{MANIFEST, Manifest};
pub use partial::{ExistingOut, PartialDir};
pub use plugin::UvecPlugin;
pub(crate) use plugin::to_tantivy;
pub use policy::SoundMergePolicy;
pub(crate) use registered::check_created;
pub use registered::check_registered;
pub use report::{BuildReport, MAX_SKIPPED, Skipped, StageTimes};
pub use segment::{SegmentCache, SegmentVectors};
pub use store::Index;
pub(crate) use store::encoder_paths_in;
pub use value::{MediaValue, MediaValueBuilder};
pub use verify::{Damage, verify};
pub use writer::{CommitReport, Writer};
