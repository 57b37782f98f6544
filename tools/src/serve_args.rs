//! What a user may ask of `serve`.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;

use crate::limit_args::LimitArgs;

#[derive(Debug, Args)]
pub struct ServeArgs {
    /// An index; several are searched as if they were one, each may be named once
    #[arg(value_name = "INDEX", required = true)]
    pub index: Vec<PathBuf>,
    /// Where to listen; another address than one of this machine alone needs --token. With port 0 the system chooses one.
    /// Example: --addr 127.0.0.1:8080
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:7878")]
    pub addr: SocketAddr,
    /// Open the page in a browser [default: off]. Example: --open
    #[arg(long)]
    pub open: bool,
    /// What every request must show: 16 signs or more [default: UNCSM_TOKEN of the environment, else none].
    /// Example: --token "$(openssl rand -hex 16)"
    #[arg(long, value_name = "STRING")]
    pub token: Option<String>,
    /// A name that the server may be called by, beside localhost and addresses; may be repeated [default: none].
    /// Example: --host search.local
    #[arg(long, value_name = "NAME")]
    pub host: Vec<String>,
    /// A filter that binds every answer: hits, documents, pictures and counts; several must all match [default: none].
    /// Example: --require 'public:true'
    #[arg(long, value_name = "QUERY", allow_hyphen_values = true)]
    pub require: Vec<String>,
    /// A folder that pictures are shown from; may be repeated [default: the folders of the sources that the index lists].
    /// Example: --media-root pictures
    #[arg(long, value_name = "DIR")]
    pub media_root: Vec<PathBuf>,
    /// Append clicks to this file, as `fuse` takes them, and pairs that were marked to FILE.pairs.jsonl, as `train --pairs` does
    /// [default: off]. Example: --record clicks.jsonl
    #[arg(long, value_name = "FILE.jsonl")]
    pub record: Option<PathBuf>,
    /// The bundle that scores, of the indexes' space [default: the one that they hold, which must be the same in all].
    /// Example: --bundle rare.bundle
    #[arg(long, value_name = "BUNDLE")]
    pub bundle: Option<PathBuf>,
    /// The encoder of a media type [default: the one that the bundle names]; may be repeated.
    /// Example: --encoder text=./all-MiniLM-L6-v2
    #[arg(long, value_name = "MEDIA=NAME_OR_DIR")]
    pub encoder: Vec<String>,
    #[command(flatten)]
    pub limits: LimitArgs,
}
