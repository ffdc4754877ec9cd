// A data directory in memory with a raw file beside it, and the store that opens it.
#pragma once

#include "images/store.hpp"
#include "support/catch.hpp"
#include "support/disk_model.hpp"
#include "support/memory_catalogue.hpp"
#include "support/sim_file.hpp"

namespace rootstock::test {

inline constexpr std::uint64_t image_bytes = std::uint64_t{6} << 20U;

struct Host {
    std::unique_ptr<SimFileSystem> files = std::make_unique<SimFileSystem>();
    MemoryCatalogue catalogue;
    NullLog log;
    ManualClock clock;

    Host() {
        REQUIRE(files->make_directories("/srv"));
        write_raw("/srv/win11.raw", 7);
    }
    Host(std::unique_ptr<SimFileSystem> survived, MemoryCatalogue::Rows rows) : files(std::move(survived)), catalogue(std::move(rows)) {}

    void write_raw(const std::string& path, Tag tag) const {
        const auto file = files->open(path, images::OpenMode::create_new);
        REQUIRE(file);
        REQUIRE((*file)->write_at(0, pattern(tag, 0, image_bytes / model_sector)));
        REQUIRE((*file)->sync_data());
        REQUIRE(files->sync_directory("/srv"));
    }
    Result<std::unique_ptr<images::Store>> try_open() { return images::open_store(*files, "/data", catalogue, log, clock); }
    std::unique_ptr<images::Store> open() {
        auto store = try_open();
        INFO((store ? "" : store.error().what));
        REQUIRE(store);
        return std::move(*store);
    }
    [[nodiscard]] bool has(const std::string& path) const { return files->exists("/data/" + path); }
};

inline bool no_progress(const images::ImportProgress&) { return true; }

inline ByteVector read_sectors(block::BlockDevice& disk, std::uint64_t first, std::uint64_t count) {
    ByteVector bytes(count * model_sector);
    REQUIRE(disk.read(first * model_sector, bytes));
    return bytes;
}

inline void write_sectors(block::BlockDevice& disk, Tag tag, std::uint64_t first, std::uint64_t count) {
    REQUIRE(disk.write(first * model_sector, pattern(tag, first, count), false));
}

template <class T> std::string error_of(const Result<T>& result) { return result ? "" : result.error().what; }

} // namespace rootstock::test
