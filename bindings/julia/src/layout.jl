# Layouts, and arrays of Julia as fields, without copies.

"""
    Layout(field::AbstractArray{Float64}; components = false)
    Layout(extents; components = 1, order = :column)

How a field lies in memory: extents, components and strides, see `stoq_layout_t` in stoq.h.

A field is a `Float64` array of size `extents`, or `(extents..., components)` for more than one component: site
(x, y) of stoq is `phi[x + 1, y + 1]`. The first form takes the layout of an array, its strides included; with
`components` its last axis counts them. Any array with strides will do: views with steps and gaps, backwards too, and
permuted ones, such as `PermutedDimsArray(pairs, (2, 3, 1))` of an array of size `(2, nx, ny)`.

The second form is Julia's own order without gaps, the first axis fastest; `order = :row` is that of C, the last axis
fastest, components slowest. Orders that strides cannot say are made by [`site_layout`](@ref) and
[`even_odd_layout`](@ref).
"""
struct Layout
    extents::Dims
    components::Int
    "Size of a field."
    size::Dims
    "Strides of a field in doubles, as in Julia."
    strides::Dims
    "The table of sites, or empty; `c` has its address."
    offsets::Vector{Cptrdiff_t}
    c::stoq_layout_t
end

function Layout(extents::Dims; components::Integer = 1, order::Symbol = :column)
    order in (:column, :row) || throw(ArgumentError("order = $order: expected :column or :row"))
    all(extents .>= 1) && 1 <= components <= 64 ||
        throw(ArgumentError("extents = $extents, components = $components: expected numbers of at least 1"))
    shape = components == 1 ? extents : (extents..., Int(components))
    # C order has components outermost, then the axes of the lattice.
    outermost_first = order == :row ? (components == 1 ? shape : (Int(components), extents...)) : reverse(shape)
    steps = [prod(outermost_first[(axis + 1):end]) for axis in 1:length(shape)]
    strides = order == :column ? reverse(steps) : components == 1 ? steps : [steps[2:end]; steps[1]]
    return strided(extents, Int(components), shape, Tuple(strides))
end

Layout(extents::Integer...; options...) = Layout(Dims(extents); options...)

function Layout(field::AbstractArray; components::Bool = false)
    check_array("field", field)
    components && ndims(field) < 2 &&
        throw(ArgumentError("field has size $(size(field)): expected the axes of the lattice and one of components"))
    any((strides(field) .== 0) .& (size(field) .> 1)) &&
        throw(ArgumentError("field has strides $(strides(field)): values share memory; copy it"))
    extents = components ? size(field)[1:(end - 1)] : size(field)
    # Julia gives axes of one site any stride; none at all would be C order to the library.
    found = map((step, extent) -> extent > 1 ? step : 1, strides(field), size(field))
    return strided(extents, components ? size(field)[end] : 1, size(field), found)
end

function strided(extents, components, shape, steps)
    rank = length(extents)
    initial, sizes = Ref{stoq_layout_t}(), collect(Csize_t, rank == 0 ? (0,) : extents)
    call(stoq_layout_init, initial, rank, sizes)
    padded(values) = ntuple(axis -> axis <= rank ? Cptrdiff_t(values[axis]) : Cptrdiff_t(0), 4)
    last = components == 1 ? Cptrdiff_t(0) : Cptrdiff_t(steps[end])
    c = stoq_layout_t(initial[].struct_size, rank, components, initial[].extents, padded(steps), last, C_NULL)
    return Layout(extents, components, shape, steps, Cptrdiff_t[], c)
end

"""
    site_layout(extents, offsets; components = 1, component_stride = 0)

Any order of sites: component i = 0, 1, ... of site (x, y) is `field[1 + offsets[x + 1, y + 1] + i * component_stride]`
of a vector, `offsets` being an array of size `extents`.
"""
function site_layout(extents::Dims, offsets::AbstractArray{<:Integer}; components::Integer = 1, component_stride::Integer = 0)
    size(offsets) == extents ||
        throw(StoqError(STOQ_SHAPE_MISMATCH, "offsets has size $(size(offsets)): expected $extents, one number a site"))
    reach = component_stride * (components - 1)
    low, high = minimum(offsets) + min(reach, 0), maximum(offsets) + max(reach, 0)
    low >= 0 || throw(ArgumentError("offsets lead to $low: expected none before the start of the vector"))
    # The library counts sites with the last axis fastest.
    table = convert(Vector{Cptrdiff_t}, vec(reversed_axes(offsets)))
    plain = Layout(extents; components = components).c
    c = Ref(stoq_layout_t(plain.struct_size, plain.rank, plain.components, plain.extents, (0, 0, 0, 0), component_stride, C_NULL))
    call(stoq_layout_set_sites, c, table)
    return Layout(extents, Int(components), (high + 1,), (1,), table, c[])
end

"""
    even_odd_layout(extents; components = 1, together = false)

All even sites before all odd ones, as in MILC and in QDP's checkerboard; see `stoq_layout_even_odd()`. The components of
a site are `together`, or each has a field of its own. A field is a vector.
"""
function even_odd_layout(extents::Dims; components::Integer = 1, together::Bool = false)
    layout = Layout(extents; components = components)
    table = Vector{Cptrdiff_t}(undef, prod(extents))
    call(stoq_layout_even_odd, layout, together ? components : 1, table)
    offsets = reversed_axes(reshape(table, reverse(extents)))
    return site_layout(extents, offsets; components = components, component_stride = together ? 1 : prod(extents))
end

"""A copy with the axes the other way round; a vector has one."""
reversed_axes(array::AbstractVector) = copy(array)
reversed_axes(array::AbstractArray) = permutedims(array, reverse(1:ndims(array)))

"""Sites of the lattice."""
sites(layout::Layout) = prod(layout.extents)

Base.length(layout::Layout) = sites(layout) * layout.components
Base.size(layout::Layout) = layout.size
Base.show(io::IO, layout::Layout) =
    print(io, "Layout(extents = $(layout.extents), components = $(layout.components), strides = $(layout.strides))")

# A layout goes to the library as the address of a copy of its C struct, which has the address of the table.
Base.cconvert(::Type{Ptr{stoq_layout_t}}, layout::Layout) = (Ref(layout.c), layout.offsets)
Base.unsafe_convert(type::Type{Ptr{stoq_layout_t}}, kept::Tuple{Base.RefValue{stoq_layout_t}, Vector{Cptrdiff_t}}) =
    Base.unsafe_convert(type, kept[1])

function check_array(name, field)
    eltype(field) === Float64 || throw(ArgumentError("$name has elements $(eltype(field)): expected Float64"))
    applicable(strides, field) ||
        throw(ArgumentError("$name is a $(typeof(field)): expected an array with strides; collect it"))
    return nothing
end

"""`field`, if it is in this layout; refuses it otherwise, and never copies."""
function checked(name, layout::Layout, field::AbstractArray)
    check_array(name, field)
    size(field) == layout.size ||
        throw(StoqError(STOQ_SHAPE_MISMATCH, "$name has size $(size(field)): expected $(layout.size)"))
    same = all(map((extent, found, step) -> extent == 1 || found == step, layout.size, strides(field), layout.strides))
    same || throw(StoqError(STOQ_SHAPE_MISMATCH, "$name has strides $(strides(field)), the layout $(layout.strides): " *
                                                 "make the layout by Layout($name)"))
    return field
end

checked(name, ::Layout, field) = throw(ArgumentError("$name is a $(typeof(field)): expected an array of Float64"))

"""
A field at an address that the library gave to a callback: no copy, *valid during the callback only*. `W`: it can be
written; `L`: it has Julia's order without gaps.
"""
struct FieldView{N, W, L} <: AbstractArray{Float64, N}
    pointer::Ptr{Float64}
    size::Dims{N}
    strides::Dims{N}
end

function FieldView{W}(layout::Layout, pointer) where {W}
    linear = layout.strides == Base.size_to_strides(1, layout.size...)
    return FieldView{length(layout.size), W, linear}(pointer, layout.size, layout.strides)
end

Base.size(view::FieldView) = view.size
Base.strides(view::FieldView) = view.strides
Base.elsize(::Type{<:FieldView}) = sizeof(Float64)
Base.unsafe_convert(::Type{Ptr{Float64}}, view::FieldView) = view.pointer
Base.IndexStyle(::Type{<:FieldView{N, W, true}}) where {N, W} = IndexLinear()

Base.@propagate_inbounds function Base.getindex(view::FieldView{N, W, true}, index::Int) where {N, W}
    @boundscheck checkbounds(view, index)
    return unsafe_load(view.pointer, index)
end

Base.@propagate_inbounds function Base.getindex(view::FieldView{N, W, false}, index::Vararg{Int, N}) where {N, W}
    @boundscheck checkbounds(view, index...)
    return unsafe_load(view.pointer, 1 + sum((index .- 1) .* view.strides))
end

Base.@propagate_inbounds function Base.setindex!(view::FieldView{N, true, true}, value, index::Int) where {N}
    @boundscheck checkbounds(view, index)
    return unsafe_store!(view.pointer, convert(Float64, value), index)
end

Base.@propagate_inbounds function Base.setindex!(view::FieldView{N, true, false}, value, index::Vararg{Int, N}) where {N}
    @boundscheck checkbounds(view, index...)
    return unsafe_store!(view.pointer, convert(Float64, value), 1 + sum((index .- 1) .* view.strides))
end

"""The index in a field's size of the value that is `offset` doubles behind the first one."""
function field_index(layout::Layout, offset)
    ends = (layout.size .- 1) .* layout.strides
    found = ones(Int, length(layout.size))
    # From the longest stride down, as the library refuses axes that interlock; with a negative one the count runs
    # from the far end of the axis.
    rest = offset - sum(min.(ends, 0))
    for axis in sort([axis for axis in 1:length(found) if layout.size[axis] > 1]; by = axis -> -abs(layout.strides[axis]))
        count, rest = divrem(rest, abs(layout.strides[axis]))
        found[axis] = layout.strides[axis] > 0 ? count + 1 : layout.size[axis] - count
    end
    return CartesianIndex(found...)
end

# Functions that take many fields want each in C order without gaps: those of Julia are the same numbers with the axes
# of the lattice the other way round. The last axis of `fields` counts fields.

"""Many fields as the library wants them, a copy unless there is one axis."""
function to_c_order(name, layout::Layout, fields)
    eltype(fields) <: Real || throw(ArgumentError("$name has elements $(eltype(fields)): expected numbers"))
    size(fields)[1:(end - 1)] == layout.size && ndims(fields) == length(layout.size) + 1 ||
        throw(StoqError(STOQ_SHAPE_MISMATCH, "$name has size $(size(fields)): expected ($(join(layout.size, ", ")), any)"))
    return convert(Array{Float64}, permutedims(fields, c_order(layout)))
end

"""The inverse of [`to_c_order`](@ref)."""
function from_c_order(layout::Layout, memory::Vector{Float64})
    order = c_order(layout)
    shape = (layout.size..., length(memory) ÷ length(layout))
    return permutedims(reshape(memory, shape[collect(order)]), invperm(order))
end

function c_order(layout::Layout)
    rank = length(layout.extents)
    axes = reverse(ntuple(identity, rank))
    return layout.components == 1 ? (axes..., rank + 1) : (axes..., rank + 1, rank + 2)
end
