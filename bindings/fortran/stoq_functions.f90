!> The functions of stoq.h, C ABI 2: layouts, models, actions, chains. Their comments stand there, and
!> bindings/check_declarations.py compares the two.
!>
!> Structs go by reference where they are required and as type(c_ptr) where NULL is allowed; numbers that C writes or
!> reads through a pointer, fields and handles are type(c_ptr).
module stoq_functions
  use, intrinsic :: iso_c_binding, only: c_char, c_double, c_funptr, c_int32_t, c_int64_t, c_intptr_t, c_ptr, c_size_t
  use stoq_abi
  implicit none
  public
  private :: c_char, c_double, c_int32_t, c_int64_t, c_intptr_t, c_size_t, c_ptr, c_funptr

  interface
    type(c_ptr) function stoq_version() bind(C)
      import
    end function stoq_version
    integer(c_int32_t) function stoq_abi_version() bind(C)
      import
    end function stoq_abi_version
    type(c_ptr) function stoq_last_error() bind(C)
      import
    end function stoq_last_error
    integer(c_int32_t) function stoq_last_callback_code() bind(C)
      import
    end function stoq_last_callback_code
    type(c_ptr) function stoq_status_name(status) bind(C)
      import
      integer(c_int32_t), value :: status
    end function stoq_status_name
    integer(c_int32_t) function stoq_layout_init(layout, rank, extents) bind(C)
      import
      type(stoq_layout_t), intent(inout) :: layout
      integer(c_int32_t), value :: rank
      type(c_ptr), value :: extents
    end function stoq_layout_init
    integer(c_int32_t) function stoq_layout_set_sites(layout, site_offsets) bind(C)
      import
      type(stoq_layout_t), intent(inout) :: layout
      type(c_ptr), value :: site_offsets
    end function stoq_layout_set_sites
    integer(c_int32_t) function stoq_layout_even_odd(layout, stride, site_offsets) bind(C)
      import
      type(stoq_layout_t), intent(in) :: layout
      integer(c_intptr_t), value :: stride
      type(c_ptr), value :: site_offsets
    end function stoq_layout_even_odd
    integer(c_int32_t) function stoq_layout_offset(layout, coordinates, component, offset) bind(C)
      import
      type(stoq_layout_t), intent(in) :: layout
      type(c_ptr), value :: coordinates, offset
      integer(c_int32_t), value :: component
    end function stoq_layout_offset
    integer(c_int32_t) function stoq_field_gather(layout, field, values) bind(C)
      import
      type(stoq_layout_t), intent(in) :: layout
      type(c_ptr), value :: field, values
    end function stoq_field_gather
    integer(c_int32_t) function stoq_field_scatter(layout, values, field) bind(C)
      import
      type(stoq_layout_t), intent(in) :: layout
      type(c_ptr), value :: values, field
    end function stoq_field_scatter
    integer(c_int32_t) function stoq_schedule_init(schedule) bind(C)
      import
      type(stoq_schedule_t), intent(inout) :: schedule
    end function stoq_schedule_init
    integer(c_int32_t) function stoq_model_load(path, model) bind(C)
      import
      character(kind=c_char), intent(in) :: path(*)
      type(c_ptr), intent(inout) :: model
    end function stoq_model_load
    integer(c_int32_t) function stoq_model_from_memory(bytes, length, model) bind(C)
      import
      type(c_ptr), value :: bytes
      integer(c_size_t), value :: length
      type(c_ptr), intent(inout) :: model
    end function stoq_model_from_memory
    subroutine stoq_model_free(model) bind(C)
      import
      type(c_ptr), value :: model
    end subroutine stoq_model_free
    integer(c_int32_t) function stoq_model_rank(model, rank) bind(C)
      import
      type(c_ptr), value :: model, rank
    end function stoq_model_rank
    integer(c_int32_t) function stoq_model_extents(model, extents) bind(C)
      import
      type(c_ptr), value :: model, extents
    end function stoq_model_extents
    integer(c_int32_t) function stoq_model_components(model, components) bind(C)
      import
      type(c_ptr), value :: model, components
    end function stoq_model_components
    integer(c_int32_t) function stoq_model_metadata(model, key, buffer, capacity, needed) bind(C)
      import
      type(c_ptr), value :: model, buffer, needed
      character(kind=c_char), intent(in) :: key(*)
      integer(c_size_t), value :: capacity
    end function stoq_model_metadata
    integer(c_int32_t) function stoq_model_score(model, batch, times, fields, scores) bind(C)
      import
      type(c_ptr), value :: model, times, fields, scores
      integer(c_size_t), value :: batch
    end function stoq_model_score
    integer(c_int32_t) function stoq_model_open_options_init(options) bind(C)
      import
      type(stoq_model_open_options_t), intent(inout) :: options
    end function stoq_model_open_options_init
    integer(c_int32_t) function stoq_model_open_with(path, options, model) bind(C)
      import
      character(kind=c_char), intent(in) :: path(*)
      type(stoq_model_open_options_t), intent(in) :: options
      type(c_ptr), intent(inout) :: model
    end function stoq_model_open_with
    integer(c_int32_t) function stoq_model_at(model, rank, extents, count, names, values, moved) bind(C)
      import
      type(c_ptr), value :: model, extents, names, values
      integer(c_int32_t), value :: rank
      integer(c_size_t), value :: count
      type(c_ptr), intent(inout) :: moved
    end function stoq_model_at
    integer(c_int32_t) function stoq_model_save(model, path) bind(C)
      import
      type(c_ptr), value :: model
      character(kind=c_char), intent(in) :: path(*)
    end function stoq_model_save
    integer(c_int32_t) function stoq_model_gaussian(layout, schedule, covariance, model) bind(C)
      import
      type(stoq_layout_t), intent(in) :: layout
      type(c_ptr), value :: schedule, covariance
      type(c_ptr), intent(inout) :: model
    end function stoq_model_gaussian
    integer(c_int32_t) function stoq_model_free_field(layout, schedule, kappa, model) bind(C)
      import
      type(stoq_layout_t), intent(in) :: layout
      type(c_ptr), value :: schedule
      real(c_double), value :: kappa
      type(c_ptr), intent(inout) :: model
    end function stoq_model_free_field
    integer(c_int32_t) function stoq_model_toy(layout, schedule, mu2, g, model) bind(C)
      import
      type(stoq_layout_t), intent(in) :: layout
      type(c_ptr), value :: schedule
      real(c_double), value :: mu2, g
      type(c_ptr), intent(inout) :: model
    end function stoq_model_toy
    integer(c_int32_t) function stoq_model_two_peak(layout, schedule, mu0, sigma0, model) bind(C)
      import
      type(stoq_layout_t), intent(in) :: layout
      type(c_ptr), value :: schedule
      real(c_double), value :: mu0, sigma0
      type(c_ptr), intent(inout) :: model
    end function stoq_model_two_peak
    integer(c_int32_t) function stoq_model_three_peak(layout, schedule, radius, sigma0, model) bind(C)
      import
      type(stoq_layout_t), intent(in) :: layout
      type(c_ptr), value :: schedule
      real(c_double), value :: radius, sigma0
      type(c_ptr), intent(inout) :: model
    end function stoq_model_three_peak
    integer(c_int32_t) function stoq_action_phi4(layout, kappa, lambda, action) bind(C)
      import
      type(stoq_layout_t), intent(in) :: layout
      real(c_double), value :: kappa, lambda
      type(c_ptr), intent(inout) :: action
    end function stoq_action_phi4
    integer(c_int32_t) function stoq_action_toy(layout, mu2, g, action) bind(C)
      import
      type(stoq_layout_t), intent(in) :: layout
      real(c_double), value :: mu2, g
      type(c_ptr), intent(inout) :: action
    end function stoq_action_toy
    integer(c_int32_t) function stoq_action_two_peak(layout, mu0, sigma0, action) bind(C)
      import
      type(stoq_layout_t), intent(in) :: layout
      real(c_double), value :: mu0, sigma0
      type(c_ptr), intent(inout) :: action
    end function stoq_action_two_peak
    integer(c_int32_t) function stoq_action_three_peak(layout, radius, sigma0, action) bind(C)
      import
      type(stoq_layout_t), intent(in) :: layout
      real(c_double), value :: radius, sigma0
      type(c_ptr), intent(inout) :: action
    end function stoq_action_three_peak
    integer(c_int32_t) function stoq_action_u1(layout, beta, action) bind(C)
      import
      type(stoq_layout_t), intent(in) :: layout
      real(c_double), value :: beta
      type(c_ptr), intent(inout) :: action
    end function stoq_action_u1
    integer(c_int32_t) function stoq_action_callback(layout, callback, user, destructor, action) bind(C)
      import
      type(stoq_layout_t), intent(in) :: layout
      type(c_funptr), value :: callback, destructor
      type(c_ptr), value :: user
      type(c_ptr), intent(inout) :: action
    end function stoq_action_callback
    integer(c_int32_t) function stoq_action_set_force(action, callback) bind(C)
      import
      type(c_ptr), value :: action
      type(c_funptr), value :: callback
    end function stoq_action_set_force
    integer(c_int32_t) function stoq_action_set_local_change(action, callback) bind(C)
      import
      type(c_ptr), value :: action
      type(c_funptr), value :: callback
    end function stoq_action_set_local_change
    subroutine stoq_action_free(action) bind(C)
      import
      type(c_ptr), value :: action
    end subroutine stoq_action_free
    integer(c_int32_t) function stoq_action_evaluate(action, field, value) bind(C)
      import
      type(c_ptr), value :: action, field, value
    end function stoq_action_evaluate
    integer(c_int32_t) function stoq_action_force(action, field, force) bind(C)
      import
      type(c_ptr), value :: action, field, force
    end function stoq_action_force
    integer(c_int32_t) function stoq_chain_options_init(options) bind(C)
      import
      type(stoq_chain_options_t), intent(inout) :: options
    end function stoq_chain_options_init
    integer(c_int32_t) function stoq_chain_statistics_init(statistics) bind(C)
      import
      type(stoq_chain_statistics_t), intent(inout) :: statistics
    end function stoq_chain_statistics_init
    integer(c_int32_t) function stoq_chain_new(model, action, layout, options, chain) bind(C)
      import
      type(c_ptr), value :: model, action, options
      type(stoq_layout_t), intent(in) :: layout
      type(c_ptr), intent(inout) :: chain
    end function stoq_chain_new
    subroutine stoq_chain_free(chain) bind(C)
      import
      type(c_ptr), value :: chain
    end subroutine stoq_chain_free
    integer(c_int32_t) function stoq_chain_step(chain, field, outcome) bind(C)
      import
      type(c_ptr), value :: chain, field, outcome
    end function stoq_chain_step
    integer(c_int32_t) function stoq_chain_propose(chain, field, proposal, log_hastings) bind(C)
      import
      type(c_ptr), value :: chain, field, proposal, log_hastings
    end function stoq_chain_propose
    integer(c_int32_t) function stoq_chain_resolve(chain, delta_action, field, outcome) bind(C)
      import
      type(c_ptr), value :: chain, field, outcome
      real(c_double), value :: delta_action
    end function stoq_chain_resolve
    integer(c_int32_t) function stoq_chain_freeze(chain) bind(C)
      import
      type(c_ptr), value :: chain
    end function stoq_chain_freeze
    integer(c_int32_t) function stoq_chain_is_frozen(chain, frozen) bind(C)
      import
      type(c_ptr), value :: chain, frozen
    end function stoq_chain_is_frozen
    integer(c_int32_t) function stoq_chain_move_size(chain, size) bind(C)
      import
      type(c_ptr), value :: chain, size
    end function stoq_chain_move_size
    integer(c_int32_t) function stoq_chain_statistics(chain, statistics) bind(C)
      import
      type(c_ptr), value :: chain
      type(stoq_chain_statistics_t), intent(inout) :: statistics
    end function stoq_chain_statistics
    integer(c_int32_t) function stoq_chain_save(chain, buffer, capacity, needed) bind(C)
      import
      type(c_ptr), value :: chain, buffer, needed
      integer(c_size_t), value :: capacity
    end function stoq_chain_save
    integer(c_int32_t) function stoq_chain_load(chain, bytes, length) bind(C)
      import
      type(c_ptr), value :: chain, bytes
      integer(c_size_t), value :: length
    end function stoq_chain_load
  end interface

end module stoq_functions
