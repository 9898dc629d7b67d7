!> Training by a program while its chain runs.
module stoq_trainers
  use, intrinsic :: iso_c_binding
  use stoq_abi
  use stoq_tool_functions
  use stoq_errors
  use stoq_fields
  use stoq_actions
  use stoq_models
  implicit none
  private
  public :: stoq_progress, stoq_trainer

  !> Looks on while stoq_trainer%fit runs: extend this type.
  type, abstract :: stoq_progress
  contains
    !> After every step. `code` is 0 on entry: leave it so to go on; > 0 ends the fit; < 0 ends it with
    !> STOQ_CALLBACK_STOPPED.
    procedure(progress_seen), deferred :: seen
  end type stoq_progress

  abstract interface
    subroutine progress_seen(self, report, code)
      import :: stoq_progress, stoq_train_report_t
      class(stoq_progress), intent(inout) :: self
      type(stoq_train_report_t), intent(in) :: report
      integer, intent(inout) :: code
    end subroutine progress_seen
  end interface

  type :: progress_box
    class(stoq_progress), pointer :: progress => null()
  end type progress_box

  !> A training whose configurations come from the program's chain while that runs. It owns its handle. It cannot be
  !> copied.
  type :: stoq_trainer
    private
    type(c_ptr), public :: handle = c_null_ptr
    type(stoq_layout) :: layout
  contains
    procedure :: create => create_trainer
    procedure, private :: push_1, push_2, push_3, push_4, push_5
    !> Adds a configuration, copied. Push in the order of the chain, after it has thermalised.
    generic :: push => push_1, push_2, push_3, push_4, push_5
    procedure :: configurations => trainer_configurations
    procedure :: fit => fit_trainer
    procedure :: model => trainer_model
    procedure :: finish => finished_model
    procedure :: save => save_trained
    procedure :: checkpoint => checkpoint_trainer
    procedure :: restore => restore_trainer
    procedure :: free => free_trainer
    procedure, private :: copy => copy_trainer
    generic :: assignment(=) => copy
    final :: finish_trainer
  end type stoq_trainer

contains

  !> A built-in action's force makes the training several times more accurate; a program's own action is refused.
  subroutine create_trainer(self, layout, action, options, stat, errmsg)
    class(stoq_trainer), intent(inout) :: self
    type(stoq_layout), target, intent(in) :: layout
    class(stoq_action), optional, intent(in) :: action
    type(stoq_train_options_t), optional, target, intent(in) :: options
    integer, optional, intent(out) :: stat
    character(*), optional, intent(inout) :: errmsg
    type(c_ptr) :: handle, chosen, made
    integer(c_int32_t) :: status
    handle = c_null_ptr
    chosen = c_null_ptr
    made = c_null_ptr
    if (present(action)) handle = action%handle
    if (present(options)) chosen = c_loc(options)
    if (stoq_abi_differs(stat, errmsg)) return
    status = stoq_trainer_new(layout%for_c(), handle, chosen, made)
    if (status == STOQ_OK) then
      call self%free()
      self%handle = made
      self%layout = layout
    end if
    call stoq_report(status, stat, errmsg)
  end subroutine create_trainer

  !> Configurations pushed so far.
  integer(c_int64_t) function trainer_configurations(self, stat, errmsg) result(configurations)
    class(stoq_trainer), intent(in) :: self
    integer, optional, intent(out) :: stat
    character(*), optional, intent(inout) :: errmsg
    integer(c_size_t), target :: found
    found = 0
    call stoq_report(stoq_trainer_configurations(self%handle, c_loc(found)), stat, errmsg)
    configurations = int(found, c_int64_t)
  end function trainer_configurations

  !> Takes up to `steps` steps on all configurations so far, of which there must be 32. Steps that were taken stay
  !> taken.
  subroutine fit_trainer(self, steps, report, progress, stat, errmsg)
    class(stoq_trainer), intent(inout) :: self
    integer, intent(in) :: steps
    type(stoq_train_report_t), optional, target, intent(inout) :: report
    class(stoq_progress), optional, target, intent(inout) :: progress
    integer, optional, intent(out) :: stat
    character(*), optional, intent(inout) :: errmsg
    type(progress_box), target :: box
    type(c_ptr) :: seen
    type(c_funptr) :: callback
    integer(c_int32_t) :: status
    seen = c_null_ptr
    callback = c_null_funptr
    if (present(progress)) then
      box%progress => progress
      callback = c_funloc(call_progress)
    end if
    status = STOQ_OK
    if (present(report)) then
      status = stoq_train_report_init(report)
      seen = c_loc(report)
    end if
    if (steps < 0) then
      call stoq_fail(STOQ_INVALID_ARGUMENT, 'steps: expected a number that is not negative', stat, errmsg)
      return
    end if
    if (status == STOQ_OK) &
      status = stoq_trainer_fit(self%handle, int(steps, c_int64_t), callback, c_loc(box), seen)
    call stoq_report(status, stat, errmsg)
  end subroutine fit_trainer

  function call_progress(user, report) bind(C, name="") result(code)
    type(c_ptr), value :: user
    type(stoq_train_report_t), intent(in) :: report
    integer(c_int32_t) :: code
    type(progress_box), pointer :: box
    integer :: said
    call c_f_pointer(user, box)
    said = 0
    call box%progress%seen(report, said)
    code = int(said, c_int32_t)
  end function call_progress

  !> The model as it is now; chains refuse it, for it still adapts.
  subroutine trainer_model(self, model, stat, errmsg)
    class(stoq_trainer), intent(in) :: self
    class(stoq_model), intent(inout) :: model
    integer, optional, intent(out) :: stat
    character(*), optional, intent(inout) :: errmsg
    type(c_ptr) :: made
    integer(c_int32_t) :: status
    made = c_null_ptr
    status = stoq_trainer_model(self%handle, made)
    if (status == STOQ_OK) call model%adopt(made)
    call stoq_report(status, stat, errmsg)
  end subroutine trainer_model

  !> The finished model, for chains.
  subroutine finished_model(self, model, stat, errmsg)
    class(stoq_trainer), intent(in) :: self
    class(stoq_model), intent(inout) :: model
    integer, optional, intent(out) :: stat
    character(*), optional, intent(inout) :: errmsg
    type(c_ptr) :: made
    integer(c_int32_t) :: status
    made = c_null_ptr
    status = stoq_trainer_finish(self%handle, made)
    if (status == STOQ_OK) call model%adopt(made)
    call stoq_report(status, stat, errmsg)
  end subroutine finished_model

  !> Writes the finished model to a file, whole or not at all.
  subroutine save_trained(self, path, stat, errmsg)
    class(stoq_trainer), intent(in) :: self
    character(*), intent(in) :: path
    integer, optional, intent(out) :: stat
    character(*), optional, intent(inout) :: errmsg
    call stoq_report(stoq_trainer_save(self%handle, trim(path) // c_null_char), stat, errmsg)
  end subroutine save_trained

  !> The whole state with its configurations, as bytes with version and checksum.
  subroutine checkpoint_trainer(self, bytes, stat, errmsg)
    class(stoq_trainer), intent(in) :: self
    integer(c_int8_t), allocatable, target, intent(inout) :: bytes(:)
    integer, optional, intent(out) :: stat
    character(*), optional, intent(inout) :: errmsg
    integer(c_size_t), target :: needed
    integer(c_int32_t) :: status
    status = stoq_trainer_checkpoint(self%handle, c_null_ptr, 0_c_size_t, c_loc(needed))
    if (status == STOQ_OK) then
      if (allocated(bytes)) deallocate (bytes)
      allocate (bytes(needed))
      status = stoq_trainer_checkpoint(self%handle, c_loc(bytes), needed, c_null_ptr)
    end if
    call stoq_report(status, stat, errmsg)
  end subroutine checkpoint_trainer

  !> Goes on from a saved state of the same lattice, action and options, to the same bits.
  subroutine restore_trainer(self, bytes, stat, errmsg)
    class(stoq_trainer), intent(inout) :: self
    integer(c_int8_t), target, contiguous, intent(in) :: bytes(:)
    integer, optional, intent(out) :: stat
    character(*), optional, intent(inout) :: errmsg
    integer(c_int8_t), target :: none
    if (size(bytes) == 0) then
      none = 0  ! The library then says that the state is damaged, instead of a pointer.
      call stoq_report(stoq_trainer_restore(self%handle, c_loc(none), 0_c_size_t), stat, errmsg)
    else
      call stoq_report(stoq_trainer_restore(self%handle, c_loc(bytes), size(bytes, kind=c_size_t)), stat, errmsg)
    end if
  end subroutine restore_trainer

  subroutine push_1(self, field, stat, errmsg)
    class(stoq_trainer), intent(inout) :: self
    real(c_double), target, intent(in) :: field(:)
    integer, optional, intent(out) :: stat
    character(*), optional, intent(inout) :: errmsg
    type(stoq_view) :: view
    view = stoq_view_of(field)
    if (self%layout%differs(view, 'field', stat, errmsg)) return
    call stoq_report(stoq_trainer_push(self%handle, view%first), stat, errmsg)
  end subroutine push_1

  subroutine push_2(self, field, stat, errmsg)
    class(stoq_trainer), intent(inout) :: self
    real(c_double), target, intent(in) :: field(:, :)
    integer, optional, intent(out) :: stat
    character(*), optional, intent(inout) :: errmsg
    type(stoq_view) :: view
    view = stoq_view_of(field)
    if (self%layout%differs(view, 'field', stat, errmsg)) return
    call stoq_report(stoq_trainer_push(self%handle, view%first), stat, errmsg)
  end subroutine push_2

  subroutine push_3(self, field, stat, errmsg)
    class(stoq_trainer), intent(inout) :: self
    real(c_double), target, intent(in) :: field(:, :, :)
    integer, optional, intent(out) :: stat
    character(*), optional, intent(inout) :: errmsg
    type(stoq_view) :: view
    view = stoq_view_of(field)
    if (self%layout%differs(view, 'field', stat, errmsg)) return
    call stoq_report(stoq_trainer_push(self%handle, view%first), stat, errmsg)
  end subroutine push_3

  subroutine push_4(self, field, stat, errmsg)
    class(stoq_trainer), intent(inout) :: self
    real(c_double), target, intent(in) :: field(:, :, :, :)
    integer, optional, intent(out) :: stat
    character(*), optional, intent(inout) :: errmsg
    type(stoq_view) :: view
    view = stoq_view_of(field)
    if (self%layout%differs(view, 'field', stat, errmsg)) return
    call stoq_report(stoq_trainer_push(self%handle, view%first), stat, errmsg)
  end subroutine push_4

  subroutine push_5(self, field, stat, errmsg)
    class(stoq_trainer), intent(inout) :: self
    real(c_double), target, intent(in) :: field(:, :, :, :, :)
    integer, optional, intent(out) :: stat
    character(*), optional, intent(inout) :: errmsg
    type(stoq_view) :: view
    view = stoq_view_of(field)
    if (self%layout%differs(view, 'field', stat, errmsg)) return
    call stoq_report(stoq_trainer_push(self%handle, view%first), stat, errmsg)
  end subroutine push_5

  !> Gives the handle back. The object can be made anew.
  subroutine free_trainer(self)
    class(stoq_trainer), intent(inout) :: self
    call stoq_trainer_free(self%handle)
    self%handle = c_null_ptr
  end subroutine free_trainer

  impure elemental subroutine finish_trainer(self)
    type(stoq_trainer), intent(inout) :: self
    call self%free()
  end subroutine finish_trainer

  subroutine copy_trainer(self, other)
    class(stoq_trainer), intent(inout) :: self
    class(stoq_trainer), intent(in) :: other
    if (c_associated(self%handle) .or. c_associated(other%handle)) call stoq_refuse_copy('a stoq_trainer')
  end subroutine copy_trainer

end module stoq_trainers
