//! Periodic lattices of rank 1 to 4, and how a host's buffer maps onto them.
//!
//! Inside the library a scalar field is a contiguous `&[f64]`, last axis fastest (C order). A host
//! with another order describes it by a [`Layout`]; the library never keeps its pointer.

use crate::error::{Error, Result, require_length};

/// Largest rank of a lattice.
pub const MAX_RANK: usize = 4;

/// Extents of a periodic lattice, slowest axis first.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Lattice {
    extents: Vec<usize>,
}

impl Lattice {
    /// A lattice with the given extents, slowest axis first.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for a rank outside 1 to 4, an extent below 2, or more than 2^31 sites.
    pub fn new(extents: &[usize]) -> Result<Self> {
        let shown = format!("{extents:?}");
        if extents.is_empty() || extents.len() > MAX_RANK {
            return Err(Error::invalid("extents", shown, "between 1 and 4 axes"));
        }
        if extents.iter().any(|&extent| extent < 2) {
            return Err(Error::invalid("extents", shown, "at least 2 sites along every axis"));
        }
        let sites = extents.iter().try_fold(1usize, |product, &extent| product.checked_mul(extent));
        match sites {
            Some(sites) if sites <= 1 << 31 => Ok(Lattice { extents: extents.to_vec() }),
            _ => Err(Error::invalid("extents", shown, "at most 2^31 sites")),
        }
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

/// How a host stores a scalar field: one stride (in elements, may be negative) for each axis.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    lattice: Lattice,
    strides: Vec<isize>,
    contiguous: bool,
}

impl Layout {
    /// C order without gaps: last axis fastest.
    pub fn contiguous(lattice: Lattice) -> Self {
        let strides = lattice.strides().iter().map(|&stride| stride as isize).collect();
        Layout { lattice, strides, contiguous: true }
    }

    /// Any strides that give every site an element of its own.
    ///
    /// # Errors
    /// [`Error::ShapeMismatch`] for a wrong number of strides, [`Error::InvalidArgument`] when two
    /// sites share an element or an offset overflows.
    pub fn strided(lattice: Lattice, strides: &[isize]) -> Result<Self> {
        require_length("strides", strides.len(), lattice.rank())?;
        let mut axes: Vec<(isize, usize)> =
            strides.iter().map(|stride| stride.saturating_abs()).zip(lattice.extents.iter().copied()).collect();
        axes.sort_unstable();
        // Sorted by stride, every axis must step over the whole span of the faster ones.
        let mut span: isize = 0;
        for (stride, extent) in axes {
            let reach = stride.checked_mul(extent as isize - 1).and_then(|reach| reach.checked_add(span));
            match reach {
                Some(reach) if stride > span => span = reach,
                _ => {
                    return Err(Error::invalid(
                        "strides",
                        format!("{strides:?}"),
                        "strides (in elements) under which no two sites share an element",
                    ));
                }
            }
        }
        let contiguous = strides.iter().zip(lattice.strides()).all(|(&stride, natural)| stride == natural as isize);
        Ok(Layout { lattice, strides: strides.to_vec(), contiguous })
    }

    /// The lattice.
    pub fn lattice(&self) -> &Lattice {
        &self.lattice
    }

    /// Strides in elements, slowest axis first.
    pub fn strides(&self) -> &[isize] {
        &self.strides
    }

    /// Whether the host's order is the library's own.
    pub fn is_contiguous(&self) -> bool {
        self.contiguous
    }

    /// Calls `visit(site, offset)` for every site in the library's order, `offset` being the
    /// element of the host's buffer relative to its first site. Allocates nothing.
    pub fn for_each_offset(&self, mut visit: impl FnMut(usize, isize)) {
        let mut coordinates = [0usize; MAX_RANK];
        let rank = self.lattice.rank();
        let mut offset = 0isize;
        for site in 0..self.lattice.sites() {
            visit(site, offset);
            for axis in (0..rank).rev() {
                coordinates[axis] += 1;
                offset += self.strides[axis];
                if coordinates[axis] < self.lattice.extents[axis] {
                    break;
                }
                offset -= self.strides[axis] * coordinates[axis] as isize;
                coordinates[axis] = 0;
            }
        }
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
    fn strided_layout_visits_fortran_order() {
        let lattice = Lattice::new(&[2, 3]).unwrap();
        let layout = Layout::strided(lattice, &[1, 2]).unwrap();
        let mut seen = vec![];
        layout.for_each_offset(|site, offset| seen.push((site, offset)));
        assert_eq!(seen, [(0, 0), (1, 2), (2, 4), (3, 1), (4, 3), (5, 5)]);
    }

    #[test]
    fn overlapping_strides_and_bad_extents_are_refused() {
        let lattice = Lattice::new(&[4, 4]).unwrap();
        for strides in [[1isize, 1], [0, 1], [2, 1], [isize::MAX, 1]] {
            assert!(Layout::strided(lattice.clone(), &strides).is_err(), "{strides:?}");
        }
        assert!(Layout::strided(lattice, &[-8, 2]).is_ok());
        for extents in [&[][..], &[1, 4], &[2; 5], &[1 << 20, 1 << 20]] {
            assert!(Lattice::new(extents).is_err(), "{extents:?}");
        }
    }
}
