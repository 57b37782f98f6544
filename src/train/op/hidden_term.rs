//! The hidden term of the metric network for all pairs of a batch, with its gradient.
//!
//! `out[i, j] = sum_k w[k] relu(p[i, k] + q[j, k])` of `p [n, h]` (with the shift added), `q [m, h]`, `w [h]`. Built from
//! tensor operations it would hold several `[n, m, h]` intermediates; here none.

use candle_core::{CpuStorage, CustomOp3, Layout, Result, Shape, Tensor};

use super::slice::slice;

struct HiddenTerm;

/// `[n, m]` of `p [n, h]`, `q [m, h]`, `w [h]`.
pub(crate) fn hidden_term(p: &Tensor, q: &Tensor, w: &Tensor) -> Result<Tensor> {
    p.contiguous()?.apply_op3(&q.contiguous()?, &w.contiguous()?, HiddenTerm)
}

impl CustomOp3 for HiddenTerm {
    fn name(&self) -> &'static str {
        "hidden-term"
    }

    fn cpu_fwd(
        &self,
        s1: &CpuStorage,
        l1: &Layout,
        s2: &CpuStorage,
        l2: &Layout,
        s3: &CpuStorage,
        l3: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (p, q, w) = (slice(s1, l1)?, slice(s2, l2)?, slice(s3, l3)?);
        let h = w.len();
        let (n, m) = (p.len() / h, q.len() / h);
        let mut out = Vec::with_capacity(n * m);
        for p in p.chunks_exact(h) {
            for q in q.chunks_exact(h) {
                let mut lanes = [0.0f32; 8];
                for ((p, q), w) in p.chunks(8).zip(q.chunks(8)).zip(w.chunks(8)) {
                    for i in 0..p.len() {
                        lanes[i] += w[i] * (p[i] + q[i]).max(0.0);
                    }
                }
                out.push(lanes.iter().sum());
            }
        }
        Ok((CpuStorage::F32(out), Shape::from((n, m))))
    }

    fn bwd(
        &self,
        p: &Tensor,
        q: &Tensor,
        w: &Tensor,
        _: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let ((n, h), (m, _)) = (p.dims2()?, q.dims2()?);
        let flat = |t: &Tensor| t.flatten_all()?.to_vec1::<f32>();
        let (pv, qv, wv, gv) = (flat(p)?, flat(q)?, flat(w)?, flat(grad)?);
        let (mut dp, mut dq, mut dw) = (vec![0.0f32; n * h], vec![0.0f32; m * h], vec![0.0f32; h]);
        for i in 0..n {
            let (p, dp) = (&pv[i * h..(i + 1) * h], &mut dp[i * h..(i + 1) * h]);
            for j in 0..m {
                let g = gv[i * m + j];
                let (q, dq) = (&qv[j * h..(j + 1) * h], &mut dq[j * h..(j + 1) * h]);
                // Slices of one known length and no branch: this compiles to vector instructions.
                let (w, dw, dp) = (&wv[..h], &mut dw[..h], &mut dp[..h]);
                for k in 0..h {
                    let pre = (p[k] + q[k]).max(0.0);
                    let through = if pre > 0.0 { g * w[k] } else { 0.0 };
                    dp[k] += through;
                    dq[k] += through;
                    dw[k] += g * pre;
                }
            }
        }
        let device = p.device();
        Ok((
            Some(Tensor::from_vec(dp, (n, h), device)?),
            Some(Tensor::from_vec(dq, (m, h), device)?),
            Some(Tensor::from_vec(dw, h, device)?),
        ))
    }
}

#[cfg(test)]
mod tests {
    use candle_core::{Device, Var};

    use super::*;

    #[test]
    fn value_and_gradient_are_those_of_the_composed_operations() {
        let dev = &Device::Cpu;
        let wave = |n: usize, f: f32| -> Vec<f32> { (0..n).map(|i| (i as f32 * f).sin()).collect() };
        let p = Var::from_vec(wave(5 * 11, 0.7), (5, 11), dev).unwrap();
        let q = Var::from_vec(wave(4 * 11, 1.3), (4, 11), dev).unwrap();
        let w = Var::from_vec(wave(11, 2.1), 11, dev).unwrap();
        let weight = Tensor::from_vec(wave(20, 0.9), (5, 4), dev).unwrap();
        let fused = hidden_term(&p, &q, &w).unwrap();
        let composed = p
            .unsqueeze(1)
            .unwrap()
            .broadcast_add(&q.unsqueeze(0).unwrap())
            .unwrap()
            .relu()
            .unwrap()
            .broadcast_mul(&w)
            .unwrap()
            .sum(2)
            .unwrap();
        let flat = |t: &Tensor| t.flatten_all().unwrap().to_vec1::<f32>().unwrap();
        let near = |a: &Tensor, b: &Tensor| {
            flat(a).iter().zip(flat(b)).all(|(a, b)| (a - b).abs() < 1e-5) && a.dims() == b.dims()
        };
        assert!(near(&fused, &composed));
        let one = (fused * &weight).unwrap().sum_all().unwrap().backward().unwrap();
        let two = (composed * &weight).unwrap().sum_all().unwrap().backward().unwrap();
        for var in [&p, &q, &w] {
            assert!(near(one.get(var).unwrap(), two.get(var).unwrap()));
        }
    }
}
