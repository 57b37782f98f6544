//! EfficientNet-Lite0 over picture files: reading, decoding, resizing and the network.

use std::collections::HashMap;
use std::path::Path;
use std::time::Instant;

use rayon::prelude::*;
use safetensors::tensor::{Dtype, TensorView};
use uncsm_index::encode::{DecodeLimits, EfficientNetLite0, Encoder, Item};

type Outcome = Result<(), Box<dyn std::error::Error>>;

/// `WEIGHTS FILES.txt OUT.safetensors ROUNDS`: features of the files that stand line by line in `FILES.txt`.
pub(crate) fn run(arguments: &[String]) -> Outcome {
    let [weights, list, out, rounds] = arguments else {
        return Err("expected WEIGHTS FILES.txt OUT.safetensors ROUNDS".into());
    };
    let encoder = EfficientNetLite0::open(Path::new(weights), "efficientnet-lite0", DecodeLimits::default())?;
    let list = std::fs::read_to_string(list)?;
    let files: Vec<&str> = list.lines().collect();
    let mut features = Vec::new();
    for round in 0..rounds.parse::<usize>()? {
        if !super::turn()? {
            break;
        }
        let start = Instant::now();
        let bytes: Vec<Vec<u8>> = files.par_iter().map(std::fs::read).collect::<Result<_, _>>()?;
        let items: Vec<Item<'_>> = bytes.iter().map(|bytes| Item::Bytes(bytes)).collect();
        features = encoder.encode(&items).into_iter().collect::<Result<Vec<_>, _>>()?;
        let seconds = start.elapsed().as_secs_f64();
        println!("{{\"round\":{round},\"items\":{},\"seconds\":{seconds}}}", items.len());
    }
    let bytes: Vec<u8> = features.iter().flatten().flat_map(|x| x.to_le_bytes()).collect();
    let view = TensorView::new(Dtype::F32, vec![features.len(), encoder.features()], &bytes)?;
    safetensors::serialize_to_file(HashMap::from([("features", view)]), None, Path::new(out))?;
    Ok(())
}
