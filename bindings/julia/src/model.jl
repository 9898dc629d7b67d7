# Score models, and what is read off them.

"""
    Schedule(; scheme, sigma, contraction)

A noise schedule, see `stoq_schedule_t`.
"""
struct Schedule
    c::stoq_schedule_t
end

Schedule(; given...) = Schedule(options(stoq_schedule_t, stoq_schedule_init, given))

Base.cconvert(::Type{Ptr{stoq_schedule_t}}, schedule::Schedule) = Ref(schedule.c)
or_null(schedule::Schedule) = schedule

"""
    Model(path; extents = (), covariance = nothing, device = nothing, runtime = nothing, ...)
    Model(bytes::AbstractVector{UInt8})

A score model, from a file or from what a file holds. It never changes: several threads may use it at once. Others
are made by [`gaussian_model`](@ref), [`free_field_model`](@ref), [`toy_model`](@ref), [`two_peak_model`](@ref) and
[`three_peak_model`](@ref).

A network exported by another program, a device and so on take the options of `stoq_model_open_options_t`, such as
`output = STOQ_OUTPUT_NOISE`. `covariance` is a number, a vector of one a momentum class, or an array of size `extents`.

`model(extents...; kappa = 0.28)` is the same network on other extents, or at other couplings that it was trained to
see; without extents on the lattice as it is. See `stoq_model_at()`.
"""
mutable struct Model <: Handle{stoq_model_t}
    pointer::Ptr{stoq_model_t}
    "The lattice of the model, in Julia's order."
    layout::Layout
    Model(pointer::Ptr{stoq_model_t}) = finalizer(close, new(pointer, read_layout(pointer)))
end

function Model(path::AbstractString; extents = (), covariance = nothing, device = nothing, runtime = nothing, given...)
    length(extents) <= 4 && all(extents .>= 1) ||
        throw(ArgumentError("extents = $extents: expected up to four numbers of at least 1"))
    sizes = ntuple(axis -> axis <= length(extents) ? extents[axis] : 0, 4)
    texts = device === nothing ? "" : string(device), runtime === nothing ? "" : String(runtime)
    variances = c_order_values(covariance)
    return GC.@preserve texts variances begin
        address(value, text) = value === nothing ? Cstring(C_NULL) : Base.unsafe_convert(Cstring, text)
        all_given = (; given..., rank = length(extents), extents = sizes, device = address(device, texts[1]),
                     runtime = address(runtime, texts[2]), covariance_count = length(variances),
                     covariance = covariance === nothing ? Ptr{Float64}(C_NULL) : pointer(variances))
        struct_ = Ref(options(stoq_model_open_options_t, stoq_model_open_options_init, all_given))
        Model(make(stoq_model_t, stoq_model_open_with, String(path), struct_))
    end
end

c_order_values(::Nothing) = Float64[]
c_order_values(value::Real) = [Float64(value)]
c_order_values(values::AbstractArray) = convert(Vector{Float64}, vec(reversed_axes(values)))

function Model(bytes::AbstractVector{UInt8})
    contents = convert(Vector{UInt8}, bytes)
    return Model(make(stoq_model_t, stoq_model_from_memory, contents, length(contents)))
end

function read_layout(pointer)
    rank, components, extents = Ref{UInt32}(0), Ref{UInt32}(0), zeros(Csize_t, 4)
    try
        call(stoq_model_rank, pointer, rank)
        call(stoq_model_extents, pointer, extents)
        call(stoq_model_components, pointer, components)
        return Layout(Dims(extents[1:rank[]]); components = components[])
    catch
        free(pointer)
        rethrow()
    end
end

"""
    gaussian_model(layout, covariance; schedule = nothing)

The model of Gaussian data; `covariance[k + 1]` = <|phi_p|^2> at p_mu = 2 pi k_mu / extent_mu, of size `extents`.
"""
function gaussian_model(layout, covariance; schedule = nothing)
    size(covariance) == layout.extents ||
        throw(StoqError(STOQ_SHAPE_MISMATCH, "covariance has size $(size(covariance)): expected $(layout.extents)"))
    values = convert(Array{Float64}, reversed_axes(covariance))
    return Model(make(stoq_model_t, stoq_model_gaussian, layout, or_null(schedule), values))
end

"""
    free_field_model(layout, kappa; schedule = nothing)

The model of the free field: C(p) = 1 / (2 - 4 kappa sum_mu cos p_mu).
"""
free_field_model(layout, kappa; schedule = nothing) =
    Model(make(stoq_model_t, stoq_model_free_field, layout, or_null(schedule), kappa))

"""
    toy_model(layout, mu2, g; schedule = nothing)

The exact model of [`toy_action`](@ref).
"""
toy_model(layout, mu2, g; schedule = nothing) =
    Model(make(stoq_model_t, stoq_model_toy, layout, or_null(schedule), mu2, g))

"""
    two_peak_model(layout, mu0, sigma0; schedule = nothing)

The exact model of [`two_peak_action`](@ref).
"""
two_peak_model(layout, mu0, sigma0; schedule = nothing) =
    Model(make(stoq_model_t, stoq_model_two_peak, layout, or_null(schedule), mu0, sigma0))

"""
    three_peak_model(layout, radius, sigma0; schedule = nothing)

The exact model of [`three_peak_action`](@ref).
"""
three_peak_model(layout, radius, sigma0; schedule = nothing) =
    Model(make(stoq_model_t, stoq_model_three_peak, layout, or_null(schedule), radius, sigma0))

function (model::Model)(extents::Integer...; couplings...)
    all(extents .>= 1) || throw(ArgumentError("extents = $extents: expected numbers of at least 1"))
    names, values = [string(name) for name in keys(couplings)], Float64[value for value in Base.values(values_of(couplings))]
    sizes = collect(Csize_t, extents)
    return GC.@preserve names begin
        addresses = Cstring[Base.unsafe_convert(Cstring, name) for name in names]
        Model(make(stoq_model_t, stoq_model_at, model, length(extents), sizes, length(names), addresses, values))
    end
end

values_of(couplings) = (; couplings...)

"""
    metadata(model, key = "metadata")

What a trained model says about itself, such as "schedule.scheme": a text, or JSON.
"""
function metadata(model::Model, key::AbstractString = "metadata")
    needed = Ref{Csize_t}(0)
    call(stoq_model_metadata, model, String(key), C_NULL, 0, needed)
    text = Vector{UInt8}(undef, needed[])
    call(stoq_model_metadata, model, String(key), text, needed[], C_NULL)
    return String(text[1:(end - 1)])
end

"""
    save(model, path)

Writes a trained model to a file, whole or not at all.
"""
save(model::Model, path::AbstractString) = call(stoq_model_save, model, String(path))

"""
    score(model, fields, times)

s(x, t) = grad_x log p_t(x) of fields of size `(layout.size..., batch)` at `batch` times in (0, 1].
"""
function score(model::Model, fields, times)
    size(fields)[end] == length(times) ||
        throw(StoqError(STOQ_SHAPE_MISMATCH, "$(length(times)) times for $(size(fields)[end]) fields"))
    values, moments = to_c_order("fields", model.layout, fields), convert(Vector{Float64}, times)
    scores = vec(values)
    call(stoq_model_score, model, length(moments), moments, values, scores)
    return from_c_order(model.layout, scores)
end

"""
    likelihood(model, fields; options...)

log q of fields of size `(layout.size..., count)`, and its errors; approximate, see `stoq_likelihood()`.
"""
function likelihood(model::Model, fields; given...)
    values = to_c_order("fields", model.layout, fields)
    struct_ = Ref(options(stoq_likelihood_options_t, stoq_likelihood_options_init, given))
    count = size(fields)[end]
    density, error = Vector{Float64}(undef, count), Vector{Float64}(undef, count)
    call(stoq_likelihood, model, struct_, count, values, density, error)
    return density, error
end
