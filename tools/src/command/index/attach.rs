//! `uncsm-index attach`: another bundle of equal space, without a rebuild.

use serde_json::json;
use uncsm_index::Result;
use uncsm_index::index;
use uncsm_index::model::Bundle;

use crate::Outcome;
use crate::args::AttachArgs;
use crate::output::Output;

pub fn run(args: &AttachArgs, output: &Output) -> Result<Outcome> {
    let bundle = Bundle::load(&args.bundle)?;
    index::attach(&args.index, &bundle)?;
    let report = json!({ "fingerprint": { "space": bundle.space(), "model": bundle.model() } });
    output.print(&report, || format!("{}: uses model {}\n", args.index.display(), bundle.model()))?;
    Ok(Outcome::Done)
}
