//! `uncsm-index eval`: a bundle measured as in the literature.

use std::fmt::Write;

use serde::Serialize;
use serde_json::Value;
use uncsm_index::corpus::Split;
use uncsm_index::eval::Evaluation;
use uncsm_index::model::Bundle;
use uncsm_index::{Error, ErrorCode, Result};

use super::rows;
use crate::Outcome;
use crate::args::{EvalArgs, Global, SplitArg};
use crate::output::Output;
use crate::source::Beside;

#[derive(Serialize)]
struct Report {
    #[serde(flatten)]
    measured: uncsm_index::eval::Report,
    /// What was measured on, and what was left out.
    data: Value,
    warnings: u64,
}

pub fn run(args: &EvalArgs, global: &Global, output: &Output) -> Result<Outcome> {
    let bundle = Bundle::load(&args.bundle)?;
    let beside =
        Beside { label: args.label.as_deref(), test_mask: args.test_mask.as_deref(), ..Beside::default() };
    let read = rows::of_trained(&bundle, &args.source, beside, global)?;
    let split = match args.split {
        SplitArg::Train => Split::Train,
        SplitArg::Val => Split::Val,
        SplitArg::Test => Split::Test,
    };
    if !read.data.split.contains(&split) {
        let error = Error::new(ErrorCode::Empty, "no row belongs to the split that is to be evaluated")
            .expected(format!("rows of the split {split}"))
            .got(read.data.summary().text())
            .hint("name the test rows with --test-mask or the key `split`, or choose another --split");
        return Err(read.cause_of(error));
    }
    let evaluation = Evaluation::new(&bundle, &read.data).split(split);
    let measured = evaluation.run().map_err(|error| read.cause_of(error))?;
    let report = Report { measured, data: read.summary(), warnings: read.left_out.count };
    output.print(&report, || {
        let value = serde_json::to_value(&report).unwrap_or_default();
        let mut out = format!("{} pairs, features {}\n", value["pairs"], value["features"]);
        measures_text(&value, &mut out);
        let _ = writeln!(out, "calibration {}", value["calibration"]);
        let _ = write!(out, "{}", read.text());
        out
    })?;
    Ok(Outcome::Done)
}

/// Tables of `map_all` and `recall`, one row per similarity.
pub fn measures_text(value: &Value, out: &mut String) {
    for (title, table) in [("MAP over all", &value["map_all"]), ("recall", &value["recall"])] {
        let Some(table) = table.as_object() else { continue };
        for (similarity, row) in table.iter().filter(|(_, row)| !row.is_null()) {
            let _ = writeln!(out, "  {title:12} {similarity:13} {}", cells(row));
        }
    }
}

fn cells(row: &Value) -> String {
    let Some(row) = row.as_object() else { return row.to_string() };
    let cell = |(name, value): (&String, &Value)| match (value.as_f64(), value.as_object()) {
        (Some(number), _) => format!("{name} {number:.4}"),
        (None, Some(map)) => {
            let at = |(k, v): (&String, &Value)| format!("@{k} {:.4}", v.as_f64().unwrap_or(f64::NAN));
            format!("{name} {}", map.iter().map(at).collect::<Vec<_>>().join(" "))
        }
        _ => format!("{name} {value}"),
    };
    row.iter().map(cell).collect::<Vec<_>>().join("  ")
}
