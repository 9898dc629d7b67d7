//! What stands around the network of a gauge field, in place of the Wiener filter of a scalar one.
//!
//! The noisy links x = x_0 + sigma z are followed without reducing them modulo 2 pi: the score is periodic, so that
//! the process on the torus and its lift to the real line have the same steps, and all densities are Gaussian. The law
//! of the links depends on the plaquettes alone (a constant added to all links of an axis changes no plaquette,
//! and Polyakov loops by any phase), so every gauge-invariant score is the curl of a field h on plaquettes:
//!
//!   D(x) = x + sigma^2 curl(h_0 + h_1),   h_0 = -K * sin theta_P,   h_1 = c_out net(features; ln sigma).
//!
//! h_0 is the best linear regression of the clean force -beta sin theta_P on sin theta_P of the noisy links for
//! independent plaquettes, with c = <cos theta_P>, g = <sin^2 theta_P> of the data and beta g = c:
//!
//!   K_p = c exp(-2 s) / V_p,   V_p = 1/2 \[(1 + e^(-8 s)) g + (1 - e^(-8 s)) (1 - g)\]
//!                                    - 1/2 c^2 (e^(-3 s) - e^(-5 s)) (4 - p^2-hat),   s = sigma^2,
//!
//! V_p being the spectrum of sin theta_P: the noise of a plaquette has the variance 4 s, and that of neighbours the
//! covariance -s. Near the continuum this is the Wiener filter of the transverse links, whose covariance is
//! g / p^2-hat. The network sees gauge-invariant features only, all odd under charge conjugation, and is odd itself.

use crate::action::GaugeLinks;
use crate::error::{Error, Result, require_finite};
use crate::fourier::{LatticeFourier, lattice_momenta};
use crate::lattice::Lattice;
use crate::nn::Real;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Input fields of a network on plaquettes: sin theta_P, sin 2 theta_P, the loops of 2x1 and 1x2 plaquettes, the
/// linearly denoised plaquette, and the sum of all sin theta_P over sqrt(V/2), the same everywhere, which sees the charge.
pub const LINK_INPUTS: usize = 6;

/// Variance that stands for that of a mode about which the action says nothing: the longitudinal ones, and constant
/// links. Such a mode is as free after a step as before it.
pub(crate) const FREE: f64 = 1e30;

/// Whether a variance is [`FREE`], also after it was interpolated.
pub(crate) fn is_free(variance: f64) -> bool {
    variance > 1e-3 * FREE
}

/// Moments of the plaquette angle, which make the linear part.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct PlaquetteMoments {
    /// <cos theta_P>.
    pub cosine: f64,
    /// <sin^2 theta_P>.
    pub sine_square: f64,
}

impl PlaquetteMoments {
    pub(crate) fn validate(&self) -> Result<()> {
        require_finite("plaquette moments", &[self.cosine, self.sine_square])?;
        let possible = self.cosine.abs() <= 1.0 && self.sine_square > 0.0 && self.sine_square <= 1.0;
        match possible {
            true => Ok(()),
            false => {
                Err(Error::invalid("plaquette moments", format!("{self:?}"), "moments of cos and sin of an angle"))
            }
        }
    }

    /// Variance of a transverse mode of momentum p^2-hat.
    fn transverse(&self, momentum: f64) -> f64 {
        if momentum > 1e-12 { self.sine_square / momentum } else { FREE }
    }

    /// Variance of the links by class of modes.
    pub(crate) fn covariance(&self, lattice: &Lattice, class: &[u32], classes: usize) -> Vec<f64> {
        let mut covariance = vec![FREE; classes];
        for (p2, &class) in lattice_momenta(lattice).into_iter().zip(class) {
            covariance[class as usize] = self.transverse(p2);
        }
        covariance
    }

    /// Spectrum of sin theta_P on independent plaquettes with noise of variance `xi` a link.
    fn spectrum(&self, xi: f64, momentum: f64) -> f64 {
        let spread = libm::exp(-8.0 * xi);
        let on_site = 0.5 * ((1.0 + spread) * self.sine_square + (1.0 - spread) * (1.0 - self.sine_square));
        let neighbours = 0.5 * self.cosine * self.cosine * (libm::exp(-3.0 * xi) - libm::exp(-5.0 * xi));
        on_site - neighbours * (4.0 - momentum)
    }
}

/// The gauge part of a model on one lattice. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct LinkPart {
    links: GaugeLinks,
    moments: PlaquetteMoments,
    momenta: Arc<[f64]>,
}

/// Memory to work in.
pub(crate) struct LinkScratch {
    plane: LatticeFourier,
    /// Of the plaquettes of the noisy links, which the linear part leaves for the inputs of the network.
    sines: Vec<f64>,
    cosines: Vec<f64>,
    slopes: Vec<f64>,
}

impl LinkScratch {
    /// For links on `lattice`, which has two axes.
    pub fn new(lattice: &Lattice) -> Self {
        let sites = lattice.sites();
        LinkScratch {
            plane: LatticeFourier::with_components(lattice, 1),
            sines: vec![0.0; sites],
            cosines: vec![0.0; sites],
            slopes: vec![0.0; sites],
        }
    }
}

impl LinkPart {
    /// For fields of links on `lattice`.
    ///
    /// # Errors
    /// Those of [`GaugeLinks::new`]; impossible moments.
    pub fn new(lattice: &Lattice, moments: PlaquetteMoments) -> Result<Self> {
        moments.validate()?;
        let momenta = lattice_momenta(lattice).into();
        Ok(LinkPart { links: GaugeLinks::new(lattice)?, moments, momenta })
    }

    /// p^2-hat of every momentum of plaquettes.
    pub fn momenta(&self) -> Arc<[f64]> {
        self.momenta.clone()
    }

    /// Moments of the plaquettes.
    pub fn moments(&self) -> PlaquetteMoments {
        self.moments
    }

    /// -K of a noise, one value a momentum of plaquettes; `out` has the length of a field, and its rest is not used.
    pub fn multiplier(&self, noise: f64, out: &mut [f64]) {
        let xi = noise * noise;
        let strength = -self.moments.cosine * libm::exp(-2.0 * xi);
        out.iter_mut().zip(&*self.momenta).for_each(|(k, &p2)| *k = strength / self.moments.spectrum(xi, p2));
    }

    /// x + sigma^2 curl(h_0).
    pub fn denoise(&self, scratch: &mut LinkScratch, multiplier: &[f64], noise: f64, field: &[f64], out: &mut [f64]) {
        let LinkScratch { plane, sines, cosines, slopes } = scratch;
        let sites = self.links.sites();
        for (site, (sine, cosine)) in sines.iter_mut().zip(cosines).enumerate() {
            (*sine, *cosine) = libm::sincos(self.links.plaquette(field, site));
        }
        plane.filter(sines, &multiplier[..sites], slopes);
        let xi = noise * noise;
        self.add_curl(slopes, xi, field, out);
    }

    /// `out` = `field` + `factor` curl(`slopes`).
    fn add_curl<T: Real>(&self, slopes: &[T], factor: f64, field: &[f64], out: &mut [f64]) {
        let sites = self.links.sites();
        for site in 0..sites {
            let here = slopes[site].to_f64();
            let (left, below) =
                (slopes[self.links.behind(site, 1)].to_f64(), slopes[self.links.behind(site, 0)].to_f64());
            out[site] = field[site] + factor * (here - left);
            out[sites + site] = field[sites + site] + factor * (below - here);
        }
    }

    /// Factors of the network at a noise.
    pub fn factors(&self, noise: f64) -> LinkFactors {
        let xi = noise * noise;
        let slope = self.moments.cosine * libm::exp(-2.0 * xi) / self.moments.spectrum(xi, 4.0);
        LinkFactors { part: self.clone(), output: xi * slope }
    }
}

/// The factors around the network of links at one noise level.
#[derive(Clone, Debug)]
pub(crate) struct LinkFactors {
    part: LinkPart,
    /// sigma^2 c_out.
    output: f64,
}

impl LinkFactors {
    /// Fills the network's inputs from what [`LinkPart::denoise`] left of the noisy links, and from linearly denoised ones.
    pub fn fill<T: Real>(&self, seen: &LinkScratch, filtered: &[f64], inputs: &mut [T]) {
        let links = &self.part.links;
        let sites = links.sites();
        let (sines, rest) = inputs.split_at_mut(sites);
        let (doubled, rest) = rest.split_at_mut(sites);
        let (tall, rest) = rest.split_at_mut(sites);
        let (wide, rest) = rest.split_at_mut(sites);
        let (denoised, charge) = rest.split_at_mut(sites);
        let scale = 1.0 / self.part.moments.sine_square.sqrt();
        let mut sum = 0.0;
        for site in 0..sites {
            let (sine, cosine) = (seen.sines[site], seen.cosines[site]);
            sum += sine;
            sines[site] = T::from_f64(sine);
            doubled[site] = T::from_f64(2.0 * sine * cosine);
            denoised[site] = T::from_f64(scale * libm::sin(links.plaquette(filtered, site)));
        }
        for site in 0..sites {
            let (down, right) = (links.ahead(site, 0), links.ahead(site, 1));
            let together = |other: usize| {
                // In the precision of the other inputs.
                let [s, c, other_s, other_c] =
                    [seen.sines[site], seen.cosines[site], seen.sines[other], seen.cosines[other]]
                        .map(|value| T::from_f64(value).to_f64());
                T::from_f64(s * other_c + c * other_s)
            };
            tall[site] = together(down);
            wide[site] = together(right);
        }
        charge.fill(T::from_f64(sum / (0.5 * sites as f64).sqrt()));
    }

    /// `denoised` = `filtered` + sigma^2 c_out curl(output).
    pub fn denoise<T: Real>(&self, filtered: &[f64], output: &[T], denoised: &mut [f64]) {
        self.part.add_curl(output, self.output, filtered, denoised);
    }

    /// Gradient with respect to the network's output of something whose gradient with respect to the denoised links
    /// is `factor` times `gradient`.
    pub fn output_gradient<T: Real>(&self, factor: f64, gradient: &[f64], output: &mut [T]) {
        let (links, factor) = (&self.part.links, factor * self.output);
        let gradients = output.iter_mut().enumerate();
        gradients.for_each(|(site, out)| *out = T::from_f64(factor * links.plaquette(gradient, site)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::{Purpose, Stream};

    const MOMENTS: PlaquetteMoments = PlaquetteMoments { cosine: 0.9, sine_square: 0.17 };

    fn lattice() -> Lattice {
        Lattice::new(&[4, 6]).unwrap().with_components(2).unwrap()
    }

    fn normals(level: u32, length: usize) -> Vec<f64> {
        let mut values = vec![0.0; length];
        Stream::new(3, 0, 0).unwrap().normals(Purpose::Diagnostic, level, &mut values);
        values
    }

    fn denoised(part: &LinkPart, noise: f64, field: &[f64]) -> (Vec<f64>, LinkScratch) {
        let (mut multiplier, mut out) = (vec![0.0; field.len()], vec![0.0; field.len()]);
        let mut scratch = LinkScratch::new(part.links.lattice());
        part.multiplier(noise, &mut multiplier);
        part.denoise(&mut scratch, &multiplier, noise, field, &mut out);
        (out, scratch)
    }

    /// For small angles sin theta_P is theta_P, and the linear part is the Wiener filter of the transverse modes, up to
    /// the change of c and g with the noise.
    #[test]
    fn for_small_noise_the_linear_part_is_the_wiener_filter() {
        let moments = PlaquetteMoments { cosine: 1.0, sine_square: 1e-6 };
        let part = LinkPart::new(&lattice(), moments).unwrap();
        let field: Vec<f64> = normals(0, 48).iter().map(|x| 1e-3 * x).collect();
        let (found, _) = denoised(&part, 1e-3, &field);
        let class: Vec<f64> = lattice_momenta(&lattice()).into_iter().map(|p2| moments.transverse(p2)).collect();
        let filter: Vec<f64> = class.iter().map(|c| c / (c + 1e-6)).chain(std::iter::repeat(1.0)).take(48).collect();
        let mut expected = vec![0.0; 48];
        LatticeFourier::of_links(&lattice()).filter(&field, &filter, &mut expected);
        assert!(found.iter().zip(&expected).all(|(a, b)| (a - b).abs() < 1e-7), "{found:?} {expected:?}");
    }

    /// D - x and all features are the same for a gauge-transformed field and after turns by 2 pi; both change sign under
    /// charge conjugation.
    #[test]
    fn gauge_transformations_turns_and_charge_conjugation() {
        let part = LinkPart::new(&lattice(), MOMENTS).unwrap();
        let (field, noise) = (normals(0, 48), 0.4);
        let of = |field: &[f64]| {
            let (filtered, seen) = denoised(&part, noise, field);
            let mut inputs = vec![0.0_f64; LINK_INPUTS * 24];
            part.factors(noise).fill(&seen, &filtered, &mut inputs);
            let change: Vec<f64> = filtered.iter().zip(field).map(|(d, x)| d - x).collect();
            [change, inputs].concat()
        };
        let reference = of(&field);
        assert!(reference.iter().filter(|value| value.abs() > 1e-3).count() > 150);
        let mut moved = field.clone();
        part.links.gauge_transform(&mut moved, &normals(1, 24)).unwrap();
        moved.iter_mut().step_by(3).for_each(|angle| *angle += std::f64::consts::TAU);
        assert!(of(&moved).iter().zip(&reference).all(|(a, b)| (a - b).abs() < 1e-12));
        let conjugate: Vec<f64> = field.iter().map(|angle| -angle).collect();
        assert!(of(&conjugate).iter().zip(&reference).all(|(a, b)| (a + b).abs() < 1e-12));
    }

    #[test]
    fn the_gradient_is_that_of_the_output() {
        let factors = LinkPart::new(&lattice(), MOMENTS).unwrap().factors(0.7);
        let (field, weights, output) = (normals(0, 48), normals(1, 48), normals(2, 24));
        let value = |output: &[f64]| {
            let mut denoised = vec![0.0; 48];
            factors.denoise(&field, output, &mut denoised);
            denoised.iter().zip(&weights).map(|(d, w)| d * w).sum::<f64>()
        };
        let mut gradient = vec![0.0_f64; 24];
        factors.output_gradient(1.0, &weights, &mut gradient);
        for site in 0..24 {
            let mut moved = output.clone();
            moved[site] += 1.0;
            assert!((value(&moved) - value(&output) - gradient[site]).abs() < 1e-11);
        }
    }

    /// The spectrum of sin theta_P in the noise against draws: 4 momenta classes, 3 noises, bound 5 sigma of 4000 fields of
    /// independent plaquette angles 0 (g = 0, c = 1), for which it is exact.
    #[test]
    fn the_spectrum_is_that_of_the_noise() {
        let (lattice, moments) = (lattice(), PlaquetteMoments { cosine: 1.0, sine_square: 1e-300 });
        let links = GaugeLinks::new(&lattice).unwrap();
        let momenta = lattice_momenta(&lattice);
        let mut plane = LatticeFourier::with_components(&lattice, 1);
        for noise in [0.2, 0.5, 0.9] {
            let (mut power, mut sines) = (vec![0.0; 24], vec![0.0; 24]);
            let fields = normals(7, 48 * 4000);
            for field in fields.chunks_exact(48) {
                let noisy: Vec<f64> = field.iter().map(|z| noise * z).collect();
                sines.iter_mut().enumerate().for_each(|(site, s)| *s = links.plaquette(&noisy, site).sin());
                plane.accumulate_power(&sines, &mut power);
            }
            for (p, &p2) in momenta.iter().enumerate().skip(1) {
                let expected = moments.spectrum(noise * noise, p2);
                // |s_p|^2 is at worst exponential or chi-square of one degree: deviation at most sqrt(2) of its mean.
                let bound = 5.0 * (2.0 / 4000.0_f64).sqrt() * expected;
                assert!((power[p] / 4000.0 - expected).abs() < bound, "{noise} {p}: {} {expected}", power[p] / 4000.0);
            }
        }
    }
}
