//! Attention within each text: `softmax(q k' / sqrt(d)) v` per head, over packed rows.
//!
//! Texts have no padding and no mask: a text sees its own rows alone, in blocks that its own length decides, so its
//! result does not depend on its neighbours.

use super::dispatch::{Columns, Kernel, Lanes, PANEL as LANES, with_vectors};
use super::slices::{exp, max, sum};

/// Rows of a block of a product.
const ROWS: usize = 4;

const ZERO: Columns = [pulp::f32x8(0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0); 2];

/// All heads of all texts: from `qkv [rows, 3 h]` to `out [rows, h]`.
pub(crate) struct Heads<'a> {
    /// Rows of each text.
    pub(crate) lengths: &'a [usize],
    pub(crate) heads: usize,
    /// `[3 h]`.
    pub(crate) bias: &'a [f32],
}

impl Heads<'_> {
    /// Replaces the rows of the texts in `out`; those past them stay.
    pub(crate) fn attend(&self, qkv: &[f32], out: &mut [f32]) {
        let longest = self.lengths.iter().copied().max().unwrap_or(0);
        let mut space = Space::new(longest, self.bias.len() / 3 / self.heads);
        with_vectors(Texts { attention: self, qkv, space: &mut space, out });
    }
}

struct Texts<'a> {
    attention: &'a Heads<'a>,
    qkv: &'a [f32],
    space: &'a mut Space,
    out: &'a mut [f32],
}

impl Kernel for Texts<'_> {
    #[inline(always)]
    fn run<L: Lanes>(self, lanes: L) {
        let Self { attention, qkv, space, out } = self;
        let h = attention.bias.len() / 3;
        let mut at = 0;
        for &n in attention.lengths {
            let (qkv, out) = (&qkv[at * 3 * h..(at + n) * 3 * h], &mut out[at * h..(at + n) * h]);
            for head in 0..attention.heads {
                attention.head(lanes, qkv, head, space, out);
            }
            at += n;
        }
    }
}

/// Room for one head of one text of `n` rows; columns are padded to whole lanes.
struct Space {
    /// `[n, d]`, scaled.
    query: Vec<f32>,
    /// `[d, n padded]`.
    key: Vec<Columns>,
    /// `[n, d padded]`.
    value: Vec<Columns>,
    /// `[n, n padded]`.
    scores: Vec<f32>,
    /// `[n, d padded]`.
    context: Vec<f32>,
}

impl Space {
    fn new(n: usize, d: usize) -> Self {
        let (n_wide, d_wide) = (n.next_multiple_of(LANES), d.next_multiple_of(LANES));
        Self {
            query: vec![0.0; n * d],
            key: vec![ZERO; d * n_wide / LANES],
            value: vec![ZERO; n * d_wide / LANES],
            scores: vec![0.0; n * n_wide],
            context: vec![0.0; n * d_wide],
        }
    }
}

impl Heads<'_> {
    #[inline(always)]
    fn head<L: Lanes>(&self, lanes: L, qkv: &[f32], head: usize, space: &mut Space, out: &mut [f32]) {
        let h = self.bias.len() / 3;
        let d = h / self.heads;
        let n = qkv.len() / (3 * h);
        let (n_wide, d_wide) = (n.next_multiple_of(LANES), d.next_multiple_of(LANES));
        let Space { query, key, value, scores, context } = space;
        let (query, scores) = (&mut query[..n * d], &mut scores[..n * n_wide]);
        let (keys, values) = (&mut key[..d * n_wide / LANES], &mut value[..n * d_wide / LANES]);
        let key: &mut [f32] = pulp::bytemuck::cast_slice_mut(keys);
        let value: &mut [f32] = pulp::bytemuck::cast_slice_mut(values);
        let context = &mut context[..n * d_wide];
        let scale = 1.0 / (d as f32).sqrt();
        let bias = |part: usize| &self.bias[part * h + head * d..][..d];
        let (query_bias, key_bias, value_bias) = (bias(0), bias(1), bias(2));
        // Columns of the keys past the text must not be what an earlier text left.
        key.fill(0.0);
        for (i, row) in qkv.chunks_exact(3 * h).enumerate() {
            let part = |part: usize| &row[part * h + head * d..][..d];
            for ((out, x), bias) in query[i * d..][..d].iter_mut().zip(part(0)).zip(query_bias) {
                *out = (x + bias) * scale;
            }
            for (c, (x, bias)) in part(1).iter().zip(key_bias).enumerate() {
                key[c * n_wide + i] = x + bias;
            }
            for ((out, x), bias) in value[i * d_wide..][..d].iter_mut().zip(part(2)).zip(value_bias) {
                *out = x + bias;
            }
        }
        weighted(lanes, query, d, d, keys, scores, n_wide);
        for row in scores.chunks_exact_mut(n_wide) {
            softmax(&mut row[..n]);
        }
        weighted(lanes, scores, n_wide, n, values, context, d_wide);
        for (row, out) in context.chunks_exact(d_wide).zip(out.chunks_exact_mut(h)) {
            out[head * d..][..d].copy_from_slice(&row[..d]);
        }
    }
}

#[inline(always)]
fn softmax(row: &mut [f32]) {
    let top = max(row);
    for x in row.iter_mut() {
        *x = exp(*x - top);
    }
    let scale = 1.0 / sum(row);
    for x in row.iter_mut() {
        *x *= scale;
    }
}

/// `out [n, width] = a [n, k] b [k, width]`, `width` in whole lanes; rows of `a` are `stride` apart.
#[inline(always)]
fn weighted<L: Lanes>(
    lanes: L,
    a: &[f32],
    stride: usize,
    k: usize,
    b: &[Columns],
    out: &mut [f32],
    width: usize,
) {
    let panels = width / LANES;
    for (a, out) in a.chunks(ROWS * stride).zip(out.chunks_mut(ROWS * width)) {
        for panel in 0..panels {
            let b = Panel { columns: &b[panel..], step: panels, k };
            if out.len() == ROWS * width {
                block::<L, ROWS>(lanes, a, stride, b, &mut out[panel * LANES..], width);
            } else {
                for (a, out) in a.chunks(stride).zip(out.chunks_mut(width)) {
                    block::<L, 1>(lanes, a, stride, b, &mut out[panel * LANES..], width);
                }
            }
        }
    }
}

/// 16 columns of a matrix: every `step`-th of `columns`, `k` of them.
#[derive(Clone, Copy)]
struct Panel<'a> {
    columns: &'a [Columns],
    step: usize,
    k: usize,
}

#[inline(always)]
fn block<L: Lanes, const R: usize>(
    lanes: L,
    a: &[f32],
    stride: usize,
    b: Panel<'_>,
    out: &mut [f32],
    width: usize,
) {
    let rows: [&[f32]; R] = std::array::from_fn(|r| &a[r * stride..][..b.k]);
    let mut sums = [lanes.load(&ZERO); R];
    let (mut i, mut at) = (0, 0);
    while i < b.k {
        let columns = lanes.load(&b.columns[at]);
        let mut r = 0;
        while r < R {
            sums[r] = lanes.madd(rows[r][i], columns, sums[r]);
            r += 1;
        }
        i += 1;
        at += b.step;
    }
    for (r, sums) in sums.into_iter().enumerate() {
        out[r * width..][..LANES].copy_from_slice(&lanes.samples(sums));
    }
}
