//! Judged queries: which documents a person, or a log of clicks, says answer a query.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::Read;
use std::path::Path;

use serde_json::{Map, Value};

use crate::corpus::document::one::id as id_of;
use crate::corpus::lines::json::type_name;
use crate::corpus::lines::jsonl::JsonlReader;
use crate::error::{Error, ErrorCode, Result};

/// One line of a file of judged queries.
#[derive(Debug, Clone, PartialEq)]
pub struct Judged {
    /// 1-based line of the file.
    pub line: u64,
    /// Every other key of the line, in its order: what the query is.
    pub query: Map<String, Value>,
    /// By id of a document: how relevant it is, 0 to 1. A click is 1.
    pub grades: BTreeMap<String, f32>,
    /// The documents that were shown, where the line says so; each one that was clicked is among them.
    pub shown: Option<BTreeSet<String>>,
}

impl Judged {
    /// How relevant a document that the query finds is; `None` where nobody judged it, so that nothing is learned from it.
    ///
    /// A document without a grade counts as not relevant where it was shown, and where the line does not say what was shown.
    pub fn grade(&self, id: &str) -> Option<f32> {
        match (self.grades.get(id), &self.shown) {
            (Some(grade), _) => Some(*grade),
            (None, Some(shown)) if !shown.contains(id) => None,
            (None, _) => Some(0.0),
        }
    }
}

/// An iterator over the lines of a file of judged queries.
///
/// A line is a JSON object: the keys of a query, and either `relevant`, a list of ids or an object of ids and grades from 0 to 1,
/// or `clicked`, a list of ids, with the list `shown` where it is known what the user saw. An id is a string or an integer.
/// Encoding and blank lines are treated as in a corpus. An empty list is allowed: nothing relevant, no click.
///
/// Cost: memory for one line, whatever the length of the file.
///
/// # Errors
/// Each bad line is one `Err` item with file, line and byte offset, and reading goes on after it: [`ErrorCode::BadJson`] for
/// what is no object, [`ErrorCode::BadValue`] for keys that lack, do not go together, have the wrong type or are out of
/// range, for an id that stands twice in a list, and for a clicked one that was not shown. A file without a line is
/// one [`ErrorCode::Empty`]. After [`ErrorCode::Io`] there are no more items.
#[derive(Debug)]
pub struct JudgedReader<R> {
    lines: JsonlReader<R>,
    seen: bool,
}

impl JudgedReader<File> {
    /// Opens the file at `path`.
    ///
    /// # Errors
    /// [`ErrorCode::NotFound`] or [`ErrorCode::Io`].
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        Ok(Self { lines: JsonlReader::open(path)?, seen: false })
    }

    /// Where [`JudgedReader::position`] will end; `None` where the file has no length, as a pipe.
    pub fn len_hint(&self) -> Option<u64> {
        self.lines.len_hint()
    }
}

impl<R: Read> JudgedReader<R> {
    /// Reads from `reader`; `file` is the name in errors.
    pub fn new(reader: R, file: impl AsRef<Path>) -> Self {
        Self { lines: JsonlReader::new(reader, file), seen: false }
    }

    /// Bytes read so far, for a progress bar.
    pub fn position(&self) -> u64 {
        self.lines.position()
    }

    /// The file that errors name.
    pub fn file(&self) -> &Path {
        self.lines.file()
    }
}

impl<R: Read> Iterator for JudgedReader<R> {
    type Item = Result<Judged>;

    fn next(&mut self) -> Option<Self::Item> {
        let Some(found) = self.lines.next_object() else {
            let empty = Error::new(ErrorCode::Empty, "the file has no judged query").file(self.file());
            return (!std::mem::replace(&mut self.seen, true)).then_some(Err(empty));
        };
        self.seen = true;
        Some(found.and_then(|(object, line, start)| {
            judged(object, line).map_err(|error| error.file(self.file()).line(line).offset(start))
        }))
    }
}

fn judged(mut query: Map<String, Value>, line: u64) -> Result<Judged> {
    // The other keys stay in their order.
    let mut take = |key: &str| query.shift_remove(key);
    let (relevant, clicked, shown) = (take("relevant"), take("clicked"), take("shown"));
    let (grades, shown) = match (relevant, clicked, shown) {
        (Some(relevant), None, None) => (relevant_grades(relevant)?, None),
        (None, Some(clicked), shown) => {
            let shown = shown.map(|shown| ids("shown", shown)).transpose()?;
            let clicked = ids("clicked", clicked)?;
            let unseen = |id: &&String| shown.as_ref().is_some_and(|shown| !shown.contains(*id));
            if let Some(id) = clicked.iter().find(unseen) {
                return Err(bad("a clicked document is not among those that were shown")
                    .got(format!("{id:?}"))
                    .hint("add it to `shown`, or leave `shown` out where it is not known"));
            }
            (clicked.into_iter().map(|id| (id, 1.0)).collect(), shown)
        }
        (None, None, shown) => {
            return Err(bad("a line judges no document")
                .expected("the key `relevant` or `clicked`")
                .got(if shown.is_some() { "`shown` alone" } else { "neither" }));
        }
        (Some(_), Some(_), _) => {
            return Err(bad("a line has both `relevant` and `clicked`")
                .hint("give `relevant` for judgements of people, `clicked` for a log"));
        }
        (Some(_), None, Some(_)) => {
            return Err(bad("`shown` does not go with `relevant`")
                .hint("give documents that were found not to be relevant the grade 0 in `relevant`"));
        }
    };
    if query.is_empty() {
        return Err(bad("a line judges documents, but has no query")
            .expected("the keys of a query beside them, such as `text` or `keywords`"));
    }
    Ok(Judged { line, query, grades, shown })
}

fn relevant_grades(value: Value) -> Result<BTreeMap<String, f32>> {
    let object = match value {
        Value::Object(object) => object,
        list @ Value::Array(_) => {
            return Ok(ids("relevant", list)?.into_iter().map(|id| (id, 1.0)).collect());
        }
        other => return Err(wrong("`relevant`", "a list of ids, or an object of ids and grades", &other)),
    };
    let grade = |(id, value): (String, Value)| {
        let id = id_of(Value::String(id))?;
        let Value::Number(number) = &value else {
            return Err(wrong(&format!("the grade of {id:?}"), "a number from 0 to 1", &value));
        };
        let grade = number.as_f64().filter(|x| (0.0..=1.0).contains(x)).ok_or_else(|| {
            bad(format!("the grade of {id:?} is out of range")).expected("0 to 1").got(number)
        })?;
        Ok((id, grade as f32))
    };
    // The parser refuses a key that stands twice.
    object.into_iter().map(grade).collect()
}

fn ids(key: &str, value: Value) -> Result<BTreeSet<String>> {
    let Value::Array(list) = value else { return Err(wrong(&format!("`{key}`"), "a list of ids", &value)) };
    let mut all = BTreeSet::new();
    for element in list {
        let id = id_of(element)?;
        if all.contains(&id) {
            return Err(bad(format!("an id stands twice in `{key}`")).got(format!("{id:?}")));
        }
        all.insert(id);
    }
    Ok(all)
}

fn bad(message: impl Into<String>) -> Error {
    Error::new(ErrorCode::BadValue, message)
}

fn wrong(what: &str, expected: &str, value: &Value) -> Error {
    bad(format!("{what} has the wrong type")).expected(expected).got(type_name(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<Result<Judged>> {
        JudgedReader::new(text.as_bytes(), "clicks.jsonl").collect()
    }

    fn one(text: &str) -> Judged {
        let mut all = read(text);
        assert_eq!(all.len(), 1, "{text}");
        all.remove(0).unwrap()
    }

    fn set(ids: &[&str]) -> BTreeSet<String> {
        ids.iter().map(|id| (*id).to_owned()).collect()
    }

    #[test]
    fn relevant_documents_have_grades_and_all_others_count_as_not_relevant() {
        let list = one(r#"{"text":"a red car","relevant":["x",7],"keywords":"car"}"#);
        assert_eq!(serde_json::to_string(&list.query).unwrap(), r#"{"text":"a red car","keywords":"car"}"#);
        assert_eq!((list.grade("x"), list.grade("7"), list.grade("y")), (Some(1.0), Some(1.0), Some(0.0)));
        assert_eq!((list.line, &list.shown), (1, &None));
        let graded = one(r#"{"relevant":{"b":0.25,"a":1,"c":0},"k":[1,{"z":0}],"a":null}"#);
        assert_eq!(serde_json::to_string(&graded.query).unwrap(), r#"{"k":[1,{"z":0}],"a":null}"#);
        assert_eq!(
            ["a", "b", "c", "d"].map(|id| graded.grade(id)),
            [1.0, 0.25, 0.0, 0.0].map(Some),
            "{graded:?}"
        );
        assert!(one(r#"{"text":"","relevant":[]}"#).grades.is_empty());
    }

    #[test]
    fn clicks_judge_what_was_shown_or_everything() {
        let shown = one(r#"{"text":"t","shown":[3,"2",1],"clicked":[2]}"#);
        assert_eq!(["1", "2", "3", "4"].map(|id| shown.grade(id)), [Some(0.0), Some(1.0), Some(0.0), None]);
        assert_eq!(shown.shown, Some(set(&["1", "2", "3"])));
        let unknown = one(r#"{"text":"t","clicked":["2"]}"#);
        assert_eq!((unknown.grade("2"), unknown.grade("4"), unknown.shown), (Some(1.0), Some(0.0), None));
        let none = one(r#"{"text":"t","clicked":[],"shown":["1"]}"#);
        assert_eq!((none.grade("1"), none.grade("2")), (Some(0.0), None));
    }

    #[test]
    fn lines_are_read_as_in_a_corpus_and_reading_goes_on_after_a_bad_one() {
        let good = r#"{"text":"t","clicked":["1"]}"#;
        let all = read(&format!("\u{feff}\r\n{good}\r\n{{\n\n{good}"));
        let lines: Vec<_> = all.iter().map(|line| line.as_ref().map(|judged| judged.line).ok()).collect();
        assert_eq!(lines, [Some(2), None, Some(5)]);
        let error = all[1].as_ref().unwrap_err();
        assert_eq!((error.code(), error.facts().line), (ErrorCode::BadJson, Some(3)));
        assert_eq!(error.facts().file.as_deref(), Some(Path::new("clicks.jsonl")));
    }

    #[test]
    fn a_file_without_lines_is_one_error_and_a_bad_line_is_no_empty_file() {
        for text in ["", "\n \n", "\u{feff}"] {
            let all = read(text);
            let error = all[0].as_ref().unwrap_err();
            assert_eq!((all.len(), error.code()), (1, ErrorCode::Empty), "{text:?}");
            assert!(error.to_string().starts_with("clicks.jsonl"), "{error}");
        }
        let all = read("[]\n");
        assert_eq!((all.len(), all[0].as_ref().unwrap_err().code()), (1, ErrorCode::BadJson));
        assert_eq!(JudgedReader::open("nowhere.jsonl").unwrap_err().code(), ErrorCode::NotFound);
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("c.jsonl");
        std::fs::write(&file, "{\"text\":\"t\",\"relevant\":[1]}\n").unwrap();
        let mut reader = JudgedReader::open(&file).unwrap();
        assert_eq!(reader.next().unwrap().unwrap().grade("1"), Some(1.0));
        assert!(reader.next().is_none() && reader.next().is_none());
        assert_eq!(Some(reader.position()), reader.len_hint());
    }

    #[test]
    fn bad_lines_are_named() {
        for bad in [
            r#"{"text":"t"}"#,
            r#"{"text":"t","shown":[1]}"#,
            r#"{"text":"t","relevant":[1],"clicked":[1]}"#,
            r#"{"text":"t","relevant":[1],"shown":[1]}"#,
            r#"{"text":"t","relevant":[1],"shown":[1],"clicked":[1]}"#,
            r#"{"text":"t","clicked":[1],"shown":[2]}"#,
            r#"{"text":"t","clicked":[1],"shown":[]}"#,
            r#"{"text":"t","clicked":[1,"1"]}"#,
            r#"{"text":"t","clicked":[1],"shown":[1,2,1]}"#,
            r#"{"text":"t","relevant":[1,1]}"#,
            r#"{"text":"t","clicked":{"1":1}}"#,
            r#"{"text":"t","clicked":null}"#,
            r#"{"text":"t","clicked":[1],"shown":null}"#,
            r#"{"text":"t","relevant":"1"}"#,
            r#"{"text":"t","relevant":[1.5]}"#,
            r#"{"text":"t","relevant":[null]}"#,
            r#"{"text":"t","relevant":[""]}"#,
            r#"{"text":"t","relevant":{"":1}}"#,
            r#"{"text":"t","relevant":{"1":1.01}}"#,
            r#"{"text":"t","relevant":{"1":-0.1}}"#,
            r#"{"text":"t","relevant":{"1":true}}"#,
            r#"{"relevant":[1]}"#,
            r#"{"clicked":[1],"shown":[1]}"#,
        ] {
            let all = read(&format!("\n{bad}\n"));
            let error = all[0].as_ref().unwrap_err();
            let facts = (error.code(), error.facts().line, error.facts().offset);
            assert_eq!((facts, all.len()), ((ErrorCode::BadValue, Some(2), Some(1)), 1), "{bad}: {error}");
        }
        let twice = read(r#"{"text":"t","relevant":{"1":1,"1":0}}"#).remove(0).unwrap_err();
        assert_eq!(twice.code(), ErrorCode::BadJson);
    }
}
