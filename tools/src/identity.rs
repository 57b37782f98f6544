//! What a build is started with, so that `--resume` goes on only with the same source and options.

use std::path::Path;
use std::time::UNIX_EPOCH;

use uncsm_index::corpus::folder_fingerprint;
use uncsm_index::encode::DecodeLimits;
use uncsm_index::index::Identity;
use uncsm_index::media::Fingerprint;
use uncsm_index::model::Bundle;
use uncsm_index::{Error, Result};

use crate::args::BuildArgs;

/// The identity of the build that `args` describe.
///
/// # Errors
/// Those of looking at the source.
pub fn of(args: &BuildArgs, bundle: &Bundle) -> Result<Identity> {
    let source = args.source.features.as_deref().or(args.source.source.as_deref());
    let mut identity = match source {
        Some(path) => about(Identity::new(absolute(path)?), "source", path)?,
        None => Identity::new("nothing"),
    };
    if let Some(corpus) = &args.corpus {
        identity = about(identity.with("--corpus", absolute(corpus)?), "--corpus", corpus)?;
    }
    if let Some(schema) = &args.schema {
        let bytes = std::fs::read(schema).map_err(|e| Error::io(schema, e))?;
        identity = identity.with("--schema", Fingerprint::of([bytes.as_slice()]));
    }
    // Only where it is used: builds of earlier versions know nothing of it.
    if !args.source.without.is_empty() {
        identity = identity.with("--without", args.source.without.join("\n"));
    }
    if !args.source.media_key.is_empty() {
        identity = identity.with("--media-key", args.source.media_key.join("\n"));
    }
    Ok(identity
        .with("bundle", bundle.model())
        .with("--pathway", args.source.pathway.join(" "))
        .with("--encoder", args.source.encoder.join(" "))
        .with("--passages", args.source.passages.as_deref().unwrap_or_default())
        .with("picture limits", format!("{:?}", DecodeLimits::from(args.source.limits)))
        .with("--strict", args.strict))
}

/// Length and time of a file; of a folder those of the files that make documents.
fn about(identity: Identity, what: &str, path: &Path) -> Result<Identity> {
    let about = std::fs::metadata(path).map_err(|e| Error::io(path, e))?;
    if about.is_dir() {
        return Ok(identity.with(format!("list of files ({what})"), folder_fingerprint(path)?));
    }
    let modified = about.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    let modified = modified.map_or_else(|| "unknown".into(), |time| time.as_nanos().to_string());
    Ok(identity
        .with(format!("length ({what})"), about.len())
        .with(format!("time of change ({what})"), modified))
}

fn absolute(path: &Path) -> Result<String> {
    Ok(path.canonicalize().map_err(|e| Error::io(path, e))?.to_string_lossy().into_owned())
}
