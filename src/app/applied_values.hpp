// Values as text, the common ground of file, database and what was applied last: "machine/lab1-07/image" -> "win11".
#pragma once

#include "app/config.hpp"
#include "images/catalogue.hpp"

#include <map>

namespace rootstock::app {

/// Field -> value, of one object.
using FieldValues = std::map<std::string, std::string>;

[[nodiscard]] FieldValues values_of(const fleet::NewMachine& machine);
[[nodiscard]] FieldValues values_of(const fleet::Machine& machine);
[[nodiscard]] FieldValues values_of(const VolumeEntry& volume);
[[nodiscard]] FieldValues values_of(const images::VolumeRow& volume);

/// A value as people may see it: nothing of a secret, "none" for an empty one.
[[nodiscard]] bool is_secret(const std::string& field);
[[nodiscard]] std::string shown_value(const std::string& field, const std::string& value);

/// Appends "OBJECT/FIELD" -> value.
void append(std::vector<fleet::AppliedValue>& out, const std::string& object, const FieldValues& values);

/// What was applied last, by object ("machine/lab1-07").
class AppliedValues {
  public:
    explicit AppliedValues(const std::vector<fleet::AppliedValue>& values);

    [[nodiscard]] std::vector<std::string> objects() const;
    /// Empty for an object that never came from the file.
    [[nodiscard]] FieldValues values(const std::string& object) const;
    /// True when exactly this was applied. A field that an older program did not know was empty then.
    [[nodiscard]] bool is(const std::string& object, const std::string& field, const std::string& value) const;
    [[nodiscard]] bool are(const std::string& object, const FieldValues& values) const;

  private:
    std::map<std::string, FieldValues> objects_;
};

} // namespace rootstock::app
