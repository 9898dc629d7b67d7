// The host's action, in a translation unit of its own: the header may be included by many.
#include "check.hpp"
#include <stoq.hpp>

namespace {

// Sum over the neighbours of a site of the square lattice.
double neighbours(const double *field, std::size_t site) {
    const std::size_t x = site / extent, y = site % extent;
    return field[(x + 1) % extent * extent + y] + field[(x + extent - 1) % extent * extent + y] +
           field[x * extent + (y + 1) % extent] + field[x * extent + (y + extent - 1) % extent];
}

double potential(double phi) { return (1.0 - 2.0 * lambda) * phi * phi + lambda * phi * phi * phi * phi; }

}  // namespace

stoq::Callbacks phi4_callbacks() {
    stoq::Callbacks callbacks;
    callbacks.action = [](const double *field, std::size_t values) {
        double sum = 0.0;
        for (std::size_t site = 0; site < values; site++)
            sum += potential(field[site]) - kappa * field[site] * neighbours(field, site);
        return sum;
    };
    callbacks.force = [](const double *field, std::size_t values, double *force) {
        for (std::size_t site = 0; site < values; site++) {
            const double phi = field[site];
            force[site] = 2.0 * kappa * neighbours(field, site) - 2.0 * (1.0 - 2.0 * lambda) * phi -
                          4.0 * lambda * phi * phi * phi;
        }
    };
    callbacks.local_change = [](const double *field, std::size_t, std::ptrdiff_t offset, double value) {
        const double old = field[offset];
        return potential(value) - potential(old) -
               2.0 * kappa * (value - old) * neighbours(field, static_cast<std::size_t>(offset));
    };
    return callbacks;
}
