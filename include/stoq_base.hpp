/*
 * stoq for C++17: errors, callbacks that throw, and owned handles. Part of stoq.hpp, which includes it.
 */

#ifndef STOQ_BASE_HPP
#define STOQ_BASE_HPP

#include <stoq.h>

#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>

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

}  // namespace stoq

#endif  // STOQ_BASE_HPP
