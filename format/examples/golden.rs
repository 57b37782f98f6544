//! Writes the golden file of the current format version to PATH:
//! `cargo run -p uncsm-format --example golden -- format/tests/golden/v0.uvec`

#[path = "../tests/common/mod.rs"]
mod common;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let path = std::env::args_os().nth(1).ok_or("give the PATH to write the golden file to")?;
    std::fs::write(path, common::write_golden(common::Optional::Absent))?;
    Ok(())
}
