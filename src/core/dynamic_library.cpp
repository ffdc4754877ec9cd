#include "core/dynamic_library.hpp"

#include <dlfcn.h>

namespace rootstock {

Result<DynamicLibrary> DynamicLibrary::open(const char* soname, const char* package) {
    void* handle = ::dlopen(soname, RTLD_NOW | RTLD_LOCAL);
    if (handle == nullptr) {
        return make_error(std::errc::no_such_file_or_directory,
                          std::string("the shared library ") + soname + " is missing: install it with `apt-get install " +
                              package + "`");
    }
    return DynamicLibrary(handle);
}

void* DynamicLibrary::symbol(const char* name) const { return ::dlsym(handle_, name); }

} // namespace rootstock
