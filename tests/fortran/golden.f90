! The golden case in Fortran: see tests/golden.rs. First argument: the committed model.
program golden
  use stoq
  implicit none
  real(c_double) :: phi(16, 16), value
  type(stoq_layout) :: layout
  type(stoq_action) :: action
  type(stoq_model) :: model
  type(stoq_chain) :: hmc, path
  type(stoq_chain_options_t) :: options
  character(40) :: outcomes
  character(512) :: file
  logical :: accepted
  integer :: s, x, y, update

  call get_command_argument(1, file)
  ! Site s of C order: element s + 1 in memory.
  phi = reshape([(real(mod(7 * s, 32) - 16, c_double) / 16, s=0, 255)], [16, 16])
  layout = stoq_layout(phi)
  call action%phi4(layout, 0.27_c_double, 0.022_c_double)
  call model%load(file)
  call stoq_defaults(options)
  options%kernel = STOQ_KERNEL_HMC
  options%seed = 2026
  call hmc%create(layout, action, options=options)
  options%kernel = STOQ_KERNEL_PATH
  options%chain = 1
  options%levels = 10
  call path%create(layout, action, model, options)

  do update = 1, 20
    call hmc%step(phi, accepted)
    outcomes(2 * update - 1:2 * update - 1) = merge('1', '0', accepted)
    call path%step(phi, accepted)
    outcomes(2 * update:2 * update) = merge('1', '0', accepted)
  end do
  write (*, '(2a)') 'outcomes ', outcomes
  call write_statistics('hmc', hmc)
  call write_statistics('path', path)
  call action%evaluate(phi, value)
  write (*, '(2a)') 'action ', bits(value)
  do y = 1, 16
    do x = 1, 16
      write (*, '(2a)') 'field ', bits(phi(x, y))
    end do
  end do

contains

  subroutine write_statistics(name, chain)
    character(*), intent(in) :: name
    type(stoq_chain), intent(in) :: chain
    type(stoq_chain_statistics_t) :: c
    call chain%statistics(c)
    write (*, '(a, 5(1x, i0))') name, c%steps, c%accepted, c%non_finite, c%score_evaluations, c%proposals
  end subroutine write_statistics

  function bits(number) result(digits)
    real(c_double), intent(in) :: number
    character(16) :: digits
    integer(c_int64_t) :: word
    character(16), parameter :: letters = '0123456789abcdef'
    integer :: i, digit
    word = transfer(number, word)
    do i = 16, 1, -1
      digit = int(iand(word, 15_c_int64_t))
      digits(i:i) = letters(digit + 1:digit + 1)
      word = ishft(word, -4)
    end do
  end function bits

end program golden
