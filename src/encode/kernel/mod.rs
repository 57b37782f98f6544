//! Loops over numbers: the only ones that are written for vector registers. Those over matrices go through one dispatcher; those over stored
//! rows and codes ask for the processor themselves.

#[cfg(feature = "encoders")]
mod attention;
#[cfg(feature = "encoders")]
mod depthwise;
mod dispatch;
mod nibbles;
#[cfg(feature = "encoders")]
mod product;
mod rows;
#[cfg(feature = "encoders")]
mod slices;
mod stored;
#[cfg(all(test, feature = "encoders"))]
mod testing;

#[cfg(feature = "encoders")]
pub(crate) use attention::Heads;
#[cfg(feature = "encoders")]
pub(crate) use depthwise::{Depthwise, same};
#[cfg(feature = "encoders")]
pub(crate) use dispatch::on_vectors;
pub(crate) use nibbles::{GROUP, LongQuery, ShortQuery, long_products, short_products};
#[cfg(feature = "encoders")]
pub(crate) use product::{After, Matrix};
pub use rows::dot;
pub(crate) use rows::{Rows, hidden, hidden_products, products};
#[cfg(feature = "encoders")]
pub(crate) use slices::{gelu, gelu_tanh, sum, sum_of_squares};
pub(crate) use stored::{Stored, dots16, dots32, hidden16};
