//! `uncsm-index delete`: documents go, in one commit.

use std::collections::BTreeMap;
use std::time::Instant;

use serde_json::json;
use tantivy::Searcher;
use tantivy::collector::Count;
use tantivy::query::Query;
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
    /// Ids that no document has, as sentences.
    unknown: Vec<serde_json::Value>,
}

pub fn run(args: &DeleteArgs, output: &Output) -> Result<Outcome> {
    let started = Instant::now();
    let index = Index::open(&args.index)?;
    // Locked before anything is counted, so that nothing comes between; a count alone needs no lock.
    let mut writer = if args.dry_run { None } else { Some(index.writer(MEMORY)?) };
    let doomed = find(args, &index, &index.reader()?.searcher())?;
    let (documents, mut skipped) = (doomed.documents, doomed.unknown);
    let unknown = skipped.len();
    if let Some(mut writer) = writer.take() {
        if let Some(query) = doomed.query {
            writer.delete_query(query)?;
        }
        for id in &doomed.ids {
            writer.delete_id(id)?;
        }
        writer.commit()?;
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
    }
    output.print(&report, || {
        let unknown = if unknown > 0 { format!(", {unknown} ids are unknown") } else { String::new() };
        let done = if args.dry_run { "would be deleted" } else { "deleted" };
        format!("{}: {documents} documents {done}{unknown}, {seconds:.1} s\n", args.index.display())
    })?;
    Ok(Outcome::Done)
}

/// Counts what the arguments name.
fn find(args: &DeleteArgs, index: &Index, searcher: &Searcher) -> Result<Doomed> {
    let mut doomed = Doomed { query: None, ids: args.id.clone(), documents: 0, unknown: Vec::new() };
    if let Some(filter) = &args.filter {
        let query: Box<dyn Query> = parse(index.tantivy(), Mode::Filter, filter)?;
        doomed.documents = searcher.search(&query, &Count)? as u64;
        let live = searcher.num_docs();
        if doomed.documents == live && live > 0 && !args.all && !args.dry_run {
            let message = format!("the filter matches all {live} documents of the index");
            return Err(Error::new(ErrorCode::BadArgument, message)
                .file(&args.index)
                .got(format!("{filter:?}"))
                .hint("add --all to delete every document, or --dry-run to count what a filter matches"));
        }
        doomed.query = Some(query);
    }
    doomed.ids.sort();
    doomed.ids.dedup();
    for id in &doomed.ids {
        let found = match index.id_field() {
            Some(field) => find_document(searcher, field, id)?.is_some(),
            None => false,
        };
        if found {
            doomed.documents += 1;
        } else {
            let reason = format!("no document has the id {id:?}");
            doomed.unknown.push(json!({ "file": args.index, "line": 0, "reason": reason }));
        }
    }
    Ok(doomed)
}
