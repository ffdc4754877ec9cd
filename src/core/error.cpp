#include "core/error.hpp"

#include <cerrno>

namespace rootstock {

Error make_error(std::errc code, std::string what) {
    return {std::make_error_code(code), std::move(what)};
}

Error errno_error(std::string_view what) { return errno_error(errno, what); }

Error errno_error(int number, std::string_view what) {
    std::error_code code(number, std::generic_category());
    return {code, std::string(what) + ": " + code.message()};
}

} // namespace rootstock
