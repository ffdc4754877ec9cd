// CHAP, the target's side (RFC 7143 section 12.1.3, RFC 1994): one-way, and mutual when the initiator asks and we have a secret for it.
// Algorithms by one table. Pure but for the random challenge; secrets stay in the call that needs them and are never logged.
#pragma once

#include "core/digest.hpp"
#include "core/random.hpp"
#include "core/result.hpp"
#include "iscsi/text.hpp"

#include <functional>

namespace rootstock::iscsi {

struct ChapAlgorithm {
    std::uint8_t number; // IANA, CHAP_A
    HashAlgorithm hash;
    std::size_t size;
};
/// The initiator's list decides the order; iPXE knows only MD5.
inline constexpr std::array<ChapAlgorithm, 4> chap_algorithms = {{
    {5, HashAlgorithm::md5, 16},
    {6, HashAlgorithm::sha1, 20},
    {7, HashAlgorithm::sha256, 32},
    {8, HashAlgorithm::sha3_256, 32},
}};

enum class ChapError : std::uint8_t {
    no_common_algorithm,
    missing_key,
    malformed,
    unknown_user,
    wrong_response,
    reflected,         // our own challenge came back (section 9.2.1)
    mutual_impossible, // the initiator wants proof and we have no secret for it, or the same one
};

/// The CHAP keys of one Login Request.
struct ChapKeys {
    std::optional<std::string_view> algorithms, name, response, identifier, challenge;
    [[nodiscard]] bool any() const { return algorithms || name || response || identifier || challenge; }
};

class Chap {
  public:
    using SecretOf = std::function<std::optional<std::string>(std::string_view user)>;
    struct Mutual {
        std::string user;
        std::string secret; // empty: not configured
    };

    /// Takes the initiator's keys, appends ours. Nothing to do without keys.
    [[nodiscard]] Result<void, ChapError>
    take(const ChapKeys& keys, Random& random, const SecretOf& secret_of, const Mutual& mutual, TextWriter& answer);

    [[nodiscard]] bool done() const { return state_ == State::done; }
    [[nodiscard]] const std::string& user() const { return user_; }

  private:
    enum class State : std::uint8_t { wants_algorithm, wants_response, done };

    [[nodiscard]] Result<void, ChapError> choose_algorithm(const ChapKeys& keys, Random& random, TextWriter& answer);
    [[nodiscard]] Result<void, ChapError>
    check_response(const ChapKeys& keys, const SecretOf& secret_of, const Mutual& mutual, TextWriter& answer);
    [[nodiscard]] Result<void, ChapError>
    prove_ourselves(const ChapKeys& keys, const Mutual& mutual, std::string_view their_secret, TextWriter& answer) const;
    [[nodiscard]] ByteVector response_to(std::uint8_t identifier, std::string_view secret, Bytes challenge) const;

    State state_ = State::wants_algorithm;
    ChapAlgorithm algorithm_ = chap_algorithms[0];
    std::uint8_t identifier_ = 0;
    ByteVector challenge_;
    std::string user_;
};

} // namespace rootstock::iscsi
