#include "core/digest.hpp"

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include <memory>

namespace rootstock {

namespace {
const EVP_MD* message_digest(HashAlgorithm algorithm) {
    switch (algorithm) {
    case HashAlgorithm::md5:
        return EVP_md5();
    case HashAlgorithm::sha1:
        return EVP_sha1();
    case HashAlgorithm::sha256:
        return EVP_sha256();
    case HashAlgorithm::sha3_256:
        return EVP_sha3_256();
    }
    return nullptr;
}
} // namespace

ByteVector hash(HashAlgorithm algorithm, std::initializer_list<Bytes> pieces) {
    std::unique_ptr<EVP_MD_CTX, void (*)(EVP_MD_CTX*)> context(EVP_MD_CTX_new(), EVP_MD_CTX_free);
    RS_ASSERT(context && EVP_DigestInit_ex(context.get(), message_digest(algorithm), nullptr) == 1);
    for (Bytes piece : pieces) {
        RS_ASSERT(EVP_DigestUpdate(context.get(), piece.data(), piece.size()) == 1);
    }
    ByteVector digest(EVP_MAX_MD_SIZE);
    unsigned int size = 0;
    RS_ASSERT(EVP_DigestFinal_ex(context.get(), digest.data(), &size) == 1);
    digest.resize(size);
    return digest;
}

bool constant_time_equal(Bytes a, Bytes b) {
    return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

} // namespace rootstock
