// Files for the tests of this folder: a directory that goes away, and programs that read our files independently.
#pragma once

#include "core/bytes.hpp"
#include "support/catch.hpp"

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <unistd.h>

namespace rootstock {

class TemporaryDirectory {
  public:
    TemporaryDirectory() {
        std::string name = (std::filesystem::temp_directory_path() / "rootstock-XXXXXX").string();
        path_ = ::mkdtemp(name.data());
    }
    TemporaryDirectory(const TemporaryDirectory&) = delete;
    TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
    ~TemporaryDirectory() { std::filesystem::remove_all(path_); }

    [[nodiscard]] const std::string& path() const { return path_; }
    [[nodiscard]] std::string file(const std::string& name) const { return path_ + "/" + name; }
    void write(const std::string& name, std::string_view contents) const { std::ofstream(file(name), std::ios::binary) << contents; }
    [[nodiscard]] ByteVector read(const std::string& name) const {
        std::ifstream in(file(name), std::ios::binary);
        return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
    }

  private:
    std::string path_;
};

/// The value of a step that the test takes for granted: a failure ends the test with its reason.
template <class T, class E> [[nodiscard]] T value_of(Result<T, E> result) {
    INFO((Catch::StringMaker<Result<T, E>>::convert(result)));
    REQUIRE(static_cast<bool>(result));
    return std::move(*result);
}

/// Whether a program of this name can be run.
[[nodiscard]] inline bool have_program(const std::string& name) { return std::system(("command -v " + name + " >/dev/null 2>&1").c_str()) == 0; }

struct Outcome {
    int status = 0;
    std::string output;
};
/// Runs a shell line; its output (both streams) and exit status.
[[nodiscard]] inline Outcome run(const std::string& line) {
    Outcome outcome;
    FILE* pipe = ::popen(("{ " + line + "; } 2>&1").c_str(), "r");
    for (int c = 0; pipe != nullptr && (c = std::fgetc(pipe)) != EOF;) {
        outcome.output += static_cast<char>(c);
    }
    outcome.status = pipe == nullptr ? -1 : ::pclose(pipe);
    return outcome;
}

} // namespace rootstock
