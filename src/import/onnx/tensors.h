// SPDX-License-Identifier: Apache-2.0
// TensorProtos to tensors: every carrier of data goes through here (initialisers, constants,
// attributes, sparse values, in graphs, subgraphs and functions), so one rule checks them all.
#pragma once

#include <memory>
#include <string>
#include <unordered_map>

#include "import/onnx/data_folder.h"
#include "import/onnx/proto.h"
#include "tensor/tensor.h"

namespace planish::onnx {

// Throws kInvalidModel unless it is a dtype of ONNX 1.22. `what` names the carrier.
DType to_dtype(int64_t number, const std::string& what);

class TensorReader {
 public:
  // `folder` may be null: then external data is refused.
  TensorReader(std::unique_ptr<DataFolder> folder, const ImportLimits& limits)
      : folder_(std::move(folder)), limits_(limits) {}

  // `what` names the carrier in messages: "initialiser \"w\"". Takes the message's raw bytes over;
  // a second call with the same message gives the same tensor.
  Tensor read(pb::TensorProto& proto, const std::string& what);
  // Made dense.
  Tensor read(pb::SparseTensorProto& proto, const std::string& what);

 private:
  Tensor read_external(const pb::TensorProto& proto, DType type, const Dims& dims,
                       const std::string& what);

  std::unique_ptr<DataFolder> folder_;
  ImportLimits limits_;
  std::unordered_map<const void*, Tensor> known_;
};

}  // namespace planish::onnx
