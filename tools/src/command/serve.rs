//! `uncsm-index serve`: a page to search with, on this machine.

use std::convert::Infallible;
use std::sync::Arc;

use serde_json::json;
use uncsm_index::{Error, ErrorCode, Result};

use super::opened;
use crate::args::{Global, LimitArgs, ServeArgs};
use crate::output::Output;
use crate::serve::{App, Door, Listening, PIXELS, Settings, open_browser};
use crate::source;

/// Characters of the shortest token.
const TOKEN: usize = 16;

pub fn run(args: &ServeArgs, global: &Global, output: &Output) -> Result<Infallible> {
    let token = token(args)?;
    // Smaller than elsewhere: what is sent is decoded beside other queries.
    let limits = LimitArgs { max_pixels: args.limits.max_pixels.or(Some(PIXELS)), ..args.limits };
    let paths = || source::encoder_paths(&args.encoder, limits);
    let (indexes, mut engine) = opened::open(&args.index, args.bundle.as_deref(), paths)?;
    for filter in &args.require {
        engine = engine.with_required_filter(filter)?;
    }
    let listening = Listening::at(args.addr)?;
    let door = Door::new(listening.addr()?, &args.host, token);
    let url = door.url();
    let media_roots = args.media_root.clone();
    let app = App::new(Settings { indexes, engine, door, media_roots, record: args.record.clone() })?;
    output.print(&json!({ "url": url, "addr": listening.addr()?.to_string() }), || format!("{url}\n"))?;
    if args.open
        && let Err(error) = open_browser(&url)
        && !global.quiet
    {
        tracing::warn!("no browser was opened: {error}");
    }
    listening.serve(Arc::new(app))
}

/// The token, where there is one, as there must be beyond this machine.
fn token(args: &ServeArgs) -> Result<Option<String>> {
    let token = args.token.clone().or_else(|| std::env::var("UNCSM_TOKEN").ok());
    let refused = |what: &str| Error::new(ErrorCode::BadArgument, what);
    let is_fit =
        |token: &str| token.len() >= TOKEN && token.bytes().all(|byte| (b'!'..=b'~').contains(&byte));
    match &token {
        None if !args.addr.ip().is_loopback() => Err(refused("a server that others can reach needs a token")
            .expected("an --addr of this machine alone, such as 127.0.0.1:7878")
            .got(args.addr)
            .hint("give --token, or UNCSM_TOKEN in the environment")),
        Some(token) if !is_fit(token) => Err(refused("the token is too easy to guess, or has other signs")
            .expected(format!("{TOKEN} letters, digits and signs of ASCII or more, without blanks"))),
        _ => Ok(token),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::args::{Cli, Command};

    fn token_of(args: &[&str]) -> Result<Option<String>> {
        let cli = Cli::try_parse_from([&["uncsm-index", "serve", "x"], args].concat()).unwrap();
        let Command::Serve(args) = cli.command else { panic!("serve") };
        token(&args)
    }

    #[test]
    fn what_others_can_reach_needs_a_token_that_is_one() {
        assert_eq!(token_of(&[]).unwrap(), None);
        assert_eq!(token_of(&["--addr", "[::1]:0"]).unwrap(), None);
        let long = "abcdefghijklmnop";
        assert_eq!(token_of(&["--addr", "0.0.0.0:1", "--token", long]).unwrap().as_deref(), Some(long));
        for args in [
            &["--addr", "0.0.0.0:7878"][..],
            &["--addr", "[::]:7878"],
            &["--addr", "192.0.2.1:80"],
            &["--token", "short"],
            &["--token", "abcdefghijklmno p"],
            &["--token", ""],
            &["--addr", "[::ffff:127.0.0.1]:1"],
        ] {
            let error = token_of(args).unwrap_err();
            assert_eq!(error.code(), ErrorCode::BadArgument, "{args:?}");
        }
    }
}
