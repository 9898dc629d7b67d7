/*
 * stoq for C++17: score models. Part of stoq.hpp, which includes it.
 */

#ifndef STOQ_MODEL_HPP
#define STOQ_MODEL_HPP

#include <stoq_layout.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace stoq {

/// See stoq_schedule_t: which noise at which time. Filled with the defaults.
using Schedule = detail::Options<stoq_schedule_t, stoq_schedule_init>;
/// See stoq_model_open_options_t. Filled with the defaults.
using OpenOptions = detail::Options<stoq_model_open_options_t, stoq_model_open_options_init>;
/// See stoq_likelihood_options_t. Filled with the defaults.
using LikelihoodOptions = detail::Options<stoq_likelihood_options_t, stoq_likelihood_options_init>;

/// A score model. It never changes: all methods may be called by several threads at once.
class Model : public detail::Owned<stoq_model_t, stoq_model_free> {
public:
    /// Reads a model file.
    static Model load(const std::string &path) {
        return Model(Made(), [&](auto **model) { return stoq_model_load(path.c_str(), model); });
    }

    /// Reads a model file with options: a network exported by another program, a device. See stoq_model_open_with().
    static Model open(const std::string &path, const OpenOptions &options) {
        return Model(Made(), [&](auto **model) { return stoq_model_open_with(path.c_str(), &options, model); });
    }

    /// Reads a model from memory that holds what a file holds.
    static Model from_memory(const void *bytes, std::size_t length) {
        return Model(Made(), [&](auto **model) { return stoq_model_from_memory(bytes, length, model); });
    }

    /// The model of Gaussian data: `covariance` is <|phi_p|^2>, one value a site, see stoq_model_gaussian().
    static Model gaussian(const Layout &layout, const std::vector<double> &covariance, const Schedule &schedule = {}) {
        if (covariance.size() != layout.sites())
            throw Error(STOQ_SHAPE_MISMATCH, "covariance has " + std::to_string(covariance.size()) + " values for " +
                                                 std::to_string(layout.sites()) + " sites: give one a site");
        return Model(
            Made(), [&](auto **model) { return stoq_model_gaussian(&layout, &schedule, covariance.data(), model); });
    }

    /// The model of the free field: C(p) = 1 / (2 - 4 kappa sum_mu cos p_mu).
    static Model free_field(const Layout &layout, double kappa, const Schedule &schedule = {}) {
        return Model(Made(), [&](auto **model) { return stoq_model_free_field(&layout, &schedule, kappa, model); });
    }

    /// The exact model of Action::toy().
    static Model toy(const Layout &layout, double mu2, double g, const Schedule &schedule = {}) {
        return Model(Made(), [&](auto **model) { return stoq_model_toy(&layout, &schedule, mu2, g, model); });
    }

    /// The exact model of Action::two_peak().
    static Model two_peak(const Layout &layout, double mu0, double sigma0, const Schedule &schedule = {}) {
        return Model(Made(), [&](auto **model) { return stoq_model_two_peak(&layout, &schedule, mu0, sigma0, model); });
    }

    /// The exact model of Action::three_peak().
    static Model three_peak(const Layout &layout, double radius, double sigma0, const Schedule &schedule = {}) {
        return Model(
            Made(), [&](auto **model) { return stoq_model_three_peak(&layout, &schedule, radius, sigma0, model); });
    }

    /// The lattice of the model, in C order without gaps.
    Layout layout() const {
        std::uint32_t rank = 0, components = 0;
        std::array<std::size_t, 4> extents{};
        detail::call([&] { return stoq_model_rank(get(), &rank); });
        detail::call([&] { return stoq_model_extents(get(), extents.data()); });
        detail::call([&] { return stoq_model_components(get(), &components); });
        return Layout(std::vector<std::size_t>(extents.begin(), extents.begin() + rank), components);
    }

    /// What a trained model says about itself, such as "schedule.scheme"; "metadata" is everything, as JSON.
    std::string metadata(const std::string &key) const {
        std::size_t needed = 0;
        detail::call([&] { return stoq_model_metadata(get(), key.c_str(), nullptr, 0, &needed); });
        std::string text(needed, '\0');
        detail::call([&] { return stoq_model_metadata(get(), key.c_str(), &text[0], needed, nullptr); });
        text.resize(needed - 1);
        return text;
    }

    /// The same network on another lattice, and at other couplings that it was trained to see, such as
    /// {{"kappa", 0.28}}; see stoq_model_at(). Without extents on the lattice as it is.
    Model at(const std::vector<std::size_t> &extents,
             const std::vector<std::pair<std::string, double>> &couplings = {}) const {
        std::vector<const char *> names;
        std::vector<double> values;
        for (const auto &[name, value] : couplings) names.push_back(name.c_str()), values.push_back(value);
        const auto rank = static_cast<std::uint32_t>(extents.size());
        return Model(Made(), [&](auto **moved) {
            return stoq_model_at(get(), rank, extents.data(), names.size(), names.data(), values.data(), moved);
        });
    }

    /// Writes a trained model to a file, whole or not at all.
    void save(const std::string &path) const {
        detail::call([&] { return stoq_model_save(get(), path.c_str()); });
    }

    /// s(x, t) = grad_x log p_t(x) of `batch` fields one after the other, each in C order without gaps, at
    /// `batch` times in (0, 1]; `scores` may be `fields`.
    void score(std::size_t batch, const double *times, const double *fields, double *scores) const {
        detail::call([&] { return stoq_model_score(get(), batch, times, fields, scores); });
    }

    /// log q of `count` fields by the probability flow, approximate; see stoq_likelihood(). `error` may be null.
    void likelihood(std::size_t count, const double *fields, double *log_density, double *error = nullptr,
                    const LikelihoodOptions &options = {}) const {
        detail::call([&] { return stoq_likelihood(get(), &options, count, fields, log_density, error); });
    }

private:
    friend class Trainer;
    using Owned::Owned;
};

}  // namespace stoq

#endif  // STOQ_MODEL_HPP
