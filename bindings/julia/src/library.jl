# Finds libstoq, checks its ABI, and calls it.

"""
A call that failed: `status` says why, `text` is the sentence of `stoq_last_error()`.
"""
struct StoqError <: Exception
    status::Status
    text::String
end

Base.showerror(io::IO, error::StoqError) = print(io, error.status, ": ", error.text)

"""
A callback throws `Reject()` to reject the move, as if S were infinite. It never leaves the library.
"""
struct Reject <: Exception end

"""The version of the library, such as "0.1.0"."""
version() = unsafe_string(stoq_version())

function library_names()
    Sys.isapple() && return ["libstoq.dylib"]
    Sys.iswindows() && return ["stoq.dll"]
    return ["libstoq.so.$(Int(ABI_VERSION))", "libstoq.so"]
end

"""Opens the first of: `ENV["STOQ_LIBRARY"]`, ../../target/release, the system's."""
function open_library()
    given = get(ENV, "STOQ_LIBRARY", "")
    if given != ""
        try
            return Libdl.dlopen(given)
        catch exception
            reason = sprint(showerror, exception)
            error("STOQ_LIBRARY = $given cannot be loaded ($reason): give the file that libstoq was built to")
        end
    end
    built = normpath(joinpath(@__DIR__, "..", "..", "..", "target", "release"))
    candidates = [filter(isfile, joinpath.(built, library_names())); library_names()]
    for candidate in candidates
        library = Libdl.dlopen(candidate; throw_error = false)
        library === nothing || return library
    end
    error("the library libstoq was not found. Build it (cargo build --release) and set STOQ_LIBRARY to the file, " *
          "or install it (make install). Looked in $built and on the system, for " * join(library_names(), ", "))
end

function __init__()
    library = open_library()
    path = Libdl.dlpath(library)
    version = Libdl.dlsym(library, :stoq_abi_version; throw_error = false)
    version === nothing && error("$path is no libstoq: it has no stoq_abi_version()")
    found = ccall(version, UInt32, ())
    found == ABI_VERSION || error("$path has C ABI $(Int(found)), this package needs $(Int(ABI_VERSION)): use the " *
                                  "library and the package of one version")
    for (name, address) in ADDRESSES
        address[] = Libdl.dlsym(library, name)
    end
end

# What a callback threw in this task, on its way through the library: callbacks run in the task that called.
const PENDING = :stoq_pending_exception
const THREW = -Int32(0x570c)

"""
Calls a function of the library. Throws what a callback threw, or a [`StoqError`](@ref).

Ctrl-C waits until the call ends, or reaches a callback: an exception must not unwind through the library. For its
time the task stays on its thread, which the library knows, also if a callback waits.
"""
function call(function_, arguments...)
    storage, task = task_local_storage(), current_task()
    delete!(storage, PENDING)
    sticky = task.sticky
    task.sticky = true
    status = try
        disable_sigint(() -> function_(arguments...))
    finally
        task.sticky = sticky
    end
    status == Int32(STOQ_OK) && return nothing
    pending = pop!(storage, PENDING, nothing)
    if status == Int32(STOQ_CALLBACK_STOPPED) && pending !== nothing && stoq_last_callback_code() == THREW
        storage[:stoq_callback_backtrace] = pending[2]
        throw(pending[1])
    end
    throw(StoqError(Status(status), unsafe_string(stoq_last_error())))
end

"""
    Stoq.callback_backtrace()

Where the last exception that came back from a callback in this task was thrown:
`showerror(stderr, exception, Stoq.callback_backtrace())`.
"""
callback_backtrace() = get(task_local_storage(), :stoq_callback_backtrace, Union{Ptr{Nothing}, Base.InterpreterIP}[])

"""Runs a callback; what it throws is kept for `call`, for nothing may be thrown into the library."""
function guarded(callback)::Int32
    try
        reenable_sigint(callback)
        return Int32(0)
    catch exception
        exception isa Reject && return Int32(1)
        task_local_storage(PENDING, (exception, catch_backtrace()))
        return THREW
    end
end

"""An owned handle of C type `T`: given back once, by `close` or by the garbage collector."""
abstract type Handle{T} end

# ccall protects what cconvert returns while it runs, so that no handle is collected at work.
Base.cconvert(::Type{Ptr{T}}, handle::Handle{T}) where {T} = handle
function Base.unsafe_convert(::Type{Ptr{T}}, handle::Handle{T}) where {T}
    handle.pointer == C_NULL && throw(ArgumentError("this $(nameof(typeof(handle))) is closed"))
    return handle.pointer
end

Base.isopen(handle::Handle) = handle.pointer != C_NULL
Base.show(io::IO, handle::Handle) = print(io, nameof(typeof(handle)), isopen(handle) ? "(...)" : "(closed)")
Base.copy(handle::Handle) = throw(ArgumentError("a $(nameof(typeof(handle))) cannot be copied"))
Base.deepcopy_internal(handle::Handle, ::IdDict) = copy(handle)

"""
    close(handle)

Gives a handle back to the library now instead of when it is collected. What was made from it goes on.
"""
function Base.close(handle::Handle)
    pointer, handle.pointer = handle.pointer, C_NULL
    pointer == C_NULL || free(pointer)
    return nothing
end

free(pointer::Ptr{stoq_action_t}) = stoq_action_free(pointer)
free(pointer::Ptr{stoq_chain_t}) = stoq_chain_free(pointer)
free(pointer::Ptr{stoq_complex_langevin_t}) = stoq_complex_langevin_free(pointer)
free(pointer::Ptr{stoq_cumulants_t}) = stoq_cumulants_free(pointer)
free(pointer::Ptr{stoq_generator_t}) = stoq_generator_free(pointer)
free(pointer::Ptr{stoq_model_t}) = stoq_model_free(pointer)
free(pointer::Ptr{stoq_report_t}) = stoq_report_free(pointer)
free(pointer::Ptr{stoq_trainer_t}) = stoq_trainer_free(pointer)

"""The handle that a function of the library makes."""
function make(::Type{T}, function_, arguments...) where {T}
    handle = Ref{Ptr{T}}(C_NULL)
    call(function_, arguments..., handle)
    return handle[]
end

or_null(handle::Handle) = handle
or_null(::Nothing) = C_NULL

# Options whose numbers have names.
const CHOICES = Dict{Symbol, Type}(
    :kernel => Kernel, :grid => Grid, :drift => Drift, :integrator => Integrator, :scheme => Scheme,
    :size => NetworkSize, :method => GeneratorMethod, :ending => Ending, :correction => Correction,
    :trace => Trace, :coordinates => Coordinates, :engine => Engine, :output => NetworkOutput,
    :time => NetworkTime, :channels => ChannelOrder, :kind => FieldKind, :symmetry => Symmetry,
)

# Those that the file of a network may say.
const IN_FILE = (:output, :time, :channels, :scheme)

"""A C struct of options with the library's defaults, and what the caller gave by name."""
function options(::Type{T}, initialiser, given) where {T}
    defaults = Ref{T}()
    call(initialiser, defaults)
    known = filter(name -> !(name in (:struct_size, :reserved)), fieldnames(T))
    for name in keys(given)
        name in known || throw(ArgumentError("there is no option $name: expected one of $(join(known, ", "))"))
    end
    value(name) = haskey(given, name) ? option(name, fieldtype(T, name), given[name]) : getfield(defaults[], name)
    return T((value(name) for name in fieldnames(T))...)
end

function option(name, type, value)
    choice = get(CHOICES, name, nothing)
    if choice !== nothing && type === Int32
        value isa choice && return Int32(value)
        value === STOQ_AS_IN_FILE && name in IN_FILE && return Int32(value)
        throw(ArgumentError("$name = $value: expected one of $(join(instances(choice), ", "))"))
    end
    try
        return convert(type, value)
    catch
        throw(ArgumentError("$name = $value: expected a $type"))
    end
end

