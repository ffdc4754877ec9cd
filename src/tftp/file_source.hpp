// FileSource: the only names TFTP can read. Nothing outside of it exists: no path of the file system is ever touched.
#pragma once

#include "core/bytes.hpp"

#include <memory>
#include <optional>
#include <string>

namespace rootstock::tftp {

/// A file in memory. `owner` keeps `bytes` alive as long as a transfer runs; null for assets of the binary.
struct File {
    Bytes bytes;
    std::shared_ptr<const void> owner;
};

/// Called on any shard; must not block.
class FileSource {
  public:
    virtual ~FileSource() = default;
    /// `name` as asked for, without leading slashes. `client`: its address, for the boot record.
    [[nodiscard]] virtual std::optional<File> find(std::string_view name, std::string_view client) = 0;
    /// The last block was acknowledged.
    virtual void delivered(std::string_view name, std::string_view client) = 0;
};

} // namespace rootstock::tftp
