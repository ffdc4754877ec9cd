// A catalogue in memory, for tests of the store. What it holds outlives the store, as the database does. before_change() is called before each change.
// Long because it is all of the catalogue, whose changes are one transaction.
#pragma once

#include "images/catalogue.hpp"

#include <algorithm>
#include <functional>
#include <map>
#include <mutex>

namespace rootstock::test {

class MemoryContents final : public images::ContentBook {
  public:
    struct Known {
        images::ContentState state;
        images::ContentDigest digest;
    };
    using Rows = std::map<std::string, Known>; // by file

    MemoryContents() = default;
    explicit MemoryContents(Rows rows) : known_(std::move(rows)) {}
    [[nodiscard]] const Rows& rows() const { return known_; }

    Result<std::vector<images::ContentState>> all() override {
        std::vector<images::ContentState> states;
        for (const auto& [file, known] : known_) {
            states.push_back(known.state);
        }
        return states;
    }
    Result<std::optional<images::ContentState>> find(const std::string& file) override {
        const auto at = known_.find(file);
        return at == known_.end() ? std::nullopt : std::optional(at->second.state);
    }
    Result<std::optional<images::ContentDigest>> digest(const std::string& file) override {
        const auto at = known_.find(file);
        return at == known_.end() ? std::nullopt : std::optional(at->second.digest);
    }
    Result<void> put(const images::ContentRecord& record) override {
        known_[record.file] = {{record.file, record.data_write_guid, record.digest.root(), record.verified, {}}, record.digest};
        return {};
    }
    Result<void> note_verified(const std::string& file, WallTime when, const std::vector<images::File::Stretch>& damage) override {
        if (const auto at = known_.find(file); at != known_.end()) {
            at->second.state.verified = when;
            at->second.state.damage = damage;
        }
        return {};
    }
    Result<void> remove(const std::string& file) override {
        known_.erase(file);
        return {};
    }

  private:
    Rows known_;
};

class MemoryTraces final : public images::TraceBook {
  public:
    Result<std::vector<Row>> all() override {
        std::lock_guard lock(mutex_);
        std::vector<Row> rows;
        for (const auto& [version, trace] : known_) {
            rows.push_back({version.first, version.second, trace.facts});
        }
        return rows;
    }
    Result<std::optional<images::BootTrace>> find(const std::string& image, std::uint32_t version) override {
        std::lock_guard lock(mutex_);
        const auto at = known_.find({image, version});
        return at == known_.end() ? std::nullopt : std::optional(at->second);
    }
    Result<void> put(const std::string& image, std::uint32_t version, const images::BootTrace& trace) override {
        std::lock_guard lock(mutex_);
        known_[{image, version}] = trace;
        return {};
    }
    /// As the database's foreign keys do it.
    void keep_those_of(const std::vector<images::ImageVersion>& versions) {
        std::lock_guard lock(mutex_);
        std::erase_if(known_, [&](const auto& entry) {
            return std::ranges::none_of(versions, [&](const auto& row) { return row.image == entry.first.first && row.number == entry.first.second; });
        });
    }

  private:
    std::mutex mutex_;
    std::map<std::pair<std::string, std::uint32_t>, images::BootTrace> known_;
};

class MemoryCatalogue final : public images::Catalogue {
  public:
    struct Rows {
        std::vector<images::LayerRow> layers;
        std::vector<images::ImageVersion> versions;
        std::vector<images::OverlayRow> overlays;
        std::vector<images::VolumeRow> volumes;
        std::vector<images::SnapshotRow> snapshots;
        std::vector<images::Maintenance> maintenance;
        std::vector<images::Release> releases;
        std::vector<images::SpaceSample> samples;
        MemoryContents::Rows contents; // of rows() alone: contents() has them
    };

    MemoryCatalogue() = default;
    explicit MemoryCatalogue(Rows rows) : rows_(std::move(rows)), contents_(std::exchange(rows_.contents, {})) {}

    [[nodiscard]] Rows rows() const {
        std::lock_guard lock(mutex_);
        Rows all = rows_;
        all.contents = contents_.rows();
        return all;
    }
    void before_change(std::function<void()> hook) { hook_ = std::move(hook); }
    /// Changes of several rows fail from now on, as those of a database on a full disk do; or no more.
    void refuse_changes(bool refused) { refused_ = refused; }

    Result<std::vector<images::LayerRow>> layers() override { return copy_of(&Rows::layers); }
    Result<std::vector<images::ImageVersion>> versions() override {
        std::lock_guard lock(mutex_);
        std::vector<images::ImageVersion> versions = rows_.versions;
        for (images::ImageVersion& version : versions) {
            version.identity = std::ranges::find(rows_.layers, version.file, &images::LayerRow::file)->identity;
        }
        return versions;
    }
    Result<std::vector<images::OverlayRow>> overlays() override { return copy_of(&Rows::overlays); }
    Result<std::vector<images::VolumeRow>> volumes() override { return copy_of(&Rows::volumes); }
    Result<std::vector<images::SnapshotRow>> snapshots() override { return copy_of(&Rows::snapshots); }
    Result<std::vector<images::Maintenance>> maintenance() override { return copy_of(&Rows::maintenance); }

    Result<std::vector<images::SpaceSample>> space_samples() override { return copy_of(&Rows::samples); }
    Result<void> put_space_samples(const std::vector<images::SpaceSample>& samples) override {
        std::lock_guard lock(mutex_);
        for (const images::SpaceSample& sample : samples) {
            std::erase_if(rows_.samples, [&](const auto& row) { return row.what == sample.what && row.sample.day == sample.sample.day; });
            rows_.samples.push_back(sample);
        }
        return {};
    }

    images::ContentBook& contents() override { return contents_; }
    images::TraceBook& traces() override { return traces_; }
    Result<void> apply(const images::CatalogueChange& change) override {
        if (hook_) {
            hook_();
        }
        if (refused_) {
            return make_error(std::errc::no_space_on_device, "the catalogue was made to fail");
        }
        std::lock_guard lock(mutex_);
        Rows next = rows_;
        put(next.layers, change.put_layers, &images::LayerRow::file);
        for (const images::ImageVersion& version : change.add_versions) {
            bool first = true;
            for (images::ImageVersion& other : next.versions) {
                const bool same = other.image == version.image;
                first = first && !same;
                other.current = other.current && !(same && version.current);
            }
            next.versions.push_back(version);
            next.versions.back().current = version.current || first;
        }
        next.releases.insert(next.releases.end(), change.add_releases.begin(), change.add_releases.end());
        put(next.overlays, change.put_overlays, &images::OverlayRow::machine);
        put(next.volumes, change.put_volumes, &images::VolumeRow::name);
        next.snapshots.insert(next.snapshots.end(), change.put_snapshots.begin(), change.put_snapshots.end());
        for (const images::SnapshotRow& gone : change.remove_snapshots) {
            std::erase_if(next.snapshots, [&](const auto& row) { return row.disk == gone.disk && row.name == gone.name; });
        }
        remove(next.overlays, change.remove_overlays, &images::OverlayRow::machine);
        for (const auto& [from, to] : change.rename_overlays) {
            for (images::OverlayRow& row : next.overlays) {
                row.machine = row.machine == from ? to : row.machine;
            }
        }
        put(next.maintenance, change.put_maintenance, &images::Maintenance::machine);
        remove(next.maintenance, change.remove_maintenance, &images::Maintenance::machine);
        for (const images::ImageVersion& gone : change.remove_versions) {
            std::erase_if(next.versions, [&](const auto& row) { return row.image == gone.image && row.number == gone.number && !row.current; });
        }
        remove(next.volumes, change.remove_volumes, &images::VolumeRow::name);
        remove(next.versions, change.remove_images, &images::ImageVersion::image);
        remove(next.layers, change.remove_layers, &images::LayerRow::file);
        if (const std::string broken = broken_reference(next); !broken.empty()) {
            return make_error(std::errc::io_error, "FOREIGN KEY constraint failed: " + broken);
        }
        rows_ = std::move(next);
        for (const images::ContentRecord& record : change.put_contents) {
            static_cast<void>(contents_.put(record));
        }
        for (const std::string& layer : change.remove_layers) {
            static_cast<void>(contents_.remove(layer));
        }
        traces_.keep_those_of(rows_.versions);
        return {};
    }

  private:
    template <class Rowset> Result<Rowset> copy_of(Rowset Rows::*which) const {
        std::lock_guard lock(mutex_);
        return rows_.*which;
    }
    template <class Row, class Key> static void put(std::vector<Row>& rows, const std::vector<Row>& changed, Key key) {
        for (const Row& row : changed) {
            std::erase_if(rows, [&](const Row& other) { return other.*key == row.*key; });
            rows.push_back(row);
        }
    }
    template <class Row, class Key> static void remove(std::vector<Row>& rows, const std::vector<std::string>& names, Key key) {
        std::erase_if(rows, [&](const Row& row) { return std::ranges::find(names, row.*key) != names.end(); });
    }
    /// What names a row that is not there, as the database's foreign keys would notice.
    static std::string broken_reference(const Rows& rows) {
        const auto no_layer = [&](const std::string& file) { return !file.empty() && std::ranges::find(rows.layers, file, &images::LayerRow::file) == rows.layers.end(); };
        const auto no_version = [&](const std::string& image, std::uint32_t number) {
            return !image.empty() && std::ranges::none_of(rows.versions, [&](const auto& row) { return row.image == image && row.number == number; });
        };
        for (const auto& row : rows.layers) {
            if (no_layer(row.parent)) {
                return row.file;
            }
        }
        for (const auto& row : rows.versions) {
            if (no_layer(row.file)) {
                return row.image;
            }
        }
        for (const auto& row : rows.overlays) {
            if (no_layer(row.layer) || row.layer.empty() || no_version(row.image, row.version)) {
                return row.machine;
            }
        }
        for (const auto& row : rows.volumes) {
            if (no_layer(row.layer)) {
                return row.name;
            }
        }
        for (const auto& row : rows.snapshots) {
            if (no_layer(row.layer) || row.layer.empty() || no_version(row.image, row.version)) {
                return row.name;
            }
        }
        return {};
    }

    mutable std::mutex mutex_;
    Rows rows_;
    MemoryContents contents_;
    MemoryTraces traces_;
    std::function<void()> hook_;
    bool refused_ = false;
};

} // namespace rootstock::test
