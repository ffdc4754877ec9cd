// Integers as they lie on the wire or the disk: unaligned, with a fixed byte order. Build wire structs from these, assert their
// size, and copy them in and out with from_bytes / append; never cast a buffer to a struct.
#pragma once

#include <boost/endian/arithmetic.hpp>

namespace rootstock {

using be16 = boost::endian::big_uint16_t;
using be24 = boost::endian::big_uint24_t;
using be32 = boost::endian::big_uint32_t;
using be64 = boost::endian::big_uint64_t;
using le16 = boost::endian::little_uint16_t;
using le32 = boost::endian::little_uint32_t;
using le64 = boost::endian::little_uint64_t;

} // namespace rootstock
