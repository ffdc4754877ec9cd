// The catalogue of layers, images, overlays, volumes and snapshots in SQLite. The only SQL about them.
#pragma once

#include "db/content_store.hpp"
#include "db/trace_store.hpp"
#include "images/catalogue.hpp"

namespace rootstock::db {

class ImageStore final : public images::Catalogue {
  public:
    explicit ImageStore(Writer& writer) : writer_(writer), contents_(writer), traces_(writer) {}

    Result<std::vector<images::LayerRow>> layers() override;
    Result<std::vector<images::ImageVersion>> versions() override;
    Result<std::vector<images::OverlayRow>> overlays() override;
    Result<std::vector<images::VolumeRow>> volumes() override;
    Result<std::vector<images::SnapshotRow>> snapshots() override;
    Result<std::vector<images::Maintenance>> maintenance() override;
    Result<void> apply(const images::CatalogueChange& change) override;

    Result<std::vector<images::SpaceSample>> space_samples() override;
    Result<void> put_space_samples(const std::vector<images::SpaceSample>& samples) override;

    images::ContentBook& contents() override { return contents_; }
    images::TraceBook& traces() override { return traces_; }

  private:
    Writer& writer_;
    ContentStore contents_;
    TraceStore traces_;
};

} // namespace rootstock::db
