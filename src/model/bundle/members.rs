//! The tensors of a pathway: of its deep members and of its kernel member.

use super::MediaConfig;
use super::tensors::{Named, Reader};
use crate::error::{Error, ErrorCode, Result};
use crate::limits::{self, BUNDLE_LANDMARKS};
use crate::model::floats::Floats;
use crate::model::pathway::{Deep, Kernel, Pathway, Shares};

impl Pathway {
    /// All tensors, in the order of the flow.
    pub(super) fn tensors(&self, m: usize, d_in: usize) -> Vec<Named<'_>> {
        let mut out = Vec::new();
        if let Some(p) = &self.deep {
            let (k, e, c) = (p.hidden_bias.len(), p.unit_bias.len(), p.class_bias.len());
            let mut push = |part: &str, shape: &[usize], data| {
                out.push(Named::new(format!("pathway.{m}.{part}"), shape, data, true));
            };
            push("mean", &[d_in], &p.mean);
            push("scale", &[d_in], &p.scale);
            push("hidden.weight", &[k, d_in], &p.hidden);
            push("hidden.bias", &[k], &p.hidden_bias);
            push("unit.weight", &[e, k], &p.unit);
            push("unit.bias", &[e], &p.unit_bias);
            if !p.skip.is_empty() {
                push("skip.weight", &[e, d_in], &p.skip);
            }
            if c > 0 {
                push("class.weight", &[c, k], &p.class);
                push("class.bias", &[c], &p.class_bias);
            }
        }
        if let Some(p) = &self.kernel {
            let (k, e, c) = (p.len(), p.unit_bias.len(), p.class_bias.len());
            let name = |part: &str| format!("pathway.{m}.kernel.{part}");
            out.push(Named::new(name("landmarks"), &[k, d_in], p.landmarks.wide(), true).narrow());
            let mut push = |part: &str, shape: &[usize], data| {
                out.push(Named::new(name(part), shape, data, true));
            };
            push("width", &[1], std::slice::from_ref(&p.width));
            push("shares.posterior", &[1], std::slice::from_ref(&self.shares.posterior));
            push("shares.unit", &[1], std::slice::from_ref(&self.shares.unit));
            push("unit.weight", &[e, k], &p.unit);
            push("unit.bias", &[e], &p.unit_bias);
            if c > 0 {
                push("class.weight", &[c, k], &p.class);
                push("class.bias", &[c], &p.class_bias);
            }
        }
        out
    }

    /// Reads the pathway of media type `m`, whose parts of a shared vector have `(C, e)` elements.
    pub(super) fn read(
        reader: &mut Reader<'_>,
        m: usize,
        media: &MediaConfig,
        (classes, e): (usize, usize),
    ) -> Result<Self> {
        let name = |part: &str| format!("pathway.{m}.{part}");
        let kernel = reader.has(&name("kernel.landmarks"));
        let deep = !kernel || reader.has(&name("hidden.bias"));
        let of_kernel = if kernel { reader.rows(&name("kernel.unit.bias"))? } else { 0 };
        let of_deep = if kernel && deep { reader.rows(&name("unit.bias"))? } else { e - of_kernel.min(e) };
        let odd = |what: String| Err(Error::new(ErrorCode::Damaged, what).file(reader.file()));
        if of_kernel + of_deep != e || (!deep && of_deep > 0) {
            return odd(format!("the members of `{}` do not fill the shared vector", media.name));
        }
        let shape = (classes, of_deep, media.features);
        let (deep, mut shares) = match deep {
            true => (Some(deep_of(reader, &name, media.roots, shape)?), Shares::DEEP),
            false => (None, Shares::KERNEL),
        };
        let kernel = match kernel {
            true => {
                let shape = (classes, of_kernel, media.features);
                let (kernel, found) =
                    kernel_of(reader, &|part| name(&format!("kernel.{part}")), media.roots, shape)?;
                shares = found;
                Some(kernel)
            }
            false => None,
        };
        let bounds = [shares.posterior, shares.unit].iter().all(|share| (0.0..=1.0).contains(share));
        let lacks = (deep.is_none() && shares != Shares::KERNEL)
            || (of_kernel == 0 && shares.unit > 0.0 && of_deep > 0)
            || (of_deep == 0 && shares.unit < 1.0 && of_kernel > 0);
        if !bounds || lacks {
            return Err(Error::new(
                ErrorCode::Damaged,
                format!("the shares of the members of `{}` do not fit", media.name),
            )
            .file(reader.file()));
        }
        Ok(Self { deep, kernel, shares })
    }
}

fn deep_of(
    reader: &mut Reader<'_>,
    name: &dyn Fn(&str) -> String,
    roots: bool,
    (classes, e, d_in): (usize, usize, usize),
) -> Result<Deep> {
    let k = reader.rows(&name("hidden.bias"))?;
    let mut class = (Floats::default(), Vec::new());
    if classes > 0 {
        class = (
            reader.leave(&name("class.weight"), &[classes, k])?,
            reader.take(&name("class.bias"), &[classes])?,
        );
    }
    let skip = name("skip.weight");
    let skip = if reader.has(&skip) { reader.leave(&skip, &[e, d_in])? } else { Floats::default() };
    Ok(Deep {
        skip,
        roots,
        mean: reader.take(&name("mean"), &[d_in])?,
        scale: reader.take(&name("scale"), &[d_in])?,
        hidden: reader.leave(&name("hidden.weight"), &[k, d_in])?,
        hidden_bias: reader.take(&name("hidden.bias"), &[k])?,
        unit: reader.leave(&name("unit.weight"), &[e, k])?,
        unit_bias: reader.take(&name("unit.bias"), &[e])?,
        class: class.0,
        class_bias: class.1,
    })
}

fn kernel_of(
    reader: &mut Reader<'_>,
    name: &dyn Fn(&str) -> String,
    roots: bool,
    (classes, e, d_in): (usize, usize, usize),
) -> Result<(Kernel, Shares)> {
    let m = reader.rows(&name("landmarks"))?;
    if m > BUNDLE_LANDMARKS {
        let what = "the bundle has too many landmarks";
        return Err(limits::over(what, BUNDLE_LANDMARKS, m, "landmarks").file(reader.file()));
    }
    let landmarks = reader.leave_narrow(&name("landmarks"), &[m, d_in])?;
    let width = reader.take(&name("width"), &[1])?[0];
    if m == 0 || width <= 0.0 {
        let what = "a kernel member has no landmarks, or no width";
        return Err(Error::new(ErrorCode::Damaged, what).file(reader.file()));
    }
    let shares = Shares {
        posterior: reader.take(&name("shares.posterior"), &[1])?[0],
        unit: reader.leave(&name("shares.unit"), &[1])?[0],
    };
    let mut kernel = Kernel::new(roots, landmarks, d_in, width);
    kernel.unit = reader.leave(&name("unit.weight"), &[e, m])?;
    kernel.unit_bias = reader.take(&name("unit.bias"), &[e])?;
    if classes > 0 {
        kernel.class = reader.leave(&name("class.weight"), &[classes, m])?;
        kernel.class_bias = reader.take(&name("class.bias"), &[classes])?;
    }
    Ok((kernel, shares))
}
