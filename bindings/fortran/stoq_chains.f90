!> Exact updates of a field that the program owns.
module stoq_chains
  use, intrinsic :: iso_c_binding
  use stoq_abi
  use stoq_functions
  use stoq_errors
  use stoq_fields
  use stoq_actions
  use stoq_models
  implicit none
  private
  public :: stoq_chain

  !> An update of a Markov chain. All kernels but STOQ_KERNEL_LANGEVIN leave exp(-S)/Z exactly invariant, whatever the
  !> model. One chain after the other on the same field is exact again; give each a number, options%chain. It owns its
  !> handle, and shares model and action, which may go. It cannot be copied.
  type :: stoq_chain
    private
    type(c_ptr), public :: handle = c_null_ptr
    type(stoq_layout) :: layout
  contains
    procedure :: create => create_chain
    procedure, private :: step_1, step_2, step_3, step_4, step_5
    !> One update of the field in place. Rejected: it is not written. On failure field and chain are as before.
    generic :: step => step_1, step_2, step_3, step_4, step_5
    procedure, private :: propose_1, propose_2, propose_3, propose_4, propose_5
    !> First half: writes a proposal into another array; it is accepted with probability
    !> min(1, exp(log_hastings - delta_action)).
    generic :: propose => propose_1, propose_2, propose_3, propose_4, propose_5
    procedure, private :: resolve_1, resolve_2, resolve_3, resolve_4, resolve_5
    !> Second half: decides by delta_action = S(proposal) - S(field). Accepted: the field is the proposal now.
    generic :: resolve => resolve_1, resolve_2, resolve_3, resolve_4, resolve_5
    procedure :: freeze => freeze_chain
    procedure :: is_frozen => chain_is_frozen
    procedure :: move_size => chain_move_size
    procedure :: statistics => chain_statistics
    procedure :: save => save_chain
    procedure :: load => load_chain
    procedure :: free => free_chain
    procedure, private :: copy => copy_chain
    generic :: assignment(=) => copy
    final :: finish_chain
  end type stoq_chain

contains

  !> Without `model`: a kernel that needs none, such as STOQ_KERNEL_HMC. Without `action`: the program decides itself,
  !> by propose and resolve. `options` comes from stoq_defaults.
  subroutine create_chain(self, layout, action, model, options, stat, errmsg)
    class(stoq_chain), intent(inout) :: self
    type(stoq_layout), target, intent(in) :: layout
    class(stoq_action), optional, intent(in) :: action
    class(stoq_model), optional, intent(in) :: model
    type(stoq_chain_options_t), optional, target, intent(in) :: options
    integer, optional, intent(out) :: stat
    character(*), optional, intent(inout) :: errmsg
    type(c_ptr) :: handles(2), chosen, made
    integer(c_int32_t) :: status
    handles = c_null_ptr
    chosen = c_null_ptr
    made = c_null_ptr
    if (present(model)) handles(1) = model%handle
    if (present(action)) handles(2) = action%handle
    if (present(options)) chosen = c_loc(options)
    if (stoq_abi_differs(stat, errmsg)) return
    status = stoq_chain_new(handles(1), handles(2), layout%for_c(), chosen, made)
    if (status == STOQ_OK) then
      call self%free()
      self%handle = made
      self%layout = layout
    end if
    call stoq_report(status, stat, errmsg)
  end subroutine create_chain

  subroutine step(self, view, accepted, stat, errmsg)
    class(stoq_chain), intent(inout) :: self
    type(stoq_view), intent(in) :: view
    logical, optional, intent(out) :: accepted
    integer, optional, intent(out) :: stat
    character(*), optional, intent(inout) :: errmsg
    integer(c_int32_t), target :: outcome
    integer(c_int32_t) :: status
    outcome = STOQ_REJECTED
    if (present(accepted)) accepted = .false.
    if (self%layout%differs(view, 'field', stat, errmsg)) return
    status = stoq_chain_step(self%handle, view%first, c_loc(outcome))
    if (present(accepted)) accepted = outcome == STOQ_ACCEPTED
    call stoq_report(status, stat, errmsg)
  end subroutine step

  subroutine propose(self, field, proposal, log_hastings, stat, errmsg)
    class(stoq_chain), intent(inout) :: self
    type(stoq_view), intent(in) :: field, proposal
    real(c_double), intent(inout) :: log_hastings
    integer, optional, intent(out) :: stat
    character(*), optional, intent(inout) :: errmsg
    real(c_double), target :: found
    integer(c_int32_t) :: status
    if (self%layout%differs(field, 'field', stat, errmsg)) return
    if (self%layout%differs(proposal, 'proposal', stat, errmsg)) return
    status = stoq_chain_propose(self%handle, field%first, proposal%first, c_loc(found))
    if (status == STOQ_OK) log_hastings = found
    call stoq_report(status, stat, errmsg)
  end subroutine propose

  subroutine resolve(self, delta_action, view, accepted, stat, errmsg)
    class(stoq_chain), intent(inout) :: self
    real(c_double), intent(in) :: delta_action
    type(stoq_view), intent(in) :: view
    logical, optional, intent(out) :: accepted
    integer, optional, intent(out) :: stat
    character(*), optional, intent(inout) :: errmsg
    integer(c_int32_t), target :: outcome
    integer(c_int32_t) :: status
    outcome = STOQ_REJECTED
    if (present(accepted)) accepted = .false.
    if (self%layout%differs(view, 'field', stat, errmsg)) return
    status = stoq_chain_resolve(self%handle, delta_action, view%first, c_loc(outcome))
    if (present(accepted)) accepted = outcome == STOQ_ACCEPTED
    call stoq_report(status, stat, errmsg)
  end subroutine resolve

  !> Ends the warm-up of a chain made with options%warm_up = 1. Freeze before you measure.
  subroutine freeze_chain(self, stat, errmsg)
    class(stoq_chain), intent(inout) :: self
    integer, optional, intent(out) :: stat
    character(*), optional, intent(inout) :: errmsg
    call stoq_report(stoq_chain_freeze(self%handle), stat, errmsg)
  end subroutine freeze_chain

  !> Whether warm-up is over.
  logical function chain_is_frozen(self, stat, errmsg)
    class(stoq_chain), intent(in) :: self
    integer, optional, intent(out) :: stat
    character(*), optional, intent(inout) :: errmsg
    integer(c_int32_t), target :: frozen
    frozen = 0
    call stoq_report(stoq_chain_is_frozen(self%handle, c_loc(frozen)), stat, errmsg)
    chain_is_frozen = frozen /= 0
  end function chain_is_frozen

  !> The size of the moves, which warm-up tunes; 0 for a kernel with nothing to tune.
  real(c_double) function chain_move_size(self, stat, errmsg)
    class(stoq_chain), intent(in) :: self
    integer, optional, intent(out) :: stat
    character(*), optional, intent(inout) :: errmsg
    real(c_double), target :: found
    found = 0
    call stoq_report(stoq_chain_move_size(self%handle, c_loc(found)), stat, errmsg)
    chain_move_size = found
  end function chain_move_size

  !> Counters since the chain was frozen.
  subroutine chain_statistics(self, statistics, stat, errmsg)
    class(stoq_chain), intent(in) :: self
    type(stoq_chain_statistics_t), intent(inout) :: statistics
    integer, optional, intent(out) :: stat
    character(*), optional, intent(inout) :: errmsg
    integer(c_int32_t) :: status
    status = stoq_chain_statistics_init(statistics)
    if (status == STOQ_OK) status = stoq_chain_statistics(self%handle, statistics)
    call stoq_report(status, stat, errmsg)
  end subroutine chain_statistics

  !> The whole state, as bytes with version and checksum.
  subroutine save_chain(self, bytes, stat, errmsg)
    class(stoq_chain), intent(in) :: self
    integer(c_int8_t), allocatable, target, intent(inout) :: bytes(:)
    integer, optional, intent(out) :: stat
    character(*), optional, intent(inout) :: errmsg
    integer(c_size_t), target :: needed
    integer(c_int32_t) :: status
    status = stoq_chain_save(self%handle, c_null_ptr, 0_c_size_t, c_loc(needed))
    if (status == STOQ_OK) then
      if (allocated(bytes)) deallocate (bytes)
      allocate (bytes(needed))
      status = stoq_chain_save(self%handle, c_loc(bytes), needed, c_null_ptr)
    end if
    call stoq_report(status, stat, errmsg)
  end subroutine save_chain

  !> Goes on from a saved state, to the same bits; the program restores its field itself.
  subroutine load_chain(self, bytes, stat, errmsg)
    class(stoq_chain), intent(inout) :: self
    integer(c_int8_t), target, contiguous, intent(in) :: bytes(:)
    integer, optional, intent(out) :: stat
    character(*), optional, intent(inout) :: errmsg
    integer(c_int8_t), target :: none
    if (size(bytes) == 0) then
      none = 0  ! The library then says that the state is damaged, instead of a pointer.
      call stoq_report(stoq_chain_load(self%handle, c_loc(none), 0_c_size_t), stat, errmsg)
    else
      call stoq_report(stoq_chain_load(self%handle, c_loc(bytes), size(bytes, kind=c_size_t)), stat, errmsg)
    end if
  end subroutine load_chain

  subroutine step_1(self, field, accepted, stat, errmsg)
    class(stoq_chain), intent(inout) :: self
    real(c_double), target, intent(inout) :: field(:)
    logical, optional, intent(out) :: accepted
    integer, optional, intent(out) :: stat
    character(*), optional, intent(inout) :: errmsg
    call step(self, stoq_view_of(field), accepted, stat, errmsg)
  end subroutine step_1

  subroutine step_2(self, field, accepted, stat, errmsg)
    class(stoq_chain), intent(inout) :: self
    real(c_double), target, intent(inout) :: field(:, :)
    logical, optional, intent(out) :: accepted
    integer, optional, intent(out) :: stat
    character(*), optional, intent(inout) :: errmsg
    call step(self, stoq_view_of(field), accepted, stat, errmsg)
  end subroutine step_2

  subroutine step_3(self, field, accepted, stat, errmsg)
    class(stoq_chain), intent(inout) :: self
    real(c_double), target, intent(inout) :: field(:, :, :)
    logical, optional, intent(out) :: accepted
    integer, optional, intent(out) :: stat
    character(*), optional, intent(inout) :: errmsg
    call step(self, stoq_view_of(field), accepted, stat, errmsg)
  end subroutine step_3

  subroutine step_4(self, field, accepted, stat, errmsg)
    class(stoq_chain), intent(inout) :: self
    real(c_double), target, intent(inout) :: field(:, :, :, :)
    logical, optional, intent(out) :: accepted
    integer, optional, intent(out) :: stat
    character(*), optional, intent(inout) :: errmsg
    call step(self, stoq_view_of(field), accepted, stat, errmsg)
  end subroutine step_4

  subroutine step_5(self, field, accepted, stat, errmsg)
    class(stoq_chain), intent(inout) :: self
    real(c_double), target, intent(inout) :: field(:, :, :, :, :)
    logical, optional, intent(out) :: accepted
    integer, optional, intent(out) :: stat
    character(*), optional, intent(inout) :: errmsg
    call step(self, stoq_view_of(field), accepted, stat, errmsg)
  end subroutine step_5

  subroutine propose_1(self, field, proposal, log_hastings, stat, errmsg)
    class(stoq_chain), intent(inout) :: self
    real(c_double), target, intent(in) :: field(:)
    real(c_double), target, intent(inout) :: proposal(:)
    real(c_double), intent(inout) :: log_hastings
    integer, optional, intent(out) :: stat
    character(*), optional, intent(inout) :: errmsg
    call propose(self, stoq_view_of(field), stoq_view_of(proposal), log_hastings, stat, errmsg)
  end subroutine propose_1

  subroutine propose_2(self, field, proposal, log_hastings, stat, errmsg)
    class(stoq_chain), intent(inout) :: self
    real(c_double), target, intent(in) :: field(:, :)
    real(c_double), target, intent(inout) :: proposal(:, :)
    real(c_double), intent(inout) :: log_hastings
    integer, optional, intent(out) :: stat
    character(*), optional, intent(inout) :: errmsg
    call propose(self, stoq_view_of(field), stoq_view_of(proposal), log_hastings, stat, errmsg)
  end subroutine propose_2

  subroutine propose_3(self, field, proposal, log_hastings, stat, errmsg)
    class(stoq_chain), intent(inout) :: self
    real(c_double), target, intent(in) :: field(:, :, :)
    real(c_double), target, intent(inout) :: proposal(:, :, :)
    real(c_double), intent(inout) :: log_hastings
    integer, optional, intent(out) :: stat
    character(*), optional, intent(inout) :: errmsg
    call propose(self, stoq_view_of(field), stoq_view_of(proposal), log_hastings, stat, errmsg)
  end subroutine propose_3

  subroutine propose_4(self, field, proposal, log_hastings, stat, errmsg)
    class(stoq_chain), intent(inout) :: self
    real(c_double), target, intent(in) :: field(:, :, :, :)
    real(c_double), target, intent(inout) :: proposal(:, :, :, :)
    real(c_double), intent(inout) :: log_hastings
    integer, optional, intent(out) :: stat
    character(*), optional, intent(inout) :: errmsg
    call propose(self, stoq_view_of(field), stoq_view_of(proposal), log_hastings, stat, errmsg)
  end subroutine propose_4

  subroutine propose_5(self, field, proposal, log_hastings, stat, errmsg)
    class(stoq_chain), intent(inout) :: self
    real(c_double), target, intent(in) :: field(:, :, :, :, :)
    real(c_double), target, intent(inout) :: proposal(:, :, :, :, :)
    real(c_double), intent(inout) :: log_hastings
    integer, optional, intent(out) :: stat
    character(*), optional, intent(inout) :: errmsg
    call propose(self, stoq_view_of(field), stoq_view_of(proposal), log_hastings, stat, errmsg)
  end subroutine propose_5

  subroutine resolve_1(self, delta_action, field, accepted, stat, errmsg)
    class(stoq_chain), intent(inout) :: self
    real(c_double), intent(in) :: delta_action
    real(c_double), target, intent(inout) :: field(:)
    logical, optional, intent(out) :: accepted
    integer, optional, intent(out) :: stat
    character(*), optional, intent(inout) :: errmsg
    call resolve(self, delta_action, stoq_view_of(field), accepted, stat, errmsg)
  end subroutine resolve_1

  subroutine resolve_2(self, delta_action, field, accepted, stat, errmsg)
    class(stoq_chain), intent(inout) :: self
    real(c_double), intent(in) :: delta_action
    real(c_double), target, intent(inout) :: field(:, :)
    logical, optional, intent(out) :: accepted
    integer, optional, intent(out) :: stat
    character(*), optional, intent(inout) :: errmsg
    call resolve(self, delta_action, stoq_view_of(field), accepted, stat, errmsg)
  end subroutine resolve_2

  subroutine resolve_3(self, delta_action, field, accepted, stat, errmsg)
    class(stoq_chain), intent(inout) :: self
    real(c_double), intent(in) :: delta_action
    real(c_double), target, intent(inout) :: field(:, :, :)
    logical, optional, intent(out) :: accepted
    integer, optional, intent(out) :: stat
    character(*), optional, intent(inout) :: errmsg
    call resolve(self, delta_action, stoq_view_of(field), accepted, stat, errmsg)
  end subroutine resolve_3

  subroutine resolve_4(self, delta_action, field, accepted, stat, errmsg)
    class(stoq_chain), intent(inout) :: self
    real(c_double), intent(in) :: delta_action
    real(c_double), target, intent(inout) :: field(:, :, :, :)
    logical, optional, intent(out) :: accepted
    integer, optional, intent(out) :: stat
    character(*), optional, intent(inout) :: errmsg
    call resolve(self, delta_action, stoq_view_of(field), accepted, stat, errmsg)
  end subroutine resolve_4

  subroutine resolve_5(self, delta_action, field, accepted, stat, errmsg)
    class(stoq_chain), intent(inout) :: self
    real(c_double), intent(in) :: delta_action
    real(c_double), target, intent(inout) :: field(:, :, :, :, :)
    logical, optional, intent(out) :: accepted
    integer, optional, intent(out) :: stat
    character(*), optional, intent(inout) :: errmsg
    call resolve(self, delta_action, stoq_view_of(field), accepted, stat, errmsg)
  end subroutine resolve_5

  !> Gives the handle back. The object can be made anew.
  subroutine free_chain(self)
    class(stoq_chain), intent(inout) :: self
    call stoq_chain_free(self%handle)
    self%handle = c_null_ptr
  end subroutine free_chain

  impure elemental subroutine finish_chain(self)
    type(stoq_chain), intent(inout) :: self
    call self%free()
  end subroutine finish_chain

  subroutine copy_chain(self, other)
    class(stoq_chain), intent(inout) :: self
    class(stoq_chain), intent(in) :: other
    if (c_associated(self%handle) .or. c_associated(other%handle)) call stoq_refuse_copy('a stoq_chain')
  end subroutine copy_chain

end module stoq_chains
