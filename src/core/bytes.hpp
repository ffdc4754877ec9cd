// Spans of bytes and bounds-checked cursors over them. A Bytes never outlives the call that it was passed to.
#pragma once

#include "core/assert.hpp"

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

namespace rootstock {

using Bytes = std::span<const std::uint8_t>;
using MutableBytes = std::span<std::uint8_t>;
using ByteVector = std::vector<std::uint8_t>;

[[nodiscard]] inline Bytes as_bytes(std::string_view text) {
    return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}
[[nodiscard]] inline std::string_view as_text(Bytes bytes) {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}
template <class T>
    requires std::is_trivially_copyable_v<T>
[[nodiscard]] Bytes object_bytes(const T& object) {
    return {reinterpret_cast<const std::uint8_t*>(&object), sizeof(T)};
}
template <class T>
    requires std::is_trivially_copyable_v<T>
[[nodiscard]] MutableBytes object_bytes(T& object) {
    return {reinterpret_cast<std::uint8_t*>(&object), sizeof(T)};
}

/// Copies a wire struct out of the front of `bytes`. The caller has checked the size.
template <class T>
    requires std::is_trivially_copyable_v<T>
[[nodiscard]] T from_bytes(Bytes bytes) {
    RS_ASSERT(bytes.size() >= sizeof(T));
    T object;
    std::memcpy(&object, bytes.data(), sizeof(T));
    return object;
}

/// Reads forward. A read past the end yields zeros or an empty span and makes ok() false for good: check once at the end.
class ByteReader {
  public:
    explicit ByteReader(Bytes bytes) : rest_(bytes) {}

    [[nodiscard]] bool ok() const { return ok_; }
    [[nodiscard]] std::size_t remaining() const { return rest_.size(); }
    [[nodiscard]] Bytes rest() const { return rest_; }

    Bytes take(std::size_t count) {
        if (count > rest_.size()) {
            ok_ = false;
            rest_ = {};
            return {};
        }
        Bytes front = rest_.first(count);
        rest_ = rest_.subspan(count);
        return front;
    }
    void skip(std::size_t count) { take(count); }

    /// T: a wire integer (be16, le32, ...), a byte, or a trivial wire struct.
    template <class T> T read() {
        Bytes front = take(sizeof(T));
        if (front.size() != sizeof(T)) {
            return T{};
        }
        return from_bytes<T>(front);
    }

  private:
    Bytes rest_;
    bool ok_ = true;
};

/// Appends to a vector; patch() overwrites what was written before.
class ByteWriter {
  public:
    explicit ByteWriter(ByteVector& out) : out_(out) {}

    [[nodiscard]] std::size_t size() const { return out_.size(); }

    void append(Bytes bytes) { out_.insert(out_.end(), bytes.begin(), bytes.end()); }
    void append(std::string_view text) { append(as_bytes(text)); }
    void fill(std::size_t count, std::uint8_t value = 0) { out_.insert(out_.end(), count, value); }
    void byte(std::uint8_t value) { out_.push_back(value); }

    /// T: a wire integer or a trivial wire struct: write(be32(7)).
    template <class T>
        requires std::is_trivially_copyable_v<T>
    void write(const T& object) {
        append(object_bytes(object));
    }
    template <class T>
        requires std::is_trivially_copyable_v<T>
    void patch(std::size_t offset, const T& object) {
        RS_ASSERT(offset + sizeof(T) <= out_.size());
        std::memcpy(out_.data() + offset, &object, sizeof(T));
    }

  private:
    ByteVector& out_;
};

} // namespace rootstock
