//! Periodic lattices of rank 1 to 4, and how a host's buffer maps onto them.
//!
//! Inside the library a field is a contiguous `&[f64]`, last axis fastest (C order); of a field with
//! several components a site, one component after the other. A host with another order describes it
//! by a [`Layout`]; the library never keeps its pointer. A single variable is a lattice of one site.

mod layout;

pub use layout::Layout;

use crate::error::{Error, Result};

/// Largest rank of a lattice.
pub const MAX_RANK: usize = 4;

/// Most values of a field.
const MAX_VALUES: usize = 1 << 31;
/// Most components of a field at one site.
pub const MAX_COMPONENTS: usize = 64;

/// Extents of a periodic lattice, slowest axis first, and the number of real components a site.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Lattice {
    extents: Vec<usize>,
    components: usize,
}

impl Lattice {
    /// A lattice with the given extents, slowest axis first, and one component a site.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for a rank outside 1 to 4, an empty axis, or more than 2^31 sites.
    pub fn new(extents: &[usize]) -> Result<Self> {
        let shown = format!("{extents:?}");
        if extents.is_empty() || extents.len() > MAX_RANK {
            return Err(Error::invalid("extents", shown, "between 1 and 4 axes"));
        }
        if extents.contains(&0) {
            return Err(Error::invalid("extents", shown, "at least one site along every axis"));
        }
        let sites = extents.iter().try_fold(1usize, |product, &extent| product.checked_mul(extent));
        match sites {
            Some(sites) if sites <= MAX_VALUES => Ok(Lattice { extents: extents.to_vec(), components: 1 }),
            _ => Err(Error::invalid("extents", shown, "at most 2^31 sites")),
        }
    }

    /// The same lattice with `components` real components a site.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for none, more than [`MAX_COMPONENTS`], or more than 2^31 values.
    pub fn with_components(mut self, components: usize) -> Result<Self> {
        let fits = (1..=MAX_COMPONENTS).contains(&components) && self.sites() * components <= MAX_VALUES;
        if !fits {
            return Err(Error::invalid("components", components, "1 to 64 components, at most 2^31 values in all"));
        }
        self.components = components;
        Ok(self)
    }

    /// Extents, slowest axis first.
    pub fn extents(&self) -> &[usize] {
        &self.extents
    }

    /// Number of axes.
    pub fn rank(&self) -> usize {
        self.extents.len()
    }

    /// Number of sites V.
    pub fn sites(&self) -> usize {
        self.extents.iter().product()
    }

    /// Real components a site.
    pub fn components(&self) -> usize {
        self.components
    }

    /// Length of a field: sites times components.
    pub fn values(&self) -> usize {
        self.sites() * self.components
    }

    /// Distance in memory between neighbours along each axis.
    pub fn strides(&self) -> Vec<usize> {
        let mut strides = vec![1; self.rank()];
        for axis in (0..self.rank().saturating_sub(1)).rev() {
            strides[axis] = strides[axis + 1] * self.extents[axis + 1];
        }
        strides
    }

    /// Coordinates of a site, slowest axis first.
    pub fn coordinates(&self, site: usize) -> Vec<usize> {
        self.strides().iter().zip(&self.extents).map(|(stride, extent)| site / stride % extent).collect()
    }

    /// Index of the site at `coordinates`, taken modulo the extents.
    pub fn index(&self, coordinates: &[usize]) -> usize {
        let wrapped = coordinates.iter().zip(&self.extents).map(|(x, extent)| x % extent);
        wrapped.zip(self.strides()).map(|(x, stride)| x * stride).sum()
    }

    /// Neighbour table: entry `site * 2 rank + 2 axis` is the site ahead along `axis`, the next
    /// entry the site behind.
    pub fn neighbours(&self) -> Vec<u32> {
        let strides = self.strides();
        let mut table = Vec::with_capacity(self.sites() * 2 * self.rank());
        for site in 0..self.sites() {
            for (axis, &extent) in self.extents.iter().enumerate() {
                let stride = strides[axis];
                let x = site / stride % extent;
                let origin = site - x * stride;
                table.push((origin + (x + 1) % extent * stride) as u32);
                table.push((origin + (x + extent - 1) % extent * stride) as u32);
            }
        }
        table
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_are_periodic_and_mutual() {
        let lattice = Lattice::new(&[3, 4, 2]).unwrap();
        let table = lattice.neighbours();
        for site in 0..lattice.sites() {
            for axis in 0..3 {
                let ahead = table[site * 6 + 2 * axis] as usize;
                assert_eq!(table[ahead * 6 + 2 * axis + 1] as usize, site);
                let mut coordinates = lattice.coordinates(site);
                coordinates[axis] += 1;
                assert_eq!(lattice.index(&coordinates), ahead);
            }
        }
    }

    #[test]
    fn bad_extents_are_refused() {
        for extents in [&[][..], &[0, 4], &[2; 5], &[1 << 20, 1 << 20]] {
            assert!(Lattice::new(extents).is_err(), "{extents:?}");
        }
        let point = Lattice::new(&[1]).unwrap();
        assert_eq!(point.clone().with_components(2).unwrap().values(), 2);
        assert!(point.clone().with_components(0).is_err() && point.with_components(65).is_err());
    }
}
