//! Sample queries: shared vectors of train rows and of means of some, to measure what a search over rows of this model must look at.

use std::path::Path;

use half::f16;

use super::Bundle;
use super::tensors::{Named, Reader};
use crate::error::{Error, ErrorCode, Result};
use crate::limits::{self, BUNDLE_SAMPLES};
use crate::model::floats::Narrow;

impl Bundle {
    /// Sample queries of a media type: shared vectors `[q, d]` of train rows and of means of a few, row-major, rounded to f16 as rows of an index are;
    /// empty where the bundle has none.
    ///
    /// They serve to measure how many rows an approximate search must visit. Training draws up to 256 distinct rows of each
    /// media type and never test rows; they are a part of the `model` fingerprint and not of `space`.
    ///
    /// # Panics
    /// When `media` does not exist.
    pub fn samples(&self, media: usize) -> &[f32] {
        &self.samples[media]
    }

    /// The same model with these sample queries, shared vectors `[q, d]` of each media type, in place of those that it has.
    ///
    /// They are rounded to f16. Only the `model` fingerprint changes, so an index can be attached to the result without a rebuild.
    ///
    /// # Errors
    /// [`ErrorCode::BadDimension`] for another number of media types or vectors of another length, [`ErrorCode::TooLarge`] above
    /// [`BUNDLE_SAMPLES`] of a media type, [`ErrorCode::NotFinite`] for what is no number, or none of f16.
    pub fn with_samples(&self, samples: Vec<Vec<f32>>) -> Result<Bundle> {
        self.check()?;
        let mut bundle = self.clone();
        bundle.set_samples(samples)?;
        Ok(bundle.sealed())
    }

    /// The same in place; the fingerprints are as before.
    pub(crate) fn set_samples(&mut self, mut samples: Vec<Vec<f32>>) -> Result<()> {
        let d = self.dim();
        let of = |m: usize| format!("the sample queries of `{}`", self.media[m].name);
        if samples.len() != self.media.len() {
            let what = "the sample queries are of another number of media types than the bundle's";
            return Err(Error::new(ErrorCode::BadDimension, what)
                .expected(self.media.len())
                .got(samples.len()));
        }
        for (m, samples) in samples.iter_mut().enumerate() {
            if !samples.len().is_multiple_of(d) {
                let what = format!("{} are no whole shared vectors", of(m));
                return Err(Error::new(ErrorCode::BadDimension, what)
                    .expected(format!("a multiple of {d} elements"))
                    .got(samples.len()));
            }
            check_count(samples.len() / d)?;
            samples.iter_mut().for_each(|x| *x = f16::from_f32(*x).to_f32());
            if let Some(at) = samples.iter().position(|x| !x.is_finite()) {
                let what = format!("row {} of {} holds no number of f16 in column {}", at / d, of(m), at % d);
                return Err(Error::new(ErrorCode::NotFinite, what).expected("finite numbers"));
            }
        }
        self.samples = samples.into_iter().map(Narrow::from).collect();
        Ok(())
    }

    /// Their tensors, of the media types that have some.
    pub(super) fn sample_tensors(&self) -> impl Iterator<Item = Named<'_>> {
        let d = self.dim();
        let all = self.samples.iter().enumerate().filter(|(_, samples)| !samples.is_empty());
        all.map(move |(m, samples)| Named::new(name(m), &[samples.len() / d, d], samples, false).narrow())
    }
}

/// Those of a file, `[q, d]` of each media type: optional, since bundles of before have none.
pub(super) fn read(file: &Path, reader: &mut Reader<'_>, media: usize, d: usize) -> Result<Vec<Narrow>> {
    let mut samples = vec![Narrow::default(); media];
    for (m, samples) in samples.iter_mut().enumerate() {
        let name = name(m);
        if !reader.has(&name) {
            continue;
        }
        let rows = reader.rows(&name)?;
        check_count(rows).map_err(|error| error.file(file).hint("copy or train the bundle again"))?;
        *samples = reader.leave_narrow(&name, &[rows, d])?;
        if samples.is_empty() {
            let what = format!("tensor `{name}` has no rows: a media type without sample queries has none");
            return Err(Error::new(ErrorCode::Damaged, what).file(file));
        }
    }
    Ok(samples)
}

fn name(media: usize) -> String {
    format!("sample.{media}")
}

fn check_count(rows: usize) -> Result<()> {
    if rows > BUNDLE_SAMPLES {
        let what = "a media type of the bundle has too many sample queries";
        return Err(limits::over(what, BUNDLE_SAMPLES, rows, "sample queries"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::model::OnExisting;
    use crate::model::bundle::tensors::to_bytes;

    const D: usize = 6;

    fn plain() -> Bundle {
        Bundle::random(&[("image", 3), ("text", 2)], D, 4, 2, 9)
    }

    fn wave(rows: usize) -> Vec<f32> {
        (0..rows * D).map(|i| (i as f32 * 0.37).sin()).collect()
    }

    fn sampled() -> Bundle {
        plain().with_samples(vec![wave(5), wave(2)]).unwrap()
    }

    fn code<T>(result: Result<T>) -> ErrorCode {
        result.err().unwrap().code()
    }

    #[test]
    fn they_are_rounded_and_enter_the_model_alone() {
        let (plain, bundle) = (plain(), sampled());
        assert_eq!((plain.samples(0), plain.samples(1)), (&[][..], &[][..]));
        let rounded: Vec<f32> = wave(5).iter().map(|x| f16::from_f32(*x).to_f32()).collect();
        assert_eq!(bundle.samples(0), rounded);
        assert_eq!(bundle.samples(1), &rounded[..2 * D]);
        assert_eq!(bundle.space(), plain.space());
        assert_ne!(bundle.model(), plain.model());
        assert_eq!((plain.version(), bundle.version()), (0, 1));
        let mut other = rounded;
        other[7] += 0.25;
        let other = plain.with_samples(vec![other, wave(2)]).unwrap();
        assert_ne!(other.model(), bundle.model());
        assert_eq!(other.space(), bundle.space());
        assert_eq!(bundle.with_samples(vec![Vec::new(); 2]).unwrap(), plain, "none are as before");
        assert_eq!(bundle.with_prior(0.01).unwrap().samples(0), bundle.samples(0));
        let features = [0.3, -0.2, 0.9];
        assert_eq!(bundle.project(0, &features).unwrap(), plain.project(0, &features).unwrap());
    }

    #[test]
    fn they_survive_the_disk_byte_for_byte() {
        let dir = tempfile::tempdir().unwrap();
        let some = plain().with_samples(vec![Vec::new(), wave(3)]).unwrap();
        let hubs = sampled().with_random_hubs(5, 3);
        for (at, bundle) in [sampled(), some, hubs].into_iter().enumerate() {
            let (one, two) = (dir.path().join(format!("{at}-one")), dir.path().join(format!("{at}-two")));
            bundle.save(&one).unwrap();
            let loaded = Bundle::load(&one).unwrap();
            assert_eq!(loaded, bundle);
            loaded.save(&two).unwrap();
            for name in Bundle::FILES {
                assert_eq!(fs::read(one.join(name)).unwrap(), fs::read(two.join(name)).unwrap(), "{name}");
            }
            let config = fs::read_to_string(one.join("config.json")).unwrap();
            assert!(config.contains("\"version\": 1") && !config.contains("sample"), "{config}");
        }
        let (names, narrow): (Vec<String>, Vec<bool>) =
            sampled().sample_tensors().map(|tensor| (tensor.name.clone(), tensor.narrow)).unzip();
        assert_eq!((names, narrow), (vec!["sample.0".to_owned(), "sample.1".to_owned()], vec![true; 2]));
        assert_eq!(plain().sample_tensors().count(), 0);
    }

    #[test]
    fn files_whose_samples_do_not_fit_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let out = dir.path().join("bundle");
        let load = |change: &dyn Fn(&mut Vec<Named<'_>>)| {
            let bundle = sampled();
            bundle.save_as(&out, OnExisting::Replace).unwrap();
            let mut tensors = bundle.tensors();
            change(&mut tensors);
            fs::write(out.join("model.safetensors"), to_bytes(&tensors).unwrap()).unwrap();
            Bundle::load(&out).map_err(|error| (error.code(), error.to_string()))
        };
        assert_eq!(load(&|_| ()).unwrap(), sampled());
        let at = |tensors: &[Named<'_>], name: &str| tensors.iter().position(|t| t.name == name).unwrap();
        let refused = |what: &str, change: &dyn Fn(&mut Named<'static>)| {
            let data: &'static [f32] = Box::leak(wave(5).into_boxed_slice());
            let (code, said) = load(&|tensors| {
                let mut bad = Named::new("sample.0".into(), &[5, D], data, false).narrow();
                change(&mut bad);
                let at = at(tensors, "sample.0");
                tensors[at] = bad;
            })
            .unwrap_err();
            assert!(code == ErrorCode::Damaged && said.contains(what), "{said}");
        };
        refused("`sample.0` has another shape or type", &|bad| bad.shape.reverse());
        refused("`sample.0` has another shape or type", &|bad| bad.shape = vec![5 * D]);
        refused("`sample.0` has another shape or type", &|bad| bad.narrow = false);
        refused("no rows", &|bad| (bad.shape, bad.data) = (vec![0, D], &[]));
        // Infinite in f16.
        refused("element 0 of tensor `sample.0` is not finite", &|bad| {
            bad.data = Box::leak(vec![1e9; 5 * D].into_boxed_slice());
        });
        refused("fingerprints differ", &|bad| {
            bad.data = Box::leak(vec![0.5; 5 * D].into_boxed_slice());
        });
        refused("do not belong to it", &|bad| bad.name = "sample.2".into());
        let gone = load(&|tensors| drop(tensors.remove(at(tensors, "sample.1"))));
        assert_eq!(gone.unwrap_err().0, ErrorCode::Damaged);
    }

    #[test]
    fn a_file_has_as_many_as_the_limit_says_and_no_more() {
        let dir = tempfile::tempdir().unwrap();
        let out = dir.path().join("bundle");
        let mut most = plain().with_samples(vec![vec![0.5; BUNDLE_SAMPLES * D], Vec::new()]).unwrap();
        most.save(&out).unwrap();
        assert_eq!(Bundle::load(&out).unwrap(), most);
        most.samples[0] = vec![0.5; (BUNDLE_SAMPLES + 1) * D].into();
        most.sealed().save_as(&out, OnExisting::Replace).unwrap();
        let error = Bundle::load(&out).unwrap_err();
        let facts = error.facts();
        assert!(facts.code == ErrorCode::TooLarge && facts.file.is_some() && facts.hint.is_some(), "{error}");
    }

    #[test]
    fn what_an_app_gives_is_checked() {
        let with = |samples: Vec<Vec<f32>>| code(plain().with_samples(samples));
        assert_eq!(with(vec![wave(1)]), ErrorCode::BadDimension);
        assert_eq!(with(vec![wave(1), vec![0.5; D + 1]]), ErrorCode::BadDimension);
        assert_eq!(with(vec![vec![0.5; (BUNDLE_SAMPLES + 1) * D], Vec::new()]), ErrorCode::TooLarge);
        for bad in [f32::NAN, f32::INFINITY, 1e9] {
            let mut samples = wave(2);
            samples[D + 1] = bad;
            let error = plain().with_samples(vec![Vec::new(), samples]).unwrap_err();
            assert_eq!(error.code(), ErrorCode::NotFinite);
            let said = error.to_string();
            assert!(said.contains("row 1") && said.contains("`text`") && said.contains("column 1"), "{said}");
        }
    }
}
