//! Typing errors: how many letters part two words, and which words of a dictionary are near to one.

use tantivy_fst::Automaton;

/// Letters of the longest word that is compared; longer ones are let no errors.
pub(super) const LONGEST: usize = 64;

/// Distances between a word and what was read so far: one for each beginning of the word.
type Row = [u8; LONGEST + 1];

/// The words within `edits` errors of a word, or with `beginnings` those that begin with one: letters too few, too many,
/// others, or two neighbours swapped (optimal string alignment: no place is changed twice).
pub(super) struct Near {
    word: Vec<char>,
    edits: u8,
    beginnings: bool,
}

/// What is known after some bytes.
#[derive(Clone, Copy)]
pub(super) struct State {
    /// The row before the last letter, and the one after it.
    before: Row,
    row: Row,
    last: char,
    /// Bytes of a letter that is not whole, and how many there are.
    bytes: [u8; 4],
    read: u8,
    /// The least distance of the word from what was read at some letter.
    best: u8,
    /// Bytes that are no letter came.
    lost: bool,
}

impl Near {
    /// `None` for a word that is too long to compare.
    pub(super) fn new(word: &str, edits: u8, beginnings: bool) -> Option<Self> {
        let word: Vec<char> = word.chars().collect();
        (word.len() <= LONGEST).then_some(Self { word, edits, beginnings })
    }

    /// Errors between the word and `other`, and between it and the nearest beginning of `other`; `None` where one is above
    /// what is let through.
    pub(super) fn distances(&self, other: &str) -> (Option<u8>, Option<u8>) {
        let mut state = self.start();
        for byte in other.bytes() {
            state = self.accept(&state, byte);
        }
        let let_through = |edits: u8| (edits <= self.edits).then_some(edits);
        (let_through(state.row[self.word.len()]), let_through(state.best))
    }

    fn letter(&self, state: &State, letter: char) -> State {
        let mut row: Row = [u8::MAX; LONGEST + 1];
        row[0] = state.row[0].saturating_add(1);
        for (at, &own) in self.word.iter().enumerate() {
            let other = state.row[at].saturating_add(u8::from(own != letter));
            let mut least = other.min(state.row[at + 1].saturating_add(1)).min(row[at].saturating_add(1));
            if at > 0 && own == state.last && self.word[at - 1] == letter {
                least = least.min(state.before[at - 1].saturating_add(1));
            }
            row[at + 1] = least;
        }
        let best = state.best.min(row[self.word.len()]);
        State { before: state.row, row, last: letter, bytes: [0; 4], read: 0, best, lost: false }
    }
}

impl Automaton for Near {
    type State = State;

    fn start(&self) -> State {
        let mut row = [u8::MAX; LONGEST + 1];
        for (at, distance) in row.iter_mut().enumerate().take(self.word.len() + 1) {
            *distance = at as u8;
        }
        let best = row[self.word.len()];
        // No letter is a zero byte, and no row of distances was before the first.
        State { before: [u8::MAX; LONGEST + 1], row, last: '\0', bytes: [0; 4], read: 0, best, lost: false }
    }

    fn is_match(&self, state: &State) -> bool {
        let reached = if self.beginnings { state.best } else { state.row[self.word.len()] };
        state.read == 0 && !state.lost && reached <= self.edits
    }

    fn can_match(&self, state: &State) -> bool {
        let row = &state.row[..=self.word.len()];
        let near = row.iter().any(|distance| *distance <= self.edits);
        // A swap goes back one letter more.
        let swapped = state.before[..self.word.len()].iter().any(|distance| *distance < self.edits);
        !state.lost && (near || swapped || (self.beginnings && state.best <= self.edits))
    }

    fn accept(&self, state: &State, byte: u8) -> State {
        let mut next = *state;
        if next.lost {
            return next;
        }
        next.bytes[usize::from(next.read)] = byte;
        next.read += 1;
        match std::str::from_utf8(&next.bytes[..usize::from(next.read)]) {
            Ok(text) => match text.chars().next() {
                Some(letter) => self.letter(state, letter),
                None => next,
            },
            Err(_) if next.read < 4 => next,
            Err(_) => State { lost: true, ..next },
        }
    }
}
