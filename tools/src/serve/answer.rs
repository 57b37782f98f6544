//! Answers: JSON, errors with the status that says whose fault they are, and the headers that all have.

use std::cell::Cell;

use axum::body::Body;
use axum::http::header::{
    ALLOW, CACHE_CONTROL, CONNECTION, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, RETRY_AFTER,
    X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use axum::http::{HeaderName, HeaderValue, Method, Response, StatusCode};
use uncsm_index::{Error, ErrorCode, Hint, Named, Setting};

use crate::output::error_json;

/// What every handler gives.
pub type Answer = Response<Body>;

/// The page loads its own files, its own pictures, and pictures that it was given; nothing else, and no script in it.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src 'self'; \
    base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'";

/// The headers of every answer; those that it has already stay.
pub fn seal(mut answer: Answer) -> Answer {
    let opener = HeaderName::from_static("cross-origin-opener-policy");
    let resource = HeaderName::from_static("cross-origin-resource-policy");
    for (name, value) in [
        (CONTENT_SECURITY_POLICY, POLICY),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (X_FRAME_OPTIONS, "DENY"),
        (REFERRER_POLICY, "no-referrer"),
        (opener, "same-origin"),
        (resource, "same-origin"),
        (CACHE_CONTROL, "no-store"),
    ] {
        answer.headers_mut().entry(name).or_insert(HeaderValue::from_static(value));
    }
    answer
}

/// Bytes of a type.
pub fn bytes(status: StatusCode, kind: &'static str, body: impl Into<Body>) -> Answer {
    let mut answer = Response::new(body.into());
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    answer
}

/// JSON, written already.
pub fn json(status: StatusCode, text: impl Into<Body>) -> Answer {
    bytes(status, "application/json", text)
}

/// An error, as the command line prints it with `--json`; the names of files of this machine are left out, and a hint has the
/// keys of a query.
pub fn error(error: &Error) -> Answer {
    refuse(status_of(error.code()), error)
}

/// An error with a status of its own.
pub fn refuse(status: StatusCode, error: &Error) -> Answer {
    let mut value = error_json(error);
    if let Some(facts) = value["error"].as_object_mut() {
        facts.remove("file");
        match error.facts().hint.as_ref().and_then(in_keys) {
            Some(hint) => facts.insert("hint".into(), hint.into()),
            None => facts.remove("hint"),
        };
    }
    let mut answer = json(status, value.to_string());
    match status {
        StatusCode::SERVICE_UNAVAILABLE => {
            answer.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
        }
        // What is still on its way is not read.
        StatusCode::PAYLOAD_TOO_LARGE | StatusCode::REQUEST_TIMEOUT => {
            answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        _ => {}
    }
    answer
}

/// A hint in the keys of a query; nothing where it needs what a request cannot have: files, other settings and tasks.
fn in_keys(hint: &Hint) -> Option<String> {
    let fits = Cell::new(true);
    let text = hint.render(|named| match named {
        Named::Setting(
            setting @ (Setting::Filter
            | Setting::Fusion
            | Setting::Image
            | Setting::Keywords
            | Setting::Like
            | Setting::Media
            | Setting::MinProbability
            | Setting::Similarity
            | Setting::Target
            | Setting::Text
            | Setting::Words),
        ) => format!("`{}`", setting.as_str()),
        _ => {
            fits.set(false);
            String::new()
        }
    });
    fits.get().then_some(text)
}

/// The answer to another method than the path has.
pub fn wrong_method(allowed: &'static str, got: &Method) -> Answer {
    let what = Error::new(ErrorCode::BadArgument, "the path has no such method").expected(allowed).got(got);
    let mut answer = refuse(StatusCode::METHOD_NOT_ALLOWED, &what);
    answer.headers_mut().insert(ALLOW, HeaderValue::from_static(allowed));
    answer
}

fn status_of(code: ErrorCode) -> StatusCode {
    match code {
        ErrorCode::UnknownId | ErrorCode::NotFound => StatusCode::NOT_FOUND,
        ErrorCode::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        ErrorCode::Interrupted => StatusCode::SERVICE_UNAVAILABLE,
        ErrorCode::Io | ErrorCode::Damaged | ErrorCode::Engine | ErrorCode::Changed | ErrorCode::Locked => {
            StatusCode::INTERNAL_SERVER_ERROR
        }
        _ => StatusCode::BAD_REQUEST,
    }
}

#[cfg(test)]
mod tests {
    use uncsm_index::Task;

    use super::*;

    #[test]
    fn a_hint_has_the_keys_of_a_query() {
        let of = |hint: &Hint| in_keys(hint);
        let hint = Hint::new("drop").setting(Setting::MinProbability).text(", or add").setting(Setting::Text);
        assert_eq!(of(&hint).as_deref(), Some("drop `min_probability`, or add `text`"));
        assert_eq!(of(&Hint::new("ask again")).as_deref(), Some("ask again"));
        for needs in [
            Hint::new("name it with").given(Setting::Encoder, "text=DIR"),
            Hint::new("give it as").setting(Setting::Features),
            Hint::new("add").setting(Setting::Text).text(", or").task(Task::Fuse),
        ] {
            assert_eq!(of(&needs), None, "{needs}");
        }
    }

    #[test]
    fn an_error_names_no_file_and_says_whose_fault_it_is() {
        let about = |code| Error::new(code, "it failed").file("/home/me/secret.png").got("x");
        for (code, status) in [
            (ErrorCode::BadQuery, 400),
            (ErrorCode::UnknownId, 404),
            (ErrorCode::TooLarge, 413),
            (ErrorCode::Damaged, 500),
            (ErrorCode::Interrupted, 503),
        ] {
            let answer = seal(error(&about(code)));
            assert_eq!(answer.status().as_u16(), status);
            let policy = answer.headers()[CONTENT_SECURITY_POLICY].to_str().unwrap();
            assert!(policy.starts_with("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
        }
        let text = {
            let mut value = error_json(&about(ErrorCode::Io));
            value["error"].as_object_mut().unwrap().remove("file");
            value.to_string()
        };
        assert!(!text.contains("secret") && text.contains("it failed"), "{text}");
    }
}
