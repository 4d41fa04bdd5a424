// SPDX-License-Identifier: Apache-2.0
// planish.MaxPoolNhwc and planish.AveragePoolNhwc (kernels/pool.cuh).
#include "backend/cuda/compile/expression_writer.h"
#include "backend/cuda/compile/mma_choice.h"
#include "backend/cuda/compile/root_output.h"
#include "backend/cuda/compile/windows.h"
#include "base/str.h"

namespace planish::cuda {
namespace {

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
  const auto window =
      windows_of(root.attributes(), root.attributes().integers("kernel_shape"), in, out);
  if (!window) return std::nullopt;
  const Dim& channels = in.back();
  const DType type = x->type().dtype;
  const int vector = vector_of(type, {channels});
  const int kind = !is_mean ? 0 : root.attributes().integer("count_include_pad", 0) != 0 ? 2 : 1;
  StepBuilder step(lowering);
  require_windows(step, *window, in);
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
  const Dim outputs = product(out, 1, out.size() - 1) * channels.ceil_div(vector);
  const Dim row = spatial_size(in, 2) * channels;
  launch.i64_dim(step.dim(product(in, 1, in.size()))).i64(1);
  launch.i64_dim(step.dim(spatial_size(in, 1) * row))
      .i64_dim(step.dim(row))
      .i64_dim(step.dim(channels));
  launch.i64_dim(step.dim(product(out, 1, out.size()))).i64(1).i64_dim(step.dim(channels));
  launch.i32_dim(step.dim(out[0])).i32_dim(step.dim(channels));
  for (const Shape* s : {&in, &out})
    for (size_t slot = 0; slot < 3; ++slot) launch.i32_dim(step.dim(spatial_size(*s, slot)));
  for (const auto* values :
       {window->kernel, window->stride, window->dilation, window->pad, window->pad_end})
    for (int i = 0; i < 3; ++i) launch.i32(values[i]);
  launch.i32_dim(step.dim(outputs));
  output.add_operands(step, launch);
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
