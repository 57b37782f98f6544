//! Results on stdout, errors on stderr, both as text or as JSON.

use std::cell::Cell;
use std::io::Write;
use std::path::Path;

use serde::Serialize;
use uncsm_index::{Error, ErrorCode, Hint, Named, Result, Task};

/// Where results go.
pub struct Output {
    json: bool,
    broken_pipe: Cell<bool>,
}

impl Output {
    /// `json`: one object instead of text.
    pub fn new(json: bool) -> Self {
        Self { json, broken_pipe: Cell::new(false) }
    }

    /// Whether writing failed because nobody reads any more.
    pub fn is_broken_pipe(&self) -> bool {
        self.broken_pipe.get()
    }

    /// Prints `value` as one JSON object, or what `text` writes.
    pub fn print<T: Serialize>(&self, value: &T, text: impl FnOnce() -> String) -> Result<()> {
        let line = if self.json {
            let mut line = serde_json::to_string(value)
                .map_err(|e| Error::new(ErrorCode::BadValue, format!("result: {e}")).source(e))?;
            line.push('\n');
            line
        } else {
            plain(&text())
        };
        let mut stdout = std::io::stdout().lock();
        stdout.write_all(line.as_bytes()).and_then(|()| stdout.flush()).map_err(|e| {
            self.broken_pipe.set(e.kind() == std::io::ErrorKind::BrokenPipe);
            Error::io("stdout", e)
        })
    }
}

/// Prints an error as one sentence, or as the JSON line of the contract.
pub fn print_error(error: &Error, json: bool) {
    let line =
        if json { error_json(error).to_string() } else { plain(&format!("error: {}", sentence(error))) };
    // Nothing is left to do when stderr is closed as well.
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// `{"error":{..}}`, without the keys that do not apply.
pub fn error_json(error: &Error) -> serde_json::Value {
    let facts = error.facts();
    let mut out = serde_json::Map::new();
    out.insert("code".into(), facts.code.as_str().into());
    out.insert("message".into(), facts.message.as_str().into());
    let mut text = |key: &str, value: Option<String>| {
        if let Some(value) = value {
            out.insert(key.into(), value.into());
        }
    };
    text("file", facts.file.as_deref().map(Path::display).map(|path| path.to_string()));
    text("expected", facts.expected.clone());
    text("got", facts.got.clone());
    text("hint", facts.hint.as_ref().map(in_flags));
    for (key, value) in [("line", facts.line), ("offset", facts.offset)] {
        if let Some(value) = value {
            out.insert(key.into(), value.into());
        }
    }
    serde_json::json!({ "error": out })
}

/// A text as a terminal may get it: control characters, which move the cursor or change what was shown, and signs that
/// turn the direction of letters are written as Rust writes them; line ends and tabs stay.
pub fn plain(text: &str) -> String {
    let harmful = |c: char| c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' | '\t' => out.push(c),
            c if harmful(c) => out.extend(c.escape_default()),
            c => out.push(c),
        }
    }
    out
}

/// [`plain`] for what must stay on its line.
pub fn in_line(text: &str) -> String {
    plain(text).replace('\n', "\\n").replace('\t', "\\t")
}

/// An error as one sentence, with the flags of this command line.
pub fn sentence(error: &Error) -> String {
    error.render(flag)
}

/// A hint with the flags of this command line.
pub fn in_flags(hint: &Hint) -> String {
    hint.render(flag)
}

/// What a setting or task of the library is called here.
pub fn flag(named: Named) -> String {
    match named {
        Named::Setting(setting) => format!("--{}", setting.as_str().replace('_', "-")),
        Named::Task(Task::FetchEncoder) => "`uncsm-index encoders fetch`".into(),
        Named::Task(Task::InferSchema) => "`uncsm-index schema`".into(),
        Named::Task(task) => format!("`uncsm-index {}`", task.as_str()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_a_terminal_obeys_is_printed() {
        let text = "a\u{1b}[31mred\u{1b}]0;title\u{7} b\rc\u{9b}2J\u{7f}\u{202e}d\n\te \u{e9}\u{1f600}";
        let shown = plain(text);
        assert_eq!(
            shown,
            "a\\u{1b}[31mred\\u{1b}]0;title\\u{7} b\\rc\\u{9b}2J\\u{7f}\\u{202e}d\n\te \u{e9}\u{1f600}"
        );
        assert!(shown.chars().all(|c| c == '\n' || c == '\t' || !c.is_control()));
        assert_eq!(in_line("a\nb\tc\u{1b}"), "a\\nb\\tc\\u{1b}");
    }
}
