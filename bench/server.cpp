// The target under load: our iSCSI service over one master, one overlay that owns all it has, one volume in memory, and empty overlays over the master
// and over a chain of 16 files. No database, no policy: what is measured is the data path. Prints "port N" when it listens, ends when its standard input ends.
//
//   bench_server FOLDER SIZE_MIB [SHARDS]      FOLDER: scratch space for the image files, made and removed by the caller
#include "block/memory_device.hpp"
#include "core/crc32c.hpp"
#include "core/text.hpp"
#include "images/import.hpp"
#include "images/overlay.hpp"
#include "iscsi/service.hpp"
#include "net/offload.hpp"
#include "net/runtime.hpp"
#include "scsi/logical_unit.hpp"

#include <cstdio>
#include <cstdlib>

#include <unistd.h>

using namespace rootstock;

namespace {

[[noreturn]] void fail(const std::string& what) {
    std::fprintf(stderr, "bench_server: %s\n", what.c_str());
    std::exit(1);
}

template <class T> T value_or_fail(Result<T> result) {
    if (!result) {
        fail(result.error().what);
    }
    return std::move(*result);
}

void succeed(const Result<void>& result) {
    if (!result) {
        fail(result.error().what);
    }
}

constexpr std::size_t piece_size = 1 << 20;

/// A raw image that is not zeros.
void write_source(images::FileSystem& files, const std::string& path, std::uint64_t size, SeededRandom& random) {
    const auto file = value_or_fail(files.open(path, images::OpenMode::create_new));
    ByteVector piece(piece_size);
    for (std::uint64_t offset = 0; offset < size; offset += piece.size()) {
        random.fill(piece);
        succeed(file->write_at(offset, piece));
    }
}

struct Disks {
    std::shared_ptr<images::Master> master;
    std::shared_ptr<images::Overlay> overlay;
    std::shared_ptr<block::MemoryDevice> memory;
    std::shared_ptr<images::Overlay> over_one;   // file: the master
    std::shared_ptr<images::Overlay> over_chain; // of chain_depth files
};

constexpr std::uint64_t chain_depth = 16;
constexpr std::uint64_t chain_stretch = 64 << 10; // how the clusters of a qcow2 are mixed

std::shared_ptr<images::Overlay> new_overlay(images::FileSystem& files, const std::string& path, const std::shared_ptr<images::Master>& over) {
    succeed(images::create_persistent_overlay(files, path, *over));
    return value_or_fail(images::open_persistent_overlay(files, path, over));
}

/// An empty overlay over files of which each owns every so many'th stretch of the disk.
std::shared_ptr<images::Overlay> over_chain(images::FileSystem& files, const std::string& folder, std::shared_ptr<images::Master> below, SeededRandom& random) {
    const std::uint64_t size = below->geometry().size_bytes;
    std::vector<images::LayerPlace> places{{below->path(), std::nullopt}};
    images::LayerFiles open_files(files);
    ByteVector stretch(chain_stretch);
    for (std::uint64_t layer = 1; layer < chain_depth; ++layer) {
        const std::string path = folder + "/layer-" + std::to_string(layer) + ".vhdx";
        const auto disk = new_overlay(files, path, below);
        for (std::uint64_t offset = layer * chain_stretch; offset < size; offset += chain_depth * chain_stretch) {
            random.fill(stretch);
            if (!disk->write(offset, stretch, false)) {
                fail("cannot fill a layer");
            }
        }
        succeed(disk->close());
        places.insert(places.begin(), {path, std::nullopt});
        below = value_or_fail(images::open_master(open_files, places));
    }
    return new_overlay(files, folder + "/over-chain.vhdx", below);
}

Disks make_disks(images::FileSystem& files, const std::string& folder, std::uint64_t size) {
    SeededRandom random(1);
    const std::string raw = folder + "/source.raw";
    const std::string master_path = folder + "/master.vhdx";
    const std::string overlay_path = folder + "/overlay.vhdx";
    write_source(files, raw, size, random);
    const images::MasterIdentity identity = value_or_fail(images::import_image(files, raw, master_path, [](const auto&) { return true; })).identity;
    succeed(files.remove(raw));
    Disks disks;
    disks.master = value_or_fail(images::open_master(files, master_path, identity));
    succeed(images::create_persistent_overlay(files, overlay_path, *disks.master));
    disks.overlay = value_or_fail(images::open_persistent_overlay(files, overlay_path, disks.master));
    block::Geometry geometry;
    geometry.size_bytes = size;
    disks.memory = std::make_shared<block::MemoryDevice>(geometry);
    ByteVector piece(piece_size);
    for (std::uint64_t offset = 0; offset < size; offset += piece.size()) {
        random.fill(piece);
        if (!disks.overlay->write(offset, piece, false) || !disks.memory->write(offset, piece, false) || !disks.master->read(offset, piece)) {
            fail("cannot fill the disks");
        }
    }
    if (!disks.overlay->flush()) {
        fail("cannot flush the overlay");
    }
    disks.over_one = new_overlay(files, folder + "/over-one.vhdx", disks.master);
    disks.over_chain = over_chain(files, folder, disks.master, random);
    return disks;
}

class NoLease final : public iscsi::SessionLease {
    void started(std::function<void(iscsi::EndReason)>) override {}
    void first_read() override {}
    void first_write() override {}
};

/// One target for everybody: LUN 0 the master, 1 the overlay, 2 the memory, 3 the empty overlay over the master, 4 the one over the chain.
class BenchTarget final : public iscsi::TargetProvider {
  public:
    explicit BenchTarget(const Disks& disks)
        : units_{{0, scsi::make_disk_unit(disks.master, scsi::identity_from_name("bench/master"))},
                 {1, scsi::make_disk_unit(disks.overlay, scsi::identity_from_name("bench/overlay"))},
                 {2, scsi::make_disk_unit(disks.memory, scsi::identity_from_name("bench/memory"))},
                 {3, scsi::make_disk_unit(disks.over_one, scsi::identity_from_name("bench/over-one"))},
                 {4, scsi::make_disk_unit(disks.over_chain, scsi::identity_from_name("bench/over-chain"))}} {}

    Result<iscsi::Authentication, iscsi::LoginStatus> authorize(const iscsi::LoginRequest&) override { return iscsi::Authentication{}; }
    std::optional<std::string> chap_secret(const iscsi::LoginRequest&, std::string_view) override { return std::nullopt; }
    Result<iscsi::Target, iscsi::LoginStatus> open(const iscsi::LoginRequest&, std::string_view) override {
        iscsi::Target target;
        target.units = units_;
        target.lease = std::make_unique<NoLease>();
        return target;
    }
    std::vector<iscsi::DiscoveredTarget> discover(const iscsi::LoginRequest&) override { return {{"iqn.2026-01.net.rootstock:bench"}}; }

  private:
    std::vector<iscsi::Unit> units_;
};

void wait_for_end_of_input() {
    char byte = 0;
    while (::read(STDIN_FILENO, &byte, 1) > 0) {
    }
}

} // namespace

int main(int argc, char** argv) {
    const auto size_mib = argc >= 3 ? parse_number<std::uint64_t>(argv[2]) : std::nullopt;
    const auto shards = argc >= 4 ? parse_number<std::size_t>(argv[3]) : std::optional<std::size_t>(0);
    if (!size_mib || *size_mib == 0 || !shards) {
        fail("usage: bench_server FOLDER SIZE_MIB [SHARDS]");
    }
    succeed(load_crc32c());
    const auto files = images::make_posix_file_system();
    const Disks disks = make_disks(*files, argv[1], *size_mib << 20U);
    BenchTarget target(disks);
    SystemClock clock;
    SystemRandom random;
    NullLog log;
    net::Runtime runtime(*shards);
    net::Offload offload;
    iscsi::ServiceConfig config;
    config.portals = {{"127.0.0.1", 0}};
    config.limits.connections_per_address = config.limits.connections;
    config.limits.connections_before_login = config.limits.connections;
    iscsi::Service service(runtime, offload, log, clock, random, config, target);
    succeed(service.start());
    std::printf("port %u\n", unsigned{service.port()});
    std::fflush(stdout);
    wait_for_end_of_input();
    const iscsi::ServiceCounters counters = service.counters();
    std::printf("receives %llu sends %llu waits %llu jobs %llu\n", static_cast<unsigned long long>(counters.receives),
                static_cast<unsigned long long>(counters.sends), static_cast<unsigned long long>(counters.waits),
                static_cast<unsigned long long>(counters.jobs));
    service.stop(std::chrono::milliseconds(100));
    offload.stop();
    runtime.stop();
    return 0;
}
