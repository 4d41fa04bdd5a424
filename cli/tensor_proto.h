// SPDX-License-Identifier: Apache-2.0
// ONNX's tensor files (.pb): a TensorProto, a SequenceProto or an OptionalProto, as the test data
// of models hold them. A reader of its own: the command must not bring another protobuf into a
// process. Source: https://protobuf.dev/programming-guides/encoding/, onnx/onnx.proto
#pragma once

#include <string>
#include <string_view>

#include "planish/planish.h"

namespace planish::cli {

// `type` says which message it is: "float32[3]", "sequence(...)", "optional(...)". Throws
// kFileError naming `path`.
Value parse_tensor_file(std::string_view bytes, const std::string& type, const std::string& path);

}  // namespace planish::cli
