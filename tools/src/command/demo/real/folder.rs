//! A folder that a script of `tools/datasets` wrote, looked through before anything is made of it.

use std::path::{Path, PathBuf};

use uncsm_index::corpus::{Document, Given, JsonlReader, Split};
use uncsm_index::{Error, ErrorCode, Result};

use super::keys::{GROUP, LABEL};

const ITEMS: &str = "items.jsonl";
const WAY_OUT: &str = "give a folder that emoji.py, icons.py, openclipart.py or tuxpaint.py of tools/datasets wrote, or `openclipart`";

/// What is in it.
pub struct Folder {
    pub items: PathBuf,
    pub documents: usize,
    pub pictures: usize,
    pub train: usize,
    pub held_out: usize,
}

impl Folder {
    /// Reads every line of its `items.jsonl`, and looks for what the demo needs.
    ///
    /// # Errors
    /// [`ErrorCode::NotFound`] without the folder or the file; [`ErrorCode::BadValue`] for a line that lacks a key, or where no
    /// line has a class; [`ErrorCode::Empty`] without lines to learn from or without held-out ones; those of reading.
    pub fn read(path: &Path) -> Result<Self> {
        let items = path.join(ITEMS);
        if !path.is_dir() {
            let error = Error::new(ErrorCode::NotFound, "there is no such folder of pictures");
            return Err(error.file(path).expected("drawn, openclipart, or a folder").hint(WAY_OUT));
        }
        if !items.is_file() {
            let error = Error::new(ErrorCode::NotFound, "the folder of pictures has no list of documents");
            return Err(error.file(path).expected(format!("the file {ITEMS}")).hint(WAY_OUT));
        }
        let mut out = Self { items, documents: 0, pictures: 0, train: 0, held_out: 0 };
        let mut classes = 0usize;
        for document in JsonlReader::open(&out.items)? {
            let document = document?;
            out.check(&document)?;
            out.documents += 1;
            out.pictures += document.images().len();
            classes += usize::from(document.fields.contains_key(LABEL));
            match document.split {
                Some(Split::Test) => out.held_out += 1,
                Some(Split::Train) => out.train += 1,
                _ => {}
            }
        }
        for (count, split) in [(out.train, Split::Train), (out.held_out, Split::Test)] {
            if count == 0 {
                let error = Error::new(ErrorCode::Empty, format!("no document is of the split `{split}`"));
                return Err(error.file(&out.items).got(format!("{} documents", out.documents)).hint(WAY_OUT));
            }
        }
        if classes == 0 {
            let error = Error::new(ErrorCode::BadValue, format!("no document has the key `{LABEL}`"));
            return Err(error.file(&out.items).got(format!("{} documents", out.documents)).hint(WAY_OUT));
        }
        Ok(out)
    }

    fn check(&self, document: &Document) -> Result<()> {
        let is_picture = |given: &Given| given.path().is_some();
        let has = [
            ("text", !document.texts().is_empty()),
            ("image", document.images().iter().any(is_picture)),
            ("split", document.split.is_some()),
            (GROUP, document.fields.contains_key(GROUP)),
        ];
        match has.into_iter().find(|(_, has)| !has) {
            None => Ok(()),
            Some((key, _)) => Err(Error::new(ErrorCode::BadValue, "a document lacks what the demo needs")
                .file(&self.items)
                .line(document.line)
                .expected(format!("text, image, split and {GROUP}"))
                .got(format!("no `{key}`"))
                .hint(WAY_OUT)),
        }
    }
}
