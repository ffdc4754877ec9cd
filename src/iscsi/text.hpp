// key=value text of login and text PDUs (RFC 7143 section 6.1). Pure; input is what an initiator sent.
#pragma once

#include "core/bytes.hpp"
#include "core/result.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace rootstock::iscsi {

enum class TextError : std::uint8_t { missing_separator, bad_key, value_too_long, too_many_keys, not_terminated };

struct KeyValue {
    std::string_view key;
    std::string_view value;
};

/// Splits `text`; the views point into it. Keys: section 6.1 standard-label, at most 63 characters. Empty pairs (padding) are skipped.
[[nodiscard]] Result<std::vector<KeyValue>, TextError> parse_text(std::string_view text);

/// Answers being built: "key=value\0" each.
class TextWriter {
  public:
    void add(std::string_view key, std::string_view value);
    void add(std::string_view key, std::uint32_t value);
    [[nodiscard]] bool empty() const { return text_.empty(); }
    [[nodiscard]] const std::string& text() const { return text_; }

  private:
    std::string text_;
};

/// A binary value (section 6.1): 0x..., 0b... (base64). Nothing when it is malformed or longer than `limit` bytes.
[[nodiscard]] std::optional<ByteVector> parse_binary(std::string_view value, std::size_t limit);
[[nodiscard]] std::string format_binary(Bytes value); // 0x...

/// A decimal or hexadecimal number (section 6.1).
[[nodiscard]] std::optional<std::uint64_t> parse_numeric(std::string_view value);

/// A valid iSCSI name (section 4.2.7): iqn., eui. or naa., at most 223 bytes, printable without blanks; in normalised lower case.
[[nodiscard]] std::optional<std::string> normalise_name(std::string_view name);

} // namespace rootstock::iscsi
