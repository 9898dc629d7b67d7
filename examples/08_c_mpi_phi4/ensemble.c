/*
 * An ensemble: every MPI rank has the whole lattice and a chain of its own. The plain way to use many ranks where the
 * lattice fits into one: no communication but at the beginning and at the end.
 *
 * stoq's own HMC and the path kernel take turns on the built-in phi^4 action. Chains of one seed with different numbers
 * (options.chain) are independent, and each depends on its number alone, not on how many ranks there are.
 *
 * Exit status 0: done, 2: it could not run.
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

enum { EXTENT = 16, VOLUME = EXTENT * EXTENT, THERMALISATION = 100 };

struct stoq_parts {
    stoq_model_t *model;
    stoq_action_t *action;
    stoq_chain_t *hmc, *path;
};

/* What a rank tells about its chain. */
struct summary {
    double magnetisation, acceptance;
    uint64_t bits;
};

static stoq_status_t start(struct stoq_parts *parts, const char *model, int rank)
{
    const size_t extents[2] = {EXTENT, EXTENT};
    stoq_layout_t layout;
    stoq_chain_options_t options;
    stoq_status_t status;
    if ((status = stoq_layout_init(&layout, 2, extents)) != STOQ_OK) return status;
    if ((status = stoq_chain_options_init(&options)) != STOQ_OK) return status;
    if ((status = broadcast_model(model, &parts->model)) != STOQ_OK) return status;
    if ((status = stoq_action_phi4(&layout, 0.27, 0.022, &parts->action)) != STOQ_OK) return status;
    options.levels = 10;
    options.chain = 2 * (uint32_t)rank; /* two kernels a rank: two numbers */
    if ((status = stoq_chain_new(parts->model, parts->action, &layout, &options, &parts->path)) != STOQ_OK)
        return status;
    options.chain++;
    options.kernel = STOQ_KERNEL_HMC;
    options.integrator_steps = 4;
    return stoq_chain_new(NULL, parts->action, &layout, &options, &parts->hmc);
}

static stoq_status_t run(const struct stoq_parts *parts, long updates, struct summary *summary)
{
    double phi[VOLUME] = {0.0};
    long accepted = 0;
    stoq_status_t status;
    for (long update = 0; update < THERMALISATION + updates; update++) {
        int32_t outcome = STOQ_REJECTED;
        double sum = 0.0;
        if ((status = stoq_chain_step(parts->hmc, phi, NULL)) != STOQ_OK) return status;
        if ((status = stoq_chain_step(parts->path, phi, &outcome)) != STOQ_OK) return status;
        if (update < THERMALISATION) continue;
        for (int site = 0; site < VOLUME; site++)
            sum += phi[site];
        summary->magnetisation += fabs(sum) / VOLUME / (double)updates;
        accepted += outcome == STOQ_ACCEPTED;
    }
    summary->acceptance = (double)accepted / (double)updates;
    summary->bits = 0xcbf29ce484222325u; /* FNV-1a over the field */
    for (size_t byte = 0; byte < sizeof phi; byte++)
        summary->bits = (summary->bits ^ ((const unsigned char *)phi)[byte]) * 0x100000001b3u;
    return STOQ_OK;
}

static void report(const struct summary *all, int ranks)
{
    double mean = 0.0, square = 0.0;
    for (int rank = 0; rank < ranks; rank++) {
        printf("chain %d: <|M|> %.6f, acceptance %.4f, bits of the last field %016" PRIx64 "\n", rank,
               all[rank].magnetisation, all[rank].acceptance, all[rank].bits);
        mean += all[rank].magnetisation / ranks;
    }
    for (int rank = 0; rank < ranks; rank++)
        square += (all[rank].magnetisation - mean) * (all[rank].magnetisation - mean);
    /* Independent chains: the error of the mean needs no autocorrelation time. */
    if (ranks > 1) printf("<|M|> = %.4f +- %.4f\n", mean, sqrt(square / ranks / (ranks - 1)));
}

int main(int count, char **words)
{
    struct stoq_parts stoq = {NULL, NULL, NULL, NULL};
    struct summary mine = {0.0, 0.0, 0}, *all = NULL;
    int rank, ranks;
    MPI_Init(&count, &words);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &ranks);
    if (count < 2 || count > 3) {
        if (rank == 0) fprintf(stderr, "usage: mpirun -n RANKS ensemble MODEL.onnx [UPDATES]\n");
        MPI_Finalize();
        return 2;
    }
    stoq_status_t status = start(&stoq, words[1], rank);
    if (status == STOQ_OK) status = run(&stoq, count == 3 ? strtol(words[2], NULL, 10) : 400, &mine);
    if (status != STOQ_OK) fprintf(stderr, "rank %d: stoq: %s: %s\n", rank, stoq_status_name(status), stoq_last_error());
    stoq_chain_free(stoq.hmc);
    stoq_chain_free(stoq.path);
    stoq_action_free(stoq.action);
    stoq_model_free(stoq.model);

    if (rank == 0) all = malloc((size_t)ranks * sizeof *all);
    int complete = everywhere(status == STOQ_OK && (rank != 0 || all));
    if (complete) {
        MPI_Gather(&mine, sizeof mine, MPI_BYTE, all, sizeof mine, MPI_BYTE, 0, MPI_COMM_WORLD);
        if (rank == 0) report(all, ranks);
    }
    free(all);
    MPI_Finalize();
    return complete ? 0 : 2;
}
