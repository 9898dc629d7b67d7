! What the Fortran tests share: counted checks, and phi^4 with neighbours of its own.
module checks
  use, intrinsic :: iso_fortran_env, only: error_unit
  use stoq
  implicit none

  real(c_double), parameter :: KAPPA = 0.21_c_double, LAMBDA = 0.022_c_double
  integer :: counted = 0, failures = 0
  !> Objects of type phi4_host that are gone.
  integer :: gone = 0

  !> The program's own action on an n x n lattice, with a switch for what goes wrong.
  type, extends(stoq_host) :: phi4_host
    integer :: n = 4
    !> Given back instead of 0 in every call behind the first `good` ones.
    integer :: code = 0, good = huge(0)
    type(tracked), allocatable :: inside
  contains
    procedure :: action => phi4_action
    procedure :: force => phi4_force
    procedure :: local_change => phi4_local_change
  end type phi4_host

  type :: tracked
    integer :: id = 0
  contains
    final :: count_gone
  end type tracked

  !> Ends a fit with `code` at its call number `last`.
  type, extends(stoq_progress) :: counter
    integer :: calls = 0, last = 0, code = 1
  contains
    procedure :: seen => counter_seen
  end type counter

contains

  subroutine counter_seen(self, report, code)
    class(counter), intent(inout) :: self
    type(stoq_train_report_t), intent(in) :: report
    integer, intent(inout) :: code
    self%calls = self%calls + 1
    call check(report%steps == 20 .and. report%rate >= 0, 'the report that progress sees')
    if (self%calls == self%last) code = self%code
  end subroutine counter_seen

  subroutine count_gone(self)
    type(tracked), intent(inout) :: self
    self%id = 0
    gone = gone + 1
  end subroutine count_gone

  subroutine check(condition, what)
    logical, intent(in) :: condition
    character(*), intent(in) :: what
    counted = counted + 1
    if (condition) return
    failures = failures + 1
    write (error_unit, '(4a)') what, ' fails; last error: ', stoq_error_text()
  end subroutine check

  !> The call failed with `status`, and its sentence contains `word`.
  subroutine fails(stat, errmsg, status, word)
    integer, intent(in) :: stat
    integer(c_int32_t), intent(in) :: status
    character(*), intent(in) :: errmsg, word
    call check(stat == status .and. index(errmsg, word) > 0, stoq_status_text(stat) // ' (' // trim(errmsg) // &
      ') instead of ' // stoq_status_text(int(status)) // ' with ' // word)
  end subroutine fails

  pure logical function same(a, b)
    real(c_double), intent(in) :: a(:, :), b(:, :)
    same = all(transfer(a, [0_c_int64_t]) == transfer(b, [0_c_int64_t]))
  end function same

  pure subroutine start(phi)
    real(c_double), intent(out) :: phi(:, :)
    integer :: x, y
    do y = 1, size(phi, 2)
      do x = 1, size(phi, 1)
        phi(x, y) = real(mod(5 * x + 3 * y, 7) - 3, c_double) / 4
      end do
    end do
  end subroutine start

  pure function around(phi, n) result(sums)
    integer, intent(in) :: n
    real(c_double), intent(in) :: phi(n, n)
    real(c_double) :: sums(n, n)
    sums = cshift(phi, 1, 1) + cshift(phi, -1, 1) + cshift(phi, 1, 2) + cshift(phi, -1, 2)
  end function around

  pure function phi4(phi, n) result(s)
    integer, intent(in) :: n
    real(c_double), intent(in) :: phi(n, n)
    real(c_double) :: s
    s = sum((1 - 2 * LAMBDA) * phi**2 + LAMBDA * phi**4 - KAPPA * phi * around(phi, n))
  end function phi4

  subroutine phi4_action(self, field, value, code)
    class(phi4_host), intent(inout) :: self
    real(c_double), intent(in), contiguous, target :: field(:)
    real(c_double), intent(inout) :: value
    integer, intent(inout) :: code
    value = phi4(field, self%n)
    self%good = self%good - 1
    if (self%good < 0) code = self%code
  end subroutine phi4_action

  subroutine phi4_force(self, field, force, code)
    class(phi4_host), intent(inout) :: self
    real(c_double), intent(in), contiguous, target :: field(:)
    real(c_double), intent(inout), contiguous, target :: force(:)
    integer, intent(inout) :: code
    force = 2 * KAPPA * reshape(around(field, self%n), [size(field)]) - 2 * (1 - 2 * LAMBDA) * field &
      - 4 * LAMBDA * field**3
    if (self%good < 0) code = self%code
  end subroutine phi4_force

  subroutine phi4_local_change(self, field, index, value, change, code)
    class(phi4_host), intent(inout) :: self
    real(c_double), intent(in), contiguous, target :: field(:)
    integer, intent(in) :: index
    real(c_double), intent(in) :: value
    real(c_double), intent(inout) :: change
    integer, intent(inout) :: code
    real(c_double) :: near(size(field))
    near = reshape(around(field, self%n), [size(field)])
    change = (1 - 2 * LAMBDA) * (value**2 - field(index)**2) + LAMBDA * (value**4 - field(index)**4) &
      - 2 * KAPPA * (value - field(index)) * near(index)
    if (self%good < 0) code = self%code
  end subroutine phi4_local_change

  type(stoq_chain_options_t) function options_of(kernel, chain) result(options)
    integer(c_int32_t), intent(in) :: kernel, chain
    call stoq_defaults(options)
    options%kernel = kernel
    options%chain = chain
    options%levels = 6
    options%seed = 5
  end function options_of

end module checks
