// Catalogue: what the store knows about its files, kept in the database (db/ implements it). All calls block until durable.
#pragma once

#include "core/clock.hpp"
#include "images/master.hpp"
#include "images/volume.hpp"

#include <string>
#include <vector>

namespace rootstock::images {

struct ImageVersion {
    std::string image;
    std::uint32_t number = 0;       // 1, 2, ...
    std::string file;               // relative to the data directory: images/win11-lab/v0001.vhdx
    MasterIdentity identity;
    WallTime created;
    bool current = false;
};

enum class OverlayKind : std::uint8_t { persistent, reset };

struct OverlayRow {
    std::string machine;            // owner; at most one row a machine
    std::string image;
    std::uint32_t version = 0;
    OverlayKind kind = OverlayKind::persistent;
    std::string file;               // relative to the data directory: overlays/lab1-07.vhdx
    WallTime created;
};

struct VolumeRow {
    std::string name;
    std::uint64_t size_bytes = 0;
    std::string file;
    std::vector<std::string> initiators; // initiator names, machine names, or "*" = anyone
    WallTime created;
    VolumeOptions options = {};
};

class Catalogue {
  public:
    virtual ~Catalogue() = default;

    virtual Result<std::vector<ImageVersion>> versions() = 0;
    virtual Result<void> add_version(const ImageVersion& version) = 0; // becomes current
    virtual Result<void> remove_image(const std::string& image) = 0;

    virtual Result<std::vector<OverlayRow>> overlays() = 0;
    virtual Result<void> put_overlay(const OverlayRow& overlay) = 0;   // replaces the machine's row
    virtual Result<void> remove_overlay(const std::string& machine) = 0;

    virtual Result<std::vector<VolumeRow>> volumes() = 0;
    virtual Result<void> put_volume(const VolumeRow& volume) = 0;
    virtual Result<void> remove_volume(const std::string& name) = 0;
};

} // namespace rootstock::images
