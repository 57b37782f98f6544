//! A tantivy app of its own schema, index and writer that searches pictures and texts with this crate's plugin.

#![allow(clippy::print_stdout, reason = "an example prints what it finds")]
use std::sync::Arc;

use tantivy::collector::TopDocs;
use tantivy::query::{AllQuery, BooleanQuery, Occur, Query, TermQuery};
use tantivy::schema::{FAST, IndexRecordOption, STORED, STRING, Schema, TEXT};
use tantivy::{IndexWriter, TantivyDocument, Term};
use uncsm_index::index::{MediaField, MediaValue, UvecPlugin};
use uncsm_index::model::Bundle;
use uncsm_index::search::{CrossMediaQuery, DocScorer, MetricCollector, QueryPart, Similarity};

const TITLES: [&str; 4] = ["red bird", "blue bird", "red boat", "blue boat"];

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
    let media = MediaField::add(&mut schema, &bundle.space_spec())?;
    let plugin = UvecPlugin::new();
    let index = tantivy::Index::builder().schema(schema.build()).register_plugin(plugin.registered());
    let index = index.create_in_ram()?;
    let mut writer: IndexWriter = index.writer_with_num_threads(1, 15_000_000)?;
    for (number, text) in TITLES.into_iter().enumerate() {
        let mut document = TantivyDocument::new();
        document.add_text(id, number.to_string());
        document.add_text(title, text);
        let mut items = MediaValue::builder(media.spec());
        for media in ["image", "text"] {
            items.features(&bundle, media, 0, &features(text))?;
        }
        items.finish().add_to(&mut document, media.field());
        writer.add_document(document)?;
    }
    writer.commit()?;
    // Documents whose pictures fit a sentence: every document ranked, then a keyword and the sentence in one query.
    let searcher = index.reader()?.searcher();
    let sentence = QueryPart::of(&bundle, "text", &features("red bird"))?;
    let metric = Similarity::Metric(bundle.default_target());
    let scorer = Arc::new(DocScorer::new(&bundle, metric, &[sentence], &[0])?.for_ranking());
    let ranked = searcher.search(&AllQuery, &MetricCollector::new(scorer.clone(), plugin.cache(), 4))?;
    for doc in &ranked.docs {
        println!("metric  document {}  logit {:.4}", doc.id.as_deref().unwrap_or("-"), doc.score);
    }
    let fits: Box<dyn Query> = Box::new(CrossMediaQuery::new(scorer, plugin.cache())?);
    let boat = Box::new(TermQuery::new(Term::from_field_text(title, "boat"), IndexRecordOption::Basic));
    let both = BooleanQuery::new(vec![(Occur::Must, fits), (Occur::Must, boat as Box<dyn Query>)]);
    for (score, address) in searcher.search(&both, &TopDocs::with_limit(4).order_by_score())? {
        println!("hybrid  document {}:{}  score {score:.4}", address.segment_ord, address.doc_id);
    }
    Ok(())
}
