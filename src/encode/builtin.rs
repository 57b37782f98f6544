//! The encoders that need no weights, by name.

use super::Encoder;
use super::image::BuiltinImage;
use super::text::BuiltinText;
use crate::corpus::{IMAGE, TEXT};
use crate::error::{Error, ErrorCode, Result};

/// A built-in encoder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Builtin {
    /// [`BuiltinImage`], without state.
    Image,
    /// [`BuiltinText`], whose state is its idf.
    Text,
}

impl Builtin {
    /// Every built-in encoder.
    pub const ALL: [Self; 2] = [Self::Image, Self::Text];

    /// The name that a bundle keeps.
    pub fn name(self) -> &'static str {
        match self {
            Self::Image => BuiltinImage::NAME,
            Self::Text => BuiltinText::NAME,
        }
    }

    /// The default encoder of the media types `image` and `text`; others have none.
    pub fn for_media(media: &str) -> Option<Self> {
        match media {
            IMAGE => Some(Self::Image),
            TEXT => Some(Self::Text),
            _ => None,
        }
    }

    /// The built-in encoder of this name, or `None`.
    pub fn by_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|builtin| builtin.name() == name)
    }
}

/// The encoder `name` of the media type `media`, from the state that a bundle keeps: nothing for pictures, the idf
/// `[2048]` for texts.
///
/// # Errors
/// [`ErrorCode::BadArgument`] for an unknown name; [`ErrorCode::BadDimension`], [`ErrorCode::NotFinite`] and
/// [`ErrorCode::BadValue`] for a state that does not fit.
pub fn builtin(media: &str, name: &str, state: &[f32]) -> Result<Box<dyn Encoder>> {
    match Builtin::by_name(name) {
        Some(Builtin::Image) if state.is_empty() => Ok(Box::new(BuiltinImage::default())),
        Some(Builtin::Image) => Err(Error::new(
            ErrorCode::BadDimension,
            format!("the encoder `{name}` of the media type `{media}` has no state"),
        )
        .expected(0)
        .got(state.len())),
        Some(Builtin::Text) => Ok(Box::new(BuiltinText::from_idf(state.to_vec())?)),
        None => {
            let known = Builtin::ALL.map(Builtin::name).join(" or ");
            let what = format!("no built-in encoder `{name}` for the media type `{media}`");
            Err(Error::new(ErrorCode::BadArgument, what).expected(known).got(name))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_builtin_is_found_by_its_name() {
        for builtin in Builtin::ALL {
            assert_eq!(Builtin::by_name(builtin.name()), Some(builtin));
        }
        assert_eq!(Builtin::for_media("image"), Some(Builtin::Image));
        assert_eq!(Builtin::for_media("text"), Some(Builtin::Text));
        assert_eq!(Builtin::for_media("audio"), None);
    }

    #[test]
    fn a_state_makes_the_encoder_again() {
        let text = BuiltinText::fit(["a red circle", "a blue square"]);
        let again = builtin("text", BuiltinText::NAME, text.idf()).unwrap();
        assert_eq!((again.name(), again.fingerprint()), (text.name(), text.fingerprint()));
        let image = builtin("image", BuiltinImage::NAME, &[]).unwrap();
        assert_eq!(image.fingerprint(), BuiltinImage::default().fingerprint());
    }

    #[test]
    fn bad_names_and_states_are_refused() {
        let code = |name: &str, state: &[f32]| match builtin("image", name, state) {
            Ok(_) => panic!("accepted"),
            Err(error) => (error.code(), error.to_string()),
        };
        let (unknown, text) = code("clip", &[]);
        assert_eq!(unknown, ErrorCode::BadArgument);
        assert!(text.contains("builtin-image-v1 or builtin-text-v1"), "{text}");
        assert_eq!(code(BuiltinImage::NAME, &[1.0]).0, ErrorCode::BadDimension);
        assert_eq!(code(BuiltinText::NAME, &[]).0, ErrorCode::BadDimension);
        assert_eq!(code(BuiltinText::NAME, &[f32::NAN; 2048]).0, ErrorCode::NotFinite);
        assert_eq!(code(BuiltinText::NAME, &[-1.0; 2048]).0, ErrorCode::BadValue);
    }
}
