//! Options of a training, and what it reports.

use super::guard::guard;
use super::options::check_ranges;
use super::pointer::{Output, Versioned};
use super::status::stoq_status_t;
use crate::error::{Error, Result};
use crate::nn::UNetShape;
use crate::train::{AdamOptions, TrainOptions, Trainer};

/// Size of a network by name: one of the STOQ_SIZE_ constants. An evaluation costs, in two dimensions and a
/// site, some 8 thousand, 38 thousand, 115 thousand or 290 thousand multiply-adds.
pub type stoq_size_t = i32;
/// Channels 8, 16, 32.
pub const STOQ_SIZE_TINY: stoq_size_t = 1;
/// Channels 24, 32, 48.
pub const STOQ_SIZE_SMALL: stoq_size_t = 2;
/// Channels 40, 56, 96.
pub const STOQ_SIZE_BASE: stoq_size_t = 3;
/// Channels 64, 96, 128.
pub const STOQ_SIZE_LARGE: stoq_size_t = 4;

/// Options of a training. Fill it with stoq_train_options_init() and change what should differ.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct stoq_train_options_t {
    /// sizeof(stoq_train_options_t), set by stoq_train_options_init().
    pub struct_size: usize,
    /// Default STOQ_SIZE_SMALL; three resolutions, for extents that are multiples of 4 and at least 8.
    pub size: stoq_size_t,
    /// 1, the default: sites interact. 0: sites are independent, as those of stoq_action_toy(); then the
    /// channels are 32 unless given.
    pub reach: u32,
    /// Channels at each resolution, finest first, then zeros; each resolution but the first halves the
    /// extents. All zero, the default: by `size`.
    pub channels: [u32; 4],
    /// Width of the embedding of the time; default 0: by `size`.
    pub embedding: u32,
    /// Configurations a step, 1 to 65536; default 64.
    pub batch: u32,
    /// Steps of the whole training, all calls of stoq_trainer_fit() together, up to 10^9; default 20000.
    /// The learning rate falls along them to zero, so that a training that stops early ends worse than one that
    /// was planned as short.
    pub steps: u64,
    /// Seed of weights, batches, symmetries and noise; default 1.
    pub seed: u64,
    /// Threads, 1 to 1024; default 1: the caller's own. Does not change results.
    pub threads: u32,
    /// 1, the default: where the law is even, one component a site, the network is odd by construction. 0: it
    /// is not.
    pub odd: u32,
    /// 1: phi and -phi are equally probable, which doubles the data. 0: they are not. Default -1: as the
    /// action says; without an action, 1.
    pub even: i32,
    /// 1: with an action, noise levels are drawn by where Var(log w) of the path kernel is made. Default 0:
    /// evenly.
    pub follow_variance: u32,
    /// Largest learning rate, above 0 and up to 1; default 0.0025.
    pub rate: f64,
    /// Steps over which the rate rises; default 0: a fortieth of `steps`.
    pub warm_up: u64,
    /// Largest noise in standard deviations of the widest mode of the data, 1 to 100; default 0: 2, or 8
    /// with reach 0.
    pub largest_noise: f64,
    /// Steps between two looks at the validation loss, at least 1; default 500.
    pub validate_every: u64,
    /// Looks without an improvement after which the training ends; default 0: it does not end early. The
    /// count starts anew when configurations join.
    pub patience: u64,
}

/// How far a training is. Fill it with stoq_train_report_init() once.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct stoq_train_report_t {
    /// sizeof(stoq_train_report_t), set by stoq_train_report_init().
    pub struct_size: usize,
    /// Steps taken, in all calls together.
    pub step: u64,
    /// Steps of the whole training: options.steps.
    pub steps: u64,
    /// Training loss, smoothed over some 100 steps; NaN before the first.
    pub loss: f64,
    /// Loss on the validation part of the configurations at the last look; NaN before the first.
    pub validation: f64,
    /// Learning rate of the next step.
    pub rate: f64,
    /// 1: all steps are taken, or the validation loss ended the training; 0: it goes on.
    pub finished: u32,
    /// 0.
    pub reserved: u32,
}

impl Versioned for stoq_train_options_t {
    const INITIALISER: &'static str = "stoq_train_options_init";
}

impl Versioned for stoq_train_report_t {
    const INITIALISER: &'static str = "stoq_train_report_init";
}

/// Fills options with the defaults.
///
/// @param[out] options  borrowed; every field is written. Unchanged on failure.
/// @return STOQ_OK, or STOQ_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stoq_train_options_init(options: *mut stoq_train_options_t) -> stoq_status_t {
    guard(|| {
        // SAFETY: what the comment of the function asks of its caller; so in all functions below.
        unsafe { Output::new("options", options)? }.set(default_train_options());
        Ok(())
    })
}

pub(super) fn default_train_options() -> stoq_train_options_t {
    let TrainOptions { batch, steps, seed, threads, odd, follow_variance, adam, validate_every, .. } =
        TrainOptions::default();
    stoq_train_options_t {
        struct_size: size_of::<stoq_train_options_t>(),
        size: STOQ_SIZE_SMALL,
        reach: 1,
        channels: [0; 4],
        embedding: 0,
        batch: batch as u32,
        steps,
        seed,
        threads: threads as u32,
        odd: u32::from(odd),
        even: -1,
        follow_variance: u32::from(follow_variance),
        rate: adam.rate,
        warm_up: 0,
        largest_noise: 0.0,
        validate_every,
        patience: 0,
    }
}

/// Makes a report ready: its size, and zeros.
///
/// @param[out] report  borrowed; every field is written. Unchanged on failure.
/// @return STOQ_OK, or STOQ_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stoq_train_report_init(report: *mut stoq_train_report_t) -> stoq_status_t {
    guard(|| {
        let (struct_size, loss, validation, rate) = (size_of::<stoq_train_report_t>(), 0.0, 0.0, 0.0);
        let (step, steps, finished, reserved) = (0, 0, 0, 0);
        let zero = stoq_train_report_t { struct_size, step, steps, loss, validation, rate, finished, reserved };
        // SAFETY: see stoq_train_options_init.
        unsafe { Output::new("report", report)? }.set(zero);
        Ok(())
    })
}

/// How far `trainer` is.
pub(super) fn report_of(trainer: &Trainer) -> stoq_train_report_t {
    stoq_train_report_t {
        struct_size: size_of::<stoq_train_report_t>(),
        step: trainer.taken(),
        steps: trainer.steps(),
        loss: trainer.loss(),
        validation: trainer.validation().unwrap_or(f64::NAN),
        rate: trainer.rate(),
        finished: u32::from(trainer.is_finished()),
        reserved: 0,
    }
}

/// A number that stands for yes or no.
fn switch(name: &str, value: u32) -> Result<bool> {
    match value {
        0 | 1 => Ok(value == 1),
        _ => Err(Error::invalid(name, value, "1 for yes or 0 for no")),
    }
}

/// Channels and width of the embedding.
fn network(options: &stoq_train_options_t, components: usize) -> Result<(Vec<usize>, usize)> {
    let sizes = ["tiny", "small", "base", "large"];
    let name = usize::try_from(options.size.wrapping_sub(1)).ok().and_then(|index| sizes.get(index));
    let name = name.ok_or_else(|| Error::invalid("size", options.size, "one of the STOQ_SIZE_ constants, 1 to 4"))?;
    let preset = UNetShape::preset(name, components)?;
    let (mut channels, mut embedding) = (preset.channels, preset.embedding);
    if options.reach == 0 {
        TrainOptions { channels, embedding, .. } = TrainOptions::independent_sites();
    }
    let given = options.channels.iter().position(|&count| count == 0).unwrap_or(4);
    if let Some(index) = (given..4).find(|&index| options.channels[index] > 0) {
        let expected = format!("0, as channels[{given}] is 0: the counts come first, then zeros");
        return Err(Error::invalid(&format!("channels[{index}]"), options.channels[index], &expected));
    }
    if given > 0 {
        if let Some(index) = (0..given).find(|&index| options.channels[index] > 4096) {
            return Err(Error::invalid(&format!("channels[{index}]"), options.channels[index], "up to 4096"));
        }
        channels = options.channels[..given].iter().map(|&count| count as usize).collect();
    }
    if options.embedding > 0 {
        check_ranges(&[("embedding", options.embedding, 4096)])?;
        embedding = options.embedding as usize;
    }
    Ok((channels, embedding))
}

/// Turns options of the caller into those of [`Trainer`].
pub(super) fn checked_train_options(options: &stoq_train_options_t, components: usize) -> Result<TrainOptions> {
    let stoq_train_options_t { batch, steps, threads, rate, warm_up, largest_noise, .. } = *options;
    check_ranges(&[("batch", batch, 65_536), ("threads", threads, 1024)])?;
    if options.reach > 1 {
        return Err(Error::invalid("reach", options.reach, "1, or 0 for independent sites"));
    }
    if steps > 1_000_000_000 {
        return Err(Error::invalid("steps", steps, "up to 10^9"));
    }
    if !(rate > 0.0 && rate <= 1.0) {
        return Err(Error::invalid("rate", rate, "above 0 and up to 1"));
    }
    if largest_noise != 0.0 && !(1.0..=100.0).contains(&largest_noise) {
        let expected = "1 to 100 standard deviations of the widest mode, or 0 for the default";
        return Err(Error::invalid("largest_noise", largest_noise, expected));
    }
    if options.validate_every == 0 {
        return Err(Error::invalid("validate_every", 0, "at least 1 step"));
    }
    let even = match options.even {
        -1 => None,
        0 | 1 => Some(options.even == 1),
        other => return Err(Error::invalid("even", other, "1 for yes, 0 for no, or -1 for what the action says")),
    };
    let (channels, embedding) = network(options, components)?;
    let warm_up = if warm_up == 0 { (steps / 40).max(1) } else { warm_up };
    Ok(TrainOptions {
        channels,
        embedding,
        reach: options.reach as usize,
        even,
        odd: switch("odd", options.odd)?,
        batch: batch as usize,
        steps,
        seed: options.seed,
        threads: threads as usize,
        adam: AdamOptions { rate, warm_up, ..AdamOptions::default() },
        largest_noise: Some(largest_noise).filter(|&factor| factor != 0.0),
        validate_every: options.validate_every,
        patience: Some(options.patience).filter(|&looks| looks > 0),
        follow_variance: switch("follow_variance", options.follow_variance)?,
        ..TrainOptions::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_option_arrives_where_it_belongs() {
        let defaults = default_train_options();
        assert_eq!(checked_train_options(&defaults, 1).unwrap(), TrainOptions::default());
        let sites = stoq_train_options_t { reach: 0, ..defaults };
        assert_eq!(checked_train_options(&sites, 2).unwrap(), TrainOptions::independent_sites());
        let given = stoq_train_options_t {
            size: STOQ_SIZE_TINY,
            channels: [4, 6, 0, 0],
            batch: 3,
            steps: 50,
            seed: 5,
            threads: 2,
            odd: 0,
            even: 0,
            follow_variance: 0,
            rate: 0.125,
            warm_up: 7,
            largest_noise: 3.5,
            validate_every: 11,
            patience: 13,
            ..defaults
        };
        let expected = TrainOptions {
            channels: vec![4, 6],
            embedding: UNetShape::preset("tiny", 1).unwrap().embedding,
            even: Some(false),
            odd: false,
            batch: 3,
            steps: 50,
            seed: 5,
            threads: 2,
            adam: AdamOptions { rate: 0.125, warm_up: 7, ..AdamOptions::default() },
            largest_noise: Some(3.5),
            validate_every: 11,
            patience: Some(13),
            follow_variance: false,
            ..TrainOptions::default()
        };
        assert_eq!(checked_train_options(&given, 1).unwrap(), expected);
        let given = stoq_train_options_t { embedding: 24, size: STOQ_SIZE_LARGE, even: 1, ..defaults };
        let found = checked_train_options(&given, 1).unwrap();
        assert_eq!((found.channels, found.embedding, found.even), (vec![64, 96, 128], 24, Some(true)));
    }
}
