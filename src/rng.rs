//! Counter-based random numbers.
//!
//! Every number is a pure function of *(seed, chain, step, purpose, level, site)* through
//! Philox4x32-10 (Salmon, Moraes, Dror, Shaw, SC11, 2011). Nothing is carried from draw to draw, so
//! the numbers are the same for any thread count, batch size, domain decomposition and call
//! order, and the state of the generator is the step counter of the chain.
//!
//! Layout of the 128-bit Philox counter, low bits first: 32 bits index of the pair of sites, 20
//! bits level, 8 bits purpose, 24 bits chain, 40 bits step, 4 bits zero. The 64-bit key is the
//! seed. Distinct arguments therefore never share a block.

use crate::error::{Error, Result};
use rand_philox::philox4x32_10;

/// What a draw is for. The discriminants are part of the reproducibility contract: never reuse one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Purpose {
    /// Noise of the prior at the largest noise level, one normal a site.
    Prior = 1,
    /// Noise of one step of the reverse (denoising) process.
    Reverse = 2,
    /// Noise of one step of the forward (noising) process.
    Forward = 3,
    /// The uniform of an accept decision.
    Accept = 4,
    /// Momenta of HMC.
    Momentum = 5,
    /// A starting configuration.
    Start = 6,
    /// Which configurations go into a training batch.
    Batch = 7,
    /// Symmetry transformations in training.
    Augmentation = 8,
    /// Noise levels in training.
    TrainingLevel = 9,
    /// Noise in training.
    TrainingNoise = 10,
    /// Initial weights of a network.
    Weights = 11,
    /// Cluster growth of the built-in data generator.
    Cluster = 12,
    /// Jitter of the HMC trajectory length.
    Trajectory = 13,
    /// Draws of diagnostics (checks, pilots), which must not disturb a chain.
    Diagnostic = 14,
    /// Proposals of local Metropolis updates.
    LocalMove = 15,
    /// Noise of Langevin moves.
    Langevin = 16,
    /// Noise of complex Langevin, one series a site.
    ComplexLangevin = 17,
    /// Independent draws of a law that is known exactly.
    Draw = 18,
    /// Directions of shifts of the topological charge.
    ChargeShift = 19,
    /// Which of its two peaks the zero mode of a reverse step takes.
    ReversePeak = 20,
    /// Noise along the plaquettes in doubt of a reverse step of link angles.
    ReverseFlux = 21,
    /// Noise of the clean field in a reverse step, whose covariance follows the curvature site by site.
    ReverseLocal = 22,
    /// Where blocks of a bootstrap begin.
    Bootstrap = 23,
}

/// Largest chain number.
pub const MAX_CHAIN: u32 = (1 << 24) - 1;
/// Largest step number: 10^12, more than a year of updates of a microsecond each is never reached
/// by a chain that evaluates a network.
pub const MAX_STEP: u64 = (1 << 40) - 1;
/// Largest level number.
pub const MAX_LEVEL: u32 = (1 << 20) - 1;

/// The random numbers of one step of one chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stream {
    seed: u64,
    chain: u32,
    step: u64,
}

impl Stream {
    /// Numbers of `step` of `chain` under `seed`.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] when `chain` > [`MAX_CHAIN`] or `step` > [`MAX_STEP`].
    pub fn new(seed: u64, chain: u32, step: u64) -> Result<Self> {
        if chain > MAX_CHAIN {
            return Err(Error::invalid("chain", chain, "a chain number below 2^24"));
        }
        if step > MAX_STEP {
            return Err(Error::invalid("step", step, "fewer than 2^40 steps; start a new chain number"));
        }
        Ok(Stream { seed, chain, step })
    }

    /// Number of the step.
    pub fn step(&self) -> u64 {
        self.step
    }

    /// The same seed and chain at another step; wraps to the 40 bits of the counter.
    pub fn at_step(self, step: u64) -> Self {
        Stream { step: step & MAX_STEP, ..self }
    }

    fn block(&self, purpose: Purpose, level: u32, pair: u32) -> [u32; 4] {
        debug_assert!(level <= MAX_LEVEL);
        let counter = u128::from(pair)
            | u128::from(level & MAX_LEVEL) << 32
            | u128::from(purpose as u8) << 52
            | u128::from(self.chain) << 60
            | u128::from(self.step) << 84;
        let words = std::array::from_fn(|word| (counter >> (32 * word)) as u32);
        philox4x32_10(words, [self.seed as u32, (self.seed >> 32) as u32])
    }

    /// One uniform on the open interval (0, 1), with 52 bits.
    pub fn uniform(&self, purpose: Purpose, level: u32, index: u32) -> f64 {
        let words = self.block(purpose, level, index);
        open_uniform(words[0], words[1])
    }

    /// An integer uniform on `0..bound` (bias below `bound` / 2^64).
    pub fn below(&self, purpose: Purpose, level: u32, index: u32, bound: usize) -> usize {
        let words = self.block(purpose, level, index);
        let word = u64::from(words[0]) | u64::from(words[1]) << 32;
        ((u128::from(word) * bound as u128) >> 64) as usize
    }

    /// Fills `out[site]` with independent standard normals, two sites a Philox block (Box-Muller).
    pub fn normals(&self, purpose: Purpose, level: u32, out: &mut [f64]) {
        for (pair, values) in out.chunks_mut(2).enumerate() {
            let words = self.block(purpose, level, pair as u32);
            // libm in Rust, not the system's: the same bits on every platform.
            let radius = (-2.0 * libm::log(open_uniform(words[0], words[1]))).sqrt();
            let (sine, cosine) = libm::sincos(std::f64::consts::TAU * open_uniform(words[2], words[3]));
            values[0] = radius * cosine;
            if let Some(second) = values.get_mut(1) {
                *second = radius * sine;
            }
        }
    }
}

/// Maps 52 of the 64 bits to the midpoint of a cell of (0, 1): never 0, never 1.
fn open_uniform(low: u32, high: u32) -> f64 {
    let bits = (u64::from(high) << 32 | u64::from(low)) >> 12;
    (bits as f64 + 0.5) * (1.0 / (1u64 << 52) as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn philox_known_answer() {
        // Random123 kat_vectors, philox4x32 10 rounds, all-ones counter and key.
        let ones = u32::MAX;
        assert_eq!(philox4x32_10([ones; 4], [ones; 2]), [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]);
    }

    #[test]
    fn every_argument_changes_the_numbers() {
        let base = Stream::new(7, 3, 11).unwrap();
        let draw = |stream: Stream, purpose, level, index| stream.uniform(purpose, level, index);
        let reference = draw(base, Purpose::Prior, 2, 5);
        let others = [
            draw(Stream::new(8, 3, 11).unwrap(), Purpose::Prior, 2, 5),
            draw(Stream::new(7, 4, 11).unwrap(), Purpose::Prior, 2, 5),
            draw(base.at_step(12), Purpose::Prior, 2, 5),
            draw(base, Purpose::Reverse, 2, 5),
            draw(base, Purpose::Prior, 3, 5),
            draw(base, Purpose::Prior, 2, 6),
        ];
        assert!(others.iter().all(|&other| other != reference));
        assert!(Stream::new(0, MAX_CHAIN + 1, 0).is_err() && Stream::new(0, 0, MAX_STEP + 1).is_err());
    }

    #[test]
    fn normals_depend_on_the_site_only_and_have_unit_variance() {
        let stream = Stream::new(1, 0, 0).unwrap();
        let mut long = vec![0.0; 200_001];
        stream.normals(Purpose::Forward, 0, &mut long);
        let mut short = vec![0.0; 7];
        stream.normals(Purpose::Forward, 0, &mut short);
        assert_eq!(&long[..7], &short[..]);
        let n = long.len() as f64;
        let moment = |power: i32| long.iter().map(|x| x.powi(power)).sum::<f64>() / n;
        // Standard errors 1/sqrt(n), sqrt(2/n), sqrt(96/n); bounds at 5 sigma (false alarm 2e-6).
        assert!(moment(1).abs() < 5.0 / n.sqrt());
        assert!((moment(2) - 1.0).abs() < 5.0 * (2.0 / n).sqrt());
        assert!((moment(4) - 3.0).abs() < 5.0 * (96.0 / n).sqrt());
    }
}
