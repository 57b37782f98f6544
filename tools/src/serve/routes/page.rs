//! The page: files that are part of the program.

use axum::http::HeaderValue;
use axum::http::StatusCode;
use axum::http::header::CACHE_CONTROL;

use crate::serve::answer::{self, Answer};

/// Path, type and content of each file.
const FILES: [(&str, &str, &str); 8] = [
    ("/", "text/html; charset=utf-8", include_str!("page/index.html")),
    ("/style.css", "text/css; charset=utf-8", include_str!("page/style.css")),
    ("/app.js", SCRIPT, include_str!("page/app.js")),
    ("/dom.js", SCRIPT, include_str!("page/dom.js")),
    ("/ask.js", SCRIPT, include_str!("page/ask.js")),
    ("/results.js", SCRIPT, include_str!("page/results.js")),
    ("/explain.js", SCRIPT, include_str!("page/explain.js")),
    ("/icon.svg", "image/svg+xml", include_str!("page/icon.svg")),
];

const SCRIPT: &str = "text/javascript; charset=utf-8";

/// The paths of all files.
pub fn paths() -> impl Iterator<Item = &'static str> {
    FILES.iter().map(|(path, ..)| *path)
}

/// The file at `path`.
pub fn file(path: &str) -> Option<Answer> {
    let (_, kind, text) = FILES.iter().find(|(other, ..)| *other == path)?;
    let mut answer = answer::bytes(StatusCode::OK, kind, *text);
    answer.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    Some(answer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_loads_its_own_files_alone_and_writes_no_markup() {
        for (path, kind, text) in FILES {
            for other in ["http://", "https://", "//cdn", "@import", "url("] {
                let named = text.replace("http://www.w3.org/2000/svg", "");
                assert!(!named.contains(other), "{path} loads {other}");
            }
            for markup in [
                "innerHTML",
                "outerHTML",
                "insertAdjacentHTML",
                "document.write",
                "eval(",
                "Function(",
                "srcdoc",
                "style=\"",
                "onclick=",
            ] {
                assert!(!text.contains(markup), "{path} has {markup}");
            }
            assert!(file(path).is_some() && !kind.is_empty());
        }
        let page = FILES[0].2;
        for (path, ..) in &FILES[1..3] {
            assert!(page.contains(path.trim_start_matches('/')), "{path}");
        }
        assert!(file("/nothing.js").is_none() && file("/../app.js").is_none());
    }
}
