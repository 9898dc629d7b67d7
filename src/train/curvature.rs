//! How the precision of the clean field follows the curvature of the action from site to site, measured on the errors of the
//! denoiser (`diffusion::Response::curvature`).

use super::measure::Fit;
use crate::diffusion::{Factor, Neighbours, Response, Stiffness};
use crate::error::Result;
use crate::fourier::LatticeFourier;
use crate::lattice::Lattice;
use crate::rng::{Purpose, Stream};

/// Configurations whose likelihood is taken: at least, at most, and their sites together.
const SAMPLES: (usize, usize) = (32, 512);
const MOST_SITES: usize = 1 << 17;
/// Strengths that are tried, relative to the linear fit, which is of first order.
const STRENGTHS: [f64; 7] = [0.4, 0.55, 0.7, 0.85, 1.0, 1.2, 1.45];
/// Bounds of the renormalisation: a fit is not trusted beyond them.
const RENORMALISATION: (f64, f64) = (0.5, 2.0);

/// Errors of the denoiser at one noise, and what it gave.
pub(super) struct Samples<'a> {
    pub errors: &'a [f64],
    pub denoised: &'a [f64],
    /// R_p by momentum.
    pub variance: &'a [f64],
    /// Of a zero mode with two peaks: the share of its squared error that lies within a peak, sample by sample.
    pub within: &'a [f64],
}

/// What was found.
#[derive(Default)]
pub(super) struct CurvatureFit {
    pub curvature: [f64; 2],
    pub local_variance: f64,
    /// By momentum.
    pub renormalisation: Vec<f64>,
}

/// Memory for the fits on one lattice.
pub(super) struct CurvatureFitter {
    fourier: LatticeFourier,
    neighbours: Neighbours,
    factor: Factor,
}

/// What one strength gives.
struct Trial {
    likelihood: f64,
    renormalisation: Vec<f64>,
    local_variance: f64,
}

impl CurvatureFitter {
    /// None where chains do not follow the curvature either.
    pub fn new(lattice: &Lattice) -> Option<Self> {
        let neighbours = Neighbours::new(lattice)?;
        Some(CurvatureFitter { fourier: LatticeFourier::new(lattice), neighbours, factor: Factor::default() })
    }

    /// The strength of greatest likelihood, the errors being normal with the precision that follows the curvature; none at all
    /// if that is no better than a covariance which does not.
    ///
    /// # Errors
    /// None that a caller could cause.
    pub fn fit(&mut self, samples: &Samples<'_>, class: &[u32], classes: usize, seed: u64) -> Result<CurvatureFit> {
        let direction = self.direction(samples);
        if direction == [0.0; 2] {
            return Ok(CurvatureFit::default());
        }
        let mut trial = |strength: f64| self.trial(samples, direction.map(|c| strength * c), (class, classes), seed);
        let without = trial(0.0)?.likelihood;
        let likelihoods = STRENGTHS.iter().map(|&s| Ok(trial(s)?.likelihood)).collect::<Result<Vec<f64>>>()?;
        let best = (0..likelihoods.len()).fold(0, |a, b| if likelihoods[b] > likelihoods[a] { b } else { a });
        if !(likelihoods[best] > without) {
            return Ok(CurvatureFit::default());
        }
        let curvature = direction.map(|c| summit(&STRENGTHS, &likelihoods, best) * c);
        let Trial { renormalisation, local_variance, .. } = self.trial(samples, curvature, (class, classes), seed)?;
        Ok(CurvatureFit { curvature, local_variance, renormalisation })
    }

    fn squared_kernel(&mut self, variance: &[f64]) -> Vec<f64> {
        let mut kernel = vec![0.0; variance.len()];
        self.fourier.squared_kernel(variance, &mut kernel);
        kernel
    }

    /// Regresses the local fluctuation of the squared error on sum_z C(x - z)^2 of D^2 and D^4: what first order in dh says.
    fn direction(&mut self, samples: &Samples<'_>) -> [f64; 2] {
        let sites = samples.variance.len();
        let kernel = self.squared_kernel(samples.variance);
        let mut change = vec![0.0; sites];
        let mut smooth = [vec![0.0; sites], vec![0.0; sites]];
        let basis = [response([1.0, 0.0]), response([0.0, 1.0])];
        let mut fit = Fit::default();
        for (error, denoised) in samples.errors.chunks_exact(sites).zip(samples.denoised.chunks_exact(sites)) {
            for (basis, smooth) in basis.iter().zip(&mut smooth) {
                basis.curvature_change(denoised, &mut change);
                self.fourier.filter(&change, &kernel, smooth);
            }
            let mean = error.iter().map(|e| e * e).sum::<f64>() / sites as f64;
            for ((e, &a), &b) in error.iter().zip(&smooth[0]).zip(&smooth[1]) {
                fit.add([a, b], e * e - mean);
            }
        }
        fit.shrunk()
    }

    /// Mean log likelihood of the errors, up to a constant.
    fn trial(
        &mut self,
        samples: &Samples<'_>,
        curvature: [f64; 2],
        (class, classes): (&[u32], usize),
        seed: u64,
    ) -> Result<Trial> {
        let sites = samples.variance.len();
        let count = (MOST_SITES / sites).clamp(SAMPLES.0, SAMPLES.1).min(samples.errors.len() / sites);
        let stiffness = Stiffness::of_spectrum(samples.variance, self.neighbours.momenta());
        let bare: Vec<f64> = self.neighbours.momenta().iter().map(|&p2| stiffness.variance(p2)).collect();
        let response = response(curvature);
        let field = || vec![0.0; sites];
        let (mut change, mut noise, mut moved, mut power, mut power_without) =
            (field(), field(), field(), field(), field());
        let mut diagonals = vec![0.0; count * sites];
        // Without dh the spectrum is known: the same noise through both gives the difference with little of its own.
        let mut plain = Factor::default();
        self.neighbours.factorise((&vec![stiffness.mass; sites], stiffness.coupling), (1.0, 0.0), &mut plain);
        let (mut likelihood, mut square) = (0.0, 0.0);
        for (index, diagonal) in diagonals.chunks_exact_mut(sites).enumerate() {
            response.curvature_change(&samples.denoised[index * sites..(index + 1) * sites], &mut change);
            Response::diagonal(stiffness.mass, &mut change);
            self.neighbours.order(&change, diagonal);
            likelihood += self.neighbours.factorise((diagonal, stiffness.coupling), (1.0, 0.0), &mut self.factor);
            let stream = Stream::new(seed, 2, index as u64)?;
            let ways = [(&mut self.factor, &mut power, 1.0), (&mut plain, &mut power_without, -1.0)];
            for (factor, power, sign) in ways {
                stream.normals(Purpose::Diagnostic, 0, &mut noise);
                moved.copy_from_slice(&noise);
                factor.solve(&mut moved);
                square += sign * moved.iter().map(|x| x * x).sum::<f64>() / count as f64;
                factor.solve_transposed(&mut noise);
                self.neighbours.restore(&noise, &mut moved);
                self.fourier.accumulate_power(&moved, power);
            }
        }
        let gain: Vec<f64> = power.iter().zip(&power_without).map(|(a, b)| (a - b) / count as f64).collect();
        let gain = super::dataset::class_means(&gain, class, classes, 1.0);
        let ratio = |(p, &c): (usize, &u32)| 1.0 + gain[c as usize] / bare[p];
        let renormalisation: Vec<f64> =
            class.iter().enumerate().map(ratio).map(|r| r.clamp(RENORMALISATION.0, RENORMALISATION.1)).collect();
        // |G^-1|^2 beyond its mean diagonal in momentum space.
        let spectrum = bare.iter().zip(&renormalisation).map(|(bare, ratio)| bare * bare * (1.0 - ratio * ratio));
        let local_variance = ((square + spectrum.sum::<f64>()) / sites as f64).max(0.0);
        // O^-1, by which the errors are divided.
        let outer = samples.variance.iter().zip(bare.iter().zip(&renormalisation));
        let outer: Vec<f64> = outer.map(|(r, (bare, ratio))| (bare * ratio / r).sqrt()).collect();
        likelihood += count as f64 * outer.iter().map(|&o| libm::log(o)).sum::<f64>();
        let mut errors = samples.errors.chunks_exact(sites).zip(samples.within.iter().chain(std::iter::repeat(&1.0)));
        for diagonal in diagonals.chunks_exact(sites) {
            let Some((error, &within)) = errors.next() else { break };
            let mean = error.iter().sum::<f64>() / sites as f64 * (1.0 - within.sqrt());
            change.iter_mut().zip(error).for_each(|(out, e)| *out = e - mean);
            self.fourier.filter(&change, &outer, &mut noise);
            self.neighbours.order(&noise, &mut moved);
            self.neighbours.multiply(diagonal, stiffness.coupling, &moved, &mut noise);
            likelihood -= 0.5 * moved.iter().zip(&noise).map(|(a, b)| a * b).sum::<f64>();
        }
        Ok(Trial { likelihood: likelihood / count as f64, renormalisation, local_variance })
    }
}

fn response(curvature: [f64; 2]) -> Response {
    Response {
        mean_square: (0.0, 1.0),
        linear: vec![],
        quadratic: vec![],
        curvature,
        local_variance: 0.0,
        renormalisation: vec![],
    }
}

/// Where the parabola through the best point and its neighbours is highest.
fn summit(x: &[f64], y: &[f64], best: usize) -> f64 {
    let middle = best.clamp(1, x.len() - 2);
    let [(a, ya), (b, yb), (c, yc)] = [middle - 1, middle, middle + 1].map(|i| (x[i], y[i]));
    let (left, right) = ((yb - ya) / (b - a), (yc - yb) / (c - b));
    let bend = (right - left) / (c - a);
    if bend < 0.0 { (0.5 * (a + b) - 0.5 * left / bend).clamp(a, c) } else { x[best] }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Errors drawn with a known curvature: its strength and the renormalisation come back, and errors without it give none.
    #[test]
    fn the_curvature_that_made_the_errors_comes_back() {
        let lattice = Lattice::new(&[8, 8]).unwrap();
        let (class, classes) = crate::fourier::momentum_classes(&lattice);
        let neighbours = Neighbours::new(&lattice).unwrap();
        let mut fourier = LatticeFourier::new(&lattice);
        let (sites, count) = (64, 2000);
        let curvature = [-0.5, 0.02];
        for scale in [1.0, 0.0] {
            let (mut denoised, mut errors) = (vec![0.0; count * sites], vec![0.0; count * sites]);
            let (mut change, mut power) = (vec![0.0; sites], vec![0.0; sites]);
            let mut factor = Factor::default();
            for index in 0..count {
                let range = index * sites..(index + 1) * sites;
                let stream = Stream::new(3, 0, index as u64).unwrap();
                stream.normals(Purpose::Diagnostic, 0, &mut denoised[range.clone()]);
                stream.normals(Purpose::Diagnostic, 1, &mut errors[range.clone()]);
                response(curvature.map(|c| c * scale)).curvature_change(&denoised[range.clone()], &mut change);
                Response::diagonal(1.5, &mut change);
                let mut diagonal = vec![0.0; sites];
                neighbours.order(&change, &mut diagonal);
                neighbours.factorise((&diagonal, 0.5), (1.0, 0.0), &mut factor);
                factor.solve_transposed(&mut errors[range.clone()]);
                let ordered = errors[range.clone()].to_vec();
                neighbours.restore(&ordered, &mut errors[range.clone()]);
                fourier.accumulate_power(&errors[range], &mut power);
            }
            power.iter_mut().for_each(|p| *p /= count as f64);
            let means = super::super::dataset::class_means(&power, &class, classes, 1.0);
            let variance: Vec<f64> = class.iter().map(|&c| means[c as usize]).collect();
            let samples = Samples { errors: &errors, denoised: &denoised, variance: &variance, within: &[] };
            let fit = CurvatureFitter::new(&lattice).unwrap().fit(&samples, &class, classes, 5).unwrap();
            println!("{:?} {} {:?}", fit.curvature, fit.local_variance, &fit.renormalisation.first());
            // -dh at D^2 = 2, where most of it is; found within 10 % at this seed and these counts.
            let at = |c: [f64; 2]| c[0] * 2.0 + c[1] * 4.0;
            match scale > 0.0 {
                true => assert!((at(fit.curvature) / at(curvature) - 1.0).abs() < 0.15, "{:?}", fit.curvature),
                false => assert!(at(fit.curvature).abs() < 0.05, "{:?}", fit.curvature),
            }
        }
    }
}
