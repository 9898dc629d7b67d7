//! Histograms whose errors know the autocorrelation, and tests whether two samples have the same law.

use super::autocorrelation::{Estimate, gamma_method};
use crate::error::{Error, Result};
use serde::Serialize;
use statrs::function::gamma::checked_gamma_ur;

/// Most cells.
const MOST_CELLS: usize = 100_000;
/// Cells of a chi^2 test that expect fewer effective values than this are joined with their neighbours.
const FEWEST_EXPECTED: f64 = 5.0;

/// Probabilities of the cells of one observable over one or several chains.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SeriesHistogram {
    /// Edges of the cells, ascending: one more than cells.
    pub edges: Vec<f64>,
    /// Probability of each cell [e_k, e_k+1), with its error and tau_int.
    pub cells: Vec<Estimate>,
    /// Probability below the first and from the last edge on.
    pub outside: [Estimate; 2],
    /// Values.
    pub values: usize,
    /// Independent values that would know the cells as well: N / d, with d the mean of error^2 N / (p (1 - p)) over
    /// cells and outside, weighted by 1 - p (J. N. K. Rao, A. J. Scott, J. Am. Stat. Assoc. 76 (1981) 221).
    pub effective_values: f64,
}

impl SeriesHistogram {
    /// Of the chains `replicas`, of any lengths.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for edges that do not ascend, none or too many cells, or fewer than two values;
    /// [`Error::NotFinite`].
    pub fn new(replicas: &[&[f64]], edges: &[f64]) -> Result<Self> {
        let ascending = edges.windows(2).all(|pair| pair[0] < pair[1]) && edges.iter().all(|edge| edge.is_finite());
        if !ascending || !(2..=MOST_CELLS + 1).contains(&edges.len()) {
            return Err(Error::invalid("edges", edges.len(), "2 to 100001 finite numbers, each above the one before"));
        }
        for replica in replicas {
            crate::error::require_finite("a measured series", replica)?;
        }
        // 0 below, then the cells, then above.
        let cell = |x: f64| edges.partition_point(|&edge| edge <= x) as u32;
        let places: Vec<Vec<u32>> = replicas.iter().map(|series| series.iter().map(|&x| cell(x)).collect()).collect();
        let probability = |cell: u32| {
            let inside = |places: &Vec<u32>| places.iter().map(|&p| f64::from(u8::from(p == cell))).collect::<Vec<_>>();
            let indicators: Vec<Vec<f64>> = places.iter().map(inside).collect();
            gamma_method(&indicators.iter().map(Vec::as_slice).collect::<Vec<_>>())
        };
        let all: Vec<Estimate> = (0..=edges.len() as u32).map(probability).collect::<Result<_>>()?;
        let values = replicas.iter().map(|series| series.len()).sum::<usize>();
        let spread: Vec<&Estimate> = all.iter().filter(|p| p.value > 0.0 && p.value < 1.0).collect();
        let weights: f64 = spread.iter().map(|p| 1.0 - p.value).sum();
        let design: f64 = spread.iter().map(|p| p.error * p.error * values as f64 / p.value).sum();
        let effective_values = if design > 0.0 { values as f64 * weights / design } else { values as f64 };
        Ok(SeriesHistogram {
            edges: edges.to_vec(),
            cells: all[1..edges.len()].to_vec(),
            outside: [all[0], all[edges.len()]],
            values,
            effective_values,
        })
    }

    /// Probability densities: those of the cells over their widths.
    pub fn densities(&self) -> Vec<Estimate> {
        let widths = self.edges.windows(2).map(|pair| pair[1] - pair[0]);
        self.cells.iter().zip(widths).map(|(cell, width)| cell.scaled(1.0 / width)).collect()
    }

    fn all(&self) -> Vec<f64> {
        let outside = self.outside.map(|p| p.value);
        std::iter::once(outside[0])
            .chain(self.cells.iter().map(|p| p.value))
            .chain(std::iter::once(outside[1]))
            .collect()
    }
}

/// The verdict of a two-sample test.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct TwoSampleTest {
    /// The largest distance of the distribution functions, or chi^2.
    pub statistic: f64,
    /// Degrees of freedom of chi^2; 0 for the other test.
    pub degrees_of_freedom: usize,
    /// Independent values that the two samples are worth.
    pub effective_values: [f64; 2],
    /// Probability of a statistic as large or larger if the laws are the same.
    pub p_value: f64,
}

/// chi^2 of two histograms with the same edges: sum_k (p_k - q_k)^2 / (r_k (1/n + 1/m)) with r_k the pooled probability
/// and effective sizes n, m, the first-order correction of Rao and Scott. Neighbouring cells are joined until both samples
/// expect 5 effective values in each.
///
/// # Errors
/// [`Error::ShapeMismatch`] for different edges; [`Error::InvalidArgument`] when fewer than two cells are left.
pub fn chi_squared_test(a: &SeriesHistogram, b: &SeriesHistogram) -> Result<TwoSampleTest> {
    if a.edges != b.edges {
        return Err(Error::shape("edges of the second histogram", b.edges.len(), a.edges.len()));
    }
    let [n, m] = [a.effective_values, b.effective_values];
    let mut cells: Vec<(f64, f64)> = vec![];
    let mut open = (0.0, 0.0);
    let pooled = |(p, q): (f64, f64)| (n * p + m * q) / (n + m);
    for (p, q) in a.all().into_iter().zip(b.all()) {
        open = (open.0 + p, open.1 + q);
        if pooled(open) * n.min(m) >= FEWEST_EXPECTED {
            cells.push(std::mem::take(&mut open));
        }
    }
    if let Some(last) = cells.last_mut() {
        *last = (last.0 + open.0, last.1 + open.1);
    }
    if cells.len() < 2 {
        let expected = "two cells in which both samples expect 5 effective values: more values, or narrower cells";
        return Err(Error::invalid("cells", cells.len(), expected));
    }
    let square = |&(p, q): &(f64, f64)| (p - q) * (p - q) / (pooled((p, q)) * (1.0 / n + 1.0 / m));
    let statistic: f64 = cells.iter().map(square).sum();
    let degrees_of_freedom = cells.len() - 1;
    let p_value = match statistic {
        0.0 => 1.0,
        _ => checked_gamma_ur(0.5 * degrees_of_freedom as f64, 0.5 * statistic)
            .map_err(|error| Error::Internal(format!("incomplete gamma function: {error}")))?,
    };
    Ok(TwoSampleTest { statistic, degrees_of_freedom, effective_values: [n, m], p_value })
}

/// The test of Kolmogorov and Smirnov of two samples, each of one or several chains: D = max |F(x) - G(x)|, with the
/// law of D of `effective_values` independent ones, n = N / (2 tau_int), by the approximation of M. A. Stephens (J. R.
/// Stat. Soc. B 32 (1970) 115). tau_int is the largest of the indicators of x below the three quartiles of the pooled
/// sample, which is what F is made of. Conservative for correlated samples: p is larger than it need be.
///
/// # Errors
/// As [`gamma_method`].
pub fn kolmogorov_smirnov(a: &[&[f64]], b: &[&[f64]]) -> Result<TwoSampleTest> {
    for replica in a.iter().chain(b) {
        crate::error::require_finite("a measured series", replica)?;
    }
    let sorted = |chains: &[&[f64]]| {
        let mut values: Vec<f64> = chains.concat();
        values.sort_by(f64::total_cmp);
        values
    };
    let (first, second) = (sorted(a), sorted(b));
    if first.len() < 2 || second.len() < 2 {
        let value = format!("{} and {}", first.len(), second.len());
        return Err(Error::invalid("number of values", value, "at least 2 in each sample"));
    }
    let pooled = sorted(&[&first, &second]);
    let (mut i, mut j, mut distance) = (0, 0, 0.0f64);
    while i < first.len() && j < second.len() {
        let x = first[i].min(second[j]);
        i += first[i..].iter().take_while(|&&value| value == x).count();
        j += second[j..].iter().take_while(|&&value| value == x).count();
        distance = distance.max((i as f64 / first.len() as f64 - j as f64 / second.len() as f64).abs());
    }
    let quartiles = [1, 2, 3].map(|quarter| pooled[pooled.len() * quarter / 4]);
    let effective = |chains: &[&[f64]], values: usize| -> Result<f64> {
        let mut slowest = 0.5f64;
        for threshold in quartiles {
            let below: Vec<Vec<f64>> = chains
                .iter()
                .map(|series| series.iter().map(|&x| f64::from(u8::from(x < threshold))).collect())
                .collect();
            slowest = slowest.max(gamma_method(&below.iter().map(Vec::as_slice).collect::<Vec<_>>())?.tau_int);
        }
        Ok(values as f64 / (2.0 * slowest))
    };
    let effective_values = [effective(a, first.len())?, effective(b, second.len())?];
    let [n, m] = effective_values;
    let root = (n * m / (n + m)).sqrt();
    let p_value = kolmogorov((root + 0.12 + 0.11 / root) * distance);
    Ok(TwoSampleTest { statistic: distance, degrees_of_freedom: 0, effective_values, p_value })
}

/// Probability that Kolmogorov's statistic exceeds `x`: 2 sum_k (-1)^(k-1) exp(-2 k^2 x^2), for small x by its
/// transform sqrt(2 pi)/x sum_k exp(-(2k-1)^2 pi^2 / (8 x^2)).
fn kolmogorov(x: f64) -> f64 {
    if x < 1.0 {
        let step = |k: u32| {
            let odd = f64::from(2 * k - 1) * std::f64::consts::PI / x;
            libm::exp(-odd * odd / 8.0)
        };
        let below: f64 = (1..=10).map(step).sum();
        return if x > 0.0 { 1.0 - (2.0 * std::f64::consts::PI).sqrt() / x * below } else { 1.0 };
    }
    let term = |k: i32| f64::from(if k % 2 == 1 { 2 } else { -2 }) * libm::exp(-2.0 * f64::from(k * k) * x * x);
    (1..=10).map(term).sum::<f64>().clamp(0.0, 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::{Purpose, Stream};

    fn autoregressive(a: f64, length: usize, chain: u32) -> Vec<f64> {
        let mut series = vec![0.0; length];
        Stream::new(81, chain, 0).unwrap().normals(Purpose::Diagnostic, 0, &mut series);
        for i in 1..length {
            series[i] = a * series[i - 1] + (1.0 - a * a).sqrt() * series[i];
        }
        series
    }

    fn edges() -> Vec<f64> {
        (0..=16).map(|k| -2.0 + 0.25 * f64::from(k)).collect()
    }

    #[test]
    fn cells_of_a_normal_law_and_their_errors() {
        // 18 z-values against 4 for a fast and a slow chain: false alarm 2e-3, seeds fixed.
        for (chain, a) in [(0, 0.0), (1, 0.9)] {
            let series = autoregressive(a, 200_000, chain);
            let histogram = SeriesHistogram::new(&[&series[..50_000], &series[50_000..]], &edges()).unwrap();
            let below = |x: f64| 0.5 * libm::erfc(-x * std::f64::consts::FRAC_1_SQRT_2);
            for (cell, pair) in histogram.cells.iter().zip(edges().windows(2)) {
                assert!(cell.z_value(below(pair[1]) - below(pair[0])).abs() < 4.0, "{cell:?}");
            }
            assert!(histogram.outside.iter().all(|p| p.z_value(below(-2.0)).abs() < 4.0));
            let total: f64 = histogram.all().iter().sum();
            assert!((total - 1.0).abs() < 1e-12);
            let density = histogram.densities()[8];
            assert!((density.value / histogram.cells[8].value - 4.0).abs() < 1e-12);
            let share = histogram.effective_values / 200_000.0;
            // Independent values are worth themselves; narrow cells forget faster than x, whose 2 tau_int is 19.
            assert!(if a == 0.0 { (share - 1.0).abs() < 0.03 } else { (0.08..0.4).contains(&share) }, "{share}");
        }
    }

    #[test]
    fn p_values_are_uniform_for_the_same_law_and_small_for_another() {
        // 400 pairs of correlated samples. The fraction of p < 0.1 has a standard error of 0.015 and the mean of p one
        // of 0.014; both tests are approximate and the first is conservative (0.05 and 0.70 here). Bounds are 3 sigma and
        // more from there, seed fixed.
        let (mut rejected, mut means) = ([0.0; 2], [0.0; 2]);
        for pair in 0..400 {
            let (a, b) = (autoregressive(0.7, 4000, 1000 + 2 * pair), autoregressive(0.5, 2500, 1001 + 2 * pair));
            let smirnov = kolmogorov_smirnov(&[&a], &[&b[..500], &b[500..]]).unwrap();
            let [x, y] = [&a, &b].map(|series| SeriesHistogram::new(&[series], &edges()).unwrap());
            let chi = chi_squared_test(&x, &y).unwrap();
            for (which, p) in [smirnov.p_value, chi.p_value].into_iter().enumerate() {
                rejected[which] += f64::from(u8::from(p < 0.1)) / 400.0;
                means[which] += p / 400.0;
            }
        }
        assert!((0.0..0.1).contains(&rejected[0]) && (0.05..0.18).contains(&rejected[1]), "{rejected:?} {means:?}");
        assert!((0.5..0.75).contains(&means[0]) && (0.44..0.56).contains(&means[1]), "{rejected:?} {means:?}");
        let (a, b) = (autoregressive(0.7, 40_000, 1), autoregressive(0.7, 40_000, 2));
        let wider: Vec<f64> = b.iter().map(|x| 1.1 * x).collect();
        assert!(kolmogorov_smirnov(&[&a], &[&wider]).unwrap().p_value < 0.02);
        let [x, y] = [&a, &wider].map(|series| SeriesHistogram::new(&[series], &edges()).unwrap());
        assert!(chi_squared_test(&x, &y).unwrap().p_value < 1e-4);
        assert_eq!(chi_squared_test(&x, &x).unwrap().p_value, 1.0);
    }

    #[test]
    fn known_values_of_the_laws() {
        // Kolmogorov's 10, 5 and 1 per cent points, from tables, and where the two series meet.
        for (x, p) in [(1.2238, 0.1), (1.3581, 0.05), (1.6276, 0.01), (0.8276, 0.5), (0.5, 0.963945)] {
            assert!((kolmogorov(x) - p).abs() < 2e-4, "{x} {}", kolmogorov(x));
        }
        assert!((kolmogorov(1.0 - 1e-12) - kolmogorov(1.0)).abs() < 1e-10 && kolmogorov(0.0) == 1.0);
        // By hand: F - G is 1/2 after 1, 2 and -1/2 nowhere.
        let test = kolmogorov_smirnov(&[&[1.0, 2.0, 3.0, 4.0]], &[&[3.0, 3.5, 4.0, 5.0]]).unwrap();
        assert_eq!(test.statistic, 0.5);
    }

    #[test]
    fn unusable_histograms_are_refused() {
        for edges in [&[1.0][..], &[1.0, 1.0], &[0.0, f64::NAN], &[2.0, 1.0]] {
            assert!(SeriesHistogram::new(&[&[1.0, 2.0]], edges).is_err());
        }
        assert!(SeriesHistogram::new(&[&[1.0]], &edges()).is_err());
        let few = SeriesHistogram::new(&[&[0.0, 1.0, 0.5]], &edges()).unwrap();
        let other = SeriesHistogram::new(&[&[0.0, 1.0]], &[0.0, 1.0]).unwrap();
        assert!(chi_squared_test(&few, &few).is_err() && chi_squared_test(&few, &other).is_err());
        assert!(kolmogorov_smirnov(&[&[1.0]], &[&[1.0, 2.0]]).is_err());
        assert!(kolmogorov_smirnov(&[&[1.0, f64::NAN]], &[&[1.0, 2.0]]).is_err());
    }
}
