//! The transformer (Devlin et al. 2018, "BERT"), over the rows of many texts at once.
//!
//! Rows of texts stand packed, without padding between them. Each matrix product is one over all rows; what a row gets
//! does not depend on the others, since a row is a column of the product's kernel, which adds up in the same order in
//! every column. The number of rows is a multiple of [`ROW_BLOCK`], so that all columns meet the same kernel.

use std::path::Path;

use candle_core::Tensor;

use super::attention::Attention;
use super::config::Settings;
use super::steps::{Activate, AddNorm, Embed, Norm, Pool};
use super::tokens::Tokens;
use crate::encode::weights::Weights;
use crate::error::{Error, ErrorCode, Result};

/// A multiple of the columns (4 or 6) of each kernel of the products that is in use.
const ROW_BLOCK: usize = 12;
/// Products with at most 64 rows and 64 columns go another way; where a matrix is so small, rows are more than that.
const SMALL: usize = 64;

/// `x W + b`, with `W [in, out]`.
struct Linear {
    weight: Tensor,
    bias: Vec<f32>,
}

struct Layer {
    query_key_value: Linear,
    attention_out: Linear,
    attention_norm: Norm,
    widen: Linear,
    narrow: Linear,
    out_norm: Norm,
}

/// A network with its parameters.
pub(super) struct Network {
    settings: Settings,
    words: Tensor,
    positions: Tensor,
    types: Tensor,
    norm: Norm,
    layers: Vec<Layer>,
}

/// Parameters by their published names.
struct Parameters<'a> {
    weights: &'a Weights,
    names: Vec<String>,
    prefix: &'static str,
    epsilon: f32,
}

impl Parameters<'_> {
    fn tensor(&self, name: &str, shape: &[usize]) -> Result<Tensor> {
        self.weights.tensor(&format!("{}{name}", self.prefix), shape)
    }

    fn vector(&self, name: &str, len: usize) -> Result<Vec<f32>> {
        self.weights.values(&format!("{}{name}", self.prefix), &[len])
    }

    /// Parts of one product: published as `[out, in]` each, kept side by side as `[in, all out]`.
    fn linear(&self, names: &[String], input: usize, output: usize) -> Result<Linear> {
        let mut weights = Vec::new();
        let mut bias = Vec::new();
        for name in names {
            weights.push(self.tensor(&format!("{name}.weight"), &[output, input])?);
            bias.extend(self.vector(&format!("{name}.bias"), output)?);
        }
        Ok(Linear { weight: Tensor::cat(&weights, 0)?.t()?.contiguous()?, bias })
    }

    /// The oldest checkpoints say `gamma` and `beta`.
    fn norm(&self, name: &str, len: usize) -> Result<Norm> {
        let old = self.names.contains(&format!("{}{name}.gamma", self.prefix));
        let (gamma, beta) = if old { ("gamma", "beta") } else { ("weight", "bias") };
        Ok(Norm {
            gamma: self.vector(&format!("{name}.{gamma}"), len)?,
            beta: self.vector(&format!("{name}.{beta}"), len)?,
            epsilon: self.epsilon,
        })
    }
}

impl Network {
    /// Takes the parameters from `dir/model.safetensors`; with the hash of that file.
    pub(super) fn open(dir: &Path, settings: &Settings) -> Result<(Self, [u8; 32])> {
        let file = dir.join("model.safetensors");
        let weights = Weights::open(&file).map_err(|error| match error.code() {
            ErrorCode::NotFound => {
                error.hint("weights in another format must be saved as model.safetensors first")
            }
            _ => error,
        })?;
        let names = weights.names()?;
        let prefixed =
            |prefix: &&str| names.iter().any(|name| name.starts_with(&format!("{prefix}embeddings.")));
        let prefix = ["bert.", "roberta."].into_iter().find(prefixed).unwrap_or_default();
        let parameters = Parameters { weights: &weights, names, prefix, epsilon: settings.epsilon as f32 };
        let h = settings.hidden;
        let network = Self {
            words: parameters.tensor("embeddings.word_embeddings.weight", &[settings.vocabulary, h])?,
            positions: parameters
                .tensor("embeddings.position_embeddings.weight", &[settings.positions, h])?
                .narrow(0, settings.first_position, settings.positions - settings.first_position)?
                .contiguous()?,
            types: parameters.tensor("embeddings.token_type_embeddings.weight", &[settings.types, h])?,
            norm: parameters.norm("embeddings.LayerNorm", h)?,
            layers: (0..settings.layers)
                .map(|i| layer(&parameters, &format!("encoder.layer.{i}"), settings))
                .collect::<Result<_>>()?,
            settings: settings.clone(),
        };
        Ok((network, weights.hash()))
    }

    /// Features of `texts`, `[texts, h]`.
    ///
    /// Memory: about `4 (2 h + max(4 h, intermediate))` bytes for each token.
    pub(super) fn features(&self, texts: &[&Tokens]) -> Result<Vec<Vec<f32>>> {
        let settings = &self.settings;
        let tokens = texts.iter().map(|text| text.ids.len()).sum::<usize>();
        let small = settings.hidden.min(settings.intermediate) <= SMALL;
        let rows = tokens.max(if small { SMALL + 1 } else { 1 }).next_multiple_of(ROW_BLOCK);
        if texts.iter().any(|text| text.types.iter().any(|&kind| kind as usize >= settings.types)) {
            return Err(Error::new(
                ErrorCode::BadDimension,
                "the tokenizer has types that the model has not",
            )
            .expected(format!("types below {}", settings.types)));
        }
        let embed = Embed { texts, rows, norm: &self.norm };
        let mut x = self.words.apply_op3_no_bwd(&self.positions, &self.types, &embed)?;
        for layer in &self.layers {
            let Layer { query_key_value, attention_out, attention_norm, widen, narrow, out_norm } = layer;
            let attention = Attention { texts, heads: settings.heads, bias: &query_key_value.bias };
            let context = x.matmul(&query_key_value.weight)?.apply_op1_no_bwd(&attention)?;
            let y = context.matmul(&attention_out.weight)?;
            y.inplace_op2(&x, &AddNorm { bias: &attention_out.bias, norm: attention_norm })?;
            let wide = y.matmul(&widen.weight)?;
            wide.inplace_op1(&Activate { bias: &widen.bias, activation: settings.activation })?;
            x = wide.matmul(&narrow.weight)?;
            x.inplace_op2(&y, &AddNorm { bias: &narrow.bias, norm: out_norm })?;
        }
        let pool = Pool { texts, pooling: settings.pooling, normalize: settings.normalize };
        Ok(x.apply_op1_no_bwd(&pool)?.to_vec2()?)
    }
}

fn layer(parameters: &Parameters<'_>, at: &str, settings: &Settings) -> Result<Layer> {
    let (h, wide) = (settings.hidden, settings.intermediate);
    let heads = ["query", "key", "value"].map(|part| format!("{at}.attention.self.{part}"));
    let one = |name: &str, input, output| parameters.linear(&[format!("{at}.{name}")], input, output);
    Ok(Layer {
        query_key_value: parameters.linear(&heads, h, h)?,
        attention_out: one("attention.output.dense", h, h)?,
        attention_norm: parameters.norm(&format!("{at}.attention.output.LayerNorm"), h)?,
        widen: one("intermediate.dense", h, wide)?,
        narrow: one("output.dense", wide, h)?,
        out_norm: parameters.norm(&format!("{at}.output.LayerNorm"), h)?,
    })
}
