//! A model that no training made: random weights in every layer, so that nothing is multiplied by zero.

use stoq::diffusion::Schedule;
use stoq::error::Result;
use stoq::fourier::momentum_classes;
use stoq::lattice::Lattice;
use stoq::model::{Metadata, Model};
use stoq::nn::{UNet, UNetShape};
use stoq::rng::{Purpose, Stream};

/// The network of the default training options.
pub fn default_shape() -> UNetShape {
    UNetShape::default()
}

/// Standard normal weights over the square root of the number of summed inputs.
pub fn random_weights(network: &UNet) -> Result<Vec<f32>> {
    let stream = Stream::new(2024, 0, 0)?;
    let mut weights = vec![0.0; network.layout().total()];
    let mut normals = vec![0.0; network.layout().total()];
    stream.normals(Purpose::Weights, 0, &mut normals);
    for entry in network.layout().entries() {
        let summed: usize = entry.shape[..entry.shape.len() - 1].iter().product();
        for index in entry.range() {
            weights[index] = (normals[index] / (summed as f64).sqrt()) as f32;
        }
    }
    Ok(weights)
}

/// A model on a lattice with these extents; the covariance falls from 9 at zero momentum.
pub fn random_model(extents: &[usize]) -> Result<Model> {
    let lattice = Lattice::new(extents)?;
    let network = default_shape();
    let weights = random_weights(&UNet::new(&network, &lattice)?)?;
    let covariance = (0..momentum_classes(&lattice).1).map(|class| 9.0 / (1.0 + class as f64)).collect();
    let metadata = Metadata::untrained(&lattice, Schedule::variance_expanding(25.0)?, network, covariance);
    Model::new(metadata, weights)
}
