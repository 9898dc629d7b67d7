/*
 * stoq for C++17: how a host stores its field. Part of stoq.hpp, which includes it.
 */

#ifndef STOQ_LAYOUT_HPP
#define STOQ_LAYOUT_HPP

#include <stoq_base.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace stoq {

/// How the host stores its field: extents, components and strides, see stoq_layout_t, whose fields it has.
class Layout : public stoq_layout_t {
public:
    /// A field of `per_site` components in C order without gaps, the last axis fastest, one component after the
    /// other. `axes` are the extents, slowest axis first.
    explicit Layout(const std::vector<std::size_t> &axes, std::uint32_t per_site = 1) : stoq_layout_t() {
        detail::check_abi();
        const auto count = static_cast<std::uint32_t>(axes.size());
        const std::size_t none = 0;  // The library then says that the rank is wrong, instead of a pointer.
        detail::call([&] { return stoq_layout_init(this, count, axes.empty() ? &none : axes.data()); });
        components = per_site;
    }

    /// The same field in the order of Fortran without gaps, phi(x_0, x_1, ...): the first axis fastest.
    static Layout fortran(const std::vector<std::size_t> &axes, std::uint32_t per_site = 1) {
        Layout layout(axes, per_site);
        std::ptrdiff_t stride = 1;
        for (std::size_t axis = 0; axis < layout.rank; axis++) {
            layout.strides[axis] = stride;
            stride *= static_cast<std::ptrdiff_t>(axes[axis]);
        }
        layout.component_stride = stride;
        return layout;
    }

    /// Any order of sites: component i of site number s, counted in C order, is field[offsets[s] + i stride].
    static Layout by_sites(const std::vector<std::size_t> &axes, std::vector<std::ptrdiff_t> offsets,
                           std::uint32_t per_site = 1, std::ptrdiff_t stride = 0) {
        Layout layout(axes, per_site);
        if (offsets.size() != layout.sites())
            throw Error(STOQ_SHAPE_MISMATCH, "offsets has " + std::to_string(offsets.size()) + " numbers for " +
                                                 std::to_string(layout.sites()) + " sites: give one a site");
        layout.component_stride = stride;
        layout.table_ = std::make_shared<const std::vector<std::ptrdiff_t>>(std::move(offsets));
        detail::call([&] { return stoq_layout_set_sites(&layout, layout.table_->data()); });
        return layout;
    }

    /// All even sites before all odd ones, as in MILC and in QDP's checkerboard, see stoq_layout_even_odd(). The
    /// components of a site are together, or each has a field of its own.
    static Layout even_odd(const std::vector<std::size_t> &axes, std::uint32_t per_site = 1, bool together = false) {
        const Layout layout(axes, per_site);
        std::vector<std::ptrdiff_t> offsets(layout.sites());
        const auto count = static_cast<std::ptrdiff_t>(layout.sites());
        const std::ptrdiff_t step = together ? static_cast<std::ptrdiff_t>(per_site) : 1;
        detail::call([&] { return stoq_layout_even_odd(&layout, step, offsets.data()); });
        return by_sites(axes, std::move(offsets), per_site, together ? 1 : count);
    }

    /// Where the component of a site is: field[offset].
    std::ptrdiff_t offset(const std::vector<std::size_t> &coordinates, std::uint32_t component = 0) const {
        if (coordinates.size() != rank)
            throw Error(STOQ_SHAPE_MISMATCH, "coordinates: give one number an axis, " + std::to_string(rank));
        std::ptrdiff_t found = 0;
        detail::call([&] { return stoq_layout_offset(this, coordinates.data(), component, &found); });
        return found;
    }

    /// Copies a field to C order without gaps, one component after the other.
    void gather(const double *field, double *values) const {
        detail::call([&] { return stoq_field_gather(this, field, values); });
    }

    /// The way back; memory between the values is not touched.
    void scatter(const double *values, double *field) const {
        detail::call([&] { return stoq_field_scatter(this, values, field); });
    }

    /// Sites of the lattice.
    std::size_t sites() const noexcept {
        std::size_t product = 1;
        for (std::uint32_t axis = 0; axis < rank; axis++) product *= extents[axis];
        return product;
    }

    /// Values of a field: sites times components.
    std::size_t values() const noexcept { return sites() * (components ? components : 1); }

    /// Lowest and highest offset of a value from the first one, in doubles.
    std::pair<std::ptrdiff_t, std::ptrdiff_t> reach() const noexcept {
        std::ptrdiff_t low = 0, high = 0;
        const auto extend = [&](std::ptrdiff_t stride, std::size_t count) {
            const std::ptrdiff_t far = count ? stride * static_cast<std::ptrdiff_t>(count - 1) : 0;
            (far < 0 ? low : high) += far;
        };
        if (table_) {
            const auto ends = std::minmax_element(table_->begin(), table_->end());
            low = std::min<std::ptrdiff_t>(*ends.first, 0), high = std::max<std::ptrdiff_t>(*ends.second, 0);
            if (components > 1) extend(component_stride, components);
            return {low, high};
        }
        bool strided = component_stride != 0;
        for (std::uint32_t axis = 0; axis < rank; axis++) strided = strided || strides[axis] != 0;
        if (!strided) return {0, static_cast<std::ptrdiff_t>(values()) - 1};
        for (std::uint32_t axis = 0; axis < rank; axis++) extend(strides[axis], extents[axis]);
        if (components > 1) extend(component_stride, components);
        return {low, high};
    }

    /// Refuses a container of `size` doubles, the first value at its start, that does not hold such a field.
    void check_size(std::size_t size) const {
        const auto [low, high] = reach();
        if (low < 0)
            throw Error(STOQ_SHAPE_MISMATCH, "layout has negative offsets: pass the address of the first value");
        if (static_cast<std::size_t>(high) >= size)
            throw Error(STOQ_SHAPE_MISMATCH, "field has " + std::to_string(size) + " doubles, and its layout needs " +
                                                 std::to_string(high + 1) + ": make it as long as that");
    }

private:
    /// What site_offsets leads to: copies of this layout share it.
    std::shared_ptr<const std::vector<std::ptrdiff_t>> table_;
};

}  // namespace stoq

#endif  // STOQ_LAYOUT_HPP
