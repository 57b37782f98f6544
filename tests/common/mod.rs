//! Small random indexes in a plain tantivy app, and the brute force that searches them by the stored values alone.

#![allow(dead_code, missing_docs, unreachable_pub, reason = "each test binary uses a part")]

pub mod calendar;
pub mod encoder;
pub mod files;

use std::collections::BTreeMap;
use std::sync::Arc;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tantivy::schema::{FAST, Field, STORED, STRING, Schema, SchemaBuilder, TEXT};
use tantivy::{IndexWriter, Searcher, TantivyDocument};
use uncsm_index::index::{MediaField, MediaValue, UvecPlugin};
use uncsm_index::media::ItemOrigin;
use uncsm_index::model::Bundle;
use uncsm_index::search::{DocScorer, QueryPart, Similarity};

pub const WORDS: [&str; 4] = ["red", "green", "blue", "grey"];

/// An app's own index: its schema, the plugin, and the fields that it needs.
pub struct App {
    pub index: tantivy::Index,
    pub plugin: UvecPlugin,
    pub bundle: Bundle,
    pub id: Field,
    pub text: Field,
    pub media: MediaField,
}

/// One document before it is indexed.
#[derive(Debug, Clone)]
pub struct Doc {
    pub id: String,
    pub text: String,
    /// (media type, features)
    pub items: Vec<(usize, Vec<f32>)>,
}

/// An index in memory with the fields of `schema` and the field of media, one segment per item of `segments`.
pub fn in_ram(
    mut schema: SchemaBuilder,
    segments: impl IntoIterator<Item = Vec<TantivyDocument>>,
) -> (tantivy::Index, UvecPlugin) {
    MediaField::add(&mut schema, &bundle(1).space_spec()).unwrap();
    let plugin = UvecPlugin::new();
    let index = tantivy::Index::builder()
        .schema(schema.build())
        .register_plugin(plugin.registered())
        .create_in_ram()
        .unwrap();
    let mut writer: IndexWriter = index.writer_with_num_threads(1, 15_000_000).unwrap();
    writer.set_merge_policy(Box::new(tantivy::merge_policy::NoMergePolicy));
    for documents in segments {
        for document in documents {
            writer.add_document(document).unwrap();
        }
        writer.commit().unwrap();
    }
    (index, plugin)
}

pub fn bundle(seed: u64) -> Bundle {
    Bundle::random(&[("image", 6), ("text", 5)], 12, 7, 3, seed)
}

/// The same with hub terms.
pub fn hub_bundle(seed: u64) -> Bundle {
    bundle(seed).with_random_hubs(11, seed)
}

impl App {
    pub fn in_ram(bundle: Bundle) -> Self {
        Self::with(bundle, |builder| builder.create_in_ram().unwrap())
    }

    pub fn in_dir(bundle: Bundle, dir: &std::path::Path) -> Self {
        Self::with(bundle, |builder| builder.create_in_dir(dir).unwrap())
    }

    fn with(bundle: Bundle, create: impl FnOnce(tantivy::IndexBuilder) -> tantivy::Index) -> Self {
        let mut builder = Schema::builder();
        let id = builder.add_text_field("id", STRING | FAST | STORED);
        let text = builder.add_text_field("text", TEXT | STORED);
        let media = MediaField::add(&mut builder, &bundle.space_spec()).unwrap();
        let plugin = UvecPlugin::new().with_bundle(Arc::new(bundle.clone()));
        let index =
            create(tantivy::Index::builder().schema(builder.build()).register_plugin(plugin.registered()));
        Self { index, plugin, bundle, id, text, media }
    }

    pub fn document(&self, doc: &Doc) -> TantivyDocument {
        let mut out = TantivyDocument::new();
        out.add_text(self.id, &doc.id);
        out.add_text(self.text, &doc.text);
        let spec = self.media.spec();
        let mut value = MediaValue::builder(spec);
        let mut ordinals = [0u32; 8];
        for (media, features) in &doc.items {
            let stored = self.bundle.store(*media, &self.bundle.project(*media, features).unwrap());
            let vector: Vec<f32> = stored.vectors.iter().map(|v| v.to_f32()).collect();
            let half: Vec<f32> = stored.halves.iter().map(|v| v.to_f32()).collect();
            let origin = ItemOrigin { ordinal: ordinals[*media], span: None, hash: [7; 16] };
            ordinals[*media] += 1;
            value.item_with_hubs(*media, &origin, &vector, &half, &stored.hubs).unwrap();
        }
        if !value.is_empty() {
            value.finish().add_to(&mut out, self.media.field());
        }
        out
    }

    pub fn searcher(&self) -> Searcher {
        self.index.reader().unwrap().searcher()
    }

    pub fn scorer(&self, similarity: Similarity, parts: &[QueryPart], wanted: &[usize]) -> Arc<DocScorer> {
        Arc::new(DocScorer::new(&self.bundle, similarity, parts, wanted).unwrap())
    }

    pub fn part(&self, media: usize, features: &[f32]) -> QueryPart {
        QueryPart::new(media, self.bundle.project(media, features).unwrap())
    }
}

pub fn features(rng: &mut ChaCha8Rng, width: usize) -> Vec<f32> {
    (0..width).map(|_| rng.random_range(-1.0..1.0)).collect()
}

/// Random documents: some without items, some with several, some sharing features so that scores tie.
pub fn random_docs(seed: u64, n: usize) -> Vec<Doc> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let shared: Vec<Vec<f32>> = vec![features(&mut rng, 6), features(&mut rng, 5)];
    let doc = |i: usize| {
        let mut items = Vec::new();
        for (media, width) in [(0, 6), (1, 5)] {
            for _ in 0..[0, 1, 1, 2, 3][rng.random_range(0..5)] {
                let tie = rng.random_bool(0.3);
                items.push((media, if tie { shared[media].clone() } else { features(&mut rng, width) }));
            }
        }
        let text = (0..3).map(|_| WORDS[rng.random_range(0..WORDS.len())]).collect::<Vec<_>>().join(" ");
        // Ids that do not sort like document numbers.
        Doc { id: format!("{:03}", (i * 37) % 1000), text, items }
    };
    (0..n).map(doc).collect()
}

/// Brute force over the values that the segments hold: id -> (best value over the wanted media types per part, mean).
pub fn brute_force(
    app: &App,
    searcher: &Searcher,
    similarity: Similarity,
    parts: &[QueryPart],
    wanted: &[usize],
) -> BTreeMap<String, f32> {
    let mut out = BTreeMap::new();
    for reader in searcher.segment_readers() {
        let vectors = app.plugin.cache().get(reader).unwrap();
        let ids = reader.fast_fields().str("id").unwrap().unwrap();
        for doc in reader.doc_ids_alive() {
            let mut best: Vec<Option<f32>> = vec![None; parts.len()];
            for &media in wanted {
                let view = vectors.view(media);
                for row in (0..view.len()).filter(|&row| view.docs[row] == doc) {
                    let mut vector = vec![0.0; view.dim];
                    let mut half = vec![0.0; view.half];
                    view.vector_into(row, &mut vector);
                    view.half_into(row, &mut half);
                    for (part, best) in parts.iter().zip(&mut best) {
                        let row = Row {
                            vector: &vector,
                            half: &half,
                            hubs: view.hubs_of(row),
                            inverse_norm: view.inverse_norms[row],
                        };
                        let value = value(app, similarity, part, media, row);
                        *best = Some(best.map_or(value, |b: f32| b.max(value)));
                    }
                }
            }
            let Some(values) = best.into_iter().collect::<Option<Vec<f32>>>() else { continue };
            let weights: f32 = parts.iter().map(|p| p.weight).sum();
            let mean = if values.len() == 1 {
                values[0]
            } else {
                values.iter().zip(parts).map(|(v, p)| v * p.weight).sum::<f32>() / weights
            };
            let mut id = String::new();
            ids.ord_to_str(ids.ords().first(doc).unwrap(), &mut id).unwrap();
            assert!(out.insert(id, mean).is_none());
        }
    }
    out
}

#[derive(Clone, Copy)]
struct Row<'a> {
    vector: &'a [f32],
    half: &'a [f32],
    hubs: &'a [f32],
    inverse_norm: f32,
}

fn value(app: &App, similarity: Similarity, part: &QueryPart, media: usize, row: Row<'_>) -> f32 {
    use uncsm_index::model::{Target, dot};
    let Row { vector, half, hubs, inverse_norm } = row;
    match similarity {
        Similarity::Both => {
            let p = |target| {
                let similarity = Similarity::Metric(target);
                let logit = f64::from(value(app, similarity, part, media, row));
                1.0 / (1.0 + (-logit).exp())
            };
            let mean = (p(Target::Class) + p(Target::Pair)) / 2.0;
            (mean / (1.0 - mean)).ln() as f32
        }
        Similarity::Metric(target) => {
            let query = app.bundle.metric().query_half(target, part.media, media, &part.vector).unwrap();
            let raw = query.logit(vector, half, hubs);
            query.calibration.map_or(raw, |c| c.logit(raw))
        }
        Similarity::Cosine => {
            let norm = dot(&part.vector, &part.vector).sqrt();
            let unit: Vec<f32> = part.vector.iter().map(|v| v * (1.0 / norm)).collect();
            dot(&unit, vector) * inverse_norm
        }
        Similarity::Posterior => {
            let range = app.bundle.posterior().unwrap();
            dot(&part.vector[range.clone()], &vector[range])
        }
        other => unreachable!("no oracle for {other:?}"),
    }
}

pub fn cosine(a: &[f32], b: &[f32]) -> f64 {
    assert_eq!(a.len(), b.len());
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(x, y)| f64::from(*x) * f64::from(*y)).sum::<f64>();
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt().max(1e-12)
}

/// The best k of a brute force: value descending, then id ascending.
pub fn top(values: &BTreeMap<String, f32>, k: usize) -> Vec<(String, f32)> {
    let mut all: Vec<(String, f32)> = values.iter().map(|(id, v)| (id.clone(), *v)).collect();
    all.sort_by(|a, b| b.1.total_cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    all.truncate(k);
    all
}
