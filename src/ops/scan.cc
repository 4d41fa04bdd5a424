// SPDX-License-Identifier: Apache-2.0
// Scan: runs a body over the slices of tensors along an axis; carries state from one slice to the
// next and gathers what the body makes of each.
#include "base/str.h"
#include "ops/computing.h"
#include "ops/control_flow.h"
#include "ops/shape_rules.h"
#include "ops/split.h"

namespace planish {
namespace {

struct ScanLayout {
  int states = 0;
  int scans = 0;    // inputs that are cut into slices
  int results = 0;  // outputs that are gathered
  std::vector<int64_t> input_axes, input_directions, output_axes, output_directions;
};

template <class Context>
std::vector<int64_t> listed(const Context& c, std::string_view name, int count) {
  auto list = c.attributes().integers(name, std::vector<int64_t>(static_cast<size_t>(count), 0));
  if (static_cast<int>(list.size()) != count)
    c.fail(concat(name, ": expected ", count, " entries, got ", list.size()),
           ErrorCode::kInvalidModel);
  return list;
}

template <class Context>
ScanLayout scan_layout(const Context& c) {
  ScanLayout s;
  const int64_t scans = c.attributes().integer("num_scan_inputs");
  if (scans < 1 || scans > c.input_count())
    c.fail(concat("num_scan_inputs is ", scans, ", the node has ", c.input_count(), " inputs"),
           ErrorCode::kInvalidModel);
  s.scans = static_cast<int>(scans);
  s.states = c.input_count() - s.scans;
  s.results = c.output_count() - s.states;
  if (s.results < 0)
    c.fail(concat(c.output_count(), " outputs for ", s.states, " state variables"),
           ErrorCode::kInvalidModel);
  s.input_axes = listed(c, "scan_input_axes", s.scans);
  s.input_directions = listed(c, "scan_input_directions", s.scans);
  s.output_axes = listed(c, "scan_output_axes", s.results);
  s.output_directions = listed(c, "scan_output_directions", s.results);
  return s;
}

void infer_scan(InferContext& c) {
  const ScanLayout s = scan_layout(c);
  std::optional<Dim> length;
  std::vector<Type> states, slices;
  for (int i = 0; i < s.states; ++i) states.push_back(c.input(i));
  for (int i = s.states; i < c.input_count(); ++i) {
    check_tensor(c, i);
    Type type = c.input(i);
    if (type.shape) {
      const int axis = c.normalize_axis(s.input_axes[static_cast<size_t>(i - s.states)], c.rank(i));
      const Dim& dim = (*type.shape)[static_cast<size_t>(axis)];
      length = length ? check_equal(c, *length, dim, "lengths of the scanned inputs") : dim;
      type.shape->erase(type.shape->begin() + axis);
    }
    slices.push_back(std::move(type));
  }
  const std::vector<Type> body = infer_loop_body(c, {}, states, slices, 0);
  if (body.empty()) return;
  if (static_cast<int>(body.size()) != c.output_count())
    c.fail(concat("the body has ", body.size(), " outputs, the node has ", c.output_count()),
           ErrorCode::kInvalidModel);
  if (!length) length = c.fresh_dim();
  for (int i = 0; i < c.output_count(); ++i) {
    if (i < s.states) {
      c.set_output(i, states[static_cast<size_t>(i)]);
      continue;
    }
    Type type = body[static_cast<size_t>(i)];
    if (type.shape) {
      const int axis = c.normalize_axis(s.output_axes[static_cast<size_t>(i - s.states)],
                                        static_cast<int>(type.shape->size()) + 1);
      type.shape->insert(type.shape->begin() + axis, *length);
    }
    c.set_output(i, std::move(type));
  }
}

// Entry `index` of the tensor along `axis`, without that axis.
Tensor slice_at(const Tensor& in, int axis, int64_t index) {
  Dims dims = in.dims();
  dims[static_cast<size_t>(axis)] = 1;
  Tensor out(in.dtype(), dims);
  const Tensor whole = spread(in);
  fill_spread(out, [&](Tensor& o) { copy_part(o, whole, axis, index); });
  dims.erase(dims.begin() + axis);
  return out.reshaped(dims);
}

void run_scan(KernelContext& c) {
  const ScanLayout s = scan_layout(c);
  std::vector<Datum> states;
  std::vector<int> axes;
  for (int i = 0; i < s.states; ++i) states.push_back(owned(c.datum(i)));
  int64_t length = 0;
  for (int i = 0; i < s.scans; ++i) {
    const Tensor& in = c.input(s.states + i);
    axes.push_back(c.normalize_axis(s.input_axes[static_cast<size_t>(i)], in.rank()));
    const int64_t size = in.dim(axes.back());
    if (i > 0 && size != length)
      c.fail(concat("the scanned inputs have lengths ", length, " and ", size));
    length = size;
  }
  std::vector<Gathered> results;
  for (int i = 0; i < s.results; ++i) results.emplace_back(c, concat("output ", s.states + i));
  for (int64_t n = 0; n < length; ++n) {
    c.budget().spend_iterations(1, c.node());
    std::vector<Datum> inputs;
    for (Datum& state : states) inputs.push_back(std::move(state));
    for (int i = 0; i < s.scans; ++i) {
      const bool backward = s.input_directions[static_cast<size_t>(i)] != 0;
      inputs.push_back(slice_at(c.input(s.states + i), axes[static_cast<size_t>(i)],
                                backward ? length - 1 - n : n));
    }
    std::vector<Datum> made = c.run_subgraph("body", std::move(inputs));
    c.require(static_cast<int>(made.size()) == c.output_count(),
              "the body has another number of outputs");
    for (size_t i = 0; i < states.size(); ++i) states[i] = std::move(made[i]);
    for (size_t i = 0; i < results.size(); ++i)
      if (c.wants_output(s.states + static_cast<int>(i))) results[i].add(made[states.size() + i]);
  }
  const std::vector<Type> types = c.subgraph_types("body");
  for (int i = 0; i < c.output_count(); ++i) {
    if (!c.wants_output(i)) continue;
    const auto at = static_cast<size_t>(i);
    if (i < s.states) {
      c.set_output(i, std::move(states[at]));
      continue;
    }
    const size_t k = at - states.size();
    c.set_output(i, results[k].joined(s.output_axes[k], s.output_directions[k] != 0,
                                      at < types.size() ? types[at] : Type{}));
  }
}

const RegisterOp kScan({.name = "Scan",
                        .attributes = {required("num_scan_inputs", AttrKind::kInt),
                                       optional("scan_input_axes", AttrKind::kInts),
                                       optional("scan_input_directions", AttrKind::kInts),
                                       optional("scan_output_axes", AttrKind::kInts),
                                       optional("scan_output_directions", AttrKind::kInts)},
                        .subgraphs = {"body"},
                        .inputs = {1, kAnyNumber},
                        .outputs = {1, kAnyNumber},
                        .infer = infer_scan,
                        .run = run_scan,
                        .source = "https://onnx.ai/onnx/operators/onnx__Scan.html"});

}  // namespace
}  // namespace planish
