//! Whether the host keeps the vectors of an index: an index that was created without the plugin takes documents, and says
//! nothing of their items.

use crate::error::{Error, ErrorCode, Result};
use crate::index::files::names::FIELD_TYPE;
use crate::index::files::sorted::refuse_sorting;

/// Refuses an index that was created without [`UvecPlugin`](super::host::UvecPlugin), or one that is open without it: documents
/// that are added to the former lose their items for good, and writers of the latter do not open. Refuses one that sorts its
/// documents, too.
///
/// tantivy fixes its plugins when an index is created, writes them to `meta.json`, and tells no plugin that it is missing. An
/// app calls this, or [`MediaField::of_index`](super::field::MediaField::of_index), after it has created or opened its index and
/// before it adds a document; nothing in this crate sees an app that calls neither, until it searches.
///
/// # Errors
/// [`ErrorCode::BadArgument`]; those of reading `meta.json`.
pub fn check_registered(index: &tantivy::Index) -> Result<()> {
    check_created(index)?;
    refuse_sorting(index.settings())?;
    let registered = index.custom_plugins().iter().any(|plugin| plugin.extensions().contains(&FIELD_TYPE));
    if registered {
        return Ok(());
    }
    Err(Error::new(ErrorCode::BadArgument, "the index is open without its plugin")
        .expected("an index that UvecPlugin is registered with")
        .hint("call `Index::register_plugin` with `UvecPlugin::registered` after the index is opened"))
}

/// Refuses an index that was created without the plugin, whatever is registered now.
///
/// # Errors
/// [`ErrorCode::BadArgument`]; those of reading `meta.json`.
pub(crate) fn check_created(index: &tantivy::Index) -> Result<()> {
    match lost(index)? {
        None => Ok(()),
        Some(error) => Err(error),
    }
}

/// The error of an index that was created without the plugin; `None` for one that keeps its vectors.
///
/// # Errors
/// Those of reading `meta.json`.
pub(super) fn lost(index: &tantivy::Index) -> Result<Option<Error>> {
    let created = index.load_metas()?.persisted_custom_extensions;
    if created.iter().any(|extension| extension == FIELD_TYPE) {
        return Ok(None);
    }
    let got = if created.is_empty() { "no plugin".to_owned() } else { created.join(", ") };
    let what = "the index was created without the plugin and has no vectors";
    Ok(Some(
        Error::new(ErrorCode::BadArgument, what)
            .expected(format!("the extension `{FIELD_TYPE}` in meta.json"))
            .got(got)
            .hint(
                "create it anew with `tantivy::Index::builder().schema(..).register_plugin(plugin.registered())`, \
                 and add all documents again",
            ),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::index::plugin::field::MediaField;
    use crate::index::plugin::host::UvecPlugin;
    use crate::model::Bundle;
    use tantivy::schema::Schema;

    fn schema() -> Schema {
        let mut builder = Schema::builder();
        let spec = Bundle::random(&[("text", 2)], 4, 0, 0, 1).space_spec();
        MediaField::add(&mut builder, &spec).unwrap();
        builder.build()
    }

    fn code(index: &tantivy::Index) -> Result<(), ErrorCode> {
        let of_index = MediaField::of_index(index).map(drop).map_err(|error| error.code());
        assert_eq!(of_index, check_registered(index).map_err(|error| error.code()));
        of_index
    }

    #[test]
    fn an_index_that_loses_vectors_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let plugin = UvecPlugin::new();
        let mut index = tantivy::Index::create_in_dir(dir.path(), schema()).unwrap();
        assert_eq!(code(&index), Err(ErrorCode::BadArgument));
        // Too late.
        index.register_plugin(plugin.registered());
        assert_eq!(code(&index), Err(ErrorCode::BadArgument));
        assert!(check_created(&index).unwrap_err().to_string().contains("created without the plugin"));
    }

    #[test]
    fn an_index_needs_its_plugin_after_each_opening() {
        let dir = tempfile::tempdir().unwrap();
        let plugin = UvecPlugin::new();
        let index = tantivy::Index::builder().schema(schema()).register_plugin(plugin.registered());
        assert_eq!(code(&index.create_in_dir(dir.path()).unwrap()), Ok(()));
        let mut index = tantivy::Index::open_in_dir(dir.path()).unwrap();
        assert_eq!(code(&index), Err(ErrorCode::BadArgument));
        assert!(check_created(&index).is_ok());
        index.register_plugin(plugin.registered());
        assert_eq!(code(&index), Ok(()));
    }
}
