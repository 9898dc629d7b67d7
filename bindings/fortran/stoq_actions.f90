!> Actions: built in, or the program's own.
module stoq_actions
  use, intrinsic :: iso_c_binding
  use stoq_abi
  use stoq_functions
  use stoq_errors
  use stoq_fields
  use stoq_hosts
  implicit none
  private
  public :: stoq_action

  !> An action S: the target law is exp(-S) / Z. It owns its handle, and gives it back when it goes out of scope; chains
  !> made with it go on. It cannot be copied.
  type :: stoq_action
    private
    type(c_ptr), public :: handle = c_null_ptr
    type(stoq_layout) :: layout
  contains
    procedure :: phi4 => action_phi4
    procedure :: toy => action_toy
    procedure :: two_peak => action_two_peak
    procedure :: three_peak => action_three_peak
    procedure :: u1 => action_u1
    procedure :: host => action_host
    procedure, private :: evaluate_1, evaluate_2, evaluate_3, evaluate_4, evaluate_5
    !> S(field).
    generic :: evaluate => evaluate_1, evaluate_2, evaluate_3, evaluate_4, evaluate_5
    procedure, private :: force_1, force_2, force_3, force_4, force_5
    !> -dS/dphi into an array of the same layout.
    generic :: force => force_1, force_2, force_3, force_4, force_5
    procedure :: free => free_action
    procedure, private :: copy => copy_action
    generic :: assignment(=) => copy
    final :: finish_action
  end type stoq_action

contains

  !> S = sum_x [ -2 kappa sum_mu phi(x) phi(x+mu) + (1 - 2 lambda) phi(x)^2 + lambda phi(x)^4 ].
  subroutine action_phi4(self, layout, kappa, lambda, stat, errmsg)
    class(stoq_action), intent(inout) :: self
    type(stoq_layout), target, intent(in) :: layout
    real(c_double), intent(in) :: kappa, lambda
    integer, optional, intent(out) :: stat
    character(*), optional, intent(inout) :: errmsg
    type(c_ptr) :: made
    integer(c_int32_t) :: status
    made = c_null_ptr
    status = stoq_action_phi4(layout%for_c(), kappa, lambda, made)
    call keep(self, layout, made, status, stat, errmsg)
  end subroutine action_phi4

  !> S = sum_x [ mu2/2 phi(x)^2 + g/24 phi(x)^4 ].
  subroutine action_toy(self, layout, mu2, g, stat, errmsg)
    class(stoq_action), intent(inout) :: self
    type(stoq_layout), target, intent(in) :: layout
    real(c_double), intent(in) :: mu2, g
    integer, optional, intent(out) :: stat
    character(*), optional, intent(inout) :: errmsg
    type(c_ptr) :: made
    integer(c_int32_t) :: status
    made = c_null_ptr
    status = stoq_action_toy(layout%for_c(), mu2, g, made)
    call keep(self, layout, made, status, stat, errmsg)
  end subroutine action_toy

  !> Two Gaussian peaks of width sigma0 at mu0 and -mu0, at every site.
  subroutine action_two_peak(self, layout, mu0, sigma0, stat, errmsg)
    class(stoq_action), intent(inout) :: self
    type(stoq_layout), target, intent(in) :: layout
    real(c_double), intent(in) :: mu0, sigma0
    integer, optional, intent(out) :: stat
    character(*), optional, intent(inout) :: errmsg
    type(c_ptr) :: made
    integer(c_int32_t) :: status
    made = c_null_ptr
    status = stoq_action_two_peak(layout%for_c(), mu0, sigma0, made)
    call keep(self, layout, made, status, stat, errmsg)
  end subroutine action_two_peak

  !> Three Gaussian peaks of width sigma0 on a circle, at every site; two components.
  subroutine action_three_peak(self, layout, radius, sigma0, stat, errmsg)
    class(stoq_action), intent(inout) :: self
    type(stoq_layout), target, intent(in) :: layout
    real(c_double), intent(in) :: radius, sigma0
    integer, optional, intent(out) :: stat
    character(*), optional, intent(inout) :: errmsg
    type(c_ptr) :: made
    integer(c_int32_t) :: status
    made = c_null_ptr
    status = stoq_action_three_peak(layout%for_c(), radius, sigma0, made)
    call keep(self, layout, made, status, stat, errmsg)
  end subroutine action_three_peak

  !> S = -beta sum_P cos theta_P, two-dimensional U(1) gauge theory, of links with two components; see stoq_gauge.
  subroutine action_u1(self, layout, beta, stat, errmsg)
    class(stoq_action), intent(inout) :: self
    type(stoq_layout), target, intent(in) :: layout
    real(c_double), intent(in) :: beta
    integer, optional, intent(out) :: stat
    character(*), optional, intent(inout) :: errmsg
    type(c_ptr) :: made
    integer(c_int32_t) :: status
    made = c_null_ptr
    status = stoq_action_u1(layout%for_c(), beta, made)
    call keep(self, layout, made, status, stat, errmsg)
  end subroutine action_u1

  !> The program's own. `host` is copied, with what its allocatable components hold; its pointer components lead to
  !> what they led to. `has_force` and `has_local_change` say that it has more than `action`.
  subroutine action_host(self, layout, host, has_force, has_local_change, stat, errmsg)
    class(stoq_action), intent(inout) :: self
    type(stoq_layout), target, intent(in) :: layout
    class(stoq_host), intent(in) :: host
    logical, optional, intent(in) :: has_force, has_local_change
    integer, optional, intent(out) :: stat
    character(*), optional, intent(inout) :: errmsg
    type(host_box), pointer :: box
    type(stoq_layout_t) :: ordered
    type(c_ptr) :: made
    integer(c_int32_t) :: status
    ! The callbacks see the library's order, whatever the program's is: theirs is the contiguous array.
    ordered = layout%c
    ordered%strides = 0
    ordered%component_stride = 0
    made = c_null_ptr
    allocate (box)
    allocate (box%host, source=host)
    status = stoq_action_callback(ordered, c_funloc(call_action), c_loc(box), c_funloc(destroy), made)
    if (status /= STOQ_OK) then
      deallocate (box)
    else
      if (wanted(has_force)) status = stoq_action_set_force(made, c_funloc(call_force))
      if (wanted(has_local_change) .and. status == STOQ_OK) &
        status = stoq_action_set_local_change(made, c_funloc(call_local_change))
      if (status /= STOQ_OK) call stoq_action_free(made)
    end if
    call keep(self, layout, made, status, stat, errmsg)
  end subroutine action_host

  pure logical function wanted(flag)
    logical, optional, intent(in) :: flag
    wanted = .false.
    if (present(flag)) wanted = flag
  end function wanted

  subroutine keep(self, layout, made, status, stat, errmsg)
    class(stoq_action), intent(inout) :: self
    type(stoq_layout), intent(in) :: layout
    type(c_ptr), intent(in) :: made
    integer(c_int32_t), intent(in) :: status
    integer, optional, intent(out) :: stat
    character(*), optional, intent(inout) :: errmsg
    if (status == STOQ_OK) then
      call self%free()
      self%handle = made
      self%layout = layout
    end if
    call stoq_report(status, stat, errmsg)
  end subroutine keep

  subroutine evaluate(self, view, value, stat, errmsg)
    class(stoq_action), intent(inout) :: self
    type(stoq_view), intent(in) :: view
    real(c_double), intent(inout) :: value
    integer, optional, intent(out) :: stat
    character(*), optional, intent(inout) :: errmsg
    real(c_double), target :: found
    integer(c_int32_t) :: status
    if (self%layout%differs(view, 'field', stat, errmsg)) return
    status = stoq_action_evaluate(self%handle, view%first, c_loc(found))
    if (status == STOQ_OK) value = found
    call stoq_report(status, stat, errmsg)
  end subroutine evaluate

  subroutine force_at(self, field, force, stat, errmsg)
    class(stoq_action), intent(inout) :: self
    type(stoq_view), intent(in) :: field, force
    integer, optional, intent(out) :: stat
    character(*), optional, intent(inout) :: errmsg
    if (self%layout%differs(field, 'field', stat, errmsg)) return
    if (self%layout%differs(force, 'force', stat, errmsg)) return
    call stoq_report(stoq_action_force(self%handle, field%first, force%first), stat, errmsg)
  end subroutine force_at

  subroutine evaluate_1(self, field, value, stat, errmsg)
    class(stoq_action), intent(inout) :: self
    real(c_double), target, intent(in) :: field(:)
    real(c_double), intent(inout) :: value
    integer, optional, intent(out) :: stat
    character(*), optional, intent(inout) :: errmsg
    call evaluate(self, stoq_view_of(field), value, stat, errmsg)
  end subroutine evaluate_1

  subroutine evaluate_2(self, field, value, stat, errmsg)
    class(stoq_action), intent(inout) :: self
    real(c_double), target, intent(in) :: field(:, :)
    real(c_double), intent(inout) :: value
    integer, optional, intent(out) :: stat
    character(*), optional, intent(inout) :: errmsg
    call evaluate(self, stoq_view_of(field), value, stat, errmsg)
  end subroutine evaluate_2

  subroutine evaluate_3(self, field, value, stat, errmsg)
    class(stoq_action), intent(inout) :: self
    real(c_double), target, intent(in) :: field(:, :, :)
    real(c_double), intent(inout) :: value
    integer, optional, intent(out) :: stat
    character(*), optional, intent(inout) :: errmsg
    call evaluate(self, stoq_view_of(field), value, stat, errmsg)
  end subroutine evaluate_3

  subroutine evaluate_4(self, field, value, stat, errmsg)
    class(stoq_action), intent(inout) :: self
    real(c_double), target, intent(in) :: field(:, :, :, :)
    real(c_double), intent(inout) :: value
    integer, optional, intent(out) :: stat
    character(*), optional, intent(inout) :: errmsg
    call evaluate(self, stoq_view_of(field), value, stat, errmsg)
  end subroutine evaluate_4

  subroutine evaluate_5(self, field, value, stat, errmsg)
    class(stoq_action), intent(inout) :: self
    real(c_double), target, intent(in) :: field(:, :, :, :, :)
    real(c_double), intent(inout) :: value
    integer, optional, intent(out) :: stat
    character(*), optional, intent(inout) :: errmsg
    call evaluate(self, stoq_view_of(field), value, stat, errmsg)
  end subroutine evaluate_5

  subroutine force_1(self, field, force, stat, errmsg)
    class(stoq_action), intent(inout) :: self
    real(c_double), target, intent(in) :: field(:)
    real(c_double), target, intent(inout) :: force(:)
    integer, optional, intent(out) :: stat
    character(*), optional, intent(inout) :: errmsg
    call force_at(self, stoq_view_of(field), stoq_view_of(force), stat, errmsg)
  end subroutine force_1

  subroutine force_2(self, field, force, stat, errmsg)
    class(stoq_action), intent(inout) :: self
    real(c_double), target, intent(in) :: field(:, :)
    real(c_double), target, intent(inout) :: force(:, :)
    integer, optional, intent(out) :: stat
    character(*), optional, intent(inout) :: errmsg
    call force_at(self, stoq_view_of(field), stoq_view_of(force), stat, errmsg)
  end subroutine force_2

  subroutine force_3(self, field, force, stat, errmsg)
    class(stoq_action), intent(inout) :: self
    real(c_double), target, intent(in) :: field(:, :, :)
    real(c_double), target, intent(inout) :: force(:, :, :)
    integer, optional, intent(out) :: stat
    character(*), optional, intent(inout) :: errmsg
    call force_at(self, stoq_view_of(field), stoq_view_of(force), stat, errmsg)
  end subroutine force_3

  subroutine force_4(self, field, force, stat, errmsg)
    class(stoq_action), intent(inout) :: self
    real(c_double), target, intent(in) :: field(:, :, :, :)
    real(c_double), target, intent(inout) :: force(:, :, :, :)
    integer, optional, intent(out) :: stat
    character(*), optional, intent(inout) :: errmsg
    call force_at(self, stoq_view_of(field), stoq_view_of(force), stat, errmsg)
  end subroutine force_4

  subroutine force_5(self, field, force, stat, errmsg)
    class(stoq_action), intent(inout) :: self
    real(c_double), target, intent(in) :: field(:, :, :, :, :)
    real(c_double), target, intent(inout) :: force(:, :, :, :, :)
    integer, optional, intent(out) :: stat
    character(*), optional, intent(inout) :: errmsg
    call force_at(self, stoq_view_of(field), stoq_view_of(force), stat, errmsg)
  end subroutine force_5

  !> Gives the handle back. The object can be made anew.
  subroutine free_action(self)
    class(stoq_action), intent(inout) :: self
    call stoq_action_free(self%handle)
    self%handle = c_null_ptr
  end subroutine free_action

  impure elemental subroutine finish_action(self)
    type(stoq_action), intent(inout) :: self
    call self%free()
  end subroutine finish_action

  subroutine copy_action(self, other)
    class(stoq_action), intent(inout) :: self
    class(stoq_action), intent(in) :: other
    if (c_associated(self%handle) .or. c_associated(other%handle)) call stoq_refuse_copy('a stoq_action')
  end subroutine copy_action

end module stoq_actions
