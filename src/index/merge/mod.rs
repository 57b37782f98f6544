//! One index of several: files are checked, brought together, and merged once.
//!
//! The host's own way (`merge_indices`) is hidden, checks no file, knows no duplicates, forgets settings of the index, and gives one
//! segment of everything. Here the files of all segments come into the new index under their names, as further names of the same
//! files where the system can; deletes of duplicates are a commit there; and each merge of the host makes one final segment of many, so that
//! every row is copied once, and cells are made once.

pub(crate) mod bring;
pub(crate) mod check;
pub(crate) mod duplicates;
pub(crate) mod input;
pub(crate) mod merger;
pub(crate) mod report;
