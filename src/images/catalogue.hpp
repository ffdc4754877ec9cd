// Catalogue: what the store knows about its files, kept in the database (db/ implements it). All calls block until durable.
//
// A *layer* is one immutable VHDX of the store, and stands on at most one other. A version of an image names its layer, a snapshot names its own, and the
// writable files (a machine's overlay, a volume) name the layer that they stand on. A layer that anything names cannot go.
#pragma once

#include "core/clock.hpp"
#include "images/boot_trace.hpp"
#include "images/content_book.hpp"
#include "images/master.hpp"
#include "images/release.hpp"
#include "images/space_forecast.hpp"
#include "images/volume.hpp"

#include <string>
#include <utility>
#include <vector>

namespace rootstock::images {

struct LayerRow {
    std::string file;               // relative to the data directory: images/win11-lab/v0001.vhdx; what others name it by
    std::string parent;             // the layer that it stands on; empty: none
    std::string origin;             // where the file lies until its move to `file` is done; empty: it is there
    MasterIdentity identity;
    WallTime created;
    bool operator==(const LayerRow&) const = default;
};

struct ImageVersion {
    std::string image;
    std::uint32_t number = 0;       // 1, 2, ...
    std::string file;               // its layer
    MasterIdentity identity;        // of its layer: read, never written
    WallTime created;
    bool current = false;
};

enum class OverlayKind : std::uint8_t { persistent, reset };

struct OverlayRow {
    std::string machine;            // owner; at most one row a machine
    std::string image;
    std::uint32_t version = 0;      // of the image that it began as
    OverlayKind kind = OverlayKind::persistent;
    std::string file;               // relative to the data directory: overlays/lab1-07.vhdx
    WallTime created;
    std::string layer;              // that it stands on: of its version, or of a snapshot
    std::string restore;            // the snapshot that the next boot goes back to; empty: none
};

struct VolumeRow {
    std::string name;
    std::uint64_t size_bytes = 0;
    std::string file;
    std::vector<std::string> initiators; // initiator names, machine names, or "*" = anyone
    WallTime created;
    VolumeOptions options = {};
    std::int64_t iso_modified_ns = 0; // of a CD-ROM: of its file, when it came into the drive; with the size what a changed one is noticed by
    std::string layer = {};              // that it stands on; empty: none
};

enum class DiskKind : std::uint8_t { machine, volume };

/// A disk that people name: a machine's, or a volume.
struct DiskName {
    DiskKind kind = DiskKind::machine;
    std::string name;
    auto operator<=>(const DiskName&) const = default;
};

struct SnapshotRow {
    DiskName disk;
    std::string name;               // unique for the disk
    std::string layer;
    std::string image;              // of a machine's disk: what it began as; empty for a volume
    std::uint32_t version = 0;
    WallTime created;
};

/// One machine writes the next version of an image; nobody else does. The overlay that it had before belongs to kept_owner() of it meanwhile.
struct Maintenance {
    std::string image;
    std::string machine;
    WallTime since;
};
[[nodiscard]] std::string kept_owner(const std::string& machine); // no machine's name: those have no dot
/// The machine of an overlay, also of one that is put aside.
[[nodiscard]] std::string machine_of(const OverlayRow& overlay);

/// Rows that come, change and go together. A row that is put replaces the one with its name.
struct CatalogueChange {
    std::vector<LayerRow> put_layers = {};          // a parent in front of its children
    std::vector<ContentRecord> put_contents = {};   // of layers that come or become other files
    std::vector<ImageVersion> add_versions = {};    // `current`, or an image's first: becomes the current one, and releases of others end
    std::vector<Release> add_releases = {};
    std::vector<OverlayRow> put_overlays = {};
    std::vector<VolumeRow> put_volumes = {};
    std::vector<SnapshotRow> put_snapshots = {};
    std::vector<SnapshotRow> remove_snapshots = {}; // by disk and name
    std::vector<std::string> remove_overlays = {};  // by machine
    std::vector<std::pair<std::string, std::string>> rename_overlays = {}; // from one owner to another, who has none
    std::vector<Maintenance> put_maintenance = {};
    std::vector<std::string> remove_maintenance = {}; // by machine
    std::vector<std::string> remove_volumes = {};
    std::vector<ImageVersion> remove_versions = {}; // by image and number; the current one stays
    std::vector<std::string> remove_images = {};    // with their versions
    std::vector<std::string> remove_layers = {};    // a child in front of its parent; with the digests of their files
};

/// What was taken on a day. `what`: "file-system", "store", "group/NAME".
struct SpaceSample {
    std::string what;
    DaySample sample;
};

class Catalogue {
  public:
    virtual ~Catalogue() = default;

    virtual Result<std::vector<LayerRow>> layers() = 0;
    virtual Result<std::vector<ImageVersion>> versions() = 0;
    virtual Result<std::vector<OverlayRow>> overlays() = 0;
    virtual Result<std::vector<VolumeRow>> volumes() = 0;
    virtual Result<std::vector<SnapshotRow>> snapshots() = 0;
    virtual Result<std::vector<Maintenance>> maintenance() = 0;

    /// All of it or nothing. An error when something that stays names what is to go.
    virtual Result<void> apply(const CatalogueChange& change) = 0;

    Result<void> put_overlay(const OverlayRow& overlay) { return apply({.put_overlays = {overlay}}); }
    Result<void> remove_overlay(const std::string& machine) { return apply({.remove_overlays = {machine}}); }
    Result<void> put_volume(const VolumeRow& volume) { return apply({.put_volumes = {volume}}); }
    Result<void> remove_volume(const std::string& name) { return apply({.remove_volumes = {name}}); }

    virtual ContentBook& contents() = 0;
    virtual TraceBook& traces() = 0;

    virtual Result<std::vector<SpaceSample>> space_samples() = 0;
    /// Each takes the place of the same day's; those of more than forecast_days_kept days before it go.
    virtual Result<void> put_space_samples(const std::vector<SpaceSample>& samples) = 0;
};

} // namespace rootstock::images
