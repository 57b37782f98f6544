//! Media files inside of a text: `data:` addresses, and base64 that begins as a picture does.

use crate::error::{Error, ErrorCode, Result};

/// What base64 of a picture begins with: PNG, JPEG, GIF, RIFF (of WebP), TIFF.
const PICTURES: [&str; 6] = ["iVBORw0KGgo", "/9j/", "R0lGOD", "UklGR", "SUkqA", "TU0AK"];

/// Characters below which a text that begins so is a path.
const LEAST: usize = 80;

/// Whether `value` holds a media file itself.
pub(in crate::corpus) fn is_given(value: &str) -> bool {
    value.starts_with("data:") || is_picture(value)
}

/// Base64 of a picture, and no path: those are short, or have a dot.
fn is_picture(value: &str) -> bool {
    value.len() >= LEAST && PICTURES.iter().any(|begin| value.starts_with(begin)) && !value.contains('.')
}

/// The bytes that `value` holds; `None` where it is a path.
///
/// # Errors
/// [`ErrorCode::BadValue`] for a `data:` address that is not base64, or does not read as such.
pub(in crate::corpus) fn bytes(value: &str) -> Result<Option<Vec<u8>>> {
    let bad = |what: &str, got: String| {
        Error::new(ErrorCode::BadValue, what)
            .expected("data:image/png;base64,.. or the path of a file")
            .got(got)
            .hint("write the bytes of the file as base64")
    };
    let Some(rest) = value.strip_prefix("data:") else {
        // Base64 that does not read is a path, which its reader does not find.
        return Ok(if is_picture(value) { base64(value.as_bytes()).ok() } else { None });
    };
    let Some((about, data)) = rest.split_once(',') else {
        return Err(bad("a data: address has no data: left out", "no comma".into()));
    };
    if !about.to_ascii_lowercase().ends_with(";base64") {
        let about: String = about.chars().take(64).collect();
        return Err(bad("a data: address is not base64: left out", format!("data:{about}")));
    }
    match base64(data.as_bytes()) {
        Ok(bytes) if !bytes.is_empty() => Ok(Some(bytes)),
        Ok(_) => Err(bad("a data: address has no data: left out", "nothing behind the comma".into())),
        Err(at) => {
            Err(bad("the base64 of a data: address does not read: left out", format!("character {at} of it")))
        }
    }
}

/// The bytes of base64, of either alphabet, blanks passed over; `Err` is the place of what is none.
///
/// Source: RFC 4648, sections 4 and 5.
fn base64(text: &[u8]) -> Result<Vec<u8>, usize> {
    let mut out = Vec::with_capacity(text.len() / 4 * 3);
    let (mut bits, mut count, mut ended) = (0u32, 0u32, false);
    for (at, &byte) in text.iter().enumerate() {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' | b'-' => 62,
            b'/' | b'_' => 63,
            b'=' => {
                ended = true;
                continue;
            }
            b' ' | b'\n' | b'\r' | b'\t' => continue,
            _ => return Err(at),
        };
        if ended {
            return Err(at);
        }
        bits = bits << 6 | u32::from(value);
        count += 6;
        if count >= 8 {
            count -= 8;
            out.push((bits >> count & 0xff) as u8);
        }
    }
    // One character alone stands for no byte.
    if count == 6 { Err(text.len()) } else { Ok(out) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_reads_as_written() {
        for (text, bytes) in
            [("", &b""[..]), ("TQ==", b"M"), ("TWE=", b"Ma"), ("TWFu", b"Man"), ("TW Fu\nTQ", b"ManM")]
        {
            assert_eq!(base64(text.as_bytes()).unwrap(), bytes);
        }
        assert_eq!(base64(b"-_-_").unwrap(), base64(b"+/+/").unwrap());
        assert_eq!((base64(b"TW!u"), base64(b"T"), base64(b"TQ=M")), (Err(2), Err(1), Err(3)));
    }

    #[test]
    fn addresses_pictures_and_paths() {
        assert_eq!(bytes("data:image/png;base64,TWFu").unwrap().unwrap(), b"Man");
        for path in
            ["a.png", "/9j/photo.jpg", "/9j/4AAQ", "iVBORw0KGgo", &format!("/9j/{}/a.jpg", "x".repeat(90))]
        {
            assert_eq!(bytes(path).unwrap(), None, "{path}");
        }
        let png = format!("iVBORw0KGgo{}", "A".repeat(93));
        assert!(bytes(&png).unwrap().unwrap().starts_with(b"\x89PNG\r\n"));
        for bad in [
            "data:",
            "data:image/png,abc",
            "data:image/svg+xml;utf8,<svg/>",
            "data:;base64,",
            "data:;base64,T*",
        ] {
            assert_eq!(bytes(bad).unwrap_err().code(), ErrorCode::BadValue, "{bad}");
        }
    }
}
