//! `python/uvec.py`, a reader in another language, says of thousands of files what this crate's reader says.

mod common;

use std::path::Path;
use std::process::Command;

use common::{Optional, aligned, put, seal, seal_frame, trailer_at, u64_at};
use uncsm_format::layout::{self, entry, trailer};
use uncsm_format::{Column, Uvec};

/// A file with what this crate says of it: 0 sound, 1 refused, 2 damaged; and of a sound one the CRC-32 of its values.
fn push(cases: &mut Vec<u8>, bytes: &[u8]) {
    let (outcome, crc) = match Uvec::open(aligned(bytes)) {
        Err(_) => (1u8, 0),
        Ok(uvec) if uvec.verify().is_empty() => (0, values(&uvec)),
        Ok(_) => (2, 0),
    };
    cases.push(outcome);
    cases.extend(crc.to_le_bytes());
    cases.extend((bytes.len() as u32).to_le_bytes());
    cases.extend(bytes);
}

fn values<D: AsRef<[u8]>>(uvec: &Uvec<D>) -> u32 {
    let mut crc = crc32fast::Hasher::new();
    let (rejected, reason) = uvec.rejected();
    crc.update(&uvec.documents().to_le_bytes());
    crc.update(&rejected.to_le_bytes());
    crc.update(reason.unwrap_or_default().as_bytes());
    for (index, info) in uvec.media().iter().enumerate() {
        crc.update(info.name.as_bytes());
        Column::ALL.iter().for_each(|&column| crc.update(uvec.column_bytes(index, column)));
    }
    crc.finalize()
}

/// The golden files; each field of frame and table with other numbers, and bytes of sections changed, under right checksums.
fn cases() -> Vec<u8> {
    let mut cases = Vec::new();
    let all = [Optional::Absent, Optional::Present, Optional::Derived, Optional::Hubs, Optional::Cells];
    for optional in all {
        let bytes = common::write_golden(optional);
        push(&mut cases, &bytes);
        let end = trailer_at(&bytes);
        let table = u64_at(&bytes, end + trailer::TABLE) as usize;
        let header = (0..layout::header::SIZE).step_by(4);
        for at in header.chain((table..bytes.len()).step_by(4)) {
            for new in [0, 1, 22, 64, u32::MAX] {
                let mut forged = bytes.clone();
                put(&mut forged, at, &new.to_le_bytes());
                // The trailer that is changed is not sealed by the place that it names.
                if at < end || at >= end + trailer::SECTIONS {
                    seal_frame(&mut forged);
                }
                push(&mut cases, &forged);
            }
        }
        // Some bytes of each section; in the larger file fewer.
        let step = if bytes.len() < 3000 { 3 } else { 61 };
        for at in (layout::header::SIZE..table).step_by(step) {
            for change in [0x01, 0x80] {
                let mut forged = bytes.clone();
                forged[at] ^= change;
                seal(&mut forged);
                push(&mut cases, &forged);
            }
        }
        // Sections that trade their names.
        for at in (table..end).step_by(entry::SIZE) {
            for other in (table..at).step_by(entry::SIZE) {
                let mut forged = bytes.clone();
                forged.copy_within(other + entry::KIND..other + entry::FLAGS, at);
                seal_frame(&mut forged);
                push(&mut cases, &forged);
            }
        }
    }
    cases
}

/// Whether there is a python3 with numpy.
fn has_numpy() -> bool {
    Command::new("python3").args(["-c", "import numpy"]).output().is_ok_and(|output| output.status.success())
}

#[test]
fn python_reads_alike() {
    if !has_numpy() {
        eprintln!("skipped: there is no python3 with numpy");
        return;
    }
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("python-cases");
    std::fs::write(&path, cases()).unwrap();
    let output = Command::new("python3")
        .args(["-m", "unittest", "-v"])
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("python"))
        .env("UVEC_CASES", &path)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .output()
        .unwrap();
    let said =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    eprintln!("{said}");
    assert!(output.status.success() && said.contains("as Rust says"), "{said}");
    std::fs::remove_file(&path).unwrap();
}
