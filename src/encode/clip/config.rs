//! `config.json`: what the two towers look like, with the defaults of absent keys, and what is refused.

use std::path::Path;

use candle_transformers::models::clip::text_model::{Activation, ClipTextConfig};
use candle_transformers::models::clip::vision_model::ClipVisionConfig;
use candle_transformers::models::siglip;
use serde_json::{Value, json};

use super::fields::{Fields, Flag};
use crate::error::{Error, ErrorCode, Result};

/// The family that a folder's `config.json` must name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Family {
    Clip,
    Siglip,
}

impl Family {
    pub(super) fn model_type(self) -> &'static str {
        match self {
            Self::Clip => "clip",
            Self::Siglip => "siglip",
        }
    }

    /// The activation, and the epsilon of layer norm: the only ones that candle-transformers' CLIP computes, and the
    /// only ones that SigLIP was published with.
    fn fixed(self) -> (&'static str, f64) {
        match self {
            Self::Clip => ("quick_gelu", 1e-5),
            Self::Siglip => ("gelu_pytorch_tanh", 1e-6),
        }
    }
}

/// Settings that both towers of both families have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Layers {
    pub(super) hidden: usize,
    pub(super) inner: usize,
    pub(super) count: usize,
    pub(super) heads: usize,
}

/// The tower of pictures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct VisionTower {
    pub(super) layers: Layers,
    /// Side of the square picture and of a patch, in pixels.
    pub(super) image: usize,
    pub(super) patch: usize,
    /// Number of features.
    pub(super) out: usize,
}

/// The tower of texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TextTower {
    pub(super) layers: Layers,
    pub(super) vocabulary: usize,
    /// Most tokens of a text.
    pub(super) positions: usize,
    /// Number of features.
    pub(super) out: usize,
    /// The token whose output is the text's, for CLIP. 2 stands in configs from before this id was used: there it is
    /// the token of the highest id.
    pub(super) eos: u32,
    /// The token that fills a text up, for SigLIP.
    pub(super) pad: u32,
}

/// Reads `config.json` of `dir`, which must be one of `family`.
pub(super) fn open(dir: &Path, family: Family) -> Result<Fields> {
    let fields = Fields::open(&dir.join("config.json"))?;
    let want = family.model_type();
    if fields.word("model_type")? == Some(want) {
        return Ok(fields);
    }
    let hint = match fields.word("model_type")? {
        Some("clip_text_model" | "clip_vision_model" | "siglip_text_model" | "siglip_vision_model") => {
            "this is one tower alone; save the whole model"
        }
        _ => "open the folder with the encoder of its own model type",
    };
    Err(fields.bad("model_type", format!("{want:?}")).hint(hint))
}

/// The settings of one tower: `NAME_dict`, of old files, stands for all of `NAME`.
fn section(fields: &Fields, name: &str) -> Result<Fields> {
    match fields.object(&format!("{name}_dict"))? {
        Some(old) => Ok(old),
        None => fields.object_or_empty(name),
    }
}

fn layers(fields: &Fields, family: Family, default: Layers) -> Result<Layers> {
    let (activation, epsilon) = family.fixed();
    fields.only("hidden_act", json!(activation), json!(activation))?;
    fields.only("layer_norm_eps", json!(epsilon), json!(epsilon))?;
    let layers = Layers {
        hidden: fields.size("hidden_size", default.hidden)?,
        inner: fields.size("intermediate_size", default.inner)?,
        count: fields.size("num_hidden_layers", default.count)?,
        heads: fields.size("num_attention_heads", default.heads)?,
    };
    if !layers.hidden.is_multiple_of(layers.heads) {
        return Err(fields.bad("num_attention_heads", format!("a divisor of {}", layers.hidden)));
    }
    Ok(layers)
}

impl VisionTower {
    pub(super) fn read(fields: &Fields, family: Family) -> Result<Self> {
        let vision = section(fields, "vision_config")?;
        let default = Layers { hidden: 768, inner: 3072, count: 12, heads: 12 };
        let layers = layers(&vision, family, default)?;
        vision.only("num_channels", json!(3), json!(3))?;
        let (patch, out) = match family {
            Family::Clip => (32, fields.size("projection_dim", 512)?),
            Family::Siglip => {
                if vision.flag("vision_use_head", Flag::On)? == Flag::Off {
                    return Err(vision
                        .bad("vision_use_head", "true")
                        .hint("without it there are no features"));
                }
                (16, layers.hidden)
            }
        };
        let image = vision.size("image_size", 224)?;
        let patch = vision.size("patch_size", patch)?;
        if patch > image {
            return Err(vision.bad("patch_size", format!("at most the picture's {image} pixels")));
        }
        Ok(Self { layers, image, patch, out })
    }

    /// Number of patches; `None` where it overflows.
    pub(super) fn patches(&self) -> Option<usize> {
        (self.image / self.patch).checked_pow(2)
    }

    pub(super) fn clip(&self) -> ClipVisionConfig {
        ClipVisionConfig {
            embed_dim: self.layers.hidden,
            activation: Activation::QuickGelu,
            intermediate_size: self.layers.inner,
            num_hidden_layers: self.layers.count,
            num_attention_heads: self.layers.heads,
            projection_dim: self.out,
            num_channels: 3,
            image_size: self.image,
            patch_size: self.patch,
        }
    }

    pub(super) fn siglip(&self) -> siglip::VisionConfig {
        siglip::VisionConfig {
            hidden_size: self.layers.hidden,
            intermediate_size: self.layers.inner,
            num_hidden_layers: self.layers.count,
            num_attention_heads: self.layers.heads,
            num_channels: 3,
            image_size: self.image,
            patch_size: self.patch,
            hidden_act: candle_nn::Activation::GeluPytorchTanh,
            layer_norm_eps: Family::Siglip.fixed().1,
        }
    }

    /// What the features depend on.
    pub(super) fn settings(&self) -> Value {
        json!({ "heads": self.layers.heads, "image": self.image, "patch": self.patch, "layers": self.layers.count })
    }
}

impl TextTower {
    pub(super) fn read(fields: &Fields, family: Family) -> Result<Self> {
        let text = section(fields, "text_config")?;
        let (default, vocabulary, positions) = match family {
            Family::Clip => (Layers { hidden: 512, inner: 2048, count: 12, heads: 8 }, 49_408, 77),
            Family::Siglip => (Layers { hidden: 768, inner: 3072, count: 12, heads: 12 }, 32_000, 64),
        };
        let layers = layers(&text, family, default)?;
        let id = |key: &str, default: u32| match text.get(key) {
            None => Ok(default),
            Some(value) => value
                .as_u64()
                .and_then(|id| u32::try_from(id).ok())
                .ok_or_else(|| text.bad(key, "the id of one token")),
        };
        let (out, eos, pad) = match family {
            Family::Clip => (fields.size("projection_dim", 512)?, id("eos_token_id", 49_407)?, 0),
            Family::Siglip => {
                let hidden = layers.hidden;
                text.only("projection_size", json!(hidden), json!(hidden))?;
                (hidden, 0, id("pad_token_id", 1)?)
            }
        };
        let vocabulary = text.size("vocab_size", vocabulary)?;
        let positions = text.size("max_position_embeddings", positions)?;
        if positions < 2 {
            return Err(text.bad("max_position_embeddings", "at least 2"));
        }
        Ok(Self { layers, vocabulary, positions, out, eos, pad })
    }

    pub(super) fn clip(&self) -> ClipTextConfig {
        ClipTextConfig {
            vocab_size: self.vocabulary,
            embed_dim: self.layers.hidden,
            activation: Activation::QuickGelu,
            intermediate_size: self.layers.inner,
            max_position_embeddings: self.positions,
            pad_with: None,
            num_hidden_layers: self.layers.count,
            num_attention_heads: self.layers.heads,
            projection_dim: self.out,
        }
    }

    pub(super) fn siglip(&self) -> siglip::TextConfig {
        siglip::TextConfig {
            vocab_size: self.vocabulary,
            hidden_size: self.layers.hidden,
            intermediate_size: self.layers.inner,
            num_hidden_layers: self.layers.count,
            num_attention_heads: self.layers.heads,
            max_position_embeddings: self.positions,
            hidden_act: candle_nn::Activation::GeluPytorchTanh,
            layer_norm_eps: Family::Siglip.fixed().1,
            pad_token_id: self.pad,
            bos_token_id: 0,
            eos_token_id: 0,
        }
    }

    /// What the features depend on.
    pub(super) fn settings(&self) -> Value {
        json!({ "heads": self.layers.heads, "layers": self.layers.count, "eos": self.eos, "pad": self.pad })
    }
}

/// The error for sizes whose tensors could not be addressed.
pub(super) fn oversized(fields: &Fields) -> Error {
    Error::new(ErrorCode::BadValue, "the sizes in the config are beyond any model").file(fields.file())
}
