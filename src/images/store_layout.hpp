// Where the store keeps its files, and how a file and its row in the catalogue come and go together.
//
//   DATA/lock                              held while a server has the directory open
//   DATA/images/NAME/v0001.vhdx            masters
//   DATA/overlays/MACHINE.vhdx (.live)     persistent overlays; MACHINE@2.vhdx, ... where snapshots have made a layer of the first
//   DATA/overlays/MACHINE.reset (.owned)   reset overlays
//   DATA/volumes/NAME.vhdx (.live)         volumes
//   DATA/stdin.*.tmp                       what is imported from standard input, while it is
//
// A layer that is written anew: made whole and durable as FILE.rewritten, its row changed, renamed to FILE. Whether the row speaks of it decides at the next opening.
// To come: made whole and durable as FILE.new, row, renamed to FILE. To go: renamed to FILE.removed, row, deleted. Whether the row is there decides
// at the next opening what becomes of a FILE.new or FILE.removed. A FILE without a row is never deleted: the catalogue may be the one at fault.
#pragma once

#include "core/log.hpp"
#include "images/catalogue.hpp"
#include "images/file.hpp"

#include <array>
#include <set>

namespace rootstock::images {

inline constexpr std::string_view new_suffix = ".new";
inline constexpr std::string_view removed_suffix = ".removed";
inline constexpr std::string_view rewritten_suffix = ".rewritten";
inline constexpr std::string_view version_directory = "images/";
/// Of what an import keeps in the data directory while it runs: standard input, a file that is fetched.
inline constexpr std::array<std::string_view, 2> spool_prefixes = {"stdin.", "download."};

/// [a-z0-9][a-z0-9._-]{0,62}: of images, machines and volumes; safe as a file name.
[[nodiscard]] bool is_store_name(std::string_view name);
/// errc::invalid_argument with the rule; `what`: "An image's name".
[[nodiscard]] Result<void> check_store_name(std::string_view what, std::string_view name);

/// Relative to the data directory, as kept in the catalogue.
[[nodiscard]] std::string version_file(const std::string& image, std::uint32_t number);
/// `number`: from the second on it is in the name, behind an '@' that no machine's or volume's name holds.
[[nodiscard]] std::string overlay_file(const std::string& machine, OverlayKind kind, unsigned number = 1);
[[nodiscard]] std::string volume_file(const std::string& name, unsigned number = 1);

class StoreLayout {
  public:
    StoreLayout(FileSystem& files, std::string data) : files_(files), data_(std::move(data)) {}

    [[nodiscard]] std::string path(const std::string& file) const { return data_ + "/" + file; }
    /// Makes the directories and takes the lock; the lock lasts as long as the file returned.
    [[nodiscard]] Result<std::unique_ptr<File>> prepare();

    /// Removes a FILE.new that an error has left.
    [[nodiscard]] Result<void> clear_new(const std::string& file) { return files_.remove(path(file + std::string(new_suffix))); }
    /// FILE.new, which has its row now, becomes FILE.
    [[nodiscard]] Result<void> publish(const std::string& file);
    /// Does what a publish() that failed has left to be done.
    [[nodiscard]] Result<void> finish_publishing(const std::string& file);
    /// FILE becomes FILE.removed; its row goes next, then remove_retired().
    [[nodiscard]] Result<void> retire(const std::string& file);
    [[nodiscard]] Result<void> bring_back(const std::string& file);
    /// FILE.rewritten takes the place of FILE, whose row says so.
    [[nodiscard]] Result<void> put_rewritten(const std::string& file) { return move(file + std::string(rewritten_suffix), file); }
    /// From one directory into another.
    [[nodiscard]] Result<void> move_across(const std::string& from, const std::string& to);
    [[nodiscard]] Result<void> remove_retired(const std::string& file);

    /// Ends what a crash left half done. `known`: the files that have rows.
    [[nodiscard]] Result<void> recover(const std::set<std::string>& known, Log& log);

  private:
    [[nodiscard]] Result<void> move(const std::string& from, const std::string& to);
    [[nodiscard]] Result<void> clear_spool(Log& log);
    [[nodiscard]] Result<void> recover_directory(const std::string& directory, const std::set<std::string>& known, Log& log);
    [[nodiscard]] Result<void> remove_strays(const std::string& directory, const std::vector<std::string>& names);
    [[nodiscard]] Result<void> recover_file(const std::string& file, const std::set<std::string>& known, Log& log);

    FileSystem& files_;
    std::string data_;
};

} // namespace rootstock::images
