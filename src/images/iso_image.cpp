#include "images/iso_image.hpp"

#include "core/checked.hpp"
#include "images/volume.hpp"

#include <algorithm>
#include <array>

namespace rootstock::images {
namespace {

using block::IoError;

constexpr std::uint64_t first_descriptor = 16 * std::uint64_t{cdrom_block_size};
constexpr std::size_t identifier_offset = 1; // in a descriptor, behind its type
constexpr std::array<std::string_view, 2> identifiers = {"CD001", "BEA01"};

Error unusable(const std::string& path, const std::string& why) { return make_error(std::errc::invalid_argument, path + " " + why); }

Result<void> check_is_iso(File& file, std::uint64_t size_bytes) {
    std::array<char, identifiers.front().size()> found{};
    if (size_bytes >= first_descriptor + cdrom_block_size) {
        if (auto read = file.read_at(first_descriptor + identifier_offset, object_bytes(found)); !read) {
            return read;
        }
    }
    if (std::find(identifiers.begin(), identifiers.end(), std::string_view(found.data(), found.size())) == identifiers.end()) {
        return unusable(file.path(), "is no ISO image: it holds neither an ISO 9660 nor a UDF volume");
    }
    if (size_bytes % cdrom_block_size != 0) {
        return unusable(file.path(), "has " + std::to_string(size_bytes) + " bytes, no multiple of " + std::to_string(cdrom_block_size) +
                                         " as an ISO image has; fetch it again, it may be cut off");
    }
    return {};
}

Result<IsoFacts> facts_of(File& file) {
    const auto stamp = file.stamp();
    if (!stamp) {
        return stamp.error();
    }
    return IsoFacts{stamp->size, stamp->mtime_ns};
}

class IsoImage final : public Overlay {
  public:
    IsoImage(std::unique_ptr<File> file, std::uint64_t size_bytes)
        : file_(std::move(file)), geometry_{size_bytes, cdrom_block_size, cdrom_block_size, 0, true} {}

    [[nodiscard]] block::Geometry geometry() const override { return geometry_; }

    block::TryRead try_read(std::uint64_t offset, std::size_t length, bool, block::ReadSink& sink) override {
        using block::TryStatus;
        if (!range_fits(offset, length, geometry_.size_bytes)) {
            return {TryStatus::failed, IoError::out_of_range, {}};
        }
        if (length == 0) {
            return {};
        }
        const auto read = file_->try_read_at(offset, sink.buffer(length));
        return {!read ? TryStatus::failed : *read ? TryStatus::done : TryStatus::would_block, IoError::medium, {}};
    }
    Result<void, IoError> read(std::uint64_t offset, MutableBytes out) override {
        if (!range_fits(offset, out.size(), geometry_.size_bytes)) {
            return IoError::out_of_range;
        }
        return file_->read_at(offset, out) ? Result<void, IoError>() : IoError::medium;
    }

    block::TryWrite try_write(std::uint64_t, Bytes) override { return {block::TryStatus::failed, IoError::read_only}; }
    Result<void, IoError> write(std::uint64_t, Bytes, bool) override { return IoError::read_only; }
    Result<void, IoError> flush() override { return {}; }
    Result<void, IoError> discard(std::uint64_t, std::uint64_t) override { return IoError::read_only; }

    Result<void> close() override { return {}; }
    [[nodiscard]] std::uint64_t allocated_bytes() override { return 0; } // nothing of it is in the store
    void charge_to(std::shared_ptr<SpaceAccount>) override {} // nothing is ever written
    void settle_account() override {}

  private:
    const std::unique_ptr<File> file_;
    const block::Geometry geometry_;
};

Result<std::unique_ptr<File>> open_file(FileSystem& files, const std::string& path) {
    if (!path.starts_with('/')) {
        return make_error(std::errc::invalid_argument,
                          "an ISO image is given by its absolute path on the server, like /srv/iso/debian.iso, not \"" + path + "\"");
    }
    return files.open(path, OpenMode::read_only);
}

} // namespace

Result<IsoFacts> inspect_iso(FileSystem& files, const std::string& path) {
    const auto file = open_file(files, path);
    if (!file) {
        return file.error();
    }
    const auto facts = facts_of(**file);
    if (!facts) {
        return facts;
    }
    if (const auto valid = check_is_iso(**file, facts->size_bytes); !valid) {
        return valid.error();
    }
    return facts;
}

Result<void> check_same_iso(const std::string& path, const IsoFacts& found, const IsoFacts& expected, const std::string& volume) {
    if (found == expected) {
        return {};
    }
    return unusable(path, "was changed since it became volume " + volume + "; to use it as it is now: rootstock volume set " + volume + " --iso " + path);
}

Result<std::shared_ptr<Overlay>> open_iso(FileSystem& files, const std::string& path, const IsoFacts& expected, const std::string& volume) {
    auto file = open_file(files, path);
    if (!file) {
        return file.error();
    }
    const auto facts = facts_of(**file);
    if (!facts) {
        return facts.error();
    }
    if (const auto same = check_same_iso(path, *facts, expected, volume); !same) {
        return same.error();
    }
    return std::shared_ptr<Overlay>(std::make_shared<IsoImage>(std::move(*file), facts->size_bytes));
}

} // namespace rootstock::images
