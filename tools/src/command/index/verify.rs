//! `uncsm-index verify`: every checksum, every row.

use serde::Serialize;
use uncsm_index::Result;
use uncsm_index::index::{self, Damage};

use crate::Outcome;
use crate::args::VerifyArgs;
use crate::output::Output;

#[derive(Serialize)]
struct Report {
    ok: bool,
    damage: Vec<Damage>,
    /// Files that could not be read: not known to be sound, so that `ok` is false.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    unchecked: Vec<Damage>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    notes: Vec<String>,
}

pub fn run(args: &VerifyArgs, output: &Output) -> Result<Outcome> {
    let found = index::examine(&args.index)?;
    let ok = found.is_sound();
    let report = Report { ok, damage: found.damage, unchecked: found.unchecked, notes: found.notes };
    output.print(&report, || text(&report))?;
    Ok(if report.ok { Outcome::Done } else { Outcome::Damaged })
}

fn text(report: &Report) -> String {
    let notes: String = report.notes.iter().map(|note| format!("note: {note}\n")).collect();
    if report.ok {
        return format!("every checksum and every row is sound\n{notes}");
    }
    let unchecked = |file: &Damage| format!("{}: could not be checked: {}\n", file.file, file.reason);
    let line = |damage: &Damage| {
        let section = damage.section.as_deref().map(|s| format!(" {s}")).unwrap_or_default();
        let offset = damage.offset.map(|o| format!(" at byte {o}")).unwrap_or_default();
        format!("{}{section}{offset}: {}\n", damage.file, damage.reason)
    };
    let damage: String = report.damage.iter().map(line).collect();
    let unchecked: String = report.unchecked.iter().map(unchecked).collect();
    format!("{damage}{unchecked}{notes}")
}
