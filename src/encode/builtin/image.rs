//! The built-in picture encoder: histograms and cues of form, without weights.

use rayon::prelude::*;

use super::canvas::Canvas;
use super::colour::{COARSE, Colour, FINE};
use super::gradient::Gradients;
use super::region::Foreground;
use super::shape::{Figure, JOINT, REGION};
use crate::encode::picture::{DecodeLimits, RgbImage, decode};
use crate::encode::{Encoder, Item};
use crate::error::{Error, ErrorCode, Result};
use crate::media::Fingerprint;

/// A block of features: its name, its number of elements, and the length that it has where it is not empty.
struct Block {
    name: &'static str,
    len: usize,
    weight: f32,
}

/// Bins of gradient directions over a half turn.
const DIRECTIONS: usize = 9;
/// Regions that get cues of their own, largest first, with their weights.
const REGIONS: [f32; 2] = [1.0, 0.7];
/// Regions that enter the joint histogram of colour and form.
const JOINED: usize = 12;

/// The features, in their order.
const LAYOUT: [Block; 8] = [
    Block { name: "colour 1x1", len: FINE.len(), weight: 0.5 },
    Block { name: "colour 2x2", len: 4 * FINE.len(), weight: 1.0 },
    Block { name: "colour 4x4", len: 16 * COARSE.len(), weight: 1.0 },
    Block { name: "gradient 4x4", len: 16 * DIRECTIONS, weight: 1.0 },
    Block { name: "gradient 8x8", len: 64 * DIRECTIONS, weight: 1.0 },
    Block { name: "background colour", len: FINE.len(), weight: 0.7 },
    Block { name: "colour by form", len: JOINT, weight: 1.0 },
    Block { name: "regions", len: REGIONS.len() * REGION, weight: 0.6 },
];

const FEATURES: usize = {
    let (mut sum, mut i) = (0, 0);
    while i < LAYOUT.len() {
        sum += LAYOUT[i].len;
        i += 1;
    }
    sum
};

/// The built-in encoder of pictures, `builtin-image-v1`: every format that [`decode`] reads, without weights.
///
/// A picture is squashed to 96 x 96 pixels and described by colour histograms on grids of 1x1, 2x2 and 4x4 cells,
/// gradient directions on grids of 4x4 and 8x8 cells, the colours of its background, and the colour, outline, form,
/// place and size of the two largest things that stand out from it. Blocks are square-rooted and of fixed length, so that
/// a dot product compares histograms sensibly.
///
/// The features are a function of the decoded pixels alone, in f32 and in one fixed order; what is measured never
/// changes under this name. Limits are no part of the fingerprint, as they decide only which files are refused.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BuiltinImage {
    limits: DecodeLimits,
}

impl BuiltinImage {
    /// The name that a bundle keeps.
    pub const NAME: &'static str = "builtin-image-v1";

    /// An encoder with limits other than the default ones.
    pub fn new(limits: DecodeLimits) -> Self {
        Self { limits }
    }

    /// The features of a decoded picture, `[features]`, all of them finite.
    ///
    /// Cost: 1 to 3 ms, and about 4 ns per pixel of `picture`.
    ///
    /// # Errors
    /// [`ErrorCode::Empty`] for a picture without pixels.
    pub fn encode_pixels(&self, picture: &RgbImage) -> Result<Vec<f32>> {
        if picture.width() == 0 || picture.height() == 0 {
            return Err(Error::new(ErrorCode::Empty, "the picture has no pixels"));
        }
        let canvas = Canvas::new(picture);
        let colours = Colour::of(&canvas);
        let gradients = Gradients::of(&canvas);
        let found = Foreground::of(&canvas);
        let figures: Vec<Figure<'_>> =
            (0..found.regions.len().min(JOINED)).map(|i| Figure::new(&found, i, canvas.aspect)).collect();

        let mut features = vec![0f32; FEATURES];
        let mut rest = features.as_mut_slice();
        for Block { name, len, weight } in LAYOUT {
            let (out, after) = rest.split_at_mut(len);
            rest = after;
            match name {
                "colour 1x1" => FINE.grid(out, &colours, 1, weight),
                "colour 2x2" => FINE.grid(out, &colours, 2, weight),
                "colour 4x4" => COARSE.grid(out, &colours, 4, weight),
                "gradient 4x4" => gradients.grid(out, 4, DIRECTIONS, weight),
                "gradient 8x8" => gradients.grid(out, 8, DIRECTIONS, weight),
                "background colour" => {
                    for (colour, _) in colours.iter().zip(&found.labels).filter(|(_, label)| **label == 0) {
                        FINE.add(out, colour, 1.0);
                    }
                    super::soft::hellinger(out, weight);
                }
                "colour by form" => {
                    figures.iter().for_each(|figure| figure.joint(out, &colours));
                    super::soft::hellinger(out, weight);
                }
                _ => {
                    for ((out, figure), rank) in out.chunks_exact_mut(REGION).zip(&figures).zip(REGIONS) {
                        figure.cues(out, &colours, weight * rank);
                    }
                }
            }
        }
        Ok(features)
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

impl Encoder for BuiltinImage {
    fn name(&self) -> &str {
        Self::NAME
    }

    fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of([Self::NAME.as_bytes(), &(FEATURES as u64).to_le_bytes()])
    }

    fn features(&self) -> usize {
        FEATURES
    }

    fn max_bytes(&self) -> u64 {
        self.limits.max_bytes
    }

    fn encode(&self, items: &[Item<'_>]) -> Vec<Result<Vec<f32>>> {
        items.par_iter().map(|item| self.encode_item(item)).collect()
    }
}
