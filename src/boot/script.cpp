#include "boot/script.hpp"

#include "core/log.hpp"
#include "core/text.hpp"

#include <utility>

namespace rootstock::boot {

namespace {

constexpr std::size_t screen_columns = 76;
constexpr std::size_t screen_lines_max = 8;
constexpr std::string_view rule =
    "================================================================";

/// A script under construction, one line at a time.
class Lines {
  public:
    Lines() : text_("#!ipxe\n") {}

    Lines& command(std::string_view line) {
        text_ += line;
        text_ += '\n';
        return *this;
    }
    /// A line on the screen. `text` is ours or has passed screen_text().
    Lines& say(std::string_view text = {}) {
        return command(text.empty() ? "echo" : "echo " + std::string(text));
    }
    [[nodiscard]] std::string take() { return std::move(text_); }

  private:
    std::string text_;
};

/// Asks `url` for the next script, again and again until there is one. A server that is away is
/// waited for.
void ask_again(Lines& lines,
               const std::string& url,
               int pause_seconds,
               std::string_view options = {}) {
    if (pause_seconds > 0) {
        lines.command("sleep " + std::to_string(pause_seconds));
    }
    lines.command(":again")
        .command("chain --replace --autofree " + std::string(options) + url + " || goto lost")
        .command(":lost")
        .command("sleep 2")
        .command("goto again");
}

/// What a waiting PC tells of itself, filled in and escaped by iPXE.
constexpr std::string_view facts_query = "&manufacturer=${manufacturer:uristring}&product=${"
                                         "product:uristring}&serial=${serial:uristring}"
                                         "&uuid=${uuid}&platform=${platform}";

bool is_harmless(char c) {
    constexpr std::string_view marks = " .,:/_()+=-@'<>!?*[]%";
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           marks.find(c) != std::string_view::npos;
}

std::string date_of(WallTime when) {
    return format_time(when).substr(0, 10);
}

} // namespace

std::vector<std::string> screen_text(std::string_view text) {
    std::string safe(text);
    for (char& c : safe) {
        c = is_harmless(c) ? c : c == '"' ? '\'' : ' ';
    }
    std::vector<std::string> lines;
    std::string line;
    for (std::string_view word : split(safe, ' ')) {
        while (word.starts_with('-')) {
            word.remove_prefix(1);
        }
        word = word.substr(0, screen_columns);
        if (word.empty()) {
            continue;
        }
        if (!line.empty() && line.size() + 1 + word.size() > screen_columns) {
            lines.push_back(std::exchange(line, {}));
        }
        line += line.empty() ? "" : " ";
        line += word;
    }
    if (!line.empty()) {
        lines.push_back(std::move(line));
    }
    if (lines.size() > screen_lines_max) {
        lines.resize(screen_lines_max);
    }
    return lines;
}

std::string
machine_script(const Settings& settings, const fleet::Machine& machine, const fleet::Boot& boot) {
    const std::string target = settings.names.machine_target(machine.name);
    const std::string port = settings.iscsi_port == 3260 ? "" : std::to_string(settings.iscsi_port);
    Lines lines;
    lines.say()
        .say("This PC is " + machine.name + ". Its disk: image " + machine.image + ", from " +
             settings.address.text())
        .command("set initiator-iqn " + settings.names.initiator(machine))
        .command("set username " + chap_user(machine.name, boot.id))
        .command("set password " + boot.chap_secret)
        .command("sanboot iscsi:" + settings.address.text() + "::" + port + ":0:" + target +
                 " || goto failed")
        .command(":failed")
        .say("The disk did not start. Asking the server again.");
    ask_again(lines, settings.script_url(boot.mac) + "&retry=1", 2);
    return lines.take();
}

std::string waiting_script(const Settings& settings, Mac mac) {
    Lines lines;
    lines.say()
        .say(rule)
        .say("This PC is not assigned to a machine yet.")
        .say()
        .say("Its address (MAC): " + mac.text())
        .say()
        .say("Assign it on the page " + settings.base_url() + "/")
        .say("or with: rootstock machine assign " + mac.text() + " --name NAME --image IMAGE")
        .say()
        .say("It then starts by itself. Leave it switched on.")
        .say(rule);
    ask_again(lines,
              settings.script_url(mac) + "&wait=1" + std::string(facts_query),
              0,
              "--timeout 40000 ");
    return lines.take();
}

std::string replaced_script(const Settings& settings,
                            const fleet::Machine& machine,
                            const fleet::RetiredMac& retired) {
    Lines lines;
    lines.say()
        .say(rule)
        .say("This PC was " + machine.name + " and has been replaced.")
        .say()
        .say("Its address (MAC): " + retired.mac.text())
        .say("Replaced by: " + retired.replaced_by.text() + " on " + date_of(retired.when))
        .say()
        .say("It gets no disk, so that nothing of " + machine.name + " can be damaged.")
        .say("To give it work again, assign it on the page " + settings.base_url() + "/")
        .say(rule);
    ask_again(lines, settings.script_url(retired.mac) + "&wait=1", 0, "--timeout 40000 ");
    return lines.take();
}

std::string local_disk_script(Mac mac) {
    Lines lines;
    lines.say()
        .say("This PC (" + mac.text() +
             ") is not assigned to a machine. It starts from its own disk.")
        .command("iseq ${platform} efi && exit || sanboot --no-describe --drive 0x80 || exit");
    return lines.take();
}

std::string
error_script(const Settings& settings, Mac mac, std::string_view subject, std::string_view reason) {
    Lines lines;
    lines.say().say(rule).say(std::string(subject) + " cannot start now.").say();
    for (const std::string& line : screen_text(reason)) {
        lines.say(line);
    }
    lines.say()
        .say("More is on the page " + settings.base_url() + "/")
        .say("It tries again every 10 seconds.")
        .say(rule);
    ask_again(lines, settings.script_url(mac), 10);
    return lines.take();
}

} // namespace rootstock::boot
