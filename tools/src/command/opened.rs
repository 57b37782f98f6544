//! The indexes of a query, and the engine over them.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use uncsm_index::encode::Registry;
use uncsm_index::index::Index;
use uncsm_index::model::Bundle;
use uncsm_index::search::Engine;
use uncsm_index::{Error, ErrorCode, Hint, Result, Setting, Task};

/// The indexes at `dirs` as one engine, ranking by `bundle` or, where it is none of theirs, the one that they hold. `paths` are
/// read after the indexes, so that a missing one is told first.
///
/// # Errors
/// Those of opening, and of `paths`; [`ErrorCode::SpaceMismatch`] where the indexes hold different models and `bundle` is none.
pub fn open(
    dirs: &[PathBuf],
    bundle: Option<&Path>,
    paths: impl FnOnce() -> Result<Registry>,
) -> Result<(Vec<Index>, Engine)> {
    let open = |dir: &PathBuf| {
        let index = Index::open(dir);
        match index {
            Err(_) if !dir.exists() && !is_set_aside(dir) => Err(no_index(dir)),
            index => index,
        }
    };
    let indexes: Vec<Index> = dirs.iter().map(open).collect::<Result<_>>()?;
    let bundle = bundle.map(Bundle::load).transpose()?.map(Arc::new);
    if let (None, [first, rest @ ..]) = (&bundle, indexes.as_slice())
        && let Some(other) = rest.iter().find(|index| index.bundle().model() != first.bundle().model())
    {
        return Err(Error::new(ErrorCode::SpaceMismatch, "the indexes hold different models")
            .file(other.dir())
            .expected(format!("model {}, as in {}", first.bundle().model(), first.dir().display()))
            .got(format!("model {}", other.bundle().model()))
            .hint("give the one that scores with --bundle, or bring it to all with `attach`"));
    }
    // The bundle of the only index is followed, should another be attached to it.
    if let (None, [only]) = (&bundle, indexes.as_slice()) {
        let engine = Engine::new(only)?.with_encoders(paths()?);
        return Ok((indexes, engine));
    }
    let bundle = bundle.or_else(|| indexes.first().map(|index| index.bundle().clone()));
    let bundle = bundle.ok_or_else(|| Error::new(ErrorCode::BadArgument, "there is no index to search"))?;
    let paths = paths()?;
    let engine = Engine::over(&indexes, bundle)?.with_encoders(paths);
    Ok((indexes, engine))
}

/// Whether a killed replacement left the index beside its place, which the error of opening names.
fn is_set_aside(dir: &Path) -> bool {
    let mut aside = dir.as_os_str().to_owned();
    aside.push(".replaced");
    Path::new(&aside).exists()
}

/// What to look for is at times given where an index is expected.
fn no_index(dir: &Path) -> Error {
    let hint = Hint::new("make one with").task(Task::Build).text("; what to look for is given with");
    let hint = hint.setting(Setting::Words).text(" or").setting(Setting::Text);
    Error::new(ErrorCode::NotFound, "there is no such directory")
        .file(dir)
        .expected("an index directory")
        .hint(hint)
}
