# Two-dimensional U(1) gauge theory: observables of link angles, and their exact values.

"""
    Exact(layout, beta)

Exact values on the lattice of a layout at one coupling: `U1.wilson_loop(exact, height, width)`,
`U1.charge_squared(exact)`, `U1.charge_probability(exact, charge)`, `U1.polyakov_square(exact, axis)`.
"""
mutable struct Exact <: Handle{stoq_u1_exact_t}
    pointer::Ptr{stoq_u1_exact_t}
    Exact(layout::Layout, beta) = finalizer(close, new(make(stoq_u1_exact_t, stoq_u1_exact_new, layout, beta)))
end

free(pointer::Ptr{stoq_u1_exact_t}) = stoq_u1_exact_free(pointer)

"""
Observables of link angles and their exact values:

    links = zeros(16, 16, 2)                      # links[x, y, mu]; other orders are views, as for every field
    layout = Layout(links; components = true)
    action = u1_action(layout, beta)
    exact = Stoq.U1.Exact(layout, beta)
    z = (average - Stoq.U1.wilson_loop(exact, 1, 1)) / error      # average of Stoq.U1.wilson_loop(layout, links, 1, 1)

Angles mean the same modulo 2 pi and need not be reduced. Axes are numbered from 1.
"""
module U1

using ..Stoq: Exact, Layout, call, checked, stoq_u1_charge, stoq_u1_exact_charge_probability,
              stoq_u1_exact_charge_squared, stoq_u1_exact_polyakov_square, stoq_u1_exact_wilson_loop,
              stoq_u1_polyakov_loop, stoq_u1_wilson_loop

function number(function_, arguments...)
    value = Ref{Float64}(NaN)
    call(function_, arguments..., value)
    return value[]
end

"""Mean cosine of the loop of `height` links along axis 1 and `width` along axis 2; 1 x 1 is the plaquette."""
wilson_loop(layout::Layout, links, height, width) =
    number(stoq_u1_wilson_loop, layout, checked("links", layout, links), height, width)

"""Its exact mean."""
wilson_loop(exact::Exact, height, width) = number(stoq_u1_exact_wilson_loop, exact, height, width)

"""The topological charge."""
function charge(layout::Layout, links)
    value = Ref{Int32}(0)
    call(stoq_u1_charge, layout, checked("links", layout, links), value)
    return Int(value[])
end

"""The exact mean of the squared charge."""
charge_squared(exact::Exact) = number(stoq_u1_exact_charge_squared, exact)

"""The exact probability of a charge."""
charge_probability(exact::Exact, charge) = number(stoq_u1_exact_charge_probability, exact, charge)

"""The mean Polyakov loop along `axis`, 1 or 2."""
function polyakov_loop(layout::Layout, links, axis)
    real, imaginary = Ref{Float64}(NaN), Ref{Float64}(NaN)
    call(stoq_u1_polyakov_loop, layout, checked("links", layout, links), axis - 1, real, imaginary)
    return complex(real[], imaginary[])
end

"""The exact mean of its squared modulus."""
polyakov_square(exact::Exact, axis) = number(stoq_u1_exact_polyakov_square, exact, axis - 1)

end
