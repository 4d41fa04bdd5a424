// SPDX-License-Identifier: Apache-2.0
// Zip as NumPy writes it: members stored or deflated, zip64 where sizes need it.
// Source: https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT
#include <zlib.h>

#include <algorithm>
#include <cstring>

#include "files.h"
#include "npy.h"

namespace planish::cli {
namespace {

constexpr uint32_t kLocal = 0x04034B50, kCentral = 0x02014B50, kEnd = 0x06054B50,
                   kEnd64 = 0x06064B50, kLocator64 = 0x07064B50;
constexpr size_t kLocalBytes = 30, kCentralBytes = 46, kEndBytes = 22, kLocator64Bytes = 20;
constexpr uint64_t kMaxMembers = 100000;

// Little-endian fields of a record, checked against the end of the file.
class Record {
 public:
  Record(std::string_view bytes, uint64_t at, size_t size, const std::string& path) {
    if (at > bytes.size() || size > bytes.size() - at)
      fail_file(path, "is cut off, or no .npz file");
    data_ = bytes.substr(at, size);
  }
  template <class T>
  T get(size_t at) const {
    T v;
    std::memcpy(&v, data_.data() + at, sizeof(T));
    return v;
  }

 private:
  std::string_view data_;
};

uint32_t crc_of(std::string_view data) {
  uLong crc = crc32_z(0, nullptr, 0);
  return static_cast<uint32_t>(
      crc32_z(crc, reinterpret_cast<const Bytef*>(data.data()), data.size()));
}

// Output grows with what comes, so a size that lies takes no memory.
std::string inflate_all(std::string_view packed, uint64_t size, const std::string& path) {
  z_stream stream{};
  if (inflateInit2(&stream, -MAX_WBITS) != Z_OK)
    throw Error(ErrorCode::kOutOfMemory, "\"" + path + "\": no memory to unpack it");
  std::string out;
  std::string block(size_t{1} << 18, '\0');
  int status = Z_OK;
  size_t taken = 0;
  while (status == Z_OK && out.size() <= size) {
    const size_t step = std::min(packed.size() - taken, size_t{1} << 30);
    if (stream.avail_in == 0) {
      stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(packed.data() + taken));
      stream.avail_in = static_cast<uInt>(step);
      taken += step;
    }
    stream.next_out = reinterpret_cast<Bytef*>(block.data());
    stream.avail_out = static_cast<uInt>(block.size());
    status = inflate(&stream, Z_NO_FLUSH);
    out.append(block.data(), block.size() - stream.avail_out);
  }
  inflateEnd(&stream);
  if (status != Z_STREAM_END || out.size() != size)
    fail_file(path, "holds a member that does not unpack to the size it claims");
  return out;
}

// Where the central directory is: offset, bytes, members.
struct Directory {
  uint64_t offset = 0, bytes = 0, members = 0;
};

Directory find_directory(std::string_view bytes, const std::string& path) {
  // The end record is followed by a comment of at most 65535 bytes.
  if (bytes.size() < kEndBytes) fail_file(path, "is cut off, or no .npz file");
  const size_t last = bytes.size() - kEndBytes;
  const size_t first = last > 65535 ? last - 65535 : 0;
  size_t at = last + 1;
  while (at-- > first)
    if (Record(bytes, at, kEndBytes, path).get<uint32_t>(0) == kEnd) {
      const Record end(bytes, at, kEndBytes, path);
      Directory out{end.get<uint32_t>(16), end.get<uint32_t>(12), end.get<uint16_t>(10)};
      const bool is_large =
          out.offset == UINT32_MAX || out.bytes == UINT32_MAX || out.members == UINT16_MAX;
      if (!is_large || at < kLocator64Bytes) return out;
      const Record locator(bytes, at - kLocator64Bytes, kLocator64Bytes, path);
      if (locator.get<uint32_t>(0) != kLocator64) return out;
      const Record end64(bytes, locator.get<uint64_t>(8), 56, path);
      if (end64.get<uint32_t>(0) != kEnd64) fail_file(path, "its zip directory is damaged");
      return {end64.get<uint64_t>(48), end64.get<uint64_t>(40), end64.get<uint64_t>(32)};
    }
  fail_file(path, "is cut off, or no .npz file");
}

template <class T>
void put(std::string& out, T v) {
  out.append(reinterpret_cast<const char*>(&v), sizeof(T));
}

}  // namespace

NpzReader::NpzReader(std::string bytes, std::string path)
    : bytes_(std::move(bytes)), path_(std::move(path)) {
  read_directory();
}

std::vector<std::string> NpzReader::names() const {
  std::vector<std::string> out;
  for (const auto& [name, member] : members_) out.push_back(name);
  return out;
}

void NpzReader::read_directory() {
  const Directory directory = find_directory(bytes_, path_);
  if (directory.members > kMaxMembers || directory.offset > bytes_.size() ||
      directory.bytes > bytes_.size() - directory.offset)
    fail_file(path_, "its zip directory is damaged");
  uint64_t at = directory.offset;
  for (uint64_t i = 0; i < directory.members; ++i) {
    const Record r(bytes_, at, kCentralBytes, path_);
    if (r.get<uint32_t>(0) != kCentral) fail_file(path_, "its zip directory is damaged");
    const size_t name_bytes = r.get<uint16_t>(28), extra_bytes = r.get<uint16_t>(30),
                 comment_bytes = r.get<uint16_t>(32);
    // Bounds of name and extra field are checked with it.
    const Record whole(bytes_, at, kCentralBytes + name_bytes + extra_bytes + comment_bytes, path_);
    Member m{.offset = r.get<uint32_t>(42),
             .packed = r.get<uint32_t>(20),
             .size = r.get<uint32_t>(24),
             .crc = r.get<uint32_t>(16),
             .method = r.get<uint16_t>(10)};
    if ((r.get<uint16_t>(8) & 1) != 0) fail_file(path_, "is encrypted");
    const size_t extra_end = kCentralBytes + name_bytes + extra_bytes;
    for (size_t e = kCentralBytes + name_bytes; e + 4 <= extra_end;) {
      const size_t id = whole.get<uint16_t>(e), size = whole.get<uint16_t>(e + 2);
      size_t field = e + 4;
      const size_t end = std::min(field + size, extra_end);
      if (id == 1)
        for (uint64_t* wide : {&m.size, &m.packed, &m.offset})
          if (*wide == UINT32_MAX && field + 8 <= end) {
            *wide = whole.get<uint64_t>(field);
            field += 8;
          }
      e += 4 + size;
    }
    std::string name = bytes_.substr(at + kCentralBytes, name_bytes);
    if (name.size() > 4 && name.ends_with(".npy")) name.resize(name.size() - 4);
    if (!members_.emplace(name, m).second) fail_file(path_, "holds two members \"" + name + "\"");
    at += extra_end + comment_bytes;
  }
}

std::string_view NpzReader::data_of(const Member& m) const {
  const Record local(bytes_, m.offset, kLocalBytes, path_);
  if (local.get<uint32_t>(0) != kLocal) fail_file(path_, "its zip directory is damaged");
  const uint64_t start = m.offset + kLocalBytes + local.get<uint16_t>(26) + local.get<uint16_t>(28);
  if (start > bytes_.size() || m.packed > bytes_.size() - start)
    fail_file(path_, "is cut off, or no .npz file");
  return std::string_view(bytes_).substr(start, m.packed);
}

Value NpzReader::read(const std::string& name, int dtype) const {
  const auto found = members_.find(name);
  const std::string what = path_ + ":" + name;
  if (found == members_.end()) fail_file(path_, "has no array \"" + name + "\"");
  const Member& m = found->second;
  const std::string_view packed = data_of(m);
  if (m.size > kMaxInputBytes)
    throw Error(ErrorCode::kBudgetExceeded,
                "\"" + what + "\" unpacks to " + std::to_string(m.size) +
                    " bytes, expected at most " + std::to_string(kMaxInputBytes));
  if (m.method != 0 && m.method != Z_DEFLATED)
    fail_file(what, "is packed by method " + std::to_string(m.method) +
                        ", expected 0 (stored) or 8 (deflate)");
  if (m.method == 0 && m.packed != m.size) fail_file(what, "its zip directory is damaged");
  const std::string unpacked =
      m.method == 0 ? std::string(packed) : inflate_all(packed, m.size, what);
  if (crc_of(unpacked) != m.crc) fail_file(what, "is damaged: its checksum differs");
  return parse_npy(unpacked, what, dtype);
}

std::string to_npz(const std::map<std::string, Value>& tensors) {
  std::string out, directory;
  for (const auto& [name, value] : tensors) {
    const std::string file = name + ".npy", data = to_npy(value);
    const uint64_t offset = out.size(), size = data.size();
    const uint32_t crc = crc_of(data);
    // What both headers say from "version needed" to the length of the name.
    std::string common;
    put<uint16_t>(common, 45);          // zip64
    put<uint16_t>(common, 0x0800);      // names are UTF-8
    put<uint16_t>(common, 0);           // stored
    put<uint32_t>(common, 0x00210000);  // 1980-01-01, so that equal tensors make equal files
    put<uint32_t>(common, crc);
    put<uint32_t>(common, UINT32_MAX);
    put<uint32_t>(common, UINT32_MAX);
    put<uint16_t>(common, static_cast<uint16_t>(file.size()));
    put<uint32_t>(out, kLocal);
    out += common;
    put<uint16_t>(out, 20);
    out += file;
    put<uint16_t>(out, 1);
    put<uint16_t>(out, 16);
    put<uint64_t>(out, size);
    put<uint64_t>(out, size);
    out += data;
    put<uint32_t>(directory, kCentral);
    put<uint16_t>(directory, 45);
    directory += common;
    put<uint16_t>(directory, 28);
    put<uint16_t>(directory, 0);  // comment
    put<uint16_t>(directory, 0);  // disk
    put<uint16_t>(directory, 0);
    put<uint32_t>(directory, 0);
    put<uint32_t>(directory, UINT32_MAX);
    directory += file;
    put<uint16_t>(directory, 1);
    put<uint16_t>(directory, 24);
    put<uint64_t>(directory, size);
    put<uint64_t>(directory, size);
    put<uint64_t>(directory, offset);
  }
  const uint64_t start = out.size(), bytes = directory.size(), members = tensors.size();
  out += directory;
  const uint64_t end64 = out.size();
  put<uint32_t>(out, kEnd64);
  put<uint64_t>(out, 44);
  put<uint16_t>(out, 45);
  put<uint16_t>(out, 45);
  put<uint32_t>(out, 0);
  put<uint32_t>(out, 0);
  put<uint64_t>(out, members);
  put<uint64_t>(out, members);
  put<uint64_t>(out, bytes);
  put<uint64_t>(out, start);
  put<uint32_t>(out, kLocator64);
  put<uint32_t>(out, 0);
  put<uint64_t>(out, end64);
  put<uint32_t>(out, 1);
  put<uint32_t>(out, kEnd);
  put<uint32_t>(out, 0);
  put<uint16_t>(out, UINT16_MAX);
  put<uint16_t>(out, UINT16_MAX);
  put<uint32_t>(out, UINT32_MAX);
  put<uint32_t>(out, UINT32_MAX);
  put<uint16_t>(out, 0);
  return out;
}

}  // namespace planish::cli
