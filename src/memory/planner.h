// SPDX-License-Identifier: Apache-2.0
// Arena planner: lifetimes and sizes in, offsets out. It knows no graph.
//
// Two buffers whose lifetimes share a step never share a byte, except where the caller allows it:
// - alias groups: members lie at fixed offsets inside one block (reshape at 0; the parts of a
// concat
//   or the results of a split at theirs). A block lives from its first member's first step to its
//   last member's last step;
// - in-place pairs: `out` may take the place of `in` when `in` was born before the step where `out`
//   is born, dies at that step, and both occupy whole blocks of one size.
//
// Sizes are counted in granules of 64 bytes: every buffer starts at a multiple of its alignment (at
// least one granule) and occupies whole granules. `lower_bound` is the largest number of bytes, so
// counted and after in-place sharing, that any one step needs; no assignment of offsets can be
// smaller. The result depends on the input alone, never on time, addresses or threads.
//
// The planner runs at build time and, with the default work, each time that shapes change at run
// time: 500 buffers take less than a millisecond. A planner keeps its scratch memory, so that
// planning again does not allocate.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace planish::memory {

inline constexpr uint64_t kGranule = 64;

struct Buffer {
  uint64_t bytes = 0;
  int32_t first_step = 0;     // the step that writes it
  int32_t last_step = 0;      // the last step that touches it, inclusive
  uint32_t alignment = 64;    // a power of two
  int32_t alias_group = -1;   // buffers of one non-negative group share a block
  uint64_t alias_offset = 0;  // where in the block, a multiple of nothing in particular
};

struct InPlace {
  int32_t out = 0;
  int32_t in = 0;
};

struct PlannerOptions {
  // Orderings, then local search, go on while the lower bound is missed and this many comparisons
  // of lifetimes (about a nanosecond each) are not spent; the first ordering is always finished.
  // A build may afford a hundred times the default.
  int64_t search_work = 400'000;
};

struct ArenaPlan {
  std::vector<uint64_t> offsets;  // one a buffer, in bytes; 0 for an empty buffer
  uint64_t arena_bytes = 0;
  uint64_t lower_bound = 0;
  int32_t shared_in_place = 0;  // how many of the in-place pairs were used
};

class ArenaPlanner {
 public:
  // Pairs are in order of preference. Throws invalid_argument for a lifetime that ends before it
  // begins, an alignment that is no power of two or an index out of range, and budget_exceeded when
  // the sizes overflow.
  void plan(std::span<const Buffer> buffers, std::span<const InPlace> pairs,
            const PlannerOptions& options, ArenaPlan* out);

 private:
  // A set of buffers that share storage; the unit that is placed. Sizes in granules.
  struct Block {
    int32_t first;
    int32_t last;
    uint64_t size;
    uint64_t align;
    uint64_t offset;
    int32_t newest;  // first step of the member that was born last
    int32_t merged_into;
    uint64_t pressure;  // the most that is live during its life
  };

  enum class Fit { kTightestGap, kLowestGap };

  void make_blocks(std::span<const Buffer> buffers);
  int32_t share_in_place(std::span<const Buffer> buffers, std::span<const InPlace> pairs);
  int32_t root(int32_t block) const;
  void measure_lower_bound();
  void measure_pressure();
  void search(const PlannerOptions& options);
  template <typename Key>
  void try_order(Key&& key);
  void improve();
  bool pack(const std::vector<int32_t>& order, Fit fit);
  uint64_t find_gap(const Block& block, size_t conflicts, Fit fit) const;
  size_t collect_conflicts(const Block& block);
  void keep_if_better(const std::vector<int32_t>& order, Fit fit);

  std::vector<Block> blocks_;
  std::vector<int32_t> block_of_;  // buffer -> block
  std::vector<int32_t> live_;      // blocks that must be placed
  std::vector<int32_t> order_;
  std::vector<int32_t> best_order_;
  std::vector<uint64_t> best_offsets_;  // by block
  Fit best_fit_ = Fit::kTightestGap;
  uint64_t bound_ = 0;
  uint64_t best_ = 0;
  uint64_t packed_ = 0;
  int64_t comparisons_ = 0;
  int64_t work_ = 0;
  int32_t peak_step_ = 0;

  // Placed blocks in order of offset, as columns.
  std::vector<int32_t> placed_first_;
  std::vector<int32_t> placed_last_;
  std::vector<uint64_t> placed_begin_;
  std::vector<uint64_t> placed_end_;
  std::vector<uint32_t> conflicts_;
  std::vector<int64_t> event_keys_;
  std::vector<int32_t> birth_steps_;    // ascending; the steps at which blocks are born
  std::vector<uint64_t> birth_totals_;  // what is live there, in granules
  std::vector<std::pair<int32_t, int32_t>> group_blocks_;
};

ArenaPlan plan_arena(std::span<const Buffer> buffers, std::span<const InPlace> pairs = {},
                     const PlannerOptions& options = {});

}  // namespace planish::memory
