//! Which settings suit how many rows.

use super::{Refit, TrainConfig};

/// Data of more train rows than this are large.
///
/// Small data teach a wide network little that validation would confirm, and several splits are needed to choose by. With
/// more rows it is the other way round: one wide member with a skip, large batches and few epochs find more, and a
/// thousand rows held out once tell enough.
const SMALL: usize = 4096;

/// Up to this many train rows all are landmarks.
///
/// The kernel member then is the closed form itself, which is hard to beat on data of this size; a sample of the rows costs it
/// recall. Its fits grow with the cube of the landmarks, and every item is compared with each of them.
pub(super) const LANDMARKS: usize = 6144;

/// Landmarks of more rows than that: a sample, beside which deep members carry most.
const SAMPLED: usize = 4096;

/// Steps by which the unit part of kernel members learns on where landmarks are a sample. Where all rows are landmarks the closed form has
/// all that they tell.
const KERNEL_STEPS: usize = 64;

/// Most steps of the contrastive stage where it has more than one epoch: of a million rows it runs four. The other stages have one each.
const STEPS: usize = 8192;
/// Epochs of the contrastive stage of large data, up to 262,144 rows.
const EPOCHS: usize = 16;

impl TrainConfig {
    /// The settings for `rows` train rows: those of [`TrainConfig::default`] up to 4,096, and for more those of the last
    /// column of [`TrainConfig::from_toml`]. Up to 6,144 rows all are landmarks of the kernel member; of more 4,096 are, and its unit part learns on.
    /// Of more than 262,144 rows the contrastive stage has fewer epochs: at most 8,192 steps, but one epoch at least.
    pub fn for_rows(rows: usize) -> Self {
        let mut config = Self::default();
        if rows <= SMALL {
            return config;
        }
        if rows > LANDMARKS {
            (config.kernel.landmarks, config.kernel.steps) = (SAMPLED, KERNEL_STEPS);
        }
        let model = &mut config.model;
        (model.members, model.hidden, model.skip) = (1, 512, true);
        // Every epoch has dozens of steps: a stage needs no more of them than its setting.
        (config.steps.batch, config.steps.least) = (512, 0);
        // The end of the schedule is where the averaged parameters are best: no stage stops before it.
        config.steps.patience = 32;
        config.contrastive.epochs = (STEPS * config.steps.batch / rows).clamp(1, EPOCHS);
        (config.double_triplet.epochs, config.metric.epochs) = (1, 1);
        // Of many rows the other items of a batch are negatives enough.
        (config.losses.softmax_weight, config.losses.pair_weight, config.losses.temperature) =
            (1.0, 0.0, 0.05);
        (config.regularisation.dropout_input, config.regularisation.dropout_hidden) = (0.1, 0.1);
        // The model that was validated is kept, so that nothing is learned twice.
        (config.selection.validation_rows, config.selection.refit) = (1000, Refit::Off);
        config
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn size_decides() {
        assert_eq!(TrainConfig::for_rows(0), TrainConfig::default());
        assert_eq!(TrainConfig::for_rows(4096), TrainConfig::default());
        let large = TrainConfig::for_rows(6145);
        assert_eq!(large, TrainConfig::for_rows(262_144));
        for (rows, epochs) in [(262_144, 16), (1_000_000, 4), (4_194_304, 1), (1_000_000_000, 1)] {
            let very = TrainConfig::for_rows(rows);
            assert_eq!(very.contrastive.epochs, epochs, "{rows}");
            let steps = epochs * rows.div_ceil(very.steps.batch);
            assert!(epochs == 1 || steps <= 8192, "{rows}: {steps} steps");
            let mut same = very;
            same.contrastive.epochs = large.contrastive.epochs;
            assert_eq!(same, large);
        }
        let middle = TrainConfig::for_rows(4097);
        assert_eq!(middle, TrainConfig::for_rows(6144));
        // What goes with the number of landmarks is the kernel member alone.
        assert_eq!((middle.kernel.steps, large.kernel.steps), (0, KERNEL_STEPS));
        assert!(middle.kernel.landmarks >= 6144 && large.kernel.landmarks < middle.kernel.landmarks);
        assert_eq!(TrainConfig { kernel: middle.kernel.clone(), ..large.clone() }, middle);
        large.check().unwrap();
        assert!(large.model.skip && large.model.item_half == 0 && large.selection.refit == Refit::Off);
        assert!(large.steps.batch > TrainConfig::default().steps.batch);
        // A bundle of either size can be trained further with the settings of the other.
        let small = TrainConfig::default();
        assert_eq!(large.model.members * large.model.hidden % small.model.hidden, 0);
        assert_eq!(small.model.members * small.model.hidden % large.model.hidden, 0);
    }
}
