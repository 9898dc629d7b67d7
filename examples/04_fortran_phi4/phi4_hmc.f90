! Two-dimensional lattice phi^4 theory by Hybrid Monte Carlo in Fortran, without and with stoq.
!
! A program as one might own it: its own arrays, action, force, leapfrog and error analysis. What stoq adds is marked
! "stoq:": a type that knows the action, one subroutine that sets up, and one call an update.
!
!   S = sum_x [ -2 kappa sum_mu phi(x) phi(x+mu) + (1 - 2 lambda) phi(x)^2 + lambda phi(x)^4 ]

module phi4_theory
  use, intrinsic :: iso_fortran_env, only: real64
  use stoq  ! stoq: the module
  implicit none

  integer, parameter :: EXTENT = 16, VOLUME = EXTENT**2
  real(real64), parameter :: KAPPA = 0.27_real64, LAMBDA = 0.022_real64

  ! stoq: what the library asks for. Couplings of one's own would be components of this type.
  type, extends(stoq_host) :: phi4_host
  contains
    procedure :: action => action_for_stoq
  end type phi4_host

contains

  pure real(real64) function action(phi)
    real(real64), intent(in) :: phi(EXTENT, EXTENT)
    real(real64) :: square
    integer :: x, y
    action = 0
    do y = 1, EXTENT
      do x = 1, EXTENT
        square = phi(x, y)**2
        action = action + square * (1 - 2 * LAMBDA + LAMBDA * square) &
          - 2 * KAPPA * phi(x, y) * (phi(mod(x, EXTENT) + 1, y) + phi(x, mod(y, EXTENT) + 1))
      end do
    end do
  end function action

  ! stoq: the field comes as one long array, and goes on to a dummy of the shape that the program likes.
  subroutine action_for_stoq(self, field, value, code)
    class(phi4_host), intent(inout) :: self
    real(c_double), intent(in), contiguous, target :: field(:)
    real(c_double), intent(inout) :: value
    integer, intent(inout) :: code
    value = action(field)
    if (.false.) code = storage_size(self)  ! neither is needed here
  end subroutine action_for_stoq

  ! momentum += step * force, with force(x) = -dS/dphi(x).
  pure subroutine kick(phi, momentum, step)
    real(real64), intent(in) :: phi(EXTENT, EXTENT), step
    real(real64), intent(inout) :: momentum(EXTENT, EXTENT)
    momentum = momentum + step * (2 * KAPPA * (cshift(phi, 1, 1) + cshift(phi, -1, 1) + cshift(phi, 1, 2) &
      + cshift(phi, -1, 2)) - phi * (2 * (1 - 2 * LAMBDA) + 4 * LAMBDA * phi**2))
  end subroutine kick

  subroutine fill_normal(values)
    real(real64), intent(out) :: values(EXTENT, EXTENT)
    real(real64), parameter :: TWO_PI = 6.283185307179586477_real64
    real(real64) :: u(EXTENT, EXTENT), v(EXTENT, EXTENT)
    call random_number(u)
    call random_number(v)
    values = sqrt(-2 * log(1 - u)) * cos(TWO_PI * v)
  end subroutine fill_normal

  ! One leapfrog trajectory of length 1 with Metropolis step. `s` is S(phi), which the program keeps beside phi.
  subroutine hmc_trajectory(phi, s, accepted)
    real(real64), intent(inout) :: phi(EXTENT, EXTENT), s
    logical, intent(out) :: accepted
    integer, parameter :: STEPS = 6
    real(real64), parameter :: STEP = 1.0_real64 / STEPS
    real(real64) :: moved(EXTENT, EXTENT), momentum(EXTENT, EXTENT), before, proposed, u
    integer :: i
    call fill_normal(momentum)
    before = s + sum(momentum**2) / 2
    moved = phi + STEP / 2 * momentum
    do i = 1, STEPS
      call kick(moved, momentum, STEP)
      moved = moved + merge(STEP, STEP / 2, i < STEPS) * momentum
    end do
    proposed = action(moved)
    call random_number(u)
    accepted = u <= exp(before - proposed - sum(momentum**2) / 2)
    if (accepted) then
      phi = moved
      s = proposed
    end if
  end subroutine hmc_trajectory

end module phi4_theory

module phi4_analysis
  use, intrinsic :: iso_fortran_env, only: real64
  implicit none

  type :: estimate
    real(real64) :: value, error, tau, tau_error  ! tau_int = 1/2 + sum_t rho(t), in updates
  end type estimate

contains

  ! U. Wolff, Comput. Phys. Commun. 156 (2004) 143, the Gamma method. `deviation`: from the mean, one an update.
  pure type(estimate) function gamma_method(value, deviation) result(e)
    real(real64), intent(in) :: value, deviation(:)
    real(real64) :: variance, total, tau, decay, n
    integer :: window
    n = real(size(deviation), real64)
    variance = sum(deviation**2) / n
    total = 0
    tau = 0.5_real64
    do window = 1, size(deviation) / 2
      total = total + sum(deviation(:size(deviation) - window) * deviation(window + 1:)) / ((n - window) * variance)
      tau = 0.5_real64 + total
      ! The window ends where the statistical error of tau outgrows the tail that is cut.
      decay = 0.5_real64
      if (tau > 0.55_real64) decay = 1.5_real64 / log((2 * tau + 1) / (2 * tau - 1))
      if (exp(-window / decay) < decay / sqrt(window * n)) exit
    end do
    tau = tau * (1 + (2 * window + 1) / n)  ! bias from subtracting the mean
    e = estimate(value, sqrt(2 * tau * variance / n), tau, 2 * tau * sqrt(abs(window + 0.5_real64 - tau) / n))
  end function gamma_method

  ! <|M|>, chi2 = V <M^2>, U_L = 1 - <M^4> / (3 <M^2>^2).
  function observables(m, volume) result(e)
    real(real64), intent(in) :: m(:)
    integer, intent(in) :: volume
    type(estimate) :: e(3)
    real(real64) :: m1, m2, m4
    m1 = sum(abs(m)) / size(m)
    m2 = sum(m**2) / size(m)
    m4 = sum(m**4) / size(m)
    e(1) = gamma_method(m1, abs(m) - m1)
    e(2) = gamma_method(volume * m2, volume * (m**2 - m2))
    e(3) = gamma_method(1 - m4 / (3 * m2**2), 2 * m4 / (3 * m2**3) * (m**2 - m2) - (m**4 - m4) / (3 * m2**2))
  end function observables

end module phi4_analysis

program phi4_hmc
  use, intrinsic :: iso_fortran_env, only: error_unit, real64
  use phi4_theory
  use phi4_analysis
  implicit none

  ! Metropolis and Wolff cluster updates, errors by jackknife.
  character(*), parameter :: NAMES(3) = ['abs_mag', 'chi2   ', 'binder ']
  real(real64), parameter :: REFERENCE(3) = [0.7632986_real64, 173.2691_real64, 0.5325165_real64]
  real(real64), parameter :: REFERENCE_ERROR(3) = [0.0022_real64, 0.81_real64, 0.0012_real64]

  character(512) :: model_file = '', json_file = ''
  integer :: trajectories = 200000, stoq_updates = 4000, levels = 40, threads = 1, seed = 1
  real(real64) :: hmc_acceptance(2), stoq_acceptance
  type(estimate) :: found(3, 2)
  type(stoq_chain) :: path
  integer :: failures

  call read_options()
  call start_stoq(path)  ! stoq: set up
  call sample(trajectories, found(:, 1), hmc_acceptance(1))
  call sample(stoq_updates, found(:, 2), hmc_acceptance(2), path)
  call write_table()
  failures = count(.not. abs(z(found)) <= 4)  ! a NaN is a failure
  write (*, '(/, i0, a)') failures, ' of 6 values with |z| > 4 (expected 0; false alarm for all together: at most 4e-4)'
  if (json_file /= '') call write_json()
  if (failures > 0) error stop 1

contains

  ! stoq: load the network, wrap the action, make a chain. Without stat= a failure stops with its sentence.
  subroutine start_stoq(path)
    type(stoq_chain), intent(inout) :: path
    real(real64) :: phi(EXTENT, EXTENT)
    type(stoq_layout) :: layout
    type(stoq_model) :: model
    type(stoq_action) :: host
    type(stoq_chain_options_t) :: options
    layout = stoq_layout(phi)
    call model%load(model_file)
    call host%host(layout, phi4_host())
    call stoq_defaults(options)
    options%seed = seed
    options%threads = threads
    options%levels = levels
    call path%create(layout, host, model, options)
  end subroutine start_stoq

  ! Thermalises, updates, measures; without `path` by HMC alone.
  subroutine sample(updates, e, hmc_acceptance, path)
    integer, intent(in) :: updates
    type(estimate), intent(out) :: e(3)
    real(real64), intent(out) :: hmc_acceptance
    type(stoq_chain), optional, intent(inout) :: path
    real(real64), allocatable :: magnetisation(:)
    real(real64) :: phi(EXTENT, EXTENT), s
    integer :: update, hmc_accepted, stoq_accepted
    logical :: accepted
    call seed_generator(3 * seed + merge(1, 0, present(path)))
    allocate (magnetisation(updates))
    call fill_normal(phi)
    s = action(phi)
    do update = 1, 10000
      call hmc_trajectory(phi, s, accepted)
    end do
    hmc_accepted = 0
    stoq_accepted = 0
    do update = 1, updates
      call hmc_trajectory(phi, s, accepted)
      if (accepted) hmc_accepted = hmc_accepted + 1
      if (present(path)) then
        call path%step(phi, accepted)  ! stoq: the update
        if (accepted) then
          s = action(phi)              ! stoq: phi is new, so S is too
          stoq_accepted = stoq_accepted + 1
        end if
      end if
      magnetisation(update) = sum(phi) / VOLUME
    end do
    e = observables(magnetisation, VOLUME)
    hmc_acceptance = real(hmc_accepted, real64) / updates
    if (present(path)) stoq_acceptance = real(stoq_accepted, real64) / updates
  end subroutine sample

  subroutine seed_generator(number)
    integer, intent(in) :: number
    integer, allocatable :: words(:)
    integer :: i, length
    call random_seed(size=length)
    allocate (words(length))
    words = [(mod(7919 * i + 104729 * number, 2147483), i=1, length)]
    call random_seed(put=words)
  end subroutine seed_generator

  elemental real(real64) function distance(e, reference, error)
    type(estimate), intent(in) :: e
    real(real64), intent(in) :: reference, error
    distance = (e%value - reference) / hypot(e%error, error)
  end function distance

  function z(e)
    type(estimate), intent(in) :: e(3, 2)
    real(real64) :: z(3, 2)
    z(:, 1) = distance(e(:, 1), REFERENCE, REFERENCE_ERROR)
    z(:, 2) = distance(e(:, 2), REFERENCE, REFERENCE_ERROR)
  end function z

  subroutine write_table()
    real(real64) :: deviation(3, 2)
    integer :: k
    deviation = z(found)
    write (*, '(a, 2(f8.4, a))') '2D phi^4, 16 x 16, kappa =', KAPPA, ', lambda =', LAMBDA, &
      '; an update is a trajectory (and a stoq step)'
    write (*, '(/, a16, 2a30, a22)') '', 'HMC', 'HMC + stoq', 'reference'
    write (*, '(a16, 2i30)') 'updates', trajectories, stoq_updates
    write (*, '(a16, 2f30.3)') 'HMC acceptance', hmc_acceptance
    write (*, '(a16, a30, f30.3)') 'stoq acceptance', '-', stoq_acceptance
    do k = 1, 3
      write (*, '(a16, 2(f12.4, a, f7.4, a, f6.2), f14.4, a, f7.4)') NAMES(k), found(k, 1)%value, ' +-', &
        found(k, 1)%error, '  z', deviation(k, 1), found(k, 2)%value, ' +-', found(k, 2)%error, '  z', &
        deviation(k, 2), REFERENCE(k), ' +-', REFERENCE_ERROR(k)
    end do
    write (*, '(a16, 2(f20.2, a, f7.2))') 'tau_int(|M|)', found(1, 1)%tau, ' +-', found(1, 1)%tau_error, &
      found(1, 2)%tau, ' +-', found(1, 2)%tau_error
  end subroutine write_table

  subroutine write_json()
    real(real64) :: deviation(3, 2)
    integer :: unit, k, r
    character(8), parameter :: RUNS(2) = ['hmc     ', 'hmc_stoq']
    deviation = z(found)
    open (newunit=unit, file=json_file, action='write', status='replace')
    write (unit, '(a)') '{'
    do r = 1, 2
      write (unit, '(3a)') '  "', trim(RUNS(r)), '": {'
      write (unit, '(a, f8.6, a)') '    "hmc_acceptance": ', hmc_acceptance(r), ','
      if (r == 2) write (unit, '(a, f8.6, a)') '    "stoq_acceptance": ', stoq_acceptance, ','
      do k = 1, 3
        write (unit, '(3a, es16.8, a, es10.2, a, f8.3, a)') '    "', trim(NAMES(k)), '": {"value": ', &
          found(k, r)%value, ', "error": ', found(k, r)%error, ', "z": ', deviation(k, r), '},'
      end do
      write (unit, '(a, es12.4, a, es10.2, a)') '    "tau_int_abs_mag": {"value": ', found(1, r)%tau, ', "error": ', &
        found(1, r)%tau_error, '}}' // merge(',', ' ', r == 1)
    end do
    write (unit, '(a)') '}'
    close (unit)
  end subroutine write_json

  subroutine read_options()
    character(512) :: word, next
    integer :: i, failed
    i = 1
    failed = 0
    do while (i <= command_argument_count() .and. failed == 0)
      call get_command_argument(i, word)
      call get_command_argument(i + 1, next)
      select case (word)
      case ('--trajectories'); read (next, *, iostat=failed) trajectories
      case ('--stoq-updates'); read (next, *, iostat=failed) stoq_updates
      case ('--levels'); read (next, *, iostat=failed) levels
      case ('--threads'); read (next, *, iostat=failed) threads
      case ('--seed'); read (next, *, iostat=failed) seed
      case ('--json'); json_file = next
      case default
        if (model_file /= '' .or. word(1:2) == '--') failed = 1
        model_file = word
        i = i - 1
      end select
      i = i + 2
    end do
    if (failed == 0 .and. model_file /= '' .and. trajectories > 1000 .and. stoq_updates > 100) return
    write (error_unit, '(a)') 'usage: phi4_hmc MODEL.onnx [--trajectories N] [--stoq-updates N] [--levels N]', &
      '                [--threads N] [--seed S] [--json FILE]'
    error stop 2
  end subroutine read_options

end program phi4_hmc
