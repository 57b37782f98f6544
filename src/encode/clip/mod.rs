//! CLIP and SigLIP: a tower for pictures and a tower for texts, whose features share one space.
//!
//! Each tower is an encoder of its own, opened from a local folder in the published layout: `config.json`,
//! `model.safetensors`, `preprocessor_config.json` (pictures) or `tokenizer.json` (texts). Only the tower that is asked
//! for is built. The models are those of candle-transformers; a config that these compute otherwise than their
//! reference is refused, since wrong numbers look like right ones.
//!
//! Features are the projected embeddings, scaled to length 1.
//!
//! Radford et al. 2021, "Learning transferable visual models from natural language supervision"; Zhai et al. 2023,
//! "Sigmoid loss for language image pre-training".

mod config;
mod fields;
mod image;
mod pixels;
mod shapes;
mod text;
mod tokens;

pub use image::{ClipImage, SiglipImage};
pub use text::{ClipText, SiglipText};

use std::path::Path;

use candle_core::Tensor;

use crate::encode::weights::Weights;
use crate::error::{Error, ErrorCode, Result};

/// Opens `model.safetensors` of `dir`.
fn weights_of(dir: &Path) -> Result<Weights> {
    Weights::open(&dir.join("model.safetensors")).map_err(|error| match error.code() {
        ErrorCode::NotFound => error.hint(
            "the weights must be one safetensors file; convert a `.bin` file, and join one that is cut into parts",
        ),
        _ => error,
    })
}

/// The row of `features`, `[1, d]`, scaled to length 1.
///
/// # Errors
/// [`ErrorCode::NotFinite`] for a row without a direction.
fn unit(features: &Tensor) -> Result<Vec<f32>> {
    let mut row: Vec<f32> = features.flatten_all()?.to_vec1()?;
    let norm = row.iter().map(|x| f64::from(*x) * f64::from(*x)).sum::<f64>().sqrt();
    if !norm.is_finite() || norm == 0.0 {
        return Err(Error::new(ErrorCode::NotFinite, "the features of an item have no direction")
            .expected("a length above 0")
            .got(norm)
            .hint("the weights may be damaged"));
    }
    row.iter_mut().for_each(|x| *x = (f64::from(*x) / norm) as f32);
    Ok(row)
}
