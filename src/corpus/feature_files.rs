//! Features in several files, one after the other: the rows of the first, then those of the second.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use super::features::FeaturesFile;
use super::pathway::PathwayArg;
use super::reader::glob;
use super::tensor::OwnedTensor;
use crate::error::{Error, ErrorCode, Result};
use crate::limits::{self, SOURCE_ROOTS};

/// What the files of a folder are called that are taken.
const EXTENSION: &str = "safetensors";

/// Open features files whose rows are numbered on; row i of every tensor is one document.
#[derive(Debug, Clone)]
pub struct FeatureFiles {
    /// At least one.
    files: Vec<Arc<FeaturesFile>>,
}

/// The rows `[n, d]` of a tensor in all files, read one by one.
///
/// Whoever learns or measures reads them in many places, so what went wrong is kept until it is asked for: [`StoredRows::check`].
#[derive(Debug)]
pub(crate) struct StoredRows {
    tensors: Vec<OwnedTensor>,
    /// The number after the last row of each tensor.
    ends: Vec<usize>,
    /// Why a row could not be read, first.
    fault: OnceLock<Error>,
}

/// The class of each row `[n]`, and the names of the classes where the files have such.
type Classes = (Vec<Option<u32>>, Option<Vec<String>>);

/// As [`FeatureSet`](super::FeatureSet), of all files.
pub(crate) struct FilesSet {
    pub(crate) pathways: Vec<StoredRows>,
    pub(crate) classes: Option<Classes>,
    pub(crate) groups: Option<Vec<i64>>,
    pub(crate) test: Option<Vec<bool>>,
    pub(crate) rows: usize,
}

impl FeatureFiles {
    /// Opens what `paths` name: files, folders and patterns, these in order of name (bytes). Of a folder the files that end in `.safetensors`
    /// are taken. A file that is changed while it is open is an error where its rows are read.
    ///
    /// Cost: reads the headers alone.
    ///
    /// # Errors
    /// Those of [`FeaturesFile::open`]; [`ErrorCode::NotFound`] for a folder or pattern without such files; [`ErrorCode::BadArgument`]
    /// without a path, and for a file that is named twice; [`ErrorCode::TooLarge`] for too many files.
    pub fn open(paths: &[PathBuf]) -> Result<Self> {
        let mut found = Vec::new();
        for path in paths {
            match glob::is_pattern(path) {
                true => found.extend(glob::expand(path)?),
                false if path.is_dir() => found.extend(of_folder(path)?),
                false => found.push(path.clone()),
            }
        }
        if found.is_empty() {
            return Err(Error::new(ErrorCode::BadArgument, "no features file is named"));
        }
        if found.len() > SOURCE_ROOTS {
            return Err(limits::over(
                "there are too many features files",
                SOURCE_ROOTS,
                found.len(),
                "files",
            ));
        }
        let mut real = BTreeSet::new();
        for path in &found {
            if !real.insert(fs::canonicalize(path).unwrap_or_else(|_| path.clone())) {
                return Err(Error::new(ErrorCode::BadArgument, "a features file is named twice")
                    .file(path)
                    .hint("name each file once"));
            }
        }
        let files = found.iter().map(|path| FeaturesFile::open(path).map(Arc::new));
        Ok(Self { files: files.collect::<Result<_>>()? })
    }

    /// The files in their order, at least one.
    pub fn files(&self) -> impl ExactSizeIterator<Item = &FeaturesFile> {
        self.files.iter().map(Arc::as_ref)
    }

    /// The first file.
    pub(crate) fn first(&self) -> &FeaturesFile {
        &self.files[0]
    }

    /// The tensors of the pathways, labels, groups and mask of all files.
    ///
    /// # Errors
    /// Those of [`FeaturesFile::select`] for each file; [`ErrorCode::BadDimension`] and [`ErrorCode::BadValue`] for a tensor of another width or
    /// type than in the first; [`ErrorCode::Exists`] for a file with the rows of another; [`ErrorCode::BadValue`] where some alone name their classes.
    pub(crate) fn select(
        &self,
        pathways: &[PathwayArg],
        label: Option<&str>,
        test_mask: Option<&str>,
        group: Option<&str>,
    ) -> Result<FilesSet> {
        let mut rows = 0;
        let (mut test, mut groups) = (test_mask.map(|_| Vec::new()), group.map(|_| Vec::new()));
        for file in &self.files {
            // Classes are read below, once all names are known.
            let set = file.select(pathways, label, test_mask)?;
            rows += set.rows;
            if let (Some(all), Some(test)) = (&mut test, set.test) {
                all.extend(test);
            }
            if let Some(groups) = &mut groups {
                groups.extend(file.select(pathways, group, None)?.labels.unwrap_or_default());
            }
        }
        let stored = pathways.iter().map(|pathway| StoredRows::new(&self.files, &pathway.tensor));
        let pathways = stored.collect::<Result<Vec<_>>>()?;
        check_copies(&pathways)?;
        let classes = label.map(|name| self.classes(name)).transpose()?;
        Ok(FilesSet { pathways, classes, groups, test, rows })
    }

    /// The classes of all rows and their names: where the names of files differ, all of them in order.
    fn classes(&self, label: &str) -> Result<Classes> {
        let names = self.files().map(FeaturesFile::class_names).collect::<Result<Vec<_>>>()?;
        let mut all = Vec::new();
        if names.iter().all(|other| *other == names[0]) {
            for file in self.files() {
                each_class(file, label, &mut |class| {
                    all.push(class);
                    true
                })?;
            }
            return Ok((all, names.into_iter().next().flatten()));
        }
        let mut known = BTreeSet::new();
        for (file, names) in self.files().zip(&names) {
            let Some(names) = names else {
                let what = "the classes of a features file have no names, and those of others have some";
                return Err(Error::new(ErrorCode::BadValue, what)
                    .file(file.path())
                    .expected("the metadata key `classes` in every file, or in none")
                    .hint("write all files by the same program"));
            };
            known.extend(names);
        }
        let known: Vec<String> = known.into_iter().cloned().collect();
        for (file, names) in self.files().zip(&names) {
            let names = names.as_deref().unwrap_or_default();
            let number = |class: u32| known.binary_search(names.get(class as usize)?).ok();
            each_class(file, label, &mut |class| {
                let class = class.map(number);
                all.push(class.flatten().map(|at| at as u32));
                class != Some(None)
            })?;
        }
        Ok((all, Some(known)))
    }
}

/// Gives `hear` the class of each row, which says whether there is such a class.
///
/// # Errors
/// [`ErrorCode::BadValue`], with the row, for one that there is not, or that no class can be; those of [`FeaturesFile::labels`].
fn each_class(file: &FeaturesFile, label: &str, hear: &mut dyn FnMut(Option<u32>) -> bool) -> Result<()> {
    for (row, value) in file.labels(label)?.into_iter().enumerate() {
        let class = u32::try_from(value).ok();
        if !(value < 0 || class.is_some()) || !hear(class) {
            return Err(Error::new(
                ErrorCode::BadValue,
                format!("row {row} of tensor `{label}` is no class"),
            )
            .file(file.path())
            .expected("a number from 0 to the number of classes, or a negative one for none")
            .got(value));
        }
    }
    Ok(())
}

/// The features files of a folder, in order of name.
fn of_folder(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).map_err(|error| Error::io(folder, error))? {
        let path = entry.map_err(|error| Error::io(folder, error))?.path();
        let hidden = path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
        if !hidden && path.extension().is_some_and(|extension| extension == EXTENSION) {
            found.push(path);
        }
    }
    found.sort();
    match found.is_empty() {
        false => Ok(found),
        true => Err(Error::new(ErrorCode::NotFound, "the folder has no features file")
            .file(folder)
            .expected(format!("files that end in .{EXTENSION}"))),
    }
}

/// First bytes of a tensor by which most files are told from each other.
const START: usize = 64;

/// Refuses a file that has the rows of one before: a copy would be learned from twice, and validated on.
fn check_copies(pathways: &[StoredRows]) -> Result<()> {
    let files = pathways.first().map_or(0, |stored| stored.tensors.len());
    let start = |at: usize| pathways.iter().map(|stored| stored.tensors[at].start(START)).collect();
    let starts = (0..files).map(start).collect::<Result<Vec<Vec<Vec<u8>>>>>()?;
    for at in 1..files {
        for before in (0..at).filter(|before| starts[*before] == starts[at]) {
            let mut same = true;
            for stored in pathways {
                same = same && stored.tensors[before].equals(&stored.tensors[at])?;
            }
            if same {
                let of = |at: usize| pathways[0].tensors[at].file();
                return Err(Error::new(ErrorCode::Exists, "a features file has the rows of another")
                    .file(of(at))
                    .expected(format!("other rows than {}", of(before).display()))
                    .hint("leave one of them out"));
            }
        }
    }
    Ok(())
}

impl StoredRows {
    fn new(files: &[Arc<FeaturesFile>], name: &str) -> Result<Self> {
        let tensors =
            files.iter().map(|file| OwnedTensor::new(file, name)).collect::<Result<Vec<OwnedTensor>>>()?;
        let mut ends = Vec::with_capacity(tensors.len());
        let first = &tensors[0];
        for tensor in &tensors {
            let differs = |code: ErrorCode, expected: String, got: String| {
                let what = format!("the tensor `{name}` is another one than in the first features file");
                Err(Error::new(code, what)
                    .file(tensor.file())
                    .expected(format!("{expected}, as in {}", first.file().display()))
                    .got(got)
                    .hint("give files that the same encoder made"))
            };
            let width = |tensor: &OwnedTensor| format!("{} features a row", tensor.cols);
            let kind = |tensor: &OwnedTensor| format!("{:?}", tensor.dtype());
            if tensor.cols != first.cols {
                return differs(ErrorCode::BadDimension, width(first), width(tensor));
            }
            if tensor.dtype() != first.dtype() {
                return differs(ErrorCode::BadValue, kind(first), kind(tensor));
            }
            ends.push(ends.last().unwrap_or(&0) + tensor.rows);
        }
        Ok(Self { tensors, ends, fault: OnceLock::new() })
    }

    /// Rows of all files.
    pub(crate) fn rows(&self) -> usize {
        self.ends.last().copied().unwrap_or(0)
    }

    /// Features of a row.
    pub(crate) fn cols(&self) -> usize {
        self.tensors[0].cols
    }

    /// The tensor that has a row, and its number there.
    fn find(&self, row: usize) -> (&OwnedTensor, usize) {
        let at = self.ends.partition_point(|end| *end <= row);
        let before = if at == 0 { 0 } else { self.ends[at - 1] };
        (&self.tensors[at], row - before)
    }

    /// The file that has a row, and its number there.
    ///
    /// # Panics
    /// Where there is no such row.
    pub(crate) fn place(&self, row: usize) -> (&Path, usize) {
        let (tensor, row) = self.find(row);
        (tensor.file(), row)
    }

    /// Appends a row, numbers that are not finite too; zeros where it cannot be read, which [`StoredRows::check`] says. Cost: reads it alone.
    ///
    /// # Panics
    /// Where there is no such row.
    pub(crate) fn append(&self, row: usize, out: &mut Vec<f32>) {
        let (tensor, row) = self.find(row);
        let before = out.len();
        if let Err(error) = tensor.append(row, out) {
            out.truncate(before);
            out.resize(before + self.cols(), 0.0);
            // The first one counts.
            let _ = self.fault.set(error);
        }
    }

    /// Refuses what was read since the files were opened where a row could not be, or a file was changed.
    ///
    /// # Errors
    /// [`ErrorCode::Changed`]; [`ErrorCode::Io`].
    pub(crate) fn check(&self) -> Result<()> {
        match self.fault.get() {
            Some(error) => Err(error.clone()),
            None => self.tensors.iter().try_for_each(OwnedTensor::check),
        }
    }
}
