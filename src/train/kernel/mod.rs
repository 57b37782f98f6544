//! The kernel member of each pathway, fitted in closed form.
//!
//! In the order of a fit: `landmarks` are drawn from the train rows, `measured` says how far rows are from them, `moments` sums up how
//! all rows respond to them, by `products`, `units` finds the directions in which the responses of the media types agree, `classes`
//! those that tell the classes; `trial` puts them together for the rows of a fold, and rows that it has `unseen` tell what they are worth;
//! `choose` picks the `settings` of both, with some of the landmarks where they are many, and `whole` fits with all of them. Of large data
//! unit parts learn on from there: `learned`.

mod choose;
mod classes;
mod landmarks;
mod learned;
mod measured;
mod moments;
mod products;
mod settings;
mod trial;
mod units;
mod unseen;
mod whole;

pub(crate) use choose::fit_folds;
pub(crate) use settings::Given;
pub(crate) use whole::{Fitted, Members, fit};

#[cfg(test)]
mod tests;
