//! Keys of a line that the demo reads.

/// The class of a document.
pub const LABEL: &str = "class";
/// What stays on one side of a split.
pub const GROUP: &str = "group";
