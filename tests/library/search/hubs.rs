//! Hub terms: stored beside the vectors, the same bits on every path, and of no concern to a cosine.

use std::path::Path;
use std::sync::Arc;

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use serde_json::json;
use uncsm_format::Column;
use uncsm_index::corpus::JsonlReader;
use uncsm_index::encode::{CorpusSource, Encoder, Encoders, Ids};
use uncsm_index::index::{self, BuildOptions, Existing, Index};
use uncsm_index::model::{Bundle, Target};
use uncsm_index::schema::{BadLines, SchemaOverrides, infer};
use uncsm_index::search::{Engine, MediaChoice, Response, Similarity};

use crate::common::encoder::Bytes;
use crate::common::files::{put, write_lines};
use crate::common::{App, Doc, brute_force, bundle, features, hub_bundle, random_docs, top};
use crate::search::world::{engine, id, ids, spread};

const MEMORY: usize = 15 << 20;
const NAMES: [&str; 3] = ["image", "text", "sound"];
const WIDTHS: [usize; 3] = [6, 5, 4];

fn bits(x: &[f32]) -> Vec<u32> {
    x.iter().map(|x| x.to_bits()).collect()
}

fn pairs(response: &Response) -> Vec<(String, u32)> {
    response.hits.iter().map(|hit| (id(hit), hit.score.to_bits())).collect()
}

/// Every stored hub is that of the stored vector, to the bit; gives their number.
fn check_stored(bundle: &Bundle, cache: &index::SegmentCache, searcher: &tantivy::Searcher) -> usize {
    let mut count = 0;
    for reader in searcher.segment_readers() {
        let vectors = cache.get(reader).unwrap();
        for media in 0..bundle.media().len() {
            let view = vectors.view(media);
            assert_eq!(view.hub_columns, bundle.metric().hub_columns());
            for row in 0..view.len() {
                let (mut vector, mut hubs) = (vec![0.0; view.dim], vec![f32::NAN; view.hub_columns]);
                view.vector_into(row, &mut vector);
                bundle.metric().item_hubs(media, &vector, &mut hubs);
                assert_eq!(bits(view.hubs_of(row)), bits(&hubs));
                count += hubs.len();
            }
        }
    }
    count
}

#[test]
fn three_media_types_answer_as_the_stored_values_say() {
    let shapes: Vec<(&str, usize)> = NAMES.into_iter().zip(WIDTHS).collect();
    let bundle = Bundle::random(&shapes, 14, 5, 3, 8).with_random_hubs(23, 8);
    let mut rng = ChaCha8Rng::seed_from_u64(2);
    let docs: Vec<Doc> = (0..60)
        .map(|i| Doc {
            id: format!("{:02}", (i * 37) % 60),
            text: "red".into(),
            items: (0..3)
                .filter(|m| (i + m) % 4 > 0)
                .flat_map(|m| [m; 2])
                .map(|m| (m, features(&mut rng, WIDTHS[m])))
                .collect(),
        })
        .collect();
    let apps = spread(&bundle, &docs, 1, 3, &["07".into(), "30".into()]);
    let (app, engine) = (&apps[0], engine(&apps));
    assert!(check_stored(&bundle, app.plugin.cache(), &app.searcher()) > 300);
    for query in 0..3 {
        let raw = features(&mut rng, WIDTHS[query]);
        let parts = [app.part(query, &raw)];
        for (wanted, name) in NAMES.into_iter().enumerate() {
            for target in [Target::Class, Target::Pair] {
                let similarity = Similarity::Metric(target);
                let request = || {
                    let request = engine.request().features(NAMES[query], &raw).unwrap().k(20);
                    request.media(MediaChoice::Named(name.into())).similarity(similarity)
                };
                let found = request().explain().run().unwrap();
                let expected = top(&brute_force(app, &app.searcher(), similarity, &parts, &[wanted]), 20);
                let expected: Vec<(String, u32)> =
                    expected.into_iter().map(|(id, value)| (id, value.to_bits())).collect();
                assert_eq!(pairs(&found), expected, "{query} {wanted} {target:?}");
                // With others in one pass over the rows.
                let other = features(&mut rng, WIDTHS[query]);
                let other = engine.request().features(NAMES[query], &other).unwrap();
                let batch = engine.batch(vec![request(), other, request()]);
                assert_eq!(pairs(batch[0].as_ref().unwrap()), expected);
                assert_eq!(pairs(batch[2].as_ref().unwrap()), expected);
                // The term stands in the explanation where there is one.
                let head = &found.hits[0].explanation.as_ref().unwrap()["media"]["parts"][0]["heads"][0];
                let number = |value: &serde_json::Value| value.as_f64().unwrap();
                let parts = ["bilinear", "hidden", "bias"].map(|part| number(&head[part]));
                let sum: f64 = parts.iter().sum();
                if query == wanted {
                    assert!(head.get("hub").is_none() && head.get("hub_parts").is_none(), "{head}");
                    assert!((sum - number(&head["raw"])).abs() < 1e-5, "{head}");
                } else {
                    let of = |part: &str| number(&head["hub_parts"][part]);
                    let hub = number(&head["hub"]);
                    assert!((hub + of("weight") * (of("query") + of("item"))).abs() < 1e-5, "{head}");
                    assert!((sum + hub - number(&head["raw"])).abs() < 1e-5 && hub != 0.0, "{head}");
                }
            }
        }
    }
}

#[test]
fn cosine_and_posteriors_do_not_see_hubs_and_the_metric_does() {
    let docs = random_docs(5, 50);
    let of = |bundle: Bundle| spread(&bundle, &docs, 1, 2, &[]);
    let (plain, hubs) = (of(bundle(4)), of(hub_bundle(4)));
    assert_ne!(plain[0].bundle.space(), hubs[0].bundle.space());
    let raw = features(&mut ChaCha8Rng::seed_from_u64(9), 5);
    let ask = |apps: &[App], similarity| {
        let request = engine(apps).request().features("text", &raw).unwrap().k(50);
        pairs(&request.media(MediaChoice::Named("image".into())).similarity(similarity).run().unwrap())
    };
    for similarity in [Similarity::Cosine, Similarity::Posterior] {
        assert_eq!(ask(&plain, similarity), ask(&hubs, similarity), "{similarity:?}");
    }
    for target in [Target::Class, Target::Pair] {
        let similarity = Similarity::Metric(target);
        assert_ne!(ask(&plain, similarity), ask(&hubs, similarity), "{similarity:?}");
    }
    assert_eq!(check_stored(&plain[0].bundle, plain[0].plugin.cache(), &plain[0].searcher()), 0);
}

/// As `add` does.
fn fill(index: &Index, corpus: &Path) {
    let mut writer = index.writer(MEMORY).unwrap();
    let encoder = |width| Arc::new(Bytes::new(width)) as Arc<dyn Encoder>;
    let encoders = Encoders::from([("image".into(), encoder(6)), ("text".into(), encoder(5))]);
    let options =
        BuildOptions { encoders: Some(&encoders), existing: Existing::Replace, ..BuildOptions::default() };
    let source = CorpusSource::open(corpus, Ids::Required { built: None }).unwrap();
    index::build(index, &mut writer, source, options, &mut |_| {}).unwrap();
    writer.commit().unwrap();
    writer.finish().unwrap();
}

fn sound(dir: &Path) -> Index {
    let index = Index::open(dir).unwrap();
    let searcher = index.reader().unwrap().searcher();
    // Those of deleted documents stay until a merge.
    let documents: u32 = searcher.segment_readers().iter().map(|reader| reader.max_doc()).sum();
    assert_eq!(check_stored(index.bundle(), index.cache(), &searcher), 2 * documents as usize);
    assert_eq!(index::verify(dir).unwrap(), []);
    index
}

/// What `like` of a document must find among pictures: the mean logit of its stored picture and text over each stored picture.
fn alike(index: &Index, id: &str) -> Vec<(String, u32)> {
    let engine = Engine::new(index).unwrap();
    let (searcher, bundle) = (engine.searcher(), index.bundle());
    let mut all = std::collections::BTreeMap::new();
    let mut query = None;
    for reader in searcher.segment_readers() {
        let vectors = index.cache().get(reader).unwrap();
        let ids = reader.fast_fields().str("id").unwrap().unwrap();
        for doc in reader.doc_ids_alive() {
            let mut name = String::new();
            ids.ord_to_str(ids.ords().first(doc).unwrap(), &mut name).unwrap();
            let [image, text] = [0, 1].map(|media| {
                let view = vectors.view(media);
                let row = view.items_of(doc).start;
                let (mut vector, mut half) = (vec![0.0; view.dim], vec![0.0; view.half]);
                view.vector_into(row, &mut vector);
                view.half_into(row, &mut half);
                (vector, half, view.hubs_of(row).to_vec())
            });
            if name == id {
                query = Some([image.0, text.0]);
            } else {
                all.insert(name, image);
            }
        }
    }
    let vectors = query.unwrap();
    let queries =
        [0, 1].map(|media| bundle.metric().query_half(Target::Pair, media, 0, &vectors[media]).unwrap());
    assert_eq!(queries.each_ref().map(|query| query.hub.is_some()), [false, true]);
    let values = all.into_iter().map(|(id, (vector, half, hubs))| {
        let [image, text] = queries
            .each_ref()
            .map(|query| query.calibration.unwrap().logit(query.logit(&vector, &half, &hubs)));
        (id, (image + text) / 2.0)
    });
    top(&values.collect(), 100).into_iter().map(|(id, value)| (id, value.to_bits())).collect()
}

fn like(index: &Index, id: &str) -> Vec<(String, u32)> {
    let engine = Engine::new(index).unwrap();
    let request = engine.request().like(id).unwrap().media(MediaChoice::Named("image".into()));
    pairs(&request.similarity(Similarity::Metric(Target::Pair)).k(100).run().unwrap())
}

#[test]
fn a_built_index_keeps_hubs_through_add_delete_merge_and_attach_and_finds_their_damage() {
    let folder = tempfile::tempdir().unwrap();
    for at in 0..30 {
        std::fs::write(folder.path().join(format!("{at}.img")), format!("picture {at}{at}")).unwrap();
    }
    let corpus = folder.path().join("corpus.jsonl");
    let lines = |ids: std::ops::Range<usize>, word: &str| {
        let line = |at: usize| json!({ "id": format!("d{at:02}"), "text": format!("{word} thing {at}"), "image": format!("{at}.img") });
        write_lines(&corpus, &ids.map(line).collect::<Vec<_>>());
    };
    lines(0..20, "red");
    let dir = folder.path().join("index");
    let reader = JsonlReader::open(&corpus).unwrap();
    let schema = infer(reader, &corpus, &SchemaOverrides::default(), BadLines::Stop).unwrap().schema;
    let bundle = hub_bundle(3);
    let mut index = Index::create(&dir, &schema, &bundle).unwrap();
    index.mark_complete().unwrap();
    fill(&index, &corpus);
    let index = sound(&dir);
    let built = like(&index, "d04");
    assert_eq!((built.len(), &built), (19, &alike(&index, "d04")));
    // Without its last arguments an item of this index has no hubs, which is said.
    let origin = uncsm_index::media::ItemOrigin { ordinal: 0, span: None, hash: [0; 16] };
    let mut value = index::MediaValue::builder(index.media().spec());
    assert_eq!(
        value.item(0, &origin, &[0.5; 12], &[0.0; 7]).map(|_| ()).unwrap_err().code(),
        uncsm_index::ErrorCode::BadDimension
    );

    // Replaced with the pictures that are there, and other texts; and new ones.
    lines(15..30, "green");
    fill(&index, &corpus);
    let index = sound(&dir);
    let added = like(&index, "d04");
    assert_eq!((added.len(), &added), (29, &alike(&index, "d04")));
    assert!(built.iter().all(|pair| added.contains(pair)), "pictures that stayed score as they did");

    let mut writer = index.writer(MEMORY).unwrap();
    for id in ["d02", "d16"] {
        writer.delete_id(id).unwrap();
    }
    writer.commit().unwrap();
    let deleted = like(&index, "d04");
    assert_eq!(deleted.len(), 27);
    writer.merge_all().unwrap();
    writer.finish().unwrap();
    let index = sound(&dir);
    assert_eq!(index.reader().unwrap().searcher().segment_readers().len(), 1);
    assert_eq!((&like(&index, "d04"), &alike(&index, "d04")), (&deleted, &deleted));

    index::attach(&dir, &bundle.with_prior(0.02).unwrap()).unwrap();
    let index = sound(&dir);
    let attached = like(&index, "d04");
    assert_eq!(attached, alike(&index, "d04"));
    assert_ne!(attached, deleted, "probabilities moved");
    let names = |all: &[(String, u32)]| all.iter().map(|(id, _)| id.clone()).collect::<Vec<_>>();
    assert_eq!(names(&attached), names(&deleted));
    let other = Bundle::random(&[("image", 6), ("text", 5)], 12, 7, 3, 3);
    assert_eq!(
        index::attach(&dir, &other).unwrap_err().code(),
        uncsm_index::ErrorCode::SpaceMismatch,
        "without hubs it is another space"
    );
    let report = index::inspect(&index).unwrap();
    assert_eq!(report.media["image"]["anchors"], 11);

    // Every byte of the section counts.
    let searcher = index.reader().unwrap().searcher();
    let reader = searcher.segment_reader(0);
    let file = &dir.join(format!("{}.uvec", reader.segment_id().uuid_string()));
    let report = index::inspect_uvec(file).unwrap();
    assert_eq!(report.sections.iter().filter(|section| section["name"] == "HUBS").count(), 2);
    let good = std::fs::read(file).unwrap();
    let vectors = index.cache().get(reader).unwrap();
    let section =
        vectors.uvec().sections().iter().find(|section| section.kind == Column::Hubs.kind()).unwrap();
    for at in [section.offset, section.offset + section.length / 2, section.offset + section.length - 1] {
        let mut bad = good.clone();
        bad[at as usize] ^= 0x10;
        let copy = tempfile::tempdir().unwrap();
        crate::common::files::copy_dir(&dir, copy.path());
        put(&copy.path().join(file.file_name().unwrap()), bad);
        let damage = index::verify(copy.path()).unwrap();
        assert!(damage.iter().any(|damage| format!("{damage:?}").contains("HUBS")), "{damage:?}");
    }
}

#[test]
fn a_fused_query_reads_hubs_too() {
    let docs = random_docs(11, 60);
    let apps = spread(&hub_bundle(2), &docs, 2, 3, &[]);
    let one = spread(&hub_bundle(2), &docs, 1, 1, &[]);
    let raw = features(&mut ChaCha8Rng::seed_from_u64(4), 6);
    let ask = |apps: &[App], similarity| {
        let request = engine(apps).request().features("image", &raw).unwrap().keywords("red");
        request.similarity(similarity).k(40).run().unwrap()
    };
    for similarity in [Similarity::Metric(Target::Pair), Similarity::Both] {
        let (spread, whole) = (ask(&apps, similarity), ask(&one, similarity));
        assert_eq!(ids(&spread), ids(&whole), "{similarity:?}");
        assert!(!whole.hits.is_empty());
    }
}
