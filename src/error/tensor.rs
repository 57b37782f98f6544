//! Errors of the tensor library that trains and runs encoders.

use super::{Error, ErrorCode};

impl From<candle_core::Error> for Error {
    fn from(source: candle_core::Error) -> Self {
        Self::new(ErrorCode::Tensor, source.to_string()).source(source)
    }
}
