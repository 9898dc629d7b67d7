/*
 * Two-dimensional lattice phi^4 theory on several MPI ranks, each with some rows of the lattice, and with stoq.
 *
 * The host is domain-decomposed: HMC on the own rows with halo exchange, global sums, random numbers that belong to
 * global sites, one accept decision for all ranks. stoq knows nothing of MPI. Each rank gathers the field, makes the
 * same proposal for the whole lattice (the same bits from the same field), and evaluates the action of its own rows;
 * the callback that stoq calls for S sums over ranks. What belongs to stoq is marked "stoq:".
 *
 * All sums over the lattice run over rows in global order, so that the chain has the same bits on any number of ranks.
 * The program prints them as hashes. Exit status 0: all ranks agree; 1: they do not; 2: it could not run.
 */
#include <inttypes.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <mpi.h>
#include <stoq.h>

#include "broadcast_model.h"

enum { EXTENT = 16, VOLUME = EXTENT * EXTENT, STEPS = 6 };
static const double KAPPA = 0.27, LAMBDA = 0.022;

/* ------------------------------------------------------------------------------------------------
 * Random numbers: a hash of what they are for (mix of splitmix64), so that no rank need know how many another drew.
 */
enum purpose { START, MOMENTUM, ACCEPT };

static uint64_t mix(uint64_t z)
{
    z += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

/* Uniform in (0, 1]. `site` is the number of the site in the whole lattice. */
static double uniform(uint64_t seed, enum purpose purpose, uint64_t update, uint64_t site)
{
    uint64_t hash = mix(mix(mix(mix(seed) ^ (uint64_t)purpose) ^ update) ^ site);
    return (double)((hash >> 11) + 1) * 0x1p-53;
}

static double normal(uint64_t seed, enum purpose purpose, uint64_t update, uint64_t site)
{
    double radius = sqrt(-2.0 * log(uniform(seed, purpose, update, 2 * site)));
    return radius * cos(6.283185307179586477 * uniform(seed, purpose, update, 2 * site + 1));
}

/* FNV-1a over the bits of some numbers: two fields with one hash are the same field. */
static uint64_t hash_of(uint64_t hash, const double *values, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        uint64_t bits;
        memcpy(&bits, &values[i], sizeof bits);
        for (int byte = 0; byte < 8; byte++)
            hash = (hash ^ ((bits >> (8 * byte)) & 0xff)) * 0x100000001b3u;
    }
    return hash;
}

/* ------------------------------------------------------------------------------------------------
 * The domain of a rank: `rows` rows from row `first` on, with a halo row at either side.
 */
struct domain {
    int rank, ranks, rows, first;
    uint64_t seed;
    double phi[(EXTENT + 2) * EXTENT]; /* row r of the domain begins at phi + (r + 1) * EXTENT */
    double action;                     /* of the whole lattice */
    uint64_t proposals;                /* hash of all whole-lattice fields that stoq showed */
};

static double *row_of(double *phi, int row) { return phi + (row + 1) * EXTENT; }

static void exchange_halos(const struct domain *d, double *phi)
{
    int up = (d->rank + 1) % d->ranks, down = (d->rank + d->ranks - 1) % d->ranks;
    MPI_Sendrecv(row_of(phi, d->rows - 1), EXTENT, MPI_DOUBLE, up, 0, row_of(phi, -1), EXTENT, MPI_DOUBLE, down, 0,
                 MPI_COMM_WORLD, MPI_STATUS_IGNORE);
    MPI_Sendrecv(row_of(phi, 0), EXTENT, MPI_DOUBLE, down, 1, row_of(phi, d->rows), EXTENT, MPI_DOUBLE, up, 1,
                 MPI_COMM_WORLD, MPI_STATUS_IGNORE);
}

/* The sum over all rows of the lattice, in their global order on every rank: the same bits for any number of ranks.
 * MPI_Allreduce does not promise that. */
static double ordered_sum(const struct domain *d, const double *of_my_rows)
{
    double of_all[EXTENT], sum = 0.0;
    MPI_Allgather(of_my_rows, d->rows, MPI_DOUBLE, of_all, d->rows, MPI_DOUBLE, MPI_COMM_WORLD);
    for (int row = 0; row < EXTENT; row++)
        sum += of_all[row];
    return sum;
}

/* The action of one row and of its links to the right and upwards. */
static double row_action(const double *row, const double *up)
{
    double hopping = 0.0, local = 0.0;
    for (int x = 0; x < EXTENT; x++) {
        double square = row[x] * row[x];
        hopping += row[x] * (row[(x + 1) % EXTENT] + up[x]);
        local += square * (1.0 - 2.0 * LAMBDA + LAMBDA * square);
    }
    return local - 2.0 * KAPPA * hopping;
}

static double action(const struct domain *d, double *phi)
{
    double rows[EXTENT];
    for (int row = 0; row < d->rows; row++)
        rows[row] = row_action(row_of(phi, row), row_of(phi, row + 1));
    return ordered_sum(d, rows);
}

/* ------------------------------------------------------------------------------------------------
 * Hybrid Monte Carlo on the domains.
 */
static double kinetic(const struct domain *d, const double *momentum)
{
    double rows[EXTENT];
    for (int row = 0; row < d->rows; row++) {
        rows[row] = 0.0;
        for (int x = 0; x < EXTENT; x++)
            rows[row] += 0.5 * momentum[row * EXTENT + x] * momentum[row * EXTENT + x];
    }
    return ordered_sum(d, rows);
}

static void kick(const struct domain *d, double *phi, double *momentum, double step)
{
    exchange_halos(d, phi);
    for (int row = 0; row < d->rows; row++) {
        const double *here = row_of(phi, row), *up = row_of(phi, row + 1), *down = row_of(phi, row - 1);
        for (int x = 0; x < EXTENT; x++) {
            double near = here[(x + 1) % EXTENT] + here[(x + EXTENT - 1) % EXTENT] + up[x] + down[x];
            double mass = 2.0 * (1.0 - 2.0 * LAMBDA) + 4.0 * LAMBDA * here[x] * here[x];
            momentum[row * EXTENT + x] += step * (2.0 * KAPPA * near - mass * here[x]);
        }
    }
}

static void drift(const struct domain *d, double *phi, const double *momentum, double step)
{
    for (int i = 0; i < d->rows * EXTENT; i++)
        row_of(phi, 0)[i] += step * momentum[i];
}

/* One leapfrog trajectory of length 1; returns 1 when it is accepted, on all ranks alike. */
static int hmc_trajectory(struct domain *d, uint64_t update)
{
    double momentum[VOLUME], phi[(EXTENT + 2) * EXTENT], step = 1.0 / STEPS;
    for (int i = 0; i < d->rows * EXTENT; i++)
        momentum[i] = normal(d->seed, MOMENTUM, update, (uint64_t)(d->first * EXTENT + i));
    memcpy(phi, d->phi, sizeof phi);
    double before = d->action + kinetic(d, momentum);

    drift(d, phi, momentum, 0.5 * step);
    for (int i = 1; i <= STEPS; i++) {
        kick(d, phi, momentum, step);
        drift(d, phi, momentum, i < STEPS ? step : 0.5 * step);
    }

    exchange_halos(d, phi);
    double proposed = action(d, phi), difference = proposed + kinetic(d, momentum) - before;
    if (!(uniform(d->seed, ACCEPT, update, 0) <= exp(-difference))) /* also rejects a NaN */
        return 0;
    memcpy(d->phi, phi, sizeof phi);
    d->action = proposed;
    return 1;
}

/* ------------------------------------------------------------------------------------------------
 * stoq: the action as a callback, and one update.
 */

/* stoq: S of a whole-lattice field. Each rank does its own rows; the sum over ranks is here. All ranks call it equally
 * often, for they make the same moves; so the collective call in it meets its partners. */
static int32_t action_for_stoq(void *user, const double *field, size_t values, double *result)
{
    struct domain *d = user;
    double rows[EXTENT];
    d->proposals = hash_of(d->proposals, field, values);
    for (int row = 0; row < d->rows; row++) {
        int here = d->first + row, up = (here + 1) % EXTENT;
        rows[row] = row_action(field + here * EXTENT, field + up * EXTENT);
    }
    *result = ordered_sum(d, rows);
    return 0;
}

/* stoq: gathers the field, updates it on every rank alike, and keeps the own rows. */
static stoq_status_t stoq_update(struct domain *d, stoq_chain_t *chain, int32_t *outcome)
{
    double whole[VOLUME];
    stoq_status_t status;
    MPI_Allgather(row_of(d->phi, 0), d->rows * EXTENT, MPI_DOUBLE, whole, d->rows * EXTENT, MPI_DOUBLE,
                  MPI_COMM_WORLD);
    if ((status = stoq_chain_step(chain, whole, outcome)) != STOQ_OK) return status;
    if (*outcome == STOQ_ACCEPTED) {
        memcpy(row_of(d->phi, 0), whole + d->first * EXTENT, (size_t)(d->rows * EXTENT) * sizeof *whole);
        exchange_halos(d, d->phi);
        d->action = action(d, d->phi); /* phi is new, so S is too */
    }
    return STOQ_OK;
}

struct stoq_parts {
    stoq_model_t *model;
    stoq_action_t *action;
    stoq_chain_t *chain;
};

/* stoq: the same model, options and chain number on every rank: that is what makes the proposals the same. */
static stoq_status_t start_stoq(struct stoq_parts *parts, const char *path, struct domain *d)
{
    const size_t extents[2] = {EXTENT, EXTENT};
    stoq_layout_t layout;
    stoq_chain_options_t options;
    stoq_status_t status;
    if ((status = stoq_layout_init(&layout, 2, extents)) != STOQ_OK) return status;
    if ((status = stoq_chain_options_init(&options)) != STOQ_OK) return status;
    options.seed = d->seed;
    options.levels = 10;
    if ((status = broadcast_model(path, &parts->model)) != STOQ_OK) return status;
    if ((status = stoq_action_callback(&layout, action_for_stoq, d, NULL, &parts->action)) != STOQ_OK) return status;
    return stoq_chain_new(parts->model, parts->action, &layout, &options, &parts->chain);
}

/* ------------------------------------------------------------------------------------------------
 * The program.
 */

/* Whether a number is the same on all ranks. */
static int same_everywhere(uint64_t number)
{
    uint64_t ends[2] = {number, ~number}, least[2];
    MPI_Allreduce(ends, least, 2, MPI_UINT64_T, MPI_MIN, MPI_COMM_WORLD);
    return least[0] == number && least[1] == ~number;
}

static void start_host(struct domain *d)
{
    for (int i = 0; i < d->rows * EXTENT; i++)
        row_of(d->phi, 0)[i] = normal(d->seed, START, 0, (uint64_t)(d->first * EXTENT + i));
    exchange_halos(d, d->phi);
    d->action = action(d, d->phi);
}

static stoq_status_t sample(struct domain *d, stoq_chain_t *chain, uint64_t updates, int *agree)
{
    const uint64_t thermalisation = 200;
    uint64_t hmc_accepted = 0, stoq_accepted = 0, actions = 0xcbf29ce484222325u;
    double whole[VOLUME], magnetisation = 0.0;
    *agree = 1;
    for (uint64_t update = 0; update < thermalisation + updates; update++) {
        int accepted = hmc_trajectory(d, update);
        int32_t outcome = STOQ_REJECTED;
        if (update < thermalisation) continue;
        stoq_status_t status = stoq_update(d, chain, &outcome);
        if (status != STOQ_OK) return status;
        /* Decisions hide the last bits of S, so those are compared themselves. Ranks that took different decisions would
         * soon wait for each other in different calls: they stop here. */
        actions = hash_of(actions, &d->action, 1);
        *agree = same_everywhere((uint64_t)(2 * accepted + outcome)) && same_everywhere(actions);
        if (!*agree) return STOQ_OK;
        hmc_accepted += (uint64_t)accepted;
        stoq_accepted += outcome == STOQ_ACCEPTED;
        double rows[EXTENT];
        for (int row = 0; row < d->rows; row++) {
            rows[row] = 0.0;
            for (int x = 0; x < EXTENT; x++) rows[row] += row_of(d->phi, row)[x];
        }
        magnetisation += fabs(ordered_sum(d, rows)) / VOLUME;
    }
    MPI_Allgather(row_of(d->phi, 0), d->rows * EXTENT, MPI_DOUBLE, whole, d->rows * EXTENT, MPI_DOUBLE,
                  MPI_COMM_WORLD);
    uint64_t field = hash_of(0xcbf29ce484222325u, whole, VOLUME);
    *agree = *agree && same_everywhere(field) && same_everywhere(d->proposals);
    if (d->rank != 0) return STOQ_OK;
    printf("2D phi^4, %d x %d, kappa = %g, lambda = %g, %" PRIu64 " updates: a trajectory and a stoq step each\n", EXTENT,
           EXTENT, KAPPA, LAMBDA, updates);
    printf("HMC acceptance   %.4f\n", (double)hmc_accepted / (double)updates);
    printf("stoq acceptance  %.4f\n", (double)stoq_accepted / (double)updates);
    printf("mean |M|         %.6f\n", magnetisation / (double)updates);
    printf("last S           %.6f\n", d->action);
    printf("bits of the last field      %016" PRIx64 "\n", field);
    printf("bits of all fields proposed %016" PRIx64 "\n", d->proposals);
    printf("bits of all actions         %016" PRIx64 "\n", actions);
    return STOQ_OK;
}

int main(int count, char **words)
{
    static struct domain domain;
    struct domain *d = &domain;
    struct stoq_parts stoq = {NULL, NULL, NULL};
    int agree = 0;
    MPI_Init(&count, &words);
    MPI_Comm_rank(MPI_COMM_WORLD, &d->rank);
    MPI_Comm_size(MPI_COMM_WORLD, &d->ranks);
    if (count < 2 || count > 3 || EXTENT % d->ranks != 0) {
        if (d->rank == 0)
            fprintf(stderr, "usage: mpirun -n RANKS phi4_mpi MODEL.onnx [UPDATES]     RANKS divides %d\n", EXTENT);
        MPI_Finalize();
        return 2;
    }
    d->rows = EXTENT / d->ranks;
    d->first = d->rank * d->rows;
    d->seed = 1;
    d->proposals = 0xcbf29ce484222325u;
    start_host(d);

    stoq_status_t status = start_stoq(&stoq, words[1], d);
    int all_started = everywhere(status == STOQ_OK); /* else the others would wait for this rank */
    if (all_started) status = sample(d, stoq.chain, count == 3 ? strtoul(words[2], NULL, 10) : 400, &agree);
    if (status != STOQ_OK)
        fprintf(stderr, "rank %d: stoq: %s: %s\n", d->rank, stoq_status_name(status), stoq_last_error());
    else if (all_started && d->rank == 0)
        fprintf(stderr, "%d ranks %s\n", d->ranks, agree ? "agree" : "DO NOT AGREE");
    stoq_chain_free(stoq.chain);
    stoq_action_free(stoq.action);
    stoq_model_free(stoq.model);
    if (status != STOQ_OK && all_started) MPI_Abort(MPI_COMM_WORLD, 2); /* a rank stopped in the middle */
    MPI_Finalize();
    return !all_started ? 2 : agree ? 0 : 1;
}
