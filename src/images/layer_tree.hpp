// LayerTree: who stands on whom in the catalogue, at one moment: the chain below a layer, who needs it, which are needed by nobody. Pure but for read().
#pragma once

#include "images/catalogue.hpp"

#include <map>

namespace rootstock::images {

struct LayerTree {
    std::vector<LayerRow> layers;
    std::vector<ImageVersion> versions;
    std::vector<OverlayRow> overlays;
    std::vector<VolumeRow> volumes;
    std::vector<SnapshotRow> snapshots;

    [[nodiscard]] static Result<LayerTree> read(Catalogue& catalogue);

    /// Null: there is none.
    [[nodiscard]] const LayerRow* find(const std::string& layer) const;
    [[nodiscard]] const SnapshotRow* find(const DiskName& disk, const std::string& snapshot) const;
    [[nodiscard]] const OverlayRow* overlay(const std::string& machine) const;
    [[nodiscard]] const VolumeRow* volume(const std::string& name) const;
    /// The layer, then what it stands on. An error when a row is missing, or there are more than limits::chain_depth.
    [[nodiscard]] Result<std::vector<LayerRow>> chain(const std::string& layer) const;
    /// Whose contents need it, directly or through other layers, in words for people: "lab1-07", "volume data", "snapshot a of lab1-07".
    [[nodiscard]] std::vector<std::string> users(const std::string& layer) const;
    /// Who began as this version, in words, but for the layers of other versions: those stay with them.
    void add_users(const ImageVersion& version, std::vector<std::string>& users) const;
    /// Whether nothing but one layer, or nothing at all, stands on it: once nobody names it, it goes or is merged.
    [[nodiscard]] bool has_one_child(const std::string& layer) const;
    /// Whether `upper` is `lower` or stands on it.
    [[nodiscard]] bool stands_on(const std::string& upper, const std::string& lower) const;
    /// Whose space each layer takes that no version needs: that of the disk of the oldest snapshot that needs it, or else of a disk that stands on it.
    [[nodiscard]] std::map<std::string, DiskName> owners() const;
    /// What nobody needs, a child in front of its parent.
    [[nodiscard]] std::vector<LayerRow> unneeded() const;
    /// What would make a chain shorter: `layer` rewritten to stand on `below` (empty: on nothing).
    struct Shorter {
        std::string layer;
        std::string below;
        bool operator==(const Shorter&) const = default;
    };
    /// Layers with what only waits to be merged into them: nobody names it, and nothing else stands on it.
    [[nodiscard]] std::vector<Shorter> merges() const;
    /// Chains of more than `most_layers` under versions and disks. A version comes to stand alone; a disk on its version, which others share, so that
    /// none of it is copied, and where that one's chain is too long itself, it is shortened instead.
    [[nodiscard]] std::vector<Shorter> long_chains(std::size_t most_layers) const;
    /// The first of all these, merges first. Nothing: all is well.
    [[nodiscard]] std::optional<Shorter> shorter(std::size_t most_layers) const;
    /// Files of the longest chain that a version or disk is read from; through `layer`, unless that is empty. A disk's own file does not count.
    [[nodiscard]] std::size_t longest_chain(const std::string& layer = {}) const;
    /// Every file that has a row.
    [[nodiscard]] std::vector<std::string> files() const;

    /// As it will be when that is done.
    void put_parent(const Shorter& done);
    /// As it will be after `change`, as far as layers are needed by it.
    void apply(const CatalogueChange& change);
};

/// Appends `word` where it is not there yet.
void add_once(std::vector<std::string>& words, const std::string& word);

/// "snapshot before-update of lab1-07", "snapshot a of volume data".
[[nodiscard]] std::string in_words(const SnapshotRow& snapshot);
[[nodiscard]] std::string in_words(const DiskName& disk);

} // namespace rootstock::images
