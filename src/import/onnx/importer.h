// SPDX-License-Identifier: Apache-2.0
// ONNX models in, imported graphs out: every node carries an op at its newest ONNX meaning (opset
// 27, ONNX 1.22), whatever opset the model was written for.
//
//   auto graph = onnx::import_file("model.onnx", {.shapes = {{"x", {1, 3, 224, 224}}}});
//
// Local functions are inlined, initialisers are constants (their bytes are not copied after
// parsing; external data is mapped), nodes are sorted. value_info is not trusted: types of
// intermediate values are left to shape inference. Throws planish::Error; all unsupported nodes of
// a model are reported by one error.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "ir/graph.h"
#include "planish/export.h"
#include "tensor/dim.h"
#include "tensor/type.h"

namespace planish::onnx {

struct ImportLimits {
  int64_t model_bytes = INT32_MAX;         // protobuf's own limit
  int64_t nodes = int64_t{1} << 20;        // with every use of a function expanded
  int nesting = 64;                        // of subgraphs and function calls
  int64_t dense_bytes = int64_t{1} << 30;  // of one sparse tensor made dense
};

struct ImportOptions {
  // Shapes of graph inputs that replace the declared ones. A declared symbol is replaced by the
  // given dim in every other input too.
  std::map<std::string, Shape> shapes;
  // Graph inputs that stay inputs although the model has initialisers for them. Those in `shapes`
  // do so anyway.
  std::set<std::string> keep_inputs;
  // Folder of the external data, if it is not the model's own.
  std::optional<std::string> external_data_folder;
  ImportLimits limits;
};

PLANISH_API std::unique_ptr<ir::Graph> import_file(const std::string& path,
                                                   const ImportOptions& options = {});
// The bytes are not referred to afterwards. External data needs options.external_data_folder.
PLANISH_API std::unique_ptr<ir::Graph> import_bytes(std::span<const std::byte> bytes,
                                                    const ImportOptions& options = {});

// What a model declares of its inputs (without those that have an initialiser) and outputs.
struct Signature {
  std::vector<std::pair<std::string, Type>> inputs;
  std::vector<std::pair<std::string, Type>> outputs;
};
PLANISH_API Signature read_signature(const std::string& path, const ImportLimits& limits = {});
PLANISH_API Signature read_signature(std::span<const std::byte> bytes,
                                     const ImportLimits& limits = {});

}  // namespace planish::onnx
