!> Reports on streams of configurations, and statistics of series.
!>
!> Series are arrays series(values, observables): the values of the first chain, then those of the second, and so on;
!> `lengths` says how many each has, and without it all are of one chain.
module stoq_statistics
  use, intrinsic :: iso_c_binding
  use stoq_abi
  use stoq_tool_functions
  use stoq_errors
  use stoq_fields
  implicit none
  private
  public :: stoq_statistics_report, stoq_of_means, stoq_series_estimate, stoq_histogram, stoq_two_sample

  !> A report on a stream of configurations: every observable with error, tau_int and window, without keeping
  !> configurations; stoq_report_t of stoq.h. It owns its handle. It cannot be copied.
  type :: stoq_statistics_report
    private
    type(c_ptr), public :: handle = c_null_ptr
    type(stoq_layout) :: layout
    integer :: names = 0
  contains
    procedure :: create => create_report
    procedure, private :: push_1, push_2, push_3, push_4, push_5
    !> Adds the next configuration of the chain, with the observables of the program in the order of their names.
    generic :: push => push_1, push_2, push_3, push_4, push_5
    procedure :: end_chain => end_chain_of_report
    procedure :: merge => merge_reports
    procedure :: set_exact => set_exact_of_report
    procedure :: observable => observable_of_report
    procedure :: json => json_of_report
    procedure :: text => text_of_report
    procedure :: free => free_report
    procedure, private :: copy => copy_report
    generic :: assignment(=) => copy
    final :: finish_report
  end type stoq_statistics_report

  !> A function of the means of several observables: extend this type.
  type, abstract :: stoq_of_means
  contains
    !> `code` is 0 on entry: leave it so; anything else ends the call with STOQ_CALLBACK_STOPPED.
    procedure(function_of_means), deferred :: evaluate
  end type stoq_of_means

  abstract interface
    subroutine function_of_means(self, means, value, code)
      import :: stoq_of_means, c_double
      class(stoq_of_means), intent(inout) :: self
      real(c_double), intent(in) :: means(:)
      real(c_double), intent(inout) :: value
      integer, intent(inout) :: code
    end subroutine function_of_means
  end interface

  type :: function_box
    class(stoq_of_means), pointer :: function => null()
  end type function_box

contains

  !> `names` of the observables of the program, with commas between them.
  subroutine create_report(self, layout, names, options, stat, errmsg)
    class(stoq_statistics_report), intent(inout) :: self
    type(stoq_layout), target, intent(in) :: layout
    character(*), optional, intent(in) :: names
    type(stoq_report_options_t), optional, target, intent(in) :: options
    integer, optional, intent(out) :: stat
    character(*), optional, intent(inout) :: errmsg
    type(c_ptr) :: chosen, made
    character(:), allocatable :: given
    integer(c_int32_t) :: status
    integer :: i
    chosen = c_null_ptr
    made = c_null_ptr
    given = ''
    if (present(options)) chosen = c_loc(options)
    if (present(names)) given = trim(names)
    if (stoq_abi_differs(stat, errmsg)) return
    status = stoq_report_new(layout%for_c(), chosen, given // c_null_char, made)
    if (status == STOQ_OK) then
      call self%free()
      self%handle = made
      self%layout = layout
      self%names = 0
      if (len(given) > 0) self%names = 1 + count([(given(i:i) == ',', i=1, len(given))])
    end if
    call stoq_report(status, stat, errmsg)
  end subroutine create_report

  subroutine push(self, view, own, stat, errmsg)
    class(stoq_statistics_report), intent(inout) :: self
    type(stoq_view), intent(in) :: view
    real(c_double), optional, target, contiguous, intent(in) :: own(:)
    integer, optional, intent(out) :: stat
    character(*), optional, intent(inout) :: errmsg
    type(c_ptr) :: values
    integer :: given
    values = c_null_ptr
    given = 0
    if (present(own)) given = size(own)
    if (given /= self%names) then
      call stoq_fail(STOQ_SHAPE_MISMATCH, 'own: expected a number for each name', stat, errmsg)
      return
    end if
    if (given > 0) values = c_loc(own)
    if (self%layout%differs(view, 'field', stat, errmsg)) return
    call stoq_report(stoq_report_push(self%handle, view%first, values), stat, errmsg)
  end subroutine push

  subroutine push_1(self, field, own, stat, errmsg)
    class(stoq_statistics_report), intent(inout) :: self
    real(c_double), target, intent(in) :: field(:)
    real(c_double), optional, target, contiguous, intent(in) :: own(:)
    integer, optional, intent(out) :: stat
    character(*), optional, intent(inout) :: errmsg
    call push(self, stoq_view_of(field), own, stat, errmsg)
  end subroutine push_1

  subroutine push_2(self, field, own, stat, errmsg)
    class(stoq_statistics_report), intent(inout) :: self
    real(c_double), target, intent(in) :: field(:, :)
    real(c_double), optional, target, contiguous, intent(in) :: own(:)
    integer, optional, intent(out) :: stat
    character(*), optional, intent(inout) :: errmsg
    call push(self, stoq_view_of(field), own, stat, errmsg)
  end subroutine push_2

  subroutine push_3(self, field, own, stat, errmsg)
    class(stoq_statistics_report), intent(inout) :: self
    real(c_double), target, intent(in) :: field(:, :, :)
    real(c_double), optional, target, contiguous, intent(in) :: own(:)
    integer, optional, intent(out) :: stat
    character(*), optional, intent(inout) :: errmsg
    call push(self, stoq_view_of(field), own, stat, errmsg)
  end subroutine push_3

  subroutine push_4(self, field, own, stat, errmsg)
    class(stoq_statistics_report), intent(inout) :: self
    real(c_double), target, intent(in) :: field(:, :, :, :)
    real(c_double), optional, target, contiguous, intent(in) :: own(:)
    integer, optional, intent(out) :: stat
    character(*), optional, intent(inout) :: errmsg
    call push(self, stoq_view_of(field), own, stat, errmsg)
  end subroutine push_4

  subroutine push_5(self, field, own, stat, errmsg)
    class(stoq_statistics_report), intent(inout) :: self
    real(c_double), target, intent(in) :: field(:, :, :, :, :)
    real(c_double), optional, target, contiguous, intent(in) :: own(:)
    integer, optional, intent(out) :: stat
    character(*), optional, intent(inout) :: errmsg
    call push(self, stoq_view_of(field), own, stat, errmsg)
  end subroutine push_5

  !> The next configuration belongs to another chain.
  subroutine end_chain_of_report(self, stat, errmsg)
    class(stoq_statistics_report), intent(inout) :: self
    integer, optional, intent(out) :: stat
    character(*), optional, intent(inout) :: errmsg
    call stoq_report(stoq_report_end_chain(self%handle), stat, errmsg)
  end subroutine end_chain_of_report

  !> Adds all that another report holds, of other chains.
  subroutine merge_reports(self, other, stat, errmsg)
    class(stoq_statistics_report), intent(inout) :: self
    class(stoq_statistics_report), intent(in) :: other
    integer, optional, intent(out) :: stat
    character(*), optional, intent(inout) :: errmsg
    call stoq_report(stoq_report_merge(self%handle, other%handle), stat, errmsg)
  end subroutine merge_reports

  !> Says what an observable should be: its estimate then has z.
  subroutine set_exact_of_report(self, name, exact, stat, errmsg)
    class(stoq_statistics_report), intent(inout) :: self
    character(*), intent(in) :: name
    real(c_double), intent(in) :: exact
    integer, optional, intent(out) :: stat
    character(*), optional, intent(inout) :: errmsg
    call stoq_report(stoq_report_set_exact(self%handle, trim(name) // c_null_char, exact), stat, errmsg)
  end subroutine set_exact_of_report

  !> One observable over all configurations so far. What does not apply is NaN.
  subroutine observable_of_report(self, name, estimate, stat, errmsg)
    class(stoq_statistics_report), intent(in) :: self
    character(*), intent(in) :: name
    type(stoq_estimate_t), intent(inout) :: estimate
    integer, optional, intent(out) :: stat
    character(*), optional, intent(inout) :: errmsg
    integer(c_int32_t) :: status
    status = stoq_estimate_init(estimate)
    if (status == STOQ_OK) status = stoq_report_observable(self%handle, trim(name) // c_null_char, estimate)
    call stoq_report(status, stat, errmsg)
  end subroutine observable_of_report

  !> Everything, as JSON.
  subroutine json_of_report(self, text, stat, errmsg)
    class(stoq_statistics_report), intent(in) :: self
    character(:), allocatable, intent(inout) :: text
    integer, optional, intent(out) :: stat
    character(*), optional, intent(inout) :: errmsg
    character(kind=c_char), allocatable, target :: buffer(:)
    integer(c_size_t), target :: needed
    integer(c_int32_t) :: status
    needed = 0
    status = stoq_report_json(self%handle, c_null_ptr, 0_c_size_t, c_loc(needed))
    if (status == STOQ_OK) then
      allocate (buffer(needed))
      status = stoq_report_json(self%handle, c_loc(buffer), needed, c_null_ptr)
      if (status == STOQ_OK) text = stoq_text(c_loc(buffer))
    end if
    call stoq_report(status, stat, errmsg)
  end subroutine json_of_report

  !> A table to read.
  subroutine text_of_report(self, text, stat, errmsg)
    class(stoq_statistics_report), intent(in) :: self
    character(:), allocatable, intent(inout) :: text
    integer, optional, intent(out) :: stat
    character(*), optional, intent(inout) :: errmsg
    character(kind=c_char), allocatable, target :: buffer(:)
    integer(c_size_t), target :: needed
    integer(c_int32_t) :: status
    needed = 0
    status = stoq_report_text(self%handle, c_null_ptr, 0_c_size_t, c_loc(needed))
    if (status == STOQ_OK) then
      allocate (buffer(needed))
      status = stoq_report_text(self%handle, c_loc(buffer), needed, c_null_ptr)
      if (status == STOQ_OK) text = stoq_text(c_loc(buffer))
    end if
    call stoq_report(status, stat, errmsg)
  end subroutine text_of_report

  subroutine free_report(self)
    class(stoq_statistics_report), intent(inout) :: self
    call stoq_report_free(self%handle)
    self%handle = c_null_ptr
  end subroutine free_report

  impure elemental subroutine finish_report(self)
    type(stoq_statistics_report), intent(inout) :: self
    call self%free()
  end subroutine finish_report

  subroutine copy_report(self, other)
    class(stoq_statistics_report), intent(inout) :: self
    class(stoq_statistics_report), intent(in) :: other
    if (c_associated(self%handle) .or. c_associated(other%handle)) call stoq_refuse_copy('a stoq_statistics_report')
  end subroutine copy_report

  !> Lengths for C: those given, or one chain.
  subroutine lengths_for_c(values, lengths, found)
    integer, intent(in) :: values
    integer, optional, intent(in) :: lengths(:)
    integer(c_size_t), allocatable, intent(inout) :: found(:)
    if (present(lengths)) then
      found = int(lengths, c_size_t)
    else
      found = [int(values, c_size_t)]
    end if
  end subroutine lengths_for_c

  !> Whether the lengths add up to the values; refuses them otherwise.
  logical function lengths_differ(values, lengths, stat, errmsg)
    integer, intent(in) :: values
    integer(c_size_t), intent(in) :: lengths(:)
    integer, optional, intent(out) :: stat
    character(*), optional, intent(inout) :: errmsg
    lengths_differ = sum(lengths) /= values .or. any(lengths < 0)
    if (lengths_differ) &
      call stoq_fail(STOQ_SHAPE_MISMATCH, 'lengths: they do not add up to the values of a series', stat, errmsg)
  end function lengths_differ

  !> The mean of the only observable, or a function of the means of several.
  subroutine stoq_series_estimate(series, estimate, lengths, function, options, stat, errmsg)
    real(c_double), target, contiguous, intent(in) :: series(:, :)
    type(stoq_estimate_t), intent(inout) :: estimate
    integer, optional, intent(in) :: lengths(:)
    class(stoq_of_means), optional, target, intent(inout) :: function
    type(stoq_statistics_options_t), optional, target, intent(in) :: options
    integer, optional, intent(out) :: stat
    character(*), optional, intent(inout) :: errmsg
    integer(c_size_t), allocatable, target :: chains(:)
    type(function_box), target :: box
    type(c_ptr) :: chosen
    type(c_funptr) :: callback
    integer(c_int32_t) :: status
    chosen = c_null_ptr
    callback = c_null_funptr
    if (present(options)) chosen = c_loc(options)
    if (present(function)) then
      box%function => function
      callback = c_funloc(call_function)
    end if
    if (stoq_abi_differs(stat, errmsg)) return
    call lengths_for_c(size(series, 1), lengths, chains)
    if (lengths_differ(size(series, 1), chains, stat, errmsg)) return
    status = stoq_estimate_init(estimate)
    if (status == STOQ_OK) status = stoq_statistics_estimate(chosen, size(chains, kind=c_size_t), c_loc(chains), &
      size(series, 2, kind=c_size_t), c_loc(series), callback, c_loc(box), estimate)
    call stoq_report(status, stat, errmsg)
  end subroutine stoq_series_estimate

  function call_function(user, means, count, value) bind(C, name="") result(code)
    type(c_ptr), value :: user
    integer(c_size_t), value :: count
    real(c_double), intent(in) :: means(count)
    real(c_double), intent(inout) :: value
    integer(c_int32_t) :: code
    type(function_box), pointer :: box
    integer :: said
    call c_f_pointer(user, box)
    said = 0
    call box%function%evaluate(means, value, said)
    code = int(said, c_int32_t)
  end function call_function

  !> Share of the values of an observable in each cell, with errors that know the autocorrelation; one cell less than edges,
  !> which ascend.
  subroutine stoq_histogram(series, edges, probabilities, errors, lengths, effective_values, stat, errmsg)
    real(c_double), target, contiguous, intent(in) :: series(:), edges(:)
    real(c_double), target, contiguous, intent(inout) :: probabilities(:), errors(:)
    integer, optional, intent(in) :: lengths(:)
    real(c_double), optional, intent(inout) :: effective_values
    integer, optional, intent(out) :: stat
    character(*), optional, intent(inout) :: errmsg
    integer(c_size_t), allocatable, target :: chains(:)
    real(c_double), target :: effective
    integer(c_int32_t) :: status
    effective = 0
    if (stoq_abi_differs(stat, errmsg)) return
    call lengths_for_c(size(series), lengths, chains)
    if (lengths_differ(size(series), chains, stat, errmsg)) return
    if (size(edges) < 2 .or. size(probabilities) < size(edges) - 1 .or. size(errors) < size(edges) - 1) then
      call stoq_fail(STOQ_SHAPE_MISMATCH, 'edges: expected one more than probabilities and errors', stat, errmsg)
      return
    end if
    status = stoq_statistics_histogram(size(chains, kind=c_size_t), c_loc(chains), c_loc(series), &
      size(edges, kind=c_size_t) - 1, c_loc(edges), c_loc(probabilities), c_loc(errors), c_loc(effective))
    if (present(effective_values) .and. status == STOQ_OK) effective_values = effective
    call stoq_report(status, stat, errmsg)
  end subroutine stoq_histogram

  !> Probability of two samples as different as these, or more, if they have the same law: by the test of Kolmogorov and
  !> Smirnov, with `edges` by chi^2 of two histograms.
  subroutine stoq_two_sample(first, second, p_value, statistic, first_lengths, second_lengths, edges, stat, errmsg)
    real(c_double), target, contiguous, intent(in) :: first(:), second(:)
    real(c_double), intent(inout) :: p_value
    real(c_double), optional, intent(inout) :: statistic
    integer, optional, intent(in) :: first_lengths(:), second_lengths(:)
    real(c_double), optional, target, contiguous, intent(in) :: edges(:)
    integer, optional, intent(out) :: stat
    character(*), optional, intent(inout) :: errmsg
    integer(c_size_t), allocatable, target :: a(:), b(:)
    real(c_double), target :: p, found
    type(c_ptr) :: borders
    integer(c_size_t) :: cells
    integer(c_int32_t) :: status, test
    test = STOQ_TWO_SAMPLE_KOLMOGOROV
    borders = c_null_ptr
    cells = 0
    if (present(edges)) then
      test = STOQ_TWO_SAMPLE_CHI_SQUARED
      borders = c_loc(edges)
      cells = max(size(edges, kind=c_size_t), 1_c_size_t) - 1
    end if
    if (stoq_abi_differs(stat, errmsg)) return
    call lengths_for_c(size(first), first_lengths, a)
    call lengths_for_c(size(second), second_lengths, b)
    if (lengths_differ(size(first), a, stat, errmsg)) return
    if (lengths_differ(size(second), b, stat, errmsg)) return
    status = stoq_statistics_two_sample(test, size(a, kind=c_size_t), c_loc(a), c_loc(first), &
      size(b, kind=c_size_t), c_loc(b), c_loc(second), cells, borders, c_loc(found), c_loc(p))
    if (status == STOQ_OK) then
      p_value = p
      if (present(statistic)) statistic = found
    end if
    call stoq_report(status, stat, errmsg)
  end subroutine stoq_two_sample
end module stoq_statistics
