// SPDX-License-Identifier: Apache-2.0
// RNN, GRU and LSTM: opset 1 had an attribute that said which outputs are wanted.
#include "import/onnx/op_importer.h"

namespace planish::onnx {
namespace {

void import_recurrent(NodeContext& c) {
  if (c.opset() < 7) c.attributes().erase("output_sequence");
  // What opset 1 of GRU misspells as its default.
  if (c.attributes().text("direction", "forward") == "foward")
    c.attributes().set("direction", std::string("forward"));
  c.finish();
}

const RegisterImporter kRnn("RNN", import_recurrent);
const RegisterImporter kGru("GRU", import_recurrent);
const RegisterImporter kLstm("LSTM", import_recurrent);

}  // namespace
}  // namespace planish::onnx
