/* The golden case in C: see tests/golden.rs. argv[1]: the committed model. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <stoq.h>

enum { EXTENT = 16, SITES = EXTENT * EXTENT, UPDATES = 20 };

static void must(stoq_status_t status)
{
    if (status == STOQ_OK) return;
    fprintf(stderr, "%s: %s\n", stoq_status_name(status), stoq_last_error());
    exit(EXIT_FAILURE);
}

static uint64_t bits(double value)
{
    uint64_t result;
    memcpy(&result, &value, sizeof result);
    return result;
}

static void print_statistics(const char *name, const stoq_chain_t *chain)
{
    stoq_chain_statistics_t s;
    must(stoq_chain_statistics_init(&s));
    must(stoq_chain_statistics(chain, &s));
    printf("%s %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 "\n", name, s.steps, s.accepted, s.non_finite,
           s.score_evaluations, s.proposals);
}

int main(int count, char **words)
{
    const size_t extents[2] = {EXTENT, EXTENT};
    stoq_layout_t layout;
    stoq_chain_options_t options;
    stoq_model_t *model = NULL;
    stoq_action_t *action = NULL;
    stoq_chain_t *hmc = NULL, *path = NULL;
    double phi[SITES], value;
    if (count != 2) return EXIT_FAILURE;

    must(stoq_layout_init(&layout, 2, extents));
    must(stoq_chain_options_init(&options));
    must(stoq_model_load(words[1], &model));
    must(stoq_action_phi4(&layout, 0.27, 0.022, &action));
    options.kernel = STOQ_KERNEL_HMC;
    options.seed = 2026;
    must(stoq_chain_new(NULL, action, &layout, &options, &hmc));
    options.kernel = STOQ_KERNEL_PATH;
    options.chain = 1;
    options.levels = 10;
    must(stoq_chain_new(model, action, &layout, &options, &path));

    for (int s = 0; s < SITES; s++) phi[s] = (7 * s % 32 - 16) / 16.0;
    printf("outcomes ");
    for (int update = 0; update < UPDATES; update++) {
        stoq_outcome_t outcome;
        must(stoq_chain_step(hmc, phi, &outcome));
        printf("%d", (int)outcome);
        must(stoq_chain_step(path, phi, &outcome));
        printf("%d", (int)outcome);
    }
    printf("\n");
    print_statistics("hmc", hmc);
    print_statistics("path", path);
    must(stoq_action_evaluate(action, phi, &value));
    printf("action %016" PRIx64 "\n", bits(value));
    for (int s = 0; s < SITES; s++) printf("field %016" PRIx64 "\n", bits(phi[s]));

    stoq_chain_free(path);
    stoq_chain_free(hmc);
    stoq_action_free(action);
    stoq_model_free(model);
    return EXIT_SUCCESS;
}
