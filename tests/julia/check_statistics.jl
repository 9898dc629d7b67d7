# Reports on streams of configurations, and statistics of series.
#
# Run by tests/julia_binding.rs with the package on the load path and STOQ_LIBRARY set. Five z-values at 4 sigma, seeds fixed.

include("checks.jl")

mutable struct Noise
    state::UInt64
end

"""Sums of 12 uniforms: variance 1."""
function next!(noise::Noise)
    total = -6.0
    for _ in 1:12
        noise.state = noise.state * 6364136223846793005 + 1442695040888963407
        total += (noise.state >> 11) / 2.0^53
    end
    return total
end

function reports()
    noise, count = Noise(1), 2000
    fields = [next!(noise) for _ in 1:4, _ in 1:6, _ in 1:count]
    own = fields[1, 1, :]
    layout = Layout(4, 6)
    make() = Report(layout; names = ["first"], symmetry = STOQ_SYMMETRY_EVEN, threads = 2)
    whole, part, other = make(), make(), make()
    push_many!(whole, fields[:, :, 1:(count ÷ 2)], own[1:(count ÷ 2)])
    end_chain!(whole)
    push_many!(whole, fields[:, :, (count ÷ 2 + 1):end], own[(count ÷ 2 + 1):end])
    foreach(k -> push!(k <= count ÷ 2 ? part : other, fields[:, :, k], own[k:k]), 1:count)
    merge!(part, other)
    set_exact!(whole, "chi2", 1)
    chi2, first = whole["chi2"], whole["first"]
    check(abs(chi2.z) < 4 && isnan(first.z) && abs(first.value) < 4 * first.error)
    check(abs(chi2.error - part["chi2"].error) < 1e-10 && abs(chi2.tau_int - 0.5) < 0.1)
    # Slices of the layout's first axis, of 4 sites.
    check(whole["C_2"].argument == 2 && occursin("\"chains\":2", Stoq.json(whole)))
    check(startswith(string(whole), "2000 configurations in 2 chains"))
    throws(() -> whole["nothing"], StoqError, "name")
    throws(() -> push!(whole, fields[:, :, 1]), StoqError, "own")
    throws(() -> Report(layout; symmetry = STOQ_KERNEL_HMC), ArgumentError, "symmetry")
end

function series()
    noise, a, count = Noise(3), 2 / 3, 3000
    function chain()
        x = [next!(noise)]
        foreach(_ -> push!(x, a * x[end] + sqrt(1 - a^2) * next!(noise)), 2:count)
        return x
    end
    x = [chain(), chain()]
    mean = estimate(x)
    check(abs(mean.value) < 4 * mean.error && abs(mean.tau_int - 2.5) < 4 * mean.tau_int_error)
    exact = sqrt(2 / (2 * count) * (1 + a^2) / (1 - a^2))
    for method in (STOQ_STATISTICS_GAMMA, STOQ_STATISTICS_JACKKNIFE, STOQ_STATISTICS_BOOTSTRAP)
        found = estimate(m -> m[2] - m[1]^2, [[c c .^ 2] for c in x]; method)
        check(abs(found.value - 1) < 4 * exact && abs(found.error / exact - 1) < 0.25, found)
    end
    throws(() -> estimate(m -> throw(DomainError(m)), [[c c .^ 2] for c in x]), DomainError, "")
    cells = histogram(x, [-1, 0, 1])
    check(abs(cells.probabilities[2] - 0.3413) < 4 * cells.errors[2] && cells.effective_values < 2 * count)
    wider = 1.3 .* vcat(x...)
    check(two_sample(x[1], x[2]).p_value > 3e-4 && two_sample(x, wider).p_value < 1e-2)
    check(two_sample(x, wider; edges = -2:1.0:2).p_value < 1e-2)
    throws(() -> histogram([x[1] x[2]], [0, 1]), StoqError, "observables")
end

reports()
series()
println("statistics: $passed checks passed")
