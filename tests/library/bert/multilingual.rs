//! Layouts of models of many languages: XLM-RoBERTa's positions and names, and tokenizers that cut text by a unigram model.
//!
//! The tiny checkpoint is written in those layouts; what it computes must not change.

use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView};
use serde_json::{Value, json};
use uncsm_index::ErrorCode;
use uncsm_index::encode::Encoder;

use crate::bert::folder::{Folder, encode};

/// Texts whose words both tokenizers cut alike, in lower case.
const TEXTS: [&str; 6] = [
    "a red square",
    "the dog jumps on a green circle",
    "cat",
    "cat cat cat",
    "jumping with a runs",
    "the dog runs under the cat with the dog",
];

/// The tokenizer of the folder in the form of sentence pieces: the same ids, a blank at the front of each word.
fn to_unigram(tokenizer: &mut Value) {
    let words: Vec<(String, u64)> = tokenizer["model"]["vocab"]
        .as_object()
        .unwrap()
        .iter()
        .map(|(word, id)| (word.clone(), id.as_u64().unwrap()))
        .collect();
    let mut vocabulary = vec![Value::Null; words.len()];
    for (word, id) in words {
        let piece = match word.strip_prefix("##") {
            Some(piece) => piece.to_owned(),
            None if word.starts_with('[') => word,
            None => format!("\u{2581}{word}"),
        };
        vocabulary[id as usize] = json!([piece, if id < 5 { 0.0 } else { -2.0 }]);
    }
    tokenizer["model"] =
        json!({ "type": "Unigram", "unk_id": 1, "vocab": vocabulary, "byte_fallback": false });
    tokenizer["normalizer"] = json!({ "type": "NFKC" });
    tokenizer["pre_tokenizer"] =
        json!({ "type": "Metaspace", "replacement": "\u{2581}", "prepend_scheme": "always", "split": true });
}

/// Writes the weights under the names of RoBERTa, with `before` rows of the table of positions that no token gets, and one type.
fn to_roberta(folder: &Folder, before: usize, prefix: &str) {
    let file = folder.path("model.safetensors");
    let bytes = std::fs::read(&file).unwrap();
    let mut out = Vec::new();
    for (name, view) in SafeTensors::deserialize(&bytes).unwrap().tensors() {
        let (mut shape, mut data) = (view.shape().to_vec(), view.data().to_vec());
        assert_eq!(view.dtype(), Dtype::F32);
        if name == "embeddings.position_embeddings.weight" {
            let mut rows: Vec<u8> = (0..before * shape[1]).flat_map(|_| 1e3_f32.to_le_bytes()).collect();
            rows.append(&mut data);
            (shape[0], data) = (shape[0] + before, rows);
        }
        if name == "embeddings.token_type_embeddings.weight" {
            data.truncate(4 * shape[1]);
            shape[0] = 1;
        }
        out.push((format!("{prefix}{name}"), shape, data));
    }
    let views = out.iter().map(|(name, shape, data)| {
        (name.as_str(), TensorView::new(Dtype::F32, shape.clone(), data).unwrap())
    });
    std::fs::write(&file, safetensors::serialize(views, None).unwrap()).unwrap();
    folder.edit("config.json", |config| {
        config["model_type"] = json!("xlm-roberta");
        config["max_position_embeddings"] = json!(20 + before);
        config["pad_token_id"] = json!(before - 1);
        config["type_vocab_size"] = json!(1);
    });
}

#[test]
fn a_unigram_tokenizer_on_bert_gives_the_same_features() {
    // As paraphrase-multilingual-MiniLM-L12-v2: BERT's network, XLM-RoBERTa's tokenizer.
    let (plain, other) = (Folder::new(), Folder::new());
    other.edit("tokenizer.json", to_unigram);
    let (plain, other) = (plain.open().unwrap(), other.open().unwrap());
    assert_eq!(encode(&other, &TEXTS), encode(&plain, &TEXTS));
    assert_ne!(plain.fingerprint(), other.fingerprint());
    // Words are whole in passages, and a long text is cut where the model ends.
    let long = "the dog runs under the red square ".repeat(5);
    let passages = other.passages(&long, 0).unwrap();
    assert!(passages.len() > 2, "{passages:?}");
    for range in &passages {
        let text = &long[range.clone()];
        let words = text
            .split_whitespace()
            .all(|word| ["the", "dog", "runs", "under", "red", "square"].contains(&word));
        assert!(words, "{text:?}");
    }
    let cut: Vec<&str> = long.split_whitespace().take(9).collect();
    assert_eq!(encode(&other, &[long.as_str()]), encode(&plain, &[long.as_str()]), "{cut:?}");
}

#[test]
fn positions_begin_after_the_padding() {
    let plain = Folder::new().open().unwrap();
    for (before, prefix) in [(2, "roberta."), (2, ""), (1, "roberta.")] {
        let folder = Folder::new();
        folder.edit("tokenizer.json", to_unigram);
        to_roberta(&folder, before, prefix);
        let other = folder.open().unwrap();
        assert_eq!(encode(&other, &TEXTS), encode(&plain, &TEXTS), "{before} {prefix}");
        // Settings without a padding token mean the second one.
        folder.edit("config.json", |config| drop(config.as_object_mut().unwrap().remove("pad_token_id")));
        let same = folder.open().map(|other| encode(&other, &TEXTS) == encode(&plain, &TEXTS));
        assert_eq!(same.unwrap(), before == 2, "{before}");
    }
    // Without a length of its own the model takes as many tokens as there are positions for them.
    let folder = Folder::new();
    to_roberta(&folder, 2, "");
    std::fs::remove_file(folder.path("sentence_bert_config.json")).unwrap();
    assert_eq!(folder.open().unwrap().max_tokens(), 20);
}

#[test]
fn the_registry_knows_the_layouts() {
    let folder = Folder::new();
    to_roberta(&folder, 2, "roberta.");
    let path = folder.path("");
    let opened = uncsm_index::encode::Registry::default().open("text", path.to_str().unwrap());
    assert_eq!(opened.unwrap().features(), 16);
}

#[test]
fn positions_that_leave_no_room_are_refused() {
    for (key, value) in
        [("pad_token_id", json!(40)), ("pad_token_id", json!(-1)), ("max_position_embeddings", json!(1))]
    {
        let folder = Folder::new();
        folder.edit("config.json", |config| {
            config["model_type"] = json!("roberta");
            config[key] = value.clone();
        });
        let error = folder.open().map(drop).unwrap_err();
        assert_eq!(error.code(), ErrorCode::BadValue, "{key} {value}: {error}");
    }
}
