// SPDX-License-Identifier: Apache-2.0
#include "suite_cases.h"

#include <fnmatch.h>

#include <algorithm>
#include <cstring>
#include <fstream>
#include <iterator>

#include "base/str.h"
#include "import/onnx/datum.h"
#include "import/onnx/onnx_ml.pb.h"
#include "planish/error.h"

namespace planish::dev {
namespace {

namespace fs = std::filesystem;
namespace pb = planish::onnx_pb;

struct Waiver {
  const char* pattern;
  const char* data;  // version of ONNX; null: any
  const char* reason;
};
constexpr Waiver kWaivers[] = {
#define PLANISH_WAIVER(pattern, data, reason) {pattern, data, reason},
#include "waivers.def"
#undef PLANISH_WAIVER
};

void add_light(const fs::path& model, std::vector<SuiteCase>& cases) {
  const std::string stem = model.stem();
  const fs::path expected = model.parent_path() / (stem + "_output_0.pb");
  if (fs::exists(expected)) cases.push_back({"test_" + stem.substr(6), model, {}, expected});
}

pb::ModelProto read_model(const fs::path& path) {
  pb::ModelProto model;
  if (!model.ParseFromString(file_text(path)))
    throw Error(ErrorCode::kInvalidModel, concat(path.string(), " is no model"));
  return model;
}

bool has_initialiser(const pb::GraphProto& graph, const std::string& name) {
  return std::any_of(graph.initializer().begin(), graph.initializer().end(),
                     [&](const pb::TensorProto& t) { return t.name() == name; });
}

// Gives each dim a symbol of its own.
void make_dynamic(pb::TypeProto& type, const std::string& stem) {
  if (type.has_optional_type())
    return make_dynamic(*type.mutable_optional_type()->mutable_elem_type(), stem);
  if (type.has_sequence_type())
    return make_dynamic(*type.mutable_sequence_type()->mutable_elem_type(), stem);
  if (!type.has_tensor_type() || !type.tensor_type().has_shape()) return;
  pb::TensorShapeProto& shape = *type.mutable_tensor_type()->mutable_shape();
  for (int d = 0; d < shape.dim_size(); ++d)
    shape.mutable_dim(d)->set_dim_param(concat(stem, "_", d));
}

// Data of ONNX 1.12 hold bfloat16 as uint16.
void take_as_declared(Datum& datum, const Type& type) {
  if (type.dtype != DType::kBF16 || !datum.is_tensor() || datum.tensor().dtype() != DType::kU16)
    return;
  Tensor t(DType::kBF16, datum.tensor().dims());
  std::memcpy(t.data(), datum.tensor().data(), t.bytes());
  datum = Datum(std::move(t));
}

Tensor twice(const Tensor& t) {
  Dims dims = t.dims();
  dims[0] *= 2;
  if (t.dtype() == DType::kString) {
    std::vector<std::string> values = t.string_values();
    values.insert(values.end(), t.string_values().begin(), t.string_values().end());
    return Tensor::strings(std::move(dims), std::move(values));
  }
  Tensor out(t.dtype(), std::move(dims));
  if (t.bytes() == 0) return out;
  std::memcpy(out.data(), t.data(), t.bytes());
  std::memcpy(out.data() + t.bytes(), t.data(), t.bytes());
  return out;
}

}  // namespace

std::string file_text(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw Error(ErrorCode::kFileError, concat("cannot open ", path.string()));
  return {std::istreambuf_iterator<char>(file), {}};
}

std::vector<SuiteCase> find_suite_cases(const std::vector<std::string>& folders,
                                        const std::string& filter) {
  std::vector<SuiteCase> cases;
  for (const std::string& folder : folders) {
    if (fs::exists(fs::path(folder) / "model.onnx"))
      cases.push_back({fs::path(folder).filename(), fs::path(folder) / "model.onnx", folder, {}});
    else
      for (const auto& entry : fs::directory_iterator(folder)) {
        const fs::path& path = entry.path();
        if (fs::exists(path / "model.onnx"))
          cases.push_back({path.filename(), path / "model.onnx", path, {}});
        else if (path.extension() == ".onnx" && path.filename().string().rfind("light_", 0) == 0)
          add_light(path, cases);
      }
  }
  std::erase_if(
      cases, [&](const SuiteCase& c) { return fnmatch(filter.c_str(), c.name.c_str(), 0) != 0; });
  std::sort(cases.begin(), cases.end(),
            [](const SuiteCase& a, const SuiteCase& b) { return a.name < b.name; });
  return cases;
}

std::vector<Datum> read_data(const fs::path& folder, const char* stem,
                             const std::vector<std::pair<std::string, Type>>& values) {
  std::vector<Datum> out;
  for (size_t i = 0;; ++i) {
    const fs::path path = folder / concat(stem, "_", i, ".pb");
    if (!fs::exists(path)) return out;
    const Type type = i < values.size() ? values[i].second : Type{};
    out.push_back(onnx::read_datum(path, type));
    take_as_declared(out.back(), type);
  }
}

std::vector<Datum> made_up_inputs(const onnx::Signature& signature) {
  std::vector<Datum> out;
  for (const auto& [name, type] : signature.inputs) {
    const auto dims = type.shape ? constant_dims(*type.shape) : std::nullopt;
    if (type.dtype != DType::kF32 || !dims)
      throw Error(ErrorCode::kUnsupported, concat("inputs like ", name, " are not made up"));
    Tensor t(DType::kF32, *dims);
    for (int64_t i = 0; i < t.count(); ++i)
      t.as<float>()[i] = static_cast<float>(i) / static_cast<float>(t.count());
    out.emplace_back(std::move(t));
  }
  return out;
}

std::string constified(const SuiteCase& c, const fs::path& data_set, std::vector<size_t>& dropped) {
  pb::ModelProto model = read_model(c.model);
  pb::GraphProto& graph = *model.mutable_graph();
  size_t place = 0;  // among the inputs without an initialiser
  std::vector<int> gone;
  for (int i = 0; i < graph.input_size(); ++i) {
    const pb::ValueInfoProto& input = graph.input(i);
    if (has_initialiser(graph, input.name())) continue;
    const size_t at = place++;
    const fs::path file = data_set / concat("input_", at, ".pb");
    if (at == 0 || !input.type().has_tensor_type() || !fs::exists(file)) continue;
    pb::TensorProto tensor;
    if (!tensor.ParseFromString(file_text(file)))
      throw Error(ErrorCode::kInvalidModel, concat(file.string(), " is no tensor"));
    tensor.set_name(input.name());
    *graph.add_initializer() = std::move(tensor);
    dropped.push_back(at);
    gone.push_back(i);
  }
  for (auto it = gone.rbegin(); it != gone.rend(); ++it)
    graph.mutable_input()->DeleteSubrange(*it, 1);
  return model.SerializeAsString();
}

std::string dynamised(const SuiteCase& c) {
  pb::ModelProto model = read_model(c.model);
  pb::GraphProto& graph = *model.mutable_graph();
  for (int i = 0; i < graph.input_size(); ++i)
    if (!has_initialiser(graph, graph.input(i).name()))
      make_dynamic(*graph.mutable_input(i)->mutable_type(), concat("dim_", i));
  graph.clear_value_info();
  for (auto& output : *graph.mutable_output())
    if (output.type().has_tensor_type())
      output.mutable_type()->mutable_tensor_type()->clear_shape();
  return model.SerializeAsString();
}

std::vector<Datum> doubled(const std::vector<Datum>& inputs) {
  if (inputs.empty() || !inputs[0].is_tensor() || inputs[0].tensor().dims().empty()) return {};
  const int64_t length = inputs[0].tensor().dims()[0];
  std::vector<Datum> out = inputs;
  for (Datum& datum : out) {
    if (!datum.is_tensor()) continue;
    const Tensor& t = datum.tensor();
    if (t.dims().empty() || t.dims()[0] != length) continue;
    // Elements of less than a byte do not fall on bytes.
    const int bits = dtype_bits(t.dtype());
    if (bits != 0 && bits < 8) return {};
    datum = Datum(twice(t));
  }
  return out;
}

const char* find_waiver(const std::string& name, const std::string& data) {
  for (const Waiver& waiver : kWaivers)
    if (fnmatch(waiver.pattern, name.c_str(), 0) == 0 &&
        (waiver.data == nullptr || data == waiver.data))
      return waiver.reason;
  return nullptr;
}

}  // namespace planish::dev
