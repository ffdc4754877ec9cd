// Many children of one parent, open at the same time, on the real file system: each sees what it wrote and the parent's rest, now and when all are opened
// again; nothing of one is another's. As in a boot storm several come at a time. ROOTSTOCK_CHILDREN=n makes so many; -d yes tells how long it took.

#include "support/sim_numbers.hpp"
#include "support/store_host.hpp"
#include "support/temporary_folder.hpp"

#include <atomic>
#include <thread>

using namespace rootstock;
using namespace rootstock::test;
using images::OverlayKind;

namespace {

#ifdef ROOTSTOCK_SANITIZED
constexpr std::uint64_t usual_children = 30;
#else
constexpr std::uint64_t usual_children = 100;
#endif

constexpr std::uint64_t parent_bytes = std::uint64_t{16} << 20U;

struct Family {
    TemporaryFolder folder;
    std::unique_ptr<images::FileSystem> files = images::make_posix_file_system();
    MemoryCatalogue catalogue;
    NullLog log;
    ManualClock clock;
    std::unique_ptr<images::Store> store;

    Family() {
        open();
        const auto raw = files->open(folder.file("lab.raw"), images::OpenMode::create_new);
        REQUIRE(raw);
        REQUIRE((*raw)->write_at(0, pattern(parent_tag, 0, parent_bytes / model_sector)));
        REQUIRE(store->import({folder.file("lab.raw")}, "lab", no_progress));
    }
    void open() {
        auto opened = images::open_store(*files, folder.file("data"), catalogue, log, clock);
        INFO(error_of(opened));
        REQUIRE(opened);
        store = std::move(*opened);
    }
    Result<std::shared_ptr<images::Overlay>> child(std::uint64_t number) const {
        return store->open_machine_disk("pc" + std::to_string(number), "lab", OverlayKind::persistent);
    }
};

/// What one child holds, over what the parent does. Says what is wrong: assertions are not for threads.
struct Piece {
    std::uint64_t first; // sectors
    ByteVector own;

    explicit Piece(std::uint64_t number)
        : first(number * 8 % (parent_bytes / model_sector - 16)), own(pattern(static_cast<Tag>(2 + number), first, 8)) {}

    [[nodiscard]] bool write(block::BlockDevice& disk) const { return disk.write(first * model_sector, own, false) && disk.flush(); }
    [[nodiscard]] bool is_in(block::BlockDevice& disk) const {
        ByteVector expected = own;
        const ByteVector behind = pattern(parent_tag, first + 8, 8);
        expected.insert(expected.end(), behind.begin(), behind.end());
        ByteVector found(expected.size());
        return disk.read(first * model_sector, found) && found == expected;
    }
};

/// The numbers of the children for which `work` was not right.
template <class Work> std::vector<std::uint64_t> several_at_a_time(std::uint64_t count, Work&& work) {
    constexpr unsigned at_a_time = 16;
    std::vector<char> right(count, 0);
    std::atomic<std::uint64_t> next = 0;
    std::vector<std::thread> threads;
    for (unsigned thread = 0; thread < at_a_time; ++thread) {
        threads.emplace_back([&] {
            for (std::uint64_t number = next++; number < count; number = next++) {
                right[number] = work(number) ? 1 : 0;
            }
        });
    }
    for (std::thread& thread : threads) {
        thread.join();
    }
    std::vector<std::uint64_t> wrong;
    for (std::uint64_t number = 0; number < count; ++number) {
        if (right[number] == 0) {
            wrong.push_back(number);
        }
    }
    return wrong;
}

} // namespace

TEST_CASE("many children of one parent are open at once, and each is itself", "[images][children]") {
    const std::uint64_t count = number_from("ROOTSTOCK_CHILDREN", usual_children);
    const std::vector<std::uint64_t> none;
    Family family;
    std::vector<std::shared_ptr<images::Overlay>> children(count);
    const auto open = [&](std::uint64_t number) {
        auto opened = family.child(number);
        children[number] = opened ? *opened : nullptr;
        return children[number] != nullptr;
    };
    REQUIRE(several_at_a_time(count, [&](std::uint64_t number) { return open(number) && Piece(number).write(*children[number]); }) == none);
    REQUIRE(several_at_a_time(count, [&](std::uint64_t number) { return Piece(number).is_in(*children[number]); }) == none);
    REQUIRE(several_at_a_time(count, [&](std::uint64_t number) {
        children[number].reset();
        return static_cast<bool>(family.store->close_machine_disk("pc" + std::to_string(number)));
    }) == none);
    family.store.reset();
    family.open();
    REQUIRE(several_at_a_time(count, [&](std::uint64_t number) { return open(number) && Piece(number).is_in(*children[number]); }) == none);
}
