/* Exact moments with analytic models and built-in actions: two kernels in turn, components, a single variable.
 * Statistical checks are at 4 sigma, 5 of them with fixed seeds: a false alarm in one of 3000 seeds. */
#include "average.h"

#define TWO_PI 6.283185307179586

/* HMC and path in turn on one field: phi^4 at lambda = 0 has C(p) = 1 / (2 - 4 kappa sum cos p). The model is that of
 * another kappa. */
static void composition(void)
{
    enum { LENGTH = 40 };
    stoq_layout_t layout = square();
    stoq_chain_options_t hmc_options = options_of(STOQ_KERNEL_HMC), path_options = options_of(STOQ_KERNEL_PATH);
    stoq_model_t *model = NULL;
    stoq_action_t *action = NULL;
    double field[SITES] = {0.0}, exact = 0.0;
    int32_t outcome, accepted = 0;
    path_options.chain = 1; /* random numbers of its own */
    path_options.grid = STOQ_GRID_GEOMETRIC;
    hmc_options.integrator = STOQ_LEAPFROG, hmc_options.integrator_steps = 6;
    MUST(stoq_model_free_field(&layout, NULL, 0.19, &model));
    MUST(stoq_action_phi4(&layout, KAPPA, 0.0, &action));
    stoq_chain_t *hmc = NULL, *path = NULL;
    MUST(stoq_chain_new(NULL, action, &layout, &hmc_options, &hmc));
    MUST(stoq_chain_new(model, action, &layout, &path_options, &path));
    struct average squares = {.length = LENGTH};
    for (int i = 0; i < 60 * LENGTH; i++) {
        double square = 0.0;
        MUST(stoq_chain_step(hmc, field, NULL));
        MUST(stoq_chain_step(path, field, &outcome));
        accepted += outcome;
        for (int site = 0; site < SITES; site++) square += field[site] * field[site] / SITES;
        add(&squares, square);
    }
    for (int p = 0; p < SITES; p++) {
        double cosines = cos(TWO_PI * (p / EXTENT) / EXTENT) + cos(TWO_PI * (p % EXTENT) / EXTENT);
        exact += 1.0 / (2.0 - 4.0 * KAPPA * cosines);
    }
    expect(&squares, exact / SITES, "<phi^2>");
    CHECK(accepted > 15 * LENGTH && accepted < 59 * LENGTH);
    stoq_action_free(action);
    stoq_model_free(model);
    stoq_chain_free(hmc);
    stoq_chain_free(path);
}

/* Three peaks in the plane, x and y interleaved: <x^2> = <y^2> = radius^2 / 2 + sigma0^2. */
static void three_peaks(void)
{
    const size_t extents[1] = {4};
    stoq_layout_t layout;
    stoq_model_t *model = NULL;
    stoq_action_t *action = NULL;
    stoq_chain_options_t options = options_of(STOQ_KERNEL_PATH);
    uint32_t components = 0;
    double field[8] = {0.0};
    MUST(stoq_layout_init(&layout, 1, extents));
    layout.components = 2, layout.strides[0] = 2, layout.component_stride = 1;
    options.levels = 12, options.grid = STOQ_GRID_GEOMETRIC;
    MUST(stoq_model_three_peak(&layout, NULL, 2.0, 0.5, &model));
    MUST(stoq_model_components(model, &components));
    CHECK(components == 2);
    MUST(stoq_action_three_peak(&layout, 2.0, 0.5, &action));
    stoq_chain_t *chain = chain_with(model, action, &layout, &options);
    struct average squares[2] = {{.length = 60}, {.length = 60}};
    for (int i = 0; i < 60 * 60; i++) {
        MUST(stoq_chain_step(chain, field, NULL));
        for (int part = 0; part < 2; part++) {
            double square = 0.0;
            for (int site = 0; site < 4; site++) square += field[2 * site + part] * field[2 * site + part] / 4;
            add(&squares[part], square);
        }
    }
    expect(&squares[0], 2.25, "<x^2> of three peaks");
    expect(&squares[1], 2.25, "<y^2> of three peaks");
    stoq_chain_free(chain);
    stoq_model_free(model);
}

/* A single variable: the toy model with the likelihood kernel; the model that belongs to another coupling. */
static void toy(void)
{
    const size_t one[1] = {1};
    stoq_layout_t point;
    stoq_schedule_t schedule;
    stoq_model_t *model = NULL;
    stoq_action_t *action = NULL;
    stoq_chain_options_t options = options_of(STOQ_KERNEL_LIKELIHOOD);
    double x = 0.3;
    MUST(stoq_layout_init(&point, 1, one));
    MUST(stoq_schedule_init(&schedule));
    CHECK(schedule.scheme == STOQ_SCHEME_VARIANCE_EXPANDING && schedule.sigma == 25.0);
    MUST(stoq_model_toy(&point, &schedule, -1.0, 0.65, &model));
    FAILS(STOQ_INVALID_ARGUMENT, "trained", stoq_model_metadata(model, "extents", NULL, 0, NULL));
    MUST(stoq_action_toy(&point, -1.0, 0.6, &action));
    options.grid = STOQ_GRID_GEOMETRIC;
    stoq_chain_t *chain = chain_with(model, action, &point, &options);
    struct average squares = {.length = 60}, quartics = {.length = 60};
    for (int i = 0; i < 60 * 60; i++) {
        MUST(stoq_chain_step(chain, &x, NULL));
        add(&squares, x * x), add(&quartics, x * x * x * x);
    }
    expect(&squares, moment(2, -0.5, 0.6 / 24.0), "<x^2> of the toy");
    expect(&quartics, moment(4, -0.5, 0.6 / 24.0), "<x^4> of the toy");
    stoq_chain_free(chain);
    stoq_model_free(model);
}

int main(void)
{
    composition();
    three_peaks();
    toy();
    return finish("moments");
}
