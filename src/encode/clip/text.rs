//! The towers of texts.

use std::path::Path;

use candle_core::{Device, IndexOp, Module, Tensor};
use candle_nn::Linear;
use candle_transformers::models::clip::text_model::ClipTextTransformer;
use candle_transformers::models::siglip::TextModel;
use serde_json::json;

use super::config::{self, Family, TextTower};
use super::tokens::Tokens;
use super::{shapes, unit, weights_of};
use crate::encode::{Encoder, Item};
use crate::error::{Error, ErrorCode, Result};
use crate::media::Fingerprint;
use crate::parallel as workers;

enum Tower {
    Clip(ClipTextTransformer, Linear),
    Siglip(TextModel),
}

impl Tower {
    /// The features of one text, `[1, d]`; `at` is the position whose output is the text's.
    fn forward(&self, ids: Vec<u32>, at: usize) -> Result<Tensor> {
        let len = ids.len();
        let ids = Tensor::from_vec(ids, (1, len), &Device::Cpu)?;
        Ok(match self {
            Self::Clip(tower, projection) => {
                // The causal mask alone. Its own pooling takes the highest id, which only old configs mean.
                let outputs = tower.forward_with_mask(&ids, usize::MAX)?;
                projection.forward(&outputs.i((.., at, ..))?.contiguous()?)?
            }
            Self::Siglip(tower) => tower.forward(&ids)?,
        })
    }
}

struct Inner {
    name: String,
    fingerprint: Fingerprint,
    features: usize,
    tokens: Tokens,
    tower: Tower,
}

impl Inner {
    fn open(dir: &Path, name: &str, family: Family) -> Result<Self> {
        let fields = config::open(dir, family)?;
        let settings = TextTower::read(&fields, family)?;
        let tokens = Tokens::open(dir, family, &settings)?;
        let weights = weights_of(dir)?;
        let tower = match family {
            Family::Clip => {
                let vars = shapes::load(&weights, shapes::clip_text(&settings))?;
                let tower = ClipTextTransformer::new(vars.pp("text_model"), &settings.clip())?;
                let projection = candle_nn::linear_no_bias(
                    settings.layers.hidden,
                    settings.out,
                    vars.pp("text_projection"),
                )?;
                Tower::Clip(tower, projection)
            }
            Family::Siglip => {
                let vars = shapes::load(&weights, shapes::siglip_text(&settings))?;
                Tower::Siglip(TextModel::new(&settings.siglip(), vars.pp("text_model"))?)
            }
        };
        let kind = format!("{}-text v1", family.model_type());
        let canonical = json!({ "tower": settings.settings(), "tokens": tokens.settings() }).to_string();
        let parts: [&[u8]; 4] = [kind.as_bytes(), canonical.as_bytes(), &weights.hash(), tokens.hash()];
        let fingerprint = Fingerprint::of(parts);
        Ok(Self { name: name.to_owned(), fingerprint, features: settings.out, tokens, tower })
    }

    fn encode_item(&self, item: &Item<'_>) -> Result<Vec<f32>> {
        match item {
            Item::Text(text) => {
                let (ids, at) = self.tokens.encode(text)?;
                unit(&self.tower.forward(ids, at)?)
            }
            Item::Bytes(_) => {
                Err(Error::new(ErrorCode::BadArgument, "a media file given to the encoder of texts")
                    .expected("a text")
                    .got("the bytes of a file"))
            }
        }
    }
}

/// CLIP's tower of texts, `model_type` `clip`.
///
/// A text is cut into tokens as `tokenizer.json` says, at most as many as the model has positions (77 as published);
/// what is longer loses its end, but not the end token. Its features are the projected embedding of the end token, scaled
/// to length 1.
///
/// Cost: the weights of this tower as f32. A single item is computed on all cores, more items one per core, each in a
/// pass of its own without filling; the features are bit-equal either way.
pub struct ClipText(Inner);

/// SigLIP's tower of texts, `model_type` `siglip` with SigLIP's own tokenizer.
///
/// A text loses ASCII punctuation and upper case, and is filled up to the length that the model was trained with (64 as
/// published): the filling is a part of the model, which reads it. Its features are the output at the last position,
/// through the head, scaled to length 1. SigLIP 2, whose tokenizer is another one, is refused.
pub struct SiglipText(Inner);

macro_rules! text_encoder {
    ($name:ident, $family:expr) => {
        impl $name {
            /// The `model_type` of the `config.json` that [`Self::open`] takes.
            pub const MODEL_TYPE: &'static str = match $family {
                Family::Clip => "clip",
                Family::Siglip => "siglip",
            };

            /// Opens the tower in the folder `dir`; `name` is what a bundle keeps.
            ///
            /// Reads `config.json`, `tokenizer.json`, `tokenizer_config.json` if it is there, and `model.safetensors`.
            ///
            /// # Errors
            /// [`ErrorCode::NotFound`], [`ErrorCode::Io`]; [`ErrorCode::BadJson`], and [`ErrorCode::BadValue`] for
            /// another `model_type`, or a setting or tokenizer that is not supported; [`ErrorCode::Damaged`],
            /// [`ErrorCode::UnknownTensor`], [`ErrorCode::BadDimension`] and [`ErrorCode::NotFinite`] for weights and
            /// tokenizer.
            pub fn open(dir: &Path, name: &str) -> Result<Self> {
                Ok(Self(Inner::open(dir, name, $family)?))
            }
        }

        impl Encoder for $name {
            fn name(&self) -> &str {
                &self.0.name
            }

            fn fingerprint(&self) -> Fingerprint {
                self.0.fingerprint
            }

            fn features(&self) -> usize {
                self.0.features
            }

            fn is_empty(&self, item: &Item<'_>) -> bool {
                matches!(item, Item::Text(text) if self.0.tokens.is_empty(text))
            }

            fn encode(&self, items: &[Item<'_>]) -> Vec<Result<Vec<f32>>> {
                workers::map(items, |item| self.0.encode_item(item))
            }
        }
    };
}

text_encoder!(ClipText, Family::Clip);
text_encoder!(SiglipText, Family::Siglip);
