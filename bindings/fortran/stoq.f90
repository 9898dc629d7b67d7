!> Exactly corrected diffusion-model updates for lattice field theory: the library libstoq from Fortran 2008.
!>
!>     use stoq
!>     real(c_double) :: phi(16, 16)
!>     type(stoq_layout) :: layout
!>     type(stoq_action) :: action
!>     type(stoq_model) :: model
!>     type(stoq_chain) :: hmc, path
!>     type(stoq_chain_options_t) :: options
!>
!>     layout = stoq_layout(phi)
!>     call action%host(layout, my_host, has_force=.true.)          ! my_host extends stoq_host
!>     call model%load('model.onnx')
!>     call stoq_defaults(options)
!>     options%kernel = STOQ_KERNEL_HMC
!>     call hmc%create(layout, action, options=options)
!>     options%kernel = STOQ_KERNEL_PATH
!>     options%chain = 1                                            ! numbers of their own
!>     call path%create(layout, action, model, options)
!>     do update = 1, updates
!>       call hmc%step(phi)
!>       call path%step(phi)                                        ! in place; then measure phi
!>     end do
!>
!> What stoq.h says holds here: kernels, threads, determinism, and the constants and structs of options, which are used
!> as they are. What Fortran adds:
!>
!> Errors. Every procedure takes stat= and errmsg=, like ALLOCATE: stat is 0 or a STOQ_ constant, errmsg the sentence of
!> a failure, unchanged otherwise. A failed call has changed nothing. Without stat= a failure writes the sentence to
!> the error unit and stops the program.
!>
!> Ownership. An object owns its handle, and gives it back by %free() or when it goes out of scope. It cannot be copied:
!> an assignment stops the program. An object that is made again lets the old handle go.
!>
!> Fields are arrays of rank 1 to 4, or one rank more with components, also sections with strides; see stoq_fields.
module stoq
  use, intrinsic :: iso_c_binding, only: c_double, c_int32_t, c_int64_t, c_int8_t, c_double_complex
  use stoq_abi
  use stoq_functions, only: stoq_chain_options_init, stoq_last_callback_code, stoq_model_open_options_init, &
    stoq_schedule_init
  use stoq_tool_functions, only: stoq_complex_langevin_options_init, stoq_fokker_planck_options_init, &
    stoq_generator_options_init, stoq_likelihood_options_init, stoq_report_options_init, &
    stoq_statistics_options_init, stoq_train_options_init
  use stoq_errors, only: stoq_abi_differs, stoq_error_text, stoq_report, stoq_status_text, stoq_version_text
  use stoq_fields, only: STOQ_COMPONENTS_FIRST, STOQ_COMPONENTS_LAST, STOQ_COMPONENTS_NONE, stoq_even_odd, &
    stoq_layout, stoq_site_layout
  use stoq_hosts, only: stoq_host
  use stoq_actions, only: stoq_action
  use stoq_models, only: stoq_model
  use stoq_chains, only: stoq_chain
  use stoq_trainers, only: stoq_progress, stoq_trainer
  use stoq_gauge, only: stoq_charge, stoq_polyakov_loop, stoq_u1_exact, stoq_wilson_loop
  use stoq_approximate, only: stoq_cumulants, stoq_complex_langevin, stoq_density_backward, stoq_density_forward, &
    stoq_density_points, stoq_generator
  use stoq_statistics, only: stoq_histogram, stoq_of_means, stoq_series_estimate, stoq_statistics_report, stoq_two_sample
  implicit none
  public
  private :: stoq_abi_differs, stoq_report

  !> Fills a struct of options with the defaults of the library.
  interface stoq_defaults
    module procedure schedule_defaults, &
      model_open_options_defaults, &
      chain_options_defaults, &
      train_options_defaults, &
      generator_options_defaults, &
      likelihood_options_defaults, &
      complex_langevin_options_defaults, &
      fokker_planck_options_defaults, &
      report_options_defaults, &
      statistics_options_defaults
  end interface stoq_defaults

  private :: schedule_defaults, &
    model_open_options_defaults, &
    chain_options_defaults, &
    train_options_defaults, &
    generator_options_defaults, &
    likelihood_options_defaults, &
    complex_langevin_options_defaults, &
    fokker_planck_options_defaults, &
    report_options_defaults, &
    statistics_options_defaults

contains

  subroutine schedule_defaults(options, stat, errmsg)
    type(stoq_schedule_t), intent(inout) :: options
    integer, optional, intent(out) :: stat
    character(*), optional, intent(inout) :: errmsg
    if (stoq_abi_differs(stat, errmsg)) return
    call stoq_report(stoq_schedule_init(options), stat, errmsg)
  end subroutine schedule_defaults

  subroutine model_open_options_defaults(options, stat, errmsg)
    type(stoq_model_open_options_t), intent(inout) :: options
    integer, optional, intent(out) :: stat
    character(*), optional, intent(inout) :: errmsg
    if (stoq_abi_differs(stat, errmsg)) return
    call stoq_report(stoq_model_open_options_init(options), stat, errmsg)
  end subroutine model_open_options_defaults

  subroutine chain_options_defaults(options, stat, errmsg)
    type(stoq_chain_options_t), intent(inout) :: options
    integer, optional, intent(out) :: stat
    character(*), optional, intent(inout) :: errmsg
    if (stoq_abi_differs(stat, errmsg)) return
    call stoq_report(stoq_chain_options_init(options), stat, errmsg)
  end subroutine chain_options_defaults

  subroutine train_options_defaults(options, stat, errmsg)
    type(stoq_train_options_t), intent(inout) :: options
    integer, optional, intent(out) :: stat
    character(*), optional, intent(inout) :: errmsg
    if (stoq_abi_differs(stat, errmsg)) return
    call stoq_report(stoq_train_options_init(options), stat, errmsg)
  end subroutine train_options_defaults

  subroutine generator_options_defaults(options, stat, errmsg)
    type(stoq_generator_options_t), intent(inout) :: options
    integer, optional, intent(out) :: stat
    character(*), optional, intent(inout) :: errmsg
    if (stoq_abi_differs(stat, errmsg)) return
    call stoq_report(stoq_generator_options_init(options), stat, errmsg)
  end subroutine generator_options_defaults

  subroutine likelihood_options_defaults(options, stat, errmsg)
    type(stoq_likelihood_options_t), intent(inout) :: options
    integer, optional, intent(out) :: stat
    character(*), optional, intent(inout) :: errmsg
    if (stoq_abi_differs(stat, errmsg)) return
    call stoq_report(stoq_likelihood_options_init(options), stat, errmsg)
  end subroutine likelihood_options_defaults

  subroutine complex_langevin_options_defaults(options, stat, errmsg)
    type(stoq_complex_langevin_options_t), intent(inout) :: options
    integer, optional, intent(out) :: stat
    character(*), optional, intent(inout) :: errmsg
    if (stoq_abi_differs(stat, errmsg)) return
    call stoq_report(stoq_complex_langevin_options_init(options), stat, errmsg)
  end subroutine complex_langevin_options_defaults

  subroutine fokker_planck_options_defaults(options, stat, errmsg)
    type(stoq_fokker_planck_options_t), intent(inout) :: options
    integer, optional, intent(out) :: stat
    character(*), optional, intent(inout) :: errmsg
    if (stoq_abi_differs(stat, errmsg)) return
    call stoq_report(stoq_fokker_planck_options_init(options), stat, errmsg)
  end subroutine fokker_planck_options_defaults

  subroutine report_options_defaults(options, stat, errmsg)
    type(stoq_report_options_t), intent(inout) :: options
    integer, optional, intent(out) :: stat
    character(*), optional, intent(inout) :: errmsg
    if (stoq_abi_differs(stat, errmsg)) return
    call stoq_report(stoq_report_options_init(options), stat, errmsg)
  end subroutine report_options_defaults

  subroutine statistics_options_defaults(options, stat, errmsg)
    type(stoq_statistics_options_t), intent(inout) :: options
    integer, optional, intent(out) :: stat
    character(*), optional, intent(inout) :: errmsg
    if (stoq_abi_differs(stat, errmsg)) return
    call stoq_report(stoq_statistics_options_init(options), stat, errmsg)
  end subroutine statistics_options_defaults

end module stoq
