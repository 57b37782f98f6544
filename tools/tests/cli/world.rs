//! What all tests share: data, a trained bundle and an index of it, each made once.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use serde_json::Value;

use crate::data;
use crate::files::write_lines;
use crate::run::{fresh_dir, json};

/// Rows of the shared data.
pub(crate) const ROWS: usize = 240;
/// The SOURCE arguments of the shared features file, without the file.
pub(crate) const PATHWAYS: &str =
    "--pathway image=image --pathway text=text --encoder image=eyes --encoder text=ears";

/// The shared files; nobody changes them.
pub(crate) struct World {
    pub(crate) features: PathBuf,
    pub(crate) corpus: PathBuf,
    pub(crate) config: PathBuf,
    pub(crate) bundle: PathBuf,
    pub(crate) index: PathBuf,
    /// What `train --json` and `build --json` said.
    pub(crate) trained: Value,
    pub(crate) built: Value,
}

/// The shared world.
pub(crate) fn world() -> &'static World {
    static WORLD: OnceLock<World> = OnceLock::new();
    WORLD.get_or_init(|| {
        let dir = fresh_dir("cli-world");
        let path = |name: &str| dir.join(name);
        let (features, corpus, config) = (path("rows.safetensors"), path("rows.jsonl"), path("train.toml"));
        let (bundle, index) = (path("bundle"), path("index"));
        data::rows(ROWS, 5).save(&features);
        write_lines(&corpus, &data::lines(ROWS));
        std::fs::write(&config, data::CONFIG).unwrap();
        let trained = train(&features, &config, &bundle);
        let built = json(0, &build_line(), &[&features, &corpus, &bundle, &index]);
        World { features, corpus, config, bundle, index, trained, built }
    })
}

/// Trains with labels on the rows that are not test rows.
pub(crate) fn train(features: &Path, config: &Path, out: &Path) -> Value {
    let line = format!(
        "train --features % {PATHWAYS} --label label --test-mask test --group group --config % --out % --threads 2"
    );
    json(0, &line, &[features, config, out])
}

/// The arguments of a build: features, corpus, bundle and out are to be filled in.
pub(crate) fn build_line() -> String {
    format!("build --features % {PATHWAYS} --corpus % --bundle % --out %")
}
