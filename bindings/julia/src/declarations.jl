# What include/stoq.h declares, for ccall. Made from it by `python3 bindings/julia/declare.py --write`; edit neither.

const ABI_VERSION = UInt32(2)

@enum AsInFile::Int32 begin
    STOQ_AS_IN_FILE = 0
end

@enum Status::Int32 begin
    STOQ_OK = 0
    STOQ_INVALID_ARGUMENT = 1
    STOQ_SHAPE_MISMATCH = 2
    STOQ_NOT_FINITE = 3
    STOQ_MODEL_FILE = 4
    STOQ_CHAIN_STATE = 5
    STOQ_CALLBACK_STOPPED = 6
    STOQ_WRONG_ORDER = 7
    STOQ_IO = 8
    STOQ_OUT_OF_MEMORY = 9
    STOQ_INTERNAL = 10
    STOQ_RUNTIME_MISSING = 11
    STOQ_DEVICE_UNAVAILABLE = 12
end

@enum Scheme::Int32 begin
    STOQ_SCHEME_VARIANCE_EXPANDING = 1
    STOQ_SCHEME_VARIANCE_PRESERVING = 2
    STOQ_SCHEME_INTERPOLATING = 3
end

@enum Engine::Int32 begin
    STOQ_ENGINE_AUTOMATIC = 1
    STOQ_ENGINE_NATIVE = 2
    STOQ_ENGINE_ONNX_RUNTIME = 3
end

@enum NetworkOutput::Int32 begin
    STOQ_OUTPUT_SCORE = 1
    STOQ_OUTPUT_SIGMA_SCORE = 2
    STOQ_OUTPUT_NOISE = 3
    STOQ_OUTPUT_DENOISER = 4
end

@enum NetworkTime::Int32 begin
    STOQ_TIME_T = 1
    STOQ_TIME_SIGMA = 2
    STOQ_TIME_LOG_SIGMA = 3
end

@enum ChannelOrder::Int32 begin
    STOQ_CHANNELS_NONE = 1
    STOQ_CHANNELS_FIRST = 2
    STOQ_CHANNELS_LAST = 3
end

@enum Steps::Int32 begin
    STOQ_STEPS_AUTOMATIC = 0
    STOQ_STEPS_HOST = 1
    STOQ_STEPS_DEVICE = 2
end

@enum Kernel::Int32 begin
    STOQ_KERNEL_PATH = 1
    STOQ_KERNEL_RENOISE = 2
    STOQ_KERNEL_LIKELIHOOD = 3
    STOQ_KERNEL_MALA = 4
    STOQ_KERNEL_HMC = 5
    STOQ_KERNEL_METROPOLIS = 6
    STOQ_KERNEL_LANGEVIN = 7
    STOQ_KERNEL_CHARGE_SHIFT = 8
end

@enum Drift::Int32 begin
    STOQ_DRIFT_FORCE = 1
    STOQ_DRIFT_SCORE = 2
    STOQ_DRIFT_BLEND = 3
end

@enum Integrator::Int32 begin
    STOQ_LEAPFROG = 1
    STOQ_OMELYAN = 2
end

@enum Grid::Int32 begin
    STOQ_GRID_OPTIMAL = 1
    STOQ_GRID_GEOMETRIC = 2
    STOQ_GRID_LINEAR = 3
    STOQ_GRID_PILOT = 4
end

@enum Outcome::Int32 begin
    STOQ_REJECTED = 0
    STOQ_ACCEPTED = 1
end

@enum NetworkSize::Int32 begin
    STOQ_SIZE_TINY = 1
    STOQ_SIZE_SMALL = 2
    STOQ_SIZE_BASE = 3
    STOQ_SIZE_LARGE = 4
end

@enum GeneratorMethod::Int32 begin
    STOQ_METHOD_EULER_MARUYAMA = 1
    STOQ_METHOD_POSTERIOR = 2
    STOQ_METHOD_ANCESTRAL = 3
    STOQ_METHOD_PREDICTOR_CORRECTOR = 4
    STOQ_METHOD_PROBABILITY_FLOW = 5
    STOQ_METHOD_ANNEALED = 6
end

@enum Ending::Int32 begin
    STOQ_ENDING_ZERO = 1
    STOQ_ENDING_DENOISE = 2
    STOQ_ENDING_STOP = 3
end

@enum Correction::Int32 begin
    STOQ_CORRECTION_FRACTION = 1
    STOQ_CORRECTION_SIGNAL_TO_NOISE = 2
end

@enum Trace::Int32 begin
    STOQ_TRACE_EXACT = 1
    STOQ_TRACE_HUTCHINSON = 2
end

@enum Coordinates::Int32 begin
    STOQ_COORDINATES_WHITENED = 1
    STOQ_COORDINATES_PLAIN = 2
end

@enum Symmetry::Int32 begin
    STOQ_SYMMETRY_NONE = 0
    STOQ_SYMMETRY_EVEN = 1
end

@enum FieldKind::Int32 begin
    STOQ_FIELD_SCALAR = 0
    STOQ_FIELD_LINKS = 1
end

@enum StatisticsMethod::Int32 begin
    STOQ_STATISTICS_GAMMA = 1
    STOQ_STATISTICS_JACKKNIFE = 2
    STOQ_STATISTICS_BOOTSTRAP = 3
end

@enum TwoSample::Int32 begin
    STOQ_TWO_SAMPLE_KOLMOGOROV = 1
    STOQ_TWO_SAMPLE_CHI_SQUARED = 2
end

const stoq_status_t = Int32
const stoq_scheme_t = Int32
const stoq_engine_t = Int32
const stoq_network_output_t = Int32
const stoq_network_time_t = Int32
const stoq_channels_t = Int32
const stoq_steps_t = Int32
const stoq_kernel_t = Int32
const stoq_grid_t = Int32
const stoq_drift_t = Int32
const stoq_integrator_t = Int32
const stoq_outcome_t = Int32
const stoq_size_t = Int32
const stoq_method_t = Int32
const stoq_ending_t = Int32
const stoq_correction_t = Int32
const stoq_trace_t = Int32
const stoq_coordinates_t = Int32
const stoq_symmetry_t = Int32
const stoq_field_kind_t = Int32
const stoq_statistics_method_t = Int32
const stoq_two_sample_t = Int32

abstract type stoq_action_t end
abstract type stoq_chain_t end
abstract type stoq_complex_langevin_t end
abstract type stoq_cumulants_t end
abstract type stoq_generator_t end
abstract type stoq_model_t end
abstract type stoq_report_t end
abstract type stoq_trainer_t end
abstract type stoq_u1_exact_t end

struct stoq_layout_t
    struct_size::Csize_t
    rank::UInt32
    components::UInt32
    extents::NTuple{4, Csize_t}
    strides::NTuple{4, Cptrdiff_t}
    component_stride::Cptrdiff_t
    site_offsets::Ptr{Cptrdiff_t}
end

struct stoq_schedule_t
    struct_size::Csize_t
    scheme::stoq_scheme_t
    reserved::UInt32
    sigma::Cdouble
    contraction::Cdouble
end

struct stoq_model_open_options_t
    struct_size::Csize_t
    device::Cstring
    runtime::Cstring
    engine::stoq_engine_t
    output::stoq_network_output_t
    time::stoq_network_time_t
    channels::stoq_channels_t
    scheme::stoq_scheme_t
    components::UInt32
    rank::UInt32
    allow_tf32::UInt32
    batch::UInt32
    steps::stoq_steps_t
    extents::NTuple{4, Csize_t}
    sigma::Cdouble
    contraction::Cdouble
    scale::Cdouble
    shift::Cdouble
    covariance::Ptr{Cdouble}
    covariance_count::Csize_t
end

struct stoq_chain_options_t
    struct_size::Csize_t
    kernel::stoq_kernel_t
    levels::UInt32
    renoise_time::Cdouble
    seed::UInt64
    chain::UInt32
    threads::UInt32
    pool::UInt32
    warm_up::UInt32
    grid::stoq_grid_t
    drift::stoq_drift_t
    step_size::Cdouble
    drift_time::Cdouble
    score_weight::Cdouble
    trajectory_length::Cdouble
    jitter::Cdouble
    integrator_steps::UInt32
    integrator::stoq_integrator_t
    width::Cdouble
end

struct stoq_chain_statistics_t
    struct_size::Csize_t
    steps::UInt64
    accepted::UInt64
    non_finite::UInt64
    score_evaluations::UInt64
    proposals::UInt64
end

struct stoq_train_options_t
    struct_size::Csize_t
    size::stoq_size_t
    reach::UInt32
    channels::NTuple{4, UInt32}
    embedding::UInt32
    batch::UInt32
    steps::UInt64
    seed::UInt64
    threads::UInt32
    odd::UInt32
    even::Int32
    follow_variance::UInt32
    rate::Cdouble
    warm_up::UInt64
    largest_noise::Cdouble
    validate_every::UInt64
    patience::UInt64
end

struct stoq_train_report_t
    struct_size::Csize_t
    step::UInt64
    steps::UInt64
    loss::Cdouble
    validation::Cdouble
    rate::Cdouble
    finished::UInt32
    reserved::UInt32
end

struct stoq_generator_options_t
    struct_size::Csize_t
    method::stoq_method_t
    levels::UInt32
    grid::stoq_grid_t
    ending::stoq_ending_t
    times::Ptr{Cdouble}
    corrections::UInt32
    correction::stoq_correction_t
    correction_size::Cdouble
    tolerance::Cdouble
    tail_moves::UInt32
    threads::UInt32
    tail_time::Cdouble
    tail_step::Cdouble
    seed::UInt64
    chain::UInt32
    batch::UInt32
end

struct stoq_likelihood_options_t
    struct_size::Csize_t
    trace::stoq_trace_t
    probes::UInt32
    coordinates::stoq_coordinates_t
    threads::UInt32
    tolerance::Cdouble
    smallest_noise::Cdouble
    seed::UInt64
    first_sample::UInt64
end

struct stoq_complex_langevin_options_t
    struct_size::Csize_t
    seed::UInt64
    chain::UInt32
    reserved::UInt32
    interval::Cdouble
    step::Cdouble
    drift::Cdouble
end

struct stoq_fokker_planck_options_t
    struct_size::Csize_t
    cells::UInt32
    steps::UInt32
    reach::Cdouble
    variance::Cdouble
end

struct stoq_estimate_t
    struct_size::Csize_t
    value::Cdouble
    error::Cdouble
    error_of_error::Cdouble
    tau_int::Cdouble
    tau_int_error::Cdouble
    window::Cdouble
    window_closed::Cdouble
    bin_correlation::Cdouble
    low::Cdouble
    high::Cdouble
    argument::Cdouble
    exact::Cdouble
    z::Cdouble
end

struct stoq_report_options_t
    struct_size::Csize_t
    kind::stoq_field_kind_t
    symmetry::stoq_symmetry_t
    bins::UInt32
    threads::UInt32
    histogram_cells::UInt32
    reserved::UInt32
    histogram_low::Cdouble
    histogram_high::Cdouble
end

struct stoq_statistics_options_t
    struct_size::Csize_t
    method::stoq_statistics_method_t
    resamplings::UInt32
    block::UInt64
    seed::UInt64
end

@callbacks begin
    stoq_action_callback_t(user::Ptr{Cvoid}, field::Ptr{Cdouble}, values::Csize_t, action::Ptr{Cdouble})::Int32
    stoq_destructor_t(user::Ptr{Cvoid})::Cvoid
    stoq_force_callback_t(user::Ptr{Cvoid}, field::Ptr{Cdouble}, values::Csize_t, force::Ptr{Cdouble})::Int32
    stoq_local_change_callback_t(
        user::Ptr{Cvoid}, field::Ptr{Cdouble}, values::Csize_t, offset::Cptrdiff_t, value::Cdouble,
        change::Ptr{Cdouble}
    )::Int32
    stoq_progress_callback_t(user::Ptr{Cvoid}, report::Ptr{stoq_train_report_t})::Int32
    stoq_function_callback_t(user::Ptr{Cvoid}, means::Ptr{Cdouble}, count::Csize_t, value::Ptr{Cdouble})::Int32
end

@functions begin
    stoq_version()::Cstring
    stoq_abi_version()::UInt32
    stoq_last_error()::Cstring
    stoq_last_callback_code()::Int32
    stoq_status_name(status::stoq_status_t)::Cstring
    stoq_layout_init(layout::Ptr{stoq_layout_t}, rank::UInt32, extents::Ptr{Csize_t})::stoq_status_t
    stoq_layout_set_sites(layout::Ptr{stoq_layout_t}, site_offsets::Ptr{Cptrdiff_t})::stoq_status_t
    stoq_layout_even_odd(
        layout::Ptr{stoq_layout_t}, stride::Cptrdiff_t, site_offsets::Ptr{Cptrdiff_t}
    )::stoq_status_t
    stoq_layout_offset(
        layout::Ptr{stoq_layout_t}, coordinates::Ptr{Csize_t}, component::UInt32, offset::Ptr{Cptrdiff_t}
    )::stoq_status_t
    stoq_field_gather(layout::Ptr{stoq_layout_t}, field::Ptr{Cdouble}, values::Ptr{Cdouble})::stoq_status_t
    stoq_field_scatter(layout::Ptr{stoq_layout_t}, values::Ptr{Cdouble}, field::Ptr{Cdouble})::stoq_status_t
    stoq_schedule_init(schedule::Ptr{stoq_schedule_t})::stoq_status_t
    stoq_model_load(path::Cstring, model::Ptr{Ptr{stoq_model_t}})::stoq_status_t
    stoq_model_from_memory(bytes::Ptr{Cvoid}, length::Csize_t, model::Ptr{Ptr{stoq_model_t}})::stoq_status_t
    stoq_model_free(model::Ptr{stoq_model_t})::Cvoid
    stoq_model_rank(model::Ptr{stoq_model_t}, rank::Ptr{UInt32})::stoq_status_t
    stoq_model_extents(model::Ptr{stoq_model_t}, extents::Ptr{Csize_t})::stoq_status_t
    stoq_model_components(model::Ptr{stoq_model_t}, components::Ptr{UInt32})::stoq_status_t
    stoq_model_metadata(
        model::Ptr{stoq_model_t}, key::Cstring, buffer::Ptr{UInt8}, capacity::Csize_t, needed::Ptr{Csize_t}
    )::stoq_status_t
    stoq_model_score(
        model::Ptr{stoq_model_t}, batch::Csize_t, times::Ptr{Cdouble}, fields::Ptr{Cdouble},
        scores::Ptr{Cdouble}
    )::stoq_status_t
    stoq_model_open_options_init(options::Ptr{stoq_model_open_options_t})::stoq_status_t
    stoq_model_open_with(
        path::Cstring, options::Ptr{stoq_model_open_options_t}, model::Ptr{Ptr{stoq_model_t}}
    )::stoq_status_t
    stoq_model_at(
        model::Ptr{stoq_model_t}, rank::UInt32, extents::Ptr{Csize_t}, count::Csize_t, names::Ptr{Cstring},
        values::Ptr{Cdouble}, moved::Ptr{Ptr{stoq_model_t}}
    )::stoq_status_t
    stoq_model_save(model::Ptr{stoq_model_t}, path::Cstring)::stoq_status_t
    stoq_model_gaussian(
        layout::Ptr{stoq_layout_t}, schedule::Ptr{stoq_schedule_t}, covariance::Ptr{Cdouble},
        model::Ptr{Ptr{stoq_model_t}}
    )::stoq_status_t
    stoq_model_free_field(
        layout::Ptr{stoq_layout_t}, schedule::Ptr{stoq_schedule_t}, kappa::Cdouble,
        model::Ptr{Ptr{stoq_model_t}}
    )::stoq_status_t
    stoq_model_toy(
        layout::Ptr{stoq_layout_t}, schedule::Ptr{stoq_schedule_t}, mu2::Cdouble, g::Cdouble,
        model::Ptr{Ptr{stoq_model_t}}
    )::stoq_status_t
    stoq_model_two_peak(
        layout::Ptr{stoq_layout_t}, schedule::Ptr{stoq_schedule_t}, mu0::Cdouble, sigma0::Cdouble,
        model::Ptr{Ptr{stoq_model_t}}
    )::stoq_status_t
    stoq_model_three_peak(
        layout::Ptr{stoq_layout_t}, schedule::Ptr{stoq_schedule_t}, radius::Cdouble, sigma0::Cdouble,
        model::Ptr{Ptr{stoq_model_t}}
    )::stoq_status_t
    stoq_action_phi4(
        layout::Ptr{stoq_layout_t}, kappa::Cdouble, lambda::Cdouble, action::Ptr{Ptr{stoq_action_t}}
    )::stoq_status_t
    stoq_action_toy(
        layout::Ptr{stoq_layout_t}, mu2::Cdouble, g::Cdouble, action::Ptr{Ptr{stoq_action_t}}
    )::stoq_status_t
    stoq_action_two_peak(
        layout::Ptr{stoq_layout_t}, mu0::Cdouble, sigma0::Cdouble, action::Ptr{Ptr{stoq_action_t}}
    )::stoq_status_t
    stoq_action_three_peak(
        layout::Ptr{stoq_layout_t}, radius::Cdouble, sigma0::Cdouble, action::Ptr{Ptr{stoq_action_t}}
    )::stoq_status_t
    stoq_action_u1(layout::Ptr{stoq_layout_t}, beta::Cdouble, action::Ptr{Ptr{stoq_action_t}})::stoq_status_t
    stoq_action_callback(
        layout::Ptr{stoq_layout_t}, callback::stoq_action_callback_t, user::Ptr{Cvoid},
        destructor::stoq_destructor_t, action::Ptr{Ptr{stoq_action_t}}
    )::stoq_status_t
    stoq_action_set_force(action::Ptr{stoq_action_t}, callback::stoq_force_callback_t)::stoq_status_t
    stoq_action_set_local_change(
        action::Ptr{stoq_action_t}, callback::stoq_local_change_callback_t
    )::stoq_status_t
    stoq_action_free(action::Ptr{stoq_action_t})::Cvoid
    stoq_action_evaluate(action::Ptr{stoq_action_t}, field::Ptr{Cdouble}, value::Ptr{Cdouble})::stoq_status_t
    stoq_action_force(action::Ptr{stoq_action_t}, field::Ptr{Cdouble}, force::Ptr{Cdouble})::stoq_status_t
    stoq_chain_options_init(options::Ptr{stoq_chain_options_t})::stoq_status_t
    stoq_chain_statistics_init(statistics::Ptr{stoq_chain_statistics_t})::stoq_status_t
    stoq_chain_new(
        model::Ptr{stoq_model_t}, action::Ptr{stoq_action_t}, layout::Ptr{stoq_layout_t},
        options::Ptr{stoq_chain_options_t}, chain::Ptr{Ptr{stoq_chain_t}}
    )::stoq_status_t
    stoq_chain_free(chain::Ptr{stoq_chain_t})::Cvoid
    stoq_chain_step(chain::Ptr{stoq_chain_t}, field::Ptr{Cdouble}, outcome::Ptr{stoq_outcome_t})::stoq_status_t
    stoq_chain_propose(
        chain::Ptr{stoq_chain_t}, field::Ptr{Cdouble}, proposal::Ptr{Cdouble}, log_hastings::Ptr{Cdouble}
    )::stoq_status_t
    stoq_chain_resolve(
        chain::Ptr{stoq_chain_t}, delta_action::Cdouble, field::Ptr{Cdouble}, outcome::Ptr{stoq_outcome_t}
    )::stoq_status_t
    stoq_chain_freeze(chain::Ptr{stoq_chain_t})::stoq_status_t
    stoq_chain_is_frozen(chain::Ptr{stoq_chain_t}, frozen::Ptr{Int32})::stoq_status_t
    stoq_chain_move_size(chain::Ptr{stoq_chain_t}, size::Ptr{Cdouble})::stoq_status_t
    stoq_chain_statistics(chain::Ptr{stoq_chain_t}, statistics::Ptr{stoq_chain_statistics_t})::stoq_status_t
    stoq_chain_save(
        chain::Ptr{stoq_chain_t}, buffer::Ptr{Cvoid}, capacity::Csize_t, needed::Ptr{Csize_t}
    )::stoq_status_t
    stoq_chain_load(chain::Ptr{stoq_chain_t}, bytes::Ptr{Cvoid}, length::Csize_t)::stoq_status_t
    stoq_train_options_init(options::Ptr{stoq_train_options_t})::stoq_status_t
    stoq_train_report_init(report::Ptr{stoq_train_report_t})::stoq_status_t
    stoq_trainer_new(
        layout::Ptr{stoq_layout_t}, action::Ptr{stoq_action_t}, options::Ptr{stoq_train_options_t},
        trainer::Ptr{Ptr{stoq_trainer_t}}
    )::stoq_status_t
    stoq_trainer_push(trainer::Ptr{stoq_trainer_t}, field::Ptr{Cdouble})::stoq_status_t
    stoq_trainer_configurations(trainer::Ptr{stoq_trainer_t}, configurations::Ptr{Csize_t})::stoq_status_t
    stoq_trainer_fit(
        trainer::Ptr{stoq_trainer_t}, steps::UInt64, progress::stoq_progress_callback_t, user::Ptr{Cvoid},
        report::Ptr{stoq_train_report_t}
    )::stoq_status_t
    stoq_trainer_free(trainer::Ptr{stoq_trainer_t})::Cvoid
    stoq_trainer_model(trainer::Ptr{stoq_trainer_t}, model::Ptr{Ptr{stoq_model_t}})::stoq_status_t
    stoq_trainer_finish(trainer::Ptr{stoq_trainer_t}, model::Ptr{Ptr{stoq_model_t}})::stoq_status_t
    stoq_trainer_save(trainer::Ptr{stoq_trainer_t}, path::Cstring)::stoq_status_t
    stoq_trainer_checkpoint(
        trainer::Ptr{stoq_trainer_t}, buffer::Ptr{Cvoid}, capacity::Csize_t, needed::Ptr{Csize_t}
    )::stoq_status_t
    stoq_trainer_restore(trainer::Ptr{stoq_trainer_t}, bytes::Ptr{Cvoid}, length::Csize_t)::stoq_status_t
    stoq_generator_options_init(options::Ptr{stoq_generator_options_t})::stoq_status_t
    stoq_generator_new(
        model::Ptr{stoq_model_t}, action::Ptr{stoq_action_t}, options::Ptr{stoq_generator_options_t},
        generator::Ptr{Ptr{stoq_generator_t}}
    )::stoq_status_t
    stoq_generator_generate(
        generator::Ptr{stoq_generator_t}, first_sample::UInt64, count::Csize_t, fields::Ptr{Cdouble},
        log_weights::Ptr{Cdouble}
    )::stoq_status_t
    stoq_generator_free(generator::Ptr{stoq_generator_t})::Cvoid
    stoq_likelihood_options_init(options::Ptr{stoq_likelihood_options_t})::stoq_status_t
    stoq_likelihood(
        model::Ptr{stoq_model_t}, options::Ptr{stoq_likelihood_options_t}, count::Csize_t, fields::Ptr{Cdouble},
        log_density::Ptr{Cdouble}, error::Ptr{Cdouble}
    )::stoq_status_t
    stoq_complex_langevin_options_init(options::Ptr{stoq_complex_langevin_options_t})::stoq_status_t
    stoq_complex_langevin_new(
        a::Cdouble, b::Cdouble, lambda::Cdouble, sites::Csize_t, options::Ptr{stoq_complex_langevin_options_t},
        process::Ptr{Ptr{stoq_complex_langevin_t}}
    )::stoq_status_t
    stoq_complex_langevin_next(process::Ptr{stoq_complex_langevin_t}, z::Ptr{Cdouble})::stoq_status_t
    stoq_complex_langevin_free(process::Ptr{stoq_complex_langevin_t})::Cvoid
    stoq_cumulants_new(bins::Csize_t, cumulants::Ptr{Ptr{stoq_cumulants_t}})::stoq_status_t
    stoq_cumulants_push(cumulants::Ptr{stoq_cumulants_t}, count::Csize_t, values::Ptr{Cdouble})::stoq_status_t
    stoq_cumulants_merge(cumulants::Ptr{stoq_cumulants_t}, other::Ptr{stoq_cumulants_t})::stoq_status_t
    stoq_cumulants_estimate(
        cumulants::Ptr{stoq_cumulants_t}, symmetry::stoq_symmetry_t, values::Ptr{Cdouble}, errors::Ptr{Cdouble},
        bin_correlation::Ptr{Cdouble}
    )::stoq_status_t
    stoq_cumulants_free(cumulants::Ptr{stoq_cumulants_t})::Cvoid
    stoq_u1_wilson_loop(
        layout::Ptr{stoq_layout_t}, field::Ptr{Cdouble}, height::Csize_t, width::Csize_t, value::Ptr{Cdouble}
    )::stoq_status_t
    stoq_u1_charge(layout::Ptr{stoq_layout_t}, field::Ptr{Cdouble}, charge::Ptr{Int32})::stoq_status_t
    stoq_u1_polyakov_loop(
        layout::Ptr{stoq_layout_t}, field::Ptr{Cdouble}, axis::UInt32, real::Ptr{Cdouble},
        imaginary::Ptr{Cdouble}
    )::stoq_status_t
    stoq_u1_exact_new(layout::Ptr{stoq_layout_t}, beta::Cdouble, exact::Ptr{Ptr{stoq_u1_exact_t}})::stoq_status_t
    stoq_u1_exact_free(exact::Ptr{stoq_u1_exact_t})::Cvoid
    stoq_u1_exact_wilson_loop(
        exact::Ptr{stoq_u1_exact_t}, height::Csize_t, width::Csize_t, value::Ptr{Cdouble}
    )::stoq_status_t
    stoq_u1_exact_charge_squared(exact::Ptr{stoq_u1_exact_t}, value::Ptr{Cdouble})::stoq_status_t
    stoq_u1_exact_charge_probability(
        exact::Ptr{stoq_u1_exact_t}, charge::Int32, value::Ptr{Cdouble}
    )::stoq_status_t
    stoq_u1_exact_polyakov_square(exact::Ptr{stoq_u1_exact_t}, axis::UInt32, value::Ptr{Cdouble})::stoq_status_t
    stoq_fokker_planck_options_init(options::Ptr{stoq_fokker_planck_options_t})::stoq_status_t
    stoq_fokker_planck_points(
        schedule::Ptr{stoq_schedule_t}, options::Ptr{stoq_fokker_planck_options_t}, time::Cdouble,
        points::Ptr{Cdouble}
    )::stoq_status_t
    stoq_fokker_planck_forward(
        schedule::Ptr{stoq_schedule_t}, options::Ptr{stoq_fokker_planck_options_t}, from::Cdouble, to::Cdouble,
        density::Ptr{Cdouble}, result::Ptr{Cdouble}
    )::stoq_status_t
    stoq_fokker_planck_backward(
        model::Ptr{stoq_model_t}, options::Ptr{stoq_fokker_planck_options_t}, from::Cdouble, to::Cdouble,
        density::Ptr{Cdouble}, result::Ptr{Cdouble}
    )::stoq_status_t
    stoq_estimate_init(estimate::Ptr{stoq_estimate_t})::stoq_status_t
    stoq_report_options_init(options::Ptr{stoq_report_options_t})::stoq_status_t
    stoq_report_new(
        layout::Ptr{stoq_layout_t}, options::Ptr{stoq_report_options_t}, names::Cstring,
        report::Ptr{Ptr{stoq_report_t}}
    )::stoq_status_t
    stoq_report_push(report::Ptr{stoq_report_t}, field::Ptr{Cdouble}, own::Ptr{Cdouble})::stoq_status_t
    stoq_report_push_many(
        report::Ptr{stoq_report_t}, count::Csize_t, fields::Ptr{Cdouble}, own::Ptr{Cdouble}
    )::stoq_status_t
    stoq_report_end_chain(report::Ptr{stoq_report_t})::stoq_status_t
    stoq_report_merge(report::Ptr{stoq_report_t}, other::Ptr{stoq_report_t})::stoq_status_t
    stoq_report_set_exact(report::Ptr{stoq_report_t}, name::Cstring, exact::Cdouble)::stoq_status_t
    stoq_report_observable(
        report::Ptr{stoq_report_t}, name::Cstring, estimate::Ptr{stoq_estimate_t}
    )::stoq_status_t
    stoq_report_json(
        report::Ptr{stoq_report_t}, buffer::Ptr{UInt8}, capacity::Csize_t, needed::Ptr{Csize_t}
    )::stoq_status_t
    stoq_report_text(
        report::Ptr{stoq_report_t}, buffer::Ptr{UInt8}, capacity::Csize_t, needed::Ptr{Csize_t}
    )::stoq_status_t
    stoq_report_free(report::Ptr{stoq_report_t})::Cvoid
    stoq_statistics_options_init(options::Ptr{stoq_statistics_options_t})::stoq_status_t
    stoq_statistics_estimate(
        options::Ptr{stoq_statistics_options_t}, chains::Csize_t, lengths::Ptr{Csize_t}, observables::Csize_t,
        series::Ptr{Cdouble}, of_means::stoq_function_callback_t, user::Ptr{Cvoid},
        estimate::Ptr{stoq_estimate_t}
    )::stoq_status_t
    stoq_statistics_histogram(
        chains::Csize_t, lengths::Ptr{Csize_t}, series::Ptr{Cdouble}, cells::Csize_t, edges::Ptr{Cdouble},
        probabilities::Ptr{Cdouble}, errors::Ptr{Cdouble}, effective_values::Ptr{Cdouble}
    )::stoq_status_t
    stoq_statistics_two_sample(
        test::stoq_two_sample_t, first_chains::Csize_t, first_lengths::Ptr{Csize_t}, first_series::Ptr{Cdouble},
        second_chains::Csize_t, second_lengths::Ptr{Csize_t}, second_series::Ptr{Cdouble}, cells::Csize_t,
        edges::Ptr{Cdouble}, statistic::Ptr{Cdouble}, p_value::Ptr{Cdouble}
    )::stoq_status_t
end
