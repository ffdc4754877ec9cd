// The only way to Catch2: hides v2/v3 headers, and lets a Result stand in REQUIRE.
#pragma once

#include "core/result.hpp"

#include <catch2/catch.hpp>

namespace Catch {
template <class T, class E> struct StringMaker<rootstock::Result<T, E>> {
    static std::string convert(const rootstock::Result<T, E>& result) {
        return result ? "ok" : "error: " + StringMaker<E>::convert(result.error());
    }
};
template <> struct StringMaker<rootstock::Error> {
    static std::string convert(const rootstock::Error& error) { return error.what; }
};
} // namespace Catch
