// SPDX-License-Identifier: Apache-2.0
#include "import/onnx/proto.h"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <optional>
#include <vector>

#include "base/str.h"
#include "planish/error.h"

namespace planish::onnx {
namespace {

namespace io = google::protobuf::io;

enum class Kind : uint8_t {
  kModel,
  kFunction,
  kGraph,
  kNode,
  kAttribute,
  kValueInfo,
  kType,
  kTypeInner
};

// The fields through which messages nest without bound.
struct Nesting {
  Kind parent;
  uint32_t field;
  Kind child;
};
constexpr Nesting kNesting[] = {
    {Kind::kModel, 7, Kind::kGraph},      {Kind::kModel, 25, Kind::kFunction},
    {Kind::kFunction, 7, Kind::kNode},    {Kind::kGraph, 1, Kind::kNode},
    {Kind::kGraph, 11, Kind::kValueInfo}, {Kind::kGraph, 12, Kind::kValueInfo},
    {Kind::kGraph, 13, Kind::kValueInfo}, {Kind::kValueInfo, 2, Kind::kType},
    {Kind::kNode, 5, Kind::kAttribute},   {Kind::kAttribute, 6, Kind::kGraph},
    {Kind::kAttribute, 11, Kind::kGraph}, {Kind::kAttribute, 14, Kind::kType},
    {Kind::kAttribute, 15, Kind::kType},  {Kind::kType, 4, Kind::kTypeInner},
    {Kind::kType, 5, Kind::kTypeInner},   {Kind::kType, 9, Kind::kTypeInner},
    {Kind::kTypeInner, 1, Kind::kType},   {Kind::kTypeInner, 2, Kind::kType},
};

std::optional<Kind> child_of(Kind parent, uint32_t field) {
  for (const Nesting& row : kNesting)
    if (row.parent == parent && row.field == field) return row.child;
  return std::nullopt;
}

struct Cursor {
  const uint8_t* at;
  const uint8_t* end;
  Kind kind;
};

bool read_varint(Cursor& c, uint64_t* out) {
  *out = 0;
  for (int shift = 0; shift < 64 && c.at < c.end; shift += 7) {
    const uint8_t byte = *c.at++;
    *out |= static_cast<uint64_t>(byte & 0x7f) << shift;
    if (byte < 0x80) return true;
  }
  return false;
}

// Advances over one field; false at the end or at damage. `child` is set if it nests.
bool next_field(Cursor& c, std::optional<Cursor>* child) {
  child->reset();
  uint64_t tag = 0, length = 0;
  if (c.at >= c.end || !read_varint(c, &tag)) return false;
  switch (tag & 7) {
    case 0: return read_varint(c, &length);
    case 1: length = 8; break;
    case 5: length = 4; break;
    case 2:
      if (!read_varint(c, &length)) return false;
      break;
    default: return false;
  }
  if (length > static_cast<uint64_t>(c.end - c.at)) return false;
  if ((tag & 7) == 2)
    if (const auto kind = child_of(c.kind, static_cast<uint32_t>(tag >> 3)))
      *child = Cursor{c.at, c.at + length, *kind};
  c.at += length;
  return true;
}

// Gives the mapping piece by piece and lets go of the pages of each piece that was read: the peak
// of memory is the parsed model, not the file besides.
class MappedStream final : public io::ZeroCopyInputStream {
 public:
  explicit MappedStream(std::span<const std::byte> bytes) : bytes_(bytes) {}

  bool Next(const void** data, int* size) override {
    release(begin_, at_);
    begin_ = at_;
    const size_t length = std::min(kPiece, bytes_.size() - at_);
    if (length == 0) return false;
    *data = bytes_.data() + at_;
    *size = static_cast<int>(length);
    at_ += length;
    return true;
  }
  void BackUp(int count) override { at_ -= static_cast<size_t>(count); }
  bool Skip(int count) override {
    const size_t wanted = std::min(static_cast<size_t>(count), bytes_.size() - at_);
    at_ += wanted;
    return wanted == static_cast<size_t>(count);
  }
  int64_t ByteCount() const override { return static_cast<int64_t>(at_); }

 private:
  static constexpr size_t kPiece = size_t{64} << 20;

  void release(size_t begin, size_t end) const {
    const auto page = static_cast<size_t>(::sysconf(_SC_PAGESIZE));
    auto round_down = [&](size_t offset) {
      return reinterpret_cast<uintptr_t>(bytes_.data() + offset) / page * page;
    };
    const uintptr_t first = round_down(begin), last = round_down(end);
    if (last > first) ::madvise(reinterpret_cast<void*>(first), last - first, MADV_DONTNEED);
  }

  std::span<const std::byte> bytes_;
  size_t begin_ = 0, at_ = 0;
};

}  // namespace

int message_depth(std::span<const std::byte> bytes) {
  const auto* begin = reinterpret_cast<const uint8_t*>(bytes.data());
  std::vector<Cursor> stack{{begin, begin + bytes.size(), Kind::kModel}};
  size_t deepest = 1;
  std::optional<Cursor> child;
  while (!stack.empty()) {
    if (!next_field(stack.back(), &child)) {
      stack.pop_back();
    } else if (child) {
      stack.push_back(*child);
      deepest = std::max(deepest, stack.size());
    }
  }
  return static_cast<int>(std::min<size_t>(deepest, INT32_MAX));
}

std::unique_ptr<pb::ModelProto> parse_model(std::span<const std::byte> bytes, BytesAre bytes_are,
                                            const std::string& what, const ImportLimits& limits) {
  constexpr char kExternalHint[] = "save the weights as external data";
  const int64_t most = std::min<int64_t>(limits.model_bytes, INT32_MAX);
  if (bytes.size() > static_cast<size_t>(most))
    throw Error(
        ErrorCode::kBudgetExceeded,
        concat(what, ": expected an ONNX file of at most ", most, " bytes, got ", bytes.size()), {},
        kExternalHint);
  if (bytes.empty())
    throw Error(ErrorCode::kInvalidModel, concat(what, ": expected an ONNX model, got no bytes"));
  io::ArrayInputStream memory(bytes.data(), static_cast<int>(bytes.size()));
  MappedStream mapped(bytes);
  io::CodedInputStream coded(
      bytes_are == BytesAre::kMapped ? static_cast<io::ZeroCopyInputStream*>(&mapped) : &memory);
  // A subgraph takes three levels: graph, node, attribute. The rest is for what lies below a graph.
  const int levels = 3 * std::clamp(limits.nesting, 0, 1 << 16) + 16;
  coded.SetRecursionLimit(levels);
  auto model = std::make_unique<pb::ModelProto>();
  if (model->ParseFromCodedStream(&coded) && coded.ConsumedEntireMessage()) return model;
  const int depth = message_depth(bytes);
  if (depth > levels)
    throw Error(ErrorCode::kBudgetExceeded,
                concat(what, ": messages nest ", depth, " deep, over the limit of ", levels), {},
                "raise max_nesting if this is meant");
  throw Error(ErrorCode::kInvalidModel, concat(what, ": expected an ONNX model, got ", bytes.size(),
                                               " bytes that are damaged or something else"));
}

pb::TensorProto parse_tensor(std::span<const std::byte> bytes, const std::string& what) {
  pb::TensorProto tensor;
  if (bytes.size() > INT32_MAX ||
      !tensor.ParseFromArray(bytes.data(), static_cast<int>(bytes.size())))
    throw Error(ErrorCode::kInvalidModel,
                concat(what, ": expected a TensorProto, got other bytes"));
  return tensor;
}

}  // namespace planish::onnx
