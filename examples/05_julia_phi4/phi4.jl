# Hybrid Monte Carlo of two-dimensional lattice phi^4 theory in Julia, without and with stoq.
#
# The host has its own array, action, force and trajectories; what belongs to stoq is marked "stoq:". It prints
# averages of both runs beside reference values, with errors by the Gamma method, and compares autocorrelations.
# Exit status 0: all |z| <= 4; 1: not; 2: wrong arguments.
#
#     julia --project=../../bindings/julia phi4.jl MODEL.onnx [--trajectories N] [--stoq-updates N] [--levels N]

using Printf, Statistics
using Stoq                                  # stoq: the only package

const EXTENT, KAPPA, LAMBDA = 16, 0.27, 0.022

# ---------------------------------------------------------------------------------------------------------------------
# Random numbers of the host: xoshiro256** (Blackman and Vigna, 2018), for `rand` of Julia changes with its version.

mutable struct Generator256
    s::NTuple{4, UInt64}
end

function Generator256(seed::Integer)
    state = UInt64(seed)
    function splitmix()
        z = (state += 0x9e3779b97f4a7c15)
        z = (z ⊻ (z >> 30)) * 0xbf58476d1ce4e5b9
        z = (z ⊻ (z >> 27)) * 0x94d049bb133111eb
        return z ⊻ (z >> 31)
    end
    return Generator256(ntuple(_ -> splitmix(), 4))
end

"""Uniform in (0, 1]."""
function uniform!(generator)
    a, b, c, d = generator.s
    result = bitrotate(b * 5, 7) * 9
    shifted = b << 17
    c, d = c ⊻ a, d ⊻ b
    b, a = b ⊻ c, a ⊻ d
    generator.s = (a, b, c ⊻ shifted, bitrotate(d, 45))
    return ((result >> 11) + 1) * 2.0^-53
end

normal!(generator) = sqrt(-2 * log(uniform!(generator))) * cos(2 * pi * uniform!(generator))

# ---------------------------------------------------------------------------------------------------------------------
# The theory. Site (x, y) is phi[x, y], periodic in both directions; the first index is the fastest in memory.

next(x) = x == EXTENT ? 1 : x + 1
previous(x) = x == 1 ? EXTENT : x - 1

function action(phi)
    hopping = potential = 0.0
    @inbounds for y in 1:EXTENT, x in 1:EXTENT
        square = phi[x, y]^2
        hopping += phi[x, y] * (phi[next(x), y] + phi[x, next(y)])
        potential += square * (1 - 2 * LAMBDA + LAMBDA * square)
    end
    return potential - 2 * KAPPA * hopping
end

"""-dS/dphi, into `force`."""
function force!(force, phi)
    @inbounds for y in 1:EXTENT, x in 1:EXTENT
        near = phi[next(x), y] + phi[previous(x), y] + phi[x, next(y)] + phi[x, previous(y)]
        force[x, y] = 2 * KAPPA * near - phi[x, y] * (2 * (1 - 2 * LAMBDA) + 4 * LAMBDA * phi[x, y]^2)
    end
    return force
end

"""The host: its field, and S(phi) beside it, so that a trajectory evaluates it once."""
mutable struct Host
    generator::Generator256
    phi::Matrix{Float64}
    action::Float64
end

function Host(seed)
    generator = Generator256(seed)
    phi = [normal!(generator) for _ in 1:EXTENT, _ in 1:EXTENT]
    return Host(generator, phi, action(phi))
end

"""One leapfrog trajectory of length 1 with Metropolis step; whether it is accepted."""
function trajectory!(host; steps = 6)
    step, phi = 1 / steps, copy(host.phi)
    momentum, kick = [normal!(host.generator) for _ in 1:EXTENT, _ in 1:EXTENT], similar(phi)
    before = host.action + sum(abs2, momentum) / 2
    phi .+= step / 2 .* momentum
    for i in 1:steps
        momentum .+= step .* force!(kick, phi)
        phi .+= (i < steps ? step : step / 2) .* momentum
    end
    proposed = action(phi)
    uniform!(host.generator) <= exp(before - proposed - sum(abs2, momentum) / 2) || return false
    host.phi .= phi
    host.action = proposed
    return true
end

# ---------------------------------------------------------------------------------------------------------------------
# A run, and its errors.

"""|M| after each update, and both acceptances. `chain`: nothing for HMC alone."""
function sample(host, updates, chain = nothing)
    foreach(_ -> trajectory!(host), 1:2000)
    magnetisation, accepted, accepted_by_stoq = zeros(updates), 0, 0
    for update in 1:updates
        accepted += trajectory!(host)
        if chain !== nothing && step!(chain, host.phi)          # stoq: the update
            host.action = action(host.phi)                      # stoq: phi is new, so S is too
            accepted_by_stoq += 1
        end
        magnetisation[update] = abs(sum(host.phi)) / length(host.phi)
    end
    return magnetisation, accepted / updates, accepted_by_stoq / updates
end

"""Mean, its error and tau_int of a series: U. Wolff, Comput. Phys. Commun. 156 (2004) 143."""
function gamma_method(series)
    n, fluctuation = length(series), series .- mean(series)
    variance = mean(abs2, fluctuation)
    tau, window = 0.5, 0
    while (window += 1) < n ÷ 2
        tau += sum(fluctuation[i] * fluctuation[i + window] for i in 1:(n - window)) / ((n - window) * variance)
        decay = tau > 0.55 ? 1.5 / log((2 * tau + 1) / (2 * tau - 1)) : 0.5
        exp(-window / decay) < decay / sqrt(window * n) && break
    end
    tau *= 1 + (2 * window + 1) / n
    return (value = mean(series), error = sqrt(2 * tau * variance / n), tau = tau)
end

# Metropolis and Wolff cluster updates; chi = V <M^2>.
const REFERENCE = [("<|M|>", m -> m, 0.7632986, 0.0022), ("chi", m -> EXTENT^2 * m^2, 173.2691, 0.81)]

function report(name, (magnetisation, hmc, stoq))
    @printf("%s: %d updates, HMC acceptance %.3f", name, length(magnetisation), hmc)
    stoq > 0 && @printf(", stoq acceptance %.3f", stoq)
    @printf("\n")
    consistent = true
    for (observable, of, exact, exact_error) in REFERENCE
        found = gamma_method(of.(magnetisation))
        z = (found.value - exact) / hypot(found.error, exact_error)
        consistent &= abs(z) <= 4
        @printf("  %-6s %9.4f +- %7.4f   reference %9.4f +- %6.4f   z %+.2f   tau_int %6.2f\n", observable,
                found.value, found.error, exact, exact_error, z, found.tau)
    end
    return consistent
end

function main(arguments)
    numbers = Dict("--trajectories" => 40000, "--stoq-updates" => 1000, "--levels" => 20)
    known = length(arguments) >= 1 && isodd(length(arguments)) && all(flag -> haskey(numbers, flag), arguments[2:2:end])
    if !known || any(text -> something(tryparse(Int, text), 0) < 1, arguments[3:2:end])
        println(stderr, "usage: phi4.jl MODEL.onnx [--trajectories N] [--stoq-updates N] [--levels N]")
        return 2
    end
    foreach(i -> numbers[arguments[i]] = parse(Int, arguments[i + 1]), 2:2:(length(arguments) - 1))

    plain = report("HMC", sample(Host(1), numbers["--trajectories"]))
    host = Host(2)
    layout = Layout(host.phi)                                   # stoq: how phi lies in memory
    chain = Chain(layout; action = host_action(action, layout), model = Model(arguments[1]), levels = numbers["--levels"])
    with_stoq = report("HMC + stoq", sample(host, numbers["--stoq-updates"], chain))
    return plain && with_stoq ? 0 : 1
end

exit(main(ARGS))
