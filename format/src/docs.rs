//! The order of documents, checked in passing.

use crate::error::Error;

/// Checks the DOCS column while its bytes pass, cut anywhere.
#[derive(Default)]
pub(crate) struct DocsCheck {
    carry: Vec<u8>,
    /// The last document so far, which is the largest.
    pub(crate) last: Option<u32>,
}

impl DocsCheck {
    /// Takes the next bytes. An error leaves the check as it was.
    pub(crate) fn pass(&mut self, bytes: &[u8]) -> Result<(), Error> {
        let mut last = self.last;
        let mut value = |raw: [u8; 4]| {
            let got = u32::from_le_bytes(raw);
            match last.replace(got) {
                Some(previous) if previous > got => Err(Error::DocOrder { previous, got }),
                _ => Ok(()),
            }
        };
        let fill = if self.carry.is_empty() { 0 } else { (4 - self.carry.len()).min(bytes.len()) };
        let (head, rest) = bytes.split_at_checked(fill).unwrap_or((bytes, &[]));
        let mut carry = self.carry.clone();
        carry.extend_from_slice(head);
        if let Ok(raw) = <[u8; 4]>::try_from(carry.as_slice()) {
            value(raw)?;
            carry.clear();
        }
        let (whole, tail) = rest.as_chunks::<4>();
        for &raw in whole {
            value(raw)?;
        }
        carry.extend_from_slice(tail);
        self.last = last;
        self.carry = carry;
        Ok(())
    }
}
