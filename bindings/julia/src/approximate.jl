# Tools that do not sample exp(-S)/Z exactly, and what is measured.

"""
    Generator(model; action = nothing, times = nothing, ...)

Draws independent samples of the law of a model; *approximate*. Options as in `stoq_generator_options_t`.
"""
mutable struct Generator <: Handle{stoq_generator_t}
    pointer::Ptr{stoq_generator_t}
    layout::Layout
    kept::Tuple{Union{Action, Nothing}, Model}

    function Generator(model::Model; action = nothing, times = nothing, given...)
        chosen, values = Dict{Symbol, Any}(pairs(given)), Float64[]
        if times !== nothing
            values = convert(Vector{Float64}, times)
            get!(chosen, :levels, length(values)) == length(values) ||
                throw(ArgumentError("levels = $(chosen[:levels]) and $(length(values)) times: expected one number"))
            chosen[:times] = pointer(values)
        end
        handle = GC.@preserve values begin
            struct_ = Ref(options(stoq_generator_options_t, stoq_generator_options_init, chosen))
            make(stoq_generator_t, stoq_generator_new, model, or_null(action), struct_)
        end
        return finalizer(close, new(handle, model.layout, (action, model)))
    end
end

"""
    generate(generator, first, count; log_weights = false)

Samples `first`, ..., `first + count - 1`, numbered from 0, as an array of size `(layout.size..., count)`. With
`log_weights` also log w + S of each, from which the caller subtracts the action.
"""
function generate(generator::Generator, first::Integer, count::Integer; log_weights::Bool = false)
    first >= 0 && count >= 1 ||
        throw(ArgumentError("first = $first, count = $count: expected first >= 0 and count >= 1"))
    memory, weights = Vector{Float64}(undef, count * length(generator.layout)), Vector{Float64}(undef, count)
    call(stoq_generator_generate, generator, first, count, memory, log_weights ? weights : C_NULL)
    fields = from_c_order(generator.layout, memory)
    return log_weights ? (fields, weights) : fields
end

"""
    Cumulants(bins = 64)

Cumulants kappa_1 to kappa_8 of a real variable, streaming. `push!(cumulants, values)` adds the values of one
configuration, `merge!(cumulants, other)` all that another accumulator holds.
"""
mutable struct Cumulants <: Handle{stoq_cumulants_t}
    pointer::Ptr{stoq_cumulants_t}
    Cumulants(bins::Integer = 64) = finalizer(close, new(make(stoq_cumulants_t, stoq_cumulants_new, bins)))
end

function Base.push!(cumulants::Cumulants, values::AbstractArray)
    call(stoq_cumulants_push, cumulants, length(values), convert(Array{Float64}, values))
    return cumulants
end

function Base.merge!(cumulants::Cumulants, other::Cumulants)
    call(stoq_cumulants_merge, cumulants, other)
    return cumulants
end

"""
    estimate(cumulants; symmetry = STOQ_SYMMETRY_NONE)

The cumulants of all values so far, kappa_r at index r, with jackknife errors and the correlations of neighbouring
bins.
"""
function estimate(cumulants::Cumulants; symmetry::Symmetry = STOQ_SYMMETRY_NONE)
    values, errors, bin_correlation = zeros(8), zeros(8), zeros(8)
    call(stoq_cumulants_estimate, cumulants, Int32(symmetry), values, errors, bin_correlation)
    return (values = values, errors = errors, bin_correlation = bin_correlation)
end

"""
    ComplexLangevin(sigma0, lambda, sites; options...)

The complex Langevin process of S(z) = sigma0/2 z^2 + lambda/4 z^4, sigma0 complex, at `sites` sites. *Not exact*.
Options as in `stoq_complex_langevin_options_t`.
"""
mutable struct ComplexLangevin <: Handle{stoq_complex_langevin_t}
    pointer::Ptr{stoq_complex_langevin_t}
    parts::Matrix{Float64}

    function ComplexLangevin(sigma0::Number, lambda, sites::Integer; given...)
        struct_ = Ref(options(stoq_complex_langevin_options_t, stoq_complex_langevin_options_init, given))
        numbers = real(sigma0), imag(sigma0), lambda, sites
        pointer = make(stoq_complex_langevin_t, stoq_complex_langevin_new, numbers..., struct_)
        return finalizer(close, new(pointer, zeros(sites, 2)))
    end
end

"""
    next!(process)

Follows the process for one interval; z = x + i y of all sites.
"""
function next!(process::ComplexLangevin)
    call(stoq_complex_langevin_next, process, process.parts)
    return complex.(process.parts[:, 1], process.parts[:, 2])
end

"""
    FokkerPlanck(; schedule = nothing, options...)

The density of one variable under the forward process and under a model's backward process, without noise. Options
as in `stoq_fokker_planck_options_t`. `points(grid, time)` are the centres of the cells, `forward(grid, density, from,
to)` carries a density at the points of one time to a later one, `backward(grid, model, density, from, to)` to an
earlier one by the backward process of a model: `Stoq.points`, `Stoq.forward`, `Stoq.backward`.
"""
struct FokkerPlanck
    schedule::Union{Schedule, Nothing}
    c::stoq_fokker_planck_options_t
    FokkerPlanck(; schedule = nothing, given...) =
        new(schedule, options(stoq_fokker_planck_options_t, stoq_fokker_planck_options_init, given))
end

"""The centres of the cells at one time."""
function points(grid::FokkerPlanck, time)
    found = zeros(grid.c.cells)
    call(stoq_fokker_planck_points, or_null(grid.schedule), Ref(grid.c), time, found)
    return found
end

"""A density at the points of time `from`, carried to a later time `to`; of mass 1."""
forward(grid::FokkerPlanck, density, from, to) =
    carry(grid, stoq_fokker_planck_forward, or_null(grid.schedule), density, from, to)

"""A density at the points of time `from`, carried back to `to` by the backward process of a model."""
backward(grid::FokkerPlanck, model::Model, density, from, to) =
    carry(grid, stoq_fokker_planck_backward, model, density, from, to)

function carry(grid, function_, owner, density, from, to)
    length(density) == grid.c.cells ||
        throw(StoqError(STOQ_SHAPE_MISMATCH, "density has $(length(density)) values: expected $(grid.c.cells)"))
    result = zeros(grid.c.cells)
    call(function_, owner, Ref(grid.c), from, to, convert(Vector{Float64}, density), result)
    return result
end
