//! Everything that works on an index which the app made itself, with its own schema and writer: the metric network as a
//! clause of a `BooleanQuery`, as a collector beside others, as a set of documents, and whole queries by the engine.

#![allow(clippy::print_stdout, reason = "an example prints what it finds")]
use std::sync::Arc;

use tantivy::collector::{Count, DocSetCollector, MultiCollector, TopDocs};
use tantivy::query::{AllQuery, BooleanQuery, BoostQuery, Occur, Query};
use tantivy::schema::{FAST, STORED, STRING, Schema, TEXT};
use tantivy::{IndexWriter, TantivyDocument};
use uncsm_index::index::{MediaField, MediaValue, UvecPlugin};
use uncsm_index::model::Bundle;
use uncsm_index::search::{
    CrossMediaQuery, DocScorer, Engine, Fusion, MetricCollector, Mode, QueryPart, Similarity, parse,
};

/// Stands in for an encoder: one number per word of interest.
fn features(title: &str) -> Vec<f32> {
    ["red", "blue", "bird", "boat"].map(|word| f32::from(u8::from(title.contains(word)))).to_vec()
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // An untrained bundle keeps this short; an app loads its own with `Bundle::load`.
    let bundle = Bundle::random(&[("image", 4), ("text", 4)], 16, 8, 0, 7);
    let mut schema = Schema::builder();
    let id = schema.add_text_field("id", STRING | FAST | STORED);
    let title = schema.add_text_field("title", TEXT | STORED);
    let shelf = schema.add_text_field("shelf", STRING | FAST);
    let media = MediaField::add(&mut schema, &bundle.space_spec())?;
    let plugin = UvecPlugin::new();
    let index = tantivy::Index::builder().schema(schema.build()).register_plugin(plugin.registered());
    let index = index.create_in_ram()?;
    let mut writer: IndexWriter = index.writer_with_num_threads(1, 15_000_000)?;
    for (number, text) in ["red bird", "blue bird", "red boat", "blue boat"].into_iter().enumerate() {
        let mut document = TantivyDocument::new();
        document.add_text(id, number.to_string());
        document.add_text(title, text);
        document.add_text(shelf, if number < 2 { "animals" } else { "ships" });
        let mut items = MediaValue::builder(media.spec());
        items.features(&bundle, "image", 0, &features(text))?;
        items.finish().add_to(&mut document, media.field());
        writer.add_document(document)?;
    }
    writer.commit()?;
    let searcher = index.reader()?.searcher();
    let sentence = QueryPart::of(&bundle, "text", &features("red bird"))?;
    let metric = Similarity::Metric(bundle.default_target());
    let scorer = DocScorer::new(&bundle, metric, &[sentence], &[bundle.media_index("image")?])?;
    let scorer = Arc::new(scorer.for_ranking());

    // 1. A clause among others: keywords must match, the sentence adds to their score.
    let fits = CrossMediaQuery::new(scorer.clone(), plugin.cache())?;
    let clauses: Vec<(Occur, Box<dyn Query>)> = vec![
        (Occur::Must, parse(&index, Mode::Keywords, "boat OR bird~1")?),
        (Occur::Should, Box::new(BoostQuery::new(Box::new(fits.clone()), 2.0))),
    ];
    let mixed = BooleanQuery::new(clauses);
    for (score, address) in searcher.search(&mixed, &TopDocs::with_limit(2).order_by_score())? {
        println!("clause     {address:?}  {score:.4}");
    }

    // 2. A collector beside others: ranked by the network, and counted, in one pass.
    let mut collectors = MultiCollector::new();
    let ranked = collectors.add_collector(MetricCollector::new(scorer, plugin.cache(), 3));
    let counted = collectors.add_collector(Count);
    let mut fruits = searcher.search(&AllQuery, &collectors)?;
    for doc in ranked.extract(&mut fruits).docs {
        println!("collector  {}  {:.4}", doc.id.unwrap_or_default(), doc.score);
    }
    println!("of {}", counted.extract(&mut fruits));

    // 3. A set: all that match the sentence with a probability of at least one half, in no order.
    let sure = searcher.search(&fits.min_probability(0.5)?, &DocSetCollector)?;
    println!("set        {} documents", sure.len());

    // 4. Whole queries over the app's index: legs, fusion, facets, explanations.
    let engine = Engine::host(&index, searcher, plugin.cache(), bundle.clone())?;
    let request = engine.request().features("text", &features("red bird"))?.keywords("red");
    let found = request.fusion(Fusion::Product).facet("shelf").explain().run()?;
    for hit in &found.hits {
        println!("engine     {:?}  {:.4}  {:?}", hit.id, hit.score, hit.probability);
    }
    println!("{:?}", found.facets["shelf"]);
    Ok(())
}
