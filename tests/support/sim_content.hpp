// What a file of a SimFileSystem holds.
#pragma once

#include "core/checked.hpp"
#include "images/file.hpp"

#include <algorithm>
#include <array>
#include <map>

namespace rootstock::test {

/// Sparse contents; pages are shared between copies until one changes.
class SimContent {
  public:
    [[nodiscard]] std::uint64_t size() const { return size_; }
    [[nodiscard]] std::uint64_t allocated() const { return pages_.size() * page_size; }

    void read(std::uint64_t offset, MutableBytes out) const {
        for (std::size_t done = 0; done < out.size();) {
            const std::uint64_t at = offset + done;
            const std::size_t count = piece(at, out.size() - done);
            const auto page = pages_.find(at / page_size);
            if (page == pages_.end()) {
                std::memset(out.data() + done, 0, count);
            } else {
                std::memcpy(out.data() + done, page->second->data() + at % page_size, count);
            }
            done += count;
        }
    }
    void write(std::uint64_t offset, Bytes data) {
        for (std::size_t done = 0; done < data.size();) {
            const std::uint64_t at = offset + done;
            const std::size_t count = piece(at, data.size() - done);
            std::memcpy(page_for_change(at / page_size).data() + at % page_size, data.data() + done, count);
            done += count;
        }
        size_ = std::max(size_, offset + data.size());
    }
    void punch(std::uint64_t offset, std::uint64_t length) {
        const std::uint64_t end = std::min(offset + length, size_);
        for (std::uint64_t at = offset; at < end;) {
            const std::size_t count = piece(at, static_cast<std::size_t>(end - at));
            if (count == page_size) {
                at = erase_pages(at, end);
                continue;
            }
            if (pages_.contains(at / page_size)) {
                std::memset(page_for_change(at / page_size).data() + at % page_size, 0, count);
            }
            at += count;
        }
    }
    void resize(std::uint64_t size) {
        if (size < size_) {
            const std::uint64_t last = round_up(size_, page_size);
            punch(size, last - size);
            pages_.erase(pages_.lower_bound(div_up(size, page_size)), pages_.end());
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
        const auto first = pages_.lower_bound(offset / page_size);
        if (first == pages_.end() || first->first * page_size >= size_) {
            return std::nullopt;
        }
        auto last = first;
        std::uint64_t end = first->first;
        for (; last != pages_.end() && last->first == end; ++last) {
            ++end;
        }
        const std::uint64_t start = std::max(offset, first->first * page_size);
        return images::File::Stretch{start, std::min(end * page_size, size_) - start};
    }

  private:
    static constexpr std::uint64_t page_size = 4096;
    using Page = std::array<std::uint8_t, page_size>;

    static std::size_t piece(std::uint64_t at, std::size_t left) {
        return std::min<std::size_t>(left, static_cast<std::size_t>(page_size - at % page_size));
    }
    std::uint64_t erase_pages(std::uint64_t at, std::uint64_t end) {
        const std::uint64_t last = end / page_size;
        pages_.erase(pages_.lower_bound(at / page_size), pages_.lower_bound(last));
        return last * page_size;
    }
    Page& page_for_change(std::uint64_t index) {
        std::shared_ptr<Page>& page = pages_[index];
        if (!page) {
            page = std::make_shared<Page>();
        } else if (page.use_count() != 1) {
            page = std::make_shared<Page>(*page);
        }
        return *page;
    }

    std::map<std::uint64_t, std::shared_ptr<Page>> pages_;
    std::uint64_t size_ = 0;
};

} // namespace rootstock::test
