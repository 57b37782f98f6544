//! Pulling an encoder by its name `ORG/NAME` into the cache.

use std::path::Path;

use hf_hub::api::sync::{ApiBuilder, ApiError, ApiRepo};

use super::folder::Folder;
use super::registry::{Registry, is_hub_name};
use crate::encode::family::is_read;
use crate::error::{Error, ErrorCode, Result};

/// The variable that names another server than the public one.
const ENDPOINT: &str = "HF_ENDPOINT";

/// Pulls the encoder `name` into the cache of `registry`, unless it is there, from the public server or from the one that
/// `HF_ENDPOINT` names.
///
/// Only files that an encoder reads are pulled, into a folder beside its place, which is renamed when it is whole and the
/// encoder opens.
///
/// # Errors
/// [`ErrorCode::BadArgument`] for a name other than `ORG/NAME`, or without a cache; [`ErrorCode::NotFound`] where the server
/// has no such model, or one without `model.safetensors`; [`ErrorCode::Io`] for all else on the way; those of opening it.
pub fn fetch(name: &str, registry: &Registry) -> Result<Folder> {
    fetch_from(name, registry, std::env::var(ENDPOINT).ok().as_deref())
}

/// As [`fetch`], from the server at `endpoint`.
///
/// # Errors
/// Those of [`fetch`].
pub fn fetch_from(name: &str, registry: &Registry, endpoint: Option<&str>) -> Result<Folder> {
    if !is_hub_name(name) {
        return Err(Error::new(ErrorCode::BadArgument, "no name of a model to pull")
            .expected("ORG/NAME")
            .got(name));
    }
    let cache = registry.cache().ok_or_else(|| {
        Error::new(ErrorCode::BadArgument, "there is no cache to pull an encoder into")
            .hint("set UNCSM_CACHE")
    })?;
    let families = registry.families();
    let place = cache.join(name);
    if place.exists() {
        return Folder::new(&place, name, families);
    }
    let parent = place.parent().unwrap_or(cache);
    std::fs::create_dir_all(parent).map_err(|e| Error::io(parent, e))?;
    let partial =
        tempfile::Builder::new().prefix(".pulling-").tempdir_in(parent).map_err(|e| Error::io(parent, e))?;
    let root = std::fs::canonicalize(partial.path()).map_err(|e| Error::io(partial.path(), e))?;
    let mut builder =
        ApiBuilder::new().with_cache_dir(root.join("parts")).with_progress(false).with_retries(2);
    if let Some(endpoint) = endpoint {
        builder = builder.with_endpoint(endpoint.trim_end_matches('/').to_owned());
    }
    let failed = |error: ApiError| failed(name, endpoint, error);
    let model = builder.build().map_err(failed)?.model(name.to_owned());
    let whole = root.join("whole");
    pull(&model, &whole, name, endpoint)?;
    let folder = Folder::new(&whole, name, families)?;
    for media in folder.family.media() {
        folder.open(media, registry.limits())?;
    }
    match std::fs::rename(&whole, &place) {
        Ok(()) => {}
        // Somebody else was faster.
        Err(_) if place.exists() => {}
        Err(error) => return Err(Error::io(&place, error)),
    }
    Folder::new(&place, name, families)
}

/// Pulls the files that an encoder reads into the new folder `whole`, durable when it returns.
fn pull(model: &ApiRepo, whole: &Path, name: &str, endpoint: Option<&str>) -> Result<()> {
    let failed = |error: ApiError| failed(name, endpoint, error);
    let about = model.info().map_err(failed)?;
    let files: Vec<String> =
        about.siblings.into_iter().map(|file| file.rfilename).filter(|file| is_read(file)).collect();
    if !files.iter().any(|file| file.ends_with("model.safetensors")) {
        return Err(Error::new(
            ErrorCode::NotFound,
            format!("the model {name} has no weights that are read here"),
        )
        .expected("model.safetensors")
        .got(files.join(", ")));
    }
    for file in files {
        let got = model.get(&file).map_err(failed)?;
        let target = whole.join(&file);
        let folder = target.parent().unwrap_or(whole);
        std::fs::create_dir_all(folder).map_err(|e| Error::io(folder, e))?;
        // The parts are a store of content with links into it: what they lead to is copied.
        let content = std::fs::canonicalize(&got).map_err(|e| Error::io(&got, e))?;
        std::fs::copy(&content, &target).map_err(|e| Error::io(&target, e))?;
        let synced = std::fs::File::open(&target).and_then(|file| file.sync_all());
        synced.map_err(|e| Error::io(&target, e))?;
    }
    Ok(())
}

fn failed(name: &str, endpoint: Option<&str>, error: ApiError) -> Error {
    let text = error.to_string();
    let code = if text.contains("404") { ErrorCode::NotFound } else { ErrorCode::Io };
    let server = endpoint.unwrap_or("the public server");
    Error::new(code, format!("the encoder {name} does not come from {server}: {text}"))
        .hint(format!(
            "check the name and the network, set {ENDPOINT}, or put its folder into one of UNCSM_ENCODERS"
        ))
        .source(error)
}
