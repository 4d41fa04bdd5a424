// SPDX-License-Identifier: Apache-2.0
#include "runtime/context.h"

#include <algorithm>
#include <cstring>
#include <set>
#include <utility>

#include "base/str.h"
#include "planish/error.h"
#include "runtime/frame.h"
#include "runtime/input_check.h"

namespace planish {
namespace {

std::span<const std::byte> memory_of(const Datum& datum) {
  const auto* t = std::get_if<Tensor>(&datum.held);
  if (t == nullptr || t->dtype() == DType::kString) return {};
  return {t->data(), t->bytes()};
}

bool overlap(std::span<const std::byte> a, std::span<const std::byte> b) {
  return !a.empty() && !b.empty() && a.data() < b.data() + b.size() &&
         b.data() < a.data() + a.size();
}

size_t alignment_of(DType type) {
  return std::clamp<size_t>(static_cast<size_t>(dtype_bits(type)) / 8, 1, 8);
}

bool is_aligned(const std::byte* data, DType type) {
  return reinterpret_cast<uintptr_t>(data) % alignment_of(type) == 0;
}

}  // namespace

struct Context::Impl final : OutputPlaces {
  Impl(const Engine& engine, const EngineCode& code, int profile)
      : engine(engine),
        run{.engine = code, .budget = RunBudget(code.options.limits)},
        frame(code.programs.front(), run),
        check(engine.plan(), profile),
        no_symbols(code.symbols.size(), kUnbound),
        bound(engine.outputs().size()),
        placed(engine.outputs().size()) {
    if (code.device == nullptr) return;
    run.session = code.device->make_session();
    find_host_inputs(code.programs.front());
  }

  OwnedBytes place(size_t i, size_t bytes) override {
    const DType type = engine.outputs()[i].type.dtype;
    if (!bound[i].bytes.empty()) {
      require_room(i, bytes);
      // What overlaps an input, or has no element's alignment, is written when the run is over.
      const auto is_input = [&](const Datum& d) { return overlap(memory_of(d), bound[i].bytes); };
      if (!is_aligned(bound[i].bytes.data(), type) ||
          std::any_of(inputs.begin(), inputs.end(), is_input))
        return {};
      placed[i] = bound[i];
    } else if (allocator) {
      placed[i] = allocate(i, bytes);
    }
    return placed[i];
  }

  OwnedBytes allocate(size_t i, size_t bytes) const {
    std::byte* memory = allocator(static_cast<int>(i), bytes);
    if (memory == nullptr)
      throw Error(ErrorCode::kOutOfMemory, concat("output \"", engine.outputs()[i].name,
                                                  "\": the allocator has no ", bytes, " bytes"));
    return {.bytes = {memory, bytes}, .owner = nullptr};
  }

  void require_room(size_t i, size_t bytes) const {
    if (bytes <= bound[i].bytes.size()) return;
    throw Error(ErrorCode::kInvalidShape,
                concat("output \"", engine.outputs()[i].name, "\": its memory has ",
                       bound[i].bytes.size(), " bytes, the result needs ", bytes));
  }

  void finish_run() const {
    if (waits)
      run.session->wait();
    else
      run.session->end();
  }

  void check_bound() const {
    for (size_t i = 0; i < bound.size(); ++i)
      for (size_t k = 0; k < i; ++k)
        if (overlap(bound[i].bytes, bound[k].bytes))
          throw Error(ErrorCode::kInvalidArgument,
                      concat("outputs \"", engine.outputs()[k].name, "\" and \"",
                             engine.outputs()[i].name, "\" are bound to the same memory"));
  }

  // Inputs that host code reads: in the device's memory it could not.
  void find_host_inputs(const ProgramCode& program) {
    std::set<int32_t> read;
    for (const StepCode& step : program.steps) {
      if (step.kernel->memory().outputs == plan::Memory::kHost)
        for (int32_t v : step.step->inputs)
          if (v >= 0) read.insert(program.values[static_cast<size_t>(v)].root);
      for (int32_t v : step.captured) read.insert(program.values[static_cast<size_t>(v)].root);
    }
    for (const OutputCode& out : program.outputs) read.insert(out.root);
    for (int32_t v : program.program->inputs) is_read_by_host.push_back(read.count(v) != 0);
  }

  // What host code reads, in the host's memory.
  Datum for_host(const Datum& datum, size_t i) const {
    const auto* t = std::get_if<Tensor>(&datum.held);
    if (t == nullptr || is_read_by_host.empty() || !is_read_by_host[i] ||
        t->dtype() == DType::kString || !run.session->is_device_memory(t->data()))
      return datum;
    Tensor copy(t->dtype(), t->dims());
    run.session->read(copy.data(), t->data(), t->bytes());
    return copy;
  }

  // Inputs as the frame needs them: elements aligned, containers that nobody else holds.
  std::vector<Datum> take_inputs(std::span<const Datum> given) const {
    std::vector<Datum> out;
    out.reserve(given.size());
    for (size_t i = 0; i < given.size(); ++i) {
      const Datum datum = for_host(given[i], i);
      const auto* t = std::get_if<Tensor>(&datum.held);
      const bool is_fit = t == nullptr
                              ? datum.empty()
                              : t->dtype() == DType::kString || is_aligned(t->data(), t->dtype());
      out.push_back(is_fit ? datum : deep_copy(datum));
    }
    return out;
  }

  // Puts output i where the caller wants it.
  void deliver(size_t i, Datum& datum) const {
    const bool is_bound = !bound[i].bytes.empty();
    if (!is_bound && !allocator) return;
    auto* t = std::get_if<Tensor>(&datum.held);
    if (t == nullptr || t->dtype() == DType::kString) {
      if (is_bound)
        throw Error(ErrorCode::kInvalidArgument,
                    concat("output \"", engine.outputs()[i].name, "\" cannot be bound to memory"));
      return;
    }
    if (!placed[i].bytes.empty() && t->data() == placed[i].bytes.data()) return;
    if (is_bound) require_room(i, t->bytes());
    const OwnedBytes memory = is_bound ? bound[i] : allocate(i, t->bytes());
    auto* data = const_cast<std::byte*>(memory.bytes.data());
    if (t->bytes() != 0) std::memmove(data, t->data(), t->bytes());
    t->rebind(data, memory.owner);
  }

  // Two outputs never share memory.
  static void separate(std::vector<Datum>& outputs) {
    for (size_t i = 1; i < outputs.size(); ++i)
      for (size_t k = 0; k < i; ++k)
        if (overlap(memory_of(outputs[i]), memory_of(outputs[k]))) {
          outputs[i] = deep_copy(outputs[i]);
          break;
        }
  }

  const Engine& engine;
  RunState run;
  Frame frame;
  InputCheck check;
  SymbolValues no_symbols;
  std::vector<OwnedBytes> bound;   // by output
  std::vector<OwnedBytes> placed;  // by output: what this run was given
  OutputAllocator allocator;
  std::span<const Datum> inputs;
  std::vector<bool> is_read_by_host;  // by input; empty: the engine has no device
  std::optional<void*> stream;
  bool waits = true;
};

Context::Context(std::shared_ptr<const Engine> engine, const EngineCode& code, int profile)
    : engine_(std::move(engine)),
      profile_(profile),
      impl_(std::make_unique<Impl>(*engine_, code, profile)) {}

Context::~Context() = default;

std::vector<Datum> Context::run(std::span<const Datum> inputs) {
  Impl& impl = *impl_;
  impl.check.run(inputs);
  impl.check_bound();
  impl.run.budget.reset();
  if (impl.run.observer) impl.run.begin = std::chrono::steady_clock::now();
  std::fill(impl.placed.begin(), impl.placed.end(), OwnedBytes{});
  if (impl.run.session != nullptr) impl.run.session->begin(impl.stream);
  const std::vector<Datum> taken = impl.take_inputs(inputs);
  impl.inputs = inputs;
  std::vector<Datum> outputs = impl.frame.run(taken, impl.no_symbols, &impl);
  if (impl.run.session != nullptr) impl.finish_run();
  impl.inputs = {};
  Impl::separate(outputs);
  for (size_t i = 0; i < outputs.size(); ++i) impl.deliver(i, outputs[i]);
  return outputs;
}

void Context::set_output(int i, std::span<std::byte> memory, std::shared_ptr<const void> owner) {
  if (i < 0 || static_cast<size_t>(i) >= impl_->bound.size())
    throw Error(ErrorCode::kInvalidArgument,
                concat("output ", i, " of an engine with ", impl_->bound.size(), " outputs"));
  impl_->bound[static_cast<size_t>(i)] = {.bytes = memory, .owner = std::move(owner)};
}

void Context::set_allocator(OutputAllocator allocator) { impl_->allocator = std::move(allocator); }
void Context::set_scratch(std::span<std::byte> memory) { impl_->frame.arena().lend(memory); }
void Context::set_observer(StepObserver observer) { impl_->run.observer = std::move(observer); }
void Context::set_stream(std::optional<void*> stream, bool wait) {
  impl_->stream = stream;
  impl_->waits = wait;
}
ArenaLayout Context::layout() const { return impl_->frame.layout(); }
void Context::set_limits(const RunLimits& limits) { impl_->run.budget = RunBudget(limits); }

}  // namespace planish
