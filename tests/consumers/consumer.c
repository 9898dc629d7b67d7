/* A program of somebody else: says that it found header and library of one version, and takes an update. */
#include <stdio.h>
#include <stoq.h>

static int must(stoq_status_t status)
{
    if (status != STOQ_OK) fprintf(stderr, "%s: %s\n", stoq_status_name(status), stoq_last_error());
    return status == STOQ_OK;
}

int main(void)
{
    const size_t extents[2] = {4, 4};
    double phi[16] = {0.0};
    stoq_layout_t layout;
    stoq_model_t *model = NULL;
    stoq_action_t *action = NULL;
    stoq_chain_t *chain = NULL;
    int done;
    if (stoq_abi_version() != STOQ_ABI_VERSION) return 2;
    done = must(stoq_layout_init(&layout, 2, extents)) && must(stoq_model_free_field(&layout, NULL, 0.2, &model)) &&
           must(stoq_action_phi4(&layout, 0.2, 0.0, &action)) &&
           must(stoq_chain_new(model, action, &layout, NULL, &chain)) && must(stoq_chain_step(chain, phi, NULL));
    stoq_chain_free(chain);
    stoq_action_free(action);
    stoq_model_free(model);
    if (!done || phi[0] == 0.0) return 1;
    printf("stoq %s, C ABI %u\n", stoq_version(), (unsigned)stoq_abi_version());
    return 0;
}
