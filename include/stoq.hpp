/*
 * stoq for C++17: the handles of stoq.h as classes. Include this header, which includes the others, one a subject, and
 * link libstoq.
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

#include <stoq_action.hpp>
#include <stoq_base.hpp>
#include <stoq_chain.hpp>
#include <stoq_layout.hpp>
#include <stoq_model.hpp>
#include <stoq_statistics.hpp>
#include <stoq_tools.hpp>
#include <stoq_trainer.hpp>
#include <stoq_u1.hpp>

#endif  // STOQ_HPP
