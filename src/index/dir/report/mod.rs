//! What can be said of a whole index: what it is made of, and whether it is sound.

pub(crate) mod cells;
pub(crate) mod sources;
pub(crate) mod inspect;
pub(crate) mod verify;
