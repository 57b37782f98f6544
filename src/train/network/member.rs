//! One network within a pathway, forward and backward by hand.
//!
//! The members are most of a training step, and nothing lies before them: their gradients are products of matrices. The
//! graph of the tensor library begins at what they give, so that members run side by side, each on a core of its own,
//! and the library holds no gradient of their inside.

use candle_core::backprop::GradStore;
use candle_core::{Result, Tensor, Var};
use rand_chacha::ChaCha8Rng;

use super::vars::{matrix, zeros};
use crate::train::config::TrainConfig;
use crate::train::op::{column_sums, hidden_layer, through_hidden_layer};

/// Variables of one member of a pathway.
pub(super) struct MemberVars {
    /// `[d_in, k]`.
    pub(super) hidden: Var,
    pub(super) hidden_bias: Var,
    /// `[k, e]`.
    pub(super) unit: Var,
    /// `[d_in, e]`, from the input to the unit part; absent without a skip.
    pub(super) skip: Option<Var>,
    /// `[k, C]` and `[C]`; absent without classes.
    pub(super) class: Option<(Var, Var)>,
}

/// What a member gives for a batch: where the graph of a step begins, and what the way back needs.
pub(super) struct Leaf {
    /// `[n, d_in]`.
    input: Tensor,
    /// `[n, k]`, after dropout.
    hidden: Tensor,
    dropout: f64,
    /// Its share of the unit part before its norm, `[n, e]`.
    pub(super) unit: Var,
    /// Class logits `[n, C]`.
    pub(super) class: Option<Var>,
}

impl MemberVars {
    pub(super) fn new(
        d_in: usize,
        unit: usize,
        classes: usize,
        config: &TrainConfig,
        rng: &mut ChaCha8Rng,
    ) -> Result<Self> {
        // The unit part sums over all members.
        let (k, share) = (config.model.hidden, 1.0 / config.model.members as f32);
        Ok(Self {
            hidden: matrix(d_in, k, 2.0, rng)?,
            hidden_bias: zeros(k)?,
            unit: matrix(k, unit, share, rng)?,
            skip: if config.model.skip { Some(matrix(d_in, unit, share, rng)?) } else { None },
            class: if classes > 0 { Some((matrix(k, classes, 1.0, rng)?, zeros(classes)?)) } else { None },
        })
    }

    /// Forward pass of `input [n, d_in]`, which was dropped from already.
    pub(super) fn forward(&self, input: Tensor, dropout: f64, seed: u64) -> Result<Leaf> {
        let by = |x: &Tensor, weight: &Var| x.matmul(&weight.as_detached_tensor());
        let hidden = by(&input, &self.hidden)?;
        hidden_layer(&hidden, &self.hidden_bias.as_detached_tensor(), dropout, seed)?;
        let mut unit = by(&hidden, &self.unit)?;
        if let Some(skip) = &self.skip {
            unit = (unit + by(&input, skip)?)?;
        }
        let class = match &self.class {
            None => None,
            Some((weight, bias)) => {
                let logits = by(&hidden, weight)?.broadcast_add(&bias.as_detached_tensor())?;
                Some(Var::from_tensor(&logits)?)
            }
        };
        Ok(Leaf { input, hidden, dropout, unit: Var::from_tensor(&unit)?, class })
    }

    /// The gradients of the variables, from those of what the member gave.
    pub(super) fn backward(&self, leaf: &Leaf, of: &GradStore) -> Result<Vec<(Var, Tensor)>> {
        let mut out = Vec::with_capacity(6);
        let mut inside: Option<Tensor> = None;
        let mut read = |variable: &Var, gradient: &Tensor| -> Result<Tensor> {
            let back = gradient.matmul(&variable.as_detached_tensor().t()?)?;
            inside = Some(match inside.take() {
                None => back,
                Some(sum) => (sum + back)?,
            });
            leaf.hidden.t()?.matmul(gradient)
        };
        if let Some(gradient) = of.get(&leaf.unit) {
            let gradient = gradient.contiguous()?.detach();
            out.push((self.unit.clone(), read(&self.unit, &gradient)?));
            if let Some(skip) = &self.skip {
                out.push((skip.clone(), leaf.input.t()?.matmul(&gradient)?));
            }
        }
        if let (Some((weight, bias)), Some(class)) = (&self.class, &leaf.class)
            && let Some(gradient) = of.get(class)
        {
            let gradient = gradient.contiguous()?.detach();
            out.push((weight.clone(), read(weight, &gradient)?));
            out.push((bias.clone(), column_sums(&gradient)?));
        }
        if let Some(gradient) = inside {
            through_hidden_layer(&gradient, &leaf.hidden, leaf.dropout)?;
            out.push((self.hidden_bias.clone(), column_sums(&gradient)?));
            out.push((self.hidden.clone(), leaf.input.t()?.matmul(&gradient)?));
        }
        Ok(out)
    }
}
