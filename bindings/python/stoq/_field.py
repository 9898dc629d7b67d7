"""Layouts, and arrays of NumPy as fields, without copies."""

import ctypes
import math

import numpy as np

from . import _abi
from ._library import Error, Status, call, library

_DOUBLE = 8


class Layout:
    """How a field lies in memory: extents, components and strides, see stoq_layout_t.

    A field is a float64 array of shape ``extents``, or ``(components, *extents)`` for more than one component. Other
    orders are views: ``numpy.moveaxis(pairs, -1, 0)`` of an array of shape ``(*extents, 2)``.

    Layout((16, 16)) is C order without gaps, Layout((16, 16), order="F") Fortran's, Layout.of(array) that of an
    array, its strides included. Layout.by_sites(extents, offsets) has a table of its sites, and its fields are arrays
    of one axis; Layout.even_odd(extents) makes the table of an order by parity.
    """

    #: The table of sites, kept as long as the library may read it.
    _offsets = None

    def __init__(self, extents, components=1, order="C"):
        if order not in ("C", "F"):
            raise ValueError(f"order = {order!r}: expected 'C' or 'F', or use Layout.of(array)")
        extents = tuple(int(extent) for extent in np.atleast_1d(extents))
        self._fill(extents, int(components))
        if order == "F":
            steps = [_DOUBLE * math.prod(extents[:axis]) for axis in range(len(extents) + 1)]
            self._set_strides(steps[-1], steps[:-1])

    def _fill(self, extents, components):
        if any(extent < 1 for extent in extents) or not 1 <= components < 2**32:
            raise ValueError(f"extents = {extents}, components = {components}: expected numbers of at least 1")
        self.struct = _abi.Layout()
        numbers = (ctypes.c_size_t * max(len(extents), 1))(*extents)
        call(library.stoq_layout_init, ctypes.byref(self.struct), len(extents), numbers)
        self.struct.components = components
        self.extents, self.components = extents, components
        #: Shape of a field: (length,) with a table of sites.
        self.shape = extents if components == 1 else (components, *extents)
        steps = [_DOUBLE * math.prod(self.shape[axis + 1:]) for axis in range(len(self.shape))]
        #: Strides of a field in bytes, as in NumPy.
        self.strides = tuple(steps)
        self._reach()

    def _set_strides(self, component, sites):
        self.struct.component_stride = component // _DOUBLE
        self.struct.strides[: len(sites)] = [step // _DOUBLE for step in sites]
        self.strides = tuple(sites) if self.components == 1 else (component, *sites)
        self._reach()

    def _reach(self):
        """Bytes from the lowest value to the first, and from the lowest to behind the highest."""
        ends = [(extent - 1) * step for extent, step in zip(self.shape, self.strides)]
        self._low = -sum(end for end in ends if end < 0)
        self._room = self._low + sum(end for end in ends if end > 0) + _DOUBLE
        self._relevant = tuple(axis for axis, extent in enumerate(self.shape) if extent > 1)

    @classmethod
    def of(cls, field, components=False):
        """The layout of an array of float64; with ``components`` its first axis counts them."""
        field = _float64("field", field)
        if field.size and (field.ctypes.data % _DOUBLE or any(step % _DOUBLE for step in field.strides)):
            raise ValueError(f"field has strides of {field.strides} bytes: expected multiples of {_DOUBLE}; copy it")
        if any(step == 0 and extent > 1 for step, extent in zip(field.strides, field.shape)):
            # Zero would also mean "C order" to the library, which then would leave the array.
            raise ValueError(f"field has strides {field.strides}: values share memory, as after a broadcast; copy it")
        if components and field.ndim < 2:
            raise ValueError(f"field has shape {field.shape}: expected an axis of components and those of the lattice")
        layout = cls.__new__(cls)
        layout._fill(field.shape[1:] if components else field.shape, field.shape[0] if components else 1)
        sites = list(field.strides[1:] if components else field.strides)
        # NumPy gives axes of one site any stride, also none.
        sites = [step if extent > 1 else _DOUBLE for step, extent in zip(sites, layout.extents)]
        layout._set_strides(field.strides[0] if components else _DOUBLE, sites)
        return layout

    @classmethod
    def by_sites(cls, extents, offsets, components=1, component_stride=0):
        """Any order of sites: component i of site number s, counted in C order, is
        field[offsets[s] + i * component_stride] of a float64 array with one axis."""
        layout = cls(extents, components)
        offsets = np.ascontiguousarray(offsets, np.intp).ravel()
        if offsets.size != layout.sites:
            message = f"offsets has {offsets.size} numbers: expected {layout.sites}, one a site"
            raise Error(Status.SHAPE_MISMATCH, message)
        reach = component_stride * (layout.components - 1)
        low, high = int(offsets.min()) + min(reach, 0), int(offsets.max()) + max(reach, 0)
        if low < 0:
            raise ValueError(f"offsets lead to {low}: expected none before the start of the array")
        layout._offsets, layout.struct.component_stride = offsets, component_stride
        call(library.stoq_layout_set_sites, ctypes.byref(layout.struct), offsets.ctypes.data)
        layout.shape, layout.strides = (high + 1,), (_DOUBLE,)
        layout._reach()
        return layout

    @classmethod
    def even_odd(cls, extents, components=1, together=False):
        """All even sites before all odd ones, as in MILC and in QDP's checkerboard; see stoq_layout_even_odd(). The
        components of a site are ``together``, or each has a field of its own."""
        layout = cls(extents, components)
        offsets = np.empty(layout.sites, np.intp)
        stride = components if together else 1
        call(library.stoq_layout_even_odd, ctypes.byref(layout.struct), stride, offsets.ctypes.data)
        return cls.by_sites(extents, offsets, components, 1 if together else layout.sites)

    def offset(self, coordinates, component=0):
        """How many doubles behind the first value the component of a site is."""
        found, numbers = ctypes.c_ssize_t(), (ctypes.c_size_t * len(self.extents))(*coordinates)
        call(library.stoq_layout_offset, ctypes.byref(self.struct), numbers, component, ctypes.byref(found))
        return found.value

    def gather(self, field):
        """A copy of a field as an array of shape extents, or (components, *extents), in C order."""
        values = np.empty(self.extents if self.components == 1 else (self.components, *self.extents))
        address = self.address("field", field)
        call(library.stoq_field_gather, ctypes.byref(self.struct), address, values.ctypes.data)
        return values

    def scatter(self, values, field):
        """The way back: copies such an array to a field."""
        shape = self.extents if self.components == 1 else (self.components, *self.extents)
        values = contiguous("values", values, shape)
        address = self.address("field", field, write=True)
        call(library.stoq_field_scatter, ctypes.byref(self.struct), values.ctypes.data, address)

    @property
    def sites(self):
        """Sites of the lattice."""
        return math.prod(self.extents)

    @property
    def values(self):
        """Values of a field: sites times components."""
        return self.sites * self.components

    def empty(self):
        """An array of zeros in this layout."""
        memory = np.zeros(self._room // _DOUBLE)
        return np.ndarray(self.shape, np.float64, memory, self._low, self.strides)

    def address(self, name, field, write=False):
        """Where the first value of `field` is; refuses an array that is not in this layout, and never copies."""
        if not isinstance(field, np.ndarray) or field.dtype != np.float64:
            _float64(name, field)
        if field.shape != self.shape:
            raise Error(Status.SHAPE_MISMATCH, f"{name} has shape {field.shape}: expected {self.shape}")
        if field.strides != self.strides:
            if any(field.strides[axis] != self.strides[axis] for axis in self._relevant):
                message = f"{name} has strides {field.strides}, the layout {self.strides}: use Layout.of(field)"
                raise Error(Status.SHAPE_MISMATCH, message)
        if write and not field.flags.writeable:
            raise ValueError(f"{name} is read-only: expected an array that can be written")
        return field.ctypes.data

    def view(self, address, write=False):
        """The field at an address that the library gave to a callback: no copy, valid during the callback."""
        memory = (ctypes.c_char * self._room).from_address(address - self._low)
        field = np.ndarray(self.shape, np.float64, memory, self._low, self.strides)
        field.flags.writeable = write
        return field

    def index(self, offset):
        """The index in a field's shape of the value that is `offset` doubles behind the first one."""
        rest, found = offset * _DOUBLE, [0] * len(self.shape)
        # From the longest stride down, as the library refuses axes that interlock; with a negative one the count
        # runs from the far end of the axis.
        rest += self._low
        for axis in sorted(self._relevant, key=lambda axis: -abs(self.strides[axis])):
            count, rest = divmod(rest, abs(self.strides[axis]))
            found[axis] = count if self.strides[axis] > 0 else self.shape[axis] - 1 - count
        return tuple(found)

    def __repr__(self):
        return f"Layout(extents={self.extents}, components={self.components}, strides={self.strides})"


def _float64(name, field):
    if not isinstance(field, np.ndarray):
        raise TypeError(f"{name} is a {type(field).__name__}: expected a numpy.ndarray of float64")
    if field.dtype != np.float64:
        raise TypeError(f"{name} has dtype {field.dtype}: expected float64 in native byte order")
    return field


def contiguous(name, values, shape=None):
    """`values` as C-ordered float64, copied only if they are not. -1 in `shape` is any length."""
    values = np.ascontiguousarray(values, np.float64)
    if shape is not None:
        fits = len(shape) == values.ndim and all(want in (-1, have) for want, have in zip(shape, values.shape))
        if not fits:
            expected = "(" + ", ".join("any" if want == -1 else str(want) for want in shape) + ")"
            raise Error(Status.SHAPE_MISMATCH, f"{name} has shape {values.shape}: expected {expected}")
    return values
