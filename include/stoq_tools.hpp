/*
 * stoq for C++17: samples of a model, cumulants, complex Langevin. Part of stoq.hpp, which includes it.
 */

#ifndef STOQ_TOOLS_HPP
#define STOQ_TOOLS_HPP

#include <stoq_action.hpp>
#include <stoq_model.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace stoq {

/// See stoq_generator_options_t. Filled with the defaults.
using GeneratorOptions = detail::Options<stoq_generator_options_t, stoq_generator_options_init>;
/// See stoq_complex_langevin_options_t. Filled with the defaults.
using ComplexLangevinOptions = detail::Options<stoq_complex_langevin_options_t, stoq_complex_langevin_options_init>;

/// Draws independent samples of the law of a model. *Approximate*: that law is not exp(-S)/Z.
class Generator : public detail::Owned<stoq_generator_t, stoq_generator_free> {
public:
    /// Without action: options.tail_moves must be 0. The model is shared; options.times is copied.
    explicit Generator(const Model &model, const GeneratorOptions &options = {})
        : Generator(model, nullptr, options) {}

    /// With the action for options.tail_moves, shared too.
    Generator(const Model &model, Action &action, const GeneratorOptions &options)
        : Generator(model, action.get(), options) {}

    /// Samples first, first + 1, ... into room for `count` fields, each in C order without gaps; and, unless
    /// null, log w + S of each, from which the caller subtracts the action.
    void generate(std::uint64_t first, std::size_t count, double *fields, double *log_weights = nullptr) {
        detail::call([&] { return stoq_generator_generate(get(), first, count, fields, log_weights); });
    }

    /// The same into a fresh vector.
    std::vector<double> generate(std::uint64_t first, std::size_t count) {
        if (count > std::vector<double>().max_size() / values_)
            throw Error(STOQ_INVALID_ARGUMENT, "count = " + std::to_string(count) + " is too many: draw fewer at once");
        std::vector<double> fields(count * values_);
        generate(first, count, fields.data());
        return fields;
    }

private:
    Generator(const Model &model, stoq_action_t *action, const GeneratorOptions &options)
        : Owned(Made(), [&, handle = model.get()](stoq_generator_t **generator) {
              return stoq_generator_new(handle, action, &options, generator);
          }),
          values_(model.layout().values()) {}

    std::size_t values_;
};

/// kappa_1 to kappa_8, kappa_r at index r - 1.
struct CumulantEstimate {
    /// The cumulants.
    std::array<double, 8> values;
    /// Their standard errors.
    std::array<double, 8> errors;
    /// Correlations of neighbouring bins: clearly above 0, the errors are too small, see stoq.h.
    std::array<double, 8> bin_correlation;
};

/// Cumulants of a real variable, streaming.
class Cumulants : public detail::Owned<stoq_cumulants_t, stoq_cumulants_free> {
public:
    /// An accumulator without values; its number of bins stays between `bins` and the double of it.
    explicit Cumulants(std::size_t bins = 64)
        : Owned(Made(), [&](stoq_cumulants_t **cumulants) { return stoq_cumulants_new(bins, cumulants); }) {}

    /// Adds the values of one configuration.
    void push(const double *values, std::size_t count) {
        detail::call([&] { return stoq_cumulants_push(get(), count, values); });
    }

    /// The same for a vector or array.
    template <class Values, class = detail::IfField<const Values, const double>> void push(const Values &values) {
        push(values.data(), values.size());
    }

    /// Adds all that another accumulator holds, taken to be independent.
    void merge(const Cumulants &other) {
        detail::call([&] { return stoq_cumulants_merge(get(), other.get()); });
    }

    /// The cumulants of all values so far, with jackknife errors.
    CumulantEstimate estimate(stoq_symmetry_t symmetry = STOQ_SYMMETRY_NONE) const {
        CumulantEstimate found{};
        detail::call([&] {
            return stoq_cumulants_estimate(get(), symmetry, found.values.data(), found.errors.data(),
                                           found.bin_correlation.data());
        });
        return found;
    }
};

/// The complex Langevin process of S(z) = sigma0/2 z^2 + lambda/4 z^4, sigma0 = a + i b. *Not exact*.
class ComplexLangevin : public detail::Owned<stoq_complex_langevin_t, stoq_complex_langevin_free> {
public:
    /// `sites` independent copies of z.
    ComplexLangevin(double a, double b, double lambda, std::size_t sites, const ComplexLangevinOptions &options = {})
        : Owned(Made(), [&](stoq_complex_langevin_t **process) {
              return stoq_complex_langevin_new(a, b, lambda, sites, &options, process);
          }),
          sites_(sites) {}

    /// Follows the process for one interval: x of all sites, then y of all sites, z = x + i y.
    void next(double *z) {
        detail::call([&] { return stoq_complex_langevin_next(get(), z); });
    }

    /// The same into a vector, which gets the length 2 sites().
    void next(std::vector<double> &z) {
        z.resize(2 * sites_);
        next(z.data());
    }

    /// Number of copies.
    std::size_t sites() const noexcept { return sites_; }

private:
    std::size_t sites_;
};

}  // namespace stoq

#endif  // STOQ_TOOLS_HPP
