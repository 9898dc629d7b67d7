//! Evaluation of a network without reach: its sites do not know of each other, so they are served in
//! tiles that stay in the cache, wherever they come from. A large lattice is cut into tiles, and single
//! variables of the same noise level share one. Which tile a site is in changes no bit of its result.

use super::preconditioning::{INPUTS, Preconditioning};
use crate::error::Result;
use crate::lattice::Lattice;
use crate::nn::embedding::EmbeddingTape;
use crate::nn::{Tape, UNet, UNetShape};

/// Sites of a tile, and of a small one for what is left: a whole register in single precision.
pub(super) const TILE: usize = 256;
const SMALL_TILE: usize = 16;

/// Memory of one thread.
pub(super) struct Tiles {
    large: Tile,
    small: Tile,
    components: usize,
    /// Sites of a field.
    sites: usize,
}

struct Tile {
    network: UNet,
    sites: usize,
    tape: Tape<f32>,
    clean: Vec<f64>,
    noisy: Vec<f64>,
    filtered: Vec<f64>,
    inputs: Vec<f32>,
    output: Vec<f32>,
}

impl Tile {
    fn new(shape: &UNetShape, sites: usize, components: usize) -> Result<Self> {
        let network = UNet::new(shape, &Lattice::new(&[sites])?)?;
        let values = sites * components;
        Ok(Tile {
            tape: network.tape(),
            network,
            sites,
            clean: vec![0.0; values],
            noisy: vec![0.0; values],
            filtered: vec![0.0; values],
            inputs: vec![0.0; INPUTS * values],
            output: vec![0.0; values],
        })
    }
}

/// The parts of a model at one noise level that a tile needs.
pub(super) struct Local<'a> {
    pub parameters: &'a [f32],
    pub embedding: &'a EmbeddingTape<f32>,
    pub preconditioning: &'a Preconditioning,
    /// Factor of the Wiener filter, by mode of a field.
    pub filter: &'a [f64],
}

impl Tiles {
    pub fn new(shape: &UNetShape, lattice: &Lattice) -> Result<Self> {
        let components = lattice.components();
        Ok(Tiles {
            large: Tile::new(shape, TILE, components)?,
            small: Tile::new(shape, SMALL_TILE, components)?,
            components,
            sites: lattice.sites(),
        })
    }

    /// Denoises one or more fields of the same noise level, which lie one after the other.
    pub fn denoise(&mut self, local: &Local<'_>, fields: &[f64], denoised: &mut [f64]) {
        let total = fields.len() / self.components;
        let mut first = 0;
        while first < total {
            let left = total - first;
            // More than half a large tile is worth a large one.
            let tile = if left > TILE / 2 { &mut self.large } else { &mut self.small };
            let count = left.min(tile.sites);
            let layout = (self.components, self.sites);
            for_each_run(layout, first, count, |component, at, source| {
                let start = component * tile.sites + at;
                tile.noisy[start..start + source.len()].copy_from_slice(&fields[source]);
            });
            for component in 0..self.components {
                let gain = local.filter[component * self.sites];
                let range = component * tile.sites..(component + 1) * tile.sites;
                let parts = tile.filtered[range.clone()].iter_mut().zip(&tile.noisy[range]);
                parts.for_each(|(filtered, x)| *filtered = gain * x);
            }
            local.preconditioning.fill(&tile.noisy, &tile.filtered, None, &mut tile.inputs);
            tile.network.forward(local.parameters, local.embedding, &tile.inputs, &mut tile.output, &mut tile.tape);
            local.preconditioning.denoise(&tile.filtered, &tile.output, &mut tile.clean);
            for_each_run(layout, first, count, |component, at, target| {
                let start = component * tile.sites + at;
                let length = target.len();
                denoised[target].copy_from_slice(&tile.clean[start..start + length]);
            });
            first += count;
        }
    }
}

/// Calls `visit(component, place in the tile, range in the fields)` for every contiguous run of the sites
/// `first..first + count`, counted through all fields.
fn for_each_run(
    (components, sites): (usize, usize),
    first: usize,
    count: usize,
    mut visit: impl FnMut(usize, usize, std::ops::Range<usize>),
) {
    if components == 1 {
        visit(0, 0, first..first + count);
        return;
    }
    let mut at = 0;
    while at < count {
        let (field, site) = ((first + at) / sites, (first + at) % sites);
        let length = (sites - site).min(count - at);
        for component in 0..components {
            let start = (field * components + component) * sites + site;
            visit(component, at, start..start + length);
        }
        at += length;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_visit_every_value_once_in_order() {
        for (components, sites, fields) in [(1, 5, 3), (2, 1, 7), (3, 4, 2)] {
            let mut seen = vec![0; components * sites * fields];
            for first in (0..sites * fields).step_by(3) {
                let count = 3.min(sites * fields - first);
                for_each_run((components, sites), first, count, |component, at, range| {
                    for (offset, index) in range.enumerate() {
                        let place = first + at + offset;
                        assert_eq!(index, (place / sites * components + component) * sites + place % sites);
                        seen[index] += 1;
                    }
                });
            }
            assert!(seen.iter().all(|&count| count == 1));
        }
    }
}
