// What the parts of bench_images share: its files, its master, and how a case is measured.
#pragma once

#include "counting_files.hpp"
#include "images/overlay.hpp"

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <functional>

namespace rootstock::bench {

inline constexpr std::uint64_t io_bytes = 4096;
inline constexpr std::uint64_t block_bytes = std::uint64_t{2} << 20U;
inline constexpr std::uint64_t data_in_block = block_bytes / 2; // images.py puts the master's data there, in every block

template <class T> T need(Result<T> result) {
    if (!result) {
        std::fprintf(stderr, "bench_images: %s\n", result.error().what.c_str());
        std::exit(1);
    }
    return std::move(*result);
}

inline void need(bool done, const char* what) {
    if (!done) {
        std::fprintf(stderr, "bench_images: %s failed\n", what);
        std::exit(1);
    }
}

[[nodiscard]] inline double seconds_of(const std::function<void()>& work) {
    const auto before = std::chrono::steady_clock::now();
    work();
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - before).count();
}

struct Setting {
    CountingFileSystem& files;
    std::string folder;
    std::string master_path;
    std::shared_ptr<images::Master> master;
    std::uint64_t count;

    [[nodiscard]] std::uint64_t blocks() const { return master->identity().virtual_size / block_bytes; }
    [[nodiscard]] std::shared_ptr<images::Overlay> make_overlay(const std::string& name, const std::shared_ptr<images::Master>& over) const {
        const std::string path = folder + "/" + name + ".vhdx";
        const auto created = images::create_persistent_overlay(files, path, *over);
        need(static_cast<bool>(created), "creating an overlay");
        return need(images::open_persistent_overlay(files, path, over));
    }

    /// One line: NAME SECONDS OPERATIONS WRITES BYTES SYNCS.
    void report(const std::string& name, double seconds, std::uint64_t operations, const FileCounts& counts) const {
        std::printf("%s %.6f %llu %llu %llu %llu\n", name.c_str(), seconds, static_cast<unsigned long long>(operations),
                    static_cast<unsigned long long>(counts.writes), static_cast<unsigned long long>(counts.written_bytes),
                    static_cast<unsigned long long>(counts.syncs));
        std::fflush(stdout);
    }
    void measure(const std::string& name, std::uint64_t operations, const std::function<void()>& work) const {
        const FileCounts before = files.counts();
        const double seconds = seconds_of(work);
        report(name, seconds, operations, files.counts() - before);
    }
};

/// Random reads through chains of 1, 4 and 16 files.
void measure_depth(const Setting& setting);
/// Snapshots of a disk that is in use, and publications, by the store with its database.
void measure_store(const Setting& setting);

} // namespace rootstock::bench
