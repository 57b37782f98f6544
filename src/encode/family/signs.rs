//! What a folder of weights shows of itself, by its content.

use std::io::Read;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::error::{Error, ErrorCode, Result};
use crate::limits::{self, SETTINGS_BYTES};

/// Name of the settings in a folder of weights.
const CONFIG: &str = "config.json";
/// Name of the list of parts of a sentence transformer.
const MODULES: &str = "modules.json";
/// Name of the weights in a folder.
const WEIGHTS: &str = "model.safetensors";
/// Bytes of the header of a safetensors file at most.
const MOST_HEADER: u64 = 64 << 20;

/// Names of the files that an encoder may read, in its folder or in the folder of a part, such as `1_Pooling`.
const FILES: [&str; 12] = [
    CONFIG,
    WEIGHTS,
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "vocab.txt",
    "vocab.json",
    "merges.txt",
    "sentence_bert_config.json",
    "config_sentence_transformers.json",
    MODULES,
    "preprocessor_config.json",
];

/// Whether an encoder may read the file `name` of its folder: what is copied or pulled. Parts begin with their number.
pub(in crate::encode) fn is_read(name: &str) -> bool {
    let (part, file) = name.rsplit_once('/').unwrap_or(("0", name));
    let numbered = part.starts_with(|c: char| c.is_ascii_digit()) && !part.contains('/');
    numbered && FILES.contains(&file)
}

/// What a folder or file of weights shows of itself before it is opened: its settings, or without them the names of its
/// tensors.
#[derive(Debug, Clone)]
pub struct Signs {
    /// The file that was read.
    file: PathBuf,
    settings: Option<Value>,
    /// The header of the weights; null beside settings.
    tensors: Value,
}

impl Signs {
    /// Those of the folder or `.safetensors` file at `path`. Cost: reads the settings, or the header of the weights.
    ///
    /// # Errors
    /// [`ErrorCode::NotFound`] where nothing is, or no weights are; [`ErrorCode::BadJson`] for settings that do not parse;
    /// [`ErrorCode::Damaged`] for weights without header.
    pub fn of(path: &Path) -> Result<Self> {
        let about = std::fs::metadata(path).map_err(|e| Error::io(path, e))?;
        if about.is_file() {
            return Self::of_weights(path);
        }
        let config = settings_in(path);
        match limits::read_file(&config, SETTINGS_BYTES, "the file of settings") {
            Ok(text) => Self::of_settings(config, &text),
            Err(error) if error.code() == ErrorCode::NotFound => Self::of_weights(&weights_in(path)?),
            Err(error) => Err(error),
        }
    }

    fn of_settings(file: PathBuf, text: &[u8]) -> Result<Self> {
        match serde_json::from_slice(text) {
            Ok(settings) => Ok(Self { file, settings: Some(settings), tensors: Value::Null }),
            Err(e) => {
                let what = format!("the settings of an encoder do not parse: {e}");
                Err(Error::new(ErrorCode::BadJson, what).file(file).line(e.line() as u64))
            }
        }
    }

    fn of_weights(file: &Path) -> Result<Self> {
        Ok(Self { file: file.to_path_buf(), settings: None, tensors: tensor_names(file)? })
    }

    /// The settings, `config.json`.
    pub fn settings(&self) -> Option<&Value> {
        self.settings.as_ref()
    }

    /// `model_type` of the settings.
    pub fn model_type(&self) -> Option<&str> {
        self.settings.as_ref()?.get("model_type")?.as_str()
    }

    /// Whether weights without settings have a tensor of this name.
    pub fn has_tensor(&self, name: &str) -> bool {
        self.tensors.get(name).is_some()
    }

    /// That no family knows these; `known` are the names of all.
    pub(in crate::encode) fn unknown(&self, known: &str) -> Error {
        if self.settings.is_none() {
            let what = "weights without config.json that are not known by their tensors";
            return Error::new(ErrorCode::BadValue, what)
                .file(&self.file)
                .expected("EfficientNet-Lite0, or a folder with config.json")
                .hint("name the folder that holds the settings too");
        }
        Error::new(ErrorCode::BadValue, "the settings name no model that this build knows")
            .file(&self.file)
            .expected(format!("the model_type {known}"))
            .got(self.model_type().unwrap_or("none"))
    }
}

/// The settings of a folder, or of its first part where it is a list of parts.
fn settings_in(dir: &Path) -> PathBuf {
    let own = dir.join(CONFIG);
    if own.exists() {
        return own;
    }
    let list = limits::read_file(&dir.join(MODULES), SETTINGS_BYTES, "the list of modules").ok();
    let list: Option<Value> = list.and_then(|text| serde_json::from_slice(&text).ok());
    let first = list.as_ref().and_then(|list| list[0]["path"].as_str());
    first.map_or(own, |part| dir.join(part).join(CONFIG))
}

/// The weights of a folder without settings: `model.safetensors`, or its only `.safetensors` file.
pub(super) fn weights_in(dir: &Path) -> Result<PathBuf> {
    let named = dir.join(WEIGHTS);
    if named.is_file() {
        return Ok(named);
    }
    let mut files = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(|e| Error::io(dir, e))? {
        let path = entry.map_err(|e| Error::io(dir, e))?.path();
        if is_weights(&path) {
            files.push(path);
        }
    }
    match (files.pop(), files.is_empty()) {
        (Some(file), true) => Ok(file),
        _ => Err(Error::new(ErrorCode::NotFound, "the folder holds no encoder")
            .file(dir)
            .expected("config.json and model.safetensors")),
    }
}

/// Whether `path` is a file with the name of weights.
pub(in crate::encode) fn is_weights(path: &Path) -> bool {
    path.extension().is_some_and(|e| e == "safetensors") && path.is_file()
}

/// The header of a safetensors file: an object with the tensors as keys.
fn tensor_names(file: &Path) -> Result<Value> {
    let damaged = || {
        Error::new(ErrorCode::Damaged, "the weights have no header").file(file).expected("a safetensors file")
    };
    let mut open = limits::open_file(file, "the file of weights")?;
    let mut length = [0; 8];
    open.read_exact(&mut length).map_err(|_| damaged())?;
    let length = u64::from_le_bytes(length);
    if length > MOST_HEADER {
        return Err(damaged());
    }
    let mut header = Vec::new();
    open.take(length).read_to_end(&mut header).map_err(|e| Error::io(file, e))?;
    serde_json::from_slice(&header).map_err(|_| damaged())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encode::Registry;

    #[test]
    fn settings_name_the_family() {
        let dir = tempfile::tempdir().unwrap();
        let of = |config: &str| {
            std::fs::write(dir.path().join(CONFIG), config).unwrap();
            Registry::default().family(dir.path()).map(|family| family.name()).map_err(|e| e.code())
        };
        assert_eq!(of(r#"{"model_type":"bert"}"#), Ok("bert"));
        assert_eq!(of(r#"{"model_type":"roberta"}"#), Ok("bert"));
        assert_eq!(of(r#"{"model_type":"xlm-roberta"}"#), Ok("bert"));
        assert_eq!(of(r#"{"model_type":"clip"}"#), Ok("clip"));
        assert_eq!(of(r#"{"model_type":"siglip"}"#), Ok("siglip"));
        assert_eq!(of(r#"{"model_type":"efficientnet-lite0"}"#), Ok("efficientnet-lite0"));
        assert_eq!(of(r#"{"architecture":"efficientnet_lite0"}"#), Err(ErrorCode::BadValue));
        assert_eq!(of(r#"{"model_type":"efficientnet_lite0"}"#), Err(ErrorCode::BadValue));
        assert_eq!(of(r#"{"model_type":"t5"}"#), Err(ErrorCode::BadValue));
        assert_eq!(of("{}"), Err(ErrorCode::BadValue));
        assert_eq!(of("{"), Err(ErrorCode::BadJson));
    }

    #[test]
    fn parts_are_found_and_copied() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("0_Transformer")).unwrap();
        std::fs::write(dir.path().join(MODULES), r#"[{"path":"0_Transformer"}]"#).unwrap();
        std::fs::write(dir.path().join("0_Transformer").join(CONFIG), r#"{"model_type":"bert"}"#).unwrap();
        assert_eq!(Signs::of(dir.path()).unwrap().model_type(), Some("bert"));
        for name in [CONFIG, "0_Transformer/model.safetensors", "1_Pooling/config.json", "merges.txt"] {
            assert!(is_read(name), "{name}");
        }
        for name in ["README.md", "onnx/config.json", "1_a/2_b/config.json", "../config.json", "/config.json"]
        {
            assert!(!is_read(name), "{name}");
        }
    }
}
