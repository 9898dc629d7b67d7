/*
 * stoq for C++17: the handles of stoq.h as classes, in this header, and in stoq_trainer.hpp and stoq_u1.hpp, which it includes.
 * Link libstoq.
 *
 *     stoq::Layout layout({16, 16});
 *     stoq::Action action = stoq::Action::host(layout, {my_action, my_force});
 *     stoq::ChainOptions options;
 *     options.kernel = STOQ_KERNEL_HMC;
 *     stoq::Chain hmc(action, layout, options);
 *     options.kernel = STOQ_KERNEL_PATH, options.chain = 1;       numbers of their own
 *     stoq::Chain path(stoq::Model::load("model.onnx"), action, layout, options);
 *     std::vector<double> phi(layout.values());
 *     for (int update = 0; update < updates; update++) {
 *         hmc.step(phi);
 *         path.step(phi);                                         then measure phi
 *     }
 *
 * What stoq.h says holds here: kernels, determinism, threads (a const method may be called on one object
 * by several threads at once), and the constants, which are used as they are. What C++ adds:
 *
 * Ownership. An object owns its handle, can be moved but not copied, and frees it once. A chain or
 * generator keeps its model and action alive. An object that was moved from refuses every use. Pointers
 * and references to fields, options and states are used during the call only.
 *
 * Errors are exceptions of type stoq::Error, with status and text; what a failed call says of its results
 * in stoq.h ("unchanged on failure") holds. An exception that a callback throws stops the call, passes
 * through the library as a code, and leaves the call as that same exception.
 *
 * Memory. A move allocates nothing beyond what stoq.h says. A fresh vector is in the name: `generate`.
 */

#ifndef STOQ_HPP
#define STOQ_HPP

#include <stoq.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace stoq {

/// A call that failed. what() is the sentence of stoq_last_error().
class Error : public std::runtime_error {
public:
    Error(stoq_status_t status, const std::string &text) : std::runtime_error(text), status_(status) {}

    /// The reason, such as STOQ_SHAPE_MISMATCH.
    stoq_status_t status() const noexcept { return status_; }

    /// Its name, such as "STOQ_SHAPE_MISMATCH".
    const char *name() const noexcept { return stoq_status_name(status_); }

private:
    stoq_status_t status_;
};

/// A callback throws this to reject the move, as if S were infinite. It never leaves the library.
struct Reject {};

namespace detail {

/// What a callback threw on this thread, on its way through the library. Callbacks run on the thread that
/// called, so that it meets its own caller and no other.
inline std::exception_ptr &thrown() noexcept {
    static thread_local std::exception_ptr exception;
    return exception;
}

/// The code by which a callback that threw stops the library.
constexpr std::int32_t threw = -0x570c;

/// Refuses a library of another ABI; asked once.
inline void check_abi() {
    static const std::uint32_t version = stoq_abi_version();
    if (version != STOQ_ABI_VERSION)
        throw Error(STOQ_INTERNAL, "libstoq has C ABI " + std::to_string(version) + ", and this program was made for " +
                                       std::to_string(STOQ_ABI_VERSION) + ": use the header of that library");
}

/// Calls the library; turns a status into an exception, or throws on what a callback threw.
template <class Call> void call(Call &&function) {
    thrown() = nullptr;
    const stoq_status_t status = function();
    if (status == STOQ_OK) return;
    const std::exception_ptr exception = std::exchange(thrown(), nullptr);
    if (status == STOQ_CALLBACK_STOPPED && exception && stoq_last_callback_code() == threw)
        std::rethrow_exception(exception);
    throw Error(status, stoq_last_error());
}

/// Runs a callback of the host; nothing may be thrown into the library.
template <class Callback> std::int32_t guard(Callback &&callback) noexcept {
    try {
        callback();
        return 0;
    } catch (const Reject &) {
        return 1;
    } catch (...) {
        thrown() = std::current_exception();
        return threw;
    }
}

/// Calls `stoq_x_free` for a std::unique_ptr.
template <class Handle, void (*Free)(Handle *)> struct Freeing {
    void operator()(Handle *handle) const noexcept { Free(handle); }
};

/// An owned handle.
template <class Handle, void (*Free)(Handle *)> class Owned {
public:
    /// The handle for functions of stoq.h; stays with this object. Throws if the object was moved from.
    Handle *get() const {
        if (!handle_) throw Error(STOQ_INVALID_ARGUMENT, "this object of stoq was moved from: use the one it went to");
        return handle_.get();
    }

protected:
    /// Tells the constructor below from that which moves.
    struct Made {};

    /// Takes what `make` makes: a function of stoq.h that got the address of a handle.
    template <class Make> Owned(Made, Make &&make) {
        check_abi();
        Handle *handle = nullptr;
        call([&] { return make(&handle); });
        handle_.reset(handle);
    }

private:
    std::unique_ptr<Handle, Freeing<Handle, Free>> handle_;
};

/// A C struct that its initialiser fills.
template <class Struct, stoq_status_t (*Init)(Struct *)> struct Options : Struct {
    Options() : Struct() {
        check_abi();
        call([this] { return Init(this); });
    }
};

/// Anything that has data() and size() and holds doubles.
template <class Field, class Value>
using IfField = std::enable_if_t<std::is_convertible<decltype(std::declval<Field &>().data()), Value *>::value &&
                                 std::is_convertible<decltype(std::declval<Field &>().size()), std::size_t>::value>;

}  // namespace detail

/// See stoq_schedule_t: which noise at which time. Filled with the defaults.
using Schedule = detail::Options<stoq_schedule_t, stoq_schedule_init>;
/// See stoq_model_open_options_t. Filled with the defaults.
using OpenOptions = detail::Options<stoq_model_open_options_t, stoq_model_open_options_init>;
/// See stoq_chain_options_t. Filled with the defaults.
using ChainOptions = detail::Options<stoq_chain_options_t, stoq_chain_options_init>;
/// See stoq_generator_options_t. Filled with the defaults.
using GeneratorOptions = detail::Options<stoq_generator_options_t, stoq_generator_options_init>;
/// See stoq_likelihood_options_t. Filled with the defaults.
using LikelihoodOptions = detail::Options<stoq_likelihood_options_t, stoq_likelihood_options_init>;
/// See stoq_complex_langevin_options_t. Filled with the defaults.
using ComplexLangevinOptions = detail::Options<stoq_complex_langevin_options_t, stoq_complex_langevin_options_init>;
/// See stoq_chain_statistics_t. Zeros.
using Statistics = detail::Options<stoq_chain_statistics_t, stoq_chain_statistics_init>;

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

/// An update of a Markov chain that the host owns. All kernels but STOQ_KERNEL_LANGEVIN leave exp(-S)/Z
/// exactly invariant, whatever the model. One chain after the other on the same field is exact again.
class Chain : public detail::Owned<stoq_chain_t, stoq_chain_free> {
public:
    /// Proposals of a model, decided by the action. Model and action are shared: they may go.
    Chain(const Model &model, Action &action, const Layout &layout, const ChainOptions &options = {})
        : Chain(model.get(), action.get(), layout, options) {}

    /// The host evaluates its action itself: propose() and resolve().
    Chain(const Model &model, const Layout &layout, const ChainOptions &options = {})
        : Chain(model.get(), nullptr, layout, options) {}

    /// A kernel that needs no model: HMC, Metropolis, Langevin moves along the force.
    Chain(Action &action, const Layout &layout, const ChainOptions &options)
        : Chain(nullptr, action.get(), layout, options) {}

    /// One update of the field in place; true: accepted, false: rejected and not written. On failure field and
    /// chain are as before. `field` is the address of the first value.
    bool step(double *field) {
        stoq_outcome_t outcome = STOQ_REJECTED;
        detail::call([&] { return stoq_chain_step(get(), field, &outcome); });
        return outcome == STOQ_ACCEPTED;
    }

    /// The same for a vector or array that begins with the first value; its length is checked.
    template <class Field, class = detail::IfField<Field, double>> bool step(Field &field) {
        layout_.check_size(field.size());
        return step(field.data());
    }

    /// First half: writes a proposal, which must not overlap the field, and returns log_hastings; the move is
    /// accepted with probability min(1, exp(log_hastings - delta_action)).
    double propose(const double *field, double *proposal) {
        double log_hastings = 0.0;
        detail::call([&] { return stoq_chain_propose(get(), field, proposal, &log_hastings); });
        return log_hastings;
    }

    /// The same for containers of checked length.
    template <class Field, class = detail::IfField<Field, double>> double propose(const Field &field, Field &proposal) {
        layout_.check_size(field.size());
        layout_.check_size(proposal.size());
        return propose(field.data(), proposal.data());
    }

    /// Second half: decides by delta_action = S(proposal) - S(field); true: the field is the proposal now.
    bool resolve(double delta_action, double *field) {
        stoq_outcome_t outcome = STOQ_REJECTED;
        detail::call([&] { return stoq_chain_resolve(get(), delta_action, field, &outcome); });
        return outcome == STOQ_ACCEPTED;
    }

    /// The same for a container of checked length.
    template <class Field, class = detail::IfField<Field, double>> bool resolve(double delta_action, Field &field) {
        layout_.check_size(field.size());
        return resolve(delta_action, field.data());
    }

    /// Ends the warm-up of a chain made with options.warm_up. Freeze before you measure.
    void freeze() {
        detail::call([&] { return stoq_chain_freeze(get()); });
    }

    /// Whether warm-up is over.
    bool is_frozen() const {
        std::int32_t frozen = 0;
        detail::call([&] { return stoq_chain_is_frozen(get(), &frozen); });
        return frozen != 0;
    }

    /// The size of the moves, which warm-up tunes; 0 for a kernel with nothing to tune.
    double move_size() const {
        double size = 0.0;
        detail::call([&] { return stoq_chain_move_size(get(), &size); });
        return size;
    }

    /// Counters since the chain was frozen.
    Statistics statistics() const {
        Statistics statistics;
        detail::call([&] { return stoq_chain_statistics(get(), &statistics); });
        return statistics;
    }

    /// The whole state, as bytes with version and checksum.
    std::vector<unsigned char> save() const {
        std::vector<unsigned char> bytes;
        save(bytes);
        return bytes;
    }

    /// The same into a vector that is used again: it allocates only while it grows.
    void save(std::vector<unsigned char> &bytes) const {
        std::size_t needed = 0;
        detail::call([&] { return stoq_chain_save(get(), nullptr, 0, &needed); });
        bytes.resize(needed);
        detail::call([&] { return stoq_chain_save(get(), bytes.data(), needed, nullptr); });
    }

    /// Goes on from a saved state, to the same bits; the host restores its field itself.
    void load(const std::vector<unsigned char> &bytes) {
        detail::call([&] { return stoq_chain_load(get(), bytes.data(), bytes.size()); });
    }

    /// The layout of its fields.
    const Layout &layout() const noexcept { return layout_; }

private:
    Chain(const stoq_model_t *model, stoq_action_t *action, const Layout &layout, const ChainOptions &options)
        : Owned(Made(), [&](stoq_chain_t **chain) { return stoq_chain_new(model, action, &layout, &options, chain); }),
          layout_(layout) {}

    Layout layout_;
};

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

#include <stoq_trainer.hpp>
#include <stoq_u1.hpp>

#endif  // STOQ_HPP
