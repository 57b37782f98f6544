//! From picture files to answers.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::files::s;
use crate::pictures::support::{
    COLORS, DOCUMENTS, HELD_OUT, PICTURES, SHAPES, draw, kind, stored_items, world,
};
use crate::run::{ids, ok};

fn keys(value: &Value) -> BTreeSet<&str> {
    value.as_object().unwrap_or_else(|| panic!("no object: {value}")).keys().map(String::as_str).collect()
}

fn assert_keys(value: &Value, expected: &[&str]) {
    let missing: Vec<_> = expected.iter().filter(|key| !keys(value).contains(**key)).collect();
    assert!(missing.is_empty(), "{missing:?} are missing in {value}");
}

/// How many of the first `k` hits are of this shape and this colour.
fn right(answer: &Value, k: usize, shape: &str, color: &str) -> (usize, usize) {
    let hits = answer["hits"].as_array().unwrap();
    let count =
        |key: &str, value: &str| hits.iter().take(k).filter(|hit| hit["fields"][key] == value).count();
    (count("category", shape), count("color", color))
}

#[test]
fn training_says_what_it_did() {
    let trained = &world().trained;
    assert_keys(trained, &["stages", "fingerprint", "seconds"]);
    assert_keys(&trained["fingerprint"], &["space", "model"]);
    let names: Vec<_> = trained["stages"].as_array().unwrap().iter().map(|stage| &stage["name"]).collect();
    assert_eq!(names, ["contrastive", "double_triplet", "metric"]);
    for stage in trained["stages"].as_array().unwrap() {
        assert_keys(stage, &["name", "epochs", "seconds", "validation"]);
        assert!(stage["epochs"].as_u64().unwrap() >= 1);
    }
}

#[test]
fn evaluation_has_the_keys_of_the_contract_and_beats_chance() {
    let world = world();
    let report = ok(&["eval", s(&world.bundle), s(&world.corpus), "--label", "category"]);
    assert_keys(
        &report,
        &["pairs", "features", "ties", "map_all", "recall", "calibration", "calibration_posterior"],
    );
    // A document of several pictures is several pairs.
    assert!(report["pairs"].as_u64().unwrap() >= HELD_OUT as u64, "{}", report["pairs"]);
    for similarity in ["cosine", "posterior", "metric", "metric_class", "metric_pair"] {
        assert_keys(&report["map_all"][similarity], &["image_to_text", "text_to_image", "mean"]);
        for direction in ["image_to_text", "text_to_image"] {
            assert_keys(&report["recall"][similarity][direction], &["1", "5", "10"]);
        }
    }
    for direction in ["image_to_text", "text_to_image"] {
        let calibration = &report["calibration"][direction];
        assert_keys(calibration, &["target", "prior", "half", "natural", "precision_at_0.8"]);
        assert_keys(&calibration["half"], &["ece", "brier_skill"]);
        // A third of all documents are of the same class, by chance.
        let map = report["map_all"]["metric"][direction].as_f64().unwrap();
        assert!(map > 0.8, "{direction}: map {map}");
        let recall = report["recall"]["metric_pair"][direction]["10"].as_f64().unwrap();
        assert!(recall > 0.6, "{direction}: recall@10 {recall}");
    }
    assert!(report["features"].as_str().unwrap().contains("builtin-image-v1"));
}

#[test]
fn a_build_counts_documents_and_items() {
    let built = &world().built;
    assert_keys(built, &["documents", "items", "skipped", "warnings", "seconds"]);
    assert_eq!(built["documents"], DOCUMENTS);
    assert_eq!(built["items"]["image"], PICTURES);
    assert_eq!(built["items"]["text"], DOCUMENTS);
    assert_eq!((built["skipped"].as_array().unwrap().len(), &built["warnings"]), (0, &Value::from(0)));
    let about = ok(&["inspect", s(&world().index)]);
    assert_eq!(about["documents"], DOCUMENTS);
    assert_eq!(about["complete"], true);
    assert_eq!(about["media"]["image"]["encoder"], "builtin-image-v1");
    let stored = stored_items(&world().index, "doc-007");
    let ordinals: Vec<_> = stored.iter().map(|(media, at, _)| (media.as_str(), *at)).collect();
    assert_eq!(ordinals, [("image", 0), ("image", 1), ("image", 2), ("text", 0)]);
}

#[test]
fn sentences_find_pictures() {
    let (mut shapes, mut colors, mut all) = (0, 0, 0);
    for shape in SHAPES {
        for (color, _) in COLORS {
            let sentence = format!("a {color} {shape}");
            let args = ["query", s(&world().index), "--text", &sentence, "--target", "pair", "-k", "5"];
            let answer = ok(&args);
            assert_keys(&answer, &["hits", "took_ms", "candidates", "scored", "exact", "complete"]);
            assert_eq!(answer["hits"].as_array().unwrap().len(), 5);
            for (at, hit) in answer["hits"].as_array().unwrap().iter().enumerate() {
                assert_keys(hit, &["rank", "id", "score", "probability", "legs", "items", "fields"]);
                assert_eq!(hit["rank"], at + 1);
                assert_eq!(keys(&hit["legs"]), BTreeSet::from(["metric"]));
                let item = &hit["items"][0];
                assert_keys(item, &["part", "media", "index", "logit"]);
                // Text asks, so pictures answer.
                assert_eq!(item["media"], "image");
                let probability = hit["probability"].as_f64().unwrap();
                assert!((0.0..=1.0).contains(&probability));
            }
            let (right_shape, right_color) = right(&answer, 5, shape, color);
            shapes += right_shape;
            colors += right_color;
            all += 5;
        }
    }
    assert!(shapes * 10 >= all * 8 && colors * 10 >= all * 8, "{shapes} shapes, {colors} colours of {all}");
}

#[test]
fn new_pictures_find_sentences() {
    let dir = tempfile::tempdir().unwrap();
    let (mut shapes, mut colors, mut all) = (0, 0, 0);
    for (n, shape) in SHAPES.into_iter().enumerate() {
        for (color, rgb) in COLORS {
            let path = dir.path().join(format!("{color}-{n}.jpg"));
            draw(shape, rgb, 90_000 + n as u64).save(&path).unwrap();
            let args = ["query", s(&world().index), "--image", s(&path), "--target", "pair", "-k", "5"];
            let answer = ok(&args);
            assert!(answer["hits"].as_array().unwrap().iter().all(|hit| hit["items"][0]["media"] == "text"));
            let (right_shape, right_color) = right(&answer, 5, shape, color);
            shapes += right_shape;
            colors += right_color;
            all += 5;
        }
    }
    assert!(shapes * 10 >= all * 8 && colors * 10 >= all * 8, "{shapes} shapes, {colors} colours of {all}");
}

#[test]
fn keywords_and_a_picture_in_one_query() {
    let dir = tempfile::tempdir().unwrap();
    let picture = dir.path().join("query.png");
    draw("circle", COLORS[2].1, 7_777).save(&picture).unwrap();
    let base = ["query", s(&world().index), "--keywords", "color:blue", "--image", s(&picture), "-k", "8"];
    let metric = ok(&[&base[..], &["--fusion", "metric", "--media", "image"]].concat());
    assert_eq!(ids(&metric).len(), 8);
    // `metric` takes keywords as a restriction, and ranks by the picture alone.
    assert_eq!(right(&metric, 8, "circle", "blue"), (8, 8));
    let mut last = f64::INFINITY;
    for hit in metric["hits"].as_array().unwrap() {
        assert_eq!(keys(&hit["legs"]), BTreeSet::from(["keyword", "metric"]));
        let score = hit["legs"]["metric"]["score"].as_f64().unwrap();
        assert_eq!(hit["score"].as_f64().unwrap(), score);
        assert!(score <= last);
        last = score;
    }
    let rrf = ok(&[&base[..], &["--fusion", "rrf", "--media", "image"]].concat());
    let best = &rrf["hits"][0];
    assert_eq!((&best["fields"]["color"], &best["fields"]["category"]), (&"blue".into(), &"circle".into()));
    for hit in rrf["hits"].as_array().unwrap() {
        let rank =
            |leg: &str| hit["legs"][leg]["rank"].as_u64().map_or(0.0, |rank| 1.0 / (60.0 + rank as f64));
        let expected = rank("keyword") + rank("metric");
        assert!((hit["score"].as_f64().unwrap() - expected).abs() < 1e-6, "{hit}");
    }
}

#[test]
fn a_document_asks_for_others_like_it() {
    let (shape, color, _) = kind(7);
    let like = |target: &str| {
        let query = ["query", s(&world().index), "--like", "doc-007", "--media", "any", "-k", "7"];
        let answer = ok(&[&query[..], &["--target", target]].concat());
        assert!(!ids(&answer).iter().any(|id| id == "doc-007"));
        right(&answer, 7, shape, COLORS[color].0)
    };
    // The shape is the class; what else they have in common is asked of the target `pair`.
    let (shapes, _) = like("class");
    assert!(shapes >= 6, "{shapes} shapes of 7");
    let (shapes, colors) = like("pair");
    assert!(shapes >= 6 && colors >= 4, "{shapes} shapes, {colors} colours of 7");
}
