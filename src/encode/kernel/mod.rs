//! Loops over numbers: the only ones that are written for vector registers, behind one dispatcher.

#[cfg(feature = "encoders")]
mod attention;
#[cfg(feature = "encoders")]
mod depthwise;
mod dispatch;
#[cfg(feature = "encoders")]
mod product;
mod rows;
#[cfg(feature = "encoders")]
mod slices;
#[cfg(all(test, feature = "encoders"))]
mod testing;

#[cfg(feature = "encoders")]
pub(crate) use attention::Heads;
#[cfg(feature = "encoders")]
pub(crate) use depthwise::{Depthwise, same};
#[cfg(feature = "encoders")]
pub(crate) use dispatch::on_vectors;
#[cfg(feature = "encoders")]
pub(crate) use product::{After, Matrix};
pub use rows::dot;
pub(crate) use rows::{Rows, hidden, hidden_products, products};
#[cfg(feature = "encoders")]
pub(crate) use slices::{gelu, gelu_tanh, sum, sum_of_squares};
