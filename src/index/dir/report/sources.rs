//! Where the documents of an index came from, counted from their references.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use tantivy::SegmentReader;

use crate::corpus::Root;
use crate::error::{Error, Result};
use crate::index::dir::held::Held;
use crate::index::dir::store::Index;
use crate::index::files::documents::Documents;

/// Where live documents came from, as `inspect` reports it.
#[derive(Debug, Clone, Default, Serialize)]
#[non_exhaustive]
pub struct SourcesReport {
    /// The sources that the index lists.
    pub roots: Vec<RootReport>,
    /// Why the list of sources does not read, where it does not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub damaged: Option<String>,
    /// Documents that do not say where they came from, as those of an app, of an index of an older build, or of sources that
    /// are not listed: their pictures are found by their fields alone, and nothing encodes them again.
    pub without: u64,
    /// Documents of segments whose stored documents do not read.
    #[serde(skip_serializing_if = "is_zero")]
    pub unread: u64,
}

/// A source, as `inspect` reports it.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct RootReport {
    /// Id, kind and path.
    #[serde(flatten)]
    pub root: Root,
    /// Live documents that were read from it; 0 where all were deleted or replaced, since a source stays listed.
    pub documents: u64,
    /// Whether something is at its path now.
    pub found: bool,
}

fn is_zero(n: &u64) -> bool {
    *n == 0
}

/// Counts the references of all live documents of `held`. Cost: unpacks every stored document.
pub(super) fn count(index: &Index, held: &Held, is_damaged: impl Fn(&str) -> bool) -> SourcesReport {
    let mut report = SourcesReport::default();
    let mut counts: BTreeMap<String, u64> = BTreeMap::new();
    for segment in held.segments(index.files()) {
        let live = u64::from(segment.meta().num_docs());
        if !index.fields().keeps_origins() {
            report.without += live;
            continue;
        }
        let read = match is_damaged(&segment.id().uuid_string()) {
            true => None,
            false => SegmentReader::open(&segment)
                .map_err(Error::from)
                .and_then(|reader| roots(index, &reader))
                .ok(),
        };
        match read {
            Some((found, without)) => {
                report.without += without;
                found.into_iter().for_each(|(root, n)| *counts.entry(root).or_default() += n);
            }
            None => report.unread += live,
        }
    }
    let roots = index.roots().unwrap_or_else(|error| {
        report.damaged = Some(error.facts().message.clone());
        BTreeSet::new()
    });
    for root in roots {
        let (documents, found) = (counts.remove(&root.id).unwrap_or(0), root.is_there());
        report.roots.push(RootReport { root, documents, found });
    }
    // Of sources that are not listed.
    report.without += counts.values().sum::<u64>();
    report
}

/// The documents of a segment by root, and those without one.
fn roots(index: &Index, reader: &SegmentReader) -> Result<(BTreeMap<String, u64>, u64)> {
    let (mut found, mut without) = (BTreeMap::new(), 0);
    let store = Documents::open(reader, 1)?;
    for doc in reader.doc_ids_alive() {
        match index.fields().origin(&store.get(doc)?) {
            Some(origin) => *found.entry(origin.root).or_default() += 1,
            None => without += 1,
        }
    }
    Ok((found, without))
}
