//! What may be said to `demo`.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::Args;

#[derive(Debug, Args)]
pub struct DemoArgs {
    /// Where everything goes. Example: --dir first-look
    #[arg(long, value_name = "DIR", default_value = "uncsm-demo")]
    pub dir: PathBuf,
    /// What is shown: `drawn` scenes, which need nothing; `openclipart`, real pictures and pretrained encoders, which scripts of a
    /// checkout get from packages; or FOLDER, which a script of tools/datasets wrote. Example: --pictures openclipart
    ///
    /// `openclipart` needs the network, apt-get, dpkg-deb, and python3 with pip and Pillow; what it got is kept in DIR for the next run. The
    /// encoders are EfficientNet-Lite0 and MiniLM, unless --encoder names others; with FOLDER they are looked for in DIR/encoders,
    /// UNCSM_ENCODERS and the cache.
    #[arg(long, value_name = "drawn|openclipart|FOLDER", default_value = "drawn")]
    pub pictures: Pictures,
    /// Documents of `openclipart` to take at most, drawn by the seed [default: 1500]. Example: --pictures openclipart --limit 800
    #[arg(long, value_name = "N")]
    pub limit: Option<u32>,
    /// The encoder of a media type, for real pictures; may be repeated [default: efficientnet-lite0 and all-MiniLM-L6-v2].
    /// Example: --pictures my-icons --encoder image=builtin-image-v1 --encoder text=builtin-text-v1
    #[arg(long, value_name = "MEDIA=NAME_OR_DIR")]
    pub encoder: Vec<String>,
}

/// What a demo shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pictures {
    /// Scenes that it draws itself.
    Drawn,
    /// A corpus that it gets from packages.
    Openclipart,
    /// A folder of `items.jsonl` and its pictures.
    Folder(PathBuf),
}

impl From<OsString> for Pictures {
    fn from(typed: OsString) -> Self {
        match typed.to_str() {
            Some("drawn") => Self::Drawn,
            Some("openclipart") => Self::Openclipart,
            _ => Self::Folder(typed.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::args::{Cli, Command};

    fn parsed(line: &str) -> DemoArgs {
        match Cli::try_parse_from(line.split(' ')).map(|cli| cli.command) {
            Ok(Command::Demo(args)) => args,
            other => panic!("{line}: {other:?}"),
        }
    }

    #[test]
    fn pictures_are_a_word_or_a_folder() {
        let of = |line: &str| parsed(line).pictures;
        assert_eq!(of("uncsm-index demo"), Pictures::Drawn);
        assert_eq!(of("uncsm-index demo --pictures drawn"), Pictures::Drawn);
        assert_eq!(of("uncsm-index demo --pictures openclipart"), Pictures::Openclipart);
        for folder in ["icons", "./openclipart", "openclipart/", "Drawn"] {
            let line = format!("uncsm-index demo --pictures {folder}");
            assert_eq!(of(&line), Pictures::Folder(folder.into()));
        }
    }

    #[test]
    fn encoders_and_the_limit_are_given() {
        let args = parsed("uncsm-index demo --limit 20 --encoder image=a --encoder text=b");
        assert_eq!(args.limit, Some(20));
        assert_eq!(args.encoder, ["image=a", "text=b"]);
        assert!(Cli::try_parse_from(["uncsm-index", "demo", "--limit", "many"]).is_err());
    }
}
