//! Documents from lines of JSON, and from lists of them: texts, and what of them is a value.

pub(in crate::corpus) mod array;
pub(in crate::corpus) mod json;
pub(in crate::corpus) mod jsonl;
pub(in crate::corpus) mod not_finite;
pub(in crate::corpus) mod object;
