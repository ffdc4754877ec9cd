// rootstock image check|convert: plain files, without a server or a data directory.
#include "cli/convert_file.hpp"
#include "cli/image_commands.hpp"
#include "cli/interrupt.hpp"
#include "cli/output.hpp"
#include "cli/progress_bar.hpp"
#include "core/text.hpp"
#include "images/image_check.hpp"

#include <CLI/CLI.hpp>

namespace rootstock::cli {

namespace json = boost::json;

namespace {

json::object report_json(const images::ImageReport& report) {
    return {{"path", report.path},
            {"format", report.format},
            {"kind", report.kind},
            {"size_bytes", report.size_bytes},
            {"sector_size", report.logical_sector_size},
            {"data_bytes", report.data_bytes},
            {"chain", array_of(report.chain)},
            {"sound", report.sound()},
            {"problems", array_of(report.problems)},
            {"notes", array_of(report.notes)}};
}

void show_report(const images::ImageReport& report) {
    std::string line = report.path + ": " + report.format;
    if (!report.kind.empty() && report.kind != "flat") {
        line += ", " + report.kind;
    }
    if (report.size_bytes != 0) {
        line += ", " + format_size(report.size_bytes) + ", sectors of " + std::to_string(report.logical_sector_size);
    }
    if (report.chain.size() > 1) {
        line += ", chain of " + std::to_string(report.chain.size());
    }
    print(line + (report.sound() ? ": sound\n" : ": damaged\n"));
    for (std::size_t level = 1; level < report.chain.size(); ++level) {
        print("  over " + report.chain[level] + "\n");
    }
    for (const std::string& problem : report.problems) {
        print("  wrong: " + problem + "\n");
    }
    for (const std::string& note : report.notes) {
        print("  note: " + note + "\n");
    }
}

int check_file(const Options& options, const std::string& path) {
    const auto files = images::make_posix_file_system();
    const Interrupt interrupt;
    Result<images::ImageReport> report = images::ImageReport{};
    {
        ProgressBar bar;
        report = images::check_image(*files, path, [&](const images::ImportProgress& progress) {
            bar.draw(progress.done_bytes, progress.total_bytes, progress.stored_bytes);
            return !interrupt.asked();
        });
    }
    if (!report) {
        return fail(report.error());
    }
    if (options.json) {
        print(json::serialize(report_json(*report)) + "\n");
    } else {
        show_report(*report);
    }
    return report->sound() ? exit_ok : exit_failed;
}

} // namespace

void add_image_file_commands(CLI::App& group, Options& options, Action& chosen) {
    auto file = std::make_shared<std::string>();
    auto* check = group.add_subcommand("check", "verify a disk image of any format and its parents; needs no server");
    check->add_option("FILE", *file, "the disk image")->required();
    check->footer("Example: rootstock image check win11.vhdx");
    check->callback([&options, &chosen, file] { chosen = [&options, file] { return check_file(options, *file); }; });

    auto* convert = group.add_subcommand("convert", "write a disk image, chain of parents included, in another format; needs no server");
    convert->add_option("IN", *file, "the disk image")->required();
    auto output = add_output_file(*convert, "OUT");
    convert->footer("Example: rootstock image convert win11.avhdx win11.qcow2");
    convert->callback([&options, &chosen, file, output] { chosen = [&options, file, output] { return convert_file(options, *file, *output); }; });
}

} // namespace rootstock::cli
