// How commands end: an error on standard error and exit code 1, or the answer as a table or as JSON.
#pragma once

#include "cli/client.hpp"

#include <boost/json/array.hpp>
#include <boost/json/serialize.hpp>

#include <functional>
#include <vector>

namespace rootstock::cli {

/// "rootstock: <what>" on standard error; gives exit_failed.
int fail(const Error& error);

/// Opens the client, runs `request`, prints the answer by `show` or as JSON, gives the exit code.
using Request = std::function<Result<Reply>(Client&)>;
using Show = std::function<void(const boost::json::value&)>;
int run_request(const Options& options, const Request& request, const Show& show, bool needs_server = false);

void print(const std::string& text);

// Reading the API's JSON for people; a missing or null member is "-".
[[nodiscard]] std::string text_of(const boost::json::value& object, const char* key);
[[nodiscard]] std::string size_of(const boost::json::value& object, const char* key);
/// Local time: 2026-01-31 07:45:01.
[[nodiscard]] std::string time_of(const boost::json::value& object, const char* key);
/// "17 GiB of 20 GiB, above 80 %, full in 9 days".
[[nodiscard]] std::string use_of(const boost::json::value& object, const char* key);
[[nodiscard]] std::string use_text(const boost::json::value& use);
[[nodiscard]] const boost::json::array& list_of(const boost::json::value& object, const char* key);
[[nodiscard]] boost::json::array array_of(const std::vector<std::string>& words);
[[nodiscard]] std::string words_of(const boost::json::value& object, const char* key); // a list of texts, joined by commas

} // namespace rootstock::cli
