#include "cli/convert_file.hpp"

#include "cli/interrupt.hpp"
#include "cli/output.hpp"
#include "cli/progress_bar.hpp"
#include "core/text.hpp"
#include "images/chain_export.hpp"
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
    command.add_flag("--portable", output->portable, "no holes in the file, so that Windows attaches it wherever it is copied to");
    return output;
}

void add_chain(CLI::App& command, OutputFile& output) {
    command.add_flag("--chain", output.chain, "a differencing VHDX, and its parent beside it as NAME-parent.vhdx, instead of one file that stands alone");
}

namespace {

int export_pair(const Options& options, const std::string& source, const OutputFile& output) {
    const auto files = images::make_posix_file_system();
    const Interrupt interrupt;
    Result<void> done;
    {
        ProgressBar bar;
        done = images::export_chain(*files, {source, output.path, output.force, output.portable}, [&](const images::ImportProgress& progress) {
            bar.draw(progress.done_bytes, progress.total_bytes, progress.stored_bytes);
            return !interrupt.asked();
        });
    }
    if (!done) {
        return fail(done.error());
    }
    const std::string parent = images::parent_target(output.path);
    print(options.json ? json::serialize(json::object{{"path", output.path}, {"format", "vhdx"}, {"parent", parent}}) + "\n"
                       : output.path + ": vhdx over " + parent + "\n");
    return exit_ok;
}

} // namespace

int convert_file(const Options& options, const std::string& source, const OutputFile& output) {
    if (output.chain) {
        return output.format.empty() || output.format == "vhdx" ? export_pair(options, source, output)
                                                               : fail({{}, "--chain writes VHDX files: leave --format away"});
    }
    const auto files = images::make_posix_file_system();
    const auto format = output.format.empty() ? images::output_format_of(output.path) : *images::parse_output_format(output.format);
    const Interrupt interrupt;
    images::ImportProgress last;
    Result<void> converted;
    {
        ProgressBar bar;
        converted = images::convert_image(*files, {source, output.path, format, output.force, output.portable}, [&](const images::ImportProgress& progress) {
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
