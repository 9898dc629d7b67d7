"""Tools that do not sample exp(-S)/Z exactly, and what is measured."""

import ctypes
from typing import NamedTuple

import numpy as np

from . import _abi
from ._field import contiguous
from ._library import Handle, Symmetry, call, library, options
from ._model import reference


class Generator(Handle):
    """Draws independent samples of the law of a model; *approximate*. Options as in stoq_generator_options_t."""

    _free = "stoq_generator_free"

    def __init__(self, model, action=None, times=None, **given):
        if times is not None:
            times = contiguous("times", times, (-1,))
            given = {"levels": len(times), **given, "times": times.ctypes.data}
            if given["levels"] != len(times):
                raise ValueError(f"levels = {given['levels']} and {len(times)} times: expected one number")
        struct = options(_abi.GeneratorOptions, library.stoq_generator_options_init, given)
        self.layout = model.layout
        self._kept = (action, model)
        handle = None if action is None else action.handle
        self._make(library.stoq_generator_new, model.handle, handle, ctypes.byref(struct))

    def generate(self, first, count, log_weights=False):
        """Samples first, ..., first + count - 1 as an array of shape (count, *layout.shape). With log_weights also
        log w + S of each, from which the caller subtracts the action."""
        if first < 0 or count < 1:
            raise ValueError(f"first = {first}, count = {count}: expected first >= 0 and count >= 1")
        fields = np.empty((count, *self.layout.shape))
        weights = np.empty(count) if log_weights else None
        address = weights.ctypes.data if log_weights else None
        call(library.stoq_generator_generate, self.handle, first, count, fields.ctypes.data, address)
        return (fields, weights) if log_weights else fields


class CumulantEstimate(NamedTuple):
    """kappa_1 to kappa_8, their standard errors, and the correlations of neighbouring bins."""

    values: np.ndarray
    errors: np.ndarray
    bin_correlation: np.ndarray


class Cumulants(Handle):
    """Cumulants kappa_1 to kappa_8 of a real variable, streaming."""

    _free = "stoq_cumulants_free"

    def __init__(self, bins=64):
        self._make(library.stoq_cumulants_new, bins)

    def push(self, values):
        """Adds the values of one configuration, of any shape."""
        values = contiguous("values", values)
        call(library.stoq_cumulants_push, self.handle, values.size, values.ctypes.data)

    def merge(self, other):
        """Adds all that another accumulator holds, taken to be independent."""
        call(library.stoq_cumulants_merge, self.handle, other.handle)

    def estimate(self, symmetry=Symmetry.NONE):
        """The cumulants of all values so far, kappa_r at index r - 1, with jackknife errors."""
        found = CumulantEstimate(np.empty(8), np.empty(8), np.empty(8))
        call(library.stoq_cumulants_estimate, self.handle, symmetry, *(array.ctypes.data for array in found))
        return found


class ComplexLangevin(Handle):
    """The complex Langevin process of S(z) = sigma0/2 z^2 + lambda/4 z^4, sigma0 complex, at `sites` sites. *Not
    exact*. Options as in stoq_complex_langevin_options_t."""

    _free = "stoq_complex_langevin_free"

    def __init__(self, sigma0, lambda_, sites, **given):
        struct = options(_abi.ComplexLangevinOptions, library.stoq_complex_langevin_options_init, given)
        sigma0, self.sites = complex(sigma0), sites
        numbers = sigma0.real, sigma0.imag, lambda_, sites
        self._make(library.stoq_complex_langevin_new, *numbers, ctypes.byref(struct))
        self._parts = np.empty((2, sites))

    def next(self):
        """Follows the process for one interval; z = x + i y of all sites."""
        call(library.stoq_complex_langevin_next, self.handle, self._parts.ctypes.data)
        return self._parts[0] + 1j * self._parts[1]


class FokkerPlanck:
    """The density of one variable under the forward process and under a model's backward process, without noise.
    Options as in stoq_fokker_planck_options_t."""

    def __init__(self, schedule=None, **given):
        self._schedule = schedule
        self._struct = options(_abi.FokkerPlanckOptions, library.stoq_fokker_planck_options_init, given)

    def points(self, time):
        """The centres of the cells at one time."""
        points = np.empty(self._struct.cells)
        addresses = reference(self._schedule), ctypes.byref(self._struct)
        call(library.stoq_fokker_planck_points, *addresses, time, points.ctypes.data)
        return points

    def forward(self, density, start, end):
        """A density at the points of time `start`, carried to a later time `end`; of mass 1."""
        return self._carry(library.stoq_fokker_planck_forward, reference(self._schedule), density, start, end)

    def backward(self, model, density, start, end):
        """A density at the points of time `start`, carried back to `end` by the backward process of a model."""
        return self._carry(library.stoq_fokker_planck_backward, model.handle, density, start, end)

    def _carry(self, function, owner, density, start, end):
        density = contiguous("density", density, (self._struct.cells,))
        result = np.empty_like(density)
        call(function, owner, ctypes.byref(self._struct), start, end, density.ctypes.data, result.ctypes.data)
        return result
