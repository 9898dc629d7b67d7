/*
 * Two-dimensional U(1) gauge theory by Hybrid Monte Carlo, and the same program with stoq.
 *
 * This is the kind of code that one owns before hearing of stoq, and its field is not what a library expects: the
 * links lie [site][mu], the sites even-odd (those with even y + x first), and no angle is ever reduced to (-pi, pi].
 * Action, force, leapfrog, random numbers and error analysis are its own. Everything that stoq adds is marked "stoq:":
 * a table of indices, one block of set-up, and one function an update.
 *
 * The program samples exp(-S), S = -beta sum_P cos theta_P, by HMC and by HMC with a stoq update after every trajectory:
 * a proposal of a trained network if a model file is given (kernel renoise), else a shift of the topological charge. It
 * compares both with the exact values, and the time that an independent topological charge takes.
 */
#define _POSIX_C_SOURCE 200809L /* clock_gettime */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <stoq.h> /* stoq: the only header */

enum { EXTENT = 16, VOLUME = EXTENT * EXTENT, LINKS = 2 * VOLUME };
static const double two_pi = 6.283185307179586477;

struct options {
    const char *model, *json;
    long trajectories, stoq_updates, length, steps, levels, threads, seed;
    double beta, time;
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

/* ------------------------------------------------------------------------------------------------
 * The theory. Link mu (0: along y, 1: along x) of a site is theta[2 * site + mu].
 */
static int ahead[LINKS]; /* the neighbour of a site along mu, at [2 * site + mu] */

static int site_of(int y, int x)
{
    y %= EXTENT, x %= EXTENT;
    return (y + x) % 2 * (VOLUME / 2) + (y * EXTENT + x) / 2;
}

static void build_neighbours(void)
{
    for (int y = 0; y < EXTENT; y++) {
        for (int x = 0; x < EXTENT; x++) {
            ahead[2 * site_of(y, x)] = site_of(y + 1, x);
            ahead[2 * site_of(y, x) + 1] = site_of(y, x + 1);
        }
    }
}

static inline double plaquette(const double *theta, int site)
{
    int up = ahead[2 * site], right = ahead[2 * site + 1];
    return theta[2 * site] + theta[2 * up + 1] - theta[2 * right] - theta[2 * site + 1];
}

/* The mean cosine of the plaquettes; the action is -beta V times that. */
static double mean_plaquette(const double *theta)
{
    double sum = 0.0;
    for (int site = 0; site < VOLUME; site++) sum += cos(plaquette(theta, site));
    return sum / VOLUME;
}

static double action(double beta, const double *theta) { return -beta * VOLUME * mean_plaquette(theta); }

static long charge(const double *theta)
{
    double flux = 0.0;
    for (int site = 0; site < VOLUME; site++) {
        double angle = plaquette(theta, site);
        flux += angle / two_pi - rint(angle / two_pi);
    }
    return lrint(flux);
}

/* momentum += step * force, with force = -dS/dtheta. */
static void kick(double beta, const double *theta, double *momentum, double step)
{
    for (int site = 0; site < VOLUME; site++) {
        double pull = step * beta * sin(plaquette(theta, site));
        momentum[2 * site] -= pull;
        momentum[2 * ahead[2 * site] + 1] -= pull;
        momentum[2 * ahead[2 * site + 1]] += pull;
        momentum[2 * site + 1] += pull;
    }
}

/* ------------------------------------------------------------------------------------------------
 * Hybrid Monte Carlo. The host keeps S(theta) beside theta, so that a trajectory evaluates it once.
 */
struct host {
    double beta, theta[LINKS], action;
    struct generator generator;
};

static double half_square(const double *values)
{
    double sum = 0.0;
    for (int i = 0; i < LINKS; i++) sum += values[i] * values[i];
    return 0.5 * sum;
}

static void drift(double *theta, const double *momentum, double step)
{
    for (int i = 0; i < LINKS; i++) theta[i] += step * momentum[i];
}

/* One leapfrog trajectory with Metropolis step; returns 1 when it is accepted. */
static int hmc_trajectory(struct host *host, double length, long steps)
{
    double momentum[LINKS], theta[LINKS], step = length / (double)steps;
    for (int i = 0; i < LINKS; i += 2) {
        double radius = sqrt(-2.0 * log(uniform(&host->generator))), angle = two_pi * uniform(&host->generator);
        momentum[i] = radius * cos(angle), momentum[i + 1] = radius * sin(angle);
    }
    memcpy(theta, host->theta, sizeof theta);
    double before = host->action + half_square(momentum);
    drift(theta, momentum, 0.5 * step);
    for (long i = 1; i <= steps; i++) {
        kick(host->beta, theta, momentum, step);
        drift(theta, momentum, i < steps ? step : 0.5 * step);
    }
    double proposed = action(host->beta, theta);
    if (!(uniform(&host->generator) <= exp(before - proposed - half_square(momentum)))) /* also rejects a NaN */
        return 0;
    memcpy(host->theta, theta, sizeof theta);
    host->action = proposed;
    return 1;
}

/* ------------------------------------------------------------------------------------------------
 * stoq: this section and three lines in sample() are all that the host gains.
 */
struct stoq_parts {
    stoq_layout_t layout;
    stoq_model_t *model;
    stoq_chain_t *chain;
    stoq_u1_exact_t *exact;
    int place[LINKS]; /* stoq: where a link of the host lies in stoq's order: [mu][y][x] */
};

/* stoq: the table, and the chain; without an action, since the host evaluates its own. Stops at the first failure. */
static stoq_status_t start_stoq(struct stoq_parts *parts, const struct options *o)
{
    const size_t extents[2] = {EXTENT, EXTENT};
    stoq_chain_options_t options;
    stoq_status_t status;
    for (int i = 0; i < LINKS; i++) {
        int mu = i / VOLUME, y = i / EXTENT % EXTENT, x = i % EXTENT;
        parts->place[2 * site_of(y, x) + mu] = i;
    }
    if ((status = stoq_layout_init(&parts->layout, 2, extents)) != STOQ_OK) return status;
    parts->layout.components = 2;
    if ((status = stoq_u1_exact_new(&parts->layout, o->beta, &parts->exact)) != STOQ_OK) return status;
    if ((status = stoq_chain_options_init(&options)) != STOQ_OK) return status;
    options.kernel = o->model ? STOQ_KERNEL_RENOISE : STOQ_KERNEL_CHARGE_SHIFT;
    options.seed = (uint64_t)o->seed, options.threads = (uint32_t)o->threads;
    options.levels = (uint32_t)o->levels, options.renoise_time = o->time;
    if (o->model && (status = stoq_model_load(o->model, &parts->model)) != STOQ_OK) return status;
    return stoq_chain_new(parts->model, NULL, &parts->layout, &options, &parts->chain);
}

/* stoq: one update. The proposal comes in stoq's order, its action and the field stay the host's. */
static stoq_status_t stoq_update(const struct stoq_parts *parts, struct host *host, int32_t *outcome)
{
    double field[LINKS], proposal[LINKS], theta[LINKS], log_hastings;
    for (int i = 0; i < LINKS; i++) field[parts->place[i]] = host->theta[i];
    stoq_status_t status = stoq_chain_propose(parts->chain, field, proposal, &log_hastings);
    if (status != STOQ_OK) return status;
    for (int i = 0; i < LINKS; i++) theta[i] = proposal[parts->place[i]];
    double proposed = action(host->beta, theta);
    status = stoq_chain_resolve(parts->chain, proposed - host->action, field, outcome);
    if (status == STOQ_OK && *outcome == STOQ_ACCEPTED) {
        memcpy(host->theta, theta, sizeof theta);
        host->action = proposed;
    }
    return status;
}

/* stoq: free what was made; NULL is allowed. */
static void stop_stoq(struct stoq_parts *parts)
{
    stoq_chain_free(parts->chain);
    stoq_model_free(parts->model);
    stoq_u1_exact_free(parts->exact);
}

/* ------------------------------------------------------------------------------------------------
 * A run: thermalise, update, measure.
 */
enum { PLAQUETTE, CHARGE, CHARGE_SQUARED, OBSERVABLES };
static const char *const keys[OBSERVABLES] = {"plaquette", "Q", "Q2"};

struct run {
    const char *name, *key;
    long updates, changes; /* changes of the charge */
    double *series[OBSERVABLES], hmc_acceptance, stoq_acceptance, seconds;
};

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Fills the series; `stoq` NULL: HMC alone. The time covers updates and measurement. */
static stoq_status_t sample(struct run *run, const struct stoq_parts *stoq, uint64_t seed, const struct options *o)
{
    struct host host = {.beta = o->beta, .theta = {0.0}}; /* cold start */
    long hmc_accepted = 0, stoq_accepted = 0;
    int32_t outcome;
    double start = 0.0;
    seed_generator(&host.generator, seed);
    host.action = action(o->beta, host.theta);
    run->changes = 0;
    for (long update = -500; update < run->updates; update++) { /* those below 0 thermalise */
        if (update == 0) hmc_accepted = stoq_accepted = 0, start = now();
        hmc_accepted += hmc_trajectory(&host, (double)o->length, o->steps);
        if (stoq) {
            stoq_status_t status = stoq_update(stoq, &host, &outcome); /* stoq: the update */
            if (status != STOQ_OK) return status;
            stoq_accepted += outcome == STOQ_ACCEPTED;
        }
        if (update < 0) continue;
        double q = (double)charge(host.theta);
        run->series[PLAQUETTE][update] = mean_plaquette(host.theta);
        run->series[CHARGE][update] = q;
        run->series[CHARGE_SQUARED][update] = q * q;
        run->changes += update > 0 && q != run->series[CHARGE][update - 1];
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

static struct estimate analyse(const double *series, long n)
{
    struct estimate e = {0};
    double variance = 0.0, sum = 0.0, tau = 0.5;
    long window = 0;
    for (long i = 0; i < n; i++) e.value += series[i] / (double)n;
    for (long i = 0; i < n; i++) variance += (series[i] - e.value) * (series[i] - e.value) / (double)n;
    while (variance > 0.0 && ++window < n / 2) {
        double gamma = 0.0;
        for (long i = 0; i + window < n; i++) gamma += (series[i] - e.value) * (series[i + window] - e.value);
        sum += gamma / ((double)(n - window) * variance);
        tau = 0.5 + sum;
        /* The window ends where the statistical error of tau outgrows the tail that is cut, if that
         * decays as exp(-t/decay). At least 1/2, to see the alternating rho of anticorrelated data. */
        double decay = tau > 0.55 ? 1.5 / log((2.0 * tau + 1.0) / (2.0 * tau - 1.0)) : 0.5;
        if (exp(-(double)window / decay) < decay / sqrt((double)window * (double)n)) break;
    }
    e.tau = tau * (1.0 + (2.0 * (double)window + 1.0) / (double)n); /* bias from subtracting the mean */
    e.tau_error = 2.0 * e.tau * sqrt(fabs((double)window + 0.5 - e.tau) / (double)n);
    e.error = sqrt(2.0 * e.tau * variance / (double)n);
    return e;
}

/* ------------------------------------------------------------------------------------------------
 * Results.
 */
enum { HMC, WITH_STOQ, RUNS, FEWEST_CHANGES = 20 };

/* Too few changes of Q for an error of anything that depends on it. */
static int is_frozen(const struct run *run) { return run->changes < FEWEST_CHANGES; }

static double deviation(const struct estimate *e, double exact) { return (e->value - exact) / e->error; }

/* Seconds for an independent topological charge: 2 tau_int(Q) x seconds an update. */
static double cost(const struct run *run, const struct estimate *e)
{
    return 2.0 * e[CHARGE].tau * run->seconds / (double)run->updates;
}

static void print_table(const struct run run[RUNS], struct estimate e[RUNS][OBSERVABLES], const double *exact)
{
    printf("%-22s%-26s%-26sexact", "", run[HMC].name, run[WITH_STOQ].name);
    printf("\n%-22s%-26ld%-26ld", "updates", run[HMC].updates, run[WITH_STOQ].updates);
    printf("\n%-22s%-26.3f%-26.3f", "HMC acceptance", run[HMC].hmc_acceptance, run[WITH_STOQ].hmc_acceptance);
    printf("\n%-22s%-26s%-26.3f", "stoq acceptance", "-", run[WITH_STOQ].stoq_acceptance);
    for (int k = 0; k < OBSERVABLES; k++) {
        printf("\n<%s>%*s", keys[k], (int)(20 - strlen(keys[k])), "");
        for (int r = 0; r < RUNS; r++)
            if (k != PLAQUETTE && is_frozen(&run[r])) printf("%-26s", "frozen");
            else printf("%8.5f +- %.5f z %+5.2f ", e[r][k].value, e[r][k].error, deviation(&e[r][k], exact[k]));
        printf("%.8f", exact[k]);
    }
    printf("\n%-22s%-26ld%-26ld", "changes of Q", run[HMC].changes, run[WITH_STOQ].changes);
    printf("\n%-22s", "tau_int(Q) / updates");
    for (int r = 0; r < RUNS; r++)
        if (is_frozen(&run[r])) printf("%-26s", "frozen");
        else printf("%7.2f +- %-15.2f", e[r][CHARGE].tau, e[r][CHARGE].tau_error);
    printf("\n%-22s", "microseconds / update");
    for (int r = 0; r < RUNS; r++) printf("%-26.1f", 1e6 * run[r].seconds / (double)run[r].updates);
    printf("\n%-22s", "... / independent Q");
    for (int r = 0; r < RUNS; r++)
        if (is_frozen(&run[r])) printf("%-26s", "unknown");
        else printf("%-26.0f", 1e6 * cost(&run[r], e[r]));
    printf("\n");
}

static int write_json(const char *path, const struct run run[RUNS], struct estimate e[RUNS][OBSERVABLES],
                      const double *exact)
{
    FILE *file = fopen(path, "w");
    if (!file) return -1;
    fprintf(file, "{\n  \"exact\": {\"plaquette\": %.12g, \"Q\": 0, \"Q2\": %.12g},\n", exact[PLAQUETTE],
            exact[CHARGE_SQUARED]);
    for (int r = 0; r < RUNS; r++) {
        fprintf(file, "  \"%s\": {\"updates\": %ld, \"hmc_acceptance\": %.6f, \"changes\": %ld,\n", run[r].key,
                run[r].updates, run[r].hmc_acceptance, run[r].changes);
        if (r == WITH_STOQ) fprintf(file, "    \"stoq_acceptance\": %.6f,\n", run[r].stoq_acceptance);
        for (int k = 0; k < OBSERVABLES && (k == PLAQUETTE || !is_frozen(&run[r])); k++)
            fprintf(file, "    \"%s\": {\"value\": %.8g, \"error\": %.3g, \"tau_int\": %.5g, \"tau_int_error\": %.3g, "
                    "\"z\": %.3f},\n", keys[k], e[r][k].value, e[r][k].error, e[r][k].tau, e[r][k].tau_error,
                    deviation(&e[r][k], exact[k]));
        if (!is_frozen(&run[r]))
            fprintf(file, "    \"seconds_per_independent\": %.5g,\n", cost(&run[r], e[r]));
        fprintf(file, "    \"seconds_per_update\": %.5g}%s\n", run[r].seconds / (double)run[r].updates,
                r + 1 < RUNS ? "," : "");
    }
    fprintf(file, "}\n");
    return fclose(file);
}

/* ------------------------------------------------------------------------------------------------
 * The program. Exit status 0: consistent, 1: some |z| > 4, 2: it could not run.
 */
static int read_options(int count, char **words, struct options *o)
{
    struct { const char *flag; long *whole; double *real, least, most; } flags[] = {
        {"--trajectories", &o->trajectories, NULL, 1000, 1e9}, {"--stoq-updates", &o->stoq_updates, NULL, 1000, 1e9},
        {"--length", &o->length, NULL, 1, 100}, {"--steps", &o->steps, NULL, 1, 1000},
        {"--levels", &o->levels, NULL, 1, 100000}, {"--threads", &o->threads, NULL, 1, 1024},
        {"--seed", &o->seed, NULL, 0, 2147483647}, {"--beta", NULL, &o->beta, 0.0, 100.0},
        {"--time", NULL, &o->time, 0.0, 1.0},
    };
    for (int i = 1; i < count; i++) {
        int known = strncmp(words[i], "--", 2) != 0 && !o->model;
        if (known) {
            o->model = words[i];
        } else if (strcmp(words[i], "--json") == 0 && i + 1 < count) {
            o->json = words[++i], known = 1;
        }
        for (size_t f = 0; !known && f < sizeof flags / sizeof *flags; f++) {
            char *end;
            if (strcmp(words[i], flags[f].flag) != 0 || i + 1 == count) continue;
            double value = strtod(words[++i], &end);
            known = *end == '\0' && value >= flags[f].least && value <= flags[f].most;
            if (!known) fprintf(stderr, "%s: from %g to %g\n", flags[f].flag, flags[f].least, flags[f].most);
            else if (flags[f].whole) *flags[f].whole = (long)value;
            else *flags[f].real = value;
            break;
        }
        if (!known) return -1;
    }
    return 0;
}

/* stoq: the exact values. */
static stoq_status_t read_exact(const stoq_u1_exact_t *from, double exact[OBSERVABLES])
{
    stoq_status_t status = stoq_u1_exact_wilson_loop(from, 1, 1, &exact[PLAQUETTE]);
    exact[CHARGE] = 0.0;
    return status != STOQ_OK ? status : stoq_u1_exact_charge_squared(from, &exact[CHARGE_SQUARED]);
}

int main(int count, char **words)
{
    struct options o = {.trajectories = 100000, .stoq_updates = 20000, .length = 1, .steps = 12, .levels = 60,
                        .threads = 1, .seed = 1, .beta = 5.0, .time = 0.5};
    if (read_options(count, words, &o) != 0) {
        fprintf(stderr, "usage: u1_hmc [MODEL.onnx] [--beta B] [--trajectories N] [--stoq-updates N] [--length L]\n"
                        "              [--steps N] [--time T] [--levels N] [--threads N] [--seed S] [--json FILE]\n");
        return 2;
    }
    build_neighbours();
    struct run run[RUNS] = {{.name = "HMC", .key = "hmc", .updates = o.trajectories},
                            {.name = o.model ? "HMC + stoq, renoise" : "HMC + stoq, charge shift",
                             .key = "hmc_stoq", .updates = o.stoq_updates}};
    struct estimate e[RUNS][OBSERVABLES];
    struct stoq_parts stoq = {.chain = NULL};
    double exact[OBSERVABLES];
    int failures = 0, compared = 0;
    stoq_status_t status = start_stoq(&stoq, &o); /* stoq: set up */
    if (status == STOQ_OK) status = read_exact(stoq.exact, exact);
    for (int r = 0; r < RUNS && status == STOQ_OK; r++) {
        double *memory = malloc(OBSERVABLES * (size_t)run[r].updates * sizeof *memory);
        if (!memory) return fprintf(stderr, "out of memory\n"), 2;
        for (int k = 0; k < OBSERVABLES; k++) run[r].series[k] = memory + k * run[r].updates;
        fprintf(stderr, "%s: %ld updates\n", run[r].name, run[r].updates);
        status = sample(&run[r], r == WITH_STOQ ? &stoq : NULL, 3 * (uint64_t)o.seed + (uint64_t)r, &o);
        for (int k = 0; k < OBSERVABLES && status == STOQ_OK; k++) {
            e[r][k] = analyse(run[r].series[k], run[r].updates);
            if (k != PLAQUETTE && is_frozen(&run[r])) continue; /* frozen: no error to compare with */
            failures += !(fabs(deviation(&e[r][k], exact[k])) <= 4.0); /* a NaN is a failure */
            compared++;
        }
        free(memory);
    }
    if (status != STOQ_OK) /* stoq: the reason of a failure */
        fprintf(stderr, "stoq: %s: %s\n", stoq_status_name(status), stoq_last_error());
    stop_stoq(&stoq); /* stoq: free */
    if (status != STOQ_OK) return 2;
    printf("2D U(1), %d x %d, beta = %g; an update is a trajectory (and a stoq step)\n\n", EXTENT, EXTENT, o.beta);
    print_table(run, e, exact);
    for (int r = 0; r < RUNS; r++)
        if (is_frozen(&run[r]))
            printf("\n%s: the charge is frozen; errors and tau_int of Q mean nothing\n", run[r].name);
        else if ((double)run[r].updates < 50.0 * e[r][CHARGE].tau)
            printf("\n%s is too short: errors mean little below 50 tau_int\n", run[r].name);
    printf("\n%d of %d values with |z| > 4 (expected 0; false alarm for all together: at most 4e-4)\n", failures, compared);
    if (o.json && write_json(o.json, run, e, exact) != 0) return fprintf(stderr, "cannot write %s\n", o.json), 2;
    return failures ? 1 : 0;
}
