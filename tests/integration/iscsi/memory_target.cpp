// A small target for tests and measurements: memory disks behind the real service. Prints its port, serves until standard input ends, then
// prints what the edge counted.
//
//     memory_target [--unit disk|read-only|removable|cdrom] [--content FILE] [--size MIB] [--shards N] [--address A]
//                   [--chap USER:SECRET] [--mutual USER:SECRET] [--targets N]
#include "block/memory_device.hpp"
#include "core/checked.hpp"
#include "iscsi/service.hpp"
#include "net/offload.hpp"
#include "net/runtime.hpp"
#include "support/fixed_targets.hpp"

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>

using namespace rootstock;

namespace {

struct Options {
    std::string unit = "disk";
    std::string content; // a file that the unit begins with
    std::uint64_t size_mib = 64;
    std::size_t shards = 1;
    std::string address = "127.0.0.1";
    std::string user, secret, mutual_user, mutual_secret;
    int targets = 1;
};

void split_pair(const std::string& text, std::string& first, std::string& second) {
    const auto colon = text.find(':');
    first = text.substr(0, colon);
    second = text.substr(colon + 1);
}

Options parse(int argc, char** argv) {
    Options options;
    for (int i = 1; i + 1 < argc; i += 2) {
        const std::string name = argv[i];
        const std::string value = argv[i + 1];
        if (name == "--unit") {
            options.unit = value;
        } else if (name == "--content") {
            options.content = value;
        } else if (name == "--size") {
            options.size_mib = std::stoull(value);
        } else if (name == "--shards") {
            options.shards = std::stoul(value);
        } else if (name == "--address") {
            options.address = value;
        } else if (name == "--chap") {
            split_pair(value, options.user, options.secret);
        } else if (name == "--mutual") {
            split_pair(value, options.mutual_user, options.mutual_secret);
        } else if (name == "--targets") {
            options.targets = std::stoi(value);
        } else {
            std::fprintf(stderr, "unknown option %s\n", name.c_str());
            std::exit(2);
        }
    }
    return options;
}

ByteVector read_content(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

std::shared_ptr<scsi::LogicalUnit> make_unit(const Options& options, const std::string& name) {
    block::Geometry geometry;
    ByteVector content = options.content.empty() ? ByteVector() : read_content(options.content);
    content.resize(round_up(content.size(), geometry.logical_block_size));
    geometry.size_bytes = content.empty() ? options.size_mib << 20U : content.size();
    geometry.read_only = options.unit == "read-only";
    auto device = std::make_shared<block::MemoryDevice>(geometry);
    if (const auto written = device->write(0, content, false); !written && !content.empty()) {
        std::fprintf(stderr, "%s cannot be served\n", options.content.c_str());
        std::exit(1);
    }
    scsi::Identity identity = scsi::identity_from_name(name);
    if (options.unit == "cdrom") {
        return scsi::make_cdrom_unit(std::move(device), std::move(identity));
    }
    return options.unit == "removable" ? scsi::make_removable_disk_unit(std::move(device), std::move(identity))
                                       : scsi::make_disk_unit(std::move(device), std::move(identity));
}

void add_targets(test::FixedTargets& targets, const Options& options) {
    for (int i = 0; i < options.targets; ++i) {
        const std::string name = "iqn.2026-01.test.rootstock:disk" + std::to_string(i);
        test::FixedTargets::Target target;
        target.units.push_back({0, make_unit(options, name)});
        if (!options.user.empty()) {
            target.authentication.chap_required = true;
            target.authentication.mutual_user = options.mutual_user;
            target.authentication.mutual_secret = options.mutual_secret;
            target.secrets[options.user] = options.secret;
        }
        targets.add(name, std::move(target));
    }
}

} // namespace

int main(int argc, char** argv) {
    const Options options = parse(argc, argv);
    test::FixedTargets targets;
    add_targets(targets, options);
    SystemClock clock;
    SystemRandom random;
    StderrLog log(clock);
    net::Runtime runtime(options.shards);
    net::Offload offload;
    iscsi::ServiceConfig config;
    config.portals = {{options.address, 0}};
    iscsi::Service service(runtime, offload, log, clock, random, config, targets);
    if (auto started = service.start(); !started) {
        std::fprintf(stderr, "%s\n", started.error().what.c_str());
        return 1;
    }
    std::printf("%d\n", service.port());
    std::fflush(stdout);
    while (std::getchar() != EOF) {
    }
    service.stop(std::chrono::seconds(1));
    const iscsi::ServiceCounters counters = service.counters();
    std::printf("receives %llu sends %llu waits %llu jobs %llu leases %d\n", static_cast<unsigned long long>(counters.receives),
                static_cast<unsigned long long>(counters.sends), static_cast<unsigned long long>(counters.waits),
                static_cast<unsigned long long>(counters.jobs), targets.leases());
    offload.stop();
    runtime.stop();
    return 0;
}
