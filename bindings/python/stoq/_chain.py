"""Exact updates of a field that the host owns."""

import ctypes
from typing import NamedTuple

from . import _abi
from ._field import Layout
from ._library import Error, Handle, Status, call, library, options


class Statistics(NamedTuple):
    """Counters of a chain since it was frozen, see stoq_chain_statistics_t."""

    steps: int
    accepted: int
    non_finite: int
    score_evaluations: int
    proposals: int


class Chain(Handle):
    """An update of a Markov chain. All kernels but LANGEVIN leave exp(-S)/Z exactly invariant, whatever the model.

    Chain(layout, action=..., model=..., kernel=Kernel.PATH, seed=1, ...): `layout` is a Layout, or an array whose
    layout it takes; the rest are the options of stoq_chain_options_t. Without an action the host decides itself, by
    propose and resolve. One chain after the other on the same field is exact again; give each a number, ``chain=``.
    """

    _free = "stoq_chain_free"

    def __init__(self, layout, action=None, model=None, **given):
        self.layout = layout if isinstance(layout, Layout) else Layout.of(layout)
        struct = options(_abi.ChainOptions, library.stoq_chain_options_init, given)
        # The library shares its own part of them; the callables of an action live in Python.
        self._kept = (action, model)
        handles = [None if kept is None else kept.handle for kept in (model, action)]
        self._make(library.stoq_chain_new, *handles, ctypes.byref(self.layout.struct), ctypes.byref(struct))
        self._outcome, self._number = ctypes.c_int32(), ctypes.c_double()
        self._to_outcome, self._to_number = ctypes.byref(self._outcome), ctypes.byref(self._number)

    def step(self, field):
        """One update of the field in place. True: accepted; False: rejected, and not written."""
        address = self.layout.address("field", field, write=True)
        call(library.stoq_chain_step, self.handle, address, self._to_outcome)
        return self._outcome.value == 1

    def propose(self, field, proposal):
        """Writes a proposal into an array of the same layout; returns log_hastings, everything in the acceptance but
        the action: min(1, exp(log_hastings - delta_action))."""
        addresses = self.layout.address("field", field), self.layout.address("proposal", proposal, write=True)
        call(library.stoq_chain_propose, self.handle, *addresses, self._to_number)
        return self._number.value

    def resolve(self, delta_action, field):
        """Decides by delta_action = S(proposal) - S(field). True: the field is the proposal now."""
        address = self.layout.address("field", field, write=True)
        call(library.stoq_chain_resolve, self.handle, delta_action, address, self._to_outcome)
        return self._outcome.value == 1

    def freeze(self):
        """Ends the warm-up of a chain made with warm_up=1. Freeze before you measure."""
        call(library.stoq_chain_freeze, self.handle)

    @property
    def is_frozen(self):
        """Whether warm-up is over."""
        frozen = ctypes.c_int32()
        call(library.stoq_chain_is_frozen, self.handle, ctypes.byref(frozen))
        return frozen.value == 1

    @property
    def move_size(self):
        """The size of the moves, which warm-up tunes; 0 for a kernel with nothing to tune."""
        size = ctypes.c_double()
        call(library.stoq_chain_move_size, self.handle, ctypes.byref(size))
        return size.value

    @property
    def statistics(self):
        """Counters since the chain was frozen."""
        struct = _abi.ChainStatistics()
        call(library.stoq_chain_statistics_init, ctypes.byref(struct))
        call(library.stoq_chain_statistics, self.handle, ctypes.byref(struct))
        return Statistics(*(getattr(struct, name) for name in Statistics._fields))

    def save(self):
        """The whole state, as bytes with version and checksum."""
        needed = ctypes.c_size_t()
        call(library.stoq_chain_save, self.handle, None, 0, ctypes.byref(needed))
        state = ctypes.create_string_buffer(needed.value)
        call(library.stoq_chain_save, self.handle, state, needed.value, None)
        return state.raw

    def load(self, state):
        """Goes on from a saved state, to the same bits; the host restores its field itself."""
        state = bytes(state)
        if not state:
            raise Error(Status.CHAIN_STATE, "state is empty: give the bytes that save() returned")
        call(library.stoq_chain_load, self.handle, state, len(state))
