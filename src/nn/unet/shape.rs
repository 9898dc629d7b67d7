//! What a network is before it lies on a lattice.

use serde::{Deserialize, Serialize};

/// The sizes that determine a network, whatever the lattice.
///
/// What follows `embedding` came later: absent from a description it has its default, and with its default
/// it is not written, so that older model files keep their bytes and their fingerprints.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct UNetShape {
    /// Input fields.
    pub inputs: usize,
    /// Channels at each resolution, finest first.
    pub channels: Vec<usize>,
    /// Width of the time embedding.
    pub embedding: usize,
    /// Output fields: the components of the field.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub outputs: usize,
    /// Sites that a stencil reaches along each axis. 1: stencils of 3^rank sites. 0: none but its own,
    /// which with one resolution is the same perceptron at every site, for independent sites.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub reach: usize,
    /// Whether net(-x) = -net(x) by construction, for laws in which phi and -phi are equally probable: no
    /// biases, no shift in the modulation, and an odd activation (`pointwise::Activation::Odd`). Negating is
    /// exact in floating point, and so is the symmetry, but for the sign of a zero.
    #[serde(default, skip_serializing_if = "is_false")]
    pub odd: bool,
    /// For each resolution the range of ln sigma, both ends included, in which its residual blocks are evaluated;
    /// elsewhere they are skipped, and resolutions are not visited that no coarser one at work needs. Empty: always
    /// all. The denoiser jumps, by as much as the training left, where a resolution comes or goes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub bands: Vec<[f64; 2]>,
    /// Couplings that the embedding sees beside ln sigma ([`Embedding::forward`](super::super::embedding::Embedding::forward)).
    #[serde(default, skip_serializing_if = "is_zero")]
    pub conditions: usize,
}

/// What a key means that an older description lacks.
pub(crate) fn one() -> usize {
    1
}

/// Whether a key need not be written.
pub(crate) fn is_one(value: &usize) -> bool {
    *value == 1
}

fn is_zero(value: &usize) -> bool {
    *value == 0
}

fn is_false(value: &bool) -> bool {
    !value
}

impl Default for UNetShape {
    /// For a field of one component and interactions between sites.
    fn default() -> Self {
        UNetShape {
            inputs: 2,
            channels: vec![24, 32, 48],
            embedding: 64,
            outputs: 1,
            reach: 1,
            odd: false,
            bands: vec![],
            conditions: 0,
        }
    }
}

impl std::fmt::Debug for UNetShape {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let UNetShape { inputs, channels, embedding, outputs, reach, odd, bands, conditions } = self;
        let mut text = f.debug_struct("UNetShape");
        text.field("inputs", inputs).field("channels", channels).field("embedding", embedding);
        if !is_one(outputs) {
            text.field("outputs", outputs);
        }
        if !is_one(reach) {
            text.field("reach", reach);
        }
        if *odd {
            text.field("odd", odd);
        }
        if !bands.is_empty() {
            text.field("bands", bands);
        }
        if *conditions > 0 {
            text.field("conditions", conditions);
        }
        text.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Descriptions of networks from before the later keys read, write and print as they did.
    #[test]
    fn older_descriptions_keep_their_text() {
        let old = r#"{"inputs":2,"channels":[3,4],"embedding":6}"#;
        let shape: UNetShape = serde_json::from_str(old).unwrap();
        assert_eq!((shape.outputs, shape.reach, shape.odd, shape.conditions), (1, 1, false, 0));
        assert!(shape.bands.is_empty());
        assert_eq!(serde_json::to_string(&shape).unwrap(), old);
        assert_eq!(format!("{shape:?}"), "UNetShape { inputs: 2, channels: [3, 4], embedding: 6 }");
        let bands = vec![[-9.0, 0.1], [-1.0 / 3.0, 5.0]];
        let new = UNetShape { outputs: 2, reach: 0, odd: true, bands, conditions: 3, ..shape };
        assert_eq!(serde_json::from_str::<UNetShape>(&serde_json::to_string(&new).unwrap()).unwrap(), new);
        assert!(format!("{new:?}").contains("outputs: 2, reach: 0, odd: true, bands: [[-9.0, 0.1], "));
        assert!(format!("{new:?}").ends_with("], conditions: 3 }"));
    }
}
