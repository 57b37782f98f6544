//! What a demo did, and how long each step took.

use std::time::Instant;

use uncsm_index::Result;

use crate::args::Global;

/// Steps with their seconds, and what they say.
pub struct Diary<'a> {
    /// What holds for every command.
    pub global: &'a Global,
    /// Name and seconds, in order.
    pub steps: Vec<(String, f64)>,
    /// What is printed of them.
    pub lines: Vec<String>,
}

impl<'a> Diary<'a> {
    pub fn new(global: &'a Global) -> Self {
        Self { global, steps: vec![], lines: vec![] }
    }

    /// Runs a step and notes how long it took and what it came to.
    pub fn step<T>(&mut self, name: &str, run: impl FnOnce(&Global) -> Result<(T, String)>) -> Result<T> {
        let started = Instant::now();
        let (out, said) = run(self.global)?;
        let seconds = started.elapsed().as_secs_f64();
        self.steps.push((name.to_owned(), seconds));
        self.lines.push(format!("{name:9} {seconds:6.1} s  {said}"));
        Ok(out)
    }
}
