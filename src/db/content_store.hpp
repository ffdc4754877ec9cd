// The content digests of immutable files in SQLite. The only SQL about them.
#pragma once

#include "db/writer.hpp"
#include "images/content_book.hpp"

namespace rootstock::db {

/// In the transaction of whoever calls; replaces what was known of the file.
[[nodiscard]] Result<void> write_content(Connection& connection, const images::ContentRecord& record);

class ContentStore final : public images::ContentBook {
  public:
    explicit ContentStore(Writer& writer) : writer_(writer) {}

    Result<std::vector<images::ContentState>> all() override;
    Result<std::optional<images::ContentState>> find(const std::string& file) override;
    Result<std::optional<images::ContentDigest>> digest(const std::string& file) override;
    Result<void> put(const images::ContentRecord& record) override;
    Result<void> note_verified(const std::string& file, WallTime when, const std::vector<images::File::Stretch>& damage) override;
    Result<void> remove(const std::string& file) override;

  private:
    Writer& writer_;
};

} // namespace rootstock::db
