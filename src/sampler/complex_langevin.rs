//! Complex Langevin: dz = -S'(z) dt + sqrt(2) dW with *real* noise, z = x + iy (physics of
//! arXiv:2412.01919; x gets the noise, y none).
//!
//! Not exact: the step of the integrator leaves a bias of order step^2, and no accept step can remove
//! it, for P(x, y) is not known. Each step is that of Heun,
//!
//! z' = z + (K(z) + K(z + K(z) dt + dw)) dt/2 + dw,  dw = sqrt(2 dt) xi,
//!
//! of weak order 2 for additive noise (P. E. Kloeden and E. Platen, Numerical Solution of SDEs, sec. 15.1).
//! It is a convex combination of Euler steps, so that the strip |y| <= y_- of the quartic model stays
//! closed as long as each of those is monotone in y. The step adapts to the drift (G. Aarts, F. A. James,
//! E. Seiler and I.-O. Stamatescu, arXiv:0912.0617): dt = step min(1, K_ref / |K|), site by site. Every site fills the
//! same interval of Langevin time with steps of its own, so that averages over
//! configurations are averages over time and the adaptation does not weight them.

use crate::action::{Complex64, ComplexQuartic};
use crate::analysis::exact_complex_moments;
use crate::error::{Error, Result, require_finite, require_length};
use crate::lattice::Lattice;
use crate::rng::{MAX_LEVEL, Purpose, Stream};

/// Steps of one site in one interval after which its trajectory counts as a runaway.
const MOST_STEPS: usize = 1 << 22;

/// Options of [`ComplexLangevin`]. Numbers that are `None` follow the scale of the action,
/// <S''> = sigma0 + 3 lambda <z^2>, known exactly.
///
/// Bias of the default step at sigma0 = 1 + i, lambda = 1: -2e-5 in <z^2>, (-6 + 3i) 1e-5 in <z^4>,
/// (-1.6 + 1.2i) 1e-4 in <z^6>, (-4 + 5i) 1e-4 in <z^8>, at most 0.2 of the statistical error of 10^7
/// z at the default interval. Extrapolated with step^2 from a measurement at 16 times that step (at 32 times the
/// bias was 3.9 to 4.7 times larger).
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ComplexLangevinOptions {
    /// Langevin time between configurations; `None` is 1 / |<S''>|.
    pub interval: Option<f64>,
    /// Largest step dt; `None` is 0.01 / |<S''>|.
    pub step: Option<f64>,
    /// Drift |K| beyond which steps become shorter; `None` is 2 sqrt(|<S''>|), about twice the usual drift.
    pub drift: Option<f64>,
}

/// How the process ran.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ComplexLangevinReport {
    /// Steps of single sites.
    pub steps: u64,
    /// Langevin time of every site.
    pub time: f64,
    /// Largest |y| of any site after any step, since the field was made or set.
    pub largest_y: f64,
    /// Largest drift |K| met.
    pub largest_drift: f64,
}

/// Independent copies of z, one a site, followed in Langevin time. Numbers of a site depend on
/// (`seed`, `chain`, the number of the interval, the site) only.
#[derive(Clone, Debug)]
pub struct ComplexLangevin {
    action: ComplexQuartic,
    lattice: Lattice,
    integrator: Integrator,
    interval: f64,
    stream: Stream,
    intervals: u64,
    field: Vec<f64>,
    noise: Vec<f64>,
    report: ComplexLangevinReport,
}

impl ComplexLangevin {
    /// Starts x from standard normals times the usual width, y from 0.
    ///
    /// `lattice` has two components a site: x is component 0, y component 1.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for a lattice without two components or with more than 2^20 sites, for an
    /// impossible chain number, or as [`exact_complex_moments`].
    pub fn new(action: ComplexQuartic, lattice: &Lattice, seed: u64, chain: u32) -> Result<Self> {
        Self::with_options(action, lattice, seed, chain, ComplexLangevinOptions::default())
    }

    /// As [`ComplexLangevin::new`] with options.
    ///
    /// # Errors
    /// Also [`Error::InvalidArgument`] for an option that is not positive.
    pub fn with_options(
        action: ComplexQuartic,
        lattice: &Lattice,
        seed: u64,
        chain: u32,
        options: ComplexLangevinOptions,
    ) -> Result<Self> {
        if lattice.components() != 2 {
            let expected = "2 components a site, x and y: Lattice::with_components(2)";
            return Err(Error::invalid("components", lattice.components(), expected));
        }
        if lattice.sites() > MAX_LEVEL as usize {
            return Err(Error::invalid("sites", lattice.sites(), "fewer than 2^20; use several chain numbers"));
        }
        let curvature = (action.sigma0() + exact_complex_moments(&action, 2)?[2] * (3.0 * action.lambda())).norm();
        let positive = |name: &str, option: Option<f64>, default: f64| match option.unwrap_or(default) {
            value if value > 0.0 && value.is_finite() => Ok(value),
            value => Err(Error::invalid(name, value, "a finite number > 0")),
        };
        let interval = positive("interval", options.interval, 1.0 / curvature)?;
        let step = positive("step", options.step, 0.01 / curvature)?;
        let drift = positive("drift", options.drift, 2.0 * curvature.sqrt())?;
        if interval / step > MOST_STEPS as f64 {
            return Err(Error::invalid("step", step, "at least 2^-22 of the interval between configurations"));
        }
        let stream = Stream::new(seed, chain, 0)?;
        let mut field = vec![0.0; lattice.values()];
        let x = &mut field[..lattice.sites()];
        stream.normals(Purpose::Start, 0, x);
        x.iter_mut().for_each(|x| *x /= curvature.sqrt());
        Ok(ComplexLangevin {
            action,
            lattice: lattice.clone(),
            integrator: Integrator { action, step, drift, scheme: Scheme::Heun },
            interval,
            stream,
            intervals: 0,
            field,
            noise: vec![0.0; 2 * (0.75 * interval / step) as usize + 2],
            report: ComplexLangevinReport { steps: 0, time: 0.0, largest_y: 0.0, largest_drift: 0.0 },
        })
    }

    /// The action.
    pub fn action(&self) -> &ComplexQuartic {
        &self.action
    }

    /// The lattice.
    pub fn lattice(&self) -> &Lattice {
        &self.lattice
    }

    /// Langevin time between configurations.
    pub fn interval(&self) -> f64 {
        self.interval
    }

    /// The configuration: x of all sites, then y of all sites.
    pub fn field(&self) -> &[f64] {
        &self.field
    }

    /// Replaces the configuration; it is copied.
    ///
    /// # Errors
    /// [`Error::ShapeMismatch`] or [`Error::NotFinite`]; nothing is then changed.
    pub fn set_field(&mut self, field: &[f64]) -> Result<()> {
        require_length("field", field.len(), self.lattice.values())?;
        require_finite("field", field)?;
        self.field.copy_from_slice(field);
        self.report.largest_y = field[self.lattice.sites()..].iter().fold(0.0, |m, y| y.abs().max(m));
        Ok(())
    }

    /// How the process ran so far.
    pub fn report(&self) -> ComplexLangevinReport {
        self.report
    }

    /// Follows the process for at least the Langevin time `time`, without handing out configurations. Memory of the
    /// start fades like exp(-A time) in the Gaussian model.
    ///
    /// # Errors
    /// As [`ComplexLangevin::next_configuration`]; [`Error::InvalidArgument`] for a negative time.
    pub fn thermalise(&mut self, time: f64) -> Result<()> {
        if !(time >= 0.0 && time.is_finite()) {
            return Err(Error::invalid("time", time, "a finite number >= 0"));
        }
        for _ in 0..(time / self.interval).ceil() as u64 {
            self.next_configuration()?;
        }
        Ok(())
    }

    /// The configuration one interval later, x of all sites, then y of all sites.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for a runaway trajectory, which the process can have where the action has no
    /// strip ([`ComplexQuartic::strip`]); sites before that one have then moved.
    pub fn next_configuration(&mut self) -> Result<&[f64]> {
        let stream = self.stream.at_step(self.intervals);
        let sites = self.lattice.sites();
        for site in 0..sites {
            let z = Complex64::new(self.field[site], self.field[sites + site]);
            let draw = |noise: &mut [f64]| stream.normals(Purpose::ComplexLangevin, site as u32, noise);
            let z = self.integrator.follow(z, self.interval, &mut self.noise, &draw, &mut self.report)?;
            (self.field[site], self.field[sites + site]) = (z.re, z.im);
        }
        self.intervals += 1;
        self.report.time += self.interval;
        Ok(&self.field)
    }
}

/// One step of the integrator.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Scheme {
    Heun,
    /// Of weak order 1, for the tests to see the difference.
    #[cfg(test)]
    Euler,
}

#[derive(Clone, Copy, Debug)]
struct Integrator {
    action: ComplexQuartic,
    step: f64,
    drift: f64,
    scheme: Scheme,
}

impl Integrator {
    /// One site over `interval`; `draw` fills a buffer with the normals of this site, whose first numbers do
    /// not depend on its length.
    fn follow(
        &self,
        start: Complex64,
        interval: f64,
        noise: &mut Vec<f64>,
        draw: &dyn Fn(&mut [f64]),
        report: &mut ComplexLangevinReport,
    ) -> Result<Complex64> {
        draw(noise);
        let (mut z, mut left, mut used) = (start, interval, 0);
        let (mut largest_y, mut largest_drift) = (report.largest_y, report.largest_drift * report.largest_drift);
        let limit = self.drift * self.drift;
        while left > 0.0 {
            let k = self.action.drift(z);
            let square = k.norm_sqr();
            if !(square < f64::INFINITY) || used >= MOST_STEPS {
                return Err(Error::invalid(
                    "drift of a runaway trajectory",
                    square.sqrt(),
                    "a drift that stays bounded",
                ));
            }
            if used == noise.len() {
                noise.resize(2 * used, 0.0);
                draw(noise);
            }
            let wanted = if square > limit { self.step * self.drift / square.sqrt() } else { self.step };
            // The last step ends the interval; a remainder of rounding is no step of its own.
            let dt = if wanted > left * (1.0 - 1e-9) { left } else { wanted };
            z = self.one_step(z, k, dt, (2.0 * dt).sqrt() * noise[used]);
            left -= dt;
            used += 1;
            largest_y = z.im.abs().max(largest_y);
            largest_drift = square.max(largest_drift);
        }
        report.steps += used as u64;
        report.largest_y = largest_y;
        report.largest_drift = largest_drift.sqrt();
        Ok(z)
    }

    #[inline]
    fn one_step(&self, z: Complex64, k: Complex64, dt: f64, dw: f64) -> Complex64 {
        let euler = Complex64::new(z.re + k.re * dt + dw, z.im + k.im * dt);
        match self.scheme {
            Scheme::Heun => {
                let sum = k + self.action.drift(euler);
                Complex64::new(z.re + 0.5 * dt * sum.re + dw, z.im + 0.5 * dt * sum.im)
            }
            #[cfg(test)]
            Scheme::Euler => euler,
        }
    }
}

#[cfg(test)]
mod tests;
