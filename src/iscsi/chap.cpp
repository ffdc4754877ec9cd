#include "iscsi/chap.hpp"

#include "core/text.hpp"
#include "iscsi/limits.hpp"

#include <algorithm>

namespace rootstock::iscsi {

namespace {
constexpr std::size_t longest_challenge = 1024; // section 12.1.3
constexpr std::size_t longest_response = 64;
} // namespace

Result<void, ChapError>
Chap::take(const ChapKeys& keys, Random& random, const SecretOf& secret_of, const Mutual& mutual, TextWriter& answer) {
    if (!keys.any()) {
        return {};
    }
    switch (state_) {
    case State::wants_algorithm:
        return choose_algorithm(keys, random, answer);
    case State::wants_response:
        return check_response(keys, secret_of, mutual, answer);
    case State::done:
        return ChapError::malformed;
    }
    return ChapError::malformed;
}

Result<void, ChapError> Chap::choose_algorithm(const ChapKeys& keys, Random& random, TextWriter& answer) {
    if (!keys.algorithms) {
        return ChapError::missing_key;
    }
    for (const std::string_view offer : split(*keys.algorithms, ',')) {
        const auto number = parse_numeric(offer);
        const auto found = std::find_if(chap_algorithms.begin(), chap_algorithms.end(),
                                        [&](const ChapAlgorithm& known) { return number == known.number; });
        if (found == chap_algorithms.end()) {
            continue;
        }
        algorithm_ = *found;
        challenge_.resize(algorithm_.size);
        random.fill(challenge_);
        identifier_ = static_cast<std::uint8_t>(random.u32());
        answer.add("CHAP_A", algorithm_.number);
        answer.add("CHAP_I", identifier_);
        answer.add("CHAP_C", format_binary(challenge_));
        state_ = State::wants_response;
        return {};
    }
    return ChapError::no_common_algorithm;
}

Result<void, ChapError>
Chap::check_response(const ChapKeys& keys, const SecretOf& secret_of, const Mutual& mutual, TextWriter& answer) {
    if (!keys.name || !keys.response || keys.identifier.has_value() != keys.challenge.has_value()) {
        return ChapError::missing_key;
    }
    const auto response = parse_binary(*keys.response, longest_response);
    if (!response || keys.name->size() > limits::chap_name) {
        return ChapError::malformed;
    }
    const auto secret = secret_of(*keys.name);
    // An unknown user costs the same time as a wrong response.
    const ByteVector expected = response_to(identifier_, secret ? *secret : std::string("unknown user"), challenge_);
    const bool equal = constant_time_equal(expected, *response);
    if (!secret) {
        return ChapError::unknown_user;
    }
    if (!equal) {
        return ChapError::wrong_response;
    }
    if (keys.challenge) {
        if (auto proved = prove_ourselves(keys, mutual, *secret, answer); !proved) {
            return proved;
        }
    }
    user_ = *keys.name;
    state_ = State::done;
    return {};
}

Result<void, ChapError>
Chap::prove_ourselves(const ChapKeys& keys, const Mutual& mutual, std::string_view their_secret, TextWriter& answer) const {
    const auto identifier = parse_numeric(*keys.identifier);
    const auto challenge = parse_binary(*keys.challenge, longest_challenge);
    if (!identifier || *identifier > 255 || !challenge || challenge->empty()) {
        return ChapError::malformed;
    }
    if (*challenge == challenge_) {
        return ChapError::reflected;
    }
    // One secret for both directions would let an attacker have us compute the answer to our own challenge (section 9.2.1).
    if (mutual.secret.empty() || mutual.secret == their_secret) {
        return ChapError::mutual_impossible;
    }
    answer.add("CHAP_N", mutual.user);
    answer.add("CHAP_R", format_binary(response_to(static_cast<std::uint8_t>(*identifier), mutual.secret, *challenge)));
    return {};
}

ByteVector Chap::response_to(std::uint8_t identifier, std::string_view secret, Bytes challenge) const {
    return hash(algorithm_.hash, {Bytes(&identifier, 1), as_bytes(secret), challenge});
}

} // namespace rootstock::iscsi
