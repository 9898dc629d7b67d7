"""Reports on streams of configurations, and statistics of series."""

import ctypes
import json
from typing import NamedTuple

import numpy as np

from . import _abi
from ._field import contiguous
from ._library import Error, Handle, Status, TwoSample, call, guarded, library, options


class Estimate(NamedTuple):
    """As stoq_estimate_t; what does not apply is NaN."""

    value: float
    error: float
    error_of_error: float
    tau_int: float
    tau_int_error: float
    window: float
    window_closed: float
    bin_correlation: float
    low: float
    high: float
    argument: float
    exact: float
    z: float

    @classmethod
    def _of(cls, function, *arguments):
        struct = _abi.Estimate()
        call(library.stoq_estimate_init, ctypes.byref(struct))
        call(function, *arguments, ctypes.byref(struct))
        return cls(*(getattr(struct, name) for name in cls._fields))


class Report(Handle):
    """A report on a stream of configurations: every observable with error, tau_int and window, without keeping them.

    `names` are observables that the caller measures: as many numbers come with every configuration. Options as in
    stoq_report_options_t.
    """

    _free = "stoq_report_free"

    def __init__(self, layout, names=(), **given):
        struct = options(_abi.ReportOptions, library.stoq_report_options_init, given)
        self.layout, self.names = layout, tuple(names)
        text = ",".join(self.names).encode()
        self._make(library.stoq_report_new, ctypes.byref(layout.struct), ctypes.byref(struct), text)

    def push(self, field, own=()):
        """Adds the next configuration of the chain, and the caller's observables in the order of their names."""
        own = contiguous("own", own, (len(self.names),))
        call(library.stoq_report_push, self.handle, self.layout.address("field", field), own.ctypes.data)

    def push_many(self, fields, own=None):
        """Adds configurations of the chain, an array of shape (count, *layout.shape), and own of shape (count, names)."""
        fields = contiguous("fields", fields, (-1, *self.layout.shape))
        own = np.empty((len(fields), 0)) if own is None else own
        own = contiguous("own", own, (len(fields), len(self.names)))
        call(library.stoq_report_push_many, self.handle, len(fields), fields.ctypes.data, own.ctypes.data)

    def end_chain(self):
        """The next configuration belongs to another chain."""
        call(library.stoq_report_end_chain, self.handle)

    def merge(self, other):
        """Adds all that another report holds, of other chains."""
        call(library.stoq_report_merge, self.handle, other.handle)

    def set_exact(self, name, exact):
        """Says what an observable should be: its estimate then has z."""
        call(library.stoq_report_set_exact, self.handle, name.encode(), exact)

    def __getitem__(self, name):
        """One observable over all configurations so far, an Estimate."""
        return Estimate._of(library.stoq_report_observable, self.handle, name.encode())

    def json(self):
        """Everything, as what json.loads makes of it."""
        return json.loads(self._text(library.stoq_report_json))

    def __str__(self):
        """A table to read."""
        return self._text(library.stoq_report_text)

    def _text(self, function):
        needed = ctypes.c_size_t()
        call(function, self.handle, None, 0, ctypes.byref(needed))
        text = ctypes.create_string_buffer(needed.value)
        call(function, self.handle, text, needed.value, None)
        return text.value.decode()


class _Series:
    """Series for the library: one array of shape (observables, length) or (length,), or a list of one for each chain."""

    def __init__(self, series):
        chains = series if isinstance(series, list) else [series]
        chains = [np.atleast_2d(np.asarray(chain, np.float64)) for chain in chains]
        counts = {len(chain) for chain in chains if chain.ndim == 2}
        if not chains or len(counts) != 1 or any(chain.ndim != 2 for chain in chains):
            shapes = [chain.shape for chain in chains]
            raise Error(Status.SHAPE_MISMATCH, f"series have shapes {shapes}: expected (length,) or (observables, length)")
        self.observables = counts.pop()
        self.values = np.ascontiguousarray(np.concatenate(chains, axis=1))
        self.lengths = np.array([chain.shape[1] for chain in chains], np.uintp)

    @property
    def chains(self):
        return len(self.lengths), self.lengths.ctypes.data


def estimate(series, function=None, **given):
    """The mean of an observable, or function(means) of several, over one chain or several, as an Estimate.

    `series` is an array of shape (length,), with a function (observables, length), or a list of such, one for each chain.
    Options as in stoq_statistics_options_t: method=StatisticsMethod.JACKKNIFE. What the function raises is raised.
    """
    series = _Series(series)
    struct = options(_abi.StatisticsOptions, library.stoq_statistics_options_init, given)

    def call_function(_user, means, count, value):
        means = np.ctypeslib.as_array((ctypes.c_double * count).from_address(means)).copy()
        ctypes.c_double.from_address(value).value = function(means)

    thunk = _abi.FunctionCallback() if function is None else _abi.FunctionCallback(guarded(call_function))
    arguments = *series.chains, series.observables, series.values.ctypes.data, thunk, None
    return Estimate._of(library.stoq_statistics_estimate, ctypes.byref(struct), *arguments)


class Histogram(NamedTuple):
    """Share of the values in each cell, its error, and how many independent values would know the cells as well."""

    probabilities: np.ndarray
    errors: np.ndarray
    effective_values: float


def _one(series):
    found = _Series(series)
    if found.observables != 1:
        raise Error(Status.SHAPE_MISMATCH, f"series of {found.observables} observables: expected one")
    return found


def histogram(series, edges):
    """The histogram of an observable over one chain, or a list of chains; one cell less than edges, which ascend."""
    series, edges = _one(series), contiguous("edges", edges, (-1,))
    cells = max(len(edges) - 1, 0)
    probabilities, errors, effective = np.empty(cells), np.empty(cells), ctypes.c_double()
    addresses = edges.ctypes.data, probabilities.ctypes.data, errors.ctypes.data, ctypes.byref(effective)
    call(library.stoq_statistics_histogram, *series.chains, series.values.ctypes.data, cells, *addresses)
    return Histogram(probabilities, errors, effective.value)


class TwoSampleTest(NamedTuple):
    """The statistic, and the probability of one as large or larger if the laws are the same."""

    statistic: float
    p_value: float


def two_sample(first, second, edges=None):
    """Whether two samples, each a chain or a list of chains, have the same law: by the test of Kolmogorov and Smirnov,
    with edges by chi^2 of two histograms."""
    first, second = _one(first), _one(second)
    test = TwoSample.KOLMOGOROV if edges is None else TwoSample.CHI_SQUARED
    edges = contiguous("edges", [] if edges is None else edges, (-1,))
    statistic, p_value = ctypes.c_double(), ctypes.c_double()
    samples = *first.chains, first.values.ctypes.data, *second.chains, second.values.ctypes.data
    cells = max(len(edges) - 1, 0), edges.ctypes.data
    call(library.stoq_statistics_two_sample, test, *samples, *cells, ctypes.byref(statistic), ctypes.byref(p_value))
    return TwoSampleTest(statistic.value, p_value.value)
