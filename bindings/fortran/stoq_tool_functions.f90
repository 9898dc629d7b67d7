!> The functions of stoq.h, C ABI 2: training and approximate tools. Their comments stand there, and
!> bindings/check_declarations.py compares the two.
!>
!> Structs go by reference where they are required and as type(c_ptr) where NULL is allowed; numbers that C writes or
!> reads through a pointer, fields and handles are type(c_ptr).
module stoq_tool_functions
  use, intrinsic :: iso_c_binding, only: c_char, c_double, c_funptr, c_int32_t, c_int64_t, c_intptr_t, c_ptr, c_size_t
  use stoq_abi
  implicit none
  public
  private :: c_char, c_double, c_int32_t, c_int64_t, c_intptr_t, c_size_t, c_ptr, c_funptr

  interface
    integer(c_int32_t) function stoq_train_options_init(options) bind(C)
      import
      type(stoq_train_options_t), intent(inout) :: options
    end function stoq_train_options_init
    integer(c_int32_t) function stoq_train_report_init(report) bind(C)
      import
      type(stoq_train_report_t), intent(inout) :: report
    end function stoq_train_report_init
    integer(c_int32_t) function stoq_trainer_new(layout, action, options, trainer) bind(C)
      import
      type(stoq_layout_t), intent(in) :: layout
      type(c_ptr), value :: action, options
      type(c_ptr), intent(inout) :: trainer
    end function stoq_trainer_new
    integer(c_int32_t) function stoq_trainer_push(trainer, field) bind(C)
      import
      type(c_ptr), value :: trainer, field
    end function stoq_trainer_push
    integer(c_int32_t) function stoq_trainer_configurations(trainer, configurations) bind(C)
      import
      type(c_ptr), value :: trainer, configurations
    end function stoq_trainer_configurations
    integer(c_int32_t) function stoq_trainer_fit(trainer, steps, progress, user, report) bind(C)
      import
      type(c_ptr), value :: trainer, user, report
      integer(c_int64_t), value :: steps
      type(c_funptr), value :: progress
    end function stoq_trainer_fit
    subroutine stoq_trainer_free(trainer) bind(C)
      import
      type(c_ptr), value :: trainer
    end subroutine stoq_trainer_free
    integer(c_int32_t) function stoq_trainer_model(trainer, model) bind(C)
      import
      type(c_ptr), value :: trainer
      type(c_ptr), intent(inout) :: model
    end function stoq_trainer_model
    integer(c_int32_t) function stoq_trainer_finish(trainer, model) bind(C)
      import
      type(c_ptr), value :: trainer
      type(c_ptr), intent(inout) :: model
    end function stoq_trainer_finish
    integer(c_int32_t) function stoq_trainer_save(trainer, path) bind(C)
      import
      type(c_ptr), value :: trainer
      character(kind=c_char), intent(in) :: path(*)
    end function stoq_trainer_save
    integer(c_int32_t) function stoq_trainer_checkpoint(trainer, buffer, capacity, needed) bind(C)
      import
      type(c_ptr), value :: trainer, buffer, needed
      integer(c_size_t), value :: capacity
    end function stoq_trainer_checkpoint
    integer(c_int32_t) function stoq_trainer_restore(trainer, bytes, length) bind(C)
      import
      type(c_ptr), value :: trainer, bytes
      integer(c_size_t), value :: length
    end function stoq_trainer_restore
    integer(c_int32_t) function stoq_generator_options_init(options) bind(C)
      import
      type(stoq_generator_options_t), intent(inout) :: options
    end function stoq_generator_options_init
    integer(c_int32_t) function stoq_generator_new(model, action, options, generator) bind(C)
      import
      type(c_ptr), value :: model, action, options
      type(c_ptr), intent(inout) :: generator
    end function stoq_generator_new
    integer(c_int32_t) function stoq_generator_generate(generator, first_sample, count, fields, log_weights) bind(C)
      import
      type(c_ptr), value :: generator, fields, log_weights
      integer(c_int64_t), value :: first_sample
      integer(c_size_t), value :: count
    end function stoq_generator_generate
    subroutine stoq_generator_free(generator) bind(C)
      import
      type(c_ptr), value :: generator
    end subroutine stoq_generator_free
    integer(c_int32_t) function stoq_likelihood_options_init(options) bind(C)
      import
      type(stoq_likelihood_options_t), intent(inout) :: options
    end function stoq_likelihood_options_init
    integer(c_int32_t) function stoq_likelihood(model, options, count, fields, log_density, error) bind(C)
      import
      type(c_ptr), value :: model, options, fields, log_density, error
      integer(c_size_t), value :: count
    end function stoq_likelihood
    integer(c_int32_t) function stoq_complex_langevin_options_init(options) bind(C)
      import
      type(stoq_complex_langevin_options_t), intent(inout) :: options
    end function stoq_complex_langevin_options_init
    integer(c_int32_t) function stoq_complex_langevin_new(a, b, lambda, sites, options, process) bind(C)
      import
      real(c_double), value :: a, b, lambda
      integer(c_size_t), value :: sites
      type(c_ptr), value :: options
      type(c_ptr), intent(inout) :: process
    end function stoq_complex_langevin_new
    integer(c_int32_t) function stoq_complex_langevin_next(process, z) bind(C)
      import
      type(c_ptr), value :: process, z
    end function stoq_complex_langevin_next
    subroutine stoq_complex_langevin_free(process) bind(C)
      import
      type(c_ptr), value :: process
    end subroutine stoq_complex_langevin_free
    integer(c_int32_t) function stoq_cumulants_new(bins, cumulants) bind(C)
      import
      integer(c_size_t), value :: bins
      type(c_ptr), intent(inout) :: cumulants
    end function stoq_cumulants_new
    integer(c_int32_t) function stoq_cumulants_push(cumulants, count, values) bind(C)
      import
      type(c_ptr), value :: cumulants, values
      integer(c_size_t), value :: count
    end function stoq_cumulants_push
    integer(c_int32_t) function stoq_cumulants_merge(cumulants, other) bind(C)
      import
      type(c_ptr), value :: cumulants, other
    end function stoq_cumulants_merge
    integer(c_int32_t) function stoq_cumulants_estimate(cumulants, symmetry, values, errors, bin_correlation) bind(C)
      import
      type(c_ptr), value :: cumulants, values, errors, bin_correlation
      integer(c_int32_t), value :: symmetry
    end function stoq_cumulants_estimate
    subroutine stoq_cumulants_free(cumulants) bind(C)
      import
      type(c_ptr), value :: cumulants
    end subroutine stoq_cumulants_free
    integer(c_int32_t) function stoq_u1_wilson_loop(layout, field, height, width, value) bind(C)
      import
      type(stoq_layout_t), intent(in) :: layout
      type(c_ptr), value :: field, value
      integer(c_size_t), value :: height, width
    end function stoq_u1_wilson_loop
    integer(c_int32_t) function stoq_u1_charge(layout, field, charge) bind(C)
      import
      type(stoq_layout_t), intent(in) :: layout
      type(c_ptr), value :: field, charge
    end function stoq_u1_charge
    integer(c_int32_t) function stoq_u1_polyakov_loop(layout, field, axis, real, imaginary) bind(C)
      import
      type(stoq_layout_t), intent(in) :: layout
      type(c_ptr), value :: field, real, imaginary
      integer(c_int32_t), value :: axis
    end function stoq_u1_polyakov_loop
    integer(c_int32_t) function stoq_u1_exact_new(layout, beta, exact) bind(C)
      import
      type(stoq_layout_t), intent(in) :: layout
      real(c_double), value :: beta
      type(c_ptr), intent(inout) :: exact
    end function stoq_u1_exact_new
    subroutine stoq_u1_exact_free(exact) bind(C)
      import
      type(c_ptr), value :: exact
    end subroutine stoq_u1_exact_free
    integer(c_int32_t) function stoq_u1_exact_wilson_loop(exact, height, width, value) bind(C)
      import
      type(c_ptr), value :: exact, value
      integer(c_size_t), value :: height, width
    end function stoq_u1_exact_wilson_loop
    integer(c_int32_t) function stoq_u1_exact_charge_squared(exact, value) bind(C)
      import
      type(c_ptr), value :: exact, value
    end function stoq_u1_exact_charge_squared
    integer(c_int32_t) function stoq_u1_exact_charge_probability(exact, charge, value) bind(C)
      import
      type(c_ptr), value :: exact, value
      integer(c_int32_t), value :: charge
    end function stoq_u1_exact_charge_probability
    integer(c_int32_t) function stoq_u1_exact_polyakov_square(exact, axis, value) bind(C)
      import
      type(c_ptr), value :: exact, value
      integer(c_int32_t), value :: axis
    end function stoq_u1_exact_polyakov_square
    integer(c_int32_t) function stoq_fokker_planck_options_init(options) bind(C)
      import
      type(stoq_fokker_planck_options_t), intent(inout) :: options
    end function stoq_fokker_planck_options_init
    integer(c_int32_t) function stoq_fokker_planck_points(schedule, options, time, points) bind(C)
      import
      type(c_ptr), value :: schedule, options, points
      real(c_double), value :: time
    end function stoq_fokker_planck_points
    integer(c_int32_t) function stoq_fokker_planck_forward(schedule, options, from, to, density, result) bind(C)
      import
      type(c_ptr), value :: schedule, options, density, result
      real(c_double), value :: from, to
    end function stoq_fokker_planck_forward
    integer(c_int32_t) function stoq_fokker_planck_backward(model, options, from, to, density, result) bind(C)
      import
      type(c_ptr), value :: model, options, density, result
      real(c_double), value :: from, to
    end function stoq_fokker_planck_backward
    integer(c_int32_t) function stoq_estimate_init(estimate) bind(C)
      import
      type(stoq_estimate_t), intent(inout) :: estimate
    end function stoq_estimate_init
    integer(c_int32_t) function stoq_report_options_init(options) bind(C)
      import
      type(stoq_report_options_t), intent(inout) :: options
    end function stoq_report_options_init
    integer(c_int32_t) function stoq_report_new(layout, options, names, report) bind(C)
      import
      type(stoq_layout_t), intent(in) :: layout
      type(c_ptr), value :: options
      character(kind=c_char), intent(in) :: names(*)
      type(c_ptr), intent(inout) :: report
    end function stoq_report_new
    integer(c_int32_t) function stoq_report_push(report, field, own) bind(C)
      import
      type(c_ptr), value :: report, field, own
    end function stoq_report_push
    integer(c_int32_t) function stoq_report_push_many(report, count, fields, own) bind(C)
      import
      type(c_ptr), value :: report, fields, own
      integer(c_size_t), value :: count
    end function stoq_report_push_many
    integer(c_int32_t) function stoq_report_end_chain(report) bind(C)
      import
      type(c_ptr), value :: report
    end function stoq_report_end_chain
    integer(c_int32_t) function stoq_report_merge(report, other) bind(C)
      import
      type(c_ptr), value :: report, other
    end function stoq_report_merge
    integer(c_int32_t) function stoq_report_set_exact(report, name, exact) bind(C)
      import
      type(c_ptr), value :: report
      character(kind=c_char), intent(in) :: name(*)
      real(c_double), value :: exact
    end function stoq_report_set_exact
    integer(c_int32_t) function stoq_report_observable(report, name, estimate) bind(C)
      import
      type(c_ptr), value :: report
      character(kind=c_char), intent(in) :: name(*)
      type(stoq_estimate_t), intent(inout) :: estimate
    end function stoq_report_observable
    integer(c_int32_t) function stoq_report_json(report, buffer, capacity, needed) bind(C)
      import
      type(c_ptr), value :: report, buffer, needed
      integer(c_size_t), value :: capacity
    end function stoq_report_json
    integer(c_int32_t) function stoq_report_text(report, buffer, capacity, needed) bind(C)
      import
      type(c_ptr), value :: report, buffer, needed
      integer(c_size_t), value :: capacity
    end function stoq_report_text
    subroutine stoq_report_free(report) bind(C)
      import
      type(c_ptr), value :: report
    end subroutine stoq_report_free
    integer(c_int32_t) function stoq_statistics_options_init(options) bind(C)
      import
      type(stoq_statistics_options_t), intent(inout) :: options
    end function stoq_statistics_options_init
    integer(c_int32_t) function stoq_statistics_estimate(options, chains, lengths, observables, series, of_means, user, &
      estimate) bind(C)
      import
      type(c_ptr), value :: options, lengths, series, user
      integer(c_size_t), value :: chains, observables
      type(c_funptr), value :: of_means
      type(stoq_estimate_t), intent(inout) :: estimate
    end function stoq_statistics_estimate
    integer(c_int32_t) function stoq_statistics_histogram(chains, lengths, series, cells, edges, probabilities, errors, &
      effective_values) bind(C)
      import
      integer(c_size_t), value :: chains, cells
      type(c_ptr), value :: lengths, series, edges, probabilities, errors, effective_values
    end function stoq_statistics_histogram
    integer(c_int32_t) function stoq_statistics_two_sample(test, first_chains, first_lengths, first_series, &
      second_chains, second_lengths, second_series, cells, edges, statistic, p_value) bind(C)
      import
      integer(c_int32_t), value :: test
      integer(c_size_t), value :: first_chains, second_chains, cells
      type(c_ptr), value :: first_lengths, first_series, second_lengths, second_series, edges, statistic, p_value
    end function stoq_statistics_two_sample
  end interface

end module stoq_tool_functions
