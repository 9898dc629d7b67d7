//! How a host stores a field: by strides, or by a table of sites.

use super::{Lattice, MAX_RANK};
use crate::error::{Error, Result, require_length};
use std::sync::Arc;

/// How a host stores a field. Distances are in elements and may be negative; offsets count from the element that the
/// host calls the first.
///
/// Either every axis has a stride, which gives the C and Fortran orders, arrays with halos (strides of the array with
/// its halo, the first element being the first inner site) and parts of larger arrays; or every site has an offset in
/// a table, which gives orders by parity ([`Layout::even_odd_offsets`]) and any other. The components of a site have
/// one stride: sites times 1 is `[component][site]`, and 1 is `[site][component]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    lattice: Lattice,
    sites: Sites,
    component_stride: isize,
    contiguous: bool,
}

/// Where the first component of a site is.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Sites {
    /// A stride for each axis.
    Strides(Vec<isize>),
    /// An offset for each site, in the library's order of sites.
    Offsets(Arc<[isize]>),
}

impl Layout {
    /// C order without gaps: last axis fastest, components slowest.
    pub fn contiguous(lattice: Lattice) -> Self {
        let strides = lattice.strides().iter().map(|&stride| stride as isize).collect();
        let component_stride = lattice.sites() as isize;
        Layout { sites: Sites::Strides(strides), component_stride, contiguous: true, lattice }
    }

    /// Fortran's order without gaps, phi(x_0, x_1, ..., component): first axis fastest, components slowest.
    pub fn fortran(lattice: Lattice) -> Self {
        let natural = Layout::contiguous(lattice);
        let mut strides = vec![1isize; natural.lattice.rank()];
        for axis in 1..strides.len() {
            strides[axis] = strides[axis - 1] * natural.lattice.extents()[axis - 1] as isize;
        }
        let contiguous = natural.lattice.extents().iter().filter(|&&extent| extent > 1).count() <= 1;
        Layout { sites: Sites::Strides(strides), contiguous, ..natural }
    }

    /// Any strides that give every component of every site an element of its own.
    /// `component_stride` is not read for a field with one component.
    ///
    /// # Errors
    /// [`Error::ShapeMismatch`] for a wrong number of strides, [`Error::InvalidArgument`] when two
    /// values share an element or an offset overflows.
    pub fn strided(lattice: Lattice, strides: &[isize], component_stride: isize) -> Result<Self> {
        require_length("strides", strides.len(), lattice.rank())?;
        let components = [(component_stride.saturating_abs(), lattice.components())];
        let sites = strides.iter().map(|stride| stride.saturating_abs()).zip(lattice.extents().iter().copied());
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
        let natural = lattice.strides();
        let is_natural = |found: isize, natural: usize, count: usize| count == 1 || found == natural as isize;
        let axes = strides.iter().zip(&natural).zip(lattice.extents());
        let contiguous = axes.clone().all(|((&found, &natural), &extent)| is_natural(found, natural, extent))
            && is_natural(component_stride, lattice.sites(), lattice.components());
        Ok(Layout { sites: Sites::Strides(strides.to_vec()), component_stride, contiguous, lattice })
    }

    /// Any order of sites: `offsets[s]` is where the first component of site s of the library's order (C order) is,
    /// and the components follow at `component_stride`, which is not read for a field with one component.
    ///
    /// # Errors
    /// [`Error::ShapeMismatch`] for a wrong number of offsets, [`Error::InvalidArgument`] when two values
    /// share an element or an offset is beyond 2^60.
    pub fn mapped(lattice: Lattice, offsets: &[isize], component_stride: isize) -> Result<Self> {
        const FARTHEST: isize = 1 << 60;
        require_length("site_offsets", offsets.len(), lattice.sites())?;
        let last = lattice.components() as isize - 1;
        let reach = component_stride.checked_mul(last).filter(|reach| reach.abs() <= FARTHEST);
        if let Some(&far) = offsets.iter().find(|offset| reach.is_none() || offset.unsigned_abs() > FARTHEST as usize) {
            let shown = format!("{far} and {component_stride} between components");
            return Err(Error::invalid("site_offsets", shown, "offsets (in elements) below 2^60"));
        }
        let mut all: Vec<isize> =
            (0..=last).flat_map(|i| offsets.iter().map(move |o| o + i * component_stride)).collect();
        let contiguous = all.iter().enumerate().all(|(index, &offset)| index as isize == offset);
        all.sort_unstable();
        if let Some(pair) = all.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(Error::invalid(
                "site_offsets",
                format!("{} twice, with {component_stride} between components", pair[0]),
                "offsets (in elements) under which no two values share an element",
            ));
        }
        Ok(Layout { sites: Sites::Offsets(offsets.into()), component_stride, contiguous, lattice })
    }

    /// Offsets for [`Layout::mapped`] with all even sites before all odd ones, `stride` elements apart; a site is
    /// even if the sum of its coordinates is. Among sites of one parity the last axis is the fastest. With an even
    /// last extent site s of C order then is number s/2 of its parity: the order of MILC and of QDP's checkerboard
    /// in two colours, where `lattice` has its axes as (t, z, y, x).
    pub fn even_odd_offsets(lattice: &Lattice, stride: isize) -> Vec<isize> {
        let mut offsets = vec![0; lattice.sites()];
        let mut next = 0isize;
        for parity in 0..2 {
            let c_order = Layout::contiguous(lattice.clone());
            c_order.for_each_site(|site, _, coordinates| {
                if coordinates.iter().sum::<usize>() % 2 == parity {
                    offsets[site] = next;
                    next = next.wrapping_add(stride);
                }
            });
        }
        offsets
    }

    /// The lattice.
    pub fn lattice(&self) -> &Lattice {
        &self.lattice
    }

    /// Whether the host's order is the library's own.
    pub fn is_contiguous(&self) -> bool {
        self.contiguous
    }

    /// Where value number `index` of the library's order is: an offset from the first component of the first site
    /// of the strides, or from what the table of offsets counts from.
    pub fn offset(&self, index: usize) -> isize {
        let (component, site) = (index / self.lattice.sites(), index % self.lattice.sites());
        let start = component as isize * self.component_stride;
        let strides = match &self.sites {
            Sites::Offsets(offsets) => return start + offsets[site],
            Sites::Strides(strides) => strides,
        };
        let (mut rest, mut offset) = (site, start);
        for (&stride, &extent) in strides.iter().zip(self.lattice.extents()).rev() {
            offset += (rest % extent) as isize * stride;
            rest /= extent;
        }
        offset
    }

    /// Lowest and highest offset of a value.
    pub fn reach(&self) -> (isize, isize) {
        let extend = |(low, high): (isize, isize), (stride, count): (isize, usize)| {
            let far = stride * (count as isize - 1);
            (low + far.min(0), high + far.max(0))
        };
        let sites = match &self.sites {
            Sites::Strides(strides) => {
                strides.iter().copied().zip(self.lattice.extents().iter().copied()).fold((0, 0), extend)
            }
            Sites::Offsets(offsets) => {
                // A lattice has at least one site.
                (offsets.iter().copied().min().unwrap_or(0), offsets.iter().copied().max().unwrap_or(0))
            }
        };
        extend(sites, (self.component_stride, self.lattice.components()))
    }

    /// Calls `visit(index, offset)` for every value in the library's order, `offset` as [`Layout::offset`] gives it.
    /// Allocates nothing.
    pub fn for_each_offset(&self, mut visit: impl FnMut(usize, isize)) {
        let sites = self.lattice.sites();
        for component in 0..self.lattice.components() {
            let start = component as isize * self.component_stride;
            self.for_each_site(|site, offset, _| visit(component * sites + site, start + offset));
        }
    }

    /// Gives a site of the library's order, its offset, and, of a layout with strides, its coordinates.
    fn for_each_site(&self, mut visit: impl FnMut(usize, isize, &[usize])) {
        let strides = match &self.sites {
            Sites::Strides(strides) => strides,
            Sites::Offsets(offsets) => {
                return offsets.iter().enumerate().for_each(|(site, &offset)| visit(site, offset, &[]));
            }
        };
        let mut coordinates = [0usize; MAX_RANK];
        let rank = self.lattice.rank();
        let mut offset = 0isize;
        for site in 0..self.lattice.sites() {
            visit(site, offset, &coordinates[..rank]);
            for axis in (0..rank).rev() {
                coordinates[axis] += 1;
                offset += strides[axis];
                if coordinates[axis] < self.lattice.extents()[axis] {
                    break;
                }
                offset -= strides[axis] * coordinates[axis] as isize;
                coordinates[axis] = 0;
            }
        }
    }
}

#[cfg(test)]
#[path = "layout_tests.rs"]
mod tests;
