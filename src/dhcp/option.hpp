// The options of a DHCP message (RFC 2132) as code and value; long values joined and split by RFC 3396.
// Pure; used by message, pxe, server and their tests.
#pragma once

#include "core/bytes.hpp"
#include "core/ipv4.hpp"
#include "core/wire_int.hpp"

#include <optional>
#include <vector>

namespace rootstock::dhcp {

struct Option {
    std::uint8_t code = 0;
    ByteVector value;
    bool operator==(const Option&) const = default;
};

/// In the order of the first appearance; each code once.
class Options {
  public:
    [[nodiscard]] bool has(std::uint8_t code) const { return find(code) != nullptr; }
    /// The value; empty when it is absent (no option of ours needs the difference: ask has()).
    [[nodiscard]] Bytes get(std::uint8_t code) const;
    /// Nothing when the option is absent or has another size.
    [[nodiscard]] std::optional<std::uint8_t> get_u8(std::uint8_t code) const;
    [[nodiscard]] std::optional<std::uint16_t> get_u16(std::uint8_t code) const;
    [[nodiscard]] std::optional<std::uint32_t> get_u32(std::uint8_t code) const;
    [[nodiscard]] std::optional<Ipv4> get_address(std::uint8_t code) const;

    /// Adds to the value that is there: RFC 3396 section 7, also across the overloaded fields.
    void append(std::uint8_t code, Bytes value);
    void add(std::uint8_t code, std::string_view text) { append(code, as_bytes(text)); }
    void add_u8(std::uint8_t code, std::uint8_t value) { append(code, object_bytes(value)); }
    void add_u32(std::uint8_t code, std::uint32_t value) { append(code, object_bytes(be32(value))); }
    void add_address(std::uint8_t code, Ipv4 address) { add_u32(code, address.value); }

    [[nodiscard]] auto begin() const { return list_.begin(); }
    [[nodiscard]] auto end() const { return list_.end(); }
    [[nodiscard]] std::size_t count() const { return list_.size(); }
    bool operator==(const Options&) const = default;

  private:
    [[nodiscard]] const Option* find(std::uint8_t code) const;
    std::vector<Option> list_;
};

/// Reads code/length/value until END or the end of `field`. False: a length runs past it.
[[nodiscard]] bool decode_options(Bytes field, Options& options);

/// Bytes that `option` takes on the wire: one header for each 255 bytes of its value.
[[nodiscard]] std::size_t encoded_size(const Option& option);
/// Without END. Option 67 is followed by a pad byte: EDK2 terminates the name in place, over whatever comes next.
void encode_option(const Option& option, ByteWriter& out);

} // namespace rootstock::dhcp
