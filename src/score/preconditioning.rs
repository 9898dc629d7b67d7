//! The factors and inputs around a network (after Karras et al., arXiv:2206.00364, eq. 7, with a Wiener filter as skip).

use super::links::{LinkFactors, LinkPart, LinkScratch};
use crate::nn::Real;

/// Number of input fields of the network for each component: the scaled fields of all components come
/// first, then the filtered ones.
pub const INPUTS: usize = 2;

/// Input fields of a network that is told the magnetisation apart: field and filtered field relative to it, and
/// the magnetisation itself, the same at every site. In the broken phase the fluctuations would otherwise be small
/// differences of large inputs.
pub const INPUTS_WITH_MAGNETISATION: usize = 3;

/// The factors around the network at one noise level, for each component of the field.
#[derive(Clone, Debug)]
pub struct Preconditioning {
    factors: Vec<Factors>,
    /// Scale of the magnetisation, of networks that are told it apart.
    magnetisation: Option<f64>,
    /// Of the network of a gauge field, which has no other factors.
    links: Option<LinkFactors>,
}

/// The factors of a component.
#[derive(Clone, Copy, Debug)]
struct Factors {
    /// Of x in the first input.
    input: f64,
    /// Of the filtered field in the second input.
    filtered: f64,
    /// Of the network's output.
    output: f64,
}

impl Preconditioning {
    /// For data of variance `data_variance` (one value a component) and noise of standard deviation `noise`.
    pub fn new(data_variance: &[f64], magnetisation: Option<f64>, noise: f64) -> Self {
        let factors = data_variance.iter().map(|&variance| {
            let (xi, scale) = (noise * noise, variance.sqrt());
            let total = xi + variance;
            Factors { input: 1.0 / total.sqrt(), filtered: 1.0 / scale, output: scale * xi / total }
        });
        Preconditioning { factors: factors.collect(), magnetisation, links: None }
    }

    /// For the link angles of a gauge field.
    pub(crate) fn of_links(part: &LinkPart, noise: f64) -> Self {
        Preconditioning { factors: vec![], magnetisation: None, links: Some(part.factors(noise)) }
    }

    /// Fills the network's inputs from a field and its filtered version; of link angles also from the memory in which the
    /// linear part left the sines of the plaquettes.
    pub(crate) fn fill<T: Real>(
        &self,
        field: &[f64],
        filtered: &[f64],
        seen: Option<&mut LinkScratch>,
        inputs: &mut [T],
    ) {
        if let (Some(links), Some(seen)) = (&self.links, seen) {
            return links.fill(seen, filtered, inputs);
        }
        if let Some(scale) = self.magnetisation {
            return self.fill_with_magnetisation(scale, field, filtered, inputs);
        }
        let sites = field.len() / self.factors.len();
        let (first, second) = inputs.split_at_mut(field.len());
        let scale = |inputs: &mut [T], values: &[f64], factor: &dyn Fn(&Factors) -> f64| {
            let parts = inputs.chunks_exact_mut(sites).zip(values.chunks_exact(sites)).zip(&self.factors);
            for ((inputs, values), factors) in parts {
                let factor = factor(factors);
                inputs.iter_mut().zip(values).for_each(|(input, &x)| *input = T::from_f64(x * factor));
            }
        };
        scale(first, field, &|factors| factors.input);
        scale(second, filtered, &|factors| factors.filtered);
    }

    /// The filtered field's mean is the denoised magnetisation; a constant field is denoised as such.
    fn fill_with_magnetisation<T: Real>(&self, scale: f64, field: &[f64], filtered: &[f64], inputs: &mut [T]) {
        let mean = filtered.iter().sum::<f64>() / filtered.len() as f64;
        let (first, rest) = inputs.split_at_mut(field.len());
        let (second, third) = rest.split_at_mut(field.len());
        let factors = &self.factors[0];
        first.iter_mut().zip(field).for_each(|(to, &x)| *to = T::from_f64((x - mean) * factors.input));
        second.iter_mut().zip(filtered).for_each(|(to, &x)| *to = T::from_f64((x - mean) * factors.filtered));
        third.fill(T::from_f64(mean / scale));
    }

    /// `denoised` = the filtered field plus the network's output with its factor.
    pub fn denoise<T: Real>(&self, filtered: &[f64], output: &[T], denoised: &mut [f64]) {
        if let Some(links) = &self.links {
            return links.denoise(filtered, output, denoised);
        }
        let sites = filtered.len() / self.factors.len();
        let parts = denoised.chunks_exact_mut(sites).zip(filtered.chunks_exact(sites)).zip(output.chunks_exact(sites));
        for (((denoised, filtered), output), factors) in parts.zip(&self.factors) {
            for ((denoised, &w), &c) in denoised.iter_mut().zip(filtered).zip(output) {
                *denoised = w + factors.output * c.to_f64();
            }
        }
    }

    /// Gradient with respect to the network's output of something whose gradient with respect to the denoised field is
    /// `factor` times `gradient`.
    pub fn output_gradient<T: Real>(&self, factor: f64, gradient: &[f64], output: &mut [T]) {
        if let Some(links) = &self.links {
            return links.output_gradient(factor, gradient, output);
        }
        let sites = gradient.len() / self.factors.len();
        let parts = output.chunks_exact_mut(sites).zip(gradient.chunks_exact(sites)).zip(&self.factors);
        for ((output, gradient), factors) in parts {
            let factor = factors.output * factor;
            output.iter_mut().zip(gradient).for_each(|(out, &g)| *out = T::from_f64(factor * g));
        }
    }
}
