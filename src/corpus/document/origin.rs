//! Where a document was read: kept in the index, so that its pictures can be shown and its items encoded again.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::media::content_hash;

/// A source that documents were read from; references are relative to it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Root {
    /// Stands for kind and path: the same source has the same id in every index.
    pub id: String,
    /// What it is: `jsonl`, `parquet`, `folder`, `features`.
    pub kind: String,
    /// The absolute path of the file or folder; where a name in it is not UTF-8, it is not found again.
    pub path: String,
}

impl Root {
    /// The root at `path`.
    pub fn new(kind: &str, path: &Path) -> Self {
        let path = std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
        let path = path.to_string_lossy().into_owned();
        let hash = content_hash(format!("{kind}\0{path}").as_bytes());
        let id = hash[..8].iter().map(|byte| format!("{byte:02x}")).collect();
        Self { id, kind: kind.to_owned(), path }
    }

    /// Whether something is at the path now.
    pub fn is_there(&self) -> bool {
        Path::new(&self.path).exists()
    }
}

/// A place inside a root; what does not apply is `None`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Spot {
    /// A file below the folder, with `/`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// A 1-based line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u64>,
    /// A row: 1-based in a Parquet file, 0-based in a features file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub row: Option<u64>,
    /// The bytes `start..end` of the line in its file, without its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<(u64, u64)>,
}

impl Spot {
    /// The row `row`.
    pub fn row(row: u64) -> Self {
        Self { row: Some(row), ..Self::default() }
    }
}

/// Where a document was read: a root and a place in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Origin {
    /// [`Root::id`].
    pub root: String,
    /// The place.
    #[serde(flatten)]
    pub spot: Spot,
}

impl Origin {
    /// The place `spot` in `root`.
    pub fn new(root: &Root, spot: Spot) -> Self {
        Self { root: root.id.clone(), spot }
    }

    /// As an index stores it: small JSON.
    pub(crate) fn to_json(&self) -> String {
        // Strings and numbers alone always serialise.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// What [`Origin::to_json`] gave; `None` for anything else.
    pub(crate) fn from_json(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_is_small_json_and_comes_back() {
        let root = Root::new("jsonl", Path::new("/data/c.jsonl"));
        assert_eq!((root.id.len(), root.kind.as_str(), root.path.as_str()), (16, "jsonl", "/data/c.jsonl"));
        assert_eq!(root, Root::new("jsonl", Path::new("/data/c.jsonl")));
        assert_ne!(root.id, Root::new("jsonl", Path::new("/data/d.jsonl")).id);
        assert_ne!(root.id, Root::new("folder", Path::new("/data/c.jsonl")).id);
        assert!(!root.is_there() && Root::new("folder", Path::new(".")).is_there());
        let spot = Spot { line: Some(3), bytes: Some((20, 31)), ..Spot::default() };
        let origin = Origin::new(&root, spot);
        let json = origin.to_json();
        assert_eq!(json, format!(r#"{{"root":"{}","line":3,"bytes":[20,31]}}"#, root.id));
        assert_eq!(Origin::from_json(&json), Some(origin));
        assert_eq!(Origin::from_json("{}"), None);
    }
}
