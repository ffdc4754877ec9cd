// Negotiation of operational keys: each offer gets its answer by the table (RFC 7143 sections 6.2 and 13). Pure.
#pragma once

#include "iscsi/login_keys.hpp"
#include "iscsi/text.hpp"

#include <bitset>

namespace rootstock::iscsi {

enum class SessionType : std::uint8_t { normal, discovery };

enum class NegotiationError : std::uint8_t {
    duplicate_key,      // section 6.2: a key may be negotiated once in a login
    not_at_this_stage,
    target_only_key,
};

class Negotiation {
  public:
    /// One key of the initiator at `stage` (a bit of key_stage). Answers go to `answer`; security keys, SendTargets and declarations are
    /// only checked for place and repetition, their owner reads the value.
    [[nodiscard]] Result<void, NegotiationError> take(const KeyValue& pair, std::uint8_t stage, SessionType type, TextWriter& answer);

    /// Declares our own numbers; once, in the operational stage.
    void declare_ours(TextWriter& answer);

    /// A Text Request begins in full feature phase: keys may come again.
    void begin_text_exchange() { seen_.reset(); }

    [[nodiscard]] Parameters parameters() const;

  private:
    void answer_offer(const KeyRule& rule, std::string_view value, TextWriter& answer);
    void answer_boolean(const KeyRule& rule, std::string_view value, TextWriter& answer);
    void answer_number(const KeyRule& rule, std::string_view value, TextWriter& answer);
    void answer_digest(const KeyRule& rule, std::string_view value, TextWriter& answer);

    Parameters parameters_;
    std::bitset<login_keys.size()> seen_;
    bool declared_ = false;
};

} // namespace rootstock::iscsi
