//! What a model file says about itself, stored under `stoq.*` keys.

use super::modes::covariance_classes;
use crate::action::ActionRecord;
use crate::diffusion::Schedule;
use crate::error::{Error, Result, require_finite, require_length};
use crate::lattice::Lattice;
use crate::nn::UNetShape;
use crate::nn::unet::{is_one, one};
use serde::{Deserialize, Serialize};

/// Version of the set of keys and their meaning.
pub const SCHEMA: u32 = 1;

/// Everything but the weights. `components` came later: absent from a file it is 1, and 1 is not written.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct Metadata {
    /// [`SCHEMA`] at the time of writing.
    pub schema: u32,
    /// Noise schedule.
    pub schedule: Schedule,
    /// Extents of the lattice, slowest axis first.
    pub extents: Vec<usize>,
    /// Real components of the field at a site.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub components: usize,
    /// Sizes of the network.
    pub network: UNetShape,
    /// Data covariance C_p = <|phi_p|^2>, one value a momentum class (`fourier::momentum_classes`); for
    /// a network without reach, to which sites are independent, one value a component.
    pub covariance: Vec<f64>,
    /// Measured error of the denoiser, for the reverse kernels. Empty for an untrained model.
    pub posterior: PosteriorTable,
    /// The action that the model was trained for, if it was a built-in one.
    pub action: Option<ActionRecord>,
    /// How it was trained.
    pub training: TrainingRecord,
}

/// Moments of the clean field given a noisy one (`diffusion::Posterior`), measured on held-out data.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PosteriorTable {
    /// One row a noise level, ascending.
    pub rows: Vec<PosteriorRow>,
}

/// One noise level of a [`PosteriorTable`]; arrays hold one value a class of [`Metadata::covariance`].
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PosteriorRow {
    /// ln sigma.
    pub log_noise: f64,
    /// R_p = <|x0_p - D_p(x)|^2>, the mean squared error of the denoiser.
    pub variance: Vec<f64>,
    /// Mean and standard deviation of V^-1 sum_x D^2.
    pub mean_square: [f64; 2],
    /// `diffusion::Response::linear`.
    pub linear: Vec<f64>,
    /// `diffusion::Response::quadratic`.
    pub quadratic: Vec<f64>,
    /// `diffusion::Response::curvature`.
    pub curvature: [f64; 2],
    /// `diffusion::Response::local_variance`.
    pub local_variance: f64,
}

impl PosteriorTable {
    /// The rows around ln sigma, and how far it is from the first to the second (clamped).
    /// The table must not be empty.
    pub fn bracket(&self, log_noise: f64) -> (&PosteriorRow, &PosteriorRow, f64) {
        let above = self.rows.partition_point(|row| row.log_noise < log_noise).min(self.rows.len() - 1);
        let (low, high) = (&self.rows[above.saturating_sub(1)], &self.rows[above]);
        let width = high.log_noise - low.log_noise;
        (low, high, if width > 0.0 { ((log_noise - low.log_noise) / width).clamp(0.0, 1.0) } else { 0.0 })
    }

    fn validate(&self, classes: usize) -> Result<()> {
        if self.rows.windows(2).any(|pair| pair[0].log_noise >= pair[1].log_noise) {
            return Err(Error::invalid("posterior table", "unordered", "rows with increasing log_noise"));
        }
        for row in &self.rows {
            let arrays = [&row.variance, &row.linear, &row.quadratic];
            for values in arrays {
                require_length("row of the posterior table", values.len(), classes)?;
                require_finite("posterior table", values)?;
            }
            positive("posterior variance", &row.variance)?;
            let scalars = [row.log_noise, row.mean_square[0], row.curvature[0], row.curvature[1], row.local_variance];
            require_finite("posterior table", &scalars)?;
            positive("deviation of the mean square", &row.mean_square[1..])?;
        }
        Ok(())
    }
}

/// How a model was trained.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TrainingRecord {
    /// Optimiser steps taken; 0 for an untrained network.
    pub steps: u64,
    /// Configurations a step.
    pub batch: usize,
    /// Configurations in the training set.
    pub configurations: usize,
    /// Seed of weights, batches and noise.
    pub seed: u64,
    /// Version of the library.
    pub version: String,
    /// The command line, when there was one.
    pub command: String,
    /// Smoothed training loss at the end.
    pub loss: Option<f64>,
}

impl Metadata {
    /// Checks what came from a file.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`], [`Error::ShapeMismatch`] or [`Error::NotFinite`].
    pub fn validate(&self) -> Result<()> {
        if self.schema != SCHEMA {
            let expected = format!("schema {SCHEMA}; convert the model with the version of stoq that wrote it");
            return Err(Error::invalid("stoq.schema", self.schema, &expected));
        }
        self.schedule.validate()?;
        let lattice = self.lattice()?;
        // Counted without a list of the modes: nothing limits the sites of a network without reach.
        let classes =
            if self.network.reach == 0 { self.components } else { covariance_classes(&lattice, self.network.reach).1 };
        require_length("covariance", self.covariance.len(), classes)?;
        require_length("network outputs", self.network.outputs, self.components)?;
        positive("covariance", &self.covariance)?;
        self.posterior.validate(classes)?;
        Ok(())
    }

    /// The lattice, with its components.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`].
    pub fn lattice(&self) -> Result<Lattice> {
        Lattice::new(&self.extents)?.with_components(self.components)
    }

    /// Data covariance C_p, one value a mode of every component.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`].
    pub fn expanded_covariance(&self) -> Result<Vec<f64>> {
        let (class, _) = covariance_classes(&self.lattice()?, self.network.reach);
        Ok(class.iter().map(|&c| self.covariance[c as usize]).collect())
    }

    /// Mean of the covariance over momenta, <phi_a(x)^2>: the scale of the data, one value a component.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`].
    pub fn data_variance(&self) -> Result<Vec<f64>> {
        match self.network.reach {
            0 => Ok(self.covariance.clone()),
            _ => Ok(mean_by_component(&self.expanded_covariance()?, self.components)),
        }
    }
}

/// Mean over the modes of each component.
pub(crate) fn mean_by_component(values: &[f64], components: usize) -> Vec<f64> {
    let sites = values.len() / components;
    values.chunks_exact(sites).map(|part| part.iter().sum::<f64>() / sites as f64).collect()
}

impl std::fmt::Debug for Metadata {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Metadata { schema, schedule, extents, components, network, covariance, posterior, action, training } = self;
        let mut text = f.debug_struct("Metadata");
        text.field("schema", schema).field("schedule", schedule).field("extents", extents);
        if !is_one(components) {
            text.field("components", components);
        }
        text.field("network", network).field("covariance", covariance).field("posterior", posterior);
        text.field("action", action).field("training", training).finish()
    }
}

fn positive(what: &str, values: &[f64]) -> Result<()> {
    require_finite(what, values)?;
    match values.iter().find(|&&value| value <= 0.0) {
        None => Ok(()),
        Some(value) => Err(Error::invalid(what, value, "positive variances")),
    }
}
