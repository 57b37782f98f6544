//! Writes the golden files of this format version to a folder: the plain one, and one each with derived sections, hubs and cells:
//! `cargo run -p uncsm-format --example golden -- format/tests/golden`

#[path = "../tests/common/mod.rs"]
mod common;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = std::env::args_os().nth(1).ok_or("give the FOLDER to write the golden files to")?;
    let folder = std::path::PathBuf::from(folder);
    std::fs::write(folder.join("v0.uvec"), common::write_golden(common::Optional::Absent))?;
    std::fs::write(folder.join("v0-derived.uvec"), common::write_golden(common::Optional::Derived))?;
    std::fs::write(folder.join("v0-hubs.uvec"), common::write_golden(common::Optional::Hubs))?;
    std::fs::write(folder.join("v0-cells.uvec"), common::write_golden(common::Optional::Cells))?;
    Ok(())
}
