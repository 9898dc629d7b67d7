//! What a model file says about itself, stored under `stoq.*` keys.

use super::modes::covariance_classes;
use super::points::{Condition, TrainingPoint};
use crate::action::ActionRecord;
use crate::diffusion::{FLUX_BINS, Schedule, ZeroMode};
use crate::error::{Error, Result, require_finite, require_length};
use crate::lattice::Lattice;
use crate::nn::UNetShape;
use crate::nn::unet::{is_one, one};
use crate::score::{INPUTS, INPUTS_WITH_MAGNETISATION, LINK_INPUTS, PlaquetteMoments};
use serde::{Deserialize, Serialize};

/// Version of the set of keys and their meaning.
pub const SCHEMA: u32 = 1;

/// Everything but the weights. `components` and what follows `training` came later: absent from a file they are
/// 1 or empty, and that is not written.
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
    /// What was measured at each lattice and set of couplings that trained the network, when there were several;
    /// `Model::at` takes the model to one of them, or to one between or beyond. Extents, covariance, posterior and
    /// action above are those of the point at hand.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub points: Vec<TrainingPoint>,
    /// Variance by which the network's inputs and outputs are scaled, one value a component, where it is common to
    /// several points. Empty: the mean of the covariance.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub normalisation: Vec<f64>,
    /// Couplings that the network sees, in the order of its inputs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
    /// Scale of the magnetisation, of a network that is told it apart (`score::INPUTS_WITH_MAGNETISATION`); the
    /// normalisation is then the variance of the fluctuations around it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub magnetisation_scale: Option<f64>,
    /// The law of the zero mode at the point at hand, if it has two peaks; its `<a^2>` is the covariance of class 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zero_mode: Option<ZeroMode>,
    /// Of a model of the link angles of a gauge field, at the point at hand: what makes its linear part. The covariance
    /// is then that of the transverse modes in the place of the first component, and `score::FREE` for the others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plaquettes: Option<PlaquetteMoments>,
    /// Whether training goes on: production kernels refuse such a model, for a chain whose kernel changes
    /// is not a Markov chain. `Trainer::finish` gives a model that is not.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub adapting: bool,
}

/// Moments of the clean field given a noisy one (`diffusion::Posterior`), measured on held-out data.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PosteriorTable {
    /// One row a noise level, ascending.
    pub rows: Vec<PosteriorRow>,
}

/// One noise level of a [`PosteriorTable`]; arrays hold one value a class of [`Metadata::covariance`].
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
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
    /// `diffusion::Response::renormalisation`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub renormalisation: Vec<f64>,
    /// Of link angles: share and mean squared error of the plaquettes by bin of that of the denoised links
    /// (`diffusion::FluxResponse`).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub plaquettes: Vec<[f64; 2]>,
}

impl std::fmt::Debug for PosteriorRow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Fingerprints rest on this text: what came later is shown only where it says something.
        let mut text = f.debug_struct("PosteriorRow");
        text.field("log_noise", &self.log_noise).field("variance", &self.variance);
        text.field("mean_square", &self.mean_square).field("linear", &self.linear);
        text.field("quadratic", &self.quadratic).field("curvature", &self.curvature);
        text.field("local_variance", &self.local_variance);
        if !self.renormalisation.is_empty() {
            text.field("renormalisation", &self.renormalisation);
        }
        if !self.plaquettes.is_empty() {
            text.field("plaquettes", &self.plaquettes);
        }
        text.finish()
    }
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

    pub(super) fn validate(&self, classes: usize) -> Result<()> {
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
            if !row.renormalisation.is_empty() {
                require_length("row of the posterior table", row.renormalisation.len(), classes)?;
                positive("renormalisation", &row.renormalisation)?;
            }
            if !row.plaquettes.is_empty() {
                require_length("bins of plaquettes", row.plaquettes.len(), FLUX_BINS)?;
                require_finite("bins of plaquettes", row.plaquettes.as_flattened())?;
            }
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
    /// Of an untrained network: nothing measured, no action, no record. `covariance` as [`Metadata::covariance`].
    pub fn untrained(lattice: &Lattice, schedule: Schedule, network: UNetShape, covariance: Vec<f64>) -> Self {
        Metadata {
            schema: SCHEMA,
            schedule,
            extents: lattice.extents().to_vec(),
            components: lattice.components(),
            network,
            covariance,
            posterior: PosteriorTable::default(),
            action: None,
            training: TrainingRecord::default(),
            points: vec![],
            normalisation: vec![],
            conditions: vec![],
            magnetisation_scale: None,
            zero_mode: None,
            plaquettes: None,
            adapting: false,
        }
    }

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
        if let Some(moments) = &self.plaquettes {
            moments.validate()?;
            crate::action::GaugeLinks::new(&lattice)?;
            require_length("network inputs", self.network.inputs, self.network_inputs())?;
            require_length("network reach of a model of link angles", self.network.reach, 1)?;
        }
        // Of a gauge field the network gives one number a plaquette.
        let outputs = if self.plaquettes.is_some() { 1 } else { self.components };
        require_length("network outputs", self.network.outputs, outputs)?;
        positive("covariance", &self.covariance)?;
        self.posterior.validate(classes)?;
        if !self.normalisation.is_empty() {
            require_length("normalisation", self.normalisation.len(), self.components)?;
            positive("normalisation", &self.normalisation)?;
        }
        positive("magnetisation scale", self.magnetisation_scale.as_slice())?;
        if let Some(law) = &self.zero_mode {
            law.validate()?;
            if self.components != 1 || self.network.reach == 0 {
                let found = format!("{} components, reach {}", self.components, self.network.reach);
                return Err(Error::invalid("zero mode", found, "a field of one component with interactions"));
            }
        }
        require_length("couplings that the network sees", self.conditions.len(), self.network.conditions)?;
        self.conditions.iter().try_for_each(Condition::validate)?;
        self.points.iter().try_for_each(|point| point.validate(self))
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

    /// Input fields of the network: those of link angles, of a field with its magnetisation told apart, or two a component.
    pub fn network_inputs(&self) -> usize {
        match (&self.plaquettes, self.magnetisation_scale) {
            (Some(_), _) => LINK_INPUTS,
            (None, Some(_)) => INPUTS_WITH_MAGNETISATION,
            (None, None) => INPUTS * self.components,
        }
    }

    /// What the network sees of the couplings: one number of order one for each of `conditions`.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] when the action at hand lacks one of them.
    pub fn condition_values(&self) -> Result<Vec<f64>> {
        super::Model::conditions(&self.conditions, self.action.as_ref())
    }

    /// Scale of the data, one value a component: the normalisation, or the mean of the covariance over momenta,
    /// <phi_a(x)^2>.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`].
    pub fn data_variance(&self) -> Result<Vec<f64>> {
        if !self.normalisation.is_empty() {
            return Ok(self.normalisation.clone());
        }
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
        // What came later is shown only where it says something: fingerprints rest on this text.
        let mut text = f.debug_struct("Metadata");
        text.field("schema", &self.schema).field("schedule", &self.schedule).field("extents", &self.extents);
        if !is_one(&self.components) {
            text.field("components", &self.components);
        }
        text.field("network", &self.network).field("covariance", &self.covariance);
        text.field("posterior", &self.posterior).field("action", &self.action).field("training", &self.training);
        if !self.normalisation.is_empty() {
            text.field("normalisation", &self.normalisation);
        }
        if let Some(scale) = &self.magnetisation_scale {
            text.field("magnetisation_scale", scale);
        }
        if let Some(law) = &self.zero_mode {
            text.field("zero_mode", law);
        }
        if let Some(moments) = &self.plaquettes {
            text.field("plaquettes", moments);
        }
        if !self.conditions.is_empty() {
            text.field("conditions", &self.conditions);
        }
        text.finish()
    }
}

pub(super) fn positive(what: &str, values: &[f64]) -> Result<()> {
    require_finite(what, values)?;
    match values.iter().find(|&&value| value <= 0.0) {
        None => Ok(()),
        Some(value) => Err(Error::invalid(what, value, "positive variances")),
    }
}
