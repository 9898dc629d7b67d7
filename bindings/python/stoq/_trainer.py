"""Training by a host while its chain runs."""

import ctypes
import os
from typing import NamedTuple

from . import _abi
from ._field import Layout
from ._library import Error, Handle, Status, call, guarded, library, options
from ._model import Model


class TrainReport(NamedTuple):
    """How far a training is, see stoq_train_report_t."""

    step: int
    steps: int
    loss: float
    validation: float
    rate: float
    finished: bool

    @classmethod
    def _of(cls, struct):
        *numbers, finished = (getattr(struct, name) for name in cls._fields)
        return cls(*numbers, bool(finished))


class _Ended(BaseException):
    """`progress` returned False."""


class Trainer(Handle):
    """A training whose configurations come from the host's chain while that runs.

    Trainer(layout, action=None, steps=20000, size=Size.SMALL, ...): `layout` is a Layout, or an array whose layout it
    takes; the rest are the options of stoq_train_options_t, ``channels`` a tuple. A built-in action's force makes the
    training several times more accurate; one of Action.host is refused.
    """

    _free = "stoq_trainer_free"

    def __init__(self, layout, action=None, **given):
        self.layout = layout if isinstance(layout, Layout) else Layout.of(layout)
        if "channels" in given:
            given["channels"] = tuple(given["channels"])
            if len(given["channels"]) > 4 or not all(0 < count < 2**32 for count in given["channels"]):
                raise ValueError(f"channels = {given['channels']}: expected up to four positive numbers")
        struct = options(_abi.TrainOptions, library.stoq_train_options_init, given)
        handle = None if action is None else action.handle
        self._make(library.stoq_trainer_new, ctypes.byref(self.layout.struct), handle, ctypes.byref(struct))

    def push(self, field):
        """Adds a configuration, copied. Push in the order of the chain, after it has thermalised."""
        call(library.stoq_trainer_push, self.handle, self.layout.address("field", field))

    @property
    def configurations(self):
        """Configurations pushed so far."""
        found = ctypes.c_size_t()
        call(library.stoq_trainer_configurations, self.handle, ctypes.byref(found))
        return found.value

    def fit(self, steps, progress=None):
        """Takes up to `steps` steps on all configurations so far, of which there must be 32; returns a TrainReport.

        `progress` gets a TrainReport after every step; False ends the fit, an exception leaves it as itself. Steps
        that were taken stay taken.
        """
        if not 0 <= steps.__index__() < 2**64:
            raise ValueError(f"steps = {steps}: expected a number of 64 bits")
        report = _abi.TrainReport()
        call(library.stoq_train_report_init, ctypes.byref(report))

        def call_progress(_user, pointer):
            if progress(TrainReport._of(pointer.contents)) is False:
                raise _Ended

        thunk = _abi.ProgressCallback() if progress is None else _abi.ProgressCallback(guarded(call_progress))
        try:
            call(library.stoq_trainer_fit, self.handle, steps, thunk, None, ctypes.byref(report))
        except _Ended:
            call(library.stoq_trainer_fit, self.handle, 0, _abi.ProgressCallback(), None, ctypes.byref(report))
        return TrainReport._of(report)

    def model(self):
        """The model as it is now; chains refuse it, for it still adapts."""
        return Model._new(library.stoq_trainer_model, self.handle)

    def finish(self):
        """The finished model, for chains."""
        return Model._new(library.stoq_trainer_finish, self.handle)

    def save(self, path):
        """Writes the finished model to a file, whole or not at all."""
        call(library.stoq_trainer_save, self.handle, os.fsencode(path))

    def checkpoint(self):
        """The whole state with its configurations, as bytes with version and checksum."""
        needed = ctypes.c_size_t()
        call(library.stoq_trainer_checkpoint, self.handle, None, 0, ctypes.byref(needed))
        state = ctypes.create_string_buffer(needed.value)
        call(library.stoq_trainer_checkpoint, self.handle, state, needed.value, None)
        return state.raw

    def restore(self, state):
        """Goes on from a saved state of the same lattice, action and options, to the same bits."""
        state = bytes(state)
        if not state:
            raise Error(Status.INVALID_ARGUMENT, "state is empty: give the bytes that checkpoint() returned")
        call(library.stoq_trainer_restore, self.handle, state, len(state))
