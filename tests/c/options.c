/* Every wrong call fails politely: the right status, a message that names the parameter, and nothing
 * of the caller's changed, bit for bit. Here: sizes, layouts, options, and kernels without what they need.
 * argv[1]: a model on the 4 x 4 lattice. */
#include "polite.h"

static void struct_sizes(struct handles *h)
{
    struct { stoq_layout_t known; char later[64]; } grown;
    stoq_layout_t layout = h->layout;
    stoq_chain_options_t options = h->options;
    for (size_t size = 0; size < offsetof(stoq_layout_t, site_offsets); size += 8) {
        layout.struct_size = size;
        INVALID("layout->struct_size", stoq_action_phi4(&layout, KAPPA, LAMBDA, &b.action));
    }
    for (size_t size = 0; size < sizeof options; size += 4) {
        options.struct_size = size;
        INVALID("options->struct_size", stoq_chain_new(h->model, NULL, &h->layout, &options, &b.chain));
    }
    memset(&b.schedule, 0, sizeof b.schedule); /* never initialised: a size of 0 */
    memset(&b.generator_options, 0, sizeof b.generator_options);
    memset(&b.likelihood_options, 0, sizeof b.likelihood_options);
    memset(&b.process_options, 0, sizeof b.process_options);
    memset(&b.grid, 0, sizeof b.grid);
    INVALID("schedule->struct_size", stoq_model_free_field(&h->layout, &b.schedule, 0.2, &b.model));
    INVALID("options->struct_size", stoq_generator_new(h->model, NULL, &b.generator_options, &b.generator));
    INVALID("options->struct_size", stoq_likelihood(h->model, &b.likelihood_options, 1, b.field, b.other, NULL));
    INVALID("options->struct_size", stoq_complex_langevin_new(1.0, 1.0, 0.0, 4, &b.process_options, &b.process));
    INVALID("options->struct_size", stoq_fokker_planck_points(NULL, &b.grid, 0.5, b.field));
    b.statistics.struct_size = sizeof b.statistics - 8;
    INVALID("statistics->struct_size", stoq_chain_statistics(h->chain, &b.statistics));

    grown.known = h->layout; /* a program that is newer than the library */
    MUST(stoq_layout_set_sites(&grown.known, NULL));
    CHECK(grown.known.struct_size == sizeof layout);
    grown.known.struct_size = sizeof grown;
    stoq_action_t *action = NULL;
    MUST(stoq_action_phi4(&grown.known, KAPPA, LAMBDA, &action));
    stoq_action_free(action);
    b.statistics.struct_size = sizeof b.statistics + 8;
    MUST(stoq_chain_statistics(h->chain, &b.statistics));
    CHECK(b.statistics.struct_size == sizeof b.statistics + 8);
}

static void bad_layouts(struct handles *h)
{
    const size_t one[2] = {EXTENT, 0}, none[2] = {0, EXTENT}, huge[2] = {(size_t)1 << 40, (size_t)1 << 40};
    const size_t five[5] = {2, 2, 2, 2, 2}, line[1] = {SITES};
    INVALID("rank", stoq_layout_init(&b.layout, 0, five));
    INVALID("rank", stoq_layout_init(&b.layout, 5, five));
    INVALID("extents", stoq_layout_init(&b.layout, 2, one));
    INVALID("extents", stoq_layout_init(&b.layout, 2, none));
    INVALID("extents", stoq_layout_init(&b.layout, 2, huge));

    const ptrdiff_t overlapping[][2] = {{1, 1}, {0, 1}, {2, 1}, {-3, 1}, {PTRDIFF_MAX, 1}, {PTRDIFF_MIN, 1}};
    for (size_t i = 0; i < sizeof overlapping / sizeof *overlapping; i++) {
        stoq_layout_t layout = h->layout;
        memcpy(layout.strides, overlapping[i], sizeof overlapping[i]);
        INVALID("layout->strides", stoq_chain_new(h->model, NULL, &layout, NULL, &b.chain));
        INVALID("layout->strides", stoq_action_callback(&layout, zero_action, &b, destroy, &b.action));
    }
    stoq_layout_t layout = h->layout;
    layout.rank = 5;
    INVALID("layout->rank", stoq_action_phi4(&layout, KAPPA, LAMBDA, &b.action));
    layout.rank = 0;
    INVALID("layout->rank", stoq_chain_new(h->model, NULL, &layout, NULL, &b.chain));
    layout = h->layout;
    layout.extents[1] = 0;
    INVALID("layout->extents", stoq_action_phi4(&layout, KAPPA, LAMBDA, &b.action));

    layout = h->layout; /* components: their number, their stride, and laws that want another number */
    layout.components = 65;
    INVALID("layout->components", stoq_action_toy(&layout, 1.0, 0.4, &b.action));
    layout.components = 2;
    POLITE(STOQ_SHAPE_MISMATCH, "layout->components", stoq_chain_new(h->model, NULL, &layout, NULL, &b.chain));
    INVALID("layout->components", stoq_action_toy(&layout, 1.0, 0.4, &b.action));
    INVALID("layout->components", stoq_action_two_peak(&layout, 1.0, 0.4, &b.action));
    INVALID("components", stoq_action_phi4(&layout, KAPPA, LAMBDA, &b.action));
    INVALID("layout->components", stoq_model_free_field(&layout, NULL, 0.2, &b.model));
    INVALID("layout->components", stoq_model_toy(&layout, NULL, 1.0, 0.4, &b.model));
    INVALID("layout->components", stoq_action_three_peak(&h->layout, 1.0, 0.4, &b.action));
    INVALID("layout->components", stoq_model_three_peak(&h->layout, NULL, 1.0, 0.4, &b.model));
    layout.strides[0] = 2 * EXTENT, layout.strides[1] = 2; /* ... and no stride for the components */
    INVALID("layout->strides", stoq_action_three_peak(&layout, 1.0, 0.4, &b.action));
    layout.component_stride = 2;
    INVALID("layout->strides", stoq_action_three_peak(&layout, 1.0, 0.4, &b.action));

    MUST(stoq_layout_init(&layout, 1, line));
    POLITE(STOQ_SHAPE_MISMATCH, "layout->extents", stoq_chain_new(h->model, NULL, &layout, NULL, &b.chain));
    stoq_action_t *action = NULL;
    MUST(stoq_action_phi4(&layout, KAPPA, LAMBDA, &action));
    POLITE(STOQ_SHAPE_MISMATCH, "action", stoq_chain_new(h->model, action, &h->layout, NULL, &b.chain));
    stoq_action_free(action);
    INVALID("kappa", stoq_action_phi4(&h->layout, NAN, LAMBDA, &b.action));
    INVALID("lambda", stoq_action_phi4(&h->layout, KAPPA, -1.0, &b.action));

    layout = h->layout; /* a layout that spans more memory than there is */
    layout.strides[0] = PTRDIFF_MAX / 8;
    layout.strides[1] = 1;
    POLITE(STOQ_OUT_OF_MEMORY, "field", stoq_action_callback(&layout, zero_action, &b, destroy, &b.action));
    CHECK(destroyed == 0);
}

static void bad_options(struct handles *h)
{
    static const struct {
        const char *word;
        int32_t kernel;
        uint32_t levels, threads, pool, warm_up;
        double time;
    } table[] = {
        {"options->kernel", 0, 6, 1, 8, 0, 0.5},       {"options->kernel", 9, 6, 1, 8, 0, 0.5},
        {"options->kernel", -1, 6, 1, 8, 0, 0.5},      {"options->levels", 1, 0, 1, 8, 0, 0.5},
        {"options->levels", 2, 0, 1, 8, 0, 0.5},       {"options->levels", 1, UINT32_MAX, 1, 8, 0, 0.5},
        {"options->threads", 1, 6, 0, 8, 0, 0.5},      {"options->threads", 1, 6, 1025, 8, 0, 0.5},
        {"options->threads", 1, 6, UINT32_MAX, 8, 0, 0.5}, {"options->pool", 1, 6, 1, 0, 0, 0.5},
        {"options->pool", 1, 6, 1, UINT32_MAX, 0, 0.5}, {"options->warm_up", 1, 6, 1, 8, 2, 0.5},
        {"options->renoise_time", 2, 6, 1, 8, 0, 0.0}, {"options->renoise_time", 2, 6, 1, 8, 0, 2.0},
        {"options->renoise_time", 2, 6, 1, 8, 0, -0.1}, {"options->renoise_time", 2, 6, 1, 8, 0, NAN},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        stoq_chain_options_t options = h->options;
        options.kernel = table[i].kernel, options.levels = table[i].levels, options.threads = table[i].threads;
        options.pool = table[i].pool, options.warm_up = table[i].warm_up, options.renoise_time = table[i].time;
        INVALID(table[i].word, stoq_chain_new(h->model, NULL, &h->layout, &options, &b.chain));
    }

/* One option of a kernel with a value that it cannot have. */
#define BAD(kernel_, field_, value_)                                                                         \
    do {                                                                                                     \
        stoq_chain_options_t options = h->options;                                                           \
        options.kernel = (kernel_), options.drift = STOQ_DRIFT_BLEND;                                        \
        options.field_ = (value_);                                                                           \
        INVALID("options->" #field_, stoq_chain_new(h->model, h->action, &h->layout, &options, &b.chain));   \
    } while (0)
    BAD(STOQ_KERNEL_PATH, grid, 0);
    BAD(STOQ_KERNEL_PATH, grid, 5);
    BAD(STOQ_KERNEL_PATH, chain, UINT32_MAX);
    BAD(STOQ_KERNEL_MALA, drift, 0);
    BAD(STOQ_KERNEL_MALA, drift, 4);
    BAD(STOQ_KERNEL_MALA, step_size, 0.0);
    BAD(STOQ_KERNEL_LANGEVIN, step_size, NAN);
    BAD(STOQ_KERNEL_MALA, drift_time, -0.1);
    BAD(STOQ_KERNEL_LANGEVIN, drift_time, 1.5);
    BAD(STOQ_KERNEL_MALA, score_weight, 1.5);
    BAD(STOQ_KERNEL_HMC, trajectory_length, 0.0);
    BAD(STOQ_KERNEL_HMC, jitter, 1.0);
    BAD(STOQ_KERNEL_HMC, integrator_steps, 0);
    BAD(STOQ_KERNEL_HMC, integrator_steps, UINT32_MAX);
    BAD(STOQ_KERNEL_HMC, integrator, 3);
    BAD(STOQ_KERNEL_METROPOLIS, width, -1.0);
}

/* Kernels without what they need. */
static void missing_parts(struct handles *h)
{
    stoq_chain_options_t options = h->options;
    stoq_action_t *forceless = NULL;
    MUST(stoq_action_callback(&h->layout, zero_action, NULL, NULL, &forceless));
    INVALID("force", stoq_action_force(forceless, b.field, b.other));
    INVALID("built-in", stoq_action_set_force(h->action, zero_force));
    INVALID("built-in", stoq_action_set_local_change(h->action, zero_change));
    const int32_t follow[] = {STOQ_KERNEL_HMC, STOQ_KERNEL_MALA, STOQ_KERNEL_LANGEVIN};
    for (int i = 0; i < 3; i++) {
        options.kernel = follow[i];
        INVALID("set_force", stoq_chain_new(NULL, forceless, &h->layout, &options, &b.chain));
        INVALID("action = NULL", stoq_chain_new(NULL, NULL, &h->layout, &options, &b.chain));
    }
    options.kernel = STOQ_KERNEL_METROPOLIS;
    INVALID("action = NULL", stoq_chain_new(NULL, NULL, &h->layout, &options, &b.chain));
    const int32_t learned[] = {STOQ_KERNEL_PATH, STOQ_KERNEL_RENOISE, STOQ_KERNEL_LIKELIHOOD};
    for (int i = 0; i < 3; i++) {
        options.kernel = learned[i];
        INVALID("model = NULL", stoq_chain_new(NULL, h->action, &h->layout, &options, &b.chain));
    }
    for (int32_t drift = STOQ_DRIFT_SCORE; drift <= STOQ_DRIFT_BLEND; drift++) {
        options.kernel = STOQ_KERNEL_MALA, options.drift = drift;
        INVALID("model = NULL", stoq_chain_new(NULL, h->action, &h->layout, &options, &b.chain));
    }
    stoq_action_free(forceless);

    const int32_t whole[] = {STOQ_KERNEL_HMC, STOQ_KERNEL_METROPOLIS, STOQ_KERNEL_MALA};
    for (int i = 0; i < 3; i++) { /* the update cannot be cut in two */
        stoq_chain_t *chain = NULL;
        options = h->options;
        options.kernel = whole[i];
        MUST(stoq_chain_new(NULL, h->action, &h->layout, &options, &chain));
        POLITE(STOQ_WRONG_ORDER, "step", stoq_chain_propose(chain, b.field, b.other, &b.value));
        POLITE(STOQ_WRONG_ORDER, "propose", stoq_chain_resolve(chain, 0.0, b.field, &b.outcome));
        stoq_chain_free(chain);
    }
    MUST(stoq_chain_propose(h->chain, b.field, b.other, &b.value));
    POLITE(STOQ_WRONG_ORDER, "pending", stoq_chain_freeze(h->chain));
    MUST(stoq_chain_resolve(h->chain, NAN, b.field, NULL));
    MUST(stoq_chain_freeze(h->chain)); /* frozen already: nothing to do */
}

int main(int count, char **words)
{
    struct handles h;
    CHECK(count == 2);
    if (prepare(&h, words[1])) {
        struct_sizes(&h);
        bad_layouts(&h);
        bad_options(&h);
        missing_parts(&h);
    }
    release(&h);
    return finish("options");
}
