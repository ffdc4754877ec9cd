// Releases in SQLite. The only SQL about them.
#pragma once

#include "db/writer.hpp"
#include "images/release.hpp"

namespace rootstock::db {

/// A row for it, within the transaction of `connection`.
[[nodiscard]] Result<void> write_release(Connection& connection, const images::Release& release);

class ReleaseStore final : public images::ReleaseStore {
  public:
    explicit ReleaseStore(Writer& writer) : writer_(writer) {}

    Result<std::vector<images::Release>> releases() override;
    Result<images::Release> add_release(const images::Release& release) override;
    Result<void> end_release(std::int64_t id, images::ReleaseState state, const std::string& detail) override;
    Result<void> make_current(const images::Release& release) override;
    Result<void> roll_back_to(const std::string& image, std::uint32_t version, const std::string& detail) override;

  private:
    Writer& writer_;
};

} // namespace rootstock::db
