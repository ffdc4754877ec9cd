#include "cli/convert_file.hpp"

#include "cli/interrupt.hpp"
#include "cli/output.hpp"
#include "cli/progress_bar.hpp"
#include "core/text.hpp"
#include "images/convert.hpp"

#include <CLI/CLI.hpp>

namespace rootstock::cli {

namespace json = boost::json;

std::shared_ptr<OutputFile> add_output_file(CLI::App& command, const char* name) {
    auto output = std::make_shared<OutputFile>();
    command.add_option(name, output->path, "the file to write")->required();
    command.add_option("--format", output->format, "raw, vhdx, vhdx-fixed, vhd, vhd-fixed, qcow2 or vmdk (default: by the end of the file's name, else raw)")
        ->check(CLI::IsMember(images::output_format_names()));
    command.add_flag("--force", output->force, "replace a file that is there");
    return output;
}

int convert_file(const Options& options, const std::string& source, const OutputFile& output) {
    const auto files = images::make_posix_file_system();
    const auto format = output.format.empty() ? images::output_format_of(output.path) : *images::parse_output_format(output.format);
    const Interrupt interrupt;
    images::ImportProgress last;
    Result<void> converted;
    {
        ProgressBar bar;
        converted = images::convert_image(*files, {source, output.path, format, output.force}, [&](const images::ImportProgress& progress) {
            last = progress;
            bar.draw(progress.done_bytes, progress.total_bytes, progress.stored_bytes);
            return !interrupt.asked();
        });
    }
    if (!converted) {
        return fail(converted.error());
    }
    const std::string& name = images::output_format_names()[static_cast<std::size_t>(format)];
    print(options.json ? json::serialize(json::object{{"path", output.path}, {"format", name}, {"size_bytes", last.total_bytes}}) + "\n"
                       : output.path + ": " + name + ", " + format_size(last.total_bytes) + "\n");
    return exit_ok;
}

} // namespace rootstock::cli
