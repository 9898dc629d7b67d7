/*
 * stoq for C++17: updates of a Markov chain. Part of stoq.hpp, which includes it.
 */

#ifndef STOQ_CHAIN_HPP
#define STOQ_CHAIN_HPP

#include <stoq_action.hpp>
#include <stoq_model.hpp>

#include <cstddef>
#include <vector>

namespace stoq {

/// See stoq_chain_options_t. Filled with the defaults.
using ChainOptions = detail::Options<stoq_chain_options_t, stoq_chain_options_init>;
/// See stoq_chain_statistics_t. Zeros.
using Statistics = detail::Options<stoq_chain_statistics_t, stoq_chain_statistics_init>;

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

}  // namespace stoq

#endif  // STOQ_CHAIN_HPP
