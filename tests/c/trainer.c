/* A host trains while its chain runs, and what may go wrong on the way: the right status, a message that names
 * the parameter, and nothing changed. One statistical check at 4 sigma with a fixed seed: a false alarm in one of
 * 16000 seeds. argv[1]: a model on the 4 x 4 lattice. */
#include "polite.h"
#include "average.h"

enum { CONFIGURATIONS = 240, HALF = CONFIGURATIONS / 2, STEPS = 50 };

static double configurations[CONFIGURATIONS][SITES];
static unsigned char state[1 << 20], other_state[1 << 20];

/* The host's chain: HMC of phi^4. */
static void sample(struct handles *h)
{
    stoq_chain_options_t options = options_of(STOQ_KERNEL_HMC);
    stoq_chain_t *chain = NULL;
    double phi[SITES] = {0.0};
    MUST(stoq_chain_new(NULL, h->action, &h->layout, &options, &chain));
    for (int i = -20; i < CONFIGURATIONS; i++) {
        for (int k = 0; k < 4; k++) MUST(stoq_chain_step(chain, phi, NULL));
        if (i >= 0) memcpy(configurations[i], phi, sizeof phi);
    }
    stoq_chain_free(chain);
}

static stoq_train_options_t small_training(void)
{
    stoq_train_options_t options;
    MUST(stoq_train_options_init(&options));
    options.channels[0] = 4, options.channels[1] = 6, options.embedding = 8, options.batch = 16;
    options.steps = STEPS, options.seed = 3, options.validate_every = 10;
    return options;
}

static stoq_trainer_t *new_trainer(const stoq_layout_t *layout, const stoq_action_t *action)
{
    stoq_train_options_t options = small_training();
    stoq_trainer_t *trainer = NULL;
    MUST(stoq_trainer_new(layout, action, &options, &trainer));
    return trainer;
}

static void push(stoq_trainer_t *trainer, int first, int end)
{
    for (int i = first; i < end; i++) MUST(stoq_trainer_push(trainer, configurations[i]));
}

static size_t checkpoint(const stoq_trainer_t *trainer, unsigned char *bytes)
{
    size_t needed = 0, again = 0;
    MUST(stoq_trainer_checkpoint(trainer, NULL, 0, &needed));
    CHECK(needed > 100 && needed <= sizeof state);
    MUST(stoq_trainer_checkpoint(trainer, bytes, sizeof state, &again));
    CHECK(needed == again);
    return needed;
}

/* Both have the same weights, configurations, everything. */
static int same(const stoq_trainer_t *a, const stoq_trainer_t *b)
{
    size_t length = checkpoint(a, state);
    return length == checkpoint(b, other_state) && memcmp(state, other_state, length) == 0;
}

static void number_is(const stoq_trainer_t *trainer, size_t expected)
{
    size_t found = SIZE_MAX;
    MUST(stoq_trainer_configurations(trainer, &found));
    CHECK(found == expected);
}

static void adaptation_stops_at_the_chain(struct handles *h, const stoq_model_t *snapshot)
{
    const double time = 0.5;
    INVALID("still being trained", stoq_chain_new(snapshot, h->action, &h->layout, NULL, &b.chain));
    MUST(stoq_model_score(snapshot, 1, &time, configurations[0], b.other));
    stoq_generator_t *generator = NULL;
    MUST(stoq_generator_new(snapshot, NULL, NULL, &generator));
    stoq_generator_free(generator);
}

/* The host's updates and those of the model in turn. */
static void chain_is_exact(struct handles *h, const stoq_model_t *model)
{
    stoq_chain_options_t options = options_of(STOQ_KERNEL_PATH), of_host = options_of(STOQ_KERNEL_HMC);
    stoq_chain_t *chain = NULL, *hmc = NULL;
    stoq_chain_statistics_t statistics;
    struct average square = {.length = 30};
    double phi[SITES];
    memcpy(phi, configurations[CONFIGURATIONS - 1], sizeof phi);
    options.chain = 1;
    MUST(stoq_chain_new(model, h->action, &h->layout, &options, &chain));
    MUST(stoq_chain_new(NULL, h->action, &h->layout, &of_host, &hmc));
    for (int update = 0; update < 1500; update++) {
        MUST(stoq_chain_step(hmc, phi, NULL));
        MUST(stoq_chain_step(chain, phi, NULL));
        double sum = 0.0;
        for (int site = 0; site < SITES; site++) sum += phi[site] * phi[site] / SITES;
        add(&square, sum);
    }
    expect(&square, 0.6458101351236, "<phi^2>"); /* tests/data/phi4_2d.json */
    MUST(stoq_chain_statistics_init(&statistics));
    MUST(stoq_chain_statistics(chain, &statistics));
    if (getenv("STOQ_SHOW")) fprintf(stderr, "%llu accepted\n", (unsigned long long)statistics.accepted);
    CHECK(statistics.accepted > 750);
    stoq_chain_free(chain);
    stoq_chain_free(hmc);
}

static void trains_while_running(struct handles *h, const char *path)
{
    stoq_trainer_t *trainer = new_trainer(&h->layout, h->action);
    stoq_model_t *snapshot = NULL, *model = NULL, *loaded = NULL;
    stoq_train_report_t report;
    POLITE(STOQ_WRONG_ORDER, "fit first", stoq_trainer_model(trainer, &b.model));
    POLITE(STOQ_WRONG_ORDER, "fit first", stoq_trainer_finish(trainer, &b.model));
    POLITE(STOQ_WRONG_ORDER, "fit first", stoq_trainer_save(trainer, path));
    push(trainer, 0, 31);
    INVALID("configurations = 31", stoq_trainer_fit(trainer, 1, NULL, NULL, NULL));
    push(trainer, 31, HALF);
    MUST(stoq_train_report_init(&report));
    MUST(stoq_trainer_fit(trainer, STEPS / 2, NULL, NULL, &report));
    CHECK(report.step == STEPS / 2 && report.steps == STEPS && !report.finished && report.rate > 0.0);
    CHECK(report.loss > 0.0 && report.validation > 0.0 && report.struct_size == sizeof report);
    MUST(stoq_trainer_model(trainer, &snapshot));
    adaptation_stops_at_the_chain(h, snapshot);

    push(trainer, HALF, CONFIGURATIONS);
    number_is(trainer, CONFIGURATIONS);
    MUST(stoq_trainer_fit(trainer, STEPS, NULL, NULL, &report));
    CHECK(report.step == STEPS && report.finished == 1);
    stoq_model_free(snapshot);
    MUST(stoq_trainer_model(trainer, &snapshot)); /* after the last step too */
    adaptation_stops_at_the_chain(h, snapshot);
    MUST(stoq_trainer_finish(trainer, &model));
    MUST(stoq_model_metadata(model, "training.configurations", b.text, sizeof b.text, NULL));
    CHECK(strcmp(b.text, "192") == 0); /* four fifths */
    MUST(stoq_model_metadata(model, "action.couplings.kappa", b.text, sizeof b.text, NULL));
    CHECK(strcmp(b.text, "0.21") == 0);

    char file[512];
    snprintf(file, sizeof file, "%s.trained", path);
    MUST(stoq_trainer_save(trainer, file));
    stoq_trainer_free(trainer);
    chain_is_exact(h, model);
    MUST(stoq_model_load(file, &loaded));
    chain_is_exact(h, loaded);
    CHECK(remove(file) == 0);
    MUST(stoq_model_save(model, file));
    stoq_model_free(loaded);
    MUST(stoq_model_load(file, &loaded));
    POLITE(STOQ_IO, "no/such", stoq_model_save(model, "no/such/model.onnx"));
    stoq_model_free(loaded);
    stoq_model_free(model);
    stoq_model_free(snapshot);
}

/* The same fields in other memory are the same training; and what was pushed is a copy. */
static void layouts_agree(struct handles *h)
{
    static double memory[3 * EXTENT * 2 * EXTENT];
    stoq_layout_t layout = h->layout;
    layout.strides[0] = -2, layout.strides[1] = 3 * 2 * EXTENT;
    double *first = memory + 2 * (EXTENT - 1);
    CHECK(layout.strides[1] * (EXTENT - 1) + 2 * EXTENT <= (ptrdiff_t)(sizeof memory / sizeof *memory));
    stoq_trainer_t *plain = new_trainer(&h->layout, h->action), *strided = new_trainer(&layout, h->action);
    push(plain, 0, 60);
    for (int i = 0; i < 60; i++) {
        for (size_t k = 0; k < sizeof memory / sizeof *memory; k++) memory[k] = NAN;
        for (int x = 0; x < EXTENT; x++)
            for (int y = 0; y < EXTENT; y++)
                first[x * layout.strides[0] + y * layout.strides[1]] = configurations[i][x * EXTENT + y];
        MUST(stoq_trainer_push(strided, first));
    }
    CHECK(same(plain, strided));
    MUST(stoq_trainer_fit(plain, 3, NULL, NULL, NULL));
    CHECK(!same(plain, strided));
    MUST(stoq_trainer_fit(strided, 3, NULL, NULL, NULL));
    CHECK(same(plain, strided));
    first[layout.strides[1]] = NAN; /* site (0, 1) */
    POLITE(STOQ_NOT_FINITE, "site [0, 1]", stoq_trainer_push(strided, first));
    CHECK(same(plain, strided));
    stoq_trainer_free(plain);
    stoq_trainer_free(strided);
}

struct watch {
    stoq_trainer_t *trainer;
    uint64_t stop_at, calls;
    int32_t code;
};

static int32_t watch_progress(void *user, const stoq_train_report_t *report)
{
    struct watch *watch = user;
    stoq_train_report_t inner;
    watch->calls++;
    CHECK(report->struct_size == sizeof *report && report->steps == STEPS && report->loss > 0.0);
    FAILS(STOQ_WRONG_ORDER, "trainer is at work", stoq_trainer_push(watch->trainer, configurations[0]));
    FAILS(STOQ_WRONG_ORDER, "trainer is at work", stoq_trainer_fit(watch->trainer, 1, NULL, NULL, NULL));
    MUST(stoq_train_report_init(&inner));
    return report->step == watch->stop_at ? watch->code : 0;
}

static void callbacks_stop(struct handles *h)
{
    stoq_trainer_t *trainer = new_trainer(&h->layout, NULL), *reference = new_trainer(&h->layout, NULL);
    struct watch watch = {trainer, 4, 0, 1};
    stoq_train_report_t report;
    MUST(stoq_train_report_init(&report));
    push(trainer, 0, 50);
    push(reference, 0, 50);
    MUST(stoq_trainer_fit(trainer, 10, watch_progress, &watch, &report));
    CHECK(report.step == 4 && watch.calls == 4 && report.finished == 0);
    watch.stop_at = 7, watch.code = -12;
    memcpy(&b.report, &report, sizeof report);
    POLITE(STOQ_CALLBACK_STOPPED, "progress", stoq_trainer_fit(trainer, 10, watch_progress, &watch, &b.report));
    CHECK(stoq_last_callback_code() == -12 && watch.calls == 7);
    MUST(stoq_trainer_fit(trainer, 0, watch_progress, &watch, &report));
    CHECK(report.step == 7 && watch.calls == 7);
    MUST(stoq_trainer_fit(reference, 7, NULL, NULL, NULL));
    CHECK(same(trainer, reference));
    stoq_trainer_free(trainer);
    stoq_trainer_free(reference);
}

static void trainings_continue(struct handles *h)
{
    stoq_trainer_t *trainer = new_trainer(&h->layout, h->action), *other = new_trainer(&h->layout, h->action);
    stoq_trainer_t *denoising = new_trainer(&h->layout, NULL);
    push(trainer, 0, 40);
    MUST(stoq_trainer_fit(trainer, 5, NULL, NULL, NULL));
    push(trainer, 40, 70);
    push(other, 0, 3);
    static unsigned char saved[sizeof state];
    size_t length = checkpoint(trainer, saved);
    INVALID("action", stoq_trainer_restore(denoising, saved, length));
    number_is(denoising, 0);
    INVALID("checkpoint", stoq_trainer_restore(other, saved, length - 1));
    saved[length / 2] ^= 1;
    INVALID("checksum", stoq_trainer_restore(other, saved, length));
    saved[length / 2] ^= 1;
    number_is(other, 3);
    INVALID("capacity", stoq_trainer_checkpoint(trainer, b.text, sizeof b.text, NULL));
    MUST(stoq_trainer_restore(other, saved, length));
    number_is(other, 70);
    MUST(stoq_trainer_fit(trainer, 5, NULL, NULL, NULL));
    MUST(stoq_trainer_fit(other, 5, NULL, NULL, NULL));
    CHECK(same(trainer, other));
    stoq_trainer_free(trainer);
    stoq_trainer_free(other);
    stoq_trainer_free(denoising);
}

static void bad_options(struct handles *h)
{
    stoq_train_options_t options = small_training();
    for (size_t size = 0; size < sizeof options; size += 4) {
        options.struct_size = size;
        INVALID("options->struct_size", stoq_trainer_new(&h->layout, NULL, &options, &b.trainer));
    }

/* One option with a value that it cannot have. */
#define BAD(field_, value_)                                                                                  \
    do {                                                                                                     \
        options = small_training();                                                                          \
        options.field_ = (value_);                                                                           \
        INVALID("options->" #field_, stoq_trainer_new(&h->layout, h->action, &options, &b.trainer));         \
    } while (0)
    BAD(size, 0);
    BAD(size, 5);
    BAD(size, INT32_MIN);
    BAD(reach, 2);
    BAD(channels[0], UINT32_MAX);
    BAD(channels[3], 8);
    BAD(embedding, UINT32_MAX);
    BAD(batch, 0);
    BAD(batch, 65537);
    BAD(steps, UINT64_MAX);
    BAD(threads, 0);
    BAD(threads, 1025);
    BAD(odd, 2);
    BAD(even, 2);
    BAD(even, -2);
    BAD(follow_variance, 2);
    BAD(rate, 0.0);
    BAD(rate, NAN);
    BAD(largest_noise, 0.5);
    BAD(largest_noise, NAN);
    BAD(validate_every, 0);

    MUST(stoq_train_options_init(&options)); /* three resolutions do not fit a 4 x 4 lattice */
    INVALID("extents", stoq_trainer_new(&h->layout, NULL, &options, &b.trainer));
    stoq_action_t *action = NULL;
    MUST(stoq_action_callback(&h->layout, zero_action, NULL, NULL, &action));
    INVALID("built-in", stoq_trainer_new(&h->layout, action, &options, &b.trainer));
    stoq_action_free(action);
    const size_t line[1] = {SITES};
    stoq_layout_t layout;
    MUST(stoq_layout_init(&layout, 1, line));
    MUST(stoq_action_phi4(&layout, KAPPA, LAMBDA, &action));
    POLITE(STOQ_SHAPE_MISMATCH, "action", stoq_trainer_new(&h->layout, action, NULL, &b.trainer));
    stoq_action_free(action);
}

static void null_pointers(struct handles *h)
{
    stoq_trainer_t *trainer = new_trainer(&h->layout, NULL);
    INVALID("options", stoq_train_options_init(NULL));
    INVALID("report", stoq_train_report_init(NULL));
    INVALID("layout", stoq_trainer_new(NULL, NULL, NULL, &b.trainer));
    INVALID("trainer", stoq_trainer_new(&h->layout, NULL, NULL, NULL));
    INVALID("trainer", stoq_trainer_push(NULL, b.field));
    INVALID("field", stoq_trainer_push(trainer, NULL));
    INVALID("trainer", stoq_trainer_configurations(NULL, &b.needed));
    INVALID("configurations", stoq_trainer_configurations(trainer, NULL));
    INVALID("trainer", stoq_trainer_fit(NULL, 1, NULL, NULL, NULL));
    memset(&b.report, 0, sizeof b.report);
    INVALID("report->struct_size", stoq_trainer_fit(trainer, 1, NULL, NULL, &b.report));
    INVALID("trainer", stoq_trainer_model(NULL, &b.model));
    INVALID("model", stoq_trainer_model(trainer, NULL));
    INVALID("trainer", stoq_trainer_finish(NULL, &b.model));
    INVALID("model", stoq_trainer_finish(trainer, NULL));
    INVALID("trainer", stoq_trainer_save(NULL, "model.onnx"));
    INVALID("path", stoq_trainer_save(trainer, NULL));
    INVALID("trainer", stoq_trainer_checkpoint(NULL, b.text, sizeof b.text, &b.needed));
    INVALID("needed", stoq_trainer_checkpoint(trainer, NULL, 0, NULL));
    INVALID("trainer", stoq_trainer_restore(NULL, b.text, sizeof b.text));
    INVALID("bytes", stoq_trainer_restore(trainer, NULL, 8));
    INVALID("checkpoint", stoq_trainer_restore(trainer, b.text, 0));
    INVALID("model", stoq_model_at(NULL, 0, NULL, 0, NULL, NULL, &b.model));
    INVALID("moved", stoq_model_at(h->model, 0, NULL, 0, NULL, NULL, NULL));
    INVALID("extents", stoq_model_at(h->model, 2, NULL, 0, NULL, NULL, &b.model));
    INVALID("model", stoq_model_save(NULL, "model.onnx"));
    INVALID("path", stoq_model_save(h->model, NULL));
    stoq_trainer_free(NULL);
    stoq_trainer_free(trainer);
}

static void models_move(struct handles *h)
{
    const size_t large[2] = {8, 4}, odd[2] = {5, 8}, one[1] = {4};
    const char *name = "kappa";
    const double kappa = 0.2;
    stoq_model_t *moved = NULL, *free_field = NULL;
    MUST(stoq_model_at(h->model, 2, large, 0, NULL, NULL, &moved));
    MUST(stoq_model_extents(moved, b.extents));
    CHECK(b.extents[0] == 8 && b.extents[1] == 4);
    stoq_model_free(moved);
    INVALID("extents", stoq_model_at(h->model, 2, odd, 0, NULL, NULL, &b.model));
    INVALID("rank of the model", stoq_model_at(h->model, 1, one, 0, NULL, NULL, &b.model));
    INVALID("rank", stoq_model_at(h->model, 5, large, 0, NULL, NULL, &b.model));
    INVALID("coupling = kappa", stoq_model_at(h->model, 0, NULL, 1, &name, &kappa, &b.model));
    INVALID("names", stoq_model_at(h->model, 0, NULL, 1, NULL, &kappa, &b.model));
    INVALID("values", stoq_model_at(h->model, 0, NULL, 1, &name, NULL, &b.model));
    MUST(stoq_model_free_field(&h->layout, NULL, 0.2, &free_field));
    INVALID("analytic", stoq_model_at(free_field, 2, large, 0, NULL, NULL, &b.model));
    INVALID("analytic", stoq_model_save(free_field, "model.onnx"));
    stoq_model_free(free_field);
}

int main(int count, char **words)
{
    struct handles h;
    CHECK(count == 2);
    if (prepare(&h, words[1])) {
        sample(&h);
        null_pointers(&h);
        bad_options(&h);
        models_move(&h);
        layouts_agree(&h);
        callbacks_stop(&h);
        trainings_continue(&h);
        trains_while_running(&h, words[1]);
    }
    release(&h);
    return finish("trainer");
}
