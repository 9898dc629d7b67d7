/*
 * stoq for C++17: reports on streams of configurations, and statistics of series. Part of stoq.hpp, which includes it.
 */

#ifndef STOQ_STATISTICS_HPP
#define STOQ_STATISTICS_HPP

#include <stoq_base.hpp>
#include <stoq_layout.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace stoq {

/// See stoq_estimate_t. What does not apply is NaN.
using Estimate = detail::Options<stoq_estimate_t, stoq_estimate_init>;
/// See stoq_report_options_t. Filled with the defaults.
using ReportOptions = detail::Options<stoq_report_options_t, stoq_report_options_init>;
/// See stoq_statistics_options_t. Filled with the defaults.
using StatisticsOptions = detail::Options<stoq_statistics_options_t, stoq_statistics_options_init>;

/// A report on a stream of configurations: every observable with error, tau_int and window, without keeping
/// configurations.
class Report : public detail::Owned<stoq_report_t, stoq_report_free> {
public:
    /// `names` of observables that the caller measures, with commas between them.
    explicit Report(const Layout &layout, const ReportOptions &options = {}, const std::string &names = "")
        : Owned(Made(), [&](stoq_report_t **report) {
              return stoq_report_new(&layout, &options, names.c_str(), report);
          }),
          layout_(layout), names_(names.empty() ? 0 : 1 + std::size_t(std::count(names.begin(), names.end(), ','))) {}

    /// Adds the next configuration of the chain, in the layout of the report, with the caller's observables; `field` is
    /// the address of the first value.
    void push(const double *field, const double *own = nullptr) {
        detail::call([&] { return stoq_report_push(get(), field, own); });
    }

    /// The same for a vector or array that begins with the first value; both lengths are checked.
    template <class Field, class = detail::IfField<const Field, const double>>
    void push(const Field &field, const std::vector<double> &own = {}) {
        layout_.check_size(field.size());
        if (own.size() != names_)
            throw Error(STOQ_SHAPE_MISMATCH, "own has " + std::to_string(own.size()) + " numbers for " +
                                                 std::to_string(names_) + " names: give one a name");
        push(field.data(), own.data());
    }

    /// Adds `count` configurations of the chain, each in C order without gaps.
    void push_many(std::size_t count, const double *fields, const double *own = nullptr) {
        detail::call([&] { return stoq_report_push_many(get(), count, fields, own); });
    }

    /// The next configuration belongs to another chain.
    void end_chain() {
        detail::call([&] { return stoq_report_end_chain(get()); });
    }

    /// Adds all that another report holds, of other chains.
    void merge(const Report &other) {
        detail::call([&] { return stoq_report_merge(get(), other.get()); });
    }

    /// Says what an observable should be: its estimate then has z.
    void set_exact(const std::string &name, double exact) {
        detail::call([&] { return stoq_report_set_exact(get(), name.c_str(), exact); });
    }

    /// One observable over all configurations so far.
    Estimate observable(const std::string &name) const {
        Estimate found;
        detail::call([&] { return stoq_report_observable(get(), name.c_str(), &found); });
        return found;
    }

    /// Everything as JSON.
    std::string json() const { return text_of(stoq_report_json); }

    /// A table to read.
    std::string text() const { return text_of(stoq_report_text); }

private:
    template <class Function> std::string text_of(Function function) const {
        std::size_t needed = 0;
        detail::call([&] { return function(get(), nullptr, 0, &needed); });
        std::string text(needed, '\0');
        detail::call([&] { return function(get(), &text[0], needed, nullptr); });
        text.pop_back();
        return text;
    }

    Layout layout_;
    /// Number of the caller's observables.
    std::size_t names_;
};

/// Series of one observable along chains: `series[chain]` holds its values.
using Chains = std::vector<std::vector<double>>;

namespace detail {

/// One chain after the other.
struct Joined {
    explicit Joined(const Chains &chains) {
        for (const auto &chain : chains) {
            lengths.push_back(chain.size());
            values.insert(values.end(), chain.begin(), chain.end());
        }
    }

    std::vector<std::size_t> lengths;
    std::vector<double> values;
};

using OfMeans = std::function<double(const std::vector<double> &)>;

inline std::int32_t of_means(void *user, const double *means, std::size_t count, double *value) noexcept {
    return guard([&] { *value = (*static_cast<const OfMeans *>(user))(std::vector<double>(means, means + count)); });
}

}  // namespace detail

/// The mean of an observable over chains, by the Gamma method or as options.method says.
inline Estimate estimate(const Chains &series, const StatisticsOptions &options = {}) {
    const detail::Joined joined(series);
    Estimate found;
    detail::call([&] {
        return stoq_statistics_estimate(&options, joined.lengths.size(), joined.lengths.data(), 1, joined.values.data(),
                                        nullptr, nullptr, &found);
    });
    return found;
}

/// A function of the means of several observables: `observables[a][chain]` holds the values of observable a, all of the
/// same lengths. What `function` throws leaves this call as it is.
inline Estimate estimate(const std::vector<Chains> &observables,
                         const std::function<double(const std::vector<double> &)> &function,
                         const StatisticsOptions &options = {}) {
    std::vector<double> values;
    std::vector<std::size_t> lengths;
    for (const auto &chains : observables) {
        const detail::Joined joined(chains);
        if (!lengths.empty() && joined.lengths != lengths)
            throw Error(STOQ_SHAPE_MISMATCH, "series of the observables have different lengths");
        lengths = joined.lengths;
        values.insert(values.end(), joined.values.begin(), joined.values.end());
    }
    Estimate found;
    detail::call([&] {
        return stoq_statistics_estimate(&options, lengths.size(), lengths.data(), observables.size(), values.data(),
                                        detail::of_means, const_cast<detail::OfMeans *>(&function), &found);
    });
    return found;
}

/// A histogram whose errors know the autocorrelation.
struct Histogram {
    /// Share of the values in each cell.
    std::vector<double> probabilities;
    /// Standard errors.
    std::vector<double> errors;
    /// Independent values that would know the cells as well.
    double effective_values = 0.0;
};

/// The histogram of an observable over chains; one cell less than edges, which ascend.
inline Histogram histogram(const Chains &series, const std::vector<double> &edges) {
    const detail::Joined joined(series);
    if (edges.size() < 2) throw Error(STOQ_INVALID_ARGUMENT, "edges of a histogram: expected at least two");
    const std::size_t cells = edges.size() - 1;
    Histogram found;
    found.probabilities.resize(cells);
    found.errors.resize(cells);
    detail::call([&] {
        return stoq_statistics_histogram(joined.lengths.size(), joined.lengths.data(), joined.values.data(), cells,
                                         edges.data(), found.probabilities.data(), found.errors.data(),
                                         &found.effective_values);
    });
    return found;
}

/// The verdict of a two-sample test.
struct TwoSample {
    /// The largest distance of the distribution functions, or chi^2.
    double statistic;
    /// Probability of a statistic as large or larger if the laws are the same.
    double p_value;
};

/// Whether two samples have the same law: Kolmogorov and Smirnov without edges, chi^2 of two histograms with.
inline TwoSample two_sample(const Chains &first, const Chains &second, const std::vector<double> &edges = {}) {
    const detail::Joined a(first), b(second);
    const auto test = edges.empty() ? STOQ_TWO_SAMPLE_KOLMOGOROV : STOQ_TWO_SAMPLE_CHI_SQUARED;
    TwoSample found{};
    detail::call([&] {
        return stoq_statistics_two_sample(test, a.lengths.size(), a.lengths.data(), a.values.data(), b.lengths.size(),
                                          b.lengths.data(), b.values.data(), edges.empty() ? 0 : edges.size() - 1,
                                          edges.data(), &found.statistic, &found.p_value);
    });
    return found;
}

}  // namespace stoq

#endif  // STOQ_STATISTICS_HPP
