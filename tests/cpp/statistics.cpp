// Reports on streams of configurations, and statistics of series.
#include "check.hpp"

#include <random>
#include <stdexcept>
#include <string>

// 2000 configurations of white noise on 4 x 4, in one report and in two that are merged. Five z-values at 4 sigma in this file,
// seeds fixed.
static void reports() {
    constexpr std::size_t count = 2000, sites = 16;
    std::mt19937_64 engine(1);
    std::normal_distribution<double> normal;
    std::vector<double> fields(count * sites), own(count);
    for (double &value : fields) value = normal(engine);
    for (std::size_t i = 0; i < count; i++) own[i] = fields[i * sites];
    const stoq::Layout layout({4, 4});
    stoq::ReportOptions options;
    options.symmetry = STOQ_SYMMETRY_EVEN, options.threads = 2;
    stoq::Report whole(layout, options, "first"), part(layout, options, "first"), other(layout, options, "first");
    whole.push_many(count / 2, fields.data(), own.data());
    whole.end_chain();
    whole.push_many(count / 2, &fields[count / 2 * sites], &own[count / 2]);
    for (std::size_t i = 0; i < count; i++) (i < count / 2 ? part : other).push(&fields[i * sites], &own[i]);
    stoq::Report containers(layout, options, "first");
    for (std::size_t i = 0; i < count; i++) {
        const std::vector<double> field(&fields[i * sites], &fields[i * sites] + sites);
        containers.push(field, {own[i]});
        if (i == count / 2 - 1) containers.end_chain();
    }
    part.merge(other);
    whole.set_exact("chi2", 1.0);
    const stoq::Estimate chi2 = whole.observable("chi2"), merged = part.observable("chi2"), first = whole.observable("first");
    CHECK(std::fabs(chi2.z) < 4.0 && std::isnan(first.z) && std::fabs(first.value) < 4.0 * first.error);
    CHECK(std::fabs(chi2.error - merged.error) < 1e-10 && std::fabs(chi2.tau_int - 0.5) < 0.1);
    CHECK(whole.json().find("\"chains\":2") != std::string::npos && whole.text().find("2000 configurations") == 0);
    THROWS(STOQ_INVALID_ARGUMENT, "name", whole.observable("nothing"));
    CHECK(containers.observable("chi2").value == whole.observable("chi2").value);
    const std::vector<double> field(sites), shorter(sites - 1);
    THROWS(STOQ_SHAPE_MISMATCH, "field has 15", containers.push(shorter, {0.0}));
    THROWS(STOQ_SHAPE_MISMATCH, "own has 0 numbers for 1", containers.push(field));
    THROWS(STOQ_SHAPE_MISMATCH, "own has 2 numbers for 1", containers.push(field, {0.0, 0.0}));
    THROWS(STOQ_INVALID_ARGUMENT, "own", whole.push(fields.data()));
    THROWS(STOQ_INVALID_ARGUMENT, "names", stoq::Report(layout, options, "chi2"));
    stoq::Report moved = std::move(whole);
    CHECK(moved.observable("chi2").value == chi2.value);
    THROWS(STOQ_INVALID_ARGUMENT, "moved", whole.text());
}

static void series() {
    constexpr std::size_t count = 6000;
    std::mt19937_64 engine(2);
    std::normal_distribution<double> normal;
    const double a = 2.0 / 3.0;
    stoq::Chains x(2), square(2), wider(1);
    for (std::size_t chain = 0; chain < 2; chain++) {
        double last = normal(engine);
        for (std::size_t i = 0; i < count / 2; i++) {
            last = a * last + std::sqrt(1.0 - a * a) * normal(engine);
            x[chain].push_back(last), square[chain].push_back(last * last), wider[0].push_back(1.3 * last);
        }
    }
    const stoq::Estimate mean = stoq::estimate(x);
    CHECK(std::fabs(mean.value) < 4.0 * mean.error && std::fabs(mean.tau_int - 2.5) < 4.0 * mean.tau_int_error);
    const auto variance = [](const std::vector<double> &m) { return m.at(1) - m.at(0) * m.at(0); };
    const double exact = std::sqrt(2.0 / count * (1.0 + a * a) / (1.0 - a * a));
    for (const auto method : {STOQ_STATISTICS_GAMMA, STOQ_STATISTICS_JACKKNIFE, STOQ_STATISTICS_BOOTSTRAP}) {
        stoq::StatisticsOptions options;
        options.method = method;
        const stoq::Estimate found = stoq::estimate({x, square}, variance, options);
        CHECK(std::fabs(found.value - 1.0) < 4.0 * exact && std::fabs(found.error / exact - 1.0) < 0.25);
    }
    bool caught = false;
    try {
        stoq::estimate({x, square}, [](const std::vector<double> &) -> double { throw std::logic_error("mine"); });
    } catch (const std::logic_error &error) {
        caught = error.what() == std::string("mine");
    }
    CHECK(caught);
    THROWS(STOQ_SHAPE_MISMATCH, "lengths", stoq::estimate({x, wider}, variance));
    const auto cells = stoq::histogram(x, {-1.0, 0.0, 1.0});
    CHECK(std::fabs(cells.probabilities[1] - 0.3413) < 4.0 * cells.errors[1] && cells.effective_values < count);
    CHECK(stoq::two_sample({x[0]}, {x[1]}).p_value > 3e-4 && stoq::two_sample(x, wider).p_value < 1e-2);
    CHECK(stoq::two_sample(x, wider, {-2.0, -1.0, 0.0, 1.0, 2.0}).p_value < 1e-2);
    THROWS(STOQ_INVALID_ARGUMENT, "edges", stoq::histogram(x, {1.0}));
}

int main(int, char **) {
    reports();
    series();
    std::printf("statistics: %d checks, %d failures\n", checks, failures);
    return failures || checks < 15 ? EXIT_FAILURE : EXIT_SUCCESS;
}
