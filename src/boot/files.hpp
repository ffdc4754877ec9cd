// Files: the loaders, by name, for TFTP and HTTP: those inside the binary, and those of a folder
// that override or add to them (newer or signed builds). All are in memory, so nothing blocks and
// no path of the file system is ever reached by a name from the network. Threads: thread-safe;
// immutable but for load_overrides(), which the start and a reload call.
#pragma once

#include "boot/clients.hpp"
#include "core/log.hpp"
#include "core/result.hpp"
#include "core/snapshot.hpp"
#include "fleet/registry.hpp"
#include "images/file.hpp"
#include "tftp/file_source.hpp"

#include <map>

namespace rootstock::boot {

class Files final : public tftp::FileSource {
  public:
    Files(fleet::Registry& registry, Clients& clients, Log& log);

    /// Reads all plain files of `folder` (empty: none). An error names the file that could not be
    /// read; what was loaded before stays.
    [[nodiscard]] Result<void> load_overrides(images::FileSystem& files, const std::string& folder);

    [[nodiscard]] std::optional<tftp::File> find(std::string_view name,
                                                 std::string_view client) override;
    void delivered(std::string_view name, std::string_view client) override {
        delivered_by(name, client, "TFTP");
    }
    /// The same for HTTP.
    void delivered_by(std::string_view name, std::string_view client, std::string_view protocol);

    [[nodiscard]] bool has(std::string_view name) const { return lookup(name).has_value(); }

  private:
    using Overrides = std::map<std::string, std::shared_ptr<const ByteVector>, std::less<>>;
    [[nodiscard]] std::optional<tftp::File> lookup(std::string_view name) const;

    fleet::Registry& registry_;
    Clients& clients_;
    Log& log_;
    Snapshot<Overrides> overrides_;
};

} // namespace rootstock::boot
