// The C++ classes. argv[1]: a trained model file. Statistical checks are at 4 sigma, 7 of them with fixed
// seeds: a false alarm in one of 2300 seeds.
#include "check.hpp"
#include <cstring>
#include <memory>
#include <string>
#include <type_traits>

// A double free is no program: handles cannot be copied, and moving one cannot fail half way.
template <class Handle> constexpr bool moves_only() {
    return !std::is_copy_constructible<Handle>::value && !std::is_copy_assignable<Handle>::value &&
           !std::is_constructible<Handle, Handle &>::value && std::is_nothrow_move_constructible<Handle>::value &&
           std::is_nothrow_move_assignable<Handle>::value;
}
static_assert(moves_only<stoq::Action>() && moves_only<stoq::Model>() && moves_only<stoq::Generator>(), "");
static_assert(moves_only<stoq::Cumulants>() && moves_only<stoq::ComplexLangevin>() && moves_only<stoq::Chain>(), "");

static stoq::ChainOptions options_of(stoq_kernel_t kernel, std::uint32_t chain = 0) {
    stoq::ChainOptions options;
    options.kernel = kernel, options.chain = chain, options.levels = 6, options.seed = 5;
    return options;
}

static bool same(const std::vector<double> &a, const std::vector<double> &b) {
    return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(double)) == 0;
}

// HMC, local Metropolis and the path kernel in turn have the exact moments, by the host's own action; and
// no move allocates in C++.
static void moments_are_exact() {
    for (const auto &layout : {stoq::Layout({extent, extent}), stoq::Layout::fortran({extent, extent})}) {
        const auto model = stoq::Model::free_field(layout, 0.2);
        auto action = stoq::Action::host(layout, phi4_callbacks());
        auto options = options_of(STOQ_KERNEL_HMC);
        options.warm_up = 1;
        stoq::Chain hmc(action, layout, options), path(model, action, layout, options_of(STOQ_KERNEL_PATH, 1));
        stoq::Chain local(action, layout, options_of(STOQ_KERNEL_METROPOLIS, 2));
        std::vector<double> phi(layout.values());
        for (int update = 0; update < 100; update++) hmc.step(phi);
        CHECK(!hmc.is_frozen() && path.is_frozen());
        hmc.freeze();
        CHECK(hmc.is_frozen() && hmc.move_size() > 0.0 && hmc.move_size() != 0.1);
        Average square(50), magnetisation(50);
        std::uint64_t accepted = 0;
        for (int update = 0; update < 5000; update++) {
            const long before = allocations;
            hmc.step(phi);
            local.step(phi);
            accepted += path.step(phi);
            if (update > 0 && allocations != before) CHECK(!"a move allocates");
            double sum = 0.0, squares = 0.0;
            for (double value : phi) sum += value, squares += value * value;
            square.add(squares / sites), magnetisation.add(sum * sum / (sites * sites));
        }
        square.expect(0.6458101351236, "<phi^2>");  // tests/data/phi4_2d.json
        magnetisation.expect(0.1595808792212, "<M^2>");
        const stoq::Statistics counters = path.statistics();
        CHECK(counters.steps == 5000 && counters.accepted == accepted && accepted > 1000 && accepted < 5000);
    }
}

// What an action of the host says is what the built-in one says.
static void callbacks_agree_with_the_built_in_action() {
    const stoq::Layout layout({extent, extent});
    auto host = stoq::Action::host(layout, phi4_callbacks()), built_in = stoq::Action::phi4(layout, kappa, lambda);
    std::vector<double> phi(sites), force(sites), other(sites);
    for (std::size_t site = 0; site < sites; site++) phi[site] = std::sin(1.0 + 3.0 * static_cast<double>(site));
    CHECK(std::fabs(host.evaluate(phi.data()) - built_in.evaluate(phi.data())) < 1e-12);
    host.force(phi.data(), force.data());
    built_in.force(phi.data(), other.data());
    for (std::size_t site = 0; site < sites; site++) CHECK(std::fabs(force[site] - other[site]) < 1e-12);
}

struct Own {
    int number;
};

enum class Where { nowhere, action, force, local_change };

// The exception leaves the call as the same object; field and chain are as if the call had not been.
static void exceptions_pass_through(stoq_kernel_t kernel, Where where) {
    const stoq::Layout layout({extent, extent});
    const auto model = stoq::Model::free_field(layout, kappa);
    Where at = Where::nowhere;
    const Own *thrown = nullptr;
    const auto maybe = [&](Where here) {
        if (at != here) return;
        try {
            throw Own{7};
        } catch (const Own &own) {
            thrown = &own;
            throw;
        }
    };
    stoq::Callbacks callbacks = phi4_callbacks(), plain = phi4_callbacks();
    callbacks.action = [=, &maybe](const double *field, std::size_t values) {
        maybe(Where::action);
        return plain.action(field, values);
    };
    callbacks.force = [=, &maybe](const double *field, std::size_t values, double *force) {
        maybe(Where::force);
        plain.force(field, values, force);
    };
    callbacks.local_change = [=, &maybe](const double *field, std::size_t values, std::ptrdiff_t offset, double value) {
        maybe(Where::local_change);
        return plain.local_change(field, values, offset, value);
    };
    auto action = stoq::Action::host(layout, callbacks), other = stoq::Action::host(layout, plain);
    stoq::Chain chain(model, action, layout, options_of(kernel)), twin(model, other, layout, options_of(kernel));
    std::vector<double> phi(sites, 0.1), reference(sites, 0.1);
    for (int update = 0; update < 12; update++) {
        if (update % 4 == 2) {
            const auto before = phi;
            bool caught = false;
            at = where;
            try {
                chain.step(phi);
            } catch (const Own &own) {
                caught = own.number == 7 && &own == thrown;
            }
            CHECK(caught && same(phi, before));
            CHECK(std::strstr(stoq_last_error(), "callback") != nullptr);
            at = Where::nowhere;
        }
        CHECK(chain.step(phi) == twin.step(reference) && same(phi, reference));
    }
}

// Each call throws what its own callback threw, also where one call runs inside the callback of another.
static void nested_calls_keep_their_exceptions() {
    const stoq::Layout layout({1});
    auto inner = stoq::Action::host(layout, {[](const double *, std::size_t) -> double { throw 3; }});
    int seen = 0;
    auto outer = stoq::Action::host(layout, {[&](const double *field, std::size_t) {
                                        try {
                                            inner.evaluate(field);
                                        } catch (int number) {
                                            seen = number;
                                        }
                                        if (field[0] > 1.0) throw std::string("outer");
                                        return 0.5;
                                    }});
    double one = 1.0, two = 2.0;
    std::string text;
    CHECK(outer.evaluate(&one) == 0.5 && seen == 3);
    try {
        outer.evaluate(&two);
    } catch (const std::string &found) {
        text = found;
    }
    CHECK(text == "outer");
    // A C callback that stops has nothing to throw but a stoq::Error, whatever was thrown before.
    stoq_action_t *plain = nullptr;
    const auto stop = [](void *, const double *, std::size_t, double *) -> std::int32_t { return -9; };
    CHECK(stoq_action_callback(&layout, stop, nullptr, nullptr, &plain) == STOQ_OK);
    THROWS(STOQ_CALLBACK_STOPPED, "-9", stoq::detail::call([&] { return stoq_action_evaluate(plain, &one, &two); }));
    stoq_action_free(plain);
}

static void rejections_are_no_errors() {
    const stoq::Layout layout({1});
    bool reject = false;
    auto action = stoq::Action::host(layout, {[&](const double *field, std::size_t) {
                                         if (reject && field[0] != 0.5) throw stoq::Reject();
                                         return field[0] * field[0];
                                     }});
    stoq::Chain chain(stoq::Model::toy(layout, 2.0, 0.0), action, layout, options_of(STOQ_KERNEL_PATH));
    std::array<double, 1> phi = {0.5};
    int accepted = 0;
    reject = true;
    const double elsewhere = 0.6;
    CHECK(action.evaluate(&elsewhere) == INFINITY && action.evaluate(phi.data()) == 0.25);
    for (int update = 0; update < 20; update++) accepted += chain.step(phi);
    CHECK(accepted == 0 && phi[0] == 0.5 && chain.statistics().non_finite == 20);
    reject = false;
    for (int update = 0; update < 20; update++) accepted += chain.step(phi);
    CHECK(accepted > 10 && chain.statistics().non_finite == 20);
}

// Callbacks live exactly as long as somebody needs them; objects that were moved from refuse to work.
static void ownership() {
    const stoq::Layout layout({extent, extent});
    const auto token = std::make_shared<int>(1);
    std::vector<double> phi(sites);
    {
        std::vector<stoq::Chain> chains;
        {
            auto callbacks = phi4_callbacks();
            callbacks.action = [token, action = callbacks.action](const double *field, std::size_t values) {
                return action(field, values);
            };
            auto action = stoq::Action::host(layout, std::move(callbacks));
            chains.emplace_back(action, layout, options_of(STOQ_KERNEL_HMC));
            CHECK(token.use_count() == 2);
        }
        CHECK(token.use_count() == 2);
        stoq::Chain moved = std::move(chains[0]);
        THROWS(STOQ_INVALID_ARGUMENT, "moved from", chains[0].step(phi));
        moved.step(phi);
        chains[0] = std::move(moved);
        chains[0].step(phi);
        CHECK(chains[0].statistics().steps == 2);
    }
    CHECK(token.use_count() == 1);
    // What was never taken over is freed too.
    stoq::Layout broken({extent});
    broken.extents[0] = 0;
    const auto nothing = [token](const double *, std::size_t) { return 0.0; };
    THROWS(STOQ_INVALID_ARGUMENT, "extent", stoq::Action::host(broken, {nothing}));
    CHECK(token.use_count() == 2);  // `nothing` has one
}

static void errors_have_status_and_text(const char *path) {
    const stoq::Layout layout({extent, extent});
    auto action = stoq::Action::phi4(layout, kappa, lambda);
    auto options = options_of(STOQ_KERNEL_HMC);
    stoq::Chain chain(action, layout, options);
    std::vector<double> small(sites - 1), phi(sites);
    THROWS(STOQ_SHAPE_MISMATCH, "15 doubles", chain.step(small));
    phi[3] = NAN;
    THROWS(STOQ_NOT_FINITE, "field", chain.step(phi));
    THROWS(STOQ_IO, "nowhere", stoq::Model::load("nowhere.onnx"));
    THROWS(STOQ_INVALID_ARGUMENT, "rank", stoq::Layout(std::vector<std::size_t>()));
    THROWS(STOQ_INVALID_ARGUMENT, "empty", stoq::Action::host(layout, {}));
    THROWS(STOQ_SHAPE_MISMATCH, "15 values", stoq::Model::gaussian(layout, small));
    options.jitter = 2.0;
    THROWS(STOQ_INVALID_ARGUMENT, "jitter", stoq::Chain(action, layout, options));
    stoq::Layout backwards({extent, extent}, 2);
    backwards.strides[0] = -8, backwards.strides[1] = 2, backwards.component_stride = 1;
    CHECK(backwards.reach() == std::make_pair(std::ptrdiff_t(-24), std::ptrdiff_t(7)));
    THROWS(STOQ_SHAPE_MISMATCH, "negative", backwards.check_size(100));
    CHECK(stoq::Layout({3, 5}, 2).reach().second == 29 && stoq::Layout::fortran({3, 5}, 2).reach().second == 29);

    const auto trained = stoq::Model::load(path);
    const stoq::Layout lattice = trained.layout();
    CHECK(lattice.rank == 2 && lattice.values() == 256 && trained.metadata("action.name") == "phi4");
    THROWS(STOQ_INVALID_ARGUMENT, "nothing", trained.metadata("nothing"));
    const stoq::Model model = stoq::Model::free_field(layout, kappa);
    THROWS(STOQ_INVALID_ARGUMENT, "", model.metadata("action.name"));
}

// Saved, loaded into a new chain, continued: the same bits. In halves: the same bits as in one step.
static void chains_continue() {
    const stoq::Layout layout({extent, extent});
    const auto model = stoq::Model::free_field(layout, 0.15);
    auto action = stoq::Action::phi4(layout, kappa, lambda);
    stoq::Chain chain(model, action, layout, options_of(STOQ_KERNEL_RENOISE));
    stoq::Chain halves(model, layout, options_of(STOQ_KERNEL_RENOISE));
    std::vector<double> phi(sites, 0.3), other = phi, proposal(sites);
    int accepted = 0;
    for (int update = 0; update < 40; update++) {
        const bool whole = chain.step(phi);
        CHECK(std::isfinite(halves.propose(other, proposal)));
        const double change = action.evaluate(proposal.data()) - action.evaluate(other.data());
        CHECK(halves.resolve(change, other) == whole && same(phi, other));
        accepted += whole;
        if (update == 20) {
            stoq::Chain again(model, action, layout, options_of(STOQ_KERNEL_RENOISE));
            again.load(chain.save());
            chain = std::move(again);
        }
    }
    CHECK(accepted > 5 && accepted < 40);
    THROWS(STOQ_WRONG_ORDER, "", halves.resolve(0.0, other));
    auto damaged = chain.save();
    damaged[damaged.size() / 2] ^= 1;
    THROWS(STOQ_CHAIN_STATE, "", chain.load(damaged));
}

// Samples of a free field, whose law is Gaussian: kappa_2 = 0.65873 at kappa = 0.2, kappa_4 = 0.
static void approximate_tools() {
    constexpr std::size_t samples = 600;
    const stoq::Layout layout({extent, extent});
    const auto model = stoq::Model::free_field(layout, 0.2);
    stoq::Generator generator(model);
    std::vector<double> fields = generator.generate(0, samples), last = generator.generate(samples - 1, 1);
    CHECK(std::memcmp(&fields[(samples - 1) * sites], last.data(), sites * sizeof(double)) == 0);
    stoq::Cumulants cumulants, second;
    for (std::size_t sample = 0; sample < samples; sample++)
        (sample % 2 ? cumulants : second).push(&fields[sample * sites], sites);
    cumulants.merge(second);
    const auto found = cumulants.estimate(STOQ_SYMMETRY_EVEN);
    CHECK(std::fabs(found.values[1] - 0.6587301587283) < 4.0 * found.errors[1] && found.errors[1] < 0.03);
    CHECK(std::fabs(found.values[3]) < 4.0 * found.errors[3] && found.values[0] == 0.0);
    std::vector<double> density(2), error(2);
    auto action = stoq::Action::phi4(layout, 0.2, 0.0);
    model.likelihood(2, fields.data(), density.data(), error.data());
    const double one = density[0] + action.evaluate(&fields[0]), two = density[1] + action.evaluate(&fields[sites]);
    CHECK(std::fabs(one - two) < 1e-5);

    stoq::ComplexLangevinOptions options;
    options.seed = 3, options.step = 0.02;
    stoq::ComplexLangevin process(1.0, 1.0, 0.0, 64, options);
    Average real(8);
    std::vector<double> z;
    for (int i = 0; i < 400; i++) {
        process.next(z);
        double mean = 0.0;
        for (std::size_t site = 0; site < 64; site++) mean += (z[site] * z[site] - z[64 + site] * z[64 + site]) / 64;
        if (i >= 16) real.add(mean);
    }
    real.expect(0.5, "Re <z^2>");  // 1 / sigma0 = (1 - i) / 2
}

// Link angles in two layouts: one action, the same observables, charge shifts beside the exact values.
static void gauge_theory() {
    const stoq::Layout by_direction({4, 5}, 2);
    stoq::Layout by_site = by_direction;
    by_site.strides[0] = 10, by_site.strides[1] = 2, by_site.component_stride = 1;
    std::vector<double> links(by_direction.values()), pairs(links.size());
    for (std::size_t mu = 0; mu < 2; mu++)
        for (std::size_t site = 0; site < 20; site++)
            links[20 * mu + site] = pairs[2 * site + mu] = 9.0 * std::sin(1.0 + 3.0 * double(site) + 7.0 * double(mu));
    stoq::Action action = stoq::Action::u1(by_direction, 1.5), other = stoq::Action::u1(by_site, 1.5);
    const double plaquette = stoq::u1::wilson_loop(by_direction, links.data(), 1, 1);
    CHECK(std::abs(action.evaluate(links.data()) + 1.5 * 20 * plaquette) < 1e-12);
    CHECK(action.evaluate(links.data()) == other.evaluate(pairs.data()));
    CHECK(stoq::u1::wilson_loop(by_site, pairs.data(), 1, 1) == plaquette);
    CHECK(stoq::u1::charge(by_direction, links.data()) == stoq::u1::charge(by_site, pairs.data()));
    CHECK(stoq::u1::polyakov_loop(by_direction, links.data(), 1) == stoq::u1::polyakov_loop(by_site, pairs.data(), 1));
    stoq::Chain shift(action, by_site, options_of(STOQ_KERNEL_CHARGE_SHIFT));
    int accepted = 0;
    for (int i = 0; i < 100; i++) accepted += shift.step(pairs);
    CHECK(accepted > 0 && accepted < 100);
    const stoq::u1::Exact exact(by_direction, 1.5);
    double squares = 0.0, loops = 1.0;
    for (std::int32_t q = -10; q <= 10; q++) squares += q * q * exact.charge_probability(q);
    for (std::size_t width = 1; width < 5; width++) loops += exact.wilson_loop(4, width);
    CHECK(std::abs(squares - exact.charge_squared()) < 1e-12);
    CHECK(std::abs(loops / 5.0 - exact.polyakov_square(0)) < 1e-12);
    THROWS(STOQ_INVALID_ARGUMENT, "beta", stoq::u1::Exact(by_direction, -1.0));
}

// A field by a table of its sites: the same chain, also when the layout that made it is gone.
static void tables_of_sites() {
    const stoq::Layout plain({extent, extent});
    const auto model = stoq::Model::free_field(plain, kappa);
    auto action = stoq::Action::phi4(plain, kappa, lambda);
    std::vector<double> phi(sites, 0.25), other(sites), back(sites);
    for (std::size_t site = 0; site < sites; site++) phi[site] += 0.125 * static_cast<double>(site % 5);
    auto table = std::make_unique<stoq::Layout>(stoq::Layout::even_odd({extent, extent}));
    const stoq::Layout copy = *table;
    stoq::Chain chain(model, action, plain, options_of(STOQ_KERNEL_PATH));
    stoq::Chain by_table(model, action, *table, options_of(STOQ_KERNEL_PATH));
    table.reset();
    CHECK(copy.offset({0, 2}) == 1 && copy.offset({0, 1}) == 8 && copy.offset({1, 0}) == 10);
    copy.scatter(phi.data(), other.data());
    for (int update = 0; update < 20; update++) CHECK(chain.step(phi) == by_table.step(other));
    copy.gather(other.data(), back.data());
    CHECK(same(phi, back) && !same(phi, other));
    const auto pairs = stoq::Layout::even_odd({2, 2}, 3, true);
    CHECK(pairs.offset({0, 1}, 2) == 8 && pairs.reach() == std::make_pair(std::ptrdiff_t(0), std::ptrdiff_t(11)));
    other.resize(sites - 1);
    THROWS(STOQ_SHAPE_MISMATCH, "15 doubles", by_table.step(other));
    THROWS(STOQ_SHAPE_MISMATCH, "offsets", stoq::Layout::by_sites({2, 2}, {0, 1, 2}));
    THROWS(STOQ_SHAPE_MISMATCH, "coordinates", copy.offset({1}));
    THROWS(STOQ_INVALID_ARGUMENT, "site_offsets", stoq::Action::phi4(stoq::Layout::by_sites({2}, {0, 0}), 0.1, 0.1));
}

int main(int, char **arguments) {
    moments_are_exact();
    tables_of_sites();
    callbacks_agree_with_the_built_in_action();
    exceptions_pass_through(STOQ_KERNEL_PATH, Where::action);
    exceptions_pass_through(STOQ_KERNEL_HMC, Where::action);
    exceptions_pass_through(STOQ_KERNEL_HMC, Where::force);
    exceptions_pass_through(STOQ_KERNEL_METROPOLIS, Where::local_change);
    nested_calls_keep_their_exceptions();
    rejections_are_no_errors();
    ownership();
    errors_have_status_and_text(arguments[1]);
    chains_continue();
    approximate_tools();
    gauge_theory();
    std::printf("chain: %d checks, %d failures\n", checks, failures);
    return failures || checks < 100 ? EXIT_FAILURE : EXIT_SUCCESS;
}
