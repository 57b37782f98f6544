//! Frames of zstd, one after the other.

use std::io::{self, BufRead, Read};

use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};

use super::packed::{Packed, damaged, unpacking};

/// What a frame begins with, as the number of its first four bytes.
const FRAME: u32 = 0xfd2f_b528;
/// The same of a frame that holds nothing for the reader; the last four bits are anything.
const SKIPPED: u32 = 0x184d_2a50;

/// What the frames of a file hold.
pub(super) struct Zst(State);

enum State {
    Between(Packed),
    Inside(Packed, Box<FrameDecoder>),
    /// A frame failed.
    Broken(u64),
}

/// Whether `head` begins a frame.
pub(super) fn begins(head: &[u8]) -> bool {
    head.first_chunk().is_some_and(|first| {
        let magic = u32::from_le_bytes(*first);
        magic == FRAME || magic & !15 == SKIPPED
    })
}

impl Zst {
    pub(super) fn new(packed: Packed) -> Self {
        Self(State::Between(packed))
    }

    pub(super) fn position(&self) -> u64 {
        match &self.0 {
            State::Between(packed) | State::Inside(packed, _) => packed.position(),
            State::Broken(at) => *at,
        }
    }
}

impl Read for Zst {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if out.is_empty() {
            return Ok(0);
        }
        loop {
            match std::mem::replace(&mut self.0, State::Broken(0)) {
                State::Between(mut packed) => {
                    let at = packed.position();
                    self.0 = State::Broken(at);
                    if !next(&mut packed)? {
                        self.0 = State::Between(packed);
                        return Ok(0);
                    }
                    let mut frame = Box::new(FrameDecoder::new());
                    guarded(&mut packed, |packed| frame.init(packed).map_err(io::Error::other))?;
                    self.0 = State::Inside(packed, frame);
                }
                State::Inside(mut packed, mut frame) => {
                    self.0 = State::Broken(packed.position());
                    let read = guarded(&mut packed, |packed| {
                        while frame.can_collect() == 0 && !frame.is_finished() {
                            let one = BlockDecodingStrategy::UptoBlocks(1);
                            frame.decode_blocks(&mut *packed, one).map_err(io::Error::other)?;
                        }
                        frame.read(out)
                    })?;
                    if read > 0 {
                        self.0 = State::Inside(packed, frame);
                        return Ok(read);
                    }
                    let told = frame.get_checksum_from_data();
                    if told.is_some() && told != frame.get_calculated_checksum() {
                        let at = packed.position();
                        return Err(damaged(
                            "the zstd data of the file are not what their checksum says",
                            at,
                        ));
                    }
                    self.0 = State::Between(packed);
                }
                State::Broken(at) => {
                    self.0 = State::Broken(at);
                    return Err(damaged("the zstd data of the file do not unpack", at));
                }
            }
        }
    }
}

/// Whether another frame follows; those that hold nothing are passed over.
fn next(packed: &mut Packed) -> io::Result<bool> {
    loop {
        let head = packed.peek(8)?;
        let Some(magic) = head.first_chunk().map(|first| u32::from_le_bytes(*first)) else {
            return match head {
                [] => Ok(false),
                _ => Err(cut(packed)),
            };
        };
        if magic & !15 != SKIPPED {
            return match magic {
                FRAME => Ok(true),
                _ => Err(damaged("bytes that are no zstd data follow those that are", packed.position())),
            };
        }
        let Some(length) = head[4..].first_chunk().map(|length| u32::from_le_bytes(*length)) else {
            return Err(cut(packed));
        };
        packed.consume(8);
        let mut left = u64::from(length);
        while left > 0 {
            let there = packed.fill_buf()?.len() as u64;
            if there == 0 {
                return Err(cut(packed));
            }
            let skipped = there.min(left);
            packed.consume(usize::try_from(skipped).unwrap_or(usize::MAX));
            left -= skipped;
        }
    }
}

/// Runs `work` over `packed`. The decoder is written not to panic; should it do so on a hostile file, that file alone must fail.
fn guarded<T>(packed: &mut Packed, work: impl FnOnce(&mut Packed) -> io::Result<T>) -> io::Result<T> {
    let done = crate::guard::catch(|| work(packed)).unwrap_or_else(|panic| Err(io::Error::other(panic)));
    done.map_err(|error| unpacking(&error, "zstd", packed))
}

/// The error of a file that ends within a frame.
fn cut(packed: &mut Packed) -> io::Error {
    let rest = packed.peek(8).map_or(0, <[u8]>::len);
    damaged("the file ends inside of its zstd data: it is cut", packed.position() + rest as u64)
}
