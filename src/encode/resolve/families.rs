//! The families that are asked for an encoder.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use crate::encode::family::{Family, Signs, all};
#[cfg(doc)]
use crate::error::ErrorCode;
use crate::error::Result;

/// Families in the order in which they are asked.
#[derive(Clone)]
pub(super) struct Families(Vec<Arc<dyn Family>>);

impl Default for Families {
    fn default() -> Self {
        Self(all())
    }
}

impl Families {
    /// The last one is asked first: an app may serve weights that are served here too.
    pub(super) fn add(&mut self, family: Arc<dyn Family>) {
        self.0.insert(0, family);
    }

    /// The family of the folder or file at `path`.
    ///
    /// # Errors
    /// Those of [`Signs::of`]; [`ErrorCode::BadValue`] for a model of no family.
    pub(super) fn of(&self, path: &Path) -> Result<Arc<dyn Family>> {
        let signs = Signs::of(path)?;
        match self.0.iter().find(|family| family.detect(&signs)) {
            Some(family) => Ok(family.clone()),
            None => Err(signs.unknown(&self.of_weights())),
        }
    }

    /// The family of the encoder `name`, which needs no weights.
    pub(super) fn of_name(&self, name: &str) -> Option<&Arc<dyn Family>> {
        self.0.iter().find(|family| family.names().contains(&name))
    }

    /// Encoders that need no weights: name and family.
    pub(super) fn named(&self) -> impl Iterator<Item = (&'static str, &Arc<dyn Family>)> {
        self.0.iter().flat_map(|family| family.names().iter().map(move |name| (*name, family)))
    }

    /// Names of the families of weights, for errors: `bert, clip or siglip`.
    fn of_weights(&self) -> String {
        let names: Vec<&str> =
            self.0.iter().filter(|family| family.names().is_empty()).map(|family| family.name()).collect();
        match names.split_last() {
            Some((last, [])) => (*last).to_owned(),
            Some((last, others)) => format!("{} or {last}", others.join(", ")),
            None => String::new(),
        }
    }
}

impl fmt::Debug for Families {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|family| family.name())).finish()
    }
}
