# Actions: built in, or the host's own functions.

"""The functions of a host, and the layout of the fields that they get."""
mutable struct Callbacks
    layout::Layout
    action::Any
    force::Any
    local_change::Any
end

"""
An action S: the target law is exp(-S) / Z. Made by [`host_action`](@ref), [`phi4_action`](@ref),
[`toy_action`](@ref), [`two_peak_action`](@ref), [`three_peak_action`](@ref) or [`u1_action`](@ref).
"""
mutable struct Action <: Handle{stoq_action_t}
    pointer::Ptr{stoq_action_t}
    layout::Layout
    # The library knows their address; every chain keeps its action.
    callbacks::Union{Callbacks, Nothing}
    Action(pointer, layout, callbacks = nothing) = finalizer(close, new(pointer, layout, callbacks))
end

"""
    phi4_action(layout, kappa, lambda)

S = sum_x [ -2 kappa sum_mu phi(x) phi(x+mu) + (1 - 2 lambda) phi(x)^2 + lambda phi(x)^4 ].
"""
phi4_action(layout, kappa, lambda) =
    Action(make(stoq_action_t, stoq_action_phi4, layout, kappa, lambda), layout)

"""
    toy_action(layout, mu2, g)

S = sum_x [ mu2/2 phi(x)^2 + g/24 phi(x)^4 ].
"""
toy_action(layout, mu2, g) = Action(make(stoq_action_t, stoq_action_toy, layout, mu2, g), layout)

"""
    two_peak_action(layout, mu0, sigma0)

Two Gaussian peaks of width sigma0 at mu0 and -mu0, at every site.
"""
two_peak_action(layout, mu0, sigma0) =
    Action(make(stoq_action_t, stoq_action_two_peak, layout, mu0, sigma0), layout)

"""
    three_peak_action(layout, radius, sigma0)

Three Gaussian peaks of width sigma0 on a circle, at every site; two components.
"""
three_peak_action(layout, radius, sigma0) =
    Action(make(stoq_action_t, stoq_action_three_peak, layout, radius, sigma0), layout)

"""
    u1_action(layout, beta)

U(1) gauge theory on link angles, S = -beta sum_P cos theta_P; two axes, two components. See [`Stoq.U1`](@ref).
"""
u1_action(layout, beta) = Action(make(stoq_action_t, stoq_action_u1, layout, beta), layout)

"""
    host_action(action, layout; force = nothing, local_change = nothing)

An action that Julia evaluates.

`action(field)` returns S. `force(out, field)` writes -dS/dphi into `out`, for HMC and Langevin moves along the
force. `local_change(field, index, value)` returns S(changed field) - S(field), where `field[index]` becomes `value`,
and makes local Metropolis fast.

`field` is a read-only array in the layout, without a copy: *valid during the callback only*. NaN, infinity and
`throw(Reject())` reject the move. Any other exception stops the call, and leaves it as itself.
"""
function host_action(action, layout::Layout; force = nothing, local_change = nothing)
    callbacks = Callbacks(layout, action, force, local_change)
    made = GC.@preserve callbacks begin
        address = stoq_action_callback_t_address()
        pointer = make(stoq_action_t, stoq_action_callback, layout, address, pointer_from_objref(callbacks), C_NULL)
        Action(pointer, layout, callbacks)
    end
    force === nothing || call(stoq_action_set_force, made, stoq_force_callback_t_address())
    local_change === nothing || call(stoq_action_set_local_change, made, stoq_local_change_callback_t_address())
    return made
end

host_action(layout::Layout, action; options...) =
    throw(ArgumentError("the function comes first: host_action(action, layout), or host_action(layout) do field ... end"))

# Nothing is left outside of `guarded`: what were thrown there would unwind through the library.

function action_callback(user, field, _, result)
    return guarded() do
        callbacks = unsafe_pointer_to_objref(user)::Callbacks
        unsafe_store!(result, convert(Float64, callbacks.action(FieldView{false}(callbacks.layout, field)))::Float64)
    end
end

function force_callback(user, field, _, result)
    return guarded() do
        callbacks = unsafe_pointer_to_objref(user)::Callbacks
        layout = callbacks.layout
        callbacks.force(FieldView{true}(layout, result), FieldView{false}(layout, field))
    end
end

function local_change_callback(user, field, _, offset, value, result)
    return guarded() do
        callbacks = unsafe_pointer_to_objref(user)::Callbacks
        layout = callbacks.layout
        change = callbacks.local_change(FieldView{false}(layout, field), field_index(layout, offset), value)
        unsafe_store!(result, convert(Float64, change)::Float64)
    end
end

"""
    evaluate(action, field)

S of a field in the layout of the action.
"""
function evaluate(action::Action, field)
    value = Ref{Float64}(NaN)
    call(stoq_action_evaluate, action, checked("field", action.layout, field), value)
    return value[]
end

"""
    force!(out, action, field)

Writes -dS/dphi into `out`, an array in the layout of the action, which may be `field`; returns `out`.
"""
function force!(out, action::Action, field)
    call(stoq_action_force, action, checked("field", action.layout, field), checked("out", action.layout, out))
    return out
end
