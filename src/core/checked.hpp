// Arithmetic on numbers that a peer or a file chose: overflow is a value, not a wrap.
#pragma once

#include <concepts>
#include <limits>
#include <optional>
#include <type_traits>
#include <utility>

namespace rootstock {

template <std::unsigned_integral T> [[nodiscard]] constexpr std::optional<T> checked_add(T a, T b) {
    T sum{};
    if (__builtin_add_overflow(a, b, &sum)) {
        return std::nullopt;
    }
    return sum;
}

template <std::unsigned_integral T> [[nodiscard]] constexpr std::optional<T> checked_mul(T a, T b) {
    T product{};
    if (__builtin_mul_overflow(a, b, &product)) {
        return std::nullopt;
    }
    return product;
}

/// Smallest multiple of `step` that is not below `value`. `step` > 0; the caller knows that the sum does not overflow.
template <std::unsigned_integral T> [[nodiscard]] constexpr T round_up(T value, std::type_identity_t<T> step) {
    return static_cast<T>((value + step - 1) / step * step);
}
template <std::unsigned_integral T> [[nodiscard]] constexpr T round_down(T value, std::type_identity_t<T> step) {
    return static_cast<T>(value / step * step);
}
template <std::unsigned_integral T> [[nodiscard]] constexpr T div_up(T value, std::type_identity_t<T> step) {
    return static_cast<T>((value + step - 1) / step);
}

/// `value` as the narrower type, or nothing when it does not fit.
template <std::integral To, std::integral From> [[nodiscard]] constexpr std::optional<To> narrow(From value) {
    if (!std::in_range<To>(value)) {
        return std::nullopt;
    }
    return static_cast<To>(value);
}

/// True when [offset, offset + length) lies within [0, size), without overflow.
[[nodiscard]] constexpr bool range_fits(unsigned long long offset, unsigned long long length, unsigned long long size) {
    return offset <= size && length <= size - offset;
}

} // namespace rootstock
