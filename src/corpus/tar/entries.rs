//! The files of a tar archive, one after the other: ustar, with the long names and sizes of pax and GNU.

use std::fmt;
use std::io::{self, Read};

use crate::corpus::unpack::Input;
use crate::error::{Error, ErrorCode};
use crate::limits::TAR_HEADER;

const BLOCK: u64 = 512;

/// The archive, at the start of an entry or within its bytes.
pub(super) struct Entries {
    input: Input,
    /// Place of the next byte of what was packed.
    at: u64,
    /// Bytes of the entry that were not read, and those that fill up its last block.
    left: u64,
    fill: u64,
    ended: bool,
}

/// What an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum What {
    File,
    Folder,
    /// A link, a device, or a file with holes.
    Other,
}

/// A file of the archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    /// `None` where it is not UTF-8.
    pub(super) name: Option<String>,
    pub(super) what: What,
    /// Its bytes.
    pub(super) size: u64,
    /// Where these begin.
    pub(super) at: u64,
}

/// What the headers before an entry say of it.
#[derive(Default)]
struct Said {
    name: Option<Vec<u8>>,
    size: Option<u64>,
}

/// Whether `head`, the first bytes of a file, begin an archive.
pub(super) fn begins(head: &[u8]) -> bool {
    head.first_chunk()
        .is_some_and(|block: &[u8; BLOCK as usize]| &block[257..262] == b"ustar" && is_sound(block))
}

impl Entries {
    pub(super) fn new(input: Input) -> Self {
        Self { input, at: 0, left: 0, fill: 0, ended: false }
    }

    pub(super) fn input(&self) -> &Input {
        &self.input
    }

    pub(super) fn at(&self) -> u64 {
        self.at
    }

    /// The next entry, whose bytes [`Entries::read`] gives; what was not read of the last one is passed over. `None` at the end.
    pub(super) fn next(&mut self) -> io::Result<Option<Entry>> {
        let mut said = Said::default();
        while !self.ended {
            self.skip()?;
            let mut block = [0; BLOCK as usize];
            let start = self.at;
            match self.fill_up(&mut block)? {
                // Some writers leave out the blocks of zeros that end an archive.
                0 => break,
                512 => {}
                _ => return Err(cut(self.at)),
            }
            if block.iter().all(|&byte| byte == 0) {
                break;
            }
            if !is_sound(&block) {
                return Err(damaged("no header of a tar archive: its checksum does not match", start));
            }
            let own = number(&block[124..136])
                .ok_or_else(|| damaged("a size in a tar archive is no number", start))?;
            let kind = block[156];
            // Sizes that pax states are those of files alone.
            let size = if matches!(kind, b'x' | b'g' | b'L' | b'K') { own } else { said.size.unwrap_or(own) };
            let has_bytes = !matches!(kind, b'1'..=b'6');
            self.left = if has_bytes { size } else { 0 };
            self.fill = self.left.next_multiple_of(BLOCK) - self.left;
            match kind {
                b'L' => {
                    let name = self.small(start)?;
                    let end = name.iter().position(|&byte| byte == 0).unwrap_or(name.len());
                    said.name = Some(name[..end].to_vec());
                }
                b'x' => said
                    .pax(&self.small(start)?)
                    .ok_or_else(|| damaged("a pax header does not read", start))?,
                b'g' | b'K' => {}
                _ => {
                    let name = said.name.unwrap_or_else(|| own_name(&block));
                    let name = String::from_utf8(name).ok();
                    let is_folder = kind == b'5' || name.as_ref().is_some_and(|name| name.ends_with('/'));
                    let what = match kind {
                        _ if is_folder => What::Folder,
                        0 | b'0' | b'7' => What::File,
                        _ => What::Other,
                    };
                    return Ok(Some(Entry { name, what, size: self.left, at: self.at }));
                }
            }
        }
        self.ended = true;
        Ok(None)
    }

    /// All bytes of the entry, which are `size` of [`Entry`].
    pub(super) fn read(&mut self) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        // Memory comes as bytes do: a size is no promise.
        let read = (&mut self.input).take(self.left).read_to_end(&mut bytes)? as u64;
        self.at += read;
        self.left -= read;
        if self.left > 0 { Err(cut(self.at)) } else { Ok(bytes) }
    }

    /// Passes over what is left of an entry.
    fn skip(&mut self) -> io::Result<()> {
        let left = self
            .left
            .checked_add(self.fill)
            .ok_or_else(|| damaged("a size in a tar archive is too large", self.at))?;
        let passed = io::copy(&mut (&mut self.input).take(left), &mut io::sink())?;
        self.at += passed;
        // The last block need not be filled up.
        if passed < self.left {
            return Err(cut(self.at));
        }
        (self.left, self.fill) = (0, 0);
        Ok(())
    }

    /// The bytes of a header that is longer than a block.
    fn small(&mut self, at: u64) -> io::Result<Vec<u8>> {
        if self.left > TAR_HEADER {
            return Err(damaged(&format!("a header in a tar archive has more than {TAR_HEADER} bytes"), at));
        }
        self.read()
    }

    /// Bytes of `block` that were read; fewer than it has at the end.
    fn fill_up(&mut self, block: &mut [u8]) -> io::Result<usize> {
        let mut filled = 0;
        while filled < block.len() {
            match self.input.read(&mut block[filled..]) {
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.at += filled as u64;
        Ok(filled)
    }
}

impl Said {
    /// Reads records `LENGTH KEY=VALUE\n`; `None` for what is none.
    fn pax(&mut self, mut text: &[u8]) -> Option<()> {
        while !text.is_empty() && text[0] != 0 {
            let blank = text.iter().position(|&byte| byte == b' ')?;
            let length: usize = std::str::from_utf8(&text[..blank]).ok()?.parse().ok()?;
            let record = text.get(blank + 1..length)?.strip_suffix(b"\n")?;
            let equals = record.iter().position(|&byte| byte == b'=')?;
            let value = &record[equals + 1..];
            match &record[..equals] {
                b"path" => self.name = Some(value.to_vec()),
                b"size" => self.size = Some(std::str::from_utf8(value).ok()?.parse().ok()?),
                _ => {}
            }
            text = &text[length..];
        }
        Some(())
    }
}

/// The name in a header, behind its prefix where there is one.
fn own_name(block: &[u8; BLOCK as usize]) -> Vec<u8> {
    let text = |bytes: &[u8]| bytes.iter().copied().take_while(|&byte| byte != 0).collect::<Vec<u8>>();
    let name = text(&block[..100]);
    // GNU has other things in the place of the prefix.
    let prefix = if &block[257..263] == b"ustar\0" { text(&block[345..500]) } else { Vec::new() };
    if prefix.is_empty() { name } else { [&prefix[..], b"/", &name].concat() }
}

/// Octal digits, or with the highest bit set a big-endian number, as GNU writes large ones.
fn number(field: &[u8]) -> Option<u64> {
    if field[0] & 0x80 != 0 {
        let (high, low) = field.split_at(field.len() - 8);
        let is_small = high[0] == 0x80 && high[1..].iter().all(|&byte| byte == 0);
        return low.iter().try_fold(0u64, |sum, &byte| Some(sum << 8 | u64::from(byte))).filter(|_| is_small);
    }
    let text = std::str::from_utf8(field).ok()?.trim_matches(['\0', ' ']);
    if text.is_empty() { Some(0) } else { u64::from_str_radix(text, 8).ok() }
}

/// Whether the checksum of a header matches: the sum of its bytes, those of the checksum itself taken as blanks.
fn is_sound(block: &[u8; BLOCK as usize]) -> bool {
    let blank = |at: usize, byte: u8| if (148..156).contains(&at) { b' ' } else { byte };
    let sum: u64 = block.iter().enumerate().map(|(at, &byte)| u64::from(blank(at, byte))).sum();
    number(&block[148..156]) == Some(sum)
}

fn cut(at: u64) -> io::Error {
    damaged("the tar archive ends within a file: it is cut", at)
}

fn damaged(what: &str, at: u64) -> io::Error {
    io::Error::other(
        Error::new(ErrorCode::Damaged, what).offset(at).hint("copy the file whole, or pack it again"),
    )
}

impl fmt::Debug for Entries {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entries").field("at", &self.at).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_octal_or_large() {
        assert_eq!(number(b"00000000012\0"), Some(10));
        assert_eq!(number(b"       17 \0 "), Some(15));
        assert_eq!(number(b"\0\0\0\0\0\0\0\0\0\0\0\0"), Some(0));
        assert_eq!(number(b"\x80\0\0\0\0\0\0\x02\0\0\0\0"), Some(1 << 33));
        for bad in [
            &b"9\0\0\0\0\0\0\0\0\0\0\0"[..],
            b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
            b"12x\0\0\0\0\0\0\0\0\0",
        ] {
            assert_eq!(number(bad), None);
        }
    }

    #[test]
    fn records_of_pax() {
        let mut said = Said::default();
        said.pax(b"11 path=ab\n11 size=30\n11 mtime=1\n").unwrap();
        assert_eq!((said.name.as_deref(), said.size), (Some(&b"ab"[..]), Some(30)));
        for bad in [
            &b"x"[..],
            b"99 path=a\n",
            b"3 path=a\n",
            b"0 a=b\n",
            b"9 size=x\n",
            b"18446744073709551615 a=b\n",
        ] {
            assert!(Said::default().pax(bad).is_none(), "{bad:?}");
        }
    }
}
