/*
 * stoq for C++17: training by a host while its chain runs. Part of stoq.hpp, which includes it.
 *
 *     stoq::TrainOptions options;
 *     options.size = STOQ_SIZE_TINY;
 *     stoq::Trainer trainer(layout, options);
 *     for (int update = 0; update < updates; update++) {
 *         my_hmc_trajectory(phi);
 *         trainer.push(phi);
 *         if (update % 500 == 499) trainer.fit(250);
 *     }
 *     stoq::Chain path(trainer.finish(), action, layout);         frozen: now a chain may use it
 */

#ifndef STOQ_TRAINER_HPP
#define STOQ_TRAINER_HPP

#include <stoq_action.hpp>
#include <stoq_model.hpp>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace stoq {

/// See stoq_train_options_t. Filled with the defaults.
using TrainOptions = detail::Options<stoq_train_options_t, stoq_train_options_init>;
/// See stoq_train_report_t. Zeros.
using TrainReport = detail::Options<stoq_train_report_t, stoq_train_report_init>;

/// A training whose configurations come from the host's chain while that runs.
class Trainer : public detail::Owned<stoq_trainer_t, stoq_trainer_free> {
public:
    /// Gets the report after every step; false ends the fit.
    using Progress = std::function<bool(const stoq_train_report_t &)>;

    /// By denoising alone, for any theory.
    explicit Trainer(const Layout &layout, const TrainOptions &options = {}) : Trainer(layout, nullptr, options) {}

    /// With the force of a built-in action, which makes it several times more accurate. One of Action::host() is
    /// refused.
    Trainer(const Layout &layout, const Action &action, const TrainOptions &options = {})
        : Trainer(layout, action.get(), options) {}

    /// Adds a configuration, copied; `field` is the address of the first value. Push in the order of the chain.
    void push(const double *field) {
        detail::call([&] { return stoq_trainer_push(get(), field); });
    }

    /// The same for a vector or array that begins with the first value; its length is checked.
    template <class Field, class = detail::IfField<const Field, const double>> void push(const Field &field) {
        layout_.check_size(field.size());
        push(field.data());
    }

    /// Configurations pushed so far.
    std::size_t configurations() const {
        std::size_t found = 0;
        detail::call([&] { return stoq_trainer_configurations(get(), &found); });
        return found;
    }

    /// Takes up to `steps` steps on all configurations so far, of which there must be 32. An exception of
    /// `progress` leaves the call as it is. Steps that were taken stay taken.
    TrainReport fit(std::uint64_t steps, Progress progress = {}) {
        TrainReport report;
        const auto callback = progress ? call_progress : nullptr;
        detail::call([&] { return stoq_trainer_fit(get(), steps, callback, &progress, &report); });
        return report;
    }

    /// The model as it is now; chains refuse it, for it still adapts.
    Model model() const {
        return Model(Model::Made(), [&](auto **made) { return stoq_trainer_model(get(), made); });
    }

    /// The finished model, for chains.
    Model finish() const {
        return Model(Model::Made(), [&](auto **made) { return stoq_trainer_finish(get(), made); });
    }

    /// Writes the finished model to a file, whole or not at all.
    void save(const std::string &path) const {
        detail::call([&] { return stoq_trainer_save(get(), path.c_str()); });
    }

    /// The whole state with its configurations, as bytes with version and checksum.
    std::vector<unsigned char> checkpoint() const {
        std::size_t needed = 0;
        detail::call([&] { return stoq_trainer_checkpoint(get(), nullptr, 0, &needed); });
        std::vector<unsigned char> bytes(needed);
        detail::call([&] { return stoq_trainer_checkpoint(get(), bytes.data(), needed, nullptr); });
        return bytes;
    }

    /// Goes on from a saved state of the same lattice, action and options, to the same bits.
    void restore(const std::vector<unsigned char> &bytes) {
        const unsigned char none = 0;  // The library then says that the state is damaged, instead of a pointer.
        const unsigned char *data = bytes.empty() ? &none : bytes.data();
        detail::call([&] { return stoq_trainer_restore(get(), data, bytes.size()); });
    }

    /// The layout of its fields.
    const Layout &layout() const noexcept { return layout_; }

private:
    Trainer(const Layout &layout, const stoq_action_t *action, const TrainOptions &options)
        : Owned(Made(), [&](stoq_trainer_t **made) { return stoq_trainer_new(&layout, action, &options, made); }),
          layout_(layout) {}

    static std::int32_t call_progress(void *user, const stoq_train_report_t *report) {
        bool goes_on = true;
        const std::int32_t code = detail::guard([&] { goes_on = (*static_cast<Progress *>(user))(*report); });
        return code != 0 ? code : goes_on ? 0 : 1;
    }

    Layout layout_;
};

}  // namespace stoq

#endif  // STOQ_TRAINER_HPP
