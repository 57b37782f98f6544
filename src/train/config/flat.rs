//! The settings as one flat table: the keys of a file of settings.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{HeadForm, Refit, TrainConfig};
use crate::error::{Error, ErrorCode, Result};
use crate::model::Target;

/// Width of the hidden layer of the paper's head, where nothing names it.
const PAPER_HALF: usize = 512;

/// A table of `key: type = place`, and the conversions both ways.
macro_rules! table {
    ($($key:ident: $type:ty = $section:ident.$field:ident;)*) => {
        #[derive(Serialize, Deserialize)]
        #[serde(default, deny_unknown_fields)]
        struct Flat {
            $($key: $type,)*
            #[serde(skip_serializing_if = "Option::is_none")]
            default_target: Option<Target>,
            seed: u64,
        }

        /// Each key with its field.
        #[cfg(test)]
        const KEYS: &[(&str, &str)] = &[
            $((stringify!($key), concat!(stringify!($section), ".", stringify!($field))),)*
            ("default_target", "default_target"),
            ("seed", "seed"),
        ];

        impl From<&TrainConfig> for Flat {
            fn from(config: &TrainConfig) -> Self {
                let TrainConfig { default_target, seed, .. } = *config;
                Self { $($key: config.$section.$field,)* default_target, seed }
            }
        }

        impl From<Flat> for TrainConfig {
            fn from(flat: Flat) -> Self {
                let mut config = Self::default();
                $(config.$section.$field = flat.$key;)*
                (config.default_target, config.seed) = (flat.default_target, flat.seed);
                config
            }
        }
    };
}

table! {
    dim: usize = model.dim;
    members: usize = model.members;
    hidden: usize = model.hidden;
    skip: bool = model.skip;
    head: HeadForm = model.head;
    half: usize = model.item_half;
    kernel: bool = kernel.member;
    landmarks: usize = kernel.landmarks;
    steps_kernel: usize = kernel.steps;
    hub: bool = kernel.hub;
    batch: usize = steps.batch;
    least_steps: usize = steps.least;
    epochs_contrastive: usize = contrastive.epochs;
    epochs_double_triplet: usize = double_triplet.epochs;
    epochs_metric: usize = metric.epochs;
    patience: usize = steps.patience;
    learning_rate: f64 = contrastive.learning_rate;
    learning_rate_double_triplet: f64 = double_triplet.learning_rate;
    learning_rate_joint: f64 = metric.learning_rate_pathways;
    learning_rate_metric: f64 = metric.learning_rate;
    weight_decay: f64 = regularisation.weight_decay;
    weight_decay_metric: f64 = metric.weight_decay;
    dropout_input: f64 = regularisation.dropout_input;
    dropout_hidden: f64 = regularisation.dropout_hidden;
    contrastive_margin: f64 = contrastive.margin;
    triplet_margin: f64 = double_triplet.margin;
    class_weight: f64 = losses.class_weight;
    pair_weight: f64 = losses.pair_weight;
    label_weight: f64 = losses.label_weight;
    softmax_weight: f64 = losses.softmax_weight;
    temperature: f64 = losses.temperature;
    keep_weight: f64 = metric.keep_weight;
    ranking_weight: f64 = metric.ranking_weight;
    graded_weight: f64 = metric.graded_weight;
    average: f64 = steps.average;
    validation: f64 = selection.validation;
    folds: usize = selection.folds;
    validation_rows: usize = selection.validation_rows;
    duplicate_cosine: f64 = selection.duplicate_cosine;
    refit: Refit = selection.refit;
}

impl Default for Flat {
    fn default() -> Self {
        Self::from(&TrainConfig::default())
    }
}

impl Serialize for TrainConfig {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        Flat::from(self).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for TrainConfig {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        Flat::deserialize(deserializer).map(Self::from)
    }
}

impl TrainConfig {
    /// Reads a TOML file's text as [`TrainConfig::from_toml_for`] does, for small data.
    ///
    /// # Errors
    /// As [`TrainConfig::from_toml_for`].
    pub fn from_toml(text: &str) -> Result<Self> {
        Self::from_toml_for(text, 0)
    }

    /// Reads a TOML file's text for data of `rows` train rows: one flat table of the keys below; what it does not name is
    /// that of [`TrainConfig::for_rows`].
    ///
    /// The field of [`TrainConfig`] says what a key means. `head` is `"bilinear"` or `"concatenation"`, `refit` `"all"` or
    /// `"off"`, `default_target` `"class"` or `"pair"`, or left out (`null` below). The last column is for more than 4,096 train
    /// rows, where it differs; its `landmarks` and `steps_kernel` are for more than 6,144, and of more than 262,144 rows `epochs_contrastive` are fewer.
    ///
    /// | key | field | default | large |
    /// |---|---|---|---|
    /// | `dim` | `model.dim` | `256` | |
    /// | `members` | `model.members` | `2` | `1` |
    /// | `hidden` | `model.hidden` | `256` | `512` |
    /// | `skip` | `model.skip` | `false` | `true` |
    /// | `head` | `model.head` | `"bilinear"` | |
    /// | `half` | `model.item_half` | `0` | |
    /// | `kernel` | `kernel.member` | `true` | |
    /// | `landmarks` | `kernel.landmarks` | `6144` | `4096` |
    /// | `steps_kernel` | `kernel.steps` | `0` | `64` |
    /// | `hub` | `kernel.hub` | `true` | |
    /// | `batch` | `steps.batch` | `128` | `512` |
    /// | `least_steps` | `steps.least` | `100` | `0` |
    /// | `epochs_contrastive` | `contrastive.epochs` | `45` | `16` |
    /// | `epochs_double_triplet` | `double_triplet.epochs` | `12` | `1` |
    /// | `epochs_metric` | `metric.epochs` | `12` | `1` |
    /// | `patience` | `steps.patience` | `8` | `32` |
    /// | `learning_rate` | `contrastive.learning_rate` | `0.003` | |
    /// | `learning_rate_double_triplet` | `double_triplet.learning_rate` | `0.001` | |
    /// | `learning_rate_joint` | `metric.learning_rate_pathways` | `0.0005` | |
    /// | `learning_rate_metric` | `metric.learning_rate` | `0.0005` | |
    /// | `weight_decay` | `regularisation.weight_decay` | `0.1` | |
    /// | `weight_decay_metric` | `metric.weight_decay` | `0.1` | |
    /// | `dropout_input` | `regularisation.dropout_input` | `0.3` | `0.1` |
    /// | `dropout_hidden` | `regularisation.dropout_hidden` | `0.5` | `0.1` |
    /// | `contrastive_margin` | `contrastive.margin` | `1.2` | |
    /// | `triplet_margin` | `double_triplet.margin` | `0.4` | |
    /// | `class_weight` | `losses.class_weight` | `0.2` | |
    /// | `pair_weight` | `losses.pair_weight` | `0.2` | `0.0` |
    /// | `label_weight` | `losses.label_weight` | `1.0` | |
    /// | `softmax_weight` | `losses.softmax_weight` | `0.5` | `1.0` |
    /// | `temperature` | `losses.temperature` | `0.1` | `0.05` |
    /// | `keep_weight` | `metric.keep_weight` | `0.5` | |
    /// | `ranking_weight` | `metric.ranking_weight` | `0.5` | |
    /// | `graded_weight` | `metric.graded_weight` | `1.0` | |
    /// | `average` | `steps.average` | `0.98` | |
    /// | `validation` | `selection.validation` | `0.15` | |
    /// | `folds` | `selection.folds` | `3` | |
    /// | `validation_rows` | `selection.validation_rows` | `4000` | `1000` |
    /// | `duplicate_cosine` | `selection.duplicate_cosine` | `0.98` | |
    /// | `refit` | `selection.refit` | `"all"` | `"off"` |
    /// | `default_target` | `default_target` | `null` | |
    /// | `seed` | `seed` | `42` | |
    ///
    /// # Errors
    /// [`ErrorCode::BadValue`] for unknown keys and wrong types, [`ErrorCode::BadArgument`] for values out of range.
    pub fn from_toml_for(text: &str, rows: usize) -> Result<Self> {
        let refused = |source: toml::de::Error| {
            let error = Error::new(ErrorCode::BadValue, source.message().to_owned());
            let line = source.span().map(|span| text[..span.start].matches('\n').count() as u64 + 1);
            match line {
                Some(line) => error.line(line).source(source),
                None => error.source(source),
            }
        };
        // What is wrong is said with its line, which a table has no more.
        let _: Self = toml::from_str(text).map_err(refused)?;
        let mut table = toml::Table::try_from(Self::for_rows(rows))
            .map_err(|source| Error::new(ErrorCode::BadValue, source.to_string()).source(source))?;
        let named = toml::from_str::<toml::Table>(text).map_err(refused)?;
        table.extend(named.clone());
        let mut config: Self = table.try_into().map_err(refused)?;
        // The paper's head is nothing but its hidden layer, over pathways of deep members.
        if config.model.head == HeadForm::Concatenation {
            let unnamed = |key: &str| !named.contains_key(key);
            let model = &mut config.model;
            model.item_half = if unnamed("half") { PAPER_HALF } else { model.item_half };
            config.kernel.member &= !unnamed("kernel");
            config.kernel.hub &= !unnamed("hub");
        }
        config.check()?;
        Ok(config)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn toml_overrides_defaults_and_refuses_the_rest() {
        let config = TrainConfig::from_toml("dim = 64\nweight_decay = 0.5\n").unwrap();
        assert_eq!((config.model.dim, config.regularisation.weight_decay), (64, 0.5));
        assert_eq!(config.model.hidden, TrainConfig::default().model.hidden);
        let error = TrainConfig::from_toml("dim = 64\nwidth = 3\n").unwrap_err();
        assert_eq!((error.code(), error.facts().line), (ErrorCode::BadValue, Some(2)));
        assert!(
            error.facts().message.contains("`dim`, `members`, `hidden`, `skip`, `head`, `half`"),
            "{error}"
        );
        let bare = TrainConfig::from_toml("head = \"concatenation\"\nhalf = 0").unwrap_err();
        assert_eq!(bare.code(), ErrorCode::BadArgument);
        assert_eq!(TrainConfig::from_toml("batch = 1").unwrap_err().code(), ErrorCode::BadArgument);
        assert_eq!(TrainConfig::from_toml("dropout_input = nan").unwrap_err().code(), ErrorCode::BadArgument);
    }

    #[test]
    fn what_a_file_does_not_name_follows_the_size_of_the_data() {
        let text = "dim = 64\nhidden = 256\n";
        assert_eq!(TrainConfig::from_toml(text).unwrap(), TrainConfig::from_toml_for(text, 4096).unwrap());
        let mut large = TrainConfig::for_rows(5000);
        // What is named holds, even where it is the default of small data.
        (large.model.dim, large.model.hidden) = (64, 256);
        assert_eq!(TrainConfig::from_toml_for(text, 5000).unwrap(), large);
        assert_ne!(TrainConfig::for_rows(5000).model.hidden, 256);
        assert_eq!(TrainConfig::from_toml_for("", 5000).unwrap(), TrainConfig::for_rows(5000));
        let paper = TrainConfig::from_toml_for("head = \"concatenation\"", 5000).unwrap();
        assert_eq!((paper.model.item_half, paper.kernel.member), (PAPER_HALF, false));
        let error = TrainConfig::from_toml_for("dim = 64\nwidth = 3\n", 5000).unwrap_err();
        assert_eq!((error.code(), error.facts().line), (ErrorCode::BadValue, Some(2)));
    }

    #[test]
    fn the_table_of_keys_is_that_of_the_code() {
        let defaults = serde_json::to_value(TrainConfig::default()).unwrap();
        let large = serde_json::to_value(TrainConfig::for_rows(1 << 18)).unwrap();
        let row = |(key, field): &(&str, &str)| {
            let default = defaults.get(key).unwrap_or(&serde_json::Value::Null);
            let large = large.get(key).unwrap_or(&serde_json::Value::Null);
            let large = if large == default { String::new() } else { format!("`{large}` ") };
            format!("    /// | `{key}` | `{field}` | `{default}` | {large}|")
        };
        let right: Vec<String> = KEYS.iter().map(row).collect();
        let written: Vec<&str> =
            include_str!("flat.rs").lines().filter(|line| line.starts_with("    /// | `")).collect();
        assert_eq!(written, right);
        // The list is that of the keys which are read.
        let error = TrainConfig::from_toml("width = 3").unwrap_err().facts().message.clone();
        let read: Vec<&str> = error.split('`').skip(3).step_by(2).collect();
        assert_eq!(read, KEYS.iter().map(|(key, _)| *key).collect::<Vec<_>>(), "{error}");
    }

    #[test]
    fn every_key_has_a_place_of_its_own() {
        let value = |config: &TrainConfig| serde_json::to_value(config).unwrap();
        let start = value(&TrainConfig::default());
        let keys = start.as_object().unwrap();
        assert_eq!(keys.len(), 41, "all but the default target, which is not set");
        for (key, old) in keys {
            let other = match old.as_str() {
                None if old.is_boolean() => (!old.as_bool().unwrap()).into(),
                Some("bilinear") => "concatenation".into(),
                Some(_) => "off".into(),
                None if old.is_u64() => (old.as_u64().unwrap() + 1).into(),
                None => (old.as_f64().unwrap() + 0.0625).into(),
            };
            let mut changed = start.clone();
            changed[key] = other;
            let config: TrainConfig = serde_json::from_value(changed.clone()).unwrap();
            assert_ne!(config, TrainConfig::default(), "{key}");
            assert_eq!(value(&config), changed, "{key}");
        }
    }
}
