//! Media files inside of a text: `data:` addresses, and base64 that begins as a picture does.

use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use base64::{DecodeError, Engine, alphabet};

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

/// Digits alone, whatever the last one says beyond the last byte.
static DIGITS: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::RequireNone)
        .with_decode_allow_trailing_bits(true),
);

/// The bytes of base64, of either alphabet, blanks passed over; `Err` is the place of what is none.
///
/// Source: RFC 4648, sections 4 and 5.
fn base64(text: &[u8]) -> Result<Vec<u8>, usize> {
    let is_blank = |byte: &u8| b" \n\r\t".contains(byte);
    let plain = |byte: u8| match byte {
        b'-' => b'+',
        b'_' => b'/',
        other => other,
    };
    let written: Vec<u8> = text.iter().copied().filter(|byte| !is_blank(byte)).map(plain).collect();
    let digits = written.iter().rposition(|&byte| byte != b'=').map_or(0, |last| last + 1);
    DIGITS.decode(&written[..digits]).map_err(|error| {
        // One digit alone stands for no byte: then the text is too short.
        let DecodeError::InvalidByte(at, _) = error else { return text.len() };
        // What follows a sign of the end is what is wrong.
        let at = at + written[at..].iter().take_while(|&&byte| byte == b'=').count();
        let mut places = text.iter().enumerate().filter(|(_, byte)| !is_blank(byte)).map(|(place, _)| place);
        places.nth(at).unwrap_or(text.len())
    })
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
        // Places are those of the text as it was given.
        assert_eq!(
            (base64(b" TW\n!u"), base64(b"TQ = = M"), base64("TWFué".as_bytes())),
            (Err(4), Err(7), Err(4))
        );
        assert_eq!((base64(b"TR"), base64(b"TQ====")), (Ok(b"M".to_vec()), Ok(b"M".to_vec())));
        let long = format!("{}*{}", "TWFu".repeat(1000), "TWFu".repeat(1000));
        assert_eq!(base64(long.as_bytes()), Err(4000));
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
