#include "app/config_reader.hpp"

#include "core/text.hpp"

#include <algorithm>

namespace rootstock::app {

std::vector<std::string> Problems::lines(const std::string& file) const {
    std::vector<TomlError> sorted = problems_;
    std::stable_sort(sorted.begin(), sorted.end(), [](const TomlError& a, const TomlError& b) { return a.place < b.place; });
    std::vector<std::string> lines;
    for (const TomlError& problem : sorted) {
        lines.push_back(file + ":" + std::to_string(problem.place.line) + ":" + std::to_string(problem.place.column) + ": " + problem.what);
    }
    return lines;
}

std::string describe(const TomlNode& node) {
    switch (node.kind) {
    case TomlNode::Kind::table:
        return "a table";
    case TomlNode::Kind::array:
        return node.items.empty() ? "an empty list" : "a list";
    case TomlNode::Kind::text:
        return "\"" + node.text + "\"";
    case TomlNode::Kind::integer:
        return "the number " + std::to_string(node.integer);
    case TomlNode::Kind::real:
        return "a number with a fraction";
    case TomlNode::Kind::boolean:
        return node.truth ? "true" : "false";
    case TomlNode::Kind::time:
        return "a date or time";
    }
    return {};
}

std::optional<std::chrono::seconds> parse_duration(std::string_view text) {
    constexpr std::int64_t longest = std::int64_t{1} << 40; // keeps the products below in range
    std::int64_t factor = 1;
    if (!text.empty()) {
        switch (text.back()) {
        case 'd':
            factor = 86400;
            break;
        case 'h':
            factor = 3600;
            break;
        case 'm':
            factor = 60;
            break;
        default:
            break;
        }
        if (factor != 1 || text.back() == 's') {
            text.remove_suffix(1);
        }
    }
    const auto number = parse_number<std::int64_t>(trim(text));
    if (!number || *number < 0 || *number > longest) {
        return std::nullopt;
    }
    return std::chrono::seconds(*number * factor);
}

const TomlNode* TableReader::take(const Key& key) {
    if (std::find(known_.begin(), known_.end(), key.key) == known_.end()) {
        known_.emplace_back(key.key);
    }
    return table_ == nullptr ? nullptr : table_->find(key.key);
}

const TomlNode* TableReader::require(const Key& key) {
    const TomlNode* node = take(key);
    if (node == nullptr) {
        complain(place_, "has no " + std::string(key.key) + ": expected " + std::string(key.expected) + ", like " + std::string(key.key) + " = " +
                             std::string(key.example));
    }
    return node;
}

std::optional<std::string> TableReader::text(const Key& key) {
    return parsed(key, [](const std::string& text) { return text.empty() ? std::nullopt : std::optional(text); });
}

std::optional<bool> TableReader::boolean(const Key& key) {
    const TomlNode* node = take(key);
    if (node == nullptr) {
        return std::nullopt;
    }
    if (node->kind != TomlNode::Kind::boolean) {
        complain(key, *node);
        return std::nullopt;
    }
    return node->truth;
}

std::optional<std::int64_t> TableReader::integer(const Key& key, std::int64_t least, std::int64_t most) {
    const TomlNode* node = take(key);
    if (node == nullptr) {
        return std::nullopt;
    }
    if (node->kind != TomlNode::Kind::integer || node->integer < least || node->integer > most) {
        complain(key, *node);
        return std::nullopt;
    }
    return node->integer;
}

void TableReader::complain(const Key& key, const TomlNode& node) {
    complain(node.place, std::string(key.key) + ": expected " + std::string(key.expected) + ", like " + std::string(key.key) + " = " +
                             std::string(key.example) + "; found " + describe(node));
}

void TableReader::finish() {
    if (table_ == nullptr) {
        return;
    }
    for (const TomlMember& member : table_->members) {
        if (std::find(known_.begin(), known_.end(), member.key) != known_.end()) {
            continue;
        }
        const auto nearest = nearest_word(member.key, known_);
        complain(member.place, "has no key \"" + member.key + "\"" +
                                   (nearest ? "; did you mean " + *nearest + "?" : "; its keys are: " + join(known_, ", ")));
    }
}

} // namespace rootstock::app
