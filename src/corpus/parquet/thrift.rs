//! As much of Thrift's compact protocol as says what a Parquet file is about to ask for: its schema, and its page headers.

/// Depth at which nothing is believed any more: the deepest struct of Parquet has fewer levels.
const DEPTH: usize = 16;

/// Walks the bytes of a struct.
pub(super) struct Thrift<'a> {
    bytes: &'a [u8],
    at: usize,
}

const TRUE: u8 = 1;
const LIST: u8 = 9;
const STRUCT: u8 = 12;

impl<'a> Thrift<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// Bytes that were walked over.
    pub(super) fn position(&self) -> usize {
        self.at
    }

    fn byte(&mut self) -> Option<u8> {
        let byte = *self.bytes.get(self.at)?;
        self.at += 1;
        Some(byte)
    }

    fn varint(&mut self) -> Option<u64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }

    /// A signed integer of any width.
    fn integer(&mut self) -> Option<i64> {
        let value = self.varint()?;
        Some((value >> 1) as i64 ^ -((value & 1) as i64))
    }

    fn pass(&mut self, bytes: u64) -> Option<()> {
        let end = self.at.checked_add(usize::try_from(bytes).ok()?)?;
        (end <= self.bytes.len()).then(|| self.at = end)
    }

    /// Hands each field of a struct to `take`, which reads it whole, or gives `None` where it does not read.
    pub(super) fn fields(&mut self, mut take: impl FnMut(&mut Self, i64, u8) -> Option<()>) -> Option<()> {
        let mut id = 0;
        loop {
            let head = self.byte()?;
            if head == 0 {
                return Some(());
            }
            let step = i64::from(head >> 4);
            id = if step == 0 { self.integer()? } else { id + step };
            take(self, id, head & 0x0f)?;
        }
    }

    /// The value of an integer field.
    pub(super) fn number(&mut self, kind: u8) -> Option<i64> {
        if (4..=6).contains(&kind) { self.integer() } else { None }
    }

    /// The value of a boolean field, which stands in its head.
    pub(super) fn truth(kind: u8) -> bool {
        kind == TRUE
    }

    /// The number of structs in a list field.
    pub(super) fn structs(&mut self, kind: u8) -> Option<u64> {
        if kind != LIST {
            return None;
        }
        let (count, of) = self.list()?;
        (of == STRUCT || count == 0).then_some(count)
    }

    fn list(&mut self) -> Option<(u64, u8)> {
        let head = self.byte()?;
        let count = match head >> 4 {
            15 => self.varint()?,
            few => u64::from(few),
        };
        Some((count, head & 0x0f))
    }

    /// Passes over a field.
    pub(super) fn skip(&mut self, kind: u8) -> Option<()> {
        match kind {
            // In a struct the head has it.
            1 | 2 => Some(()),
            kind => self.skip_value(kind, DEPTH),
        }
    }

    fn skip_value(&mut self, kind: u8, depth: usize) -> Option<()> {
        let depth = depth.checked_sub(1)?;
        match kind {
            1..=3 => self.pass(1),
            4..=6 => self.varint().map(drop),
            7 => self.pass(8),
            8 => {
                let bytes = self.varint()?;
                self.pass(bytes)
            }
            LIST | 10 => {
                let (count, of) = self.list()?;
                (0..count).try_for_each(|_| self.skip_value(of, depth))
            }
            11 => {
                let count = self.varint()?;
                if count == 0 {
                    return Some(());
                }
                let kinds = self.byte()?;
                (0..count).try_for_each(|_| {
                    self.skip_value(kinds >> 4, depth)?;
                    self.skip_value(kinds & 0x0f, depth)
                })
            }
            STRUCT => self.fields(|this, _, kind| match kind {
                1 | 2 => Some(()),
                kind => this.skip_value(kind, depth),
            }),
            13 => self.pass(16),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found_and_others_passed_over() {
        // 1: i32 = -3; 2: true; 4: binary "ab"; 5: list<i32> of 2; 6: struct { 1: double }; 20: i64 = 300; 21: map<byte, bool>.
        let mut bytes = vec![0x15, 0x05, 0x11, 0x28, 2, b'a', b'b', 0x19, 0x25, 2, 4, 0x1c, 0x17];
        bytes.extend([0; 8]);
        bytes.extend([0, 0x06, 0x28, 0xd8, 0x04, 0x1b, 1, 0x31, 9, 1, 0, 0xff]);
        let mut seen = Vec::new();
        let mut thrift = Thrift::new(&bytes);
        thrift
            .fields(|this, id, kind| match id {
                1 | 20 => {
                    seen.push((id, this.number(kind)?));
                    Some(())
                }
                2 => {
                    seen.push((id, i64::from(Thrift::truth(kind))));
                    Some(())
                }
                _ => this.skip(kind),
            })
            .unwrap();
        assert_eq!(seen, [(1, -3), (2, 1), (20, 300)]);
        assert_eq!(thrift.position(), bytes.len() - 1);
        for end in 0..bytes.len() - 1 {
            assert_eq!(Thrift::new(&bytes[..end]).fields(|this, _, kind| this.skip(kind)), None, "{end}");
        }
    }

    #[test]
    fn depth_and_lengths_are_bounded() {
        let deep = vec![0x1c; 1 << 20];
        assert_eq!(Thrift::new(&deep).fields(|this, _, kind| this.skip(kind)), None);
        // A string of 2^63 bytes, and a list of as many.
        for kind in [0x18, 0x19] {
            let mut long = vec![kind];
            long.extend(if kind == 0x19 { vec![0xf5] } else { vec![] });
            long.extend([0xff; 8]);
            long.push(0x7f);
            assert_eq!(Thrift::new(&long).fields(|this, _, kind| this.skip(kind)), None);
        }
    }
}
