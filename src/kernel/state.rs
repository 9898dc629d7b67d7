//! The saved state of a chain. Little-endian: magic, version, fingerprint of model and options,
//! counters, tuning, the current field with its log r, CRC-32 of all before.

use super::chain::{Chain, Mover};
use super::options::{ChainOptions, Drift, Kernel, Statistics};
use super::proposer::Carried;
use super::warm_up::WarmUp;
use crate::error::{Error, Result};

const MAGIC: &[u8; 8] = b"STOQCHN\n";
const VERSION: u32 = 2;
/// Numbers of eight bytes before the field: counters, tuning, and what belongs to the field.
const COUNTERS: usize = 8;
const TUNING: usize = 6;
const CARRIED: usize = 2;
const HEADER: usize = 8 + 4 + 8 * (COUNTERS + TUNING + CARRIED);
const CHECKSUM: usize = 4;

/// Identifies what the results of a chain depend on: model, kernel, levels, seed and chain number.
pub(super) fn fingerprint(score: u64, options: &ChainOptions) -> u64 {
    let drift = |drift: Drift| match drift {
        Drift::Force => [0.0, 0.0, 0.0],
        Drift::Score { time } => [1.0, time, 1.0],
        Drift::Blend { time, weight } => [2.0, time, weight],
    };
    let (kernel, numbers) = match options.kernel {
        Kernel::Path => (1u8, vec![]),
        Kernel::Renoise { time } => (2, vec![time]),
        Kernel::Likelihood => (3, vec![]),
        Kernel::Mala { step, drift: b } => (4, [&[step][..], &drift(b)].concat()),
        Kernel::Hmc(hmc) => {
            let integrator = f64::from(hmc.integrator as u8);
            (5, vec![hmc.trajectory_length, hmc.steps as f64, hmc.jitter, integrator])
        }
        Kernel::Metropolis { width } => (6, vec![width]),
        Kernel::Langevin { step, drift: b } => (7, [&[step][..], &drift(b)].concat()),
        Kernel::ChargeShift => (8, vec![]),
    };
    let mut hash = crc32fast::Hasher::new();
    hash.update(&[kernel]);
    numbers.iter().for_each(|number| hash.update(&f64::to_le_bytes(*number)));
    hash.update(&(options.levels as u64).to_le_bytes());
    hash.update(&[options.grid as u8]);
    hash.update(&options.seed.to_le_bytes());
    hash.update(&options.chain.to_le_bytes());
    score ^ u64::from(hash.finalize()).rotate_left(17)
}

pub(super) fn write(chain: &Chain) -> Vec<u8> {
    let s = chain.statistics;
    let size = chain.mover.size();
    let warm_up = chain.warm_up.unwrap_or(WarmUp { decisions: 0, log_size: 0.0, average: 0.0, size });
    let warm = u64::from(chain.warm_up.is_some());
    let mut bytes = Vec::with_capacity(HEADER + 8 * chain.values + CHECKSUM);
    bytes.extend_from_slice(MAGIC);
    bytes.extend_from_slice(&VERSION.to_le_bytes());
    let counters = [chain.fingerprint, chain.step, s.steps, s.proposals, s.accepted, s.not_finite, s.score_evaluations];
    let none = Carried::new(chain.values);
    let carried = match &chain.mover {
        Mover::Proposer(proposer) => proposer.carried().unwrap_or(&none),
        Mover::Sweep(_) => &none,
    };
    let tuning = [warm_up.log_size, warm_up.average, warm_up.size, size].map(f64::to_bits);
    let words = counters.into_iter().chain([chain.values as u64, warm, warm_up.decisions]).chain(tuning);
    let words = words.chain([u64::from(carried.valid), carried.log_ratio.to_bits()]);
    words.for_each(|word| bytes.extend_from_slice(&word.to_le_bytes()));
    carried.field.iter().for_each(|value| bytes.extend_from_slice(&value.to_le_bytes()));
    bytes.extend_from_slice(&crc32fast::hash(&bytes).to_le_bytes());
    bytes
}

pub(super) fn read(chain: &mut Chain, bytes: &[u8]) -> Result<()> {
    let body = checked_body(bytes)?;
    let fail = |reason: &str| Error::ChainState { reason: reason.into() };
    let mut words = body[12..].chunks_exact(8).map(|word| u64::from_le_bytes(std::array::from_fn(|i| word[i])));
    let mut next = || words.next().unwrap_or(0);
    let [fingerprint, step, steps, proposals, accepted, not_finite, score_evaluations, values]: [u64; COUNTERS] =
        std::array::from_fn(|_| next());
    if fingerprint != chain.fingerprint {
        return Err(fail("saved with another model, kernel, number of levels, seed or chain number"));
    }
    if values != chain.values as u64 || body.len() != HEADER + 8 * chain.values {
        return Err(fail("saved for another lattice"));
    }
    let (warm, decisions) = (next() == 1, next());
    let [log_size, average, warm_size, size]: [f64; 4] = std::array::from_fn(|_| f64::from_bits(next()));
    if let Some(kernel) = chain.mover.tunable_mut() {
        if !(size.is_finite() && size > 0.0) {
            return Err(fail("the size of the kernel's moves is not a positive number"));
        }
        // The only part that can fail after the checks; it comes before anything is changed.
        kernel.set_size(size)?;
    }
    let (valid, log_ratio) = (next() == 1, f64::from_bits(next()));
    if let Mover::Proposer(proposer) = &mut chain.mover
        && let Some(carried) = proposer.carried_mut()
    {
        (carried.valid, carried.log_ratio) = (valid, log_ratio);
        carried.field.iter_mut().for_each(|value| *value = f64::from_bits(next()));
    }
    chain.step = step;
    chain.warm_up = warm.then_some(WarmUp { decisions, log_size, average, size: warm_size });
    chain.statistics = Statistics { steps, proposals, accepted, not_finite, score_evaluations };
    Ok(())
}

/// The bytes without checksum, if magic, version and checksum are right.
fn checked_body(bytes: &[u8]) -> Result<&[u8]> {
    let fail = |reason: String| Err(Error::ChainState { reason });
    let (body, checksum) = match bytes.len().checked_sub(CHECKSUM) {
        Some(length) if length >= 12 => bytes.split_at(length),
        _ => return fail("too short for a saved chain; was the file cut off?".into()),
    };
    if !body.starts_with(MAGIC) {
        return fail("these bytes are not a saved chain".into());
    }
    let version = u32::from_le_bytes(std::array::from_fn(|i| body[8 + i]));
    if version != VERSION {
        return fail(format!("version {version}, this library reads version {VERSION}"));
    }
    if body.len() < HEADER {
        return fail("too short for a saved chain; was the file cut off?".into());
    }
    if checksum != crc32fast::hash(body).to_le_bytes() {
        return fail("the checksum does not match; the bytes are damaged".into());
    }
    Ok(body)
}
