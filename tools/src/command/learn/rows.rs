//! Rows of a source for a bundle that is trained: what `eval`, `calibrate` and `train --from` share.

use uncsm_index::Result;
use uncsm_index::model::Bundle;

use crate::args::{Global, SourceArgs};
use crate::source::{self, Beside, Read};

/// Reads all rows, encoded as the bundle's own encoders do; the label is the key that the bundle remembers where `beside` names none.
///
/// # Errors
/// Those of the source, and of encoders or features that the bundle does not fit.
pub fn of_trained(bundle: &Bundle, args: &SourceArgs, beside: Beside<'_>, global: &Global) -> Result<Read> {
    let label = beside.label.or(bundle.classes().map(|classes| classes.key.as_str()));
    let beside = Beside { label, ..beside };
    let paths = source::encoder_paths(&args.items.encoder, args.items.limits)?;
    // A media type without items has rows too, which are absent.
    let encoders = source::trained_on(args)?.all_encoders_for(bundle, &paths)?;
    source::training_data(args, beside, Some((bundle, &encoders)), global)
}
