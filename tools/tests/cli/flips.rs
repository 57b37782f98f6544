//! Damage of every kind, through the real binary: an exit code, one JSON value, no word of a panic, and an end.
//!
//! `UNCSM_FLIPS=200 cargo test --test cli flips -- --nocapture` for more; `cargo test --test flips` is the same inside of one process.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::time::{Duration, Instant};

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use uncsm_index::model::Bundle;

use crate::data::{self, lines};
use crate::files::{copy_dir, write_lines};
use crate::run::{command, json};
use crate::world::{PATHWAYS, world};

/// Without `UNCSM_FLIPS`.
const FEW: usize = 6;
const PATIENCE: Duration = Duration::from_secs(60);

/// Files of the index, by their place in it.
fn files(dir: &Path) -> Vec<PathBuf> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let entry = entry.unwrap();
        let name = PathBuf::from(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            all.extend(files(&entry.path()).into_iter().map(|file| name.join(file)));
        } else if entry.metadata().unwrap().len() > 0 {
            all.push(name);
        }
    }
    all.sort();
    all
}

/// Waits for `child`, not for ever; exit code, stdout and stderr.
fn finish(mut child: Child, place: &str) -> (i32, String, String) {
    let until = Instant::now() + PATIENCE;
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            let code = status.code().unwrap_or_else(|| panic!("{place}: ended by a signal: {status}"));
            let (mut out, mut err) = (String::new(), String::new());
            child.stdout.take().unwrap().read_to_string(&mut out).unwrap();
            child.stderr.take().unwrap().read_to_string(&mut err).unwrap();
            return (code, out, err);
        }
        if Instant::now() > until {
            let _ = child.kill();
            panic!("{place}: hangs");
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn no_damage_makes_a_command_panic_or_hang() {
    let count = std::env::var("UNCSM_FLIPS").map_or(FEW, |text| text.parse().expect("a number"));
    let world = world();
    let dir = tempfile::tempdir().unwrap();
    let (sound, features, corpus) = (dir.path().join("sound"), dir.path().join("f"), dir.path().join("c"));
    copy_dir(&world.index, &sound);
    data::rows(12, 5).save(&features);
    write_lines(&corpus, &lines(12));
    let bundle = dir.path().join("bundle");
    Bundle::load(&world.bundle).unwrap().with_prior(0.03).unwrap().save(&bundle).unwrap();
    // More segments, and deletes.
    json(0, &format!("add % --features % {PATHWAYS} --corpus %"), &[&sound, &features, &corpus]);
    json(0, "delete % --id d00200", &[&sound]);
    let commands = [
        format!(
            "query % --features {} --pathway image=image --rows 17..18 --keywords red",
            world.features.display()
        ),
        "query % --like d00007 --facet category".to_owned(),
        "inspect %".to_owned(),
        "verify %".to_owned(),
        format!("add % --features {} {PATHWAYS} --corpus {}", features.display(), corpus.display()),
        "delete % --id d00003".to_owned(),
        format!("attach % --bundle {}", bundle.display()),
    ];
    let files = files(&sound);
    let mut rng = ChaCha8Rng::seed_from_u64(7 + count as u64);
    for at in 0..count {
        let file = &files[rng.random_range(0..files.len())];
        let mut bytes = std::fs::read(sound.join(file)).unwrap();
        let byte = rng.random_range(0..bytes.len());
        match rng.random_range(0..8) {
            0 => bytes.truncate(byte),
            1 => bytes[byte..].fill(0xff),
            _ => bytes[byte] ^= 1 << rng.random_range(0..8),
        }
        for line in &commands {
            let copy = dir.path().join("copy");
            copy_dir(&sound, &copy);
            std::fs::write(copy.join(file), &bytes).unwrap();
            let place = format!("{at}: {} byte {byte}: {line}", file.display());
            let mut run = command();
            let words = line.split_whitespace();
            run.args(words.map(|word| if word == "%" { copy.as_os_str().to_owned() } else { word.into() }));
            let (code, out, err) = finish(run.arg("--json").spawn().unwrap(), &place);
            assert!((0..=2).contains(&code), "{place}: exit code {code}: {err}");
            assert!(!err.contains("panicked") && !err.contains("RUST_BACKTRACE"), "{place}: {err}");
            let said = if out.is_empty() { err.lines().last().unwrap_or_default() } else { out.trim() };
            serde_json::from_str::<serde_json::Value>(said)
                .unwrap_or_else(|e| panic!("{place}: {e}: {out}{err}"));
            std::fs::remove_dir_all(&copy).unwrap();
        }
    }
}
