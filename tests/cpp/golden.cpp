// The golden case in C++: see tests/golden.rs. argv[1]: the committed model.
#include <cstdio>
#include <cstring>
#include <stoq.hpp>
#include <string>
#include <vector>

static unsigned long long bits(double value) {
    unsigned long long result;
    static_assert(sizeof result == sizeof value, "64 bits");
    std::memcpy(&result, &value, sizeof result);
    return result;
}

static void print_statistics(const char *name, const stoq::Chain &chain) {
    const stoq::Statistics s = chain.statistics();
    std::printf("%s", name);
    for (std::uint64_t counter : {s.steps, s.accepted, s.non_finite, s.score_evaluations, s.proposals})
        std::printf(" %llu", static_cast<unsigned long long>(counter));
    std::printf("\n");
}

int main(int, char **words) {
    try {
        const stoq::Layout layout({16, 16});
        auto action = stoq::Action::phi4(layout, 0.27, 0.022);
        stoq::ChainOptions options;
        options.kernel = STOQ_KERNEL_HMC, options.seed = 2026;
        stoq::Chain hmc(action, layout, options);
        options.kernel = STOQ_KERNEL_PATH, options.chain = 1, options.levels = 10;
        stoq::Chain path(stoq::Model::load(words[1]), action, layout, options);

        std::vector<double> phi(layout.values());
        for (std::size_t s = 0; s < phi.size(); s++) phi[s] = (static_cast<double>(7 * s % 32) - 16.0) / 16.0;
        std::string outcomes;
        for (int update = 0; update < 20; update++) {
            outcomes += hmc.step(phi) ? '1' : '0';
            outcomes += path.step(phi) ? '1' : '0';
        }
        std::printf("outcomes %s\n", outcomes.c_str());
        print_statistics("hmc", hmc);
        print_statistics("path", path);
        std::printf("action %016llx\n", bits(action.evaluate(phi.data())));
        for (double value : phi) std::printf("field %016llx\n", bits(value));
        return 0;
    } catch (const stoq::Error &error) {
        std::fprintf(stderr, "%s: %s\n", error.name(), error.what());
        return 1;
    }
}
