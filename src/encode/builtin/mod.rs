//! The encoders that need no weights, by name.

mod canvas;
mod colour;
mod gradient;
mod image;
mod region;
mod shape;
mod soft;
mod text;

pub use image::BuiltinImage;
pub use text::BuiltinText;
pub(super) use text::Learning;

use crate::corpus::{IMAGE, TEXT};

/// A built-in encoder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Builtin {
    /// [`BuiltinImage`], without state.
    Image,
    /// [`BuiltinText`], whose state is its idf.
    Text,
}

impl Builtin {
    /// Every built-in encoder.
    pub(crate) const ALL: [Self; 2] = [Self::Image, Self::Text];

    /// The name that a bundle keeps.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Image => BuiltinImage::NAME,
            Self::Text => BuiltinText::NAME,
        }
    }

    /// The default encoder of the media types `image` and `text`; others have none.
    pub(crate) fn for_media(media: &str) -> Option<Self> {
        match media {
            IMAGE => Some(Self::Image),
            TEXT => Some(Self::Text),
            _ => None,
        }
    }

    /// The built-in encoder of this name, or `None`.
    pub(crate) fn by_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|builtin| builtin.name() == name)
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
}
