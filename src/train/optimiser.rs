//! AdamW in place, with a running average of what it optimises.
//!
//! Source: Loshchilov, Hutter, "Decoupled weight decay regularization", 2019. One pass over parameter, gradient, both
//! moments and the average; built from tensor operations each step would write a dozen temporaries of the size of the
//! largest matrix.

use std::sync::{Mutex, PoisonError};

use candle_core::backprop::GradStore;
use candle_core::{CpuStorage, Device, InplaceOp2, Layout, Result, Tensor, Var};

use super::op::{slice, slice_mut};
use crate::parallel::Crew;

const BETA1: f32 = 0.9;
const BETA2: f32 = 0.999;
const EPSILON: f32 = 1e-8;

/// Variables of one peak learning rate and decay.
pub(crate) struct Group {
    pub(crate) variables: Vec<Var>,
    pub(crate) learning_rate: f64,
    pub(crate) decay: f64,
}

/// What is kept of one variable, and how its next step goes.
struct Slot {
    variable: Var,
    learning_rate: f64,
    decay: f64,
    step: Mutex<Step>,
}

struct Step {
    first: Vec<f32>,
    second: Vec<f32>,
    average: Vec<f32>,
    learning_rate: f32,
    decay: f32,
    /// `1 / (1 - beta^t)` of the two moments.
    corrections: [f32; 2],
    /// Share of the average that stays.
    keep: f32,
}

/// The optimiser of all groups.
pub(crate) struct Adam {
    slots: Vec<Slot>,
    steps: i32,
}

impl Adam {
    pub(crate) fn new(groups: Vec<Group>) -> Result<Self> {
        let mut slots = Vec::new();
        for group in groups {
            for variable in group.variables {
                let average = variable.flatten_all()?.to_vec1::<f32>()?;
                let n = average.len();
                let step = Step {
                    first: vec![0.0; n],
                    second: vec![0.0; n],
                    average,
                    learning_rate: 0.0,
                    decay: 0.0,
                    corrections: [1.0; 2],
                    keep: 0.0,
                };
                let (learning_rate, decay) = (group.learning_rate, group.decay);
                slots.push(Slot { variable, learning_rate, decay, step: Mutex::new(step) });
            }
        }
        Ok(Self { slots, steps: 0 })
    }

    /// One step at `factor` times the peak rates; the average keeps the share `average` of what it was, less at the start.
    pub(crate) fn step(
        &mut self,
        gradients: &GradStore,
        factor: f64,
        average: f64,
        crew: &Crew,
    ) -> Result<()> {
        self.steps += 1;
        let correction = |beta: f32| (1.0 / (1.0 - f64::from(beta).powi(self.steps))) as f32;
        let corrections = [correction(BETA1), correction(BETA2)];
        // Young averages forget faster, so that the start does not linger.
        let keep = average.min(f64::from(self.steps) / (f64::from(self.steps) + 9.0)) as f32;
        let step = |slot: &Slot| -> Result<()> {
            let Some(gradient) = gradients.get(&slot.variable) else { return Ok(()) };
            {
                let mut step = slot.step.lock().unwrap_or_else(PoisonError::into_inner);
                step.learning_rate = (slot.learning_rate * factor) as f32;
                step.decay = slot.decay as f32;
                step.corrections = corrections;
                step.keep = keep;
            }
            slot.variable.inplace_op2(&gradient.contiguous()?, slot)
        };
        crew.map(&self.slots, step).into_iter().collect()
    }

    /// Exchanges the variables with their averages; a second call undoes the first.
    pub(crate) fn swap(&self) -> Result<()> {
        for slot in &self.slots {
            let mut step = slot.step.lock().unwrap_or_else(PoisonError::into_inner);
            let now = slot.variable.flatten_all()?.to_vec1::<f32>()?;
            let average = std::mem::replace(&mut step.average, now);
            slot.variable.set(&Tensor::from_vec(average, slot.variable.shape(), &Device::Cpu)?)?;
        }
        Ok(())
    }

    /// The values of the variables.
    pub(crate) fn values(&self) -> Result<Vec<Vec<f32>>> {
        self.slots.iter().map(|slot| slot.variable.flatten_all()?.to_vec1::<f32>()).collect()
    }

    /// Sets the variables to what [`Adam::values`] gave.
    pub(crate) fn set(&self, values: &[Vec<f32>]) -> Result<()> {
        for (slot, values) in self.slots.iter().zip(values) {
            slot.variable.set(&Tensor::from_slice(values, slot.variable.shape(), &Device::Cpu)?)?;
        }
        Ok(())
    }
}

impl InplaceOp2 for Slot {
    fn name(&self) -> &'static str {
        "adam-step"
    }

    fn cpu_fwd(&self, s1: &mut CpuStorage, l1: &Layout, s2: &CpuStorage, l2: &Layout) -> Result<()> {
        let (theta, gradient) = (slice_mut(s1, l1)?, slice(s2, l2)?);
        let mut guard = self.step.lock().unwrap_or_else(PoisonError::into_inner);
        let Step { first, second, average, learning_rate, decay, corrections, keep } = &mut *guard;
        let shrink = 1.0 - *learning_rate * *decay;
        let (rate, [c1, c2], keep) = (*learning_rate, *corrections, *keep);
        for ((((theta, g), m), v), average) in
            theta.iter_mut().zip(gradient).zip(first).zip(second).zip(average)
        {
            *m = BETA1 * *m + (1.0 - BETA1) * g;
            *v = BETA2 * *v + (1.0 - BETA2) * g * g;
            *theta = *theta * shrink - rate * (*m * c1) / ((*v * c2).sqrt() + EPSILON);
            *average = keep * *average + (1.0 - keep) * *theta;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use candle_nn::optim::{AdamW, Optimizer, ParamsAdamW};

    use super::*;

    #[test]
    fn steps_are_those_of_the_library_and_the_average_follows() {
        let start = Tensor::new(&[[0.3f32, -0.7], [1.5, 0.0]], &Device::Cpu).unwrap();
        let (one, two) = (Var::from_tensor(&start).unwrap(), Var::from_tensor(&start).unwrap());
        let mut ours =
            Adam::new(vec![Group { variables: vec![one.clone()], learning_rate: 0.1, decay: 0.3 }]).unwrap();
        let settings = ParamsAdamW { lr: 0.05, weight_decay: 0.3, ..ParamsAdamW::default() };
        let mut theirs = AdamW::new(vec![two.clone()], settings).unwrap();
        let flat = |t: &Var| t.flatten_all().unwrap().to_vec1::<f32>().unwrap();
        let mut average = flat(&one);
        for t in 1..=5u8 {
            let loss = |x: &Var| ((x.as_tensor() - 0.5).unwrap().sqr().unwrap() * 3.0).unwrap().sum_all();
            ours.step(&loss(&one).unwrap().backward().unwrap(), 0.5, 0.25, &Crew::new(1)).unwrap();
            theirs.step(&loss(&two).unwrap().backward().unwrap()).unwrap();
            let keep = 0.25f32.min(f32::from(t) / (f32::from(t) + 9.0));
            average.iter_mut().zip(flat(&one)).for_each(|(a, x)| *a = keep * *a + (1.0 - keep) * x);
        }
        let near = |a: &[f32], b: &[f32]| a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-6);
        assert!(near(&flat(&one), &flat(&two)), "{:?} {:?}", flat(&one), flat(&two));
        let current = flat(&one);
        ours.swap().unwrap();
        assert!(near(&flat(&one), &average) && !near(&average, &current));
        ours.swap().unwrap();
        assert_eq!(flat(&one), current);
    }
}
