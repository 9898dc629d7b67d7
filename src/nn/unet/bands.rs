//! Which resolutions work at which noise level.
//!
//! At large noise what is left to denoise are long waves (the Wiener filter, whose result the network sees, cuts
//! the others off), and at small noise the score is local. Blocks of the other resolutions can then be left out.

use super::UNetShape;
use crate::error::{Error, Result};

/// The resolutions whose blocks are evaluated at one noise level.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Activity {
    /// Bit `level`: no lattice can be halved more often.
    levels: u64,
}

impl Activity {
    pub fn all(count: usize) -> Self {
        Activity { levels: if count < 64 { (1 << count) - 1 } else { u64::MAX } }
    }

    /// Whether the blocks of a resolution are evaluated.
    pub fn at(self, level: usize) -> bool {
        level < 64 && self.levels >> level & 1 == 1
    }

    /// Resolutions that the field passes, from the finest to the coarsest at work; at least one.
    pub fn visited(self) -> usize {
        (64 - self.levels.leading_zeros() as usize).max(1)
    }
}

impl UNetShape {
    /// Whether the blocks of resolution `level` (0: the finest) are evaluated at ln sigma.
    pub fn is_active(&self, level: usize, log_sigma: f64) -> bool {
        self.bands.get(level).is_none_or(|&[low, high]| (low..=high).contains(&log_sigma))
    }

    pub(super) fn activity(&self, log_sigma: f64) -> Activity {
        if self.bands.is_empty() {
            return Activity::all(self.channels.len());
        }
        let levels = (0..self.channels.len()).filter(|&level| self.is_active(level, log_sigma));
        Activity { levels: levels.fold(0, |bits, level| bits | 1 << level) }
    }

    pub(super) fn check_bands(&self) -> Result<()> {
        if self.channels.len() > 32 {
            return Err(Error::invalid("network channels", self.channels.len(), "at most 32 resolutions"));
        }
        if !self.bands.is_empty() && self.bands.len() != self.channels.len() {
            let found = format!("{} for {} resolutions", self.bands.len(), self.channels.len());
            return Err(Error::invalid("network bands", found, "one range of ln sigma a resolution, or none at all"));
        }
        match self.bands.iter().find(|[low, high]| !(low.is_finite() && high.is_finite() && low <= high)) {
            Some(band) => {
                Err(Error::invalid("network bands", format!("{band:?}"), "two finite numbers ln sigma, ascending"))
            }
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lattice::Lattice;
    use crate::nn::UNet;

    fn shape(bands: &[[f64; 2]]) -> UNetShape {
        UNetShape { bands: bands.to_vec(), ..UNetShape::default() }
    }

    #[test]
    fn resolutions_beyond_the_coarsest_at_work_are_not_visited() {
        let shape = shape(&[[-9.0, 1.5], [-1.0, 2.0], [0.0, 1.0]]);
        for (log_sigma, levels, visited) in
            [(-9.5, 0b000, 1), (-1.5, 0b001, 1), (-1.0, 0b011, 2), (1.0, 0b111, 3), (1.25, 0b011, 2), (1.75, 0b010, 2)]
        {
            let active = shape.activity(log_sigma);
            assert_eq!((active.levels, active.visited()), (levels, visited), "{log_sigma}");
        }
        assert_eq!(self::shape(&[]).activity(-99.0), Activity::all(3));
    }

    #[test]
    fn bands_that_do_not_fit_are_refused() {
        let lattice = Lattice::new(&[8, 8]).unwrap();
        for bands in [&[[0.0, 1.0]][..], &[[0.0, 1.0], [1.0, 0.0], [0.0, 0.0]], &[[0.0, 1.0], [f64::NAN; 2], [0.0; 2]]]
        {
            let error = UNet::new(&shape(bands), &lattice).err().unwrap().to_string();
            assert!(error.contains("network bands"), "{error}");
        }
    }

    #[test]
    fn fewer_resolutions_cost_fewer_operations() {
        let lattice = Lattice::new(&[16, 16]).unwrap();
        let net = UNet::new(&shape(&[[-9.0, 1.5], [-1.0, 9.0], [0.0, 9.0]]), &lattice).unwrap();
        let per_site = |log_sigma: f64| net.multiply_adds_at(log_sigma) / lattice.sites();
        // Two 3 x 3 convolutions a block, two blocks, channels squared, sites a quarter each time.
        let (blocks, ends) = ([36 * 24 * 24, 36 * 32 * 32 / 4, 36 * 48 * 48 / 16], 9 * 24 * 3);
        let mixing = [2 * 4 * 24 * 32 / 4, 2 * 4 * 32 * 48 / 16];
        assert_eq!(per_site(-1.5), ends + blocks[0]);
        assert_eq!(per_site(-0.5), ends + blocks[0] + mixing[0] + blocks[1]);
        assert_eq!(per_site(0.5) * lattice.sites(), net.multiply_adds());
        assert_eq!(per_site(2.5), ends + mixing[0] + blocks[1] + mixing[1] + blocks[2]);
        assert_eq!(per_site(-20.0), ends);
    }
}
