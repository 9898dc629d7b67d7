/*
 * A lattice code that trains its own diffusion model while it runs, and then uses it.
 *
 * The host is a Hybrid Monte Carlo of two-dimensional phi^4 theory on 8 x 8 sites, with its own arrays, action,
 * force, random numbers and error analysis. Everything that stoq adds is marked "stoq:". The program
 *
 *   1. runs its chain, hands a copy of the field to stoq every few trajectories, and lets stoq train in between;
 *   2. finishes the training: from here on the model does not change any more;
 *   3. goes on with the same chain, now with an exact stoq update after every trajectory.
 *
 * Both parts of the chain must give the same averages, and are compared by tau_int.
 */
#define _POSIX_C_SOURCE 200809L /* clock_gettime */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <stoq.h> /* stoq: the only header */

enum { EXTENT = 8, VOLUME = EXTENT * EXTENT };

struct couplings {
    double kappa, lambda;
};

struct options {
    const char *save, *json;
    long rounds, pushes, every, steps, updates, threads, seed;
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
    double sum = 0.0;
    for (int y = 0; y < EXTENT; y++) {
        const double *row = phi + y * EXTENT, *up = phi + (y + 1) % EXTENT * EXTENT;
        for (int x = 0; x < EXTENT; x++) {
            double square = row[x] * row[x];
            sum += square * (1.0 - 2.0 * c->lambda + c->lambda * square);
            sum -= 2.0 * c->kappa * row[x] * (row[(x + 1) % EXTENT] + up[x]);
        }
    }
    return sum;
}

/* momentum += step * force, with force(x) = -dS/dphi(x). */
static void kick(const struct couplings *c, const double *phi, double *restrict momentum, double step)
{
    for (int y = 0; y < EXTENT; y++) {
        const double *row = phi + y * EXTENT;
        const double *up = phi + (y + 1) % EXTENT * EXTENT, *down = phi + (y + EXTENT - 1) % EXTENT * EXTENT;
        for (int x = 0; x < EXTENT; x++) {
            double around = row[(x + 1) % EXTENT] + row[(x + EXTENT - 1) % EXTENT] + up[x] + down[x];
            double mass = 2.0 * (1.0 - 2.0 * c->lambda) + 4.0 * c->lambda * row[x] * row[x];
            momentum[y * EXTENT + x] += step * (2.0 * c->kappa * around - mass * row[x]);
        }
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
 * stoq: this section, and the lines marked in the two parts of the run, are all that the host gains.
 */

/* stoq: the host's own action as stoq calls it. Return 0: done, > 0: reject the move, < 0: stop. */
static int32_t action_for_stoq(void *user, const double *field, size_t sites, double *value)
{
    (void)sites;
    *value = action((const struct couplings *)user, field);
    return 0;
}

struct stoq_parts {
    stoq_layout_t layout;
    stoq_trainer_t *trainer;
    stoq_model_t *model;
    stoq_action_t *action;
    stoq_chain_t *chain;
};

/* stoq: a training without configurations. Stops at the first call that fails. */
static stoq_status_t start_training(struct stoq_parts *parts, const struct couplings *c, const struct options *o)
{
    const size_t extents[2] = {EXTENT, EXTENT};
    stoq_train_options_t options;
    stoq_action_t *known = NULL;
    stoq_status_t status;

    if ((status = stoq_layout_init(&parts->layout, 2, extents)) != STOQ_OK) return status;
    if ((status = stoq_train_options_init(&options)) != STOQ_OK) return status;
    options.size = STOQ_SIZE_TINY;
    options.steps = (uint64_t)o->steps; /* of the whole training: the learning rate falls along them */
    options.seed = (uint64_t)o->seed;
    options.threads = (uint32_t)o->threads;
    /* phi^4 is built in, and its force teaches too. For a theory that is not, pass NULL instead of `known`. */
    if ((status = stoq_action_phi4(&parts->layout, c->kappa, c->lambda, &known)) != STOQ_OK) return status;
    status = stoq_trainer_new(&parts->layout, known, &options, &parts->trainer);
    stoq_action_free(known);
    return status;
}

/* stoq: the finished model, and a chain with it and the host's own action. */
static stoq_status_t finish_training(struct stoq_parts *parts, struct couplings *couplings, const struct options *o)
{
    stoq_chain_options_t options;
    stoq_status_t status;

    if ((status = stoq_trainer_finish(parts->trainer, &parts->model)) != STOQ_OK) return status;
    if (o->save && (status = stoq_model_save(parts->model, o->save)) != STOQ_OK) return status;
    if ((status = stoq_action_callback(&parts->layout, action_for_stoq, couplings, NULL, &parts->action)) != STOQ_OK)
        return status;
    if ((status = stoq_chain_options_init(&options)) != STOQ_OK) return status;
    options.seed = (uint64_t)o->seed;
    options.threads = (uint32_t)o->threads;
    return stoq_chain_new(parts->model, parts->action, &parts->layout, &options, &parts->chain);
}

/* stoq: free what was made; NULL is allowed. */
static void stop_stoq(struct stoq_parts *parts)
{
    stoq_chain_free(parts->chain);
    stoq_action_free(parts->action);
    stoq_model_free(parts->model);
    stoq_trainer_free(parts->trainer);
}

/* ------------------------------------------------------------------------------------------------
 * The two parts of the run.
 */
struct run {
    const char *name, *key;
    long updates;
    double *magnetisation; /* sum_x phi(x) / V after each update */
    double hmc_acceptance, stoq_acceptance, seconds;
};

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static double magnetisation(const double *phi)
{
    double sum = 0.0;
    for (int x = 0; x < VOLUME; x++)
        sum += phi[x];
    return sum / VOLUME;
}

/* A trajectory of length 1: not tuned, so that there is something to gain. */
static int update_field(struct host *host) { return hmc_trajectory(host, 1.0, 6); }

/* Part 1: the chain alone, measured as ever; stoq looks on and learns. */
static stoq_status_t run_and_train(struct run *run, struct host *host, struct stoq_parts *stoq, const struct options *o)
{
    long update = 0, accepted = 0;
    double started = now(), training = 0.0;
    stoq_train_report_t report;
    stoq_status_t status = stoq_train_report_init(&report);
    for (long round = 0; round < o->rounds && status == STOQ_OK; round++) {
        for (long i = 0; i < o->pushes * o->every; i++, update++) {
            accepted += update_field(host);
            run->magnetisation[update] = magnetisation(host->phi);
            if (i % o->every == 0 && status == STOQ_OK)
                status = stoq_trainer_push(stoq->trainer, host->phi); /* stoq: it keeps a copy */
        }
        double before = now();
        uint64_t steps = (uint64_t)(o->steps * (round + 1) / o->rounds - o->steps * round / o->rounds);
        if (status == STOQ_OK) status = stoq_trainer_fit(stoq->trainer, steps, NULL, NULL, &report); /* stoq: learn */
        training += now() - before;
        if (status == STOQ_OK)
            fprintf(stderr, "%ld configurations, step %lu of %lu, loss %.4f\n", (round + 1) * o->pushes,
                    (unsigned long)report.step, (unsigned long)report.steps, report.loss);
    }
    run->hmc_acceptance = (double)accepted / (double)run->updates;
    run->seconds = now() - started - training;
    if (status == STOQ_OK) printf("trained for %.1f s on %ld configurations\n", training, o->rounds * o->pushes);
    return status;
}

/* Part 2: the same chain with one exact update more. */
static stoq_status_t run_with_update(struct run *run, struct host *host, stoq_chain_t *chain)
{
    long hmc_accepted = 0, stoq_accepted = 0;
    double started = now();
    for (long update = 0; update < run->updates; update++) {
        int32_t outcome;
        hmc_accepted += update_field(host);
        stoq_status_t status = stoq_chain_step(chain, host->phi, &outcome); /* stoq: the update */
        if (status != STOQ_OK) return status;
        if (outcome == STOQ_ACCEPTED) {
            host->action = action(&host->couplings, host->phi); /* stoq: phi is new, so S is too */
            stoq_accepted++;
        }
        run->magnetisation[update] = magnetisation(host->phi);
    }
    run->seconds = now() - started;
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

enum { ABS_M, CHI2, OBSERVABLES };
static const struct {
    const char *name, *key;
} observable[OBSERVABLES] = {{"<|M|>", "abs_mag"}, {"chi2 = V <M^2>", "chi2"}};

/* `series` is scratch, one value an update. */
static void analyse(const struct run *run, double *series, struct estimate e[OBSERVABLES])
{
    for (int k = 0; k < OBSERVABLES; k++) {
        double mean = 0.0;
        for (long i = 0; i < run->updates; i++) {
            double m = run->magnetisation[i];
            series[i] = k == ABS_M ? fabs(m) : VOLUME * m * m;
            mean += series[i] / (double)run->updates;
        }
        for (long i = 0; i < run->updates; i++)
            series[i] -= mean;
        e[k].value = mean;
        gamma_method(series, run->updates, &e[k]);
    }
}

/* ------------------------------------------------------------------------------------------------
 * Results.
 */
enum { BEFORE, AFTER, RUNS };

static double deviation(struct estimate e[RUNS][OBSERVABLES], int k)
{
    return (e[AFTER][k].value - e[BEFORE][k].value) / hypot(e[AFTER][k].error, e[BEFORE][k].error);
}

static void print_table(const struct run run[RUNS], struct estimate e[RUNS][OBSERVABLES])
{
    printf("\n%-20s%-24s%-24s\n%-20s", "", run[BEFORE].name, run[AFTER].name, "updates");
    for (int r = 0; r < RUNS; r++) printf("%-24ld", run[r].updates);
    printf("\n%-20s", "HMC acceptance");
    for (int r = 0; r < RUNS; r++) printf("%-24.3f", run[r].hmc_acceptance);
    printf("\n%-20s%-24s%-24.3f", "stoq acceptance", "-", run[AFTER].stoq_acceptance);
    for (int k = 0; k < OBSERVABLES; k++) {
        printf("\n%-20s", observable[k].name);
        for (int r = 0; r < RUNS; r++) printf("%-8.4f +- %-12.4f", e[r][k].value, e[r][k].error);
        printf("z %+.2f", deviation(e, k));
    }
    printf("\n%-20s", "tau_int(|M|)");
    for (int r = 0; r < RUNS; r++) printf("%-8.2f +- %-12.2f", e[r][ABS_M].tau, e[r][ABS_M].tau_error);
    printf("updates\n%-20s", "time / update");
    for (int r = 0; r < RUNS; r++) printf("%-24.1f", 1e6 * run[r].seconds / (double)run[r].updates);
    printf("microseconds\n");
}

static int write_json(const char *path, const struct run run[RUNS], struct estimate e[RUNS][OBSERVABLES])
{
    FILE *file = fopen(path, "w");
    if (!file) return -1;
    fprintf(file, "{\n");
    for (int r = 0; r < RUNS; r++) {
        fprintf(file, "  \"%s\": {\"updates\": %ld, \"hmc_acceptance\": %.6f, \"stoq_acceptance\": %.6f,\n", run[r].key,
                run[r].updates, run[r].hmc_acceptance, run[r].stoq_acceptance);
        for (int k = 0; k < OBSERVABLES; k++)
            fprintf(file, "    \"%s\": {\"value\": %.8g, \"error\": %.3g},\n", observable[k].key, e[r][k].value,
                    e[r][k].error);
        fprintf(file, "    \"tau_int_abs_mag\": {\"value\": %.5g, \"error\": %.3g}},\n", e[r][ABS_M].tau,
                e[r][ABS_M].tau_error);
    }
    fprintf(file, "  \"z\": {\"%s\": %.3f, \"%s\": %.3f}\n}\n", observable[ABS_M].key, deviation(e, ABS_M),
            observable[CHI2].key, deviation(e, CHI2));
    return fclose(file);
}

/* ------------------------------------------------------------------------------------------------
 * The program. Exit status 0: consistent, 1: some |z| > 4, 2: it could not run.
 */
static int read_options(int count, char **words, struct options *o)
{
    struct { const char *flag; long *value, least, most; } flags[] = {
        {"--rounds", &o->rounds, 1, 1000}, {"--pushes", &o->pushes, 32, 1000000},
        {"--every", &o->every, 1, 1000}, {"--steps", &o->steps, 1, 100000000},
        {"--updates", &o->updates, 100, 100000000}, {"--threads", &o->threads, 1, 1024},
        {"--seed", &o->seed, 0, 2147483647},
    };
    for (int i = 1; i < count; i += 2) {
        int known = 0;
        if (i + 1 == count) return -1;
        if (strcmp(words[i], "--json") == 0) o->json = words[i + 1], known = 1;
        if (strcmp(words[i], "--save") == 0) o->save = words[i + 1], known = 1;
        for (size_t f = 0; f < sizeof flags / sizeof *flags; f++) {
            char *end;
            if (strcmp(words[i], flags[f].flag) != 0) continue;
            *flags[f].value = strtol(words[i + 1], &end, 10);
            known = *end == '\0' && *flags[f].value >= flags[f].least && *flags[f].value <= flags[f].most;
            if (!known) fprintf(stderr, "%s: from %ld to %ld\n", flags[f].flag, flags[f].least, flags[f].most);
        }
        if (!known) return -1;
    }
    return 0;
}

/* Analyses and prints; returns the exit status. */
static int report(const struct run run[RUNS], double *scratch, const struct options *o)
{
    struct estimate e[RUNS][OBSERVABLES];
    int failures = 0;
    for (int r = 0; r < RUNS; r++) analyse(&run[r], scratch, e[r]);
    for (int k = 0; k < OBSERVABLES; k++) failures += !(fabs(deviation(e, k)) <= 4.0); /* a NaN is a failure */
    print_table(run, e);
    printf("\n%d of %d values with |z| > 4 (expected 0; false alarm for both together: at most 1.3e-4)\n", failures,
           OBSERVABLES);
    if (o->json && write_json(o->json, run, e) != 0) {
        fprintf(stderr, "cannot write %s\n", o->json);
        return 2;
    }
    return failures ? 1 : 0;
}

int main(int count, char **words)
{
    struct options o = {.rounds = 8, .pushes = 512, .every = 4, .steps = 800, .updates = 2000, .threads = 1, .seed = 1};
    struct couplings couplings = {.kappa = 0.27, .lambda = 0.022};
    if (read_options(count, words, &o) != 0) {
        fprintf(stderr, "usage: train_while_running [--rounds N] [--pushes N] [--every N] [--steps N] [--updates N]\n"
                        "                           [--threads N] [--seed S] [--save MODEL.onnx] [--json FILE]\n");
        return 2;
    }
    struct run run[RUNS] = {{.name = "HMC, training", .key = "before", .updates = o.rounds * o.pushes * o.every},
                            {.name = "HMC + stoq", .key = "after", .updates = o.updates}};
    long longest = run[BEFORE].updates > o.updates ? run[BEFORE].updates : o.updates;
    double *memory = malloc((size_t)(run[BEFORE].updates + o.updates + longest) * sizeof *memory);
    if (!memory) {
        fprintf(stderr, "out of memory\n");
        return 2;
    }
    run[BEFORE].magnetisation = memory;
    run[AFTER].magnetisation = memory + run[BEFORE].updates;

    struct host host = {.couplings = couplings};
    seed_generator(&host.generator, (uint64_t)o.seed);
    fill_normal(&host.generator, host.phi); /* hot start */
    host.action = action(&couplings, host.phi);
    for (int i = 0; i < 5000; i++) update_field(&host); /* thermalise before anything is pushed */

    struct stoq_parts stoq = {.trainer = NULL};
    stoq_status_t status = start_training(&stoq, &couplings, &o);
    if (status == STOQ_OK) status = run_and_train(&run[BEFORE], &host, &stoq, &o);
    if (status == STOQ_OK) status = finish_training(&stoq, &couplings, &o);
    if (status == STOQ_OK) status = run_with_update(&run[AFTER], &host, stoq.chain);
    if (status != STOQ_OK) /* stoq: the reason of a failure */
        fprintf(stderr, "stoq: %s: %s\n", stoq_status_name(status), stoq_last_error());
    stop_stoq(&stoq); /* stoq: free */
    int code = status == STOQ_OK ? report(run, memory + run[BEFORE].updates + o.updates, &o) : 2;
    free(memory);
    return code;
}
