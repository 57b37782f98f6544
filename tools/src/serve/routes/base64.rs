//! Base64, as a page writes a picture.

use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use base64::{DecodeError, Engine, alphabet};

const fn engine(padding: DecodePaddingMode) -> GeneralPurpose {
    let config =
        GeneralPurposeConfig::new().with_decode_padding_mode(padding).with_decode_allow_trailing_bits(true);
    GeneralPurpose::new(&alphabet::STANDARD, config)
}

static PADDED: GeneralPurpose = engine(DecodePaddingMode::RequireCanonical);
static UNPADDED: GeneralPurpose = engine(DecodePaddingMode::RequireNone);

/// The bytes of base64 of the standard alphabet, padded or not; anything else, blanks too, is an error that says what is wrong and where.
/// Source: RFC 4648, section 4.
pub fn decode(text: &str) -> Result<Vec<u8>, String> {
    let read = if text.ends_with('=') { PADDED.decode(text) } else { UNPADDED.decode(text) };
    read.map_err(|error| match error {
        DecodeError::InvalidByte(at, _) | DecodeError::InvalidLastSymbol { offset: at, .. } => {
            format!("character {at} of it")
        }
        DecodeError::InvalidLength(_) => "a last character that stands for no byte".to_owned(),
        DecodeError::InvalidPadding => "more or fewer = at the end than it needs".to_owned(),
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
            assert_eq!(decode(text).as_deref(), Ok(bytes.as_bytes()), "{text}");
            assert_eq!(decode(text.trim_end_matches('=')).as_deref(), Ok(bytes.as_bytes()), "{text}");
        }
        assert_eq!(decode("+/+/"), Ok(vec![0xfb, 0xff, 0xbf]));
        for wrong in
            ["Z", "Zm9vY", "Zm9v ", "Zm 9v", "Zg=", "Z===", "Zg==Zg==", "-_-_", "é", "/tmp/a.png", "Zm9v\n"]
        {
            assert!(decode(wrong).is_err(), "{wrong:?}");
        }
        assert_eq!(decode("Zm9vYmFy Zm9v").unwrap_err(), "character 8 of it");
    }
}
