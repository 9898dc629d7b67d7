"""Two-dimensional U(1) gauge theory: observables of link angles, and their exact values.

    links = numpy.zeros((2, 16, 16))              # links[mu, x_0, x_1]; other orders are views, as for every field
    layout = stoq.Layout.of(links, components=True)
    action = stoq.Action.u1(layout, beta)
    exact = stoq.u1.Exact(layout, beta)
    z = (mean - exact.wilson_loop(1, 1)) / error  # mean of stoq.u1.wilson_loop(layout, links, 1, 1)

Angles mean the same modulo 2 pi and need not be reduced.
"""

import ctypes

from ._library import Handle, call, library


def wilson_loop(layout, links, height, width):
    """Mean cosine of the loop of `height` links along axis 0 and `width` along axis 1; 1 x 1 is the plaquette."""
    return _read(library.stoq_u1_wilson_loop, *_field(layout, links), height, width)


def charge(layout, links):
    """The topological charge."""
    value = ctypes.c_int32()
    call(library.stoq_u1_charge, *_field(layout, links), ctypes.byref(value))
    return value.value


def polyakov_loop(layout, links, axis):
    """The mean Polyakov loop along `axis`, a complex number."""
    parts = ctypes.c_double(), ctypes.c_double()
    call(library.stoq_u1_polyakov_loop, *_field(layout, links), axis, *map(ctypes.byref, parts))
    return complex(*(part.value for part in parts))


class Exact(Handle):
    """Exact values on the lattice of a layout at one coupling."""

    _free = "stoq_u1_exact_free"

    def __init__(self, layout, beta):
        self._make(library.stoq_u1_exact_new, ctypes.byref(layout.struct), beta)

    def wilson_loop(self, height, width):
        """Mean of u1.wilson_loop."""
        return _read(library.stoq_u1_exact_wilson_loop, self.handle, height, width)

    def charge_squared(self):
        """Mean of the squared charge."""
        return _read(library.stoq_u1_exact_charge_squared, self.handle)

    def charge_probability(self, charge):
        """Probability of a charge."""
        return _read(library.stoq_u1_exact_charge_probability, self.handle, charge)

    def polyakov_square(self, axis):
        """Mean of the squared modulus of u1.polyakov_loop."""
        return _read(library.stoq_u1_exact_polyakov_square, self.handle, axis)


def _field(layout, links):
    return ctypes.byref(layout.struct), layout.address("links", links)


def _read(function, *arguments):
    value = ctypes.c_double()
    call(function, *arguments, ctypes.byref(value))
    return value.value
