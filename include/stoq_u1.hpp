/*
 * stoq for C++17: two-dimensional U(1) gauge theory. Part of stoq.hpp, which includes it.
 *
 *     stoq::Layout layout({16, 16}, 2);                           links [mu][site]; other orders by strides
 *     stoq::Action action = stoq::Action::u1(layout, beta);
 *     stoq::u1::Exact exact(layout, beta);
 *     double z = (mean - exact.wilson_loop(1, 1)) / error;        mean of stoq::u1::wilson_loop(layout, links, 1, 1)
 */

#ifndef STOQ_U1_HPP
#define STOQ_U1_HPP

#include <stoq_layout.hpp>

#include <cstddef>
#include <cstdint>
#include <utility>

namespace stoq {
namespace u1 {

/// Mean cosine of the Wilson loop of `height` links along axis 0 and `width` along axis 1; 1 x 1 is the plaquette.
inline double wilson_loop(const Layout &layout, const double *links, std::size_t height, std::size_t width) {
    double value = 0.0;
    detail::call([&] { return stoq_u1_wilson_loop(&layout, links, height, width, &value); });
    return value;
}

/// The topological charge.
inline std::int32_t charge(const Layout &layout, const double *links) {
    std::int32_t value = 0;
    detail::call([&] { return stoq_u1_charge(&layout, links, &value); });
    return value;
}

/// Real and imaginary part of the mean Polyakov loop along `axis`.
inline std::pair<double, double> polyakov_loop(const Layout &layout, const double *links, std::uint32_t axis) {
    std::pair<double, double> value;
    detail::call([&] { return stoq_u1_polyakov_loop(&layout, links, axis, &value.first, &value.second); });
    return value;
}

/// Exact values on one lattice at one coupling. All methods may be called by several threads at once.
class Exact : public detail::Owned<stoq_u1_exact_t, stoq_u1_exact_free> {
public:
    Exact(const Layout &layout, double beta)
        : Owned(Made(), [&](stoq_u1_exact_t **exact) { return stoq_u1_exact_new(&layout, beta, exact); }) {}

    /// Mean of u1::wilson_loop().
    double wilson_loop(std::size_t height, std::size_t width) const {
        return read([&](double *value) { return stoq_u1_exact_wilson_loop(get(), height, width, value); });
    }

    /// Mean of the squared charge.
    double charge_squared() const {
        return read([&](double *value) { return stoq_u1_exact_charge_squared(get(), value); });
    }

    /// Probability of a charge.
    double charge_probability(std::int32_t charge) const {
        return read([&](double *value) { return stoq_u1_exact_charge_probability(get(), charge, value); });
    }

    /// Mean of the squared modulus of u1::polyakov_loop().
    double polyakov_square(std::uint32_t axis) const {
        return read([&](double *value) { return stoq_u1_exact_polyakov_square(get(), axis, value); });
    }

private:
    template <class Read> static double read(Read &&function) {
        double value = 0.0;
        detail::call([&] { return function(&value); });
        return value;
    }
};

}  // namespace u1
}  // namespace stoq

#endif  // STOQ_U1_HPP
