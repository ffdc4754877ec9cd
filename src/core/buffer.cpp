#include "core/buffer.hpp"

#include <algorithm>
#include <bit>
#include <cstdlib>
#include <new>

namespace rootstock {

namespace {
constexpr std::size_t class_size(std::size_t size_class) { return BufferPool::smallest << size_class; }

std::uint8_t class_of(std::size_t size) {
    if (size <= BufferPool::smallest) {
        return 0;
    }
    const auto index = std::bit_width((size - 1) / BufferPool::smallest);
    return static_cast<std::uint8_t>(std::min<std::size_t>(static_cast<std::size_t>(index), BufferPool::class_count));
}
} // namespace

void PooledBuffer::release() {
    if (data_ != nullptr) {
        pool_->take_back(data_, size_class_);
        data_ = nullptr;
        size_ = 0;
    }
}

BufferPool::~BufferPool() {
    for (auto& list : free_) {
        for (std::uint8_t* data : list) {
            std::free(data);
        }
    }
}

PooledBuffer BufferPool::acquire(std::size_t size) {
    PooledBuffer buffer;
    buffer.pool_ = this;
    buffer.size_ = size;
    buffer.size_class_ = class_of(size);
    if (buffer.size_class_ < class_count && !free_[buffer.size_class_].empty()) {
        buffer.data_ = free_[buffer.size_class_].back();
        free_[buffer.size_class_].pop_back();
        return buffer;
    }
    const std::size_t allocated =
        buffer.size_class_ < class_count ? class_size(buffer.size_class_) : (size + smallest - 1) / smallest * smallest;
    buffer.data_ = static_cast<std::uint8_t*>(std::aligned_alloc(smallest, allocated));
    if (buffer.data_ == nullptr) {
        throw std::bad_alloc();
    }
    return buffer;
}

void BufferPool::take_back(std::uint8_t* data, std::uint8_t size_class) {
    if (size_class >= class_count || free_[size_class].size() * class_size(size_class) >= kept_bytes_per_class) {
        std::free(data);
        return;
    }
    free_[size_class].push_back(data);
}

} // namespace rootstock
