# phi^4 as a host of the tests computes it, with a switch for what goes wrong.

const KAPPA, LAMBDA = 0.2, 0.022

"""The host's action, with a switch for what goes wrong."""
mutable struct Phi4
    lambda::Float64
    fault::Any
    place::Symbol
end

Phi4(lambda = 0.0) = Phi4(lambda, nothing, :action)

fail(host, place) = host.fault !== nothing && place == host.place && throw(host.fault)
potential(host, phi) = (1 - 2 * host.lambda) * phi^2 + host.lambda * phi^4

function action_of(host, phi)
    fail(host, :action)
    return sum(potential.(Ref(host), phi) .- KAPPA .* phi .* neighbours(phi))
end

function force_of!(out, host, phi)
    fail(host, :force)
    out .= 2 .* KAPPA .* neighbours(phi) .- 2 * (1 - 2 * host.lambda) .* phi .- 4 * host.lambda .* phi .^ 3
end

function change_of(host, phi, index, value)
    fail(host, :local_change)
    near(axis, step) = phi[ntuple(a -> mod1(index[a] + (a == axis ? step : 0), size(phi, a)), ndims(phi))...]
    around = sum(near(axis, step) for axis in 1:ndims(phi), step in (1, -1))
    return potential(host, value) - potential(host, phi[index]) - 2 * KAPPA * (value - phi[index]) * around
end

on(host, layout) = host_action(
    phi -> action_of(host, phi), layout;
    force = (out, phi) -> force_of!(out, host, phi), local_change = (phi, index, value) -> change_of(host, phi, index, value),
)
