/*
 * Two-dimensional lattice phi^4 theory by Hybrid Monte Carlo, and the same program with stoq.
 *
 * This is the kind of code that one owns before hearing of stoq: its own arrays, action, force,
 * leapfrog, random numbers and error analysis. Everything that stoq adds is marked "stoq:"; it is
 * one wrapper of the action, one block of set-up, and one call an update.
 *
 * The program samples exp(-S), S = sum_x [ -2 kappa sum_mu phi(x) phi(x+mu)
 *                                          + (1 - 2 lambda) phi(x)^2 + lambda phi(x)^4 ],
 * by HMC with trajectories of length 1, by HMC with the length tuned as well, and by the first of the
 * two with one stoq update after every trajectory. It checks all three against values from a cluster
 * algorithm and compares the time for an independent configuration.
 */
#define _POSIX_C_SOURCE 200809L /* clock_gettime */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <stoq.h> /* stoq: the only header */

enum { EXTENT = 16, VOLUME = EXTENT * EXTENT };

struct couplings {
    double kappa, lambda;
};

struct options {
    const char *model, *json;
    long trajectories, stoq_updates, levels, threads, seed;
};

/* ------------------------------------------------------------------------------------------------
 * Random numbers: xoshiro256** (Blackman and Vigna, 2018), normals by Box and Muller.
 */
struct generator {
    uint64_t s[4];
};

static void seed_generator(struct generator *g, uint64_t seed)
{
    for (int i = 0; i < 4; i++) { /* splitmix64, as its authors recommend */
        uint64_t z = (seed += 0x9e3779b97f4a7c15u);
        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
        z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
        g->s[i] = z ^ (z >> 31);
    }
}

static inline uint64_t rotate_left(uint64_t x, int k) { return (x << k) | (x >> (64 - k)); }

/* Uniform in (0, 1]: zero is left out because of the logarithm in Box-Muller. */
static inline double uniform(struct generator *g)
{
    uint64_t *s = g->s, result = rotate_left(s[1] * 5, 7) * 9, t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotate_left(s[3], 45);
    return (double)((result >> 11) + 1) * 0x1p-53;
}

static void fill_normal(struct generator *g, double values[VOLUME])
{
    for (int i = 0; i < VOLUME; i += 2) {
        double radius = sqrt(-2.0 * log(uniform(g))), angle = 6.283185307179586477 * uniform(g);
        values[i] = radius * cos(angle);
        values[i + 1] = radius * sin(angle);
    }
}

/* ------------------------------------------------------------------------------------------------
 * The theory. Site (y, x) is phi[y * EXTENT + x], periodic in both directions.
 */
static double action(const struct couplings *c, const double *phi)
{
    double hopping = 0.0, local = 0.0;
    for (int y = 0; y < EXTENT; y++) {
        const double *row = phi + y * EXTENT, *up = phi + (y + 1 < EXTENT ? y + 1 : 0) * EXTENT;
        hopping += row[EXTENT - 1] * row[0];
        for (int x = 0; x + 1 < EXTENT; x++)
            hopping += row[x] * row[x + 1];
        for (int x = 0; x < EXTENT; x++) {
            double square = row[x] * row[x];
            hopping += row[x] * up[x];
            local += square * (1.0 - 2.0 * c->lambda + c->lambda * square);
        }
    }
    return local - 2.0 * c->kappa * hopping;
}

/* momentum += step * force, with force(x) = -dS/dphi(x). A copy with one more row at either side and
 * one long loop, as if a row ended where the next one starts; the row ends are put right afterwards. */
static void kick(const struct couplings *c, const double *phi, double *restrict momentum, double step)
{
    const double hop = 2.0 * c->kappa * step, cubic = 4.0 * c->lambda * step;
    const double mass = 2.0 * (1.0 - 2.0 * c->lambda) * step;
    double padded[VOLUME + 2 * EXTENT];
    const double *f = padded + EXTENT;
    memcpy(padded, phi + VOLUME - EXTENT, EXTENT * sizeof *phi);
    memcpy(padded + EXTENT, phi, VOLUME * sizeof *phi);
    memcpy(padded + EXTENT + VOLUME, phi, EXTENT * sizeof *phi);
    for (int i = 0; i < VOLUME; i++)
        momentum[i] += hop * (f[i - 1] + f[i + 1] + f[i - EXTENT] + f[i + EXTENT])
                       - f[i] * (mass + cubic * f[i] * f[i]);
    for (int first = 0; first < VOLUME; first += EXTENT) {
        int last = first + EXTENT - 1;
        momentum[first] += hop * (f[last] - f[first - 1]);
        momentum[last] += hop * (f[first] - f[last + 1]);
    }
}

/* ------------------------------------------------------------------------------------------------
 * Hybrid Monte Carlo. The host keeps S(phi) beside phi, so that a trajectory evaluates it once.
 */
struct host {
    struct couplings couplings;
    struct generator generator;
    double phi[VOLUME], action;
};

static double half_square(const double *values)
{
    double sum = 0.0;
    for (int x = 0; x < VOLUME; x++)
        sum += values[x] * values[x];
    return 0.5 * sum;
}

static void drift(double *restrict phi, const double *restrict momentum, double step)
{
    for (int x = 0; x < VOLUME; x++)
        phi[x] += step * momentum[x];
}

/* One leapfrog trajectory with Metropolis step; returns 1 when it is accepted. */
static int hmc_trajectory(struct host *host, double length, long steps)
{
    double momentum[VOLUME], phi[VOLUME], step = length / (double)steps;
    fill_normal(&host->generator, momentum);
    memcpy(phi, host->phi, sizeof phi);
    double before = host->action + half_square(momentum);

    drift(phi, momentum, 0.5 * step);
    for (long i = 1; i <= steps; i++) {
        kick(&host->couplings, phi, momentum, step);
        drift(phi, momentum, i < steps ? step : 0.5 * step);
    }

    double proposed = action(&host->couplings, phi);
    double difference = proposed + half_square(momentum) - before;
    if (!(uniform(&host->generator) <= exp(-difference))) /* also rejects a NaN */
        return 0;
    memcpy(host->phi, phi, sizeof phi);
    host->action = proposed;
    return 1;
}

/* ------------------------------------------------------------------------------------------------
 * stoq: this section and three lines in sample() are all that the host gains.
 */

/* stoq: the host's own action as stoq calls it. Return 0: done, > 0: reject the move, < 0: stop. */
static int32_t action_for_stoq(void *user, const double *field, size_t sites, double *value)
{
    (void)sites;
    *value = action((const struct couplings *)user, field);
    return 0;
}

struct stoq_parts {
    stoq_model_t *model;
    stoq_action_t *action;
    stoq_chain_t *chain;
};

/* stoq: load the network, wrap the action, make a chain. Stops at the first call that fails. */
static stoq_status_t start_stoq(struct stoq_parts *parts, struct couplings *couplings, const struct options *o)
{
    const size_t extents[2] = {EXTENT, EXTENT};
    stoq_layout_t layout;
    stoq_chain_options_t options;
    stoq_status_t status;

    if ((status = stoq_layout_init(&layout, 2, extents)) != STOQ_OK) return status;
    if ((status = stoq_chain_options_init(&options)) != STOQ_OK) return status;
    options.seed = (uint64_t)o->seed;
    options.threads = (uint32_t)o->threads;
    if (o->levels > 0) options.levels = (uint32_t)o->levels;

    if ((status = stoq_model_load(o->model, &parts->model)) != STOQ_OK) return status;
    if ((status = stoq_action_callback(&layout, action_for_stoq, couplings, NULL, &parts->action)) != STOQ_OK)
        return status;
    return stoq_chain_new(parts->model, parts->action, &layout, &options, &parts->chain);
}

/* stoq: free what was made; NULL is allowed. */
static void stop_stoq(struct stoq_parts *parts)
{
    stoq_chain_free(parts->chain);
    stoq_action_free(parts->action);
    stoq_model_free(parts->model);
}

/* ------------------------------------------------------------------------------------------------
 * A run: thermalise, update, measure.
 */
struct run {
    const char *name, *key;
    double length; /* of a trajectory, in `steps` leapfrog steps */
    long steps, updates;
    double *magnetisation; /* sum_x phi(x) / V after each update */
    double hmc_acceptance, stoq_acceptance, seconds;
};

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Fills run->magnetisation; `chain` NULL: HMC alone. The time covers updates and measurement. */
static stoq_status_t sample(struct run *run, stoq_chain_t *chain, uint64_t seed, const struct couplings *couplings)
{
    struct host host = {.couplings = *couplings};
    long hmc_accepted = 0, stoq_accepted = 0;
    seed_generator(&host.generator, seed);
    fill_normal(&host.generator, host.phi); /* hot start */
    host.action = action(couplings, host.phi);
    for (double trajectory_time = 0.0; trajectory_time < 10000.0; trajectory_time += run->length)
        hmc_trajectory(&host, run->length, run->steps);

    double start = now();
    for (long update = 0; update < run->updates; update++) {
        hmc_accepted += hmc_trajectory(&host, run->length, run->steps);
        if (chain) {
            int32_t outcome;
            stoq_status_t status = stoq_chain_step(chain, host.phi, &outcome); /* stoq: the update */
            if (status != STOQ_OK) return status;
            if (outcome == STOQ_ACCEPTED) {
                host.action = action(couplings, host.phi); /* stoq: phi is new, so S is too */
                stoq_accepted++;
            }
        }
        double sum = 0.0;
        for (int x = 0; x < VOLUME; x++)
            sum += host.phi[x];
        run->magnetisation[update] = sum / VOLUME;
    }
    run->seconds = now() - start;
    run->hmc_acceptance = (double)hmc_accepted / (double)run->updates;
    run->stoq_acceptance = (double)stoq_accepted / (double)run->updates;
    return STOQ_OK;
}

/* ------------------------------------------------------------------------------------------------
 * Error analysis: U. Wolff, Comput. Phys. Commun. 156 (2004) 143, the Gamma method.
 */
struct estimate {
    double value, error, tau, tau_error; /* tau_int = 1/2 + sum_t rho(t), in updates */
};

/* `fluctuation`: deviations from the mean, one an update. Sets error, tau and tau_error. */
static void gamma_method(const double *fluctuation, long n, struct estimate *e)
{
    double variance = 0.0, sum = 0.0, tau = 0.5;
    long window = 0;
    for (long i = 0; i < n; i++)
        variance += fluctuation[i] * fluctuation[i];
    variance /= (double)n;
    while (variance > 0.0 && ++window < n / 2) {
        double gamma = 0.0;
        for (long i = 0; i + window < n; i++)
            gamma += fluctuation[i] * fluctuation[i + window];
        sum += gamma / ((double)(n - window) * variance);
        tau = 0.5 + sum;
        /* The window ends where the statistical error of tau outgrows the tail that is cut, if that
         * decays as exp(-t/decay). At least 1/2, to see the alternating rho of anticorrelated data. */
        double decay = tau > 0.55 ? 1.5 / log((2.0 * tau + 1.0) / (2.0 * tau - 1.0)) : 0.5;
        if (exp(-(double)window / decay) < decay / sqrt((double)window * (double)n)) break;
    }
    tau *= 1.0 + (2.0 * (double)window + 1.0) / (double)n; /* bias from subtracting the mean */
    e->tau = tau;
    e->tau_error = 2.0 * tau * sqrt(fabs((double)window + 0.5 - tau) / (double)n);
    e->error = sqrt(2.0 * tau * variance / (double)n);
}

enum { ABS_M, CHI2, BINDER, OBSERVABLES };
static const struct {
    const char *name, *key;
    double value, error;
} reference[OBSERVABLES] = { /* Metropolis and Wolff cluster updates, errors by jackknife */
    {"<|M|>", "abs_mag", 0.7632986, 0.0022},
    {"chi2 = V <M^2>", "chi2", 173.2691, 0.81},
    {"U_L", "binder", 0.5325165, 0.0012},
};

/* U_L = 1 - <M^4> / (3 <M^2>^2) stands for any function of means: its fluctuation is that of the
 * function linearised about the means. `series` is scratch, one value an update. */
static void analyse(const struct run *run, double *series, struct estimate e[OBSERVABLES])
{
    const double *m = run->magnetisation;
    double n = (double)run->updates, m1 = 0.0, m2 = 0.0, m4 = 0.0;
    for (long i = 0; i < run->updates; i++) {
        double square = m[i] * m[i];
        m1 += fabs(m[i]) / n;
        m2 += square / n;
        m4 += square * square / n;
    }
    e[ABS_M].value = m1;
    e[CHI2].value = VOLUME * m2;
    e[BINDER].value = 1.0 - m4 / (3.0 * m2 * m2);
    for (int k = 0; k < OBSERVABLES; k++) {
        for (long i = 0; i < run->updates; i++) {
            double d2 = m[i] * m[i] - m2, d4 = m[i] * m[i] * m[i] * m[i] - m4;
            series[i] = k == ABS_M  ? fabs(m[i]) - m1
                        : k == CHI2 ? VOLUME * d2
                                    : 2.0 * m4 / (3.0 * m2 * m2 * m2) * d2 - d4 / (3.0 * m2 * m2);
        }
        gamma_method(series, run->updates, &e[k]);
    }
}

static double deviation(const struct estimate *e, int k)
{
    return (e[k].value - reference[k].value) / hypot(e[k].error, reference[k].error);
}

/* Seconds for an independent configuration: 2 tau_int(|M|) x seconds an update. */
static double cost(const struct run *run, const struct estimate *e)
{
    return 2.0 * e[ABS_M].tau * run->seconds / (double)run->updates;
}

/* ------------------------------------------------------------------------------------------------
 * Results.
 */
enum { HMC, TUNED, WITH_STOQ, RUNS };

/* 0.7633(22): the error in brackets counts in the last digits of the value. Returns `text`. */
static const char *bracket(char text[64], double value, double error)
{
    int decimals = error > 1e-9 && error < 1e9 ? 1 - (int)floor(log10(error)) : 6;
    if (decimals < 0) decimals = 0;
    if (error < 0.95)
        snprintf(text, 64, "%.*f(%.0f)", decimals, value, error * pow(10.0, decimals));
    else
        snprintf(text, 64, "%.*f(%.*f)", decimals, value, decimals, error);
    return text;
}

static void print_table(const struct run run[RUNS], struct estimate e[RUNS][OBSERVABLES])
{
    char text[64];
    printf("%-22s", "");
    for (int r = 0; r < RUNS; r++) printf("%-20s", run[r].name);
    printf("reference\n%-22s", "length, steps");
    for (int r = 0; r < RUNS; r++) printf("%-3g %-16ld", run[r].length, run[r].steps);
    printf("\n%-22s", "updates");
    for (int r = 0; r < RUNS; r++) printf("%-20ld", run[r].updates);
    printf("\n%-22s", "HMC acceptance");
    for (int r = 0; r < RUNS; r++) printf("%-20.3f", run[r].hmc_acceptance);
    printf("\n%-22s%-20s%-20s%.3f", "stoq acceptance", "-", "-", run[WITH_STOQ].stoq_acceptance);
    for (int k = 0; k < OBSERVABLES; k++) {
        printf("\n%-22s", reference[k].name);
        for (int r = 0; r < RUNS; r++)
            printf("%-12s z %+5.2f ", bracket(text, e[r][k].value, e[r][k].error), deviation(e[r], k));
        printf("%s", bracket(text, reference[k].value, reference[k].error));
    }
    printf("\n%-22s", "tau_int(|M|)");
    for (int r = 0; r < RUNS; r++) printf("%-20s", bracket(text, e[r][ABS_M].tau, e[r][ABS_M].tau_error));
    printf("updates\n%-22s", "time / update");
    for (int r = 0; r < RUNS; r++) printf("%-20.2f", 1e6 * run[r].seconds / (double)run[r].updates);
    printf("microseconds\n%-22s", "time / independent");
    for (int r = 0; r < RUNS; r++) {
        double relative_error = e[r][ABS_M].tau_error / e[r][ABS_M].tau, time = 1e6 * cost(&run[r], e[r]);
        printf("%-20s", bracket(text, time, time * relative_error));
    }
    printf("microseconds\n%-22s", "/ that of HMC + stoq");
    for (int r = 0; r < RUNS; r++) {
        double ratio = cost(&run[r], e[r]) / cost(&run[WITH_STOQ], e[WITH_STOQ]);
        double relative_error = hypot(e[r][ABS_M].tau_error / e[r][ABS_M].tau,
                                      e[WITH_STOQ][ABS_M].tau_error / e[WITH_STOQ][ABS_M].tau);
        printf("%-20s", r == WITH_STOQ ? "1" : bracket(text, ratio, ratio * relative_error));
    }
    printf("above 1: faster by stoq\n");
}

static int write_json(const char *path, const struct run run[RUNS], struct estimate e[RUNS][OBSERVABLES])
{
    FILE *file = fopen(path, "w");
    if (!file) return -1;
    fprintf(file, "{\n");
    for (int r = 0; r < RUNS; r++) {
        fprintf(file, "  \"%s\": {\"length\": %g, \"steps\": %ld, \"updates\": %ld, \"hmc_acceptance\": %.6f,\n",
                run[r].key, run[r].length, run[r].steps, run[r].updates, run[r].hmc_acceptance);
        if (r == WITH_STOQ) fprintf(file, "    \"stoq_acceptance\": %.6f,\n", run[r].stoq_acceptance);
        for (int k = 0; k < OBSERVABLES; k++)
            fprintf(file, "    \"%s\": {\"value\": %.8g, \"error\": %.3g, \"z\": %.3f},\n", reference[k].key,
                    e[r][k].value, e[r][k].error, deviation(e[r], k));
        fprintf(file, "    \"tau_int_abs_mag\": {\"value\": %.5g, \"error\": %.3g},\n", e[r][ABS_M].tau,
                e[r][ABS_M].tau_error);
        fprintf(file, "    \"seconds_per_update\": %.5g, \"seconds_per_independent\": %.5g}%s\n",
                run[r].seconds / (double)run[r].updates, cost(&run[r], e[r]), r + 1 < RUNS ? "," : "");
    }
    fprintf(file, "}\n");
    return fclose(file);
}

/* ------------------------------------------------------------------------------------------------
 * The program. Exit status 0: consistent, 1: some |z| > 4, 2: it could not run.
 */
static int read_options(int count, char **words, struct options *o)
{
    struct { const char *flag; long *value, least, most; } flags[] = {
        {"--trajectories", &o->trajectories, 1000, 1000000000}, {"--stoq-updates", &o->stoq_updates, 100, 1000000000},
        {"--levels", &o->levels, 1, 100000}, {"--threads", &o->threads, 1, 1024}, {"--seed", &o->seed, 0, 2147483647},
    };
    for (int i = 1; i < count; i++) {
        int known = strncmp(words[i], "--", 2) != 0 && !o->model;
        if (known) {
            o->model = words[i];
        } else if (strcmp(words[i], "--json") == 0 && i + 1 < count) {
            o->json = words[++i];
            known = 1;
        }
        for (size_t f = 0; !known && f < sizeof flags / sizeof *flags; f++) {
            char *end;
            if (strcmp(words[i], flags[f].flag) != 0 || i + 1 == count) continue;
            *flags[f].value = strtol(words[++i], &end, 10);
            known = *end == '\0' && *flags[f].value >= flags[f].least && *flags[f].value <= flags[f].most;
            if (!known) fprintf(stderr, "%s: from %ld to %ld\n", flags[f].flag, flags[f].least, flags[f].most);
            break;
        }
        if (!known) return -1;
    }
    return o->model ? 0 : -1;
}

int main(int count, char **words)
{
    struct options o = {.trajectories = 400000, .stoq_updates = 6000, .threads = 1, .seed = 1};
    struct couplings couplings = {.kappa = 0.27, .lambda = 0.022};
    if (read_options(count, words, &o) != 0) {
        fprintf(stderr, "usage: phi4_hmc MODEL.onnx [--trajectories N] [--stoq-updates N] [--levels N]\n"
                        "                [--threads N] [--seed S] [--json FILE]\n");
        return 2;
    }
    /* Tuned for the time of an independent configuration; README.md has the scan. */
    struct run run[RUNS] = {{.name = "HMC", .key = "hmc", .length = 1.0, .steps = 6},
                            {.name = "HMC, tuned", .key = "hmc_tuned", .length = 10.0, .steps = 42},
                            {.name = "HMC + stoq", .key = "hmc_stoq", .length = 1.0, .steps = 6}};
    run[HMC].updates = o.trajectories;
    run[TUNED].updates = o.trajectories / 10; /* the same molecular-dynamics time in all */
    run[WITH_STOQ].updates = o.stoq_updates;

    struct estimate e[RUNS][OBSERVABLES];
    struct stoq_parts stoq = {NULL, NULL, NULL};
    stoq_status_t status = start_stoq(&stoq, &couplings, &o); /* stoq: set up */
    int failures = 0;
    for (int r = 0; r < RUNS && status == STOQ_OK; r++) {
        double *memory = malloc(2 * (size_t)run[r].updates * sizeof *memory);
        if (!memory) {
            fprintf(stderr, "out of memory\n");
            exit(2);
        }
        run[r].magnetisation = memory;
        fprintf(stderr, "%s: %ld updates\n", run[r].name, run[r].updates);
        status = sample(&run[r], r == WITH_STOQ ? stoq.chain : NULL, 3 * (uint64_t)o.seed + (uint64_t)r, &couplings);
        if (status == STOQ_OK) analyse(&run[r], memory + run[r].updates, e[r]);
        free(memory);
        for (int k = 0; k < OBSERVABLES && status == STOQ_OK; k++)
            failures += !(fabs(deviation(e[r], k)) <= 4.0); /* a NaN is a failure */
    }
    if (status != STOQ_OK) /* stoq: the reason of a failure */
        fprintf(stderr, "stoq: %s: %s\n", stoq_status_name(status), stoq_last_error());
    stop_stoq(&stoq); /* stoq: free */
    if (status != STOQ_OK) return 2;

    printf("2D phi^4, %d x %d, kappa = %g, lambda = %g; an update is a trajectory (and a stoq step)\n\n", EXTENT,
           EXTENT, couplings.kappa, couplings.lambda);
    print_table(run, e);
    for (int r = 0; r < RUNS; r++)
        if ((double)run[r].updates < 50.0 * e[r][ABS_M].tau)
            printf("\n%s is too short: errors mean little below 50 tau_int\n", run[r].name);
    printf("\n%d of %d values with |z| > 4 (expected 0; false alarm for all together: at most 6e-4)\n", failures,
           RUNS * OBSERVABLES);
    if (o.json && write_json(o.json, run, e) != 0) {
        fprintf(stderr, "cannot write %s\n", o.json);
        return 2;
    }
    return failures ? 1 : 0;
}
