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

// The session's part of a run, ended however the run ends: the caller may then free what it was
// given, or run on another stream.
class SessionRun {
 public:
  // `session` may be null.
  SessionRun(DeviceSession* session, bool waits) : session_(session), waits_(waits) {}
  ~SessionRun() {
    try {
      finish();
    } catch (const Error&) {
      // What made the run throw is told; this is its consequence.
    }
  }
  SessionRun(const SessionRun&) = delete;
  SessionRun& operator=(const SessionRun&) = delete;

  bool waits() const { return waits_; }
  void finish() {
    DeviceSession* session = std::exchange(session_, nullptr);
    if (session == nullptr) return;
    if (waits_)
      session->wait();
    else
      session->end();
  }

 private:
  DeviceSession* session_;
  bool waits_;
};

}  // namespace

struct Context::Impl final : OutputPlaces {
  Impl(const Engine& engine, const EngineCode& code, int profile)
      : engine(engine),
        run{.engine = code, .budget = RunBudget(code.options.limits)},
        frame(code.programs.front(), run),
        check(engine.plan(), profile),
        no_symbols(code.symbols.size(), kUnbound),
        bound(engine.outputs().size()),
        wanted(engine.outputs().size()),
        placed(engine.outputs().size()) {
    if (code.device == nullptr) return;
    run.session = code.device->make_session();
    find_host_values(code.programs.front());
  }

  OwnedBytes place(size_t i, size_t bytes) override {
    if (!bound[i].bytes.empty()) {
      require_room(i, bytes);
      wanted[i] = bound[i];
    } else if (allocator) {
      wanted[i] = allocate(i, bytes);
    }
    if (may_be_made_in(wanted[i].bytes, i)) placed[i] = wanted[i];
    return placed[i];
  }

  // What overlaps an input, or has no element's alignment, is written when the run is over; so is
  // what lies in the device's memory, unless nothing but a copy from there writes it.
  bool may_be_made_in(std::span<const std::byte> memory, size_t i) const {
    const auto is_input = [&](const Datum& d) { return overlap(memory_of(d), memory); };
    return !memory.empty() && is_aligned(memory.data(), engine.outputs()[i].type.dtype) &&
           std::none_of(inputs.begin(), inputs.end(), is_input) &&
           (!is_on_device(memory.data()) || (is_copied_out[i] && !run.observer));
  }

  bool is_on_device(const std::byte* memory) const {
    return run.session != nullptr && run.session->is_device_memory(memory);
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

  void forget_places() {
    std::fill(wanted.begin(), wanted.end(), OwnedBytes{});
    std::fill(placed.begin(), placed.end(), OwnedBytes{});
  }

  void check_bound() const {
    for (size_t i = 0; i < bound.size(); ++i)
      for (size_t k = 0; k < i; ++k)
        if (overlap(bound[i].bytes, bound[k].bytes))
          throw Error(ErrorCode::kInvalidArgument,
                      concat("outputs \"", engine.outputs()[k].name, "\" and \"",
                             engine.outputs()[i].name, "\" are bound to the same memory"));
  }

  // Inputs that host code reads, and outputs that it neither makes nor reads: in the device's
  // memory it could not.
  void find_host_values(const ProgramCode& program) {
    const auto root = [&](int32_t v) { return program.values[static_cast<size_t>(v)].root; };
    std::set<int32_t> read, made, twice;
    for (const StepCode& step : program.steps) {
      const StepMemory memory = step.kernel->memory();
      const bool is_host = memory.outputs == plan::Memory::kHost;
      for (int32_t v : step.step->inputs)
        if (v >= 0 && is_host) read.insert(root(v));
      for (int32_t v : step.step->outputs)
        if (v >= 0 && is_host && memory.inputs == plan::Memory::kHost) made.insert(root(v));
      for (int32_t v : step.captured) read.insert(root(v));
    }
    std::set<int32_t> outputs;
    for (const OutputCode& out : program.outputs)
      if (!outputs.insert(out.root).second) twice.insert(out.root);
    for (const OutputCode& out : program.outputs)
      is_copied_out.push_back(read.count(out.root) + made.count(out.root) + twice.count(out.root) ==
                              0);
    for (int32_t v : program.program->inputs)
      is_read_by_host.push_back(read.count(v) + outputs.count(v) != 0);
  }

  // What host code reads, in the host's memory; there it is aligned too.
  Datum for_host(const Datum& datum, size_t i) const {
    const auto* t = std::get_if<Tensor>(&datum.held);
    if (run.session == nullptr || t == nullptr || t->dtype() == DType::kString ||
        (!is_read_by_host[i] && is_aligned(t->data(), t->dtype())) || !is_on_device(t->data()))
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
  void deliver(size_t i, Datum& datum) {
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
    if (wanted[i].bytes.size() < t->bytes() || wanted[i].bytes.empty()) {
      if (is_bound) require_room(i, t->bytes());
      wanted[i] = is_bound ? bound[i] : allocate(i, t->bytes());
    }
    auto* data = const_cast<std::byte*>(wanted[i].bytes.data());
    if (run.session != nullptr) run.session->wait_for_copies();
    if (t->bytes() != 0 && is_on_device(data))
      run.session->read(data, t->data(), t->bytes());
    else if (t->bytes() != 0)
      std::memmove(data, t->data(), t->bytes());
    t->rebind(data, wanted[i].owner);
  }

  // Two outputs never share memory.
  void separate(std::vector<Datum>& outputs) const {
    for (size_t i = 1; i < outputs.size(); ++i)
      for (size_t k = 0; k < i; ++k)
        if (const auto memory = memory_of(outputs[i]); overlap(memory, memory_of(outputs[k]))) {
          if (is_on_device(memory.data()))
            throw Error(ErrorCode::kInvalidArgument,
                        concat("outputs \"", engine.outputs()[k].name, "\" and \"",
                               engine.outputs()[i].name, "\" were given the same memory"));
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
  std::vector<OwnedBytes> wanted;  // by output: where this run's is to be in the end
  std::vector<OwnedBytes> placed;  // by output: where this run makes it; empty: elsewhere
  OutputAllocator allocator;
  std::span<const Datum> inputs;
  std::vector<bool> is_read_by_host;  // by input; empty: the engine has no device
  std::vector<bool> is_copied_out;    // by output; the same
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
  impl.forget_places();
  if (impl.run.session != nullptr) impl.run.session->begin(impl.stream);
  SessionRun session(impl.run.session.get(), impl.waits);
  const std::vector<Datum> taken = impl.take_inputs(inputs);
  impl.inputs = inputs;
  std::vector<Datum> outputs = impl.frame.run(taken, impl.no_symbols, &impl);
  impl.inputs = {};
  if (session.waits()) session.finish();
  impl.separate(outputs);
  for (size_t i = 0; i < outputs.size(); ++i) impl.deliver(i, outputs[i]);
  session.finish();
  impl.forget_places();
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
