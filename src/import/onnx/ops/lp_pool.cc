// SPDX-License-Identifier: Apache-2.0
// LpPool and GlobalLpPool: p was a float in opset 1.
#include "import/onnx/op_importer.h"

namespace planish::onnx {
namespace {

void import_lp_pool(NodeContext& c) {
  const double p = c.attributes().real("p", 2);
  c.require(p >= 1 && p <= 1 << 20, "p must be at least 1");
  if (p != static_cast<double>(static_cast<int64_t>(p))) c.unsupported("p is not a whole number");
  c.attributes().set("p", static_cast<int64_t>(p));
  c.finish();
}

const RegisterImporter kLpPool("LpPool", import_lp_pool);
const RegisterImporter kGlobalLpPool("GlobalLpPool", import_lp_pool);

}  // namespace
}  // namespace planish::onnx
