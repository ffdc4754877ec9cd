// What disks cost below SCSI: bench_images FOLDER MASTER [COUNT]. One line a case: NAME SECONDS OPERATIONS. bench/images.py runs it beside qemu-img.
// MASTER: a VHDX that stands alone; FOLDER: on the file system to be measured, emptied by whoever made it.
#include "images/master.hpp"
#include "images/overlay.hpp"

#include <sys/resource.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <thread>

using namespace rootstock;

namespace {

constexpr std::uint64_t io_bytes = 4096;
constexpr std::uint64_t block_bytes = std::uint64_t{2} << 20U;
constexpr std::size_t many = 256;

using Disk = std::shared_ptr<images::Overlay>;

template <class T> T need(Result<T> result) {
    if (!result) {
        std::fprintf(stderr, "bench_images: %s\n", result.error().what.c_str());
        std::exit(1);
    }
    return std::move(*result);
}

void need(bool done, const char* what) {
    if (!done) {
        std::fprintf(stderr, "bench_images: %s failed\n", what);
        std::exit(1);
    }
}

void measure(const char* name, std::uint64_t operations, const std::function<void()>& work) {
    const auto before = std::chrono::steady_clock::now();
    work();
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - before;
    std::printf("%s %.6f %llu\n", name, took.count(), static_cast<unsigned long long>(operations));
    std::fflush(stdout);
}

class Bench {
  public:
    Bench(std::string folder, std::shared_ptr<images::Master> master, std::uint64_t count)
        : folder_(std::move(folder)), master_(std::move(master)), count_(count), data_(io_bytes, 0x5a) {}

    void run() {
        const Disk disk = make("one");
        const auto write_all = [&] {
            for (std::uint64_t at = 0; at < count_; ++at) {
                need(static_cast<bool>(disk->write(place(at), data_, false)), "a write");
            }
        };
        measure("first-write", count_, write_all);
        measure("flush-after-first-writes", 1, [&] { need(static_cast<bool>(disk->flush()), "a flush"); });
        measure("overwrite", count_, write_all);
        measure("read-own", count_, [&] { read_all(*disk, 0); });
        measure("read-parent", count_, [&] { read_all(*disk, block_bytes / 2); });
        measure("write-and-flush", flushes, [&] {
            for (std::uint64_t at = 0; at < flushes; ++at) {
                need(static_cast<bool>(disk->write(place(at), data_, false)) && static_cast<bool>(disk->flush()), "a flush");
            }
        });
        flush_many();
    }

  private:
    static constexpr std::uint64_t flushes = 200;

    /// One in each block, in an order that no read-ahead guesses.
    [[nodiscard]] std::uint64_t place(std::uint64_t at) const {
        const std::uint64_t blocks = master_->identity().virtual_size / block_bytes;
        constexpr std::uint64_t stride = 7919; // a prime
        return at * stride % blocks * block_bytes + at / blocks * io_bytes;
    }
    void read_all(block::BlockDevice& disk, std::uint64_t shift) {
        ByteVector out(io_bytes);
        for (std::uint64_t at = 0; at < count_; ++at) {
            need(static_cast<bool>(disk.read(place(at) + shift, out)), "a read");
        }
    }
    Disk make(const std::string& name) {
        const std::string path = folder_ + "/" + name + ".vhdx";
        const auto created = images::create_persistent_overlay(*files_, path, *master_);
        need(static_cast<bool>(created), "creating an overlay");
        return need(images::open_persistent_overlay(*files_, path, master_));
    }
    /// A new block in each of them, then all of them flush at once: by as many threads as a server has for that, and one after the other.
    void flush_many() {
        std::vector<Disk> disks;
        measure("create-and-open", many, [&] {
            for (std::size_t at = 0; at < many; ++at) {
                disks.push_back(make("many" + std::to_string(at)));
            }
        });
        std::uint64_t round = 0;
        for (const auto& [name, threads] : {std::pair("flush-256-one-by-one", 1U), std::pair("flush-256-at-once", 32U)}) {
            for (const Disk& disk : disks) {
                need(static_cast<bool>(disk->write(place(round), data_, false)), "a write");
            }
            ++round;
            measure(name, many, [&, count = threads] {
                std::vector<std::thread> workers;
                for (unsigned worker = 0; worker < count; ++worker) {
                    workers.emplace_back([&, worker] {
                        for (std::size_t at = worker; at < disks.size(); at += count) {
                            need(static_cast<bool>(disks[at]->flush()), "a flush");
                        }
                    });
                }
                for (std::thread& worker : workers) {
                    worker.join();
                }
            });
        }
    }

    std::unique_ptr<images::FileSystem> files_ = images::make_posix_file_system();
    const std::string folder_;
    const std::shared_ptr<images::Master> master_;
    const std::uint64_t count_;
    const ByteVector data_;
};

} // namespace

int main(int argc, char** argv) {
    if (argc < 3) {
        std::fprintf(stderr, "usage: bench_images FOLDER MASTER [COUNT]\n");
        return 2;
    }
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) == 0) { // many disks
        limit.rlim_cur = limit.rlim_max;
        static_cast<void>(::setrlimit(RLIMIT_NOFILE, &limit));
    }
    const auto files = images::make_posix_file_system();
    Bench(argv[1], need(images::open_master(*files, argv[2], std::nullopt)), argc > 3 ? std::strtoull(argv[3], nullptr, 10) : 4000).run();
}
