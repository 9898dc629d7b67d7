//! Discrete denoising diffusion (DDPM: Ho, Jain, Abbeel, arXiv:2006.11239) as the variance-preserving process
//! visited at discrete times: f(t_n)^2 = prod_(i<=n) (1 - beta_i), there called alpha-bar_n.

use super::schedule::{Schedule, T_END};
use crate::error::{Error, Result};

/// `count` values of beta that rise linearly from `first` to `last`; 1000, 1e-4 and 0.02 in arXiv:2006.11239.
///
/// # Errors
/// [`Error::InvalidArgument`] unless `count` >= 1 and both betas lie strictly between 0 and 1.
pub fn linear_betas(count: usize, first: f64, last: f64) -> Result<Vec<f64>> {
    if count == 0 {
        return Err(Error::invalid("steps", count, "at least one"));
    }
    for beta in [first, last] {
        check_beta(beta)?;
    }
    let slope = (last - first) / (count.max(2) - 1) as f64;
    Ok((0..count).map(|n| first + slope * n as f64).collect())
}

/// The times at which the variance-preserving `schedule` has f(t_n)^2 = prod_(i<=n) (1 - beta_i), ascending.
///
/// # Errors
/// [`Error::InvalidArgument`] if the schedule is not variance-preserving, no beta is given, one is outside
/// (0, 1), or the product falls below f(T)^2, which the schedule never reaches.
pub fn ddpm_times(schedule: &Schedule, betas: &[f64]) -> Result<Vec<f64>> {
    if schedule.contraction() != 1.0 {
        let expected = "a variance-preserving schedule: DDPM keeps f^2 + Xi = 1";
        return Err(Error::invalid("schedule", format!("{schedule:?}"), expected));
    }
    if betas.is_empty() {
        return Err(Error::invalid("betas", "none", "at least one step"));
    }
    let mut decay = 0.0;
    let mut times = Vec::with_capacity(betas.len());
    for &beta in betas {
        check_beta(beta)?;
        decay -= libm::log1p(-beta);
        times.push(schedule.time_of_noise(libm::expm1(decay).sqrt()));
    }
    let available = -2.0 * libm::log(schedule.signal(T_END));
    if decay > available * (1.0 + 1e-12) {
        let expected = format!(
            "at least f(T)^2 = exp(-{available:.4}), the end of the schedule; choose smaller betas or a larger sigma"
        );
        return Err(Error::invalid("product of (1 - beta)", format!("exp(-{decay:.4})"), &expected));
    }
    Ok(times)
}

fn check_beta(beta: f64) -> Result<()> {
    if beta > 0.0 && beta < 1.0 { Ok(()) } else { Err(Error::invalid("beta", beta, "a number between 0 and 1")) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diffusion::Transition;

    #[test]
    fn transitions_are_the_published_ones() {
        // arXiv:2006.11239 eqs. 2, 4, 6, 7, in their own notation, at the published 1000 betas.
        let schedule = Schedule::variance_preserving(25.0).unwrap();
        let betas = linear_betas(1000, 1e-4, 0.02).unwrap();
        let times = ddpm_times(&schedule, &betas).unwrap();
        assert!((betas[0], betas[999]) == (1e-4, 0.02) && times.windows(2).all(|pair| pair[0] < pair[1]));
        let (mut alpha_bar, mut lower) = (1.0, 0.0);
        for (&beta, &upper) in betas.iter().zip(&times) {
            let (alpha, previous) = (1.0 - beta, alpha_bar);
            alpha_bar *= alpha;
            let step = Transition::new(&schedule, lower, upper);
            let near = |found: f64, expected: f64| (found - expected).abs() < 1e-10 * expected.abs() + 1e-13;
            assert!(near(schedule.signal(upper), alpha_bar.sqrt()) && near(schedule.variance(upper), 1.0 - alpha_bar));
            assert!(near(step.forward_factor, alpha.sqrt()) && near(step.forward_variance, beta));
            assert!(near(step.data_weight, previous.sqrt() * beta / (1.0 - alpha_bar)));
            assert!(near(step.state_weight, alpha.sqrt() * (1.0 - previous) / (1.0 - alpha_bar)));
            assert!(near(step.bridge_variance, (1.0 - previous) / (1.0 - alpha_bar) * beta));
            lower = upper;
        }
        assert!((alpha_bar - 4.04e-5).abs() < 1e-7);
    }

    #[test]
    fn what_the_schedule_cannot_reach_is_refused() {
        let preserving = Schedule::variance_preserving(2.0).unwrap();
        let betas = linear_betas(1000, 1e-4, 0.02).unwrap();
        assert!(ddpm_times(&preserving, &betas).unwrap_err().to_string().contains("larger sigma"));
        assert!(ddpm_times(&preserving, &betas[..100]).is_ok());
        let expanding = Schedule::variance_expanding(25.0).unwrap();
        assert!(ddpm_times(&expanding, &betas).is_err() && ddpm_times(&preserving, &[]).is_err());
        assert!(ddpm_times(&preserving, &[0.1, 1.0]).is_err() && ddpm_times(&preserving, &[f64::NAN]).is_err());
        assert!(linear_betas(0, 0.1, 0.2).is_err() && linear_betas(3, 0.0, 0.2).is_err());
    }
}
