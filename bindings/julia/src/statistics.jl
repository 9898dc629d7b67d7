# Reports on streams of configurations, and statistics of series.

"""An estimate with its error, as `stoq_estimate_t`; what does not apply is NaN."""
struct Estimate
    value::Float64
    error::Float64
    error_of_error::Float64
    tau_int::Float64
    tau_int_error::Float64
    window::Float64
    window_closed::Float64
    bin_correlation::Float64
    low::Float64
    high::Float64
    argument::Float64
    exact::Float64
    z::Float64
end

function estimate_by(function_, arguments...)
    found = Ref{stoq_estimate_t}()
    call(stoq_estimate_init, found)
    call(function_, arguments..., found)
    return Estimate((getfield(found[], name) for name in fieldnames(Estimate))...)
end

"""
    Report(layout; names = (), options...)

A report on a stream of configurations: every observable with error, tau_int and window, without keeping
configurations. `names` are observables that the caller measures. Options as in `stoq_report_options_t`.

`push!(report, field)` or `push!(report, field, own)` adds the next configuration of the chain, `end_chain!(report)` begins
another chain, `merge!(report, other)` adds the chains of another report. `report["chi2"]` is an [`Estimate`](@ref),
`Stoq.json(report)` everything as JSON, and `print(report)` a table.
"""
mutable struct Report <: Handle{stoq_report_t}
    pointer::Ptr{stoq_report_t}
    layout::Layout
    names::Vector{String}

    function Report(layout::Layout; names = (), given...)
        struct_ = Ref(options(stoq_report_options_t, stoq_report_options_init, given))
        pointer = make(stoq_report_t, stoq_report_new, layout, struct_, join(names, ","))
        return finalizer(close, new(pointer, layout, collect(String, names)))
    end
end

Report(field::AbstractArray; given...) = Report(Layout(field); given...)

function own_values(report::Report, own, expected)
    length(own) == expected || throw(StoqError(STOQ_SHAPE_MISMATCH, "own has $(length(own)) values: expected $expected"))
    return convert(Vector{Float64}, vec(collect(own)))
end

function Base.push!(report::Report, field, own = Float64[])
    values = own_values(report, own, length(report.names))
    call(stoq_report_push, report, checked("field", report.layout, field), values)
    return report
end

"""
    push_many!(report, fields, own = zeros(names, count))

Adds configurations of the chain, of size `(layout.size..., count)`; by as many threads as the options say.
"""
function push_many!(report::Report, fields, own = Float64[])
    values = own_values(report, own, length(report.names) * size(fields)[end])
    call(stoq_report_push_many, report, size(fields)[end], to_c_order("fields", report.layout, fields), values)
    return report
end

"""
    end_chain!(report)

The next configuration belongs to another chain.
"""
end_chain!(report::Report) = call(stoq_report_end_chain, report)

function Base.merge!(report::Report, other::Report)
    call(stoq_report_merge, report, other)
    return report
end

"""
    set_exact!(report, name, exact)

Says what an observable should be: its estimate then has z.
"""
set_exact!(report::Report, name::AbstractString, exact) = call(stoq_report_set_exact, report, String(name), Float64(exact))

Base.getindex(report::Report, name::AbstractString) = estimate_by(stoq_report_observable, report, String(name))

"""
    Stoq.json(report)

Everything as JSON.
"""
json(report::Report) = text_of(stoq_report_json, report)

Base.print(io::IO, report::Report) = print(io, text_of(stoq_report_text, report))

function text_of(function_, report)
    needed = Ref{Csize_t}(0)
    call(function_, report, C_NULL, 0, needed)
    text = Vector{UInt8}(undef, needed[])
    call(function_, report, text, needed[], C_NULL)
    return String(text[1:(end - 1)])
end

"""Series for the library: a vector, or a matrix with a column an observable, or a vector of such, one for each chain."""
joined(series::AbstractVecOrMat{<:Real}) = joined([series])
function joined(chains::AbstractVector)
    parts = [reshape(convert(Array{Float64}, chain), size(chain, 1), :) for chain in chains]
    !isempty(parts) && all(part -> size(part, 2) == size(parts[1], 2), parts) ||
        throw(StoqError(STOQ_SHAPE_MISMATCH, "series: expected chains of the same observables"))
    return Csize_t[size(part, 1) for part in parts], reduce(vcat, parts)
end

function joined_of_one(series)
    lengths, values = joined(series)
    size(values, 2) == 1 || throw(StoqError(STOQ_SHAPE_MISMATCH, "series of $(size(values, 2)) observables: expected one"))
    return lengths, values
end

# The function that an estimate of this task calls: callbacks run in the task that called.
const OF_MEANS = :stoq_of_means

function function_callback(user, means, count, value)
    return guarded() do
        f = task_local_storage(OF_MEANS)
        unsafe_store!(value, Float64(f(copy(unsafe_wrap(Array, means, Int(count))))))
    end
end

"""
    estimate(series; options...)
    estimate(f, series; options...)

The mean of an observable, or `f(means)` of several, over one chain or several, as an [`Estimate`](@ref).

`series` is a vector, with `f` a matrix with a column for each observable, or a vector of such, one for each chain. Options as
in `stoq_statistics_options_t`: `method = STOQ_STATISTICS_JACKKNIFE`. What `f` throws is thrown.
"""
estimate(series::AbstractArray; given...) = estimate_with(C_NULL, series, given)

function estimate(f, series::AbstractArray; given...)
    return task_local_storage(() -> estimate_with(stoq_function_callback_t_address(), series, given), OF_MEANS, f)
end

function estimate_with(callback, series, given)
    lengths, values = joined(series)
    chosen = Dict{Symbol, Any}(pairs(given))
    haskey(chosen, :method) && (chosen[:method] = Int32(chosen[:method]::StatisticsMethod))
    struct_ = Ref(statistics_options(chosen))
    counts = length(lengths), lengths, size(values, 2)
    return estimate_by(stoq_statistics_estimate, struct_, counts..., values, callback, C_NULL)
end

# `method` is that of a generator among the options with names.
function statistics_options(chosen)
    rest = filter(pair -> first(pair) !== :method, chosen)
    defaults = options(stoq_statistics_options_t, stoq_statistics_options_init, rest)
    value(name) = name === :method ? get(chosen, :method, defaults.method) : getfield(defaults, name)
    return stoq_statistics_options_t((value(name) for name in fieldnames(stoq_statistics_options_t))...)
end

"""
    histogram(series, edges)

Share of the values of an observable in each cell, its errors, which know the autocorrelation, and how many independent
values would know the cells as well; one cell less than edges, which ascend.
"""
function histogram(series, edges)
    lengths, values = joined_of_one(series)
    cells = max(length(edges) - 1, 0)
    probabilities, errors, effective = zeros(cells), zeros(cells), Ref(0.0)
    call(stoq_statistics_histogram, length(lengths), lengths, values, cells, convert(Vector{Float64}, edges), probabilities,
         errors, effective)
    return (probabilities = probabilities, errors = errors, effective_values = effective[])
end

"""
    two_sample(first, second; edges = nothing)

Whether two samples, each a chain or a vector of chains, have the same law: the statistic and the probability of one as
large or larger, by the test of Kolmogorov and Smirnov, with `edges` by chi^2 of two histograms.
"""
function two_sample(first, second; edges = nothing)
    (a, x), (b, y) = joined_of_one(first), joined_of_one(second)
    test = edges === nothing ? STOQ_TWO_SAMPLE_KOLMOGOROV : STOQ_TWO_SAMPLE_CHI_SQUARED
    given = edges === nothing ? Float64[] : convert(Vector{Float64}, edges)
    statistic, p_value = Ref(0.0), Ref(0.0)
    call(stoq_statistics_two_sample, Int32(test), length(a), a, x, length(b), b, y, max(length(given) - 1, 0), given,
         statistic, p_value)
    return (statistic = statistic[], p_value = p_value[])
end
