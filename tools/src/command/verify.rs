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
}

pub fn run(args: &VerifyArgs, output: &Output) -> Result<Outcome> {
    let damage = index::verify(&args.index)?;
    let report = Report { ok: damage.is_empty(), damage };
    output.print(&report, || text(&report))?;
    Ok(if report.ok { Outcome::Done } else { Outcome::Damaged })
}

fn text(report: &Report) -> String {
    if report.ok {
        return "every checksum and every row is sound\n".into();
    }
    let line = |damage: &Damage| {
        let section = damage.section.as_deref().map(|s| format!(" {s}")).unwrap_or_default();
        let offset = damage.offset.map(|o| format!(" at byte {o}")).unwrap_or_default();
        format!("{}{section}{offset}: {}\n", damage.file, damage.reason)
    };
    report.damage.iter().map(line).collect()
}
