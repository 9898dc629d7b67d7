//! Trying a network on random fields when it is opened.

use super::convention::Convention;
use super::evaluator::Worker;
use super::network::Network;
use super::options::Device;
use super::signature::{Signature, TimeShape};
use super::together::Together;
use crate::error::{Error, Result};
use crate::rng::{Purpose, Stream};
use crate::score::{Score, largest_noise};
use std::time::Instant;

/// Fields of the first batch that is tried on a device.
const FIRST: usize = 64;
/// Fields of the last one.
const LAST: usize = 1024;
/// What a batch of twice the size must save for every field.
const LEAST_GAIN: f64 = 0.05;
/// Runs of a batch whose time counts, behind one that does not.
const RUNS: usize = 3;

/// The batch for a device: twice as large as the last one as long as a field gets cheaper by it and the device holds it.
/// `seconds` runs batches of a size. Where not even the first has room smaller ones are tried.
///
/// # Errors
/// What `seconds` returns for the first size, or for one field when that is for want of memory.
pub(super) fn batch_of_device(mut seconds: impl FnMut(usize) -> Result<f64>) -> Result<usize> {
    let (mut size, mut best): (usize, Option<(usize, f64)>) = (FIRST, None);
    loop {
        match (seconds(size), best) {
            (Ok(time), before) => {
                let share = time / size as f64;
                if let Some((good, before)) = before
                    && share > (1.0 - LEAST_GAIN) * before
                {
                    return Ok(good);
                }
                if !(FIRST..LAST).contains(&size) {
                    return Ok(size);
                }
                (best, size) = (Some((size, share)), 2 * size);
            }
            (Err(_), Some((good, _))) => return Ok(good),
            (Err(Error::OutOfMemory { .. }), None) if size > 1 => size /= 2,
            (Err(error), None) => return Err(error),
        }
    }
}

/// Seconds of a batch of `size` fields, the best of a few runs.
///
/// # Errors
/// What the network raises.
pub(super) fn seconds(
    network: &mut Network,
    signature: &Signature,
    convention: &Convention,
    size: usize,
) -> Result<f64> {
    let level = convention.level(convention.normalisation.scale);
    let mut inputs = vec![0.0; size * signature.lattice.values()];
    Stream::new(1, 0, 0)?.normals(Purpose::Diagnostic, 2, &mut inputs);
    let (times, mut outputs, mut best) = (vec![level.time; size], vec![0.0; inputs.len()], f64::INFINITY);
    for run in 0..=RUNS {
        let clock = Instant::now();
        network.run(&times, &inputs, &mut outputs)?;
        if run > 0 {
            best = best.min(clock.elapsed().as_secs_f64());
        }
    }
    Ok(best)
}

/// Random fields of all noise levels, for the checks of an opening.
pub(super) struct Probe<'a> {
    pub gaussian: &'a dyn Score,
    pub convention: &'a Convention,
    pub signature: &'a Signature,
    pub most: usize,
}

impl Probe<'_> {
    /// The batches that give the same bits; everything that comes out must be finite.
    ///
    /// # Errors
    /// [`Error::Internal`] with a sentence about a value that is not, and what the network raises.
    pub fn run(&self, network: &mut Network, device: Device) -> Result<Together> {
        let (lattice, count) = (&self.signature.lattice, self.most.max(2));
        let values = lattice.values();
        let (covariance, least) = (self.gaussian.covariance(), self.gaussian.smallest_noise());
        let most = self.convention.largest_noise().min(largest_noise(covariance)).max(least);
        let common = matches!(self.signature.time_shape, TimeShape::Common(_));
        let noise: Vec<f64> = (0..count)
            .map(|index| least * libm::pow(most / least, if common { 0.5 } else { index as f64 / (count - 1) as f64 }))
            .collect();
        let mut fields = vec![0.0; count * values];
        Stream::new(1, 0, 0)?.normals(Purpose::Diagnostic, 0, &mut fields);
        let width = (covariance.iter().sum::<f64>() / covariance.len() as f64).sqrt();
        for (field, noise) in fields.chunks_exact_mut(values).zip(&noise) {
            let scale = (width * width + noise * noise).sqrt();
            field.iter_mut().for_each(|x| *x = self.convention.normalisation.shift + scale * *x);
        }
        let mut worker = Worker::default();
        let mut run = |numbers: &[usize]| -> Result<Vec<f64>> {
            let chosen: Vec<f64> =
                numbers.iter().flat_map(|&n| &fields[n * values..(n + 1) * values]).copied().collect();
            let noise: Vec<f64> = numbers.iter().map(|&n| noise[n]).collect();
            let mut denoised = vec![0.0; chosen.len()];
            worker.batch(network, self.convention, self.signature, (&noise, &chosen), noise.len(), &mut denoised)?;
            match denoised.iter().position(|value| !value.is_finite()) {
                None => Ok(denoised),
                Some(index) => Err(Error::Internal(format!(
                    "the network returns {} at the noise level {:.4} (relative to the signal) on white noise of the scale \
                     of the data; are scheme, output and time input as said?",
                    denoised[index],
                    noise[index / values]
                ))),
            }
        };
        match self.signature.batch {
            Some(1) => run(&[0]).and_then(|_| Together::find(1, &mut run)),
            Some(size) => Together::fixed(size, run),
            // A device has its graph for one size.
            None if device != Device::Cpu => Together::fixed(self.most, run),
            None => run(&[0, 1]).and_then(|_| Together::find(self.most, &mut run)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn out_of_memory() -> Error {
        Error::OutOfMemory { bytes: 1, purpose: "a test" }
    }

    /// A device that holds `room` fields, on which a batch takes `time`.
    fn found(room: usize, time: impl Fn(f64) -> f64) -> (Result<usize>, Vec<usize>) {
        let mut tried = vec![];
        let size = batch_of_device(|size| {
            tried.push(size);
            if size <= room { Ok(time(size as f64)) } else { Err(out_of_memory()) }
        });
        (size, tried)
    }

    fn expect((size, tried): (Result<usize>, Vec<usize>), expected: usize, sizes: &[usize]) {
        assert_eq!((size.unwrap(), tried.as_slice()), (expected, sizes));
    }

    #[test]
    fn a_batch_grows_while_it_pays_and_fits() {
        let latency = |size: f64| 100.0 + size;
        expect(found(10_000, latency), 1024, &[64, 128, 256, 512, 1024]);
        expect(found(300, latency), 256, &[64, 128, 256, 512]);
        // Saturated from 128 on: 256 saves less than 5 %.
        expect(found(10_000, |size| size.max(128.0)), 128, &[64, 128, 256]);
        expect(found(10_000, |size| size), 64, &[64, 128]);
        expect(found(20, latency), 16, &[64, 32, 16]);
        assert_eq!(found(0, latency).1, [64, 32, 16, 8, 4, 2, 1]);
        assert!(matches!(found(0, latency).0, Err(Error::OutOfMemory { .. })));
    }

    #[test]
    fn other_failures_count_at_the_first_size_only() {
        let broken = |from: usize| {
            batch_of_device(|size| match size < from {
                true => Ok(100.0 + size as f64),
                false => Err(Error::DeviceUnavailable { device: "cuda:0".into(), reason: "lost".into() }),
            })
        };
        assert!(matches!(broken(64), Err(Error::DeviceUnavailable { .. })));
        assert_eq!(broken(256).unwrap(), 128);
    }
}
