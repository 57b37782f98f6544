//! A merge copies nothing that is damaged, so that `verify` goes on finding it.

use std::path::{Path, PathBuf};

use uncsm_index::index::{Index, inspect, verify};

use crate::common::files::{copy_dir, files_of, put};
use crate::world::{World, answers};

fn extension(path: &Path) -> String {
    path.extension().unwrap_or_default().to_string_lossy().into_owned()
}

/// The first segment's files, each with a flipped bit in the middle, one at a time: adds that bring on merges change nothing
/// about what `verify` finds, and the undamaged file brought back makes the index whole.
#[test]
fn a_flipped_bit_outlives_any_number_of_adds() {
    let _beside = crate::beside();
    let commits: Vec<_> = (0..7).map(|at| at * 5..at * 5 + 5).collect();
    let world = World::with(&commits);
    let victim = files_of(&world.index).into_iter().find(|file| extension(file) == "store").unwrap();
    let victim = victim.file_stem().unwrap().to_string_lossy().into_owned();
    let files: Vec<PathBuf> = files_of(&world.index)
        .into_iter()
        .filter(|file| file.to_string_lossy().starts_with(&victim))
        .collect();
    assert!(files.len() >= 7, "{files:?}");
    let mut merged = 0;
    for file in files {
        let kind = extension(&file);
        let scratch = tempfile::tempdir().unwrap();
        let dir = scratch.path().join("index");
        copy_dir(&world.index, &dir);
        let whole = std::fs::read(dir.join(&file)).unwrap();
        let footer = 8 + u32::from_le_bytes(whole[whole.len() - 8..][..4].try_into().unwrap()) as usize;
        let mut bytes = whole.clone();
        bytes[(whole.len() - footer) / 2] ^= 4;
        put(&dir.join(&file), bytes);
        let name = file.display().to_string();
        let found = |when: &str| {
            let damage = verify(&dir).unwrap();
            assert!(damage.iter().any(|damage| damage.file == name), "{kind}, {when}: {damage:?}");
        };
        found("before");
        let mut refused = 0;
        for round in 0..4 {
            // Ids of their own, so that what is there stays comparable.
            match world.fill(&dir, 100 + round * 2..102 + round * 2, 0) {
                Ok(damaged) => {
                    let said = damaged.iter().any(|(segment, why)| *segment == victim && why.contains(&name));
                    // Eight segments are there to be merged at first, and nine then; afterwards too few.
                    assert!(said || round > 1, "{kind}, round {round}: {damaged:?}");
                    merged += usize::from(said);
                }
                Err(error) => {
                    assert_eq!(error.code().as_str(), "damaged", "{kind}: {error}");
                    assert_eq!(error.facts().file.as_deref(), Some(dir.join(&file).as_path()), "{error}");
                    refused += 1;
                }
            }
            found("after an add");
        }
        assert!(world.merge(&dir).is_err(), "{kind}");
        found("after a merge");
        let report = inspect(&Index::open(&dir).unwrap()).unwrap();
        assert!(report.damaged[&victim].contains(&name), "{kind}: {:?}", report.damaged);
        assert_eq!(report.documents, 35 + 2 * (4 - refused), "{kind}");
        // Nothing was lost or changed on the way.
        put(&dir.join(&file), whole);
        assert_eq!(verify(&dir).unwrap(), [], "{kind}");
        world.merge(&dir).unwrap();
        assert_eq!(verify(&dir).unwrap(), [], "{kind}");
        if refused == 4 {
            assert_eq!(answers(&dir).unwrap(), world.answers, "{kind}");
        }
    }
    assert!(merged > 0, "no merge came by a damaged segment");
}
