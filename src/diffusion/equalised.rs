//! Grids that spread a measured cost evenly over the steps of a path.

use super::grid::check;
use super::schedule::Schedule;
use crate::error::{Error, Result, require_length};

/// `count` equally spaced times from `last`/count to `last`, ascending: the grid of the published work on
/// lattice fields.
///
/// # Errors
/// [`Error::InvalidArgument`] for no levels, or a last time outside (0, 1] or beyond the schedule's noise.
pub fn linear_levels(schedule: &Schedule, last: f64, count: usize) -> Result<Vec<f64>> {
    check(count, last)?;
    if !(schedule.noise(last / count as f64) > 0.0) {
        return Err(Error::invalid("levels", count, "few enough that the first has noise above 0"));
    }
    let mut times: Vec<f64> = (1..=count).map(|n| last * n as f64 / count as f64).collect();
    times[count - 1] = last;
    Ok(times)
}

/// `count` times, ascending and ending where `times` ends, on which every step has the same share of a
/// cost, such as Var(log w), of which the steps of the pilot grid `times` had `contributions` (the first
/// from time 0 to `times[0]`).
///
/// In l = ln noise a step of length D that costs rho(l) D^`order` costs, split in two, 2^(1 - order) of that
/// in all: order 1 for a cost that merely adds up, 2 where finer grids lower it as 1/N (Gaussian reverse
/// kernels of fixed covariance), 3 where as 1/N^2 (kernels whose covariance follows the state). The shares
/// are equal where the cumulative sum of contribution^(1/order), interpolated linearly in l, rises
/// evenly. Below `times[0]`, where l has no end, it is taken to grow as noise^2. Contributions below
/// 0 (statistical fluctuation) and below 1e-6 of the mean count as that, so that the times stay distinct.
///
/// # Errors
/// [`Error::InvalidArgument`] for times that do not ascend within (0, 1], contributions that are not finite or
/// nowhere above 0, an order below 1, or no levels; [`Error::ShapeMismatch`] unless there is one contribution a time.
pub fn equalised_levels(
    schedule: &Schedule,
    times: &[f64],
    contributions: &[f64],
    order: f64,
    count: usize,
) -> Result<Vec<f64>> {
    let last = times.last().copied().unwrap_or(0.0);
    check(count, last)?;
    if !(times[0] > 0.0 && times.windows(2).all(|pair| pair[0] < pair[1])) {
        return Err(Error::invalid("times", format!("{times:?}"), "ascending times in (0, 1]"));
    }
    require_length("contributions", contributions.len(), times.len())?;
    let total: f64 = contributions.iter().map(|share| share.max(0.0)).sum();
    if !(total > 0.0 && contributions.iter().all(|share| share.is_finite())) {
        return Err(Error::invalid("contributions", format!("{contributions:?}"), "finite numbers, one above 0"));
    }
    if !(order >= 1.0 && order.is_finite()) {
        return Err(Error::invalid("order", order, "a finite number of at least 1"));
    }
    let floor = 1e-6 * total / times.len() as f64;
    let mut sum = 0.0;
    let cumulative: Vec<f64> = contributions
        .iter()
        .map(|share| {
            sum += libm::pow(share.max(floor), 1.0 / order);
            sum
        })
        .collect();
    let noise: Vec<f64> = times.iter().map(|&t| schedule.noise(t)).collect();
    let mut levels: Vec<f64> = (1..=count)
        .map(|n| schedule.time_of_noise(noise_at(&noise, &cumulative, sum * n as f64 / count as f64)))
        .collect();
    levels[count - 1] = last;
    Ok(levels)
}

/// The noise at which the cumulative sum reaches `target`.
fn noise_at(noise: &[f64], cumulative: &[f64], target: f64) -> f64 {
    let cell = cumulative.partition_point(|&sum| sum < target).min(noise.len() - 1);
    if cell == 0 {
        return noise[0] * (target / cumulative[0]).sqrt();
    }
    let fraction = (target - cumulative[cell - 1]) / (cumulative[cell] - cumulative[cell - 1]);
    noise[cell - 1] * libm::exp(fraction * libm::log(noise[cell] / noise[cell - 1]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diffusion::geometric_levels;

    #[test]
    fn linear_levels_are_equally_spaced() {
        let schedule = Schedule::variance_preserving(25.0).unwrap();
        assert_eq!(linear_levels(&schedule, 0.8, 4).unwrap(), [0.2, 0.4, 0.8 * 3.0 / 4.0, 0.8]);
        assert!(linear_levels(&schedule, 1.1, 4).is_err() && linear_levels(&schedule, 1.0, 0).is_err());
    }

    #[test]
    fn a_power_law_density_is_spread_in_closed_form() {
        // cost rho D^2 with rho = l'^2, l' = l - l_first + 1: shares are equal where l'^(rho^(1/2) = l') has an
        // even integral, l'^2 = 1 + (n/N)(l_last'^2 - 1). A pilot of 4000 steps stands for the continuum.
        let schedule = Schedule::variance_expanding(25.0).unwrap();
        let pilot = geometric_levels(&schedule, 0.05, 1.0, 4000).unwrap();
        let place = |t: f64| (schedule.noise(t) / 0.05).ln() + 1.0;
        let mut contributions = vec![0.0];
        contributions.extend(pilot.windows(2).map(|pair| {
            let (low, high) = (place(pair[0]), place(pair[1]));
            (0.5 * (low + high) * (high - low)).powi(2)
        }));
        let end = place(1.0);
        let levels = equalised_levels(&schedule, &pilot, &contributions, 2.0, 7).unwrap();
        for (n, &t) in levels.iter().enumerate() {
            let expected = (1.0 + (n + 1) as f64 / 7.0 * (end * end - 1.0)).sqrt();
            assert!((place(t) - expected).abs() < 2e-3, "{n}: {} {expected}", place(t));
        }
        assert_eq!(levels[6], 1.0);
    }

    #[test]
    fn equal_contributions_are_a_fixed_point_for_every_order() {
        let schedule = Schedule::variance_preserving(5.0).unwrap();
        let pilot = [0.05, 0.2, 0.3, 0.7, 0.9];
        for order in [1.0, 2.0, 3.0] {
            let same = equalised_levels(&schedule, &pilot, &[0.3; 5], order, 5).unwrap();
            assert!(same.iter().zip(&pilot).all(|(a, b)| (a - b).abs() < 1e-12), "{same:?}");
            // Half as many levels: every other one. Twice as many: the old ones among them.
            let more = equalised_levels(&schedule, &pilot, &[0.3; 5], order, 10).unwrap();
            assert!(more.iter().skip(1).step_by(2).zip(&pilot).all(|(a, b)| (a - b).abs() < 1e-12), "{more:?}");
        }
        let negative = equalised_levels(&schedule, &pilot, &[-0.1, 0.2, 0.0, 0.3, -1.0], 1.0, 8).unwrap();
        assert!(negative.windows(2).all(|pair| pair[0] < pair[1]), "{negative:?}");
    }

    #[test]
    fn useless_pilots_are_refused() {
        let schedule = Schedule::variance_expanding(25.0).unwrap();
        let with =
            |times: &[f64], shares: &[f64], order, count| equalised_levels(&schedule, times, shares, order, count);
        assert!(with(&[], &[], 1.0, 3).is_err() && with(&[0.5, 0.4], &[1.0; 2], 1.0, 3).is_err());
        assert!(with(&[0.5], &[1.0; 2], 1.0, 3).is_err() && with(&[0.5], &[f64::NAN], 1.0, 3).is_err());
        assert!(with(&[0.5], &[-1.0], 1.0, 3).is_err() && with(&[0.5], &[1.0], 0.5, 3).is_err());
        assert!(with(&[0.5], &[1.0], 1.0, 0).is_err() && with(&[0.0, 0.5], &[1.0; 2], 1.0, 3).is_err());
    }
}
