"""What include/stoq.h declares, for ctypes: ABI 2. bindings/check_declarations.py compares the two."""

import ctypes
from ctypes import POINTER, c_char_p, c_double, c_int32, c_size_t, c_ssize_t, c_uint32, c_uint64, c_void_p

ABI_VERSION = 2

CONSTANTS = {
    "STOQ_ABI_VERSION": ABI_VERSION,
    "STOQ_OK": 0,
    "STOQ_INVALID_ARGUMENT": 1,
    "STOQ_SHAPE_MISMATCH": 2,
    "STOQ_NOT_FINITE": 3,
    "STOQ_MODEL_FILE": 4,
    "STOQ_CHAIN_STATE": 5,
    "STOQ_CALLBACK_STOPPED": 6,
    "STOQ_WRONG_ORDER": 7,
    "STOQ_IO": 8,
    "STOQ_OUT_OF_MEMORY": 9,
    "STOQ_INTERNAL": 10,
    "STOQ_RUNTIME_MISSING": 11,
    "STOQ_DEVICE_UNAVAILABLE": 12,
    "STOQ_AS_IN_FILE": 0,
    "STOQ_ENGINE_AUTOMATIC": 1,
    "STOQ_ENGINE_NATIVE": 2,
    "STOQ_ENGINE_ONNX_RUNTIME": 3,
    "STOQ_OUTPUT_SCORE": 1,
    "STOQ_OUTPUT_SIGMA_SCORE": 2,
    "STOQ_OUTPUT_NOISE": 3,
    "STOQ_OUTPUT_DENOISER": 4,
    "STOQ_TIME_T": 1,
    "STOQ_TIME_SIGMA": 2,
    "STOQ_TIME_LOG_SIGMA": 3,
    "STOQ_CHANNELS_NONE": 1,
    "STOQ_CHANNELS_FIRST": 2,
    "STOQ_CHANNELS_LAST": 3,
    "STOQ_STEPS_AUTOMATIC": 0,
    "STOQ_STEPS_HOST": 1,
    "STOQ_STEPS_DEVICE": 2,
    "STOQ_SCHEME_VARIANCE_EXPANDING": 1,
    "STOQ_SCHEME_VARIANCE_PRESERVING": 2,
    "STOQ_SCHEME_INTERPOLATING": 3,
    "STOQ_KERNEL_PATH": 1,
    "STOQ_KERNEL_RENOISE": 2,
    "STOQ_KERNEL_LIKELIHOOD": 3,
    "STOQ_KERNEL_MALA": 4,
    "STOQ_KERNEL_HMC": 5,
    "STOQ_KERNEL_METROPOLIS": 6,
    "STOQ_KERNEL_LANGEVIN": 7,
    "STOQ_KERNEL_CHARGE_SHIFT": 8,
    "STOQ_DRIFT_FORCE": 1,
    "STOQ_DRIFT_SCORE": 2,
    "STOQ_DRIFT_BLEND": 3,
    "STOQ_LEAPFROG": 1,
    "STOQ_OMELYAN": 2,
    "STOQ_GRID_OPTIMAL": 1,
    "STOQ_GRID_GEOMETRIC": 2,
    "STOQ_GRID_LINEAR": 3,
    "STOQ_GRID_PILOT": 4,
    "STOQ_REJECTED": 0,
    "STOQ_ACCEPTED": 1,
    "STOQ_METHOD_EULER_MARUYAMA": 1,
    "STOQ_METHOD_POSTERIOR": 2,
    "STOQ_METHOD_ANCESTRAL": 3,
    "STOQ_METHOD_PREDICTOR_CORRECTOR": 4,
    "STOQ_METHOD_PROBABILITY_FLOW": 5,
    "STOQ_METHOD_ANNEALED": 6,
    "STOQ_ENDING_ZERO": 1,
    "STOQ_ENDING_DENOISE": 2,
    "STOQ_ENDING_STOP": 3,
    "STOQ_CORRECTION_FRACTION": 1,
    "STOQ_CORRECTION_SIGNAL_TO_NOISE": 2,
    "STOQ_TRACE_EXACT": 1,
    "STOQ_TRACE_HUTCHINSON": 2,
    "STOQ_COORDINATES_WHITENED": 1,
    "STOQ_COORDINATES_PLAIN": 2,
    "STOQ_SYMMETRY_NONE": 0,
    "STOQ_SYMMETRY_EVEN": 1,
    "STOQ_FIELD_SCALAR": 0,
    "STOQ_FIELD_LINKS": 1,
    "STOQ_STATISTICS_GAMMA": 1,
    "STOQ_STATISTICS_JACKKNIFE": 2,
    "STOQ_STATISTICS_BOOTSTRAP": 3,
    "STOQ_TWO_SAMPLE_KOLMOGOROV": 1,
    "STOQ_TWO_SAMPLE_CHI_SQUARED": 2,
    "STOQ_SIZE_TINY": 1,
    "STOQ_SIZE_SMALL": 2,
    "STOQ_SIZE_BASE": 3,
    "STOQ_SIZE_LARGE": 4,
}


class Layout(ctypes.Structure):
    _fields_ = [
        ("struct_size", c_size_t),
        ("rank", c_uint32),
        ("components", c_uint32),
        ("extents", c_size_t * 4),
        ("strides", c_ssize_t * 4),
        ("component_stride", c_ssize_t),
        ("site_offsets", c_void_p),
    ]


class OpenOptions(ctypes.Structure):
    _fields_ = [
        ("struct_size", c_size_t),
        ("device", c_char_p),
        ("runtime", c_char_p),
        ("engine", c_int32),
        ("output", c_int32),
        ("time", c_int32),
        ("channels", c_int32),
        ("scheme", c_int32),
        ("components", c_uint32),
        ("rank", c_uint32),
        ("allow_tf32", c_uint32),
        ("batch", c_uint32),
        ("steps", c_int32),
        ("extents", c_size_t * 4),
        ("sigma", c_double),
        ("contraction", c_double),
        ("scale", c_double),
        ("shift", c_double),
        ("covariance", c_void_p),
        ("covariance_count", c_size_t),
    ]


class Schedule(ctypes.Structure):
    _fields_ = [
        ("struct_size", c_size_t),
        ("scheme", c_int32),
        ("reserved", c_uint32),
        ("sigma", c_double),
        ("contraction", c_double),
    ]


class ChainOptions(ctypes.Structure):
    _fields_ = [
        ("struct_size", c_size_t),
        ("kernel", c_int32),
        ("levels", c_uint32),
        ("renoise_time", c_double),
        ("seed", c_uint64),
        ("chain", c_uint32),
        ("threads", c_uint32),
        ("pool", c_uint32),
        ("warm_up", c_uint32),
        ("grid", c_int32),
        ("drift", c_int32),
        ("step_size", c_double),
        ("drift_time", c_double),
        ("score_weight", c_double),
        ("trajectory_length", c_double),
        ("jitter", c_double),
        ("integrator_steps", c_uint32),
        ("integrator", c_int32),
        ("width", c_double),
    ]


class ChainStatistics(ctypes.Structure):
    _fields_ = [
        ("struct_size", c_size_t),
        ("steps", c_uint64),
        ("accepted", c_uint64),
        ("non_finite", c_uint64),
        ("score_evaluations", c_uint64),
        ("proposals", c_uint64),
    ]


class GeneratorOptions(ctypes.Structure):
    _fields_ = [
        ("struct_size", c_size_t),
        ("method", c_int32),
        ("levels", c_uint32),
        ("grid", c_int32),
        ("ending", c_int32),
        ("times", c_void_p),
        ("corrections", c_uint32),
        ("correction", c_int32),
        ("correction_size", c_double),
        ("tolerance", c_double),
        ("tail_moves", c_uint32),
        ("threads", c_uint32),
        ("tail_time", c_double),
        ("tail_step", c_double),
        ("seed", c_uint64),
        ("chain", c_uint32),
        ("batch", c_uint32),
    ]


class LikelihoodOptions(ctypes.Structure):
    _fields_ = [
        ("struct_size", c_size_t),
        ("trace", c_int32),
        ("probes", c_uint32),
        ("coordinates", c_int32),
        ("threads", c_uint32),
        ("tolerance", c_double),
        ("smallest_noise", c_double),
        ("seed", c_uint64),
        ("first_sample", c_uint64),
    ]


class ComplexLangevinOptions(ctypes.Structure):
    _fields_ = [
        ("struct_size", c_size_t),
        ("seed", c_uint64),
        ("chain", c_uint32),
        ("reserved", c_uint32),
        ("interval", c_double),
        ("step", c_double),
        ("drift", c_double),
    ]


class FokkerPlanckOptions(ctypes.Structure):
    _fields_ = [
        ("struct_size", c_size_t),
        ("cells", c_uint32),
        ("steps", c_uint32),
        ("reach", c_double),
        ("variance", c_double),
    ]


class TrainOptions(ctypes.Structure):
    _fields_ = [
        ("struct_size", c_size_t),
        ("size", c_int32),
        ("reach", c_uint32),
        ("channels", c_uint32 * 4),
        ("embedding", c_uint32),
        ("batch", c_uint32),
        ("steps", c_uint64),
        ("seed", c_uint64),
        ("threads", c_uint32),
        ("odd", c_uint32),
        ("even", c_int32),
        ("follow_variance", c_uint32),
        ("rate", c_double),
        ("warm_up", c_uint64),
        ("largest_noise", c_double),
        ("validate_every", c_uint64),
        ("patience", c_uint64),
    ]


class TrainReport(ctypes.Structure):
    _fields_ = [
        ("struct_size", c_size_t),
        ("step", c_uint64),
        ("steps", c_uint64),
        ("loss", c_double),
        ("validation", c_double),
        ("rate", c_double),
        ("finished", c_uint32),
        ("reserved", c_uint32),
    ]


class Estimate(ctypes.Structure):
    _fields_ = [
        ("struct_size", c_size_t),
        ("value", c_double),
        ("error", c_double),
        ("error_of_error", c_double),
        ("tau_int", c_double),
        ("tau_int_error", c_double),
        ("window", c_double),
        ("window_closed", c_double),
        ("bin_correlation", c_double),
        ("low", c_double),
        ("high", c_double),
        ("argument", c_double),
        ("exact", c_double),
        ("z", c_double),
    ]


class ReportOptions(ctypes.Structure):
    _fields_ = [
        ("struct_size", c_size_t),
        ("kind", c_int32),
        ("symmetry", c_int32),
        ("bins", c_uint32),
        ("threads", c_uint32),
        ("histogram_cells", c_uint32),
        ("reserved", c_uint32),
        ("histogram_low", c_double),
        ("histogram_high", c_double),
    ]


class StatisticsOptions(ctypes.Structure):
    _fields_ = [
        ("struct_size", c_size_t),
        ("method", c_int32),
        ("resamplings", c_uint32),
        ("block", c_uint64),
        ("seed", c_uint64),
    ]


STRUCTS = {
    "stoq_layout_t": Layout,
    "stoq_schedule_t": Schedule,
    "stoq_model_open_options_t": OpenOptions,
    "stoq_chain_options_t": ChainOptions,
    "stoq_chain_statistics_t": ChainStatistics,
    "stoq_generator_options_t": GeneratorOptions,
    "stoq_likelihood_options_t": LikelihoodOptions,
    "stoq_complex_langevin_options_t": ComplexLangevinOptions,
    "stoq_fokker_planck_options_t": FokkerPlanckOptions,
    "stoq_train_options_t": TrainOptions,
    "stoq_train_report_t": TrainReport,
    "stoq_estimate_t": Estimate,
    "stoq_report_options_t": ReportOptions,
    "stoq_statistics_options_t": StatisticsOptions,
}

# Pointers to data and handles are c_void_p: addresses of arrays, and what c_void_p holds.
ActionCallback = ctypes.CFUNCTYPE(c_int32, c_void_p, c_void_p, c_size_t, c_void_p)
ForceCallback = ctypes.CFUNCTYPE(c_int32, c_void_p, c_void_p, c_size_t, c_void_p)
LocalChangeCallback = ctypes.CFUNCTYPE(c_int32, c_void_p, c_void_p, c_size_t, c_ssize_t, c_double, c_void_p)
Destructor = ctypes.CFUNCTYPE(None, c_void_p)
ProgressCallback = ctypes.CFUNCTYPE(c_int32, c_void_p, POINTER(TrainReport))
FunctionCallback = ctypes.CFUNCTYPE(c_int32, c_void_p, c_void_p, c_size_t, c_void_p)

CALLBACKS = {
    "stoq_action_callback_t": ActionCallback,
    "stoq_force_callback_t": ForceCallback,
    "stoq_local_change_callback_t": LocalChangeCallback,
    "stoq_destructor_t": Destructor,
    "stoq_progress_callback_t": ProgressCallback,
    "stoq_function_callback_t": FunctionCallback,
}

_layout, _schedule = POINTER(Layout), POINTER(Schedule)
_fokker_planck = POINTER(FokkerPlanckOptions)

# name: (result, arguments)
FUNCTIONS = {
    "stoq_version": (c_char_p, []),
    "stoq_abi_version": (c_uint32, []),
    "stoq_last_error": (c_char_p, []),
    "stoq_last_callback_code": (c_int32, []),
    "stoq_status_name": (c_char_p, [c_int32]),
    "stoq_layout_init": (c_int32, [_layout, c_uint32, c_void_p]),
    "stoq_layout_set_sites": (c_int32, [_layout, c_void_p]),
    "stoq_layout_even_odd": (c_int32, [_layout, c_ssize_t, c_void_p]),
    "stoq_layout_offset": (c_int32, [_layout, c_void_p, c_uint32, c_void_p]),
    "stoq_field_gather": (c_int32, [_layout, c_void_p, c_void_p]),
    "stoq_field_scatter": (c_int32, [_layout, c_void_p, c_void_p]),
    "stoq_schedule_init": (c_int32, [_schedule]),
    "stoq_model_load": (c_int32, [c_char_p, c_void_p]),
    "stoq_model_open_options_init": (c_int32, [POINTER(OpenOptions)]),
    "stoq_model_open_with": (c_int32, [c_char_p, POINTER(OpenOptions), c_void_p]),
    "stoq_model_from_memory": (c_int32, [c_void_p, c_size_t, c_void_p]),
    "stoq_model_free": (None, [c_void_p]),
    "stoq_model_rank": (c_int32, [c_void_p, c_void_p]),
    "stoq_model_extents": (c_int32, [c_void_p, c_void_p]),
    "stoq_model_components": (c_int32, [c_void_p, c_void_p]),
    "stoq_model_metadata": (c_int32, [c_void_p, c_char_p, c_void_p, c_size_t, c_void_p]),
    "stoq_model_score": (c_int32, [c_void_p, c_size_t, c_void_p, c_void_p, c_void_p]),
    "stoq_model_at": (c_int32, [c_void_p, c_uint32, c_void_p, c_size_t, c_void_p, c_void_p, c_void_p]),
    "stoq_model_save": (c_int32, [c_void_p, c_char_p]),
    "stoq_model_gaussian": (c_int32, [_layout, _schedule, c_void_p, c_void_p]),
    "stoq_model_free_field": (c_int32, [_layout, _schedule, c_double, c_void_p]),
    "stoq_model_toy": (c_int32, [_layout, _schedule, c_double, c_double, c_void_p]),
    "stoq_model_two_peak": (c_int32, [_layout, _schedule, c_double, c_double, c_void_p]),
    "stoq_model_three_peak": (c_int32, [_layout, _schedule, c_double, c_double, c_void_p]),
    "stoq_action_phi4": (c_int32, [_layout, c_double, c_double, c_void_p]),
    "stoq_action_toy": (c_int32, [_layout, c_double, c_double, c_void_p]),
    "stoq_action_two_peak": (c_int32, [_layout, c_double, c_double, c_void_p]),
    "stoq_action_three_peak": (c_int32, [_layout, c_double, c_double, c_void_p]),
    "stoq_action_u1": (c_int32, [_layout, c_double, c_void_p]),
    "stoq_action_callback": (c_int32, [_layout, ActionCallback, c_void_p, Destructor, c_void_p]),
    "stoq_action_set_force": (c_int32, [c_void_p, ForceCallback]),
    "stoq_action_set_local_change": (c_int32, [c_void_p, LocalChangeCallback]),
    "stoq_action_free": (None, [c_void_p]),
    "stoq_action_evaluate": (c_int32, [c_void_p, c_void_p, c_void_p]),
    "stoq_action_force": (c_int32, [c_void_p, c_void_p, c_void_p]),
    "stoq_chain_options_init": (c_int32, [POINTER(ChainOptions)]),
    "stoq_chain_statistics_init": (c_int32, [POINTER(ChainStatistics)]),
    "stoq_chain_new": (c_int32, [c_void_p, c_void_p, _layout, POINTER(ChainOptions), c_void_p]),
    "stoq_chain_free": (None, [c_void_p]),
    "stoq_chain_step": (c_int32, [c_void_p, c_void_p, c_void_p]),
    "stoq_chain_propose": (c_int32, [c_void_p, c_void_p, c_void_p, c_void_p]),
    "stoq_chain_resolve": (c_int32, [c_void_p, c_double, c_void_p, c_void_p]),
    "stoq_chain_freeze": (c_int32, [c_void_p]),
    "stoq_chain_is_frozen": (c_int32, [c_void_p, c_void_p]),
    "stoq_chain_move_size": (c_int32, [c_void_p, c_void_p]),
    "stoq_chain_statistics": (c_int32, [c_void_p, POINTER(ChainStatistics)]),
    "stoq_chain_save": (c_int32, [c_void_p, c_void_p, c_size_t, c_void_p]),
    "stoq_chain_load": (c_int32, [c_void_p, c_void_p, c_size_t]),
    "stoq_train_options_init": (c_int32, [POINTER(TrainOptions)]),
    "stoq_train_report_init": (c_int32, [POINTER(TrainReport)]),
    "stoq_trainer_new": (c_int32, [_layout, c_void_p, POINTER(TrainOptions), c_void_p]),
    "stoq_trainer_push": (c_int32, [c_void_p, c_void_p]),
    "stoq_trainer_configurations": (c_int32, [c_void_p, c_void_p]),
    "stoq_trainer_fit": (c_int32, [c_void_p, c_uint64, ProgressCallback, c_void_p, POINTER(TrainReport)]),
    "stoq_trainer_free": (None, [c_void_p]),
    "stoq_trainer_model": (c_int32, [c_void_p, c_void_p]),
    "stoq_trainer_finish": (c_int32, [c_void_p, c_void_p]),
    "stoq_trainer_save": (c_int32, [c_void_p, c_char_p]),
    "stoq_trainer_checkpoint": (c_int32, [c_void_p, c_void_p, c_size_t, c_void_p]),
    "stoq_trainer_restore": (c_int32, [c_void_p, c_void_p, c_size_t]),
    "stoq_generator_options_init": (c_int32, [POINTER(GeneratorOptions)]),
    "stoq_generator_new": (c_int32, [c_void_p, c_void_p, POINTER(GeneratorOptions), c_void_p]),
    "stoq_generator_generate": (c_int32, [c_void_p, c_uint64, c_size_t, c_void_p, c_void_p]),
    "stoq_generator_free": (None, [c_void_p]),
    "stoq_likelihood_options_init": (c_int32, [POINTER(LikelihoodOptions)]),
    "stoq_likelihood": (c_int32, [c_void_p, POINTER(LikelihoodOptions), c_size_t, c_void_p, c_void_p, c_void_p]),
    "stoq_complex_langevin_options_init": (c_int32, [POINTER(ComplexLangevinOptions)]),
    "stoq_complex_langevin_new": (
        c_int32,
        [c_double, c_double, c_double, c_size_t, POINTER(ComplexLangevinOptions), c_void_p],
    ),
    "stoq_complex_langevin_next": (c_int32, [c_void_p, c_void_p]),
    "stoq_complex_langevin_free": (None, [c_void_p]),
    "stoq_cumulants_new": (c_int32, [c_size_t, c_void_p]),
    "stoq_cumulants_push": (c_int32, [c_void_p, c_size_t, c_void_p]),
    "stoq_cumulants_merge": (c_int32, [c_void_p, c_void_p]),
    "stoq_cumulants_estimate": (c_int32, [c_void_p, c_int32, c_void_p, c_void_p, c_void_p]),
    "stoq_cumulants_free": (None, [c_void_p]),
    "stoq_estimate_init": (c_int32, [POINTER(Estimate)]),
    "stoq_report_options_init": (c_int32, [POINTER(ReportOptions)]),
    "stoq_report_new": (c_int32, [_layout, POINTER(ReportOptions), c_char_p, c_void_p]),
    "stoq_report_push": (c_int32, [c_void_p, c_void_p, c_void_p]),
    "stoq_report_push_many": (c_int32, [c_void_p, c_size_t, c_void_p, c_void_p]),
    "stoq_report_end_chain": (c_int32, [c_void_p]),
    "stoq_report_merge": (c_int32, [c_void_p, c_void_p]),
    "stoq_report_set_exact": (c_int32, [c_void_p, c_char_p, c_double]),
    "stoq_report_observable": (c_int32, [c_void_p, c_char_p, POINTER(Estimate)]),
    "stoq_report_json": (c_int32, [c_void_p, c_void_p, c_size_t, c_void_p]),
    "stoq_report_text": (c_int32, [c_void_p, c_void_p, c_size_t, c_void_p]),
    "stoq_report_free": (None, [c_void_p]),
    "stoq_statistics_options_init": (c_int32, [POINTER(StatisticsOptions)]),
    "stoq_statistics_estimate": (
        c_int32,
        [
            POINTER(StatisticsOptions),
            c_size_t,
            c_void_p,
            c_size_t,
            c_void_p,
            FunctionCallback,
            c_void_p,
            POINTER(Estimate),
        ],
    ),
    "stoq_statistics_histogram": (
        c_int32,
        [c_size_t, c_void_p, c_void_p, c_size_t, c_void_p, c_void_p, c_void_p, c_void_p],
    ),
    "stoq_statistics_two_sample": (
        c_int32,
        [
            c_int32,
            c_size_t,
            c_void_p,
            c_void_p,
            c_size_t,
            c_void_p,
            c_void_p,
            c_size_t,
            c_void_p,
            c_void_p,
            c_void_p,
        ],
    ),
    "stoq_u1_wilson_loop": (c_int32, [_layout, c_void_p, c_size_t, c_size_t, c_void_p]),
    "stoq_u1_charge": (c_int32, [_layout, c_void_p, c_void_p]),
    "stoq_u1_polyakov_loop": (c_int32, [_layout, c_void_p, c_uint32, c_void_p, c_void_p]),
    "stoq_u1_exact_new": (c_int32, [_layout, c_double, c_void_p]),
    "stoq_u1_exact_free": (None, [c_void_p]),
    "stoq_u1_exact_wilson_loop": (c_int32, [c_void_p, c_size_t, c_size_t, c_void_p]),
    "stoq_u1_exact_charge_squared": (c_int32, [c_void_p, c_void_p]),
    "stoq_u1_exact_charge_probability": (c_int32, [c_void_p, c_int32, c_void_p]),
    "stoq_u1_exact_polyakov_square": (c_int32, [c_void_p, c_uint32, c_void_p]),
    "stoq_fokker_planck_options_init": (c_int32, [_fokker_planck]),
    "stoq_fokker_planck_points": (c_int32, [_schedule, _fokker_planck, c_double, c_void_p]),
    "stoq_fokker_planck_forward": (c_int32, [_schedule, _fokker_planck, c_double, c_double, c_void_p, c_void_p]),
    "stoq_fokker_planck_backward": (c_int32, [c_void_p, _fokker_planck, c_double, c_double, c_void_p, c_void_p]),
}
