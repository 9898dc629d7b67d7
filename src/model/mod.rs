//! A trained score model: network, Gaussian part, and everything that a file must say about itself.

mod metadata;
pub mod onnx;

pub use crate::action::ActionRecord;
pub use metadata::{Metadata, PosteriorRow, PosteriorTable, SCHEMA, TrainingRecord};

use crate::error::{Error, Result, require_length};
use crate::fourier::momentum_classes;
use crate::lattice::Lattice;
use crate::nn::UNet;
use std::path::Path;

/// A model as it is stored in a file. Immutable once loaded; share it between chains by `Arc`.
#[derive(Clone, Debug, PartialEq)]
pub struct Model {
    metadata: Metadata,
    parameters: Vec<f32>,
}

impl Model {
    /// Puts a model together and checks that its parts fit.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] or [`Error::ShapeMismatch`] naming the part that does not fit;
    /// [`Error::NotFinite`] for weights or spectra with NaN or infinity.
    pub fn new(metadata: Metadata, parameters: Vec<f32>) -> Result<Self> {
        metadata.validate()?;
        let lattice = Lattice::new(&metadata.extents)?;
        let network = UNet::new(&metadata.network, &lattice)?;
        require_length("network weights", parameters.len(), network.layout().total())?;
        if let Some(index) = parameters.iter().position(|value| !value.is_finite()) {
            return Err(Error::NotFinite { what: "network weights".into(), index, value: parameters[index] as f64 });
        }
        Ok(Model { metadata, parameters })
    }

    /// What the file says about itself.
    pub fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    /// Mutable metadata, for the trainer that completes the record.
    pub(crate) fn metadata_mut(&mut self) -> &mut Metadata {
        &mut self.metadata
    }

    /// Network weights in the order of `UNet::layout`.
    pub fn parameters(&self) -> &[f32] {
        &self.parameters
    }

    /// The lattice that it was trained on.
    pub fn lattice(&self) -> Result<Lattice> {
        Lattice::new(&self.metadata.extents)
    }

    /// Data covariance C_p for every momentum of the lattice.
    pub fn covariance(&self) -> Result<Vec<f64>> {
        let (class, _) = momentum_classes(&self.lattice()?);
        Ok(class.iter().map(|&c| self.metadata.covariance[c as usize]).collect())
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
