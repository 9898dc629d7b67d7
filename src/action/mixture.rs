//! Mixtures of Gaussians of one width, independently at every site.

use super::toy::one_component;
use super::{Action, Interrupt};
use crate::error::{Error, Result, require_finite, require_length};
use crate::lattice::{Lattice, MAX_COMPONENTS};

/// The law p(x) = sum_k w_k N(x; m_k, sigma0^2 1) of a vector with n components, normalised.
///
/// Smoothed by noise it stays one, of variance v = sigma0^2 + noise^2, so density, score and the moments
/// of the clean variable are closed (Aarts, Habibi, Wang, Zhou, MLST 6 (2025) 025004, sec. 3).
#[derive(Clone, Debug, PartialEq)]
pub struct MixtureLaw {
    components: usize,
    /// m_k, one after the other.
    centres: Vec<f64>,
    log_weights: Vec<f64>,
    width: f64,
}

impl MixtureLaw {
    /// The mixture of Gaussians around `centres` (each with n components) with positive `weights`, which are
    /// normalised here, and the common standard deviation `width` = sigma0 of every component.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`], [`Error::ShapeMismatch`] or [`Error::NotFinite`].
    pub fn new(centres: &[Vec<f64>], weights: &[f64], width: f64) -> Result<Self> {
        let components = centres.first().map_or(0, Vec::len);
        if !(1..=MAX_COMPONENTS).contains(&components) {
            let expected = "at least one centre, with 1 to 64 components";
            return Err(Error::invalid("centres", format!("{} with {components} components", centres.len()), expected));
        }
        require_length("weights", weights.len(), centres.len())?;
        for centre in centres {
            require_length("centre", centre.len(), components)?;
            require_finite("centre", centre)?;
        }
        if let Some(weight) = weights.iter().find(|weight| !(weight.is_finite() && **weight > 0.0)) {
            return Err(Error::invalid("weight", weight, "a finite number above 0"));
        }
        if !(width.is_finite() && width > 0.0) {
            return Err(Error::invalid("sigma0", width, "a finite standard deviation above 0"));
        }
        let total: f64 = weights.iter().sum();
        Ok(MixtureLaw {
            components,
            centres: centres.concat(),
            log_weights: weights.iter().map(|weight| libm::log(weight / total)).collect(),
            width,
        })
    }

    /// (N(mu0, sigma0^2) + N(-mu0, sigma0^2)) / 2: two peaks on the line (MLST 6 (2025) 025004, sec. 3).
    ///
    /// # Errors
    /// As [`MixtureLaw::new`].
    pub fn two_peak(mu0: f64, sigma0: f64) -> Result<Self> {
        Self::new(&[vec![mu0], vec![-mu0]], &[0.5, 0.5], sigma0)
    }

    /// Three equal peaks in the plane, on a circle of `radius` around 0 at 90, 210 and 330 degrees.
    ///
    /// # Errors
    /// As [`MixtureLaw::new`].
    pub fn three_peak(radius: f64, sigma0: f64) -> Result<Self> {
        let side = 0.5 * 3f64.sqrt() * radius;
        let centres = [vec![0.0, radius], vec![-side, -0.5 * radius], vec![side, -0.5 * radius]];
        Self::new(&centres, &[1.0; 3], sigma0)
    }

    /// Components n of the vector.
    pub fn components(&self) -> usize {
        self.components
    }

    /// Number of peaks.
    pub fn peaks(&self) -> usize {
        self.log_weights.len()
    }

    /// Centre m_k.
    pub fn centre(&self, k: usize) -> &[f64] {
        &self.centres[k * self.components..(k + 1) * self.components]
    }

    /// Weight w_k; they sum to one.
    pub fn weight(&self, k: usize) -> f64 {
        libm::exp(self.log_weights[k])
    }

    /// sigma0, the standard deviation of each component around its centre.
    pub fn width(&self) -> f64 {
        self.width
    }

    /// E\[x_i\].
    pub fn mean(&self, component: usize) -> f64 {
        (0..self.peaks()).map(|k| self.weight(k) * self.centre(k)[component]).sum()
    }

    /// E\[x_i^2\] - E\[x_i\]^2.
    pub fn variance(&self, component: usize) -> f64 {
        let mean = self.mean(component);
        let spread = (0..self.peaks()).map(|k| self.weight(k) * (self.centre(k)[component] - mean).powi(2));
        spread.sum::<f64>() + self.width * self.width
    }

    /// log p of x = x_0 + noise eps; the law itself at noise 0.
    pub fn log_smoothed(&self, x: &[f64], noise: f64) -> f64 {
        let v = self.width * self.width + noise * noise;
        let top = self.largest_exponent(x, v);
        let sum: f64 = (0..self.peaks()).map(|k| libm::exp(self.exponent(k, x, v) - top)).sum();
        let square: f64 = x.iter().map(|x| x * x).sum();
        top + libm::log(sum) - 0.5 * (square / v + x.len() as f64 * libm::log(std::f64::consts::TAU * v))
    }

    /// log of w_k exp(-(x - m_k)^2 / 2v) without the part common to all k, in a form that keeps its
    /// precision when x is far larger than every centre.
    fn exponent(&self, k: usize, x: &[f64], v: f64) -> f64 {
        let inner: f64 = self.centre(k).iter().zip(x).map(|(m, x)| m * (x - 0.5 * m)).sum();
        self.log_weights[k] + inner / v
    }

    fn largest_exponent(&self, x: &[f64], v: f64) -> f64 {
        (0..self.peaks()).map(|k| self.exponent(k, x, v)).fold(f64::NEG_INFINITY, f64::max)
    }

    /// Calls `visit(m_k, r_k)` with the probability r_k that x = x_0 + noise eps came from peak k.
    pub(crate) fn for_each_peak(&self, x: &[f64], noise: f64, mut visit: impl FnMut(&[f64], f64)) {
        let v = self.width * self.width + noise * noise;
        let top = self.largest_exponent(x, v);
        let sum: f64 = (0..self.peaks()).map(|k| libm::exp(self.exponent(k, x, v) - top)).sum();
        for k in 0..self.peaks() {
            visit(self.centre(k), libm::exp(self.exponent(k, x, v) - top) / sum);
        }
    }
}

/// S = -sum_x log p(phi(x)), exactly normalised (Z = 1), with the law of [`MixtureLaw`]: a vector of n
/// components at every site, independent of the others.
#[derive(Clone, Debug)]
pub struct Mixture {
    law: MixtureLaw,
    sites: usize,
}

impl Mixture {
    /// The action on a lattice with as many components as the law.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] if the lattice has another number of components.
    pub fn new(lattice: &Lattice, law: MixtureLaw) -> Result<Self> {
        same_components(lattice, &law)?;
        Ok(Mixture { law, sites: lattice.sites() })
    }

    /// [`MixtureLaw::two_peak`] on a lattice of one component.
    ///
    /// # Errors
    /// As [`MixtureLaw::new`] and [`Mixture::new`].
    pub fn two_peak(lattice: &Lattice, mu0: f64, sigma0: f64) -> Result<Self> {
        one_component(lattice)?;
        Self::new(lattice, MixtureLaw::two_peak(mu0, sigma0)?)
    }

    /// [`MixtureLaw::three_peak`] on a lattice of two components.
    ///
    /// # Errors
    /// As [`MixtureLaw::new`] and [`Mixture::new`].
    pub fn three_peak(lattice: &Lattice, radius: f64, sigma0: f64) -> Result<Self> {
        Self::new(lattice, MixtureLaw::three_peak(radius, sigma0)?)
    }

    /// The law at one site.
    pub fn law(&self) -> &MixtureLaw {
        &self.law
    }
}

/// Refuses a lattice whose number of components is not that of the law.
pub(crate) fn same_components(lattice: &Lattice, law: &MixtureLaw) -> Result<()> {
    if lattice.components() == law.components() {
        return Ok(());
    }
    let expected = format!("{} components a site, as the centres of the mixture have", law.components());
    Err(Error::invalid("components", lattice.components(), &expected))
}

/// The components of `site`, at the front of a buffer.
pub(crate) fn gather(field: &[f64], sites: usize, site: usize) -> [f64; MAX_COMPONENTS] {
    let mut values = [0.0; MAX_COMPONENTS];
    values.iter_mut().zip(field[site..].iter().step_by(sites)).for_each(|(value, x)| *value = *x);
    values
}

impl Action for Mixture {
    fn action(&mut self, field: &[f64]) -> Result<f64, Interrupt> {
        let n = self.law.components();
        let logs = (0..self.sites).map(|site| self.law.log_smoothed(&gather(field, self.sites, site)[..n], 0.0));
        Ok(-logs.sum::<f64>())
    }

    fn force(&mut self, field: &[f64], force: &mut [f64]) -> Result<(), Interrupt> {
        let precision = 1.0 / (self.law.width * self.law.width);
        for site in 0..self.sites {
            let x = gather(field, self.sites, site);
            let force = &mut force[site..];
            force.iter_mut().step_by(self.sites).zip(&x).for_each(|(force, x)| *force = -precision * x);
            self.law.for_each_peak(&x[..self.law.components()], 0.0, |centre, r| {
                let pulls = force.iter_mut().step_by(self.sites).zip(centre);
                pulls.for_each(|(force, m)| *force += precision * r * m);
            });
        }
        Ok(())
    }

    fn local_change(&mut self, field: &[f64], index: usize, value: f64) -> Result<f64, Interrupt> {
        let n = self.law.components();
        let mut x = gather(field, self.sites, index % self.sites);
        let before = self.law.log_smoothed(&x[..n], 0.0);
        x[index / self.sites] = value;
        Ok(before - self.law.log_smoothed(&x[..n], 0.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::action::{ActionRecord, Toy};
    use crate::rng::{Purpose, Stream};

    fn lattice(extents: &[usize], components: usize) -> Lattice {
        Lattice::new(extents).unwrap().with_components(components).unwrap()
    }

    #[test]
    fn force_and_local_change_belong_to_the_action() {
        let general = MixtureLaw::new(&[vec![0.1, -0.5, 2.0], vec![-1.0, 0.3, 0.2]], &[1.0, 3.0], 0.7).unwrap();
        let shapes = [lattice(&[3, 2], 1), lattice(&[4], 2), lattice(&[2, 2], 3), lattice(&[1], 1)];
        let actions: [Box<dyn Action>; 4] = [
            Box::new(Mixture::two_peak(&shapes[0], 1.0, 0.4).unwrap()),
            Box::new(Mixture::three_peak(&shapes[1], 1.5, 0.6).unwrap()),
            Box::new(Mixture::new(&shapes[2], general).unwrap()),
            Box::new(Toy::new(&shapes[3], -1.0, 0.4).unwrap()),
        ];
        for (shape, mut action) in shapes.iter().zip(actions) {
            let mut field = vec![0.0; shape.values()];
            Stream::new(2, 0, 0).unwrap().normals(Purpose::Start, 0, &mut field);
            let mut force = vec![0.0; shape.values()];
            action.force(&field, &mut force).unwrap();
            for index in 0..shape.values() {
                let step = 1e-5;
                let mut shifted = |sign: f64| action.local_change(&field, index, field[index] + sign * step).unwrap();
                let numeric = -(shifted(1.0) - shifted(-1.0)) / (2.0 * step);
                assert!((force[index] - numeric).abs() < 1e-8, "{shape:?} {index}");
                let mut moved = field.clone();
                moved[index] = -0.8;
                let whole = action.action(&moved).unwrap() - action.action(&field).unwrap();
                assert!((action.local_change(&field, index, -0.8).unwrap() - whole).abs() < 1e-12);
            }
        }
    }

    #[test]
    fn published_closed_forms() {
        // s = -x/v + (m/v) tanh(m x/v) at noise 0 (MLST 6 (2025) 025004), and the density itself.
        let mut action = Mixture::two_peak(&lattice(&[1], 1), 1.0, 0.25).unwrap();
        let (v, mut force) = (0.0625f64, [0.0]);
        for x in [-2.0f64, -0.3, 0.0, 0.01, 1.1, 30.0] {
            action.force(&[x], &mut force).unwrap();
            assert!((force[0] - (-x + (x / v).tanh()) / v).abs() < 1e-12 * (1.0 + x.abs() / v));
            let normal = |m: f64| (-(x - m).powi(2) / (2.0 * v)).exp();
            let density = 0.5 * (normal(1.0) + normal(-1.0)) / (std::f64::consts::TAU * v).sqrt();
            if density > 0.0 {
                assert!((action.action(&[x]).unwrap() + density.ln()).abs() < 1e-10, "{x}");
            }
        }
        // Far out, where every Gaussian underflows, the logarithm is still that of the nearer peak.
        let far = action.action(&[1e3]).unwrap();
        let nearer = 0.5 * 999.0f64.powi(2) / v + 0.5 * (std::f64::consts::TAU * v).ln() + 2f64.ln();
        assert!((far / nearer - 1.0).abs() < 1e-13);
        let three = MixtureLaw::three_peak(2.0, 0.5).unwrap();
        for component in 0..2 {
            assert!(three.mean(component).abs() < 1e-15 && (three.variance(component) - 2.25).abs() < 1e-14);
        }
    }

    #[test]
    fn the_density_is_normalised() {
        let law = MixtureLaw::three_peak(1.0, 0.4).unwrap();
        for noise in [0.0, 0.7] {
            let h = 0.1;
            let grid = || (-80..=80).map(|i| h * f64::from(i));
            let sum: f64 =
                grid().flat_map(|x| grid().map(move |y| [x, y])).map(|x| law.log_smoothed(&x, noise).exp()).sum();
            assert!((sum * h * h - 1.0).abs() < 1e-12, "noise {noise}");
        }
    }

    #[test]
    fn records_name_the_laws_and_wrong_arguments_are_refused() {
        for record in
            [ActionRecord::toy(-1.0, 0.4), ActionRecord::two_peak(1.0, 0.25), ActionRecord::three_peak(1.0, 0.2)]
        {
            let right = lattice(&[3], record.components().unwrap());
            assert!(record.build(&right).is_ok(), "{record:?}");
            assert!(record.build(&lattice(&[3], 3 - right.components())).is_err());
            assert_eq!(record.is_even().unwrap(), record.name != "three-peak");
        }
        let unknown = ActionRecord { name: "phi6".into(), couplings: Default::default() };
        assert!(unknown.is_even().is_err() && unknown.components().is_err());
        assert!(MixtureLaw::new(&[], &[], 1.0).is_err() && MixtureLaw::two_peak(1.0, 0.0).is_err());
        assert!(MixtureLaw::two_peak(f64::NAN, 1.0).is_err());
        assert!(MixtureLaw::new(&[vec![0.0], vec![0.0, 1.0]], &[1.0, 1.0], 1.0).is_err());
        assert!(MixtureLaw::new(&[vec![0.0], vec![1.0]], &[1.0, 0.0], 1.0).is_err());
    }
}
