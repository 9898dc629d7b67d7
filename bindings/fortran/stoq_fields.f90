!> Fields: arrays of rank 1 to 4, with one axis more for components, and how they lie in memory. Nothing is copied.
!>
!> stoq counts extents from the slowest axis to the fastest, and Fortran's fastest axis is the first one: the array
!> phi(nx, ny, nt) is to stoq a lattice with extents (nt, ny, nx), in its own order. That is the memory of C's
!> phi[nt][ny][nx]: a Fortran and a C program with equal memory have equal chains. Sections such as
!> phi(1:nx, 1:ny) of an array with a halo go as they are.
module stoq_fields
  use, intrinsic :: iso_c_binding
  use stoq_abi
  use stoq_functions
  use stoq_errors
  implicit none
  private
  public :: stoq_view, stoq_view_of, stoq_layout, stoq_site_layout, stoq_even_odd

  !> Which axis of an array counts the components of a site: none; the first, as in u(4, nx, ny); the last, as in
  !> u(nx, ny, 4).
  integer, parameter, public :: STOQ_COMPONENTS_NONE = 0, STOQ_COMPONENTS_FIRST = 1, STOQ_COMPONENTS_LAST = 2

  !> Where an array is. Valid as long as the array is, and for the module's own use.
  type :: stoq_view
    type(c_ptr) :: first = c_null_ptr
    integer :: rank = 0
    integer(c_size_t) :: extents(5) = 1
    !> In doubles. That of an axis of one element is 0, and means nothing.
    integer(c_intptr_t) :: strides(5) = 0
  end type stoq_view

  !> How the arrays of a program hold a field, made by one of
  !>     stoq_layout(phi)                                       as this array does, its strides included
  !>     stoq_layout([nx, ny])                                  as any contiguous array of this shape does
  !>     stoq_layout(u, components=STOQ_COMPONENTS_FIRST)       one axis is not of the lattice
  !>     stoq_site_layout([nx, ny], stoq_even_odd([nx, ny]))    in an order of one's own, in an array of rank 1
  type :: stoq_layout
    private
    !> What the library gets, but for the address of the table of sites, which `with_table` adds.
    type(stoq_layout_t), public :: c
    type(stoq_view) :: like
    integer(c_intptr_t), allocatable :: offsets(:)
    integer :: values = 0
  contains
    !> Sites times components.
    procedure :: size => layout_size
    !> Whether an array is not in this layout; it then has been reported.
    procedure :: differs => layout_differs
    !> What the library gets. The object must be a target, and stay until the call into the library is over.
    procedure :: for_c => layout_for_c
    !> For an order of sites of one's own: the values in the order of a contiguous array, and back.
    procedure :: gather => layout_gather
    procedure :: scatter => layout_scatter
  end type stoq_layout

  interface stoq_view_of
    module procedure view_1, view_2, view_3, view_4, view_5
  end interface stoq_view_of

  interface stoq_layout
    module procedure layout_of_1, layout_of_2, layout_of_3, layout_of_4, layout_of_5, layout_of_shape
  end interface stoq_layout

contains

  subroutine begin(view, extents)
    type(stoq_view), intent(inout) :: view
    integer, intent(in) :: extents(:)
    view%rank = size(extents)
    view%extents(1:view%rank) = int(extents, c_size_t)
  end subroutine begin

  pure function distance(from, to) result(doubles)
    type(c_ptr), intent(in) :: from, to
    integer(c_intptr_t) :: doubles
    integer(c_intptr_t), parameter :: bytes = 8
    doubles = (transfer(to, doubles) - transfer(from, doubles)) / bytes
  end function distance

  function view_1(field) result(found)
    real(c_double), target, intent(in) :: field(:)
    type(stoq_view) :: found
    call begin(found, shape(field))
    if (size(field) == 0) return
    found%first = c_loc(field(1))
    if (size(field, 1) > 1) found%strides(1) = distance(found%first, c_loc(field(2)))
  end function view_1

  function view_2(field) result(found)
    real(c_double), target, intent(in) :: field(:, :)
    type(stoq_view) :: found
    call begin(found, shape(field))
    if (size(field) == 0) return
    found%first = c_loc(field(1, 1))
    if (size(field, 1) > 1) found%strides(1) = distance(found%first, c_loc(field(2, 1)))
    if (size(field, 2) > 1) found%strides(2) = distance(found%first, c_loc(field(1, 2)))
  end function view_2

  function view_3(field) result(found)
    real(c_double), target, intent(in) :: field(:, :, :)
    type(stoq_view) :: found
    call begin(found, shape(field))
    if (size(field) == 0) return
    found%first = c_loc(field(1, 1, 1))
    if (size(field, 1) > 1) found%strides(1) = distance(found%first, c_loc(field(2, 1, 1)))
    if (size(field, 2) > 1) found%strides(2) = distance(found%first, c_loc(field(1, 2, 1)))
    if (size(field, 3) > 1) found%strides(3) = distance(found%first, c_loc(field(1, 1, 2)))
  end function view_3

  function view_4(field) result(found)
    real(c_double), target, intent(in) :: field(:, :, :, :)
    type(stoq_view) :: found
    call begin(found, shape(field))
    if (size(field) == 0) return
    found%first = c_loc(field(1, 1, 1, 1))
    if (size(field, 1) > 1) found%strides(1) = distance(found%first, c_loc(field(2, 1, 1, 1)))
    if (size(field, 2) > 1) found%strides(2) = distance(found%first, c_loc(field(1, 2, 1, 1)))
    if (size(field, 3) > 1) found%strides(3) = distance(found%first, c_loc(field(1, 1, 2, 1)))
    if (size(field, 4) > 1) found%strides(4) = distance(found%first, c_loc(field(1, 1, 1, 2)))
  end function view_4

  function view_5(field) result(found)
    real(c_double), target, intent(in) :: field(:, :, :, :, :)
    type(stoq_view) :: found
    call begin(found, shape(field))
    if (size(field) == 0) return
    found%first = c_loc(field(1, 1, 1, 1, 1))
    if (size(field, 1) > 1) found%strides(1) = distance(found%first, c_loc(field(2, 1, 1, 1, 1)))
    if (size(field, 2) > 1) found%strides(2) = distance(found%first, c_loc(field(1, 2, 1, 1, 1)))
    if (size(field, 3) > 1) found%strides(3) = distance(found%first, c_loc(field(1, 1, 2, 1, 1)))
    if (size(field, 4) > 1) found%strides(4) = distance(found%first, c_loc(field(1, 1, 1, 2, 1)))
    if (size(field, 5) > 1) found%strides(5) = distance(found%first, c_loc(field(1, 1, 1, 1, 2)))
  end function view_5

  function layout_of_1(field, components, stat, errmsg) result(layout)
    real(c_double), target, intent(in) :: field(:)
    integer, optional, intent(in) :: components
    integer, optional, intent(out) :: stat
    character(*), optional, intent(inout) :: errmsg
    type(stoq_layout) :: layout
    call fill(layout, stoq_view_of(field), components, stat, errmsg)
  end function layout_of_1

  function layout_of_2(field, components, stat, errmsg) result(layout)
    real(c_double), target, intent(in) :: field(:, :)
    integer, optional, intent(in) :: components
    integer, optional, intent(out) :: stat
    character(*), optional, intent(inout) :: errmsg
    type(stoq_layout) :: layout
    call fill(layout, stoq_view_of(field), components, stat, errmsg)
  end function layout_of_2

  function layout_of_3(field, components, stat, errmsg) result(layout)
    real(c_double), target, intent(in) :: field(:, :, :)
    integer, optional, intent(in) :: components
    integer, optional, intent(out) :: stat
    character(*), optional, intent(inout) :: errmsg
    type(stoq_layout) :: layout
    call fill(layout, stoq_view_of(field), components, stat, errmsg)
  end function layout_of_3

  function layout_of_4(field, components, stat, errmsg) result(layout)
    real(c_double), target, intent(in) :: field(:, :, :, :)
    integer, optional, intent(in) :: components
    integer, optional, intent(out) :: stat
    character(*), optional, intent(inout) :: errmsg
    type(stoq_layout) :: layout
    call fill(layout, stoq_view_of(field), components, stat, errmsg)
  end function layout_of_4

  function layout_of_5(field, components, stat, errmsg) result(layout)
    real(c_double), target, intent(in) :: field(:, :, :, :, :)
    integer, optional, intent(in) :: components
    integer, optional, intent(out) :: stat
    character(*), optional, intent(inout) :: errmsg
    type(stoq_layout) :: layout
    call fill(layout, stoq_view_of(field), components, stat, errmsg)
  end function layout_of_5

  !> The layout of contiguous arrays of this shape.
  function layout_of_shape(extents, components, stat, errmsg) result(layout)
    integer, intent(in) :: extents(:)
    integer, optional, intent(in) :: components
    integer, optional, intent(out) :: stat
    character(*), optional, intent(inout) :: errmsg
    type(stoq_layout) :: layout
    type(stoq_view) :: like
    integer :: axis
    if (size(extents) > 5) then
      call stoq_fail(STOQ_INVALID_ARGUMENT, 'extents: expected up to four axes, and one for components', stat, errmsg)
      return
    end if
    call begin(like, extents)
    like%strides(1) = 1
    do axis = 2, like%rank
      like%strides(axis) = like%strides(axis - 1) * max(extents(axis - 1), 1)
    end do
    call fill(layout, like, components, stat, errmsg)
  end function layout_of_shape

  !> Fills a layout from the shape and strides of an array.
  subroutine fill(layout, like, components, stat, errmsg)
    type(stoq_layout), intent(inout) :: layout
    type(stoq_view), intent(in) :: like
    integer, optional, intent(in) :: components
    integer, optional, intent(out) :: stat
    character(*), optional, intent(inout) :: errmsg
    integer(c_size_t), target :: extents(4)
    integer :: which, rank, first, axis, last
    integer(c_int32_t) :: status
    if (stoq_abi_differs(stat, errmsg)) return
    which = STOQ_COMPONENTS_NONE
    if (present(components)) which = components
    first = merge(2, 1, which == STOQ_COMPONENTS_FIRST)
    rank = like%rank - merge(0, 1, which == STOQ_COMPONENTS_NONE)
    if (rank < 1 .or. rank > 4 .or. which < STOQ_COMPONENTS_NONE .or. which > STOQ_COMPONENTS_LAST) then
      call stoq_fail(STOQ_INVALID_ARGUMENT, 'components: expected STOQ_COMPONENTS_NONE, FIRST or LAST, and 1 to 4 &
        &axes besides that of the components', stat, errmsg)
      return
    end if
    last = first + rank - 1
    extents = 1
    extents(1:rank) = like%extents(last:first:-1)
    status = stoq_layout_init(layout%c, int(rank, c_int32_t), c_loc(extents))
    if (status == STOQ_OK) then
      do axis = 1, rank
        layout%c%strides(axis) = like%strides(last + 1 - axis)
        ! Axes of one site have no stride of their own, and no stride at all would mean C order to the library.
        if (layout%c%extents(axis) == 1) layout%c%strides(axis) = 1
      end do
      if (which /= STOQ_COMPONENTS_NONE) then
        axis = merge(1, like%rank, which == STOQ_COMPONENTS_FIRST)
        layout%c%components = int(like%extents(axis), c_int32_t)
        layout%c%component_stride = like%strides(axis)
      end if
      layout%like = like
      layout%values = int(product(like%extents(1:like%rank)))
    end if
    call stoq_report(status, stat, errmsg)
  end subroutine fill

  !> A lattice of this shape whose sites are where a table says: site (x, y, ...) of the column-major order is element
  !> positions(...) of an array of rank 1, counted from 1. Component i is (i - 1) component_stride further.
  function stoq_site_layout(extents, positions, components, component_stride, stat, errmsg) result(layout)
    integer, intent(in) :: extents(:), positions(:)
    integer, optional, intent(in) :: components, component_stride
    integer, optional, intent(out) :: stat
    character(*), optional, intent(inout) :: errmsg
    type(stoq_layout) :: layout
    integer :: failed, reach
    if (size(positions) /= product(extents) .or. any(positions < 1)) then
      call stoq_fail(STOQ_SHAPE_MISMATCH, 'positions: expected a number from 1 for each site', stat, errmsg)
      return
    end if
    layout = stoq_layout(extents, stat=failed, errmsg=errmsg)
    if (failed == STOQ_OK) then
      layout%offsets = int(positions, c_intptr_t) - 1
      if (present(components)) layout%c%components = int(components, c_int32_t)
      if (present(component_stride)) layout%c%component_stride = component_stride
      reach = int(max(layout%c%component_stride, 0_c_intptr_t)) * (max(int(layout%c%components), 1) - 1)
      layout%values = size(positions) * max(int(layout%c%components), 1)
      layout%like = stoq_view()
      call begin(layout%like, [maxval(positions) + reach])
      layout%like%strides(1) = 1
    end if
    call stoq_report(int(failed, c_int32_t), stat, errmsg)
  end function stoq_site_layout

  !> Positions for stoq_site_layout with all even sites before all odd ones, `stride` elements apart (1); a site is
  !> even if x + y + ..., counted from 0, is. The first axis is the fastest: the order of MILC and of QDP's checkerboard
  !> in two colours.
  function stoq_even_odd(extents, stride, stat, errmsg) result(positions)
    integer, intent(in) :: extents(:)
    integer, optional, intent(in) :: stride
    integer, optional, intent(out) :: stat
    character(*), optional, intent(inout) :: errmsg
    integer, allocatable :: positions(:)
    integer(c_intptr_t), allocatable, target :: offsets(:)
    integer(c_intptr_t) :: step
    integer :: failed
    integer(c_int32_t) :: status
    type(stoq_layout) :: layout
    step = 1
    if (present(stride)) step = stride
    allocate (positions(0))
    layout = stoq_layout(extents, stat=failed, errmsg=errmsg)
    if (failed == STOQ_OK) then
      allocate (offsets(product(extents)))
      status = stoq_layout_even_odd(layout%c, step, c_loc(offsets))
      if (status == STOQ_OK) positions = int(offsets) + 1
      call stoq_report(status, stat, errmsg)
    else
      call stoq_report(int(failed, c_int32_t), stat, errmsg)
    end if
  end function stoq_even_odd

  pure integer function layout_size(self)
    class(stoq_layout), intent(in) :: self
    layout_size = self%values
  end function layout_size

  logical function layout_differs(self, view, name, stat, errmsg)
    class(stoq_layout), intent(in) :: self
    type(stoq_view), intent(in) :: view
    character(*), intent(in) :: name
    integer, optional, intent(out) :: stat
    character(*), optional, intent(inout) :: errmsg
    logical :: relevant(5)
    layout_differs = .true.
    relevant = self%like%extents > 1
    if (self%values == 0) then
      call stoq_fail(STOQ_INVALID_ARGUMENT, 'layout: not made yet; see stoq_layout', stat, errmsg)
    else if (view%rank /= self%like%rank) then
      call stoq_fail(STOQ_SHAPE_MISMATCH, name // ': an array of another rank than that of the layout', stat, errmsg)
    else if (allocated(self%offsets) .and. view%extents(1) < self%like%extents(1)) then
      call stoq_fail(STOQ_SHAPE_MISMATCH, name // ': shorter than the largest position of the layout', stat, errmsg)
    else if (.not. allocated(self%offsets) .and. any(view%extents /= self%like%extents)) then
      call stoq_fail(STOQ_SHAPE_MISMATCH, name // ': an array of another shape than that of the layout', stat, errmsg)
    else if (any(relevant .and. view%strides /= self%like%strides)) then
      call stoq_fail(STOQ_SHAPE_MISMATCH, name // ': its elements are at other distances than those of the layout; &
        &make the layout from this array', stat, errmsg)
    else
      layout_differs = .false.
    end if
  end function layout_differs

  subroutine layout_gather(self, field, values, stat, errmsg)
    class(stoq_layout), target, intent(in) :: self
    real(c_double), target, intent(in) :: field(:)
    real(c_double), target, intent(inout) :: values(*)
    integer, optional, intent(out) :: stat
    character(*), optional, intent(inout) :: errmsg
    if (self%differs(stoq_view_of(field), 'field', stat, errmsg)) return
    call stoq_report(stoq_field_gather(self%for_c(), c_loc(field(1)), c_loc(values)), stat, errmsg)
  end subroutine layout_gather

  subroutine layout_scatter(self, values, field, stat, errmsg)
    class(stoq_layout), target, intent(in) :: self
    real(c_double), target, intent(in) :: values(*)
    real(c_double), target, intent(inout) :: field(:)
    integer, optional, intent(out) :: stat
    character(*), optional, intent(inout) :: errmsg
    if (self%differs(stoq_view_of(field), 'field', stat, errmsg)) return
    call stoq_report(stoq_field_scatter(self%for_c(), c_loc(values), c_loc(field(1))), stat, errmsg)
  end subroutine layout_scatter

  function layout_for_c(self) result(c)
    class(stoq_layout), target, intent(in) :: self
    type(stoq_layout_t) :: c
    c = self%c
    if (allocated(self%offsets)) then
      ! It cannot fail: the struct comes from stoq_layout_init.
      if (stoq_layout_set_sites(c, c_loc(self%offsets)) /= STOQ_OK) c%struct_size = 0
    end if
  end function layout_for_c

end module stoq_fields
