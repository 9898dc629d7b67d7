/* What the tests of wrong calls share: everything that a call may write to, compared before and after. */
#ifndef POLITE_H
#define POLITE_H

#include "check.h"
#include <math.h>

/* All that a call may write to, filled with a pattern before and compared after. */
static struct buffers {
    stoq_layout_t layout;
    stoq_chain_options_t options;
    stoq_chain_statistics_t statistics;
    stoq_model_t *model;
    stoq_action_t *action;
    stoq_chain_t *chain;
    stoq_schedule_t schedule;
    stoq_generator_options_t generator_options;
    stoq_likelihood_options_t likelihood_options;
    stoq_complex_langevin_options_t process_options;
    stoq_fokker_planck_options_t grid;
    stoq_generator_t *generator;
    stoq_complex_langevin_t *process;
    stoq_cumulants_t *cumulants;
    stoq_train_options_t train_options;
    stoq_train_report_t report;
    stoq_trainer_t *trainer;
    uint32_t rank;
    int32_t outcome;
    size_t extents[4], needed;
    double field[SITES], other[SITES], value;
    char text[512];
} b, before;

/* Fails, and leaves all of `b` as it was. */
#define POLITE(status, word, call)                                                                           \
    do {                                                                                                     \
        memcpy(&before, &b, sizeof b);                                                                       \
        FAILS(status, word, call);                                                                           \
        CHECK(memcmp(&before, &b, sizeof b) == 0);                                                           \
    } while (0)

/* The same for NULL, or another value that cannot be used. */
#define INVALID(word, call) POLITE(STOQ_INVALID_ARGUMENT, word, call)

struct handles {
    stoq_layout_t layout;
    stoq_chain_options_t options;
    stoq_model_t *model;
    stoq_action_t *action;
    stoq_chain_t *chain;
};

static int destroyed;
static inline void destroy(void *user) { (void)user, destroyed++; }

static inline int32_t zero_action(void *user, const double *field, size_t sites, double *action)
{
    (void)user, (void)field, (void)sites;
    *action = 0.0;
    return 0;
}

static inline int32_t zero_force(void *user, const double *field, size_t values, double *force)
{
    (void)user, (void)field;
    for (size_t i = 0; i < values; i++) force[i] = 0.0;
    return 0;
}

static inline int32_t zero_change(void *user, const double *field, size_t values, ptrdiff_t offset, double value,
                                  double *change)
{
    (void)user, (void)field, (void)values, (void)offset, (void)value;
    *change = 0.0;
    return 0;
}

/* Fills the handles from the model at `path`, and the buffers with a pattern. */
static int prepare(struct handles *h, const char *path)
{
    memset(h, 0, sizeof *h);
    h->layout = square();
    h->options = options_of(STOQ_KERNEL_PATH);
    MUST(stoq_model_load(path, &h->model));
    MUST(stoq_action_phi4(&h->layout, KAPPA, LAMBDA, &h->action));
    MUST(stoq_chain_new(h->model, h->action, &h->layout, &h->options, &h->chain));
    memset(&b, 0x5a, sizeof b);
    for (int i = 0; i < SITES; i++) b.field[i] = 0.25 * i, b.other[i] = -i;
    return !failures;
}

static void release(struct handles *h)
{
    stoq_chain_free(h->chain);
    stoq_action_free(h->action);
    stoq_model_free(h->model);
}

#endif
