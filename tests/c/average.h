/* What the tests of moments share. */
#ifndef AVERAGE_H
#define AVERAGE_H

#include "check.h"
#include <math.h>

/* Mean and error of an observable, from bins of a length far above its autocorrelation. */
struct average {
    int length, filled, bins;
    double bin, sum, squares;
};

static void add(struct average *a, double value)
{
    a->bin += value / a->length;
    if (++a->filled < a->length) return;
    a->sum += a->bin, a->squares += a->bin * a->bin, a->bins++;
    a->bin = 0.0, a->filled = 0;
}

static void expect(const struct average *a, double exact, const char *name)
{
    double mean = a->sum / a->bins, variance = a->squares / a->bins - mean * mean;
    double error = sqrt(variance / (a->bins - 1)), z = (mean - exact) / error;
    CHECK(a->bins >= 40 && fabs(z) < 4.0 && error < 0.05 * fabs(exact));
    if (getenv("STOQ_SHOW")) fprintf(stderr, "%s: %.5f +- %.5f, exact %.5f, z %.2f\n", name, mean, error, exact, z);
}

/* Moments of exp(-a x^2 - b x^4), by the trapezoidal rule. */
static inline double moment(int n, double a, double b)
{
    double norm = 0.0, sum = 0.0;
    for (double x = -12.0; x <= 12.0; x += 0.005) {
        double weight = exp(-a * x * x - b * x * x * x * x);
        norm += weight, sum += weight * pow(x, n);
    }
    return sum / norm;
}

/* Takes `action`. */
static inline stoq_chain_t *chain_with(const stoq_model_t *model, stoq_action_t *action, const stoq_layout_t *layout,
                                       const stoq_chain_options_t *options)
{
    stoq_chain_t *chain = NULL;
    MUST(stoq_chain_new(model, action, layout, options, &chain));
    stoq_action_free(action);
    return chain;
}

#endif
