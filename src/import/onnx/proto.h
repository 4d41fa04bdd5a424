// SPDX-License-Identifier: Apache-2.0
// Bytes to protobuf messages, within limits.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>

#include "import/onnx/importer.h"
#include "import/onnx/onnx_ml.pb.h"

namespace planish::onnx {

namespace pb = planish::onnx_pb;

// Whether the bytes are a private mapping of a file, whose pages need not stay in memory once read.
enum class BytesAre : uint8_t { kMapped, kMemory };

// `what` names the source in messages. Throws kInvalidModel, kBudgetExceeded.
std::unique_ptr<pb::ModelProto> parse_model(std::span<const std::byte> bytes, BytesAre bytes_are,
                                            const std::string& what, const ImportLimits& limits);
pb::TensorProto parse_tensor(std::span<const std::byte> bytes, const std::string& what);

// Deepest nesting of messages below a ModelProto, found without parsing; bytes that are no
// protobuf end the walk.
int message_depth(std::span<const std::byte> bytes);

}  // namespace planish::onnx
