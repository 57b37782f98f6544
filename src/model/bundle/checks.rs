//! `checks.json`, beside the two files of a bundle that an index holds: a checksum of each of their parts, so that an index opens
//! without reading what no query asks for yet. A bundle that is handed on has none: it is read whole, against its fingerprints.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::Bundle;
use super::assemble::assemble;
use super::io::{CONFIG, TENSORS, config_bytes, parsed, write_whole};
use super::stored::damaged;
use super::tensors::{Lazy, Named};
use crate::error::{Error, ErrorCode, Result};
use crate::limits::{self, BUNDLE_TENSOR_BYTES, SETTINGS_BYTES};
use crate::media::Fingerprint;
use crate::model::floats::Map;

/// Name of the file.
pub(super) const CHECKS: &str = "checks.json";
const VERSION: u32 = 0;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Checks {
    version: u32,
    /// CRC-32 of the configuration.
    config: u32,
    /// Bytes of the file of tensors.
    length: u64,
    /// CRC-32 of what stands before its tensors.
    header: u32,
    /// CRC-32 of each tensor.
    tensors: BTreeMap<String, u32>,
    /// [`Bundle::score`], which takes a read of all heads.
    score: Fingerprint,
}

impl Checks {
    /// The bytes of the file, for those of the other two.
    pub(super) fn bytes(
        config: &[u8],
        tensors: &[u8],
        named: &[Named<'_>],
        score: Fingerprint,
    ) -> Result<Vec<u8>> {
        let checks = Self {
            version: VERSION,
            config: crc32fast::hash(config),
            length: tensors.len() as u64,
            header: crc32fast::hash(header_of(tensors)),
            tensors: named
                .iter()
                .map(|tensor| (tensor.name.clone(), crc32fast::hash(&tensor.bytes())))
                .collect(),
            score,
        };
        let mut bytes = serde_json::to_vec_pretty(&checks)
            .map_err(|e| Error::new(ErrorCode::Io, e.to_string()).source(e))?;
        bytes.push(b'\n');
        Ok(bytes)
    }
}

/// The length of the header, and the header.
fn header_of(tensors: &[u8]) -> &[u8] {
    let length = tensors.first_chunk::<8>().map_or(0, |length| u64::from_le_bytes(*length));
    let end = usize::try_from(length).ok().and_then(|length| length.checked_add(8));
    end.and_then(|end| tensors.get(..end)).unwrap_or(tensors)
}

impl Bundle {
    /// Opens the bundle of an index: its tensors are mapped, and compared with their checksums when something first reads
    /// them, see [`Bundle::check`]. One without checksums, of an older build, is loaded as [`Bundle::load`] does. Cost: a read of
    /// the configuration.
    ///
    /// # Errors
    /// Those of [`Bundle::load`], but for what lies in tensors.
    pub(crate) fn open(dir: &Path) -> Result<Bundle> {
        let file = dir.join(CHECKS);
        let text = match limits::read_file(&file, SETTINGS_BYTES, "the file of the bundle's checksums") {
            Ok(text) => text,
            Err(error) if error.code() == ErrorCode::NotFound => return Bundle::load(dir),
            Err(error) => return Err(error),
        };
        let checks: Checks = serde_json::from_slice(&text)
            .map_err(|e| damaged(&file, e.to_string()).line(e.line() as u64).source(e))?;
        if checks.version != VERSION {
            return Err(Error::new(
                ErrorCode::UnsupportedVersion,
                "checksums of a bundle in another version",
            )
            .file(&file)
            .expected(VERSION)
            .got(checks.version)
            .hint("attach the bundle again"));
        }
        let (config_file, tensor_file) = (dir.join(CONFIG), dir.join(TENSORS));
        let text = config_bytes(&config_file)?;
        // Before the checksum, since it says more.
        let config = parsed(&config_file, &text)?;
        if crc32fast::hash(&text) != checks.config {
            return Err(damaged(&config_file, "the checksum of the whole file does not match"));
        }
        let map = mapped(&tensor_file)?;
        if map.len() as u64 != checks.length || crc32fast::hash(header_of(&map)) != checks.header {
            return Err(damaged(&tensor_file, "the file is not the one that was saved")
                .expected(format!("{} bytes, and the header of then", checks.length))
                .got(format!("{} bytes", map.len())));
        }
        let mut bundle =
            assemble(&config_file, &tensor_file, config, &map, Some(Lazy::new(&map, &checks.tensors)))?;
        bundle.known.score = checks.score.into();
        Ok(bundle)
    }

    /// Compares the bundle in the folder `dir` of an index with its fingerprints, and with its checksums where it has some. Cost: a
    /// read of all.
    ///
    /// # Errors
    /// Those of [`Bundle::load`].
    pub(crate) fn verify(dir: &Path) -> Result<()> {
        let due = checks_of(dir)?;
        let file = dir.join(CHECKS);
        match limits::read_file(&file, SETTINGS_BYTES, "the file of the bundle's checksums") {
            Err(error) if error.code() == ErrorCode::NotFound => Ok(()),
            Err(error) => Err(error),
            Ok(bytes) if bytes == due => Ok(()),
            Ok(_) => Err(damaged(&file, "the checksums are not those of the bundle beside them")
                .hint("attach the bundle again, or remove the file: the bundle is read whole then")),
        }
    }

    /// Writes the checksums of the bundle in the folder `dir` of an index, where it has none.
    pub(crate) fn add_checks(dir: &Path) -> Result<()> {
        let file = dir.join(CHECKS);
        match std::fs::symlink_metadata(&file) {
            Ok(_) => Ok(()),
            Err(_) => write_whole(&file, &checks_of(dir)?),
        }
    }

    /// Writes them again where they are not those of the bundle beside them, and that one is sound by its fingerprints. What is not
    /// a regular file stays: to open it is an error.
    pub(crate) fn mend_checks(dir: &Path) -> Result<()> {
        let file = dir.join(CHECKS);
        let Ok(bytes) = limits::read_file(&file, SETTINGS_BYTES, "the file of the bundle's checksums") else {
            return Ok(());
        };
        match checks_of(dir) {
            Ok(due) if due != bytes => write_whole(&file, &due),
            _ => Ok(()),
        }
    }
}

/// The checksums of the sound bundle in `dir`, whose files another build may have written in other words.
fn checks_of(dir: &Path) -> Result<Vec<u8>> {
    let bundle = Bundle::load(dir)?;
    let config = config_bytes(&dir.join(CONFIG))?;
    let tensors =
        limits::read_file(&dir.join(TENSORS), BUNDLE_TENSOR_BYTES, "the file of the bundle's tensors")?;
    Checks::bytes(&config, &tensors, &bundle.tensors(), bundle.score())
}

/// Maps the file of tensors.
fn mapped(file: &Path) -> Result<Map> {
    let failed = |error| Error::io(file, error);
    let open = limits::open_file(file, "the file of the bundle's tensors")?;
    let length = open.metadata().map_err(failed)?.len();
    if length > BUNDLE_TENSOR_BYTES {
        let what = "the file of the bundle's tensors is too large";
        return Err(limits::over(what, BUNDLE_TENSOR_BYTES, length, "bytes").file(file));
    }
    if length == 0 {
        return Err(damaged(file, "the file is empty"));
    }
    map(&open).map(Arc::new).map_err(failed)
}

/// Maps a file of a bundle inside an index: a folder that is renamed into its place when it is whole, and removed by name, but never
/// changed.
#[allow(unsafe_code)]
fn map(file: &std::fs::File) -> std::io::Result<memmap2::Mmap> {
    // SAFETY: see above; who changes a file under a running program breaks the contract of every map of an index.
    unsafe { uncsm_format::map(file) }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::model::{OnExisting, Target};

    const D: usize = 12;

    fn bundles() -> [Bundle; 3] {
        let deep = Bundle::random(&[("image", 6), ("text", 5)], D, 7, 3, 9).with_random_skip(2);
        let samples = (0..40 * D).map(|i| (i as f32 * 0.37).sin()).collect();
        let kernel = Bundle::random(&[("image", 6), ("text", 5)], D, 0, 3, 9).with_random_landmarks(19, 4);
        let hubs = kernel.with_random_hubs(8, 3);
        [deep, kernel, hubs.with_samples(vec![samples, Vec::new()]).unwrap()]
    }

    fn wave(n: usize) -> Vec<f32> {
        (0..n).map(|i| (i as f32 * 0.7).sin() + 0.1).collect()
    }

    /// What a query reads of a bundle, as bits: shared vectors of few and many rows, and the query's side of each head.
    fn used(bundle: &Bundle) -> Result<Vec<u32>> {
        let mut out = Vec::new();
        for (media, config) in bundle.media().iter().enumerate() {
            for rows in [1, 60] {
                out.extend(bundle.project(media, &wave(rows * config.features))?);
            }
            for item in 0..bundle.media().len() {
                for target in [Target::Class, Target::Pair] {
                    bundle.check_head(target, media, item)?;
                    let half = bundle.metric().query_half(target, media, item, &wave(D)).unwrap();
                    out.extend(half.bilinear.iter().chain(&half.hidden).chain(&half.weights));
                    out.extend(half.hub.map(|hub| hub.own));
                    out.push(half.bias);
                }
            }
        }
        Ok(out.into_iter().map(f32::to_bits).collect())
    }

    #[test]
    fn a_mapped_bundle_is_the_bundle_in_every_bit() {
        let dir = tempfile::tempdir().unwrap();
        for (at, bundle) in bundles().into_iter().enumerate() {
            let folder = dir.path().join(at.to_string());
            bundle.save_in_index(&folder, OnExisting::Refuse).unwrap();
            let mapped = Bundle::open(&folder).unwrap();
            assert_eq!(format!("{:?}", mapped.known), "Known(mapped: true)");
            assert_eq!(used(&mapped).unwrap(), used(&bundle).unwrap());
            assert_eq!(
                (mapped.score(), mapped.space(), mapped.model()),
                (bundle.score(), bundle.space(), bundle.model())
            );
            assert_eq!(mapped, bundle);
            assert_eq!(Bundle::load(&folder).unwrap(), bundle);
            Bundle::verify(&folder).unwrap();
            mapped.check().unwrap();
            // What comes of it is no longer in the file.
            let rare = mapped.with_prior(0.01).unwrap();
            assert_eq!(rare, bundle.with_prior(0.01).unwrap());
            assert_eq!(format!("{:?}", rare.known), "Known(mapped: false)");
            // A copy of the two files alone is a bundle, and gets its checksums back.
            fs::remove_file(folder.join(CHECKS)).unwrap();
            assert_eq!(format!("{:?}", Bundle::open(&folder).unwrap().known), "Known(mapped: false)");
            // By another build.
            let config = fs::read_to_string(folder.join(CONFIG)).unwrap() + "\n";
            fs::write(folder.join(CONFIG), config).unwrap();
            Bundle::add_checks(&folder).unwrap();
            Bundle::add_checks(&folder).unwrap();
            Bundle::verify(&folder).unwrap();
            assert_eq!(format!("{:?}", Bundle::open(&folder).unwrap().known), "Known(mapped: true)");
            assert_eq!(fs::read_dir(&folder).unwrap().count(), 3);
        }
    }

    #[test]
    fn every_flipped_byte_is_told_before_it_is_used() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("bundle");
        for bundle in bundles() {
            bundle.save_in_index(&folder, OnExisting::Replace).unwrap();
            let good = used(&bundle).unwrap();
            for name in [CONFIG, TENSORS, CHECKS] {
                let file = folder.join(name);
                let bytes = fs::read(&file).unwrap();
                // Every byte of the small files takes long in a debugging build.
                let step = if name == TENSORS { 37 } else { 5 };
                for at in (0..bytes.len()).step_by(step) {
                    let mut bad = bytes.clone();
                    bad[at] ^= 1 << (at % 8);
                    // Not in place: the file may be mapped.
                    fs::remove_file(&file).unwrap();
                    fs::write(&file, &bad).unwrap();
                    let opened = Bundle::open(&folder);
                    let found =
                        opened.as_ref().map_err(Error::code).and_then(|b| used(b).map_err(|e| e.code()));
                    match found {
                        Ok(same) => assert_eq!(same, good, "{name}, byte {at}"),
                        Err(code) => assert!(
                            matches!(code, ErrorCode::Damaged | ErrorCode::UnsupportedVersion),
                            "{name}, byte {at}: {code:?}"
                        ),
                    }
                    let whole = opened.and_then(|bundle| bundle.check());
                    assert!(whole.is_err() || name == CHECKS, "{name}, byte {at}");
                    assert!(Bundle::verify(&folder).is_err(), "{name}, byte {at}");
                }
                fs::remove_file(&file).unwrap();
                fs::write(&file, &bytes).unwrap();
            }
            let cut = fs::read(folder.join(TENSORS)).unwrap();
            for length in [0, 7, cut.len() / 2, cut.len() - 1] {
                fs::remove_file(folder.join(TENSORS)).unwrap();
                fs::write(folder.join(TENSORS), &cut[..length]).unwrap();
                assert_eq!(Bundle::open(&folder).unwrap_err().code(), ErrorCode::Damaged, "{length}");
            }
            fs::remove_file(folder.join(TENSORS)).unwrap();
            assert_eq!(Bundle::open(&folder).unwrap_err().code(), ErrorCode::NotFound);
        }
    }

    #[test]
    fn damage_gets_no_new_checksum() {
        let dir = tempfile::tempdir().unwrap();
        let (one, two) = (dir.path().join("one"), dir.path().join("two"));
        let [_, _, bundle] = bundles();
        bundle.save_in_index(&one, OnExisting::Refuse).unwrap();
        let mut bytes = fs::read(one.join(TENSORS)).unwrap();
        let last = bytes.len() - 3;
        bytes[last] ^= 1;
        fs::remove_file(one.join(TENSORS)).unwrap();
        fs::write(one.join(TENSORS), bytes).unwrap();
        let mapped = Bundle::open(&one).unwrap();
        // The samples alone, which no query reads.
        assert_eq!(used(&mapped).unwrap(), used(&bundle).unwrap());
        let refused = |result: Result<()>| {
            let error = result.unwrap_err();
            assert_eq!(error.code(), ErrorCode::Damaged);
            assert_eq!(error.facts().file.as_deref(), Some(one.join(TENSORS).as_path()), "{error}");
        };
        refused(mapped.save(&two));
        refused(mapped.save_in_index(&two, OnExisting::Refuse));
        refused(mapped.with_prior(0.01).map(drop));
        assert!(!two.exists());
    }
}
