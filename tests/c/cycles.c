/*
 * A hundred thousand handles made, used and freed: the memory of the process stays what it was. argv[1]: a model on the
 * 4 x 4 lattice.
 */
#define NO_CHAINS
#include "check.h"

enum { CYCLES = 100000, WARM = 10000 };
/* The most that the process may grow by after the first cycles, in kB: a byte a cycle. */
#define ROOM 90

static long destroyed;

static int32_t gaussian(void *user, const double *field, size_t values, double *action)
{
    (void)user;
    *action = 0.0;
    for (size_t i = 0; i < values; i++) *action += field[i] * field[i];
    return 0;
}

static void destroy(void *user)
{
    (void)user;
    destroyed++;
}

/* Resident memory in kB, or -1 where the system does not tell. Counted page by page: statm may be off by hundreds of kB. */
static long resident(void)
{
    long found = -1;
    char line[128];
    FILE *file = fopen("/proc/self/smaps_rollup", "r");
    if (!file) return -1;
    while (found < 0 && fgets(line, sizeof line, file))
        if (sscanf(line, "Rss: %ld kB", &found) != 1) found = -1;
    fclose(file);
    return found;
}

/* One variable, a path of one level: all that a host makes for a chain, at the price of some microseconds. */
static int cycle(const stoq_layout_t *layout, int number)
{
    static const double covariance[1] = {0.5};
    stoq_model_t *model = NULL;
    stoq_action_t *action = NULL;
    stoq_chain_t *chain = NULL;
    stoq_chain_options_t options;
    double field[1] = {0.1};
    int faults = stoq_chain_options_init(&options) != STOQ_OK;
    options.levels = 1;
    options.grid = STOQ_GRID_GEOMETRIC; /* the optimal one costs milliseconds */
    options.pool = 1;
    options.seed = (uint64_t)number;
    faults += stoq_model_gaussian(layout, NULL, covariance, &model) != STOQ_OK;
    faults += stoq_action_callback(layout, gaussian, NULL, destroy, &action) != STOQ_OK;
    faults += stoq_chain_new(model, action, layout, &options, &chain) != STOQ_OK;
    faults += stoq_chain_step(chain, field, NULL) != STOQ_OK;
    faults += stoq_chain_step(chain, NULL, NULL) != STOQ_INVALID_ARGUMENT; /* texts of errors are memory too */
    stoq_model_free(model);
    stoq_action_free(action);
    stoq_chain_free(chain);
    return faults;
}

/* The same with a network: its work space is the library's largest. */
static int network_cycle(const stoq_model_t *model, const stoq_layout_t *square)
{
    stoq_action_t *action = NULL;
    stoq_chain_t *chain = NULL;
    stoq_chain_options_t options;
    double field[SITES] = {0.0};
    int faults = stoq_chain_options_init(&options) != STOQ_OK;
    options.levels = 2;
    options.grid = STOQ_GRID_GEOMETRIC;
    options.pool = 1;
    faults += stoq_action_phi4(square, KAPPA, LAMBDA, &action) != STOQ_OK;
    faults += stoq_chain_new(model, action, square, &options, &chain) != STOQ_OK;
    faults += stoq_chain_step(chain, field, NULL) != STOQ_OK;
    stoq_chain_free(chain);
    stoq_action_free(action);
    return faults;
}

int main(int count, char **words)
{
    const size_t one[1] = {1};
    stoq_layout_t single, lattice = square();
    stoq_model_t *network = NULL;
    long before = 0, after, faults = 0;
    if (count != 2) return EXIT_FAILURE;
    MUST(stoq_layout_init(&single, 1, one));
    MUST(stoq_model_load(words[1], &network));
    for (int number = 0; number < CYCLES; number++) {
        faults += cycle(&single, number);
        if (number % 100 == 0) faults += network_cycle(network, &lattice);
        if (number == WARM / 2) resident(); /* the first look touches pages of its own */
        if (number == WARM) before = resident();
    }
    after = resident();
    stoq_model_free(network);
    CHECK(faults == 0);
    CHECK(destroyed == CYCLES);
    CHECK(before < 0 || after - before < ROOM);
    if (after - before >= ROOM) fprintf(stderr, "resident memory grew from %ld to %ld kB\n", before, after);
    checks += 20; /* each cycle is many */
    printf("%d cycles, resident %ld kB, %+ld kB since cycle %d; ", CYCLES, after, after - before, WARM);
    return finish("cycles");
}
