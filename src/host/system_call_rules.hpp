// A list of system calls and what becomes of them, compiled into a seccomp filter by libseccomp.
#pragma once

#include "base/result.hpp"

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <fmt/format.h>
#include <seccomp.h>

namespace softmetal::host {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr bool sanitized = true;
#else
inline constexpr bool sanitized = false;
#endif

class SystemCallRules {
 public:
    enum class Scope : bool { thread, process };

    /// `otherwise` becomes of calls that no rule names.
    explicit SystemCallRules(std::uint32_t otherwise) : context_(seccomp_init(otherwise)) {}
    ~SystemCallRules() {
        if (context_) seccomp_release(context_);
    }
    SystemCallRules(const SystemCallRules&) = delete;
    SystemCallRules& operator=(const SystemCallRules&) = delete;

    template <class... Conditions>
    void add(std::uint32_t action, int call, Conditions... conditions) {
        if (!context_ || error_) return;
        error_ = seccomp_rule_add(context_, action, call, sizeof...(conditions), conditions...);
    }

    /// For ever. The filter of a process needs no_new_privs, which this sets; that of a thread comes on top
    /// of it.
    [[nodiscard]] Result<> load(Scope scope) {
        if (!context_) return fail("cannot make a system-call filter");
        const bool whole = scope == Scope::process;
        if (!error_) error_ = seccomp_attr_set(context_, SCMP_FLTATR_CTL_TSYNC, whole);
        if (!error_) error_ = seccomp_attr_set(context_, SCMP_FLTATR_CTL_NNP, whole);
        // A binary tree instead of a list: ten comparisons a call, not a hundred.
        if (!error_) error_ = seccomp_attr_set(context_, SCMP_FLTATR_CTL_OPTIMIZE, 2);
        if (!error_) error_ = seccomp_load(context_);
        if (error_)
            return fail(fmt::format("the system-call filter was refused: {}", std::strerror(-error_)));
        return {};
    }

 private:
    scmp_filter_ctx context_;
    int error_ = 0;
};

constexpr scmp_arg_cmp equal(unsigned argument, scmp_datum_t value) {
    return {argument, SCMP_CMP_EQ, value, 0};
}
constexpr scmp_arg_cmp not_equal(unsigned argument, scmp_datum_t value) {
    return {argument, SCMP_CMP_NE, value, 0};
}
constexpr scmp_arg_cmp masked_equal(unsigned argument, scmp_datum_t mask, scmp_datum_t value) {
    return {argument, SCMP_CMP_MASKED_EQ, mask, value};
}

}  // namespace softmetal::host
