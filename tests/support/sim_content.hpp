// What a file of a SimFileSystem holds.
#pragma once

#include "core/checked.hpp"
#include "images/file.hpp"

#include <algorithm>
#include <array>
#include <map>

#include <sys/mman.h>

namespace rootstock::test {

/// Sparse contents. Copies share chunks, and chunks their pages, until one changes.
class SimContent {
  public:
    [[nodiscard]] std::uint64_t size() const { return size_; }
    [[nodiscard]] std::uint64_t allocated() const {
        std::uint64_t pages = 0;
        for (const auto& [index, chunk] : chunks_) {
            pages += chunk->used;
        }
        return pages * page_size;
    }

    void read(std::uint64_t offset, MutableBytes out) const {
        for (std::size_t done = 0; done < out.size();) {
            const std::uint64_t at = offset + done;
            const auto chunk = chunks_.find(at / chunk_size);
            const std::size_t in_chunk = piece(at, out.size() - done, chunk_size);
            if (chunk == chunks_.end()) {
                std::memset(out.data() + done, 0, in_chunk);
            } else {
                read_chunk(*chunk->second, at % chunk_size, out.subspan(done, in_chunk));
            }
            done += in_chunk;
        }
    }
    /// Calls `see(offset, bytes)` for every page that is there.
    template <class See> void for_each_page(See&& see) const {
        for (const auto& [index, chunk] : chunks_) {
            for (std::size_t page = 0; page < chunk_pages; ++page) {
                if (chunk->pages[page]) {
                    see(index * chunk_size + page * page_size, Bytes(*chunk->pages[page]));
                }
            }
        }
    }
    void write(std::uint64_t offset, Bytes data) {
        for (std::size_t done = 0; done < data.size();) {
            const std::uint64_t at = offset + done;
            const std::size_t count = piece(at, data.size() - done, page_size);
            std::memcpy(page_for_change(at / page_size).data() + at % page_size, data.data() + done, count);
            done += count;
        }
        size_ = std::max(size_, offset + data.size());
    }
    void punch(std::uint64_t offset, std::uint64_t length) {
        const std::uint64_t end = std::min(offset + length, size_);
        for (std::uint64_t at = offset; at < end;) {
            const auto chunk = chunks_.lower_bound(at / chunk_size);
            if (chunk == chunks_.end()) {
                return;
            }
            at = std::max(at, chunk->first * chunk_size);
            const std::uint64_t stop = std::min(end, (chunk->first + 1) * chunk_size);
            for (; at < stop; at += piece(at, static_cast<std::size_t>(stop - at), page_size)) {
                punch_page(at, piece(at, static_cast<std::size_t>(stop - at), page_size));
            }
        }
    }
    void resize(std::uint64_t size) {
        if (size < size_) {
            const std::uint64_t last = round_up(size_, page_size);
            size_ = last; // the rest of the last page is there as well
            punch(size, last - size);
        }
        size_ = size;
    }
    void allocate(std::uint64_t offset, std::uint64_t length) {
        for (std::uint64_t page = offset / page_size; page < div_up(offset + length, page_size); ++page) {
            page_for_change(page);
        }
        size_ = std::max(size_, offset + length);
    }
    [[nodiscard]] std::optional<images::File::Stretch> next_data(std::uint64_t offset) const {
        const std::optional<std::uint64_t> first = page_from(offset / page_size, true);
        if (!first || *first * page_size >= size_) {
            return std::nullopt;
        }
        const std::uint64_t end = *page_from(*first, false) * page_size;
        const std::uint64_t start = std::max(offset, *first * page_size);
        return images::File::Stretch{start, std::min(end, size_) - start};
    }

  private:
    static constexpr std::uint64_t page_size = 4096;
    static constexpr std::uint64_t chunk_pages = 64;
    static constexpr std::uint64_t chunk_size = chunk_pages * page_size;
    using Page = std::array<std::uint8_t, page_size>;
    struct Chunk {
        std::array<std::shared_ptr<Page>, chunk_pages> pages;
        std::uint64_t used = 0;
    };

    static std::size_t piece(std::uint64_t at, std::size_t left, std::uint64_t unit) {
        return std::min<std::size_t>(left, static_cast<std::size_t>(unit - at % unit));
    }
    static void read_chunk(const Chunk& chunk, std::uint64_t offset, MutableBytes out) {
        for (std::size_t done = 0; done < out.size();) {
            const std::uint64_t at = offset + done;
            const std::size_t count = piece(at, out.size() - done, page_size);
            if (const Page* page = chunk.pages[at / page_size].get()) {
                std::memcpy(out.data() + done, page->data() + at % page_size, count);
            } else {
                std::memset(out.data() + done, 0, count);
            }
            done += count;
        }
    }
    Chunk& chunk_for_change(std::uint64_t index) {
        std::shared_ptr<Chunk>& chunk = chunks_[index];
        if (!chunk) {
            chunk = std::make_shared<Chunk>();
        } else if (chunk.use_count() != 1) {
            chunk = std::make_shared<Chunk>(*chunk);
        }
        return *chunk;
    }
    Page& page_for_change(std::uint64_t index) {
        Chunk& chunk = chunk_for_change(index / chunk_pages);
        std::shared_ptr<Page>& page = chunk.pages[index % chunk_pages];
        if (!page) {
            page = std::make_shared<Page>();
            ++chunk.used;
        } else if (page.use_count() != 1) {
            page = std::make_shared<Page>(*page);
        }
        return *page;
    }
    [[nodiscard]] bool has(std::uint64_t page) const {
        const auto chunk = chunks_.find(page / chunk_pages);
        return chunk != chunks_.end() && chunk->second->pages[page % chunk_pages];
    }
    /// Of a page, the whole or a part.
    void punch_page(std::uint64_t offset, std::size_t length) {
        const std::uint64_t page = offset / page_size;
        if (!has(page)) {
            return;
        }
        if (length != page_size) {
            std::memset(page_for_change(page).data() + offset % page_size, 0, length);
            return;
        }
        Chunk& chunk = chunk_for_change(page / chunk_pages);
        chunk.pages[page % chunk_pages].reset();
        if (--chunk.used == 0) {
            chunks_.erase(page / chunk_pages);
        }
    }
    /// The first page at or behind `page` that is there, or that is not.
    [[nodiscard]] std::optional<std::uint64_t> page_from(std::uint64_t page, bool there) const {
        for (;; ++page) {
            const auto chunk = chunks_.lower_bound(page / chunk_pages);
            if (chunk == chunks_.end() || (!there && chunk->first != page / chunk_pages)) {
                return there ? std::nullopt : std::optional(page);
            }
            page = std::max(page, chunk->first * chunk_pages);
            for (; page / chunk_pages == chunk->first; ++page) {
                if (static_cast<bool>(chunk->second->pages[page % chunk_pages]) == there) {
                    return page;
                }
            }
            --page;
        }
    }

    std::map<std::uint64_t, std::shared_ptr<Chunk>> chunks_;
    std::uint64_t size_ = 0;
};

/// What a file holds, at a place of its own; what it does not hold takes no memory.
class SimCopy {
  public:
    explicit SimCopy(const SimContent& content) : size_(static_cast<std::size_t>(content.size())), memory_(reserve(size_)) {
        content.for_each_page([&](std::uint64_t offset, Bytes page) {
            std::memcpy(bytes().data() + offset, page.data(), std::min<std::size_t>(page.size(), size_ - static_cast<std::size_t>(offset)));
        });
    }
    ~SimCopy() { ::munmap(memory_, std::max<std::size_t>(size_, 1)); }
    SimCopy(const SimCopy&) = delete;
    SimCopy& operator=(const SimCopy&) = delete;
    [[nodiscard]] MutableBytes bytes() const { return {static_cast<std::uint8_t*>(memory_), size_}; }

  private:
    static void* reserve(std::size_t size) {
        void* memory = ::mmap(nullptr, std::max<std::size_t>(size, 1), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        RS_ASSERT(memory != MAP_FAILED);
        return memory;
    }

    std::size_t size_;
    void* memory_;
};

} // namespace rootstock::test
