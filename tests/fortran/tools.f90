! Models, training, approximate tools and gauge theory of the Fortran module, for binding.f90.
module tools
  use checks
  implicit none

  !> <x^2> - <x>^2; stops with `code`.
  type, extends(stoq_of_means) :: variance_of
    integer :: code = 0, calls = 0
  contains
    procedure :: evaluate => evaluate_variance
  end type variance_of

contains

  subroutine evaluate_variance(self, means, value, code)
    class(variance_of), intent(inout) :: self
    real(c_double), intent(in) :: means(:)
    real(c_double), intent(inout) :: value
    integer, intent(inout) :: code
    self%calls = self%calls + 1
    code = self%code
    value = means(2) - means(1)**2
  end subroutine evaluate_variance

  !> A report and statistics of numbers without correlations: x = +-1, +-3 in the order of an irrational rotation.
  subroutine reports_and_statistics()
    integer, parameter :: count = 3000
    real(c_double) :: phi(4, 4), series(count, 2), probabilities(2), errors(2), effective, p, distance
    type(stoq_statistics_report) :: report, other
    type(stoq_report_options_t) :: options
    type(stoq_statistics_options_t) :: chosen
    type(stoq_estimate_t) :: found, twice
    type(variance_of) :: variance
    character(:), allocatable :: text
    character(256) :: errmsg
    integer :: i, site, stat, method
    do i = 1, count
      series(i, 1) = 2 * floor(4 * modulo(i * 0.7548776662466927_c_double + i * (i + 1) * 0.31830988618379067_c_double, &
        1.0_c_double)) - 3
      series(i, 2) = series(i, 1)**2
    end do
    call stoq_defaults(options)
    options%symmetry = STOQ_SYMMETRY_EVEN
    call report%create(stoq_layout(phi), 'first, last', options)
    call other%create(stoq_layout(phi), 'first,last', options)
    do i = 1, count / 2
      phi = reshape([(series(1 + modulo(i * 17 + site * 173, count), 1), site=1, 16)], [4, 4])
      call report%push(phi, [phi(1, 1), phi(4, 4)])
      call other%push(phi(4:1:-1, :), [phi(1, 1), phi(4, 4)], stat, errmsg)
      call check(i > 1 .or. stat == STOQ_SHAPE_MISMATCH, 'another layout is refused')
      if (modulo(i, 2) == 0) call other%push(phi, [phi(1, 1), phi(4, 4)])
    end do
    call report%set_exact('kappa2', 5.0_c_double)
    call report%observable('kappa2', found)
    call check(abs(found%value - 5) < 0.2 .and. abs(found%z * found%error - (found%value - 5)) < 1e-12, 'kappa_2')
    call report%observable('first', found)
    call check(abs(found%value) < 0.2 .and. found%window_closed > 0.5, 'an observable of the program')
    call report%merge(other)
    call report%end_chain()
    call report%json(text)
    call check(index(text, '"configurations":2250') > 0 .and. index(text, '"chains":2') > 0, 'JSON of a report')
    call report%text(text)
    call check(index(text, 'chi_connected') > 0, 'text of a report')
    call report%observable('nothing', found, stat, errmsg)
    call fails(stat, errmsg, STOQ_INVALID_ARGUMENT, 'nothing')
    call report%push(phi, stat=stat, errmsg=errmsg)
    call fails(stat, errmsg, STOQ_SHAPE_MISMATCH, 'own')
    call stoq_series_estimate(series(:, 1:1), found)
    call stoq_series_estimate(series(:, 1:1), twice, [count / 3, count - count / 3])
    call check(abs(found%value - sum(series(:, 1)) / count) < 1e-12 .and. found%error > 0, 'a mean')
    call check(abs(found%value - twice%value) < 1e-12 .and. abs(twice%error / found%error - 1) < 0.3, 'two chains')
    call stoq_defaults(chosen)
    do method = STOQ_STATISTICS_GAMMA, STOQ_STATISTICS_BOOTSTRAP
      chosen%method = int(method, c_int32_t)
      call stoq_series_estimate(series, found, function=variance, options=chosen)
      call check(abs(found%value - 5) < 0.3 .and. found%error > 0.01 .and. found%error < 0.2, 'a variance')
    end do
    variance%code = -8
    call stoq_series_estimate(series, found, function=variance, stat=stat, errmsg=errmsg)
    call fails(stat, errmsg, STOQ_CALLBACK_STOPPED, '-8')
    call check(variance%calls > 1000, 'a function that is asked again and again')
    call stoq_histogram(series(:, 1), [-4.0_c_double, 0.0_c_double, 2.0_c_double], probabilities, errors, &
      effective_values=effective)
    call check(abs(probabilities(1) - 0.5) < 0.05 .and. abs(probabilities(2) - 0.25) < 0.05 .and. effective > 1000, &
      'a histogram')
    call stoq_two_sample(series(:, 1), 2 * series(:, 1), p, distance)
    call check(p < 1e-6 .and. distance > 0.2, 'two laws')
    call stoq_two_sample(series(:, 1), series(:, 1), p, edges=[-4.0_c_double, 0.0_c_double, 2.0_c_double])
    call check(abs(p - 1) < 1e-12, 'one law')
    call stoq_two_sample(series(:, 1), series(:, 1), p, first_lengths=[5], stat=stat, errmsg=errmsg)
    call fails(stat, errmsg, STOQ_SHAPE_MISMATCH, 'lengths')
  end subroutine reports_and_statistics

  subroutine models(file)
    character(*), intent(in) :: file
    type(stoq_model) :: model, moved, again
    real(c_double) :: fields(16, 16, 2), scores(16, 16, 2), alone(16, 16)
    character(:), allocatable :: text
    integer, allocatable :: extents(:)
    integer(c_int8_t), allocatable :: bytes(:)
    character(256) :: errmsg
    integer :: unit, length, components, stat
    call model%load(file)
    call model%extents(extents)
    components = model%components()
    call check(all(extents == [16, 16]) .and. components == 1, 'extents of a model')
    call model%metadata('action.name', text)
    call check(index(text, 'phi4') > 0, 'metadata')
    open (newunit=unit, file=file, access='stream', form='unformatted', action='read', status='old')
    inquire (unit=unit, size=length)
    allocate (bytes(length))
    read (unit) bytes
    close (unit)
    call again%from_memory(bytes)
    call start(fields(:, :, 1))
    fields(:, :, 2) = -fields(:, :, 1)
    call model%score([0.3_c_double, 0.3_c_double], fields, scores)
    call again%score([0.3_c_double], fields(:, :, 2), alone)
    call check(same(alone, scores(:, :, 2)) .and. maxval(abs(scores)) > 0, 'the score of a model from memory')
    call model%at(moved, [16, 8])
    call moved%extents(extents)
    call check(all(extents == [16, 8]), 'the model on another lattice')
    call model%at(moved, names=[character(8) :: 'nothing'], values=[0.3_c_double], stat=stat, errmsg=errmsg)
    call fails(stat, errmsg, STOQ_INVALID_ARGUMENT, 'nothing')
    call check(stoq_version_text() /= '', 'version')
    call opens_with_options(file, model)
  end subroutine models

  subroutine opens_with_options(file, loaded)
    character(*), intent(in) :: file
    type(stoq_model), intent(in) :: loaded
    type(stoq_model) :: model
    type(stoq_model_open_options_t) :: options
    real(c_double) :: field(16, 16), scores(16, 16), expected(16, 16)
    character(256) :: errmsg
    integer :: stat
    call stoq_defaults(options)
    options%engine = STOQ_ENGINE_NATIVE
    call model%open(file, options, [16, 16], 'cpu ')
    call start(field)
    call model%score([0.3_c_double], field, scores)
    call loaded%score([0.3_c_double], field, expected)
    call check(same(scores, expected), 'the score of a model opened with options')
    call model%open(file, extents=[4, 8], stat=stat, errmsg=errmsg)
    call fails(stat, errmsg, STOQ_INVALID_ARGUMENT, '[8, 4]')
    call model%open(file, options, extents=[4, 0], stat=stat, errmsg=errmsg)
    call fails(stat, errmsg, STOQ_INVALID_ARGUMENT, 'extents')
    call model%open(file, options, device='tpu', stat=stat, errmsg=errmsg)
    call fails(stat, errmsg, STOQ_INVALID_ARGUMENT, 'device = tpu:')
    options%output = STOQ_OUTPUT_NOISE
    call model%open(file, options, stat=stat, errmsg=errmsg)
    call fails(stat, errmsg, STOQ_INVALID_ARGUMENT, 'Noise')
    options%output = STOQ_AS_IN_FILE
    options%engine = STOQ_ENGINE_ONNX_RUNTIME
    call model%open(file, options, runtime='/nowhere', stat=stat, errmsg=errmsg)
    call fails(stat, errmsg, STOQ_RUNTIME_MISSING, 'ONNX Runtime')
    call check(model%components() == 1, 'a failure leaves the model alone')
  end subroutine opens_with_options

  subroutine program_trains()
    real(c_double) :: phi(8, 8)
    type(stoq_layout) :: layout
    type(stoq_action) :: action
    type(stoq_chain) :: hmc, path
    type(stoq_trainer) :: trainer
    type(stoq_model) :: model
    type(stoq_train_options_t) :: options
    type(stoq_train_report_t) :: report
    integer(c_int8_t), allocatable :: bytes(:)
    character(256) :: errmsg
    type(counter) :: progress
    integer :: i, stat
    layout = stoq_layout(phi)
    phi = 0
    call action%phi4(layout, KAPPA, LAMBDA)
    call hmc%create(layout, action, options=options_of(STOQ_KERNEL_HMC, 0))
    call stoq_defaults(options)
    options%channels = [4, 4, 0, 0]
    options%embedding = 8
    options%batch = 8
    options%steps = 20
    call trainer%create(layout, action, options)
    do i = 1, 64
      call hmc%step(phi)
      call trainer%push(phi)
    end do
    call check(trainer%configurations() == 64, 'configurations')
    progress%last = 3
    call trainer%fit(10, report, progress)
    call check(progress%calls == 3 .and. report%step == 3 .and. report%finished == 0, 'progress ends a fit')
    progress%code = -4
    progress%last = 1
    progress%calls = 0
    call trainer%fit(10, report, progress, stat, errmsg)
    call fails(stat, errmsg, STOQ_CALLBACK_STOPPED, '-4')
    call trainer%fit(100, report)
    call check(report%finished == 1 .and. report%step == 20, 'the whole training')
    call trainer%model(model)
    call path%create(layout, action, model, stat=stat, errmsg=errmsg)
    call fails(stat, errmsg, STOQ_INVALID_ARGUMENT, 'model')
    call trainer%finish(model)
    call path%create(layout, action, model, options_of(STOQ_KERNEL_PATH, 1))
    call path%step(phi)
    call trainer%checkpoint(bytes)
    call trainer%restore(bytes)
    call trainer%restore(bytes(1:10), stat, errmsg)
    call fails(stat, errmsg, STOQ_INVALID_ARGUMENT, 'checkpoint')
  end subroutine program_trains

  subroutine approximate_tools()
    real(c_double) :: phi(4, 4), fields(4, 4, 6), again(4, 4, 2), density(6), values(8), errors(8)
    real(c_double) :: variance
    real(c_double), allocatable :: points(:), initial(:), final(:)
    complex(c_double_complex) :: z(3)
    type(stoq_model) :: model
    type(stoq_layout) :: one
    type(stoq_generator) :: generator
    type(stoq_cumulants) :: cumulants, others
    type(stoq_complex_langevin) :: process
    type(stoq_fokker_planck_options_t) :: grid
    type(stoq_schedule_t) :: schedule
    type(stoq_chain_options_t) :: options
    type(stoq_layout) :: layout
    integer :: i
    layout = stoq_layout(phi)
    call model%free_field(layout, 0.2_c_double)
    call generator%create(model)
    call generator%generate(0_c_int64_t, 6, fields)
    call generator%generate(4_c_int64_t, 2, again)
    call check(same(fields(:, :, 5), again(:, :, 1)) .and. same(fields(:, :, 6), again(:, :, 2)), 'samples by number')
    call model%likelihood(fields, density)
    ! log q + S is a constant for the exact model of a Gaussian law.
    do i = 1, 6
      density(i) = density(i) + sum(fields(:, :, i)**2 - 0.2_c_double * fields(:, :, i) * around(fields(:, :, i), 4))
    end do
    call check(maxval(density) - minval(density) < 1e-4, 'log q + S is a constant')
    call cumulants%create()
    call others%create(64)
    do i = 1, 200
      call cumulants%push([-1.0_c_double, 1.0_c_double])
      call others%push([1.0_c_double, -1.0_c_double])
    end do
    call cumulants%merge(others)
    call cumulants%estimate(values, errors, symmetry=STOQ_SYMMETRY_EVEN)
    call check(abs(values(2) - 1) < 0.01 .and. abs(values(4) + 2) < 0.05, 'cumulants of two points')
    call process%create(1.0_c_double, 1.0_c_double, 0.0_c_double, 3)
    call process%next(z)
    call check(maxval(abs(z)) > 0 .and. maxval(abs(z)) < 50, 'complex Langevin')
    call stoq_defaults(grid)
    call stoq_defaults(schedule)
    allocate (points(grid%cells), initial(grid%cells), final(grid%cells))
    call stoq_density_points(schedule, grid, 0.0_c_double, points)
    initial = exp(-points**2 / 2)
    call stoq_density_forward(schedule, grid, 0.0_c_double, 0.3_c_double, initial, final)
    call stoq_density_points(schedule, grid, 0.3_c_double, points)
    ! Xi(0.3) = (25^0.6 - 1) / (2 ln 25), and the variance is 1 more.
    variance = 1 + (25**0.6_c_double - 1) / (2 * log(25.0_c_double))
    call check(abs(sum(final * points**2) / sum(final) - variance) < 1e-3, 'the variance of the forward process')
    one = stoq_layout([1])
    call model%two_peak(one, 1.0_c_double, 0.25_c_double)
    call stoq_density_backward(model, grid, 0.3_c_double, 0.2_c_double, final, initial)
    call check(all(initial >= 0), 'the backward density')
    options = options_of(STOQ_KERNEL_PATH, 0)
    call check(options%chain == 0, 'options of a function')
  end subroutine approximate_tools

  !> Links in two orders of memory, with u(:, :, 1) along x: one action, the same observables, beside the exact values.
  subroutine gauge_theory()
    real(c_double), parameter :: BETA = 1.5_c_double
    real(c_double) :: u(4, 5, 2), v(2, 4, 5), s(2), plaquette, loops, squares
    type(stoq_layout) :: by_direction, by_site
    type(stoq_action) :: action, other
    type(stoq_chain) :: shift
    type(stoq_u1_exact) :: exact
    logical :: accepted
    integer :: x, y, mu, i, moved
    do y = 1, 5
      do x = 1, 4
        do mu = 1, 2
          u(x, y, mu) = 9 * sin(1.0_c_double + 3 * x + 5 * y + 7 * mu)
          v(mu, x, y) = u(x, y, mu)
        end do
      end do
    end do
    by_direction = stoq_layout(u(:, :, 2:1:-1), components=STOQ_COMPONENTS_LAST)
    by_site = stoq_layout(v(2:1:-1, :, :), components=STOQ_COMPONENTS_FIRST)
    call action%u1(by_direction, BETA)
    call other%u1(by_site, BETA)
    call action%evaluate(u(:, :, 2:1:-1), s(1))
    call other%evaluate(v(2:1:-1, :, :), s(2))
    plaquette = sum(cos(u(:, :, 1) + cshift(u(:, :, 2), 1, 1) - cshift(u(:, :, 1), 1, 2) - u(:, :, 2))) / 20
    loops = stoq_wilson_loop(by_direction, u(:, :, 2:1:-1), 1, 1)
    call check(abs(s(1) + BETA * 20 * plaquette) < 1e-12 .and. abs(s(2) - s(1)) < 1e-14, 'the Wilson action')
    call check(abs(loops - plaquette) < 1e-14, 'the plaquette')
    loops = abs(stoq_polyakov_loop(by_site, v(2:1:-1, :, :), 1) - sum(exp(cmplx(0, sum(u(:, :, 1), 1), c_double))) / 5)
    call check(loops < 1e-13, 'the Polyakov loop along x')
    call shift%create(by_site, other, options=options_of(STOQ_KERNEL_CHARGE_SHIFT, 0))
    v = 0
    do i = 1, 100
      call shift%step(v(2:1:-1, :, :), accepted)
      if (accepted) exit
    end do
    moved = stoq_charge(by_site, v(2:1:-1, :, :))
    call check(accepted .and. abs(moved) == 1, 'a charge shift')
    call exact%create(by_site, BETA)
    squares = 0
    do i = -10, 10
      squares = squares + i**2 * exact%charge_probability(i)
    end do
    call check(abs(squares - exact%charge_squared()) < 1e-12, 'the mean squared charge')
    loops = 1
    do i = 1, 4
      loops = loops + exact%wilson_loop(4, i)
    end do
    call check(abs(loops / 5 - exact%polyakov_square(1)) < 1e-12, 'Polyakov loops along x as Wilson loops')
  end subroutine gauge_theory

end module tools
