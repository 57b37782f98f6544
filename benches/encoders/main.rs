//! The encoders on real files, for a comparison with their reference: `cargo bench --profile measured --bench encoders -- ARGS`.
//!
//! ```text
//! encoders text MODEL_DIR TEXTS.jsonl OUT.safetensors ROUNDS
//! encoders image WEIGHTS FILES.txt OUT.safetensors ROUNDS
//! ```
//!
//! The scripts beside this file run it; it prints one line of JSON per round, with its seconds. Before each round it
//! reads one line of standard input, so that the other side can take turns.

#![allow(clippy::print_stdout, reason = "the result of a benchmark")]

#[cfg(feature = "encoders")]
mod image;
#[cfg(feature = "encoders")]
mod text;

fn main() {
    // `cargo bench` adds a flag of its own.
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let Some((command, rest)) = arguments.split_first() else {
        println!("skipped: no arguments; see the scripts in benches/encoders");
        return;
    };
    let outcome = match command.as_str() {
        #[cfg(feature = "encoders")]
        "text" => text::run(rest),
        #[cfg(feature = "encoders")]
        "image" => image::run(rest),
        other => Err(format!("no encoder `{other}` in this build").into()),
    };
    if let Err(error) = outcome {
        eprintln!("{error}");
        std::process::exit(2);
    }
}

/// Waits for a line of standard input; `false` at its end.
#[cfg(feature = "encoders")]
fn turn() -> std::io::Result<bool> {
    let mut line = String::new();
    Ok(std::io::stdin().read_line(&mut line)? > 0)
}
