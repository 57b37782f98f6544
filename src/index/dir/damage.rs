//! What is found wrong with the files of an index.

use serde::Serialize;

use crate::error::{Error, ErrorCode};
use crate::index::files::sound::{Fault, META};

/// One damage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Damage {
    /// File in the index directory.
    pub file: String,
    /// Section of a `.uvec` file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub section: Option<String>,
    /// Byte offset in the file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offset: Option<u64>,
    /// What is wrong.
    pub reason: String,
}

impl Damage {
    pub(crate) fn of(file: impl Into<String>, error: &Error) -> Self {
        let facts = error.facts();
        Self {
            file: file.into(),
            section: section(error),
            offset: facts.offset,
            reason: facts.message.clone(),
        }
    }
}

impl From<Fault> for Damage {
    fn from(fault: Fault) -> Self {
        let Fault { file, section, offset, reason, .. } = fault;
        Self { file: file.display().to_string(), section, offset, reason }
    }
}

/// What [`examine`](super::report::verify::examine) found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Examination {
    /// What is wrong.
    pub damage: Vec<Damage>,
    /// Files that the system did not let us read, and why: they may be sound.
    pub unchecked: Vec<Damage>,
    /// What could not be told of an index that is otherwise sound.
    pub notes: Vec<String>,
}

impl Examination {
    /// Whether every file was read and is sound.
    pub fn is_sound(&self) -> bool {
        self.damage.is_empty() && self.unchecked.is_empty()
    }

    /// Reading ended in a panic, which said this. What was found before it gave up stays.
    pub(crate) fn unreadable(&mut self, said: &str) {
        if self.damage.is_empty() {
            let reason = format!("the index does not read, though every checksum matches: {said}");
            self.damage.push(Damage { file: META.into(), section: None, offset: None, reason });
        }
    }

    /// Files `error` of `file` under what it is: damage, or not read.
    pub(crate) fn add(&mut self, file: impl Into<String>, error: &Error) {
        let found = Damage::of(file, error);
        if error.code() == ErrorCode::Io { self.unchecked.push(found) } else { self.damage.push(found) }
    }
}

/// The part of a `.uvec` file that an error is about.
fn section(error: &Error) -> Option<String> {
    use uncsm_format::Error as E;
    match std::error::Error::source(error)?.downcast_ref::<E>()? {
        E::Checksum { section, .. }
        | E::Field { section, .. }
        | E::Reserved { section, .. }
        | E::ElementType { section, .. }
        | E::Missing { section }
        | E::Duplicate { section, .. }
        | E::Text { section, .. } => Some(section.clone()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn what_cannot_be_read_is_unchecked_and_no_damage() {
        let mut found = Examination::default();
        assert!(found.is_sound());
        let refused = std::io::Error::from(std::io::ErrorKind::PermissionDenied);
        let path = Path::new("meta.json").to_path_buf();
        let error = tantivy::directory::error::OpenReadError::wrap_io_error(refused, path);
        found.add("meta.json", &Error::from(error));
        assert!(found.damage.is_empty() && !found.is_sound());
        assert_eq!(found.unchecked[0].file, "meta.json");
        let bytes = std::io::Error::from(std::io::ErrorKind::InvalidData);
        found.add("b", &Error::from(tantivy::TantivyError::from(bytes)));
        assert_eq!((found.damage.len(), found.unchecked.len(), found.is_sound()), (1, 1, false));
    }
}
