!> An action that the program evaluates, and how the library calls it.
module stoq_hosts
  use, intrinsic :: iso_c_binding
  implicit none
  private
  public :: stoq_host, host_box, call_action, call_force, call_local_change, destroy

  !> What a program knows of its action: extend this type, put couplings into it, and write `action`; and `force` and
  !> `local_change` if you say so to stoq_action%host.
  !>
  !> A field comes as a contiguous array of rank 1 in column-major order of the lattice, the components slowest, and
  !> goes on to a procedure of one's own as an array of any shape: `call my_action(field, nx, ny, s)` with
  !> `real(c_double), intent(in) :: phi(nx, ny)`. It is valid during the call only.
  !>
  !> `code` is 0 on entry: leave it so; > 0 rejects the move, as if S were infinite; < 0 stops the call into the
  !> library, which then gives STOQ_CALLBACK_STOPPED, and stoq_last_callback_code() the code. NaN and infinity reject
  !> too.
  type, abstract :: stoq_host
  contains
    !> S(field).
    procedure(host_action), deferred :: action
    !> -dS/dphi of every value, for HMC and for Langevin moves along the force.
    procedure :: force => host_force
    !> S(changed field) - S(field), where field(index) becomes `value`: makes local Metropolis fast.
    procedure :: local_change => host_local_change
  end type stoq_host

  abstract interface
    subroutine host_action(self, field, value, code)
      import :: stoq_host, c_double
      class(stoq_host), intent(inout) :: self
      real(c_double), intent(in), contiguous, target :: field(:)
      real(c_double), intent(inout) :: value
      integer, intent(inout) :: code
    end subroutine host_action
  end interface

  !> What the library keeps of it.
  type :: host_box
    class(stoq_host), allocatable :: host
  end type host_box

contains

  subroutine host_force(self, field, force, code)
    class(stoq_host), intent(inout) :: self
    real(c_double), intent(in), contiguous, target :: field(:)
    real(c_double), intent(inout), contiguous, target :: force(:)
    integer, intent(inout) :: code
    code = -1
    force(1:min(size(field), 0)) = 0
    if (same_type_as(self, self)) return
  end subroutine host_force

  subroutine host_local_change(self, field, index, value, change, code)
    class(stoq_host), intent(inout) :: self
    real(c_double), intent(in), contiguous, target :: field(:)
    integer, intent(in) :: index
    real(c_double), intent(in) :: value
    real(c_double), intent(inout) :: change
    integer, intent(inout) :: code
    code = -1
    change = value - field(index)
    if (same_type_as(self, self)) return
  end subroutine host_local_change

  !> Behind these is the object of the program. The library knows them by address only.
  function call_action(user, field, values, action) bind(C, name="") result(code)
    type(c_ptr), value :: user, field
    integer(c_size_t), value :: values
    real(c_double), intent(inout) :: action
    integer(c_int32_t) :: code
    type(host_box), pointer :: box
    real(c_double), pointer, contiguous :: phi(:)
    integer :: said
    call c_f_pointer(user, box)
    call c_f_pointer(field, phi, [values])
    said = 0
    call box%host%action(phi, action, said)
    code = int(said, c_int32_t)
  end function call_action

  function call_force(user, field, values, force) bind(C, name="") result(code)
    type(c_ptr), value :: user, field, force
    integer(c_size_t), value :: values
    integer(c_int32_t) :: code
    type(host_box), pointer :: box
    real(c_double), pointer, contiguous :: phi(:), into(:)
    integer :: said
    call c_f_pointer(user, box)
    call c_f_pointer(field, phi, [values])
    call c_f_pointer(force, into, [values])
    said = 0
    call box%host%force(phi, into, said)
    code = int(said, c_int32_t)
  end function call_force

  function call_local_change(user, field, values, offset, value, change) bind(C, name="") result(code)
    type(c_ptr), value :: user, field
    integer(c_size_t), value :: values
    integer(c_intptr_t), value :: offset
    real(c_double), value :: value
    real(c_double), intent(inout) :: change
    integer(c_int32_t) :: code
    type(host_box), pointer :: box
    real(c_double), pointer, contiguous :: phi(:)
    integer :: said
    call c_f_pointer(user, box)
    call c_f_pointer(field, phi, [values])
    said = 0
    call box%host%local_change(phi, int(offset) + 1, value, change, said)
    code = int(said, c_int32_t)
  end function call_local_change

  subroutine destroy(user) bind(C, name="")
    type(c_ptr), value :: user
    type(host_box), pointer :: box
    call c_f_pointer(user, box)
    deallocate (box)
  end subroutine destroy

end module stoq_hosts
