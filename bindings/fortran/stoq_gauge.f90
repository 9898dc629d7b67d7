!> Two-dimensional U(1) gauge theory: what is measured on links, and exact values.
!>
!> Links are an array u(nx, ny, 2), or u(2, nx, ny), of angles. stoq counts axes from the slowest one, so that its first
!> component is the link along *y*. A program whose u(:, :, 1) is the link along x gives the section with its components
!> the other way round, u(:, :, 2:1:-1), to stoq_layout and to every call: it is not copied.
module stoq_gauge
  use, intrinsic :: iso_c_binding
  use stoq_abi
  use stoq_tool_functions
  use stoq_errors
  use stoq_fields
  implicit none
  private
  public :: stoq_wilson_loop, stoq_charge, stoq_polyakov_loop, stoq_u1_exact

  !> Exact values on one lattice at one coupling. It never changes. It owns its handle. It cannot be copied.
  type :: stoq_u1_exact
    private
    type(c_ptr), public :: handle = c_null_ptr
  contains
    procedure :: create => create_exact
    procedure :: wilson_loop => exact_wilson_loop
    procedure :: charge_squared => exact_charge_squared
    procedure :: charge_probability => exact_charge_probability
    procedure :: polyakov_square => exact_polyakov_square
    procedure :: free => free_exact
    procedure, private :: copy => copy_exact
    generic :: assignment(=) => copy
    final :: finish_exact
  end type stoq_u1_exact

contains

  !> Mean cosine of the Wilson loop of `along_x` by `along_y` links; 1 by 1 is the plaquette.
  real(c_double) function stoq_wilson_loop(layout, links, along_x, along_y, stat, errmsg) result(value)
    type(stoq_layout), target, intent(in) :: layout
    real(c_double), target, intent(in) :: links(:, :, :)
    integer, intent(in) :: along_x, along_y
    integer, optional, intent(out) :: stat
    character(*), optional, intent(inout) :: errmsg
    type(stoq_view) :: view
    real(c_double), target :: found
    integer(c_int32_t) :: status
    found = 0
    value = 0
    view = stoq_view_of(links)
    if (layout%differs(view, 'links', stat, errmsg)) return
    status = stoq_u1_wilson_loop(layout%for_c(), view%first, int(along_y, c_size_t), int(along_x, c_size_t), &
      c_loc(found))
    value = found
    call stoq_report(status, stat, errmsg)
  end function stoq_wilson_loop

  !> The topological charge.
  integer function stoq_charge(layout, links, stat, errmsg) result(charge)
    type(stoq_layout), target, intent(in) :: layout
    real(c_double), target, intent(in) :: links(:, :, :)
    integer, optional, intent(out) :: stat
    character(*), optional, intent(inout) :: errmsg
    type(stoq_view) :: view
    integer(c_int32_t), target :: found
    integer(c_int32_t) :: status
    found = 0
    charge = 0
    view = stoq_view_of(links)
    if (layout%differs(view, 'links', stat, errmsg)) return
    status = stoq_u1_charge(layout%for_c(), view%first, c_loc(found))
    charge = int(found)
    call stoq_report(status, stat, errmsg)
  end function stoq_charge

  !> The mean Polyakov loop along x (axis = 1) or y (2).
  complex(c_double_complex) function stoq_polyakov_loop(layout, links, axis, stat, errmsg) result(value)
    type(stoq_layout), target, intent(in) :: layout
    real(c_double), target, intent(in) :: links(:, :, :)
    integer, intent(in) :: axis
    integer, optional, intent(out) :: stat
    character(*), optional, intent(inout) :: errmsg
    type(stoq_view) :: view
    real(c_double), target :: parts(2)
    integer(c_int32_t) :: status
    parts = 0
    value = 0
    view = stoq_view_of(links)
    if (layout%differs(view, 'links', stat, errmsg)) return
    status = stoq_u1_polyakov_loop(layout%for_c(), view%first, int(2 - axis, c_int32_t), c_loc(parts(1)), &
      c_loc(parts(2)))
    value = cmplx(parts(1), parts(2), c_double_complex)
    call stoq_report(status, stat, errmsg)
  end function stoq_polyakov_loop

  subroutine create_exact(self, layout, beta, stat, errmsg)
    class(stoq_u1_exact), intent(inout) :: self
    type(stoq_layout), target, intent(in) :: layout
    real(c_double), intent(in) :: beta
    integer, optional, intent(out) :: stat
    character(*), optional, intent(inout) :: errmsg
    type(c_ptr) :: made
    integer(c_int32_t) :: status
    made = c_null_ptr
    status = stoq_u1_exact_new(layout%for_c(), beta, made)
    if (status == STOQ_OK) then
      call self%free()
      self%handle = made
    end if
    call stoq_report(status, stat, errmsg)
  end subroutine create_exact

  !> Mean of stoq_wilson_loop.
  real(c_double) function exact_wilson_loop(self, along_x, along_y, stat, errmsg) result(value)
    class(stoq_u1_exact), intent(in) :: self
    integer, intent(in) :: along_x, along_y
    integer, optional, intent(out) :: stat
    character(*), optional, intent(inout) :: errmsg
    real(c_double), target :: found
    integer(c_int32_t) :: status
    found = 0
    status = stoq_u1_exact_wilson_loop(self%handle, int(along_y, c_size_t), int(along_x, c_size_t), c_loc(found))
    value = found
    call stoq_report(status, stat, errmsg)
  end function exact_wilson_loop

  !> Mean of the squared charge.
  real(c_double) function exact_charge_squared(self, stat, errmsg) result(value)
    class(stoq_u1_exact), intent(in) :: self
    integer, optional, intent(out) :: stat
    character(*), optional, intent(inout) :: errmsg
    real(c_double), target :: found
    found = 0
    call stoq_report(stoq_u1_exact_charge_squared(self%handle, c_loc(found)), stat, errmsg)
    value = found
  end function exact_charge_squared

  !> Probability of a charge.
  real(c_double) function exact_charge_probability(self, charge, stat, errmsg) result(value)
    class(stoq_u1_exact), intent(in) :: self
    integer, intent(in) :: charge
    integer, optional, intent(out) :: stat
    character(*), optional, intent(inout) :: errmsg
    real(c_double), target :: found
    found = 0
    call stoq_report(stoq_u1_exact_charge_probability(self%handle, int(charge, c_int32_t), c_loc(found)), stat, errmsg)
    value = found
  end function exact_charge_probability

  !> Mean of the squared modulus of stoq_polyakov_loop, along x (axis = 1) or y (2).
  real(c_double) function exact_polyakov_square(self, axis, stat, errmsg) result(value)
    class(stoq_u1_exact), intent(in) :: self
    integer, intent(in) :: axis
    integer, optional, intent(out) :: stat
    character(*), optional, intent(inout) :: errmsg
    real(c_double), target :: found
    found = 0
    call stoq_report(stoq_u1_exact_polyakov_square(self%handle, int(2 - axis, c_int32_t), c_loc(found)), stat, errmsg)
    value = found
  end function exact_polyakov_square

  !> Gives the handle back. The object can be made anew.
  subroutine free_exact(self)
    class(stoq_u1_exact), intent(inout) :: self
    call stoq_u1_exact_free(self%handle)
    self%handle = c_null_ptr
  end subroutine free_exact

  impure elemental subroutine finish_exact(self)
    type(stoq_u1_exact), intent(inout) :: self
    call self%free()
  end subroutine finish_exact

  subroutine copy_exact(self, other)
    class(stoq_u1_exact), intent(inout) :: self
    class(stoq_u1_exact), intent(in) :: other
    if (c_associated(self%handle) .or. c_associated(other%handle)) call stoq_refuse_copy('a stoq_u1_exact')
  end subroutine copy_exact

end module stoq_gauge
