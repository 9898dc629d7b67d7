//! Space-to-depth and depth-to-space: every 2^rank cell of sites becomes one site with 2^rank times
//! the channels, and back. A permutation, so the backward pass is the other one.

use crate::lattice::Lattice;

/// The permutation between a lattice and the one of half its extents.
#[derive(Clone, Debug)]
pub struct SpaceToDepth {
    fine_sites: usize,
    coarse_sites: usize,
    /// For every corner of a cell and every coarse site, the fine site.
    fine: Vec<u32>,
}

impl SpaceToDepth {
    /// The permutation, and the coarse lattice; `None` if an extent is odd or would fall below 2.
    pub fn new(lattice: &Lattice) -> Option<(Self, Lattice)> {
        if lattice.extents().iter().any(|&n| n % 2 != 0 || n < 4) {
            return None;
        }
        let halves: Vec<usize> = lattice.extents().iter().map(|n| n / 2).collect();
        let coarse = Lattice::new(&halves).ok()?;
        let rank = lattice.rank();
        let mut fine = Vec::with_capacity(lattice.sites());
        for corner in 0..1usize << rank {
            for site in 0..coarse.sites() {
                let mut at = coarse.coordinates(site);
                for (axis, x) in at.iter_mut().enumerate() {
                    *x = 2 * *x + (corner >> (rank - 1 - axis) & 1);
                }
                fine.push(lattice.index(&at) as u32);
            }
        }
        Some((SpaceToDepth { fine_sites: lattice.sites(), coarse_sites: coarse.sites(), fine }, coarse))
    }

    /// Corners of a cell, 2^rank: the factor between the numbers of channels.
    pub fn corners(&self) -> usize {
        self.fine_sites / self.coarse_sites
    }

    /// `coarse[channel * corners + corner][site]` from `fine[channel][site]`.
    pub fn to_depth<T: Copy>(&self, fine: &[T], coarse: &mut [T]) {
        for (fine, coarse) in fine.chunks_exact(self.fine_sites).zip(coarse.chunks_exact_mut(self.fine_sites)) {
            coarse.iter_mut().zip(&self.fine).for_each(|(value, &site)| *value = fine[site as usize]);
        }
    }

    /// The inverse of [`SpaceToDepth::to_depth`].
    pub fn to_space<T: Copy>(&self, coarse: &[T], fine: &mut [T]) {
        for (coarse, fine) in coarse.chunks_exact(self.fine_sites).zip(fine.chunks_exact_mut(self.fine_sites)) {
            coarse.iter().zip(&self.fine).for_each(|(&value, &site)| fine[site as usize] = value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_become_channels_and_come_back() {
        for extents in [&[6][..], &[4, 6], &[4, 4, 8], &[4, 4, 4, 4]] {
            let lattice = Lattice::new(extents).unwrap();
            let (map, coarse) = SpaceToDepth::new(&lattice).unwrap();
            assert_eq!(map.corners() * coarse.sites(), lattice.sites());
            let fine: Vec<usize> = (0..2 * lattice.sites()).collect();
            let (mut deep, mut back) = (vec![0; fine.len()], vec![0; fine.len()]);
            map.to_depth(&fine, &mut deep);
            map.to_space(&deep, &mut back);
            assert_eq!(fine, back);
            // Corner 1 is one step along the last axis.
            assert_eq!(deep[coarse.sites()], fine[1]);
        }
        assert!(SpaceToDepth::new(&Lattice::new(&[4, 6, 2]).unwrap()).is_none());
        assert!(SpaceToDepth::new(&Lattice::new(&[5, 4]).unwrap()).is_none());
    }
}
