// Columns for people: aligned, with a header line. Scripts use --json.
#pragma once

#include <string>
#include <vector>

namespace rootstock::cli {

class Table {
  public:
    explicit Table(std::vector<std::string> header) : rows_{std::move(header)} {}

    void add(std::vector<std::string> row) { rows_.push_back(std::move(row)); }
    [[nodiscard]] bool empty() const { return rows_.size() == 1; }
    /// Each line ends with a newline; the last column is not padded.
    [[nodiscard]] std::string text() const;

  private:
    std::vector<std::vector<std::string>> rows_;
};

} // namespace rootstock::cli
