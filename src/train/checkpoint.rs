//! The state of a training, so that one that was killed goes on to the same bits. Little-endian: magic, version,
//! fingerprint of options and data, counters, weights and their moments, what was measured, CRC-32 of all before.

use super::density::{LevelDensity, PIECES};
use super::optimizer::AdamState;
use super::options::CurvePoint;
use super::trainer::{Best, Trainer};
use crate::error::{Error, Result};

const MAGIC: &[u8; 8] = b"STOQTRN\n";
const VERSION: u32 = 2;
const CHECKSUM: usize = 4;

#[derive(Default)]
pub(super) struct Writer(pub Vec<u8>);

impl Writer {
    /// Begins with magic and version.
    pub(super) fn new(magic: &[u8; 8], version: u32) -> Self {
        let mut bytes = magic.to_vec();
        bytes.extend_from_slice(&version.to_le_bytes());
        Writer(bytes)
    }

    /// All that was written, with its checksum.
    pub(super) fn finish(mut self) -> Vec<u8> {
        let checksum = crc32fast::hash(&self.0);
        self.0.extend_from_slice(&checksum.to_le_bytes());
        self.0
    }

    pub fn count(&mut self, value: u64) {
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    pub fn real(&mut self, value: f64) {
        self.count(value.to_bits());
    }

    pub fn weights(&mut self, values: &[f32]) {
        values.iter().for_each(|value| self.0.extend_from_slice(&value.to_le_bytes()));
    }
}

pub(super) struct Reader<'a>(pub &'a [u8]);

impl<'a> Reader<'a> {
    /// What lies between the version and the checksum, if both and the magic are right; `foreign` is what to say of
    /// another magic.
    pub(super) fn open(bytes: &'a [u8], magic: &[u8; 8], version: u32, foreign: &str) -> Result<Self> {
        let body = bytes.len().checked_sub(CHECKSUM).ok_or_else(|| damaged("it is too short"))?;
        let (body, checksum) = bytes.split_at(body);
        if body.len() < 12 || &body[..8] != magic {
            return Err(damaged(foreign));
        }
        if crc32fast::hash(body).to_le_bytes() != checksum {
            return Err(damaged("its checksum is wrong"));
        }
        if body[8..12] != version.to_le_bytes() {
            return Err(damaged("another version of stoq wrote it"));
        }
        Ok(Reader(&body[12..]))
    }
}

impl Reader<'_> {
    pub fn take(&mut self, length: usize) -> Result<&[u8]> {
        if self.0.len() < length {
            return Err(damaged("it ends too early"));
        }
        let (head, rest) = self.0.split_at(length);
        self.0 = rest;
        Ok(head)
    }

    pub fn count(&mut self) -> Result<u64> {
        let bytes = self.take(8)?;
        Ok(u64::from_le_bytes(std::array::from_fn(|i| bytes[i])))
    }

    pub fn real(&mut self) -> Result<f64> {
        Ok(f64::from_bits(self.count()?))
    }

    pub fn weights(&mut self, length: usize) -> Result<Vec<f32>> {
        let bytes = self.take(length.checked_mul(4).ok_or_else(|| damaged("an impossible length"))?)?;
        Ok(bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect())
    }
}

pub(super) fn damaged(reason: &str) -> Error {
    let value = format!("{reason}: the file is damaged, or of another training");
    Error::invalid("checkpoint", value, "the file that this training wrote; remove it to start anew")
}

impl Trainer {
    /// All that a training needs to go on: the same options and data, then [`Trainer::restore`], give the same
    /// model to the last bit as a training that was never interrupted.
    pub fn checkpoint(&self) -> Vec<u8> {
        let mut out = Writer::new(MAGIC, VERSION);
        out.count(self.fingerprint());
        out.count(self.options.steps);
        let AdamState { step, usual, parts } = self.adam.state();
        out.count(step);
        out.real(usual);
        out.count(parts[0].len() as u64);
        parts.iter().for_each(|part| out.weights(part));
        out.real(self.loss);
        self.density.values().iter().for_each(|&value| out.real(value));
        for point in &self.points {
            point.mixture.moments().iter().flatten().for_each(|&value| out.real(value));
        }
        out.count(self.curve.len() as u64);
        for CurvePoint { step, loss, validation } in &self.curve {
            out.count(*step);
            out.real(*loss);
            out.real(*validation);
        }
        match &self.best {
            None => out.count(0),
            Some(best) => {
                out.count(1);
                out.count(best.age);
                out.real(best.validation);
                out.weights(&best.weights);
            }
        }
        out.finish()
    }

    /// Goes on from [`Trainer::checkpoint`]; the number of steps is the one stored there.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for a damaged checkpoint or one of other options or data; the training is
    /// then unchanged.
    pub fn restore(&mut self, bytes: &[u8]) -> Result<()> {
        let mut read = Reader::open(bytes, MAGIC, VERSION, "it is no checkpoint of a training")?;
        if read.count()? != self.fingerprint() {
            return Err(damaged("other options, seed or configurations"));
        }
        let (steps, step, usual) = (read.count()?, read.count()?, read.real()?);
        let length = self.adam.average().len();
        if read.count()? != length as u64 {
            return Err(damaged("another network"));
        }
        let parts = [read.weights(length)?, read.weights(length)?, read.weights(length)?, read.weights(length)?];
        let loss = read.real()?;
        let mut density = [0.0; PIECES];
        for value in &mut density {
            *value = read.real()?;
        }
        let mut moments = vec![];
        for point in &self.points {
            let mut of_point = point.mixture.moments().to_vec();
            for value in of_point.iter_mut().flatten() {
                *value = read.real()?;
            }
            moments.push(of_point);
        }
        let mut curve = vec![];
        for _ in 0..read.count()? {
            curve.push(CurvePoint { step: read.count()?, loss: read.real()?, validation: read.real()? });
        }
        let best = match read.count()? {
            0 => None,
            _ => {
                let (age, validation) = (read.count()?, read.real()?);
                Some(Best { age, validation, weights: read.weights(length)? })
            }
        };
        if !read.0.is_empty() {
            return Err(damaged("it is too long"));
        }
        self.set_steps(steps);
        self.adam.set_state(AdamState { step, usual, parts });
        (self.loss, self.density, self.curve, self.best) = (loss, LevelDensity::from_values(density), curve, best);
        self.points.iter_mut().zip(moments).for_each(|(point, moments)| point.mixture.set_moments(moments));
        Ok(())
    }

    /// Identifies what the bits of a training depend on, except the number of steps, which may be set while it runs.
    fn fingerprint(&self) -> u64 {
        let options = super::TrainOptions { steps: 0, threads: 0, command: String::new(), ..self.options.clone() };
        let mut hash = crc32fast::Hasher::new();
        hash.update(format!("{options:?}").as_bytes());
        let words = hash.finalize();
        let mut hash = crc32fast::Hasher::new();
        for point in &self.points {
            hash.update(format!("{:?} {:?} {}", point.data.lattice(), point.action, point.data.len()).as_bytes());
            // The covariance is a sum over all configurations that train.
            point.covariance.iter().for_each(|value| hash.update(&value.to_le_bytes()));
        }
        u64::from(words) << 32 | u64::from(hash.finalize())
    }
}
