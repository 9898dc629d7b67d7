//! A trained score model: network, Gaussian part, and everything that a file must say about itself.

mod frozen;
mod metadata;
mod modes;
pub mod onnx;
mod points;
mod volume;

pub use crate::action::ActionRecord;
pub(crate) use metadata::mean_by_component;
pub use metadata::{Metadata, PosteriorRow, PosteriorTable, SCHEMA, TrainingRecord};
pub(crate) use modes::{Modes, covariance_classes};
pub use points::{Condition, TrainingPoint};

use crate::error::{Error, Result, require_length};
use crate::lattice::Lattice;
use crate::nn::UNet;
use std::path::Path;

/// A model as it is stored in a file. Immutable once loaded; share it between chains by `Arc`.
#[derive(Clone, Debug, PartialEq)]
pub struct Model {
    metadata: Metadata,
    parameters: Vec<f32>,
    /// JSON; no part of what the model computes.
    report: Option<String>,
}

impl Model {
    /// Puts a model together and checks that its parts fit.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] or [`Error::ShapeMismatch`] naming the part that does not fit;
    /// [`Error::NotFinite`] for weights or spectra with NaN or infinity.
    pub fn new(metadata: Metadata, parameters: Vec<f32>) -> Result<Self> {
        metadata.validate()?;
        let lattice = metadata.lattice()?;
        let network = UNet::new(&metadata.network, &lattice)?;
        require_length("network weights", parameters.len(), network.layout().total())?;
        if let Some(index) = parameters.iter().position(|value| !value.is_finite()) {
            return Err(Error::NotFinite { what: "network weights".into(), index, value: parameters[index] as f64 });
        }
        Ok(Model { metadata, parameters, report: None })
    }

    /// What the file says about itself.
    pub fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    /// The report card that the file carries (`report::ReportCard`, JSON), if it has one. It changes neither hash nor
    /// fingerprint of the model.
    pub fn report(&self) -> Option<&str> {
        self.report.as_deref()
    }

    /// The same model with a report card, or without.
    pub fn with_report(self, report: Option<String>) -> Self {
        Model { report, ..self }
    }

    /// Mutable metadata, for the trainer that completes the record.
    pub(crate) fn metadata_mut(&mut self) -> &mut Metadata {
        &mut self.metadata
    }

    /// Network weights in the order of `UNet::layout`.
    pub fn parameters(&self) -> &[f32] {
        &self.parameters
    }

    /// The lattice that it was trained on, with its components.
    pub fn lattice(&self) -> Result<Lattice> {
        self.metadata.lattice()
    }

    /// Data covariance C_p for every momentum of the lattice, components slowest.
    pub fn covariance(&self) -> Result<Vec<f64>> {
        self.metadata.expanded_covariance()
    }

    /// The same model of independent sites on another number of them: trained on a lattice of many
    /// copies, it serves a single variable (`[1]`), or any number at once. Each site is evaluated to the
    /// same bits.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for a model of interacting sites (a network of reach 1), or impossible extents.
    pub fn on_extents(&self, extents: &[usize]) -> Result<Self> {
        if self.metadata.network.reach > 0 {
            let expected = "the extents that it was trained on: its sites interact.                             Train a network of reach 0 for independent sites, or another on these extents";
            return Err(Error::invalid("extents of the model", format!("{extents:?}"), expected));
        }
        let metadata = Metadata { extents: extents.to_vec(), ..self.metadata.clone() };
        Model::new(metadata, self.parameters.clone())
    }

    /// Reads a model file.
    ///
    /// # Errors
    /// [`Error::Io`] when the file cannot be read, [`Error::ModelFile`] when it is no usable model.
    pub fn load(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let bytes = std::fs::read(path).map_err(|source| Error::io(path, source))?;
        onnx::from_bytes(&bytes, &path.display().to_string())
    }

    /// Writes a model file, by a temporary file that is renamed: a crash leaves the old file.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        crate::files::write_atomically(path.as_ref(), &onnx::to_bytes(self)?)
    }
}
