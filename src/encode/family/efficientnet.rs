//! EfficientNet-Lite0, known by its settings or by its tensors.

use std::sync::Arc;

use super::seam::{Family, Opening};
use super::signs::Signs;
use crate::encode::Encoder;
use crate::error::Result;

/// Tensors by which it is known where no settings name it.
const TENSORS: [&str; 3] = ["_conv_stem.weight", "_blocks.15._project_conv.weight", "_conv_head.weight"];

pub(super) struct Lite0;

impl Family for Lite0 {
    fn name(&self) -> &'static str {
        "efficientnet-lite0"
    }

    fn media(&self) -> &'static [&'static str] {
        &["image"]
    }

    fn detect(&self, signs: &Signs) -> bool {
        signs.model_type() == Some("efficientnet-lite0") || TENSORS.iter().all(|name| signs.has_tensor(name))
    }

    #[cfg(feature = "encoders")]
    fn open(&self, opening: &Opening<'_>) -> Result<Arc<dyn Encoder>> {
        let path = opening.path;
        // The weights of a folder without settings may have any name.
        let weights = match path.is_file() || path.join("config.json").is_file() {
            true => path.to_path_buf(),
            false => super::signs::weights_in(path)?,
        };
        let lite0 = crate::encode::efficientnet::EfficientNetLite0::open;
        Ok(Arc::new(lite0(&weights, opening.name, opening.limits)?))
    }

    #[cfg(not(feature = "encoders"))]
    fn open(&self, opening: &Opening<'_>) -> Result<Arc<dyn Encoder>> {
        Err(opening.not_in_this_build(self.name()))
    }

    #[cfg(not(feature = "encoders"))]
    fn is_in_this_build(&self) -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::encode::Registry;
    use crate::error::ErrorCode;

    fn lite0(path: &Path, names: &[&str]) {
        let zero = [0u8; 4];
        let view = || safetensors::tensor::TensorView::new(safetensors::Dtype::F32, vec![1], &zero).unwrap();
        let views = names.iter().map(|name| (*name, view()));
        std::fs::write(path, safetensors::serialize(views, None).unwrap()).unwrap();
    }

    #[test]
    fn tensors_tell_lite0() {
        let dir = tempfile::tempdir().unwrap();
        let registry = Registry::default();
        let code = |path: &Path| registry.family(path).map(|family| family.name()).map_err(|e| e.code());
        assert_eq!(code(dir.path()), Err(ErrorCode::NotFound));
        let file = dir.path().join("lite0.safetensors");
        lite0(&file, &TENSORS);
        assert_eq!((code(&file), code(dir.path())), (Ok("efficientnet-lite0"), Ok("efficientnet-lite0")));
        let other = dir.path().join("other.safetensors");
        lite0(&other, &TENSORS[1..]);
        assert_eq!(code(&other), Err(ErrorCode::BadValue));
        // Two files: which one is it?
        assert_eq!(code(dir.path()), Err(ErrorCode::NotFound));
        std::fs::write(&other, [255; 20]).unwrap();
        assert_eq!(code(&other), Err(ErrorCode::Damaged));
        std::fs::write(&other, [1]).unwrap();
        assert_eq!(code(&other), Err(ErrorCode::Damaged));
        assert_eq!(code(&dir.path().join("none")), Err(ErrorCode::NotFound));
    }
}
