// rootstock image publish|promote: a machine's disk becomes the next version of an image.
#include "cli/image_commands.hpp"
#include "cli/job.hpp"
#include "cli/output.hpp"
#include "cli/release_options.hpp"
#include "cli/table.hpp"

#include <CLI/CLI.hpp>

namespace rootstock::cli {

namespace json = boost::json;

namespace {

std::string counted(const json::value& publication, const char* key) {
    const std::size_t count = list_of(publication, key).size();
    return std::to_string(count) + (count == 1 ? " machine" : " machines") + (count == 0 ? "" : ": " + words_of(publication, key));
}

void show_changes(const json::value& changes) {
    print("Changed: " + size_of(changes, "changed_bytes") + " of " + size_of(changes, "written_bytes") + " written\n");
    Table table({"  PARTITION", "TYPE", "NAME", "SIZE", "CHANGED"});
    for (const json::value& partition : list_of(changes, "partitions")) {
        table.add({"  " + text_of(partition, "number"), text_of(partition, "type"), text_of(partition, "name"), size_of(partition, "size_bytes"),
                   size_of(partition, "changed_bytes")});
    }
    table.add({"  -", "outside of partitions", "-", "-", size_of(changes, "outside_bytes")});
    print(table.text());
}

void show_publication(const json::value& publication, bool done) {
    print((done ? "Version " : "This would be version ") + text_of(publication, "version") + " of image " + text_of(publication, "image") +
          ": the disk of " + text_of(publication, "machine") + ", which began as version " + text_of(publication, "base") + "\n");
    const json::object& all = publication.as_object();
    if (const json::value* changes = all.if_contains("changes")) {
        show_changes(*changes);
    }
    if (const json::value* release = all.if_contains("release")) {
        print("Released " + release_words(*release) + "\n");
    }
    print("Move at their next boot then: " + counted(publication, "at_next_boot") + "\n");
    print("Keep their own disks (machine reset, machine rebase): " + counted(publication, "stay") + "\n");
    if (!list_of(publication, "not_meant").empty()) {
        print("It is not for: " + counted(publication, "not_meant") + "\n");
    }
}

int run_publication(const Options& options, const std::string& url, const json::object& body, bool done) {
    Result<Client> client = Client::open(options);
    if (!client) {
        return fail(client.error());
    }
    const Interrupt interrupt;
    const Result<json::value> publication = follow_job(*client, url, body, interrupt, "publication", "the publication");
    if (!publication) {
        return fail(publication.error());
    }
    if (options.json) {
        print(json::serialize(*publication) + "\n");
    } else {
        show_publication(*publication, done);
    }
    return exit_ok;
}

} // namespace

void add_image_publish(CLI::App& group, Options& options, Action& chosen) {
    auto name = std::make_shared<std::string>();
    auto dry_run = std::make_shared<bool>(false);
    auto* publish = group.add_subcommand("publish", "make what the machine of `image update` wrote the next version");
    publish->add_option("NAME", *name, "the image")->required();
    publish->add_flag("--dry-run", *dry_run, "only show what would change, and for whom");
    auto release = add_release_options(*publish);
    publish->footer("Example: rootstock image publish win11 --at 2026-12-01T06:00");
    publish->callback([&options, &chosen, name, dry_run, release] {
        chosen = [&options, name, dry_run, release] {
            json::object body = release_body(*release);
            body["dry_run"] = *dry_run;
            return run_publication(options, "/api/v1/images/" + url_segment(*name) + "/publish", body, !*dry_run);
        };
    });

    auto machine = std::make_shared<std::string>();
    auto snapshot = std::make_shared<std::string>();
    auto image = std::make_shared<std::string>();
    auto* promote = group.add_subcommand("promote", "make a version of the disk of any persistent machine, or of a snapshot; the machine keeps it");
    promote->add_option("--machine", *machine, "the machine, switched off but for --snapshot")->required();
    promote->add_option("--snapshot", *snapshot, "what this snapshot of its disk holds, instead of the disk itself");
    promote->add_option("--name", *image, "the image, which may be new; without it the machine's own");
    auto promoted = add_release_options(*promote);
    promote->footer("Example: rootstock image promote --machine lab1-07 --name win11-cad");
    promote->callback([&options, &chosen, machine, snapshot, image, promoted] {
        chosen = [&options, machine, snapshot, image, promoted] {
            json::object body = release_body(*promoted);
            if (!snapshot->empty()) {
                body["snapshot"] = *snapshot;
            }
            if (!image->empty()) {
                body["name"] = *image;
            }
            return run_publication(options, "/api/v1/machines/" + url_segment(*machine) + "/promote", body, true);
        };
    });
}

} // namespace rootstock::cli
