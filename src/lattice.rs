//! Periodic lattices of rank 1 to 4, and how a host's buffer maps onto them.
//!
//! Inside the library a field is a contiguous `&[f64]`, last axis fastest (C order); of a field with
//! several components a site, one component after the other. A host with another order describes it
//! by a [`Layout`]; the library never keeps its pointer. A single variable is a lattice of one site.

use crate::error::{Error, Result, require_length};

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

/// How a host stores a field: one stride (in elements, may be negative) for each axis, and one for the
/// components of a site.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    lattice: Lattice,
    strides: Vec<isize>,
    component_stride: isize,
    contiguous: bool,
}

impl Layout {
    /// C order without gaps: last axis fastest, components slowest.
    pub fn contiguous(lattice: Lattice) -> Self {
        let strides = lattice.strides().iter().map(|&stride| stride as isize).collect();
        Layout { strides, component_stride: lattice.sites() as isize, contiguous: true, lattice }
    }

    /// Any strides that give every component of every site an element of its own.
    /// `component_stride` is not read for a field with one component.
    ///
    /// # Errors
    /// [`Error::ShapeMismatch`] for a wrong number of strides, [`Error::InvalidArgument`] when two
    /// values share an element or an offset overflows.
    pub fn strided(lattice: Lattice, strides: &[isize], component_stride: isize) -> Result<Self> {
        require_length("strides", strides.len(), lattice.rank())?;
        let components = [(component_stride.saturating_abs(), lattice.components)];
        let sites = strides.iter().map(|stride| stride.saturating_abs()).zip(lattice.extents.iter().copied());
        // An axis of one site, or a single component, takes no step.
        let mut axes: Vec<(isize, usize)> = sites.chain(components).filter(|&(_, count)| count > 1).collect();
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
                        format!("{strides:?} and {component_stride} between components"),
                        "strides (in elements) under which no two values share an element",
                    ));
                }
            }
        }
        let natural = Layout::contiguous(lattice);
        let is_natural = |found: isize, natural: isize, count: usize| count == 1 || found == natural;
        let axes = strides.iter().zip(&natural.strides).zip(natural.lattice.extents());
        let contiguous = axes.clone().all(|((&found, &natural), &extent)| is_natural(found, natural, extent))
            && is_natural(component_stride, natural.component_stride, natural.lattice.components);
        Ok(Layout { strides: strides.to_vec(), component_stride, contiguous, ..natural })
    }

    /// The lattice.
    pub fn lattice(&self) -> &Lattice {
        &self.lattice
    }

    /// Strides in elements, slowest axis first.
    pub fn strides(&self) -> &[isize] {
        &self.strides
    }

    /// Distance in elements between the components of a site.
    pub fn component_stride(&self) -> isize {
        self.component_stride
    }

    /// Whether the host's order is the library's own.
    pub fn is_contiguous(&self) -> bool {
        self.contiguous
    }

    /// Calls `visit(index, offset)` for every value in the library's order, `offset` being the element
    /// of the host's buffer relative to the first component of its first site. Allocates nothing.
    pub fn for_each_offset(&self, mut visit: impl FnMut(usize, isize)) {
        let sites = self.lattice.sites();
        for component in 0..self.lattice.components {
            let start = component as isize * self.component_stride;
            self.for_each_site(|site, offset| visit(component * sites + site, start + offset));
        }
    }

    fn for_each_site(&self, mut visit: impl FnMut(usize, isize)) {
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
        let layout = Layout::strided(lattice, &[1, 2], 0).unwrap();
        let mut seen = vec![];
        layout.for_each_offset(|site, offset| seen.push((site, offset)));
        assert_eq!(seen, [(0, 0), (1, 2), (2, 4), (3, 1), (4, 3), (5, 5)]);
    }

    #[test]
    fn components_may_be_fastest() {
        let lattice = Lattice::new(&[3]).unwrap().with_components(2).unwrap();
        let layout = Layout::strided(lattice.clone(), &[2], 1).unwrap();
        let mut seen = vec![];
        layout.for_each_offset(|index, offset| seen.push((index, offset)));
        assert_eq!(seen, [(0, 0), (1, 2), (2, 4), (3, 1), (4, 3), (5, 5)]);
        assert!(!layout.is_contiguous() && Layout::strided(lattice.clone(), &[1], 3).unwrap().is_contiguous());
        assert!(Layout::strided(lattice, &[2], 2).is_err());
    }

    #[test]
    fn overlapping_strides_and_bad_extents_are_refused() {
        let lattice = Lattice::new(&[4, 4]).unwrap();
        for strides in [[1isize, 1], [0, 1], [2, 1], [isize::MAX, 1]] {
            assert!(Layout::strided(lattice.clone(), &strides, 0).is_err(), "{strides:?}");
        }
        assert!(Layout::strided(lattice, &[-8, 2], 0).is_ok());
        for extents in [&[][..], &[0, 4], &[2; 5], &[1 << 20, 1 << 20]] {
            assert!(Lattice::new(extents).is_err(), "{extents:?}");
        }
        let point = Lattice::new(&[1]).unwrap();
        assert_eq!(point.clone().with_components(2).unwrap().values(), 2);
        assert!(point.clone().with_components(0).is_err() && point.with_components(65).is_err());
    }
}
