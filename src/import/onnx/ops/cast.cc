// SPDX-License-Identifier: Apache-2.0
// Cast: the type was a name ("FLOAT") before opset 6.
#include "base/str.h"
#include "import/onnx/op_importer.h"

namespace planish::onnx {
namespace {

constexpr const char* kNames[] = {
    "UNDEFINED", "FLOAT", "UINT8",   "INT8",   "UINT16", "INT16",  "INT32",     "INT64",
    "STRING",    "BOOL",  "FLOAT16", "DOUBLE", "UINT32", "UINT64", "COMPLEX64", "COMPLEX128"};

void import_cast(NodeContext& c) {
  const Attribute* to = c.attributes().find("to");
  const auto* name = to != nullptr ? std::get_if<std::string>(to) : nullptr;
  if (name == nullptr) {
    c.finish();
    return;
  }
  for (int64_t i = 1; i < static_cast<int64_t>(std::size(kNames)); ++i)
    if (*name == kNames[i]) {
      c.finish("Cast", c.inputs(), {{"to", i}});
      return;
    }
  c.fail(concat("expected the name of a data type, got \"", *name, "\""));
}

const RegisterImporter kCast("Cast", import_cast);

}  // namespace
}  // namespace planish::onnx
