//! What is refused, by code, with the file that is meant.

use std::path::Path;

use serde_json::{Value, json};
use uncsm_index::{Error, ErrorCode, Result};

use crate::clip::{Copy, clip_image, clip_text, siglip_image, siglip_text};

fn error<T>(result: Result<T>) -> Error {
    result.map(drop).expect_err("opened")
}

/// The error must have `code` and name `file`.
fn check(error: &Error, code: ErrorCode, file: &str) {
    assert_eq!(error.code(), code, "{error}");
    let named = error.facts().file.as_deref().and_then(Path::file_name);
    assert_eq!(named.and_then(|name| name.to_str()), Some(file), "{error}");
}

type Edit = fn(&mut Value);

#[test]
fn configs_that_would_give_wrong_numbers() {
    let vision: [(&str, Edit); 8] = [
        ("hidden_act", |v| v["vision_config"]["hidden_act"] = json!("gelu")),
        ("layer_norm_eps", |v| v["vision_config"]["layer_norm_eps"] = json!(1e-6)),
        ("num_channels", |v| v["vision_config"]["num_channels"] = json!(1)),
        ("num_attention_heads", |v| v["vision_config"]["num_attention_heads"] = json!(5)),
        ("patch_size", |v| v["vision_config"]["patch_size"] = json!(64)),
        ("image_size", |v| v["vision_config"]["image_size"] = json!([32, 32])),
        ("projection_dim", |v| v["projection_dim"] = json!(-1)),
        ("vision_config", |v| v["vision_config"] = json!("base")),
    ];
    for (key, edit) in vision {
        let copy = Copy::of("clip").edit("config.json", edit);
        let error = error(clip_image(copy.dir()));
        check(&error, ErrorCode::BadValue, "config.json");
        assert!(error.to_string().contains(key), "{error}");
        // The other tower does not care, but for what is shared.
        assert_eq!(clip_text(copy.dir()).is_ok(), key != "projection_dim", "{key}");
    }
    let text: [(&str, Edit); 4] = [
        ("hidden_act", |v| v["text_config"]["hidden_act"] = json!("gelu")),
        ("layer_norm_eps", |v| v["text_config"]["layer_norm_eps"] = json!("small")),
        ("eos_token_id", |v| v["text_config"]["eos_token_id"] = json!([1, 2])),
        ("max_position_embeddings", |v| v["text_config"]["max_position_embeddings"] = json!(1)),
    ];
    for (key, edit) in text {
        let copy = Copy::of("clip").edit("config.json", edit);
        let error = error(clip_text(copy.dir()));
        check(&error, ErrorCode::BadValue, "config.json");
        assert!(error.to_string().contains(key), "{error}");
    }
    let siglip: [(&str, Edit); 2] = [
        ("vision_use_head", |v| v["vision_config"]["vision_use_head"] = json!(false)),
        ("hidden_act", |v| v["vision_config"]["hidden_act"] = json!("gelu")),
    ];
    for (key, edit) in siglip {
        let copy = Copy::of("siglip").edit("config.json", edit);
        let error = error(siglip_image(copy.dir()));
        check(&error, ErrorCode::BadValue, "config.json");
        assert!(error.to_string().contains(key), "{error}");
    }
    let copy = Copy::of("siglip").edit("config.json", |v| v["text_config"]["projection_size"] = json!(9));
    check(&error(siglip_text(copy.dir())), ErrorCode::BadValue, "config.json");
}

#[test]
fn models_of_another_type() {
    for kind in [json!("bert"), json!("clip_text_model"), json!(null), json!(7)] {
        let copy = Copy::of("clip").edit("config.json", |v| v["model_type"] = kind.clone());
        check(&error(clip_text(copy.dir())), ErrorCode::BadValue, "config.json");
        check(&error(clip_image(copy.dir())), ErrorCode::BadValue, "config.json");
    }
    let (clip, siglip) = (Copy::of("clip"), Copy::of("siglip"));
    check(&error(siglip_text(clip.dir())), ErrorCode::BadValue, "config.json");
    check(&error(siglip_image(clip.dir())), ErrorCode::BadValue, "config.json");
    check(&error(clip_text(siglip.dir())), ErrorCode::BadValue, "config.json");
    check(&error(clip_image(siglip.dir())), ErrorCode::BadValue, "config.json");
}

#[test]
fn files_that_are_missing_or_broken() {
    for file in ["config.json", "model.safetensors", "preprocessor_config.json"] {
        let copy = Copy::of("clip").remove(file);
        check(&error(clip_image(copy.dir())), ErrorCode::NotFound, file);
    }
    for file in ["config.json", "model.safetensors", "tokenizer.json"] {
        let copy = Copy::of("clip").remove(file);
        check(&error(clip_text(copy.dir())), ErrorCode::NotFound, file);
    }
    // What one tower does not need may be missing.
    assert!(clip_image(Copy::of("clip").remove("tokenizer.json").dir()).is_ok());
    assert!(clip_text(Copy::of("clip").remove("preprocessor_config.json").dir()).is_ok());

    let cut = |file: &str| {
        let copy = Copy::of("clip");
        let path = copy.dir().join(file);
        let bytes = std::fs::read(&path).unwrap();
        std::fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
        copy
    };
    check(&error(clip_image(cut("model.safetensors").dir())), ErrorCode::Damaged, "model.safetensors");
    check(&error(clip_text(cut("tokenizer.json").dir())), ErrorCode::Damaged, "tokenizer.json");
    check(&error(clip_image(cut("config.json").dir())), ErrorCode::BadJson, "config.json");
    let file = "preprocessor_config.json";
    check(&error(clip_image(cut(file).dir())), ErrorCode::BadJson, file);
    let list = Copy::of("clip").edit("config.json", |v| *v = json!([1]));
    check(&error(clip_text(list.dir())), ErrorCode::BadJson, "config.json");
}

/// Rewrites the weights of `copy` with another name for each tensor, or none.
fn rename(copy: &Copy, name: impl Fn(&str) -> Option<String>) {
    let file = copy.dir().join("model.safetensors");
    let bytes = std::fs::read(&file).unwrap();
    let tensors = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let kept: Vec<_> =
        tensors.tensors().into_iter().filter_map(|(old, view)| Some((name(&old)?, view))).collect();
    std::fs::write(&file, safetensors::serialize(kept, None).unwrap()).unwrap();
}

#[test]
fn tensors_that_are_missing_or_of_another_shape() {
    // One that the model would replace by a random one.
    for missing in ["vision_model.embeddings.class_embedding", "visual_projection.weight"] {
        let copy = Copy::of("clip");
        rename(&copy, |name| (name != missing).then(|| name.to_owned()));
        let error = error(clip_image(copy.dir()));
        check(&error, ErrorCode::UnknownTensor, "model.safetensors");
        assert!(error.to_string().contains(missing), "{error}");
        assert!(clip_text(copy.dir()).is_ok());
    }
    let missing = "text_model.encoder.layers.1.mlp.fc2.bias";
    for family in ["clip", "siglip"] {
        let copy = Copy::of(family);
        rename(&copy, |name| (name != missing).then(|| name.to_owned()));
        let (text, image) = match family {
            "clip" => (error(clip_text(copy.dir())), clip_image(copy.dir()).is_ok()),
            _ => (error(siglip_text(copy.dir())), siglip_image(copy.dir()).is_ok()),
        };
        check(&text, ErrorCode::UnknownTensor, "model.safetensors");
        assert!(image);
    }
    let deep = Copy::of("clip").edit("config.json", |v| {
        v["vision_config"]["num_hidden_layers"] = json!(1_000_000_000);
    });
    check(&error(clip_image(deep.dir())), ErrorCode::UnknownTensor, "model.safetensors");
    let wide = Copy::of("clip").edit("config.json", |v| v["text_config"]["intermediate_size"] = json!(64));
    check(&error(clip_text(wide.dir())), ErrorCode::BadDimension, "model.safetensors");
    let fine = Copy::of("siglip").edit("config.json", |v| v["vision_config"]["patch_size"] = json!(4));
    check(&error(siglip_image(fine.dir())), ErrorCode::BadDimension, "model.safetensors");
}

#[test]
fn preprocessing_that_is_not_supported() {
    let file = "preprocessor_config.json";
    let clip: [Edit; 12] = [
        |v| v["do_resize"] = json!(false),
        |v| v["do_rescale"] = json!(false),
        |v| v["do_center_crop"] = json!(false),
        |v| v["do_normalize"] = json!("yes"),
        |v| v["resample"] = json!(0),
        |v| v["size"] = json!({ "shortest_edge": 30 }),
        |v| v["size"] = json!({ "shortest_edge": 36, "longest_edge": 40 }),
        |v| v["size"] = json!({ "height": 32 }),
        |v| v["crop_size"] = json!({ "height": 32, "width": 16 }),
        |v| v["crop_size"] = json!(16),
        |v| v["image_std"] = json!([1.0, 0.0, 1.0]),
        |v| v["image_processor_type"] = json!("ViTImageProcessor"),
    ];
    for (at, edit) in clip.into_iter().enumerate() {
        let copy = Copy::of("clip").edit(file, edit);
        match clip_image(copy.dir()) {
            Ok(_) => panic!("edit {at} opened"),
            Err(error) => check(&error, ErrorCode::BadValue, file),
        }
    }
    let siglip: [Edit; 3] = [
        |v| v["size"] = json!({ "height": 32, "width": 64 }),
        |v| v["size"] = json!({ "shortest_edge": 32 }),
        |v| v["image_mean"] = json!([0.5]),
    ];
    for edit in siglip {
        let copy = Copy::of("siglip").edit(file, edit);
        check(&error(siglip_image(copy.dir())), ErrorCode::BadValue, file);
    }
}

#[test]
fn tokenizers_of_another_model() {
    let file = "tokenizer.json";
    let bare = Copy::of("clip").edit(file, |v| v["post_processor"] = json!(null));
    check(&error(clip_text(bare.dir())), ErrorCode::BadValue, file);
    let other = Copy::of("clip").edit("config.json", |v| v["text_config"]["eos_token_id"] = json!(3));
    check(&error(clip_text(other.dir())), ErrorCode::BadValue, file);
    let large = Copy::of("clip").edit(file, |v| {
        let token = json!({ "id": 562, "content": "<new>", "single_word": false, "lstrip": false,
            "rstrip": false, "normalized": false, "special": true });
        v["added_tokens"].as_array_mut().unwrap().push(token);
    });
    check(&error(clip_text(large.dir())), ErrorCode::BadDimension, file);
    let config = "tokenizer_config.json";
    let second = Copy::of("siglip").edit(config, |v| v["tokenizer_class"] = json!("GemmaTokenizer"));
    check(&error(siglip_text(second.dir())), ErrorCode::BadValue, config);
    let nothing = Copy::of("siglip").edit(config, |v| v["eos_token"] = json!("<end>"));
    check(&error(siglip_text(nothing.dir())), ErrorCode::BadValue, file);
}
