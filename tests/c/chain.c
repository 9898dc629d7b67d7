/* Chains that must agree do so bit for bit. argv[1]: a model on the 4 x 4 lattice. */
#include "check.h"
#include <math.h>

enum { STEPS = 300 };

/* Where a chain passes through: the field after every step. */
struct history {
    double field[STEPS][SITES];
    int32_t outcome[STEPS];
};

static const stoq_model_t *model;
static stoq_model_t *owned_model;

/* phi^4 in the host's words. The sum has the order of the built-in action, so that results agree to the
 * last bit. `stride`: of the layout in which the field comes. */
struct host {
    ptrdiff_t stride[2];
    int calls, destroyed;
    int every, how; /* misbehaves in every so many proposals; 0: never */
    int misbehaved;
    stoq_chain_t *chain;
    stoq_action_t *action;
};

enum { REJECT, WRITE_NAN, WRITE_NOTHING, STOP };

static int32_t phi4(void *user, const double *field, size_t sites, double *action)
{
    struct host *host = user;
    double sum = 0.0;
    CHECK(sites == SITES);
    /* In a step the current field comes first, the proposal second. */
    if (host->every && host->calls++ % 2 == 1 && (host->calls / 2) % host->every == 0) {
        host->misbehaved++;
        if (host->how == STOP) return -7;
        if (host->how == REJECT) *action = 0.0;
        if (host->how == WRITE_NAN) *action = NAN;
        return host->how == REJECT ? 3 : 0;
    }
#define PHI(y, x) field[((y) % EXTENT) * host->stride[0] + ((x) % EXTENT) * host->stride[1]]
    for (int y = 0; y < EXTENT; y++)
        for (int x = 0; x < EXTENT; x++) {
            double phi = PHI(y, x), ahead = PHI(y + 1, x) + PHI(y, x + 1), square = phi * phi;
            sum += square * ((1.0 - 2.0 * LAMBDA) + LAMBDA * square) - 2.0 * KAPPA * phi * ahead;
        }
    *action = sum;
    return 0;
}

static void destroy(void *user) { ((struct host *)user)->destroyed++; }

static stoq_action_t *built_in(const stoq_layout_t *layout)
{
    stoq_action_t *action = NULL;
    MUST(stoq_action_phi4(layout, KAPPA, LAMBDA, &action));
    return action;
}

static stoq_action_t *callback(const stoq_layout_t *layout, struct host *host)
{
    stoq_action_t *action = NULL;
    int contiguous = layout->strides[0] == 0 && layout->strides[1] == 0;
    host->stride[0] = contiguous ? EXTENT : layout->strides[0];
    host->stride[1] = contiguous ? 1 : layout->strides[1];
    MUST(stoq_action_callback(layout, phi4, host, destroy, &action));
    return action;
}

/* Takes `action`, which the chain then keeps alive alone. */
static stoq_chain_t *chain_with(stoq_action_t *action, const stoq_layout_t *layout, int32_t kernel)
{
    stoq_chain_options_t options = options_of(kernel);
    stoq_chain_t *chain = NULL;
    MUST(stoq_chain_new(model, action, layout, &options, &chain));
    stoq_action_free(action);
    return chain;
}

static int count_accepted(const struct history *h)
{
    int accepted = 0;
    for (int i = 0; i < STEPS; i++) accepted += h->outcome[i] == STOQ_ACCEPTED;
    return accepted;
}

static void start(double field[SITES])
{
    for (int i = 0; i < SITES; i++) field[i] = 0.3 * ((i * 7) % 5) - 0.6;
}

/* The chain that all others are compared with: built-in action, contiguous field. The host moves the
 * field itself now and then, as a chain with other updates does. */
static void reference(int32_t kernel, struct history *h)
{
    stoq_layout_t layout = square();
    stoq_chain_t *chain = chain_with(built_in(&layout), &layout, kernel);
    double field[SITES];
    start(field);
    for (int i = 0; i < STEPS; i++) {
        if (i % 5 == 4) field[i % SITES] += 0.125;
        MUST(stoq_chain_step(chain, field, &h->outcome[i]));
        memcpy(h->field[i], field, sizeof field);
    }
    stoq_chain_statistics_t statistics;
    MUST(stoq_chain_statistics_init(&statistics));
    MUST(stoq_chain_statistics(chain, &statistics));
    int accepted = count_accepted(h);
    CHECK(statistics.steps == STEPS && statistics.accepted == (uint64_t)accepted && statistics.non_finite == 0);
    CHECK(statistics.score_evaluations >= 6 * STEPS);
    CHECK(accepted > STEPS / 20 && accepted < STEPS - STEPS / 20); /* both outcomes are tested */
    stoq_chain_free(chain);
}

/* The same chain in another layout, with a callback, must leave gaps alone. `lowest`: where the lowest
 * site lies in a buffer of `span` doubles with a margin on either side. */
static void strided(int32_t kernel, const struct history *expected, ptrdiff_t slow, ptrdiff_t fast, int with_callback)
{
    enum { MARGIN = 8, ROOM = 512 };
    static double memory[ROOM], sentinel;
    struct host host = {.destroyed = 0};
    stoq_layout_t layout = square();
    layout.strides[0] = slow;
    layout.strides[1] = fast;
    ptrdiff_t origin = MARGIN;
    if (slow < 0) origin -= slow * (EXTENT - 1);
    if (fast < 0) origin -= fast * (EXTENT - 1);
    double *field = memory + origin, initial[SITES];
    int used[ROOM] = {0};
    memset(&sentinel, 0xee, sizeof sentinel);
    for (int i = 0; i < ROOM; i++) memory[i] = sentinel;
    start(initial);
    for (int site = 0; site < SITES; site++) {
        ptrdiff_t offset = (site / EXTENT) * slow + (site % EXTENT) * fast;
        field[offset] = initial[site];
        used[origin + offset] = 1;
    }
#define AT(site) field[((site) / EXTENT) * slow + ((site) % EXTENT) * fast]
    stoq_action_t *action = with_callback ? callback(&layout, &host) : built_in(&layout);
    stoq_chain_t *chain = chain_with(action, &layout, kernel);
    int differences = 0, touched = 0;
    for (int i = 0; i < STEPS; i++) {
        int32_t outcome;
        if (i % 5 == 4) AT(i % SITES) += 0.125;
        MUST(stoq_chain_step(chain, field, &outcome));
        differences += outcome != expected->outcome[i];
        for (int site = 0; site < SITES; site++)
            differences += memcmp(&AT(site), &expected->field[i][site], sizeof(double)) != 0;
    }
    for (int i = 0; i < ROOM; i++) touched += !used[i] && memcmp(&memory[i], &sentinel, sizeof sentinel) != 0;
    CHECK(differences == 0);
    CHECK(touched == 0);
    CHECK(host.destroyed == 0);
    stoq_chain_free(chain);
    CHECK(host.destroyed == with_callback);
}

/* A host that evaluates its action itself; some steps are saved, and continued in a new handle. */
static void propose_resolve_save_load(int32_t kernel, const struct history *expected)
{
    stoq_layout_t layout = square();
    struct host host = {.stride = {EXTENT, 1}};
    stoq_chain_t *chain = chain_with(NULL, &layout, kernel);
    double field[SITES], proposal[SITES], log_hastings, before, after;
    int differences = 0;
    start(field);
    for (int i = 0; i < STEPS; i++) {
        int32_t outcome;
        if (i % 5 == 4) field[i % SITES] += 0.125;
        MUST(stoq_chain_propose(chain, field, proposal, &log_hastings));
        if (i % 3 == 0) { /* asked twice: the same answer */
            double again[SITES], log_again;
            MUST(stoq_chain_propose(chain, field, again, &log_again));
            CHECK(memcmp(again, proposal, sizeof again) == 0 && log_again == log_hastings);
        }
        phi4(&host, field, SITES, &before);
        phi4(&host, proposal, SITES, &after);
        MUST(stoq_chain_resolve(chain, after - before, field, &outcome));
        differences += outcome != expected->outcome[i] || memcmp(field, expected->field[i], sizeof field) != 0;
        if (i % 41 == 40) {
            size_t length;
            MUST(stoq_chain_save(chain, NULL, 0, &length));
            void *state = malloc(length);
            MUST(stoq_chain_save(chain, state, length, &length));
            stoq_chain_free(chain);
            chain = chain_with(NULL, &layout, kernel);
            MUST(stoq_chain_load(chain, state, length));
            free(state);
        }
    }
    CHECK(differences == 0);
    stoq_chain_free(chain);
}

/* Rejections by the host are counted and never accepted. */
static void misbehaving(int32_t kernel, int how)
{
    stoq_layout_t layout = square();
    struct host host = {.every = 3, .how = how};
    stoq_chain_t *chain = chain_with(callback(&layout, &host), &layout, kernel);
    stoq_chain_statistics_t statistics;
    double field[SITES], before[SITES];
    int32_t outcome;
    start(field);
    for (int i = 0; i < STEPS; i++) {
        int already = host.misbehaved;
        memcpy(before, field, sizeof field);
        MUST(stoq_chain_step(chain, field, &outcome));
        if (host.misbehaved > already) CHECK(outcome == STOQ_REJECTED);
        CHECK((memcmp(before, field, sizeof field) == 0) == (outcome == STOQ_REJECTED));
    }
    MUST(stoq_chain_statistics_init(&statistics));
    MUST(stoq_chain_statistics(chain, &statistics));
    CHECK(host.misbehaved == STEPS / 3 && statistics.non_finite == STEPS / 3 && statistics.steps == STEPS);
    CHECK(statistics.accepted > 0);
    stoq_chain_free(chain);
    CHECK(host.destroyed == 1);
}

/* A callback that stops: nothing changes, and the chain goes on as if it had not been called. */
static void stopping(int32_t kernel, const struct history *expected)
{
    stoq_layout_t layout = square();
    struct host host = {.every = 4, .how = STOP};
    stoq_chain_t *chain = chain_with(callback(&layout, &host), &layout, kernel);
    double field[SITES], before[SITES];
    int differences = 0, stops = 0;
    start(field);
    for (int i = 0; i < STEPS; i++) {
        int32_t outcome = 77;
        stoq_status_t status;
        if (i % 5 == 4) field[i % SITES] += 0.125;
        memcpy(before, field, sizeof field);
        while ((status = stoq_chain_step(chain, field, &outcome)) == STOQ_CALLBACK_STOPPED) {
            stops++;
            CHECK(stoq_last_callback_code() == -7 && strstr(stoq_last_error(), "-7"));
            CHECK(outcome == 77 && memcmp(before, field, sizeof field) == 0);
            FAILS(STOQ_WRONG_ORDER, "resolve", stoq_chain_resolve(chain, 0.0, field, &outcome));
        }
        CHECK(status == STOQ_OK);
        differences += outcome != expected->outcome[i] || memcmp(field, expected->field[i], sizeof field) != 0;
    }
    CHECK(differences == 0);
    CHECK(stops > STEPS / 5 && stops == host.misbehaved);
    stoq_chain_free(chain);
    CHECK(host.destroyed == 1);
}

/* A callback that calls into the chain and the action that are waiting for it. */
static int32_t reentrant(void *user, const double *field, size_t sites, double *action)
{
    struct host *host = user;
    stoq_chain_statistics_t statistics;
    double copy[SITES], value = 0.0;
    size_t needed;
    memcpy(copy, field, sites * sizeof *copy);
    MUST(stoq_chain_statistics_init(&statistics));
    if (host->chain) {
        FAILS(STOQ_WRONG_ORDER, "callback", stoq_chain_step(host->chain, copy, NULL));
        FAILS(STOQ_WRONG_ORDER, "callback", stoq_chain_propose(host->chain, field, copy, &value));
        FAILS(STOQ_WRONG_ORDER, "callback", stoq_chain_resolve(host->chain, 0.0, copy, NULL));
        FAILS(STOQ_WRONG_ORDER, "callback", stoq_chain_statistics(host->chain, &statistics));
        FAILS(STOQ_WRONG_ORDER, "callback", stoq_chain_save(host->chain, NULL, 0, &needed));
        FAILS(STOQ_WRONG_ORDER, "callback", stoq_chain_load(host->chain, copy, sizeof copy));
    }
    FAILS(STOQ_WRONG_ORDER, "callback", stoq_action_evaluate(host->action, field, &value));
    if (host->calls++ == 9) { /* and even frees both */
        stoq_chain_free(host->chain);
        stoq_action_free(host->action);
    }
    return phi4(&(struct host){.stride = {EXTENT, 1}}, field, sites, action);
}

static void reentrance(const struct history *expected)
{
    stoq_layout_t layout = square();
    stoq_chain_options_t options = options_of(STOQ_KERNEL_PATH);
    struct host host = {.destroyed = 0};
    double field[SITES];
    MUST(stoq_action_callback(&layout, reentrant, &host, destroy, &host.action));
    MUST(stoq_chain_new(model, host.action, &layout, &options, &host.chain));
    start(field);
    for (int i = 0; i < 5; i++) {
        CHECK(host.destroyed == 0);
        if (i % 5 == 4) field[i % SITES] += 0.125;
        MUST(stoq_chain_step(host.chain, field, NULL));
        CHECK(memcmp(field, expected->field[i], sizeof field) == 0);
    }
    CHECK(host.calls == 10 && host.destroyed == 1); /* freed in the last call, destroyed at its end */
}

/* Handles may be freed in any order; the last one calls the destructor. */
static void ownership(void)
{
    stoq_layout_t layout = square();
    struct host host = {.destroyed = 0};
    stoq_chain_options_t options = options_of(STOQ_KERNEL_RENOISE);
    stoq_action_t *action = callback(&layout, &host);
    stoq_chain_t *chains[2] = {NULL, NULL};
    double field[SITES], value, direct, other;
    start(field);
    MUST(stoq_action_evaluate(action, field, &value));
    phi4(&host, field, SITES, &direct);
    stoq_action_t *same = built_in(&layout);
    MUST(stoq_action_evaluate(same, field, &other));
    stoq_action_free(same);
    CHECK(value == direct && value == other);
    for (int i = 0; i < 2; i++) MUST(stoq_chain_new(model, action, &layout, &options, &chains[i]));
    stoq_action_free(action);
    stoq_chain_free(chains[0]);
    CHECK(host.destroyed == 0);
    stoq_model_free(owned_model); /* the last use of the handle; the chain goes on */
    MUST(stoq_chain_step(chains[1], field, NULL));
    stoq_chain_free(chains[1]);
    CHECK(host.destroyed == 1);

    struct host unused = {.destroyed = 0};
    stoq_action_free(callback(&layout, &unused));
    CHECK(unused.destroyed == 1);
}

int main(int count, char **words)
{
    static struct history history[3];
    CHECK(count == 2);
    MUST(stoq_model_load(words[1], &owned_model));
    model = owned_model;
    if (failures) return finish("chain");
    for (int32_t kernel = STOQ_KERNEL_PATH; kernel <= STOQ_KERNEL_RENOISE; kernel++) {
        struct history *h = &history[kernel];
        reference(kernel, h);
        for (int with_callback = 0; with_callback < 2; with_callback++) {
            strided(kernel, h, EXTENT, 1, with_callback);
            strided(kernel, h, 1, EXTENT, with_callback);   /* Fortran order */
            strided(kernel, h, 24, 3, with_callback);       /* gaps within and between rows */
            strided(kernel, h, -24, 3, with_callback);      /* rows backwards */
            strided(kernel, h, 2, -11, with_callback);      /* Fortran order, columns backwards, gaps */
            strided(kernel, h, -5, -25, with_callback);
        }
        propose_resolve_save_load(kernel, h);
        misbehaving(kernel, REJECT);
        misbehaving(kernel, WRITE_NAN);
        misbehaving(kernel, WRITE_NOTHING);
        stopping(kernel, h);
    }
    reentrance(&history[STOQ_KERNEL_PATH]);
    ownership();
    return finish("chain");
}
