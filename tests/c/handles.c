/* Every wrong call fails politely: the right status, a message that names the parameter, and nothing
 * of the caller's changed, bit for bit. Here: pointers, models, fields, order and saved states.
 * argv[1]: a model on the 4 x 4 lattice. */
#include "polite.h"

static void null_pointers(struct handles *h)
{
    const size_t extents[2] = {EXTENT, EXTENT};
    const double time = 0.5;
    INVALID("layout", stoq_layout_init(NULL, 2, extents));
    INVALID("extents", stoq_layout_init(&b.layout, 2, NULL));
    INVALID("path", stoq_model_load(NULL, &b.model));
    INVALID("model", stoq_model_load("model.onnx", NULL));
    INVALID("bytes", stoq_model_from_memory(NULL, 4, &b.model));
    INVALID("model", stoq_model_from_memory(b.text, 4, NULL));
    INVALID("model", stoq_model_rank(NULL, &b.rank));
    INVALID("rank", stoq_model_rank(h->model, NULL));
    INVALID("model", stoq_model_extents(NULL, b.extents));
    INVALID("extents", stoq_model_extents(h->model, NULL));
    INVALID("model", stoq_model_metadata(NULL, "extents", b.text, sizeof b.text, &b.needed));
    INVALID("key", stoq_model_metadata(h->model, NULL, b.text, sizeof b.text, &b.needed));
    INVALID("needed", stoq_model_metadata(h->model, "extents", NULL, 0, NULL));
    MUST(stoq_model_metadata(h->model, "extents", b.text, sizeof b.text, NULL));
    INVALID("model", stoq_model_score(NULL, 1, &time, b.field, b.other));
    INVALID("times", stoq_model_score(h->model, 1, NULL, b.field, b.other));
    INVALID("fields", stoq_model_score(h->model, 1, &time, NULL, b.other));
    INVALID("scores", stoq_model_score(h->model, 1, &time, b.field, NULL));
    INVALID("layout", stoq_action_phi4(NULL, KAPPA, LAMBDA, &b.action));
    INVALID("action", stoq_action_phi4(&h->layout, KAPPA, LAMBDA, NULL));
    INVALID("layout", stoq_action_callback(NULL, zero_action, &b, destroy, &b.action));
    INVALID("callback", stoq_action_callback(&h->layout, NULL, &b, destroy, &b.action));
    INVALID("action", stoq_action_callback(&h->layout, zero_action, &b, destroy, NULL));
    INVALID("action", stoq_action_evaluate(NULL, b.field, &b.value));
    INVALID("field", stoq_action_evaluate(h->action, NULL, &b.value));
    INVALID("value", stoq_action_evaluate(h->action, b.field, NULL));
    INVALID("options", stoq_chain_options_init(NULL));
    INVALID("action", stoq_action_toy(&h->layout, 1.0, 0.4, NULL));
    INVALID("layout", stoq_action_toy(NULL, 1.0, 0.4, &b.action));
    INVALID("layout", stoq_action_two_peak(NULL, 1.0, 0.4, &b.action));
    INVALID("layout", stoq_action_three_peak(NULL, 1.0, 0.4, &b.action));
    INVALID("action", stoq_action_set_force(NULL, zero_force));
    INVALID("callback", stoq_action_set_force(h->action, NULL));
    INVALID("action", stoq_action_set_local_change(NULL, zero_change));
    INVALID("callback", stoq_action_set_local_change(h->action, NULL));
    INVALID("action", stoq_action_force(NULL, b.field, b.other));
    INVALID("field", stoq_action_force(h->action, NULL, b.other));
    INVALID("force", stoq_action_force(h->action, b.field, NULL));
    INVALID("model", stoq_model_components(NULL, &b.rank));
    INVALID("components", stoq_model_components(h->model, NULL));
    INVALID("schedule", stoq_schedule_init(NULL));
    INVALID("layout", stoq_model_gaussian(NULL, NULL, b.field, &b.model));
    INVALID("covariance", stoq_model_gaussian(&h->layout, NULL, NULL, &b.model));
    INVALID("model", stoq_model_gaussian(&h->layout, NULL, b.field, NULL));
    INVALID("layout", stoq_model_free_field(NULL, NULL, 0.2, &b.model));
    INVALID("model", stoq_model_free_field(&h->layout, NULL, 0.2, NULL));
    INVALID("layout", stoq_model_toy(NULL, NULL, 1.0, 0.4, &b.model));
    INVALID("layout", stoq_model_two_peak(NULL, NULL, 1.0, 0.4, &b.model));
    INVALID("layout", stoq_model_three_peak(NULL, NULL, 1.0, 0.4, &b.model));
    INVALID("chain", stoq_chain_freeze(NULL));
    INVALID("chain", stoq_chain_is_frozen(NULL, &b.outcome));
    INVALID("frozen", stoq_chain_is_frozen(h->chain, NULL));
    INVALID("chain", stoq_chain_move_size(NULL, &b.value));
    INVALID("size", stoq_chain_move_size(h->chain, NULL));
    INVALID("options", stoq_generator_options_init(NULL));
    INVALID("model", stoq_generator_new(NULL, NULL, NULL, &b.generator));
    INVALID("generator", stoq_generator_new(h->model, NULL, NULL, NULL));
    INVALID("generator", stoq_generator_generate(NULL, 0, 1, b.field, NULL));
    INVALID("options", stoq_likelihood_options_init(NULL));
    INVALID("model", stoq_likelihood(NULL, NULL, 1, b.field, b.other, NULL));
    INVALID("fields", stoq_likelihood(h->model, NULL, 1, NULL, b.other, NULL));
    INVALID("log_density", stoq_likelihood(h->model, NULL, 1, b.field, NULL, b.other));
    INVALID("options", stoq_complex_langevin_options_init(NULL));
    INVALID("process", stoq_complex_langevin_new(1.0, 1.0, 0.0, 4, NULL, NULL));
    INVALID("process", stoq_complex_langevin_next(NULL, b.field));
    INVALID("cumulants", stoq_cumulants_new(64, NULL));
    INVALID("cumulants", stoq_cumulants_push(NULL, 1, b.field));
    INVALID("cumulants", stoq_cumulants_merge(NULL, NULL));
    INVALID("cumulants", stoq_cumulants_estimate(NULL, 0, b.field, b.other, NULL));
    INVALID("options", stoq_fokker_planck_options_init(NULL));
    INVALID("points", stoq_fokker_planck_points(NULL, NULL, 0.5, NULL));
    INVALID("density", stoq_fokker_planck_forward(NULL, NULL, 0.0, 0.5, NULL, b.field));
    INVALID("result", stoq_fokker_planck_forward(NULL, NULL, 0.0, 0.5, b.field, NULL));
    INVALID("model", stoq_fokker_planck_backward(NULL, NULL, 0.5, 0.0, b.field, b.other));
    INVALID("model", stoq_chain_new(NULL, h->action, &h->layout, &h->options, &b.chain));
    INVALID("layout", stoq_chain_new(h->model, h->action, NULL, &h->options, &b.chain));
    INVALID("chain", stoq_chain_new(h->model, h->action, &h->layout, &h->options, NULL));
    INVALID("chain", stoq_chain_step(NULL, b.field, &b.outcome));
    INVALID("field", stoq_chain_step(h->chain, NULL, &b.outcome));
    INVALID("chain", stoq_chain_propose(NULL, b.field, b.other, &b.value));
    INVALID("field", stoq_chain_propose(h->chain, NULL, b.other, &b.value));
    INVALID("proposal", stoq_chain_propose(h->chain, b.field, NULL, &b.value));
    INVALID("log_hastings", stoq_chain_propose(h->chain, b.field, b.other, NULL));
    INVALID("chain", stoq_chain_resolve(NULL, 0.0, b.field, &b.outcome));
    INVALID("field", stoq_chain_resolve(h->chain, 0.0, NULL, &b.outcome));
    INVALID("statistics", stoq_chain_statistics_init(NULL));
    INVALID("statistics", stoq_chain_statistics(h->chain, NULL));
    MUST(stoq_chain_statistics_init(&b.statistics));
    INVALID("chain", stoq_chain_statistics(NULL, &b.statistics));
    INVALID("chain", stoq_chain_save(NULL, b.text, sizeof b.text, &b.needed));
    INVALID("needed", stoq_chain_save(h->chain, NULL, 0, NULL));
    INVALID("chain", stoq_chain_load(NULL, b.text, sizeof b.text));
    INVALID("bytes", stoq_chain_load(h->chain, NULL, sizeof b.text));
    stoq_model_free(NULL);
    stoq_action_free(NULL);
    stoq_chain_free(NULL);
    stoq_generator_free(NULL);
    stoq_complex_langevin_free(NULL);
    stoq_cumulants_free(NULL);
    CHECK(destroyed == 0); /* a failed stoq_action_callback() leaves `user` with the caller */
}

static void bad_models(const char *path, struct handles *h)
{
    POLITE(STOQ_IO, "no/such/model.onnx", stoq_model_load("no/such/model.onnx", &b.model));
    POLITE(STOQ_MODEL_FILE, "handles.c", stoq_model_load(__FILE__, &b.model));

    FILE *file = fopen(path, "rb");
    static unsigned char bytes[1 << 20];
    size_t length = file ? fread(bytes, 1, sizeof bytes, file) : 0;
    CHECK(length > 1000 && length < sizeof bytes);
    if (file) fclose(file);
    for (size_t kept = 0; kept < length; kept += 1 + length / 61) {
        unsigned char *cut = malloc(kept ? kept : 1); /* so that a sanitizer sees a byte too many */
        memcpy(cut, bytes, kept);
        POLITE(STOQ_MODEL_FILE, "in memory", stoq_model_from_memory(cut, kept, &b.model));
        free(cut);
    }
    POLITE(STOQ_MODEL_FILE, "in memory", stoq_model_from_memory(bytes, length - 1, &b.model));
    INVALID("bytes", stoq_model_from_memory(bytes, SIZE_MAX, &b.model));
    stoq_model_t *model = NULL;
    MUST(stoq_model_from_memory(bytes, length, &model));

    MUST(stoq_model_rank(model, &b.rank));
    MUST(stoq_model_extents(model, b.extents));
    CHECK(b.rank == 2 && b.extents[0] == EXTENT && b.extents[1] == EXTENT && b.extents[2] == 0);
    INVALID("key", stoq_model_metadata(model, "colour", b.text, sizeof b.text, &b.needed));
    INVALID("key", stoq_model_metadata(model, "", b.text, sizeof b.text, &b.needed));
    MUST(stoq_model_metadata(model, "action.couplings.kappa", NULL, 0, &b.needed));
    CHECK(b.needed == sizeof "0.21");
    INVALID("capacity", stoq_model_metadata(model, "action.couplings.kappa", b.text, 4, &b.needed));
    MUST(stoq_model_metadata(model, "action.couplings.kappa", b.text, 5, &b.needed));
    CHECK(strcmp(b.text, "0.21") == 0);
    MUST(stoq_model_metadata(model, "action.name", b.text, sizeof b.text, NULL));
    CHECK(strcmp(b.text, "phi4") == 0);

    double times[2] = {0.3, 1.0}, fields[2 * SITES] = {0.0}, scores[2 * SITES], second[SITES];
    for (int i = 0; i < 2 * SITES; i++) fields[i] = 0.1 * i - 1.0;
    INVALID("batch", stoq_model_score(model, 0, times, fields, b.other));
    INVALID("fields", stoq_model_score(model, SIZE_MAX / 4, times, fields, b.other));
    const double bad_times[] = {0.0, -1.0, 1.5, NAN};
    for (int i = 0; i < 4; i++) INVALID("times[0]", stoq_model_score(model, 1, &bad_times[i], fields, b.other));
    MUST(stoq_model_score(model, 2, times, fields, scores));
    MUST(stoq_model_score(model, 1, times + 1, fields + SITES, second));
    CHECK(memcmp(second, scores + SITES, sizeof second) == 0);
    MUST(stoq_model_score(model, 2, times, fields, fields)); /* in place */
    CHECK(memcmp(fields, scores, sizeof fields) == 0);
    fields[5] = INFINITY;
    POLITE(STOQ_NOT_FINITE, "fields", stoq_model_score(model, 1, times, fields, b.other));
    stoq_model_free(model);
    (void)h;
}

static void bad_fields_and_order(struct handles *h)
{
    const double values[] = {NAN, INFINITY, -INFINITY};
    for (int i = 0; i < 3; i++) {
        double keep = b.field[7];
        b.field[7] = values[i];
        POLITE(STOQ_NOT_FINITE, "field", stoq_chain_step(h->chain, b.field, &b.outcome));
        POLITE(STOQ_NOT_FINITE, "field", stoq_chain_propose(h->chain, b.field, b.other, &b.value));
        POLITE(STOQ_NOT_FINITE, "field", stoq_action_evaluate(h->action, b.field, &b.value));
        b.field[7] = keep;
    }
    POLITE(STOQ_WRONG_ORDER, "resolve", stoq_chain_resolve(h->chain, 0.0, b.field, &b.outcome));
    INVALID("proposal", stoq_chain_propose(h->chain, b.field, b.field, &b.value));

    MUST(stoq_chain_propose(h->chain, b.field, b.other, &b.value));
    POLITE(STOQ_WRONG_ORDER, "save", stoq_chain_save(h->chain, b.text, sizeof b.text, &b.needed));
    b.field[3] += 1.0; /* resolved with another field: refused, and the proposal stays */
    INVALID("field at site 3", stoq_chain_resolve(h->chain, 0.0, b.field, &b.outcome));
    b.field[3] = NAN;
    INVALID("field at site 3", stoq_chain_resolve(h->chain, 0.0, b.field, &b.outcome));
    POLITE(STOQ_NOT_FINITE, "field", stoq_chain_step(h->chain, b.field, &b.outcome));
    b.field[3] = 0.25 * 3;
    MUST(stoq_chain_resolve(h->chain, NAN, b.field, &b.outcome));
    CHECK(b.outcome == STOQ_REJECTED && b.field[3] == 0.25 * 3);
    POLITE(STOQ_WRONG_ORDER, "resolve", stoq_chain_resolve(h->chain, 0.0, b.field, NULL));

    stoq_chain_t *alone = NULL;
    MUST(stoq_chain_new(h->model, NULL, &h->layout, NULL, &alone));
    POLITE(STOQ_WRONG_ORDER, "without an action", stoq_chain_step(alone, b.field, &b.outcome));
    stoq_chain_free(alone);
    MUST(stoq_chain_step(h->chain, b.field, NULL)); /* outcome is optional */
    b.field[3] = 0.25 * 3;
}

static void bad_states(struct handles *h)
{
    static unsigned char state[4096], now[4096];
    size_t length, again;
    MUST(stoq_chain_save(h->chain, NULL, 0, &length));
    CHECK(length > 64 && length < sizeof state);
    memset(state, 0xa5, sizeof state);
    FAILS(STOQ_INVALID_ARGUMENT, "capacity", stoq_chain_save(h->chain, state, length - 1, &again));
    CHECK(again == length && state[0] == 0xa5 && state[length - 2] == 0xa5);
    MUST(stoq_chain_save(h->chain, state, length, NULL));
    CHECK(state[length] == 0xa5);

    for (size_t i = 0; i < length; i++) {
        for (int bit = 0; bit < 8; bit += 3) {
            state[i] ^= (unsigned char)(1 << bit);
            POLITE(STOQ_CHAIN_STATE, "chain state", stoq_chain_load(h->chain, state, length));
            state[i] ^= (unsigned char)(1 << bit);
        }
        POLITE(STOQ_CHAIN_STATE, "chain state", stoq_chain_load(h->chain, state, i));
    }
    POLITE(STOQ_CHAIN_STATE, "chain state", stoq_chain_load(h->chain, state, length + 1));
    MUST(stoq_chain_save(h->chain, now, sizeof now, &again));
    CHECK(again == length && memcmp(now, state, length) == 0); /* all that failed left the chain alone */

    stoq_chain_options_t options[4];
    for (int i = 0; i < 4; i++) options[i] = h->options;
    options[0].levels++, options[1].seed++, options[2].chain++, options[3].kernel = STOQ_KERNEL_RENOISE;
    for (int i = 0; i < 4; i++) {
        stoq_chain_t *foreign = NULL;
        MUST(stoq_chain_new(h->model, h->action, &h->layout, &options[i], &foreign));
        POLITE(STOQ_CHAIN_STATE, "another model", stoq_chain_load(foreign, state, length));
        stoq_chain_free(foreign);
    }
    MUST(stoq_chain_load(h->chain, state, length));
}

int main(int count, char **words)
{
    struct handles h;
    CHECK(count == 2 && strcmp(stoq_last_error(), "") == 0 && stoq_last_callback_code() == 0);
    CHECK(stoq_abi_version() == STOQ_ABI_VERSION && strchr(stoq_version(), '.'));
    CHECK(strcmp(stoq_status_name(STOQ_WRONG_ORDER), "STOQ_WRONG_ORDER") == 0);
    CHECK(strcmp(stoq_status_name(-5), "unknown status") == 0);
    if (prepare(&h, words[1])) {
        null_pointers(&h);
        bad_models(words[1], &h);
        bad_fields_and_order(&h);
        bad_states(&h);
    }
    release(&h);
    return finish("handles");
}
