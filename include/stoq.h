/*
 * stoq: exactly corrected diffusion-model updates for lattice field theory. C ABI, version 2.
 *
 * What it is. Your program keeps its fields, its action and its Markov chain. stoq adds one more
 * update: a proposal for the whole lattice by a diffusion model, accepted or rejected such that
 * exp(-S)/Z stays the exact stationary law, however good or bad the model is. The model only sets
 * the acceptance. Combine it with an update that is ergodic on its own, such as HMC: yours or stoq's.
 *
 *     const size_t extents[2] = {16, 16};
 *     stoq_layout_t layout;
 *     stoq_chain_options_t options;
 *     stoq_model_t *model = NULL;
 *     stoq_action_t *action = NULL;
 *     stoq_chain_t *chain = NULL;
 *     int32_t outcome = STOQ_REJECTED;
 *     stoq_layout_init(&layout, 2, extents);                      check each status, as in the last line
 *     stoq_chain_options_init(&options);
 *     stoq_model_load("model.onnx", &model);
 *     stoq_action_callback(&layout, my_action, &my_parameters, NULL, &action);
 *     stoq_chain_new(model, action, &layout, &options, &chain);
 *     for (int update = 0; update < updates; update++) {
 *         my_hmc_trajectory(phi);
 *         if (stoq_chain_step(chain, phi, &outcome) != STOQ_OK) { puts(stoq_last_error()); break; }
 *     }
 *     stoq_chain_free(chain);                                     in any order; NULL is allowed
 *     stoq_action_free(action);
 *     stoq_model_free(model);
 *
 * Kernels. A chain is one kernel: path, renoise, likelihood, MALA, HMC, local Metropolis or, of U(1) gauge
 * theory, charge shifts, all exact; Langevin is not. One kernel after the other on the same field is exact
 * again, and ergodic if one of them is. In C that is one call after the other, each chain with a number of
 * its own (options.chain):
 *
 *     for (int update = 0; update < warm; update++) { stoq_chain_step(hmc, phi, NULL); }   options.warm_up = 1
 *     stoq_chain_freeze(hmc);                                     before anything is measured
 *     for (int update = 0; update < updates; update++) {
 *         stoq_chain_step(hmc, phi, NULL);                        stoq_action_set_force() gave it the force
 *         stoq_chain_step(path, phi, &outcome);                   then measure phi
 *     }
 *
 * A chain that warms up adapts its moves to its own past and has no stationary law: freeze it before
 * you measure. A chain without warm_up is frozen from the start.
 *
 * Training while the chain runs. A trainer takes the configurations of your own chain, learns in between, and
 * gives a model for it; the layout is that of your field:
 *
 *     stoq_trainer_new(&layout, NULL, &training, &trainer);       or a built-in action, whose force teaches too
 *     for (int update = 0; update < updates; update++) {
 *         my_hmc_trajectory(phi);
 *         stoq_trainer_push(trainer, phi);
 *         if (update % 500 == 499) stoq_trainer_fit(trainer, 250, NULL, NULL, NULL);
 *     }
 *     stoq_trainer_finish(trainer, &model);                       frozen: now a chain may use it
 *
 * Until then the chain is yours alone: a model that still adapts (stoq_trainer_model()) is refused.
 *
 * Networks of other programs. stoq_model_open_with() opens a network that PyTorch or JAX exported to ONNX; it is
 * evaluated by ONNX Runtime, whose library is loaded then, one in a process, and not before. A network that stoq
 * trained needs none.
 *
 * Approximate tools are named so: generators (stoq_generator_t), densities (stoq_likelihood) and complex
 * Langevin (stoq_complex_langevin_t) do not sample exp(-S)/Z exactly, and are no kernels.
 *
 * Ownership. Each pointer is one of these, and its comment says which:
 *   borrowed     used during the call only: fields, strings, options, saved states.
 *   copied       stoq keeps a copy; yours may go.
 *   transferred  changes hands: a handle from stoq_x_new() and the like is yours until you give it
 *                back to stoq_x_free(), once. stoq_x_free(NULL) does nothing.
 *   shared       a chain or generator keeps its model and action alive; free your own handles when you
 *                like.
 * No pointer may be NULL unless its comment says so. Pointers to a type are aligned for that type.
 *
 * Fields are double, one or more components a site, in the memory of the host: contiguous or with
 * strides (stoq_layout_t). stoq never keeps a pointer to a field.
 *
 * Threads. A function that takes `const stoq_x_t *` may be called on one handle by several threads
 * at once. `stoq_x_t *` means one caller at a time: different handles may be used concurrently, and
 * a handle may move between threads. Chains that share an action on several threads evaluate it in
 * turn; its callbacks then run on either thread, never on both at once. stoq starts no threads unless
 * options.threads > 1, and callbacks always run on the thread that called stoq.
 *
 * Errors. Every function that can fail returns stoq_status_t; stoq_last_error() is the sentence that
 * goes with it, on this thread. A call that fails has changed nothing: neither the field, nor other
 * buffers, nor the chain. A rejected move is no error. stoq does not print, exit, abort or unwind into
 * its caller; it reads no environment variable, except STOQ_ONNXRUNTIME, XDG_DATA_HOME and HOME to find ONNX
 * Runtime when a network exported by another program is opened.
 *
 * Determinism. Results depend on model, action, options and the number of the step, not on threads,
 * pool, memory layout, or on what else runs. A chain that is saved, loaded into a new handle and
 * continued gives the same bits as one that never stopped.
 *
 * Versions. Functions and the meaning of fields stay within one STOQ_ABI_VERSION; structs may grow at
 * their end, which is what struct_size is for: set it by the initialiser, never by hand.
 *
 * Generated by cbindgen from src/capi; edit that.
 */

#ifndef STOQ_H
#define STOQ_H

#include <stddef.h>
#include <stdint.h>

/// Version of this header. It must be equal to what stoq_abi_version() returns.
#define STOQ_ABI_VERSION 2

/// In an option about a network: as the model file says.
#define STOQ_AS_IN_FILE 0

/// An action S: the target law is exp(-S) / Z. Chains that use the same action at the same time on
/// several threads wait for each other: one evaluation at a time.
typedef struct stoq_action_t stoq_action_t;

/// An update of a Markov chain that the host owns, by one of the STOQ_KERNEL_ kernels. All but
/// STOQ_KERNEL_LANGEVIN leave exp(-S)/Z exactly invariant, whatever the model.
typedef struct stoq_chain_t stoq_chain_t;

/// The complex Langevin process of S(z) = sigma0/2 z^2 + lambda/4 z^4 with sigma0 = a + i b, at many
/// independent sites. *Not exact*, and no kernel can be: exp(-S) is complex, and the law P(x, y) of the process is
/// not known, so that no accept step is possible. Averages of z^n over the process are those of
/// exp(-S)/Z up to the bias of the integrator, where the process is localised well enough.
typedef struct stoq_complex_langevin_t stoq_complex_langevin_t;

/// Cumulants kappa_1 to kappa_8 of a real variable, streaming: power sums in bins, whose size does not grow
/// with the data.
typedef struct stoq_cumulants_t stoq_cumulants_t;

/// Draws independent samples of the law of a model and of its steps. *Approximate*: that law is not
/// exp(-S)/Z. A log weight, where there is one, corrects averages; a chain corrects the samples.
typedef struct stoq_generator_t stoq_generator_t;

/// A score model: a trained one, which is a network, a Gaussian part and what the file says about itself;
/// a network exported by another program, see stoq_model_open_with(); or an analytic one such as
/// stoq_model_free_field(). It never changes, so all functions that read it may
/// be called from several threads at once.
typedef struct stoq_model_t stoq_model_t;

/// A report on a stream of configurations, of one chain or several: every observable with error, tau_int and window,
/// without keeping configurations. Its memory does not grow with their number, but for a few numbers an observable each
/// time the longest chain doubles.
typedef struct stoq_report_t stoq_report_t;

/// A training whose configurations come from the host's chain while that runs. The law that it learns is taken to have
/// the symmetries of the periodic lattice: translations, reflections, and exchange of axes of equal extent.
typedef struct stoq_trainer_t stoq_trainer_t;

/// Exact values of two-dimensional U(1) gauge theory on one lattice at one coupling, from characters. It never
/// changes.
typedef struct stoq_u1_exact_t stoq_u1_exact_t;

/// What every function that can fail returns: STOQ_OK or the reason. See stoq_last_error() for the
/// sentence that goes with it.
typedef int32_t stoq_status_t;

/// How the host stores a real field on a periodic lattice. Fill it with stoq_layout_init() and change
/// `components` for more than one real number a site, and `strides` and `component_stride` for anything but
/// C order without gaps; or give it a table of sites with stoq_layout_set_sites().
///
/// Component i of site (x_0, ..., x_{rank-1}) is
/// field[x_0 strides[0] + ... + x_{rank-1} strides[rank-1] + i component_stride], where `field` is the
/// pointer that goes to a call: the address of component 0 of site (0, ..., 0), which with negative
/// strides is not the lowest one. Memory between the values is never read or written.
/// A single variable is a lattice of one site, extents {1}. Some orders, for V sites and m components:
///
///   Fortran's phi(nx, ny), as C's phi[y][x]   extents {ny, nx}, strides of C order
///   the same, axes counted as in Fortran      extents {nx, ny}, strides {1, nx}
///   [mu][t][z][y][x], a field for each mu     extents {nt, nz, ny, nx}, component_stride V, strides of C order
///   [t][z][y][x][mu], the mu of a site        extents {nt, nz, ny, nx}, component_stride 1,
///   together                                  strides {nz ny nx m, ny nx m, nx m, m}
///   [y][x] with a halo of h sites             extents {ny, nx}, strides {nx + 2h, 1}, and `field` is
///                                             &array[h][h]: the halo is never read or written
///   even sites first (MILC, QDP)              stoq_layout_even_odd() and stoq_layout_set_sites()
typedef struct stoq_layout_t {
    /// Bytes of the members that are set: by stoq_layout_init() all but `site_offsets`, by
    /// stoq_layout_set_sites() all.
    size_t struct_size;
    /// Number of axes, 1 to 4.
    uint32_t rank;
    /// Real numbers at each site, 1 to 64; 0 counts as 1.
    uint32_t components;
    /// Sites along each axis, slowest axis first, each at least 1. Entries behind `rank` are not read.
    size_t extents[4];
    /// Distance, in doubles, of neighbours along each axis; may be negative. All zero, and
    /// `component_stride` too: C order without gaps, the last axis fastest, one component after the
    /// other. Entries behind `rank` are not read.
    ptrdiff_t strides[4];
    /// Distance, in doubles, of the components of a site; may be negative. Not read if there is one
    /// component.
    ptrdiff_t component_stride;
    /// A table of sites, or NULL. Set by stoq_layout_set_sites(); without it this member is not read.
    const ptrdiff_t *site_offsets;
} stoq_layout_t;

/// A family of forward processes dx = -1/2 k(t) x dt + g(t) dW with g = sigma^t and t in [0, 1]: one of
/// the STOQ_SCHEME_ constants.
typedef int32_t stoq_scheme_t;

/// The noise schedule of a diffusion process. Fill it with stoq_schedule_init() and change what should
/// differ. A trained model brings its own.
typedef struct stoq_schedule_t {
    /// sizeof(stoq_schedule_t), set by stoq_schedule_init().
    size_t struct_size;
    /// Default STOQ_SCHEME_VARIANCE_EXPANDING.
    stoq_scheme_t scheme;
    /// 0. Keeps the struct free of padding.
    uint32_t reserved;
    /// Base of g(t) = sigma^t, above 1; default 25, as in the literature.
    double sigma;
    /// k / g^2, 0 to 1; default 0. Read by STOQ_SCHEME_INTERPOLATING only.
    double contraction;
} stoq_schedule_t;

/// Who evaluates a network: one of the STOQ_ENGINE_ constants.
typedef int32_t stoq_engine_t;

/// What a network returns: STOQ_AS_IN_FILE, or one of the STOQ_OUTPUT_ constants.
typedef int32_t stoq_network_output_t;

/// How the noise level enters a network: STOQ_AS_IN_FILE, or one of the STOQ_TIME_ constants.
typedef int32_t stoq_network_time_t;

/// Where the components of a field stand in the network's tensors: STOQ_AS_IN_FILE, or one of the STOQ_CHANNELS_
/// constants.
typedef int32_t stoq_channels_t;

/// Who takes the Gaussian steps of the backward process, between two evaluations of a network: one of the STOQ_STEPS_
/// constants.
typedef int32_t stoq_steps_t;

/// Options of stoq_model_open_with(). Fill it with stoq_model_open_options_init() and change what should differ. What
/// the file says itself need not be said; where both speak they must agree.
typedef struct stoq_model_open_options_t {
    /// sizeof(stoq_model_open_options_t), set by stoq_model_open_options_init().
    size_t struct_size;
    /// Borrowed; "cpu", "cuda:0" and so on. Default NULL: the CPU. A device that is not there is an error.
    const char *device;
    /// Borrowed; the library of ONNX Runtime, or the folder that holds it. Default NULL: the environment variable
    /// STOQ_ONNXRUNTIME, then what `stoq runtime install` placed, then the system's. A process loads one.
    const char *runtime;
    /// Default STOQ_ENGINE_AUTOMATIC.
    stoq_engine_t engine;
    /// What the network returns; default STOQ_AS_IN_FILE.
    stoq_network_output_t output;
    /// How the noise level enters; default STOQ_AS_IN_FILE.
    stoq_network_time_t time;
    /// Where the components stand; default STOQ_AS_IN_FILE, or else by the shape of the input.
    stoq_channels_t channels;
    /// The scheme of the network, with `sigma` and `contraction`; default STOQ_AS_IN_FILE.
    stoq_scheme_t scheme;
    /// Real numbers at a site; default 0: as the network has them.
    uint32_t components;
    /// Number of `extents`; default 0: as the network has them.
    uint32_t rank;
    /// 1: products on a CUDA device may be rounded to 10 bits (TF32). Faster; a chain stays exact and may accept
    /// less. Default 0.
    uint32_t allow_tf32;
    /// Most fields that ONNX Runtime evaluates together, to 65536; default 0: 16 on the CPU, and on a device what is found
    /// by trying, 64 to 1024. Chains that are saved should say a size on a device: what is found may differ the next time.
    uint32_t batch;
    /// Default STOQ_STEPS_AUTOMATIC.
    stoq_steps_t steps;
    /// Sites along each axis, slowest axis first.
    size_t extents[4];
    /// Base of g(t) = sigma^t, above 1; default 25. Read with a `scheme`.
    double sigma;
    /// k / g^2, 0 to 1; default 0. Read with STOQ_SCHEME_INTERPOLATING.
    double contraction;
    /// The network saw (phi - shift) / scale; default 0: as in the file, or else not scaled. Pi for angles over pi.
    double scale;
    /// See `scale`; default 0. Read with a `scale` above 0.
    double shift;
    /// Borrowed; `covariance_count` variances of the data: 1 of white noise, one a momentum class, or one a momentum. They
    /// shape proposals. Default NULL: as in the file, or else white, scale^2.
    const double *covariance;
    /// Number of them; default 0.
    size_t covariance_count;
} stoq_model_open_options_t;

/// The host's S(phi). It is called on the thread that called stoq; in a stoq_chain_step() for the current
/// field and for the proposal.
///
/// It must neither throw nor longjmp out, and must not call into the chain or action at work, which
/// answers STOQ_WRONG_ORDER.
///
/// @param[in]  user    the pointer that was given to stoq_action_callback().
/// @param[in]  field   borrowed; address of the first value of a copy of the field, in the layout that was
///                     given to stoq_action_callback(). What lies between the values has no meaning.
/// @param[in]  values  number of values: sites times components.
/// @param[out] action  receives S(field). NaN, infinity or leaving it unwritten count as "reject".
/// @return 0: done. > 0: reject this move, as if S were infinite. < 0: stop; the call into stoq returns
///         STOQ_CALLBACK_STOPPED, nothing has changed, and stoq_last_callback_code() has the code.
typedef int32_t (*stoq_action_callback_t)(void *user, const double *field, size_t values, double *action);

/// Called once, when the last owner of an action, the host or a chain, has freed it; on the thread that
/// did so.
///
/// @param[in] user  the pointer that was given to stoq_action_callback().
typedef void (*stoq_destructor_t)(void *user);

/// The host's force -dS/dphi, for kernels that follow it; see stoq_action_set_force(). What holds for
/// stoq_action_callback_t holds here too.
///
/// @param[in]  user    the pointer that was given to stoq_action_callback().
/// @param[in]  field   borrowed; as in stoq_action_callback_t.
/// @param[in]  values  number of values: sites times components.
/// @param[out] force   room in the same layout; receives -dS/dphi of every value. NaN, infinity or
///                     a value left unwritten count as "reject".
/// @return 0: done. > 0: reject this move. < 0: stop, as in stoq_action_callback_t.
typedef int32_t (*stoq_force_callback_t)(void *user, const double *field, size_t values, double *force);

/// The change of the host's S when a single value of the field changes; see
/// stoq_action_set_local_change(). What holds for stoq_action_callback_t holds here too.
///
/// @param[in]  user    the pointer that was given to stoq_action_callback().
/// @param[in]  field   borrowed; as in stoq_action_callback_t.
/// @param[in]  values  number of values: sites times components.
/// @param[in]  offset  field[offset] is the value that would change: the index in the layout of the action.
/// @param[in]  value   what it would become.
/// @param[out] change  receives S(changed field) - S(field). NaN, infinity or leaving it unwritten count as
///                     "reject".
/// @return 0: done. > 0: reject this change of one value. < 0: stop, as in stoq_action_callback_t.
typedef int32_t (*stoq_local_change_callback_t)(void *user,
                                                const double *field,
                                                size_t values,
                                                ptrdiff_t offset,
                                                double value,
                                                double *change);

/// Which kernel makes the update: one of the STOQ_KERNEL_ constants.
typedef int32_t stoq_kernel_t;

/// How the noise levels of a path are chosen.
typedef int32_t stoq_grid_t;

/// The drift b of STOQ_KERNEL_MALA and STOQ_KERNEL_LANGEVIN.
typedef int32_t stoq_drift_t;

/// The integrator of STOQ_KERNEL_HMC.
typedef int32_t stoq_integrator_t;

/// Options of a chain. Fill it with stoq_chain_options_init() and change what should differ. An option that
/// belongs to other kernels than the one chosen has no effect.
typedef struct stoq_chain_options_t {
    /// sizeof(stoq_chain_options_t), set by stoq_chain_options_init().
    size_t struct_size;
    /// Default STOQ_KERNEL_PATH.
    stoq_kernel_t kernel;
    /// Score evaluations of one path, 1 to 100000; default 40. More cost more and accept more.
    uint32_t levels;
    /// t* in (0, 1]; default 0.5. Read by STOQ_KERNEL_RENOISE; warm-up tunes it.
    double renoise_time;
    /// Seed of all random numbers; default 1.
    uint64_t seed;
    /// Number of the chain, below 2^24 - 1; default 0. Chains of one seed with different numbers are
    /// independent; kernels that update the same field in turn need different numbers.
    uint32_t chain;
    /// Threads for the network, 1 to 1024; default 1: the caller's own. Does not change results.
    uint32_t threads;
    /// Proposals that STOQ_KERNEL_PATH and STOQ_KERNEL_LIKELIHOOD generate together, 1 to 65536; default
    /// 8. Does not change results, but speed with several threads, and memory.
    uint32_t pool;
    /// 1: start in warm-up, in which every move tunes the kernel, until stoq_chain_freeze(). Do not
    /// measure before. Default 0: frozen from the start.
    uint32_t warm_up;
    /// How the levels are chosen, for kernels that read `levels`; default STOQ_GRID_OPTIMAL.
    stoq_grid_t grid;
    /// Drift of STOQ_KERNEL_MALA and STOQ_KERNEL_LANGEVIN; default STOQ_DRIFT_FORCE.
    stoq_drift_t drift;
    /// h > 0 of STOQ_KERNEL_MALA and STOQ_KERNEL_LANGEVIN; default 0.05. Warm-up tunes that of MALA.
    double step_size;
    /// Time t in (0, 1] of the score in the drift; default 0: the least noise that the model is meant for.
    double drift_time;
    /// Share of the score in STOQ_DRIFT_BLEND, 0 to 1; default 0.5.
    double score_weight;
    /// Length > 0 of a trajectory of STOQ_KERNEL_HMC; default 1.
    double trajectory_length;
    /// The length varies uniformly by this fraction either way, 0 to below 1; default 0.2.
    double jitter;
    /// Integrator steps of a trajectory, 1 to 1000000; default 10. Warm-up tunes them.
    uint32_t integrator_steps;
    /// Integrator of STOQ_KERNEL_HMC; default STOQ_OMELYAN.
    stoq_integrator_t integrator;
    /// Standard deviation > 0 of a change proposed by STOQ_KERNEL_METROPOLIS; default 1. Warm-up tunes it.
    double width;
} stoq_chain_options_t;

/// Counters of a chain. Fill it with stoq_chain_statistics_init() once.
typedef struct stoq_chain_statistics_t {
    /// sizeof(stoq_chain_statistics_t), set by stoq_chain_statistics_init().
    size_t struct_size;
    /// Moves decided: calls of stoq_chain_step(), or of stoq_chain_resolve().
    uint64_t steps;
    /// Of the `proposals`, accepted.
    uint64_t accepted;
    /// Of the `proposals`, rejected because S or the Hastings ratio was NaN or infinite, or a callback said so.
    uint64_t non_finite;
    /// Evaluations of the score model that the moves took.
    uint64_t score_evaluations;
    /// Accept decisions: one a move, but one a value of the field for STOQ_KERNEL_METROPOLIS.
    uint64_t proposals;
} stoq_chain_statistics_t;

/// What became of a move: STOQ_REJECTED or STOQ_ACCEPTED. Errors are a third thing, a status.
typedef int32_t stoq_outcome_t;

/// Size of a network by name: one of the STOQ_SIZE_ constants. An evaluation costs, in two dimensions and a
/// site, some 8 thousand, 38 thousand, 115 thousand or 290 thousand multiply-adds.
typedef int32_t stoq_size_t;

/// Options of a training. Fill it with stoq_train_options_init() and change what should differ.
typedef struct stoq_train_options_t {
    /// sizeof(stoq_train_options_t), set by stoq_train_options_init().
    size_t struct_size;
    /// Default STOQ_SIZE_SMALL; three resolutions, for extents that are multiples of 4 and at least 8.
    stoq_size_t size;
    /// 1, the default: sites interact. 0: sites are independent, as those of stoq_action_toy(); then the
    /// channels are 32 unless given.
    uint32_t reach;
    /// Channels at each resolution, finest first, then zeros; each resolution but the first halves the
    /// extents. All zero, the default: by `size`.
    uint32_t channels[4];
    /// Width of the embedding of the time; default 0: by `size`.
    uint32_t embedding;
    /// Configurations a step, 1 to 65536; default 64.
    uint32_t batch;
    /// Steps of the whole training, all calls of stoq_trainer_fit() together, up to 10^9; default 20000.
    /// The learning rate falls along them to zero, so that a training that stops early ends worse than one that
    /// was planned as short.
    uint64_t steps;
    /// Seed of weights, batches, symmetries and noise; default 1.
    uint64_t seed;
    /// Threads, 1 to 1024; default 1: the caller's own. Does not change results.
    uint32_t threads;
    /// 1, the default: where the law is even, one component a site, the network is odd by construction. 0: it
    /// is not.
    uint32_t odd;
    /// 1: phi and -phi are equally probable, which doubles the data. 0: they are not. Default -1: as the
    /// action says; without an action, 1.
    int32_t even;
    /// 1: with an action, noise levels are drawn by where Var(log w) of the path kernel is made. Default 0:
    /// evenly.
    uint32_t follow_variance;
    /// Largest learning rate, above 0 and up to 1; default 0.0025.
    double rate;
    /// Steps over which the rate rises; default 0: a fortieth of `steps`.
    uint64_t warm_up;
    /// Largest noise in standard deviations of the widest mode of the data, 1 to 100; default 0: 2, or 8
    /// with reach 0.
    double largest_noise;
    /// Steps between two looks at the validation loss, at least 1; default 500.
    uint64_t validate_every;
    /// Looks without an improvement after which the training ends; default 0: it does not end early. The
    /// count starts anew when configurations join.
    uint64_t patience;
} stoq_train_options_t;

/// How far a training is. Fill it with stoq_train_report_init() once.
typedef struct stoq_train_report_t {
    /// sizeof(stoq_train_report_t), set by stoq_train_report_init().
    size_t struct_size;
    /// Steps taken, in all calls together.
    uint64_t step;
    /// Steps of the whole training: options.steps.
    uint64_t steps;
    /// Training loss, smoothed over some 100 steps; NaN before the first.
    double loss;
    /// Loss on the validation part of the configurations at the last look; NaN before the first.
    double validation;
    /// Learning rate of the next step.
    double rate;
    /// 1: all steps are taken, or the validation loss ended the training; 0: it goes on.
    uint32_t finished;
    /// 0.
    uint32_t reserved;
} stoq_train_report_t;

/// Called after every step of stoq_trainer_fit(), on the thread that called it. It must neither throw nor
/// longjmp out, and must not call into the trainer at work, which answers STOQ_WRONG_ORDER.
///
/// @param[in] user    the pointer that was given to stoq_trainer_fit().
/// @param[in] report  borrowed, for the time of the call: how far the training is.
/// @return 0: go on. > 0: end the fit here; stoq_trainer_fit() returns STOQ_OK. < 0: the same, but it
///         returns STOQ_CALLBACK_STOPPED, and stoq_last_callback_code() has the code.
typedef int32_t (*stoq_progress_callback_t)(void *user, const struct stoq_train_report_t *report);

/// How a generator follows the backward process: one of the STOQ_METHOD_ constants.
typedef int32_t stoq_method_t;

/// How a sample comes from the lowest level to t = 0.
typedef int32_t stoq_ending_t;

/// The size h of a Langevin step phi + h s + sqrt(2h) z of a generator.
typedef int32_t stoq_correction_t;

/// Options of a generator. Fill it with stoq_generator_options_init() and change what should differ. An
/// option that belongs to other methods than the one chosen has no effect.
typedef struct stoq_generator_options_t {
    /// sizeof(stoq_generator_options_t), set by stoq_generator_options_init().
    size_t struct_size;
    /// Default STOQ_METHOD_POSTERIOR.
    stoq_method_t method;
    /// Number of levels, 1 to 100000; default 40.
    uint32_t levels;
    /// How the levels are chosen; default STOQ_GRID_OPTIMAL. No effect with `times`.
    stoq_grid_t grid;
    /// Default STOQ_ENDING_ZERO, the only one that STOQ_METHOD_POSTERIOR knows.
    stoq_ending_t ending;
    /// Copied by stoq_generator_new(); `levels` times ascending in (0, 1], or NULL (default) for `grid`.
    const double *times;
    /// Langevin steps a level; default 1.
    uint32_t corrections;
    /// What correction_size means; default STOQ_CORRECTION_SIGNAL_TO_NOISE.
    stoq_correction_t correction;
    /// Size of the Langevin steps; default 0.16.
    double correction_size;
    /// Bound on the local error of STOQ_METHOD_PROBABILITY_FLOW, in (0, 1); default 1e-6.
    double tolerance;
    /// Metropolis-adjusted Langevin moves of each sample with the true action, at the end; default 0. Samples
    /// tend to exp(-S)/Z as these grow in number. No log weight then.
    uint32_t tail_moves;
    /// Threads for the network, 1 to 1024; default 1. Does not change results.
    uint32_t threads;
    /// Time in (0, 1] of the score in these moves; default 0.01.
    double tail_time;
    /// Their step size > 0; default 0.01.
    double tail_step;
    /// Seed of all random numbers; default 1.
    uint64_t seed;
    /// Chain number of the random numbers, below 2^24 - 1; default 0. Not that of a stoq_chain_t of the same
    /// seed, with whose moves the samples would share their noise.
    uint32_t chain;
    /// Samples that are evaluated together, 1 to 65536; default 8. Does not change results.
    uint32_t batch;
} stoq_generator_options_t;

/// How the divergence of the probability flow is found.
typedef int32_t stoq_trace_t;

/// The variables in which the flow is integrated; its law does not depend on them.
typedef int32_t stoq_coordinates_t;

/// Options of stoq_likelihood(). Fill it with stoq_likelihood_options_init() and change what should differ.
typedef struct stoq_likelihood_options_t {
    /// sizeof(stoq_likelihood_options_t), set by stoq_likelihood_options_init().
    size_t struct_size;
    /// Default STOQ_TRACE_EXACT.
    stoq_trace_t trace;
    /// Random vectors of STOQ_TRACE_HUTCHINSON, 1 to 65536; default 10.
    uint32_t probes;
    /// Default STOQ_COORDINATES_WHITENED.
    stoq_coordinates_t coordinates;
    /// Threads, 1 to 1024; default 1. Does not change results.
    uint32_t threads;
    /// Bound on the local error of the integration, in (0, 1); default 1e-8.
    double tolerance;
    /// Noise relative to the signal at which the flow starts; default 0: at t = 0 itself.
    double smallest_noise;
    /// Seed of the random vectors; default 1.
    uint64_t seed;
    /// Number of the first field, which with the seed determines its random vectors; default 0.
    uint64_t first_sample;
} stoq_likelihood_options_t;

/// Options of complex Langevin. Fill it with stoq_complex_langevin_options_init() and change what should
/// differ.
typedef struct stoq_complex_langevin_options_t {
    /// sizeof(stoq_complex_langevin_options_t), set by stoq_complex_langevin_options_init().
    size_t struct_size;
    /// Seed of all random numbers; default 1.
    uint64_t seed;
    /// Chain number, below 2^24; default 0. Chains of one seed with different numbers are independent.
    uint32_t chain;
    /// 0. Keeps the struct free of padding.
    uint32_t reserved;
    /// Langevin time between configurations; default 0: 1 / |<S''>|, which is known exactly.
    double interval;
    /// Largest step; default 0: 0.01 / |<S''>|. The bias goes with its square.
    double step;
    /// Drift |S'| beyond which steps become shorter; default 0: 2 sqrt(|<S''>|).
    double drift;
} stoq_complex_langevin_options_t;

/// What is known about the law whose cumulants are estimated.
typedef int32_t stoq_symmetry_t;

/// The grid of the Fokker-Planck equation. Fill it with stoq_fokker_planck_options_init() and change what
/// should differ. Cells have equal widths and follow the process: at time t they cover |phi| <= reach w(t) with
/// w(t)^2 = f(t)^2 variance + Xi(t), the width of data of that variance.
typedef struct stoq_fokker_planck_options_t {
    /// sizeof(stoq_fokker_planck_options_t), set by stoq_fokker_planck_options_init().
    size_t struct_size;
    /// Cells in space, 3 to 10000000; default 1000. All densities have this many values.
    uint32_t cells;
    /// Time steps from t = 0 to 1, 1 to 100000000; default 500. An interval gets its share, rounded up.
    uint32_t steps;
    /// Default 8.
    double reach;
    /// Default 1.
    double variance;
} stoq_fokker_planck_options_t;

/// An estimate with its error. Fill it with stoq_estimate_init() once. What does not apply is NaN: test it with isnan().
typedef struct stoq_estimate_t {
    /// sizeof(stoq_estimate_t), set by stoq_estimate_init().
    size_t struct_size;
    /// The estimate.
    double value;
    /// Its standard error.
    double error;
    /// Standard error of `error`.
    double error_of_error;
    /// Integrated autocorrelation time, 1/2 for independent data, in units of their spacing: Gamma method.
    double tau_int;
    /// Its standard error.
    double tau_int_error;
    /// Last lag that was summed.
    double window;
    /// 1 if the window closed. 0: chains are too short, `error` and `tau_int` are lower bounds.
    double window_closed;
    /// Jackknife: correlation of neighbouring bins. Clearly above 0: `error` is too small, by about
    /// sqrt(1 + 2 bin_correlation).
    double bin_correlation;
    /// Bootstrap: 15.87 per cent of the resamplings are below `low`, 84.13 below `high`.
    double low;
    /// See `low`.
    double high;
    /// Report: what the observable is a function of, such as p hat^2 or a time.
    double argument;
    /// Report: what stoq_report_set_exact() said.
    double exact;
    /// Report: (value - exact) / error.
    double z;
} stoq_estimate_t;

/// What a report measures.
typedef int32_t stoq_field_kind_t;

/// Options of stoq_report_new(). Fill it with stoq_report_options_init() and change what should differ.
typedef struct stoq_report_options_t {
    /// sizeof(stoq_report_options_t), set by stoq_report_options_init().
    size_t struct_size;
    /// Default STOQ_FIELD_SCALAR.
    stoq_field_kind_t kind;
    /// Of the law of a field at a site, for its cumulants; default STOQ_SYMMETRY_NONE.
    stoq_symmetry_t symmetry;
    /// Jackknife bins kept, up to its double; 2 to 65536, default 64.
    uint32_t bins;
    /// Threads of stoq_report_push_many(), 1 to 1024; default 1. Does not change results.
    uint32_t threads;
    /// Cells of a histogram of mag or Q: its rows are histogram_1 to histogram_n, histogram_0 is below and
    /// histogram_(n+1) above. At most 100000; default 0: none.
    uint32_t histogram_cells;
    /// 0.
    uint32_t reserved;
    /// Its lower and upper end; default -1 and 1.
    double histogram_low;
    /// See `histogram_low`.
    double histogram_high;
} stoq_report_options_t;

/// How an error is found.
typedef int32_t stoq_statistics_method_t;

/// Options of stoq_statistics_estimate(). Fill it with stoq_statistics_options_init() and change what should differ.
typedef struct stoq_statistics_options_t {
    /// sizeof(stoq_statistics_options_t), set by stoq_statistics_options_init().
    size_t struct_size;
    /// Default STOQ_STATISTICS_GAMMA.
    stoq_statistics_method_t method;
    /// Resamplings of the bootstrap, 2 to 1000000; default 1000.
    uint32_t resamplings;
    /// Consecutive values in a bin of the jackknife or a block of the bootstrap. Default 0: chosen by tau_int.
    uint64_t block;
    /// Seed of the bootstrap; default 1.
    uint64_t seed;
} stoq_statistics_options_t;

/// A function of means, such as the Binder cumulant 1 - m[1] / (3 m[0] m[0]). Called on the calling thread.
///
/// @param[in]  user   what was given to stoq_statistics_estimate().
/// @param[in]  means  borrowed; of every observable.
/// @param[in]  count  number of observables.
/// @param[out] value  the function.
/// @return 0: done. Other than 0: stop; stoq_statistics_estimate() returns STOQ_CALLBACK_STOPPED and
///         stoq_last_callback_code() the code.
typedef int32_t (*stoq_function_callback_t)(void *user, const double *means, size_t count, double *value);

/// A test whether two samples have the same law.
typedef int32_t stoq_two_sample_t;

/// The call did what it was asked to do.
#define STOQ_OK 0

/// A parameter has a value that cannot be used; this includes NULL where it is not allowed.
#define STOQ_INVALID_ARGUMENT 1

/// Lattices or buffer lengths that must agree do not.
#define STOQ_SHAPE_MISMATCH 2

/// The field of the host, or a force, holds NaN or infinity.
#define STOQ_NOT_FINITE 3

/// A file or memory block is not a model that this library can use.
#define STOQ_MODEL_FILE 4

/// A saved chain state is damaged, or belongs to another model or other options.
#define STOQ_CHAIN_STATE 5

/// A callback of the host returned a negative code: stoq_last_callback_code() has it.
#define STOQ_CALLBACK_STOPPED 6

/// The call came at the wrong time: resolve without propose, save between the two, or a call into a
/// handle that is at work, for example from its own callback.
#define STOQ_WRONG_ORDER 7

/// A file cannot be read or written.
#define STOQ_IO 8

/// Memory could not be had.
#define STOQ_OUT_OF_MEMORY 9

/// A fault of this library. The handles of the call stay usable, and are as before the call.
#define STOQ_INTERNAL 10

/// The library of ONNX Runtime, which networks exported from other programs need, was not found or cannot be
/// used. Networks that stoq trained need none and go on working.
#define STOQ_RUNTIME_MISSING 11

/// The device that was asked for is not there, or stopped working. There is no silent fallback to another.
#define STOQ_DEVICE_UNAVAILABLE 12

/// k = 0: the signal stays, the noise grows.
#define STOQ_SCHEME_VARIANCE_EXPANDING 1

/// k = g^2: signal and noise of variance 1 keep variance 1.
#define STOQ_SCHEME_VARIANCE_PRESERVING 2

/// k = contraction g^2: anything in between.
#define STOQ_SCHEME_INTERPOLATING 3

/// stoq itself on the CPU if it wrote the file, else ONNX Runtime.
#define STOQ_ENGINE_AUTOMATIC 1

/// stoq itself.
#define STOQ_ENGINE_NATIVE 2

/// ONNX Runtime, for files of stoq too.
#define STOQ_ENGINE_ONNX_RUNTIME 3

/// The score, grad log p_t.
#define STOQ_OUTPUT_SCORE 1

/// The score times the standard deviation of the noise.
#define STOQ_OUTPUT_SIGMA_SCORE 2

/// The expected standard normal noise, minus the former.
#define STOQ_OUTPUT_NOISE 3

/// The expected field without noise.
#define STOQ_OUTPUT_DENOISER 4

/// The time t of the scheme; the field enters as it is at that time.
#define STOQ_TIME_T 1

/// The standard deviation of the noise relative to the signal; the field enters divided by the signal.
#define STOQ_TIME_SIGMA 2

/// Its natural logarithm; the field as for STOQ_TIME_SIGMA.
#define STOQ_TIME_LOG_SIGMA 3

/// (batch, extents..): one component.
#define STOQ_CHANNELS_NONE 1

/// (batch, components, extents..), as in PyTorch.
#define STOQ_CHANNELS_FIRST 2

/// (batch, extents.., components), as in TensorFlow and JAX.
#define STOQ_CHANNELS_LAST 3

/// STOQ_STEPS_DEVICE on a device if the network can be wrapped, else STOQ_STEPS_HOST.
#define STOQ_STEPS_AUTOMATIC 0

/// stoq itself.
#define STOQ_STEPS_HOST 1

/// ONNX Runtime, by a graph that stoq writes around the network: fields stay where the network is.
#define STOQ_STEPS_DEVICE 2

/// Path-space independence Metropolis: a fresh field from the model, whatever the current one is.
#define STOQ_KERNEL_PATH 1

/// The current field with noise up to a time t*, denoised another way. t* -> 0: small moves.
#define STOQ_KERNEL_RENOISE 2

/// Independence Metropolis with the density of a discrete probability flow, its determinant exact. Some
/// V^2 work a level for V values: for small volumes, and for models that know their derivatives.
#define STOQ_KERNEL_LIKELIHOOD 3

/// Metropolis-adjusted Langevin: phi + h b(phi) + sqrt(2h) z with the drift b of options.drift.
#define STOQ_KERNEL_MALA 4

/// Hybrid Monte Carlo along the force of the action.
#define STOQ_KERNEL_HMC 5

/// A sweep of local Metropolis updates, value by value.
#define STOQ_KERNEL_METROPOLIS 6

/// The moves of STOQ_KERNEL_MALA without an accept step. *Not exact*: its stationary law is off by O(h) and
/// by all that b is off.
#define STOQ_KERNEL_LANGEVIN 7

/// One unit of topological charge up or down, spread uniformly over a field of link angles: for
/// two-dimensional U(1) gauge theory, see stoq_action_u1(). Not ergodic: one more kernel beside HMC.
#define STOQ_KERNEL_CHARGE_SHIFT 8

/// The force -dS/dphi.
#define STOQ_DRIFT_FORCE 1

/// The score of the model at the time options.drift_time.
#define STOQ_DRIFT_SCORE 2

/// options.score_weight times the score, plus the rest times the force.
#define STOQ_DRIFT_BLEND 3

/// Half kick, drift, half kick: one force a step.
#define STOQ_LEAPFROG 1

/// Omelyan's minimum-norm integrator: two forces a step, an error about ten times smaller.
#define STOQ_OMELYAN 2

/// Least divergence of the path as predicted from the measured errors of the model.
#define STOQ_GRID_OPTIMAL 1

/// Geometric in the noise, from the least noise of the model to the last time.
#define STOQ_GRID_GEOMETRIC 2

/// Equal steps of time.
#define STOQ_GRID_LINEAR 3

/// From a short pilot run: every step gets an equal share of what log w varies by.
#define STOQ_GRID_PILOT 4

/// The field stays as it is, and counts once more.
#define STOQ_REJECTED 0

/// The field is the proposal now.
#define STOQ_ACCEPTED 1

/// Channels 8, 16, 32.
#define STOQ_SIZE_TINY 1

/// Channels 24, 32, 48.
#define STOQ_SIZE_SMALL 2

/// Channels 40, 56, 96.
#define STOQ_SIZE_BASE 3

/// Channels 64, 96, 128.
#define STOQ_SIZE_LARGE 4

/// Euler and Maruyama's steps of the reverse equation. Has a log weight.
#define STOQ_METHOD_EULER_MARUYAMA 1

/// Gaussian steps with the covariance of the posterior, right for a free field at any number of levels. Has
/// a log weight.
#define STOQ_METHOD_POSTERIOR 2

/// Ancestral sampling (DDPM). Has a log weight.
#define STOQ_METHOD_ANCESTRAL 3

/// An ancestral step, then `corrections` Langevin steps at the new level.
#define STOQ_METHOD_PREDICTOR_CORRECTOR 4

/// The probability flow, deterministic from the prior's noise on; its density is stoq_likelihood().
#define STOQ_METHOD_PROBABILITY_FLOW 5

/// `corrections` Langevin steps at the fixed score of one level after another, nothing in between.
#define STOQ_METHOD_ANNEALED 6

/// By one more step of the method.
#define STOQ_ENDING_ZERO 1

/// By the denoised field: the mean of the clean field, which is too smooth. No log weight.
#define STOQ_ENDING_DENOISE 2

/// Not at all: a sample of the process at the lowest time. No log weight.
#define STOQ_ENDING_STOP 3

/// h = correction_size Xi(t); correction_size below 2.
#define STOQ_CORRECTION_FRACTION 1

/// h = 2 (correction_size |z| / |s|)^2, correction_size being a signal-to-noise ratio.
#define STOQ_CORRECTION_SIGNAL_TO_NOISE 2

/// The exact trace: a derivative for each value of the field at every step.
#define STOQ_TRACE_EXACT 1

/// The estimate of Skilling and Hutchinson with `probes` vectors of random signs: unbiased for log q.
#define STOQ_TRACE_HUTCHINSON 2

/// Those in which nothing moves for a free field of the model's covariance: far fewer evaluations.
#define STOQ_COORDINATES_WHITENED 1

/// The field itself, as published.
#define STOQ_COORDINATES_PLAIN 2

/// Nothing.
#define STOQ_SYMMETRY_NONE 0

/// It is invariant under x -> -x: odd cumulants are 0, and the even ones have smaller errors.
#define STOQ_SYMMETRY_EVEN 1

/// Real scalar fields, each component by itself: mag (the mean M of the field), abs_mag = |M|, mag2, mag4, mean_abs_phi, phi2,
/// chi2 = V <M^2>, chi_connected, binder; phi and kappa2 to kappa8, cumulants of the sites; G_n, the power at the n-th
/// class of momenta; C_t, the correlator of time slices; m_eff_t, its effective mass; xi, the second-moment correlation
/// length (of the first component, as mag in the histogram). With two or more components names end in _x, _y, _2, ...
#define STOQ_FIELD_SCALAR 0

/// Link angles of a two-dimensional U(1) gauge theory, two components a site: plaquette, W1x2 to W4x4, Q, Q2, chi_Q,
/// P_Q0 to P_Q3, and Polyakov loops.
#define STOQ_FIELD_LINKS 1

/// The Gamma method (U. Wolff, hep-lat/0306017) with its automatic window: also tau_int. For functions by their gradient.
#define STOQ_STATISTICS_GAMMA 1

/// Delete one bin of consecutive values after the other: also takes away the bias of order 1/N.
#define STOQ_STATISTICS_JACKKNIFE 2

/// Resampling of blocks of consecutive values: also an interval.
#define STOQ_STATISTICS_BOOTSTRAP 3

/// Kolmogorov and Smirnov: the largest distance of the two distribution functions.
#define STOQ_TWO_SAMPLE_KOLMOGOROV 1

/// chi^2 of two histograms.
#define STOQ_TWO_SAMPLE_CHI_SQUARED 2

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/// The version of the library, such as "0.1.0".
///
/// @return a constant string; never NULL.
const char *stoq_version(void);

/// The version of the C ABI that the library has. Programs and bindings that load the library at run
/// time compare it with the STOQ_ABI_VERSION that they were written for, before any other call.
///
/// @return STOQ_ABI_VERSION of the library.
uint32_t stoq_abi_version(void);

/// The sentence that goes with the last call that failed on this thread: it names the parameter, its
/// value, what was expected, and the way out. Calls that succeed leave it as it is.
///
/// @return UTF-8 text, "" before the first failure, never NULL. Valid until the next call that fails
///         on this thread, or its end; copy it to keep it.
const char *stoq_last_error(void);

/// The negative code by which a callback stopped the last call on this thread that returned
/// STOQ_CALLBACK_STOPPED. Other calls leave it as it is.
///
/// @return the code, 0 before the first stop.
int32_t stoq_last_callback_code(void);

/// The name of a status, such as "STOQ_OK".
///
/// @param[in] status  any number.
/// @return a constant string; "unknown status" for a number that is none. Never NULL.
const char *stoq_status_name(stoq_status_t status);

/// Fills a layout for a field of one component in C order without gaps: the last axis is the fastest.
///
/// @param[out] layout   borrowed; every field is written. Unchanged on failure.
/// @param[in]  rank     number of axes, 1 to 4.
/// @param[in]  extents  copied; `rank` numbers of sites, slowest axis first, each at least 1.
/// @return STOQ_OK, or STOQ_INVALID_ARGUMENT.
stoq_status_t stoq_layout_init(struct stoq_layout_t *layout, uint32_t rank, const size_t *extents);

/// Gives a layout a table of its sites, in place of strides: component i of site number s, counted in C order
/// (the last axis fastest), is field[site_offsets[s] + i component_stride]. For orders by parity, by blocks,
/// along a curve. Call stoq_layout_init() before; set `components` and `component_stride` before or after.
///
/// @param[in,out] layout        borrowed; keeps the address of the table, which must stay until the last call
///                              that gets this layout. What a call makes from the layout has a copy. Unchanged
///                              on failure.
/// @param[in]     site_offsets  one number a site, distances in doubles; may be negative. Of any two values,
///                              none may share an element. NULL: strides again.
/// @return STOQ_OK, or STOQ_INVALID_ARGUMENT.
stoq_status_t stoq_layout_set_sites(struct stoq_layout_t *layout,
                                    const ptrdiff_t *site_offsets);

/// Offsets for stoq_layout_set_sites() with all even sites before all odd ones; a site is even if the sum of its
/// coordinates is. Among sites of one parity the last axis is the fastest. With an even last extent, site s of
/// C order then is number s/2 of its parity: the order of MILC, and of QDP's checkerboard in two colours,
/// where extents are {nt, nz, ny, nx}.
///
/// @param[in]  layout        borrowed; only its rank and extents are read.
/// @param[in]  stride        doubles from one site to the next: 1 where each component has a field of its own
///                           (component_stride is then the number of sites), or the number of components where
///                           those of a site are together (component_stride 1).
/// @param[out] site_offsets  room for one number a site. Unchanged on failure.
/// @return STOQ_OK, STOQ_INVALID_ARGUMENT, STOQ_OUT_OF_MEMORY.
stoq_status_t stoq_layout_even_odd(const struct stoq_layout_t *layout,
                                   ptrdiff_t stride,
                                   ptrdiff_t *site_offsets);

/// Where a value of a layout lies: to check a layout against one's own index function.
///
/// @param[in]  layout       borrowed.
/// @param[in]  coordinates  borrowed; of the site, one number an axis, each below its extent.
/// @param[in]  component    number of the component, from 0.
/// @param[out] offset       the value is field[offset]. Unchanged on failure.
/// @return STOQ_OK, STOQ_INVALID_ARGUMENT, STOQ_SHAPE_MISMATCH.
stoq_status_t stoq_layout_offset(const struct stoq_layout_t *layout,
                                 const size_t *coordinates,
                                 uint32_t component,
                                 ptrdiff_t *offset);

/// Copies a field of the host into C order without gaps, the components one after the other: what
/// stoq_model_score() and stoq_likelihood() take.
///
/// @param[in]  layout  borrowed.
/// @param[in]  field   borrowed; first value of a field in this layout.
/// @param[out] values  room for sites times components doubles, which must not overlap `field`. Unchanged on
///                     failure.
/// @return STOQ_OK, STOQ_INVALID_ARGUMENT, STOQ_SHAPE_MISMATCH.
stoq_status_t stoq_field_gather(const struct stoq_layout_t *layout, const double *field, double *values);

/// Copies values in C order without gaps, the components one after the other, to a field of the host: what
/// stoq_generator_generate() gives.
///
/// @param[in]  layout  borrowed.
/// @param[in]  values  borrowed; sites times components doubles.
/// @param[out] field   first value of a field in this layout, which must not overlap `values`. Memory between the
///                     values is not touched. Unchanged on failure.
/// @return STOQ_OK, STOQ_INVALID_ARGUMENT, STOQ_SHAPE_MISMATCH.
stoq_status_t stoq_field_scatter(const struct stoq_layout_t *layout,
                                 const double *values,
                                 double *field);

/// Fills a schedule with the defaults: variance expanding, sigma = 25.
///
/// @param[out] schedule  borrowed; every field is written. Unchanged on failure.
/// @return STOQ_OK, or STOQ_INVALID_ARGUMENT.
stoq_status_t stoq_schedule_init(struct stoq_schedule_t *schedule);

/// Reads a model file: of a network that stoq trained, or of one exported by another program that says all about
/// itself. stoq_model_open_with() is for those that do not, for devices, and for other choices.
///
/// @param[in]  path   borrowed; name of the file, ends with NUL. UTF-8 on Windows, any bytes elsewhere.
/// @param[out] model  transferred to the caller, who frees it with stoq_model_free(). Unchanged on
///                    failure.
/// @return STOQ_OK, STOQ_INVALID_ARGUMENT, STOQ_IO when the file cannot be read, STOQ_MODEL_FILE when it
///         is no model that this library can use, STOQ_RUNTIME_MISSING when another program exported it and ONNX
///         Runtime is not there.
stoq_status_t stoq_model_load(const char *path,
                              struct stoq_model_t **model);

/// Reads a model from memory that holds what a model file holds, for example after one rank of many
/// read the file and sent it to the others.
///
/// @param[in]  bytes   borrowed; contents of a model file.
/// @param[in]  length  number of bytes.
/// @param[out] model   transferred to the caller, who frees it with stoq_model_free(). Unchanged on
///                     failure.
/// @return STOQ_OK, STOQ_INVALID_ARGUMENT, STOQ_MODEL_FILE, STOQ_RUNTIME_MISSING.
stoq_status_t stoq_model_from_memory(const void *bytes, size_t length, struct stoq_model_t **model);

/// Frees a model. Chains made from it go on: they share what they need.
///
/// @param[in] model  transferred back; NULL is allowed and does nothing.
void stoq_model_free(struct stoq_model_t *model);

/// The rank of the lattice that a model belongs to.
///
/// @param[in]  model  borrowed.
/// @param[out] rank   number of axes, 1 to 4. Unchanged on failure.
/// @return STOQ_OK, or STOQ_INVALID_ARGUMENT.
stoq_status_t stoq_model_rank(const struct stoq_model_t *model, uint32_t *rank);

/// The extents of the lattice that a model belongs to.
///
/// @param[in]  model    borrowed.
/// @param[out] extents  room for four numbers: the extents, slowest axis first, then 0 for the axes that
///                      the lattice does not have. Unchanged on failure.
/// @return STOQ_OK, or STOQ_INVALID_ARGUMENT.
stoq_status_t stoq_model_extents(const struct stoq_model_t *model, size_t *extents);

/// How many real numbers the fields of a model have at each site.
///
/// @param[in]  model       borrowed.
/// @param[out] components  1 to 64. Unchanged on failure.
/// @return STOQ_OK, or STOQ_INVALID_ARGUMENT.
stoq_status_t stoq_model_components(const struct stoq_model_t *model, uint32_t *components);

/// One entry of what a trained model says about itself.
///
/// The metadata are a tree; a key is a path in it with dots, such as "extents", "schedule.scheme",
/// "action.name", "action.couplings.kappa", "training.steps" or "training.version". The key "metadata"
/// is the whole tree. A text is returned as it is, anything else as JSON. Of an exported network the keys are
/// those of its file ("scheme", "output", "time", "extents" ..), and "engine", "device" and "batches".
///
/// @param[in]  model     borrowed.
/// @param[in]  key       borrowed; ends with NUL.
/// @param[out] buffer    receives the text with a closing NUL. NULL: only `needed` is wanted. Unchanged on
///                       failure.
/// @param[in]  capacity  room in `buffer`, in bytes.
/// @param[out] needed    room that the text takes, in bytes with NUL; set also when `capacity` is too
///                       small. May be NULL if `buffer` is not.
/// @return STOQ_OK, or STOQ_INVALID_ARGUMENT for an unknown key, a `capacity` that is too small, or an
///         analytic model, which has no metadata.
stoq_status_t stoq_model_metadata(const struct stoq_model_t *model,
                                  const char *key,
                                  char *buffer,
                                  size_t capacity,
                                  size_t *needed);

/// The score s(x, t) = grad_x log p_t(x) of the model, in the normalisation of its forward process
/// dx = -1/2 k(t) x dt + g(t) dW: what to put into one's own Langevin or reverse-time equation.
///
/// A convenience: each call allocates its workspace. The result of a field does not depend on the rest
/// of the batch.
///
/// @param[in]  model   borrowed.
/// @param[in]  batch   number of fields, at least 1.
/// @param[in]  times   borrowed; `batch` times in (0, 1].
/// @param[in]  fields  borrowed; `batch` fields one after the other, each in C order without gaps,
///                     its components one after the other.
/// @param[out] scores  room for `batch` fields; may be `fields` itself. Unchanged on failure.
/// @return STOQ_OK, STOQ_INVALID_ARGUMENT, STOQ_NOT_FINITE, STOQ_OUT_OF_MEMORY.
stoq_status_t stoq_model_score(const struct stoq_model_t *model,
                               size_t batch,
                               const double *times,
                               const double *fields,
                               double *scores);

/// Fills options with the defaults.
///
/// @param[out] options  borrowed; every field is written. Unchanged on failure.
/// @return STOQ_OK, or STOQ_INVALID_ARGUMENT.
stoq_status_t stoq_model_open_options_init(struct stoq_model_open_options_t *options);

/// Reads a model file with options: a network exported to ONNX by another program, such as PyTorch or JAX, or a
/// network of stoq on another engine or device.
///
/// The graph takes two inputs, the field of shape (batch, extents..), (batch, components, extents..) or (batch, extents..,
/// components) and the noise level, one number a field or one for all; its first output has the shape of the field. All are
/// float32, float64 or float16. What scheme it belongs to, what it returns and how the noise level enters is said by the
/// file (metadata under "stoq.", which the Python function stoq.export() and `stoq adopt` write) or by the options.
/// Checked here: the graph, the shapes, a test vector in the file, NaN; and that a field's result does not depend on its
/// batch to the last bit, by evaluating only batches for which that was found to be so.
///
/// @param[in]  path     borrowed; name of the file, ends with NUL.
/// @param[in]  options  borrowed; NULL for the defaults, which is stoq_model_load().
/// @param[out] model    transferred to the caller, who frees it with stoq_model_free(). Unchanged on failure.
/// @return STOQ_OK; STOQ_INVALID_ARGUMENT, also for an option that the file contradicts or that is missing; STOQ_IO;
///         STOQ_MODEL_FILE; STOQ_SHAPE_MISMATCH; STOQ_RUNTIME_MISSING; STOQ_DEVICE_UNAVAILABLE; STOQ_OUT_OF_MEMORY.
stoq_status_t stoq_model_open_with(const char *path,
                                   const struct stoq_model_open_options_t *options,
                                   struct stoq_model_t **model);

/// The same network on another lattice, or at other couplings. The weights carry over; the Gaussian part and the
/// measured errors are those of the place if the network was trained there, and otherwise follow from the
/// places where it was. A chain with the model is exact all the same; what the guess is off costs acceptance.
///
/// One coupling, with the lattice as it is: stoq_model_at(model, 0, NULL, 1, &name, &value, &moved).
///
/// @param[in]  model    borrowed; a trained one, not changed.
/// @param[in]  rank     number of extents, the rank of the model. 0: the lattice of the model; `extents` is then
///                      not read.
/// @param[in]  extents  borrowed; sites along each axis, slowest axis first.
/// @param[in]  count    number of couplings to set; 0: none, and the next two are not read.
/// @param[in]  names    borrowed; such as "kappa", each ends with NUL. Couplings that the network was trained to
///                      see: the metadata "conditions" list them.
/// @param[in]  values   borrowed; the couplings. A quarter of the half width of the trained range is allowed
///                      beyond its ends.
/// @param[out] moved    transferred to the caller, who frees it with stoq_model_free(). Unchanged on
///                      failure.
/// @return STOQ_OK, STOQ_INVALID_ARGUMENT, STOQ_OUT_OF_MEMORY.
stoq_status_t stoq_model_at(const struct stoq_model_t *model,
                            uint32_t rank,
                            const size_t *extents,
                            size_t count,
                            const char *const *names,
                            const double *values,
                            struct stoq_model_t **moved);

/// Writes a trained model to a file, whole or not at all, which stoq_model_load() reads.
///
/// @param[in] model  borrowed; a trained one.
/// @param[in] path   borrowed; name of the file, ends with NUL. An existing one is replaced.
/// @return STOQ_OK, STOQ_INVALID_ARGUMENT for an analytic model, STOQ_IO.
stoq_status_t stoq_model_save(const struct stoq_model_t *model, const char *path);

/// The model of Gaussian data with a given covariance: its score is exact, its proposals right for a
/// Gaussian action. A start where nothing has been trained yet, for example from a measured propagator.
///
/// @param[in]  layout      borrowed; the lattice with its components. Strides do not matter.
/// @param[in]  schedule    borrowed; NULL for the default one.
/// @param[in]  covariance  copied; <|phi_p|^2> of each component, one value a site: entry
///                         (k_0, ..., k_{rank-1}) in C order without gaps belongs to the momentum
///                         p_mu = 2 pi k_mu / extent_mu, with phi_p = V^(-1/2) sum_x exp(-i p x) phi(x).
///                         Positive, and equal for p and -p to 9 digits.
/// @param[out] model       transferred to the caller, who frees it with stoq_model_free(). Unchanged on
///                         failure.
/// @return STOQ_OK, STOQ_INVALID_ARGUMENT, STOQ_OUT_OF_MEMORY.
stoq_status_t stoq_model_gaussian(const struct stoq_layout_t *layout,
                                  const struct stoq_schedule_t *schedule,
                                  const double *covariance,
                                  struct stoq_model_t **model);

/// The model of the free field, phi^4 at lambda = 0: C(p) = 1 / (2 - 4 kappa sum_mu cos p_mu).
///
/// @param[in]  layout    borrowed; a lattice with one component. Strides do not matter.
/// @param[in]  schedule  borrowed; NULL for the default one.
/// @param[in]  kappa     hopping parameter, |kappa| < 1 / (2 rank).
/// @param[out] model     transferred to the caller, who frees it with stoq_model_free(). Unchanged on
///                       failure.
/// @return STOQ_OK, STOQ_INVALID_ARGUMENT, STOQ_OUT_OF_MEMORY.
stoq_status_t stoq_model_free_field(const struct stoq_layout_t *layout,
                                    const struct stoq_schedule_t *schedule,
                                    double kappa,
                                    struct stoq_model_t **model);

/// The exact model of stoq_action_toy(): the score of the smoothed law by quadrature.
///
/// @param[in]  layout    borrowed; a lattice with one component. Strides do not matter.
/// @param[in]  schedule  borrowed; NULL for the default one.
/// @param[in]  mu2       mass squared.
/// @param[in]  g         quartic coupling, > 0, or 0 if mu2 > 0.
/// @param[out] model     transferred to the caller, who frees it with stoq_model_free(). Unchanged on
///                       failure.
/// @return STOQ_OK, STOQ_INVALID_ARGUMENT, STOQ_OUT_OF_MEMORY.
stoq_status_t stoq_model_toy(const struct stoq_layout_t *layout,
                             const struct stoq_schedule_t *schedule,
                             double mu2,
                             double g,
                             struct stoq_model_t **model);

/// The exact model of stoq_action_two_peak().
///
/// @param[in]  layout    borrowed; a lattice with one component. Strides do not matter.
/// @param[in]  schedule  borrowed; NULL for the default one.
/// @param[in]  mu0       the peaks are at mu0 and -mu0.
/// @param[in]  sigma0    their standard deviation, > 0.
/// @param[out] model     transferred to the caller, who frees it with stoq_model_free(). Unchanged on
///                       failure.
/// @return STOQ_OK, STOQ_INVALID_ARGUMENT, STOQ_NOT_FINITE, STOQ_OUT_OF_MEMORY.
stoq_status_t stoq_model_two_peak(const struct stoq_layout_t *layout,
                                  const struct stoq_schedule_t *schedule,
                                  double mu0,
                                  double sigma0,
                                  struct stoq_model_t **model);

/// The exact model of stoq_action_three_peak().
///
/// @param[in]  layout    borrowed; a lattice with two components. Strides do not matter.
/// @param[in]  schedule  borrowed; NULL for the default one.
/// @param[in]  radius    of the circle on which the three peaks lie.
/// @param[in]  sigma0    their standard deviation in each direction, > 0.
/// @param[out] model     transferred to the caller, who frees it with stoq_model_free(). Unchanged on
///                       failure.
/// @return STOQ_OK, STOQ_INVALID_ARGUMENT, STOQ_NOT_FINITE, STOQ_OUT_OF_MEMORY.
stoq_status_t stoq_model_three_peak(const struct stoq_layout_t *layout,
                                    const struct stoq_schedule_t *schedule,
                                    double radius,
                                    double sigma0,
                                    struct stoq_model_t **model);

/// The built-in action of lattice phi^4 theory, on a periodic lattice of any rank:
/// S = sum_x [ -2 kappa sum_mu phi(x) phi(x+mu) + (1 - 2 lambda) phi(x)^2 + lambda phi(x)^4 ].
///
/// @param[in]  layout  copied; the field that stoq_action_evaluate() will get. A chain that uses the
///                     action may have another layout of the same lattice.
/// @param[in]  kappa   hopping parameter; with lambda = 0 only |kappa| < 1 / (2 rank) is stable.
/// @param[in]  lambda  quartic coupling, >= 0.
/// @param[out] action  transferred to the caller, who frees it with stoq_action_free(). Unchanged on
///                     failure.
/// @return STOQ_OK, STOQ_INVALID_ARGUMENT, STOQ_OUT_OF_MEMORY.
stoq_status_t stoq_action_phi4(const struct stoq_layout_t *layout,
                               double kappa,
                               double lambda,
                               struct stoq_action_t **action);

/// The quartic toy model at every site, sites independent: S = sum_x [ mu2/2 phi(x)^2 + g/24 phi(x)^4 ].
///
/// @param[in]  layout  copied; a layout with one component. See stoq_action_phi4().
/// @param[in]  mu2     mass squared; below 0 there are two wells.
/// @param[in]  g       quartic coupling, > 0, or 0 if mu2 > 0.
/// @param[out] action  transferred to the caller, who frees it with stoq_action_free(). Unchanged on
///                     failure.
/// @return STOQ_OK, STOQ_INVALID_ARGUMENT, STOQ_OUT_OF_MEMORY.
stoq_status_t stoq_action_toy(const struct stoq_layout_t *layout,
                              double mu2,
                              double g,
                              struct stoq_action_t **action);

/// Two Gaussian peaks at every site, sites independent and Z = 1: exp(-S) is the product over x of
/// [ N(phi(x); mu0, sigma0^2) + N(phi(x); -mu0, sigma0^2) ] / 2.
///
/// @param[in]  layout  copied; a layout with one component. See stoq_action_phi4().
/// @param[in]  mu0     the peaks are at mu0 and -mu0.
/// @param[in]  sigma0  their standard deviation, > 0.
/// @param[out] action  transferred to the caller, who frees it with stoq_action_free(). Unchanged on
///                     failure.
/// @return STOQ_OK, STOQ_INVALID_ARGUMENT, STOQ_NOT_FINITE, STOQ_OUT_OF_MEMORY.
stoq_status_t stoq_action_two_peak(const struct stoq_layout_t *layout,
                                   double mu0,
                                   double sigma0,
                                   struct stoq_action_t **action);

/// Three equal Gaussian peaks in the plane at every site, sites independent and Z = 1. They lie on a
/// circle around 0, at 90, 210 and 330 degrees.
///
/// @param[in]  layout  copied; a layout with two components. See stoq_action_phi4().
/// @param[in]  radius  of the circle.
/// @param[in]  sigma0  their standard deviation in each direction, > 0.
/// @param[out] action  transferred to the caller, who frees it with stoq_action_free(). Unchanged on
///                     failure.
/// @return STOQ_OK, STOQ_INVALID_ARGUMENT, STOQ_NOT_FINITE, STOQ_OUT_OF_MEMORY.
stoq_status_t stoq_action_three_peak(const struct stoq_layout_t *layout,
                                     double radius,
                                     double sigma0,
                                     struct stoq_action_t **action);

/// Two-dimensional U(1) gauge theory with the Wilson action: S = -beta sum_P cos theta_P, with the plaquette angle
/// theta_P(x) = theta_0(x) + theta_1(x+0) - theta_0(x+1) - theta_1(x), periodic.
///
/// Component mu of a site is the angle of the link from there to its neighbour ahead along axis mu. Angles mean
/// the same modulo 2 pi, and stoq never reduces them. An array [mu][site] is a layout with two components
/// without strides; [site][mu] on sites in C order is strides {2 extents[1], 2} and component_stride 1.
///
/// @param[in]  layout  copied; two axes of at least 2 sites, two components. See stoq_action_phi4().
/// @param[in]  beta    inverse coupling, >= 0.
/// @param[out] action  transferred to the caller, who frees it with stoq_action_free(). Unchanged on
///                     failure.
/// @return STOQ_OK, STOQ_INVALID_ARGUMENT, STOQ_OUT_OF_MEMORY.
stoq_status_t stoq_action_u1(const struct stoq_layout_t *layout,
                             double beta,
                             struct stoq_action_t **action);

/// An action that the host evaluates.
///
/// @param[in]  layout      copied; the layout in which `callback` gets its field. With other strides than
///                         those of C order without gaps, each call copies the field.
/// @param[in]  callback    S(phi), see stoq_action_callback_t.
/// @param[in]  user        anything that `callback` needs, or NULL; transferred to the action on success.
/// @param[in]  destructor  frees `user`, see stoq_destructor_t, or NULL. On failure it is not called, and
///                         `user` stays with the caller.
/// @param[out] action      transferred to the caller, who frees it with stoq_action_free(). Unchanged on
///                         failure.
/// @return STOQ_OK, STOQ_INVALID_ARGUMENT, STOQ_OUT_OF_MEMORY.
stoq_status_t stoq_action_callback(const struct stoq_layout_t *layout,
                                   stoq_action_callback_t callback,
                                   void *user,
                                   stoq_destructor_t destructor,
                                   struct stoq_action_t **action);

/// Gives a callback action its force: for STOQ_KERNEL_HMC, and STOQ_KERNEL_MALA and STOQ_KERNEL_LANGEVIN
/// with a drift that contains the force. Call it before stoq_chain_new(). A wrong force costs
/// acceptance; the exact kernels stay exact as long as it is a function of the field alone.
///
/// @param[in] action    borrowed; made by stoq_action_callback().
/// @param[in] callback  -dS/dphi, see stoq_force_callback_t; gets the same `user`. Replaces an earlier one.
/// @return STOQ_OK, STOQ_INVALID_ARGUMENT, STOQ_WRONG_ORDER from a callback of the action,
///         STOQ_OUT_OF_MEMORY.
stoq_status_t stoq_action_set_force(struct stoq_action_t *action, stoq_force_callback_t callback);

/// Gives a callback action its change under a change of one value: STOQ_KERNEL_METROPOLIS then needs it
/// alone. Without it every value of a sweep costs two whole actions. It must agree with the action:
/// the decisions rest on it.
///
/// @param[in] action    borrowed; made by stoq_action_callback().
/// @param[in] callback  see stoq_local_change_callback_t; gets the same `user`. Replaces an earlier one.
/// @return STOQ_OK, STOQ_INVALID_ARGUMENT, STOQ_WRONG_ORDER from a callback of the action.
stoq_status_t stoq_action_set_local_change(struct stoq_action_t *action,
                                           stoq_local_change_callback_t callback);

/// Frees the caller's hold on an action. Chains made with it go on; the destructor of a callback action
/// is called when the last of them is freed.
///
/// @param[in] action  transferred back; NULL is allowed and does nothing.
void stoq_action_free(struct stoq_action_t *action);

/// S of one field: to check a callback or a layout, for example against the built-in action.
///
/// @param[in]  action  borrowed; one caller at a time.
/// @param[in]  field   borrowed; first value of a field in the layout of the action.
/// @param[out] value   S(field); +infinity if a callback said "reject", and whatever a callback wrote
///                     otherwise, NaN included. Unchanged on failure.
/// @return STOQ_OK, STOQ_INVALID_ARGUMENT, STOQ_NOT_FINITE, STOQ_CALLBACK_STOPPED, STOQ_WRONG_ORDER,
///         STOQ_OUT_OF_MEMORY.
stoq_status_t stoq_action_evaluate(struct stoq_action_t *action, const double *field, double *value);

/// The force -dS/dphi of one field: to check a callback against finite differences of
/// stoq_action_evaluate(), or for integrators of one's own.
///
/// @param[in]  action  borrowed; one caller at a time.
/// @param[in]  field   borrowed; first value of a field in the layout of the action.
/// @param[out] force   first value of a buffer in the same layout; may be `field` itself. Unchanged on
///                     failure.
/// @return STOQ_OK, STOQ_INVALID_ARGUMENT (also for a callback action without a force), STOQ_NOT_FINITE
///         (also when the force is not, or its callback said "reject"), STOQ_CALLBACK_STOPPED,
///         STOQ_WRONG_ORDER, STOQ_OUT_OF_MEMORY.
stoq_status_t stoq_action_force(struct stoq_action_t *action, const double *field, double *force);

/// Fills options with the defaults.
///
/// @param[out] options  borrowed; every field is written. Unchanged on failure.
/// @return STOQ_OK, or STOQ_INVALID_ARGUMENT.
stoq_status_t stoq_chain_options_init(struct stoq_chain_options_t *options);

/// Makes a struct for counters ready: its size, and zeros.
///
/// @param[out] statistics  borrowed; every field is written. Unchanged on failure.
/// @return STOQ_OK, or STOQ_INVALID_ARGUMENT.
stoq_status_t stoq_chain_statistics_init(struct stoq_chain_statistics_t *statistics);

/// Makes the update of a chain. Everything that a move needs is allocated here or in the first move.
///
/// @param[in]  model    shared: the caller may free its own handle at any time. NULL for kernels that need
///                      no model: STOQ_KERNEL_HMC, STOQ_KERNEL_METROPOLIS, STOQ_KERNEL_CHARGE_SHIFT, and
///                      STOQ_KERNEL_MALA and STOQ_KERNEL_LANGEVIN with STOQ_DRIFT_FORCE.
/// @param[in]  action   shared likewise; must belong to the lattice of `layout`, strides may differ. With
///                      a force if the kernel follows it, see stoq_action_set_force(). NULL if the host
///                      evaluates its action itself, by stoq_chain_propose() and stoq_chain_resolve(),
///                      which kernels that follow the force and STOQ_KERNEL_METROPOLIS do not allow.
/// @param[in]  layout   copied; the field that stoq_chain_step() and the others will get. Extents and
///                      components are those of the model.
/// @param[in]  options  copied; NULL for the defaults.
/// @param[out] chain    transferred to the caller, who frees it with stoq_chain_free(). Unchanged on
///                      failure.
/// @return STOQ_OK, STOQ_INVALID_ARGUMENT, STOQ_SHAPE_MISMATCH, STOQ_OUT_OF_MEMORY, STOQ_INTERNAL when
///         the system refuses to start threads.
stoq_status_t stoq_chain_new(const struct stoq_model_t *model,
                             struct stoq_action_t *action,
                             const struct stoq_layout_t *layout,
                             const struct stoq_chain_options_t *options,
                             struct stoq_chain_t **chain);

/// Frees a chain, and its holds on model and action.
///
/// @param[in] chain  transferred back; NULL is allowed and does nothing.
void stoq_chain_free(struct stoq_chain_t *chain);

/// One update of the host's field: propose, evaluate the action of both fields, decide.
///
/// On failure the field and the chain are as before the call: the next call makes the same move as if
/// this one had not been. A proposal pending from stoq_chain_propose() is forgotten.
/// STOQ_KERNEL_METROPOLIS decides value by value; its move counts as accepted if any value changed.
///
/// @param[in]     chain    borrowed; one caller at a time.
/// @param[in,out] field    borrowed; first value of the current field, in the layout of the chain. It
///                         becomes the proposal if that is accepted, and is not written otherwise.
/// @param[out]    outcome  STOQ_ACCEPTED or STOQ_REJECTED; may be NULL. Unchanged on failure.
/// @return STOQ_OK, STOQ_INVALID_ARGUMENT (also when the action of the current field is NaN or rejected:
///         a chain must start from a field that has a probability), STOQ_NOT_FINITE,
///         STOQ_CALLBACK_STOPPED, STOQ_WRONG_ORDER for a chain without an action.
stoq_status_t stoq_chain_step(struct stoq_chain_t *chain, double *field, stoq_outcome_t *outcome);

/// First half of an update by a host that evaluates its action itself: makes a proposal. Decide with
/// stoq_chain_resolve(). A proposal that is never resolved has no effect: the next call makes the same
/// one for the same field.
///
/// @param[in]  chain         borrowed; one caller at a time.
/// @param[in]  field         borrowed; first value of the current field, in the layout of the chain.
/// @param[out] proposal      first value of a buffer in the layout of the chain, which must not overlap
///                           `field`. Unchanged on failure.
/// @param[out] log_hastings  everything in the acceptance but the action: the move is accepted with
///                           probability min(1, exp(log_hastings - delta_action)). NaN if the network
///                           failed; the move will then be rejected. Unchanged on failure.
/// @return STOQ_OK, STOQ_INVALID_ARGUMENT, STOQ_NOT_FINITE, STOQ_WRONG_ORDER for a kernel that needs the
///         action to propose (STOQ_KERNEL_HMC, STOQ_KERNEL_METROPOLIS, a drift that contains the force): use
///         stoq_chain_step().
stoq_status_t stoq_chain_propose(struct stoq_chain_t *chain,
                                 const double *field,
                                 double *proposal,
                                 double *log_hastings);

/// Second half of an update by a host that evaluates its action itself: decides on the proposal.
///
/// @param[in]     chain         borrowed; one caller at a time.
/// @param[in]     delta_action  S(proposal) - S(field). NaN or infinity rejects.
/// @param[in,out] field         borrowed; the field that went to stoq_chain_propose(), unchanged since. It
///                              becomes the proposal if that is accepted, and is not written otherwise.
/// @param[out]    outcome       STOQ_ACCEPTED or STOQ_REJECTED; may be NULL. Unchanged on failure.
/// @return STOQ_OK, STOQ_WRONG_ORDER without a pending proposal, STOQ_INVALID_ARGUMENT also when `field`
///         is another one than before; the proposal then stays pending.
stoq_status_t stoq_chain_resolve(struct stoq_chain_t *chain,
                                 double delta_action,
                                 double *field,
                                 stoq_outcome_t *outcome);

/// Ends the warm-up of a chain that was made with options.warm_up: its moves keep the averaged size, and its
/// counters start anew. Freeze before you measure: a chain that adapts to its own past has no
/// stationary law. Nothing happens to a frozen chain.
///
/// @param[in] chain  borrowed; one caller at a time. Unchanged on failure.
/// @return STOQ_OK, STOQ_INVALID_ARGUMENT, STOQ_WRONG_ORDER while a proposal is pending or the chain is at
///         work.
stoq_status_t stoq_chain_freeze(struct stoq_chain_t *chain);

/// Whether warm-up is over. A chain that was made without warm_up is frozen from the start.
///
/// @param[in]  chain   borrowed.
/// @param[out] frozen  1 or 0. Unchanged on failure.
/// @return STOQ_OK, STOQ_INVALID_ARGUMENT, STOQ_WRONG_ORDER while the chain is at work.
stoq_status_t stoq_chain_is_frozen(const struct stoq_chain_t *chain, int32_t *frozen);

/// The size of a chain's moves, which warm-up tunes: the step size of STOQ_KERNEL_MALA, the integrator step
/// of STOQ_KERNEL_HMC, the width of STOQ_KERNEL_METROPOLIS, the noise of t* relative to the signal for
/// STOQ_KERNEL_RENOISE.
///
/// @param[in]  chain  borrowed.
/// @param[out] size   the size; 0 for a kernel with nothing to tune. Unchanged on failure.
/// @return STOQ_OK, STOQ_INVALID_ARGUMENT, STOQ_WRONG_ORDER while the chain is at work.
stoq_status_t stoq_chain_move_size(const struct stoq_chain_t *chain, double *size);

/// Reads the counters of a chain since it was frozen (or made, if it still warms up). They are part of its
/// saved state.
///
/// @param[in]     chain       borrowed.
/// @param[in,out] statistics  borrowed; its struct_size is read, all other fields are written. Unchanged
///                            on failure.
/// @return STOQ_OK, STOQ_INVALID_ARGUMENT, STOQ_WRONG_ORDER while the chain is at work.
stoq_status_t stoq_chain_statistics(const struct stoq_chain_t *chain,
                                    struct stoq_chain_statistics_t *statistics);

/// Saves the whole state of a chain, that of its warm-up too: some bytes with version and checksum, the
/// same on every platform.
/// The size does not change during the life of a chain.
///
/// @param[in]  chain     borrowed.
/// @param[out] buffer    receives the bytes. NULL: only `needed` is wanted. Unchanged on failure.
/// @param[in]  capacity  room in `buffer`, in bytes.
/// @param[out] needed    number of bytes; set also when `capacity` is too small. May be NULL if `buffer`
///                       is not.
/// @return STOQ_OK, STOQ_INVALID_ARGUMENT, STOQ_WRONG_ORDER while a proposal is pending or the chain is
///         at work.
stoq_status_t stoq_chain_save(const struct stoq_chain_t *chain,
                              void *buffer,
                              size_t capacity,
                              size_t *needed);

/// Goes on from a saved state, to the same bits as if the chain had never stopped; the host restores its
/// field itself. A pending proposal is forgotten.
///
/// @param[in] chain   borrowed; one caller at a time. Made with the same model and options as the saved
///                    one; threads, pool and warm_up may differ. Unchanged on failure.
/// @param[in] bytes   borrowed; what stoq_chain_save() wrote.
/// @param[in] length  number of bytes.
/// @return STOQ_OK, STOQ_INVALID_ARGUMENT, STOQ_CHAIN_STATE for damaged bytes or those of another chain,
///         STOQ_WRONG_ORDER while the chain is at work.
stoq_status_t stoq_chain_load(struct stoq_chain_t *chain, const void *bytes, size_t length);

/// Fills options with the defaults.
///
/// @param[out] options  borrowed; every field is written. Unchanged on failure.
/// @return STOQ_OK, or STOQ_INVALID_ARGUMENT.
stoq_status_t stoq_train_options_init(struct stoq_train_options_t *options);

/// Makes a report ready: its size, and zeros.
///
/// @param[out] report  borrowed; every field is written. Unchanged on failure.
/// @return STOQ_OK, or STOQ_INVALID_ARGUMENT.
stoq_status_t stoq_train_report_init(struct stoq_train_report_t *report);

/// Makes a training without configurations.
///
/// @param[in]  layout   copied; the fields that stoq_trainer_push() will get.
/// @param[in]  action   borrowed; a built-in action of the host's theory, on the lattice of `layout`: its force makes
///                      the training several times more accurate. NULL trains by denoising alone, for any
///                      theory. An action made by stoq_action_callback() is refused: training evaluates forces on
///                      threads of its own and on transformed fields, where callbacks do not run.
/// @param[in]  options  copied; NULL for the defaults.
/// @param[out] trainer  transferred to the caller, who frees it with stoq_trainer_free(). Unchanged on
///                      failure.
/// @return STOQ_OK, STOQ_INVALID_ARGUMENT, STOQ_SHAPE_MISMATCH, STOQ_OUT_OF_MEMORY.
stoq_status_t stoq_trainer_new(const struct stoq_layout_t *layout,
                               const struct stoq_action_t *action,
                               const struct stoq_train_options_t *options,
                               struct stoq_trainer_t **trainer);

/// Adds a configuration of the host's chain. Begin when the chain has thermalised, and push in its order: the
/// latest tenth measures the finished model and never trains. A configuration an autocorrelation time or so is
/// enough; closer ones cost memory (4 bytes a value, twice while training) and teach little.
///
/// @param[in] trainer  borrowed; one caller at a time.
/// @param[in] field    copied, in single precision; first value of a field in the layout of the trainer.
/// @return STOQ_OK, STOQ_INVALID_ARGUMENT, STOQ_NOT_FINITE, which names the site, STOQ_WRONG_ORDER while the
///         trainer is at work, STOQ_OUT_OF_MEMORY. The trainer is then unchanged.
stoq_status_t stoq_trainer_push(struct stoq_trainer_t *trainer,
                                const double *field);

/// The number of configurations pushed so far.
///
/// @param[in]  trainer         borrowed.
/// @param[out] configurations  the number. Unchanged on failure.
/// @return STOQ_OK, STOQ_INVALID_ARGUMENT, STOQ_WRONG_ORDER while the trainer is at work.
stoq_status_t stoq_trainer_configurations(const struct stoq_trainer_t *trainer, size_t *configurations);

/// Trains on all configurations so far. The training takes options.steps steps in all calls together; behind them
/// a call does nothing.
///
/// The first call needs 32 configurations, and some hundreds to learn more than their spectrum. When others have
/// joined since the last call, weights and optimiser go on and the spectrum is measured anew on all: take
/// tens of steps a call or more. The same calls in the same order give the same bits.
///
/// @param[in]     trainer   borrowed; one caller at a time.
/// @param[in]     steps     steps of this call at most. 0: only lets the configurations join.
/// @param[in]     progress  called after every step, see stoq_progress_callback_t; NULL for none.
/// @param[in]     user      anything that `progress` needs, or NULL; used during the call only.
/// @param[in,out] report    borrowed; its struct_size is read, all other fields are written. NULL if not
///                          wanted. Unchanged on failure.
/// @return STOQ_OK, STOQ_INVALID_ARGUMENT (also for too few configurations, or such that do not fluctuate),
///         STOQ_NOT_FINITE when the loss is (lower options.rate), STOQ_CALLBACK_STOPPED, STOQ_WRONG_ORDER,
///         STOQ_OUT_OF_MEMORY, STOQ_INTERNAL when the system refuses to start threads. Steps that were
///         taken before a failure or a stop stay taken; the next call goes on behind them.
stoq_status_t stoq_trainer_fit(struct stoq_trainer_t *trainer,
                               uint64_t steps,
                               stoq_progress_callback_t progress,
                               void *user,
                               struct stoq_train_report_t *report);

/// Frees a trainer. Models made by it stay.
///
/// @param[in] trainer  transferred back; NULL is allowed and does nothing.
void stoq_trainer_free(struct stoq_trainer_t *trainer);

/// The model as it is now, to look on while the training goes on. It is marked as one that still adapts:
/// stoq_chain_new() refuses it, for a chain whose kernel changes has no stationary law; stoq_model_score(),
/// stoq_likelihood() and the generators take it. It does not follow the training any further.
///
/// @param[in]  trainer  borrowed.
/// @param[out] model    transferred to the caller, who frees it with stoq_model_free(). Unchanged on
///                      failure.
/// @return STOQ_OK, STOQ_INVALID_ARGUMENT, STOQ_WRONG_ORDER before the first stoq_trainer_fit() or while the
///         trainer is at work.
stoq_status_t stoq_trainer_model(const struct stoq_trainer_t *trainer, struct stoq_model_t **model);

/// The finished model, for chains: averaged weights, and its errors as measured on the latest tenth of the
/// configurations, which never trained. That takes some thousand evaluations of the network for each of 28
/// noise levels. It may be called before all steps are taken, and the training may go on afterwards; the
/// model does not follow it.
///
/// @param[in]  trainer  borrowed.
/// @param[out] model    transferred to the caller, who frees it with stoq_model_free(). Unchanged on
///                      failure.
/// @return STOQ_OK, STOQ_INVALID_ARGUMENT, STOQ_WRONG_ORDER before the first stoq_trainer_fit() or while the
///         trainer is at work.
stoq_status_t stoq_trainer_finish(const struct stoq_trainer_t *trainer, struct stoq_model_t **model);

/// Writes the finished model to a file, whole or not at all: stoq_trainer_finish() and stoq_model_save() in one,
/// for a job that ends here.
///
/// @param[in] trainer  borrowed.
/// @param[in] path     borrowed; name of the file, ends with NUL. An existing one is replaced.
/// @return STOQ_OK, STOQ_INVALID_ARGUMENT, STOQ_IO, STOQ_WRONG_ORDER before the first stoq_trainer_fit() or
///         while the trainer is at work.
stoq_status_t stoq_trainer_save(const struct stoq_trainer_t *trainer,
                                const char *path);

/// Saves the whole state of a training, its configurations included: some bytes with version and checksum, the
/// same on every platform. Each call collects them anew; ask for `needed` only when nothing is pushed or
/// fitted before the second call.
///
/// @param[in]  trainer   borrowed.
/// @param[out] buffer    receives the bytes. NULL: only `needed` is wanted. Unchanged on failure.
/// @param[in]  capacity  room in `buffer`, in bytes.
/// @param[out] needed    number of bytes; set also when `capacity` is too small. May be NULL if `buffer`
///                       is not.
/// @return STOQ_OK, STOQ_INVALID_ARGUMENT, STOQ_WRONG_ORDER while the trainer is at work.
stoq_status_t stoq_trainer_checkpoint(const struct stoq_trainer_t *trainer,
                                      void *buffer,
                                      size_t capacity,
                                      size_t *needed);

/// Goes on from a saved state, to the same bits as if the training had never stopped. What the trainer held is
/// forgotten.
///
/// @param[in] trainer  borrowed; one caller at a time. Made for the same lattice, action and options as the
///                     saved one; threads and strides may differ. Unchanged on failure.
/// @param[in] bytes    borrowed; what stoq_trainer_checkpoint() wrote.
/// @param[in] length   number of bytes.
/// @return STOQ_OK, STOQ_INVALID_ARGUMENT (also for damaged bytes or those of another training),
///         STOQ_WRONG_ORDER while the trainer is at work.
stoq_status_t stoq_trainer_restore(struct stoq_trainer_t *trainer,
                                   const void *bytes,
                                   size_t length);

/// Fills options with the defaults.
///
/// @param[out] options  borrowed; every field is written. Unchanged on failure.
/// @return STOQ_OK, or STOQ_INVALID_ARGUMENT.
stoq_status_t stoq_generator_options_init(struct stoq_generator_options_t *options);

/// Makes a generator.
///
/// @param[in]  model      shared: the caller may free its own handle at any time.
/// @param[in]  action     shared likewise; for options.tail_moves. NULL without these.
/// @param[in]  options    copied; NULL for the defaults.
/// @param[out] generator  transferred to the caller, who frees it with stoq_generator_free(). Unchanged on
///                        failure.
/// @return STOQ_OK, STOQ_INVALID_ARGUMENT, STOQ_SHAPE_MISMATCH for an action on another lattice,
///         STOQ_OUT_OF_MEMORY, STOQ_INTERNAL when the system refuses to start threads.
stoq_status_t stoq_generator_new(const struct stoq_model_t *model,
                                 struct stoq_action_t *action,
                                 const struct stoq_generator_options_t *options,
                                 struct stoq_generator_t **generator);

/// Draws samples. Each depends on its number, the seed and the chain number alone, so that they may be drawn
/// in any portions, in any order, and on several machines.
///
/// @param[in]  generator     borrowed; one caller at a time.
/// @param[in]  first_sample  number of the first sample, from 0.
/// @param[in]  count         how many, at least 1; all numbers below 2^40.
/// @param[out] fields        room for `count` fields one after the other, each in C order without gaps, its
///                           components one after the other. Unchanged on failure.
/// @param[out] log_weights   room for `count` numbers log w + S, from which the caller subtracts the action
///                           of the sample: then the mean of w is Z, and w reweights averages to exp(-S)/Z.
///                           NULL if not wanted, or if the method has none. Unchanged on failure.
/// @return STOQ_OK, STOQ_INVALID_ARGUMENT, STOQ_NOT_FINITE, STOQ_CALLBACK_STOPPED, STOQ_WRONG_ORDER from a
///         callback of its own action, STOQ_OUT_OF_MEMORY.
stoq_status_t stoq_generator_generate(struct stoq_generator_t *generator,
                                      uint64_t first_sample,
                                      size_t count,
                                      double *fields,
                                      double *log_weights);

/// Frees a generator, and its holds on model and action.
///
/// @param[in] generator  transferred back; NULL is allowed and does nothing.
void stoq_generator_free(struct stoq_generator_t *generator);

/// Fills options with the defaults.
///
/// @param[out] options  borrowed; every field is written. Unchanged on failure.
/// @return STOQ_OK, or STOQ_INVALID_ARGUMENT.
stoq_status_t stoq_likelihood_options_init(struct stoq_likelihood_options_t *options);

/// The log density log q of fields under a model, normalised, by its probability flow. *Approximate*: the
/// flow is integrated in steps, and no chain draws from it (STOQ_KERNEL_LIKELIHOOD has a discrete map with
/// an exact density). A diagnostic: log q + S is a constant for a perfect model.
///
/// @param[in]  model        borrowed; one that knows its derivatives: analytic, or trained by stoq.
/// @param[in]  options      borrowed; NULL for the defaults.
/// @param[in]  count        number of fields, at least 1.
/// @param[in]  fields       borrowed; `count` fields one after the other, each in C order without gaps, its
///                          components one after the other.
/// @param[out] log_density  room for `count` numbers log q. Unchanged on failure.
/// @param[out] error        room for `count` standard errors from the random vectors, 0 for the exact trace,
///                          NaN for a single vector; NULL if not wanted. Unchanged on failure.
/// @return STOQ_OK, STOQ_INVALID_ARGUMENT, STOQ_NOT_FINITE, STOQ_OUT_OF_MEMORY, STOQ_INTERNAL when the
///         system refuses to start threads.
stoq_status_t stoq_likelihood(const struct stoq_model_t *model,
                              const struct stoq_likelihood_options_t *options,
                              size_t count,
                              const double *fields,
                              double *log_density,
                              double *error);

/// Fills options with the defaults.
///
/// @param[out] options  borrowed; every field is written. Unchanged on failure.
/// @return STOQ_OK, or STOQ_INVALID_ARGUMENT.
stoq_status_t stoq_complex_langevin_options_init(struct stoq_complex_langevin_options_t *options);

/// Makes a process. It starts near the real axis: forget some configurations first.
///
/// @param[in]  a        real part of sigma0; above 0 if lambda = 0.
/// @param[in]  b        imaginary part of sigma0.
/// @param[in]  lambda   quartic coupling, >= 0.
/// @param[in]  sites    number of independent copies of z, 1 to 2^20 - 1.
/// @param[in]  options  copied; NULL for the defaults.
/// @param[out] process  transferred to the caller, who frees it with stoq_complex_langevin_free(). Unchanged
///                      on failure.
/// @return STOQ_OK, STOQ_INVALID_ARGUMENT, STOQ_OUT_OF_MEMORY.
stoq_status_t stoq_complex_langevin_new(double a,
                                        double b,
                                        double lambda,
                                        size_t sites,
                                        const struct stoq_complex_langevin_options_t *options,
                                        struct stoq_complex_langevin_t **process);

/// Follows the process for one interval.
///
/// @param[in]  process  borrowed; one caller at a time. Unchanged on failure.
/// @param[out] z        room for 2 `sites` numbers: x of all sites, then y of all sites, z = x + i y.
///                      Unchanged on failure.
/// @return STOQ_OK, STOQ_INVALID_ARGUMENT also for a runaway trajectory, which the process can have,
///         STOQ_OUT_OF_MEMORY.
stoq_status_t stoq_complex_langevin_next(struct stoq_complex_langevin_t *process, double *z);

/// Frees a process.
///
/// @param[in] process  transferred back; NULL is allowed and does nothing.
void stoq_complex_langevin_free(struct stoq_complex_langevin_t *process);

/// Makes an accumulator without values.
///
/// @param[in]  bins       the number of bins stays between this and its double, 2 to 65536; 64 is a good one.
/// @param[out] cumulants  transferred to the caller, who frees it with stoq_cumulants_free(). Unchanged on
///                        failure.
/// @return STOQ_OK, or STOQ_INVALID_ARGUMENT.
stoq_status_t stoq_cumulants_new(size_t bins, struct stoq_cumulants_t **cumulants);

/// Adds the values of one configuration, such as the field at all sites or one observable. They stay
/// together, so that errors take care of their correlations; those from one configuration to the next
/// too, as long as a bin is long against them.
///
/// @param[in] cumulants  borrowed; one caller at a time. Unchanged on failure.
/// @param[in] count      number of values; 0 changes nothing.
/// @param[in] values     borrowed; `count` values.
/// @return STOQ_OK, STOQ_INVALID_ARGUMENT also for values beyond 10^38, STOQ_NOT_FINITE, STOQ_WRONG_ORDER.
stoq_status_t stoq_cumulants_push(struct stoq_cumulants_t *cumulants, size_t count, const double *values);

/// Adds all that another accumulator holds, taken to be independent: of another chain, thread or rank.
///
/// @param[in] cumulants  borrowed; one caller at a time. Unchanged on failure.
/// @param[in] other      borrowed; another one than `cumulants`.
/// @return STOQ_OK, STOQ_INVALID_ARGUMENT, STOQ_WRONG_ORDER.
stoq_status_t stoq_cumulants_merge(struct stoq_cumulants_t *cumulants, const struct stoq_cumulants_t *other);

/// kappa_1 to kappa_8 of all values so far, with jackknife errors.
///
/// @param[in]  cumulants        borrowed.
/// @param[in]  symmetry         STOQ_SYMMETRY_NONE or STOQ_SYMMETRY_EVEN.
/// @param[out] values           room for 8 numbers, kappa_r at index r - 1. Unchanged on failure.
/// @param[out] errors           room for their 8 standard errors. Unchanged on failure.
/// @param[out] bin_correlation  room for 8 correlations of neighbouring bins: a value clearly above 0 says that
///                              bins are too short against the autocorrelation, and the error too small,
///                              by about sqrt(1 + 2 bin_correlation). NULL if not wanted. Unchanged on
///                              failure.
/// @return STOQ_OK, STOQ_INVALID_ARGUMENT also for fewer than two bins or some ten values, STOQ_WRONG_ORDER.
stoq_status_t stoq_cumulants_estimate(const struct stoq_cumulants_t *cumulants,
                                      stoq_symmetry_t symmetry,
                                      double *values,
                                      double *errors,
                                      double *bin_correlation);

/// Frees an accumulator.
///
/// @param[in] cumulants  transferred back; NULL is allowed and does nothing.
void stoq_cumulants_free(struct stoq_cumulants_t *cumulants);

/// The cosine of a Wilson loop of link angles, averaged over the lattice; 1 x 1 is the plaquette.
///
/// @param[in]  layout  borrowed; two axes, two components, as for stoq_action_u1().
/// @param[in]  field   borrowed; first link angle in that layout. Angles need not be reduced.
/// @param[in]  height  links along axis 0, 1 to the extent; as long as the lattice: two Polyakov loops.
/// @param[in]  width   links along axis 1, likewise.
/// @param[out] value   the mean cosine. Unchanged on failure.
/// @return STOQ_OK, STOQ_INVALID_ARGUMENT, STOQ_NOT_FINITE, STOQ_OUT_OF_MEMORY.
stoq_status_t stoq_u1_wilson_loop(const struct stoq_layout_t *layout,
                                  const double *field,
                                  size_t height,
                                  size_t width,
                                  double *value);

/// The topological charge of link angles: the sum of the plaquette angles, each reduced to (-pi, pi], over 2 pi.
///
/// @param[in]  layout  borrowed; two axes, two components, as for stoq_action_u1().
/// @param[in]  field   borrowed; first link angle in that layout. Angles need not be reduced.
/// @param[out] charge  an integer on a periodic lattice. Unchanged on failure.
/// @return STOQ_OK, STOQ_INVALID_ARGUMENT, STOQ_NOT_FINITE, STOQ_OUT_OF_MEMORY.
stoq_status_t stoq_u1_charge(const struct stoq_layout_t *layout,
                             const double *field,
                             int32_t *charge);

/// The Polyakov loop exp(i sum of the link angles around the lattice), averaged over the lattice.
///
/// @param[in]  layout     borrowed; two axes, two components, as for stoq_action_u1().
/// @param[in]  field      borrowed; first link angle in that layout. Angles need not be reduced.
/// @param[in]  axis       0 or 1: along which it runs.
/// @param[out] real       mean of its real part. Unchanged on failure.
/// @param[out] imaginary  mean of its imaginary part. Unchanged on failure.
/// @return STOQ_OK, STOQ_INVALID_ARGUMENT, STOQ_NOT_FINITE, STOQ_OUT_OF_MEMORY.
stoq_status_t stoq_u1_polyakov_loop(const struct stoq_layout_t *layout,
                                    const double *field,
                                    uint32_t axis,
                                    double *real,
                                    double *imaginary);

/// Computes what the functions below read, by the character expansion: some milliseconds on 64 x 64.
///
/// @param[in]  layout  borrowed; the lattice with two axes and two components. Strides do not matter.
/// @param[in]  beta    inverse coupling, 0 to 10^4.
/// @param[out] exact   transferred to the caller, who frees it with stoq_u1_exact_free(). Unchanged on
///                     failure.
/// @return STOQ_OK, STOQ_INVALID_ARGUMENT also for more than 2^24 sites, STOQ_OUT_OF_MEMORY.
stoq_status_t stoq_u1_exact_new(const struct stoq_layout_t *layout,
                                double beta,
                                struct stoq_u1_exact_t **exact);

/// Frees exact values.
///
/// @param[in] exact  transferred back; NULL is allowed and does nothing.
void stoq_u1_exact_free(struct stoq_u1_exact_t *exact);

/// The exact mean of stoq_u1_wilson_loop(); 1 x 1 is the plaquette.
///
/// @param[in]  exact   borrowed.
/// @param[in]  height  links along axis 0, 1 to the extent.
/// @param[in]  width   links along axis 1, likewise.
/// @param[out] value   the mean. Unchanged on failure.
/// @return STOQ_OK, or STOQ_INVALID_ARGUMENT.
stoq_status_t stoq_u1_exact_wilson_loop(const struct stoq_u1_exact_t *exact,
                                        size_t height,
                                        size_t width,
                                        double *value);

/// The exact mean of Q^2, Q as stoq_u1_charge() gives it. The topological susceptibility is that over the number
/// of sites.
///
/// @param[in]  exact  borrowed.
/// @param[out] value  the mean. Unchanged on failure.
/// @return STOQ_OK, or STOQ_INVALID_ARGUMENT.
stoq_status_t stoq_u1_exact_charge_squared(const struct stoq_u1_exact_t *exact,
                                           double *value);

/// The exact probability of a topological charge.
///
/// @param[in]  exact   borrowed.
/// @param[in]  charge  any; P(-Q) = P(Q).
/// @param[out] value   the probability, with rounding of about 10^-16 times the number of sites. Unchanged on
///                     failure.
/// @return STOQ_OK, or STOQ_INVALID_ARGUMENT.
stoq_status_t stoq_u1_exact_charge_probability(const struct stoq_u1_exact_t *exact,
                                               int32_t charge,
                                               double *value);

/// The exact mean of the squared modulus of stoq_u1_polyakov_loop(); the mean of the loop itself is 0.
///
/// @param[in]  exact  borrowed.
/// @param[in]  axis   0 or 1: along which it runs.
/// @param[out] value  the mean. Unchanged on failure.
/// @return STOQ_OK, or STOQ_INVALID_ARGUMENT.
stoq_status_t stoq_u1_exact_polyakov_square(const struct stoq_u1_exact_t *exact,
                                            uint32_t axis,
                                            double *value);

/// Fills options with the defaults.
///
/// @param[out] options  borrowed; every field is written. Unchanged on failure.
/// @return STOQ_OK, or STOQ_INVALID_ARGUMENT.
stoq_status_t stoq_fokker_planck_options_init(struct stoq_fokker_planck_options_t *options);

/// The centres phi of the cells at one time: where densities have their values.
///
/// @param[in]  schedule  borrowed; NULL for the default one.
/// @param[in]  options   borrowed; NULL for the defaults.
/// @param[in]  time      in [0, 1].
/// @param[out] points    room for options.cells numbers, ascending. Unchanged on failure.
/// @return STOQ_OK, STOQ_INVALID_ARGUMENT, STOQ_OUT_OF_MEMORY.
stoq_status_t stoq_fokker_planck_points(const struct stoq_schedule_t *schedule,
                                        const struct stoq_fokker_planck_options_t *options,
                                        double time,
                                        double *points);

/// The density that the forward process dphi = -1/2 k phi dt + g dW carries from one time to a later one,
/// without noise.
///
/// @param[in]  schedule  borrowed; NULL for the default one.
/// @param[in]  options   borrowed; NULL for the defaults.
/// @param[in]  from      time of `density`, in [0, 1].
/// @param[in]  to        time of `result`, from `from` to 1.
/// @param[in]  density   borrowed; options.cells values at the points of time `from`, see
///                       stoq_fokker_planck_points(). Need not be normalised.
/// @param[out] result    room for options.cells values at the points of time `to`, of mass 1; may be `density`
///                       itself. Unchanged on failure.
/// @return STOQ_OK, STOQ_INVALID_ARGUMENT, STOQ_NOT_FINITE, STOQ_OUT_OF_MEMORY.
stoq_status_t stoq_fokker_planck_forward(const struct stoq_schedule_t *schedule,
                                         const struct stoq_fokker_planck_options_t *options,
                                         double from,
                                         double to,
                                         const double *density,
                                         double *result);

/// The density that the backward process dphi = (1/2 k phi + g^2 s) dtau + g dW of a model carries from one
/// time to an earlier one: the law of a generator with infinitely many steps.
///
/// @param[in]  model    borrowed; of a single variable, with its schedule.
/// @param[in]  options  borrowed; NULL for the defaults.
/// @param[in]  from     time of `density`, in [0, 1].
/// @param[in]  to       time of `result`, from 0 to `from`.
/// @param[in]  density  borrowed; options.cells values at the points of time `from`. Need not be normalised.
/// @param[out] result   room for options.cells values at the points of time `to`, of mass 1; may be `density`
///                      itself. Unchanged on failure.
/// @return STOQ_OK, STOQ_INVALID_ARGUMENT, STOQ_NOT_FINITE, STOQ_OUT_OF_MEMORY.
stoq_status_t stoq_fokker_planck_backward(const struct stoq_model_t *model,
                                          const struct stoq_fokker_planck_options_t *options,
                                          double from,
                                          double to,
                                          const double *density,
                                          double *result);

/// Fills an estimate with NaN.
///
/// @param[out] estimate  borrowed; every field is written. Unchanged on failure.
/// @return STOQ_OK, or STOQ_INVALID_ARGUMENT.
stoq_status_t stoq_estimate_init(struct stoq_estimate_t *estimate);

/// Fills options with the defaults.
///
/// @param[out] options  borrowed; every field is written. Unchanged on failure.
/// @return STOQ_OK, or STOQ_INVALID_ARGUMENT.
stoq_status_t stoq_report_options_init(struct stoq_report_options_t *options);

/// Makes a report without configurations.
///
/// @param[in]  layout   copied; of the fields that stoq_report_push() will get.
/// @param[in]  options  borrowed; NULL for the defaults.
/// @param[in]  names    borrowed; names of observables that the caller measures, such as the action or a fermion
///                      condensate, with commas between them: as many numbers come with every configuration. NULL or "" for
///                      none.
/// @param[out] report   transferred to the caller, who frees it with stoq_report_free(). Unchanged on failure.
/// @return STOQ_OK, STOQ_INVALID_ARGUMENT, STOQ_OUT_OF_MEMORY.
stoq_status_t stoq_report_new(const struct stoq_layout_t *layout,
                              const struct stoq_report_options_t *options,
                              const char *names,
                              struct stoq_report_t **report);

/// Adds the next configuration of the chain.
///
/// @param[in] report  borrowed; one caller at a time. Unchanged on failure.
/// @param[in] field   borrowed; in the layout of the report.
/// @param[in] own     borrowed; the caller's observables of this configuration, in the order of their names. Not read if
///                    there are none: NULL.
/// @return STOQ_OK, STOQ_INVALID_ARGUMENT also for values beyond 10^37, STOQ_NOT_FINITE, STOQ_WRONG_ORDER,
///         STOQ_OUT_OF_MEMORY.
stoq_status_t stoq_report_push(struct stoq_report_t *report,
                               const double *field,
                               const double *own);

/// Adds consecutive configurations of the chain, by as many threads as the options say.
///
/// @param[in] report  borrowed; one caller at a time. On failure the configurations before the one refused may have been
///                    added.
/// @param[in] count   number of configurations; 0 changes nothing.
/// @param[in] fields  borrowed; `count` fields one after the other, each in C order without gaps, its components one after
///                    the other, whatever the layout of the report.
/// @param[in] own     borrowed; the caller's observables, those of the first configuration first. Not read if there are
///                    none: NULL.
/// @return STOQ_OK, STOQ_INVALID_ARGUMENT also for values beyond 10^37, STOQ_NOT_FINITE, STOQ_WRONG_ORDER.
stoq_status_t stoq_report_push_many(struct stoq_report_t *report,
                                    size_t count,
                                    const double *fields,
                                    const double *own);

/// Ends the chain: the next configuration belongs to another one, independent of those before.
///
/// @param[in] report  borrowed; one caller at a time.
/// @return STOQ_OK, STOQ_INVALID_ARGUMENT, STOQ_WRONG_ORDER.
stoq_status_t stoq_report_end_chain(struct stoq_report_t *report);

/// Adds all that another report holds, of other chains: of another thread or rank. The chain that is open in `report` goes
/// on.
///
/// @param[in] report  borrowed; one caller at a time. Unchanged on failure.
/// @param[in] other   borrowed; another one than `report`, of the same lattice, options and names.
/// @return STOQ_OK, STOQ_INVALID_ARGUMENT, STOQ_SHAPE_MISMATCH, STOQ_WRONG_ORDER.
stoq_status_t stoq_report_merge(struct stoq_report_t *report,
                                const struct stoq_report_t *other);

/// Says what an observable should be; the report then gives z = (value - exact) / error.
///
/// @param[in] report  borrowed; one caller at a time. Unchanged on failure.
/// @param[in] name    borrowed; name of the observable, see stoq_field_kind_t, or one of the caller's.
/// @param[in] exact   its value.
/// @return STOQ_OK, STOQ_INVALID_ARGUMENT, STOQ_WRONG_ORDER.
stoq_status_t stoq_report_set_exact(struct stoq_report_t *report, const char *name, double exact);

/// One observable over all configurations so far: by the Gamma method where a mean, or a function of few means, allows
/// it, else by the jackknife over bins of at least 10 tau_int of the slowest observable (as far as 8 bins allow).
///
/// @param[in]     report    borrowed.
/// @param[in]     name      borrowed; name of the observable, see stoq_field_kind_t, or one of the caller's.
/// @param[in,out] estimate  borrowed; its struct_size is read, all other fields are written. Unchanged on failure.
/// @return STOQ_OK, STOQ_INVALID_ARGUMENT also for fewer than two configurations or data that leave no estimate,
///         STOQ_WRONG_ORDER.
stoq_status_t stoq_report_observable(const struct stoq_report_t *report,
                                     const char *name,
                                     struct stoq_estimate_t *estimate);

/// The whole report as JSON: {"configurations", "chains", "extent", "components", "observables": {name: {"value",
/// "error", "tau_int", "window", "exact", "z", ...}}}; what does not apply is absent.
///
/// @param[in]  report    borrowed.
/// @param[out] buffer    receives the text with a NUL at its end. NULL: only `needed` is wanted. Unchanged on failure.
/// @param[in]  capacity  room in `buffer`, in bytes.
/// @param[out] needed    number of bytes with the NUL; set also when `capacity` is too small. May be NULL if `buffer` is
///                       not.
/// @return STOQ_OK, STOQ_INVALID_ARGUMENT also for fewer than two configurations, STOQ_WRONG_ORDER.
stoq_status_t stoq_report_json(const struct stoq_report_t *report,
                               char *buffer,
                               size_t capacity,
                               size_t *needed);

/// The report as a table to read; powers, time slices, masses and the histogram are in the JSON only.
///
/// @param[in]  report    borrowed.
/// @param[out] buffer    receives the text with a NUL at its end. NULL: only `needed` is wanted. Unchanged on failure.
/// @param[in]  capacity  room in `buffer`, in bytes.
/// @param[out] needed    number of bytes with the NUL; set also when `capacity` is too small. May be NULL if `buffer` is
///                       not.
/// @return STOQ_OK, STOQ_INVALID_ARGUMENT also for fewer than two configurations, STOQ_WRONG_ORDER.
stoq_status_t stoq_report_text(const struct stoq_report_t *report,
                               char *buffer,
                               size_t capacity,
                               size_t *needed);

/// Frees a report.
///
/// @param[in] report  transferred back; NULL is allowed and does nothing.
void stoq_report_free(struct stoq_report_t *report);

/// Fills options with the defaults.
///
/// @param[out] options  borrowed; every field is written. Unchanged on failure.
/// @return STOQ_OK, or STOQ_INVALID_ARGUMENT.
stoq_status_t stoq_statistics_options_init(struct stoq_statistics_options_t *options);

/// The mean of an observable, or a function of the means of several, over one chain or several, with its error.
///
/// @param[in]     options      borrowed; NULL for the defaults.
/// @param[in]     chains       number of chains, at least 1.
/// @param[in]     lengths      borrowed; number of values of each chain.
/// @param[in]     observables  number of observables, at least 1.
/// @param[in]     series       borrowed; of the first observable the values of the first chain, then those of the second,
///                             and so on; then the same of the second observable.
/// @param[in]     of_means     function of the means; NULL for the mean of the only observable.
/// @param[in]     user         given to `of_means`.
/// @param[in,out] estimate     borrowed; its struct_size is read, all other fields are written. Unchanged on failure.
/// @return STOQ_OK, STOQ_INVALID_ARGUMENT, STOQ_NOT_FINITE, STOQ_CALLBACK_STOPPED.
stoq_status_t stoq_statistics_estimate(const struct stoq_statistics_options_t *options,
                                       size_t chains,
                                       const size_t *lengths,
                                       size_t observables,
                                       const double *series,
                                       stoq_function_callback_t of_means,
                                       void *user,
                                       struct stoq_estimate_t *estimate);

/// The histogram of an observable over one chain or several, with errors that know the autocorrelation.
///
/// @param[in]  chains            number of chains, at least 1.
/// @param[in]  lengths           borrowed; number of values of each chain.
/// @param[in]  series            borrowed; the values of the first chain, then those of the second, and so on.
/// @param[in]  cells             number of cells, 1 to 100000.
/// @param[in]  edges             borrowed; cells + 1 ascending numbers. A cell holds its lower edge, not its upper one.
/// @param[out] probabilities     room for `cells` numbers: the share of values in each cell. Unchanged on failure.
/// @param[out] errors            room for `cells` standard errors. Unchanged on failure.
/// @param[out] effective_values  number of independent values that would know the cells as well. NULL if not wanted.
///                               Unchanged on failure.
/// @return STOQ_OK, STOQ_INVALID_ARGUMENT, STOQ_NOT_FINITE.
stoq_status_t stoq_statistics_histogram(size_t chains,
                                        const size_t *lengths,
                                        const double *series,
                                        size_t cells,
                                        const double *edges,
                                        double *probabilities,
                                        double *errors,
                                        double *effective_values);

/// Tests whether two samples, each of one chain or several, have the same law, with as many independent values as
/// autocorrelation leaves of each.
///
/// @param[in]  test            STOQ_TWO_SAMPLE_KOLMOGOROV or STOQ_TWO_SAMPLE_CHI_SQUARED.
/// @param[in]  first_chains    number of chains of the first sample, at least 1.
/// @param[in]  first_lengths   borrowed; number of values of each.
/// @param[in]  first_series    borrowed; the values of the first chain, then those of the second, and so on.
/// @param[in]  second_chains   number of chains of the second sample, at least 1.
/// @param[in]  second_lengths  borrowed; number of values of each.
/// @param[in]  second_series   borrowed; as `first_series`.
/// @param[in]  cells           number of cells of the histograms; not read by the other test.
/// @param[in]  edges           borrowed; cells + 1 ascending numbers; not read by the other test.
/// @param[out] statistic       the largest distance of the distribution functions, or chi^2. NULL if not wanted. Unchanged
///                             on failure.
/// @param[out] p_value         probability of a statistic as large or larger if the laws are the same. Unchanged on failure.
/// @return STOQ_OK, STOQ_INVALID_ARGUMENT, STOQ_NOT_FINITE.
stoq_status_t stoq_statistics_two_sample(stoq_two_sample_t test,
                                         size_t first_chains,
                                         const size_t *first_lengths,
                                         const double *first_series,
                                         size_t second_chains,
                                         const size_t *second_lengths,
                                         const double *second_series,
                                         size_t cells,
                                         const double *edges,
                                         double *statistic,
                                         double *p_value);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* STOQ_H */
