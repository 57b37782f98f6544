//! Typed values of the JSON files of a published model, with errors that name the file and the key.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use crate::error::{Error, ErrorCode, Result};
use crate::limits::{self, SETTINGS_BYTES};

/// An object of a JSON file. A key that is `null` counts as absent.
pub(super) struct Fields {
    file: PathBuf,
    /// The key of this object in the file with a dot at its end; empty for the file's own object.
    path: String,
    values: Map<String, Value>,
}

impl Fields {
    pub(super) fn open(file: &Path) -> Result<Self> {
        let bytes = limits::read_file(file, SETTINGS_BYTES, "the file of settings")?;
        let value: Value = serde_json::from_slice(&bytes).map_err(|error| {
            Error::new(ErrorCode::BadJson, format!("not JSON: {error}"))
                .file(file)
                .line(error.line() as u64)
                .source(error)
        })?;
        match value {
            Value::Object(values) => Ok(Self { file: file.to_path_buf(), path: String::new(), values }),
            _ => Err(Error::new(ErrorCode::BadJson, "the file is not one JSON object").file(file)),
        }
    }

    pub(super) fn file(&self) -> &Path {
        &self.file
    }

    pub(super) fn get(&self, key: &str) -> Option<&Value> {
        self.values.get(key).filter(|value| !value.is_null())
    }

    /// The error for a value of `key` that is not `expected`.
    pub(super) fn bad(&self, key: &str, expected: impl std::fmt::Display) -> Error {
        let got = self.get(key).map_or("nothing".into(), Value::to_string);
        Error::new(ErrorCode::BadValue, format!("`{}{key}` is not one that is supported", self.path))
            .file(&self.file)
            .expected(expected)
            .got(got)
    }

    /// The object at `key`.
    pub(super) fn object(&self, key: &str) -> Result<Option<Self>> {
        match self.get(key) {
            None => Ok(None),
            Some(Value::Object(values)) => Ok(Some(self.under(key, values.clone()))),
            Some(_) => Err(self.bad(key, "an object")),
        }
    }

    /// The object at `key`, or one without values.
    pub(super) fn object_or_empty(&self, key: &str) -> Result<Self> {
        Ok(self.object(key)?.unwrap_or_else(|| self.under(key, Map::new())))
    }

    fn under(&self, key: &str, values: Map<String, Value>) -> Self {
        Self { file: self.file.clone(), path: format!("{}{key}.", self.path), values }
    }

    /// A size from 1 to 2^31.
    pub(super) fn size(&self, key: &str, default: usize) -> Result<usize> {
        let Some(value) = self.get(key) else { return Ok(default) };
        match value.as_u64().map(usize::try_from) {
            Some(Ok(size)) if (1..=1 << 31).contains(&size) => Ok(size),
            _ => Err(self.bad(key, "an integer from 1 to 2^31")),
        }
    }

    pub(super) fn number(&self, key: &str, default: f64) -> Result<f64> {
        let Some(value) = self.get(key) else { return Ok(default) };
        value.as_f64().filter(|number| number.is_finite()).ok_or_else(|| self.bad(key, "a number"))
    }

    pub(super) fn flag(&self, key: &str, default: Flag) -> Result<Flag> {
        match self.get(key) {
            None => Ok(default),
            Some(Value::Bool(true)) => Ok(Flag::On),
            Some(Value::Bool(false)) => Ok(Flag::Off),
            Some(_) => Err(self.bad(key, "true or false")),
        }
    }

    pub(super) fn word(&self, key: &str) -> Result<Option<&str>> {
        let Some(value) = self.get(key) else { return Ok(None) };
        value.as_str().map(Some).ok_or_else(|| self.bad(key, "a string"))
    }

    /// Three numbers, one per channel.
    pub(super) fn channels(&self, key: &str, default: [f64; 3]) -> Result<[f64; 3]> {
        let Some(value) = self.get(key) else { return Ok(default) };
        let list: Option<Vec<f64>> = value.as_array().and_then(|l| l.iter().map(Value::as_f64).collect());
        list.and_then(|list| <[f64; 3]>::try_from(list).ok()).ok_or_else(|| self.bad(key, "three numbers"))
    }

    /// Refuses any value of `key` but `only`, which also stands for an absent one where `default` says so.
    pub(super) fn only(&self, key: &str, only: Value, default: Value) -> Result<()> {
        let value = self.get(key).unwrap_or(&default);
        // Numbers are compared as such: 1 and 1.0 are one value.
        let equal = match (value.as_f64(), only.as_f64()) {
            (Some(a), Some(b)) => a == b,
            _ => *value == only,
        };
        if equal { Ok(()) } else { Err(self.bad(key, only)) }
    }
}

/// A switch of a config.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flag {
    On,
    Off,
}
