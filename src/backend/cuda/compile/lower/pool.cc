// SPDX-License-Identifier: Apache-2.0
// planish.MaxPoolNhwc and planish.AveragePoolNhwc (kernels/pool.cuh).
#include "backend/cuda/compile/expression_writer.h"
#include "backend/cuda/compile/mma_choice.h"
#include "backend/cuda/compile/root_output.h"
#include "base/str.h"

namespace planish::cuda {
namespace {

struct Window {
  int64_t kernel[3] = {1, 1, 1}, stride[3] = {1, 1, 1}, dilation[3] = {1, 1, 1};
  int64_t pad[3] = {0, 0, 0}, pad_end[3] = {0, 0, 0};
};

// nullopt: the pads depend on sizes that are not known.
std::optional<Window> window_of(const ir::Node& root, const Shape& in, const Shape& out) {
  const size_t spatial = in.size() - 2;
  const Attributes& a = root.attributes();
  const std::vector<int64_t> ones(spatial, 1);
  const auto& kernel = a.integers("kernel_shape");
  const auto strides = a.integers("strides", ones), dilations = a.integers("dilations", ones);
  const std::string mode = a.text("auto_pad", "NOTSET");
  const auto pads = mode == "NOTSET" ? a.integers("pads", std::vector<int64_t>(2 * spatial, 0))
                                     : std::vector<int64_t>(2 * spatial, 0);
  if (kernel.size() != spatial || pads.size() != 2 * spatial) return std::nullopt;
  Window w;
  for (size_t i = 0; i < spatial; ++i) {
    const size_t slot = 3 - spatial + i;
    w.kernel[slot] = kernel[i];
    w.stride[slot] = strides[i];
    w.dilation[slot] = dilations[i];
    w.pad[slot] = pads[i];
    w.pad_end[slot] = pads[spatial + i];
    if (mode != "SAME_UPPER" && mode != "SAME_LOWER") continue;
    const auto size = in[1 + i].constant(), made = out[1 + i].constant();
    if (!size || !made) return std::nullopt;
    const int64_t extent = (kernel[i] - 1) * dilations[i] + 1;
    const int64_t total = std::max<int64_t>(0, (*made - 1) * strides[i] + extent - *size);
    w.pad[slot] = mode == "SAME_LOWER" ? (total + 1) / 2 : total / 2;
    w.pad_end[slot] = total - w.pad[slot];
  }
  return w;
}

std::optional<ref::StepChoice> lower_pool(const ir::Node& node, Lowering& lowering) {
  const ir::Node& root = root_of(node);
  const ir::Value* x = root.input(0);
  if (!is_real(x) || shape_of(x).size() < 3 || shape_of(x).size() > 5) return std::nullopt;
  const bool is_mean = root.op() == "planish.AveragePoolNhwc";
  // What a mean over a window that ceil_mode pushes beyond the pads counts, the portable kernel
  // knows.
  if (is_mean && root.attributes().integer("ceil_mode", 0) != 0) return std::nullopt;
  const Shape& in = shape_of(x);
  const Shape& out = shape_of(root.output());
  const auto window = window_of(root, in, out);
  if (!window) return std::nullopt;
  const Dim& channels = in.back();
  const DType type = x->type().dtype;
  const int vector = vector_of(type, {channels});
  const int kind = !is_mean ? 0 : root.attributes().integer("count_include_pad", 0) != 0 ? 2 : 1;
  StepBuilder step(lowering);
  const RootOutput output(node, nullptr, {.shape = out, .row = 1, .column = out.size() - 1}, step);
  constexpr int kThreads = 128;
  Launch launch(concat("#define PLANISH_DEPENDENT_LAUNCH 1\n#include \"pool.cuh\"\n", output.text(),
                       "struct Config {\n  using Input = planish::", element_name(type),
                       ";\n  using Output = ", output.element(),
                       ";\n  using Tail = ", output.tail_name(),
                       ";\n  static constexpr int kKind = ", kind, ", kVector = ", vector,
                       ";\n  static constexpr bool kChannelsLast = true;\n};\n"
                       "extern \"C\" PLANISH_KERNEL(",
                       kThreads,
                       ", 1) void entry(PLANISH_PARAMS(planish::PoolParams) p) {\n"
                       "  planish::pool_kernel<Config>(p);\n}\n"));
  launch.in(step.input(outer_value(node, x)));
  output.add_address(launch);
  const size_t spatial = in.size() - 2;
  const auto size = [&](const Shape& s, size_t slot) {
    return slot + spatial < 3 ? Dim(1) : s[1 + slot + spatial - 3];
  };
  const Dim row = size(in, 2) * channels;
  launch.i64_dim(step.dim(product(in, 1, in.size()))).i64(1);
  launch.i64_dim(step.dim(size(in, 1) * row)).i64_dim(step.dim(row)).i64_dim(step.dim(channels));
  launch.i64_dim(step.dim(product(out, 1, out.size()))).i64(1).i64_dim(step.dim(channels));
  launch.i32_dim(step.dim(out[0])).i32_dim(step.dim(channels));
  for (const Shape* s : {&in, &out})
    for (size_t slot = 0; slot < 3; ++slot) launch.i32_dim(step.dim(size(*s, slot)));
  for (const auto* values :
       {window->kernel, window->stride, window->dilation, window->pad, window->pad_end})
    for (int i = 0; i < 3; ++i) launch.i32(values[i]);
  launch.i32(0);
  output.add_operands(step, launch);
  const Dim outputs = product(out, 1, out.size() - 1) * channels.ceil_div(vector);
  launch.grid(step.dim(outputs.ceil_div(kThreads)), -1, step.dim(Dim::min(out[0], 65535)));
  launch.threads(kThreads).overlaps();
  step.add(std::move(launch));
  if (!output.finish(step)) return std::nullopt;
  return step.finish("windows, vectorised over channels");
}

const RegisterLowering kMaxPool("planish.MaxPoolNhwc", lower_pool);
const RegisterLowering kAveragePool("planish.AveragePoolNhwc", lower_pool);

}  // namespace
}  // namespace planish::cuda
