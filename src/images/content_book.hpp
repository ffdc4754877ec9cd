// ContentBook: the content digests of immutable files, kept in the database (db/ implements it), with what the last verification found. Keyed by the
// file's path in the data directory, so that it does not matter what a file is part of. All calls block until durable; thread-safe.
#pragma once

#include "core/clock.hpp"
#include "core/guid.hpp"
#include "images/content_digest.hpp"

namespace rootstock::images {

/// What is known of a file's contents, without the leaves.
struct ContentState {
    std::string file; // relative to the data directory
    Guid data_write_guid; // of the file then: one that somebody wrote anew under its name has another, and this says nothing about it
    std::string root; // of the digest, in hexadecimal
    std::optional<WallTime> verified;   // the last verification's end
    std::vector<File::Stretch> damage;  // what it found; empty: nothing
};

/// A file and the digest of its making. `verified`: when the file itself was read for it.
struct ContentRecord {
    std::string file;
    Guid data_write_guid;
    ContentDigest digest;
    std::optional<WallTime> verified = {};
};

class ContentBook {
  public:
    virtual ~ContentBook() = default;

    virtual Result<std::vector<ContentState>> all() = 0;
    virtual Result<std::optional<ContentState>> find(const std::string& file) = 0;
    /// Nothing when there is no record. A record whose leaves do not give its root is an error: the database is damaged, not the file.
    virtual Result<std::optional<ContentDigest>> digest(const std::string& file) = 0;
    /// Replaces what was known of the file. One that comes with its layer is put by Catalogue::apply().
    virtual Result<void> put(const ContentRecord& record) = 0;
    virtual Result<void> note_verified(const std::string& file, WallTime when, const std::vector<File::Stretch>& damage) = 0;
    virtual Result<void> remove(const std::string& file) = 0;
};

} // namespace rootstock::images
