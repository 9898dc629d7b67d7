/*
 * A host whose action no callback gives easily, and two-phase updates: stoq proposes, the host decides when and how to
 * evaluate its action, and stoq resolves.
 *
 * The theory is a scalar field with a determinant, as fermions leave it, on 8 x 8 periodic sites:
 *
 *     S = sum_x [ -2 kappa sum_mu phi(x) phi(x+mu) + (1 - 2 lambda) phi(x)^2 + lambda phi(x)^4 ] - log det A(phi),
 *     A = m^2 - Laplace + y^2 diag(phi^2).
 *
 * The host samples it by local Metropolis, for which it keeps the inverse of A beside the field: the ratio of two
 * determinants is then one number. A global proposal changes all of A; the host factorises it anew, and only the result
 * goes to stoq. Everything that stoq adds is marked "stoq:". Averages without and with stoq must agree: exit status 0;
 * 1: some |z| > 4; 2: it could not run.
 */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <stoq.h> /* stoq: the only header */

enum { EXTENT = 8, VOLUME = EXTENT * EXTENT, THERMALISATION = 200, BINS = 50 };
static const double KAPPA = 0.18, LAMBDA = 0.022, MASS2 = 0.5, YUKAWA2 = 0.25;

/* Random numbers of the host: splitmix64. Uniform in (0, 1]. */
static double uniform(uint64_t *state)
{
    uint64_t z = (*state += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return (double)(((z ^ (z >> 31)) >> 11) + 1) * 0x1p-53;
}

/* ------------------------------------------------------------------------------------------------
 * The theory.
 */
static int neighbour(int site, int direction)
{
    int y = site / EXTENT, x = site % EXTENT, step = direction % 2 ? 1 : EXTENT - 1;
    return direction < 2 ? (y + step) % EXTENT * EXTENT + x : y * EXTENT + (x + step) % EXTENT;
}

static double around(const double *phi, int site)
{
    double sum = 0.0;
    for (int direction = 0; direction < 4; direction++) sum += phi[neighbour(site, direction)];
    return sum;
}

static double potential(double phi)
{
    double square = phi * phi;
    return square * (1.0 - 2.0 * LAMBDA + LAMBDA * square);
}

/* The lower factor of A = L L^T into `factor`; log det A, or NaN where A is not positive. */
static double factorise(const double *phi, double factor[VOLUME][VOLUME])
{
    double log_det = 0.0;
    memset(factor, 0, sizeof(double[VOLUME][VOLUME]));
    for (int site = 0; site < VOLUME; site++) {
        factor[site][site] = MASS2 + 4.0 + YUKAWA2 * phi[site] * phi[site];
        for (int direction = 0; direction < 4; direction++) factor[site][neighbour(site, direction)] -= 1.0;
    }
    for (int i = 0; i < VOLUME; i++) {
        for (int j = 0; j <= i; j++) {
            double sum = factor[i][j];
            for (int k = 0; k < j; k++) sum -= factor[i][k] * factor[j][k];
            if (i == j && !(sum > 0.0)) return NAN;
            factor[i][j] = i == j ? sqrt(sum) : sum / factor[j][j];
        }
        log_det += 2.0 * log(factor[i][i]);
    }
    return log_det;
}

/* The inverse of A from its factor. */
static void invert(double factor[VOLUME][VOLUME], double inverse[VOLUME][VOLUME])
{
    for (int column = 0; column < VOLUME; column++) {
        double v[VOLUME] = {0.0};
        v[column] = 1.0;
        for (int i = 0; i < VOLUME; i++) {
            for (int k = 0; k < i; k++) v[i] -= factor[i][k] * v[k];
            v[i] /= factor[i][i];
        }
        for (int i = VOLUME - 1; i >= 0; i--) {
            for (int k = i + 1; k < VOLUME; k++) v[i] -= factor[k][i] * v[k];
            v[i] /= factor[i][i];
        }
        for (int i = 0; i < VOLUME; i++) inverse[i][column] = v[i];
    }
}

/* The host: its field, and what it keeps beside it. */
struct host {
    uint64_t random;
    double phi[VOLUME], action;
    double factor[VOLUME][VOLUME], inverse[VOLUME][VOLUME];
};

/* S, by a factorisation that stays in the host. NaN where the determinant is not positive. */
static double action(struct host *host, const double *phi)
{
    double sum = -factorise(phi, host->factor);
    for (int site = 0; site < VOLUME; site++) sum += potential(phi[site]) - KAPPA * phi[site] * around(phi, site);
    return sum;
}

/* Everything that the host keeps beside phi, for a phi that is new. */
static void renew(struct host *host)
{
    host->action = action(host, host->phi);
    invert(host->factor, host->inverse);
}

/* One sweep of local Metropolis. det(A + d e e^T) = det A (1 + d A^-1_xx), and the inverse follows (Sherman, Morrison). */
static void sweep(struct host *host)
{
    double *phi = host->phi;
    for (int site = 0; site < VOLUME; site++) {
        double value = phi[site] + 2.0 * (uniform(&host->random) - 0.5);
        double d = YUKAWA2 * (value * value - phi[site] * phi[site]), ratio = 1.0 + d * host->inverse[site][site];
        double change = potential(value) - potential(phi[site]) - 2.0 * KAPPA * (value - phi[site]) * around(phi, site);
        if (!(uniform(&host->random) <= ratio * exp(-change))) continue;
        double column[VOLUME];
        for (int i = 0; i < VOLUME; i++) column[i] = host->inverse[i][site];
        for (int i = 0; i < VOLUME; i++)
            for (int k = 0; k < VOLUME; k++) host->inverse[i][k] -= d / ratio * column[i] * column[k];
        phi[site] = value;
        host->action += change - log(ratio);
    }
}

/* ------------------------------------------------------------------------------------------------
 * stoq: this section and one line in sample() are all that the host gains.
 */
struct stoq_parts {
    stoq_model_t *model;
    stoq_chain_t *chain;
};

/* stoq: a chain without an action. The model is a Gaussian one here; a trained one is stoq_model_load(). */
static stoq_status_t start_stoq(struct stoq_parts *parts, uint32_t levels)
{
    const size_t extents[2] = {EXTENT, EXTENT};
    stoq_layout_t layout;
    stoq_schedule_t schedule;
    stoq_chain_options_t options;
    stoq_status_t status;
    if ((status = stoq_layout_init(&layout, 2, extents)) != STOQ_OK) return status;
    if ((status = stoq_schedule_init(&schedule)) != STOQ_OK) return status;
    if ((status = stoq_chain_options_init(&options)) != STOQ_OK) return status;
    options.levels = levels;
    if ((status = stoq_model_free_field(&layout, &schedule, 0.165, &parts->model)) != STOQ_OK) return status;
    return stoq_chain_new(parts->model, NULL, &layout, &options, &parts->chain);
}

/* stoq: one update in two halves. Between them the host may do what it likes: a farm of workers, a GPU, MPI. */
static stoq_status_t stoq_update(const struct stoq_parts *parts, struct host *host, int32_t *outcome)
{
    double proposal[VOLUME], log_hastings;
    stoq_status_t status = stoq_chain_propose(parts->chain, host->phi, proposal, &log_hastings);
    if (status != STOQ_OK) return status;
    double proposed = action(host, proposal); /* the host's own; a NaN rejects */
    status = stoq_chain_resolve(parts->chain, proposed - host->action, host->phi, outcome);
    if (status == STOQ_OK && *outcome == STOQ_ACCEPTED) renew(host); /* phi is new, so all that belongs to it is too */
    return status;
}

/* ------------------------------------------------------------------------------------------------
 * A run, and averages with errors from bins.
 */
struct average {
    double value, error;
};

enum { SQUARE, MAGNETISATION, SUSCEPTIBILITY, OBSERVABLES };
static const char *const names[OBSERVABLES] = {"<phi^2>", "<|M|>", "V <M^2>"};

/* `updates` are sweeps, each with an update by stoq unless `stoq` is NULL. */
static stoq_status_t sample(struct host *host, const struct stoq_parts *stoq, long updates, struct average found[OBSERVABLES],
                            double *acceptance)
{
    double bins[OBSERVABLES][BINS] = {{0.0}};
    long accepted = 0, length = updates / BINS;
    renew(host);
    for (long update = -THERMALISATION; update < BINS * length; update++) {
        int32_t outcome = STOQ_REJECTED;
        if (update % 50 == 0) renew(host); /* rounding of many small changes */
        sweep(host);
        if (stoq) {
            stoq_status_t status = stoq_update(stoq, host, &outcome); /* stoq: the update */
            if (status != STOQ_OK) return status;
        }
        if (update < 0) continue;
        double sum = 0.0, squares = 0.0;
        for (int site = 0; site < VOLUME; site++) sum += host->phi[site], squares += host->phi[site] * host->phi[site];
        bins[SQUARE][update / length] += squares / VOLUME / (double)length;
        bins[MAGNETISATION][update / length] += fabs(sum) / VOLUME / (double)length;
        bins[SUSCEPTIBILITY][update / length] += sum * sum / VOLUME / (double)length;
        accepted += outcome == STOQ_ACCEPTED;
    }
    *acceptance = (double)accepted / (double)(BINS * length);
    for (int k = 0; k < OBSERVABLES; k++) {
        double variance = 0.0;
        found[k].value = 0.0;
        for (int bin = 0; bin < BINS; bin++) found[k].value += bins[k][bin] / BINS;
        for (int bin = 0; bin < BINS; bin++) variance += pow(bins[k][bin] - found[k].value, 2);
        found[k].error = sqrt(variance / (BINS - 1) / BINS);
    }
    return STOQ_OK;
}

static int usage(void)
{
    fprintf(stderr, "usage: yukawa [--updates N] [--levels N]     N updates, at least %d\n", BINS);
    return 2;
}

int main(int count, char **words)
{
    static struct host alone = {.random = 1}, helped = {.random = 2};
    struct stoq_parts stoq = {NULL, NULL};
    struct average plain[OBSERVABLES], with_stoq[OBSERVABLES];
    long updates = 10000, levels = 10;
    int failures = 0;
    for (int i = 1; i < count; i += 2) {
        char *end = "?";
        long value = i + 1 < count ? strtol(words[i + 1], &end, 10) : 0;
        if (*end != '\0' || value < 1) return usage();
        if (strcmp(words[i], "--updates") == 0 && value >= BINS) updates = value;
        else if (strcmp(words[i], "--levels") == 0 && value <= 100000) levels = value;
        else return usage();
    }
    double acceptance = 0.0, none;
    stoq_status_t status = start_stoq(&stoq, (uint32_t)levels);
    if (status == STOQ_OK) status = sample(&alone, NULL, updates, plain, &none);
    if (status == STOQ_OK) status = sample(&helped, &stoq, updates, with_stoq, &acceptance);
    if (status != STOQ_OK) /* stoq: the reason of a failure */
        fprintf(stderr, "stoq: %s: %s\n", stoq_status_name(status), stoq_last_error());
    stoq_chain_free(stoq.chain); /* stoq: NULL is allowed */
    stoq_model_free(stoq.model);
    if (status != STOQ_OK) return 2;

    printf("scalar field with a determinant, %d x %d, %ld updates; stoq acceptance %.4f\n", EXTENT, EXTENT, updates,
           acceptance);
    printf("%-10s%-24s%-24s%s\n", "", "Metropolis", "Metropolis + stoq", "z");
    for (int k = 0; k < OBSERVABLES; k++) {
        double z = (with_stoq[k].value - plain[k].value) / hypot(with_stoq[k].error, plain[k].error);
        printf("%-10s%8.5f +- %-12.5f%8.5f +- %-12.5f%+.2f\n", names[k], plain[k].value, plain[k].error,
               with_stoq[k].value, with_stoq[k].error, z);
        failures += !(fabs(z) <= 4.0); /* a NaN is a failure */
    }
    return failures ? 1 : 0;
}
