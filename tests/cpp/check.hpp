// What the C++ tests share: counted checks.
#ifndef CHECK_HPP
#define CHECK_HPP

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <stoq.hpp>
#include <vector>

inline int checks, failures;

#define CHECK(condition)                                                                                     \
    do {                                                                                                     \
        checks++;                                                                                            \
        if (!(condition)) {                                                                                  \
            failures++;                                                                                      \
            std::fprintf(stderr, "%s:%d: %s\n    last error: %s\n", __FILE__, __LINE__, #condition,          \
                         stoq_last_error());                                                                 \
        }                                                                                                    \
    } while (0)

// The statement throws a stoq::Error with this status, and a text that contains `word`.
#define THROWS(expected, word, statement)                                                                    \
    do {                                                                                                     \
        stoq_status_t found_ = STOQ_OK;                                                                      \
        std::string text_;                                                                                   \
        try {                                                                                                \
            statement;                                                                                       \
        } catch (const stoq::Error &error) {                                                                 \
            found_ = error.status(), text_ = error.what();                                                   \
        }                                                                                                    \
        checks++;                                                                                            \
        if (found_ != (expected) || text_.find(word) == std::string::npos) {                                 \
            failures++;                                                                                      \
            std::fprintf(stderr, "%s:%d: %s\n    gave %s (%s), expected %s and the word \"%s\"\n", __FILE__,  \
                         __LINE__, #statement, stoq_status_name(found_), text_.c_str(),                      \
                         stoq_status_name(expected), word);                                                  \
        }                                                                                                    \
    } while (0)

// Mean and error of an observable, from bins of a length far above its autocorrelation.
struct Average {
    int length, filled = 0, bins = 0;
    double bin = 0.0, sum = 0.0, squares = 0.0;

    explicit Average(int length) : length(length) {}

    void add(double value) {
        bin += value / length;
        if (++filled < length) return;
        sum += bin, squares += bin * bin, bins++;
        bin = 0.0, filled = 0;
    }

    void expect(double exact, const char *name) const {
        const double mean = sum / bins, variance = squares / bins - mean * mean;
        const double error = std::sqrt(variance / (bins - 1)), z = (mean - exact) / error;
        CHECK(bins >= 40 && std::fabs(z) < 4.0 && error < 0.05 * std::fabs(exact));
        if (std::getenv("STOQ_SHOW"))
            std::fprintf(stderr, "%s: %.5f +- %.5f, exact %.5f, z %.2f\n", name, mean, error, exact, z);
    }
};

constexpr std::size_t extent = 4, sites = extent * extent;
constexpr double kappa = 0.21, lambda = 0.022;

// Allocations by C++ so far. In allocations.cpp.
extern long allocations;

// phi^4 with neighbours of its own, for both orders of the axes: the lattice is symmetric. In host.cpp.
stoq::Callbacks phi4_callbacks();

#endif
