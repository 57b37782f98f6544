//! The Python package of `uncsm-index`, its part in Rust: classes that `python/uncsm_index` gives a face.
//!
//! `data`, `stored` and `bundle` train; `index` is what an index does: `build` with `documents`, `delete`, `query` and `batch`; `table` and
//! `segments` are answers and rows for Arrow and numpy. All work runs in `watch`, which gives up the lock of the interpreter.

mod arrays;
mod batch;
mod build;
mod bundle;
mod data;
mod delete;
mod documents;
mod error;
mod index;
mod json;
mod query;
mod segments;
mod stored;
mod table;
mod watch;

use pyo3::prelude::*;

#[pymodule]
fn _native(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    module.add("Error", module.py().get_type::<error::exception::Error>())?;
    module.add_class::<bundle::PyBundle>()?;
    module.add_class::<data::PyData>()?;
    module.add_class::<batch::PyBatch>()?;
    module.add_class::<index::PyIndex>()?;
    module.add_class::<segments::PyColumn>()?;
    module.add_class::<segments::PySegment>()?;
    Ok(())
}
