/* Two-dimensional U(1) gauge theory: link angles in two layouts, charge shifts, observables, exact values. Statistical
 * checks are at 4 sigma, 5 of them with fixed seeds: a false alarm in one of 3000 seeds. */
#include "average.h"

#define PI 3.14159265358979324
enum { LINKS = 2 * SITES };

/* [mu][site], and [site][mu]. */
static stoq_layout_t by_direction(void)
{
    stoq_layout_t layout = square();
    layout.components = 2;
    return layout;
}

static stoq_layout_t by_site(void)
{
    stoq_layout_t layout = by_direction();
    layout.strides[0] = 2 * EXTENT, layout.strides[1] = 2, layout.component_stride = 1;
    return layout;
}

/* Angles of many turns. */
static void fill(double links[LINKS])
{
    for (int i = 0; i < LINKS; i++) links[i] = 9.0 * sin(1.0 + 3.0 * i) + 2.0 * PI * (i % 5);
}

static void transpose(const double links[LINKS], double by_site[LINKS])
{
    for (int mu = 0; mu < 2; mu++)
        for (int site = 0; site < SITES; site++) by_site[2 * site + mu] = links[mu * SITES + site];
}

static double plaquette_angle(const double *links, int y, int x)
{
    int up = (y + 1) % EXTENT, right = (x + 1) % EXTENT;
    return links[y * EXTENT + x] + links[SITES + up * EXTENT + x] - links[y * EXTENT + right] - links[SITES + y * EXTENT + x];
}

static void observables(void)
{
    stoq_layout_t first = by_direction(), second = by_site();
    double links[LINKS], other[LINKS], value, again, real, imaginary, mean = 0.0, flux = 0.0, loop = 0.0;
    int32_t charge, same;
    fill(links);
    transpose(links, other);
    for (int y = 0; y < EXTENT; y++) {
        for (int x = 0; x < EXTENT; x++) {
            double angle = plaquette_angle(links, y, x);
            mean += cos(angle) / SITES;
            flux += angle - 2.0 * PI * floor(angle / (2.0 * PI) + 0.5);
            loop += cos(angle + plaquette_angle(links, (y + 1) % EXTENT, x) + plaquette_angle(links, (y + 2) % EXTENT, x)) / SITES;
        }
    }
    MUST(stoq_u1_wilson_loop(&first, links, 1, 1, &value));
    CHECK(fabs(value - mean) < 1e-12);
    MUST(stoq_u1_wilson_loop(&first, links, 3, 1, &value));
    CHECK(fabs(value - loop) < 1e-12);
    MUST(stoq_u1_wilson_loop(&second, other, 3, 1, &again));
    CHECK(value == again);
    MUST(stoq_u1_wilson_loop(&first, links, EXTENT, EXTENT, &value));
    CHECK(fabs(value - 1.0) < 1e-12);
    MUST(stoq_u1_charge(&first, links, &charge));
    MUST(stoq_u1_charge(&second, other, &same));
    CHECK(charge == same && fabs(flux / (2.0 * PI) - charge) < 1e-12);
    MUST(stoq_u1_polyakov_loop(&first, links, 0, &real, &imaginary));
    MUST(stoq_u1_polyakov_loop(&second, other, 0, &value, &again));
    CHECK(real == value && imaginary == again && real * real + imaginary * imaginary <= 1.0);
    /* One loop along axis 1 alone, turned by a right angle. */
    for (int i = 0; i < LINKS; i++) links[i] = i == SITES + 2 ? 0.5 * PI : 0.0;
    MUST(stoq_u1_polyakov_loop(&first, links, 1, &real, &imaginary));
    CHECK(fabs(real - 0.75) < 1e-12 && fabs(imaginary - 0.25) < 1e-12);
    MUST(stoq_u1_polyakov_loop(&first, links, 0, &real, &imaginary));
    CHECK(real == 1.0 && imaginary == 0.0);
}

static void exact_values(void)
{
    stoq_layout_t layout = by_site();
    stoq_u1_exact_t *exact = NULL;
    double value, opposite;
    MUST(stoq_u1_exact_new(&layout, 0.0, &exact));
    MUST(stoq_u1_exact_charge_squared(exact, &value));
    CHECK(fabs(value - SITES / 12.0) < 1e-10); /* uniform angles */
    MUST(stoq_u1_exact_polyakov_square(exact, 1, &value));
    CHECK(fabs(value - 0.25) < 1e-12);
    stoq_u1_exact_free(exact);
    MUST(stoq_u1_exact_new(&layout, 1.0, &exact));
    MUST(stoq_u1_exact_wilson_loop(exact, 1, 1, &value));
    CHECK(fabs(value - 0.44639391203) < 1e-11);
    MUST(stoq_u1_exact_charge_squared(exact, &value));
    CHECK(fabs(value - 0.650097794402) < 1e-11);
    MUST(stoq_u1_exact_charge_probability(exact, 1, &value));
    MUST(stoq_u1_exact_charge_probability(exact, -1, &opposite));
    CHECK(fabs(value - opposite) < 1e-14 && value > 0.1 && value < 0.3);
    stoq_u1_exact_free(exact);
    stoq_u1_exact_free(NULL);
}

/* One chain after another on the same field: the same bits in both layouts, with angles of many turns. */
static void layouts_agree(void)
{
    static const int32_t kernels[] = {STOQ_KERNEL_HMC, STOQ_KERNEL_METROPOLIS, STOQ_KERNEL_CHARGE_SHIFT};
    stoq_layout_t layouts[2] = {by_direction(), by_site()};
    double fields[2][LINKS], transposed[LINKS];
    int accepted = 0;
    fill(fields[0]);
    transpose(fields[0], fields[1]);
    for (int k = 0; k < 3; k++) {
        int32_t outcomes[2][30];
        for (int l = 0; l < 2; l++) {
            stoq_chain_options_t options = options_of(kernels[k]);
            stoq_action_t *action = NULL;
            MUST(stoq_action_u1(&layouts[1 - l], 1.5, &action)); /* the action in the other layout */
            stoq_chain_t *chain = chain_with(NULL, action, &layouts[l], &options);
            for (int i = 0; i < 30; i++) {
                MUST(stoq_chain_step(chain, fields[l], &outcomes[l][i]));
                accepted += outcomes[l][i];
            }
            stoq_chain_free(chain);
        }
        CHECK(memcmp(outcomes[0], outcomes[1], sizeof outcomes[0]) == 0);
        transpose(fields[0], transposed);
        CHECK(memcmp(transposed, fields[1], sizeof transposed) == 0);
    }
    CHECK(accepted > 60 && accepted < 180);
}

/* HMC of the library, and charge shifts that this host decides by its own action. */
static void chain_is_exact(void)
{
    const double beta = 3.0;
    stoq_layout_t layout = by_site();
    stoq_chain_options_t hmc_options = options_of(STOQ_KERNEL_HMC), shift_options = options_of(STOQ_KERNEL_CHARGE_SHIFT);
    stoq_action_t *action = NULL, *for_hmc = NULL;
    stoq_chain_t *shift = NULL;
    stoq_u1_exact_t *exact = NULL;
    double links[LINKS] = {0.0}, proposal[LINKS], value, log_hastings, before, after;
    int32_t charge, outcome, accepted = 0;
    struct average plaquette = {.length = 100}, loop = {.length = 100}, squares = {.length = 100};
    struct average polyakov = {.length = 100}, sector = {.length = 100};
    shift_options.chain = 1;
    MUST(stoq_action_u1(&layout, beta, &action));
    MUST(stoq_action_u1(&layout, beta, &for_hmc));
    stoq_chain_t *hmc = chain_with(NULL, for_hmc, &layout, &hmc_options);
    MUST(stoq_chain_new(NULL, NULL, &layout, &shift_options, &shift));
    for (int i = 0; i < 12000; i++) {
        MUST(stoq_chain_step(hmc, links, NULL));
        MUST(stoq_chain_propose(shift, links, proposal, &log_hastings));
        MUST(stoq_action_evaluate(action, links, &before));
        MUST(stoq_action_evaluate(action, proposal, &after));
        MUST(stoq_chain_resolve(shift, after - before, links, &outcome));
        accepted += outcome;
        CHECK(log_hastings == 0.0);
        MUST(stoq_u1_wilson_loop(&layout, links, 1, 1, &value));
        add(&plaquette, value);
        MUST(stoq_u1_wilson_loop(&layout, links, 2, 3, &value));
        add(&loop, value);
        MUST(stoq_u1_charge(&layout, links, &charge));
        add(&squares, charge * charge), add(&sector, charge == 0);
        MUST(stoq_u1_polyakov_loop(&layout, links, 1, &before, &after));
        add(&polyakov, before * before + after * after);
    }
    MUST(stoq_u1_exact_new(&layout, beta, &exact));
    MUST(stoq_u1_exact_wilson_loop(exact, 1, 1, &value));
    expect(&plaquette, value, "plaquette");
    MUST(stoq_u1_exact_wilson_loop(exact, 2, 3, &value));
    expect(&loop, value, "2 x 3 loop");
    MUST(stoq_u1_exact_charge_squared(exact, &value));
    expect(&squares, value, "<Q^2>");
    MUST(stoq_u1_exact_charge_probability(exact, 0, &value));
    expect(&sector, value, "P(0)");
    MUST(stoq_u1_exact_polyakov_square(exact, 1, &value));
    expect(&polyakov, value, "Polyakov loop squared");
    CHECK(accepted > 1200 && accepted < 10800);
    stoq_u1_exact_free(exact);
    stoq_action_free(action);
    stoq_chain_free(hmc);
    stoq_chain_free(shift);
}

static void wrong_calls(void)
{
    stoq_layout_t scalar = square(), layout = by_direction();
    stoq_chain_options_t options = options_of(STOQ_KERNEL_CHARGE_SHIFT);
    stoq_action_t *action = NULL;
    stoq_chain_t *chain = NULL;
    stoq_u1_exact_t *exact = NULL;
    double links[LINKS] = {0.0}, value = 5.0;
    int32_t charge = 5;
    FAILS(STOQ_INVALID_ARGUMENT, "layout->extents", stoq_action_u1(&scalar, 1.0, &action));
    FAILS(STOQ_INVALID_ARGUMENT, "beta", stoq_action_u1(&layout, -1.0, &action));
    FAILS(STOQ_INVALID_ARGUMENT, "layout->extents", stoq_chain_new(NULL, NULL, &scalar, &options, &chain));
    FAILS(STOQ_INVALID_ARGUMENT, "layout->extents", stoq_u1_exact_new(&scalar, 1.0, &exact));
    FAILS(STOQ_INVALID_ARGUMENT, "beta", stoq_u1_exact_new(&layout, NAN, &exact));
    FAILS(STOQ_INVALID_ARGUMENT, "exact", stoq_u1_exact_charge_squared(NULL, &value));
    FAILS(STOQ_INVALID_ARGUMENT, "layout->extents", stoq_u1_charge(&scalar, links, &charge));
    FAILS(STOQ_INVALID_ARGUMENT, "layout", stoq_u1_charge(NULL, links, &charge));
    FAILS(STOQ_INVALID_ARGUMENT, "field", stoq_u1_charge(&layout, NULL, &charge));
    FAILS(STOQ_INVALID_ARGUMENT, "charge", stoq_u1_charge(&layout, links, NULL));
    FAILS(STOQ_INVALID_ARGUMENT, "height", stoq_u1_wilson_loop(&layout, links, 0, 1, &value));
    FAILS(STOQ_INVALID_ARGUMENT, "width", stoq_u1_wilson_loop(&layout, links, 1, EXTENT + 1, &value));
    FAILS(STOQ_INVALID_ARGUMENT, "axis", stoq_u1_polyakov_loop(&layout, links, 2, &value, &value));
    MUST(stoq_u1_exact_new(&layout, 1.0, &exact));
    FAILS(STOQ_INVALID_ARGUMENT, "width", stoq_u1_exact_wilson_loop(exact, 1, EXTENT + 1, &value));
    FAILS(STOQ_INVALID_ARGUMENT, "axis", stoq_u1_exact_polyakov_square(exact, 2, &value));
    links[7] = NAN;
    FAILS(STOQ_NOT_FINITE, "field", stoq_u1_wilson_loop(&layout, links, 1, 1, &value));
    CHECK(!action && !chain && value == 5.0 && charge == 5);
    stoq_u1_exact_free(exact);
}

int main(void)
{
    observables();
    exact_values();
    layouts_agree();
    chain_is_exact();
    wrong_calls();
    return finish("u1");
}
