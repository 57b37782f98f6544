//! The directory of a whole index: its store, writer and manifest, and what looks after them. Files use those above them.

pub(crate) mod layout;
pub(crate) mod manifest;
pub(crate) mod roots;
pub(crate) mod snapshot;
pub(crate) mod held;
pub(crate) mod damage;
pub(crate) mod duplicates;
pub(crate) mod litter;
pub(crate) mod terms;
pub(crate) mod writer;
pub(crate) mod store;
pub(crate) mod shard;
pub(crate) mod guest;
pub(crate) mod lookup;
pub(crate) mod attach;
pub(crate) mod embed;
pub(crate) mod report;
