//! `uncsm-index delete`: documents go, in one commit.

use std::collections::BTreeMap;
use std::time::Instant;

use serde_json::json;
use tantivy::collector::Count;
use tantivy::query::Query;
use uncsm_index::Result;
use uncsm_index::index::{Index, find_document};
use uncsm_index::search::parse;

use crate::Outcome;
use crate::args::DeleteArgs;
use crate::output::Output;

/// Bytes for a writer that adds nothing.
const MEMORY: usize = 15 << 20;

pub fn run(args: &DeleteArgs, output: &Output) -> Result<Outcome> {
    let started = Instant::now();
    let index = Index::open(&args.index)?;
    let mut writer = index.writer(MEMORY)?;
    let searcher = index.reader()?.searcher();
    let mut documents = 0u64;
    let mut skipped = Vec::new();
    if let Some(filter) = &args.filter {
        let query: Box<dyn Query> = parse(index.tantivy(), "filter", filter)?;
        documents = searcher.search(&query, &Count)? as u64;
        writer.delete_query(query)?;
    }
    let mut ids = args.id.clone();
    ids.sort();
    ids.dedup();
    for id in &ids {
        let found = match index.id_field() {
            Some(field) => find_document(&searcher, field, id)?.is_some(),
            None => false,
        };
        if found {
            documents += 1;
        } else {
            skipped.push(
                json!({ "file": args.index, "line": 0, "reason": format!("no document has the id {id:?}") }),
            );
        }
        writer.delete_id(id)?;
    }
    writer.commit()?;
    for (segment, reason) in writer.finish()? {
        let reason = format!("damaged, and left out of merges: {reason}");
        skipped.push(json!({ "file": args.index.join(segment), "line": 0, "reason": reason }));
    }
    let (warnings, seconds) = (skipped.len(), started.elapsed().as_secs_f64());
    let report = json!({
        "documents": documents, "items": BTreeMap::<String, u64>::new(), "skipped": skipped, "warnings": warnings,
        "seconds": seconds,
    });
    output.print(&report, || {
        let unknown = if warnings > 0 { format!(", {warnings} ids are unknown") } else { String::new() };
        format!("{}: {documents} documents deleted{unknown}, {seconds:.1} s\n", args.index.display())
    })?;
    Ok(Outcome::Done)
}
