#include "images/child_process.hpp"

#include "core/text.hpp"

#include <array>
#include <cerrno>
#include <csignal>
#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

namespace rootstock::images {
namespace {

constexpr std::size_t output_kept = 64U << 10U;
constexpr int poll_ms = 250;
constexpr int kill_after_polls = 20; // 5 s

/// A pipe whose ends are closed with it, and never inherited but by dup2.
class Pipe {
  public:
    Pipe() { opened_ = ::pipe2(ends_.data(), O_CLOEXEC) == 0; }
    Pipe(const Pipe&) = delete;
    Pipe& operator=(const Pipe&) = delete;
    ~Pipe() {
        close_end(0);
        close_end(1);
    }
    [[nodiscard]] bool opened() const { return opened_; }
    [[nodiscard]] int read_end() const { return ends_[0]; }
    [[nodiscard]] int write_end() const { return ends_[1]; }
    void close_end(std::size_t end) {
        if (ends_[end] >= 0) {
            ::close(std::exchange(ends_[end], -1));
        }
    }

  private:
    std::array<int, 2> ends_{-1, -1};
    bool opened_ = false;
};

/// posix_spawn with the child's three standard streams; the child gets default signals, as a shell would give it.
Result<pid_t> spawn(const std::vector<std::string>& words, const Pipe& out, const Pipe& err) {
    std::vector<char*> arguments;
    for (const std::string& word : words) {
        arguments.push_back(const_cast<char*>(word.c_str()));
    }
    arguments.push_back(nullptr);
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawnattr_init(&attributes);
    ::posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    ::posix_spawn_file_actions_adddup2(&actions, out.write_end(), STDOUT_FILENO);
    ::posix_spawn_file_actions_adddup2(&actions, err.write_end(), STDERR_FILENO);
    sigset_t none;
    sigset_t all;
    ::sigemptyset(&none);
    ::sigfillset(&all);
    ::posix_spawnattr_setsigmask(&attributes, &none);
    ::posix_spawnattr_setsigdefault(&attributes, &all);
    ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    pid_t pid = -1;
    const int failed = ::posix_spawnp(&pid, arguments[0], &actions, &attributes, arguments.data(), environ);
    ::posix_spawnattr_destroy(&attributes);
    ::posix_spawn_file_actions_destroy(&actions);
    return failed == 0 ? Result<pid_t>(pid) : Result<pid_t>(errno_error(failed, "cannot run " + words[0]));
}

void keep_end(std::string& text, std::string_view more) {
    text += more;
    if (text.size() > output_kept) {
        text.erase(0, text.size() - output_kept);
    }
}

/// Reads both streams until they end; asks `on_output` whether to go on.
class Listener {
  public:
    Listener(pid_t pid, Pipe& out, Pipe& err, const OnOutput& on_output) : pid_(pid), out_(out), err_(err), on_output_(on_output) {}

    void run(ProgramEnd& end) {
        while (out_.read_end() >= 0 || err_.read_end() >= 0) {
            std::array<pollfd, 2> wanted{pollfd{out_.read_end(), POLLIN, 0}, pollfd{err_.read_end(), POLLIN, 0}};
            const int ready = ::poll(wanted.data(), wanted.size(), poll_ms);
            if (wanted[1].revents != 0) {
                take(err_, end.error_output);
            }
            const std::string_view news = wanted[0].revents != 0 ? take(out_, end.output) : std::string_view();
            if (ready <= 0 || !news.empty()) {
                ask(news);
            }
        }
    }
    [[nodiscard]] bool stopped() const { return stopping_ != 0; }

  private:
    void ask(std::string_view news) {
        if (stopping_ == 0 && on_output_ && !on_output_(news)) {
            ::kill(pid_, SIGTERM);
            stopping_ = 1;
        } else if (stopping_ != 0 && ++stopping_ == kill_after_polls) {
            ::kill(pid_, SIGKILL);
        }
    }

    /// What one read gives, until the next; the stream's end closes it.
    std::string_view take(Pipe& pipe, std::string& kept) {
        const ssize_t got = ::read(pipe.read_end(), buffer_.data(), buffer_.size());
        if (got < 0 && errno == EINTR) {
            return {};
        }
        if (got <= 0) {
            pipe.close_end(0);
            return {};
        }
        const std::string_view news(buffer_.data(), static_cast<std::size_t>(got));
        keep_end(kept, news);
        return news;
    }

    pid_t pid_;
    Pipe& out_;
    Pipe& err_;
    const OnOutput& on_output_;
    std::vector<char> buffer_ = std::vector<char>(output_kept); // as much as a pipe holds
    int stopping_ = 0;
};

int wait_for(pid_t pid) {
    int status = 0;
    while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

} // namespace

Result<ProgramEnd> run_program(const std::vector<std::string>& words, const OnOutput& on_output) {
    Pipe out;
    Pipe err;
    if (!out.opened() || !err.opened()) {
        return errno_error("cannot make a pipe to " + words[0]);
    }
    const auto pid = spawn(words, out, err);
    if (!pid) {
        return pid.error();
    }
    out.close_end(1);
    err.close_end(1);
    ProgramEnd end;
    Listener listener(*pid, out, err, on_output);
    listener.run(end);
    end.status = wait_for(*pid);
    if (listener.stopped()) {
        return make_error(std::errc::operation_canceled, words[0] + " was cancelled");
    }
    return end;
}

} // namespace rootstock::images
