// SPDX-License-Identifier: Apache-2.0
#include "backend/cuda/compile/mma_choice.h"

#include <algorithm>
#include <map>
#include <utility>
#include <vector>

#include "base/str.h"

namespace planish::cuda {
namespace {

struct Tiling {
  int m, n, warps_m, warps_n, warps_k;
};
constexpr Tiling kTilings[] = {
    {128, 128, 2, 2, 1}, {128, 64, 2, 2, 1}, {64, 128, 2, 2, 1}, {64, 64, 2, 2, 1},
    {128, 32, 4, 1, 1},  {64, 32, 2, 2, 1},  {32, 64, 2, 2, 1},  {32, 32, 2, 2, 1},
    {16, 64, 1, 4, 1},   {16, 128, 1, 4, 1}, {64, 64, 2, 2, 2},  {32, 64, 1, 2, 2},
    {64, 32, 2, 1, 2},   {32, 32, 1, 1, 4},  {16, 32, 1, 1, 4},  {16, 64, 1, 2, 2}};
// By warp groups of four warps, 64 rows each.
constexpr Tiling kTogether[] = {{64, 32, 4, 1, 1},   {64, 64, 4, 1, 1},   {64, 128, 4, 1, 1},
                                {128, 32, 8, 1, 1},  {128, 64, 8, 1, 1},  {128, 128, 8, 1, 1},
                                {128, 192, 8, 1, 1}, {128, 256, 8, 1, 1}, {256, 128, 16, 1, 1}};
constexpr int kSplits[] = {1, 2, 3, 4, 6, 8, 12, 16};
constexpr size_t kMostOffers = 24;
constexpr size_t kMostOffersOfATile = 3;

// Of a Hopper-class multiprocessor, in nanoseconds; only their ratios matter.
constexpr double kFlopsPerNs = 4500;  // f16 by mma.sync
constexpr double kTogetherFlopsPerNs = 7000;
constexpr double kL2BytesPerNs = 40;
constexpr double kLoadLatency = 700;  // from L2 to shared memory, shared by the stages in flight
constexpr double kStepOverhead = 40;  // barrier and addresses
constexpr double kLaunchLatency = 900;
constexpr double kTailLatency = 900;         // of reading operands and writing
constexpr double kOwnMemoryBytesPerNs = 23;  // of one multiprocessor, its share
constexpr double kSplitLatency = 1500;
constexpr double kClusterLatency = 2000;
constexpr double kMemoryBytesPerNs = 3000;  // of the device

int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

int bytes_of(DType type) { return dtype_bits(type) / 8; }

// Blocks of a processor that registers allow.
int resident_limit(const MmaChoice& c) {
  const int sums = c.tile_m * c.tile_n / c.threads();  // a thread holds these and as many again
  return std::clamp(65536 / ((sums + 64) * c.threads()), 1, 4);
}

// Few blocks hide latency by stages in flight, many by each other. More stages than steps are idle.
int stages_of(const MmaProblem& p, const MmaChoice& c, const Lowering& lowering) {
  const int64_t blocks = ceil_div(p.m, c.tile_m) * ceil_div(p.n, c.tile_n) * p.batches * c.splits;
  const bool is_alone = blocks <= lowering.multiprocessors || resident_limit(c) == 1;
  const int64_t room = std::min<int64_t>(
      is_alone ? (c.is_together ? 200 << 10 : 128 << 10) : (c.is_together ? 110 << 10 : 72 << 10),
      shared_limit(lowering.targets));
  const int64_t stage = int64_t{c.tile_m + c.tile_n} * c.tile_k * bytes_of(p.type);
  const int64_t steps = ceil_div(c.k_split, c.tile_k);
  return static_cast<int>(std::clamp<int64_t>(std::min(room / stage, steps + 1), 2, 8));
}

double cost(const MmaProblem& p, const MmaChoice& c, int multiprocessors) {
  const int64_t tiles = ceil_div(p.m, c.tile_m) * ceil_div(p.n, c.tile_n) * p.batches;
  const int64_t blocks = tiles * c.splits;
  const double steps = static_cast<double>(ceil_div(c.k_split, c.tile_k));
  double rate = c.is_together ? kTogetherFlopsPerNs : kFlopsPerNs;
  if (p.type == DType::kF32) rate /= p.is_exact ? 6 : 2;
  const double math = 2.0 * c.tile_m * c.tile_n * c.tile_k / rate;
  const double bytes =
      static_cast<double>(c.tile_m + c.tile_n) * c.tile_k * bytes_of(p.type) / kL2BytesPerNs;
  const int64_t resident = std::clamp<int64_t>(
      (220 << 10) / std::max<int64_t>(1, c.shared_bytes(bytes_of(p.type))), 1, resident_limit(c));
  const int64_t at_once = std::clamp<int64_t>(ceil_div(blocks, multiprocessors), 1, resident);
  const auto waves = static_cast<double>(ceil_div(blocks, multiprocessors * at_once));
  const double step = std::max({kLoadLatency / (c.stages - 1) + kStepOverhead,
                                math * static_cast<double>(at_once) + kStepOverhead,
                                bytes * static_cast<double>(at_once)});
  // Blocks beside each other read while one writes.
  const double main = steps * step;
  const double tail = 2.0 * c.tile_m * c.tile_n * bytes_of(p.type) / kOwnMemoryBytesPerNs *
                          static_cast<double>(at_once) / c.splits +
                      kTailLatency;
  const double wave = std::max(main, tail) + std::min(main, tail) / static_cast<double>(at_once);
  double total = waves * wave + kLaunchLatency;
  if (c.is_clustered)
    total += kClusterLatency;
  else if (c.splits > 1)
    total += kSplitLatency +
             8.0 * static_cast<double>(p.m * p.n * p.batches * c.splits) / kMemoryBytesPerNs;
  return total;
}

bool is_all_sm_90a(const std::vector<Target>& targets) {
  return std::all_of(targets.begin(), targets.end(),
                     [](const Target& t) { return t.number() == 90 && t.is_specific; });
}

// Collects the choices of one problem.
class Choices {
 public:
  Choices(const MmaProblem& p, const Lowering& lowering) : p_(p), lowering_(lowering) {
    const bool is_half = bytes_of(p.type) == 2;
    for (const Tiling& t : kTilings) {
      // Three products hold twice the operands in registers.
      if (p.is_exact && t.m * t.n > 64 * 64) continue;
      const int own = is_half && p.k >= 256 ? 64 : 32;
      if (t.warps_k > 1 && (own < 64 || p.k < 256)) continue;
      add(t, own, false);
      if (own == 64 && p.k >= 256 && t.m * t.n <= 64 * 64) add(t, 128, false);
      if (own == 64 && p.k >= 512 && t.m * t.n <= 32 * 64) add(t, 256, false);
    }
    if (is_half && p.is_major_kb && is_all_sm_90a(lowering.targets))
      for (const Tiling& t : kTogether) add(t, 64, true);
    std::stable_sort(all_.begin(), all_.end(),
                     [](const auto& a, const auto& b) { return a.first < b.first; });
  }

  const std::vector<std::pair<double, MmaChoice>>& all() const { return all_; }

 private:
  void add(const Tiling& t, int tile_k, bool is_together) {
    for (int splits : kSplits) {
      if (splits > 1 && !p_.may_split) break;
      MmaChoice c{.tile_m = t.m,
                  .tile_n = t.n,
                  .tile_k = tile_k,
                  .stages = 2,
                  .warps_m = t.warps_m,
                  .warps_n = t.warps_n,
                  .warps_k = t.warps_k,
                  .is_together = is_together};
      const int64_t k = std::max<int64_t>(p_.k, 1);
      c.k_split = ceil_div(ceil_div(k, splits), tile_k) * tile_k;
      c.splits = static_cast<int>(ceil_div(k, c.k_split));
      if (c.splits != splits) continue;
      const int64_t tiles = ceil_div(p_.m, t.m) * ceil_div(p_.n, t.n) * p_.batches;
      if (splits > 1 && tiles > 2 * lowering_.multiprocessors) break;
      c.stages = stages_of(p_, c, lowering_);
      if (c.shared_bytes(bytes_of(p_.type)) > shared_limit(lowering_.targets)) continue;
      if (splits == 1 || tiles <= kMaxCounters)
        all_.emplace_back(cost(p_, c, lowering_.multiprocessors), c);
      if (!lowering_.all_at_least(90) || (splits != 2 && splits != 4 && splits != 8)) continue;
      c.is_clustered = true;
      if (c.shared_bytes(bytes_of(p_.type)) <= shared_limit(lowering_.targets))
        all_.emplace_back(cost(p_, c, lowering_.multiprocessors), c);
    }
  }

  const MmaProblem& p_;
  const Lowering& lowering_;
  std::vector<std::pair<double, MmaChoice>> all_;
};

}  // namespace

int64_t MmaChoice::shared_bytes(int element_bytes) const {
  const int64_t ring = int64_t{stages} * (tile_m + tile_n) * tile_k * element_bytes;
  const int64_t staging = int64_t{warps_m} * warps_n * 64 * (tile_n / warps_n + 8);
  const int64_t reduce = int64_t{warps_k - 1} * tile_m * tile_n * 4;
  const int64_t shared = is_clustered ? int64_t{tile_m} * (tile_n + 8) * 4 : 0;
  return std::max({ring, staging, reduce, shared});
}

std::string MmaChoice::text(const MmaProblem& problem) const {
  return concat("  static constexpr int kTileM = ", tile_m, ", kTileN = ", tile_n,
                ", kTileK = ", tile_k, ", kStages = ", stages,
                ";\n  static constexpr int kWarpsM = ", warps_m, ", kWarpsN = ", warps_n,
                ", kWarpsK = ", warps_k, ", kCluster = ", is_clustered ? splits : 1,
                ";\n  static constexpr bool kSplit = ", splits > 1 ? "true" : "false",
                ", kExact = ", problem.is_exact ? "true" : "false",
                ", kWarpgroup = ", is_together ? "true" : "false", ";\n");
}

std::string MmaChoice::entry() const {
  const int blocks = is_together ? resident_limit(*this) : 1;
  return concat("PLANISH_KERNEL(", threads(), ", ", std::min(blocks, 2), ")",
                is_clustered ? concat(" PLANISH_CLUSTER(", splits, ")") : std::string());
}

std::string MmaChoice::name() const {
  return concat(
      is_together ? "warp groups" : "matrix units", ", tile ", tile_m, "x", tile_n, "x", tile_k,
      ", ", stages, " stages", warps_k > 1 ? concat(", K over ", warps_k, " warps") : std::string(),
      splits > 1 ? concat(", K in ", splits, is_clustered ? " of a cluster" : "") : std::string());
}

std::string MmaChoice::id() const {
  return concat(is_together ? "wg-" : "mma-", tile_m, "x", tile_n, "x", tile_k, "-s", stages,
                warps_k > 1 ? concat("-w", warps_k) : std::string(),
                splits > 1 ? concat(is_clustered ? "-c" : "-k", splits) : std::string());
}

MmaChoice choose_mma(const MmaProblem& p, Lowering& lowering) {
  const Choices choices(p, lowering);
  std::map<std::pair<int, int>, size_t> of_tile;
  lowering.offers.clear();
  const MmaChoice* best = &choices.all().front().second;
  for (const auto& [nanoseconds, choice] : choices.all()) {
    if (choice.id() == lowering.wanted) best = &choice;
    if (lowering.offers.size() == kMostOffers) continue;
    if (++of_tile[{choice.tile_m, choice.tile_n}] > kMostOffersOfATile) continue;
    lowering.offers.push_back({choice.id(), nanoseconds * 1e-9});
  }
  lowering.taken = best->id();
  return *best;
}

bool has_mma(DType type, const Lowering& lowering) {
  return type == DType::kF16 || lowering.all_at_least(80);
}

int64_t typical(const Dim& dim, const Lowering& lowering) {
  const auto usual = lowering.usual != nullptr ? lowering.usual->of(dim) : std::nullopt;
  return usual ? std::max<int64_t>(1, *usual) : typical(dim);
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
