// SPDX-License-Identifier: Apache-2.0
#include "import/onnx/importer.h"

#include <set>
#include <utility>

#include "base/file.h"
#include "base/str.h"
#include "import/onnx/model_importer.h"
#include "import/onnx/proto.h"
#include "import/onnx/types.h"
#include "planish/error.h"

namespace planish::onnx {
namespace {

std::unique_ptr<pb::ModelProto> read_model(const std::string& path, const ImportLimits& limits) {
  const OwnedBytes file = load_file(path);
  return parse_model(file.bytes, BytesAre::kMapped, concat("\"", path, "\""), limits);
}

std::vector<std::pair<std::string, Type>> describe(
    const google::protobuf::RepeatedPtrField<pb::ValueInfoProto>& values,
    const std::set<std::string>& without, DimNames& names) {
  std::vector<std::pair<std::string, Type>> out;
  for (const auto& value : values)
    if (without.count(value.name()) == 0)
      out.emplace_back(value.name(), to_type(value.type(), value.name(), &names));
  return out;
}

Signature signature_of(const pb::ModelProto& model) {
  std::set<std::string> constants;
  for (const auto& tensor : model.graph().initializer()) constants.insert(tensor.name());
  for (const auto& tensor : model.graph().sparse_initializer())
    constants.insert(tensor.values().name());
  DimNames names(model.graph());
  return {.inputs = describe(model.graph().input(), constants, names),
          .outputs = describe(model.graph().output(), {}, names)};
}

}  // namespace

std::unique_ptr<ir::Graph> import_file(const std::string& path, const ImportOptions& options) {
  const auto model = read_model(path, options.limits);
  auto folder = options.external_data_folder ? DataFolder::trusted(*options.external_data_folder)
                                             : DataFolder::of_model(path);
  return ModelImporter(*model, options, std::move(folder)).run();
}

std::unique_ptr<ir::Graph> import_bytes(std::span<const std::byte> bytes,
                                        const ImportOptions& options) {
  const auto model = parse_model(bytes, BytesAre::kMemory, "the model", options.limits);
  std::unique_ptr<DataFolder> folder;
  if (options.external_data_folder) folder = DataFolder::trusted(*options.external_data_folder);
  return ModelImporter(*model, options, std::move(folder)).run();
}

Signature read_signature(const std::string& path, const ImportLimits& limits) {
  return signature_of(*read_model(path, limits));
}

Signature read_signature(std::span<const std::byte> bytes, const ImportLimits& limits) {
  return signature_of(*parse_model(bytes, BytesAre::kMemory, "the model", limits));
}

}  // namespace planish::onnx
