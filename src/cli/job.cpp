#include "cli/job.hpp"

#include "cli/output.hpp"
#include "cli/progress_bar.hpp"

#include <boost/json/parse.hpp>

namespace rootstock::cli {

namespace json = boost::json;

namespace {

std::uint64_t number_of(const json::value& object, const char* key) {
    const json::value* found = object.as_object().if_contains(key);
    return found != nullptr && found->is_number() ? found->to_number<std::uint64_t>() : 0;
}

Result<json::value> result_of(const json::value& outcome, const char* key, const std::string& what) {
    const json::object* answer = outcome.if_object();
    if (const json::value* error = answer == nullptr ? nullptr : answer->if_contains("error"); error != nullptr) {
        const std::string remedy = text_of(*error, "remedy");
        return Error{{}, text_of(*error, "message") + (remedy == "-" ? "" : ": " + remedy)};
    }
    const json::value* result = answer == nullptr ? nullptr : answer->if_contains(key);
    return result != nullptr ? Result<json::value>(*result)
                             : Error{{}, what + " ended without a result: look at the server's log, then try again"};
}

} // namespace

Result<json::value> follow_job(Client& client, const std::string& url, const json::value& body, const Interrupt& interrupt, const char* key,
                               const std::string& what) {
    ProgressBar bar;
    json::value outcome;
    const auto streamed = client.stream(url, body, [&](std::string_view line) {
        boost::system::error_code failure;
        json::value value = json::parse({line.data(), line.size()}, failure);
        if (failure || !value.is_object()) {
            return !interrupt.asked();
        }
        if (const json::value* progress = value.as_object().if_contains("progress"); progress != nullptr && progress->is_object()) {
            bar.draw(number_of(*progress, "done_bytes"), number_of(*progress, "total_bytes"), number_of(*progress, "stored_bytes"));
        } else {
            outcome = std::move(value);
        }
        return !interrupt.asked();
    });
    if (interrupt.asked() && outcome.is_null()) {
        return make_error(std::errc::operation_canceled, what + " was cancelled; nothing was kept");
    }
    return streamed ? result_of(outcome, key, what) : Result<json::value>(streamed.error());
}

} // namespace rootstock::cli
