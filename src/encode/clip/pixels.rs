//! `preprocessor_config.json`: from a decoded picture to the tensor that a tower reads.

use std::path::Path;

use candle_core::{Device, Tensor};
use serde_json::{Value, json};

use super::config::{Family, VisionTower};
use super::fields::{Fields, Flag};
use crate::encode::picture::RgbImage;
use crate::encode::picture::{Filter, resize};
use crate::error::{Error, ErrorCode, Result};

/// Most pixels of a picture after resizing: 1,000 to 1 at 224 pixels of the shorter edge.
const MAX_RESIZED: u64 = 50_000_000;

/// How a picture is brought to the tower's size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fit {
    /// Shorter edge to so many pixels, then the middle.
    Crop(u32),
    /// Both edges, whatever the shape.
    Squash,
}

/// Resizing, cutting and scaling of a picture.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Pixels {
    side: u32,
    fit: Fit,
    filter: Filter,
    rescale: f64,
    mean: [f64; 3],
    std: [f64; 3],
}

impl Pixels {
    /// Reads `preprocessor_config.json` of `dir`; keys that are absent have the defaults of `family`.
    ///
    /// # Errors
    /// [`ErrorCode::NotFound`]; [`ErrorCode::BadJson`]; [`ErrorCode::BadValue`] for what is not supported, or does not
    /// end in the picture that `tower` reads.
    pub(super) fn open(dir: &Path, family: Family, tower: &VisionTower) -> Result<Self> {
        let fields = Fields::open(&dir.join("preprocessor_config.json"))?;
        let (prefix, mean, std, cropped) = match family {
            Family::Clip => {
                let mean = [0.481_454_66, 0.457_827_5, 0.408_210_73];
                ("CLIP", mean, [0.268_629_54, 0.261_302_58, 0.275_777_11], Flag::On)
            }
            Family::Siglip => ("Siglip", [0.5; 3], [0.5; 3], Flag::Off),
        };
        for key in ["image_processor_type", "feature_extractor_type"] {
            if fields.word(key)?.is_some_and(|kind| !kind.starts_with(prefix)) {
                return Err(fields.bad(key, format!("a name that starts with {prefix}")));
            }
        }
        fields.only("do_resize", json!(true), json!(true))?;
        fields.only("do_rescale", json!(true), json!(true))?;
        fields.only("do_pad", json!(false), json!(false))?;
        let side = u32::try_from(tower.image)
            .map_err(|_| fields.bad("size", "a picture that the tower can read"))?;
        let fit = fit(&fields, side, fields.flag("do_center_crop", cropped)?, family)?;
        let filter = match fields.size("resample", 3)? {
            1 => Filter::Lanczos3,
            2 => Filter::Bilinear,
            3 => Filter::Bicubic,
            _ => return Err(fields.bad("resample", "1 (Lanczos), 2 (bilinear) or 3 (bicubic)")),
        };
        let normalize = fields.flag("do_normalize", Flag::On)? == Flag::On;
        let (mean, std) = match normalize {
            true => (fields.channels("image_mean", mean)?, fields.channels("image_std", std)?),
            false => ([0.0; 3], [1.0; 3]),
        };
        if std.iter().any(|s| *s <= 0.0) {
            return Err(fields.bad("image_std", "three numbers above 0"));
        }
        let rescale = fields.number("rescale_factor", 1.0 / 255.0)?;
        Ok(Self { side, fit, filter, rescale, mean, std })
    }

    /// The picture as `[1, 3, side, side]`.
    ///
    /// # Errors
    /// [`ErrorCode::TooLarge`] for one that is so long that its shorter edge cannot be brought to size.
    pub(super) fn tensor(&self, picture: &RgbImage) -> Result<Tensor> {
        let side = self.side;
        let (width, height) = self.resized(picture)?;
        let picture = resize(picture, width, height, self.filter)?;
        let (left, top) = ((width - side) / 2, (height - side) / 2);
        let side = side as usize;
        let mut values = vec![0f32; 3 * side * side];
        let (stride, left, top) = (3 * width as usize, left as usize, top as usize);
        for (channel, plane) in values.chunks_exact_mut(side * side).enumerate() {
            // One value per level, as in the reference: rescaled, then normalised.
            let table: Vec<f32> = (0..256)
                .map(|level| {
                    let scaled = (f64::from(level) * self.rescale) as f32;
                    (scaled - self.mean[channel] as f32) / self.std[channel] as f32
                })
                .collect();
            for (y, row) in plane.chunks_exact_mut(side).enumerate() {
                let from = &picture.as_raw()[(top + y) * stride + 3 * left..];
                for (out, pixel) in row.iter_mut().zip(from.chunks_exact(3)) {
                    *out = table[usize::from(pixel[channel])];
                }
            }
        }
        Ok(Tensor::from_vec(values, (1, 3, side, side), &Device::Cpu)?)
    }

    /// Width and height after resizing, each at least `side`.
    fn resized(&self, picture: &RgbImage) -> Result<(u32, u32)> {
        let short = match self.fit {
            Fit::Squash => return Ok((self.side, self.side)),
            Fit::Crop(short) => short,
        };
        let (width, height) = picture.dimensions();
        let long = u64::from(short) * u64::from(width.max(height)) / u64::from(width.min(height).max(1));
        match u32::try_from(long) {
            Ok(long) if u64::from(long) * u64::from(short) <= MAX_RESIZED => {
                Ok(if width <= height { (short, long) } else { (long, short) })
            }
            _ => Err(Error::new(ErrorCode::TooLarge, "the picture is too long for its width")
                .expected(format!("at most {MAX_RESIZED} pixels with a shorter edge of {short}"))
                .got(format!("{width} x {height}"))
                .hint("cut it into pieces")),
        }
    }

    /// What the features depend on.
    pub(super) fn settings(&self) -> Value {
        let fit = match self.fit {
            Fit::Crop(short) => json!(short),
            Fit::Squash => json!("squash"),
        };
        json!({
            "fit": fit,
            "filter": format!("{:?}", self.filter),
            "rescale": self.rescale,
            "mean": self.mean,
            "std": self.std,
        })
    }
}

/// How the keys `size` and `crop_size` lead to a square of `side`.
fn fit(fields: &Fields, side: u32, crop: Flag, family: Family) -> Result<Fit> {
    let whole = u64::from(side);
    let square = |key: &str| -> Result<Option<u64>> {
        Ok(match fields.get(key) {
            None => None,
            Some(Value::Object(_)) => {
                let object = fields.object_or_empty(key)?;
                match (object.size("height", 0)? as u64, object.size("width", 0)? as u64) {
                    (height, width) if height == width && height > 0 => Some(height),
                    _ => None,
                }
            }
            Some(value) => value.as_u64(),
        })
    };
    if crop == Flag::On
        && square("crop_size")?.unwrap_or(if fields.get("crop_size").is_none() { 224 } else { 0 }) != whole
    {
        return Err(fields.bad("crop_size", format!("the tower's {side} x {side}")));
    }
    // A plain number is the shorter edge, in the files of CLIP's first release.
    let (short, exact) = match fields.get("size") {
        None if family == Family::Clip => (Some(224), None),
        None => (None, Some(224)),
        Some(Value::Object(_)) => {
            let object = fields.object_or_empty("size")?;
            if object.get("longest_edge").is_some() {
                return Err(fields.bad("size", "`shortest_edge`, or `height` and `width`"));
            }
            match object.size("shortest_edge", 0)? as u64 {
                0 => (None, square("size")?),
                short => (Some(short), None),
            }
        }
        Some(value) => (value.as_u64(), None),
    };
    match (short.and_then(|short| u32::try_from(short).ok()), exact, crop) {
        (Some(short), _, Flag::On) if short >= side => Ok(Fit::Crop(short)),
        (None, Some(exact), _) if exact == whole => Ok(Fit::Squash),
        (Some(_), _, Flag::On) => {
            Err(fields.bad("size", format!("a shorter edge of at least {side} pixels")))
        }
        (Some(_), _, Flag::Off) => {
            Err(fields.bad("size", format!("a height and width of {side} pixels, or a crop")))
        }
        _ => Err(fields.bad("size", format!("a shorter edge, or a height and width of {side} pixels"))),
    }
}
