//! The hidden layer of a pathway: `relu(x + b) * mask`, in one pass each way.
//!
//! `x [n, k]`, `b [k]`, a dropout mask `[n * k]` or none. Built from tensor operations it
//! would hold five intermediates of the size of `x`.

use candle_core::{CpuStorage, CustomOp2, Layout, Result, Shape, Tensor};

use super::slice::slice;

struct HiddenLayer {
    /// Empty for none.
    mask: Vec<f32>,
}

/// `relu(x + bias) * mask`, `[n, k]`.
pub(crate) fn hidden_layer(x: &Tensor, bias: &Tensor, mask: Vec<f32>) -> Result<Tensor> {
    x.contiguous()?.apply_op2(&bias.contiguous()?, HiddenLayer { mask })
}

impl CustomOp2 for HiddenLayer {
    fn name(&self) -> &'static str {
        "hidden-layer"
    }

    fn cpu_fwd(
        &self,
        s1: &CpuStorage,
        l1: &Layout,
        s2: &CpuStorage,
        l2: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (x, bias) = (slice(s1, l1)?, slice(s2, l2)?);
        let mut out = Vec::with_capacity(x.len());
        for x in x.chunks_exact(bias.len()) {
            out.extend(x.iter().zip(bias).map(|(x, b)| (x + b).max(0.0)));
        }
        if !self.mask.is_empty() {
            out.iter_mut().zip(&self.mask).for_each(|(out, mask)| *out *= mask);
        }
        Ok((CpuStorage::F32(out), l1.shape().clone()))
    }

    fn bwd(
        &self,
        x: &Tensor,
        bias: &Tensor,
        out: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let (out, mut gx) = (out.flatten_all()?.to_vec1::<f32>()?, grad.flatten_all()?.to_vec1::<f32>()?);
        // A unit that is off or dropped gave 0, and passes nothing back.
        if self.mask.is_empty() {
            gx.iter_mut().zip(&out).for_each(|(g, out)| *g = if *out > 0.0 { *g } else { 0.0 });
        } else {
            for ((g, out), mask) in gx.iter_mut().zip(&out).zip(&self.mask) {
                *g = if *out > 0.0 { *g * mask } else { 0.0 };
            }
        }
        let mut gb = vec![0.0f32; bias.elem_count()];
        for gx in gx.chunks_exact(gb.len()) {
            gb.iter_mut().zip(gx).for_each(|(sum, g)| *sum += g);
        }
        let device = x.device();
        Ok((
            Some(Tensor::from_vec(gx, x.shape(), device)?),
            Some(Tensor::from_vec(gb, bias.shape(), device)?),
        ))
    }
}

#[cfg(test)]
mod tests {
    use candle_core::{Device, Var};

    use super::*;

    #[test]
    fn value_and_gradient_are_those_of_the_composed_operations() {
        let wave = |n: usize, f: f32| -> Vec<f32> { (0..n).map(|i| (i as f32 * f).sin()).collect() };
        let var = |f: f32| Var::from_vec(wave(30, f), (6, 5), &Device::Cpu).unwrap();
        let (x, weight) = (var(0.7), var(2.1));
        let bias = Var::from_vec(wave(5, 1.3), 5, &Device::Cpu).unwrap();
        let mask: Vec<f32> = (0..30).map(|i| if i % 3 == 0 { 0.0 } else { 1.5 }).collect();
        for mask in [Vec::new(), mask] {
            let one = hidden_layer(&x, &bias, mask.clone()).unwrap();
            let mut two = x.broadcast_add(&bias).unwrap().relu().unwrap();
            if !mask.is_empty() {
                two = (two * Tensor::from_vec(mask, (6, 5), &Device::Cpu).unwrap()).unwrap();
            }
            let flat = |t: &Tensor| t.flatten_all().unwrap().to_vec1::<f32>().unwrap();
            let near = |a: &Tensor, b: &Tensor| {
                flat(a).iter().zip(flat(b)).all(|(a, b)| (a - b).abs() < 1e-6) && a.dims() == b.dims()
            };
            assert!(near(&one, &two));
            let back = |t: &Tensor| (t * weight.as_tensor()).unwrap().sum_all().unwrap().backward().unwrap();
            let (one, two) = (back(&one), back(&two));
            for var in [&x, &bias] {
                assert!(near(one.get(var).unwrap(), two.get(var).unwrap()));
            }
        }
    }
}
