#include "cli/output.hpp"

#include "core/text.hpp"

#include <array>
#include <cstdio>
#include <ctime>

namespace rootstock::cli {

namespace json = boost::json;

namespace {
const json::value* member(const json::value& object, const char* key) {
    const json::value* found = object.is_object() ? object.as_object().if_contains(key) : nullptr;
    return found == nullptr || found->is_null() ? nullptr : found;
}
} // namespace

int fail(const Error& error) {
    std::fprintf(stderr, "rootstock: %s\n", error.what.c_str());
    return exit_failed;
}

void print(const std::string& text) { std::fwrite(text.data(), 1, text.size(), stdout); }

int run_request(const Options& options, const Request& request, const Show& show, bool needs_server) {
    Result<Client> client = Client::open(options, needs_server);
    if (!client) {
        return fail(client.error());
    }
    Result<Reply> reply = request(*client);
    if (!reply) {
        return fail(reply.error());
    }
    if (options.json) {
        print((reply->text.empty() ? std::string("{}") : reply->text) + "\n");
    } else {
        show(reply->value);
    }
    return exit_ok;
}

std::string text_of(const json::value& object, const char* key) {
    const json::value* found = member(object, key);
    if (found == nullptr) {
        return "-";
    }
    if (found->is_string()) {
        return found->as_string().empty() ? "-" : std::string(found->as_string());
    }
    return json::serialize(*found);
}

std::string size_of(const json::value& object, const char* key) {
    const json::value* found = member(object, key);
    return found == nullptr || !found->is_number() ? "-" : format_size(found->to_number<std::uint64_t>());
}

std::string use_text(const json::value& use) {
    std::string text = size_of(use, "used_bytes");
    if (const std::string limit = size_of(use, "limit_bytes"); limit != "-") {
        text += " of " + limit;
    }
    if (text_of(use, "full") == "true") {
        text += ", FULL";
    } else if (const std::string alarm = text_of(use, "alarm"); alarm != "0" && alarm != "-") {
        text += ", above " + alarm + " %";
    }
    if (const std::string days = text_of(use, "full_in_days"); days != "-") {
        text += ", full in " + days + (days == "1" ? " day" : " days");
    }
    return text;
}

std::string use_of(const json::value& object, const char* key) {
    const json::value* found = member(object, key);
    return found == nullptr ? "-" : use_text(*found);
}

std::string time_of(const json::value& object, const char* key) {
    const json::value* found = member(object, key);
    if (found == nullptr || !found->is_number()) {
        return "-";
    }
    const std::time_t seconds = found->to_number<std::int64_t>() / 1000;
    std::tm parts{};
    localtime_r(&seconds, &parts);
    std::array<char, 32> buffer{};
    std::strftime(buffer.data(), buffer.size(), "%Y-%m-%d %H:%M:%S", &parts);
    return buffer.data();
}

const json::array& list_of(const json::value& object, const char* key) {
    static const json::array none;
    const json::value* found = member(object, key);
    return found != nullptr && found->is_array() ? found->as_array() : none;
}

json::array array_of(const std::vector<std::string>& words) {
    return json::array(words.begin(), words.end());
}

std::string words_of(const json::value& object, const char* key) {
    std::vector<std::string> words;
    for (const json::value& word : list_of(object, key)) {
        words.push_back(word.is_string() ? std::string(word.as_string()) : json::serialize(word));
    }
    return words.empty() ? "-" : join(words, ", ");
}

} // namespace rootstock::cli
