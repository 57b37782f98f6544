//! Microseconds and hits of this project, query by query, for `benches/peers/run.py`, which has the data and the peers:
//! `cargo bench --profile measured --bench peers -- INDEX QUERIES.safetensors OUT.json [--ids FILE] [--rounds N] [--recalls A,B] [--only PART] [--inexact]`.
//!
//! A tensor `MEDIA.KIND` of QUERIES holds features of queries `[q, d_in]`; words of each row may stand in its metadata `words`, a JSON
//! list. Every kind of query runs in turn, all queries one by one; the first round warms up and is not counted. A hit is its
//! position: documents of all segments counted on; a batch gives those of all its queries, and its time by query. Times hold neither the pathway of the query nor the process; RAYON_NUM_THREADS=1 keeps
//! them to one thread. `--ids` writes the id of each position, `--inexact` leaves the scans out, `--only` kinds without these letters in their names.

#![allow(clippy::print_stdout, reason = "says what is missing")]

mod asked;
mod state;

use std::collections::BTreeMap;
use std::time::Instant;

use serde_json::{Value, json};
use uncsm_index::corpus::FeaturesFile;
use uncsm_index::index::Index;
use uncsm_index::search::Engine;
use uncsm_index::{Error, ErrorCode, Result};

use asked::{Kind, Positions, Queries, kinds};
use state::{Arguments, anonymous, ids, words, write};

/// Times and answers of a kind of query.
#[derive(Default)]
struct Found {
    /// Median microseconds of each round.
    micros: Vec<f64>,
    hits: Vec<Vec<u64>>,
    scored: Vec<u64>,
    exact: Vec<bool>,
}

fn main() -> Result<()> {
    let Some(arguments) = Arguments::read()? else {
        println!("skipped: needs INDEX QUERIES.safetensors OUT.json, as benches/peers/run.py gives them");
        return Ok(());
    };
    let file = FeaturesFile::open(&arguments.queries)?;
    let words = words(&arguments.queries)?;
    let before = anonymous();
    let started = Instant::now();
    let index = Index::open(&arguments.index)?;
    let engine = Engine::new(&index)?;
    let opened = started.elapsed();
    let queries = read(&file, &engine)?;
    let first = Instant::now();
    if let Some(queries) = queries.first() {
        engine.request().features(&queries.media, &queries.features[0])?.run()?;
    }
    let (first, after) = (first.elapsed(), anonymous());
    let searcher = engine.searcher();
    let positions = Positions::of(&searcher);
    let mut kinds = kinds(&index, &engine, &queries, &words, &arguments)?;
    kinds.retain(|kind| kind.name.contains(&arguments.only));
    let found = run(&kinds, arguments.rounds, &positions)?;
    if let Some(path) = &arguments.ids {
        write(path, ids(&searcher)?.as_bytes())?;
    }
    let segments: Vec<Value> = searcher
        .segment_readers()
        .iter()
        .map(|reader| json!({ "id": reader.segment_id().uuid_string(), "documents": reader.max_doc() }))
        .collect();
    let vectors: BTreeMap<&str, &Vec<Vec<f32>>> =
        queries.iter().map(|queries| (queries.name.as_str(), &queries.vectors)).collect();
    let kinds: BTreeMap<&str, Value> = kinds
        .iter()
        .zip(&found)
        .map(|(kind, found)| {
            let Found { micros, hits, scored, exact } = found;
            (kind.name.as_str(), json!({ "micros": micros, "hits": hits, "scored": scored, "exact": exact }))
        })
        .collect();
    let out = json!({
        "segments": segments, "vectors": vectors, "kinds": kinds,
        "open_ms": opened.as_secs_f64() * 1e3, "first_query_ms": first.as_secs_f64() * 1e3,
        "anonymous_bytes": { "before": before, "after": after },
    });
    write(&arguments.out, out.to_string().as_bytes())
}

/// The queries of all tensors, with their shared vectors.
fn read(file: &FeaturesFile, engine: &Engine) -> Result<Vec<Queries>> {
    let mut out = Vec::new();
    for name in file.names() {
        let Some((media, _)) = name.split_once('.') else {
            return Err(
                Error::new(ErrorCode::BadValue, "a tensor of queries has no name MEDIA.KIND").got(name)
            );
        };
        let tensor = file.tensor(name)?;
        let mut all = Vec::new();
        tensor.read(0..tensor.rows(), &mut all)?;
        let features: Vec<Vec<f32>> = all.chunks_exact(tensor.cols()).map(<[f32]>::to_vec).collect();
        let bundle = engine.bundle();
        let at = bundle.media_index(media)?;
        let vectors = features.iter().map(|row| bundle.project(at, row)).collect::<Result<_>>()?;
        out.push(Queries { name: name.clone(), media: media.into(), at, features, vectors });
    }
    Ok(out)
}

fn run(kinds: &[Kind<'_>], rounds: usize, positions: &Positions) -> Result<Vec<Found>> {
    let mut found: Vec<Found> = kinds.iter().map(|_| Found::default()).collect();
    for round in 0..=rounds {
        for (kind, found) in kinds.iter().zip(&mut found) {
            let mut times = Vec::with_capacity(kind.queries);
            for query in 0..kind.queries {
                let ask = (kind.prepare)(query)?;
                let started = Instant::now();
                let answer = ask()?;
                times.push(started.elapsed().as_secs_f64() * 1e6 / kind.per.max(1) as f64);
                if round == 0 {
                    found.hits.push(answer.hits.iter().map(|&address| positions.at(address)).collect());
                    found.scored.push(answer.scored);
                    found.exact.push(answer.exact);
                }
            }
            times.sort_by(f64::total_cmp);
            if round > 0 && !times.is_empty() {
                found.micros.push(times[times.len() / 2]);
            }
        }
    }
    Ok(found)
}
