//! Cells and codes: which rows of a segment are worth scoring. Made from its rows, see "Cells" in `format/SPEC.md`.

mod axes;
mod build;
mod centres;
mod code;
mod curve;
mod estimate;
mod form;
mod key;
mod margin;
mod measured;
mod order;
mod probe;
mod quantile;
mod reach;
mod rows;
mod space;
#[cfg(test)]
mod tests;

pub(crate) use build::{LEAST_ROWS, are_made, write};
pub(crate) use estimate::Estimate;
pub(crate) use form::{Ranking, Rest};
pub(crate) use margin::{Margins, margins};
pub(crate) use probe::{Effort, Form, best_rows, effort};
pub(crate) use reach::reach;
pub(crate) use rows::RowSource;
