//! What is equal: ids, stored fields, rows, answers.

use std::path::PathBuf;

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use serde_json::Value;
use uncsm_index::corpus::{IdsFrom, Shard};
use uncsm_index::index::{Index, OnBad, OnDuplicate, examine};
use uncsm_index::model::Target;
use uncsm_index::search::{Engine, Fusion, MediaChoice, Request, Response, Similarity};

use crate::common::features;
use crate::shards::{World, Written, bytes_of, engine, rows, warnings};

/// Everything that an answer says, but for where it lies and what it cost.
fn content(response: &Response) -> Value {
    let mut value = serde_json::to_value(response).unwrap();
    for key in ["took_ms", "plan"] {
        value.as_object_mut().unwrap().remove(key);
    }
    for hit in value["hits"].as_array_mut().unwrap() {
        hit.as_object_mut().unwrap().remove("index");
    }
    value
}

/// Exact answers to queries of all kinds, with all documents in their order.
pub(crate) fn answers(engine: &Engine, documents: usize) -> Vec<Value> {
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    let (image, text) = (features(&mut rng, 6), features(&mut rng, 5));
    let of = |media: &str, query: &[f32]| engine.request().features(media, query).unwrap();
    let all = |request: Request| request.k(documents).window(documents).exact().media(MediaChoice::Any);
    let requests = vec![
        all(of("image", &image)),
        all(of("text", &text)).similarity(Similarity::Cosine),
        all(of("text", &text)).similarity(Similarity::Metric(Target::Class)).filter("kind_exact:red"),
        all(of("image", &image)).keywords("+red blue").fusion(Fusion::Rrf).facet("kind_exact"),
        all(of("image", &image)).keywords("green").fusion(Fusion::Linear),
        all(engine.request()).keywords("red green blue"),
        all(engine.request()).keywords("\"red green\"").snippet("text"),
        all(engine.request()).filter("size:[3 TO 9]").sort("size:desc"),
        all(engine.request()).filter("*").collapse("kind_exact"),
        of("image", &image).exact().k(7),
    ];
    requests.into_iter().map(|request| content(&request.run().unwrap())).collect()
}

fn equal(world: &World, whole: &PathBuf, others: &[PathBuf], what: &str) {
    assert!(rows(std::slice::from_ref(whole)) == rows(others), "{what}: rows");
    let ask = |dirs: &[PathBuf]| answers(&engine(dirs, &world.bundle), world.documents().len());
    let (expected, found) = (ask(std::slice::from_ref(whole)), ask(others));
    for (at, (expected, found)) in expected.iter().zip(&found).enumerate() {
        assert!(!expected["hits"].as_array().unwrap().is_empty(), "{what}: query {at} finds nothing");
        assert_eq!(expected, found, "{what}: query {at}");
    }
}

#[test]
fn eight_parts_answer_as_the_index_of_one_go_beside_each_other_and_merged() {
    let world = World::new(900);
    for written in [Written::Features, Written::Lines, Written::Files] {
        let whole = world.path(&format!("whole.{written:?}"));
        world.builder(&format!("whole.{written:?}"), world.source(written)).run().unwrap();
        let parts = world.parts(written, 8);
        let before = bytes_of(&parts);
        equal(&world, &whole, &parts, &format!("{written:?}, parts"));
        let merged = world.path(&format!("merged.{written:?}"));
        let report = world.merge(&format!("merged.{written:?}"), &parts).unwrap();
        assert_eq!((report.documents, report.items["image"], report.items["text"]), (900, 900, 900));
        assert_eq!((report.segments, report.replaced, report.missing.len()), (1, 0, 0));
        assert_eq!(report.warnings, warnings(&parts));
        equal(&world, &whole, std::slice::from_ref(&merged), &format!("{written:?}, merged"));
        assert!(examine(&merged).unwrap().is_sound());
        assert!(bytes_of(&parts) == before, "{written:?}: parts stay as they are");
        // In other groups, and with segments that stay apart.
        let left = world.path("left");
        world.merger("left", &parts[..3]).without_cells().run().unwrap();
        let right = world.path("right");
        world.merger("right", &parts[3..]).segment_documents(200).run().unwrap();
        let tree = world.path("tree");
        let report =
            world.merger("tree", &[right.clone(), left.clone()]).segment_documents(500).run().unwrap();
        assert!(report.segments > 1 && report.missing.is_empty());
        equal(&world, &whole, std::slice::from_ref(&tree), &format!("{written:?}, tree"));
        assert!(!tree.join("uncsm-shard.json").exists() && left.join("uncsm-shard.json").exists());
        let roots = |dir: &PathBuf| Index::open(dir).unwrap().roots().unwrap();
        assert_eq!(roots(&tree), roots(&whole));
        for dir in parts.iter().chain([&left, &right, &tree]) {
            std::fs::remove_dir_all(dir).unwrap();
        }
    }
}

#[test]
fn what_was_deleted_stays_deleted_and_what_stands_twice_is_refused_or_replaced() {
    let world = World::new(300);
    let documents = world.documents();
    world.builder("one", world.of(documents[..200].to_vec())).run().unwrap();
    std::fs::remove_file(world.path("other.safetensors")).unwrap();
    // The same ids as the last 40 of the first, with other content.
    let changed = documents[160..300].iter().cloned().map(|mut document| {
        document.image[0] += 1.0;
        document.line["text"] = "another".into();
        document
    });
    world.builder("two", world.of(changed)).run().unwrap();
    let (one, two) = (world.path("one"), world.path("two"));
    let id = |at: usize| documents[at].line["id"].as_str().unwrap();
    for (dir, gone) in [(&one, id(3)), (&one, id(170)), (&two, id(299))] {
        let mut writer = Index::open(dir).unwrap().writer(15_000_000).unwrap();
        writer.delete_id(gone).unwrap();
        writer.commit().unwrap();
        writer.finish().unwrap();
    }
    let both = [one.clone(), two.clone()];
    let error = world.merge("out", &both).unwrap_err();
    let facts = error.facts();
    assert_eq!(facts.code, uncsm_index::ErrorCode::DuplicateId, "{error}");
    let got = facts.got.as_deref().unwrap();
    assert!(got.contains(one.to_str().unwrap()) && got.contains(two.to_str().unwrap()), "{error}");
    assert!((160..200).any(|at| facts.message.contains(id(at))), "{error}");
    assert!(!world.path("out").exists() && !world.path("out.partial").exists());

    let report = world.merger("out", &both).on_duplicate(OnDuplicate::Last).run().unwrap();
    // One of the forty is deleted in the first.
    assert_eq!((report.replaced, report.documents), (39, 298));
    let out = world.path("out");
    assert!(examine(&out).unwrap().is_sound());
    let merged = rows(std::slice::from_ref(&out));
    assert!(!merged.contains_key(id(3)) && !merged.contains_key(id(299)));
    let (first, second) = (rows(&[one]), rows(&[two]));
    for at in 0..299 {
        let from = if at < 160 { &first } else { &second };
        assert_eq!(merged.get(id(at)), from.get(id(at)), "{at}");
    }
    let engine = engine(std::slice::from_ref(&out), &world.bundle);
    assert_eq!(engine.request().keywords("another").k(0).run().unwrap().matched, 139);
    // No trace of what gave way: statistics are those of the documents that are there.
    assert_eq!(engine.searcher().segment_readers().iter().map(|r| r.num_deleted_docs()).sum::<u32>(), 0);
}

#[test]
fn fields_are_those_of_the_whole_source() {
    // `late` stands in the last document alone, and `size` is a float there.
    let mut world = World::new(60);
    let last = world.documents.last_mut().unwrap();
    last.line["late"] = "seen".into();
    last.line["size"] = 0.5.into();
    let parts = world.parts(Written::Lines, 4);
    let fields = |dir: &PathBuf| Index::open(dir).unwrap().manifest().fields.clone();
    assert!(parts.windows(2).all(|pair| fields(&pair[0]) == fields(&pair[1])));
    assert!(serde_json::to_string(&fields(&parts[0])).unwrap().contains("late"));
    world.merge("merged", &parts).unwrap();
}

#[test]
fn documents_without_ids_are_named_by_their_content_in_every_part() {
    let mut world = World::new(120);
    for document in &mut world.documents {
        document.line.as_object_mut().unwrap().remove("id");
    }
    let build = |name: &str, shard: Option<Shard>| {
        let mut builder = world.builder(name, world.source(Written::Lines)).ids_from(IdsFrom::Hash);
        if let Some(shard) = shard {
            builder = builder.shard(shard);
        }
        builder.run().unwrap();
        world.path(name)
    };
    let whole = build("whole", None);
    let parts: Vec<PathBuf> =
        (0..3).map(|at| build(&format!("part.{at}"), Some(Shard::new(at, 3).unwrap()))).collect();
    assert_eq!(world.merge("merged", &parts).unwrap().documents, 120);
    assert!(rows(&[world.path("merged")]) == rows(&[whole]));
    let merged = Index::open(&world.path("merged")).unwrap();
    assert_eq!(merged.manifest().ids, Some(IdsFrom::Hash));
    // A line of a part has no number.
    let of_lines = world.builder("lines", world.source(Written::Lines)).shard(Shard::new(0, 3).unwrap());
    assert_eq!(of_lines.on_bad(OnBad::Stop).run().unwrap_err().code(), uncsm_index::ErrorCode::BadValue);
}

#[test]
fn weights_inside_of_an_index_go_along() {
    let world = World::new(60);
    let parts = world.parts(Written::Features, 2);
    let name = "encoders/some/weights.bin";
    std::fs::create_dir_all(parts[1].join("encoders/some")).unwrap();
    std::fs::write(parts[1].join(name), "weights").unwrap();
    world.merge("merged", &parts).unwrap();
    assert_eq!(std::fs::read(world.path("merged").join(name)).unwrap(), b"weights");
    assert!(parts[1].join(name).exists());
}
