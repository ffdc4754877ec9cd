#include "app/toml_document.hpp"

#include "core/text.hpp"

#include <algorithm>

namespace rootstock::app {
namespace {
/// The parser (3.3) asserts that a key begins with a character that keys may have, where it should complain: a file must not end the program.
struct BrokenKey {};
constexpr void check_key(bool is_good) {
    if (!is_good) {
        throw BrokenKey();
    }
}
} // namespace
} // namespace rootstock::app

#undef NDEBUG // with it the parser takes its assertions for granted
#define TOML_ASSERT(condition) ::rootstock::app::check_key(static_cast<bool>(condition))
// Header-only on purpose: the distribution's libtomlplusplus.so is not everywhere where this binary runs.
#define TOML_HEADER_ONLY 1
#define TOML_EXCEPTIONS 1
#define TOML_ENABLE_FORMATTERS 0
#include <toml++/toml.h>

namespace rootstock::app {

namespace {

TomlPlace place_of(const toml::source_region& region) {
    return {static_cast<int>(region.begin.line), static_cast<int>(region.begin.column)};
}

TomlNode convert(const toml::node& node);

void convert_table(const toml::table& table, TomlNode& out) {
    for (const auto& [key, value] : table) {
        out.members.push_back({std::string(key.str()), place_of(key.source()), convert(value)});
    }
    std::sort(out.members.begin(), out.members.end(), [](const TomlMember& a, const TomlMember& b) { return a.place < b.place; });
}

/// The depth is bounded by the parser (256).
TomlNode convert(const toml::node& node) {
    TomlNode out;
    out.place = place_of(node.source());
    if (const toml::table* table = node.as_table()) {
        convert_table(*table, out);
    } else if (const toml::array* array = node.as_array()) {
        out.kind = TomlNode::Kind::array;
        for (const toml::node& item : *array) {
            out.items.push_back(convert(item));
        }
    } else if (const auto text = node.value_exact<std::string>()) {
        out.kind = TomlNode::Kind::text;
        out.text = *text;
    } else if (const auto integer = node.value_exact<std::int64_t>()) {
        out.kind = TomlNode::Kind::integer;
        out.integer = *integer;
    } else if (node.is_boolean()) {
        out.kind = TomlNode::Kind::boolean;
        out.truth = node.as_boolean()->get();
    } else {
        out.kind = node.is_floating_point() ? TomlNode::Kind::real : TomlNode::Kind::time;
    }
    return out;
}

bool has_broken_key(std::string_view text) {
    try {
        static_cast<void>(toml::parse(text));
    } catch (const BrokenKey&) {
        return true;
    } catch (const toml::parse_error&) { // a text that was cut off may have mistakes of its own
    }
    return false;
}

/// A broken key comes without its place: the first line with which the text is broken.
int line_of_broken_key(std::string_view text) {
    const auto lines = split(text, '\n');
    std::size_t good = 0;
    std::size_t broken = lines.size();
    while (broken - good > 1) {
        const std::size_t middle = (good + broken) / 2;
        const auto size = static_cast<std::size_t>(lines[middle - 1].data() + lines[middle - 1].size() - text.data());
        (has_broken_key(text.substr(0, size)) ? broken : good) = middle;
    }
    return static_cast<int>(broken);
}

std::string_view line_of(std::string_view text, int number) {
    const auto lines = split(text, '\n');
    const auto at = static_cast<std::size_t>(number - 1);
    return at < lines.size() ? trim(lines[at]) : std::string_view();
}

/// What people write who do not know TOML, and what they should write. Empty: no idea.
std::string remedy(std::string_view line) {
    const auto equals = line.find('=');
    if (equals == std::string_view::npos) {
        const auto colon = line.find(':');
        const bool is_header = line.starts_with('[');
        return is_header || colon == std::string_view::npos
                   ? ""
                   : "; in TOML it is " + std::string(trim(line.substr(0, colon))) + " = " + std::string(trim(line.substr(colon + 1)));
    }
    const std::string key(trim(line.substr(0, equals)));
    const std::string value(trim(line.substr(equals + 1, line.find('#', equals) - equals - 1)));
    if (value.empty()) {
        return "; the value is missing";
    }
    const bool quoted = value.front() == '"' || value.front() == '\'' || value.front() == '[' || value.front() == '{';
    if (!quoted && value.find('"') == std::string::npos) {
        return "; a text needs quotes: " + key + " = \"" + value + "\"";
    }
    if (value.front() == '"' && std::count(value.begin(), value.end(), '"') == 1) {
        return "; the closing quote is missing: " + key + " = " + value + "\"";
    }
    return "";
}

} // namespace

const TomlNode* TomlNode::find(std::string_view key) const {
    const auto at = std::find_if(members.begin(), members.end(), [key](const TomlMember& member) { return member.key == key; });
    return at == members.end() ? nullptr : &at->node;
}

Result<TomlNode, TomlError> parse_toml(std::string_view text) {
    try {
        return convert(toml::parse(text));
    } catch (const toml::parse_error& error) {
        const TomlPlace place = place_of(error.source());
        std::string what(error.description());
        std::replace(what.begin(), what.end(), '\n', ' '); // one problem, one line
        return TomlError{place, what + remedy(line_of(text, place.line))};
    } catch (const BrokenKey&) {
        return TomlError{{line_of_broken_key(text), 1}, "a name is missing or begins with a character that needs quotes, like [server] or name = \"x\""};
    }
}

} // namespace rootstock::app
