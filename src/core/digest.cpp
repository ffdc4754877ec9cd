#include "core/digest.hpp"

#include <openssl/crypto.h>
#include <openssl/evp.h>

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

struct Hasher::Context {
    std::unique_ptr<EVP_MD_CTX, void (*)(EVP_MD_CTX*)> evp{EVP_MD_CTX_new(), EVP_MD_CTX_free};
};

Hasher::Hasher(HashAlgorithm algorithm) : context_(std::make_unique<Context>()) {
    RS_ASSERT(context_->evp && EVP_DigestInit_ex(context_->evp.get(), message_digest(algorithm), nullptr) == 1);
}
Hasher::~Hasher() = default;

void Hasher::update(Bytes bytes) {
    RS_ASSERT(EVP_DigestUpdate(context_->evp.get(), bytes.data(), bytes.size()) == 1);
}

ByteVector Hasher::finish() {
    ByteVector digest(EVP_MAX_MD_SIZE);
    unsigned int size = 0;
    RS_ASSERT(EVP_DigestFinal_ex(context_->evp.get(), digest.data(), &size) == 1);
    digest.resize(size);
    return digest;
}

ByteVector hash(HashAlgorithm algorithm, std::initializer_list<Bytes> pieces) {
    Hasher hasher(algorithm);
    for (Bytes piece : pieces) {
        hasher.update(piece);
    }
    return hasher.finish();
}

bool constant_time_equal(Bytes a, Bytes b) {
    return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

} // namespace rootstock
