//! The quartic toy model in zero dimensions, independently at every site.

use super::quartic::{QuarticMoments, TiltedQuartic};
use super::{Action, Interrupt};
use crate::error::{Error, Result};
use crate::lattice::Lattice;

/// The one-variable law exp(-s(x)) / Z with s(x) = mu2/2 x^2 + g/24 x^4 (Wang, Aarts, Zhou, JHEP 05
/// (2024) 060, sec. 3.4). For mu2 < 0 it has two wells, at +-sqrt(-6 mu2/g).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ToyLaw {
    mu2: f64,
    g: f64,
}

impl ToyLaw {
    /// The law with mass squared `mu2` and coupling `g`.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] unless both are finite and g > 0, or g = 0 and mu2 > 0.
    pub fn new(mu2: f64, g: f64) -> Result<Self> {
        if !mu2.is_finite() {
            return Err(Error::invalid("mu2", mu2, "a finite number"));
        }
        if !(g.is_finite() && g >= 0.0) {
            return Err(Error::invalid("g", g, "a finite number >= 0: exp(-S) must be normalisable"));
        }
        if g == 0.0 && mu2 <= 0.0 {
            return Err(Error::invalid("mu2", mu2, "a value above 0 when g = 0: exp(-S) must be normalisable"));
        }
        Ok(ToyLaw { mu2, g })
    }

    /// Mass squared.
    pub fn mu2(&self) -> f64 {
        self.mu2
    }

    /// Quartic coupling.
    pub fn g(&self) -> f64 {
        self.g
    }

    /// s(x).
    pub fn action(&self, x: f64) -> f64 {
        let square = x * x;
        square * (0.5 * self.mu2 + self.g / 24.0 * square)
    }

    /// -s'(x).
    pub fn force(&self, x: f64) -> f64 {
        -x * (self.mu2 + self.g / 6.0 * x * x)
    }

    /// log Z, the logarithm of the integral of exp(-s).
    pub fn log_partition(&self) -> f64 {
        let moments = self.quartic().moments();
        moments.log_integral - self.action(moments.mode)
    }

    /// E\[x^n\] for n = 1 to `highest`, at relative error 1e-12 for n <= 12.
    pub fn moments(&self, highest: usize) -> Vec<f64> {
        let mut moments = vec![0.0; highest];
        self.quartic().for_each_normalised(|x, weight| {
            let mut power = weight;
            for moment in &mut moments {
                power *= x;
                *moment += power;
            }
        });
        // Odd moments vanish by symmetry, exactly.
        moments.iter_mut().step_by(2).for_each(|moment| *moment = 0.0);
        moments
    }

    /// log p of the smoothed law at x = x_0 + noise eps: -log of the integral of
    /// p(x_0) N(x - x_0; 0, noise^2). At noise 0 the law itself.
    pub fn log_smoothed(&self, x: f64, noise: f64) -> f64 {
        self.log_smoothed_with(self.log_partition(), x, noise)
    }

    /// As [`ToyLaw::log_smoothed`] for those who know log Z.
    pub(crate) fn log_smoothed_with(&self, log_partition: f64, x: f64, noise: f64) -> f64 {
        let xi = noise * noise;
        if xi == 0.0 {
            return -self.action(x) - log_partition;
        }
        let posterior = self.posterior(x, noise);
        // At the mode (x - y)/noise^2 = s'(y). The left side cancels at small noise, the right one at large.
        let stiffness = xi * (self.mu2.abs() + 0.5 * self.g * posterior.mode * posterior.mode);
        let slope = if stiffness > 1.0 { (x - posterior.mode) / xi } else { self.force(posterior.mode) };
        let energy = self.action(posterior.mode) + 0.5 * xi * slope * slope;
        posterior.log_integral - energy - 0.5 * libm::log(std::f64::consts::TAU * xi) - log_partition
    }

    /// Moments of x_0 given x = x_0 + noise eps, for a noise whose square is not zero.
    pub(crate) fn posterior(&self, x: f64, noise: f64) -> QuarticMoments {
        let precision = 1.0 / (noise * noise);
        TiltedQuartic::new(self.mu2 + precision, self.g, x * precision).moments()
    }

    pub(crate) fn quartic(&self) -> TiltedQuartic {
        TiltedQuartic::new(self.mu2, self.g, 0.0)
    }
}

/// S = sum_x s(phi(x)) with the law of [`ToyLaw`], on any lattice of one component: a point is the
/// zero-dimensional model, N sites are N independent copies of it.
#[derive(Clone, Copy, Debug)]
pub struct Toy {
    law: ToyLaw,
}

impl Toy {
    /// The action on `lattice`.
    ///
    /// # Errors
    /// As [`ToyLaw::new`], and [`Error::InvalidArgument`] for a lattice with more than one component.
    pub fn new(lattice: &Lattice, mu2: f64, g: f64) -> Result<Self> {
        one_component(lattice)?;
        Ok(Toy { law: ToyLaw::new(mu2, g)? })
    }

    /// The law at one site.
    pub fn law(&self) -> &ToyLaw {
        &self.law
    }
}

/// Refuses a lattice with several components.
pub(crate) fn one_component(lattice: &Lattice) -> Result<()> {
    match lattice.components() {
        1 => Ok(()),
        other => Err(Error::invalid("components", other, "1 real component a site for this law")),
    }
}

impl Action for Toy {
    fn action(&mut self, field: &[f64]) -> Result<f64, Interrupt> {
        Ok(field.iter().map(|&x| self.law.action(x)).sum())
    }

    fn force(&mut self, field: &[f64], force: &mut [f64]) -> Result<(), Interrupt> {
        force.iter_mut().zip(field).for_each(|(force, &x)| *force = self.law.force(x));
        Ok(())
    }

    fn local_change(&mut self, field: &[f64], index: usize, value: f64) -> Result<f64, Interrupt> {
        Ok(self.law.action(value) - self.law.action(field[index]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Simpson's rule with a step fine for the narrowest width 1e-4 around `centre`, 40 widths either side.
    fn brute(law: &ToyLaw, x: f64, noise: f64) -> [f64; 3] {
        let energy = |y: f64| law.action(y) + 0.5 * ((y - x) / noise).powi(2);
        let reach = 14.0;
        let (low, high) = if noise < 0.3 { (x - 30.0 * noise, x + 30.0 * noise) } else { (-reach, reach) };
        let count = 40_000;
        let h = (high - low) / f64::from(count);
        let lowest = (0..=count).map(|i| energy(low + h * f64::from(i))).fold(f64::INFINITY, f64::min);
        let mut sums = [0.0; 3];
        for i in 0..=count {
            let y = low + h * f64::from(i);
            let rule = if i == 0 || i == count { 1.0 } else { 2.0 + 2.0 * f64::from(i % 2) };
            let weight = rule * h / 3.0 * (lowest - energy(y)).exp();
            // Powers of y - x would cancel for wide laws, powers of y for narrow ones.
            let u = if noise < 0.3 { y - x } else { y };
            sums.iter_mut().zip([1.0, u, u * u]).for_each(|(sum, power)| *sum += weight * power);
        }
        let [norm, first, second] = sums;
        let mean = first / norm;
        let log = norm.ln() - lowest - 0.5 * (std::f64::consts::TAU * noise * noise).ln() - law.log_partition();
        [if noise < 0.3 { x + mean } else { mean }, second / norm - mean * mean, log]
    }

    #[test]
    fn conditional_moments_at_every_noise() {
        // An independent rule with 40 000 nodes; the worst relative difference is printed on failure.
        for law in [(1.0, 0.4), (-1.0, 0.4), (-3.0, 0.7), (0.0, 2.0), (2.0, 0.0)] {
            let law = ToyLaw::new(law.0, law.1).unwrap();
            for noise in [1e-4, 1e-2, 0.1, 0.5, 0.9, 1.0, 1.1, 3.0, 50.0, 1e4, 1e10] {
                for scaled in [-3.0, -0.7, 0.0, 1e-3, 0.4, 1.0, 2.5] {
                    let x = scaled * if noise < 1.0 { 2.0 } else { 2.0 * noise };
                    let found = law.posterior(x, noise);
                    let [mean, variance, log] = brute(&law, x, noise);
                    let case = format!("{law:?}, noise {noise}, x {x}");
                    assert!((found.mean - mean).abs() < 1e-11 * (1.0 + mean.abs()), "{case}: {} {mean}", found.mean);
                    assert!((found.variance / variance - 1.0).abs() < 1e-10, "{case}: {} {variance}", found.variance);
                    let density = law.log_smoothed(x, noise);
                    assert!((density - log).abs() < 1e-10 * (1.0 + log.abs()), "{case}: log p {density} {log}");
                }
            }
        }
    }

    #[test]
    fn the_gaussian_limit_is_closed() {
        let law = ToyLaw::new(2.0, 0.0).unwrap();
        let found = law.posterior(3.0, 0.5);
        assert!((found.mean - 3.0 * 0.5 / 0.75).abs() < 1e-14 && (found.variance - 1.0 / 6.0).abs() < 1e-14);
        assert!((law.log_partition() - 0.5 * std::f64::consts::PI.ln()).abs() < 1e-14);
        let moments = law.moments(8);
        let expected = [0.0, 0.5, 0.0, 0.75, 0.0, 15.0 / 8.0, 0.0, 105.0 / 16.0];
        assert!(moments.iter().zip(expected).all(|(m, e)| (m - e).abs() < 1e-13 * (1.0 + e)), "{moments:?}");
    }

    #[test]
    fn laws_that_cannot_be_normalised_are_refused() {
        for (mu2, g) in [(f64::NAN, 1.0), (1.0, -0.1), (0.0, 0.0), (-1.0, 0.0), (1.0, f64::INFINITY)] {
            assert!(ToyLaw::new(mu2, g).is_err(), "{mu2} {g}");
        }
        let pair = Lattice::new(&[3]).unwrap().with_components(2).unwrap();
        assert!(Toy::new(&pair, 1.0, 0.4).is_err());
    }
}
