//! Which encoder a folder of weights holds, by its content.

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
/// Tensors by which EfficientNet-Lite0 is known where no settings name it.
const LITE0: [&str; 3] = ["_conv_stem.weight", "_blocks.15._project_conv.weight", "_conv_head.weight"];
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
pub(super) fn is_read(name: &str) -> bool {
    let (part, file) = name.rsplit_once('/').unwrap_or(("0", name));
    let numbered = part.starts_with(|c: char| c.is_ascii_digit()) && !part.contains('/');
    numbered && FILES.contains(&file)
}

/// An encoder with weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Kind {
    /// A sentence transformer of the BERT family.
    Bert,
    /// EfficientNet-Lite0.
    EfficientNetLite0,
    /// CLIP, whose two towers are two encoders.
    Clip,
    /// SigLIP, likewise.
    Siglip,
    /// Numbers of bytes, for tests of this crate.
    #[cfg(test)]
    Test,
}

/// What an encoder reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reads {
    Texts,
    Pictures,
}

impl Kind {
    /// The kind of the folder or `.safetensors` file at `path`. Cost: reads its settings, or the header of its weights.
    ///
    /// # Errors
    /// [`ErrorCode::NotFound`] where nothing is, or no weights are; [`ErrorCode::BadJson`] for settings that do not parse;
    /// [`ErrorCode::BadValue`] for a model that is none of these; [`ErrorCode::Damaged`] for weights without header.
    pub fn of(path: &Path) -> Result<Self> {
        let about = std::fs::metadata(path).map_err(|e| Error::io(path, e))?;
        if about.is_file() {
            return by_tensors(path);
        }
        let config = settings_in(path);
        match limits::read_file(&config, SETTINGS_BYTES, "the file of settings") {
            Ok(text) => by_config(&config, &text),
            Err(error) if error.code() == ErrorCode::NotFound => by_tensors(&weights_in(path)?),
            Err(error) => Err(error),
        }
    }

    /// A short name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Bert => "bert",
            Self::EfficientNetLite0 => "efficientnet-lite0",
            Self::Clip => "clip",
            Self::Siglip => "siglip",
            #[cfg(test)]
            Self::Test => "test",
        }
    }

    /// The media types of a corpus that it encodes.
    pub fn media(self) -> &'static [&'static str] {
        match self {
            Self::Bert => &["text"],
            Self::EfficientNetLite0 => &["image"],
            Self::Clip | Self::Siglip => &["image", "text"],
            #[cfg(test)]
            Self::Test => &["text"],
        }
    }

    /// What it reads for items of `media`: an encoder that reads one thing alone serves media types of other names too.
    ///
    /// # Errors
    /// [`ErrorCode::BadArgument`] for texts that a picture encoder should read, and the like.
    pub(super) fn reads(self, media: &str) -> Result<Reads> {
        let serves = |name: &str| if name == "text" { Reads::Texts } else { Reads::Pictures };
        match self.media() {
            media_types if media_types.contains(&media) => Ok(serves(media)),
            [only] if media != "image" && media != "text" => Ok(serves(only)),
            media_types => {
                let what = format!("an encoder of kind {} does not serve the media type", self.name());
                Err(Error::new(ErrorCode::BadArgument, what).expected(media_types.join(" or ")).got(media))
            }
        }
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

fn by_config(file: &Path, text: &[u8]) -> Result<Kind> {
    let config: Value = serde_json::from_slice(text).map_err(|e| {
        Error::new(ErrorCode::BadJson, format!("the settings of an encoder do not parse: {e}"))
            .file(file)
            .line(e.line() as u64)
    })?;
    match config.get("model_type").and_then(Value::as_str) {
        Some("bert") => Ok(Kind::Bert),
        Some("efficientnet-lite0") => Ok(Kind::EfficientNetLite0),
        Some("clip") => Ok(Kind::Clip),
        Some("siglip") => Ok(Kind::Siglip),
        #[cfg(test)]
        Some("test") => Ok(Kind::Test),
        other => Err(Error::new(ErrorCode::BadValue, "the settings name no model that this build knows")
            .file(file)
            .expected("the model_type bert, clip, siglip or efficientnet-lite0")
            .got(other.unwrap_or("none"))),
    }
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
pub(super) fn is_weights(path: &Path) -> bool {
    path.extension().is_some_and(|e| e == "safetensors") && path.is_file()
}

fn by_tensors(file: &Path) -> Result<Kind> {
    let names = tensor_names(file)?;
    if LITE0.iter().all(|name| names.get(name).is_some()) {
        return Ok(Kind::EfficientNetLite0);
    }
    Err(Error::new(ErrorCode::BadValue, "weights without config.json that are not known by their tensors")
        .file(file)
        .expected("EfficientNet-Lite0, or a folder with config.json")
        .hint("name the folder that holds the settings too"))
}

/// The header of a safetensors file: an object with the tensors as keys.
fn tensor_names(file: &Path) -> Result<Value> {
    let damaged = || {
        Error::new(ErrorCode::Damaged, "the weights have no header").file(file).expected("a safetensors file")
    };
    let mut open = std::fs::File::open(file).map_err(|e| Error::io(file, e))?;
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

    fn lite0(path: &Path, names: &[&str]) {
        let zero = [0u8; 4];
        let view = || safetensors::tensor::TensorView::new(safetensors::Dtype::F32, vec![1], &zero).unwrap();
        let views = names.iter().map(|name| (*name, view()));
        std::fs::write(path, safetensors::serialize(views, None).unwrap()).unwrap();
    }

    #[test]
    fn settings_name_the_kind() {
        let dir = tempfile::tempdir().unwrap();
        let of = |config: &str| {
            std::fs::write(dir.path().join(CONFIG), config).unwrap();
            Kind::of(dir.path()).map_err(|e| e.code())
        };
        assert_eq!(of(r#"{"model_type":"bert"}"#), Ok(Kind::Bert));
        assert_eq!(of(r#"{"model_type":"clip"}"#), Ok(Kind::Clip));
        assert_eq!(of(r#"{"model_type":"siglip"}"#), Ok(Kind::Siglip));
        assert_eq!(of(r#"{"model_type":"efficientnet-lite0"}"#), Ok(Kind::EfficientNetLite0));
        assert_eq!(of(r#"{"architecture":"efficientnet_lite0"}"#), Err(ErrorCode::BadValue));
        assert_eq!(of(r#"{"model_type":"efficientnet_lite0"}"#), Err(ErrorCode::BadValue));
        assert_eq!(of(r#"{"model_type":"t5"}"#), Err(ErrorCode::BadValue));
        assert_eq!(of("{}"), Err(ErrorCode::BadValue));
        assert_eq!(of("{"), Err(ErrorCode::BadJson));
    }

    #[test]
    fn tensors_tell_lite0() {
        let dir = tempfile::tempdir().unwrap();
        let code = |path: &Path| Kind::of(path).map_err(|e| e.code());
        assert_eq!(code(dir.path()), Err(ErrorCode::NotFound));
        let file = dir.path().join("lite0.safetensors");
        lite0(&file, &LITE0);
        assert_eq!(
            (code(&file), code(dir.path())),
            (Ok(Kind::EfficientNetLite0), Ok(Kind::EfficientNetLite0))
        );
        let other = dir.path().join("other.safetensors");
        lite0(&other, &LITE0[1..]);
        assert_eq!(code(&other), Err(ErrorCode::BadValue));
        // Two files: which one is it?
        assert_eq!(code(dir.path()), Err(ErrorCode::NotFound));
        std::fs::write(&other, [255; 20]).unwrap();
        assert_eq!(code(&other), Err(ErrorCode::Damaged));
        std::fs::write(&other, [1]).unwrap();
        assert_eq!(code(&other), Err(ErrorCode::Damaged));
        assert_eq!(code(&dir.path().join("none")), Err(ErrorCode::NotFound));
    }

    #[test]
    fn parts_are_found_and_copied() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("0_Transformer")).unwrap();
        std::fs::write(dir.path().join(MODULES), r#"[{"path":"0_Transformer"}]"#).unwrap();
        std::fs::write(dir.path().join("0_Transformer").join(CONFIG), r#"{"model_type":"bert"}"#).unwrap();
        assert_eq!(Kind::of(dir.path()).unwrap(), Kind::Bert);
        for name in [CONFIG, "0_Transformer/model.safetensors", "1_Pooling/config.json", "merges.txt"] {
            assert!(is_read(name), "{name}");
        }
        for name in ["README.md", "onnx/config.json", "1_a/2_b/config.json", "../config.json", "/config.json"]
        {
            assert!(!is_read(name), "{name}");
        }
    }

    #[test]
    fn a_kind_serves_what_it_reads() {
        assert_eq!(Kind::Bert.reads("text").unwrap(), Reads::Texts);
        assert_eq!(Kind::Bert.reads("title").unwrap(), Reads::Texts);
        assert_eq!(Kind::EfficientNetLite0.reads("photo").unwrap(), Reads::Pictures);
        assert_eq!(Kind::Clip.reads("image").unwrap(), Reads::Pictures);
        assert_eq!(Kind::Clip.reads("text").unwrap(), Reads::Texts);
        for (kind, media) in [(Kind::Bert, "image"), (Kind::EfficientNetLite0, "text"), (Kind::Clip, "photo")]
        {
            assert_eq!(kind.reads(media).unwrap_err().code(), ErrorCode::BadArgument, "{media}");
        }
    }
}
