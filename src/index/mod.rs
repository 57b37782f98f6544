//! The index: a tantivy index whose segments carry a `.uvec` of shared vectors.
//!
//! An app with its own tantivy index needs [`UvecPlugin`], [`MediaField`] and [`MediaValue`]; [`Index`] is the whole
//! directory with bundle and fields, as [`IndexBuilder`] makes it.

mod files;
pub(crate) mod cells;
mod plugin;
mod dir;
mod build;
mod merge;

pub use build::builder::IndexBuilder;
pub use build::checkpoint::Checkpoint;
pub use build::identity::Identity;
pub use build::options::{BuildOptions, BuildProgress, CommitPolicy, Commits, Existing};
pub use build::pipeline::build;
pub use build::report::{BuildReport, MAX_SKIPPED, MAX_SKIPPED_BYTES, OnBad, ShardDone, Skipped, StageTimes};
pub use build::source::Source;
pub use dir::attach::attach;
pub use dir::damage::{Damage, Examination};
pub use dir::duplicates::duplicate_ids;
pub use dir::embed::{EmbeddedEncoder, EmbeddedFile};
pub use dir::guest::is_host;
pub use dir::layout::{MANIFEST, set_aside};
pub use dir::lookup::find_document;
pub use dir::manifest::Manifest;
pub use dir::report::cells::{CellsReport, CurveReport};
pub use dir::report::inspect::{
    Contents, FileReport, HostReport, IndexReport, SegmentReport, inspect, inspect_host, inspect_host_at,
    inspect_uvec,
};
pub use dir::report::sources::{RootReport, SourcesReport};
pub use dir::report::verify::{examine, examine_host, verify};
pub use dir::store::Index;
pub(crate) use dir::store::{bundle_folder, encoder_paths_in};
pub use dir::writer::{CommitReport, Writer};
pub use files::directory::IndexDirectory;
pub(crate) use files::documents::Documents;
pub(crate) use files::guarded::guarded;
pub use files::names::FIELD_TYPE;
pub use files::sound::SoundDirectory;
pub use merge::merger::{IndexMerger, OnDuplicate};
pub use merge::report::{MergeReport, MergeTimes, MissingParts};
pub use plugin::cache::SegmentCache;
pub(crate) use plugin::error::{to_tantivy, whole};
pub use plugin::field::{FIELD_NAME, MediaField};
pub use plugin::host::UvecPlugin;
pub(crate) use plugin::id::IdColumn;
pub use plugin::id::IdField;
pub use plugin::policy::SoundMergePolicy;
pub(crate) use plugin::registered::check_created;
pub use plugin::registered::check_registered;
pub use plugin::segment::SegmentVectors;
pub use plugin::value::{MediaValue, MediaValueBuilder};
