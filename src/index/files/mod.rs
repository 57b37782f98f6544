//! The files of an index: their names, locks, checksums, and how they are replaced.

pub(crate) mod change;
pub(crate) mod directory;
pub(crate) mod exchange;
pub(crate) mod guarded;
pub(crate) mod names;
pub(crate) mod sorted;
pub(crate) mod sound;
