//! `uncsm-index add`: documents into an index that is there, replacing those of equal id, in one commit.

use std::time::Instant;

use uncsm_index::Result;
use uncsm_index::index::{Index, IndexBuilder};

use super::documents::{self, Report};
use crate::Outcome;
use crate::args::{AddArgs, Global};
use crate::output::Output;

pub fn run(args: &AddArgs, global: &Global, output: &Output) -> Result<Outcome> {
    let started = Instant::now();
    let source = (&args.source, args.corpus.as_deref());
    let builder = documents::of(source, args.strict, IndexBuilder::add_to(&args.index), global);
    // What is wrong with the index comes first.
    let builder = builder.map_err(|error| Index::open(&args.index).err().unwrap_or(error))?;
    let built = builder.run()?;
    let hint = documents::proposal(&built, &args.source, "add")?;
    let report = Report { built, seconds: started.elapsed().as_secs_f64(), hint };
    output.print(&report, || report.text(&args.index))?;
    Ok(Outcome::Done)
}
