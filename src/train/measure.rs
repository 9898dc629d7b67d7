//! The moments of the clean field given a noisy one, on configurations that did not train the network.

use super::curvature::{CurvatureFit, CurvatureFitter, Samples};
use super::dataset::{Dataset, class_means};
use crate::action::GaugeLinks;
use crate::diffusion::{FLUX_BINS, FluxResponse, TwoPeaks, ZeroMode};
use crate::error::{Error, Result};
use crate::model::{Metadata, Model, Modes, PosteriorRow, PosteriorTable, covariance_classes};
use crate::rng::{Purpose, Stream};
use crate::score::{Evaluator, NativeScore, Score, zero_mode};
use std::sync::Arc;

/// Noise levels of the table.
const ROWS: usize = 28;
/// Configurations a row, and the most sites in them all (memory).
const SAMPLES: usize = 4096;
const MOST_SITES: usize = 1 << 22;
/// Plaquettes that a bin's own mean is worth as much as the one below.
const FEW: f64 = 20.0;
/// Fields denoised together.
const BATCH: usize = 64;

/// Measures `diffusion::Posterior` over the range of ln sigma. The same configurations and the same
/// noise serve every row, so that the table is smooth in sigma.
///
/// # Errors
/// Those of the evaluator.
pub fn measure_posterior(
    model: &Model,
    data: &Dataset,
    log_noise: (f64, f64),
    threads: usize,
) -> Result<PosteriorTable> {
    let score = Arc::new(NativeScore::new(model.clone())?);
    let sites = data.lattice().values();
    let held_out = data.held_out();
    let samples = SAMPLES.min(4 * held_out.len()).min((MOST_SITES / sites).max(64));
    let mut clean = vec![0.0; samples * sites];
    for (sample, field) in clean.chunks_exact_mut(sites).enumerate() {
        data.read(held_out.start + sample % held_out.len(), field)?;
    }
    let mut evaluator = score.evaluator(threads)?;
    let mut measurement = Measurement::new(data, clean, model.metadata());
    let rows = (0..ROWS).map(|row| {
        let position = log_noise.0 + (log_noise.1 - log_noise.0) * row as f64 / (ROWS - 1) as f64;
        measurement.denoise(&mut *evaluator, libm::exp(position), model.metadata().training.seed)?;
        measurement.row(position)
    });
    Ok(PosteriorTable { rows: rows.collect::<Result<_>>()? })
}

/// A model with covariance, zero mode and posterior table measured on `data`, on the lattice of the data: how a
/// network is taken to a lattice or to couplings that did not train it when configurations are at hand. Covariance and
/// zero mode come from the training part, the table from the held-out part.
///
/// # Errors
/// [`Error::ShapeMismatch`] when the data lie on another lattice than the model; what reading the data returns.
pub fn measure_gaussian_part(model: &Model, data: &Dataset, threads: usize) -> Result<Model> {
    let metadata = model.metadata();
    if data.lattice() != &model.lattice()? {
        return Err(Error::shape("configurations", data.lattice().extents(), &metadata.extents));
    }
    let mut measured = metadata.clone();
    measured.plaquettes = metadata.plaquettes.map(|_| data.plaquettes()).transpose()?;
    let (class, classes) = covariance_classes(data.lattice(), metadata.network.reach);
    measured.covariance = match measured.plaquettes {
        Some(moments) => moments.covariance(data.lattice(), &class, classes),
        None => data.covariance_with_reach(metadata.network.reach)?,
    };
    measured.zero_mode = match metadata.magnetisation_scale {
        Some(_) => data.zero_mode()?,
        None => None,
    };
    let rows = &metadata.posterior.rows;
    let range = match (rows.first(), rows.last()) {
        (Some(first), Some(last)) => (first.log_noise, last.log_noise),
        _ => {
            let smallest = crate::score::smallest_noise(&metadata.expanded_covariance()?);
            (libm::log(smallest), libm::log(metadata.schedule.noise(1.0)))
        }
    };
    measured.posterior = PosteriorTable::default();
    let mut model = Model::new(measured, model.parameters().to_vec())?;
    let table = measure_posterior(&model, data, range, threads)?;
    model.metadata_mut().posterior = table;
    model.metadata().validate()?;
    Ok(model)
}

struct Measurement {
    modes: Modes,
    /// For the response of the covariance to the state: one component with interactions.
    responds: bool,
    fitter: Option<CurvatureFitter>,
    seed: u64,
    class: Vec<u32>,
    classes: usize,
    /// Values of a field.
    sites: usize,
    clean: Vec<f64>,
    denoised: Vec<f64>,
    zero_mode: Option<ZeroMode>,
    /// Of link angles.
    links: Option<GaugeLinks>,
    /// Of a zero mode with two peaks: its law given each noisy sample.
    given: Vec<TwoPeaks>,
}

impl Measurement {
    fn new(data: &Dataset, clean: Vec<f64>, metadata: &Metadata) -> Self {
        let (lattice, reach, zero_mode) = (data.lattice(), metadata.network.reach, metadata.zero_mode);
        let (class, classes) = covariance_classes(lattice, reach);
        // Checked with the metadata.
        let links = metadata.plaquettes.and_then(|_| GaugeLinks::new(lattice).ok());
        let responds = reach > 0 && lattice.components() == 1;
        let fitter = if responds { CurvatureFitter::new(lattice) } else { None };
        let seed = metadata.training.seed;
        let modes = Modes::of_kind(lattice, reach, links.is_some());
        let denoised = vec![0.0; clean.len()];
        let sites = lattice.values();
        Measurement {
            modes,
            responds,
            fitter,
            seed,
            class,
            classes,
            sites,
            denoised,
            clean,
            zero_mode,
            links,
            given: vec![],
        }
    }

    fn samples(&self) -> usize {
        self.clean.len() / self.sites
    }

    fn denoise(&mut self, evaluator: &mut dyn Evaluator, sigma: f64, seed: u64) -> Result<()> {
        let mut noise = vec![0.0; self.sites];
        let mut noisy = vec![0.0; BATCH * self.sites];
        self.given.clear();
        for first in (0..self.samples()).step_by(BATCH) {
            let count = BATCH.min(self.samples() - first);
            let range = first * self.sites..(first + count) * self.sites;
            for (slot, clean) in self.clean[range.clone()].chunks_exact(self.sites).enumerate() {
                Stream::new(seed, 1, (first + slot) as u64)?.normals(Purpose::Diagnostic, 0, &mut noise);
                let target = &mut noisy[slot * self.sites..(slot + 1) * self.sites];
                target.iter_mut().zip(clean.iter().zip(&noise)).for_each(|(x, (c, z))| *x = c + sigma * z);
                self.given.extend(self.zero_mode.map(|law| law.given(zero_mode(target), sigma)));
            }
            evaluator.denoise(&vec![sigma; count], &noisy[..count * self.sites], &mut self.denoised[range])?;
        }
        Ok(())
    }

    fn row(&mut self, log_noise: f64) -> Result<PosteriorRow> {
        let (sites, samples) = (self.sites, self.samples());
        let errors: Vec<f64> = self.clean.iter().zip(&self.denoised).map(|(x, d)| x - d).collect();
        // Power of the error by sample and class.
        let mut power = vec![0.0; sites];
        let mut by_class = Vec::with_capacity(samples * self.classes);
        for error in errors.chunks_exact(sites) {
            power.fill(0.0);
            self.modes.accumulate_power(error, &mut power);
            by_class.extend(class_means(&power, &self.class, self.classes, 1.0));
        }
        // Of the error of a zero mode with two peaks, the part within a peak: the kernels know the rest.
        for (given, power) in self.given.iter().zip(by_class.chunks_exact_mut(self.classes)) {
            power[0] *= given.variance / (given.variance + given.between());
        }
        let mean = |class: usize| by_class.iter().skip(class).step_by(self.classes).sum::<f64>() / samples as f64;
        let variance: Vec<f64> = (0..self.classes).map(mean).collect();
        let row = PosteriorRow {
            log_noise,
            variance: variance.iter().copied().map(rounded).collect(),
            mean_square: [0.0, 1.0],
            linear: vec![0.0; self.classes],
            quadratic: vec![0.0; self.classes],
            curvature: [0.0; 2],
            local_variance: 0.0,
            renormalisation: vec![],
            plaquettes: self.plaquettes(&errors),
        };
        match self.responds {
            true => self.with_response(row, &variance, &by_class, &errors),
            false => Ok(row),
        }
    }

    /// Share and mean squared error of the plaquettes by bin of that of the denoised links. A bin of few takes part of
    /// its value from the one below.
    fn plaquettes(&self, errors: &[f64]) -> Vec<[f64; 2]> {
        let Some(links) = &self.links else { return vec![] };
        let mut sums = [[0.0; 2]; FLUX_BINS];
        for (error, denoised) in errors.chunks_exact(self.sites).zip(self.denoised.chunks_exact(self.sites)) {
            for plaquette in 0..links.sites() {
                let sum = &mut sums[FluxResponse::bin(links.plaquette(denoised, plaquette))];
                sum[0] += 1.0;
                sum[1] += links.plaquette(error, plaquette).powi(2);
            }
        }
        let total: f64 = sums.iter().map(|sum| sum[0]).sum();
        let mut last = sums[0][1] / sums[0][0].max(1.0);
        sums.map(|[count, square]| {
            last = (square + FEW * last) / (count + FEW);
            [rounded(count / total), rounded(last)]
        })
        .to_vec()
    }

    /// The row completed by how the covariance follows the state.
    fn with_response(
        &mut self,
        row: PosteriorRow,
        variance: &[f64],
        by_class: &[f64],
        errors: &[f64],
    ) -> Result<PosteriorRow> {
        let (sites, samples) = (self.sites, self.samples());
        let undecided = self.given.iter().map(TwoPeaks::between).chain(std::iter::repeat(0.0));
        let squares = self.denoised.chunks_exact(sites).zip(undecided);
        let squares = squares.map(|(d, undecided)| (d.iter().map(|d| d * d).sum::<f64>() + undecided) / sites as f64);
        let squares: Vec<f64> = squares.collect();
        let centre = squares.iter().sum::<f64>() / samples as f64;
        let spread = (squares.iter().map(|m| (m - centre).powi(2)).sum::<f64>() / samples as f64).sqrt().max(1e-12);
        let strength: Vec<f64> = squares.iter().map(|m| (m - centre) / spread).collect();
        let responses: Vec<[f64; 2]> = (0..self.classes)
            .map(|class| {
                let ratio =
                    by_class.iter().skip(class).step_by(self.classes).map(|power| power / variance[class] - 1.0);
                let mut fit = Fit::default();
                ratio.zip(&strength).for_each(|(y, &u)| fit.add([u, u * u - 1.0], y));
                fit.shrunk()
            })
            .collect();
        let fit = self.curvature(errors, variance)?;
        Ok(PosteriorRow {
            mean_square: [rounded(centre), rounded(spread)],
            linear: responses.iter().map(|r| rounded(r[0])).collect(),
            quadratic: responses.iter().map(|r| rounded(r[1])).collect(),
            curvature: fit.curvature.map(rounded),
            local_variance: rounded(fit.local_variance),
            renormalisation: fit.renormalisation,
            ..row
        })
    }

    /// How the precision follows the curvature of the action; the renormalisation comes by class.
    fn curvature(&mut self, errors: &[f64], variance: &[f64]) -> Result<CurvatureFit> {
        let Some(fitter) = &mut self.fitter else { return Ok(CurvatureFit::default()) };
        let variance: Vec<f64> = self.class.iter().map(|&class| variance[class as usize]).collect();
        let within: Vec<f64> =
            self.given.iter().map(|given| given.variance / (given.variance + given.between())).collect();
        let samples = Samples { errors, denoised: &self.denoised, variance: &variance, within: &within };
        let mut fit = fitter.fit(&samples, &self.class, self.classes, self.seed)?;
        if !fit.renormalisation.is_empty() {
            let means = class_means(&fit.renormalisation, &self.class, self.classes, 1.0);
            fit.renormalisation = means.into_iter().map(rounded).collect();
        }
        Ok(fit)
    }
}

/// Least squares of y on two regressors, by running sums.
#[derive(Default)]
pub(super) struct Fit {
    count: f64,
    xx: [f64; 3],
    xy: [f64; 2],
    yy: f64,
}

impl Fit {
    pub fn add(&mut self, [a, b]: [f64; 2], y: f64) {
        self.count += 1.0;
        self.xx = [self.xx[0] + a * a, self.xx[1] + a * b, self.xx[2] + b * b];
        self.xy = [self.xy[0] + a * y, self.xy[1] + b * y];
        self.yy += y * y;
    }

    /// Coefficients, each shrunk by its own significance, max(0, 1 - error^2 / value^2): what is not
    /// seen in the data is not put into a kernel.
    pub fn shrunk(&self) -> [f64; 2] {
        let [aa, ab, bb] = self.xx;
        let determinant = aa * bb - ab * ab;
        if !(determinant > 1e-12 * aa * bb) {
            return [0.0; 2];
        }
        let raw =
            [(bb * self.xy[0] - ab * self.xy[1]) / determinant, (aa * self.xy[1] - ab * self.xy[0]) / determinant];
        let residual = ((self.yy - raw[0] * self.xy[0] - raw[1] * self.xy[1]) / self.count).max(0.0);
        let errors = [residual * bb / determinant, residual * aa / determinant];
        std::array::from_fn(|i| raw[i] * (1.0 - errors[i] / (raw[i] * raw[i]).max(1e-300)).max(0.0))
    }
}

/// Seven significant digits: more are noise, and the file stays small.
fn rounded(value: f64) -> f64 {
    format!("{value:.6e}").parse().unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fit_recovers_coefficients_and_drops_what_is_not_there() {
        let mut noise = vec![0.0; 30_000];
        Stream::new(2, 0, 0).unwrap().normals(Purpose::Diagnostic, 0, &mut noise);
        let mut fit = Fit::default();
        for draws in noise.chunks_exact(3) {
            fit.add([draws[0], draws[1] + 0.5 * draws[0]], 0.7 * draws[0] + draws[2]);
        }
        let [a, b] = fit.shrunk();
        // Standard errors 0.011 and 0.010; bounds at 4 sigma (false alarm 1e-4 for two).
        assert!((a - 0.7).abs() < 0.045 && b.abs() < 0.04, "{a} {b}");
        assert_eq!(rounded(2.0 / 3.0), 0.6666667);
        assert_eq!(Fit::default().shrunk(), [0.0; 2]);
    }
}
