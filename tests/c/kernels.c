/* Every kernel on an action that the host evaluates: exact moments, layouts with components, warm-up, the
 * force and the local change. Statistical checks are at 4 sigma, 8 of them with fixed seeds: a false alarm in
 * one of 2000 seeds. */
#include "average.h"

enum { VALUES = 2 * SITES };

/* S = sum (x^2/2 + y^2/2 + 0.3 x y + x^4/10) over pairs, in any layout. */
struct host {
    stoq_layout_t layout;
    int actions, forces, changes, destroyed;
    int how; /* misbehaviour of the force */
    stoq_action_t *action;
};

enum { WELL, REJECT, STOP, SILENT, REENTER };

static ptrdiff_t place(const stoq_layout_t *layout, int index)
{
    int site = index % SITES, component = index / SITES;
    if (!layout->strides[0]) return index;
    return site / EXTENT * layout->strides[0] + site % EXTENT * layout->strides[1] +
           component * layout->component_stride;
}

static double pair(double x, double y) { return 0.5 * (x * x + y * y) + 0.3 * x * y + 0.1 * x * x * x * x; }

static int32_t pairs(void *user, const double *field, size_t values, double *action)
{
    struct host *host = user;
    double sum = 0.0;
    CHECK(values == VALUES);
    for (int site = 0; site < SITES; site++)
        sum += pair(field[place(&host->layout, site)], field[place(&host->layout, SITES + site)]);
    host->actions++;
    *action = sum;
    return 0;
}

static int32_t pairs_force(void *user, const double *field, size_t values, double *force)
{
    struct host *host = user;
    host->forces++;
    for (int site = 0; site < SITES && host->how != SILENT; site++) {
        ptrdiff_t i = place(&host->layout, site), j = place(&host->layout, SITES + site);
        double x = field[i], y = field[j];
        force[i] = -x - 0.3 * y - 0.4 * x * x * x;
        force[j] = -y - 0.3 * x;
    }
    if (host->how == REENTER) {
        double value, other[VALUES];
        FAILS(STOQ_WRONG_ORDER, "callback", stoq_action_evaluate(host->action, field, &value));
        FAILS(STOQ_WRONG_ORDER, "callback", stoq_action_force(host->action, field, other));
        FAILS(STOQ_WRONG_ORDER, "callback", stoq_action_set_force(host->action, pairs_force));
    }
    CHECK(values == VALUES);
    return host->how == REJECT ? 1 : host->how == STOP ? -11 : 0;
}

static int32_t pairs_change(void *user, const double *field, size_t values, ptrdiff_t offset, double value,
                            double *change)
{
    struct host *host = user;
    int index = 0;
    CHECK(values == VALUES);
    while (place(&host->layout, index) != offset) index++;
    double x = field[place(&host->layout, index % SITES)], y = field[place(&host->layout, SITES + index % SITES)];
    *change = (index < SITES ? pair(value, y) : pair(x, value)) - pair(x, y);
    host->changes++;
    return 0;
}

static void destroy(void *user) { ((struct host *)user)->destroyed++; }

/* Two components: one after the other, interleaved with gaps, and backwards in Fortran order. */
static stoq_layout_t two_components(int which)
{
    stoq_layout_t layout = square();
    layout.components = 2;
    if (which == 1) layout.strides[0] = 2 * EXTENT + 3, layout.strides[1] = 2, layout.component_stride = 1;
    if (which == 2) layout.strides[0] = 2, layout.strides[1] = 2 * EXTENT, layout.component_stride = -1;
    return layout;
}

static stoq_action_t *host_action(struct host *host, int with_local_change)
{
    stoq_action_t *action = NULL;
    MUST(stoq_action_callback(&host->layout, pairs, host, destroy, &action));
    MUST(stoq_action_set_force(action, pairs_force));
    if (with_local_change) MUST(stoq_action_set_local_change(action, pairs_change));
    return action;
}

static stoq_chain_t *reload(stoq_chain_t *from, stoq_chain_t *into)
{
    unsigned char bytes[4096];
    size_t length;
    MUST(stoq_chain_save(from, bytes, sizeof bytes, &length));
    MUST(stoq_chain_load(into, bytes, length));
    stoq_chain_free(from);
    return into;
}

/* The same chain in every layout, to the last bit; gaps stay; saved and loaded on the way. */
static void layouts_agree(int32_t kernel, int32_t drift)
{
    enum { STEPS = 60, ROOM = 80, MARGIN = 20 };
    static double history[STEPS][VALUES];
    int accepted = 0;
    for (int which = 0; which < 3; which++) {
        double memory[ROOM], sentinel = -7777.0, *field = memory + MARGIN;
        int used[ROOM] = {0}, differences = 0, touched = 0;
        struct host host = {.layout = two_components(which)};
        stoq_chain_options_t options = options_of(kernel);
        options.drift = drift, options.step_size = 0.2, options.drift_time = 0.05, options.renoise_time = 0.4;
        options.grid = STOQ_GRID_GEOMETRIC;
        stoq_model_t *model = NULL;
        double covariance[VALUES];
        for (int i = 0; i < VALUES; i++) covariance[i] = i < SITES ? 0.64 : 1.06;
        MUST(stoq_model_gaussian(&host.layout, NULL, covariance, &model));
        stoq_chain_t *chain = chain_with(model, host_action(&host, 1), &host.layout, &options);
        for (int i = 0; i < ROOM; i++) memory[i] = sentinel;
        for (int i = 0; i < VALUES; i++) {
            field[place(&host.layout, i)] = 0.3 * ((i * 7) % 5) - 0.6;
            used[MARGIN + place(&host.layout, i)] = 1;
        }
        for (int step = 0; step < STEPS; step++) {
            int32_t outcome;
            MUST(stoq_chain_step(chain, field, &outcome));
            accepted += outcome;
            for (int i = 0; i < VALUES; i++) {
                double value = field[place(&host.layout, i)];
                if (which == 0) history[step][i] = value;
                differences += memcmp(&value, &history[step][i], sizeof value) != 0;
            }
            if (step == 29) { /* the last handle of the host's action is in the chain: a new one for the new chain */
                stoq_chain_t *next = chain_with(model, host_action(&host, 1), &host.layout, &options);
                chain = reload(chain, next);
            }
        }
        for (int i = 0; i < ROOM; i++) touched += !used[i] && memory[i] != sentinel;
        CHECK(differences == 0 && touched == 0);
        CHECK((kernel == STOQ_KERNEL_METROPOLIS) == (host.changes > 0));
        stoq_model_free(model);
        stoq_chain_free(chain);
        CHECK(host.destroyed == 2);
    }
    CHECK(accepted > 3 * STEPS / 20);
}

/* Exact moments by a kernel that follows the host's own callbacks, after a warm-up from a bad start. */
static void host_moments(int32_t kernel, int with_local_change, int length)
{
    struct host host = {.layout = two_components(1)};
    stoq_chain_options_t options = options_of(kernel);
    stoq_chain_statistics_t statistics;
    options.warm_up = 1, options.step_size = 1e-3, options.integrator_steps = 60, options.width = 40.0;
    stoq_chain_t *chain = chain_with(NULL, host_action(&host, with_local_change), &host.layout, &options);
    double field[EXTENT * (2 * EXTENT + 3)] = {0.0}, size, tuned;
    int32_t frozen = 77;
    MUST(stoq_chain_is_frozen(chain, &frozen));
    MUST(stoq_chain_move_size(chain, &size));
    CHECK(frozen == 0 && size > 0.0);
    for (int i = 0; i < 400; i++) {
        MUST(stoq_chain_step(chain, field, NULL));
        if (i != 200) continue;
        stoq_action_t *action = host_action(&host, with_local_change);
        chain = reload(chain, chain_with(NULL, action, &host.layout, &options));
    }
    MUST(stoq_chain_freeze(chain));
    MUST(stoq_chain_is_frozen(chain, &frozen));
    MUST(stoq_chain_move_size(chain, &tuned));
    CHECK(frozen == 1 && fabs(log(tuned / size)) > 0.3);
    MUST(stoq_chain_statistics_init(&statistics));
    MUST(stoq_chain_statistics(chain, &statistics));
    CHECK(statistics.steps == 0 && statistics.proposals == 0);

    struct average squares = {.length = length}, products = {.length = length};
    for (int i = 0; i < 50 * length; i++) {
        double square = 0.0, product = 0.0;
        MUST(stoq_chain_step(chain, field, NULL));
        for (int site = 0; site < SITES; site++) {
            double x = field[place(&host.layout, site)], y = field[place(&host.layout, SITES + site)];
            square += x * x / SITES, product += x * y / SITES;
        }
        add(&squares, square), add(&products, product);
    }
    double exact = moment(2, 0.5 - 0.045, 0.1); /* y is Gaussian around -0.3 x */
    expect(&squares, exact, "<x^2>");
    expect(&products, -0.3 * exact, "<xy>");
    MUST(stoq_chain_statistics(chain, &statistics));
    uint64_t each = kernel == STOQ_KERNEL_METROPOLIS ? VALUES : 1;
    CHECK(statistics.steps == 50 * (uint64_t)length && statistics.proposals == each * statistics.steps);
    double acceptance = (double)statistics.accepted / (double)statistics.proposals;
    CHECK(acceptance > 0.3 && acceptance < 0.99 && statistics.score_evaluations == 0);
    stoq_chain_free(chain);
}

/* The force of built-in actions and callbacks is that of the action; what goes wrong in it. */
static void forces(void)
{
    struct host host = {.layout = two_components(1)};
    stoq_action_t *actions[3] = {NULL, NULL, NULL};
    stoq_layout_t plain = square();
    MUST(stoq_action_two_peak(&plain, 1.0, 0.6, &actions[0]));
    MUST(stoq_action_three_peak(&host.layout, 1.0, 0.6, &actions[1]));
    actions[2] = host.action = host_action(&host, 0);
    double field[EXTENT * (2 * EXTENT + 3)], force[sizeof field / sizeof *field], value = 7.0;
    for (size_t i = 0; i < sizeof field / sizeof *field; i++)
        field[i] = 0.2 * (double)(i * 5 % 7) - 0.5, force[i] = -77.0;
    for (int which = 0; which < 3; which++) {
        MUST(stoq_action_force(actions[which], field, force));
        for (int index = 0; index < (which ? VALUES : SITES); index += 3) {
            ptrdiff_t i = which ? place(&host.layout, index) : index;
            double keep = field[i], up, down;
            field[i] = keep + 1e-5;
            MUST(stoq_action_evaluate(actions[which], field, &up));
            field[i] = keep - 1e-5;
            MUST(stoq_action_evaluate(actions[which], field, &down));
            field[i] = keep;
            CHECK(fabs(force[i] + (up - down) / 2e-5) < 1e-7);
        }
    }
    CHECK(force[4 * EXTENT + 3] == -77.0); /* a gap of the second row */

    stoq_chain_options_t options = options_of(STOQ_KERNEL_HMC);
    stoq_chain_t *chain = NULL;
    int32_t outcome = 77;
    MUST(stoq_chain_new(NULL, host.action, &host.layout, &options, &chain));
    double before[sizeof field / sizeof *field];
    memcpy(before, field, sizeof field);
    for (host.how = REJECT; host.how <= SILENT; host.how++) {
        memset(force, 0x5a, sizeof force);
        value = force[0];
        if (host.how == STOP) {
            FAILS(STOQ_CALLBACK_STOPPED, "-11", stoq_action_force(host.action, field, force));
            FAILS(STOQ_CALLBACK_STOPPED, "force", stoq_chain_step(chain, field, &outcome));
            CHECK(stoq_last_callback_code() == -11);
        } else {
            FAILS(STOQ_NOT_FINITE, "force", stoq_action_force(host.action, field, force));
            MUST(stoq_chain_step(chain, field, &outcome));
            CHECK(outcome == STOQ_REJECTED);
        }
        CHECK(force[0] == value && memcmp(before, field, sizeof field) == 0);
    }
    host.how = REENTER;
    MUST(stoq_action_force(host.action, field, force));
    host.how = WELL;
    MUST(stoq_chain_step(chain, field, &outcome));
    CHECK(host.forces > 10);
    stoq_chain_free(chain);
    for (int which = 0; which < 3; which++) stoq_action_free(actions[which]);
    CHECK(host.destroyed == 1);
}

int main(void)
{
    for (int32_t kernel = STOQ_KERNEL_PATH; kernel <= STOQ_KERNEL_LANGEVIN; kernel++) {
        int drifts = kernel == STOQ_KERNEL_MALA || kernel == STOQ_KERNEL_LANGEVIN;
        for (int32_t drift = STOQ_DRIFT_FORCE; drift <= (drifts ? STOQ_DRIFT_BLEND : STOQ_DRIFT_FORCE); drift++)
            layouts_agree(kernel, drift);
    }
    host_moments(STOQ_KERNEL_MALA, 0, 100);
    host_moments(STOQ_KERNEL_HMC, 0, 20);
    host_moments(STOQ_KERNEL_METROPOLIS, 1, 100);
    host_moments(STOQ_KERNEL_METROPOLIS, 0, 40);
    forces();
    return finish("kernels");
}
