#include "dhcp/option.hpp"

#include "dhcp/codes.hpp"

#include <algorithm>

namespace rootstock::dhcp {

namespace {

constexpr std::size_t longest_part = 255;

template <class Wire> auto read_exactly(Bytes value) -> std::optional<typename Wire::value_type> {
    if (value.size() != sizeof(Wire)) {
        return std::nullopt;
    }
    return from_bytes<Wire>(value).value();
}

} // namespace

const Option* Options::find(std::uint8_t code) const {
    const auto found = std::find_if(list_.begin(), list_.end(), [code](const Option& o) { return o.code == code; });
    return found == list_.end() ? nullptr : &*found;
}

Bytes Options::get(std::uint8_t code) const {
    const Option* found = find(code);
    return found == nullptr ? Bytes{} : Bytes(found->value);
}

std::optional<std::uint8_t> Options::get_u8(std::uint8_t code) const {
    const Bytes value = get(code);
    return value.size() == 1 ? std::optional(value[0]) : std::nullopt;
}

std::optional<std::uint16_t> Options::get_u16(std::uint8_t code) const { return read_exactly<be16>(get(code)); }

std::optional<std::uint32_t> Options::get_u32(std::uint8_t code) const { return read_exactly<be32>(get(code)); }

std::optional<Ipv4> Options::get_address(std::uint8_t code) const {
    const auto value = get_u32(code);
    return value ? std::optional(Ipv4{*value}) : std::nullopt;
}

void Options::append(std::uint8_t code, Bytes value) {
    const auto found = std::find_if(list_.begin(), list_.end(), [code](const Option& o) { return o.code == code; });
    Option& option = found == list_.end() ? list_.emplace_back(Option{code, {}}) : *found;
    option.value.insert(option.value.end(), value.begin(), value.end());
}

bool decode_options(Bytes field, Options& options) {
    ByteReader reader(field);
    while (reader.remaining() > 0) {
        const auto code = reader.read<std::uint8_t>();
        if (code == option::end) {
            return true;
        }
        if (code == option::pad) {
            continue;
        }
        const auto length = reader.read<std::uint8_t>();
        const Bytes value = reader.take(length);
        if (!reader.ok()) {
            return false;
        }
        options.append(code, value);
    }
    return true; // some clients leave END out
}

std::size_t encoded_size(const Option& option) {
    const std::size_t parts = std::max<std::size_t>(1, (option.value.size() + longest_part - 1) / longest_part);
    return 2 * parts + option.value.size() + (option.code == option::boot_file_name ? 1 : 0);
}

void encode_option(const Option& option, ByteWriter& out) {
    Bytes rest(option.value);
    do {
        const Bytes part = rest.first(std::min(rest.size(), longest_part));
        out.byte(option.code);
        out.byte(static_cast<std::uint8_t>(part.size()));
        out.append(part);
        rest = rest.subspan(part.size());
    } while (!rest.empty());
    if (option.code == option::boot_file_name) {
        out.byte(option::pad);
    }
}

} // namespace rootstock::dhcp
