//! `uncsm-index delete`: documents go, in one commit.

use std::collections::BTreeMap;
use std::time::Instant;

use serde_json::json;
use tantivy::collector::Count;
use tantivy::query::{BooleanQuery, Query, TermQuery};
use tantivy::schema::IndexRecordOption;
use tantivy::{Searcher, Term};
use uncsm_index::index::{Index, find_document};
use uncsm_index::search::{Mode, parse};
use uncsm_index::{Error, ErrorCode, Result};

use crate::Outcome;
use crate::args::DeleteArgs;
use crate::output::Output;

/// Bytes for a writer that adds nothing.
const MEMORY: usize = 15 << 20;

/// What is to be deleted, and how much of it there is.
struct Doomed {
    query: Option<Box<dyn Query>>,
    ids: Vec<String>,
    documents: u64,
    /// Whether a filter matches every document.
    is_all: bool,
    /// Ids that no document has, as sentences.
    unknown: Vec<serde_json::Value>,
}

pub fn run(args: &DeleteArgs, output: &Output) -> Result<Outcome> {
    let started = Instant::now();
    let index = Index::open(&args.index)?;
    // Before the lock, with which files that nobody owns are cleared away: what does not parse changes nothing.
    let query = joined(&index, &args.filter)?;
    // Locked before anything is counted, so that nothing comes between; a count alone needs no lock.
    let mut writer = if args.dry_run { None } else { Some(index.writer(MEMORY)?) };
    let doomed = find(args, query, &index, &index.reader()?.searcher())?;
    let (documents, mut skipped) = (doomed.documents, doomed.unknown);
    let unknown = skipped.len();
    if let Some(mut writer) = writer.take() {
        if documents > 0 {
            if let Some(query) = doomed.query {
                writer.delete_query(query)?;
            }
            for id in &doomed.ids {
                writer.delete_id(id)?;
            }
            writer.commit()?;
        }
        for (segment, reason) in writer.finish()? {
            let reason = format!("damaged, and left out of merges: {reason}");
            skipped.push(json!({ "file": args.index.join(segment), "line": 0, "reason": reason }));
        }
    }
    let (warnings, seconds) = (skipped.len(), started.elapsed().as_secs_f64());
    let mut report = json!({
        "documents": documents, "items": BTreeMap::<String, u64>::new(), "skipped": skipped, "warnings": warnings,
        "seconds": seconds,
    });
    if args.dry_run {
        report["dry_run"] = true.into();
        if doomed.is_all {
            report["needs_all"] = true.into();
        }
    }
    output.print(&report, || {
        let unknown = if unknown > 0 { format!(", {unknown} ids are unknown") } else { String::new() };
        let done = match (args.dry_run, doomed.is_all) {
            (true, true) => "would be deleted, which are all, so that it needs --all",
            (true, false) => "would be deleted",
            (false, _) => "deleted",
        };
        format!("{}: {documents} documents {done}{unknown}, {seconds:.1} s\n", args.index.display())
    })?;
    Ok(Outcome::Done)
}

/// The filters as one query, which what matches all of them matches.
fn joined(index: &Index, filters: &[String]) -> Result<Option<Box<dyn Query>>> {
    let parsed = filters.iter().map(|filter| parse(index.tantivy(), Mode::Filter, filter));
    let mut all: Vec<Box<dyn Query>> = parsed.collect::<Result<_>>()?;
    Ok(match all.len() {
        0 | 1 => all.pop(),
        _ => Some(Box::new(BooleanQuery::intersection(all))),
    })
}

/// Counts what the arguments name.
fn find(
    args: &DeleteArgs,
    query: Option<Box<dyn Query>>,
    index: &Index,
    searcher: &Searcher,
) -> Result<Doomed> {
    let (ids, unknown) = (args.id.clone(), Vec::new());
    let mut doomed = Doomed { query: None, ids, documents: 0, is_all: false, unknown };
    if let Some(query) = query {
        doomed.documents = searcher.search(&query, &Count)? as u64;
        let live = searcher.num_docs();
        doomed.is_all = doomed.documents == live && live > 0;
        if doomed.is_all && !args.all && !args.dry_run {
            let message = format!("the filter matches all {live} documents of the index");
            return Err(Error::new(ErrorCode::BadArgument, message)
                .file(&args.index)
                .got(format!("{:?}", args.filter.join(" ")))
                .hint("add --all to delete every document, or --dry-run to count what a filter matches"));
        }
        doomed.query = Some(query);
    }
    doomed.ids.sort();
    doomed.ids.dedup();
    for id in &doomed.ids {
        let found = match index.id_field() {
            Some(field) if find_document(searcher, field, id)?.is_some() => {
                // An index of another app may have an id several times, and all of them go.
                let term = Term::from_field_text(field, id);
                searcher.search(&TermQuery::new(term, IndexRecordOption::Basic), &Count)? as u64
            }
            _ => 0,
        };
        doomed.documents += found;
        if found == 0 {
            let reason = format!("no document has the id {id:?}");
            doomed.unknown.push(json!({ "file": args.index, "line": 0, "reason": reason }));
        }
    }
    Ok(doomed)
}
