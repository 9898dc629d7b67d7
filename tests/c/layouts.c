/* Fields in the orders that lattice codes use: written there and read back, and a chain that does not notice.
 * argv[1]: a model on the 4 x 4 lattice. */
#include "polite.h"

enum { NT = 2, NZ = 3, NY = 2, NX = 4, VOLUME = NT * NZ * NY * NX, HALO = 1, DIRECTIONS = 4 };
enum { WZ = NZ + 2 * HALO, WY = NY + 2 * HALO, WX = NX + 2 * HALO, WIDE = (NT + 2 * HALO) * WZ * WY * WX };
static const size_t extents[4] = {NT, NZ, NY, NX};

/* The conventions, as their own programs index them; x[] is (t, z, y, x). */
static ptrdiff_t c_order(const size_t *x) { return (ptrdiff_t)(((x[0] * NZ + x[1]) * NY + x[2]) * NX + x[3]); }
static ptrdiff_t fortran_order(const size_t *x)
{
    return (ptrdiff_t)(x[0] + NT * (x[1] + NZ * (x[2] + NY * x[3])));
}
static ptrdiff_t even_odd(const size_t *x) /* node_index() of MILC, on one node */
{
    ptrdiff_t i = c_order(x);
    return (x[0] + x[1] + x[2] + x[3]) % 2 == 0 ? i / 2 : (i + VOLUME) / 2;
}
static ptrdiff_t qdp(const size_t *x) /* a checkerboard of two colours: half the extent of x, colour slowest */
{
    size_t colour = (x[0] + x[1] + x[2] + x[3]) % 2;
    return (ptrdiff_t)((((colour * NT + x[0]) * NZ + x[1]) * NY + x[2]) * (NX / 2) + x[3] / 2);
}
static ptrdiff_t inner(const size_t *x)
{
    return (ptrdiff_t)(((x[0] * WZ + x[1]) * WY + x[2]) * WX + x[3]);
}

struct convention {
    const char *name;
    ptrdiff_t (*site)(const size_t *x);
    ptrdiff_t site_stride, component_stride, strides[4];
    int by_table, by_parity;
};

static const struct convention conventions[] = {
    {"C, [mu][t][z][y][x]", c_order, 1, VOLUME, {0}, 0, 0},
    {"C, [t][z][y][x][mu]", c_order, 4, 1, {4 * NZ * NY * NX, 4 * NY * NX, 4 * NX, 4}, 0, 0},
    {"Fortran, phi(t, z, y, x, mu)", fortran_order, 1, VOLUME, {1, NT, NT * NZ, NT * NZ * NY}, 0, 0},
    {"QDP, u[mu] on a checkerboard", qdp, 1, VOLUME, {0}, 1, 1},
    {"MILC, even sites first, links of a site together", even_odd, 4, 1, {0}, 1, 1},
    {"halo of one site", inner, 1, WIDE, {WZ * WY * WX, WY * WX, WX, 1}, 0, 0},
    {"a table of its own, backwards", c_order, -1, -VOLUME, {0}, 1, 0},
};

/* Where a value is, by the convention: site s of C order. */
static ptrdiff_t place(const struct convention *c, size_t s, ptrdiff_t mu)
{
    const size_t x[4] = {s / (NZ * NY * NX), s / (NY * NX) % NZ, s / NX % NY, s % NX};
    return c->site(x) * c->site_stride + mu * c->component_stride;
}

static void there_and_back(const struct convention *c)
{
    enum { ROOM = 2 * DIRECTIONS * WIDE + 1, ORIGIN = ROOM / 2 };
    static double memory[ROOM], values[DIRECTIONS * VOLUME], back[DIRECTIONS * VOLUME];
    ptrdiff_t table[VOLUME], offset;
    stoq_layout_t layout;
    int wrong = 0, touched = ROOM;
    MUST(stoq_layout_init(&layout, 4, extents));
    layout.components = DIRECTIONS;
    layout.component_stride = c->component_stride;
    memcpy(layout.strides, c->strides, sizeof layout.strides);
    if (c->strides[0] == 0 && !c->by_table) layout.component_stride = 0; /* C order without gaps */
    if (c->by_parity) MUST(stoq_layout_even_odd(&layout, c->site_stride, table));
    for (size_t s = 0; s < VOLUME; s++) {
        if (c->by_parity) wrong += table[s] != place(c, s, 0);
        table[s] = place(c, s, 0);
    }
    if (c->by_table) MUST(stoq_layout_set_sites(&layout, table));

    for (int i = 0; i < ROOM; i++) memory[i] = -1.0;
    for (int i = 0; i < DIRECTIONS * VOLUME; i++) values[i] = 0.5 + i;
    MUST(stoq_field_scatter(&layout, values, memory + ORIGIN));
    for (size_t s = 0; s < VOLUME; s++)
        for (uint32_t mu = 0; mu < DIRECTIONS; mu++) {
            const size_t x[4] = {s / (NZ * NY * NX), s / (NY * NX) % NZ, s / NX % NY, s % NX};
            wrong += memory[ORIGIN + place(c, s, mu)] != values[mu * VOLUME + s];
            wrong += stoq_layout_offset(&layout, x, mu, &offset) != STOQ_OK || offset != place(c, s, mu);
        }
    for (int i = 0; i < ROOM; i++) touched -= memory[i] == -1.0;
    MUST(stoq_field_gather(&layout, memory + ORIGIN, back));
    CHECK(memcmp(back, values, sizeof back) == 0);
    CHECK(touched == DIRECTIONS * VOLUME);
    CHECK(wrong == 0);
    if (wrong) fprintf(stderr, "    %s: %d values elsewhere\n", c->name, wrong);
}

/* S = sum phi^2 wherever the sites are; and its change. */
static int32_t squares(void *user, const double *field, size_t values, double *action)
{
    const ptrdiff_t *table = user;
    *action = 0.0;
    for (size_t s = 0; s < values; s++) *action += field[table[s]] * field[table[s]];
    return 0;
}
static int32_t change_of_squares(void *user, const double *field, size_t values, ptrdiff_t offset, double value,
                                 double *change)
{
    (void)user, (void)values;
    *change = value * value - field[offset] * field[offset];
    return 0;
}

/* The same moves in C order and by a table, to the bit. The table is gone after the chain was made. */
static void chain_by_table(struct handles *h, int32_t kernel)
{
    enum { STEPS = 40, FAR = 7 };
    double field[SITES] = {0.0}, elsewhere[FAR + 2 * SITES];
    ptrdiff_t order[SITES], table[SITES], kept[SITES];
    stoq_layout_t layout = h->layout;
    stoq_chain_options_t options = options_of(kernel);
    stoq_action_t *action[2] = {NULL, NULL};
    stoq_chain_t *chain[2] = {NULL, NULL};
    int32_t outcome[2];
    int differences = 0, accepted = 0;
    for (int s = 0; s < SITES; s++) order[s] = s;
    MUST(stoq_layout_even_odd(&layout, 2, table));
    for (int s = 0; s < SITES; s++) table[s] += FAR;
    memcpy(kept, table, sizeof kept);
    for (int i = 0; i < FAR + 2 * SITES; i++) elsewhere[i] = -9.0;
    for (int s = 0; s < SITES; s++) elsewhere[kept[s]] = 0.0;

    MUST(stoq_action_callback(&layout, squares, order, NULL, &action[0]));
    MUST(stoq_chain_new(h->model, action[0], &layout, &options, &chain[0]));
    MUST(stoq_layout_set_sites(&layout, table));
    MUST(stoq_action_callback(&layout, squares, kept, NULL, &action[1]));
    MUST(stoq_action_set_local_change(action[1], change_of_squares));
    MUST(stoq_chain_new(h->model, action[1], &layout, &options, &chain[1]));
    memset(table, 0x7f, sizeof table);
    for (int i = 0; i < STEPS; i++) {
        MUST(stoq_chain_step(chain[0], field, &outcome[0]));
        MUST(stoq_chain_step(chain[1], elsewhere, &outcome[1]));
        differences += outcome[0] != outcome[1];
        for (int s = 0; s < SITES; s++) differences += memcmp(&field[s], &elsewhere[kept[s]], sizeof *field) != 0;
        accepted += outcome[0];
    }
    for (int i = 0; i < FAR + 2 * SITES; i++) accepted -= elsewhere[i] != -9.0;
    /* Metropolis decides by S(after) - S(before) here and by the change there, which round differently. */
    CHECK(kernel == STOQ_KERNEL_METROPOLIS || differences == 0);
    CHECK(accepted > -SITES && field[0] != 0.0);
    for (int i = 0; i < 2; i++) stoq_chain_free(chain[i]), stoq_action_free(action[i]);
}

static void wrong_calls(struct handles *h)
{
    ptrdiff_t table[SITES], offset = 5;
    const size_t outside[2] = {0, EXTENT}, inside[2] = {1, 1};
    stoq_layout_t layout = h->layout;
    for (int s = 0; s < SITES; s++) table[s] = s;
    INVALID("layout", stoq_layout_set_sites(NULL, table));
    layout.struct_size = 8;
    FAILS(STOQ_INVALID_ARGUMENT, "layout->struct_size", stoq_layout_set_sites(&layout, table));
    layout = h->layout;
    INVALID("layout", stoq_layout_even_odd(NULL, 1, table));
    INVALID("stride", stoq_layout_even_odd(&layout, 0, table));
    INVALID("stride", stoq_layout_even_odd(&layout, PTRDIFF_MAX, table));
    INVALID("site_offsets", stoq_layout_even_odd(&layout, 1, NULL));
    INVALID("coordinates", stoq_layout_offset(&layout, outside, 0, &offset));
    INVALID("coordinates", stoq_layout_offset(&layout, NULL, 0, &offset));
    INVALID("component", stoq_layout_offset(&layout, inside, 1, &offset));
    INVALID("offset", stoq_layout_offset(&layout, inside, 0, NULL));
    INVALID("field", stoq_field_gather(&layout, NULL, b.field));
    INVALID("values", stoq_field_gather(&layout, b.field, NULL));
    INVALID("field", stoq_field_scatter(&layout, b.field, NULL));
    INVALID("values", stoq_field_scatter(&layout, NULL, b.field));
    table[3] = table[9];
    MUST(stoq_layout_set_sites(&layout, table));
    INVALID("layout->site_offsets", stoq_field_gather(&layout, b.field, b.other));
    INVALID("layout->site_offsets", stoq_chain_new(h->model, NULL, &layout, NULL, &b.chain));
    table[3] = PTRDIFF_MIN;
    INVALID("layout->site_offsets", stoq_action_phi4(&layout, KAPPA, LAMBDA, &b.action));
    MUST(stoq_layout_set_sites(&layout, NULL)); /* strides again */
    MUST(stoq_layout_offset(&layout, inside, 0, &offset));
    CHECK(offset == EXTENT + 1);
}

/* A program that was compiled before the table joined the struct has no room for it. */
static void older_program(void)
{
    const size_t sides[2] = {EXTENT, EXTENT};
    stoq_layout_t *old = malloc(offsetof(stoq_layout_t, site_offsets));
    stoq_action_t *action = NULL;
    if (!old) exit(EXIT_FAILURE);
    MUST(stoq_layout_init(old, 2, sides));
    CHECK(old->struct_size == offsetof(stoq_layout_t, site_offsets));
    MUST(stoq_action_phi4(old, KAPPA, LAMBDA, &action));
    stoq_action_free(action);
    free(old);
}

int main(int count, char **words)
{
    struct handles h;
    if (count != 2 || !prepare(&h, words[1])) return EXIT_FAILURE;
    for (size_t i = 0; i < sizeof conventions / sizeof *conventions; i++) there_and_back(&conventions[i]);
    chain_by_table(&h, STOQ_KERNEL_PATH);
    chain_by_table(&h, STOQ_KERNEL_RENOISE);
    chain_by_table(&h, STOQ_KERNEL_METROPOLIS);
    wrong_calls(&h);
    older_program();
    release(&h);
    return finish("layouts");
}
