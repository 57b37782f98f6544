//! `uncsm-index schema`: the field schema that `build` would infer.

use std::path::{Path, PathBuf};

use uncsm_index::corpus::{Reader, unit_of};
use uncsm_index::schema::{BadLines, SchemaOverrides, infer_files};
use uncsm_index::{Error, ErrorCode, Result};

use crate::Outcome;
use crate::args::SchemaArgs;
use crate::output::Output;
use crate::source;

pub fn run(args: &SchemaArgs, output: &Output) -> Result<Outcome> {
    let keys = source::keys(&args.keys)?;
    let mut reader = Reader::open_all(&args.source, &keys)?;
    let file = args.source.first().map_or(Path::new(""), PathBuf::as_path);
    let overrides = SchemaOverrides::default();
    let found = infer_files(&mut reader, &keys, &overrides, BadLines::Skip)?;
    for aside in reader.take_asides() {
        tracing::warn!("{}", aside.error());
    }
    if let (0, Some(first)) = (found.documents, &found.first_error) {
        return Err(first.clone());
    }
    if found.documents == 0 {
        return Err(Error::new(ErrorCode::Empty, "the corpus has no document that reads").file(file));
    }
    if let Some(first) = &found.first_error {
        tracing::warn!("{} {}s are no documents, the first: {first}", found.bad_lines, unit_of(file));
    }
    let toml = found.schema.to_toml()?;
    output.print(&found.schema, || toml)?;
    Ok(Outcome::Done)
}
