# How the lines of declarations.jl become functions that Julia can call.

"""Addresses of the functions of the library, set when the module is loaded."""
const ADDRESSES = Dict{Symbol, Base.RefValue{Ptr{Cvoid}}}()

"""The parts of `name(argument::Type, ...)::Result`."""
function parts(declaration)
    signature, result = declaration.args
    names = [argument.args[1] for argument in signature.args[2:end]]
    types = [argument.args[2] for argument in signature.args[2:end]]
    return signature.args[1], names, types, result
end

"""
Makes a function of every declaration: it calls the library, and converts and protects its arguments as `ccall`
does.
"""
macro functions(block)
    made = Expr(:block)
    for declaration in filter(line -> line isa Expr, block.args)
        name, names, types, result = parts(declaration)
        address = Symbol(name, :_address)
        push!(made.args, quote
            const $address = Ref{Ptr{Cvoid}}(C_NULL)
            ADDRESSES[$(QuoteNode(name))] = $address
            $name($(names...)) = ccall($address[], $result, ($(types...),), $(names...))
        end)
    end
    return esc(made)
end

"""
Makes a type of every declaration, and a function `stoq_x_callback_t_address` that gives the address of the Julia
function `x_callback` with that signature.
"""
macro callbacks(block)
    made = Expr(:block)
    for declaration in filter(line -> line isa Expr, block.args)
        name, _, types, result = parts(declaration)
        implementation = Symbol(replace(string(name), r"^stoq_|_t$" => ""))
        push!(made.args, quote
            const $name = Ptr{Cvoid}
            function $implementation end
            $(Symbol(name, :_address))() = @cfunction($implementation, $result, ($(types...),))
        end)
    end
    return esc(made)
end
