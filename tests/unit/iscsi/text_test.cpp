#include "iscsi/text.hpp"
#include <algorithm>
#include <array>

#include "iscsi/limits.hpp"
#include "support/catch.hpp"

using namespace rootstock;
using namespace rootstock::iscsi;

namespace {
std::string text_of(std::string_view with_bars) { // '|' stands for the NUL
    std::string text(with_bars);
    std::replace(text.begin(), text.end(), '|', '\0');
    return text;
}
} // namespace

TEST_CASE("Text: pairs are separated by NUL, empty ones are padding", "[iscsi][text]") {
    const std::string text = text_of("InitiatorName=iqn.a|X-b=c=d||E=|");
    const auto pairs = parse_text(text);
    REQUIRE(pairs);
    REQUIRE(pairs->size() == 3);
    CHECK((*pairs)[0].key == "InitiatorName");
    CHECK((*pairs)[1].value == "c=d");
    CHECK((*pairs)[2].value.empty());
}

TEST_CASE("Text: what is malformed or beyond a bound is refused", "[iscsi][text]") {
    const auto error_of = [](const std::string& text) { return parse_text(text).error(); };
    CHECK(error_of(text_of("A=1|B=2")) == TextError::not_terminated);
    CHECK(error_of(text_of("A|")) == TextError::missing_separator);
    CHECK(error_of(text_of("=1|")) == TextError::bad_key);
    CHECK(error_of(text_of("A b=1|")) == TextError::bad_key);
    CHECK(error_of(std::string(limits::key_name + 1, 'k') + text_of("=1|")) == TextError::bad_key);
    CHECK(error_of("A=" + std::string(limits::key_value + 1, 'v') + text_of("|")) == TextError::value_too_long);
    std::string many;
    for (std::size_t i = 0; i <= limits::keys_per_request; ++i) {
        many += text_of("K=v|");
    }
    CHECK(error_of(many) == TextError::too_many_keys);
}

TEST_CASE("Text: binary values are hexadecimal or base64", "[iscsi][text]") {
    struct Case {
        std::string_view value;
        std::optional<ByteVector> bytes;
    };
    const std::array<Case, 10> cases = {{{"0x0a0B", ByteVector{10, 11}},
                                         {"0XFf", ByteVector{255}},
                                         {"0x123", ByteVector{1, 0x23}},
                                         {"0bSGk=", ByteVector{'H', 'i'}},
                                         {"0BSGkh", ByteVector{'H', 'i', '!'}},
                                         {"0x", std::nullopt},
                                         {"0xgg", std::nullopt},
                                         {"0b*===", std::nullopt},
                                         {"1234", std::nullopt},
                                         {"0x0102030405", std::nullopt}}}; // longer than the limit
    for (const Case& c : cases) {
        CAPTURE(c.value);
        CHECK(parse_binary(c.value, 4) == c.bytes);
    }
    CHECK(format_binary(ByteVector{1, 0xab}) == "0x01ab");
}

TEST_CASE("Text: iSCSI names are checked and folded to lower case", "[iscsi][text]") {
    CHECK(normalise_name("IQN.2026-01.Test:A") == "iqn.2026-01.test:a");
    CHECK(normalise_name("eui.0123456789abcdef") == "eui.0123456789abcdef");
    CHECK(normalise_name("naa.52004567BA64678D") == "naa.52004567ba64678d");
    CHECK_FALSE(normalise_name("disk0"));
    CHECK_FALSE(normalise_name("iqn."));
    CHECK_FALSE(normalise_name("iqn.a b"));
    CHECK_FALSE(normalise_name("iqn." + std::string(limits::iscsi_name, 'x')));
}
