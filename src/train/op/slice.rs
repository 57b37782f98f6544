//! What a fused operation reads of a tensor.

use candle_core::{CpuStorage, Layout, Result};

/// The elements of a contiguous tensor.
pub(crate) fn slice<'a>(storage: &'a CpuStorage, layout: &Layout) -> Result<&'a [f32]> {
    let (start, end) = layout
        .contiguous_offsets()
        .ok_or_else(|| candle_core::Error::Msg("a fused operation needs contiguous input".to_owned()))?;
    Ok(&storage.as_slice::<f32>()?[start..end])
}
