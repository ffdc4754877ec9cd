#include "support/golden.hpp"

#include "core/text.hpp"

#include <fstream>
#include <stdexcept>

namespace rootstock::test {

ByteVector from_hex(std::string_view text) {
    std::string digits;
    for (const char c : text) {
        if (c != ' ' && c != '\t' && c != '\r' && c != '\n') {
            digits.push_back(c);
        }
    }
    ByteVector bytes;
    for (std::size_t i = 0; i < digits.size(); i += 2) {
        const auto byte = parse_hex<std::uint8_t>(std::string_view(digits).substr(i, 2));
        if (!byte || i + 1 == digits.size()) {
            throw std::runtime_error("no hexadecimal bytes: " + std::string(text));
        }
        bytes.push_back(*byte);
    }
    return bytes;
}

ByteVector golden(const std::string& name) {
    std::ifstream file(ROOTSTOCK_SOURCE_DIR "/tests/golden/" + name);
    if (!file) {
        throw std::runtime_error("tests/golden/" + name + " is missing");
    }
    ByteVector bytes;
    std::string line;
    while (std::getline(file, line)) {
        const auto part = from_hex(std::string_view(line).substr(0, line.find('#')));
        bytes.insert(bytes.end(), part.begin(), part.end());
    }
    return bytes;
}

} // namespace rootstock::test
