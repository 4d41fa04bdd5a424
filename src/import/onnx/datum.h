// SPDX-License-Identifier: Apache-2.0
// Values in ONNX's file formats (.pb): TensorProto, SequenceProto, OptionalProto and MapProto.
#pragma once

#include <cstddef>
#include <span>
#include <string>

#include "planish/export.h"
#include "tensor/tensor.h"
#include "tensor/type.h"

namespace planish::onnx {

// The message to expect follows from `type` (a tensor if it is unknown). Throws kInvalidModel,
// kUnsupported for sparse tensors.
PLANISH_API Datum parse_datum(std::span<const std::byte> bytes, const Type& type,
                              const std::string& what);
// Throws kFileError too.
PLANISH_API Datum read_datum(const std::string& path, const Type& type);

}  // namespace planish::onnx
