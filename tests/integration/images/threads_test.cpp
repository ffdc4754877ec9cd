// Several threads on one disk at once: each owns every n-th page of the shared blocks and every n-th block of the others, and always knows what they
// hold; all of them flush. Run under TSan as well.

#include "core/random.hpp"
#include "support/catch.hpp"
#include "support/disk_model.hpp"
#include "support/temporary_folder.hpp"
#include "support/vhdx_validator.hpp"

#include <atomic>
#include <thread>

using namespace rootstock;
using namespace rootstock::test;

namespace {

constexpr std::uint64_t thread_count = 4;
constexpr std::uint64_t block_sectors = 4096;
constexpr std::uint64_t page_sectors = 8;
constexpr std::uint64_t shared_blocks = 4;
constexpr std::uint64_t disk_blocks = 12;
constexpr std::uint64_t disk_bytes = disk_blocks * block_sectors * model_sector;

#ifdef ROOTSTOCK_SANITIZED
constexpr std::size_t steps = 1'000;
#else
constexpr std::size_t steps = 6'000;
#endif

/// One thread's work; what is wrong is told at the end, because assertions are not for threads.
class Worker {
  public:
    Worker(images::Overlay& disk, std::uint64_t number) : disk_(disk), number_(number), random_(number + 1) {}

    void run() {
        for (std::size_t step = 0; step < steps && problem.empty(); ++step) {
            switch (random_.u32() % 16) {
            case 0: check(static_cast<bool>(disk_.flush()), "flush"); break;
            case 1: discard_block(); break;
            case 2:
            case 3: discard_page(); break;
            case 4: write_block_part(); break;
            case 5:
            case 6:
            case 7:
            case 8: read_back(); break;
            default: write_page(); break;
            }
        }
    }
    void read_all() {
        for (const auto& [first, tag] : expected_) {
            read_page(first, tag);
        }
    }
    std::string problem;

  private:
    std::uint64_t some_page() {
        const std::uint64_t page = random_.u64() % (shared_blocks * block_sectors / page_sectors / thread_count);
        return (page * thread_count + number_) * page_sectors;
    }
    std::uint64_t some_block() {
        const std::uint64_t own = (disk_blocks - shared_blocks) / thread_count;
        return (shared_blocks + random_.u64() % own * thread_count + number_) * block_sectors;
    }
    void write_page() { write(some_page(), false); }
    void write_block_part() { write(some_block() + random_.u64() % (block_sectors / page_sectors) * page_sectors, random_.u32() % 4 == 0); }
    void write(std::uint64_t first, bool fua) {
        const Tag tag = ++last_tag_;
        const ByteVector data = pattern(tag, first, page_sectors);
        if (fua || disk_.try_write(first * model_sector, data).status != block::TryStatus::done) {
            check(static_cast<bool>(disk_.write(first * model_sector, data, fua)), "write");
        }
        expected_[first] = tag;
    }
    void discard_page() {
        const std::uint64_t first = some_page();
        check(static_cast<bool>(disk_.discard(first * model_sector, page_sectors * model_sector)), "discard of a page");
        expected_[first] = zeros_tag;
    }
    void discard_block() {
        const std::uint64_t first = some_block();
        check(static_cast<bool>(disk_.discard(first * model_sector, block_sectors * model_sector)), "discard of a block");
        for (std::uint64_t page = first; page < first + block_sectors; page += page_sectors) {
            expected_[page] = zeros_tag;
        }
    }
    void read_back() {
        if (!expected_.empty()) {
            auto found = expected_.lower_bound(random_.u32() % 2 == 0 ? some_page() : some_block());
            found = found == expected_.end() ? expected_.begin() : found;
            read_page(found->first, found->second);
        }
    }
    void read_page(std::uint64_t first, Tag tag) {
        ByteVector bytes(page_sectors * model_sector);
        check(static_cast<bool>(disk_.read(first * model_sector, bytes)), "read");
        check(bytes == pattern(tag, first, page_sectors), "contents of sector " + std::to_string(first));
    }
    void check(bool right, const std::string& what) {
        if (!right && problem.empty()) {
            problem = what;
        }
    }

    images::Overlay& disk_;
    std::uint64_t number_;
    SeededRandom random_;
    std::map<std::uint64_t, Tag> expected_;
    Tag last_tag_ = 10;
};

void work_together(const std::shared_ptr<images::Overlay>& disk) {
    std::vector<std::unique_ptr<Worker>> workers;
    for (std::uint64_t number = 0; number < thread_count; ++number) {
        workers.push_back(std::make_unique<Worker>(*disk, number));
    }
    std::vector<std::thread> threads;
    for (const auto& worker : workers) {
        threads.emplace_back([&worker] { worker->run(); });
    }
    for (std::thread& thread : threads) {
        thread.join();
    }
    for (const auto& worker : workers) {
        worker->read_all();
        REQUIRE(worker->problem == "");
    }
    REQUIRE(disk->close());
}

} // namespace

TEST_CASE("threads on one persistent overlay never see each other's data", "[images][threads]") {
    const TemporaryFolder folder;
    const auto files = images::make_posix_file_system();
    const std::string path = folder.file("d.vhdx");
    REQUIRE(images::create_persistent_overlay(*files, path, PatternMaster(disk_bytes)));
    const auto disk = images::open_persistent_overlay(*files, path, std::make_shared<PatternMaster>(disk_bytes));
    REQUIRE(disk);
    work_together(*disk);
    const VhdxInspector inspector(path);
    REQUIRE(inspector.report().text() == "");
}

TEST_CASE("threads on one reset overlay never see each other's data", "[images][threads]") {
    const TemporaryFolder folder;
    const auto files = images::make_posix_file_system();
    const std::string path = folder.file("d.reset");
    REQUIRE(images::create_reset_overlay(*files, path, PatternMaster(disk_bytes)));
    const auto disk = images::open_reset_overlay(*files, path, std::make_shared<PatternMaster>(disk_bytes));
    REQUIRE(disk);
    work_together(*disk);
}
