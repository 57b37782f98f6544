//! The built-in encoders, which need no weights.

use std::sync::Arc;

use super::seam::{Family, Opening};
use crate::encode::Encoder;
use crate::encode::builtin::{Builtin, BuiltinImage, BuiltinText};
use crate::error::{Error, ErrorCode, Result};

pub(super) struct BuiltIn;

impl Family for BuiltIn {
    fn name(&self) -> &'static str {
        "built-in"
    }

    fn media(&self) -> &'static [&'static str] {
        &["image", "text"]
    }

    fn names(&self) -> &'static [&'static str] {
        &[BuiltinImage::NAME, BuiltinText::NAME]
    }

    /// The state is nothing for pictures, the idf `[2048]` for texts.
    ///
    /// # Errors
    /// [`ErrorCode::BadArgument`] for an unknown name; [`ErrorCode::BadDimension`], [`ErrorCode::NotFinite`] and
    /// [`ErrorCode::BadValue`] for a state that does not fit.
    fn open(&self, opening: &Opening<'_>) -> Result<Arc<dyn Encoder>> {
        let Opening { media, name, state, .. } = *opening;
        match Builtin::by_name(name) {
            Some(Builtin::Image) if state.is_empty() => Ok(Arc::new(BuiltinImage::new(opening.limits))),
            Some(Builtin::Image) => Err(Error::new(
                ErrorCode::BadDimension,
                format!("the encoder `{name}` of the media type `{media}` has no state"),
            )
            .expected(0)
            .got(state.len())),
            Some(Builtin::Text) => Ok(Arc::new(BuiltinText::from_idf(state.to_vec())?)),
            None => {
                let known = Builtin::ALL.map(Builtin::name).join(" or ");
                let what = format!("no built-in encoder `{name}` for the media type `{media}`");
                Err(Error::new(ErrorCode::BadArgument, what).expected(known).got(name))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encode::DecodeLimits;

    fn open(media: &str, name: &str, state: &[f32]) -> Result<Arc<dyn Encoder>> {
        let path = "".as_ref();
        BuiltIn.open(&Opening { media, name, path, state, limits: DecodeLimits::default() })
    }

    #[test]
    fn a_state_makes_the_encoder_again() {
        let text = BuiltinText::fit(["a red circle", "a blue square"]);
        let again = open("text", BuiltinText::NAME, text.idf()).unwrap();
        assert_eq!((again.name(), again.fingerprint()), (text.name(), text.fingerprint()));
        let image = open("image", BuiltinImage::NAME, &[]).unwrap();
        assert_eq!(image.fingerprint(), BuiltinImage::default().fingerprint());
    }

    #[test]
    fn bad_names_and_states_are_refused() {
        let code = |name: &str, state: &[f32]| match open("image", name, state) {
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
