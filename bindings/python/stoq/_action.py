"""Actions: built in, or the host's own callables."""

import ctypes

from . import _abi
from ._library import Handle, call, guarded, library


class Action(Handle):
    """An action S: the target law is exp(-S) / Z."""

    _free = "stoq_action_free"

    def __init__(self, *_):
        raise TypeError("make an action with Action.phi4, toy, two_peak, three_peak, u1 or host")

    @classmethod
    def _new(cls, layout, function, *arguments):
        action = cls.__new__(cls)
        action.layout = layout
        action._thunks = ()
        action._make(function, ctypes.byref(layout.struct), *arguments)
        return action

    @classmethod
    def phi4(cls, layout, kappa, lambda_):
        """S = sum_x [ -2 kappa sum_mu phi(x) phi(x+mu) + (1 - 2 lambda) phi(x)^2 + lambda phi(x)^4 ]."""
        return cls._new(layout, library.stoq_action_phi4, kappa, lambda_)

    @classmethod
    def toy(cls, layout, mu2, g):
        """S = sum_x [ mu2/2 phi(x)^2 + g/24 phi(x)^4 ]."""
        return cls._new(layout, library.stoq_action_toy, mu2, g)

    @classmethod
    def two_peak(cls, layout, mu0, sigma0):
        """Two Gaussian peaks of width sigma0 at mu0 and -mu0, at every site."""
        return cls._new(layout, library.stoq_action_two_peak, mu0, sigma0)

    @classmethod
    def three_peak(cls, layout, radius, sigma0):
        """Three Gaussian peaks of width sigma0 on a circle, at every site; two components."""
        return cls._new(layout, library.stoq_action_three_peak, radius, sigma0)

    @classmethod
    def u1(cls, layout, beta):
        """U(1) gauge theory on link angles, S = -beta sum_P cos theta_P; two axes, two components."""
        return cls._new(layout, library.stoq_action_u1, beta)

    @classmethod
    def host(cls, layout, action, force=None, local_change=None):
        """An action that Python evaluates.

        action(field) returns S, force(field) an array of -dS/dphi in the field's shape, for HMC and Langevin moves
        along the force; local_change(field, index, value) returns S(changed field) - S(field), where field[index]
        becomes `value`, and makes local Metropolis fast.

        `field` is a read-only view in the layout, without a copy: *valid during the callback only*. NaN, infinity and
        ``raise Reject`` reject the move. Any other exception stops the call, and is raised from it as it is.
        """

        def call_action(_user, field, _values, result):
            ctypes.c_double.from_address(result).value = action(layout.view(field))

        def call_force(_user, field, _values, result):
            found = force(layout.view(field))
            # Broadcasting a force of another shape would be a wrong force without a word.
            if getattr(found, "shape", None) != layout.shape:
                shape = getattr(found, "shape", type(found).__name__)
                raise ValueError(f"force returned {shape}: expected an array of shape {layout.shape}")
            layout.view(result, write=True)[...] = found

        def call_local_change(_user, field, _values, offset, value, result):
            change = local_change(layout.view(field), layout.index(offset), value)
            ctypes.c_double.from_address(result).value = change

        thunk = _abi.ActionCallback(guarded(call_action))
        made = cls._new(layout, library.stoq_action_callback, thunk, None, _abi.Destructor())
        # They live as long as this object, which every chain made with it keeps.
        force_thunk = _abi.ForceCallback(guarded(call_force))
        change_thunk = _abi.LocalChangeCallback(guarded(call_local_change))
        made._thunks = (thunk, force_thunk, change_thunk)
        if force is not None:
            call(library.stoq_action_set_force, made.handle, force_thunk)
        if local_change is not None:
            call(library.stoq_action_set_local_change, made.handle, change_thunk)
        return made

    def evaluate(self, field):
        """S of a field in the layout of the action."""
        value = ctypes.c_double()
        address = self.layout.address("field", field)
        call(library.stoq_action_evaluate, self.handle, address, ctypes.byref(value))
        return value.value

    def force(self, field, out=None):
        """-dS/dphi of a field, into `out` (which may be `field`) or a new array."""
        out = self.layout.empty() if out is None else out
        address = self.layout.address("field", field)
        call(library.stoq_action_force, self.handle, address, self.layout.address("out", out, write=True))
        return out
