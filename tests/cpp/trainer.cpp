// The class that trains. argv[1]: a trained model file. One statistical check at 4 sigma with a fixed seed: a false
// alarm in one of 16000 seeds.
#include "check.hpp"
#include <cstring>
#include <string>
#include <type_traits>

static_assert(!std::is_copy_constructible<stoq::Trainer>::value, "");
static_assert(std::is_nothrow_move_constructible<stoq::Trainer>::value, "");

static stoq::TrainOptions small_training() {
    stoq::TrainOptions options;
    options.channels[0] = 4, options.channels[1] = 6, options.embedding = 8, options.batch = 16;
    options.steps = 50, options.seed = 3;
    return options;
}

// A chain of the host: HMC by its own action.
struct Host {
    stoq::Layout layout;
    stoq::Action action = stoq::Action::host(layout, phi4_callbacks());
    stoq::Chain hmc = stoq::Chain(action, layout, options());
    std::vector<double> phi = std::vector<double>(layout.values());

    explicit Host(const stoq::Layout &layout) : layout(layout) { run(50, nullptr); }

    static stoq::ChainOptions options() {
        stoq::ChainOptions options;
        options.kernel = STOQ_KERNEL_HMC, options.seed = 5;
        return options;
    }

    void run(int trajectories, stoq::Trainer *trainer) {
        for (int i = 0; i < trajectories; i++) {
            for (int k = 0; k < 4; k++) hmc.step(phi);
            if (trainer) trainer->push(phi);
        }
    }
};

static void trains_while_running(const stoq::Layout &layout) {
    Host host(layout);
    const auto built_in = stoq::Action::phi4(layout, kappa, lambda);
    stoq::Trainer trainer(layout, built_in, small_training());
    host.run(120, &trainer);
    auto report = trainer.fit(25);
    CHECK(report.step == 25 && report.steps == 50 && report.finished == 0 && report.loss > 0.0);
    THROWS(STOQ_INVALID_ARGUMENT, "still being trained", stoq::Chain(trainer.model(), host.action, layout));
    host.run(120, &trainer);
    report = trainer.fit(25);
    CHECK(report.step == 50 && report.finished == 1 && trainer.configurations() == 240);
    THROWS(STOQ_INVALID_ARGUMENT, "still being trained", stoq::Chain(trainer.model(), host.action, layout));
    stoq::ChainOptions options;
    options.levels = 6, options.chain = 1;
    stoq::Chain path(trainer.finish(), host.action, layout, options);
    Average square(30);
    int accepted = 0;
    for (int update = 0; update < 1500; update++) {
        host.hmc.step(host.phi);
        accepted += path.step(host.phi);
        double squares = 0.0;
        for (double value : host.phi) squares += value * value;
        square.add(squares / sites);
    }
    square.expect(0.6458101351236, "<phi^2>");  // tests/data/phi4_2d.json
    CHECK(accepted > 750);
}

struct Own {
    int number;
};

static void progress_stops_and_throws() {
    const stoq::Layout layout({extent, extent});
    Host host(layout);
    stoq::Trainer trainer(layout, small_training());
    host.run(40, &trainer);
    std::uint64_t last = 0;
    const auto report = trainer.fit(20, [&](const stoq_train_report_t &report) {
        last = report.step;
        return report.step < 6;
    });
    CHECK(report.step == 6 && last == 6);
    int number = 0;
    try {
        trainer.fit(20, [&](const stoq_train_report_t &report) -> bool {
            THROWS(STOQ_WRONG_ORDER, "at work", trainer.push(host.phi));
            if (report.step == 8) throw Own{7};
            return true;
        });
    } catch (const Own &own) {
        number = own.number;
    }
    CHECK(number == 7 && trainer.fit(0).step == 8);
}

static void refuses_and_continues(const char *path) {
    const stoq::Layout layout({extent, extent});
    Host host(layout);
    THROWS(STOQ_INVALID_ARGUMENT, "built-in", stoq::Trainer(layout, host.action, small_training()));
    stoq::Trainer trainer(layout, small_training()), other(layout, small_training());
    THROWS(STOQ_WRONG_ORDER, "fit first", trainer.finish());
    host.run(40, &trainer);
    const auto before = trainer.checkpoint();
    auto broken = host.phi;
    broken[6] = std::nan("");
    THROWS(STOQ_NOT_FINITE, "site [1, 2]", trainer.push(broken));
    broken.resize(sites - 1);
    THROWS(STOQ_SHAPE_MISMATCH, "15", trainer.push(broken));
    CHECK(trainer.checkpoint() == before && trainer.configurations() == 40);
    THROWS(STOQ_INVALID_ARGUMENT, "checkpoint", other.restore({}));
    other.restore(before);
    trainer.fit(3), other.fit(3);
    CHECK(trainer.checkpoint() == other.checkpoint() && trainer.checkpoint() != before);
    stoq::Trainer moved = std::move(other);
    THROWS(STOQ_INVALID_ARGUMENT, "moved", other.fit(1));
    CHECK(moved.configurations() == 40);

    const auto model = stoq::Model::load(path);
    const auto small = model.at({8, 8});
    CHECK(small.layout().values() == 64 && model.at({}).layout().values() == model.layout().values());
    const std::vector<std::pair<std::string, double>> couplings{{"kappa", 0.28}};
    THROWS(STOQ_INVALID_ARGUMENT, "kappa", model.at({}, couplings));
    THROWS(STOQ_IO, "no/such", small.save("no/such/model.onnx"));
}

int main(int, char **arguments) {
    trains_while_running(stoq::Layout({extent, extent}));
    trains_while_running(stoq::Layout::fortran({extent, extent}));
    progress_stops_and_throws();
    refuses_and_continues(arguments[1]);
    std::printf("trainer: %d checks, %d failures\n", checks, failures);
    return failures || checks < 20 ? EXIT_FAILURE : EXIT_SUCCESS;
}
