//! Microseconds of an exact query over stored rows, and the bytes it reads in a second: `cargo bench --profile measured --bench scan`.
//!
//! Rows are those of a random bundle, seeded: time depends on their number and width alone. Everything takes turns, so that a
//! slow moment of the machine hits all alike; the ratio is to a plain sum over the same bytes, which is what memory gives.
//! `RAYON_NUM_THREADS=1` for one thread. Arguments: rows (60,004), width of the shared space (256), hidden units (0), rounds (40).

#![allow(clippy::print_stdout, reason = "the result of a benchmark")]

use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tantivy::collector::Count;
use tantivy::query::AllQuery;
use tantivy::schema::{FAST, STORED, STRING, Schema};
use tantivy::{IndexWriter, TantivyDocument};
use uncsm_index::index::{MediaField, MediaValue, UvecPlugin};
use uncsm_index::media::ItemOrigin;
use uncsm_index::model::{Bundle, Target};
use uncsm_index::search::{DocScorer, Engine, MetricCollector, QueryPart, Similarity};

type Failed = Box<dyn std::error::Error>;
type Kind<'a> = (String, Box<dyn Fn(&[f32]) -> Result<(), Failed> + 'a>);

const FEATURES: usize = 48;

fn main() -> Result<(), Failed> {
    let given: Vec<usize> = std::env::args().filter_map(|argument| argument.parse().ok()).collect();
    let argument = |at: usize, default| given.get(at).copied().unwrap_or(default);
    let (rows, dim, half, rounds) = (argument(0, 60_004), argument(1, 256), argument(2, 0), argument(3, 40));
    let bundle = Bundle::random(&[("image", FEATURES), ("text", FEATURES)], dim, half, 0, 17);
    let bundle = bundle.with_random_hubs(64, 17);
    let mut rng = ChaCha8Rng::seed_from_u64(17);
    let mut draw = || -> Vec<f32> { (0..FEATURES).map(|_| rng.random_range(-1.0..1.0)).collect() };
    let (index, plugin) = fill(&bundle, (0..rows).map(|_| draw()))?;
    let searcher = index.reader()?.searcher();
    let [segment] = searcher.segment_readers() else { return Err("one segment was written".into()) };
    let vectors = plugin.cache().get(segment)?;
    let engine = Engine::hosts([(&index, searcher.clone(), plugin.cache())], bundle.clone())?;

    let stored = 2 * dim * rows;
    let memory: Vec<u32> = vec![1; stored / 4];
    let docs: Vec<u32> = (0..rows as u32).collect();
    let sum = |_: &[f32]| -> Result<(), Failed> {
        black_box(black_box(&memory).iter().fold(0u32, |sum, x| sum.wrapping_add(*x)));
        Ok(())
    };
    let scorer = |similarity, features: &[f32]| -> Result<Arc<DocScorer>, Failed> {
        let part = QueryPart::of(&bundle, "image", features)?;
        Ok(Arc::new(DocScorer::new(&bundle, similarity, &[part], &[1])?))
    };
    let mut kinds: Vec<Kind<'_>> = vec![("sum of the bytes".into(), Box::new(sum))];
    for (name, similarity) in [("cosine", Similarity::Cosine), ("metric", Similarity::Metric(Target::Pair))] {
        let (scorer, engine) = (&scorer, &engine);
        let (docs, vectors, searcher, plugin) = (&docs, &vectors, &searcher, &plugin);
        let values = move |features: &[f32]| -> Result<(), Failed> {
            black_box(scorer(similarity, features)?.values(vectors, docs)?);
            Ok(())
        };
        kinds.push((format!("{name}, value of every row"), Box::new(values)));
        let top = move |features: &[f32]| -> Result<(), Failed> {
            let collector = MetricCollector::new(scorer(similarity, features)?, plugin.cache(), 10);
            black_box(searcher.search(&AllQuery, &collector)?);
            Ok(())
        };
        kinds.push((format!("{name}, top 10 by collector"), Box::new(top)));
        let whole = move |features: &[f32]| -> Result<(), Failed> {
            let request = engine.request().features("image", features)?;
            black_box(request.similarity(similarity).k(10).run()?);
            Ok(())
        };
        kinds.push((format!("{name}, top 10 by engine"), Box::new(whole)));
    }
    kinds.push((
        "all documents, counted".into(),
        Box::new(|_: &[f32]| {
            black_box(searcher.search(&AllQuery, &Count)?);
            Ok(())
        }),
    ));

    let mut times = vec![Vec::new(); kinds.len()];
    for round in 0..=rounds {
        let features = draw();
        for ((_, run), times) in kinds.iter().zip(&mut times) {
            let started = Instant::now();
            run(&features)?;
            // The first round brings the rows and starts the threads.
            if round > 0 {
                times.push(started.elapsed().as_secs_f64());
            }
        }
    }
    println!(
        "{rows} rows x {dim}, {half} hidden units: {} bytes of vectors, {} threads",
        stored,
        rayon::current_num_threads()
    );
    println!("{:32} {:>9} {:>9} {:>7} {:>6}", "microseconds", "min", "median", "GB/s", "ratio");
    let mut base = f64::NAN;
    for ((name, _), times) in kinds.iter().zip(&mut times) {
        times.sort_by(f64::total_cmp);
        let median = times[times.len() / 2];
        base = if base.is_nan() { median } else { base };
        let rate = stored as f64 / median / 1e9;
        println!("{name:32} {:9.0} {:9.0} {rate:7.1} {:6.2}", times[0] * 1e6, median * 1e6, median / base);
    }
    Ok(())
}

/// One segment of a document for each text.
fn fill(
    bundle: &Bundle,
    texts: impl Iterator<Item = Vec<f32>>,
) -> Result<(tantivy::Index, UvecPlugin), Failed> {
    let mut schema = Schema::builder();
    let id = schema.add_text_field("id", STRING | FAST | STORED);
    let media = MediaField::add(&mut schema, &bundle.space_spec())?;
    let plugin = UvecPlugin::new();
    let builder = tantivy::Index::builder().schema(schema.build()).register_plugin(plugin.registered());
    let index = builder.create_in_ram()?;
    let mut writer: IndexWriter = index.writer_with_num_threads(1, 1 << 30)?;
    for (at, features) in texts.enumerate() {
        let stored = bundle.store(1, &bundle.project(1, &features)?);
        let vector: Vec<f32> = stored.vectors.iter().map(|v| v.to_f32()).collect();
        let half: Vec<f32> = stored.halves.iter().map(|v| v.to_f32()).collect();
        let origin = ItemOrigin { ordinal: 0, span: None, hash: [7; 16] };
        let mut value = MediaValue::builder(media.spec());
        value.item_with_hubs(1, &origin, &vector, &half, &stored.hubs)?;
        let mut document = TantivyDocument::new();
        document.add_text(id, format!("{at:08}"));
        value.finish().add_to(&mut document, media.field());
        writer.add_document(document)?;
    }
    writer.commit()?;
    Ok((index, plugin))
}
