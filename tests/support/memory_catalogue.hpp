// A catalogue in memory, for tests of the store. What it holds outlives the store, as the database does. before_change() is called before each change.
#pragma once

#include "images/catalogue.hpp"

#include <algorithm>
#include <functional>
#include <mutex>

namespace rootstock::test {

class MemoryCatalogue final : public images::Catalogue {
  public:
    struct Rows {
        std::vector<images::ImageVersion> versions;
        std::vector<images::OverlayRow> overlays;
        std::vector<images::VolumeRow> volumes;
    };

    MemoryCatalogue() = default;
    explicit MemoryCatalogue(Rows rows) : rows_(std::move(rows)) {}

    [[nodiscard]] Rows rows() const {
        std::lock_guard lock(mutex_);
        return rows_;
    }
    void before_change(std::function<void()> hook) { hook_ = std::move(hook); }

    Result<std::vector<images::ImageVersion>> versions() override { return rows().versions; }
    Result<void> add_version(const images::ImageVersion& version) override {
        return change([&](Rows& rows) {
            for (images::ImageVersion& other : rows.versions) {
                other.current = other.current && other.image != version.image;
            }
            rows.versions.push_back(version);
        });
    }
    Result<void> remove_image(const std::string& image) override {
        return change([&](Rows& rows) { std::erase_if(rows.versions, [&](const auto& row) { return row.image == image; }); });
    }

    Result<std::vector<images::OverlayRow>> overlays() override { return rows().overlays; }
    Result<void> put_overlay(const images::OverlayRow& overlay) override {
        return change([&](Rows& rows) {
            std::erase_if(rows.overlays, [&](const auto& row) { return row.machine == overlay.machine; });
            rows.overlays.push_back(overlay);
        });
    }
    Result<void> remove_overlay(const std::string& machine) override {
        return change([&](Rows& rows) { std::erase_if(rows.overlays, [&](const auto& row) { return row.machine == machine; }); });
    }

    Result<std::vector<images::VolumeRow>> volumes() override { return rows().volumes; }
    Result<void> put_volume(const images::VolumeRow& volume) override {
        return change([&](Rows& rows) {
            std::erase_if(rows.volumes, [&](const auto& row) { return row.name == volume.name; });
            rows.volumes.push_back(volume);
        });
    }
    Result<void> remove_volume(const std::string& name) override {
        return change([&](Rows& rows) { std::erase_if(rows.volumes, [&](const auto& row) { return row.name == name; }); });
    }

  private:
    template <class Change> Result<void> change(Change&& change) {
        if (hook_) {
            hook_();
        }
        std::lock_guard lock(mutex_);
        change(rows_);
        return {};
    }
    mutable std::mutex mutex_;
    Rows rows_;
    std::function<void()> hook_;
};

} // namespace rootstock::test
