// Hashes by OpenSSL: CHAP (RFC 7143 section 12.1.3) and content digests.
#pragma once

#include "core/bytes.hpp"

#include <memory>

namespace rootstock {

enum class HashAlgorithm { md5, sha1, sha256, sha3_256 };

/// The digest of the concatenated `pieces`; 16, 20, 32 or 32 bytes.
[[nodiscard]] ByteVector hash(HashAlgorithm algorithm, std::initializer_list<Bytes> pieces);

/// The digest of what comes in parts.
class Hasher {
  public:
    explicit Hasher(HashAlgorithm algorithm);
    ~Hasher();
    void update(Bytes bytes);
    /// Once, at the end.
    [[nodiscard]] ByteVector finish();

  private:
    struct Context; // OpenSSL's
    std::unique_ptr<Context> context_;
};

/// Compares without telling by its time where the difference is. Different sizes are unequal.
[[nodiscard]] bool constant_time_equal(Bytes a, Bytes b);

} // namespace rootstock
