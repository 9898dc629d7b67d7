//! What a model file says about itself, stored under `stoq.*` keys.

use crate::action::ActionRecord;
use crate::diffusion::Schedule;
use crate::error::{Error, Result, require_finite, require_length};
use crate::fourier::momentum_classes;
use crate::lattice::Lattice;
use crate::nn::UNetShape;
use serde::{Deserialize, Serialize};

/// Version of the set of keys and their meaning.
pub const SCHEMA: u32 = 1;

/// Everything but the weights.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Metadata {
    /// [`SCHEMA`] at the time of writing.
    pub schema: u32,
    /// Noise schedule.
    pub schedule: Schedule,
    /// Extents of the lattice, slowest axis first.
    pub extents: Vec<usize>,
    /// Sizes of the network.
    pub network: UNetShape,
    /// Data covariance C_p = <|phi_p|^2>, one value a momentum class (`fourier::momentum_classes`).
    pub covariance: Vec<f64>,
    /// Measured error of the denoiser, for the reverse kernels. Empty for an untrained model.
    pub posterior: PosteriorTable,
    /// The action that the model was trained for, if it was a built-in one.
    pub action: Option<ActionRecord>,
    /// How it was trained.
    pub training: TrainingRecord,
}

/// Mean squared error of the denoiser, R_p(sigma) = <|x0_p - D_p(x)|^2>, measured on held-out data:
/// the covariance of x0 given x, averaged over x, that the reverse kernels use.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PosteriorTable {
    /// ln sigma of each row, increasing.
    pub log_noise: Vec<f64>,
    /// One row a noise level, one value a momentum class.
    pub variance: Vec<Vec<f64>>,
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
        let lattice = Lattice::new(&self.extents)?;
        let (_, classes) = momentum_classes(&lattice);
        require_length("covariance", self.covariance.len(), classes)?;
        positive("covariance", &self.covariance)?;
        let table = &self.posterior;
        require_length("rows of the posterior table", table.variance.len(), table.log_noise.len())?;
        require_finite("noise levels of the posterior table", &table.log_noise)?;
        if table.log_noise.windows(2).any(|pair| pair[0] >= pair[1]) {
            return Err(Error::invalid("posterior.log_noise", format!("{:?}", table.log_noise), "increasing values"));
        }
        for row in &table.variance {
            require_length("row of the posterior table", row.len(), classes)?;
            positive("posterior variance", row)?;
        }
        Ok(())
    }

    /// Mean of the covariance over momenta, <phi(x)^2>: the scale of the data.
    pub fn data_variance(&self) -> Result<f64> {
        let (class, _) = momentum_classes(&Lattice::new(&self.extents)?);
        Ok(class.iter().map(|&c| self.covariance[c as usize]).sum::<f64>() / class.len() as f64)
    }
}

fn positive(what: &str, values: &[f64]) -> Result<()> {
    require_finite(what, values)?;
    match values.iter().find(|&&value| value <= 0.0) {
        None => Ok(()),
        Some(value) => Err(Error::invalid(what, value, "positive variances")),
    }
}
