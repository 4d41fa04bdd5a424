// SPDX-License-Identifier: Apache-2.0
// Definitions of the operators of pointwise.def, and of Mean.
// https://onnx.ai/onnx/operators/ : the page of each row's name
#include "base/str.h"
#include "ops/contents.h"
#include "ops/op.h"
#include "ops/pointwise_rows.h"
#include "ops/pointwise_run.h"
#include "ops/shape_rules.h"
#include "planish/error.h"
#include "tensor/elements.h"

namespace planish {
namespace {

bool admits(const PointwiseRow& row, DType type) {
  switch (dtype_class(type)) {
    case DTypeClass::kFloat: return (row.classes & PointwiseClass::kFloats) != 0;
    case DTypeClass::kSigned:
      return (row.classes & (PointwiseClass::kSigned | PointwiseClass::kByDouble)) != 0;
    case DTypeClass::kUnsigned:
      return (row.classes & (PointwiseClass::kUnsigned | PointwiseClass::kByDouble)) != 0;
    case DTypeClass::kBool: return (row.classes & PointwiseClass::kBools) != 0;
    case DTypeClass::kString: return row.name == "Equal" || row.name == "Where";
    case DTypeClass::kComplex: return row.name == "Where";
    default: return type == DType::kUndefined;
  }
}

void check_admitted(const InferContext& c, const PointwiseRow& row, int i) {
  const DType type = check_tensor(c, i);
  if (!admits(row, type))
    c.fail(concat("input ", i, ": ", row.name, " is not defined for ", dtype_name(type)),
           ErrorCode::kInvalidType);
}

bool is_never_negative(const Dim& d) { return d.range().min >= 0; }

// What a row makes of dims, where it stays integer arithmetic that dims know.
std::optional<Dim> arithmetic(std::string_view op, std::span<const Dim> v) {
  const Dim& a = v[0];
  if (v.size() == 1) {
    if (op == "Neg") return Dim(0) - a;
    if (op == "Relu") return Dim::max(a, 0);
    if (op == "Abs" && is_never_negative(a)) return a;
    if (op == "Sum" || op == "Max" || op == "Min") return a;
    return std::nullopt;
  }
  const Dim& b = v[1];
  if (op == "Add") return a + b;
  if (op == "Sub") return a - b;
  if (op == "Mul") return a * b;
  // Integers divide towards zero, dims downwards: the same for signs that are known.
  if (op == "Div" && is_never_negative(a) && b.range().min >= 1) return a.floor_div(b);
  if (op == "Mod" && is_never_negative(a) && b.range().min >= 1) return a.mod(b);
  if (op == "Max" || op == "Min") {
    Dim out = a;
    for (size_t i = 1; i < v.size(); ++i)
      out = op == "Max" ? Dim::max(out, v[i]) : Dim::min(out, v[i]);
    return out;
  }
  auto truth = [](bool yes, bool no) -> std::optional<Dim> {
    if (yes) return Dim(1);
    if (no) return Dim(0);
    return std::nullopt;
  };
  const DimRange gap = (a - b).range();
  if (op == "Equal") return truth(a == b, Dim::differs(a, b));
  if (op == "Less") return truth(gap.max < 0, gap.min >= 0);
  if (op == "LessOrEqual") return truth(gap.max <= 0, gap.min > 0);
  if (op == "Greater") return truth(gap.min > 0, gap.max <= 0);
  if (op == "GreaterOrEqual") return truth(gap.min >= 0, gap.max < 0);
  return std::nullopt;
}

bool is_whole(DType t) { return is_integer(t) || t == DType::kBool; }

void infer_contents(InferContext& c, const PointwiseRow& row) {
  if (row.inputs == PointwiseInputs::kWhere) {
    if (!is_whole(c.dtype(1))) return;
    for (int i = 0; i < 3; ++i)
      if (!c.has_rank(i) || c.rank(i) > 1) return;
    auto chosen = map_partial_contents(
        c, 0, 3, [](std::span<const std::optional<Dim>> v) -> std::optional<Dim> {
          if (v[0] && v[0]->is_constant()) return v[0]->value() != 0 ? v[1] : v[2];
          return v[1] && v[2] && *v[1] == *v[2] ? v[1] : std::nullopt;
        });
    if (chosen) c.set_contents(0, std::move(*chosen));
    return;
  }
  if (row.inputs == PointwiseInputs::kClip || row.inputs == PointwiseInputs::kPower) return;
  if (c.input_count() == 0 || !is_whole(c.dtype(0))) return;
  // Arithmetic that leaves 64 bits is the run time's affair, where it wraps.
  set_mapped_contents(c, 0, c.input_count(), [&](std::span<const Dim> v) -> std::optional<Dim> {
    try {
      return arithmetic(row.name, v);
    } catch (const Error&) {
      return std::nullopt;
    }
  });
}

void infer_row(InferContext& c, const PointwiseRow& row) {
  DType type = DType::kUndefined;
  switch (row.inputs) {
    case PointwiseInputs::kUnary:
    case PointwiseInputs::kBinary:
    case PointwiseInputs::kVariadic:
      type = check_same_dtype(c, 0, c.input_count());
      for (int i = 0; i < c.input_count(); ++i) check_admitted(c, row, i);
      break;
    case PointwiseInputs::kPower:
      check_admitted(c, row, 0);
      check_admitted(c, row, 1);
      type = c.dtype(0);
      break;
    case PointwiseInputs::kWhere:
      check_tensor(c, 0, is_bool, "bool");
      check_admitted(c, row, 1);
      type = check_same_dtype(c, 1, 3);
      break;
    case PointwiseInputs::kClip:
      check_admitted(c, row, 0);
      type = check_same_dtype(c, 0, c.input_count());
      for (int i = 1; i < 3; ++i)
        if (c.has_input(i)) check_single(c, i);
      set_like(c, 0, 0);
      return;
  }
  for (const PointwiseAttribute& a : row.attributes) {
    if (a.kind != PointwiseAttribute::Kind::kChoice) continue;
    const std::string text = c.attributes().text(a.name, a.choices[0]);
    if (text != a.choices[0] && text != a.choices[1])
      c.fail(concat("attribute \"", a.name, "\": expected ", a.choices[0], " or ", a.choices[1],
                    ", got \"", text, "\""),
             ErrorCode::kInvalidModel);
  }
  set_tensor(c, 0, row.result == PointwiseResult::kTruth ? DType::kBool : type,
             broadcast_inputs(c, 0, c.input_count()));
  infer_contents(c, row);
}

void infer_pointwise(InferContext& c) { infer_row(c, pointwise_row(find_pointwise_row(c.op()))); }

void infer_mean(InferContext& c) { infer_row(c, pointwise_row(find_pointwise_row("Sum"))); }

// Integers have no value for a division by zero.
void check_divisor(KernelContext& c) {
  const Tensor& b = c.input(1);
  if (is_float(b.dtype()) || is_float(c.input(0).dtype())) return;
  if (c.output(0).count() == 0) return;
  constexpr int64_t kChunk = 1024;
  int64_t values[kChunk];
  for (int64_t i = 0; i < b.count(); i += kChunk) {
    const int64_t n = std::min(kChunk, b.count() - i);
    load<int64_t>(b, i, n, values);
    for (int64_t k = 0; k < n; ++k)
      if (values[k] == 0) c.fail(concat("element ", i + k, " of the divisor is 0"));
  }
}

void run_dividing(KernelContext& c) {
  check_divisor(c);
  run_pointwise_reference(c);
}

Arity arity(const PointwiseRow& row) {
  switch (row.inputs) {
    case PointwiseInputs::kVariadic: return {1, kAnyNumber};
    case PointwiseInputs::kClip: return {1, 3};
    default: return {row.arity(), row.arity()};
  }
}

OpDef definition(const PointwiseRow& row) {
  std::vector<AttributeSpec> attributes;
  for (const PointwiseAttribute& a : row.attributes) {
    using Kind = PointwiseAttribute::Kind;
    if (a.kind == Kind::kAbsent) continue;
    attributes.push_back(optional(std::string(a.name), a.kind == Kind::kFloat ? AttrKind::kFloat
                                                       : a.kind == Kind::kInt ? AttrKind::kInt
                                                                              : AttrKind::kString));
  }
  const bool divides = row.name == "Div" || row.name == "Mod";
  return {.name = std::string(row.name),
          .attributes = std::move(attributes),
          .inputs = arity(row),
          .outputs = {1, 1},
          .infer = infer_pointwise,
          .run = divides ? run_dividing : run_pointwise_reference,
          .tolerance = {row.tolerance},
          // Clip's bounds are scalars whatever the shape of its data.
          .is_pointwise = true,
          .source = concat("https://onnx.ai/onnx/operators/onnx__", row.name, ".html")};
}

struct RegisterRows {
  RegisterRows() {
    for (int i = 0; i < kPointwiseRowCount; ++i) RegisterOp give(definition(pointwise_row(i)));
  }
};
const RegisterRows kRows;

const RegisterOp kMean({.name = "Mean",
                        .inputs = {1, kAnyNumber},
                        .outputs = {1, 1},
                        .infer = infer_mean,
                        .run = run_mean_reference,
                        .tolerance = {1e-6},
                        .is_pointwise = true,
                        .source = "https://onnx.ai/onnx/operators/onnx__Mean.html"});

}  // namespace
}  // namespace planish
