//! One document: which keys hold what, its id, its pictures and passages, and where it was read.

pub(in crate::corpus) mod data;
pub(in crate::corpus) mod ids;
pub(in crate::corpus) mod keys;
pub(in crate::corpus) mod names;
pub(in crate::corpus) mod one;
pub(in crate::corpus) mod origin;
pub(in crate::corpus) mod passages;
pub(in crate::corpus) mod pictures;
