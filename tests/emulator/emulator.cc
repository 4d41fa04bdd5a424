// SPDX-License-Identifier: Apache-2.0
#include "emulator/emulator.h"

#include <dlfcn.h>
#include <sys/mman.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <deque>
#include <memory>
#include <mutex>
#include <random>
#include <stdexcept>
#include <unordered_map>

#if !defined(__x86_64__)
#error "the emulator switches stacks in x86-64 code"
#endif

// Saves the callee's registers on the stack, leaves its address in *save and continues at `next`.
extern "C" void planish_switch_stack(void** save, void* next);
asm(R"(
.text
.globl planish_switch_stack
.type planish_switch_stack, @function
planish_switch_stack:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
.size planish_switch_stack, .-planish_switch_stack
)");

namespace planish::emulator {
namespace {

constexpr size_t kStackBytes = size_t{256} << 10;
constexpr uint32_t kBarriers = 16;
constexpr uint32_t kWarp = 32;
constexpr size_t kMaxResident = 32;  // blocks, when clusters wait
constexpr uint32_t kMaxThreads = 1024;
constexpr uint32_t kMaxShared = 227u << 10;

std::string describe(const char* what, size_t bytes, int line) {
  return std::string(what) + ", " + std::to_string(bytes) + " bytes, line " + std::to_string(line);
}

struct Copy {
  uint32_t to;
  const unsigned char* from;
  uint32_t bytes;
  uint32_t valid;
};
using CopyGroup = std::vector<Copy>;

struct Block;

struct Fiber {
  void* stack_pointer = nullptr;
  Block* block = nullptr;
  uint32_t thread = 0;
  bool ordered = false;  // has waited for the previous kernel
  bool starved = false;
  bool done = false;
  CopyGroup open;
  std::deque<CopyGroup> groups;
};

struct Warp {
  uint32_t lanes = 0;
  uint32_t arrived = 0;
  int instruction = 0;
  uint32_t turn = 0;  // which of the two buffers the exchange under way fills
  std::array<std::array<unsigned char, kWarp * kSlotBytes>, 2> slots;
  std::vector<Fiber*> waiting;
};

struct Barrier {
  uint32_t expected = 0;
  std::vector<Fiber*> waiting;
};

struct Block {
  uint32_t index[3] = {};
  uint32_t alive = 0;
  std::vector<unsigned char> shared;
  std::vector<unsigned char> states;
  std::vector<Warp> warps;
  std::array<Barrier, kBarriers> barriers;
  std::vector<Fiber> fibers;
  unsigned char* stacks = nullptr;
};

// Shared memory starts at a multiple of 128, as on the device.
unsigned char* aligned_shared(Block& block) {
  return reinterpret_cast<unsigned char*>((reinterpret_cast<uintptr_t>(block.shared.data()) + 127) /
                                          128 * 128);
}

// The stacks of all blocks that can be resident, kept between launches.
class StackPool {
 public:
  unsigned char* take(size_t index) {
    while (stacks_.size() <= index) {
      void* memory = mmap(nullptr, kStackBytes * kMaxThreads, PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
      if (memory == MAP_FAILED) throw std::runtime_error("no memory for the stacks of a block");
      stacks_.push_back(static_cast<unsigned char*>(memory));
    }
    return stacks_[index];
  }

 private:
  std::vector<unsigned char*> stacks_;
};

class Launch {
 public:
  Launch(Machine& machine, void (*entry)(const void*), Memory& memory, const LaunchOptions& options)
      : machine_(machine),
        entry_(entry),
        memory_(memory),
        options_(options),
        params_((options.params.size() + 7) / 8 + 1),
        random_(static_cast<uint32_t>(options.seed + 1)) {
    if (!options.params.empty()) {
      std::memcpy(params_.data(), options.params.data(), options.params.size());
    }
  }

  Outcome run(StackPool& stacks);

  // Called on fibers.
  void body();
  // Nothing on the fiber's stack is destroyed any more: `what` must be the only string there.
  [[noreturn]] void fail(Fault fault, std::string&& what);
  void check_global(uintptr_t at, size_t bytes, Access access, int line);
  const unsigned char* exchange(int instruction, const void* in, uint32_t bytes);
  void barrier(uint32_t id, uint32_t threads);
  void cluster_barrier(uint32_t size);
  unsigned char* peer_shared(uint32_t rank, uint32_t size, unsigned char** states);
  void copy_async(const Copy& copy, int line);
  void commit_copies();
  void wait_copies(int pending);
  void yield();
  void order() { current_->ordered = true; }
  std::string place() const;

 private:
  uint64_t index_of(uint32_t x, uint32_t y, uint32_t z) const {
    return x + uint64_t{options_.grid[0]} * (y + uint64_t{options_.grid[1]} * z);
  }
  bool draw(uint32_t one_in) { return options_.seed != 0 && random_() % one_in == 0; }
  void start_block(uint64_t index, Block& block);
  void prepare(Fiber& fiber, unsigned char* stack);
  void make_ready(Fiber* fiber);
  Fiber* next();
  void resume(Fiber* fiber);
  void suspend();
  void land(Fiber& fiber, size_t keep);
  void land(Block& block, const Copy& copy);
  Outcome stuck(const std::vector<std::unique_ptr<Block>>& blocks) const;

  Machine& machine_;
  void (*entry_)(const void*);
  Memory& memory_;
  const LaunchOptions& options_;
  std::vector<uint64_t> params_;
  std::minstd_rand random_;
  std::vector<uint64_t> order_;                     // of the blocks
  std::unordered_map<uint64_t, Block*> live_;       // by index
  std::unordered_map<uint64_t, Barrier> clusters_;  // by the index of their first block
  std::deque<Fiber*> ready_;
  std::deque<Fiber*> starved_;
  uint64_t starved_block_ = ~uint64_t{0};
  uint32_t starved_warp_ = ~0u;
  Fiber* current_ = nullptr;
  void* scheduler_ = nullptr;
  Outcome outcome_;
  uintptr_t hit_first_ = 1;  // the region of the last access
  Memory::Region* hit_ = nullptr;
};

Machine g_machine;
Launch* g_launch = nullptr;

void fiber_main() {
  g_launch->body();
  __builtin_unreachable();
}

Outcome Launch::run(StackPool& stacks) {
  const uint64_t total = uint64_t{options_.grid[0]} * options_.grid[1] * options_.grid[2];
  order_.resize(total);
  for (uint64_t i = 0; i < total; ++i) order_[i] = i;
  if (options_.seed != 0) std::shuffle(order_.begin(), order_.end(), random_);
  if (options_.starve) {
    if (random_() % 2 == 0)
      starved_block_ = order_[0];
    else
      starved_warp_ = random_() % ((options_.threads + kWarp - 1) / kWarp);
  }
  const size_t resident = std::min<uint64_t>(total, options_.seed == 0 ? 1 : 2 + random_() % 2);
  std::vector<std::unique_ptr<Block>> blocks;
  uint64_t started = 0;
  for (size_t i = 0; i < resident; ++i) {
    blocks.push_back(std::make_unique<Block>());
    blocks.back()->stacks = stacks.take(i);
    start_block(order_[started++], *blocks.back());
  }
  uint64_t switches = 0;
  for (;;) {
    Fiber* fiber = next();
    if (fiber == nullptr) {
      // Blocks of a cluster wait for those that have not started.
      const bool waits = std::any_of(clusters_.begin(), clusters_.end(),
                                     [](const auto& c) { return !c.second.waiting.empty(); });
      if (!waits || started == total || blocks.size() >= kMaxResident) return stuck(blocks);
      blocks.push_back(std::make_unique<Block>());
      blocks.back()->stacks = stacks.take(blocks.size() - 1);
      start_block(order_[started++], *blocks.back());
      continue;
    }
    resume(fiber);
    if (outcome_.fault != Fault::kNone) return outcome_;
    if (++switches > options_.max_switches) return {Fault::kRunaway, "too many thread switches"};
    if (fiber->done && fiber->block->alive == 0) {
      const Block& ended = *fiber->block;
      live_.erase(index_of(ended.index[0], ended.index[1], ended.index[2]));
      if (started < total) start_block(order_[started++], *fiber->block);
    }
  }
}

Outcome Launch::stuck(const std::vector<std::unique_ptr<Block>>& blocks) const {
  for (const auto& block : blocks) {
    if (block->alive == 0) continue;
    std::string text = "block " + std::to_string(block->index[0]) + "," +
                       std::to_string(block->index[1]) + "," + std::to_string(block->index[2]) +
                       ": ";
    for (uint32_t id = 0; id < kBarriers; ++id) {
      const Barrier& barrier = block->barriers[id];
      if (barrier.waiting.empty()) continue;
      text += std::to_string(barrier.waiting.size()) + " of " + std::to_string(barrier.expected) +
              " threads at barrier " + std::to_string(id) + "; ";
    }
    for (size_t w = 0; w < block->warps.size(); ++w) {
      const Warp& warp = block->warps[w];
      if (warp.arrived == 0) continue;
      text += std::to_string(warp.arrived) + " of " + std::to_string(warp.lanes) +
              " lanes of warp " + std::to_string(w) + " at a warp instruction; ";
    }
    return {Fault::kDeadlock, text + std::to_string(block->alive) + " threads alive"};
  }
  return {};
}

void Launch::start_block(uint64_t index, Block& block) {
  block.index[0] = static_cast<uint32_t>(index % options_.grid[0]);
  block.index[1] = static_cast<uint32_t>(index / options_.grid[0] % options_.grid[1]);
  block.index[2] = static_cast<uint32_t>(index / options_.grid[0] / options_.grid[1]);
  block.alive = options_.threads;
  live_[index] = &block;
  block.shared.assign(options_.shared_bytes + 128, 0xcd);
  block.states.assign(options_.shared_bytes, kUnwritten);
  block.warps.assign((options_.threads + kWarp - 1) / kWarp, {});
  for (size_t w = 0; w < block.warps.size(); ++w) {
    block.warps[w].lanes = std::min<uint32_t>(kWarp, options_.threads - w * kWarp);
  }
  block.barriers = {};
  block.fibers.assign(options_.threads, {});
  for (uint32_t t = 0; t < options_.threads; ++t) {
    Fiber& fiber = block.fibers[t];
    fiber.block = &block;
    fiber.thread = t;
    fiber.starved = index == starved_block_ || t / kWarp == starved_warp_;
    prepare(fiber, block.stacks + size_t{t} * kStackBytes);
    make_ready(&fiber);
  }
}

void Launch::prepare(Fiber& fiber, unsigned char* stack) {
  // As if planish_switch_stack had been called from the start of fiber_main: six registers, then
  // the address to return to; the stack is misaligned by 8 there, as at the start of any function.
  auto* top = reinterpret_cast<void**>(stack + kStackBytes) - 2;
  *top = reinterpret_cast<void*>(&fiber_main);
  fiber.stack_pointer = top - 6;
  std::memset(fiber.stack_pointer, 0, 6 * sizeof(void*));
}

void Launch::make_ready(Fiber* fiber) { (fiber->starved ? starved_ : ready_).push_back(fiber); }

Fiber* Launch::next() {
  std::deque<Fiber*>& queue = ready_.empty() ? starved_ : ready_;
  if (queue.empty()) return nullptr;
  // Seed 0 and every fourth keep the order, every other fourth turns it round.
  Fiber* fiber = nullptr;
  switch (options_.seed % 4) {
    case 0:
      fiber = queue.front();
      queue.pop_front();
      return fiber;
    case 2: break;
    default: std::swap(queue[random_() % queue.size()], queue.back()); break;
  }
  fiber = queue.back();
  queue.pop_back();
  return fiber;
}

void Launch::resume(Fiber* fiber) {
  current_ = fiber;
  Block& block = *fiber->block;
  machine_.thread = fiber->thread;
  machine_.threads = options_.threads;
  std::copy_n(block.index, 3, machine_.block);
  std::copy_n(options_.grid, 3, machine_.grid);
  machine_.shared = aligned_shared(block);
  machine_.shared_states = block.states.data();
  machine_.shared_bytes = options_.shared_bytes;
  planish_switch_stack(&scheduler_, fiber->stack_pointer);
}

void Launch::suspend() { planish_switch_stack(&current_->stack_pointer, scheduler_); }

void Launch::body() {
  entry_(params_.data());
  Fiber& fiber = *current_;
  land(fiber, 0);
  fiber.done = true;
  --fiber.block->alive;
  suspend();
}

void Launch::fail(Fault fault, std::string&& what) {
  what.insert(0, place());
  outcome_.fault = fault;
  outcome_.message = std::move(what);
  suspend();
  __builtin_unreachable();
}

std::string Launch::place() const {
  const Block& block = *current_->block;
  return "block " + std::to_string(block.index[0]) + "," + std::to_string(block.index[1]) + "," +
         std::to_string(block.index[2]) + " thread " + std::to_string(current_->thread) + ": ";
}

void Launch::check_global(uintptr_t at, size_t bytes, Access access, int line) {
  if (hit_ == nullptr || at < hit_first_ || at >= hit_->end) {
    hit_ = memory_.find(at);
    hit_first_ = at;  // a later access below it looks the region up again
  }
  const auto refuse = [&](Fault fault, const char* what) {
    fail(fault, describe(what, bytes, line));
  };
  if (hit_ == nullptr) refuse(Fault::kOutOfBounds, "no global memory there");
  if (at + bytes > hit_->end || at + bytes < at) refuse(Fault::kOutOfBounds, "past the end");
  if (access == Access::kWrite && hit_->constant) refuse(Fault::kUnordered, "write to weights");
  if (access == Access::kConstantRead && !hit_->constant) {
    refuse(Fault::kUnordered, "constant read of what kernels write");
  }
  if (options_.dependent && !current_->ordered && !hit_->constant) {
    refuse(Fault::kUnordered, "access before the wait for the previous kernel");
  }
  if (hit_->states.empty()) return;
  unsigned char* states = hit_->states.data() + hit_->states.size() - (hit_->end - at);
  if (access == Access::kWrite) {
    std::memset(states, kWritten, bytes);
  } else if (std::memchr(states, kUnwritten, bytes) != nullptr) {
    refuse(Fault::kUninitialisedRead, "global");
  }
}

const unsigned char* Launch::exchange(int instruction, const void* in, uint32_t bytes) {
  Fiber* self = current_;
  Warp& warp = self->block->warps[self->thread / kWarp];
  if (warp.arrived == 0) {
    warp.instruction = instruction;
  } else if (warp.instruction != instruction) {
    fail(Fault::kDivergence, "lanes of a warp in different instructions");
  }
  unsigned char* slots = warp.slots[warp.turn].data();
  std::memcpy(slots + self->thread % kWarp * kSlotBytes, in, bytes);
  if (++warp.arrived < warp.lanes) {
    warp.waiting.push_back(self);
    suspend();
    return slots;
  }
  warp.arrived = 0;
  warp.turn ^= 1;
  for (Fiber* fiber : warp.waiting) make_ready(fiber);
  warp.waiting.clear();
  return slots;
}

void Launch::barrier(uint32_t id, uint32_t threads) {
  if (id >= kBarriers || threads > options_.threads || threads == 0) {
    fail(Fault::kBadLaunch, "impossible barrier");
  }
  Fiber* self = current_;
  Barrier& barrier = self->block->barriers[id];
  if (!barrier.waiting.empty() && barrier.expected != threads) {
    fail(Fault::kDivergence, "barrier with different counts of threads");
  }
  barrier.expected = threads;
  if (barrier.waiting.size() + 1 < threads) {
    barrier.waiting.push_back(self);
    suspend();
    return;
  }
  for (Fiber* fiber : barrier.waiting) make_ready(fiber);
  barrier.waiting.clear();
}

void Launch::cluster_barrier(uint32_t size) {
  Fiber* self = current_;
  const uint32_t* at = self->block->index;
  if (size == 0 || size > 16 || options_.grid[1] % size != 0) {
    fail(Fault::kBadLaunch, "grid y is no multiple of the cluster");
  }
  Barrier& barrier = clusters_[index_of(at[0], at[1] / size * size, at[2])];
  barrier.expected = size * options_.threads;
  if (barrier.waiting.size() + 1 < barrier.expected) {
    barrier.waiting.push_back(self);
    suspend();
    return;
  }
  for (Fiber* fiber : barrier.waiting) make_ready(fiber);
  barrier.waiting.clear();
}

unsigned char* Launch::peer_shared(uint32_t rank, uint32_t size, unsigned char** states) {
  const uint32_t* at = current_->block->index;
  const auto found = live_.find(index_of(at[0], at[1] / size * size + rank, at[2]));
  if (found == live_.end() || rank >= size) {
    fail(Fault::kOutOfBounds, "shared memory of no live block");
  }
  *states = found->second->states.data();
  return aligned_shared(*found->second);
}

void Launch::copy_async(const Copy& copy, int line) {
  if (copy.valid != 0) {
    check_global(reinterpret_cast<uintptr_t>(copy.from), copy.valid, Access::kRead, line);
  }
  if (draw(4)) {
    land(*current_->block, copy);
    return;
  }
  std::memset(current_->block->states.data() + copy.to, kInFlight, copy.bytes);
  current_->open.push_back(copy);
}

void Launch::land(Block& block, const Copy& copy) {
  unsigned char* shared = aligned_shared(block);
  std::memset(shared + copy.to, 0, copy.bytes);
  if (copy.valid != 0) std::memcpy(shared + copy.to, copy.from, copy.valid);
  std::memset(block.states.data() + copy.to, kWritten, copy.bytes);
}

// Lands the oldest groups until `keep` are left.
void Launch::land(Fiber& fiber, size_t keep) {
  while (fiber.groups.size() > keep) {
    for (const Copy& copy : fiber.groups.front()) land(*fiber.block, copy);
    fiber.groups.pop_front();
  }
}

void Launch::commit_copies() {
  current_->groups.push_back(std::move(current_->open));
  current_->open.clear();
}

void Launch::wait_copies(int pending) { land(*current_, static_cast<size_t>(pending)); }

void Launch::yield() {
  if (!draw(2)) return;
  make_ready(current_);
  suspend();
}

void connect(Machine& machine) {
  machine.fail = [](Machine&, Fault fault, const char* what, uint64_t where, int line) {
    g_launch->fail(fault, std::string(what) + " at " + std::to_string(where) + ", line " +
                              std::to_string(line));
  };
  machine.check_global = [](Machine&, const void* at, size_t bytes, Access access, int line) {
    g_launch->check_global(reinterpret_cast<uintptr_t>(at), bytes, access, line);
  };
  machine.exchange = [](Machine&, int instruction, const void* in, uint32_t bytes) {
    return g_launch->exchange(instruction, in, bytes);
  };
  machine.barrier = [](Machine&, uint32_t id, uint32_t threads) { g_launch->barrier(id, threads); };
  machine.cluster_barrier = [](Machine&, uint32_t size) { g_launch->cluster_barrier(size); };
  machine.peer_shared = [](Machine&, uint32_t rank, uint32_t size, unsigned char** states) {
    return g_launch->peer_shared(rank, size, states);
  };
  machine.copy_async = [](Machine&, uint32_t to, const void* from, uint32_t bytes, uint32_t valid,
                          int line) {
    g_launch->copy_async({to, static_cast<const unsigned char*>(from), bytes, valid}, line);
  };
  machine.commit_copies = [](Machine&) { g_launch->commit_copies(); };
  machine.wait_copies = [](Machine&, int pending) { g_launch->wait_copies(pending); };
  machine.yield = [](Machine&) { g_launch->yield(); };
  machine.wait_for_predecessor = [](Machine&) { g_launch->order(); };
}

bool possible(const LaunchOptions& options) {
  const uint64_t limits[3] = {0x7fffffff, 65535, 65535};
  for (int i = 0; i < 3; ++i) {
    if (options.grid[i] == 0 || options.grid[i] > limits[i]) return false;
  }
  return options.threads > 0 && options.threads <= kMaxThreads &&
         options.shared_bytes <= kMaxShared;
}

}  // namespace

void Memory::add(const void* at, size_t bytes, Contents contents) {
  const auto first = reinterpret_cast<uintptr_t>(at);
  Region region{first + bytes, contents == Contents::kConstant, {}};
  if (contents == Contents::kUnwritten) region.states.assign(bytes, kUnwritten);
  regions_[first] = std::move(region);
}

void Memory::remove(const void* at) { regions_.erase(reinterpret_cast<uintptr_t>(at)); }

void Memory::mark_written(const void* at, size_t bytes) {
  const auto first = reinterpret_cast<uintptr_t>(at);
  Region* region = find(first);
  if (region == nullptr || region->states.empty()) return;
  const size_t offset = region->states.size() - (region->end - first);
  std::fill_n(region->states.begin() + static_cast<ptrdiff_t>(offset),
              std::min(bytes, region->states.size() - offset), kWritten);
}

ptrdiff_t Memory::first_unwritten(const void* at, size_t bytes) const {
  const auto first = reinterpret_cast<uintptr_t>(at);
  const Region* region = const_cast<Memory*>(this)->find(first);
  if (region == nullptr || region->states.empty()) return -1;
  const auto begin = region->states.begin() +
                     static_cast<ptrdiff_t>(region->states.size() - (region->end - first));
  const auto end = begin + static_cast<ptrdiff_t>(bytes);
  const auto found = std::find(begin, end, kUnwritten);
  return found == end ? -1 : found - begin;
}

Memory::Region* Memory::find(uintptr_t at) {
  auto next = regions_.upper_bound(at);
  if (next == regions_.begin()) return nullptr;
  --next;
  return at < next->second.end ? &next->second : nullptr;
}

Module::Module(const std::string& path) : handle_(dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL)) {
  if (handle_ == nullptr) throw std::runtime_error(dlerror());
  auto** machine = static_cast<Machine**>(dlsym(handle_, "planish_machine"));
  if (machine == nullptr) throw std::runtime_error(path + " is no emulated kernel library");
  *machine = &g_machine;
}

Module::~Module() { dlclose(handle_); }

void* Module::find(const std::string& entry) const { return dlsym(handle_, entry.c_str()); }

Outcome launch(const Module& module, const std::string& entry, Memory& memory,
               const LaunchOptions& options) {
  static std::mutex mutex;
  static StackPool stacks;
  const std::lock_guard lock(mutex);
  void* function = module.find(entry);
  if (function == nullptr) return {Fault::kBadLaunch, "no entry " + entry};
  if (!possible(options)) return {Fault::kBadLaunch, "impossible grid, block or shared memory"};
  connect(g_machine);
  Launch run(g_machine, reinterpret_cast<void (*)(const void*)>(function), memory, options);
  g_launch = &run;
  Outcome outcome = run.run(stacks);
  g_launch = nullptr;
  if (outcome.fault != Fault::kNone) {
    outcome.message = entry + ": " + fault_name(outcome.fault) + ": " + outcome.message;
  }
  return outcome;
}

const char* fault_name(Fault fault) {
  switch (fault) {
    case Fault::kNone: return "no fault";
    case Fault::kOutOfBounds: return "out of bounds";
    case Fault::kMisaligned: return "misaligned";
    case Fault::kUninitialisedRead: return "uninitialised read";
    case Fault::kUnordered: return "unordered access";
    case Fault::kDivergence: return "divergence";
    case Fault::kDeadlock: return "deadlock";
    case Fault::kRunaway: return "runaway";
    case Fault::kBadLaunch: return "bad launch";
  }
  return "unknown";
}

}  // namespace planish::emulator
