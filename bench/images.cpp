// What disks cost below SCSI: bench_images FOLDER MASTER COUNT [disks|depth|store]. One line a case: NAME SECONDS OPERATIONS WRITES BYTES SYNCS, the last three as counted
// at the files. bench/images.py runs it beside qemu-img.
// MASTER: a VHDX that stands alone, with data in the second half of each of its COUNT blocks; FOLDER: on the file system to be measured, emptied by whoever made it.
#include "images.hpp"

#include <sys/resource.h>

#include <thread>

using namespace rootstock;
using namespace rootstock::bench;

namespace {

constexpr std::size_t many = 256;

using Disk = std::shared_ptr<images::Overlay>;

class Bench {
  public:
    explicit Bench(const Setting& setting) : setting_(setting), data_(io_bytes, 0x5a) {}

    void run() {
        const Disk disk = make("one");
        const auto write_all = [&] {
            for (std::uint64_t at = 0; at < setting_.count; ++at) {
                need(static_cast<bool>(disk->write(place(at), data_, false)), "a write");
            }
        };
        setting_.measure("first-write", setting_.count, write_all);
        setting_.measure("flush-after-first-writes", 1, [&] { need(static_cast<bool>(disk->flush()), "a flush"); });
        setting_.measure("overwrite", setting_.count, write_all);
        setting_.measure("read-own", setting_.count, [&] { read_all(*disk, 0); });
        setting_.measure("read-parent", setting_.count, [&] { read_all(*disk, data_in_block); });
        setting_.measure("write-and-flush", flushes, [&] {
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
        const std::uint64_t blocks = setting_.blocks();
        constexpr std::uint64_t stride = 7919; // a prime
        return at * stride % blocks * block_bytes + at / blocks * io_bytes;
    }
    void read_all(block::BlockDevice& disk, std::uint64_t shift) {
        ByteVector out(io_bytes);
        for (std::uint64_t at = 0; at < setting_.count; ++at) {
            need(static_cast<bool>(disk.read(place(at) + shift, out)), "a read");
        }
    }
    [[nodiscard]] Disk make(const std::string& name) const { return setting_.make_overlay(name, setting_.master); }
    /// A new block in each of them, then all of them flush at once: by as many threads as a server has for that, and one after the other.
    void flush_many() {
        std::vector<Disk> disks;
        setting_.measure("create-and-open", many, [&] {
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
            setting_.measure(name, many, [&, count = threads] {
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

    const Setting& setting_;
    const ByteVector data_;
};

} // namespace

int main(int argc, char** argv) {
    if (argc < 4) {
        std::fprintf(stderr, "usage: bench_images FOLDER MASTER COUNT [disks|depth|store]\n");
        return 2;
    }
    const std::string part = argc > 4 ? argv[4] : "";
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) == 0) { // many disks
        limit.rlim_cur = limit.rlim_max;
        static_cast<void>(::setrlimit(RLIMIT_NOFILE, &limit));
    }
    CountingFileSystem files;
    const Setting setting{files, argv[1], argv[2], need(images::open_master(files, argv[2], std::nullopt)),
                          std::strtoull(argv[3], nullptr, 10)};
    if (part.empty() || part == "disks") {
        Bench(setting).run();
    }
    if (part.empty() || part == "depth") {
        measure_depth(setting);
    }
    if (part.empty() || part == "store") {
        measure_store(setting);
    }
}
