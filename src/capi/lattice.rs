//! The layout of the host's field.

use super::guard::guard;
use super::pointer::{Output, Versioned, require, require_memory, require_size, slice};
use super::status::stoq_status_t;
use crate::error::{Error, Result};
use crate::lattice::{Lattice, Layout, MAX_RANK};
use std::mem::{MaybeUninit, offset_of};
use std::ptr::null;

/// How the host stores a real field on a periodic lattice. Fill it with stoq_layout_init() and change
/// `components` for more than one real number a site, and `strides` and `component_stride` for anything but
/// C order without gaps; or give it a table of sites with stoq_layout_set_sites().
///
/// Component i of site (x_0, ..., x_{rank-1}) is
/// field[x_0 strides[0] + ... + x_{rank-1} strides[rank-1] + i component_stride], where `field` is the
/// pointer that goes to a call: the address of component 0 of site (0, ..., 0), which with negative
/// strides is not the lowest one. Memory between the values is never read or written.
/// A single variable is a lattice of one site, extents {1}. Some orders, for V sites and m components:
///
///   Fortran's phi(nx, ny), as C's phi[y][x]   extents {ny, nx}, strides of C order
///   the same, axes counted as in Fortran      extents {nx, ny}, strides {1, nx}
///   [mu][t][z][y][x], a field for each mu     extents {nt, nz, ny, nx}, component_stride V, strides of C order
///   [t][z][y][x][mu], the mu of a site        extents {nt, nz, ny, nx}, component_stride 1,
///   together                                  strides {nz ny nx m, ny nx m, nx m, m}
///   [y][x] with a halo of h sites             extents {ny, nx}, strides {nx + 2h, 1}, and `field` is
///                                             &array[h][h]: the halo is never read or written
///   even sites first (MILC, QDP)              stoq_layout_even_odd() and stoq_layout_set_sites()
#[repr(C)]
#[derive(Clone, Copy)]
pub struct stoq_layout_t {
    /// Bytes of the members that are set: by stoq_layout_init() all but `site_offsets`, by
    /// stoq_layout_set_sites() all.
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
    /// A table of sites, or NULL. Set by stoq_layout_set_sites(); without it this member is not read.
    pub site_offsets: *const isize,
}

/// The members that stoq_layout_init() has set since ABI 2: a host that was compiled before `site_offsets`
/// joined has no room for more.
const SIZE_WITHOUT_SITES: usize = offset_of!(stoq_layout_t, site_offsets);

impl Versioned for stoq_layout_t {
    const INITIALISER: &'static str = "stoq_layout_init";
    const LEAST: usize = SIZE_WITHOUT_SITES;
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
        let filled = stoq_layout_t {
            struct_size: SIZE_WITHOUT_SITES,
            rank,
            components: 1,
            extents: four,
            strides: [0; MAX_RANK],
            component_stride: 0,
            site_offsets: null(),
        };
        // SAFETY: the room was promised, of which these bytes are what every version has.
        unsafe { layout.set_first_bytes(&filled, SIZE_WITHOUT_SITES) };
        Ok(())
    })
}

/// Gives a layout a table of its sites, in place of strides: component i of site number s, counted in C order
/// (the last axis fastest), is field[site_offsets[s] + i component_stride]. For orders by parity, by blocks,
/// along a curve. Call stoq_layout_init() before; set `components` and `component_stride` before or after.
///
/// @param[in,out] layout        borrowed; keeps the address of the table, which must stay until the last call
///                              that gets this layout. What a call makes from the layout has a copy. Unchanged
///                              on failure.
/// @param[in]     site_offsets  one number a site, distances in doubles; may be negative. Of any two values,
///                              none may share an element. NULL: strides again.
/// @return STOQ_OK, or STOQ_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stoq_layout_set_sites(
    layout: *mut stoq_layout_t,
    site_offsets: *const isize,
) -> stoq_status_t {
    guard(|| {
        // SAFETY: what the comment of the function asks of its caller.
        unsafe {
            require_size("layout", layout)?;
            if !site_offsets.is_null() {
                require("site_offsets", site_offsets)?;
            }
            (*layout).site_offsets = site_offsets;
            (*layout).struct_size = size_of::<stoq_layout_t>();
        }
        Ok(())
    })
}

/// Offsets for stoq_layout_set_sites() with all even sites before all odd ones; a site is even if the sum of its
/// coordinates is. Among sites of one parity the last axis is the fastest. With an even last extent, site s of
/// C order then is number s/2 of its parity: the order of MILC, and of QDP's checkerboard in two colours,
/// where extents are {nt, nz, ny, nx}.
///
/// @param[in]  layout        borrowed; only its rank and extents are read.
/// @param[in]  stride        doubles from one site to the next: 1 where each component has a field of its own
///                           (component_stride is then the number of sites), or the number of components where
///                           those of a site are together (component_stride 1).
/// @param[out] site_offsets  room for one number a site. Unchanged on failure.
/// @return STOQ_OK, STOQ_INVALID_ARGUMENT, STOQ_OUT_OF_MEMORY.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stoq_layout_even_odd(
    layout: *const stoq_layout_t,
    stride: isize,
    site_offsets: *mut isize,
) -> stoq_status_t {
    guard(|| {
        // SAFETY: what the comment of the function asks of its caller.
        let lattice = unsafe {
            require("site_offsets", site_offsets)?;
            read_lattice(&read_members(layout)?)?
        };
        let farthest = stride.checked_mul(lattice.sites() as isize);
        if stride == 0 || farthest.is_none_or(|far| far.unsigned_abs() > 1 << 60) {
            return Err(Error::invalid("stride", stride, "a distance in doubles, not 0, that fits into memory"));
        }
        require_memory("the offsets of every site", Some(lattice.sites()))?;
        let offsets = Layout::even_odd_offsets(&lattice, stride);
        // SAFETY: room for one number a site was promised.
        unsafe { site_offsets.copy_from_nonoverlapping(offsets.as_ptr(), offsets.len()) };
        Ok(())
    })
}

/// Where a value of a layout lies: to check a layout against one's own index function.
///
/// @param[in]  layout       borrowed.
/// @param[in]  coordinates  borrowed; of the site, one number an axis, each below its extent.
/// @param[in]  component    number of the component, from 0.
/// @param[out] offset       the value is field[offset]. Unchanged on failure.
/// @return STOQ_OK, STOQ_INVALID_ARGUMENT, STOQ_SHAPE_MISMATCH.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stoq_layout_offset(
    layout: *const stoq_layout_t,
    coordinates: *const usize,
    component: u32,
    offset: *mut isize,
) -> stoq_status_t {
    guard(|| {
        // SAFETY: what the comment of the function asks of its caller.
        let (layout, offset, coordinates) = unsafe {
            let layout = read_layout(layout)?;
            let rank = layout.lattice().rank();
            (layout, Output::new("offset", offset)?, slice("coordinates", coordinates, rank)?)
        };
        let lattice = layout.lattice();
        if coordinates.iter().zip(lattice.extents()).any(|(x, extent)| x >= extent) {
            let expected = format!("each below its extent of {:?}", lattice.extents());
            return Err(Error::invalid("coordinates", format!("{coordinates:?}"), &expected));
        }
        if component as usize >= lattice.components() {
            let expected = format!("below the number of components, {}", lattice.components());
            return Err(Error::invalid("component", component, &expected));
        }
        offset.set(layout.offset(component as usize * lattice.sites() + lattice.index(coordinates)));
        Ok(())
    })
}

/// Copies a field of the host into C order without gaps, the components one after the other: what
/// stoq_model_score() and stoq_likelihood() take.
///
/// @param[in]  layout  borrowed.
/// @param[in]  field   borrowed; first value of a field in this layout.
/// @param[out] values  room for sites times components doubles, which must not overlap `field`. Unchanged on
///                     failure.
/// @return STOQ_OK, STOQ_INVALID_ARGUMENT, STOQ_SHAPE_MISMATCH.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stoq_field_gather(
    layout: *const stoq_layout_t,
    field: *const f64,
    values: *mut f64,
) -> stoq_status_t {
    guard(|| {
        // SAFETY: what the comment of the function asks of its caller.
        unsafe {
            let layout = read_layout(layout)?;
            require("field", field)?;
            require("values", values)?;
            gather(&layout, field, std::slice::from_raw_parts_mut(values, layout.lattice().values()));
        }
        Ok(())
    })
}

/// Copies values in C order without gaps, the components one after the other, to a field of the host: what
/// stoq_generator_generate() gives.
///
/// @param[in]  layout  borrowed.
/// @param[in]  values  borrowed; sites times components doubles.
/// @param[out] field   first value of a field in this layout, which must not overlap `values`. Memory between the
///                     values is not touched. Unchanged on failure.
/// @return STOQ_OK, STOQ_INVALID_ARGUMENT, STOQ_SHAPE_MISMATCH.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stoq_field_scatter(
    layout: *const stoq_layout_t,
    values: *const f64,
    field: *mut f64,
) -> stoq_status_t {
    guard(|| {
        // SAFETY: what the comment of the function asks of its caller.
        unsafe {
            let layout = read_layout(layout)?;
            require("field", field)?;
            scatter(&layout, slice("values", values, layout.lattice().values())?, field);
        }
        Ok(())
    })
}

pub(super) fn checked_rank(parameter: &str, rank: u32) -> Result<usize> {
    match rank {
        1..=4 => Ok(rank as usize),
        _ => Err(Error::invalid(parameter, rank, "between 1 and 4 axes")),
    }
}

/// The members that the caller's layout has; `site_offsets` is NULL unless stoq_layout_set_sites() wrote it.
///
/// # Safety
/// As [`require_size`].
unsafe fn read_members(pointer: *const stoq_layout_t) -> Result<stoq_layout_t> {
    // SAFETY: promised by the caller; as many bytes are read as the struct says that it has. What is not read is
    // zero, which is a value of every member.
    unsafe {
        require_size("layout", pointer)?;
        let present = pointer.cast::<usize>().read().min(size_of::<stoq_layout_t>());
        let mut layout = MaybeUninit::<stoq_layout_t>::zeroed();
        pointer.cast::<u8>().copy_to_nonoverlapping(layout.as_mut_ptr().cast(), present);
        let mut layout = layout.assume_init();
        if present < size_of::<stoq_layout_t>() {
            layout.site_offsets = null();
        }
        Ok(layout)
    }
}

fn read_lattice(layout: &stoq_layout_t) -> Result<Lattice> {
    let rank = checked_rank("layout->rank", layout.rank)?;
    let components = layout.components.max(1) as usize;
    let lattice = Lattice::new(&layout.extents[..rank]).and_then(|lattice| lattice.with_components(components));
    lattice.map_err(|error| within("layout->", error))
}

/// Reads and checks a layout of the caller.
///
/// # Safety
/// As [`require_size`], and a table of sites must have as many entries as the lattice has sites.
pub(super) unsafe fn read_layout(pointer: *const stoq_layout_t) -> Result<Layout> {
    // SAFETY: promised by the caller.
    let layout = unsafe { read_members(pointer)? };
    let lattice = read_lattice(&layout)?;
    let component_stride = if lattice.components() == 1 { 0 } else { layout.component_stride };
    let found = if layout.site_offsets.is_null() {
        let strides = &layout.strides[..lattice.rank()];
        if strides.iter().all(|&stride| stride == 0) && component_stride == 0 {
            return Ok(Layout::contiguous(lattice));
        }
        Layout::strided(lattice, strides, component_stride)
    } else {
        // SAFETY: promised by the caller.
        let offsets = unsafe { slice("layout->site_offsets", layout.site_offsets, lattice.sites())? };
        require_memory("the offsets of every value", lattice.values().checked_mul(2))?;
        Layout::mapped(lattice, offsets, component_stride)
    };
    found.map_err(|error| within("layout->", error))
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
        layout.for_each_offset(|index, offset| to[index] = unsafe { field.wrapping_offset(offset).read() });
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
        layout.for_each_offset(|index, offset| unsafe { field.wrapping_offset(offset).write(from[index]) });
    }
}

/// Doubles from the lowest to the highest value in memory, and how far the element that offsets count from is from
/// the lowest. That element is among them, also where a table of sites does not use it.
pub(super) fn extent_in_memory(layout: &Layout) -> (usize, usize) {
    let (low, high) = layout.reach();
    let (low, high) = (low.min(0), high.max(0));
    ((high - low) as usize + 1, low.unsigned_abs())
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
