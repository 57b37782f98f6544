//! What the files of a sentence-transformers model say, checked: nothing is guessed that changes a feature.

use std::path::{Component, Path, PathBuf};

use serde::Serialize;
use serde_json::Value;

use crate::error::{Error, ErrorCode, Result};
use crate::limits::{self, SETTINGS_BYTES};

/// The token of padding where RoBERTa's settings do not name it.
const PADDING: usize = 1;

/// Between the two matrices of a feed-forward block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(super) enum Activation {
    /// `x P(X <= x)` of a standard normal `X`, by the error function.
    Gelu,
    /// The same by a hyperbolic tangent.
    GeluTanh,
    Relu,
}

/// How the rows of a text become one vector.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(super) enum Pooling {
    Mean,
    /// The row of the first token.
    Cls,
    Max,
}

/// All that decides about features but for the weights and the tokenizer. Serialized, it is part of the fingerprint.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Settings {
    pub(super) hidden: usize,
    pub(super) layers: usize,
    pub(super) heads: usize,
    pub(super) intermediate: usize,
    pub(super) vocabulary: usize,
    pub(super) positions: usize,
    /// Row of the table of positions that the first token gets; RoBERTa counts from the token after its padding. Left out where it is 0, so
    /// that fingerprints of BERT stay.
    #[serde(skip_serializing_if = "is_zero")]
    pub(super) first_position: usize,
    pub(super) types: usize,
    pub(super) activation: Activation,
    pub(super) epsilon: f64,
    /// Most tokens of a text, special ones included.
    pub(super) max_tokens: usize,
    pub(super) lower_case: bool,
    pub(super) pooling: Pooling,
    pub(super) normalize: bool,
}

fn is_zero(n: &usize) -> bool {
    *n == 0
}

/// A JSON object in a file, with errors that name the file and the member.
struct Object {
    file: PathBuf,
    value: Value,
}

impl Object {
    fn read(file: PathBuf) -> Result<Self> {
        let bytes = limits::read_file(&file, SETTINGS_BYTES, "the file of settings")?;
        let value = serde_json::from_slice(&bytes).map_err(|error| {
            Error::new(ErrorCode::BadJson, format!("the settings do not parse: {error}")).file(&file)
        })?;
        Ok(Self { file, value })
    }

    /// An empty one where there is no file.
    fn read_if_there(file: PathBuf) -> Result<Self> {
        match file.try_exists() {
            Ok(false) => Ok(Self { file, value: Value::Null }),
            _ => Self::read(file),
        }
    }

    fn bad(&self, name: &str, expected: &str) -> Error {
        let got = self.value.get(name).map_or_else(|| "nothing".to_owned(), Value::to_string);
        Error::new(ErrorCode::BadValue, format!("`{name}` is not supported or not right"))
            .file(&self.file)
            .expected(expected)
            .got(got)
    }

    /// The member, if it is there and not null.
    fn get(&self, name: &str) -> Option<&Value> {
        self.value.get(name).filter(|value| !value.is_null())
    }

    fn count(&self, name: &str) -> Result<usize> {
        // The bound keeps products of sizes within `usize`.
        let fits = |n: &u64| (1..=1 << 24).contains(n);
        let count = self.get(name).and_then(Value::as_u64).filter(fits);
        count.map(|n| n as usize).ok_or_else(|| self.bad(name, "a whole number from 1 to 16777216"))
    }

    fn flag(&self, name: &str) -> Result<bool> {
        match self.get(name) {
            None => Ok(false),
            Some(value) => value.as_bool().ok_or_else(|| self.bad(name, "true or false")),
        }
    }

    /// Refuses a text other than `expected` where there is one.
    fn only(&self, name: &str, expected: &str) -> Result<()> {
        match self.get(name) {
            None => Ok(()),
            Some(value) if value == expected => Ok(()),
            Some(_) => Err(self.bad(name, &format!("`{expected}`"))),
        }
    }
}

/// The folders of a model: the transformer's own, and the settings.
pub(super) fn read(dir: &Path) -> Result<(PathBuf, Settings)> {
    let modules = modules(dir)?;
    let config = Object::read(modules.transformer.join("config.json"))?;
    let counts_from_padding = match config.get("model_type").and_then(Value::as_str) {
        Some("bert") => false,
        Some("roberta" | "xlm-roberta") => true,
        _ => return Err(config.bad("model_type", "`bert`, `roberta` or `xlm-roberta`")),
    };
    config.only("position_embedding_type", "absolute")?;
    for name in ["is_decoder", "add_cross_attention"] {
        if config.flag(name)? {
            return Err(config.bad(name, "false"));
        }
    }
    let activation = match config.get("hidden_act").and_then(Value::as_str) {
        Some("gelu") => Activation::Gelu,
        Some("gelu_new" | "gelu_pytorch_tanh") => Activation::GeluTanh,
        Some("relu") => Activation::Relu,
        _ => return Err(config.bad("hidden_act", "gelu, gelu_new or relu")),
    };
    let epsilon = match config.get("layer_norm_eps") {
        None => 1e-12,
        Some(value) => value
            .as_f64()
            .filter(|eps| *eps > 0.0 && *eps < 1.0)
            .ok_or_else(|| config.bad("layer_norm_eps", "a number between 0 and 1"))?,
    };
    let (hidden, heads) = (config.count("hidden_size")?, config.count("num_attention_heads")?);
    if hidden % heads != 0 {
        return Err(config.bad("num_attention_heads", &format!("a divisor of the hidden size {hidden}")));
    }
    let positions = config.count("max_position_embeddings")?;
    let first_position = match config.get("pad_token_id") {
        _ if !counts_from_padding => 0,
        None => PADDING + 1,
        Some(id) => match id.as_u64().filter(|id| *id + 1 < positions as u64) {
            Some(id) => id as usize + 1,
            None => return Err(config.bad("pad_token_id", &format!("a number below {}", positions - 1))),
        },
    };
    if first_position >= positions {
        let expected = format!("more than {first_position}, the positions that are no token's");
        return Err(config.bad("max_position_embeddings", &expected));
    }
    let sentence = Object::read_if_there(modules.transformer.join("sentence_bert_config.json"))?;
    let settings = Settings {
        hidden,
        layers: config.count("num_hidden_layers")?,
        heads,
        intermediate: config.count("intermediate_size")?,
        vocabulary: config.count("vocab_size")?,
        positions,
        first_position,
        types: config.count("type_vocab_size")?,
        activation,
        epsilon,
        max_tokens: max_tokens(&modules.transformer, &sentence, positions - first_position)?,
        lower_case: sentence.flag("do_lower_case")?,
        pooling: modules.pooling.map_or(Ok(Pooling::Mean), |dir| pooling(dir, hidden))?,
        normalize: modules.normalize,
    };
    Ok((modules.transformer, settings))
}

/// `max_seq_length`, else what the tokenizer says; never more than there are positions.
fn max_tokens(dir: &Path, sentence: &Object, positions: usize) -> Result<usize> {
    if sentence.get("max_seq_length").is_some() {
        return Ok(sentence.count("max_seq_length")?.min(positions));
    }
    let tokenizer = Object::read_if_there(dir.join("tokenizer_config.json"))?;
    match tokenizer.get("model_max_length") {
        None => Ok(positions),
        // "Without a limit" is written as a number of thirty digits.
        Some(value) => match value.as_f64() {
            Some(most) if most >= 1.0 => Ok((most as usize).min(positions)),
            _ => Err(tokenizer.bad("model_max_length", "a number of at least 1")),
        },
    }
}

struct Modules {
    transformer: PathBuf,
    pooling: Option<PathBuf>,
    normalize: bool,
}

/// Reads `modules.json`. Without one, the folder is a bare transformer, which is pooled by the mean.
fn modules(dir: &Path) -> Result<Modules> {
    let prompts = Object::read_if_there(dir.join("config_sentence_transformers.json"))?;
    if prompts.get("default_prompt_name").is_some() {
        return Err(prompts.bad("default_prompt_name", "no default prompt"));
    }
    let list = Object::read_if_there(dir.join("modules.json"))?;
    if list.value.is_null() {
        return Ok(Modules { transformer: dir.to_path_buf(), pooling: None, normalize: false });
    }
    let refused = |got: String| {
        Error::new(ErrorCode::BadValue, "the model has a part, or an order of parts, that is not supported")
            .file(&list.file)
            .expected("Transformer, Pooling, and Normalize or not")
            .got(got)
    };
    let entries = list.value.as_array().ok_or_else(|| refused("no list".to_owned()))?;
    let mut kinds = Vec::new();
    let mut folders = Vec::new();
    for entry in entries {
        let (kind, path) = (entry["type"].as_str(), entry["path"].as_str().unwrap_or_default());
        let kind = kind.ok_or_else(|| refused("an entry without `type`".to_owned()))?;
        // Package paths in front differ from version to version.
        kinds.push(kind.rsplit('.').next().unwrap_or_default());
        if !Path::new(path).components().all(|part| matches!(part, Component::Normal(_))) {
            return Err(refused(format!("the path `{path}`")));
        }
        folders.push(dir.join(path));
    }
    let normalize = match kinds[..] {
        ["Transformer", "Pooling"] => false,
        ["Transformer", "Pooling", "Normalize"] => true,
        _ => return Err(refused(kinds.join(", "))),
    };
    let pooling = folders.swap_remove(1);
    Ok(Modules { transformer: folders.swap_remove(0), pooling: Some(pooling), normalize })
}

fn pooling(dir: PathBuf, hidden: usize) -> Result<Pooling> {
    const EXPECTED: &str = "one of mean, cls and max";
    let config = Object::read(dir.join("config.json"))?;
    for name in ["word_embedding_dimension", "embedding_dimension"] {
        if config.get(name).is_some() && config.count(name)? != hidden {
            return Err(config.bad(name, &format!("the hidden size {hidden}")));
        }
    }
    // One name, a list of names, or a flag per mode, as the versions write it.
    let mut modes: Vec<String> = Vec::new();
    match config.get("pooling_mode") {
        Some(Value::String(mode)) => modes.push(mode.clone()),
        Some(Value::Array(list)) => {
            modes.extend(list.iter().map(|mode| mode.as_str().unwrap_or("").to_owned()))
        }
        Some(_) => return Err(config.bad("pooling_mode", EXPECTED)),
        None => {
            let members = config.value.as_object().into_iter().flatten();
            for (name, _) in members.filter(|(_, value)| **value == Value::Bool(true)) {
                if let Some(mode) = name.strip_prefix("pooling_mode_") {
                    modes.push(mode.trim_end_matches("_tokens").trim_end_matches("_token").to_owned());
                }
            }
        }
    }
    match modes.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["mean"] => Ok(Pooling::Mean),
        ["cls"] => Ok(Pooling::Cls),
        ["max"] => Ok(Pooling::Max),
        _ => Err(Error::new(ErrorCode::BadValue, "the pooling of the model is not supported")
            .file(&config.file)
            .expected(EXPECTED)
            .got(if modes.is_empty() { "none".to_owned() } else { modes.join(" and ") })),
    }
}
