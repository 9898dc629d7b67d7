/* Reports on streams of configurations, and statistics of series. Statistical checks are at 4 sigma, 12 of them with fixed
 * seeds: a false alarm in one of 1300 seeds. */
#define NO_CHAINS
#include "check.h"
#include <math.h>

enum { COUNT = 4000, VALUES = 6000 };

/* Independent normals, by a generator of its own: sums of 12 uniforms have variance 1 and kappa_4 = -1/10. */
static double uniform(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (double)(*state >> 11) / 9007199254740992.0;
}

static double noise(uint64_t *state)
{
    double sum = -6.0;
    for (int i = 0; i < 12; i++) sum += uniform(state);
    return sum;
}

static stoq_estimate_t observable(const stoq_report_t *report, const char *name)
{
    stoq_estimate_t found;
    MUST(stoq_estimate_init(&found));
    MUST(stoq_report_observable(report, name, &found));
    return found;
}

/* White noise with a column between the sites: the same numbers by the layout, in one piece, and merged. */
static void reports(void)
{
    static double fields[COUNT][SITES], own[COUNT][2], padded[EXTENT][EXTENT + 1];
    stoq_layout_t plain = square(), gaps = square();
    stoq_report_options_t options;
    stoq_report_t *whole = NULL, *parts = NULL, *other = NULL;
    uint64_t state = 1;
    gaps.strides[0] = EXTENT + 1, gaps.strides[1] = 1;
    MUST(stoq_report_options_init(&options));
    options.threads = 2, options.symmetry = STOQ_SYMMETRY_EVEN;
    options.histogram_cells = 8;
    for (int i = 0; i < COUNT; i++) {
        own[i][0] = own[i][1] = 0.0;
        for (int site = 0; site < SITES; site++) {
            fields[i][site] = noise(&state);
            own[i][0] += 0.5 * fields[i][site] * fields[i][site];
            own[i][1] += fields[i][site] / SITES;
        }
    }
    MUST(stoq_report_new(&plain, &options, "action, mean", &whole));
    MUST(stoq_report_new(&gaps, &options, "action,mean", &parts));
    MUST(stoq_report_new(&gaps, &options, "action,mean", &other));
    MUST(stoq_report_push_many(whole, COUNT / 2, fields[0], own[0]));
    MUST(stoq_report_end_chain(whole));
    MUST(stoq_report_push_many(whole, COUNT / 2, fields[COUNT / 2], own[COUNT / 2]));
    MUST(stoq_report_push_many(whole, 0, fields[0], own[0]));
    for (int i = 0; i < COUNT; i++) {
        for (int site = 0; site < SITES; site++) padded[site / EXTENT][site % EXTENT] = fields[i][site];
        MUST(stoq_report_push(i < COUNT / 2 ? parts : other, padded[0], own[i]));
    }
    MUST(stoq_report_merge(parts, other));
    MUST(stoq_report_set_exact(whole, "chi2", 1.0));
    MUST(stoq_report_set_exact(whole, "kappa2", 1.0));
    MUST(stoq_report_set_exact(whole, "action", 8.0));
    MUST(stoq_report_set_exact(whole, "G_1", 1.0));
    const char *names[] = {"chi2", "kappa2", "action", "G_1"};
    for (int i = 0; i < 4; i++) {
        stoq_estimate_t found = observable(whole, names[i]);
        CHECK(fabs(found.z) < 4.0 && found.exact == (i == 2 ? 8.0 : 1.0) && found.error > 0.0);
        CHECK(fabs(found.z * found.error - (found.value - found.exact)) < 1e-12);
    }
    stoq_estimate_t mag = observable(whole, "mag"), mean = observable(whole, "mean");
    CHECK(fabs(mag.value - mean.value) < 1e-12 && fabs(mag.error - mean.error) < 1e-12);
    CHECK(fabs(mag.tau_int - 0.5) < 0.1 && mag.window >= 1.0 && mag.window_closed == 1.0 && isnan(mag.z));
    stoq_estimate_t again = observable(parts, "abs_mag"), once = observable(whole, "abs_mag");
    CHECK(fabs(again.value - once.value) < 1e-12 && fabs(again.error - once.error) < 1e-10 && isnan(once.argument));
    stoq_estimate_t slice = observable(whole, "C_2"), cell = observable(whole, "histogram_4");
    CHECK(slice.argument == 2.0 && isnan(slice.tau_int) && fabs(slice.bin_correlation) < 0.5);
    CHECK(cell.argument == -0.125 && fabs(cell.value - 0.3413) < 0.05);

    size_t needed = 0;
    MUST(stoq_report_json(whole, NULL, 0, &needed));
    char *text = malloc(needed);
    MUST(stoq_report_json(whole, text, needed, NULL));
    CHECK(strlen(text) == needed - 1 && strstr(text, "\"configurations\":4000") && strstr(text, "\"chains\":2"));
    FAILS(STOQ_INVALID_ARGUMENT, "capacity", stoq_report_json(whole, text, 3, NULL));
    free(text);
    MUST(stoq_report_text(whole, NULL, 0, &needed));
    text = malloc(needed);
    MUST(stoq_report_text(whole, text, needed, NULL));
    CHECK(strstr(text, "4000 configurations in 2 chains") && strstr(text, "chi_connected"));
    free(text);

    stoq_estimate_t found = once;
    FAILS(STOQ_INVALID_ARGUMENT, "abs_mag", stoq_report_observable(whole, "magnetisation", &found));
    found.struct_size = 8;
    FAILS(STOQ_INVALID_ARGUMENT, "stoq_estimate_init", stoq_report_observable(whole, "mag", &found));
    FAILS(STOQ_INVALID_ARGUMENT, "name", stoq_report_observable(whole, NULL, &once));
    FAILS(STOQ_INVALID_ARGUMENT, "other", stoq_report_merge(whole, whole));
    FAILS(STOQ_INVALID_ARGUMENT, "own", stoq_report_push(whole, fields[0], NULL));
    fields[0][3] = NAN;
    FAILS(STOQ_NOT_FINITE, "field", stoq_report_push(whole, fields[0], own[0]));
    FAILS(STOQ_INVALID_ARGUMENT, "mag", stoq_report_set_exact(whole, "nothing", 1.0));
    CHECK(observable(whole, "mag").value == mag.value);
    stoq_report_free(whole);
    whole = NULL;
    FAILS(STOQ_INVALID_ARGUMENT, "names", stoq_report_new(&plain, NULL, "mag", &whole));
    FAILS(STOQ_INVALID_ARGUMENT, "names", stoq_report_new(&plain, NULL, "a,,b", &whole));
    FAILS(STOQ_INVALID_ARGUMENT, "layout", stoq_report_new(NULL, NULL, NULL, &whole));
    options.kind = 7;
    FAILS(STOQ_INVALID_ARGUMENT, "options->kind", stoq_report_new(&plain, &options, NULL, &whole));
    options.kind = STOQ_FIELD_LINKS;
    FAILS(STOQ_INVALID_ARGUMENT, "components", stoq_report_new(&plain, &options, NULL, &whole));
    plain.components = 2;
    MUST(stoq_report_new(&plain, &options, "", &whole));
    static double links[2 * SITES];
    MUST(stoq_report_push(whole, links, NULL));
    FAILS(STOQ_INVALID_ARGUMENT, "measurements", stoq_report_observable(whole, "plaquette", &once));
    MUST(stoq_report_push(whole, links, NULL));
    stoq_estimate_t plaquette = observable(whole, "plaquette");
    CHECK(plaquette.value == 1.0 && plaquette.error == 0.0);
    FAILS(STOQ_SHAPE_MISMATCH, "report", stoq_report_merge(whole, parts));
    stoq_report_free(whole);
    stoq_report_free(parts);
    stoq_report_free(other);
    stoq_report_free(NULL);
}

static int32_t variance(void *user, const double *means, size_t count, double *value)
{
    ++*(int *)user;
    if (count != 2) return -5;
    *value = means[1] - means[0] * means[0];
    return 0;
}

static int32_t stop(void *user, const double *means, size_t count, double *value)
{
    (void)user, (void)means, (void)count, (void)value;
    return -17;
}

/* Two chains of an AR(1) series with tau_int = 2.5: x and x^2. */
static void series(void)
{
    static double values[2][VALUES], wider[VALUES];
    const size_t lengths[2] = {VALUES / 3, VALUES - VALUES / 3};
    stoq_statistics_options_t options;
    stoq_estimate_t found;
    uint64_t state = 3;
    int calls = 0;
    double a = 2.0 / 3.0, x = 0.0;
    for (int i = 0; i < VALUES; i++) {
        x = i == 0 || i == VALUES / 3 ? noise(&state) : a * x + sqrt(1.0 - a * a) * noise(&state);
        values[0][i] = x, values[1][i] = x * x, wider[i] = 1.3 * x;
    }
    MUST(stoq_estimate_init(&found));
    MUST(stoq_statistics_options_init(&options));
    MUST(stoq_statistics_estimate(NULL, 2, lengths, 1, values[0], NULL, NULL, &found));
    CHECK(fabs(found.value / found.error) < 4.0 && fabs(found.tau_int - 2.5) < 4.0 * found.tau_int_error);
    CHECK(fabs(found.error - sqrt(5.0 / VALUES)) < 4.0 * found.error_of_error && isnan(found.low));
    /* var(x^2) = 2, tau_int of x^2 is (1 + a^2) / (2 (1 - a^2)). */
    double exact = sqrt(2.0 / VALUES * (1.0 + a * a) / (1.0 - a * a));
    for (int method = STOQ_STATISTICS_GAMMA; method <= STOQ_STATISTICS_BOOTSTRAP; method++) {
        options.method = method;
        MUST(stoq_statistics_estimate(&options, 2, lengths, 2, values[0], variance, &calls, &found));
        CHECK(fabs(found.value - 1.0) < 4.0 * exact && fabs(found.error / exact - 1.0) < 0.25);
        CHECK(isnan(found.tau_int) == (method != STOQ_STATISTICS_GAMMA));
        CHECK(isnan(found.bin_correlation) == (method != STOQ_STATISTICS_JACKKNIFE));
        CHECK(isnan(found.low) == (method != STOQ_STATISTICS_BOOTSTRAP) && !(found.low > found.value));
        FAILS(STOQ_CALLBACK_STOPPED, "-17",
              stoq_statistics_estimate(&options, 2, lengths, 2, values[0], stop, NULL, &found));
    }
    CHECK(calls > 1000 && stoq_last_callback_code() == -17);
    options.method = 9;
    FAILS(STOQ_INVALID_ARGUMENT, "options->method",
          stoq_statistics_estimate(&options, 2, lengths, 2, values[0], variance, &calls, &found));
    FAILS(STOQ_INVALID_ARGUMENT, "observables",
          stoq_statistics_estimate(NULL, 2, lengths, 2, values[0], NULL, NULL, &found));
    FAILS(STOQ_INVALID_ARGUMENT, "lengths", stoq_statistics_estimate(NULL, 2, NULL, 1, values[0], NULL, NULL, &found));

    const double edges[4] = {-1.0, 0.0, 1.0, 2.0};
    double probabilities[3], errors[3], effective = 0.0, statistic = 0.0, p = -1.0;
    MUST(stoq_statistics_histogram(2, lengths, values[0], 3, edges, probabilities, errors, &effective));
    CHECK(fabs(probabilities[0] - 0.3413) < 4.0 * errors[0] && fabs(probabilities[2] - 0.1359) < 4.0 * errors[2]);
    CHECK(effective > 0.2 * VALUES && effective < VALUES);
    FAILS(STOQ_INVALID_ARGUMENT, "edges",
          stoq_statistics_histogram(2, lengths, values[0], 0, edges, probabilities, errors, NULL));
    for (int test = STOQ_TWO_SAMPLE_KOLMOGOROV; test <= STOQ_TWO_SAMPLE_CHI_SQUARED; test++) {
        const size_t half[1] = {VALUES / 2}, all[1] = {VALUES};
        MUST(stoq_statistics_two_sample(test, 1, half, values[0], 1, half, values[0] + VALUES / 2, 3, edges, NULL, &p));
        CHECK(p > 3e-4 && p <= 1.0);
        MUST(stoq_statistics_two_sample(test, 2, lengths, values[0], 1, all, wider, 3, edges, &statistic, &p));
        CHECK(p < 1e-2 && statistic > 0.0);
    }
    FAILS(STOQ_INVALID_ARGUMENT, "test",
          stoq_statistics_two_sample(0, 2, lengths, values[0], 2, lengths, wider, 3, edges, NULL, &p));
    FAILS(STOQ_INVALID_ARGUMENT, "p_value",
          stoq_statistics_two_sample(1, 2, lengths, values[0], 2, lengths, wider, 3, edges, NULL, NULL));
}

int main(void)
{
    reports();
    series();
    return finish("statistics");
}
