//! A saved chain of the command line: magic, number of values, field, state of the kernels, CRC-32; little-endian.

use std::path::Path;
use stoq::kernel::Composition;
use stoq::{Error, Result};

const MAGIC: &[u8; 8] = b"STOQRUN\n";

/// Writes field and kernels, whole or not at all.
pub fn save(path: &Path, field: &[f64], kernels: &Composition) -> Result<()> {
    let mut bytes = MAGIC.to_vec();
    bytes.extend_from_slice(&(field.len() as u64).to_le_bytes());
    field.iter().for_each(|value| bytes.extend_from_slice(&value.to_le_bytes()));
    bytes.extend_from_slice(&kernels.save()?);
    bytes.extend_from_slice(&crc32fast::hash(&bytes).to_le_bytes());
    stoq::files::write_atomically(path, &bytes)
}

/// Reads what [`save`] wrote into a field and kernels that were made with the same options.
pub fn load(path: &Path, field: &mut [f64], kernels: &mut Composition) -> Result<()> {
    let bytes = std::fs::read(path).map_err(|source| Error::io(path, source))?;
    let fail = |reason: &str| Error::ChainState { reason: format!("{}: {reason}", path.display()) };
    let (body, checksum) = bytes.split_last_chunk::<4>().ok_or_else(|| fail("too short"))?;
    let body = body.strip_prefix(MAGIC).ok_or_else(|| fail("not a chain that stoq chain --save wrote"))?;
    if u32::from_le_bytes(*checksum) != crc32fast::hash(&bytes[..bytes.len() - 4]) {
        return Err(fail("the checksum does not match; the file is damaged"));
    }
    let (count, body) = body.split_first_chunk::<8>().ok_or_else(|| fail("too short"))?;
    if u64::from_le_bytes(*count) != field.len() as u64 {
        return Err(fail("saved for another lattice"));
    }
    let (values, state) = body.split_at_checked(8 * field.len()).ok_or_else(|| fail("too short"))?;
    kernels.load(state)?;
    let (values, _) = values.as_chunks::<8>();
    field.iter_mut().zip(values).for_each(|(value, bytes)| *value = f64::from_le_bytes(*bytes));
    Ok(())
}
