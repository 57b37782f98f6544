//! The checkout that has the scripts, and what they are told.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use uncsm_index::limits::{SETTINGS_BYTES, read_text};
use uncsm_index::{Error, ErrorCode, Result};

use super::child::{self, Ended};
use crate::args::Global;

const PICTURES: &str = "tools/datasets/openclipart.py";
const ENCODERS: &str = "tools/encoders/from_pypi.sh";
const PYTHON: &str = "python3";
const BY_HAND: &str =
    "or run `python3 tools/datasets/openclipart.py OUT` of a checkout elsewhere, and give --pictures OUT";

/// Which pictures are wanted, and where.
pub struct Order {
    pub out: PathBuf,
    pub limit: u32,
    pub seed: u64,
}

impl Order {
    /// Whether an earlier run of the script left these very pictures, with nothing on both sides of the split.
    pub fn is_there(&self) -> bool {
        let text = read_text(&self.out.join("grouping.json"), SETTINGS_BYTES, "the report of the script");
        let report: Value = text.ok().and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default();
        let both = report["on_both_sides"].as_object();
        report["limit"] == self.limit
            && report["seed"] == self.seed
            && both.is_some_and(|counts| counts.values().all(|count| *count == 0))
            && self.out.join("items.jsonl").is_file()
    }
}

/// A folder that has the scripts.
pub struct Checkout {
    root: PathBuf,
}

impl Checkout {
    /// The working folder, or the first above it that has the scripts; `pictures` says whether Pillow is needed.
    ///
    /// # Errors
    /// [`ErrorCode::NotFound`] where there is none, and without Python or Pillow.
    pub fn find(pictures: bool) -> Result<Self> {
        let here = std::env::current_dir().map_err(|e| Error::io(".", e))?;
        let root = here.ancestors().find(|dir| dir.join(PICTURES).is_file() && dir.join(ENCODERS).is_file());
        let Some(root) = root else {
            return Err(Error::new(
                ErrorCode::NotFound,
                "the scripts that get pictures and encoders are not here",
            )
            .file(&here)
            .expected(format!("{PICTURES} and {ENCODERS} in this folder or one above it"))
            .hint(format!("run it in a checkout of the repository, {BY_HAND}")));
        };
        let imports = if pictures { "import PIL" } else { "" };
        let found = Command::new(PYTHON).args(["-c", imports]).output();
        match found {
            Ok(output) if output.status.success() => Ok(Self { root: root.to_path_buf() }),
            Ok(output) => {
                let said = String::from_utf8_lossy(&output.stderr);
                let hint = format!(
                    "`python3 -m pip install -r tools/datasets/requirements.txt`, in a virtual environment where the system asks for one, {BY_HAND}"
                );
                Err(Error::new(ErrorCode::NotFound, "python3 has no Pillow, which reads the pictures")
                    .expected("python3 -c 'import PIL' to do nothing")
                    .got(said.lines().last().unwrap_or("no message"))
                    .hint(hint))
            }
            Err(error) => {
                Err(Error::new(ErrorCode::NotFound, "python3 does not run, and the scripts need it")
                    .got(&error)
                    .hint(format!("install Python 3.10 or later as python3, {BY_HAND}"))
                    .source(error))
            }
        }
    }

    /// Lets the script make the pictures; others that an earlier run made are replaced.
    ///
    /// # Errors
    /// What the script says; those of [`child::run`].
    pub fn pictures(&self, order: &Order, global: &Global) -> Result<()> {
        let script = self.root.join(PICTURES);
        let mut command = Command::new(PYTHON);
        command.arg(&script).arg(absolute(&order.out)?).arg("--force");
        command.args(["--limit", &order.limit.to_string(), "--seed", &order.seed.to_string()]);
        let ended = child::run(&mut command, "openclipart.py", global)?;
        let hint = format!("mend what it says and run this again, {BY_HAND}");
        done(&script, ended, "the script made no pictures", &hint)
    }

    /// Lets the script make the encoders in `out`; what is there stays.
    ///
    /// # Errors
    /// Those of [`Checkout::pictures`].
    pub fn encoders(&self, out: &Path, global: &Global) -> Result<()> {
        let script = self.root.join(ENCODERS);
        let mut command = Command::new("sh");
        command.arg(&script).arg(absolute(out)?);
        let ended = child::run(&mut command, "from_pypi.sh", global)?;
        let hint = "mend what it says and run this again, or name encoders with --encoder: the built-in ones are \
            image=builtin-image-v1 and text=builtin-text-v1";
        done(&script, ended, "the script made no encoders", hint)
    }
}

/// A path that begins with a hyphen must not be taken for a flag.
fn absolute(path: &Path) -> Result<PathBuf> {
    std::path::absolute(path).map_err(|e| Error::io(path, e))
}

fn done(script: &Path, ended: Ended, what: &str, hint: &str) -> Result<()> {
    if ended.status.success() {
        return Ok(());
    }
    let last = if ended.last.is_empty() { "no message".to_owned() } else { ended.last };
    Err(Error::new(ErrorCode::Io, what).file(script).got(format!("{}: {last}", ended.status)).hint(hint))
}
