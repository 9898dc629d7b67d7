"""
Exactly corrected diffusion-model updates for lattice field theory: the C library libstoq from Julia.

    using Stoq

    phi = zeros(16, 16)
    layout = Layout(phi)
    action = host_action(layout; force = my_force!) do field
        my_action(field)
    end
    hmc = Chain(layout; action, kernel = STOQ_KERNEL_HMC)
    path = Chain(layout; action, model = Model("model.onnx"), chain = 1)
    for update in 1:updates
        step!(hmc, phi)
        step!(path, phi)                    # in place; then measure phi
    end

What stoq.h says holds here, and [`Layout`](@ref) says how a field is an array. Results do not depend on threads,
strides or language. A call that fails throws a [`StoqError`](@ref) and has changed nothing; an exception in a
callback comes back as itself. A chain, generator, trainer or accumulator has one caller at a time; a model may be
used by several threads. Constants have the names of stoq.h.

The library is looked for at `ENV["STOQ_LIBRARY"]`, in ../../target/release, and on the system.
"""
module Stoq

import Libdl

export Action, Chain, ComplexLangevin, Cumulants, FokkerPlanck, Generator, Layout, Model, Report, Schedule, Trainer
export Estimate, Reject, StoqError, TrainReport
export end_chain!, histogram, push_many!, set_exact!, two_sample
export host_action, phi4_action, three_peak_action, toy_action, two_peak_action, u1_action
export even_odd_layout, site_layout
export free_field_model, gaussian_model, three_peak_model, toy_model, two_peak_model
export checkpoint, configurations, estimate, evaluate, finish, fit!, force!, freeze!, generate, isfrozen, likelihood,
       load!, metadata, move_size, next!, propose!, resolve!, restore!, save, score, statistics, step!

include("foreign.jl")
include("declarations.jl")
include("library.jl")
include("layout.jl")
include("action.jl")
include("model.jl")
include("chain.jl")
include("trainer.jl")
include("approximate.jl")
include("statistics.jl")
include("u1.jl")

for constants in (Status, AsInFile, Scheme, Engine, NetworkOutput, NetworkTime, ChannelOrder, Kernel, Drift, Integrator,
                  Grid, Outcome, NetworkSize, GeneratorMethod, Ending, Correction, Trace, Coordinates, Symmetry,
                  FieldKind, StatisticsMethod, TwoSample)
    for constant in instances(constants)
        @eval export $(Symbol(constant))
    end
end

end
