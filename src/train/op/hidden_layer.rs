//! The hidden layer of a pathway, in place: forward `relu(x + b)` with dropout, backward the gradient of that.
//!
//! `x [n, k]`, `b [k]`. Built from tensor operations it would hold five intermediates of the size of `x`.

use candle_core::{CpuStorage, InplaceOp2, Layout, Result, Tensor};

use super::slice::{slice, slice_mut};
use crate::train::dropout::{drop_out, kept};

struct Forward {
    dropout: f64,
    seed: u64,
}

struct Backward {
    dropout: f64,
}

/// Makes `x [n, k]` the outputs `relu(x + bias)`, of which a part is dropped.
pub(crate) fn hidden_layer(x: &Tensor, bias: &Tensor, dropout: f64, seed: u64) -> Result<()> {
    x.inplace_op2(bias, &Forward { dropout, seed })
}

/// Makes the gradient of the outputs, `gradient [n, k]`, that of the inputs; `outputs` as [`hidden_layer`] left them.
pub(crate) fn through_hidden_layer(gradient: &Tensor, outputs: &Tensor, dropout: f64) -> Result<()> {
    gradient.inplace_op2(outputs, &Backward { dropout })
}

impl InplaceOp2 for Forward {
    fn name(&self) -> &'static str {
        "hidden-layer"
    }

    fn cpu_fwd(&self, s1: &mut CpuStorage, l1: &Layout, s2: &CpuStorage, l2: &Layout) -> Result<()> {
        let (x, bias) = (slice_mut(s1, l1)?, slice(s2, l2)?);
        for x in x.chunks_exact_mut(bias.len()) {
            x.iter_mut().zip(bias).for_each(|(x, b)| *x = (*x + b).max(0.0));
        }
        drop_out(x, self.dropout, self.seed);
        Ok(())
    }
}

impl InplaceOp2 for Backward {
    fn name(&self) -> &'static str {
        "through-hidden-layer"
    }

    fn cpu_fwd(&self, s1: &mut CpuStorage, l1: &Layout, s2: &CpuStorage, l2: &Layout) -> Result<()> {
        let (gradient, outputs) = (slice_mut(s1, l1)?, slice(s2, l2)?);
        let keep = kept(self.dropout);
        // A unit that is off or dropped gave 0, and passes nothing back.
        gradient.iter_mut().zip(outputs).for_each(|(g, out)| *g = if *out > 0.0 { *g * keep } else { 0.0 });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use candle_core::{Device, Var};

    use super::*;

    #[test]
    fn value_and_gradient_are_those_of_the_composed_operations() {
        let wave = |n: usize, f: f32| -> Vec<f32> { (0..n).map(|i| (i as f32 * f).sin()).collect() };
        let flat = |t: &Tensor| t.flatten_all().unwrap().to_vec1::<f32>().unwrap();
        let near = |a: &Tensor, b: &Tensor| {
            flat(a).iter().zip(flat(b)).all(|(a, b)| (a - b).abs() < 1e-6) && a.dims() == b.dims()
        };
        let x = Var::from_vec(wave(30, 0.7), (6, 5), &Device::Cpu).unwrap();
        let bias = Tensor::from_vec(wave(5, 1.3), 5, &Device::Cpu).unwrap();
        let weight = Tensor::from_vec(wave(30, 2.1), (6, 5), &Device::Cpu).unwrap();
        for dropout in [0.0, 0.4] {
            let mut mask = vec![1.0; 30];
            drop_out(&mut mask, dropout, 9);
            assert_eq!(mask.contains(&0.0), dropout > 0.0);
            let mask = Tensor::from_vec(mask, (6, 5), &Device::Cpu).unwrap();
            let composed = (x.broadcast_add(&bias).unwrap().relu().unwrap() * mask).unwrap();
            let ours = x.copy().unwrap().detach();
            hidden_layer(&ours, &bias, dropout, 9).unwrap();
            assert!(near(&ours, &composed));
            let gradients = (composed * &weight).unwrap().sum_all().unwrap().backward().unwrap();
            let gradient = weight.copy().unwrap();
            through_hidden_layer(&gradient, &ours, dropout).unwrap();
            assert!(near(&gradient, gradients.get(&x).unwrap()));
        }
    }
}
