// Reading tables of a configuration file: typed values, and one line for each thing that is wrong, with what was expected and an example.
// Never stops at the first problem. Pure.
#pragma once

#include "app/toml_document.hpp"

#include "core/ipv4.hpp"

#include <chrono>
#include <optional>

namespace rootstock::app {

/// All that is wrong with a file.
class Problems {
  public:
    void add(TomlPlace place, std::string what) { problems_.push_back({place, std::move(what)}); }
    [[nodiscard]] bool empty() const { return problems_.empty(); }
    /// "FILE:LINE:COLUMN: what", in the order of the file.
    [[nodiscard]] std::vector<std::string> lines(const std::string& file) const;

  private:
    std::vector<TomlError> problems_;
};

/// What a value is, for messages: `the number 7`, `the text "x"`, `a list`.
[[nodiscard]] std::string describe(const TomlNode& node);
/// "12h", "30m", "90s", "7d", or whole seconds.
[[nodiscard]] std::optional<std::chrono::seconds> parse_duration(std::string_view text);

/// The text itself when `is_valid` says so.
template <class Check> auto text_if(Check is_valid) {
    return [is_valid](const std::string& text) { return is_valid(text) ? std::optional(text) : std::nullopt; };
}

/// One table. Every known key is asked for; finish() then complains of all others.
class TableReader {
  public:
    /// `table` may be null: then every key is missing. `name`: as in the file, "[dhcp]".
    TableReader(const TomlNode* table, std::string name, TomlPlace place, Problems& problems)
        : table_(table), name_(std::move(name)), place_(place), problems_(problems) {}

    /// `expected`: what the value must be; `example`: a whole value, "\"eth1\"". Both go into messages.
    struct Key {
        std::string_view key;
        std::string_view expected;
        std::string_view example;
    };

    /// The node of `key`, of any kind; null when it is missing.
    [[nodiscard]] const TomlNode* take(const Key& key);
    /// The same, and its absence is a problem.
    [[nodiscard]] const TomlNode* require(const Key& key);
    /// A value of another kind is a problem, and nothing.
    [[nodiscard]] std::optional<std::string> text(const Key& key);
    [[nodiscard]] std::optional<bool> boolean(const Key& key);
    [[nodiscard]] std::optional<std::int64_t> integer(const Key& key, std::int64_t least, std::int64_t most);
    /// A text that `parse` (text -> optional<T>) understands.
    template <class Parse> auto parsed(const Key& key, Parse parse) -> decltype(parse(std::string())) {
        const TomlNode* node = take(key);
        return node == nullptr ? std::nullopt : parsed_item(key, *node, parse);
    }
    /// A text, or a list of texts, that `parse` understands.
    template <class Parse> auto parsed_list(const Key& key, Parse parse) -> std::vector<typename decltype(parse(std::string()))::value_type> {
        std::vector<typename decltype(parse(std::string()))::value_type> values;
        const TomlNode* node = take(key);
        if (node == nullptr) {
            return values;
        }
        const bool is_list = node->kind == TomlNode::Kind::array;
        for (std::size_t i = 0; i < (is_list ? node->items.size() : 1); ++i) {
            if (auto value = parsed_item(key, is_list ? node->items[i] : *node, parse)) {
                values.push_back(std::move(*value));
            }
        }
        return values;
    }

    /// "[dhcp] range: expected ..., like range = ...; found ...".
    void complain(const Key& key, const TomlNode& node);
    void complain(TomlPlace place, const std::string& what) { problems_.add(place, name_ + " " + what); }
    /// Unknown keys; suggests the nearest known one.
    void finish();

    [[nodiscard]] TomlPlace place() const { return place_; }
    [[nodiscard]] Problems& problems() { return problems_; }

  private:
    template <class Parse> auto parsed_item(const Key& key, const TomlNode& node, Parse parse) -> decltype(parse(std::string())) {
        auto value = node.kind == TomlNode::Kind::text ? parse(node.text) : std::nullopt;
        if (!value) {
            complain(key, node);
        }
        return value;
    }

    const TomlNode* table_;
    std::string name_;
    TomlPlace place_;
    Problems& problems_;
    std::vector<std::string> known_;
};

} // namespace rootstock::app
