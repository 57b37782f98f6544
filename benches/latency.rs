//! Seconds, bytes and latency on 60,004 real texts: `cargo bench --profile measured --bench latency`.
//!
//! Needs `debian-packages/` and `openclipart-mini/` in the folder `UNCSM_DATA` (default `../shared/data`). The bundle is
//! trained with few epochs on openclipart-mini: latency does not depend on how good the vectors are. Every kind of query
//! runs in turn, so that a slow moment of the machine hits all of them alike; the ratio is that to cosine.

#![allow(clippy::print_stdout, reason = "the result of a benchmark")]

use std::path::{Path, PathBuf};
use std::time::Instant;

use uncsm_index::corpus::{FeatureFiles, FeaturesFile, JsonlReader, PathwayArg};
use uncsm_index::data::{FeatureOptions, from_features};
use uncsm_index::encode::{FeatureRows, FeatureSource, Ids};
use uncsm_index::index::{BuildOptions, Index, OnBad, build, inspect};
use uncsm_index::model::Bundle;
use uncsm_index::schema::{BadLines, SchemaOverrides, infer};
use uncsm_index::search::{Engine, Fusion, Request, Similarity};
use uncsm_index::train::{TrainConfig, Trainer};
use uncsm_index::{Error, Result};

const ROUNDS: usize = 40;

fn main() -> Result<()> {
    let data = std::env::var_os("UNCSM_DATA").map_or_else(|| PathBuf::from("../shared/data"), PathBuf::from);
    let needed =
        [data.join("debian-packages/docs.jsonl"), data.join("openclipart-mini/features.safetensors")];
    if let Some(missing) = needed.iter().find(|path| !path.exists()) {
        println!("skipped: {} is not there (set UNCSM_DATA)", missing.display());
        return Ok(());
    }
    let bundle = bundle(&data)?;
    let dir = tempfile::tempdir().map_err(|e| Error::io("temporary directory", e))?;
    let started = Instant::now();
    let index = index(&data, &bundle, &dir.path().join("index"))?;
    println!("build: {:.2} s", started.elapsed().as_secs_f64());
    let report = inspect(&index)?;
    for segment in &report.segments {
        println!(
            "segment: {} documents, {} items, {:?} bytes",
            segment.documents, segment.items["text"], segment.bytes
        );
    }
    latency(&data, &index)
}

fn pathway(argument: &str) -> Result<PathwayArg> {
    PathwayArg::parse(argument)
}

fn bundle(data: &Path) -> Result<Bundle> {
    let files = FeatureFiles::open(&[data.join("openclipart-mini/features.safetensors")])?;
    let pathways = [pathway("image=image_efficientnet_lite0")?, pathway("text=text_minilm")?];
    let options = FeatureOptions {
        pathways: &pathways,
        label: Some("label"),
        test_mask: Some("is_test"),
        ..FeatureOptions::default()
    };
    let training = from_features(&files, &options)?;
    let mut config = TrainConfig::default();
    (config.contrastive.epochs, config.double_triplet.epochs, config.metric.epochs) = (2, 2, 2);
    Ok(Trainer::new(&training).config(config).run()?.bundle)
}

fn index(data: &Path, bundle: &Bundle, dir: &Path) -> Result<Index> {
    let corpus = data.join("debian-packages/docs.jsonl");
    let scan = infer(JsonlReader::open(&corpus)?, &corpus, &SchemaOverrides::default(), BadLines::Stop)?;
    let index = Index::create(dir, &scan.schema, bundle)?;
    let mut writer = index.writer(256 << 20)?;
    let file = FeaturesFile::open(data.join("debian-packages/text_minilm.safetensors"))?;
    let rows = FeatureRows::find(&file, &[pathway("text=text_minilm")?], &[])?;
    let source = FeatureSource::new(file.path(), rows, Some(&corpus), Ids::Required { built: None })?;
    build(
        &index,
        &mut writer,
        source,
        BuildOptions { on_bad: OnBad::Stop, ..Default::default() },
        &mut |_| {},
    )?;
    writer.commit()?;
    writer.finish()?;
    Ok(index)
}

fn latency(data: &Path, index: &Index) -> Result<()> {
    let file = FeaturesFile::open(data.join("debian-packages/text_minilm.safetensors"))?;
    let tensor = file.tensor("text_minilm")?;
    let engine = Engine::new(index)?;
    type Kind = (&'static str, fn(Request) -> Request, bool);
    let kinds: [Kind; 8] = [
        ("cosine", |r| r.similarity(Similarity::Cosine), true),
        ("metric", |r| r, true),
        ("keywords", |r| r.keywords("game strategy"), false),
        ("keywords + filter", |r| r.keywords("game strategy").filter("section_exact:games"), false),
        ("metric + filter", |r| r.filter("section_exact:games"), true),
        ("hybrid rrf", |r| r.keywords("game strategy"), true),
        ("hybrid metric", |r| r.keywords("game strategy").fusion(Fusion::Metric), true),
        ("hybrid rrf + filter", |r| r.keywords("game strategy").filter("section_exact:games"), true),
    ];
    let mut times = vec![Vec::new(); kinds.len()];
    for round in 0..=ROUNDS {
        let mut features = Vec::new();
        let row = round * 1499 % tensor.rows();
        tensor.read(row..row + 1, &mut features)?;
        for ((_, shape, media), times) in kinds.iter().zip(&mut times) {
            let started = Instant::now();
            let request = engine.request();
            let request = if *media { request.features("text", &features)? } else { request };
            let found = shape(request).run()?;
            assert!(!found.hits.is_empty());
            // The first round maps the file and starts the threads.
            if round > 0 {
                times.push(started.elapsed().as_secs_f64() * 1000.0);
            }
        }
    }
    let median = |times: &[f64]| {
        let mut sorted = times.to_vec();
        sorted.sort_by(f64::total_cmp);
        (sorted[0], sorted[sorted.len() / 2], sorted[sorted.len() - 1])
    };
    let (_, base, _) = median(&times[0]);
    println!("{:20} {:>8} {:>8} {:>8}  {:>6}", "query (ms)", "min", "median", "max", "ratio");
    for ((name, ..), times) in kinds.iter().zip(&times) {
        let (low, mid, high) = median(times);
        println!("{name:20} {low:8.2} {mid:8.2} {high:8.2}  {:6.2}", mid / base);
    }
    Ok(())
}
