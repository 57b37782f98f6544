//! What each reader takes in memory on a file of 1 GB that it makes. Slow, and so run by name alone:
//! `cargo test --test library readers::memory -- --ignored --nocapture --test-threads 1`; `UNCSM_MEMORY_MB` sets another size.

use std::fs::{self, File};
use std::io::{BufWriter, Read, Write};
use std::path::Path;

use uncsm_index::corpus::Reader;

use super::tar::entry;

/// Megabytes that a reader may take beside what the process has: a window of zstd is 8 MB here, the rest is buffers.
const MOST: u64 = 64;

fn megabytes() -> u64 {
    std::env::var("UNCSM_MEMORY_MB").ok().and_then(|mb| mb.parse().ok()).unwrap_or(1024)
}

/// Lines of a corpus of that many bytes, one after the other; no two are equal.
fn lines(form: fn(u64, u64) -> String) -> impl Iterator<Item = String> {
    let (most, mut written) = (megabytes() << 20, 0);
    (0u64..).map(move |i| form(i, i.wrapping_mul(0x9e37_79b9_7f4a_7c15))).take_while(move |line| {
        written += line.len() as u64;
        written < most
    })
}

fn json(i: u64, x: u64) -> String {
    format!("{{\"id\":{i},\"text\":\"{}\",\"n\":{x}}}\n", format!("{x:x} {} words ", x / 7).repeat(8))
}

fn csv(i: u64, x: u64) -> String {
    format!("{i},\"{}\nand \"\"more\"\"\",{}\n", format!("{x:x} {} words ", x / 7).repeat(8), x >> 20)
}

/// The peak of resident memory so far, in kB; Linux says it.
fn peak() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

/// Reads the file that `write` makes, all of it, and says what that took.
fn measure(name: &str, write: impl FnOnce(&mut dyn Write)) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(name);
    let mut out = BufWriter::new(File::create(&path).unwrap());
    write(&mut out);
    out.into_inner().unwrap();
    let bytes = fs::metadata(&path).unwrap().len();
    // From here on the peak is that of reading.
    let _ = fs::write("/proc/self/clear_refs", "5");
    let before = peak();
    let documents = read(&path);
    let Some((before, after)) = before.zip(peak()) else {
        println!("{name}: {documents} documents, {bytes} bytes; memory is not known here");
        return;
    };
    let grown = (after - before) / 1024;
    println!(
        "{name}: {documents} documents, {bytes} bytes, peak {} MB, {grown} MB of it by reading",
        after / 1024
    );
    assert!(grown < MOST, "{name}: {grown} MB");
}

fn read(path: &Path) -> u64 {
    let mut documents = 0;
    for read in Reader::open(path).unwrap() {
        read.unwrap();
        documents += 1;
    }
    assert!(documents > 1000, "{documents}");
    documents
}

/// Text that comes line by line.
struct Text<I> {
    lines: I,
    rest: Vec<u8>,
}

impl<I: Iterator<Item = String>> Read for Text<I> {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        if self.rest.is_empty() {
            self.rest = self.lines.next().map(String::into_bytes).unwrap_or_default();
        }
        let n = self.rest.len().min(out.len());
        out[..n].copy_from_slice(&self.rest[..n]);
        self.rest.drain(..n);
        Ok(n)
    }
}

#[test]
#[ignore = "makes and reads files of 1 GB"]
fn lines_of_json() {
    measure("c.jsonl", |out| lines(json).for_each(|line| out.write_all(line.as_bytes()).unwrap()));
}

#[test]
#[ignore = "makes and reads files of 1 GB"]
fn lines_packed_by_gzip() {
    measure("c.jsonl.gz", |out| {
        let mut out = flate2::write::GzEncoder::new(out, flate2::Compression::fast());
        lines(json).for_each(|line| out.write_all(line.as_bytes()).unwrap());
        out.finish().unwrap();
    });
}

#[test]
#[ignore = "makes and reads files of 1 GB"]
fn lines_packed_by_zstd() {
    measure("c.jsonl.zst", |out| {
        let text = Text { lines: lines(json), rest: Vec::new() };
        ruzstd::encoding::compress(text, out, ruzstd::encoding::CompressionLevel::Fastest);
    });
}

#[test]
#[ignore = "makes and reads files of 1 GB"]
fn a_table() {
    measure("c.csv", |out| {
        out.write_all(b"id,text,n\n").unwrap();
        lines(csv).for_each(|line| out.write_all(line.as_bytes()).unwrap());
    });
}

#[test]
#[ignore = "makes and reads files of 1 GB"]
fn a_list() {
    measure("c.json", |out| {
        out.write_all(b"[{}").unwrap();
        lines(json).for_each(|line| out.write_all(format!(",\n{line}").as_bytes()).unwrap());
        out.write_all(b"]").unwrap();
    });
}

#[test]
#[ignore = "makes and reads files of 1 GB"]
fn an_archive() {
    measure("c.tar", |out| {
        // Files of 256 kB, as pictures are.
        let picture = vec![0x5a; 256 << 10];
        for i in 0..megabytes() * 4 {
            out.write_all(&entry(&format!("{i}.png"), b'0', picture.len() as u64)).unwrap();
            out.write_all(&picture).unwrap();
        }
        out.write_all(&[0; 1024]).unwrap();
    });
}
