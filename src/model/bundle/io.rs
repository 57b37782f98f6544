//! A bundle on disk: a directory of `config.json` and `model.safetensors`.
//!
//! Both files are the same bytes for the same bundle: fixed order, no times. Reading checks both fingerprints, so a
//! changed byte is refused.

use std::fs;
use std::io::Write;
use std::path::Path;

use super::Bundle;
use super::assemble::assemble;
use super::checks::{CHECKS, Checks};
use super::stored::{Config, Fingerprints, Preamble, VERSIONS, damaged};
use super::tensors::to_bytes;
use crate::error::{Error, ErrorCode, Result};
use crate::hint::{Hint, Task};
use crate::limits::{self, BUNDLE_CONFIG_BYTES, BUNDLE_TENSOR_BYTES};

pub(super) const CONFIG: &str = "config.json";
pub(super) const TENSORS: &str = "model.safetensors";

/// What to do where the output exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnExisting {
    /// [`ErrorCode::Exists`].
    Refuse,
    /// Put the new bundle in its place.
    Replace,
}

impl Bundle {
    /// The files of its folder.
    pub(crate) const FILES: [&'static str; 2] = [CONFIG, TENSORS];
    /// The file beside them that the folder of a bundle has inside of an index.
    pub(crate) const CHECKS: &'static str = CHECKS;

    /// Writes the bundle to the new directory `dir`.
    ///
    /// # Errors
    /// [`ErrorCode::Exists`] where `dir` exists, [`ErrorCode::Io`].
    pub fn save(&self, dir: &Path) -> Result<()> {
        self.save_as(dir, OnExisting::Refuse)
    }

    /// Writes the bundle to `dir`: complete or not at all, by a directory beside it that is renamed at the end.
    ///
    /// # Errors
    /// [`ErrorCode::Exists`] where `dir` exists and `existing` refuses, or is no bundle; [`ErrorCode::Io`].
    pub fn save_as(&self, dir: &Path, existing: OnExisting) -> Result<()> {
        self.write(dir, existing, false)
    }

    /// The same into an index, with checksums of its parts beside it, see [`Bundle::open`].
    ///
    /// # Errors
    /// Those of [`Bundle::save_as`].
    pub(crate) fn save_in_index(&self, dir: &Path, existing: OnExisting) -> Result<()> {
        self.write(dir, existing, true)
    }

    /// Names and bytes of its files, with or without the checksums of an index.
    pub(super) fn files(&self, in_index: bool) -> Result<Vec<(&'static str, Vec<u8>)>> {
        // Else what was damaged would get a new checksum.
        self.check()?;
        let fingerprint = Some(Fingerprints { space: self.space, model: self.model });
        let mut config = serde_json::to_vec_pretty(&self.config(fingerprint))
            .map_err(|e| Error::new(ErrorCode::Io, e.to_string()).source(e))?;
        config.push(b'\n');
        let named = self.tensors();
        let tensors = to_bytes(&named)?;
        let checks = match in_index {
            true => Some((CHECKS, Checks::bytes(&config, &tensors, &named, self.score())?)),
            false => None,
        };
        Ok([(CONFIG, config), (TENSORS, tensors)].into_iter().chain(checks).collect())
    }

    fn write(&self, dir: &Path, existing: OnExisting, in_index: bool) -> Result<()> {
        let exists = fs::symlink_metadata(dir).is_ok();
        if exists && (existing == OnExisting::Refuse || !dir.join(CONFIG).is_file()) {
            return Err(Error::new(ErrorCode::Exists, "the output exists already")
                .file(dir)
                .hint("name another, or ask to replace a bundle"));
        }
        let parent = match dir.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        let files = self.files(in_index)?;
        fs::create_dir_all(parent).map_err(|e| Error::io(parent, e))?;
        let partial = under_construction(parent)?;
        for (name, bytes) in files {
            let path = partial.path().join(name);
            let write = || -> std::io::Result<()> {
                let mut file = fs::File::create(&path)?;
                file.write_all(&bytes)?;
                file.sync_all()
            };
            write().map_err(|e| Error::io(&path, e))?;
        }
        fs::File::open(partial.path())
            .and_then(|folder| folder.sync_all())
            .map_err(|e| Error::io(partial.path(), e))?;
        let old = if exists {
            let aside = tempfile::Builder::new()
                .prefix(".uncsm-old-")
                .tempdir_in(parent)
                .map_err(|e| Error::io(parent, e))?;
            fs::rename(dir, aside.path().join("bundle")).map_err(|e| Error::io(dir, e))?;
            Some(aside)
        } else {
            None
        };
        if let Err(source) = fs::rename(partial.path(), dir) {
            if let Some(aside) = &old {
                fs::rename(aside.path().join("bundle"), dir).map_err(|e| Error::io(dir, e))?;
            }
            return Err(Error::io(dir, source));
        }
        // Renamed away: nothing is left for the guard to remove.
        let _ = partial.keep();
        fs::File::open(parent).and_then(|parent| parent.sync_all()).map_err(|e| Error::io(parent, e))
    }

    /// Reads a bundle and checks it against its fingerprints.
    ///
    /// # Errors
    /// [`ErrorCode::NotFound`], [`ErrorCode::UnsupportedVersion`], [`ErrorCode::Damaged`] for anything that is not
    /// byte for byte what was saved.
    pub fn load(dir: &Path) -> Result<Bundle> {
        let config_file = dir.join(CONFIG);
        let config = parsed(&config_file, &config_bytes(&config_file)?)?;
        let tensor_file = dir.join(TENSORS);
        let bytes = limits::read_file(&tensor_file, BUNDLE_TENSOR_BYTES, "the file of the bundle's tensors")?;
        let bundle = assemble(&config_file, &tensor_file, config, &bytes, None)?;
        let (space, model) = bundle.fingerprints();
        if (space, model) != (bundle.space, bundle.model) {
            return Err(damaged(dir, "the bundle is not what was saved: its fingerprints differ")
                .expected(format!("model {}", bundle.model))
                .got(format!("model {model}"))
                .hint("copy or train it again"));
        }
        // The file holds nothing beyond the tensors that were read.
        if to_bytes(&bundle.tensors())? != bytes {
            return Err(damaged(&tensor_file, "the bytes are not those that were saved"));
        }
        Ok(bundle)
    }
}

/// The bytes of the configuration.
pub(super) fn config_bytes(file: &Path) -> Result<Vec<u8>> {
    let what = "the configuration of the bundle";
    limits::read_file(file, BUNDLE_CONFIG_BYTES, what).map_err(|error| match error.code() {
        ErrorCode::TooLarge => error.hint("copy or train the bundle again"),
        _ => error
            .expected("a bundle: a directory with config.json")
            .hint(Hint::new("make one with").task(Task::Train)),
    })
}

/// The configuration in the bytes of its file.
pub(super) fn parsed(file: &Path, text: &[u8]) -> Result<Config> {
    let bad = |e: serde_json::Error| damaged(file, e.to_string()).line(e.line() as u64).source(e);
    let head: Preamble = serde_json::from_slice(text).map_err(bad)?;
    if head.format.as_deref() != Some("uncsm-bundle") {
        return Err(
            damaged(file, "not the configuration of a bundle").expected("\"format\": \"uncsm-bundle\"")
        );
    }
    if let Some(version) =
        head.version.filter(|version| !VERSIONS.contains(&u32::try_from(*version).unwrap_or(u32::MAX)))
    {
        return Err(Error::new(ErrorCode::UnsupportedVersion, "a bundle of another version")
            .file(file)
            .expected(format!("{} to {}", VERSIONS.start(), VERSIONS.end()))
            .got(version)
            .hint("train it again, or use the program that wrote it"));
    }
    serde_json::from_slice(text).map_err(bad)
}

/// Writes a file whole or not at all, beside what reads it.
pub(super) fn write_whole(file: &Path, bytes: &[u8]) -> Result<()> {
    let failed = |error| Error::io(file, error);
    let mut builder = tempfile::Builder::new();
    builder.prefix(".uncsm-");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        builder.permissions(fs::Permissions::from_mode(0o666));
    }
    let mut whole = builder.tempfile_in(file.parent().unwrap_or(Path::new("."))).map_err(failed)?;
    whole.write_all(bytes).and_then(|()| whole.as_file().sync_all()).map_err(failed)?;
    whole.persist(file).map(drop).map_err(|error| failed(error.error))
}

/// A new folder in `parent`. Temporary ones are private, unless a mode is given: a bundle is as readable as any folder that the
/// user makes.
fn under_construction(parent: &Path) -> Result<tempfile::TempDir> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(".uncsm-bundle-");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        builder.permissions(fs::Permissions::from_mode(0o777));
    }
    builder.tempdir_in(parent).map_err(|e| Error::io(parent, e))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::fusion::{FusionCounts, FusionLayer};
    use crate::model::metric::Target;

    fn bundle() -> Bundle {
        Bundle::random(&[("image", 3), ("text", 2)], 6, 4, 2, 9)
    }

    fn fused() -> Bundle {
        let counts = FusionCounts { lines: 31, positives: 40, negatives: 977 };
        let weights = [0.625, 0.0, 1.0 / 3.0, 0.171_875, 2.0];
        bundle().with_fusion(FusionLayer::new(Target::Pair, weights, -4.7, counts).unwrap()).unwrap()
    }

    fn hubbed() -> Bundle {
        Bundle::random(&[("image", 3), ("text", 2), ("sound", 4)], 6, 4, 2, 9).with_random_hubs(5, 3)
    }

    #[test]
    fn save_and_load_give_the_same_bundle_and_bytes() {
        let mut some = hubbed();
        some.metric.hubs.anchors[1].own().clear();
        for head in some.metric.heads.iter_mut().filter(|head| head.a == 1 || head.b == 1) {
            head.hub = 0.0;
        }
        for bundle in [bundle(), fused(), hubbed(), some.sealed(), bundle().with_random_skip(5)] {
            let dir = tempfile::tempdir().unwrap();
            let one = dir.path().join("one");
            bundle.save(&one).unwrap();
            let loaded = Bundle::load(&one).unwrap();
            assert_eq!(loaded, bundle);
            let two = dir.path().join("two");
            loaded.save(&two).unwrap();
            for name in [CONFIG, TENSORS] {
                assert_eq!(fs::read(one.join(name)).unwrap(), fs::read(two.join(name)).unwrap(), "{name}");
            }
            assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2, "nothing is left behind");
        }
    }

    #[test]
    fn a_bundle_without_a_fusion_is_what_it_was_before_there_were_any() {
        let dir = tempfile::tempdir().unwrap();
        let out = dir.path().join("bundle");
        bundle().save(&out).unwrap();
        let text = fs::read_to_string(out.join(CONFIG)).unwrap();
        assert!(!text.contains("fusion") && text.contains("calibration"), "{text}");
        // Of the program before it knew fusions.
        assert_eq!(
            bundle().space().to_string(),
            "9cb764bdc7439f335bccff71895cb8b6ca66a723fa48be3937bf8c6b07d0052a"
        );
        assert_eq!(
            bundle().model().to_string(),
            "a6ae12d1531444a2435f21a394b8de7efcd3bd4bf1634b093b06db61543c11f5"
        );
    }

    #[test]
    fn a_fusion_that_is_none_of_this_bundle_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let out = dir.path().join("bundle");
        fused().save(&out).unwrap();
        let file = out.join(CONFIG);
        let good = fs::read_to_string(&file).unwrap();
        let (before, fusion) = good.split_once("\"fusion\"").unwrap();
        for (from, to) in [
            ("0.625", "0.5"),
            ("0.625", "-0.625"),
            ("0.625", "1e300"),
            ("0.625,", ""),
            ("-4.7", "null"),
            ("977", "978"),
            ("\"pair\"", "\"class\""),
            ("\"pair\"", "\"both\""),
            ("\"bias\"", "\"base\""),
        ] {
            let bad = fusion.replacen(from, to, 1);
            assert_ne!(bad, fusion, "{from}");
            fs::write(&file, format!("{before}\"fusion\"{bad}")).unwrap();
            assert_eq!(Bundle::load(&out).unwrap_err().code(), ErrorCode::Damaged, "{from} {to}");
        }
        // Sealed by hand, with a target that the heads do not have.
        let alone = Bundle::random(&[("image", 3)], 6, 4, 0, 9);
        let layer = FusionLayer::new(
            Target::Class,
            [1.0; 5],
            0.0,
            FusionCounts { lines: 5, positives: 5, negatives: 5 },
        );
        let foreign = Bundle { fusion: Some(layer.unwrap()), ..alone }.sealed();
        foreign.save_as(&out, OnExisting::Replace).unwrap();
        let error = Bundle::load(&out).unwrap_err();
        assert!(error.code() == ErrorCode::Damaged && error.to_string().contains("fusion"), "{error}");
    }

    #[test]
    fn existing_output_is_refused_or_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let out = dir.path().join("bundle");
        bundle().save(&out).unwrap();
        assert_eq!(bundle().save(&out).unwrap_err().code(), ErrorCode::Exists);
        let other = Bundle::random(&[("a", 3)], 6, 4, 0, 1);
        other.save_as(&out, OnExisting::Replace).unwrap();
        assert_eq!(Bundle::load(&out).unwrap().model(), other.model());
        let foreign = dir.path().join("foreign");
        fs::create_dir(&foreign).unwrap();
        assert_eq!(other.save_as(&foreign, OnExisting::Replace).unwrap_err().code(), ErrorCode::Exists);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2);
    }

    #[test]
    fn hub_terms_make_version_1_and_stand_in_both_files() {
        let dir = tempfile::tempdir().unwrap();
        let out = dir.path().join("bundle");
        let text = |bundle: &Bundle| {
            bundle.save_as(&out, OnExisting::Replace).unwrap();
            fs::read_to_string(out.join(CONFIG)).unwrap()
        };
        let plain = text(&bundle());
        assert!(plain.contains("\"version\": 0") && !plain.contains("hub"), "{plain}");
        assert!(bundle().tensors().iter().all(|tensor| !tensor.name.contains("hub")));
        let good = text(&hubbed());
        assert!(good.contains("\"version\": 1") && good.contains("\"hub_temperature\": 0.15"), "{good}");
        let hubbed = hubbed();
        let tensors = hubbed.tensors();
        let names: Vec<&str> =
            tensors.iter().map(|tensor| tensor.name.as_str()).filter(|name| name.contains("hub")).collect();
        let of_heads = ["class", "pair"]
            .map(|target| ["0.1", "0.2", "1.2"].map(|pair| format!("metric.{target}.{pair}.hub")).to_vec());
        let anchors = (0..3).map(|m| format!("metric.hub.{m}"));
        assert_eq!(names, anchors.chain(of_heads.concat()).collect::<Vec<_>>());
        for (from, to) in [
            ("\"version\": 1", "\"version\": 0"),
            ("0.15", "0.25"),
            ("0.15", "0.0"),
            ("0.15", "-0.15"),
            ("0.15", "1e300"),
            ("0.15", "null"),
            ("\"hub_temperature\": 0.15,", ""),
        ] {
            let bad = good.replacen(from, to, 1);
            assert_ne!(bad, good, "{from}");
            fs::write(out.join(CONFIG), &bad).unwrap();
            assert_eq!(Bundle::load(&out).unwrap_err().code(), ErrorCode::Damaged, "{from} {to}");
        }
        // A version that has more than the parts of its bundle.
        fs::write(out.join(CONFIG), plain.replacen("\"version\": 0", "\"version\": 1", 1)).unwrap();
        fs::write(out.join(TENSORS), to_bytes(&bundle().tensors()).unwrap()).unwrap();
        assert_eq!(Bundle::load(&out).unwrap_err().code(), ErrorCode::Damaged);
    }

    #[test]
    fn a_skip_makes_version_1_and_another_space() {
        let dir = tempfile::tempdir().unwrap();
        let out = dir.path().join("bundle");
        let (plain, skipped) = (bundle(), bundle().with_random_skip(5));
        assert_ne!(plain.space(), skipped.space());
        assert!(plain.tensors().iter().all(|tensor| !tensor.name.contains("skip")));
        skipped.save(&out).unwrap();
        let text = fs::read_to_string(out.join(CONFIG)).unwrap();
        assert!(text.contains("\"version\": 1"), "{text}");
        fs::write(out.join(CONFIG), text.replacen("\"version\": 1", "\"version\": 0", 1)).unwrap();
        assert_eq!(Bundle::load(&out).unwrap_err().code(), ErrorCode::Damaged);
        fs::write(out.join(CONFIG), text).unwrap();
        assert_eq!(Bundle::load(&out).unwrap(), skipped);
        let mut tensors = skipped.tensors();
        let skip = tensors.iter_mut().find(|tensor| tensor.name == "pathway.0.skip.weight").unwrap();
        skip.shape.reverse();
        fs::write(out.join(TENSORS), to_bytes(&tensors).unwrap()).unwrap();
        assert_eq!(Bundle::load(&out).unwrap_err().code(), ErrorCode::Damaged);
    }

    #[test]
    fn hub_terms_that_do_not_fit_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let out = dir.path().join("bundle");
        let code = |change: &dyn Fn(&mut Bundle)| {
            let mut bundle = hubbed();
            change(&mut bundle);
            bundle.sealed().save_as(&out, OnExisting::Replace).unwrap();
            Bundle::load(&out).map(drop).map_err(|error| error.code())
        };
        assert_eq!(code(&|_| ()), Ok(()));
        let most = limits::HUB_ANCHORS;
        let resize = |count: usize| {
            move |bundle: &mut Bundle| bundle.metric.hubs.anchors[0].own().resize(count * 4, 0.5)
        };
        assert_eq!(code(&resize(most)), Ok(()));
        assert_eq!(code(&resize(most + 1)), Err(ErrorCode::TooLarge));
        assert_eq!(code(&|bundle| bundle.metric.hubs.anchors[2][3] = f32::NAN), Err(ErrorCode::Damaged));
        assert_eq!(code(&|bundle| bundle.metric.heads[1].hub = f32::INFINITY), Err(ErrorCode::Damaged));
        // Weighed, with nothing to weigh.
        assert_eq!(code(&|bundle| bundle.metric.hubs.anchors[2].own().clear()), Err(ErrorCode::Damaged));
    }

    #[test]
    fn every_flipped_byte_of_the_tensors_is_refused() {
        for bundle in [bundle(), bundle().with_random_hubs(2, 3)] {
            flipped_tensors_are_refused(&bundle);
        }
    }

    fn flipped_tensors_are_refused(bundle: &Bundle) {
        let dir = tempfile::tempdir().unwrap();
        let out = dir.path().join("bundle");
        bundle.save(&out).unwrap();
        let file = out.join(TENSORS);
        let good = fs::read(&file).unwrap();
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 1;
            fs::write(&file, &bad).unwrap();
            let code = Bundle::load(&out).map(|_| at).unwrap_err().code();
            assert_eq!(code, ErrorCode::Damaged, "byte {at}");
        }
        fs::write(&file, &good[..good.len() - 4]).unwrap();
        assert_eq!(Bundle::load(&out).unwrap_err().code(), ErrorCode::Damaged);
        fs::remove_file(&file).unwrap();
        assert_eq!(Bundle::load(&out).unwrap_err().code(), ErrorCode::NotFound);
    }

    #[test]
    fn every_flipped_byte_of_the_configuration_is_refused_or_reads_equal() {
        let dir = tempfile::tempdir().unwrap();
        let out = dir.path().join("bundle");
        let file = out.join(CONFIG);
        let flipped = |bundle: &Bundle, key: &str, most: usize| {
            bundle.save_as(&out, OnExisting::Replace).unwrap();
            let good = fs::read(&file).unwrap();
            let start = String::from_utf8(good.clone()).unwrap().find(key).unwrap();
            for at in start..good.len().min(start.saturating_add(most)) {
                for bit in [1u8, 4, 16] {
                    let mut bad = good.clone();
                    bad[at] ^= bit;
                    fs::write(&file, &bad).unwrap();
                    if let Ok(read) = Bundle::load(&out) {
                        assert_eq!(read, *bundle, "byte {at}");
                    }
                }
            }
            good
        };
        flipped(&fused(), "\"fusion\"", usize::MAX);
        flipped(&hubbed(), "\"hub_temperature\"", 30);
        let good = flipped(&bundle(), "{", usize::MAX);
        let text = String::from_utf8(good).unwrap();
        fs::write(&file, text.replace("\"version\": 0", "\"version\": 7")).unwrap();
        assert_eq!(Bundle::load(&out).unwrap_err().code(), ErrorCode::UnsupportedVersion);
        fs::write(&file, text.replace("\"text\"", "\"test\"")).unwrap();
        assert_eq!(Bundle::load(&out).unwrap_err().code(), ErrorCode::Damaged);
        fs::write(&file, "[").unwrap();
        assert_eq!(Bundle::load(&out).unwrap_err().code(), ErrorCode::Damaged);
    }
}
