// The address of a UNIX socket by its path, however long: struct sockaddr_un holds 107 bytes of it (unix(7)), and a data directory may lie
// deeper. A longer path is reached through its opened directory, /proc/self/fd/N/NAME.
#pragma once

#include "core/result.hpp"
#include "net/asio.hpp"

#include <string>

namespace rootstock::net {

/// To be kept until bind() or connect() has returned; what is bound then stays.
class LocalAddress {
  public:
    /// Error: the directory of a long path can't be opened, or the last part alone is too long.
    [[nodiscard]] static Result<LocalAddress> of(const std::string& path);
    LocalAddress(LocalAddress&& other) noexcept;
    LocalAddress& operator=(LocalAddress&&) = delete;
    ~LocalAddress();

    [[nodiscard]] const asio::local::stream_protocol::endpoint& endpoint() const { return endpoint_; }

  private:
    LocalAddress(const std::string& path, int directory) : endpoint_(path), directory_(directory) {}

    asio::local::stream_protocol::endpoint endpoint_;
    int directory_; // -1: none is needed
};

} // namespace rootstock::net
