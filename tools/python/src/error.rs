//! Errors of the library as exceptions, with every fact as an attribute.

use pyo3::prelude::*;
use uncsm_index::{Error, ErrorCode, Named, Setting, Task};

/// The exception, in a module of its own since Python calls it as the library calls its errors.
pub(crate) mod exception {
    use pyo3::create_exception;
    use pyo3::exceptions::PyException;

    create_exception!(
        uncsm_index,
        Error,
        PyException,
        "What went wrong: `code` is a stable word; `file`, `line`, `offset`, `expected`, `got` and `hint` are None where they do not apply."
    );
}

/// What a setting or task of a hint is called in Python.
pub(crate) fn words(named: Named) -> String {
    match named {
        Named::Setting(Setting::Config) => "the keyword arguments".to_owned(),
        Named::Setting(Setting::From) => "`start`".to_owned(),
        Named::Setting(Setting::Corpus) => "`documents` or `corpus`".to_owned(),
        Named::Setting(Setting::Encoder) => "`encoders`".to_owned(),
        Named::Setting(Setting::MediaKey) => "`media_keys`".to_owned(),
        Named::Setting(setting) => format!("`{}`", setting.as_str()),
        Named::Task(Task::Train) => "`Bundle.train`".to_owned(),
        Named::Task(Task::Build) => "`Index.build`".to_owned(),
        Named::Task(Task::Attach) => "`Index.attach`".to_owned(),
        // The others are commands of the command line.
        Named::Task(task) => format!("`uncsm-index {}`", task.as_str()),
    }
}

/// The exception of an error.
pub(crate) fn raised(py: Python<'_>, error: &Error) -> PyErr {
    let facts = error.facts();
    let exception = exception::Error::new_err(error.render(words));
    let value = exception.value(py);
    let file = facts.file.as_ref().map(|file| file.to_string_lossy().into_owned());
    let hint = facts.hint.as_ref().map(|hint| hint.render(words));
    let set = || -> PyResult<()> {
        value.setattr("code", facts.code.as_str())?;
        value.setattr("message", &facts.message)?;
        value.setattr("file", file)?;
        value.setattr("line", facts.line)?;
        value.setattr("offset", facts.offset)?;
        value.setattr("expected", &facts.expected)?;
        value.setattr("got", &facts.got)?;
        value.setattr("hint", hint)
    };
    match set() {
        Ok(()) => exception,
        Err(other) => other,
    }
}

/// An error of this face of the library, which its caller made.
pub(crate) fn bad(message: impl Into<String>) -> Error {
    Error::new(ErrorCode::BadArgument, message)
}
