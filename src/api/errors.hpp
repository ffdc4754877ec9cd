// From an Error of the layers below to the answer of docs/api.md.
#pragma once

#include "core/error.hpp"
#include "http/message.hpp"

namespace rootstock::api {

/// By the error's code; what follows the first "; " (or else ". ") is the remedy.
[[nodiscard]] http::Response error_answer(const Error& error);
/// The same as {"error": ...} for a line of a stream.
[[nodiscard]] std::string error_line(const Error& error);

[[nodiscard]] http::Response not_found(std::string_view what, std::string_view name);

} // namespace rootstock::api
