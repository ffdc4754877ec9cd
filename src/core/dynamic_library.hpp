// Shared libraries that are loaded at run time, so that a machine without one is told which package to install.
#pragma once

#include "core/result.hpp"

namespace rootstock {

/// A library that stays loaded for the life of the process.
class DynamicLibrary {
  public:
    /// `soname`: "libisal.so.2"; `package`: the Debian package to name in the error: "libisal2".
    [[nodiscard]] static Result<DynamicLibrary> open(const char* soname, const char* package);

    /// The function `name`; null when the library has none.
    template <class Function> [[nodiscard]] Function* function(const char* name) const {
        return reinterpret_cast<Function*>(symbol(name));
    }

  private:
    explicit DynamicLibrary(void* handle) : handle_(handle) {}
    [[nodiscard]] void* symbol(const char* name) const;
    void* handle_;
};

} // namespace rootstock
