! The Fortran module: what it computes is what the library computes, and nothing is lost on the way. Driven by
! tests/fortran_binding.rs; models, training and the rest are in tools.f90. First argument: a trained model on 16 x 16;
! second: "stop" to fail without stat=.
! Statistical checks are at 4 sigma, 2 of them with fixed seeds: a false alarm in one of 8000 seeds.
program binding
  use, intrinsic :: iso_c_binding, only: c_sizeof
  use checks
  use tools
  implicit none
  character(512) :: file, word

  call get_command_argument(1, file)
  call get_command_argument(2, word)
  if (word == 'stop') call stops_with_the_sentence()
  call sizes_are_those_of_the_library()
  call layouts_give_the_same_bits()
  call components_and_ranks()
  call host_is_called()
  call host_rejects_and_stops()
  call moments_are_exact()
  call objects_give_back()
  call wrong_calls_are_refused()
  call models(trim(file))
  call program_trains()
  call approximate_tools()
  call reports_and_statistics()
  call gauge_theory()
  write (*, '(a, i0, a, i0, a)') 'fortran: ', counted, ' checks, ', failures, ' failures'
  if (failures > 0 .or. counted < 60) error stop 1

contains

  subroutine stops_with_the_sentence()
    type(stoq_model) :: model
    call model%load('/nowhere/model.onnx')
  end subroutine stops_with_the_sentence

  subroutine sizes_are_those_of_the_library()
    type(stoq_schedule_t) :: schedule
    type(stoq_model_open_options_t) :: open_options
    type(stoq_chain_options_t) :: chain
    type(stoq_train_options_t) :: train
    type(stoq_generator_options_t) :: generator
    type(stoq_likelihood_options_t) :: likelihood
    type(stoq_complex_langevin_options_t) :: process
    type(stoq_fokker_planck_options_t) :: grid
    type(stoq_layout) :: layout
    call stoq_defaults(schedule)
    call stoq_defaults(open_options)
    call stoq_defaults(chain)
    call stoq_defaults(train)
    call stoq_defaults(generator)
    call stoq_defaults(likelihood)
    call stoq_defaults(process)
    call stoq_defaults(grid)
    layout = stoq_site_layout([2, 2], [4, 3, 2, 1])
    call check(schedule%struct_size == c_sizeof(schedule), 'size of a schedule')
    call check(open_options%struct_size == c_sizeof(open_options), 'size of the options of a model')
    call check(chain%struct_size == c_sizeof(chain), 'size of the options of a chain')
    call check(train%struct_size == c_sizeof(train), 'size of the options of a training')
    call check(generator%struct_size == c_sizeof(generator), 'size of the options of a generator')
    call check(likelihood%struct_size == c_sizeof(likelihood), 'size of the options of a likelihood')
    call check(process%struct_size == c_sizeof(process), 'size of the options of complex Langevin')
    call check(grid%struct_size == c_sizeof(grid), 'size of a grid')
    ! The members behind the sizes: a default in the middle, and the last one.
    call check(chain%levels == 40 .and. abs(chain%jitter - 0.2_c_double) < 1e-15 .and. chain%width > 0.99, 'defaults')
    call check(train%batch == 64 .and. train%even == -1 .and. train%validate_every == 500, 'defaults of a training')
  end subroutine sizes_are_those_of_the_library

  !> Sections, halos, reversed axes and tables of sites: the same chain, and nothing between is touched.
  subroutine layouts_give_the_same_bits()
    real(c_double) :: phi(4, 4), wide(0:5, 0:7), flat(40), back(4, 4)
    type(stoq_layout) :: layout, inner, mirrored, table
    type(stoq_action) :: action, action_mirrored
    type(stoq_model) :: model
    type(stoq_chain) :: chain, chain_inner, chain_mirrored, chain_table
    integer :: positions(16), update
    logical :: accepted, other, agree
    layout = stoq_layout(phi)
    call check(layout%size() == 16 .and. all(layout%c%strides(1:2) == [4, 1]), 'C order of the reversed axes')
    call model%free_field(layout, 0.2_c_double)
    call action%phi4(layout, KAPPA, LAMBDA)
    call chain%create(layout, action, model, options_of(STOQ_KERNEL_PATH, 0))
    wide = -9
    inner = stoq_layout(wide(1:4, 1:7:2))
    call check(all(inner%c%strides(1:2) == [12, 1]), 'strides of a section')
    call chain_inner%create(inner, action, model, options_of(STOQ_KERNEL_PATH, 0))
    mirrored = stoq_layout(back(4:1:-1, :))
    call action_mirrored%phi4(mirrored, KAPPA, LAMBDA)
    call chain_mirrored%create(mirrored, action_mirrored, model, options_of(STOQ_KERNEL_PATH, 0))
    positions = 7 + stoq_even_odd([4, 4], stride=2)
    table = stoq_site_layout([4, 4], positions)
    call chain_table%create(table, action, model, options_of(STOQ_KERNEL_PATH, 0))
    call start(phi)
    wide(1:4, 1:7:2) = phi
    back(4:1:-1, :) = phi
    flat = -9
    call table%scatter(phi, flat)
    do update = 1, 40
      call chain%step(phi, accepted)
      call chain_inner%step(wide(1:4, 1:7:2), other)
      agree = accepted .eqv. other
      call chain_mirrored%step(back(4:1:-1, :), other)
      agree = agree .and. (accepted .eqv. other)
      call chain_table%step(flat, other)
      agree = agree .and. (accepted .eqv. other) .and. same(phi, wide(1:4, 1:7:2)) .and. same(phi, back(4:1:-1, :))
      agree = agree .and. same(phi, reshape(flat(positions), [4, 4]))
      if (.not. agree) exit
    end do
    call check(agree, 'the same bits in every layout')
    call check(count(wide < -8.9) == 48 - 16 .and. count(flat < -8.9) == 40 - 16, 'nothing else is written')
    call table%gather(flat, back)
    call check(same(phi, back), 'gathered by the table')
    positions(1:8) = stoq_even_odd([4, 2])
    call check(all(positions(1:8) == [1, 5, 2, 6, 7, 3, 8, 4]), 'even sites first')
    positions(1:3) = stoq_even_odd([3])
    call check(all(positions(1:3) == [1, 3, 2]), 'even sites first on three sites')
  end subroutine layouts_give_the_same_bits

  !> Every rank, components first and last: the built-in action does not care where its components are.
  subroutine components_and_ranks()
    real(c_double) :: line(6), square(2, 3), cube(2, 3, 2), four(2, 3, 2, 2), last(2, 3, 2), first(2, 2, 3), value(7)
    real(c_double) :: peaks(2, 3, 2, 2, 2), force(2, 2, 3)
    type(stoq_action) :: action
    integer :: i
    line = [(0.1_c_double * i, i=1, 6)]
    square = reshape(line, [2, 3])
    cube = reshape([line, -line], [2, 3, 2])
    four = reshape([line, -line, 2 * line, line], [2, 3, 2, 2])
    last = cube
    do i = 1, 2
      first(i, :, :) = last(:, :, i)
    end do
    peaks = reshape([four, -four], [2, 3, 2, 2, 2])
    call action%toy(stoq_layout(line), 1.0_c_double, 0.4_c_double)
    call action%evaluate(line, value(1))
    call action%toy(stoq_layout(square), 1.0_c_double, 0.4_c_double)
    call action%evaluate(square, value(2))
    call action%toy(stoq_layout(cube), 1.0_c_double, 0.4_c_double)
    call action%evaluate(cube, value(3))
    call action%toy(stoq_layout(four), 1.0_c_double, 0.4_c_double)
    call action%evaluate(four, value(4))
    call check(abs(value(1) - toy(line)) + abs(value(2) - toy(line)) < 1e-14, 'ranks 1 and 2')
    call check(abs(value(3) - 2 * toy(line)) + abs(value(4) - 3 * toy(line) - toy(2 * line)) < 1e-13, 'ranks 3 and 4')
    call action%three_peak(stoq_layout(last, components=STOQ_COMPONENTS_LAST), 1.0_c_double, 0.5_c_double)
    call action%evaluate(last, value(5))
    call action%three_peak(stoq_layout(first, components=STOQ_COMPONENTS_FIRST), 1.0_c_double, 0.5_c_double)
    call action%evaluate(first, value(6))
    call check(abs(value(5) - value(6)) < 1e-14 .and. value(5) > 0.1, 'components first and last')
    call action%force(first, force)
    first(2, 1, 3) = first(2, 1, 3) + 1e-6_c_double
    call action%evaluate(first, value(7))
    call check(abs((value(7) - value(6)) * 1e6 + force(2, 1, 3)) < 1e-4, 'the force of a component')
    call action%three_peak(stoq_layout(peaks, components=STOQ_COMPONENTS_LAST), 1.0_c_double, 0.5_c_double)
    call action%evaluate(peaks, value(7))
    call check(value(7) > value(6), 'rank 4 with components')
  end subroutine components_and_ranks

  real(c_double) function toy(phi)
    real(c_double), intent(in) :: phi(:)
    toy = sum(phi**2 / 2 + 0.4_c_double / 24 * phi**4)
  end function toy

  !> The program's own action, force and local change, against the built-in ones.
  subroutine host_is_called()
    real(c_double) :: phi(4, 4), other(4, 4), ours(4, 4), theirs(4, 4), a, b, log_hastings
    type(stoq_layout) :: layout
    type(stoq_action) :: host, built_in
    type(stoq_model) :: model
    type(stoq_chain) :: chain, second
    logical :: accepted
    integer :: i, moved
    layout = stoq_layout(phi)
    call start(phi)
    call host%host(layout, phi4_host(), has_force=.true., has_local_change=.true.)
    call built_in%phi4(layout, KAPPA, LAMBDA)
    call host%evaluate(phi, a)
    call built_in%evaluate(phi, b)
    call check(abs(a - b) < 1e-13, 'the action')
    call host%force(phi, ours)
    call built_in%force(phi, theirs)
    call check(maxval(abs(ours - theirs)) < 1e-13, 'the force')
    ! One sweep by local changes of either: the same decisions, and values that were proposed alike.
    other = phi
    call chain%create(layout, host, options=options_of(STOQ_KERNEL_METROPOLIS, 0))
    call second%create(layout, built_in, options=options_of(STOQ_KERNEL_METROPOLIS, 0))
    do i = 1, 10
      call chain%step(phi)
      call second%step(other)
    end do
    call check(same(phi, other), 'local changes')
    ! A decision by the program itself.
    call model%free_field(layout, 0.05_c_double)
    call chain%create(layout, model=model, options=options_of(STOQ_KERNEL_PATH, 1))
    call second%create(layout, built_in, model, options_of(STOQ_KERNEL_PATH, 1))
    moved = 0
    do i = 1, 20
      call chain%propose(phi, ours, log_hastings)
      call built_in%evaluate(phi, a)
      call built_in%evaluate(ours, b)
      call chain%resolve(b - a, phi, accepted)
      call second%step(other)
      if (accepted) moved = moved + 1
    end do
    call check(same(phi, other) .and. moved > 2 .and. moved < 20, 'propose and resolve')
  end subroutine host_is_called

  subroutine host_rejects_and_stops()
    real(c_double) :: phi(4, 4), before(4, 4)
    type(stoq_layout) :: layout
    type(stoq_action) :: host
    type(stoq_chain) :: chain
    type(stoq_chain_statistics_t) :: counters
    character(256) :: errmsg
    logical :: accepted
    integer :: stat
    layout = stoq_layout(phi)
    call start(phi)
    before = phi
    ! The action of the current field comes first, then that of the proposal.
    call host%host(layout, phi4_host(code=3, good=1), has_force=.true.)
    call chain%create(layout, host, options=options_of(STOQ_KERNEL_HMC, 0))
    call chain%step(phi, accepted)
    call chain%statistics(counters)
    call check(.not. accepted .and. same(phi, before) .and. counters%non_finite == 1, 'a move that the program rejects')
    call host%host(layout, phi4_host(code=-7, good=1), has_force=.true.)
    call chain%create(layout, host, options=options_of(STOQ_KERNEL_HMC, 0))
    errmsg = 'untouched'
    call chain%step(phi, accepted, stat, errmsg)
    call fails(stat, errmsg, STOQ_CALLBACK_STOPPED, '-7')
    call check(stoq_last_callback_code() == -7 .and. same(phi, before) .and. .not. accepted, 'a stopped call')
    call host%host(layout, phi4_host())
    call host%force(phi, before, stat, errmsg)
    call fails(stat, errmsg, STOQ_INVALID_ARGUMENT, 'force')
    call chain%create(layout, host, options=options_of(STOQ_KERNEL_HMC, 0), stat=stat, errmsg=errmsg)
    call fails(stat, errmsg, STOQ_INVALID_ARGUMENT, 'force')
  end subroutine host_rejects_and_stops

  !> HMC by the program's force and the path kernel in turn, on a section: exact values as in tests/cpp.
  subroutine moments_are_exact()
    integer, parameter :: bins = 100, length = 50
    real(c_double), target :: wide(6, 5), bin(2, bins)
    type(stoq_layout) :: layout
    type(stoq_action) :: host
    type(stoq_model) :: model
    type(stoq_chain) :: hmc, path
    type(stoq_chain_options_t) :: options
    type(stoq_chain_statistics_t) :: counters
    real(c_double) :: move_size
    logical :: frozen(2)
    integer :: i, j
    wide = 0
    layout = stoq_layout(wide(2:5, 1:4))
    call host%host(layout, phi4_host(), has_force=.true.)
    call model%free_field(layout, 0.2_c_double)
    options = options_of(STOQ_KERNEL_HMC, 0)
    options%warm_up = 1
    call hmc%create(layout, host, options=options)
    call path%create(layout, host, model, options_of(STOQ_KERNEL_PATH, 1))
    do i = 1, 100
      call hmc%step(wide(2:5, 1:4))
    end do
    frozen = [hmc%is_frozen(), path%is_frozen()]
    call check(.not. frozen(1) .and. frozen(2), 'warm-up')
    call hmc%freeze()
    frozen(1) = hmc%is_frozen()
    move_size = hmc%move_size()
    call check(frozen(1) .and. move_size > 0, 'frozen')
    bin = 0
    do i = 1, bins
      do j = 1, length
        call hmc%step(wide(2:5, 1:4))
        call path%step(wide(2:5, 1:4))
        bin(1, i) = bin(1, i) + sum(wide(2:5, 1:4)**2) / 16 / length
        bin(2, i) = bin(2, i) + (sum(wide(2:5, 1:4)) / 16)**2 / length
      end do
    end do
    call expect(bin(1, :), 0.6458101351236_c_double, '<phi^2>')
    call expect(bin(2, :), 0.1595808792212_c_double, '<M^2>')
    call path%statistics(counters)
    call check(counters%steps == bins * length .and. counters%accepted > 1000, 'counters')
  end subroutine moments_are_exact

  subroutine expect(bin, exact, name)
    real(c_double), intent(in) :: bin(:), exact
    character(*), intent(in) :: name
    real(c_double) :: mean, error
    mean = sum(bin) / size(bin)
    error = sqrt(sum((bin - mean)**2) / size(bin) / (size(bin) - 1))
    call check(abs(mean - exact) < 4 * error .and. error < 0.05 * exact, name)
  end subroutine expect

  !> Handles go back when objects go, in any order; what the library still needs stays.
  subroutine objects_give_back()
    real(c_double) :: phi(4, 4), other(4, 4)
    type(stoq_chain) :: chain, twin
    integer(c_int8_t), allocatable :: bytes(:)
    integer :: i, before
    call start(phi)
    before = gone
    call make_chain(chain)
    call check(gone == before, 'the host stays as long as its chain')
    do i = 1, 5
      call chain%step(phi)
    end do
    call chain%save(bytes)
    other = phi
    call make_chain(twin)
    call twin%load(bytes)
    do i = 1, 5
      call chain%step(phi)
      call twin%step(other)
    end do
    call check(same(phi, other), 'a saved chain goes on to the same bits')
    call chain%free()
    call check(gone == before + 1, 'the host goes with its chain')
    call chain%free()
    call make_chain(chain)
    call make_chain(chain)
    call check(gone == before + 2, 'an object made again lets the old handle go')
    call twin%free()
    block
      type(stoq_chain) :: local
      call make_chain(local)
      call local%step(phi)
    end block
    call check(gone == before + 4, 'an object that goes out of scope gives back')
    call chain%free()
  end subroutine objects_give_back

  subroutine make_chain(chain)
    type(stoq_chain), intent(inout) :: chain
    real(c_double) :: phi(4, 4)
    type(phi4_host) :: host
    type(stoq_layout) :: layout
    type(stoq_action) :: action
    integer :: before
    layout = stoq_layout(phi)
    allocate (host%inside)
    call action%host(layout, host, has_force=.true.)
    call chain%create(layout, action, options=options_of(STOQ_KERNEL_HMC, 0))
    call action%free()
    before = gone
    deallocate (host%inside)
    gone = before
  end subroutine make_chain

  subroutine wrong_calls_are_refused()
    real(c_double) :: phi(4, 4), flat(16), wide(8, 4), value
    type(stoq_layout) :: layout, nothing
    type(stoq_action) :: action
    type(stoq_model) :: model
    type(stoq_chain) :: chain
    character(256) :: errmsg
    integer :: stat
    layout = stoq_layout(phi)
    phi = 0
    wide = 0
    flat = 0
    call action%evaluate(phi, value, stat, errmsg)
    call fails(stat, errmsg, STOQ_INVALID_ARGUMENT, 'layout')
    call action%phi4(nothing, KAPPA, LAMBDA, stat, errmsg)
    call fails(stat, errmsg, STOQ_INVALID_ARGUMENT, 'struct_size')
    call action%phi4(layout, KAPPA, -LAMBDA, stat, errmsg)
    call fails(stat, errmsg, STOQ_INVALID_ARGUMENT, 'lambda')
    call action%phi4(layout, KAPPA, LAMBDA, stat, errmsg)
    call check(stat == 0, 'stat of a call that succeeds')
    call chain%create(layout, action, model, stat=stat, errmsg=errmsg)
    call fails(stat, errmsg, STOQ_INVALID_ARGUMENT, 'model')
    call chain%create(layout, action, options=options_of(STOQ_KERNEL_METROPOLIS, 0))
    call chain%step(flat, stat=stat, errmsg=errmsg)
    call fails(stat, errmsg, STOQ_SHAPE_MISMATCH, 'rank')
    call chain%step(wide, stat=stat, errmsg=errmsg)
    call fails(stat, errmsg, STOQ_SHAPE_MISMATCH, 'shape')
    call chain%step(wide(1:4, :), stat=stat, errmsg=errmsg)
    call fails(stat, errmsg, STOQ_SHAPE_MISMATCH, 'distances')
    call chain%load([1_c_int8_t], stat, errmsg)
    call fails(stat, errmsg, STOQ_CHAIN_STATE, 'state')
    nothing = stoq_site_layout([4, 4], [1, 2], stat=stat, errmsg=errmsg)
    call fails(stat, errmsg, STOQ_SHAPE_MISMATCH, 'positions')
    nothing = stoq_layout(phi, components=9, stat=stat, errmsg=errmsg)
    call fails(stat, errmsg, STOQ_INVALID_ARGUMENT, 'components')
    call model%load('/nowhere/model.onnx', stat, errmsg)
    call fails(stat, errmsg, STOQ_IO, '/nowhere/model.onnx')
  end subroutine wrong_calls_are_refused

end program binding
