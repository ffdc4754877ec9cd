// The boot traces of versions in SQLite. The only SQL about them.
#pragma once

#include "db/writer.hpp"
#include "images/boot_trace.hpp"

namespace rootstock::db {

class TraceStore final : public images::TraceBook {
  public:
    explicit TraceStore(Writer& writer) : writer_(writer) {}

    Result<std::vector<Row>> all() override;
    Result<std::optional<images::BootTrace>> find(const std::string& image, std::uint32_t version) override;
    Result<void> put(const std::string& image, std::uint32_t version, const images::BootTrace& trace) override;

  private:
    Writer& writer_;
};

} // namespace rootstock::db
