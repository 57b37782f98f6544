//! Texts that are longer than the model takes: cut, or split into passages.

use serde_json::json;
use uncsm_index::encode::bert::SentenceEncoder;

use crate::bert::folder::{Folder, encode, tiny};

const LONG: &str =
    "the dog jumps on the red square and draws a blue circle, under the green cat and 3 runly dogs!";

#[test]
fn what_is_past_the_longest_text_does_not_count() {
    let encoder = SentenceEncoder::open(&tiny(), "tiny").unwrap();
    let ten = "the dog run run run run run run cat cat";
    let features = encode(&encoder, &[ten, &format!("{ten} red"), &format!("{ten}{}", " blue".repeat(500))]);
    assert_eq!((&features[1], &features[2]), (&features[0], &features[0]));
    // The last that counts does count.
    assert_ne!(encode(&encoder, &["the dog run run run run run run cat dog"])[0], features[0]);
}

#[test]
fn without_a_length_the_tokenizer_and_the_positions_decide() {
    let folder = Folder::new();
    std::fs::remove_file(folder.path("sentence_bert_config.json")).unwrap();
    assert_eq!(folder.open().unwrap().max_tokens(), 20);
    for (most, expected) in [(json!(9), 9), (json!(1e30), 20), (json!(null), 20)] {
        std::fs::write(folder.path("tokenizer_config.json"), json!({ "model_max_length": most }).to_string())
            .unwrap();
        assert_eq!(folder.open().unwrap().max_tokens(), expected);
    }
    let folder = Folder::new();
    folder.edit("sentence_bert_config.json", |config| config["max_seq_length"] = json!(512));
    assert_eq!(folder.open().unwrap().max_tokens(), 20);
}

#[test]
fn lower_case_is_applied_where_the_settings_say_so() {
    let folder = Folder::new();
    folder.edit("tokenizer.json", |tokenizer| tokenizer["normalizer"]["lowercase"] = json!(false));
    let features = encode(&folder.open().unwrap(), &["RED dog", "red dog"]);
    assert_ne!(features[0], features[1]);
    folder.edit("sentence_bert_config.json", |config| config["do_lower_case"] = json!(true));
    let lower = encode(&folder.open().unwrap(), &["RED dog", "red dog"]);
    assert_eq!((&lower[0], &lower[1]), (&features[1], &features[1]));
}

#[test]
fn passages_cover_the_text_and_lose_nothing_when_encoded() {
    let encoder = SentenceEncoder::open(&tiny(), "tiny").unwrap();
    for overlap in [0, 1, 3, 100] {
        let passages = encoder.passages(LONG, overlap).unwrap();
        assert!(passages.len() > 2, "{passages:?}");
        assert_eq!((passages[0].start, passages[passages.len() - 1].end), (0, LONG.len()));
        for pair in passages.windows(2) {
            assert!(pair[0].start < pair[1].start && pair[0].end < pair[1].end, "{passages:?}");
            let between = if overlap == 0 { LONG.get(pair[0].end..pair[1].start) } else { Some("") };
            assert_eq!(between.map(str::trim), Some(""), "{passages:?}");
            assert!(overlap == 0 || pair[1].start < pair[0].end, "{passages:?}");
        }
        // A passage fits: what is cut off counts for nothing, and its last word counts.
        for passage in &passages {
            let text = &LONG[passage.clone()];
            let (shorter, _) = text.trim_end().rsplit_once(' ').expect("several words");
            let features = encode(&encoder, &[text, shorter]);
            assert_ne!(features[0], features[1], "{text:?}");
        }
    }
    let whole = encoder.passages("a cat", 2).unwrap();
    assert_eq!((whole.len(), &whole[0]), (1, &(0..5)));
    assert!(encoder.passages(" \n", 2).unwrap().is_empty());
    // Ranges are bytes of the text as it is, whatever the tokenizer makes of it.
    let text = "RÉD cat ".repeat(9);
    for passage in encoder.passages(&text, 1).unwrap() {
        assert!(text[passage].starts_with(['R', 'c']));
    }
}
