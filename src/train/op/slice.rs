//! What a fused operation reads and writes of a tensor.

use candle_core::{CpuStorage, Error, Layout, Result, Storage, Tensor};

fn outside() -> Error {
    Error::Msg("a fused operation needs contiguous numbers of 32 bits".to_owned())
}

/// The elements of a contiguous tensor.
pub(crate) fn slice<'a>(storage: &'a CpuStorage, layout: &Layout) -> Result<&'a [f32]> {
    let (start, end) = layout.contiguous_offsets().ok_or_else(outside)?;
    Ok(&storage.as_slice::<f32>()?[start..end])
}

/// The elements of a contiguous tensor, to be changed.
pub(crate) fn slice_mut<'a>(storage: &'a mut CpuStorage, layout: &Layout) -> Result<&'a mut [f32]> {
    let (start, end) = layout.contiguous_offsets().ok_or_else(outside)?;
    let CpuStorage::F32(all) = storage else { return Err(outside()) };
    Ok(&mut all[start..end])
}

/// The sums `[k]` of the columns of `x [n, k]`.
pub(crate) fn column_sums(x: &Tensor) -> Result<Tensor> {
    let (_, k) = x.dims2()?;
    let x = x.contiguous()?;
    let mut sums = vec![0.0f32; k];
    let (storage, layout) = x.storage_and_layout();
    let Storage::Cpu(storage) = &*storage else { return Err(outside()) };
    for row in slice(storage, layout)?.chunks_exact(k.max(1)) {
        sums.iter_mut().zip(row).for_each(|(sum, x)| *sum += x);
    }
    Tensor::from_vec(sums, k, x.device())
}

#[cfg(test)]
mod tests {
    use candle_core::Device;

    use super::*;

    #[test]
    fn columns_are_summed() {
        let x = Tensor::new(&[[1.0f32, 2.0, 3.0], [10.0, 20.0, 30.0]], &Device::Cpu).unwrap();
        assert_eq!(column_sums(&x).unwrap().to_vec1::<f32>().unwrap(), [11.0, 22.0, 33.0]);
        assert_eq!(column_sums(&x.t().unwrap()).unwrap().to_vec1::<f32>().unwrap(), [6.0, 60.0]);
    }
}
