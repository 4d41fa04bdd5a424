// SPDX-License-Identifier: Apache-2.0
// ai.onnx.ml: CategoryMapper, LabelEncoder, OneHotEncoder.
#include <algorithm>
#include <bit>
#include <cmath>
#include <unordered_map>

#include "ops/ml/scores.h"
#include "ops/strides.h"

namespace planish {
namespace {

// ---- LabelEncoder

// The table that attributes PREFIX_tensor, PREFIX_strings, PREFIX_int64s or PREFIX_floats hold; an
// undefined tensor if there is none.
Tensor table_attribute(const Attributes& a, const std::string& prefix) {
  if (a.has(prefix + "_tensor")) return a.tensor(prefix + "_tensor");
  if (a.has(prefix + "_strings")) {
    const auto& texts = a.texts(prefix + "_strings");
    return Tensor::strings({static_cast<int64_t>(texts.size())}, texts);
  }
  if (a.has(prefix + "_int64s")) return Tensor::vector_i64(a.integers(prefix + "_int64s"));
  if (!a.has(prefix + "_floats")) return {};
  const auto& reals = a.reals(prefix + "_floats");
  Tensor out(DType::kF32, {static_cast<int64_t>(reals.size())});
  store(out, reals);
  return out;
}

Tensor default_value(const Attributes& a, DType type) {
  if (a.has("default_tensor")) return a.tensor("default_tensor");
  if (type == DType::kString) return Tensor::strings({}, {a.text("default_string", "_Unused")});
  Tensor out(type, {});
  const double value = is_float(type) ? a.real("default_float", -0.0)
                                      : static_cast<double>(a.integer("default_int64", -1));
  store<double>(out, 0, 1, &value);
  return out;
}

void infer_label_encoder(InferContext& c) {
  const DType dtype = check_tensor(c, 0);
  const Tensor keys = table_attribute(c.attributes(), "keys"),
               values = table_attribute(c.attributes(), "values");
  if (!keys.defined() || !values.defined() || keys.count() != values.count())
    c.fail("expected as many keys as values", ErrorCode::kInvalidModel);
  if (dtype != DType::kUndefined && dtype != keys.dtype())
    c.fail(
        concat("expected ", dtype_name(keys.dtype()), " as the keys are, got ", dtype_name(dtype)),
        ErrorCode::kInvalidType);
  const Tensor fallback = default_value(c.attributes(), values.dtype());
  if (fallback.dtype() != values.dtype() || fallback.count() != 1)
    c.fail("the default is not one value of the values' type", ErrorCode::kInvalidModel);
  set_tensor(c, 0, values.dtype(), c.input(0).shape);
}

// Bits that are equal for elements that match: all NaNs are one, and so are both zeros.
int64_t key_bits(const Tensor& t, int64_t i) {
  if (!is_float(t.dtype())) return element<int64_t>(t, i);
  const double v = element<double>(t, i);
  return std::bit_cast<int64_t>(std::isnan(v) ? std::nan("") : v == 0 ? 0.0 : v);
}

template <class Key, class Read>
void encode_labels(const Tensor& in, const Tensor& keys, const Tensor& values,
                   const Tensor& fallback, Tensor& out, Read&& read) {
  std::unordered_map<Key, int64_t> places;
  for (int64_t i = 0; i < keys.count(); ++i) places[read(keys, i)] = i;
  for (int64_t i = 0; i < in.count(); ++i) {
    const auto found = places.find(read(in, i));
    if (found == places.end())
      copy_run(out, i, fallback, 0, 1);
    else
      copy_run(out, i, values, found->second, 1);
  }
}

void run_label_encoder(KernelContext& c) {
  const Tensor keys = table_attribute(c.attributes(), "keys"),
               values = table_attribute(c.attributes(), "values");
  const Tensor fallback = default_value(c.attributes(), values.dtype());
  const Tensor& in = c.input(0);
  if (in.dtype() == DType::kString)
    encode_labels<std::string>(
        in, keys, values, fallback, c.output(0),
        [](const Tensor& t, int64_t i) { return t.string_values()[static_cast<size_t>(i)]; });
  else
    encode_labels<int64_t>(in, keys, values, fallback, c.output(0), key_bits);
}

// ---- CategoryMapper

void infer_category_mapper(InferContext& c) {
  const DType dtype = check_tensor(c, 0);
  if (c.attributes().texts("cats_strings").size() != c.attributes().integers("cats_int64s").size())
    c.fail("cats_int64s and cats_strings differ in length", ErrorCode::kInvalidModel);
  if (dtype != DType::kUndefined && dtype != DType::kString && dtype != DType::kI64)
    c.fail(concat("expected strings or int64, got ", dtype_name(dtype)), ErrorCode::kInvalidType);
  const DType to = dtype == DType::kUndefined ? dtype
                   : dtype == DType::kString  ? DType::kI64
                                              : DType::kString;
  set_tensor(c, 0, to, c.input(0).shape);
}

void run_category_mapper(KernelContext& c) {
  const Attributes& a = c.attributes();
  const auto& numbers = a.integers("cats_int64s");
  const auto& names = a.texts("cats_strings");
  const Tensor& in = c.input(0);
  if (in.dtype() == DType::kString) {
    std::unordered_map<std::string, int64_t> table;
    for (size_t i = 0; i < names.size(); ++i) table[names[i]] = numbers[i];
    for (size_t i = 0; i < in.string_values().size(); ++i) {
      const auto found = table.find(in.string_values()[i]);
      c.output(0).as<int64_t>()[i] =
          found == table.end() ? a.integer("default_int64", -1) : found->second;
    }
    return;
  }
  std::unordered_map<int64_t, std::string> table;
  for (size_t i = 0; i < names.size(); ++i) table[numbers[i]] = names[i];
  for (int64_t i = 0; i < in.count(); ++i) {
    const auto found = table.find(in.as<int64_t>()[i]);
    c.output(0).string_values()[static_cast<size_t>(i)] =
        found == table.end() ? a.text("default_string", "_Unused") : found->second;
  }
}

// ---- OneHotEncoder

int64_t category_count(const Attributes& a) {
  return static_cast<int64_t>(a.integers("cats_int64s", {}).size() +
                              a.texts("cats_strings", {}).size());
}

void infer_one_hot_encoder(InferContext& c) {
  const DType dtype = check_tensor(c, 0);
  const bool strings = c.attributes().has("cats_strings");
  if (strings == c.attributes().has("cats_int64s"))
    c.fail("expected one of cats_int64s and cats_strings", ErrorCode::kInvalidModel);
  if (dtype != DType::kUndefined && strings != (dtype == DType::kString))
    c.fail(concat("the categories are not of type ", dtype_name(dtype)), ErrorCode::kInvalidType);
  std::optional<Shape> out = c.input(0).shape;
  if (out) out->push_back(category_count(c.attributes()));
  set_tensor(c, 0, DType::kF32, std::move(out));
}

void run_one_hot_encoder(KernelContext& c) {
  const Tensor& in = c.input(0);
  Tensor& out = c.output(0);
  fill_zero(out);
  const int64_t categories = category_count(c.attributes());
  auto mark = [&](const auto& known, auto read) {
    for (int64_t i = 0; i < in.count(); ++i) {
      const auto found = std::find(known.begin(), known.end(), read(i));
      if (found != known.end())
        out.as<float>()[i * categories + (found - known.begin())] = 1;
      else if (!flag(c.attributes(), "zeros", true))
        c.fail(concat("element ", i, " is in no category"));
    }
  };
  if (in.dtype() == DType::kString)
    mark(c.attributes().texts("cats_strings"), [&](int64_t i) -> const std::string& {
      return in.string_values()[static_cast<size_t>(i)];
    });
  else
    mark(c.attributes().integers("cats_int64s"),
         [&](int64_t i) { return element<int64_t>(in, i); });
}

std::vector<AttributeSpec> label_attributes() {
  std::vector<AttributeSpec> out;
  for (const char* prefix : {"keys", "values"}) {
    out.push_back(optional(std::string(prefix) + "_tensor", AttrKind::kTensor));
    out.push_back(optional(std::string(prefix) + "_strings", AttrKind::kStrings));
    out.push_back(optional(std::string(prefix) + "_int64s", AttrKind::kInts));
    out.push_back(optional(std::string(prefix) + "_floats", AttrKind::kFloats));
  }
  out.push_back(optional("default_tensor", AttrKind::kTensor));
  out.push_back(optional("default_string", AttrKind::kString));
  out.push_back(optional("default_int64", AttrKind::kInt));
  out.push_back(optional("default_float", AttrKind::kFloat));
  return out;
}

const RegisterOp kLabelEncoder(
    {.name = "ai.onnx.ml.LabelEncoder",
     .attributes = label_attributes(),
     .infer = infer_label_encoder,
     .run = run_label_encoder,
     .source = "https://onnx.ai/onnx/operators/onnx_aionnxml_LabelEncoder.html"});
const RegisterOp kCategoryMapper(
    {.name = "ai.onnx.ml.CategoryMapper",
     .attributes = {required("cats_int64s", AttrKind::kInts),
                    required("cats_strings", AttrKind::kStrings),
                    optional("default_int64", AttrKind::kInt),
                    optional("default_string", AttrKind::kString)},
     .infer = infer_category_mapper,
     .run = run_category_mapper,
     .source = "https://onnx.ai/onnx/operators/onnx_aionnxml_CategoryMapper.html"});
const RegisterOp kOneHotEncoder(
    {.name = "ai.onnx.ml.OneHotEncoder",
     .attributes = {optional("cats_int64s", AttrKind::kInts),
                    optional("cats_strings", AttrKind::kStrings),
                    optional("zeros", AttrKind::kInt)},
     .infer = infer_one_hot_encoder,
     .run = run_one_hot_encoder,
     .source = "https://onnx.ai/onnx/operators/onnx_aionnxml_OneHotEncoder.html"});

}  // namespace
}  // namespace planish
