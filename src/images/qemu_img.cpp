#include "images/qemu_img.hpp"

#include "core/text.hpp"
#include "images/child_process.hpp"

#include <cmath>

namespace rootstock::images {
namespace {

constexpr const char* program = "qemu-img";
constexpr int check_found_corruption = 2; // exit codes of `qemu-img check`
constexpr int check_found_leaks = 3;
constexpr int check_unsupported = 63;

/// A file name is never taken for an option or a protocol ("nbd:...", "json:{...}").
std::string plain_path(const std::string& path) { return path.starts_with('/') ? path : "./" + path; }

Result<ProgramEnd> run_qemu(std::vector<std::string> words, const OnOutput& on_output) {
    words.insert(words.begin(), program);
    auto end = run_program(words, on_output);
    if (!end && end.error().code == std::errc::no_such_file_or_directory) {
        return make_error(std::errc::not_supported, "qemu-img is needed for this format and is not installed; install the package qemu-utils");
    }
    return end;
}

std::string last_line(std::string_view text) {
    text = trim(text);
    const std::size_t line = text.rfind('\n');
    return std::string(line == text.npos ? text : text.substr(line + 1));
}

Error failed(const std::string& doing, const ProgramEnd& end) {
    const std::string reason = last_line(end.error_output);
    return make_error(std::errc::illegal_byte_sequence, "cannot " + doing + ": " + (reason.empty() ? "qemu-img ended with " + std::to_string(end.status) : reason));
}

/// The newest of qemu-img's "    (12.34/100%)", in percent.
std::optional<double> percent_in(std::string_view output) {
    const std::size_t end = output.rfind("/100%)");
    const std::size_t begin = end == output.npos ? output.npos : output.rfind('(', end);
    double percent = 0;
    if (begin == output.npos || std::from_chars(output.data() + begin + 1, output.data() + end, percent).ec != std::errc{} || !std::isfinite(percent)) {
        return std::nullopt;
    }
    return std::clamp(percent, 0.0, 100.0);
}

/// Hands qemu-img's progress on, and asks even without any, so that it can be cancelled.
OnOutput progress_reader(std::uint64_t total_bytes, const ProgressCallback& progress) {
    auto done = std::make_shared<std::uint64_t>(0);
    return [total_bytes, &progress, done](std::string_view output) {
        if (const auto percent = percent_in(output)) {
            *done = static_cast<std::uint64_t>(static_cast<double>(total_bytes) * *percent / 100);
        }
        return !progress || progress({*done, total_bytes, *done});
    };
}

/// The number behind `"key": ` in JSON of one object a line, as qemu-img prints it.
std::optional<std::uint64_t> number_behind(std::string_view text, std::string_view key) {
    const std::string quoted = "\"" + std::string(key) + "\": ";
    const std::size_t at = text.find(quoted);
    if (at == text.npos) {
        return std::nullopt;
    }
    text.remove_prefix(at + quoted.size());
    return parse_number<std::uint64_t>(text.substr(0, text.find_first_not_of("0123456789")));
}

} // namespace

std::string_view qemu_name(ImageFormat format) {
    switch (format) {
    case ImageFormat::vhd: return "vpc";
    case ImageFormat::vhdx: return "vhdx";
    case ImageFormat::qcow2: return "qcow2";
    case ImageFormat::qed: return "qed";
    case ImageFormat::vmdk: return "vmdk";
    case ImageFormat::vdi: return "vdi";
    default: return "raw";
    }
}

Result<void> qemu_convert(const QemuConversion& conversion, const ProgressCallback& progress) {
    std::vector<std::string> words{"convert", "-p", "-f", conversion.source_format, "-O", conversion.target_format};
    if (!conversion.options.empty()) {
        words.insert(words.end(), {"-o", conversion.options});
    }
    words.insert(words.end(), {plain_path(conversion.source), plain_path(conversion.target)});
    const auto end = run_qemu(std::move(words), progress_reader(conversion.total_bytes, progress));
    if (!end) {
        return end.error();
    }
    return end->status == 0 ? Result<void>() : Result<void>(failed("convert " + conversion.source, *end));
}

Result<QemuFacts> qemu_measure(const std::string& path, ImageFormat format) {
    const std::string name(qemu_name(format));
    const auto info = run_qemu({"info", "--output=json", "-f", name, plain_path(path)}, {});
    if (!info) {
        return info.error();
    }
    const auto size = number_behind(info->output, "virtual-size");
    if (info->status != 0 || !size) {
        return failed("read " + path, *info);
    }
    // A raw file would be measured with all its zeros; a qcow2 file has the data, and some percent of tables.
    const auto measured = run_qemu({"measure", "--output=json", "-f", name, "-O", "qcow2", plain_path(path)}, {});
    if (!measured) {
        return measured.error();
    }
    return QemuFacts{*size, number_behind(measured->output, "required").value_or(*size)};
}

Result<std::vector<std::string>> qemu_check(const std::string& path, ImageFormat format, const ProgressCallback& progress) {
    const auto end = run_qemu({"check", "-f", std::string(qemu_name(format)), plain_path(path)}, progress_reader(0, progress));
    if (!end) {
        return end.error();
    }
    std::vector<std::string> problems;
    if (end->status == 0 || end->status == check_unsupported) {
        return problems;
    }
    const bool found = end->status == check_found_corruption || end->status == check_found_leaks;
    const std::string told = found ? end->error_output + end->output : end->error_output;
    for (const std::string_view line : split(told, '\n')) {
        if (!trim(line).empty()) {
            problems.emplace_back(trim(line));
        }
    }
    if (problems.empty()) {
        problems.push_back("qemu-img check ended with " + std::to_string(end->status));
    }
    return problems;
}

} // namespace rootstock::images
