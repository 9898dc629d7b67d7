# Where the sites of an array are: strides, components, tables of sites, and arrays of many fields.
#
# Run by tests/julia_binding.rs with the package on the load path and STOQ_LIBRARY set.

include("checks.jl")
include("host.jl")

"""Arrays of one size and many strides, with the memory around them."""
function memories()
    gap, back, pairs = fill(7.0, 9, 6), fill(7.0, 4, 4), zeros(4, 4)
    interleaved = fill(7.0, 2, 4, 4)
    return [
        (zeros(4, 4), nothing),
        (PermutedDimsArray(pairs, (2, 1)), nothing),
        (view(gap, 1:2:7, 2:5), gap),
        (PermutedDimsArray(view(back, 4:-1:1, 4:-1:1), (2, 1)), nothing),
        (view(interleaved, 2, :, :), interleaved),
    ]
end

"""The same chain in every layout, to the last bit; what lies between the values stays."""
function layouts_agree()
    for kernel in (STOQ_KERNEL_PATH, STOQ_KERNEL_RENOISE, STOQ_KERNEL_HMC, STOQ_KERNEL_METROPOLIS)
        found = map(memories()) do (phi, around)
            phi .= 0.2 .* reshape(1:16, 4, 4) .- 1.5
            layout = Layout(phi)
            action, model = on(Phi4(LAMBDA), layout), free_field_model(layout, 0.15)
            chain = Chain(layout; action, model, kernel, levels = 6, seed = 3)
            outcomes = [step!(chain, phi) for _ in 1:12]
            check(around === nothing || count(==(7.0), around) == length(around) - 16)
            return copy(phi), outcomes
        end
        check(all(pair -> pair == found[1], found), "$kernel depends on the layout")
        check(true in found[1][2])
    end
end

"""Components as the last axis, of Julia's and of C's memory, against a closed form with both."""
function components_are_the_last_axis()
    fields = [zeros(3, 5, 2), PermutedDimsArray(zeros(5, 3, 2), (2, 1, 3)), PermutedDimsArray(zeros(2, 3, 5), (2, 3, 1))]
    weight(c, x, y) = c + 2x + 7y
    for phi in fields
        layout = Layout(phi; components = true)
        check(layout.extents == (3, 5) && layout.components == 2 && Stoq.sites(layout) == 15 && length(layout) == 30)
        seen = Tuple{CartesianIndex{3}, Float64}[]
        action = host_action(layout; local_change = (field, index, value) -> (push!(seen, (index, field[index])); Inf)) do field
            sum(weight(c, x, y) * field[x, y, c] for x in 1:3, y in 1:5, c in 1:2)
        end
        phi .= reshape(1:30, 3, 5, 2)
        check(evaluate(action, phi) == sum(weight(c, x, y) * phi[x, y, c] for x in 1:3, y in 1:5, c in 1:2))
        step!(Chain(layout; action, kernel = STOQ_KERNEL_METROPOLIS), phi)
        check(sort(last.(seen)) == 1:30 && all(pair -> phi[pair[1]] == pair[2], seen))
    end
    check(Layout((3, 5); components = 2).strides == (1, 3, 15))
    check(Layout((3, 5); components = 2, order = :row).strides == (5, 1, 15))
    check(Layout((3, 5, 7); order = :row).strides == (35, 7, 1))
    throws(() -> Layout(zeros(Float32, 4, 4)), ArgumentError, "Float32")
    throws(() -> Layout(1:4), ArgumentError, "Int64")
    throws(() -> Layout((4, 0)), ArgumentError, "at least 1")
    throws(() -> Layout((2, 2, 2, 2, 2)), StoqError, "4 axes", status = STOQ_INVALID_ARGUMENT)
end

"""The same chain in orders by a table, and where its sites are."""
function sites_may_have_any_order()
    start, plain = 0.2 .* reshape(1:16, 4, 4) .- 1.5, Layout(4, 4)
    phi = collect(start)
    step(field, layout) = step!(Chain(layout; action = phi4_action(plain, KAPPA, LAMBDA), kernel = STOQ_KERNEL_HMC), field)
    outcome = step(phi, plain)
    layout = even_odd_layout((4, 4))
    # Number of a site within its parity, the last index the fastest.
    place(x, y) = (isodd(x + y) ? 8 : 0) + (4x + y) ÷ 2 + 1
    field = zeros(16)
    foreach(site -> field[place(site[1] - 1, site[2] - 1)] = start[site], CartesianIndices(start))
    check(step(field, layout) == outcome)
    check(all(field[place(site[1] - 1, site[2] - 1)] == phi[site] for site in CartesianIndices(phi)))
    offsets = [3 * (4 - x) + 20 * y for x in 1:4, y in 1:4]
    field, layout = fill(7.0, 93), site_layout((4, 4), offsets)
    check(layout.size == (90,) && length(layout) == 16)
    throws(() -> step(field, layout), StoqError, "(90,)", status = STOQ_SHAPE_MISMATCH)
    field = field[1:90]
    foreach(site -> field[1 + offsets[site]] = start[site], CartesianIndices(start))
    check(step(field, layout) == outcome && all(field[1 + offsets[site]] == phi[site] for site in CartesianIndices(phi)))
    check(count(==(7.0), field) == 90 - 16)
    pairs = even_odd_layout((4, 6); components = 2, together = true)
    action = host_action(field -> field[1 + 2 * 12] + 10 * field[2], pairs)       # the first odd site, and the first pair
    check(evaluate(action, collect(1.0:48)) == 25 + 10 * 2)
    throws(() -> site_layout((4, 4), ones(Int, 4, 5)), StoqError, "(4, 5)", status = STOQ_SHAPE_MISMATCH)
    double = site_layout((4, 4), zeros(Int, 4, 4))
    throws(() -> phi4_action(double, KAPPA, LAMBDA), StoqError, "", status = STOQ_INVALID_ARGUMENT)
    throws(() -> site_layout((2,), [-1, 0]), ArgumentError, "-1")
end

"""Axes of arrays of many fields: those of an uneven lattice whose covariance tells its axes apart."""
function many_fields_keep_their_axes()
    extents = (2, 3, 4)
    waves = [1 + 0.3 * cos(pi * k1) + 0.2 * cos(2pi * k2 / 3) + 0.1 * cos(pi * k3 / 2) for k1 in 0:1, k2 in 0:2, k3 in 0:3]
    model = gaussian_model(Layout(extents), waves)
    # A plane wave of momentum k has score -phi / (C(k) + variance of the noise), the signal being kept.
    for k in ((1, 0, 0), (0, 1, 0), (0, 0, 1), (1, 1, 2))
        wave = [cos(2pi * (k[1] * x / 2 + k[2] * y / 3 + k[3] * z / 4)) for x in 0:1, y in 0:2, z in 0:3]
        time = 0.3
        noise = expm1(2 * time * log(25)) / (2 * log(25))
        found = score(model, cat(wave, 2 .* wave; dims = 4), [time, time])
        exact = -wave ./ (waves[(k .+ 1)...] + noise)
        check(maximum(abs.(found[:, :, :, 1] .- exact)) < 1e-9 && maximum(abs.(found[:, :, :, 2] .- 2 .* exact)) < 1e-9)
    end
    throws(() -> score(model, zeros(4, 3, 2, 1), [0.1]), StoqError, "(4, 3, 2, 1)", status = STOQ_SHAPE_MISMATCH)
end

layouts_agree()
components_are_the_last_axis()
sites_may_have_any_order()
many_fields_keep_their_axes()
println("layouts: $passed checks passed, Julia $VERSION")
