//! Training data as a features file, so that a corpus is encoded once and trained on many times.
//!
//! | tensor | shape and type | what |
//! |---|---|---|
//! | the name of each media type | `[n, d_in]` f32 | features |
//! | `label` | `[n]` i64 | class, -1 for none; where the data have labels |
//! | `is_test` | `[n]` u8 | 1 for rows marked `test` |
//! | `group` | `[n]` i64 | rows of equal value belong together; where the data have groups |
//!
//! The metadata key `classes` holds the names of the classes as a JSON list of strings, as
//! [`crate::corpus::FeaturesFile::class_names`] reads it. The same data give the same bytes.

use std::collections::BTreeMap;
use std::path::Path;

use safetensors::tensor::{Dtype, TensorView};

use super::rows::TrainingData;
use crate::corpus::Split;
use crate::error::{Error, ErrorCode, Result};

/// Tensors beside the features, which no media type may be called.
const LABEL: &str = "label";
const IS_TEST: &str = "is_test";
const GROUP: &str = "group";

/// What a features file has got.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WrittenFeatures {
    /// Rows in the file.
    pub rows: usize,
    /// Rows that lack an item of some media type, which a features file cannot say: they are not in it.
    pub left_out: usize,
    /// Elements of a row, by media type.
    pub features: BTreeMap<String, usize>,
}

/// Writes the rows of `data` that have an item of every media type to the new file `path`: whole or not at all.
///
/// A features file knows test rows and others: rows marked `val` become train rows. Cost: a copy of the features in memory.
///
/// # Errors
/// [`ErrorCode::Exists`] where `path` exists; [`ErrorCode::Empty`] where no row has an item of every media type;
/// [`ErrorCode::BadArgument`] for a media type called `label`, `is_test` or `group`; [`ErrorCode::NotFinite`];
/// [`ErrorCode::Io`].
pub fn write_features(data: &TrainingData, path: &Path) -> Result<WrittenFeatures> {
    data.check_shapes()?;
    check_absent(path)?;
    if let Some(media) = data.media.iter().find(|media| [LABEL, IS_TEST, GROUP].contains(&&*media.name)) {
        let what = "a tensor beside the features has the name of this media type";
        return Err(Error::new(ErrorCode::BadArgument, what)
            .expected(format!("a name other than {LABEL}, {IS_TEST} and {GROUP}"))
            .got(&media.name));
    }
    let is_whole = |row: &usize| data.media.iter().all(|media| media.present[*row]);
    let rows: Vec<usize> = (0..data.rows()).filter(is_whole).collect();
    if rows.is_empty() {
        return Err(Error::new(ErrorCode::Empty, "no row has an item of every media type")
            .expected(data.media.iter().map(|media| media.name.as_str()).collect::<Vec<_>>().join(" and "))
            .got(format!("{} rows, each without one of them", data.rows()))
            .hint("train on the corpus itself: it may lack items"));
    }
    data.check_finite(&rows)?;
    write(data, &rows, path)?;
    Ok(WrittenFeatures {
        rows: rows.len(),
        left_out: data.rows() - rows.len(),
        features: data.media.iter().map(|media| (media.name.clone(), media.d_in)).collect(),
    })
}

/// [`ErrorCode::Exists`] where there is something at `path`.
fn check_absent(path: &Path) -> Result<()> {
    match path.symlink_metadata() {
        Err(_) => Ok(()),
        Ok(_) => Err(Error::new(ErrorCode::Exists, "the output exists already")
            .file(path)
            .hint("choose another name, or remove it")),
    }
}

fn write(data: &TrainingData, rows: &[usize], path: &Path) -> Result<()> {
    let integers = |value: &dyn Fn(usize) -> i64| -> Vec<u8> {
        rows.iter().flat_map(|&row| value(row).to_le_bytes()).collect()
    };
    let n = rows.len();
    let mut tensors: Vec<(&str, Dtype, Vec<usize>, Vec<u8>)> = Vec::new();
    for media in &data.media {
        let mut buffer = Vec::new();
        let mut values = Vec::with_capacity(n * media.d_in * size_of::<f32>());
        for &row in rows {
            values.extend(media.row(row, &mut buffer).iter().flat_map(|x| x.to_le_bytes()));
        }
        tensors.push((&media.name, Dtype::F32, vec![n, media.d_in], values));
    }
    if data.labels.is_some() {
        let class = integers(&|row| data.class(row).map_or(-1, i64::from));
        tensors.push((LABEL, Dtype::I64, vec![n], class));
    }
    if let Some(groups) = &data.groups {
        // The bits stay as they are: groups are compared, never counted.
        tensors.push((GROUP, Dtype::I64, vec![n], integers(&|row| groups[row] as i64)));
    }
    let is_test = rows.iter().map(|&row| u8::from(data.split[row] == Split::Test)).collect();
    tensors.push((IS_TEST, Dtype::U8, vec![n], is_test));

    let failed =
        |what: String| Error::new(ErrorCode::Tensor, format!("the features cannot be written: {what}"));
    let views = tensors
        .iter()
        .map(|(name, dtype, shape, bytes)| Ok((*name, TensorView::new(*dtype, shape.clone(), bytes)?)))
        .collect::<Result<Vec<_>, safetensors::SafeTensorError>>()
        .map_err(|error| failed(error.to_string()).source(error))?;
    let names = data.labels.as_ref().and_then(|labels| labels.names.as_ref());
    let names = names.map(serde_json::to_string).transpose();
    let names = names.map_err(|error| failed(error.to_string()).source(error))?;
    // One key alone: a map of several would be written in no fixed order.
    let metadata = names.map(|names| [("classes".to_owned(), names)].into_iter().collect());
    data.whole(Ok(()))?;
    let bytes =
        safetensors::serialize(views, metadata).map_err(|error| failed(error.to_string()).source(error))?;
    save_new(path, &bytes)
}

/// Writes `bytes` to a file beside `path`, and names it `path` when it is whole.
fn save_new(path: &Path, bytes: &[u8]) -> Result<()> {
    let parent = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    std::fs::create_dir_all(parent).map_err(|error| Error::io(parent, error))?;
    let mut builder = tempfile::Builder::new();
    builder.prefix(".uncsm-features-");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        // As other new files: the user's mask takes away what he does not want.
        builder.permissions(std::fs::Permissions::from_mode(0o666));
    }
    let mut file = builder.tempfile_in(parent).map_err(|error| Error::io(parent, error))?;
    std::io::Write::write_all(&mut file, bytes)
        .and_then(|()| file.as_file().sync_all())
        .map_err(|error| Error::io(path, error))?;
    file.persist_noclobber(path).map_err(|error| Error::io(path, error.error))?;
    std::fs::File::open(parent).and_then(|folder| folder.sync_all()).map_err(|error| Error::io(parent, error))
}
