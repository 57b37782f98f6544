//! `uncsm-index encoders`: which encoders are here, and getting one.

use std::fmt::Write;

use serde_json::json;
use uncsm_index::Result;
use uncsm_index::encode::Registry;
use uncsm_index::encode::resolve::{Listed, list};

use crate::Outcome;
use crate::args::EncodersCommand;
use crate::output::Output;

pub fn run(command: &EncodersCommand, output: &Output) -> Result<Outcome> {
    let paths = Registry::from_env();
    match command {
        EncodersCommand::List => {
            let encoders = list(&paths);
            let roots: Vec<String> = paths.roots().map(|root| root.display().to_string()).collect();
            let report = json!({ "encoders": encoders, "searched": roots });
            output.print(&report, || text(&encoders, &roots))?;
        }
        EncodersCommand::Fetch { name } => {
            let (path, kind) = fetch(name, &paths)?;
            let report = json!({ "name": name, "kind": kind, "path": path });
            output.print(&report, || format!("{name}: {kind}, {path}\n"))?;
        }
    }
    Ok(Outcome::Done)
}

#[cfg(feature = "hub")]
fn fetch(name: &str, paths: &Registry) -> Result<(String, &'static str)> {
    let folder = uncsm_index::encode::resolve::fetch(name, paths)?;
    Ok((folder.path.display().to_string(), folder.family.name()))
}

#[cfg(not(feature = "hub"))]
fn fetch(name: &str, _: &Registry) -> Result<(String, &'static str)> {
    use uncsm_index::{Error, ErrorCode};
    Err(Error::new(ErrorCode::BadArgument, "this build does not pull encoders")
        .got(name)
        .hint("build it with the feature `hub`, or put the folder of the weights into one of UNCSM_ENCODERS"))
}

fn text(encoders: &[Listed], roots: &[String]) -> String {
    let mut out = String::new();
    for encoder in encoders {
        let _ = write!(out, "{}  {}", encoder.name, encoder.kind.unwrap_or("no encoder"));
        for media in &encoder.media {
            let _ = write!(out, "  {}", media.name);
            if let Some(features) = media.features {
                let _ = write!(out, " {features} features");
            }
            if let Some(fingerprint) = media.fingerprint {
                let _ = write!(out, " {}", &fingerprint.to_string()[..16]);
            }
        }
        if let Some(path) = &encoder.path {
            let _ = write!(out, "  {}", path.display());
        }
        if let Some(problem) = &encoder.problem {
            let _ = write!(out, "  problem: {problem}");
        }
        out.push('\n');
    }
    let searched = if roots.is_empty() { "no folder".to_owned() } else { roots.join(", ") };
    let _ = writeln!(out, "searched: {searched}");
    out
}
