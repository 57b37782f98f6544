//! The footer that the host puts behind every file of a segment: JSON with a CRC-32 of the body, its length, a number.

/// Length of what ends a footer: the length of its JSON, and [`MAGIC`], each a u32.
const END: usize = 8;
const MAGIC: u32 = 1337;

/// A footer, found at the end of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Footer {
    /// Bytes before the footer.
    pub(crate) body: usize,
    /// Checksum of the body that it holds.
    crc: u32,
    /// Checksum of the footer itself.
    pub(crate) own: u32,
}

impl Footer {
    /// The footer of the file `bytes`; why there is none.
    pub(crate) fn of(bytes: &[u8]) -> Result<Self, &'static str> {
        #[derive(serde::Deserialize)]
        struct Json {
            crc: u32,
        }
        let short = "the file is cut: it does not end with a footer";
        let (rest, end) = bytes.split_last_chunk::<END>().ok_or(short)?;
        let [a, b, c, d, e, f, g, h] = *end;
        if u32::from_le_bytes([e, f, g, h]) != MAGIC {
            return Err(short);
        }
        let json = u32::from_le_bytes([a, b, c, d]) as usize;
        let body = rest.len().checked_sub(json).ok_or(short)?;
        let text = rest.get(body..).ok_or(short)?;
        let footer: Json =
            serde_json::from_slice(text).map_err(|_| "the footer of the file does not read")?;
        Ok(Self { body, crc: footer.crc, own: crc32fast::hash(bytes.get(body..).unwrap_or_default()) })
    }

    /// Checksum of the whole file of `length` bytes, from those of its two parts.
    pub(crate) fn whole(&self, length: usize) -> u32 {
        let mut sum = crc32fast::Hasher::new_with_initial_len(self.crc, self.body as u64);
        sum.combine(&crc32fast::Hasher::new_with_initial_len(self.own, (length - self.body) as u64));
        sum.finalize()
    }

    /// Whether the body of the file `bytes` is what was written. Reads all of it.
    pub(crate) fn fits(&self, bytes: &[u8]) -> bool {
        bytes.get(..self.body).is_some_and(|body| crc32fast::hash(body) == self.crc)
    }
}
