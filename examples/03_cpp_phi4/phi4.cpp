/*
 * Two-dimensional lattice phi^4 theory in C++: a host whose action, force and local change are methods of a class of its
 * own, and whose job ends when its time is up.
 *
 * stoq does all the updates here, by callbacks: sweeps of local Metropolis to begin with (local_change), then Hybrid
 * Monte Carlo (force) and proposals of a trained network (action) in turn. A job has a budget of evaluations. When that
 * is spent, the action throws an exception, deep inside an update. It leaves step() as itself, field and chain are as
 * before that update, and the next job goes on from a checkpoint: to the same bits as a run that was never stopped.
 * What belongs to stoq is marked "stoq:".
 *
 * Exit status 0: averages agree with the reference, and both runs with each other; 1: not; 2: it could not run.
 */
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include <stoq.hpp>  // stoq: the only header

namespace {

using Field = std::vector<double>;

/// What the action throws when the job has to end. Any type can be thrown.
struct JobOver {};

/// The theory, S = sum_x [ -2 kappa sum_mu phi(x) phi(x+mu) + (1 - 2 lambda) phi(x)^2 + lambda phi(x)^4 ], and the budget
/// of a job.
class Phi4 {
public:
    static constexpr std::size_t extent = 16, sites = extent * extent;

    /// `budget`: evaluations of S until the job is over; negative: for ever.
    explicit Phi4(long budget) : budget_(budget) {}

    double action(const double *phi) {
        if (budget_-- == 0) throw JobOver{};
        double sum = 0.0;
        for (std::size_t site = 0; site < sites; site++)
            sum += potential(phi[site]) - 2.0 * kappa * phi[site] * (phi[up(site)] + phi[right(site)]);
        return sum;
    }

    /// -dS/dphi.
    void force(const double *phi, double *force) const {
        for (std::size_t site = 0; site < sites; site++) {
            const double square = phi[site] * phi[site];
            force[site] = 2.0 * kappa * neighbours(phi, site) -
                          phi[site] * (2.0 * (1.0 - 2.0 * lambda) + 4.0 * lambda * square);
        }
    }

    /// The change of S when phi(site) becomes `value`.
    double local_change(const double *phi, std::size_t site, double value) const {
        return potential(value) - potential(phi[site]) -
               2.0 * kappa * (value - phi[site]) * neighbours(phi, site);
    }

private:
    static constexpr double kappa = 0.27, lambda = 0.022;

    static double potential(double phi) {
        const double square = phi * phi;
        return square * (1.0 - 2.0 * lambda + lambda * square);
    }

    // Site number y * extent + x, periodic in both directions.
    static std::size_t up(std::size_t site) { return (site + extent) % sites; }
    static std::size_t down(std::size_t site) { return (site + sites - extent) % sites; }
    static std::size_t right(std::size_t site) { return site % extent + 1 < extent ? site + 1 : site + 1 - extent; }
    static std::size_t left(std::size_t site) { return site % extent > 0 ? site - 1 : site + extent - 1; }

    static double neighbours(const double *phi, std::size_t site) {
        return phi[up(site)] + phi[down(site)] + phi[right(site)] + phi[left(site)];
    }

    long budget_;
};

/// stoq: the host's methods as callbacks. `theory` has to live as long as the action.
stoq::Action action_of(Phi4 &theory, const stoq::Layout &layout) {
    stoq::Callbacks callbacks;
    callbacks.action = [&theory](const double *phi, std::size_t) { return theory.action(phi); };
    callbacks.force = [&theory](const double *phi, std::size_t, double *force) { theory.force(phi, force); };
    callbacks.local_change = [&theory](const double *phi, std::size_t, std::ptrdiff_t offset, double value) {
        return theory.local_change(phi, static_cast<std::size_t>(offset), value);
    };
    return stoq::Action::host(layout, std::move(callbacks));
}

/// What a job leaves for the next one, and in the end the result.
struct Checkpoint {
    Field phi = Field(Phi4::sites, 0.0);
    long moves = 0;                                      // sweeps, trajectories and proposals so far
    std::vector<unsigned char> metropolis, hmc, path;    // stoq: states of the chains; empty at the beginning
    std::vector<double> magnetisation;                   // |M| after each update
    stoq::Statistics statistics;                         // stoq: of the proposals

    bool same(const Checkpoint &other) const {
        return moves == other.moves && phi == other.phi && magnetisation == other.magnetisation &&
               metropolis == other.metropolis && hmc == other.hmc && path == other.path;
    }
};

struct Settings {
    std::string model;
    long updates = 400, levels = 10, budget = 500;
};

constexpr long sweeps = 200, warm_up = 200;  // moves by Metropolis, then HMC and path in turn that are not measured

/// A job: goes on from the checkpoint until everything is done (true), or its budget is spent (false).
bool run_job(const stoq::Model &model, const Settings &settings, long budget, Checkpoint &at) {
    const stoq::Layout layout({Phi4::extent, Phi4::extent});
    Phi4 theory(budget);
    stoq::Action action = action_of(theory, layout);
    stoq::ChainOptions options;
    options.levels = static_cast<std::uint32_t>(settings.levels);
    options.integrator_steps = 6;
    options.kernel = STOQ_KERNEL_METROPOLIS, options.chain = 0;  // stoq: chains of one seed with numbers of their own
    stoq::Chain metropolis(action, layout, options);
    options.kernel = STOQ_KERNEL_HMC, options.chain = 1;
    stoq::Chain hmc(action, layout, options);
    options.kernel = STOQ_KERNEL_PATH, options.chain = 2;
    stoq::Chain path(model, action, layout, options);
    if (at.moves > 0) metropolis.load(at.metropolis), hmc.load(at.hmc), path.load(at.path);

    const long moves = sweeps + 2 * (warm_up + settings.updates);
    bool done = true;
    try {
        for (; at.moves < moves; at.moves++) {
            if (at.moves < sweeps) {
                metropolis.step(at.phi);
            } else if (at.moves % 2 == 0) {
                hmc.step(at.phi);
            } else {
                path.step(at.phi);
                if (at.moves < sweeps + 2 * warm_up) continue;
                double sum = 0.0;
                for (const double value : at.phi) sum += value;
                at.magnetisation.push_back(std::fabs(sum) / Phi4::sites);
            }
        }
    } catch (const JobOver &) {  // stoq: field and chains are as before the update that was stopped
        done = false;
    }
    metropolis.save(at.metropolis), hmc.save(at.hmc), path.save(at.path);
    at.statistics = path.statistics();
    return done;
}

/// Mean with its error, by the jackknife over bins of many updates.
bool agrees(const char *name, const std::vector<double> &series, double reference, double reference_error) {
    stoq::Cumulants cumulants;  // stoq: also its kappa_2 to kappa_8
    for (const double value : series) cumulants.push(&value, 1);
    const stoq::CumulantEstimate found = cumulants.estimate();
    const double z = (found.values[0] - reference) / std::hypot(found.errors[0], reference_error);
    std::printf("%-6s %10.5f +- %8.5f   reference %10.5f +- %8.5f   z %+.2f\n", name, found.values[0], found.errors[0],
                reference, reference_error, z);
    return std::fabs(z) <= 4.0;
}

bool report(const Checkpoint &result) {
    std::printf("path acceptance %.3f\n", static_cast<double>(result.statistics.accepted) /
                                             static_cast<double>(result.statistics.steps));
    std::vector<double> chi;
    for (const double m : result.magnetisation) chi.push_back(Phi4::sites * m * m);
    const bool first = agrees("<|M|>", result.magnetisation, 0.7632986, 0.0022);  // Metropolis and Wolff clusters
    return agrees("chi2", chi, 173.2691, 0.81) && first;
}

/// A wrong word of the command line.
struct Usage {};

Settings settings_of(int count, char **words) {
    Settings settings;
    if (count < 2 || count % 2 != 0) throw Usage{};
    settings.model = words[1];
    for (int i = 2; i < count; i += 2) {
        const std::string flag = words[i];
        char *end = nullptr;
        const long value = std::strtol(words[i + 1], &end, 10);
        if (*end != '\0' || value < 1) throw Usage{};
        if (flag == "--updates") settings.updates = value;
        else if (flag == "--levels") settings.levels = value;
        else if (flag == "--budget") settings.budget = value;
        else throw Usage{};
    }
    return settings;
}

}  // namespace

int main(int count, char **words) {
    try {
        const Settings settings = settings_of(count, words);
        const stoq::Model model = stoq::Model::load(settings.model);
        std::printf("2D phi^4, %zu x %zu, %ld updates: a trajectory and a proposal each\n", Phi4::extent, Phi4::extent,
                    settings.updates);
        Checkpoint whole, parts;
        run_job(model, settings, -1, whole);
        const bool consistent = report(whole);
        long jobs = 1;
        while (!run_job(model, settings, settings.budget, parts)) jobs++;
        const bool same = parts.same(whole);
        std::printf("the same run in %ld jobs of %ld evaluations each: %s\n", jobs, settings.budget,
                    same ? "the same bits" : "OTHER BITS");
        return consistent && same ? 0 : 1;
    } catch (const Usage &) {
        std::fprintf(stderr, "usage: phi4 MODEL.onnx [--updates N] [--levels N] [--budget N]\n");
    } catch (const stoq::Error &error) {  // stoq: the reason of a failure
        std::fprintf(stderr, "stoq: %s: %s\n", error.name(), error.what());
    }
    return 2;
}
