// A TOML file as a tree of values with their places. Hides the parser: toml_document.cpp alone includes it, because it takes seconds to compile.
#pragma once

#include "core/result.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace rootstock::app {

/// Both count from 1, as editors do.
struct TomlPlace {
    int line = 1;
    int column = 1;
    auto operator<=>(const TomlPlace&) const = default;
};

struct TomlMember;

struct TomlNode {
    enum class Kind : std::uint8_t { table, array, text, integer, real, boolean, time };
    Kind kind = Kind::table;
    TomlPlace place;
    std::string text;                // of a text
    std::int64_t integer = 0;        // of an integer
    bool truth = false;              // of a boolean
    std::vector<TomlMember> members; // of a table, in the order of the file
    std::vector<TomlNode> items;     // of an array

    [[nodiscard]] const TomlNode* find(std::string_view key) const;
};

struct TomlMember {
    std::string key;
    TomlPlace place; // of the key
    TomlNode node;
};

struct TomlError {
    TomlPlace place;
    std::string what;
};

/// Pure. The first mistake ends the parsing.
[[nodiscard]] Result<TomlNode, TomlError> parse_toml(std::string_view text);

} // namespace rootstock::app
