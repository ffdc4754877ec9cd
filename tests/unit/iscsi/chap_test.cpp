#include "iscsi/chap.hpp"

#include "support/catch.hpp"

using namespace rootstock;
using namespace rootstock::iscsi;

namespace {

/// Fills with 0, 1, 2, ...: the challenge is known, the identifier is 0x03 (of 00 01 02 03).
class CountingRandom final : public Random {
    void fill(MutableBytes out) override {
        for (std::size_t i = 0; i < out.size(); ++i) {
            out[i] = static_cast<std::uint8_t>(i);
        }
    }
};

struct Run {
    CountingRandom random;
    Chap chap;
    Chap::Mutual mutual;
    TextWriter answer;

    Result<void, ChapError> take(const ChapKeys& keys) {
        answer = TextWriter();
        return chap.take(
            keys, random, [](std::string_view user) { return user == "pc01" ? std::optional<std::string>("secret12secret34") : std::nullopt; },
            mutual, answer);
    }
    std::string value(std::string_view key) const {
        for (const KeyValue& pair : *parse_text(answer.text())) {
            if (pair.key == key) {
                return std::string(pair.value);
            }
        }
        return "(none)";
    }
    /// The initiator's side, computed apart from the code under test.
    std::string response(HashAlgorithm algorithm, std::string_view secret) const {
        const auto identifier = static_cast<std::uint8_t>(*parse_numeric(value("CHAP_I")));
        return format_binary(hash(algorithm, {Bytes(&identifier, 1), as_bytes(secret), *parse_binary(value("CHAP_C"), 64)}));
    }
};

ChapKeys algorithms(std::string_view list) {
    ChapKeys keys;
    keys.algorithms = list;
    return keys;
}

ChapKeys proof(std::string_view name, std::string_view response) {
    ChapKeys keys;
    keys.name = name;
    keys.response = response;
    return keys;
}

} // namespace

TEST_CASE("CHAP: every algorithm lets the right secret in and no other", "[iscsi][chap]") {
    for (const ChapAlgorithm& algorithm : chap_algorithms) {
        CAPTURE(int{algorithm.number});
        for (const std::string secret : {"secret12secret34", "secret12secret35", ""}) {
            Run run;
            REQUIRE(run.take(algorithms("99," + std::to_string(algorithm.number))));
            CHECK(run.value("CHAP_A") == std::to_string(algorithm.number));
            const std::string response = run.response(algorithm.hash, secret);
            const auto taken = run.take(proof("pc01", response));
            CHECK(taken.has_value() == (secret == "secret12secret34"));
            CHECK(run.chap.done() == taken.has_value());
        }
    }
}

TEST_CASE("CHAP: the MD5 response is that of RFC 1994", "[iscsi][chap]") {
    Run run;
    REQUIRE(run.take(algorithms("5")));
    REQUIRE(run.value("CHAP_C") == "0x000102030405060708090a0b0c0d0e0f");
    REQUIRE(run.value("CHAP_I") == "0"); // the low byte of 00 01 02 03 read as a little-endian number
    // printf '\0secret12secret34\0\1\2\3\4\5\6\7\10\11\12\13\14\15\16\17' | md5sum
    CHECK(run.take(proof("pc01", "0xf27dcde3911f0a9fc886b1f211e99e0d")).has_value());
}

TEST_CASE("CHAP: what is missing, malformed or out of turn is refused", "[iscsi][chap]") {
    const auto after_challenge = [](const ChapKeys& keys) {
        Run run;
        REQUIRE(run.take(algorithms("5")));
        return run.take(keys).error();
    };
    Run run;
    CHECK(run.take(algorithms("1,2,99")).error() == ChapError::no_common_algorithm);
    CHECK(run.take(proof("pc01", "0x00")).error() == ChapError::missing_key);
    CHECK(after_challenge(algorithms("5")) == ChapError::missing_key);
    CHECK(after_challenge(proof("pc01", "zz")) == ChapError::malformed);
    CHECK(after_challenge(proof(std::string(256, 'x'), "0x00")) == ChapError::malformed);
    CHECK(after_challenge(proof("pc02", "0x00")) == ChapError::unknown_user);
    CHECK(after_challenge(proof("pc01", "0x00")) == ChapError::wrong_response);
}

TEST_CASE("CHAP: mutual: the target proves itself with its own secret", "[iscsi][chap]") {
    const ByteVector challenge{9, 8, 7};
    const std::string challenge_text = format_binary(challenge);
    const auto run_with = [&](const Chap::Mutual& mutual, const std::string& sent_challenge, Run& run) {
        run.mutual = mutual;
        REQUIRE(run.take(algorithms("7")));
        const std::string own = run.value("CHAP_C");
        const std::string response = run.response(HashAlgorithm::sha256, "secret12secret34");
        ChapKeys keys = proof("pc01", response);
        keys.identifier = "5";
        const std::string sent = sent_challenge == "reflect" ? own : sent_challenge;
        keys.challenge = sent;
        return run.take(keys);
    };
    Run run;
    REQUIRE(run_with({"target", "othersecret56"}, challenge_text, run));
    const std::uint8_t identifier = 5;
    CHECK(run.value("CHAP_N") == "target");
    CHECK(run.value("CHAP_R") ==
          format_binary(hash(HashAlgorithm::sha256, {Bytes(&identifier, 1), as_bytes("othersecret56"), challenge})));
    Run same;
    CHECK(run_with({"target", "secret12secret34"}, challenge_text, same).error() == ChapError::mutual_impossible);
    Run none;
    CHECK(run_with({}, challenge_text, none).error() == ChapError::mutual_impossible);
    Run reflected;
    CHECK(run_with({"target", "othersecret56"}, "reflect", reflected).error() == ChapError::reflected);
}

TEST_CASE("CHAP: the initiator's order of algorithms decides, in any spelling of a number", "[iscsi][chap]") {
    for (const auto& [offer, chosen] : {std::pair{"8,7,6,5", "8"}, std::pair{"5,8", "5"}, std::pair{"4,0x7,5", "7"}, std::pair{"x,,6", "6"}}) {
        Run run;
        REQUIRE(run.take(algorithms(offer)));
        CHECK(run.value("CHAP_A") == chosen);
    }
}

TEST_CASE("CHAP: mutual: ranges of identifier and challenge, and their spellings", "[iscsi][chap]") {
    struct Case {
        const char* identifier;
        std::string challenge;
        std::optional<ChapError> error;
    };
    const Case cases[] = {
        {"0", "0x00", std::nullopt},
        {"255", "0bAAECAw==", std::nullopt},
        {"0xff", format_binary(ByteVector(1024, 1)), std::nullopt},
        {"256", "0x00", ChapError::malformed},
        {"-1", "0x00", ChapError::malformed},
        {"0", "", ChapError::malformed},
        {"0", "0x", ChapError::malformed},
        {"0", "1234", ChapError::malformed},
        {"0", format_binary(ByteVector(1025, 1)), ChapError::malformed},
    };
    for (const Case& c : cases) {
        CAPTURE(c.identifier, c.challenge);
        Run run;
        run.mutual = {"target", "othersecret56"};
        REQUIRE(run.take(algorithms("5")));
        const std::string response = run.response(HashAlgorithm::md5, "secret12secret34");
        ChapKeys keys = proof("pc01", response);
        keys.identifier = c.identifier;
        keys.challenge = c.challenge;
        const auto taken = run.take(keys);
        CHECK(taken.has_value() == !c.error);
        CHECK((taken || taken.error() == *c.error));
        CHECK(run.chap.done() == taken.has_value());
    }
}
