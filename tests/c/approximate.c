/* What is approximate and named so: generators, densities, complex Langevin; and the analysis that goes with
 * them: cumulants, the Fokker-Planck equation. Closed forms, and 19 statistical checks at 4 sigma with fixed
 * seeds (a false alarm in one of 800 seeds). */
#define NO_CHAINS
#include "check.h"
#include <math.h>

#define TWO_PI 6.283185307179586
enum { SAMPLES = 20 };

static double covariance(int p)
{
    return 1.0 / (2.0 - 4.0 * KAPPA * (cos(TWO_PI * (p / EXTENT) / EXTENT) + cos(TWO_PI * (p % EXTENT) / EXTENT)));
}

static double log_partition(void)
{
    double sum = 0.0;
    for (int p = 0; p < SITES; p++) sum += 0.5 * log(TWO_PI * covariance(p));
    return sum;
}

static double action_of(stoq_action_t *action, const double *field)
{
    double value = NAN;
    MUST(stoq_action_evaluate(action, field, &value));
    return value;
}

static stoq_generator_options_t generator_options(int32_t method)
{
    stoq_generator_options_t options;
    MUST(stoq_generator_options_init(&options));
    options.method = method;
    options.levels = 7;
    return options;
}

static stoq_generator_t *generator_with(const stoq_model_t *model, const stoq_generator_options_t *options)
{
    stoq_generator_t *generator = NULL;
    MUST(stoq_generator_new(model, NULL, options, &generator));
    return generator;
}

/* For a free field the posterior steps are exact: log w is log Z for every sample, and every portion and batch
 * gives the same samples. */
static void free_field_generator(const stoq_model_t *model, stoq_action_t *action)
{
    stoq_generator_options_t options = generator_options(STOQ_METHOD_POSTERIOR);
    stoq_generator_t *generator = generator_with(model, &options);
    static double whole[SAMPLES * SITES], parts[SAMPLES * SITES];
    double weights[SAMPLES], others[SAMPLES];
    MUST(stoq_generator_generate(generator, 100, SAMPLES, whole, weights));
    for (int i = 0; i < SAMPLES; i++)
        CHECK(fabs(weights[i] - action_of(action, whole + i * SITES) - log_partition()) < 1e-9);
    MUST(stoq_generator_generate(generator, 107, 13, parts + 7 * SITES, NULL));
    stoq_generator_free(generator);
    double times[7];
    for (int i = 0; i < 7; i++) times[i] = (i + 1) / 7.0;
    options.batch = 3, options.grid = STOQ_GRID_LINEAR;
    generator = generator_with(model, &options);
    options.times = times, options.grid = 77; /* the same levels in other words */
    stoq_generator_t *same = generator_with(model, &options);
    MUST(stoq_generator_generate(generator, 100, 7, parts, others));
    CHECK(memcmp(parts, whole, 7 * SITES * sizeof *parts) != 0);
    MUST(stoq_generator_generate(same, 100, 7, parts, weights));
    stoq_generator_free(generator);
    stoq_generator_free(same);
    for (int i = 0; i < 7; i++) CHECK(fabs(weights[i] - others[i]) < 1e-9);
    options = generator_options(STOQ_METHOD_POSTERIOR);
    options.batch = 3;
    generator = generator_with(model, &options);
    MUST(stoq_generator_generate(generator, 100, 7, parts, others));
    CHECK(memcmp(parts, whole, sizeof whole) == 0);
    stoq_generator_free(generator);
}

/* <phi^2> of a method at many levels, against that of the free field; log weights where there are some. */
static void method_is_close(const stoq_model_t *model, int32_t method, double bias)
{
    enum { COUNT = 400 };
    static double fields[COUNT * SITES], weights[COUNT];
    stoq_generator_options_t options = generator_options(method);
    options.levels = 150, options.grid = STOQ_GRID_GEOMETRIC;
    options.corrections = method == STOQ_METHOD_ANNEALED ? 10 : 1;
    options.correction = STOQ_CORRECTION_FRACTION, options.correction_size = 0.1;
    stoq_generator_t *generator = generator_with(model, &options);
    int weighted = method <= STOQ_METHOD_ANCESTRAL;
    if (weighted) {
        MUST(stoq_generator_generate(generator, 0, COUNT, fields, weights));
    } else {
        fields[0] = 77.0;
        FAILS(STOQ_INVALID_ARGUMENT, "method", stoq_generator_generate(generator, 0, COUNT, fields, weights));
        CHECK(fields[0] == 77.0);
        MUST(stoq_generator_generate(generator, 0, COUNT, fields, NULL));
    }
    double sum = 0.0, squares = 0.0, exact = 0.0;
    for (int i = 0; i < COUNT; i++) {
        double square = 0.0;
        const double *field = fields + i * SITES;
        for (int site = 0; site < SITES; site++) square += field[site] * field[site] / SITES;
        sum += square / COUNT, squares += square * square / COUNT;
    }
    for (int p = 0; p < SITES; p++) exact += covariance(p) / SITES;
    double error = sqrt((squares - sum * sum) / COUNT);
    CHECK(fabs(sum - exact) < 4.0 * error + bias * exact && error < 0.1 * exact);
    if (getenv("STOQ_SHOW"))
        fprintf(stderr, "method %d: <phi^2> %.4f +- %.4f, exact %.4f\n", method, sum, error, exact);
    stoq_generator_free(generator);
}

/* The density of a free field is closed; every way to find it gives that. */
static void free_field_likelihood(const stoq_model_t *model, stoq_action_t *action)
{
    stoq_generator_options_t flow = generator_options(STOQ_METHOD_PROBABILITY_FLOW);
    stoq_generator_t *generator = generator_with(model, &flow);
    static double fields[SAMPLES * SITES];
    double density[SAMPLES], error[SAMPLES];
    MUST(stoq_generator_generate(generator, 0, SAMPLES, fields, NULL));
    for (int which = 0; which < 4; which++) {
        stoq_likelihood_options_t options;
        MUST(stoq_likelihood_options_init(&options));
        options.trace = which % 2 ? STOQ_TRACE_HUTCHINSON : STOQ_TRACE_EXACT;
        options.coordinates = which / 2 ? STOQ_COORDINATES_PLAIN : STOQ_COORDINATES_WHITENED;
        options.tolerance = 1e-7;
        int count = which == 3 ? SAMPLES : 3, estimated = which == 3; /* plain and random: has an error */
        MUST(stoq_likelihood(model, &options, (size_t)count, fields, density, error));
        double chi = 0.0;
        for (int i = 0; i < count; i++) {
            double exact = -action_of(action, fields + i * SITES) - log_partition();
            if (!estimated) CHECK(fabs(density[i] - exact) < 1e-4 && error[i] < 1e-4);
            else chi += (density[i] - exact) * (density[i] - exact) / (error[i] * error[i] * SAMPLES);
        }
        /* The mean of t^2 with 9 degrees of freedom is 9/7, its standard deviation 0.5 over 20 samples. */
        if (estimated) CHECK(chi > 0.2 && chi < 9.0 / 7.0 + 4 * 0.5);
    }
    MUST(stoq_likelihood(model, NULL, SAMPLES, fields, density, NULL));
    FAILS(STOQ_INVALID_ARGUMENT, "count", stoq_likelihood(model, NULL, 0, fields, density, NULL));
    fields[3] = NAN, density[0] = 77.0;
    FAILS(STOQ_NOT_FINITE, "fields", stoq_likelihood(model, NULL, 1, fields, density, NULL));
    CHECK(density[0] == 77.0);
    stoq_generator_free(generator);
}

static int calls, reenter;
static stoq_generator_t *tailed;

static int32_t host_phi4(void *user, const double *field, size_t values, double *action)
{
    double sum = 0.0, other[SITES];
    (void)user;
    if (reenter) FAILS(STOQ_WRONG_ORDER, "callback", stoq_generator_generate(tailed, 0, 1, other, NULL));
    for (size_t i = 0; i < values; i++) sum += 0.5 * field[i] * field[i];
    calls++;
    *action = sum;
    return reenter > 1 ? -3 : 0;
}

static void errors_of_generators(const stoq_model_t *model)
{
    stoq_layout_t layout = square(), line;
    const size_t extents[1] = {SITES};
    stoq_generator_options_t options = generator_options(STOQ_METHOD_ANCESTRAL);
    stoq_action_t *action = NULL, *elsewhere = NULL;
    double field[SITES] = {77.0};
#define BAD(method_, field_, value_)                                                                         \
    do {                                                                                                     \
        stoq_generator_options_t bad = generator_options(method_);                                           \
        bad.field_ = (value_);                                                                               \
        FAILS(STOQ_INVALID_ARGUMENT, "options->" #field_, stoq_generator_new(model, NULL, &bad, &tailed));    \
    } while (0)
    BAD(0, method, 0);
    BAD(1, method, 7);
    BAD(1, levels, 0);
    BAD(1, batch, 0);
    BAD(1, threads, 1025);
    BAD(1, ending, 0);
    BAD(1, grid, 9);
    BAD(1, chain, UINT32_MAX);
    BAD(1, tail_moves, 3);
    BAD(STOQ_METHOD_POSTERIOR, ending, STOQ_ENDING_STOP);
    BAD(STOQ_METHOD_ANNEALED, correction, 3);
    BAD(STOQ_METHOD_PROBABILITY_FLOW, tolerance, 0.0);
    double times[2] = {0.5, 0.4};
    options.times = times, options.levels = 2;
    FAILS(STOQ_INVALID_ARGUMENT, "options->times", stoq_generator_new(model, NULL, &options, &tailed));
    times[1] = 1.0, options.tail_moves = 4;
    MUST(stoq_layout_init(&line, 1, extents));
    MUST(stoq_action_toy(&line, 1.0, 0.0, &elsewhere));
    FAILS(STOQ_SHAPE_MISMATCH, "action", stoq_generator_new(model, elsewhere, &options, &tailed));
    stoq_action_free(elsewhere);
    MUST(stoq_action_callback(&layout, host_phi4, NULL, NULL, &action));
    MUST(stoq_generator_new(model, action, &options, &tailed));
    stoq_action_free(action);
    reenter = 1;
    MUST(stoq_generator_generate(tailed, 0, 1, field, NULL));
    CHECK(calls == 1 + 4 && field[0] != 77.0);
    field[0] = 77.0, reenter = 2;
    FAILS(STOQ_CALLBACK_STOPPED, "-3", stoq_generator_generate(tailed, 0, 1, field, NULL));
    reenter = 0;
    FAILS(STOQ_INVALID_ARGUMENT, "fields", stoq_generator_generate(tailed, 0, 1, NULL, NULL));
    FAILS(STOQ_INVALID_ARGUMENT, "count", stoq_generator_generate(tailed, 0, 0, field, NULL));
    FAILS(STOQ_INVALID_ARGUMENT, "first_sample", stoq_generator_generate(tailed, UINT64_MAX, 2, field, NULL));
    CHECK(field[0] == 77.0);
    stoq_generator_free(tailed);
}

/* A covariance that the host gives; it must be that of a real field. */
static void gaussian_model(const stoq_model_t *free_field)
{
    stoq_layout_t layout = square();
    stoq_model_t *model = NULL;
    double given[SITES], fields[SITES], one[SITES], other[SITES], time = 0.3;
    for (int p = 0; p < SITES; p++) given[p] = covariance(p) * (1.0 + 1e-13 * p), fields[p] = 0.1 * p - 0.7;
    MUST(stoq_model_gaussian(&layout, NULL, given, &model));
    MUST(stoq_model_score(model, 1, &time, fields, one));
    MUST(stoq_model_score(free_field, 1, &time, fields, other));
    for (int p = 0; p < SITES; p++) CHECK(fabs(one[p] - other[p]) < 1e-10);
    stoq_model_free(model);
    given[1] *= 1.001;
    FAILS(STOQ_INVALID_ARGUMENT, "covariance[1]", stoq_model_gaussian(&layout, NULL, given, &model));
    given[1] = -1.0;
    FAILS(STOQ_INVALID_ARGUMENT, "covariance[1]", stoq_model_gaussian(&layout, NULL, given, &model));

    stoq_schedule_t schedule;
    MUST(stoq_schedule_init(&schedule));
    for (int32_t scheme = STOQ_SCHEME_VARIANCE_EXPANDING; scheme <= STOQ_SCHEME_INTERPOLATING; scheme++) {
        schedule.scheme = scheme, schedule.sigma = 5.0, schedule.contraction = 0.5;
        MUST(stoq_model_free_field(&layout, &schedule, KAPPA, &model));
        stoq_model_free(model);
    }
    schedule.contraction = 1.5;
    FAILS(STOQ_INVALID_ARGUMENT, "schedule->contraction", stoq_model_free_field(&layout, &schedule, KAPPA, &model));
    schedule.sigma = 1.0;
    FAILS(STOQ_INVALID_ARGUMENT, "schedule->sigma", stoq_model_free_field(&layout, &schedule, KAPPA, &model));
    schedule.scheme = 4;
    FAILS(STOQ_INVALID_ARGUMENT, "schedule->scheme", stoq_model_free_field(&layout, &schedule, KAPPA, &model));
    schedule.reserved = 1;
    FAILS(STOQ_INVALID_ARGUMENT, "schedule->reserved", stoq_model_free_field(&layout, &schedule, KAPPA, &model));
    FAILS(STOQ_INVALID_ARGUMENT, "kappa", stoq_model_free_field(&layout, NULL, 0.26, &model));
}

/* The Gaussian model: <z^2> = 1 / sigma0 = (1 - i) / 2 for sigma0 = 1 + i. */
static void complex_langevin(void)
{
    enum { COPIES = 128, BINS = 40, BIN = 8 };
    static double z[2 * COPIES], again[2 * COPIES];
    stoq_complex_langevin_options_t options;
    stoq_complex_langevin_t *process = NULL, *twin = NULL;
    MUST(stoq_complex_langevin_options_init(&options));
    options.seed = 3, options.step = 0.02;
    MUST(stoq_complex_langevin_new(1.0, 1.0, 0.0, COPIES, &options, &process));
    MUST(stoq_complex_langevin_new(1.0, 1.0, 0.0, COPIES, &options, &twin));
    double sum[2] = {0.0}, squares[2] = {0.0};
    for (int i = 0; i < 12; i++) MUST(stoq_complex_langevin_next(process, z));
    for (int i = 0; i < 12; i++) MUST(stoq_complex_langevin_next(twin, again));
    CHECK(memcmp(z, again, sizeof z) == 0);
    for (int bin = 0; bin < BINS; bin++) {
        double mean[2] = {0.0, 0.0};
        for (int i = 0; i < BIN; i++) {
            MUST(stoq_complex_langevin_next(process, z));
            for (int site = 0; site < COPIES; site++) {
                double x = z[site], y = z[COPIES + site];
                mean[0] += (x * x - y * y) / (BIN * COPIES), mean[1] += 2.0 * x * y / (BIN * COPIES);
            }
        }
        for (int part = 0; part < 2; part++)
            sum[part] += mean[part] / BINS, squares[part] += mean[part] * mean[part] / BINS;
    }
    for (int part = 0; part < 2; part++) {
        double error = sqrt((squares[part] - sum[part] * sum[part]) / (BINS - 1)), exact = part ? -0.5 : 0.5;
        CHECK(fabs(sum[part] - exact) < 4.0 * error && error < 0.02);
    }
    stoq_complex_langevin_free(process);
    stoq_complex_langevin_free(twin);
    FAILS(STOQ_INVALID_ARGUMENT, "a =", stoq_complex_langevin_new(-1.0, 1.0, 0.0, 4, NULL, &process));
    FAILS(STOQ_INVALID_ARGUMENT, "sites", stoq_complex_langevin_new(1.0, 1.0, 0.0, 0, NULL, &process));
    FAILS(STOQ_INVALID_ARGUMENT, "sites", stoq_complex_langevin_new(1.0, 1.0, 0.0, SIZE_MAX, NULL, &process));
    options.step = -1.0;
    FAILS(STOQ_INVALID_ARGUMENT, "options->step", stoq_complex_langevin_new(1.0, 1.0, 0.0, 4, &options, &process));
    options.reserved = 1;
    FAILS(STOQ_INVALID_ARGUMENT, "options->reserved",
          stoq_complex_langevin_new(1.0, 1.0, 0.0, 4, &options, &process));
}

/* Uniform numbers on (-1/2, 1/2): kappa_n = B_n / n. */
static void cumulants(void)
{
    stoq_cumulants_t *parts[2] = {NULL, NULL};
    uint64_t state = 12345;
    double values[8], errors[8], correlation[8], block[100];
    const double exact[8] = {0.0, 1.0 / 12, 0.0, -1.0 / 120, 0.0, 1.0 / 252, 0.0, -1.0 / 240};
    for (int part = 0; part < 2; part++) {
        MUST(stoq_cumulants_new(64, &parts[part]));
        FAILS(STOQ_INVALID_ARGUMENT, "values for cumulants = 0",
              stoq_cumulants_estimate(parts[part], 0, values, errors, NULL));
        for (int i = 0; i < 2000; i++) {
            for (int j = 0; j < 100; j++) {
                state = state * 6364136223846793005u + 1442695040888963407u;
                block[j] = (double)(state >> 11) / 9007199254740992.0 - 0.5;
            }
            MUST(stoq_cumulants_push(parts[part], 100, block));
        }
    }
    MUST(stoq_cumulants_merge(parts[0], parts[1]));
    for (int32_t symmetry = STOQ_SYMMETRY_NONE; symmetry <= STOQ_SYMMETRY_EVEN; symmetry++) {
        MUST(stoq_cumulants_estimate(parts[0], symmetry, values, errors, correlation));
        for (int n = 1; n < 8; n += 2)
            CHECK(fabs(values[n] - exact[n]) < 4.0 * errors[n] && errors[n] < 0.1 * fabs(exact[n]));
        CHECK(fabs(values[0]) <= 4.0 * errors[0] && fabs(correlation[1]) < 0.5);
        if (symmetry == STOQ_SYMMETRY_EVEN) CHECK(values[0] == 0.0 && values[2] == 0.0);
    }
    values[0] = block[0] = NAN;
    FAILS(STOQ_NOT_FINITE, "values", stoq_cumulants_push(parts[0], 3, block));
    FAILS(STOQ_INVALID_ARGUMENT, "itself", stoq_cumulants_merge(parts[0], parts[0]));
    FAILS(STOQ_INVALID_ARGUMENT, "symmetry", stoq_cumulants_estimate(parts[0], 2, values, errors, NULL));
    FAILS(STOQ_INVALID_ARGUMENT, "values", stoq_cumulants_estimate(parts[0], 0, NULL, errors, NULL));
    FAILS(STOQ_INVALID_ARGUMENT, "bins", stoq_cumulants_new(1, &parts[1]));
    stoq_cumulants_free(parts[0]);
    stoq_cumulants_free(parts[1]);
}

/* A Gaussian stays one: variance f^2 v + Xi forward, and back again by its score. */
static void fokker_planck(void)
{
    enum { CELLS = 400 };
    const size_t one[1] = {1};
    const double variance = 0.7, time = 0.6, xi = expm1(2.0 * log(25.0) * time) / (2.0 * log(25.0));
    stoq_fokker_planck_options_t options;
    stoq_layout_t point;
    stoq_model_t *model = NULL;
    double points[2][CELLS], density[CELLS], start[CELLS], worst[2] = {0.0};
    MUST(stoq_fokker_planck_options_init(&options));
    options.cells = CELLS, options.steps = 400;
    MUST(stoq_layout_init(&point, 1, one));
    MUST(stoq_model_gaussian(&point, NULL, &variance, &model));
    MUST(stoq_fokker_planck_points(NULL, &options, 0.0, points[0]));
    MUST(stoq_fokker_planck_points(NULL, &options, time, points[1]));
    for (int i = 0; i < CELLS; i++) density[i] = exp(-0.5 * points[0][i] * points[0][i] / variance); /* any norm */
    memcpy(start, density, sizeof start);
    MUST(stoq_fokker_planck_forward(NULL, &options, 0.0, time, density, density));
    for (int i = 0; i < CELLS; i++) {
        double v = variance + xi, exact = exp(-0.5 * points[1][i] * points[1][i] / v) / sqrt(TWO_PI * v);
        worst[0] = fmax(worst[0], fabs(density[i] - exact) * sqrt(v));
    }
    MUST(stoq_fokker_planck_backward(model, &options, time, 0.0, density, density));
    for (int i = 0; i < CELLS; i++)
        worst[1] = fmax(worst[1], fabs(density[i] - start[i] / sqrt(TWO_PI * variance)) * sqrt(variance));
    if (getenv("STOQ_SHOW")) fprintf(stderr, "Fokker-Planck: off by %.1e, and back by %.1e\n", worst[0], worst[1]);
    CHECK(worst[0] < 1e-3 && worst[1] < 3e-3);
    FAILS(STOQ_INVALID_ARGUMENT, "to", stoq_fokker_planck_forward(NULL, &options, 0.5, 0.4, start, density));
    FAILS(STOQ_INVALID_ARGUMENT, "to", stoq_fokker_planck_backward(model, &options, 0.4, 0.5, start, density));
    FAILS(STOQ_INVALID_ARGUMENT, "time", stoq_fokker_planck_forward(NULL, &options, 0.5, 1.5, start, density));
    start[7] = NAN;
    FAILS(STOQ_NOT_FINITE, "density", stoq_fokker_planck_forward(NULL, &options, 0.0, 0.5, start, density));
    options.cells = 2;
    FAILS(STOQ_INVALID_ARGUMENT, "options->cells", stoq_fokker_planck_points(NULL, &options, 0.5, density));
    stoq_model_free(model);
}

int main(void)
{
    stoq_layout_t layout = square();
    stoq_model_t *model = NULL;
    stoq_action_t *action = NULL;
    MUST(stoq_model_free_field(&layout, NULL, KAPPA, &model));
    MUST(stoq_action_phi4(&layout, KAPPA, 0.0, &action));
    free_field_generator(model, action);
    method_is_close(model, STOQ_METHOD_EULER_MARUYAMA, 0.1);
    method_is_close(model, STOQ_METHOD_POSTERIOR, 0.0);
    method_is_close(model, STOQ_METHOD_ANCESTRAL, 0.05);
    method_is_close(model, STOQ_METHOD_PREDICTOR_CORRECTOR, 0.05);
    method_is_close(model, STOQ_METHOD_PROBABILITY_FLOW, 0.0);
    method_is_close(model, STOQ_METHOD_ANNEALED, 0.1);
    free_field_likelihood(model, action);
    errors_of_generators(model);
    gaussian_model(model);
    complex_langevin();
    cumulants();
    fokker_planck();
    stoq_action_free(action);
    stoq_model_free(model);
    return finish("approximate");
}
