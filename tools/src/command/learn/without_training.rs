//! What the commands that train say in a build that does not.

use uncsm_index::{Error, ErrorCode, Result};

use crate::Outcome;

/// The error of `command`.
pub fn refuse(command: &str) -> Result<Outcome> {
    Err(Error::new(ErrorCode::BadArgument, format!("`{command}` trains, and training is not in this build"))
        .hint("install the command line with its cargo feature `train`, which is on by default"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_is_named_and_the_way_out() {
        let Err(error) = refuse("train") else { panic!("no error") };
        assert_eq!(error.code(), ErrorCode::BadArgument);
        let facts = error.facts();
        assert!(facts.message.starts_with("`train` trains"), "{error}");
        assert!(facts.hint.as_deref().is_some_and(|hint| hint.contains("cargo feature `train`")), "{error}");
    }
}
