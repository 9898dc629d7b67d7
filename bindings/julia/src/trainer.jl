# Training by a host while its chain runs.

"""
How far a training is, see `stoq_train_report_t`.
"""
struct TrainReport
    step::Int
    steps::Int
    loss::Float64
    validation::Float64
    rate::Float64
    finished::Bool
end

TrainReport(c::stoq_train_report_t) = TrainReport(c.step, c.steps, c.loss, c.validation, c.rate, c.finished == 1)

"""
    Trainer(layout; action = nothing, steps = 20000, size = STOQ_SIZE_SMALL, ...)

A training whose configurations come from the host's chain while that runs.

`layout` is a [`Layout`](@ref), or an array whose layout it takes; the rest are the options of
`stoq_train_options_t`, `channels` up to four numbers. A built-in action's force makes the training several times more
accurate; one of [`host_action`](@ref) is refused.

`push!(trainer, field)` adds a configuration, copied. Push in the order of the chain, after it has thermalised.
"""
mutable struct Trainer <: Handle{stoq_trainer_t}
    pointer::Ptr{stoq_trainer_t}
    layout::Layout
    # What the fit at work calls.
    progress::Any

    function Trainer(layout::Layout; action = nothing, given...)
        chosen = Dict{Symbol, Any}(pairs(given))
        haskey(chosen, :channels) && (chosen[:channels] = four_channels(chosen[:channels]))
        struct_ = Ref(options(stoq_train_options_t, stoq_train_options_init, chosen))
        pointer = make(stoq_trainer_t, stoq_trainer_new, layout, or_null(action), struct_)
        return finalizer(close, new(pointer, layout, nothing))
    end
end

Trainer(field::AbstractArray; given...) = Trainer(Layout(field); given...)

function four_channels(channels)
    1 <= length(channels) <= 4 && all(count -> 0 < count < 2^32, channels) ||
        throw(ArgumentError("channels = $channels: expected up to four positive numbers"))
    return ntuple(level -> UInt32(level <= length(channels) ? channels[level] : 0), 4)
end

function Base.push!(trainer::Trainer, field)
    call(stoq_trainer_push, trainer, checked("field", trainer.layout, field))
    return trainer
end

"""
    configurations(trainer)

Configurations pushed so far.
"""
function configurations(trainer::Trainer)
    found = Ref{Csize_t}(0)
    call(stoq_trainer_configurations, trainer, found)
    return Int(found[])
end

function progress_callback(user, report)
    goes_on = Ref(true)
    code = guarded() do
        trainer = unsafe_pointer_to_objref(user)::Trainer
        goes_on[] = trainer.progress(TrainReport(unsafe_load(report))) !== :stop
    end
    return code != 0 ? code : goes_on[] ? Int32(0) : Int32(1)
end

"""
    fit!(trainer, steps)
    fit!(progress, trainer, steps)

Takes up to `steps` steps on all configurations so far, of which there must be 32; returns a [`TrainReport`](@ref).

`progress` gets a `TrainReport` after every step; the fit ends when it returns `:stop`, and by an exception, which
leaves it as itself. Steps that were taken stay taken.
"""
fit!(trainer::Trainer, steps::Integer) = fit_with(C_NULL, C_NULL, trainer, steps)

function fit!(progress, trainer::Trainer, steps::Integer)
    # The library gets the address of the trainer: a new object could lie on the stack, without its type.
    before, trainer.progress = trainer.progress, progress
    try
        return fit_with(stoq_progress_callback_t_address(), pointer_from_objref(trainer), trainer, steps)
    finally
        trainer.progress = before
    end
end

function fit_with(callback, user, trainer, steps)
    steps >= 0 || throw(ArgumentError("steps = $steps: expected a number of at least 0"))
    report = Ref{stoq_train_report_t}()
    call(stoq_train_report_init, report)
    call(stoq_trainer_fit, trainer, steps, callback, user, report)
    return TrainReport(report[])
end

"""
    Model(trainer)

The model as it is now; chains refuse it, for it still adapts.
"""
Model(trainer::Trainer) = Model(make(stoq_model_t, stoq_trainer_model, trainer))

"""
    finish(trainer)

The finished model, for chains.
"""
finish(trainer::Trainer) = Model(make(stoq_model_t, stoq_trainer_finish, trainer))

"""
    save(trainer, path)

Writes the finished model to a file, whole or not at all.
"""
save(trainer::Trainer, path::AbstractString) = call(stoq_trainer_save, trainer, String(path))

"""
    checkpoint(trainer)

The whole state with its configurations, as bytes with version and checksum.
"""
checkpoint(trainer::Trainer) = saved(stoq_trainer_checkpoint, trainer)

"""
    restore!(trainer, state)

Goes on from a saved state of the same lattice, action and options, to the same bits.
"""
function restore!(trainer::Trainer, state::AbstractVector{UInt8})
    isempty(state) &&
        throw(StoqError(STOQ_INVALID_ARGUMENT, "state is empty: give the bytes that checkpoint(trainer) returned"))
    call(stoq_trainer_restore, trainer, convert(Vector{UInt8}, state), length(state))
    return trainer
end
