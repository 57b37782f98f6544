//! Files that are missing, damaged, of another model, or say something that is not supported.

use serde_json::{Value, json};
use uncsm_index::{Error, ErrorCode};

use crate::bert::folder::Folder;

fn refused(folder: &Folder) -> Error {
    folder.open().map(drop).expect_err("the folder is not as it should be")
}

#[test]
fn settings_that_are_not_supported_are_named() {
    use ErrorCode::{BadDimension, BadValue};
    type Change = fn(&mut Value);
    let cases: [(&str, Change, ErrorCode, &str); 21] = [
        ("config.json", |v| v["model_type"] = json!("distilbert"), BadValue, "distilbert"),
        ("config.json", |v| drop(v.as_object_mut().unwrap().remove("model_type")), BadValue, "bert"),
        ("config.json", |v| v["hidden_act"] = json!("silu"), BadValue, "silu"),
        ("config.json", |v| v["position_embedding_type"] = json!("relative_key"), BadValue, "absolute"),
        ("config.json", |v| v["is_decoder"] = json!(true), BadValue, "is_decoder"),
        ("config.json", |v| v["num_attention_heads"] = json!(3), BadValue, "divisor"),
        ("config.json", |v| v["num_hidden_layers"] = json!(0), BadValue, "num_hidden_layers"),
        ("config.json", |v| v["hidden_size"] = json!("16"), BadValue, "hidden_size"),
        ("config.json", |v| v["intermediate_size"] = json!(u64::MAX), BadValue, "intermediate_size"),
        ("config.json", |v| v["layer_norm_eps"] = json!(-1), BadValue, "layer_norm_eps"),
        ("config.json", |v| v["vocab_size"] = json!(9), BadDimension, "tokenizer.json"),
        ("config.json", |v| v["intermediate_size"] = json!(41), BadDimension, "intermediate.dense"),
        ("sentence_bert_config.json", |v| v["max_seq_length"] = json!(2), BadValue, "no room"),
        ("sentence_bert_config.json", |v| v["max_seq_length"] = json!("all"), BadValue, "max_seq_length"),
        ("sentence_bert_config.json", |v| v["do_lower_case"] = json!(1), BadValue, "do_lower_case"),
        ("1_Pooling/config.json", |v| v["pooling_mode_max_tokens"] = json!(true), BadValue, "mean and max"),
        ("1_Pooling/config.json", |v| v["pooling_mode_mean_tokens"] = json!(false), BadValue, "none"),
        ("1_Pooling/config.json", |v| v["pooling_mode"] = json!("lasttoken"), BadValue, "lasttoken"),
        ("1_Pooling/config.json", |v| v["word_embedding_dimension"] = json!(8), BadValue, "hidden size 16"),
        ("modules.json", |v| v[2]["type"] = json!("sentence_transformers.models.Dense"), BadValue, "Dense"),
        ("modules.json", |v| v[1]["path"] = json!("../1_Pooling"), BadValue, "../1_Pooling"),
    ];
    for (file, change, code, word) in cases {
        let folder = Folder::new();
        folder.edit(file, change);
        let error = refused(&folder);
        assert_eq!(error.code(), code, "{file}: {error}");
        assert!(error.to_string().contains(word), "{word}: {error}");
        assert!(error.facts().file.is_some() && error.facts().expected.is_some(), "{error}");
    }
    // A sum of two modes that a flag for each would say.
    let folder = Folder::new();
    folder.edit("1_Pooling/config.json", |v| v["pooling_mode"] = json!(["mean"]));
    assert!(folder.open().is_ok());
    std::fs::write(folder.path("config_sentence_transformers.json"), r#"{"default_prompt_name":"query"}"#)
        .unwrap();
    assert_eq!(refused(&folder).code(), BadValue);
}

#[test]
fn a_missing_file_is_named() {
    for name in ["config.json", "tokenizer.json", "model.safetensors", "1_Pooling/config.json"] {
        let folder = Folder::new();
        std::fs::remove_file(folder.path(name)).unwrap();
        let error = refused(&folder);
        assert_eq!(error.code(), ErrorCode::NotFound, "{error}");
        assert_eq!(error.facts().file.as_deref(), Some(folder.path(name).as_path()));
    }
    // Without modules.json it is a bare transformer: the mean, not scaled.
    let folder = Folder::new();
    std::fs::remove_file(folder.path("modules.json")).unwrap();
    let row = &crate::bert::folder::encode(&folder.open().unwrap(), &["red cat"])[0];
    assert!((row.iter().map(|x| x * x).sum::<f32>() - 1.0).abs() > 1e-3);
}

#[test]
fn a_damaged_file_is_named() {
    let cases = [
        ("config.json", ErrorCode::BadJson),
        ("modules.json", ErrorCode::BadJson),
        ("sentence_bert_config.json", ErrorCode::BadJson),
        ("1_Pooling/config.json", ErrorCode::BadJson),
        ("tokenizer.json", ErrorCode::Damaged),
        ("model.safetensors", ErrorCode::Damaged),
    ];
    for (name, code) in cases {
        let folder = Folder::new();
        let bytes = std::fs::read(folder.path(name)).unwrap();
        for cut in [bytes.len() / 2, bytes.len() - 3, 0] {
            std::fs::write(folder.path(name), &bytes[..cut]).unwrap();
            let error = refused(&folder);
            assert_eq!(error.code(), code, "{name} cut to {cut}: {error}");
            assert_eq!(error.facts().file.as_deref(), Some(folder.path(name).as_path()));
        }
    }
}

#[test]
fn weights_of_another_model_are_refused() {
    let rewrite = |folder: &Folder, change: fn(&str, Vec<u8>) -> Option<Vec<u8>>| {
        let bytes = std::fs::read(folder.path("model.safetensors")).unwrap();
        let tensors = safetensors::SafeTensors::deserialize(&bytes).unwrap();
        let kept: Vec<_> = tensors
            .iter()
            .filter_map(|(name, view)| {
                let data = change(name, view.data().to_vec())?;
                Some((name.to_owned(), view.dtype(), view.shape().to_vec(), data))
            })
            .collect();
        let views = kept.iter().map(|(name, dtype, shape, data)| {
            (name, safetensors::tensor::TensorView::new(*dtype, shape.clone(), data).unwrap())
        });
        std::fs::write(folder.path("model.safetensors"), safetensors::serialize(views, None).unwrap())
            .unwrap();
    };
    let folder = Folder::new();
    rewrite(&folder, |name, data| (!name.ends_with("layer.1.output.dense.bias")).then_some(data));
    let error = refused(&folder);
    assert_eq!(error.code(), ErrorCode::UnknownTensor);
    assert!(error.to_string().contains("encoder.layer.1.output.dense.bias"), "{error}");
    let folder = Folder::new();
    rewrite(&folder, |name, mut data| {
        if name.ends_with("layer.0.attention.self.key.weight") {
            data[..4].copy_from_slice(&f32::NAN.to_le_bytes());
        }
        Some(data)
    });
    assert_eq!(refused(&folder).code(), ErrorCode::NotFinite);
}
