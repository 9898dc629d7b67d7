"""Exactly corrected diffusion-model updates for lattice field theory: the C library libstoq from Python.

    import numpy, stoq

    phi = numpy.zeros((16, 16))
    layout = stoq.Layout.of(phi)
    action = stoq.Action.host(layout, my_action, my_force)
    hmc = stoq.Chain(layout, action=action, kernel=stoq.Kernel.HMC)
    path = stoq.Chain(layout, action=action, model=stoq.Model.load("model.onnx"), chain=1)
    for update in range(updates):
        hmc.step(phi)
        path.step(phi)          # in place; then measure phi

What stoq.h says holds here, and Layout says how a field is an array. Results do not depend on threads, strides or
language. Calls that fail raise Error, and have changed nothing; an exception in a callback comes back as itself.
A chain, generator or accumulator has one caller at a time; a Model may be used by several threads.

The library is looked for at $STOQ_LIBRARY, beside this package, in ../../target/release, and on the system.
"""

from . import u1
from ._action import Action
from ._approximate import ComplexLangevin, CumulantEstimate, Cumulants, FokkerPlanck, Generator
from ._chain import Chain, Statistics
from ._field import Layout
from ._library import (
    Channels,
    Coordinates,
    Correction,
    Drift,
    Ending,
    Engine,
    Error,
    FieldKind,
    Grid,
    Integrator,
    Kernel,
    LibraryError,
    Method,
    Output,
    Reject,
    Scheme,
    Size,
    StatisticsMethod,
    Status,
    Steps,
    Symmetry,
    Time,
    Trace,
    TwoSample,
    version,
)
from ._model import Model, Schedule
from ._statistics import Estimate, Histogram, Report, TwoSampleTest, estimate, histogram, two_sample
from ._trainer import Trainer, TrainReport
from .export import export

__all__ = [name for name in dir() if not name.startswith("_")]
