//! Work that takes its time, beside the threads that answer.

use uncsm_index::{Error, ErrorCode, Result};

use crate::serve::answer::{self, Answer};

/// Runs what reads files on a thread where that may take its time.
pub async fn aside(work: impl FnOnce() -> Result<Answer> + Send + 'static) -> Answer {
    match tokio::task::spawn_blocking(work).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(error)) => answer::error(&error),
        Err(_) => {
            answer::error(&Error::new(ErrorCode::Engine, "the request failed in a way that should not be"))
        }
    }
}
