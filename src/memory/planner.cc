// SPDX-License-Identifier: Apache-2.0
#include "memory/planner.h"

#include <algorithm>
#include <limits>
#include <string>
#include <tuple>

#include "base/checked.h"
#include "planish/error.h"

namespace planish::memory {

namespace {

constexpr uint64_t kNothingFound = std::numeric_limits<uint64_t>::max();

// Keeps sums of all sizes far from overflow: 2^62 bytes in granules.
constexpr uint64_t kMaxGranules = (uint64_t{1} << 62) / kGranule;

uint64_t align_up(uint64_t value, uint64_t alignment) {
  return (value + alignment - 1) & ~(alignment - 1);
}

void check_buffer(const Buffer& buffer, size_t index) {
  const std::string name = "arena buffer " + std::to_string(index);
  if (buffer.first_step > buffer.last_step || buffer.first_step < 0) {
    throw Error(ErrorCode::kInvalidArgument, name + ": lives from step " +
                                                 std::to_string(buffer.first_step) + " to step " +
                                                 std::to_string(buffer.last_step));
  }
  if (buffer.alignment == 0 || (buffer.alignment & (buffer.alignment - 1)) != 0) {
    throw Error(
        ErrorCode::kInvalidArgument,
        name + ": alignment " + std::to_string(buffer.alignment) + " is not a power of two");
  }
}

uint64_t granules(uint64_t bytes) { return bytes / kGranule + (bytes % kGranule != 0); }

}  // namespace

void ArenaPlanner::make_blocks(std::span<const Buffer> buffers) {
  blocks_.clear();
  block_of_.assign(buffers.size(), -1);
  group_blocks_.clear();
  for (size_t i = 0; i < buffers.size(); ++i) {
    const Buffer& buffer = buffers[i];
    check_buffer(buffer, i);
    if (buffer.alias_group >= 0) group_blocks_.emplace_back(buffer.alias_group, i);
  }
  std::sort(group_blocks_.begin(), group_blocks_.end());

  uint64_t total = 0;
  const auto extend = [&](Block& block, const Buffer& buffer) {
    const uint64_t end =
        checked_add<uint64_t>(buffer.alias_group >= 0 ? buffer.alias_offset : 0, buffer.bytes,
                              "arena buffer", ErrorCode::kBudgetExceeded);
    block.first = std::min(block.first, buffer.first_step);
    block.last = std::max(block.last, buffer.last_step);
    block.newest = std::max(block.newest, buffer.first_step);
    block.size = std::max(block.size, granules(end));
    block.align = std::max<uint64_t>(block.align, granules(buffer.alignment));
  };
  const auto close = [&](const Block& block) {
    total = checked_add<uint64_t>(total, block.size + block.align, "arena size",
                                  ErrorCode::kBudgetExceeded);
    check_budget(total, kMaxGranules, "arena size in units of 64 bytes");
  };
  const auto open = [&](const Buffer& buffer) {
    blocks_.push_back({.first = buffer.first_step,
                       .last = buffer.last_step,
                       .size = 0,
                       .align = 1,
                       .offset = 0,
                       .newest = buffer.first_step,
                       .merged_into = -1,
                       .pressure = 0});
  };

  for (size_t i = 0; i < buffers.size(); ++i) {
    if (buffers[i].alias_group >= 0) continue;
    block_of_[i] = static_cast<int32_t>(blocks_.size());
    open(buffers[i]);
    extend(blocks_.back(), buffers[i]);
    close(blocks_.back());
  }
  for (size_t at = 0; at < group_blocks_.size();) {
    const int32_t group = group_blocks_[at].first;
    open(buffers[group_blocks_[at].second]);
    for (; at < group_blocks_.size() && group_blocks_[at].first == group; ++at) {
      const int32_t i = group_blocks_[at].second;
      block_of_[i] = static_cast<int32_t>(blocks_.size()) - 1;
      extend(blocks_.back(), buffers[i]);
    }
    close(blocks_.back());
  }
}

int32_t ArenaPlanner::root(int32_t block) const {
  while (blocks_[block].merged_into >= 0) block = blocks_[block].merged_into;
  return block;
}

int32_t ArenaPlanner::share_in_place(std::span<const Buffer> buffers,
                                     std::span<const InPlace> pairs) {
  int32_t shared = 0;
  const auto covers_block = [&](int32_t buffer, const Block& block) {
    const bool at_start = buffers[buffer].alias_group < 0 || buffers[buffer].alias_offset == 0;
    return at_start && granules(buffers[buffer].bytes) == block.size;
  };
  for (const InPlace& pair : pairs) {
    const auto count = static_cast<int32_t>(buffers.size());
    if (pair.out < 0 || pair.in < 0 || pair.out >= count || pair.in >= count) {
      throw Error(ErrorCode::kInvalidArgument, "arena in-place pair (" + std::to_string(pair.out) +
                                                   ", " + std::to_string(pair.in) +
                                                   "): expected indices below " +
                                                   std::to_string(count));
    }
    const int32_t out = root(block_of_[pair.out]);
    const int32_t in = root(block_of_[pair.in]);
    if (out == in) continue;
    Block& out_block = blocks_[out];
    Block& in_block = blocks_[in];
    if (out_block.size == 0 || out_block.size != in_block.size) continue;
    if (in_block.last != out_block.first || in_block.newest >= out_block.first) continue;
    if (!covers_block(pair.out, out_block) || !covers_block(pair.in, in_block)) continue;
    // The elder block keeps its place, so the chain of merges is short.
    out_block.merged_into = in;
    in_block.last = out_block.last;
    in_block.newest = out_block.newest;
    in_block.align = std::max(in_block.align, out_block.align);
    ++shared;
  }
  return shared;
}

void ArenaPlanner::measure_lower_bound() {
  // Births and deaths as sortable keys: at one step births come before the deaths of the step
  // before have any effect, since a block that dies at step s is live during s.
  struct Event {
    int64_t when;
    int32_t block;
  };
  event_keys_.clear();
  for (int32_t block : live_) {
    const auto index = static_cast<int64_t>(block);
    // The low bit of the time: 0 for a death after the step before, 1 for a birth at this step.
    // Keys hold (step, kind) in the high half and the block in the low half.
    event_keys_.push_back((((int64_t{blocks_[block].first} << 1) | 1) << 30) | index);
    event_keys_.push_back((((int64_t{blocks_[block].last} + 1) << 1) << 30) | index);
  }
  std::sort(event_keys_.begin(), event_keys_.end());
  uint64_t now = 0;
  bound_ = 0;
  peak_step_ = 0;
  birth_steps_.clear();
  birth_totals_.clear();
  for (int64_t key : event_keys_) {
    const Event event{key >> 30, static_cast<int32_t>(key & ((int64_t{1} << 30) - 1))};
    if ((event.when & 1) == 0) {
      now -= blocks_[event.block].size;
      continue;
    }
    now += blocks_[event.block].size;
    const auto step = static_cast<int32_t>(event.when >> 1);
    if (birth_steps_.empty() || birth_steps_.back() != step) {
      birth_steps_.push_back(step);
      birth_totals_.push_back(now);
    }
    birth_totals_.back() = now;
    if (now > bound_) {
      bound_ = now;
      peak_step_ = step;
    }
  }
}

// What is live changes upwards only where a block is born, so the births during a block's life,
// its own included, tell the most that is live meanwhile.
void ArenaPlanner::measure_pressure() {
  for (int32_t index : live_) {
    const auto from =
        std::lower_bound(birth_steps_.begin(), birth_steps_.end(), blocks_[index].first);
    const auto to = std::upper_bound(from, birth_steps_.end(), blocks_[index].last);
    const auto totals = birth_totals_.begin() + (from - birth_steps_.begin());
    blocks_[index].pressure = *std::max_element(totals, totals + (to - from));
    comparisons_ += to - from;
  }
}

size_t ArenaPlanner::collect_conflicts(const Block& block) {
  const size_t placed = placed_first_.size();
  comparisons_ += static_cast<int64_t>(placed);
  size_t count = 0;
  for (size_t i = 0; i < placed; ++i) {
    conflicts_[count] = static_cast<uint32_t>(i);
    count += static_cast<size_t>(placed_first_[i] <= block.last) &
             static_cast<size_t>(placed_last_[i] >= block.first);
  }
  return count;
}

uint64_t ArenaPlanner::find_gap(const Block& block, size_t conflicts, Fit fit) const {
  uint64_t top = 0;
  uint64_t found = kNothingFound;
  uint64_t slack = kNothingFound;
  for (size_t c = 0; c < conflicts; ++c) {
    const uint64_t begin = placed_begin_[conflicts_[c]];
    const uint64_t at = align_up(top, block.align);
    if (at + block.size <= begin && begin - at - block.size < slack) {
      found = at;
      if (fit == Fit::kLowestGap) return found;
      slack = begin - at - block.size;
    }
    top = std::max(top, placed_end_[conflicts_[c]]);
  }
  return found != kNothingFound ? found : align_up(top, block.align);
}

bool ArenaPlanner::pack(const std::vector<int32_t>& order, Fit fit) {
  placed_first_.clear();
  placed_last_.clear();
  placed_begin_.clear();
  placed_end_.clear();
  conflicts_.resize(order.size() + 1);
  packed_ = 0;
  for (int32_t index : order) {
    Block& block = blocks_[index];
    block.offset = find_gap(block, collect_conflicts(block), fit);
    packed_ = std::max(packed_, block.offset + block.size);
    if (packed_ >= best_) return false;
    const auto where = std::upper_bound(placed_begin_.begin(), placed_begin_.end(), block.offset) -
                       placed_begin_.begin();
    placed_begin_.insert(placed_begin_.begin() + where, block.offset);
    placed_end_.insert(placed_end_.begin() + where, block.offset + block.size);
    placed_first_.insert(placed_first_.begin() + where, block.first);
    placed_last_.insert(placed_last_.begin() + where, block.last);
  }
  return true;
}

void ArenaPlanner::keep_if_better(const std::vector<int32_t>& order, Fit fit) {
  if (!pack(order, fit)) return;
  best_ = packed_;
  best_fit_ = fit;
  best_order_ = order;
  best_offsets_.resize(blocks_.size());
  for (int32_t index : order) best_offsets_[index] = blocks_[index].offset;
}

// Packs in the order of descending `key`, ties by birth and index, with either fit.
template <typename Key>
void ArenaPlanner::try_order(Key&& key) {
  if (best_ == bound_ || (best_ != kNothingFound && comparisons_ >= work_)) return;
  order_ = live_;
  std::sort(order_.begin(), order_.end(), [&](int32_t a, int32_t b) {
    const auto key_a = key(blocks_[a]);
    const auto key_b = key(blocks_[b]);
    if (key_a != key_b) return key_a > key_b;
    if (blocks_[a].first != blocks_[b].first) return blocks_[a].first < blocks_[b].first;
    return a < b;
  });
  keep_if_better(order_, Fit::kTightestGap);
  if (best_ != bound_) keep_if_better(order_, Fit::kLowestGap);
}

// Local search on the best order: a block that sticks out of the arena's top moves ahead of one
// that it conflicts with.
void ArenaPlanner::improve() {
  uint64_t random = 0x9E3779B97F4A7C15ULL;
  const auto next = [&](uint64_t below) {
    random ^= random << 13;
    random ^= random >> 7;
    random ^= random << 17;
    return random % below;
  };
  // Tiny problems compare little a round; the count of rounds bounds them too.
  for (int64_t round = 0; comparisons_ < work_ && round < work_ / 64 && best_ != bound_; ++round) {
    order_ = best_order_;
    const auto sticks_out = [&](int32_t index) {
      return best_offsets_[index] + blocks_[index].size == best_;
    };
    const size_t at = std::find_if(order_.begin(), order_.end(), sticks_out) - order_.begin();
    const size_t moves = 1 + next(3);
    if (at > 0)
      std::rotate(order_.begin() + next(at), order_.begin() + at, order_.begin() + at + 1);
    for (size_t move = 1; move < moves; ++move) {
      const size_t from = next(order_.size());
      const size_t to = next(from + 1);
      std::rotate(order_.begin() + to, order_.begin() + from, order_.begin() + from + 1);
    }
    const Fit fit = next(4) == 0 ? Fit::kLowestGap : best_fit_;
    keep_if_better(order_, fit);
  }
}

void ArenaPlanner::search(const PlannerOptions& options) {
  best_ = kNothingFound;
  comparisons_ = 0;
  work_ = options.search_work;
  best_order_.clear();
  if (live_.empty()) {
    best_ = 0;
    return;
  }
  const auto size = [](const Block& b) { return static_cast<int64_t>(b.size); };
  const auto duration = [](const Block& b) { return int64_t{b.last} - b.first + 1; };
  const auto weight = [&](const Block& b) {
    return static_cast<int64_t>(std::min<unsigned __int128>(
        static_cast<unsigned __int128>(b.size) * static_cast<uint64_t>(duration(b)),
        std::numeric_limits<int64_t>::max()));
  };
  try_order(size);
  try_order(weight);
  // Blocks that are live at the fullest step first: those have no slack at all.
  try_order([&](const Block& b) {
    const bool at_peak = b.first <= peak_step_ && b.last >= peak_step_;
    return size(b) + (at_peak ? int64_t{1} << 60 : 0);
  });
  // The blocks of every full step first, not of the fullest alone: repeated layers have many. Among
  // equals the long-lived go last, to the edge, or first, to the bottom: so they divide least.
  measure_pressure();
  try_order([&](const Block& b) { return std::tuple(b.pressure, b.size, -duration(b)); });
  try_order([&](const Block& b) { return std::tuple(b.pressure, b.size, duration(b)); });
  try_order(duration);
  try_order([](const Block& b) { return -int64_t{b.first}; });
  improve();
}

void ArenaPlanner::plan(std::span<const Buffer> buffers, std::span<const InPlace> pairs,
                        const PlannerOptions& options, ArenaPlan* out) {
  check_budget(buffers.size(), (uint64_t{1} << 30) - 1, "arena buffers");
  make_blocks(buffers);
  out->shared_in_place = share_in_place(buffers, pairs);
  live_.clear();
  for (size_t i = 0; i < blocks_.size(); ++i) {
    if (blocks_[i].merged_into < 0 && blocks_[i].size > 0) live_.push_back(static_cast<int32_t>(i));
  }
  measure_lower_bound();
  search(options);
  out->arena_bytes = best_ * kGranule;
  out->lower_bound = bound_ * kGranule;
  out->offsets.resize(buffers.size());
  for (size_t i = 0; i < buffers.size(); ++i) {
    const int32_t block = root(block_of_[i]);
    if (blocks_[block].size == 0) {
      out->offsets[i] = 0;
      continue;
    }
    const uint64_t inside = buffers[i].alias_group >= 0 ? buffers[i].alias_offset : 0;
    out->offsets[i] = best_offsets_[block] * kGranule + inside;
  }
}

ArenaPlan plan_arena(std::span<const Buffer> buffers, std::span<const InPlace> pairs,
                     const PlannerOptions& options) {
  ArenaPlan out;
  ArenaPlanner().plan(buffers, pairs, options, &out);
  return out;
}

}  // namespace planish::memory
