//! The kernel member of each pathway, fitted in closed form.
//!
//! In the order of a fit: `landmarks` are drawn from the train rows, `moments` sums up how all rows respond to them, `units` finds
//! the directions in which the responses of the media types agree, `classes` those that tell the classes; `trial` puts them
//! together for the rows of a fold, and `choose` picks the settings of both on validation rows.

mod choose;
mod classes;
mod landmarks;
mod moments;
mod trial;
mod units;

pub(crate) use choose::{Fitted, Given, Members, fit, fit_folds};

#[cfg(test)]
mod tests;
