//! One lattice and one set of couplings that train the network.

use super::dataset::Dataset;
use super::range::{is_even, of_links};
use super::target::Mixture;
use crate::action::ActionRecord;
use crate::diffusion::ZeroMode;
use crate::error::{Error, Result};
use crate::model::{Modes, PosteriorTable, TrainingPoint, covariance_classes};
use crate::nn::{UNet, UNetShape};
use crate::score::{GaussianPart, LinkPart, PlaquetteMoments};

/// Configurations with the action that they come from; with it, its force lowers the variance of the target.
#[derive(Clone, Debug)]
pub struct TrainingSet {
    /// The configurations.
    pub data: Dataset,
    /// Their action, if it is a built-in one.
    pub action: Option<ActionRecord>,
}

/// A training set with all that follows from it.
pub(super) struct Point {
    pub data: Dataset,
    pub action: Option<ActionRecord>,
    pub network: UNet,
    /// C_p by class, and expanded to all modes.
    pub covariance: Vec<f64>,
    pub expanded: Vec<f64>,
    pub class: Vec<u32>,
    /// The law of the zero mode, and with it what comes before the network.
    pub zero_mode: Option<ZeroMode>,
    pub gaussian: GaussianPart,
    pub mixture: Mixture,
    /// The mixture of the validation loss: always the same, so that its values compare.
    pub reference: Mixture,
    /// Of link angles: what surrounds the network.
    pub links: Option<LinkPart>,
    /// What the network sees of the couplings.
    pub conditions: Vec<f64>,
    /// Whether phi and -phi are equally probable.
    pub even: bool,
    /// Samples a step.
    pub batch: usize,
}

impl Point {
    /// Measures the covariance; batch, mixture and conditions are completed by the trainer, who knows all points.
    pub fn new(set: TrainingSet, shape: &UNetShape, even: Option<bool>) -> Result<Self> {
        let TrainingSet { data, action } = set;
        let network = UNet::new(shape, data.lattice())?;
        let (class, classes) = covariance_classes(data.lattice(), shape.reach);
        let plaquettes = if of_links(action.as_ref()) { Some(data.plaquettes()?) } else { None };
        let covariance = match &plaquettes {
            Some(moments) => moments.covariance(data.lattice(), &class, classes),
            None => data.covariance_with_reach(shape.reach)?,
        };
        let expanded: Vec<f64> = class.iter().map(|&c| covariance[c as usize]).collect();
        if let Some(value) = expanded.iter().find(|&&c| !(c > 1e-12)) {
            return Err(Error::invalid("data covariance", value, "data that fluctuate in every mode"));
        }
        let even = is_even(even, action.as_ref())?;
        let one_field = data.lattice().components() == 1 && shape.reach > 0;
        let zero_mode = if even && one_field { data.zero_mode()? } else { None };
        let links = plaquettes.map(|moments| LinkPart::new(data.lattice(), moments)).transpose()?;
        let gaussian = match &links {
            Some(links) => GaussianPart::of_links(&expanded, links.clone()),
            None => GaussianPart::new(&expanded, zero_mode),
        };
        let mixture = Mixture::new(&covariance, (0.0, 1.0), action.is_some());
        Ok(Point {
            data,
            action,
            network,
            covariance,
            expanded,
            class,
            zero_mode,
            gaussian,
            reference: mixture.clone(),
            mixture,
            links,
            conditions: vec![],
            even,
            batch: 0,
        })
    }

    /// Its record in a model.
    pub fn record(&self, posterior: PosteriorTable) -> TrainingPoint {
        TrainingPoint {
            extents: self.data.lattice().extents().to_vec(),
            action: self.action.clone(),
            covariance: self.covariance.clone(),
            posterior,
            zero_mode: self.zero_mode,
            plaquettes: self.plaquettes(),
        }
    }

    /// Moments of the plaquettes, of link angles.
    pub fn plaquettes(&self) -> Option<PlaquetteMoments> {
        self.links.as_ref().map(LinkPart::moments)
    }

    /// The modes of its fields.
    pub fn modes(&self) -> Modes {
        Modes::of_kind(self.data.lattice(), self.network.shape().reach, self.links.is_some())
    }

    /// Bytes of the configurations, and of what `threads` threads keep of one field: activations in single precision
    /// (nine buffers a resolution), twenty fields in double precision.
    pub fn memory(&self, threads: usize) -> usize {
        let lattice = self.data.lattice();
        let (values, sites) = (lattice.values(), lattice.sites());
        let channels = self.network.shape().channels.iter().enumerate();
        let activations: usize = channels.map(|(level, c)| 9 * c * (sites >> (level * lattice.rank()))).sum();
        let data = self.data.memory();
        data + threads * (activations * size_of::<f32>() + 20 * values * size_of::<f64>())
    }
}
