//! Limits on pictures, of every command that reads some.

use clap::Args;
use uncsm_index::encode::DecodeLimits;

/// Heading of `--help`.
const LIMITS: &str = "Limits on pictures";

/// What a picture file may cost at most.
#[derive(Debug, Default, Clone, Copy, Args)]
pub struct LimitArgs {
    /// Width times height of the largest picture that is decoded [default: 50000000, of `serve` 25000000].
    /// Example: --max-pixels 100000000
    #[arg(long, value_name = "N", help_heading = LIMITS, value_parser = clap::value_parser!(u64).range(1..))]
    pub max_pixels: Option<u64>,
    /// Bytes of the largest picture file that is read [default: 67108864]. Example: --max-bytes 10000000
    #[arg(long, value_name = "N", help_heading = LIMITS, value_parser = clap::value_parser!(u64).range(1..))]
    pub max_bytes: Option<u64>,
}

impl From<LimitArgs> for DecodeLimits {
    fn from(args: LimitArgs) -> Self {
        let default = Self::default();
        Self {
            max_pixels: args.max_pixels.unwrap_or(default.max_pixels),
            max_bytes: args.max_bytes.unwrap_or(default.max_bytes),
        }
    }
}
