//! Series of several observables along several chains, and functions of their means by resampling: jackknife and
//! bootstrap.

use super::autocorrelation::gamma_method;
use super::jackknife::{JackknifeEstimate, jackknife};
use crate::error::{Error, Result, require_finite, require_length};
use crate::rng::{MAX_CHAIN, Purpose, Stream};
use serde::Serialize;

/// Length of a jackknife bin in units of tau_int, unless it is given.
const BIN_LENGTH: f64 = 10.0;
/// Fewest jackknife bins of an automatic length.
const FEWEST_BINS: usize = 8;
/// Quantiles of the bootstrap interval: those of one standard deviation of a normal law.
const INTERVAL: (f64, f64) = (0.158_655, 0.841_345);

/// A function of the means of all observables; what it raises ends the estimate.
pub type OfMeans<'a> = dyn FnMut(&[f64]) -> Result<f64> + 'a;

/// Checked series with running sums.
struct Chains {
    lengths: Vec<usize>,
    /// `sums[chain][observable][i]` = sum of the first i values.
    sums: Vec<Vec<Vec<f64>>>,
    /// Subtracted before summing, so that the sums of short parts keep their digits.
    centres: Vec<f64>,
    /// Largest tau_int of the observables.
    tau_int: f64,
}

impl Chains {
    fn new<'a, R: AsRef<[&'a [f64]]>>(replicas: &[R]) -> Result<Self> {
        let observables = replicas.first().map_or(0, |replica| replica.as_ref().len());
        if observables == 0 {
            return Err(Error::invalid("series", "none", "at least one chain with at least one observable"));
        }
        let mut chains = Chains { lengths: vec![], sums: vec![], centres: vec![], tau_int: 0.5 };
        for replica in replicas {
            let series = replica.as_ref();
            require_length("observables of a chain", series.len(), observables)?;
            let length = series[0].len();
            for values in series {
                require_length("the series of an observable", values.len(), length)?;
                require_finite("a measured series", values)?;
            }
            chains.lengths.push(length);
        }
        for observable in 0..observables {
            let series: Vec<&[f64]> = replicas.iter().map(|replica| replica.as_ref()[observable]).collect();
            let estimate = gamma_method(&series)?;
            chains.tau_int = chains.tau_int.max(estimate.tau_int);
            chains.centres.push(estimate.value);
        }
        for replica in replicas {
            let running = |(values, centre): (&&[f64], &f64)| {
                let mut sum = 0.0;
                let first = std::iter::once(0.0);
                first
                    .chain(values.iter().map(|x| {
                        sum += x - centre;
                        sum
                    }))
                    .collect()
            };
            chains.sums.push(replica.as_ref().iter().zip(&chains.centres).map(running).collect());
        }
        Ok(chains)
    }

    fn values(&self) -> usize {
        self.lengths.iter().sum()
    }

    /// Adds the sums of values `from..to` of a chain.
    fn add(&self, chain: usize, from: usize, to: usize, total: &mut [f64]) {
        for (total, sums) in total.iter_mut().zip(&self.sums[chain]) {
            *total += sums[to] - sums[from];
        }
    }

    /// f(means) of `count` values with these sums.
    fn evaluate(&self, f: &mut OfMeans<'_>, sums: &[f64], count: usize) -> Result<f64> {
        let means: Vec<f64> = sums.iter().zip(&self.centres).map(|(sum, centre)| centre + sum / count as f64).collect();
        let value = f(&means)?;
        match value.is_finite() {
            true => Ok(value),
            false => Err(Error::invalid("f", value, "a finite value at the means of every resampling")),
        }
    }

    fn whole(&self) -> Vec<f64> {
        let mut total = vec![0.0; self.centres.len()];
        (0..self.lengths.len()).for_each(|chain| self.add(chain, 0, self.lengths[chain], &mut total));
        total
    }
}

/// A function of the means of several observables over several chains (`replicas[chain][observable]`, lengths may differ
/// from chain to chain), with bias of order 1/N removed and the error of the delete-one-bin jackknife. Bins hold `bin`
/// consecutive values of one chain, the last of a chain what is left; without `bin` they are 10 tau_int of the slowest
/// observable long, as far as 8 bins allow.
///
/// # Errors
/// [`Error::InvalidArgument`] for no or too few values, or a function that is not finite; [`Error::ShapeMismatch`],
/// [`Error::NotFinite`]; what `f` raises.
pub fn jackknife_of_chains<'a, R: AsRef<[&'a [f64]]>>(
    replicas: &[R],
    bin: Option<usize>,
    f: &mut OfMeans<'_>,
) -> Result<JackknifeEstimate> {
    let chains = Chains::new(replicas)?;
    let count = chains.values();
    let automatic = ((BIN_LENGTH * chains.tau_int).ceil() as usize).min((count / FEWEST_BINS).max(1));
    let length = bin.unwrap_or(automatic);
    if length == 0 {
        return Err(Error::invalid("bin", 0, "at least one value"));
    }
    let whole = chains.whole();
    let value = chains.evaluate(f, &whole, count)?;
    let (mut shares, mut without) = (vec![], vec![]);
    for (chain, &values) in chains.lengths.iter().enumerate() {
        let bins = (values / length).max(usize::from(values > 0));
        for index in 0..bins {
            let (from, to) = (index * length, if index + 1 == bins { values } else { (index + 1) * length });
            let mut part = vec![0.0; whole.len()];
            chains.add(chain, from, to, &mut part);
            part.iter_mut().zip(&whole).for_each(|(part, all)| *part = all - *part);
            shares.push((to - from) as f64 / count as f64);
            let rest = count - (to - from);
            if rest == 0 {
                return Err(Error::invalid("bin", length, "at least 2 bins: a shorter bin, or more values"));
            }
            without.push(vec![chains.evaluate(f, &part, rest)?]);
        }
    }
    Ok(jackknife(&shares, &[value], &without)?.estimates[0])
}

/// How to resample.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BootstrapOptions {
    /// Resamplings.
    pub resamplings: usize,
    /// Consecutive values that stay together; without it (3 tau_int^2 N / 2)^(1/3) of the slowest observable, the best length for
    /// exponential autocorrelations of D. N. Politis and H. White, Econometric Reviews 23 (2004) 53.
    pub block: Option<usize>,
    /// Seed.
    pub seed: u64,
}

impl Default for BootstrapOptions {
    fn default() -> Self {
        BootstrapOptions { resamplings: 1000, block: None, seed: 1 }
    }
}

/// What the bootstrap says of a function of means.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct BootstrapEstimate {
    /// The function at the means of the data, as they are.
    pub value: f64,
    /// Standard deviation over resamplings.
    pub error: f64,
    /// Mean over resamplings less `value`: an estimate of the bias of `value`.
    pub bias: f64,
    /// Quantiles at 15.87 and 84.13 per cent of the resamplings.
    pub interval: (f64, f64),
    /// Consecutive values that stayed together.
    pub block: usize,
}

/// A function of the means of several observables over several chains, as [`jackknife_of_chains`], by the circular
/// block bootstrap: every chain is put together anew, at its length, from blocks of consecutive values that begin
/// anywhere and go on at its beginning (D. N. Politis, J. P. Romano, in "Exploring the Limits of Bootstrap", 1992).
/// The same numbers for the same seed, everywhere.
///
/// # Errors
/// As [`jackknife_of_chains`]; [`Error::InvalidArgument`] for fewer than two resamplings.
pub fn bootstrap<'a, R: AsRef<[&'a [f64]]>>(
    replicas: &[R],
    options: BootstrapOptions,
    f: &mut OfMeans<'_>,
) -> Result<BootstrapEstimate> {
    let chains = Chains::new(replicas)?;
    let count = chains.values();
    if options.resamplings < 2 {
        return Err(Error::invalid("resamplings", options.resamplings, "at least 2"));
    }
    // The law of the squared sum of n values in blocks of b loses a part (tau_exp / b) of its correlations, and knows
    // the rest to sqrt(b / n). Values that nothing correlates stay alone.
    let tau = chains.tau_int;
    let best = if tau < 0.6 { 1.0 } else { libm::cbrt(1.5 * tau * tau * count as f64).ceil() };
    let block = options.block.unwrap_or(best as usize);
    if block == 0 {
        return Err(Error::invalid("block", 0, "at least one value"));
    }
    if chains.lengths.len() > MAX_CHAIN as usize {
        return Err(Error::invalid("chains", chains.lengths.len(), "fewer than 2^24 chains"));
    }
    let value = chains.evaluate(f, &chains.whole(), count)?;
    let mut found = Vec::with_capacity(options.resamplings);
    for resampling in 0..options.resamplings as u64 {
        let mut sums = vec![0.0; chains.centres.len()];
        for (chain, &length) in chains.lengths.iter().enumerate() {
            let stream = Stream::new(options.seed, chain as u32, resampling)?;
            let mut left = length;
            for index in 0.. {
                let taken = block.min(left);
                if taken == 0 {
                    break;
                }
                let from = stream.below(Purpose::Bootstrap, 0, index, length);
                let end = from + taken;
                chains.add(chain, from, end.min(length), &mut sums);
                if end > length {
                    chains.add(chain, 0, end - length, &mut sums);
                }
                left -= taken;
            }
        }
        found.push(chains.evaluate(f, &sums, count)?);
    }
    let resamplings = found.len() as f64;
    let mean = found.iter().sum::<f64>() / resamplings;
    let square = found.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / (resamplings - 1.0);
    found.sort_by(f64::total_cmp);
    let quantile = |share: f64| found[((share * resamplings) as usize).min(found.len() - 1)];
    let interval = (quantile(INTERVAL.0), quantile(INTERVAL.1));
    Ok(BootstrapEstimate { value, error: square.sqrt(), bias: mean - value, interval, block })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::autocorrelation::gamma_method_derived;

    fn autoregressive(a: f64, length: usize, chain: u32) -> Vec<f64> {
        let mut series = vec![0.0; length];
        Stream::new(80, chain, 0).unwrap().normals(Purpose::Diagnostic, 0, &mut series);
        for i in 1..length {
            series[i] = a * series[i - 1] + (1.0 - a * a).sqrt() * series[i];
        }
        series
    }

    /// x and x^2 along chains.
    fn table(chains: &[Vec<f64>]) -> Vec<[Vec<f64>; 2]> {
        chains.iter().map(|x| [x.clone(), x.iter().map(|x| x * x).collect()]).collect()
    }

    fn borrowed(table: &[[Vec<f64>; 2]]) -> Vec<[&[f64]; 2]> {
        table.iter().map(|[x, square]| [&x[..], &square[..]]).collect()
    }

    fn variance(means: &[f64]) -> Result<f64> {
        Ok(means[1] - means[0] * means[0])
    }

    #[test]
    fn all_three_methods_give_the_error_of_a_variance() {
        // Gaussian AR(1) of tau_int = 9/2: x^2 has rho(t)^2. Error of the variance: sqrt(2/N (1+a^2)/(1-a^2)).
        let a = 0.8;
        let chains: Vec<Vec<f64>> =
            [40_000, 3_000, 17_000, 0].into_iter().zip(0..).map(|(n, chain)| autoregressive(a, n, chain)).collect();
        let table = table(&chains);
        let series = borrowed(&table);
        let exact = (2.0 / 60_000.0 * (1.0 + a * a) / (1.0 - a * a)).sqrt();
        let gamma = gamma_method_derived(&series, &|m| m[1] - m[0] * m[0]).unwrap();
        let jack = jackknife_of_chains(&series, None, &mut variance).unwrap();
        let boot = bootstrap(&series, BootstrapOptions::default(), &mut variance).unwrap();
        // Errors known to 5, 3 and 4 per cent; blocks leave out a few per cent. Values against 1 at 4 sigma; seeds fixed.
        for (name, value, error) in [
            ("gamma", gamma.value, gamma.error),
            ("jackknife", jack.value, jack.error),
            ("bootstrap", boot.value, boot.error),
        ] {
            assert!((error / exact - 1.0).abs() < 0.15, "{name}: {error} {exact}");
            assert!(((value - 1.0) / exact).abs() < 4.0, "{name}: {value}");
        }
        assert!(boot.block > 80 && boot.bias.abs() < 0.2 * boot.error, "{boot:?}");
        let half = 0.5 * (boot.interval.1 - boot.interval.0);
        assert!((half / boot.error - 1.0).abs() < 0.1, "{boot:?}");
        // Values treated as independent: the error of a variance is then too small by sqrt((1+a^2)/(1-a^2)) = 2.1.
        let alone = BootstrapOptions { block: Some(1), ..Default::default() };
        let alone = bootstrap(&series, alone, &mut variance).unwrap();
        let ratio = exact / alone.error / ((1.0 + a * a) / (1.0 - a * a)).sqrt();
        assert!((ratio - 1.0).abs() < 0.15, "{alone:?}");
    }

    #[test]
    fn the_bootstrap_repeats_itself_and_other_seeds_differ() {
        let table = table(&[autoregressive(0.5, 500, 1)]);
        let run = |seed, block| {
            let options = BootstrapOptions { resamplings: 50, seed, block };
            bootstrap(&borrowed(&table), options, &mut variance).unwrap()
        };
        assert_eq!(run(1, None), run(1, None));
        assert!(run(1, None).error != run(2, None).error);
        // One block that is the whole chain: every resampling is the data.
        let whole = run(1, Some(500));
        assert!(whole.error < 1e-12 && (whole.bias).abs() < 1e-12, "{whole:?}");
    }

    #[test]
    fn the_jackknife_takes_the_bias_of_a_variance_away() {
        // Bins of one value: the unbiased variance, to rounding.
        let values = [1.0, 4.0, 2.5, -3.0, 0.0];
        let table = table(&[values.to_vec()]);
        let found = jackknife_of_chains(&borrowed(&table), Some(1), &mut variance).unwrap();
        let mean = values.iter().sum::<f64>() / 5.0;
        let unbiased = values.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / 4.0;
        assert!((found.value - unbiased).abs() < 1e-12, "{found:?}");
        // The jackknife of a mean is the mean, with a last bin of another length too, if no value is lost.
        let seven = [[&[3.0, -1.0, 4.0, 1.0, -5.0, 9.0, 2.0][..]]];
        let found = jackknife_of_chains(&seven, Some(3), &mut |m| Ok(m[0])).unwrap();
        assert!((found.value - 13.0 / 7.0).abs() < 1e-12, "{found:?}");
    }

    #[test]
    fn unusable_series_and_functions_are_refused() {
        let none: [[&[f64]; 1]; 0] = [];
        let mut mean = |m: &[f64]| Ok(m[0]);
        assert!(jackknife_of_chains(&none, None, &mut mean).is_err());
        let short = [[&[1.0, 2.0, 4.0][..]]];
        assert!(jackknife_of_chains(&short, Some(0), &mut mean).is_err());
        assert!(jackknife_of_chains(&short, Some(3), &mut mean).is_err(), "one bin");
        assert!(jackknife_of_chains(&[[&[1.0, f64::NAN][..]]], None, &mut mean).is_err());
        assert!(jackknife_of_chains(&short, None, &mut |_| Ok(f64::NAN)).is_err());
        let stop = |_: &[f64]| Err(Error::CallbackStopped { callback: "f", code: -3 });
        assert!(matches!(jackknife_of_chains(&short, None, &mut { stop }), Err(Error::CallbackStopped { .. })));
        let few = BootstrapOptions { resamplings: 1, ..Default::default() };
        assert!(bootstrap(&short, few, &mut mean).is_err());
        let none = BootstrapOptions { block: Some(0), ..Default::default() };
        assert!(bootstrap(&short, none, &mut mean).is_err());
    }
}
