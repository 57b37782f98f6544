//! `uncsm-index schema`: the field schema that `build` would infer.

use uncsm_index::Result;

use crate::Outcome;
use crate::args::SchemaArgs;
use crate::output::Output;

pub fn run(args: &SchemaArgs, output: &Output) -> Result<Outcome> {
    let scan = uncsm_index::corpus::infer(&args.source)?;
    let toml = scan.schema.to_toml()?;
    output.print(&scan.schema, || toml)?;
    Ok(Outcome::Done)
}
