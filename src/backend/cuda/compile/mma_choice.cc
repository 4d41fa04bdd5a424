// SPDX-License-Identifier: Apache-2.0
#include "backend/cuda/compile/mma_choice.h"

#include <algorithm>

#include "base/str.h"

namespace planish::cuda {
namespace {

struct Shape2 {
  int m, n, warps_m, warps_n;
};
constexpr Shape2 kTiles[] = {{128, 128, 2, 2}, {128, 64, 2, 2}, {64, 128, 2, 2}, {64, 64, 2, 2},
                             {128, 32, 4, 1},  {64, 32, 2, 2},  {32, 64, 2, 2},  {32, 32, 2, 2},
                             {16, 64, 1, 4},   {16, 128, 1, 4}};
constexpr int kSplits[] = {1, 2, 3, 4, 6, 8, 12, 16};

// Of a Hopper-class multiprocessor, in nanoseconds; only their ratios matter.
constexpr double kFlopsPerNs = 4500;  // f16 by mma.sync
constexpr double kL2BytesPerNs = 40;
constexpr double kLoadLatency = 700;  // from L2 to shared memory, shared by the stages in flight
constexpr double kLaunchLatency = 900;
constexpr double kSplitLatency = 1500;
constexpr double kMemoryBytesPerNs = 3000;  // of the device

int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

int bytes_of(DType type) { return dtype_bits(type) / 8; }

// Few blocks hide latency by stages in flight, many by each other. More stages than steps are idle.
int stages_of(const MmaProblem& p, const MmaChoice& c, const Lowering& lowering) {
  const int64_t blocks = ceil_div(p.m, c.tile_m) * ceil_div(p.n, c.tile_n) * p.batches * c.splits;
  const int64_t room = std::min<int64_t>(blocks <= lowering.multiprocessors ? 128 << 10 : 72 << 10,
                                         shared_limit(lowering.targets));
  const int64_t stage = int64_t{c.tile_m + c.tile_n} * c.tile_k * bytes_of(p.type);
  const int64_t steps = ceil_div(c.k_split, c.tile_k);
  return static_cast<int>(std::clamp<int64_t>(std::min(room / stage, steps + 1), 2, 8));
}

double cost(const MmaProblem& p, const MmaChoice& c, int multiprocessors) {
  const int64_t tiles = ceil_div(p.m, c.tile_m) * ceil_div(p.n, c.tile_n) * p.batches;
  const int64_t blocks = tiles * c.splits;
  const double steps = static_cast<double>(ceil_div(c.k_split, c.tile_k));
  double rate = kFlopsPerNs;
  if (p.type == DType::kF32) rate /= p.is_exact ? 6 : 2;
  const double math = 2.0 * c.tile_m * c.tile_n * c.tile_k / rate;
  const double bytes =
      static_cast<double>(c.tile_m + c.tile_n) * c.tile_k * bytes_of(p.type) / kL2BytesPerNs;
  const int64_t resident = std::clamp<int64_t>(
      (200 << 10) / std::max<int64_t>(1, c.shared_bytes(bytes_of(p.type))), 1, 4);
  const int64_t at_once = std::clamp<int64_t>(ceil_div(blocks, multiprocessors), 1, resident);
  const auto waves = static_cast<double>(ceil_div(blocks, multiprocessors * at_once));
  const double step = std::max({kLoadLatency / (c.stages - 1), math * static_cast<double>(at_once),
                                bytes * static_cast<double>(at_once)});
  double total = waves * (steps * step + kLaunchLatency);
  if (c.splits > 1)
    total += kSplitLatency +
             8.0 * static_cast<double>(p.m * p.n * p.batches * c.splits) / kMemoryBytesPerNs;
  return total;
}

}  // namespace

int64_t MmaChoice::shared_bytes(int element_bytes) const {
  const int64_t ring = int64_t{stages} * (tile_m + tile_n) * tile_k * element_bytes;
  const int64_t staging = int64_t{warps_m} * warps_n * 64 * (tile_n / warps_n + 8);
  const int64_t reduce = int64_t{warps_k - 1} * tile_m * tile_n * 4;
  return std::max({ring, staging, reduce});
}

std::string MmaChoice::text(const MmaProblem& problem) const {
  return concat("  static constexpr int kTileM = ", tile_m, ", kTileN = ", tile_n,
                ", kTileK = ", tile_k, ", kStages = ", stages,
                ";\n  static constexpr int kWarpsM = ", warps_m, ", kWarpsN = ", warps_n,
                ", kWarpsK = ", warps_k,
                ";\n  static constexpr bool kSplit = ", splits > 1 ? "true" : "false",
                ", kExact = ", problem.is_exact ? "true" : "false", ";\n");
}

std::string MmaChoice::name() const {
  return concat("matrix units, tile ", tile_m, "x", tile_n, "x", tile_k, ", ", stages, " stages",
                splits > 1 ? concat(", K in ", splits) : std::string());
}

MmaChoice choose_mma(const MmaProblem& p, const Lowering& lowering) {
  const bool is_half = bytes_of(p.type) == 2;
  MmaChoice best;
  double least = 0;
  for (const Shape2& shape : kTiles) {
    // Three products hold twice the operands in registers.
    if (p.is_exact && shape.m * shape.n > 64 * 64) continue;
    for (int splits : kSplits) {
      if (splits > 1 && !p.may_split) continue;
      MmaChoice c{
          .tile_m = shape.m, .tile_n = shape.n, .warps_m = shape.warps_m, .warps_n = shape.warps_n};
      c.tile_k = is_half ? (p.k >= 256 ? 64 : 32) : 32;
      c.k_split = ceil_div(ceil_div(std::max<int64_t>(p.k, 1), splits), c.tile_k) * c.tile_k;
      c.splits = static_cast<int>(ceil_div(std::max<int64_t>(p.k, 1), c.k_split));
      if (c.splits != splits) continue;
      c.stages = stages_of(p, c, lowering);
      const int64_t tiles = ceil_div(p.m, c.tile_m) * ceil_div(p.n, c.tile_n) * p.batches;
      if (splits > 1 && (tiles > kMaxCounters || tiles > 2 * lowering.multiprocessors)) continue;
      const double time = cost(p, c, lowering.multiprocessors);
      if (least == 0 || time < least) {
        least = time;
        best = c;
      }
    }
  }
  return best;
}

bool has_mma(DType type, const Lowering& lowering) {
  return type == DType::kF16 || lowering.all_at_least(80);
}

int64_t typical(const Dim& dim) {
  constexpr int64_t kMostMeant = 1 << 16;
  if (dim.is_constant()) return dim.value();
  const int64_t max = dim.range().max;
  return max <= kMostMeant ? std::max<int64_t>(1, max) : 1024;
}

int vector_of(DType type, std::initializer_list<Dim> sizes) {
  int n = 16 / bytes_of(type);
  const auto divides = [&](const Dim& d) { return Dim::exact_div(d, n).has_value(); };
  while (n > 1 && !std::all_of(sizes.begin(), sizes.end(), divides)) n /= 2;
  return n;
}

}  // namespace planish::cuda
