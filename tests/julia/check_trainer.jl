# Training from Julia while a chain runs.
#
# Run by tests/julia_binding.rs as check_binding.jl. One statistical check at 4 sigma with a fixed seed: a false alarm in
# one of 16000 seeds.

include("checks.jl")

const KAPPA = 0.2
const SMALL = (channels = (4, 6), embedding = 8, batch = 16, steps = 50, seed = 3)

"""A chain of the host: HMC by its own action."""
struct Host
    phi::AbstractMatrix{Float64}
    layout::Layout
    action::Action
    hmc::Chain
end

function Host(phi)
    layout = Layout(phi)
    action = host_action(layout; force = (out, phi) -> out .= 2 .* KAPPA .* neighbours(phi) .- 2 .* phi) do phi
        sum(phi .^ 2 .- KAPPA .* phi .* neighbours(phi))
    end
    host = Host(phi, layout, action, Chain(phi; action, kernel = STOQ_KERNEL_HMC, seed = 5, integrator_steps = 4))
    run(host, 30)
    return host
end

function run(host, trajectories, trainer = nothing)
    for _ in 1:trajectories
        foreach(_ -> step!(host.hmc, host.phi), 1:4)
        trainer === nothing || push!(trainer, host.phi)
    end
end

function trains_while_running(phi)
    host = Host(phi)
    trainer = Trainer(phi; action = phi4_action(host.layout, KAPPA, 0.0), SMALL...)
    run(host, 100, trainer)
    report = fit!(trainer, 25)
    check(report.step == 25 && report.steps == 50 && !report.finished && report.loss > 0)
    throws(() -> Chain(host.layout; action = host.action, model = Model(trainer)), StoqError, "still being trained")
    run(host, 100, trainer)
    report = fit!(trainer, 25)
    check(report.step == 50 && report.finished && configurations(trainer) == 200)
    model = finish(trainer)
    check(metadata(model, "training.configurations") == "160" && model.layout.size == (4, 4))
    path, squares = Chain(host.layout; action = host.action, model, levels = 6, chain = 1), Float64[]
    for _ in 1:1500
        step!(host.hmc, phi)
        step!(path, phi)
        push!(squares, mean(phi .^ 2))
    end
    check(statistics(path).accepted > 750, statistics(path))
    expect("<phi^2>", squares, mean(covariance(KAPPA)))
    return trainer
end

function progress_stops_and_throws()
    phi = zeros(4, 4)
    host, trainer, seen = Host(phi), Trainer(phi; SMALL...), TrainReport[]
    run(host, 40, trainer)
    report = fit!(trainer, 20) do report
        push!(seen, report)
        report.step < 6 ? nothing : :stop
    end
    check(report.step == 6 && [one.step for one in seen] == 1:6 && report.loss == seen[end].loss)
    fails(report) = begin
        throws(() -> push!(trainer, phi), StoqError, "at work", status = STOQ_WRONG_ORDER)
        report.step == 8 && throw(KeyError("mine"))
    end
    throws(() -> fit!(fails, trainer, 20), KeyError, "mine")
    check(fit!(trainer, 0).step == 8)
    throws(() -> fit!(trainer, -1), ArgumentError, "steps")
end

function refuses_and_continues()
    phi = zeros(4, 4)
    host, trainer, other = Host(phi), Trainer(phi; SMALL...), Trainer(phi; threads = 2, SMALL...)
    throws(() -> finish(trainer), StoqError, "fit first", status = STOQ_WRONG_ORDER)
    run(host, 40, trainer)
    before, broken = checkpoint(trainer), copy(phi)
    broken[2, 3] = NaN
    throws(() -> push!(trainer, broken), StoqError, "site [1, 2]", status = STOQ_NOT_FINITE)
    throws(() -> push!(trainer, zeros(4, 5)), StoqError, "size", status = STOQ_SHAPE_MISMATCH)
    check(checkpoint(trainer) == before && configurations(trainer) == 40)
    restore!(other, before)
    fit!(trainer, 3), fit!(other, 3)
    check(checkpoint(trainer) == checkpoint(other) != before)
    throws(() -> restore!(trainer, UInt8[]), StoqError, "empty", status = STOQ_INVALID_ARGUMENT)
    throws(() -> Trainer(phi; action = host.action, SMALL...), StoqError, "built-in")
    throws(() -> Trainer(phi; colour = 1), ArgumentError, "colour")
    throws(() -> Trainer(phi; channels = (4, -1)), ArgumentError, "channels")
end

function models_move(path, trainer)
    model = Model(path)
    check(model(8, 8).layout.size == (8, 8) && model().layout.size == model.layout.size)
    throws(() -> model(8, 8; kappa = 0.28), StoqError, "kappa", status = STOQ_INVALID_ARGUMENT)
    throws(() -> model(8, -8), ArgumentError, "extents")
    mktempdir() do folder
        names = joinpath(folder, "one.onnx"), joinpath(folder, "two.onnx")
        save(trainer, names[1])
        save(finish(trainer), names[2])
        check(read(names[1]) == read(names[2]))
        check(metadata(Model(names[1]), "training.steps") == "50")
    end
end

function opens_with_options(path)
    model = Model(path; extents = (16, 16), device = "cpu", engine = STOQ_ENGINE_NATIVE, output = STOQ_AS_IN_FILE)
    fields = reshape(sin.(1:256), 16, 16, 1)
    check(score(model, fields, [0.3]) == score(Model(path), fields, [0.3]))
    refused(word, kind = STOQ_INVALID_ARGUMENT; given...) =
        throws(() -> Model(path; given...), StoqError, word, status = kind)
    refused("[8, 4]"; extents = (8, 4))
    refused("device = tpu"; device = "tpu")
    refused("Noise"; output = STOQ_OUTPUT_NOISE)
    refused("ONNX Runtime", STOQ_RUNTIME_MISSING; engine = STOQ_ENGINE_ONNX_RUNTIME, runtime = "/nowhere")
    throws(() -> Model(path; output = STOQ_TIME_T), ArgumentError, "STOQ_OUTPUT_NOISE")
    throws(() -> Model(path; engine = STOQ_AS_IN_FILE), ArgumentError, "STOQ_ENGINE_NATIVE")
    throws(() -> Model(path; extents = (16, 0)), ArgumentError, "extents")
    throws(() -> Model(path; devise = "cpu"), ArgumentError, "no option devise")
end

trainer = trains_while_running(zeros(4, 4))
trains_while_running(PermutedDimsArray(view(zeros(8, 4), 8:-2:2, :), (2, 1)))
progress_stops_and_throws()
refuses_and_continues()
models_move(ARGS[1], trainer)
opens_with_options(ARGS[1])
println("trainer: $passed checks passed")
