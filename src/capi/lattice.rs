//! The layout of the host's field.

use super::guard::guard;
use super::pointer::{Output, Versioned, require, require_memory, slice, versioned};
use super::status::stoq_status_t;
use crate::error::{Error, Result};
use crate::lattice::{Lattice, Layout, MAX_RANK};

/// How the host stores a real field on a periodic lattice. Fill it with stoq_layout_init() and change
/// `components` for more than one real number a site, `strides` and `component_stride` for anything but
/// C order without gaps.
///
/// Component i of site (x_0, ..., x_{rank-1}) is
/// field[x_0 strides[0] + ... + x_{rank-1} strides[rank-1] + i component_stride], where `field` is the
/// pointer that goes to a call: the address of component 0 of site (0, ..., 0), which with negative
/// strides is not the lowest one. Memory between the values is never read or written.
/// Fortran's phi(nx, ny) with site (x, y) has extents {nx, ny} and strides {1, nx}; an array of
/// {x, y} pairs on n sites has extents {n}, components 2, strides {2} and component_stride 1. A single
/// variable is a lattice of one site, extents {1}.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct stoq_layout_t {
    /// sizeof(stoq_layout_t), set by stoq_layout_init().
    pub struct_size: usize,
    /// Number of axes, 1 to 4.
    pub rank: u32,
    /// Real numbers at each site, 1 to 64; 0 counts as 1.
    pub components: u32,
    /// Sites along each axis, slowest axis first, each at least 1. Entries behind `rank` are not read.
    pub extents: [usize; 4],
    /// Distance, in doubles, of neighbours along each axis; may be negative. All zero, and
    /// `component_stride` too: C order without gaps, the last axis fastest, one component after the
    /// other. Entries behind `rank` are not read.
    pub strides: [isize; 4],
    /// Distance, in doubles, of the components of a site; may be negative. Not read if there is one
    /// component.
    pub component_stride: isize,
}

impl Versioned for stoq_layout_t {
    const INITIALISER: &'static str = "stoq_layout_init";
}

/// Fills a layout for a field of one component in C order without gaps: the last axis is the fastest.
///
/// @param[out] layout   borrowed; every field is written. Unchanged on failure.
/// @param[in]  rank     number of axes, 1 to 4.
/// @param[in]  extents  copied; `rank` numbers of sites, slowest axis first, each at least 1.
/// @return STOQ_OK, or STOQ_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stoq_layout_init(
    layout: *mut stoq_layout_t,
    rank: u32,
    extents: *const usize,
) -> stoq_status_t {
    guard(|| {
        // SAFETY: what the comment of the function asks of its caller. The rank is checked before
        // that many extents are read.
        let (layout, extents) = unsafe {
            let layout = Output::new("layout", layout)?;
            require("extents", extents)?;
            (layout, slice("extents", extents, checked_rank("rank", rank)?)?)
        };
        let lattice = Lattice::new(extents)?;
        let mut four = [0; MAX_RANK];
        four[..lattice.rank()].copy_from_slice(lattice.extents());
        let struct_size = size_of::<stoq_layout_t>();
        let strides = [0; MAX_RANK];
        layout.set(stoq_layout_t { struct_size, rank, components: 1, extents: four, strides, component_stride: 0 });
        Ok(())
    })
}

pub(super) fn checked_rank(parameter: &str, rank: u32) -> Result<usize> {
    match rank {
        1..=4 => Ok(rank as usize),
        _ => Err(Error::invalid(parameter, rank, "between 1 and 4 axes")),
    }
}

/// Reads and checks a layout of the caller.
///
/// # Safety
/// As [`versioned`].
pub(super) unsafe fn read_layout(pointer: *const stoq_layout_t) -> Result<Layout> {
    // SAFETY: promised by the caller.
    let layout = unsafe { versioned("layout", pointer)? };
    let rank = checked_rank("layout->rank", layout.rank)?;
    let components = layout.components.max(1) as usize;
    let lattice = Lattice::new(&layout.extents[..rank]).and_then(|lattice| lattice.with_components(components));
    let lattice = lattice.map_err(|error| within("layout->", error))?;
    let strides = &layout.strides[..rank];
    let component_stride = if components == 1 { 0 } else { layout.component_stride };
    if strides.iter().all(|&stride| stride == 0) && component_stride == 0 {
        return Ok(Layout::contiguous(lattice));
    }
    Layout::strided(lattice, strides, component_stride).map_err(|error| within("layout->", error))
}

/// Refuses another lattice than the `expected` one.
pub(super) fn require_lattice(what: &str, found: &Lattice, expected: &Lattice) -> Result<()> {
    if found.extents() != expected.extents() {
        return Err(Error::shape(&format!("{what}extents"), found.extents(), expected.extents()));
    }
    if found.components() != expected.components() {
        return Err(Error::shape(&format!("{what}components"), found.components(), expected.components()));
    }
    Ok(())
}

/// Says of which struct the parameter of an error is a field.
pub(super) fn within(place: &str, error: Error) -> Error {
    match error {
        // A name of several words is a thing, not a field.
        Error::InvalidArgument { parameter, value, expected } if !parameter.contains(' ') => {
            Error::InvalidArgument { parameter: format!("{place}{parameter}"), value, expected }
        }
        other => other,
    }
}

/// Copies the host's field to `to`, in the library's order.
///
/// # Safety
/// `field` must be valid for reading every value of `layout`, and `to` must hold as many values.
pub(super) unsafe fn gather(layout: &Layout, field: *const f64, to: &mut [f64]) {
    if layout.is_contiguous() {
        // SAFETY: promised by the caller; `to` is memory of the library, so the two do not overlap.
        unsafe { field.copy_to_nonoverlapping(to.as_mut_ptr(), to.len()) }
    } else {
        // SAFETY: promised by the caller.
        layout.for_each_offset(|index, offset| to[index] = unsafe { field.offset(offset).read() });
    }
}

/// Copies `from`, in the library's order, to the host's field. Memory between the values is not touched.
///
/// # Safety
/// `field` must be valid for writing every value of `layout`.
pub(super) unsafe fn scatter(layout: &Layout, from: &[f64], field: *mut f64) {
    if layout.is_contiguous() {
        // SAFETY: promised by the caller; `from` is memory of the library, so the two do not overlap.
        unsafe { field.copy_from_nonoverlapping(from.as_ptr(), from.len()) }
    } else {
        // SAFETY: promised by the caller.
        layout.for_each_offset(|index, offset| unsafe { field.offset(offset).write(from[index]) });
    }
}

/// Doubles from the lowest to the highest value in memory, and how far the first value is from the lowest.
pub(super) fn extent_in_memory(layout: &Layout) -> (usize, usize) {
    let components = (layout.component_stride(), layout.lattice().components());
    let axes = layout.strides().iter().copied().zip(layout.lattice().extents().iter().copied());
    axes.chain([components]).fold((1, 0), |(span, first), (stride, extent)| {
        let reach = stride.unsigned_abs() * (extent - 1);
        (span + reach, if stride < 0 { first + reach } else { first })
    })
}

/// Where value number `index` of the library's order lies, in doubles from the first value.
pub(super) fn offset_of(layout: &Layout, index: usize) -> isize {
    let mut rest = index % layout.lattice().sites();
    let mut offset = (index / layout.lattice().sites()) as isize * layout.component_stride();
    for (&stride, &extent) in layout.strides().iter().zip(layout.lattice().extents()).rev() {
        offset += (rest % extent) as isize * stride;
        rest /= extent;
    }
    offset
}

/// Neighbour tables and the like: what the built-in actions allocate for a lattice.
pub(super) fn require_lattice_memory(lattice: &Lattice) -> Result<()> {
    // Two 32-bit neighbours an axis are one double, built in one buffer and kept in another.
    require_memory("the neighbours of every site", lattice.sites().checked_mul(2 * lattice.rank()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strided_copies_go_there_and_back_and_leave_the_gaps() {
        let layout = Layout::strided(Lattice::new(&[3, 4]).unwrap(), &[2, -7], 0).unwrap();
        let (span, first) = extent_in_memory(&layout);
        assert_eq!((span, first), (26, 21));
        let pairs = Lattice::new(&[3, 4]).unwrap().with_components(2).unwrap();
        let interleaved = Layout::strided(pairs, &[-8, 2], -1).unwrap();
        assert_eq!(extent_in_memory(&interleaved), (24, 17));
        for layout in [&layout, &interleaved] {
            layout.for_each_offset(|index, offset| assert_eq!(offset_of(layout, index), offset));
        }
        let values: Vec<f64> = (1..=12).map(f64::from).collect();
        let mut memory = vec![-1.0; span];
        let mut back = vec![0.0; 12];
        // SAFETY: `memory` spans all sites around element `first`.
        unsafe {
            scatter(&layout, &values, memory.as_mut_ptr().add(first));
            gather(&layout, memory.as_ptr().add(first), &mut back);
        }
        assert_eq!(back, values);
        assert_eq!(memory[21 + 2 - 7], 6.0, "site (1, 1)");
        assert_eq!(memory.iter().filter(|&&value| value == -1.0).count(), 26 - 12);
    }
}
