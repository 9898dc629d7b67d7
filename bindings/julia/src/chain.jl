# Exact updates of a field that the host owns.

"""
    Chain(layout; action = nothing, model = nothing, kernel = STOQ_KERNEL_PATH, seed = 1, ...)

An update of a Markov chain. All kernels but `STOQ_KERNEL_LANGEVIN` leave exp(-S)/Z exactly invariant, whatever the
model.

`layout` is a [`Layout`](@ref), or an array whose layout it takes; the rest are the options of
`stoq_chain_options_t`. Without an action the host decides itself, by [`propose!`](@ref) and [`resolve!`](@ref). One
chain after the other on the same field is exact again; give each a number, `chain = ...`.
"""
mutable struct Chain <: Handle{stoq_chain_t}
    pointer::Ptr{stoq_chain_t}
    layout::Layout
    # The library shares its own part of them; the functions of an action live in Julia.
    kept::Tuple{Union{Action, Nothing}, Union{Model, Nothing}}

    function Chain(layout::Layout; action = nothing, model = nothing, given...)
        struct_ = Ref(options(stoq_chain_options_t, stoq_chain_options_init, given))
        pointer = make(stoq_chain_t, stoq_chain_new, or_null(model), or_null(action), layout, struct_)
        return finalizer(close, new(pointer, layout, (action, model)))
    end
end

Chain(field::AbstractArray; given...) = Chain(Layout(field); given...)

"""
    step!(chain, field)

One update of the field in place. `true`: accepted; `false`: rejected, and not written.
"""
function step!(chain::Chain, field)
    outcome = Ref{Int32}(Int32(STOQ_REJECTED))
    call(stoq_chain_step, chain, checked("field", chain.layout, field), outcome)
    return outcome[] == Int32(STOQ_ACCEPTED)
end

"""
    propose!(chain, proposal, field)

Writes a proposal into an array of the same layout; returns log_hastings, everything in the acceptance but the
action: min(1, exp(log_hastings - delta_action)).
"""
function propose!(chain::Chain, proposal, field)
    log_hastings = Ref{Float64}(NaN)
    from, to = checked("field", chain.layout, field), checked("proposal", chain.layout, proposal)
    call(stoq_chain_propose, chain, from, to, log_hastings)
    return log_hastings[]
end

"""
    resolve!(chain, field, delta_action)

Decides by delta_action = S(proposal) - S(field). `true`: the field is the proposal now.
"""
function resolve!(chain::Chain, field, delta_action)
    outcome = Ref{Int32}(Int32(STOQ_REJECTED))
    call(stoq_chain_resolve, chain, delta_action, checked("field", chain.layout, field), outcome)
    return outcome[] == Int32(STOQ_ACCEPTED)
end

"""
    freeze!(chain)

Ends the warm-up of a chain made with `warm_up = 1`. Freeze before you measure.
"""
freeze!(chain::Chain) = call(stoq_chain_freeze, chain)

"""
    isfrozen(chain)

Whether warm-up is over.
"""
function isfrozen(chain::Chain)
    frozen = Ref{Int32}(0)
    call(stoq_chain_is_frozen, chain, frozen)
    return frozen[] == 1
end

"""
    move_size(chain)

The size of the moves, which warm-up tunes; 0 for a kernel with nothing to tune.
"""
function move_size(chain::Chain)
    found = Ref{Float64}(NaN)
    call(stoq_chain_move_size, chain, found)
    return found[]
end

"""
    statistics(chain)

Counters since the chain was frozen, as a named tuple; see `stoq_chain_statistics_t`.
"""
function statistics(chain::Chain)
    found = Ref{stoq_chain_statistics_t}()
    call(stoq_chain_statistics_init, found)
    call(stoq_chain_statistics, chain, found)
    names = fieldnames(stoq_chain_statistics_t)[2:end]
    return NamedTuple{names}(Int(getfield(found[], name)) for name in names)
end

"""The bytes of a state that `function_` saves."""
function saved(function_, handle)
    needed = Ref{Csize_t}(0)
    call(function_, handle, C_NULL, 0, needed)
    state = Vector{UInt8}(undef, needed[])
    call(function_, handle, state, length(state), C_NULL)
    return state
end

"""
    save(chain)

The whole state, as bytes with version and checksum.
"""
save(chain::Chain) = saved(stoq_chain_save, chain)

"""
    load!(chain, state)

Goes on from a saved state, to the same bits; the host restores its field itself.
"""
function load!(chain::Chain, state::AbstractVector{UInt8})
    isempty(state) && throw(StoqError(STOQ_CHAIN_STATE, "state is empty: give the bytes that save(chain) returned"))
    call(stoq_chain_load, chain, convert(Vector{UInt8}, state), length(state))
    return chain
end
