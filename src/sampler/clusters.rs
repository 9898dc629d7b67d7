//! Single-cluster flips of lattice phi^4: U. Wolff, Phys. Rev. Lett. 62 (1989) 361; for phi^4, R. C. Brower and P. Tamayo,
//! Phys. Rev. Lett. 62 (1989) 1087.

use crate::lattice::Lattice;
use crate::rng::{Purpose, Stream};

/// Flips of the embedded Ising spins sign(phi): an exact update of phi^4 at any coupling and any lambda, which leaves |phi(x)|
/// alone and crosses every wall between domains. Allocates in [`ClusterFlips::new`] only.
pub struct ClusterFlips {
    kappa: f64,
    axes: usize,
    neighbours: Vec<u32>,
    in_cluster: Vec<bool>,
    members: Vec<u32>,
}

impl ClusterFlips {
    /// At hopping parameter `kappa`, for fields of one component.
    pub fn new(lattice: &Lattice, kappa: f64) -> Self {
        let sites = lattice.sites();
        ClusterFlips {
            kappa,
            axes: lattice.rank(),
            neighbours: lattice.neighbours(),
            in_cluster: vec![false; sites],
            members: Vec::with_capacity(sites),
        }
    }

    /// Grows one cluster in `field`, of one value a site of the lattice, and flips the sign of its sites; returns their number. A bond
    /// joins with probability 1 - exp(-4 kappa phi phi') where kappa phi phi' > 0 (for negative kappa: where the signs
    /// differ), the rise of the action if only one end flipped. Every bond has its own random number of `stream` and is tried
    /// at most once, so the order of growth does not matter.
    pub fn flip(&mut self, stream: &Stream, field: &mut [f64]) -> usize {
        debug_assert_eq!(field.len(), self.in_cluster.len());
        let seed = stream.below(Purpose::Cluster, 0, 0, field.len()) as u32;
        self.members.clear();
        self.members.push(seed);
        self.in_cluster[seed as usize] = true;
        let mut grown = 0;
        while let Some(&site) = self.members.get(grown) {
            grown += 1;
            let first = site as usize * 2 * self.axes;
            for direction in 0..2 * self.axes {
                let neighbour = self.neighbours[first + direction];
                let coupling = 4.0 * self.kappa * field[site as usize] * field[neighbour as usize];
                if coupling <= 0.0 || self.in_cluster[neighbour as usize] {
                    continue;
                }
                // A bond belongs to its lower end: even directions lead ahead, odd ones behind.
                let owner = if direction % 2 == 0 { site } else { neighbour };
                let uniform = stream.uniform(Purpose::Cluster, 1 + (direction / 2) as u32, owner);
                if uniform < -libm::expm1(-coupling) {
                    self.in_cluster[neighbour as usize] = true;
                    self.members.push(neighbour);
                }
            }
        }
        for &site in &self.members {
            field[site as usize] = -field[site as usize];
            self.in_cluster[site as usize] = false;
        }
        self.members.len()
    }
}
