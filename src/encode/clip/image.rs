//! The towers of pictures.

use std::path::Path;

use candle_core::{Module, Tensor};
use candle_nn::Linear;
use candle_transformers::models::clip::vision_model::ClipVisionTransformer;
use candle_transformers::models::siglip::VisionModel;
use serde_json::json;

use super::config::{self, Family, VisionTower};
use super::pixels::Pixels;
use super::{shapes, unit, weights_of};
use crate::encode::picture::{DecodeLimits, decode};
use crate::encode::{Encoder, Item};
use crate::error::{Error, ErrorCode, Result};
use crate::media::Fingerprint;
use crate::parallel as workers;

enum Tower {
    Clip(ClipVisionTransformer, Linear),
    Siglip(VisionModel),
}

impl Tower {
    fn forward(&self, pixels: &Tensor) -> Result<Tensor> {
        Ok(match self {
            Self::Clip(tower, projection) => projection.forward(&tower.forward(pixels)?)?,
            Self::Siglip(tower) => tower.forward(pixels)?,
        })
    }
}

struct Inner {
    name: String,
    fingerprint: Fingerprint,
    features: usize,
    limits: DecodeLimits,
    pixels: Pixels,
    tower: Tower,
}

impl Inner {
    fn open(dir: &Path, name: &str, limits: DecodeLimits, family: Family) -> Result<Self> {
        let fields = config::open(dir, family)?;
        let settings = VisionTower::read(&fields, family)?;
        let patches =
            settings.patches().filter(|n| *n < 1 << 31).ok_or_else(|| config::oversized(&fields))?;
        let pixels = Pixels::open(dir, family, &settings)?;
        let weights = weights_of(dir)?;
        let tower = match family {
            Family::Clip => {
                let vars = shapes::load(&weights, shapes::clip_vision(&settings, patches))?;
                let tower = ClipVisionTransformer::new(vars.pp("vision_model"), &settings.clip())?;
                let projection = candle_nn::linear_no_bias(
                    settings.layers.hidden,
                    settings.out,
                    vars.pp("visual_projection"),
                )?;
                Tower::Clip(tower, projection)
            }
            Family::Siglip => {
                let vars = shapes::load(&weights, shapes::siglip_vision(&settings, patches))?;
                Tower::Siglip(VisionModel::new(&settings.siglip(), true, vars.pp("vision_model"))?)
            }
        };
        let kind = format!("{}-image v1", family.model_type());
        let canonical = json!({ "tower": settings.settings(), "pixels": pixels.settings() }).to_string();
        let fingerprint = Fingerprint::of([kind.as_bytes(), canonical.as_bytes(), &weights.hash()]);
        Ok(Self { name: name.to_owned(), fingerprint, features: settings.out, limits, pixels, tower })
    }

    fn encode_item(&self, item: &Item<'_>) -> Result<Vec<f32>> {
        match item {
            Item::Bytes(bytes) => {
                let pixels = self.pixels.tensor(&decode(bytes, &self.limits)?)?;
                unit(&self.tower.forward(&pixels)?)
            }
            Item::Text(_) => {
                Err(Error::new(ErrorCode::BadArgument, "a text given to the encoder of pictures")
                    .expected("the bytes of a picture file")
                    .got("a text"))
            }
        }
    }
}

/// CLIP's tower of pictures, `model_type` `clip`.
///
/// A picture is decoded, resized, cut and scaled as `preprocessor_config.json` says. Its features are the projected
/// embedding of the class token, scaled to length 1.
///
/// Cost: the weights of this tower as f32, and per core one picture as it is decoded. A single item is computed on all
/// cores, more items one per core; the features are bit-equal either way.
pub struct ClipImage(Inner);

/// SigLIP's tower of pictures, `model_type` `siglip`.
///
/// As [`ClipImage`], but its features are the output of the attention pooling.
pub struct SiglipImage(Inner);

macro_rules! image_encoder {
    ($name:ident, $family:expr) => {
        impl $name {
            /// The `model_type` of the `config.json` that [`Self::open`] takes.
            pub const MODEL_TYPE: &'static str = match $family {
                Family::Clip => "clip",
                Family::Siglip => "siglip",
            };

            /// Opens the tower in the folder `dir`; `name` is what a bundle keeps.
            ///
            /// Reads `config.json`, `preprocessor_config.json` and `model.safetensors`.
            ///
            /// # Errors
            /// [`ErrorCode::NotFound`], [`ErrorCode::Io`]; [`ErrorCode::BadJson`], and [`ErrorCode::BadValue`] for
            /// another `model_type` or a setting that is not supported; [`ErrorCode::Damaged`],
            /// [`ErrorCode::UnknownTensor`], [`ErrorCode::BadDimension`] and [`ErrorCode::NotFinite`] for the weights.
            pub fn open(dir: &Path, name: &str, limits: DecodeLimits) -> Result<Self> {
                Ok(Self(Inner::open(dir, name, limits, $family)?))
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

            fn max_bytes(&self) -> u64 {
                self.0.limits.max_bytes
            }

            fn encode(&self, items: &[Item<'_>]) -> Vec<Result<Vec<f32>>> {
                workers::map(items, |item| self.0.encode_item(item))
            }
        }
    };
}

image_encoder!(ClipImage, Family::Clip);
image_encoder!(SiglipImage, Family::Siglip);
