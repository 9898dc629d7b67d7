/*
 * Many chains on many threads of the host over one model: the same bits as one after the other. argv[1]: a model on the
 * 4 x 4 lattice. Under ThreadSanitizer this program has races exactly where the library or its promises have.
 */
#include "check.h"
#include <pthread.h>

enum { THREADS = 8, STEPS = 25, LEVELS = 4 };

/* The host's action, and a counter without atomics: the library promises that callbacks of one action never run at once. */
struct host {
    long calls;
};

static int32_t phi4(void *user, const double *field, size_t values, double *action)
{
    double sum = 0.0;
    ((struct host *)user)->calls++;
    for (size_t site = 0; site < values; site++) {
        size_t y = site / EXTENT, x = site % EXTENT;
        double ahead = field[(y + 1) % EXTENT * EXTENT + x] + field[y * EXTENT + (x + 1) % EXTENT];
        double square = field[site] * field[site];
        sum += square * (1.0 - 2.0 * LAMBDA + LAMBDA * square) - 2.0 * KAPPA * field[site] * ahead;
    }
    *action = sum;
    return 0;
}

/* What one thread does, and what it found. CHECK counts without atomics, so that threads keep their own count. */
struct task {
    const stoq_model_t *model;
    stoq_chain_t *chain;
    uint32_t number;
    double field[SITES], score[SITES];
    int faults;
};

static void *run(void *argument)
{
    struct task *task = argument;
    const double time = 0.3;
    char word[32];
    for (int step = 0; step < STEPS; step++) {
        task->faults += stoq_chain_step(task->chain, task->field, NULL) != STOQ_OK;
        if (step % 5 == 0) /* reads of the shared model, and an error that belongs to this thread */
            task->faults += stoq_model_score(task->model, 1, &time, task->field, task->score) != STOQ_OK;
        task->faults += stoq_chain_step(task->chain, NULL, NULL) != STOQ_INVALID_ARGUMENT;
        stoq_chain_options_t options;
        task->faults += stoq_chain_options_init(&options) != STOQ_OK;
        options.levels = 200000 + task->number;
        stoq_chain_t *refused = NULL;
        stoq_layout_t layout;
        const size_t extents[2] = {EXTENT, EXTENT};
        task->faults += stoq_layout_init(&layout, 2, extents) != STOQ_OK;
        task->faults += stoq_chain_new(task->model, NULL, &layout, &options, &refused) != STOQ_INVALID_ARGUMENT;
        snprintf(word, sizeof word, "%d", 200000 + (int)task->number);
        task->faults += !strstr(stoq_last_error(), word);
    }
    stoq_chain_free(task->chain);
    return NULL;
}

/* Chains 0 to THREADS - 1, all at once or one after the other; `shared`: an action of all, else each has its own. Model
 * and actions are given back before the chains run. */
static void chains(const char *path, struct task *tasks, int at_once, struct host *shared)
{
    stoq_layout_t layout = square();
    stoq_model_t *model = NULL;
    stoq_action_t *common = NULL;
    static struct host own[THREADS];
    pthread_t threads[THREADS];
    MUST(stoq_model_load(path, &model));
    if (shared) MUST(stoq_action_callback(&layout, phi4, shared, NULL, &common));
    for (uint32_t number = 0; number < THREADS; number++) {
        struct task *task = &tasks[number];
        stoq_chain_options_t options = options_of(number % 2 ? STOQ_KERNEL_RENOISE : STOQ_KERNEL_PATH);
        stoq_action_t *action = common;
        memset(task, 0, sizeof *task);
        task->model = model;
        task->number = number;
        options.chain = number;
        options.levels = LEVELS;
        options.threads = 1 + (number == 2); /* one chain with threads of its own */
#ifdef PLANTED_RACE /* two actions with one counter: nothing is promised, and ThreadSanitizer must say so */
        if (!shared) MUST(stoq_action_callback(&layout, phi4, &own[0], NULL, &action));
#else
        if (!shared) MUST(stoq_action_callback(&layout, phi4, &own[number], NULL, &action));
#endif
        MUST(stoq_chain_new(model, action, &layout, &options, &task->chain));
        if (!shared) stoq_action_free(action);
    }
    stoq_action_free(common);
    for (int number = 0; number < THREADS; number++) {
        if (at_once)
            CHECK(pthread_create(&threads[number], NULL, run, &tasks[number]) == 0);
        else
            run(&tasks[number]);
    }
    for (int number = 0; at_once && number < THREADS; number++) CHECK(pthread_join(threads[number], NULL) == 0);
    for (int number = 0; number < THREADS; number++) CHECK(tasks[number].faults == 0);
    stoq_model_free(model);
}

int main(int count, char **words)
{
    static struct task expected[THREADS], found[THREADS];
    struct host alone = {0}, together = {0};
    if (count != 2) return EXIT_FAILURE;
    chains(words[1], expected, 0, &alone);
    CHECK(alone.calls == 2 * STEPS * THREADS);
    for (int with = 0; with < 2; with++) {
        chains(words[1], found, 1, with ? &together : NULL);
        for (int number = 0; number < THREADS; number++) {
            CHECK(memcmp(found[number].field, expected[number].field, sizeof expected->field) == 0);
            CHECK(memcmp(found[number].score, expected[number].score, sizeof expected->score) == 0);
            CHECK(number == 0 || memcmp(found[number].field, found[0].field, sizeof expected->field) != 0);
        }
    }
    CHECK(together.calls == alone.calls);
    return finish("threads");
}
