//! The network as it is written down, channel by channel and without any folding.

use crate::efficientnet::checkpoint::{BLOCKS, Tensors};

/// Where the odd element of a padding goes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Odd {
    /// Behind, as TensorFlow has it.
    Last,
    /// In front.
    First,
}

/// Planes `[channels][side * side]`.
struct Planes {
    side: usize,
    planes: Vec<Vec<f32>>,
}

struct Network<'a>(&'a Tensors, Odd);

/// The pooled features of `input`, `[224 * 224 * 3]`.
pub(crate) fn features(tensors: &Tensors, input: &[f32], odd: Odd) -> Vec<f32> {
    let network = Network(tensors, odd);
    let planes = (0..3).map(|c| input.iter().skip(c).step_by(3).copied().collect()).collect();
    let mut x = Planes { side: 224, planes };
    x = relu6(network.norm("_bn0", network.conv("_conv_stem", &x, 2)));
    for (i, (_, stride, expand, out)) in BLOCKS.into_iter().enumerate() {
        let name = |part: &str| format!("_blocks.{i}.{part}");
        let expanded = match expand {
            1 => Planes { side: x.side, planes: x.planes.clone() },
            _ => relu6(network.norm(&name("_bn0"), network.conv(&name("_expand_conv"), &x, 1))),
        };
        let convolved = network.conv(&name("_depthwise_conv"), &expanded, stride);
        let convolved = relu6(network.norm(&name("_bn1"), convolved));
        let mut y = network.norm(&name("_bn2"), network.conv(&name("_project_conv"), &convolved, 1));
        if stride == 1 && x.planes.len() == out {
            for (y, x) in y.planes.iter_mut().flatten().zip(x.planes.iter().flatten()) {
                *y += x;
            }
        }
        x = y;
    }
    let x = relu6(network.norm("_bn1", network.conv("_conv_head", &x, 1)));
    x.planes.iter().map(|plane| plane.iter().sum::<f32>() / plane.len() as f32).collect()
}

fn relu6(mut x: Planes) -> Planes {
    x.planes.iter_mut().flatten().for_each(|x| *x = x.clamp(0.0, 6.0));
    x
}

impl Network<'_> {
    fn norm(&self, name: &str, mut x: Planes) -> Planes {
        let part = |part: &str| &self.0[&format!("{name}.{part}")].1;
        let (gamma, beta, mean, var) =
            (part("weight"), part("bias"), part("running_mean"), part("running_var"));
        for (c, plane) in x.planes.iter_mut().enumerate() {
            for x in plane {
                *x = gamma[c] * (*x - mean[c]) / (var[c] + 1e-3).sqrt() + beta[c];
            }
        }
        x
    }

    /// As many groups as the shape of the weights says.
    fn conv(&self, name: &str, x: &Planes, stride: usize) -> Planes {
        let (shape, weights) = &self.0[&format!("{name}.weight")];
        let (each, size) = (shape[1], shape[2]);
        let side = x.side.div_ceil(stride);
        let total = ((side - 1) * stride + size).saturating_sub(x.side);
        let before = if self.1 == Odd::Last { total / 2 } else { total.div_ceil(2) };
        let mut planes = vec![vec![0f32; side * side]; shape[0]];
        for (c, plane) in planes.iter_mut().enumerate() {
            let group = if each == x.planes.len() { 0 } else { c };
            for i in 0..each {
                let from = &x.planes[group + i];
                for ky in 0..size {
                    for kx in 0..size {
                        let weight = weights[((c * each + i) * size + ky) * size + kx];
                        for y in 0..side {
                            let row = y * stride + ky;
                            if row < before || row - before >= x.side {
                                continue;
                            }
                            let row = (row - before) * x.side;
                            for column in 0..side {
                                let at = column * stride + kx;
                                if at >= before && at - before < x.side {
                                    plane[y * side + column] += weight * from[row + at - before];
                                }
                            }
                        }
                    }
                }
            }
        }
        Planes { side, planes }
    }
}
