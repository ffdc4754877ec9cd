// The catalogue of images, overlays and volumes in SQLite. The only SQL about them.
#pragma once

#include "db/writer.hpp"
#include "images/catalogue.hpp"

namespace rootstock::db {

class ImageStore final : public images::Catalogue {
  public:
    explicit ImageStore(Writer& writer) : writer_(writer) {}

    Result<std::vector<images::ImageVersion>> versions() override;
    Result<void> add_version(const images::ImageVersion& version) override;
    /// Refused while an overlay stands on one of its versions.
    Result<void> remove_image(const std::string& image) override;

    Result<std::vector<images::OverlayRow>> overlays() override;
    Result<void> put_overlay(const images::OverlayRow& overlay) override;
    Result<void> remove_overlay(const std::string& machine) override;

    Result<std::vector<images::VolumeRow>> volumes() override;
    Result<void> put_volume(const images::VolumeRow& volume) override;
    Result<void> remove_volume(const std::string& name) override;

  private:
    Writer& writer_;
};

} // namespace rootstock::db
