!> Constants and structs of stoq.h, C ABI 2. Their comments stand there, and bindings/check_declarations.py
!> compares the two. Unsigned numbers of C are integers of the same size here.
module stoq_abi
  use, intrinsic :: iso_c_binding, only: c_double, c_int32_t, c_int64_t, c_intptr_t, c_null_ptr, c_ptr, c_size_t
  implicit none
  public
  private :: c_double, c_int32_t, c_int64_t, c_intptr_t, c_null_ptr, c_ptr, c_size_t

  !> STOQ_ABI_VERSION of stoq.h, under another name: that one would be the function stoq_abi_version.
  integer(c_int32_t), parameter :: STOQ_ABI_NUMBER = 2
  !> In an option about a network: as the model file says.
  integer(c_int32_t), parameter :: STOQ_AS_IN_FILE = 0
  integer(c_int32_t), parameter :: STOQ_OK = 0
  integer(c_int32_t), parameter :: STOQ_INVALID_ARGUMENT = 1
  integer(c_int32_t), parameter :: STOQ_SHAPE_MISMATCH = 2
  integer(c_int32_t), parameter :: STOQ_NOT_FINITE = 3
  integer(c_int32_t), parameter :: STOQ_MODEL_FILE = 4
  integer(c_int32_t), parameter :: STOQ_CHAIN_STATE = 5
  integer(c_int32_t), parameter :: STOQ_CALLBACK_STOPPED = 6
  integer(c_int32_t), parameter :: STOQ_WRONG_ORDER = 7
  integer(c_int32_t), parameter :: STOQ_IO = 8
  integer(c_int32_t), parameter :: STOQ_OUT_OF_MEMORY = 9
  integer(c_int32_t), parameter :: STOQ_INTERNAL = 10
  integer(c_int32_t), parameter :: STOQ_RUNTIME_MISSING = 11
  integer(c_int32_t), parameter :: STOQ_DEVICE_UNAVAILABLE = 12
  integer(c_int32_t), parameter :: STOQ_SCHEME_VARIANCE_EXPANDING = 1
  integer(c_int32_t), parameter :: STOQ_SCHEME_VARIANCE_PRESERVING = 2
  integer(c_int32_t), parameter :: STOQ_SCHEME_INTERPOLATING = 3
  integer(c_int32_t), parameter :: STOQ_ENGINE_AUTOMATIC = 1
  integer(c_int32_t), parameter :: STOQ_ENGINE_NATIVE = 2
  integer(c_int32_t), parameter :: STOQ_ENGINE_ONNX_RUNTIME = 3
  integer(c_int32_t), parameter :: STOQ_OUTPUT_SCORE = 1
  integer(c_int32_t), parameter :: STOQ_OUTPUT_SIGMA_SCORE = 2
  integer(c_int32_t), parameter :: STOQ_OUTPUT_NOISE = 3
  integer(c_int32_t), parameter :: STOQ_OUTPUT_DENOISER = 4
  integer(c_int32_t), parameter :: STOQ_TIME_T = 1
  integer(c_int32_t), parameter :: STOQ_TIME_SIGMA = 2
  integer(c_int32_t), parameter :: STOQ_TIME_LOG_SIGMA = 3
  integer(c_int32_t), parameter :: STOQ_CHANNELS_NONE = 1
  integer(c_int32_t), parameter :: STOQ_CHANNELS_FIRST = 2
  integer(c_int32_t), parameter :: STOQ_CHANNELS_LAST = 3
  integer(c_int32_t), parameter :: STOQ_STEPS_AUTOMATIC = 0
  integer(c_int32_t), parameter :: STOQ_STEPS_HOST = 1
  integer(c_int32_t), parameter :: STOQ_STEPS_DEVICE = 2
  integer(c_int32_t), parameter :: STOQ_KERNEL_PATH = 1
  integer(c_int32_t), parameter :: STOQ_KERNEL_RENOISE = 2
  integer(c_int32_t), parameter :: STOQ_KERNEL_LIKELIHOOD = 3
  integer(c_int32_t), parameter :: STOQ_KERNEL_MALA = 4
  integer(c_int32_t), parameter :: STOQ_KERNEL_HMC = 5
  integer(c_int32_t), parameter :: STOQ_KERNEL_METROPOLIS = 6
  integer(c_int32_t), parameter :: STOQ_KERNEL_LANGEVIN = 7
  integer(c_int32_t), parameter :: STOQ_KERNEL_CHARGE_SHIFT = 8
  integer(c_int32_t), parameter :: STOQ_DRIFT_FORCE = 1
  integer(c_int32_t), parameter :: STOQ_DRIFT_SCORE = 2
  integer(c_int32_t), parameter :: STOQ_DRIFT_BLEND = 3
  integer(c_int32_t), parameter :: STOQ_LEAPFROG = 1
  integer(c_int32_t), parameter :: STOQ_OMELYAN = 2
  integer(c_int32_t), parameter :: STOQ_GRID_OPTIMAL = 1
  integer(c_int32_t), parameter :: STOQ_GRID_GEOMETRIC = 2
  integer(c_int32_t), parameter :: STOQ_GRID_LINEAR = 3
  integer(c_int32_t), parameter :: STOQ_GRID_PILOT = 4
  integer(c_int32_t), parameter :: STOQ_REJECTED = 0
  integer(c_int32_t), parameter :: STOQ_ACCEPTED = 1
  integer(c_int32_t), parameter :: STOQ_SIZE_TINY = 1
  integer(c_int32_t), parameter :: STOQ_SIZE_SMALL = 2
  integer(c_int32_t), parameter :: STOQ_SIZE_BASE = 3
  integer(c_int32_t), parameter :: STOQ_SIZE_LARGE = 4
  integer(c_int32_t), parameter :: STOQ_METHOD_EULER_MARUYAMA = 1
  integer(c_int32_t), parameter :: STOQ_METHOD_POSTERIOR = 2
  integer(c_int32_t), parameter :: STOQ_METHOD_ANCESTRAL = 3
  integer(c_int32_t), parameter :: STOQ_METHOD_PREDICTOR_CORRECTOR = 4
  integer(c_int32_t), parameter :: STOQ_METHOD_PROBABILITY_FLOW = 5
  integer(c_int32_t), parameter :: STOQ_METHOD_ANNEALED = 6
  integer(c_int32_t), parameter :: STOQ_ENDING_ZERO = 1
  integer(c_int32_t), parameter :: STOQ_ENDING_DENOISE = 2
  integer(c_int32_t), parameter :: STOQ_ENDING_STOP = 3
  integer(c_int32_t), parameter :: STOQ_CORRECTION_FRACTION = 1
  integer(c_int32_t), parameter :: STOQ_CORRECTION_SIGNAL_TO_NOISE = 2
  integer(c_int32_t), parameter :: STOQ_TRACE_EXACT = 1
  integer(c_int32_t), parameter :: STOQ_TRACE_HUTCHINSON = 2
  integer(c_int32_t), parameter :: STOQ_COORDINATES_WHITENED = 1
  integer(c_int32_t), parameter :: STOQ_COORDINATES_PLAIN = 2
  integer(c_int32_t), parameter :: STOQ_SYMMETRY_NONE = 0
  integer(c_int32_t), parameter :: STOQ_SYMMETRY_EVEN = 1
  integer(c_int32_t), parameter :: STOQ_FIELD_SCALAR = 0
  integer(c_int32_t), parameter :: STOQ_FIELD_LINKS = 1
  integer(c_int32_t), parameter :: STOQ_STATISTICS_GAMMA = 1
  integer(c_int32_t), parameter :: STOQ_STATISTICS_JACKKNIFE = 2
  integer(c_int32_t), parameter :: STOQ_STATISTICS_BOOTSTRAP = 3
  integer(c_int32_t), parameter :: STOQ_TWO_SAMPLE_KOLMOGOROV = 1
  integer(c_int32_t), parameter :: STOQ_TWO_SAMPLE_CHI_SQUARED = 2

  !> How a program stores a field; made by stoq_layout of stoq_fields.
  type, bind(C) :: stoq_layout_t
    integer(c_size_t) :: struct_size = 0
    integer(c_int32_t) :: rank = 0
    integer(c_int32_t) :: components = 0
    integer(c_size_t) :: extents(4) = 0
    integer(c_intptr_t) :: strides(4) = 0
    integer(c_intptr_t) :: component_stride = 0
    type(c_ptr) :: site_offsets = c_null_ptr
  end type stoq_layout_t

  !> The noise schedule of a diffusion process; filled by stoq_defaults.
  type, bind(C) :: stoq_schedule_t
    integer(c_size_t) :: struct_size = 0
    integer(c_int32_t) :: scheme = 0
    integer(c_int32_t) :: reserved = 0
    real(c_double) :: sigma = 0
    real(c_double) :: contraction = 0
  end type stoq_schedule_t

  !> Options of stoq_model%open, which fills the pointers; the rest is filled by stoq_defaults.
  type, bind(C) :: stoq_model_open_options_t
    integer(c_size_t) :: struct_size = 0
    type(c_ptr) :: device = c_null_ptr
    type(c_ptr) :: runtime = c_null_ptr
    integer(c_int32_t) :: engine = 0
    integer(c_int32_t) :: output = 0
    integer(c_int32_t) :: time = 0
    integer(c_int32_t) :: channels = 0
    integer(c_int32_t) :: scheme = 0
    integer(c_int32_t) :: components = 0
    integer(c_int32_t) :: rank = 0
    integer(c_int32_t) :: allow_tf32 = 0
    integer(c_int32_t) :: batch = 0
    integer(c_int32_t) :: steps = 0
    integer(c_size_t) :: extents(4) = 0
    real(c_double) :: sigma = 0
    real(c_double) :: contraction = 0
    real(c_double) :: scale = 0
    real(c_double) :: shift = 0
    type(c_ptr) :: covariance = c_null_ptr
    integer(c_size_t) :: covariance_count = 0
  end type stoq_model_open_options_t

  !> Options; filled by stoq_defaults.
  type, bind(C) :: stoq_chain_options_t
    integer(c_size_t) :: struct_size = 0
    integer(c_int32_t) :: kernel = 0
    integer(c_int32_t) :: levels = 0
    real(c_double) :: renoise_time = 0
    integer(c_int64_t) :: seed = 0
    integer(c_int32_t) :: chain = 0
    integer(c_int32_t) :: threads = 0
    integer(c_int32_t) :: pool = 0
    integer(c_int32_t) :: warm_up = 0
    integer(c_int32_t) :: grid = 0
    integer(c_int32_t) :: drift = 0
    real(c_double) :: step_size = 0
    real(c_double) :: drift_time = 0
    real(c_double) :: score_weight = 0
    real(c_double) :: trajectory_length = 0
    real(c_double) :: jitter = 0
    integer(c_int32_t) :: integrator_steps = 0
    integer(c_int32_t) :: integrator = 0
    real(c_double) :: width = 0
  end type stoq_chain_options_t

  !> Counters of a chain; filled by stoq_chain%statistics.
  type, bind(C) :: stoq_chain_statistics_t
    integer(c_size_t) :: struct_size = 0
    integer(c_int64_t) :: steps = 0
    integer(c_int64_t) :: accepted = 0
    integer(c_int64_t) :: non_finite = 0
    integer(c_int64_t) :: score_evaluations = 0
    integer(c_int64_t) :: proposals = 0
  end type stoq_chain_statistics_t

  !> Options; filled by stoq_defaults.
  type, bind(C) :: stoq_train_options_t
    integer(c_size_t) :: struct_size = 0
    integer(c_int32_t) :: size = 0
    integer(c_int32_t) :: reach = 0
    integer(c_int32_t) :: channels(4) = 0
    integer(c_int32_t) :: embedding = 0
    integer(c_int32_t) :: batch = 0
    integer(c_int64_t) :: steps = 0
    integer(c_int64_t) :: seed = 0
    integer(c_int32_t) :: threads = 0
    integer(c_int32_t) :: odd = 0
    integer(c_int32_t) :: even = 0
    integer(c_int32_t) :: follow_variance = 0
    real(c_double) :: rate = 0
    integer(c_int64_t) :: warm_up = 0
    real(c_double) :: largest_noise = 0
    integer(c_int64_t) :: validate_every = 0
    integer(c_int64_t) :: patience = 0
  end type stoq_train_options_t

  !> How far a training is; filled by stoq_trainer%fit.
  type, bind(C) :: stoq_train_report_t
    integer(c_size_t) :: struct_size = 0
    integer(c_int64_t) :: step = 0
    integer(c_int64_t) :: steps = 0
    real(c_double) :: loss = 0
    real(c_double) :: validation = 0
    real(c_double) :: rate = 0
    integer(c_int32_t) :: finished = 0
    integer(c_int32_t) :: reserved = 0
  end type stoq_train_report_t

  !> Options; filled by stoq_defaults.
  type, bind(C) :: stoq_generator_options_t
    integer(c_size_t) :: struct_size = 0
    integer(c_int32_t) :: method = 0
    integer(c_int32_t) :: levels = 0
    integer(c_int32_t) :: grid = 0
    integer(c_int32_t) :: ending = 0
    type(c_ptr) :: times = c_null_ptr
    integer(c_int32_t) :: corrections = 0
    integer(c_int32_t) :: correction = 0
    real(c_double) :: correction_size = 0
    real(c_double) :: tolerance = 0
    integer(c_int32_t) :: tail_moves = 0
    integer(c_int32_t) :: threads = 0
    real(c_double) :: tail_time = 0
    real(c_double) :: tail_step = 0
    integer(c_int64_t) :: seed = 0
    integer(c_int32_t) :: chain = 0
    integer(c_int32_t) :: batch = 0
  end type stoq_generator_options_t

  !> Options; filled by stoq_defaults.
  type, bind(C) :: stoq_likelihood_options_t
    integer(c_size_t) :: struct_size = 0
    integer(c_int32_t) :: trace = 0
    integer(c_int32_t) :: probes = 0
    integer(c_int32_t) :: coordinates = 0
    integer(c_int32_t) :: threads = 0
    real(c_double) :: tolerance = 0
    real(c_double) :: smallest_noise = 0
    integer(c_int64_t) :: seed = 0
    integer(c_int64_t) :: first_sample = 0
  end type stoq_likelihood_options_t

  !> Options; filled by stoq_defaults.
  type, bind(C) :: stoq_complex_langevin_options_t
    integer(c_size_t) :: struct_size = 0
    integer(c_int64_t) :: seed = 0
    integer(c_int32_t) :: chain = 0
    integer(c_int32_t) :: reserved = 0
    real(c_double) :: interval = 0
    real(c_double) :: step = 0
    real(c_double) :: drift = 0
  end type stoq_complex_langevin_options_t

  !> Options; filled by stoq_defaults.
  type, bind(C) :: stoq_fokker_planck_options_t
    integer(c_size_t) :: struct_size = 0
    integer(c_int32_t) :: cells = 0
    integer(c_int32_t) :: steps = 0
    real(c_double) :: reach = 0
    real(c_double) :: variance = 0
  end type stoq_fokker_planck_options_t

  type, bind(C) :: stoq_estimate_t
    integer(c_size_t) :: struct_size = 0
    real(c_double) :: value = 0
    real(c_double) :: error = 0
    real(c_double) :: error_of_error = 0
    real(c_double) :: tau_int = 0
    real(c_double) :: tau_int_error = 0
    real(c_double) :: window = 0
    real(c_double) :: window_closed = 0
    real(c_double) :: bin_correlation = 0
    real(c_double) :: low = 0
    real(c_double) :: high = 0
    real(c_double) :: argument = 0
    real(c_double) :: exact = 0
    real(c_double) :: z = 0
  end type stoq_estimate_t

  type, bind(C) :: stoq_report_options_t
    integer(c_size_t) :: struct_size = 0
    integer(c_int32_t) :: kind = 0
    integer(c_int32_t) :: symmetry = 0
    integer(c_int32_t) :: bins = 0
    integer(c_int32_t) :: threads = 0
    integer(c_int32_t) :: histogram_cells = 0
    integer(c_int32_t) :: reserved = 0
    real(c_double) :: histogram_low = 0
    real(c_double) :: histogram_high = 0
  end type stoq_report_options_t

  type, bind(C) :: stoq_statistics_options_t
    integer(c_size_t) :: struct_size = 0
    integer(c_int32_t) :: method = 0
    integer(c_int32_t) :: resamplings = 0
    integer(c_int64_t) :: block = 0
    integer(c_int64_t) :: seed = 0
  end type stoq_statistics_options_t

end module stoq_abi
