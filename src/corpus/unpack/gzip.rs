//! Members of gzip, one after the other.

use std::io::{self, BufRead, Read};

use flate2::bufread::GzDecoder;

use super::packed::{Packed, damaged, unpacking};

/// What the members of a file hold; zeros after the last are no member.
pub(super) struct Gzip(State);

enum State {
    Between(Packed),
    Inside(Box<GzDecoder<Packed>>),
    /// A member failed.
    Broken(u64),
}

impl Gzip {
    pub(super) fn new(packed: Packed) -> Self {
        Self(State::Between(packed))
    }

    pub(super) fn position(&self) -> u64 {
        match &self.0 {
            State::Between(packed) => packed.position(),
            State::Inside(member) => member.get_ref().position(),
            State::Broken(at) => *at,
        }
    }
}

impl Read for Gzip {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if out.is_empty() {
            return Ok(0);
        }
        loop {
            match std::mem::replace(&mut self.0, State::Broken(0)) {
                State::Between(mut packed) => match next(&mut packed)? {
                    true => self.0 = State::Inside(Box::new(GzDecoder::new(packed))),
                    false => {
                        self.0 = State::Between(packed);
                        return Ok(0);
                    }
                },
                State::Inside(mut member) => match member.read(out) {
                    Ok(0) => self.0 = State::Between(member.into_inner()),
                    Ok(read) => {
                        self.0 = State::Inside(member);
                        return Ok(read);
                    }
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {
                        self.0 = State::Inside(member)
                    }
                    Err(error) => {
                        self.0 = State::Broken(member.get_ref().position());
                        return Err(unpacking(&error, "gzip", member.get_ref()));
                    }
                },
                State::Broken(at) => {
                    self.0 = State::Broken(at);
                    return Err(damaged("the gzip data of the file do not unpack", at));
                }
            }
        }
    }
}

/// Whether another member follows.
fn next(packed: &mut Packed) -> io::Result<bool> {
    loop {
        let there = packed.fill_buf()?;
        let zeros = there.iter().take_while(|&&byte| byte == 0).count();
        match there.get(zeros) {
            Some(0x1f) => {
                packed.consume(zeros);
                return Ok(true);
            }
            Some(_) => {
                packed.consume(zeros);
                let what = "bytes that are no gzip data follow those that are";
                return Err(damaged(what, packed.position()));
            }
            None if zeros == 0 => return Ok(false),
            None => packed.consume(zeros),
        }
    }
}
