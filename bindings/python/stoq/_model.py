"""Score models, and what is read off them."""

import ctypes
import os

import numpy as np

from . import _abi
from ._field import Layout, contiguous
from ._library import Handle, Scheme, call, library, options


class Schedule:
    """A noise schedule; options: scheme, sigma, contraction, see stoq_schedule_t."""

    def __init__(self, **given):
        self.struct = options(_abi.Schedule, library.stoq_schedule_init, given)

    def __repr__(self):
        scheme = Scheme(self.struct.scheme).name
        return f"Schedule({scheme}, sigma={self.struct.sigma}, contraction={self.struct.contraction})"


def reference(schedule):
    """A pointer to a schedule, or None for the default one."""
    return None if schedule is None else ctypes.byref(schedule.struct)


class Model(Handle):
    """A score model. It never changes: several threads may use it at once."""

    _free = "stoq_model_free"

    def __init__(self, *_):
        raise TypeError("make a model with Model.load, open, from_memory, gaussian, free_field, toy, two_peak or three_peak")

    @classmethod
    def _new(cls, function, *arguments):
        model = cls.__new__(cls)
        model._make(function, *arguments)
        model.layout = model._read_layout()
        return model

    @classmethod
    def load(cls, path):
        """Reads a model file."""
        return cls._new(library.stoq_model_load, os.fsencode(path))

    @classmethod
    def open(cls, path, extents=(), covariance=None, device=None, runtime=None, **given):
        """Reads a model file with options: a network exported by another program, a device. The others by name, such as
        output=stoq.Output.NOISE: see stoq_model_open_options_t.
        """
        struct = options(_abi.OpenOptions, library.stoq_model_open_options_init, given)
        extents = tuple(int(extent) for extent in np.atleast_1d(extents))
        if len(extents) > 4 or any(extent < 1 for extent in extents):
            raise ValueError(f"extents = {extents}: expected up to four numbers of at least 1")
        struct.rank, struct.extents = len(extents), (ctypes.c_size_t * 4)(*extents)
        struct.device = None if device is None else str(device).encode()
        struct.runtime = None if runtime is None else os.fsencode(runtime)
        if covariance is not None:
            covariance = np.ascontiguousarray(covariance, dtype=np.float64)
            struct.covariance, struct.covariance_count = covariance.ctypes.data, covariance.size
        return cls._new(library.stoq_model_open_with, os.fsencode(path), ctypes.byref(struct))

    @classmethod
    def from_memory(cls, contents):
        """Reads a model from bytes that hold what a file holds."""
        contents = bytes(contents)
        return cls._new(library.stoq_model_from_memory, contents, len(contents))

    @classmethod
    def gaussian(cls, layout, covariance, schedule=None):
        """The model of Gaussian data; covariance[k] = <|phi_p|^2> at p_mu = 2 pi k_mu / extent_mu, of shape extents."""
        covariance = contiguous("covariance", covariance, layout.extents)
        struct, address = ctypes.byref(layout.struct), covariance.ctypes.data
        return cls._new(library.stoq_model_gaussian, struct, reference(schedule), address)

    @classmethod
    def free_field(cls, layout, kappa, schedule=None):
        """The model of the free field: C(p) = 1 / (2 - 4 kappa sum_mu cos p_mu)."""
        return cls._new(library.stoq_model_free_field, ctypes.byref(layout.struct), reference(schedule), kappa)

    @classmethod
    def toy(cls, layout, mu2, g, schedule=None):
        """The exact model of Action.toy."""
        return cls._new(library.stoq_model_toy, ctypes.byref(layout.struct), reference(schedule), mu2, g)

    @classmethod
    def two_peak(cls, layout, mu0, sigma0, schedule=None):
        """The exact model of Action.two_peak."""
        return cls._new(library.stoq_model_two_peak, ctypes.byref(layout.struct), reference(schedule), mu0, sigma0)

    @classmethod
    def three_peak(cls, layout, radius, sigma0, schedule=None):
        """The exact model of Action.three_peak."""
        return cls._new(library.stoq_model_three_peak, ctypes.byref(layout.struct), reference(schedule), radius, sigma0)

    def _read_layout(self):
        rank, components, extents = ctypes.c_uint32(), ctypes.c_uint32(), (ctypes.c_size_t * 4)()
        call(library.stoq_model_rank, self.handle, ctypes.byref(rank))
        call(library.stoq_model_extents, self.handle, extents)
        call(library.stoq_model_components, self.handle, ctypes.byref(components))
        return Layout(extents[: rank.value], components.value)

    def metadata(self, key="metadata"):
        """What a trained model says about itself, such as "schedule.scheme": a text, or JSON."""
        needed, key = ctypes.c_size_t(), key.encode()
        call(library.stoq_model_metadata, self.handle, key, None, 0, ctypes.byref(needed))
        text = ctypes.create_string_buffer(needed.value)
        call(library.stoq_model_metadata, self.handle, key, text, needed.value, None)
        return text.value.decode()

    def at(self, extents=(), **couplings):
        """The same network on other extents, and at other couplings that it was trained to see: at((32, 32), kappa=0.28).

        Without extents on the lattice as it is. See stoq_model_at().
        """
        extents, count = tuple(int(extent) for extent in np.atleast_1d(extents)), len(couplings)
        if any(extent < 1 for extent in extents):
            raise ValueError(f"extents = {extents}: expected numbers of at least 1")
        numbers = (ctypes.c_size_t * max(len(extents), 1))(*extents)
        names = (ctypes.c_char_p * max(count, 1))(*(name.encode() for name in couplings))
        values = (ctypes.c_double * max(count, 1))(*couplings.values())
        return Model._new(library.stoq_model_at, self.handle, len(extents), numbers, count, names, values)

    def save(self, path):
        """Writes a trained model to a file, whole or not at all."""
        call(library.stoq_model_save, self.handle, os.fsencode(path))

    def score(self, fields, times):
        """s(x, t) = grad_x log p_t(x) of fields of shape (batch, *layout.shape) at `batch` times in (0, 1]."""
        fields = contiguous("fields", fields, (-1, *self.layout.shape))
        times = contiguous("times", times, (len(fields),))
        scores = np.empty_like(fields)
        addresses = times.ctypes.data, fields.ctypes.data, scores.ctypes.data
        call(library.stoq_model_score, self.handle, len(fields), *addresses)
        return scores

    def likelihood(self, fields, **given):
        """log q of fields of shape (count, *layout.shape), and its errors; approximate, see stoq_likelihood()."""
        fields = contiguous("fields", fields, (-1, *self.layout.shape))
        struct = options(_abi.LikelihoodOptions, library.stoq_likelihood_options_init, given)
        density, error = np.empty(len(fields)), np.empty(len(fields))
        addresses = fields.ctypes.data, density.ctypes.data, error.ctypes.data
        call(library.stoq_likelihood, self.handle, ctypes.byref(struct), len(fields), *addresses)
        return density, error
