// SPDX-License-Identifier: Apache-2.0
#include "backend/cuda/compile/gemm_launch.h"

#include <algorithm>

#include "backend/cuda/compile/expression_writer.h"
#include "backend/cuda/compile/mma_choice.h"
#include "base/str.h"

namespace planish::cuda {
namespace {

constexpr int64_t kMaxGridZ = 65535;

std::string constant_or_zero(const Dim& dim) {
  const bool fits = dim.is_constant() && dim.value() > 0 && dim.value() <= INT32_MAX;
  return fits ? std::to_string(dim.value()) : "0";
}

bool is_fixed(const GemmWork& w) {
  return w.m.is_constant() && w.n.is_constant() && w.k.is_constant() && w.batches.is_constant();
}

void add_batches(StepBuilder& step, const GemmWork& work, Launch& launch) {
  for (const auto* strides : {&work.batch_a, &work.batch_b, &work.batch_c})
    for (const Dim& s : *strides) launch.i64_dim(step.dim(s));
}

std::string add_mma(StepBuilder& step, const GemmWork& work, const RootOutput& output,
                    Lowering& lowering) {
  const bool is_exact = work.type == DType::kF32 && !lowering.allow_tf32;
  const MmaProblem problem{.m = typical(work.m, lowering),
                           .n = typical(work.n, lowering),
                           .k = typical(work.k, lowering),
                           .batches = typical(work.batches, lowering),
                           .type = work.type,
                           .is_exact = is_exact,
                           .is_major_kb = work.is_b_transposed,
                           .may_split = is_fixed(work)};
  const MmaChoice c = choose_mma(problem, lowering);
  const int vector_a =
      vector_of(work.type, {work.stride_a, work.k, work.batch_a[0], work.batch_a[1]});
  const int vector_b = vector_of(
      work.type, {work.stride_b, work.is_b_transposed && !work.is_constant_b ? work.k : Dim(16),
                  work.batch_b[0], work.batch_b[1]});
  const std::string source =
      concat("#define PLANISH_DEPENDENT_LAUNCH 1\n#include \"gemm.cuh\"\n", output.text(),
             "struct Config {\n  using Input = planish::", element_name(work.type),
             ";\n  using Output = ", output.element(), ";\n  using Tail = ", output.tail_name(),
             ";\n", c.text(problem), "  static constexpr bool kMajorKA = true, kMajorKB = ",
             work.is_b_transposed ? "true" : "false",
             ", kConstantB = ", work.is_constant_b ? "true" : "false",
             ";\n  static constexpr int kVectorA = ", vector_a, ", kVectorB = ", vector_b,
             ";\n  static constexpr int kM = ", constant_or_zero(work.m),
             ", kN = ", constant_or_zero(work.n), ", kK = ", constant_or_zero(work.k),
             ";\n  static constexpr planish::i64 kStrideA = ", constant_or_zero(work.stride_a),
             ", kStrideB = ", constant_or_zero(work.stride_b), ";\n};\nextern \"C\" ", c.entry(),
             " void entry(PLANISH_PARAMS(planish::GemmParams) p) {\n",
             "  planish::gemm_kernel<Config>(p);\n}\n");
  Launch launch(source);
  launch.in(work.a).in(work.b);
  output.add_address(launch);
  const Dim tiles = work.m.ceil_div(c.tile_m) * work.n.ceil_div(c.tile_n);
  const Dim layers = Dim::min(work.batches, kMaxGridZ);
  if (c.has_parts()) {
    const int64_t part = int64_t{4} * c.tile_m * c.tile_n * c.splits;
    launch.scratch(step.scratch(tiles * layers * part)).zeros();
  } else {
    launch.i64(0).i64(0);
  }
  launch.i64_dim(step.dim(work.stride_a)).i64_dim(step.dim(work.stride_b));
  launch.i64_dim(step.dim(work.stride_c));
  add_batches(step, work, launch);
  launch.i32_dim(step.dim(work.m)).i32_dim(step.dim(work.n)).i32_dim(step.dim(work.k));
  if (c.splits > 1)
    launch.i32(c.k_split);
  else
    launch.i32_dim(step.dim(work.k));
  launch.i32_dim(step.dim(work.batches)).i32_dim(step.dim(work.batch_inner));
  output.add_operands(step, launch);
  launch.grid(step.dim(tiles), step.dim(c.splits), step.dim(layers));
  launch.threads(c.threads()).shared(c.shared_bytes(dtype_bits(work.type) / 8)).overlaps();
  step.add(std::move(launch));
  return concat(c.name(), is_exact ? ", float32 in three parts" : "");
}

std::string add_simt(StepBuilder& step, const GemmWork& work, const RootOutput& output) {
  const int tile = typical(work.m) >= 256 && typical(work.n) >= 256 ? 64 : 32;
  const std::string element = concat("planish::", element_name(work.type));
  Launch launch(concat("#define PLANISH_DEPENDENT_LAUNCH 1\n#include \"gemm_simt.cuh\"\n",
                       output.text(), "struct Config {\n  using InputA = ", element,
                       ";\n  using InputB = ", element, ";\n  using Output = ", output.element(),
                       ";\n  using Sum = float;\n  using Tail = ", output.tail_name(),
                       ";\n  static constexpr int kTileM = ", tile, ", kTileN = ", tile,
                       ";\n};\nextern \"C\" PLANISH_KERNEL(256, 1) void "
                       "entry(PLANISH_PARAMS(planish::GemmSimtParams) p) {\n"
                       "  planish::gemm_simt_kernel<Config>(p);\n}\n"));
  launch.in(work.a).in(work.b);
  output.add_address(launch);
  launch.i64_dim(step.dim(work.stride_a)).i64(1);
  const Dim one = 1;
  launch.i64_dim(step.dim(work.is_b_transposed ? one : work.stride_b));
  launch.i64_dim(step.dim(work.is_b_transposed ? work.stride_b : one));
  launch.i64_dim(step.dim(work.stride_c));
  add_batches(step, work, launch);
  launch.i32_dim(step.dim(work.m)).i32_dim(step.dim(work.n)).i32_dim(step.dim(work.k));
  launch.i32_dim(step.dim(work.batches)).i32_dim(step.dim(work.batch_inner));
  launch.i32(0).i32(0).i32(0);
  output.add_operands(step, launch);
  const Dim tiles = work.m.ceil_div(tile) * work.n.ceil_div(tile);
  constexpr int64_t kDepth = 16;  // kGemmSimtK
  launch.grid(step.dim(tiles), -1, step.dim(Dim::min(work.batches, kMaxGridZ)));
  launch.threads(256).shared((2 * tile + 8) * kDepth * 4).overlaps();
  step.add(std::move(launch));
  return "product without matrix units";
}

// Few rows against constant columns that lie along K: bound by reading the constant once.
bool is_matvec(const GemmWork& w) {
  constexpr int64_t kFewRows = 4;
  return is_fixed(w) && w.is_constant_b && w.is_b_transposed && w.batches == Dim(1) &&
         w.m.value() >= 1 && w.m.value() <= kFewRows && w.k.value() >= 1;
}

std::string add_matvec(StepBuilder& step, const GemmWork& work, const RootOutput& output,
                       const Lowering& lowering) {
  const int64_t rows = work.m.value(), n = work.n.value(), k = work.k.value();
  constexpr int kOutputs = 2, kWarps = 4;
  const int vector = vector_of(work.type, {work.k, work.stride_a, work.stride_b});
  // Warps share the walk along K where there are few columns and K is long.
  int warps_k = 1;
  while (warps_k < kWarps &&
         n * warps_k < int64_t{4} * kOutputs * kWarps * lowering.multiprocessors &&
         k > int64_t{32} * vector * warps_k)
    warps_k *= 2;
  const int64_t steps = (k + int64_t{32} * vector * warps_k - 1) / (int64_t{32} * vector * warps_k);
  const std::string element = concat("planish::", element_name(work.type));
  Launch launch(concat("#define PLANISH_DEPENDENT_LAUNCH 1\n#include \"matvec.cuh\"\n",
                       output.text(), "struct Config {\n  using Input = ", element,
                       ";\n  using Output = ", output.element(), ";\n  using Weight = ", element,
                       ";\n  using Scale = ", element, ";\n  using Tail = ", output.tail_name(),
                       ";\n  static constexpr int kRows = ", rows, ", kOutputs = ", kOutputs,
                       ", kVector = ", vector, ", kWarps = ", kWarps, ", kWarpsK = ", warps_k,
                       ", kAhead = ", std::min<int64_t>(4, steps),
                       ", kBlock = 0, kZero = 0;\n  static constexpr bool kHasZero = false;\n};\n"
                       "extern \"C\" PLANISH_KERNEL(",
                       32 * kWarps,
                       ", 1) void entry(PLANISH_PARAMS(planish::MatvecParams) p) {\n"
                       "  planish::matvec_kernel<Config>(p);\n}\n"));
  launch.in(work.a).in(work.b).i64(0).i64(0);
  output.add_address(launch);
  launch.i64_dim(step.dim(work.stride_a)).i64_dim(step.dim(work.stride_b));
  launch.i64_dim(step.dim(work.stride_c)).i32(rows).i32(n).i32(k).i32(0);
  output.add_operands(step, launch);
  launch.grid(step.dim(work.n.ceil_div(kOutputs * kWarps / warps_k))).threads(32 * kWarps);
  launch.shared(warps_k > 1 ? kWarps * rows * kOutputs * 4 : 0).overlaps();
  step.add(std::move(launch));
  return concat("constant times ", rows, rows == 1 ? " row" : " rows");
}

}  // namespace

std::string add_gemm(StepBuilder& step, const GemmWork& work, const RootOutput& output,
                     Lowering& lowering) {
  if (lowering.wanted.empty() && is_matvec(work)) return add_matvec(step, work, output, lowering);
  if (has_mma(work.type, lowering)) return add_mma(step, work, output, lowering);
  return add_simt(step, work, output);
}

}  // namespace planish::cuda
