// SPDX-License-Identifier: Apache-2.0
#include "layers.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <map>

#include "dtypes.h"

namespace planish::cli {
namespace {

using Axes = std::vector<size_t>;

// The names of the values that each step of the network makes; "" for one that nobody uses.
std::vector<std::vector<std::string>> output_names(const Engine& engine) {
  const Json network = Json::parse(engine.describe())["programs"][0];
  std::vector<std::vector<std::string>> out;
  for (const Json& step : network["steps"]) {
    out.emplace_back();
    for (const Json& v : step["outputs"])
      out.back().push_back(
          v.get<int>() < 0 ? "" : network["values"][v.get<size_t>()]["name"].get<std::string>());
  }
  return out;
}

// "y~0231" as "y" and the axes; no axes if the name does not end so.
std::pair<std::string, Axes> split_axes(const std::string& name) {
  const size_t mark = name.rfind('~');
  if (mark == std::string::npos || mark + 1 == name.size()) return {name, {}};
  Axes axes;
  for (size_t i = mark + 1; i < name.size(); ++i)
    axes.push_back(static_cast<size_t>(name[i] - '0'));
  for (size_t i = 0; i < axes.size(); ++i)
    if (std::find(axes.begin(), axes.end(), i) == axes.end()) return {name, {}};
  return {name.substr(0, mark), axes};
}

// Axis i of the result is axis axes[i] of the tensor. Requires as many axes as it has, and elements
// of whole bytes.
Value transposed(const Value& tensor, const Axes& axes) {
  const size_t rank = axes.size(), size = static_cast<size_t>(dtype_bits(tensor.dtype())) / 8;
  const std::vector<int64_t> dims = tensor.dims();
  std::vector<size_t> strides(rank, 1), place(rank, 0);
  for (size_t i = rank; i-- > 1;) strides[i - 1] = strides[i] * static_cast<size_t>(dims[i]);
  std::vector<int64_t> made;
  for (size_t axis : axes) made.push_back(dims[axis]);
  Value out = Value::allocate(tensor.dtype(), made);
  const auto* from = static_cast<const char*>(tensor.data());
  auto* to = static_cast<char*>(out.data());
  size_t at = 0;
  for (size_t n = element_count(tensor); n > 0; --n, to += size) {
    std::memcpy(to, from + at * size, size);
    for (size_t i = rank; i-- > 0;) {
      at += strides[axes[i]];
      if (++place[i] < static_cast<size_t>(made[i])) break;
      at -= strides[axes[i]] * place[i];
      place[i] = 0;
    }
  }
  return out;
}

bool is_real(const Value& tensor) {
  return is_floating(tensor.dtype()) && !is_complex(tensor.dtype());
}

Value as_double(const Value& tensor) {
  Value out = Value::allocate(kDouble, tensor.dims());
  for (size_t i = 0; i < element_count(tensor); ++i) set_element(out, i, element(tensor, i));
  return out;
}

// What the reference made for a value of this name.
struct Twin {
  const Answer* answer = nullptr;
  Axes axes;
};

// Nothing if the value is another one than the reference's: its elements are arranged otherwise, or
// it holds another kind of numbers.
std::optional<Difference> compare_with(const Value& ours, const Twin& twin) {
  const Answer& theirs = *twin.answer;
  if (!ours.is_tensor() || theirs.kind != Answer::Kind::kTensor) return compare(ours, theirs);
  Value other = theirs.tensor;
  if (!twin.axes.empty()) {
    if (twin.axes.size() != other.dims().size() || dtype_bits(other.dtype()) < 8) return {};
    other = transposed(other, twin.axes);
  }
  if (ours.dims() != other.dims()) return {};
  if (ours.dtype() == other.dtype()) return compare(ours, other);
  // The same numbers at another precision.
  if (!is_real(ours) || !is_real(other)) return {};
  return compare(as_double(ours), as_double(other));
}

class LayerComparer {
 public:
  LayerComparer(const Engine& engine, const Engine& reference, double tolerance)
      : engine_(engine), reference_(reference), tolerance_(tolerance) {}

  Layers run(const Values& inputs) {
    names_ = output_names(engine_);
    for (const auto& outputs : names_)
      for (const std::string& name : outputs) {
        if (name.empty()) continue;
        ++layers_.outputs;
        for (const std::string& wanted : {name, split_axes(name).first}) theirs_[wanted];
      }
    keep_reference(inputs);
    Context context = engine_.create_context();
    for_each_step(context, inputs, [&](const StepTime& step) {
      if (step.program != 0) return;
      const auto& outputs = names_[static_cast<size_t>(step.step)];
      for (size_t k = 0; k < outputs.size(); ++k)
        look_at(step, outputs[k], step_output(context, k));
    });
    return std::move(layers_);
  }

 private:
  void keep_reference(const Values& inputs) {
    const auto names = output_names(reference_);
    Context context = reference_.create_context();
    for_each_step(context, inputs, [&](const StepTime& step) {
      if (step.program != 0) return;
      const auto& outputs = names[static_cast<size_t>(step.step)];
      for (size_t k = 0; k < outputs.size(); ++k)
        if (const auto it = theirs_.find(outputs[k]); it != theirs_.end())
          it->second = step_output(context, k);
    });
  }

  Twin twin_of(const std::string& name) const {
    const auto is_there = [&](const std::string& wanted) {
      return theirs_.at(wanted).kind != Answer::Kind::kNone;
    };
    if (is_there(name)) return {&theirs_.at(name), {}};
    const auto [base, axes] = split_axes(name);
    return is_there(base) ? Twin{&theirs_.at(base), axes} : Twin{};
  }

  void look_at(const StepTime& step, const std::string& name, const Value& ours) {
    if (name.empty() || ours.is_none()) return;
    const Twin twin = twin_of(name);
    if (twin.answer == nullptr) return;
    const auto difference = compare_with(ours, twin);
    if (!difference) return;
    LayerRow row{.step = step, .output = name, .kind = kind_text(ours), .difference = *difference};
    row.is_same = difference->is_within(tolerance_);
    if (!row.is_same && !layers_.first) layers_.first = layers_.rows.size();
    layers_.rows.push_back(std::move(row));
  }

  const Engine& engine_;
  const Engine& reference_;
  double tolerance_;
  std::vector<std::vector<std::string>> names_;  // by step
  std::map<std::string, Answer> theirs_;         // by name, of the names that could be looked for
  Layers layers_;
};

}  // namespace

Layers compare_layers(const Engine& engine, const Engine& reference, const Values& inputs,
                      double tolerance) {
  return LayerComparer(engine, reference, tolerance).run(inputs);
}

void print_layers(const Layers& layers) {
  std::printf(
      "per layer: %zu of %zu results of steps compared with the reference; the others are\n"
      "no values of the model\n",
      layers.rows.size(), layers.outputs);
  const size_t width = terminal_columns() - 44;
  std::printf("%6s  %s %s %s\n", "step", padded("op", 18).c_str(), padded("output", width).c_str(),
              "difference");
  for (size_t i = 0; i < layers.rows.size(); ++i) {
    const LayerRow& row = layers.rows[i];
    char error[16] = "-";
    if (row.difference.reason.empty())
      std::snprintf(error, sizeof(error), "%.1e", row.difference.relative);
    const char* mark = row.is_same ? "" : layers.first == i ? "  FIRST" : "  DIFFERS";
    std::printf("%6d  %s %s %s%s\n", row.step.step,
                padded(step_title(row.step.op, row.step.kernel), 18).c_str(),
                padded(row.output, width).c_str(), error, mark);
  }
  if (!layers.first) return;
  const LayerRow& row = layers.rows[*layers.first];
  print_line("",
             "first that differs: step " + std::to_string(row.step.step) + ", " +
                 step_title(row.step.op, row.step.kernel) + " \"" + row.step.node + "\", kernel " +
                 row.step.kernel + ", output \"" + row.output + "\" " + row.kind + ": " +
                 row.difference.text(),
             0);
}

Json layers_json(const Layers& layers) {
  Json rows = Json::array();
  for (const LayerRow& row : layers.rows) {
    Json out{{"step", row.step.step},     {"op", row.step.op},    {"node", row.step.node},
             {"kernel", row.step.kernel}, {"output", row.output}, {"value", row.kind},
             {"same", row.is_same}};
    put_difference(row.difference, out);
    rows.push_back(std::move(out));
  }
  Json out{{"outputs", layers.outputs}, {"compared", layers.rows.size()}, {"first", nullptr}};
  if (layers.first) out["first"] = rows[*layers.first];
  out["rows"] = std::move(rows);
  return out;
}

}  // namespace planish::cli
