//! The families of encoders of this library: one file each, and one line in [`all`].

mod bert;
mod builtin;
mod clip;
mod efficientnet;
mod seam;
mod siglip;
mod signs;
#[cfg(test)]
pub(crate) mod testing;

use std::sync::Arc;

pub(super) use seam::reads;
pub use seam::{Family, Opening};
pub use signs::Signs;
pub(super) use signs::{is_read, is_weights};

/// Every family, in the order in which they are asked.
pub(super) fn all() -> Vec<Arc<dyn Family>> {
    vec![
        Arc::new(builtin::BuiltIn),
        Arc::new(bert::Bert),
        Arc::new(clip::Clip),
        Arc::new(siglip::Siglip),
        Arc::new(efficientnet::Lite0),
        #[cfg(test)]
        Arc::new(testing::Test),
    ]
}

#[cfg(test)]
mod tests {
    use super::seam::Reads;
    use super::*;
    use crate::error::ErrorCode;

    #[test]
    fn a_family_serves_what_it_reads() {
        assert_eq!(reads(&bert::Bert, "text").unwrap(), Reads::Texts);
        assert_eq!(reads(&bert::Bert, "title").unwrap(), Reads::Texts);
        assert_eq!(reads(&efficientnet::Lite0, "photo").unwrap(), Reads::Pictures);
        assert_eq!(reads(&clip::Clip, "image").unwrap(), Reads::Pictures);
        assert_eq!(reads(&clip::Clip, "text").unwrap(), Reads::Texts);
        let refused: [(&dyn Family, &str); 3] =
            [(&bert::Bert, "image"), (&efficientnet::Lite0, "text"), (&clip::Clip, "photo")];
        for (family, media) in refused {
            assert_eq!(reads(family, media).unwrap_err().code(), ErrorCode::BadArgument, "{media}");
        }
    }

    #[test]
    fn weights_open_with_the_feature() {
        for family in [&bert::Bert as &dyn Family, &clip::Clip, &siglip::Siglip, &efficientnet::Lite0] {
            assert_eq!(family.is_in_this_build(), cfg!(feature = "encoders"), "{}", family.name());
        }
        assert!(builtin::BuiltIn.is_in_this_build() && testing::Test.is_in_this_build());
    }

    #[test]
    fn names_are_taken_once() {
        let all = all();
        let mut names: Vec<&str> = all.iter().map(|family| family.name()).collect();
        names.extend(all.iter().flat_map(|family| family.names()));
        let taken = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), taken);
    }
}
