//! The tensors of a tower, by name and shape: checked one by one, so that an error names the tensor.
//!
//! candle-transformers draws a class embedding at random where the file has none; after this check none is missing.

use std::collections::HashMap;

use candle_core::{DType, Device};
use candle_nn::VarBuilder;

use super::config::{Layers, TextTower, VisionTower};
use crate::encode::weights::Weights;
use crate::error::Result;

/// Names and shapes of the tensors of a tower.
pub(super) type Shapes = Vec<(String, Vec<usize>)>;

/// Loads the tensors `shapes` of `weights`.
///
/// # Errors
/// Those of [`Weights::tensor`].
pub(super) fn load(
    weights: &Weights,
    shapes: impl Iterator<Item = (String, Vec<usize>)>,
) -> Result<VarBuilder<'static>> {
    let mut tensors = HashMap::new();
    for (name, shape) in shapes {
        let tensor = weights.tensor(&name, &shape)?;
        tensors.insert(name, tensor);
    }
    Ok(VarBuilder::from_tensors(tensors, DType::F32, &Device::Cpu))
}

/// A linear layer or a layer norm: weight and bias.
fn affine(out: &mut Shapes, name: String, weight: &[usize]) {
    out.push((format!("{name}.bias"), vec![weight[0]]));
    out.push((format!("{name}.weight"), weight.to_vec()));
}

/// The shapes of the layers of the tower `tower`; an iterator, since a config may claim any number of layers.
fn blocks(tower: &'static str, layers: Layers) -> impl Iterator<Item = (String, Vec<usize>)> {
    let Layers { hidden, inner, count, .. } = layers;
    (0..count).flat_map(move |at| {
        let mut out = Shapes::new();
        let layer = format!("{tower}.encoder.layers.{at}");
        for name in ["q_proj", "k_proj", "v_proj", "out_proj"] {
            affine(&mut out, format!("{layer}.self_attn.{name}"), &[hidden, hidden]);
        }
        affine(&mut out, format!("{layer}.layer_norm1"), &[hidden]);
        affine(&mut out, format!("{layer}.layer_norm2"), &[hidden]);
        affine(&mut out, format!("{layer}.mlp.fc1"), &[inner, hidden]);
        affine(&mut out, format!("{layer}.mlp.fc2"), &[hidden, inner]);
        out
    })
}

/// Of CLIP's tower of pictures; `patches` is their number.
pub(super) fn clip_vision(tower: &VisionTower, patches: usize) -> impl Iterator<Item = (String, Vec<usize>)> {
    let hidden = tower.layers.hidden;
    let mut out = Shapes::new();
    let name = |name: &str| format!("vision_model.{name}");
    out.push((name("embeddings.class_embedding"), vec![hidden]));
    out.push((name("embeddings.patch_embedding.weight"), vec![hidden, 3, tower.patch, tower.patch]));
    out.push((name("embeddings.position_embedding.weight"), vec![patches + 1, hidden]));
    // The misspelling is the published name.
    affine(&mut out, name("pre_layrnorm"), &[hidden]);
    affine(&mut out, name("post_layernorm"), &[hidden]);
    out.push(("visual_projection.weight".into(), vec![tower.out, hidden]));
    out.into_iter().chain(blocks("vision_model", tower.layers))
}

/// Of CLIP's tower of texts.
pub(super) fn clip_text(tower: &TextTower) -> impl Iterator<Item = (String, Vec<usize>)> {
    let projection = ("text_projection.weight".into(), vec![tower.out, tower.layers.hidden]);
    text(tower).chain([projection])
}

/// Of SigLIP's tower of pictures; `patches` is their number.
pub(super) fn siglip_vision(
    tower: &VisionTower,
    patches: usize,
) -> impl Iterator<Item = (String, Vec<usize>)> {
    let Layers { hidden, inner, .. } = tower.layers;
    let mut out = Shapes::new();
    let name = |name: &str| format!("vision_model.{name}");
    affine(&mut out, name("embeddings.patch_embedding"), &[hidden, 3, tower.patch, tower.patch]);
    out.push((name("embeddings.position_embedding.weight"), vec![patches, hidden]));
    affine(&mut out, name("post_layernorm"), &[hidden]);
    out.push((name("head.probe"), vec![1, 1, hidden]));
    out.push((name("head.attention.in_proj_weight"), vec![hidden.saturating_mul(3), hidden]));
    out.push((name("head.attention.in_proj_bias"), vec![hidden.saturating_mul(3)]));
    affine(&mut out, name("head.attention.out_proj"), &[hidden, hidden]);
    affine(&mut out, name("head.layernorm"), &[hidden]);
    affine(&mut out, name("head.mlp.fc1"), &[inner, hidden]);
    affine(&mut out, name("head.mlp.fc2"), &[hidden, inner]);
    out.into_iter().chain(blocks("vision_model", tower.layers))
}

/// Of SigLIP's tower of texts.
pub(super) fn siglip_text(tower: &TextTower) -> impl Iterator<Item = (String, Vec<usize>)> {
    let hidden = tower.layers.hidden;
    let mut head = Shapes::new();
    affine(&mut head, "text_model.head".into(), &[tower.out, hidden]);
    text(tower).chain(head)
}

fn text(tower: &TextTower) -> impl Iterator<Item = (String, Vec<usize>)> + use<> {
    let hidden = tower.layers.hidden;
    let mut out = Shapes::new();
    let name = |name: &str| format!("text_model.{name}");
    out.push((name("embeddings.token_embedding.weight"), vec![tower.vocabulary, hidden]));
    out.push((name("embeddings.position_embedding.weight"), vec![tower.positions, hidden]));
    affine(&mut out, name("final_layer_norm"), &[hidden]);
    out.into_iter().chain(blocks("text_model", tower.layers))
}
