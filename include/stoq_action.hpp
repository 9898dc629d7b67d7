/*
 * stoq for C++17: actions, built-in and of the host. Part of stoq.hpp, which includes it.
 */

#ifndef STOQ_ACTION_HPP
#define STOQ_ACTION_HPP

#include <stoq_layout.hpp>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <utility>

namespace stoq {

/// An action S that the host evaluates, and what else it knows of it. Each gets the address of the first
/// value of a copy of the field, in the layout of the action, and the number of values. NaN or infinity, or
/// throwing Reject, rejects the move; any other exception stops the call and leaves it as it is.
struct Callbacks {
    /// Returns S(field).
    std::function<double(const double *field, std::size_t values)> action;
    /// Writes -dS/dphi of every value into `force`, in the same layout. For HMC, and Langevin moves along the
    /// force; empty if there is none.
    std::function<void(const double *field, std::size_t values, double *force)> force = {};
    /// Returns S(changed field) - S(field), where field[offset] becomes `value`. Makes local Metropolis fast;
    /// empty if there is none.
    std::function<double(const double *field, std::size_t values, std::ptrdiff_t offset, double value)> local_change =
        {};
};

/// An action S: the target law is exp(-S) / Z.
class Action : public detail::Owned<stoq_action_t, stoq_action_free> {
public:
    /// S = sum_x [ -2 kappa sum_mu phi(x) phi(x+mu) + (1 - 2 lambda) phi(x)^2 + lambda phi(x)^4 ].
    static Action phi4(const Layout &layout, double kappa, double lambda) {
        return Action(Made(), [&](auto **action) { return stoq_action_phi4(&layout, kappa, lambda, action); });
    }

    /// S = sum_x [ mu2/2 phi(x)^2 + g/24 phi(x)^4 ].
    static Action toy(const Layout &layout, double mu2, double g) {
        return Action(Made(), [&](auto **action) { return stoq_action_toy(&layout, mu2, g, action); });
    }

    /// Two Gaussian peaks of width sigma0 at mu0 and -mu0, at every site.
    static Action two_peak(const Layout &layout, double mu0, double sigma0) {
        return Action(Made(), [&](auto **action) { return stoq_action_two_peak(&layout, mu0, sigma0, action); });
    }

    /// Three Gaussian peaks of width sigma0 on a circle, at every site; two components.
    static Action three_peak(const Layout &layout, double radius, double sigma0) {
        return Action(Made(), [&](auto **action) { return stoq_action_three_peak(&layout, radius, sigma0, action); });
    }

    /// U(1) gauge theory on link angles, S = -beta sum_P cos theta_P; two axes, two components.
    static Action u1(const Layout &layout, double beta) {
        return Action(Made(), [&](auto **action) { return stoq_action_u1(&layout, beta, action); });
    }

    /// The host's own. The callbacks are moved into the action, and live as long as it or a chain does.
    static Action host(const Layout &layout, Callbacks callbacks) {
        if (!callbacks.action) throw Error(STOQ_INVALID_ARGUMENT, "callbacks.action is empty: give S(field)");
        auto user = std::make_unique<Callbacks>(std::move(callbacks));
        const bool force = bool(user->force), local_change = bool(user->local_change);
        Action action(Made(), [&](stoq_action_t **handle) {
            return stoq_action_callback(&layout, call_action, user.get(), destroy, handle);
        });
        user.release();  // The action calls `destroy`.
        if (force) detail::call([&] { return stoq_action_set_force(action.get(), call_force); });
        if (local_change) detail::call([&] { return stoq_action_set_local_change(action.get(), call_local_change); });
        return action;
    }

    /// S(field); `field` is the first value, in the layout of the action.
    double evaluate(const double *field) {
        double value = 0.0;
        detail::call([&] { return stoq_action_evaluate(get(), field, &value); });
        return value;
    }

    /// Writes -dS/dphi into `force`, in the same layout; may be `field` itself.
    void force(const double *field, double *force) {
        detail::call([&] { return stoq_action_force(get(), field, force); });
    }

private:
    using Owned::Owned;

    static std::int32_t call_action(void *user, const double *field, std::size_t values, double *action) {
        return detail::guard([&] { *action = static_cast<Callbacks *>(user)->action(field, values); });
    }

    static std::int32_t call_force(void *user, const double *field, std::size_t values, double *force) {
        return detail::guard([&] { static_cast<Callbacks *>(user)->force(field, values, force); });
    }

    static std::int32_t call_local_change(void *user, const double *field, std::size_t values, std::ptrdiff_t offset,
                                          double value, double *change) {
        return detail::guard(
            [&] { *change = static_cast<Callbacks *>(user)->local_change(field, values, offset, value); });
    }

    static void destroy(void *user) { delete static_cast<Callbacks *>(user); }
};

}  // namespace stoq

#endif  // STOQ_ACTION_HPP
