//! Sentences: pinned features, likeness, and what is learned of rarity.

use proptest::prelude::*;
use uncsm_index::ErrorCode;
use uncsm_index::encode::{BuiltinText, Encoder, Item};

use crate::common::cosine;
use crate::encoders::encode;

fn features(encoder: &BuiltinText, text: &str) -> Vec<f32> {
    encode(encoder, Item::Text(text)).unwrap()
}

#[test]
fn features_never_change() {
    let encoder = BuiltinText::fit(["a red circle", "a blue square on a red ground"]);
    let got: Vec<(usize, f32)> = features(&encoder, "Red circle, red CAFÉ")
        .into_iter()
        .enumerate()
        .filter(|(_, value)| *value != 0.0)
        .collect();
    let words: Vec<(usize, f32)> = got.iter().copied().filter(|(i, _)| *i < 1024).collect();
    // As an independent program computes them from the description: `red` twice and in both texts, `circle` and `red circle` in one, the rest
    // in none.
    let pinned = [
        (7, -0.468_913_2),
        (163, -0.314_036_6),
        (608, 0.468_913_2),
        (638, -0.314_036_6),
        (685, -0.378_316_2),
        (1006, 0.468_913_2),
    ];
    assert_eq!(words.len(), pinned.len(), "{words:?} {}", got.len());
    for ((bucket, value), (place, expected)) in words.iter().zip(pinned) {
        assert!(*bucket == place && (value - expected).abs() < 1e-6, "{words:?}");
    }
    let last = got.last().unwrap();
    assert!(
        got.len() == 36 && last.0 == 2021 && (last.1 + 0.152_004_2).abs() < 1e-6,
        "{} {last:?}",
        got.len()
    );
}

#[test]
fn like_sentences_are_nearer() {
    let encoder = BuiltinText::default();
    let circle = features(&encoder, "a large red circle on a blue background");
    let same = features(&encoder, "on a blue background, a big red circle");
    let plural = features(&encoder, "two reddish circles");
    let other = features(&encoder, "the mayor opened an exhibition yesterday");
    assert!(cosine(&circle, &same) > cosine(&circle, &plural));
    assert!(cosine(&circle, &plural) > cosine(&circle, &other));
}

#[test]
fn frequent_words_count_less() {
    let texts: Vec<String> =
        ["circle", "square", "star", "house"].iter().map(|word| format!("picture {word}")).collect();
    let learned = BuiltinText::fit(texts.iter().map(String::as_str));
    let apart = |encoder: &BuiltinText| {
        cosine(&features(encoder, "picture circle"), &features(encoder, "picture star"))
    };
    assert!(apart(&learned) < apart(&BuiltinText::default()) - 0.05);
}

#[test]
fn the_idf_is_all_that_is_learned() {
    let fitted = BuiltinText::fit(["one text", "another text"]);
    let again = BuiltinText::from_idf(fitted.idf().to_vec()).unwrap();
    assert_eq!(again.fingerprint(), fitted.fingerprint());
    assert_ne!(again.fingerprint(), BuiltinText::default().fingerprint());
    assert_eq!(features(&again, "another one"), features(&fitted, "another one"));
}

#[test]
fn a_bad_idf_is_refused() {
    let code = |idf: Vec<f32>| BuiltinText::from_idf(idf).unwrap_err().code();
    assert_eq!(code(vec![1.0; 2047]), ErrorCode::BadDimension);
    assert_eq!(code(Vec::new()), ErrorCode::BadDimension);
    let with = |value: f32| {
        let mut idf = vec![1.0; 2048];
        idf[2000] = value;
        idf
    };
    assert_eq!(code(with(f32::NAN)), ErrorCode::NotFinite);
    assert_eq!(code(with(f32::INFINITY)), ErrorCode::NotFinite);
    assert_eq!(code(with(-0.5)), ErrorCode::BadValue);
}

#[test]
fn a_batch_keeps_its_order_and_its_errors() {
    let encoder = BuiltinText::default();
    let items = [Item::Text("a"), Item::Bytes(b"a"), Item::Text(""), Item::Text("b c")];
    let results = encoder.encode(&items);
    assert_eq!(results.len(), 4);
    assert_eq!(results[0].as_ref().unwrap(), &features(&encoder, "a"));
    assert_eq!(results[1].as_ref().unwrap_err().code(), ErrorCode::BadArgument);
    assert_eq!(results[2].as_ref().unwrap(), &vec![0.0; 2048]);
    assert_eq!(results[3].as_ref().unwrap(), &features(&encoder, "b c"));
}

proptest! {
    #[test]
    fn any_text_has_finite_halves_of_length_one_or_zero(text in ".{0,60}") {
        let features = features(&BuiltinText::default(), &text);
        for half in features.chunks_exact(1024) {
            let length = half.iter().map(|x| x * x).sum::<f32>().sqrt();
            prop_assert!(length == 0.0 || (length - 1.0).abs() < 1e-4, "{}", length);
        }
    }
}
