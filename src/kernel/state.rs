//! The saved state of a chain. Little-endian: magic, version, fingerprint of model and options,
//! counters, the current field with its log r, CRC-32 of all before.

use super::chain::{Chain, ChainOptions, Kernel, Statistics};
use crate::error::{Error, Result};

const MAGIC: &[u8; 8] = b"STOQCHN\n";
const VERSION: u32 = 1;
const HEADER: usize = 8 + 4 + 8 + 4 * 8 + 8 + 1 + 8;
const CHECKSUM: usize = 4;

/// Identifies what the results of a chain depend on: model, kernel, levels, seed and chain number.
pub(super) fn fingerprint(score: u64, options: &ChainOptions) -> u64 {
    let (kernel, time) = match options.kernel {
        Kernel::Path => (1u8, 0.0),
        Kernel::Renoise { time } => (2, time),
    };
    let mut hash = crc32fast::Hasher::new();
    hash.update(&[kernel]);
    hash.update(&f64::to_le_bytes(time));
    hash.update(&(options.levels as u64).to_le_bytes());
    hash.update(&options.seed.to_le_bytes());
    hash.update(&options.chain.to_le_bytes());
    score ^ u64::from(hash.finalize()).rotate_left(17)
}

pub(super) fn write(chain: &Chain) -> Vec<u8> {
    let s = &chain.statistics;
    let mut bytes = Vec::with_capacity(HEADER + 8 * chain.sites + CHECKSUM);
    bytes.extend_from_slice(MAGIC);
    bytes.extend_from_slice(&VERSION.to_le_bytes());
    let counters = [chain.fingerprint, s.steps, s.accepted, s.not_finite, s.score_evaluations, chain.sites as u64];
    counters.iter().for_each(|value| bytes.extend_from_slice(&value.to_le_bytes()));
    bytes.push(u8::from(chain.current.valid));
    bytes.extend_from_slice(&chain.current.log_ratio.to_le_bytes());
    chain.current.field.iter().for_each(|value| bytes.extend_from_slice(&value.to_le_bytes()));
    bytes.extend_from_slice(&crc32fast::hash(&bytes).to_le_bytes());
    bytes
}

pub(super) fn read(chain: &mut Chain, bytes: &[u8]) -> Result<()> {
    let fail = |reason: &str| Error::ChainState { reason: reason.into() };
    let (body, checksum) = match bytes.len().checked_sub(CHECKSUM) {
        Some(length) if length >= HEADER => bytes.split_at(length),
        _ => return Err(fail("too short for a saved chain; was the file cut off?")),
    };
    if !body.starts_with(MAGIC) {
        return Err(fail("these bytes are not a saved chain"));
    }
    let mut words = body[12..].iter().copied();
    let mut next = || u64::from_le_bytes(std::array::from_fn(|_| words.next().unwrap_or(0)));
    let version = u32::from_le_bytes(std::array::from_fn(|i| body[8 + i]));
    if version != VERSION {
        return Err(Error::ChainState { reason: format!("version {version}, this library reads version {VERSION}") });
    }
    if checksum != crc32fast::hash(body).to_le_bytes() {
        return Err(fail("the checksum does not match; the bytes are damaged"));
    }
    let [fingerprint, steps, accepted, not_finite, score_evaluations, sites] = std::array::from_fn(|_| next());
    if fingerprint != chain.fingerprint {
        return Err(fail("saved with another model, kernel, number of levels, seed or chain number"));
    }
    if sites != chain.sites as u64 || body.len() != HEADER + 8 * chain.sites {
        return Err(fail("saved for another lattice"));
    }
    let doubles = body[HEADER - 8..].chunks_exact(8).map(|b| f64::from_le_bytes(std::array::from_fn(|i| b[i])));
    let mut values = doubles;
    chain.current.log_ratio = values.next().unwrap_or(f64::NAN);
    chain.current.field.iter_mut().zip(values).for_each(|(to, from)| *to = from);
    chain.current.valid = body[HEADER - 9] == 1;
    chain.statistics = Statistics { steps, accepted, not_finite, score_evaluations };
    Ok(())
}
