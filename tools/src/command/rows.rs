//! Rows of a source for a bundle that is trained: what `eval`, `calibrate` and `train --from` share.

use uncsm_index::Result;
use uncsm_index::model::Bundle;

use super::documents;
use crate::args::{Global, SourceArgs};
use crate::source::{self, Beside, Read};

/// Reads all rows, encoded as the bundle's own encoders do; the label is the key that the bundle remembers where `beside` names none.
///
/// # Errors
/// Those of the source, and of encoders or features that the bundle does not fit.
pub fn of_trained(bundle: &Bundle, args: &SourceArgs, beside: Beside<'_>, global: &Global) -> Result<Read> {
    let label = beside.label.or(bundle.classes().map(|classes| classes.key.as_str()));
    let beside = Beside { label, ..beside };
    let paths = source::encoder_paths(&args.encoder, args.limits)?;
    let mut encoders = documents::encoders(bundle, args, &paths)?;
    if args.features.is_none() {
        // A media type without items has rows too, which are absent.
        for (at, media) in bundle.media().iter().enumerate() {
            if !encoders.contains_key(&media.name) {
                let encoder = bundle.encoder(at, &paths).map_err(documents::unknown_features)?;
                encoders.insert(media.name.clone(), encoder);
            }
        }
    }
    source::training_data(args, beside, Some((bundle, &encoders)), global)
}
