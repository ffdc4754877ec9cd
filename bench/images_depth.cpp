// Random reads of an overlay over chains of 1, 4 and 16 files, of which each owns every so many'th stretch of the disk: of 64 KiB, which is how the
// clusters of a qcow2 are mixed, and of 4 KiB, which is as bad as it can be.
#include "images.hpp"

#include "core/random.hpp"

#include <algorithm>
#include <array>

namespace rootstock::bench {
namespace {

struct Mix {
    std::uint64_t depth;
    std::uint64_t stretch; // pieces of 4 KiB
    const char* name;
};
constexpr std::array<Mix, 4> mixes{{{1, 16, "depth-1"}, {4, 16, "depth-4"}, {16, 16, "depth-16"}, {16, 1, "depth-16-by-4K"}}};
constexpr std::size_t rounds = 7;
constexpr std::uint64_t blocks = 64; // that are read: more would not fit into memory together, at twice 16 files
constexpr std::uint64_t pieces_per_block = (block_bytes - data_in_block) / io_bytes;

/// Counts what it is given; the bytes are looked at by nobody.
class NullSink final : public block::ReadSink {
  public:
    void mapped(Bytes bytes) override { taken += bytes.size(); }
    MutableBytes buffer(std::size_t size) override {
        taken += size;
        return MutableBytes(buffer_).first(size);
    }
    void zeros(std::size_t size) override { taken += size; }
    std::uint64_t taken = 0;

  private:
    std::array<std::uint8_t, io_bytes> buffer_{};
};

/// What a server reads was loaded from the disk, and not written a moment ago in pieces of another size.
void forget(const Setting& setting, const std::string& path) {
    const auto file = need(setting.files.open(path, images::OpenMode::read_only));
    file->drop_cached(0, need(file->size()));
}

class Chain {
  public:
    Chain(const Setting& setting, const Mix& mix) : setting_(setting), mix_(mix) {
        std::vector<images::LayerPlace> places{{setting.master_path, std::nullopt}};
        std::shared_ptr<images::Master> below = setting.master;
        images::LayerFiles files(setting.files);
        for (std::uint64_t layer = 1; layer < mix.depth; ++layer) {
            const std::string name = std::string(mix.name) + "-" + std::to_string(layer);
            const std::string path = setting.folder + "/" + name + ".vhdx";
            write_share(*setting.make_overlay(name, below), layer);
            forget(setting, path);
            places.insert(places.begin(), {path, std::nullopt});
            below = need(images::open_master(files, places));
        }
        disk_ = setting.make_overlay(std::string(mix.name) + "-top", below);
        warm();
    }

    /// Seconds of `count` reads, copied as an offload thread copies them.
    [[nodiscard]] double copy(std::uint64_t count, std::uint64_t seed) const {
        return each(count, seed, [&, out = ByteVector(io_bytes)](std::uint64_t offset) mutable {
            need(static_cast<bool>(disk_->read(offset, out)), "a read");
        });
    }
    /// The same as a shard reads: pieces of mappings, for the kernel to send.
    [[nodiscard]] double map(std::uint64_t count, std::uint64_t seed) const {
        NullSink sink;
        const double seconds = each(count, seed, [&](std::uint64_t offset) {
            need(disk_->try_read(offset, io_bytes, true, sink).status == block::TryStatus::done, "a read from the mapping");
        });
        need(sink.taken == count * io_bytes, "reading it all");
        return seconds;
    }

  private:
    void write_share(images::Overlay& disk, std::uint64_t layer) const {
        const ByteVector data(io_bytes, static_cast<std::uint8_t>(layer));
        for (std::uint64_t block = 0; block < blocks; ++block) {
            for (std::uint64_t piece = 0; piece < pieces_per_block; ++piece) {
                if ((block + piece / mix_.stretch) % mix_.depth == layer) {
                    need(static_cast<bool>(disk.write(place(block, piece), data, false)), "a write");
                }
            }
        }
        need(static_cast<bool>(disk.close()), "closing a layer");
    }
    void warm() const {
        NullSink sink;
        for (std::uint64_t block = 0; block < blocks; ++block) {
            for (std::uint64_t piece = 0; piece < pieces_per_block; ++piece) {
                const auto read = disk_->try_read(place(block, piece), io_bytes, true, sink);
                if (read.miss.loader) {
                    need(static_cast<bool>(read.miss.loader->load(read.miss.chunk)), "loading");
                }
            }
        }
    }
    [[nodiscard]] double each(std::uint64_t count, std::uint64_t seed, const std::function<void(std::uint64_t)>& visit) const {
        SeededRandom random(seed);
        std::vector<std::uint64_t> offsets(count);
        std::ranges::generate(offsets, [&] { return place(random.u64() % blocks, random.u64() % pieces_per_block); });
        return seconds_of([&] { std::ranges::for_each(offsets, std::ref(visit)); });
    }
    [[nodiscard]] static std::uint64_t place(std::uint64_t block, std::uint64_t piece) { return block * block_bytes + data_in_block + piece * io_bytes; }

    const Setting& setting_;
    const Mix mix_;
    std::shared_ptr<images::Overlay> disk_;
};

double median(std::vector<double>& figures) {
    std::ranges::sort(figures);
    return figures[figures.size() / 2];
}

} // namespace

/// The chains take turns, so that a busy moment of the machine hits all of them.
void measure_depth(const Setting& setting) {
    forget(setting, setting.master_path);
    std::vector<std::unique_ptr<Chain>> chains;
    for (const Mix& mix : mixes) {
        chains.push_back(std::make_unique<Chain>(setting, mix));
    }
    const std::uint64_t count = setting.count * 10;
    std::array<std::vector<double>, mixes.size()> copied;
    std::array<std::vector<double>, mixes.size()> mapped;
    for (std::size_t round = 0; round < rounds; ++round) {
        for (std::size_t at = 0; at < mixes.size(); ++at) {
            copied[at].push_back(chains[at]->copy(count, round));
            mapped[at].push_back(chains[at]->map(count, round));
        }
    }
    for (std::size_t at = 0; at < mixes.size(); ++at) {
        setting.report(std::string("read-") + mixes[at].name, median(copied[at]), count, {});
        setting.report(std::string("look-up-") + mixes[at].name, median(mapped[at]), count, {});
    }
}

} // namespace rootstock::bench
