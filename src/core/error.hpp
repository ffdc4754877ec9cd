// Error: a failing environment, told to a person: what was being done, to what, and how to mend it. Codecs use small enums instead.
#pragma once

#include <string>
#include <string_view>
#include <system_error>

namespace rootstock {

/// `code` is for programs (errc::no_space_on_device, ...), `what` is one complete sentence for people.
struct Error {
    std::error_code code;
    std::string what;
};

/// An Error with a code of the generic category.
[[nodiscard]] Error make_error(std::errc code, std::string what);

/// "`what`: <text of errno>", with errno's code. Call at once after the failing system call.
[[nodiscard]] Error errno_error(std::string_view what);
[[nodiscard]] Error errno_error(int number, std::string_view what);

} // namespace rootstock
