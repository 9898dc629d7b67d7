//! Gaussian transition densities between two noise levels.

use super::schedule::Schedule;

/// The step between a lower noise level b and a higher one a, at times t_b < t_a.
///
/// Forward: F(x_a | x_b) = N(forward_factor x_b, forward_variance).
/// Given also the clean field, Bayes' rule gives x_b | x_a, x_0 = N(state_weight x_a + data_weight x_0,
/// bridge_variance) (Ho, Jain, Abbeel, arXiv:2006.11239, eq. 7, in the notation of this library).
/// The reverse kernel replaces x_0 by the denoised field D(x_a) and widens the variance by that of
/// x_0 given x_a, mode by mode: B(x_b | x_a) = N(state_weight x_a + data_weight D, bridge_variance +
/// data_weight^2 R_p). For a Gaussian theory this is exact whatever the step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Transition {
    /// sqrt(Xi_a) / f_a: the noise of the upper level relative to the signal.
    pub noise: f64,
    /// f_a / f_b.
    pub forward_factor: f64,
    /// Xi_a - (f_a / f_b)^2 Xi_b.
    pub forward_variance: f64,
    /// (f_a / f_b) Xi_b / Xi_a.
    pub state_weight: f64,
    /// f_b forward_variance / Xi_a.
    pub data_weight: f64,
    /// Xi_b forward_variance / Xi_a.
    pub bridge_variance: f64,
}

impl Transition {
    /// The step between two times, `lower` < `upper`; `lower` may be 0.
    pub fn new(schedule: &Schedule, lower: f64, upper: f64) -> Self {
        let (f_b, f_a) = (schedule.signal(lower), schedule.signal(upper));
        let (xi_b, xi_a) = (schedule.variance(lower), schedule.variance(upper));
        let forward_factor = f_a / f_b;
        let forward_variance = xi_a - forward_factor * forward_factor * xi_b;
        Transition {
            noise: xi_a.sqrt() / f_a,
            forward_factor,
            forward_variance,
            state_weight: forward_factor * xi_b / xi_a,
            data_weight: f_b * forward_variance / xi_a,
            bridge_variance: xi_b * forward_variance / xi_a,
        }
    }

    /// Variance of the reverse kernel in a mode where x_0 given x_a has variance `posterior`.
    pub fn reverse_variance(&self, posterior: f64) -> f64 {
        self.bridge_variance + self.data_weight * self.data_weight * posterior
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// p(x_a) B(x_b | x_a) = p(x_b) F(x_a | x_b) for Gaussian data of any variance: the identity that
    /// makes log w of a free field a constant. Checked on the three second moments of (x_b, x_a).
    #[test]
    fn forward_and_reverse_agree_on_gaussian_data() {
        let schedule = Schedule::variance_expanding(25.0).unwrap();
        for (lower, upper) in [(0.0, 0.1), (0.3, 0.31), (0.05, 1.0)] {
            for data in [0.1, 1.0, 200.0] {
                let step = Transition::new(&schedule, lower, upper);
                let (f_a, xi_a) = (schedule.signal(upper), schedule.variance(upper));
                let (f_b, xi_b) = (schedule.signal(lower), schedule.variance(lower));
                let (var_a, var_b) = (f_a * f_a * data + xi_a, f_b * f_b * data + xi_b);
                let wiener = f_a * data / var_a;
                let posterior = data * xi_a / var_a;
                let gain = step.state_weight + step.data_weight * wiener;
                assert!((gain * var_a - step.forward_factor * var_b).abs() < 1e-10 * var_a, "covariance");
                let reverse = gain * gain * var_a + step.reverse_variance(posterior);
                assert!((reverse - var_b).abs() < 1e-10 * var_b, "variance {reverse} {var_b}");
                let forward = step.forward_factor.powi(2) * var_b + step.forward_variance;
                assert!((forward - var_a).abs() < 1e-10 * var_a);
            }
        }
    }
}
