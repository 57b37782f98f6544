//! Encoders are pulled by name, from a server of the test's own on loopback. The weights are those of the tiny random
//! checkpoint of `tests/library/bert`.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use uncsm_index::ErrorCode;
use uncsm_index::encode::Registry;
use uncsm_index::encode::resolve::fetch_from;

const NAME: &str = "some-org/tiny";

fn tiny() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/library/bert/tiny")
}

/// How the server answers.
#[derive(Clone, Copy, PartialEq)]
enum Manner {
    Sound,
    /// The list of files has no weights.
    NoWeights,
    /// Half of the weights come, and the connection ends.
    Cut,
}

/// A server that has one model; it ends with the test's process.
struct Server {
    endpoint: String,
    asked: Arc<Mutex<Vec<String>>>,
}

fn serve(manner: Manner) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let asked = Arc::new(Mutex::new(Vec::new()));
    let seen = asked.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming().filter_map(Result::ok) {
            // A client that goes away in between is its own affair.
            let _ = answer(stream, manner, &seen);
        }
    });
    Server { endpoint, asked }
}

fn answer(stream: TcpStream, manner: Manner, seen: &Mutex<Vec<String>>) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream);
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 || line.trim().is_empty() {
            break;
        }
        lines.push(line.trim().to_owned());
    }
    let path = lines.first().and_then(|line| line.split(' ').nth(1)).unwrap_or_default().to_owned();
    seen.lock().unwrap().push(path.clone());
    let range =
        lines.iter().find_map(|line| line.to_lowercase().strip_prefix("range: bytes=").map(str::to_owned));
    let mut stream = reader.into_inner();
    let name = path.strip_prefix(&format!("/{NAME}/resolve/main/"));
    if path.starts_with(&format!("/api/models/{NAME}")) {
        let mut files =
            vec!["README.md", "config.json", "tokenizer.json", "modules.json", "1_Pooling/config.json"];
        files.extend(["sentence_bert_config.json", "onnx/config.json"]);
        if manner != Manner::NoWeights {
            files.push("model.safetensors");
        }
        let files: Vec<String> = files.iter().map(|file| format!(r#"{{"rfilename":"{file}"}}"#)).collect();
        let body = format!(r#"{{"sha":"c0ffee","siblings":[{}]}}"#, files.join(","));
        let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json";
        return write!(stream, "{head}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len());
    }
    let Some(body) = name.and_then(|name| std::fs::read(tiny().join(name)).ok()) else {
        return write!(stream, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    };
    let (from, to) = range.as_deref().and_then(|range| range.split_once('-')).unwrap_or(("0", ""));
    let from: usize = from.parse().unwrap_or(0);
    let to = to.parse().map_or(body.len(), |to: usize| (to + 1).min(body.len()));
    let part = &body[from.min(to)..to];
    write!(
        stream,
        "HTTP/1.1 206 Partial Content\r\nContent-Length: {}\r\nContent-Range: bytes {from}-{}/{}\r\nETag: \"tag-{}\"\r\n\
         X-Repo-Commit: c0ffee\r\nConnection: close\r\n\r\n",
        part.len(),
        to.saturating_sub(1),
        body.len(),
        name.unwrap_or_default().replace('/', "-"),
    )?;
    let cut = manner == Manner::Cut && part.len() > 1 && path.ends_with("model.safetensors");
    stream.write_all(if cut { &part[..part.len() / 2] } else { part })
}

fn paths(cache: &Path) -> Registry {
    Registry::from_vars(|name| (name == "UNCSM_CACHE").then(|| cache.into()))
}

/// All files below `dir`, by their path in it.
fn files(dir: &Path) -> BTreeSet<String> {
    let mut out = BTreeSet::new();
    let mut folders = vec![dir.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => folders.push(path),
                false => drop(out.insert(path.strip_prefix(dir).unwrap().display().to_string())),
            }
        }
    }
    out
}

#[test]
fn an_encoder_is_pulled_once_and_whole() {
    let server = serve(Manner::Sound);
    let dir = tempfile::tempdir().unwrap();
    let folder = fetch_from(NAME, &paths(dir.path()), Some(&server.endpoint)).unwrap();
    assert_eq!(folder.path, dir.path().join("encoders").join(NAME));
    let expected = [
        "1_Pooling/config.json",
        "config.json",
        "model.safetensors",
        "modules.json",
        "sentence_bert_config.json",
        "tokenizer.json",
    ];
    assert_eq!(files(&folder.path), expected.map(str::to_owned).into());
    for name in expected {
        assert_eq!(std::fs::read(folder.path.join(name)).unwrap(), std::fs::read(tiny().join(name)).unwrap());
    }
    assert_eq!(files(dir.path()).len(), expected.len(), "nothing else is left");
    let asked = server.asked.lock().unwrap().len();
    fetch_from(NAME, &paths(dir.path()), Some(&server.endpoint)).unwrap();
    assert_eq!(server.asked.lock().unwrap().len(), asked, "what is here is not pulled again");
    assert_eq!(paths(dir.path()).open("text", NAME).unwrap().features(), 16);
    let asked = server.asked.lock().unwrap();
    assert!(!asked.iter().any(|path| path.contains("README") || path.contains("onnx")), "{asked:?}");
}

#[test]
fn what_does_not_come_whole_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let code = |manner: Manner, name: &str| {
        let server = serve(manner);
        let error = fetch_from(name, &paths(dir.path()), Some(&server.endpoint)).unwrap_err();
        assert!(files(dir.path()).is_empty(), "{:?}", files(dir.path()));
        error.code()
    };
    assert_eq!(code(Manner::NoWeights, NAME), ErrorCode::NotFound);
    assert_eq!(code(Manner::Sound, "some-org/other"), ErrorCode::NotFound);
    assert_eq!(code(Manner::Sound, "no-name"), ErrorCode::BadArgument);
    assert!(matches!(code(Manner::Cut, NAME), ErrorCode::Io | ErrorCode::Damaged));
    let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let error = fetch_from(NAME, &paths(dir.path()), Some(&format!("http://{gone}"))).unwrap_err();
    assert_eq!(error.code(), ErrorCode::Io);
    assert!(error.to_string().contains("HF_ENDPOINT"), "{error}");
    let error = fetch_from(NAME, &Registry::default(), None).unwrap_err();
    assert_eq!(error.code(), ErrorCode::BadArgument);
}

/// Variables belong to a process, so the test of one runs in a process of its own.
#[test]
fn the_variable_names_the_server() {
    let server = serve(Manner::Sound);
    let dir = tempfile::tempdir().unwrap();
    let out = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "hub::in_a_process_with_variables", "--ignored"])
        .env("HF_ENDPOINT", &server.endpoint)
        .env("UNCSM_CACHE", dir.path())
        .output()
        .unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stdout));
    assert!(dir.path().join("encoders").join(NAME).join("model.safetensors").is_file());
    assert!(!server.asked.lock().unwrap().is_empty());
}

#[test]
#[ignore = "a child process of the_variable_names_the_server: cargo test --features hub --test library hub"]
fn in_a_process_with_variables() {
    let encoder = Registry::from_env().open("text", NAME).unwrap();
    assert_eq!((encoder.name(), encoder.features()), (NAME, 16));
}
