// StoreCheck: goes through a data directory and its catalogue, one look at everything, and mends what is safe (docs/store-check.md). Works while the
// store is in use: each disk is looked at under its own lock, and one that is open is left alone. One thread; blocks.
#pragma once

#include "images/directory_store.hpp"
#include "images/vhdx_image.hpp"

namespace rootstock::images {

class StoreCheck {
  public:
    StoreCheck(DirectoryStore& store, const StoreCheckOptions& options, const PieceProgress& progress)
        : store_(store), options_(options), progress_(progress) {}

    [[nodiscard]] Result<StoreReport> run();

  private:
    /// Mends a finding; gives what was done.
    using Mend = std::function<Result<std::string>()>;
    void found(StoreFinding finding, const Mend& mend = {});

    [[nodiscard]] Result<void> look_at_directories();
    [[nodiscard]] Result<void> look_at_directory(const std::string& directory);
    [[nodiscard]] Result<void> look_at_file(const std::string& directory, const std::string& name);
    void judge_file(const std::string& file, const std::set<std::string>& known);
    [[nodiscard]] Result<std::string> move_to_lost_and_found(const std::string& file);

    [[nodiscard]] Result<void> look_at_layers();
    void look_at_chains();
    void look_at_layer(const LayerRow& layer);
    [[nodiscard]] Result<VhdxImage> look_inside(const std::string& kind, const std::string& file, const std::string& layer, File& opened);
    [[nodiscard]] Result<void> look_at_overlays();
    void look_at_overlay(const OverlayRow& row);
    [[nodiscard]] Result<void> look_at_volumes();
    void look_at_volume(const VolumeRow& row);
    void look_at_space(const std::string& kind_of_disk, const std::string& file, File& opened, const VhdxImage& image, const Mend& reopen);
    [[nodiscard]] Result<void> look_at_records();
    [[nodiscard]] Result<void> read_everything();

    DirectoryStore& store_;
    StoreCheckOptions options_;
    const PieceProgress& progress_;
    LayerTree tree_; // as look_at_layers() found it
    StoreReport report_;
};

} // namespace rootstock::images
