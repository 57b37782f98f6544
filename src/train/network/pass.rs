//! All pathways, forward and backward, with the members side by side.

use candle_core::backprop::GradStore;
use candle_core::{Tensor, Var};
use rand::RngCore;
use rand_chacha::ChaCha8Rng;

use super::Network;
use super::member::Leaf;
use super::pathway::View;
use crate::error::Result;
use crate::parallel::Crew;
use crate::train::config::TrainConfig;

/// What a pathway is asked for in a step.
pub(crate) struct Ask<'r> {
    pub(crate) media: usize,
    pub(crate) rows: &'r [usize],
    /// How many views of the rows, each under dropout masks of its own.
    pub(crate) views: usize,
}

/// What a pathway gives for a batch, and the way back through it.
pub(crate) struct Pass {
    media: usize,
    leaves: Vec<Leaf>,
    pub(crate) views: Vec<View>,
}

/// Input `[n * views, d_in]` of the rows of a media type, of which a part is dropped by a seed.
pub(crate) type Input<'i> = &'i (dyn Fn(&Ask<'_>, u64) -> Result<Tensor> + Sync);

impl Network {
    /// The views that are asked for, in the order of the asks.
    ///
    /// Each member draws from a seed of its own, so that the number of workers does not change a bit.
    pub(crate) fn forward(
        &self,
        asks: &[Ask<'_>],
        input: Input<'_>,
        config: &TrainConfig,
        rng: &mut ChaCha8Rng,
        crew: &Crew,
    ) -> Result<Vec<Pass>> {
        let mut tasks = Vec::new();
        for ask in asks {
            for member in &self.pathways[ask.media].members {
                tasks.push((ask, member, rng.next_u64(), rng.next_u64()));
            }
        }
        let leaves = crew.map(&tasks, |&(ask, member, of_input, of_hidden)| -> Result<Leaf> {
            Ok(member.forward(input(ask, of_input)?, config.regularisation.dropout_hidden, of_hidden)?)
        });
        let mut leaves = leaves.into_iter();
        let pass = |ask: &Ask<'_>| {
            let pathway = &self.pathways[ask.media];
            let leaves: Vec<Leaf> = leaves.by_ref().take(pathway.members.len()).collect::<Result<_>>()?;
            let all = match pathway.is_frozen() {
                true => pathway.view_frozen(input(ask, 0)?)?,
                false => pathway.view(&leaves)?,
            };
            let n = ask.rows.len();
            let views = match ask.views {
                1 => vec![all],
                views => (0..views).map(|at| all.part(at * n, n)).collect::<candle_core::Result<_>>()?,
            };
            Ok(Pass { media: ask.media, leaves, views })
        };
        asks.iter().map(pass).collect()
    }

    /// Adds the gradients of the members to those of the rest.
    pub(crate) fn backward(&self, gradients: &mut GradStore, passes: &[Pass], crew: &Crew) -> Result<()> {
        let mut tasks = Vec::new();
        for (media, pathway) in self.pathways.iter().enumerate() {
            for (at, member) in pathway.members.iter().enumerate() {
                let leaves: Vec<&Leaf> =
                    passes.iter().filter(|pass| pass.media == media).map(|pass| &pass.leaves[at]).collect();
                tasks.push((member, leaves));
            }
        }
        let of = &*gradients;
        let found = crew.map(&tasks, |(member, leaves)| -> Result<Vec<(Var, Tensor)>> {
            let mut sums: Vec<(Var, Tensor)> = Vec::new();
            for leaf in leaves {
                for (variable, gradient) in member.backward(leaf, of)? {
                    match sums.iter_mut().find(|sum| sum.0.id() == variable.id()) {
                        None => sums.push((variable, gradient)),
                        Some(sum) => sum.1 = (&sum.1 + gradient)?,
                    }
                }
            }
            Ok(sums)
        });
        for found in found {
            for (variable, gradient) in found? {
                gradients.insert(&variable, gradient);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use candle_core::Device;
    use rand::SeedableRng;

    use super::*;
    use crate::train::scaling::Scaling;

    fn flat(x: &Tensor) -> Vec<f32> {
        x.flatten_all().unwrap().to_vec1().unwrap()
    }

    /// A network of two media types of three features, two members each.
    fn network(config: &TrainConfig, classes: usize) -> Network {
        let scaling = || Scaling { roots: false, mean: vec![0.0; 3], scale: vec![1.0; 3] };
        let weights = vec![1.0; classes];
        Network::new(vec![scaling(), scaling()], &weights, config, &mut ChaCha8Rng::seed_from_u64(1)).unwrap()
    }

    fn config(skip: bool) -> TrainConfig {
        let mut config = TrainConfig::default();
        (config.model.members, config.model.hidden, config.model.dim) = (2, 12, 6);
        // Rows of which all is dropped have a unit part of no direction, and no slope to compare.
        config.regularisation.dropout_hidden = 0.2;
        (config.model.item_half, config.model.skip) = (0, skip);
        config
    }

    fn input(ask: &Ask<'_>, _: u64) -> Result<Tensor> {
        let f = 0.7 + ask.media as f32;
        let values: Vec<f32> = (0..ask.views * ask.rows.len() * 3).map(|i| (i as f32 * f).sin()).collect();
        Ok(Tensor::from_vec(values, (ask.views * ask.rows.len(), 3), &Device::Cpu)?)
    }

    #[test]
    fn gradients_are_those_of_differences() {
        for (classes, skip) in [(2, true), (2, false), (0, true)] {
            let config = config(skip);
            let network = network(&config, classes);
            let rows = [0, 1, 2, 3];
            // The same seed gives the same dropout; two passes of one media type, as graded pairs make.
            let loss = |crew: &Crew| {
                let asks = [(0, 2), (1, 1), (1, 1)].map(|(media, views)| Ask { media, rows: &rows, views });
                let mut rng = ChaCha8Rng::seed_from_u64(7);
                let passes = network.forward(&asks, &input, &config, &mut rng, crew).unwrap();
                let square = |a: &Tensor, b: &Tensor| (a - b).unwrap().sqr().unwrap().sum_all().unwrap();
                let views: Vec<&View> = passes.iter().flat_map(|pass| &pass.views).collect();
                let mut loss = (square(&views[0].shared, &views[2].shared) * 2.0).unwrap();
                loss = (loss + square(&views[1].shared, &views[3].shared)).unwrap();
                for logits in views.iter().flat_map(|view| &view.logits) {
                    loss = (loss + logits.sqr().unwrap().sum_all().unwrap()).unwrap();
                }
                (loss, passes)
            };
            let (total, passes) = loss(&Crew::new(1));
            let mut gradients = total.backward().unwrap();
            network.backward(&mut gradients, &passes, &Crew::new(1)).unwrap();
            let value = || f64::from(loss(&Crew::new(1)).0.to_scalar::<f32>().unwrap());
            let groups = network.groups();
            let mut checked = 0;
            for variable in groups.pathway.iter().chain(&groups.pathway_free) {
                let gradient = flat(gradients.get(variable).unwrap());
                let start = flat(variable);
                for at in [0, start.len() / 2, start.len() - 1] {
                    let moved = |by: f32| {
                        let set = |values: Vec<f32>| {
                            variable.set(&Tensor::from_vec(values, variable.shape(), &Device::Cpu).unwrap())
                        };
                        let mut moved = start.clone();
                        moved[at] += by;
                        set(moved).unwrap();
                        let value = value();
                        set(start.clone()).unwrap();
                        value
                    };
                    let slope = (moved(1e-3) - moved(-1e-3)) / 2e-3;
                    let found = f64::from(gradient[at]);
                    assert!((slope - found).abs() < 3e-2 * (1.0 + found.abs()), "{at}: {slope} {found}");
                    checked += usize::from(found.abs() > 1e-2);
                }
            }
            assert!(checked > 20, "{checked}");
            // Side by side they are the same bits.
            let (again, passes) = loss(&Crew::new(3));
            let mut others = again.backward().unwrap();
            network.backward(&mut others, &passes, &Crew::new(3)).unwrap();
            for variable in groups.pathway.iter().chain(&groups.pathway_free) {
                let bits = |store: &GradStore| {
                    flat(store.get(variable).unwrap()).iter().map(|x| x.to_bits()).collect::<Vec<_>>()
                };
                assert_eq!(bits(&gradients), bits(&others));
            }
        }
    }

    #[test]
    fn what_is_exported_projects_as_what_was_trained() {
        for (classes, skip) in [(2, true), (0, true), (2, false)] {
            let network = network(&config(skip), classes);
            let exported = network.export().unwrap();
            let x: Vec<f32> = (0..12).map(|i| (i as f32 * 0.9).cos()).collect();
            for (pathway, trained) in exported.pathways.iter().zip(&network.pathways) {
                let deep = pathway.deep.as_ref().unwrap();
                assert_eq!(deep.skip.is_empty(), !skip);
                let mut out = vec![0.0; 4 * network.dim];
                pathway.project(4, &x, 1.0, &mut out);
                let near = |a: &[f32], b: &[f32]| a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-5);
                assert!(near(&out, &trained.project(&x).unwrap()));
                // The skip is a part of what is projected.
                let without = crate::model::Deep { skip: Vec::new().into(), ..deep.clone() };
                crate::model::Pathway::from(without.clone()).project(4, &x, 1.0, &mut out);
                assert_eq!(near(&out, &trained.project(&x).unwrap()), !skip);
                assert_eq!(crate::model::Deep { skip: deep.skip.clone(), ..without }, *deep);
            }
        }
    }
}
