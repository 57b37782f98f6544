//! Documents go, in one commit.

use std::path::{Path, PathBuf};

use serde::Serialize;
use tantivy::Term;
use tantivy::collector::Count;
use tantivy::query::{BooleanQuery, Query, TermQuery};
use tantivy::schema::IndexRecordOption;
use uncsm_index::Result;
use uncsm_index::index::{Index, find_document};
use uncsm_index::search::{Mode, parse};

use crate::error::bad;

/// Bytes for a writer that adds nothing.
const MEMORY: usize = 15 << 20;

/// What is to go.
pub(crate) struct Asked {
    pub(crate) ids: Vec<String>,
    /// What matches all of them.
    pub(crate) filters: Vec<String>,
    /// Whether that may be every document.
    pub(crate) all: bool,
    pub(crate) dry_run: bool,
}

/// What went.
#[derive(Serialize)]
pub(crate) struct Deleted {
    documents: u64,
    /// Ids that no document has.
    unknown: Vec<String>,
    /// Segments that merges leave out, with the reason.
    damaged: Vec<(PathBuf, String)>,
    dry_run: bool,
}

/// Deletes from the index at `dir`.
pub(crate) fn run(dir: &Path, asked: Asked) -> Result<Deleted> {
    let Asked { mut ids, filters, all, dry_run } = asked;
    if ids.is_empty() && filters.is_empty() {
        return Err(bad("neither ids nor a filter are given"));
    }
    let index = Index::open(dir)?;
    // Before the lock, with which files that nobody owns are cleared away: what does not parse changes nothing.
    let parsed = filters.iter().map(|filter| parse(index.tantivy(), Mode::Filter, filter));
    let mut queries: Vec<Box<dyn Query>> = parsed.collect::<Result<_>>()?;
    let query: Option<Box<dyn Query>> = match queries.len() {
        0 | 1 => queries.pop(),
        _ => Some(Box::new(BooleanQuery::intersection(queries))),
    };
    // Locked before anything is counted, so that nothing comes between; a count alone needs no lock.
    let writer = if dry_run { None } else { Some(index.writer(MEMORY)?) };
    let searcher = index.reader()?.searcher();
    let (mut documents, mut unknown) = (0, Vec::new());
    if let Some(query) = &query {
        documents = searcher.search(query, &Count)? as u64;
        let live = searcher.num_docs();
        if documents == live && live > 0 && !all && !dry_run {
            return Err(bad(format!("the filter matches all {live} documents of the index"))
                .file(dir)
                .got(format!("{:?}", filters.join(" ")))
                .hint("say `all` to delete every document, or `dry_run` to count what a filter matches"));
        }
    }
    ids.sort();
    ids.dedup();
    for id in &ids {
        let found = match index.id_field() {
            Some(field) if find_document(&searcher, field, id)?.is_some() => {
                let term = Term::from_field_text(field, id);
                searcher.search(&TermQuery::new(term, IndexRecordOption::Basic), &Count)? as u64
            }
            _ => 0,
        };
        documents += found;
        if found == 0 {
            unknown.push(id.clone());
        }
    }
    let mut damaged = Vec::new();
    if let Some(mut writer) = writer {
        if documents > 0 {
            if let Some(query) = query {
                writer.delete_query(query)?;
            }
            for id in &ids {
                writer.delete_id(id)?;
            }
            writer.commit()?;
        }
        damaged = writer.finish()?.into_iter().map(|(segment, why)| (dir.join(segment), why)).collect();
    }
    Ok(Deleted { documents, unknown, damaged, dry_run })
}
