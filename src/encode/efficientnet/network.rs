//! The network: a stem, 16 inverted residual blocks, a head and a mean over places.
//!
//! After M. Tan and Q. Le, "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks" (2019), in its Lite0
//! variant: ReLU6 in place of swish, no squeeze-and-excitation, "SAME" padding as TensorFlow computes it.

use candle_core::{CpuStorage, CustomOp1, Device, Layout, Shape, Tensor};

use super::fold::{Folded, folded};
use crate::encode::kernel::{After, Depthwise, Matrix, same};
use crate::encode::weights::Weights;
use crate::error::Result;

/// Pixels of a side of the input.
pub(super) const SIDE: usize = 224;
/// Elements of the pooled output.
pub(super) const FEATURES: usize = 1280;
/// Channels after the stem.
const STEM: usize = 32;

/// Blocks of one kind: how many, kernel size, stride of the first, expansion, channels that come out.
struct Stage {
    blocks: usize,
    size: usize,
    stride: usize,
    expand: usize,
    out: usize,
}

const STAGES: [Stage; 7] = [
    Stage { blocks: 1, size: 3, stride: 1, expand: 1, out: 16 },
    Stage { blocks: 2, size: 3, stride: 2, expand: 6, out: 24 },
    Stage { blocks: 2, size: 5, stride: 2, expand: 6, out: 40 },
    Stage { blocks: 3, size: 3, stride: 2, expand: 6, out: 80 },
    Stage { blocks: 3, size: 5, stride: 1, expand: 6, out: 112 },
    Stage { blocks: 4, size: 5, stride: 2, expand: 6, out: 192 },
    Stage { blocks: 1, size: 3, stride: 1, expand: 6, out: 320 },
];

/// EfficientNet-Lite0 without its classifier.
pub(super) struct Network {
    stem: Stem,
    blocks: Vec<Block>,
    head: Head,
}

impl Network {
    /// # Errors
    /// Those of [`folded`].
    pub(super) fn new(weights: &Weights) -> Result<Self> {
        let matrix = |folded: Folded| Matrix::new(&folded.weights, &folded.bias);
        let stem = folded(weights, "_conv_stem", "_bn0", &[STEM, 3, 3, 3])?;
        let mut blocks = Vec::new();
        let mut channels = STEM;
        for stage in &STAGES {
            for i in 0..stage.blocks {
                let name = format!("_blocks.{}", blocks.len());
                let of = |conv: &str, norm: &str, shape: &[usize]| {
                    folded(weights, &format!("{name}.{conv}"), &format!("{name}.{norm}"), shape)
                };
                let (size, stride) = (stage.size, if i == 0 { stage.stride } else { 1 });
                let wide = channels * stage.expand;
                let expand = match stage.expand {
                    1 => None,
                    _ => Some(matrix(of("_expand_conv", "_bn0", &[wide, channels, 1, 1])?)),
                };
                let depthwise = of("_depthwise_conv", "_bn1", &[wide, 1, size, size])?;
                blocks.push(Block {
                    expand,
                    depthwise: Depthwise::new(&depthwise.weights, &depthwise.bias, size, stride),
                    project: matrix(of("_project_conv", "_bn2", &[stage.out, wide, 1, 1])?),
                    size,
                    stride,
                    wide,
                    out: stage.out,
                    residual: stride == 1 && channels == stage.out,
                });
                channels = stage.out;
            }
        }
        let head = matrix(folded(weights, "_conv_head", "_bn1", &[FEATURES, channels, 1, 1])?);
        Ok(Self { stem: Stem::new(&stem), blocks, head: Head(head) })
    }

    /// The features `[1280]` of a normalised picture `[224 * 224 * 3]`.
    ///
    /// Cost: 0.8 G floating point operations on one core, and 8 MB of memory meanwhile.
    ///
    /// # Errors
    /// Those of candle; none is known.
    pub(super) fn forward(&self, picture: Vec<f32>) -> Result<Vec<f32>> {
        let mut x = Tensor::from_vec(picture, (SIDE, SIDE, 3), &Device::Cpu)?.apply_op1_no_bwd(&self.stem)?;
        for block in &self.blocks {
            x = x.apply_op1_no_bwd(block)?;
        }
        Ok(x.apply_op1_no_bwd(&self.head)?.to_vec1()?)
    }
}

/// The elements of a contiguous tensor `[side, side, channels]`, and its side.
fn picture<'a>(storage: &'a CpuStorage, layout: &Layout) -> candle_core::Result<(&'a [f32], usize)> {
    let (side, _, _) = layout.shape().dims3()?;
    let all = storage.as_slice::<f32>()?;
    match layout.contiguous_offsets() {
        Some((start, end)) => Ok((&all[start..end], side)),
        None => candle_core::bail!("a picture that is not contiguous"),
    }
}

/// A 3x3 convolution of stride 2 from 3 channels, and ReLU6: each output row as a product with its patches.
struct Stem(Matrix);

impl Stem {
    const SIZE: usize = 3;
    const STRIDE: usize = 2;
    const PATCH: usize = Self::SIZE * Self::SIZE * 3;

    fn new(conv: &Folded) -> Self {
        // From `[out, 3, 3, 3]` with the channel first, to patches with the channel last.
        let taps = Self::SIZE * Self::SIZE;
        let turned: Vec<f32> = conv
            .weights
            .chunks_exact(Self::PATCH)
            .flat_map(|filter| (0..Self::PATCH).map(|i| filter[(i % 3) * taps + i / 3]))
            .collect();
        Self(Matrix::new(&turned, &conv.bias))
    }
}

impl CustomOp1 for Stem {
    fn name(&self) -> &'static str {
        "stem"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> candle_core::Result<(CpuStorage, Shape)> {
        let (x, side) = picture(storage, layout)?;
        let (out_side, before) = same(side, Self::SIZE, Self::STRIDE);
        let mut out = vec![0f32; out_side * out_side * STEM];
        let mut patches = vec![0f32; out_side * Self::PATCH];
        for (y, out) in out.chunks_exact_mut(out_side * STEM).enumerate() {
            for (tap, row) in (y * Self::STRIDE..).take(Self::SIZE).enumerate() {
                let row = row.checked_sub(before).filter(|row| *row < side);
                let row = row.map(|row| &x[row * side * 3..(row + 1) * side * 3]);
                for (i, patch) in patches.chunks_exact_mut(Self::PATCH).enumerate() {
                    let patch = &mut patch[tap * Self::SIZE * 3..][..Self::SIZE * 3];
                    for (column, to) in (i * Self::STRIDE..).zip(patch.chunks_exact_mut(3)) {
                        let column = column.checked_sub(before).filter(|column| *column < side);
                        match (row, column) {
                            (Some(row), Some(column)) => to.copy_from_slice(&row[column * 3..][..3]),
                            _ => to.fill(0.0),
                        }
                    }
                }
            }
            self.0.apply(&patches, After::Relu6, out);
        }
        Ok((CpuStorage::F32(out), (out_side, out_side, STEM).into()))
    }
}

/// An inverted residual block: expand, convolve each channel by itself, project.
struct Block {
    expand: Option<Matrix>,
    depthwise: Depthwise,
    project: Matrix,
    size: usize,
    stride: usize,
    wide: usize,
    out: usize,
    residual: bool,
}

impl CustomOp1 for Block {
    fn name(&self) -> &'static str {
        "inverted-residual-block"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> candle_core::Result<(CpuStorage, Shape)> {
        let (x, side) = picture(storage, layout)?;
        let (out_side, _) = same(side, self.size, self.stride);
        let mut convolved = vec![0f32; out_side * out_side * self.wide];
        match &self.expand {
            Some(expand) => {
                let mut expanded = vec![0f32; side * side * self.wide];
                expand.apply(x, After::Relu6, &mut expanded);
                self.depthwise.apply(&expanded, side, &mut convolved);
            }
            None => self.depthwise.apply(x, side, &mut convolved),
        }
        let mut out = vec![0f32; out_side * out_side * self.out];
        let after = if self.residual { After::Add(x) } else { After::Nothing };
        self.project.apply(&convolved, after, &mut out);
        Ok((CpuStorage::F32(out), (out_side, out_side, self.out).into()))
    }
}

/// A 1x1 convolution with ReLU6, and the mean over places.
struct Head(Matrix);

impl CustomOp1 for Head {
    fn name(&self) -> &'static str {
        "head"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> candle_core::Result<(CpuStorage, Shape)> {
        let (x, side) = picture(storage, layout)?;
        let places = side * side;
        let mut all = vec![0f32; places * FEATURES];
        self.0.apply(x, After::Relu6, &mut all);
        let mut mean = vec![0f32; FEATURES];
        for place in all.chunks_exact(FEATURES) {
            mean.iter_mut().zip(place).for_each(|(sum, x)| *sum += x);
        }
        mean.iter_mut().for_each(|sum| *sum /= places as f32);
        Ok((CpuStorage::F32(mean), FEATURES.into()))
    }
}
