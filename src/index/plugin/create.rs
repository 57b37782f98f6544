//! An app's own index with the plugin from the start: checked before anything is written.

use tantivy::Directory;

use super::field::MediaField;
use super::host::UvecPlugin;
use super::registered::check_registered;
use crate::error::{Error, ErrorCode, Result};
use crate::index::files::sorted::refuse_sorting;

impl UvecPlugin {
    /// Creates the index that `builder` describes in `directory`, with this plugin registered: schema, settings, tokenizers and
    /// other plugins are the builder's. What tantivy would accept and no vector survives is refused before a file is made.
    ///
    /// # Errors
    /// [`ErrorCode::Exists`] where there is an index; [`ErrorCode::BadValue`] for a schema without a media field;
    /// [`ErrorCode::BadArgument`] for settings that sort documents (`sort_by_field`, `manual_doc_id_mapping`): tantivy tells no
    /// plugin which document went where, so sort at query time by a fast field; tantivy's own.
    ///
    /// # Example
    /// ```
    /// use tantivy::directory::RamDirectory;
    /// use uncsm_index::index::{MediaField, UvecPlugin};
    /// # let space = uncsm_index::media::SpaceSpec { space: uncsm_index::media::Fingerprint([0; 32]), media: vec![] };
    /// let mut schema = tantivy::schema::Schema::builder();
    /// MediaField::add(&mut schema, &space)?;
    /// let plugin = UvecPlugin::new();
    /// let index = plugin.create(tantivy::Index::builder().schema(schema.build()), RamDirectory::create())?;
    /// # Ok::<(), uncsm_index::Error>(())
    /// ```
    pub fn create(
        &self,
        builder: tantivy::IndexBuilder,
        directory: impl Into<Box<dyn Directory>>,
    ) -> Result<tantivy::Index> {
        // A builder does not say what it has; an index does, and one in memory is soon gone.
        let draft = builder.create_in_ram()?;
        MediaField::of(&draft.schema())?;
        refuse_sorting(draft.settings())?;
        let directory = directory.into();
        if tantivy::Index::exists(directory.as_ref())? {
            return Err(Error::new(ErrorCode::Exists, "an index is there already")
                .expected("a directory without one")
                .hint("open it with `UvecPlugin::open`"));
        }
        let whole = tantivy::Index::builder()
            .schema(draft.schema())
            .settings(draft.settings().clone())
            .tokenizers(draft.tokenizers().clone())
            .fast_field_tokenizers(draft.fast_field_tokenizer().clone());
        let whole =
            draft.custom_plugins().iter().cloned().fold(whole, tantivy::IndexBuilder::register_plugin);
        Ok(whole.register_plugin(self.registered()).open_or_create(directory)?)
    }

    /// Opens the index in `directory` and registers this plugin with it, which tantivy needs after each opening.
    ///
    /// # Errors
    /// [`ErrorCode::BadValue`] without a media field; those of [`check_registered`]; tantivy's own.
    pub fn open(&self, directory: impl Into<Box<dyn Directory>>) -> Result<tantivy::Index> {
        let mut index = tantivy::Index::open(directory)?;
        index.register_plugin(self.registered());
        MediaField::of(&index.schema())?;
        check_registered(&index)?;
        Ok(index)
    }
}

#[cfg(test)]
mod tests {
    use tantivy::directory::RamDirectory;
    use tantivy::schema::{FAST, Schema};
    use tantivy::{IndexSettings, IndexSortByField, Order};

    use super::*;
    use crate::index::files::directory::IndexDirectory;
    use crate::index::files::sound::SoundDirectory;
    use crate::model::Bundle;

    fn schema() -> Schema {
        let mut builder = Schema::builder();
        builder.add_u64_field("order", FAST);
        MediaField::add(&mut builder, &Bundle::random(&[("text", 2)], 4, 0, 0, 1).space_spec()).unwrap();
        builder.build()
    }

    fn shuffled() -> [IndexSettings; 2] {
        let by = IndexSortByField { field: "order".into(), order: Order::Asc };
        [
            IndexSettings { sort_by_field: Some(by), ..IndexSettings::default() },
            IndexSettings { manual_doc_id_mapping: true, ..IndexSettings::default() },
        ]
    }

    #[test]
    fn an_index_is_created_once_and_opened_with_its_plugin() {
        let (directory, plugin) = (RamDirectory::create(), UvecPlugin::new());
        let builder = || tantivy::Index::builder().schema(schema());
        let index = plugin.create(builder(), directory.clone()).unwrap();
        check_registered(&index).unwrap();
        let code = plugin.create(builder(), directory.clone()).unwrap_err().code();
        assert_eq!(code, ErrorCode::Exists);
        check_registered(&plugin.open(directory).unwrap()).unwrap();
        let none = tantivy::Index::builder().schema(Schema::builder().build());
        assert_eq!(plugin.create(none, RamDirectory::create()).unwrap_err().code(), ErrorCode::BadValue);
        let foreign = RamDirectory::create();
        builder().open_or_create(foreign.clone()).unwrap();
        assert_eq!(plugin.open(foreign).unwrap_err().code(), ErrorCode::BadArgument);
    }

    #[test]
    fn settings_that_sort_are_refused_before_a_file_is_made() {
        for settings in shuffled() {
            let dir = tempfile::tempdir().unwrap();
            let builder = tantivy::Index::builder().schema(schema()).settings(settings);
            let directory = IndexDirectory::open(dir.path()).unwrap();
            let error = UvecPlugin::new().create(builder, directory).unwrap_err();
            assert_eq!(error.code(), ErrorCode::BadArgument);
            assert!(error.to_string().contains("sort at query time"), "{error}");
            assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
        }
    }

    /// An app that creates its index with tantivy's builder alone, in a directory of ours.
    #[test]
    fn our_directories_refuse_to_create_a_sorted_index() {
        let create = |settings: IndexSettings, plugin: Option<UvecPlugin>, directory: Box<dyn Directory>| {
            let builder = tantivy::Index::builder().schema(schema()).settings(settings);
            let builder = match &plugin {
                Some(plugin) => builder.register_plugin(plugin.registered()),
                None => builder,
            };
            builder.open_or_create(directory).map(drop).map_err(|error| Error::from(error).code())
        };
        let [settings, unwritten] = shuffled();
        let dir = tempfile::tempdir().unwrap();
        let plain = || Box::new(IndexDirectory::open(dir.path()).unwrap());
        let sound = Box::new(SoundDirectory::new(RamDirectory::create()));
        let plugin = Some(UvecPlugin::new());
        let refused = Err(ErrorCode::BadArgument);
        assert_eq!(create(settings.clone(), plugin.clone(), plain()), refused);
        assert_eq!(create(settings.clone(), plugin, sound), refused);
        assert!(!dir.path().join("meta.json").exists());
        // An index without vectors may sort as it likes.
        assert_eq!(create(settings, None, plain()), Ok(()));
        // No file says that ids are mapped by hand: the index itself does, when it is checked.
        let builder = tantivy::Index::builder().schema(schema()).settings(unwritten);
        let index = builder.register_plugin(UvecPlugin::new().registered()).create_in_ram().unwrap();
        assert_eq!(check_registered(&index).unwrap_err().code(), ErrorCode::BadArgument);
    }
}
