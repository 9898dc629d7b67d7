!> Score models.
module stoq_models
  use, intrinsic :: iso_c_binding
  use stoq_abi
  use stoq_functions
  use stoq_tool_functions, only: stoq_likelihood
  use stoq_errors
  use stoq_fields
  implicit none
  private
  public :: stoq_model

  !> A score model. It never changes: several threads may use it at once. It owns its handle, and gives it back when it
  !> goes out of scope; chains made with it go on. It cannot be copied.
  type :: stoq_model
    private
    type(c_ptr), public :: handle = c_null_ptr
  contains
    procedure :: load => load_model
    procedure :: open => open_model
    procedure :: from_memory => model_from_memory
    procedure :: gaussian => model_gaussian
    procedure :: free_field => model_free_field
    procedure :: toy => model_toy
    procedure :: two_peak => model_two_peak
    procedure :: three_peak => model_three_peak
    procedure :: at => model_at
    procedure :: adopt => adopt_model
    procedure :: save => save_model
    procedure :: extents => model_extents
    procedure :: components => model_components
    procedure :: metadata => model_metadata
    procedure :: score => model_score
    procedure :: likelihood => model_likelihood
    procedure :: free => free_model
    procedure, private :: copy => copy_model
    generic :: assignment(=) => copy
    final :: finish_model
  end type stoq_model

contains

  !> Reads a model file. Blanks at the end of `path` do not count.
  subroutine load_model(self, path, stat, errmsg)
    class(stoq_model), intent(inout) :: self
    character(*), intent(in) :: path
    integer, optional, intent(out) :: stat
    character(*), optional, intent(inout) :: errmsg
    type(c_ptr) :: made
    integer(c_int32_t) :: status
    made = c_null_ptr
    if (stoq_abi_differs(stat, errmsg)) return
    status = stoq_model_load(trim(path) // c_null_char, made)
    call keep(self, made, status, stat, errmsg)
  end subroutine load_model

  !> Reads a model file with options: a network exported by another program, a device. `extents` are those of an array
  !> of Fortran; `covariance` is one value, one a momentum class, or one a site in column-major order. An argument takes
  !> the place of what `options` says about the same. See stoq_model_open_with() in stoq.h.
  subroutine open_model(self, path, options, extents, device, runtime, covariance, stat, errmsg)
    class(stoq_model), intent(inout) :: self
    character(*), intent(in) :: path
    type(stoq_model_open_options_t), optional, intent(in) :: options
    integer, optional, intent(in) :: extents(:)
    character(*), optional, intent(in) :: device, runtime
    real(c_double), optional, target, contiguous, intent(in) :: covariance(:)
    integer, optional, intent(out) :: stat
    character(*), optional, intent(inout) :: errmsg
    type(stoq_model_open_options_t) :: given
    character(kind=c_char), allocatable, target :: device_text(:), runtime_text(:)
    type(c_ptr) :: made
    integer(c_int32_t) :: status
    made = c_null_ptr
    if (stoq_abi_differs(stat, errmsg)) return
    status = stoq_model_open_options_init(given)
    if (present(options)) given = options
    if (present(extents)) then
      if (size(extents) > 4 .or. any(extents < 1)) then
        call stoq_fail(STOQ_INVALID_ARGUMENT, 'extents: expected up to four numbers of at least 1', stat, errmsg)
        return
      end if
      given%rank = int(size(extents), c_int32_t)
      given%extents(:size(extents)) = int(extents(size(extents):1:-1), c_size_t)
    end if
    if (present(device)) then
      device_text = letters(device)
      given%device = c_loc(device_text)
    end if
    if (present(runtime)) then
      runtime_text = letters(runtime)
      given%runtime = c_loc(runtime_text)
    end if
    if (present(covariance)) then
      if (size(covariance) > 0) given%covariance = c_loc(covariance)
      given%covariance_count = size(covariance, kind=c_size_t)
    end if
    if (status == STOQ_OK) status = stoq_model_open_with(trim(path) // c_null_char, given, made)
    call keep(self, made, status, stat, errmsg)
  end subroutine open_model

  !> A text for C, which ends with NUL. Blanks at its end do not count.
  pure function letters(text)
    character(*), intent(in) :: text
    character(kind=c_char) :: letters(len_trim(text) + 1)
    letters = transfer(trim(text) // c_null_char, letters)
  end function letters

  !> Reads a model from bytes that hold what a file holds, for example after one image or rank sent them to the others.
  subroutine model_from_memory(self, bytes, stat, errmsg)
    class(stoq_model), intent(inout) :: self
    integer(c_int8_t), target, contiguous, intent(in) :: bytes(:)
    integer, optional, intent(out) :: stat
    character(*), optional, intent(inout) :: errmsg
    type(c_ptr) :: made, first
    integer(c_int32_t) :: status
    made = c_null_ptr
    first = c_null_ptr
    if (size(bytes) > 0) first = c_loc(bytes)
    if (stoq_abi_differs(stat, errmsg)) return
    status = stoq_model_from_memory(first, size(bytes, kind=c_size_t), made)
    call keep(self, made, status, stat, errmsg)
  end subroutine model_from_memory

  !> The model of Gaussian data: `covariance` is <|phi_p|^2>, one value a site in column-major order, see
  !> stoq_model_gaussian() in stoq.h.
  subroutine model_gaussian(self, layout, covariance, schedule, stat, errmsg)
    class(stoq_model), intent(inout) :: self
    type(stoq_layout), target, intent(in) :: layout
    real(c_double), target, intent(in) :: covariance(*)
    type(stoq_schedule_t), optional, target, intent(in) :: schedule
    integer, optional, intent(out) :: stat
    character(*), optional, intent(inout) :: errmsg
    type(c_ptr) :: made
    integer(c_int32_t) :: status
    made = c_null_ptr
    status = stoq_model_gaussian(layout%for_c(), chosen(schedule), c_loc(covariance), made)
    call keep(self, made, status, stat, errmsg)
  end subroutine model_gaussian

  !> The model of the free field: C(p) = 1 / (2 - 4 kappa sum_mu cos p_mu).
  subroutine model_free_field(self, layout, kappa, schedule, stat, errmsg)
    class(stoq_model), intent(inout) :: self
    type(stoq_layout), target, intent(in) :: layout
    real(c_double), intent(in) :: kappa
    type(stoq_schedule_t), optional, target, intent(in) :: schedule
    integer, optional, intent(out) :: stat
    character(*), optional, intent(inout) :: errmsg
    type(c_ptr) :: made
    integer(c_int32_t) :: status
    made = c_null_ptr
    status = stoq_model_free_field(layout%for_c(), chosen(schedule), kappa, made)
    call keep(self, made, status, stat, errmsg)
  end subroutine model_free_field

  !> The exact model of stoq_action%toy.
  subroutine model_toy(self, layout, mu2, g, schedule, stat, errmsg)
    class(stoq_model), intent(inout) :: self
    type(stoq_layout), target, intent(in) :: layout
    real(c_double), intent(in) :: mu2, g
    type(stoq_schedule_t), optional, target, intent(in) :: schedule
    integer, optional, intent(out) :: stat
    character(*), optional, intent(inout) :: errmsg
    type(c_ptr) :: made
    integer(c_int32_t) :: status
    made = c_null_ptr
    status = stoq_model_toy(layout%for_c(), chosen(schedule), mu2, g, made)
    call keep(self, made, status, stat, errmsg)
  end subroutine model_toy

  !> The exact model of stoq_action%two_peak.
  subroutine model_two_peak(self, layout, mu0, sigma0, schedule, stat, errmsg)
    class(stoq_model), intent(inout) :: self
    type(stoq_layout), target, intent(in) :: layout
    real(c_double), intent(in) :: mu0, sigma0
    type(stoq_schedule_t), optional, target, intent(in) :: schedule
    integer, optional, intent(out) :: stat
    character(*), optional, intent(inout) :: errmsg
    type(c_ptr) :: made
    integer(c_int32_t) :: status
    made = c_null_ptr
    status = stoq_model_two_peak(layout%for_c(), chosen(schedule), mu0, sigma0, made)
    call keep(self, made, status, stat, errmsg)
  end subroutine model_two_peak

  !> The exact model of stoq_action%three_peak.
  subroutine model_three_peak(self, layout, radius, sigma0, schedule, stat, errmsg)
    class(stoq_model), intent(inout) :: self
    type(stoq_layout), target, intent(in) :: layout
    real(c_double), intent(in) :: radius, sigma0
    type(stoq_schedule_t), optional, target, intent(in) :: schedule
    integer, optional, intent(out) :: stat
    character(*), optional, intent(inout) :: errmsg
    type(c_ptr) :: made
    integer(c_int32_t) :: status
    made = c_null_ptr
    status = stoq_model_three_peak(layout%for_c(), chosen(schedule), radius, sigma0, made)
    call keep(self, made, status, stat, errmsg)
  end subroutine model_three_peak

  function chosen(schedule) result(address)
    type(stoq_schedule_t), optional, target, intent(in) :: schedule
    type(c_ptr) :: address
    address = c_null_ptr
    if (present(schedule)) address = c_loc(schedule)
  end function chosen

  !> The same network on other extents (of an array of Fortran), and at other couplings that it was trained to see, into
  !> `moved`: call model%at(moved, [32, 32], [character(5) :: 'kappa'], [0.28d0]). See stoq_model_at() in stoq.h.
  subroutine model_at(self, moved, extents, names, values, stat, errmsg)
    class(stoq_model), intent(in) :: self
    class(stoq_model), intent(inout) :: moved
    integer, optional, intent(in) :: extents(:)
    character(*), optional, intent(in) :: names(:)
    real(c_double), optional, target, contiguous, intent(in) :: values(:)
    integer, optional, intent(out) :: stat
    character(*), optional, intent(inout) :: errmsg
    integer(c_size_t), allocatable, target :: reversed(:)
    character(kind=c_char), allocatable, target :: texts(:, :)
    type(c_ptr), allocatable, target :: addresses(:)
    type(c_ptr) :: made, numbers
    integer(c_int32_t) :: status
    integer :: i, j, count
    allocate (reversed(1), addresses(1))
    made = c_null_ptr
    numbers = c_null_ptr
    count = 0
    i = 0
    if (present(extents)) then
      i = size(extents)
      if (i > 0) reversed = int(extents(i:1:-1), c_size_t)
    end if
    if (present(names) .and. present(values)) then
      count = min(size(names), size(values))
      deallocate (addresses)
      allocate (texts(len(names) + 1, max(count, 1)), addresses(max(count, 1)))
      texts = c_null_char
      do j = 1, count
        texts(1:len_trim(names(j)), j) = transfer(names(j), texts(:, j), len_trim(names(j)))
        addresses(j) = c_loc(texts(1, j))
      end do
      if (count > 0) numbers = c_loc(values)
    end if
    status = stoq_model_at(self%handle, int(i, c_int32_t), c_loc(reversed), int(count, c_size_t), &
      c_loc(addresses), numbers, made)
    call keep(moved, made, status, stat, errmsg)
  end subroutine model_at

  !> Takes over a handle that a function of the library made.
  subroutine adopt_model(self, handle)
    class(stoq_model), intent(inout) :: self
    type(c_ptr), intent(in) :: handle
    call self%free()
    self%handle = handle
  end subroutine adopt_model

  subroutine keep(self, made, status, stat, errmsg)
    class(stoq_model), intent(inout) :: self
    type(c_ptr), intent(in) :: made
    integer(c_int32_t), intent(in) :: status
    integer, optional, intent(out) :: stat
    character(*), optional, intent(inout) :: errmsg
    if (status == STOQ_OK) call self%adopt(made)
    call stoq_report(status, stat, errmsg)
  end subroutine keep

  !> Writes a trained model to a file, whole or not at all.
  subroutine save_model(self, path, stat, errmsg)
    class(stoq_model), intent(in) :: self
    character(*), intent(in) :: path
    integer, optional, intent(out) :: stat
    character(*), optional, intent(inout) :: errmsg
    call stoq_report(stoq_model_save(self%handle, trim(path) // c_null_char), stat, errmsg)
  end subroutine save_model

  !> The shape of the arrays of the model, without components: the fastest axis first.
  subroutine model_extents(self, extents, stat, errmsg)
    class(stoq_model), intent(in) :: self
    integer, allocatable, intent(inout) :: extents(:)
    integer, optional, intent(out) :: stat
    character(*), optional, intent(inout) :: errmsg
    integer(c_size_t), target :: found(4)
    integer(c_int32_t), target :: rank
    integer(c_int32_t) :: status
    status = stoq_model_rank(self%handle, c_loc(rank))
    if (status == STOQ_OK) status = stoq_model_extents(self%handle, c_loc(found))
    if (status == STOQ_OK) extents = int(found(rank:1:-1))
    call stoq_report(status, stat, errmsg)
  end subroutine model_extents

  !> Real numbers a site.
  integer function model_components(self, stat, errmsg)
    class(stoq_model), intent(in) :: self
    integer, optional, intent(out) :: stat
    character(*), optional, intent(inout) :: errmsg
    integer(c_int32_t), target :: found
    found = 0
    call stoq_report(stoq_model_components(self%handle, c_loc(found)), stat, errmsg)
    model_components = int(found)
  end function model_components

  !> What a trained model says about itself, such as "schedule.scheme"; "metadata" is everything, as JSON.
  subroutine model_metadata(self, key, text, stat, errmsg)
    class(stoq_model), intent(in) :: self
    character(*), intent(in) :: key
    character(:), allocatable, intent(inout) :: text
    integer, optional, intent(out) :: stat
    character(*), optional, intent(inout) :: errmsg
    character(kind=c_char), allocatable, target :: buffer(:)
    integer(c_size_t), target :: needed
    integer(c_int32_t) :: status
    needed = 0
    status = stoq_model_metadata(self%handle, trim(key) // c_null_char, c_null_ptr, 0_c_size_t, c_loc(needed))
    if (status == STOQ_OK) then
      allocate (buffer(needed))
      status = stoq_model_metadata(self%handle, trim(key) // c_null_char, c_loc(buffer), needed, c_null_ptr)
      if (status == STOQ_OK) text = stoq_text(c_loc(buffer))
    end if
    call stoq_report(status, stat, errmsg)
  end subroutine model_metadata

  !> s(x, t) = grad_x log p_t(x) of fields one after the other in contiguous arrays, at as many times in (0, 1].
  subroutine model_score(self, times, fields, scores, stat, errmsg)
    class(stoq_model), intent(in) :: self
    real(c_double), target, contiguous, intent(in) :: times(:)
    real(c_double), target, intent(in) :: fields(*)
    real(c_double), target, intent(inout) :: scores(*)
    integer, optional, intent(out) :: stat
    character(*), optional, intent(inout) :: errmsg
    integer(c_int32_t) :: status
    status = stoq_model_score(self%handle, size(times, kind=c_size_t), c_loc(times), c_loc(fields), c_loc(scores))
    call stoq_report(status, stat, errmsg)
  end subroutine model_score

  !> log q of as many fields as `log_density` has elements, one after the other in a contiguous array; approximate, see
  !> stoq_likelihood() in stoq.h.
  subroutine model_likelihood(self, fields, log_density, error, options, stat, errmsg)
    class(stoq_model), intent(in) :: self
    real(c_double), target, intent(in) :: fields(*)
    real(c_double), target, contiguous, intent(inout) :: log_density(:)
    real(c_double), optional, target, contiguous, intent(inout) :: error(:)
    type(stoq_likelihood_options_t), optional, target, intent(in) :: options
    integer, optional, intent(out) :: stat
    character(*), optional, intent(inout) :: errmsg
    type(c_ptr) :: errors, given
    integer(c_int32_t) :: status
    errors = c_null_ptr
    given = c_null_ptr
    if (present(options)) given = c_loc(options)
    if (present(error)) then
      if (size(error) < size(log_density)) then
        call stoq_fail(STOQ_SHAPE_MISMATCH, 'error: shorter than log_density', stat, errmsg)
        return
      end if
      errors = c_loc(error)
    end if
    status = stoq_likelihood(self%handle, given, size(log_density, kind=c_size_t), c_loc(fields), &
      c_loc(log_density), errors)
    call stoq_report(status, stat, errmsg)
  end subroutine model_likelihood

  !> Gives the handle back. The object can be made anew.
  subroutine free_model(self)
    class(stoq_model), intent(inout) :: self
    call stoq_model_free(self%handle)
    self%handle = c_null_ptr
  end subroutine free_model

  impure elemental subroutine finish_model(self)
    type(stoq_model), intent(inout) :: self
    call self%free()
  end subroutine finish_model

  subroutine copy_model(self, other)
    class(stoq_model), intent(inout) :: self
    class(stoq_model), intent(in) :: other
    if (c_associated(self%handle) .or. c_associated(other%handle)) call stoq_refuse_copy('a stoq_model')
  end subroutine copy_model

end module stoq_models
