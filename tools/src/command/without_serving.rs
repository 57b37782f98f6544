//! What `serve` says in a build without it.

use uncsm_index::{Error, ErrorCode, Result};

use crate::Outcome;

/// The error of `serve`.
pub fn refuse() -> Result<Outcome> {
    Err(Error::new(ErrorCode::BadArgument, "there is no server in this build")
        .hint("install the command line with its cargo feature `serve`, which is on by default"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_way_out_is_named() {
        let Err(error) = refuse() else { panic!("no error") };
        assert_eq!(error.code(), ErrorCode::BadArgument);
        assert!(
            error.facts().hint.as_deref().is_some_and(|hint| hint.contains("cargo feature `serve`")),
            "{error}"
        );
    }
}
