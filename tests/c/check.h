/* What the C tests share: counted checks, and a 4 x 4 lattice. */
#ifndef CHECK_H
#define CHECK_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <stoq.h>

enum { EXTENT = 4, SITES = EXTENT * EXTENT };
#define KAPPA 0.21
#define LAMBDA 0.022

static int checks, failures;

#define CHECK(condition)                                                                                     \
    do {                                                                                                     \
        checks++;                                                                                            \
        if (!(condition)) {                                                                                  \
            failures++;                                                                                      \
            fprintf(stderr, "%s:%d: %s\n    last error: %s\n", __FILE__, __LINE__, #condition,               \
                    stoq_last_error());                                                                      \
        }                                                                                                    \
    } while (0)

#define MUST(call) CHECK((call) == STOQ_OK)

/* The call fails with `status`, and its message contains `word`: the name of the parameter at fault. */
#define FAILS(status, word, call)                                                                            \
    do {                                                                                                     \
        stoq_status_t found_ = (call);                                                                       \
        checks++;                                                                                            \
        if (found_ != (status) || !strstr(stoq_last_error(), (word))) {                                      \
            failures++;                                                                                      \
            fprintf(stderr, "%s:%d: %s\n    gave %s (%s), expected %s and the word \"%s\"\n", __FILE__,       \
                    __LINE__, #call, stoq_status_name(found_), stoq_last_error(), stoq_status_name(status),  \
                    (word));                                                                                 \
        }                                                                                                    \
    } while (0)

static int finish(const char *name)
{
    printf("%s: %d checks, %d failures\n", name, checks, failures);
    return failures || checks < 20 ? EXIT_FAILURE : EXIT_SUCCESS;
}

static stoq_layout_t square(void)
{
    const size_t extents[2] = {EXTENT, EXTENT};
    stoq_layout_t layout;
    MUST(stoq_layout_init(&layout, 2, extents));
    return layout;
}

#ifndef NO_CHAINS
static stoq_chain_options_t options_of(int32_t kernel)
{
    stoq_chain_options_t options;
    MUST(stoq_chain_options_init(&options));
    options.kernel = kernel;
    options.levels = 6;
    options.seed = 5;
    return options;
}
#endif

#endif
