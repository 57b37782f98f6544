//! Base64, as a page writes a picture.

/// The bytes of base64 of the standard alphabet, padded or not; `None` for anything else, blanks too. Source: RFC 4648, section 4.
pub fn decode(text: &str) -> Option<Vec<u8>> {
    let text = text.as_bytes();
    let digits = match text {
        [digits @ .., b'=', b'='] | [digits @ .., b'='] if text.len().is_multiple_of(4) => digits,
        digits => digits,
    };
    if digits.len() % 4 == 1 {
        return None;
    }
    let mut out = Vec::with_capacity(digits.len() / 4 * 3 + 2);
    for group in digits.chunks(4) {
        let mut bits = 0u32;
        for &digit in group {
            bits = bits << 6 | u32::from(value(digit)?);
        }
        bits <<= 6 * (4 - group.len());
        let bytes = [bits >> 16, bits >> 8, bits].map(|bits| (bits & 0xff) as u8);
        out.extend_from_slice(&bytes[..group.len() - 1]);
    }
    Some(out)
}

fn value(digit: u8) -> Option<u8> {
    Some(match digit {
        b'A'..=b'Z' => digit - b'A',
        b'a'..=b'z' => digit - b'a' + 26,
        b'0'..=b'9' => digit - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_comes_back_and_nothing_else_reads() {
        // RFC 4648, section 10.
        for (text, bytes) in [
            ("", ""),
            ("Zg==", "f"),
            ("Zm8=", "fo"),
            ("Zm9v", "foo"),
            ("Zm9vYg==", "foob"),
            ("Zm9vYmFy", "foobar"),
        ] {
            assert_eq!(decode(text).as_deref(), Some(bytes.as_bytes()), "{text}");
            assert_eq!(decode(text.trim_end_matches('=')).as_deref(), Some(bytes.as_bytes()), "{text}");
        }
        assert_eq!(decode("+/+/"), Some(vec![0xfb, 0xff, 0xbf]));
        for wrong in
            ["Z", "Zm9vY", "Zm9v ", "Zm 9v", "Zg=", "Z===", "Zg==Zg==", "-_-_", "é", "/tmp/a.png", "Zm9v\n"]
        {
            assert_eq!(decode(wrong), None, "{wrong:?}");
        }
    }
}
