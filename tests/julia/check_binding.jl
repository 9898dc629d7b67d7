# The Julia binding: what it computes is what the library computes, and nothing is lost on the way.
#
# Run by tests/julia_binding.rs with the package on the load path and STOQ_LIBRARY set; ARGS[1] is a trained model file.
# Statistical checks are at 4 sigma, 6 of them with fixed seeds: a false alarm in one of 2600 seeds.

include("checks.jl")
include("host.jl")

"""HMC and the path kernel in turn on the free field, with a model of another coupling."""
function moments_are_exact()
    phi = zeros(4, 4)
    layout = Layout(phi)
    action = on(Phi4(), layout)
    hmc = Chain(phi; action, kernel = STOQ_KERNEL_HMC, seed = 5, integrator_steps = 4, warm_up = 1)
    path = Chain(layout; action, model = free_field_model(layout, 0.17), levels = 6, chain = 1, seed = 5)
    foreach(_ -> step!(hmc, phi), 1:50)
    check(!isfrozen(hmc) && isfrozen(path))
    freeze!(hmc)
    check(isfrozen(hmc) && move_size(hmc) > 0 && statistics(hmc).steps == 0)
    squares, magnetisation, accepted = Float64[], Float64[], 0
    for _ in 1:2000
        step!(hmc, phi)
        accepted += step!(path, phi)
        push!(squares, mean(phi .^ 2))
        push!(magnetisation, mean(phi)^2)
    end
    expect("<phi^2>", squares, mean(covariance(KAPPA)))
    expect("<M^2>", magnetisation, covariance(KAPPA)[1, 1] / 16)
    found = statistics(path)
    check(found.steps == 2000 && found.accepted == accepted && 200 < accepted < 2000, found)
end

function host_agrees_with_built_in()
    layout, phi = Layout(4, 4), reshape(sin.(1 .+ 3 .* (0:15)), 4, 4)
    host, built_in = on(Phi4(LAMBDA), layout), phi4_action(layout, KAPPA, LAMBDA)
    check(abs(evaluate(host, phi) - evaluate(built_in, phi)) < 1e-12)
    out = zeros(4, 4)
    check(force!(out, host, phi) === out && maximum(abs.(out .- force!(similar(phi), built_in, phi))) < 1e-12)
    # A field is not to be written in the action, and an unwritten force rejects.
    spoils = host_action(phi -> (phi[1] = 0.0), layout)
    throws(() -> evaluate(spoils, phi), Exception, "")
    lazy = host_action(phi -> 0.0, layout; force = (out, phi) -> nothing)
    throws(() -> force!(out, lazy, phi), StoqError, "", status = STOQ_NOT_FINITE)
    throws(() -> evaluate(host_action(phi -> "text", layout), phi), MethodError, "convert")
end

struct Own <: Exception end

function exceptions_come_back_as_themselves()
    cases = [(STOQ_KERNEL_PATH, :action), (STOQ_KERNEL_HMC, :action), (STOQ_KERNEL_HMC, :force),
             (STOQ_KERNEL_METROPOLIS, :local_change)]
    for (kernel, place) in cases
        host, plain, layout = Phi4(LAMBDA), Phi4(LAMBDA), Layout(4, 4)
        host.place = place
        made = (model = free_field_model(layout, 0.17), kernel = kernel, levels = 6)
        chain, twin = Chain(layout; action = on(host, layout), made...), Chain(layout; action = on(plain, layout), made...)
        phi, reference = fill(0.1, 4, 4), fill(0.1, 4, 4)
        for update in 1:8
            if iseven(update)
                before = copy(phi)
                # An exception is any value.
                for fault in (Own(), ErrorException("mine"), InterruptException(), "a text", [1, 2])
                    host.fault = fault
                    caught = try
                        step!(chain, phi)
                        :nothing
                    catch exception
                        exception
                    end
                    check(caught === fault && phi == before, caught)
                    check(!isempty(Stoq.callback_backtrace()))
                end
                host.fault = nothing
            end
            check(step!(chain, phi) == step!(twin, reference) && phi == reference)
        end
        host.fault = Reject()
        place == :action && kernel == STOQ_KERNEL_PATH &&
            throws(() -> step!(chain, phi), StoqError, "", status = STOQ_INVALID_ARGUMENT)    # the current field, too
    end
    # One call inside the callback of another, and tasks that wait in callbacks.
    point = Layout(1)
    inner = host_action(phi -> throw(Own()), point)
    outer = host_action(point) do phi
        try
            evaluate(inner, ones(1))
        catch exception
            check(exception isa Own)
        end
        return 0.5
    end
    check(evaluate(outer, ones(1)) == 0.5)
    check(evaluate(host_action(phi -> throw(Reject()), point), ones(1)) == Inf)
    faults = [Own(), "two", KeyError(3)]
    actions = [host_action(phi -> (yield(); sleep(0.01); throw(fault)), point) for fault in faults]
    tasks = [@async(try evaluate(action, ones(1)) catch exception; exception end) for action in actions]
    check(all(fetch.(tasks) .=== faults))
end

function chains_continue()
    layout = Layout(4, 4)
    action, model = phi4_action(layout, KAPPA, LAMBDA), free_field_model(layout, 0.15)
    new(action) = Chain(layout; action, model, kernel = STOQ_KERNEL_RENOISE, seed = 9)
    chain, halves = new(action), new(nothing)
    phi, other, proposal, outcomes = fill(0.3, 4, 4), fill(0.3, 4, 4), zeros(4, 4), Bool[]
    for update in 1:30
        push!(outcomes, step!(chain, phi))
        check(isfinite(propose!(halves, proposal, other)))
        accepted = resolve!(halves, other, evaluate(action, proposal) - evaluate(action, other))
        check(accepted == outcomes[end] && phi == other)
        if update == 15
            state = save(chain)
            chain = load!(new(action), state)
            check(save(chain) == state)
        end
    end
    check(true in outcomes && false in outcomes)
    damaged = save(chain)
    damaged[length(damaged) ÷ 2] ⊻= 0x01
    throws(() -> load!(chain, damaged), StoqError, "", status = STOQ_CHAIN_STATE)
    throws(() -> load!(chain, UInt8[]), StoqError, "empty", status = STOQ_CHAIN_STATE)
    throws(() -> resolve!(halves, other, 0.0), StoqError, "", status = STOQ_WRONG_ORDER)
end

function errors_are_clear(path)
    layout, phi = Layout(4, 4), zeros(4, 4)
    action = phi4_action(layout, KAPPA, LAMBDA)
    chain = Chain(layout; action, kernel = STOQ_KERNEL_HMC)
    throws(() -> step!(chain, zeros(4, 5)), StoqError, "(4, 5)", status = STOQ_SHAPE_MISMATCH)
    throws(() -> step!(chain, PermutedDimsArray(phi, (2, 1))), StoqError, "strides", status = STOQ_SHAPE_MISMATCH)
    throws(() -> step!(chain, zeros(Float32, 4, 4)), ArgumentError, "Float32")
    throws(() -> step!(chain, 0.0), ArgumentError, "Float64")
    throws(() -> step!(chain, fill(NaN, 4, 4)), StoqError, "", status = STOQ_NOT_FINITE)
    throws(() -> Model("nowhere.onnx"), StoqError, "nowhere", status = STOQ_IO)
    hmc = (action = action, kernel = STOQ_KERNEL_HMC)
    throws(() -> Chain(layout; hmc..., jitter = 2.0), StoqError, "jitter", status = STOQ_INVALID_ARGUMENT)
    throws(() -> Chain(layout; hmc..., jiter = 0.1), ArgumentError, "no option jiter")
    throws(() -> Chain(layout; hmc..., chain = 2^32), ArgumentError, "chain = 4294967296")
    throws(() -> Chain(layout; action = action, kernel = STOQ_GRID_LINEAR), ArgumentError, "STOQ_KERNEL_HMC")
    throws(() -> host_action(layout, phi -> 0.0), ArgumentError, "first")
    throws(() -> copy(chain), ArgumentError, "copied")
    throws(() -> deepcopy(action), ArgumentError, "copied")
    model = Model(path)
    check(model.layout.extents == (16, 16) && metadata(model, "action.name") == "phi4")
    check(metadata(Model(read(path))) == metadata(model))
    throws(() -> Model(UInt8[1, 2, 3]), StoqError, "", status = STOQ_MODEL_FILE)
    close(chain)
    close(chain)
    check(!isopen(chain))
    throws(() -> step!(chain, phi), ArgumentError, "closed")
end

"""Link angles: observables against their definition, and HMC with charge shifts against exact values."""
function gauge_theory_is_exact()
    links, beta = zeros(4, 4, 2), 2.0
    layout = Layout(links; components = true)
    links .= 3 .* sin.(reshape(1:32, 4, 4, 2) .^ 2)
    ahead(mu, direction) = circshift(links[:, :, mu], direction == 1 ? (-1, 0) : (0, -1))
    plaquettes = links[:, :, 1] .+ ahead(2, 1) .- ahead(1, 2) .- links[:, :, 2]
    action, exact = u1_action(layout, beta), Stoq.U1.Exact(layout, beta)
    check(abs(evaluate(action, links) + beta * sum(cos, plaquettes)) < 1e-12)
    check(abs(Stoq.U1.wilson_loop(layout, links, 1, 1) - mean(cos, plaquettes)) < 1e-13)
    check(Stoq.U1.charge(layout, links) == round(Int, sum(rem2pi.(plaquettes, RoundNearest)) / 2pi))
    polyakov = mean(cis, sum(links[:, :, 1]; dims = 1))
    check(abs(Stoq.U1.polyakov_loop(layout, links, 1) - polyakov) < 1e-13)
    check(abs(sum(Stoq.U1.charge_probability(exact, q) for q in -9:9) - 1) < 1e-12)
    hmc = Chain(layout; action, kernel = STOQ_KERNEL_HMC, seed = 4, integrator_steps = 6)
    shift = Chain(layout; action, kernel = STOQ_KERNEL_CHARGE_SHIFT, seed = 4, chain = 1)
    plaquette, square = Float64[], Float64[]
    for update in 1:5050
        step!(hmc, links), step!(shift, links)
        update > 50 || continue
        push!(plaquette, Stoq.U1.wilson_loop(layout, links, 1, 1))
        push!(square, Stoq.U1.charge(layout, links)^2)
    end
    expect("plaquette", plaquette, Stoq.U1.wilson_loop(exact, 1, 1))
    expect("Q^2", square, Stoq.U1.charge_squared(exact))
end

"""Structs have the size that the library expects, so that no member is left out or padded otherwise."""
function structs_have_their_size()
    initialisers = [
        (Stoq.stoq_schedule_t, Stoq.stoq_schedule_init), (Stoq.stoq_chain_options_t, Stoq.stoq_chain_options_init),
        (Stoq.stoq_chain_statistics_t, Stoq.stoq_chain_statistics_init),
        (Stoq.stoq_model_open_options_t, Stoq.stoq_model_open_options_init),
        (Stoq.stoq_train_options_t, Stoq.stoq_train_options_init), (Stoq.stoq_train_report_t, Stoq.stoq_train_report_init),
        (Stoq.stoq_generator_options_t, Stoq.stoq_generator_options_init),
        (Stoq.stoq_likelihood_options_t, Stoq.stoq_likelihood_options_init),
        (Stoq.stoq_complex_langevin_options_t, Stoq.stoq_complex_langevin_options_init),
        (Stoq.stoq_fokker_planck_options_t, Stoq.stoq_fokker_planck_options_init),
        (Stoq.stoq_estimate_t, Stoq.stoq_estimate_init), (Stoq.stoq_report_options_t, Stoq.stoq_report_options_init),
        (Stoq.stoq_statistics_options_t, Stoq.stoq_statistics_options_init),
    ]
    for (type, initialiser) in initialisers
        defaults = Ref{type}()
        Stoq.call(initialiser, defaults)
        check(defaults[].struct_size == sizeof(type) == sum(sizeof, fieldtypes(type)), type)
    end
    # The member for a table of sites counts only where there is one.
    check(even_odd_layout((2, 2)).c.struct_size == sizeof(Stoq.stoq_layout_t) == sum(sizeof, fieldtypes(Stoq.stoq_layout_t)))
    all_of_them = filter(name -> occursin(r"^stoq_.*_init$", string(name)), names(Stoq; all = true))
    check(length(all_of_them) == length(initialisers) + 1, "a struct has no check: $all_of_them")
end

"""Functions live as long as a chain that calls them, and fields and handles while they are at work."""
function nothing_is_collected_too_early()
    phi = zeros(4, 4)
    chain = let layout = Layout(phi), action = on(Phi4(LAMBDA), layout)
        Chain(layout; action, kernel = STOQ_KERNEL_HMC)
    end
    GC.gc()
    check(any([(GC.gc(false); step!(chain, phi)) for _ in 1:10]))
    # A collection in the middle of a call, with garbage handles of the same action.
    layout = Layout(4, 4)
    collecting = host_action(phi -> (GC.gc(); sum(abs2, phi)), layout)
    foreach(_ -> Chain(layout; action = collecting, kernel = STOQ_KERNEL_METROPOLIS), 1:20)
    check(evaluate(collecting, ones(4, 4)) == 16)
    model = free_field_model(layout, 0.17)
    check(step!(Chain(layout; action = collecting, model = model, levels = 3), zeros(4, 4)) isa Bool)
    foreach(_ -> evaluate(host_action(phi -> sum(phi), layout), ones(4, 4)), 1:2000)
    GC.gc()
end

function approximate_tools()
    layout = Layout(4, 4)
    model, free = free_field_model(layout, KAPPA), phi4_action(layout, KAPPA, 0.0)
    generator = Generator(model)
    fields, weights = generate(generator, 0, 600; log_weights = true)
    check(size(fields) == (4, 4, 600) && generate(generator, 599, 1)[:, :, 1] == fields[:, :, 600])
    log_w = [weights[k] - evaluate(free, fields[:, :, k]) for k in 1:20]
    check(all(isfinite, log_w) && maximum(log_w) - minimum(log_w) < 1e-9)
    timed = generate(Generator(model; times = [0.1, 0.4, 1.0]), 0, 3)
    check(size(timed) == (4, 4, 3) && timed != fields[:, :, 1:3])
    parts = Cumulants(), Cumulants()
    foreach(k -> push!(parts[1 + k % 2], fields[:, :, k]), 1:600)
    found = estimate(merge!(parts...); symmetry = STOQ_SYMMETRY_EVEN)
    check(abs(found.values[2] - mean(covariance(KAPPA))) < 4 * found.errors[2] && found.errors[2] < 0.03, found)
    density, _ = likelihood(model, fields[:, :, 1:3])
    constant = density .+ [evaluate(free, fields[:, :, k]) for k in 1:3]
    check(maximum(constant) - minimum(constant) < 1e-5, constant)
    process = ComplexLangevin(1 + 1im, 0.0, 64; seed = 3, step = 0.02)
    squares = [mean(next!(process) .^ 2) for _ in 1:416][17:end]
    expect("Re <z^2>", real.(squares), 0.5)
    grid = FokkerPlanck(; cells = 400, steps = 400)
    start, points = Stoq.points(grid, 0.0), Stoq.points(grid, 0.6)
    spread = Stoq.forward(grid, exp.(-0.5 .* start .^ 2 ./ 0.7), 0.0, 0.6)
    variance = 0.7 + expm1(1.2 * log(25)) / (2 * log(25))
    exact = exp.(-0.5 .* points .^ 2 ./ variance) ./ sqrt(2 * pi * variance)
    check(maximum(abs.(spread .- exact)) * sqrt(variance) < 1e-3)
    back = Stoq.backward(grid, gaussian_model(Layout(1), [0.7]), spread, 0.6, 0.0)
    check(maximum(abs.(back .- exp.(-0.5 .* start .^ 2 ./ 0.7) ./ sqrt(1.4 * pi))) < 4e-3)
end

"""Chains on several threads over one model: the same bits as one after the other."""
function threads_share_a_model()
    layout = Layout(4, 4)
    model = free_field_model(layout, 0.15)
    function run(number)
        phi = zeros(4, 4)
        chain = Chain(layout; action = phi4_action(layout, KAPPA, LAMBDA), model, chain = number, levels = 6)
        foreach(_ -> step!(chain, phi), 1:30)
        return phi
    end
    expected, found = run.(1:8), Vector{Matrix{Float64}}(undef, 8)
    Threads.@threads for number in 1:8
        found[number] = run(number)
    end
    check(found == expected && expected[1] != expected[2])
end

moments_are_exact()
host_agrees_with_built_in()
exceptions_come_back_as_themselves()
chains_continue()
errors_are_clear(ARGS[1])
gauge_theory_is_exact()
structs_have_their_size()
nothing_is_collected_too_early()
approximate_tools()
threads_share_a_model()
println("binding: $passed checks passed on $(Threads.nthreads()) threads, Julia $VERSION")
