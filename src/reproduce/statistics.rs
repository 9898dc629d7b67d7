//! The statistics themselves: whether quoted errors of tau_int hold, and how fast a report takes configurations in.

use crate::analysis::{Correlator, Estimate, ReportOptions, ReportStream, gamma_method};
use crate::error::{Error, Result};
use crate::fourier::LatticeFourier;
use crate::lattice::Lattice;
use crate::rng::{Purpose, Stream};
use rayon::prelude::*;
use std::time::Instant;

/// tau_int of the series in units of their spacing.
pub const TAUS: [f64; 7] = [1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1000.0];

/// What the repeats of one tau_int gave, by the Gamma method of the whole series (0) and of a stream (1).
#[derive(Clone, Copy, Debug)]
pub struct Coverage {
    /// The true tau_int.
    pub tau_int: f64,
    /// Values in a series.
    pub length: usize,
    /// Share of the repeats with |tau_int - true| <= quoted error.
    pub covered: [f64; 2],
    /// The same for the mean of the series.
    pub mean_covered: [f64; 2],
    /// Mean of the estimates over the truth.
    pub ratio: [f64; 2],
    /// Mean of the quoted relative error.
    pub quoted: [f64; 2],
    /// Repeats whose window did not close.
    pub open: [usize; 2],
}

/// x_i+1 = a x_i + sqrt(1 - a^2) noise with a = (2 tau - 1) / (2 tau + 1), stationary from the start: rho(t) = a^t.
pub fn autoregressive(tau_int: f64, length: usize, (seed, repeat): (u64, u32)) -> Result<Vec<f64>> {
    let a = (2.0 * tau_int - 1.0) / (2.0 * tau_int + 1.0);
    let kick = (1.0 - a * a).sqrt();
    let mut series = vec![0.0; length];
    Stream::new(seed, repeat, 0)?.normals(Purpose::Diagnostic, 0, &mut series);
    for i in 1..length {
        series[i] = a * series[i - 1] + kick * series[i];
    }
    Ok(series)
}

/// Coverage of the quoted errors over `repeats` independent series of `length_in_tau` tau_int each, by `threads` threads;
/// they change no number.
///
/// # Errors
/// [`Error::Internal`] when the system refuses threads; what the estimators raise.
pub fn coverage(tau_int: f64, repeats: u32, length_in_tau: usize, (seed, threads): (u64, usize)) -> Result<Coverage> {
    let length = (tau_int * length_in_tau as f64) as usize;
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
    let pool = pool.map_err(|error| Error::Internal(format!("threads of a campaign: {error}")))?;
    let one = |repeat: u32| -> Result<[Estimate; 2]> {
        let series = autoregressive(tau_int, length, (seed, repeat))?;
        let mut stream = Correlator::new(1, &[])?;
        series.iter().try_for_each(|&x| stream.push(&[x]))?;
        Ok([gamma_method(&[&series])?, stream.estimate(0)?])
    };
    let found: Vec<[Estimate; 2]> = pool.install(|| (0..repeats).into_par_iter().map(one).collect::<Result<_>>())?;
    let of = |f: &dyn Fn(&Estimate) -> f64| {
        [0, 1].map(|which| found.iter().map(|both| f(&both[which])).sum::<f64>() / f64::from(repeats))
    };
    let within = |inside: bool| f64::from(u8::from(inside));
    Ok(Coverage {
        tau_int,
        length,
        covered: of(&|found| within((found.tau_int - tau_int).abs() <= found.tau_int_error)),
        mean_covered: of(&|found| within(found.value.abs() <= found.error)),
        ratio: of(&|found| found.tau_int / tau_int),
        quoted: of(&|found| found.tau_int_error / tau_int),
        open: [0, 1].map(|which| found.iter().filter(|both| !both[which].window_closed).count()),
    })
}

/// How fast a report took configurations in.
#[derive(Clone, Copy, Debug)]
pub struct Throughput {
    /// Configurations.
    pub configurations: usize,
    /// Seconds to take them in and to write the report once, without making them.
    pub seconds: f64,
    /// Seconds of the report alone.
    pub report_seconds: f64,
    /// Largest memory of the process after a tenth of the configurations and at the end, in bytes; None where the system does
    /// not say.
    pub peak_memory: Option<[u64; 2]>,
}

/// Feeds a report with `configurations` of a free field (kappa = 0.2) on `extents`: `distinct` different ones, again and
/// again. Every observable that a report has: magnetisations, cumulants to order 8, power at all momenta, time slices,
/// masses, a histogram.
///
/// # Errors
/// What the report raises.
pub fn throughput(
    extents: &[usize],
    (configurations, distinct): (usize, usize),
    (seed, threads): (u64, usize),
) -> Result<Throughput> {
    let lattice = Lattice::new(extents)?;
    let fields = free_field(&lattice, distinct.min(configurations), seed)?;
    let values = lattice.values();
    let options = ReportOptions { histogram: Some((-1.0, 1.0, 64)), threads, ..ReportOptions::default() };
    let mut report = ReportStream::new(&lattice, &options)?;
    let (mut done, mut early) = (0, None);
    let clock = Instant::now();
    while done < configurations {
        let now = (configurations - done).min(fields.len() / values);
        report.push_many(&fields[..now * values], &[])?;
        done += now;
        if early.is_none() && done * 10 >= configurations {
            report.to_json()?;
            early = Some(peak_memory());
        }
    }
    let before = clock.elapsed().as_secs_f64();
    report.to_json()?;
    let seconds = clock.elapsed().as_secs_f64();
    let peak_memory = early.flatten().zip(peak_memory()).map(|(early, late)| [early, late]);
    Ok(Throughput { configurations, seconds, report_seconds: seconds - before, peak_memory })
}

fn free_field(lattice: &Lattice, count: usize, seed: u64) -> Result<Vec<f64>> {
    let kappa = 0.2;
    // Action sum_p |phi_p|^2 (1 - 2 kappa sum_mu cos p_mu) = sum_p |phi_p|^2 (1 - 4 kappa + kappa p hat^2) in two dimensions.
    let axes = lattice.rank() as f64;
    let momenta = crate::fourier::lattice_momenta(lattice);
    let width: Vec<f64> =
        momenta.iter().map(|p2| (0.5 / (1.0 - 2.0 * axes * kappa + kappa * p2).max(0.05)).sqrt()).collect();
    let mut fourier = LatticeFourier::new(lattice);
    let mut noise = vec![0.0; lattice.values()];
    let mut fields = vec![0.0; count * lattice.values()];
    for (step, field) in (0..).zip(fields.chunks_exact_mut(lattice.values())) {
        Stream::new(seed, 0, step)?.normals(Purpose::Diagnostic, 1, &mut noise);
        fourier.filter(&noise, &width, field);
    }
    Ok(fields)
}

/// Largest resident memory of this process so far, in bytes; Linux only.
fn peak_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    let kibibytes: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(1024 * kibibytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quoted_errors_of_tau_int_hold_at_short_and_at_coarse_lags() {
        // 200 repeats know a coverage to 0.033: from 0.68 the bounds are 3.3 standard deviations and more (false alarm below
        // 4e-3 for the four numbers, seed fixed). tau_int = 40 needs the coarser levels of the stream.
        for tau_int in [1.0, 40.0] {
            let found = coverage(tau_int, 200, 1000, (7, 1)).unwrap();
            for which in 0..2 {
                assert!((0.57..0.79).contains(&found.covered[which]), "{found:?}");
                assert!((0.57..0.79).contains(&found.mean_covered[which]), "{found:?}");
                assert!((found.ratio[which] - 1.0).abs() < 0.05 && found.open[which] == 0, "{found:?}");
            }
        }
    }

    #[test]
    fn a_report_takes_many_configurations_in() {
        let found = throughput(&[8, 8], (2000, 300), (1, 2)).unwrap();
        assert!(found.configurations == 2000 && found.seconds > 0.0 && found.report_seconds < found.seconds);
        // A tenth of the configurations has all the memory that there will be, give or take pages of the test program.
        if let Some([early, late]) = found.peak_memory {
            assert!(late < early + (64 << 20), "{found:?}");
        }
    }
}
