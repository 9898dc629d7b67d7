!> Approximate tools, and cumulants: nothing here samples exp(-S)/Z exactly.
module stoq_approximate
  use, intrinsic :: iso_c_binding
  use stoq_abi
  use stoq_tool_functions
  use stoq_errors
  use stoq_actions
  use stoq_models
  implicit none
  private
  public :: stoq_generator, stoq_cumulants, stoq_complex_langevin, stoq_density_points, &
    stoq_density_forward, stoq_density_backward

  !> Draws independent samples of the law of a model: stoq_generator_t of stoq.h. *Approximate*.
  type :: stoq_generator
    private
    type(c_ptr), public :: handle = c_null_ptr
  contains
    procedure :: create => create_generator
    procedure :: generate => generate_samples
    procedure :: free => free_generator
    procedure, private :: copy => copy_generator
    generic :: assignment(=) => copy
    final :: finish_generator
  end type stoq_generator

  !> Cumulants of a real variable, streaming: stoq_cumulants_t of stoq.h.
  type :: stoq_cumulants
    private
    type(c_ptr), public :: handle = c_null_ptr
  contains
    procedure :: create => create_cumulants
    procedure :: push => push_values
    procedure :: merge => merge_cumulants
    procedure :: estimate => estimate_values
    procedure :: free => free_cumulants
    procedure, private :: copy => copy_cumulants
    generic :: assignment(=) => copy
    final :: finish_cumulants
  end type stoq_cumulants

  !> The complex Langevin process of S(z) = sigma0/2 z^2 + lambda/4 z^4, sigma0 = a + i b: stoq_complex_langevin_t of
  !> stoq.h. *Not exact*.
  type :: stoq_complex_langevin
    private
    type(c_ptr), public :: handle = c_null_ptr
    integer :: sites = 0
  contains
    procedure :: create => create_complex_langevin
    procedure :: next => next_configuration
    procedure :: free => free_complex_langevin
    procedure, private :: copy => copy_complex_langevin
    generic :: assignment(=) => copy
    final :: finish_complex_langevin
  end type stoq_complex_langevin

contains

  !> With an action for options%tail_moves.
  subroutine create_generator(self, model, action, options, stat, errmsg)
    class(stoq_generator), intent(inout) :: self
    class(stoq_model), intent(in) :: model
    class(stoq_action), optional, intent(in) :: action
    type(stoq_generator_options_t), optional, target, intent(in) :: options
    integer, optional, intent(out) :: stat
    character(*), optional, intent(inout) :: errmsg
    type(c_ptr) :: handle, chosen, made
    integer(c_int32_t) :: status
    handle = c_null_ptr
    chosen = c_null_ptr
    made = c_null_ptr
    if (present(action)) handle = action%handle
    if (present(options)) chosen = c_loc(options)
    status = stoq_generator_new(model%handle, handle, chosen, made)
    if (status == STOQ_OK) then
      call self%free()
      self%handle = made
    end if
    call stoq_report(status, stat, errmsg)
  end subroutine create_generator

  !> Samples first, first + 1, ..., counted from 0, into a contiguous array of `count` fields, and log w + S of each.
  subroutine generate_samples(self, first, count, fields, log_weights, stat, errmsg)
    class(stoq_generator), intent(inout) :: self
    integer(c_int64_t), intent(in) :: first
    integer, intent(in) :: count
    real(c_double), target, intent(inout) :: fields(*)
    real(c_double), optional, target, intent(inout) :: log_weights(count)
    integer, optional, intent(out) :: stat
    character(*), optional, intent(inout) :: errmsg
    type(c_ptr) :: weights
    integer(c_int32_t) :: status
    weights = c_null_ptr
    if (present(log_weights)) weights = c_loc(log_weights)
    status = stoq_generator_generate(self%handle, first, int(count, c_size_t), c_loc(fields), weights)
    call stoq_report(status, stat, errmsg)
  end subroutine generate_samples

  !> An accumulator without values; its number of bins stays between `bins` (64) and the double of it.
  subroutine create_cumulants(self, bins, stat, errmsg)
    class(stoq_cumulants), intent(inout) :: self
    integer, optional, intent(in) :: bins
    integer, optional, intent(out) :: stat
    character(*), optional, intent(inout) :: errmsg
    type(c_ptr) :: made
    integer(c_size_t) :: wanted
    integer(c_int32_t) :: status
    wanted = 64
    made = c_null_ptr
    if (present(bins)) wanted = int(bins, c_size_t)
    if (stoq_abi_differs(stat, errmsg)) return
    status = stoq_cumulants_new(wanted, made)
    if (status == STOQ_OK) then
      call self%free()
      self%handle = made
    end if
    call stoq_report(status, stat, errmsg)
  end subroutine create_cumulants

  !> Adds the values of one configuration.
  subroutine push_values(self, values, stat, errmsg)
    class(stoq_cumulants), intent(inout) :: self
    real(c_double), target, contiguous, intent(in) :: values(:)
    integer, optional, intent(out) :: stat
    character(*), optional, intent(inout) :: errmsg
    call stoq_report(stoq_cumulants_push(self%handle, size(values, kind=c_size_t), c_loc(values)), stat, errmsg)
  end subroutine push_values

  !> Adds all that another accumulator holds, taken to be independent.
  subroutine merge_cumulants(self, other, stat, errmsg)
    class(stoq_cumulants), intent(inout) :: self
    class(stoq_cumulants), intent(in) :: other
    integer, optional, intent(out) :: stat
    character(*), optional, intent(inout) :: errmsg
    call stoq_report(stoq_cumulants_merge(self%handle, other%handle), stat, errmsg)
  end subroutine merge_cumulants

  !> kappa_1 to kappa_8 with jackknife errors; correlations of neighbouring bins clearly above 0 say that the errors are
  !> too small, see stoq.h.
  subroutine estimate_values(self, values, errors, bin_correlation, symmetry, stat, errmsg)
    class(stoq_cumulants), intent(in) :: self
    real(c_double), target, intent(inout) :: values(8), errors(8)
    real(c_double), optional, target, intent(inout) :: bin_correlation(8)
    integer(c_int32_t), optional, intent(in) :: symmetry
    integer, optional, intent(out) :: stat
    character(*), optional, intent(inout) :: errmsg
    type(c_ptr) :: correlation
    integer(c_int32_t) :: known, status
    correlation = c_null_ptr
    known = STOQ_SYMMETRY_NONE
    if (present(bin_correlation)) correlation = c_loc(bin_correlation)
    if (present(symmetry)) known = symmetry
    status = stoq_cumulants_estimate(self%handle, known, c_loc(values), c_loc(errors), correlation)
    call stoq_report(status, stat, errmsg)
  end subroutine estimate_values

  !> `sites` independent copies of z.
  subroutine create_complex_langevin(self, a, b, lambda, sites, options, stat, errmsg)
    class(stoq_complex_langevin), intent(inout) :: self
    real(c_double), intent(in) :: a, b, lambda
    integer, intent(in) :: sites
    type(stoq_complex_langevin_options_t), optional, target, intent(in) :: options
    integer, optional, intent(out) :: stat
    character(*), optional, intent(inout) :: errmsg
    type(c_ptr) :: chosen, made
    integer(c_int32_t) :: status
    chosen = c_null_ptr
    made = c_null_ptr
    if (present(options)) chosen = c_loc(options)
    if (stoq_abi_differs(stat, errmsg)) return
    status = stoq_complex_langevin_new(a, b, lambda, int(sites, c_size_t), chosen, made)
    if (status == STOQ_OK) then
      call self%free()
      self%handle = made
      self%sites = sites
    end if
    call stoq_report(status, stat, errmsg)
  end subroutine create_complex_langevin

  !> Follows the process for one interval.
  subroutine next_configuration(self, z, stat, errmsg)
    class(stoq_complex_langevin), intent(inout) :: self
    complex(c_double_complex), intent(inout) :: z(:)
    integer, optional, intent(out) :: stat
    character(*), optional, intent(inout) :: errmsg
    real(c_double), allocatable, target :: parts(:, :)
    integer(c_int32_t) :: status
    if (size(z) /= self%sites) then
      call stoq_fail(STOQ_SHAPE_MISMATCH, 'z: expected one number for each copy', stat, errmsg)
      return
    end if
    allocate (parts(max(self%sites, 1), 2))
    status = stoq_complex_langevin_next(self%handle, c_loc(parts))
    if (status == STOQ_OK) z = cmplx(parts(:, 1), parts(:, 2), c_double_complex)
    call stoq_report(status, stat, errmsg)
  end subroutine next_configuration

  !> The centres of the cells of the Fokker-Planck equation at one time, see stoq_fokker_planck_points() in stoq.h.
  subroutine stoq_density_points(schedule, options, time, points, stat, errmsg)
    type(stoq_schedule_t), target, intent(in) :: schedule
    type(stoq_fokker_planck_options_t), target, intent(in) :: options
    real(c_double), intent(in) :: time
    real(c_double), target, intent(inout) :: points(options%cells)
    integer, optional, intent(out) :: stat
    character(*), optional, intent(inout) :: errmsg
    call stoq_report(stoq_fokker_planck_points(c_loc(schedule), c_loc(options), time, c_loc(points)), stat, errmsg)
  end subroutine stoq_density_points

  !> The density that the forward process carries from one time to a later one, without noise.
  subroutine stoq_density_forward(schedule, options, from, to, density, result, stat, errmsg)
    type(stoq_schedule_t), target, intent(in) :: schedule
    type(stoq_fokker_planck_options_t), target, intent(in) :: options
    real(c_double), intent(in) :: from, to
    real(c_double), target, intent(in) :: density(options%cells)
    real(c_double), target, intent(inout) :: result(options%cells)
    integer, optional, intent(out) :: stat
    character(*), optional, intent(inout) :: errmsg
    call stoq_report(stoq_fokker_planck_forward(c_loc(schedule), c_loc(options), from, to, c_loc(density), &
      c_loc(result)), stat, errmsg)
  end subroutine stoq_density_forward

  !> The density that the backward process of a model carries from one time to an earlier one.
  subroutine stoq_density_backward(model, options, from, to, density, result, stat, errmsg)
    class(stoq_model), intent(in) :: model
    type(stoq_fokker_planck_options_t), target, intent(in) :: options
    real(c_double), intent(in) :: from, to
    real(c_double), target, intent(in) :: density(options%cells)
    real(c_double), target, intent(inout) :: result(options%cells)
    integer, optional, intent(out) :: stat
    character(*), optional, intent(inout) :: errmsg
    call stoq_report(stoq_fokker_planck_backward(model%handle, c_loc(options), from, to, c_loc(density), &
      c_loc(result)), stat, errmsg)
  end subroutine stoq_density_backward

  !> Gives the handle back. The object can be made anew.
  subroutine free_generator(self)
    class(stoq_generator), intent(inout) :: self
    call stoq_generator_free(self%handle)
    self%handle = c_null_ptr
  end subroutine free_generator

  impure elemental subroutine finish_generator(self)
    type(stoq_generator), intent(inout) :: self
    call self%free()
  end subroutine finish_generator

  subroutine copy_generator(self, other)
    class(stoq_generator), intent(inout) :: self
    class(stoq_generator), intent(in) :: other
    if (c_associated(self%handle) .or. c_associated(other%handle)) call stoq_refuse_copy('a stoq_generator')
  end subroutine copy_generator

  !> Gives the handle back. The object can be made anew.
  subroutine free_cumulants(self)
    class(stoq_cumulants), intent(inout) :: self
    call stoq_cumulants_free(self%handle)
    self%handle = c_null_ptr
  end subroutine free_cumulants

  impure elemental subroutine finish_cumulants(self)
    type(stoq_cumulants), intent(inout) :: self
    call self%free()
  end subroutine finish_cumulants

  subroutine copy_cumulants(self, other)
    class(stoq_cumulants), intent(inout) :: self
    class(stoq_cumulants), intent(in) :: other
    if (c_associated(self%handle) .or. c_associated(other%handle)) call stoq_refuse_copy('a stoq_cumulants')
  end subroutine copy_cumulants

  !> Gives the handle back. The object can be made anew.
  subroutine free_complex_langevin(self)
    class(stoq_complex_langevin), intent(inout) :: self
    call stoq_complex_langevin_free(self%handle)
    self%handle = c_null_ptr
  end subroutine free_complex_langevin

  impure elemental subroutine finish_complex_langevin(self)
    type(stoq_complex_langevin), intent(inout) :: self
    call self%free()
  end subroutine finish_complex_langevin

  subroutine copy_complex_langevin(self, other)
    class(stoq_complex_langevin), intent(inout) :: self
    class(stoq_complex_langevin), intent(in) :: other
    if (c_associated(self%handle) .or. c_associated(other%handle)) call stoq_refuse_copy('a stoq_complex_langevin')
  end subroutine copy_complex_langevin

end module stoq_approximate
